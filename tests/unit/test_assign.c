/* SPDX-License-Identifier: Apache-2.0 */
/* Which worker a source gets. */
#include "unit.h"

#include "sw/data/assign.h"

static void the_least_loaded_worker_gets_the_source(void **state)
{
	struct assign_core cores[] = { { 0, 3 }, { 0, 1 }, { 0, 2 }, { 0, 1 } };

	assert_int_equal(assign(cores, 4, -1), 1);
	assert_int_equal(assign(cores, 1, -1), 0);
}

static void a_worker_near_the_memory_comes_first(void **state)
{
	struct assign_core cores[] = { { 0, 0 }, { 1, 9 }, { 0, 1 }, { 1, 8 } };

	assert_int_equal(assign(cores, 4, 1), 3);
	assert_int_equal(assign(cores, 4, 0), 0);
	assert_int_equal(assign(cores, 4, 7), 0); /* nobody is near */
}

static void sources_spread_evenly(void **state)
{
	struct assign_core cores[3] = { { -1, 0 }, { -1, 0 }, { -1, 0 } };

	for (int i = 0; i < 30; i++)
		cores[assign(cores, 3, i % 2)].load++;
	for (int i = 0; i < 3; i++)
		assert_int_equal(cores[i].load, 10);
}

static void the_kernel_is_asked_for_nodes(void **state)
{
	assert_int_equal(assign_node_of_cpu(-1), -1);
	assert_true(assign_node_of_cpu(0) >= -1);
	assert_true(assign_node_of_memory(&state) >= -1);
	assert_int_equal(assign_node_of_memory((void *)16), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_least_loaded_worker_gets_the_source),
		cmocka_unit_test(a_worker_near_the_memory_comes_first),
		cmocka_unit_test(sources_spread_evenly),
		cmocka_unit_test(the_kernel_is_asked_for_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
