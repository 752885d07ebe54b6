/* SPDX-License-Identifier: Apache-2.0 */
/* The two processes of anyvf-swd: restarts, exit codes, kept taps. Tap parts need root. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "sw/parent/netns.h"
#include "sw/parent/parent.h"
#include "sw/parent/parent_rules.h"
#include "sw/parent/parent_wire.h"

/* Of this run alone: others test beside us. */
static char tap_name[IFNAMSIZ], netns_name[IFNAMSIZ];

/* Shared with the processes under test. */
static struct shared {
	int lives; /* times the child was born */
	pid_t child;
	unsigned int ifindex[4]; /* of the tap, in each life */
	int rc[4];
	uint64_t ids[2];
	unsigned int which; /* of what is tried one after the other */
	struct err e;
} * sh;

static unsigned int sh_next_which;
static char run_dir[] = "/tmp/anyvf-parent-XXXXXX"; /* mode 0700: its parents do not matter */
static char none[1];
static struct parent_rules rules = { .uplinks = "", .taps = "*", .adopt_taps = "",
				     .pf_uplinks = none, .forced = none, .mirror_dirs = none,
				     .socket_dirs = none, .vhost_dir = none, .control = none };

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
	struct parent_opts opts = { .rules = &rules, .qemu = (gid_t)-1 };
	int status;
	pid_t pid;

	memset(sh, 0, sizeof(*sh));
	sh->which = sh_next_which;
	opts.child.run_dir = run_dir;
	if (!geteuid()) {
		assert_int_equal(account_find("nobody", &opts.child.account, NULL), 0);
		assert_int_equal(child_dirs_make(&opts.child, NULL), 0);
	}
	rules.mark = (struct tap_mark){ opts.child.account.uid, opts.child.account.gid };
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

static int wait_for_the_end(void)
{
	poll(NULL, 0, -1);
	return 1;
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
	return wait_for_the_end();
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

/* As `ip tuntap add` makes it: @owner -1: nobody's. Returns its ifindex. */
static unsigned int foreign_tap(uid_t owner)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	auto_close int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	memcpy(ifr.ifr_name, tap_name, sizeof(ifr.ifr_name));
	assert_false(ioctl(fd, TUNSETIFF, &ifr) || (owner != (uid_t)-1 && ioctl(fd, TUNSETOWNER, owner)) ||
		     ioctl(fd, TUNSETPERSIST, 1));
	return if_nametoindex(tap_name);
}

static void foreign_tap_remove(void)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	auto_close int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	memcpy(ifr.ifr_name, tap_name, sizeof(ifr.ifr_name));
	assert_false(ioctl(fd, TUNSETIFF, &ifr) || ioctl(fd, TUNSETPERSIST, 0));
}

static int child_opens_and_closes(struct parent *p, void *arg)
{
	struct tap_want want = tap_want(NULL);
	int fd = -1;

	sh->rc[0] = parent_tap_open(p, &want, &fd, &sh->e);
	sh->ifindex[0] = if_nametoindex(tap_name);
	close(fd);
	sh->rc[1] = parent_tap_close(p, tap_name, "", NULL);
	return parent_ready(p, NULL);
}

static void a_tap_of_others_is_neither_taken_nor_removed(void **state)
{
	unsigned int ifindex;

	need_root();
	ifindex = foreign_tap((uid_t)-1);
	assert_int_equal(run(child_opens_and_closes, 0), 0);
	assert_int_equal(sh->rc[0], -EEXIST);
	assert_non_null(strstr(sh->e.msg, "adopt_taps"));
	assert_int_equal(if_nametoindex(tap_name), ifindex);
	rules.adopt_taps = "edg*";
	assert_int_equal(run(child_opens_and_closes, 0), 0);
	rules.adopt_taps = "";
	assert_int_equal(sh->rc[0] | sh->rc[1], 0);
	assert_int_equal(if_nametoindex(tap_name), ifindex);
	foreign_tap_remove();
	ifindex = foreign_tap(rules.mark.owner); /* given to the switch's account */
	assert_int_equal(run(child_opens_and_closes, 0), 0);
	assert_int_equal(sh->rc[0] | sh->rc[1], 0);
	assert_int_equal(if_nametoindex(tap_name), ifindex);
	foreign_tap_remove();
}

