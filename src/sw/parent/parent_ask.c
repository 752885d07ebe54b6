/* SPDX-License-Identifier: Apache-2.0 */
/* The child's end of the socket to the root parent: a function a verb. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/sock.h"
#include "sw/parent/parent_wire.h"
#include "sw/parent/watch.h"

static int ask_locked(struct parent *p, const struct request *req, struct reply *reply, int *got,
		      struct err *e)
{
	unsigned int n_fds = 1;
	ssize_t n;

	if (sock_send_fds(p->sock, req, sizeof(*req), NULL, 0))
		return err_errno(e, "ask the parent process");
	n = sock_recv_fds(p->sock, reply, sizeof(*reply), got, &n_fds);
	if (n != sizeof(*reply))
		return err_set(e, -EIO, "the parent process does not answer");
	return 0;
}

/**
 * parent_call() - Ask the parent for something
 * @p:     the parent, or NULL without root
 * @req:   what
 * @out:   gets its answer; NULL: not wanted
 * @fd:    gets the descriptor it sends, for the caller to close; NULL: not wanted
 * @e:     gets its words
 *
 * Return: 0, -EPERM without root, -EIO, or what the parent said.
 * Context: any thread but a worker; blocks for the answer.
 */
int parent_call(struct parent *p, const struct request *req, struct reply *out, int *fd,
		struct err *e)
{
	struct reply reply = { 0 };
	auto_close int got = -1;
	int rc;

	if (!p)
		return err_set(e, -EPERM, "anyvf-swd runs without root: vhost attachments only");
	pthread_mutex_lock(&p->lock);
	rc = ask_locked(p, req, &reply, &got, e);
	pthread_mutex_unlock(&p->lock);
	if (rc)
		return rc;
	reply.err.msg[sizeof(reply.err.msg) - 1] = 0;
	if (reply.rc)
		return err_set(e, reply.rc, "%s", reply.err.msg);
	if (fd && got < 0)
		return err_set(e, -EIO, "the parent process sent no descriptor");
	if (out)
		*out = reply;
	if (fd)
		*fd = take_fd(got);
	return 0;
}

/**
 * parent_tap_open() - Have a tap opened, or get the one kept since the child's last life
 * @p:    the parent, or NULL without root
 * @want: name, namespace and settings
 * @fd:   the tap (see netdev_tap_open()); the caller closes it, the parent keeps its own
 * @e:    says why not
 *
 * Asking again for an open tap applies the settings and gives another descriptor of it. One that
 * was deleted meanwhile, alone or with its namespace, is made anew.
 *
 * Return: 0, -EPERM without root, -ENOSPC above PARENT_TAPS_MAX, else as parent_judge() and
 * netdev_tap_open().
 * Context: control; blocks for the parent's answer.
 */
int parent_tap_open(struct parent *p, const struct tap_want *want, int *fd, struct err *e)
{
	struct request req = { .verb = VERB_TAP_OPEN,
			       .mtu = want->mtu,
			       .mac_at_birth = want->mac_at_birth,
			       .rest_at_birth = want->rest_at_birth,
			       .up = want->up,
			       .down = want->down,
			       .mac = want->mac };

	memcpy(req.name, want->name, sizeof(req.name));
	memcpy(req.netns, want->netns, sizeof(req.netns));
	return parent_call(p, &req, NULL, fd, e);
}

/**
 * parent_tap_close() - Have a tap let go once its last descriptor is closed
 * @p:     the parent, or NULL without root
 * @name:  as asked for in parent_tap_open()
 * @netns: likewise
 * @e:     says why not
 *
 * It is removed if the parent made it.
 *
 * Return: 0, -ENOENT if it is not kept, -EPERM without root.
 * Context: control; blocks for the parent's answer.
 */
int parent_tap_close(struct parent *p, const char *name, const char *netns, struct err *e)
{
	struct request req = { .verb = VERB_TAP_CLOSE };

	snprintf(req.name, sizeof(req.name), "%s", name);
	snprintf(req.netns, sizeof(req.netns), "%s", netns);
	return parent_call(p, &req, NULL, NULL, e);
}

/**
 * parent_tap_where() - Where a tap is by now
 * @p:     the parent
 * @asked: name and namespace of parent_tap_open()
 * @out:   its place; a namespace that nobody else could name is "?"
 * @state: what it says of itself
 * @e:     may be NULL
 *
 * The child's own view of the file system may lack a namespace made since, and other processes.
 *
 * Return: 0, -ENOENT if it is not kept, -ENODEV if it is gone, or only our own descriptor keeps its
 * namespace alive: open it anew.
 * Context: control; blocks for the parent's answer.
 */
int parent_tap_where(struct parent *p, const struct tap_place *asked, struct tap_place *out,
		     struct netdev_state *state, struct err *e)
{
	struct request req = { .verb = VERB_TAP_WHERE };
	struct reply reply;
	int rc;

