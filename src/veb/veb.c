/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forwarding rules (reference: 82576/82599 pool model, mlx5 legacy FDB,
 * IEEE 802.1Q 8.6): first pass of a burst. Each frame is accepted or dropped at
 * its ingress, then gets its destinations; nothing is copied or freed here.
 */
#include "veb/veb_priv.h"

#include "veb/flood.h"
#include "veb/lost.h"

#define PREFETCH_CHUNK 32 /* FIB entries asked for ahead of their use */

/* One accepted frame. */
struct item {
	const struct frame *f;
	uint16_t index;	  /* in the burst */
	uint32_t vlan;	  /* TPID << 16 | VID it belongs to; 0: untagged or priority-tagged */
	uint32_t tags[2]; /* it carries inside the switch, outer first */
};

/* The sender hears of a drop: the frame as it was sent. */
static void drop_sent(struct burst *b, const struct frame *f, enum drop reason)
{
	veb_lose_sent(b->s, b->out, b->src->id, f, reason);
}

/* A destination hears of a drop: the frame as it is in the switch, or would have left it. */
static void drop_at(struct burst *b, uint16_t port, const struct item *it, const uint32_t tags[2],
		    enum drop reason)
{
	veb_lose_at(b->s, b->out, port, it->f, tags, reason);
}

/* Copies for mirrors get the frame as the mirrored VM sees it; its sender never does. */
static void mirror_all(struct burst *b, const struct item *it, const struct veb_mirror *mirrors,
		       unsigned int n, uint16_t of, uint32_t outer, uint32_t inner)
{
	for (unsigned int i = 0; i < n; i++) {
		const struct veb_port *to = mirror_port(b, &mirrors[i]);
		const uint32_t seen[2] = { outer, inner };
		const uint32_t *tags = mirrors[i].flags & VEB_MIRROR_INSIDE ? it->tags : seen;

		if (!to)
			continue;
		if (mirrors[i].flags & VEB_MIRROR_REMOTE && b->src->kind == VEB_HOST &&
		    frame_is_gre(it->f))
			continue;
		if (mirrors[i].filter &&
		    !veb_filter_match(mirrors[i].filter, it->f, it->vlan, tags))
			continue;
		node_add(b, it->index, to->id, veb_mark(&mirrors[i]), tags[0], tags[1]);
		veb_count(&b->out->stats[of].mirrored, 1);
	}
}

static bool entry_has(const struct veb_snap *s, const struct veb_fib_entry *entry, uint16_t id)
{
	uint16_t one;
	const uint16_t *owners = veb_fib_owners(s, entry, &one);

	for (unsigned int n = entry->n, half; n > 1; n -= half) { /* they are in order */
		half = n / 2;
		owners += owners[half] <= id ? half : 0;
	}
	return *owners == id;
}

/* Whether a source is the sender's; the fast path need not ask again while it stays. */
static bool is_own(struct burst *b, uint64_t mac_key)
{
	const struct veb_port *p = b->src;
	const struct veb_fib_entry *entry;

	if (mac_key != p->mac) {
		if (p->n_macs < 2)
			return false;
		entry = veb_fib_find(b->s, veb_fib_key(p->domain, mac_key));
		if (!entry || !entry_has(b->s, entry, p->id))
			return false;
	}
	b->src_key = mac_key;
	return true;
}

/* A request for an address; said once while the snapshot stays. */
static void learn(struct burst *b, const struct frame *f)
{
	struct veb_out *out = b->out;
	uint64_t mac_key = frame_src_key(f);
	uint64_t key = (uint64_t)b->src->id << 48 | mac_key;
	uint64_t *seen = &out->learn_cache[key * 0x9e3779b97f4a7c15ull >> 56];

	if (out->learn_gen != b->s->gen) {
		memset(out->learn_cache, 0, sizeof(out->learn_cache));
		out->learn_gen = b->s->gen;
	}
	if (!mac_key || *seen == key || out->n_learns == VEB_LEARNS_MAX)
		return;
	*seen = key;
	out->learns[out->n_learns++] = (struct veb_learn){ b->src->id, f->src };
}

