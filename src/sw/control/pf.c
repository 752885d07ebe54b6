/* SPDX-License-Identifier: Apache-2.0 */
/* The PF's verbs: add, delete, set (VFs included), list, show. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sw/control/model.h"
#include "sw/port/tap.h"

#define PF_OUI	    ((const uint8_t[3]){ 0x02, 0xaf, 0x00 }) /* locally administered */
#define OWN_IFINDEX 100000 /* PFs without a host interface count from here */
#define RATE_BITS   (1U << VF_FIELD_MAX_TX_RATE | 1U << VF_FIELD_MIN_TX_RATE)
#define UPLINK_BITS (1U << PF_FIELD_UPLINK | 1U << PF_FIELD_UPLINK_ARG)

static const char *host_tap(const struct sw_pf *pf)
{
	return pf->host.id != VEB_NO_PORT ? pf->config.name : NULL;
}

/* Undoes what ports_take() and plugging did. */
static void ports_give(struct sw *sw, struct sw_pf *pf)
{
	for (unsigned int i = 0; i < pf->config.numvfs; i++)
		sw_id_give(sw, &pf->vf_ports[i].id);
	sw_unplug(sw, &pf->uplink, NULL, NULL);
	sw_unplug(sw, &pf->host, host_tap(pf), "");
	sw_id_give(sw, &pf->uplink.id);
	sw_id_give(sw, &pf->host.id);
}

static int ports_take(struct sw *sw, struct sw_pf *pf, struct err *e)
{
	int rc = 0;

	for (unsigned int i = 0; !rc && i < pf->config.numvfs; i++)
		rc = sw_id_take(sw, &pf->vf_ports[i].id, e);
	if (!rc && pf->config.uplink != UPLINK_NONE)
		rc = sw_id_take(sw, &pf->uplink.id, e);
	if (!rc && pf->uplink.id != VEB_NO_PORT)
		rc = sw_plug_uplink(sw, pf, e);
	if (rc && sw_may_wait(sw, &pf->uplink, pf->config.name, "uplink", rc, e))
		rc = 0;
	if (!rc && pf->config.host_if)
		rc = sw_id_take(sw, &pf->host.id, e);
	if (!rc && pf->host.id != VEB_NO_PORT)
		rc = sw_plug_host(sw, pf, e);
	return rc && sw_may_wait(sw, &pf->host, pf->config.name, "host", rc, e) ? 0 : rc;
}

/* -EBUSY if another PF has the same wire. */
static int uplink_check(const struct sw *sw, const struct pf_config *want, const struct sw_pf *own,
			struct err *e)
{
	for (unsigned int i = 0; want->uplink != UPLINK_NONE && i < PFS_MAX; i++) {
		const struct sw_pf *pf = sw->pfs[i];

		if (pf && pf != own && pf->config.uplink == want->uplink &&
		    !strcmp(pf->config.uplink_arg, want->uplink_arg))
			return err_set(e, -EBUSY, "%s is the uplink of %s", want->uplink_arg,
				       pf->config.name);
	}
	return 0;
}

/* Words of NICs' PFs. */
static int nics_check(const struct pf_config *want, struct err *e)
{
	if (*want->groups)
		return err_set(e, -EOPNOTSUPP,
			       "%s is a software PF: \"groups\" is a word of NICs' PFs",
			       want->name);
	if (want->eswitch)
		return err_set(e, -EOPNOTSUPP,
			       "%s is a software PF: \"eswitch\" is a word of NICs' PFs",
			       want->name);
	return want->drift == PF_DRIFT_REPORT ? 0
					      : err_set(e, -EOPNOTSUPP,
							"nobody else can change %s: \"drift\" is "
							"a word of NICs' PFs", want->name);
}

/**
 * sw_pf_add() - struct pf_ops.pf_add
 * @ctx:  struct sw
 * @want: the new PF
 * @said: unused: what was not asked for is the default
 * @e:    may be NULL
 *
 * Return: 0, -EEXIST, -EINVAL, -EBUSY, -ENOSPC, or errors of its uplink and host interface.
 * Context: control.
 */
