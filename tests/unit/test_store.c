/* SPDX-License-Identifier: Apache-2.0 */
/* The conformance suite of the store: the same claims on every engine, then SQLite's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "store/store.h"
#include "unit/etcd.h"

struct fix {
	char dir[64], url[256]; /* of the store under test */
	struct store *st;	/* open */
	struct store_opts opts; /* etcd's */
	uint64_t base;		/* its revision at the start */
};

static struct etcds *one, *three; /* that all tests share, each with a prefix of its own */

static void ignore_event(void *arg, const struct store_event *ev)
{
}

static int ignore_row(void *arg, const char *key, uint64_t version, struct record *doc)
{
	return 0;
}

static void follow(struct store *st, store_event_fn fn, void *arg)
{
	assert_int_equal(store_follow(st, &(struct store_follower){ fn, NULL, arg }), 0);
}

static struct fix *setup_etcd_of(const struct etcds *e)
{
	static unsigned int prefix;
	struct fix *f = calloc(1, sizeof(*f));
	char name[16];

	strcpy(f->dir, "/tmp/anyvf-store-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(name, sizeof(name), "/t%u", prefix++);
	etcd_url(e, name, f->url, sizeof(f->url));
	f->opts.loop = loop_new(NULL);
	assert_int_equal(store_open(f->url, &f->opts, &f->st, NULL), 0);
	assert_int_equal(store_list(f->st, "", ignore_row, NULL, NULL), 0);
	follow(f->st, ignore_event, NULL);
	f->base = store_revision(f->st);
	return f;
}
static int setup_one(void **state)
{
	*state = setup_etcd_of(one);
	return 0;
}
static int setup_three(void **state)
{
	*state = setup_etcd_of(three);
	return 0;
}

static struct fix *setup_url(const char *scheme)
{
	struct fix *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/anyvf-store-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->url, sizeof(f->url), "%s%s", scheme, scheme[0] == 'm' ? "" : f->dir);
	if (scheme[0] != 'm')
		strcat(f->url, "/db");
	assert_int_equal(store_open(f->url, NULL, &f->st, NULL), 0);
	return f;
}
static int setup_mem(void **state)
{
	*state = setup_url("mem:");
	return 0;
}
static int setup_sqlite(void **state)
{
	*state = setup_url("sqlite:");
	return 0;
}
static int teardown(void **state)
{
	struct fix *f = *state;
	char cmd[96];

	store_close(f->st);
	loop_free(f->opts.loop);
	snprintf(cmd, sizeof(cmd), "rm -r %s", f->dir);
	assert_int_equal(system(cmd), 0);
	free(f);
	return 0;
}

static void note_end(void *arg, const struct store_end *end)
{
	*(int *)arg = end->rc;
}

static int commit(struct store *st, struct store_txn *txn)
{
	int rc = 1;

	store_commit(st, txn, note_end, &rc);
	store_wait(st);
	store_txn_clear(txn);
	assert_true(rc <= 0);
	return rc;
}

static int put(struct store *st, const char *key, int n, int64_t want_version)
{
	struct store_txn txn = { NULL };
	auto_of(json_decref) json_t *json = json_pack("{s:i}", "n", n);
	auto_of(record_unref) struct record *doc = record_of(json);

	if (want_version >= 0)
		store_txn_check(&txn, key, (uint64_t)want_version);
	assert_int_equal(store_txn_put(&txn, key, doc), 0);
	return commit(st, &txn);
}

static int take_row(void *arg, const char *key, uint64_t version, struct record *doc)
{
	struct store_event *row = arg;

	if (strcmp(key, row->key) == 0)
		*row = (struct store_event){ version, row->key, record_ref(doc) };
	return 1;
}

/* Its n; -1: no such key. */
static int get(struct store *st, const char *key, uint64_t *version)
{
	struct store_event row = { 0, key, NULL };
	auto_of(json_decref) json_t *doc = NULL;

	store_list(st, key, take_row, &row, NULL);
	doc = record_read(row.doc);
	if (version)
		*version = row.revision;
	record_unref(row.doc);
	return doc ? (int)json_integer_value(json_object_get(doc, "n")) : -1;
}

static int join(void *arg, const char *key, uint64_t version, struct record *doc)
{
	strcat(arg, key);
	strcat(arg, " ");
	return 0;
}
static void join_event(void *arg, const struct store_event *ev)
{
	if (ev)
		sprintf((char *)arg + strlen(arg), "%s%s ", ev->doc ? "+" : "-", ev->key);
	else
		strcat(arg, ". ");
}

