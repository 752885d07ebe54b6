/* SPDX-License-Identifier: Apache-2.0 */
/* sw/parent/capabilities: who may be the switch's parent; the same words in docs/processes.md and in the unit. */
#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "sw/parent/capabilities.h"

static uint64_t all_of(void)
{
	uint64_t caps = 0;

	for (const struct capability *r = capabilities; r->name; r++)
		caps |= (uint64_t)1 << r->cap;
	return caps;
}

static void all_of_them_or_none_and_one_that_is_missing_is_named(void **state)
{
	const uint64_t all = all_of(), other = ~all;

	assert_int_equal(capabilities_judge(1000, all, NULL), 1);
	assert_int_equal(capabilities_judge(1000, UINT64_MAX, NULL), 1);
	assert_int_equal(capabilities_judge(1000, 0, NULL), 0);
	assert_int_equal(capabilities_judge(1000, other, NULL), 0); /* as CAP_IPC_LOCK for DPDK */
	for (const struct capability *r = capabilities; r->name; r++) {
		uint64_t bit = (uint64_t)1 << r->cap;
		struct err e = { 0 };

		assert_int_equal(capabilities_judge(1000, UINT64_MAX & ~bit, &e), -EPERM);
		assert_non_null(strstr(e.msg, r->name));
		assert_non_null(strstr(e.msg, r->why));
		assert_int_equal(capabilities_judge(1000, bit, NULL), -EPERM);
		assert_int_equal(capabilities_judge(0, UINT64_MAX & ~bit, NULL), 1);
	}
	assert_int_equal(capabilities_judge(0, 0, NULL), 1); /* root in a container: as far as it gets */
}

static char *text_of(const char *name)
{
	const char *src = getenv("ANYVF_SRC");
	char path[4096], *text;

	snprintf(path, sizeof(path), "%s/%s", src ? src : ".", name);
	assert_int_equal(file_read(path, 1 << 20, &text, NULL, NULL), 0);
	return text;
}

static void the_page_has_the_table(void **state)
{
	auto_free char *text = text_of("docs/processes.md");
	char row[256];

	for (const struct capability *r = capabilities; r->name; r++) {
		snprintf(row, sizeof(row), "\n| `%s` | %s |\n", r->name, r->why);
		if (!strstr(text, row))
			fail_msg("no row%s", row);
	}
}

/* Both lists of the unit: the same, no more and no less. */
static void the_unit_gives_these_and_no_others(void **state)
{
	auto_free char *text = text_of("packaging/systemd/anyvf-swd.service.in");
	char words[512] = "", line[1200];

	for (const struct capability *r = capabilities; r->name; r++)
		snprintf(words + strlen(words), sizeof(words) - strlen(words), " %s", r->name);
	words[0] = '=';
	snprintf(line, sizeof(line), "\nCapabilityBoundingSet%s\nAmbientCapabilities%s\n", words,
		 words);
	assert_non_null(strstr(text, line));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_them_or_none_and_one_that_is_missing_is_named),
		cmocka_unit_test(the_page_has_the_table),
		cmocka_unit_test(the_unit_gives_these_and_no_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
