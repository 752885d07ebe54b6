/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image cache. A file's name is the image's id, format and checksum: what was fetched as one
 * format is never used as another, and an id that comes to mean something else is another file.
 * The checksum is verified when the file comes, the header is judged whenever it is used.
 *
 * Each server's directory has links to the files it uses; a file nobody links to goes a day after
 * its last use.
 */
#include "agent/kinds/server/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/imghdr.h"
#include "base/log.h"
#include "base/md5.h"
#include "base/sha512.h"

#define UNUSED_S (24 * 3600)

/* Files that somebody fetches or begins to use: nobody else does, and they are not removed. */
static struct busy {
	struct busy *next;
	const char *path;
} * busy; /* Writer: whoever holds busy_lock. */
static pthread_mutex_t busy_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t busy_less = PTHREAD_COND_INITIALIZER;

static bool is_busy(const char *path)
{
	for (const struct busy *b = busy; b; b = b->next)
		if (!strcmp(b->path, path))
			return true;
	return false;
}

static void busy_begin(struct busy *mine)
{
	pthread_mutex_lock(&busy_lock);
	while (is_busy(mine->path))
		pthread_cond_wait(&busy_less, &busy_lock);
	mine->next = busy;
	busy = mine;
	pthread_mutex_unlock(&busy_lock);
}

static void busy_end(struct busy *mine)
{
	struct busy **at = &busy;

	pthread_mutex_lock(&busy_lock);
	while (*at != mine)
		at = &(*at)->next;
	*at = mine->next;
	pthread_cond_broadcast(&busy_less);
	pthread_mutex_unlock(&busy_lock);
}

/* SHA-512 in hex; MD5 (with @old) for images of servers made before. */
static int sum_of(int fd, bool old, char out[2 * SHA512_LEN + 1])
{
	static const size_t room = 1 << 18;
	auto_free uint8_t *buf = malloc(room);
	uint8_t sum[SHA512_LEN];
	struct sha512 sha512;
	struct md5 md5;
	ssize_t n = 0;

	if (!buf)
		return -ENOMEM;
	sha512_init(&sha512);
	md5_init(&md5);
	for (off_t at = 0; (n = pread(fd, buf, room, at)) > 0; at += n) {
		if (old)
			md5_update(&md5, buf, (size_t)n);
		else
			sha512_update(&sha512, buf, (size_t)n);
	}
	if (n < 0)
		return -errno;
	if (old)
		md5_final(&md5, sum);
	else
		sha512_final(&sha512, sum);
	for (unsigned int i = 0; i < (old ? MD5_LEN : SHA512_LEN); i++)
		snprintf(out + 2 * i, 3, "%02x", sum[i]);
	return 0;
}

static int check_sum(int fd, const char *hash, struct err *e)
{
	char sum[2 * SHA512_LEN + 1];
	int rc = *hash ? sum_of(fd, strlen(hash) == 2 * MD5_LEN, sum) : 0;

	if (rc)
		return err_set(e, rc, "it cannot be read: %s", strerror(-rc));
	if (!*hash || !strcmp(hash, sum))
		return 0;
	return err_set(e, -EBADMSG, "its checksum is wrong: what came is not what was uploaded");
}

/* Into @part: from the API, or what an older agent kept under the id alone. */
static int bring(struct door *door, const char *dir, const struct want_file *want, const char *part,
		 struct err *e)
{
	auto_close int fd = -1;
	char url[128], old[PATH_MAX];
	int rc;

	snprintf(old, sizeof(old), "%s/%s", dir, want->id);
	if (!rename(old, part)) {
		fd = open(part, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd >= 0 && !check_sum(fd, want->hash, NULL))
			return 0;
		auto_close_(&fd);
	}
	fd = open(part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return err_errno(e, "%s", part);
	snprintf(url, sizeof(url), "/image/v2/images/%s/file", want->id);
	rc = door_fetch(door, url, fd, e);
	return rc ? rc : check_sum(fd, want->hash, e);
}

static int fetch(struct door *door, const char *dir, const struct want_file *want, const char *path,
		 struct err *e)
{
	char part[PATH_MAX];
	int rc;

