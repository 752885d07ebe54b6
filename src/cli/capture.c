/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `anyvf capture`, once its words are read: the switch writes pcapng into one end
 * of a socket pair, we hand on whole blocks from the other. That we want no more
 * is said by shutting our direction; then the rest comes, the counts, and the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "cli/noun.h"

#define BUFFER_SIZE (1u << 20) /* above any block */
enum { BLOCK_STATS = 5, BLOCK_PACKET = 6 };
enum { OPT_IFDROP = 5 };

struct capture {
	const struct noun_capture *want;
	int in, out;	     /* descriptors */
	const char *name;    /* of out, for people */
	uint64_t n, dropped; /* packets handed on; those the switch had no room for */
	bool enough;	     /* we said that we want no more; atomic */
	bool told;	     /* the switch's counts came: this is the end it meant */
	bool gone;	     /* nobody reads us */
	uint32_t used;
	uint8_t buffer[BUFFER_SIZE];
};

static struct capture *running; /* for stop() */

static void want_no_more(struct capture *c)
{
	__atomic_store_n(&c->enough, true, __ATOMIC_RELAXED);
	shutdown(c->in, SHUT_WR);
}

static void stop(int signo)
{
	int was = errno;

	want_no_more(running);
	errno = was;
}

/* The first of them ends the capture in order, the second the program. */
static void signals_set(struct capture *c)
{
	static const int stops[] = { SIGINT, SIGTERM, SIGHUP };
	const struct sigaction once = { .sa_handler = stop, .sa_flags = SA_RESTART | SA_RESETHAND };

	running = c;
	for (size_t i = 0; i < ARRAY_LEN(stops); i++)
		sigaction(stops[i], &once, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* A file ends with a whole block even on a disk that is full. */
static int write_failed(struct capture *c, off_t start)
{
	struct err e = { 0 };
	int why = errno;
	struct stat st;

	if (why == EPIPE) {
		c->gone = true;
		return CLI_OK;
	}
	if (start >= 0 && !fstat(c->out, &st) && S_ISREG(st.st_mode) && ftruncate(c->out, start))
		why = errno;
	err_set(&e, -why, "%s: %s", c->name, strerror(why));
	return cli_error(&e);
}

static int write_all(struct capture *c, const uint8_t *bytes, size_t size)
{
	off_t start = lseek(c->out, 0, SEEK_CUR);

	while (size) {
		ssize_t n = write(c->out, bytes, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return write_failed(c, start);
		bytes += n;
		size -= (size_t)n;
	}
	return CLI_OK;
}

static uint32_t u32_at(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

/* What an interface statistics block (pcapng, 4.6) says of frames that are missing. */
static void stats_read(struct capture *c, const uint8_t *block, uint32_t size)
{
	const uint8_t *at = block + 20, *end = block + size - 4;

	c->told = true;
	while (at + 4 <= end) {
		uint32_t head = u32_at(at), len = head >> 16;

		if ((head & 0xffff) == OPT_IFDROP && len == 8 && at + 12 <= end)
			memcpy(&c->dropped, at + 4, 8);
		at += 4 + ((len + 3) & ~3u);
	}
}

/* Hands on the whole blocks in the buffer, but no packet above the number wanted. */
static int blocks_take(struct capture *c)
{
	uint32_t done = 0, kept = 0, size = 0;
	int rc;

	while (c->used - done >= 12) {
		uint8_t *block = c->buffer + done;
		uint32_t type = u32_at(block);

		size = u32_at(block + 4);
		if (size < 12 || size > BUFFER_SIZE || c->used - done < size)
			break;
		done += size;
		if (type == BLOCK_PACKET && c->want->count && c->n == c->want->count)
			continue;
		if (type == BLOCK_PACKET && ++c->n == c->want->count)
			want_no_more(c);
		if (type == BLOCK_STATS && size >= 24)
			stats_read(c, block, size);
		memmove(c->buffer + kept, block, size);
		kept += size;
	}
	rc = write_all(c, c->buffer, kept);
	c->used -= done;
	memmove(c->buffer, c->buffer + done, c->used);
	return rc;
}

/* Until the switch's end of it, or nobody reads ours. */
static int pump(struct capture *c)
{
	struct pollfd fds[2] = { { .fd = c->in, .events = POLLIN }, { .fd = c->out } };
	int rc = CLI_OK;

	while (!rc && !c->gone) {
		ssize_t n;

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents & POLLERR) /* a pipe's reader is gone */
			c->gone = true;
		if (!fds[0].revents || c->gone)
			continue;
		n = recv(c->in, c->buffer + c->used, sizeof(c->buffer) - c->used, 0);
		if (n == 0 || (n < 0 && errno != EINTR))
			break;
		c->used += n > 0 ? (uint32_t)n : 0;
		rc = blocks_take(c);
	}
	return rc;
}

static int finish(struct capture *c)
{
	struct err e = { 0 };

	if (c->gone)
		return CLI_OK;
	if (c->out > STDERR_FILENO && fsync(c->out) && errno != EINVAL && errno != EROFS)
		return write_failed(c, -1);
	if (!c->want->quiet)
		fprintf(stderr, "%llu packets captured\n%llu packets dropped by the ring\n",
			(unsigned long long)c->n, (unsigned long long)c->dropped);
	if (c->enough && c->told)
		return CLI_OK;
	err_set(&e, -ECONNRESET, "%s",
		c->told ? "the switch ended the capture: what was watched is gone or was released, "
			  "or the switch ends"
			: "the switch has gone");
	return cli_error(&e);
}

static int request(struct cli *cli, struct capture *c, struct err *e)
{
	auto_of(ctl_close) struct ctl_client *client = NULL;
	int pair[2], rc = ctl_open_pf(cli->run_dir, c->want->pf, &client, e);

	if (rc)
		return rc;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return err_errno(e, "socketpair");
	ctl_give(client, pair[1]);
	c->in = pair[0];
	rc = ctl_call(client, "capture", json_incref(c->want->params), CTL_TIMEOUT_MS, NULL, e);
	close(pair[1]);
	return rc;
}

static int output_open(struct capture *c, struct err *e)
{
	const char *path = c->want->path;

	c->out = STDOUT_FILENO;
	c->name = "standard output";
	if (!path)
		return 0;
	c->name = path;
	c->out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	return c->out < 0 ? err_errno(e, "%s", path) : 0;
}

/**
 * capture_run() - Capture until told to stop
 * @cli:  run
 * @want: what was typed
 *
 * Return: the exit code.
 */
int capture_run(struct cli *cli, const struct noun_capture *want)
{
	auto_free struct capture *c = calloc(1, sizeof(*c));
	struct err e = { 0 };
	int rc;

	if (!c)
		return CLI_FAIL;
	c->want = want;
	if (!want->path && fcntl(STDOUT_FILENO, F_GETFD) < 0) { /* a socket of ours would be it */
		err_errno(&e, "standard output");
		return cli_error(&e);
	}
	if (!want->path && isatty(STDOUT_FILENO)) {
		err_set(&e, -EINVAL,
			"standard output is a terminal: pipe it into \"tcpdump -r -\", "
			"or use -w FILE");
		return cli_error(&e);
	}
	if (request(cli, c, &e) || output_open(c, &e))
		return cli_error(&e);
	signals_set(c);
	if (!want->quiet)
		fprintf(stderr, "capturing, Ctrl-C ends it\n");
	rc = pump(c);
	return rc ? rc : finish(c);
}
