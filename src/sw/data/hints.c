/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MAC learning, the workers' half: source addresses they noticed, for control to judge, and which
 * learned ones were heard of.
 */
#include <sys/eventfd.h>

#include "sw/data/dp_priv.h"

/**
 * hints_put() - Tell control the addresses that veb wants judged
 * @w:   worker
 * @out: of its last veb_forward(); what does not fit is to be said again
 *
 * Context: the worker.
 */
void hints_put(struct dp_worker *w, struct veb_out *out)
{
	struct dp_hints *h = &w->hints;
	unsigned int head = h->head;

	for (unsigned int i = 0; i < out->n_learns; i++) {
		if (head - __atomic_load_n(&h->tail, __ATOMIC_ACQUIRE) == DP_HINTS_MAX) {
			out->learn_gen = 0;
			break;
		}
		h->ring[head++ % DP_HINTS_MAX] =
			(struct dp_hint){ out->learns[i].port, out->learns[i].mac };
	}
	__atomic_store_n(&h->head, head, __ATOMIC_RELEASE);
	if (!__atomic_exchange_n(&h->told, true, __ATOMIC_ACQ_REL))
		(void)eventfd_write(w->dp->hint_fd, 1);
}

/**
 * hints_void() - Forget what waits to be told of a port
 * @dp:   data plane
 * @port: port number; its sources are stopped, so no worker says more
 *
 * Whoever is plugged in next is not to have the addresses of who was there before.
 *
 * Context: control.
 */
void hints_void(struct dp *dp, uint16_t port)
{
	for (unsigned int w = 0; w < dp->n_workers; w++) {
		struct dp_hints *h = &dp->workers[w]->hints;
		unsigned int head = __atomic_load_n(&h->head, __ATOMIC_ACQUIRE);

		for (unsigned int i = h->tail; i != head; i++)
			if (h->ring[i % DP_HINTS_MAX].port == port)
				h->ring[i % DP_HINTS_MAX].port = VEB_NO_PORT;
	}
}

/**
 * dp_hint_fd() - What to watch for address hints
 * @dp: data plane
 *
 * Return: descriptor, readable while hints wait; stays the data plane's.
 * Context: control.
 */
int dp_hint_fd(const struct dp *dp)
{
	return dp->hint_fd;
}

/**
 * dp_hints_take() - Fetch address hints
 * @dp:  data plane
 * @out: array of @max
 * @max: entries
 *
 * Return: entries filled; fewer than @max means all were taken.
 * Context: control.
 */
unsigned int dp_hints_take(struct dp *dp, struct dp_hint *out, unsigned int max)
{
	unsigned int n = 0;
	bool left = false;
	eventfd_t count;

	(void)eventfd_read(dp->hint_fd, &count);
	for (unsigned int w = 0; w < dp->n_workers; w++) {
		struct dp_hints *h = &dp->workers[w]->hints;
		unsigned int head, tail = h->tail;

		__atomic_store_n(&h->told, false, __ATOMIC_SEQ_CST);
		head = __atomic_load_n(&h->head, __ATOMIC_SEQ_CST);
		while (n < max && tail != head)
			out[n++] = h->ring[tail++ % DP_HINTS_MAX];
		__atomic_store_n(&h->tail, tail, __ATOMIC_RELEASE);
		left |= tail != head;
	}
	if (left)
		(void)eventfd_write(dp->hint_fd, 1);
	return n;
}

/**
 * dp_heard_take() - Which learned addresses were heard of since the last call
 * @dp:  data plane
 * @out: filled; ask with veb_heard_of()
 *
 * Context: control.
 */
void dp_heard_take(struct dp *dp, struct veb_heard *out)
{
	for (unsigned int i = 0; i < ARRAY_LEN(out->words); i++)
		out->words[i] = __atomic_exchange_n(&dp->heard.words[i], 0, __ATOMIC_RELAXED);
}
