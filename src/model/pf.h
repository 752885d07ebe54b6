/* SPDX-License-Identifier: Apache-2.0 */
/* What a PF is, and the service ports and mirrors that hang on it. */
#ifndef ANYVF_MODEL_PF_H
#define ANYVF_MODEL_PF_H

#include "model/vf.h"

#define PFS_MAX 64	  /* PFs a daemon (PF_MAX is the socket family's) */
#define PF_NAME_LEN 15	  /* IFNAMSIZ without the NUL */
#define MIRROR_NAME_LEN 63
#define SVC_NAME_LEN 15

enum pf_mode { PF_MODE_VEB, PF_MODE_VEPA };
enum uplink_kind { UPLINK_NONE, UPLINK_DEV, UPLINK_DPDK };

enum pf_field {
	PF_FIELD_NAME,
	PF_FIELD_UPLINK,
	PF_FIELD_UPLINK_ARG,
	PF_FIELD_HOST_IF,
	PF_FIELD_NUMVFS,
	PF_FIELD_MODE,
	PF_FIELD_MAC,
	PF_FIELD_MTU,
	PF_FIELD_UP,
	PF_FIELD_FORCE,
	PF_FIELD_N
};

/* Writer: control of the daemon that owns the PF. */
struct pf_config {
	char name[PF_NAME_LEN + 1];
	uint8_t uplink;		  /* enum uplink_kind */
	char uplink_arg[256];	  /* NETDEV or DPDK device arguments */
	bool host_if;		  /* a tap with the PF's name on the host */
	uint16_t numvfs;	  /* 0..VF_MAX */
	uint8_t mode;		  /* enum pf_mode */
	struct mac mac;		  /* zero in a request: choose one */
	uint16_t mtu;		  /* 68..9216; default 1500 */
	bool up;		  /* administrative state; new PFs are up */
	bool force;		  /* uplink may be the default route's netdev */
};

struct pf_status {
	char kind[8];		/* "sw", "hw" */
	uint32_t ifindex;	/* of the host interface, else a stable number of our own */
	bool carrier;		/* the uplink's; true with uplink none */
	char pci_slot[16];	/* synthetic */
	struct vf_stats uplink;	/* rx = from the wire; drops by reason */
	struct vf_stats host;	/* rx = to the host interface */
};

struct pf_info {
	struct pf_config config;
	struct pf_status status;
};

/* A tap with MAC and VLAN but no VF number: DHCP lives there. */
struct svc_config {
	char pf[PF_NAME_LEN + 1];
	char name[SVC_NAME_LEN + 1]; /* interface name */
	struct mac mac;
	uint16_t vlan;		     /* 0: untagged */
	uint16_t mtu;		     /* 0: the PF's */
	char netns[VF_NAME_LEN + 1]; /* "": the daemon's own */
};

enum mirror_dir { MIRROR_IN, MIRROR_OUT, MIRROR_BOTH }; /* the VM's view: in = towards it */

/* VF to VF for now; further sources and sinks get enum values of their own. */
struct mirror_config {
	char name[MIRROR_NAME_LEN + 1];
	char from_pf[PF_NAME_LEN + 1];
	uint16_t from_vf;
	uint8_t dir;		 /* enum mirror_dir */
	char to_pf[PF_NAME_LEN + 1];
	uint16_t to_vf;
};
struct mirror_info {
	struct mirror_config config;
	uint64_t mirrored;	/* copies delivered */
	uint64_t dropped;	/* copies the destination had no room for */
};

extern const struct field pf_fields[];
extern const struct field svc_fields[];
extern const struct field mirror_fields[];

void pf_config_default(struct pf_config *out);
int pf_config_check(const struct pf_config *want, struct err *e);

#endif
