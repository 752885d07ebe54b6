/* SPDX-License-Identifier: Apache-2.0 */
/* Servers: a domain for each, with disk, config drive and console log. */
#ifndef ANYVF_AGENT_KINDS_SERVER_SERVER_H
#define ANYVF_AGENT_KINDS_SERVER_SERVER_H

#include "agent/core/have.h"
#include "agent/core/state.h"
#include "agent/core/want.h"
#include "agent/kinds/server/domxml.h"

enum server_step {
	SERVER_STEP_NONE,
	SERVER_STEP_START,
	SERVER_STEP_STOP,
	SERVER_STEP_PAUSE,
	SERVER_STEP_UNPAUSE,
	SERVER_STEP_SUSPEND, /* save it, without VFs, and end it */
	SERVER_STEP_RESUME,  /* from where it was saved */
	SERVER_STEP_FORGET,  /* what was saved */
	SERVER_STEP_REBUILD, /* end it, and let its disk go */
	SERVER_STEP_RESIZE,  /* give one that is off its other disk */
	SERVER_STEP_SWEEP,   /* remove disks that it has no use for any more */
	SERVER_STEP_COPY,    /* its disk, for an image */
	SERVER_STEP_TIDY,    /* remove what an image that nobody wants any more left */
	SERVER_STEP_REBOOT,  /* end the domain and start it anew */
	SERVER_STEP_LOOK,    /* ask QEMU which VFs the domain has */
	SERVER_STEP_UNPLUG,  /* take VFs from the guest that are not its ports' any more */
	SERVER_STEP_PLUG,    /* give it those of its ports that it lacks */
	SERVER_STEP_DELETE,  /* domain, disks, records */
};

struct server {
	struct server_facts facts;
	bool started;		    /* record: it was started in this boot, and not ended by us */
	bool starting, asking;	    /* a step starts it; or asks QEMU, which may hang, ... */
	bool ending;		    /* ... and its end was asked for meanwhile */
	struct work_queue *steps;   /* domain and disks */
	unsigned int starts;	    /* that libvirt did not bring up, ... */
	uint64_t starts_generation; /* ... for this document */
	char fault[256];	    /* why the start failed for good */
	struct work_queue *exports; /* of its disk as an image */
	bool exporting, littered;   /* such a job runs; and files of one may lie there */
	struct retry export_retry;
	/* record: ids of the images whose disk was copied, and that is done; why it failed, or "" */
	char copied[UUID_STR_LEN], exported[UUID_STR_LEN], export_fault[256];
};

/* Copies of all a step needs; the things may change or go meanwhile. */
struct server_job {
	struct step step;
	enum server_step what;
	struct want_server want;
	unsigned int n_ports;
	struct want_port ports[WANT_PORTS_MAX];
	struct port_plug plugs[WANT_PORTS_MAX]; /* of each port */
	struct want_net nets[WANT_PORTS_MAX]; /* of each port; doc NULL: not known */
	bool kvm, no_msix;
	unsigned int disk; /* that it has */
	char dir[PATH_MAX - 64];
	struct nics nics; /* that the domain has; of a look afterwards */
	bool looked;
	bool begun; /* libvirt was asked to start the domain */
	bool ended; /* the domain was ended, whatever came then */
};

extern const struct agent_kind server_kind;

int want_server_parse(json_t *doc, struct want_server *out, struct err *e);
enum server_step plan_server(const struct want_server *want, const struct server_have *have);
bool plan_waits(const struct want_server *want, const struct server_have *have);
const char *plan_server_status(const struct want_server *want, const struct server_have *have);
bool plan_passes(int rc);
bool plan_unplug_failed(const struct want_server *want, const struct server_have *have);
bool plan_start_again(int rc, bool begun, unsigned int starts);
int plan_power_state(const struct server_have *have);

/* ports.c: a server's ports, and the VFs its domain has */
bool server_port_ready(const struct port_facts *p);
bool server_port_missing(const struct server_facts *f, const struct port_facts *p);
void server_nics_wanted(const struct want_server *want, struct nics *out);
const struct port_facts *server_port_refused(struct agent *a, const struct want_server *want);
struct domxml_port server_nic(const struct server_job *j, unsigned int i,
			      char socket[VF_PATH_LEN + 1]);
int server_look(struct server_job *j);
int server_plug(struct server_job *j);
int server_unplug(struct server_job *j);

void server_recall(const struct agent *a, struct server *s);
void server_keep(const struct agent *a, const struct server *s);
void server_step(struct agent *a, struct entity *x, int step);
void server_end_hung(struct agent *a, struct entity *x);
int server_start(struct server_job *j);
int server_resize(struct server_job *j);
int server_sweep(struct server_job *j);

/* suspend.c */
bool server_saved(const char *dir);
int server_suspend(struct server_job *j);
int server_resume(struct server_job *j);
int server_forget(struct server_job *j);
int server_rebuild(struct server_job *j);

/* export.c: images of disks */
int server_copy(struct server_job *j);
void server_tidy(const char *dir);
bool server_littered(const char *dir);
void server_export(struct agent *a, struct entity *x);
void server_exported(const struct agent *a, struct server *s, const char *image, const char *why);
json_t *server_export_status(const struct server *s);

#endif
