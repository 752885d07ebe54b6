/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two guests with a 64-byte flow as in vhost_gen.c, and what goes wrong beside them. All
 * front ends share this process and its core: one that misbehaves is driven from within the loop of
 * the flow, for the price of a store now and then; one that must wait for the switch (it
 * reconnects, it changes its memory table) is a thread of its own, asleep while it waits. It and
 * the switch's control threads have this core, too: the flow naps for them now and then, in
 * every case, and frames are counted per second of CPU time of the flow's thread.
 * Run by tests/bench/faults; prints JSON.
 *
 *	faults_gen CASE SECONDS CORE SOCKET0 SOCKET1 SOCKET2   a case of the table below
 *	faults_gen kill SECONDS CORE SOCKET0 SOCKET1           a paced flow, the switch is killed
 */
#include <pthread.h>
#include <unistd.h>

#include "flow.h"

#define SIZE	     64
#define BURST	     32	      /* frames that guests handle at once, at least */
#define BESIDE_EVERY 8	      /* turns of the flow between two of the front end beside */
#define SHARE_RUN    16	      /* frames in a row to one receiver ... */
#define SHARE_OF     8	      /* ... and of so many such runs one goes to the third guest */
#define AGAIN_NS     100000   /* from one try to reconnect to the next */
#define REMAP_NS     50000000 /* 20 times a second */
#define PACED_PPS    1000000  /* flow while the switch is killed */
#define NAP_NS	     50000    /* that the guests sleep, so that others on their core get on ... */
#define NAP_EVERY_NS 1000000  /* ... so often */
#define LOOK_NS	     1000000  /* how often they look whether the switch is there */

struct gen {
	struct fe *fes[3]; /* sender, receiver, the one beside or NULL */
	bool shared;	   /* the one beside is sent a share */
	bool refills;	   /* and takes what it gets */
	uint64_t sent, got, got_beside, seq, sum;
	uint64_t acts; /* what the one beside did: bad buffers used up, reconnects, changes */
	bool end;      /* atomic; for its thread */
};

static double slices[SLICES_MAX];

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* ---- The flow. ---- */

static bool for_third(const struct gen *g, unsigned int i)
{
	return g->shared && i / SHARE_RUN % SHARE_OF == SHARE_OF - 1;
}

/* Fill the transmit ring with frames once; later only their numbers and the index move. */
static void prepare(struct gen *g, bool offer)
{
	struct driver_ring *tx = fe_ring(g->fes[0], 1);

	for (unsigned int i = 0; i < FLOW_RING; i++) {
		uint8_t eth[14] = { 2, 0, 0, 0,	   0,	for_third(g, i) ? 3 : 2, 2, 0, 0,
				    0, 0, 1, 0x88, 0xb5 };
		struct driver_buf buf = { driver_alloc(tx->mem, FLOW_ROOM, 64), FLOW_HDR + SIZE };

		memcpy((uint8_t *)buf.at + FLOW_HDR, eth, sizeof(eth));
		if (offer)
			driver_add(tx, &buf, 1, false, DRIVER_DIRECT);
		else
			tx->desc[i] =
				(struct vring_desc){ driver_gpa(tx->mem, buf.at), buf.len, 0, 0 };
		tx->avail->ring[i] = (uint16_t)i;
	}
	if (offer)
		fe_kick(g->fes[0], 1);
}

/* ---- What is beside it. ---- */

/* All buffers of a ring that were used up are offered again, as they are. */
static void offer_again(struct gen *g, unsigned int ring)
{
	struct driver_ring *r = fe_ring(g->fes[2], ring);
	uint16_t used = __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE);

	if (used == r->seen)
		return;
	g->acts += (uint16_t)(used - r->seen);
	r->seen = used;
	__atomic_store_n(&r->avail->idx, (uint16_t)(used + FLOW_RING), __ATOMIC_RELEASE);
	fe_kick(g->fes[2], ring);
}

static void again_tx(struct gen *g)
{
	offer_again(g, 1);
}

static void again_rx(struct gen *g)
{
	offer_again(g, 0);
}

