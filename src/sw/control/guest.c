/* SPDX-License-Identifier: Apache-2.0 */
/* Judging guest addresses: pure, used by the control half of the software PF. */
#include "sw/control/guest.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/uuid.h"

#define REMEMBER_MAX (2 * VF_MACS_TRUSTED) /* addresses of one guest, accepted or not */
#define LEARNED_MAX  VF_MACS_UNTRUSTED	   /* refused ones remembered of a VF that is learned */

#define SLOT_REFUSED 0x8000u /* in a slot: the address is in refused[]; else in accepted[] */
static_assert(2 * REMEMBER_MAX < SLOT_REFUSED, "an index fits a slot");

/* An empty guest with room for so many of each; everything is one allocation. */
static struct guest *guest_alloc(unsigned int n_macs, unsigned int n_mcasts)
{
	size_t size = sizeof(struct guest) + n_macs * sizeof(struct guest_mac) +
		      (n_macs + n_mcasts) * sizeof(struct mac);
	unsigned int bits = 1;
	struct guest *g;

	while (1u << bits < 2 * n_macs)
		bits++;
	size = (size + 1) & ~(size_t)1;
	g = calloc(1, size + (sizeof(*g->slots) << bits));
	if (!g)
		return NULL;
	g->refs = 1;
	g->accepted = (struct guest_mac *)(g + 1);
	g->refused = (struct mac *)(g->accepted + n_macs);
	g->mcasts = g->refused + n_macs;
	g->slots = (uint16_t *)((char *)g + size);
	g->shift = 64 - bits;
	rand_bytes(&g->mul, sizeof(g->mul));
	g->mul |= 1;
	return g;
}

/**
 * guest_get() - Take one more reference
 * @g: guest, or NULL
 *
 * Return: @g.
 * Context: control.
 */
struct guest *guest_get(struct guest *g)
{
	if (g)
		g->refs++;
	return g;
}

/**
 * guest_put() - Give one reference back; the last frees the guest's wishes
 * @g: guest, or NULL
 *
 * Context: control.
 */
void guest_put(struct guest *g)
{
	if (g && !--g->refs)
		free(g);
}

static const struct mac *mac_at(const struct guest *g, unsigned int slot)
{
	return slot & SLOT_REFUSED ? &g->refused[(slot & ~SLOT_REFUSED) - 1]
				   : &g->accepted[slot - 1].mac;
}

/* Where an address is, or would be: 0: nowhere; else 1 + its index, and SLOT_REFUSED or not. */
static uint16_t *slot_of(const struct guest *g, const struct mac *mac)
{
	uint32_t i = (uint32_t)(mac_to_u64(mac) * g->mul >> g->shift);

	while (g->slots[i] && !mac_equal(mac_at(g, g->slots[i]), mac))
		i = (i + 1) & ((1u << (64 - g->shift)) - 1);
	return &g->slots[i];
}

static const struct guest_mac *find_accepted(const struct guest *g, const struct mac *mac)
{
	unsigned int at = g ? *slot_of(g, mac) : 0;

	return at && at < SLOT_REFUSED ? &g->accepted[at - 1] : NULL;
}

static void accept_one(struct guest *g, const struct guest_mac *mac)
{
	*slot_of(g, &mac->mac) = (uint16_t)(g->n_accepted + 1);
	g->accepted[g->n_accepted++] = *mac;
}

static void refuse_one(struct guest *g, const struct mac *mac)
{
	*slot_of(g, mac) = (uint16_t)(SLOT_REFUSED | (g->n_refused + 1));
	g->refused[g->n_refused++] = *mac;
}

/*
 * Why a guest may have an address, the reason that lasts longest; a negative number: it may not.
 * What the operator said of this VF stands beside what he said of another: two VFs of one MAC,
 * shared addresses and bonds are made that way. What a guest says by itself does not.
 */
