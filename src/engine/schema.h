/* SPDX-License-Identifier: Apache-2.0 */
/* Resources as they are with what features add to them: rows and hooks. Inside of the engine. */
#ifndef ANYVF_ENGINE_SCHEMA_H
#define ANYVF_ENGINE_SCHEMA_H

#include "engine/feature.h"

struct schemas; /* all resources of an engine; never changed */

struct schema {
	const struct resource *r;
	const struct rfield *fields; /* its own, then those of features; { NULL } at the end */
	const struct hook **hooks;   /* those of features, NULL at the end; or NULL */
};

int schemas_new(const struct feature *const *features, struct schemas **out, struct err *e);
void schemas_free(struct schemas *all);
AUTO_DEFINE(struct schemas *, schemas_free)

struct schema schema_of(const struct schemas *all, const struct resource *r);
const struct schema *schema_at(const struct schemas *all, const char *key);
const struct rfield *schema_field(const struct schema *s, const char *name);
const struct tally *const *schema_tallies(const struct schemas *all);
bool schema_indexes(const struct schema *s, const struct rfield *f);

/* What a row makes of a document. */
const char *resource_kind(const struct resource *r);
const char *resource_owner(const struct resource *r);
json_t *field_default(const struct rfield *f);
json_t *field_value(const struct rfield *f, const json_t *doc);

#endif
