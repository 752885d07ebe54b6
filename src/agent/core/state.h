/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent knows: what is wanted (from the API), what is there (from
 * libvirt, the switch, the file system) and what was said up last. Writer of
 * everything here: the loop's thread; jobs in work queues get copies.
 */
#ifndef ANYVF_AGENT_CORE_STATE_H
#define ANYVF_AGENT_CORE_STATE_H

#include <limits.h>

#include "agent/core/agent.h"
#include "agent/core/door.h"
#include "agent/core/have.h"
#include "agent/core/kind.h"
#include "agent/core/slice.h"
#include "agent/core/want.h"
#include "agent/host/host.h"
#include "agent/host/pfs.h"
#include "agent/host/record.h"
#include "agent/host/virt.h"
#include "agent/host/work.h"
#include "base/log.h"
#include "base/omap.h"

/* A step that failed is tried again later and later. */
struct retry {
	unsigned int n; /* failures in a row */
	uint64_t at_ms; /* not before; loop_now_ms() */
	char *why;	/* the last failure's words; NULL after a success */
};

/* What the API was told about something. */
struct report {
	json_t *sent;	    /* as it was acknowledged; NULL: nothing yet */
	json_t *sending;    /* on its way; NULL: none is */
	json_t *refused;    /* what did not arrive, or not where it was understood; NULL: nothing */
	unsigned int tries; /* of that, in a row */
	uint64_t retry_ms;
};

/* A thing of some kind: what all have. Its kind's struct begins with it. */
struct entity {
	char id[UUID_STR_LEN];
	const struct agent_kind *kind;
	const struct omap_node *node; /* its place among those of its kind */
	const char *word;	      /* its document's kind; NULL: it never had one */
	bool wanted;	    /* by the API, as its kind's struct has it; false: not any more */
	bool busy;	    /* a step runs */
	int64_t generation; /* of the document that was taken over last */
	uint64_t stamp;	    /* agent.clock when its last step ended */
	struct retry retry;
	struct report report;
};

/* What kinds may know of each other's things; each begins its kind's struct. Writer: that kind. */
struct server_facts {
	struct entity entity;
	struct want_server want;
	struct server_have have;
	struct work_queue *monitor; /* QMP: may hang without delaying its steps */
};

struct port_facts {
	struct entity entity;
	struct want_port want;
	struct port_have have;
};

struct net_facts {
	struct entity entity;
	struct want_net want;
};

/* What was done to things of a kind, since the agent was started. */
struct kind_counts {
	uint64_t good, failed; /* steps that ended */
	uint64_t retries;      /* begun where the last one had failed */
};

struct agent {
	struct loop *loop;
	struct agent_opts opts;
	const struct agent_kind *const *kinds; /* NULL behind the last */
	struct omap **entities;		       /* of each kind: id -> struct entity */
	struct kind_counts *steps;	       /* of each kind */
	char *dir;			       /* state_dir/agent */
	char boot_id[HOST_BOOT_ID_LEN];
	uint64_t clock; /* counts steps; orders observations against them */

	/* The sides of the host, each with a queue for looks at it. */
	struct {
		struct work_queue *queue;
		struct look *look; /* one at a time */
		bool looking, again;
		uint64_t took_ms; /* the last look */
	} sides[SIDE_N];
	struct pfs_view *view; /* the last look at the switch; NULL: none */
	json_t *inventory;     /* of that look; NULL: it was not asked for */
	struct virt *virt;
	bool virt_connected;
	unsigned long virt_version;
	unsigned int n_domains;
	struct virt_domain *domains; /* array of n_domains: the last look at libvirt */
	enum { ACCEL_UNKNOWN, ACCEL_KVM, ACCEL_TCG } accel;

	struct door *door;
	struct put_job *puts; /* to the API, the first of them is on its way: report.c */
	struct slice told;
	int64_t revision; /* of the desired state we follow: none lower is believed; -1: none yet */
	bool read_all;
	unsigned int follow_tries; /* that led to nothing, in a row */
	uint64_t mend_ms;	   /* not before: read all because a change was missed */
	uint64_t asked_ms;	   /* when the API was asked for more; 0: it is not */
	bool desired_known;
	bool host_sending;
	json_t *host_said; /* what the API knows by a name; NULL: nothing */
	char known_as[65]; /* that name */
	unsigned int heartbeat_s;
	uint64_t heartbeat_ms; /* next one */
	int api_state;	       /* as it was told in the log: follow.c */
	const char *api_url;   /* likewise; NULL: none yet */
	struct agent_counts counts;

	struct loop_timer *tick, *wake;
	uint64_t tick_ms; /* when that comes next; 0: not known */
	unsigned int due; /* sides to look at when it wakes, 1 << enum agent_side */
	bool stopping;
};

/* loop.c */
uint64_t tick_pause(uint64_t took_ms, bool hurry);
uint64_t tick_wait(uint64_t now_ms, uint64_t ms);

/* state.c: what is known of whom */
int state_open(struct agent *a, struct err *e);
int state_apply(struct agent *a, const char *word, const char *id, json_t *doc);
int state_apply_all(struct agent *a, const json_t *desired);
void state_drop_gone(struct agent *a);
struct entity *entity_find(struct agent *a, const char *kind, const char *id);
struct entity *entity_add(struct agent *a, const struct agent_kind *kind, const char *id);
struct entity *entity_next(const struct agent *a, const struct agent_kind *kind,
			   const struct entity *after);
struct kind_counts *steps_of(const struct agent *a, const struct agent_kind *kind);
const struct server_facts *facts_server(struct agent *a, const char *id);
const struct port_facts *facts_port(struct agent *a, const char *id);
const struct port_facts *facts_port_next(struct agent *a, const struct port_facts *after);
const struct net_facts *facts_net(struct agent *a, const char *id);

void agent_wake(struct agent *a, enum agent_side side);
void retry_later(struct retry *r, const char *what, const char *id, const struct err *e);
const char *retry_why(const struct retry *r);
bool retry_due(const struct retry *r, uint64_t in_ms);

/* files.c: what lies in the agent's directory */
void agent_socket_path(const struct agent *a, const char *port, char out[VF_PATH_LEN + 1]);
void agent_server_dir(const struct agent *a, const char *server, char out[PATH_MAX]);

/* look.c: what is there */
int look_open(struct agent *a, struct err *e);
void look_at(struct agent *a, enum agent_side side);

/* follow.c: what the API wants */
void follow_start(struct agent *a);
void follow_heard(struct agent *a);
bool follow_is_up(const struct agent *a);

/* report.c: what the API is told */
void report_all(struct agent *a);
json_t *report_words(const char *words);
json_t *report_status(const char *status, const char *reason);

#endif
