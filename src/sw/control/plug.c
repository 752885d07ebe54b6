/* SPDX-License-Identifier: Apache-2.0 */
/* What ports are plugged into: taps, sockets, wires; opened, watched, closed. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/proc.h"
#include "sw/control/model.h"
#include "sw/port/tap.h"

/**
 * sw_plug() - Give an open edge to the data plane
 * @sw:   switch
 * @p:    port with a number
 * @name: for logs and people
 * @edge: taken, also on failure
 * @e:    may be NULL
 *
 * Return: 0, or as dp_port_add().
 * Context: control.
 */
int sw_plug(struct sw *sw, struct sw_port *p, const char *name, struct port *edge, struct err *e)
{
	int rc = dp_port_add(sw->opts.dp, p->id, name, edge, e);

	if (rc)
		return rc;
	p->edge = edge;
	p->plugged = true;
	sw->links[p->id] = -1;
	return 0;
}

static int plug_tap(struct sw *sw, struct sw_port *p, const char *name, const struct tap_want *want,
		    struct err *e)
{
	struct port *edge;
	int rc = tap_port_open(sw->opts.parent, want, &edge, e);

	return rc ? rc : sw_plug(sw, p, name, edge, e);
}

/* The parent applies the settings of a tap it has; our own descriptor of it stays. */
static int tap_again(struct sw *sw, const struct tap_want *want, struct err *e)
{
	int fd, rc = parent_tap_open(sw->opts.parent, want, &fd, e);

	if (!rc)
		close(fd);
	return rc;
}

/**
 * sw_plug_host() - Open a PF's host interface, or apply its settings anew
 * @sw: switch
 * @pf: PF with a host port number
 * @e:  may be NULL
 *
 * One that is there when it is opened stays as it is: somebody may have set it while nobody looked,
 * and the PF follows.
 *
 * Return: 0, or as parent_tap_open().
 * Context: control.
 */
int sw_plug_host(struct sw *sw, struct sw_pf *pf, struct err *e)
{
	struct tap_want want = { .mac = pf->config.mac,
				 .mtu = pf->config.mtu,
				 .up = pf->config.up,
				 .down = !pf->config.up,
				 .mac_at_birth = !pf->host.plugged,
				 .rest_at_birth = !pf->host.plugged };
	char name[DP_NAME_LEN + 1];

	if (sw_is_trial(sw))
		return 0;
	snprintf(want.name, sizeof(want.name), "%s", pf->config.name);
	snprintf(name, sizeof(name), "%s host", pf->config.name);
	return pf->host.plugged ? tap_again(sw, &want, e)
				: plug_tap(sw, &pf->host, name, &want, e);
}

/**
 * sw_plug_svc() - Open a service port's tap
 * @sw:  switch
 * @pf:  its PF
 * @svc: the port, with a number
 * @e:   may be NULL
 *
 * Return: 0, or as parent_tap_open().
 * Context: control.
 */
int sw_plug_svc(struct sw *sw, struct sw_pf *pf, struct sw_svc *svc, struct err *e)
{
	struct tap_want want = { .mac = svc->config.mac,
				 .up = true,
				 .mtu = svc->config.mtu ? svc->config.mtu : pf->config.mtu };
	char name[DP_NAME_LEN + 1];

	if (sw_is_trial(sw))
		return 0;
	snprintf(want.name, sizeof(want.name), "%s", svc->config.name);
	snprintf(want.netns, sizeof(want.netns), "%s", svc->config.netns);
	snprintf(name, sizeof(name), "%.15s %.15s", pf->config.name, svc->config.name);
	return plug_tap(sw, &svc->port, name, &want, e);
}

/**
 * sw_plug_vf() - Open what a VF is attached to, or apply its settings to its tap anew
 * @sw: switch
 * @pf: its PF
 * @vf: its number; plugged in only with a tap
 * @e:  may be NULL
 *
 * Return: 0 (also when it is attached to nothing), or as dp_vhost_add() and parent_tap_open().
 * Context: control.
 */
int sw_plug_vf(struct sw *sw, struct sw_pf *pf, unsigned int vf, struct err *e)
{
	const struct sw_vf *v = &pf->vfs[vf];
	struct sw_port *p = &pf->vf_ports[vf];
	struct tap_want want = { .mac = v->config.mac,
				 .mac_at_birth = true,
				 .mtu = vf_mtu(&v->config, &pf->config) };
	char name[DP_NAME_LEN + 1];
	int rc;

	if (sw_is_trial(sw))
		return 0;
	snprintf(name, sizeof(name), "%s vf %u", pf->config.name, vf);
	switch ((enum vf_attach_kind)v->attach.kind) {
	case VF_ATTACH_NONE:
	case VF_ATTACH_VFIO:
	case VF_ATTACH_NETDEV:
	case VF_ATTACH_MACVTAP:
		return 0;
	case VF_ATTACH_VHOST:
		rc = dp_vhost_add(sw->opts.dp, p->id, name, v->attach.socket, v->attach.client, e);
		p->plugged = !rc;
		return rc;
	case VF_ATTACH_TAP:
		memcpy(want.name, v->attach.tap, sizeof(want.name));
		memcpy(want.netns, v->attach.netns, sizeof(want.netns));
		return p->plugged ? tap_again(sw, &want, e) : plug_tap(sw, p, name, &want, e);
	}
	return -EINVAL;
}

