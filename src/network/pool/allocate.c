/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subnets from pools: which pool, which prefix of it, and which subnets may be on one network. Done
 * before the subnet is judged, which then has a prefix as any.
 */
#include <errno.h>
#include <string.h>

#include "network/core/network.h"
#include "network/pool/pool.h"

const struct rfield pool_subnet_rows[] = {
	{ "subnetpool_id", J_UUID, R_CREATE | R_FILTER | R_NULL, .ref = &pool_resource },
	{ "prefixlen", J_INT, R_CREATE | R_VIRTUAL | R_SECRET, .max = 128 },
	{ "use_default_subnetpool", J_BOOL, R_CREATE | R_VIRTUAL | R_SECRET },
	{ NULL },
};

static int bad_request(struct call *c, const char *why)
{
	return call_fail(c, 400, "BadRequest", "Bad subnets request: %s.", why);
}

/* The pool that the subnet is to come from; NULL: none, it names its prefix itself. */
static int find_pool(struct call *c, json_t *doc, bool dflt, const json_t **out)
{
	const char *id = doc_text(doc, "subnetpool_id");
	long long version = (long long)doc_int(doc, "ip_version");

	if (dflt && id)
		return bad_request(c, "subnetpool_id and use_default_subnetpool cannot both be "
				      "specified");
	if (dflt)
		id = doc_text(call_get(c, "/subnetpool_default/%lld", version), "id");
	if (dflt && !res_seen(c, &pool_resource, id))
		return call_fail(c, 400, "BadRequest",
				 "Bad subnets request: No default subnetpool found for IPv%lld.",
				 version);
	*out = id ? res_find(c, &pool_resource, id) : NULL;
	if (id && !*out)
		return -ENOENT;
	doc_set_text(doc, "subnetpool_id", id);
	return 0;
}

/* How many addresses, or /64 of IPv6, a prefix is. */
static double units(const json_t *pool, unsigned int len)
{
	unsigned int unit = doc_int(pool, "ip_version") == 4 ? 32 : 64;

	return len <= unit ? (double)((u128)1 << (unit - len))
			   : 1.0 / (double)((u128)1 << (len - unit));
}

/* What is free of a pool, and how much of it the project has. */
static int read_pool(struct call *c, const json_t *pool, const char *project, struct prefixes *rest,
		     double *used)
{
	struct cursor it = res_list(c, &subnet_resource, "subnetpool_id", doc_str(pool, "id"));
	int rc = pool_read(pool, rest);

	while (!rc && cursor_next(&it)) {
		struct cidr one;

		if (cidr_parse(doc_str(it.doc, "cidr"), &one, NULL))
			continue;
		if (doc_is(it.doc, "project_id", project))
			*used += units(pool, one.len);
		rc = prefixes_take(rest, &one);
	}
	return rc;
}

static int check_length(struct call *c, const json_t *pool, long long len)
{
	long long min = (long long)doc_int(pool, "min_prefixlen");
	long long max = (long long)doc_int(pool, "max_prefixlen");

	if (len > max)
		return call_fail(c, 400, "MaxPrefixSubnetAllocationError",
				 "Unable to allocate subnet with prefix length %lld, maximum "
				 "allowed prefix is %lld.",
				 len, max);
	if (len >= min)
		return 0;
	return call_fail(c, 400, "MinPrefixSubnetAllocationError",
			 "Unable to allocate subnet with prefix length %lld, minimum allowed "
			 "prefix is %lld.",
			 len, min);
}

/* The prefix asked for, if it is free, or one of the length asked for. */
static int choose(struct call *c, const struct prefixes *rest, struct cidr *one)
{
	if (one->base.version)
		return prefixes_have(rest, one)
			       ? 0
			       : call_fail(c, 409, "SubnetAllocationError",
					   "Failed to allocate subnet: Cannot allocate requested "
					   "subnet from the available set of prefixes.");
	if (!prefixes_pick(rest, one->len, one))
		return 0;
	return call_fail(c, 409, "SubnetAllocationError",
			 "Failed to allocate subnet: Insufficient prefix space to allocate subnet "
			 "size /%u.",
			 one->len);
}

static int check_quota(struct call *c, const json_t *pool, double used, unsigned int len)
{
	double quota = (double)doc_int(pool, "default_quota");

	if (!quota || used + units(pool, len) <= quota)
		return 0;
	return call_fail(c, 409, "SubnetPoolQuotaExceeded",
			 "Per-tenant subnet pool prefix quota exceeded.");
}

