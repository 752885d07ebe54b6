/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change of a PF and its VFs as a list of steps, each one thing that the kernel does or refuses,
 * each with what was there before. Run from the first to the last; at a refusal what was done is taken
 * back, the last first. No tool of the field does the latter (sriov-cni, networkd, ip itself).
 */
#ifndef ANYVF_HW_PLAN_H
#define ANYVF_HW_PLAN_H

#include <net/if.h>

#include "hw/nic.h"
#include "hw/words.h"

#define HW_STEP_NAME_LEN 31 /* of what hw_step_name() says */

enum hw_op {
	HW_OP_VF,     /* an attribute of a VF */
	HW_OP_NUMVFS, /* by way of 0: the kernel knows no other */
	HW_OP_MTU,
	HW_OP_MAC,
	HW_OP_UP,
	HW_OP_GROUP,   /* whether there is a group of VFs, and its rates */
	HW_OP_ESWITCH, /* the mode of its switch */
	HW_OP_SVC,     /* whether there is a service port */
	HW_OP_DRIVER,  /* the driver that a VF is for; "": what the kernel gives it of itself */
	HW_OP_PROBE,   /* whether it has a driver, where the kernel gives it none of itself */
	HW_OP_DEV_UP,  /* its netdev, in this namespace */
	HW_OP_PLACE,   /* the namespace that its netdev is in, and its name there */
	HW_OP_MACVTAP, /* whether its netdev has one */
	HW_OP_CLSACT,  /* whether its representor has a place for rules */
	HW_OP_COPY,    /* a rule there that copies to another VF */
	HW_OP_FILE,    /* the same, by a file of the vendor's; of a VLAN: to this VF */
	HW_OP_N
};

/* Of which those members count that @op has. */
struct hw_value {
	struct hw_words words; /* VF: those of @attr; GROUP: its name and rates */
	uint32_t
		number; /* NUMVFS, MTU; ESWITCH: enum pf_eswitch; UP, GROUP, SVC, PROBE, DEV_UP and from MACVTAP on: 0 or 1;
			  PLACE: another name will do where it is taken */
	struct mac mac;	       /* MAC, SVC */
	uint16_t vlan, mtu;    /* SVC */
	char driver[HW_DRIVER_LEN + 1]; /* DRIVER */
	char name[IF_NAMESIZE];		/* SVC, PLACE, MACVTAP; "": as it comes */
	char netns[VF_NAME_LEN + 1];	/* SVC, PLACE: under /run/netns; "": this one */
	uint16_t peer;			/* COPY: the other VF; FILE: that, or the VLAN */
	uint8_t dir; /* COPY: enum mirror_dir, in or out; FILE: HW_MIRROR_FILE_... */
};

struct hw_step {
	uint8_t op;   /* enum hw_op */
	uint8_t attr; /* VF: enum hw_attr */
	uint16_t vf;  /* VF, DRIVER and what follows it */
	struct hw_value old, new;
};

struct hw_plan {
	unsigned int n, room;
	struct hw_step *steps; /* array of n; owned */
};

/* Does a step, or takes it back: says what becomes of it, @to, which is its old or its new value. */
typedef int (*hw_do)(void *arg, const struct hw_step *step, const struct hw_value *to,
		     struct err *e);

void hw_plan_fini(struct hw_plan *plan);
int hw_plan_add(struct hw_plan *plan, const struct hw_step *step, struct err *e);
int hw_plan_vf(struct hw_plan *plan, unsigned int vf, const struct hw_words *old,
	       const struct hw_words *new, uint32_t fields, struct err *e);
int hw_plan_numvfs(struct hw_plan *plan, const struct hw_words *vfs, unsigned int n_old,
		   unsigned int n_new, const struct hw_words *fresh, uint32_t fields,
		   struct err *e);
int hw_plan_run(const struct hw_plan *plan, hw_do fn, void *arg, struct err *e);
int hw_plan_undo(const struct hw_plan *plan, unsigned int n, hw_do fn, void *arg, struct err *e);
void hw_step_name(const struct hw_step *step, char *out, size_t size);

#endif
