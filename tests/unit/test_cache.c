/* SPDX-License-Identifier: Apache-2.0 */
/* agent/kinds/server/cache: what lies there is judged at each use, and goes when nobody uses it. */
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "agent/kinds/server/cache.h"
#include "base/file.h"
#include "base/spawn.h"

#define ID   "11111111-2222-4333-8444-555555555555"
#define HASH "00112233445566778899aabbccddeeff0011223344556677"

static char top[64], images[80], servers[80], link_path[128];

static int setup(void **state)
{
	char vm[128];

	strcpy(top, "/tmp/anyvf-unit-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	snprintf(images, sizeof(images), "%s/images", top);
	snprintf(servers, sizeof(servers), "%s/servers", top);
	snprintf(link_path, sizeof(link_path), "%s/vm/" CACHE_BASE, servers);
	snprintf(vm, sizeof(vm), "%s/vm", servers);
	return mkdir(images, 0755) || mkdir(servers, 0755) || mkdir(vm, 0755);
}

static int teardown(void **state)
{
	const char *const argv[] = { "rm", "-rf", top, NULL };

	return spawn_run(argv, 5000, NULL, 0, NULL);
}

static void put(const char *name, const char *bytes, size_t size, unsigned int age_h)
{
	struct timespec times[2] = { { .tv_sec = time(NULL) - age_h * 3600L } };
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", images, name);
	assert_int_equal(file_replace(path, bytes, size, 0644, NULL), 0);
	times[1] = times[0];
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool there(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", images, name);
	return !access(path, F_OK);
}

static int get(const char *format, struct cache_file *out, struct err *e)
{
	const struct want_file want = { ID, format, HASH };

	return cache_get(NULL, images, &want, link_path, out, e);
}

static void a_file_is_used_as_what_it_was_fetched(void **state)
{
	static const char raw[] = ID ".raw.00112233445566778899aabbccddeeff";
	struct cache_file f;
	char target[PATH_MAX] = "";

	put(raw, "bytes", 5, 100);
	assert_int_equal(get("raw", &f, NULL), 0);
	assert_int_equal(f.size, 5);
	assert_string_equal(strrchr(f.path, '/') + 1, raw);
	assert_true(readlink(link_path, target, sizeof(target) - 1) > 0);
	assert_string_equal(target, f.path);
	cache_evict(images, servers);
	assert_true(there(raw));
}

static void what_lies_there_is_judged_at_each_use(void **state)
{
	char backed[512] = "QFI\xfb\0\0\0\2\0\0\0\0\0\0\0\310\0\0\0\13";
	struct cache_file f;
	struct err e = { 0 };

	put(ID ".qcow2.00112233445566778899aabbccddeeff", backed, sizeof(backed), 0);
	assert_int_equal(get("qcow2", &f, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "image " ID));
	assert_non_null(strstr(e.msg, "refers to another file"));
	assert_int_equal(access(link_path, F_OK), -1);
	put(ID ".aki.00112233445566778899aabbccddeeff", backed, sizeof(backed), 0);
	assert_int_equal(get("aki", &f, NULL), -EMEDIUMTYPE);
	put(ID ".raw.00112233445566778899aabbccddeeff", "good", 4, 0);
	assert_int_equal(get("raw", &f, NULL), 0);
	put(ID ".raw.00112233445566778899aabbccddeeff", backed, sizeof(backed), 0);
	assert_int_equal(get("raw", &f, NULL), -EMEDIUMTYPE);
}

static void what_nobody_uses_goes_after_a_day(void **state)
{
	struct cache_file f;

	put(ID ".raw.00112233445566778899aabbccddeeff", "used", 4, 0);
	assert_int_equal(get("raw", &f, NULL), 0);
	put(ID ".raw.00112233445566778899aabbccddeeff", "used", 4, 25);
	put(ID ".raw.of-yesterday", "x", 1, 25);
	put(ID ".raw.of-today", "x", 1, 23);
	put(ID ".raw.broken.part", "x", 1, 25);
	put(ID, "an older agent's", 16, 25);
	cache_evict(images, servers);
	assert_true(there(ID ".raw.00112233445566778899aabbccddeeff"));
	assert_true(there(ID ".raw.of-today") && there(ID));
	assert_false(there(ID ".raw.of-yesterday") || there(ID ".raw.broken.part"));
	unlink(link_path);
	cache_evict(images, servers);
	assert_false(there(ID ".raw.00112233445566778899aabbccddeeff"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_file_is_used_as_what_it_was_fetched, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_lies_there_is_judged_at_each_use, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_nobody_uses_goes_after_a_day, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
