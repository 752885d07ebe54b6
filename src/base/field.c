/* SPDX-License-Identifier: Apache-2.0 */
/* Readers and writers of field tables: text and JSON to struct members and back. */
#include "base/field.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mac.h"
#include "base/vlan.h"

static const uint64_t type_max[] = {
	[FIELD_U8] = UINT8_MAX,
	[FIELD_U16] = UINT16_MAX,
	[FIELD_U32] = UINT32_MAX,
	[FIELD_U64] = INT64_MAX, /* what a JSON integer holds */
};

static uint64_t num_max(const struct field *f)
{
	return f->max ? f->max : type_max[f->type];
}

static bool is_num(const struct field *f)
{
	return f->type == FIELD_U8 || f->type == FIELD_U16 || f->type == FIELD_U32 ||
	       f->type == FIELD_U64;
}

static uint64_t num_get(const struct field *f, const void *obj)
{
	const void *p = (const char *)obj + f->offset;

	switch (f->type) {
	case FIELD_U8:
	case FIELD_ENUM:
		return *(const uint8_t *)p;
	case FIELD_U16:
		return *(const uint16_t *)p;
	case FIELD_U32:
		return *(const uint32_t *)p;
	case FIELD_U64:
		return *(const uint64_t *)p;
	case FIELD_BOOL:
		return *(const bool *)p;
	case FIELD_MAC:
	case FIELD_STR:
	case FIELD_VLANS:
	case FIELD_MACS:
		break;
	}
	return 0;
}

/**
 * field_number() - The value of a row that is a number, or as good as one
 * @f:	 row
 * @obj: struct
 * @out: number; 0 or 1 of FIELD_BOOL, index of FIELD_ENUM
 *
 * Return: false if it is none, and @out is untouched.
 */
bool field_number(const struct field *f, const void *obj, uint64_t *out)
{
	if (!is_num(f) && f->type != FIELD_BOOL && f->type != FIELD_ENUM)
		return false;
	*out = num_get(f, obj);
	return true;
}

static int num_set(const struct field *f, void *obj, uint64_t n, struct err *e)
{
	void *p = (char *)obj + f->offset;

	if (n > num_max(f))
		return err_set(e, -ERANGE, "%s %llu is above %llu", f->word, (unsigned long long)n,
			       (unsigned long long)num_max(f));
	switch (f->type) {
	case FIELD_U8:
		*(uint8_t *)p = (uint8_t)n;
		break;
	case FIELD_U16:
		*(uint16_t *)p = (uint16_t)n;
		break;
	case FIELD_U32:
		*(uint32_t *)p = (uint32_t)n;
		break;
	case FIELD_U64:
		*(uint64_t *)p = n;
		break;
	case FIELD_BOOL:
	case FIELD_MAC:
	case FIELD_STR:
	case FIELD_ENUM:
	case FIELD_VLANS:
	case FIELD_MACS:
		return -EINVAL;
	}
	return 0;
}

static int enum_set(const struct field *f, void *obj, const char *text, struct err *e)
{
	char known[256] = "";

	for (unsigned int i = 0; f->names[i]; i++) {
		size_t n = strlen(known);

		if (!strcmp(f->names[i], text)) {
			*(uint8_t *)((char *)obj + f->offset) = (uint8_t)i;
			return 0;
		}
		snprintf(known + n, sizeof(known) - n, "%s%s", i ? ", " : "", f->names[i]);
	}
	return err_set(e, -EINVAL, "%s must be one of %s, not \"%s\"", f->word, known, text);
}

static int str_set(const struct field *f, void *obj, const char *text, struct err *e)
{
	size_t n = strlen(text);

	if (n > f->max)
		return err_set(e, -ERANGE, "%s \"%.40s%s\" is longer than %llu characters", f->word,
			       text, n > 40 ? "..." : "", (unsigned long long)f->max);
	memcpy((char *)obj + f->offset, text, n + 1);
	return 0;
}

static int bool_set(const struct field *f, void *obj, const char *text, struct err *e)
{
	bool on = !strcmp(text, "on");

	if (!on && strcmp(text, "off"))
		return err_set(e, -EINVAL, "%s must be \"on\" or \"off\", not \"%s\"", f->word,
			       text);
	*(bool *)((char *)obj + f->offset) = on;
	return 0;
}

/* Those who read a value know no row. */
static int named(const struct field *f, int rc, struct err *e)
{
	if (rc)
		err_prefix(e, "%s", f->word);
	return rc;
}

/**
 * field_parse() - Set one member from a word of a command line
 * @f:    row
 * @obj:  struct the table describes; untouched on failure
 * @text: the operator's word
 * @e:    error text that names the row, may be NULL
 *
 * Return: 0, -EINVAL (no such value) or -ERANGE (too large, too long).
 */
