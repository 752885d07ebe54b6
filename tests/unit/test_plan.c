/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's plan: which step follows from what is wanted and what is there. */
#include <errno.h>

#include "unit.h"

#include "agent/kinds/net/net.h"
#include "agent/kinds/port/port.h"
#include "agent/kinds/server/server.h"
#include "agent/kinds/tap/tap.h"

static void plan_port_does_one_thing_at_a_time(void **state)
{
	static const struct {
		struct want_port want;
		struct port_have have;
		enum port_step step;
	} rows[] = {
		{ { .server = "s" }, { .known = false }, PORT_STEP_NONE },
		{ { .server = "s" }, { .known = true }, PORT_STEP_BIND },
		{ { .server = "s" },
		  { .known = true, .bound = true, .changed = 4 },
		  PORT_STEP_SET },
		{ { .server = "s" }, { .known = true, .bound = true }, PORT_STEP_ATTACH },
		{ { .server = NULL }, { .known = true, .bound = true }, PORT_STEP_NONE },
		{ { .server = "s" },
		  { .known = true, .bound = true, .attached_else = true },
		  PORT_STEP_NONE },
		{ { .server = "s" },
		  { .known = true, .bound = true, .attached = true },
		  PORT_STEP_NONE },
		{ { .server = NULL },
		  { .known = true, .bound = true, .attached = true },
		  PORT_STEP_DETACH },
		{ { .server = NULL },
		  { .known = true, .bound = true, .attached = true, .in_use = true },
		  PORT_STEP_NONE },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(plan_port(&rows[i].want, &rows[i].have), rows[i].step);
}

static void plan_port_releases_a_vf_only_after_its_domain(void **state)
{
	struct want_port want = { .server = "s", .released = true };
	struct port_have have = { .known = true, .bound = true, .attached = true, .in_use = true };

	assert_int_equal(plan_port(&want, &have), PORT_STEP_NONE);
	assert_null(plan_port_status(&want, &have));
	have.in_use = false;
	assert_int_equal(plan_port(&want, &have), PORT_STEP_RELEASE);
	have = (struct port_have){ .known = true };
	assert_int_equal(plan_port(&want, &have), PORT_STEP_NONE);
	assert_string_equal(plan_port_status(&want, &have), "RELEASED");
}

static void plan_port_says_active_when_the_guest_is_plugged_in(void **state)
{
	struct want_port want = { .server = "s" };
	struct port_have have = { .known = true, .bound = true, .attached = true };

	assert_string_equal(plan_port_status(&want, &have), "DOWN");
	have.connected = true;
	assert_string_equal(plan_port_status(&want, &have), "ACTIVE");
	want.link = VF_LINK_DISABLE; /* admin_state_up: False */
	assert_string_equal(plan_port_status(&want, &have), "DOWN");
	want.link = VF_LINK_AUTO;
	have.known = false;
	assert_null(plan_port_status(&want, &have));
	have.lost = true; /* the switch, or the PF with its VFs */
	assert_string_equal(plan_port_status(&want, &have), "DOWN");
	want.released = true;
	assert_null(plan_port_status(&want, &have));
}

static void plan_port_says_what_is_not_known(void **state)
{
	static const struct {
		struct want_port want;
		struct port_have have;
		const char *why;
	} rows[] = {
		{ { .pf = "nic0" }, { .known = true, .lost = true }, "" },
		{ { .pf = "nic0" }, { .known = false }, "" }, /* nobody has looked yet */
		{ { .pf = "nic0", .vf = 3 }, { .lost = true }, "there is no VF 3 of a PF nic0" },
		{ { .pf = "nic0", .vf = 3 },
		  { .lost = true, .untold = true },
		  "no anyvf daemon tells of a PF nic0" },
		{ { .pf = "nic0", .vf = WANT_WHOLE, .whole = true },
		  { .lost = true, .untold = true },
		  "no anyvf daemon tells of a PF nic0" },
	};
	char why[PORT_WHY_LEN + 1];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		plan_port_why(&rows[i].want, &rows[i].have, why);
		assert_string_equal(why, rows[i].why);
	}
}

