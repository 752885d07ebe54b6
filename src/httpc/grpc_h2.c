/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 on a connection: nghttp2's frames to and from its socket, by TLS if there is any. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "httpc/grpc_impl.h"

#define WINDOW (16 << 20)  /* bytes that may come without being asked for */
#define PART   (64u << 10) /* bytes that are read or sent at once */

static ssize_t on_body(nghttp2_session *h2, int32_t stream, uint8_t *out, size_t size,
		       uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct grpc_call *c = arg;
	size_t n = MIN(size, c->body.len - c->sent);

	memcpy(out, c->body.data + c->sent, n);
	c->sent += n;
	if (c->sent == c->body.len)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t len, uint8_t flags, void *arg)
{
	struct grpc_call *c = arg;
	const char *n = (const char *)name, *v = (const char *)value; /* both end with a NUL */
	char *end;

	if (frame->hd.stream_id != c->stream)
		return 0;
	if (!strcmp(n, ":status")) {
		c->http = atoi(v);
	} else if (!strcmp(n, "grpc-status")) {
		unsigned long code = strtoul(v, &end, 10);

		c->status = isdigit((unsigned char)*v) && !*end && code < 1000 ? (int)code : -1;
	} else if (!strcmp(n, "grpc-message")) {
		snprintf(c->words, sizeof(c->words), "%s", v);
	}
	return 0;
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t stream, const uint8_t *data,
		   size_t size, void *arg)
{
	struct grpc_call *c = arg;

	if (stream == c->stream && !c->rc)
		c->rc = buf_add(&c->came, data, size, c->max_size + GRPC_HEAD);
	return 0;
}

/* What ends is told behind nghttp2's work: handlers may do what they like. */
static int on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *arg)
{
	struct grpc_call *c = arg;

	if (frame->hd.stream_id == c->stream && frame->hd.flags & NGHTTP2_FLAG_END_STREAM &&
	    (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS))
		c->ended = true;
	return 0;
}

static int on_close(nghttp2_session *h2, int32_t stream, uint32_t code, void *arg)
{
	struct grpc_call *c = arg;

	if (stream == c->stream && !c->ended && !c->rc)
		c->rc = -EIO;
	return 0;
}

/**
 * grpc_want() - Say what is waited for at the socket, besides what is to come
 * @c:      connected
 * @writes: room
 */
void grpc_want(struct grpc_call *c, bool writes)
{
	if (writes != c->writes)
		loop_fd_set(c->src, EPOLLIN | (writes ? EPOLLOUT : 0));
	c->writes = writes;
}

static ssize_t moved(ssize_t n)
{
	return n >= 0 ? n : errno == EAGAIN || errno == EINTR ? -EAGAIN : -EIO;
}

static ssize_t put_out(const struct grpc_call *c)
{
	return c->tls ? tlsc_send(c->tls, c->out.data, c->out.len)
		      : moved(send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL));
}

static ssize_t take_in(const struct grpc_call *c, void *data, size_t size)
{
	return c->tls ? tlsc_recv(c->tls, data, size) : moved(recv(c->fd, data, size, 0));
}

/**
 * grpc_h2_flush() - Frames to the socket, as far as it takes them
 * @c: connected
 *
 * Return: 0; -EIO; -ENOMEM.
 */
int grpc_h2_flush(struct grpc_call *c)
{
	ssize_t n = 1;

	while (n > 0) {
		const uint8_t *data;

		while (c->out.len < PART && (n = nghttp2_session_mem_send(c->h2, &data)) > 0)
			if (buf_add(&c->out, data, (size_t)n, SIZE_MAX - 1))
				return -ENOMEM;
		if (n < 0)
			return -EIO;
		n = c->out.len ? put_out(c) : 0;
		if (n > 0)
			buf_drop(&c->out, (size_t)n);
	}
	grpc_want(c, c->out.len);
	return n == -EAGAIN ? 0 : (int)n;
}

/**
 * grpc_h2_hear() - A part of what came, to the call
 * @c: connected
 *
 * Return: 0; -EAGAIN: there is no more; -EPIPE: it was closed; -EIO; -EPROTO.
 */
int grpc_h2_hear(struct grpc_call *c)
{
	uint8_t data[PART];
	ssize_t n = take_in(c, data, sizeof(data));

	if (n <= 0)
		return n ? (int)n : -EPIPE;
	c->reused = false;
	return nghttp2_session_mem_recv(c->h2, data, (size_t)n) == n ? 0 : -EPROTO;
}

#define NV(name, value)                                                                            \
	(nghttp2_nv)                                                                               \
	{                                                                                          \
		(uint8_t *)(name), (uint8_t *)(value), strlen(name), strlen(value), 0              \
	}

/**
 * grpc_h2_submit() - Send the request of the call
 * @c: that speaks
 *
 * Return: 0; -EIO; -ENOMEM.
 */
int grpc_h2_submit(struct grpc_call *c)
{
	nghttp2_nv headers[] = {
		NV(":method", "POST"),
		NV(":scheme", c->tls ? "https" : "http"),
		NV(":path", c->path),
		NV(":authority", strstr(c->origin, "//") + 2),
		NV("content-type", "application/grpc"),
		NV("te", "trailers"),
		NV(c->metadata[0] ?: "", c->metadata[1] ?: ""),
	};
	nghttp2_data_provider body = { .read_callback = on_body };

	c->stream = nghttp2_submit_request(c->h2, NULL, headers,
					   ARRAY_LEN(headers) - !c->metadata[0], &body, NULL);
	return c->stream < 0 ? -EIO : grpc_h2_flush(c);
}

/**
 * grpc_h2_open() - Begin to speak HTTP/2
 * @c: connected
 *
 * Return: 0; -ENOMEM. What is to be said is sent by grpc_h2_submit().
 */
int grpc_h2_open(struct grpc_call *c)
{
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW },
	};
	nghttp2_session_callbacks *calls;
	int rc;

	if (nghttp2_session_callbacks_new(&calls))
		return -ENOMEM;
	nghttp2_session_callbacks_set_on_header_callback(calls, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_close);
	rc = nghttp2_session_client_new(&c->h2, calls, c);
	nghttp2_session_callbacks_del(calls);
	if (rc || nghttp2_submit_settings(c->h2, 0, settings, ARRAY_LEN(settings)) ||
	    nghttp2_session_set_local_window_size(c->h2, 0, 0, WINDOW))
		return -ENOMEM;
	return 0;
}