static int child_leaves_its_tap(struct parent *p, void *arg)
{
	struct tap_want want = tap_want(NULL);
	int fd = -1;

	sh->rc[0] = parent_tap_open(p, &want, &fd, &sh->e);
	sh->ifindex[0] = if_nametoindex(tap_name);
	return parent_ready(p, NULL);
}

static void a_tap_of_ours_is_known_after_both_processes_were_killed(void **state)
{
	unsigned int ifindex;

	need_root();
	assert_int_equal(run(child_leaves_its_tap, 0), 0); /* nothing of the parent is left */
	assert_int_equal(sh->rc[0], 0);
	ifindex = sh->ifindex[0];
	assert_int_equal(if_nametoindex(tap_name), ifindex);
	assert_int_equal(run(child_opens_and_closes, 0), 0);
	assert_int_equal(sh->rc[0] | sh->rc[1], 0);
	assert_int_equal(sh->ifindex[0], ifindex);
	assert_int_equal(if_nametoindex(tap_name), 0);
}

static int ip_netns(const char *verb)
{
	char line[64];

	snprintf(line, sizeof(line), "ip netns %s %s", verb, netns_name);
	return system(line);
}

static int child_outlives_a_namespace(struct parent *p, void *arg)
{
	struct tap_want want = tap_want(netns_name);
	int fd = -1;

	sh->rc[0] = parent_tap_open(p, &want, &fd, &sh->e);
	sh->ids[0] = netns_id(netns_name);
	__atomic_store_n(&sh->lives, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&sh->lives, __ATOMIC_ACQUIRE) != 2)
		usleep(1000);
	sh->rc[1] = parent_tap_open(p, &want, &fd, &sh->e); /* in the one that has its name now */
	sh->ids[1] = netns_id(netns_name);
	sh->rc[2] = parent_tap_close(p, tap_name, netns_name, NULL);
	return 0;
}

/* Makes a namespace of that name anew when the child has its tap in the first. */
static int remake(void)
{
	int rc = 0;

	while (__atomic_load_n(&sh->lives, __ATOMIC_ACQUIRE) != 1)
		usleep(1000);
	rc |= ip_netns("del") | ip_netns("add");
	__atomic_store_n(&sh->lives, 2, __ATOMIC_RELEASE);
	return rc;
}

static void a_namespace_made_anew_gets_a_tap_of_its_own(void **state)
{
	pid_t pid;
	int status;

	need_root();
	assert_int_equal(ip_netns("add"), 0);
	sh->lives = 0;
	pid = fork();
	if (!pid)
		_exit(remake());
	assert_int_equal(run(child_outlives_a_namespace, 0), 0);
	waitpid(pid, &status, 0);
	assert_int_equal(ip_netns("del"), 0);
	assert_int_equal(status, 0);
	assert_int_equal(sh->rc[0] | sh->rc[1] | sh->rc[2], 0);
	assert_true(sh->ids[0] && sh->ids[1] && sh->ids[0] != sh->ids[1]);
}

static int child_says_half(struct parent *p, void *arg)
{
	const struct request req = { .verb = VERB_READY };

	sh->lives++;
	send(p->sock, &req, sizeof(req) / 2, 0);
	return wait_for_the_end();
}

static void a_child_that_says_what_ours_never_says_is_killed(void **state)
{
	assert_int_equal(geteuid() ? 128 + SIGKILL : run(child_says_half, 0), 128 + SIGKILL);
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
	assert_true(sh->rc[0] == EAFNOSUPPORT || sh->rc[0] == EPERM);
	assert_int_equal(sh->rc[1], 0);
}

