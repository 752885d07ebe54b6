/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One small file a NIC, named after its socket: whichever VF the socket is plugged into next
 * goes on where the last one stopped. It lies in the run directory, so it is memory, and gone
 * after a reboot with the guests.
 */
#include "sw/vhost/marks.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/log.h"

#define MARKS_SIZE (MARKS_N * sizeof(struct vq_mark))

/* One name a socket: '+' for '/', and '%' before each '+' and '%' that it has itself. */
static void file_name(char *out, size_t size, const char *dir, const char *socket)
{
	size_t n = MIN((size_t)snprintf(out, size, "%s/rings/", dir), size - 1);

	for (; *socket && n + 2 < size; socket++) {
		if (*socket == '+' || *socket == '%')
			out[n++] = '%';
		out[n++] = *socket == '/' ? '+' : *socket;
	}
	out[n] = '\0';
}

/* Its pages are reserved: a full file system must not stop a worker. */
static int file_open(const char *dir, const char *socket)
{
	char name[PATH_MAX];
	int fd, rc;

	snprintf(name, sizeof(name), "%s/rings", dir);
	if (mkdir(name, 0700) && errno != EEXIST)
		return -1;
	file_name(name, sizeof(name), dir, socket);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	rc = fd < 0 ? 0 : posix_fallocate(fd, 0, MARKS_SIZE);
	if (!rc)
		return fd;
	close(fd);
	errno = rc;
	return -1;
}

/**
 * marks_open() - The marks of all rings of a NIC, as they were left
 * @dir:    the run directory; NULL: they are not to outlive us
 * @socket: of the NIC
 *
 * Without a file the rings work, but are lost with us: said in the log.
 *
 * Return: MARKS_N marks, for marks_close(); NULL: no memory.
 * Context: any thread.
 */
struct vq_mark *marks_open(const char *dir, const char *socket)
{
	int fd = dir ? file_open(dir, socket) : -1;
	void *marks;

	if (dir && fd < 0)
		log_warn("no file for ring positions: packed rings will not survive a restart",
			 "socket=%s error=\"%s\"", socket, strerror(errno));
	marks = mmap(NULL, MARKS_SIZE, PROT_READ | PROT_WRITE,
		     fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	return marks == MAP_FAILED ? NULL : marks;
}

/**
 * marks_close() - Unmap; remove the file if no ring is to go on
 * @dir:    as it was opened
 * @socket: likewise
 * @marks:  from marks_open(), or NULL
 *
 * Context: any thread, when no worker uses them.
 */
void marks_close(const char *dir, const char *socket, struct vq_mark *marks)
{
	char name[PATH_MAX];
	bool some = false;

	if (!marks)
		return;
	for (unsigned int i = 0; i < MARKS_N; i++)
		some |= marks[i].cookie;
	munmap(marks, MARKS_SIZE);
	if (!dir || some)
		return;
	file_name(name, sizeof(name), dir, socket);
	(void)unlink(name);
}

/**
 * marks_forget() - The NIC is gone for good, and nobody was connected to it: its marks go
 * @dir:    as it was opened
 * @socket: likewise
 *
 * A front end that is connected when its socket is unplugged may be plugged in elsewhere.
 *
 * Context: any thread.
 */
void marks_forget(const char *dir, const char *socket)
{
	char name[PATH_MAX];

	if (!dir)
		return;
	file_name(name, sizeof(name), dir, socket);
	(void)unlink(name);
}
