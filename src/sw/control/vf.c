/* SPDX-License-Identifier: Apache-2.0 */
/* The VF's verbs: show, attach, detach, release, guest filters. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "sw/control/model.h"
#include "sw/port/tap.h"

#define LATE_MS	 5000 /* that a guest's word may be on its way: by its driver, QEMU and the agent */
#define SAID_MAX 16   /* refusals said of one VF until it is released: its guest may ask for ever */

/* Whether a guest may have just what it might; what others have by right is another question. */
static bool same_rules(const struct vf_config *a, const struct vf_config *b)
{
	return mac_equal(&a->mac, &b->mac) && mac_list_equal(&a->allowed, &b->allowed) &&
	       a->trust == b->trust;
}

/* What a hand takes away its guest may have asked for already; what the agent does is another's. */
static void note_former(struct sw_vf *v, const struct mac *was, bool by_agent)
{
	bool lasts = !by_agent && !mac_is_zero(was);

	if (mac_equal(was, &v->config.mac))
		return;
	v->former = *was;
	v->former_until_ms = lasts ? loop_now_ms() + LATE_MS : 0;
}

/**
 * sw_vf_apply() - One VF's words on top of what it is
 * @old:      what it is
 * @change:   the words
 * @pf:       its PF as it will be
 * @by_agent: written by the agent, else by hand
 * @out:      the new value with a guest of its own; attach is as it was
 * @e:        may be NULL
 *
 * Return: 0, -EINVAL or -ENOMEM.
 * Context: control; pure but for the clock.
 */
int sw_vf_apply(const struct sw_vf *old, const struct vf_change *change,
		const struct sw_pf *pf, bool by_agent, struct sw_vf *out, struct err *e)
{
	const struct sw_seat seat = { pf, change->vf };
	struct sw_vf v = *old;
	struct guest_rules rules;
	int rc = vf_change_apply(&old->config, change, &pf->config, &v.config, e);

	if (!rc && *v.config.group)
		rc = err_set(e, -EOPNOTSUPP,
			     "\"group\" is a word of NICs' VFs, and %s is a software PF",
			     pf->config.name);
	if (rc)
		return rc;
	if (by_agent) {
		v.by_agent |= change->changed;
		v.overridden &= ~change->changed;
	} else {
		v.overridden |= v.by_agent & fields_diff(vf_fields, &old->config, &v.config);
	}
	note_former(&v, &old->config.mac, by_agent);
	rules = sw_guest_rules(&seat, &v);
	if (same_rules(&old->config, &v.config))
		guest_get(v.guest);
	else
		rc = guest_judge(old->guest, &rules, &v.guest);
	if (rc)
		return err_set(e, rc, "no memory");
	*out = v;
	return 0;
}

/**
 * sw_pci_slot() - Synthetic PCI address, by SR-IOV's first offset (128) and stride (2), as igb's
 * @pf:  PF
 * @vf:  VF number; -1: the PF itself
 * @out: 0000:05:10.2 for VF 1 of the first PF
 *
 * Context: any.
 */
void sw_pci_slot(const struct sw_pf *pf, int vf, char out[16])
{
	unsigned int rid = vf < 0 ? 0 : 128 + 2 * (unsigned int)vf;
	unsigned int bus = 5 + pf->slot % 32u * 4 + (rid >> 8);

	snprintf(out, 16, "%04x:%02x:%02x.%x", (pf->slot / 32u) & 0xffffu, bus & 0xffu,
		 rid >> 3 & 31u, rid & 7u);
}

static void status_of_guest(const struct sw_vf *v, struct vf_status *s)
{
	const struct guest *g = v->guest;

	s->allmulti = guest_multicast(g, &v->config) == GUEST_MULTI_ALL;
	s->promisc = guest_promisc(g, &v->config);
	if (!g)
		return;
	s->filter_known = g->known;
	s->n_accepted = g->n_accepted;
	s->n_refused = g->n_refused + g->n_excess;
	s->n_mcasts = g->n_mcasts;
	for (unsigned int i = 0; i < MIN(g->n_accepted, (unsigned int)VF_MACS_UNTRUSTED); i++)
		s->accepted[i] = g->accepted[i].mac;
	for (unsigned int i = 0; i < MIN(g->n_refused, (unsigned int)VF_MACS_UNTRUSTED); i++)
		s->refused[i] = g->refused[i];
}

/**
 * sw_vf_get() - struct pf_ops.vf_get
 * @ctx: struct sw
 * @pf:  PF
 * @vf:  VF
 * @out: everything about the VF
 * @e:   may be NULL
 *
 * Return: 0, -ENODEV, -EINVAL.
 * Context: control.
 */
