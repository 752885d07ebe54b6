/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns of a worker, over the real data plane with ports of our own: sources that always have
 * frames and sinks that count. Counts alone decide, so a slow machine changes nothing.
 */
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include <cmocka.h>

#include "sw/data/dp_priv.h"
#include "sw/data/waits.h"
#include "veb/snap.h"

#define VFS	  65		/* one floods the other 64 */
#define COPY_COST 256		/* of a copy beside its bytes, as worker.c has it */
#define TURNS	  1000		/* of the neighbour, measured */
#define GIVE_UP	  (100 * TURNS) /* turns of the flooder: the neighbour gets none */

enum { FLOODER, NEIGHBOUR, OTHER };

/* A VF. What its source brings is fixed before it starts. Writer of the rest: the worker. */
struct vf {
	struct port port;
	struct port_queue source;
	struct mac dst;
	uint32_t len;	/* of its frames, bytes; 0: it is silent */
	bool full;	/* its guest takes no more frames */
	uint64_t turns; /* that yielded frames */
	uint64_t cost;	/* of copies made of its frames, wherever they went */
	unsigned int waiting; /* atomic: frames in its queue; others' are made as they are read */
	unsigned int got;     /* frames that were delivered to it */
	unsigned int asked;   /* frames it was to look forward to, of those that it did not get yet */
	bool unasked;	      /* it got some that it did not look forward to */
};

static struct vf vfs[VFS];
static bool go; /* atomic: sources have frames */
static struct dp *held; /* atomic: its worker stays in a turn until control waits for it, or has freed */
static uint64_t held_token; /* of grace periods, when it began to */
static bool inside, freed; /* atomic: a turn is held; a snapshot was freed meanwhile */
static sem_t over;
static char run_dir[] = "/tmp/anyvf-test-XXXXXX";

static struct mac mac_of(unsigned int n)
{
	return (struct mac){ { 2, 0, 0, 0, 0, (uint8_t)n } };
}

/* The linker's: whoever frees a snapshot. */
void __real_veb_snap_free(struct veb_snap *snap);
void __wrap_veb_snap_free(struct veb_snap *snap);
void __wrap_veb_snap_free(struct veb_snap *snap)
{
	__atomic_store_n(&freed, __atomic_load_n(&inside, __ATOMIC_SEQ_CST), __ATOMIC_SEQ_CST);
	__real_veb_snap_free(snap);
}

/* In the middle of a turn, over a snapshot, until control is in a grace period or will never be. */
static void turn_hold(struct dp *dp)
{
	__atomic_store_n(&inside, true, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&dp->qsbr->token, __ATOMIC_SEQ_CST) == held_token &&
	       !__atomic_load_n(&freed, __ATOMIC_SEQ_CST))
		usleep(100);
	__atomic_store_n(&held, NULL, __ATOMIC_SEQ_CST);
	__atomic_store_n(&inside, false, __ATOMIC_SEQ_CST);
}

static unsigned int op_rx(struct port_queue *q, struct port_burst *b)
{
	static const uint8_t payload[9216];
	struct vf *vf = (struct vf *)q->port;
	struct dp *dp = __atomic_load_n(&held, __ATOMIC_SEQ_CST);
	uint32_t bytes = 0;

	if (dp)
		turn_hold(dp);
	if (!vf->len || !__atomic_load_n(&go, __ATOMIC_ACQUIRE))
		return 0;
	vf->turns++;
	if (vfs[NEIGHBOUR].turns == TURNS || vfs[FLOODER].turns == GIVE_UP) {
		__atomic_store_n(&go, false, __ATOMIC_RELEASE);
		sem_post(&over);
		return 0;
	}
	for (; b->n < b->max && bytes < b->max_bytes; bytes += vf->len)
		b->frames[b->n++] = (struct frame){ .dst = vf->dst,
						    .src = mac_of(q->port->id),
						    .type = htons(0x88b5),
						    .len = vf->len,
						    .data = { payload, vf->len - FRAME_HDR_LEN } };
	b->more = true;
	return b->n;
}

static void op_tx(struct port *port, struct port_batch *b)
{
	const struct port_item *it;
	const struct frame *f;

	port_batch_each(b, it, f)
	{
		if (((struct vf *)port)->full) {
			port_dropped(b, it, f, DROP_NO_BUFFER);
			continue;
		}
		vfs[f->src.b[5]].cost += f->len + COPY_COST;
		port_delivered(b, it, f);
	}
}

