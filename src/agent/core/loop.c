/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reconcile loop: observe the switch and libvirt, compare with what the API wants, start the
 * next step of whatever differs. Nothing here blocks; looks and steps run in work queues.
 */
#include "agent/core/agent.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/core/state.h"
#include "base/file.h"

#define TICK_MS		1000
#define HURRY_MS	100 /* while something is on its way */
#define VIEW_MAX_AGE_MS 10000
#define RETRY_MAX_MS	30000U

/**
 * retry_later() - Note a failure and put the next try off
 * @r:    of the thing that failed
 * @what: what was tried, for the log; the same failure is logged once
 * @id:   whose it is
 * @e:    why it failed; NULL: it succeeded
 */
void retry_later(struct retry *r, const char *what, const char *id, const struct err *e)
{
	if (!e) {
		*r = (struct retry){ 0 };
		return;
	}
	if (strncmp(r->why, e->msg, sizeof(r->why) - 1))
		log_warn(what, "id=%s why=\"%s\"", id, e->msg);
	snprintf(r->why, sizeof(r->why), "%.*s", (int)sizeof(r->why) - 1, e->msg);
	r->at_ms = loop_now_ms() + MIN(500U << r->n, RETRY_MAX_MS);
	r->n = MIN(r->n + 1, 6U);
}

/**
 * retry_due() - May the thing be tried (again) now?
 * @r: its retry
 */
bool retry_due(const struct retry *r)
{
	return loop_now_ms() >= r->at_ms;
}

/**
 * agent_socket_path() - Where a port's VF listens and its domain connects
 * @a:    agent
 * @port: port id
 * @out:  gets the path
 */
void agent_socket_path(const struct agent *a, const char *port, char out[VF_PATH_LEN + 1])
{
	snprintf(out, VF_PATH_LEN + 1, "%s/vhost/%.11s/sock", a->opts.run_dir, port);
}

/**
 * agent_server_dir() - Where a server's files lie
 * @a:      agent
 * @server: id
 * @out:    gets the path
 */
void agent_server_dir(const struct agent *a, const char *server, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/servers/%s", a->dir, server);
}

/* One look at the switch. */
struct look {
	struct agent *agent;
	uint64_t stamp; /* agent.clock when it was asked for */
	struct pfs_view *view;
	struct err e;
};

static void look_run(void *arg)
{
	struct look *l = arg;

	pfs_observe(l->agent->opts.run_dir, l->agent->opts.mappings, &l->view, &l->e);
}

static void observe_port(struct agent *a, struct port *p)
{
	const struct vf_info *vf = pfs_vf(a->view, p->want.pf, p->want.vf);
	const struct server *s = entity_server(a, p->want.server);
	char socket[VF_PATH_LEN + 1];

	p->have.known = vf != NULL;
	if (!vf)
		return;
	agent_socket_path(a, p->id, socket);
	snprintf(p->want.config.server, sizeof(p->want.config.server), "%.*s", VF_NAME_LEN,
		 s && s->want.doc ? s->want.name
		 : p->want.server ? p->want.server
				  : "");
	p->have.bound = !strcmp(vf->config.port_id, p->id);
	p->have.changed = p->applied_known ? fields_diff(vf_fields, &p->applied, &p->want.config)
					   : WANT_VF_FIELDS;
	p->have.changed &= WANT_VF_FIELDS;
	p->have.attached = p->have.bound && vf->attach.kind == VF_ATTACH_VHOST &&
			   !strcmp(vf->attach.socket, socket);
	p->have.attached_else =
		p->have.bound && vf->attach.kind != VF_ATTACH_NONE && !p->have.attached;
	p->have.connected = p->have.attached && vf->status.connected;
	if (p->want.released && p->have.known && !p->have.bound && p->applied_known) {
		p->applied_known = false; /* by an agent that ended before it could forget */
		record_port(a, p);
	}
	guest_observe(a, p, vf);
}

static void observe_net(struct agent *a, struct net *n)
{
	const struct pfs_pf *pf = pfs_find(a->view, n->pf);
	const struct svc_config *svc;

	for (unsigned int i = 0; !*n->pf && i < a->view->n_pfs; i++)
		if (pfs_svc(&a->view->pfs[i], n->at.tap))
			pf = &a->view->pfs[i];
	if (pf && !*n->pf)
		snprintf(n->pf, sizeof(n->pf), "%s", pf->info.config.name);
	n->have.known = a->desired_known && (pf || !n->want.doc);
	svc = pfs_svc(pf, n->at.tap);
	n->have.service_port = svc;
	n->have.addressed = svc && n->addressed == pf->daemon &&
			    (!n->want.doc || mac_equal(&svc->mac, &n->want.dhcp_mac));
}