int sw_pf_add(void *ctx, const struct pf_config *want, uint32_t said, struct err *e)
{
	struct sw *sw = ctx;
	struct pf_config config = *want;
	struct sw_pf *pf;
	unsigned int slot = sw_slot_of(sw, want->name);
	int rc = pf_config_check(want, e) ?: nics_check(want, e);

	if (!rc && sw_pf_find(sw, want->name, NULL))
		rc = err_set(e, -EEXIST, "PF %s exists", want->name);
	if (!rc)
		rc = uplink_check(sw, want, NULL, e);
	if (!rc && want->host_if)
		rc = sw_name_check(sw, want->name, "", e);
	if (rc)
		return rc;
	while (slot < PFS_MAX && sw->pfs[slot])
		slot++;
	if (slot == PFS_MAX)
		return err_set(e, -ENOSPC, "there are %u PFs already", PFS_MAX);
	if (mac_is_zero(&config.mac))
		mac_random(&config.mac, PF_OUI);
	pf = sw_pf_new(&config, slot);
	if (!pf)
		return err_set(e, -ENOMEM, "no memory");
	rc = ports_take(sw, pf, e);
	if (!rc) {
		sw->pfs[slot] = pf;
		rc = sw_commit(sw, e);
	}
	if (!rc)
		return 0;
	sw->pfs[slot] = NULL;
	ports_give(sw, pf);
	sw_pf_free(pf);
	return rc;
}

/* -EBUSY, by name, if a VF from @first on is in use. */
static int vfs_unused(struct sw *sw, const struct sw_pf *pf, unsigned int first, struct err *e)
{
	for (unsigned int i = first; i < pf->config.numvfs; i++) {
		const struct sw_vf *v = &pf->vfs[i];
		const struct sw_mirror *m = sw_mirror_of(sw, pf->config.name, (int)i, false);

		if (v->attach.kind != VF_ATTACH_NONE)
			return err_set(e, -EBUSY, "%s vf %u is attached", pf->config.name, i);
		if (*v->config.port_id)
			return err_set(e, -EBUSY, "%s vf %u is leased to port %s", pf->config.name,
				       i, v->config.port_id);
		if (m)
			return err_set(e, -EBUSY, "%s vf %u is in mirror %s", pf->config.name, i,
				       m->config.name);
	}
	return 0;
}

/**
 * sw_pf_del() - struct pf_ops.pf_del
 * @ctx:  struct sw
 * @name: PF
 * @reset: unused: it goes with all it had
 * @e:    names what still uses it
 *
 * Return: 0, -ENODEV, -EBUSY, or errors of the state file.
 * Context: control.
 */
int sw_pf_del(void *ctx, const char *name, bool reset, struct err *e)
{
	struct sw *sw = ctx;
	struct sw_pf *pf = sw_pf_find(sw, name, e);
	const struct sw_mirror *m = sw_mirror_of(sw, name, -1, false);
	int rc;

	if (!pf)
		return -ENODEV;
	rc = vfs_unused(sw, pf, 0, e);
	if (!rc && m)
		rc = err_set(e, -EBUSY, "%s is in mirror %s", name, m->config.name);
	if (!rc && pf->n_svcs)
		rc = err_set(e, -EBUSY, "%s has service port %s", name, pf->svcs[0].config.name);
	if (rc)
		return rc;
	sw->pfs[pf->slot] = NULL;
	rc = sw_commit(sw, e);
	if (rc) {
		sw->pfs[pf->slot] = pf;
		return rc;
	}
	sw_captures_sweep(sw);
	ports_give(sw, pf);
	sw_pf_free(pf);
	return 0;
}

