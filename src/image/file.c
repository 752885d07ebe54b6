/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image v2: the bytes. An upload is hashed while it arrives in a file of its
 * own, synced and judged on a helper thread, takes its place as STATE/images/ID,
 * and only then the document says "active". A file without a document is swept
 * away.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/imghdr.h"
#include "base/log.h"
#include "engine/replica.h"
#include "http/digest.h"
#include "image/image.h"

#define ORPHAN_S   86400	/* a file of no image that is known here lives so long */
#define UPLOAD_S   86400	/* an upload to a directory that is shared may take so long */
#define GONE_S	   (30 * 86400) /* a deleted image's id is not given again so long */
#define GONE_SWEEP 100		/* ids forgotten in one transaction */

/* What the helper thread finds out about a file, beside what is known of it. */
struct upload {
	char *path;	      /* NULL: it has its place */
	char disk_format[16]; /* what its owner says it is */
	struct digest_text sums;
	int error;     /* negative errno, or 0 */
	int judgement; /* imghdr_judge_file()'s; why in its words */
	struct err why;
	int64_t size;
	uint64_t virtual_size;
};

/**
 * image_path() - Where an image's file is
 * @c:  the call
 * @id: image; "" for the directory
 *
 * Return: the caller's to free; NULL without memory.
 */
char *image_path(const struct call *c, const char *id)
{
	const char *dir = conf_get(c->opts->conf, "image", "directory");
	char *path = NULL;

	if (asprintf(&path, "%s%s/%s", *dir ? dir : c->opts->state_dir, *dir ? "" : "/images", id) <
	    0)
		return NULL;
	return path;
}

static void upload_free(void *arg)
{
	struct upload *up = arg;

	free(up->path);
	free(up);
}

static struct upload *upload_new(const char *path, const struct digest *digest,
				 const char *disk_format)
{
	struct upload *up = path && digest ? calloc(1, sizeof(*up)) : NULL;

	if (!up)
		return NULL;
	up->path = strdup(path);
	if (!up->path) {
		free(up);
		return NULL;
	}
	snprintf(up->disk_format, sizeof(up->disk_format), "%s", disk_format);
	digest_text(digest, &up->sums);
	return up;
}

/* On disk it must be before the document says so; that may take seconds. */
static void upload_sync(void *arg)
{
	struct upload *up = arg;
	auto_close int fd = open(up->path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || fsync(fd)) {
		up->error = -errno;
		return;
	}
	up->size = st.st_size;
	up->judgement = imghdr_judge_file(fd, up->disk_format, &up->virtual_size, &up->why);
}

static int check_queued(struct call *c, const json_t *doc)
{
	if (!doc_str(doc, "disk_format")[0] || !doc_str(doc, "container_format")[0])
		return call_fail(c, 400, NULL,
				 "Properties disk_format, container_format must be set prior to "
				 "saving data.");
	if (strcmp(doc_str(doc, "status"), "queued") != 0)
		return call_fail(c, 409, NULL,
				 "Image status transition from %s to saving is not allowed",
				 doc_str(doc, "status"));
	return 0;
}

/*
 * Bytes of another format are no upload of this image: 415, as in Glance. Bytes that are what they
 * are called, but may not be used, end the image; who waits for it is not left waiting.
 */
static int refuse(struct call *c, const json_t *old, const struct upload *up)
{
	json_t *doc;

	if (up->judgement == -EMEDIUMTYPE)
		return call_fail(c, 415, NULL, "The image is not accepted: %s.", up->why.msg);
	if (up->judgement != -EINVAL)
		return call_fail(c, 500, NULL, "The image cannot be judged: %s", up->why.msg);
	log_warn("refused an image", "id=%s owner=%s why=\"%s\"", doc_str(old, "id"),
		 doc_str(old, "owner"), up->why.msg);
	doc = json_copy((json_t *)old);
	if (json_object_set_new(doc, "status", json_string("killed")) ||
	    json_object_set_new(doc, IMAGE_REFUSED, json_string(up->why.msg))) {
		json_decref(doc);
		return -ENOMEM;
	}
	return res_put(c, &image_resource, doc) ?: call_reply(c, 204, NULL);
}

/**
 * image_keep() - A file to its place, and on disk there
 * @c:    the call
 * @from: where it is, on disk; freed and NULL when it has its place, or it has been NULL before
 * @id:   image
 *
 * Return: 0; a fault.
 */
