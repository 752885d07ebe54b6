/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of a host made so: what a daemon does of it. All of it or nothing, kept or taken back by a
 * decision that is one for all daemons (base/decision.h).
 *
 * What is kept in the state file:
 *
 *   {"pending": {"id", "at", "force", "parts", "seconds", "boot", "begun_ms", "doing": true, RECORD},
 *    "last": {"id", "at", "force", "parts", RECORD}, "back": ID}
 *
 * RECORD is what was there: {"before": {"pfs", "mirrors", "unasked"}, "own": of the daemon,
 * "adopted": [PF]}.
 * "tries" counts ways back that ended for want of memory.
 * "doing" is there until all was done: a daemon that ends before goes back at its next start. "last"
 * was kept, "at" when it began (of the wall's clock: it only says which of two is the later), "back" is the last that was gone back from.
 */
#ifndef ANYVF_CTL_APPLY_H
#define ANYVF_CTL_APPLY_H

#include "model/pf_ops.h"

#define APPLY_SECONDS_MAX 86400u

/* What is asked for. */
struct apply_ask {
	char id[DECISION_ID_LEN + 1];
	uint32_t parts; /* daemons that make a part of it; nobody keeps it before all have */
	bool joined;	/* another daemon has begun with its part */
	uint32_t seconds; /* until it is taken back, unless it was kept */
	bool dry;	  /* only judged */
	bool force;	  /* VFs that are leased or in use notwithstanding */
	char is[65];	  /* host_hash() of what is thought to be there; "": any */
	char last[DECISION_ID_LEN +
		  1]; /* back to before this, the last that was kept; "": to @host */
	bool keep;    /* of an end: what to decide */
	json_t *host; /* {"pfs", "mirrors"} as a client sent it; borrowed; NULL: none */
};

int apply_get(const struct pf_ops *ops, void *ctx, json_t **out, struct err *e);
int apply_begin(const struct pf_ops *ops, void *ctx, const struct apply_ask *ask, struct err *e);
int apply_end(const struct pf_ops *ops, void *ctx, const char *id, bool keep, json_t **out,
	      struct err *e);
int apply_may_change(const struct pf_ops *ops, void *ctx, struct err *e);
bool apply_is_due(const struct pf_ops *ops, void *ctx, uint32_t *wait_ms);
int apply_settle(const struct pf_ops *ops, void *ctx, struct err *e);

#endif
