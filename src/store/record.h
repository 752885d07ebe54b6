/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A document as all keep it who keep many: as its text, and parsed as well while somebody reads
 * it again and again. A value: shared by references, never changed. One thread.
 */
#ifndef ANYVF_STORE_RECORD_H
#define ANYVF_STORE_RECORD_H

#include <jansson.h>

#include <stdbool.h>

#include "base/util.h"

struct record;

/* Records that are kept parsed, in the order in which they came. Zeroed: none. */
struct open_records {
	struct record *first, *last; /* a reference to each */
	unsigned int n;
};

struct record *record_of(json_t *doc);
struct record *record_of_text(const char *text, size_t len);
struct record *record_ref(struct record *rec);
void record_unref(struct record *rec);
AUTO_DEFINE(struct record *, record_unref)

const char *record_text(struct record *rec, size_t *len);
bool record_is_parsed(const struct record *rec);
json_t *record_read(const struct record *rec);
json_t *record_pick(const struct record *rec, const char *const *names);
json_t *record_open(struct record *rec, struct open_records *among);
void record_close(struct record *rec);
void open_records_trim(struct open_records *all, unsigned int max);

#endif
