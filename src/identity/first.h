/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first users' passwords and the files they are written to. The files are
 * root's and the agent's, so a daemon that runs as its own account leaves a
 * process of root behind while it starts, which does this one thing.
 */
#ifndef ANYVF_IDENTITY_FIRST_H
#define ANYVF_IDENTITY_FIRST_H

#include <sys/types.h>

#include "base/err.h"

#define FIRST_PASSWORD_LEN 21 /* with its NUL */

struct first {
	char admin[FIRST_PASSWORD_LEN], demo[FIRST_PASSWORD_LEN], agent[FIRST_PASSWORD_LEN];
	char agent_name[300];
};

struct first_place {
	const char *openrc;	/* demo-openrc and agent.json lie beside it */
	const char *public_url; /* of the API, for openrc */
	const char *ca_file;	/* what clients check it with, for openrc; "": what they have */
	const char *host;	/* the agent's; "": the machine's name */
	uid_t agent;		/* owner of agent.json; 0: whoever writes it */
};

int first_write(const struct first_place *at, struct first *out, struct err *e);
void first_forget(const struct first_place *at);
int first_helper_start(const struct first_place *at, int *sock, pid_t *pid, struct err *e);
int first_helper_ask(void *sock, struct first *out, struct err *e);

#endif
