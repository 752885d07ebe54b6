/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a VF is: the settings an operator owns (struct vf_config), what it is
 * plugged into (struct vf_attach), what its guest asked for (struct vf_filter),
 * and what is observed (struct vf_status, struct vf_stats).
 */
#ifndef ANYVF_MODEL_VF_H
#define ANYVF_MODEL_VF_H

#include "base/field.h"
#include "base/mac.h"
#include "base/vlan.h"
#include "model/group.h"

#define VF_MAX 256	   /* VFs a PF */
#define VF_NAME_LEN 64	   /* port ids, server names; without the NUL */
#define VF_PATH_LEN 107	   /* sun_path without the NUL */
#define VF_MACS_UNTRUSTED 18 /* guest addresses an untrusted VF may have (docs/sriov.md, Trust) */
#define VF_MACS_TRUSTED 1024
#define VF_LEARNED_MAX 1024 /* addresses learned behind a guest */
#define VF_QUEUES_MAX 128 /* queue pairs of a guest */
#define VF_WAITS 10 /* ranges of times that frames waited */
#define VF_STORM_MAX 10000000u /* frames a second; more than any core switches */

enum vf_link { VF_LINK_AUTO, VF_LINK_ENABLE, VF_LINK_DISABLE }; /* IFLA_VF_LINK_STATE_* */
enum vf_proto { VF_PROTO_8021Q, VF_PROTO_8021AD };
enum vf_promisc { VF_PROMISC_OFF, VF_PROMISC_UNMATCHED, VF_PROMISC_TRUE };

/* Rows of vf_fields[], and so bits of every `changed` mask; kernel order (do_setvfinfo). */
enum vf_field {
	VF_FIELD_MAC,
	VF_FIELD_VLAN,
	VF_FIELD_QOS,
	VF_FIELD_PROTO,
	VF_FIELD_MAX_TX_RATE,
	VF_FIELD_MIN_TX_RATE,
	VF_FIELD_SPOOFCHK,
	VF_FIELD_STATE,
	VF_FIELD_QUERY_RSS,
	VF_FIELD_TRUST,
	VF_FIELD_GROUP, /* devlink's; those before are ip-link(8)'s */
	VF_FIELD_TRUNK, /* from here on: words no kernel tool owns */
	VF_FIELD_NATIVE,
	VF_FIELD_MTU,
	VF_FIELD_ISOLATED,
	VF_FIELD_STORM_BROADCAST,
	VF_FIELD_STORM_MULTICAST,
	VF_FIELD_ALLOWED,
	VF_FIELD_LEARNING,
	VF_FIELD_PROMISC,
	VF_FIELD_PORT_ID,
	VF_FIELD_SERVER,
	VF_FIELD_N
};

/* Writer: control of the daemon that owns the PF. Plain data: copy, compare and send it. */
struct vf_config {
	struct mac mac;		 /* administrative MAC; zero: none, the guest may choose */
	uint16_t vlan;		 /* port VLAN (VST); 0: none; 1..4095 (4095 matches no frame) */
	uint8_t qos;		 /* 802.1p priority the switch inserts, 0..7 */
	uint8_t proto;		 /* enum vf_proto of the inserted tag */
	uint32_t max_tx_mbit;	 /* shaper, Mbit/s; 0: no limit */
	uint32_t min_tx_mbit;	 /* guaranteed share, Mbit/s; 0: none */
	bool spoofchk;		 /* drop foreign source addresses and VLANs */
	uint8_t link;		 /* enum vf_link */
	bool query_rss;		 /* stored and shown; virtio has no way to query */
	bool trust;		 /* guest may change its addresses, exceed quotas, be promiscuous */
	char group[VF_GROUP_LEN + 1]; /* of its PF's groups; "": none */
	struct vlan_set trunk;	 /* tags the guest may use (VGT); unset: any; empty: untagged only */
	uint16_t native;	 /* VLAN of its untagged frames without VST, 1..4094; 0: none */
	uint16_t mtu;		 /* bytes of payload; 0: the PF's */
	bool isolated;		 /* no frames between this VF and other isolated ones */
	uint32_t storm_broadcast; /* broadcast frames a second it may send; 0: no limit */
	uint32_t storm_multicast; /* likewise of other multicast */
	struct mac_list allowed;  /* further addresses of the guest, without its asking or trust */
	uint16_t learning;	  /* most addresses learned behind the guest; 0: none are */
	uint8_t promisc;	  /* enum vf_promisc: most that is granted to the guest */
	char port_id[VF_NAME_LEN + 1]; /* OpenStack port this VF is leased to; "": none */
	char server[VF_NAME_LEN + 1];  /* server that uses it, for people */
};

