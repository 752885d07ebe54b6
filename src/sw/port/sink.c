/* SPDX-License-Identifier: Apache-2.0 */
/* Rings of sinks, filled by workers, and the one thread that empties them all. */
#include "sw/port/sink.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>

#include "sw/port/sink_priv.h"

#define IDLE_MS	     1000 /* how often sinks without frames look after themselves */
#define ROUND_FRAMES 256  /* taken of one sink before the next one has its turn */

struct sinks {
	pthread_t thread;
	int wake_fd;			  /* eventfd */
	bool stop;			  /* atomic; end when no sink is left */
	bool asleep;			  /* atomic; the thread waits for wake_fd */
	struct sink *news;		  /* atomic; pushed by control, taken by the thread */
	struct sink *list;		  /* the thread's own */
	uint64_t failed[VEB_MIRRORS_MAX]; /* atomic; writer: the thread */
};

static void wake(struct sinks *s)
{
	if (__atomic_exchange_n(&s->asleep, false, __ATOMIC_SEQ_CST))
		(void)eventfd_write(s->wake_fd, 1);
}

static struct sink *sink_of(struct port *port)
{
	return container_of(port, struct sink, port);
}

/* One frame behind @head. Returns its size; 0: there is no room. */
static uint32_t put(struct sink *s, uint64_t head, uint64_t tail, const struct port_item *it,
		    const struct frame *f, uint64_t now_ns)
{
	uint32_t all = f->len - FRAME_HDR_LEN;
	uint32_t payload = s->snap ? MIN(all, s->snap - (uint32_t)FRAME_HDR_LEN) : all;
	uint32_t size = (uint32_t)(sizeof(struct sink_frame) + payload + 63) & ~63u;
	struct sink_frame *sf = (void *)(s->ring + head % SINK_RING_SIZE);

	if (SINK_RING_SIZE - (head - tail) < size)
		return 0;
	*sf = (struct sink_frame){ .size = size,
				   .cut = (it->cut ? f->cut : 0) + all - payload,
				   .time_ns = now_ns,
				   .tags = { it->tags[0], it->tags[1] },
				   .slot = VEB_MARK_SLOT(it->mirror),
				   .mark = it->mirror,
				   .frame = *f };
	sf->frame.data =
		(struct frame_seg){ (uint8_t *)(sf + 1), frame_peek(f, 0, sf + 1, payload) };
	sf->frame.n_more = 0;
	return size;
}

static uint64_t time_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A batch behind @head, until the ring is full. Returns the new head. */
static uint64_t put_all(struct sink *s, uint64_t head, struct port_batch *b, uint64_t now_ns)
{
	uint64_t tail = __atomic_load_n(&s->tail, __ATOMIC_ACQUIRE);
	const uint64_t *drops = &b->stats->rx_drops[DROP_NO_BUFFER], before = *drops;
	const struct port_item *it;
	const struct frame *f;

	port_batch_each(b, it, f)
	{
		uint32_t size = put(s, head, tail, it, f, now_ns);

		if (!size) {
			port_drop_rest(b, it, f, DROP_NO_BUFFER);
			veb_count(&s->refused, *drops - before);
			return head;
		}
		head += size;
		port_delivered(b, it, f);
	}
	return head;
}

/* What was put in up to @head is the thread's now. */
static void put_end(struct sink *s, uint64_t head)
{
	__atomic_store_n(&s->head, head, __ATOMIC_SEQ_CST);
	spin_unlock(&s->lock);
	if (__atomic_load_n(&s->sinks->asleep, __ATOMIC_SEQ_CST))
		wake(s->sinks);
}

/* Workers: never waits for the thread. */
static void sink_tx(struct port *port, struct port_batch *b)
{
	struct sink *s = sink_of(port);
	uint64_t now_ns = time_now_ns();

	spin_lock(&s->lock);
	put_end(s, put_all(s, s->head, b, now_ns));
}

