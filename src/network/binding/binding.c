/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bindings of ports: see binding.h. The port's check leases a VF and says so in the port, what
 * follows when it was put tells the host. A VF stays leased until its host's agent has returned it
 * to its defaults (wish.c).
 */
#include "network/binding/binding.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hosts/agents.h"
#include "hosts/lease.h"
#include "network/core/network.h"

static const char *const vnic_types[] = { "normal",
					  "direct",
					  "macvtap",
					  "baremetal",
					  "direct-physical",
					  "virtio-forwarder",
					  "smart-nic",
					  "vdpa",
					  "accelerator-direct",
					  "accelerator-direct-physical",
					  "remote-managed",
					  NULL };

static const struct rfield port_rows[] = {
	{ "binding:vnic_type", J_STR, R_CREATE | R_UPDATE, "\"normal\"", .names = vnic_types },
	{ "binding:profile", J_OBJ, R_CREATE | R_UPDATE | R_ADMIN | R_HIDDEN | R_EMPTY, "{}" },
	{ "binding:host_id", J_STR,
	  R_CREATE | R_UPDATE | R_FILTER | R_ADMIN | R_HIDDEN | R_INDEX | R_NULL, "\"\"",
	  .max = 128 },
	{ "binding:vif_type", J_STR, R_HIDDEN, "\"unbound\"" },
	{ "binding:vif_details", J_OBJ, R_HIDDEN, "{}" },
	{ NULL },
};

/* Those that a VF, or a NIC, can be. */
static bool vnic_of(const json_t *port, enum place_vnic *out)
{
	static const char *const served[] = { [PLACE_DIRECT] = "direct",
					      [PLACE_NORMAL] = "normal",
					      [PLACE_MACVTAP] = "macvtap",
					      [PLACE_PHYSICAL] = "direct-physical" };

	for (unsigned int i = 0; i < ARRAY_LEN(served); i++)
		if (doc_is(port, "binding:vnic_type", served[i])) {
			*out = (enum place_vnic)i;
			return true;
		}
	return false;
}

/* The device the profile asks for; what it has of a NIC is told there, too, and asked by nobody. */
static const char *asked_slot(const json_t *port)
{
	const char *slot = doc_text(json_object_get(port, "binding:profile"), "pci_slot");
	const json_t *at = json_object_get(port, "binding:vif_details");

	return slot && *slot && !(nic_has(port) && doc_is(at, "pci_slot", slot)) ? slot : NULL;
}

/**
 * port_place() - What placement must find for a port
 * @c:    call
 * @port: port document
 * @out:  set; strings point into documents of the call
 *
 * Return: 0; -ENOENT when its network is gone; -EOPNOTSUPP for a vnic type no VF serves.
 */
int port_place(struct call *c, const json_t *port, struct place_port *out)
{
	const json_t *net = res_get(c, &network_resource, doc_str(port, "network_id"));
	enum place_vnic vnic;

	if (!net)
		return -ENOENT;
	if (!vnic_of(port, &vnic))
		return -EOPNOTSUPP;
	*out = (struct place_port){
		.vnic = vnic,
		.network = doc_str(net, "id"),
		.physnet = doc_str(net, "provider:physical_network"),
		.pci_slot = asked_slot(port),
	};
	return 0;
}

