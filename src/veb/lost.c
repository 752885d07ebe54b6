/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that the rules drop: noted, counted, and copied to the captures that ask for them. */
#include "veb/lost.h"

#include "veb/veb_priv.h"

static void note(struct veb_out *out, uint16_t port, const struct frame *f, const uint32_t tags[2],
		 enum drop reason)
{
	if (out->losses)
		loss_note(&out->losses[port * DROP_N + reason], f, tags, out->now);
}

/*
 * A node for a lost frame's copy. Where its last copy for the mirror was made before its fate was
 * known, that one becomes it.
 */
static struct veb_node *copy_node(struct veb_out *out, const struct veb_mirror *m, uint16_t index)
{
	struct veb_bin *bin = &out->bins[m->to];
	struct veb_node *tail = &out->nodes[bin->tail];

	if (bin->n && tail->mirror == veb_mark(m) && tail->frame + tail->n == index + 1 &&
	    --tail->n == 0)
		return tail;
	return node_append(out, m->to);
}

/* To the captures among @mirrors that ask for what is dropped. */
static void copy(const struct veb_snap *s, struct veb_out *out, const struct frame *f,
		 const struct veb_node *what, const struct veb_mirror *mirrors, unsigned int n)
{
	for (const struct veb_mirror *m = mirrors; m < mirrors + n; m++) {
		struct veb_node *node;

		if (!(m->flags & VEB_MIRROR_DROPS) || !s->ports[m->to])
			continue;
		if (m->filter &&
		    !veb_filter_match(m->filter, f, TAG_VLAN(what->tags[0]), what->tags))
			continue;
		node = copy_node(out, m, what->frame);
		*node = *what;
		node->mirror |= veb_mark(m);
	}
}

static struct veb_node copy_of(const struct veb_out *out, const struct frame *f,
			       const uint32_t tags[2], enum drop reason)
{
	return (struct veb_node){ .frame = (uint16_t)(f - out->burst),
				  .n = 1,
				  .next = VEB_END,
				  .mirror = VEB_MARK_DROP(reason),
				  .tags = { tags[0], tags[1] } };
}

/**
 * veb_lose_sent() - A port's frame is dropped: the sender hears of it
 * @s:      snapshot
 * @out:    of the burst
 * @port:   the sender
 * @f:      frame of out->burst, as it was sent
 * @reason: why
 *
 * Context: a worker.
 */
void veb_lose_sent(const struct veb_snap *s, struct veb_out *out, uint16_t port,
		   const struct frame *f, enum drop reason)
{
	const struct veb_port *p = s->ports[port];
	const uint32_t tags[2] = { f->tag, 0 };
	struct veb_node what;

	note(out, port, f, tags, reason);
	veb_count(&out->stats[port].drops[reason], 1);
	if (likely(!p->n_out))
		return;
	what = copy_of(out, f, tags, reason);
	copy(s, out, f, &what, p->out, p->n_out);
}

/**
 * veb_lose_at() - A frame for a port is dropped: the destination hears of it
 * @s:      snapshot
 * @out:    of the burst
 * @port:   the destination
 * @f:      frame of out->burst
 * @tags:   it has in the switch or would have at the port, outer first
 * @reason: why
 *
 * Context: a worker.
 */
void veb_lose_at(const struct veb_snap *s, struct veb_out *out, uint16_t port,
		 const struct frame *f, const uint32_t tags[2], enum drop reason)
{
	const struct veb_port *p = s->ports[port];
	struct veb_node what;

	note(out, port, f, tags, reason);
	veb_count(&out->stats[port].rx_dropped, 1);
	veb_count(&out->stats[port].rx_drops[reason], 1);
	if (likely(!p->n_in))
		return;
	what = copy_of(out, f, tags, reason);
	copy(s, out, f, &what, p->in, p->n_in);
}

/**
 * veb_lose_all() - Drop the frames of a port without link
 * @s:    snapshot, which may not have the port
 * @out:  of the burst
 * @port: the sender
 * @n:    frames of out->burst, at least one
 *
 * Return: frames dropped; fewer than @n where @out has no room for more copies.
 * Context: a worker.
 */
unsigned int veb_lose_all(const struct veb_snap *s, struct veb_out *out, uint16_t port,
			  unsigned int n)
{
	const struct veb_port *p = s->ports[port];
	const struct frame *last = &out->burst[n - 1];
	unsigned int i;

	if (likely(!p || !p->n_out)) {
		veb_count(&out->stats[port].drops[DROP_LINK_DOWN], n);
		note(out, port, last, (const uint32_t[2]){ last->tag, 0 }, DROP_LINK_DOWN);
		return n;
	}
	for (i = 0; i < n && out->n_nodes + p->n_out <= VEB_NODES_MAX; i++)
		veb_lose_sent(s, out, port, &out->burst[i], DROP_LINK_DOWN);
	return i;
}
