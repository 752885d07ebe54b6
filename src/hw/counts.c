/* SPDX-License-Identifier: Apache-2.0 */
/* Which counters of a VF mean something: where a driver counts nothing, the kernel sends zeros. */
#include <stdio.h>

#include "hw/caps.h"

#define BIT(name) (1U << VF_COUNT_##name)

/* What a bit of a driver's row stands for. */
static const struct {
	uint8_t of;	 /* HW_COUNTS_... */
	uint32_t counts; /* bits by enum vf_count */
} groups[] = {
	{ HW_COUNTS_FRAMES, BIT(RX_PACKETS) | BIT(RX_BYTES) | BIT(TX_PACKETS) | BIT(TX_BYTES) },
	{ HW_COUNTS_MULTICAST, BIT(RX_MULTICAST) },
	{ HW_COUNTS_BROADCAST, BIT(RX_BROADCAST) },
	{ HW_COUNTS_RX_DROPPED, BIT(RX_DROPPED) },
	{ HW_COUNTS_TX_DROPPED, BIT(TX_DROPPED) },
};

/* HW_COUNTS_... of what is not 0: somebody counts that. */
static uint8_t counted(const struct vf_stats *s)
{
	uint8_t some = 0;

	if (s->rx_packets | s->rx_bytes | s->tx_packets | s->tx_bytes)
		some |= HW_COUNTS_FRAMES;
	if (s->rx_multicast)
		some |= HW_COUNTS_MULTICAST;
	if (s->rx_broadcast)
		some |= HW_COUNTS_BROADCAST;
	if (s->rx_dropped)
		some |= HW_COUNTS_RX_DROPPED;
	if (s->tx_dropped)
		some |= HW_COUNTS_TX_DROPPED;
	return some;
}

/**
 * hw_counts_untold() - Which of a VF's counters are not known, and why
 * @caps:  of its PF
 * @v:     what the kernel tells of it
 * @n_vfs: how many VFs its PF has
 * @out:   gets it
 *
 * A driver's row decides. Of a driver that nobody has looked at, and of a row that a newer driver
 * has outgrown, a number other than 0 tells. What frames were dropped for no NIC says.
 *
 * Context: any; pure.
 */
void hw_counts_untold(const struct hw_caps *caps, const struct hw_vf *v, unsigned int n_vfs,
		      struct vf_untold *out)
{
	uint8_t told = counted(&v->stats) | caps->driver->counts;

	*out = (struct vf_untold){ .counts = VF_COUNTS_ALL };
	for (unsigned int i = 0; v->counted && i < ARRAY_LEN(groups); i++)
		if (told & groups[i].of)
			out->counts &= ~groups[i].counts;
	if (v->counted)
		snprintf(out->why, sizeof(out->why), "by %s", caps->name);
	else
		snprintf(out->why, sizeof(out->why),
			 "by the kernel: statistics of %u VFs do not fit into their attribute",
			 n_vfs);
}
