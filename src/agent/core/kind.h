/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kind of thing that the agent looks after: a folder of kinds/ whose one symbol for the others is
 * its struct agent_kind. The loop walks the table of them that the main hands it (agentd.c); a kind
 * that is not in it leaves no trace, and what the API says of such things is passed over.
 *
 *	document -> parse -> plan <- observe <- a look at the host
 *	                      |
 *	                      v
 *	                    step, in a work queue -> wake -> look, plan again -> status -> report
 */
#ifndef ANYVF_AGENT_CORE_KIND_H
#define ANYVF_AGENT_CORE_KIND_H

#include <jansson.h>

#include "agent/host/work.h"

struct agent;
struct entity;

/* A side of the host that is looked at. */
enum agent_side { SIDE_NONE, SIDE_SWITCH, SIDE_LIBVIRT, SIDE_N };

/*
 * All called in the loop's thread, none may block. @x is of this kind: the first member of the
 * kind's own struct. What may be left out says so.
 */
struct agent_kind {
	const char *name;
	const char *words[2]; /* kinds of documents (docs/agent-api.md); a report has the same */
	size_t size;	      /* of the kind's struct */
	enum agent_side side; /* observe() follows a look at it, a look follows each step */

	/* Once: what it needs on this host. Optional. */
	int (*open)(struct agent *a, struct err *e);
	/* @x is new and zeroed: queues, and what a record tells. On failure fini() follows. Optional. */
	int (*init)(struct agent *a, struct entity *x);
	void (*fini)(struct entity *x);
	/* Takes over what a document says, whole or not at all; nobody else keeps the document. */
	int (*parse)(struct agent *a, struct entity *x, json_t *doc, struct err *e);
	/* Adds what is there although nobody wants it. Optional. */
	void (*discover)(struct agent *a);
	/* After a look: what is there. Not called while a step runs. Optional. */
	void (*observe)(struct agent *a, struct entity *x);
	/* The next step by the kind's own enum; 0: none. Not called while a step runs. */
	int (*plan)(struct agent *a, struct entity *x);
	/* Begins it, by step_begin(). */
	void (*step)(struct agent *a, struct entity *x, int step);
	/* What goes on beside steps, over the guest's monitor. Optional. */
	void (*beside)(struct agent *a, struct entity *x);
	/* QEMU has announced something about it. Optional. */
	void (*event)(struct agent *a, struct entity *x);
	/* Is something on its way that no step of ours does? Optional. */
	bool (*waits)(const struct entity *x);
	/* What is to be reported, a new object without the generation; NULL: nothing yet. */
	json_t *(*status)(const struct entity *x);
	/* Is nothing left of it, which nobody wants any more? Optional: nothing is. */
	bool (*gone)(const struct entity *x);
};

/* A step that runs: the first member of a kind's job. */
struct step {
	struct agent *agent;
	struct entity *entity;	      /* stays as long as its step runs */
	const char *failure;	      /* in the log, of one that failed */
	void (*done)(struct step *s); /* in the loop: takes over what came of it, frees the job */
	int rc;
	struct err e;
};

int step_begin(struct step *s, struct agent *a, struct entity *x, struct work_queue *q,
	       work_fn run);

#endif
