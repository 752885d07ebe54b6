/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A seccomp filter (seccomp(2)) from one list: what our code, glibc and DPDK call
 * in the switch process, and why. A new call belongs in here, or, better, into
 * the parent.
 */
#include "sw/parent/child_sandbox.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define CLONE_SPACES                                                                               \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET)

/* Why, and which; each list ends with a number that no call has. */
#define END INT_MAX
static const struct {
	const char *why;
	int calls[48];
} rows[] = {
	{ "frames: taps, packet sockets, captures, mirrors",
	  { SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(sendmsg),
	    SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(recvfrom), SCMP_SYS(sendmmsg),
	    SCMP_SYS(recvmmsg), END } },
	{ "waiting",
	  { SCMP_SYS(epoll_create), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl),
	    SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(poll),
	    SCMP_SYS(pause), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6),
	    SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
	    SCMP_SYS(signalfd4), SCMP_SYS(pipe2), SCMP_SYS(preadv2), END } },
	{ "sockets that are there: control, front ends, GRE",
	  { SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(connect),
	    SCMP_SYS(shutdown), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getsockname),
	    SCMP_SYS(getpeername), END } },
	{ "files: ring positions, DPDK's folder, /sys, its drivers",
	  { SCMP_SYS(openat),	  SCMP_SYS(close),	 SCMP_SYS(lseek),
	    SCMP_SYS(pread64),	  SCMP_SYS(pwrite64),	 SCMP_SYS(fstat),
	    SCMP_SYS(newfstatat), SCMP_SYS(statx),	 SCMP_SYS(access),
	    SCMP_SYS(faccessat),  SCMP_SYS(faccessat2),	 SCMP_SYS(readlink),
	    SCMP_SYS(readlinkat), SCMP_SYS(getdents64),	 SCMP_SYS(getcwd),
	    SCMP_SYS(mkdir),	  SCMP_SYS(mkdirat),	 SCMP_SYS(rmdir),
	    SCMP_SYS(unlink),	  SCMP_SYS(unlinkat),	 SCMP_SYS(fcntl),
	    SCMP_SYS(flock),	  SCMP_SYS(dup),	 SCMP_SYS(dup2),
	    SCMP_SYS(dup3),	  SCMP_SYS(ftruncate),	 SCMP_SYS(fallocate),
	    SCMP_SYS(fsync),	  SCMP_SYS(fdatasync),	 SCMP_SYS(fstatfs),
	    SCMP_SYS(statfs),	  SCMP_SYS(close_range), END } },
	{ "memory, guests' too; libraries that are loaded late",
	  { SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mprotect), SCMP_SYS(mremap),
	    SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(mlock), SCMP_SYS(munlock),
	    SCMP_SYS(memfd_create), SCMP_SYS(get_mempolicy), SCMP_SYS(set_mempolicy),
	    SCMP_SYS(mbind), SCMP_SYS(move_pages), SCMP_SYS(membarrier), SCMP_SYS(mincore), END } },
	{ "threads",
	  { SCMP_SYS(futex),
	    SCMP_SYS(set_robust_list),
	    SCMP_SYS(get_robust_list),
	    SCMP_SYS(rseq),
	    SCMP_SYS(set_tid_address),
	    SCMP_SYS(sched_yield),
	    SCMP_SYS(sched_setaffinity),
	    SCMP_SYS(sched_getaffinity),
	    SCMP_SYS(sched_getparam),
	    SCMP_SYS(sched_getscheduler),
	    SCMP_SYS(sched_setscheduler),
	    SCMP_SYS(sched_get_priority_max),
	    SCMP_SYS(sched_get_priority_min),
	    SCMP_SYS(getcpu),
	    SCMP_SYS(gettid),
	    SCMP_SYS(arch_prctl),
	    SCMP_SYS(prctl),
	    SCMP_SYS(exit),
	    SCMP_SYS(exit_group),
	    END } },
	{ "signals: the end, a hang's stack, memory that was cut short",
	  { SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
	    SCMP_SYS(rt_sigpending), SCMP_SYS(sigaltstack), SCMP_SYS(tgkill),
	    SCMP_SYS(restart_syscall), END } },
	{ "time",
	  { SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep),
	    SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time), END } },
	{ "who and where we are",
	  { SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(geteuid),
	    SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getresuid), SCMP_SYS(getresgid),
	    SCMP_SYS(getrandom), SCMP_SYS(getrlimit), SCMP_SYS(prlimit64), SCMP_SYS(getrusage),
	    SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(times), END } },
};

static int *refused_at; /* shared with the parent, who tells */

/* The default action after it: the process ends, with a core. */
static void on_refused(int signo, siginfo_t *info, void *context)
{
	*refused_at = info->si_syscall;
	raise(signo);
}

/* Calls of which only some are needed. */
static int some_add(scmp_filter_ctx f)
{
	const struct scmp_arg_cmp unix_only = SCMP_A0_32(SCMP_CMP_EQ, AF_UNIX);
	/* DPDK's drivers try netlink when they are loaded, and can do without. */
	const struct scmp_arg_cmp not_unix = SCMP_A0_32(SCMP_CMP_NE, AF_UNIX);
	const uint32_t other = SCMP_ACT_ERRNO(EAFNOSUPPORT);
	/* Namespaces of its own are where the kernel's privileges begin. */
	const struct scmp_arg_cmp plain = SCMP_A0_64(SCMP_CMP_MASKED_EQ, CLONE_SPACES, 0);
	/* Typing for whoever has our terminal. */
	const struct scmp_arg_cmp no_typing = SCMP_A1_32(SCMP_CMP_NE, TIOCSTI);
	int rc = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, &unix_only);

	rc = rc ?: seccomp_rule_add_array(f, other, SCMP_SYS(socket), 1, &not_unix);
	rc = rc ?: seccomp_rule_add_array(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, &no_typing);
	rc = rc ?: seccomp_rule_add_array(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, &plain);
	/* DPDK asks for I/O ports, in case of a virtio device of the old kind. */
	rc = rc ?: seccomp_rule_add_array(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(iopl), 0, NULL);
	/* Its flags are in memory, out of a filter's reach: glibc takes clone() then. */
	return rc ?: seccomp_rule_add_array(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, NULL);
}

/**
 * child_seccomp_lock() - Let this process and its threads to be make the calls of the list alone
 * @refused: gets the number of the call that ends it; shared with who is to know
 * @e:       says why not
 *
 * Return: 0 or a negative errno: do not go on.
 * Context: the child, single-threaded, with no_new_privs.
 */
int child_seccomp_lock(int *refused, struct err *e)
{
	struct sigaction act = { .sa_sigaction = on_refused,
				 .sa_flags = SA_SIGINFO | SA_RESETHAND | SA_NODEFER };
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_TRAP);
	int rc = f ? 0 : -ENOMEM;

	refused_at = refused;
	sigaction(SIGSYS, &act, NULL);
	for (unsigned int i = 0; !rc && i < ARRAY_LEN(rows); i++)
		for (const int *nr = rows[i].calls; !rc && *nr != END; nr++)
			rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, *nr, 0);
	rc = rc ?: some_add(f);
	/* A sanitizer's leak check stops all threads by ptrace(): then nothing is locked. */
	if (!rc && !SANITIZED)
		rc = seccomp_load(f);
	seccomp_release(f);
	return rc ? err_set(e, rc, "system calls cannot be locked: %s", strerror(-rc)) : 0;
}

/**
 * child_seccomp_name() - A call's name, for people
 * @nr: of this architecture
 *
 * Return: the name, to be freed, or NULL.
 */
char *child_seccomp_name(int nr)
{
	return seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
}
