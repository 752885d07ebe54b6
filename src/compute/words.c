/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judges requests by the tables of words, before their handlers: what these get has the members and
 * kinds that Nova's schemas let through, numbers and booleans that came as text are such.
 */
#include "compute/words.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/iso8601.h"
#include "compute/compute.h"

#define SAID_MAX 200 /* bytes of a value that a fault repeats */

/* Where a value stands, for faults. */
struct place {
	struct call *c;
	const char *name; /* of the member or parameter */
	bool query;
};

static int refuse(const struct place *p, const json_t *value, const char *why)
{
	auto_free char *said = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

	return call_fail(p->c, 400, "BadRequest", "Invalid input for %s %.100s. Value: %.*s. %s",
			 p->query ? "query parameters" : "field/attribute", p->name, SAID_MAX,
			 json_is_string(value) ? json_string_value(value)
			 : said		       ? said
					       : "",
			 why);
}

static bool in_force(const struct call *c, unsigned int since, unsigned int until)
{
	unsigned int minor = compute_minor(c);

	return minor >= since && (!until || minor <= until);
}

static size_t count_chars(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

/* No control characters, C1's among them. */
static bool is_printable(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (*p < ' ' || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0))
			return false;
	return true;
}

static bool has_only(const char *text, const char *others)
{
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr(others, *text))
			return false;
	return true;
}

static bool is_name(const char *text)
{
	return is_printable(text) && *text != ' ' && (!*text || text[strlen(text) - 1] != ' ');
}

/* As oslo's is_uuid_like(): 32 hex digits, hyphens anywhere. */
static bool is_uuid(const char *text)
{
	unsigned int n = 0;

	for (; *text; text++) {
		if (*text != '-' && !isxdigit((unsigned char)*text))
			return false;
		n += *text != '-';
	}
	return n == 32;
}

static bool is_ip(const char *text, int family)
{
	unsigned char bin[16];

	return inet_pton(family, text, bin) == 1;
}

/**
 * words_pattern() - Would Python compile a regular expression?
 * @pattern: text
 *
 * Groups and classes are closed, something stands before what repeats it. Pure.
 */
bool words_pattern(const char *pattern)
{
	unsigned int groups = 0;
	bool first = true; /* nothing to repeat yet */

	for (const char *p = pattern; *p; p++) {
		bool repeats =
			strchr("*+?", *p) && !(first && *p == '?' && p > pattern && p[-1] == '(');

		if (repeats && first)
			return false;
		if (*p == '\\') {
			if (!*++p)
				return false;
			first = false; /* whatever it is, it stands for itself */
			continue;
		}
		if (*p == '[') {
			p += p[1] == '^' ? 2 : 1;
			for (p += *p == ']'; *p && *p != ']'; p++)
				if (*p == '\\' && p[1])
					p++;
			if (!*p)
				return false;
		} else if (*p == ')' && !groups--)
			return false;
		groups += *p == '(';
		first = *p == '(' || *p == '|';
	}
	return *pattern && !groups;
}

/* Why a text is none of its kind; NULL: it is. */
static const char *text_fault(const struct word *w, const char *text)
{
	int64_t at;

	switch (w->kind) {
	case W_NAME:
		return is_name(text) ? NULL : "It is printable, without blanks at its ends";
	case W_DISPLAY:
		return is_printable(text) && text[strspn(text, " ")]
			       ? NULL
			       : "It is printable, and not blank";
	case W_PLAIN:
		return is_printable(text) ? NULL : "It is printable";
	case W_ZONE:
		return is_name(text) && !strchr(text, ':') ? NULL : "It is a name without ':'";
	case W_HOST:
		return has_only(text, "-._") ? NULL : "It is a host's name";
	case W_TAG:
		return strpbrk(text, ",/") ? "It has neither ',' nor '/'" : NULL;
	case W_UUID:
		return is_uuid(text) ? NULL : "It is not a 'uuid'";
	case W_IP:
		return is_ip(text, AF_INET) || is_ip(text, AF_INET6) ? NULL : "It is no address";
	case W_IPV4:
		return is_ip(text, AF_INET) ? NULL : "It is not a 'ipv4'";
	case W_IPV6:
		return is_ip(text, AF_INET6) ? NULL : "It is not a 'ipv6'";
	case W_TIME:
		return iso8601_parse(text, &at) ? NULL : "It is not a 'date-time'";
	case W_PATTERN:
		return words_pattern(text) ? NULL : "It is not a 'regex'";
	default:
		return NULL;
	}
}

