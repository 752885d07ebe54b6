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

/* ask.c: questions to the host's agent */
int ask_sweep(struct call *c);
int host_ask(struct call *c, const char *kind, const json_t *server, json_t *more_taken,
	     json_t **answer);
json_t *host_question(struct call *c, const char *host, const char *id, const json_t *have);
int host_answered(struct call *c, const char *host, const char *kind, const char *id,
		  const json_t *said);

/* console.c, diagnostics.c */
extern const struct wish_kind console_wish, diagnostics_wish;
int action_console(struct call *c, const json_t *args);
int action_diagnostics(struct call *c);

/* image.c */
int action_image(struct call *c, const json_t *args);

/* rebuild.c */
int action_rebuild(struct call *c, const json_t *args);

/* resize.c */
int action_resize(struct call *c, const json_t *args);
int action_confirm(struct call *c, const json_t *args);
int action_revert(struct call *c, const json_t *args);

/* rescue.c */
int action_rescue(struct call *c, const json_t *args);
int action_unrescue(struct call *c, const json_t *args);

#endif
