/* SPDX-License-Identifier: Apache-2.0 */
/* The embedded store: one SQLite connection in WAL mode, synchronous=FULL. */
#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/members.h"
#include "store/backend.h"
#include "store/docs.h"

enum { Q_GET, Q_LIST, Q_PUT, Q_DELETE, Q_REVISION, Q_N };

static const char *const queries[Q_N] = {
	[Q_GET] = "SELECT version, body FROM doc WHERE key = ?1",
	[Q_LIST] = "SELECT key, version, body FROM doc WHERE key >= ?1 ORDER BY key",
	[Q_PUT] = "REPLACE INTO doc(key, version, body) VALUES(?1, ?2, ?3)",
	[Q_DELETE] = "DELETE FROM doc WHERE key = ?1",
	[Q_REVISION] = "UPDATE meta SET revision = ?1",
};

/* steps[v] takes a database of version v to v + 1; a new one has version 0. */
static const char *const steps[STORE_SCHEMA] = {
	"CREATE TABLE doc(key TEXT PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL) "
	"WITHOUT ROWID;"
	"CREATE TABLE meta(revision INTEGER NOT NULL);"
	"INSERT INTO meta VALUES(0);",
};

struct db {
	struct store *st;	  /* to be told */
	sqlite3 *sql;		  /* the one connection */
	sqlite3_stmt *stmts[Q_N]; /* prepared queries */
};

static int fail(struct db *db, struct err *e, const char *what)
{
	static const struct {
		int code, error;
	} map[] = {
		{ SQLITE_FULL, -ENOSPC },     { SQLITE_READONLY, -EROFS },
		{ SQLITE_BUSY, -EBUSY },      { SQLITE_NOMEM, -ENOMEM },
		{ SQLITE_CORRUPT, -EBADMSG }, { SQLITE_NOTADB, -EBADMSG },
		{ SQLITE_CANTOPEN, -ENOENT },
	};
	int code = sqlite3_errcode(db->sql) & 0xff, rc = -EIO;

	for (unsigned int i = 0; i < ARRAY_LEN(map); i++)
		if (map[i].code == code)
			rc = map[i].error;
	if (code == SQLITE_CANTOPEN && sqlite3_system_errno(db->sql))
		return err_set(e, rc, "%s: %s: %s", what, sqlite3_errmsg(db->sql),
			       strerror(sqlite3_system_errno(db->sql)));
	return err_set(e, rc, "%s: %s", what, sqlite3_errmsg(db->sql));
}

