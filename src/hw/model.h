/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the room keeps in memory of its PFs, shared by its files alone. Writer and reader: the
 * control thread.
 *
 * A verb reads the kernel, checks the words, makes a plan, writes into the state file how it is
 * taken back, runs it, puts the new wishes in place and saves them: whatever ends it on the way, the next
 * start finds what to take back, or nothing.
 */
#ifndef ANYVF_HW_MODEL_H
#define ANYVF_HW_MODEL_H

#include "hw/caps.h"
#include "hw/do.h"
#include "hw/hw.h"
#include "hw/link.h"
#include "hw/mirror_by.h"
#include "hw/netdev.h"
#include "hw/nic.h"
#include "hw/plan.h"

/* A PF's own words that the kernel has. */
#define HW_PF_OWN                                                                                  \
	(1U << PF_FIELD_MAC | 1U << PF_FIELD_MTU | 1U << PF_FIELD_UP | 1U << PF_FIELD_NUMVFS |     \
	 1U << PF_FIELD_GROUPS | 1U << PF_FIELD_ESWITCH)
#define HW_SVCS_MAX 256 /* service ports a PF */
/* What a VF is plugged into by now, as far as it can be seen. */
struct hw_plug {
	struct hw_vf_dev dev;
	struct hw_spot spot;	  /* its netdev */
	bool up;		  /* that, in this namespace */
	bool autoprobe;		  /* VFs get a driver of themselves */
	struct hw_netdev macvtap; /* on that; ifindex 0: none */
};

/* What was asked for of one VF. */
struct hw_vf_wish {
	uint32_t fields; /* bits by enum vf_field: what of config was asked for */
	struct vf_config config;
	uint32_t by_agent;   /* settings the agent wrote last or before a hand did; enum vf_field */
	uint32_t overridden; /* of these, the ones a hand changed since */
	/* Rates that the driver told when others were set: it rounds. */
	bool rounded;
	uint32_t max_tx_told, min_tx_told;
	struct vf_attach attach;
	char home
		[IF_NAMESIZE]; /* attached: name that its netdev had before, and gets back; "": none */
	bool probed;	       /* attached: it got its driver for that, and else has none */
};

#define HW_MIRRORS_MAX 64 /* of a PF */

/* A mirror, in a slot of its PF's. */
struct hw_mirror {
	char name[MIRROR_NAME_LEN + 1]; /* "": the slot is free */
	uint8_t from;			/* enum mirror_from: VF or VLAN */
	uint16_t from_vf, from_vlan, to_vf;
	uint8_t dir; /* enum mirror_dir */
	uint8_t by;  /* enum hw_mirror_by */
	/* MAC: the destination's address before, and whether one, and which, was asked for. */
	struct mac own, asked;
	bool was_asked;
	bool made_clsact; /* TC: the place for rules was none before */
};

/* What was asked for of a PF: a value. */
struct hw_wish {
	uint32_t fields; /* bits by enum pf_field: what of config was asked for */
	struct pf_config config;
	struct hw_vf_wish vfs[VF_MAX];
	struct hw_mirror mirrors[HW_MIRRORS_MAX];
	unsigned int n_svcs;
	struct svc_config svcs[HW_SVCS_MAX]; /* n_svcs; their PF's name may be an old one */
};

/* What is left to make of what was asked for, of a VF or of the PF itself (enforce.c). */
struct hw_due {
	uint32_t owed;	/* words to be made whatever the PF's policy is: nothing of them was kept */
	uint32_t tried; /* words that are tried again with the others alone */
	uint32_t said;	/* words whose refusal is in the log */
	uint32_t wait_ms; /* to the next try; 0: the first is at once */
	uint64_t next_ms;
};

