/* SPDX-License-Identifier: Apache-2.0 */
/* Documents of identity: by name, which is unique in their domain, and whether they are there. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "identity/identity.h"

/**
 * identity_asks() - Is a query's flag set?
 * @c:    the call
 * @name: "effective"
 *
 * Return: true for any value, an empty one too, but "0" and "false".
 */
bool identity_asks(const struct call *c, const char *name)
{
	const char *value = call_arg(c, name);

	return value && strcasecmp(value, "false") != 0 && strcmp(value, "0") != 0;
}

#define SPACES " \t\n\v\f\r"

/**
 * identity_valid_name() - A name with something to see in it (rfield_valid_fn)
 * @c:     the call
 * @field: "name"
 * @value: text
 *
 * Return: 0; a 400 fault.
 */
int identity_valid_name(struct call *c, const char *field, json_t **value)
{
	const char *name = json_string_value(*value);

	if (name[strspn(name, SPACES)])
		return 0;
	return call_fail(c, 400, NULL,
			 "Invalid input for field/attribute %s. '%s' does not match '[\\S]+'",
			 field, name);
}

/**
 * identity_take_name() - The same, without spaces around it (rfield_valid_fn)
 * @c:     the call
 * @field: "name"
 * @value: in: text; out: as it is kept
 *
 * Return: 0; a 400 fault; -ENOMEM.
 */
int identity_take_name(struct call *c, const char *field, json_t **value)
{
	const char *name = json_string_value(*value) + strspn(json_string_value(*value), SPACES);
	size_t len = strlen(name);
	json_t *bare;

	if (!len)
		return identity_valid_name(c, field, value);
	while (strchr(SPACES, name[len - 1]))
		len--;
	bare = json_stringn(name, len);
	json_decref(*value);
	*value = bare;
	return bare ? 0 : -ENOMEM;
}

/**
 * identity_by_name() - Find a document by its name
 * @c:         the call
 * @r:         one of the resources of identity
 * @name:      exact name
 * @domain_id: where the name is unique; NULL: everywhere
 *
 * Return: borrowed; NULL if there is none.
 */
const json_t *identity_by_name(struct call *c, const struct resource *r, const char *name,
			       const char *domain_id)
{
	struct cursor it = res_list(c, r, "name", name);

	while (cursor_next(&it))
		if (!strcmp(doc_str(it.doc, "name"), name) &&
		    (!domain_id || !strcmp(doc_str(it.doc, "domain_id"), domain_id)))
			return it.doc;
	return NULL;
}

/**
 * identity_enabled() - May a user or project be used: it and its domain are enabled
 * @c:   the call
 * @doc: user or project, or NULL
 */
bool identity_enabled(struct call *c, const json_t *doc)
{
	const json_t *domain = res_get(c, &domain_resource, doc_str(doc, "domain_id"));

	return doc_bool(doc, "enabled") && doc_bool(domain, "enabled");
}

/**
 * identity_stands() - Is the domain there that a document is in?
 * @c:   the call
 * @doc: user, group, role or project
 *
 * What was in a domain that was deleted is nobody's and nothing any more (purge.c).
 */
bool identity_stands(struct call *c, const json_t *doc)
{
	const char *domain = doc_str(doc, "domain_id");

	return !domain[0] || res_get(c, &domain_resource, domain);
}

/**
 * identity_there() - Is there such a document, and its domain?
 * @c:  the call
 * @r:  one of the resources of identity
 * @id: any text
 */
bool identity_there(struct call *c, const struct resource *r, const char *id)
{
	const json_t *doc = res_get(c, r, id);

	return doc && identity_stands(c, doc);
}

/**
 * identity_find_reached() - What the caller looks after: what is only his own is not enough
 * @c:  the call
 * @r:  domain, project, user or group
 * @id: any text
 *
 * Return: borrowed; NULL with a 404 set.
 */
const json_t *identity_find_reached(struct call *c, const struct resource *r, const char *id)
{
	const json_t *doc = res_find(c, r, id);
	const char *domain = doc_str(doc, r == &domain_resource ? "id" : "domain_id");

	if (!doc || caller_reaches(c, domain))
		return doc;
	fault_not_found(c, r, id);
	return NULL;
}

/**
 * identity_set_domain() - Say where something lives: the token's domain, or the default one
 * @c:   the call
 * @doc: project, user or group; one that says a domain has to be reached by the caller
 *
 * Return: 0; a 404 fault; -ENOMEM.
 */
int identity_set_domain(struct call *c, json_t *doc)
{
	const char *own = c->auth->domain_id;

	if (!doc_str(doc, "domain_id")[0] &&
	    json_object_set_new(doc, "domain_id", json_string(own[0] ? own : "default")))
		return -ENOMEM;
	if (caller_reaches(c, doc_str(doc, "domain_id")))
		return 0;
	return fault_not_found(c, &domain_resource, doc_str(doc, "domain_id"));
}

/* Names are unique in their domain: /name/KIND/DOMAIN/HASH, a hash since names may be long. */
static void name_key(char out[STORE_KEY_LEN], const struct resource *r, const json_t *doc)
{
	const char *name = doc_str(doc, "name");
	unsigned char hash[16];
	char text[33];

	crypto_generichash(hash, sizeof(hash), (const unsigned char *)name, strlen(name), NULL, 0);
	snprintf(out, STORE_KEY_LEN, "/name/%s/%.64s/%s", r->one, doc_str(doc, "domain_id"),
		 sodium_bin2hex(text, sizeof(text), hash, sizeof(hash)));
}

/**
 * identity_claim_name() - Take a document's name, and give its old one back
 * @c:   the call
 * @r:   its resource
 * @doc: as it shall be
 * @old: as it is; NULL: new
 *
 * Return: 0; a 409 fault; as call_claim().
 */
int identity_claim_name(struct call *c, const struct resource *r, const json_t *doc,
			const json_t *old)
{
	char key[STORE_KEY_LEN], old_key[STORE_KEY_LEN] = "";
	int rc = 0;

	name_key(key, r, doc);
	if (old)
		name_key(old_key, r, old);
	if (!strcmp(key, old_key))
		return 0;
	if (old)
		rc = call_delete(c, "%s", old_key);
	rc = rc ? rc : call_claim(c, json_object(), "%s", key);
	if (rc == -EEXIST)
		return call_fail(c, 409, NULL,
				 "Conflict occurred attempting to store %s - Duplicate entry found "
				 "with name %s.",
				 r->one, doc_str(doc, "name"));
	return rc;
}

/**
 * identity_free_name() - Give back the name of a document that goes
 * @c:   the call
 * @r:   its resource
 * @doc: document
 *
 * Return: 0; as call_delete().
 */
int identity_free_name(struct call *c, const struct resource *r, const json_t *doc)
{
	char key[STORE_KEY_LEN];

	name_key(key, r, doc);
	return call_delete(c, "%s", key);
}
