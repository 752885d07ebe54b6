/* SPDX-License-Identifier: Apache-2.0 */
/* A server's domain that is there: state, power button, CPUs, figures, what its QEMU says. */
#include <errno.h>
#include <libvirt/libvirt-qemu.h>

#include "agent/host/virt_priv.h"

/**
 * virt_shutdown() - Press a server's power button
 * @v:      handle
 * @server: id
 * @e:      error text, may be NULL
 *
 * Return: 0 (the guest decides what it does), -ENOENT, -ENOTCONN, -ETIMEDOUT, -EIO.
 */
int virt_shutdown(struct virt *v, const char *server, struct err *e)
{
	virConnectPtr conn;
	virDomainPtr dom;
	int rc = virt_domain_get(v, server, &conn, &dom, e);

	if (rc)
		return rc;
	if (virDomainShutdown(dom) < 0)
		rc = virt_error(e, server);
	virt_domain_put(conn, dom);
	return rc;
}

/**
 * virt_pause() - Stop a server's CPUs, or let them run again
 * @v:      handle
 * @server: id
 * @on:     stop them
 * @e:      error text, may be NULL
 *
 * What they had written is on the disk's file then: QEMU flushes as it stops.
 *
 * Return: 0, also when it is so already; -ENOENT, -ENOTCONN, -ETIMEDOUT, -EIO. Context: blocks; a
 * work queue.
 */
int virt_pause(struct virt *v, const char *server, bool on, struct err *e)
{
	enum domain_state to = on ? DOMAIN_PAUSED : DOMAIN_RUNNING;
	struct err why = { 0 };
	virConnectPtr conn;
	virDomainPtr dom;
	int rc = virt_domain_get(v, server, &conn, &dom, e);

	if (rc)
		return rc;
	if ((on ? virDomainSuspend(dom) : virDomainResume(dom)) < 0)
		rc = virt_error(&why, server);
	if (rc == -EIO && virt_state_of(dom) == to)
		rc = 0;
	virt_domain_put(conn, dom);
	return rc ? err_set(e, rc, "%s", why.msg) : 0;
}

/**
 * virt_save() - Save a server's domain to a file, and end it
 * @v:      handle
 * @server: id
 * @path:   of the file, replaced; it is root's
 * @e:      error text, may be NULL
 *
 * A domain with a vhost-user device cannot be saved.
 *
 * Return: 0; -ENOENT no such domain, -ENOTCONN, -ETIMEDOUT, -EIO: it goes on then. Context: blocks
 * as long as memory is written; a work queue.
 */
int virt_save(struct virt *v, const char *server, const char *path, struct err *e)
{
	virConnectPtr conn;
	virDomainPtr dom;
	int rc = virt_domain_get(v, server, &conn, &dom, e);

	if (rc)
		return rc;
	if (virDomainSave(dom, path) < 0)
		rc = virt_error(e, server);
	virt_domain_put(conn, dom);
	return rc;
}

/**
 * virt_restore() - Start a domain from where it was saved
 * @v:    handle
 * @path: of the file
 * @e:    error text, may be NULL
 *
 * Return: 0, -ENOTCONN, -ETIMEDOUT, -EIO. Context: blocks; a work queue.
 */
int virt_restore(struct virt *v, const char *path, struct err *e)
{
	virConnectPtr conn = virt_conn_own(v, e);
	int rc;

	if (!conn)
		return -ENOTCONN;
	rc = virDomainRestore(conn, path) < 0 ? virt_error(e, path) : 0;
	virConnectClose(conn);
	return rc;
}

/**
 * virt_state() - Is a server's domain there, and does it run?
 * @v:      handle
 * @server: id
 * @out:    gets the state
 * @e:      error text, may be NULL
 *
 * Return: 0, -ENOTCONN, -EIO.
 */
int virt_state(struct virt *v, const char *server, enum domain_state *out, struct err *e)
{
	struct err why = { 0 };
	virConnectPtr conn;
	virDomainPtr dom;
	int rc = virt_domain_get(v, server, &conn, &dom, &why);

	if (rc == -ENOENT) {
		*out = DOMAIN_ABSENT;
		return 0;
	}
	if (rc)
		return err_set(e, rc, "%s", why.msg);
	*out = virt_state_of(dom);
	virt_domain_put(conn, dom);
	return 0;
}