/* A queue that can be empty. */
static unsigned int op_rx_queue(struct port_queue *q, struct port_burst *b)
{
	struct vf *vf = (struct vf *)q->port;
	unsigned int n = MIN(__atomic_load_n(&vf->waiting, __ATOMIC_ACQUIRE), b->max);

	for (unsigned int i = 0; i < n; i++)
		b->frames[b->n++] = (struct frame){ .dst = vf->dst,
						    .src = mac_of(q->port->id),
						    .type = htons(0x88b5),
						    .len = FRAME_HDR_LEN };
	b->more = __atomic_sub_fetch(&vf->waiting, n, __ATOMIC_ACQ_REL);
	return n;
}

static void op_tx_queue(struct port *port, struct port_batch *b)
{
	const struct port_item *it;
	const struct frame *f;

	port_batch_each(b, it, f)
	{
		port_delivered(b, it, f);
		__atomic_add_fetch(&((struct vf *)port)->got, 1, __ATOMIC_RELEASE);
	}
}

static void op_free(struct port *port)
{
}

/* A queue that is told what will come, at most of PORT_AHEAD_MAX ports at once. */
static void op_fetch(const struct port_ahead *ahead, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct vf *vf = (struct vf *)ahead[i].port;

		vf->asked = n <= PORT_AHEAD_MAX ? ahead[i].n : 0;
	}
}

static void op_tx_asked(struct port *port, struct port_batch *b)
{
	struct vf *vf = (struct vf *)port;

	vf->unasked |= !vf->asked;
	vf->asked = 0;
	op_tx_queue(port, b);
}

static const struct port_ops ops = { .kind = "test", .rx = op_rx, .tx = op_tx, .free = op_free };
static const struct port_ops queue_ops = {
	.kind = "queue", .rx = op_rx_queue, .tx = op_tx_queue, .free = op_free
};
static const struct port_ops asked_ops = {
	.kind = "asked", .rx = op_rx_queue, .tx = op_tx_asked, .fetch = op_fetch, .free = op_free
};

/* A frame comes, and with it a kick, as soon as one is waited for. */
static bool op_arm_kicked(struct port_queue *q, bool on)
{
	if (on && !__atomic_exchange_n(&go, true, __ATOMIC_ACQ_REL)) {
		__atomic_store_n(&((struct vf *)q->port)->waiting, 1, __ATOMIC_RELEASE);
		eventfd_write(q->fd, 1);
	}
	return false;
}

static const struct port_ops kicked_ops = {
	.kind = "kicked", .rx = op_rx_queue, .tx = op_tx_queue, .arm = op_arm_kicked, .free = op_free
};

/* All VFs up and spoof-checked, but for what @change, or NULL, makes of each. */
static void snap_publish_as(struct dp *dp, void (*change)(struct veb_port_conf *c))
{
	struct veb_port *ports[VFS];
	struct veb_snap *snap;

	for (unsigned int i = 0; i < VFS; i++) {
		struct mac mac = mac_of(i);
		struct veb_port_conf c = { .id = (uint16_t)i,
					   .kind = VEB_VF,
					   .mtu = 9000,
					   .n_macs = 1,
					   .macs = &mac,
					   .flags = VEB_LINK_UP | VEB_SPOOFCHK };

		if (change)
			change(&c);
		ports[i] = veb_port_new(&c);
	}
	assert_int_equal(veb_snap_build(ports, VFS, 0, &snap, NULL), 0);
	for (unsigned int i = 0; i < VFS; i++)
		veb_port_put(ports[i]);
	dp_publish(dp, snap);
}

static void snap_publish(struct dp *dp)
{
	snap_publish_as(dp, NULL);
}

static int setup(void **state)
{
	struct dp_opts opts = { .run_dir = mkdtemp(run_dir), .busy = true, .mem_mib = 16 };
	struct err e = { 0 };
	struct dp *dp;

	if (dp_open(&opts, &dp, &e)) {
		fprintf(stderr, "%s\n", e.msg);
		return -1;
	}
	snap_publish(dp);
	*state = dp;
	return sem_init(&over, 0, 0);
}

static int teardown(void **state)
{
	static const char *const below[] = { "/dpdk", "" };
	char path[64];

	dp_close(*state);
	for (unsigned int i = 0; i < ARRAY_LEN(below); i++) {
		snprintf(path, sizeof(path), "%s%s", run_dir, below[i]);
		if (rmdir(path))
			return -1;
	}
	return 0;
}