/* What somebody who has taken the child would try; none is on the list of its calls. */
static const int escapes[] = {
	SYS_execve, SYS_execveat, SYS_fork, SYS_vfork, SYS_ptrace, SYS_process_vm_readv, SYS_mount, SYS_setns,
	SYS_unshare, SYS_chroot, SYS_pivot_root, SYS_bpf, SYS_keyctl, SYS_add_key, SYS_userfaultfd,
	SYS_io_uring_setup, SYS_perf_event_open, SYS_open_by_handle_at, SYS_kexec_load, SYS_init_module, SYS_kill,
	SYS_setuid, SYS_setgid, SYS_setgroups, SYS_capset, SYS_chmod, SYS_chown, SYS_rename, SYS_link,
	SYS_symlink, SYS_mknod, SYS_bind, SYS_memfd_secret, SYS_pidfd_open, SYS_pidfd_getfd,
};

static int child_escapes(struct parent *p, void *arg)
{
	syscall(escapes[sh->which], 0, 0, 0, 0, 0, 0);
	return 0;
}

/* A sanitizer's leak check makes calls of its own: nothing is locked then. */
static void need_lock(void)
{
	need_root();
	if (SANITIZED)
		skip();
}

static void a_call_beside_the_list_ends_the_child(void **state)
{
	need_lock();
	for (unsigned int i = 0; i < ARRAY_LEN(escapes); i++) {
		sh_next_which = i;
		if (run(child_escapes, 0) != 128 + SIGSYS)
			fail_msg("call %d came back", escapes[i]);
	}
}

static int child_makes_a_namespace(struct parent *p, void *arg)
{
	syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
	return 0;
}

static int child_types_for_others(struct parent *p, void *arg)
{
	ioctl(0, TIOCSTI, "x");
	return 0;
}

static void calls_that_are_on_the_list_do_not_do_all_they_can(void **state)
{
	need_lock();
	assert_int_equal(run(child_makes_a_namespace, 0), 128 + SIGSYS);
	assert_int_equal(run(child_types_for_others, 0), 128 + SIGSYS);
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

/* In a namespace of its own; 77: it cannot have one. */
static int hears_of_lo(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	struct nlmsghdr h;
	int fd;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return 77;
	if (netdev_follow(&fd, NULL) || ioctl(fd, SIOCSIFFLAGS, &ifr) ||
	    recv(fd, &h, sizeof(h), MSG_DONTWAIT) != sizeof(h))
		return 1;
	return h.nlmsg_type != RTM_NEWLINK;
}

static void changes_of_netdevs_are_heard_at_once(void **state)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(hears_of_lo());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

static int run_dir_remove(void **state)
{
	char path[64];

	for (unsigned int i = 0; i < CHILD_DIRS; i++) {
		snprintf(path, sizeof(path), "%s/%s", run_dir, child_dirs[i]);
		rmdir(path);
	}
	snprintf(path, sizeof(path), "%s/taps", run_dir);
	unlink(path);
	return rmdir(run_dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parent_ends_with_the_code_of_a_child_that_never_stood),
		cmocka_unit_test(tap_survives_the_child_and_goes_with_sigint),
		cmocka_unit_test(unclaimed_tap_goes_when_the_next_child_is_ready),
		cmocka_unit_test(bad_requests_are_refused_by_errno),
		cmocka_unit_test(a_tap_of_others_is_neither_taken_nor_removed),
		cmocka_unit_test(a_tap_of_ours_is_known_after_both_processes_were_killed),
		cmocka_unit_test(a_namespace_made_anew_gets_a_tap_of_its_own),
		cmocka_unit_test(a_child_that_says_what_ours_never_says_is_killed),
		cmocka_unit_test(child_holds_no_privileges),
		cmocka_unit_test(a_call_beside_the_list_ends_the_child),
		cmocka_unit_test(calls_that_are_on_the_list_do_not_do_all_they_can),
		cmocka_unit_test(without_root_the_verbs_say_so),
		cmocka_unit_test(changes_of_netdevs_are_heard_at_once),
	};

	snprintf(tap_name, sizeof(tap_name), "edg%u", (unsigned int)getpid());
	snprintf(netns_name, sizeof(netns_name), "edn%u", (unsigned int)getpid());
	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert(mkdtemp(run_dir));
	return cmocka_run_group_tests(tests, NULL, run_dir_remove);
}
