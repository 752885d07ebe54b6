/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subnet pools: prefixes of which subnets get theirs (allocate.c), bounds of their lengths, and how
 * much of it a project may have. Words and rules are those of Neutron 21.
 */
#include <errno.h>
#include <string.h>

#include "network/core/network.h"
#include "network/pool/pool.h"

static int valid_prefixes(struct call *c, const char *field, json_t **value)
{
	auto_of(json_decref) json_t *list = json_array();
	json_t *text;
	size_t i;

	json_array_foreach (*value, i, text) {
		json_t *one = json_incref(text);
		int rc = json_is_string(text)
				 ? valid_cidr(c, field, &one)
				 : call_fail(c, 400, "HTTPBadRequest",
					     "Invalid input for %s. Reason: a prefix is a "
					     "string.",
					     field);

		if (rc) {
			json_decref(one);
			return rc;
		}
		json_array_append_new(list, one);
	}
	if (i > IPAM_POOLS_MAX)
		return call_fail(c, 400, "HTTPBadRequest",
				 "Invalid input for %s. Reason: The list has more than %d items.",
				 field, IPAM_POOLS_MAX);
	json_decref(*value);
	*value = take(list);
	return 0;
}

static const struct rfield pool_fields[] = {
	{ "id", J_UUID, R_FILTER },
	{ "name", J_STR, R_CREATE | R_UPDATE | R_NEED | R_FILTER, .min = 1, .max = 255 },
	{ "project_id", J_STR, R_CREATE | R_FILTER | R_INDEX },
	{ "default_prefixlen", J_INT, R_CREATE | R_UPDATE | R_FILTER, .max = 128 },
	{ "min_prefixlen", J_INT, R_CREATE | R_UPDATE | R_FILTER, .max = 128 },
	{ "max_prefixlen", J_INT, R_CREATE | R_UPDATE | R_FILTER, .max = 128 },
	{ "is_default", J_BOOL, R_CREATE | R_UPDATE | R_FILTER | R_ADMIN, "false" },
	{ "shared", J_BOOL, R_CREATE | R_FILTER | R_ADMIN, "false" },
	{ "prefixes", J_LIST, R_CREATE | R_UPDATE | R_NEED, .valid = valid_prefixes },
	{ "ip_version", J_INT, R_FILTER },
	{ "default_quota", J_INT, R_CREATE | R_UPDATE | R_FILTER | R_NULL, .max = INT32_MAX },
	{ "address_scope_id", J_UUID, R_CREATE | R_UPDATE | R_FILTER | R_NULL,
	  .ref = &scope_resource },
	{ "description", J_STR, R_CREATE | R_UPDATE | R_FILTER, "\"\"", .max = 255 },
	{ NULL },
};

/**
 * pool_read() - A pool's prefixes
 * @pool: its document, or what is to be one: of one IP version
 * @out:  zeroed; to be freed with prefixes_free(), on failure as well
 *
 * Return: 0; -EINVAL: of two versions; -ENOMEM.
 */
int pool_read(const json_t *pool, struct prefixes *out)
{
	json_t *text;
	size_t i;
	int rc = 0;

	json_array_foreach (json_object_get(pool, "prefixes"), i, text) {
		struct cidr c;

		rc = rc ? rc : cidr_parse(json_string_value(text) ?: "", &c, NULL);
		if (!rc && out->n && out->all[0].first.version != c.base.version)
			rc = -EINVAL;
		rc = rc ? rc : prefixes_add(out, &c);
	}
	return rc;
}

/**
 * pool_lock() - Make sure that nobody else chooses from a pool
 * @c:    call; its transaction fails if another's was first, and the handler runs again
 * @pool: the pool
 *
 * Return: as call_put().
 */
int pool_lock(struct call *c, const json_t *pool)
{
	return call_put(c, json_object(), "/subnetpool_lock/%s", doc_str(pool, "id"));
}

/**
 * prefixes_to_json() - The prefixes of a set as text
 * @set: a set
 *
 * Return: a new list.
 */
json_t *prefixes_to_json(const struct prefixes *set)
{
	json_t *list = json_array();
	struct cidr at = { .len = 0 };
	char text[CIDR_STR_LEN];
	size_t i = 0;

	while (prefixes_next(set, &i, &at))
		json_array_append_new(list, json_string(cidr_format(&at, text)));
	return list;
}

static int out_of_bounds(struct call *c, const json_t *doc, const char *name, const char *base,
			 json_int_t limit)
{
	return call_fail(c, 400, "IllegalSubnetPoolPrefixBounds",
			 "Illegal prefix bounds: %s=%lld, %s=%lld.", name,
			 (long long)doc_int(doc, name), base, (long long)limit);
}

