/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VF leases: see lease.h. A bound port holds the key /vf/HOST/PF/N until the
 * host's agent says that the VF is back at its defaults, so a VF is never handed
 * on with another tenant's settings. The lease itself is told by the document
 * the agent follows, /host/HOST/port/ID; the port knows its host alone.
 */
#include "hosts/lease.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compute/compute.h"
#include "hosts/agents.h"
#include "hosts/lease_host.h"
#include "hosts/placement.h"
#include "network/taas/tap.h"

#define PFS_MAX 64 /* of one host */

static const json_t *host_doc(struct call *c, const char *host, const char *kind, const char *id)
{
	return *host ? call_get(c, "/host/%s/%s/%s", host, kind, id) : NULL;
}

static void pf_take_busy(struct place_pf *pf, const json_t *busy)
{
	json_t *n;
	size_t i;

	json_array_foreach (busy, i, n)
		if (json_integer_value(n) >= 0)
			place_pf_take(pf, (unsigned int)json_integer_value(n));
}

/**
 * lease_pfs() - A host's PFs and which of their VFs are not free
 * @c:    call
 * @host: host
 * @pfs:  filled in; members point into documents of the call
 * @max:  size of @pfs
 *
 * Return: how many; 0 for an unknown host.
 */
unsigned int lease_pfs(struct call *c, const char *host, struct place_pf *pfs, unsigned int max)
{
	const json_t *rows = json_object_get(call_get(c, "/agent/%s", host), "pfs");
	unsigned int n = 0;
	json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		struct place_pf *pf = &pfs[n];
		struct cursor it;

		if (n == max)
			break;
		*pf = (struct place_pf){
			.name = doc_str(row, "name"),
			.physnets = json_object_get(row, "physical_networks"),
			.pci_slots = json_object_get(row, "pci_slots"),
			.numvfs = (unsigned int)doc_int(row, "numvfs"),
		};
		pf_take_busy(pf, json_object_get(row, "busy"));
		it = call_list(c, "/vf/%s/%s/", host, pf->name);
		while (cursor_next(&it))
			place_pf_take(pf, (unsigned int)atoi(it.key + it.prefix_len));
		n++;
	}
	return n;
}

/**
 * lease_homes() - On which PF of a host its networks are: their DHCP is there
 * @c:    call
 * @host: host
 *
 * Return: a new object, {network id: PF}; NULL without memory.
 */
json_t *lease_homes(struct call *c, const char *host)
{
	struct cursor it = call_list(c, "/host/%s/network/", host);
	json_t *homes = json_object();

	while (homes && cursor_next(&it))
		json_object_set(homes, it.key + it.prefix_len, json_object_get(it.doc, "pf"));
	return homes;
}

/**
 * lease_want() - What placement must find for a port
 * @c:    call
 * @port: port document
 * @out:  set; strings point into documents of the call
 *
 * Return: 0; -ENOENT when its network is gone; -EOPNOTSUPP for a vnic type no VF serves.
 */
int lease_want(struct call *c, const json_t *port, struct place_port *out)
{
	const json_t *net = res_get(c, &network_resource, doc_str(port, "network_id"));
	const char *vnic = doc_str(port, "binding:vnic_type");

	if (!net)
		return -ENOENT;
	if (strcmp(vnic, "direct") && strcmp(vnic, "normal"))
		return -EOPNOTSUPP;
	*out = (struct place_port){
		.network = doc_str(net, "id"),
		.physnet = doc_str(net, "provider:physical_network"),
		.pci_slot = doc_text(json_object_get(port, "binding:profile"), "pci_slot"),
	};
	return 0;
}

/* The VF for one port of the host, as placement chooses it for those of a server. */
static int choose(struct call *c, const char *host, const struct place_port *want,
		  struct place_vf *out, struct err *why)
{
	auto_of(json_decref) json_t *homes = lease_homes(c, host);
	struct place_pf pfs[PFS_MAX];
	struct place_host h = { .pfs = pfs, .homes = homes };

