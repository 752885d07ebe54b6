/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ERSPAN and GRE: mirrored frames in IP packets, by the host's routing. Sources:
 * RFC 2784 and 2890 (GRE, key, sequence), draft-foschiano-erspan-03 (types II, III).
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/cidr.h"
#include "sw/port/sink_priv.h"

#define PIECES_MAX     1u /* behind the first, of what offload_lower() makes */
#define GRE_KEY	       0x2000u
#define GRE_SEQ	       0x1000u
#define GRE_TEB	       0x6558u /* transparent Ethernet bridging */
#define GRE_ERSPAN     0x88beu
#define GRE_ERSPAN_III 0x22ebu

struct remote {
	struct sink sink; /* first */
	struct tunnel tunnel;
	int fd;		/* raw GRE socket */
	bool connected; /* a route was found; the kernel's errors are about our packets alone */
	uint32_t seq;
	struct sockaddr_storage addr;
	uint16_t slot;		      /* of its mirror, from the last frame */
	const struct sink_frame *now; /* the frame being sent */
	bool lost;		      /* a packet of it was not taken */
	uint8_t scratch[OFFLOAD_SCRATCH];
};

static uint8_t *put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
	return at + 2;
}

static uint8_t *put32(uint8_t *at, uint32_t v)
{
	return put16(put16(at, v >> 16), v);
}

/*
 * The id's decimal digits read as hexadecimal: what Open vSwitch as driven by
 * tap-as-a-service puts there (docs/sriov.md, Mirrors), so analyzers see the same index.
 */
static uint32_t erspan_index(uint32_t id)
{
	uint32_t index = 0;

	for (unsigned int shift = 0; id; id /= 10, shift += 4)
		index |= id % 10 << shift;
	return index & 0xfffff;
}

/**
 * tunnel_header() - What stands between the outer IP header and the frame
 * @t:   kind, version and id
 * @seq: counts packets of this mirror
 * @sf:  the frame: its outer tag, time, and whether it was cut
 * @out: gets at most TUNNEL_HDR_MAX bytes
 *
 * ERSPAN: a tagged frame keeps its tag (En 3), and VLAN and COS repeat it. Type III: timestamps of
 * 100 microseconds (Gra 0); D says egress for a mirror of `in` alone, what leaves the switch.
 *
 * Return: bytes.
 * Context: any; pure.
 */
unsigned int tunnel_header(const struct tunnel *t, uint32_t seq, const struct sink_frame *sf,
			   uint8_t out[TUNNEL_HDR_MAX])
{
	uint32_t tag = sf->tags[0], cut = sf->cut ? 1 : 0;
	uint8_t *at = out;

	if (t->to == MIRROR_TO_GRE) {
		at = put16(put16(at, t->id ? GRE_KEY : 0), GRE_TEB);
		at = t->id ? put32(at, t->id) : at;
		return (unsigned int)(at - out);
	}
	at = put16(put16(at, GRE_SEQ), t->version == 2 ? GRE_ERSPAN_III : GRE_ERSPAN);
	at = put32(at, seq);
	at = put16(at, (uint32_t)t->version << 12 | TAG_VID(tag));
	if (t->version == 2) {
		at = put16(at, TAG_PCP(tag) << 13 | cut << 10 | (t->id & 0x3ff));
		at = put32(at, (uint32_t)(sf->time_ns / 100000));
		at = put32(at, t->dir == MIRROR_IN ? 1u << 3 : 0);
		return (unsigned int)(at - out);
	}
	at = put16(at, TAG_PCP(tag) << 13 | (tag ? 3u << 11 : 0) | cut << 10 | (t->id & 0x3ff));
	at = put32(at, erspan_index(t->id));
	return (unsigned int)(at - out);
}