/* The VFs of @next: those of @old as far as they go, the rest new. Numbers only for the new. */
static int next_vfs(struct sw *sw, const struct sw_pf *old, struct sw_pf *next, struct err *e)
{
	unsigned int n = next->config.numvfs;
	int rc = 0;

	next->vfs = calloc(n + 1u, sizeof(*next->vfs));
	next->vf_ports = calloc(n + 1u, sizeof(*next->vf_ports));
	if (!next->vfs || !next->vf_ports) {
		next->config.numvfs = 0;
		return err_set(e, -ENOMEM, "no memory");
	}
	for (unsigned int i = 0; i < n; i++) {
		if (i < old->config.numvfs) {
			next->vfs[i] = old->vfs[i];
			guest_get(next->vfs[i].guest);
			next->vf_ports[i] = old->vf_ports[i];
			continue;
		}
		vf_config_default(&next->vfs[i].config);
		sw_port_none(&next->vf_ports[i]);
		if (!rc)
			rc = sw_id_take(sw, &next->vf_ports[i].id, e);
	}
	return rc;
}

/* Applies the command's VF words one after the other to the VFs of @next. */
static int next_apply(const struct sw_pf *old, struct sw_pf *next, const struct pf_change *change,
		      struct err *e)
{
	for (unsigned int i = 0; i < change->n_vfs; i++) {
		const struct vf_change *c = &change->vfs[i];
		struct sw_vf made, *v;
		int rc;

		if (c->vf >= next->config.numvfs)
			return err_set(e, -EINVAL, "%s has no vf %u", next->config.name, c->vf);
		v = &next->vfs[c->vf];
		rc = sw_vf_apply(v, c, next, change->by_agent, &made, e);
		if (rc) {
			err_prefix(e, "%s vf %u", next->config.name, c->vf);
			return rc;
		}
		guest_put(v->guest);
		*v = made;
	}
	return sw_guests_judge(next, old, e);
}

/* New wire and host interface where the command asks for them. */
static int next_ports(struct sw *sw, const struct sw_pf *old, struct sw_pf *next,
		      const struct pf_change *change, struct err *e)
{
	int rc = 0;

	if (change->changed & UPLINK_BITS &&
	    (next->config.uplink != old->config.uplink ||
	     strcmp(next->config.uplink_arg, old->config.uplink_arg))) {
		sw_port_none(&next->uplink);
		next->carrier = next->config.uplink == UPLINK_NONE;
		next->wire_mtu = 0;
		next->wire = (struct sw_wire){ 0 };
		if (next->config.uplink != UPLINK_NONE)
			rc = sw_id_take(sw, &next->uplink.id, e);
		if (!rc && next->config.uplink != UPLINK_NONE)
			rc = sw_plug_uplink(sw, next, e);
		if (rc && sw_may_wait(sw, &next->uplink, next->config.name, "uplink", rc, e))
			rc = 0;
	}
	if (rc || next->config.host_if == old->config.host_if)
		return rc;
	sw_port_none(&next->host);
	if (!next->config.host_if)
		return 0;
	rc = sw_name_check(sw, next->config.name, "", e);
	if (!rc)
		rc = sw_id_take(sw, &next->host.id, e);
	rc = rc ?: sw_plug_host(sw, next, e);
	return rc && sw_may_wait(sw, &next->host, next->config.name, "host", rc, e) ? 0 : rc;
}

/* Frees what @gone has and @kept has not: the old one after success, the new one after failure. */
static void drop_rest(struct sw *sw, struct sw_pf *gone, const struct sw_pf *kept)
{
	for (unsigned int i = 0; gone->vfs && i < gone->config.numvfs; i++) {
		guest_put(gone->vfs[i].guest);
		if (i >= kept->config.numvfs)
			sw_id_give(sw, &gone->vf_ports[i].id);
	}
	if (gone->uplink.id != kept->uplink.id) {
		sw_unplug(sw, &gone->uplink, NULL, NULL);
		sw_id_give(sw, &gone->uplink.id);
	}
	if (gone->host.id != kept->host.id) {
		sw_unplug(sw, &gone->host, host_tap(gone), "");
		sw_id_give(sw, &gone->host.id);
	}
	free(gone->vfs);
	free(gone->vf_ports);
}

