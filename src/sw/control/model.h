/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the control half of the software PF keeps in memory, shared by its files
 * alone. Writer and reader: the control thread.
 *
 * A verb validates, makes the new values beside the old ones, opens what can
 * fail, puts the values in place and calls sw_commit(); if that fails, the old
 * values go back. Only then it closes what is no longer wanted.
 */
#ifndef ANYVF_SW_CONTROL_MODEL_H
#define ANYVF_SW_CONTROL_MODEL_H

#include "sw/control/guest.h"
#include "sw/control/sw.h"
#include "sw/dp.h"
#include "sw/port/sink.h"
#include "veb/fib.h"

/* A port: its number has counters and rate; what is plugged in may come and go. */
struct sw_port {
	uint16_t id;	 /* port number, VEB_NO_PORT: this port does not exist */
	bool plugged;	 /* the data plane has it */
	bool complained; /* that plugging failed was logged */
	struct port
		*edge; /* tap or uplink while plugged: borrowed from the data plane; else NULL */
};

static inline void sw_port_none(struct sw_port *p)
{
	*p = (struct sw_port){ .id = VEB_NO_PORT };
}

/* What lasts of a VF: a value. */
struct sw_vf {
	struct vf_config config;
	struct vf_attach attach;
	struct guest *guest; /* a reference; NULL: never spoke */
	uint32_t by_agent;   /* settings the agent wrote last or before a hand did; enum vf_field */
	uint32_t overridden; /* of these, the ones a hand changed since */
	uint8_t n_said;	     /* refusals of its guest that were logged */
	struct mac former;   /* administrative MAC that a hand changed, for guest_rules.former ... */
	uint64_t former_until_ms; /* ... as long as this; not kept over a restart */
};

struct sw_svc {
	struct svc_config config;
	struct sw_port port;
};

/* A netdev, whatever its name. After a boot another has its index, but not its address. */
struct sw_wire {
	unsigned int ifindex;
	struct mac mac;
};

struct sw_pf {
	struct pf_config config;
	uint16_t slot;		  /* index in sw->pfs, domain of the snapshot; lasts */
	struct sw_vf *vfs;	  /* array of config.numvfs */
	struct sw_port *vf_ports; /* likewise */
	struct sw_port uplink, host;
	struct sw_wire wire; /* the uplink's netdev; zero: it has none, or was never opened */
	bool carrier;	   /* of the wire; true with uplink none */
	uint16_t wire_mtu; /* 0: not known */
	unsigned int n_svcs;
	struct sw_svc *svcs; /* array of n_svcs */
};

/* Which VF: for who asks of it alone. */
struct sw_seat {
	const struct sw_pf *pf;
	unsigned int vf;
};

/* Addresses learned behind one port. Writer: control/learn.c. */
struct sw_learned {
	uint64_t version; /* no two lists that are not the same have one */
	unsigned int n;
	struct {
		struct mac mac;
		uint8_t idle; /* looks since it was heard of */
		uint64_t since_ms; /* learned then */
	} macs[VF_LEARNED_MAX];
};

/* An address that was learned behind a VF and then heard from outside. */
struct sw_outside {
	struct mac mac;
	uint16_t pf; /* its slot */
	uint64_t since_ms;
};

/* A client that listens. Its mirror's destination writes to it; control/capture.c has the rest. */
struct sw_capture {
	struct sw *sw;
	struct sw_capture *next;
	struct sinks *sinks;
	struct loop_fd *watch; /* of fd; NULL: the client wants no more, or has it all */
	int fd;		       /* where frames go; closed when the thread has ended */
	bool ending;	       /* no mirror is for it any more */
};

/* No more copies come: the client gets what is there, and its end. Does not wait. */
static inline void sw_capture_end(struct sw_capture *c)
{
	c->ending = true;
	sinks_stop(c->sinks);
}

