/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's scratch memory for veb_forward(). */
#include <stdlib.h>

#include "veb/veb.h"

/**
 * veb_out_new() - Make the scratch memory of one worker
 * @stats: array of VEB_PORTS_MAX counters that this worker alone writes; borrowed
 *
 * Return: an empty out, or NULL without memory.
 * Context: control, before the worker starts.
 */
struct veb_out *veb_out_new(struct vf_stats *stats)
{
	struct veb_out *out;

	if (posix_memalign((void **)&out, 64, sizeof(*out)))
		return NULL;
	memset(out, 0, sizeof(*out));
	out->stats = stats;
	return out;
}

/**
 * veb_out_free() - Free a worker's scratch memory
 * @out: or NULL
 *
 * Context: control, after the worker ended.
 */
void veb_out_free(struct veb_out *out)
{
	free(out);
}
