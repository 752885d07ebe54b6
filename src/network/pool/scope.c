/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address scopes: within one no two subnet pools share an address. What is chosen among several
 * documents is guarded by a lock, a key that each who chooses writes: /scope_lock/SCOPE.
 */
#include "network/core/network.h"
#include "network/pool/pool.h"

static int valid_version(struct call *c, const char *field, json_t **value)
{
	json_int_t v = json_integer_value(*value);

	if (v == 4 || v == 6)
		return 0;
	return call_fail(c, 400, "HTTPBadRequest",
			 "Invalid input for %s. Reason: %lld is not in [4, 6].", field, v);
}

static const struct rfield scope_fields[] = {
	{ "id", J_UUID, R_FILTER },
	{ "name", J_STR, R_CREATE | R_UPDATE | R_FILTER, "\"\"", .max = 255 },
	{ "project_id", J_STR, R_CREATE | R_FILTER | R_INDEX },
	{ "ip_version", J_INT, R_CREATE | R_NEED | R_FILTER, .valid = valid_version },
	{ "shared", J_BOOL, R_CREATE | R_UPDATE | R_FILTER | R_ADMIN, "false" },
	{ NULL },
};

static int scope_check(struct call *c, json_t *doc, const json_t *old)
{
	if (!doc_bool(old, "shared") || doc_bool(doc, "shared"))
		return 0;
	return call_fail(c, 400, "AddressScopeUpdateError",
			 "Unable to update address scope %s : Shared address scope can't be "
			 "unshared.",
			 doc_str(doc, "id"));
}

static int scope_created(struct call *c, const json_t *doc)
{
	return call_put(c, json_object(), "/scope_lock/%s", doc_str(doc, "id"));
}

static int scope_deleted(struct call *c, const json_t *doc)
{
	const char *id = doc_str(doc, "id");

	if (!res_count(c, &pool_resource, "address_scope_id", id))
		return call_delete(c, "/scope_lock/%s", id);
	return call_fail(c, 409, "AddressScopeInUse",
			 "Unable to complete operation on address scope %s. There are one or more "
			 "subnet pools in use on the address scope.",
			 id);
}

const struct resource scope_resource = {
	.one = "address_scope",
	.many = "address_scopes",
	.label = "AddressScope",
	.path = "/v2.0/address-scopes",
	.flags = RES_SHARED | RES_TENANT,
	.read = RULE_READ,
	.write = RULE_WRITE,
	.fields = scope_fields,
	.quota = "address_scope",
	.quota_default = 100,
	.check = scope_check,
	.created = scope_created,
	.deleted = scope_deleted,
};
