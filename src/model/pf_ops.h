/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs every kind of PF has: the software switch, the hardware daemon and
 * the fake of the tests implement these and nothing else; ctl serves them.
 *
 * All run in the control thread, block no longer than a fsync, are atomic
 * (validate all, then apply all, undo on failure), and return 0 or a negative
 * errno, the one the kernel gives for the same request where there is one:
 * -ENODEV unknown PF, -EINVAL VF out of range or value refused, -EBUSY in use,
 * -EEXIST, -ENOENT, -EOPNOTSUPP. `ctx` is the implementation's own.
 */
#ifndef ANYVF_MODEL_PF_OPS_H
#define ANYVF_MODEL_PF_OPS_H

#include "base/decision.h"
#include "model/pf.h"

struct vf_change {
	unsigned int vf;
	uint32_t changed;	/* bits by enum vf_field; only these members of want count */
	/* Likewise: what it has already, and counts as asked for; what does not count so any more. */
	uint32_t noted, forgotten;
	struct vf_config want;
	struct vlan_set trunk_add, trunk_rem; /* then, in this order, to the trunk; unset: nothing */
	struct mac_list allowed_add, allowed_rem; /* likewise, to the allowed addresses */
};

/* One command line of `link set`, applied as a whole or not at all. */
struct pf_change {
	uint32_t changed;	/* bits by enum pf_field */
	uint32_t noted, forgotten; /* likewise, as those of a VF */
	struct pf_config want;
	bool by_agent;		/* the agent's own write: clears "overridden", else it sets it */
	unsigned int n_vfs;
	struct vf_change *vfs;	/* array of n_vfs, in order; a VF may occur twice */
};

int vf_change_apply(const struct vf_config *old, const struct vf_change *change,
		    const struct pf_config *pf, struct vf_config *out, struct err *e);

/*
 * Many verbs as one change (ctl/apply.c), which a state file tells as a whole or not at all, and
 * which is gone back from. A record of it, kept, is in the state file with what it is about.
 */
struct pf_batch_ops {
	/* What was kept last, borrowed; NULL: nothing. */
	const json_t *(*kept)(void *ctx);
	/* Save @kept, copied, with all that was done so far; on failure neither is. */
	int (*keep)(void *ctx, const json_t *kept, struct err *e);
	/*
	 * Verbs of one change follow. @back: own() of what is gone back to, which ends as that says;
	 * what cannot be opened by then is tried later. NULL: forward.
	 */
	void (*begin)(void *ctx, const json_t *back);
	void (*end)(void *ctx, const json_t *back);
	/* What of the daemon's state a host's file (ctl/host.h) has not; a new reference. */
	json_t *(*own)(void *ctx);
	/* A copy on which verbs only judge; trial_end() frees it. NULL: no memory. */
	void *(*trial)(void *ctx);
	void (*trial_end)(void *copy);
	/* One decision for all daemons of this host, base/decision.h. */
	int (*decide)(void *ctx, const char *id, enum decision want, enum decision *is,
		      struct err *e);
	/* What of an attachment nobody asked for goes out of it. */
	void (*attach_plain)(void *ctx, const char *pf, unsigned int vf, struct vf_attach *a);
	/*
	 * Words that a NIC has without that anybody asked for them so: bits by enum vf_field, and of
	 * the PF itself (@vf -1) by enum pf_field. NULL: there are none.
	 */
	uint32_t (*unasked)(void *ctx, const char *pf, int vf);
};

struct pf_ops {
	const char *kind; /* "sw", "hw", "fake" */

	/* @said: bits by enum pf_field of what was asked for; the rest of @want is the default. */
	int (*pf_add)(void *ctx, const struct pf_config *want, uint32_t said, struct err *e);
	/* @reset: a NIC has no VFs afterwards; else it stays as it is. */
	int (*pf_del)(void *ctx, const char *pf, bool reset, struct err *e);
	int (*pf_set)(void *ctx, const char *pf, const struct pf_change *change, struct err *e);
	/* Names into out[max]; returns how many there are. */
	int (*pf_list)(void *ctx, char (*out)[PF_NAME_LEN + 1], unsigned int max);
	int (*pf_get)(void *ctx, const char *pf, struct pf_info *out, struct err *e);

	/* i counts from 0; -ENOENT past the end. May be NULL: nobody else can change anything. */
	int (*pf_drift)(void *ctx, const char *pf, unsigned int i, struct pf_drift_info *out,
			struct err *e);

	int (*vf_get)(void *ctx, const char *pf, unsigned int vf, struct vf_info *out,
		      struct err *e);
	/* Drops by reason, each with its last frame. May be NULL: nobody tells reasons. */
	int (*vf_drops)(void *ctx, const char *pf, unsigned int vf, struct vf_drop out[DROP_N],
			struct err *e);
	/* want->socket may be ""; the path used is in vf_get() afterwards. */
	int (*vf_attach)(void *ctx, const char *pf, unsigned int vf, const struct vf_attach *want,
			 struct err *e);
	int (*vf_detach)(void *ctx, const char *pf, unsigned int vf, struct err *e);
	/* Detach, forget guest addresses, all settings back to default, statistics to zero. */
	int (*vf_release)(void *ctx, const char *pf, unsigned int vf, struct err *e);
	/* filter NULL: the source of filters is gone. Refused addresses are no error. */
	int (*vf_filter)(void *ctx, const char *pf, unsigned int vf, const struct vf_filter *filter,
			 struct err *e);

	int (*svc_add)(void *ctx, const struct svc_config *want, struct err *e);
	int (*svc_del)(void *ctx, const char *pf, const char *name, struct err *e);
	/* Another VLAN for a port that is in use. */
	int (*svc_set)(void *ctx, const char *pf, const char *name, uint16_t vlan, struct err *e);
	/* i counts from 0; -ENOENT past the end. */
	int (*svc_get)(void *ctx, unsigned int i, struct svc_config *out);

	int (*mirror_add)(void *ctx, const struct mirror_config *want, struct err *e);
	/* Words of an existing mirror, as mirror_config_apply() takes them; it counts on. */
	int (*mirror_set)(void *ctx, const char *name, const struct mirror_config *want,
			  uint32_t changed, struct err *e);
	int (*mirror_del)(void *ctx, const char *name, struct err *e);
	int (*mirror_get)(void *ctx, unsigned int i, struct mirror_info *out);
	/* i counts from 0; -ENOENT past the end. May be NULL: there are none. */
	int (*worker_get)(void *ctx, unsigned int i, struct worker_info *out);
	/*
	 * Frames as pcapng into @fd, a stream socket, until the other end writes no more or is
	 * gone. @fd stays the caller's, who closes it. May be NULL.
	 */
	int (*capture)(void *ctx, const struct mirror_config *want, int fd, struct err *e);

	const struct pf_batch_ops *batch; /* NULL: there are none */
};

#endif
