/* SPDX-License-Identifier: Apache-2.0 */
/* The front end's side of vhost-user (QEMU, docs/interop/vhost-user.rst). */
#include "lib/vhost_fe.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PROTOCOL_FEATURES 30
#define HDR 12

enum {
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	GET_VRING_BASE = 11,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16,
	SET_VRING_ENABLE = 18,
};

struct msg {
	uint32_t request, flags, size;
	union {
		uint64_t u64;
		struct {
			uint32_t index, num;
		} state;
		struct {
			uint32_t index, flags;
			uint64_t desc, used, avail, log;
		} addr;
		struct {
			uint32_t n, pad;
			struct {
				uint64_t gpa, size, uva, offset;
			} r[2];
		} mem;
	};
} __attribute__((packed));

struct fe {
	struct fe_opts opts;
	char path[108];
	int sock, listener, memfd;
	uint64_t features;
	struct driver_mem mem;
	struct driver_ring rings[2 * FE_PAIRS_MAX];
	int kick[2 * FE_PAIRS_MAX], call[2 * FE_PAIRS_MAX];
	uint8_t *rx[FE_PAIRS_MAX];     /* receive buffers: ring_size of rx_len */
	uint8_t *tx[FE_PAIRS_MAX];     /* transmit slots */
	uint32_t n_slots, slot[FE_PAIRS_MAX];
	uint8_t *rx_at[FE_PAIRS_MAX][32768]; /* by head: where its buffer is */
};