/* Only one that is to start, and lacks nothing else, may be told that it waits in vain. */
static void plan_waits_is_of_servers_that_are_to_start(void **state)
{
	static const struct {
		struct want_server want;
		struct server_have have;
		bool waits;
	} rows[] = {
		{ { .power = WANT_ON }, { .known = true }, true },
		{ { .power = WANT_PAUSED }, { .known = true }, true },
		{ { .power = WANT_ON }, { .known = false }, false },
		{ { .power = WANT_ON }, { .known = true, .ports_ready = true }, false },
		{ { .power = WANT_ON }, { .known = true, .domain = DOMAIN_RUNNING }, false },
		{ { .power = WANT_OFF }, { .known = true }, false },
		{ { .power = WANT_ON, .deleted = true }, { .known = true }, false },
		{ { .power = WANT_ON, .generation = 2 },
		  { .known = true, .failed = true, .failed_generation = 2 },
		  false },
		{ { .power = WANT_ON, .generation = 3 },
		  { .known = true, .failed = true, .failed_generation = 2 },
		  true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(plan_waits(&rows[i].want, &rows[i].have), rows[i].waits);
}

static void nic_refused_is_for_what_nobody_mends_by_waiting(void **state)
{
	struct port p = { .facts.have.plug.way = PORT_BY_HOSTDEV, .facts.entity.retry.n = 3 };

	assert_true(nic_refused(&p, -EOPNOTSUPP));
	assert_true(nic_refused(&p, -EBUSY));
	assert_false(nic_refused(&p, 0));
	assert_false(nic_refused(&p, -ETIMEDOUT));
	assert_false(nic_refused(&p, -ECONNREFUSED));
	assert_false(nic_refused(&p, -ENODEV));
	p.facts.entity.retry.n = 2;
	assert_false(nic_refused(&p, -EOPNOTSUPP));
	p.facts.entity.retry.n = 3;
	p.facts.have.plug.way = PORT_BY_VHOST;
	assert_false(nic_refused(&p, -EOPNOTSUPP));
}

static void plan_server_follows_the_power_wish(void **state)
{
	struct want_server want = { .power = WANT_ON, .generation = 1 };
	struct server_have have = { .known = true };

	assert_int_equal(plan_server(&want, &have), SERVER_STEP_NONE); /* its VFs are not ready */
	have.ports_ready = true;
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_START);
	have.domain = DOMAIN_RUNNING;
	have.nics_known = true;
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_NONE);
	assert_string_equal(plan_server_status(&want, &have), "BUILD");
	have.was_active = true;
	assert_string_equal(plan_server_status(&want, &have), "ACTIVE");
	want.reboot = 1;
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_REBOOT);
	have.reboot = 1;
	want.power = WANT_OFF;
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_STOP);
	assert_null(plan_server_status(&want, &have));
	have.domain = DOMAIN_ABSENT;
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_NONE);
	assert_string_equal(plan_server_status(&want, &have), "SHUTOFF");
	have.known = false;
	want.power = WANT_ON;
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_NONE);
}

/* Wherever the agent was killed in between: a domain that went meanwhile did not end by itself. */
static void plan_server_ends_and_starts_anew_to_boot_from_another_disk(void **state)
{
	struct want_server want = { .power = WANT_ON, .generation = 2, .rescue = 7 };
	struct server_have have = { .known = true,
				    .ports_ready = true,
				    .domain = DOMAIN_RUNNING,
				    .nics_known = true,
				    .was_active = true };

	assert_int_equal(plan_server(&want, &have), SERVER_STEP_STOP);
	have.domain = DOMAIN_ABSENT;
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_START);
	have.halted = true;
	have.halted_generation = 2;
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_START);
	assert_string_equal(plan_server_status(&want, &have), "BUILD");
	have.saved = true;
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_FORGET);
	have.saved = false;
	have.rescue = 7; /* it ran in its rescue, and ended by itself */
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_NONE);
	have.halted = false;
	have.domain = DOMAIN_RUNNING;
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_NONE);
	want.rescue = 0;
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_STOP);
}