static void join_found(void *arg, const struct store_end *end)
{
	assert_int_equal(end->rc, -EAGAIN);
	for (unsigned int i = 0; i < end->n_found; i++)
		sprintf((char *)arg + strlen(arg), "%s@%d%s ", end->found[i].key,
			(int)end->found[i].revision, end->found[i].doc ? "" : "-");
}

static void store_commits_all_or_nothing(void **state)
{
	struct fix *f = *state;
	struct store *st = f->st;
	struct store_txn txn = { NULL };
	auto_of(record_unref) struct record *doc = record_of_text("{}", 2);
	char found[64] = "";
	uint64_t version;

	assert_int_equal(put(st, "/a", 1, 0), 0);
	assert_int_equal(put(st, "/d", 1, 0), 0);
	get(st, "/d", &version);
	store_txn_put(&txn, "/b", doc);
	store_txn_delete(&txn, "/a");
	store_txn_check(&txn, "/a", 99);
	store_txn_check(&txn, "/d", version);
	store_txn_check(&txn, "/c", 7);
	store_commit(st, &txn, join_found, found);
	store_wait(st);
	store_txn_clear(&txn);
	/* What others wrote was heard before: etcd has nothing to add. */
	assert_string_equal(found, f->opts.loop ? "" : "/a@1 /c@0- ");
	assert_int_equal(get(st, "/a", NULL), 1);
	assert_int_equal(get(st, "/b", NULL), -1);
	assert_int_equal(put(st, "/b", 2, 0), 0);
}

static void store_version_is_the_revision_that_wrote(void **state)
{
	struct fix *f = *state;
	struct store *st = f->st;
	uint64_t version, now;

	put(st, "/a", 1, -1);
	get(st, "/a", &version);
	assert_true(version > f->base && version <= store_revision(st));
	put(st, "/b", 2, -1);
	put(st, "/a", 3, (int64_t)version);
	assert_int_equal(get(st, "/a", &now), 3);
	assert_true(now > version && now <= store_revision(st));
	assert_int_equal(put(st, "/a", 4, (int64_t)version), -EAGAIN);
	assert_int_equal(put(st, "/a", 4, (int64_t)now), 0);
	assert_int_equal(put(st, "/a", 5, 0), -EAGAIN);
	assert_int_equal(get(st, "/a", &version), 4);
	assert_true(version > now && version <= store_revision(st));
}

static int touch(struct store *st, const char *mark)
{
	struct store_txn txn = { NULL };

	assert_int_equal(store_txn_touch(&txn, mark), 0);
	return commit(st, &txn);
}

/* 0: nothing there is newer. */
static int calm(struct store *st, const char *what, uint64_t revision)
{
	struct store_txn txn = { NULL };

	assert_int_equal(store_txn_calm(&txn, what, revision), 0);
	return commit(st, &txn);
}

static void store_knows_what_is_calm(void **state)
{
	struct fix *f = *state;
	struct store *st = f->st;
	uint64_t at;
	char keys[64] = "";

	put(st, "/p/1", 1, -1);
	assert_int_equal(touch(st, "#p.name/x"), 0);
	at = store_revision(st);
	assert_int_equal(calm(st, "#p.name/x", at), 0);
	assert_int_equal(calm(st, "#p.name/x", at - 1), -EAGAIN);
	assert_int_equal(calm(st, "#p.name/", at - 1), 0); /* another */
	assert_int_equal(calm(st, "#p.name/xy", 0), 0);	   /* of which nobody heard */
	assert_int_equal(calm(st, "/p/", at), 0);
	put(st, "/p/2", 1, -1);
	assert_int_equal(calm(st, "/p/", at), -EAGAIN);
	assert_int_equal(calm(st, "/q/", 0), 0);
	assert_int_equal(calm(st, "/p/", store_revision(st)), 0);
	assert_int_equal(store_list(st, "", join, keys, NULL), 0);
	assert_string_equal(keys, "/p/1 /p/2 ");
}

static void store_lists_a_prefix_in_order(void **state)
{
	struct store *st = ((struct fix *)*state)->st;
	char keys[64] = "";

	put(st, "/p/2", 1, -1);
	put(st, "/q", 1, -1);
	put(st, "/p/1", 1, -1);
	put(st, "/o", 1, -1);
	assert_int_equal(store_list(st, "/p/", join, keys, NULL), 0);
	assert_string_equal(keys, "/p/1 /p/2 ");
}

