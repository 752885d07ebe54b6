/* SPDX-License-Identifier: Apache-2.0 */
/* Positions of packed rings in files: one a socket, reserved on the disk, gone with their NIC. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sw/vhost/marks.h"

static char dir[] = "/tmp/anyvf-marks-XXXXXX";

static int setup(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}
static int teardown(void **state)
{
	char rings[64];

	snprintf(rings, sizeof(rings), "%s/rings", dir);
	return rmdir(rings) | rmdir(dir); /* so nothing is left in it */
}

static void no_two_sockets_share_a_file(void **state)
{
	static const char *const sockets[] = { "/x/a+b", "/x/a/b", "/x/a%b", "/x/a%+b", "/x/a%/b",
					       "/x/a+/b", "/x/a/+b", "/x/a++b", "/x/a//b", "/x/a%%b" };
	struct vq_mark *marks[ARRAY_LEN(sockets)];

	for (unsigned int i = 0; i < ARRAY_LEN(sockets); i++) {
		marks[i] = marks_open(dir, sockets[i]);
		assert_non_null(marks[i]);
		assert_int_equal(marks[i]->cookie, 0);
		marks[i]->cookie = (uint16_t)(i + 1);
	}
	for (unsigned int i = 0; i < ARRAY_LEN(sockets); i++) {
		marks_close(dir, sockets[i], marks[i]);
		marks[i] = marks_open(dir, sockets[i]); /* as the next switch finds it */
		assert_int_equal(marks[i]->cookie, i + 1);
		marks_close(dir, sockets[i], marks[i]);
		marks_forget(dir, sockets[i]);
	}
}

/* A file with holes would stop a worker by SIGBUS where the file system is full. */
static void a_file_has_its_pages_before_it_is_used(void **state)
{
	struct vq_mark *marks = marks_open(dir, "a");
	char name[64];
	struct stat st;

	snprintf(name, sizeof(name), "%s/rings/a", dir);
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_size, MARKS_N * sizeof(struct vq_mark));
	assert_true((uint64_t)st.st_blocks * 512 >= MARKS_N * sizeof(struct vq_mark));
	marks_close(dir, "a", marks); /* no ring is to go on: it goes */
	assert_int_equal(stat(name, &st), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_two_sockets_share_a_file),
		cmocka_unit_test(a_file_has_its_pages_before_it_is_used),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
