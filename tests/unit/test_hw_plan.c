/* SPDX-License-Identifier: Apache-2.0 */
/* hw/plan: a change is all done or not at all, wherever the kernel refuses; a table stands for the kernel. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "hw/plan.h"

#define VFS 8

static const struct hw_words fresh = { .spoofchk = true };
static const uint32_t all = HW_WORDS;

/* What the kernel has; the step numbered @refuse_at, and that of its undoing, are refused. */
struct kernel {
	unsigned int n_vfs;
	struct hw_words vfs[VFS];
	uint32_t mtu;
	struct mac mac;
	bool up;
	int refuse_at, undo_refused_at, n;
};

static void attr_set(struct hw_words *w, enum hw_attr attr, const struct hw_words *to)
{
	struct vf_config c = { 0 };

	hw_words_to(w, HW_WORDS, &c);
	hw_words_to(to, hw_attrs[attr].fields, &c);
	hw_words_from(&c, w);
}

static int kernel_do(void *arg, const struct hw_step *step, const struct hw_value *to,
		     struct err *e)
{
	struct kernel *k = arg;
	bool back = to == &step->old;

	if (!back && k->n++ == k->refuse_at)
		return err_set(e, -EINVAL, "Invalid argument");
	if (back && k->undo_refused_at-- == 0)
		return err_set(e, -EIO, "Input/output error");
	switch ((enum hw_op)step->op) {
	case HW_OP_VF:
		if (step->vf >= k->n_vfs)
			return err_set(e, -EINVAL, "no such VF");
		attr_set(&k->vfs[step->vf], (enum hw_attr)step->attr, &to->words);
		break;
	case HW_OP_NUMVFS: /* all go, and come as new */
		k->n_vfs = to->number;
		for (unsigned int i = 0; i < VFS; i++)
			k->vfs[i] = i < k->n_vfs ? fresh : (struct hw_words){ 0 };
		break;
	case HW_OP_MTU:
		k->mtu = to->number;
		break;
	case HW_OP_MAC:
		k->mac = to->mac;
		break;
	case HW_OP_UP:
		k->up = to->number;
		break;
	case HW_OP_GROUP:
	case HW_OP_ESWITCH:
	case HW_OP_SVC:
	case HW_OP_DRIVER:
	case HW_OP_PROBE:
	case HW_OP_DEV_UP:
	case HW_OP_PLACE:
	case HW_OP_MACVTAP:
	case HW_OP_CLSACT:
	case HW_OP_COPY:
	case HW_OP_FILE:
	case HW_OP_N:
		break;
	}
	return 0;
}

static unsigned int seed = 1;

static unsigned int random_below(unsigned int n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 16) % n;
}

static void words_random(struct hw_words *w)
{
	*w = (struct hw_words){ .mac.b = { 2, 0, 0, 0, 0, (uint8_t)random_below(256) },
				.vlan = (uint16_t)random_below(4096),
				.qos = (uint8_t)random_below(8),
				.proto = (uint8_t)random_below(2),
				.max_tx_mbit = random_below(10000),
				.min_tx_mbit = random_below(100),
				.spoofchk = random_below(2),
				.query_rss = random_below(2),
				.trust = random_below(2),
				.link = (uint8_t)random_below(3),
				.group = { (char)('a' + random_below(3)) } };
}

/* A kernel of some VFs, and a plan from what it has to something else; what it then has in @want. */
static void random_plan(struct kernel *k, struct hw_plan *plan, struct kernel *want)
{
	unsigned int n = random_below(40);

	memset(k, 0, sizeof(*k));
	k->refuse_at = k->undo_refused_at = -1;
	k->n_vfs = random_below(VFS);
	k->mtu = 1500;
	for (unsigned int i = 0; i < k->n_vfs; i++)
		words_random(&k->vfs[i]);
	*want = *k;
	if (random_below(2)) {
		unsigned int n_new = random_below(VFS);

		assert_int_equal(hw_plan_numvfs(plan, k->vfs, k->n_vfs, n_new, &fresh, all, NULL),
				 0);
		want->n_vfs = n_new;
		for (unsigned int i = 0; i < VFS; i++)
			if (i >= n_new)
				want->vfs[i] = (struct hw_words){ 0 };
			else if (i >= k->n_vfs)
				want->vfs[i] = fresh;
	}
	for (unsigned int i = 0; want->n_vfs && i < n; i++) {
		unsigned int vf = random_below(want->n_vfs);
		struct hw_words old = want->vfs[vf];
		uint32_t fields = hw_attrs[random_below(HW_ATTR_N)].fields;
		struct hw_words new;
		struct vf_config c = { 0 };

		words_random(&new);
		assert_int_equal(hw_plan_vf(plan, vf, &old, &new, fields, NULL), 0);
		hw_words_to(&old, HW_WORDS, &c);
		hw_words_to(&new, fields, &c);
		hw_words_from(&c, &want->vfs[vf]);
	}
	if (random_below(2)) {
		const struct hw_step mtu = { .op = HW_OP_MTU,
					     .old.number = 1500,
					     .new.number = 9000 };

		assert_int_equal(hw_plan_add(plan, &mtu, NULL), 0);
		want->mtu = 9000;
	}
}

static bool same(const struct kernel *a, const struct kernel *b)
{
	if (a->n_vfs != b->n_vfs || a->mtu != b->mtu || a->up != b->up)
		return false;
	for (unsigned int vf = 0; vf < a->n_vfs; vf++)
		for (unsigned int i = 0; i < HW_ATTR_N; i++)
			if (!hw_attr_equal((enum hw_attr)i, &a->vfs[vf], &b->vfs[vf]))
				return false;
	return true;
}