struct sw_mirror {
	bool used;
	struct mirror_config config;
	struct veb_filter *filter; /* a reference; NULL: no condition */
	struct sw_port port;	   /* of a destination that is no VF */
	uint64_t failed_before;	   /* sinks_failed() of the slot when this mirror began */
	struct sw_capture *capture; /* whom it is for; NULL: it is a mirror of its own */
};

/* What the addresses of a VF's port in a snapshot are made of. Writer: control/snap.c. */
struct sw_addresses {
	bool known; /* they are those of the block */
	struct guest *guest; /* a reference */
	struct mac mac;
	struct mac_list allowed;
	uint64_t learned; /* version; 0: none are */
	unsigned int learned_max;
	bool asked; /* the administrative MAC comes first */
};

/* The model as the state file has it. Writer: control/state.c. */
struct sw_saved {
	size_t document, size;	    /* bytes of its document, and of it all; 0: not known */
	json_t *kept;		    /* a reference; nobody changes it */
	struct sw_pf *pfs[PFS_MAX]; /* owned copies by slot, their ports unused; NULL: free */
	struct mirror_config *mirrors[VEB_MIRRORS_MAX]; /* likewise */
};

/* Verbs that are parts of one change (control/batch.c). */
enum sw_hold {
	SW_HOLD_NONE,
	SW_HOLD_ON,    /* nothing is saved until they are all done */
	SW_HOLD_BACK,  /* likewise; what cannot be opened is tried later, as at a start */
	SW_HOLD_TRIAL, /* on a copy that nobody sees: nothing is opened, saved or published */
};

struct sw {
	struct sw_opts opts;
	enum sw_hold hold;
	const json_t *back; /* of SW_HOLD_BACK: own() of what is gone back to */
	json_t *kept;	    /* of control/batch.c, in the state file; owned; NULL: nothing */
	char *run_dir, *state;	    /* copies */
	struct sw_saved saved;	    /* what the state file holds */
	bool save_failed;	    /* logged already */
	bool due;		    /* soon is armed */
	bool unsaved;		    /* the model has what nobody waits for */
	uint64_t save_at_ms;	    /* not before */
	bool hint_again;	    /* an address came too early: have it reported again */
	struct sw_pf *pfs[PFS_MAX]; /* by slot; NULL: free */
	struct sw_mirror mirrors[VEB_MIRRORS_MAX]; /* by slot */
	struct sw_capture *captures; /* list; those that end included */
	struct sinks *sinks;	 /* serves mirrors whose destination is no VF; NULL: none yet */
	bool ids[VEB_PORTS_MAX]; /* port numbers in use */
	struct veb_port *blocks[VEB_PORTS_MAX]; /* of the newest snapshot, a reference each */
	struct sw_addresses addresses[VEB_PORTS_MAX]; /* of the blocks that are VFs' */
	struct veb_fibs *fibs; /* of all snapshots */
	int8_t links[VEB_PORTS_MAX]; /* link shown to a tap's user: 1 up, 0 down, -1 nothing yet */
	struct sw_learned *learned[VEB_PORTS_MAX]; /* control/learn.c; behind VFs, by port; NULL: none */
	uint64_t learned_version;
	uint64_t learned_at[VEB_PORTS_MAX]; /* when a port last took a newer address for its own, ms */
	struct sw_outside outside[64]; /* control/learn.c; by hash, the newest */
	struct loop_fd *hints;
	int news_fd;		       /* of netdevs, see parent_links_follow(); -1: none */
	struct loop_fd *news;
	struct loop_timer *settle;     /* at the start: until all that are back can be reached */
	uint64_t settle_until_ms;
	struct loop_timer *tick;       /* each second: wires, lost devices */
	struct loop_timer *age;	       /* each half minute: learned addresses that are silent */
	struct loop_timer *more_hints; /* after a full turn of hints, the next one */
	struct loop_timer *soon;       /* 10 ms after a change nobody waits for */
};