	snprintf(part, sizeof(part), "%s.part", path);
	rc = bring(door, dir, want, part, e);
	if (!rc && rename(part, path))
		rc = err_errno(e, "%s", path);
	if (rc)
		unlink(part);
	return rc;
}

static int put_link(const char *path, const char *link, struct err *e)
{
	char fresh[PATH_MAX];

	snprintf(fresh, sizeof(fresh), "%s.new", link);
	unlink(fresh);
	return symlink(path, fresh) || rename(fresh, link) ? err_errno(e, "%s", link) : 0;
}

static int use(struct door *door, const char *dir, const struct want_file *want, const char *link,
	       struct cache_file *out, struct err *e)
{
	auto_close int fd = -1;
	int rc = access(out->path, F_OK) ? fetch(door, dir, want, out->path, e) : 0;

	if (rc)
		return rc;
	fd = open(out->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_errno(e, "%s", out->path);
	futimens(fd, NULL);
	rc = imghdr_judge_file(fd, want->format, &out->size, e);
	return rc ? rc : put_link(out->path, link, e);
}

/**
 * cache_get() - Have an image on this host
 * @door: to fetch it through
 * @dir:  the cache
 * @want: the image; its format is one of imghdr.h's, as it becomes part of a file's name
 * @link: path of the link by which the server holds the file; replaced
 * @out:  gets path and size, valid on success
 * @e:    error text, may be NULL
 *
 * Return: 0; -EBADMSG when the bytes are not those that were uploaded; -EMEDIUMTYPE or -EINVAL when
 * imghdr_judge() refuses them; or what door_fetch() says. Context: blocks; two that want an image
 * at once fetch it once, and nobody waits for another image.
 */
int cache_get(struct door *door, const char *dir, const struct want_file *want, const char *link,
	      struct cache_file *out, struct err *e)
{
	struct busy mine = { .path = out->path };
	int rc;

	snprintf(out->path, sizeof(out->path), "%s/%s.%s.%.32s", dir, want->id, want->format,
		 *want->hash ? want->hash : "unknown");
	busy_begin(&mine);
	rc = use(door, dir, want, link, out, e);
	busy_end(&mine);
	if (rc)
		err_prefix(e, "image %s", want->id);
	return rc;
}

/* Does a server's directory have a link to it? */
static bool is_linked(const char *servers, const char *path)
{
	static const char *const links[] = { CACHE_BASE,
					     CACHE_KERNEL,
					     CACHE_INITRD,
					     CACHE_RESCUE CACHE_BASE,
					     CACHE_RESCUE CACHE_KERNEL,
					     CACHE_RESCUE CACHE_INITRD };
	DIR *dir = opendir(servers);
	struct dirent *ent;
	bool found = false;

	while (dir && !found && (ent = readdir(dir))) {
		for (size_t i = 0; !found && i < ARRAY_LEN(links); i++) {
			char link[PATH_MAX], target[PATH_MAX];
			ssize_t n;

			snprintf(link, sizeof(link), "%s/%s", ent->d_name, links[i]);
			n = readlinkat(dirfd(dir), link, target, sizeof(target) - 1);
			target[MAX(n, (ssize_t)0)] = '\0';
			found = !strcmp(target, path);
		}
	}
	if (dir)
		closedir(dir);
	return found;
}

/**
 * cache_evict() - Remove what nobody has used for a day
 * @dir:     the cache
 * @servers: directory of the servers' directories
 *
 * Context: any thread; blocks.
 */
void cache_evict(const char *dir, const char *servers)
{
	DIR *d = opendir(dir);
	struct dirent *ent;

	pthread_mutex_lock(&busy_lock);
	while (d && (ent = readdir(d))) {
		char path[PATH_MAX];
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", dir, ent->d_name);
		/* Names without a dot are an older agent's, whose servers have no links. */
		if (*ent->d_name == '.' || !strchr(ent->d_name, '.') || lstat(path, &st) ||
		    st.st_mtime > time(NULL) - UNUSED_S || is_busy(path) ||
		    is_linked(servers, path))
			continue;
		if (!unlink(path))
			log_info("removed an image nobody uses", "file=%s", path);
	}
	pthread_mutex_unlock(&busy_lock);
	if (d)
		closedir(d);
}