int sw_vf_get(void *ctx, const char *pf, unsigned int vf, struct vf_info *out, struct err *e)
{
	struct sw *sw = ctx;
	struct dp_port_status port = { 0 };
	struct netdev_state state;
	struct tap_place at;
	struct sw_pf *p;
	struct sw_vf *v = sw_vf_find(sw, pf, vf, &p, e);

	if (!v)
		return p ? -EINVAL : -ENODEV;
	*out = (struct vf_info){ .config = v->config, .attach = v->attach };
	dp_port_status(sw->opts.dp, p->vf_ports[vf].id, &port);
	dp_stats_get(sw->opts.dp, p->vf_ports[vf].id, &out->stats);
	out->status.connected = port.connected;
	out->status.fault = port.fault;
	out->status.n_queues = port.n_queues;
	out->status.n_rx_queues = port.n_rx;
	memcpy(out->status.rx_queues, port.rx_frames, sizeof(port.rx_frames));
	out->status.features = port.features;
	out->status.interrupts = port.interrupts;
	out->status.rx_ring = port.rx_ring;
	out->status.rx_free = port.rx_free;
	out->status.tx_ring = port.tx_ring;
	out->status.tx_wait = port.tx_wait;
	out->status.link_up = sw_vf_link_up(p, vf);
	out->status.mtu = vf_mtu(&v->config, &p->config);
	if (p->vf_ports[vf].edge && tap_port_where(p->vf_ports[vf].edge, &at, &state)) {
		memcpy(out->status.tap, at.name, sizeof(out->status.tap));
		memcpy(out->status.netns, at.netns, sizeof(out->status.netns));
	}
	status_of_guest(v, &out->status);
	sw_learned_show(sw, p, vf, &out->status);
	sw_pci_slot(p, (int)vf, out->status.pci_slot);
	fields_mask_format(vf_fields, v->overridden, out->status.overridden,
			   sizeof(out->status.overridden));
	return 0;
}

/**
 * sw_vf_drops() - struct pf_ops.vf_drops
 * @ctx: struct sw
 * @pf:  PF
 * @vf:  VF
 * @out: filled, by enum drop
 * @e:   may be NULL
 *
 * Return: 0, -ENODEV, -EINVAL.
 * Context: control.
 */
int sw_vf_drops(void *ctx, const char *pf, unsigned int vf, struct vf_drop out[DROP_N],
		struct err *e)
{
	struct sw *sw = ctx;
	struct sw_pf *p;

	if (!sw_vf_find(sw, pf, vf, &p, e))
		return p ? -EINVAL : -ENODEV;
	dp_drops_get(sw->opts.dp, p->vf_ports[vf].id, out);
	return 0;
}

static bool attach_equal(const struct vf_attach *a, const struct vf_attach *b)
{
	return !fields_diff(vf_attach_fields, a, b);
}

/* -EBUSY if another VF has this vhost socket. */
static int socket_check(const struct sw *sw, const char *path, struct err *e)
{
	for (unsigned int i = 0; i < PFS_MAX; i++) {
		const struct sw_pf *pf = sw->pfs[i];

		for (unsigned int k = 0; pf && k < pf->config.numvfs; k++)
			if (pf->vfs[k].attach.kind == VF_ATTACH_VHOST &&
			    !strcmp(pf->vfs[k].attach.socket, path))
				return err_set(e, -EBUSY, "%s is the socket of %s vf %u", path,
					       pf->config.name, k);
	}
	return 0;
}

/* The attachment with its defaults filled in and members of other kinds empty. */
static int attach_resolve(const struct sw *sw, const char *pf, unsigned int vf,
			  const struct vf_attach *want, struct vf_attach *out, struct err *e)
{
	struct vf_attach a = { .kind = want->kind };
	int n = 0;

	switch ((enum vf_attach_kind)want->kind) {
	case VF_ATTACH_NONE:
		return err_set(e, -EINVAL, "nothing to attach %s vf %u to", pf, vf);
	case VF_ATTACH_VFIO:
	case VF_ATTACH_NETDEV:
	case VF_ATTACH_MACVTAP:
		return err_set(e, -EOPNOTSUPP,
			       "%s is a software PF: \"%s\" is for VFs of NICs, here it is vhost "
			       "or tap",
			       pf, vf_attach_fields[VF_ATTACH_FIELD_KIND].names[want->kind]);
	case VF_ATTACH_VHOST:
		a.client = want->client;
		if (*want->socket)
			memcpy(a.socket, want->socket, sizeof(a.socket));
		else
			n = snprintf(a.socket, sizeof(a.socket), "%s/vhost/%s-%u/sock", sw->run_dir,
				     pf, vf);
		if (n >= (int)sizeof(a.socket))
			return err_set(e, -ENAMETOOLONG, "%s is too long for a socket",
				       sw->run_dir);
		if (*a.socket != '/')
			return err_set(e, -EINVAL, "socket %s is no absolute path", a.socket);
		break;
	case VF_ATTACH_TAP:
		memcpy(a.tap, want->tap, sizeof(a.tap));
		memcpy(a.netns, want->netns, sizeof(a.netns));
		n = sw_netns_word(sw, a.netns, e);
		if (n)
			return n;
		break;
	}
	*out = a;
	return 0;
}

