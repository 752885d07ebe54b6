/* SPDX-License-Identifier: Apache-2.0 */
/* What veb does with a frame it drops: note it, count it, show it to captures. For veb.c, and the worker. */
#ifndef ANYVF_VEB_LOST_H
#define ANYVF_VEB_LOST_H

#include "veb/veb.h"

void veb_lose_sent(const struct veb_snap *s, struct veb_out *out, uint16_t port,
		   const struct frame *f, enum drop reason);
void veb_lose_at(const struct veb_snap *s, struct veb_out *out, uint16_t port,
		 const struct frame *f, const uint32_t tags[2], enum drop reason);
unsigned int veb_lose_all(const struct veb_snap *s, struct veb_out *out, uint16_t port,
			  unsigned int n);

#endif
