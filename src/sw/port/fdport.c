/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One descriptor as a port: frames with virtio-net headers read into the port's
 * arena, and written by gathering straight from the sender's memory. The kernel
 * does checksums and segmentation, so nothing is computed here.
 */
#include "sw/port/fdport.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "sw/data/offload.h"

#define TX_IOVS 128 /* pieces of one write; a frame in more pieces is joined first */

/**
 * fdport_new() - Make a port of a descriptor
 * @fd:  non-blocking, with 10-byte virtio-net headers; taken only on success
 * @ops: of the kind
 * @out: gets the port
 * @e:   says why not
 *
 * Return: 0 or -ENOMEM.
 * Context: control.
 */
int fdport_new(int fd, const struct port_ops *ops, struct fdport **out, struct err *e)
{
	struct fdport *fp = calloc(1, sizeof(*fp));
	void *arena = mmap(NULL, FDPORT_ARENA, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (!fp || arena == MAP_FAILED) {
		free(fp);
		if (arena != MAP_FAILED)
			munmap(arena, FDPORT_ARENA);
		return err_set(e, -ENOMEM, "out of memory");
	}
	fp->fd = fd;
	fp->arena = arena;
	fp->port.ops = ops;
	fp->port.n_queues = 1;
	fp->port.queues[0] = &fp->queue;
	fp->queue.port = &fp->port;
	fp->queue.fd = fd;
	fp->queue.slow_rx = true;
	fp->queue.node = -1;
	fp->queue.running = true;
	*out = fp;
	return 0;
}

/**
 * fdport_free() - Close the descriptor and free the port
 * @port: the port member of a struct fdport
 *
 * Context: control, when no worker can see the port any more.
 */
void fdport_free(struct port *port)
{
	struct fdport *fp = container_of(port, struct fdport, port);

	munmap(fp->arena, FDPORT_ARENA);
	close(fp->fd);
	free(fp);
}

/* One frame of @len bytes at @bytes, as read. False: refused and counted. */
static bool rx_take(struct port_burst *b, const struct virtio_net_hdr *h, const uint8_t *bytes,
		    uint32_t len)
{
	struct frame *f = &b->frames[b->n];
	unsigned int used = (unsigned int)frame_parse(f, bytes, len);

	if (!used) {
		port_refused(b, len < FRAME_LEN_MAX ? DROP_RUNT : DROP_OVERSIZE, bytes,
			     MIN(len, (uint32_t)FRAME_PARSE_LEN), len);
		return false;
	}
	if (!frame_set_offload(f, h->flags, h->gso_type, h->gso_size, h->csum_start,
			       h->csum_offset)) {
		port_refused(b, DROP_MALFORMED, bytes, MIN(len, (uint32_t)FRAME_PARSE_LEN), len);
		return false;
	}
	f->data = (struct frame_seg){ bytes + used, len - used };
	f->n_more = 0;
	f->more = NULL;
	frame_set_hdr_len(f);
	b->n++;
	return true;
}

/**
 * fdport_rx() - Read a burst of frames into the arena
 * @q:        the port's source
 * @b:        the worker's burst
 * @read_one: how this kind reads a frame
 *
 * At most FDPORT_READS reads, each a syscall, so that a tap's flood cannot hold the worker.
 *
 * Return: frames in the burst.
 * Context: the worker that polls the source.
 */
unsigned int fdport_rx(struct port_queue *q, struct port_burst *b, fdport_read_fn read_one)
{
	struct fdport *fp = container_of(q, struct fdport, queue);
	unsigned int reads = MIN(b->max, FDPORT_READS);
	uint32_t used = FRAME_TAG_LEN, bytes_sum = 0;

	b->more = true;
	for (unsigned int i = 0;
	     i < reads && bytes_sum < b->max_bytes && used + FDPORT_ROOM <= FDPORT_ARENA; i++) {
		struct virtio_net_hdr h;
		uint8_t *bytes = fp->arena + used;
		ssize_t n = read_one(fp->fd, &h, &bytes);

		if (n == -ENETDOWN) /* told once; what came before the netdev went down follows */
			continue;
		if (n == -EAGAIN || n == -EBADFD) { /* empty, or the netdev is gone */
			b->more = false;
			break;
		}
		if (n < 0) { /* it took the frame along: EINVAL, offloads virtio has no word for */
			port_refused(b, DROP_MALFORMED, NULL, 0, 0);
			continue;
		}
		if (!rx_take(b, &h, bytes, (uint32_t)n))
			continue;
		bytes_sum += (uint32_t)n;
		used += ((uint32_t)n + FRAME_TAG_LEN + 63) & ~63u;
	}
	return b->n;
}

/* The frame's pieces behind iov[1]. Returns their number; too many are joined in scratch. */
static unsigned int tx_payload(const struct frame *f, struct iovec *iov, uint8_t *scratch)
{
	if (likely(f->n_more < TX_IOVS - 2)) {
		iov[0] = (struct iovec){ (void *)(uintptr_t)f->data.base, f->data.len };
		for (unsigned int i = 0; i < f->n_more; i++)
			iov[1 + i] = (struct iovec){ (void *)(uintptr_t)f->more[i].base,
						     f->more[i].len };
		return 1 + f->n_more;
	}
	iov[0] = (struct iovec){ scratch, frame_peek(f, 0, scratch, f->len - FRAME_HDR_LEN) };
	return 1;
}

/* What a failed write means for the frame. */
static enum drop tx_reason(int error)
{
	switch (error) {
	case EAGAIN:
	case ENOBUFS:
	case ENOMEM:
		return DROP_NO_BUFFER;
	case EMSGSIZE:
		return DROP_OVERSIZE;
	case EINVAL:
		return DROP_OFFLOAD;
	case ENETDOWN: /* an uplink */
		return DROP_LINK_DOWN;
	case EIO: /* a tap that its user has down: a driver that is not up */
	default:  /* EBADFD, ENXIO: the netdev is gone; control opens it anew */
		return DROP_NOT_READY;
	}
}

/**
 * fdport_tx() - Write each frame of a batch with one writev()
 * @port: the port member of a struct fdport
 * @b:    what to deliver
 *
 * Never blocks: what the kernel does not take at once is a counted drop.
 *
 * Context: the worker of the burst.
 */
void fdport_tx(struct port *port, struct port_batch *b)
{
	struct fdport *fp = container_of(port, struct fdport, port);
	struct iovec iov[TX_IOVS];
	uint8_t head[FRAME_HDR_MAX];
	const struct port_item *it;
	const struct frame *f;

	port_batch_each(b, it, f)
	{
		unsigned int len = frame_header(f, it->tags, head);
		struct offload_hdr h = offload_header(f, len - FRAME_HDR_LEN, UINT32_MAX);

		iov[0] = (struct iovec){ &h, sizeof(h) };
		iov[1] = (struct iovec){ head, len };
		if (writev(fp->fd, iov, (int)(2 + tx_payload(f, iov + 2, b->scratch))) >= 0)
			port_delivered(b, it, f);
		else
			port_dropped(b, it, f, tx_reason(errno));
	}
}
