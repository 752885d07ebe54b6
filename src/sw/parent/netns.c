/* SPDX-License-Identifier: Apache-2.0 */
/* Network namespaces: by name and by process, entered, left, and found again. */
#include "sw/parent/netns.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/proc.h"

#define NAMED "/run/netns"
#define OWN   "/proc/self/ns/net"

/* The directory of a process; it stays that one's when the number comes to be another's. */
static int process_open(const char *pid)
{
	char path[sizeof("/proc/") + NAME_MAX];

	snprintf(path, sizeof(path), "/proc/%s", pid);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int process_netns(const char *word)
{
	char pid[12];
	uint64_t born;

	if (sscanf(word, "%11[0-9]:%" SCNu64, pid, &born) != 2)
		return -1;
	auto_close int dir = process_open(pid);
	if (dir < 0 || proc_born(dir) != born) {
		errno = ESRCH;
		return -1;
	}
	return openat(dir, "ns/net", O_RDONLY | O_CLOEXEC);
}

static int word_open(const char *word)
{
	char path[sizeof(NAMED) + 1 + VF_NAME_LEN];
	int fd;

	if (!*word)
		return open(OWN, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), NAMED "/%s", word);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 && errno == ENOENT && strchr(word, ':') ? process_netns(word) : fd;
}

/**
 * netns_enter_fd() - Go to a namespace
 * @fd:   of it
 * @back: gets a descriptor of the namespace left, for netns_leave()
 *
 * Return: 0 or the kernel's errno, negative.
 * Context: a single-threaded process with CAP_SYS_ADMIN.
 */
int netns_enter_fd(int fd, int *back)
{
	auto_close int own = open(OWN, O_RDONLY | O_CLOEXEC);

	if (own < 0 || setns(fd, CLONE_NEWNET))
		return -errno;
	*back = take_fd(own);
	return 0;
}

/**
 * netns_enter() - Go to a namespace by its word
 * @word: see netns.h
 * @back: for netns_leave(); -1 for ""
 * @e:    says why not
 *
 * Return: 0, -EINVAL for what is no word, -ENOENT, -ESRCH: the process is gone, or the kernel's
 * errno.
 * Context: as netns_enter_fd().
 */
int netns_enter(const char *word, int *back, struct err *e)
{
	int rc;

	*back = -1;
	if (!*word)
		return 0;
	if (strpbrk(word, "/\n") || *word == '.')
		return err_set(e, -EINVAL, "namespace name %s is not valid", word);
	auto_close int fd = word_open(word);
	if (fd < 0)
		return err_errno(e, "namespace %s", word);
	rc = netns_enter_fd(fd, back);
	return rc ? err_set(e, rc, "enter namespace %s: %s", word, strerror(-rc)) : 0;
}

/**
 * netns_leave() - Go back
 * @back: of netns_enter(); closed
 *
 * Context: as netns_enter_fd().
 */
void netns_leave(int back)
{
	if (back < 0)
		return;
	/* Going on in a foreign namespace would put everybody's taps there. */
	if (setns(back, CLONE_NEWNET))
		abort();
	close(back);
}

/**
 * netns_id_fd() - Tell namespaces apart
 * @fd: of one, or -1
 *
 * Return: a number no other namespace has while this one lives; 0 for -1.
 * Context: any.
 */
uint64_t netns_id_fd(int fd)
{
	struct stat st;

	return fd >= 0 && !fstat(fd, &st) ? st.st_ino : 0;
}

/**
 * netns_id() - Tell namespaces of one word apart
 * @word: see netns.h
 *
 * An open tap keeps its namespace alive after `ip netns del`, unseen by anyone: whoever holds the
 * tap compares this number with the one it had when the tap was opened.
 *
 * Return: as netns_id_fd(); 0 for a missing one.
 * Context: any.
 */
uint64_t netns_id(const char *word)
{
	auto_close int fd = word_open(word);

	return netns_id_fd(fd);
}

/**
 * netns_born() - What makes a process's number a word
 * @pid: digits
 *
 * Return: when it began; 0: there is none whose namespace is to be had, or a namespace has @pid
 * for a name, which comes first as with ip-link(8).
 * Context: any.
 */
uint64_t netns_born(const char *pid)
{
	auto_close int named = word_open(pid), dir = named < 0 ? process_open(pid) : -1;
	auto_close int fd = dir < 0 ? -1 : openat(dir, "ns/net", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? 0 : proc_born(dir);
}

/* The namespaces that were looked at: many processes share one. */
struct looked {
	uint64_t *ids;
	size_t n;
	netns_fn fn;
	void *arg;
};

static bool look(struct looked *l, const char *word)
{
	auto_close int fd = word_open(word);
	uint64_t id = netns_id_fd(fd), *more;

	for (size_t i = 0; i < l->n; i++)
		if (l->ids[i] == id)
			return false;
	more = id ? realloc(l->ids, (l->n + 1) * sizeof(*more)) : NULL;
	if (!more)
		return false;
	l->ids = more;
	more[l->n++] = id;
	return l->fn(l->arg, fd, word);
}

/* Each entry of a directory that @word makes a word of. */
static bool look_in(struct looked *l, const char *dir,
		    bool (*word)(const char *entry, char out[VF_NAME_LEN + 1]))
{
	DIR *d = opendir(dir);
	char text[VF_NAME_LEN + 1];
	struct dirent *entry;
	bool hit = false;

	while (d && !hit && (entry = readdir(d)))
		hit = word(entry->d_name, text) && look(l, text);
	if (d)
		closedir(d);
	return hit;
}

static bool word_of_name(const char *entry, char out[VF_NAME_LEN + 1])
{
	return *entry != '.' && snprintf(out, VF_NAME_LEN + 1, "%s", entry) <= VF_NAME_LEN;
}

static bool word_of_process(const char *entry, char out[VF_NAME_LEN + 1])
{
	auto_close int dir = isdigit((unsigned char)*entry) ? process_open(entry) : -1;
	uint64_t born = dir < 0 ? 0 : proc_born(dir);

	return born && snprintf(out, VF_NAME_LEN + 1, "%s:%" PRIu64, entry, born) <= VF_NAME_LEN;
}

/**
 * netns_any() - Look at all namespaces that can be reached, each once
 * @fn:  looks at one; our own is the first, then those with names, then those of processes
 * @arg: handed to @fn
 *
 * Return: whether @fn said of one that it was it.
 * Context: any; blocking.
 */
bool netns_any(netns_fn fn, void *arg)
{
	struct looked l = { .fn = fn, .arg = arg };
	bool hit = look(&l, "") || look_in(&l, NAMED, word_of_name) ||
		   look_in(&l, "/proc", word_of_process);

	free(l.ids);
	return hit;
}

struct wanted {
	uint64_t id;
	char *out;
};

static bool is_wanted(void *arg, int fd, const char *word)
{
	struct wanted *w = arg;

	if (netns_id_fd(fd) != w->id)
		return false;
	snprintf(w->out, VF_NAME_LEN + 1, "%s", word);
	return true;
}

/**
 * netns_find() - A word for a namespace
 * @id:  of netns_id_fd()
 * @out: gets the word; untouched if there is none
 *
 * Return: whether somebody could still get there.
 * Context: as netns_any().
 */
bool netns_find(uint64_t id, char out[VF_NAME_LEN + 1])
{
	struct wanted w = { id, out };

	return netns_any(is_wanted, &w);
}