static void plan_server_has_the_disks_that_are_wanted(void **state)
{
	static const struct {
		struct want_server want;
		struct server_have have;
		enum server_step step;
	} rows[] = {
		/* a resize: it ends, and the next start copies the disk; off, that is a step */
		{ { .power = WANT_ON, .disk = 3 },
		  { .spare = -1, .domain = DOMAIN_RUNNING, .nics_known = true },
		  SERVER_STEP_STOP },
		{ { .power = WANT_ON, .disk = 3 }, { .spare = -1 }, SERVER_STEP_START },
		{ { .power = WANT_ON, .disk = 3 },
		  { .spare = -1, .halted = true, .halted_generation = 9 },
		  SERVER_STEP_START },
		{ { .power = WANT_OFF, .disk = 3 }, { .spare = -1 }, SERVER_STEP_RESIZE },
		{ { .power = WANT_OFF, .disk = 3 },
		  { .spare = -1, .failed = true, .failed_generation = 9 },
		  SERVER_STEP_NONE },
		{ { .power = WANT_OFF, .disk = 3 }, { .disk = 3 }, SERVER_STEP_NONE },
		/* confirmed, while it runs; taken back, when it runs from the old one */
		{ { .power = WANT_ON, .disk = 3, .before = -1 },
		  { .disk = 3, .domain = DOMAIN_RUNNING, .nics_known = true },
		  SERVER_STEP_SWEEP },
		{ { .power = WANT_ON, .before = -1 },
		  { .disk = 3, .domain = DOMAIN_RUNNING, .nics_known = true },
		  SERVER_STEP_STOP },
		{ { .power = WANT_ON, .before = -1 },
		  { .spare = 3, .domain = DOMAIN_RUNNING, .nics_known = true },
		  SERVER_STEP_SWEEP },
	};
	struct server_have have;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		have = rows[i].have;
		have.known = have.ports_ready = true;
		assert_int_equal(plan_server(&rows[i].want, &have), rows[i].step);
	}
	have = (struct server_have){ .known = true, .failed = true, .failed_generation = 9 };
	assert_string_equal(plan_server_status(&rows[3].want, &have), "ERROR");
}

static void plan_server_pauses_and_lets_run_again(void **state)
{
	struct want_server want = { .power = WANT_PAUSED, .generation = 1 };
	struct server_have have = { .known = true, .ports_ready = true };

	assert_int_equal(plan_server(&want, &have), SERVER_STEP_START); /* after a host's reboot */
	have.domain = DOMAIN_RUNNING;
	have.nics_known = true;
	have.was_active = true;
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_PAUSE);
	have.domain = DOMAIN_PAUSED;
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_NONE);
	assert_string_equal(plan_server_status(&want, &have), "PAUSED");
	want.power = WANT_ON;
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_UNPAUSE);
	assert_string_not_equal(plan_server_status(&want, &have), "ACTIVE");
	have.domain = DOMAIN_HELD; /* libvirt's or QEMU's own matter */
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_NONE);
	assert_int_equal(plan_power_state(&have), 3);
}

static void plan_server_plugs_and_unplugs_what_runs(void **state)
{
	static const struct {
		struct want_server want;
		struct server_have have;
		enum server_step step;
	} rows[] = {
		{ { .power = WANT_ON }, { .domain = DOMAIN_RUNNING }, SERVER_STEP_LOOK },
		{ { .power = WANT_PAUSED }, { .domain = DOMAIN_PAUSED }, SERVER_STEP_LOOK },
		{ { .power = WANT_ON },
		  { .domain = DOMAIN_RUNNING,
		    .nics_known = true,
		    .missing = true,
		    .surplus = true },
		  SERVER_STEP_PLUG },
		{ { .power = WANT_ON },
		  { .domain = DOMAIN_RUNNING, .nics_known = true, .surplus = true },
		  SERVER_STEP_UNPLUG },
		{ { .power = WANT_PAUSED },
		  { .domain = DOMAIN_PAUSED, .nics_known = true, .missing = true, .surplus = true },
		  SERVER_STEP_NONE },
		{ { .power = WANT_ON, .reboot = 1 },
		  { .domain = DOMAIN_RUNNING, .nics_known = true, .missing = true },
		  SERVER_STEP_REBOOT },
		{ { .power = WANT_OFF },
		  { .domain = DOMAIN_RUNNING, .nics_known = true, .surplus = true },
		  SERVER_STEP_STOP },
	};
	struct want_server want = { .power = WANT_ON, .generation = 2 };
	struct server_have have = { .unplugs = 3, .unplugs_generation = 2 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct server_have one = rows[i].have;

		one.known = true;
		assert_int_equal(plan_server(&rows[i].want, &one), rows[i].step);
	}
	assert_false(plan_unplug_failed(&want, &have));
	have.unplugs = 4;
	assert_true(plan_unplug_failed(&want, &have));
	want.generation = 3; /* it is wanted again, or others go */
	assert_false(plan_unplug_failed(&want, &have));
}

