/* SPDX-License-Identifier: Apache-2.0 */
/* A host's file (host.h) is a stranger's: all of it is judged here, and named by its place. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/host.h"

#define VF_LEASE (1U << VF_FIELD_PORT_ID | 1U << VF_FIELD_SERVER)

static int no_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "out of memory");
}

static int object_check(const json_t *j, const char *what, struct err *e)
{
	return !j || json_is_object(j) ? 0 : err_set(e, -EINVAL, "%s is no object", what);
}

/* A copy without members that no table reads; NULL: no memory. */
static json_t *rest_of(const json_t *said, const char *const *without)
{
	json_t *rest = json_copy((json_t *)(uintptr_t)said);

	for (; rest && *without; without++)
		json_object_del(rest, *without);
	return rest;
}

/**
 * host_pf_read() - A PF of a file, without what hangs on it
 * @name: its name
 * @said: object
 * @out:  gets it; of a NIC what is not said is the default
 * @e:    names the member
 *
 * Return: 0, -EINVAL, -ERANGE or -ENOMEM. Context: any.
 */
int host_pf_read(const char *name, const json_t *said, struct host_pf *out, struct err *e)
{
	static const char *const others[] = { "kind", "vfs", "services", NULL };
	auto_of(json_decref) json_t *rest = rest_of(said, others);
	const json_t *kind = json_object_get(said, "kind");
	const char *word = kind ? json_string_value(kind) : "sw";
	struct host_pf pf = { .hw = word && !strcmp(word, "hw") };
	int rc;

	if (!rest)
		return no_memory(e);
	if (!word || (!pf.hw && strcmp(word, "sw")))
		return err_set(e, -EINVAL, "kind is sw or hw");
	pf_config_default(&pf.config);
	rc = fields_from_json(pf_fields, &pf.config, rest, &pf.said, e);
	if (!rc && pf.said & 1U << PF_FIELD_NAME)
		rc = err_set(e, -EINVAL, "its name is the object's");
	rc = rc ?: field_parse(&pf_fields[PF_FIELD_NAME], &pf.config, name, e);
	rc = rc ?: pf_config_check(&pf.config, e);
	rc = rc ?: vf_groups_order(pf.config.groups, e);
	if (!rc)
		*out = pf;
	return rc;
}

/**
 * host_vf_read() - A VF of a file
 * @said:   object, NULL: none, so all is as by default
 * @pf:     its PF as the file has it
 * @vf:     its number
 * @config: gets its settings
 * @attach: gets what it is plugged into
 * @e:      names the member
 *
 * Return: 0, -EINVAL, -ERANGE or -ENOMEM. Context: any.
 */
int host_vf_read(const json_t *said, const struct pf_config *pf, unsigned int vf,
		 struct vf_config *config, struct vf_attach *attach, struct err *e)
{
	static const char *const others[] = { "attach", NULL };
	auto_of(json_decref) json_t *rest = said ? rest_of(said, others) : json_object();
	const json_t *plug = json_object_get(said, "attach");
	struct vf_change change = { .vf = vf };
	struct vf_attach a = { 0 };
	struct vf_config plain;
	int rc;

	if (!rest)
		return no_memory(e);
	rc = fields_from_json(vf_fields, &change.want, rest, &change.changed, e);
	if (!rc && change.changed & VF_LEASE)
		rc = err_set(e, -EINVAL, "leases are the agent's");
	if (!rc && plug)
		rc = fields_from_json(vf_attach_fields, &a, plug, NULL, e);
	vf_config_default(&plain);
	rc = rc ?: vf_change_apply(&plain, &change, pf, config, e);
	if (!rc)
		*attach = a;
	return rc;
}

/**
 * host_svc_read() - A service port of a file
 * @pf:   name of its PF
 * @name: its own
 * @said: object
 * @out:  gets it
 * @e:    names the member
 *
 * Return: 0, -EINVAL or -ERANGE. Context: any.
 */
int host_svc_read(const char *pf, const char *name, const json_t *said, struct svc_config *out,
		  struct err *e)
{
	struct svc_config s = { 0 };
	uint32_t have = 0;
	int rc = fields_from_json(svc_fields, &s, said, &have, e);

	if (!rc && (have & 3 || strlen(name) > SVC_NAME_LEN))
		rc = err_set(e, -EINVAL, "its names are those of the objects it is in");
	if (rc)
		return rc;
	snprintf(s.pf, sizeof(s.pf), "%s", pf);
	snprintf(s.name, sizeof(s.name), "%s", name);
	*out = s;
	return 0;
}

/**
 * host_mirror_read() - A mirror of a file
 * @name: its name
 * @said: object
 * @out:  gets it
 * @e:    names the member
 *
 * Return: 0, -EINVAL or -ERANGE. Context: any.
 */
int host_mirror_read(const char *name, const json_t *said, struct mirror_config *out, struct err *e)
{
	struct mirror_config m = { 0 };
	uint32_t have = 0;
	int rc = fields_from_json(mirror_fields, &m, said, &have, e);

	if (!rc && have & 1U << MIRROR_FIELD_NAME)
		rc = err_set(e, -EINVAL, "its name is the object's");
	rc = rc ?: field_parse(&mirror_fields[MIRROR_FIELD_NAME], &m, name, e);
	return rc ?: mirror_config_apply(NULL, &m, have | 1U << MIRROR_FIELD_NAME, out, e);
}

