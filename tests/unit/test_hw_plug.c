/* SPDX-License-Identifier: Apache-2.0 */
/* hw/plug: plugging a VF in and out is all done or not at all, from whatever it was; a table stands for the kernel. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "hw/model.h"
#include "hw/netns.h"

/* A VF; a driver other than vfio-pci makes a netdev, by the name of eth7. */
struct world {
	char override[48], driver[48], name[16], netns[65], tap[16];
	bool up, autoprobe;
	int n, refuse_at;
};

static bool has_netdev(const struct world *w)
{
	return *w->driver && strcmp(w->driver, HW_VFIO) != 0;
}

static void driver_set(struct world *w, const char *driver)
{
	if (!strcmp(w->driver, driver))
		return;
	strcpy(w->driver, driver);
	strcpy(w->name, has_netdev(w) ? "eth7" : "");
	*w->netns = *w->tap = '\0';
	w->up = false;
}

static int place(struct world *w, const struct hw_value *to)
{
	if (!has_netdev(w))
		return *to->netns ? -ENODEV : 0;
	if (strcmp(w->netns, to->netns))
		w->up = false;
	strcpy(w->netns, to->netns);
	if (*to->name)
		strcpy(w->name, to->name);
	return 0;
}

static int world_do(void *arg, const struct hw_step *step, const struct hw_value *to, struct err *e)
{
	struct world *w = arg;

	if (to == &step->new && w->n++ == w->refuse_at)
		return err_set(e, -EBUSY, "Device or resource busy");
	assert_int_equal(step->vf, 3);
	switch ((enum hw_op)step->op) {
	case HW_OP_DRIVER:
		if (!*to->driver && !*w->override)
			return 0;
		strcpy(w->override, to->driver);
		driver_set(w, *to->driver ? to->driver : w->autoprobe ? "igbvf" : "");
		return 0;
	case HW_OP_PROBE:
		driver_set(w, to->number ? "igbvf" : "");
		return 0;
	case HW_OP_DEV_UP:
		if (has_netdev(w) && !*w->netns)
			w->up = to->number;
		return 0;
	case HW_OP_PLACE:
		return place(w, to);
	case HW_OP_MACVTAP:
		strcpy(w->tap, to->number ? (*to->name ? to->name : "macvtap0") : "");
		return 0;
	default:
		return -EINVAL;
	}
}

static void look(const struct world *w, struct hw_plug *out)
{
	*out = (struct hw_plug){ .autoprobe = w->autoprobe, .up = w->up && !*w->netns };
	strcpy(out->dev.driver, w->driver);
	strcpy(out->dev.override, w->override);
	if (has_netdev(w)) {
		out->spot.ifindex = 7;
		strcpy(out->spot.name, w->name);
		strcpy(out->spot.netns, w->netns);
	}
	if (*w->tap) {
		out->macvtap.ifindex = 8;
		strcpy(out->macvtap.name, w->tap);
	}
}

static bool same(const struct world *a, const struct world *b)
{
	return !strcmp(a->override, b->override) && !strcmp(a->driver, b->driver) &&
	       !strcmp(a->name, b->name) && !strcmp(a->netns, b->netns) &&
	       !strcmp(a->tap, b->tap) && a->up == b->up;
}

static const struct world worlds[] = {
	{ .driver = "igbvf", .name = "wan", .up = true, .autoprobe = true },
	{ .driver = "igbvf", .name = "eth3", .autoprobe = true },
	{ .autoprobe = false },
	{ .override = HW_VFIO, .driver = HW_VFIO, .autoprobe = true },
	{ .override = HW_VFIO, .driver = HW_VFIO },
};

static const struct vf_attach attaches[] = {
	{ .kind = VF_ATTACH_VFIO },
	{ .kind = VF_ATTACH_NETDEV },
	{ .kind = VF_ATTACH_NETDEV, .netns = "blue" },
	{ .kind = VF_ATTACH_NETDEV, .netns = "blue", .name = "net1" },
	{ .kind = VF_ATTACH_NETDEV, .name = "net1" },
	{ .kind = VF_ATTACH_MACVTAP },
	{ .kind = VF_ATTACH_MACVTAP, .name = "vm1" },
};

/*
 * Does a plan, refused at each step in turn and at last at none; @w is what becomes of it then. All of it
 * taken back, as after a kill at its end, is what was before.
 */
static void run_at_each(const struct hw_plan *plan, struct world *w)
{
	const struct world before = *w;

	for (int at = 0; at <= (int)plan->n; at++) {
		struct err e = { 0 };
		int rc;

		*w = before;
		w->n = 0;
		w->refuse_at = at;
		rc = hw_plan_run(plan, world_do, w, &e);
		assert_int_equal(rc, at < (int)plan->n ? -EBUSY : 0);
		if (rc)
			assert_true(same(w, &before));
	}
	struct world back = *w;
	assert_int_equal(hw_plan_undo(plan, plan->n, world_do, &back, NULL), 0);
	assert_true(same(&back, &before));
}

