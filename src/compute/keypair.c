/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keypairs: of a user, found by name, /keypair/USER/HASH-OF-NAME. A new pair is
 * Ed25519; its private half is answered once and kept nowhere.
 */
#include <errno.h>
#include <string.h>

#include "compute/compute.h"
#include "compute/sshkey.h"

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-"

/**
 * keypair_of() - A user's keypair
 * @c:       the call
 * @user_id: its owner
 * @name:    as given when it was made
 *
 * Return: borrowed document, or NULL.
 */
const json_t *keypair_of(struct call *c, const char *user_id, const char *name)
{
	char hash[NAME_KEY_LEN];

	name_key(name, hash);
	return call_get(c, "/keypair/%s/%s", user_id, hash);
}

/* Admins may ask for another user's from 2.10 on. */
static const char *owner_of(const struct call *c)
{
	const char *user = compute_minor(c) >= 10 ? call_arg(c, "user_id") : NULL;

	return user && caller_is_admin(c) ? user : c->auth->user_id;
}

static json_t *keypair_view(const struct call *c, const json_t *k, bool whole)
{
	json_t *out = json_pack("{s:O,s:O,s:O}", "name", json_object_get(k, "name"), "public_key",
				json_object_get(k, "public_key"), "fingerprint",
				json_object_get(k, "fingerprint"));

	if (compute_minor(c) >= 2)
		json_object_set(out, "type", json_object_get(k, "type"));
	if (whole)
		json_object_update_new(out, json_pack("{s:O,s:O,s:O,s:b,s:n,s:n}", "id",
						      json_object_get(k, "id"), "user_id",
						      json_object_get(k, "user_id"), "created_at",
						      json_object_get(k, "created_at"), "deleted",
						      0, "deleted_at", "updated_at"));
	return out;
}

static int keypair_list(struct call *c)
{
	struct cursor it = call_list(c, "/keypair/%s/", owner_of(c));
	json_t *list = json_array();

	while (cursor_next(&it))
		json_array_append_new(
			list, json_pack("{s:o}", "keypair", keypair_view(c, it.doc, false)));
	return call_reply(c, 200, json_pack("{s:o}", "keypairs", list));
}

static const struct rfield keypair_rows[] = {
	{ "name", J_STR, R_CREATE | R_NEED, .min = 1, .max = 255 },
	{ "public_key", J_STR, R_CREATE, .min = 1, .max = SSHKEY_MAX_LEN },
	{ "type", J_STR, R_CREATE, "\"ssh\"", .names = (const char *const[]){ "ssh", NULL } },
	{ "user_id", J_STR, R_CREATE | R_ADMIN },
	{ NULL },
};

/* Of this user so far. */
static unsigned int count_of(struct call *c, const char *user)
{
	struct cursor it = call_list(c, "/keypair/%s/", user);
	unsigned int n = 0;

	while (cursor_next(&it))
		n++;
	return n;
}

/* Completes the document; *private_key is set when the pair is new. */
static int keypair_fill(struct call *c, json_t *doc, char **private_key)
{
	char fingerprint[SSHKEY_FINGERPRINT_LEN], now[32];
	struct err e = { 0 };
	auto_free char *public_key = NULL;

	if (!doc_text(doc, "public_key")) {
		if (sshkey_generate("Generated-by-anyvf", &public_key, private_key, &e))
			return call_fail(c, 500, "ComputeFault", "%s", e.msg);
		doc_set_text(doc, "public_key", public_key);
	}
	if (sshkey_fingerprint(doc_text(doc, "public_key"), fingerprint, &e))
		return call_fail(c, 400, "InvalidKeypair",
				 "Keypair data is invalid: failed to generate fingerprint (%s)",
				 e.msg);
	doc_set_text(doc, "fingerprint", fingerprint);
	doc_set_text(doc, "created_at", call_time(c, now));
	json_object_set_new(doc, "id", json_integer((json_int_t)(call_revision(c) + 1)));
	if (!doc_text(doc, "user_id"))
		doc_set_text(doc, "user_id", c->auth->user_id);
	return 0;
}

static int keypair_store(struct call *c, const json_t *doc)
{
	const char *name = doc_text(doc, "name"), *user = doc_text(doc, "user_id");
	int64_t limit = quota_limit(c, c->auth->project_id, QUOTA_KEYPAIRS);
	char hash[NAME_KEY_LEN];

	if (limit >= 0 && count_of(c, user) >= limit)
		return call_fail(c, 403, "KeypairLimitExceeded",
				 "Quota exceeded, too many key pairs.");
	name_key(name, hash);
	if (call_claim(c, json_incref((json_t *)doc), "/keypair/%s/%s", user, hash))
		return call_fail(c, 409, "KeyPairExists", "Key pair '%s' already exists.", name);
	return 0;
}

static int keypair_create(struct call *c)
{
	const json_t *in = compute_body(c, "keypair");
	auto_of(json_decref) json_t *doc = NULL;
	auto_free char *private_key = NULL;
	int rc = in ? fields_accept(c, keypair_rows, in, false, &doc) : -EINVAL;

	if (rc)
		return rc;
	const char *name = doc_text(doc, "name");
	if (name[strspn(name, NAME_CHARS)] || *name == ' ' || name[strlen(name) - 1] == ' ')
		return call_fail(
			c, 400, "InvalidKeypair",
			"Keypair data is invalid: Keypair name contains unsafe characters");
	if (doc_text(doc, "user_id") && !res_find_user(c, doc_text(doc, "user_id")))
		return -ENOENT;
	rc = keypair_fill(c, doc, &private_key);
	if (!rc)
		rc = keypair_store(c, doc);
	if (rc)
		return rc;
	json_t *out = keypair_view(c, doc, false);
	json_object_set(out, "user_id", json_object_get(doc, "user_id"));
	if (private_key)
		doc_set_text(out, "private_key", private_key);
	return call_reply(c, compute_minor(c) >= 2 ? 201 : 200, json_pack("{s:o}", "keypair", out));
}

static int no_keypair(struct call *c)
{
	return call_fail(c, 404, "KeypairNotFound", "Keypair %s not found for user %s", c->ids[0],
			 owner_of(c));
}

static int keypair_show(struct call *c)
{
	const json_t *k = keypair_of(c, owner_of(c), c->ids[0]);

	if (!k)
		return no_keypair(c);
	return call_reply(c, 200, json_pack("{s:o}", "keypair", keypair_view(c, k, true)));
}

static int keypair_delete(struct call *c)
{
	char hash[NAME_KEY_LEN];
	int rc;

	if (!keypair_of(c, owner_of(c), c->ids[0]))
		return no_keypair(c);
	name_key(c->ids[0], hash);
	rc = call_delete(c, "/keypair/%s/%s", owner_of(c), hash);
	return rc ? rc : call_reply(c, compute_minor(c) >= 2 ? 204 : 202, NULL);
}

const struct route keypair_routes[] = {
	{ "GET", "/v2.1/os-keypairs", keypair_list, RULE_READ },
	{ "POST", "/v2.1/os-keypairs", keypair_create, RULE_WRITE },
	{ "GET", "/v2.1/os-keypairs/{}", keypair_show, RULE_READ },
	{ "DELETE", "/v2.1/os-keypairs/{}", keypair_delete, RULE_WRITE },
	{ NULL },
};