/*
 * The VLAN of a frame and the tags it carries from here on; false: violation.
 * A priority tag (VID 0) says nothing about the VLAN, but in front of a second
 * tag it would smuggle that one past a trunk list. VID 4095 is reserved.
 */
static bool classify(const struct veb_port *p, const struct frame *f, struct item *it)
{
	uint32_t vid = TAG_VID(f->tag);

	it->tags[0] = f->tag;
	it->tags[1] = 0;
	it->vlan = vid ? TAG_VLAN(f->tag) : 0;
	if (likely(!f->tag && !p->pvid))
		return true;
	if (vid == 4095 || TAG_VID(p->pvid) == 4095)
		return false;
	if (f->tag && !vid && frame_is_tpid(f->type) && !(p->flags & VEB_TRUNK_ANY))
		return false;
	if (!(p->flags & VEB_VST) && (vid || !p->pvid))
		return vlan_member(p, it->vlan);
	if (vid) { /* a guest's own tag: only a customer tag below a service tag */
		if (p->pvid >> 16 != TPID_8021AD || f->tag >> 16 != TPID_8021Q)
			return false;
		it->tags[1] = f->tag;
	}
	it->tags[0] = p->pvid_tag;
	if (!(p->flags & VEB_VST)) /* a priority tag's stays: 802.1Q, 6.9.1 */
		it->tags[0] |= f->tag & 0xf000u;
	it->vlan = p->pvid;
	return true;
}

/* Storm control, of frames that may pass otherwise; counts and returns false if one is dropped. */
static bool storm_passes(struct burst *b, const struct frame *f)
{
	enum storm_kind kind = frame_is_broadcast(f) ? STORM_BROADCAST : STORM_MULTICAST;
	uint32_t rate = b->src->storm[kind];
	struct veb_out *out = b->out;

	if (!rate || !out->storms ||
	    storm_take(&out->storms[b->src->id].due[kind], rate, out->hz, out->now))
		return true;
	drop_sent(b, f, kind == STORM_BROADCAST ? DROP_STORM_BROADCAST : DROP_STORM_MULTICAST);
	return false;
}

/* Tags do not count, but frame_mtu_bytes() takes an inner one for payload. */
static bool is_oversize(const struct frame *f, uint32_t mtu)
{
	uint32_t bytes = frame_mtu_bytes(f);

	return unlikely(bytes > mtu) && bytes - (frame_is_tpid(f->type) ? FRAME_TAG_LEN : 0) > mtu;
}

static bool is_known(struct burst *b, const struct frame *f)
{
	return veb_fib_find(b->s, veb_fib_key(b->src->domain, frame_src_key(f)));
}

/* A source that is not (yet) the VF's own: whether the frame may pass. */
static bool foreign_passes(struct burst *b, const struct frame *f)
{
	const struct veb_port *p = b->src;
	bool proper = frame_src_key(f) && !mac_is_multicast(&f->src);

	if (p->flags & VEB_LEARN && proper)
		learn(b, f);
	return !(p->flags & VEB_SPOOFCHK) || (p->flags & VEB_ROOM && proper && !is_known(b, f));
}

/* Ingress rules of the sender's port; counts and returns false if the frame is dropped. */
static bool admit(struct burst *b, struct item *it)
{
	const struct veb_port *p = b->src;
	const struct frame *f = it->f;

	if (p->kind == VEB_VF && frame_may_be_mac_control(f) && frame_is_mac_control(f)) {
		drop_sent(b, f, DROP_FLOW_CONTROL);
		return false;
	}
	if (unlikely(!classify(p, f, it))) {
		drop_sent(b, f, DROP_SPOOF_VLAN);
		return false;
	}
	if (p->flags & (VEB_SPOOFCHK | VEB_LEARN) && unlikely(!is_own(b, frame_src_key(f)))) {
		if (!foreign_passes(b, f)) {
			drop_sent(b, f, DROP_SPOOF_MAC);
			return false;
		}
	} else if (unlikely(p->flags & VEB_CONFIRM) && frame_src_key(f) == p->mac) {
		learn(b, f);
	} else if (unlikely(p->flags & VEB_LEARNED) && frame_src_key(f) != p->mac) {
		veb_hear(b->out->heard, p->id, frame_src_key(f));
	} else if (unlikely(b->moves)) {
		if (frame_src_key(f) != p->mac && is_known(b, f))
			learn(b, f);
		b->src_key = frame_src_key(f);
	}
	if (unlikely(is_oversize(f, p->mtu))) {
		drop_sent(b, f, DROP_OVERSIZE);
		return false;
	}
	return !frame_is_multicast(f) || storm_passes(b, f);
}

