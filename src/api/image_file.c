/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image v2: the bytes. An upload is hashed while it arrives in a file of its
 * own, synced on a helper thread, takes its place as STATE/images/ID, and only
 * then the document says "active". A file without a document is swept away.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "api/digest.h"
#include "api/image.h"
#include "base/file.h"
#include "base/log.h"

#define ORPHAN_S 600 /* a file without a document lives so long */

/* What the helper thread finds out about a file, beside what is known of it. */
struct upload {
	char *path;
	struct digest_text sums;
	int error; /* negative errno, or 0 */
	int64_t size, virtual_size;
};

static const char *str(const json_t *doc, const char *name)
{
	const char *text = json_string_value(json_object_get(doc, name));

	return text ? text : "";
}

static char *image_path(const struct call *c, const char *id)
{
	char *path = NULL;

	return asprintf(&path, "%s/images/%s", c->opts->state_dir, id) < 0 ? NULL : path;
}

static void upload_free(void *arg)
{
	struct upload *up = arg;

	free(up->path);
	free(up);
}

static struct upload *upload_new(const char *path, const struct digest *digest)
{
	struct upload *up = path && digest ? calloc(1, sizeof(*up)) : NULL;

	if (!up)
		return NULL;
	up->path = strdup(path);
	if (!up->path) {
		free(up);
		return NULL;
	}
	digest_text(digest, &up->sums);
	return up;
}

/* A qcow2 header (version 2 and 3) holds the disk's size in bytes 24..31. */
static int64_t virtual_size(const unsigned char *head, int64_t size)
{
	int64_t n = 0;

	if (size < 72 || memcmp(head, "QFI\373", 4) != 0)
		return size;
	for (unsigned int i = 24; i < 32; i++)
		n = (int64_t)((uint64_t)n << 8 | head[i]);
	return n;
}

/* On disk it must be before the document says so; that may take seconds. */
static void upload_sync(void *arg)
{
	struct upload *up = arg;
	auto_close int fd = open(up->path, O_RDONLY | O_CLOEXEC);
	unsigned char head[512] = { 0 };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || pread(fd, head, sizeof(head), 0) < 0 || fsync(fd)) {
		up->error = -errno;
		return;
	}
	up->size = st.st_size;
	up->virtual_size = virtual_size(head, st.st_size);
}

static int check_queued(struct call *c, const json_t *doc)
{
	if (!str(doc, "disk_format")[0] || !str(doc, "container_format")[0])
		return call_fail(c, 400, NULL,
				 "Properties disk_format, container_format must be set prior to "
				 "saving data.");
	if (strcmp(str(doc, "status"), "queued") != 0)
		return call_fail(c, 409, NULL,
				 "Image status transition from %s to saving is not allowed",
				 str(doc, "status"));
	return 0;
}

static int activate(struct call *c, const json_t *old, const struct upload *up)
{
	auto_free char *path = image_path(c, str(old, "id"));
	bool qcow2 = !strcmp(str(old, "disk_format"), "qcow2");
	json_t *doc = json_copy((json_t *)old);
	int rc = 0;

	if (!path || !doc)
		rc = -ENOMEM;
	/* Not pure, but harmless to repeat: until the commit nobody looks at the file. */
	else if (rename(up->path, path))
		rc = call_fail(c, 500, NULL, "The image cannot be kept: %s", strerror(errno));
	if (rc) {
		json_decref(doc);
		return rc;
	}
	rc |= json_object_set_new(doc, "status", json_string("active"));
	rc |= json_object_set_new(doc, "size", json_integer(up->size));
	rc |= json_object_set_new(doc, "virtual_size",
				  json_integer(qcow2 ? up->virtual_size : up->size));
	rc |= json_object_set_new(doc, "checksum", json_string(up->sums.md5));
	rc |= json_object_set_new(doc, "os_hash_algo", json_string("sha512"));
	rc |= json_object_set_new(doc, "os_hash_value", json_string(up->sums.sha512));
	rc = res_put(c, &image_resource, doc) ?: (rc ? -ENOMEM : 0);
	return rc ? rc : call_reply(c, 204, NULL);
}

static int handle_upload(struct call *c)
{
	const json_t *doc = image_find_own(c);
	const struct upload *up = c->job;
	int rc = doc ? check_queued(c, doc) : -ENOENT;

	if (rc)
		return rc;
	if (!up)
		return call_job(c, LANE_FILE, upload_sync,
				upload_new(call_upload(c), call_digest(c)), upload_free);
	if (up->error)
		return call_fail(c, up->error == -ENOSPC ? 507 : 500, NULL,
				 "The image cannot be kept: %s", strerror(-up->error));
	return activate(c, doc, up);
}

static int handle_download(struct call *c)
{
	const json_t *doc = res_find(c, &image_resource, c->ids[0]);
	auto_free char *path = NULL;

	if (!doc)
		return -ENOENT;
	if (strcmp(str(doc, "status"), "active") != 0)
		return call_reply(c, 204, NULL);
	path = image_path(c, str(doc, "id"));
	if (!path)
		return -ENOMEM;
	call_header(c, "Content-Md5", str(doc, "checksum"));
	return call_reply_file(c, path, "application/octet-stream");
}

/* First the document; when that is on disk, the file. */
static int handle_delete(struct call *c)
{
	auto_free char *path = image_path(c, c->ids[0]);
	int rc;

	if (!path)
		return -ENOMEM;
	if (c->runs) {
		unlink(path);
		return call_reply(c, 204, NULL);
	}
	if (!image_find_own(c))
		return -ENOENT;
	rc = res_delete(c, &image_resource, c->ids[0]);
	return rc ? rc : call_wait(c, 1, "/image/%s/", c->ids[0]);
}

/* Removes files of a directory that no image names (all names: a path of an upload that broke). */
static void sweep_dir(struct call *c, const char *name, int64_t older_than_s)
{
	char path[600];
	struct dirent *entry;
	struct stat st;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s", c->opts->state_dir, name);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || res_get(c, &image_resource, entry->d_name) ||
		    fstatat(dirfd(dir), entry->d_name, &st, 0) ||
		    st.st_mtime > c->now_us / 1000000 - older_than_s)
			continue;
		if (!unlinkat(dirfd(dir), entry->d_name, 0))
			log_info("removed a file without an image", "file=%s/%s", path,
				 entry->d_name);
	}
	if (dir)
		closedir(dir);
}

/**
 * image_sweep() - Remove image files whose document is gone
 * @c: a periodic call
 *
 * Return: 0.
 */
int image_sweep(struct call *c)
{
	sweep_dir(c, "images", ORPHAN_S);
	return 0;
}

/**
 * image_start() - Make the directory, remove what a crash left
 * @c: start call of the service
 *
 * Return: 0; a fault.
 */
int image_start(struct call *c)
{
	auto_free char *path = image_path(c, "");
	struct err e = { 0 };

	if (!path)
		return -ENOMEM;
	if (file_mkdirs(path, 0750, &e))
		return call_fail(c, 500, NULL, "%s", e.msg);
	sweep_dir(c, "upload", -1);
	return 0;
}

const struct route image_file_routes[] = {
	{ "PUT", "/v2/images/{}/file", handle_upload, RULE_WRITE, ROUTE_UPLOAD },
	{ "GET", "/v2/images/{}/file", handle_download, RULE_CONTENT },
	{ "DELETE", "/v2/images/{}", handle_delete, RULE_WRITE },
	{ NULL },
};
