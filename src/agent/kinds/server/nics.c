/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VFs come to a running guest and leave it by QEMU's own verbs (QMP): libvirt 9 has no words for
 * host_mtu and vectors on a vhost-user NIC, neither at the start nor later (domxml.c). Those of
 * NICs come by libvirt, and leave as the others: it hears from QEMU that they went, and tidies up.
 * What a domain has is asked of QEMU, so nothing has to be remembered over a crash, of the agent or
 * of libvirt. The guest hears of it by ACPI: the machine "pc" has one bus with 32 slots, and each
 * may be plugged while the guest runs.
 */
#include "agent/kinds/server/nics.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/loop.h"

/* Of a NIC that was plugged in: its netdev and its chardev; libvirt names its own otherwise. */
#define BACKEND_PREFIX "anyvf-"
#define LOOK_MS	       100U
#define CONNECT_MS     5000
#define ASK_EVERY_MS   3000U /* a guest that boots may miss the wish */

/**
 * nics_has() - Is a port's VF among them?
 * @nics: of a domain
 * @port: id
 */
bool nics_has(const struct nics *nics, const char *port)
{
	for (unsigned int i = 0; i < nics->n; i++)
		if (!strcmp(nics->ports[i], port))
			return true;
	return false;
}

/**
 * nics_within() - Are all of them among others?
 * @nics:   they
 * @others: the others
 */
bool nics_within(const struct nics *nics, const struct nics *others)
{
	for (unsigned int i = 0; i < nics->n; i++)
		if (!nics_has(others, nics->ports[i]))
			return false;
	return true;
}

/* Says a QMP command to a domain's QEMU; args is taken, out gets what it returns, may be NULL. */
static int say(struct virt *v, const char *server, const char *verb, json_t *args, json_t **out,
	       struct err *e)
{
	auto_of(json_decref) json_t *reply = NULL;
	auto_free char *text = NULL;
	json_t *value;
	int rc = virt_qmp(v, server, json_pack("{s:s,s:o}", "execute", verb, "arguments", args),
			  &text, e);

	if (rc)
		return rc;
	reply = json_loads(text, 0, NULL);
	value = json_object_get(reply, "return");
	if (!value)
		return err_set(e, -EIO, "%s: %.200s", verb,
			       want_text(json_object_get(reply, "error"), "desc") ?: "no answer");
	if (out)
		*out = json_incref(value);
	return 0;
}

/* The port that a device or a chardev is for; NULL: for none. */
static const char *port_of(const char *name, const char *prefix)
{
	if (!name || strncmp(name, prefix, strlen(prefix)))
		return NULL;
	name += strlen(prefix);
	return uuid_valid(name) ? name : NULL;
}

static void drop_backend(struct virt *v, const char *server, const char *port)
{
	say(v, server, "netdev_del", json_pack("{s:s+}", "id", BACKEND_PREFIX, port), NULL, NULL);
	say(v, server, "chardev-remove", json_pack("{s:s+}", "id", BACKEND_PREFIX, port), NULL,
	    NULL);
}

/* Backends without their device: it was unplugged, or an agent was killed before it was plugged. */
static void drop_backends(struct virt *v, const char *server, const struct nics *there)
{
	auto_of(json_decref) json_t *all = NULL;
	const json_t *one;
	size_t i;

	say(v, server, "query-chardev", json_object(), &all, NULL);
	json_array_foreach (all, i, one) {
		const char *port = port_of(want_text(one, "label"), BACKEND_PREFIX);

		if (port && !nics_has(there, port))
			drop_backend(v, server, port);
	}
}

/**
 * nics_list() - Which VFs a domain has
 * @v:      libvirt
 * @server: its id
 * @out:    gets them
 * @e:      error text, may be NULL
 *
 * What is left of others is taken away.
 *
 * Return: 0; -ENOENT no such domain, -ENOTCONN, -ETIMEDOUT, -EIO.
 * Context: blocks as long as QEMU does; the domain's own work queue.
 */
int nics_list(struct virt *v, const char *server, struct nics *out, struct err *e)
{
	auto_of(json_decref) json_t *all = NULL;
	struct nics found = { 0 };
	const json_t *one;
	size_t i;
	int rc = say(v, server, "qom-list", json_pack("{s:s}", "path", "/machine/peripheral"), &all,
		     e);

	if (rc)
		return rc;
	json_array_foreach (all, i, one) {
		const char *port = port_of(want_text(one, "name"), VIRT_ALIAS_PREFIX);

		if (port && found.n < WANT_PORTS_MAX)
			snprintf(found.ports[found.n++], UUID_STR_LEN, "%s", port);
	}
	drop_backends(v, server, &found);
	*out = found;
	return 0;
}

/* Asks the guest for what is not kept; one that lets it go already refuses, which is as well. */
static void ask_back(struct virt *v, const char *server, const struct nics *there,
		     const struct nics *kept)
{
	for (unsigned int i = 0; i < there->n; i++)
		if (!nics_has(kept, there->ports[i]))
			say(v, server, "device_del",
			    json_pack("{s:s+}", "id", VIRT_ALIAS_PREFIX, there->ports[i]), NULL,
			    NULL);
}

/**
 * nics_unplug() - Take VFs from a running guest
 * @v:       libvirt
 * @server:  its id
 * @kept:    the ports that keep theirs; others' go
 * @wait_ms: how long the guest has for it
 * @e:       error text, may be NULL
 *
 * The guest's system lets a device go, or does not: one that boots, is paused or knows no hot
 * plugging keeps it, and what was asked for may still happen later.
 *
 * Return: 0, also when none was there; -ETIMEDOUT some are there yet; or as nics_list().
 * Context: blocks; the domain's own work queue.
 */
