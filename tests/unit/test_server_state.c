/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about src/compute/server_state.c: statuses, allowed actions, what reports do. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/field.h"
#include "compute/server_state.h"
#include "engine/docs.h"

#define NOW "2026-11-22T15:16:20Z"

static json_t *server(const char *vm_state, const char *task)
{
	return json_pack("{s:s,s:s,s:s?,s:s,s:i}", "id", "S", "vm_state", vm_state, "task_state",
			 task, "host", "h1", "power_state", POWER_NONE);
}

static json_t *wish(const char *power, int reboot)
{
	return json_pack("{s:i,s:s,s:i}", "generation", 3, "power", power, "reboot", reboot);
}

static json_t *report(const char *status, int power_state, int reboot)
{
	return json_pack("{s:i,s:s,s:i,s:i}", "generation", 3, "status", status, "power_state",
			 power_state, "reboot", reboot);
}

static void states_show_as_novas_status(void **state)
{
	static const char *const want[][3] = {
		{ "building", "spawning", "BUILD" },
		{ "active", NULL, "ACTIVE" },
		{ "active", "powering-off", "ACTIVE" },
		{ "active", "rebooting", "REBOOT" },
		{ "active", "rebooting_hard", "HARD_REBOOT" },
		{ "stopped", NULL, "SHUTOFF" },
		{ "paused", NULL, "PAUSED" },
		{ "paused", "unpausing", "PAUSED" },
		{ "suspended", "resuming", "SUSPENDED" },
		{ "active", "rebuilding", "REBUILD" },
		{ "error", "rebuilding", "REBUILD" },
		{ "rescued", NULL, "RESCUE" },
		{ "stopped", "rescuing", "SHUTOFF" },
		{ "active", "resize_prep", "RESIZE" },
		{ "resized", NULL, "VERIFY_RESIZE" },
		{ "resized", "resize_confirming", "VERIFY_RESIZE" },
		{ "resized", "resize_reverting", "REVERT_RESIZE" },
		{ "error", NULL, "ERROR" },
		{ "melted", NULL, "UNKNOWN" },
	};

	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		auto_of(json_decref) json_t *s = server(want[i][0], want[i][1]);
		assert_string_equal(server_status(s), want[i][2]);
	}
}

