/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords: Argon2id by libsodium, with 19 MiB and two passes (OWASP's
 * minimum): about 25 ms, since every client command logs in, and at most two
 * at a time.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "api/identity.h"

#define PASSES 2
#define MEMORY (19u << 20)

_Static_assert(PASSWORD_HASH_LEN == crypto_pwhash_STRBYTES, "libsodium's size");

/**
 * password_new() - Something for call_job()
 * @text: password, copied
 * @hash: to compare with; NULL or "" to make one, or for a user that does not exist
 *
 * Return: to be freed with password_free(); NULL without memory.
 */
struct password *password_new(const char *text, const char *hash)
{
	struct password *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->text = strdup(text);
	snprintf(p->hash, sizeof(p->hash), "%s", hash ? hash : "");
	if (!p->text) {
		free(p);
		return NULL;
	}
	return p;
}

/**
 * password_free() - Wipe and free
 * @password: struct password or NULL
 */
void password_free(void *password)
{
	struct password *p = password;

	if (!p)
		return;
	sodium_memzero(p->text, strlen(p->text));
	free(p->text);
	free(p);
}

/**
 * password_hash() - Make the hash of a new password
 * @password: struct password; gets hash and ok
 *
 * Context: helper thread (or the loop's at first start).
 */
void password_hash(void *password)
{
	struct password *p = password;

	p->ok = crypto_pwhash_str(p->hash, p->text, strlen(p->text), PASSES, MEMORY) == 0;
}

/**
 * password_verify() - Compare a password with a hash
 * @password: struct password; gets ok
 *
 * Without a hash (no such user) it takes as long and fails.
 *
 * Context: helper thread.
 */
void password_verify(void *password)
{
	struct password *p = password;

	if (p->hash[0]) {
		p->ok = crypto_pwhash_str_verify(p->hash, p->text, strlen(p->text)) == 0;
	} else {
		password_hash(p);
		p->ok = false;
	}
}