/* Workers: a frame of which no more is known than was noted. */
static void sink_tx_noted(struct port *port, const struct loss *what, uint16_t mark)
{
	const uint32_t size = (sizeof(struct sink_frame) + DROP_HEAD_MAX + 63) & ~63u;
	uint64_t now_ns = time_now_ns();
	struct sink *s = sink_of(port);
	struct sink_frame *sf;
	uint64_t head;

	spin_lock(&s->lock);
	head = s->head;
	if (SINK_RING_SIZE - (head - __atomic_load_n(&s->tail, __ATOMIC_ACQUIRE)) < size) {
		veb_count(&s->refused, 1);
		spin_unlock(&s->lock);
		return;
	}
	sf = (void *)(s->ring + head % SINK_RING_SIZE);
	*sf = (struct sink_frame){ .size = size,
				   .cut = what->len - MIN(what->len, (uint32_t)what->head_len),
				   .time_ns = now_ns,
				   .slot = VEB_MARK_SLOT(mark),
				   .mark = mark,
				   .raw = true };
	memcpy(sf + 1, what->head, what->head_len);
	sf->frame.data = (struct frame_seg){ (uint8_t *)(sf + 1), what->head_len };
	put_end(s, head + size);
}

static void sink_status(const struct port *port, struct dp_port_status *out)
{
	out->connected = true;
}

/* Control: the thread takes what is still in the ring, then frees it. */
static void sink_close(struct port *port)
{
	struct sink *s = sink_of(port);
	struct sinks *sinks = s->sinks;

	__atomic_store_n(&s->closing, true, __ATOMIC_SEQ_CST);
	wake(sinks);
}

static const struct port_ops port_ops = {
	.kind = "sink",
	.tx = sink_tx,
	.tx_noted = sink_tx_noted,
	.status = sink_status,
	.free = sink_close,
};

/**
 * sink_init() - Make a kind's sink ready but for its own members
 * @s:     embedded in the kind's struct, all zero
 * @ops:   of the kind
 * @sinks: whose thread serves it
 * @e:     may be NULL
 *
 * Return: 0 or -ENOMEM; sink_fini() undoes it until sink_start().
 * Context: control.
 */
