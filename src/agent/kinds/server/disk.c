/* SPDX-License-Identifier: Apache-2.0 */
/* qcow2 overlays, made by qemu-img, which does not read what is under them. */
#include "agent/kinds/server/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/host/root.h"
#include "base/file.h"

#define QEMU_IMG_TIMEOUT_MS 30000
#define SECTOR		    512
#define TABLES_MAX	    (64U << 20) /* bytes of the largest disk's; it takes one */

/*
 * A disk that is being made: qemu-img gets at it by its descriptor, and nobody by its path, until
 * it is there whole. Return: the descriptor.
 */
static int part_open(const char *path, char part[PATH_MAX], struct err *e)
{
	int fd;

	snprintf(part, PATH_MAX, "%.*s.new", PATH_MAX - 16, path);
	if (mkdir(part, 0700) && errno != EEXIST)
		return err_errno(e, "%s", part);
	strcat(part, "/disk");
	fd = open(part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? err_errno(e, "%s", part) : fd;
}

static int part_put(const char *path, char part[PATH_MAX], int rc, struct err *e)
{
	if (!rc && rename(part, path))
		rc = err_errno(e, "%s", path);
	if (rc)
		unlink(part);
	*strrchr(part, '/') = '\0';
	rmdir(part);
	return rc;
}

/* What is under a disk is not opened: its header was judged, and it is not larger. */
static int qemu_img(const char *const argv[], int fd, uint64_t file_size, struct err *e)
{
	const struct sandbox sandbox = {
		.memory = 1U << 30, .file_size = file_size, .cpu_s = 30, .fds = &fd, .n_fds = 1
	};
	int rc;

	if (fchmod(fd, 0666))
		return err_errno(e, "opening a disk to " IMAGE_USER);
	rc = root_tool(argv, &sandbox, QEMU_IMG_TIMEOUT_MS, e);
	/* While it is a guest's, libvirt makes it QEMU's, and we read it by its group. */
	return rc ? rc : fchmod(fd, 0640) ? err_errno(e, "closing a disk") : 0;
}

/* An overlay without clusters. */
static int create(const char *base, const char *driver, uint64_t size, int fd, struct err *e)
{
	char bytes[32];
	const char *const argv[] = { "qemu-img", "create", "-q", "-f",	 "qcow2",	    "-u",
				     "-b",	 base,	   "-F", driver, "/proc/self/fd/3", bytes,
				     NULL };

	snprintf(bytes, sizeof(bytes), "%" PRIu64, size);
	return qemu_img(argv, fd, TABLES_MAX, e);
}

static int grow(int fd, unsigned int size_gb, struct err *e)
{
	static const char disk[] = "json:{\"file\":{\"driver\":\"file\",\"filename\":"
				   "\"/proc/self/fd/3\"},\"backing\":null}";
	char size[32];
	const char *const argv[] = { "qemu-img", "resize", "-q", "-f", "qcow2", disk, size, NULL };
	struct stat st;

	snprintf(size, sizeof(size), "%uG", size_gb);
	if (fstat(fd, &st))
		return err_errno(e, "a disk");
	return qemu_img(argv, fd, (uint64_t)st.st_size + TABLES_MAX, e);
}

/**
 * disk_path() - Where a disk is
 * @dir:  the server's directory
 * @name: "disk", "rescue"
 * @n:    which one; 0: one without a number
 * @out:  gets the path
 */
void disk_path(const char *dir, const char *name, unsigned int n, char out[PATH_MAX])
{
	if (n)
		snprintf(out, PATH_MAX, "%.*s/%s.%u.qcow2", PATH_MAX - 64, dir, name, n);
	else
		snprintf(out, PATH_MAX, "%.*s/%s.qcow2", PATH_MAX - 64, dir, name);
}

/* Is a file a disk of that name, and none of those? */
static bool is_useless(const char *dir, const char *file, const char *name,
		       const unsigned int keep[], unsigned int n)
{
	size_t len = strlen(name), whole = strlen(file);
	char kept[PATH_MAX];
	bool is = !strncmp(file, name, len) && file[len] == '.' && whole > 6 &&
		  !strcmp(file + whole - 6, ".qcow2");

	for (unsigned int i = 0; is && i < n; i++) {
		disk_path(dir, name, keep[i], kept);
		is = strcmp(file, strrchr(kept, '/') + 1);
	}
	return is;
}

/**
 * disk_sweep() - Remove a server's disks of a name, but for some
 * @dir:  the server's directory
 * @name: "disk", "rescue"
 * @keep: numbers of those
 * @n:    how many
 * @e:    error text, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int disk_sweep(const char *dir, const char *name, const unsigned int keep[], unsigned int n,
	       struct err *e)
{
	DIR *d = opendir(dir);
	struct dirent *ent;
	int rc = 0;

	while (d && (ent = readdir(d)))
		if (is_useless(dir, ent->d_name, name, keep, n) &&
		    unlinkat(dirfd(d), ent->d_name, 0))
			rc = err_errno(e, "%s/%s", dir, ent->d_name);
	if (d)
		closedir(d);
	return rc;
}

/**
 * disk_make() - Make a server's disk on top of an image
 * @base:    the image, from cache_get()
 * @driver:  how QEMU reads it, from imghdr_driver()
 * @size_gb: size of the disk in GiB; 0: the image's
 * @path:    path of the disk; one that is there stays
 * @e:       error text, may be NULL
 *
 * Return: 0; -EFBIG when the image's disk is larger than @size_gb; or a negative errno.
 * Context: blocks.
 */
int disk_make(const struct cache_file *base, const char *driver, unsigned int size_gb,
	      const char *path, struct err *e)
{
	uint64_t room = (uint64_t)size_gb << 30, size = size_gb ? room : base->size;
	auto_close int fd = -1;
	char part[PATH_MAX];

	if (!access(path, F_OK))
		return 0;
	if (base->size > size)
		return err_set(e, -EFBIG,
			       "the image's disk of %" PRIu64 " bytes does not fit %u GiB",
			       base->size, size_gb);
	size = (size + SECTOR - 1) / SECTOR * SECTOR;
	fd = part_open(path, part, e);
	return fd < 0 ? fd : part_put(path, part, create(base->path, driver, size, fd, e), e);
}

/**
 * disk_copy() - Make a server's disk of another, which nobody writes to
 * @from:    path of the other
 * @size_gb: size of the disk in GiB, not less than the other's; 0: the same
 * @path:    path of the disk
 * @e:       error text, may be NULL
 *
 * Return: 0 or a negative errno. Context: blocks.
 */
int disk_copy(const char *from, unsigned int size_gb, const char *path, struct err *e)
{
	auto_close int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), fd = -1;
	char part[PATH_MAX];
	int rc;

	if (in < 0)
		return err_errno(e, "%s", from);
	fd = part_open(path, part, e);
	if (fd < 0)
		return fd;
	rc = file_copy(in, fd);
	if (rc)
		err_set(e, rc, "copying %s: %s", from, strerror(-rc));
	else if (size_gb)
		rc = grow(fd, size_gb, e);
	else
		rc = fchmod(fd, 0640) ? err_errno(e, "closing a disk") : 0;
	return part_put(path, part, rc, e);
}