static int number_of(const char *key, unsigned int *out)
{
	char *end;
	unsigned long n = strtoul(key, &end, 10);

	*out = (unsigned int)n;
	/* One way to write it, so that no VF is there twice. */
	return *key >= '0' && *key <= '9' && !*end && n < VF_MAX && (*key != '0' || !key[1])
		       ? 0
		       : -EINVAL;
}

/* One member of an object: reads it and puts it into @out again. */
struct reading {
	const struct host_pf *pf; /* which it hangs on */
	json_t *out;		  /* object that gets it */
};

typedef int (*read_fn)(const struct reading *r, const char *key, const json_t *said, struct err *e);

static int put(const struct reading *r, const char *key, json_t *form, struct err *e)
{
	return json_object_set_new(r->out, key, form) ? no_memory(e) : 0;
}

static int vf_read(const struct reading *r, const char *key, const json_t *said, struct err *e)
{
	struct pf_config pf = r->pf->config;
	struct vf_attach attach;
	struct vf_config config;
	unsigned int vf;
	json_t *form;
	int rc;

	if (r->pf->hw && !(r->pf->said & 1U << PF_FIELD_NUMVFS))
		pf.numvfs = VF_MAX; /* as it is: any VF may be meant */
	if (number_of(key, &vf) || vf >= pf.numvfs)
		return err_set(e, -EINVAL, "%s has %u VFs, and no vf \"%.32s\"", pf.name, pf.numvfs,
			       key);
	rc = host_vf_read(said, &pf, vf, &config, &attach, e);
	if (rc)
		return rc;
	form = host_vf_form(&config, &attach);
	if (form && !json_object_size(form)) { /* as by default, and so as if it were not said */
		json_decref(form);
		return 0;
	}
	return put(r, key, form, e);
}

static int svc_read(const struct reading *r, const char *key, const json_t *said, struct err *e)
{
	struct svc_config s;
	int rc = host_svc_read(r->pf->config.name, key, said, &s, e);

	return rc ?: put(r, key, host_svc_form(&s), e);
}

static int mirror_read(const struct reading *r, const char *key, const json_t *said, struct err *e)
{
	struct mirror_config m;
	int rc = host_mirror_read(key, said, &m, e);

	return rc ?: put(r, key, host_mirror_form(&m), e);
}

/* Each member of @from, NULL: none, by @fn. @what: for people; @all: of them together. */
static int each(json_t *from, const char *all, const char *what, read_fn fn,
		const struct reading *r, struct err *e)
{
	const char *key;
	json_t *said;
	int rc = object_check(from, all, e);

	if (rc)
		return rc;
	json_object_foreach (from, key, said) {
		rc = object_check(said, "it", e) ?: fn(r, key, said, e);
		if (rc) {
			err_prefix(e, "%s %.32s", what, key);
			return rc;
		}
	}
	return 0;
}

static int pf_read(const struct reading *r, const char *name, const json_t *said, struct err *e)
{
	auto_of(json_decref) json_t *vfs = json_object(), *svcs = json_object(), *form = NULL;
	struct host_pf pf;
	int rc = host_pf_read(name, said, &pf, e);

	if (rc || !vfs || !svcs)
		return rc ?: no_memory(e);
	rc = each(json_object_get(said, "vfs"), "vfs", "vf", vf_read, &(struct reading){ &pf, vfs },
		  e);
	rc = rc
		     ?: each(json_object_get(said, "services"), "services", "service", svc_read,
			     &(struct reading){ &pf, svcs }, e);
	if (rc)
		return rc;
	form = host_pf_form(&pf);
	if (!form || (json_object_size(vfs) && json_object_set(form, "vfs", vfs)) ||
	    (json_object_size(svcs) && json_object_set(form, "services", svcs)))
		return no_memory(e);
	return put(r, name, json_incref(form), e);
}

/**
 * host_read() - Judge a file
 * @root: what it says, any JSON
 * @out:  gets it in this room's form, a new reference
 * @e:    names what is wrong by its place
 *
 * Return: 0, -EINVAL, -ERANGE or -ENOMEM. Context: any.
 */
int host_read(json_t *root, json_t **out, struct err *e)
{
	static const char *const members[] = { "anyvf", "pfs", "mirrors", NULL };
	auto_of(json_decref) json_t *pfs = json_object(), *mirrors = json_object();
	auto_of(json_decref) json_t *rest = json_is_object(root) ? rest_of(root, members) : NULL;
	int rc;

	if (!rest || json_integer_value(json_object_get(root, "anyvf")) != HOST_VERSION)
		return err_set(e, -EINVAL, "it begins with \"anyvf\": %d", HOST_VERSION);
	if (json_object_size(rest))
		return err_set(e, -EINVAL, "\"%.32s\" is none of its members",
			       json_object_iter_key(json_object_iter(rest)));
	rc = each(json_object_get(root, "pfs"), "pf", "pf", pf_read, &(struct reading){ NULL, pfs },
		  e);
	rc = rc
		     ?: each(json_object_get(root, "mirrors"), "mirror", "mirror", mirror_read,
			     &(struct reading){ NULL, mirrors }, e);
	if (rc)
		return rc;
	*out = host_root(json_incref(pfs), json_incref(mirrors));
	return *out ? 0 : no_memory(e);
}
