/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Captures: mirrors that last as long as their client listens. Each has a thread
 * of its own, so that a reader who stands still stops nobody else, and ends
 * without being waited for. The state file never hears of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>

#include "sw/control/model.h"

static void capture_free(struct sw_capture *c)
{
	if (c->watch)
		loop_fd_del(c->watch);
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

/* Ends the mirror of @c. Without memory for that it goes on until the next tick. */
static void leave(struct sw_capture *c)
{
	struct sw_mirror *m = c->sw->mirrors;

	while (m->capture != c)
		m++;
	m->used = false;
	if (sw_publish(c->sw, NULL))
		m->used = true;
	sw_mirrors_reap(c->sw);
}

static void on_client(void *arg, uint32_t events)
{
	struct sw_capture *c = arg;

	loop_fd_del(take(c->watch));
	if (!c->ending)
		leave(c);
}

static int capture_new(struct sw *sw, int fd, struct sw_capture **out, struct err *e)
{
	struct sw_capture *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return err_set(e, -ENOMEM, "no memory for a capture");
	c->sw = sw;
	c->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	rc = c->fd < 0 ? err_errno(e, "capture") : sinks_open(&c->sinks, e);
	if (rc) {
		capture_free(c);
		return rc;
	}
	c->next = sw->captures;
	sw->captures = c;
	*out = c;
	return 0;
}

/**
 * sw_capture() - struct pf_ops.capture
 * @ctx:  struct sw
 * @want: what is watched, to a capture
 * @fd:   borrowed
 * @e:    may be NULL
 *
 * It ends when the client writes no more to @fd or is gone, and when what it watches is gone.
 *
 * Return: 0, -EINVAL, -ENODEV, -ENOSPC, -ENOMEM.
 * Context: control.
 */
int sw_capture(void *ctx, const struct mirror_config *want, int fd, struct err *e)
{
	struct sw *sw = ctx;
	struct sw_capture *c = NULL;
	int rc = capture_new(sw, fd, &c, e);

	if (rc)
		return rc;
	rc = sw_mirror_new(sw, want, c, e);
	if (!rc) {
		c->watch = loop_fd_add(sw->opts.loop, c->fd, EPOLLRDHUP, on_client, c);
		if (c->watch)
			return 0;
		leave(c);
		rc = err_set(e, -ENOMEM, "no memory for a capture");
	}
	if (!c->ending)
		sw_capture_end(c);
	return rc;
}

static bool source_is_there(struct sw *sw, const struct mirror_config *m)
{
	struct sw_pf *pf;

	if (m->from == MIRROR_FROM_VF)
		return sw_vf_find(sw, m->from_pf, m->from_vf, &pf, NULL);
	return sw_pf_find(sw, m->from_pf, NULL);
}

/**
 * sw_captures_sweep() - End the captures whose source is gone
 * @sw: switch whose model has lost a PF or VFs
 *
 * Context: control.
 */
void sw_captures_sweep(struct sw *sw)
{
	for (unsigned int i = 0; i < VEB_MIRRORS_MAX; i++) {
		struct sw_mirror *m = &sw->mirrors[i];

		if (m->used && m->capture && !source_is_there(sw, &m->config))
			leave(m->capture);
	}
}

/**
 * sw_captures_tick() - Free the captures that have ended
 * @sw: switch
 *
 * Context: control, once a second.
 */
void sw_captures_tick(struct sw *sw)
{
	for (struct sw_capture **at = &sw->captures; *at;) {
		struct sw_capture *c = *at;

		if (!c->watch && !c->ending)
			leave(c);
		if (!c->ending || !sinks_ended(c->sinks)) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		capture_free(c);
	}
}

/**
 * sw_captures_close() - End them all
 * @sw: switch without mirrors
 *
 * Context: control; waits a second at most for a reader that reads nothing.
 */
void sw_captures_close(struct sw *sw)
{
	while (sw->captures) {
		struct sw_capture *c = sw->captures;

		sw->captures = c->next;
		sinks_close(c->sinks);
		capture_free(c);
	}
}
