/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host aggregates: an operator's sets of hosts with metadata, and the availability zones that some
 * of them make. There are few, so one document has all, /aggregates: {"last": the newest id, "all":
 * [aggregate, ...]}. A host that is in no zone is in "nova".
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/uuid.h"
#include "compute/boot.h"
#include "hosts/agents.h"

#define ZONE	     "availability_zone"
#define DEFAULT_ZONE "nova"

static const json_t *aggregates(struct call *c)
{
	return json_object_get(call_get(c, "/aggregates"), "all");
}

static bool has_host(const json_t *one, const char *host)
{
	const json_t *at;
	size_t i;

	json_array_foreach (json_object_get(one, "hosts"), i, at)
		if (!strcmp(json_string_value(at), host))
			return true;
	return false;
}

/* The zone of a host by all aggregates but one, or NULL. */
static const char *zone_of(const json_t *all, const char *host, const json_t *but)
{
	const json_t *one;
	size_t i;

	json_array_foreach (all, i, one)
		if (one != but && doc_text(one, ZONE) && has_host(one, host))
			return doc_text(one, ZONE);
	return NULL;
}

/**
 * host_zone() - The availability zone of a host
 * @c:    the call
 * @host: its name; "" or NULL: none
 *
 * Return: the zone, borrowed; "" without a host.
 */
const char *host_zone(struct call *c, const char *host)
{
	return host && *host ? zone_of(aggregates(c), host, NULL) ?: DEFAULT_ZONE : "";
}

/**
 * zones_all() - All zones with their hosts
 * @c: the call
 *
 * Return: {zone: {host: true}}, a new reference; "nova" is there with or without hosts.
 */
json_t *zones_all(struct call *c)
{
	struct cursor it = call_list(c, "/agent/");
	json_t *zones = json_pack("{s:{}}", DEFAULT_ZONE);

	while (cursor_next(&it)) {
		const char *host = doc_str(it.doc, "host"), *zone = host_zone(c, host);
		json_t *hosts = json_object_get(zones, zone);

		if (!hosts)
			json_object_set_new(zones, zone, hosts = json_object());
		json_object_set_new(hosts, host, json_true());
	}
	return zones;
}

/**
 * boot_zone() - Read a boot's availability_zone: "zone", "zone:host", "zone:host:node"
 * @c: the call
 * @b: the boot: zone and host are set; a host is for admins to name, and then the zone is no matter
 *
 * Return: 0, or after call_fail().
 */
int boot_zone(struct call *c, struct boot *b)
{
	const char *asked = doc_text(b->given, ZONE), *colon = asked ? strchr(asked, ':') : NULL;
	auto_of(json_decref) json_t *zones = NULL;
	const char *zone;

	if (!asked)
		return 0;
	json_object_set_new(b->given, "zone", json_stringn(asked, strcspn(asked, ":")));
	zone = doc_text(b->given, "zone");
	zones = zones_all(c);
	if (zone && *zone && !json_object_get(zones, zone))
		return call_fail(c, 400, "InvalidInput",
				 "The requested availability zone is not available");
	if (!colon || !colon[1]) {
		b->zone = zone && *zone ? zone : NULL;
		return 0;
	}
	if (!caller_is_admin(c))
		return call_fail(
			c, 403, "Forbidden",
			"Policy doesn't allow os_compute_api:servers:create:forced_host to be "
			"performed.");
	json_object_set_new(b->given, "host", json_stringn(colon + 1, strcspn(colon + 1, ":")));
	b->host = doc_text(b->given, "host");
	return 0;
}

static json_t *aggregate_view(const struct call *c, const json_t *one)
{
	json_t *out = json_copy((json_t *)one);

	if (compute_minor(c) < 41)
		json_object_del(out, "uuid");
	json_object_set_new(out, "created_at", compute_stamp(one, "created_at"));
	json_object_set_new(out, "updated_at", compute_stamp(one, "updated_at"));
	json_object_update_new(out, json_pack("{s:b,s:n}", "deleted", 0, "deleted_at"));
	return out;
}

static int reply(struct call *c, const json_t *one)
{
	return call_reply(c, 200, json_pack("{s:o}", "aggregate", aggregate_view(c, one)));
}

/* A copy of all of them to change, and in it the one that the path names; NULL after a fault. */
static json_t *aggregate_open(struct call *c, json_t **doc)
{
	json_t *one;
	char id[24];
	size_t i;

	*doc = json_deep_copy(call_get(c, "/aggregates"));
	json_array_foreach (json_object_get(*doc, "all"), i, one) {
		snprintf(id, sizeof(id), "%lld", (long long)doc_int(one, "id"));
		if (!strcmp(id, c->ids[0]))
			return one;
	}
	call_fail(c, 404, "AggregateNotFound", "Aggregate %s could not be found.", c->ids[0]);
	return NULL;
}

