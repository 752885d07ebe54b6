/* SPDX-License-Identifier: Apache-2.0 */
/* Runs what a resource's own table and the features have to say when a document changes. */
#include "engine/impl.h"

/* other: the document as it was, or what is shown. */
static int run_hook(struct call *c, const struct hook *h, enum moment when, json_t *doc,
		    json_t *other)
{
	switch (when) {
	case ON_PREPARE:
		return h->prepare ? h->prepare(c, doc, other) : 0;
	case ON_CHECK:
		return h->check ? h->check(c, doc, other) : 0;
	case ON_CREATED:
		return h->created ? h->created(c, doc) : 0;
	case ON_UPDATED:
		return h->updated ? h->updated(c, doc, other) : 0;
	case ON_DELETED:
		return h->deleted ? h->deleted(c, doc) : 0;
	case ON_SHOW:
		return h->show ? h->show(c, doc, other) : 0;
	}
	return 0;
}

/**
 * hooks_run() - Run a resource's own hook, then those of features, to the first fault
 * @c:     the call
 * @r:     resource
 * @when:  which
 * @doc:   its document
 * @other: the document as it was; on ON_SHOW what is shown; or NULL
 *
 * Return: 0; what the hook that refused said.
 */
int hooks_run(struct call *c, const struct resource *r, enum moment when, json_t *doc,
	      json_t *other)
{
	const struct hook own = { r, r->check, r->created, r->updated, r->deleted, r->show };
	const struct hook **more = schema_of(c->priv->eng->schemas, r).hooks;
	int rc = run_hook(c, &own, when, doc, other);

	for (; !rc && more && *more; more++)
		rc = run_hook(c, *more, when, doc, other);
	return rc;
}
