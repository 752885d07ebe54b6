/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server groups: servers that shall share a host, or shall not. A server is in the group that its
 * boot's hint named; its document says which. Policies are held at boot, where placement chooses.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compute/boot.h"

#define ONE_POLICY_MINOR 64 /* from it on `policy` and `rules`, before `policies` and `metadata` */
#define SOFT_MINOR	 15

static const struct rfield group_fields[] = {
	{ "id", J_UUID },
	{ "name", J_STR, R_CREATE | R_NEED, .min = 1, .max = 255 },
	{ "policies", J_LIST, R_CREATE | R_VIRTUAL },
	{ "policy", J_STR, R_CREATE,
	  .names = (const char *const[]){ "affinity", "anti-affinity", "soft-affinity",
					  "soft-anti-affinity", NULL } },
	{ "rules", J_OBJ, R_CREATE, "{}" },
	{ "members", J_LIST, R_VIRTUAL },
	{ "project_id", J_STR, R_INDEX },
	{ "user_id", J_STR, 0 },
	{ NULL },
};

static int wrong(struct call *c, const char *field)
{
	return call_fail(c, 400, "BadRequest", "Invalid input for field/attribute %s", field);
}

/* The one policy of `policies`, taken out of the document. */
static int take_policies(struct call *c, json_t *doc)
{
	const json_t *policies = json_object_get(doc, "policies");
	const char *only = json_string_value(json_array_get(policies, 0));
	bool soft = only && !strncmp(only, "soft-", 5);

	if (json_array_size(policies) != 1 || !only ||
	    (strcmp(only + 5 * soft, "affinity") && strcmp(only + 5 * soft, "anti-affinity")) ||
	    (soft && compute_minor(c) < SOFT_MINOR))
		return wrong(c, "policies");
	doc_set_text(doc, "policy", only);
	json_object_del(doc, "policies");
	return 0;
}

/* {"max_server_per_host": N}, of anti-affinity alone. */
static int check_rules(struct call *c, const json_t *doc)
{
	const json_t *rules = json_object_get(doc, "rules");
	int64_t most = doc_int(rules, "max_server_per_host");

	if (!json_object_size(rules) ||
	    (json_object_size(rules) == 1 && most > 0 && doc_is(doc, "policy", "anti-affinity")))
		return 0;
	return wrong(c, "rules");
}

static int group_check(struct call *c, json_t *doc, const json_t *old)
{
	const char *project = doc_str(doc, "project_id");
	int64_t limit = quota_limit(c, project, QUOTA_GROUPS);
	bool many = json_object_get(doc, "policies") != NULL;

	if (many == (compute_minor(c) >= ONE_POLICY_MINOR) ||
	    (many && (doc_text(doc, "policy") || json_object_size(json_object_get(doc, "rules")))))
		return wrong(c, many ? "policies" : "policies: one is needed");
	if (limit >= 0 &&
	    res_count(c, &server_group_resource, "project_id", project) >= (uint64_t)limit)
		return call_fail(c, 403, "QuotaError", "Quota exceeded, too many server groups.");
	doc_set_text(doc, "user_id", c->auth->user_id);
	if (many)
		return take_policies(c, doc);
	if (!doc_text(doc, "policy"))
		return wrong(c, "policy");
	return check_rules(c, doc);
}

static int group_show(struct call *c, const json_t *doc, json_t *out)
{
	struct cursor it = res_list(c, &server_resource, "group", doc_str(doc, "id"));
	json_t *members = json_array();

	while (cursor_next(&it))
		json_array_append(members, json_object_get(it.doc, "id"));
	json_object_set_new(out, "members", members);
	if (compute_minor(c) < ONE_POLICY_MINOR) {
		json_object_set_new(out, "policies",
				    json_pack("[O]", json_object_get(doc, "policy")));
		json_object_set_new(out, "metadata", json_object());
		json_object_del(out, "policy");
		json_object_del(out, "rules");
	}
	if (compute_minor(c) < 13) {
		json_object_del(out, "project_id");
		json_object_del(out, "user_id");
	}
	return 0;
}

static bool group_listed(const struct call *c, const json_t *doc)
{
	return caller_is_in(c, doc_str(doc, "project_id")) || call_arg(c, "all_projects");
}

const struct resource server_group_resource = {
	.one = "server_group",
	.many = "server_groups",
	.label = "InstanceGroup",
	.path = "/v2.1/os-server-groups",
	.flags = RES_OK_ON_CREATE | RES_NO_UPDATE,
	.read = RULE_READ,
	.write = RULE_WRITE,
	.fields = group_fields,
	.check = group_check,
	.show = group_show,
	.listed = group_listed,
};

