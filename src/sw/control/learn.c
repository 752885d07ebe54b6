/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MAC learning, control's half: source addresses the data plane saw. Where no source of filters
 * serves a VF they are wishes of its guest; of a VF in learning mode, addresses of whoever is
 * behind the guest, bridged by it. Those are like a bridge's: at most so many, gone when not heard
 * of, elsewhere when heard there, in no file. An address that somebody has by administration or
 * filter is never learned.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sw/control/model.h"
#include "veb/veb.h"

#define HINTS_A_TURN   64
#define LEARN_PAUSE_MS 1000 /* a VF of one address takes a newer one this often at most, */
			    /* and a learned one goes to another VF, or comes from the wire */
#define IDLE_MAX       (300000 / SW_AGE_MS) /* looks without a frame; 300 s, as Linux bridges */

static unsigned int learned_find(const struct sw_learned *l, const struct mac *mac)
{
	unsigned int i = 0;

	while (l && i < l->n && !mac_equal(&l->macs[i].mac, mac))
		i++;
	return i;
}

static void learned_del(struct sw *sw, struct sw_learned *l, unsigned int i)
{
	l->macs[i] = l->macs[--l->n];
	l->version = ++sw->learned_version;
}

/* In force 10 ms later; what comes until then does not put it off. */
static void soon(struct sw *sw)
{
	if (!sw->due)
		loop_timer_set(sw->soon, SW_COALESCE_MS, 0);
	sw->due = true;
}

/* Whether a VF has an address of its own, beside which others can be learned. */
static bool has_own(const struct sw_vf *v)
{
	return !mac_is_zero(&v->config.mac) || (v->guest && v->guest->n_accepted);
}

/* Whether somebody has an address by right, or as his guest's own. */
static bool is_owned(const struct sw_pf *pf, const struct mac *mac)
{
	for (unsigned int i = 0; i < pf->config.numvfs; i++)
		if (guest_accepted(pf->vfs[i].guest, mac))
			return true;
	return sw_mac_is_taken(pf, -1, mac);
}

/* An address is behind no VF of the PF any more. Whether it was. */
static bool forget_all(struct sw *sw, const struct sw_pf *pf, const struct mac *mac)
{
	bool some = false;

	for (unsigned int i = 0; i < pf->config.numvfs; i++) {
		struct sw_learned *l = sw->learned[pf->vf_ports[i].id];
		unsigned int at = learned_find(l, mac);

		if (l && at < l->n) {
			learned_del(sw, l, at);
			soon(sw);
			some = true;
		}
	}
	return some;
}

/* Where it is remembered that an address was taken from a VF by the wire, until another has it. */
static struct sw_outside *outside(struct sw *sw, const struct sw_pf *pf, const struct mac *mac)
{
	return &sw->outside[veb_heard_bit(pf->slot, veb_mac_key(mac)) % ARRAY_LEN(sw->outside)];
}

/* Whether who has an address, a VF that learned it or the wire, may lose it by now, or none has. */
static bool may_move(struct sw *sw, const struct sw_pf *pf, const struct mac *mac)
{
	const struct sw_outside *o = outside(sw, pf, mac);

	if (o->pf == pf->slot && mac_equal(&o->mac, mac) &&
	    loop_now_ms() - o->since_ms < LEARN_PAUSE_MS)
		return false;
	for (unsigned int i = 0; i < pf->config.numvfs; i++) {
		uint16_t id = pf->vf_ports[i].id;
		const struct sw_learned *l = sw->learned[id];
		unsigned int at = learned_find(l, mac);

		if (l && at < l->n && loop_now_ms() - l->macs[at].since_ms < LEARN_PAUSE_MS)
			return false;
	}
	return true;
}

static void learn_behind(struct sw *sw, const struct sw_pf *pf, unsigned int vf,
			 const struct mac *mac)
{
	uint16_t id = pf->vf_ports[vf].id;
	struct sw_learned *l = sw->learned[id];

	if (is_owned(pf, mac) ||
	    (l && (learned_find(l, mac) < l->n || l->n >= pf->vfs[vf].config.learning)))
		return;
	if (!may_move(sw, pf, mac)) {
		sw->hint_again = true;
		return;
	}
	if (!l)
		l = sw->learned[id] = calloc(1, sizeof(*l));
	if (!l)
		return;
	forget_all(sw, pf, mac);
	l->macs[l->n].mac = *mac;
	l->macs[l->n].since_ms = loop_now_ms();
	l->macs[l->n++].idle = 0;
	l->version = ++sw->learned_version;
	soon(sw);
}

/**
 * sw_learned_max() - Most addresses that may be learned behind a VF as it is
 * @v: VF
 *
 * Return: its setting; 0 while nobody is plugged in, or has an address beside which others are
 * learned: the first of a port's is its own, and passes the spoof check unasked.
 * Context: control.
 */
unsigned int sw_learned_max(const struct sw_vf *v)
{
	return v->attach.kind == VF_ATTACH_NONE || !has_own(v) ? 0 : v->config.learning;
}

/**
 * sw_learned_get() - Addresses learned behind a port, as a snapshot needs them
 * @sw:  switch
 * @pf:  its PF
 * @vf:  VF of it
 * @out: gets them, room for VF_LEARNED_MAX
 *
 * Return: how many; never more than sw_learned_max().
 * Context: control.
 */
