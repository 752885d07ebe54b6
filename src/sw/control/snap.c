/* SPDX-License-Identifier: Apache-2.0 */
/* From the model to the data plane's snapshot: link states, flags, addresses, mirrors. */
#include <errno.h>
#include <string.h>

#include "sw/control/model.h"

/* What one build collects. */
struct build {
	struct sw *sw;
	unsigned int n, n_mirrors;
	uint16_t mirrors[VEB_MIRRORS_MAX]; /* slots in use */
	struct veb_port *ports[VEB_PORTS_MAX]; /* a reference each */
};

static uint16_t min_mtu(uint16_t a, uint16_t b)
{
	return b && b < a ? b : a;
}

static uint16_t vf_id(struct sw *sw, const char *pf, unsigned int vf)
{
	struct sw_pf *to = sw_pf_find(sw, pf, NULL);

	return to && vf < to->config.numvfs ? to->vf_ports[vf].id : VEB_NO_PORT;
}

/* Which of a port's frames a mirror watches: those to it, those from it. */
static void watch(const struct mirror_config *m, enum veb_kind kind, unsigned int vf, bool *to,
		  bool *from)
{
	bool in = m->dir != MIRROR_OUT, out = m->dir != MIRROR_IN;

	*to = *from = false;
	switch ((enum mirror_from)m->from) {
	case MIRROR_FROM_VF:
	case MIRROR_FROM_PF:
		if (m->from == MIRROR_FROM_VF ? kind != VEB_VF || m->from_vf != vf
					      : kind != VEB_HOST)
			return;
		*to = in;
		*from = out;
		return;
	case MIRROR_FROM_UPLINK: /* what VMs send goes to that port */
		*to = kind == VEB_UPLINK && out;
		*from = kind == VEB_UPLINK && in;
		return;
	case MIRROR_FROM_VLAN: /* once, where it comes in */
		*from = kind == VEB_VF ? out : in;
		return;
	}
}

/* Arrays of one port's mirrors. */
struct mirrors {
	struct veb_mirror to[VEB_MIRRORS_MAX], from[VEB_MIRRORS_MAX];
};

/* A capture's copies tell which way they went, as the VM sees it, or the PF's interface. */
static struct veb_mirror marked(struct veb_mirror copy, const struct sw_mirror *m, bool out)
{
	if (m->capture && out)
		copy.flags |= VEB_MIRROR_OUT;
	return copy;
}

/* Mirrors that watch a port of @pf; @list holds them while @conf is used. */
static void port_mirrors(const struct build *b, const struct sw_pf *pf, unsigned int vf,
			 struct mirrors *list, struct veb_port_conf *conf)
{
	struct sw *sw = b->sw;

	for (unsigned int i = 0; pf && i < b->n_mirrors; i++) {
		uint16_t slot = b->mirrors[i];
		const struct sw_mirror *m = &sw->mirrors[slot];
		struct veb_mirror copy = { .slot = slot, .filter = m->filter };
		bool to, from;

		watch(&m->config, conf->kind, vf, &to, &from);
		if ((!to && !from) || strcmp(m->config.from_pf, pf->config.name))
			continue;
		copy.to = m->config.to == MIRROR_TO_VF ? vf_id(sw, m->config.to_pf, m->config.to_vf)
						       : m->port.id;
		copy.snap = m->capture ? 0 : m->config.snap; /* its sink does that */
		copy.flags = m->config.from == MIRROR_FROM_VLAN ? VEB_MIRROR_INSIDE : 0;
		if (mirror_is_remote(&m->config))
			copy.flags |= VEB_MIRROR_REMOTE;
		if (m->config.drops)
			copy.flags |= VEB_MIRROR_DROPS;
		if (to)
			list->to[conf->n_in++] = marked(copy, m, conf->kind == VEB_UPLINK);
		if (from)
			list->from[conf->n_out++] = marked(copy, m, conf->kind == VEB_VF ||
							     m->config.from == MIRROR_FROM_PF);
	}
	conf->in = list->to;
	conf->out = list->from;
}

/* Takes a port with its mirrors; its block may be the one of the last snapshot. */
static int build_add(struct build *b, const struct sw_pf *pf, unsigned int vf,
		     struct veb_port_conf *conf)
{
	struct veb_port *p, **last = &b->sw->blocks[conf->id];
	struct mirrors list;

	port_mirrors(b, pf, vf, &list, conf);
	p = veb_port_new(conf);
	if (!p)
		return -ENOMEM;
	if (veb_port_equal(p, *last)) {
		veb_port_put(p);
		p = veb_port_get(*last);
	} else {
		veb_port_put(*last);
		*last = veb_port_get(p);
		b->sw->addresses[conf->id].known = conf->like;
	}
	b->ports[b->n++] = p;
	return 0;
}

/*
 * Whether it is to be told when the guest sends from its administrative MAC: it asks by frames and
 * was not seen with it yet, or holds what that was before, and nobody else says what it wants.
 */
