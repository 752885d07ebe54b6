/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One descriptor as a port: frames with virtio-net headers read into the port's
 * arena, and written by gathering straight from the sender's memory. The kernel
 * does checksums and segmentation, so nothing is computed here.
 */
#include "sw/port/fdport.h"

#include <errno.h>
#include <sys/mman.h>

/**
 * fdport_new() - Make a port of a descriptor
 * @fd:         non-blocking, with 10-byte virtio-net headers; taken only on success
 * @ops:        of the kind
 * @arena_size: FDPORT_ARENA or PACKET_ARENA
 * @out:        gets the port
 * @e:          says why not
 *
 * Return: 0 or -ENOMEM.
 * Context: control.
 */
int fdport_new(int fd, const struct port_ops *ops, uint32_t arena_size, struct fdport **out,
	       struct err *e)
{
	struct fdport *fp = calloc(1, sizeof(*fp));
	void *arena = mmap(NULL, arena_size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (!fp || arena == MAP_FAILED) {
		free(fp);
		if (arena != MAP_FAILED)
			munmap(arena, arena_size);
		return err_set(e, -ENOMEM, "out of memory");
	}
	fp->fd = fd;
	fp->arena = arena;
	fp->arena_size = arena_size;
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

static void one_free(struct fdport *fp)
{
	munmap(fp->arena, fp->arena_size);
	if (fp->ring.slots)
		munmap(fp->ring.slots, PACKET_RING);
	close(fp->fd);
	free(fp);
}

/**
 * fdport_free() - Close the descriptors and free the port
 * @port: the port member of a struct fdport; what packet_fanout() gave it goes along
 *
 * Context: control, when no worker can see the port any more.
 */
void fdport_free(struct port *port)
{
	for (unsigned int i = port->n_queues; i--;) /* the first has the port */
		one_free(container_of(port->queues[i], struct fdport, queue));
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
 * @q:         the port's source
 * @b:         the worker's burst
 * @read_some: how this kind reads frames
 *
 * At most FDPORT_READS frames, so that a flood cannot hold the worker. What is read at once may go
 * beyond max_bytes: max knows how large frames are of late.
 *
 * Return: frames in the burst.
 * Context: the worker that polls the source.
 */
unsigned int fdport_rx(struct port_queue *q, struct port_burst *b, fdport_read_fn read_some)
{
	struct fdport *fp = container_of(q, struct fdport, queue);
	struct fdport_got got[FDPORT_READS];
	unsigned int reads = MIN(b->max, FDPORT_READS);
	uint32_t bytes_sum = 0;

	b->more = true;
	fp->used = 0;
	for (unsigned int i = 0; i < reads && bytes_sum < b->max_bytes;) {
		int n = read_some(fp, got, reads - i);

		i += (unsigned int)MAX(n, 1);
		if (n == -ENETDOWN) /* told once; what came before the netdev went down follows */
			continue;
		if (n == -EAGAIN || n == -EBADFD) /* empty, or the netdev is gone */
			b->more = false;
		if (!n || !b->more)
			break;
		if (n < 0) /* it took the frame along: EINVAL, offloads virtio has no word for */
			port_refused(b, n == -ENOBUFS ? DROP_NO_BUFFER : DROP_MALFORMED, NULL, 0,
				     0);
		for (int k = 0; k < n; k++)
			if (rx_take(b, &got[k].h, got[k].bytes, (uint32_t)got[k].len))
				bytes_sum += (uint32_t)got[k].len;
	}
	return b->n;
}

/* The frame's pieces behind iov[1]. Returns their number; too many are joined in scratch. */
static unsigned int tx_payload(const struct frame *f, struct iovec *iov, uint8_t *scratch)
{
	if (likely(f->n_more <= FDPORT_IOVS - 4)) {
		iov[0] = (struct iovec){ (void *)(uintptr_t)f->data.base, f->data.len };
		for (unsigned int i = 0; i < f->n_more; i++)
			iov[1 + i] = (struct iovec){ (void *)(uintptr_t)f->more[i].base,
						     f->more[i].len };
		return 1 + f->n_more;
	}
	iov[0] = (struct iovec){ scratch, frame_peek(f, 0, scratch, f->len - FRAME_HDR_LEN) };
	return 1;
}

/**
 * fdport_gather() - Everything of a frame that is to be written
 * @f:       frame
 * @it:      its item
 * @head:    gets its headers; iov[] points there
 * @iov:     gets the pieces
 * @scratch: PORT_SCRATCH bytes for the payload of one in more pieces
 *
 * Return: pieces.
 * Context: the worker of the burst.
 */
unsigned int fdport_gather(const struct frame *f, const struct port_item *it,
			   struct fdport_head *head, struct iovec iov[FDPORT_IOVS],
			   uint8_t *scratch)
{
	unsigned int len = frame_header(f, it->tags, head->bytes);

	head->offload = offload_header(f, len - FRAME_HDR_LEN, UINT32_MAX);
	iov[0] = (struct iovec){ &head->offload, sizeof(head->offload) };
	iov[1] = (struct iovec){ head->bytes, len };
	return 2 + tx_payload(f, iov + 2, scratch);
}

/**
 * fdport_lost() - What a failed write means for its frame
 * @error: errno
 *
 * Context: any thread; pure.
 */
enum drop fdport_lost(int error)
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
	struct iovec iov[FDPORT_IOVS];
	struct fdport_head head;
	const struct port_item *it;
	const struct frame *f;

	port_batch_each(b, it, f)
	{
		int n = (int)fdport_gather(f, it, &head, iov, b->scratch);

		if (writev(fp->fd, iov, n) >= 0)
			port_delivered(b, it, f);
		else
			port_dropped(b, it, f, fdport_lost(errno));
	}
}
