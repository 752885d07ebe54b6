/* SPDX-License-Identifier: Apache-2.0 */
/* See pack.h. */
#include "base/pack.h"

#include <string.h>

#include "base/mac.h"
#include "base/vlan.h"

struct pack {
	uint32_t mask;	  /* bit i: row i has a value, */
	uint8_t values[]; /* one behind the other, in order of the rows */
};

/* Each of these goes on behind @at, and tells how far it came. */
static size_t put(uint8_t *out, size_t at, const void *from, size_t len)
{
	if (out)
		memcpy(out + at, from, len);
	return at + len;
}

static size_t get(const uint8_t *in, size_t at, void *to, size_t len)
{
	memcpy(to, in + at, len);
	return at + len;
}

/* Of a set's words those that are not 0, and behind its flag which these are. */
static size_t put_vlans(uint8_t *out, size_t at, const struct vlan_set *v)
{
	uint64_t used = 0;

	for (unsigned int i = 0; i < ARRAY_LEN(v->bits); i++)
		used |= (uint64_t)(v->bits[i] != 0) << i;
	at = put(out, at, &v->set, sizeof(v->set));
	at = put(out, at, &used, sizeof(used));
	for (unsigned int i = 0; i < ARRAY_LEN(v->bits); i++)
		if (v->bits[i])
			at = put(out, at, &v->bits[i], sizeof(v->bits[i]));
	return at;
}

static size_t get_vlans(const uint8_t *in, size_t at, struct vlan_set *v)
{
	uint64_t used;

	*v = (struct vlan_set){ .set = false };
	at = get(in, at, &v->set, sizeof(v->set));
	at = get(in, at, &used, sizeof(used));
	for (unsigned int i = 0; i < ARRAY_LEN(v->bits); i++)
		if (used >> i & 1)
			at = get(in, at, &v->bits[i], sizeof(v->bits[i]));
	return at;
}

static size_t put_value(uint8_t *out, size_t at, const struct field *f, const void *obj)
{
	const void *p = (const char *)obj + f->offset;
	const struct mac_list *macs = p;

	switch (f->type) {
	case FIELD_STR:
		return put(out, at, p, strlen(p) + 1);
	case FIELD_VLANS:
		return put_vlans(out, at, p);
	case FIELD_MACS:
		at = put(out, at, &macs->n, sizeof(macs->n));
		return put(out, at, macs->macs, macs->n * sizeof(macs->macs[0]));
	default:
		return put(out, at, p, field_size(f));
	}
}

static size_t get_value(const uint8_t *in, size_t at, const struct field *f, void *obj)
{
	void *p = (char *)obj + f->offset;
	struct mac_list *macs = p;

	switch (f->type) {
	case FIELD_STR:
		return get(in, at, p, strlen((const char *)in + at) + 1);
	case FIELD_VLANS:
		return get_vlans(in, at, p);
	case FIELD_MACS:
		*macs = (struct mac_list){ .n = 0 };
		at = get(in, at, &macs->n, sizeof(macs->n));
		return get(in, at, macs->macs, macs->n * sizeof(macs->macs[0]));
	default:
		return get(in, at, p, field_size(f));
	}
}

/* @out: NULL: they are only counted. Return: their bytes. */
static size_t put_values(uint8_t *out, const struct field *fields, const void *obj, uint32_t mask)
{
	size_t at = 0;

	for (uint32_t left = mask; left; left &= left - 1)
		at = put_value(out, at, &fields[__builtin_ctz(left)], obj);
	return at;
}

/**
 * pack_of() - A struct in few bytes
 * @fields:   its table, of at most 32 rows
 * @obj:      struct
 * @defaults: one with the values that are left out
 *
 * Return: a new pack, to be freed with free(); NULL when out of memory.
 */
struct pack *pack_of(const struct field *fields, const void *obj, const void *defaults)
{
	uint32_t mask = fields_diff(fields, obj, defaults);
	struct pack *p = malloc(sizeof(*p) + put_values(NULL, fields, obj, mask));

	if (!p)
		return NULL;
	p->mask = mask;
	put_values(p->values, fields, obj, mask);
	return p;
}

/**
 * pack_read() - Set what a pack has
 * @p:      pack
 * @fields: the table it was made with
 * @obj:    struct with the defaults that it was made with; afterwards it is as the one then
 */
void pack_read(const struct pack *p, const struct field *fields, void *obj)
{
	size_t at = 0;

	for (uint32_t left = p->mask; left; left &= left - 1)
		at = get_value(p->values, at, &fields[__builtin_ctz(left)], obj);
}