/* Both send all they may until the neighbour had TURNS turns; of the other guests @full take none. */
static void run_beside(struct dp *dp, struct mac to, uint32_t flooder_len, uint32_t neighbour_len,
		       unsigned int full)
{
	for (unsigned int i = 0; i < VFS; i++) {
		struct vf *vf = &vfs[i];

		*vf = (struct vf){
			.port = { .ops = &ops, .queues = { &vf->source }, .n_queues = 1 },
			.source = { .port = &vf->port, .fd = -1, .node = -1 },
			.full = i >= VFS - full,
		};
	}
	vfs[FLOODER].len = flooder_len;
	vfs[FLOODER].dst = to;
	vfs[NEIGHBOUR].len = neighbour_len;
	vfs[NEIGHBOUR].dst = mac_of(OTHER);
	dp_hold(dp, true);
	for (uint16_t i = 0; i < VFS; i++)
		assert_int_equal(dp_port_add(dp, i, "test", &vfs[i].port, NULL), 0);
	__atomic_store_n(&go, true, __ATOMIC_RELEASE);
	usleep(1000); /* thousands of rounds of a worker that polls */
	assert_int_equal(vfs[FLOODER].turns, 0);
	dp_hold(dp, false);
	sem_wait(&over);
	for (uint16_t i = 0; i < VFS; i++)
		dp_port_del(dp, i);
	assert_int_equal(vfs[NEIGHBOUR].turns, TURNS);
}

static void run(struct dp *dp, struct mac to, uint32_t flooder_len, uint32_t neighbour_len)
{
	run_beside(dp, to, flooder_len, neighbour_len, 0);
}

/* A broadcast costs 64 copies, and its sender has to wait for as many turns as they are worth. */
static void a_flood_of_broadcasts_leaves_the_neighbour_its_share(void **state)
{
	static const struct mac all = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
	static const uint32_t lens[][2] = { { 64, 1514 }, { 1514, 1514 }, { 64, 64 }, { 1514, 64 } };

	for (unsigned int i = 0; i < ARRAY_LEN(lens); i++) {
		run(*state, all, lens[i][0], lens[i][1]);
		print_message("broadcasts of %u bytes cost %.2f times the neighbour's frames of %u\n",
			      lens[i][0], (double)vfs[FLOODER].cost / (double)vfs[NEIGHBOUR].cost,
			      lens[i][1]);
		assert_in_range(vfs[FLOODER].cost, vfs[NEIGHBOUR].cost * 2 / 3,
				vfs[NEIGHBOUR].cost * 3 / 2);
	}
}

/* Copies that stalled guests, mirrors perhaps, do not take are not charged as if they did. */
static void a_stalled_destination_costs_the_sender_nearly_nothing(void **state)
{
	static const struct mac all = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

	run_beside(*state, all, 64, 64, VFS - OTHER - 1);
	assert_in_range(vfs[FLOODER].cost, vfs[NEIGHBOUR].cost / 2, vfs[NEIGHBOUR].cost * 3 / 2);
}

/* What nobody gets costs its sender too, else its turn would never end. */
static void a_flood_for_nobody_leaves_the_neighbour_its_turns(void **state)
{
	run(*state, mac_of(VFS), 64, 64);
	assert_int_equal(vfs[NEIGHBOUR].turns, TURNS);
	assert_in_range(vfs[FLOODER].turns, TURNS / 16, TURNS * 16);
}

/* More than the worker can do is promised, so the other gets what is left over: its credit. */
static void a_minimum_rate_buys_turns_on_a_busy_worker(void **state)
{
	dp_rate_set(*state, NEIGHBOUR, 0, 4000000);
	run(*state, mac_of(OTHER), 1514, 1514);
	assert_true(vfs[NEIGHBOUR].cost > 4 * vfs[FLOODER].cost);
	dp_rate_set(*state, NEIGHBOUR, 0, 0);
	run(*state, mac_of(OTHER), 1514, 1514);
	assert_in_range(vfs[FLOODER].cost, vfs[NEIGHBOUR].cost * 2 / 3,
			vfs[NEIGHBOUR].cost * 3 / 2);
}