static int aggregate_write(struct call *c, const json_t *doc, json_t *one)
{
	char now[32];
	int rc;

	doc_set_text(one, "updated_at", call_time(c, now));
	rc = call_put(c, json_incref((json_t *)doc), "/aggregates");
	return rc ? rc : reply(c, one);
}

static int aggregates_list(struct call *c)
{
	json_t *list = json_array();
	const json_t *one;
	size_t i;

	json_array_foreach (aggregates(c), i, one)
		json_array_append_new(list, aggregate_view(c, one));
	return call_reply(c, 200, json_pack("{s:o}", "aggregates", list));
}

static int aggregate_show(struct call *c)
{
	auto_of(json_decref) json_t *doc = NULL;
	const json_t *one = aggregate_open(c, &doc);

	return one ? reply(c, one) : -ENOENT;
}

static const struct rfield rows[] = {
	{ "name", J_STR, R_CREATE | R_UPDATE | R_NEED, .min = 1, .max = 255 },
	{ ZONE, J_STR, R_CREATE | R_UPDATE | R_NULL, .min = 1, .max = 255 },
	{ NULL },
};

/* Of two aggregates one name, of one host two zones: neither may be. */
static int check(struct call *c, const json_t *doc, const json_t *one)
{
	const json_t *all = json_object_get(doc, "all"), *other, *host;
	const char *zone = doc_text(one, ZONE);
	size_t i;

	if (zone && strchr(zone, ':'))
		return call_fail(c, 400, "BadRequest",
				 "Invalid input for field/attribute availability_zone");
	json_array_foreach (all, i, other)
		if (other != one && doc_same(other, one, "name"))
			return call_fail(c, 409, "AggregateNameExists",
					 "Aggregate %s already exists.", doc_str(one, "name"));
	json_array_foreach (json_object_get(one, "hosts"), i, host) {
		const char *name = json_string_value(host), *there = zone_of(all, name, one);

		if (zone && there && strcmp(zone, there))
			return call_fail(c, 409, "InvalidAggregateAction",
					 "Host %s is in availability zone %s already.", name,
					 there);
	}
	return 0;
}

/* The zone stands among the metadata, too, as Nova has it. */
static void set_zone(json_t *one, json_t *zone)
{
	json_t *metadata = json_object_get(one, "metadata");

	json_object_set(one, ZONE, zone);
	if (json_is_string(zone))
		json_object_set(metadata, ZONE, zone);
	else
		json_object_del(metadata, ZONE);
}

static int aggregate_create(struct call *c)
{
	const json_t *in = compute_body(c, "aggregate"), *old = call_get(c, "/aggregates");
	auto_of(json_decref) json_t *given = NULL, *doc = NULL;
	char now[32], uuid[UUID_STR_LEN];
	json_t *one;
	int rc = in ? fields_accept(c, rows, in, false, &given) : -EINVAL;

	if (rc)
		return rc;
	uuid_new(uuid);
	doc = old ? json_deep_copy(old) : json_pack("{s:i,s:[]}", "last", 0, "all");
	json_object_set_new(doc, "last", json_integer(doc_int(doc, "last") + 1));
	one = json_pack("{s:O,s:s,s:O,s:n,s:s,s:n,s:[],s:{}}", "id", json_object_get(doc, "last"),
			"uuid", uuid, "name", json_object_get(given, "name"), ZONE, "created_at",
			call_time(c, now), "updated_at", "hosts", "metadata");
	json_array_append_new(json_object_get(doc, "all"), one);
	set_zone(one, json_object_get(given, ZONE) ?: json_null());
	rc = check(c, doc, one) ?: call_put(c, json_incref(doc), "/aggregates");
	if (rc)
		return rc;
	in = aggregate_view(c, one);
	json_object_del((json_t *)in, "hosts");
	json_object_del((json_t *)in, "metadata");
	return call_reply(c, 200, json_pack("{s:o}", "aggregate", in));
}

