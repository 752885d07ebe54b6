/* SPDX-License-Identifier: Apache-2.0 */
/* sw/vhost/vhost_libc: which pipe wakes the library's thread, and that it is woken when a socket is there. */
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "sw/vhost/vhost_priv.h"

/* What the library does when it is to start: it has one thread, with one pipe. */
static struct {
	bool pipes, closes;
	int rc, pipe[2];
} library;

int __wrap_rte_vhost_driver_start(const char *path);

int __wrap_rte_vhost_driver_start(const char *path)
{
	if (library.pipes && pipe(library.pipe))
		return -1;
	if (library.closes) {
		close(library.pipe[0]);
		close(library.pipe[1]);
	}
	return library.rc;
}

static int started(bool pipes, bool closes, int rc)
{
	library.pipes = pipes;
	library.closes = closes;
	library.rc = rc;
	return vhost_libc_start("/a");
}

static size_t woken(const int fds[2])
{
	char text[16];
	ssize_t n;

	assert_return_code(fcntl(fds[0], F_SETFL, O_NONBLOCK), errno);
	n = read(fds[0], text, sizeof(text));
	return n > 0 ? (size_t)n : 0;
}

static void the_librarys_thread_is_woken_whatever_failed_before(void **state)
{
	int others[2], next[2];

	assert_int_equal(pipe(others), 0); /* before it has one */
	assert_int_equal(started(true, true, -1), -1); /* no thread: it has closed its pipe */
	assert_int_equal(pipe(next), 0);
	assert_int_equal(next[1], library.pipe[1]);
	assert_int_equal(started(false, false, 0), 0);
	assert_int_equal(woken(next), 0);
	assert_int_equal(started(true, false, -1), -1); /* a thread, and no socket */
	assert_int_equal(woken(library.pipe), 0);
	assert_int_equal(started(false, false, 0), 0);
	assert_int_equal(woken(library.pipe), 1);
	assert_true(fcntl(library.pipe[1], F_GETFD) & FD_CLOEXEC);
	assert_false(fcntl(others[1], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(woken(others), 0);
	for (unsigned int i = 0; i < 2; i++) {
		close(others[i]);
		close(next[i]);
		close(library.pipe[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_librarys_thread_is_woken_whatever_failed_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