static void actions_are_allowed_and_refused_in_novas_words(void **state)
{
	static const struct {
		const char *vm, *task, *action, *says;
	} t[] = {
		{ "stopped", NULL, "start", NULL },
		{ "active", NULL, "start",
		  "Cannot 'start' instance S while it is in vm_state active" },
		{ "active", NULL, "stop", NULL },
		{ "active", "powering-off", "stop",
		  "Cannot 'stop' instance S while it is in task_state powering-off" },
		{ "stopped", NULL, "reboot",
		  "Cannot 'reboot' instance S while it is in vm_state stopped" },
		{ "stopped", NULL, "reboot_hard", NULL },
		{ "active", "rebooting", "reboot_hard", NULL },
		{ "active", "deleting", "reboot_hard",
		  "Cannot 'reboot' instance S while it is in task_state deleting" },
		{ "building", "spawning", "delete", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		auto_of(json_decref) json_t *s = server(t[i].vm, t[i].task);
		struct err e = { 0 };

		assert_int_equal(server_may(s, t[i].action, &e), t[i].says ? -EBUSY : 0);
		assert_string_equal(e.msg, t[i].says ? t[i].says : "");
	}
}

/* nova/compute/api.py, check_instance_state() of each action. */
static void each_action_begins_in_novas_states_alone(void **state)
{
	static const char *const states[] = { "active",	   "building", "stopped", "paused",
					      "suspended", "error",    "rescued", "resized" };
	static const struct {
		const char *action, *in;
	} t[] = {
		{ "start", "stopped" },
		{ "stop", "active error" },
		{ "reboot", "active" },
		{ "reboot_hard", "active stopped paused suspended error" },
		{ "pause", "active" },
		{ "unpause", "paused" },
		{ "suspend", "active" },
		{ "resume", "suspended" },
		{ "rebuild", "active stopped error" },
		{ "rescue", "active stopped error" },
		{ "unrescue", "rescued" },
		{ "resize", "active stopped" },
		{ "confirmResize", "resized" },
		{ "revertResize", "resized" },
		{ "createImage", "active stopped paused suspended" },
		{ "attach_interface", "active stopped paused" },
		{ "detach_interface", "active stopped paused" },
		{ "restore", "" },
		{ "delete", "active building stopped paused suspended error rescued resized" },
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		for (size_t k = 0; k < ARRAY_LEN(states); k++) {
			auto_of(json_decref) json_t *s = server(states[k], NULL);
			bool may = strstr(t[i].in, states[k]);

			assert_int_equal(server_may(s, t[i].action, NULL), may ? 0 : -EBUSY);
			doc_set_text(s, "task_state", "spawning");
			may = !strcmp(t[i].action, "delete");
			assert_int_equal(server_may(s, t[i].action, NULL), may ? 0 : -EBUSY);
		}
}

static void server_without_host_is_not_ready(void **state)
{
	auto_of(json_decref) json_t *s = server("error", NULL);
	struct err e = { 0 };

	json_object_set_new(s, "host", json_null());
	assert_int_equal(server_may(s, "start", &e), -EBUSY);
	assert_string_equal(e.msg, "Instance S is not ready");
	assert_int_equal(server_may(s, "delete", NULL), 0);
}

static void first_active_report_ends_the_build(void **state)
{
	auto_of(json_decref) json_t *s = server("building", "spawning"), *w = wish("on", 0);
	auto_of(json_decref) json_t *r = report("ACTIVE", POWER_RUNNING, 0);

	server_report(s, w, r, NOW);
	assert_string_equal(server_status(s), "ACTIVE");
	assert_string_equal(json_string_value(json_object_get(s, "launched_at")), NOW);
	server_report(s, w, r, "later");
	assert_string_equal(json_string_value(json_object_get(s, "launched_at")), NOW);
}

static void active_report_does_not_end_a_stop(void **state)
{
	auto_of(json_decref) json_t *s = server("active", "powering-off"), *w = wish("off", 0);
	auto_of(json_decref) json_t *r = report("ACTIVE", POWER_RUNNING, 0);
	auto_of(json_decref) json_t *off = report("SHUTOFF", POWER_OFF, 0);

	server_report(s, w, r, NOW);
	assert_string_equal(json_string_value(json_object_get(s, "task_state")), "powering-off");
	server_report(s, w, off, NOW);
	assert_string_equal(server_status(s), "SHUTOFF");
}

static void reboot_ends_with_the_report_that_counts_it(void **state)
{
	auto_of(json_decref) json_t *s = server("active", "rebooting"), *w = wish("on", 2);
	auto_of(json_decref) json_t *early = report("ACTIVE", POWER_RUNNING, 1);
	auto_of(json_decref) json_t *done = report("ACTIVE", POWER_RUNNING, 2);

	server_report(s, w, early, NOW);
	assert_string_equal(server_status(s), "REBOOT");
	server_report(s, w, done, NOW);
	assert_string_equal(server_status(s), "ACTIVE");
}

static void paused_report_ends_a_pause_and_active_ends_it_again(void **state)
{
	auto_of(json_decref) json_t *s = server("active", "pausing"), *w = wish("paused", 0);
	auto_of(json_decref) json_t *early = report("ACTIVE", POWER_RUNNING, 0);
	auto_of(json_decref) json_t *done = report("PAUSED", POWER_PAUSED, 0);
	auto_of(json_decref) json_t *off = report("SHUTOFF", POWER_OFF, 0), *on = wish("on", 0);

	server_report(s, w, early, NOW);
	assert_string_equal(json_string_value(json_object_get(s, "task_state")), "pausing");
	server_report(s, w, done, NOW);
	assert_string_equal(server_status(s), "PAUSED");
	doc_set_text(s, "task_state", "unpausing");
	server_report(s, on, early, NOW);
	assert_string_equal(server_status(s), "ACTIVE");
	/* it ended while it was to be paused, and stays off */
	doc_set_text(s, "task_state", "pausing");
	server_report(s, w, off, NOW);
	assert_string_equal(json_string_value(json_object_get(s, "power")), "off");
	assert_string_equal(server_status(s), "SHUTOFF");
}

static void server_that_is_not_suspended_runs_on(void **state)
{
	static const char *const keeps[] = { "[]", "[\"port\"]" };

	for (size_t i = 0; i < ARRAY_LEN(keeps); i++) {
		auto_of(json_decref) json_t *s = server("active", "suspending");
		auto_of(json_decref) json_t *w = wish("suspended", 0);
		auto_of(json_decref) json_t *r = report("ACTIVE", POWER_RUNNING, 0);

		json_object_set_new(r, "kept", json_loads(keeps[i], 0, NULL));
		json_object_set_new(s, "actions", json_pack("[{s:s}]", "action", "suspend"));
		server_report(s, w, r, NOW);
		assert_int_equal(!doc_text(s, "task_state"), i);
		assert_int_equal(doc_is(s, "power", "on"), i);
		assert_int_equal(
			doc_is(json_array_get(json_object_get(s, "actions"), 0), "result", "Error"),
			i);
	}
}

static void rebuild_ends_with_the_report_that_counts_it(void **state)
{
	auto_of(json_decref) json_t *s = server("stopped", "rebuilding"), *w = wish("off", 0);
	auto_of(json_decref) json_t *r = report("SHUTOFF", POWER_OFF, 0);

	json_object_set_new(w, "rebuild", json_integer(1));
	server_report(s, w, r, NOW);
	assert_string_equal(server_status(s), "REBUILD");
	json_object_set_new(r, "rebuild", json_integer(1));
	server_report(s, w, r, NOW);
	assert_string_equal(server_status(s), "SHUTOFF");
}

static void rescue_ends_with_the_report_of_its_number(void **state)
{
	auto_of(json_decref) json_t *s = server("active", "rescuing"), *w = wish("on", 0);
	auto_of(json_decref) json_t *r = report("ACTIVE", POWER_RUNNING, 0);
	auto_of(json_decref) json_t *off = report("SHUTOFF", POWER_OFF, 0);

	json_object_set_new(w, "rescue", json_integer(7));
	server_report(s, w, r, NOW);
	assert_string_equal(doc_text(s, "task_state"), "rescuing");
	json_object_set_new(r, "rescue", json_integer(7));
	server_report(s, w, r, NOW);
	assert_string_equal(server_status(s), "RESCUE");
	/* its guest ends, and does so in its rescue */
	json_object_set_new(off, "rescue", json_integer(7));
	server_report(s, w, off, NOW);
	assert_string_equal(server_status(s), "RESCUE");
	assert_true(doc_is(s, "power", "off"));
	doc_set_text(s, "task_state", "unrescuing");
	json_object_del(w, "rescue");
	server_report(s, w, r, NOW);
	assert_string_equal(server_status(s), "RESCUE");
	json_object_del(r, "rescue");
	server_report(s, w, r, NOW);
	assert_string_equal(server_status(s), "ACTIVE");
}

static void rescue_that_fails_is_not_wished_for_any_more(void **state)
{
	auto_of(json_decref) json_t *s = server("stopped", "rescuing"), *w = wish("on", 0);
	auto_of(json_decref) json_t *r = report("ERROR", POWER_OFF, 0);
	const json_t *action;

	json_object_set_new(w, "rescue", json_integer(7));
	json_object_set_new(s, "rescue", json_integer(7));
	json_object_set_new(s, "actions", json_pack("[{s:s}]", "action", "rescue"));
	server_report(s, w, r, NOW);
	assert_string_equal(server_status(s), "ERROR");
	assert_null(json_object_get(s, "rescue"));
	assert_true(doc_is(s, "power", "off")); /* as it was */
	action = json_array_get(json_object_get(s, "actions"), 0);
	assert_true(doc_is(action, "result", "Error") && doc_text(action, "message"));
}

/* Off, too: it is told by the disks alone then. */
static void resize_ends_with_the_report_of_its_disks(void **state)
{
	static const char *const powers[][3] = { { "on", "ACTIVE", "ACTIVE" },
						 { "off", "SHUTOFF", "SHUTOFF" } };

	for (size_t i = 0; i < ARRAY_LEN(powers); i++) {
		auto_of(json_decref) json_t *s = server(i ? "stopped" : "active", "resize_prep");
		auto_of(json_decref) json_t *w = wish(powers[i][0], 0);
		auto_of(json_decref) json_t *r = report(powers[i][1], POWER_RUNNING, 0);

		json_object_update_new(w,
				       json_pack("{s:i,s:{s:i}}", "disk", 7, "before", "disk", 0));
		server_report(s, w, r, NOW);
		assert_string_equal(server_status(s), "RESIZE");
		json_object_update_new(r, json_pack("{s:i,s:i}", "disk", 7, "kept_disk", 5));
		server_report(s, w, r, NOW);
		assert_string_equal(server_status(s), "RESIZE"); /* another than that to go back to */
		json_object_set_new(r, "kept_disk", json_integer(0));
		server_report(s, w, r, NOW);
		assert_string_equal(server_status(s), "VERIFY_RESIZE");
		doc_set_text(s, "task_state", "resize_confirming");
		json_object_del(w, "before");
		server_report(s, w, r, NOW);
		assert_string_equal(doc_text(s, "task_state"), "resize_confirming");
		json_object_set_new(r, "kept_disk", json_null());
		server_report(s, w, r, NOW);
		assert_string_equal(server_status(s), powers[i][2]);
	}
}

static void resize_that_fails_is_taken_back(void **state)
{
	auto_of(json_decref) json_t *s = server("active", "resize_prep"), *w = wish("on", 0);
	auto_of(json_decref) json_t *r = report("ERROR", POWER_OFF, 0);
	auto_of(json_decref) json_t *well = report("ACTIVE", POWER_RUNNING, 0);

	json_object_update_new(s, json_pack("{s:s,s:i,s:{s:s,s:i,s:s}}", "flavor", "new", "disk", 7,
					    "before", "flavor", "old", "disk", 0, "power", "on"));
	server_report(s, w, r, NOW);
	assert_string_equal(server_status(s), "ERROR");
	assert_true(doc_is(s, "flavor", "old") && !doc_int(s, "disk"));
	assert_null(json_object_get(s, "before"));
	server_report(s, w, well, NOW);
	assert_string_equal(server_status(s), "ACTIVE");
}

static void guest_that_powers_off_itself_changes_the_wish(void **state)
{
	auto_of(json_decref) json_t *s = server("active", NULL), *w = wish("on", 0);
	auto_of(json_decref) json_t *r = report("SHUTOFF", POWER_OFF, 0);

	server_report(s, w, r, NOW);
	assert_string_equal(json_string_value(json_object_get(s, "power")), "off");
	assert_string_equal(server_status(s), "SHUTOFF");
}

static void shutoff_while_starting_is_not_the_end(void **state)
{
	auto_of(json_decref) json_t *s = server("stopped", "powering-on"), *w = wish("on", 0);
	auto_of(json_decref) json_t *r = report("SHUTOFF", POWER_OFF, 0);

	server_report(s, w, r, NOW);
	assert_null(json_object_get(s, "power"));
	assert_string_equal(json_string_value(json_object_get(s, "task_state")), "powering-on");
}

static void error_report_carries_its_reason_and_active_heals(void **state)
{
	auto_of(json_decref) json_t *s = server("building", "spawning"), *w = wish("on", 0);
	auto_of(json_decref) json_t *r = report("ERROR", POWER_NONE, 0);
	auto_of(json_decref) json_t *ok = report("ACTIVE", POWER_RUNNING, 0);

	json_object_set_new(r, "fault", json_pack("{s:s}", "message", "no such image"));
	server_report(s, w, r, NOW);
	assert_string_equal(server_status(s), "ERROR");
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(s, "fault"), "message")),
		"no such image");
	server_report(s, w, ok, NOW);
	assert_null(json_object_get(s, "fault"));
}