/* Make every descriptor of a ring @bad, linked to itself, and offer them. */
static void ring_spoil(struct gen *g, unsigned int ring, struct vring_desc bad)
{
	struct driver_ring *r = fe_ring(g->fes[2], ring);

	for (unsigned int i = 0; i < FLOW_RING; i++) {
		r->desc[i] = bad;
		r->desc[i].next = (uint16_t)i;
		r->avail->ring[i] = (uint16_t)i;
	}
	if (!ring) /* good buffers were offered when it was opened; none was used yet */
		return;
	__atomic_store_n(&r->avail->idx, FLOW_RING, __ATOMIC_RELEASE);
	fe_kick(g->fes[2], ring);
}

static uint64_t some_bytes(struct gen *g, uint64_t size)
{
	struct driver_mem *mem = fe_ring(g->fes[2], 0)->mem;

	return driver_gpa(mem, driver_alloc(mem, size, 64));
}

static void begin_idle(struct gen *g)
{
	(void)g;
}

static void begin_outside(struct gen *g)
{
	ring_spoil(g, 1, (struct vring_desc){ .addr = 4096, .len = FLOW_HDR + SIZE });
}

static void begin_loop(struct gen *g)
{
	ring_spoil(g, 1,
		   (struct vring_desc){
			   .addr = some_bytes(g, 64), .len = 1, .flags = VRING_DESC_F_NEXT });
}

static void begin_loop_rx(struct gen *g)
{
	ring_spoil(g, 0,
		   (struct vring_desc){ .addr = some_bytes(g, 64),
					.len = 1,
					.flags = VRING_DESC_F_NEXT | VRING_DESC_F_WRITE });
}

/* One table for all: one segment more than a chain may have. */
static void begin_long(struct gen *g)
{
	struct driver_mem *mem = fe_ring(g->fes[2], 1)->mem;
	struct vring_desc *table = driver_alloc(mem, 16 * (FLOW_RING + 1), 16);
	uint64_t at = some_bytes(g, 64);

	for (unsigned int i = 0; i <= FLOW_RING; i++)
		table[i] = (struct vring_desc){ at, 1, i < FLOW_RING ? VRING_DESC_F_NEXT : 0,
						(uint16_t)(i + 1) };
	ring_spoil(g, 1,
		   (struct vring_desc){ .addr = driver_gpa(mem, table),
					.len = 16 * (FLOW_RING + 1),
					.flags = VRING_DESC_F_INDIRECT });
}

static void *reconnects(void *arg)
{
	struct gen *g = arg;

	while (!__atomic_load_n(&g->end, __ATOMIC_RELAXED)) {
		if (!fe_reconnect(g->fes[2], 1000))
			g->acts++;
		else /* its old connection is not gone yet */
			nanosleep(&(struct timespec){ .tv_nsec = AGAIN_NS }, NULL);
	}
	return NULL;
}

static void *remaps(void *arg)
{
	struct gen *g = arg;

	while (!__atomic_load_n(&g->end, __ATOMIC_RELAXED)) {
		nanosleep(&(struct timespec){ .tv_nsec = REMAP_NS }, NULL);
		if (fe_remap(g->fes[2], 1 + (unsigned int)(g->acts++ & 1)))
			exit(1);
	}
	return NULL;
}

struct kind {
	const char *name;
	void (*begin)(struct gen *g); /* NULL: nobody is there */
	void (*turn)(struct gen *g);
	void *(*thread)(void *arg);
	bool shared, refills;
};

static const struct kind kinds[] = {
	{ .name = "alone" },
	{ .name = "idle", .begin = begin_idle },
	{ .name = "outside", .begin = begin_outside, .turn = again_tx },
	{ .name = "loop", .begin = begin_loop, .turn = again_tx },
	{ .name = "long", .begin = begin_long, .turn = again_tx },
	{ .name = "share", .begin = begin_idle, .shared = true, .refills = true },
	{ .name = "deaf", .begin = begin_idle, .shared = true },
	{ .name = "loop-rx", .begin = begin_loop_rx, .turn = again_rx, .shared = true },
	{ .name = "reconnect", .begin = begin_idle, .thread = reconnects },
	{ .name = "remap", .begin = begin_idle, .thread = remaps },
};

