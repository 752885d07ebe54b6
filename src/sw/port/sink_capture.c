/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mirrored frames to whoever listens at the other end of a socket, as pcapng.
 * The thread is this sink's own: it waits for a slow reader, while the ring
 * fills and what comes then is counted. Users: control/capture.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "sw/port/pcapng.h"

#define BUFFER_SIZE (256u << 10)
#define PATIENCE_S  1 /* what a reader that reads nothing gets when the capture ends */

struct capture {
	struct sink sink; /* first */
	int fd;		  /* borrowed */
	bool gone;	  /* the reader */
	uint64_t taken;	  /* frames out of the ring */
	uint32_t used;	  /* bytes of buffer[] */
	uint8_t buffer[BUFFER_SIZE];
};

static void capture_flush(struct sink *s)
{
	struct capture *c = container_of(s, struct capture, sink);

	for (uint32_t done = 0; done < c->used && !c->gone;) {
		ssize_t n = send(c->fd, c->buffer + done, c->used - done, MSG_NOSIGNAL);

		if (n >= 0)
			done += (uint32_t)n;
		else if (errno != EAGAIN || __atomic_load_n(&s->closing, __ATOMIC_SEQ_CST))
			c->gone = true;
	}
	c->used = 0;
}

static void capture_frame(struct sink *s, const struct sink_frame *sf)
{
	struct capture *c = container_of(s, struct capture, sink);
	unsigned int why = VEB_MARK_WHY(sf->mark);
	char text[151];

	if (c->used + PCAPNG_EXTRA + FRAME_HDR_MAX + sf->frame.data.len > sizeof(c->buffer))
		capture_flush(s);
	if (why)
		snprintf(text, sizeof(text), "dropped: %s: %s", drop_names[why - 1],
			 drop_help[why - 1]);
	c->used += pcapng_packet(c->buffer + c->used, sf, sf->mark & VEB_MIRROR_OUT ? 2 : 1,
				 why ? text : NULL);
	c->taken++;
}

static void capture_free(struct sink *s)
{
	struct capture *c = container_of(s, struct capture, sink);
	uint64_t refused = __atomic_load_n(&s->refused, __ATOMIC_RELAXED);
	struct timespec now;

	capture_flush(s);
	clock_gettime(CLOCK_REALTIME, &now);
	c->used = pcapng_stats(c->buffer,
			       (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
			       c->taken + refused, refused);
	capture_flush(s);
	shutdown(c->fd, SHUT_RDWR);
	sink_fini(s);
	free(c);
}

static const struct sink_ops capture_ops = { .frame = capture_frame,
					     .flush = capture_flush,
					     .free = capture_free };

/* First of all the section, with the name an interface of the host would have: p2p1-vf2. */
static int start_send(int fd, const struct mirror_config *m, struct err *e)
{
	static const char *const kinds[] = { "vf", "pf", "uplink", "vlan" };
	char name[PF_NAME_LEN + 16], number[8] = "", description[96];
	uint8_t start[PCAPNG_START_MAX];
	uint32_t size;

	if (m->from == MIRROR_FROM_VF || m->from == MIRROR_FROM_VLAN)
		snprintf(number, sizeof(number), "%u",
			 m->from == MIRROR_FROM_VF ? m->from_vf : m->from_vlan);
	snprintf(name, sizeof(name), "%s-%s%s", m->from_pf, kinds[m->from], number);
	snprintf(description, sizeof(description), "anyvf %s %s%s%s, %s%s", m->from_pf,
		 kinds[m->from], *number ? " " : "", number,
		 mirror_fields[MIRROR_FIELD_DIR].names[m->dir], m->drops ? ", drops" : "");
	size = pcapng_start(start, &(struct pcapng_if){ .name = name,
							.description = description,
							.filter = m->pcap,
							.snap = m->snap });
	if (send(fd, start, size, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)size)
		return err_errno(e, "capture");
	return 0;
}

static int fd_check(int fd, struct err *e)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	socklen_t len = sizeof(int);
	int domain = 0, type = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) || domain != AF_UNIX ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) || type != SOCK_STREAM)
		return err_set(e, -EINVAL, "a capture needs a Unix stream socket to write to");
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ||
	    fcntl(fd, F_SETFL, 0)) /* it blocks: the thread waits in send() alone */
		return err_errno(e, "capture");
	return 0;
}

/**
 * sink_capture_open() - A destination that is a listening client
 * @s:   a thread of its own
 * @m:   the capture
 * @fd:  a Unix stream socket, borrowed until @s ended; made to block, shut down at the end
 * @out: the port, for dp_port_add()
 * @e:   may be NULL
 *
 * Return: 0, -EINVAL or -ENOMEM.
 * Context: control.
 */
int sink_capture_open(struct sinks *s, const struct mirror_config *m, int fd, struct port **out,
		      struct err *e)
{
	auto_free struct capture *c = calloc(1, sizeof(*c));
	int rc = fd_check(fd, e);

	if (!rc)
		rc = start_send(fd, m, e);
	if (rc)
		return rc;
	if (!c)
		return err_set(e, -ENOMEM, "no memory for a capture");
	rc = sink_init(&c->sink, &capture_ops, s, e);
	if (rc)
		return rc;
	c->fd = fd;
	c->sink.snap = m->snap;
	sink_start(&c->sink);
	*out = &take(c)->sink.port;
	return 0;
}
