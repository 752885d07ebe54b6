/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about ids of deleted images, with the store in memory and a clock that the test sets. */
#include "unit/unit.h"

#include <stdio.h>

#include "api_engine.h"
#include "base/uuid.h"
#include "image/image.h"

#define DAY_US (86400 * INT64_C(1000000))
#define IMAGES "/image/v2/images"
#define ID     "11111111-2222-4333-8444-555555555555"

static const struct feature *const features[] = { &image_feature, NULL };
static const struct auth demo = { "u1", "demo", "default", SCOPE_PROJECT, "p1", "", ROLE_MEMBER };
static const struct auth other = { "u2", "eve", "default", SCOPE_PROJECT, "p2", "", ROLE_MEMBER };

static struct api_engine f;

static int setup(void **state)
{
	api_engine_open(&f, features);
	return 0;
}

static int teardown(void **state)
{
	return api_engine_close(&f);
}

static unsigned int create(const struct auth *who, const char *id)
{
	char body[128];

	snprintf(body, sizeof(body), "{\"id\":\"%s\",\"name\":\"x\"}", id);
	return api_call(f.eng, who, "POST", IMAGES, body, NULL);
}

/* The answer waits for the store; the document is gone at once. */
static void remove_image(const char *id)
{
	char target[128];

	snprintf(target, sizeof(target), IMAGES "/%s", id);
	api_call(f.eng, &demo, "DELETE", target, NULL, NULL);
}

static void sweep_in(int64_t days)
{
	struct call *c = run_new(f.eng, NULL);

	c->now_us = run_now_us() + days * DAY_US;
	assert_int_equal(image_sweep(c), 0);
	assert_int_equal(group_take(c), 0);
	call_free(c);
}

static void a_deleted_id_is_nobodys_for_a_month(void **state)
{
	assert_int_equal(create(&demo, ID), 201);
	assert_int_equal(create(&demo, ID), 409);
	remove_image(ID);
	assert_int_equal(create(&demo, ID), 409);
	assert_int_equal(create(&other, ID), 409);
	sweep_in(29);
	assert_int_equal(create(&other, ID), 409);
	sweep_in(31);
	assert_int_equal(create(&other, ID), 201);
}

static unsigned int n_gone(void)
{
	struct call *c = run_new(f.eng, NULL);
	unsigned int n = res_count(c, &image_gone_resource, "owner", "p1");

	call_free(c);
	return n;
}

static void deleted_ids_do_not_fill_the_store(void **state)
{
	char id[UUID_STR_LEN];

	for (unsigned int i = 1; i <= 1010; i++) {
		uuid_new(id);
		assert_int_equal(create(&demo, id), 201);
		remove_image(id);
		assert_int_equal(n_gone(), MIN(i, 1000U));
		assert_int_equal(create(&demo, id), 409);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_deleted_id_is_nobodys_for_a_month, setup,
						teardown),
		cmocka_unit_test_setup_teardown(deleted_ids_do_not_fill_the_store, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
