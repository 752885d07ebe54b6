/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvirt behind a few verbs. Two threads of its own: one turns libvirt's event loop (which with
 * qemu:///embed is what talks to QEMU), one connects, and connects again when libvirtd went away.
 */
#include "agent/host/virt.h"

#include <errno.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/host/virt_priv.h"
#include "base/log.h"

#define RETRY_MS	1000
#define KEEPALIVE_S	5
#define KEEPALIVE_COUNT 3
#define HUSKS_MAX	64U
#define NO_QEMU_MS	5000 /* a start that asks no QEMU for so long has none */
#define LOOK_MS		250
/* QMP's events */
#define NIC_FILTER	"NIC_RX_FILTER_CHANGED"
#define NIC_DELETED	"DEVICE_DELETED"

/* Lives as long as the process: libvirt's threads cannot be ended. */
struct virt {
	struct loop *loop;
	char *uri;
	struct virt_events events;
	void *arg;
	pthread_mutex_t conn_lock;
	pthread_cond_t conn_lost;
	virConnectPtr conn; /* Writer: the connecting thread. NULL: not connected */
	bool lost;	    /* the close callback fired */
	/* Servers whose domain libvirt cannot end: husk_note(). Oldest overwritten; conn_lock. */
	char husks[HUSKS_MAX][UUID_STR_LEN];
	unsigned int n_husks; /* ever noted */
};

/* One event on its way to the loop. */
struct virt_event {
	struct virt *virt;
	enum { EV_CONNECTED, EV_LOST, EV_DOMAIN, EV_MONITOR } kind;
	char id[UUID_STR_LEN];
};

static void event_deliver(void *arg)
{
	struct virt_event *ev = arg;
	const struct virt *v = ev->virt;

	switch (ev->kind) {
	case EV_CONNECTED:
	case EV_LOST:
		v->events.connected(v->arg, ev->kind == EV_CONNECTED);
		break;
	case EV_DOMAIN:
		v->events.domain(v->arg, ev->id);
		break;
	case EV_MONITOR:
		v->events.monitor(v->arg, ev->id);
		break;
	}
	free(ev);
}

static void event_post(struct virt *v, int kind, const char *id)
{
	struct virt_event *ev = calloc(1, sizeof(*ev));

	if (!ev)
		return; /* the next poll sees it */
	ev->virt = v;
	ev->kind = kind;
	snprintf(ev->id, sizeof(ev->id), "%s", id);
	loop_post(v->loop, event_deliver, ev);
}

/* The server of a domain of ours, or NULL. */
static const char *server_of(virDomainPtr dom)
{
	const char *name = virDomainGetName(dom);

	if (!name || strncmp(name, VIRT_DOMAIN_PREFIX, strlen(VIRT_DOMAIN_PREFIX)))
		return NULL;
	name += strlen(VIRT_DOMAIN_PREFIX);
	return uuid_valid(name) ? name : NULL;
}

static int on_lifecycle(virConnectPtr conn, virDomainPtr dom, int event, int detail, void *arg)
{
	const char *server = server_of(dom);

	if (server)
		event_post(arg, EV_DOMAIN, server);
	return 0;
}

/* Whose NIC it is: the event calls it by its alias, under a name of its own. */
static void on_monitor(virConnectPtr conn, virDomainPtr dom, const char *event, long long seconds,
		       unsigned int micros, const char *details, void *arg)
{
	auto_of(json_decref) json_t *obj = json_loads(details ? details : "{}", 0, NULL);
	bool deleted = !strcmp(event, NIC_DELETED);
	const char *name = json_string_value(json_object_get(obj, deleted ? "device" : "name"));
	const char *server = server_of(dom);

	if (name && server && !strncmp(name, VIRT_ALIAS_PREFIX, strlen(VIRT_ALIAS_PREFIX)))
		event_post(arg, EV_MONITOR, deleted ? server : name + strlen(VIRT_ALIAS_PREFIX));
}

