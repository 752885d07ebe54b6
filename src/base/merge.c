/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Merge Patch over objects without nulls. */
#include "base/merge.h"

#include <errno.h>

/**
 * merge_apply() - Change a document as a patch says
 * @doc:   object; gets references to values of @patch
 * @patch: object
 *
 * Return: 0 or -ENOMEM; then @doc is changed in part.
 * Source: RFC 7396, section 2.
 */
int merge_apply(json_t *doc, const json_t *patch)
{
	const char *key;
	json_t *value;
	int rc = 0;

	json_object_foreach ((json_t *)patch, key, value) {
		json_t *old = json_object_get(doc, key);

		if (json_is_null(value))
			json_object_del(doc, key);
		else if (json_is_object(value) && json_is_object(old))
			rc |= merge_apply(old, value);
		else
			rc |= json_object_set(doc, key, value);
	}
	return rc ? -ENOMEM : 0;
}

/**
 * merge_make() - What turns one document into another
 * @from: object without nulls, as @to; NULL: an empty one
 * @to:   what merge_apply() is to make of it; NULL: likewise
 * @out:  object, gets the patch's members; it has none of them: they are equal
 *
 * Return: 0 or -ENOMEM; then the patch is not whole.
 */
int merge_make(const json_t *from, const json_t *to, json_t *out)
{
	const char *key;
	json_t *value;
	int rc = 0;

	json_object_foreach ((json_t *)to, key, value) {
		const json_t *old = json_object_get(from, key);

		if (json_equal(old, value))
			continue;
		if (json_is_object(value) && json_is_object(old)) {
			json_t *deeper = json_object();

			rc |= merge_make(old, value, deeper);
			rc |= json_object_set_new(out, key, deeper);
		} else {
			rc |= json_object_set(out, key, value);
		}
	}
	json_object_foreach ((json_t *)from, key, value)
		if (!json_object_get(to, key))
			rc |= json_object_set_new(out, key, json_null());
	return rc ? -ENOMEM : 0;
}