/* Reasons are sentences; an error without one is ours, not the host's. */
static int check_host(struct call *c, const json_t *port, const char *host, struct place_port *want,
		      struct err *why)
{
	const json_t *agent = *host ? call_get(c, "/agent/%s", host) : NULL;
	int rc = port_place(c, port, want);

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

static void set_binding(json_t *port, const char *host, const char *vif_type, json_t *details)
{
	json_object_set_new(port, "binding:host_id", json_string(host));
	json_object_set_new(port, "binding:vif_type", json_string(vif_type));
	json_object_set_new(port, "binding:vif_details", details);
	json_object_set_new(port, "status", json_string("DOWN"));
}

/*
 * A port that is to be something else has to give back first what it had there; a VF of a software
 * PF serves normal ports and direct ones.
 */
static int check_other_kind(struct call *c, const json_t *port, const char *host,
			    const struct place_port *want, struct err *why)
{
	const json_t *have = wish_get(c, host, "port", doc_str(port, "id"));

	if (!have || !doc_text(have, "vnic_type") ||
	    doc_is(have, "vnic_type", doc_str(port, "binding:vnic_type")))
		return 0;
	if ((want->vnic == PLACE_DIRECT || want->vnic == PLACE_NORMAL) &&
	    (doc_is(have, "vnic_type", "direct") || doc_is(have, "vnic_type", "normal")) &&
	    !nic_pf(c, host, doc_str(have, "pf")))
		return 0;
	return err_set(why, -EBUSY, "what the port had there as %s is not returned yet",
		       doc_str(have, "vnic_type"));
}

static json_t *details_of(const json_t *net, const struct place_vf *got)
{
	json_t *details = json_pack("{s:b,s:s,s:o,s:s,s:i,s:s*}", "port_filter", 0, "connectivity",
				    "l2", "vlan", json_sprintf("%u", network_vlan(net)), "pf",
				    got->pf, "vf", (int)got->vf, "pci_slot", got->pci_slot);

	if (got->vf == PLACE_WHOLE)
		json_object_del(details, "vf");
	return details;
}

/* Leases a VF and says so in port, which the caller puts. Without a VF nothing changes. */
static int take_vf(struct call *c, json_t *port, const json_t *old, const char *host,
		   const char *server, const struct place_vf *vf, struct err *why)
{
	const json_t *net = res_get(c, &network_resource, doc_str(port, "network_id"));
	const json_t *nic;
	struct place_port want;
	struct place_vf got;
	int rc = check_host(c, port, host, &want, why);

	rc = rc ?: check_other_kind(c, port, host, &want, why);
	if (!rc)
		rc = lease_take(c, host, doc_str(port, "id"), server, &want, vf, &got, why);
	if (rc) {
		if (why->msg[0])
			err_prefix(why, "host %s", host);
		return rc;
	}
	rc = nic_unbound(c, port, old, host);
	if (rc)
		return rc;
	nic = nic_pf(c, host, got.pf);
	set_binding(port, host, "vhostuser", details_of(net, &got));
	return nic ? nic_bound(c, port, nic, &want, &got) : 0;
}

static void set_device(json_t *port, const char *server)
{
	doc_set_text(port, "device_id", server);
	doc_set_text(port, "device_owner", *server ? "compute:nova" : "");
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
	if (server)
		set_device(port, server);
	rc = take_vf(c, port, old, host, server, vf, why);
	return rc ? rc : res_update(c, &port_resource, take(port));
}

/* Takes port. */
static int put_unbound(struct call *c, json_t *port, const json_t *old, const char *host,
		       const char *vif_type)
{
	int rc = nic_unbound(c, port, old, "");

	set_binding(port, host, vif_type, json_object());
	if (!rc)
		return res_update(c, &port_resource, port);
	json_decref(port);
	return rc;
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

	if (!port)
		return old ? -ENOMEM : -ENOENT;
	if (server)
		set_device(port, server);
	return put_unbound(c, port, old, host, "binding_failed");
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
	json_t *port = json_copy((json_t *)old);

	if (!port)
		return old ? -ENOMEM : 0;
	set_device(port, "");
	return put_unbound(c, port, old, "", "unbound");
}

/* Does what was changed ask for another VF, or none? */
static bool binding_changed(const json_t *port, const json_t *old)
{
	return !doc_same(port, old, "binding:host_id") ||
	       !doc_same(port, old, "binding:vnic_type") ||
	       !doc_same(json_object_get(port, "binding:profile"),
			 json_object_get(old, "binding:profile"), "pci_slot");
}

/* Binds to what binding:host_id says now; on the host it was on it stays its server's. */
static int rebind(struct call *c, json_t *port, const json_t *old)
{
	auto_free char *to = strdup(doc_str(port, "binding:host_id")); /* is replaced */
	struct err why = { 0 };
	int rc;

	if (!to)
		return -ENOMEM;
	if (!*to) {
		rc = nic_unbound(c, port, old, "");
		set_binding(port, "", "unbound", json_object());
		return rc;
	}
	rc = take_vf(c, port, old, to, strcmp(to, port_host(old)) ? NULL : port_server(c, old),
		     NULL, &why);
	if (rc && !why.msg[0])
		return rc;
	if (!rc)
		return 0;
	rc = nic_unbound(c, port, old, "");
	set_binding(port, to, "binding_failed", json_object());
	return rc;
}

static int check_bound_mac(struct call *c, const json_t *port, const json_t *old)
{
	if (!old || !*doc_str(old, "binding:host_id") || doc_same(port, old, "mac_address"))
		return 0;
	return call_fail(c, 409, "PortBound",
			 "Unable to complete operation on port %s, port is already bound, port "
			 "type: %s, old_mac %s, new_mac %s.",
			 doc_str(port, "id"), doc_str(old, "binding:vif_type"),
			 doc_str(old, "mac_address"), doc_str(port, "mac_address"));
}

/* The binding follows a port's attributes. One to a host that cannot serve the port is no error:
 * it is `binding_failed`. */
static int port_check(struct call *c, json_t *port, const json_t *old)
{
	int rc = check_bound_mac(c, port, old);

	if (json_is_null(json_object_get(port, "binding:profile")))
		json_object_set_new(port, "binding:profile", json_object());
	if (json_is_null(json_object_get(port, "binding:host_id")))
		doc_set_text(port, "binding:host_id", "");
	if (rc || (old ? !binding_changed(port, old) : !*doc_str(port, "binding:host_id")))
		return rc;
	return rebind(c, port, old);
}

/* A port came to a host: its network does, too. */
static int settle(struct call *c, const json_t *port, const char *host)
{
	const char *net_id = doc_str(port, "network_id");
	const json_t *net = res_get(c, &network_resource, net_id);
	int rc = dhcp_ensure(c, net, host);

	return rc ? rc : MIN(wish_changed(c, host, "network", net_id), 0);
}

/* Tells the hosts that serve a port, or did until now. A server whose port leaves its host is
 * without it from then on, wherever the port goes. */
static int port_updated(struct call *c, const json_t *port, const json_t *old)
{
	const char *id = doc_str(port, "id"), *host = port_host(port), *was = port_host(old);
	bool comes = *host && strcmp(host, was) && port_vf(port) != PLACE_WHOLE;
	int rc = comes ? settle(c, port, host) : 0;

	if (!rc)
		rc = MIN(wish_changed(c, host, "port", id), 0);
	return rc || !strcmp(host, was) ? rc : MIN(wish_changed(c, was, "port", id), 0);
}

static int port_created(struct call *c, const json_t *port)
{
	return port_updated(c, port, NULL);
}

/* A service port is made again if its host needs one. */
static int port_deleted(struct call *c, const json_t *port)
{
	int rc = doc_is(port, "device_owner", "network:dhcp") ? dhcp_gone(c, port) : 0;

	return rc ? rc : MIN(wish_changed(c, port_host(port), "port", doc_str(port, "id")), 0);
}

static int network_gone(struct call *c, const json_t *net)
{
	return network_changed(c, doc_str(net, "id"));
}

static int network_updated(struct call *c, const json_t *net, const json_t *old)
{
	return network_changed(c, doc_str(net, "id"));
}

static int subnet_changed(struct call *c, const json_t *subnet)
{
	return network_changed(c, doc_str(subnet, "network_id"));
}

static int subnet_updated(struct call *c, const json_t *subnet, const json_t *old)
{
	return subnet_changed(c, subnet);
}

static const struct hook hooks[] = {
	{ &port_resource, .check = port_check, .created = port_created, .updated = port_updated,
	  .deleted = port_deleted },
	{ &network_resource, .updated = network_updated, .deleted = network_gone },
	{ &subnet_resource, .created = subnet_changed, .updated = subnet_updated,
	  .deleted = subnet_changed },
	{ NULL },
};

static const struct more_fields fields[] = { { "port", port_rows }, { NULL } };

static const struct extension extensions[] = {
	{ "binding", "Port Binding",
	  "Expose port bindings of a virtual port to external application",
	  "2014-02-03T10:00:00-00:00" },
	{ NULL },
};

static const struct periodic periodics[] = { { 1000, network_sync }, { 0, NULL } };

static const struct wish_kind *const kinds[] = { &port_wish, &network_wish, NULL };
static const struct host_feature hosts = { .kinds = kinds };

const struct feature binding_feature = {
	.name = "binding",
	.service = &network_service,
	.extensions = extensions,
	.periodics = periodics,
	.fields = fields,
	.hooks = hooks,
	.hosts = &hosts,
};