/**
 * sw_unplug() - Close what a port is plugged into
 * @sw:    switch
 * @port:  the port; it keeps its number
 * @tap:   name of the tap that is to go with it; NULL: none, or it stays with the parent
 * @netns: of that tap
 *
 * Context: control.
 */
void sw_unplug(struct sw *sw, struct sw_port *port, const char *tap, const char *netns)
{
	if (sw_is_trial(sw))
		return;
	if (port->plugged)
		dp_port_del(sw->opts.dp, port->id);
	port->plugged = false;
	port->edge = NULL;
	if (tap && *tap)
		parent_tap_close(sw->opts.parent, tap, netns, NULL);
}

/**
 * sw_netns_word() - Make of a namespace as people say it the word that lasts
 * @sw:    switch
 * @netns: a name, its path, PID or /proc/PID/ns/net, as ip-link(8) has them; gets the word: of a
 *         process also when it began, as another will have its number some day
 * @e:     says what it is not
 *
 * Return: 0, -ESRCH without such a process, -EPERM without root.
 * Context: control; blocks for the parent's answer.
 */
int sw_netns_word(const struct sw *sw, char netns[VF_NAME_LEN + 1], struct err *e)
{
	char pid[PROC_PID_LEN];
	uint64_t born;
	int rc;

	if (!proc_of_netns(netns, pid))
		return 0;
	rc = parent_netns_born(sw->opts.parent, pid, &born, e);
	if (!rc && born)
		snprintf(netns, VF_NAME_LEN + 1, "%s:%" PRIu64, pid, born);
	return rc;
}

static bool same_tap(const char *name, const char *netns, const char *other,
		     const char *other_netns)
{
	return !strcmp(name, other) && !strcmp(netns, other_netns);
}

/**
 * sw_name_check() - Whether an interface name is free for a tap of ours
 * @sw:    switch
 * @name:  interface name
 * @netns: its namespace, "": the daemon's own
 * @e:     names the owner
 *
 * The parent gives out a tap it has again, so two owners must be ruled out here.
 *
 * Return: 0, -EEXIST, or -EINVAL for what the kernel would not take as a name.
 * Context: control.
 */
int sw_name_check(const struct sw *sw, const char *name, const char *netns, struct err *e)
{
	if (!*name || strlen(name) > 15 || !strcmp(name, ".") || !strcmp(name, "..") ||
	    strpbrk(name, "/: \t\n%"))
		return err_set(e, -EINVAL, "\"%s\" is no interface name", name);
	if (strchr(netns, '/') || *netns == '.')
		return err_set(e, -EINVAL, "\"%s\" is no name of a network namespace", netns);
	for (unsigned int i = 0; i < VEB_MIRRORS_MAX; i++) {
		const struct mirror_config *m = &sw->mirrors[i].config;

		if (sw->mirrors[i].used && m->to == MIRROR_TO_TAP &&
		    sw->mirrors[i].port.plugged && same_tap(name, netns, m->tap, ""))
			return err_set(e, -EEXIST, "%s is the tap of mirror %s", name, m->name);
	}
	for (unsigned int i = 0; i < PFS_MAX; i++) {
		const struct sw_pf *pf = sw->pfs[i];

		if (!pf)
			continue;
		if (pf->host.id != VEB_NO_PORT && same_tap(name, netns, pf->config.name, ""))
			return err_set(e, -EEXIST, "%s is a PF's host interface", name);
		for (unsigned int k = 0; k < pf->n_svcs; k++)
			if (same_tap(name, netns, pf->svcs[k].config.name,
				     pf->svcs[k].config.netns))
				return err_set(e, -EEXIST, "%s is a service port of %s", name,
					       pf->config.name);
		for (unsigned int k = 0; k < pf->config.numvfs; k++)
			if (pf->vfs[k].attach.kind == VF_ATTACH_TAP &&
			    same_tap(name, netns, pf->vfs[k].attach.tap, pf->vfs[k].attach.netns))
				return err_set(e, -EEXIST, "%s is %s vf %u", name, pf->config.name,
					       k);
	}
	return 0;
}

/**
 * sw_plug_tried() - After a try of the tick: say once that it failed
 * @p:    port
 * @what: which of its PF
 * @name: of the PF
 * @rc:   of the try
 * @e:    likewise
 *
 * Return: true if it is plugged in now.
 * Context: control.
 */