struct hw_pf {
	char name[PF_NAME_LEN + 1]; /* of its netdev, as last seen */
	struct hw_nic nic;	    /* as last seen; the PF is known by its address */
	int ifindex;		    /* 0: the netdev is gone */
	int was;		    /* ifindex that it had last in this boot; 0: none yet */
	struct hw_plan undo;	    /* owned; to be taken back once the NIC is here again */
	bool said_gone;		    /* the log says that it is */
	bool adding;		    /* it is not in the state file yet */
	bool leaving;		    /* it is there until what is being done to it is done */
	struct hw_caps caps;
	struct hw_wish *wish; /* owned */
	uint64_t since[VF_MAX]
		      [VF_FIELD_TRUNK]; /* drift of a VF's word was seen first then; 0: none */
	uint64_t pf_since[PF_FIELD_N];	/* likewise of the PF's own */
	struct hw_due due, vf_due[VF_MAX];
	struct hw_due
		plug_due[VF_MAX]; /* its only bit: that what a VF is attached to is to be made */
	struct hw_due mirror_due[HW_MIRRORS_MAX]; /* likewise of mirrors */
	uint64_t mirror_since[HW_MIRRORS_MAX];
	bool owes_saved;	       /* the state file says that something is owed */
	uint64_t attach_since[VF_MAX]; /* likewise of what a VF is plugged into */
	struct hw_due svc_due;	       /* its only bit: that service ports are to be made */
	uint64_t svc_since[HW_SVCS_MAX]; /* when one was seen to be missing; 0: it is there */
	uint64_t svc_netns[HW_SVCS_MAX]; /* the namespace it was seen in; 0: none */
	unsigned int svc_turn;		 /* whose turn it is to be looked at */
	struct hw_link *link; /* what the kernel told; owned; NULL: not asked, or things changed */
	uint64_t link_ms;     /* when */
	enum hw_ask link_ask; /* with what */
};

struct hw {
	struct hw_opts opts;
	struct hw_rt *rt;
	struct hw_pf *pfs[PFS_MAX]; /* owned; those there are come first */
	unsigned int n_pfs;
	struct loop_timer *timer;
	const struct hw_plan
		*doing; /* what is being done, to be taken back after a crash; or NULL */
	const struct hw_pf *doing_to;
	bool stale; /* the state file could not be written when it should have been */
	bool trial; /* a copy on which verbs only judge (batch.c) */
	json_t *kept; /* of batch.c, in the state file; owned; NULL: nothing */
};

/* What a state file says beside its PFs. */
struct hw_past {
	bool booted; /* it is of another boot: nothing that was asked for is left */
	struct hw_pf *
		adding; /* a PF that was never one of ours, with what to take back; owned; or NULL */
};

/* model.c */
struct hw_pf *hw_pf_new(const char *address, struct err *e);
void hw_pf_free(struct hw_pf *pf);
AUTO_DEFINE(struct hw_pf *, hw_pf_free)
void hw_forget(struct hw_pf *pf);
struct hw_wish *hw_wish_copy(const struct hw_pf *pf, struct err *e);
void hw_owe(struct hw_pf *pf);
void hw_hurry(struct hw_pf *pf);
bool hw_owes(const struct hw_pf *pf);

/* state.c */
int hw_state_save(struct hw *hw, struct err *e);
int hw_state_load(struct hw *hw, struct hw_past *past, struct err *e);
json_t *hw_state_pfs(const struct hw *hw);
int hw_state_pfs_read(struct hw *hw, const json_t *pfs, struct err *e);

/* place.c */
struct hw_doer hw_doer_of(const struct hw *hw, const struct hw_pf *pf);
int hw_place(struct hw *hw, struct hw_pf *pf, struct err *e);

/* mode.c */
uint8_t hw_mode_is(const struct hw_pf *pf);
void hw_mode_follow(struct hw *hw, struct hw_pf *pf);
int hw_mode_plan(struct hw_plan *plan, const struct hw *hw, const struct hw_pf *pf,
		 const struct hw_link *link, const struct pf_change *change, struct err *e);
void hw_mode_changed(const struct hw *hw, struct hw_pf *pf, const struct pf_change *change);

