/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens whose signature was checked, by their text: a client shows the same one with each request,
 * and it is read twice for each, when the headers are there and when the body is. What a token is
 * good for is asked anew each time. A place by its first characters, which are its MAC's; only what
 * was signed by us takes one, from whoever had it.
 */
#include "identity/known.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define PLACES 512

struct place {
	char *text; /* owned; NULL: nobody's */
	struct token token;
};

struct known {
	uint64_t keys; /* version of the keys' document */
	struct place *places[PLACES];
};

static void forget(struct known *k)
{
	for (unsigned int i = 0; i < PLACES; i++) {
		if (!k->places[i])
			continue;
		free(k->places[i]->text);
		free(k->places[i]);
		k->places[i] = NULL;
	}
}

/**
 * known_new() - Know no token
 *
 * Return: freed with known_free(); NULL without memory.
 */
struct known *known_new(void)
{
	return calloc(1, sizeof(struct known));
}

/**
 * known_free() - Forget all
 * @k: or NULL
 */
void known_free(struct known *k)
{
	if (k)
		forget(k);
	free(k);
}

static struct place **place_of(struct known *k, const char *text)
{
	unsigned int hash = 0;

	for (unsigned int i = 0; i < 8 && text[i]; i++)
		hash = hash * 67 + (unsigned char)text[i];
	return &k->places[hash % PLACES];
}

/**
 * known_find() - Was a token's signature checked already?
 * @k:    or NULL
 * @keys: version of the keys in force; 0: they are not on disk yet. With others all is forgotten
 * @text: what the client sent
 *
 * It takes as long for any text of the same length: nobody learns by it what another's token is.
 *
 * Return: what it says, borrowed until the next call; NULL: it is not known.
 */
const struct token *known_find(struct known *k, uint64_t keys, const char *text)
{
	const struct place *p;
	size_t len = strlen(text);

	if (!k || !keys)
		return NULL;
	if (k->keys != keys)
		forget(k);
	k->keys = keys;
	p = *place_of(k, text);
	return p && strlen(p->text) == len && !sodium_memcmp(p->text, text, len) ? &p->token : NULL;
}

/**
 * known_keep() - A token's signature is good
 * @k:    or NULL
 * @keys: as known_find(), which was asked before
 * @text: copied
 * @t:    what it says
 */
void known_keep(struct known *k, uint64_t keys, const char *text, const struct token *t)
{
	struct place **at, *p;
	char *copy;

	if (!k || !keys || k->keys != keys)
		return;
	at = place_of(k, text);
	p = *at ?: calloc(1, sizeof(*p));
	copy = strdup(text);
	if (!p || !copy) {
		if (p != *at)
			free(p);
		free(copy);
		return;
	}
	free(p->text);
	p->text = copy;
	p->token = *t;
	*at = p;
}