unsigned int sw_learned_get(const struct sw *sw, const struct sw_pf *pf, unsigned int vf,
			    struct mac *out)
{
	const struct sw_learned *l = sw->learned[pf->vf_ports[vf].id];
	unsigned int max = sw_learned_max(&pf->vfs[vf]), n = 0;

	for (unsigned int i = 0; l && i < l->n && n < max; i++)
		out[n++] = l->macs[i].mac;
	return n;
}

/**
 * sw_learned_show() - Fill what vf.get tells of learned addresses
 * @sw:  switch
 * @pf:  its PF
 * @vf:  VF of it
 * @out: n_learned and learned are filled, with those that are in force
 *
 * Context: control.
 */
void sw_learned_show(const struct sw *sw, const struct sw_pf *pf, unsigned int vf,
		     struct vf_status *out)
{
	const struct sw_learned *l = sw->learned[pf->vf_ports[vf].id];

	out->n_learned = l ? MIN(l->n, sw_learned_max(&pf->vfs[vf])) : 0;
	for (unsigned int i = 0; i < MIN(out->n_learned, (unsigned int)VF_MACS_UNTRUSTED); i++)
		out->learned[i] = l->macs[i].mac;
}

/**
 * sw_learned_trim() - Forget learned addresses of a port but the first
 * @sw:  switch
 * @id:  port
 * @max: how many stay
 *
 * Context: control; a snapshot follows.
 */
void sw_learned_trim(struct sw *sw, uint16_t id, unsigned int max)
{
	struct sw_learned *l = sw->learned[id];

	if (!l)
		return;
	l->n = MIN(l->n, max);
	l->version = ++sw->learned_version;
	if (l->n)
		return;
	free(l);
	sw->learned[id] = NULL;
}

/**
 * sw_learned_age() - Forget learned addresses that were not heard of for long
 * @sw: switch
 *
 * Context: control, every SW_AGE_MS.
 */
void sw_learned_age(struct sw *sw)
{
	struct veb_heard heard;

	dp_heard_take(sw->opts.dp, &heard);
	for (uint16_t id = 0; id < VEB_PORTS_MAX; id++) {
		struct sw_learned *l = sw->learned[id];

		for (unsigned int i = 0; l && i < l->n;) {
			unsigned int bit = veb_heard_bit(id, veb_mac_key(&l->macs[i].mac));

			l->macs[i].idle = veb_heard_of(&heard, bit) ? 0 : l->macs[i].idle + 1;
			if (l->macs[i].idle <= IDLE_MAX) {
				i++;
				continue;
			}
			learned_del(sw, l, i);
			soon(sw);
		}
	}
}

static void hint(struct sw *sw, const struct dp_hint *h)
{
	struct sw_pf *pf = sw->blocks[h->port] ? sw->pfs[sw->blocks[h->port]->domain] : NULL;
	struct guest *g = NULL;
	unsigned int vf = 0;
	struct guest_rules rules;
	struct sw_seat seat;
	struct sw_vf *v;

	while (pf && vf < pf->config.numvfs && pf->vf_ports[vf].id != h->port)
		vf++;
	if (!pf)
		return;
	if (vf == pf->config.numvfs) { /* the wire, the host interface */
		if (forget_all(sw, pf, &h->mac))
			*outside(sw, pf, &h->mac) =
				(struct sw_outside){ h->mac, pf->slot, loop_now_ms() };
		return;
	}
	v = &pf->vfs[vf];
	if (v->config.learning && has_own(v) && !mac_equal(&v->config.mac, &h->mac)) {
		learn_behind(sw, pf, vf, &h->mac);
		return;
	}
	if (mac_is_zero(&v->config.mac) && !v->config.trust && v->guest && v->guest->n_accepted &&
	    loop_now_ms() - sw->learned_at[h->port] < LEARN_PAUSE_MS) {
		sw->hint_again = true;
		return;
	}
	seat = (struct sw_seat){ pf, vf };
	rules = sw_guest_rules(&seat, v);
	if (guest_learn(v->guest, &h->mac, &rules, &g) || !g)
		return;
	guest_put(v->guest);
	v->guest = g;
	if (!guest_accepted(g, &h->mac))
		return;
	sw->learned_at[h->port] = loop_now_ms();
	soon(sw);
}

/**
 * sw_learn_hints() - Judge source addresses the data plane saw
 * @sw: switch
 *
 * Where no filter source serves a VF, a source address counts as a request.
 * What is accepted is in force 10 ms later.
 *
 * Return: true after a full turn: wait a little before the next, or a guest that
 * changes its source with each frame keeps control from its work.
 * Context: control, when dp_hint_fd() is readable; bounded work a call.
 */
bool sw_learn_hints(struct sw *sw)
{
	struct dp_hint hints[HINTS_A_TURN];
	unsigned int n = dp_hints_take(sw->opts.dp, hints, HINTS_A_TURN);

	for (unsigned int i = 0; i < n; i++)
		if (hints[i].port < VEB_PORTS_MAX)
			hint(sw, &hints[i]);
	return n == HINTS_A_TURN;
}
