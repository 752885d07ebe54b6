/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's login: a user's name and password, and the token it got for them. Who has no token
 * waits for the one login that is under way.
 */
#ifndef ANYVF_AGENT_CORE_PASS_H
#define ANYVF_AGENT_CORE_PASS_H

#include "httpc/httpm.h"

#define PASS_HEADER_LEN 600

struct pass;

/* A login has ended: rc 0, or why there is no token. */
typedef void (*pass_fn)(void *arg, int rc, const char *why);

int pass_open(struct httpm *http, const char *credentials, const struct httpc_trust *trust,
	      struct pass **out, struct err *e);
void pass_close(struct pass *p);
AUTO_DEFINE(struct pass *, pass_close)
const struct httpc_trust *pass_trust(const struct pass *p);
bool pass_header(struct pass *p, char out[PASS_HEADER_LEN], unsigned int *login);
void pass_refused(struct pass *p, unsigned int login);
int pass_login(struct pass *p, const char *base, pass_fn fn, void *arg, struct err *e);

#endif
