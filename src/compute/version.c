/* SPDX-License-Identifier: Apache-2.0 */
/* Microversions: which one a client asked for. */
#include <stdio.h>
#include <string.h>

#include "compute/compute.h"

/* "2.61", "latest"; OpenStack-API-Version has "compute " in front. -1: not a version. */
static int parse_minor(const char *text)
{
	unsigned int minor;
	char rest;

	if (!strcmp(text, "latest"))
		return COMPUTE_MINOR_MAX;
	return sscanf(text, "2.%3u%c", &minor, &rest) == 1 && minor ? (int)minor : -1;
}

static const char *asked_version(const struct call *c)
{
	const char *text = call_header_in(c, "OpenStack-API-Version");

	if (text && !strncmp(text, "compute ", 8))
		return text + 8;
	return call_header_in(c, "X-OpenStack-Nova-API-Version");
}

/**
 * compute_minor() - The microversion the client asked for
 * @c: a call of the compute service
 *
 * Return: 1..COMPUTE_MINOR_MAX, 1 when it did not ask.
 */
unsigned int compute_minor(const struct call *c)
{
	const char *text = asked_version(c);
	int minor = text ? parse_minor(text) : 1;

	return minor < 1 ? 1 : MIN((unsigned int)minor, COMPUTE_MINOR_MAX + 0u);
}

/**
 * version_until() - Does a route still answer? Nova has ended some
 * @c:    a call of the compute service
 * @last: the minor microversion it ended with
 *
 * Return: 0, or after call_fail() with 404.
 */
int version_until(struct call *c, unsigned int last)
{
	if (compute_minor(c) <= last)
		return 0;
	return call_fail(c, 404, "HTTPNotFound", "The resource could not be found.");
}

/**
 * version_begin() - Before each handler: which version answers
 * @c: a call of the compute service
 *
 * Return: 0; after call_fail() 400 for what is no version, 406 for one that is not served.
 */
int version_begin(struct call *c)
{
	const char *text = asked_version(c);
	int minor = text ? parse_minor(text) : 1;
	char value[32];

	if (minor < 0)
		return call_fail(c, 400, "BadRequest",
				 "API Version String %s is of invalid format. It must be of format "
				 "Major.Minor between 2.1 and 2.%d.",
				 text, COMPUTE_MINOR_MAX);
	if (minor > COMPUTE_MINOR_MAX)
		return call_fail(
			c, 406, "NotAcceptable",
			"Version 2.%d is not supported by the API. Minimum is 2.1 and maximum is "
			"2.%d.",
			minor, COMPUTE_MINOR_MAX);
	snprintf(value, sizeof(value), "compute 2.%d", minor);
	call_header(c, "OpenStack-API-Version", value);
	call_header(c, "X-OpenStack-Nova-API-Version", value + 8);
	call_header(c, "x-compute-request-id", c->request_id);
	call_header(c, "Vary", "OpenStack-API-Version, X-OpenStack-Nova-API-Version");
	return 0;
}
