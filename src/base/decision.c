/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A decision is a file that is finished before it has its name, by link(2), which only the first
 * of many does: so exactly one of several wishes wins, over kills and power cuts, and nobody has to
 * live for the others to know it. The last DECISIONS_KEPT stay, for who has been away.
 */
#include "base/decision.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

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
	return *is ? 0 : err_set(e, -EINVAL, "%s is no decision", path);
}

/* Makes room: of more than are kept the one that was made first goes. */
static void sweep(const char *dir)
{
	char oldest[NAME_MAX + 1];
	unsigned int n = 0;
	struct timespec first = { 0 };
	const struct dirent *ent;
	DIR *d = opendir(dir);

	while (d && (ent = readdir(d))) {
		struct stat st;

		if (!decision_id_is(ent->d_name) || fstatat(dirfd(d), ent->d_name, &st, 0))
			continue;
		if (!n++ || st.st_mtim.tv_sec < first.tv_sec ||
		    (st.st_mtim.tv_sec == first.tv_sec && st.st_mtim.tv_nsec < first.tv_nsec)) {
			snprintf(oldest, sizeof(oldest), "%s", ent->d_name);
			first = st.st_mtim;
		}
	}
	if (n > DECISIONS_KEPT)
		unlinkat(dirfd(d), oldest, 0);
	if (d)
		closedir(d);
}

/* A finished file under its name, unless there is one. */
static int make(const char *dir, const char *path, enum decision want, struct err *e)
{
	char made[PATH_MAX];
	auto_close int fd = -1, at = -1;
	int rc = file_mkdirs(dir, 0755, e);

	if (rc)
		return rc;
	if (snprintf(made, sizeof(made), "%s.%d", path, (int)getpid()) >= (int)sizeof(made))
		return err_set(e, -ENAMETOOLONG, "%s: name too long", path);
	unlink(made);
	fd = open(made, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return err_errno(e, "%s", made);
	rc = fchmod(fd, 0644) ? -errno : file_fill(fd, words[want], strlen(words[want]));
	if (!rc && link(made, path) && errno != EEXIST)
		rc = -errno;
	unlink(made);
	at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!rc && (at < 0 || fsync(at)))
		rc = -errno;
	return rc ? err_set(e, rc, "%s: %s", path, strerror(-rc)) : 0;
}

/**
 * decision_take() - Decide, or hear what was decided
 * @dir:  of decisions; made if it is not there
 * @id:   which
 * @want: what to decide, if nobody has yet; NONE: nothing
 * @is:   gets what holds, for ever; NONE: nothing does, and nothing was wanted
 * @e:    error text; then nobody knows
 *
 * Return: 0, -EINVAL, or the errno of a file (-ENOSPC, -EROFS, ...).
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
	if (rc || *is || want == DECISION_NONE)
		return rc;
	rc = make(dir, path, want, e) ?: look(path, is, e);
	if (!rc)
		sweep(dir);
	return rc ?: *is ? rc : err_set(e, -EIO, "%s is not there", path);
}