/* use.c */
int hw_vfs_unused(const struct hw *hw, const struct hw_pf *pf, unsigned int there,
		  unsigned int keep, const char *why, struct err *e);

/* batch.c */
extern const struct pf_batch_ops hw_batch_ops;

/* look.c */
int hw_look(struct hw *hw, struct hw_pf *pf, enum hw_ask what, const struct hw_link **out,
	    struct err *e);
struct hw_pf *hw_find(struct hw *hw, const char *name, struct err *e);
int hw_vf_check(const struct hw *hw, const struct hw_pf *pf, const struct hw_link *link,
		unsigned int vf, struct err *e);
/* Words of a VF that was just made. */
static inline struct hw_words hw_fresh(const struct hw_pf *pf)
{
	return (struct hw_words){ .spoofchk = pf->caps.driver->spoofchk };
}
void hw_words_now(const struct hw_pf *pf, const struct hw_link *link, unsigned int vf,
		  struct hw_words *out);
uint32_t hw_can(const struct hw_pf *pf, uint32_t fields);
bool hw_rate_is_rounded(const struct hw_vf_wish *wish, const struct hw_words *is);
uint32_t hw_drift(const struct hw_pf *pf, const struct hw_link *link, unsigned int vf);
uint32_t hw_own_drift(const struct hw_pf *pf, const struct hw_link *link, struct pf_config *is);

/* drift.c */
void hw_watch(void *hw);
int hw_pf_drift(void *ctx, const char *pf, unsigned int i, struct pf_drift_info *out,
		struct err *e);

/* plug.c */
int hw_plug_look(const struct hw *hw, const struct hw_pf *pf, unsigned int vf, const char *netns,
		 enum hw_reach reach, struct hw_plug *out, struct err *e);
bool hw_plug_is(const struct vf_attach *a, const struct hw_plug *is);
void hw_plug_say(const struct vf_attach *a, char *out, size_t size);
void hw_plug_say_is(const struct hw_plug *is, char *out, size_t size);
int hw_plan_attach(struct hw_plan *plan, unsigned int vf, const struct vf_attach *want,
		   const struct hw_plug *is, struct err *e);
int hw_plan_detach(struct hw_plan *plan, unsigned int vf, const struct hw_vf_wish *wish,
		   const struct hw_plug *is, struct err *e);

/* attach.c */
int hw_vf_attach(void *ctx, const char *pf, unsigned int vf, const struct vf_attach *want,
		 struct err *e);
int hw_vf_detach(void *ctx, const char *pf, unsigned int vf, struct err *e);
int hw_attach_leave(struct hw *hw, const struct hw_pf *pf, unsigned int vf, struct hw_plan *plan,
		    struct hw_wish *want, struct err *e);
int hw_attach_again(struct hw *hw, struct hw_pf *pf, unsigned int vf, bool anew, struct err *e);
bool hw_attach_drift(const struct hw *hw, const struct hw_pf *pf, unsigned int vf,
		     enum hw_reach reach, char *is, size_t size);

/* mirror.c */
int hw_mirror_add(void *ctx, const struct mirror_config *want, struct err *e);
int hw_mirror_set(void *ctx, const char *name, const struct mirror_config *want, uint32_t changed,
		  struct err *e);
int hw_mirror_del(void *ctx, const char *name, struct err *e);
int hw_mirror_get(void *ctx, unsigned int i, struct mirror_info *out);

/* mirror_plan.c */
void hw_mirror_config(const struct hw_pf *pf, const struct hw_mirror *m, struct mirror_config *out);
void hw_mirror_facts(struct hw *hw, const struct hw_pf *pf, const struct mirror_config *want,
		     struct hw_mirror_facts *out);
void hw_mirror_macs(const struct hw_link *link, struct mac out[VF_MAX]);
int hw_mirror_join(struct hw *hw, const struct hw_pf *pf, const struct hw_link *link,
		   struct hw_mirror *m, struct mac macs[VF_MAX], struct hw_plan *plan,
		   struct hw_wish *want, struct err *e);
