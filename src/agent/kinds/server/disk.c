/* SPDX-License-Identifier: Apache-2.0 */
/* qcow2 overlays, made by qemu-img, which does not read what is under them. */
#include "agent/kinds/server/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "agent/host/root.h"


#define QEMU_IMG_TIMEOUT_MS 30000
#define SECTOR		    512

/* An overlay without clusters: its tables are a megabyte for the largest disk. */
static int create(const char *base, const char *driver, uint64_t size, int fd, struct err *e)
{
	const struct sandbox sandbox = { .memory = 1U << 30,
				   .file_size = 64U << 20,
				   .cpu_s = 30,
				   .fds = &fd,
				   .n_fds = 1 };
	char bytes[32];
	int rc;
	/* -u: the base is not opened; its size is known, and its header was judged. */
	const char *const argv[] = { "qemu-img", "create", "-q", "-f",	 "qcow2",	    "-u",
				     "-b",	 base,	   "-F", driver, "/proc/self/fd/3", bytes,
				     NULL };

	snprintf(bytes, sizeof(bytes), "%" PRIu64, size);
	if (fchmod(fd, 0666))
		return err_errno(e, "opening a disk to " IMAGE_USER);
	rc = root_tool(argv, &sandbox, QEMU_IMG_TIMEOUT_MS, e);
	/* While it is a guest's, libvirt makes it QEMU's, and we read it by its group. */
	return rc ? rc : fchmod(fd, 0640) ? err_errno(e, "closing a disk") : 0;
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
	char dir[PATH_MAX], part[PATH_MAX + 8];
	int rc;

	if (!access(path, F_OK))
		return 0;
	if (base->size > size)
		return err_set(e, -EFBIG,
			       "the image's disk of %" PRIu64 " bytes does not fit %u GiB",
			       base->size, size_gb);
	size = (size + SECTOR - 1) / SECTOR * SECTOR;
	/* qemu-img gets at it by its descriptor, and nobody by its path. */
	snprintf(dir, sizeof(dir), "%s.new", path);
	snprintf(part, sizeof(part), "%s/disk", dir);
	if (mkdir(dir, 0700) && errno != EEXIST)
		return err_errno(e, "%s", dir);
	fd = open(part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(e, "%s", part);
	rc = create(base->path, driver, size, fd, e);
	if (!rc && rename(part, path))
		rc = err_errno(e, "%s", path);
	if (rc)
		unlink(part);
	rmdir(dir);
	return rc;
}