static void on_close(virConnectPtr conn, int reason, void *arg)
{
	struct virt *v = arg;

	pthread_mutex_lock(&v->conn_lock);
	v->lost = true;
	pthread_cond_signal(&v->conn_lost);
	pthread_mutex_unlock(&v->conn_lock);
}

static void quiet(void *arg, virErrorPtr error)
{
}

/**
 * virt_cause() - Why a QEMU ended
 * @text: libvirt's words on that, which repeat all that QEMU said
 *
 * Of QEMU's last line the option that it did not like is left out: in JSON it is so long that what
 * was wrong with it would find no room in a server's fault.
 *
 * Return: what stands in @text behind these; @text, where it has neither. Context: pure.
 */
const char *virt_cause(const char *text)
{
	const char *at = text, *nl, *option;

	while ((nl = strchr(at, '\n')) && nl[1])
		at = nl + 1;
	option = strstr(at, ": -");
	option = option ? strstr(option, "}: ") : NULL;
	return option ? option + strlen("}: ") : at;
}

/**
 * virt_error() - What libvirt says of the last call in this thread, as errno and text
 * @e:    error text, may be NULL
 * @what: which call
 *
 * Return: -ENOENT, -ENOTCONN, -ETIMEDOUT, -EIO.
 */
int virt_error(struct err *e, const char *what)
{
	const virError *why = virGetLastError();

	if (why && why->domain == VIR_FROM_RPC)
		return err_set(e, -ENOTCONN, "%s: %s", what, why->message);
	switch (why ? why->code : VIR_ERR_OK) {
	case VIR_ERR_NO_DOMAIN:
		return err_set(e, -ENOENT, "%s: no such domain", what);
	case VIR_ERR_OPERATION_TIMEOUT:
		return err_set(e, -ETIMEDOUT, "%s: %s", what, why->message);
	case VIR_ERR_RPC:
	case VIR_ERR_NO_CONNECT:
		return err_set(e, -ENOTCONN, "%s: %s", what, why->message);
	default:
		return err_set(e, -EIO, "%s: %s", what,
			       why ? virt_cause(why->message) : "unknown error");
	}
}

static virConnectPtr connect_once(struct virt *v)
{
	virConnectPtr conn = virConnectOpen(v->uri);

	if (!conn)
		return NULL;
	virConnectSetKeepAlive(conn, KEEPALIVE_S, KEEPALIVE_COUNT);
	virConnectRegisterCloseCallback(conn, on_close, v, NULL);
	if (virConnectDomainEventRegisterAny(conn, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
					     VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), v,
					     NULL) < 0 ||
	    virConnectDomainQemuMonitorEventRegister(conn, NULL, NIC_FILTER, on_monitor, v, NULL,
						     0) < 0 ||
	    virConnectDomainQemuMonitorEventRegister(conn, NULL, NIC_DELETED, on_monitor, v, NULL,
						     0) < 0) {
		virConnectClose(conn);
		return NULL;
	}
	return conn;
}

static void wait_until_lost(struct virt *v)
{
	virConnectPtr conn;

	pthread_mutex_lock(&v->conn_lock);
	while (!v->lost)
		pthread_cond_wait(&v->conn_lost, &v->conn_lock);
	v->lost = false;
	conn = take(v->conn);
	pthread_mutex_unlock(&v->conn_lock);
	event_post(v, EV_LOST, "");
	virConnectUnregisterCloseCallback(conn, on_close);
	virConnectClose(conn);
}