/* A hint may be one text or a list of them. */
static int hint_hosts(struct call *c, const json_t *hint, json_t *hosts)
{
	auto_of(json_decref) json_t *list =
		json_is_array(hint) ? json_incref((json_t *)hint)
				    : json_pack("[O*]", json_is_null(hint) ? NULL : hint);
	const json_t *id;
	size_t i;

	json_array_foreach (list, i, id) {
		const json_t *server = res_seen(c, &server_resource, json_string_value(id));

		if (!server)
			return wrong(c, "os:scheduler_hints: no such server");
		if (doc_text(server, "host"))
			json_object_set_new(hosts, doc_text(server, "host"), json_true());
	}
	return 0;
}

/* Which hosts the group's policy allows, or does not. */
static void apply_policy(struct call *c, const json_t *group, struct boot *b)
{
	struct cursor it = res_list(c, &server_resource, "group", doc_str(group, "id"));
	int64_t most = doc_int(json_object_get(group, "rules"), "max_server_per_host");
	const char *policy = doc_str(group, "policy");
	auto_of(json_decref) json_t *counts = json_object();
	const char *host;
	json_t *n;

	b->soft = !strncmp(policy, "soft-", 5);
	while (cursor_next(&it))
		if (doc_text(it.doc, "host"))
			json_object_set_new(
				counts, doc_text(it.doc, "host"),
				json_integer(doc_int(counts, doc_text(it.doc, "host")) + 1));
	json_object_foreach (counts, host, n)
		if (!strcmp(policy + 5 * b->soft, "affinity"))
			json_object_set_new(b->kin, host, json_true());
		else if (json_integer_value(n) >= MAX(most, 1))
			json_object_set_new(b->apart, host, json_true());
}

/**
 * hints_drop() - Forget what group_hints() has set
 * @b: the boot
 */
void hints_drop(struct boot *b)
{
	json_decref(take(b->same));
	json_decref(take(b->different));
	json_decref(take(b->kin));
	json_decref(take(b->apart));
}

/* Hints that filters of Nova's read, which there are not: a promise that is not kept. */
static int refuse_hints(struct call *c, const json_t *hints)
{
	static const char *const unserved[] = { "query", "target_cell", "different_cell",
						"build_near_host_ip", "cidr" };

	for (size_t i = 0; i < ARRAY_LEN(unserved); i++)
		if (json_object_get(hints, unserved[i]))
			return call_fail(c, 400, "BadRequest",
					 "The scheduler hint %s is not served here.", unserved[i]);
	return 0;
}

/**
 * group_hints() - Read os:scheduler_hints: group, same_host, different_host
 * @c: the call
 * @b: the boot: group, same, different, kin, apart and soft are set, for hints_drop(); read anew
 *     for each server of it
 *
 * The group is written, too, so that two boots into it are judged one after the other.
 *
 * Return: 0, or after call_fail() with 400.
 */
int group_hints(struct call *c, struct boot *b)
{
	const json_t *hints = json_object_get(c->body, "os:scheduler_hints"), *name, *same, *group;
	int rc;

	hints = hints ? hints : json_object_get(c->body, "OS-SCH-HNT:scheduler_hints");
	name = json_object_get(hints, "group");
	same = json_object_get(hints, "same_host");
	hints_drop(b);
	b->same = same && !json_is_null(same) ? json_object() : NULL;
	b->different = json_object();
	b->kin = json_object();
	b->apart = json_object();
	rc = refuse_hints(c, hints)
		     ?: hint_hosts(c, same, b->same)
		     ?: hint_hosts(c, json_object_get(hints, "different_host"), b->different);
	if (rc || !name)
		return rc;
	group = res_seen(c, &server_group_resource, json_string_value(name));
	if (!group || !caller_is_in(c, doc_str(group, "project_id")))
		return call_fail(c, 400, "BadRequest", "Instance group %s could not be found.",
				 json_is_string(name) ? json_string_value(name) : "");
	if (res_count(c, &server_resource, "group", doc_str(group, "id")) >=
	    (uint64_t)quota_limit(c, c->auth->project_id, QUOTA_MEMBERS))
		return call_fail(c, 403, "QuotaError", "Quota exceeded, too many servers in group");
	apply_policy(c, group, b);
	/* By text, as the document is replaced. */
	snprintf(b->group, sizeof(b->group), "%s", doc_str(group, "id"));
	return res_put(c, &server_group_resource, json_copy((json_t *)group));
}
