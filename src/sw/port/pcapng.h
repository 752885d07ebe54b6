/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of pcapng (draft-ietf-opsawg-pcapng, 4.1 to 4.3 and 4.6), native byte
 * order: written by the sinks that are files and captures.
 */
#ifndef ANYVF_SW_PORT_PCAPNG_H
#define ANYVF_SW_PORT_PCAPNG_H

#include "sw/parent/pcapng_read.h"
#include "sw/port/sink_priv.h"

#define PCAPNG_START_MAX 2048u	     /* bytes of pcapng_start() at most */
#define PCAPNG_EXTRA	 256u	     /* bytes of a packet's block but the packet, at most */

/* The one interface of a section; any may be NULL. */
struct pcapng_if {
	const char *name, *description;
	const char *filter; /* a pcap expression */
	uint32_t snap;	    /* 0: none */
};

uint32_t pcapng_start(uint8_t *at, const struct pcapng_if *i);
uint32_t pcapng_packet(uint8_t *at, const struct sink_frame *sf, uint32_t flags,
		       const char *comment);
uint32_t pcapng_stats(uint8_t *at, uint64_t time_ns, uint64_t received, uint64_t dropped);

#endif