/* 1 Mbit/s are a bucket of 44 frames and some hundred bytes a ms; the other has all the turns it wants. */
static void a_maximum_rate_holds_its_own_port_alone(void **state)
{
	dp_rate_set(*state, FLOODER, 1, 0);
	run(*state, mac_of(OTHER), 1514, 1514);
	dp_rate_set(*state, FLOODER, 0, 0);
	assert_true(vfs[FLOODER].cost > 0 && vfs[NEIGHBOUR].cost > 16 * vfs[FLOODER].cost);
}

/* @fd: what wakes its worker; -1: it is polled. */
static void queue_plug_fd(struct dp *dp, unsigned int n, unsigned int to, int fd)
{
	struct vf *vf = &vfs[n];

	*vf = (struct vf){
		.port = { .ops = &queue_ops, .queues = { &vf->source }, .n_queues = 1 },
		.source = { .port = &vf->port, .fd = fd, .slow_rx = true, .node = -1 },
		.dst = mac_of(to),
	};
	assert_int_equal(dp_port_add(dp, (uint16_t)n, "test", &vf->port, NULL), 0);
}

static void asked_plug(struct dp *dp, unsigned int n, struct mac dst)
{
	struct vf *vf = &vfs[n];

	*vf = (struct vf){
		.port = { .ops = &asked_ops, .queues = { &vf->source }, .n_queues = 1 },
		.source = { .port = &vf->port, .fd = -1, .slow_rx = true, .node = -1 },
		.dst = dst,
	};
	assert_int_equal(dp_port_add(dp, (uint16_t)n, "test", &vf->port, NULL), 0);
}

static void queue_plug(struct dp *dp, unsigned int n, unsigned int to)
{
	queue_plug_fd(dp, n, to, -1);
}

static void queues_unplug(struct dp *dp)
{
	for (uint16_t i = 0; i <= OTHER; i++)
		dp_port_del(dp, i);
}

static void sent(unsigned int from, unsigned int n)
{
	__atomic_store_n(&vfs[from].waiting, n, __ATOMIC_RELEASE);
	while (__atomic_load_n(&vfs[from].waiting, __ATOMIC_ACQUIRE))
		usleep(100);
}

static uint64_t link_down(struct dp *dp, uint16_t port)
{
	struct vf_stats stats;

	dp_stats_get(dp, port, &stats);
	return stats.drops[DROP_LINK_DOWN];
}

/* Whatever is dropped on its way to a guest: those from it never seem fewer, nor after a reset. */
static void a_drop_is_counted_in_its_way_and_summed_by_who_reads(void **state)
{
	struct dp *dp = *state;
	struct vf_stats *cells = &dp->workers[0]->stats[VFS], got; /* nobody's */

	cells->drops[DROP_RUNT] = 3;
	cells->rx_drops[DROP_RUNT] = 5;
	cells->rx_drops[DROP_OVERSIZE] = 7;
	dp_stats_get(dp, VFS, &got);
	assert_int_equal(got.drops[DROP_RUNT], 8);
	assert_int_equal(got.drops[DROP_OVERSIZE], 7);
	assert_int_equal(got.rx_drops[DROP_RUNT], 5);
	assert_int_equal(got.rx_dropped, 12);
	assert_int_equal(vf_stats_tx_dropped(&got), 3);
	dp_stats_reset(dp, VFS);
	dp_drops_add(dp, VFS, DROP_RUNT, 2);
	cells->rx_drops[DROP_RUNT]++;
	dp_stats_get(dp, VFS, &got);
	assert_int_equal(got.drops[DROP_RUNT], 3);
	assert_int_equal(got.drops[DROP_OVERSIZE], 0);
	assert_int_equal(got.rx_dropped, 1);
	assert_int_equal(vf_stats_tx_dropped(&got), 2);
}

static uint64_t waits(const struct vf_stats *s)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < VF_WAITS; i++)
		sum += s->waits[i];
	return sum;
}

