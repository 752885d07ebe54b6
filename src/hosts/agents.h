/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts and their agents: the inventory /agent/HOST and who is alive. The
 * endpoints /anyvf/v1 (docs/agent-api.md) are agents_feature.
 */
#ifndef ANYVF_HOSTS_AGENTS_H
#define ANYVF_HOSTS_AGENTS_H

#include "engine/feature.h"

extern const struct service agents_service;
extern const struct feature agents_feature;

/* liveness.c */
void *liveness_open(void);
void liveness_close(void *kept);
unsigned int agent_heartbeat_s(const struct call *c);
int agent_heard(const struct call *c, const char *host);
bool agent_alive(struct call *c, const char *host);
unsigned int agent_silent_s(struct call *c, const char *host);
void agent_seen_time(struct call *c, const char *host, char out[32]);
int liveness_listen(struct call *c);
int liveness_mark(struct call *c);
int liveness_tell_gone(struct call *c);

/* settings.c */
const json_t *host_settings(struct call *c, const char *host);
int host_set(struct call *c, const char *host, const json_t *changes);
bool host_takes_servers(struct call *c, const char *host);
bool host_is_used(struct call *c, const char *host);
int host_forget(struct call *c, const char *host);

/* Handlers of their API beside agents.c's own: inventory.c, reports.c. */
int inventory_get(struct call *c);
int inventory_put(struct call *c);
int host_check_caller(struct call *c, const char *host);
int report_put(struct call *c);

#endif