	h.n_pfs = lease_pfs(c, host, pfs, PFS_MAX);
	return placement_assign(&h, want, 1, out, why);
}

/* The VF the port has there, or had and has not returned yet, else @vf, else a free one. */
static int find_vf(struct call *c, const char *host, const json_t *port,
		   const struct place_port *want, const struct place_vf *vf, struct lease *out,
		   struct err *why)
{
	const json_t *have = host_doc(c, host, "port", doc_str(port, "id"));
	const char *slot = doc_text(have, "pci_slot");
	struct place_vf chosen;
	int rc = have || vf ? 0 : choose(c, host, want, &chosen, why);

	if (rc)
		return rc;
	if (!have) {
		chosen = vf ? *vf : chosen;
		out->pf = chosen.pf;
		out->vf = chosen.vf;
		out->pci_slot = chosen.pci_slot;
		return call_claim(c, json_pack("{s:O}", "port", json_object_get(port, "id")),
				  "/vf/%s/%s/%u", host, out->pf, out->vf);
	}
	out->pf = doc_str(have, "pf");
	out->vf = (unsigned int)doc_int(have, "vf");
	out->pci_slot = slot;
	if (!want->pci_slot || (slot && !strcmp(slot, want->pci_slot)))
		return 0;
	return err_set(why, -EBUSY, "the port's VF %u of PF %s is not returned yet", out->vf,
		       out->pf);
}

static void set_binding(json_t *port, const char *host, const char *vif_type, json_t *details)
{
	json_object_set_new(port, "binding:host_id", json_string(host));
	json_object_set_new(port, "binding:vif_type", json_string(vif_type));
	json_object_set_new(port, "binding:vif_details", details);
	json_object_set_new(port, "status", json_string("DOWN"));
}

static void set_bound(json_t *port, const char *host, const json_t *net, const struct lease *l)
{
	json_t *details = json_pack("{s:b,s:s,s:o,s:s,s:i,s:s*}", "port_filter", 0, "connectivity",
				    "l2", "vlan", json_sprintf("%u", network_vlan(net)), "pf",
				    l->pf, "vf", (int)l->vf, "pci_slot", l->pci_slot);

	set_binding(port, host, "vhostuser", details);
}

/* Takes port, whose binding changed: what is copied from and to it follows. */
static int put_bound(struct call *c, json_t *port)
{
	auto_of(json_decref) json_t *held = json_incref(port);

	return res_put(c, &port_resource, port) ?: tap_changed(c, doc_str(held, "id"));
}

static bool is_bound(const json_t *port)
{
	return doc_is(port, "binding:vif_type", "vhostuser");
}

/* Reasons are sentences; an error without one is ours, not the host's. */
static int check_host(struct call *c, const json_t *port, const char *host, struct place_port *want,
		      struct err *why)
{
	const json_t *agent = *host ? call_get(c, "/agent/%s", host) : NULL;
	int rc = lease_want(c, port, want);

	if (rc == -EOPNOTSUPP)
		return err_set(why, rc, "no VF serves vnic type %s",
			       doc_str(port, "binding:vnic_type"));
	if (rc)
		return rc;
	if (!agent)
		return err_set(why, -ENOENT, "no agent reports such a host");
	if (!agent_alive(c, host))
		return err_set(why, -EHOSTDOWN, "its agent is silent");
	return 0;
}

/* Leases a VF and says so in port, which the caller puts. Without a VF nothing changes. */
static int take_vf(struct call *c, json_t *port, const char *host, const char *server,
		   const struct place_vf *vf, struct err *why)
{
	const json_t *net = res_get(c, &network_resource, doc_str(port, "network_id"));
	struct lease l = { .server = server };
	struct place_port want;
	int rc = check_host(c, port, host, &want, why);

	if (!rc)
		rc = find_vf(c, host, port, &want, vf, &l, why);
	if (rc) {
		if (why->msg[0])
			err_prefix(why, "host %s", host);
		return rc;
	}
	set_bound(port, host, net, &l);
	rc = dhcp_ensure(c, net, host);
	if (!rc && !host_doc(c, host, "network", doc_str(net, "id")))
		rc = host_network_put(c, host, net, l.pf);
	return rc < 0 ? rc : MIN(host_port_put(c, host, port, &l), 0);
}