static void *connect_thread(void *arg)
{
	struct virt *v = arg;
	bool said = false;

	for (;;) {
		virConnectPtr conn = connect_once(v);

		if (!conn && !said)
			log_warn("no connection to libvirt", "uri=%s why=\"%s\"", v->uri,
				 virGetLastErrorMessage());
		said = !conn;
		if (!conn) {
			sleep_ms(RETRY_MS);
			continue;
		}
		pthread_mutex_lock(&v->conn_lock);
		v->conn = conn;
		pthread_mutex_unlock(&v->conn_lock);
		log_info("connected to libvirt", "uri=%s", v->uri);
		event_post(v, EV_CONNECTED, "");
		wait_until_lost(v);
		log_warn("libvirt went away", "uri=%s", v->uri);
	}
	return NULL;
}

static void *event_thread(void *arg)
{
	for (;;)
		if (virEventRunDefaultImpl() < 0)
			sleep_ms(100);
	return NULL;
}

static int start_thread(void *(*fn)(void *), void *arg)
{
	sigset_t all, old;
	pthread_t thread;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&thread, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -rc;
}

/**
 * virt_open() - Begin to keep a connection to libvirt
 * @loop:   where events arrive
 * @uri:    libvirt URI: qemu:///system, qemu:///embed?root=DIR
 * @events: what to call; copied
 * @arg:    for @events
 * @out:    gets the handle; it lives until the process ends
 * @e:      error text, may be NULL
 *
 * Return: 0 or a negative errno; that libvirt is not there yet is no error.
 * Context: once a process, the loop's thread.
 */
int virt_open(struct loop *loop, const char *uri, const struct virt_events *events, void *arg,
	      struct virt **out, struct err *e)
{
	struct virt *v = calloc(1, sizeof(*v));
	int rc;

	if (!v || !(v->uri = strdup(uri))) {
		free(v);
		return err_set(e, -ENOMEM, "out of memory");
	}
	v->loop = loop;
	v->events = *events;
	v->arg = arg;
	pthread_mutex_init(&v->conn_lock, NULL);
	pthread_cond_init(&v->conn_lost, NULL);
	virSetErrorFunc(NULL, quiet);
	if (virEventRegisterDefaultImpl() < 0 || virInitialize() < 0)
		return virt_error(e, "libvirt");
	rc = start_thread(event_thread, v);
	if (!rc)
		rc = start_thread(connect_thread, v);
	if (rc)
		return err_set(e, rc, "libvirt: no thread");
	*out = v;
	return 0;
}

static virConnectPtr conn_get(struct virt *v, struct err *e)
{
	virConnectPtr conn;

	pthread_mutex_lock(&v->conn_lock);
	conn = v->conn;
	if (conn)
		virConnectRef(conn);
	pthread_mutex_unlock(&v->conn_lock);
	if (!conn)
		err_set(e, -ENOTCONN, "libvirt is not there (%s)", v->uri);
	return conn;
}

/**
 * virt_conn_own() - A connection of the call's own
 * @v: handle
 * @e: error text, may be NULL
 *
 * libvirt serves the calls of one connection a few at a time, and one that a hung QEMU holds up
 * would hold up those of others. An embedded libvirt has no such limit, and its process has one
 * connection.
 *
 * Return: it, closed by virConnectClose(); NULL: there is none. Context: blocks; a work queue.
 */
virConnectPtr virt_conn_own(struct virt *v, struct err *e)
{
	virConnectPtr conn = conn_get(v, e);

	if (!conn || strstr(v->uri, ":///embed"))
		return conn;
	virConnectClose(conn);
	conn = virConnectOpen(v->uri);
	if (!conn)
		err_set(e, -ENOTCONN, "libvirt: %s", virGetLastErrorMessage());
	return conn;
}

/**
 * virt_domain_get() - A server's domain, on a connection of the call's own
 * @v:      handle
 * @server: id
 * @conn:   gets the connection
 * @dom:    gets the domain; both go with virt_domain_put()
 * @e:      error text, may be NULL
 *
 * Return: 0; -ENOENT, -ENOTCONN, -ETIMEDOUT, -EIO. Context: blocks; a work queue.
 */
