/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image of a server's disk. A step copies the disk's file, with the guest's CPUs stopped for as
 * long; then, beside the steps, the copy and what lies under it become one image, which goes up.
 * The document's `snapshot` names the image; that it is done, or why not, is reported until the
 * document names it no more.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/host/root.h"
#include "agent/kinds/server/disk.h"
#include "agent/kinds/server/server.h"
#include "base/file.h"
#include "base/imghdr.h"

#define COPY	  "private/snapshot.qcow2" /* in a directory of no QEMU */
#define OUT	  "private/snapshot.out"
#define CONVERT_S 3600 /* of time and of CPU time */
#define TABLES_MAX                                                                                 \
	(64ULL << 20) /* bytes of a qcow2 beside its clusters: below, and a part of them */

static void path_in(const char *dir, const char *name, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%.*s/%s", PATH_MAX - 64, dir, name);
}

/* A file's copy at @to, which is there whole or not at all. */
static int copy_file(const char *from, const char *to, struct err *e)
{
	auto_close int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), out = -1;
	char part[PATH_MAX + 8];
	int rc;

	if (in < 0)
		return err_errno(e, "%s", from);
	snprintf(part, sizeof(part), "%s.part", to);
	/* Who makes the image of it is nobody on this host, and is handed a descriptor. */
	out = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (out < 0)
		return err_errno(e, "%s", part);
	rc = fchmod(out, 0644) ? -errno : file_copy(in, out);
	if (!rc && rename(part, to))
		rc = -errno;
	if (rc)
		unlink(part);
	return rc ? err_set(e, rc, "%s: %s", to, strerror(-rc)) : 0;
}

/**
 * server_copy() - Copy a server's disk
 * @j: job
 *
 * A guest that runs stands still meanwhile, so that the copy is of one moment. It goes on even when
 * we do not get to let it: its document says that it is on.
 *
 * Return: 0 or a negative errno, with words in the job's step. Context: blocks.
 */
int server_copy(struct server_job *j)
{
	struct virt *v = j->step.agent->virt;
	enum domain_state state;
	char disk[PATH_MAX], copy[PATH_MAX], dir[PATH_MAX];
	int rc = virt_state(v, j->want.id, &state, &j->step.e), again = 0;

	disk_path(j->dir, "disk", j->want.disk, disk);
	path_in(j->dir, COPY, copy);
	path_in(j->dir, "private", dir);
	rc = rc ?: file_mkdirs(dir, 0700, &j->step.e);
	if (!rc && state == DOMAIN_RUNNING)
		rc = virt_pause(v, j->want.id, true, &j->step.e);
	if (rc)
		return rc;
	rc = copy_file(disk, copy, &j->step.e);
	if (state == DOMAIN_RUNNING)
		again = virt_pause(v, j->want.id, false, &j->step.e);
	return rc ?: again;
}

/**
 * server_tidy() - Remove what the making of an image left
 * @dir: the server's directory
 */
void server_tidy(const char *dir)
{
	static const char *const names[] = { COPY, OUT };
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		path_in(dir, names[i], path);
		unlink(path);
	}
}

/**
 * server_littered() - Is there something for server_tidy()?
 * @dir: the server's directory
 */
bool server_littered(const char *dir)
{
	char copy[PATH_MAX], out[PATH_MAX];

	path_in(dir, COPY, copy);
	path_in(dir, OUT, out);
	return !access(copy, F_OK) || !access(out, F_OK);
}

struct export_job {
	struct agent *agent;
	struct server *server; /* stays as long as this runs */
	char image[UUID_STR_LEN], dir[PATH_MAX - 64], base_driver[16];
	int rc;
	struct err e;
};

/* Copy and base become one qcow2, by a program that sees their descriptors alone. */
static int flatten(struct export_job *j, int copy, int base, int out)
{
	static const char under[] = "json:{\"file\":{\"driver\":\"file\",\"filename\":"
				    "\"/proc/self/fd/3\"},\"backing\":{\"driver\":\"%s\",\"file\":"
				    "{\"driver\":\"file\",\"filename\":\"/proc/self/fd/4\"}%s}}";
	const int fds[] = { copy, base, out };
	uint8_t head[32] = "";
	uint64_t size = 0;
	char disk[256];
	const char *const argv[] = { "qemu-img",	"convert", "-q",    "-f",
				     "qcow2",		"-O",	   "qcow2", disk,
				     "/proc/self/fd/5", NULL };

	if (pread(copy, head, sizeof(head), 0) != sizeof(head))
		return err_set(&j->e, -EIO, "the disk has no header");
	for (int i = 24; i < 32; i++) /* its size, big-endian */
		size = size << 8 | head[i];
	snprintf(disk, sizeof(disk), under, j->base_driver,
		 strcmp(j->base_driver, "qcow2") ? "" : ",\"backing\":null");
	return root_tool(argv,
			 &(struct sandbox){ .memory = 1U << 30,
					    .file_size = size + size / 256 + TABLES_MAX,
					    .cpu_s = CONVERT_S,
					    .fds = fds,
					    .n_fds = ARRAY_LEN(fds) },
			 CONVERT_S * 1000, &j->e);
}