/*
 * Whether a member gets the frame without its outer tag: frames of its own VLAN. Not if that would
 * uncover a second tag to a guest with a trunk: it would say that the frame is of that VLAN.
 */
static bool strips(const struct veb_port *q, const struct item *it)
{
	return q->pvid && q->pvid == it->vlan &&
	       (q->flags & VEB_VST || !frame_is_tpid(it->f->type));
}

/* VEPA: the frame is the port's own, come back from the wire. */
static bool is_pruned(const struct burst *b, uint16_t to)
{
	return unlikely(b->prune) && entry_has(b->s, b->prune, to);
}

/* Gives the frame to a member whose VLAN was matched, with its mirrors. */
static void deliver(struct burst *b, const struct item *it, uint16_t to)
{
	const struct veb_port *q = b->s->ports[to];
	bool bare = strips(q, it);
	const uint32_t tags[2] = { it->tags[bare], bare ? 0 : it->tags[1] };

	if (is_pruned(b, to))
		return;
	if (unlikely(!(q->flags & VEB_LINK_UP))) {
		drop_at(b, to, it, tags, DROP_LINK_DOWN);
		return;
	}
	if (unlikely(is_oversize(it->f, q->mtu))) {
		drop_at(b, to, it, tags, DROP_OVERSIZE);
		return;
	}
	node_add(b, it->index, to, 0, tags[0], tags[1]);
	if (unlikely(q->n_in))
		mirror_all(b, it, q->in, q->n_in, to, tags[0], tags[1]);
}

/* Out by the wire. `only`: the frame has no other destination, so its sender hears of a drop. */
static void send_uplink(struct burst *b, const struct item *it, bool only)
{
	uint16_t up = b->dom->uplink;

	if (up == VEB_NO_PORT || !(b->s->ports[up]->flags & VEB_LINK_UP)) {
		if (only)
			drop_sent(b, it->f, up == VEB_NO_PORT ? DROP_NO_DEST : DROP_LINK_DOWN);
		return;
	}
	deliver(b, it, up);
}

static bool member_wants(const struct burst *b, const struct veb_member *m, uint32_t vlan)
{
	if (m->id == b->src->id || !(m->flags & VEB_LINK_UP) || m->flags & b->shut)
		return false;
	if (m->pvid == vlan)
		return true;
	if (!vlan || m->flags & (VEB_TRUNK_ANY | VEB_VST))
		return vlan && m->flags & VEB_TRUNK_ANY;
	return vlan_member(b->s->ports[m->id], vlan);
}

/* The next member that wants the VLAN's frames, or NULL. */
static const struct veb_member *member_next(const struct burst *b, struct veb_walk *w,
					    uint32_t vlan)
{
	const struct veb_member *m;

	do
		m = veb_walk_next(b->dom, w);
	while (m && !member_wants(b, m, vlan));
	return m;
}

/* Whether a member of the VLAN gets what is for a group; one that asks in vain counts it. */
static bool group_reaches(struct burst *b, const struct item *it, const struct veb_member *m,
			  const struct veb_fib_entry *joined)
{
	if (m->flags & VEB_ALLMULTI || (joined && entry_has(b->s, joined, m->id)))
		return true;
	if (unlikely(m->flags & VEB_MULTI_REFUSED) && !is_pruned(b, m->id))
		drop_at(b, m->id, it, it->tags, DROP_MULTICAST);
	return false;
}