static void set_default(json_t *doc, const char *name, json_int_t n)
{
	if (!json_is_integer(json_object_get(doc, name)))
		json_object_set_new(doc, name, json_integer(n));
}

/* 0 <= min <= default <= max <= bits of an address */
static int check_bounds(struct call *c, json_t *doc)
{
	bool v4 = doc_int(doc, "ip_version") == 4;
	json_int_t bits = v4 ? 32 : 128, min, max, dflt;

	set_default(doc, "min_prefixlen", v4 ? 8 : 64);
	set_default(doc, "max_prefixlen", bits);
	min = doc_int(doc, "min_prefixlen");
	max = doc_int(doc, "max_prefixlen");
	set_default(doc, "default_prefixlen", min);
	dflt = doc_int(doc, "default_prefixlen");
	if (min > max)
		return out_of_bounds(c, doc, "min_prefixlen", "max_prefixlen", max);
	if (max > bits)
		return out_of_bounds(c, doc, "max_prefixlen", "ip_version_max", bits);
	if (dflt < min)
		return out_of_bounds(c, doc, "default_prefixlen", "min_prefixlen", min);
	if (dflt > max)
		return out_of_bounds(c, doc, "default_prefixlen", "max_prefixlen", max);
	return 0;
}

/* Prefixes as few as can be, and their version. On update none may go: subnets may be of it. */
static int check_prefixes(struct call *c, json_t *doc, const json_t *old)
{
	struct prefixes set = { NULL, 0 };
	int rc = pool_read(doc, &set);
	json_t *text;
	size_t i;

	if (rc == -EINVAL)
		rc = call_fail(c, 400, "PrefixVersionMismatch",
			       "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.");
	else if (!rc && !set.n)
		rc = call_fail(c, 400, "EmptySubnetPoolPrefixList",
			       "Empty subnet pool prefix list.");
	json_array_foreach (json_object_get(old, "prefixes"), i, text) {
		struct cidr c1;

		if (!rc && !cidr_parse(json_string_value(text), &c1, NULL) &&
		    !prefixes_have(&set, &c1))
			rc = call_fail(c, 400, "IllegalSubnetPoolPrefixUpdate",
				       "Illegal update to prefixes: Existing prefixes must be a "
				       "subset of the new prefixes.");
	}
	if (!rc) {
		json_object_set_new(doc, "prefixes", prefixes_to_json(&set));
		json_object_set_new(doc, "ip_version", json_integer(set.all[0].first.version));
	}
	prefixes_free(&set);
	return rc;
}

/* One pool of an IP version is where subnets come from that name none. */
static int check_default(struct call *c, const json_t *doc, const json_t *old)
{
	int rc;

	if (doc_bool(doc, "is_default") == doc_bool(old, "is_default"))
		return 0;
	if (!doc_bool(doc, "is_default"))
		return call_delete(c, "/subnetpool_default/%d", (int)doc_int(doc, "ip_version"));
	rc = call_claim(c, json_pack("{s:O}", "id", json_object_get(doc, "id")),
			"/subnetpool_default/%d", (int)doc_int(doc, "ip_version"));
	if (rc != -EEXIST)
		return rc;
	return call_fail(c, 400, "InvalidInput",
			 "Invalid input for operation: A default subnetpool for this IP family has "
			 "already been set. Only one default may exist per IP family.");
}

/* Has another pool of the scope any of these addresses? */
static int check_apart(struct call *c, const json_t *doc, const char *scope)
{
	struct cursor it = res_list(c, &pool_resource, "address_scope_id", scope);
	struct prefixes set = { NULL, 0 };
	struct cidr one;
	json_t *text;
	size_t i;
	int rc = pool_read(doc, &set);

	while (!rc && cursor_next(&it)) {
		if (doc_same(it.doc, doc, "id"))
			continue;
		json_array_foreach (json_object_get(it.doc, "prefixes"), i, text)
			if (!rc && !cidr_parse(json_string_value(text), &one, NULL) &&
			    prefixes_meet(&set, &one))
				rc = call_fail(
					c, 409, "AddressScopePrefixConflict",
					"Failed to associate address scope: subnetpools within "
					"an address scope must have unique prefixes.");
	}
	prefixes_free(&set);
	return rc;
}

/* Would a subnet of the pool be on a network with one of another scope? */
static int check_affinity(struct call *c, const json_t *pool)
{
	struct cursor mine = res_list(c, &subnet_resource, "subnetpool_id", doc_str(pool, "id"));

	while (cursor_next(&mine)) {
		struct cursor it = res_list(c, &subnet_resource, "network_id",
					    doc_str(mine.doc, "network_id"));

		while (cursor_next(&it))
			if (doc_same(it.doc, pool, "ip_version") &&
			    !doc_is(it.doc, "subnetpool_id", doc_str(pool, "id")))
				return call_fail(c, 400, "NetworkAddressScopeAffinityError",
						 "Subnets of the same address family hosted on the "
						 "same network must all participate in the same "
						 "address scope.");
	}
	return 0;
}

