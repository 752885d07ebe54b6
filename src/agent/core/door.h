/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's door to the API: login, JSON calls, image download. Calls block. */
#ifndef ANYVF_AGENT_CORE_DOOR_H
#define ANYVF_AGENT_CORE_DOOR_H

#include <jansson.h>

#include "httpc/httpc.h"

struct door;

int door_open(const char *base, const char *credentials, const struct httpc_trust *trust,
	      struct door **out, struct err *e);
void door_cancel(struct door *d);

int door_call(struct door *d, struct httpc *h, const char *method, const char *path,
	      const json_t *body, int timeout_ms, json_t **answer, struct err *e);
int door_upload(struct door *d, const char *path, int fd, struct err *e);
int door_fetch(struct door *d, const char *path, int fd, struct err *e);

#endif
