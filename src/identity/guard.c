/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buckets of failed logins: the generic cell rate algorithm (ITU-T I.371), in a table of fixed
 * size. A keyed hash names a bucket, so nobody outside can aim at another's; of a full set of the
 * table the one that was not asked for longest goes.
 */
#include "identity/guard.h"

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/limit.h"

#define SETS 1024
#define WAYS 8

/* So many failures at once, then one each interval. */
struct rate {
	uint64_t burst, each_ms;
};
static const struct rate user_rate = { 5, 10000 }, address_rate = { 60, 1000 };

struct bucket {
	uint64_t key;	 /* 0: free */
	uint64_t due_ms; /* when all failures are forgiven */
	uint64_t asked;	 /* the guard's count when it was asked for last */
	bool known;	 /* a user who has logged in from there */
};

/* Writers: the loop and the helpers, under guard_lock. */
struct guard {
	pthread_mutex_t guard_lock;
	unsigned char secret[crypto_shorthash_KEYBYTES];
	uint64_t asks;
	struct bucket sets[SETS][WAYS];
};

/* The bucket of a key, perhaps a new one. */
static struct bucket *find(struct guard *g, uint64_t key)
{
	struct bucket *set = g->sets[key % SETS], *oldest = set;

	for (struct bucket *b = set; b < set + WAYS; b++) {
		if (b->key == key) {
			b->asked = ++g->asks;
			return b;
		}
		if (b->asked < oldest->asked)
			oldest = b;
	}
	*oldest = (struct bucket){ .key = key, .asked = ++g->asks };
	return oldest;
}

static uint64_t wait_ms(const struct bucket *b, const struct rate *rate, uint64_t now_ms)
{
	uint64_t free_ms = now_ms + (rate->burst - 1) * rate->each_ms;

	return b->due_ms > free_ms ? b->due_ms - free_ms : 0;
}

static void fill(struct bucket *b, const struct rate *rate, uint64_t now_ms)
{
	b->due_ms = MAX(b->due_ms, now_ms) + rate->each_ms;
}

/**
 * guard_new() - Nobody has failed yet
 *
 * Return: to be freed with guard_free(); NULL without memory.
 */
struct guard *guard_new(void)
{
	struct guard *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	pthread_mutex_init(&g->guard_lock, NULL);
	randombytes_buf(g->secret, sizeof(g->secret));
	return g;
}

/**
 * guard_free() - Forget all
 * @g: or NULL
 */
void guard_free(struct guard *g)
{
	if (!g)
		return;
	pthread_mutex_destroy(&g->guard_lock);
	free(g);
}

static uint64_t hash(const struct guard *g, const char *text, size_t size)
{
	unsigned char out[crypto_shorthash_BYTES];
	uint64_t key;

	crypto_shorthash(out, (const unsigned char *)text, size, g->secret);
	memcpy(&key, out, sizeof(key));
	return key | 1; /* 0 is a free bucket */
}

/**
 * guard_key() - Who tries
 * @g:	     the guard
 * @user:    by one name, however he calls himself
 * @address: as http_peer() tells it; one of a network of IPv6 is as good as another
 *
 * Context: any thread.
 */
struct guard_key guard_key(const struct guard *g, const char *user, const char *address)
{
	char group[LIMIT_GROUP_LEN], text[512];
	int n;

	limit_group(address, group);
	n = snprintf(text, sizeof(text), "%s %s", group, user);
	return (struct guard_key){ hash(g, text, MIN((size_t)n, sizeof(text) - 1)),
				   hash(g, group, strlen(group)) };
}

/**
 * guard_wait_ms() - May he try?
 * @g:	    the guard
 * @key:    who
 * @now_ms: monotonic clock
 *
 * Return: 0; or in how many milliseconds he may.
 * Context: any thread, as all that follow.
 */
uint64_t guard_wait_ms(struct guard *g, const struct guard_key *key, uint64_t now_ms)
{
	const struct bucket *user;
	uint64_t wait;
	bool known;

	pthread_mutex_lock(&g->guard_lock);
	user = find(g, key->user);
	wait = wait_ms(user, &user_rate, now_ms);
	known = user->known;
	if (!known)
		wait = MAX(wait, wait_ms(find(g, key->address), &address_rate, now_ms));
	pthread_mutex_unlock(&g->guard_lock);
	return wait;
}

/**
 * guard_knows() - Has he logged in from there before?
 * @g:   the guard
 * @key: who
 */
bool guard_knows(struct guard *g, const struct guard_key *key)
{
	bool known;

	pthread_mutex_lock(&g->guard_lock);
	known = find(g, key->user)->known;
	pthread_mutex_unlock(&g->guard_lock);
	return known;
}

/**
 * guard_failed() - He tried a wrong password
 * @g:	    the guard
 * @key:    who
 * @now_ms: monotonic clock
 */
void guard_failed(struct guard *g, const struct guard_key *key, uint64_t now_ms)
{
	pthread_mutex_lock(&g->guard_lock);
	fill(find(g, key->user), &user_rate, now_ms);
	fill(find(g, key->address), &address_rate, now_ms);
	pthread_mutex_unlock(&g->guard_lock);
}

/**
 * guard_passed() - His password was right: his failures are forgiven, the address's are not
 * @g:   the guard
 * @key: who
 */
void guard_passed(struct guard *g, const struct guard_key *key)
{
	struct bucket *user;

	pthread_mutex_lock(&g->guard_lock);
	user = find(g, key->user);
	user->due_ms = 0;
	user->known = true;
	pthread_mutex_unlock(&g->guard_lock);
}