static int why(const struct guest *old, const struct mac *mac, const struct guest_rules *rules)
{
	const struct guest_mac *before = find_accepted(old, mac);
	const struct vf_config *c = rules->config;

	if (mac_equal(&c->mac, mac) || (before && before->why == GUEST_BY_MAC) ||
	    (rules->former && mac_equal(rules->former, mac)))
		return GUEST_BY_MAC;
	if ((mac_is_zero(&c->mac) || (before && before->why == GUEST_BY_CHOICE)) &&
	    !(rules->is_taken && rules->is_taken(rules->arg, mac)))
		return GUEST_BY_CHOICE;
	return c->trust || mac_list_has(&c->allowed, mac) ? GUEST_BY_GRANT : -1;
}

/* Puts one wish on the list it belongs to. @old holds what was accepted before. */
static void judge_one(struct guest *g, const struct guest *old, const struct mac *mac,
		      const struct guest_rules *rules)
{
	unsigned int quota = rules->config->trust ? VF_MACS_TRUSTED : VF_MACS_UNTRUSTED;
	int reason;

	if (mac_is_zero(mac) || mac_is_multicast(mac) || *slot_of(g, mac))
		return;
	reason = g->n_accepted < quota ? why(old, mac, rules) : -1;
	if (reason >= 0)
		accept_one(g, &(struct guest_mac){ .mac = *mac, .why = (uint8_t)reason });
	else if (g->n_accepted + g->n_refused < REMEMBER_MAX)
		refuse_one(g, mac);
	else
		g->n_excess++;
}

/* The wishes of @old once more, in their order, the accepted first. */
static void judge_old(struct guest *g, const struct guest *old, const struct guest_rules *rules)
{
	for (unsigned int i = 0; old && i < old->n_accepted; i++)
		judge_one(g, old, &old->accepted[i].mac, rules);
	for (unsigned int i = 0; old && i < old->n_refused; i++)
		judge_one(g, old, &old->refused[i], rules);
}

static bool same_macs(const struct mac *a, const struct mac *b, unsigned int n)
{
	return !memcmp(a, b, n * sizeof(*a));
}

/* What was, if the new value says the same: who has seen it has nothing to do. Takes @g. */
static struct guest *old_or(struct guest *old, struct guest *g)
{
	if (!old || old->known != g->known || old->promisc != g->promisc ||
	    old->allmulti != g->allmulti || !mac_equal(&old->main_mac, &g->main_mac) ||
	    old->n_refused != g->n_refused || old->n_excess != g->n_excess ||
	    old->n_mcasts != g->n_mcasts || !guest_same_accepted(old, g) ||
	    !same_macs(old->refused, g->refused, g->n_refused) ||
	    !same_macs(old->mcasts, g->mcasts, g->n_mcasts))
		return g;
	guest_put(g);
	return guest_get(old);
}

/**
 * guest_filter() - A guest's driver says all it wants
 * @old:    what was, or NULL
 * @filter: a full replacement; NULL: the source of filters is gone, accepted addresses stay
 * @rules:  the VF's administrative settings, and what is taken by others'
 * @out:    the new value, or @old; the caller gets a reference
 *
 * Accepted are addresses of a VF without administrative MAC unless they are by right somebody
 * else's, the administrative MAC itself, that of a moment ago, those on its list of allowed ones,
 * and any address of a trusted VF; an address accepted before stays while the guest wants it,
 * unless only trust or the list allowed it and that is gone, or the guest chose it and it became
 * somebody else's.
 *
 * Return: 0 or -ENOMEM.
 * Context: control; pure.
 */
int guest_filter(struct guest *old, const struct vf_filter *filter, const struct guest_rules *rules,
		 struct guest **out)
{
	unsigned int n = filter ? MIN(filter->n_macs, 2u * REMEMBER_MAX) + 1
				: (old ? old->n_accepted + old->n_refused : 0);
	unsigned int n_mcasts = filter ? MIN(filter->n_mcasts, (unsigned int)VF_MACS_TRUSTED) : 0;
	struct guest *g = guest_alloc(n, n_mcasts);

	if (!g)
		return -ENOMEM;
	if (filter) {
		g->known = true;
		g->promisc = filter->promisc;
		g->allmulti = filter->allmulti;
		g->main_mac = filter->main_mac;
		judge_one(g, old, &filter->main_mac, rules);
		for (unsigned int i = 0; i + 1 < n; i++)
			judge_one(g, old, &filter->macs[i], rules);
		for (unsigned int i = 0; i < n_mcasts; i++)
			if (mac_is_multicast(&filter->mcasts[i]))
				g->mcasts[g->n_mcasts++] = filter->mcasts[i];
		g->n_excess += filter->n_macs - (n - 1) + filter->n_mcasts - n_mcasts;
	} else {
		judge_old(g, old, rules);
	}
	*out = old_or(old, g);
	return 0;
}

