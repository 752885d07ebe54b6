/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compute's quotas and limits. A project's own limits stand in /quota/PROJECT,
 * one document for all services; what it lacks has the default of the table.
 */
#include <errno.h>
#include <string.h>

#include "compute/compute.h"

/* Rows 0.. are enum compute_quota; the others are kept and shown, as in Nova, but nothing uses
 * them. */
static const struct quota {
	const char *name;
	int64_t dflt;	    /* -1: no limit */
	unsigned int until; /* the last microversion that shows it; 0: all */
} quotas[] = {
	[QUOTA_INSTANCES] = { "instances", 10, 0 },
	[QUOTA_CORES] = { "cores", 20, 0 },
	[QUOTA_RAM] = { "ram", 51200, 0 },
	[QUOTA_KEYPAIRS] = { "key_pairs", 100, 0 },
	[QUOTA_METADATA] = { "metadata_items", 128, 0 },
	[QUOTA_FILES] = { "injected_files", 5, 56 },
	[QUOTA_FILE_SIZE] = { "injected_file_content_bytes", 10240, 56 },
	[QUOTA_GROUPS] = { "server_groups", 10, 0 },
	[QUOTA_MEMBERS] = { "server_group_members", 10, 0 },
	{ "fixed_ips", -1, 35 },
	{ "floating_ips", -1, 35 },
	{ "security_groups", -1, 35 },
	{ "security_group_rules", -1, 35 },
	{ "injected_file_path_bytes", 255, 56 },
};

struct usage {
	int64_t used[QUOTA_RAM + 1];
};

/* The class "default" is what all projects have that were told nothing else. */
static int64_t default_of(struct call *c, unsigned int what)
{
	const json_t *own = json_object_get(call_get(c, "/quota-class"), quotas[what].name);

	return own ? json_integer_value(own) : quotas[what].dflt;
}

/**
 * quota_limit() - How much of something a project may have
 * @c:          the call
 * @project_id: whose
 * @what:       of what
 *
 * Return: the limit, -1 for none.
 */
int64_t quota_limit(struct call *c, const char *project_id, enum compute_quota what)
{
	const json_t *own =
		json_object_get(call_get(c, "/quota/%s", project_id), quotas[what].name);

	return own ? json_integer_value(own) : default_of(c, what);
}

static void server_takes(const json_t *server, int64_t out[TALLY_SUMS])
{
	const json_t *flavor = json_object_get(server, "flavor");
	/* What a resize may go back to, it has. */
	const json_t *old = json_object_get(json_object_get(server, "before"), "flavor");

	out[QUOTA_INSTANCES] = 1;
	out[QUOTA_CORES] = MAX(doc_int(flavor, "vcpus"), doc_int(old, "vcpus"));
	out[QUOTA_RAM] = MAX(doc_int(flavor, "ram"), doc_int(old, "ram"));
}

static const struct tally servers = { "/server/*", .by = "project_id", .of = server_takes };

const struct tally *const quota_tallies[] = { &servers, NULL };

static struct usage usage_of(struct call *c, const char *project_id)
{
	const struct sums s = call_sums(c, &servers, "%s", project_id);
	struct usage u = { 0 };

	for (unsigned int i = QUOTA_INSTANCES; i <= QUOTA_RAM; i++)
		u.used[i] = s.of[i];
	return u;
}

static int check(struct call *c, const char *project, const int64_t asked[QUOTA_RAM + 1])
{
	struct usage u = usage_of(c, project);

	for (unsigned int i = 0; i <= QUOTA_RAM; i++) {
		int64_t limit = quota_limit(c, project, i);

		if (asked[i] > 0 && limit >= 0 && u.used[i] + asked[i] > limit)
			return call_fail(
				c, 403, "TooManyInstances",
				"Quota exceeded for %s: Requested %lld, but already used %lld of "
				"%lld %s",
				quotas[i].name, (long long)asked[i], (long long)u.used[i],
				(long long)limit, quotas[i].name);
	}
	return 0;
}

/**
 * quota_check_servers() - Whether the caller's project may have n more servers
 * @c:      the call
 * @flavor: theirs
 * @n:      how many
 *
 * Return: 0, or after call_fail() with 403 in Nova's words.
 */
int quota_check_servers(struct call *c, const json_t *flavor, unsigned int n)
{
	const int64_t asked[] = { [QUOTA_INSTANCES] = n,
				  [QUOTA_CORES] = doc_int(flavor, "vcpus") * n,
				  [QUOTA_RAM] = doc_int(flavor, "ram") * n };

	return check(c, c->auth->project_id, asked);
}