int image_keep(struct call *c, char **from, const char *id)
{
	auto_free char *path = image_path(c, id), *dir = image_path(c, "");
	auto_close int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (!path || !dir)
		return -ENOMEM;
	if (!*from)
		return 0;
	if (fd < 0 || rename(*from, path) || fsync(fd))
		return call_fail(c, 500, NULL, "The image cannot be kept: %s", strerror(errno));
	free(take(*from));
	return 0;
}

/* The replica that has it, for others: download.c. */
static int say_where(struct call *c, const char *id)
{
	if (!*replica_url(c))
		return 0;
	return call_put(c, json_pack("{s:s}", "replica", replica_url(c)), "/image_at/%s", id);
}

/*
 * It is known by its sums from now on; status: what it is then. Bytes of no format (-ENOMSG) are
 * kept, as Glance keeps them: nothing takes them for what they are called. Without a virtual size
 * no server boots from them, and no host would let one.
 */
static int settle(struct call *c, const json_t *old, struct upload *up, const char *status)
{
	json_t *doc;
	/* Not pure, but done once: until the commit nobody looks at the file. */
	int rc = image_keep(c, &up->path, doc_str(old, "id")) ?: say_where(c, doc_str(old, "id"));

	if (rc)
		return rc;
	doc = json_copy((json_t *)old);
	rc |= json_object_set_new(doc, "status", json_string(status));
	rc |= json_object_set_new(doc, "size", json_integer(up->size));
	if (!up->judgement)
		rc |= json_object_set_new(doc, "virtual_size",
					  json_integer((json_int_t)up->virtual_size));
	rc |= json_object_set_new(doc, "checksum", json_string(up->sums.md5));
	rc |= json_object_set_new(doc, "os_hash_algo", json_string("sha512"));
	rc |= json_object_set_new(doc, "os_hash_value", json_string(up->sums.sha512));
	rc = res_put(c, &image_resource, doc) ?: (rc ? -ENOMEM : 0);
	return rc ? rc : call_reply(c, 204, NULL);
}

/* The image that may be filled: one's own, or that of a server's disk, by the server's host. */
static const json_t *find_target(struct call *c)
{
	const json_t *doc = caller_is_agent(c) && image_is_snapshot(c, c->ids[0])
				    ? res_get(c, &image_resource, c->ids[0])
				    : NULL;

	return doc ? doc : image_find_own(c);
}

/* Before the bytes come: how many may. */
static int64_t upload_room(struct call *c)
{
	const json_t *doc = find_target(c);
	int rc = doc ? check_queued(c, doc) : -ENOENT;

	/* Another replica may just have made it: who fills it is mostly who owns it. */
	if (call_is_early(c) && !res_seen(c, &image_resource, c->ids[0]))
		return image_room(c, c->auth->project_id);
	return rc ? rc : image_room(c, doc_str(doc, "owner"));
}

/* status: what the image is when it has its bytes */
static int take_bytes(struct call *c, const char *status)
{
	const json_t *doc = find_target(c);
	struct upload *up = c->job;
	int rc = doc ? check_queued(c, doc) : -ENOENT;

	if (rc)
		return rc;
	if (!up)
		return call_job(
			c, LANE_FILE, upload_sync,
			upload_new(call_upload(c), call_digest(c), doc_str(doc, "disk_format")),
			upload_free);
	if (up->error)
		return call_fail(c, up->error == -ENOSPC ? 507 : 500, NULL,
				 "The image cannot be kept: %s", strerror(-up->error));
	if (strcmp(up->disk_format, doc_str(doc, "disk_format")) != 0)
		return call_fail(c, 409, NULL, "The image's format was changed meanwhile.");
	if (up->judgement && up->judgement != -ENOMSG)
		return refuse(c, doc, up);
	return image_check_room(c, doc_str(doc, "owner"), up->size) ?: settle(c, doc, up, status);
}

static int handle_upload(struct call *c)
{
	return take_bytes(c, "active");
}

/* The first half of an import: import.c has the second. */
static int handle_stage(struct call *c)
{
	return take_bytes(c, "uploading");
}

/**
 * image_set_status() - Say what an image is from now on
 * @c:      the call
 * @image:  stored document
 * @status: of Glance's words
 *
 * Return: 0; as res_put().
 */