static void plan_server_saves_what_has_no_vf_and_restores_it(void **state)
{
	struct want_server want = { .power = WANT_SUSPENDED, .generation = 2 };
	struct server_have have = { .known = true,
				    .ports_ready = true,
				    .domain = DOMAIN_RUNNING,
				    .was_active = true,
				    .nics_known = true,
				    .surplus = true };

	assert_int_equal(plan_server(&want, &have), SERVER_STEP_UNPLUG);
	have.surplus = false;
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_SUSPEND);
	have.failed = true; /* libvirt does not save it */
	have.failed_generation = 2;
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_NONE);
	assert_string_equal(plan_server_status(&want, &have), "ACTIVE");
	have.failed = false;
	have.domain = DOMAIN_ABSENT;
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_NONE);
	assert_string_equal(plan_server_status(&want, &have), "SHUTOFF");
	have.saved = true;
	assert_string_equal(plan_server_status(&want, &have), "SUSPENDED");
	want.power = WANT_ON;
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_RESUME);
	want.reboot = 1;
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_FORGET);
	want.reboot = 0;
	have.domain = DOMAIN_RUNNING; /* it was restored, and the agent killed */
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_FORGET);
	have.saved = false;
	want.rebuild = 1;
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_REBUILD);
}

static void plan_server_leaves_a_guest_off_that_went_off_by_itself(void **state)
{
	struct want_server want = { .power = WANT_ON, .generation = 3 };
	struct server_have have = { .known = true,
				    .ports_ready = true,
				    .files = true,
				    .halted = true,
				    .halted_generation = 3 };

	assert_int_equal(plan_server(&want, &have), SERVER_STEP_NONE);
	assert_string_equal(plan_server_status(&want, &have), "SHUTOFF");
	want.generation = 5; /* "off" and "on" again since then */
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_START);
	want.generation = 3;
	want.reboot = 1; /* it ended for that, by an agent that was killed then */
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_START);
	want.reboot = 0;
	have.halted = false; /* another boot of the host */
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_START);
}

static void plan_server_does_not_repeat_a_start_that_failed(void **state)
{
	struct want_server want = { .power = WANT_ON, .generation = 2 };
	struct server_have have = {
		.known = true, .ports_ready = true, .failed = true, .failed_generation = 2
	};

	assert_int_equal(plan_server(&want, &have), SERVER_STEP_NONE);
	assert_string_equal(plan_server_status(&want, &have), "ERROR");
	want.generation = 3;
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_START);
}

static void plan_server_deletes_domain_and_files(void **state)
{
	struct want_server want = { .power = WANT_ON, .deleted = true };
	struct server_have have = { .known = true, .domain = DOMAIN_RUNNING, .files = true };

	assert_int_equal(plan_server(&want, &have), SERVER_STEP_DELETE);
	assert_null(plan_server_status(&want, &have));
	have.domain = DOMAIN_ABSENT;
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_DELETE);
	have.files = false;
	assert_int_equal(plan_server(&want, &have), SERVER_STEP_NONE);
	assert_string_equal(plan_server_status(&want, &have), "DELETED");
}

