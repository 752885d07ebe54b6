/* SPDX-License-Identifier: Apache-2.0 */
/* One page: asked for, written, forgotten. */
#include "metrics/page.h"

#include "metrics/metrics.h"

/**
 * metrics_page() - What a host counts, now
 * @opts: which daemons, for how long, in which format
 * @out:  empty; gets the text, the caller's
 *
 * Return: 0, -ENOMEM or -EMSGSIZE. A daemon that does not answer is no failure; why is
 * in opts->why.
 * Context: blocks no longer than opts->timeout_ms.
 */
int metrics_page(const struct metrics_opts *opts, struct buf *out)
{
	struct prom p = { .open = opts->open };
	struct told t;
	int rc;

	told_collect(opts, &t);
	pfs_write(&p, &t);
	vfs_write(&p, &t);
	if (opts->sriov)
		vfs_write_sriov(&p, &t);
	told_free(&t);
	rc = prom_end(&p);
	if (rc)
		buf_fini(&p.text);
	else
		*out = p.text;
	return rc;
}