int hw_mirror_leave(const struct hw_pf *pf, struct hw_mirror *m, struct mac macs[VF_MAX],
		    struct hw_plan *plan, struct hw_wish *want, struct err *e);
int hw_mirrors_leave_vf(const struct hw_pf *pf, const struct hw_link *link, unsigned int vf,
			struct hw_plan *plan, struct hw_wish *want, struct err *e);
int hw_mirrors_cut(const struct hw_pf *pf, const struct hw_link *link, unsigned int n,
		   struct hw_words vfs[VF_MAX], struct hw_plan *plan, struct hw_wish *want,
		   struct err *e);
void hw_mirror_keep(struct hw_wish *want, struct vf_change *change);
const struct hw_mirror *hw_mirror_of(const struct hw_wish *wish, unsigned int vf, bool by_mac);

/* mirror_look.c */
bool hw_mirror_is(const struct hw *hw, const struct hw_pf *pf, const struct hw_link *link,
		  const struct hw_mirror *m, char *is, size_t size);
void hw_mirror_say(const struct hw_mirror *m, char *out, size_t size);
void hw_mirror_lacks(const struct hw *hw, const struct hw_pf *pf, const struct hw_mirror *m,
		     char *out, size_t size);
void hw_mirrors_away(struct hw *hw, struct hw_pf *pf, const struct hw_wish *next);
int hw_mirror_again(struct hw *hw, struct hw_pf *pf, const struct hw_link *link, unsigned int slot,
		    struct err *e);

/* svc.c */
int hw_svc_add(void *ctx, const struct svc_config *want, struct err *e);
int hw_svc_del(void *ctx, const char *pf, const char *name, struct err *e);
int hw_svc_set(void *ctx, const char *pf, const char *name, uint16_t vlan, struct err *e);
int hw_svc_get(void *ctx, unsigned int i, struct svc_config *out);
void hw_svcs_away(struct hw *hw, struct hw_pf *pf, const struct hw_wish *was);
int hw_svcs_leave(const struct hw_pf *pf, struct hw_plan *plan, struct err *e);
void hw_svcs_look(struct hw *hw, struct hw_pf *pf, enum hw_reach reach);
int hw_svcs_make(struct hw *hw, struct hw_pf *pf, struct err *e);
bool hw_svc_is_lost(const struct hw *hw, const struct hw_pf *pf, unsigned int i);
void hw_svc_say(const struct svc_config *svc, char *out, size_t size);

/* change.c */
int hw_change(struct hw *hw, struct hw_pf *pf, const struct hw_plan *plan, struct hw_wish **next,
	      char home[IF_NAMESIZE], struct err *e);

/* enforce.c */
void hw_enforce(struct hw *hw, struct hw_pf *pf);

/* group.c */
int hw_groups_plan(struct hw_plan *plan, const struct hw_pf *pf, const struct hw_link *link,
		   const struct hw_wish *want, bool go, struct err *e);
int hw_groups_check(const struct hw_pf *pf, const struct hw_link *link, const struct hw_wish *want,
		    const struct pf_change *change, struct err *e);

/* pf.c */
int hw_pf_add(void *ctx, const struct pf_config *want, uint32_t said, struct err *e);
int hw_pf_del(void *ctx, const char *pf, bool reset, struct err *e);
int hw_pf_set(void *ctx, const char *pf, const struct pf_change *change, struct err *e);
int hw_pf_list(void *ctx, char (*out)[PF_NAME_LEN + 1], unsigned int max);
int hw_pf_get(void *ctx, const char *pf, struct pf_info *out, struct err *e);

/* vf.c */
int hw_vf_get(void *ctx, const char *pf, unsigned int vf, struct vf_info *out, struct err *e);
int hw_vf_release(void *ctx, const char *pf, unsigned int vf, struct err *e);

#endif