static int pf_set_check(struct sw *sw, const struct sw_pf *pf, struct pf_config *want,
			const struct pf_change *change, struct err *e)
{
	int rc;

	if (change->changed & 1U << PF_FIELD_NAME && strcmp(change->want.name, pf->config.name))
		return err_set(e, -EOPNOTSUPP, "a PF cannot be renamed");
	if (change->changed & 1U << PF_FIELD_FORCE && !(change->changed & 1U << PF_FIELD_UPLINK))
		return err_set(e, -EOPNOTSUPP, "\"numvfs N force\" is for NICs' PFs: of a software "
					       "PF no VF goes but those above N");
	fields_apply(pf_fields, want, &change->want, change->changed);
	rc = nics_check(want, e);
	if (rc)
		return rc;
	if (change->changed & 1U << PF_FIELD_UPLINK && want->uplink == UPLINK_NONE)
		*want->uplink_arg = '\0';
	if (mac_is_zero(&want->mac))
		want->mac = pf->config.mac;
	rc = pf_config_check(want, e);
	if (!rc)
		rc = uplink_check(sw, want, pf, e);
	return rc ? rc : vfs_unused(sw, pf, want->numvfs, e);
}

/* What cannot fail a command any more: rates, and the settings of netdevs. */
static void pf_set_after(struct sw *sw, struct sw_pf *pf, const struct pf_change *change)
{
	const uint32_t host_bits = 1U << PF_FIELD_MAC | 1U << PF_FIELD_MTU | 1U << PF_FIELD_UP;
	bool mtus = change->changed & 1U << PF_FIELD_MTU;

	if (sw_is_trial(sw))
		return;
	for (unsigned int i = 0; i < change->n_vfs; i++) {
		unsigned int vf = change->vfs[i].vf;

		mtus |= change->vfs[i].changed >> VF_FIELD_MTU & 1;
		if (change->vfs[i].changed >> VF_FIELD_LEARNING & 1)
			sw_learned_trim(sw, pf->vf_ports[vf].id, pf->vfs[vf].config.learning);
		if (change->vfs[i].changed & RATE_BITS)
			dp_rate_set(sw->opts.dp, pf->vf_ports[vf].id,
				    pf->vfs[vf].config.max_tx_mbit, pf->vfs[vf].config.min_tx_mbit);
	}
	if (change->changed & host_bits && pf->host.plugged)
		sw_plug_host(sw, pf, NULL);
	for (unsigned int i = 0; mtus && i < pf->config.numvfs; i++)
		if (pf->vf_ports[i].plugged && pf->vfs[i].attach.kind == VF_ATTACH_TAP)
			sw_plug_vf(sw, pf, i, NULL);
	if (change->changed & 1U << PF_FIELD_NUMVFS)
		sw_captures_sweep(sw);
}

/* What VFs that may do more from now on have queued until now goes by neither rules. */
static void pf_enforce(struct sw *sw, const struct sw_pf *old, const struct sw_pf *next,
		       struct veb_snap *snap)
{
	unsigned int n = MIN(old->config.numvfs, next->config.numvfs);
	bool widens[VF_MAX] = { false };

	if (sw_is_trial(sw))
		return;
	for (unsigned int i = 0; i < n; i++) {
		widens[i] = next->vf_ports[i].plugged &&
			    vf_config_widens(&old->vfs[i].config, &next->vfs[i].config);
		if (widens[i])
			dp_port_pause(sw->opts.dp, next->vf_ports[i].id);
	}
	sw_enforce(sw, snap);
	for (unsigned int i = 0; i < n; i++)
		if (widens[i])
			dp_port_resume(sw->opts.dp, next->vf_ports[i].id, true);
}