#define SW_COALESCE_MS 10
#define SW_TICK_MS     1000
#define SW_SETTLE_MS   300 /* after a start, for front ends that connected at once */
#define SW_SETTLE_LOOK_MS 5
#define SW_AGE_MS      30000

/* control/model.c */
struct sw_pf *sw_pf_find(struct sw *sw, const char *name, struct err *e);
struct sw_vf *sw_vf_find(struct sw *sw, const char *pf, unsigned int vf, struct sw_pf **out,
			 struct err *e);
struct sw_pf *sw_pf_new(const struct pf_config *config, unsigned int slot);
void sw_pf_free(struct sw_pf *pf);
AUTO_DEFINE(struct sw_pf *, sw_pf_free)
bool sw_pf_link_up(const struct sw_pf *pf);
bool sw_vf_link_up(const struct sw_pf *pf, unsigned int vf);

/* control/ids.c */
int sw_id_take(struct sw *sw, uint16_t *out, struct err *e);
void sw_id_give(struct sw *sw, uint16_t *id);

/* control/plug.c */
int sw_plug(struct sw *sw, struct sw_port *p, const char *name, struct port *edge, struct err *e);
bool sw_plug_tried(struct sw_port *p, const char *what, const char *name, int rc,
		   const struct err *e);
int sw_plug_host(struct sw *sw, struct sw_pf *pf, struct err *e);
int sw_plug_svc(struct sw *sw, struct sw_pf *pf, struct sw_svc *svc, struct err *e);
int sw_plug_vf(struct sw *sw, struct sw_pf *pf, unsigned int vf, struct err *e);
void sw_unplug(struct sw *sw, struct sw_port *port, const char *tap, const char *netns);
int sw_netns_word(const struct sw *sw, char netns[VF_NAME_LEN + 1], struct err *e);
int sw_name_check(const struct sw *sw, const char *name, const char *netns, struct err *e);
bool sw_plug_tick(struct sw *sw);
void sw_plug_all(struct sw *sw);
bool sw_is_settling(const struct sw *sw);
void sw_links_show(struct sw *sw);

/* control/wires.c */
int sw_plug_uplink(struct sw *sw, struct sw_pf *pf, struct err *e);
bool sw_wires_follow(struct sw *sw);
bool sw_wires_tick(struct sw *sw);

/* control/hosts.c */
void sw_hosts_follow(struct sw *sw);

/* control/guests.c */
bool sw_mac_is_taken(const struct sw_pf *pf, int beside, const struct mac *mac);
struct guest_rules sw_guest_rules(const struct sw_seat *seat, const struct sw_vf *v);
int sw_guests_judge(struct sw_pf *pf, const struct sw_pf *was, struct err *e);
struct sw_vf *sw_guests_save(const struct sw_pf *pf, struct err *e);
void sw_guests_back(struct sw_pf *pf, struct sw_vf *saved);
void sw_guests_done(const struct sw_pf *pf, struct sw_vf *saved);

/* control/learn.c */
bool sw_learn_hints(struct sw *sw);
unsigned int sw_learned_max(const struct sw_vf *v);
unsigned int sw_learned_get(const struct sw *sw, const struct sw_pf *pf, unsigned int vf,
			    struct mac *out);
void sw_learned_show(const struct sw *sw, const struct sw_pf *pf, unsigned int vf,
		     struct vf_status *out);
void sw_learned_trim(struct sw *sw, uint16_t id, unsigned int max);
void sw_learned_age(struct sw *sw);

/* control/snap.c */
int sw_snap_build(struct sw *sw, struct veb_snap **out, struct err *e);

/* control/mirror_rules.c */
struct sw_mirror *sw_mirror_of(struct sw *sw, const char *pf, int vf, bool captures);
int sw_mirror_judge(struct sw *sw, const struct sw_mirror *self, const struct mirror_config *want,
		    struct veb_filter **filter, struct err *e);