int sink_init(struct sink *s, const struct sink_ops *ops, struct sinks *sinks, struct err *e)
{
	auto_close int fd = memfd_create("anyvf-mirror", MFD_CLOEXEC);
	uint8_t *at = mmap(NULL, 2 * SINK_RING_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool ok = fd >= 0 && at != MAP_FAILED && !ftruncate(fd, SINK_RING_SIZE);

	for (unsigned int i = 0; ok && i < 2; i++)
		ok = mmap(at + i * SINK_RING_SIZE, SINK_RING_SIZE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED;
	if (!ok) {
		if (at != MAP_FAILED)
			munmap(at, 2 * SINK_RING_SIZE);
		return err_set(e, -ENOMEM, "no memory for a mirror's ring");
	}
	s->ring = at;
	s->ops = ops;
	s->sinks = sinks;
	s->port.ops = &port_ops;
	return 0;
}

/**
 * sink_fini() - Free what sink_init() made
 * @s: a sink that was not started, or one the thread has done with
 *
 * Context: control or the thread.
 */
void sink_fini(struct sink *s)
{
	munmap(s->ring, 2 * SINK_RING_SIZE);
}

/**
 * sink_start() - Hand a sink to the thread; its port's ops->free ends it
 * @s: ready; the thread frees it by its ops->free
 *
 * Context: control.
 */
void sink_start(struct sink *s)
{
	s->next = __atomic_load_n(&s->sinks->news, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&s->sinks->news, &s->next, s, true, __ATOMIC_SEQ_CST,
					    __ATOMIC_RELAXED))
		;
	wake(s->sinks);
}

/**
 * sink_failed() - Count frames that were taken from the ring and got no further
 * @s:    sink
 * @slot: of their mirror
 * @n:    how many
 *
 * Context: the thread.
 */
void sink_failed(struct sink *s, uint16_t slot, uint64_t n)
{
	veb_count(&s->sinks->failed[slot], n);
}

/**
 * sinks_failed() - Frames of a mirror lost behind the ring, ever
 * @s:    the thread, or NULL: none
 * @slot: of the mirror
 *
 * They were counted as delivered before; it never goes back, not even for a new mirror.
 *
 * Return: how many.
 * Context: control.
 */
uint64_t sinks_failed(const struct sinks *s, uint16_t slot)
{
	return s ? __atomic_load_n(&s->failed[slot], __ATOMIC_RELAXED) : 0;
}

/* Some frames of a sink; whether there were any. */
static bool drain(struct sink *s)
{
	uint64_t head = __atomic_load_n(&s->head, __ATOMIC_SEQ_CST), tail = s->tail;
	unsigned int n = 0;

	for (; tail != head && n < ROUND_FRAMES; n++) {
		const struct sink_frame *sf = (void *)(s->ring + tail % SINK_RING_SIZE);

		s->ops->frame(s, sf);
		tail += sf->size;
		__atomic_store_n(&s->tail, tail, __ATOMIC_RELEASE);
	}
	if (n && tail == head && s->ops->flush)
		s->ops->flush(s);
	return n;
}

static void news_adopt(struct sinks *s)
{
	struct sink *one = __atomic_exchange_n(&s->news, NULL, __ATOMIC_SEQ_CST), *next;

	for (; one; one = next) {
		next = one->next;
		one->next = s->list;
		s->list = one;
	}
}

/* Each sink once, and those that close and are empty go. Whether anything was done. */
static bool serve(struct sinks *s)
{
	bool some = false;

	news_adopt(s);
	for (struct sink **at = &s->list; *at;) {
		struct sink *one = *at;
		bool closing = __atomic_load_n(&one->closing, __ATOMIC_SEQ_CST);
		bool any = drain(one);

		some |= any;
		if (!closing || any) {
			at = &one->next;
			continue;
		}
		*at = one->next;
		one->ops->free(one);
	}
	return some;
}

static void flush_all(struct sinks *s)
{
	for (struct sink *one = s->list; one; one = one->next)
		if (one->ops->flush)
			one->ops->flush(one);
}

static void *sinks_main(void *arg)
{
	struct sinks *s = arg;
	struct pollfd wakes = { .fd = s->wake_fd, .events = POLLIN };
	eventfd_t count;

	for (;;) {
		if (serve(s))
			continue;
		if (__atomic_load_n(&s->stop, __ATOMIC_SEQ_CST) && !s->list)
			return NULL;
		/* What came between the look and this line is seen by the second look. */
		__atomic_store_n(&s->asleep, true, __ATOMIC_SEQ_CST);
		if (serve(s) || (__atomic_load_n(&s->stop, __ATOMIC_SEQ_CST) && !s->list)) {
			__atomic_store_n(&s->asleep, false, __ATOMIC_SEQ_CST);
			continue;
		}
		if (!poll(&wakes, 1, s->list ? IDLE_MS : -1))
			flush_all(s);
		else
			(void)eventfd_read(s->wake_fd, &count);
		__atomic_store_n(&s->asleep, false, __ATOMIC_SEQ_CST);
	}
}

/**
 * sinks_open() - Start the thread that serves sinks
 * @out: gets it; sinks_close() ends it
 * @e:   may be NULL
 *
 * Return: 0, -ENOMEM, or what eventfd() and thread creation said.
 * Context: control.
 */
int sinks_open(struct sinks **out, struct err *e)
{
	auto_free struct sinks *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return err_set(e, -ENOMEM, "no memory for mirrors");
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->wake_fd < 0)
		return err_errno(e, "eventfd");
	rc = pthread_create(&s->thread, NULL, sinks_main, s);
	if (rc) {
		close(s->wake_fd);
		return err_set(e, -rc, "thread for mirrors: %s", strerror(rc));
	}
	pthread_setname_np(s->thread, "anyvf-mirror");
	*out = take(s);
	return 0;
}

/**
 * sinks_stop() - Let the thread end, when it has taken what the rings still hold
 * @s: every sink's port is freed; then sinks_ended() or sinks_close()
 *
 * Context: control; does not wait.
 */
void sinks_stop(struct sinks *s)
{
	__atomic_store_n(&s->stop, true, __ATOMIC_SEQ_CST);
	wake(s);
}

static void sinks_free(struct sinks *s)
{
	close(s->wake_fd);
	free(s);
}

/**
 * sinks_ended() - Free the thread if it has ended by itself
 * @s: stopped
 *
 * Return: whether it had; then @s is gone.
 * Context: control; does not wait.
 */
bool sinks_ended(struct sinks *s)
{
	if (pthread_tryjoin_np(s->thread, NULL))
		return false;
	sinks_free(s);
	return true;
}

/**
 * sinks_close() - End the thread, when it has taken what the rings still hold
 * @s: or NULL; every sink's port is freed
 *
 * Context: control; blocks as long as that takes.
 */
void sinks_close(struct sinks *s)
{
	if (!s)
		return;
	sinks_stop(s);
	pthread_join(s->thread, NULL);
	sinks_free(s);
}