static void store_watchers_hear_what_is_on_disk(void **state)
{
	struct fix *f = *state;
	struct store *st = f->st;
	struct store_txn txn = { NULL };
	auto_of(record_unref) struct record *doc = record_of_text("{}", 2);
	char heard[64] = "", replay[64] = "";
	uint64_t version;

	follow(st, join_event, heard);
	put(st, "/a", 1, -1);
	get(st, "/a", &version);
	store_txn_delete(&txn, "/a");
	store_txn_put(&txn, "/b", doc);
	assert_int_equal(commit(st, &txn), 0);
	assert_int_equal(put(st, "/b", 1, 77), -EAGAIN);
	assert_string_equal(heard, "+/a . -/a +/b . . ");
	assert_int_equal(store_changes(st, version, "/b", join_event, replay), 0);
	assert_string_equal(replay, "+/b ");
}

static void count_event(void *arg, const struct store_event *ev)
{
	++*(unsigned int *)arg;
}

static void store_changes_refuses_what_is_too_old(void **state)
{
	struct fix *f = *state;
	struct store *st = f->st;
	auto_of(record_unref) struct record *doc = record_of_text("{}", 2);
	uint64_t at[90];
	unsigned int n = 0;

	for (int i = 0; i < 90; i++) {
		struct store_txn txn = { NULL };

		for (int k = 0; k < 100; k++) {
			char key[16];

			snprintf(key, sizeof(key), "/%d", k);
			store_txn_put(&txn, key, doc);
		}
		assert_int_equal(commit(st, &txn), 0);
		get(st, "/0", &at[i]);
	}
	assert_int_equal(store_changes(st, at[0], "/", count_event, &n), -ESTALE);
	assert_int_equal(store_changes(st, store_revision(st) + 1, "/", count_event, &n), -ESTALE);
	assert_int_equal(store_changes(st, at[87], "/", count_event, &n), 0);
	assert_int_equal(n, 200);
}

static void store_keys_are_bounded(void **state)
{
	struct store_txn txn = { NULL };
	char key[300];

	memset(key, 'k', 299);
	key[299] = '\0';
	assert_int_equal(store_txn_check(&txn, key, 0), -EINVAL);
	assert_int_equal(store_txn_check(&txn, "", 0), -EINVAL);
	key[STORE_KEY_LEN] = '\0';
	assert_int_equal(store_txn_check(&txn, key, 0), 0);
	store_txn_clear(&txn);
}

static void sqlite_survives_kill(void **state)
{
	struct fix *f = *state;
	pid_t pid;
	int status;

	store_close(take(f->st));
	pid = fork();
	if (pid == 0) {
		if (store_open(f->url, NULL, &f->st, NULL))
			_exit(1);
		put(f->st, "/durable", 1, -1);
		kill(getpid(), SIGKILL);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(store_open(f->url, NULL, &f->st, NULL), 0);
	assert_int_equal(get(f->st, "/durable", NULL), 1);
	assert_int_equal(store_revision(f->st), 1);
	assert_int_equal(put(f->st, "/next", 1, -1), 0);
	assert_int_equal(store_changes(f->st, 0, "/", join_event, NULL), -ESTALE);
}

static void sqlite_revision_outlives_deletes(void **state)
{
	struct fix *f = *state;
	struct store_txn txn = { NULL };

	put(f->st, "/a", 1, -1);
	store_txn_delete(&txn, "/a");
	assert_int_equal(commit(f->st, &txn), 0);
	store_close(take(f->st));
	assert_int_equal(store_open(f->url, NULL, &f->st, NULL), 0);
	assert_int_equal(store_revision(f->st), 2);
}

static void sqlite_refuses_a_newer_schema(void **state)
{
	struct fix *f = *state;
	struct err e = { 0 };
	sqlite3 *sql;

	store_close(take(f->st));
	assert_int_equal(sqlite3_open(f->url + strlen("sqlite:"), &sql), SQLITE_OK);
	sqlite3_exec(sql, "PRAGMA user_version = 7", NULL, NULL, NULL);
	sqlite3_close(sql);
	assert_int_equal(store_open(f->url, NULL, &f->st, &e), -EPROTO);
	assert_non_null(strstr(e.msg, "version 7"));
}

static void sqlite_refuses_what_is_no_database(void **state)
{
	struct fix *f = *state;
	struct err e = { 0 };
	FILE *file;

	store_close(take(f->st));
	file = fopen(f->url + strlen("sqlite:"), "w");
	for (int i = 0; i < 1000; i++)
		fputs("this is not a database\n", file);
	fclose(file);
	assert_int_equal(store_open(f->url, NULL, &f->st, &e), -EBADMSG);
}

static void sqlite_full_disk_undoes_a_commit(void **state)
{
	struct fix *f = *state;
	struct rlimit old, tight = { 65536, 65536 };
	struct store_txn txn = { NULL };
	auto_of(record_unref) struct record *doc = record_of_text("{}", 2);
	char heard[64] = "";

	signal(SIGXFSZ, SIG_IGN);
	follow(f->st, join_event, heard);
	assert_int_equal(put(f->st, "/kept", 1, -1), 0);
	for (int i = 0; i < 2000; i++) {
		char key[64];

		snprintf(key, sizeof(key), "/fill/%040d", i);
		store_txn_put(&txn, key, doc);
	}
	getrlimit(RLIMIT_FSIZE, &old);
	tight.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_FSIZE, &tight);
	assert_true(commit(f->st, &txn) < 0);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_string_equal(heard, "+/kept . . ");
	assert_int_equal(store_revision(f->st), 1);
	assert_int_equal(get(f->st, "/fill/0000000000000000000000000000000000000001", NULL), -1);
	assert_int_equal(put(f->st, "/after", 1, 0), 0);
	assert_int_equal(get(f->st, "/kept", NULL), 1);
}

