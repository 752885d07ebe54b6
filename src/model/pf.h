/* SPDX-License-Identifier: Apache-2.0 */
/* What a PF is, and the service ports and mirrors that hang on it. */
#ifndef ANYVF_MODEL_PF_H
#define ANYVF_MODEL_PF_H

#include "model/vf.h"

#define PFS_MAX 64	  /* PFs a daemon (PF_MAX is the socket family's) */
#define PF_NAME_LEN 15	  /* IFNAMSIZ without the NUL */
#define MIRROR_NAME_LEN 63
#define SVC_NAME_LEN 15
#define MIRROR_PCAP_LEN 1023 /* of a filter expression */
#define MIRROR_ADDR_LEN 45   /* of an IPv6 address in text */
#define MIRROR_FILE_LEN 255
#define MIRROR_SNAP_MIN 14u  /* an Ethernet header */

enum pf_mode { PF_MODE_VEB, PF_MODE_VEPA };
enum unknown_unicast { UNKNOWN_UPLINK, UNKNOWN_BOTH };
enum pf_drift { PF_DRIFT_REPORT, PF_DRIFT_REPAIR };
enum pf_eswitch { PF_ESWITCH_LEGACY, PF_ESWITCH_SWITCHDEV }; /* also where a NIC has no modes */
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
	PF_FIELD_UNKNOWN_UNICAST,
	PF_FIELD_DRIFT,
	PF_FIELD_GROUPS,
	PF_FIELD_ESWITCH,
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
	uint8_t unknown_unicast;  /* enum unknown_unicast: where VFs' goes */
	uint8_t drift; /* enum pf_drift: what follows if somebody else changes a NIC's VFs */
	char groups[VF_GROUPS_LEN + 1]; /* of VFs that share rates, see model/group.h */
	uint8_t eswitch;		/* enum pf_eswitch, of a NIC */
};

/* Of a NIC's netdev, as the kernel counts them; a software PF has none of these. */
struct pf_errors {
	uint64_t rx_errors, tx_errors, collisions, carrier_changes;
	uint64_t rx_length, rx_over, rx_crc, rx_frame, rx_fifo, rx_missed;
	uint64_t tx_aborted, tx_carrier, tx_fifo, tx_heartbeat, tx_window;
};

/* What the kernel tells of a NIC's netdev beside that; zero of a software PF. */
struct pf_link {
	uint32_t flags, txqlen, group; /* IFF_... */
	uint8_t oper, mode;	       /* IF_OPER_..., IF_LINK_MODE_... */
	char qdisc[16], bus[16];
};

struct pf_status {
	char kind[8];		/* "sw", "hw" */
	uint32_t ifindex;	/* of the host interface, else a stable number of our own */
	bool carrier;		/* the uplink's; true with uplink none */
	char pci_slot[16];	/* synthetic, but a NIC's */
	char driver[48];	/* of a NIC; "": none */
	uint16_t vendor, product; /* of a NIC's function, by PCI; 0: not told */
	uint16_t vf_product;	  /* likewise of its VFs, which are of the same vendor */
	struct vf_stats uplink;	/* rx = from the wire; drops by reason */
	struct vf_stats host;	/* rx = to the host interface */
	struct vf_untold uplink_untold, host_untold;
	struct pf_errors errors;
	struct pf_link link;
};

struct pf_info {
	struct pf_config config;
	struct pf_status status;
};

#define WORKER_BURSTS 8 /* of up to 1, 2, 4, ... 128 frames */

/* What a thread that forwards frames does with its time, since it began. */
struct worker_info {
	uint64_t busy_ns, idle_ns; /* with frames; without, or asleep */
	uint64_t wakeups, frames;
	uint64_t bursts[WORKER_BURSTS]; /* by their frames, each once */
};

/* A word of a PF or of one of its VFs that is not as it was asked for: somebody else has changed it. */
struct pf_drift_info {
	bool of_vf;
	unsigned int vf;
	bool of_attach;		   /* what the VF is plugged into, no word */
	char mirror[MIRROR_NAME_LEN + 1]; /* a mirror that does not mirror; "": none */
	bool of_svc;		   /* a service port of the PF, no word */
	uint8_t field;		   /* enum vf_field or enum pf_field */
	char asked[128], is[128];  /* as people type them */
	uint64_t since;		   /* when that was seen first; seconds of the Unix epoch */
};

#define SVC_OUI ((const uint8_t[3]){ 0x02, 0xaf, 0x01 }) /* locally administered */

/* A netdev with MAC and VLAN but no VF number: DHCP lives there. */
struct svc_config {
	char pf[PF_NAME_LEN + 1];
	char name[SVC_NAME_LEN + 1]; /* interface name */
	struct mac mac;
	uint16_t vlan;		     /* 0: untagged */
	uint16_t mtu;		     /* 0: the PF's */
	char netns[VF_NAME_LEN + 1]; /* "": the daemon's own */
};

