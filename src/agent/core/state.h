/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent knows: per server, port and network what is wanted (from the
 * API), what is there (from libvirt, the switch, the file system) and what was
 * said up last. Private to the room. Writer of everything here: the loop's
 * thread; jobs in work queues get copies.
 */
#ifndef ANYVF_AGENT_CORE_STATE_H
#define ANYVF_AGENT_CORE_STATE_H

#include <limits.h>

#include "agent/core/agent.h"
#include "agent/kinds/net/dhcp.h"
#include "agent/kinds/server/domxml.h"
#include "agent/core/door.h"
#include "agent/host/host.h"
#include "agent/host/pfs.h"
#include "agent/core/plan.h"
#include "agent/host/virt.h"
#include "agent/host/work.h"
#include "base/log.h"
#include "base/omap.h"

/* In the run directory; written by `anyvf down` when it has ended the guests. */
#define AGENT_GUESTS_ENDED "guests-ended"

/* A step that failed is tried again later and later. */
struct retry {
	unsigned int n; /* failures in a row */
	uint64_t at_ms; /* not before; loop_now_ms() */
	char why[256];	/* the last failure's words; "" after a success */
};

/* What the API was told about something. */
struct report {
	json_t *sent;	 /* as it was acknowledged; NULL: nothing yet */
	json_t *sending; /* on its way; NULL: none is */
	uint64_t retry_ms;
};

struct server {
	char id[UUID_STR_LEN];
	struct want_server want; /* want.doc NULL: nothing is wanted of it any more */
	struct server_have have;
	bool started;		  /* record: it was started in this boot, and not ended by us */
	bool busy;		  /* a step runs */
	bool starting, rescued;	  /* ... that starts it; and its end was asked for meanwhile */
	uint64_t stamp;		  /* agent.clock when a step began or ended last */
	struct work_queue *steps; /* domain and disks */
	struct work_queue *qmp;	  /* monitor: may hang without delaying the steps */
	struct retry retry;
	unsigned int starts;	    /* that libvirt did not bring up, ... */
	uint64_t starts_generation; /* ... for this document */
	char fault[256];	    /* why the start failed for good */
	struct report report;
};

struct port {
	char id[UUID_STR_LEN];
	struct want_port want;
	struct port_have have;
	struct vf_config applied; /* what the agent wrote last; in a record too */
	bool applied_known;
	bool busy;
	struct retry retry;
	struct report report;
	/* The guest's side, once its driver is up. */
	bool rings; /* queues run */
	bool qmp_busy;
	bool filter_sent;		      /* the switch knows a filter of ours */
	unsigned int filter_due, filter_done; /* events seen, events served */
	uint64_t filter_ms;		      /* not before */
	bool guest_link;		      /* what QEMU shows the guest */
};

struct net {
	char id[UUID_STR_LEN];
	struct want_net want; /* want.doc NULL: only what is left of it matters */
	struct net_have have;
	struct dhcp_place at;
	char pf[PF_NAME_LEN + 1]; /* where the service port is */
	pid_t addressed;	  /* daemon that made the service port which has its addresses */
	char *conf, *hosts;	  /* what dnsmasq's files should be */
	bool busy;
	uint64_t stamp; /* agent.clock when its last step ended */
	struct work_queue *steps;
	struct retry retry;
	struct report report;
};

/* A tap flow or tap mirror: mirrors on the switch with names made of its id. */
struct tap {
	char id[UUID_STR_LEN];
	const char *kind;     /* "tap_flow", "tap_mirror" */
	struct want_tap want; /* want.doc NULL: mirrors that are to go */
	struct tap_have have;
	struct mirror_config found[WANT_LEGS]; /* what the switch has; no name: nothing */
	bool busy;
	struct retry retry;
	struct report report;
};

struct agent {
	struct loop *loop;
	struct agent_opts opts;
	struct collectors collectors; /* from opts */
	char dir[PATH_MAX - 256];     /* state_dir/agent */
	char boot_id[HOST_BOOT_ID_LEN];
	struct omap *servers, *ports, *nets, *taps; /* id -> struct */
	uint64_t clock; /* counts steps; orders observations against them */

	struct virt *virt;
	struct work_queue *virt_queue;
	bool virt_connected, listing, list_again;
	unsigned long virt_version;
	enum { ACCEL_UNKNOWN, ACCEL_KVM, ACCEL_TCG } accel;

	struct pfs_view *view; /* the last look at the switch; NULL: none */
	uint64_t view_ms;
	struct work_queue *switch_queue;
	bool observing, observe_again;

	struct door *door;
	struct work_queue *watch_queue, *report_queue;
	struct httpc *watch_http, *report_http;
	int64_t revision; /* of the desired state we follow; -1: read it all */
	bool desired_known;
	bool host_sending;
	unsigned int heartbeat_s;
	uint64_t heartbeat_ms; /* next one */
	bool api_lost;	       /* said so in the log */

	struct loop_timer *tick;
	bool stopping;
};

void agent_evaluate(struct agent *a);
void agent_observe(struct agent *a);
void agent_list_domains(struct agent *a);
void agent_socket_path(const struct agent *a, const char *port, char out[VF_PATH_LEN + 1]);
void agent_server_dir(const struct agent *a, const char *server, char out[PATH_MAX]);
void retry_later(struct retry *r, const char *what, const char *id, const struct err *e);
bool retry_due(const struct retry *r);

/* state.c: what is known of whom */
struct server *entity_server(struct agent *a, const char *id);
struct port *entity_port(struct agent *a, const char *id);
struct net *entity_net(struct agent *a, const char *id);
struct tap *entity_tap(struct agent *a, const char *id);
struct tap *entity_tap_add(struct agent *a, const char *id);
void entity_apply(struct agent *a, const char *kind, const char *id, json_t *doc);
void entity_apply_all(struct agent *a, const json_t *desired);
void entity_drop_gone(struct agent *a);
void record_server(struct agent *a, const struct server *s);
void record_port(struct agent *a, const struct port *p);

/* kinds/port/kind.c, kinds/server/start.c: what is done about it */
void step_port(struct agent *a, struct port *p, enum port_step step);
void step_net(struct agent *a, struct net *n, enum net_step step);
void step_server(struct agent *a, struct server *s, enum server_step step);
void step_rescue(struct agent *a, struct server *s);

/* kinds/tap/kind.c: mirrors of tap flows */
void tap_observe_all(struct agent *a);
bool tap_evaluate_all(struct agent *a);

/* kinds/port/filter.c: the guest's side of a port, over QMP */
void guest_observe(struct agent *a, struct port *p, const struct vf_info *vf);
void guest_evaluate(struct agent *a, struct port *p);

/* follow.c: the API */
void follow_start(struct agent *a);
void follow_evaluate(struct agent *a);
void follow_console(struct agent *a, const char *request, const json_t *doc);

#endif
