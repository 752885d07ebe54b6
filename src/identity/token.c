/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens: a few words of JSON and their HMAC, so that nothing is stored for
 * one and any replica with the same store can check it. A revoked token is
 * named by a document until it would have expired, and a token names all those
 * it came from. The key is made anew each week; the one before it still reads.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "identity/known.h"

#define KEYS	  "/secret/token"
#define MAC_BYTES crypto_auth_BYTES
#define TOKEN_MAX 2000 /* characters */
#define HOUR_US	  3600000000ll
#define VARIANT	  sodium_base64_VARIANT_URLSAFE_NO_PADDING

/* which: "key", or "old", the one before it. */
static int read_key(struct call *c, const char *which, unsigned char key[crypto_auth_KEYBYTES])
{
	const json_t *doc = call_get(c, KEYS);
	const char *text = doc_text(doc, which);
	size_t len;

	if (!text ||
	    sodium_hex2bin(key, crypto_auth_KEYBYTES, text, strlen(text), NULL, &len, NULL) ||
	    len != crypto_auth_KEYBYTES)
		return -ENOKEY;
	return 0;
}

/**
 * token_make_key() - Store a new signing key; what the last one signed stays good
 * @c: call
 *
 * Return: 0; as call_put().
 */
int token_make_key(struct call *c)
{
	const json_t *old = json_object_get(call_get(c, KEYS), "key");
	unsigned char key[crypto_auth_KEYBYTES];
	char text[2 * sizeof(key) + 1];

	crypto_auth_keygen(key);
	sodium_bin2hex(text, sizeof(text), key, sizeof(key));
	return call_put(c,
			json_pack("{s:s,s:O*,s:I}", "key", text, "old", old, "made_us",
				  (json_int_t)c->now_us),
			KEYS);
}

/**
 * token_lifetime_us() - How long a token is good
 * @c: the call
 *
 * Return: microseconds.
 */
int64_t token_lifetime_us(const struct call *c)
{
	long hours = strtol(conf_get(c->opts->conf, "api", "token_hours"), NULL, 10);

	return (hours > 0 && hours < 24 * 366 ? hours : 12) * HOUR_US;
}

/**
 * token_rotate_key() - Make a new signing key when the time has come
 * @c: a periodic call
 *
 * Once in a week, and never while a token that the last but one signed could be good.
 *
 * Return: 0; as call_put().
 */
int token_rotate_key(struct call *c)
{
	const json_t *made = json_object_get(call_get(c, KEYS), "made_us");
	int64_t period = MAX(7 * 24 * HOUR_US, token_lifetime_us(c));

	return c->now_us - json_integer_value(made) < period ? 0 : token_make_key(c);
}

/**
 * token_sign() - Make a token
 * @c:   the call
 * @t:   what it says
 * @out: allocated text
 *
 * Return: 0; -ENOKEY; -ENOMEM.
 */
int token_sign(struct call *c, const struct token *t, char **out)
{
	auto_of(json_decref) json_t *words = json_pack(
		"{s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:s}", "u", t->user_id, "s", t->scope, "m",
		t->methods, "a", t->audit_id, "p", t->chain, "i", (json_int_t)t->issued_us, "e",
		(json_int_t)t->expires_us, "c", t->credential_id);
	auto_free char *text = words ? json_dumps(words, JSON_COMPACT) : NULL;
	unsigned char raw[TOKEN_MAX], key[crypto_auth_KEYBYTES];
	size_t len = text ? strlen(text) : 0, room;
	int rc = read_key(c, "key", key);

	if (!text || len + MAC_BYTES > sizeof(raw))
		return -ENOMEM;
	if (rc)
		return rc;
	crypto_auth(raw, (const unsigned char *)text, len, key);
	memcpy(raw + MAC_BYTES, text, len);
	room = sodium_base64_encoded_len(MAC_BYTES + len, VARIANT);
	*out = malloc(room);
	if (!*out)
		return -ENOMEM;
	sodium_bin2base64(*out, room, raw, MAC_BYTES + len, VARIANT);
	return 0;
}