int field_parse(const struct field *f, void *obj, const char *text, struct err *e)
{
	void *p = (char *)obj + f->offset;
	unsigned long long n;
	char *end;

	switch (f->type) {
	case FIELD_BOOL:
		return bool_set(f, obj, text, e);
	case FIELD_MAC:
		return named(f, mac_parse(text, p, e), e);
	case FIELD_STR:
		return str_set(f, obj, text, e);
	case FIELD_ENUM:
		return enum_set(f, obj, text, e);
	case FIELD_VLANS:
		return named(f, vlan_set_parse(text, p, e), e);
	case FIELD_MACS:
		return named(f, mac_list_parse(text, p, e), e);
	case FIELD_U8:
	case FIELD_U16:
	case FIELD_U32:
	case FIELD_U64:
		break;
	}
	errno = 0;
	n = strtoull(text, &end, 0);
	if (*text < '0' || *text > '9' || *end || errno)
		return err_set(e, -EINVAL, "%s must be a number, not \"%s\"", f->word, text);
	return num_set(f, obj, n, e);
}

/**
 * field_format() - Write one member as field_parse() reads it
 * @f:    row
 * @obj:  struct
 * @out:  text, cut at @size
 * @size: bytes
 *
 * Return: length of the text, or -ENOSPC when a list was cut.
 */
int field_format(const struct field *f, const void *obj, char *out, size_t size)
{
	const void *p = (const char *)obj + f->offset;
	char mac[MAC_STR_LEN];

	switch (f->type) {
	case FIELD_BOOL:
		return snprintf(out, size, "%s", *(const bool *)p ? "on" : "off");
	case FIELD_MAC:
		return snprintf(out, size, "%s", mac_format(p, mac));
	case FIELD_STR:
		return snprintf(out, size, "%s", (const char *)p);
	case FIELD_ENUM:
		return snprintf(out, size, "%s", f->names[*(const uint8_t *)p]);
	case FIELD_VLANS:
		return vlan_set_format(p, out, size);
	case FIELD_MACS:
		return mac_list_format(p, out, size);
	case FIELD_U8:
	case FIELD_U16:
	case FIELD_U32:
	case FIELD_U64:
		break;
	}
	return snprintf(out, size, "%llu", (unsigned long long)num_get(f, obj));
}

/**
 * field_find() - Find a row by its word
 * @fields: table
 * @word:   the whole word
 *
 * Return: the row, NULL if the table has none.
 */
const struct field *field_find(const struct field *fields, const char *word)
{
	for (const struct field *f = fields; f->word; f++)
		if (!strcmp(f->word, word))
			return f;
	return NULL;
}

/**
 * field_size() - Bytes of a member
 * @f: row
 */
size_t field_size(const struct field *f)
{
	switch (f->type) {
	case FIELD_BOOL:
		return sizeof(bool);
	case FIELD_U8:
	case FIELD_ENUM:
		return 1;
	case FIELD_U16:
		return 2;
	case FIELD_U32:
		return 4;
	case FIELD_U64:
		return 8;
	case FIELD_MAC:
		return sizeof(struct mac);
	case FIELD_STR:
		return f->max + 1;
	case FIELD_VLANS:
		return sizeof(struct vlan_set);
	case FIELD_MACS:
		return sizeof(struct mac_list);
	}
	return 0;
}

/**
 * field_copy() - Copy one member
 * @f:    row
 * @to:   struct written
 * @from: struct read
 */
void field_copy(const struct field *f, void *to, const void *from)
{
	memcpy((char *)to + f->offset, (const char *)from + f->offset, field_size(f));
}

/**
 * field_equal() - Compare one member
 * @f: row
 * @a: one struct
 * @b: other struct
 */
bool field_equal(const struct field *f, const void *a, const void *b)
{
	const char *pa = (const char *)a + f->offset, *pb = (const char *)b + f->offset;

	if (f->type == FIELD_STR)
		return !strcmp(pa, pb);
	if (f->type == FIELD_VLANS) /* the struct has padding behind its flag */
		return ((const struct vlan_set *)(const void *)pa)->set ==
			       ((const struct vlan_set *)(const void *)pb)->set &&
		       !memcmp(((const struct vlan_set *)(const void *)pa)->bits,
			       ((const struct vlan_set *)(const void *)pb)->bits,
			       sizeof(((struct vlan_set *)0)->bits));
	return !memcmp(pa, pb, field_size(f));
}

static json_t *field_to_json(const struct field *f, const void *obj)
{
	auto_free char *text = NULL;

	if (f->type == FIELD_BOOL)
		return json_boolean(num_get(f, obj));
	if (is_num(f))
		return json_integer((json_int_t)num_get(f, obj));
	text = malloc(32768); /* a VLAN list of every second id is 10 KiB */
	if (!text || field_format(f, obj, text, 32768) < 0)
		return NULL;
	return json_string(text);
}

/**
 * fields_to_json() - A struct as a JSON object
 * @fields: table
 * @obj:    struct
 *
 * Return: a new reference with one member a row, in table order; NULL when out of memory.
 */
json_t *fields_to_json(const struct field *fields, const void *obj)
{
	auto_of(json_decref) json_t *j = json_object();

	for (const struct field *f = fields; f->word; f++)
		if (json_object_set_new(j, f->word, field_to_json(f, obj)))
			return NULL;
	return take(j);
}