/**
 * sw_vf_attach() - struct pf_ops.vf_attach
 * @ctx:  struct sw
 * @pf:   PF
 * @vf:   VF
 * @want: what to plug it into; an empty socket gets the default path
 * @e:    may be NULL
 *
 * The same attachment again is no error. What its user queued before is never sent: it was queued
 * under the rules of whatever it was plugged into then.
 *
 * Return: 0, -ENODEV, -EINVAL, -EBUSY (attached already, or the socket is another's),
 * -EEXIST (the tap is another's), -ENAMETOOLONG, -EPERM (tap without root), or errors of devices.
 * Context: control.
 */
int sw_vf_attach(void *ctx, const char *pf, unsigned int vf, const struct vf_attach *want,
		 struct err *e)
{
	struct sw *sw = ctx;
	struct sw_pf *p;
	struct sw_vf *v = sw_vf_find(sw, pf, vf, &p, e);
	struct vf_attach attach;
	int rc;

	if (!v)
		return p ? -EINVAL : -ENODEV;
	rc = attach_resolve(sw, pf, vf, want, &attach, e);
	if (rc)
		return rc;
	if (attach_equal(&attach, &v->attach))
		return 0;
	if (v->attach.kind != VF_ATTACH_NONE)
		return err_set(e, -EBUSY, "%s vf %u is attached to %s", pf, vf,
			       v->attach.kind == VF_ATTACH_TAP ? v->attach.tap : v->attach.socket);
	rc = attach.kind == VF_ATTACH_TAP ? sw_name_check(sw, attach.tap, attach.netns, e)
					  : socket_check(sw, attach.socket, e);
	if (rc)
		return rc;
	v->attach = attach;
	if (sw_is_trial(sw))
		return 0;
	dp_port_pause(sw->opts.dp, p->vf_ports[vf].id);
	rc = sw_plug_vf(sw, p, vf, e);
	if (rc && sw_may_wait(sw, &p->vf_ports[vf], pf, "vf", rc, e))
		rc = 0;
	if (!rc)
		rc = sw_commit(sw, e);
	if (rc) {
		sw_unplug(sw, &p->vf_ports[vf], attach.tap, attach.netns);
		v->attach = (struct vf_attach){ 0 };
	}
	dp_port_resume(sw->opts.dp, p->vf_ports[vf].id, true);
	return rc;
}

/*
 * Puts a new value of a VF in force (with its reference to a guest, which is taken), prepared by
 * sw_prepare() or, if nobody waits for the state file to show it, sw_snap_build(). If it has no
 * plug, the old one is out before: no frame of its user goes by the new rules, and none that they
 * let pass reaches him.
 */
static int vf_put(struct sw *sw, struct sw_pf *pf, unsigned int vf, const struct sw_vf *next,
		  int (*prepare)(struct sw *sw, struct veb_snap **out, struct err *e),
		  struct err *e)
{
	struct sw_vf old = pf->vfs[vf], *saved = sw_guests_save(pf, e);
	struct sw_pf was = *pf;
	struct veb_snap *snap;
	int rc = 0;

	if (!saved) {
		guest_put(next->guest);
		return -ENOMEM;
	}
	guest_put(old.guest);
	pf->vfs[vf] = *next;
	was.vfs = saved;
	rc = sw_guests_judge(pf, &was, e); /* its addresses may be free */
	if (!rc)
		rc = prepare(sw, &snap, e);
	if (rc) {
		sw_guests_back(pf, saved);
		return rc;
	}
	sw_guests_done(pf, saved);
	if (next->attach.kind == VF_ATTACH_NONE && old.attach.kind != VF_ATTACH_NONE) {
		sw_unplug(sw, &pf->vf_ports[vf], old.attach.tap, old.attach.netns);
		sw_learned_trim(sw, pf->vf_ports[vf].id, 0);
	}
	sw_enforce(sw, snap);
	return 0;
}

/**
 * sw_vf_detach() - struct pf_ops.vf_detach
 * @ctx: struct sw
 * @pf:  PF
 * @vf:  VF; not attached is no error
 * @e:   may be NULL
 *
 * Return: 0, -ENODEV, -EINVAL, or errors of the state file.
 * Context: control.
 */