int sw_mirror_load(struct sw *sw, unsigned int slot, const struct mirror_config *config,
		   struct err *e);

/* control/state.c */
int sw_state_save(struct sw *sw, struct err *e);
void sw_state_forget(struct sw *sw);

/* control/state_read.c */
int sw_state_load(struct sw *sw, struct err *e);

/* control/commit.c */
int sw_prepare(struct sw *sw, struct veb_snap **out, struct err *e);
void sw_enforce(struct sw *sw, struct veb_snap *snap);
int sw_commit(struct sw *sw, struct err *e);
int sw_publish(struct sw *sw, struct err *e);

/* control/pf.c */
int sw_pf_add(void *ctx, const struct pf_config *want, uint32_t said, struct err *e);
int sw_pf_del(void *ctx, const char *name, bool reset, struct err *e);
int sw_pf_set(void *ctx, const char *name, const struct pf_change *change, struct err *e);
int sw_pf_list(void *ctx, char (*out)[PF_NAME_LEN + 1], unsigned int max);
int sw_pf_get(void *ctx, const char *name, struct pf_info *out, struct err *e);

/* control/vf.c */
int sw_vf_apply(const struct sw_vf *old, const struct vf_change *change, const struct sw_pf *pf,
		bool by_agent, struct sw_vf *out, struct err *e);
int sw_vf_get(void *ctx, const char *pf, unsigned int vf, struct vf_info *out, struct err *e);
int sw_vf_drops(void *ctx, const char *pf, unsigned int vf, struct vf_drop out[DROP_N],
		struct err *e);
int sw_vf_attach(void *ctx, const char *pf, unsigned int vf, const struct vf_attach *want,
		 struct err *e);
int sw_vf_detach(void *ctx, const char *pf, unsigned int vf, struct err *e);
int sw_vf_release(void *ctx, const char *pf, unsigned int vf, struct err *e);
int sw_vf_filter(void *ctx, const char *pf, unsigned int vf, const struct vf_filter *filter,
		 struct err *e);
void sw_pci_slot(const struct sw_pf *pf, int vf, char out[16]);

/* control/svc.c */
int sw_svc_add(void *ctx, const struct svc_config *want, struct err *e);
int sw_svc_del(void *ctx, const char *pf, const char *name, struct err *e);
int sw_svc_set(void *ctx, const char *pf, const char *name, uint16_t vlan, struct err *e);
int sw_svc_get(void *ctx, unsigned int i, struct svc_config *out);

/* control/mirror.c */
int sw_mirror_add(void *ctx, const struct mirror_config *want, struct err *e);
int sw_mirror_set(void *ctx, const char *name, const struct mirror_config *want, uint32_t changed,
		  struct err *e);
int sw_mirror_del(void *ctx, const char *name, struct err *e);
int sw_mirror_get(void *ctx, unsigned int i, struct mirror_info *out);
int sw_mirror_new(struct sw *sw, const struct mirror_config *want, struct sw_capture *capture,
		  struct err *e);
void sw_mirrors_init(struct sw *sw);
void sw_mirrors_reap(struct sw *sw);
void sw_mirrors_close(struct sw *sw);
bool sw_mirrors_tick(struct sw *sw);

/* control/batch.c */
extern const struct pf_batch_ops sw_batch_ops;
unsigned int sw_slot_of(const struct sw *sw, const char *pf);
bool sw_may_wait(const struct sw *sw, const struct sw_port *p, const char *pf, const char *what,
		 int rc, struct err *e);
static inline bool sw_is_trial(const struct sw *sw)
{
	return sw->hold == SW_HOLD_TRIAL;
}

/* control/capture.c */
int sw_capture(void *ctx, const struct mirror_config *want, int fd, struct err *e);
void sw_captures_sweep(struct sw *sw);
void sw_captures_tick(struct sw *sw);
void sw_captures_close(struct sw *sw);

#endif