static int upload(struct export_job *j, int fd)
{
	char url[128];

	snprintf(url, sizeof(url), "/image/v2/images/%s/snapshot", j->image);
	return door_upload(j->agent->door, url, fd, &j->e);
}

static void export_run(void *arg)
{
	struct export_job *j = arg;
	auto_close int copy = -1, base = -1, out = -1;
	char path[PATH_MAX];

	path_in(j->dir, COPY, path);
	copy = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	path_in(j->dir, CACHE_BASE, path);
	base = open(path, O_RDONLY | O_CLOEXEC);
	path_in(j->dir, OUT, path);
	out = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
	if (copy < 0 || base < 0 || out < 0 || fchmod(out, 0666))
		j->rc = err_errno(&j->e, "the files of a snapshot");
	else
		j->rc = flatten(j, copy, base, out) ?: upload(j, out);
	if (j->rc == -ESTALE) /* it had gone up before we were killed */
		j->rc = 0;
	if (!plan_passes(j->rc))
		server_tidy(j->dir);
}

static void export_done(void *arg)
{
	struct export_job *j = arg;
	struct server *s = j->server;

	s->exporting = false;
	retry_later(&s->export_retry, "a disk does not become an image", s->facts.entity.id,
		    j->rc ? &j->e : NULL);
	if (!plan_passes(j->rc))
		server_exported(j->agent, s, j->image, j->rc ? j->e.msg : "");
	agent_wake(j->agent, SIDE_NONE);
	free(j);
}

/**
 * server_exported() - Remember what became of an image
 * @a:     agent
 * @s:     server
 * @image: id
 * @why:   why it was not made; "": it was
 */
void server_exported(const struct agent *a, struct server *s, const char *image, const char *why)
{
	log_info(*why ? "made no image of a server" : "made an image of a server",
		 "id=%s image=%s why=\"%s\"", s->facts.entity.id, image, why);
	snprintf(s->exported, sizeof(s->exported), "%s", image);
	snprintf(s->export_fault, sizeof(s->export_fault), "%s", why);
	s->copied[0] = '\0';
	server_keep(a, s);
}

/**
 * server_export() - Go on with an image whose disk was copied, beside steps
 * @a: agent
 * @x: server
 */
void server_export(struct agent *a, struct entity *x)
{
	struct server *s = (struct server *)x;
	const struct want_server *want = &s->facts.want;
	/* The document of a deleted server says nothing of its image. */
	const char *driver = x->wanted && want->snapshot && !want->deleted
				     ? imghdr_driver(want->image.disk.format)
				     : NULL;
	struct export_job *j;
	char dir[PATH_MAX];

	if (!driver || s->exporting || strcmp(s->copied, want->snapshot) ||
	    !retry_due(&s->export_retry, 0) || !(j = calloc(1, sizeof(*j))))
		return;
	j->agent = a;
	j->server = s;
	agent_server_dir(a, x->id, dir);
	snprintf(j->dir, sizeof(j->dir), "%.*s", (int)sizeof(j->dir) - 1, dir);
	snprintf(j->image, sizeof(j->image), "%s", want->snapshot);
	snprintf(j->base_driver, sizeof(j->base_driver), "%s", driver);
	if (work_push(s->exports, export_run, export_done, j))
		free(j);
	else
		s->exporting = true;
}

/**
 * server_export_status() - What is reported of the image the document asks for
 * @s: server
 *
 * Return: a new object, or null: nothing yet.
 */
json_t *server_export_status(const struct server *s)
{
	const char *image = s->facts.want.snapshot;
	bool done = image && !strcmp(s->exported, image);

	if (!done && (!image || strcmp(s->copied, image)))
		return json_null();
	return json_pack("{s:s,s:s,s:o}", "image", image, "status",
			 !done		    ? "uploading"
			 : *s->export_fault ? "failed"
					    : "done",
			 "reason", report_words(done ? s->export_fault : ""));
}