int virt_domain_get(struct virt *v, const char *server, virConnectPtr *conn, virDomainPtr *dom,
		    struct err *e)
{
	char name[sizeof(VIRT_DOMAIN_PREFIX) + UUID_STR_LEN];
	int rc;

	*conn = virt_conn_own(v, e);
	if (!*conn)
		return -ENOTCONN;
	snprintf(name, sizeof(name), VIRT_DOMAIN_PREFIX "%s", server);
	*dom = virDomainLookupByName(*conn, name);
	if (*dom)
		return 0;
	rc = virt_error(e, name);
	virConnectClose(*conn);
	return rc;
}

/**
 * virt_domain_put() - Let go what virt_domain_get() got
 * @conn: connection
 * @dom:  domain
 */
void virt_domain_put(virConnectPtr conn, virDomainPtr dom)
{
	virDomainFree(dom);
	virConnectClose(conn);
}

static bool in_start(virDomainPtr dom)
{
	int state = VIR_DOMAIN_NOSTATE, reason = 0;

	virDomainGetState(dom, &state, &reason, 0);
	return state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_STARTING_UP;
}

/*
 * libvirt 9 that is killed after it has written a domain's first status and before it starts QEMU
 * takes that domain for active when it is back, for ever in its start, and nobody's: it looks at no
 * domain without a pid (qemuProcessReconnectHelper()), and virDomainDestroy() waits 30 s in vain
 * for the job that starts it. A start that goes on waits for its QEMU's monitor or works with it
 * (qemuDomainGetControlInfo() says which); where neither is so, look after look, nobody starts it.
 */
static bool never_runs(virDomainPtr dom)
{
	virDomainControlInfo control;

	for (int ms = 0; ms < NO_QEMU_MS; ms += LOOK_MS) {
		if (!in_start(dom) || virDomainGetControlInfo(dom, &control, 0) < 0 ||
		    control.state != VIR_DOMAIN_CONTROL_OK)
			return false;
		sleep_ms(LOOK_MS);
	}
	return true;
}

static void husk_note(struct virt *v, const char *server)
{
	pthread_mutex_lock(&v->conn_lock);
	snprintf(v->husks[v->n_husks++ % HUSKS_MAX], UUID_STR_LEN, "%s", server);
	pthread_mutex_unlock(&v->conn_lock);
	log_warn("libvirt keeps a domain that it never started",
		 "domain=" VIRT_DOMAIN_PREFIX
		 "%s mend=\"stop libvirtd, remove the domain's file in "
		 "/run/libvirt/qemu, start libvirtd\"",
		 server);
}

static bool is_husk(struct virt *v, const char *server, virDomainPtr dom)
{
	bool noted = false;

	pthread_mutex_lock(&v->conn_lock);
	for (unsigned int i = 0; i < MIN(v->n_husks, HUSKS_MAX) && !noted; i++)
		noted = !strcmp(v->husks[i], server);
	pthread_mutex_unlock(&v->conn_lock);
	return noted && in_start(dom);
}

/**
 * virt_state_of() - A domain's state
 * @dom: domain
 */
enum domain_state virt_state_of(virDomainPtr dom)
{
	int state = VIR_DOMAIN_NOSTATE, reason = 0;

	virDomainGetState(dom, &state, &reason, 0);
	switch (state) {
	case VIR_DOMAIN_PAUSED:
		return reason == VIR_DOMAIN_PAUSED_USER || reason == VIR_DOMAIN_PAUSED_UNKNOWN
			       ? DOMAIN_PAUSED
			       : DOMAIN_HELD;
	case VIR_DOMAIN_PMSUSPENDED:
		return DOMAIN_HELD;
	case VIR_DOMAIN_SHUTOFF:
	case VIR_DOMAIN_CRASHED:
		return DOMAIN_ABSENT;
	default:
		return DOMAIN_RUNNING;
	}
}

