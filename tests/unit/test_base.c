/* SPDX-License-Identifier: Apache-2.0 */
/* base: text forms, files, the loop, children, configuration. */
#include "unit/unit.h"

#include <sys/syscall.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cidr.h"
#include "base/conf.h"
#include "base/decision.h"
#include "base/err.h"
#include "base/file.h"
#include "base/iso8601.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mac.h"
#include "base/sock.h"
#include "base/spawn.h"
#include "base/uuid.h"
#include "base/vlan.h"

static char dir[64];

static int make_dir(void **state)
{
	strcpy(dir, "/tmp/anyvf-unit-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	const char *const argv[] = { "rm", "-rf", dir, NULL };

	return spawn_run(argv, 5000, NULL, 0, NULL);
}

static void err_keeps_the_first_message(void **state)
{
	struct err e = { 0 };

	assert_int_equal(err_set(&e, -EINVAL, "VLAN %d", 5000), -EINVAL);
	err_set(&e, -EIO, "later");
	err_prefix(&e, "port %s", "p1");
	assert_string_equal(e.msg, "port p1: VLAN 5000");
	err_set(NULL, -EIO, "nobody listens");
}

static void mac_reads_what_it_writes_and_refuses_the_rest(void **state)
{
	static const char *const bad[] = { "",
					   "a",
					   "00:11:22:33:44",
					   "00:11:22:33:44:55:66",
					   "00:11:22:33:44:5g",
					   "001122334455",
					   "00:11:22:33:44:555",
					   "00::11:22:33:44" };
	struct mac m = { 0 };
	char text[MAC_STR_LEN];

	assert_int_equal(mac_parse("FA:16:3e:0:9:55", &m, NULL), 0);
	assert_string_equal(mac_format(&m, text), "fa:16:3e:00:09:55");
	assert_int_equal(mac_to_u64(&m), 0xfa163e000955);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(mac_parse(bad[i], &m, NULL), -EINVAL);
	mac_random(&m, NULL);
	assert_false(mac_is_multicast(&m) || mac_is_zero(&m));
}

static void vlan_lists_survive_a_round_trip(void **state)
{
	static const char *const good[] = { "any", "none", "0", "10,20-30", "0-4095" };
	static const struct {
		const char *text;
		int rc;
	} bad[] = { { "", -EINVAL },	{ "4096", -ERANGE },  { "30-20", -ERANGE },
		    { "10,", -EINVAL }, { "1-2-3", -EINVAL }, { "x", -EINVAL },
		    { "-5", -EINVAL } };
	struct vlan_set v;
	char text[64];

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(vlan_set_parse(good[i], &v, NULL), 0);
		assert_true(vlan_set_format(&v, text, sizeof(text)) > 0);
		assert_string_equal(text, good[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(vlan_set_parse(bad[i].text, &v, NULL), bad[i].rc);
	vlan_set_parse("1,3,5", &v, NULL);
	assert_int_equal(vlan_set_format(&v, text, 4), -ENOSPC);
}

static void cidr_masks_compares_and_prints(void **state)
{
	char text[CIDR_STR_LEN];
	struct cidr a, b;
	struct ip ip;

	assert_int_equal(cidr_parse("10.20.0.77/24", &a, NULL), 0);
	assert_string_equal(cidr_format(&a, text), "10.20.0.0/24");
	ip = cidr_last(&a);
	assert_string_equal(ip_format(&ip, text), "10.20.0.255");
	assert_true(cidr_contains(&a, &ip));
	ip.n++;
	assert_false(cidr_contains(&a, &ip));
	cidr_parse("10.0.0.0/8", &b, NULL);
	assert_true(cidr_overlaps(&a, &b) && cidr_overlaps(&b, &a));
	cidr_parse("2001:db8::1/64", &b, NULL);
	assert_string_equal(cidr_format(&b, text), "2001:db8::/64");
	assert_false(cidr_overlaps(&a, &b));
	cidr_parse("::/0", &b, NULL);
	assert_int_equal(b.len, 0);
	assert_int_equal(cidr_parse("10.0.0.0/33", &b, NULL), -EINVAL);
	assert_int_equal(cidr_parse("10.0.0.0/", &b, NULL), -EINVAL);
	assert_int_equal(cidr_parse("10.0.0/8", &b, NULL), -EINVAL);
	assert_int_equal(ip_parse("1.2.3.4.5", &ip, NULL), -EINVAL);
}

static void uuid_makes_what_it_accepts(void **state)
{
	char id[UUID_STR_LEN], hex[33];

	uuid_new(id);
	assert_true(uuid_valid(id));
	assert_int_equal(id[14], '4');
	uuid_new_hex(hex);
	assert_int_equal(strlen(hex), 32);
	assert_false(uuid_valid(hex));
	assert_false(uuid_valid(""));
	id[8] = 'a';
	assert_false(uuid_valid(id));
}

static unsigned int synced_files, synced_dirs;

/* In the place of libc's: whether what a power cut must not take was asked for. */
int fsync(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	*(S_ISDIR(st.st_mode) ? &synced_dirs : &synced_files) += 1;
	return (int)syscall(SYS_fsync, fd);
}

static void file_replace_is_durable_when_it_returns(void **state)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/durable", dir);
	synced_files = synced_dirs = 0;
	assert_int_equal(file_replace(path, "x", 1, 0600, NULL), 0);
	assert_int_equal(synced_files, 1);
	assert_int_equal(synced_dirs, 1); /* else the name may be the old one's */
}

static void file_replace_is_whole_or_nothing(void **state)
{
	char path[128];
	auto_free char *text = NULL;
	struct err e = { 0 };
	size_t size;

	snprintf(path, sizeof(path), "%s/a/b/file", dir);
	assert_int_equal(file_replace(path, "x", 1, 0600, &e), -ENOENT);
	snprintf(path, sizeof(path), "%s/a/b", dir);
	assert_int_equal(file_mkdirs(path, 0700, NULL), 0);
	assert_int_equal(file_mkdirs(path, 0700, NULL), 0);
	strcat(path, "/file");
	assert_int_equal(file_replace(path, "one", 3, 0600, NULL), 0);
	assert_int_equal(file_replace(path, "second", 6, 0600, NULL), 0);
	assert_int_equal(file_read(path, 100, &text, &size, NULL), 0);
	assert_string_equal(text, "second");
	assert_int_equal(file_read(path, 3, &text, &size, &(struct err){ 0 }), -EFBIG);
}

static void what_a_killed_writer_left_is_swept(void **state)
{
	char at[128], path[160], half[160];

	snprintf(at, sizeof(at), "%s/swept", dir);
	snprintf(path, sizeof(path), "%s/new", at);
	snprintf(half, sizeof(half), "%s/gone.new", at);
	assert_int_equal(file_mkdirs(at, 0700, NULL), 0);
	assert_int_equal(file_replace(path, "x", 1, 0600, NULL), 0);
	assert_int_equal(file_replace(half, "x", 1, 0600, NULL), 0);
	file_sweep(at);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(access(half, F_OK), -1);
	file_sweep("/nonexistent");
}

/* An overlay of two file systems, as of a live system: st_dev of its files is not that of its directories. */
static int overlay(const char *at)
{
	char lower[128], both[128], upper[160], options[512];

	snprintf(lower, sizeof(lower), "%s/lower", at);
	snprintf(both, sizeof(both), "%s/both", at);
	if (mkdir(lower, 0700) || mkdir(both, 0700) || unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("lower", lower, "tmpfs", 0, NULL) || mount("both", both, "tmpfs", 0, NULL))
		return -1;
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s/upper,workdir=%s/work", lower,
		 both, both);
	snprintf(upper, sizeof(upper), "%s/upper", both);
	if (mkdir(upper, 0700))
		return -1;
	snprintf(upper, sizeof(upper), "%s/work", both);
	if (mkdir(upper, 0700))
		return -1;
	snprintf(upper, sizeof(upper), "%s/root", at);
	return mkdir(upper, 0700) || mount("overlay", upper, "overlay", 0, options) ? -1 : 0;
}

static void make_tree(const char *tree)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/a/b", tree);
	assert_int_equal(file_mkdirs(path, 0700, NULL), 0);
	strcat(path, "/file");
	assert_int_equal(file_replace(path, "x", 1, 0400, NULL), 0);
	snprintf(path, sizeof(path), "%s/link", tree);
	assert_int_equal(symlink("../kept", path), 0);
}

