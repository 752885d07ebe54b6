/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ip -batch FILE`: lines of ours are done here, runs of others by a real ip each, in their order
 * and as they come (somebody may be writing them). Grammar, line numbers and exit codes are
 * iproute2 6.1's (lib/utils.c there: do_batch(), getcmdline(), makeargs()).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "base/file.h"
#include "cli/ip.h"

#define LINE_MAX_SIZE (16U << 20)
#define ARGS_MAX      512
#define CHUNK	      65536

struct batch {
	struct ip *ip;
	struct buf in;		     /* read, not done yet */
	struct buf theirs;	     /* lines that a real ip gets */
	unsigned int n_lines, first; /* lines done; the number of the first of theirs */
	int code;		     /* of the lines so far */
	bool done;		     /* a failure ended it */
};

/* What a command's exit code means for the rest: iproute2 ends where it cannot read a line. */
static void judge(struct batch *b, int rc)
{
	if (rc)
		b->code = rc == CLI_USAGE ? rc : CLI_FAIL;
	b->done = rc == CLI_USAGE || (rc && !b->ip->force);
}

static void no_room(struct batch *b, int rc)
{
	fprintf(stderr, "ip: a line of the batch: %s\n", strerror(-rc));
	judge(b, CLI_USAGE);
}

/* Errors of a real ip that read a file of ours, under the name of the user's. */
static void put_errors(int fd, const char *name)
{
	static const char told[] = "Command failed -:";
	auto_free char *text = NULL;

	lseek(fd, 0, SEEK_SET);
	if (file_read_fd(fd, "errors of ip", LINE_MAX_SIZE, &text, NULL, NULL))
		return;
	for (const char *at = text; *at;) {
		size_t n = strcspn(at, "\n") + 1, skip = sizeof(told) - 1;

		if (strncmp(at, told, skip))
			skip = 0;
		else
			fprintf(stderr, "Command failed %s:", name);
		fprintf(stderr, "%.*s", (int)(n - skip), at + skip);
		at += strnlen(at, n);
	}
}

/* The real ip reads the lines behind as many empty ones as were done: so it counts right. */
static int fill(const struct batch *b, int fd)
{
	auto_free char *empty = malloc(b->first);

	if (!empty)
		return -ENOMEM;
	memset(empty, '\n', b->first);
	if (file_fill(fd, empty, b->first - 1) || file_fill(fd, b->theirs.data, b->theirs.len))
		return -EIO;
	return lseek(fd, 0, SEEK_SET) ? -EIO : 0;
}

static void run_theirs(struct batch *b)
{
	static char batch[] = "-batch", dash[] = "-";
	bool is_stdin = !strcmp(b->ip->batch, "-");
	auto_close int in = memfd_create("batch", MFD_CLOEXEC);
	auto_close int err = is_stdin ? dup(STDERR_FILENO) : memfd_create("errors", MFD_CLOEXEC);

	int rc;

	if (!b->theirs.len)
		return;
	rc = in < 0 || err < 0 ? -errno : fill(b, in);
	if (rc) {
		no_room(b, rc);
		return;
	}
	judge(b, ip_run(b->ip, (char *[]){ batch, dash, NULL }, in, STDOUT_FILENO, err));
	if (!is_stdin)
		put_errors(err, b->ip->batch);
	buf_drop(&b->theirs, b->theirs.len);
}

/*
 * The command at the beginning of @text, up to @size bytes: how long it is with its lines' ends,
 * and how many lines; a line goes on in the next where it ends with a backslash before any comment.
 * 0: its end is not there yet.
 */
static size_t command_size(const char *text, size_t size, unsigned int *lines)
{
	const char *at = text, *end;

	for (*lines = 1; (end = memchr(at, '\n', size - (size_t)(at - text))); ++*lines) {
		bool more = end > at && end[-1] == '\\' && !memchr(at, '#', (size_t)(end - at));

		if (!more)
			return (size_t)(end - text) + 1;
		at = end + 1;
	}
	return 0;
}

/* Takes comments and continuations out of a command. */
static void plain(char *text)
{
	char *to = text;

	for (const char *at = text; *at; at++) {
		if (*at == '#')
			at += strcspn(at, "\n");
		if (at[0] == '\\' && at[1] == '\n')
			at++;
		else
			*to++ = *at;
		if (!*at)
			break;
	}
	*to = '\0';
}

/* Its words, in place; false for what iproute2 refuses, and will. */
static bool split(char *text, char *words[ARGS_MAX])
{
	static const char blanks[] = " \t\r\n";
	unsigned int n = 0;

	for (char *at = text + strspn(text, blanks); *at; at += strspn(at, blanks)) {
		bool quoted = *at == '\'' || *at == '"';
		char *end = quoted ? strchr(at + 1, *at) : at + strcspn(at, blanks);

		if (!end || n == ARGS_MAX - 1)
			return false;
		words[n++] = at + quoted;
		at = end + (*end != '\0');
		*end = '\0';
	}
	words[n] = NULL;
	return n;
}

static void run_command(struct batch *b, const char *text, size_t size, unsigned int lines)
{
	auto_free char *copy = strndup(text, size);
	char *words[ARGS_MAX];
	struct ip_line line;
	int rc;

	if (copy)
		plain(copy);
	b->n_lines += lines;
	if (!copy || !split(copy, words) || !ip_ours(b->ip, words, &line)) {
		if (!b->theirs.len)
			b->first = b->n_lines - lines + 1;
		rc = buf_add(&b->theirs, text, size, LINE_MAX_SIZE);
		if (rc)
			no_room(b, rc);
		return;
	}
	run_theirs(b);
	rc = b->done ? CLI_OK : line.run(b->ip, &line);
	ip_line_end(&line);
	fflush(stdout);
	if (rc && rc != CLI_USAGE)
		fprintf(stderr, "Command failed %s:%u\n", b->ip->batch, b->n_lines);
	if (!b->done)
		judge(b, rc);
}

/* All commands whose ends are there; at the end of the file, what there is. */
static void run_commands(struct batch *b, bool eof)
{
	size_t used = 0, size;
	unsigned int lines;

	while (!b->done && used < b->in.len) {
		size = command_size(b->in.data + used, b->in.len - used, &lines);
		if (!size && !eof)
			break;
		if (!size)
			size = b->in.len - used;
		run_command(b, b->in.data + used, size, lines);
		used += size;
	}
	buf_drop(&b->in, used);
	if (!b->done)
		run_theirs(b);
}

/**
 * ip_batch() - ip -batch
 * @ip: run; there are PFs
 *
 * Return: an exit code.
 */
int ip_batch(struct ip *ip)
{
	struct batch b = { .ip = ip };
	auto_close int fd =
		strcmp(ip->batch, "-") ? open(ip->batch, O_RDONLY | O_CLOEXEC) : dup(STDIN_FILENO);
	char chunk[CHUNK];
	ssize_t n = fd < 0 ? -1 : 1;
	int rc = 0;

	if (fd < 0)
		fprintf(stderr, "Cannot open file \"%s\" for reading: %s\n", ip->batch,
			strerror(errno));
	b.code = fd < 0 ? CLI_FAIL : CLI_OK;
	while (n > 0 && !b.done) {
		n = read(fd, chunk, sizeof(chunk));
		if (n > 0)
			rc = buf_add(&b.in, chunk, (size_t)n, LINE_MAX_SIZE);
		if (rc)
			no_room(&b, rc);
		else
			run_commands(&b, n <= 0);
	}
	buf_fini(&b.in);
	buf_fini(&b.theirs);
	return b.code;
}
