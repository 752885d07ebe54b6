/* SPDX-License-Identifier: Apache-2.0 */
/* sw/guest: the one rule of guest addresses, and its quotas. */
#include "unit/unit.h"

#include <string.h>

#include "sw/guest.h"

static const struct mac m41 = { { 2, 0, 0, 0, 0, 0x41 } }, m58 = { { 2, 0, 0, 0, 0, 0x58 } },
			m59 = { { 2, 0, 0, 0, 0, 0x59 } }, zero;

static struct guest *filtered(const struct guest *old, const struct mac *main_mac,
			      const struct vf_config *c)
{
	const struct vf_filter f = { .main_mac = *main_mac };
	struct guest *g;

	assert_int_equal(guest_filter(old, &f, c, &g), 0);
	return g;
}

static struct guest *judged(struct guest *old, const struct vf_config *c)
{
	struct guest *g;

	assert_int_equal(guest_judge(old, c, &g), 0);
	guest_free(old);
	return g;
}

static void founding_recipe_keeps_the_guests_address(void **state)
{
	struct vf_config c = { .mac = m41, .spoofchk = true };
	struct guest *g = filtered(NULL, &m59, &c);

	assert_int_equal(g->n_accepted, 0);
	assert_int_equal(g->n_refused, 1);
	c.mac = m59;
	g = judged(g, &c);
	assert_true(guest_accepted(g, &m59));
	c.spoofchk = false;
	g = judged(g, &c);
	c.mac = m58;
	g = judged(g, &c);
	assert_true(guest_accepted(g, &m59));
	assert_false(guest_accepted(g, &m58)); /* the VF's own by administration, not the guest's */
	auto_of(guest_free) struct guest *dropped = filtered(g, &m41, &c);
	assert_false(guest_accepted(dropped, &m59));
	assert_int_equal(dropped->n_refused, 1);
	auto_of(guest_free) struct guest *again = filtered(dropped, &m59, &c);
	assert_false(guest_accepted(again, &m59)); /* once dropped, it must be asked for anew */
	guest_free(g);
}

static void what_trust_allowed_goes_with_the_trust(void **state)
{
	struct vf_config c = { .mac = m41 };
	struct guest *g = filtered(NULL, &m59, &c);

	c.trust = true;
	g = judged(g, &c);
	assert_true(guest_accepted(g, &m59));
	c.mac = m58;
	g = judged(g, &c);
	assert_true(guest_accepted(g, &m59));
	c.trust = false;
	g = judged(g, &c);
	assert_false(guest_accepted(g, &m59));
	assert_int_equal(g->n_refused, 1);
	c.trust = true;
	g = judged(g, &c);
	c.mac = m59; /* now allowed on its own */
	g = judged(g, &c);
	c.trust = false;
	g = judged(g, &c);
	assert_true(guest_accepted(g, &m59));
	guest_free(g);
}

static void without_administrative_mac_the_guest_chooses(void **state)
{
	struct vf_config c = { .mac = zero };
	auto_of(guest_free) struct guest *g = filtered(NULL, &m59, &c);

	assert_true(guest_accepted(g, &m59));
	c.mac = m41;
	auto_of(guest_free) struct guest *later = judged(take(g), &c);
	assert_true(guest_accepted(later, &m59));
}

static void quotas_refuse_and_count_the_excess(void **state)
{
	static struct mac macs[5000];
	struct vf_filter f = { .main_mac = m59, .n_macs = 1100, .macs = macs };
	struct vf_config c = { .mac = zero };
	struct guest *g;

	for (unsigned int i = 0; i < ARRAY_LEN(macs); i++)
		macs[i] = (struct mac){ { 2, 1, 0, 0, (uint8_t)(i >> 8), (uint8_t)i } };
	assert_int_equal(guest_filter(NULL, &f, &c, &g), 0);
	assert_int_equal(g->n_accepted, VF_MACS_UNTRUSTED);
	assert_int_equal(g->n_refused, 1101 - VF_MACS_UNTRUSTED);
	c.trust = true;
	g = judged(g, &c);
	assert_int_equal(g->n_accepted, VF_MACS_TRUSTED);
	c.trust = false;
	g = judged(g, &c);
	assert_int_equal(g->n_accepted, VF_MACS_UNTRUSTED);
	guest_free(g);
	f.n_macs = ARRAY_LEN(macs);
	assert_int_equal(guest_filter(NULL, &f, &c, &g), 0);
	assert_int_equal(g->n_accepted + g->n_refused + g->n_excess, 5001);
	guest_free(g);
}

static void what_is_no_unicast_address_is_ignored(void **state)
{
	struct mac macs[] = { zero, { { 1, 0, 0x5e, 0, 0, 1 } }, m58, m58, m59 };
	struct mac mcasts[] = { { { 1, 0, 0x5e, 0, 0, 1 } }, m41 };
	const struct vf_filter f = { .main_mac = m59,
				     .n_macs = ARRAY_LEN(macs),
				     .macs = macs,
				     .n_mcasts = ARRAY_LEN(mcasts),
				     .mcasts = mcasts };
	struct vf_config c = { .mac = zero };
	auto_of(guest_free) struct guest *g = NULL;

	assert_int_equal(guest_filter(NULL, &f, &c, &g), 0);
	assert_int_equal(g->n_accepted, 2);
	assert_int_equal(g->n_refused, 0);
	assert_int_equal(g->n_mcasts, 1);
}