static void print_flow(const struct gen *g, unsigned int n, uint64_t cpu, uint64_t wall)
{
	qsort(slices, n, sizeof(slices[0]), compare_double);
	printf("{\"sent\": %lu, \"received\": %lu, \"beside\": %lu, \"acts_s\": %.0f, "
	       "\"cpu\": %.3f, \"mpps\": %.3f, \"slice_p50\": %.3f, \"slice_p90\": %.3f, "
	       "\"sum\": %lu}\n",
	       g->sent, g->got, g->got_beside, (double)g->acts * 1e9 / (double)wall,
	       (double)cpu / (double)wall, (double)g->got * 1000 / (double)cpu,
	       n ? slices[n / 2] : 0, n ? slices[n * 9 / 10] : 0, g->sum);
}

static void turns(struct gen *g, const struct kind *k, uint64_t ns)
{
	uint64_t start = now_ns(), slice_at = start, napped = start, slice_got = 0, now = start;
	uint64_t cpu = cpu_ns();
	unsigned int n = 0;

	for (unsigned int i = 0; now < start + ns; i++, now = now_ns()) {
		g->sent += flow_send(g->fes[0], &g->seq, BURST);
		g->got += flow_receive(g->fes[1], &g->sum, BURST);
		if (k->refills)
			g->got_beside += flow_receive(g->fes[2], &g->sum, BURST);
		if (k->turn && i % BESIDE_EVERY == 0)
			k->turn(g);
		if (now - napped > NAP_EVERY_NS) {
			nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
			napped = now_ns();
		}
		if (now - slice_at < SLICE_NS || n == SLICES_MAX)
			continue;
		slices[n++] = (double)(g->got - slice_got) * 1000 / (double)(now - slice_at);
		slice_at = now;
		slice_got = g->got;
	}
	print_flow(g, n, cpu_ns() - cpu, now - start);
}

static int flow_beside(const char *name, uint64_t ns, char **paths)
{
	struct gen g = { 0 };
	const struct kind *k = kinds;
	pthread_t thread;

	while (k < kinds + sizeof(kinds) / sizeof(kinds[0]) && strcmp(k->name, name))
		k++;
	if (k == kinds + sizeof(kinds) / sizeof(kinds[0]))
		return 2;
	g.shared = k->shared;
	for (int i = 0; i < (k->begin ? 3 : 2); i++)
		g.fes[i] = flow_guest(paths[i], false);
	if (k->begin)
		k->begin(&g);
	if (k->thread && pthread_create(&thread, NULL, k->thread, &g))
		return 1;
	prepare(&g, true);
	turns(&g, k, ns);
	__atomic_store_n(&g.end, true, __ATOMIC_RELAXED);
	if (k->thread)
		pthread_join(thread, NULL);
	for (int i = 0; i < 3; i++)
		fe_close(g.fes[i]);
	return 0;
}

/* ---- The switch is killed. ---- */

/* A guest whose switch went away; its vCPU runs on meanwhile. */
struct comeback {
	struct fe *fe;
	bool running;	     /* atomic; the thread waits for the switch */
	uint64_t gone, back; /* when that was noticed, when rings were handed over */
};

struct paced {
	struct gen gen;
	struct comeback guests[2];
	uint64_t held;	   /* frames that found the ring full */
	uint64_t expected; /* next number */
	uint64_t lost, again;
	uint64_t last, before, after; /* arrival: of the last, around the time without a switch */
	uint64_t gap, own_gap; /* longest between two arrivals else; in which we did not run */
};

static void *come_back(void *arg)
{
	struct comeback *c = arg;

	if (fe_reconnect(c->fe, 20000))
		exit(1);
	c->back = now_ns();
	__atomic_store_n(&c->running, false, __ATOMIC_RELEASE);
	return NULL;
}

/* As QEMU: each guest notices by itself, and serves its socket for the switch to come again. */
static void look_after(struct comeback *c)
{
	pthread_t thread;

	if (__atomic_load_n(&c->running, __ATOMIC_ACQUIRE) || fe_connected(c->fe))
		return;
	c->gone = now_ns();
	c->running = true;
	if (pthread_create(&thread, NULL, come_back, c))
		exit(1);
	pthread_detach(thread);
}