static void look_done(void *arg)
{
	struct look *l = arg;
	struct agent *a = l->agent;

	a->observing = false;
	if (l->view) {
		if (!a->view)
			log_info("the switch is there", "pfs=%u", l->view->n_pfs);
		pfs_view_free(a->view);
		a->view = take(l->view);
		a->view_ms = loop_now_ms();
		for (struct omap_node *n = omap_from(a->ports, ""); n; n = n->next[0]) {
			struct port *p = n->value;

			if (p->want.doc && !p->busy)
				observe_port(a, p);
		}
		for (struct omap_node *n = omap_from(a->nets, ""); n; n = n->next[0])
			if (!((struct net *)n->value)->busy &&
			    ((struct net *)n->value)->stamp <= l->stamp)
				observe_net(a, n->value);
		tap_observe_all(a);
	} else if (a->view && loop_now_ms() - a->view_ms > VIEW_MAX_AGE_MS) {
		log_warn("the switch is gone", "why=\"%s\"", l->e.msg);
		pfs_view_free(take(a->view));
	}
	if (a->observe_again)
		agent_observe(a);
	free(l);
	agent_evaluate(a);
}

/**
 * agent_observe() - Look at the switch as soon as its queue comes to it
 * @a: agent
 */
void agent_observe(struct agent *a)
{
	struct look *l;

	a->observe_again = a->observing;
	if (a->observing || !(l = calloc(1, sizeof(*l))))
		return;
	l->agent = a;
	l->stamp = a->clock;
	if (work_push(a->switch_queue, look_run, look_done, l))
		free(l);
	else
		a->observing = true;
}

/* One list of libvirt's domains. */
struct list {
	struct agent *agent;
	uint64_t stamp; /* agent.clock when it was asked for */
	struct virt_domain *domains;
	unsigned int n;
	unsigned long version;
	int rc;
	struct err e;
};

static void list_run(void *arg)
{
	struct list *l = arg;
	struct agent *a = l->agent;

	if (a->accel == ACCEL_UNKNOWN) /* only this queue writes it */
		a->accel = host_has_kvm(a->dir) ? ACCEL_KVM : ACCEL_TCG;
	l->rc = virt_list(a->virt, &l->domains, &l->n, &l->e);
	if (!l->rc)
		virt_version(a->virt, &l->version, &l->e);
}

static enum domain_state find_domain(const struct list *l, const char *id)
{
	for (unsigned int i = 0; i < l->n; i++)
		if (!strcmp(l->domains[i].server, id))
			return l->domains[i].state;
	return DOMAIN_ABSENT;
}

/* What libvirt says of a server; a domain that went without us is noted as halted. */
static void observe_server(struct agent *a, struct server *s, enum domain_state state)
{
	s->have.known = true;
	s->have.domain = state;
	if (state != DOMAIN_ABSENT || !s->started)
		return;
	log_info("a server went off by itself", "id=%s", s->id);
	s->started = false;
	s->have.halted = true;
	s->have.halted_generation = s->want.doc ? s->want.generation : 0;
	record_server(a, s);
}

static void list_done(void *arg)
{
	struct list *l = arg;
	struct agent *a = l->agent;

	a->listing = false;
	if (!l->rc) {
		a->virt_version = l->version;
		for (struct omap_node *n = omap_from(a->servers, ""); n; n = n->next[0]) {
			struct server *s = n->value;

			if (!s->busy && s->stamp <= l->stamp && s->want.doc)
				observe_server(a, s, find_domain(l, s->id));
		}
	}
	if (a->list_again)
		agent_list_domains(a);
	free(l->domains);
	free(l);
	agent_evaluate(a);
}

/**
 * agent_list_domains() - Ask libvirt for its domains
 * @a: agent
 */
void agent_list_domains(struct agent *a)
{
	struct list *l;

	a->list_again = a->listing;
	if (a->listing || !a->virt_connected || !(l = calloc(1, sizeof(*l))))
		return;
	l->agent = a;
	l->stamp = a->clock;
	if (work_push(a->virt_queue, list_run, list_done, l))
		free(l);
	else
		a->listing = true;
}

