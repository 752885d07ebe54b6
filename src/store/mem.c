/* SPDX-License-Identifier: Apache-2.0 */
/* The store in memory: for tests, and for trying the API without a disk. */
#include <errno.h>
#include <string.h>

#include "base/omap.h"
#include "store/backend.h"

struct row {
	uint64_t version; /* revision that wrote it */
	json_t *doc;	  /* owned reference */
};

static void row_free(struct row *row)
{
	if (row)
		json_decref(row->doc);
	free(row);
}

static int mem_open(const char *where, void **out, uint64_t *revision, struct err *e)
{
	struct omap *rows = omap_new();

	if (!rows)
		return -ENOMEM;
	*out = rows;
	*revision = 0;
	return 0;
}

static void mem_close(void *db)
{
	for (struct omap_node *node = omap_from(db, ""); node; node = node->next[0])
		row_free(node->value);
	omap_free(db);
}

static uint64_t version_of(struct omap *rows, const char *key)
{
	struct omap_node *node = omap_find(rows, key);

	return node ? ((struct row *)node->value)->version : 0;
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
	*row = (struct row){ revision, json_incref(op->doc) };
	node->value = row;
	return 0;
}

static int mem_apply(void *db, const struct store_txn *txn, uint64_t revision, struct err *e)
{
	int rc = 0;

	for (unsigned int i = 0; i < txn->n_ops; i++)
		if (txn->ops[i].kind == STORE_CHECK &&
		    version_of(db, txn->ops[i].key) != txn->ops[i].version)
			return -EAGAIN;
	for (unsigned int i = 0; i < txn->n_ops && !rc; i++) {
		if (txn->ops[i].kind == STORE_PUT)
			rc = put(db, &txn->ops[i], revision);
		else if (txn->ops[i].kind == STORE_DELETE)
			row_free(omap_remove(db, txn->ops[i].key));
	}
	return rc;
}

static int mem_flush(void *db, uint64_t revision, struct err *e)
{
	return 0;
}

static int mem_get(void *db, const char *key, uint64_t *version, json_t **doc, struct err *e)
{
	struct omap_node *node = omap_find(db, key);
	struct row *row = node ? node->value : NULL;

	if (!row)
		return -ENOENT;
	*version = row->version;
	*doc = json_incref(row->doc);
	return 0;
}

static int mem_list(void *db, const char *prefix, store_doc_fn fn, void *arg, struct err *e)
{
	size_t len = strlen(prefix);
	int rc = 0;

	for (struct omap_node *node = omap_from(db, prefix);
	     node && !rc && strncmp(node->key, prefix, len) == 0; node = node->next[0]) {
		struct row *row = node->value;

		rc = fn(arg, node->key, row->version, row->doc);
	}
	return rc;
}

const struct store_backend store_mem = {
	.scheme = "mem:",
	.open = mem_open,
	.close = mem_close,
	.apply = mem_apply,
	.flush = mem_flush,
	.get = mem_get,
	.list = mem_list,
};
