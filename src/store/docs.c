/* SPDX-License-Identifier: Apache-2.0 */
/* See docs.h. */
#include "store/docs.h"

#include <errno.h>
#include <string.h>

/**
 * store_docs_add() - Add a document to some
 * @d:        zeroed before the first
 * @revision: that wrote it
 * @key:      copied
 * @doc:      of which a reference is taken; NULL: deleted
 *
 * Return: 0; -ENOMEM.
 */
int store_docs_add(struct store_docs *d, uint64_t revision, const char *key, struct record *doc)
{
	char *copy;

	if (d->n == d->room) {
		unsigned int room = d->room ? 2 * d->room : 16;
		struct store_event *more = reallocarray(d->all, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		d->all = more;
		d->room = room;
	}
	copy = strdup(key);
	if (!copy)
		return -ENOMEM;
	d->all[d->n++] = (struct store_event){ revision, copy, record_ref(doc) };
	return 0;
}

/**
 * store_docs_clear() - Free documents
 * @d: zeroed or used; zeroed afterwards
 */
void store_docs_clear(struct store_docs *d)
{
	for (unsigned int i = 0; i < d->n; i++) {
		free((char *)d->all[i].key);
		record_unref(d->all[i].doc);
	}
	free(d->all);
	*d = (struct store_docs){ NULL };
}
