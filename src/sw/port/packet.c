/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames from and to a packet socket, many a system call: recvmmsg() and sendmmsg(). The rings of
 * packet(7) would save the calls altogether, but have no virtio-net headers before Linux 6.7.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "sw/port/fdport.h"

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

/* The kernel takes the outer tag out of the frame (packet(7), PACKET_AUXDATA): put it back. */
static void tag_restore(struct msghdr *msg, struct fdport_got *got)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	struct tpacket_auxdata aux;
	uint32_t tag;

	if (!c || c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA ||
	    c->cmsg_len < CMSG_LEN(sizeof(aux)))
		return;
	memcpy(&aux, CMSG_DATA(c), sizeof(aux));
	if (!(aux.tp_status & TP_STATUS_VLAN_VALID) || got->len < FRAME_HDR_LEN)
		return;
	tag = aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid : TPID_8021Q;
	tag = htonl(tag << 16 | aux.tp_vlan_tci);
	got->bytes -= FRAME_TAG_LEN;
	got->len += FRAME_TAG_LEN;
	memmove(got->bytes, got->bytes + FRAME_TAG_LEN, 2 * MAC_LEN);
	memcpy(got->bytes + 2 * MAC_LEN, &tag, FRAME_TAG_LEN);
	got->h.csum_start = (uint16_t)(got->h.csum_start + FRAME_TAG_LEN);
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
		tag_restore(&a->msgs[fp->used].msg_hdr, &out[i]);
	}
	return got;
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
	return fdport_rx(q, b, packet_read);
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

/* Each frame is sent or dropped. A call ends before the first that fails, the next one says why. */
static void tx_flush(struct tx_run *run)
{
	for (unsigned int done = 0; done < run->n;) {
		int n = sendmmsg(run->fd, run->msgs + done, run->n - done, 0);

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
