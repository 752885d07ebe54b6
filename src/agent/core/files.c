/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's directory: who may look into it, paths in it, and records that outlive the agent. */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/core/state.h"
#include "base/file.h"

#define RECORD_MAX 65536

/**
 * agent_make_dir() - Make a directory in the agent's own
 * @a:    agent
 * @name: its name
 * @e:    error text, may be NULL
 *
 * It is for QEMU's group, which runs as libvirt-qemu; tenants' data is for nobody else. What an
 * agent had half written in it when it was killed goes.
 *
 * Return: 0 or a negative errno.
 */
int agent_make_dir(const struct agent *a, const char *name, struct err *e)
{
	const struct group *group = getgrnam("libvirt-qemu");
	char path[PATH_MAX];
	struct stat st;
	int rc;

	snprintf(path, sizeof(path), "%s/%s", a->dir, name);
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
 * agent_socket_path() - Where a port's VF listens and its domain connects
 * @a:    agent
 * @port: port id
 * @out:  gets the path
 */
void agent_socket_path(const struct agent *a, const char *port, char out[VF_PATH_LEN + 1])
{
	snprintf(out, VF_PATH_LEN + 1, "%s/vhost/%.11s/sock", a->opts.run_dir, port);
}

/**
 * agent_server_dir() - Where a server's files lie
 * @a:      agent
 * @server: id
 * @out:    gets the path
 */
void agent_server_dir(const struct agent *a, const char *server, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/servers/%s", a->dir, server);
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