static void store_open_refuses_an_unknown_kind(void **state)
{
	struct store *st = NULL;
	struct err e = { 0 };

	assert_int_equal(store_open("oracle:x", NULL, &st, &e), -EINVAL);
	assert_string_equal(e.msg, "no such kind of store: oracle:x");
}

static void join_change(void *arg, const struct store_event *ev)
{
	if (ev)
		join_event(arg, ev);
}

/* A second replica of the same cloud. */
struct other {
	struct store *st;
	char heard[256];
};

static void open_other(const struct fix *f, struct other *o)
{
	*o = (struct other){ NULL };
	assert_int_equal(store_open(f->url, &f->opts, &o->st, NULL), 0);
	assert_int_equal(store_list(o->st, "", ignore_row, NULL, NULL), 0);
	follow(o->st, join_change, o->heard);
}

static void note_sync(void *arg, int rc)
{
	*(int *)arg = rc;
}

/* Until it has heard of all there is. */
static int sync_with(const struct fix *f, struct store *st)
{
	int rc = 1;

	store_sync(st, note_sync, &rc);
	while (rc > 0)
		loop_turn(f->opts.loop, 100);
	return rc;
}

static void etcd_replicas_hear_each_other(void **state)
{
	struct fix *f = *state;
	struct other o;
	uint64_t first, second;

	open_other(f, &o);
	assert_int_equal(put(f->st, "/a", 1, 0), 0);
	get(f->st, "/a", &first);
	assert_int_equal(sync_with(f, o.st), 0);
	assert_string_equal(o.heard, "+/a ");
	assert_true(store_revision(o.st) >= first);
	assert_int_equal(put(o.st, "/a", 2, 0), -EAGAIN);
	assert_int_equal(put(o.st, "/a", 2, (int64_t)first), 0);
	get(o.st, "/a", &second);
	assert_int_equal(put(f->st, "/a", 3, (int64_t)first), -EAGAIN);
	assert_int_equal(put(f->st, "/a", 3, (int64_t)second), 0);
	assert_true(store_revision(f->st) > second);
	store_close(o.st);
}

/* What is not heard of, as it was compacted away, is found by comparing. */
struct copy {
	char keys[4][16];
	uint64_t versions[4];
	unsigned int n;
	char heard[128];
};

static const char *next_of_copy(void *arg, const char *after, uint64_t *version)
{
	struct copy *c = arg;

	for (unsigned int i = 0; i < c->n; i++)
		if (strcmp(c->keys[i], after) > 0) {
			*version = c->versions[i];
			return c->keys[i];
		}
	return NULL;
}

static int copy_row(void *arg, const char *key, uint64_t version, struct record *doc)
{
	struct copy *c = arg;

	strcpy(c->keys[c->n], key);
	c->versions[c->n++] = version;
	return 0;
}

static void hear_copy(void *arg, const struct store_event *ev)
{
	join_change(((struct copy *)arg)->heard, ev);
}