static void a_tree_is_removed_and_nothing_else(void **state)
{
	char at[96], tree[128], kept[192], path[160];
	struct err e = { 0 };

	snprintf(at, sizeof(at), "%s/trees", dir);
	snprintf(tree, sizeof(tree), "%s/tree", at);
	snprintf(path, sizeof(path), "%s/kept", at);
	snprintf(kept, sizeof(kept), "%s/file", path);
	make_tree(tree);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(file_replace(kept, "x", 1, 0600, NULL), 0);
	assert_int_equal(file_remove_tree(tree, NULL), 0);
	assert_int_equal(access(tree, F_OK), -1);
	assert_int_equal(access(kept, F_OK), 0); /* behind the link */
	assert_int_equal(file_remove_tree(tree, NULL), 0);
	assert_int_equal(file_remove_tree(kept, &e), -ENOTDIR);
	assert_non_null(strstr(e.msg, kept));
	if (geteuid() || overlay(at))
		skip();
	snprintf(tree, sizeof(tree), "%s/root/tree", at);
	make_tree(tree);
	snprintf(path, sizeof(path), "%s/a/b/else", tree);
	snprintf(kept, sizeof(kept), "%s/file", path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(mount("else", path, "tmpfs", 0, NULL), 0);
	assert_int_equal(file_replace(kept, "x", 1, 0600, NULL), 0);
	assert_int_equal(file_remove_tree(tree, NULL), -EBUSY);
	assert_int_equal(access(kept, F_OK), 0);
	assert_int_equal(umount(path), 0);
	assert_int_equal(file_remove_tree(tree, NULL), 0);
	assert_int_equal(access(tree, F_OK), -1);
	for (unsigned int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", at,
			 (const char *[]){ "root", "both", "lower" }[i]);
		assert_int_equal(umount(path), 0);
	}
}

