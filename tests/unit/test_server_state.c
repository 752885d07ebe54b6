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
	static const char *const states[] = { "active", "building", "stopped",
						"paused", "suspended", "error" };
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
		{ "createImage", "active stopped paused suspended" },
		{ "attach_interface", "active stopped paused" },
		{ "detach_interface", "active stopped paused" },
		{ "restore", "" },
		{ "delete", "active building stopped paused suspended error" },
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
		assert_int_equal(doc_is(json_array_get(json_object_get(s, "actions"), 0), "result",
					"Error"),
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
		cmocka_unit_test(guest_that_powers_off_itself_changes_the_wish),
		cmocka_unit_test(shutoff_while_starting_is_not_the_end),
		cmocka_unit_test(error_report_carries_its_reason_and_active_heals),
		cmocka_unit_test(server_being_deleted_stays_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
