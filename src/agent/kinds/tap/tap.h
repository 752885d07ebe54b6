/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tap flows and tap mirrors: mirrors on the switch between the VFs that ports
 * have, or from one to another host.
 */
#ifndef ANYVF_AGENT_KINDS_TAP_TAP_H
#define ANYVF_AGENT_KINDS_TAP_TAP_H

#include "agent/core/want.h"
#include "model/collector.h"

/* One mirror of a tap: a flow has one, a tap mirror one for each tunnel id. */
struct want_leg {
	bool wanted;
	uint8_t dir; /* enum mirror_dir */
	uint32_t id; /* of the tunnel; 0 in a flow */
};

#define WANT_LEGS 3 /* by enum mirror_dir for tap mirrors; a flow's is the last */

/* A tap flow or tap mirror: a port whose frames are copied. */
struct want_tap {
	json_t *doc;
	uint64_t generation;
	const char *id;
	const char *source;    /* id of the port that is watched */
	const char *port;      /* id of the port that gets the copies; NULL: remote does */
	const char *remote;    /* IP address, or NULL */
	bool by_admin;	       /* remote was chosen by an admin of the cloud */
	char refused[256];     /* by want_tap_judge(): why frames may not go there; "": they may */
	uint8_t to;	       /* enum mirror_to */
	struct vlan_set vlans; /* only frames of these are copied; unset: any */
	struct want_leg legs[WANT_LEGS];
};

enum tap_step {
	TAP_STEP_NONE,
	TAP_STEP_ADD,	 /* a mirror on the switch */
	TAP_STEP_REMOVE, /* also one that is not as it should be: it is made anew */
};

struct tap_have {
	bool known;   /* the API has told its wishes, and the switch its mirrors */
	bool ports;   /* its ports have their VFs here */
	bool surplus; /* the switch has a mirror with its name that is not wanted so */
	bool missing; /* the switch lacks a mirror of it */
};

extern const struct agent_kind tap_kind;

int want_tap_parse(json_t *doc, struct want_tap *out, struct err *e);
void want_tap_judge(struct want_tap *t, const struct collectors *listed);
enum tap_step plan_tap(const struct tap_have *have);
const char *plan_tap_status(const struct tap_have *have, bool failed);

#endif
