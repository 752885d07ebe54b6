/* SPDX-License-Identifier: Apache-2.0 */
/* The second pass of a burst: what veb decided goes to its destinations, each once. */
#ifndef ANYVF_SW_DATA_DELIVER_H
#define ANYVF_SW_DATA_DELIVER_H

#include "sw/data/dp_priv.h"

/* What a worker delivers with. Its own. */
struct delivery {
	struct dp_worker *shared; /* counters, and through it the data plane */
	struct veb_out *out;	  /* from veb_forward(); empty again behind deliver() */
	struct port_item items[PORT_BATCH];
	struct frame cuts[PORT_BATCH]; /* what mirrors with a snap length get, of one batch */
	struct frame_seg cut_segs[PORT_SEGS];
	unsigned int n_cuts, n_cut_segs;
	uint8_t scratch[PORT_SCRATCH];
};

int64_t deliver(struct delivery *d, const struct veb_snap *snap, const struct frame *frames);

#endif