static void a_plan_is_all_done_or_not_at_all(void **state)
{
	for (unsigned int round = 0; round < 300; round++) {
		struct hw_plan plan = { 0 };
		struct kernel before, want, k;

		random_plan(&before, &plan, &want);
		for (int at = 0; at <= (int)plan.n; at++) { /* the last: nothing is refused */
			struct err e = { 0 };
			int rc;

			k = before;
			k.refuse_at = at;
			rc = hw_plan_run(&plan, kernel_do, &k, &e);
			assert_int_equal(rc, at < (int)plan.n ? -EINVAL : 0);
			assert_true(same(&k, rc ? &before : &want));
			assert_true(!rc == !*e.msg);
		}
		hw_plan_fini(&plan);
	}
}

static void a_vfs_words_go_in_the_kernels_order(void **state)
{
	static const enum hw_attr order[] = { HW_ATTR_MAC,	HW_ATTR_VLAN, HW_ATTR_RATE,
					      HW_ATTR_SPOOFCHK, HW_ATTR_LINK, HW_ATTR_RSS,
					      HW_ATTR_TRUST,	HW_ATTR_GROUP };
	struct hw_plan plan = { 0 };

	assert_int_equal(hw_plan_vf(&plan, 3, &fresh, &fresh, all, NULL), 0);
	assert_int_equal(plan.n, ARRAY_LEN(order));
	for (unsigned int i = 0; i < plan.n; i++) {
		assert_int_equal(plan.steps[i].attr, order[i]);
		assert_int_equal(plan.steps[i].vf, 3);
	}
	hw_plan_fini(&plan);
	/* a word is its attribute's; those that are not asked for make no step */
	assert_int_equal(hw_plan_vf(&plan, 0, &fresh, &fresh, 1U << VF_FIELD_QOS, NULL), 0);
	assert_int_equal(plan.n, 1);
	assert_int_equal(plan.steps[0].attr, HW_ATTR_VLAN);
	hw_plan_fini(&plan);
}

static void the_step_that_was_refused_is_named_and_one_that_stays(void **state)
{
	struct kernel k = { .n_vfs = 2, .refuse_at = 2, .undo_refused_at = -1 };
	struct hw_words new = { .mac.b = { 2 }, .vlan = 7, .trust = true };
	uint32_t fields = 1U << VF_FIELD_MAC | 1U << VF_FIELD_VLAN | 1U << VF_FIELD_TRUST;
	struct hw_plan plan = { 0 };
	struct err e = { 0 };

	assert_int_equal(hw_plan_vf(&plan, 1, &k.vfs[1], &new, fields, NULL), 0);
	assert_int_equal(hw_plan_run(&plan, kernel_do, &k, &e), -EINVAL);
	assert_string_equal(e.msg, "vf 1 trust: Invalid argument");
	k.n = 0;
	k.undo_refused_at = 0;
	e = (struct err){ 0 };
	assert_int_equal(hw_plan_run(&plan, kernel_do, &k, &e), -EINVAL);
	assert_string_equal(e.msg, "vf 1 trust: Invalid argument; and vf 1 vlan cannot be taken "
				   "back: Input/output error");
	assert_true(mac_is_zero(&k.vfs[1].mac)); /* what can be is taken back all the same */
	hw_plan_fini(&plan);
}

/* The kernel that comes back from another number has VFs as fresh ones: their words come last. */
static void another_number_of_vfs_keeps_the_words_of_those_that_stay(void **state)
{
	struct kernel k = { .n_vfs = 3, .refuse_at = -1, .undo_refused_at = -1 };
	const struct hw_words w = { .mac.b = { 2, 1 }, .vlan = 9, .spoofchk = true };
	struct hw_plan plan = { 0 };

	for (unsigned int i = 0; i < 3; i++)
		k.vfs[i] = i == 1 ? w : fresh;
	assert_int_equal(hw_plan_numvfs(&plan, k.vfs, 3, 7, &fresh, all, NULL), 0);
	assert_int_equal(plan.n, 2 + 1 + 2); /* two words of one VF differ from a fresh one's */
	assert_int_equal(hw_plan_run(&plan, kernel_do, &k, NULL), 0);
	assert_int_equal(k.n_vfs, 7);
	assert_int_equal(k.vfs[1].vlan, 9);
	assert_true(k.vfs[6].spoofchk);
	hw_plan_fini(&plan);
}

static void a_tag_protocol_counts_with_a_tag_alone(void **state)
{
	const struct hw_words none = { 0 }, ad = { .proto = VF_PROTO_8021AD };
	const struct hw_words q = { .vlan = 5 }, qad = { .vlan = 5, .proto = VF_PROTO_8021AD };

	assert_true(hw_attr_equal(HW_ATTR_VLAN, &none, &ad));
	assert_false(hw_attr_equal(HW_ATTR_VLAN, &q, &qad));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plan_is_all_done_or_not_at_all),
		cmocka_unit_test(a_vfs_words_go_in_the_kernels_order),
		cmocka_unit_test(the_step_that_was_refused_is_named_and_one_that_stays),
		cmocka_unit_test(another_number_of_vfs_keeps_the_words_of_those_that_stay),
		cmocka_unit_test(a_tag_protocol_counts_with_a_tag_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
