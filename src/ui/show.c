/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a caller sees, as items: each is a document as the API shows it to this caller, under the
 * document's key. Resources are found by their names, so one that is not in this API has no items.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hosts/agents.h"
#include "hosts/usage.h"
#include "ui/ui.h"

/* Shown for their own sake. The documents of a host's wishes have the same names. */
static const char *const shown[] = { "port", "server", "tap_flow", "tap_mirror" };

static const struct resource *resource_of(const struct call *c, const char *one)
{
	struct resource_it it = { c->opts->features };
	const struct resource *r = resource_next(&it);

	while (r && strcmp(r->one, one))
		r = resource_next(&it);
	return r;
}

static const struct resource *shown_as(const struct call *c, const char *one, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(shown); i++)
		if (strlen(shown[i]) == len && !strncmp(shown[i], one, len))
			return resource_of(c, shown[i]);
	return NULL;
}

/* What changed more than once is told once. */
static bool is_told(const struct view *v, const char *kind, const char *id)
{
	char key[2 * STORE_KEY_LEN];

	snprintf(key, sizeof(key), "%s/%s", kind, id);
	return json_object_get(v->items, key);
}

/* Takes value. */
static int tell(struct view *v, const char *kind, const char *id, json_t *value)
{
	char key[STORE_KEY_LEN + 1];

	snprintf(key, sizeof(key), "%s/%s", kind, id);
	return value ? json_object_set_new(v->items, key, value) : -ENOMEM;
}

/* Where its VF is, which admins alone are told. */
static void add_vf(const json_t *wish, json_t *out)
{
	static const char *const words[] = { "pf",    "vf",  "vlan",	  "trunk",   "spoofchk",
					     "trust", "mtu", "vnic_type", "released" };
	json_t *at = wish ? json_object() : NULL;

	for (size_t i = 0; at && i < ARRAY_LEN(words); i++)
		json_object_set(at, words[i], json_object_get(wish, words[i]));
	if (at)
		json_object_set_new(out, "vf", at);
}

/* What an item has of another document that its own names, if the caller sees that, too. */
static const struct {
	const char *of, *named_by, *one, *member, *as;
} joins[] = {
	{ "port", "network_id", "network", "name", "network" },
	{ "tap_flow", "tap_service_id", "tap_service", "port_id", "port_id" },
};

static void add_joins(struct call *c, const struct resource *r, const json_t *doc, json_t *out)
{
	for (size_t i = 0; i < ARRAY_LEN(joins); i++) {
		const struct resource *other = resource_of(c, joins[i].one);
		const json_t *there;

		if (strcmp(joins[i].of, r->one) || !other)
			continue;
		there = res_seen(c, other, doc_str(doc, joins[i].named_by));
		if (there)
			json_object_set(out, joins[i].as, json_object_get(there, joins[i].member));
	}
}

static int tell_one(struct call *c, struct view *v, const struct resource *r, const char *id)
{
	const json_t *wish = v->host ? wish_get(c, v->host, r->one, id) : NULL;
	const json_t *doc = res_seen(c, r, id);
	bool own = doc && caller_is_in(c, doc_str(doc, "project_id"));
	json_t *out;

	if (v->host ? !wish : !own)
		return v->host ? tell(v, r->one, id, json_null()) : 0;
	out = doc ? res_show(c, r, doc) : json_pack("{s:s}", "id", id);
	if (out && doc)
		add_joins(c, r, doc, out);
	if (out && !strcmp(r->one, "port"))
		add_vf(wish, out);
	return tell(v, r->one, id, out);
}

/* A host's PFs as its agent told them, and how many of their VFs are not free. */
static json_t *pfs_of(struct call *c, const char *host, const json_t *agent)
{
	static const char *const words[] = { "name",   "kind", "driver", "physical_networks",
					     "numvfs", "busy" };
	struct place_pf pfs[PLACE_MAX_PFS];
	unsigned int n = usage_pfs(c, host, pfs, PLACE_MAX_PFS);
	json_t *list = json_array();

	for (unsigned int i = 0; list && i < n; i++) {
		const json_t *told = json_array_get(json_object_get(agent, "pfs"), i);
		json_t *pf = json_object();

		for (size_t w = 0; w < ARRAY_LEN(words); w++)
			if (json_object_get(told, words[w]))
				json_object_set(pf, words[w], json_object_get(told, words[w]));
		json_object_set_new(pf, "used",
				    json_integer(pfs[i].numvfs - place_pf_free(&pfs[i])));
		json_array_append_new(list, pf);
	}
	return list;
}

static int tell_host(struct call *c, struct view *v, const char *host)
{
	const json_t *agent = call_get(c, "/agent/%s", host), *said = host_settings(c, host);
	const struct host_usage used = host_usage(c, host);

	if (!agent)
		return tell(v, "host", host, json_null());
	return tell(v, "host", host,
		    json_pack("{s:s,s:b,s:b,s:s,s:b,s:I,s:i,s:I,s:i,s:i,s:o}", "host", host,
			      "alive", doc_bool(agent, "alive"), "disabled",
			      doc_bool(said, "disabled"), "reason",
			      doc_str(said, "disabled_reason"), "forced_down",
			      doc_bool(said, "forced_down"), "vcpus",
			      (json_int_t)doc_int(agent, "vcpus"), "vcpus_used", (int)used.vcpus,
			      "memory_mb", (json_int_t)doc_int(agent, "memory_mb"),
			      "memory_used_mb", (int)used.memory_mb, "servers", (int)used.servers,
			      "pfs", pfs_of(c, host, agent)));
}