/* Asks the agent to return a port's VF. The lease lasts until it did. */
static int return_vf(struct call *c, const char *host, const char *id)
{
	const json_t *have = host_doc(c, host, "port", id);
	json_t *doc;

	if (!have || doc_bool(have, "released"))
		return 0;
	doc = json_copy((json_t *)have);
	json_object_set_new(doc, "released", json_true());
	return host_doc_put(c, host, "port", id, doc);
}

/* As return_vf(), for a port that was taken from under its server, which is told. */
static int unplug(struct call *c, const char *host, const char *id)
{
	auto_of(json_decref) json_t *had = json_incref((json_t *)host_doc(c, host, "port", id));
	const char *server = doc_str(had, "server");

	return return_vf(c, host, id) ?: *server ? server_ports_changed(c, server) : 0;
}

/**
 * port_bind() - Give a port a VF of a host
 * @c:       call
 * @port_id: port
 * @host:    host
 * @server:  server it will serve, which becomes its device; NULL: none of ours
 * @vf:      a free VF of the host that placement chose for it; NULL: any that suits
 * @why:     the reason of a refusal, a sentence with the host's name; not NULL, empty
 *
 * A port bound to another host leaves it.
 *
 * Return: 0. A refusal, with a reason and nothing changed: -ENOSPC no free VF (or not the one the
 * profile names), -ENXIO no PF serves the physical network, -EHOSTDOWN the agent is silent, -ENOENT
 * no such host or port, -EOPNOTSUPP a vnic type without VFs, -EBUSY its former VF is not returned.
 * Without a reason: the call failed.
 */
int port_bind(struct call *c, const char *port_id, const char *host, const char *server,
	      const struct place_vf *vf, struct err *why)
{
	const json_t *old = res_get(c, &port_resource, port_id);
	auto_of(json_decref) json_t *port = json_copy((json_t *)old);
	int rc;

	if (!old)
		return err_set(why, -ENOENT, "port %s could not be found", port_id);
	if (server) {
		json_object_set_new(port, "device_id", json_string(server));
		json_object_set_new(port, "device_owner", json_string("compute:nova"));
	}
	rc = take_vf(c, port, host, server, vf, why);
	if (!rc && is_bound(old) && !doc_is(old, "binding:host_id", host))
		rc = return_vf(c, doc_str(old, "binding:host_id"), port_id);
	return rc ? rc : put_bound(c, take(port));
}

/**
 * port_bind_failed() - Say that a port got no VF
 * @c:       call
 * @port_id: port
 * @host:    where it was tried; "" if nowhere
 * @server:  server it was for, which becomes its device; NULL: none of ours
 *
 * Return: 0 or a negative errno.
 */
int port_bind_failed(struct call *c, const char *port_id, const char *host, const char *server)
{
	const json_t *old = res_get(c, &port_resource, port_id);
	json_t *port = json_copy((json_t *)old);
	int rc;

	if (!port)
		return old ? -ENOMEM : -ENOENT;
	rc = return_vf(c, doc_str(old, "binding:host_id"), port_id);
	if (server) {
		json_object_set_new(port, "device_id", json_string(server));
		json_object_set_new(port, "device_owner", json_string("compute:nova"));
	}
	set_binding(port, host, "binding_failed", json_object());
	return rc ? json_decref(port), rc : put_bound(c, port);
}

/**
 * port_unbind() - Take a port from its server, which goes or gives it up
 * @c:       call
 * @port_id: port; one that is gone is no error
 *
 * The VF stays leased until its host's agent has returned it to its defaults.
 *
 * Return: 0 or a negative errno.
 */