/* Of processes that want this or that all hear the same; what is there is never changed. */
static void one_of_many_decides(void **state)
{
	enum decision is, want;
	char path[96];
	struct stat st;
	int status;

	snprintf(path, sizeof(path), "%s/apply", dir);
	assert_int_equal(mkdir(path, 0700), 0); /* by who was killed then */
	for (unsigned int turn = 0; turn < 20; turn++) {
		char id[DECISION_ID_LEN + 1];
		pid_t pids[6];
		unsigned int keep = 0;

		snprintf(id, sizeof(id), "%012x", turn);
		assert_int_equal(decision_take(path, id, DECISION_NONE, &is, NULL), 0);
		assert_int_equal(is, DECISION_NONE);
		if (turn % 2)
			assert_int_equal(decision_take(path, id, DECISION_READY, &is, NULL), 0);
		assert_int_equal(is, DECISION_NONE);
		for (unsigned int i = 0; i < ARRAY_LEN(pids); i++) {
			pids[i] = fork();
			if (pids[i])
				continue;
			want = i % 2 ? DECISION_KEEP : DECISION_BACK;
			_exit(decision_take(path, id, want, &is, NULL) ? 9 : (int)is);
		}
		for (unsigned int i = 0; i < ARRAY_LEN(pids); i++) {
			assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
			assert_true(WEXITSTATUS(status) == DECISION_KEEP ||
				    WEXITSTATUS(status) == DECISION_BACK);
			keep += WEXITSTATUS(status) == DECISION_KEEP;
		}
		assert_true(keep == 0 || keep == ARRAY_LEN(pids));
		assert_int_equal(decision_take(path, id, DECISION_BACK, &is, NULL), 0);
		assert_int_equal(is, keep ? DECISION_KEEP : DECISION_BACK);
	}
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0775);
	assert_int_equal(decision_take(path, "../../../etc/x", DECISION_KEEP, &is, NULL), -EINVAL);
}

