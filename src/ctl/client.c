/* SPDX-License-Identifier: Apache-2.0 */
/* The caller's end of the control socket: one blocking call for any method. For CLI and agent. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/sock.h"
#include "ctl/ctl.h"
#include "ctl/method.h"

#define REPLY_MAX (CTL_OUT_MAX + CTL_LINE_MAX)

struct ctl_client {
	int fd;
	struct buf in; /* bytes of replies not read yet */
	json_int_t id; /* of the last request */
	int given;     /* goes with the next one; borrowed, -1: none */
};

const char *const ctl_socks[] = { "swd.sock", "hwd.sock", NULL };
const char *const ctl_reading_socks[] = { "swd-ro.sock", "hwd-ro.sock", NULL };

/**
 * ctl_run_dir() - Directory of the sockets
 *
 * Return: ANYVF_RUN_DIR from the environment, else CTL_RUN_DIR. Not to be freed.
 */
const char *ctl_run_dir(void)
{
	const char *dir = getenv("ANYVF_RUN_DIR");

	return dir && *dir ? dir : CTL_RUN_DIR;
}

/**
 * ctl_open() - Connect to a daemon
 * @path: its socket
 * @out:  the connection, ends with ctl_close(); one thread at a time may use it
 * @e:    error text, may be NULL
 *
 * Return: 0, -ENOENT or -ECONNREFUSED (no daemon), -EACCES, -ENOMEM.
 */
int ctl_open(const char *path, struct ctl_client **out, struct err *e)
{
	return ctl_open_within(path, SOCK_CONNECT_MS, out, e);
}

/**
 * ctl_open_within() - Connect to a daemon that may hang
 * @path:	its socket
 * @timeout_ms: longest wait for a place in its queue
 * @out:	the connection, as of ctl_open()
 * @e:		error text, may be NULL
 *
 * Return: as ctl_open(), -ETIMEDOUT.
 */
int ctl_open_within(const char *path, unsigned int timeout_ms, struct ctl_client **out,
		    struct err *e)
{
	struct ctl_client *c = calloc(1, sizeof(*c));

	if (!c)
		return err_set(e, -ENOMEM, "out of memory");
	c->given = -1;
	c->fd = sock_connect_unix_within(path, timeout_ms, e);
	if (c->fd < 0) {
		int rc = c->fd;

		free(c);
		return rc;
	}
	*out = c;
	return 0;
}

/**
 * ctl_close() - Disconnect
 * @c: connection or NULL
 */
void ctl_close(struct ctl_client *c)
{
	if (!c)
		return;
	close(c->fd);
	buf_fini(&c->in);
	free(c);
}

/**
 * ctl_give() - Let the next call take a descriptor along
 * @c:  connection
 * @fd: borrowed until that call has returned
 */
void ctl_give(struct ctl_client *c, int fd)
{
	c->given = fd;
}

static int wait_for(struct ctl_client *c, short events, uint64_t deadline_ms, struct err *e)
{
	uint64_t now = loop_now_ms();
	struct pollfd p = { .fd = c->fd, .events = events };
	int n = poll(&p, 1, deadline_ms > now ? (int)(deadline_ms - now) : 0);

	if (n > 0 || (n < 0 && errno == EINTR))
		return 0;
	return n ? err_errno(e, "poll") : err_set(e, -ETIMEDOUT, "the daemon does not answer");
}