static void learned_addresses_follow_the_same_rule(void **state)
{
	struct vf_config c = { .mac = zero };
	struct guest *g = NULL, *next;

	assert_int_equal(guest_learn(NULL, &m58, &c, &g), 0);
	assert_true(guest_accepted(g, &m58));
	assert_int_equal(guest_learn(g, &m58, &c, &next), 0);
	assert_null(next);
	assert_int_equal(guest_learn(g, &m59, &c, &next), 0); /* one: the newest */
	assert_true(guest_accepted(next, &m59));
	assert_false(guest_accepted(next, &m58));
	guest_free(g);
	g = next;
	c.trust = true; /* more need trust */
	assert_int_equal(guest_learn(g, &m58, &c, &next), 0);
	assert_int_equal(next->n_accepted, 2);
	guest_free(g);
	guest_free(next);
}

static void refused_learned_addresses_are_remembered_but_not_without_end(void **state)
{
	struct vf_config c = { .mac = m41 };
	struct guest *g = NULL, *next;

	for (uint8_t i = 0; i < 100; i++) {
		const struct mac m = { { 2, 9, 9, 9, 9, i } };

		assert_int_equal(guest_learn(g, &m, &c, &next), 0);
		guest_free(g);
		g = next;
	}
	assert_int_equal(g->n_accepted, 0);
	assert_int_equal(g->n_refused, VF_MACS_UNTRUSTED);
	c.mac = (struct mac){ { 2, 9, 9, 9, 9, 99 } };
	g = judged(g, &c);
	assert_true(guest_accepted(g, &c.mac));
	guest_free(g);
}

static void a_lost_filter_source_keeps_what_was_accepted(void **state)
{
	struct vf_config c = { .mac = m59 };
	auto_of(guest_free) struct guest *g = filtered(NULL, &m59, &c);
	auto_of(guest_free) struct guest *lost = NULL;

	assert_int_equal(guest_filter(g, NULL, &c, &lost), 0);
	assert_true(guest_accepted(lost, &m59));
	assert_false(lost->known);
}

/* Trust, the guest's wish, and the operator's word: all three. */
static void promiscuity_takes_trust_a_wish_and_the_operators_word(void **state)
{
	enum { UNASKED, ASKED, UNSERVED };
	static const struct {
		bool trust;
		uint8_t word, guest, granted;
	} cases[] = {
		{ true, VF_PROMISC_OFF, ASKED, VF_PROMISC_OFF },
		{ true, VF_PROMISC_OFF, UNSERVED, VF_PROMISC_OFF },
		{ true, VF_PROMISC_UNMATCHED, UNASKED, VF_PROMISC_OFF },
		{ true, VF_PROMISC_UNMATCHED, ASKED, VF_PROMISC_UNMATCHED },
		{ false, VF_PROMISC_UNMATCHED, ASKED, VF_PROMISC_OFF },
		{ true, VF_PROMISC_UNMATCHED, UNSERVED, VF_PROMISC_OFF },
		{ true, VF_PROMISC_TRUE, UNASKED, VF_PROMISC_OFF },
		{ true, VF_PROMISC_TRUE, ASKED, VF_PROMISC_TRUE },
		{ false, VF_PROMISC_TRUE, ASKED, VF_PROMISC_OFF },
		{ true, VF_PROMISC_TRUE, UNSERVED, VF_PROMISC_TRUE },
		{ false, VF_PROMISC_TRUE, UNSERVED, VF_PROMISC_OFF },
	};

	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		const struct vf_config c = { .trust = cases[i].trust, .promisc = cases[i].word };
		const struct guest g = { .known = cases[i].guest != UNSERVED,
					 .promisc = cases[i].guest == ASKED };

		assert_int_equal(guest_promisc(&g, &c), cases[i].granted);
		if (!g.known)
			assert_int_equal(guest_promisc(NULL, &c), cases[i].granted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(founding_recipe_keeps_the_guests_address),
		cmocka_unit_test(what_trust_allowed_goes_with_the_trust),
		cmocka_unit_test(without_administrative_mac_the_guest_chooses),
		cmocka_unit_test(quotas_refuse_and_count_the_excess),
		cmocka_unit_test(what_is_no_unicast_address_is_ignored),
		cmocka_unit_test(learned_addresses_follow_the_same_rule),
		cmocka_unit_test(refused_learned_addresses_are_remembered_but_not_without_end),
		cmocka_unit_test(promiscuity_takes_trust_a_wish_and_the_operators_word),
		cmocka_unit_test(a_lost_filter_source_keeps_what_was_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