static int check_scope(struct call *c, const json_t *doc, const json_t *old)
{
	const json_t *scope = res_get(c, &scope_resource, doc_str(doc, "address_scope_id"));
	const json_t *had = res_get(c, &scope_resource, doc_str(old, "address_scope_id"));
	int rc;

	if (had && !caller_owns(c, doc_str(had, "project_id")))
		return call_fail(c, 400, "IllegalSubnetPoolUpdate",
				 "Illegal subnetpool update : subnetpool %s cannot be updated when "
				 "associated with shared address scope %s.",
				 doc_str(doc, "id"), doc_str(had, "id"));
	if (scope && !doc_same(doc, old, "address_scope_id") &&
	    !caller_owns(c, doc_str(scope, "project_id")))
		return call_fail(c, 400, "IllegalSubnetPoolAssociationToAddressScope",
				 "Illegal subnetpool association: subnetpool %s cannot be "
				 "associated with address scope %s.",
				 doc_str(doc, "id"), doc_str(scope, "id"));
	if (!scope || (doc_same(doc, old, "prefixes") && doc_same(doc, old, "address_scope_id")))
		return 0;
	if (!doc_same(scope, doc, "ip_version"))
		return call_fail(c, 400, "IllegalSubnetPoolIpVersionAssociationToAddressScope",
				 "Illegal subnetpool association: subnetpool %s cannot associate "
				 "with address scope %s because subnetpool ip_version is not %lld.",
				 doc_str(doc, "id"), doc_str(scope, "id"),
				 (long long)doc_int(scope, "ip_version"));
	rc = check_affinity(c, doc) ?: check_apart(c, doc, doc_str(scope, "id"));
	return rc ? rc : call_put(c, json_object(), "/scope_lock/%s", doc_str(scope, "id"));
}

static int pool_check(struct call *c, json_t *doc, const json_t *old)
{
	int rc = check_prefixes(c, doc, old) ?: check_bounds(c, doc) ?: check_scope(c, doc, old);

	return rc ?: check_default(c, doc, old) ?: pool_lock(c, doc);
}

static int pool_deleted(struct call *c, const json_t *doc)
{
	const char *id = doc_str(doc, "id");
	int rc = 0;

	if (res_count(c, &subnet_resource, "subnetpool_id", id))
		return call_fail(c, 400, "SubnetPoolDeleteError",
				 "Unable to delete subnet pool: Subnet pool has existing "
				 "allocations.");
	if (doc_bool(doc, "is_default"))
		rc = call_delete(c, "/subnetpool_default/%d", (int)doc_int(doc, "ip_version"));
	return rc ?: call_delete(c, "/subnetpool_lock/%s", id);
}

/* Lengths are text in Neutron's answers, and clients compare them with what they sent as text. */
static int pool_show(struct call *c, const json_t *doc, json_t *out)
{
	static const char *const names[] = { "default_prefixlen", "min_prefixlen",
					     "max_prefixlen" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		json_object_set_new(out, names[i],
				    json_sprintf("%lld", (long long)doc_int(doc, names[i])));
	return 0;
}

const struct resource pool_resource = {
	.one = "subnetpool",
	.many = "subnetpools",
	.label = "SubnetPool",
	.path = "/v2.0/subnetpools",
	.flags = RES_SHARED | RES_TENANT | RES_TIMES | RES_REVISION,
	.read = RULE_READ,
	.write = RULE_WRITE,
	.fields = pool_fields,
	.quota = "subnetpool",
	.quota_default = 100,
	.check = pool_check,
	.deleted = pool_deleted,
	.show = pool_show,
};

static const struct resource *const resources[] = { &scope_resource, &pool_resource, NULL };

static const struct more_fields fields[] = { { "subnet", pool_subnet_rows }, { NULL } };

static const struct extension extensions[] = {
	{ "address-scope", "Address scope", "Address scopes extension.",
	  "2015-07-26T10:00:00-00:00" },
	{ "default-subnetpools", "Default Subnetpools",
	  "Provides ability to mark and use a subnetpool as the default.",
	  "2016-02-18T18:00:00-00:00" },
	{ "subnet_allocation", "Subnet Allocation",
	  "Enables allocation of subnets from a subnet pool", "2015-03-30T10:00:00-00:00" },
	{ NULL },
};

const struct feature pool_feature = {
	.name = "subnet pools",
	.service = &network_service,
	.resources = resources,
	.extensions = extensions,
	.fields = fields,
	.hooks = pool_hooks,
};