/* Gives the subnet its prefix. one: what it names; version 0: only a length. */
static int allocate(struct call *c, json_t *doc, const json_t *pool, struct cidr one)
{
	struct prefixes rest = { NULL, 0 };
	char text[CIDR_STR_LEN];
	double used = 0;
	int rc = check_length(c, pool, one.len)
			 ?: read_pool(c, pool, doc_str(doc, "project_id"), &rest, &used);

	rc = rc ?: check_quota(c, pool, used, one.len) ?: choose(c, &rest, &one);
	prefixes_free(&rest);
	if (rc)
		return rc;
	json_object_set_new(doc, "cidr", json_string(cidr_format(&one, text)));
	return pool_lock(c, pool);
}

/* The scope of the pools that a network's subnets of a version come from; "": of none. */
static const char *scope_of(struct call *c, const char *network, json_int_t version)
{
	struct cursor it = res_list(c, &subnet_resource, "network_id", network);

	while (cursor_next(&it)) {
		const json_t *pool = res_get(c, &pool_resource, doc_str(it.doc, "subnetpool_id"));

		if (doc_int(it.doc, "ip_version") == version && doc_text(pool, "address_scope_id"))
			return doc_text(pool, "address_scope_id");
	}
	return "";
}

/* Subnets of a network are of one scope; without one, of one pool, or all of none. */
static int check_affinity(struct call *c, const json_t *doc, const json_t *pool)
{
	const char *network = doc_str(doc, "network_id");
	const char *scope = scope_of(c, network, doc_int(doc, "ip_version"));
	struct cursor it = res_list(c, &subnet_resource, "network_id", network);

	if (*scope && !doc_is(pool, "address_scope_id", scope))
		return call_fail(c, 400, "NetworkAddressScopeAffinityError",
				 "Subnets of the same address family hosted on the same network "
				 "must all participate in the same address scope.");
	while (!*scope && cursor_next(&it))
		if (doc_same(it.doc, doc, "ip_version") &&
		    !doc_is(it.doc, "subnetpool_id", doc_str(pool, "id")))
			return call_fail(c, 400, "NetworkSubnetPoolAffinityError",
					 "Subnets hosted on the same network must be allocated "
					 "from the same subnet pool.");
	return 0;
}

/* What the subnet wants of the pool, as a prefix or as a length. */
static int read_wish(struct call *c, const json_t *doc, const json_t *pool, const json_t *len,
		     struct cidr *one)
{
	const char *cidr = doc_text(doc, "cidr");

	if (!doc_same(doc, pool, "ip_version"))
		return call_fail(c, 400, "BadRequest",
				 "Bad subnets request: Cannot allocate IPv%lld subnet from IPv%lld "
				 "subnet pool.",
				 (long long)doc_int(doc, "ip_version"),
				 (long long)doc_int(pool, "ip_version"));
	if (!cidr && json_is_array(json_object_get(doc, "allocation_pools")))
		return bad_request(c,
				   "allocation_pools allowed only for specific subnet requests.");
	if (cidr)
		return cidr_parse(cidr, one, NULL);
	one->len = (uint8_t)(len ? json_integer_value(len) : doc_int(pool, "default_prefixlen"));
	return 0;
}

static int subnet_prepare(struct call *c, json_t *doc, const json_t *old)
{
	auto_of(json_decref) json_t *len = json_incref(json_object_get(doc, "prefixlen"));
	bool dflt = doc_bool(doc, "use_default_subnetpool");
	struct cidr one = { .len = 0 };
	const json_t *pool = NULL;
	int rc;

	if (old)
		return 0;
	json_object_del(doc, "prefixlen");
	json_object_del(doc, "use_default_subnetpool");
	if (len && doc_text(doc, "cidr"))
		return bad_request(c, "cidr and prefixlen must not be supplied together");
	rc = find_pool(c, doc, dflt, &pool) ?: check_affinity(c, doc, pool);
	if (rc || !pool)
		return rc;
	return read_wish(c, doc, pool, len, &one) ?: allocate(c, doc, pool, one);
}

static int network_show(struct call *c, const json_t *doc, json_t *out)
{
	const char *v4 = scope_of(c, doc_str(doc, "id"), 4),
		   *v6 = scope_of(c, doc_str(doc, "id"), 6);

	doc_set_text(out, "ipv4_address_scope", *v4 ? v4 : NULL);
	doc_set_text(out, "ipv6_address_scope", *v6 ? v6 : NULL);
	return 0;
}

const struct hook pool_hooks[] = {
	{ &subnet_resource, .prepare = subnet_prepare },
	{ &network_resource, .show = network_show },
	{ NULL },
};
