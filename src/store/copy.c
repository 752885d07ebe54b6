/* SPDX-License-Identifier: Apache-2.0 */
/* All documents of one store into another, empty one; what was begun and did not end is seen. */
#include <errno.h>
#include <string.h>

#include "store/docs.h"

#define OPS   100	   /* documents of one commit, ... */
#define BYTES (512u << 10) /* ... or bytes of them */

static int keep(void *arg, const char *key, uint64_t version, struct record *doc)
{
	return store_docs_add(arg, version, key, doc);
}

struct result {
	int rc;
	struct err *e;
};

static void on_end(void *arg, const struct store_end *end)
{
	struct result *r = arg;

	r->rc = end->rc;
	if (end->rc)
		err_set(r->e, end->rc, "%s", *end->why ? end->why : "somebody else writes there");
}

static int commit(struct store *st, struct store_txn *txn, struct err *e)
{
	struct result r = { 0, e };

	store_commit(st, txn, on_end, &r);
	store_wait(st);
	store_txn_clear(txn);
	return r.rc;
}

/* One document more or less, in a commit of its own. */
static int mark(struct store *st, bool on, struct err *e)
{
	auto_of(record_unref) struct record *doc = record_of_text("{}", 2);
	struct store_txn txn = { NULL };
	int rc = !doc ? -ENOMEM
		 : on ? store_txn_put(&txn, STORE_COPYING, doc)
		      : store_txn_delete(&txn, STORE_COPYING);

	return rc ?: commit(st, &txn, e);
}

/* doc: whether they are put, or deleted. */
static int change_all(struct store *st, const struct store_docs *rows, bool put, struct err *e)
{
	struct store_txn txn = { NULL };
	size_t size = 0, len = 0;
	int rc = 0;

	for (unsigned int i = 0; i < rows->n && !rc; i++) {
		const struct store_event *row = &rows->all[i];

		if (!strcmp(row->key, STORE_COPYING))
			continue;
		if (put && !record_text(row->doc, &len))
			rc = -ENOMEM;
		size += len;
		rc = rc	   ? rc
		     : put ? store_txn_put(&txn, row->key, row->doc)
			   : store_txn_delete(&txn, row->key);
		if (!rc && (txn.n_ops == OPS || size > BYTES)) {
			rc = commit(st, &txn, e);
			size = 0;
		}
	}
	rc = rc ?: txn.n_ops ? commit(st, &txn, e) : 0;
	store_txn_clear(&txn);
	return rc;
}

static bool is_begun(const struct store_docs *rows)
{
	for (unsigned int i = 0; i < rows->n; i++)
		if (!strcmp(rows->all[i].key, STORE_COPYING))
			return true;
	return false;
}

static void ignore(void *arg, const struct store_event *ev)
{
}

static int read_all(struct store *st, struct store_docs *rows, struct err *e)
{
	int rc = store_list(st, "", keep, rows, e);

	return rc ?: store_follow(st, &(struct store_follower){ ignore, NULL, NULL });
}

/**
 * store_copy() - Copy all documents
 * @from: nobody else writes there meanwhile
 * @to:   empty, or with what an earlier copy left that did not end, which is begun anew
 * @n:    gets the number of documents
 * @e:    why not
 *
 * Documents get new versions. Until it has ended, @to has STORE_COPYING, with which nobody works.
 *
 * Return: 0; -ENOTEMPTY; -ENODATA: @from is empty; -EBUSY: @from is such a half; what the stores
 * say.
 */
int store_copy(struct store *from, struct store *to, unsigned int *n, struct err *e)
{
	struct store_docs source = { NULL }, there = { NULL };
	int rc = store_list(from, "", keep, &source, e);

	rc = rc ?: read_all(to, &there, e);
	if (!rc && is_begun(&source))
		rc = err_set(e, -EBUSY, "the copy into what is to be copied has not ended");
	if (!rc && !source.n)
		rc = err_set(e, -ENODATA, "there is nothing to copy");
	if (!rc && there.n && !is_begun(&there))
		rc = err_set(e, -ENOTEMPTY, "there are %u documents already", there.n);
	rc = rc ?: mark(to, true, e);
	rc = rc ?: change_all(to, &there, false, e);
	rc = rc ?: change_all(to, &source, true, e);
	rc = rc ?: mark(to, false, e);
	*n = source.n;
	store_docs_clear(&source);
	store_docs_clear(&there);
	return rc;
}