static int field_from_json(const struct field *f, void *obj, const json_t *v, struct err *e)
{
	if (f->type == FIELD_BOOL) {
		if (!json_is_boolean(v))
			return err_set(e, -EINVAL, "%s must be true or false", f->word);
		*(bool *)((char *)obj + f->offset) = json_is_true(v);
		return 0;
	}
	if (is_num(f)) {
		if (!json_is_integer(v) || json_integer_value(v) < 0)
			return err_set(e, -EINVAL, "%s must be a number from 0 up", f->word);
		return num_set(f, obj, (uint64_t)json_integer_value(v), e);
	}
	if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v))
		return err_set(e, -EINVAL, "%s must be a string", f->word);
	return field_parse(f, obj, json_string_value(v), e);
}

/**
 * fields_to_json_masked() - Some members of a struct as a JSON object
 * @fields: table of at most 32 rows
 * @obj:    struct
 * @mask:   bit i: row i
 *
 * Return: a new reference with the members the mask names, in table order; NULL when out of memory.
 */
json_t *fields_to_json_masked(const struct field *fields, const void *obj, uint32_t mask)
{
	auto_of(json_decref) json_t *j = json_object();

	for (unsigned int i = 0; fields[i].word; i++)
		if (mask >> i & 1 &&
		    json_object_set_new(j, fields[i].word, field_to_json(&fields[i], obj)))
			return NULL;
	return take(j);
}

/**
 * fields_from_json() - Set members from a JSON object
 * @fields:  table, at most 32 rows where @changed is wanted
 * @obj:     struct; members the object does not name are left alone. On failure some may be set.
 * @json:    object; a member without a row is refused
 * @changed: gets a bit for each row set; may be NULL
 * @e:       error text that names the member, may be NULL
 *
 * Return: 0, -EINVAL or -ERANGE.
 */
int fields_from_json(const struct field *fields, void *obj, const json_t *json, uint32_t *changed,
		     struct err *e)
{
	uint32_t mask = 0;
	const char *key;
	json_t *v;

	if (!json_is_object(json))
		return err_set(e, -EINVAL, "a JSON object is needed");
	json_object_foreach((json_t *)(uintptr_t)json, key, v) {
		const struct field *f = field_find(fields, key);
		int rc;

		if (!f)
			return err_set(e, -EINVAL, "unknown member \"%.64s\"", key);
		rc = field_from_json(f, obj, v, e);
		if (rc)
			return rc;
		mask |= 1U << ((f - fields) & 31);
	}
	if (changed)
		*changed = mask;
	return 0;
}

/**
 * fields_apply() - Copy the members a mask names
 * @fields:  table
 * @to:      struct written
 * @from:    struct read
 * @changed: bit i: row i
 */
void fields_apply(const struct field *fields, void *to, const void *from, uint32_t changed)
{
	for (unsigned int i = 0; fields[i].word; i++)
		if (changed >> i & 1)
			field_copy(&fields[i], to, from);
}

/**
 * fields_diff() - Which members differ?
 * @fields: table of at most 32 rows
 * @a:      one struct
 * @b:      other struct
 *
 * Return: bit i set where row i differs.
 */
uint32_t fields_diff(const struct field *fields, const void *a, const void *b)
{
	uint32_t mask = 0;

	for (unsigned int i = 0; fields[i].word; i++)
		if (!field_equal(&fields[i], a, b))
			mask |= 1U << i;
	return mask;
}

/**
 * fields_mask_to_json() - The words of some rows
 * @fields: table
 * @mask:   bits by row
 *
 * Return: a new array; NULL when out of memory. Context: any.
 */
json_t *fields_mask_to_json(const struct field *fields, uint32_t mask)
{
	auto_of(json_decref) json_t *words = json_array();

	for (unsigned int i = 0; fields[i].word; i++)
		if (mask >> i & 1 && json_array_append_new(words, json_string(fields[i].word)))
			return NULL;
	return take(words);
}

/**
 * fields_mask_from_json() - The rows that a list of words means
 * @fields: table
 * @words:  array; NULL, or what is no array, means none
 * @out:    gets their bits
 * @e:      error text
 *
 * Return: 0 or -EINVAL. Context: any.
 */
int fields_mask_from_json(const struct field *fields, const json_t *words, uint32_t *out,
			  struct err *e)
{
	uint32_t mask = 0;
	const json_t *w;
	size_t i;

	json_array_foreach (words, i, w) {
		const struct field *f = field_find(fields, json_string_value(w) ?: "");

		if (!f)
			return err_set(e, -EINVAL, "a word that is no setting");
		mask |= 1U << (f - fields);
	}
	*out = mask;
	return 0;
}

/**
 * fields_mask_format() - The words of some rows, for people
 * @fields: table
 * @mask:   bits by row
 * @out:    gets "mac,vlan", cut where it does not fit
 * @size:   of @out
 *
 * Context: any.
 */
void fields_mask_format(const struct field *fields, uint32_t mask, char *out, size_t size)
{
	size_t n = 0;

	*out = '\0';
	for (unsigned int i = 0; fields[i].word; i++)
		if (mask >> i & 1 && n < size)
			n += (size_t)snprintf(out + n, size - n, "%s%s", n ? "," : "",
					      fields[i].word);
}