static void a_vf_is_plugged_in_and_out_or_not_at_all(void **state)
{
	for (unsigned int i = 0; i < ARRAY_LEN(worlds); i++)
		for (unsigned int k = 0; k < ARRAY_LEN(attaches); k++) {
			struct hw_vf_wish wish = { .attach = attaches[k] };
			struct hw_plan in = { 0 }, out = { 0 };
			struct world w = worlds[i];
			struct hw_plug is;

			look(&w, &is);
			strcpy(wish.home, is.spot.name);
			assert_int_equal(hw_plan_attach(&in, 3, &wish.attach, &is, NULL), 0);
			for (unsigned int s = 0; s < in.n; s++)
				wish.probed |= in.steps[s].op == HW_OP_PROBE;
			run_at_each(&in, &w);
			look(&w, &is);
			assert_true(hw_plug_is(&wish.attach, &is));
			assert_int_equal(hw_plan_detach(&out, 3, &wish, &is, NULL), 0);
			run_at_each(&out, &w);
			/* as it was, but down, and with the driver that it has of itself */
			assert_false(w.up);
			assert_string_equal(w.netns, "");
			assert_string_equal(w.tap, "");
			assert_string_equal(w.driver, w.autoprobe ? "igbvf" : "");
			if (*wish.home)
				assert_string_equal(w.name, wish.home);
			hw_plan_fini(&in);
			hw_plan_fini(&out);
		}
}

static void what_is_not_as_it_was_asked_for_is_told(void **state)
{
	static const struct {
		struct vf_attach asked;
		struct world is;
		bool same;
		const char *said;
	} rows[] = {
		{ { .kind = VF_ATTACH_VFIO },
		  { .driver = "igbvf", .name = "eth3" },
		  false,
		  "netdev eth3 in this namespace of igbvf" },
		{ { .kind = VF_ATTACH_VFIO },
		  { .driver = HW_VFIO },
		  true,
		  "driver vfio-pci, no netdev that is seen" },
		{ { .kind = VF_ATTACH_NETDEV, .netns = "blue", .name = "net1" },
		  { .driver = "igbvf", .name = "lan", .netns = "blue" },
		  true,
		  "netdev lan in namespace blue of igbvf" },
		{ { .kind = VF_ATTACH_NETDEV, .netns = "blue" },
		  { .driver = "igbvf", .name = "net1" },
		  false,
		  "netdev net1 in this namespace of igbvf" },
		{ { .kind = VF_ATTACH_NETDEV, .name = "net1" },
		  { .driver = "igbvf", .name = "lan" },
		  false,
		  "netdev lan in this namespace of igbvf" },
		{ { .kind = VF_ATTACH_NETDEV }, { .name = "" }, false, "no driver" },
		{ { .kind = VF_ATTACH_MACVTAP, .name = "vm1" },
		  { .driver = "igbvf", .name = "eth3", .tap = "vm1" },
		  true,
		  "macvtap vm1 on eth3" },
		{ { .kind = VF_ATTACH_MACVTAP },
		  { .driver = "igbvf", .name = "eth3" },
		  false,
		  "netdev eth3 in this namespace of igbvf" },
	};
	char said[128];

	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		struct hw_plug is;

		look(&rows[i].is, &is);
		assert_int_equal(hw_plug_is(&rows[i].asked, &is), rows[i].same);
		hw_plug_say_is(&is, said, sizeof(said));
		assert_string_equal(said, rows[i].said);
	}
	hw_plug_say(&rows[2].asked, said, sizeof(said));
	assert_string_equal(said, "netdev netns blue name net1");
}

static void a_namespaces_name_is_one_word_without_a_path(void **state)
{
	char longer[VF_NAME_LEN + 2];

	memset(longer, 'n', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(hw_netns_check("blue", NULL), 0);
	assert_int_equal(hw_netns_check(longer + 1, NULL), 0);
	assert_int_equal(hw_netns_check(longer, NULL), -EINVAL);
	assert_int_equal(hw_netns_check("", NULL), -EINVAL);
	assert_int_equal(hw_netns_check("../x", NULL), -EINVAL);
	assert_int_equal(hw_netns_check("..", NULL), -EINVAL);
	assert_int_equal(hw_netns_check("a/b", NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vf_is_plugged_in_and_out_or_not_at_all),
		cmocka_unit_test(what_is_not_as_it_was_asked_for_is_told),
		cmocka_unit_test(a_namespaces_name_is_one_word_without_a_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
