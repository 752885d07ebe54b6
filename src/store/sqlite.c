/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded store: one SQLite connection in WAL mode, synchronous=FULL. The
 * transactions of one turn of the loop share one SQLite transaction (group
 * commit); each is a savepoint in it, so that one that fails leaves the others.
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "store/backend.h"

enum { Q_VERSION, Q_GET, Q_LIST, Q_PUT, Q_DELETE, Q_REVISION, Q_N };

static const char *const queries[Q_N] = {
	[Q_VERSION] = "SELECT version FROM doc WHERE key = ?1",
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
	sqlite3 *sql;		  /* the one connection */
	sqlite3_stmt *stmts[Q_N]; /* prepared queries */
	bool in_group;		  /* a transaction is open */
	bool group_lost;	  /* SQLite rolled the open group back by itself */
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

static int sqlite_open(const char *where, void **out, uint64_t *revision, struct err *e)
{
	auto_of(sqlite_close) struct db *db = calloc(1, sizeof(*db));
	int64_t n;
	int rc;

	if (!db)
		return -ENOMEM;
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

static int check(struct db *db, const struct store_op *op, struct err *e)
{
	sqlite3_stmt *stmt = bind_key(db, Q_VERSION, op->key);
	int got = sqlite3_step(stmt);
	uint64_t version = got == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;

	sqlite3_reset(stmt);
	if (got != SQLITE_ROW && got != SQLITE_DONE)
		return fail(db, e, "database");
	return version == op->version ? 0 : -EAGAIN;
}

static int change(struct db *db, const struct store_op *op, uint64_t revision, struct err *e)
{
	sqlite3_stmt *stmt = bind_key(db, op->kind == STORE_PUT ? Q_PUT : Q_DELETE, op->key);
	auto_free char *body = NULL;

	if (op->kind == STORE_PUT) {
		body = json_dumps(op->doc, JSON_COMPACT);
		if (!body)
			return -ENOMEM;
		sqlite3_bind_int64(stmt, 2, (sqlite3_int64)revision);
		sqlite3_bind_text(stmt, 3, body, -1, SQLITE_STATIC);
	}
	return step_done(db, stmt, e);
}

static int sqlite_apply(void *arg, const struct store_txn *txn, uint64_t revision, struct err *e)
{
	struct db *db = arg;
	int rc = db->in_group ? 0 : run(db, "BEGIN IMMEDIATE", e);

	if (rc || db->group_lost)
		return rc ? rc : err_set(e, -EIO, "database: the transaction was lost");
	db->in_group = true;
	for (unsigned int i = 0; i < txn->n_ops && !rc; i++)
		if (txn->ops[i].kind == STORE_CHECK)
			rc = check(db, &txn->ops[i], e);
	if (rc)
		return rc;
	rc = run(db, "SAVEPOINT txn", e);
	for (unsigned int i = 0; i < txn->n_ops && !rc; i++)
		if (txn->ops[i].kind != STORE_CHECK)
			rc = change(db, &txn->ops[i], revision, e);
	if (!rc)
		return run(db, "RELEASE txn", e);
	if (sqlite3_get_autocommit(db->sql))
		db->group_lost = true; /* a full disk may undo more than the savepoint */
	else
		run(db, "ROLLBACK TO txn; RELEASE txn", NULL);
	return rc;
}

static int sqlite_flush(void *arg, uint64_t revision, struct err *e)
{
	struct db *db = arg;
	sqlite3_stmt *stmt = db->stmts[Q_REVISION];
	int rc = 0;

	if (db->group_lost)
		rc = err_set(e, -EIO, "database: the transaction was lost");
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)revision);
	rc = rc ? rc : step_done(db, stmt, e);
	rc = rc ? rc : run(db, "COMMIT", e);
	if (rc && !sqlite3_get_autocommit(db->sql))
		run(db, "ROLLBACK", NULL);
	db->in_group = db->group_lost = false;
	return rc;
}

static int parse(const char *key, const char *body, json_t **doc, struct err *e)
{
	*doc = body ? json_loads(body, JSON_REJECT_DUPLICATES, NULL) : NULL;
	return *doc ? 0 : err_set(e, -EBADMSG, "%s: the stored document is not JSON", key);
}

static int sqlite_get(void *arg, const char *key, uint64_t *version, json_t **doc, struct err *e)
{
	struct db *db = arg;
	sqlite3_stmt *stmt = bind_key(db, Q_GET, key);
	int got = sqlite3_step(stmt), rc;

	if (got == SQLITE_ROW) {
		rc = parse(key, (const char *)sqlite3_column_text(stmt, 1), doc, e);
		if (!rc)
			*version = (uint64_t)sqlite3_column_int64(stmt, 0);
	} else {
		rc = got == SQLITE_DONE ? -ENOENT : fail(db, e, "database");
	}
	sqlite3_reset(stmt);
	return rc;
}

static int sqlite_list(void *arg, const char *prefix, store_doc_fn fn, void *fn_arg, struct err *e)
{
	struct db *db = arg;
	sqlite3_stmt *stmt = bind_key(db, Q_LIST, prefix);
	size_t len = strlen(prefix);
	int got = SQLITE_DONE, rc = 0;

	while (!rc && (got = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *key = (const char *)sqlite3_column_text(stmt, 0);
		auto_of(json_decref) json_t *doc = NULL;

		if (!key || strncmp(key, prefix, len) != 0)
			break;
		rc = parse(key, (const char *)sqlite3_column_text(stmt, 2), &doc, e);
		rc = rc ? rc : fn(fn_arg, key, (uint64_t)sqlite3_column_int64(stmt, 1), doc);
	}
	if (!rc && got != SQLITE_ROW && got != SQLITE_DONE)
		rc = fail(db, e, "database");
	sqlite3_reset(stmt);
	return rc;
}

const struct store_backend store_sqlite = {
	.scheme = "sqlite:",
	.open = sqlite_open,
	.close = sqlite_close,
	.apply = sqlite_apply,
	.flush = sqlite_flush,
	.get = sqlite_get,
	.list = sqlite_list,
};