int nics_unplug(struct virt *v, const char *server, const struct nics *kept, unsigned int wait_ms,
		struct err *e)
{
	uint64_t start_ms = loop_now_ms(), ask_ms = start_ms, now_ms = start_ms;
	struct nics there;

	for (;;) {
		uint64_t look_ms = now_ms;
		int rc = nics_list(v, server, &there, e);

		now_ms = loop_now_ms();
		if (rc || nics_within(&there, kept))
			return rc;
		if (now_ms - start_ms >= wait_ms)
			return err_set(e, -ETIMEDOUT, "the guest does not let its VF go");
		if (now_ms >= ask_ms) {
			ask_back(v, server, &there, kept);
			ask_ms = now_ms + ASK_EVERY_MS;
		}
		/* A QEMU that answers slowly has its guest to run as well. */
		sleep_ms((unsigned int)MIN(MAX(LOOK_MS, 4 * (now_ms - look_ms)), ASK_EVERY_MS));
		now_ms = loop_now_ms();
	}
}

/* It connects, and again each second while it is not connected. */
static int add_chardev(struct virt *v, const char *server, const struct domxml_port *p,
		       struct err *e)
{
	json_t *data = json_pack("{s:{s:s,s:{s:s}},s:b,s:i}", "addr", "type", "unix", "data",
				 "path", p->socket, "server", 0, "reconnect", 1);

	return say(v, server, "chardev-add",
		   json_pack("{s:s+,s:{s:s,s:o}}", "id", BACKEND_PREFIX, p->id, "backend", "type",
			     "socket", "data", data),
		   NULL, e);
}

static bool is_connected(const json_t *chardevs, const char *port)
{
	const json_t *one;
	size_t i;

	json_array_foreach (chardevs, i, one) {
		const char *of = port_of(want_text(one, "label"), BACKEND_PREFIX);
		const char *where = want_text(one, "filename");

		if (of && where && !strcmp(of, port))
			return strncmp(where, "disconnected:", strlen("disconnected:")) != 0;
	}
	return false;
}

/*
 * A netdev on a chardev that is not connected would stop QEMU until it is, and its guest: for ever
 * where QEMU is not let to the socket. So it has to be connected before.
 */
static int await_connected(struct virt *v, const char *server, const struct domxml_port *p,
			   struct err *e)
{
	for (unsigned int waited = 0; waited < CONNECT_MS; waited += LOOK_MS) {
		auto_of(json_decref) json_t *all = NULL;
		int rc = say(v, server, "query-chardev", json_object(), &all, e);

		if (rc || is_connected(all, p->id))
			return rc;
		sleep_ms(LOOK_MS);
	}
	return err_set(e, -EIO, "QEMU does not reach %s", p->socket);
}

static int add_backend(struct virt *v, const char *server, const struct domxml_port *p,
		       struct err *e)
{
	int rc = add_chardev(v, server, p, e) ?: await_connected(v, server, p, e);

	if (rc)
		return rc;
	return say(v, server, "netdev_add",
		   json_pack("{s:s,s:s+,s:s+}", "type", "vhost-user", "id", BACKEND_PREFIX, p->id,
			     "chardev", BACKEND_PREFIX, p->id),
		   NULL, e);
}

static int add_device(struct virt *v, const char *server, const struct domxml_port *p, bool no_msix,
		      struct err *e)
{
	char mac[MAC_STR_LEN];
	json_t *args = json_pack("{s:s,s:s+,s:s+,s:s}", "driver", "virtio-net-pci", "id",
				 VIRT_ALIAS_PREFIX, p->id, "netdev", BACKEND_PREFIX, p->id, "mac",
				 mac_format(&p->mac, mac));

	if (no_msix)
		json_object_set_new(args, "vectors", json_integer(0));
	if (p->mtu != 1500)
		json_object_set_new(args, "host_mtu", json_integer(p->mtu));
	return say(v, server, "device_add", args, NULL, e);
}

/* Of a NIC: libvirt lets QEMU at the device, and takes care of its memory and of the macvtap. */
static int plug_nic(struct virt *v, const char *server, const struct domxml_port *port,
		    struct err *e)
{
	auto_free char *xml = domxml_build_port(port);

	return xml ? virt_attach(v, server, xml, e) : err_set(e, -ENOMEM, "out of memory");
}

/**
 * nics_plug() - Give a running guest a VF
 * @v:       libvirt
 * @server:  its id
 * @port:    whose VF waits, at its socket with nobody connected; the domain has it not
 * @no_msix: as struct domxml
 * @e:       error text, may be NULL
 *
 * Return: 0: the device is there, the guest's driver comes when it likes; -ENOENT no such domain,
 * -ENOTCONN, -ETIMEDOUT, -EIO: nothing was changed. Context: blocks; the domain's own work queue.
 */
int nics_plug(struct virt *v, const char *server, const struct domxml_port *port, bool no_msix,
	      struct err *e)
{
	int rc;

	if (port->way != PORT_BY_VHOST)
		return plug_nic(v, server, port, e);
	rc = add_backend(v, server, port, e);
	rc = rc ?: add_device(v, server, port, no_msix, e);
	if (rc)
		drop_backend(v, server, port->id);
	return rc;
}
