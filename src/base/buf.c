/* SPDX-License-Identifier: Apache-2.0 */
/* Growing byte buffers with a bound, for sockets and HTTP bodies. */
#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/**
 * buf_add() - Append bytes
 * @b:    buffer; untouched on failure
 * @data: bytes, copied
 * @size: how many
 * @max:  most bytes the buffer may then hold
 *
 * Return: 0, -EMSGSIZE (above @max) or -ENOMEM.
 */
int buf_add(struct buf *b, const void *data, size_t size, size_t max)
{
	if (b->len > max || size > max - b->len)
		return -EMSGSIZE;
	if (b->len + size + 1 > b->size) {
		size_t want = MAX(b->len + size + 256, b->size * 2);
		char *data_new = realloc(b->data, want);

		if (!data_new)
			return -ENOMEM;
		b->data = data_new;
		b->size = want;
	}
	if (size)
		memcpy(b->data + b->len, data, size);
	b->len += size;
	b->data[b->len] = '\0';
	return 0;
}

/**
 * buf_drop() - Remove bytes from the front; an empty buffer gives its memory back
 * @b:    buffer
 * @size: how many, at most b->len
 */
void buf_drop(struct buf *b, size_t size)
{
	assert(size <= b->len);
	if (size == b->len) {
		buf_fini(b);
		return;
	}
	memmove(b->data, b->data + size, b->len - size + 1);
	b->len -= size;
}

/**
 * buf_fini() - Free the bytes; the buffer is empty and usable afterwards
 * @b: buffer
 */
void buf_fini(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ 0 };
}