/**
 * quota_check_resize() - Whether a server may have another flavor
 * @c:      the call
 * @server: stored document
 * @flavor: the other
 *
 * Return: 0, or after call_fail() with 403 in Nova's words.
 */
int quota_check_resize(struct call *c, const json_t *server, const json_t *flavor)
{
	const json_t *old = json_object_get(server, "flavor");
	const int64_t more[] = { [QUOTA_CORES] = doc_int(flavor, "vcpus") - doc_int(old, "vcpus"),
				 [QUOTA_RAM] = doc_int(flavor, "ram") - doc_int(old, "ram") };

	return check(c, doc_str(server, "project_id"), more);
}

static json_t *quota_view(struct call *c, const char *project_id, bool defaults)
{
	json_t *out = json_object();

	for (size_t i = 0; i < ARRAY_LEN(quotas); i++)
		if (!quotas[i].until || compute_minor(c) <= quotas[i].until)
			json_object_set_new(out, quotas[i].name,
					    json_integer(defaults ? default_of(c, i)
								  : quota_limit(c, project_id, i)));
	return out;
}

static int refuse_foreign(struct call *c)
{
	if (caller_owns(c, c->ids[0]))
		return 0;
	return call_fail(c, 403, "Forbidden",
			 "Policy doesn't allow os_compute_api:os-quota-sets:show to be performed.");
}

static int reply_quota(struct call *c, json_t *view, bool with_id)
{
	if (with_id)
		doc_set_text(view, "id", c->ids[0]);
	return call_reply(c, 200, json_pack("{s:o}", "quota_set", view));
}

static int quota_show(struct call *c)
{
	int rc = refuse_foreign(c);

	return rc ? rc : reply_quota(c, quota_view(c, c->ids[0], false), true);
}

static int quota_defaults(struct call *c)
{
	return reply_quota(c, quota_view(c, c->ids[0], true), true);
}

static int quota_detail(struct call *c)
{
	struct usage u = usage_of(c, c->ids[0]);
	int rc = refuse_foreign(c);

	if (rc)
		return rc;
	json_t *view = quota_view(c, c->ids[0], false);
	for (size_t i = 0; i < ARRAY_LEN(quotas); i++) {
		json_t *limit = json_object_get(view, quotas[i].name);

		if (limit)
			json_object_set_new(view, quotas[i].name,
					    json_pack("{s:I,s:O,s:i}", "in_use",
						      (json_int_t)(i <= QUOTA_RAM ? u.used[i] : 0),
						      "limit", limit, "reserved", 0));
	}
	return reply_quota(c, view, true);
}

/* words.c has judged the limits, and which there are. */
static int accept_limit(struct call *c, json_t *doc, const char *key, json_t *value)
{
	for (size_t i = 0; i < ARRAY_LEN(quotas); i++)
		if (!strcmp(quotas[i].name, key))
			return json_object_set(doc, key, value) ? -ENOMEM : 0;
	if (!strcmp(key, "force"))
		return 0;
	return call_fail(c, 400, "BadRequest", "Invalid input for field/attribute %s", key);
}

static int quota_update(struct call *c)
{
	const json_t *in = compute_body(c, "quota_set"), *old;
	const char *key;
	json_t *value;
	int rc = in ? 0 : -EINVAL;

	if (rc)
		return rc;
	old = call_get(c, "/quota/%s", c->ids[0]);
	auto_of(json_decref) json_t *doc = old ? json_copy((json_t *)old) : json_object();
	json_object_foreach ((json_t *)in, key, value)
		if ((rc = accept_limit(c, doc, key, value)))
			return rc;
	rc = call_put(c, json_incref(doc), "/quota/%s", c->ids[0]);
	return rc ? rc : reply_quota(c, quota_view(c, c->ids[0], false), false);
}

static int class_reply(struct call *c, bool with_id)
{
	json_t *view = quota_view(c, "", true);

	if (with_id)
		doc_set_text(view, "id", c->ids[0]);
	return call_reply(c, 200, json_pack("{s:o}", "quota_class_set", view));
}

/* Nova takes any name, and obeys the class "default" alone. */
static int class_show(struct call *c)
{
	return class_reply(c, true);
}

