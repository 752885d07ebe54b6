/* SPDX-License-Identifier: Apache-2.0 */
/* The two processes of anyvf-swd: restarts, exit codes, kept taps. Tap parts need root. */
#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "sw/parent.h"

static char tap_name[IFNAMSIZ]; /* of this run alone: others test beside us */

/* Shared with the processes under test. */
static struct shared {
	int lives; /* times the child was born */
	pid_t child;
	unsigned int ifindex[4]; /* of the tap, in each life */
	int rc[4];
} * sh;

static struct tap_want tap_want(const char *netns)
{
	struct tap_want w = { .mtu = 1400 };

	memcpy(w.name, tap_name, sizeof(w.name));
	snprintf(w.netns, sizeof(w.netns), "%s", netns ?: "");
	return w;
}

/* Runs a parent in a process of its own, so that cmocka's stays as it is; returns its exit code. */
static int run(parent_child_fn fn, int signo)
{
	struct parent_opts opts = { 0 };
	int status;
	pid_t pid;

	memset(sh, 0, sizeof(*sh));
	pid = fork();
	if (!pid)
		_exit(parent_run(&opts, fn, NULL));
	if (signo) {
		while (__atomic_load_n(&sh->lives, __ATOMIC_ACQUIRE) < 2)
			usleep(1000);
		kill(pid, signo);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int child_fails_early(struct parent *p, void *arg)
{
	sh->lives++;
	return 7;
}

static void parent_ends_with_the_code_of_a_child_that_never_stood(void **state)
{
	assert_int_equal(run(child_fails_early, 0), 7);
	assert_int_equal(sh->lives, 1);
}

static int child_crashes_once(struct parent *p, void *arg)
{
	struct tap_want want = tap_want(NULL);
	int life = sh->lives, fd = -1;

	sh->rc[life] = parent_tap_open(p, &want, &fd, NULL);
	sh->ifindex[life] = if_nametoindex(tap_name);
	sh->rc[life] |= parent_ready(p, NULL);
	__atomic_store_n(&sh->lives, life + 1, __ATOMIC_RELEASE);
	if (!life)
		raise(SIGKILL);
	for (;;)
		pause();
	return 0;
}

static void need_root(void)
{
	if (geteuid() || access("/dev/net/tun", R_OK | W_OK))
		skip();
}

static void tap_survives_the_child_and_goes_with_sigint(void **state)
{
	need_root();
	assert_int_equal(run(child_crashes_once, SIGINT), 128 + SIGTERM);
	assert_int_equal(sh->rc[0], 0);
	assert_int_equal(sh->rc[1], 0);
	assert_int_not_equal(sh->ifindex[0], 0);
	assert_int_equal(sh->ifindex[0], sh->ifindex[1]);
	assert_int_equal(if_nametoindex(tap_name), 0);
}

static int child_claims_nothing(struct parent *p, void *arg)
{
	struct tap_want want = tap_want(NULL);
	int fd = -1;

	if (!sh->lives++) {
		parent_tap_open(p, &want, &fd, NULL);
		parent_ready(p, NULL);
		abort();
	}
	parent_ready(p, NULL);
	sh->ifindex[1] = if_nametoindex(tap_name);
	return 0;
}

static void unclaimed_tap_goes_when_the_next_child_is_ready(void **state)
{
	need_root();
	assert_int_equal(run(child_claims_nothing, 0), 0);
	assert_int_equal(sh->lives, 2);
	assert_int_equal(sh->ifindex[1], 0);
}

static int child_asks_nonsense(struct parent *p, void *arg)
{
	struct tap_want bad_name = { .name = "a/b" };
	struct tap_want bad_ns = tap_want("../../proc/1/ns/net");
	struct tap_want no_ns = tap_want("edge-no-such");
	int fd = -1;

	sh->rc[0] = parent_tap_open(p, &bad_name, &fd, NULL);
	sh->rc[1] = parent_tap_open(p, &bad_ns, &fd, NULL);
	sh->rc[2] = parent_tap_open(p, &no_ns, &fd, NULL);
	sh->rc[3] = parent_packet_open(p, "edge-nodev", false, &fd, NULL);
	return fd == -1 ? 0 : 1;
}

static void bad_requests_are_refused_by_errno(void **state)
{
	need_root();
	assert_int_equal(run(child_asks_nonsense, 0), 0);
	assert_int_equal(sh->rc[0], -EINVAL);
	assert_int_equal(sh->rc[1], -EINVAL);
	assert_int_equal(sh->rc[2], -ENOENT);
	assert_int_equal(sh->rc[3], -ENODEV);
}

static int child_tries_privileges(struct parent *p, void *arg)
{
	sh->rc[0] = socket(AF_PACKET, SOCK_RAW, 0) < 0 ? errno : 0;
	sh->rc[1] = prctl(PR_CAPBSET_READ, 21 /* CAP_SYS_ADMIN */, 0, 0, 0);
	return 0;
}

static void child_holds_no_privileges(void **state)
{
	need_root();
	assert_int_equal(run(child_tries_privileges, 0), 0);
	assert_int_equal(sh->rc[0], EPERM);
	assert_int_equal(sh->rc[1], 0);
}

static void without_root_the_verbs_say_so(void **state)
{
	struct tap_want want = tap_want(NULL);
	struct err e = { 0 };
	int fd = -1;

	assert_int_equal(parent_tap_open(NULL, &want, &fd, &e), -EPERM);
	assert_non_null(strstr(e.msg, "without root"));
	assert_int_equal(parent_ready(NULL, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parent_ends_with_the_code_of_a_child_that_never_stood),
		cmocka_unit_test(tap_survives_the_child_and_goes_with_sigint),
		cmocka_unit_test(unclaimed_tap_goes_when_the_next_child_is_ready),
		cmocka_unit_test(bad_requests_are_refused_by_errno),
		cmocka_unit_test(child_holds_no_privileges),
		cmocka_unit_test(without_root_the_verbs_say_so),
	};

	snprintf(tap_name, sizeof(tap_name), "edg%u", (unsigned int)getpid());
	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