	memcpy(req.name, asked->name, sizeof(req.name));
	memcpy(req.netns, asked->netns, sizeof(req.netns));
	rc = parent_call(p, &req, &reply, NULL, e);
	if (!rc)
		*out = reply.at;
	if (!rc)
		*state = reply.state;
	return rc;
}

/**
 * parent_netns_born() - netns_born() of one of the host's processes
 * @p:   the parent, or NULL without root
 * @pid: digits
 * @out: gets it; 0: they are the name of a namespace
 * @e:   says why not
 *
 * Return: 0, -ESRCH, -EPERM without root.
 * Context: control; blocks for the parent's answer.
 */
int parent_netns_born(struct parent *p, const char *pid, uint64_t *out, struct err *e)
{
	struct request req = { .verb = VERB_NETNS_BORN };
	struct reply reply;
	int rc;

	snprintf(req.netns, sizeof(req.netns), "%s", pid);
	rc = parent_call(p, &req, &reply, NULL, e);
	if (!rc)
		*out = reply.value;
	return rc;
}

/**
 * parent_packet_open() - Have a packet socket opened on a netdev
 * @p:      the parent, or NULL without root
 * @netdev: interface name in the daemon's namespace
 * @force:  also if it carries the default route, and the configuration says so, too
 * @fd:     see netdev_packet_open(); the caller closes it
 * @e:      says why not
 *
 * Return: 0, -EPERM without root, else as parent_judge() and netdev_packet_open().
 * Context: control; blocks for the parent's answer.
 */
int parent_packet_open(struct parent *p, const char *netdev, bool force, int *fd, struct err *e)
{
	struct request req = { .verb = VERB_PACKET_OPEN, .force = force };

	if (strlen(netdev) >= sizeof(req.name))
		return err_set(e, -EINVAL, "\"%s\" is not an interface name", netdev);
	snprintf(req.name, sizeof(req.name), "%s", netdev);
	return parent_call(p, &req, NULL, fd, e);
}

/**
 * parent_links_follow() - Have a socket opened that hears of each change of a netdev
 * @p:  the parent, or NULL without root
 * @fd: see netdev_follow(); the caller closes it
 * @e:  says why not
 *
 * Return: 0, -EPERM without root, else as netdev_follow().
 * Context: control; blocks for the parent's answer.
 */
int parent_links_follow(struct parent *p, int *fd, struct err *e)
{
	struct request req = { .verb = VERB_LINKS_FOLLOW };

	return parent_call(p, &req, NULL, fd, e);
}

/**
 * parent_gre_open() - Have a raw socket for GRE opened
 * @p:  the parent, or NULL without root
 * @v6: over IPv6
 * @fd: see netdev_gre_open(); the caller closes it
 * @e:  says why not
 *
 * Return: 0, -EPERM without root, else as netdev_gre_open().
 * Context: control; blocks for the parent's answer.
 */
int parent_gre_open(struct parent *p, bool v6, int *fd, struct err *e)
{
	struct request req = { .verb = VERB_GRE_OPEN, .v6 = v6 };

	return parent_call(p, &req, NULL, fd, e);
}

/**
 * parent_mirror_open() - Have the file of a mirror opened, or made
 * @p:    the parent; NULL: with our own rights
 * @path: absolute
 * @fd:   to be read, and appended to; the caller closes it
 * @e:    says why not
 *
 * Return: 0, or as parent_judge() and parent_file_open(), or what open() said.
 * Context: control; blocks for the parent's answer.
 */
int parent_mirror_open(struct parent *p, const char *path, int *fd, struct err *e)
{
	struct request req = { .verb = VERB_FILE_OPEN };
	int flags = O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW;

	if (p) {
		snprintf(req.path, sizeof(req.path), "%s", path);
		return parent_call(p, &req, NULL, fd, e);
	}
	*fd = open(path, flags, 0640);
	return *fd < 0 ? err_errno(e, "file %s", path) : 0;
}

/**
 * parent_socket() - Have something done with a vhost-user socket
 * @p:    the parent
 * @what: SOCKET_LOOK: is it there? Its directory is made if it is to be ours. SOCKET_BIND: a
 *        socket bound to it; one that nobody serves any more goes first. SOCKET_CONNECT: one
 *        connected to it. SOCKET_CLOSE: it goes, with its directory if that was ours.
 * @path: absolute
 * @fd:   gets the socket of SOCKET_BIND and SOCKET_CONNECT; the caller closes it
 * @e:    says why not
 *
 * Return: 0, or as parent_judge() and the parent_socket_…() functions.
 * Context: any thread but a worker; blocks for the parent's answer.
 */
int parent_socket(struct parent *p, enum parent_socket what, const char *path, int *fd,
		  struct err *e)
{
	struct request req = { .verb = VERB_SOCKET_LOOK + (uint32_t)what };

	snprintf(req.path, sizeof(req.path), "%s", path);
	return parent_call(p, &req, NULL, fd, e);
}