int sw_vf_detach(void *ctx, const char *pf, unsigned int vf, struct err *e)
{
	struct sw *sw = ctx;
	struct sw_pf *p;
	struct sw_vf *v = sw_vf_find(sw, pf, vf, &p, e), next;

	if (!v)
		return p ? -EINVAL : -ENODEV;
	next = *v;
	next.guest = guest_get(v->guest);
	next.attach = (struct vf_attach){ 0 };
	return vf_put(sw, p, vf, &next, sw_prepare, e);
}

/**
 * sw_vf_release() - struct pf_ops.vf_release: as if the VF had just been made
 * @ctx: struct sw
 * @pf:  PF
 * @vf:  VF
 * @e:   may be NULL
 *
 * Mirrors from or to it go too: the next user's frames are nobody else's.
 *
 * Return: 0, -ENODEV, -EINVAL, or errors of the state file.
 * Context: control.
 */
int sw_vf_release(void *ctx, const char *pf, unsigned int vf, struct err *e)
{
	struct sw *sw = ctx;
	auto_free struct sw_mirror *mirrors = NULL;
	struct sw_mirror *m;
	struct sw_vf next = { 0 };
	struct sw_pf *p;
	int rc;

	if (!sw_vf_find(sw, pf, vf, &p, e))
		return p ? -EINVAL : -ENODEV;
	mirrors = malloc(sizeof(sw->mirrors));
	if (!mirrors)
		return err_set(e, -ENOMEM, "no memory");
	memcpy(mirrors, sw->mirrors, sizeof(sw->mirrors));
	while ((m = sw_mirror_of(sw, pf, (int)vf, true)))
		m->used = false;
	vf_config_default(&next.config);
	rc = vf_put(sw, p, vf, &next, sw_prepare, e);
	if (rc) {
		memcpy(sw->mirrors, mirrors, sizeof(sw->mirrors));
		return rc;
	}
	sw_mirrors_reap(sw);
	if (sw_is_trial(sw))
		return 0;
	dp_rate_set(sw->opts.dp, p->vf_ports[vf].id, 0, 0);
	dp_stats_reset(sw->opts.dp, p->vf_ports[vf].id);
	return 0;
}

static void say(struct sw_vf *v, const char *pf, unsigned int vf, const char *what)
{
	if (v->n_said >= SAID_MAX)
		return;
	v->n_said++;
	log_info("guest is refused what it asks for", "pf=%s vf=%u what=%s%s", pf, vf, what,
		 v->n_said == SAID_MAX ? ": more is not said of this VF" : "");
}

/* What the guest of @v is refused and did not ask for as @old yet (docs/sriov.md, Trust). */
static void refusals_say(struct sw_vf *v, const struct guest *old, const char *pf, unsigned int vf)
{
	const struct guest *g = v->guest;
	char mac[MAC_STR_LEN];

	for (unsigned int i = 0; i < g->n_refused && v->n_said < SAID_MAX; i++)
		if (!guest_refused(old, &g->refused[i]))
			say(v, pf, vf, mac_format(&g->refused[i], mac));
	if (g->allmulti && !(old && old->allmulti) &&
	    guest_multicast(g, &v->config) == GUEST_MULTI_REFUSED)
		say(v, pf, vf, "allmulti");
	if (g->promisc && !(old && old->promisc) &&
	    guest_promisc(g, &v->config) == VF_PROMISC_OFF)
		say(v, pf, vf, "promisc");
}

/**
 * sw_vf_filter() - struct pf_ops.vf_filter: the guest's driver says what it wants
 * @ctx:    struct sw
 * @pf:     PF
 * @vf:     VF
 * @filter: a full replacement; NULL: the source is gone
 * @e:      may be NULL
 *
 * In force at once; saved with the next tick, as guests may change their filters as often as they
 * like.
 *
 * Return: 0 (also if addresses were refused), -ENODEV, -EINVAL, -ENOMEM.
 * Context: control.
 */
int sw_vf_filter(void *ctx, const char *pf, unsigned int vf, const struct vf_filter *filter,
		 struct err *e)
{
	struct sw *sw = ctx;
	struct sw_pf *p;
	struct sw_vf *v = sw_vf_find(sw, pf, vf, &p, e), next;
	const struct sw_seat seat = { p, vf };
	struct guest_rules rules;
	bool lasts; /* what the state file has of it changes */
	int rc;

	if (!v)
		return p ? -EINVAL : -ENODEV;
	next = *v;
	rules = sw_guest_rules(&seat, v);
	if (guest_filter(v->guest, filter, &rules, &next.guest))
		return err_set(e, -ENOMEM, "no memory");
	if (next.guest == v->guest) { /* it says what it said */
		guest_put(next.guest);
		return 0;
	}
	refusals_say(&next, v->guest, pf, vf);
	lasts = !guest_same_accepted(v->guest, next.guest);
	rc = vf_put(sw, p, vf, &next, sw_snap_build, e);
	sw->unsaved |= lasts && !rc;
	return rc;
}
