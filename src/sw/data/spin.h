/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spinlock of what several workers share: a rate's bucket, the places of a guest's ring, a
 * mirror's ring, a device's queue. Held for microseconds, by threads that have a core each or
 * should have: who waits for one that was preempted yields.
 */
#ifndef ANYVF_SW_DATA_SPIN_H
#define ANYVF_SW_DATA_SPIN_H

#include <sched.h>

#define SPIN_PATIENCE 4096 /* turns; longer than any copy: who is waited for has lost its core */

struct spin {
	int taken; /* atomic */
};

/* One turn of waiting for another worker; @turns counts them, from 0. */
static inline void spin_wait(unsigned int *turns)
{
	if (++*turns % SPIN_PATIENCE == 0)
		sched_yield();
#ifdef __x86_64__
	__builtin_ia32_pause();
#endif
}

static inline void spin_lock(struct spin *s)
{
	unsigned int turns = 0;

	while (__atomic_exchange_n(&s->taken, 1, __ATOMIC_ACQUIRE))
		while (__atomic_load_n(&s->taken, __ATOMIC_RELAXED))
			spin_wait(&turns);
}

static inline void spin_unlock(struct spin *s)
{
	__atomic_store_n(&s->taken, 0, __ATOMIC_RELEASE);
}

#endif
