/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions as they are put together, whatever store they are for. */
#include <errno.h>
#include <string.h>

#include "store/store.h"

static int add_op(struct store_txn *txn, enum store_op_kind kind, const char *key, uint64_t version,
		  struct record *doc)
{
	char *copy;

	if (!key[0] || strlen(key) > STORE_KEY_LEN)
		return -EINVAL;
	if (txn->n_ops == txn->room) {
		unsigned int room = txn->room ? 2 * txn->room : 16;
		struct store_op *more = reallocarray(txn->ops, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		txn->ops = more;
		txn->room = room;
	}
	copy = strdup(key);
	if (!copy)
		return -ENOMEM;
	txn->ops[txn->n_ops++] = (struct store_op){ kind, copy, version, record_ref(doc) };
	return 0;
}

/**
 * store_txn_check() - Require a key's version
 * @txn:     the transaction
 * @key:     1..255 bytes
 * @version: what it must be; 0: the key must not exist
 *
 * Return: 0; -EINVAL for the key's length; -ENOMEM.
 */
int store_txn_check(struct store_txn *txn, const char *key, uint64_t version)
{
	return add_op(txn, STORE_CHECK, key, version, NULL);
}

/**
 * store_txn_calm() - Require that something was not changed
 * @txn:      the transaction
 * @what:     a mark; or the beginning of keys: of none that is there. One that was deleted is not
 *            seen by this
 * @revision: after this one
 *
 * Return: 0; -EINVAL for the length; -ENOMEM.
 */
int store_txn_calm(struct store_txn *txn, const char *what, uint64_t revision)
{
	return add_op(txn, STORE_CALM, what, revision, NULL);
}

/**
 * store_txn_touch() - Change a mark
 * @txn:  the transaction, which does so once
 * @mark: '#' and up to 254 bytes
 *
 * Return: 0; -EINVAL; -ENOMEM.
 */
int store_txn_touch(struct store_txn *txn, const char *mark)
{
	return add_op(txn, STORE_TOUCH, mark, 0, NULL);
}

/**
 * store_txn_put() - Write a document
 * @txn: the transaction
 * @key: 1..255 bytes
 * @doc: of an object; the transaction takes a reference of its own
 *
 * Return: 0; -EINVAL; -ENOMEM.
 */
int store_txn_put(struct store_txn *txn, const char *key, struct record *doc)
{
	return add_op(txn, STORE_PUT, key, 0, doc);
}

/**
 * store_txn_delete() - Remove a key; one that does not exist is no error
 * @txn: the transaction
 * @key: 1..255 bytes
 *
 * Return: 0; -EINVAL; -ENOMEM.
 */
int store_txn_delete(struct store_txn *txn, const char *key)
{
	return add_op(txn, STORE_DELETE, key, 0, NULL);
}

/**
 * store_txn_clear() - Empty a transaction and free what it holds
 * @txn: a zeroed or used transaction
 */
void store_txn_clear(struct store_txn *txn)
{
	for (unsigned int i = 0; i < txn->n_ops; i++) {
		free(txn->ops[i].key);
		record_unref(txn->ops[i].doc);
	}
	free(txn->ops);
	*txn = (struct store_txn){ NULL };
}
