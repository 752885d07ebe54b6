/* SPDX-License-Identifier: Apache-2.0 */
/* What a daemon has, in the form of a host's file (host.h), and how a file is laid beside it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/uuid.h"
#include "ctl/host.h"

#define HW_SAID                                                                                    \
	(1U << PF_FIELD_MAC | 1U << PF_FIELD_MTU | 1U << PF_FIELD_UP | 1U << PF_FIELD_NUMVFS)

static int no_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "out of memory");
}

/* A VF that is leased goes to @leased as well, with the port. */
static int vf_get(const struct pf_ops *ops, void *ctx, const char *pf, unsigned int vf, json_t *vfs,
		  json_t *leased, struct err *e)
{
	auto_of(json_decref) json_t *form = NULL;
	struct vf_info info;
	char key[12];
	int rc = ops->vf_get(ctx, pf, vf, &info, e);

	if (rc)
		return rc;
	if (ops->batch)
		ops->batch->attach_plain(ctx, pf, vf, &info.attach);
	form = host_vf_form(&info.config, &info.attach);
	snprintf(key, sizeof(key), "%u", vf);
	if (!form || (json_object_size(form) && json_object_set(vfs, key, form)) ||
	    (*info.config.port_id &&
	     json_object_set_new(leased, key, json_string(info.config.port_id))))
		return no_memory(e);
	return 0;
}

static int pf_get(const struct pf_ops *ops, void *ctx, const char *name, json_t *pfs,
		  json_t *leased, json_t *unasked, struct err *e)
{
	auto_of(json_decref) json_t *vfs = json_object(), *ports = json_object(), *form = NULL;
	struct pf_info info;
	int rc = ops->pf_get(ctx, name, &info, e);

	for (unsigned int i = 0; !rc && i < info.config.numvfs; i++)
		rc = vf_get(ops, ctx, name, i, vfs, ports, e);
	if (rc)
		return rc;
	form = host_pf_form(&(struct host_pf){
		.config = info.config, .said = HW_SAID, .hw = !strcmp(ops->kind, "hw") });
	if (!form || (json_object_size(vfs) && json_object_set(form, "vfs", vfs)) ||
	    json_object_set(pfs, name, form) || json_object_set(leased, name, ports) ||
	    host_unasked_get(ops, ctx, name, info.config.numvfs, unasked))
		return no_memory(e);
	return 0;
}

/* The agent's own (agent/host/place.c, agent/kinds/tap): it makes and removes them by itself. */
static bool svc_is_agents(const struct svc_config *s)
{
	return !strncmp(s->name, "dhcp-", 5) && !strncmp(s->netns, "anyvf-", 6) &&
	       !strcmp(s->name + 5, s->netns + 6);
}

static bool mirror_is_agents(const struct mirror_config *m)
{
	char id[UUID_STR_LEN];

	snprintf(id, sizeof(id), "%s", m->name + MIN(strlen(m->name), sizeof("tap-") - 1));
	return !strncmp(m->name, "tap-", 4) && uuid_valid(id);
}

static int svcs_get(const struct pf_ops *ops, void *ctx, json_t *pfs, struct err *e)
{
	struct svc_config s;

	for (unsigned int i = 0; !ops->svc_get(ctx, i, &s); i++) {
		json_t *pf = json_object_get(pfs, s.pf), *all = json_object_get(pf, "services");

		if (svc_is_agents(&s) || !pf) /* of a PF that is left out */
			continue;
		if (!all && json_object_set_new(pf, "services", all = json_object()))
			return no_memory(e);
		if (json_object_set_new(all, s.name, host_svc_form(&s)))
			return no_memory(e);
	}
	return 0;
}

/* A VF that has another's address for a mirror is to have its own, and then the mirror. */
static int own_mac(json_t *pfs, const struct mirror_info *m)
{
	json_t *vfs = json_object_get(json_object_get(pfs, m->config.to_pf), "vfs");
	char key[12], text[MAC_STR_LEN];
	json_t *vf;

	snprintf(key, sizeof(key), "%u", m->config.to_vf);
	vf = json_object_get(vfs, key);
	if (!m->has_own || !vf)
		return 0;
	if (!mac_is_zero(&m->own))
		return json_object_set_new(vf, vf_fields[VF_FIELD_MAC].word,
					   json_string(mac_format(&m->own, text)));
	json_object_del(vf, vf_fields[VF_FIELD_MAC].word);
	if (!json_object_size(vf))
		json_object_del(vfs, key);
	return 0;
}

static int mirrors_get(const struct pf_ops *ops, void *ctx, json_t *pfs, json_t *mirrors,
		       struct err *e)
{
	struct mirror_info m;