/* By a clock that the test moves; a source that was never seen empty has no beginning. */
static void a_wait_is_counted_where_it_belongs(void **state)
{
	static const struct {
		uint64_t ticks;
		unsigned int in;
	} cases[] = { { 0, 0 },		{ 2000, 0 },	  { 2002, 1 },
		      { 128000000, 8 }, { 128000002, 9 }, { 40000000000000, 9 } };
	const uint64_t hz = 2000000000;
	struct port_queue q = { .empty_at = 7 };
	struct vf_stats s = { 0 };
	unsigned int due = 0;

	wait_begin(&q);
	assert_true(wait_due(&q, 1));
	wait_take(&q, &s, 9000, hz);
	assert_int_equal(waits(&s), 0);
	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t was = s.waits[cases[i].in], sum = s.wait_ns;

		q.empty_at = 5000;
		assert_true(wait_due(&q, i ? WAIT_EVERY : 0));
		wait_take(&q, &s, 5000 + cases[i].ticks, hz);
		assert_int_equal(s.waits[cases[i].in], was + 1);
		assert_int_equal(s.wait_ns, sum + cases[i].ticks / 2);
	}
	wait_take(&q, &s, 0, hz); /* the clock of another core is behind */
	assert_int_equal(s.waits[0], 3);
	for (unsigned int i = 0; i < 1000; i++)
		if (wait_due(&q, 32)) {
			wait_take(&q, &s, 6000, hz);
			due++;
		}
	assert_in_range(due, 1000 * 32 / WAIT_EVERY, 1000 * 32 / WAIT_EVERY + 1);
}

static struct vf_stats stats_with(struct dp *dp, uint16_t port, uint64_t n_waits)
{
	struct vf_stats s;

	for (dp_stats_get(dp, port, &s); waits(&s) < n_waits; dp_stats_get(dp, port, &s))
		usleep(100);
	return s;
}

/* One frame in WAIT_EVERY, at its sender; and it waited no less than it was made to. */
static void a_frame_tells_how_long_it_waited(void **state)
{
	enum { LONG_US = 5000 };
	struct dp *dp = *state;
	struct vf_stats s;

	queue_plug(dp, FLOODER, OTHER);
	queue_plug(dp, NEIGHBOUR, OTHER);
	queue_plug(dp, OTHER, OTHER);
	dp_stats_reset(dp, FLOODER);
	sent(NEIGHBOUR, 1); /* rounds in which the other was seen empty */
	sent(NEIGHBOUR, 1);
	sent(FLOODER, 1);
	stats_with(dp, FLOODER, 1);
	sent(FLOODER, WAIT_EVERY - 1);
	dp_hold(dp, true);
	s = stats_with(dp, FLOODER, 1);
	assert_int_equal(waits(&s), 1);
	vfs[FLOODER].waiting = 1;
	usleep(LONG_US);
	dp_hold(dp, false);
	s = stats_with(dp, FLOODER, 2);
	assert_true(s.wait_ns >= LONG_US * 1000);
	assert_true(s.waits[7] + s.waits[8] + s.waits[9] >= 1);
	dp_stats_get(dp, OTHER, &s);
	assert_int_equal(waits(&s), 0);
	queues_unplug(dp);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Of a worker that was long too busy to look for kicks: no frame waited longer than its sender is. */
static void a_kick_at_once_is_no_long_wait(void **state)
{
	enum { LONG_US = 50000 };
	struct vf *vf = &vfs[NEIGHBOUR];
	int fd = eventfd(0, EFD_CLOEXEC);
	struct dp *dp = *state;
	struct vf_stats s;
	uint64_t began;

	queue_plug(dp, OTHER, OTHER);
	queue_plug(dp, FLOODER, OTHER);
	dp_stats_reset(dp, NEIGHBOUR);
	__atomic_store_n(&vfs[FLOODER].waiting, UINT32_MAX, __ATOMIC_RELEASE);
	usleep(LONG_US);
	*vf = (struct vf){ .port = { .ops = &kicked_ops, .queues = { &vf->source }, .n_queues = 1 },
			   .source = { .port = &vf->port, .fd = fd, .slow_rx = true, .node = -1 },
			   .dst = mac_of(OTHER) };
	__atomic_store_n(&go, false, __ATOMIC_RELEASE);
	dp->busy = false;
	began = now_ns();
	assert_int_equal(dp_port_add(dp, NEIGHBOUR, "test", &vf->port, NULL), 0);
	s = stats_with(dp, NEIGHBOUR, 1);
	assert_true(s.wait_ns < now_ns() - began + LONG_US * 500);
	queues_unplug(dp);
	dp->busy = true;
	close(fd);
}

/* The frames that wait when a port goes on go by no rules; those after them do, and the others'. */
static void what_a_paused_port_was_given_is_dropped_or_goes_on(void **state)
{
	struct dp *dp = *state;
	uint64_t before;

	queue_plug(dp, FLOODER, OTHER);
	queue_plug(dp, NEIGHBOUR, FLOODER);
	queue_plug(dp, OTHER, OTHER);
	before = link_down(dp, FLOODER);
	dp_port_pause(dp, FLOODER);
	vfs[FLOODER].waiting = 1000;
	sent(NEIGHBOUR, 300); /* rounds of the worker, and the paused port hears */
	assert_int_equal(vfs[FLOODER].waiting, 1000);
	dp_rate_set(dp, FLOODER, 1, 0); /* a rate does not put it off */
	dp_port_resume(dp, FLOODER, true);
	dp_rate_set(dp, FLOODER, 0, 0);
	assert_int_equal(vfs[FLOODER].waiting, 0);
	assert_int_equal(link_down(dp, FLOODER), before + 1000);
	sent(FLOODER, 1);
	dp_port_pause(dp, FLOODER);
	vfs[FLOODER].waiting = 200;
	dp_port_resume(dp, FLOODER, false);
	while (__atomic_load_n(&vfs[OTHER].got, __ATOMIC_ACQUIRE) < 201)
		usleep(100);
	assert_int_equal(link_down(dp, FLOODER), before + 1000);
	assert_int_equal(vfs[OTHER].got, 201);
	assert_int_equal(vfs[FLOODER].got, 300);
	queues_unplug(dp);
}

/* The worker is in a turn when the next snapshot comes: the old one lives until that is over. */
static void a_snapshot_outlives_the_turn_that_uses_it(void **state)
{
	struct dp *dp = *state;
	struct vf *vf = &vfs[FLOODER];

	*vf = (struct vf){ .port = { .ops = &ops, .queues = { &vf->source }, .n_queues = 1 },
			   .source = { .port = &vf->port, .fd = -1, .node = -1 } };
	assert_int_equal(dp_port_add(dp, FLOODER, "test", &vf->port, NULL), 0);
	freed = false;
	held_token = __atomic_load_n(&dp->qsbr->token, __ATOMIC_SEQ_CST);
	__atomic_store_n(&held, dp, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&inside, __ATOMIC_SEQ_CST))
		usleep(100);
	snap_publish(dp);
	assert_false(freed);
	assert_false(inside);
	dp_port_del(dp, FLOODER);
}