int port_unbind(struct call *c, const char *port_id)
{
	const json_t *old = res_get(c, &port_resource, port_id);
	json_t *port;
	int rc;

	if (!old)
		return 0;
	rc = return_vf(c, doc_str(old, "binding:host_id"), port_id);
	port = json_copy((json_t *)old);
	json_object_set_new(port, "device_id", json_string(""));
	json_object_set_new(port, "device_owner", json_string(""));
	set_binding(port, "", "unbound", json_object());
	return rc ? json_decref(port), rc : put_bound(c, port);
}

/* Does what was changed ask for another VF, or none? */
static bool binding_changed(const json_t *port, const json_t *old)
{
	return !doc_same(port, old, "binding:host_id") ||
	       !doc_same(port, old, "binding:vnic_type") ||
	       !doc_same(json_object_get(port, "binding:profile"),
			 json_object_get(old, "binding:profile"), "pci_slot");
}

/* Binds to what binding:host_id says now; on the host it was on it stays @server's. */
static int rebind(struct call *c, json_t *port, const char *was, const char *server)
{
	auto_free char *to = strdup(doc_str(port, "binding:host_id")); /* is replaced */
	struct err why = { 0 };
	int rc;

	if (!to)
		return -ENOMEM;
	if (!*to) {
		set_binding(port, "", "unbound", json_object());
		return 0;
	}
	rc = take_vf(c, port, to, strcmp(to, was) ? NULL : server, NULL, &why);
	if (rc && !why.msg[0])
		return rc;
	if (rc)
		set_binding(port, to, "binding_failed", json_object());
	return 0;
}

/**
 * lease_port_check() - Let the binding follow a port's attributes, in the port's check()
 * @c:    call
 * @port: what the port is about to be; binding:vif_type, vif_details and status are set
 * @old:  what it is; NULL on create
 *
 * Binding to a host that cannot serve the port is no error: it is `binding_failed`. A server whose
 * port leaves its host is without it from then on, wherever the port goes.
 *
 * Return: 0 or a negative errno.
 */
int lease_port_check(struct call *c, json_t *port, const json_t *old)
{
	const char *host = doc_str(port, "binding:host_id"), *id = doc_str(port, "id");
	const char *was = doc_str(old, "binding:host_id");
	const json_t *have = is_bound(old) ? host_doc(c, was, "port", id) : NULL;
	auto_of(json_decref) json_t *held = json_incref((json_t *)have);
	const char *server = doc_text(held, "server");
	int rc;

	if (old && !binding_changed(port, old))
		return have ? MIN(lease_refresh(c, host, port, have), 0) : 0;
	if (!old && !*host)
		return 0;
	rc = have ? return_vf(c, was, id) : 0;
	if (!rc)
		rc = rebind(c, port, was, server);
	return rc || !server ? rc : server_ports_changed(c, server);
}

/**
 * lease_port_gone() - A port was deleted: return its VF; a service port is made again if needed
 * @c:    call
 * @port: what the port was
 *
 * Return: 0 or a negative errno.
 */
int lease_port_gone(struct call *c, const json_t *port)
{
	const char *host = doc_str(port, "binding:host_id"), *id = doc_str(port, "id");
	int rc = strcmp(doc_str(port, "device_owner"), "network:dhcp") ? 0 : dhcp_gone(c, port);

	return rc ? MIN(rc, 0) : unplug(c, host, id);
}

/* The lease ends; the last of a network's ports on a host takes the network's document along, and
 * its DHCP. */
