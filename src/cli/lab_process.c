/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lab's processes: one child of ours is the first of its own process namespace, and what it
 * starts dies with it, as it does with us, whatever ends us. Its mounts and its network are seen by
 * nobody else, so they end as well. Where namespaces are not to be had what it starts is tied to it
 * one by one.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/spawn.h"
#include "cli/lab.h"

#define TOOL_MS	     10000
#define CHILDREN_MAX 65536 /* characters of a list of them */
#define REMOVE_TRIES 100   /* what dies may still write */
#define REMOVE_US    20000U
#define NETNS_DIR    "/run/netns"

static const int told[] = { SIGTERM, SIGHUP }; /* passed on to the command */

/* What the child needs to know of before. */
struct inside {
	const struct lab_place *place;
	enum lab_way way;
	int alive; /* reads the end when we have died */
	uid_t uid;
	gid_t gid;
};

static void signals_block(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	for (size_t i = 0; i < ARRAY_LEN(told); i++)
		sigaddset(set, told[i]);
	sigprocmask(SIG_BLOCK, set, NULL);
	/* From a terminal they come to the command as well, which knows what they mean to it. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
}

/* Waits for a child, and passes on to it what we are told. Return: its status. */
static int wait_for_end(pid_t pid, const sigset_t *set)
{
	int status, signo;

	for (;;) {
		pid_t ended = waitpid(-1, &status, WNOHANG);

		if (ended == pid)
			return status;
		if (ended > 0) /* an orphan of the namespace's */
			continue;
		if (ended < 0 && errno == ECHILD)
			return LAB_FAILED << 8;
		signo = sigwaitinfo(set, NULL);
		if (signo > 0 && signo != SIGCHLD)
			kill(pid, signo);
	}
}

static int code_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- within ---- */

static int write_text(const char *path, const char *text, struct err *e)
{
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = strlen(text);

	return fd >= 0 && write(fd, text, n) == n ? 0 : err_errno(e, "%s", path);
}

/* Root there, if a network is to be made; else who we are. */
static int map_user(const struct inside *in, struct err *e)
{
	bool net = in->place->net;
	char uid[64], gid[64];
	int rc;

	snprintf(uid, sizeof(uid), "%u %u 1", net ? 0 : in->uid, in->uid);
	snprintf(gid, sizeof(gid), "%u %u 1", net ? 0 : in->gid, in->gid);
	rc = write_text("/proc/self/setgroups", "deny", e);
	rc = rc ?: write_text("/proc/self/uid_map", uid, e);
	return rc ?: write_text("/proc/self/gid_map", gid, e);
}

/* Its names of namespaces are its own, and lo is there. */
static int open_net(struct err *e)
{
	static const char *const lo_up[] = { "ip", "link", "set", "lo", "up", NULL };

	if (mkdir(NETNS_DIR, 0755) && errno != EEXIST)
		return err_errno(e, "%s, which root has to make once", NETNS_DIR);
	if (mount("anyvf", NETNS_DIR, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755"))
		return err_errno(e, "%s", NETNS_DIR);
	return spawn_run(lo_up, TOOL_MS, NULL, 0, e);
}

static int enter(const struct inside *in, struct err *e)
{
	const struct lab_place *p = in->place;
	int rc = in->way == LAB_USER ? map_user(in, e) : 0;

	if (rc)
		return rc;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    (!p->keep && mount("anyvf", p->dir, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")) ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		return err_errno(e, "namespaces");
	return p->net ? open_net(e) : 0;
}

/* Without a namespace: all there is of ours, what was left behind by its parents as well. */
static void end_children(void)
{
	do {
		auto_free char *pids = NULL;
		char *save, *pid;

		if (file_read("/proc/thread-self/children", CHILDREN_MAX, &pids, NULL, NULL))
			return;
		for (pid = strtok_r(pids, " ", &save); pid; pid = strtok_r(NULL, " ", &save))
			kill((pid_t)strtol(pid, NULL, 10), SIGKILL);
	} while (waitpid(-1, NULL, 0) > 0);
}

static void end_at_once(int signo)
{
	_exit(128 + signo);
}

/* The whole life of the child. */
static __attribute__((noreturn)) void live(const struct inside *in)
{
	struct pollfd gone = { .fd = in->alive, .events = POLLIN };
	struct err e = { 0 };
	sigset_t none;
	int code;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (poll(&gone, 1, 0)) /* before that */
		_exit(LAB_FAILED);
	sigemptyset(&none);
	for (size_t i = 0; i < ARRAY_LEN(told); i++)
		signal(told[i], end_at_once);
	signal(SIGINT, end_at_once);
	signal(SIGQUIT, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (in->way != LAB_PLAIN && enter(in, &e)) {
		cli_error(&e);
		_exit(LAB_FAILED);
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	code = in->place->run(in->place->arg, in->way);
	if (in->way == LAB_PLAIN)
		end_children();
	exit(code);
}

/* ---- without ---- */

/* Into namespaces with it, at once: the first process of the one is nobody else's child. */
static pid_t fork_into(int flags)
{
	fflush(NULL);
	return flags ? (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0) : fork();
}

/* May somebody like us have all of these namespaces, with files of processes in them? */
static bool may_have(struct inside *in, int flags)
{
	pid_t pid = fork_into(flags);
	int status = 0;
	struct err e;

	if (!pid) {
		/* Nothing of it is kept: not the directory, nor a network with names. */
		const struct lab_place bare = { .keep = true };

		in->place = &bare;
		_exit(enter(in, &e) != 0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

/* How it can be kept apart here. Return: flags for clone(2); @way: gets what they mean. */
static int choose(struct inside *in)
{
	static const struct {
		enum lab_way way;
		int flags;
	} ways[] = { { LAB_ROOT, CLONE_NEWPID | CLONE_NEWNS },
		     { LAB_USER, CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUSER } };
	const struct lab_place *place = in->place;

	for (size_t i = !!in->uid; i < ARRAY_LEN(ways); i++) {
		int flags = ways[i].flags | (place->net ? CLONE_NEWNET : 0);
		bool may;

		in->way = ways[i].way;
		may = may_have(in, flags);
		in->place = place;
		if (may)
			return flags;
	}
	in->way = LAB_PLAIN;
	return 0;
}

static void clean(const struct lab_place *p)
{
	for (unsigned int i = 0; !p->keep && i < REMOVE_TRIES && file_remove_tree(p->dir, NULL);
	     i++)
		usleep(REMOVE_US);
}

/**
 * lab_inside() - Live somewhere else for a while
 * @place: where, and what does
 * @code:  gets the exit code of that
 * @e:     why it cannot be
 *
 * Return: 0 or a negative errno. The directory is gone afterwards, unless it is to be kept.
 * Context: a process of one thread; SIGTERM and SIGHUP are passed on.
 */
int lab_inside(const struct lab_place *place, int *code, struct err *e)
{
	struct inside in = { .place = place, .uid = geteuid(), .gid = getegid() };
	int pipes[2], flags = choose(&in);
	sigset_t set;
	pid_t pid;

	if (in.way == LAB_PLAIN && place->net)
		return err_set(e, -EPERM,
			       "a lab with taps needs namespaces, which are not to be had here: "
			       "be root, or allow them to users (user.max_user_namespaces)");
	if (pipe2(pipes, O_CLOEXEC))
		return err_errno(e, "pipe");
	in.alive = pipes[0];
	signals_block(&set);
	pid = fork_into(flags);
	if (!pid) {
		close(pipes[1]);
		live(&in);
	}
	close(pipes[0]);
	if (pid < 0)
		return err_errno(e, "clone");
	*code = code_of(wait_for_end(pid, &set));
	close(pipes[1]);
	clean(place);
	return 0;
}

/**
 * lab_command() - Run the command, and wait for its end
 * @argv: its words, NULL behind the last
 *
 * Return: its exit code, 128 and the signal it died of, 127 or 126 if it is not there or cannot be
 * run. Context: the lab's first process.
 */
int lab_command(char *const argv[])
{
	sigset_t set, none;
	pid_t pid;

	signals_block(&set);
	fflush(NULL);
	pid = fork();
	if (pid)
		return pid < 0 ? LAB_FAILED : code_of(wait_for_end(pid, &set));
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	for (size_t i = 0; i < ARRAY_LEN(told); i++)
		signal(told[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(argv[0], argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}
