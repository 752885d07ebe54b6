/* SPDX-License-Identifier: Apache-2.0 */
/* PFs' wires: judged, opened, followed while they are renamed, moved, gone and back. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "sw/control/loops.h"
#include "sw/control/model.h"
#include "sw/port/tap.h"
#include "sw/port/uplink.h"

/* ---- what is there ---- */

static int end_add(struct loop_ends *ends, struct loop_end end)
{
	struct loop_end *more = realloc(ends->all, (ends->n + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	ends->all = more;
	more[ends->n++] = end;
	return 0;
}

/* Taps in other namespaces are out of sight. */
static int tap_add(struct loop_ends *ends, const struct sw_port *p, uint16_t pf, enum end_kind kind)
{
	struct netdev_state state;
	struct tap_place at;

	if (!p->edge || !tap_port_where(p->edge, &at, &state) || *at.netns)
		return 0;
	return end_add(ends, (struct loop_end){ state.ifindex, pf, kind });
}

static int pf_ends(const struct sw_pf *pf, const struct sw_pf *judged, struct loop_ends *ends)
{
	int rc = tap_add(ends, &pf->host, pf->slot, END_TAP);

	for (unsigned int i = 0; !rc && i < pf->n_svcs; i++)
		rc = tap_add(ends, &pf->svcs[i].port, pf->slot, END_TAP);
	for (unsigned int i = 0; !rc && i < pf->config.numvfs; i++)
		rc = tap_add(ends, &pf->vf_ports[i], pf->slot, END_TAP);
	if (!rc && pf->uplink.plugged && pf->slot != judged->slot && pf->wire.ifindex)
		rc = end_add(ends, (struct loop_end){ pf->wire.ifindex, pf->slot, END_WIRE });
	return rc;
}

static int ends_find(struct sw *sw, const struct sw_pf *judged, struct loop_ends *ends)
{
	int rc = 0;

	for (unsigned int i = 0; !rc && i < PFS_MAX; i++)
		if (sw->pfs[i])
			rc = pf_ends(sw->pfs[i], judged, ends);
	for (unsigned int i = 0; !rc && i < VEB_MIRRORS_MAX; i++) {
		const struct sw_mirror *m = &sw->mirrors[i];
		const struct sw_pf *pf = m->used && m->config.to == MIRROR_TO_TAP
						 ? sw_pf_find(sw, m->config.from_pf, NULL)
						 : NULL;

		if (pf)
			rc = tap_add(ends, &m->port, pf->slot, END_MIRROR);
	}
	return rc;
}

/* ---- opening ---- */

/* What was the wire under another name: since the boot, or by the address it was made with. */
static const struct link *former(const struct links *links, const struct sw_wire *wire, bool named)
{
	for (const struct link *l = links->all; l < links->all + links->n; l++)
		if ((l->index == wire->ifindex && mac_equal(&l->mac, &wire->mac)) ||
		    (!named && !mac_is_zero(&l->perm) && mac_equal(&l->perm, &wire->mac)))
			return l;
	return NULL;
}

static void renamed(struct sw_pf *pf, const char *name)
{
	log_info("uplink was renamed", "pf=%s from=%s to=%s", pf->config.name,
		 pf->config.uplink_arg, name);
	snprintf(pf->config.uplink_arg, sizeof(pf->config.uplink_arg), "%s", name);
}

/* By any of its names, in the namespace of @sock; 0: there is none. */
static unsigned int index_of(int sock, const char *name)
{
	struct ifreq ifr = { 0 };

	if (strlen(name) >= sizeof(ifr.ifr_name))
		return 0;
	memcpy(ifr.ifr_name, name, strlen(name));
	return ioctl(sock, SIOCGIFINDEX, &ifr) ? 0 : (unsigned int)ifr.ifr_ifindex;
}

static int judge(struct sw *sw, struct sw_pf *pf, int sock, const struct links *links,
		 struct err *e)
{
	unsigned int index = index_of(sock, pf->config.uplink_arg);
	const struct link *was = pf->wire.ifindex ? former(links, &pf->wire, index) : NULL;
	struct loop_ends ends = { 0 };
	int rc;

	if (was && was->index != index) {
		renamed(pf, was->name);
		index = was->index;
	}
	if (!index)
		return 0; /* who opens it says so */
	rc = ends_find(sw, pf, &ends) ? err_set(e, -ENOMEM, "no memory") : 0;
	rc = rc ?: loops_judge(links, &ends, pf->slot, index, e);
	free(ends.all);
	return rc;
}

static int dev_open(struct sw *sw, struct sw_pf *pf, struct port **out, struct err *e)
{
	struct links links = { 0 };
	auto_close int sock = -1;
	int rc = parent_links_follow(sw->opts.parent, &sock, e);

	rc = rc ?: links_dump(sock, &links) ? err_set(e, -EIO, "netdevs cannot be listed") : 0;
	rc = rc ?: judge(sw, pf, sock, &links, e);
	links_fini(&links);
	if (!rc && sw_is_trial(sw))
		return index_of(sock, pf->config.uplink_arg)
			       ? 0
			       : err_set(e, -ENODEV, "there is no netdev %s",
					 pf->config.uplink_arg);
	return rc
		       ?: uplink_dev_open(sw->opts.parent, pf->config.uplink_arg, pf->config.force,
					  dp_workers(sw->opts.dp), out, e);
}

static void take_in(struct sw_pf *pf, const struct uplink_state *state)
{
	pf->carrier = state->carrier;
	pf->wire_mtu = state->mtu;
	if (state->ifindex)
		pf->wire = (struct sw_wire){ state->ifindex, state->mac };
}

/**
 * sw_plug_uplink() - Open a PF's wire
 * @sw: switch
 * @pf: PF with an uplink port number; its carrier, wire_mtu and wire are set, and uplink_arg if
 *      the netdev was renamed meanwhile
 * @e:  may be NULL
 *
 * Return: 0, as loops_judge(), or as uplink_dev_open() and uplink_dpdk_open().
 * Context: control.
 */
int sw_plug_uplink(struct sw *sw, struct sw_pf *pf, struct err *e)
{
	char name[DP_NAME_LEN + 1];
	struct uplink_state state;
	struct port *edge;
	int rc;

	if (pf->config.uplink == UPLINK_DPDK)
		rc = sw_is_trial(sw) ? 0 : uplink_dpdk_open(pf->config.uplink_arg, &edge, e);
	else
		rc = dev_open(sw, pf, &edge, e);
	if (rc || sw_is_trial(sw))
		return rc;
	uplink_state(edge, &state);
	snprintf(name, sizeof(name), "%s uplink", pf->config.name);
	rc = sw_plug(sw, &pf->uplink, name, edge, e);
	if (!rc)
		take_in(pf, &state);
	return rc;
}

/* ---- following ---- */

static bool follow(struct sw *sw, struct sw_pf *pf)
{
	const struct sw_wire wire = pf->wire;
	struct uplink_state state = { 0 };
	bool carrier = pf->carrier;
	uint16_t mtu = pf->wire_mtu;

	if (pf->uplink.id == VEB_NO_PORT)
		return false;
	if (pf->uplink.plugged && uplink_state(pf->uplink.edge, &state))
		sw_unplug(sw, &pf->uplink, NULL, NULL);
	if (*state.renamed) {
		renamed(pf, state.renamed);
		uplink_rename(pf->uplink.edge, state.renamed);
	}
	take_in(pf, &state);
	if (carrier != pf->carrier)
		log_info("uplink changed", "pf=%s carrier=%d", pf->config.name, pf->carrier);
	return carrier != pf->carrier || mtu != pf->wire_mtu || *state.renamed ||
	       !mac_equal(&wire.mac, &pf->wire.mac);
}

/**
 * sw_wires_follow() - Some netdev changed: look at the wires
 * @sw: switch
 *
 * Nothing is opened here, as opening is such a change.
 *
 * Return: true if links may have changed and a new snapshot is due.
 * Context: control.
 */
bool sw_wires_follow(struct sw *sw)
{
	bool changed = false;

	for (unsigned int i = 0; i < PFS_MAX; i++)
		changed |= sw->pfs[i] && follow(sw, sw->pfs[i]);
	return changed;
}

/* Count what the kernel had no room for. A wire whose ring is stuck (packet.c) goes on without. */
static void listen_in(struct sw *sw, const struct sw_pf *pf)
{
	const struct sw_port *up = &pf->uplink;
	bool deaf;
	uint32_t lost = uplink_lost(up->edge, &deaf);

	dp_drops_add(sw->opts.dp, up->id, DROP_NO_BUFFER, lost);
	if (!deaf)
		return;
	dp_port_pause(sw->opts.dp, up->id);
	uplink_mend(up->edge);
	dp_port_resume(sw->opts.dp, up->id, false);
	log_warn("uplink's receive ring was stuck", "pf=%s dev=%s lost=%u now=\"system calls\"",
		 pf->config.name, pf->config.uplink_arg, lost);
}

/**
 * sw_wires_tick() - Look at the wires, and try to open those that are not
 * @sw: switch
 *
 * Return: as sw_wires_follow().
 * Context: control, once a second.
 */
bool sw_wires_tick(struct sw *sw)
{
	bool changed = sw_wires_follow(sw);

	for (unsigned int i = 0; i < PFS_MAX; i++) {
		struct sw_pf *pf = sw->pfs[i];
		struct err e = { 0 };

		if (pf && pf->uplink.plugged)
			listen_in(sw, pf);
		else if (pf && pf->uplink.id != VEB_NO_PORT)
			changed |= sw_plug_tried(&pf->uplink, "uplink", pf->config.name,
						 sw_plug_uplink(sw, pf, &e), &e);
	}
	return changed;
}