/**
 * sw_pf_set() - struct pf_ops.pf_set: one command line, as a whole or not at all
 * @ctx:    struct sw
 * @name:   PF
 * @change: its words
 * @e:      may be NULL
 *
 * Return: 0, -ENODEV, -EINVAL, -EBUSY (numvfs below a VF in use), -EOPNOTSUPP (renaming),
 * -ENOSPC, or errors of devices and of the state file.
 * Context: control.
 */
int sw_pf_set(void *ctx, const char *name, const struct pf_change *change, struct err *e)
{
	struct sw *sw = ctx;
	struct sw_pf *pf = sw_pf_find(sw, name, e), old, next;
	struct veb_snap *snap;
	int rc;

	if (!pf)
		return -ENODEV;
	old = next = *pf;
	rc = pf_set_check(sw, pf, &next.config, change, e);
	if (rc)
		return rc;
	rc = next_vfs(sw, &old, &next, e);
	if (!rc)
		rc = next_apply(&old, &next, change, e);
	if (!rc)
		rc = next_ports(sw, &old, &next, change, e);
	if (!rc) {
		*pf = next;
		rc = sw_prepare(sw, &snap, e);
	}
	if (rc) {
		*pf = old;
		drop_rest(sw, &next, &old);
		return rc;
	}
	pf_enforce(sw, &old, pf, snap);
	drop_rest(sw, &old, &next);
	pf_set_after(sw, pf, change);
	return 0;
}

/**
 * sw_pf_list() - struct pf_ops.pf_list
 * @ctx: struct sw
 * @out: array of @max names
 * @max: its length
 *
 * Return: number of PFs.
 * Context: control.
 */
int sw_pf_list(void *ctx, char (*out)[PF_NAME_LEN + 1], unsigned int max)
{
	struct sw *sw = ctx;
	unsigned int n = 0;

	for (unsigned int i = 0; i < PFS_MAX; i++) {
		if (!sw->pfs[i])
			continue;
		if (n < max)
			memcpy(out[n], sw->pfs[i]->config.name, PF_NAME_LEN + 1);
		n++;
	}
	return (int)n;
}

/**
 * sw_pf_get() - struct pf_ops.pf_get
 * @ctx:  struct sw
 * @name: PF
 * @out:  settings, state, counters; those of the uplink from the PF's view: rx is from the wire
 * @e:    may be NULL
 *
 * Return: 0 or -ENODEV.
 * Context: control.
 */
int sw_pf_get(void *ctx, const char *name, struct pf_info *out, struct err *e)
{
	struct sw *sw = ctx;
	struct sw_pf *pf = sw_pf_find(sw, name, e);
	struct pf_info info = { 0 };
	struct netdev_state host;
	struct tap_place at;
	struct vf_stats wire = { 0 };

	if (!pf)
		return -ENODEV;
	info.config = pf->config;
	snprintf(info.status.kind, sizeof(info.status.kind), "sw");
	info.status.ifindex = OWN_IFINDEX + pf->slot;
	if (pf->host.edge && tap_port_where(pf->host.edge, &at, &host) && !*at.netns)
		info.status.ifindex = host.ifindex;
	info.status.carrier = pf->carrier;
	sw_pci_slot(pf, -1, info.status.pci_slot);
	if (pf->uplink.id != VEB_NO_PORT)
		dp_stats_get(sw->opts.dp, pf->uplink.id, &wire);
	info.status.uplink = wire;
	info.status.uplink.rx_packets = wire.tx_packets; /* the port sends what the wire brought */
	info.status.uplink.rx_bytes = wire.tx_bytes;
	info.status.uplink.tx_packets = wire.rx_packets;
	info.status.uplink.tx_bytes = wire.rx_bytes;
	info.status.uplink.rx_dropped = vf_stats_tx_dropped(&wire);
	info.status.uplink.rx_multicast = info.status.uplink.rx_broadcast = 0;
	if (pf->host.id != VEB_NO_PORT)
		dp_stats_get(sw->opts.dp, pf->host.id, &info.status.host);
	*out = info;
	return 0;
}