/* To who joined a group and is not among VEB_FLOOD_MULTI: those are asked anyway. */
static void deliver_joined(struct burst *b, const struct item *it,
			   const struct veb_fib_entry *joined)
{
	uint16_t one;
	const uint16_t *owners = veb_fib_owners(b->s, joined, &one);

	for (unsigned int i = 0; i < joined->n; i++) {
		const struct veb_port *q = b->s->ports[owners[i]];
		const struct veb_member m = { q->id, q->flags, q->pvid };

		if (!(q->flags & (VEB_ALLMULTI | VEB_MULTI_REFUSED)) &&
		    member_wants(b, &m, it->vlan))
			deliver(b, it, q->id);
	}
}

/*
 * Broadcast and multicast: the members of the VLAN but the sender, and the wire. Who is to have a
 * group's is looked for among the fewer, the VLAN's members or who joined it.
 */
static void flood(struct burst *b, const struct item *it)
{
	bool keep = b->dom->dhcp && b->src->kind == VEB_VF && frame_is_dhcp_request(it->f);
	struct veb_walk w = veb_walk(b->dom, it->vlan, VEB_FLOOD_ALL, b->shut);
	bool everyone = frame_is_broadcast(it->f), kept = false;
	const struct veb_fib_entry *joined = NULL;
	const struct veb_member *m;

	if (!everyone)
		joined = veb_fib_find(b->s, veb_fib_key(b->src->domain, frame_dst_key(it->f)));
	if (!everyone && (!joined || joined->n < veb_walk_len(&w))) {
		w = veb_walk(b->dom, it->vlan, VEB_FLOOD_MULTI, b->shut);
		if (joined)
			deliver_joined(b, it, joined);
	}
	while ((m = member_next(b, &w, it->vlan))) {
		if (!everyone && !group_reaches(b, it, m, joined))
			continue;
		kept |= m->flags & VEB_DHCP;
		deliver(b, it, m->id);
	}
	if (!b->from_uplink && !(keep && kept))
		send_uplink(b, it, false);
}

/* From the wire and for nobody: the default port, and VFs that asked for what is unmatched. */
static void deliver_unmatched(struct burst *b, const struct item *it)
{
	struct veb_walk w = veb_walk(b->dom, it->vlan, VEB_FLOOD_UNMATCHED, b->shut);
	const struct veb_member *m = member_next(b, &w, it->vlan);

	if (!m)
		drop_sent(b, it->f, DROP_NO_DEST);
	for (; m; m = member_next(b, &w, it->vlan))
		deliver(b, it, m->id);
}

/*
 * From inside and for nobody: the wire, and the PF's own function if it asked for that, as a
 * bridge on it may know the address.
 */
static void send_unmatched(struct burst *b, const struct item *it)
{
	uint16_t id = b->dom->host;
	const struct veb_port *host = id == VEB_NO_PORT ? NULL : b->s->ports[id];
	bool both = host && host != b->src && host->flags & VEB_UNKNOWN &&
		    host->flags & VEB_LINK_UP && vlan_member(host, it->vlan);

	if (both)
		deliver(b, it, id);
	send_uplink(b, it, !both);
}

/* VFs that get all unicast of their VLANs, but not again what owners (of @entry) had. */
static void deliver_promisc(struct burst *b, const struct item *it,
			    const struct veb_fib_entry *entry)
{
	struct veb_walk w = veb_walk(b->dom, it->vlan, VEB_FLOOD_UNMATCHED, b->shut);
	const struct veb_member *m;

	while ((m = member_next(b, &w, it->vlan)))
		if (m->flags & VEB_PROMISC_ALL && !(entry && entry_has(b->s, entry, m->id)))
			deliver(b, it, m->id);
}

/*
 * Every owner whose VLANs hold the frame's gets it, unless isolation keeps it out;
 * false: there is none. An owner in another VLAN is no owner (unlike igb, which
 * would lose the frame on both sides).
 */
static bool deliver_owners(struct burst *b, const struct item *it,
			   const struct veb_fib_entry *entry)
{
	uint16_t one;
	const uint16_t *owners = veb_fib_owners(b->s, entry, &one);
	bool hit = false, kept_out = false, given = false;

	for (unsigned int i = 0; i < entry->n; i++) {
		const struct veb_port *q = b->s->ports[owners[i]];

		if (unlikely(!vlan_member(q, it->vlan))) {
			drop_at(b, q->id, it, it->tags, DROP_VLAN);
			continue;
		}
		hit = true;
		if (unlikely(q == b->src)) {
			if (entry->n == 1)
				drop_sent(b, it->f, DROP_NO_DEST);
		} else if (unlikely(q->flags & b->shut)) {
			kept_out = true;
		} else {
			deliver(b, it, q->id);
			given = true;
		}
	}
	if (unlikely(kept_out && !given))
		drop_sent(b, it->f, DROP_ISOLATED);
	return hit;
}