/* @due frames in all should have been sent by now. */
static void paced_send(struct paced *p, uint64_t due)
{
	struct gen *g = &p->gen;
	struct driver_ring *r = fe_ring(g->fes[0], 1);
	uint16_t idx = r->avail->idx;
	uint16_t room =
		(uint16_t)(__atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) + FLOW_RING - idx);
	uint64_t n = due - p->held - g->sent;

	for (; n && room; n--, room--) {
		flow_number(r, idx++, g->sent++);
	}
	p->held += n;
	__atomic_store_n(&r->avail->idx, idx, __ATOMIC_RELEASE);
	fe_kick(g->fes[0], 1);
}

/* Numbers go up by one; a jump ahead is a loss, a step back is a frame that came before. */
static void paced_receive(struct paced *p, uint64_t now)
{
	struct driver_ring *r = fe_ring(p->gen.fes[1], 0);
	uint16_t used = __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE);

	if (used == r->seen)
		return;
	if (p->before && !p->after)
		p->after = now;
	else if (p->last && now - p->last > p->gap)
		p->gap = now - p->last;
	p->last = now;
	for (; r->seen != used; r->seen++) {
		uint64_t seq;

		memcpy(&seq, flow_buffer(r, r->seen) + FLOW_SEQ, sizeof(seq));
		p->gen.got++;
		if (seq < p->expected) {
			p->again++;
			continue;
		}
		p->lost += seq - p->expected;
		p->expected = seq + 1;
	}
	__atomic_store_n(&r->avail->idx, (uint16_t)(used + FLOW_RING), __ATOMIC_RELEASE);
}

static double since_ms(const struct paced *p, uint64_t t)
{
	return t ? (double)(int64_t)(t - p->before) / 1e6 : 0;
}

static void print_killed(const struct paced *p)
{
	const struct comeback *c = p->guests;

	printf("{\"outage_ms\": %.1f, \"noticed_ms\": %.1f, \"sender_back_ms\": %.1f, "
	       "\"receiver_back_ms\": %.1f, \"other_gap_ms\": %.1f, \"own_gap_ms\": %.1f, "
	       "\"offered\": %lu, \"received\": %lu, \"lost\": %lu, \"twice\": %lu, "
	       "\"held_back\": %lu}\n",
	       since_ms(p, p->after), since_ms(p, c[1].gone), since_ms(p, c[0].back),
	       since_ms(p, c[1].back), (double)p->gap / 1e6, (double)p->own_gap / 1e6, p->gen.sent,
	       p->gen.got - p->again, p->lost + p->gen.sent - p->expected, p->again, p->held);
}

static int flow_killed(uint64_t ns, char **paths)
{
	static struct paced p;
	uint64_t start, now, was, looked = 0, tail = 200000000;

	for (int i = 0; i < 2; i++)
		p.guests[i].fe = p.gen.fes[i] = flow_guest(paths[i], true);
	prepare(&p.gen, false);
	puts("ready");
	fflush(stdout);
	for (start = was = now = now_ns(); now < start + ns + tail; was = now, now = now_ns()) {
		p.own_gap = now - was > p.own_gap ? now - was : p.own_gap;
		paced_receive(&p, now);
		if (now < start + ns) /* then only what is under way still comes */
			paced_send(&p, (now - start) / (1000000000 / PACED_PPS));
		if (now - looked > LOOK_NS) {
			looked = now;
			for (int i = 0; i < 2; i++)
				look_after(&p.guests[i]);
			p.before = p.guests[1].gone && !p.before ? p.last : p.before;
		}
		nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
	}
	print_killed(&p);
	fe_close(p.gen.fes[0]);
	fe_close(p.gen.fes[1]);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc < 6)
		return 2;
	pin_to(atoi(argv[3]));
	if (!strcmp(argv[1], "kill"))
		return flow_killed((uint64_t)atoi(argv[2]) * 1000000000ull, argv + 4);
	return argc == 7 ? flow_beside(argv[1], (uint64_t)atoi(argv[2]) * 1000000000ull, argv + 4)
			 : 2;
}
