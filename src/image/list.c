/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image v2: the filters of a list, in Glance's own language: words that are
 * alternatives ("in:a,b"), times with an operator ("gte:2026-01-01T00:00:00Z"),
 * bounds of numbers (size_min), tags, and whose shares are listed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/iso8601.h"
#include "image/image.h"

#define WORD_LEN 256 /* of an alternative, with its NUL */

static bool is_in(const char *const *words, const char *word)
{
	for (; *words; words++)
		if (!strcmp(*words, word))
			return true;
	return false;
}

static bool is_words(const char *name)
{
	static const char *const names[] = {
		"name", "id", "status", "disk_format", "container_format", NULL
	};

	return is_in(names, name);
}

static bool is_time(const char *name)
{
	return !strcmp(name, "created_at") || !strcmp(name, "updated_at");
}

/* The number that NAME_min or NAME_max bounds; NULL if it is no such filter. */
static const char *bounded(const char *name, bool *most)
{
	static const char *const names[] = { "size", "virtual_size", "min_ram", "min_disk", NULL };
	size_t len = strlen(name);

	for (const char *const *n = names; *n; n++)
		if (len == strlen(*n) + 4 && !strncmp(name, *n, len - 4)) {
			*most = !strcmp(name + len - 4, "_max");
			return *most || !strcmp(name + len - 4, "_min") ? *n : NULL;
		}
	return NULL;
}

enum op { OP_EQ, OP_NEQ, OP_LT, OP_LTE, OP_GT, OP_GTE, OPS };

/* "gte:TIME", or TIME alone. */
static bool parse_op_time(const char *text, enum op *op, int64_t *out)
{
	static const char *const ops[OPS] = { "eq:", "neq:", "lt:", "lte:", "gt:", "gte:" };

	*op = OP_EQ;
	for (unsigned int i = 0; i < OPS; i++)
		if (!strncmp(text, ops[i], strlen(ops[i]))) {
			*op = (enum op)i;
			return iso8601_parse(text + strlen(ops[i]), out);
		}
	return iso8601_parse(text, out);
}

static bool time_selects(const char *stamp, const char *value)
{
	int64_t at, limit;
	enum op op;

	if (!iso8601_parse(stamp, &at) || !parse_op_time(value, &op, &limit))
		return false;
	switch (op) {
	case OP_EQ:
		return at == limit;
	case OP_NEQ:
		return at != limit;
	case OP_LT:
		return at < limit;
	case OP_LTE:
		return at <= limit;
	case OP_GT:
		return at > limit;
	default:
		return at >= limit;
	}
}

/*
 * The next of the alternatives a,"b,c",d: quotes hold commas together, and a backslash a quote.
 * Return: what follows it; NULL at the end, or if the quotes do not fit.
 */
static const char *next_word(const char *at, char out[WORD_LEN], bool *bad)
{
	bool quoted = *at == '"';
	size_t n = 0;

	for (at += quoted; *at && (quoted ? *at != '"' : *at != ','); at++) {
		if (quoted && *at == '\\' && at[1])
			at++;
		else if (!quoted && *at == '"')
			*bad = true;
		if (n + 1 < WORD_LEN)
			out[n++] = *at;
	}
	out[n] = '\0';
	if (quoted && *at++ != '"')
		*bad = true;
	else if (*at && *at != ',')
		*bad = true;
	return *bad ? NULL : at;
}

/* Is text among the alternatives? text NULL: are they well formed? */
static bool words_select(const char *text, const char *list)
{
	const char *at = list;
	char word[WORD_LEN];
	bool bad = false;

	while ((at = next_word(at, word, &bad))) {
		if (text && !strcmp(text, word))
			return true;
		if (!*at++)
			break;
	}
	return !text && !bad;
}

static bool number_selects(const json_t *number, bool most, const char *value)
{
	long long limit = strtoll(value, NULL, 10), n = json_integer_value(number);

	return json_is_integer(number) && (most ? n <= limit : n >= limit);
}

/**
 * image_selects() - Does a filter of Glance's own select an image?
 * @c:     the call; its filters passed image_check_filter()
 * @doc:   image; NULL: only whether the filter is one of these
 * @name:  filter
 * @value: its value
 *
 * Return: SELECTS_OTHER: compare for equality.
 */
enum selects image_selects(const struct call *c, const json_t *doc, const char *name,
			   const char *value)
{
	const char *number;
	bool most, yes;

	if (!strcmp(name, "member_status") || !strcmp(name, "visibility"))
		return !strcmp(value, "all") || name[0] == 'm' ? SELECTS : SELECTS_OTHER;
	number = bounded(name, &most);
	if (!strcmp(name, "tag"))
		yes = list_has(json_object_get(doc, "tags"), value);
	else if (number)
		yes = number_selects(json_object_get(doc, number), most, value);
	else if (is_time(name))
		yes = time_selects(doc_str(doc, name), value);
	else if (is_words(name) && !strncmp(value, "in:", 3))
		yes = words_select(doc_str(doc, name), value + 3);
	else if (is_words(name) && !strncmp(value, "eq:", 3))
		yes = doc_is(doc, name, value + 3);
	else
		return SELECTS_OTHER;
	return yes ? SELECTS : SELECTS_NOT;
}