static int class_update(struct call *c)
{
	const json_t *in = compute_body(c, "quota_class_set"), *old = call_get(c, "/quota-class");
	auto_of(json_decref) json_t *doc = old ? json_copy((json_t *)old) : json_object();
	const char *key;
	json_t *value;
	int rc = in ? 0 : -EINVAL;

	if (!rc && strcmp(c->ids[0], "default"))
		return call_fail(c, 400, "BadRequest", "There is no quota class but default.");
	json_object_foreach ((json_t *)in, key, value)
		rc = rc ? rc : accept_limit(c, doc, key, value);
	rc = rc ? rc : call_put(c, json_incref(doc), "/quota-class");
	return rc ? rc : class_reply(c, false);
}

/* Only this service's rows go; the other services' limits stay. */
static int quota_delete(struct call *c)
{
	const json_t *old = call_get(c, "/quota/%s", c->ids[0]);
	int rc = 0;

	if (old) {
		json_t *doc = json_copy((json_t *)old);
		for (size_t i = 0; i < ARRAY_LEN(quotas); i++)
			json_object_del(doc, quotas[i].name);
		rc = call_put(c, doc, "/quota/%s", c->ids[0]);
	}
	return rc ? rc : call_reply(c, 202, NULL);
}

/* What GET /limits shows, and until which microversion. */
static const struct {
	const char *name;
	enum { LIMIT, USED, ZERO } kind;
	const char *quota;
	unsigned int until;
} limits[] = {
	{ "maxTotalInstances", LIMIT, "instances", 0 },
	{ "maxTotalCores", LIMIT, "cores", 0 },
	{ "maxTotalRAMSize", LIMIT, "ram", 0 },
	{ "maxServerMeta", LIMIT, "metadata_items", 0 },
	{ "maxImageMeta", LIMIT, "metadata_items", 38 },
	{ "maxPersonality", LIMIT, "injected_files", 56 },
	{ "maxPersonalitySize", LIMIT, "injected_file_content_bytes", 56 },
	{ "maxTotalKeypairs", LIMIT, "key_pairs", 0 },
	{ "maxServerGroups", LIMIT, "server_groups", 0 },
	{ "maxServerGroupMembers", LIMIT, "server_group_members", 0 },
	{ "maxTotalFloatingIps", LIMIT, "floating_ips", 35 },
	{ "maxSecurityGroups", LIMIT, "security_groups", 35 },
	{ "maxSecurityGroupRules", LIMIT, "security_group_rules", 35 },
	{ "totalRAMUsed", USED, "ram", 0 },
	{ "totalCoresUsed", USED, "cores", 0 },
	{ "totalInstancesUsed", USED, "instances", 0 },
	{ "totalFloatingIpsUsed", ZERO, NULL, 35 },
	{ "totalSecurityGroupsUsed", ZERO, NULL, 35 },
	{ "totalServerGroupsUsed", ZERO, NULL, 0 },
};

static size_t row_of(const char *quota)
{
	size_t i = 0;

	while (strcmp(quotas[i].name, quota))
		i++;
	return i;
}

static int limits_show(struct call *c)
{
	const char *asked = caller_is_admin(c) ? call_arg(c, "tenant_id") : NULL;
	const char *project = asked ? asked : c->auth->project_id;
	struct usage u = usage_of(c, project);
	json_t *out = json_object();

	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		int64_t value = 0;

		if (limits[i].until && compute_minor(c) > limits[i].until)
			continue;
		if (limits[i].kind == LIMIT)
			value = quota_limit(c, project, row_of(limits[i].quota));
		else if (limits[i].kind == USED)
			value = u.used[row_of(limits[i].quota)];
		json_object_set_new(out, limits[i].name, json_integer(value));
	}
	return call_reply(c, 200, json_pack("{s:{s:[],s:o}}", "limits", "rate", "absolute", out));
}

const struct route quota_routes[] = {
	{ "GET", "/v2.1/os-quota-class-sets/{}", class_show, RULE_ADMIN },
	{ "PUT", "/v2.1/os-quota-class-sets/{}", class_update, RULE_ADMIN },
	{ "GET", "/v2.1/limits", limits_show, RULE_READ },
	{ "GET", "/v2.1/os-quota-sets/{}", quota_show, RULE_READ },
	{ "GET", "/v2.1/os-quota-sets/{}/defaults", quota_defaults, RULE_READ },
	{ "GET", "/v2.1/os-quota-sets/{}/detail", quota_detail, RULE_READ },
	{ "PUT", "/v2.1/os-quota-sets/{}", quota_update, RULE_ADMIN },
	{ "DELETE", "/v2.1/os-quota-sets/{}", quota_delete, RULE_ADMIN },
	{ NULL },
};
