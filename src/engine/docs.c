/* SPDX-License-Identifier: Apache-2.0 */
/* Members of documents: see docs.h. Pure. */
#include "engine/docs.h"

#include <string.h>

/**
 * doc_text() - A string member
 * @doc:  object, or NULL
 * @name: member
 *
 * Return: borrowed from @doc; NULL when it is missing, null or no string.
 */
const char *doc_text(const json_t *doc, const char *name)
{
	return json_string_value(json_object_get(doc, name));
}

/**
 * doc_str() - A string member that is never NULL
 * @doc:  object, or NULL
 * @name: member
 *
 * Return: borrowed from @doc; "" when it is missing, null or no string.
 */
const char *doc_str(const json_t *doc, const char *name)
{
	return doc_text(doc, name) ?: "";
}

/**
 * doc_is() - Has a string member this value?
 * @doc:  object, or NULL
 * @name: member
 * @text: value; "" is that of a member that is missing, null or no string, too
 */
bool doc_is(const json_t *doc, const char *name, const char *text)
{
	return !strcmp(doc_str(doc, name), text);
}

/**
 * doc_int() - A number
 * @doc:  object, or NULL
 * @name: member
 *
 * Return: its value; 0 when it is missing or no integer.
 */
int64_t doc_int(const json_t *doc, const char *name)
{
	return json_integer_value(json_object_get(doc, name));
}

/**
 * doc_bool() - Is a member true?
 * @doc:  object, or NULL
 * @name: member
 */
bool doc_bool(const json_t *doc, const char *name)
{
	return json_is_true(json_object_get(doc, name));
}

/**
 * doc_same() - Have two documents the same value in a member?
 * @a:    object, or NULL
 * @b:    object, or NULL
 * @name: member; two that are missing are the same
 */
bool doc_same(const json_t *a, const json_t *b, const char *name)
{
	const json_t *x = json_object_get(a, name), *y = json_object_get(b, name);

	return x == y || json_equal(x, y);
}

/**
 * doc_set_text() - Set a string member of a document of one's own
 * @doc:  object
 * @name: member
 * @text: copied; NULL: null
 */
void doc_set_text(json_t *doc, const char *name, const char *text)
{
	json_object_set_new(doc, name, text ? json_string(text) : json_null());
}