int image_set_status(struct call *c, const json_t *image, const char *status)
{
	json_t *doc = json_copy((json_t *)image);

	if (doc && json_object_set_new(doc, "status", json_string(status)))
		json_decref(take(doc));
	return res_put(c, &image_resource, doc);
}

/* Nobody but admins, and the hosts of servers that are there, fetches what is deactivated. */
static int change_status(struct call *c, const char *verb, const char *from, const char *to)
{
	const json_t *old = image_find_own(c);

	if (!old)
		return -ENOENT;
	if (doc_is(old, "status", to))
		return call_reply(c, 204, NULL);
	if (!doc_is(old, "status", from))
		return call_fail(c, 403, NULL, "Not allowed to %s image in status '%s'", verb,
				 doc_str(old, "status"));
	return image_set_status(c, old, to) ?: call_reply(c, 204, NULL);
}

static int handle_deactivate(struct call *c)
{
	return change_status(c, "deactivate", "active", "deactivated");
}

static int handle_reactivate(struct call *c)
{
	return change_status(c, "reactivate", "deactivated", "active");
}

/**
 * image_remove() - DELETE of the image c->ids[0]
 * @c: the call
 *
 * First the document; when that is on disk, the file.
 *
 * Return: as a handler: 404 and 403 faults, CALL_WAIT in between.
 */
int image_remove(struct call *c)
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

static bool is_deleted(struct call *c, const char *id)
{
	return res_get(c, &image_gone_resource, id) && !res_get(c, &image_resource, id);
}

/* Removes files of a directory that no image names (all names: a path of an upload that broke). */
static void sweep_dir(struct call *c, const char *path, int64_t older_than_s)
{
	int64_t before = c->now_us / 1000000 - older_than_s;
	DIR *dir = opendir(path);
	struct dirent *entry;
	struct stat st;

	while (dir && (entry = readdir(dir))) {
		if (res_get(c, &image_resource, entry->d_name) ||
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(st.st_mode) || (st.st_mtime > before && !is_deleted(c, entry->d_name)))
			continue;
		if (!unlinkat(dirfd(dir), entry->d_name, 0))
			log_info("removed a file without an image", "file=%s/%s", path,
				 entry->d_name);
	}
	if (dir)
		closedir(dir);
}

/**
 * image_sweep_files() - Remove image files whose document is gone
 * @c: the call
 *
 * Those of images that were deleted, while this replica was away perhaps. Of others it may not have
 * heard yet, and the directory may be shared: they have a day.
 */
void image_sweep_files(struct call *c)
{
	auto_free char *path = image_path(c, "");

	if (path)
		sweep_dir(c, path, ORPHAN_S);
}

/**
 * image_sweep() - Remove image files whose document is gone, and forget ids deleted long ago
 * @c: a periodic call
 *
 * Return: 0.
 */
int image_sweep(struct call *c)
{
	struct cursor it = call_list(c, "/image_gone/");
	int64_t before = c->now_us / 1000000 - GONE_S;
	unsigned int n = 0;
	int rc = 0;

	image_sweep_files(c);
	while (!rc && n < GONE_SWEEP && cursor_next(&it))
		if (doc_int(it.doc, "deleted_at") < before) {
			rc = call_delete(c, "%s", it.key);
			n++;
		}
	return rc ?: replica_announce(c);
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
	sweep_dir(c, c->opts->upload_dir,
		  *conf_get(c->opts->conf, "image", "directory") ? UPLOAD_S : -1);
	image_sweep_files(c);
	return replica_announce(c);
}

const struct route image_file_routes[] = {
	{ "PUT", "/v2/images/{}/file", handle_upload, RULE_WRITE, ROUTE_UPLOAD, upload_room },
	{ "PUT", "/v2/images/{}/stage", handle_stage, RULE_WRITE, ROUTE_UPLOAD, upload_room },
	{ "PUT", "/v2/images/{}/snapshot", handle_upload, RULE_AGENT, ROUTE_UPLOAD, upload_room },
	{ "DELETE", "/v2/images/{}", image_remove, RULE_WRITE },
	{ "POST", "/v2/images/{}/actions/deactivate", handle_deactivate, RULE_WRITE },
	{ "POST", "/v2/images/{}/actions/reactivate", handle_reactivate, RULE_WRITE },
	{ NULL },
};