/* A candidate whose bytes did not reach the disk. */
static void a_power_cut_leaves_no_decision_without_a_word(void **state)
{
	const char *const candidates[] = { "00000000000a.keep", "00000000000a.back" };
	enum decision is;
	char at[96];

	snprintf(at, sizeof(at), "%s/cut", dir);
	assert_int_equal(decision_take(at, "00000000000a", DECISION_READY, &is, NULL), 0);
	for (unsigned int i = 0; i < ARRAY_LEN(candidates); i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s/%s", at, candidates[i]);
		assert_int_equal(truncate(path, 0), 0);
	}
	assert_int_equal(decision_take(at, "00000000000a", DECISION_BACK, &is, NULL), 0);
	assert_int_equal(is, DECISION_BACK);
	assert_int_equal(decision_take(at, "00000000000a", DECISION_NONE, &is, NULL), 0);
	assert_int_equal(is, DECISION_BACK);
}

/* A clock that was set back, as of a machine without a battery, makes no decision an old one. */
static void a_clock_set_back_forgets_no_decision(void **state)
{
	const struct timespec far[2] = { { .tv_sec = 4000000000 }, { .tv_sec = 4000000000 } };
	enum decision is;
	char at[96];

	snprintf(at, sizeof(at), "%s/clock", dir);
	for (unsigned int i = 0; i < 90; i++) {
		char id[DECISION_ID_LEN + 1], before[DECISION_ID_LEN + 1], path[128];

		snprintf(before, sizeof(before), "%012x", i - 1);
		snprintf(id, sizeof(id), "%012x", i);
		assert_int_equal(decision_take(at, id, DECISION_READY, &is, NULL), 0);
		assert_int_equal(decision_take(at, id, DECISION_KEEP, &is, NULL), 0);
		if (i < 70) { /* made in time to come */
			snprintf(path, sizeof(path), "%s/%s", at, id);
			assert_int_equal(utimensat(AT_FDCWD, path, far, 0), 0);
			continue;
		}
		assert_int_equal(decision_take(at, id, DECISION_NONE, &is, NULL), 0);
		assert_int_equal(is, DECISION_KEEP);
		assert_int_equal(decision_take(at, before, DECISION_NONE, &is, NULL), 0);
		assert_int_equal(is, DECISION_KEEP);
	}
}

static void file_lock_names_the_holder(void **state)
{
	char path[128], pid[32];
	struct err e = { 0 };
	auto_close int a = -1;

	snprintf(path, sizeof(path), "%s/lock", dir);
	a = file_lock(path, NULL);
	assert_true(a >= 0);
	assert_int_equal(file_lock(path, &e), -EBUSY);
	snprintf(pid, sizeof(pid), "process %d", (int)getpid());
	assert_non_null(strstr(e.msg, pid));
}

/* As a daemon that was killed leaves the process it works in. */
static void file_lock_waits_for_a_dead_holders_child(void **state)
{
	char path[128];
	pid_t holder;
	int status;

	snprintf(path, sizeof(path), "%s/orphan", dir);
	holder = fork();
	if (!holder) {
		if (file_lock(path, NULL) < 0)
			_exit(1);
		if (!fork())
			usleep(1000000);
		_exit(0);
	}
	assert_int_equal(waitpid(holder, &status, 0), holder);
	assert_int_equal(status, 0);
	auto_close int fd = file_lock(path, NULL);
	assert_true(fd >= 0);
}

struct seen {
	struct loop *loop;
	struct loop_fd *src;
	struct loop_timer *timer;
	int calls;
};

static void note(void *arg)
{
	struct seen *s = arg;

	if (++s->calls == 3)
		loop_stop(s->loop);
}

static void delete_itself(void *arg, uint32_t events)
{
	struct seen *s = arg;

	loop_fd_del(s->src);
	note(s);
}

