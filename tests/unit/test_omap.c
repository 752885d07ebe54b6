/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about the ordered map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/omap.h"

static void omap_keeps_keys_in_order(void **state)
{
	auto_of(omap_free) struct omap *map = omap_new();
	char key[16], last[16] = "";
	unsigned int n = 0;

	for (unsigned int i = 0; i < 5000; i++) {
		snprintf(key, sizeof(key), "k%04u", i * 2741 % 5000);
		omap_insert(map, key)->value = (void *)(uintptr_t)(i + 1);
	}
	assert_int_equal(omap_count(map), 5000);
	for (struct omap_node *node = omap_from(map, ""); node; node = node->next[0], n++) {
		assert_true(strcmp(last, node->key) < 0);
		strcpy(last, node->key);
	}
	assert_int_equal(n, 5000);
}

static void omap_from_finds_the_first_of_a_prefix(void **state)
{
	auto_of(omap_free) struct omap *map = omap_new();

	omap_insert(map, "/a/1");
	omap_insert(map, "/b/1");
	omap_insert(map, "/b/2");
	assert_string_equal(omap_from(map, "/b/")->key, "/b/1");
	assert_string_equal(omap_from(map, "/b/1")->next[0]->key, "/b/2");
	assert_null(omap_from(map, "/c"));
	assert_null(omap_find(map, "/b/"));
}

static void omap_remove_returns_the_value_once(void **state)
{
	auto_of(omap_free) struct omap *map = omap_new();
	int x;

	omap_insert(map, "a")->value = &x;
	assert_ptr_equal(omap_insert(map, "a")->value, &x);
	assert_ptr_equal(omap_remove(map, "a"), &x);
	assert_null(omap_remove(map, "a"));
	assert_int_equal(omap_count(map), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(omap_keeps_keys_in_order),
		cmocka_unit_test(omap_from_finds_the_first_of_a_prefix),
		cmocka_unit_test(omap_remove_returns_the_value_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