static void neighbour_is_down(struct veb_port_conf *c)
{
	if (c->id == NEIGHBOUR)
		c->flags &= (uint16_t)~VEB_LINK_UP;
}

/* Control's change comes in the turn of the first of two sources: the second's goes by it already. */
static void a_change_is_in_force_from_the_next_turn_on(void **state)
{
	struct dp *dp = *state;
	struct vf *vf = &vfs[FLOODER];
	uint64_t before = link_down(dp, NEIGHBOUR);

	dp_hold(dp, true);
	*vf = (struct vf){ .port = { .ops = &ops, .queues = { &vf->source }, .n_queues = 1 },
			   .source = { .port = &vf->port, .fd = -1, .node = -1 } };
	assert_int_equal(dp_port_add(dp, FLOODER, "test", &vf->port, NULL), 0);
	queue_plug(dp, NEIGHBOUR, OTHER);
	queue_plug(dp, OTHER, OTHER);
	dp_hold(dp, false);
	freed = false;
	held_token = __atomic_load_n(&dp->qsbr->token, __ATOMIC_SEQ_CST);
	__atomic_store_n(&held, dp, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&inside, __ATOMIC_SEQ_CST))
		usleep(100);
	__atomic_store_n(&vfs[NEIGHBOUR].waiting, 1, __ATOMIC_SEQ_CST);
	snap_publish_as(dp, neighbour_is_down);
	while (__atomic_load_n(&vfs[NEIGHBOUR].waiting, __ATOMIC_SEQ_CST))
		usleep(100);
	queues_unplug(dp);
	assert_int_equal(vfs[OTHER].got, 0);
	assert_int_equal(link_down(dp, NEIGHBOUR), before + 1);
	snap_publish(dp);
}

/* Else all sources end up with one worker, as they come and go. */
static void who_left_is_no_load_of_his_worker(void **state)
{
	struct dp *dp = *state;

	for (unsigned int i = 0; i < 3; i++) {
		queue_plug(dp, FLOODER, OTHER);
		queue_plug(dp, OTHER, FLOODER);
		assert_int_equal(dp->workers[0]->core.load, 2);
		dp_port_del(dp, FLOODER);
		assert_int_equal(dp->workers[0]->core.load, 1);
		dp_port_del(dp, OTHER);
		assert_int_equal(dp->workers[0]->core.load, 0);
	}
}