static void loop_runs_timers_posts_signals_and_fds(void **state)
{
	auto_of(loop_free) struct loop *loop = loop_new(NULL);
	struct seen s = { .loop = loop };
	int pair[2];
	struct loop_timer *t;

	assert_int_equal(sock_pair(pair, NULL), 0);
	assert_int_equal(loop_signal_add(loop, SIGUSR1, note, &s), 0);
	t = loop_timer_add(loop, 0, 0, note, &s);
	loop_post(loop, note, &s);
	kill(getpid(), SIGUSR1);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(s.calls, 3);
	loop_timer_del(t);

	s.calls = 0;
	s.src = loop_fd_add(loop, pair[0], EPOLLIN, delete_itself, &s);
	assert_int_equal(send(pair[1], "x", 1, 0), 1);
	loop_turn(loop, 1000);
	loop_turn(loop, 0);
	assert_int_equal(s.calls, 1);
	close(pair[0]);
	close(pair[1]);
}

/* How often the eventfd of this process, a loop's, was written since it was read. */
static unsigned int wakes(void)
{
	unsigned int count = 99; /* no such file */
	char path[64], line[100];

	for (int fd = 3; fd < 100; fd++) {
		FILE *info;

		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		info = fopen(path, "re");
		while (info && fgets(line, sizeof(line), info))
			sscanf(line, "eventfd-count: %x", &count);
		if (info)
			fclose(info);
	}
	return count;
}

static void count(void *arg)
{
	++*(int *)arg;
}

static void many_posts_wake_the_loop_once(void **state)
{
	auto_of(loop_free) struct loop *loop = loop_new(NULL);
	int calls = 0;

	for (int turn = 1; turn < 4; turn++) {
		for (int i = 0; i < 5; i++)
			assert_int_equal(loop_post(loop, count, &calls), 0);
		assert_int_equal(wakes(), 1);
		loop_turn(loop, 0);
		assert_int_equal(calls, 5 * turn);
		assert_int_equal(wakes(), 0);
	}
}

#define TIMERS 500

static struct alarm {
	struct loop_timer *timer;
	uint64_t due_ms;
	unsigned int rings;
} alarms[TIMERS];
static uint64_t last_due_ms;
static unsigned int n_rings;

/* In their order; each third ends another one, and each fifth itself. */
static void ring(void *arg)
{
	struct alarm *a = arg;
	unsigned int i = (unsigned int)(a - alarms);

	assert_true(a->due_ms >= last_due_ms && loop_now_ms() >= a->due_ms);
	last_due_ms = a->due_ms;
	a->rings++;
	n_rings++;
	if (i % 3 == 0)
		loop_timer_del(take(alarms[(i + 7) % TIMERS].timer));
	if (i % 5 == 0)
		loop_timer_del(take(a->timer));
}

static void timers_ring_in_order_and_may_end_each_other(void **state)
{
	auto_of(loop_free) struct loop *loop = loop_new(NULL);
	unsigned int left = 0;

	srand(1);
	for (unsigned int i = 0; i < TIMERS; i++) {
		uint64_t first_ms = (uint64_t)(rand() % 20);

		alarms[i].timer =
			loop_timer_add(loop, i % 2 ? first_ms : UINT64_MAX, 0, ring, &alarms[i]);
		do { /* those that are armed move; within a millisecond, so that we know which */
			alarms[i].due_ms = loop_now_ms() + first_ms;
			loop_timer_set(alarms[i].timer, first_ms, 0);
		} while (alarms[i].due_ms != loop_now_ms() + first_ms);
	}
	while (loop_now_ms() < alarms[TIMERS - 1].due_ms + 25)
		loop_turn(loop, 5);
	loop_turn(loop, 0);
	for (unsigned int i = 0; i < TIMERS; i++) {
		assert_true(alarms[i].rings == 1 || (!alarms[i].rings && !alarms[i].timer));
		left += alarms[i].timer != NULL;
	}
	assert_in_range(n_rings, TIMERS / 2, TIMERS - 1);
	assert_in_range(left, 1, TIMERS / 2 + TIMERS / 5);
}

static void again(void *arg)
{
	struct seen *s = arg;

	s->calls++;
	loop_timer_set(s->timer, 0, 0);
}

static void what_a_timer_arms_is_for_a_later_turn(void **state)
{
	auto_of(loop_free) struct loop *loop = loop_new(NULL);
	struct seen s = { .loop = loop };

	s.timer = loop_timer_add(loop, 0, 0, again, &s);
	loop_turn(loop, 0);
	assert_int_equal(s.calls, 1);
}