/**
 * guest_judge() - Judge all wishes again after an administrative change, of this VF or another
 * @old:   what was, or NULL
 * @rules: the VF's settings from now on, and what is taken
 * @out:   the new value, or @old (which may be NULL); the caller gets a reference
 *
 * Return: 0 or -ENOMEM.
 * Context: control; pure.
 */
int guest_judge(struct guest *old, const struct guest_rules *rules, struct guest **out)
{
	struct guest *g;

	if (!old) {
		*out = NULL;
		return 0;
	}
	g = guest_alloc(old->n_accepted + old->n_refused, old->n_mcasts);
	if (!g)
		return -ENOMEM;
	g->known = old->known;
	g->promisc = old->promisc;
	g->allmulti = old->allmulti;
	g->main_mac = old->main_mac;
	g->n_excess = old->n_excess;
	g->n_mcasts = old->n_mcasts;
	memcpy(g->mcasts, old->mcasts, old->n_mcasts * sizeof(*old->mcasts));
	judge_old(g, old, rules);
	*out = old_or(old, g);
	return 0;
}

static bool is_former(const struct guest_mac *m, const struct vf_config *config)
{
	return m->why == GUEST_BY_MAC && !mac_equal(&m->mac, &config->mac);
}

/**
 * guest_has_former() - Does a guest hold what was its VF's administrative MAC, and is it no more?
 * @g:	    guest, or NULL
 * @config: the VF's settings
 *
 * Context: control; pure.
 */
bool guest_has_former(const struct guest *g, const struct vf_config *config)
{
	for (unsigned int i = 0; g && i < g->n_accepted; i++)
		if (is_former(&g->accepted[i], config))
			return true;
	return false;
}

/**
 * guest_learn() - A source address was seen from a VF that no filter source serves
 * @old:   what was, or NULL
 * @mac:   the address, newest of all
 * @rules: the VF's settings, and what is taken
 * @out:   the new value, or NULL if nothing changed; the caller owns it
 *
 * A VF with no administrative MAC and no trust has one address, the newest that it may have.
 * Else the address is a wish like any other; what is refused is remembered,
 * the newest LEARNED_MAX of them. Who sends from the administrative MAC has what he was given: what
 * that MAC was before, and he had taken, is nobody's any more.
 *
 * Return: 0 or -ENOMEM.
 * Context: control; pure.
 */
int guest_learn(const struct guest *old, const struct mac *mac, const struct guest_rules *rules,
		struct guest **out)
{
	const struct guest_rules present = { rules->config, rules->is_taken, rules->arg };
	bool may = why(old, mac, rules) >= 0;
	bool one = mac_is_zero(&rules->config->mac) && !rules->config->trust && may;
	unsigned int n_accepted = old && !one ? old->n_accepted : 0;
	unsigned int n_refused = old && !one ? old->n_refused : 0;
	unsigned int skip = n_refused >= LEARNED_MAX ? n_refused - LEARNED_MAX + 1 : 0;
	bool obeys = mac_equal(&rules->config->mac, mac) && guest_has_former(old, rules->config);
	struct guest *g;

	*out = NULL;
	if ((old && old->known) || (find_accepted(old, mac) && !obeys) ||
	    (guest_refused(old, mac) && !one))
		return 0;
	g = guest_alloc(n_accepted + n_refused + 1, 0);
	if (!g)
		return -ENOMEM;
	for (unsigned int i = 0; i < n_accepted; i++) {
		bool ends = obeys && is_former(&old->accepted[i], rules->config);

		if (!ends || why(NULL, &old->accepted[i].mac, &present) >= 0)
			judge_one(g, ends ? NULL : old, &old->accepted[i].mac, rules);
	}
	for (unsigned int i = skip; i < n_refused; i++)
		judge_one(g, old, &old->refused[i], rules);
	judge_one(g, old, mac, rules);
	g->main_mac = may || !old ? *mac : old->main_mac;
	*out = g;
	return 0;
}