/* The VM's view: in = towards it. Of a wire: in = what it brings to the VMs. */
enum mirror_dir { MIRROR_IN, MIRROR_OUT, MIRROR_BOTH };
enum mirror_from {
	MIRROR_FROM_VF,
	MIRROR_FROM_PF,	    /* the PF's own function: its host interface */
	MIRROR_FROM_UPLINK, /* the wire */
	MIRROR_FROM_VLAN,   /* each frame of one VLAN, once */
};
enum mirror_field {
	MIRROR_FIELD_NAME,
	MIRROR_FIELD_FROM_PF,
	MIRROR_FIELD_FROM_VF,
	MIRROR_FIELD_DIR,
	MIRROR_FIELD_TO_PF,
	MIRROR_FIELD_TO_VF,
	MIRROR_FIELD_FROM,
	MIRROR_FIELD_FROM_VLAN,
	MIRROR_FIELD_VLANS,
	MIRROR_FIELD_ETHER,
	MIRROR_FIELD_PCAP,
	MIRROR_FIELD_SNAP,
	MIRROR_FIELD_TO,
	MIRROR_FIELD_REMOTE,
	MIRROR_FIELD_ID,
	MIRROR_FIELD_VERSION,
	MIRROR_FIELD_TAP,
	MIRROR_FIELD_FILE,
	MIRROR_FIELD_DROPS,
	MIRROR_FIELD_N
};

/*
 * Where copies go: X(name, word, rows it has beside those of every mirror, what follows the word). The
 * last is whoever asked, while it listens; never saved, no name.
 */
#define MIRROR_ROW(name) (1U << MIRROR_FIELD_##name)
#define MIRROR_DESTINATIONS(X)                                                                     \
	X(VF, "vf", MIRROR_ROW(TO_PF) | MIRROR_ROW(TO_VF), "PF N: a VF")                           \
	X(TAP, "tap", MIRROR_ROW(TAP), "NAME: a netdev made for it")                               \
	X(FILE, "file", MIRROR_ROW(FILE), "PATH: a pcapng file")                                   \
	X(ERSPAN, "erspan", MIRROR_ROW(REMOTE) | MIRROR_ROW(ID) | MIRROR_ROW(VERSION),             \
	  "ADDR [id N] [version 1|2]: another host, type II or III")                               \
	X(GRE, "gre", MIRROR_ROW(REMOTE) | MIRROR_ROW(ID), "ADDR [id N]: another host, with a key") \
	X(CAPTURE, "capture", MIRROR_ROW(DROPS), NULL)
#define MIRROR_TO_(name, word, rows, help) MIRROR_TO_##name,
enum mirror_to { MIRROR_DESTINATIONS(MIRROR_TO_) };

/* Members that do not belong to its kinds are zero; mirror_config_apply() sees to it. */
struct mirror_config {
	char name[MIRROR_NAME_LEN + 1];
	char from_pf[PF_NAME_LEN + 1];
	uint16_t from_vf;
	uint8_t dir; /* enum mirror_dir */
	char to_pf[PF_NAME_LEN + 1];
	uint16_t to_vf;
	uint8_t from;		/* enum mirror_from */
	uint16_t from_vlan;	/* 1..4094 */
	struct vlan_set vlans;	/* only frames of these VLANs; 0: untagged; unset: any */
	uint16_t ether;		/* only frames of this ethertype, host order; 0: any */
	char pcap[MIRROR_PCAP_LEN + 1]; /* only frames this expression takes; "": any */
	uint16_t snap;		/* bytes of a frame that are copied; 0: all */
	uint8_t to;		/* enum mirror_to */
	char remote[MIRROR_ADDR_LEN + 1]; /* erspan, gre: IPv4 or IPv6 address */
	uint32_t id;		/* erspan: session, 0..1023; gre: key, 0: none */
	uint8_t version;	/* erspan: 1 (type II) or 2 (type III) */
	char tap[16];		/* tap: interface name, in the switch's own namespace */
	char file[MIRROR_FILE_LEN + 1]; /* file: absolute path */
	bool drops; /* capture: what was dropped as well, with the reason */
};
struct mirror_info {
	struct mirror_config config;
	uint64_t mirrored;	/* copies delivered */
	uint64_t dropped;	/* copies the destination had no room for */
	/* Of a NIC, which counts neither: what makes the copies, what they lack; else "". */
	char by[16], lacks[192];
	bool has_own; /* it took the destination's address, and gives this one back at its end */
	struct mac own;
};

extern const struct field pf_fields[];
extern const struct field svc_fields[];
extern const struct field mirror_fields[];
extern const struct field mirror_destinations[]; /* words and help, by enum mirror_to */

void pf_config_default(struct pf_config *out);
/* What holds for a VF: its own MTU, and never more than the PF's. */
static inline uint16_t vf_mtu(const struct vf_config *vf, const struct pf_config *pf)
{
	return vf->mtu && vf->mtu < pf->mtu ? vf->mtu : pf->mtu;
}
int pf_config_check(const struct pf_config *want, struct err *e);
uint32_t mirror_config_rows(const struct mirror_config *c);
uint32_t mirror_to_needs(enum mirror_to to);
bool mirror_is_remote(const struct mirror_config *c);
int mirror_config_check(const struct mirror_config *c, struct err *e);
int mirror_config_apply(const struct mirror_config *old, const struct mirror_config *want,
			uint32_t changed, struct mirror_config *out, struct err *e);

#endif