static bool is_asked(const struct sw_vf *v)
{
	const struct vf_config *c = &v->config;

	if (mac_is_zero(&c->mac) || (v->guest && v->guest->known))
		return false;
	return (!c->spoofchk && !guest_accepted(v->guest, &c->mac)) ||
	       guest_has_former(v->guest, c);
}

static uint16_t vf_flags(const struct sw_pf *pf, unsigned int vf)
{
	static const uint16_t promisc[] = { [VF_PROMISC_UNMATCHED] = VEB_PROMISC,
					    [VF_PROMISC_TRUE] = VEB_PROMISC | VEB_PROMISC_ALL };
	static const uint16_t multi[] = { [GUEST_MULTI_ALL] = VEB_ALLMULTI,
					  [GUEST_MULTI_REFUSED] = VEB_MULTI_REFUSED };
	const struct vf_config *c = &pf->vfs[vf].config;
	const struct guest *g = pf->vfs[vf].guest;
	bool named = !mac_is_zero(&c->mac), known = g && g->known;
	bool asks = !known && (!c->spoofchk || !named); /* by its frames */
	uint16_t flags = 0;

	if (sw_vf_link_up(pf, vf))
		flags |= VEB_LINK_UP;
	if (c->spoofchk && (named || known))
		flags |= VEB_SPOOFCHK;
	if (c->learning)
		flags |= VEB_LEARN | VEB_LEARNED;
	if (asks)
		flags |= VEB_LEARN;
	if (is_asked(&pf->vfs[vf]))
		flags |= VEB_CONFIRM;
	flags |= multi[guest_multicast(g, c)];
	flags |= promisc[guest_promisc(g, c)];
	if (c->isolated)
		flags |= VEB_ISOLATED;
	return flags;
}

/*
 * Accepted addresses and the administrative one; what the guest's frames carry comes first, or what
 * is asked for (VEB_CONFIRM).
 */
static unsigned int vf_macs(const struct sw_vf *v, struct mac *macs)
{
	const struct guest *g = v->guest;
	unsigned int n = 0, own;

	if (g && guest_accepted(g, &g->main_mac))
		macs[n++] = g->main_mac;
	if (!mac_is_zero(&v->config.mac) && (!n || !mac_equal(&macs[0], &v->config.mac)))
		macs[n++] = v->config.mac;
	if (n == 2 && is_asked(v)) {
		macs[1] = macs[0];
		macs[0] = v->config.mac;
	}
	own = n;
	for (unsigned int i = 0; g && i < g->n_accepted; i++) {
		const struct mac *m = &g->accepted[i].mac;

		if (!mac_equal(m, &g->main_mac) && !mac_equal(m, &v->config.mac) &&
		    !mac_list_has(&v->config.allowed, m))
			macs[n++] = *m;
	}
	for (unsigned int i = 0; i < v->config.allowed.n; i++)
		if ((own < 1 || !mac_equal(&macs[0], &v->config.allowed.macs[i])) &&
		    (own < 2 || !mac_equal(&macs[1], &v->config.allowed.macs[i])))
			macs[n++] = v->config.allowed.macs[i];
	return n;
}

/* The last block of a VF's port, if its addresses are made of the same; else NULL. */
static const struct veb_port *like(const struct sw *sw, const struct sw_addresses *is, uint16_t id)
{
	const struct sw_addresses *was = &sw->addresses[id];
	bool same = was->known && was->guest == is->guest && mac_equal(&was->mac, &is->mac) &&
		    mac_list_equal(&was->allowed, &is->allowed) && was->learned == is->learned &&
		    was->learned_max == is->learned_max && was->asked == is->asked;

	return same ? sw->blocks[id] : NULL;
}

/* What the addresses of the newest block are made of. */
static void remember(struct sw_addresses *was, const struct sw_addresses *is)
{
	guest_get(is->guest);
	guest_put(was->guest);
	*was = *is;
}

static int build_vf(struct build *b, const struct sw_pf *pf, unsigned int vf)
{
	const struct sw_vf *v = &pf->vfs[vf];
	struct mac macs[VF_MACS_TRUSTED + 1 + MAC_LIST_MAX + VF_LEARNED_MAX];
	const struct sw_learned *learned = b->sw->learned[pf->vf_ports[vf].id];
	const struct sw_addresses is = {
		.known = true,
		.guest = v->guest,
		.mac = v->config.mac,
		.allowed = v->config.allowed,
		.learned = learned ? learned->version : 0,
		.learned_max = sw_learned_max(v),
		.asked = is_asked(v),
	};
	struct veb_port_conf conf = {
		.id = pf->vf_ports[vf].id,
		.domain = pf->slot,
		.kind = VEB_VF,
		.flags = vf_flags(pf, vf),
		.vlan = v->config.vlan,
		.qos = v->config.qos,
		.ad = v->config.proto == VF_PROTO_8021AD,
		.storm = { [STORM_BROADCAST] = v->config.storm_broadcast,
			   [STORM_MULTICAST] = v->config.storm_multicast },
		.trunk = &v->config.trunk,
		.native = v->config.native,
		.mtu = vf_mtu(&v->config, &pf->config),
		.like = like(b->sw, &is, pf->vf_ports[vf].id),
	};
	unsigned int n;
	int rc;

	if (!conf.like) {
		n = vf_macs(v, macs);
		conf.n_learned = sw_learned_get(b->sw, pf, vf, macs + n);
		conf.n_macs = n + conf.n_learned;
		conf.macs = macs;
	}
	n = conf.like ? conf.like->n_learned : conf.n_learned;
	if (n < is.learned_max)
		conf.flags |= VEB_ROOM;
	if (v->guest && !conf.like) {
		conf.n_groups = v->guest->n_mcasts;
		conf.groups = v->guest->mcasts;
	}
	rc = build_add(b, pf, vf, &conf);
	if (!rc && !conf.like)
		remember(&b->sw->addresses[conf.id], &is);
	return rc;
}

