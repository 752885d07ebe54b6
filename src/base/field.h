/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field tables: one row says what a member of a plain struct is called, what it
 * may hold and what it means. Command words, JSON, validation, help and man
 * pages are all read from the rows. The bit number of a row is its bit in every
 * `changed` mask, so a backend touches only what was asked for.
 */
#ifndef ANYVF_BASE_FIELD_H
#define ANYVF_BASE_FIELD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

AUTO_DEFINE(json_t *, json_decref)

enum field_type {
	FIELD_BOOL, /* bool; on/off in text, true/false in JSON */
	FIELD_U8,
	FIELD_U16,
	FIELD_U32,
	FIELD_U64,
	FIELD_MAC,   /* struct mac */
	FIELD_STR,   /* char[max + 1] */
	FIELD_ENUM,  /* uint8_t index into names[], which ends with NULL */
	FIELD_VLANS, /* struct vlan_set */
	FIELD_MACS,  /* struct mac_list */
};

struct field {
	const char *word;	  /* the name in commands, JSON and documents */
	enum field_type type;	  /* type of the member */
	size_t offset;		  /* of the member in its struct */
	uint64_t max;		  /* largest number or string length; 0: the type's own */
	const char *const *names; /* FIELD_ENUM only */
	const char *help;	  /* a phrase for help and man pages */
};
#define FIELD_END { NULL, 0, 0, 0, NULL, NULL }

int field_parse(const struct field *f, void *obj, const char *text, struct err *e);
int field_format(const struct field *f, const void *obj, char *out, size_t size);
bool field_number(const struct field *f, const void *obj, uint64_t *out);
size_t field_size(const struct field *f);
const struct field *field_find(const struct field *fields, const char *word);
void field_copy(const struct field *f, void *to, const void *from);
bool field_equal(const struct field *f, const void *a, const void *b);

json_t *fields_to_json(const struct field *fields, const void *obj);
json_t *fields_to_json_masked(const struct field *fields, const void *obj, uint32_t mask);
int fields_from_json(const struct field *fields, void *obj, const json_t *json, uint32_t *changed,
		     struct err *e);
void fields_apply(const struct field *fields, void *to, const void *from, uint32_t changed);
uint32_t fields_diff(const struct field *fields, const void *a, const void *b);

/* Rows by their words: a mask as a list, and "mac,vlan". */
json_t *fields_mask_to_json(const struct field *fields, uint32_t mask);
int fields_mask_from_json(const struct field *fields, const json_t *words, uint32_t *out,
			  struct err *e);
void fields_mask_format(const struct field *fields, uint32_t mask, char *out, size_t size);

#endif
