/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords: Argon2id by libsodium, with 19 MiB and two passes (OWASP's
 * minimum): about 25 ms, since every client command logs in, and at most two
 * at a time in a lane.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "identity/identity.h"

#define PASSES 2
#define MEMORY (19u << 20)

_Static_assert(PASSWORD_HASH_LEN == crypto_pwhash_STRBYTES, "libsodium's size");

/**
 * password_new() - Something for call_job()
 * @text: password, copied
 * @old:  the hash that stands there, to compare with; "": there is none
 *
 * Return: to be freed with password_free(); NULL without memory.
 */
struct password *password_new(const char *text, const char *old)
{
	struct password *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->text = strdup(text);
	snprintf(p->old, sizeof(p->old), "%s", old);
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

	p->hashed++;
	p->ok = crypto_pwhash_str(p->hash, p->text, strlen(p->text), PASSES, MEMORY) == 0;
}

/* Without a hash (no such user) it takes as long and fails. */
static void compare(struct password *p)
{
	if (p->old[0]) {
		p->hashed++;
		p->ok = crypto_pwhash_str_verify(p->old, p->text, strlen(p->text)) == 0;
	} else {
		password_hash(p);
		p->ok = false;
	}
}

/* In a helper thread. Many may have been let in at once: the guard is asked again. */
static void verify(void *password)
{
	struct password *p = password;

	p->wait_ms = guard_wait_ms(p->guard, &p->who, loop_now_ms());
	if (p->wait_ms)
		return;
	compare(p);
	if (p->ok)
		guard_passed(p->guard, &p->who);
	else
		guard_failed(p->guard, &p->who, loop_now_ms());
}

static int put_off(struct call *c, uint64_t wait_ms)
{
	unsigned int wait_s = (unsigned int)((wait_ms + 999) / 1000);
	char text[16];

	snprintf(text, sizeof(text), "%u", wait_s);
	call_header(c, "Retry-After", text);
	return call_fail(c, 429, NULL, "Too many failed logins: try again in %u s.", wait_s);
}

/**
 * password_check() - Compare a password, unless too many were wrong
 * @c:    the call; its handler runs again then, with a struct password as c->job
 * @user: who tries: a user's id, or a name there is no user of
 * @text: password
 * @hash: to compare with; "" for a user that does not exist: takes as long and fails
 *
 * Users who have logged in from the same address before do not wait for others. What was right
 * counts as long as that hash stands there: it may be changed while the job runs.
 *
 * Return: 0 if it is right; CALL_WAIT; a 401 fault, or 429 with Retry-After.
 */
int password_check(struct call *c, const char *user, const char *text, const char *hash)
{
	const struct password *done = c->job;
	struct password *p;

	if (!done) {
		const struct identity_kept *kept = call_kept(c, &identity_feature);
		struct guard *guard = kept->guard;
		struct guard_key who = guard_key(guard, user, call_peer(c));
		uint64_t wait_ms = guard_wait_ms(guard, &who, loop_now_ms());

		if (wait_ms)
			return put_off(c, wait_ms);
		p = password_new(text, hash);
		if (!p)
			return -ENOMEM;
		p->guard = guard;
		p->who = who;
		return call_job(c, guard_knows(guard, &who) ? LANE_KNOWN : LANE_LOGIN, verify, p,
				password_free);
	}
	if (done->wait_ms)
		return put_off(c, done->wait_ms);
	if (done->ok && !strcmp(done->old, hash))
		return 0;
	return call_fail(c, 401, NULL, "The request you have made requires authentication.");
}