static void until_asleep(struct dp *dp, const struct port_queue *q)
{
	while (__atomic_load_n(&q->polled, __ATOMIC_ACQUIRE) ||
	       !__atomic_load_n(&dp->workers[0]->pulse.asleep, __ATOMIC_ACQUIRE))
		usleep(100);
}

/*
 * A source that moved, and a kick of it that its old worker took out of epoll before: the old one
 * leaves it alone. Kicks come in order, so with the one behind it that one was seen.
 */
static void a_kick_of_anothers_source_is_not_ours(void **state)
{
	struct port_queue *moved = &vfs[FLOODER].source;
	int moved_fd = eventfd(0, EFD_CLOEXEC), fd = eventfd(0, EFD_CLOEXEC);
	struct dp *dp = *state;

	dp->busy = false;
	queue_plug_fd(dp, FLOODER, OTHER, moved_fd);
	queue_plug_fd(dp, NEIGHBOUR, OTHER, fd);
	until_asleep(dp, moved);
	until_asleep(dp, &vfs[NEIGHBOUR].source);
	__atomic_store_n(&moved->worker, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&vfs[FLOODER].waiting, 3, __ATOMIC_SEQ_CST);
	__atomic_store_n(&vfs[NEIGHBOUR].waiting, 1, __ATOMIC_SEQ_CST);
	assert_int_equal(eventfd_write(moved_fd, 1), 0);
	assert_int_equal(eventfd_write(fd, 1), 0);
	while (__atomic_load_n(&vfs[NEIGHBOUR].waiting, __ATOMIC_SEQ_CST))
		usleep(100);
	until_asleep(dp, &vfs[NEIGHBOUR].source);
	assert_int_equal(vfs[FLOODER].waiting, 3);
	__atomic_store_n(&moved->worker, 0, __ATOMIC_SEQ_CST);
	queues_unplug(dp);
	dp->busy = true;
	close(moved_fd);
	close(fd);
}

/* Time passes while it sleeps as well, and each frame was in one burst. */
static void a_worker_tells_what_it_does(void **state)
{
	struct port_queue *source = &vfs[FLOODER].source;
	int fd = eventfd(0, EFD_CLOEXEC);
	struct dp *dp = *state;
	struct dp_work was, is;
	uint64_t frames = 0;

	dp->busy = false;
	queue_plug_fd(dp, FLOODER, OTHER, fd);
	until_asleep(dp, source);
	dp_work_get(dp, 0, &was);
	usleep(2000);
	dp_work_get(dp, 0, &is);
	assert_true(is.idle_ns - was.idle_ns >= 1000000 && is.busy_ns == was.busy_ns);

	__atomic_store_n(&vfs[FLOODER].waiting, 3, __ATOMIC_SEQ_CST);
	assert_int_equal(eventfd_write(fd, 1), 0);
	while (__atomic_load_n(&vfs[FLOODER].waiting, __ATOMIC_SEQ_CST))
		usleep(100);
	until_asleep(dp, source);
	dp_work_get(dp, 0, &is);
	for (unsigned int n = 0; n <= DP_BURST_MAX; n++)
		frames += n * (is.bursts[n] - was.bursts[n]);
	assert_int_equal(frames, 3);
	assert_true(is.busy_ns > was.busy_ns && is.wakeups > was.wakeups);
	queues_unplug(dp);
	dp->busy = true;
	close(fd);
}

static void mirror_to_a_link_that_is_down(struct veb_port_conf *c)
{
	static const struct veb_mirror mirror = { .to = OTHER, .flags = VEB_MIRROR_OUT };

	if (c->id == FLOODER) {
		c->n_out = 1;
		c->out = &mirror;
	}
	if (c->id == OTHER)
		c->flags &= (uint16_t)~VEB_LINK_UP;
}

static void a_mirror_brings_nothing_where_the_link_is_down(void **state)
{
	struct dp *dp = *state;
	uint64_t before = link_down(dp, OTHER);

	snap_publish_as(dp, mirror_to_a_link_that_is_down);
	queue_plug(dp, OTHER, OTHER);
	queue_plug(dp, NEIGHBOUR, OTHER);
	queue_plug(dp, FLOODER, NEIGHBOUR);
	sent(FLOODER, 200);
	dp_port_del(dp, FLOODER); /* when its turn is over */
	assert_int_equal(vfs[NEIGHBOUR].got, 200);
	assert_int_equal(vfs[OTHER].got, 0);
	assert_int_equal(link_down(dp, OTHER), before + 200);
	queues_unplug(dp);
	snap_publish(dp);
}