static int build_svc(struct build *b, const struct sw_pf *pf, const struct sw_svc *svc)
{
	const struct vlan_set none = { .set = true };
	struct veb_port_conf conf = {
		.id = svc->port.id,
		.domain = pf->slot,
		.kind = VEB_SVC,
		.flags = VEB_DHCP | (pf->config.up ? VEB_LINK_UP : 0),
		.vlan = svc->config.vlan,
		.trunk = &none,
		.mtu = svc->config.mtu ? svc->config.mtu : pf->config.mtu,
		.n_macs = 1,
		.macs = &svc->config.mac,
	};

	return build_add(b, pf, 0, &conf);
}

static uint16_t host_flags(const struct pf_config *c)
{
	return (c->up ? VEB_LINK_UP : 0) |
	       (c->unknown_unicast == UNKNOWN_BOTH ? VEB_UNKNOWN : 0);
}

static int build_pf(struct build *b, const struct sw_pf *pf)
{
	int rc = 0;

	for (unsigned int i = 0; !rc && i < pf->config.numvfs; i++)
		rc = build_vf(b, pf, i);
	for (unsigned int i = 0; !rc && i < pf->n_svcs; i++)
		rc = build_svc(b, pf, &pf->svcs[i]);
	if (!rc && pf->uplink.id != VEB_NO_PORT)
		rc = build_add(b, pf, 0,
			       &(struct veb_port_conf){
				       .id = pf->uplink.id,
				       .domain = pf->slot,
				       .kind = VEB_UPLINK,
				       .flags = sw_pf_link_up(pf) ? VEB_LINK_UP : 0,
				       .mtu = min_mtu(pf->config.mtu, pf->wire_mtu),
			       });
	if (!rc && pf->host.id != VEB_NO_PORT)
		rc = build_add(b, pf, 0,
			       &(struct veb_port_conf){
				       .id = pf->host.id,
				       .domain = pf->slot,
				       .kind = VEB_HOST,
				       .flags = host_flags(&pf->config),
				       .mtu = pf->config.mtu,
				       .n_macs = 1,
				       .macs = &pf->config.mac,
			       });
	return rc;
}

/* Destinations of mirrors that are no VF, each once. */
static int build_sinks(struct build *b)
{
	struct sw_mirror *mirrors = b->sw->mirrors;
	bool done[VEB_PORTS_MAX] = { false };
	int rc = 0;

	for (unsigned int i = 0; !rc && i < VEB_MIRRORS_MAX; i++) {
		uint16_t id = mirrors[i].port.id;

		if (!mirrors[i].used || id == VEB_NO_PORT || done[id])
			continue;
		done[id] = true;
		rc = build_add(b, NULL, 0,
			       &(struct veb_port_conf){
				       .id = id, .kind = VEB_SINK, .flags = VEB_LINK_UP });
	}
	return rc;
}

/**
 * sw_snap_build() - Build the snapshot of the model as it is
 * @sw:  switch
 * @out: the snapshot, for dp_publish()
 * @e:   may be NULL
 *
 * Ports that say what they said keep their block, and their entries in the index.
 *
 * Return: 0, -ENOMEM, or as veb_snap_build().
 * Context: control.
 */
int sw_snap_build(struct sw *sw, struct veb_snap **out, struct err *e)
{
	auto_free struct build *b = calloc(1, sizeof(*b));
	uint64_t vepa = 0;
	int rc = b ? 0 : -ENOMEM;

	if (b)
		b->sw = sw;
	for (uint16_t i = 0; b && i < VEB_MIRRORS_MAX; i++)
		if (sw->mirrors[i].used)
			b->mirrors[b->n_mirrors++] = i;
	for (unsigned int i = 0; !rc && i < PFS_MAX; i++) {
		if (!sw->pfs[i])
			continue;
		if (sw->pfs[i]->config.mode == PF_MODE_VEPA)
			vepa |= 1ull << i;
		rc = build_pf(b, sw->pfs[i]);
	}
	if (!rc)
		rc = build_sinks(b);
	if (!rc)
		rc = veb_snap_next(sw->fibs, b->ports, b->n, vepa, out, e);
	while (b && b->n)
		veb_port_put(b->ports[--b->n]);
	return rc ? err_set(e, rc, "no memory for a snapshot") : 0;
}