/**
 * virt_attach() - Plug a device into a server's running domain
 * @v:      handle
 * @server: id
 * @xml:    the device
 * @e:      error text, may be NULL
 *
 * Return: 0, -ENOENT, -ENOTCONN, -ETIMEDOUT, -EIO: it is not there then. Context: blocks as long as
 * QEMU does; the domain's own work queue.
 */
int virt_attach(struct virt *v, const char *server, const char *xml, struct err *e)
{
	virConnectPtr conn;
	virDomainPtr dom;
	int rc = virt_domain_get(v, server, &conn, &dom, e);

	if (rc)
		return rc;
	if (virDomainAttachDeviceFlags(dom, xml, VIR_DOMAIN_AFFECT_LIVE) < 0)
		rc = virt_error(e, server);
	virt_domain_put(conn, dom);
	return rc;
}

/**
 * virt_qmp() - Say something to a server's QEMU
 * @v:       handle
 * @server:  id
 * @command: QMP command; taken
 * @reply:   gets the answer's text, the caller's to free
 * @e:       error text, may be NULL
 *
 * Return: 0 (the reply may be a QMP error), -ENOENT, -ENOTCONN, -ETIMEDOUT, -EIO, -ENOMEM.
 * Context: blocks as long as QEMU does; the domain's own work queue.
 */
int virt_qmp(struct virt *v, const char *server, json_t *command, char **reply, struct err *e)
{
	auto_of(json_decref) json_t *owned = command;
	auto_free char *text = command ? json_dumps(command, JSON_COMPACT) : NULL;
	virConnectPtr conn;
	virDomainPtr dom;
	int rc;

	if (!text)
		return err_set(e, -ENOMEM, "out of memory");
	rc = virt_domain_get(v, server, &conn, &dom, e);
	if (rc)
		return rc;
	if (virDomainQemuMonitorCommand(dom, text, reply, 0) < 0)
		rc = virt_error(e, server);
	virt_domain_put(conn, dom);
	return rc;
}

static json_t *param_to_json(const virTypedParameter *p)
{
	switch (p->type) {
	case VIR_TYPED_PARAM_INT:
		return json_integer(p->value.i);
	case VIR_TYPED_PARAM_UINT:
		return json_integer(p->value.ui);
	case VIR_TYPED_PARAM_LLONG:
		return json_integer(p->value.l);
	case VIR_TYPED_PARAM_ULLONG:
		return json_integer((json_int_t)p->value.ul);
	case VIR_TYPED_PARAM_STRING:
		return json_string(p->value.s);
	default:
		return NULL;
	}
}

/**
 * virt_stats() - What a server's domain has used
 * @v:      handle
 * @server: id
 * @out:    gets CPUs, memory and disks, by the names of virConnectGetAllDomainStats():
 *          "vcpu.0.time" in ns, "block.0.rd.bytes", "balloon.rss" in KiB; a new object
 * @e:      error text, may be NULL
 *
 * What would wait for a QEMU that is busy is left out.
 *
 * Return: 0; -ENOENT no such domain, -ENOTCONN, -ETIMEDOUT, -EIO. Context: blocks; a work queue.
 */
int virt_stats(struct virt *v, const char *server, json_t **out, struct err *e)
{
	const unsigned int what =
		VIR_DOMAIN_STATS_VCPU | VIR_DOMAIN_STATS_BALLOON | VIR_DOMAIN_STATS_BLOCK;
	virDomainStatsRecordPtr *records = NULL;
	virDomainPtr doms[2] = { NULL };
	virConnectPtr conn;
	int n, rc = virt_domain_get(v, server, &conn, &doms[0], e);

	if (rc)
		return rc;
	n = virDomainListGetStats(doms, what, &records, VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);
	if (n < 0)
		rc = virt_error(e, server);
	else
		*out = json_object();
	for (int i = 0; n == 1 && i < records[0]->nparams; i++)
		json_object_set_new(*out, records[0]->params[i].field,
				    param_to_json(&records[0]->params[i]));
	virDomainStatsRecordListFree(records);
	virt_domain_put(conn, doms[0]);
	return rc;
}