bool sw_plug_tried(struct sw_port *p, const char *what, const char *name, int rc,
		   const struct err *e)
{
	if (rc && !p->complained)
		log_warn("port cannot be plugged in", "pf=%s port=%s: %s", name, what, e->msg);
	if (!rc && p->complained)
		log_info("port is plugged in again", "pf=%s port=%s", name, what);
	p->complained = rc;
	return !rc;
}

static bool is_lost_tap(const struct sw_port *p)
{
	return p->plugged && p->edge && !tap_port_alive(p->edge);
}

static bool tick_vfs(struct sw *sw, struct sw_pf *pf)
{
	bool changed = false;

	for (unsigned int i = 0; i < pf->config.numvfs; i++) {
		struct sw_port *p = &pf->vf_ports[i];
		char what[16];
		struct err e = { 0 };

		if (pf->vfs[i].attach.kind == VF_ATTACH_NONE)
			continue;
		if (is_lost_tap(p))
			sw_unplug(sw, p, NULL, NULL);
		if (p->plugged)
			continue;
		snprintf(what, sizeof(what), "vf %u", i);
		changed |= sw_plug_tried(p, what, pf->config.name, sw_plug_vf(sw, pf, i, &e), &e);
	}
	return changed;
}

static bool tick_svcs(struct sw *sw, struct sw_pf *pf)
{
	bool changed = false;

	for (unsigned int i = 0; i < pf->n_svcs; i++) {
		struct sw_svc *svc = &pf->svcs[i];
		struct err e = { 0 };

		if (is_lost_tap(&svc->port))
			sw_unplug(sw, &svc->port, NULL, NULL);
		if (!svc->port.plugged)
			changed |= sw_plug_tried(&svc->port, svc->config.name, pf->config.name,
						 sw_plug_svc(sw, pf, svc, &e), &e);
	}
	return changed;
}

/**
 * sw_plug_tick() - Look after devices that may come and go
 * @sw: switch
 *
 * Return: true if links may have changed and a new snapshot is due.
 * Context: control, once a second.
 */
bool sw_plug_tick(struct sw *sw)
{
	bool changed = false;

	for (unsigned int i = 0; i < PFS_MAX; i++) {
		struct sw_pf *pf = sw->pfs[i];
		struct err e = { 0 };

		if (!pf)
			continue;
		if (is_lost_tap(&pf->host))
			sw_unplug(sw, &pf->host, NULL, NULL);
		if (pf->host.id != VEB_NO_PORT && !pf->host.plugged)
			changed |= sw_plug_tried(&pf->host, "host", pf->config.name,
						 sw_plug_host(sw, pf, &e), &e);
		changed |= tick_svcs(sw, pf);
		changed |= tick_vfs(sw, pf);
	}
	return changed;
}

/**
 * sw_plug_all() - Plug in everything the model names but wires, at the start
 * @sw: switch with nothing plugged in
 *
 * Context: control.
 */
void sw_plug_all(struct sw *sw)
{
	for (unsigned int i = 0; i < PFS_MAX; i++) {
		struct sw_pf *pf = sw->pfs[i];

		for (unsigned int k = 0; pf && k < pf->config.numvfs; k++)
			dp_rate_set(sw->opts.dp, pf->vf_ports[k].id, pf->vfs[k].config.max_tx_mbit,
				    pf->vfs[k].config.min_tx_mbit);
	}
	sw_plug_tick(sw);
}

/**
 * sw_is_settling() - Whether some front end is there and its rings are not yet
 * @sw: switch
 *
 * Context: control.
 */
bool sw_is_settling(const struct sw *sw)
{
	struct dp_port_status port;

	for (unsigned int i = 0; i < PFS_MAX; i++) {
		const struct sw_pf *pf = sw->pfs[i];

		for (unsigned int k = 0; pf && k < pf->config.numvfs; k++) {
			dp_port_status(sw->opts.dp, pf->vf_ports[k].id, &port);
			if (pf->vfs[k].attach.kind == VF_ATTACH_VHOST && port.connected &&
			    !port.n_queues)
				return true;
		}
	}
	return false;
}

static void show(struct sw *sw, const struct sw_port *p, bool up)
{
	if (!p->plugged || !p->edge || sw->links[p->id] == up)
		return;
	tap_port_set_link(p->edge, up);
	sw->links[p->id] = up;
}

/**
 * sw_links_show() - Show link states to the users of taps, as carrier
 * @sw: switch
 *
 * A VM's link is shown by whoever runs the VM; it reads link_up of struct vf_status.
 *
 * Context: control, after a snapshot was published.
 */
void sw_links_show(struct sw *sw)
{
	for (unsigned int i = 0; i < PFS_MAX; i++) {
		const struct sw_pf *pf = sw->pfs[i];

		for (unsigned int k = 0; pf && k < pf->config.numvfs; k++)
			show(sw, &pf->vf_ports[k], sw_vf_link_up(pf, k));
		for (unsigned int k = 0; pf && k < pf->n_svcs; k++)
			show(sw, &pf->svcs[k].port, pf->config.up);
		if (pf)
			show(sw, &pf->host, pf->config.up && pf->carrier);
	}
}
