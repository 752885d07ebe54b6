/* SPDX-License-Identifier: Apache-2.0 */
/* What a request tells of itself. */
#include <gnutls/gnutls.h>

#include "http/impl.h"

/**
 * http_method() - The request's method
 * @req: request
 */
const char *http_method(const struct http_req *req)
{
	return req->method;
}

/**
 * http_target() - The request's target as it was sent, query included
 * @req: request
 */
const char *http_target(const struct http_req *req)
{
	return req->target;
}

/**
 * http_header() - A header of the request
 * @req:  request
 * @name: in any case
 *
 * Return: its first value, valid until the answer; NULL if there is none.
 */
const char *http_header(const struct http_req *req, const char *name)
{
	return MHD_lookup_connection_value(req->mhd, MHD_HEADER_KIND, name);
}

/**
 * http_peer() - Who is at the other end of the connection
 * @req: request
 *
 * Return: its address as text, IPv4 always in dotted form; "" if it cannot be told. Valid as long
 * as the request.
 */
const char *http_peer(const struct http_req *req)
{
	return req->conn ? req->conn->address : "";
}

/**
 * http_certified() - Did the client show a certificate of the CA that the listener asks for?
 * @req: request
 *
 * Return: false without TLS, too. Its name is not looked at: the CA signs for agents alone.
 */
bool http_certified(const struct http_req *req)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(req->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	unsigned int status = 0;

	return info && info->tls_session &&
	       !gnutls_certificate_verify_peers2(info->tls_session, &status) && !status;
}

/**
 * http_body() - The body kept in memory
 * @req:  request that is complete
 * @size: its bytes; a NUL that is not counted follows
 *
 * Return: the body; NULL if there was none or it went to a file.
 */
const char *http_body(const struct http_req *req, size_t *size)
{
	*size = req->fd < 0 ? req->size : 0;
	return req->body;
}

/**
 * http_file() - The file the body went to
 * @req: request
 *
 * It is removed after the answer unless it was renamed.
 *
 * Return: the path begin() gave, or NULL.
 */
const char *http_file(const struct http_req *req)
{
	return req->path;
}

/**
 * http_digest() - Checksums of the file the body went to
 * @req: request
 *
 * Return: those of the bytes so far, valid as long as the request; NULL if there is no file.
 */
const struct digest *http_digest(const struct http_req *req)
{
	return req->digest;
}

/**
 * http_body_max() - How much of the body was to be taken
 * @req: request
 *
 * Return: bytes, as begin() said.
 */
size_t http_body_max(const struct http_req *req)
{
	return req->body_max;
}

/**
 * http_body_error() - Why the body is not complete
 * @req: request
 *
 * Return: 0; -ECANCELED if begin() refused it; -EFBIG if it was longer than body_max; -ENOSPC and
 * other errno of write(2).
 */
int http_body_error(const struct http_req *req)
{
	return req->error;
}
