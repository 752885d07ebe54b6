/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files: bounded reads, atomic replacement, directories, locks. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/**
 * file_read_fd() - Read what is left of an open file
 * @fd:       readable; stays the caller's
 * @path:     its name, for the error
 * @max_size: larger files are refused, bytes
 * @out:      the bytes and a NUL behind them; the caller frees it
 * @size:     number of bytes without that NUL; may be NULL
 * @e:        error text, may be NULL
 *
 * Return: 0, -EFBIG, -ENOMEM, or what read() says.
 */
int file_read_fd(int fd, const char *path, size_t max_size, char **out, size_t *size, struct err *e)
{
	auto_free char *buf = NULL;
	size_t have = 0, room = 0;

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

	return fd < 0 ? err_errno(e, "%s", path) : file_read_fd(fd, path, max_size, out, size, e);
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

/**
 * file_copy() - Append the rest of a file to another
 * @from: from its position on
 * @to:   open for writing
 *
 * Return: 0 or a negative errno. Context: blocks, briefly where the file system shares blocks.
 */
int file_copy(int from, int to)
{
	static const size_t most = 64 << 20;
	ssize_t n;

	do
		n = copy_file_range(from, NULL, to, NULL, most, 0);
	while (n > 0);
	return n < 0 ? -errno : 0;
}

/**
 * file_fill() - Write all of a file's bytes, and have them on the disk
 * @fd:   writable; stays the caller's
 * @data: bytes
 * @size: how many
 *
 * Return: 0 or a negative errno (-ENOSPC, ...): then some may have been written.
 */
int file_fill(int fd, const void *data, size_t size)
{
	int rc = write_all(fd, data, size);

	return rc ? rc : fsync(fd) ? -errno : 0;
}

/**
 * file_append() - Write bytes behind those a file has, and have them on the disk
 * @fd:   writable; stays the caller's
 * @path: its name, for the error
 * @size: bytes it is to have now
 * @data: bytes
 * @more: how many
 * @e:    error text, may be NULL
 *
 * A process that is killed meanwhile leaves a part of them.
 *
 * Return: 0; -ESTALE: it has another size; or a negative errno (-ENOSPC, ...): it is as it was.
 */
int file_append(int fd, const char *path, size_t size, const void *data, size_t more, struct err *e)
{
	off_t end = lseek(fd, 0, SEEK_END);
	int rc;

	if (end < 0)
		return err_errno(e, "%s", path);
	if ((size_t)end != size)
		return err_set(e, -ESTALE, "%s: somebody else writes to it", path);
	rc = write_all(fd, data, more);
	if (!rc && fdatasync(fd))
		rc = -errno;
	if (!rc)
		return 0;
	(void)!ftruncate(fd, end);
	return err_set(e, rc, "%s: %s", path, strerror(-rc));
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

static int new_name(const char *path, char out[PATH_MAX], struct err *e)
{
	if (snprintf(out, PATH_MAX, "%s.new", path) >= PATH_MAX)
		return err_set(e, -ENAMETOOLONG, "%s: name too long", path);
	return 0;
}

/**
 * file_new() - First half of file_replace(): a file for the new bytes, beside the old
 * @path: file; "@path.new" is made, and one that is there already is gone
 * @mode: permissions of the new file
 * @fd:   to be filled by file_fill(), perhaps by a process with fewer rights; the caller closes it
 * @e:    error text, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int file_new(const char *path, mode_t mode, int *fd, struct err *e)
{
	auto_close int made = -1;
	char tmp[PATH_MAX];
	int rc = new_name(path, tmp, e);

	if (rc)
		return rc;
	if (unlink(tmp) && errno != ENOENT)
		return err_errno(e, "%s", tmp);
	made = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (made < 0 || fchmod(made, mode))
		return err_errno(e, "%s", tmp);
	*fd = take_fd(made);
	return 0;
}

/**
 * file_put() - Second half of file_replace(): the new bytes take the place of the old
 * @path: as it was given to file_new(); the file is synced
 * @e:    error text, may be NULL
 *
 * Return: 0 or a negative errno; the old file is then as it was.
 */
int file_put(const char *path, struct err *e)
{
	char tmp[PATH_MAX];
	int rc = new_name(path, tmp, e);

	if (!rc && rename(tmp, path))
		rc = err_errno(e, "%s", path);
	if (!rc)
		sync_dir_of(path);
	return rc;
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
	auto_close int fd = -1;
	char tmp[PATH_MAX];
	int rc = file_new(path, mode, &fd, e);

	if (rc)
		return rc;
	rc = file_fill(fd, data, size);
	if (rc)
		err_set(e, rc, "%s: %s", path, strerror(-rc));
	else
		rc = file_put(path, e);
	if (rc && !new_name(path, tmp, NULL))
		unlink(tmp);
	return rc;
}

/**
 * file_sweep() - Remove what interrupted file_replace() calls left in a directory
 * @dir: directory of files of one's own, each written by file_replace(); none is being written
 *
 * A process that is killed on the way leaves "NAME.new", which nobody would remove once NAME is no
 * more.
 */
void file_sweep(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *ent;

	while (d && (ent = readdir(d))) {
		const char *end = strrchr(ent->d_name, '.');

		if (end && !strcmp(end, ".new"))
			unlinkat(dirfd(d), ent->d_name, 0);
	}
	if (d)
		closedir(d);
}

/*
 * By the mount's own number: where files and directories are of two file systems, as in an overlay
 * of a live system or a container, st_dev, by which nftw(3) knows a mount, is not theirs in common.
 */
static uint64_t mount_of(int fd)
{
	struct statx st = { 0 };

	return statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) ? 0 : st.stx_mnt_id;
}

static int remove_in(int dir, const char *name, uint64_t mount)
{
	const struct dirent *ent;
	int fd, rc = 0;
	DIR *d;

	if (!unlinkat(dir, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return -errno;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		rc = -errno;
		if (fd >= 0)
			close(fd);
		return rc;
	}
	if (mount_of(fd) != mount)
		rc = -EBUSY;
	while (!rc && (ent = readdir(d)))
		if (strcmp(ent->d_name, ".") && strcmp(ent->d_name, ".."))
			rc = remove_in(fd, ent->d_name, mount);
	closedir(d);
	return rc ?: unlinkat(dir, name, AT_REMOVEDIR) && errno != ENOENT ? -errno : 0;
}

/**
 * file_remove_tree() - Remove a directory and all that is in it
 * @path: directory; links in it are removed, not followed
 * @e:    error text, may be NULL
 *
 * Return: 0, also when it is not there; -EBUSY if something is mounted in it, which is not
 * entered; or a negative errno. What was removed until then stays so.
 * Context: blocks.
 */
int file_remove_tree(const char *path, struct err *e)
{
	auto_close int dir = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_close int above = dir < 0 ? -1 : openat(dir, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_free char *copy = strdup(path);
	int rc;

	if (dir < 0 && errno == ENOENT)
		return 0;
	if (dir < 0 || above < 0 || !copy)
		return err_errno(e, "%s", path);
	rc = remove_in(above, basename(copy), mount_of(dir));
	return rc ? err_set(e, rc, "%s: %s", path, strerror(-rc)) : 0;
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

/* The process that @lock names, as text; does it live? 0: nobody named. */
static bool holder_lives(int lock, char *pid, size_t size)
{
	ssize_t n = pread(lock, pid, size - 1, 0);

	pid[MAX(n, 0)] = '\0';
	pid[strcspn(pid, "\n")] = '\0';
	return !kill((pid_t)atol(pid), 0) || errno != ESRCH;
}

#define LEAVE_MS     500   /* that a holder on its way out may take */
#define ORPHAN_MS    10000 /* and the child of one that is dead */
#define LOCK_LOOK_MS 20

/**
 * file_lock() - Take a lock that ends with the process and its children
 * @path: lock file, made if missing; our pid is written into it
 * @e:    error text, may be NULL
 *
 * A child that was forked under the lock has it too, until it ends or execs. Who was killed leaves
 * such children for a moment: they are waited for, at most ten seconds; a holder that lives, half
 * a second.
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
	for (int ms = 0; flock(fd, LOCK_EX | LOCK_NB); ms += LOCK_LOOK_MS) {
		if (errno != EWOULDBLOCK)
			return err_errno(e, "%s", path);
		if (ms >= (holder_lives(fd, pid, sizeof(pid)) ? LEAVE_MS : ORPHAN_MS))
			return err_set(e, -EBUSY, "%s is locked by process %s", path, pid);
		usleep(LOCK_LOOK_MS * 1000);
	}
	snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) || write_all(fd, pid, strlen(pid)))
		return err_errno(e, "%s", path);
	return take_fd(fd);
}