	for (unsigned int i = 0; !ops->mirror_get(ctx, i, &m); i++)
		if (own_mac(pfs, &m) ||
		    (!mirror_is_agents(&m.config) &&
		     json_object_set_new(mirrors, m.config.name, host_mirror_form(&m.config))))
			return no_memory(e);
	return 0;
}

/**
 * host_get() - A daemon's part of the host, but for what the agent makes
 * @ops: its verbs
 * @ctx: theirs
 * @some: a PF that cannot be read, as a NIC that is gone, is left out
 * @out: gets {"pfs", "mirrors", "leased": {PF: {N: port}}, "unasked": of host_asked.c}, a new
 *       reference
 * @e:   error text
 *
 * Return: 0, -ENOMEM, or as the verbs. Context: theirs.
 */
int host_get(const struct pf_ops *ops, void *ctx, bool some, json_t **out, struct err *e)
{
	auto_of(json_decref) json_t *pfs = json_object(), *mirrors = json_object();
	auto_of(json_decref) json_t *leased = json_object(), *unasked = json_object();
	char names[PFS_MAX][PF_NAME_LEN + 1];
	int n = ops->pf_list(ctx, names, PFS_MAX), rc = 0;

	for (int i = 0; !rc && i < MIN(n, PFS_MAX); i++) {
		rc = pf_get(ops, ctx, names[i], pfs, leased, unasked, some ? NULL : e);
		if (some && rc != -ENOMEM)
			rc = 0;
	}
	rc = rc ?: svcs_get(ops, ctx, pfs, e);
	rc = rc ?: mirrors_get(ops, ctx, pfs, mirrors, e);
	if (rc)
		return rc;
	*out = json_pack("{s:O, s:O, s:O, s:O}", "pfs", pfs, "mirrors", mirrors, "leased", leased,
			 "unasked", unasked);
	return *out ? 0 : no_memory(e);
}

/**
 * host_plain() - What there is as a file has it
 * @is: of host_get(), or more of them in one; without what tells of it
 *
 * Context: any.
 */
void host_plain(json_t *is)
{
	json_object_del(is, "leased");
	json_object_del(is, "unasked");
}

/* What a file does not say of @keys is as it is. */
static void unsaid_forget(json_t *there, const json_t *wanted, const char *const *keys)
{
	for (; *keys; keys++)
		if (!json_object_get(wanted, *keys))
			json_object_del(there, *keys);
}

static void drop_if_empty(json_t *from, const char *key)
{
	if (json_object_get(from, key) && !json_object_size(json_object_get(from, key)))
		json_object_del(from, key);
}

/* VFs that are leased: compared where they are named and it is forced, and else on neither side. */
static void align_leased(json_t *is, json_t *want, const char *name, const json_t *leased,
			 bool force, host_note note)
{
	json_t *there = json_object_get(is, "vfs"), *vfs = json_object_get(want, "vfs");
	const char *key;
	json_t *port;

	json_object_foreach ((json_t *)(uintptr_t)leased, key, port) {
		bool named = json_object_get(vfs, key);

		if (named && force)
			continue;
		if (named && note)
			note(name, key, json_string_value(port));
		json_object_del(vfs, key);
		json_object_del(there, key);
	}
	drop_if_empty(want, "vfs");
	drop_if_empty(is, "vfs");
}

/**
 * host_align() - Take out of what is and of a file what they are not compared by
 * @is:    of host_get(), or more of them in one
 * @want:  of host_read()
 * @force: VFs that are leased are compared where the file names them
 * @note:  told of leased VFs that the file names in vain; may be NULL
 *
 * Addresses that were chosen, a NIC's own words that the file has not, and VFs that are leased. Of
 * what nobody asked for that stays which the file has.
 *
 * Context: any.
 */
void host_align(json_t *is, json_t *want, bool force, host_note note)
{
	static const char *const chosen[] = { "mac", NULL };
	static const char *const of_nic[] = { "mac", "mtu", "up", "numvfs", NULL };
	json_t *pf, *svc, *leased = json_object_get(is, "leased");
	const char *name, *key;

	json_object_foreach (json_object_get(is, "pfs"), name, pf) {
		json_t *other = json_object_get(json_object_get(want, "pfs"), name);
		json_t *svcs = json_object_get(other, "services");

		if (other)
			unsaid_forget(pf, other, json_object_get(pf, "kind") ? of_nic : chosen);
		json_object_foreach (json_object_get(pf, "services"), key, svc)
			if (json_object_get(svcs, key))
				unsaid_forget(svc, json_object_get(svcs, key), chosen);
		align_leased(pf, other, name, json_object_get(leased, name), force, note);
	}
	host_unasked_align(is, want, force);
}
