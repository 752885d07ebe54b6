/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failed logins. Each costs its user at its address one of a few tries, and
 * the address one of many; they come back with time. Nobody's failures count
 * for a user at another address, and who has logged in from an address is held
 * to his own failures there alone: so nobody locks another out.
 */
#ifndef ANYVF_IDENTITY_GUARD_H
#define ANYVF_IDENTITY_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"

struct guard;

/* Who tries, as keys of the guard that made it. */
struct guard_key {
	uint64_t user, address; /* the user at the address; the address */
};

struct guard *guard_new(void);
void guard_free(struct guard *g);
AUTO_DEFINE(struct guard *, guard_free)

struct guard_key guard_key(const struct guard *g, const char *user, const char *address);
uint64_t guard_wait_ms(struct guard *g, const struct guard_key *key, uint64_t now_ms);
bool guard_knows(struct guard *g, const struct guard_key *key);
void guard_failed(struct guard *g, const struct guard_key *key, uint64_t now_ms);
void guard_passed(struct guard *g, const struct guard_key *key);

#endif
