/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A decision is a file that is finished before it has its name, which it gets by a rename that
 * replaces nothing: only the first of many does it. So exactly one of several wishes wins, over
 * kills and power cuts, and nobody has to live for the others to know it. Both candidates, ID.keep
 * and ID.back, can be made beforehand, so that a full disk cannot keep anybody from deciding. The
 * last DECISIONS_KEPT stay, for who has been away.
 */
#include "base/decision.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/uuid.h"

#define DECISIONS_KEPT 64

static const char *const words[] = {
	[DECISION_NONE] = "", [DECISION_KEEP] = "keep\n", [DECISION_BACK] = "back\n"
};

/**
 * decision_id_is() - Is it the name of a decision?
 * @id: text
 *
 * Return: true for DECISION_ID_LEN lower-case hex digits. Context: any; pure.
 */
bool decision_id_is(const char *id)
{
	return strspn(id, "0123456789abcdef") == DECISION_ID_LEN && !id[DECISION_ID_LEN];
}

/**
 * decision_dir() - Where decisions are: beside the state files of those who obey them
 * @state: name of such a file
 * @out:   gets the directory; cut if it is too long, and then there is none such
 *
 * Context: any; pure.
 */
void decision_dir(const char *state, char out[PATH_MAX])
{
	const char *name = strrchr(state, '/');

	snprintf(out, PATH_MAX, "%.*sapply", name ? (int)(name - state) + 1 : 0, state);
}

/* What a file says; NONE: there is no such file. */
static int look(const char *path, enum decision *is, struct err *e)
{
	auto_free char *text = NULL;
	int rc = file_read(path, 64, &text, NULL, NULL);

	*is = DECISION_NONE;
	if (rc == -ENOENT)
		return 0;
	if (rc)
		return err_set(e, rc, "%s: %s", path, strerror(-rc));
	for (enum decision d = DECISION_KEEP; d <= DECISION_BACK; d++)
		if (!strcmp(text, words[d]))
			*is = d;
	return *is ? 0
		   : err_set(e, -EINVAL,
			     "%s is no decision: without it (rm) anyvf confirm or anyvf revert "
			     "decides",
			     path);
}

/* A decision, or a candidate that nobody came to decide about. */
static bool is_ours(const char *name)
{
	char id[DECISION_ID_LEN + 1];

	snprintf(id, sizeof(id), "%.12s", name);
	return decision_id_is(id) && (!name[DECISION_ID_LEN] || name[DECISION_ID_LEN] == '.');
}

/* What there is: how many, and of the times at which they were made the first and the last. */
struct heap {
	unsigned int n;
	char oldest[NAME_MAX + 1];
	struct timespec first, last;
};

static bool before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

static void heap_read(DIR *d, struct heap *h)
{
	const struct dirent *ent;

	*h = (struct heap){ 0 };
	while (d && (ent = readdir(d))) {
		struct stat st;

		if (!is_ours(ent->d_name) || fstatat(dirfd(d), ent->d_name, &st, 0))
			continue;
		if (!h->n || before(&st.st_mtim, &h->first)) {
			snprintf(h->oldest, sizeof(h->oldest), "%s", ent->d_name);
			h->first = st.st_mtim;
		}
		if (!h->n++ || before(&h->last, &st.st_mtim))
			h->last = st.st_mtim;
	}
}

/* Makes room: of more than are kept those that were made first go. */
static void sweep(const char *dir)
{
	struct heap h;

	do {
		DIR *d = opendir(dir);

		heap_read(d, &h);
		if (h.n > DECISIONS_KEPT && unlinkat(dirfd(d), h.oldest, 0))
			h.n = 0;
		if (d)
			closedir(d);
	} while (h.n > DECISIONS_KEPT + 1);
}

/* Of a clock that was set back, as at a boot before the network, the newest is none the less. */
static void stamp(int fd, const char *dir)
{
	struct timespec now[2];
	struct heap h;
	DIR *d = opendir(dir);

	heap_read(d, &h);
	if (d)
		closedir(d);
	clock_gettime(CLOCK_REALTIME, &now[1]);
	if (before(&h.last, &now[1]))
		return;
	h.last.tv_sec++;
	now[0] = now[1] = h.last;
	futimens(fd, now);
}

static void candidate_name(const char *path, enum decision which, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%.*s.%.4s", PATH_MAX - 6, path, words[which]);
}

/*
 * Several accounts decide: the directory is its maker's, and of the group that the one above has
 * (anyvf-swd's, of the switch that is not root), whatever umask and who came first.
 */
static int dir_make(const char *dir, struct err *e)
{
	char up[PATH_MAX];
	struct stat is, above;

	if (mkdir(dir, 0755) && errno != EEXIST)
		return err_errno(e, "%s", dir);
	snprintf(up, sizeof(up), "%.*s/..", PATH_MAX - 4, dir);
	/* Also of one whose maker was killed before it was that. */
	if (!stat(dir, &is) && !stat(up, &above) &&
	    (is.st_gid != above.st_gid || (is.st_mode & 0775) != 0775) &&
	    !chown(dir, (uid_t)-1, above.st_gid))
		(void)!chmod(dir, 0775);
	return 0;
}

