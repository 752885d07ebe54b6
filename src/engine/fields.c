/* SPDX-License-Identifier: Apache-2.0 */
/* Validation: what a client gave against a resource's rows, before any hook sees it. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/uuid.h"
#include "engine/impl.h"

static bool speaks(const struct call *c, enum fault_style style)
{
	return c->service && c->service->style == style;
}

static bool is_neutron(const struct call *c)
{
	return speaks(c, FAULT_NEUTRON);
}

/* A value as Python's repr prints it in the recorded messages; at most 600 bytes of it. */
static const char *quoted(const json_t *value, char out[640])
{
	auto_free char *dump = NULL;

	switch (json_typeof(value)) {
	case JSON_STRING:
		snprintf(out, 640, "'%.600s'", json_string_value(value));
		break;
	case JSON_NULL:
		return "'None'";
	case JSON_TRUE:
		return "'True'";
	case JSON_FALSE:
		return "'False'";
	default:
		dump = json_dumps(value, JSON_ENCODE_ANY);
		snprintf(out, 640, "'%.600s'", dump ? dump : "");
	}
	return out;
}

static size_t count_chars(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

/**
 * field_bool() - Read a boolean as Neutron does
 * @value: true, false, 0, 1, or these words as strings
 *
 * Return: 1, 0; -1 if it is no boolean.
 */
int field_bool(const json_t *value)
{
	const char *text = json_string_value(value);

	if (json_is_boolean(value))
		return json_is_true(value);
	if (json_is_integer(value) && (json_int_t)json_integer_value(value) >> 1 == 0)
		return (int)json_integer_value(value);
	if (text && (!strcasecmp(text, "true") || !strcmp(text, "1")))
		return 1;
	if (text && (!strcasecmp(text, "false") || !strcmp(text, "0")))
		return 0;
	return -1;
}

/**
 * field_bool_word() - Read a boolean as Nova does, by oslo's words (strutils.bool_from_string)
 * @text: of either case
 *
 * Return: 1, 0; -1 if it is none of them.
 */
int field_bool_word(const char *text)
{
	static const char *const words[][6] = { { "0", "f", "false", "off", "n", "no" },
						{ "1", "t", "true", "on", "y", "yes" } };

	for (int b = 0; b < 2; b++)
		for (size_t i = 0; i < ARRAY_LEN(words[b]); i++)
			if (!strcasecmp(words[b][i], text))
				return b;
	return -1;
}

static int read_bool(const struct call *c, const json_t *value)
{
	if (is_neutron(c) || json_is_boolean(value))
		return field_bool(value);
	if (c->service->style == FAULT_NOVA && json_is_string(value))
		return field_bool_word(json_string_value(value));
	return -1;
}

static int check_bool(struct call *c, const struct rfield *f, json_t **value)
{
	int b = read_bool(c, *value);
	char text[640];

	if (b < 0 && is_neutron(c))
		return call_fail(c, 400, "InvalidInput",
				 "Invalid input for operation: %s cannot be converted to boolean.",
				 quoted(*value, text));
	if (b < 0)
		return fault_bad_value(c, f->name, "%s is not of type 'boolean'",
				       quoted(*value, text));
	json_decref(*value);
	*value = json_boolean(b);
	return 0;
}

/* JSON schemas of Keystone and Glance tell a number from a text of digits. */
static bool takes_digits(const struct call *c)
{
	return !speaks(c, FAULT_KEYSTONE) && !speaks(c, FAULT_GLANCE);
}

static int check_int(struct call *c, const struct rfield *f, json_t **value)
{
	const char *text = json_string_value(*value);
	char *end = NULL, buf[640];
	json_int_t n = json_integer_value(*value);

	if (text && *text && takes_digits(c)) {
		errno = 0;
		n = strtoll(text, &end, 10);
	}
	if (!json_is_integer(*value) && (!end || *end || errno))
		return fault_bad_value(c, f->name, "%s is not an integer", quoted(*value, buf));
	if ((f->min || f->max) && n < f->min)
		return fault_bad_value(c, f->name, "'%lld' is too small - must be at least '%lld'",
				       (long long)n, (long long)f->min);
	if ((f->min || f->max) && n > f->max)
		return fault_bad_value(c, f->name,
				       "'%lld' is too large - must be no larger than '%lld'",
				       (long long)n, (long long)f->max);
	json_decref(*value);
	*value = json_integer(n);
	return *value ? 0 : -ENOMEM;
}

static int check_str(struct call *c, const struct rfield *f, json_t **value)
{
	const char *text = json_string_value(*value);
	size_t max = f->max ? (size_t)f->max : 255;
	char buf[640];

	if (!text)
		return fault_bad_value(c, f->name, "%s is not a valid string", quoted(*value, buf));
	if (f->names) {
		for (const char *const *name = f->names; *name; name++)
			if (strcmp(*name, text) == 0)
				return 0;
		return fault_bad_value(c, f->name, "%.200s is not in valid_values", text);
	}
	if (count_chars(text) > max)
		return fault_bad_value(c, f->name, "'%.500s' exceeds maximum length of %zu", text,
				       max);
	if (count_chars(text) < (size_t)f->min)
		return fault_bad_value(c, f->name, "'%s' is too short", text);
	return 0;
}

/* Of either case (RFC 4122, 3), and kept as we write them: one UUID is one key. */
static int check_uuid(struct call *c, const struct rfield *f, json_t **value)
{
	const char *text = json_string_value(*value);
	char buf[640], lower[UUID_STR_LEN];

	if (!text || !uuid_valid(text))
		return fault_bad_value(c, f->name, "%s is not a valid UUID", quoted(*value, buf));
	for (size_t i = 0; i < sizeof(lower); i++)
		lower[i] = (char)tolower((unsigned char)text[i]);
	json_decref(*value);
	*value = json_string(lower);
	return *value ? 0 : -ENOMEM;
}

static int check_list(struct call *c, const struct rfield *f, json_t **value)
{
	char buf[640];

	if (!json_is_array(*value))
		return fault_bad_value(c, f->name, "%s is not a list", quoted(*value, buf));
	return 0;
}

static int check_obj(struct call *c, const struct rfield *f, json_t **value)
{
	char buf[640];

	if (!json_is_object(*value))
		return fault_bad_value(c, f->name, "%s is not a dictionary", quoted(*value, buf));
	return 0;
}

static int check_any(struct call *c, const struct rfield *f, json_t **value)
{
	return 0;
}

static int (*const check_type[])(struct call *c, const struct rfield *f, json_t **value) = {
	[J_STR] = check_str,   [J_BOOL] = check_bool, [J_INT] = check_int, [J_UUID] = check_uuid,
	[J_LIST] = check_list, [J_OBJ] = check_obj,   [J_ANY] = check_any,
};

static json_t *empty_of(enum jtype type)
{
	return type == J_LIST ? json_array() : type == J_OBJ ? json_object() : json_string("");
}

static int take_value(struct call *c, const struct rfield *f, const json_t *given, json_t *out)
{
	bool empty = json_is_null(given) && f->flags & R_EMPTY;
	auto_of(json_decref) json_t *value =
		empty ? empty_of(f->type) : json_incref((json_t *)given);
	int rc = 0;

	if (!json_is_null(value) || !(f->flags & R_NULL)) {
		rc = check_type[f->type](c, f, &value);
		if (!rc && f->valid)
			rc = f->valid(c, f->name, &value);
		if (!rc && f->ref && !res_find(c, f->ref, json_string_value(value)))
			rc = -ENOENT;
	}
	return rc ? rc : json_object_set(out, f->name, value) ? -ENOMEM : 0;
}

/* Keystone passes over what a new document gets from itself: its id, above all. */
static bool is_passed_over(const struct call *c, const struct rfield *f, bool update)
{
	return !update && speaks(c, FAULT_KEYSTONE) && !(f->flags & (R_CREATE | R_VIRTUAL));
}

static int check_given(struct call *c, const struct rfield *f, bool update)
{
	if (f->flags & (update ? R_UPDATE : R_CREATE) || is_passed_over(c, f, update))
		return 0;
	if (speaks(c, FAULT_GLANCE))
		return call_fail(c, 403, NULL, "Attribute '%s' is read-only.", f->name);
	return update ? call_fail(c, 400, "HTTPBadRequest", "Cannot update read-only attribute %s",
				  f->name)
		      : call_fail(c, 400, "HTTPBadRequest", "Attribute '%s' not allowed in POST",
				  f->name);
}

/**
 * fields_check_names() - Is there a row for each member, and may it be given here?
 * @c:      the call
 * @r:      as fields_take()
 * @rows:   its rows
 * @given:  an object
 * @update: a change instead of a creation
 *
 * Return: 0; a fault.
 */
int fields_check_names(struct call *c, const struct resource *r, const struct rfield *rows,
		       const json_t *given, bool update)
{
	const char *key;
	json_t *value;
	int rc;

	json_object_foreach ((json_t *)given, key, value) {
		const struct rfield *f = rows;

		while (f->name && strcmp(f->name, key) != 0)
			f++;
		if (!f->name && r && r->flags & RES_FREE_FORM)
			continue;
		if (!f->name && is_neutron(c))
			return call_fail(c, 400, "HTTPBadRequest", "Unrecognized attribute(s) '%s'",
					 key);
		if (!f->name)
			return call_fail(c, 400, NULL,
					 "Additional properties are not allowed ('%s' was "
					 "unexpected)",
					 key);
		rc = check_given(c, f, update);
		if (rc)
			return rc;
	}
	return 0;
}

static int check_needed(struct call *c, const struct rfield *rows, const json_t *given)
{
	for (const struct rfield *f = rows; f->name; f++) {
		if (!(f->flags & R_NEED) || json_object_get(given, f->name))
			continue;
		if (is_neutron(c))
			return call_fail(c, 400, "HTTPBadRequest",
					 "Failed to parse request. Required attribute '%s' not "
					 "specified",
					 f->name);
		return call_fail(c, 400, NULL, "'%s' is a required property", f->name);
	}
	return 0;
}

/* Does a member that only an admin may give ask for nothing, as its value is the default? Neutron's
 * other defaults than booleans are that nobody said anything. */
static bool asks_nothing(const struct call *c, const struct rfield *f, const json_t *value)
{
	auto_of(json_decref) json_t *dflt = field_default(f);

	return (f->type == J_BOOL || !is_neutron(c)) && json_equal(dflt, (json_t *)value);
}

/* Members only an admin may give. */
static int check_policy(struct call *c, const struct resource *r, const struct rfield *rows,
			const json_t *given, const json_t *doc, bool update)
{
	const char *verb = update ? "update" : "create", *one = r ? r->one : "resource";
	char rule[900], wrapped[900];
	bool refused = false;

	snprintf(rule, sizeof(rule), "rule:%s_%s", verb, one);
	for (const struct rfield *f = rows; f->name && !caller_is_admin(c); f++) {
		if (!(f->flags & R_ADMIN) || !json_object_get(given, f->name) ||
		    (!update && asks_nothing(c, f, json_object_get(doc, f->name))))
			continue;
		snprintf(wrapped, sizeof(wrapped), "(%.700s and rule:%s_%s:%s)", rule, verb, one,
			 f->name);
		memcpy(rule, wrapped, sizeof(rule));
		refused = true;
	}
	return refused ? call_fail(c, 403, "PolicyNotAuthorized", "%s is disallowed by policy",
				   rule)
		       : 0;
}

/**
 * fields_take() - Judge what a client gave
 * @c:      the call
 * @r:      the resource, for messages and its flags; or NULL
 * @rows:   its rows
 * @given:  what the client sent
 * @update: a change (R_UPDATE members, no defaults) instead of a creation
 * @out:    a new object: the members that were given, and on creation the defaults of all others
 *
 * Return: 0; a fault.
 */
int fields_take(struct call *c, const struct resource *r, const struct rfield *rows,
		const json_t *given, bool update, json_t **out)
{
	auto_of(json_decref) json_t *doc = json_object();
	int rc;

	if (!doc)
		return -ENOMEM;
	if (!json_is_object(given))
		return fault_bad_body(c);
	rc = fields_check_names(c, r, rows, given, update);
	if (!rc && !update)
		rc = check_needed(c, rows, given);
	for (const struct rfield *f = rows; f->name && !rc; f++) {
		const json_t *value = json_object_get(given, f->name);

		if (value && !is_passed_over(c, f, update))
			rc = take_value(c, f, value, doc);
		else if (!update && !(f->flags & R_VIRTUAL))
			rc = json_object_set_new(doc, f->name, field_default(f)) ? -ENOMEM : 0;
	}
	if (!rc && r && r->flags & RES_FREE_FORM)
		rc = json_object_update_missing(doc, (json_t *)given) ? -ENOMEM : 0;
	rc = rc ? rc : check_policy(c, r, rows, given, doc, update);
	if (rc)
		return rc;
	*out = take(doc);
	return 0;
}

/**
 * fields_accept_known() - Judge what an agent said, which may know more words than we do
 * @c:     the call
 * @rows:  what may be given
 * @given: what was; members no row names are passed over
 * @doc:   a new object: what was given and named, and the defaults
 *
 * A host that was upgraded before the API stays alive; clients are told of each word that is not
 * understood (fields_accept()).
 *
 * Return: 0; a fault.
 */
int fields_accept_known(struct call *c, const struct rfield *rows, const json_t *given,
			json_t **doc)
{
	auto_of(json_decref) json_t *known = json_is_object(given) ? json_object() : NULL;

	for (const struct rfield *f = rows; known && f->name; f++) {
		json_t *value = json_object_get(given, f->name);

		if (value && json_object_set(known, f->name, value))
			return -ENOMEM;
	}
	return fields_take(c, NULL, rows, known, false, doc);
}

/**
 * fields_accept() - Judge what a client gave, for handlers of their own
 * @c:      the call
 * @rows:   what may be given
 * @given:  what was
 * @update: a change instead of a creation
 * @doc:    a new object: what was given and (on creation) the defaults
 *
 * Return: 0; a fault.
 */
int fields_accept(struct call *c, const struct rfield *rows, const json_t *given, bool update,
		  json_t **doc)
{
	return fields_take(c, NULL, rows, given, update, doc);
}
