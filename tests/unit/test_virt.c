/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of libvirt's words. */
#include "unit.h"

#include "agent/host/virt_priv.h"

#define ENDED "internal error: qemu unexpectedly closed the monitor: "
#define QEMU  "2026-11-29T02:04:54.367065Z qemu-system-x86_64: "

static void the_cause_is_what_is_told_of_a_qemu_that_ended(void **state)
{
	static const char *const rows[][2] = {
		{ ENDED QEMU
		  "-blockdev {\"driver\":\"file\",\"filename\":\"/x\",\"cache\":{\"direct\":true}}"
		  ": Could not open '/x': Permission denied",
		  "Could not open '/x': Permission denied" },
		{ ENDED "a warning before\n" QEMU "-device {\"driver\":\"x\"}: no such device\n",
		  "no such device\n" },
		{ ENDED "a warning before\n" QEMU "cannot set up guest memory\n",
		  QEMU "cannot set up guest memory\n" },
		{ "Domain not found: {x}: y", "Domain not found: {x}: y" },
		{ "", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(virt_cause(rows[i][0]), rows[i][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_cause_is_what_is_told_of_a_qemu_that_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
