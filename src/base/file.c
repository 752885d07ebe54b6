/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files: bounded reads, atomic replacement, directories, locks. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/**
 * file_read() - Read a whole file
 * @path:     file
 * @max_size: larger files are refused, bytes
 * @out:      the bytes and a NUL behind them; the caller frees it
 * @size:     number of bytes without that NUL; may be NULL
 * @e:        error text, may be NULL
 *
 * Return: 0, -EFBIG, -ENOMEM, or what open() and read() say (-ENOENT, ...).
 */
int file_read(const char *path, size_t max_size, char **out, size_t *size, struct err *e)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	auto_free char *buf = NULL;
	size_t have = 0, room = 0;

	if (fd < 0)
		return err_errno(e, "%s", path);
	for (;;) {
		ssize_t n;

		if (have + 1 >= room) {
			char *more = realloc(buf, room = room ? room * 2 : 4096);

			if (!more)
				return err_set(e, -ENOMEM, "%s: out of memory", path);
			buf = more;
		}
		n = read(fd, buf + have, room - have - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "%s", path);
		if (!n)
			break;
		have += (size_t)n;
		if (have > max_size)
			return err_set(e, -EFBIG, "%s: larger than %zu bytes", path, max_size);
	}
	buf[have] = '\0';
	*out = take(buf);
	if (size)
		*size = have;
	return 0;
}

static int write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

/* A rename is only durable once the directory is. */
static void sync_dir_of(const char *path)
{
	char dir[4096];
	auto_close int fd = -1;

	snprintf(dir, sizeof(dir), "%s", path);
	fd = open(dirname(dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		fsync(fd);
}

/**
 * file_replace() - Give a file new contents, whole or not at all
 * @path: file; "@path.new" beside it is used on the way
 * @data: bytes
 * @size: how many
 * @mode: permissions of the new file
 * @e:    error text, may be NULL
 *
 * Written, synced, renamed, and the directory synced: after a crash at any point the file holds
 * the old bytes or the new ones.
 *
 * Return: 0 or the negative errno of the step that failed (-ENOSPC, -EROFS, ...); the old file is
 * then as it was.
 */
int file_replace(const char *path, const void *data, size_t size, mode_t mode, struct err *e)
{
	char tmp[4096];
	auto_close int fd = -1;
	int rc;

	if (snprintf(tmp, sizeof(tmp), "%s.new", path) >= (int)sizeof(tmp))
		return err_set(e, -ENAMETOOLONG, "%s: name too long", path);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return err_errno(e, "%s", tmp);
	rc = write_all(fd, data, size);
	if (!rc && (fchmod(fd, mode) || fsync(fd) || rename(tmp, path)))
		rc = -errno;
	if (rc) {
		unlink(tmp);
		return err_set(e, rc, "%s: %s", path, strerror(-rc));
	}
	sync_dir_of(path);
	return 0;
}

/**
 * file_mkdirs() - Make a directory and those above it
 * @path: directory
 * @mode: of the last one; those above get 0755
 * @e:    error text, may be NULL
 *
 * Return: 0 (also when it was there) or a negative errno.
 */
int file_mkdirs(const char *path, mode_t mode, struct err *e)
{
	char part[4096];

	if (snprintf(part, sizeof(part), "%s", path) >= (int)sizeof(part))
		return err_set(e, -ENAMETOOLONG, "%s: name too long", path);
	for (char *p = part + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(part, 0755) && errno != EEXIST)
			return err_errno(e, "%s", part);
		*p = '/';
	}
	if (mkdir(part, mode) && errno != EEXIST)
		return err_errno(e, "%s", part);
	return 0;
}

/**
 * file_lock() - Take a lock that ends with the process
 * @path: lock file, made if missing; our pid is written into it
 * @e:    error text, may be NULL
 *
 * Return: a descriptor to keep open, -EBUSY when another process has the lock (its pid is in the
 * message), or a negative errno.
 */
int file_lock(const char *path, struct err *e)
{
	auto_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	char pid[24] = "";

	if (fd < 0)
		return err_errno(e, "%s", path);
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK)
			return err_errno(e, "%s", path);
		if (read(fd, pid, sizeof(pid) - 1) > 0)
			pid[strcspn(pid, "\n")] = '\0';
		return err_set(e, -EBUSY, "%s is locked by process %s", path, pid);
	}
	snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) || write_all(fd, pid, strlen(pid)))
		return err_errno(e, "%s", path);
	return take_fd(fd);
}