static int dir_sync(const char *dir)
{
	auto_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) ? -errno : 0;
}

/* The bytes of a candidate are on the disk before it is the decision. */
static int file_sync(const char *path)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? 0 : fsync(fd) ? -errno : 0; /* else somebody has decided */
}

/* A file with all its bytes that may become the decision. */
static int candidate(const char *dir, const char *path, enum decision which, struct err *e)
{
	char name[PATH_MAX], own[PATH_MAX], nobodys[33];
	enum decision is = DECISION_NONE;
	auto_close int fd = -1;
	int rc, cut;

	/* Of before a power cut there may be the name without the bytes. */
	candidate_name(path, which, name);
	cut = look(name, &is, NULL);
	if (is == which)
		return 0;
	/* Others may be about the same, in another namespace with our process's number. */
	uuid_new_hex(nobodys);
	snprintf(own, sizeof(own), "%.*s.%s", PATH_MAX - 40, path, nobodys);
	fd = open(own, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return err_errno(e, "%s", own);
	rc = fchmod(fd, 0644) || dprintf(fd, "%s", words[which]) < 0 ? -errno : 0;
	stamp(fd, dir);
	if (!rc && cut && fsync(fd)) /* it replaces what another may have synced by now */
		rc = -errno;
	/* What is there may be on the disk already, and about to be the decision. */
	if (!rc && renameat2(AT_FDCWD, own, AT_FDCWD, name, cut ? 0 : RENAME_NOREPLACE) &&
	    errno != EEXIST)
		rc = -errno;
	unlink(own);
	return rc ? err_set(e, rc, "%s: %s", name, strerror(-rc)) : 0;
}

/* Gives the decision its name, unless there is one; both is well. */
static int decide(const char *dir, const char *path, enum decision want, struct err *e)
{
	enum decision other = want == DECISION_KEEP ? DECISION_BACK : DECISION_KEEP;
	char name[PATH_MAX];
	int rc = candidate(dir, path, want, e);

	candidate_name(path, want, name);
	if (!rc && (rc = file_sync(name)))
		err_set(e, rc, "%s: %s", name, strerror(-rc));
	if (rc)
		return rc;
	if (renameat2(AT_FDCWD, name, AT_FDCWD, path, RENAME_NOREPLACE) && errno != EEXIST &&
	    errno != ENOENT)
		return err_errno(e, "%s", path);
	rc = dir_sync(dir);
	if (rc)
		return err_set(e, rc, "%s: %s", path, strerror(-rc));
	unlink(name);
	candidate_name(path, other, name);
	unlink(name);
	return 0;
}

static int ready(const char *dir, const char *path, struct err *e)
{
	return candidate(dir, path, DECISION_KEEP, e) ?: candidate(dir, path, DECISION_BACK, e);
}

/* Who would obey a decision somewhere else would not hear of this one. */
static int join(const char *dir, const char *path, struct err *e)
{
	char name[PATH_MAX];

	candidate_name(path, DECISION_BACK, name);
	return !access(name, F_OK) ? 0
				   : err_set(e, -EXDEV,
					     "%s has nothing of the other daemon's: their state "
					     "files (--state) "
					     "must be in one directory",
					     dir);
}

/**
 * decision_take() - Decide, or hear what was decided
 * @dir:  of decisions; made if it is not there
 * @id:   which
 * @want: what to decide, if nobody has yet; NONE, READY, JOIN: nothing
 * @is:   gets what holds, for ever; NONE: nothing does, and nothing was wanted
 * @e:    error text; then nobody knows
 *
 * Return: 0, -EINVAL, -EXDEV (JOIN: nobody has been here), or the errno of a file (-ENOSPC, ...).
 * Context: any; waits for the disk.
 */
int decision_take(const char *dir, const char *id, enum decision want, enum decision *is,
		  struct err *e)
{
	char path[PATH_MAX];
	int rc;

	if (!decision_id_is(id))
		return err_set(e, -EINVAL, "\"%.64s\" is no name of a decision", id);
	if (snprintf(path, sizeof(path), "%s/%s", dir, id) >= (int)sizeof(path))
		return err_set(e, -ENAMETOOLONG, "%s: name too long", dir);
	rc = look(path, is, e);
	if (rc || want == DECISION_NONE)
		return rc;
	if (!*is && want == DECISION_JOIN)
		return join(dir, path, e);
	if (*is) /* who made it so may not have come to say so to the disk */
		return (rc = dir_sync(dir)) ? err_set(e, rc, "%s: %s", dir, strerror(-rc)) : 0;
	rc = dir_make(dir, e);
	if (!rc && want == DECISION_READY) {
		sweep(dir);
		return ready(dir, path, e);
	}
	rc = rc ?: decide(dir, path, want, e) ?: look(path, is, e);
	if (!rc)
		sweep(dir);
	return rc ?: *is ? rc : err_set(e, -EIO, "%s is not there", path);
}
