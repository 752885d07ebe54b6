/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uplinks as ports of the data plane: any netdev by our own packet socket, any
 * DPDK device by rte_eth. Opened by the control thread, then given to
 * dp_port_add(); control asks for their state once a second.
 */
#ifndef ANYVF_SW_PORT_UPLINK_H
#define ANYVF_SW_PORT_UPLINK_H

#include "sw/data/port.h"
#include "sw/parent/parent.h"

/* What the PF follows. */
struct uplink_state {
	bool carrier;	      /* the wire is there */
	uint16_t mtu;	      /* bytes of payload the wire takes; 0: unknown */
	unsigned int ifindex; /* of its netdev; 0: it has none */
	struct mac mac;	      /* likewise */
	char renamed[16]; /* the netdev's name, if the one it was opened by is not its any more */
};

int uplink_dev_open(struct parent *p, const char *netdev, bool force, unsigned int n,
		    struct port **out, struct err *e);
int uplink_dpdk_open(const char *devargs, struct port **out, struct err *e);
int uplink_dpdk_state(const struct port *port, struct uplink_state *out);
void uplink_rename(struct port *port, const char *name);
int uplink_state(const struct port *port, struct uplink_state *out);
uint32_t uplink_lost(struct port *port, bool *deaf);
void uplink_mend(struct port *port);

#endif