/*
 * Of 64 destinations, of which one is of a kind that is not told and one is not there, each that is
 * gets its frames behind the news. Of one destination nothing is said.
 */
static void many_destinations_are_looked_ahead_to(void **state)
{
	static const struct mac all = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
	struct dp *dp = *state;

	for (unsigned int i = 0; i < VFS - 1; i++)
		if (i != OTHER)
			asked_plug(dp, i, i == FLOODER ? all : mac_of(FLOODER));
	queue_plug(dp, OTHER, OTHER);
	sent(FLOODER, 300);
	dp_port_pause(dp, FLOODER); /* its turn is over */
	sent(NEIGHBOUR, 1);
	dp_port_pause(dp, NEIGHBOUR);
	assert_int_equal(vfs[FLOODER].got, 1);
	assert_true(vfs[FLOODER].unasked);
	for (unsigned int i = NEIGHBOUR; i < VFS - 1; i++) {
		assert_int_equal(vfs[i].got, 300);
		assert_int_equal(vfs[i].asked, 0);
		assert_false(vfs[i].unasked);
	}
	dp_port_resume(dp, FLOODER, false);
	dp_port_resume(dp, NEIGHBOUR, false);
	for (uint16_t i = 0; i < VFS - 1; i++)
		dp_port_del(dp, i);
}

static void learn_of_strangers(struct veb_port_conf *c)
{
	static const struct mac own = { { 2, 1 } };

	c->flags |= VEB_LEARN;
	if (c->id <= OTHER)
		c->macs = &own; /* not what they send from */
}

/* What two VFs taught, and control did not come to hear before one of them is somebody else's. */
static void what_a_gone_port_taught_is_forgotten(void **state)
{
	struct dp *dp = *state;
	struct dp_hint hints[16];
	unsigned int n, n_flooder = 0, n_neighbour = 0;

	snap_publish_as(dp, learn_of_strangers);
	while (dp_hints_take(dp, hints, ARRAY_LEN(hints)))
		;
	queue_plug(dp, FLOODER, OTHER);
	queue_plug(dp, NEIGHBOUR, OTHER);
	sent(FLOODER, 1);
	sent(NEIGHBOUR, 1);
	dp_port_pause(dp, NEIGHBOUR); /* its turn is over */
	dp_port_del(dp, FLOODER);
	n = dp_hints_take(dp, hints, ARRAY_LEN(hints));
	for (unsigned int i = 0; i < n; i++) {
		n_flooder += hints[i].port == FLOODER;
		n_neighbour += hints[i].port == NEIGHBOUR;
	}
	assert_int_equal(n_flooder, 0);
	assert_int_equal(n_neighbour, 1);
	dp_port_resume(dp, NEIGHBOUR, false);
	queues_unplug(dp);
	snap_publish(dp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_snapshot_outlives_the_turn_that_uses_it),
		cmocka_unit_test(a_change_is_in_force_from_the_next_turn_on),
		cmocka_unit_test(a_flood_of_broadcasts_leaves_the_neighbour_its_share),
		cmocka_unit_test(a_stalled_destination_costs_the_sender_nearly_nothing),
		cmocka_unit_test(a_flood_for_nobody_leaves_the_neighbour_its_turns),
		cmocka_unit_test(a_minimum_rate_buys_turns_on_a_busy_worker),
		cmocka_unit_test(a_maximum_rate_holds_its_own_port_alone),
		cmocka_unit_test(a_drop_is_counted_in_its_way_and_summed_by_who_reads),
		cmocka_unit_test(a_wait_is_counted_where_it_belongs),
		cmocka_unit_test(a_frame_tells_how_long_it_waited),
		cmocka_unit_test(a_kick_at_once_is_no_long_wait),
		cmocka_unit_test(what_a_paused_port_was_given_is_dropped_or_goes_on),
		cmocka_unit_test(who_left_is_no_load_of_his_worker),
		cmocka_unit_test(a_kick_of_anothers_source_is_not_ours),
		cmocka_unit_test(a_worker_tells_what_it_does),
		cmocka_unit_test(many_destinations_are_looked_ahead_to),
		cmocka_unit_test(a_mirror_brings_nothing_where_the_link_is_down),
		cmocka_unit_test(what_a_gone_port_taught_is_forgotten),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
