/* SPDX-License-Identifier: Apache-2.0 */
/* What one does with a server: inside of the folder, and its tables for compute.c. */
#ifndef ANYVF_COMPUTE_ACTIONS_ACTIONS_H
#define ANYVF_COMPUTE_ACTIONS_ACTIONS_H

#include "compute/compute.h"
#include "hosts/wishes.h"

extern const struct route action_routes[], console_routes[], interface_routes[];

/* begin.c */
json_t *action_begin(struct call *c, const char *action, const char *noted);
int action_commit(struct call *c, json_t *server_taken, unsigned int status);

/* interface.c */
int interface_report(struct call *c, const char *id, const json_t *said);

/* console.c */
extern const struct wish_kind console_wish;
extern const struct periodic console_periodics[];
int action_console(struct call *c, const json_t *args);

/* image.c */
int action_image(struct call *c, const json_t *args);

/* rebuild.c */
int action_rebuild(struct call *c, const json_t *args);

#endif