/**
 * parent_state_read() - Read the state file
 * @p:    the parent; NULL: with our own rights
 * @path: the file; the parent has its own idea of it, which is the same
 * @max:  larger ones are refused, bytes
 * @out:  see file_read()
 * @size: likewise
 * @e:    says why not
 *
 * Return: as file_read().
 * Context: control; blocks for the parent's answer.
 */
int parent_state_read(struct parent *p, const char *path, size_t max, char **out, size_t *size,
		      struct err *e)
{
	struct request req = { .verb = VERB_STATE_READ };
	auto_close int fd = -1;
	int rc;

	if (!p)
		return file_read(path, max, out, size, e);
	rc = parent_call(p, &req, NULL, &fd, e);
	return rc ? rc : file_read_fd(fd, path, max, out, size, e);
}

/**
 * parent_state_save() - Replace the state file, whole or not at all
 * @p:    the parent; NULL: with our own rights
 * @path: the file
 * @text: its new bytes
 * @size: how many
 * @e:    says why not
 *
 * The bytes are written and synced by the caller, so a slow disk does not hold up the parent.
 *
 * Return: as file_replace().
 * Context: control; blocks for the disk.
 */
int parent_state_save(struct parent *p, const char *path, const char *text, size_t size,
		      struct err *e)
{
	struct request req = { .verb = VERB_STATE_NEW };
	auto_close int fd = -1;
	int rc;

	if (!p)
		return file_replace(path, text, size, 0600, e);
	rc = parent_call(p, &req, NULL, &fd, e);
	if (rc)
		return rc;
	rc = file_fill(fd, text, size);
	if (rc)
		return err_set(e, rc, "%s: %s", path, strerror(-rc));
	req.verb = VERB_STATE_PUT;
	return parent_call(p, &req, NULL, NULL, e);
}

/**
 * parent_state_append() - Write behind what the state file has
 * @p:    the parent; NULL: with our own rights
 * @path: the file
 * @size: bytes it is to have now
 * @text: bytes that follow
 * @more: how many
 * @e:    says why not
 *
 * Return: as file_append(), or -ENOENT.
 * Context: control; blocks for the disk.
 */
int parent_state_append(struct parent *p, const char *path, size_t size, const char *text,
			size_t more, struct err *e)
{
	struct request req = { .verb = VERB_STATE_MORE };
	auto_close int fd = -1;
	int rc = 0;

	if (p)
		rc = parent_call(p, &req, NULL, &fd, e);
	else if ((fd = open(path, O_WRONLY | O_CLOEXEC)) < 0)
		rc = err_errno(e, "%s", path);
	return rc ? rc : file_append(fd, path, size, text, more, e);
}

/**
 * parent_decide() - Decide about a change of this host, or hear what was decided
 * @p:    the parent; NULL: with our own rights
 * @path: the state file, beside which decisions are
 * @id:   of the change
 * @want: what to decide; NONE: only look
 * @is:   gets what holds
 * @e:    says why not
 *
 * Return: as decision_take().
 * Context: control; blocks for the parent's answer.
 */
int parent_decide(struct parent *p, const char *path, const char *id, enum decision want,
		  enum decision *is, struct err *e)
{
	struct request req = { .verb = VERB_DECIDE, .mtu = (uint16_t)want };
	struct reply reply = { 0 };
	int rc;

	snprintf(req.name, sizeof(req.name), "%s", id);
	rc = p ? parent_call(p, &req, &reply, NULL, e)
	       : parent_decision(path, id, want, &reply.value, e);
	if (!rc)
		*is = (enum decision)reply.value;
	return rc;
}

/**
 * parent_ready() - Say that the child stands: kept taps nobody claimed go
 * @p: the parent, or NULL without root: nothing is said
 * @e: says why not
 *
 * A child that ends before its first parent_ready() ends the daemon; later ones are restarted.
 *
 * Return: 0 or -EIO.
 * Context: control; once a life.
 */
int parent_ready(struct parent *p, struct err *e)
{
	struct request req = { .verb = VERB_READY };

	return p ? parent_call(p, &req, NULL, NULL, e) : 0;
}

/**
 * parent_beat() - Say that the child does not hang
 * @arg: the parent, or NULL without root: nothing is said
 * @tid: the calling thread
 *
 * From the first on, a child that could beat and does not is ended and started again. A parent that
 * is not root sees nothing of another account in /proc, so that one has the thread's file with it.
 *
 * Context: any one thread, about once a second; never blocks, but for the first time.
 */
void parent_beat(void *arg, pid_t tid)
{
	struct parent *p = arg;
	struct request req = { .verb = VERB_BEAT, .tid = tid };
	auto_close int fd = -1;

	if (!p)
		return;
	if (p->beaten) {
		(void)send(p->sock, &req, sizeof(req), MSG_DONTWAIT | MSG_NOSIGNAL);
		return;
	}
	fd = watch_open(getpid(), tid);
	p->beaten = !sock_send_fds(p->sock, &req, sizeof(req), &fd, fd >= 0 ? 1 : 0);
}