static int end_lease(struct call *c, const char *host, const char *id, const json_t *doc)
{
	auto_of(json_decref) json_t *was = json_incref((json_t *)doc);
	const char *net = doc_str(was, "network"), *pf = doc_str(was, "pf");
	int vf = (int)doc_int(was, "vf");
	struct cursor it;
	int rc = call_delete(c, "/host/%s/port/%s", host, id);

	if (!rc && doc_is(call_get(c, "/vf/%s/%s/%d", host, pf, vf), "port", id))
		rc = call_delete(c, "/vf/%s/%s/%d", host, pf, vf);
	it = call_list(c, "/host/%s/port/", host);
	while (!rc && cursor_next(&it))
		if (doc_is(it.doc, "network", net))
			return 0;
	if (!rc)
		rc = call_delete(c, "/host/%s/network/%s", host, net);
	return rc ? rc : dhcp_end(c, net, host);
}

/* Sets a port's status if it is another. */
static int set_status(struct call *c, const char *id, const char *host, const char *status)
{
	const json_t *port = res_get(c, &port_resource, id);
	json_t *copy;

	if (!port || doc_is(port, "status", status) ||
	    (host && !doc_is(port, "binding:host_id", host)))
		return 0;
	copy = json_copy((json_t *)port);
	json_object_set_new(copy, "status", json_string(status));
	return res_put(c, &port_resource, copy);
}

/* The document a report is about, unless the report is late; NULL after a fault. */
static const json_t *reported(struct call *c, const char *host, const char *kind, const char *id,
			      const json_t *report)
{
	const json_t *doc = host_doc(c, host, kind, id);

	if (doc && doc_same(doc, report, "generation"))
		return doc;
	call_fail(c, 409, "Conflict",
		  doc ? "The %s's document has changed." : "There is no such %s on this host.",
		  kind);
	return NULL;
}

/**
 * lease_report_port() - PUT /anyvf/v1/hosts/HOST/port/ID
 * @c:      call
 * @host:   reporting host, authorised
 * @id:     port
 * @report: {"generation", "status": ACTIVE, DOWN or RELEASED, "reason"}
 *
 * RELEASED ends the lease, if it was asked for: the generation says for which lease it is meant.
 *
 * Return: as a handler: 204; 400; 409 for a late report.
 */
int lease_report_port(struct call *c, const char *host, const char *id, const json_t *report)
{
	const char *status = doc_str(report, "status");
	const json_t *doc = reported(c, host, "port", id, report);
	bool released = doc_bool(doc, "released");
	int rc = 0;

	if (!doc)
		return -ENOENT;
	if (!strcmp(status, "RELEASED") && released)
		rc = end_lease(c, host, id, doc);
	else if (!strcmp(status, "RELEASED"))
		return call_fail(c, 409, "Conflict", "The port is not to be released.");
	else if (strcmp(status, "ACTIVE") && strcmp(status, "DOWN"))
		return call_fail(c, 400, "BadRequest", "status is ACTIVE, DOWN or RELEASED.");
	else if (!released)
		rc = set_status(c, id, host, status);
	return rc ? rc : call_reply(c, 204, NULL);
}

/**
 * lease_report_network() - PUT /anyvf/v1/hosts/HOST/network/ID
 * @c:      call
 * @host:   reporting host, authorised
 * @id:     network
 * @report: {"generation", "status": ACTIVE or DOWN, "reason"}
 *
 * What the agent says of DHCP is the service port's status. A network's document goes with the last
 * of its ports on the host, so there is nothing left to say REMOVED about.
 *
 * Return: as a handler: 204; 400; 409 for a late report.
 */
int lease_report_network(struct call *c, const char *host, const char *id, const json_t *report)
{
	const char *status = doc_str(report, "status");
	const json_t *doc = reported(c, host, "network", id, report);
	int rc;

	if (!doc)
		return -ENOENT;
	if (strcmp(status, "ACTIVE") && strcmp(status, "DOWN"))
		return call_fail(c, 400, "BadRequest", "status is ACTIVE or DOWN.");
	rc = set_status(c, doc_str(json_object_get(doc, "dhcp"), "port_id"), NULL, status);
	return rc ? rc : call_reply(c, 204, NULL);
}