static void stop_at(void *arg)
{
	loop_stop(arg);
}

/* Late for its second and third time it rings once, and then for its fourth when that is due. */
static void who_rings_again_keeps_to_its_beat(void **state)
{
	auto_of(loop_free) struct loop *loop = loop_new(NULL);
	uint64_t start_ms;
	int rings = 0;

	loop_timer_add(loop, 50, 50, count, &rings);
	start_ms = loop_now_ms();
	sleep_ms(170);
	loop_turn(loop, 0);
	assert_int_equal(rings, 1);
	/* before this, whatever the time is */
	loop_timer_add(loop, 51 - (loop_now_ms() - start_ms) % 50, 0, stop_at, loop);
	assert_int_equal(loop_run(loop), 0);
	assert_true(rings >= 2);
}

static void sockets_pass_descriptors(void **state)
{
	int pair[2], got = -1;
	unsigned int n = 1;
	char byte;
	struct stat a, b;

	assert_int_equal(sock_pair(pair, NULL), 0);
	assert_int_equal(sock_send_fds(pair[0], "x", 1, (int[]){ pair[0], pair[1] }, 2), 0);
	assert_int_equal(sock_recv_fds(pair[1], &byte, 1, &got, &n), 1);
	assert_int_equal(n, 1); /* room for one: the second was closed */
	fstat(pair[0], &a);
	fstat(got, &b);
	assert_int_equal(a.st_ino, b.st_ino);
	close(got);
	close(pair[0]);
	close(pair[1]);
}

static bool hurries(int fd)
{
	struct timeval got;
	socklen_t size = sizeof(got);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &got, &size), 0);
	return got.tv_sec == 3 && got.tv_usec == 200000;
}

static void sockets_of_a_path_are_bounded(void **state)
{
	char folder[] = "/tmp/anyvf-test-XXXXXX", path[2][64];
	int listeners[2], ends[2];

	assert_non_null(mkdtemp(folder));
	for (int i = 0; i < 2; i++) {
		snprintf(path[i], sizeof(path[i]), "%s/%d", folder, i);
		listeners[i] = sock_listen_unix(path[i], 0600, NULL);
		ends[i] = sock_connect_unix(path[i], NULL);
		assert_true(ends[i] >= 0);
	}
	assert_int_equal(sock_hurry_unix(path[0], 3200), 2);
	assert_true(hurries(listeners[0]) && hurries(ends[0]));
	assert_false(hurries(listeners[1]) || hurries(ends[1]));
	for (int i = 0; i < 2; i++) {
		close(listeners[i]);
		close(ends[i]);
		unlink(path[i]);
	}
	rmdir(folder);
	assert_int_equal(sock_hurry_unix(path[0], 3200), 0);
}

static void spawn_run_reports_output_status_and_time(void **state)
{
	const char *const hello[] = { "sh", "-c", "echo hello", NULL };
	const char *const fail[] = { "sh", "-c", "echo wrong >&2; exit 3", NULL };
	const char *const slow[] = { "sleep", "20", NULL };
	const char *const none[] = { "/nonexistent/program", NULL };
	char out[64];
	struct err e = { 0 };

	assert_int_equal(spawn_run(hello, 5000, out, sizeof(out), NULL), 0);
	assert_string_equal(out, "hello\n");
	assert_int_equal(spawn_run(fail, 5000, NULL, 0, &e), -EIO);
	assert_non_null(strstr(e.msg, "exit 3"));
	assert_non_null(strstr(e.msg, "wrong"));
	assert_int_equal(spawn_run(slow, 50, NULL, 0, NULL), -ETIMEDOUT);
	assert_int_equal(spawn_run(none, 5000, NULL, 0, NULL), -EIO);
}

