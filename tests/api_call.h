/* SPDX-License-Identifier: Apache-2.0 */
/* Calls into an engine without HTTP: for unit tests and fuzz targets. */
#ifndef ANYVF_TESTS_API_CALL_H
#define ANYVF_TESTS_API_CALL_H

#include <string.h>

#include "engine/impl.h"

/* Runs METHOD TARGET with a body as somebody, up to the commit; the answer's status and JSON. */
static inline unsigned int api_call(struct engine *eng, const struct auth *who, const char *method,
				    const char *target, const char *body, json_t **reply)
{
	struct call *c = run_new(eng, NULL);
	unsigned int status;
	int rc;

	c->now_us = run_now_us();
	c->auth = who;
	c->priv->authenticated = true;
	rc = route_find(c, method, target) ?: policy_judge(c);
	if (!rc && body) {
		c->body = json_loads(body, JSON_DECODE_ANY, NULL);
		rc = c->body ? 0 : fault_bad_body(c);
	}
	if (!rc && c->service->begin)
		rc = c->service->begin(c);
	do
		if (rc >= 0)
			rc = c->priv->handle ? c->priv->handle(c)
					     : c->priv->res_handle(c, c->priv->resource);
	while (rc == CALL_WAIT && c->priv->kept);
	if (rc < 0)
		call_undo(c);
	else
		rc = group_take(c);
	status = c->priv->fault_status ? c->priv->fault_status : rc < 0 ? 500 : c->status;
	if (reply)
		*reply = c->priv->fault_status ? fault_json(c)
			 : c->priv->text.data  ? json_loads(c->priv->text.data, 0, NULL)
					       : json_incref(c->reply);
	call_free(c);
	return status;
}

#endif