static int send_all(struct ctl_client *c, const char *data, size_t size, uint64_t deadline_ms,
		    struct err *e)
{
	while (size) {
		ssize_t n = send(c->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
		int rc;

		if (n >= 0) {
			data += n;
			size -= (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return err_errno(e, "cannot write to the daemon");
		rc = wait_for(c, POLLOUT, deadline_ms, e);
		if (rc)
			return rc;
	}
	return 0;
}

/* A line, whose last byte takes along what is given: in one piece, for each wakes the daemon. */
static int send_line(struct ctl_client *c, const char *line, size_t size, uint64_t deadline_ms,
		     struct err *e)
{
	bool gives = c->given >= 0;
	int rc = send_all(c, line, size - gives, deadline_ms, e);

	if (rc || !gives)
		return rc;
	rc = wait_for(c, POLLOUT, deadline_ms, e);
	if (!rc)
		rc = sock_send_fds(c->fd, line + size - 1, 1, &c->given, 1);
	c->given = -1;
	return rc ? err_set(e, rc, "cannot write to the daemon") : 0;
}

/* The next line of the daemon as JSON. */
static int read_reply(struct ctl_client *c, uint64_t deadline_ms, json_t **out, struct err *e)
{
	char chunk[65536];
	size_t from = 0;

	for (;;) {
		char *end = c->in.len ? memchr(c->in.data + from, '\n', c->in.len - from) : NULL;
		ssize_t n;
		int rc;

		if (end) {
			size_t len = (size_t)(end - c->in.data);

			*out = json_loadb(c->in.data, len, 0, NULL);
			buf_drop(&c->in, len + 1);
			return *out ? 0 : err_set(e, -EPROTO, "the daemon's reply is not JSON");
		}
		from = c->in.len;
		rc = wait_for(c, POLLIN, deadline_ms, e);
		if (rc)
			return rc;
		n = recv(c->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
		if (!n)
			return err_set(e, -ECONNRESET, "the daemon closed the connection");
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return err_errno(e, "cannot read from the daemon");
		if (n > 0 && buf_add(&c->in, chunk, (size_t)n, REPLY_MAX))
			return err_set(e, -EMSGSIZE, "the daemon's reply is too long");
	}
}

static int error_of(const json_t *error, struct err *e)
{
	json_int_t code = json_integer_value(json_object_get(error, "code"));
	const char *message = json_string_value(json_object_get(error, "message"));
	int rc = code < 0 && code > -4096 ? (int)code : -EPROTO;

	if (code == RPC_PARAMS)
		rc = -EINVAL;
	else if (code == RPC_METHOD)
		rc = -ENOSYS;
	return err_set(e, rc, "%s", message ? message : strerror(-rc));
}

/* Asks; @params is taken. */
static int send_request(struct ctl_client *c, const char *method, json_t *params,
			uint64_t deadline_ms, struct err *e)
{
	auto_of(json_decref) json_t *req =
		json_pack("{s:s, s:I, s:s, s:o}", "jsonrpc", "2.0", "id", ++c->id, "method", method,
			  "params", params ? params : json_object());
	auto_free char *line = req ? json_dumps(req, JSON_COMPACT) : NULL;
	size_t size = line ? strlen(line) : 0;

	if (!line)
		return err_set(e, -ENOMEM, "out of memory");
	line[size] = '\n'; /* instead of its NUL */
	return send_line(c, line, size + 1, deadline_ms, e);
}

/* The answer to what was asked last. */
static int read_answer(struct ctl_client *c, uint64_t deadline_ms, json_t **result, struct err *e)
{
	json_t *reply = NULL;
	int rc;

	for (;;) { /* replies to calls that timed out may come first; id null: it saw no id */
		rc = read_reply(c, deadline_ms, &reply, e);
		const json_t *id = json_object_get(reply, "id");
		if (rc || !json_is_integer(id) || json_integer_value(id) == c->id)
			break;
		json_decref(reply);
	}
	if (rc)
		return rc;
	if (json_object_get(reply, "error"))
		rc = error_of(json_object_get(reply, "error"), e);
	else if (result)
		*result = json_incref(json_object_get(reply, "result"));
	json_decref(reply);
	return rc;
}

/**
 * ctl_call() - Ask the daemon to do something and wait for its answer
 * @c:		connection
 * @method:	name, see ctl.h
 * @params:	object, a reference the call takes; NULL: none
 * @timeout_ms: longest wait
 * @result:	new reference on success; may be NULL if not wanted
 * @e:		error text, may be NULL
 *
 * Return: 0; the verb's own negative errno; -EINVAL (bad parameters), -ENOSYS (unknown method),
 * -EPROTO, -ETIMEDOUT, -ECONNRESET, -EPIPE (the connection is of no further use).
 */
int ctl_call(struct ctl_client *c, const char *method, json_t *params, int timeout_ms,
	     json_t **result, struct err *e)
{
	uint64_t deadline_ms = loop_now_ms() + (uint64_t)MAX(timeout_ms, 0);

	return send_request(c, method, params, deadline_ms, e)
		       ?: read_answer(c, deadline_ms, result, e);
}

/**
 * ctl_open_reading() - Connect to a daemon in order to ask, and not to change
 * @run_dir:	directory of the sockets
 * @i:		which, of ctl_reading_socks[]
 * @full:	where the reading socket is refused, by the other one
 * @timeout_ms: longest wait for a place in its queue
 * @out:	the connection, as of ctl_open()
 * @e:		error text, may be NULL
 *
 * Who may ask for everything need not be in the group of those who may read alone. That he may do
 * neither is said of the reading socket.
 *
 * Return: as ctl_open_within().
 */
int ctl_open_reading(const char *run_dir, unsigned int i, bool full, unsigned int timeout_ms,
		     struct ctl_client **out, struct err *e)
{
	char path[512];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", run_dir, ctl_reading_socks[i]);
	rc = ctl_open_within(path, timeout_ms, out, e);
	if (rc != -EACCES || !full)
		return rc;
	snprintf(path, sizeof(path), "%s/%s", run_dir, ctl_socks[i]);
	return ctl_open_within(path, timeout_ms, out, NULL);
}

/**
 * ctl_is_over() - Does a call's error say that the daemon tells no more?
 * @rc: what ctl_call() returned
 *
 * Return: false where it only says that this cannot be told.
 */
bool ctl_is_over(int rc)
{
	return rc == -ETIMEDOUT || rc == -EPIPE || rc == -ECONNRESET || rc == -EPROTO ||
	       rc == -EMSGSIZE || rc == -ENOMEM;
}

/**
 * ctl_has_run() - Has a daemon run here since the boot?
 * @run_dir: directory of the sockets
 * @sock:    name of its control socket
 *
 * Return: true if so: its lock file stays.
 */
bool ctl_has_run(const char *run_dir, const char *sock)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%.*s.lock", run_dir, (int)strcspn(sock, "."), sock);
	return !access(path, F_OK);
}

#define N_DAEMONS (ARRAY_LEN(ctl_socks) - 1)

/*
 * All daemons that may have a PF, asked at once: one that hangs keeps nobody from the others' PFs.
 * Who has said that it has it not is closed, as is who does not say, whose reason is kept.
 */
struct search {
	struct ctl_client *asked[N_DAEMONS];
	unsigned int n_daemons; /* that run */
	const char *away;	/* one that ran, and does not now */
	int rc;
	struct err why;
};

static void search_fini(struct search *s)
{
	for (unsigned int i = 0; i < N_DAEMONS; i++)
		ctl_close(s->asked[i]);
}

static void give_up(struct search *s, unsigned int i, int rc, const struct err *why)
{
	ctl_close(s->asked[i]);
	s->asked[i] = NULL;
	s->rc = rc;
	err_set(&s->why, rc, "anyvf-%.*s: %s", (int)strcspn(ctl_socks[i], "."), ctl_socks[i],
		why->msg);
}

static void search_begin(struct search *s, const char *run_dir)
{
	for (unsigned int i = 0; i < N_DAEMONS; i++) {
		struct err why = { 0 };
		char path[512];
		int rc;

		snprintf(path, sizeof(path), "%s/%s", run_dir, ctl_socks[i]);
		rc = ctl_open(path, &s->asked[i], &why);
		if (rc == -ENOENT || rc == -ECONNREFUSED) {
			if (ctl_has_run(run_dir, ctl_socks[i]))
				s->away = ctl_socks[i];
			continue;
		}
		s->n_daemons++;
		if (rc == -EACCES) {
			why = (struct err){ 0 }; /* in words that name the socket */
			err_set(&why, rc, "no permission to use %s", path);
		}
		if (!rc)
			rc = send_request(s->asked[i], "pf.list", NULL,
					  loop_now_ms() + CTL_TIMEOUT_MS, &why);
		if (rc)
			give_up(s, i, rc, &why);
	}
}

/* 1: it has the PF; 0: it has not; or why it does not say. */
static int has_pf(struct ctl_client *c, const char *pf, uint64_t deadline_ms, struct err *e)
{
	auto_of(json_decref) json_t *names = NULL;
	const json_t *name;
	int rc = read_answer(c, deadline_ms, &names, e);
	size_t i;

	json_array_foreach (names, i, name)
		if (json_is_string(name) && !strcmp(json_string_value(name), pf))
			return 1;
	return rc;
}

/* Who of them has the PF: its number, or -1: nobody that says so. */
static int search_run(struct search *s, const char *pf)
{
	uint64_t deadline_ms = loop_now_ms() + CTL_TIMEOUT_MS;

	for (;;) {
		struct pollfd polls[N_DAEMONS];
		uint64_t now = loop_now_ms();
		unsigned int waiting = 0;
		int ready;

		for (unsigned int i = 0; i < N_DAEMONS; i++) {
			polls[i] = (struct pollfd){ s->asked[i] ? s->asked[i]->fd : -1, POLLIN, 0 };
			waiting += s->asked[i] != NULL;
		}
		if (!waiting)
			return -1;
		ready = poll(polls, N_DAEMONS, deadline_ms > now ? (int)(deadline_ms - now) : 0);
		for (unsigned int i = 0; ready >= 0 && i < N_DAEMONS; i++) {
			struct err why = { 0 };
			int rc;

			if (!s->asked[i] || (ready && !polls[i].revents))
				continue;
			rc = has_pf(s->asked[i], pf, deadline_ms, &why);
			if (rc == 1)
				return (int)i;
			if (rc) {
				give_up(s, i, rc, &why);
			} else {
				ctl_close(s->asked[i]);
				s->asked[i] = NULL;
			}
		}
	}
}

/**
 * ctl_open_pf() - Connect to the daemon that has a PF
 * @run_dir: directory of the sockets
 * @pf:	     name
 * @out:     the connection, ends with ctl_close()
 * @e:	     error text, may be NULL
 *
 * Return: 0, -ENODEV (no daemon has it), -ECONNREFUSED (no daemon runs, or one that may have it
 * does not), -EACCES, or why a daemon that runs, and may have it, does not say.
 */
int ctl_open_pf(const char *run_dir, const char *pf, struct ctl_client **out, struct err *e)
{
	struct search s = { .rc = 0 };
	int i, rc;

	search_begin(&s, run_dir); /* which may take long, and not from the others' time */
	i = search_run(&s, pf);
	if (i >= 0) {
		*out = take(s.asked[i]);
		rc = 0;
	} else if (s.rc) {
		rc = err_set(e, s.rc, "%s", s.why.msg);
	} else if (!s.n_daemons) {
		rc = err_set(e, -ECONNREFUSED, "no anyvf daemon runs in %s (try: anyvf up)",
			     run_dir);
	} else if (s.away) { /* it restarts, perhaps */
		rc = err_set(e, -ECONNREFUSED,
			     "no other daemon has a PF %s, and anyvf-%.*s does "
			     "not run in %s (try: anyvf up)",
			     pf, (int)strcspn(s.away, "."), s.away, run_dir);
	} else {
		rc = err_set(e, -ENODEV, "there is no PF %s", pf);
	}
	search_fini(&s);
	return rc;
}