static void on_connected(void *arg, bool connected)
{
	struct agent *a = arg;

	a->virt_connected = connected;
	for (struct omap_node *n = omap_from(a->servers, ""); !connected && n; n = n->next[0])
		((struct server *)n->value)->have.known = false;
	for (struct omap_node *n = omap_from(a->ports, ""); n; n = n->next[0])
		((struct port *)n->value)->filter_due++; /* events may have been missed */
	agent_list_domains(a);
}

static void on_domain(void *arg, const char *server)
{
	agent_list_domains(arg);
}

static void on_rx_filter(void *arg, const char *port)
{
	struct port *p = entity_port(arg, port);

	if (p) {
		p->filter_due++;
		guest_evaluate(arg, p);
	}
}

static bool ports_ready(struct agent *a, const struct want_server *want)
{
	for (unsigned int i = 0; i < want->n_ports; i++) {
		const struct port *p = entity_port(a, want->ports[i]);

		if (!p || !p->want.doc || p->busy || !p->have.known || !p->have.attached ||
		    p->have.changed)
			return false;
	}
	return true;
}

static bool ports_connected(struct agent *a, const struct want_server *want)
{
	for (unsigned int i = 0; i < want->n_ports; i++) {
		const struct port *p = entity_port(a, want->ports[i]);

		if (p && p->want.doc && !p->have.connected)
			return false;
	}
	return true;
}

/* Return: whether something of the server is on its way. */
static bool evaluate_server(struct agent *a, struct server *s)
{
	enum server_step step;

	if (!s->want.doc)
		return false;
	s->have.ports_ready = a->accel != ACCEL_UNKNOWN && ports_ready(a, &s->want);
	if (s->have.domain != DOMAIN_ABSENT && ports_connected(a, &s->want))
		s->have.was_active = true;
	step = plan_server(&s->want, &s->have);
	if (s->busy && !s->rescued && (s->want.deleted || !s->want.on))
		step_rescue(a, s);
	if (step != SERVER_STEP_NONE && !s->busy && retry_due(&s->retry))
		step_server(a, s, step);
	return s->busy || (s->want.on && !s->have.was_active && !s->have.failed);
}

static bool evaluate_port(struct agent *a, struct port *p)
{
	const struct server *s = entity_server(a, p->want.doc ? p->want.server : NULL);
	enum port_step step;

	if (!p->want.doc)
		return false;
	p->have.in_use =
		s && s->want.doc && (s->busy || !s->have.known || s->have.domain != DOMAIN_ABSENT);
	step = plan_port(&p->want, &p->have);
	if (step != PORT_STEP_NONE && !p->busy && retry_due(&p->retry))
		step_port(a, p, step);
	guest_evaluate(a, p);
	return step != PORT_STEP_NONE;
}

/* Which of the host's ports belong to the network; returns how many. */
static unsigned int ports_of(struct agent *a, const struct net *n, const struct want_port **out)
{
	unsigned int n_ports = 0;

	for (struct omap_node *node = omap_from(a->ports, ""); node; node = node->next[0]) {
		const struct port *p = node->value;

		if (p->want.doc && !p->want.released && !strcmp(p->want.network, n->id))
			out[n_ports++] = &p->want;
	}
	return n_ports;
}

static bool evaluate_net(struct agent *a, struct net *n)
{
	auto_free const struct want_port **ports = calloc(omap_count(a->ports) + 1, sizeof(*ports));
	unsigned int n_ports;
	enum net_step step;

	if (!ports || n->busy)
		return n->busy;
	n_ports = n->want.doc ? ports_of(a, n, ports) : 0;
	n->have.wanted = n_ports && n->want.dhcp;
	if (n->have.wanted) {
		free(n->conf);
		free(n->hosts);
		n->conf = dhcp_conf(&n->want, &n->at);
		n->hosts = dhcp_hosts(&n->want, ports, n_ports);
		n->have.conf_current = n->conf && !dhcp_differs(&n->at, "conf", n->conf);
		n->have.hosts_current = n->hosts && !dhcp_differs(&n->at, "hosts", n->hosts);
	}
	n->have.running = n->have.files && dhcp_pid(&n->at) > 0;
	step = plan_net(&n->have);
	if (step != NET_STEP_NONE && retry_due(&n->retry))
		step_net(a, n, step);
	return step != NET_STEP_NONE;
}

/**
 * agent_evaluate() - Compare wanted with observed, start what differs, report what changed
 * @a: agent
 *
 * Context: the loop's thread, after anything was learned, and once a second.
 */
