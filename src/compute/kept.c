/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of what is over: bounded by project and by age, lest it fills the store. */
#include "compute/compute.h"

#define KEPT_MAX 100 /* of a project; the oldest makes room */
#define KEPT_US	 (30 * 86400 * 1000000LL)
#define SWEPT	 (STORE_OPS_MAX / 4) /* in one transaction */

/**
 * kept_make_room() - Forget a project's oldest, if it has as many as there may be
 * @c:       the call that remembers one more
 * @r:       resource, with project_id
 * @stamp:   member that says since when, in microseconds since 1970
 * @project: id
 *
 * Return: 0 or a negative errno.
 */
int kept_make_room(struct call *c, const struct resource *r, const char *stamp, const char *project)
{
	struct cursor it = res_list(c, r, "project_id", project);
	const json_t *oldest = NULL;
	unsigned int n = 0;

	for (; cursor_next(&it); n++)
		if (!oldest || doc_int(it.doc, stamp) < doc_int(oldest, stamp))
			oldest = it.doc;
	return n < KEPT_MAX ? 0 : res_delete(c, r, doc_str(oldest, "id"));
}

/**
 * kept_sweep() - Forget what was long ago; some: the rest next time
 * @c:     a periodic call
 * @r:     resource
 * @stamp: as kept_make_room()
 *
 * Return: 0 or a negative errno.
 */
int kept_sweep(struct call *c, const struct resource *r, const char *stamp)
{
	struct cursor it = res_list(c, r, NULL, NULL);
	int64_t before = c->now_us - KEPT_US;
	unsigned int n = 0;
	int rc = 0;

	while (!rc && n < SWEPT && cursor_next(&it))
		if (doc_int(it.doc, stamp) < before) {
			rc = res_delete(c, r, doc_str(it.doc, "id"));
			n++;
		}
	return rc;
}
