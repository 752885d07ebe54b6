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
 * @seat:   its PF and number, borrowed
 * @config: its settings, borrowed; they may be newer than those of the PF's VF
 *
 * Context: control.
 */
struct guest_rules sw_guest_rules(const struct sw_seat *seat, const struct vf_config *config)
{
	return (struct guest_rules){ config, is_taken, seat };
}

/* Frees guests of @gone that @kept has not. */
static void guests_drop(const struct sw_vf *gone, const struct sw_vf *kept, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (gone[i].guest != kept[i].guest)
			guest_free(gone[i].guest);
}

/**
 * sw_guests_judge() - Judge again what guests of a PF have, as addresses became others' by right
 * @pf:     PF; its VFs get new guests
 * @kept:   array of @n_kept: VFs as they were, whose guests are not freed
 * @n_kept: how many of the first VFs there were
 * @e:      may be NULL
 *
 * Return: 0 or -ENOMEM; then some are judged.
 * Context: control.
 */
int sw_guests_judge(struct sw_pf *pf, const struct sw_vf *kept, unsigned int n_kept, struct err *e)
{
	for (unsigned int i = 0; i < pf->config.numvfs; i++) {
		const struct sw_seat seat = { pf, i };
		struct sw_vf *v = &pf->vfs[i];
		const struct guest_rules rules = sw_guest_rules(&seat, &v->config);
		struct guest *made;

		if (!guest_hangs_on_others(v->guest))
			continue;
		if (guest_judge(v->guest, &rules, &made))
			return err_set(e, -ENOMEM, "no memory");
		if (i >= n_kept || v->guest != kept[i].guest)
			guest_free(v->guest);
		v->guest = made;
	}
	return 0;
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

	if (saved)
		memcpy(saved, pf->vfs, pf->config.numvfs * sizeof(*saved));
	else
		err_set(e, -ENOMEM, "no memory");
	return saved;
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
	guests_drop(pf->vfs, saved, pf->config.numvfs);
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
	guests_drop(saved, pf->vfs, pf->config.numvfs);
	free(saved);
}