/* Packets the kernel gave up later: nobody answered at the next hop. Others' ICMP is no loss. */
static void errors_take(struct remote *r)
{
	uint8_t control[512];
	struct msghdr msg = { .msg_control = control };

	for (;;) {
		msg.msg_controllen = sizeof(control);
		if (recvmsg(r->fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
			const struct sock_extended_err *see = (const void *)CMSG_DATA(c);

			if ((c->cmsg_type == IP_RECVERR || c->cmsg_type == IPV6_RECVERR) &&
			    see->ee_errno == EHOSTUNREACH)
				sink_failed(&r->sink, r->slot, 1);
		}
	}
}

static bool connected(struct remote *r)
{
	if (!r->connected)
		r->connected = !connect(r->fd, (struct sockaddr *)&r->addr, sizeof(r->addr));
	return r->connected;
}

/* One packet; an error that is about an earlier one is asked away first. */
static bool send_one(struct remote *r, const struct msghdr *msg)
{
	for (unsigned int i = 0; i < 3 && connected(r); i++) {
		if (sendmsg(r->fd, msg, 0) >= 0)
			return true;
		if (errno == ENOBUFS || errno == EMSGSIZE)
			return false;
		if (errno != EHOSTUNREACH && errno != ECONNREFUSED && errno != EPROTO)
			r->connected = false;
		errors_take(r);
	}
	return false;
}

static bool remote_packet(void *arg, const struct frame *f)
{
	struct remote *r = arg;
	uint8_t tunnel[TUNNEL_HDR_MAX], head[FRAME_HDR_MAX];
	struct iovec iov[PIECES_MAX + 3] = {
		{ tunnel, tunnel_header(&r->tunnel, r->seq++, r->now, tunnel) },
		{ head, frame_header(f, r->now->tags, head) },
		{ (void *)(uintptr_t)f->data.base, f->data.len },
	};
	const struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3u + f->n_more };

	assert(f->n_more <= PIECES_MAX);
	for (unsigned int i = 0; i < f->n_more; i++)
		iov[3 + i] = (struct iovec){ (void *)(uintptr_t)f->more[i].base, f->more[i].len };
	if (!send_one(r, &msg))
		r->lost = true;
	return true;
}

/* A frame as on a wire: segmented, checksums finished. Lost once, however many packets. */
static void remote_take(struct sink *s, const struct sink_frame *sf)
{
	struct remote *r = container_of(s, struct remote, sink);
	const struct frame *f = &sf->frame;

	r->now = sf;
	r->slot = sf->slot;
	r->lost = false;
	if (!(f->flags & FRAME_NEEDS_CSUM) && !f->gso_type)
		remote_packet(r, f);
	else if (offload_lower(f, r->scratch, remote_packet, r))
		r->lost = true;
	if (r->lost)
		sink_failed(s, sf->slot, 1);
}

/* What became of packets is known seconds later. */
static void remote_flush(struct sink *s)
{
	errors_take(container_of(s, struct remote, sink));
}

static void remote_free(struct sink *s)
{
	struct remote *r = container_of(s, struct remote, sink);

	close(r->fd);
	sink_fini(s);
	free(r);
}

static const struct sink_ops remote_ops = { .frame = remote_take,
					    .flush = remote_flush,
					    .free = remote_free };

static int addr_make(const struct mirror_config *m, struct sockaddr_storage *out, struct err *e)
{
	struct sockaddr_in *in = (void *)out;
	struct sockaddr_in6 *in6 = (void *)out;

	*out = (struct sockaddr_storage){ 0 };
	if (inet_pton(AF_INET, m->remote, &in->sin_addr) == 1)
		out->ss_family = AF_INET;
	else if (inet_pton(AF_INET6, m->remote, &in6->sin6_addr) == 1)
		out->ss_family = AF_INET6;
	else
		return err_set(e, -EINVAL, "\"%s\" is no IP address", m->remote);
	return 0;
}

/* Packets above the path's MTU go in fragments rather than not at all. */
static int socket_setup(int fd, int family)
{
	const int on = 1, dont = IP_PMTUDISC_DONT, small = 1;

	if (family == AF_INET)
		return setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)) ||
		       setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &dont, sizeof(dont));
	return setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on)) ||
	       setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
}

/**
 * sink_remote_open() - A destination by ERSPAN or GRE
 * @s:   the thread
 * @p:   the root parent, which opens the socket
 * @m:   mirror with kind, address, id, version
 * @out: the port, for dp_port_add()
 * @e:   names an address that is none
 *
 * An address nobody can reach is no error: packets are lost and counted, until there is a route.
 *
 * Return: 0, -EINVAL, -ENOMEM, -EPERM without root, or what the kernel said.
 * Context: control.
 */
int sink_remote_open(struct sinks *s, struct parent *p, const struct mirror_config *m,
		     struct port **out, struct err *e)
{
	struct sockaddr_storage addr;
	auto_close int fd = -1;
	auto_free struct remote *r = NULL;
	int rc = addr_make(m, &addr, e);

	if (!rc)
		rc = parent_gre_open(p, addr.ss_family == AF_INET6, &fd, e);
	if (rc)
		return rc;
	r = calloc(1, sizeof(*r));
	if (!r)
		return err_set(e, -ENOMEM, "no memory for a mirror");
	if (socket_setup(fd, addr.ss_family))
		return err_errno(e, "GRE socket");
	rc = sink_init(&r->sink, &remote_ops, s, e);
	if (rc)
		return rc;
	r->addr = addr;
	r->fd = take_fd(fd);
	r->tunnel = (struct tunnel){ m->to, m->version, m->dir, m->id };
	sink_start(&r->sink);
	*out = &take(r)->sink.port;
	return 0;
}