/* It, or one that it came from. */
static bool is_revoked(struct call *c, const struct token *t)
{
	for (const char *id = t->chain; *id; id += strnlen(id, TOKEN_ID_LEN))
		if (call_get(c, "/revoked/%.*s", TOKEN_ID_LEN, id))
			return true;
	return call_get(c, "/revoked/%s", t->audit_id);
}

static bool is_older(const struct token *t, const json_t *doc)
{
	return t->issued_us < doc_int(doc, "valid_after_us");
}

/* A user, project or domain as it must be while a token names it. */
static bool holds(struct call *c, const struct token *t, const json_t *doc)
{
	return identity_enabled(c, doc) && !is_older(t, doc) &&
	       !is_older(t, res_get(c, &domain_resource, doc_str(doc, "domain_id")));
}

/* Is what the token is good for still there? */
static bool scope_holds(struct call *c, const struct token *t)
{
	const json_t *domain;

	if (!strncmp(t->scope, "project:", 8))
		return holds(c, t, res_get(c, &project_resource, t->scope + 8));
	if (strncmp(t->scope, "domain:", 7) != 0)
		return true;
	domain = res_get(c, &domain_resource, t->scope + 7);
	return doc_bool(domain, "enabled") && !is_older(t, domain);
}

/* The words are ours (they were signed); is what they name still there? */
static int check_words(struct call *c, const struct token *t)
{
	if (c->now_us >= t->expires_us || is_revoked(c, t) ||
	    !holds(c, t, res_get(c, &user_resource, t->user_id)) || !scope_holds(c, t) ||
	    (t->credential_id[0] && !appcred_holds(c, t->credential_id)))
		return -EKEYEXPIRED;
	return 0;
}

/* By the key of today, or the one before it. */
static bool is_signed(struct call *c, const unsigned char *raw, size_t len)
{
	static const char *const keys[] = { "key", "old" };
	unsigned char key[crypto_auth_KEYBYTES];

	for (unsigned int i = 0; i < ARRAY_LEN(keys); i++)
		if (!read_key(c, keys[i], key) &&
		    !crypto_auth_verify(raw, raw + MAC_BYTES, len - MAC_BYTES, key))
			return true;
	return false;
}

/* What a token says, if we signed it. */
static int read_words(struct call *c, const char *text, struct token *out)
{
	unsigned char raw[TOKEN_MAX];
	auto_of(json_decref) json_t *words = NULL;
	const char *user, *scope, *methods, *audit, *chain, *credential = "";
	json_int_t issued, expires;
	struct token t = { 0 };
	size_t len;

	if (strlen(text) > TOKEN_MAX ||
	    sodium_base642bin(raw, sizeof(raw), text, strlen(text), NULL, &len, NULL, VARIANT) ||
	    len <= MAC_BYTES || !is_signed(c, raw, len))
		return -EKEYREJECTED;
	words = json_loadb((char *)raw + MAC_BYTES, len - MAC_BYTES, 0, NULL);
	if (json_unpack(words, "{s:s,s:s,s:s,s:s,s:s,s:I,s:I,s?s}", "u", &user, "s", &scope, "m",
			&methods, "a", &audit, "p", &chain, "i", &issued, "e", &expires, "c",
			&credential))
		return -EKEYREJECTED;
	snprintf(t.user_id, sizeof(t.user_id), "%s", user);
	snprintf(t.scope, sizeof(t.scope), "%s", scope);
	snprintf(t.methods, sizeof(t.methods), "%s", methods);
	snprintf(t.audit_id, sizeof(t.audit_id), "%s", audit);
	snprintf(t.chain, sizeof(t.chain), "%s", chain);
	snprintf(t.credential_id, sizeof(t.credential_id), "%s", credential);
	t.issued_us = issued;
	t.expires_us = expires;
	*out = t;
	return 0;
}

/**
 * token_read() - Check a token
 * @c:    the call
 * @text: what the client sent
 * @out:  what it says
 *
 * Return: 0; -EKEYREJECTED if it is none of ours; -EKEYEXPIRED if it is no longer valid: expired,
 * revoked, its user or project gone or disabled, the password changed.
 */
