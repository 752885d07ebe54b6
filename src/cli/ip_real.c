/* SPDX-License-Identifier: Apache-2.0 */
/* The way to the real ip. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "cli/ip.h"

#define OUTPUT_MAX (256U << 20)

/* Is it libexec/anyvf/ip, or a copy of it? That would only call us again. */
static bool is_wrapper(const char *path)
{
	static const char mark[] = "# ip: with this directory first on the PATH, `ip link` knows";
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	char head[256];
	ssize_t n = fd < 0 ? 0 : read(fd, head, sizeof(head));

	return n > 0 && memmem(head, (size_t)n, mark, sizeof(mark) - 1);
}

/* Is there a program at @dir/@name that is not the wrapper? */
static bool try_real(struct ip *ip, const char *dir, int len, const char *name)
{
	struct stat st;

	snprintf(ip->real, sizeof(ip->real), "%.*s%s%s", len, dir, len ? "/" : "./", name);
	return !access(ip->real, X_OK) && !stat(ip->real, &st) && S_ISREG(st.st_mode) &&
	       !is_wrapper(ip->real);
}

/**
 * ip_find() - Find the real ip: first on the PATH but for wrappers, or where dpkg-divert puts it
 * @ip: gets its path
 *
 * Return: false where there is none.
 */
bool ip_find(struct ip *ip)
{
	static const char places[] = "/usr/sbin:/sbin:/usr/bin:/bin";
	const char *paths[] = { getenv("PATH"), places };

	for (unsigned int i = 0; i < ARRAY_LEN(paths); i++)
		for (const char *at = paths[i]; at && *at; at += *at == ':') {
			int len = (int)strcspn(at, ":");

			if (try_real(ip, at, len, "ip"))
				return true;
			at += len;
		}
	return try_real(ip, "/bin", 4, "ip.distrib") || try_real(ip, "/sbin", 5, "ip.distrib");
}

/**
 * ip_exec() - Become the real ip
 * @ip:    run
 * @words: all of its words
 *
 * Return: only when there is no such program: the exit code that shells have for that.
 */
int ip_exec(const struct ip *ip, char *const *words)
{
	char *self = (char *)(uintptr_t)ip->real;
	auto_free char **argv = ip_words((char *[]){ self, NULL }, words);

	if (argv)
		execv(ip->real, argv);
	fprintf(stderr, "ip: %s: %s\n", ip->real, strerror(errno));
	return IP_NO_PROGRAM;
}

/**
 * ip_words() - Two runs of words as one
 * @first: ends with NULL
 * @then:  likewise
 *
 * Return: heap, for free(); the words stay their owners'. NULL when out of memory.
 */
char **ip_words(char *const *first, char *const *then)
{
	size_t n = 0, m = 0;
	char **all;

	while (first[n])
		n++;
	while (then[m])
		m++;
	all = calloc(n + m + 1, sizeof(*all));
	if (all) {
		memcpy(all, first, n * sizeof(*all));
		memcpy(all + n, then, m * sizeof(*all));
	}
	return all;
}

/**
 * ip_run() - Let the real ip do a line, with the options of this run
 * @ip:    run
 * @words: from the object on
 * @in:    its standard input, likewise @out and @err: descriptors; STDIN_FILENO and so on: ours
 * @out:   see @in
 * @err:   see @in
 *
 * Return: its exit code.
 */
int ip_run(const struct ip *ip, char *const *words, int in, int out, int err)
{
	auto_free char **all = ip_words(ip->options, words);
	int status;
	pid_t pid;

	fflush(stdout);
	pid = all ? fork() : -1;
	if (!pid) {
		dup2(in, STDIN_FILENO);
		dup2(out, STDOUT_FILENO);
		dup2(err, STDERR_FILENO);
		_exit(ip_exec(ip, all));
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return CLI_FAIL;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/**
 * ip_capture() - Let the real ip do a line, and have what it prints
 * @ip:    run
 * @words: from the object on
 * @out:   text, for free(); NULL when there is no memory for it
 *
 * Return: its exit code.
 */
int ip_capture(const struct ip *ip, char *const *words, char **out)
{
	auto_close int fd = memfd_create("ip", MFD_CLOEXEC);
	static char colours[] = "-color=always";
	struct ip with = *ip;
	int rc;

	*out = NULL;
	if (fd < 0)
		return CLI_FAIL;
	if (ip->colour_auto && isatty(STDOUT_FILENO))
		with.options[with.n_options] = colours; /* one is free, for this */
	rc = ip_run(&with, words, STDIN_FILENO, fd, STDERR_FILENO);
	with.options[with.n_options] = NULL;
	lseek(fd, 0, SEEK_SET);
	if (file_read_fd(fd, "output of ip", OUTPUT_MAX, out, NULL, NULL))
		return CLI_FAIL;
	return rc;
}
