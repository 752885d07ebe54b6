/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image v2: downloads. Whoever is asked for an image whose file is not here, but at another
 * replica, fetches it first: on a helper thread into a file of its own, hashed while it comes, and
 * only what is the image to the last byte takes its place. Who asks for the same meanwhile waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/uuid.h"
#include "engine/replica.h"
#include "http/digest.h"
#include "httpc/httpc.h"
#include "image/image.h"

#define LOOK_MS	    100 /* how often who waits for another's fetch looks */
#define TARGET	    "/image/replica/%s"
#define TARGET_SIZE 80

struct fetch {
	struct fetch *next, **prev; /* among those under way */
	char id[UUID_STR_LEN];
	char *path;   /* where it goes, until it has its place */
	json_t *from; /* URLs of replicas, who should have it first */
	char target[TARGET_SIZE], *proof;
	struct httpc_trust trust;
	const atomic_bool *cancel;
	int64_t size;	  /* that the image has */
	char sha512[130]; /* likewise; hexadecimal */

	/* The helper thread's. */
	int64_t got;
	struct sha512 sum;
	bool whole;
	struct err why; /* what each of them said */
};

/* What the feature keeps in memory. Writer: the loop. */
struct images {
	struct fetch *fetches;
	uint64_t revision; /* up to which deletions are known */
};

/**
 * image_open() - Begin with nothing on the way: the feature's open()
 *
 * Return: what image_close() frees; NULL without memory.
 */
void *image_open(void)
{
	return calloc(1, sizeof(struct images));
}

/**
 * image_close() - The feature's close()
 * @kept: from image_open(); nothing is on the way
 */
void image_close(void *kept)
{
	free(kept);
}

/* Has this replica an image's bytes, neither fewer nor more? */
static bool is_here(const struct call *c, const json_t *doc)
{
	auto_free char *path = image_path(c, doc_str(doc, "id"));
	struct stat st;

	return path && !stat(path, &st) && st.st_size == doc_int(doc, "size");
}

/* The helper's: bytes as they come, and never more than the image has. */
static int look(void *arg, const void *data, size_t size)
{
	struct fetch *f = arg;

	if ((int64_t)size > f->size - f->got)
		return -EFBIG;
	sha512_update(&f->sum, data, size);
	f->got += (int64_t)size;
	return 0;
}

static int check(struct fetch *f, int fd, struct err *e)
{
	unsigned char sum[SHA512_LEN];
	char text[2 * SHA512_LEN + 1];

	sha512_final(&f->sum, sum);
	sodium_bin2hex(text, sizeof(text), sum, sizeof(sum));
	if (f->got != f->size || strcmp(text, f->sha512) != 0)
		return err_set(e, -EBADMSG, "it gives other bytes than the image's");
	return fsync(fd) ? err_errno(e, "%s", f->path) : 0;
}

