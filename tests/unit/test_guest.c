/* SPDX-License-Identifier: Apache-2.0 */
/* sw/guest: the one rule of guest addresses, and its quotas. */
#include "unit/unit.h"

#include <string.h>

#include "sw/control/guest.h"

static const struct mac m41 = { { 2, 0, 0, 0, 0, 0x41 } }, m58 = { { 2, 0, 0, 0, 0, 0x58 } },
			m59 = { { 2, 0, 0, 0, 0, 0x59 } }, zero;

#define RULES(c) (&(struct guest_rules){ c, NULL, NULL })

static struct guest *filtered(struct guest *old, const struct mac *main_mac,
			      const struct vf_config *c)
{
	const struct vf_filter f = { .main_mac = *main_mac };
	struct guest *g;

	assert_int_equal(guest_filter(old, &f, RULES(c), &g), 0);
	return g;
}

static struct guest *judged(struct guest *old, const struct vf_config *c)
{
	struct guest *g;

	assert_int_equal(guest_judge(old, RULES(c), &g), 0);
	guest_put(old);
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
	auto_of(guest_put) struct guest *dropped = filtered(g, &m41, &c);
	assert_false(guest_accepted(dropped, &m59));
	assert_int_equal(dropped->n_refused, 1);
	auto_of(guest_put) struct guest *again = filtered(dropped, &m59, &c);
	assert_false(guest_accepted(again, &m59)); /* once dropped, it must be asked for anew */
	guest_put(g);
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
	guest_put(g);
}

static void without_administrative_mac_the_guest_chooses(void **state)
{
	struct vf_config c = { .mac = zero };
	auto_of(guest_put) struct guest *g = filtered(NULL, &m59, &c);

	assert_true(guest_accepted(g, &m59));
	c.mac = m41;
	auto_of(guest_put) struct guest *later = judged(take(g), &c);
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
	assert_int_equal(guest_filter(NULL, &f, RULES(&c), &g), 0);
	assert_int_equal(g->n_accepted, VF_MACS_UNTRUSTED);
	assert_int_equal(g->n_refused, 1101 - VF_MACS_UNTRUSTED);
	c.trust = true;
	g = judged(g, &c);
	assert_int_equal(g->n_accepted, VF_MACS_TRUSTED);
	c.trust = false;
	g = judged(g, &c);
	assert_int_equal(g->n_accepted, VF_MACS_UNTRUSTED);
	guest_put(g);
	f.n_macs = ARRAY_LEN(macs);
	assert_int_equal(guest_filter(NULL, &f, RULES(&c), &g), 0);
	assert_int_equal(g->n_accepted + g->n_refused + g->n_excess, 5001);
	guest_put(g);
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
	auto_of(guest_put) struct guest *g = NULL;

	assert_int_equal(guest_filter(NULL, &f, RULES(&c), &g), 0);
	assert_int_equal(g->n_accepted, 2);
	assert_int_equal(g->n_refused, 0);
	assert_int_equal(g->n_mcasts, 1);
}

static void learned_addresses_follow_the_same_rule(void **state)
{
	struct vf_config c = { .mac = zero };
	struct guest *g = NULL, *next;

	assert_int_equal(guest_learn(NULL, &m58, RULES(&c), &g), 0);
	assert_true(guest_accepted(g, &m58));
	assert_int_equal(guest_learn(g, &m58, RULES(&c), &next), 0);
	assert_null(next);
	assert_int_equal(guest_learn(g, &m59, RULES(&c), &next), 0); /* one: the newest */
	assert_true(guest_accepted(next, &m59));
	assert_false(guest_accepted(next, &m58));
	guest_put(g);
	g = next;
	c.trust = true; /* more need trust */
	assert_int_equal(guest_learn(g, &m58, RULES(&c), &next), 0);
	assert_int_equal(next->n_accepted, 2);
	guest_put(g);
	guest_put(next);
}

static void a_former_administrative_address_goes_when_the_present_one_is_seen(void **state)
{
	struct vf_config c = { .mac = m58 };
	struct guest *g = NULL, *next;

	assert_int_equal(guest_learn(NULL, &m58, RULES(&c), &g), 0);
	assert_false(guest_has_former(g, &c));
	c.mac = m41;
	assert_true(guest_has_former(g, &c));
	assert_int_equal(guest_learn(g, &m58, RULES(&c), &next), 0); /* it is used on */
	assert_null(next);
	assert_int_equal(guest_learn(g, &m41, RULES(&c), &next), 0);
	assert_true(guest_accepted(next, &m41));
	assert_false(guest_accepted(next, &m58));
	assert_false(guest_has_former(next, &c));
	assert_false(guest_refused(next, &m58)); /* nobody asks for it any more */
	guest_put(next);
	c.trust = true; /* allowed by that as well */
	assert_int_equal(guest_learn(g, &m41, RULES(&c), &next), 0);
	assert_true(guest_accepted(next, &m58));
	assert_false(guest_has_former(next, &c));
	guest_put(next);
	guest_put(g);
}