/* The first two are of software PFs, the others of NICs. */
enum vf_attach_kind {
	VF_ATTACH_NONE,
	VF_ATTACH_VHOST,
	VF_ATTACH_TAP,
	VF_ATTACH_VFIO,	   /* its function, for a VM */
	VF_ATTACH_NETDEV,  /* its netdev, for a namespace or whoever */
	VF_ATTACH_MACVTAP, /* one on its netdev */
};

enum vf_attach_field {
	VF_ATTACH_FIELD_KIND,
	VF_ATTACH_FIELD_SOCKET,
	VF_ATTACH_FIELD_CLIENT,
	VF_ATTACH_FIELD_TAP,
	VF_ATTACH_FIELD_NETNS,
	VF_ATTACH_FIELD_NAME,
};

/* What a VF is plugged into: at most one thing. */
struct vf_attach {
	uint8_t kind;			/* enum vf_attach_kind */
	char socket[VF_PATH_LEN + 1];	/* vhost: path; "": RUN_DIR/vhost/PF-N/sock */
	bool client;			/* vhost: we connect, QEMU listens; else the other way */
	char tap[16];			/* tap: interface name */
	char netns[VF_NAME_LEN + 1];	/* tap, netdev: name under /run/netns; "": the daemon's own */
	char name[16];			/* netdev, macvtap: its name; "": as it comes */
};

/*
 * The guest driver's wishes, as its NIC's mailbox would carry them. The agent
 * reads them from QEMU (query-rx-filter). A full replacement each time.
 */
struct vf_filter {
	struct mac main_mac;	/* address of the guest's interface */
	unsigned int n_macs;	/* further unicast addresses */
	unsigned int n_mcasts;	/* joined multicast groups */
	struct mac *macs;	/* array of n_macs */
	struct mac *mcasts;	/* array of n_mcasts */
	bool promisc;		/* unicast that is not its own: enum vf_promisc says which */
	bool allmulti;		/* all multicast of the VF's VLANs */
};

/* Why a frame was dropped, seen from one VF. Rows of drop_names[] / drop_help[]. */
enum drop {
	DROP_SPOOF_MAC,	   /* from the VF: source MAC is not one of its own */
	DROP_SPOOF_VLAN,   /* from the VF: tag not allowed (VST or trunk) */
	DROP_LINK_DOWN,	   /* either way: VF or PF link is down */
	DROP_NO_DEST,	   /* from the VF: unknown unicast and no uplink to take it */
	DROP_VLAN,	   /* to the VF: MAC matched, VLAN did not */
	DROP_NO_BUFFER,	   /* to the VF: receive ring or tap queue full */
	DROP_NOT_READY,	   /* to the VF: nothing attached, or driver not up */
	DROP_OVERSIZE,	   /* above the MTU of a side */
	DROP_RUNT,	   /* from the VF: shorter than an Ethernet header */
	DROP_MALFORMED,	   /* from the VF: descriptors or offload header make no sense */
	DROP_OFFLOAD,	   /* to the VF: needs an offload neither side can do */
	DROP_ISOLATED,	   /* from the VF: it and the receiver are isolated */
	DROP_STORM_BROADCAST, /* from the VF: above its limits of frames to many */
	DROP_STORM_MULTICAST,
	DROP_FLOW_CONTROL, /* from the VF: MAC control, that would stall a port, or more than two tags */
	DROP_MULTICAST,	   /* to the VF: its guest asks for all multicast and may not have it */
	DROP_N
};
extern const char *const drop_names[DROP_N + 1];
extern const char *const drop_help[DROP_N];
/* Which ways frames go that are dropped for it; bits: 1 from the VF, 2 to it. */
enum { DROP_OUT = 1, DROP_IN = 2 };
extern const uint8_t drop_ways[DROP_N];

#define DROP_HEAD_MAX 26 /* addresses, three tags, ethertype */

/* What is known of the drops for one reason, and of the last frame among them. */
struct vf_drop {
	uint64_t count;
	bool seen;		     /* the rest is filled */
	uint64_t age_ms;	     /* since then */
	uint32_t len;		     /* bytes of that frame with its tags, no FCS */
	uint8_t head_len;	     /* bytes of head[] that are known; 0: it could not be read */
	uint8_t head[DROP_HEAD_MAX]; /* its first bytes as on the wire */
};

/* Sums over all queues, made by the reader. Directions are the VF's: rx = to the guest. */
struct vf_stats {
	uint64_t rx_packets, rx_bytes, rx_multicast, rx_broadcast;
	uint64_t tx_packets, tx_bytes;
	uint64_t mirrored;	/* copies of this VF's frames sent to mirrors */
	uint64_t rx_dropped;	/* of drops[]: frames on their way to the guest */
	uint64_t tx_dropped;	/* of a NIC, which has no drops[]: frames that came from the guest */
	uint64_t drops[DROP_N];	   /* in the data path's cells not those of rx_drops[] */
	uint64_t rx_drops[DROP_N]; /* of drops[]: those of rx_dropped */
	/* Of frames that came from the guest, one in many: how long until their receivers had them. */
	uint64_t waits[VF_WAITS]; /* by vf_wait_ends[]; the last has no end */
	uint64_t wait_ns;	  /* their sum */
};