/*
 * What an owner had, or was not to have, stays inside; the rest is for the wire. A function of its
 * own, or the fast path would lack registers.
 */
static __attribute__((noinline)) void unicast(struct burst *b, const struct item *it)
{
	const struct veb_fib_entry *entry =
		veb_fib_find(b->s, veb_fib_key(b->src->domain, frame_dst_key(it->f)));

	if (unlikely(!entry || !deliver_owners(b, it, entry))) {
		if (b->from_uplink) {
			deliver_unmatched(b, it); /* to promiscuous VFs of either kind */
			return;
		}
		send_unmatched(b, it);
	}
	if (unlikely(b->dom->promisc_all))
		deliver_promisc(b, it, entry);
}

static void forward(struct burst *b, struct item *it)
{
	const struct veb_port *src = b->src;

	if (unlikely(src->n_out))
		mirror_all(b, it, src->out, src->n_out, src->id, it->f->tag, 0);
	if (unlikely(b->dom->vepa)) {
		if (!b->from_uplink) {
			send_uplink(b, it, true);
			return;
		}
		b->prune = veb_fib_find(b->s, veb_fib_key(src->domain, frame_src_key(it->f)));
	}
	if (unlikely(frame_is_multicast(it->f)))
		flood(b, it);
	else
		unicast(b, it);
}

static void prefetch(const struct burst *b, const struct frame *frames, unsigned int n)
{
	uint64_t last = b->dst_key;

	for (unsigned int i = 0; i < n; i++) {
		uint64_t dst_key = frame_dst_key(&frames[i]);

		if (likely(dst_key == last))
			continue;
		last = dst_key;
		__builtin_prefetch(
			&b->s->fib[veb_fib_slot(b->s, veb_fib_key(b->src->domain, dst_key))]);
	}
}

/* Who gets frames like @f by the fast path, and how long they may be; 0: the rules decide. */
static inline __attribute__((always_inline)) void fast_find(struct burst *b, const struct frame *f)
{
	uint64_t dst_key = frame_dst_key(f);
	const struct veb_fib_entry *entry;

	if (unlikely(b->n_also)) {
		also_end(b);
		b->n_also = 0;
	}
	b->dst_key = dst_key;
	b->dst_mtu = 0;
	b->tag = f->tag;
	b->tag_len = f->tag ? FRAME_TAG_LEN : 0;
	b->dst_tag = 0;
	b->run = NULL;
	if (!b->plain || dst_key & 1) /* a group: first bit of the first byte on the wire */
		return;
	entry = veb_fib_find(b->s, veb_fib_key(b->src->domain, dst_key));
	if (unlikely(!entry || f->tag)) {
		fast_find_other(b, entry);
		return;
	}
	if ((entry->first >> 16 & b->code_mask) != b->vlan_code ||
	    (uint16_t)entry->first == b->src->id)
		return;
	b->dst_port = (uint16_t)entry->first;
	b->dst_mtu = MIN((uint32_t)entry->plain, b->src->mtu);
	if (unlikely((entry->first >> 16 | b->watched) & VEB_CODE_WATCHED) && b->dst_mtu &&
	    !also_find(b))
		b->dst_mtu = 0;
}

/* Whether the fast path may take a source and ethertype that are not those of the frame before. */
static __attribute__((noinline)) bool fast_source(struct burst *b, const struct frame *f)
{
	if (frame_may_be_mac_control(f) || (frame_src_key(f) != b->src_key && !b->any_src))
		return false;
	b->src_type = frame_src_type(f);
	return true;
}

/*
 * The fast path, the common frame decided without a detour: unicast of a sender with nothing
 * special to one place with nothing special in the same VLAN. False: nothing was done, the rules
 * above decide. They would say the same; this only says it sooner.
 */
