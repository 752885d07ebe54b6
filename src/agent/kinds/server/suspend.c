/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Suspended servers: the domain is saved to a file and ends, and is restored from it. A domain with
 * VFs cannot be saved, as their state is the switch's: its guest gives them back before, and gets
 * them again afterwards, by the steps of any change of its ports. What was saved goes when the
 * domain runs, and with all that makes it worthless.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/kinds/server/disk.h"
#include "agent/kinds/server/server.h"
#include "base/file.h"
#include "base/loop.h"

#define SAVE_MS	      5000
#define SAVE_EVERY_MS 100

static void saved_path(const char *dir, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%.*s/private/saved", PATH_MAX - 64, dir);
}

/**
 * server_saved() - Is there a file of a saved domain?
 * @dir: the server's directory
 */
bool server_saved(const char *dir)
{
	char path[PATH_MAX];

	saved_path(dir, path);
	return !access(path, F_OK);
}

/*
 * A NIC's netdev goes a moment after the NIC: libvirt takes those away that it had made, and until
 * then QEMU refuses to be saved.
 */
static int save(struct virt *v, const char *server, const char *path, struct err *e)
{
	const uint64_t end = loop_now_ms() + SAVE_MS;
	int rc;

	while ((rc = virt_save(v, server, path, e)) == -EIO && loop_now_ms() < end) {
		sleep_ms(SAVE_EVERY_MS);
		*e = (struct err){ 0 };
	}
	return rc;
}

/**
 * server_suspend() - Save a server that has no VF, and end it
 * @j: job
 *
 * Return: as virt_save(); 0 also where somebody else, killed meanwhile, had begun. Context: blocks.
 */
int server_suspend(struct server_job *j)
{
	char dir[PATH_MAX], path[PATH_MAX];
	int rc;

	saved_path(j->dir, path);
	snprintf(dir, sizeof(dir), "%s/private", j->dir);
	rc = file_mkdirs(dir, 0700, &j->step.e);
	rc = rc ?: save(j->step.agent->virt, j->want.id, path, &j->step.e);
	return rc == -ENOENT && server_saved(j->dir) ? 0 : rc;
}

/**
 * server_forget() - What was saved is not wanted any more
 * @j: job
 *
 * Return: 0 or a negative errno.
 */
int server_forget(struct server_job *j)
{
	char path[PATH_MAX];

	saved_path(j->dir, path);
	return unlink(path) && errno != ENOENT ? err_errno(&j->step.e, "%s", path) : 0;
}

/**
 * server_resume() - Start a server from where it was saved
 * @j: job
 *
 * Return: as virt_restore(). Context: blocks.
 */
int server_resume(struct server_job *j)
{
	char path[PATH_MAX];
	int rc;

	saved_path(j->dir, path);
	j->begun = true;
	rc = virt_restore(j->step.agent->virt, path, &j->step.e);
	return rc ?: server_forget(j);
}

/**
 * server_rebuild() - End a server, and let its disk go: its next start makes another
 * @j: job
 *
 * Return: 0 or a negative errno. Context: blocks.
 */
int server_rebuild(struct server_job *j)
{
	int rc = virt_destroy(j->step.agent->virt, j->want.id, &j->step.e);

	rc = rc ?: disk_sweep(j->dir, "disk", NULL, 0, &j->step.e);
	return rc ?: server_forget(j);
}