static int run(struct db *db, const char *sql, struct err *e)
{
	if (sqlite3_exec(db->sql, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	return fail(db, e, "database");
}

static sqlite3_stmt *bind_key(struct db *db, unsigned int q, const char *key)
{
	sqlite3_reset(db->stmts[q]);
	sqlite3_bind_text(db->stmts[q], 1, key, -1, SQLITE_STATIC);
	return db->stmts[q];
}

/* Steps a statement that returns no row. */
static int step_done(struct db *db, sqlite3_stmt *stmt, struct err *e)
{
	int rc = sqlite3_step(stmt) == SQLITE_DONE ? 0 : fail(db, e, "database");

	sqlite3_reset(stmt);
	return rc;
}

static int number(struct db *db, const char *sql, int64_t *out, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	int rc = 0;

	if (sqlite3_prepare_v2(db->sql, sql, -1, &stmt, NULL) != SQLITE_OK ||
	    sqlite3_step(stmt) != SQLITE_ROW)
		rc = fail(db, e, "database");
	else
		*out = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return rc;
}

static int upgrade(struct db *db, const char *where, struct err *e)
{
	int64_t version;
	int rc = number(db, "PRAGMA user_version", &version, e);

	if (!rc && version > STORE_SCHEMA)
		return err_set(e, -EPROTO, "%s has version %lld, this program knows %d", where,
			       (long long)version, STORE_SCHEMA);
	for (; !rc && version < STORE_SCHEMA; version++) {
		char set[48];

		snprintf(set, sizeof(set), "PRAGMA user_version = %d", (int)version + 1);
		rc = run(db, "BEGIN IMMEDIATE", e);
		rc = rc ? rc : run(db, steps[version], e);
		rc = rc ? rc : run(db, set, e);
		rc = rc ? rc : run(db, "COMMIT", e);
	}
	return rc;
}

static void sqlite_close(void *arg)
{
	struct db *db = arg;

	for (unsigned int q = 0; q < Q_N; q++)
		sqlite3_finalize(db->stmts[q]);
	sqlite3_close(db->sql);
	free(db);
}
AUTO_DEFINE(struct db *, sqlite_close)

static int sqlite_open(const char *where, const struct store_opts *opts, struct store *st,
		       void **out, uint64_t *revision, struct err *e)
{
	auto_of(sqlite_close) struct db *db = calloc(1, sizeof(*db));
	int64_t n;
	int rc;

	if (!db)
		return -ENOMEM;
	db->st = st;
	if (sqlite3_open_v2(where, &db->sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
	    SQLITE_OK)
		return fail(db, e, where);
	/* Exclusive: one process, no shared memory file, a second opener is told so. */
	rc = run(db,
		 "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
		 "PRAGMA synchronous = FULL; PRAGMA cache_size = -4096",
		 e);
	rc = rc ? rc : upgrade(db, where, e);
	rc = rc ? rc : number(db, "SELECT revision FROM meta", &n, e);
	if (rc) {
		err_prefix(e, "%s", where);
		return rc;
	}
	for (unsigned int q = 0; q < Q_N; q++)
		if (sqlite3_prepare_v3(db->sql, queries[q], -1, SQLITE_PREPARE_PERSISTENT,
				       &db->stmts[q], NULL) != SQLITE_OK)
			return fail(db, e, where);
	*revision = (uint64_t)n;
	*out = take(db);
	return 0;
}

/* Whether all of it is as it was written is seen when it is parsed, not here. */
static int read_body(sqlite3_stmt *stmt, int column, const char *key, struct record **doc,
		     struct err *e)
{
	const char *body = (const char *)sqlite3_column_text(stmt, column);
	size_t len = body ? (size_t)sqlite3_column_bytes(stmt, column) : 0;
	struct members it = members_of(body, len);
	struct member m;
	int rc = 1;

	while (body && rc > 0)
		rc = members_next(&it, &m);
	if (rc)
		return err_set(e, -EBADMSG, "%s: the stored document is not JSON", key);
	*doc = record_of_text(body, len);
	return *doc ? 0 : -ENOMEM;
}

/* 0; -EAGAIN with what stands there instead. */
static int check(struct db *db, const struct store_op *op, struct store_docs *found, struct err *e)
{
	sqlite3_stmt *stmt = bind_key(db, Q_GET, op->key);
	int got = sqlite3_step(stmt), rc = 0;
	uint64_t version = got == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
	auto_of(record_unref) struct record *doc = NULL;

	if (got != SQLITE_ROW && got != SQLITE_DONE)
		rc = fail(db, e, "database");
	else if (version != op->version)
		rc = -EAGAIN;
	if (rc == -EAGAIN && version)
		rc = read_body(stmt, 1, op->key, &doc, e) ?: rc;
	if (rc == -EAGAIN)
		rc = store_docs_add(found, version, op->key, doc) ?: rc;
	sqlite3_reset(stmt);
	return rc;
}

static int check_all(struct db *db, const struct store_txn *txn, struct store_docs *found,
		     struct err *e)
{
	int rc = 0;

	for (unsigned int i = 0; i < txn->n_ops && (!rc || rc == -EAGAIN); i++)
		if (txn->ops[i].kind == STORE_CHECK)
			rc = check(db, &txn->ops[i], found, e) ?: rc;
	return rc;
}

static int change(struct db *db, const struct store_op *op, uint64_t revision, struct err *e)
{
	sqlite3_stmt *stmt = bind_key(db, op->kind == STORE_PUT ? Q_PUT : Q_DELETE, op->key);

	if (op->kind == STORE_PUT) {
		const char *body = record_text(op->doc, NULL);

		if (!body)
			return -ENOMEM;
		sqlite3_bind_int64(stmt, 2, (sqlite3_int64)revision);
		sqlite3_bind_text(stmt, 3, body, -1, SQLITE_STATIC);
	}
	return step_done(db, stmt, e);
}

static int change_all(struct db *db, const struct store_txn *txn, uint64_t revision, struct err *e)
{
	sqlite3_stmt *stmt = db->stmts[Q_REVISION];
	int rc = 0;

	for (unsigned int i = 0; i < txn->n_ops && !rc; i++)
		if (txn->ops[i].kind == STORE_PUT || txn->ops[i].kind == STORE_DELETE)
			rc = change(db, &txn->ops[i], revision, e);
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)revision);
	return rc ? rc : step_done(db, stmt, e);
}

static void sqlite_commit(void *arg, const struct store_txn *txn, uint64_t revision)
{
	struct db *db = arg;
	struct store_docs found = { NULL };
	struct err e = { 0 };
	int rc = run(db, "BEGIN IMMEDIATE", &e);

	rc = rc ? rc : check_all(db, txn, &found, &e);
	rc = rc ? rc : change_all(db, txn, revision, &e);
	rc = rc ? rc : run(db, "COMMIT", &e);
	if (rc && !sqlite3_get_autocommit(db->sql)) /* a full disk has undone it already */
		run(db, "ROLLBACK", NULL);
	store_ended(db->st, &(struct store_end){ rc, revision, e.msg, found.all, found.n });
	store_docs_clear(&found);
}

static int sqlite_list(void *arg, const char *prefix, store_doc_fn fn, void *fn_arg,
		       uint64_t *revision, struct err *e)
{
	struct db *db = arg;
	sqlite3_stmt *stmt = bind_key(db, Q_LIST, prefix);
	size_t len = strlen(prefix);
	int got = SQLITE_DONE, rc = 0;

	while (!rc && (got = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *key = (const char *)sqlite3_column_text(stmt, 0);
		auto_of(record_unref) struct record *doc = NULL;

		if (!key || strncmp(key, prefix, len) != 0)
			break;
		rc = read_body(stmt, 2, key, &doc, e);
		rc = rc ? rc : fn(fn_arg, key, (uint64_t)sqlite3_column_int64(stmt, 1), doc);
	}
	if (!rc && got != SQLITE_ROW && got != SQLITE_DONE)
		rc = fail(db, e, "database");
	sqlite3_reset(stmt);
	return rc;
}

const struct store_backend store_sqlite = {
	.scheme = "sqlite:",
	.ops_max = UINT_MAX,
	.open = sqlite_open,
	.close = sqlite_close,
	.commit = sqlite_commit,
	.list = sqlite_list,
};
