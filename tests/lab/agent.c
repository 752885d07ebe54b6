/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent PORT: runs programs in the lab's guest for tests/lab/lab.py, one after the other.
 * A request is a 32-bit length and that many bytes: argv, each word ended by a NUL. The
 * answer is three 32-bit numbers - status as a shell has it, length of stdout, length of
 * stderr - and both texts. First of all an empty answer tells that the guest is up.
 */
#define _GNU_SOURCE /* pipe2() */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define REQUEST_MAX 65536
#define WORDS_MAX   1024

struct text {
	char *data;
	size_t len, room;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void read_all(int fd, void *to, size_t n)
{
	for (ssize_t got; n; n -= (size_t)got, to = (char *)to + got) {
		got = read(fd, to, n);
		if (got <= 0)
			die("read of a request");
	}
}

static void write_all(int fd, const void *from, size_t n)
{
	for (ssize_t put; n; n -= (size_t)put, from = (const char *)from + put) {
		put = write(fd, from, n);
		if (put <= 0)
			die("write of an answer");
	}
}

/* One read of what a child prints; false at its end. */
static int text_read(struct text *t, int fd)
{
	ssize_t got;

	if (t->room - t->len < 4096) {
		t->room += 65536;
		t->data = realloc(t->data, t->room);
		if (!t->data)
			die("realloc");
	}
	got = read(fd, t->data + t->len, t->room - t->len);
	if (got <= 0)
		return 0;
	t->len += (size_t)got;
	return 1;
}

static void start(char *const argv[], const int out[2], const int err[2])
{
	int null = open("/dev/null", O_RDONLY);

	if (null < 0 || dup2(null, 0) < 0 || dup2(out[1], 1) < 0 || dup2(err[1], 2) < 0)
		_exit(126);
	execvp(argv[0], argv);
	dprintf(2, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* The status as a shell has it; what the program prints goes to @texts[0] and @texts[1]. */
static uint32_t run(char *const argv[], struct text texts[2])
{
	struct pollfd fds[2];
	int out[2], err[2], status;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid)
		start(argv, out, err);
	close(out[1]);
	close(err[1]);
	fds[0] = (struct pollfd){ .fd = out[0], .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = err[0], .events = POLLIN };
	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		poll(fds, 2, -1);
		for (int i = 0; i < 2; i++)
			if (fds[i].fd >= 0 && fds[i].revents && !text_read(&texts[i], fds[i].fd))
				fds[i].fd = -1;
	}
	close(out[0]);
	close(err[0]);
	waitpid(pid, &status, 0);
	return (uint32_t)(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* Cuts a request into @argv, which gets its NULL; false if it is none. */
static int split(char *request, uint32_t len, char *argv[WORDS_MAX])
{
	unsigned int n = 0;

	for (char *at = request; at < request + len && n < WORDS_MAX - 1; at += strlen(at) + 1)
		argv[n++] = at;
	argv[n] = NULL;
	return n > 0;
}

int main(int argc, char **argv)
{
	static char request[REQUEST_MAX + 1];
	struct text texts[2] = { 0 };
	uint32_t answer[3] = { 0 }, len;
	char *words[WORDS_MAX];
	int port;

	if (argc != 2 || (port = open(argv[1], O_RDWR | O_CLOEXEC)) < 0)
		die("agent PORT");
	for (;;) {
		write_all(port, answer, sizeof(answer));
		write_all(port, texts[0].data, texts[0].len);
		write_all(port, texts[1].data, texts[1].len);
		texts[0].len = texts[1].len = 0;
		read_all(port, &len, sizeof(len));
		if (len > REQUEST_MAX)
			die("length of a request");
		read_all(port, request, len);
		request[len] = '\0';
		answer[0] = split(request, len, words) ? run(words, texts) : 127;
		answer[1] = (uint32_t)texts[0].len;
		answer[2] = (uint32_t)texts[1].len;
	}
}