static int check_words(struct call *c, const char *value)
{
	const char *colon = strchr(value, ':');
	int len = colon ? (int)(colon - value) : 0;

	if (!colon || !strncmp(value, "eq:", 3))
		return 0;
	if (strncmp(value, "in:", 3) != 0)
		return call_fail(c, 400, NULL, "Unable to filter by unknown operator '%.*s'.", len,
				 value);
	if (words_select(NULL, value + 3))
		return 0;
	return call_fail(c, 400, NULL, "Invalid filter value %.200s. The quotes do not fit.",
			 value);
}

static int check_number(struct call *c, const char *value)
{
	char *end;

	errno = 0;
	(void)strtoll(value, &end, 10);
	if (*value && !*end && !errno)
		return 0;
	return call_fail(c, 400, NULL, "Unable to filter on a range with a non-numeric value.");
}

static int check_word(struct call *c, const char *name, const char *value, const char *const *words)
{
	if (is_in(words, value))
		return 0;
	return call_fail(c, 400, NULL, "Invalid value '%.200s' for '%s' filter.", value, name);
}

/**
 * image_check_filter() - Judge a value of a filter of images
 * @c:     the call
 * @name:  filter, or a word of sorting
 * @value: its value
 *
 * Return: 0; a 400 fault for what Glance refuses.
 */
int image_check_filter(struct call *c, const char *name, const char *value)
{
	static const char *const yes_no[] = { "true", "false", NULL };
	static const char *const ways[] = { "asc", "desc", NULL };
	static const char *const statuses[] = { "pending", "accepted", "rejected", "all", NULL };
	static const char *const visibilities[] = { "community", "public", "private",
						    "shared",	 "all",	   NULL };
	enum op op;
	int64_t at;
	bool most;

	if (!strcmp(name, "changes-since"))
		return call_fail(c, 400, NULL,
				 "The \"changes-since\" filter is no longer available on v2.");
	if (!strcmp(name, "sort") && (call_arg(c, "sort_key") || call_arg(c, "sort_dir")))
		return call_fail(c, 400, NULL, "Old and new sorting syntax cannot be combined");
	if (!strcmp(name, "member_status"))
		return check_word(c, name, value, statuses);
	if (!strcmp(name, "visibility"))
		return check_word(c, name, value, visibilities);
	if (!strcmp(name, "sort_dir"))
		return check_word(c, name, value, ways);
	if (!strcmp(name, "protected") ||
	    (!strcmp(name, "os_hidden") && strcasecmp(value, "true") && strcasecmp(value, "false")))
		return check_word(c, name, value, yes_no);
	if (is_words(name))
		return check_words(c, value);
	if (bounded(name, &most))
		return check_number(c, value);
	if (!is_time(name) || parse_op_time(value, &op, &at))
		return 0;
	return call_fail(c, 400, NULL,
			 "Bad \"%s\" query filter format. Use ISO 8601 DateTime notation.", name);
}

/* What a list says of images that are not in it unasked; NULL: nothing. */
struct unasked {
	const char *visibility, *hidden, *member_status;
};

/* What is shared with the caller is listed as far as he said to it what he asks for. */
static bool is_share_listed(const struct call *c, const json_t *doc, const char *asked)
{
	const char *status = asked ? asked : "accepted";

	return !strcmp(status, "all") || doc_is(image_member(c, doc), "status", status);
}

static bool is_listed(const struct call *c, const json_t *doc, const struct unasked *asked)
{
	const char *visibility = doc_str(doc, "visibility");

	if (doc_bool(doc, "os_hidden") && (!asked->hidden || strcasecmp(asked->hidden, "true")))
		return false;
	if (caller_owns(c, doc_str(doc, "owner")))
		return true;
	if (!strcmp(visibility, "community"))
		return asked->visibility && (!strcmp(asked->visibility, "community") ||
					     !strcmp(asked->visibility, "all"));
	return strcmp(visibility, "shared") != 0 || is_share_listed(c, doc, asked->member_status);
}

/**
 * image_listed() - Is an image in lists?
 * @c:   the call
 * @doc: an image that the caller sees
 *
 * Hidden and other projects' community images are listed only when asked for, shares when they were
 * accepted, or with the member_status that is asked for.
 */
bool image_listed(const struct call *c, const json_t *doc)
{
	return is_listed(c, doc,
			 &(const struct unasked){ call_arg(c, "visibility"),
						  call_arg(c, "os_hidden"),
						  call_arg(c, "member_status") });
}

/**
 * image_listed_plainly() - Is an image in a list that asks for nothing further?
 * @c:   the call, with another service's words
 * @doc: an image that the caller sees
 */
bool image_listed_plainly(const struct call *c, const json_t *doc)
{
	return is_listed(c, doc, &(const struct unasked){ NULL });
}