static bool is_59(const void *arg, const struct mac *mac)
{
	return mac_equal(mac, &m59);
}

/* A request that was on its way while the administrator gave an address and took it away again. */
static void who_asks_late_for_what_he_was_given_gets_it(void **state)
{
	const struct vf_config c = { .mac = m41 };
	const struct guest_rules rules = { &c, is_59, .former = &m59 }; /* another's by right, too */
	struct mac more = m58;
	const struct vf_filter f = { .main_mac = m59, .n_macs = 1, .macs = &more };
	auto_of(guest_put) struct guest *asked = NULL, *later = NULL, *seen = NULL, *obeys = NULL;

	assert_int_equal(guest_filter(NULL, &f, &rules, &asked), 0);
	assert_true(guest_accepted(asked, &m59) && guest_refused(asked, &m58));
	assert_int_equal(asked->accepted[0].why, GUEST_BY_MAC);
	assert_int_equal(guest_filter(asked, &f, RULES(&c), &later), 0); /* the moment is over */
	assert_true(guest_accepted(later, &m59));
	assert_int_equal(guest_learn(NULL, &m59, &rules, &seen), 0);
	assert_true(guest_accepted(seen, &m59));
	assert_int_equal(guest_learn(seen, &m41, &rules, &obeys), 0);
	assert_true(guest_accepted(obeys, &m41) && !guest_accepted(obeys, &m59));
}

static void refused_learned_addresses_are_remembered_but_not_without_end(void **state)
{
	struct vf_config c = { .mac = m41 };
	struct guest *g = NULL, *next;

	for (uint8_t i = 0; i < 100; i++) {
		const struct mac m = { { 2, 9, 9, 9, 9, i } };

		assert_int_equal(guest_learn(g, &m, RULES(&c), &next), 0);
		guest_put(g);
		g = next;
	}
	assert_int_equal(g->n_accepted, 0);
	assert_int_equal(g->n_refused, VF_MACS_UNTRUSTED);
	c.mac = (struct mac){ { 2, 9, 9, 9, 9, 99 } };
	g = judged(g, &c);
	assert_true(guest_accepted(g, &c.mac));
	guest_put(g);
}

/* Why the guest of a VF may have an address: all that decides it, and what it had before. */
static void one_rule_says_whose_an_address_is(void **state)
{
	enum { NO = -1, CHOICE = GUEST_BY_CHOICE, MAC = GUEST_BY_MAC, GRANT = GUEST_BY_GRANT };
	static const struct {
		const struct mac *mac; /* administrative */
		bool trust, allowed;
		int before, free, taken; /* why, if it is nobody's by right, and if it is another's */
	} rows[] = {
		{ &zero, false, false, NO, CHOICE, NO },
		{ &zero, false, false, CHOICE, CHOICE, NO },
		{ &zero, false, false, MAC, MAC, MAC },
		{ &zero, false, false, GRANT, CHOICE, NO },
		{ &zero, true, false, NO, CHOICE, GRANT },
		{ &zero, true, false, CHOICE, CHOICE, GRANT },
		{ &zero, false, true, NO, CHOICE, GRANT },
		{ &zero, false, true, MAC, MAC, MAC },
		{ &m59, false, false, NO, MAC, MAC },
		{ &m59, false, false, CHOICE, MAC, MAC },
		{ &m59, true, true, GRANT, MAC, MAC },
		{ &m41, false, false, NO, NO, NO },
		{ &m41, false, false, CHOICE, CHOICE, NO },
		{ &m41, false, false, MAC, MAC, MAC },
		{ &m41, false, false, GRANT, NO, NO },
		{ &m41, true, false, NO, GRANT, GRANT },
		{ &m41, true, false, CHOICE, CHOICE, GRANT },
		{ &m41, true, false, GRANT, GRANT, GRANT },
		{ &m41, false, true, NO, GRANT, GRANT },
		{ &m41, false, true, MAC, MAC, MAC },
	};

	for (unsigned int i = 0; i < 2 * ARRAY_LEN(rows); i++) {
		const int want = i % 2 ? rows[i / 2].taken : rows[i / 2].free;
		struct vf_config c = { .mac = *rows[i / 2].mac, .trust = rows[i / 2].trust };
		const struct guest_rules rules = { &c, i % 2 ? is_59 : NULL };
		const struct guest_mac had = { m59, (uint8_t)rows[i / 2].before };
		auto_of(guest_put) struct guest *old = NULL, *judged = NULL, *asked = NULL, *seen = NULL;
		const struct vf_filter f = { .main_mac = m59 };

		c.allowed.n = rows[i / 2].allowed;
		c.allowed.macs[0] = m59;
		assert_int_equal(guest_restore(&had, rows[i / 2].before >= 0, &old), 0);
		assert_int_equal(guest_filter(old, &f, &rules, &asked), 0);
		assert_int_equal(guest_judge(old, &rules, &judged), 0);
		assert_int_equal(guest_learn(old, &m59, &rules, &seen), 0);
		print_message("row %u, %s\n", i / 2, i % 2 ? "taken" : "free");
		assert_int_equal(guest_accepted(asked, &m59), want >= 0);
		assert_int_equal(guest_refused(asked, &m59), want < 0);
		if (want >= 0)
			assert_int_equal(asked->accepted[0].why, want);
		assert_int_equal(guest_accepted(judged, &m59), old && want >= 0);
		assert_int_equal(seen != NULL, !old); /* what it has is nothing new */
		assert_int_equal(guest_accepted(seen, &m59), !old && want >= 0);
	}
}

