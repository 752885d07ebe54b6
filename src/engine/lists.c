/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of strings: see lists.h. Pure. */
#include "engine/lists.h"

#include <string.h>

static bool has(const json_t *list, const char *text, size_t len)
{
	json_t *each;
	size_t i;

	json_array_foreach ((json_t *)list, i, each)
		if (json_string_length(each) == len && !memcmp(json_string_value(each), text, len))
			return true;
	return false;
}

/**
 * list_has() - Is a string in a list?
 * @list: of strings, or NULL
 * @text: wanted
 */
bool list_has(const json_t *list, const char *text)
{
	return has(list, text, strlen(text));
}

/**
 * list_of_each() - A list without what stands in it twice
 * @list: of strings
 *
 * Return: a new list, in the order of the first of each; NULL without memory.
 */
json_t *list_of_each(const json_t *list)
{
	json_t *out = json_array(), *each;
	size_t i;

	json_array_foreach ((json_t *)list, i, each)
		if (!has(out, json_string_value(each), json_string_length(each)))
			json_array_append(out, each);
	return out;
}

/**
 * list_without() - A list that a string was taken out of
 * @list: of strings
 * @text: to go
 *
 * Return: a new list; NULL without memory.
 */
json_t *list_without(const json_t *list, const char *text)
{
	json_t *out = json_array(), *each;
	size_t i;

	json_array_foreach ((json_t *)list, i, each)
		if (strcmp(json_string_value(each), text) != 0)
			json_array_append(out, each);
	return out;
}

/**
 * list_with() - A list that has a string, at its end unless it was there
 * @list: of strings
 * @text: copied
 *
 * Return: a new list; NULL without memory.
 */
json_t *list_with(const json_t *list, const char *text)
{
	json_t *out = json_copy((json_t *)list);

	if (out && !list_has(out, text))
		json_array_append_new(out, json_string(text));
	return out;
}

/**
 * tags_matched() - How many of a filter's tags a document has
 * @doc:   with a list `tags`
 * @value: "red,blue"
 * @given: set to how many the filter has
 */
unsigned int tags_matched(const json_t *doc, const char *value, unsigned int *given)
{
	const json_t *tags = json_object_get(doc, "tags");
	unsigned int n = 0;

	for (*given = 0; *value; ++*given) {
		size_t len = strcspn(value, ",");

		n += has(tags, value, len);
		value += len + (value[len] == ',');
	}
	return n;
}

/**
 * tags_all() - Has a document each of a filter's tags? (rfield_match_fn)
 * @c:     the call
 * @doc:   document
 * @value: "red,blue"
 */
bool tags_all(struct call *c, const json_t *doc, const char *value)
{
	unsigned int given, n = tags_matched(doc, value, &given);

	return n == given;
}

/**
 * tags_any() - Has a document one of a filter's tags? (rfield_match_fn)
 * @c:     the call
 * @doc:   document
 * @value: "red,blue"
 */
bool tags_any(struct call *c, const json_t *doc, const char *value)
{
	unsigned int given;

	return tags_matched(doc, value, &given) > 0;
}

/**
 * tags_not_all() - Lacks a document one of a filter's tags? (rfield_match_fn)
 * @c:     the call
 * @doc:   document
 * @value: "red,blue"
 */
bool tags_not_all(struct call *c, const json_t *doc, const char *value)
{
	return !tags_all(c, doc, value);
}

/**
 * tags_none() - Has a document none of a filter's tags? (rfield_match_fn)
 * @c:     the call
 * @doc:   document
 * @value: "red,blue"
 */
bool tags_none(struct call *c, const json_t *doc, const char *value)
{
	return !tags_any(c, doc, value);
}