/**
 * guest_restore() - What a state file says was accepted
 * @accepted: array of @n addresses
 * @n:        0..VF_MACS_TRUSTED; 0 gives NULL
 * @out:      the value; the caller owns it
 *
 * Return: 0, -EINVAL (too many), -ENOMEM.
 * Context: control; pure.
 */
int guest_restore(const struct guest_mac *accepted, unsigned int n, struct guest **out)
{
	struct guest *g;

	if (n > VF_MACS_TRUSTED)
		return -EINVAL;
	if (!n) {
		*out = NULL;
		return 0;
	}
	g = guest_alloc(n, 0);
	if (!g)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++)
		if (!*slot_of(g, &accepted[i].mac))
			accept_one(g, &accepted[i]);
	g->main_mac = accepted[0].mac;
	*out = g;
	return 0;
}

/**
 * guest_hangs_on() - Whether a guest has or wants one of some addresses
 * @g:    guest, or NULL
 * @macs: array of @n addresses that somebody else got, or lost, by right
 * @n:    how many
 *
 * Return: false: guest_judge() has nothing to do while its own VF's settings stay.
 */
bool guest_hangs_on(const struct guest *g, const struct mac *macs, unsigned int n)
{
	unsigned int i = 0;

	while (g && i < n && !*slot_of(g, &macs[i]))
		i++;
	return g && i < n;
}

/**
 * guest_same_accepted() - Whether two values accept the same addresses for the same reasons
 * @a: guest, or NULL
 * @b: guest, or NULL
 *
 * What lasts of a guest is just this, so if it is true the state file need not change.
 */
bool guest_same_accepted(const struct guest *a, const struct guest *b)
{
	unsigned int n = a ? a->n_accepted : 0;

	if (a == b)
		return true;
	if (n != (b ? b->n_accepted : 0))
		return false;
	for (unsigned int i = 0; i < n; i++)
		if (!mac_equal(&a->accepted[i].mac, &b->accepted[i].mac) ||
		    a->accepted[i].why != b->accepted[i].why)
			return false;
	return true;
}

/**
 * guest_accepted() - Whether an address is among the accepted ones
 * @g:   guest, or NULL
 * @mac: address
 */
bool guest_accepted(const struct guest *g, const struct mac *mac)
{
	return find_accepted(g, mac);
}

/**
 * guest_refused() - Whether an address is among the refused ones that are remembered
 * @g:   guest, or NULL
 * @mac: address
 */
bool guest_refused(const struct guest *g, const struct mac *mac)
{
	return g && *slot_of(g, mac) > SLOT_REFUSED;
}

/**
 * guest_promisc() - What unicast beside its own a VF gets
 * @g:      guest, or NULL
 * @config: the VF's settings
 *
 * With trust, and if the guest asks for it. Of a VF that no filter source serves nobody knows what
 * the guest asks for: the operator who says `true` does it for him.
 *
 * Return: what is granted.
 */
enum vf_promisc guest_promisc(const struct guest *g, const struct vf_config *config)
{
	bool asked = g && g->known ? g->promisc : config->promisc == VF_PROMISC_TRUE;

	return config->trust && asked ? (enum vf_promisc)config->promisc : VF_PROMISC_OFF;
}

/**
 * guest_multicast() - What multicast of its VLANs a VF gets
 * @g:      guest, or NULL
 * @config: the VF's settings
 *
 * All, if nobody knows what the guest wants, or if it asks and may: with trust, or where others may
 * be behind it, by learning or by the list of allowed addresses. Their groups are in no filter: a
 * bridge's port is promiscuous and joins nothing for them, and without multicast neighbour
 * discovery (RFC 4861) does not find them. Promiscuous means all multicast, as of any interface.
 *
 * Return: what is granted.
 */
enum guest_multicast guest_multicast(const struct guest *g, const struct vf_config *config)
{
	if (!g || !g->known)
		return GUEST_MULTI_ALL;
	if (!g->allmulti && !g->promisc)
		return GUEST_MULTI_JOINED;
	return config->trust || config->learning || config->allowed.n ? GUEST_MULTI_ALL
								      : GUEST_MULTI_REFUSED;
}