static int aggregate_update(struct call *c)
{
	const json_t *in = compute_body(c, "aggregate");
	auto_of(json_decref) json_t *given = NULL, *doc = NULL;
	json_t *one = in ? aggregate_open(c, &doc) : NULL;
	int rc = one ? fields_accept(c, rows, in, true, &given) : -ENOENT;

	if (rc)
		return rc;
	if (!json_object_size(given))
		return call_fail(c, 400, "BadRequest",
				 "Invalid input for field/attribute aggregate");
	if (doc_text(given, "name"))
		doc_set_text(one, "name", doc_text(given, "name"));
	if (json_object_get(given, ZONE))
		set_zone(one, json_object_get(given, ZONE));
	return check(c, doc, one) ?: aggregate_write(c, doc, one);
}

static int aggregate_delete(struct call *c)
{
	auto_of(json_decref) json_t *doc = NULL;
	const json_t *one = aggregate_open(c, &doc), *at;
	json_t *all = json_object_get(doc, "all");
	size_t i;
	int rc;

	if (!one)
		return -ENOENT;
	if (json_array_size(json_object_get(one, "hosts")))
		return call_fail(c, 400, "InvalidAggregateAction",
				 "Cannot delete aggregate %s. Reason: Host aggregate is not empty.",
				 c->ids[0]);
	json_array_foreach (all, i, at)
		if (at == one)
			break;
	json_array_remove(all, i);
	rc = call_put(c, json_incref(doc), "/aggregates");
	return rc ? rc : call_reply(c, 200, NULL);
}

static int add_host(struct call *c, json_t *one, const json_t *args)
{
	const char *host = doc_str(args, "host");

	if (!call_get(c, "/agent/%s", host))
		return call_fail(c, 404, "ComputeHostNotFound",
				 "Compute host %s could not be found.", host);
	if (has_host(one, host))
		return call_fail(c, 409, "AggregateHostExists", "Aggregate %s already has host %s.",
				 c->ids[0], host);
	json_array_append_new(json_object_get(one, "hosts"), json_string(host));
	return 0;
}

static int remove_host(struct call *c, json_t *one, const json_t *args)
{
	json_t *hosts = json_object_get(one, "hosts"), *at;
	size_t i;

	json_array_foreach (hosts, i, at)
		if (!strcmp(json_string_value(at), doc_str(args, "host"))) {
			json_array_remove(hosts, i);
			return 0;
		}
	return call_fail(c, 404, "AggregateHostNotFound", "Aggregate %s has no host %s.", c->ids[0],
			 doc_str(args, "host"));
}

static int set_metadata(struct call *c, json_t *one, const json_t *args)
{
	json_t *given = json_object_get(args, "metadata"), *value;
	json_t *metadata = json_object_get(one, "metadata");
	const char *key;

	if (!json_is_object(given))
		return call_fail(c, 400, "BadRequest",
				 "Invalid input for field/attribute metadata");
	json_object_foreach (given, key, value) {
		if (!json_is_null(value) &&
		    (!json_is_string(value) || json_string_length(value) > 255))
			return call_fail(c, 400, "BadRequest",
					 "Invalid input for field/attribute %s", key);
		if (!strcmp(key, ZONE))
			set_zone(one, value);
		else if (json_is_null(value))
			json_object_del(metadata, key);
		else
			json_object_set(metadata, key, value);
	}
	return 0;
}

static int aggregate_action(struct call *c)
{
	static const struct {
		const char *word;
		int (*act)(struct call *c, json_t *one, const json_t *args);
	} actions[] = { { "add_host", add_host },
			{ "remove_host", remove_host },
			{ "set_metadata", set_metadata } };
	const char *word = json_object_iter_key(json_object_iter((json_t *)c->body));
	auto_of(json_decref) json_t *doc = NULL;
	json_t *one = aggregate_open(c, &doc);

	if (!one)
		return -ENOENT;
	for (size_t i = 0; word && i < ARRAY_LEN(actions); i++)
		if (!strcmp(word, actions[i].word))
			return actions[i].act(c, one, json_object_get(c->body, word))
				       ?: check(c, doc, one) ?: aggregate_write(c, doc, one);
	return call_fail(c, 400, "BadRequest", "There is no such action: %s", word ?: "");
}

const struct route aggregate_routes[] = {
	{ "GET", "/v2.1/os-aggregates", aggregates_list, RULE_ADMIN },
	{ "POST", "/v2.1/os-aggregates", aggregate_create, RULE_ADMIN },
	{ "GET", "/v2.1/os-aggregates/{}", aggregate_show, RULE_ADMIN },
	{ "PUT", "/v2.1/os-aggregates/{}", aggregate_update, RULE_ADMIN },
	{ "DELETE", "/v2.1/os-aggregates/{}", aggregate_delete, RULE_ADMIN },
	{ "POST", "/v2.1/os-aggregates/{}/action", aggregate_action, RULE_ADMIN },
	{ NULL },
};