/* The pipe's end is closed when all who hold it are gone. */
static void spawn_run_leaves_no_child_behind_a_killed_caller(void **state)
{
	static const char *const slow[] = { "sh", "-c", "echo >&3; exec sleep 600", NULL };
	int pipefd[2];
	pid_t caller;
	char byte;

	assert_int_equal(pipe(pipefd), 0);
	caller = fork();
	if (!caller) {
		dup2(pipefd[1], 3);
		if (pipefd[1] != 3)
			close(pipefd[1]);
		spawn_run(slow, 600000, NULL, 0, NULL);
		_exit(0);
	}
	close(pipefd[1]);
	assert_int_equal(read(pipefd[0], &byte, 1), 1);
	assert_int_equal(kill(caller, SIGKILL), 0);
	assert_int_equal(waitpid(caller, NULL, 0), caller);
	assert_int_equal(read(pipefd[0], &byte, 1), 0);
	close(pipefd[0]);
}

static void conf_refuses_what_it_does_not_know(void **state)
{
	auto_of(conf_free) struct conf *c = NULL;
	char path[128];
	struct err e = { 0 };
	static const char good[] = "[api]\nlisten = 127.0.0.1:7000\n[pf.p2p1]\nnumvfs = 4\n"
				   "[pf.p2p2]\nuplink = dev eth1\n";
	static const char typo[] = "[api]\n\nlisen = 1\n";
	static const char junk[] = "[api]\nlisten\n";

	snprintf(path, sizeof(path), "%s/anyvf.conf", dir);
	assert_int_equal(conf_open(path, &c, NULL), 0);
	assert_string_equal(conf_get(c, "api", "listen"), "127.0.0.1:5000");
	conf_free(take(c));

	file_replace(path, good, strlen(good), 0600, NULL);
	assert_int_equal(conf_open(path, &c, NULL), 0);
	assert_string_equal(conf_get(c, "api", "listen"), "127.0.0.1:7000");
	assert_string_equal(conf_get(c, "pf.p2p1", "numvfs"), "4");
	assert_string_equal(conf_get(c, "pf.p2p2", "numvfs"), "8");
	assert_string_equal(conf_instance(c, "pf", 1), "p2p2");
	assert_null(conf_instance(c, "pf", 2));
	assert_true(conf_bool(c, "agent", "rx_filter"));
	conf_free(take(c));

	file_replace(path, typo, strlen(typo), 0600, NULL);
	assert_int_equal(conf_open(path, &c, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "line 3"));
	assert_non_null(strstr(e.msg, "\"lisen\""));
	file_replace(path, junk, strlen(junk), 0600, NULL);
	assert_int_equal(conf_open(path, &c, NULL), -EINVAL);
}

static void conf_says_where_the_api_is(void **state)
{
	static const struct {
		const char *conf, *url;
	} rows[] = {
		{ "", "http://127.0.0.1:5000" },
		{ "[api]\nlisten = [::1]:7\n", "http://[::1]:7" },
		{ "[api]\ntls_key = k\n", "https://127.0.0.1:5000" },
		{ "[api]\ntls_key = k\n[agent]\napi = https://api.example.net/\n",
		  "https://api.example.net" },
		{ "[agent]\napi = http://a:1/, http://b:2,,http://c:3/\n",
		  "http://a:1 http://b:2 http://c:3" },
		{ "[agent]\napi = ,\n", "" },
	};
	char path[128], url[64];

	snprintf(path, sizeof(path), "%s/anyvf.conf", dir);
	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		auto_of(conf_free) struct conf *c = NULL;
		char all[128] = "";

		file_replace(path, rows[i].conf, strlen(rows[i].conf), 0600, NULL);
		assert_int_equal(conf_open(path, &c, NULL), 0);
		for (unsigned int n = 0; conf_api_url(c, n, url, sizeof(url)); n++)
			snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", n ? " " : "",
				 url);
		assert_string_equal(all, rows[i].url);
		assert_string_equal(url, "");
	}
}

