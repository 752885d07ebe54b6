/* SPDX-License-Identifier: Apache-2.0 */
/* The image cache, and qcow2 overlays made by qemu-img. */
#include "agent/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/field.h"
#include "base/spawn.h"

#define QEMU_IMG_TIMEOUT_MS 30000

/* What qemu-img calls the format; kernels, ramdisks and Amazon's machine images are raw bytes. */
static const char *format_of(const char *disk_format)
{
	return !strcmp(disk_format, "qcow2") ? "qcow2" : "raw";
}

/*
 * A tenant's qcow2 may name a backing or data file: any file of this host, read as the guest's
 * disk. Such an image is refused.
 */
static int check_image(const char *path, const char *format, struct err *e)
{
	const char *const argv[] = {
		"qemu-img", "info", "--output=json", "-f", format, path, NULL
	};
	auto_of(json_decref) json_t *info = NULL;
	const json_t *data;
	char words[65536];
	int rc = spawn_run(argv, QEMU_IMG_TIMEOUT_MS, words, sizeof(words), e);

	if (rc)
		return rc == -EIO ? -EINVAL : rc;
	info = json_loads(words, 0, NULL);
	data = json_object_get(json_object_get(json_object_get(info, "format-specific"), "data"),
			       "data-file");
	if (!info || json_object_get(info, "backing-filename") || data)
		return err_set(e, -EINVAL, "the image refers to another file");
	return 0;
}

static int fetch(struct door *door, const char *image, const char *format, const char *path,
		 struct err *e)
{
	auto_close int fd = -1;
	char url[128], part[PATH_MAX];
	int rc;

	snprintf(part, sizeof(part), "%s.part", path);
	snprintf(url, sizeof(url), "/image/v2/images/%s/file", image);
	fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_errno(e, "%s", part);
	rc = door_fetch(door, url, fd, e);
	if (!rc && !strcmp(format_of(format), "qcow2"))
		rc = check_image(part, "qcow2", e);
	if (!rc && rename(part, path))
		rc = err_errno(e, "%s", path);
	if (rc)
		unlink(part);
	return rc;
}

/**
 * disk_image() - Have an image on this host
 * @door:   to fetch it through
 * @dir:    the cache
 * @image:  id
 * @format: disk format; qcow2 is checked for references to other files
 * @path:   gets the path of the file, valid on success
 * @size:   of @path
 * @e:      error text, may be NULL
 *
 * Return: 0; -EINVAL a bad image; or what door_fetch() says. Context: blocks; two that want an
 * image at once fetch it once.
 */
int disk_image(struct door *door, const char *dir, const char *image, const char *format,
	       char *path, size_t size, struct err *e)
{
	static pthread_mutex_t fetch_lock = PTHREAD_MUTEX_INITIALIZER;
	int rc = 0;

	snprintf(path, size, "%s/%s", dir, image);
	pthread_mutex_lock(&fetch_lock);
	if (access(path, F_OK))
		rc = fetch(door, image, format, path, e);
	pthread_mutex_unlock(&fetch_lock);
	if (rc)
		err_prefix(e, "image %s", image);
	return rc;
}

/**
 * disk_make() - Make a server's disk on top of an image
 * @base:    path of the image
 * @format:  its disk format
 * @size_gb: size of the disk in GiB; 0, or less than the image: the image's
 * @path:    path of the disk; one that is there stays
 * @e:       error text, may be NULL
 *
 * Return: 0 or a negative errno. Context: blocks.
 */
int disk_make(const char *base, const char *format, unsigned int size_gb, const char *path,
	      struct err *e)
{
	char part[PATH_MAX], size[32];
	const char *const create[] = { "qemu-img",	  "create", "-q", "-f",
				       "qcow2",		  "-b",	    base, "-F",
				       format_of(format), part,	    NULL };
	const char *const resize[] = { "qemu-img", "resize", "-q", part, size, NULL };
	int rc;

	if (!access(path, F_OK))
		return 0;
	snprintf(part, sizeof(part), "%s.part", path);
	snprintf(size, sizeof(size), "%uG", size_gb);
	rc = spawn_run(create, QEMU_IMG_TIMEOUT_MS, NULL, 0, e);
	if (rc)
		return rc;
	if (size_gb) /* qemu-img refuses to shrink: then the image's size stays */
		spawn_run(resize, QEMU_IMG_TIMEOUT_MS, NULL, 0, NULL);
	return rename(part, path) ? err_errno(e, "%s", path) : 0;
}
