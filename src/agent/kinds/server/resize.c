/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server's disks have numbers. Another number in its document is a copy of the disk `before` it,
 * which is kept as long as the document names it: to go back is to boot from that again. A copy is
 * there whole or not at all, and what is there already is not made again.
 */
#include <stdio.h>
#include <unistd.h>

#include "agent/kinds/server/disk.h"
#include "agent/kinds/server/server.h"

/**
 * server_resize() - Have the disk that the document names, if it is to be a copy of another
 * @j: job of a server that is off
 *
 * One that is to be made of an image is made when the server starts.
 *
 * Return: 0 or a negative errno, with words in the job's step. Context: blocks.
 */
int server_resize(struct server_job *j)
{
	char from[PATH_MAX], disk[PATH_MAX];

	if (j->want.disk == j->disk || j->want.before < 0)
		return 0;
	disk_path(j->dir, "disk", (unsigned int)j->want.before, from);
	disk_path(j->dir, "disk", j->want.disk, disk);
	if (!access(disk, F_OK) || access(from, F_OK))
		return 0;
	return disk_copy(from, j->want.disk_gb, disk, &j->step.e);
}

/**
 * server_sweep() - Remove the disks that the document does not name
 * @j: job of a server that has the disk it names
 *
 * Return: 0 or a negative errno, with words in the job's step.
 */
int server_sweep(struct server_job *j)
{
	const unsigned int keep[] = { j->want.disk, (unsigned int)j->want.before };

	return disk_sweep(j->dir, "disk", keep, j->want.before < 0 ? 1 : 2, &j->step.e);
}
