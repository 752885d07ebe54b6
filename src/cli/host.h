/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `anyvf host`: host.c tells of hosts and takes them out of use, host_add.c lets them come and go.
 * What a machine joins by is a token of one line: written by the one, read by join.c.
 */
#ifndef ANYVF_CLI_HOST_H
#define ANYVF_CLI_HOST_H

#include "cli/site.h"

#define HOST_TOKEN "anyvf1." /* what a token begins with: its version */

/* A member of a document as text; "" if there is none. */
static inline const char *text_of(const json_t *doc, const char *name)
{
	return json_string_value(json_object_get(doc, name)) ?: "";
}

int host_open(struct cli *cli, struct site *site, const char **host);

#define HOST_PASSWORD_LEN 33 /* with its NUL */
void host_password(char out[HOST_PASSWORD_LEN]);

#endif
