/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of strings in documents, such as tags, and what the filters of tags make of them. */
#ifndef ANYVF_ENGINE_LISTS_H
#define ANYVF_ENGINE_LISTS_H

#include <jansson.h>
#include <stdbool.h>

struct call;

bool list_has(const json_t *list, const char *text);
json_t *list_with(const json_t *list, const char *text);
json_t *list_without(const json_t *list, const char *text);
json_t *list_of_each(const json_t *list);

unsigned int tags_matched(const json_t *doc, const char *value, unsigned int *given);
bool tags_all(struct call *c, const json_t *doc, const char *value);
bool tags_any(struct call *c, const json_t *doc, const char *value);
bool tags_not_all(struct call *c, const json_t *doc, const char *value);
bool tags_none(struct call *c, const json_t *doc, const char *value);

/* The rows of a resource's tags: R_SECRET: no members, filters alone. */
#define TAG_FILTER_ROWS                                                                            \
	{ "tags-any", J_LIST, R_FILTER | R_VIRTUAL | R_SECRET, .match = tags_any },                \
		{ "not-tags", J_LIST, R_FILTER | R_VIRTUAL | R_SECRET, .match = tags_not_all },    \
	{                                                                                          \
		"not-tags-any", J_LIST, R_FILTER | R_EACH | R_VIRTUAL | R_SECRET,                  \
			.match = tags_none                                                         \
	}

#endif