static int check_text(const struct place *p, const struct word *w, json_t *value)
{
	const char *text = json_string_value(value), *why;
	size_t n = text ? count_chars(text) : 0;

	if (!text)
		return refuse(p, value, "It is not of type 'string'");
	if (!n && w->flags & WORD_EMPTY)
		return 0;
	if (n < (size_t)w->min)
		return refuse(p, value, "It is too short");
	if (w->max && n > (size_t)w->max)
		return refuse(p, value, "It is too long");
	for (const char *const *name = w->names; name; name++) {
		if (!*name)
			return refuse(p, value, "It is not one of those there are");
		if (!strcmp(*name, text))
			return 0;
	}
	why = text_fault(w, text);
	return why ? refuse(p, value, why) : 0;
}

/* true, false, or a word for it, which becomes such. */
static int check_bool(const struct place *p, json_t **value)
{
	const char *text = json_string_value(*value);
	int b = json_is_boolean(*value) ? json_is_true(*value)
		: text && text[0] && (text[1] || isdigit((unsigned char)*text))
			? field_bool_word(text)
			: -1;

	if (b < 0)
		return refuse(p, *value, "It is not a boolean");
	json_decref(*value);
	*value = json_boolean(b);
	return 0;
}

/* An integer, or one as text, which becomes such. */
static int check_int(const struct place *p, const struct word *w, json_t **value)
{
	const char *text = json_string_value(*value);
	json_int_t n = json_integer_value(*value);
	bool is_int = json_is_integer(*value);

	if (json_is_real(*value) &&
	    (double)(json_int_t)json_real_value(*value) == json_real_value(*value)) {
		n = (json_int_t)json_real_value(*value);
		is_int = true;
	}
	if (text && *text && !text[(*text == '-') + strspn(text + (*text == '-'), "0123456789")] &&
	    strcmp(text, "-")) {
		errno = 0;
		n = strtoll(text, NULL, 10);
		is_int = !errno;
	}
	if (!is_int)
		return refuse(p, *value, "It is not of type 'integer'");
	if (n < w->min)
		return refuse(p, *value, "It is less than the minimum");
	if (w->max && n > w->max)
		return refuse(p, *value, "It is greater than the maximum");
	json_decref(*value);
	*value = json_integer(n);
	return *value ? 0 : -ENOMEM;
}

static int check_map(const struct place *p, const json_t *value)
{
	const char *key;
	json_t *item;

	if (!json_is_object(value))
		return refuse(p, value, "It is not of type 'object'");
	json_object_foreach ((json_t *)value, key, item)
		if (!*key || strlen(key) > 255 || !has_only(key, "-_:. ") ||
		    !json_is_string(item) || count_chars(json_string_value(item)) > 255)
			return refuse(p, value,
				      "Keys are letters, digits and '-_:. ', values texts, of at "
				      "most 255 characters");
	return 0;
}

static int check_value(const struct place *p, const struct word *w, json_t **value);

static int check_items(const struct place *p, const struct word *w, json_t *list)
{
	json_t *item;
	size_t i;

	if (!json_is_array(list))
		return refuse(p, list, "It is not of type 'array'");
	if (json_array_size(list) < (size_t)w->min)
		return refuse(p, list, "It is too short");
	if (w->max && json_array_size(list) > (size_t)w->max)
		return refuse(p, list, "It is too long");
	json_array_foreach (list, i, item) {
		auto_of(json_decref) json_t *own = json_incref(item);
		int rc = w->of ? check_value(p, w->of, &own) : 0;

		if (rc)
			return rc;
		json_array_set(list, i, own);
	}
	return 0;
}

static const struct word *find_word(const struct call *c, const struct word *of, const char *name)
{
	for (; of && of->name; of++)
		if (!strcmp(of->name, name) && in_force(c, of->since, of->until))
			return of;
	return NULL;
}

