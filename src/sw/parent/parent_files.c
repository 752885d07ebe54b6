/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files and sockets that the parent opens for its child. Below a listed directory no component of a
 * name may be a link, whoever made it and whenever. What is there already is looked at before it is
 * touched.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/file.h"
#include "sw/parent/parent_rules.h"
#include "sw/parent/parent_wire.h"
#include "sw/parent/pcapng_read.h"

#define FILE_FLAGS (O_RDWR | O_APPEND | O_CLOEXEC | O_NONBLOCK)

/*
 * A component at a time, each by no link. openat2(2) would do it in one call, but where set-user-ID
 * bits are kept away by a filter (RestrictSUIDSGID=) it is refused: its flags are out of reach.
 */
static int below(int dir, const char *name, int flags, mode_t mode)
{
	auto_close int at = -1;
	char part[NAME_MAX + 1];

	for (const char *slash; (slash = strchr(name, '/')); name = slash + 1) {
		int next, n = snprintf(part, sizeof(part), "%.*s", (int)(slash - name), name);

		if (!n)
			continue;
		if (n >= (int)sizeof(part) || !strcmp(part, ".."))
			return errno = EINVAL, -1;
		next = openat(at < 0 ? dir : at, part,
			      O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return -1;
		if (at >= 0)
			close(at);
		at = next;
	}
	if (!strcmp(name, ".."))
		return errno = EINVAL, -1;
	return openat(at < 0 ? dir : at, name, flags | O_NOFOLLOW, mode);
}

/* The listed directory of @path; *rest: the name in it. It is made if it is not there. */
static int listed_open(const char *dirs, const char *path, const char **rest, struct err *e)
{
	char dir[PARENT_PATH_LEN + 1];
	int fd, rc;
	size_t n;

	if (!parent_dir_of(dirs, path, &n))
		return err_set(e, -EACCES, "%s is in none of %s", path, dirs);
	snprintf(dir, sizeof(dir), "%.*s", (int)n, path);
	rc = file_mkdirs(dir, 0750, e);
	if (rc)
		return rc;
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "%s", dir);
	*rest = path + n + 1;
	return fd;
}

/* ---- files of mirrors ---- */

/* Only a capture of ours, or an empty file, is written to. @fd has no rights yet. */
static int capture_check(int fd, uid_t child, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st))
		return err_errno(e, "file %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "file %s is no regular file", path);
	if ((st.st_uid != geteuid() && st.st_uid != child) || st.st_nlink != 1)
		return err_set(e, -EPERM, "file %s is there and not the switch's", path);
	return 0;
}

/**
 * parent_file_open() - Open the file of a mirror, or make it
 * @o:    whose rules list the directories
 * @path: absolute and plain
 * @out:  readable, appending; the caller closes it
 * @e:    names the file
 *
 * Return: 0, -EACCES: in no directory of mirrors; -ENOTDIR, -ELOOP: by a link; -EINVAL: no regular
 * file; -EPERM: another's; -EEXIST: no capture; or the kernel's errno.
 * Context: the parent.
 */
