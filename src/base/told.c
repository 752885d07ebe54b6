/* SPDX-License-Identifier: Apache-2.0 */
/* The hash of a document that a host is told, and of what a host said. */
#include "base/told.h"

#include <inttypes.h>
#include <stdio.h>

#define FNV_OFFSET UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME  UINT64_C(0x100000001b3)

/* FNV-1a. */
static uint64_t text_hash(uint64_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * FNV_PRIME;
	return hash;
}

/* Each bit on all others (MurmurHash3's fmix64): numbers that differ little are not to cancel
 * each other in a sum. */
static uint64_t mix(uint64_t hash)
{
	hash = (hash ^ hash >> 33) * UINT64_C(0xff51afd7ed558ccd);
	hash = (hash ^ hash >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return hash ^ hash >> 33;
}

/**
 * told_hash() - A document's part in the sum
 * @kind:       of the document
 * @id:         of what it is about
 * @generation: that it is told with
 *
 * Return: FNV-1a of "KIND/ID GENERATION", mixed. Not against somebody who wants two to be alike.
 */
uint64_t told_hash(const char *kind, const char *id, int64_t generation)
{
	char number[24];
	uint64_t hash = text_hash(FNV_OFFSET, kind);

	snprintf(number, sizeof(number), " %" PRId64, generation);
	return mix(text_hash(text_hash(text_hash(hash, "/"), id), number));
}

/**
 * told_name() - A name for texts, which others have as well who have the same ones
 * @texts: NULL at the end
 *
 * Return: FNV-1a of all of them, a NUL behind each, mixed. As told_hash(), for friends alone.
 */
uint64_t told_name(const char *const *texts)
{
	uint64_t hash = FNV_OFFSET;

	for (; *texts; texts++)
		hash = text_hash(hash, *texts) * FNV_PRIME;
	return mix(hash);
}

/**
 * told_format() - A sum, or a name, as it is written
 * @sum: exclusive or of documents' hashes; 0: of none
 * @out: 16 digits, in hex
 */
void told_format(uint64_t sum, char out[TOLD_LEN])
{
	snprintf(out, TOLD_LEN, "%016" PRIx64, sum);
}
