/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames from and to a packet socket. Small ones come through a ring of slots (packet(7),
 * TPACKET_V2) that the kernel fills on the sender's core; those that no slot holds, GSO frames, by
 * recvmmsg(), for which their slots are place holders. All go by sendmmsg().
 *
 * The kernel's tpacket_rcv() takes a slot before it writes the offload header, and where that has
 * no word for a frame (UDP's fragmentation offload, SCTP's GSO) it never gives it back: the ring
 * is deaf from then on. So control looks at it once a second, and a deaf one is given up.
 *
 * With several workers a netdev has several sockets in one fan-out group: the kernel gives each
 * flow to one of them by a hash. Never to another that has room (PACKET_FANOUT_FLAG_ROLLOVER):
 * a flow would be out of order.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "sw/data/copy.h"
#include "sw/port/fdport.h"

#define AHEAD	 4   /* slots whose beginning is asked for before they are read */
#define TX_BATCH 64  /* frames of one sendmmsg() */
#define TX_IOVS	 512 /* and their pieces */

/* What one frame is read into; not a multiple of a page, or all would be in the same cache sets. */
struct packet_slot {
	struct virtio_net_hdr h;
	struct iovec iov[2];
	size_t ctl[CMSG_SPACE(sizeof(struct tpacket_auxdata)) / sizeof(size_t)]; /* aligned so */
	uint8_t tag[FRAME_TAG_LEN]; /* room for it before the bytes */
	uint8_t bytes[FDPORT_ROOM];
} __attribute__((aligned(64)));

struct packet_arena {
	struct mmsghdr msgs[FDPORT_READS];
	struct packet_slot slots[FDPORT_READS];
};
static_assert(sizeof(struct packet_arena) <= PACKET_ARENA, "a turn's frames fit");

/* The kernel takes the outer tag out of the frame: put it back, into the room before it. */
static void tag_restore(struct fdport_got *got, uint32_t status, uint16_t tpid, uint16_t tci)
{
	uint32_t tag;

	if (!(status & TP_STATUS_VLAN_VALID) || got->len < FRAME_HDR_LEN)
		return;
	tag = status & TP_STATUS_VLAN_TPID_VALID ? tpid : TPID_8021Q;
	tag = htonl(tag << 16 | tci);
	got->bytes -= FRAME_TAG_LEN;
	got->len += FRAME_TAG_LEN;
	memmove(got->bytes, got->bytes + FRAME_TAG_LEN, 2 * MAC_LEN);
	memcpy(got->bytes + 2 * MAC_LEN, &tag, FRAME_TAG_LEN);
	got->h.csum_start = (uint16_t)(got->h.csum_start + FRAME_TAG_LEN);
}

/* As a message tells of it (packet(7), PACKET_AUXDATA). */
static void msg_tag_restore(struct msghdr *msg, struct fdport_got *got)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	struct tpacket_auxdata aux;

	if (!c || c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA ||
	    c->cmsg_len < CMSG_LEN(sizeof(aux)))
		return;
	memcpy(&aux, CMSG_DATA(c), sizeof(aux));
	tag_restore(got, aux.tp_status, aux.tp_vlan_tpid, aux.tp_vlan_tci);
}

static void msg_prepare(struct mmsghdr *msg, struct packet_slot *s)
{
	s->iov[0] = (struct iovec){ &s->h, sizeof(s->h) };
	s->iov[1] = (struct iovec){ s->bytes, sizeof(s->bytes) };
	msg->msg_hdr = (struct msghdr){ .msg_iov = s->iov,
					.msg_iovlen = 2,
					.msg_control = s->ctl,
					.msg_controllen = sizeof(s->ctl) };
}

