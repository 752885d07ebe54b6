/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dpsw without its switch: linked over veb_forward(), it hands each burst of one port to the
 * other as it is. What the same loop costs bare, for tests/bench/vhost.
 */
#include "veb/veb.h"

unsigned int __wrap_veb_forward(const struct veb_snap *s, uint16_t src, const struct frame *frames,
				unsigned int n, struct veb_out *out);

unsigned int __wrap_veb_forward(const struct veb_snap *s, uint16_t src, const struct frame *frames,
				unsigned int n, struct veb_out *out)
{
	uint16_t to = src ^ 1;

	out->nodes[0] = (struct veb_node){ .frame = 0, .n = (uint16_t)n, .next = VEB_END };
	out->bins[to] = (struct veb_bin){ 0, 0, 1 };
	out->used[0] = to;
	out->n_used = out->n_nodes = 1;
	return n;
}
