/* SPDX-License-Identifier: Apache-2.0 */
/* base/sandbox: what is left to a program that reads a stranger's bytes. */
#include "unit/unit.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/spawn.h"

/* Answers in words what it finds itself to be. */
static const char *const sandboxed_words =
	"id -u; ulimit -t; ulimit -f; ulimit -v; grep -h NoNewPrivs: /proc/self/status;"
	"cat /proc/self/fd/3; echo more >/proc/self/fd/4; ls /proc/self/fd | wc -l; echo "
	"[$HOME$SEEN]";

static void a_sandboxed_program_has_its_descriptors_and_limits_alone(void **state)
{
	const char *const argv[] = { "sh", "-c", sandboxed_words, NULL };
	char path[] = "/tmp/anyvf-test-XXXXXX", out[512], want[512], kept[16] = "";
	int fds[2] = { memfd_create("in", 0), mkstemp(path) };
	const struct passwd *image = getpwnam("anyvf-image");
	const struct sandbox sandbox = { .user = "anyvf-image",
				   .memory = 1U << 30,
				   .file_size = 1U << 20,
				   .cpu_s = 7,
				   .fds = fds,
				   .n_fds = 2 };
	unsigned int uid = geteuid() ? geteuid() : image ? image->pw_uid : 0;

	if (!geteuid() && !image)
		skip();
	unlink(path);
	assert_int_equal(write(fds[0], "bytes\n", 6), 6);
	assert_int_equal(fchmod(fds[0], 0644) | fchown(fds[1], uid, (gid_t)-1), 0);
	setenv("SEEN", "secret", 1);
	assert_int_equal(spawn_run_sandboxed(argv, &sandbox, 5000, out, sizeof(out), NULL), 0);
	/* ls has 0, 1, 2, the two, and the directory it reads; ulimit -f counts 512 bytes, -v 1024. */
	snprintf(want, sizeof(want), "%u\n7\n2048\n1048576\nNoNewPrivs:\t1\nbytes\n6\n[]\n", uid);
	assert_string_equal(out, want);
	assert_int_equal(pread(fds[1], kept, sizeof(kept), 0), 5);
	assert_string_equal(kept, "more\n");
	close(fds[0]);
	close(fds[1]);
}

static void a_sandboxed_program_prints_into_its_last_descriptor(void **state)
{
	const char *const argv[] = { "sh", "-c", "echo bytes; echo words >&2", NULL };
	int fds[2] = { memfd_create("in", 0), memfd_create("out", 0) };
	const struct sandbox sandbox = { .user = "anyvf-image",
				   .memory = 1U << 30,
				   .file_size = 1U << 20,
				   .cpu_s = 7,
				   .fds = fds,
				   .n_fds = 2,
				   .print = true };
	char out[64], kept[64] = "";

	if (!geteuid() && !getpwnam("anyvf-image"))
		skip();
	assert_int_equal(spawn_run_sandboxed(argv, &sandbox, 5000, out, sizeof(out), NULL), 0);
	assert_string_equal(out, "words\n");
	assert_int_equal(pread(fds[1], kept, sizeof(kept), 0), 6);
	assert_string_equal(kept, "bytes\n");
	close(fds[0]);
	close(fds[1]);
}

static void a_sandboxed_program_is_ended_by_its_limits(void **state)
{
	const char *const spin[] = { "sh", "-c", "while :; do :; done", NULL };
	const char *const fill[] = { "sh", "-c", "head -c 2000 /dev/zero >/proc/self/fd/3", NULL };
	int fd = memfd_create("out", 0);
	const struct sandbox sandbox = { .user = "anyvf-image",
				   .memory = 1U << 30,
				   .file_size = 1000,
				   .cpu_s = 1,
				   .fds = &fd,
				   .n_fds = 1 };
	const struct sandbox nobody = { .user = "no-such-account" };
	struct err e = { 0 };
	struct stat st;

	if (!geteuid() && !getpwnam("anyvf-image"))
		skip();
	assert_int_equal(fchmod(fd, 0666), 0);
	assert_int_equal(spawn_run_sandboxed(spin, &sandbox, 30000, NULL, 0, NULL), -EIO);
	assert_int_equal(spawn_run_sandboxed(fill, &sandbox, 5000, NULL, 0, NULL), -EIO);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_size <= 1000);
	close(fd);
	if (geteuid())
		return;
	assert_int_equal(spawn_run_sandboxed(spin, &nobody, 5000, NULL, 0, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "no-such-account"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sandboxed_program_has_its_descriptors_and_limits_alone),
		cmocka_unit_test(a_sandboxed_program_prints_into_its_last_descriptor),
		cmocka_unit_test(a_sandboxed_program_is_ended_by_its_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