static int packet_read(struct fdport *fp, struct fdport_got *out, unsigned int n)
{
	struct packet_arena *a = (struct packet_arena *)fp->arena;
	unsigned int first = fp->used;
	int got;

	n = MIN(n, FDPORT_READS - first);
	for (unsigned int i = first; i < first + n; i++)
		msg_prepare(&a->msgs[i], &a->slots[i]);
	got = recvmmsg(fp->fd, &a->msgs[first], n, MSG_DONTWAIT, NULL);
	if (got < 0)
		return -errno;
	for (int i = 0; i < got; i++, fp->used++) {
		struct packet_slot *s = &a->slots[fp->used];

		out[i] = (struct fdport_got){
			s->h, s->bytes, (ssize_t)a->msgs[fp->used].msg_len - (ssize_t)sizeof(s->h)
		};
		msg_tag_restore(&a->msgs[fp->used].msg_hdr, &out[i]);
	}
	return got;
}

/* The slot that comes @k behind those that were taken. */
static struct tpacket2_hdr *slot_at(const struct fdport *fp, unsigned int k)
{
	uint32_t i = (fp->ring.at + fp->ring.taken + k) % PACKET_SLOTS;

	return (struct tpacket2_hdr *)(fp->ring.slots + (size_t)i * PACKET_SLOT);
}

static uint32_t slot_status(const struct tpacket2_hdr *slot)
{
	return __atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE);
}

/* The frame of a slot; its offload header lies before it. */
static void slot_read(struct tpacket2_hdr *slot, uint32_t status, struct fdport_got *got)
{
	got->bytes = (uint8_t *)slot + slot->tp_mac;
	got->len = slot->tp_len;
	memcpy(&got->h, got->bytes - sizeof(got->h), sizeof(got->h));
	tag_restore(got, status, slot->tp_vlan_tpid, slot->tp_vlan_tci);
}

/* So many slots from the next one on stand for frames in the socket's queue. */
static unsigned int count_queued(const struct fdport *fp, unsigned int most)
{
	const uint32_t queued = TP_STATUS_USER | TP_STATUS_COPY;
	unsigned int n = 0;

	while (n < most && (slot_status(slot_at(fp, n)) & queued) == queued)
		n++;
	return n;
}

static int read_queued(struct fdport *fp, struct fdport_got *out, unsigned int n)
{
	int got = packet_read(fp, out, n);

	if (got != -ENETDOWN) /* told once, before the frames */
		fp->ring.taken += (unsigned int)MAX(got, 1);
	return got == -EAGAIN ? -EINVAL : got; /* what its slot stands for is lost */
}

static int ring_read(struct fdport *fp, struct fdport_got *out, unsigned int n)
{
	unsigned int queued = count_queued(fp, n), i;

	if (queued)
		return read_queued(fp, out, queued);
	for (i = 0; i < n; i++, fp->ring.taken++) {
		struct tpacket2_hdr *slot = slot_at(fp, 0);
		uint32_t status = slot_status(slot);

		if ((status & (TP_STATUS_USER | TP_STATUS_COPY)) != TP_STATUS_USER)
			break;
		if (unlikely(slot->tp_snaplen < slot->tp_len)) { /* the queue had no room for it */
			fp->ring.taken += !i;
			return i ? (int)i : -ENOBUFS;
		}
		copy_prefetch(slot_at(fp, AHEAD));
		copy_prefetch((uint8_t *)slot_at(fp, AHEAD) + 64);
		slot_read(slot, status, &out[i]);
	}
	return i ? (int)i : -EAGAIN;
}

/**
 * packet_rx() - rx() of struct port_ops, of a packet socket
 * @q: source of a struct fdport with PACKET_ARENA
 * @b: the worker's burst
 *
 * Return: frames in the burst.
 * Context: the worker that polls the source.
 */
unsigned int packet_rx(struct port_queue *q, struct port_burst *b)
{
	const struct fdport *fp = container_of(q, struct fdport, queue);

	return fdport_rx(q, b, fp->ring.slots ? ring_read : packet_read);
}

/**
 * packet_rx_done() - rx_done() of struct port_ops: the kernel gets its slots back
 * @q: as of packet_rx()
 *
 * Context: the worker that polls the source.
 */