/* A burst, then one a period; the line that passes says how many did not. Others are not held. */
static void lines_that_others_cause_are_limited(void **state)
{
	struct log_bucket b = { 0 }, other = { 0 };
	unsigned int left_out = 99, passed = 0;
	uint64_t now = 5000;

	for (unsigned int i = 0; i < 1000; i++)
		passed += log_pass(&b, now, &left_out);
	assert_int_equal(passed, LOG_BURST);
	assert_int_equal(left_out, 0);
	assert_true(log_pass(&other, now, &left_out));
	assert_false(log_pass(&b, now + LOG_EVERY_MS - 1, &left_out));
	assert_true(log_pass(&b, now += LOG_EVERY_MS, &left_out));
	assert_int_equal(left_out, 1000 - LOG_BURST + 1);
	assert_false(log_pass(&b, now, &left_out));
	now += (uint64_t)LOG_BURST * LOG_EVERY_MS * 100; /* full again, and no fuller */
	for (passed = 0; log_pass(&b, now, &left_out); passed++)
		assert_int_equal(left_out, passed ? 0 : 1);
	assert_int_equal(passed, LOG_BURST);
}

/* Rows that are none: whoever asks a list with a time sends any of them. */
static void times_are_read_as_clients_write_them(void **state)
{
	static const struct {
		const char *text;
		int64_t at; /* -1: it is no time */
	} rows[] = {
		{ "1970-01-02", 86400 },
		{ "1970-01-01T00:01:00", 60 },
		{ "1970-01-01 00:01:00", 60 },
		{ "1970-01-01T00:01:00.999999Z", 60 },
		{ "1970-01-01T02:00:00+01:30", 1800 },
		{ "1970-01-01T02:00:00 0130", 1800 },
		{ "1970-01-01T00:00:00-00:01", 60 },
		{ "", -1 },
		{ "1970", -1 },
		{ "1970-13-01", -1 },
		{ "1970-01-01T", -1 },
		{ "1970-01-01T24:00:00", -1 },
		{ "1970-01-01T00:00:00+", -1 },
		{ "1970-01-01T00:00:00++01:00", -1 },
		{ "1970-01-01T00:00:00+24:00", -1 },
		{ "1970-01-01T00:00:00Zulu", -1 },
		{ "1970-01-01T00:00:00+01:00:00", -1 },
		{ "99999999999999999999-01-01", -1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t at = -1;

		assert_int_equal(iso8601_parse(rows[i].text, &at), rows[i].at >= 0);
		assert_int_equal(at, rows[i].at);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(err_keeps_the_first_message),
		cmocka_unit_test(mac_reads_what_it_writes_and_refuses_the_rest),
		cmocka_unit_test(vlan_lists_survive_a_round_trip),
		cmocka_unit_test(cidr_masks_compares_and_prints),
		cmocka_unit_test(uuid_makes_what_it_accepts),
		cmocka_unit_test(file_replace_is_whole_or_nothing),
		cmocka_unit_test(file_replace_is_durable_when_it_returns),
		cmocka_unit_test(what_a_killed_writer_left_is_swept),
		cmocka_unit_test(a_tree_is_removed_and_nothing_else),
		cmocka_unit_test(one_of_many_decides),
		cmocka_unit_test(a_power_cut_leaves_no_decision_without_a_word),
		cmocka_unit_test(a_clock_set_back_forgets_no_decision),
		cmocka_unit_test(file_lock_names_the_holder),
		cmocka_unit_test(file_lock_waits_for_a_dead_holders_child),
		cmocka_unit_test(loop_runs_timers_posts_signals_and_fds),
		cmocka_unit_test(many_posts_wake_the_loop_once),
		cmocka_unit_test(timers_ring_in_order_and_may_end_each_other),
		cmocka_unit_test(what_a_timer_arms_is_for_a_later_turn),
		cmocka_unit_test(who_rings_again_keeps_to_its_beat),
		cmocka_unit_test(sockets_pass_descriptors),
		cmocka_unit_test(sockets_of_a_path_are_bounded),
		cmocka_unit_test(spawn_run_reports_output_status_and_time),
		cmocka_unit_test(spawn_run_leaves_no_child_behind_a_killed_caller),
		cmocka_unit_test(conf_refuses_what_it_does_not_know),
		cmocka_unit_test(conf_says_where_the_api_is),
		cmocka_unit_test(lines_that_others_cause_are_limited),
		cmocka_unit_test(times_are_read_as_clients_write_them),
	};

	return cmocka_run_group_tests_name("base", tests, make_dir, remove_dir);
}