/**
 * virt_list() - All servers' domains that are there
 * @v:   handle
 * @out: gets an array, the caller's to free; domains of other programs, and those that libvirt
 *       keeps without a QEMU (virt_destroy() found out), are not in it
 * @n:   gets its length
 * @e:   error text, may be NULL
 *
 * Return: 0; -ENOTCONN; or another negative errno. Context: blocks; a work queue.
 */
int virt_list(struct virt *v, struct virt_domain **out, unsigned int *n, struct err *e)
{
	virConnectPtr conn = conn_get(v, e);
	struct virt_domain *found;
	virDomainPtr *doms = NULL;
	int n_doms, rc = 0;

	if (!conn)
		return -ENOTCONN;
	n_doms = virConnectListAllDomains(conn, &doms, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
	if (n_doms < 0) {
		rc = virt_error(e, "libvirt");
		virConnectClose(conn);
		return rc;
	}
	found = calloc((size_t)n_doms + 1, sizeof(*found));
	*n = 0;
	for (int i = 0; i < n_doms; i++) {
		const char *server = server_of(doms[i]);

		if (found && server && !is_husk(v, server, doms[i])) {
			snprintf(found[*n].server, UUID_STR_LEN, "%s", server);
			found[(*n)++].state = virt_state_of(doms[i]);
		}
		virDomainFree(doms[i]);
	}
	free(doms);
	virConnectClose(conn);
	*out = found;
	return found ? 0 : err_set(e, -ENOMEM, "out of memory");
}

/**
 * virt_start() - Create and start a transient domain
 * @v:   handle
 * @xml: domxml_build()
 * @e:   libvirt's words, may be NULL
 *
 * Return: 0, -ENOTCONN, -ETIMEDOUT, or -EIO when libvirt refuses. Context: blocks; a work queue.
 */
int virt_start(struct virt *v, const char *xml, struct err *e)
{
	virConnectPtr conn = virt_conn_own(v, e);
	virDomainPtr dom;
	int rc = 0;

	if (!conn)
		return -ENOTCONN;
	dom = virDomainCreateXML(conn, xml, 0);
	if (dom)
		virDomainFree(dom);
	else
		rc = virt_error(e, "libvirt");
	virConnectClose(conn);
	return rc;
}

/**
 * virt_destroy() - Pull a server's plug
 * @v:      handle
 * @server: id
 * @e:      error text, may be NULL
 *
 * Return: 0, also when there was no such domain, or one without a QEMU that libvirt does not let
 * go; -ENOTCONN, -ETIMEDOUT, -EIO. Context: blocks, 30 s where QEMU does not end; a work queue.
 */
int virt_destroy(struct virt *v, const char *server, struct err *e)
{
	struct err why = { 0 };
	virConnectPtr conn;
	virDomainPtr dom;
	int rc = virt_domain_get(v, server, &conn, &dom, &why);

	if (rc == -ENOENT)
		return 0;
	if (rc)
		return err_set(e, rc, "%s", why.msg);
	if (never_runs(dom)) {
		husk_note(v, server);
	} else if (virDomainDestroy(dom) < 0) {
		rc = virt_error(&why, server);
		if (rc == -ENOENT || virt_state_of(dom) == DOMAIN_ABSENT)
			rc = 0; /* it ended by itself just now */
	}
	virt_domain_put(conn, dom);
	return rc ? err_set(e, rc, "%s", why.msg) : 0;
}

/**
 * virt_version() - The hypervisor's version
 * @v:   handle
 * @out: gets major * 1,000,000 + minor * 1,000 + micro
 * @e:   error text, may be NULL
 *
 * Return: 0, -ENOTCONN, -EIO.
 */
int virt_version(struct virt *v, unsigned long *out, struct err *e)
{
	virConnectPtr conn = conn_get(v, e);
	int rc = 0;

	if (!conn)
		return -ENOTCONN;
	if (virConnectGetVersion(conn, out) < 0)
		rc = virt_error(e, "libvirt");
	virConnectClose(conn);
	return rc;
}