static int tell_rates(struct call *c, struct view *v, const char *host)
{
	const json_t *rates = call_get(c, "/rates/%s", host);

	return tell(v, "rates", host, rates ? json_incref((json_t *)rates) : json_null());
}

/* Documents of a part of all: hosts, or what of a resource is the host's, or the project's. */
static struct cursor part_of(struct call *c, const struct view *v, const struct resource *r)
{
	struct cursor it = !r	     ? call_list(c, "/agent/")
			   : v->host ? call_list(c, "/host/%s/%s/", v->host, r->one)
				     : res_list(c, r, "project_id", c->auth->project_id);

	if (*v->at) {
		snprintf(it.key, sizeof(it.key), "%s", v->at);
		it.past = true;
	}
	return it;
}

/* Return: 1 when it is told; 0: there is more; or a negative errno. */
static int tell_part(struct call *c, struct view *v, const struct resource *r)
{
	struct cursor it = part_of(c, v, r);
	bool by_key = !r || v->host;
	int rc = 0;

	do {
		const char *id = it.key + it.prefix_len;

		if (v->n >= VIEW_MAX || !(by_key ? cursor_step(&it) : cursor_next(&it))) {
			v->cut |= v->n >= VIEW_MAX;
			return 1;
		}
		v->n++;
		rc = r ? tell_one(c, v, r, by_key ? id : doc_str(it.doc, "id"))
		       : tell_host(c, v, id);
	} while (!rc && call_spent_us(c) <= CALL_TURN_US);
	snprintf(v->at, sizeof(v->at), "%s", it.key);
	return rc;
}

/*
 * One is gone, and it cannot be told any more whose it was: which of them there are, so that nobody
 * hears of others'.
 */
static int tell_left(struct call *c, struct view *v, const struct resource *r)
{
	struct cursor it = res_list(c, r, "project_id", c->auth->project_id);
	json_t *ids;

	if (is_told(v, r->one, ""))
		return 0;
	ids = json_array();
	for (unsigned int n = 0; ids && n < VIEW_MAX && cursor_next(&it); n++)
		json_array_append(ids, json_object_get(it.doc, "id"));
	return tell(v, r->one, "", ids);
}

/**
 * view_all() - Tell all that the caller sees, in turns
 * @c: call
 * @v: view; its items get it, and it is given again for the next turn
 *
 * Return: 0; CALL_WAIT when there is more; or a negative errno.
 */
int view_all(struct call *c, struct view *v)
{
	for (; v->part <= ARRAY_LEN(shown); v->part++) {
		const struct resource *r = v->part ? resource_of(c, shown[v->part - 1]) : NULL;
		int rc = v->part ? !r : !v->hosts;

		rc = rc ?: tell_part(c, v, r);
		if (rc <= 0)
			return rc ?: CALL_WAIT;
		v->n = 0;
		v->at[0] = '\0';
	}
	return v->host ? tell_rates(c, v, v->host) : 0;
}

/* "/HEAD/NAME[/...]": the name, if the key begins so. */
static bool name_in(const char *key, const char *head, char name[STORE_KEY_LEN + 1])
{
	size_t len = strlen(head);

	if (strncmp(key, head, len))
		return false;
	snprintf(name, STORE_KEY_LEN + 1, "%.*s", (int)strcspn(key + len, "/"), key + len);
	return *name;
}

/* A network has another name, or other owners: its ports say so. */
static int tell_ports_of(struct call *c, struct view *v, const char *network)
{
	const struct resource *r = resource_of(c, "port");
	struct cursor it;
	int rc = 0;

	if (!r)
		return 0;
	it = part_of(c, v, r);
	while (!rc && cursor_seek(&it, network))
		rc = tell_one(c, v, r, doc_str(it.doc, "id"));
	return rc;
}

static int host_changed(struct call *c, struct view *v, const char *key)
{
	static const char *const heads[] = { "/agent/", "/agent_set/", "/vf/", "/host/" };
	char name[STORE_KEY_LEN + 1];
	size_t i = 0;

	while (i < ARRAY_LEN(heads) && !name_in(key, heads[i], name))
		i++;
	if (!v->hosts || i == ARRAY_LEN(heads) || (i == 3 && !strstr(key, "/server/")) ||
	    is_told(v, "host", name))
		return 0;
	return tell_host(c, v, name);
}

/**
 * view_changed() - Tell what is another, as a document is
 * @c:	 call
 * @v:	 view; its items get it, if the caller sees it, or might have
 * @key: the document's
 *
 * Return: 0 or a negative errno.
 */
int view_changed(struct call *c, struct view *v, const char *key)
{
	char prefix[STORE_KEY_LEN + 1], name[STORE_KEY_LEN + 1];
	size_t len = (size_t)snprintf(prefix, sizeof(prefix), "/host/%s/", v->host ?: "");
	bool wish = v->host && !strncmp(key, prefix, len);
	const char *kind = wish ? key + len : key + 1, *id = strchr(kind, '/');
	const struct resource *r = id ? shown_as(c, kind, (size_t)(id - kind)) : NULL;
	int rc = host_changed(c, v, key);

	if (rc)
		return rc;
	if (v->host && name_in(key, "/rates/", name) && !strcmp(name, v->host))
		return tell_rates(c, v, name);
	if (name_in(key, "/network/", name))
		return tell_ports_of(c, v, name);
	if (!r || is_told(v, r->one, id + 1) ||
	    (v->host && !wish && !wish_get(c, v->host, r->one, id + 1)))
		return 0;
	return v->host || res_get(c, r, id + 1) ? tell_one(c, v, r, id + 1) : tell_left(c, v, r);
}
