/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lock of what several workers deliver to. Held for microseconds, by threads that have a core
 * each; never across a system call.
 */
#ifndef ANYVF_SW_SPIN_H
#define ANYVF_SW_SPIN_H

struct spin {
	int taken; /* atomic */
};

static inline void spin_pause(void)
{
#ifdef __x86_64__
	__builtin_ia32_pause();
#endif
}

static inline void spin_lock(struct spin *s)
{
	while (__atomic_exchange_n(&s->taken, 1, __ATOMIC_ACQUIRE))
		while (__atomic_load_n(&s->taken, __ATOMIC_RELAXED))
			spin_pause();
}

static inline void spin_unlock(struct spin *s)
{
	__atomic_store_n(&s->taken, 0, __ATOMIC_RELEASE);
}

#endif