static void etcd_relists_by_difference(void **state)
{
	struct fix *f = *state;
	struct copy c = { .n = 0 };
	struct store_txn txn = { NULL };
	struct store *st = NULL;
	uint64_t same;

	put(f->st, "/changed", 1, 0);
	put(f->st, "/gone", 1, 0);
	put(f->st, "/same", 1, 0);
	get(f->st, "/same", &same);
	assert_int_equal(store_open(f->url, &f->opts, &st, NULL), 0);
	assert_int_equal(store_list(st, "", copy_row, &c, NULL), 0);
	put(f->st, "/changed", 2, -1);
	put(f->st, "/new", 1, 0);
	store_txn_delete(&txn, "/gone");
	assert_int_equal(commit(f->st, &txn), 0);
	etcd_compact(one, store_revision(f->st));
	store_follow(st, &(struct store_follower){ hear_copy, next_of_copy, &c });
	assert_int_equal(sync_with(f, st), 0);
	assert_string_equal(c.heard, "+/changed -/gone +/new ");
	assert_int_equal(store_changes(st, same, "", join_event, NULL), -ESTALE);
	assert_int_equal(put(st, "/same", 3, (int64_t)same), 0);
	store_close(st);
}

static void etcd_members_may_die(void **state)
{
	struct fix *f = *state;
	struct other o;
	const char *why;
	uint64_t since;

	open_other(f, &o);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(put(f->st, "/a", (int)i, -1), 0);
		etcd_kill(three, i);
		assert_int_equal(put(f->st, "/b", (int)i, -1), 0);
		assert_int_equal(sync_with(f, o.st), 0);
		etcd_run(three, i);
		etcd_wait_for(three, i);
	}
	assert_string_equal(o.heard, "+/a +/b +/a +/b +/a +/b ");
	etcd_kill(three, 0);
	etcd_kill(three, 1);
	assert_int_equal(sync_with(f, f->st), -ETIMEDOUT);
	why = store_trouble(f->st, &since);
	assert_non_null(why);
	assert_true(since <= loop_now_ms());
	etcd_run(three, 0);
	etcd_run(three, 1);
	etcd_wait_for(three, 0);
	etcd_wait_for(three, 1);
	assert_int_equal(put(f->st, "/c", 1, 0), 0);
	assert_int_equal(sync_with(f, o.st), 0);
	assert_null(store_trouble(o.st, &since));
	store_close(o.st);
}

static int start_etcd(void **state)
{
	one = etcd_start(1);
	three = etcd_start(3);
	return 0;
}

static int stop_etcd(void **state)
{
	etcd_stop(one);
	etcd_stop(three);
	return 0;
}

#define ALL(test)                                                                                  \
	cmocka_unit_test_setup_teardown(test, setup_mem, teardown),                                \
		cmocka_unit_test_setup_teardown(test, setup_sqlite, teardown),                     \
		cmocka_unit_test_setup_teardown(test, setup_one, teardown),                        \
		cmocka_unit_test_setup_teardown(test, setup_three, teardown)
/* SQLite has no marks, as nobody else writes. */
#define SHARED(test)                                                                               \
	cmocka_unit_test_setup_teardown(test, setup_mem, teardown),                                \
		cmocka_unit_test_setup_teardown(test, setup_one, teardown),                        \
		cmocka_unit_test_setup_teardown(test, setup_three, teardown)
#define SQLITE(test) cmocka_unit_test_setup_teardown(test, setup_sqlite, teardown)
#define ETCD(test)   cmocka_unit_test_setup_teardown(test, setup_one, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALL(store_commits_all_or_nothing),
		ALL(store_version_is_the_revision_that_wrote),
		SHARED(store_knows_what_is_calm),
		ALL(store_lists_a_prefix_in_order),
		ALL(store_watchers_hear_what_is_on_disk),
		ALL(store_changes_refuses_what_is_too_old),
		cmocka_unit_test(store_keys_are_bounded),
		SQLITE(sqlite_survives_kill),
		SQLITE(sqlite_revision_outlives_deletes),
		SQLITE(sqlite_refuses_a_newer_schema),
		SQLITE(sqlite_refuses_what_is_no_database),
		SQLITE(sqlite_full_disk_undoes_a_commit),
		ETCD(etcd_replicas_hear_each_other),
		ETCD(etcd_relists_by_difference),
		cmocka_unit_test_setup_teardown(etcd_members_may_die, setup_three, teardown),
		cmocka_unit_test(store_open_refuses_an_unknown_kind),
	};
	return cmocka_run_group_tests(tests, start_etcd, stop_etcd);
}
