/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about a server: each is answered once, by its report. */
#ifndef ANYVF_AGENT_KINDS_QUESTION_QUESTION_H
#define ANYVF_AGENT_KINDS_QUESTION_QUESTION_H

#include "agent/core/state.h"

struct question {
	struct entity entity;
	char server[UUID_STR_LEN];
	unsigned int lines; /* of its console, from the end; 0: all */
	json_t *answer;	    /* NULL: not known yet */
	struct work_queue *steps;
};

/* What a port's VF is asked for by. */
struct question_vf {
	char pf[PF_NAME_LEN + 1];
	unsigned int vf;
	struct mac mac; /* the port's */
};

/* Copies of all that an answer needs. */
struct question_job {
	struct step step;
	json_t *answer; /* NULL after a failure */
	char server[UUID_STR_LEN];
	char path[PATH_MAX]; /* of its console's log */
	unsigned int lines;
	struct virt *virt;
	const char *run_dir;
	bool kvm;
	unsigned int n_vfs;
	struct question_vf vfs[WANT_PORTS_MAX]; /* in the order of the guest's NICs */
};

extern const struct agent_kind question_kind;

/* One a word; in the job's queue. */
void question_console(void *job);
void question_diagnostics(void *job);

#endif
