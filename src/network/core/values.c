/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values in network requests: addresses, prefixes, and lists of small objects
 * such as allocation pools. Each check is an rfield_valid_fn: it refuses in
 * Neutron's words, or puts the canonical form in place (lower-case MACs,
 * shortest IPv6 text, known members only).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/uuid.h"
#include "network/core/network.h"

#define ITEMS_MAX 64 /* of any list in a request */

enum item_kind { ITEM_IP, ITEM_CIDR, ITEM_IP_OR_CIDR, ITEM_MAC, ITEM_UUID, ITEM_STR, ITEM_VERSION };

/* A member of the objects in a list. */
struct item {
	const char *key;
	enum item_kind kind;
	bool need;
};

/**
 * net_refused() - Answer with a refusal
 * @c: call
 * @r: what a pure check said
 *
 * Return: what call_fail() returns.
 */
int net_refused(struct call *c, const struct refusal *r)
{
	return call_fail(c, r->status, r->type, "%s", r->message);
}

static int invalid(struct call *c, const char *field, const json_t *v, const char *what)
{
	if (json_is_string(v))
		return call_fail(c, 400, "HTTPBadRequest",
				 "Invalid input for %s. Reason: '%.255s' is not a valid %s.", field,
				 json_string_value(v), what);
	return call_fail(c, 400, "HTTPBadRequest",
			 "Invalid input for %s. Reason: a value is not a valid %s.", field, what);
}

static json_t *ip_canonical(const char *text)
{
	struct ip ip;
	char out[IP_STR_LEN];

	return ip_parse(text, &ip, NULL) ? NULL : json_string(ip_format(&ip, out));
}

static json_t *cidr_canonical(const char *text)
{
	struct cidr cidr;
	char out[CIDR_STR_LEN];

	return cidr_parse(text, &cidr, NULL) ? NULL : json_string(cidr_format(&cidr, out));
}

static json_t *mac_canonical(const char *text)
{
	struct mac mac;
	char out[MAC_STR_LEN];

	return mac_parse(text, &mac, NULL) || mac_is_zero(&mac)
		       ? NULL
		       : json_string(mac_format(&mac, out));
}

/* The value in canonical form, a new reference; NULL: not of that kind. */
static json_t *item_value(enum item_kind kind, const json_t *v)
{
	const char *text = json_string_value(v);

	if (kind == ITEM_VERSION) {
		json_int_t n = text ? strtol(text, NULL, 10) : json_integer_value(v);

		return n == 4 || n == 6 ? json_integer(n) : NULL;
	}
	if (!text || strlen(text) > 255)
		return NULL;
	switch (kind) {
	case ITEM_IP:
		return ip_canonical(text);
	case ITEM_CIDR:
		return strchr(text, '/') ? cidr_canonical(text) : NULL;
	case ITEM_IP_OR_CIDR:
		return strchr(text, '/') ? cidr_canonical(text) : ip_canonical(text);
	case ITEM_MAC:
		return mac_canonical(text);
	case ITEM_UUID:
		return uuid_valid(text) ? json_string(text) : NULL;
	case ITEM_STR:
	case ITEM_VERSION:
		break;
	}
	return json_string(text);
}

static const char *item_kind_name(enum item_kind kind)
{
	switch (kind) {
	case ITEM_IP:
		return "IP address";
	case ITEM_CIDR:
		return "CIDR";
	case ITEM_IP_OR_CIDR:
		return "IP subnet";
	case ITEM_MAC:
		return "MAC address";
	case ITEM_UUID:
		return "UUID";
	case ITEM_STR:
		return "string";
	case ITEM_VERSION:
		return "IP version";
	}
	return "";
}

static const struct item *item_find(const struct item *items, const char *key)
{
	for (; items->key; items++)
		if (!strcmp(items->key, key))
			return items;
	return NULL;
}

/* "{'start', 'end'}", of a table or of an object's members. */
static void keys_format(const struct item *items, const json_t *obj, char *out, size_t size)
{
	const char *key;
	json_t *v;
	size_t n = (size_t)snprintf(out, size, "{");

	for (const struct item *it = items; it && it->key && n < size; it++)
		n += (size_t)snprintf(out + n, size - n, "%s'%s'", n > 1 ? ", " : "", it->key);
	json_object_foreach ((json_t *)obj, key, v)
		if (n < size)
			n += (size_t)snprintf(out + n, size - n, "%s'%.32s'", n > 1 ? ", " : "",
					      key);
	if (n < size)
		snprintf(out + n, size - n, "}");
}

static int bad_keys(struct call *c, const char *field, const struct item *items, const json_t *obj)
{
	char want[128], got[256];

	keys_format(items, NULL, want, sizeof(want));
	keys_format(NULL, obj, got, sizeof(got));
	return call_fail(c, 400, "HTTPBadRequest",
			 "Invalid input for %s. Reason: Validation of dictionary's keys failed. "
			 "Expected keys: %s Provided keys: %s.",
			 field, want, got);
}

