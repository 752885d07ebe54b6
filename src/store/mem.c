/* SPDX-License-Identifier: Apache-2.0 */
/* The store in memory: for tests, and for trying the API without a disk. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/omap.h"
#include "store/backend.h"
#include "store/docs.h"

struct db {
	struct store *st;  /* to be told */
	struct omap *rows; /* key -> struct row; or a mark, without a document */
};

struct row {
	uint64_t version;   /* revision that wrote it */
	struct record *doc; /* owned reference */
};

static void row_free(struct row *row)
{
	if (row)
		record_unref(row->doc);
	free(row);
}

static void mem_close(void *arg)
{
	struct db *db = arg;

	for (struct omap_node *node = db->rows ? omap_from(db->rows, "") : NULL; node;
	     node = node->next[0])
		row_free(node->value);
	omap_free(db->rows);
	free(db);
}

static int mem_open(const char *where, const struct store_opts *opts, struct store *st, void **out,
		    uint64_t *revision, struct err *e)
{
	struct db *db = calloc(1, sizeof(*db));

	if (!db)
		return -ENOMEM;
	*db = (struct db){ st, omap_new() };
	if (!db->rows) {
		free(db);
		return -ENOMEM;
	}
	*out = db;
	*revision = 0;
	return 0;
}

/* 0; -EAGAIN with what stands there instead. */
static int check(struct omap *rows, const struct store_op *op, struct store_docs *found)
{
	struct omap_node *node = omap_find(rows, op->key);
	struct row *row = node ? node->value : NULL;

	if ((row ? row->version : 0) == op->version)
		return 0;
	return store_docs_add(found, row ? row->version : 0, op->key, row ? row->doc : NULL)
		       ?: -EAGAIN;
}

/* -EAGAIN: a mark, or something under a prefix, is newer. */
static int check_calm(struct omap *rows, const struct store_op *op)
{
	size_t len = strlen(op->key);

	for (struct omap_node *node = omap_from(rows, op->key);
	     node && !strncmp(node->key, op->key, len); node = node->next[0]) {
		const struct row *row = node->value;

		if (row->version > op->version && (row->doc || !strcmp(node->key, op->key)))
			return -EAGAIN;
	}
	return 0;
}

static int put(struct omap *rows, const struct store_op *op, uint64_t revision)
{
	struct row *row = malloc(sizeof(*row));
	struct omap_node *node = row ? omap_insert(rows, op->key) : NULL;

	if (!node) {
		free(row);
		return -ENOMEM;
	}
	row_free(node->value);
	*row = (struct row){ revision, record_ref(op->doc) };
	node->value = row;
	return 0;
}

static void mem_commit(void *arg, const struct store_txn *txn, uint64_t revision)
{
	struct db *db = arg;
	struct store_end end = { .revision = revision, .why = "" };
	struct store_docs found = { NULL };

	for (unsigned int i = 0; i < txn->n_ops; i++)
		if (txn->ops[i].kind == STORE_CHECK)
			end.rc = check(db->rows, &txn->ops[i], &found) ?: end.rc;
		else if (txn->ops[i].kind == STORE_CALM)
			end.rc = check_calm(db->rows, &txn->ops[i]) ?: end.rc;
	for (unsigned int i = 0; i < txn->n_ops && !end.rc; i++) {
		if (txn->ops[i].kind == STORE_PUT || txn->ops[i].kind == STORE_TOUCH)
			end.rc = put(db->rows, &txn->ops[i], revision);
		else if (txn->ops[i].kind == STORE_DELETE)
			row_free(omap_remove(db->rows, txn->ops[i].key));
	}
	end.found = found.all;
	end.n_found = found.n;
	store_ended(db->st, &end);
	store_docs_clear(&found);
}

static int mem_list(void *db_arg, const char *prefix, store_doc_fn fn, void *arg,
		    uint64_t *revision, struct err *e)
{
	const struct db *db = db_arg;
	size_t len = strlen(prefix);
	int rc = 0;

	for (struct omap_node *node = omap_from(db->rows, prefix);
	     node && !rc && strncmp(node->key, prefix, len) == 0; node = node->next[0]) {
		struct row *row = node->value;

		if (row->doc)
			rc = fn(arg, node->key, row->version, row->doc);
	}
	return rc;
}

const struct store_backend store_mem = {
	.scheme = "mem:",
	.ops_max = UINT_MAX,
	.open = mem_open,
	.close = mem_close,
	.commit = mem_commit,
	.list = mem_list,
};
