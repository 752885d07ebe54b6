/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the root parent of anyvf-swd lets its child have: read from the
 * configuration before the fork, so nothing the child says changes it.
 */
#ifndef ANYVF_SW_PARENT_PARENT_RULES_H
#define ANYVF_SW_PARENT_PARENT_RULES_H

#include "base/conf.h"
#include "sw/parent/netdev.h"
#include "sw/parent/peers.h"

struct request;

/* Lists are words between spaces or commas; "*" and "?" are patterns where that is said. */
struct parent_rules {
	const char *uplinks;	/* netdevs a PF may have for a wire, patterns; "": any */
	char *pf_uplinks;	/* those of [pf.NAME], which may be had, too */
	char *forced;		/* those of them with the word "force" */
	const char *taps;	/* names that taps may have, patterns */
	const char *adopt_taps; /* taps of others that may be used, patterns */
	char *mirror_dirs;	/* directories in which mirrors may write files */
	char *socket_dirs;	/* directories of vhost-user sockets */
	char *vhost_dir;	/* that of the switch: in it, each socket has one of its own */
	char *control, *reading; /* the control sockets */
	struct tap_mark mark;	/* how taps of ours are known */
	struct peers peers;	/* who may be a front end */
};

/* What the parent found out about the name in a request. */
struct parent_facts {
	bool default_route; /* the netdev carries one */
	enum tap_origin origin;
	struct tap_place at;  /* where the tap is, or is to be */
	unsigned int ifindex; /* of what is there; 0: nothing */
};

int parent_rules_read(const struct conf *conf, const char *run_dir, bool private,
		      struct parent_rules *out, struct err *e);
void parent_rules_fini(struct parent_rules *rules);
enum tap_origin parent_tap_origin(const struct parent_rules *rules, const char *name,
				  const struct tap_look *look);
int parent_judge(const struct parent_rules *rules, const struct request *q,
		 const struct parent_facts *facts, struct err *e);
const char *parent_dir_of(const char *dirs, const char *path, size_t *len);

#endif