/* One object of a list; *out is a new one with canonical members. */
static int item_read(struct call *c, const char *field, const struct item *items, json_t *obj,
		     json_t **out)
{
	auto_of(json_decref) json_t *got = json_object();
	const char *key;
	json_t *v;

	if (!got)
		return -ENOMEM;
	if (!json_is_object(obj))
		return call_fail(
			c, 400, "HTTPBadRequest",
			"Invalid input for %s. Reason: Invalid data format: an item is not "
			"a dictionary.",
			field);
	for (const struct item *it = items; it->key; it++)
		if (it->need && !json_object_get(obj, it->key))
			return bad_keys(c, field, items, obj);
	json_object_foreach (obj, key, v) {
		const struct item *it = item_find(items, key);
		json_t *canonical;

		if (!it)
			return bad_keys(c, field, items, obj);
		if (json_is_null(v) && !it->need) {
			json_object_set(got, key, v);
			continue;
		}
		canonical = item_value(it->kind, v);
		if (!canonical)
			return invalid(c, field, v, item_kind_name(it->kind));
		json_object_set_new(got, key, canonical);
	}
	*out = take(got);
	return 0;
}

static int list_too_long(struct call *c, const char *field)
{
	return call_fail(c, 400, "HTTPBadRequest",
			 "Invalid input for %s. Reason: The list has more than %d items.", field,
			 ITEMS_MAX);
}

static int items_read(struct call *c, const char *field, const struct item *items, json_t **value)
{
	auto_of(json_decref) json_t *list = json_array();
	json_t *obj, *item = NULL;
	size_t i;

	if (json_array_size(*value) > ITEMS_MAX)
		return list_too_long(c, field);
	json_array_foreach (*value, i, obj) {
		int rc = item_read(c, field, items, obj, &item);

		if (rc)
			return rc;
		json_array_append_new(list, item);
	}
	json_decref(*value);
	*value = take(list);
	return 0;
}

/* A list of plain values of one kind. */
static int values_read(struct call *c, const char *field, enum item_kind kind, json_t **value,
		       int (*bad)(struct call *c, const char *field, const json_t *v))
{
	auto_of(json_decref) json_t *list = json_array();
	json_t *v, *canonical;
	size_t i;

	if (json_array_size(*value) > ITEMS_MAX)
		return list_too_long(c, field);
	json_array_foreach (*value, i, v) {
		canonical = item_value(kind, v);
		if (!canonical)
			return bad(c, field, v);
		json_array_append_new(list, canonical);
	}
	json_decref(*value);
	*value = take(list);
	return 0;
}

static const json_t *member_of(const json_t *item, const char *key)
{
	return key ? json_object_get(item, key) : item;
}

/* No item of a list stands in it twice; key: by this member, if not NULL. */
static int check_once(struct call *c, const char *field, const char *key, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *value = member_of(json_array_get(list, i), key);

		for (size_t j = 0; value && j < i; j++)
			if (json_equal(value, member_of(json_array_get(list, j), key)))
				return call_fail(c, 400, "HTTPBadRequest",
						 "Invalid input for %s. Reason: Duplicate items in "
						 "the list: '%.255s'.",
						 field, json_string_value(value) ?: "");
	}
	return 0;
}

static int value_replace(struct call *c, const char *field, enum item_kind kind, json_t **value)
{
	json_t *canonical;

	if (json_is_null(*value))
		return 0;
	canonical = item_value(kind, *value);
	if (!canonical)
		return invalid(c, field, *value, item_kind_name(kind));
	json_decref(*value);
	*value = canonical;
	return 0;
}

/**
 * valid_ip() - An address (rfield_valid_fn)
 * @c:     call
 * @field: name of the member
 * @value: in: the text given, or null; out: its canonical form
 *
 * Return: 0, or what call_fail() returns.
 */
int valid_ip(struct call *c, const char *field, json_t **value)
{
	return value_replace(c, field, ITEM_IP, value);
}

/**
 * valid_cidr() - A prefix; host bits are cleared (rfield_valid_fn)
 * @c:     call
 * @field: name of the member
 * @value: in: the text given, or null; out: its canonical form
 *
 * Return: 0, or what call_fail() returns.
 */
int valid_cidr(struct call *c, const char *field, json_t **value)
{
	json_t *canonical = cidr_canonical(json_string_value(*value));

	if (!canonical)
		return call_fail(c, 400, "InvalidInput",
				 "Invalid input for operation: %.255s is not in a CIDR format.",
				 json_string_value(*value));
	json_decref(*value);
	*value = canonical;
	return 0;
}

