/* SPDX-License-Identifier: Apache-2.0 */
/*
 * anyvf-swd on a clock of a test's: linked over veb/meter, of which every rate is made, and over
 * veb_forward(). The file that ANYVF_TEST_CLOCK names is struct clock in shared memory. The test
 * moves the time, or it passes by the work that is done: then the switch is a machine of a known
 * speed, and an overload is one whoever else runs beside it. One worker only.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "sw/parent/watch.h"
#include "veb/meter.h"
#include "veb/veb.h"

#define HZ	  1000000000ull
#define COPY_COST 256 /* of a frame beside its bytes, as in worker.c */

struct clock {
	uint64_t now;	      /* ns; writer: the worker if work takes time, else the test */
	uint64_t until;	      /* there the worker stops, before its next burst; writer: the test */
	uint64_t ps_per_byte; /* of work; 0: it takes no time; writer: the test */
};

static struct clock *clock_page;
static uint64_t rest_ps; /* of work, below a nanosecond */

void __real_meter_init(struct meter *m, uint32_t mbit, uint32_t depth_ms, uint64_t hz, uint64_t now);
uint64_t __real_meter_room(struct meter *m, uint64_t now);
uint64_t __real_meter_wait(const struct meter *m, uint64_t now);
unsigned int __real_veb_forward(const struct veb_snap *s, uint16_t src, const struct frame *frames,
				unsigned int n, struct veb_out *out);
void __wrap_meter_init(struct meter *m, uint32_t mbit, uint32_t depth_ms, uint64_t hz, uint64_t now);
uint64_t __wrap_meter_room(struct meter *m, uint64_t now);
uint64_t __wrap_meter_wait(const struct meter *m, uint64_t now);
unsigned int __wrap_veb_forward(const struct veb_snap *s, uint16_t src, const struct frame *frames,
				unsigned int n, struct veb_out *out);

/* Before the switch forks and gives up its rights. */
static __attribute__((constructor)) void clock_open(void)
{
	const char *path = getenv("ANYVF_TEST_CLOCK");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

	clock_page = mmap(NULL, sizeof(*clock_page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (clock_page == MAP_FAILED)
		abort();
}

static uint64_t now_ns(void)
{
	return __atomic_load_n(&clock_page->now, __ATOMIC_ACQUIRE);
}

void __wrap_meter_init(struct meter *m, uint32_t mbit, uint32_t depth_ms, uint64_t hz, uint64_t now)
{
	__real_meter_init(m, mbit, depth_ms, HZ, now_ns());
}

uint64_t __wrap_meter_room(struct meter *m, uint64_t now)
{
	return __real_meter_room(m, now_ns());
}

/* The worker sleeps so many ticks of its own clock and asks again. */
uint64_t __wrap_meter_wait(const struct meter *m, uint64_t now)
{
	return MIN(__real_meter_wait(m, now_ns()), (uint64_t)100000);
}

unsigned int __wrap_veb_forward(const struct veb_snap *s, uint16_t src, const struct frame *frames,
				unsigned int n, struct veb_out *out)
{
	uint64_t now, ps = 0;

	while ((now = now_ns()) >= __atomic_load_n(&clock_page->until, __ATOMIC_ACQUIRE))
		sched_yield();
	n = __real_veb_forward(s, src, frames, n, out);
	for (unsigned int i = 0; i < n; i++)
		ps += (frames[i].len + COPY_COST) * clock_page->ps_per_byte;
	if (ps) {
		rest_ps += ps;
		__atomic_store_n(&clock_page->now, now + rest_ps / 1000, __ATOMIC_RELEASE);
		rest_ps %= 1000;
	}
	return n;
}

/* A worker that waits for the test does not hang. */
unsigned int __wrap_watch_step(struct watch *w, const struct watch_look *look, bool sleep_counts);
unsigned int __wrap_watch_step(struct watch *w, const struct watch_look *look, bool sleep_counts)
{
	return 0;
}
