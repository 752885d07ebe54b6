/* SPDX-License-Identifier: Apache-2.0 */
/*
 * anyvf-swd that hangs, or beats too often, when a frame says so: linked over veb_forward() and
 * parent_beat(). The ethertype is one for local experiments (IEEE 802-2014, 9.2.3), its first byte
 * of payload says how.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "sw/parent/parent.h"
#include "veb/veb.h"

static bool beats_stopped, beats_fast; /* atomic */

unsigned int __real_veb_forward(const struct veb_snap *s, uint16_t src, const struct frame *frames,
				unsigned int n, struct veb_out *out);
unsigned int __wrap_veb_forward(const struct veb_snap *s, uint16_t src, const struct frame *frames,
				unsigned int n, struct veb_out *out);
void __real_parent_beat(void *p, pid_t tid);
void __wrap_parent_beat(void *p, pid_t tid);

unsigned int __wrap_veb_forward(const struct veb_snap *s, uint16_t src, const struct frame *frames,
				unsigned int n, struct veb_out *out)
{
	struct timespec left = { .tv_sec = 1, .tv_nsec = 600000000 };
	uint8_t how = 0;

	for (unsigned int i = 0; i < n && !how; i++) /* others may have come just before */
		if (frames[i].type == htons(ETH_P_802_EX1) && frames[i].data.len)
			how = *(const volatile uint8_t *)frames[i].data.base;
	switch (how) {
	case 'c': /* computes for ever */
		for (volatile unsigned int i = 0;; i++)
			;
	case 's': /* sleeps in a call, as it would in a fault nobody answers */
		for (;;)
			pause();
	case 't': /* takes its time, nudged or not, and comes back; less than a hang is allowed */
		dprintf(STDERR_FILENO, "a worker takes its time\n");
		while (nanosleep(&left, &left))
			;
		break;
	case 'b': /* the thread that beats is stuck */
		__atomic_store_n(&beats_stopped, true, __ATOMIC_RELAXED);
		break;
	case 'f': /* it beats a thousand times each time */
		__atomic_store_n(&beats_fast, true, __ATOMIC_RELAXED);
		break;
	}
	return __real_veb_forward(s, src, frames, n, out);
}

void __wrap_parent_beat(void *p, pid_t tid)
{
	if (__atomic_load_n(&beats_stopped, __ATOMIC_RELAXED))
		pause();
	__real_parent_beat(p, tid);
	if (!__atomic_load_n(&beats_fast, __ATOMIC_RELAXED))
		return;
	for (unsigned int i = 0; i < 1000; i++)
		__real_parent_beat(p, tid);
	dprintf(STDERR_FILENO, "a thousand beats\n");
}