void agent_evaluate(struct agent *a)
{
	bool hurry = false;

	if (a->stopping)
		return;
	entity_drop_gone(a);
	for (struct omap_node *n = omap_from(a->ports, ""); n; n = n->next[0])
		hurry |= evaluate_port(a, n->value);
	hurry |= tap_evaluate_all(a);
	for (struct omap_node *n = omap_from(a->nets, ""); n; n = n->next[0])
		hurry |= evaluate_net(a, n->value);
	for (struct omap_node *n = omap_from(a->servers, ""); n; n = n->next[0])
		hurry |= evaluate_server(a, n->value);
	follow_evaluate(a);
	loop_timer_set(a->tick, hurry ? HURRY_MS : TICK_MS, TICK_MS);
}

static void on_tick(void *arg)
{
	agent_observe(arg);
	agent_evaluate(arg);
}

/* A directory for QEMU's group, which runs as libvirt-qemu; tenants' data is for nobody else. */
static int make_dir(const char *parent, const char *name, mode_t mode, struct err *e)
{
	const struct group *group = getgrnam("libvirt-qemu");
	char path[PATH_MAX];
	struct stat st;
	int rc;

	snprintf(path, sizeof(path), "%s/%s", parent, name);
	rc = file_mkdirs(path, 0755, e);
	if (!rc && stat(path, &st))
		rc = err_errno(e, "%s", path);
	if (rc || !group || st.st_uid != geteuid()) /* the switch's is as the switch wants it */
		return rc;
	if (chown(path, (uid_t)-1, group->gr_gid) ? errno != EPERM : chmod(path, mode))
		return err_errno(e, "%s", path);
	return 0;
}

static int make_dirs(struct agent *a, struct err *e)
{
	int rc = make_dir(a->dir, "images", 0750, e);

	if (!rc)
		rc = make_dir(a->dir, "servers", 0750, e);
	return rc ? rc : make_dir(a->dir, "ports", 0750, e);
}

static int make_parts(struct agent *a, struct err *e)
{
	int rc = httpc_open(&a->watch_http, e);

	if (!rc)
		rc = httpc_open(&a->report_http, e);
	if (!rc)
		rc = door_open(a->opts.api, a->opts.credentials, &a->opts.trust, &a->door, e);
	if (rc)
		return rc;
	a->servers = omap_new();
	a->ports = omap_new();
	a->nets = omap_new();
	a->taps = omap_new();
	a->virt_queue = work_queue_new(a->loop);
	a->switch_queue = work_queue_new(a->loop);
	a->watch_queue = work_queue_new(a->loop);
	a->report_queue = work_queue_new(a->loop);
	a->tick = loop_timer_add(a->loop, TICK_MS, TICK_MS, on_tick, a);
	if (!a->servers || !a->ports || !a->nets || !a->taps || !a->virt_queue ||
	    !a->switch_queue || !a->watch_queue || !a->report_queue || !a->tick)
		return err_set(e, -ENOMEM, "out of memory");
	return 0;
}

/**
 * agent_open() - Start the agent in a loop
 * @loop: loop to live in
 * @opts: options; their strings stay valid as long as the process
 * @out:  gets the agent; it lives until the process ends, because libvirt's threads do
 * @e:    error text, may be NULL
 *
 * Return: 0 or a negative errno. That API, libvirt or the switch are not there is no error: the
 * agent waits for them.
 */
int agent_open(struct loop *loop, const struct agent_opts *opts, struct agent **out, struct err *e)
{
	static const struct virt_events events = { on_connected, on_domain, on_rx_filter };
	struct agent *a = calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return err_set(e, -ENOMEM, "out of memory");
	a->loop = loop;
	a->opts = *opts;
	a->heartbeat_s = 5;
	snprintf(a->dir, sizeof(a->dir), "%s/agent", opts->state_dir);
	host_boot_id(a->boot_id);
	rc = collectors_parse(opts->collectors, &a->collectors, e);
	if (rc) {
		err_prefix(e, "[taas] collectors");
		return rc;
	}
	rc = make_dirs(a, e);
	if (!rc)
		rc = make_parts(a, e);
	if (!rc)
		rc = virt_open(loop, opts->libvirt_uri, &events, a, &a->virt, e);
	if (rc)
		return rc; /* the process ends with it */
	agent_observe(a);
	follow_start(a);
	*out = a;
	return 0;
}

/**
 * agent_stop() - Begin nothing new, and let waiting calls end
 * @a: agent
 *
 * Domains and dnsmasq go on; a new agent takes them over.
 */
void agent_stop(struct agent *a)
{
	a->stopping = true;
	door_cancel(a->door);
}