static int put(struct fe *fe, struct msg *m, uint32_t request, uint32_t size, const int *fds,
	       unsigned int n_fds)
{
	char control[CMSG_SPACE(2 * sizeof(int))] = { 0 };
	struct iovec iov = { m, HDR + size };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	m->request = request;
	m->flags = 1;
	m->size = size;
	if (n_fds) {
		h.msg_control = control;
		h.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	return sendmsg(fe->sock, &h, MSG_NOSIGNAL) == (ssize_t)(HDR + size) ? 0 : -EPIPE;
}

static int put_u64(struct fe *fe, uint32_t request, uint64_t v, int fd)
{
	struct msg m = { .u64 = v };

	return put(fe, &m, request, 8, &fd, fd >= 0);
}

static int put_state(struct fe *fe, uint32_t request, uint32_t index, uint32_t num)
{
	struct msg m = { .state = { index, num } };

	return put(fe, &m, request, 8, NULL, 0);
}

static int ask(struct fe *fe, uint32_t request, uint64_t in, uint64_t *out)
{
	struct msg m = { .u64 = in };

	if (put(fe, &m, request, request == GET_VRING_BASE ? 8 : 0, NULL, 0) ||
	    recv(fe->sock, &m, HDR, MSG_WAITALL) != HDR || m.size != 8 ||
	    recv(fe->sock, &m.u64, 8, MSG_WAITALL) != 8)
		return -EPIPE;
	*out = m.u64;
	return 0;
}

/** fe_remap() - Tell the back end its memory anew, as 1 or 2 regions; waits until it obeyed */
int fe_remap(struct fe *fe, unsigned int regions)
{
	struct msg m = { .mem = { .n = regions } };
	uint64_t part = fe->mem.size / regions, ignored;
	int fds[2] = { fe->memfd, fe->memfd };

	for (unsigned int i = 0; i < regions; i++) {
		m.mem.r[i].gpa = DRIVER_GPA + i * part;
		m.mem.r[i].size = part;
		m.mem.r[i].uva = (uintptr_t)fe->mem.base + i * part;
		m.mem.r[i].offset = i * part;
	}
	if (put(fe, &m, SET_MEM_TABLE, 8 + 32 * regions, fds, regions))
		return -EPIPE;
	return ask(fe, GET_FEATURES, 0, &ignored); /* messages are handled in order */
}

/** fe_truncate() - Take the memory away that the back end has mapped; ours becomes a copy of it */
int fe_truncate(struct fe *fe)
{
	void *copy = malloc(fe->mem.size);
	int rc = copy ? 0 : -ENOMEM;

	if (!rc)
		memcpy(copy, fe->mem.base, fe->mem.size);
	if (!rc && mmap(fe->mem.base, fe->mem.size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != (void *)fe->mem.base)
		rc = -errno;
	if (!rc)
		memcpy(fe->mem.base, copy, fe->mem.size);
	free(copy);
	return rc || !ftruncate(fe->memfd, 0) ? rc : -errno;
}

/** fe_block() - Whoever calls ring @index's driver waits: the eventfd is full, and to block it is */
int fe_block(struct fe *fe, unsigned int index)
{
	int fd = fe->call[index], flags = fcntl(fd, F_GETFL);
	eventfd_t was;

	(void)eventfd_read(fd, &was);
	if (eventfd_write(fd, UINT64_MAX - 1) || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK))
		return -errno;
	return 0;
}

/** fe_call() - Another descriptor to call ring @index's driver with; waits until it is taken */
int fe_call(struct fe *fe, unsigned int index, int fd)
{
	uint64_t ignored;
	int rc = put_u64(fe, SET_VRING_CALL, index, fd);

	return rc ? rc : ask(fe, GET_FEATURES, 0, &ignored);
}

/** fe_misplace() - Ring @index is where no ring may be; waits until the back end knows */
int fe_misplace(struct fe *fe, unsigned int index)
{
	struct driver_ring *r = &fe->rings[index];
	struct msg m = { .addr = { .index = index, .desc = (uintptr_t)r->desc + 8,
				   .used = (uintptr_t)r->used, .avail = (uintptr_t)r->avail } };
	uint64_t ignored;
	int rc = put(fe, &m, SET_VRING_ADDR, 40, NULL, 0);

	return rc ? rc : ask(fe, GET_FEATURES, 0, &ignored);
}

static int ring_start(struct fe *fe, unsigned int i)
{
	struct driver_ring *r = &fe->rings[i];
	struct msg m = { .addr = { .index = i, .desc = (uintptr_t)r->desc,
				   .used = (uintptr_t)r->used, .avail = (uintptr_t)r->avail } };
	int rc;

	/*
	 * As QEMU after the back end broke: go on at the driver's used index. Of a packed ring it knows
	 * only where the driver began.
	 */
	rc = put_state(fe, SET_VRING_NUM, i, r->size);
	rc = rc ? rc : put_state(fe, SET_VRING_BASE, i, r->is_packed ? 0x8000 : r->used->idx);
	rc = rc ? rc : put(fe, &m, SET_VRING_ADDR, 40, NULL, 0);
	rc = rc ? rc : put_u64(fe, SET_VRING_CALL, i, fe->call[i]);
	rc = rc ? rc : put_u64(fe, SET_VRING_KICK, i, fe->kick[i]);
	return rc ? rc : put_state(fe, SET_VRING_ENABLE, i, 1);
}

static int negotiate(struct fe *fe)
{
	uint64_t offered, protocol;
	int rc;

	rc = ask(fe, GET_FEATURES, 0, &offered);
	fe->features = offered & (fe->opts.features | 1ull << VIRTIO_F_VERSION_1 |
				  1ull << PROTOCOL_FEATURES | 1ull << VIRTIO_RING_F_INDIRECT_DESC);
	if (!rc && fe->opts.features & ~fe->features & 1ull << VIRTIO_F_RING_PACKED)
		return -ENOTSUP; /* the rings are made */
	for (unsigned int i = 0; i < 2 * fe->opts.pairs; i++)
		fe->rings[i].event_idx = fe->features & 1ull << VIRTIO_RING_F_EVENT_IDX;
	rc = rc ? rc : put(fe, &(struct msg){ 0 }, SET_OWNER, 0, NULL, 0);
	rc = rc ? rc : ask(fe, GET_PROTOCOL_FEATURES, 0, &protocol);
	rc = rc ? rc : put_u64(fe, SET_PROTOCOL_FEATURES, protocol & 1, -1); /* MQ */
	rc = rc ? rc : put_u64(fe, SET_FEATURES, fe->features, -1);
	if (rc || fe->opts.memory == FE_NONE)
		return rc;
	rc = rc ? rc : fe_remap(fe, 1);
	for (unsigned int i = 0; !rc && i < 2 * fe->opts.pairs; i++)
		rc = ring_start(fe, i);
	return rc ? rc : ask(fe, GET_FEATURES, 0, &offered);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int sock_open(struct fe *fe, int timeout_ms)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	uint64_t end = now_ms() + (uint64_t)timeout_ms;

	memcpy(sa.sun_path, fe->path, sizeof(sa.sun_path));
	if (fe->opts.listen) {
		struct pollfd p = { .events = POLLIN };

		if (fe->listener < 0) {
			fe->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
			unlink(fe->path);
			if (bind(fe->listener, (void *)&sa, sizeof(sa)) || listen(fe->listener, 1))
				return -errno;
		}
		p.fd = fe->listener;
		if (poll(&p, 1, timeout_ms) != 1)
			return -ETIMEDOUT;
		fe->sock = accept4(fe->listener, NULL, NULL, SOCK_CLOEXEC);
		return fe->sock < 0 ? -errno : 0;
	}
	do {
		fe->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (!connect(fe->sock, (void *)&sa, sizeof(sa)))
			return 0;
		close(fe->sock);
		fe->sock = -1;
		usleep(10000);
	} while (now_ms() < end);
	return -ETIMEDOUT;
}

static void rx_offer(struct fe *fe, unsigned int pair, uint8_t *at)
{
	uint32_t pieces = fe->opts.rx_pieces, part = fe->opts.rx_len / pieces;
	struct driver_buf bufs[DRIVER_TABLE];
	int head;

	for (uint32_t i = 0; i < pieces; i++)
		bufs[i] = (struct driver_buf){ at + i * part, part };
	head = driver_add(&fe->rings[2 * pair], bufs, pieces, true,
			  fe->opts.rx_indirect ? DRIVER_INDIRECT : DRIVER_DIRECT);
	assert(head >= 0);
	fe->rx_at[pair][head] = at;
}

static int memory_open(struct fe *fe)
{
	uint32_t per_chain = fe->opts.rx_indirect ? 1 : fe->opts.rx_pieces;

	fe->mem.size = (uint64_t)fe->opts.mem_mib << 20;
	fe->memfd = memfd_create("vhost_fe", MFD_CLOEXEC);
	if (fe->memfd < 0 || ftruncate(fe->memfd, (off_t)fe->mem.size))
		return -errno;
	fe->mem.base = mmap(NULL, fe->mem.size, PROT_READ | PROT_WRITE,
			    fe->opts.memory == FE_SHARED ? MAP_SHARED : MAP_PRIVATE, fe->memfd, 0);
	if (fe->mem.base == MAP_FAILED)
		return -errno;
	for (unsigned int i = 0; i < 2 * fe->opts.pairs; i++) {
		if (fe->opts.features & 1ull << VIRTIO_F_RING_PACKED)
			driver_ring_init_packed(&fe->rings[i], &fe->mem, fe->opts.ring_size);
		else
			driver_ring_init(&fe->rings[i], &fe->mem, fe->opts.ring_size);
		fe->kick[i] = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC); /* as QEMU makes it */
		fe->call[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	}
	fe->n_slots = 16;
	for (unsigned int p = 0; p < fe->opts.pairs; p++) {
		fe->tx[p] = driver_alloc(&fe->mem, (uint64_t)FE_SLOT * fe->n_slots, 64);
		fe->rx[p] = driver_alloc(&fe->mem, (uint64_t)fe->opts.rx_len * fe->opts.ring_size, 64);
		for (uint32_t i = 0; i < fe->opts.ring_size / per_chain; i++)
			rx_offer(fe, p, fe->rx[p] + (uint64_t)i * fe->opts.rx_len);
	}
	return 0;
}

/**
 * fe_open() - Be a guest on a vhost-user socket
 * @opts: borrowed
 *
 * Return: front end with all rings started and receive buffers offered, or NULL
 * with errno set.
 */
struct fe *fe_open(const struct fe_opts *opts)
{
	struct fe *fe = calloc(1, sizeof(*fe));
	int rc;

	if (!fe)
		return NULL;
	fe->opts = *opts;
	snprintf(fe->path, sizeof(fe->path), "%s", opts->path);
	fe->sock = fe->listener = fe->memfd = -1;
	rc = memory_open(fe);
	rc = rc ? rc : sock_open(fe, opts->timeout_ms);
	rc = rc ? rc : negotiate(fe);
	if (!rc)
		return fe;
	fe_close(fe);
	errno = -rc;
	return NULL;
}

/** fe_close() - Leave, as a guest whose QEMU ends; NULL is fine */
void fe_close(struct fe *fe)
{
	if (!fe)
		return;
	if (fe->sock >= 0)
		close(fe->sock);
	if (fe->listener >= 0)
		close(fe->listener);
	for (unsigned int i = 0; i < 2 * fe->opts.pairs; i++) {
		driver_ring_fini(&fe->rings[i]);
		close(fe->kick[i]);
		close(fe->call[i]);
	}
	if (fe->mem.base && fe->mem.base != MAP_FAILED)
		munmap(fe->mem.base, fe->mem.size);
	if (fe->memfd >= 0)
		close(fe->memfd);
	free(fe);
}

/**
 * fe_reconnect() - Meet the back end again after it was gone; memory and rings are as they were
 *
 * The first connection that waits for us may be one that it gave up when its VF was released.
 */
int fe_reconnect(struct fe *fe, int timeout_ms)
{
	uint64_t end = now_ms() + (uint64_t)timeout_ms;
	int rc;

	do {
		close(fe->sock);
		fe->sock = -1;
		rc = sock_open(fe, timeout_ms);
		rc = rc ? rc : negotiate(fe);
	} while (rc == -EPIPE && now_ms() < end);
	for (unsigned int i = 1; !rc && i < 2 * fe->opts.pairs; i += 2)
		fe_kick(fe, i);
	return rc;
}

/** fe_stop() - Take all rings back, as QEMU does when its guest stops or resets; -EPROTO: position wrong */
int fe_stop(struct fe *fe)
{
	uint64_t base;
	int rc = 0;

	for (unsigned int i = 0; !rc && i < 2 * fe->opts.pairs; i++) {
		rc = put_state(fe, SET_VRING_ENABLE, i, 0);
		rc = rc ? rc : ask(fe, GET_VRING_BASE, i, &base);
		/* The reply is {index, num}: the back end stopped where the driver sees it. */
		if (!rc && (uint16_t)(base >> 32) != driver_used_pos(&fe->rings[i]))
			rc = -EPROTO;
	}
	return rc;
}

/** fe_reboot() - What QEMU does when the guest resets and its driver starts again */
int fe_reboot(struct fe *fe)
{
	uint32_t per_chain = fe->opts.rx_indirect ? 1 : fe->opts.rx_pieces;
	int rc = fe_stop(fe);
	uint64_t base;

	for (unsigned int i = 0; i < 2 * fe->opts.pairs; i++)
		driver_ring_reset(&fe->rings[i]);
	for (unsigned int p = 0; p < fe->opts.pairs; p++)
		for (uint32_t i = 0; i < fe->opts.ring_size / per_chain; i++)
			rx_offer(fe, p, fe->rx[p] + (uint64_t)i * fe->opts.rx_len);
	rc = rc ? rc : put_u64(fe, SET_FEATURES, fe->features, -1);
	rc = rc ? rc : fe_remap(fe, 1);
	for (unsigned int i = 0; !rc && i < 2 * fe->opts.pairs; i++)
		rc = ring_start(fe, i);
	return rc ? rc : ask(fe, GET_FEATURES, 0, &base);
}

/** fe_connected() - Whether the back end still holds the socket */
bool fe_connected(struct fe *fe)
{
	char c;

	return recv(fe->sock, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/** fe_features() - What was negotiated */
uint64_t fe_features(const struct fe *fe)
{
	return fe->features;
}

/** fe_enable() - Switch a queue pair on or off; returns when it is done */
int fe_enable(struct fe *fe, unsigned int pair, bool on)
{
	uint64_t ignored;

	if (put_state(fe, SET_VRING_ENABLE, 2 * pair, on) ||
	    put_state(fe, SET_VRING_ENABLE, 2 * pair + 1, on))
		return -EPIPE;
	return ask(fe, GET_FEATURES, 0, &ignored);
}

/** fe_ring() - A ring itself: 2 * pair receives, 2 * pair + 1 transmits */
struct driver_ring *fe_ring(struct fe *fe, unsigned int index)
{
	return &fe->rings[index];
}

/** fe_kick() - Notify the device, if it wants to be (virtio 1.2, 2.7.13.4.1) */
void fe_kick(struct fe *fe, unsigned int index)
{
	if (driver_wants_kick(&fe->rings[index]))
		(void)eventfd_write(fe->kick[index], 1);
}

static void tx_reap(struct fe *fe, unsigned int pair)
{
	uint32_t head, len;

	while (driver_pop(&fe->rings[2 * pair + 1], &head, &len))
		;
}

/**
 * fe_send() - Send one frame
 * @fe:       front end
 * @pair:     queue pair
 * @bytes:    virtio-net header (12 bytes) and frame; copied
 * @len:      bytes of both, at most FE_SLOT
 * @piece:    cut into descriptors of so many bytes; 0: one
 * @indirect: through a table
 *
 * Return: 0; -ETIMEDOUT: the switch took nothing for two seconds; -E2BIG: too many pieces.
 */
int fe_send(struct fe *fe, unsigned int pair, const void *bytes, uint32_t len, uint32_t piece,
	    bool indirect)
{
	uint8_t *slot = fe->tx[pair] + (uint64_t)FE_SLOT * (fe->slot[pair]++ % fe->n_slots);
	struct driver_ring *r = &fe->rings[2 * pair + 1];
	struct driver_buf bufs[DRIVER_TABLE];
	uint64_t end = now_ms() + 2000;
	unsigned int n = 0;

	/* A slot is free when at most n_slots - 1 frames are on their way. */
	for (tx_reap(fe, pair); r->n_out >= fe->n_slots;
	     tx_reap(fe, pair))
		if (now_ms() > end)
			return -ETIMEDOUT;
	memcpy(slot, bytes, len);
	for (uint32_t at = 0; at < len; at += piece ? piece : len) {
		if (n == DRIVER_TABLE)
			return -E2BIG;
		bufs[n++] = (struct driver_buf){ slot + at,
						 piece && piece < len - at ? piece : len - at };
	}
	while (driver_add(r, bufs, n, false, indirect ? DRIVER_INDIRECT : DRIVER_DIRECT) < 0) {
		if (now_ms() > end)
			return -ETIMEDOUT;
		tx_reap(fe, pair);
	}
	fe_kick(fe, 2 * pair + 1);
	return 0;
}

static bool rx_wait(struct fe *fe, unsigned int pair, uint64_t end)
{
	struct driver_ring *r = &fe->rings[2 * pair];

	while (!driver_pending(r) && !driver_want_interrupt(r)) {
		struct pollfd p = { fe->call[2 * pair], POLLIN, 0 };
		uint64_t now = now_ms();
		eventfd_t count;

		if (now >= end)
			return false;
		poll(&p, 1, (int)(end - now));
		(void)eventfd_read(fe->call[2 * pair], &count);
	}
	return true;
}

/**
 * fe_recv() - Receive one frame
 * @fe:         front end
 * @pair:       queue pair
 * @out:        gets virtio-net header and frame, mergeable buffers put together
 * @size:       of @out
 * @timeout_ms: to wait for it
 *
 * Return: bytes, -ETIMEDOUT, or -EPROTO: the device broke the rules.
 */
int fe_recv(struct fe *fe, unsigned int pair, void *out, uint32_t size, int timeout_ms)
{
	uint64_t end = now_ms() + (uint64_t)timeout_ms;
	uint32_t at = 0, head, len;
	uint16_t n = 1;

	for (uint16_t i = 0; i < n; i++) {
		uint8_t *buf;

		if (!rx_wait(fe, pair, end))
			return -ETIMEDOUT;
		driver_pop(&fe->rings[2 * pair], &head, &len);
		buf = fe->rx_at[pair][head];
		if (!buf || len > fe->opts.rx_len || (!i && len < HDR) || at + len > size)
			return -EPROTO;
		if (!i && fe->features & 1ull << VIRTIO_NET_F_MRG_RXBUF)
			memcpy(&n, buf + 10, sizeof(n));
		memcpy((uint8_t *)out + at, buf, len);
		at += len;
		rx_offer(fe, pair, buf);
	}
	return (int)at;
}

/* A table of more entries than the ring has, all of the same byte. */
static void *long_table(struct fe *fe, const struct driver_ring *r, uint64_t addr)
{
	struct vring_desc *split = driver_alloc(&fe->mem, 16ull * (r->size + 1), 16);
	struct vring_packed_desc *packed = (void *)split;

	for (uint32_t i = 0; i <= r->size; i++)
		if (r->is_packed)
			packed[i] = (struct vring_packed_desc){ addr, 1, 0, 0 };
		else
			split[i] = (struct vring_desc){ addr, 1, i < r->size ? VRING_DESC_F_NEXT : 0,
							(uint16_t)(i + 1) };
	return split;
}

/* Spoil the chain of driver_put(), its head descriptor @head of the ring. */
static void spoil(struct fe *fe, struct driver_ring *r, int head, enum fe_mistake mistake)
{
	struct vring_desc *d = &r->desc[r->is_packed ? r->head_at : head]; /* addr, len: in both layouts */
	uint16_t *flags = r->is_packed ? &r->head_flags : &d->flags;

	switch (mistake) {
	case FE_ADDR_OUTSIDE:
		d->addr = DRIVER_GPA + fe->mem.size + 4096;
		break;
	case FE_ADDR_SPANS:
		d->addr = DRIVER_GPA + fe->mem.size - 20;
		break;
	case FE_LENGTH_ZERO:
		d->len = 0;
		break;
	case FE_LENGTH_HUGE:
		d->len = UINT32_MAX;
		break;
	case FE_LOOP:
		*flags |= VRING_DESC_F_NEXT;
		if (!r->is_packed)
			d->next = (uint16_t)head;
		for (uint32_t i = 0; r->is_packed && i < r->size; i++)
			r->packed[i].flags |= VRING_DESC_F_NEXT;
		break;
	case FE_LONG_CHAIN:
		d->addr = driver_gpa(&fe->mem, long_table(fe, r, d->addr));
		d->len = 16 * (r->size + 1);
		*flags |= VRING_DESC_F_INDIRECT;
		break;
	case FE_WRITE_ONLY:
		*flags |= VRING_DESC_F_WRITE;
		break;
	case FE_BAD_HEAD:
		r->avail->ring[r->avail->idx & (r->size - 1)] = (uint16_t)r->size;
		break;
	case FE_RUNAWAY:
		r->avail->idx = (uint16_t)(r->avail->idx + r->size + 6);
		break;
	}
}

/**
 * fe_break() - Send one frame wrongly
 * @fe:      front end
 * @pair:    queue pair
 * @mistake: how
 * @bytes:   a good frame with its header, to be spoiled
 * @len:     bytes
 *
 * The descriptor is spoiled before the device can see it.
 *
 * Return: 0, or -ENOSPC without a free descriptor.
 */
int fe_break(struct fe *fe, unsigned int pair, enum fe_mistake mistake, const void *bytes,
	     uint32_t len)
{
	uint8_t *slot = fe->tx[pair] + (uint64_t)FE_SLOT * (fe->slot[pair]++ % fe->n_slots);
	struct driver_ring *r = &fe->rings[2 * pair + 1];
	struct driver_buf buf = { slot, len };
	int head;

	tx_reap(fe, pair);
	memcpy(slot, bytes, len);
	head = driver_put(r, &buf, 1, false, DRIVER_DIRECT);
	if (head < 0)
		return -ENOSPC;
	spoil(fe, r, head, mistake);
	driver_show(r);
	fe_kick(fe, 2 * pair + 1);
	return 0;
}

/**
 * fe_rewrite() - Send one frame many times while its bytes change under the device
 * @fe:    front end
 * @pair:  queue pair
 * @a:     header and frame, one version
 * @b:     the other
 * @len:   bytes of each
 * @times: frames to send
 *
 * Return: frames offered.
 */
uint32_t fe_rewrite(struct fe *fe, unsigned int pair, const void *a, const void *b, uint32_t len,
		    uint32_t times)
{
	uint8_t *slot = fe->tx[pair] + (uint64_t)FE_SLOT * (fe->slot[pair]++ % fe->n_slots);
	struct driver_ring *r = &fe->rings[2 * pair + 1];
	struct driver_buf buf = { slot, len };
	uint64_t end = now_ms() + 5000;
	uint32_t sent = 0;

	memcpy(slot, a, len);
	while (sent < times && now_ms() < end) {
		for (int i = 0; i < 100; i++)
			memcpy(slot, i & 1 ? a : b, len);
		tx_reap(fe, pair);
		while (sent < times && driver_add(r, &buf, 1, false, DRIVER_DIRECT) >= 0)
			sent++;
		fe_kick(fe, 2 * pair + 1);
	}
	while (r->n_out && now_ms() < end) {
		memcpy(slot, now_ms() & 1 ? a : b, len);
		tx_reap(fe, pair);
	}
	return sent;
}

static uint32_t chance(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Flags by chance: offered or used in either lap, mostly chained, sometimes a table or a wrong way. */
static uint16_t flags_by_chance(bool packed, uint32_t c)
{
	static const uint16_t laps[] = {
		1 << VRING_PACKED_DESC_F_AVAIL, 1 << VRING_PACKED_DESC_F_USED, 0,
		1 << VRING_PACKED_DESC_F_AVAIL | 1 << VRING_PACKED_DESC_F_USED
	};

	return (uint16_t)((packed ? laps[c & 3] : 0) | (c & 12 ? VRING_DESC_F_NEXT : 0) |
			  (c & 0x1f0 ? 0 : VRING_DESC_F_INDIRECT) |
			  (c & 0x3e00 ? 0 : VRING_DESC_F_WRITE));
}

/* A pass over a ring, up or down: flags one for all, or each by chance; the rest by chance. */
static void scramble(struct driver_ring *r, uint32_t *seed)
{
	uint32_t pass = chance(seed), all = chance(seed) & 15;

	for (uint32_t k = 0; k < r->size; k++) {
		uint32_t i = pass & 1 ? r->size - 1 - k : k, c = chance(seed);
		struct vring_desc d = { .len = c & 0x7000 ? 76 : c,
					.next = (uint16_t)(r->is_packed ? i : c % (r->size + 1)),
					.flags = flags_by_chance(r->is_packed, pass & 2 ? all : c) };

		__atomic_store_n(&r->desc[i].len, d.len, __ATOMIC_RELAXED);
		if (r->is_packed) {
			__atomic_store_n(&r->packed[i].flags, d.flags, __ATOMIC_RELEASE);
			continue;
		}
		__atomic_store_n(&r->desc[i].next, d.next, __ATOMIC_RELAXED);
		__atomic_store_n(&r->desc[i].flags, d.flags, __ATOMIC_RELEASE);
		if (!(c & 0x3f0))
			__atomic_store_n(&r->avail->idx, (uint16_t)(r->avail->idx + 1 + c % 4),
					 __ATOMIC_RELEASE);
	}
}

/**
 * fe_scramble() - Rewrite a transmit ring while the device reads it, as no driver does
 * @fe:     front end; good for fe_close() alone afterwards
 * @pair:   queue pair
 * @seed:   what chance comes from, in and out
 * @passes: over the whole ring
 *
 * Laps are offered again before they were used, chains end nowhere, lengths and tables come by
 * chance: what virtio 1.2, 2.7 and 2.8 forbid. After 64 passes the ring stays as it is for a moment.
 */
void fe_scramble(struct fe *fe, unsigned int pair, uint32_t *seed, uint32_t passes)
{
	struct driver_ring *r = &fe->rings[2 * pair + 1];

	for (uint32_t i = 0; i < r->size; i++) {
		r->desc[i].addr = driver_gpa(&fe->mem, fe->tx[pair]);
		if (r->is_packed)
			r->packed[i].id = (uint16_t)i;
	}
	for (uint32_t n = 0; n < passes; n++) {
		scramble(r, seed);
		fe_kick(fe, 2 * pair + 1);
		if (n % 64 == 63)
			usleep(500);
	}
}

/**
 * fe_repeat() - Offer one frame many times, with one kick
 * @fe:    front end
 * @pair:  queue pair
 * @bytes: virtio-net header and frame; copied
 * @len:   bytes of both, at most FE_SLOT
 * @times: at most; all share a buffer
 *
 * Return: frames offered, fewer than @times where the ring is full.
 */
uint32_t fe_repeat(struct fe *fe, unsigned int pair, const void *bytes, uint32_t len,
		   uint32_t times)
{
	struct driver_buf buf = { fe->tx[pair], len };
	uint32_t n = 0;

	tx_reap(fe, pair);
	memcpy(buf.at, bytes, len);
	while (n < times && driver_add(&fe->rings[2 * pair + 1], &buf, 1, false, DRIVER_DIRECT) >= 0)
		n++;
	fe_kick(fe, 2 * pair + 1);
	return n;
}
