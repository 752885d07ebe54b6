/* SPDX-License-Identifier: Apache-2.0 */
/* Where replicas reach each other, and how one knows another. */
#include "engine/replica.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/impl.h"
#include "http/tls.h"

#define HEADER	  "X-Anyvf-Replica"
#define SECRET	  "/secret/replicas"
#define DAY_US	  86400000000ll
#define GONE_US	  (30 * DAY_US) /* a replica that did not say that it is there is forgotten */
#define URL_MAX	  200		/* it is part of a key */
#define PROOF_LEN (2 * crypto_auth_BYTES + 1)

/* Who is behind a proof: he may what RULE_REPLICA says, and nothing else. */
static const struct auth replica_auth = { .user_name = "anyvf-apid",
					  .scope = SCOPE_SYSTEM,
					  .roles = ROLE_REPLICA };

/**
 * replica_find_url() - Where other replicas reach this one
 * @opts: [api] replica_url, or made of ->listen: of all addresses by the machine's name
 * @out:  gets it; "": nobody else works with the store, or this one does not listen
 */
void replica_find_url(const struct engine_opts *opts, char out[ENGINE_URL_LEN])
{
	const char *said = opts->conf ? conf_get(opts->conf, "api", "replica_url") : "";
	const char *scheme = opts->tls && opts->tls->key ? "https" : "http";
	const char *listen = opts->listen ?: "", *port = strrchr(listen, ':') ?: "";
	size_t len = strlen(said);
	char own[256] = "";

	*out = '\0';
	if (!*listen || !store_is_shared(opts->store))
		return;
	gethostname(own, sizeof(own) - 1);
	if (len)
		snprintf(out, ENGINE_URL_LEN, "%.*s", (int)(len - (said[len - 1] == '/')), said);
	else if (!strncmp(listen, "0.0.0.0:", 8) || !strncmp(listen, "[::]:", 5))
		snprintf(out, ENGINE_URL_LEN, "%s://%s%s", scheme, own, port);
	else
		snprintf(out, ENGINE_URL_LEN, "%s://%s", scheme, listen);
}

/**
 * replica_url() - Where other replicas reach this one
 * @c: the call
 *
 * Return: URL without a slash at its end; "": there are no others.
 */
const char *replica_url(const struct call *c)
{
	return c->priv->eng->replica_url;
}

static int make_key(struct call *c)
{
	unsigned char key[crypto_auth_KEYBYTES];
	char text[2 * sizeof(key) + 1];

	crypto_auth_keygen(key);
	sodium_bin2hex(text, sizeof(text), key, sizeof(key));
	return call_put(c, json_pack("{s:s}", "key", text), SECRET);
}

static int forget_gone(struct call *c)
{
	struct cursor it = call_list(c, "/replica/");
	int rc = 0;

	while (!rc && cursor_next(&it))
		if (c->now_us - doc_int(it.doc, "seen_us") > GONE_US)
			rc = call_delete(c, "%s", it.key);
	return rc;
}

/**
 * replica_announce() - Say that this replica is there, at its start and from time to time
 * @c: a start or periodic call
 *
 * Once a day it is written anew, so that others know who is gone for good.
 *
 * Return: 0; a fault for a URL that is too long; as call_put().
 */
int replica_announce(struct call *c)
{
	const char *url = replica_url(c);
	const json_t *old = *url ? call_get(c, "/replica/%.*s", URL_MAX, url) : NULL;
	int rc = 0;

	if (!*url || (old && llabs(c->now_us - doc_int(old, "seen_us")) < DAY_US))
		return 0;
	if (strlen(url) > URL_MAX)
		return call_fail(c, 500, NULL, "[api] replica_url is too long: %s", url);
	if (sodium_init() < 0)
		return call_fail(c, 500, NULL, "libsodium does not start");
	if (!call_get(c, SECRET))
		rc = make_key(c);
	rc = rc
		     ?: call_put(c,
				 json_pack("{s:s,s:I}", "url", url, "seen_us",
					   (json_int_t)c->now_us),
				 "/replica/%s", url);
	return rc ?: forget_gone(c);
}

/*
 * What a request is shown to be a replica's by: a MAC of what it asks for. The key itself never
 * leaves a replica, and who hears one proof can ask for no more than he has heard.
 */
static int prove(struct call *c, const char *method, const char *target, char out[PROOF_LEN])
{
	const char *text = doc_text(call_get(c, SECRET), "key");
	unsigned char key[crypto_auth_KEYBYTES], mac[crypto_auth_BYTES];
	auto_free char *words = NULL;
	size_t len;

	if (!text || sodium_hex2bin(key, sizeof(key), text, strlen(text), NULL, &len, NULL) ||
	    len != sizeof(key))
		return -ENOKEY;
	if (asprintf(&words, "%s %s", method, target) < 0)
		return -ENOMEM;
	crypto_auth(mac, (const unsigned char *)words, strlen(words), key);
	sodium_bin2hex(out, PROOF_LEN, mac, sizeof(mac));
	sodium_memzero(key, sizeof(key));
	return 0;
}

/**
 * replica_proof() - The header by which another replica knows this one
 * @c:      the call
 * @method: of the request that it is for
 * @target: likewise, behind the other's URL
 *
 * Return: "Name: value", the caller's to free; NULL without a key or memory.
 */
char *replica_proof(struct call *c, const char *method, const char *target)
{
	char proof[PROOF_LEN], *header = NULL;

	if (prove(c, method, target, proof) || asprintf(&header, HEADER ": %s", proof) < 0)
		return NULL;
	return header;
}

/**
 * replica_admit() - Is a request another replica's?
 * @c: the call; gets its caller then
 */
bool replica_admit(struct call *c)
{
	const char *shown = call_header_in(c, HEADER);
	char proof[PROOF_LEN];

	if (!shown || strlen(shown) != PROOF_LEN - 1 ||
	    prove(c, http_method(c->priv->req), http_target(c->priv->req), proof) ||
	    sodium_memcmp(shown, proof, PROOF_LEN - 1) != 0)
		return false;
	c->priv->auth = replica_auth;
	c->priv->authenticated = true;
	return true;
}
