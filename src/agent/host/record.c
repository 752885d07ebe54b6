/* SPDX-License-Identifier: Apache-2.0 */
/* See record.h: files of the agent's directory, and who may look into it. */
#include "agent/host/record.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/field.h"
#include "base/file.h"
#include "base/log.h"

#define RECORD_MAX 65536

/**
 * record_dir() - Make a directory in the agent's own
 * @dir:  the agent's
 * @name: its name
 * @e:    error text, may be NULL
 *
 * It is for QEMU's group, which runs as libvirt-qemu; tenants' data is for nobody else. What an
 * agent had half written in it when it was killed goes.
 *
 * Return: 0 or a negative errno.
 */
int record_dir(const char *dir, const char *name, struct err *e)
{
	const struct group *group = getgrnam("libvirt-qemu");
	char path[PATH_MAX];
	struct stat st;
	int rc;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	rc = file_mkdirs(path, 0755, e);
	file_sweep(path);
	if (!rc && stat(path, &st))
		rc = err_errno(e, "%s", path);
	if (rc || !group || st.st_uid != geteuid()) /* others' are as they want them */
		return rc;
	if (chown(path, (uid_t)-1, group->gr_gid) ? errno != EPERM : chmod(path, 0750))
		return err_errno(e, "%s", path);
	return 0;
}

/**
 * record_read() - What an agent before this one has kept
 * @path: of the record
 *
 * Return: a new reference, or NULL: there is none, or none that can be read.
 */
json_t *record_read(const char *path)
{
	auto_free char *text = NULL;
	size_t size;

	return file_read(path, RECORD_MAX, &text, &size, NULL) ? NULL
							       : json_loadb(text, size, 0, NULL);
}

/**
 * record_write() - Keep what an agent after this one has to know
 * @path:   of the record; its directory exists
 * @record: taken over; NULL: out of memory, and the record stays as it was
 */
void record_write(const char *path, json_t *record)
{
	auto_of(json_decref) json_t *owned = record;
	auto_free char *text = record ? json_dumps(record, JSON_COMPACT) : NULL;
	struct err e = { 0 };

	if (text && file_replace(path, text, strlen(text), 0600, &e))
		log_err("a record cannot be written", "why=\"%s\"", e.msg);
}

/**
 * record_drop() - Keep it no longer
 * @path: of the record; it may be gone
 */
void record_drop(const char *path)
{
	unlink(path);
}