/**
 * valid_mac() - An Ethernet address that is not zero; lower case from here on (rfield_valid_fn)
 * @c:     call
 * @field: name of the member
 * @value: in: the text given, or null; out: its canonical form
 *
 * Return: 0, or what call_fail() returns.
 */
int valid_mac(struct call *c, const char *field, json_t **value)
{
	return value_replace(c, field, ITEM_MAC, value);
}

/**
 * valid_pools() - Allocation pools (rfield_valid_fn)
 * @c:     call
 * @field: name of the member
 * @value: in: the list given; out: its canonical form
 *
 * Return: 0, or what call_fail() returns.
 */
int valid_pools(struct call *c, const char *field, json_t **value)
{
	static const struct item items[] = {
		{ "start", ITEM_IP, true },
		{ "end", ITEM_IP, true },
		{ NULL },
	};

	return items_read(c, field, items, value);
}

static int bad_nameserver(struct call *c, const char *field, const json_t *v)
{
	const char *text = json_string_value(v) ?: "";

	return call_fail(
		c, 400, "HTTPBadRequest",
		"Invalid input for %s. Reason: '%.128s' is not a valid nameserver. '%.128s' "
		"is not a valid IP address.",
		field, text, text);
}

/**
 * valid_nameservers() - Addresses of name servers (rfield_valid_fn)
 * @c:     call
 * @field: name of the member
 * @value: in: the list given; out: its canonical form
 *
 * Return: 0, or what call_fail() returns.
 */
int valid_nameservers(struct call *c, const char *field, json_t **value)
{
	return values_read(c, field, ITEM_IP, value, bad_nameserver)
		       ?: check_once(c, field, NULL, *value);
}

/**
 * valid_routes() - Host routes (rfield_valid_fn)
 * @c:     call
 * @field: name of the member
 * @value: in: the list given; out: its canonical form
 *
 * Return: 0, or what call_fail() returns.
 */
int valid_routes(struct call *c, const char *field, json_t **value)
{
	static const struct item items[] = {
		{ "destination", ITEM_CIDR, true },
		{ "nexthop", ITEM_IP, true },
		{ NULL },
	};

	return items_read(c, field, items, value) ?: check_once(c, field, NULL, *value);
}

/**
 * valid_fixed_ips() - Addresses a port asks for (rfield_valid_fn)
 * @c:     call
 * @field: name of the member
 * @value: in: the list given; out: its canonical form
 *
 * Return: 0, or what call_fail() returns.
 */
int valid_fixed_ips(struct call *c, const char *field, json_t **value)
{
	static const struct item items[] = {
		{ "subnet_id", ITEM_UUID, false },
		{ "ip_address", ITEM_IP, false },
		{ NULL },
	};

	return items_read(c, field, items, value) ?: check_once(c, field, "ip_address", *value);
}

/**
 * valid_address_pairs() - Allowed address pairs (rfield_valid_fn)
 * @c:     call
 * @field: name of the member
 * @value: in: the list given; out: its canonical form
 *
 * Return: 0, or what call_fail() returns.
 */
int valid_address_pairs(struct call *c, const char *field, json_t **value)
{
	static const struct item items[] = {
		{ "mac_address", ITEM_MAC, false },
		{ "ip_address", ITEM_IP_OR_CIDR, true },
		{ NULL },
	};

	return items_read(c, field, items, value) ?: check_once(c, field, NULL, *value);
}

/**
 * valid_dhcp_opts() - Extra DHCP options; kept and shown (rfield_valid_fn)
 * @c:     call
 * @field: name of the member
 * @value: in: the list given; out: its canonical form, with ip_version 4 where none was given
 *
 * Return: 0, or what call_fail() returns.
 */
int valid_dhcp_opts(struct call *c, const char *field, json_t **value)
{
	static const struct item items[] = {
		{ "opt_name", ITEM_STR, true },
		{ "opt_value", ITEM_STR, false },
		{ "ip_version", ITEM_VERSION, false },
		{ NULL },
	};
	int rc = items_read(c, field, items, value);
	json_t *opt;
	size_t i;

	if (rc)
		return rc;
	json_array_foreach (*value, i, opt)
		if (!json_object_get(opt, "ip_version"))
			json_object_set_new(opt, "ip_version", json_integer(4));
	return 0;
}

static int bad_uuid(struct call *c, const char *field, const json_t *v)
{
	return invalid(c, field, v, "UUID");
}

/**
 * valid_uuids() - A list of UUIDs (rfield_valid_fn)
 * @c:     call
 * @field: name of the member
 * @value: in: the list given; out: the same
 *
 * Return: 0, or what call_fail() returns.
 */
int valid_uuids(struct call *c, const char *field, json_t **value)
{
	return values_read(c, field, ITEM_UUID, value, bad_uuid)
		       ?: check_once(c, field, NULL, *value);
}