static int ask(struct fetch *f, struct httpc *http, const char *from, struct err *e)
{
	auto_httpc_answer struct httpc_answer answer = { 0 };
	auto_close int fd = open(f->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	char url[600];
	int rc;

	if (fd < 0)
		return err_errno(e, "%s", f->path);
	f->got = 0;
	sha512_init(&f->sum);
	snprintf(url, sizeof(url), "%s%s", from, f->target);
	rc = httpc_call(http,
			&(struct httpc_req){ .method = "GET",
					     .url = url,
					     .headers = { f->proof },
					     .out_fd = fd,
					     .look = look,
					     .look_arg = f,
					     .trust = &f->trust,
					     .cancel = f->cancel },
			&answer, e);
	if (rc == -EFBIG)
		*e = (struct err){ "it gives more bytes than the image has" };
	if (!rc && answer.status != 200)
		rc = err_set(e, -ENOENT,
			     answer.status == 404 ? "it has not got them" : "it answers %d",
			     answer.status);
	return rc ?: check(f, fd, e);
}

/* In a helper thread: one replica after the other. */
static void fetch(void *arg)
{
	struct fetch *f = arg;
	auto_of(httpc_close) struct httpc *http = NULL;
	const json_t *from;
	size_t i;

	if (httpc_open(&http, &f->why))
		return;
	json_array_foreach (f->from, i, from) {
		const char *url = json_string_value(from);
		size_t len = strlen(f->why.msg);
		struct err e = { 0 };

		f->whole = !ask(f, http, url, &e);
		if (f->whole)
			log_info("fetched an image", "id=%s from=%s size=%lld", f->id, url,
				 (long long)f->size);
		if (f->whole || atomic_load(f->cancel))
			return;
		snprintf(f->why.msg + len, sizeof(f->why.msg) - len, "%s%s: %s", len ? "; " : "",
			 url, e.msg);
	}
}

static void fetch_free(void *arg)
{
	struct fetch *f = arg;

	if (f->prev)
		*f->prev = f->next;
	if (f->next)
		f->next->prev = f->prev;
	if (f->path)
		unlink(f->path);
	free(f->path);
	free(f->proof);
	json_decref(f->from);
	free(f);
}

static void fetch_add(struct images *kept, struct fetch *f)
{
	f->next = kept->fetches;
	f->prev = &kept->fetches;
	if (f->next)
		f->next->prev = &f->next;
	kept->fetches = f;
}

static struct fetch *fetch_new(struct call *c, const json_t *doc, json_t *from_taken)
{
	struct fetch *f = calloc(1, sizeof(*f));
	char name[UUID_STR_LEN];

	if (!f) {
		json_decref(from_taken);
		return NULL;
	}
	uuid_new(name);
	f->from = from_taken;
	snprintf(f->id, sizeof(f->id), "%s", doc_str(doc, "id"));
	snprintf(f->target, sizeof(f->target), TARGET, f->id);
	snprintf(f->sha512, sizeof(f->sha512), "%s", doc_str(doc, "os_hash_value"));
	f->size = doc_int(doc, "size");
	f->trust = (struct httpc_trust){ .ca_file = conf_get(c->opts->conf, "agent", "ca_file") };
	f->cancel = call_closing(c);
	f->proof = replica_proof(c, "GET", f->target);
	if (!f->proof || asprintf(&f->path, "%s/%s", c->opts->upload_dir, name) < 0) {
		f->path = NULL;
		fetch_free(f);
		return NULL;
	}
	fetch_add(call_kept(c, &image_feature), f);
	return f;
}

/* Where an upload of the image came, if that is known; or NULL. */
static const char *first_place(struct call *c, const json_t *doc)
{
	return doc_text(call_get(c, "/image_at/%s", doc_str(doc, "id")), "replica");
}

/* The other replicas, the one that took the upload first. */
static json_t *others(struct call *c, const json_t *doc)
{
	struct cursor it = call_list(c, "/replica/");
	const char *at = first_place(c, doc);
	json_t *urls = json_array();

	while (cursor_next(&it)) {
		const char *url = doc_str(it.doc, "url");

		if (!strcmp(url, replica_url(c)))
			continue;
		if (at && !strcmp(url, at))
			json_array_insert_new(urls, 0, json_string(url));
		else
			json_array_append_new(urls, json_string(url));
	}
	return urls;
}

/* Members hear nothing of how the cloud is built. */
static int fail(struct call *c, const json_t *doc, const char *why)
{
	const char *at = first_place(c, doc);

	log_warn("an image's bytes cannot be fetched", "id=%s replica=%s why=\"%s\"",
		 doc_str(doc, "id"), at ?: "", why);
	call_header(c, "Retry-After", "5");
	if (!caller_is_admin(c) && !caller_is_agent(c))
		return call_fail(c, 503, NULL,
				 "The image's bytes are at a replica of this API that does not "
				 "give them now.");
	return call_fail(c, 503, NULL, "The image's bytes are not here but at the replica %s. %s",
			 at ?: "that took them", why);
}

/* Done once: nobody looks for the file before it has its place. */
static int settle(struct call *c, const json_t *doc, struct fetch *f)
{
	if (!f->whole)
		return fail(c, doc, f->why.msg);
	return image_keep(c, &f->path, f->id);
}

static bool is_under_way(struct call *c, const char *id)
{
	const struct images *kept = call_kept(c, &image_feature);
	const struct fetch *f = kept->fetches;

	while (f && strcmp(f->id, id) != 0)
		f = f->next;
	return f;
}

/* Has an image's bytes here: 0; CALL_WAIT; 503 if who has them does not give them. */
static int bring(struct call *c, const json_t *doc)
{
	const char *id = doc_str(doc, "id");
	json_t *from;

	if (is_here(c, doc))
		return 0;
	if (c->job)
		return settle(c, doc, c->job);
	if (is_under_way(c, id)) {
		json_decref(c->memo);
		c->memo = json_true();
		return call_wait(c, LOOK_MS, "/image/%s/", id);
	}
	if (c->memo) /* it was, for somebody else: not tried again by each who waited */
		return fail(c, doc, "It was tried just now.");
	from = others(c, doc);
	if (json_array_size(from))
		return call_job(c, LANE_FETCH, fetch, fetch_new(c, doc, from), fetch_free);
	json_decref(from);
	return call_fail(c, 500, NULL, "The image's file is not there.");
}

static int handle_download(struct call *c)
{
	const json_t *doc = res_find(c, &image_resource, c->ids[0]);
	auto_free char *path = NULL;
	int rc;

	if (!doc)
		return -ENOENT;
	if (doc_is(doc, "status", "deactivated") && !caller_is_admin(c) && !caller_is_agent(c))
		return call_fail(c, 403, NULL,
				 "The requested image has been deactivated. Image data download is "
				 "forbidden.");
	if (!doc_is(doc, "status", "active") && !doc_is(doc, "status", "deactivated"))
		return call_reply(c, 204, NULL);
	rc = bring(c, doc);
	if (rc)
		return rc;
	path = image_path(c, doc_str(doc, "id"));
	if (!path)
		return -ENOMEM;
	if (!call_header_in(c, "Range"))
		call_header(c, "Content-Md5", doc_str(doc, "checksum"));
	return call_reply_file(c, path, "application/octet-stream");
}

/* GET /replica/ID: what is here, for who knows what it must be. It is not fetched in turn. */
static int give(struct call *c)
{
	const json_t *doc = res_get(c, &image_resource, c->ids[0]);
	auto_free char *path = image_path(c, c->ids[0]);

	if (!doc || !is_here(c, doc))
		return call_fail(c, 404, NULL, "The bytes of image %s are not here.", c->ids[0]);
	return path ? call_reply_file(c, path, "application/octet-stream") : -ENOMEM;
}

static void note(void *arg, const struct store_event *ev)
{
	*(bool *)arg = true;
}

/**
 * image_drop() - Remove the files of images that were deleted at other replicas
 * @c: a periodic call
 *
 * Return: 0.
 */
int image_drop(struct call *c)
{
	struct images *kept = call_kept(c, &image_feature);
	uint64_t now = call_revision(c);
	bool some = false;

	if (call_changes(c, kept->revision, "/image_gone/", note, &some) || some)
		image_sweep_files(c);
	kept->revision = now;
	return 0;
}

const struct route image_download_routes[] = {
	{ "GET", "/v2/images/{}/file", handle_download, RULE_CONTENT },
	{ "GET", "/replica/{}", give, RULE_REPLICA },
	{ NULL },
};