int parent_file_open(const struct parent_opts *o, const char *path, int *out, struct err *e)
{
	const char *rest;
	auto_close int dir = listed_open(o->rules->mirror_dirs, path, &rest, e);
	auto_close int fd = -1, found = -1;
	char again[32];
	int rc;

	if (dir < 0)
		return dir;
	fd = below(dir, rest, FILE_FLAGS | O_CREAT | O_EXCL, 0640);
	if (fd < 0 && errno == EEXIST) {
		found = below(dir, rest, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
		rc = found < 0 ? err_errno(e, "file %s", path)
			       : capture_check(found, o->child.account.uid, path, e);
		if (rc)
			return rc;
		snprintf(again, sizeof(again), "/proc/self/fd/%d", found);
		fd = open(again, FILE_FLAGS);
	}
	if (fd < 0)
		return err_errno(e, "file %s", path);
	rc = pcapng_check(fd, path, e);
	if (!rc)
		*out = take_fd(fd);
	return rc;
}

/* ---- vhost-user sockets ---- */

/* A directory in RUN_DIR/vhost is one socket's: who may use that puts no other in its place. */
static bool is_own(const struct parent_opts *o, const char *dir)
{
	size_t n = strlen(o->rules->vhost_dir);

	return !strncmp(dir, o->rules->vhost_dir, n) && dir[n] == '/' && !strchr(dir + n + 1, '/');
}

static int own_make(const struct parent_opts *o, const char *dir, struct err *e)
{
	bool group = o->qemu != (gid_t)-1;

	if (mkdir(dir, 0700))
		return errno == EEXIST ? 0 : err_errno(e, "%s", dir);
	if (chown(dir, (uid_t)-1, o->qemu) || chmod(dir, group ? 0710 : 0700))
		return err_errno(e, "%s", dir);
	return 0;
}

/* Opens the directory of socket @path, whose name in it is *name. */
static int place_open(const struct parent_opts *o, const char *path, char dir[VF_PATH_LEN + 1],
		      const char **name, struct err *e)
{
	const char *rest, *slash = strrchr(path, '/');
	auto_close int listed = listed_open(o->rules->socket_dirs, path, &rest, e);
	int fd, rc = listed;

	if (rc >= 0 && strlen(path) > VF_PATH_LEN)
		rc = err_set(e, -ENAMETOOLONG, "%s is longer than %u", path, VF_PATH_LEN);
	if (rc < 0)
		return rc;
	snprintf(dir, VF_PATH_LEN + 1, "%.*s", (int)(slash - path), path);
	rc = is_own(o, dir) ? own_make(o, dir, e) : 0;
	if (rc)
		return rc;
	fd = below(listed, slash > rest ? dir + (rest - path) : ".",
		   O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(e, "%s", path);
	*name = slash + 1;
	return fd;
}

static int unix_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

/* Connects to the very file that was looked at: what is a link now does not matter. */
static int connect_in(int dir, const char *name, int *out)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	auto_close int file = below(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	auto_close int fd = unix_socket();
	struct stat st;

	if (file < 0 || fstat(file, &st))
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	if (fd < 0)
		return fd;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d", file);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -errno;
	*out = take_fd(fd);
	return 0;
}

/* A socket that nobody serves any more goes; what is something else stays. */
static int dead_remove(int dir, const char *name, const char *path, struct err *e)
{
	auto_close int fd = -1;
	int rc = connect_in(dir, name, &fd);

	if (rc == -ENOENT)
		return 0;
	if (rc == -ENOTSOCK || rc == -ELOOP)
		return err_set(e, -EEXIST, "%s is there and no socket", path);
	if (rc != -ECONNREFUSED)
		return err_set(e, -EADDRINUSE, "somebody listens on %s", path);
	return unlinkat(dir, name, 0) ? err_errno(e, "%s", path) : 0;
}

/**
 * parent_socket_look() - Whether a socket is there
 * @o:    with the rules and QEMU's group
 * @path: absolute and plain; its directory is made if that is the socket's own
 * @e:    says why not
 *
 * Return: 0, -ENOENT, or the kernel's errno.
 * Context: the parent.
 */
int parent_socket_look(const struct parent_opts *o, const char *path, struct err *e)
{
	char own[VF_PATH_LEN + 1];
	const char *name;
	auto_close int dir = place_open(o, path, own, &name, e);
	struct stat st;

	if (dir < 0)
		return dir;
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) ? err_errno(e, "%s", path) : 0;
}

/**
 * parent_socket_bind() - A socket at a path, to be listened on by the child
 * @o:    with the rules and QEMU's group, which gets at it
 * @path: absolute and plain
 * @out:  the socket; the caller closes it
 * @e:    says why not
 *
 * Return: 0, -EADDRINUSE: it is served; -EEXIST: something else is there; or the kernel's errno.
 * Context: the parent.
 */
int parent_socket_bind(const struct parent_opts *o, const char *path, int *out, struct err *e)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char own[VF_PATH_LEN + 1];
	const char *name;
	auto_close int dir = place_open(o, path, own, &name, e);
	auto_close int fd = unix_socket();
	mode_t mask;
	int rc = dir < 0 ? dir : dead_remove(dir, name, path, e);

	if (rc)
		return rc;
	memcpy(addr.sun_path, path, strlen(path) + 1); /* no longer: place_open() */
	mask = umask(0117);
	rc = fd < 0 ? fd : bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 0;
	umask(mask);
	if (!rc && fchownat(dir, name, (uid_t)-1, o->qemu, AT_SYMLINK_NOFOLLOW))
		rc = -errno;
	if (rc)
		return err_set(e, rc, "%s: %s", path, strerror(-rc));
	*out = take_fd(fd);
	return 0;
}

/**
 * parent_socket_connect() - A socket connected to one that a front end serves
 * @o:    with the rules, which say who may be one
 * @path: absolute and plain
 * @out:  the socket; the caller closes it
 * @e:    says why not
 *
 * Return: 0, -ENOENT, -ECONNREFUSED, -ENOTSOCK, -EAGAIN: it is to take others first; -EPERM: a
 * stranger serves it; or the kernel's errno.
 * Context: the parent; never blocks.
 */
int parent_socket_connect(const struct parent_opts *o, const char *path, int *out, struct err *e)
{
	char own[VF_PATH_LEN + 1];
	const char *name;
	auto_close int dir = place_open(o, path, own, &name, e);
	auto_close int fd = -1;
	int rc = dir < 0 ? dir : connect_in(dir, name, &fd);

	if (rc < 0)
		return err_set(e, rc, "%s: %s", path, strerror(-rc));
	rc = peers_check(&o->rules->peers, fd, e);
	if (!rc)
		*out = take_fd(fd);
	else
		err_prefix(e, "%s", path);
	return rc;
}

/**
 * parent_socket_close() - Remove a socket that nobody serves any more
 * @o:    with the rules
 * @path: absolute and plain; the directory goes, too, if it is the socket's own and empty
 * @e:    says why not
 *
 * Return: 0, -EADDRINUSE: it is served; -EEXIST: something else is there; or the kernel's errno.
 * Context: the parent.
 */
int parent_socket_close(const struct parent_opts *o, const char *path, struct err *e)
{
	char own[VF_PATH_LEN + 1];
	const char *name;
	auto_close int dir = place_open(o, path, own, &name, e);
	int rc = dir < 0 ? dir : dead_remove(dir, name, path, e);

	if (dir >= 0 && is_own(o, own))
		(void)rmdir(own);
	return rc;
}
