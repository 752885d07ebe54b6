/* SPDX-License-Identifier: Apache-2.0 */
/* Who may be at the other end of a vhost-user socket: SO_PEERCRED against a list of accounts. */
#ifndef ANYVF_SW_PARENT_PEERS_H
#define ANYVF_SW_PARENT_PEERS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

#define PEERS_MAX 32

struct peers {
	uid_t uids[PEERS_MAX];
	unsigned int n;
};

int peers_read(const char *words, struct peers *out, struct err *e);
bool peers_has(const struct peers *peers, uid_t uid);
int peers_check(const struct peers *peers, int sock, struct err *e);

#endif