extern const uint64_t vf_wait_ends[VF_WAITS - 1];	 /* nanoseconds, ... */
extern const char *const vf_wait_seconds[VF_WAITS - 1]; /* ... and as text, in seconds */

/* Its members, of which a NIC tells some. */
enum vf_count {
	VF_COUNT_RX_PACKETS,
	VF_COUNT_RX_BYTES,
	VF_COUNT_RX_MULTICAST,
	VF_COUNT_RX_BROADCAST,
	VF_COUNT_TX_PACKETS,
	VF_COUNT_TX_BYTES,
	VF_COUNT_MIRRORED,
	VF_COUNT_RX_DROPPED,
	VF_COUNT_TX_DROPPED,
	VF_COUNT_DROPS,
	VF_COUNT_N
};
#define VF_COUNTS_ALL ((1U << VF_COUNT_N) - 1)
#define VF_UNTOLD_LEN 95

/* What nobody counts, or tells: it is not known, and never shown as 0. */
struct vf_untold {
	uint32_t counts;	     /* bits by enum vf_count */
	char why[VF_UNTOLD_LEN + 1]; /* behind "not told": "by igb" */
};

/* Frames that came from the guest. */
static inline uint64_t vf_stats_tx_dropped(const struct vf_stats *s)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < DROP_N; i++)
		sum += s->drops[i];
	return sum - MIN(s->rx_dropped, sum) + s->tx_dropped;
}

/* Why a guest whose front end is there sends and gets nothing. */
enum vf_fault {
	VF_FAULT_NONE,
	VF_FAULT_RING,	     /* it broke a ring, which is stopped until it resets its NIC */
	VF_FAULT_GONE,	     /* memory that the front end had shared was taken away */
	VF_FAULT_NOT_SHARED, /* the guest's memory is the front end's own */
};

/* Writer: the daemon that owns the PF; read-only for everyone else. */
struct vf_status {
	uint8_t fault;		   /* enum vf_fault; of vhost alone */
	bool connected;		   /* vhost: a front end is there; else it is what it was made */
	bool link_up;		   /* what the guest should see */
	unsigned int n_queues;	   /* queue pairs running */
	unsigned int n_rx_queues;  /* of rx_queues[]: receive queues that frames are spread over */
	uint64_t rx_queues[VF_QUEUES_MAX]; /* frames each got since its front end came; 1: not counted */
	uint64_t features;	   /* negotiated virtio features */
	uint64_t interrupts;	   /* vhost: how often its guest was told of used buffers */
	uint32_t rx_ring,
		rx_free; /* vhost: buffers of its receive rings; those that wait for frames */
	uint32_t tx_ring, tx_wait; /* likewise to send; those that wait for the switch */
	bool filter_known;	   /* some source serves guest filters of this VF */
	uint8_t promisc;	   /* enum vf_promisc, as granted */
	bool allmulti;		   /* likewise */
	unsigned int n_accepted, n_refused, n_mcasts, n_learned;
	struct mac accepted[VF_MACS_UNTRUSTED]; /* the first so many, for people */
	struct mac refused[VF_MACS_UNTRUSTED];
	struct mac learned[VF_MACS_UNTRUSTED];
	char pci_slot[16];	   /* synthetic, by first-offset/stride: 0000:05:10.2 */
	uint16_t mtu;		   /* in force, see vf_mtu() */
	char tap[16];		   /* tap: its name by now, its user may rename it; "": no tap */
	char netdev[16];	   /* of a NIC's VF: its netdev, or its macvtap, by now; "": none is seen */
	char netns[VF_NAME_LEN + 1]; /* of tap or netdev: the namespace it is in by now */
	char driver[48];	   /* of a NIC's VF; "": none */
	uint32_t untold;	   /* settings of which its NIC tells nothing; bits by enum vf_field */
	char overridden[192];	   /* words set by hand since the agent wrote them: "mac,vlan" */
	char touched[192];	   /* of a NIC's VF: words that are not as those of one just made */
};

struct vf_info {
	struct vf_config config;
	struct vf_attach attach;
	struct vf_status status;
	struct vf_stats stats;
	struct vf_untold untold; /* of stats */
};

extern const struct field vf_fields[];
extern const struct field vf_attach_fields[];
extern const char *const vf_promisc_names[];
extern const char *const vf_fault_names[];

void vf_config_default(struct vf_config *out);
int vf_config_check(const struct vf_config *want, uint32_t changed, struct err *e);
bool vf_config_widens(const struct vf_config *now, const struct vf_config *next);

#endif