int token_read(struct call *c, const char *text, struct token *out)
{
	const struct identity_kept *kept = call_kept(c, &identity_feature);
	struct known *known = kept ? kept->known : NULL;
	uint64_t keys = call_get(c, KEYS) ? call_version(c, KEYS) : 0;
	const struct token *found = known_find(known, keys, text);
	struct token t;
	int rc = 0;

	if (found)
		t = *found;
	else
		rc = read_words(c, text, &t);
	if (rc)
		return rc;
	if (!found)
		known_keep(known, keys, text, &t);
	if (check_words(c, &t))
		return -EKEYEXPIRED;
	*out = t;
	return 0;
}

/**
 * token_revoke() - Make a token, and what was derived from it, invalid
 * @c: the call
 * @t: token
 *
 * Return: 0; as call_put().
 */
int token_revoke(struct call *c, const struct token *t)
{
	return call_put(c, json_pack("{s:I}", "expires_us", (json_int_t)t->expires_us),
			"/revoked/%s", t->audit_id);
}

/**
 * token_purge() - Forget revocations of tokens that have expired
 * @c: a periodic call
 *
 * Return: 0; as call_delete().
 */
int token_purge(struct call *c)
{
	struct cursor it = call_list(c, "/revoked/");
	int rc = 0;

	for (unsigned int n = 0; n < STORE_OPS_MAX / 2 && !rc && cursor_next(&it);)
		if (doc_int(it.doc, "expires_us") < c->now_us) {
			rc = call_delete(c, "%s", it.key);
			n++;
		}
	return rc;
}

static void set_scope(struct auth *a, const char *scope)
{
	if (!strncmp(scope, "project:", 8)) {
		a->scope = SCOPE_PROJECT;
		snprintf(a->project_id, sizeof(a->project_id), "%.63s", scope + 8);
	} else if (!strncmp(scope, "domain:", 7)) {
		a->scope = SCOPE_DOMAIN;
		snprintf(a->domain_id, sizeof(a->domain_id), "%.63s", scope + 7);
	} else if (scope[0]) {
		a->scope = SCOPE_SYSTEM;
	}
}

/**
 * token_roles() - The roles of a token's scope
 * @c:    the call
 * @t:    token
 * @mask: enum role bits, or-ed into
 *
 * Return: a new list of {id, name}; NULL without memory.
 */
json_t *token_roles(struct call *c, const struct token *t, unsigned int *mask)
{
	if (t->credential_id[0])
		return appcred_roles(c, appcred_holds(c, t->credential_id), mask);
	return grant_roles(c, t->user_id, t->scope, mask);
}

/**
 * token_caller() - Who holds a token, and for what; without roles
 * @c:   the call
 * @t:   token
 * @out: filled in
 */
void token_caller(struct call *c, const struct token *t, struct auth *out)
{
	const json_t *user = res_get(c, &user_resource, t->user_id);

	*out = (struct auth){ .roles = 0 };
	snprintf(out->user_id, sizeof(out->user_id), "%s", t->user_id);
	snprintf(out->user_name, sizeof(out->user_name), "%s", doc_str(user, "name"));
	snprintf(out->home_id, sizeof(out->home_id), "%s", doc_str(user, "domain_id"));
	snprintf(out->credential_id, sizeof(out->credential_id), "%s", t->credential_id);
	out->restricted = t->credential_id[0] &&
			  !doc_bool(appcred_holds(c, t->credential_id), "unrestricted");
	set_scope(out, t->scope);
}

/**
 * identity_authenticate() - Who is behind a token?
 * @c:     the call
 * @token: X-Auth-Token
 * @out:   the caller
 *
 * Return: 0; -EKEYREJECTED, -EKEYEXPIRED as token_read(); -EKEYREJECTED if the token's access rules
 * do not have the request.
 */
int identity_authenticate(struct call *c, const char *token, struct auth *out)
{
	auto_of(json_decref) json_t *roles = NULL;
	struct auth a;
	struct token t;
	int rc = token_read(c, token, &t);

	if (rc)
		return rc;
	if (t.credential_id[0] && !access_allows(c, appcred_holds(c, t.credential_id)))
		return -EKEYREJECTED;
	token_caller(c, &t, &a);
	if (a.scope)
		roles = token_roles(c, &t, &a.roles);
	if (a.scope && !json_array_size(roles))
		return -EKEYEXPIRED; /* the last role was taken away */
	*out = a;
	return 0;
}