static void server_being_deleted_stays_so(void **state)
{
	auto_of(json_decref) json_t *s = server("active", "deleting"), *w = wish("on", 0);
	auto_of(json_decref) json_t *r = report("ACTIVE", POWER_RUNNING, 0);

	server_report(s, w, r, NOW);
	assert_string_equal(json_string_value(json_object_get(s, "task_state")), "deleting");
}

static void a_resizes_word_follows_its_server(void **state)
{
	static const struct {
		const char *vm_state, *task, *was, *now;
		bool before, over;
	} rows[] = {
		{ "active", "resize_prep", "", "migrating", true, false },
		{ "resized", NULL, "migrating", "finished", true, false },
		{ "resized", "resize_confirming", "finished", "confirming", false, false },
		{ "resized", "resize_reverting", "finished", "reverting", false, false },
		{ "active", NULL, "confirming", "confirmed", false, true },
		{ "stopped", NULL, "reverting", "reverted", false, true },
		{ "error", NULL, "migrating", "error", false, true },
		{ "error", NULL, "reverting", "error", false, true },
		/* rebuilt, or gone, without being asked about its resize */
		{ "error", "rebuilding", "finished", "confirmed", false, true },
		{ "error", NULL, "finished", "finished", true, false },
		{ "active", "deleting", "migrating", "migrating", true, false },
		{ "active", NULL, "migrating", "error", false, true },
		{ "active", NULL, "error", "error", false, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_of(json_decref) json_t *s = server(rows[i].vm_state, rows[i].task);
		bool over;

		if (rows[i].before)
			json_object_set_new(s, "before", json_object());
		assert_string_equal(server_resize_status(s, rows[i].was, &over), rows[i].now);
		assert_int_equal(over, rows[i].over);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_show_as_novas_status),
		cmocka_unit_test(actions_are_allowed_and_refused_in_novas_words),
		cmocka_unit_test(each_action_begins_in_novas_states_alone),
		cmocka_unit_test(server_without_host_is_not_ready),
		cmocka_unit_test(first_active_report_ends_the_build),
		cmocka_unit_test(active_report_does_not_end_a_stop),
		cmocka_unit_test(reboot_ends_with_the_report_that_counts_it),
		cmocka_unit_test(paused_report_ends_a_pause_and_active_ends_it_again),
		cmocka_unit_test(server_that_is_not_suspended_runs_on),
		cmocka_unit_test(rebuild_ends_with_the_report_that_counts_it),
		cmocka_unit_test(rescue_ends_with_the_report_of_its_number),
		cmocka_unit_test(rescue_that_fails_is_not_wished_for_any_more),
		cmocka_unit_test(resize_ends_with_the_report_of_its_disks),
		cmocka_unit_test(resize_that_fails_is_taken_back),
		cmocka_unit_test(a_resizes_word_follows_its_server),
		cmocka_unit_test(guest_that_powers_off_itself_changes_the_wish),
		cmocka_unit_test(shutoff_while_starting_is_not_the_end),
		cmocka_unit_test(error_report_carries_its_reason_and_active_heals),
		cmocka_unit_test(server_being_deleted_stays_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
