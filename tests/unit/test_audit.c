/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about the audit log: what gets a line, and that nobody's words make one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "engine/audit.h"
#include "engine/engine.h"

static void logins_refusals_grants_and_changes_have_a_line(void **state)
{
	static const struct {
		enum rule rule;
		unsigned int flags;
		const char *method;
		unsigned int status;
		const char *event;
	} rows[] = {
		{ RULE_OPEN, ROUTE_LOGIN, "POST", 201, "login" },
		{ RULE_OPEN, ROUTE_LOGIN, "POST", 401, "login failed" },
		{ RULE_OPEN, ROUTE_LOGIN, "POST", 429, "login failed" },
		{ RULE_OPEN, ROUTE_LOGIN, "POST", 400, NULL },
		{ RULE_OPEN, 0, "GET", 200, NULL },
		{ RULE_SELF, ROUTE_LOGIN, "DELETE", 204, "token revoked" },
		{ RULE_SELF, ROUTE_LOGIN, "DELETE", 401, "refused" },
		{ RULE_SELF, ROUTE_LOGIN, "DELETE", 404, NULL },
		{ RULE_MANAGE, ROUTE_GRANT, "PUT", 204, "role granted" },
		{ RULE_MANAGE, ROUTE_GRANT, "DELETE", 204, "role revoked" },
		{ RULE_MANAGE, ROUTE_GRANT, "PUT", 403, "refused" },
		{ RULE_READ, 0, "GET", 200, NULL },
		{ RULE_READ, 0, "GET", 401, "refused" },
		{ RULE_READ, 0, "GET", 403, "refused" },
		{ RULE_READ, 0, "GET", 404, NULL },
		{ RULE_READ, 0, "GET", 429, "refused" },
		{ RULE_MISSING, 0, "GET", 401, "refused" },
		{ RULE_WRITE, 0, "POST", 201, "changed" },
		{ RULE_WRITE, 0, "POST", 409, NULL },
		{ RULE_WRITE, 0, "PUT", 500, NULL },
		{ RULE_WRITE, 0, "DELETE", 204, "changed" },
		{ RULE_AGENT, 0, "PUT", 200, NULL },
		{ RULE_AGENT, 0, "PUT", 403, "refused" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *event =
			audit_event(rows[i].rule, rows[i].flags, rows[i].method, rows[i].status);

		if (!event != !rows[i].event || (event && strcmp(event, rows[i].event)))
			fail_msg("row %zu: %s", i, event ? event : "no line");
	}
}

static size_t format(const char *user, const char *path, uint64_t left_out,
		     char out[AUDIT_LINE_MAX])
{
	struct auth who = { .user_id = "u1", .scope = SCOPE_PROJECT, .project_id = "p1" };
	struct audit_entry entry = { .event = "changed",
				     .request_id = "req-1",
				     .address = "192.0.2.7",
				     .method = "PUT",
				     .prefix = "/network",
				     .path = path,
				     .who = &who,
				     .status = 200,
				     .left_out = left_out };

	snprintf(who.user_name, sizeof(who.user_name), "%s", user);
	return audit_format(&entry, out);
}

static void a_line_says_who_where_and_what(void **state)
{
	char line[AUDIT_LINE_MAX];
	size_t len = format("ann", "/v2.0/x", 0, line);

	assert_int_equal(len, strlen(line));
	assert_string_equal(strchr(line, 'Z'),
			    "Z anyvf-apid audit: changed address=192.0.2.7 status=200 "
			    "request=req-1 user_id=u1 project=p1 method=PUT user=\"ann\" "
			    "path=\"/network/v2.0/x\"\n");
	format("ann", "/", 7, line);
	assert_non_null(strstr(line, " left_out=7\n"));
}

/* A name cannot begin a line, end its quotes, or drive a terminal; the longest fits. */
static void nobodys_words_make_a_line(void **state)
{
	static const char *const bad[] = {
		"x\n2026-11-28T00:00:00.000Z anyvf-apid audit: login failed address=10.0.0.1",
		"x\" address=10.0.0.1 user=\"admin",
		"x\\\" y",
		"\r\x1b[2J\x7f\t",
	};
	char line[AUDIT_LINE_MAX], longest[256], path[3000];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		size_t quotes = 0, len = format(bad[i], bad[i], 0, line);

		for (size_t j = 0; j < len; j++) {
			unsigned char byte = (unsigned char)line[j];

			if (j + 1 < len && (byte < 0x20 || byte == 0x7f))
				fail_msg("a control byte in: %s", line);
			if (byte == '\\')
				j++;
			else
				quotes += byte == '"';
		}
		assert_int_equal(quotes, 4);
		assert_int_equal(line[len - 1], '\n');
	}
	memset(longest, '\n', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	memset(path, '\x01', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_true(format(longest, path, UINT64_MAX, line) < AUDIT_LINE_MAX);
	assert_non_null(strstr(line, " left_out=18446744073709551615\n"));
}

static void strangers_have_so_many_lines_a_second(void **state)
{
	struct audit a = { .path = "log" };
	unsigned int said = 0;

	for (int i = 0; i < 1000; i++)
		said += audit_may_say(&a, false, 5000000 + i);
	assert_int_equal(said, 20);
	assert_int_equal(a.left_out, 980);
	assert_true(audit_may_say(&a, true, 5000000)); /* a login is not crowded out */
	assert_true(audit_may_say(&a, false, 6000000));
}

/* What log_write() puts on standard error. */
static void read_log(const char *value, char out[2000])
{
	int ends[2], keep = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	dup2(ends[1], STDERR_FILENO);
	log_warn("it happened", "name=%s", value);
	dup2(keep, STDERR_FILENO);
	close(keep);
	close(ends[1]);
	n = read(ends[0], out, 1999);
	out[n > 0 ? n : 0] = '\0';
	close(ends[0]);
}

static void an_event_in_the_log_is_one_line_whatever_it_says(void **state)
{
	char line[2000], big[3000];

	read_log("a\nb\r\x1b[31m c", line);
	assert_non_null(strstr(line, " warn: it happened name=a\\nb\\x0d\\x1b[31m c\n"));
	memset(big, '\n', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	read_log(big, line);
	assert_true(strlen(line) <= 1024);
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logins_refusals_grants_and_changes_have_a_line),
		cmocka_unit_test(a_line_says_who_where_and_what),
		cmocka_unit_test(nobodys_words_make_a_line),
		cmocka_unit_test(strangers_have_so_many_lines_a_second),
		cmocka_unit_test(an_event_in_the_log_is_one_line_whatever_it_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
