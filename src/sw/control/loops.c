/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the wire that a PF is to have, a walk over all netdevs that its frames come to, and one over
 * those whose frames come to it, as the kernel's bridges, bonds, VLANs, macvlans and veths hang
 * together and as PFs join their ends. The two differ by mirrors alone.
 */
#include "sw/control/loops.h"

#include <errno.h>

#include "model/pf.h"

/* A netdev, and the tag that frames have there: a VLAN takes none but its own. */
struct place {
	const struct link *at;
	uint16_t tag; /* 0: none */
};

struct walk {
	const struct links *links;
	const struct loop_ends *ends;
	bool out;	    /* with the frames, not against them */
	struct place *todo; /* array of n, done up to i */
	size_t i, n;
	bool joined[PFS_MAX];
	bool failed; /* no memory */
};

static void go(struct walk *w, const struct link *at, uint16_t tag)
{
	struct place *more;

	for (size_t i = 0; i < w->n; i++)
		if (w->todo[i].at == at && w->todo[i].tag == tag)
			return;
	more = at ? realloc(w->todo, (w->n + 1) * sizeof(*more)) : NULL;
	w->failed |= at && !more;
	if (!more)
		return;
	w->todo = more;
	more[w->n++] = (struct place){ at, tag };
}

/* Where frames at @p go on because of @link, one of @p->at and another that stands on it. */
static void go_up_or_down(struct walk *w, struct place p, const struct link *upper)
{
	bool down = upper == p.at;
	const struct link *to = down ? links_find(w->links, upper->below) : upper;

	if (upper->kind == LINK_VETH || upper->kind == LINK_MACVLAN)
		go(w, to, p.tag);
	else if (upper->kind == LINK_VLAN && p.tag == (down ? 0 : upper->vlan))
		go(w, to, down ? upper->vlan : 0);
}

static void go_around(struct walk *w, struct place p)
{
	const struct link *master = links_find(w->links, p.at->master);

	if (master && master->kind != LINK_APART)
		go(w, master, p.tag);
	if (p.at->below)
		go_up_or_down(w, p, p.at);
	for (const struct link *l = w->links->all; l < w->links->all + w->links->n; l++) {
		if (l->master == p.at->index && p.at->kind != LINK_APART)
			go(w, l, p.tag);
		if (l->below == p.at->index && l != p.at)
			go_up_or_down(w, p, l);
	}
}

/* Frames that come to one end of a PF come to all others, and only go out by its mirrors. */
static void join(struct walk *w, uint16_t pf)
{
	if (w->joined[pf])
		return;
	w->joined[pf] = true;
	for (size_t i = 0; i < w->ends->n; i++) {
		const struct loop_end *end = &w->ends->all[i];

		if (end->pf == pf && (w->out || end->kind != END_MIRROR))
			go(w, links_find(w->links, end->index), 0);
	}
}

static const struct loop_end *tap_at(const struct loop_ends *ends, unsigned int index)
{
	for (size_t i = 0; i < ends->n; i++)
		if (ends->all[i].index == index && ends->all[i].kind != END_WIRE)
			return &ends->all[i];
	return NULL;
}

/* A tap of any PF itself, or one in other clothes. */
static const struct link *own_tap(const struct links *links, const struct loop_ends *ends,
				  const struct link *at)
{
	const struct link *found = at && tap_at(ends, at->index) ? at : NULL;

	if (!at || found)
		return found;
	if (at->kind == LINK_VLAN || at->kind == LINK_MACVLAN)
		return own_tap(links, ends, links_find(links, at->below));
	for (size_t i = 0; at->kind == LINK_BOND && !found && i < links->n; i++)
		if (links->all[i].master == at->index)
			found = own_tap(links, ends, &links->all[i]);
	return found;
}

/* Joins what has an end in @at. Returns whether @pf has one that is not its wire. */
static bool is_back(struct walk *w, const struct link *at, uint16_t pf)
{
	for (size_t i = 0; i < w->ends->n; i++) {
		const struct loop_end *end = &w->ends->all[i];

		if (end->index != at->index || (w->out && end->kind == END_MIRROR))
			continue;
		if (end->pf == pf && end->kind != END_WIRE)
			return true;
		join(w, end->pf);
	}
	return false;
}

/* The tap by which frames come back to @pf, or NULL. */
static const struct link *way_back(struct walk *w, uint16_t pf, const struct link *first)
{
	const struct link *found = NULL;

	w->joined[pf] = true;
	go(w, first, 0);
	for (; !found && w->i < w->n; w->i++) {
		if (is_back(w, w->todo[w->i].at, pf))
			found = w->todo[w->i].at;
		go_around(w, w->todo[w->i]);
	}
	free(take(w->todo));
	return found;
}

/**
 * loops_judge() - Whether a PF may have a netdev for its wire
 * @links: all netdevs
 * @ends:  of all PFs, but the wire of @pf, if it has one
 * @pf:    its slot
 * @want:  index of the netdev
 * @e:     says by which tap frames would come back, or whose it is
 *
 * Not seen is what other namespaces, Open vSwitch, VLANs of a bridge's ports and the world outside
 * connect. A bridge with a tap of another PF is fine as long as nothing leads back.
 *
 * Return: 0; -EBUSY: it is another PF's wire; -ELOOP: it is a tap of the switch's own, or a VLAN,
 * macvlan or bond on one, or one broadcast would go round for ever; -ENOMEM.
 * Context: any; pure.
 */
int loops_judge(const struct links *links, const struct loop_ends *ends, uint16_t pf,
		unsigned int want, struct err *e)
{
	const struct link *first = links_find(links, want), *tap = own_tap(links, ends, first);
	struct walk to = { .links = links, .ends = ends, .out = true };
	struct walk from = { .links = links, .ends = ends };

	if (tap)
		return err_set(e, -ELOOP, "%s is a tap of the switch's own%s%s", first->name,
			       tap == first ? "" : ", by way of ", tap == first ? "" : tap->name);
	for (size_t i = 0; i < ends->n; i++)
		if (ends->all[i].index == want && ends->all[i].pf != pf)
			return err_set(e, -EBUSY, "%s is the uplink of another PF", first->name);
	tap = way_back(&to, pf, first) ?: way_back(&from, pf, first);
	if (tap)
		return err_set(e, -ELOOP,
			       "%s leads back to the PF by its tap %s: frames would go round",
			       first->name, tap->name);
	return to.failed || from.failed ? err_set(e, -ENOMEM, "no memory") : 0;
}