static void who_may_not_have_an_address_keeps_his_own(void **state)
{
	const struct vf_config c = { .mac = zero };
	const struct guest_rules rules = { &c, is_59 };
	auto_of(guest_put) struct guest *own = NULL, *tried = NULL, *again = NULL, *freed = NULL;

	assert_int_equal(guest_learn(NULL, &m58, &rules, &own), 0);
	assert_int_equal(guest_learn(own, &m59, &rules, &tried), 0);
	assert_true(guest_accepted(tried, &m58) && guest_refused(tried, &m59));
	assert_true(mac_equal(&tried->main_mac, &m58));
	assert_int_equal(guest_learn(tried, &m59, &rules, &again), 0);
	assert_null(again); /* each frame of it is no work */
	assert_int_equal(guest_learn(tried, &m59, RULES(&c), &freed), 0); /* its owner went */
	assert_true(guest_accepted(freed, &m59) && freed->n_accepted == 1 && !freed->n_refused);
}

static void a_lost_filter_source_keeps_what_was_accepted(void **state)
{
	struct vf_config c = { .mac = m59 };
	auto_of(guest_put) struct guest *g = filtered(NULL, &m59, &c);
	auto_of(guest_put) struct guest *lost = NULL;

	assert_int_equal(guest_filter(g, NULL, RULES(&c), &lost), 0);
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

/* Every row: what the guest says, and what the operator said of its VF. */
static void multicast_is_what_was_joined_or_all_where_that_may_be(void **state)
{
	static const struct mac other = { { 2, 0, 0, 0, 9, 9 } };

	for (unsigned int i = 0; i < 1 << 6; i++) {
		const struct guest g = { .known = i & 1, .promisc = i & 2, .allmulti = i & 4 };
		struct vf_config c = { .trust = i & 8, .learning = i & 16 ? 4 : 0 };
		bool asks = i & 6, may = i & 56;

		if (i & 32)
			c.allowed = (struct mac_list){ .n = 1, .macs = { other } };
		assert_int_equal(guest_multicast(&g, &c), !(i & 1) ? GUEST_MULTI_ALL :
							  !asks	   ? GUEST_MULTI_JOINED :
							  may	   ? GUEST_MULTI_ALL :
								     GUEST_MULTI_REFUSED);
		assert_int_equal(guest_multicast(NULL, &c), GUEST_MULTI_ALL);
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
		cmocka_unit_test(a_former_administrative_address_goes_when_the_present_one_is_seen),
		cmocka_unit_test(who_asks_late_for_what_he_was_given_gets_it),
		cmocka_unit_test(refused_learned_addresses_are_remembered_but_not_without_end),
		cmocka_unit_test(promiscuity_takes_trust_a_wish_and_the_operators_word),
		cmocka_unit_test(multicast_is_what_was_joined_or_all_where_that_may_be),
		cmocka_unit_test(a_lost_filter_source_keeps_what_was_accepted),
		cmocka_unit_test(one_rule_says_whose_an_address_is),
		cmocka_unit_test(who_may_not_have_an_address_keeps_his_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