void packet_rx_done(struct port_queue *q)
{
	struct fdport *fp = container_of(q, struct fdport, queue);
	uint32_t taken = fp->ring.taken;

	fp->ring.taken = 0;
	for (uint32_t i = 0; i < taken; i++)
		__atomic_store_n(&slot_at(fp, i)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	__atomic_store_n(&fp->ring.at, fp->ring.at + taken, __ATOMIC_RELAXED);
}

/**
 * packet_ring_map() - See the receive ring of a packet socket
 * @fp: of netdev_packet_open()'s socket
 *
 * Where the socket has none, or it cannot be mapped, frames are read by system calls.
 *
 * Context: control, before a worker sees the port.
 */
void packet_ring_map(struct fdport *fp)
{
	void *slots = mmap(NULL, PACKET_RING, PROT_READ | PROT_WRITE, MAP_SHARED, fp->fd, 0);

	if (slots == MAP_FAILED) {
		packet_ring_drop(fp); /* or the kernel would go on to fill it */
		return;
	}
	fp->ring.slots = slots;
	fp->queue.slow_rx = false;
}

/**
 * packet_ring_drop() - Have frames read by system calls from now on
 * @fp: of a packet socket; what its ring or its queue holds is lost
 *
 * Context: control, while no worker reads from the port. Takes a grace period of the kernel's.
 */
void packet_ring_drop(struct fdport *fp)
{
	const struct tpacket_req none = { 0 };

	if (fp->ring.slots)
		munmap(fp->ring.slots, PACKET_RING);
	fp->ring.slots = NULL;
	fp->queue.slow_rx = true;
	(void)setsockopt(fp->fd, SOL_PACKET, PACKET_RX_RING, &none, sizeof(none));
}

/**
 * packet_fanout() - Have a further socket of the same netdev hear some of the flows
 * @fp:   first socket of the port, with fewer than PACKET_SOCKETS
 * @more: has heard nothing yet; a source of the port from now on, and freed with it
 * @e:    says why not
 *
 * Return: 0 or the kernel's errno; -EINVAL as well if the netdev is down.
 * Context: control, before a worker sees the port and before packet_hear().
 */
int packet_fanout(struct fdport *fp, struct fdport *more, struct err *e)
{
	int group = (PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_UNIQUEID) << 16;
	socklen_t size = sizeof(group);

	if ((fp->port.n_queues == 1 &&
	     setsockopt(fp->fd, SOL_PACKET, PACKET_FANOUT, &group, size)) ||
	    getsockopt(fp->fd, SOL_PACKET, PACKET_FANOUT, &group, &size) ||
	    setsockopt(more->fd, SOL_PACKET, PACKET_FANOUT, &group, size))
		return err_errno(e, "packet sockets of one group");
	more->queue.port = &fp->port;
	more->queue.index = (uint16_t)fp->port.n_queues;
	fp->port.queues[fp->port.n_queues++] = &more->queue;
	return 0;
}

/**
 * packet_hear() - Take off the filters that keep all frames out
 * @fp: first socket of a port that has all of them
 * @e:  says why not
 *
 * Before that a socket outside the group would hear what is another's, too. A group forgets
 * PACKET_IGNORE_OUTGOING, so each of its sockets gets a filter for that.
 *
 * Return: 0 or the kernel's errno.
 * Context: control, before a worker sees the port.
 */
int packet_hear(const struct fdport *fp, struct err *e)
{
	struct sock_filter incoming[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	const struct sock_fprog prog = { ARRAY_LEN(incoming), incoming };
	int option = fp->port.n_queues > 1 ? SO_ATTACH_FILTER : SO_DETACH_FILTER;

	for (unsigned int i = 0; i < fp->port.n_queues; i++)
		if (setsockopt(container_of(fp->port.queues[i], struct fdport, queue)->fd,
			       SOL_SOCKET, option, &prog, sizeof(prog)))
			return err_errno(e, "filter of a packet socket");
	return 0;
}

/**
 * packet_lost() - Frames that came since the last such call and never were in ring or queue
 * @fp: of a packet socket
 *
 * Context: control.
 */
uint32_t packet_lost(const struct fdport *fp)
{
	struct tpacket_stats stats = { 0 };
	socklen_t size = sizeof(stats);

	return getsockopt(fp->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) ? 0
										: stats.tp_drops;
}

/**
 * packet_ring_deaf() - Whether the kernel refuses to fill a ring that is empty
 * @fp:   of a packet socket
 * @lost: packet_lost() since the last such call
 *
 * Frames are lost to a full ring as well. But one that is empty now, and of which nothing was taken
 * since the last look, was empty all the time.
 *
 * Context: control.
 */
bool packet_ring_deaf(struct fdport *fp, uint32_t lost)
{
	uint32_t at = __atomic_load_n(&fp->ring.at, __ATOMIC_RELAXED);
	bool moved = at != fp->ring.seen;

	fp->ring.seen = at;
	if (!fp->ring.slots || moved || !lost)
		return false;
	for (size_t i = 0; i < PACKET_RING; i += PACKET_SLOT)
		if (slot_status((struct tpacket2_hdr *)(fp->ring.slots + i)) & TP_STATUS_USER)
			return false;
	return true;
}

/* Frames on their way into one sendmmsg(). */
struct tx_run {
	int fd;
	struct port_batch *batch;
	unsigned int n, n_iovs;
	struct mmsghdr msgs[TX_BATCH];
	struct fdport_head heads[TX_BATCH];
	struct {
		const struct port_item *item;
		const struct frame *frame;
	} of[TX_BATCH];
	struct iovec iovs[TX_IOVS];
};

/* That the netdev was down is told once, to whoever calls next; that it is down, each time. */
static int tx_some(struct tx_run *run, unsigned int done)
{
	int n = sendmmsg(run->fd, run->msgs + done, run->n - done, 0);

	return n < 0 && errno == ENETDOWN ? sendmmsg(run->fd, run->msgs + done, run->n - done, 0)
					  : n;
}

/* Each frame is sent or dropped. A call ends before the first that fails, the next one says why. */
static void tx_flush(struct tx_run *run)
{
	for (unsigned int done = 0; done < run->n;) {
		int n = tx_some(run, done);

		if (n <= 0) {
			port_dropped(run->batch, run->of[done].item, run->of[done].frame,
				     fdport_lost(errno));
			done++;
		}
		for (; n > 0; n--, done++)
			port_delivered(run->batch, run->of[done].item, run->of[done].frame);
	}
	run->n = run->n_iovs = 0;
}

static void tx_add(struct tx_run *run, const struct port_item *it, const struct frame *f)
{
	struct iovec *iov = run->iovs + run->n_iovs;
	unsigned int n = fdport_gather(f, it, &run->heads[run->n], iov, run->batch->scratch);

	run->of[run->n].item = it;
	run->of[run->n].frame = f;
	run->msgs[run->n++].msg_hdr = (struct msghdr){ .msg_iov = iov, .msg_iovlen = n };
	run->n_iovs += n;
}

/**
 * packet_tx() - tx() of struct port_ops, of a packet socket
 * @port: the port member of a struct fdport
 * @b:    what to deliver
 *
 * Never blocks: what the kernel does not take at once is a counted drop.
 *
 * Context: the worker of the burst; several at once.
 */
void packet_tx(struct port *port, struct port_batch *b)
{
	struct tx_run run;
	const struct port_item *it;
	const struct frame *f;

	run.fd = container_of(port, struct fdport, port)->fd;
	run.batch = b;
	run.n = run.n_iovs = 0;
	port_batch_each(b, it, f)
	{
		if (run.n == TX_BATCH || run.n_iovs + FDPORT_IOVS > TX_IOVS)
			tx_flush(&run);
		tx_add(&run, it, f);
		if (unlikely(f->n_more > FDPORT_IOVS - 4)) /* it may lie in the one scratch */
			tx_flush(&run);
	}
	tx_flush(&run);
}