static inline bool forward_fast(struct burst *b, const struct frame *f, unsigned int index)
{
	if (unlikely(frame_dst_key(f) != b->dst_key || f->tag != b->tag))
		fast_find(b, f);
	if (unlikely(frame_mtu_bytes(f) > b->dst_mtu || !b->dst_mtu ||
		     (frame_src_type(f) != b->src_type && !fast_source(b, f))))
		return false;
	if (likely(b->run && b->run_end == index)) {
		b->run->n++;
	} else {
		if (unlikely(b->n_also))
			also_end(b);
		b->run = node_add(b, (uint16_t)index, b->dst_port, 0, b->dst_tag, 0);
		if (unlikely(b->n_also))
			also_begin(b, index);
	}
	b->run_end = index + 1;
	return true;
}

/**
 * veb_forward() - Decide the fate of a burst of frames from one port
 * @s:      the snapshot, the same for the whole burst
 * @src:    port id the frames came from
 * @frames: array of @n parsed frames
 * @n:      1..VEB_BURST_MAX
 * @out:    the worker's; chains are appended to what it holds. Node frame
 *          indexes are indexes into @frames, so reset before a new burst
 *
 * A frame without a node at return was dropped and counted. Counters of the
 * sender (tx_*, drops of ingress) and of destinations that may not have it
 * (VLAN, link, MTU) are added to out->stats; sums of a burst, not per frame,
 * where every frame counts.
 *
 * Return: frames decided. Fewer than @n: out is full; deliver it, reset it, and
 * call again with the rest. At least one with an empty out.
 * Context: a worker, between quiescent states. No heap, no lock, no syscall.
 */
unsigned int veb_forward(const struct veb_snap *s, uint16_t src, const struct frame *frames,
			 unsigned int n, struct veb_out *out)
{
	const struct veb_port *p = s->ports[src];
	struct also also[ALSO_MAX];
	struct burst b = { .s = s, .src = p, .out = out, .stats = &out->stats[src], .also = also };
	uint64_t packets = 0, bytes = 0;
	unsigned int i;

	out->burst = frames;
	if (unlikely(!p || !(p->flags & VEB_LINK_UP)))
		return veb_lose_all(s, out, src, n);
	b.dom = &s->domains[p->domain];
	b.from_uplink = p->kind == VEB_UPLINK;
	b.vlan_code = veb_vlan_code(p->pvid);
	b.code_mask = VEB_CODE_VLAN | (p->flags & VEB_ISOLATED ? VEB_CODE_ISOLATED : 0);
	b.watched = p->n_out ? VEB_CODE_WATCHED : 0;
	b.shut = p->flags & VEB_ISOLATED;
	b.dst_key = UINT64_MAX; /* no address */
	b.src_key = p->mac;
	b.src_type = p->mac | (uint64_t)0x08 << 48; /* IPv4's */
	b.moves = b.dom->learned && !b.dom->vepa && (p->kind == VEB_UPLINK || p->kind == VEB_HOST);
	b.any_src = !(p->flags & (VEB_SPOOFCHK | VEB_LEARN)) && !b.moves;
	b.plain = TAG_VID(p->pvid) != 4095 && !b.dom->vepa && !b.dom->promisc_all &&
		  !(p->flags & VEB_CONFIRM);
	for (i = 0; i < n && out->n_nodes + b.dom->max_nodes <= VEB_NODES_MAX; i++) {
		struct item it = { .f = &frames[i], .index = (uint16_t)i };

		if (i % PREFETCH_CHUNK == 0)
			prefetch(&b, &frames[i], MIN(n - i, (unsigned int)PREFETCH_CHUNK));
		if (!forward_fast(&b, &frames[i], i)) {
			if (unlikely(!admit(&b, &it)))
				continue;
			forward(&b, &it);
		}
		packets++;
		bytes += frames[i].len + b.tag_len;
	}
	if (unlikely(b.n_also))
		also_end(&b);
	veb_count(&b.stats->tx_packets, packets);
	veb_count(&b.stats->tx_bytes, bytes);
	return i;
}