static void plan_net_builds_and_removes_dhcp(void **state)
{
	struct net_have have = { .known = true, .wanted = true };

	assert_int_equal(plan_net(&have), NET_STEP_ADD);
	have.service_port = true; /* of a switch that restarted: its addresses are gone */
	assert_int_equal(plan_net(&have), NET_STEP_ADD);
	have.addressed = true;
	assert_int_equal(plan_net(&have), NET_STEP_START);
	assert_string_equal(plan_net_status(&have), "DOWN");
	have.running = have.conf_current = true;
	assert_int_equal(plan_net(&have), NET_STEP_UPDATE);
	have.hosts_current = true;
	assert_int_equal(plan_net(&have), NET_STEP_NONE);
	assert_string_equal(plan_net_status(&have), "ACTIVE");
	have.service_port = false; /* deleted by hand: comes back */
	assert_int_equal(plan_net(&have), NET_STEP_ADD);
	have.wanted = false;
	assert_int_equal(plan_net(&have), NET_STEP_REMOVE);
	have.running = have.files = false;
	assert_int_equal(plan_net(&have), NET_STEP_NONE);
	assert_string_equal(plan_net_status(&have), "ACTIVE");
}

static void plan_tap_takes_away_before_it_adds(void **state)
{
	static const struct {
		struct tap_have have;
		enum tap_step step;
		const char *status;
	} rows[] = {
		{ { .known = true }, TAP_STEP_NONE, "DOWN" },
		{ { .known = true, .surplus = true }, TAP_STEP_REMOVE, "DOWN" },
		{ { .known = true, .ports = true, .missing = true }, TAP_STEP_ADD, "DOWN" },
		{ { .known = true, .ports = true, .surplus = true, .missing = true },
		  TAP_STEP_REMOVE,
		  "DOWN" },
		{ { .known = true, .ports = true }, TAP_STEP_NONE, "ACTIVE" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(plan_tap(&rows[i].have), rows[i].step);
		assert_string_equal(plan_tap_status(&rows[i].have, false), rows[i].status);
		assert_string_equal(plan_tap_status(&rows[i].have, true), "ERROR");
	}
	assert_int_equal(plan_tap(&(struct tap_have){ .missing = true }), TAP_STEP_NONE);
	assert_null(plan_tap_status(&(struct tap_have){ .missing = true }, true));
}

static void plan_start_again_gives_a_killed_domain_two_more_tries(void **state)
{
	static const int pass[] = { -ENOTCONN,	-ETIMEDOUT, -ECONNREFUSED,
				    -ECANCELED, -EAGAIN,    -ENOMEM };
	static const int stay[] = { -EIO, -ENOENT, -EINVAL, -EACCES, -ENOSPC };

	for (unsigned int starts = 0; starts < 9; starts++)
		for (int begun = 0; begun < 2; begun++) {
			for (size_t i = 0; i < ARRAY_LEN(pass); i++)
				assert_true(plan_start_again(pass[i], begun, starts));
			for (size_t i = 0; i < ARRAY_LEN(stay); i++)
				assert_int_equal(plan_start_again(stay[i], begun, starts),
						 begun && starts < 3);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan_port_does_one_thing_at_a_time),
		cmocka_unit_test(plan_port_releases_a_vf_only_after_its_domain),
		cmocka_unit_test(plan_port_says_active_when_the_guest_is_plugged_in),
		cmocka_unit_test(plan_port_says_what_is_not_known),
		cmocka_unit_test(plan_waits_is_of_servers_that_are_to_start),
		cmocka_unit_test(nic_refused_is_for_what_nobody_mends_by_waiting),
		cmocka_unit_test(plan_server_follows_the_power_wish),
		cmocka_unit_test(plan_server_ends_and_starts_anew_to_boot_from_another_disk),
		cmocka_unit_test(plan_server_has_the_disks_that_are_wanted),
		cmocka_unit_test(plan_server_pauses_and_lets_run_again),
		cmocka_unit_test(plan_server_plugs_and_unplugs_what_runs),
		cmocka_unit_test(plan_server_saves_what_has_no_vf_and_restores_it),
		cmocka_unit_test(plan_server_leaves_a_guest_off_that_went_off_by_itself),
		cmocka_unit_test(plan_server_does_not_repeat_a_start_that_failed),
		cmocka_unit_test(plan_server_deletes_domain_and_files),
		cmocka_unit_test(plan_net_builds_and_removes_dhcp),
		cmocka_unit_test(plan_tap_takes_away_before_it_adds),
		cmocka_unit_test(plan_start_again_gives_a_killed_domain_two_more_tries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