static int check_members(struct call *c, const struct word *of, bool open, json_t *object)
{
	const char *key;
	json_t *value;
	void *tmp;

	for (const struct word *w = of; w->name; w++)
		if (w->flags & WORD_NEED && in_force(c, w->since, w->until) &&
		    !json_object_get(object, w->name))
			return call_fail(c, 400, "BadRequest", "'%s' is a required property",
					 w->name);
	json_object_foreach_safe(object, tmp, key, value)
	{
		const struct word *w = find_word(c, of, key);
		struct place p = { c, key };
		auto_of(json_decref) json_t *own = json_incref(value);
		int rc;

		if (!w && open)
			continue;
		if (!w)
			return call_fail(c, 400, "BadRequest",
					 "Additional properties are not allowed ('%.100s' was "
					 "unexpected)",
					 key);
		rc = check_value(&p, w, &own);
		if (!rc && own != value)
			rc = json_object_set(object, key, own) ? -ENOMEM : 0;
		if (rc)
			return rc;
	}
	return 0;
}

static int check_value(const struct place *p, const struct word *w, json_t **value)
{
	if (json_is_null(*value) && w->flags & WORD_NULL)
		return 0;
	if (w->flags & WORD_ITEM && json_is_string(*value))
		return w->kind == W_LIST ? check_text(p, w->of, *value) : 0;
	switch (w->kind) {
	case W_ANY:
		return 0;
	case W_BOOL:
		return check_bool(p, value);
	case W_INT:
		return check_int(p, w, value);
	case W_REF:
		return json_is_integer(*value) ? 0 : check_text(p, w, *value);
	case W_MAP:
		return check_map(p, *value);
	case W_LIST:
		return w->names && json_is_string(*value) ? check_text(p, w, *value)
							  : check_items(p, w, *value);
	case W_OBJ:
		return json_is_object(*value)
			       ? check_members(p->c, w->of, w->flags & WORD_OPEN, *value)
			       : refuse(p, *value, "It is not of type 'object'");
	default:
		return check_text(p, w, *value);
	}
}

/* Is a request of a route's form, "{}" for what its path has between two slashes? */
static bool is_of(const struct call *c, const char *route)
{
	size_t len = strlen(c->method);
	const char *path = c->path;

	if (strncmp(route, c->method, len) || route[len] != ' ')
		return false;
	for (route += len + 1; *route; route++) {
		if (*route != '{') {
			if (*path++ != *route)
				return false;
			continue;
		}
		path += strcspn(path, "/");
		route++;
	}
	return !*path;
}

static const struct words *find_words(const struct call *c, const struct words *all)
{
	for (const struct words *w = all; w->route; w++)
		if (is_of(c, w->route) && in_force(c, w->since, w->until) &&
		    (!w->envelope || json_object_get(c->body, w->envelope)))
			return w;
	return NULL;
}

static int check_param(struct call *c, const struct word *w)
{
	struct place p = { c, w->name, true };
	const char *text;
	int rc = 0;

	for (unsigned int i = 0; !rc && (text = call_arg_at(c, w->name, i)); i++) {
		auto_of(json_decref) json_t *value = json_string(text);

		rc = check_value(&p, w, &value);
	}
	return rc;
}

static int check_known(struct call *c, const struct words *words)
{
	const char *name;

	for (unsigned int i = 0; (name = call_arg_name(c, i)); i++)
		if (!find_word(c, words->of, name) || call_arg_at(c, name, 1))
			return call_fail(c, 400, "BadRequest",
					 find_word(c, words->of, name)
						 ? "Invalid input for query parameters %.100s. "
						   "It is given more than once"
						 : "Additional properties are not allowed "
						   "('%.100s' was unexpected)",
					 name);
	return 0;
}

static int check_query(struct call *c, const struct words *words)
{
	int rc = words->strict ? check_known(c, words) : 0;

	for (const struct word *w = words->of; !rc && w->name; w++)
		if (call_arg(c, w->name) && in_force(c, w->since, w->until))
			rc = check_param(c, w);
	return rc;
}

/**
 * words_check() - Judge what a request says
 * @c: a call of the compute service; in its body texts that stand for numbers or booleans become
 *     such
 *
 * What the tables do not have is its handler's to judge.
 *
 * Return: 0, or after call_fail() with 400.
 */
int words_check(struct call *c)
{
	const struct words *query = find_words(c, words_queries);
	const struct words *body = c->body ? find_words(c, words_bodies) : NULL;
	int rc = query ? check_query(c, query) : 0;

	if (rc || !body || !json_is_object(c->body))
		return rc;
	return check_members(c, body->of, false, (json_t *)c->body);
}
