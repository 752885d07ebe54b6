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

struct fix {
	char dir[64], url[128]; /* of the store under test */
	struct store *st;	/* open */
};

static struct fix *setup_url(const char *scheme)
{
	struct fix *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/anyvf-store-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->url, sizeof(f->url), "%s%s", scheme, scheme[0] == 'm' ? "" : f->dir);
	if (scheme[0] != 'm')
		strcat(f->url, "/db");
	assert_int_equal(store_open(f->url, &f->st, NULL), 0);
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
	snprintf(cmd, sizeof(cmd), "rm -r %s", f->dir);
	assert_int_equal(system(cmd), 0);
	free(f);
	return 0;
}

/* put KEY n, applied but not flushed */
static int put(struct store *st, const char *key, int n, int64_t want_version)
{
	struct store_txn txn = { .n_ops = 0 };
	json_t *doc = json_pack("{s:i}", "n", n);
	struct err e = { 0 };
	int rc;

	if (want_version >= 0)
		store_txn_check(&txn, key, (uint64_t)want_version);
	assert_int_equal(store_txn_put(&txn, key, doc), 0);
	rc = store_apply(st, &txn, NULL, &e);
	store_txn_clear(&txn);
	json_decref(doc);
	return rc;
}

static int get(struct store *st, const char *key, uint64_t *version)
{
	auto_of(json_decref) json_t *doc = NULL;

	if (store_get(st, key, version, &doc, NULL))
		return -1;
	return (int)json_integer_value(json_object_get(doc, "n"));
}

static int join(void *arg, const char *key, uint64_t version, json_t *doc)
{
	strcat(arg, key);
	strcat(arg, " ");
	return 0;
}
static void join_event(void *arg, const struct store_event *ev)
{
	sprintf((char *)arg + strlen(arg), "%s%s ", ev->doc ? "+" : "-", ev->key);
}

static void store_txn_applies_all_or_nothing(void **state)
{
	struct store *st = ((struct fix *)*state)->st;
	struct store_txn txn = { .n_ops = 0 };
	json_t *doc = json_object();

	assert_int_equal(put(st, "/a", 1, 0), 0);
	store_txn_put(&txn, "/b", doc);
	store_txn_delete(&txn, "/a");
	store_txn_check(&txn, "/a", 99);
	assert_int_equal(store_apply(st, &txn, NULL, NULL), -EAGAIN);
	assert_int_equal(get(st, "/a", NULL), 1);
	assert_int_equal(get(st, "/b", NULL), -1);
	store_txn_clear(&txn);
	json_decref(doc);
}

