/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last frame a port lost for one reason. The worker that counts the drop
 * notes it; control reads it at any time and never waits for a worker: a
 * sequence lock (seqlock) tells a reader that it saw two halves.
 */
#ifndef ANYVF_VEB_LOSS_H
#define ANYVF_VEB_LOSS_H

#include "model/vf.h"
#include "veb/frame.h"

struct loss {
	uint64_t at;		     /* tick of the worker's clock */
	uint32_t len;		     /* bytes of the frame with its tags, no FCS */
	uint8_t head_len;	     /* bytes of head[] that are known; 0: it could not be read */
	uint8_t head[DROP_HEAD_MAX]; /* as on the wire */
};

/* Writer: one worker. */
struct loss_slot {
	uint64_t seq; /* atomic; 0: nothing yet, odd: being written */
	uint64_t words[sizeof(struct loss) / sizeof(uint64_t)]; /* atomic; a struct loss */
};
static_assert(sizeof(struct loss) == sizeof(((struct loss_slot *)0)->words), "whole words");

void loss_put(struct loss_slot *slot, const struct loss *what);
void loss_note(struct loss_slot *slot, const struct frame *f, const uint32_t tags[2], uint64_t at);
bool loss_get(const struct loss_slot *slot, struct loss *out);

#endif
