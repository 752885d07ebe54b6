/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's memory is the input, and what the guest stores there between two reads of ours: two rings
 * and whatever they point at, for some rounds of a worker. Nothing outside may be touched, never is
 * more than a lap out, and no round reads without end.
 *
 * With FUZZ_VCPU=1 in the environment a second thread makes the stores, over and over, while the
 * worker runs: real races instead of every one at its place.
 */
#include <assert.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "sw/vhost/vq_priv.h"

#define RING   8
#define MEM    8192 /* tx ring at 0, rx ring at 512, the rest is buffers */
#define BORDER 6000 /* of its two regions */
#define ROUNDS 3
#define READS  (1u << 16) /* of guest memory in one round; far above what any takes */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the guest stores: two bytes, @after reads since the store before. */
struct store {
	uint8_t after;
	uint16_t at, value; /* at: modulo MEM */
} __attribute__((packed));

/* The beginning of an input; its stores and the guest's memory follow. */
struct input {
	uint8_t features; /* bits of offered[], and OTHER */
	uint8_t n_stores;
} __attribute__((packed));

#define OTHER 0x80 /* another worker has a chain of the receiver out meanwhile */

static const uint64_t offered[] = {
	1ull << VIRTIO_NET_F_MRG_RXBUF,	   1ull << VIRTIO_F_RING_PACKED,
	1ull << VIRTIO_RING_F_EVENT_IDX,   1ull << VIRTIO_NET_F_GUEST_CSUM,
	1ull << VIRTIO_NET_F_GUEST_TSO4,
};

static struct guest {
	uint8_t *low, *high; /* memory below BORDER and above */
	const struct store *stores;
	unsigned int n_stores, next, waited, reads;
	bool stop; /* atomic */
} guest;
static bool vcpu; /* a thread makes the stores */

static void store_make(const struct store *s)
{
	unsigned int at = s->at % MEM;
	volatile uint8_t *to = at < BORDER ? guest.low + at : guest.high + (at - BORDER);

	to[0] = (uint8_t)s->value;
	if (at != BORDER - 1 && at != MEM - 1)
		to[1] = (uint8_t)(s->value >> 8);
}

void guest_hook(void)
{
	assert(++guest.reads < READS);
	if (vcpu || guest.next == guest.n_stores)
		return;
	while (guest.next < guest.n_stores && guest.waited >= guest.stores[guest.next].after) {
		store_make(&guest.stores[guest.next++]);
		guest.waited = 0;
	}
	guest.waited++;
}

static void *vcpu_run(void *arg)
{
	while (!__atomic_load_n(&guest.stop, __ATOMIC_RELAXED))
		for (unsigned int i = 0; i < guest.n_stores; i++)
			store_make(&guest.stores[i]);
	return NULL;
}

/* The notes of what is out lead from chain to chain to its end, within a lap. */
static void lap_check(const struct vq *v)
{
	unsigned int left = vq_between(v, v->published, v->used_next), n;

	assert(left <= RING);
	for (unsigned int at = v->published & VQ_INDEX; left; left -= n, at += n) {
		n = v->is_packed ? (unsigned int)(v->done[at % RING] >> 48) : 1;
		assert(n && n <= left);
	}
}

/* The lease of another worker: up to where it goes on. @to == @from: none. */
static struct {
	struct vq *v;
	uint16_t from, to;
} other;

static void other_leases(struct vq *v)
{
	struct vq_chain c;

	other.v = v;
	other.from = v->used_next;
	if (chain_next(v, &c))
		chain_use(v, &c, 0);
	other.to = v->used_next;
}
static void other_publishes(void)
{
	used_publish(other.v, other.from, other.to);
	other.from = other.to;
}

/* What spin_wait() comes to: our worker waits for its turn. Sanitizers yield, too. */
int sched_yield(void)
{
	if (other.from != other.to)
		other_publishes();
	return 0;
}

/* A turn of a worker: all the burst to the other ring. */
static void round_run(struct vq *from, struct vq *to, bool beside)
{
	static struct port_burst burst;
	static uint8_t scratch[PORT_SCRATCH];
	static struct dp_mirror_stats mirrors[VEB_MIRRORS_MAX];
	struct port_item items[PORT_BURST];
	struct vf_stats stats = { 0 };
	struct port_batch batch = { .items = items, .stats = &stats, .mirrors = mirrors, .scratch = scratch };

	guest.reads = 0;
	burst.max = PORT_BURST;
	burst.max_bytes = UINT32_MAX;
	burst.n = burst.n_segs = burst.more = 0;
	vq_take(from, &burst);
	lap_check(from);
	assert(burst.n <= RING);
	for (unsigned int i = 0; i < burst.n; i += items[batch.n++].n) /* runs of 1, 2, 3, 1, ... */
		items[batch.n] = (struct port_item){ &burst.frames[i],
						     { i & 1 ? 0x81000064 : 0, 0 }, 0,
						     (uint16_t)MIN(batch.n % 3 + 1, burst.n - i) };
	if (beside)
		other_leases(to);
	vq_deliver(to, &batch);
	if (beside)
		other_publishes();
	vq_give_back(from);
	assert(to->published == to->used_next && from->published == from->used_next);
	vq_arm(from, true);
	vq_arm(from, false);
}

static void rings_run(uint64_t features, bool beside)
{
	struct gmem gmem = { 2, { { 0, BORDER, guest.low }, { BORDER, MEM - BORDER, guest.high } } };
	struct vq_mark marks[2] = { { 0 } };
	uint64_t done[2][RING] = { { 0 } };
	struct vq vqs[2];

	for (unsigned int i = 0; i < 2; i++) {
		struct vq_conf conf = { .desc = guest.low + 512 * i,
					.driver = guest.low + 512 * i + 128,
					.device = guest.low + 512 * i + 256,
					.size = RING, .mem = &gmem, .call_fd = -1,
					.features = features, .mark = &marks[i], .done = done[i] };

		conf.avail_next = features & 1ull << VIRTIO_F_RING_PACKED ? VQ_WRAP : 0;
		assert(vq_init(&vqs[i], &conf));
	}
	for (unsigned int i = 0; i < ROUNDS; i++)
		round_run(&vqs[0], &vqs[1], beside);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct input *in = (const void *)data;
	uint64_t features = 0;
	pthread_t thread;
	size_t stores;

	if (size < sizeof(*in))
		return 0;
	vcpu = getenv("FUZZ_VCPU");
	stores = MIN((size - sizeof(*in)) / sizeof(struct store), (size_t)in->n_stores);
	guest = (struct guest){ .low = aligned_alloc(16, BORDER), .high = malloc(MEM - BORDER),
				.stores = (const void *)(in + 1), .n_stores = (unsigned int)stores };
	data += sizeof(*in) + stores * sizeof(struct store);
	size -= sizeof(*in) + stores * sizeof(struct store);
	memset(guest.low, 0, BORDER);
	memset(guest.high, 0, MEM - BORDER);
	memcpy(guest.low, data, MIN(size, (size_t)BORDER));
	if (size > BORDER)
		memcpy(guest.high, data + BORDER, MIN(size, (size_t)MEM) - BORDER);
	for (unsigned int i = 0; i < ARRAY_LEN(offered); i++)
		features |= in->features & 1u << i ? offered[i] : 0;
	if (vcpu)
		pthread_create(&thread, NULL, vcpu_run, NULL);
	rings_run(features, in->features & OTHER);
	__atomic_store_n(&guest.stop, true, __ATOMIC_RELAXED);
	if (vcpu)
		pthread_join(thread, NULL);
	free(guest.low);
	free(guest.high);
	return 0;
}
