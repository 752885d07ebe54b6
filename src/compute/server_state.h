/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a server: Nova's vm_state and task_state, which action is allowed
 * when, and what an agent's report makes of them. Pure, on the stored document.
 */
#ifndef ANYVF_COMPUTE_SERVER_STATE_H
#define ANYVF_COMPUTE_SERVER_STATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum power_state { POWER_NONE = 0, POWER_RUNNING = 1, POWER_PAUSED = 3, POWER_OFF = 4 };

const char *server_status(const json_t *server);
const char *server_status_vm_state(const char *status);
int server_may(const json_t *server, const char *action, struct err *e);
void server_begin(json_t *server, const char *action);
void server_finish(json_t *server, const char *now, const char *failure);
void server_leave_rescue(json_t *server);
void server_resize_back(json_t *server);
const char *server_resize_status(const json_t *server, const char *was, bool *over);
void server_fail(json_t *server, const char *message, const char *brief, const char *now);
void server_report(json_t *server, const json_t *desired, const json_t *report, const char *now);

#endif