static void store_version_is_the_revision_that_wrote(void **state)
{
	struct store *st = ((struct fix *)*state)->st;
	uint64_t version;

	put(st, "/a", 1, -1);
	put(st, "/b", 2, -1);
	put(st, "/a", 3, -1);
	assert_int_equal(get(st, "/a", &version), 3);
	assert_int_equal(version, 3);
	assert_int_equal(put(st, "/a", 4, 1), -EAGAIN);
	assert_int_equal(put(st, "/a", 4, 3), 0);
	assert_int_equal(put(st, "/a", 5, 0), -EAGAIN);
	assert_int_equal(store_revision(st), 0);
	assert_int_equal(store_flush(st, NULL), 0);
	assert_int_equal(store_revision(st), 4);
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

static void store_watchers_hear_at_flush(void **state)
{
	struct store *st = ((struct fix *)*state)->st;
	struct store_txn txn = { .n_ops = 0 };
	char heard[64] = "", replay[64] = "";

	store_watch(st, join_event, heard);
	put(st, "/a", 1, -1);
	store_txn_delete(&txn, "/a");
	store_apply(st, &txn, NULL, NULL);
	store_txn_clear(&txn);
	put(st, "/b", 1, -1);
	assert_string_equal(heard, "");
	store_flush(st, NULL);
	assert_string_equal(heard, "+/a -/a +/b ");
	assert_int_equal(store_changes(st, 2, "/", join_event, replay), 0);
	assert_string_equal(replay, "+/b ");
}

static void store_changes_refuses_what_is_too_old(void **state)
{
	struct store *st = ((struct fix *)*state)->st;
	char heard[64] = "";

	for (int i = 0; i < 9000; i++) {
		put(st, "/a", i, -1);
		if (i % 100 == 0)
			store_flush(st, NULL);
	}
	store_flush(st, NULL);
	assert_int_equal(store_changes(st, 100, "/", join_event, heard), -ESTALE);
	assert_int_equal(store_changes(st, 9001, "/", join_event, heard), -ESTALE);
	assert_int_equal(store_changes(st, 8998, "/", join_event, heard), 0);
	assert_string_equal(heard, "+/a +/a ");
}

static void store_txn_is_bounded(void **state)
{
	struct store_txn txn = { .n_ops = 0 };
	char key[300];

	memset(key, 'k', 299);
	key[299] = '\0';
	assert_int_equal(store_txn_check(&txn, key, 0), -EINVAL);
	for (int i = 0; i < STORE_OPS_MAX; i++)
		assert_int_equal(store_txn_check(&txn, "/a", 0), 0);
	assert_int_equal(store_txn_check(&txn, "/a", 0), -E2BIG);
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
		if (store_open(f->url, &f->st, NULL))
			_exit(1);
		put(f->st, "/durable", 1, -1);
		store_flush(f->st, NULL);
		put(f->st, "/lost", 2, -1);
		kill(getpid(), SIGKILL);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(store_open(f->url, &f->st, NULL), 0);
	assert_int_equal(get(f->st, "/durable", NULL), 1);
	assert_int_equal(get(f->st, "/lost", NULL), -1);
	assert_int_equal(store_revision(f->st), 1);
	assert_int_equal(put(f->st, "/next", 1, -1), 0);
	assert_int_equal(store_changes(f->st, 0, "/", join_event, NULL), -ESTALE);
}

static void sqlite_revision_outlives_deletes(void **state)
{
	struct fix *f = *state;
	struct store_txn txn = { .n_ops = 0 };

	put(f->st, "/a", 1, -1);
	store_txn_delete(&txn, "/a");
	store_apply(f->st, &txn, NULL, NULL);
	store_txn_clear(&txn);
	store_flush(f->st, NULL);
	store_close(take(f->st));
	assert_int_equal(store_open(f->url, &f->st, NULL), 0);
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
	assert_int_equal(store_open(f->url, &f->st, &e), -EPROTO);
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
	assert_int_equal(store_open(f->url, &f->st, &e), -EBADMSG);
}

static void sqlite_full_disk_undoes_the_group(void **state)
{
	struct fix *f = *state;
	struct rlimit old, tight = { 65536, 65536 };
	char heard[64] = "";
	int rc = 0;

	signal(SIGXFSZ, SIG_IGN);
	store_watch(f->st, join_event, heard);
	put(f->st, "/kept", 1, -1);
	assert_int_equal(store_flush(f->st, NULL), 0);
	getrlimit(RLIMIT_FSIZE, &old);
	tight.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_FSIZE, &tight);
	for (int i = 0; i < 2000 && !rc; i++) {
		char key[64];

		snprintf(key, sizeof(key), "/fill/%040d", i);
		rc = put(f->st, key, i, -1);
	}
	rc = rc ? rc : store_flush(f->st, NULL);
	assert_true(rc < 0);
	store_flush(f->st, NULL);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_string_equal(heard, "+/kept ");
	assert_int_equal(store_revision(f->st), 1);
	assert_int_equal(get(f->st, "/fill/0000000000000000000000000000000000000001", NULL), -1);
	assert_int_equal(put(f->st, "/after", 1, 0), 0);
	assert_int_equal(store_flush(f->st, NULL), 0);
	assert_int_equal(get(f->st, "/kept", NULL), 1);
}

static void store_open_refuses_an_unknown_kind(void **state)
{
	struct store *st = NULL;
	struct err e = { 0 };

	assert_int_equal(store_open("oracle:x", &st, &e), -EINVAL);
	assert_string_equal(e.msg, "no such kind of store: oracle:x");
}

#define BOTH(test)                                                                                 \
	cmocka_unit_test_setup_teardown(test, setup_mem, teardown),                                \
		cmocka_unit_test_setup_teardown(test, setup_sqlite, teardown)
#define SQLITE(test) cmocka_unit_test_setup_teardown(test, setup_sqlite, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(store_txn_applies_all_or_nothing),
		BOTH(store_version_is_the_revision_that_wrote),
		BOTH(store_lists_a_prefix_in_order),
		BOTH(store_watchers_hear_at_flush),
		BOTH(store_changes_refuses_what_is_too_old),
		BOTH(store_txn_is_bounded),
		SQLITE(sqlite_survives_kill),
		SQLITE(sqlite_revision_outlives_deletes),
		SQLITE(sqlite_refuses_a_newer_schema),
		SQLITE(sqlite_refuses_what_is_no_database),
		SQLITE(sqlite_full_disk_undoes_the_group),
		cmocka_unit_test(store_open_refuses_an_unknown_kind),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
