/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose an address is by right: the PF's own interface has one, service ports, and VFs those that
 * the operator or the agent gave them. What a guest says by itself (its frames, its filter) takes
 * none of these; guest.c has the rule, here is what it asks. Whichever was there first: when an
 * address becomes somebody's by right, guests that had only chosen it lose it in the same change.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sw/control/model.h"

/**
 * sw_mac_is_taken() - Whether an address is by right somebody's
 * @pf:     PF
 * @beside: VF whose own addresses do not count; -1: all count
 * @mac:    address
 *
 * Context: control.
 */
bool sw_mac_is_taken(const struct sw_pf *pf, int beside, const struct mac *mac)
{
	for (unsigned int i = 0; i < pf->config.numvfs; i++)
		if ((int)i != beside && (mac_equal(&pf->vfs[i].config.mac, mac) ||
					 mac_list_has(&pf->vfs[i].config.allowed, mac)))
			return true;
	for (unsigned int i = 0; i < pf->n_svcs; i++)
		if (mac_equal(&pf->svcs[i].config.mac, mac))
			return true;
	return mac_equal(&pf->config.mac, mac);
}

static bool is_taken(const void *arg, const struct mac *mac)
{
	const struct sw_seat *seat = arg;

	return sw_mac_is_taken(seat->pf, (int)seat->vf, mac);
}

/**
 * sw_guest_rules() - What the wishes of a VF's guest are judged by
 * @seat: its PF and number, borrowed
 * @v:	  its VF, borrowed; it may be newer than that of the PF
 *
 * Context: control.
 */
struct guest_rules sw_guest_rules(const struct sw_seat *seat, const struct sw_vf *v)
{
	return (struct guest_rules){ &v->config, is_taken, seat,
				     loop_now_ms() < v->former_until_ms ? &v->former : NULL };
}

/* Addresses that are by right somebody else's than they were, or somebody's, or nobody's. */
struct moved {
	unsigned int n, room;
	struct mac *macs;
};

static int moved_add(struct moved *m, const struct mac *macs, unsigned int n)
{
	unsigned int room = MAX(m->room, 64u);
	struct mac *more;

	while (room < m->n + n)
		room *= 2;
	more = room > m->room ? realloc(m->macs, room * sizeof(*more)) : m->macs;
	if (!more)
		return -ENOMEM;
	m->macs = more;
	m->room = room;
	memcpy(m->macs + m->n, macs, n * sizeof(*macs));
	m->n += n;
	return 0;
}

/* An address that somebody had and one that he has, unless they are the same. NULL: none. */
static int moved_one(struct moved *m, const struct mac *was, const struct mac *is)
{
	int rc = 0;

	if (was && is && mac_equal(was, is))
		return 0;
	if (was)
		rc = moved_add(m, was, 1);
	if (!rc && is)
		rc = moved_add(m, is, 1);
	return rc;
}

static int moved_lists(struct moved *m, const struct mac_list *was, const struct mac_list *is)
{
	if (was && is && mac_list_equal(was, is))
		return 0;
	return (was ? moved_add(m, was->macs, was->n) : 0) ?:
		       (is ? moved_add(m, is->macs, is->n) : 0);
}

static int moved_find(struct moved *m, const struct sw_pf *was, const struct sw_pf *is)
{
	unsigned int n_vfs = MAX(was->config.numvfs, is->config.numvfs);
	unsigned int n_svcs = MAX(was->n_svcs, is->n_svcs);
	int rc = moved_one(m, &was->config.mac, &is->config.mac);

	for (unsigned int i = 0; !rc && i < n_vfs; i++) {
		const struct vf_config *a = i < was->config.numvfs ? &was->vfs[i].config : NULL;
		const struct vf_config *b = i < is->config.numvfs ? &is->vfs[i].config : NULL;

		rc = moved_one(m, a ? &a->mac : NULL, b ? &b->mac : NULL) ?:
			     moved_lists(m, a ? &a->allowed : NULL, b ? &b->allowed : NULL);
	}
	for (unsigned int i = 0; !rc && i < n_svcs; i++)
		rc = moved_one(m, i < was->n_svcs ? &was->svcs[i].config.mac : NULL,
			       i < is->n_svcs ? &is->svcs[i].config.mac : NULL);
	return rc;
}

/**
 * sw_guests_judge() - Judge again what guests of a PF have, as addresses became others' by right
 * @pf:  PF; its VFs get new guests
 * @was: as it was: guests without an address whose right changed hands since are left alone;
 *       NULL: all are judged
 * @e:   may be NULL
 *
 * Return: 0 or -ENOMEM; then some are judged.
 * Context: control.
 */
int sw_guests_judge(struct sw_pf *pf, const struct sw_pf *was, struct err *e)
{
	struct moved moved = { 0 };
	int rc = was ? moved_find(&moved, was, pf) : 0;

	for (unsigned int i = 0; !rc && i < pf->config.numvfs; i++) {
		const struct sw_seat seat = { pf, i };
		struct sw_vf *v = &pf->vfs[i];
		const struct guest_rules rules = sw_guest_rules(&seat, v);
		struct guest *made;

		if (was && !guest_hangs_on(v->guest, moved.macs, moved.n))
			continue;
		rc = guest_judge(v->guest, &rules, &made);
		if (rc)
			break;
		guest_put(v->guest);
		v->guest = made;
	}
	free(moved.macs);
	return rc ? err_set(e, rc, "no memory") : 0;
}

/**
 * sw_guests_save() - Remember the VFs of a PF before their guests are judged
 * @pf: PF
 * @e:  may be NULL
 *
 * Return: array of config.numvfs, for sw_guests_back() or sw_guests_done(); NULL: no memory.
 * Context: control.
 */
struct sw_vf *sw_guests_save(const struct sw_pf *pf, struct err *e)
{
	struct sw_vf *saved = calloc(pf->config.numvfs + 1u, sizeof(*saved));

	if (!saved) {
		err_set(e, -ENOMEM, "no memory");
		return NULL;
	}
	memcpy(saved, pf->vfs, pf->config.numvfs * sizeof(*saved));
	for (unsigned int i = 0; i < pf->config.numvfs; i++)
		guest_get(saved[i].guest);
	return saved;
}

static void guests_put(struct sw_vf *vfs, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		guest_put(vfs[i].guest);
}

/**
 * sw_guests_back() - The change failed: all VFs as they were
 * @pf:    PF, with as many VFs as it had
 * @saved: of sw_guests_save(), taken
 *
 * Context: control.
 */
void sw_guests_back(struct sw_pf *pf, struct sw_vf *saved)
{
	guests_put(pf->vfs, pf->config.numvfs);
	memcpy(pf->vfs, saved, pf->config.numvfs * sizeof(*saved));
	free(saved);
}

/**
 * sw_guests_done() - The change is in force: what guests were before goes
 * @pf:    PF, with as many VFs as it had
 * @saved: of sw_guests_save(), taken
 *
 * Context: control.
 */
void sw_guests_done(const struct sw_pf *pf, struct sw_vf *saved)
{
	guests_put(saved, pf->config.numvfs);
	free(saved);
}
