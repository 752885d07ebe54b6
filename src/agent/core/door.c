/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP to the API with the agent's token. The credentials file is read at each login, so that the
 * API may make it after the agent was started.
 */
#include "agent/core/door.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/field.h"
#include "base/file.h"

#define LOGIN_TIMEOUT_MS 10000
#define CREDENTIALS_MAX	 65536

/* Lives as long as the process; used by many threads, each with a session of its own. */
struct door {
	char *base, *credentials;
	struct httpc_trust trust; /* borrowed strings */
	atomic_bool cancel;
	pthread_mutex_t token_lock;
	char token[512]; /* "": not logged in */
};

/**
 * door_open() - Prepare to speak with the API; nothing is sent yet
 * @base:        URL of the API, as http://127.0.0.1:5000
 * @credentials: JSON file with "username" and "password", and "project" unless it is "service"
 * @trust:       for https; its strings are borrowed for the door's life
 * @out:         gets the door; it lives until the process ends
 * @e:           error text, may be NULL
 *
 * Return: 0 or -ENOMEM.
 */
int door_open(const char *base, const char *credentials, const struct httpc_trust *trust,
	      struct door **out, struct err *e)
{
	struct door *d = calloc(1, sizeof(*d));

	if (!d || !(d->base = strdup(base)) || !(d->credentials = strdup(credentials))) {
		free(d ? d->base : NULL);
		free(d);
		return err_set(e, -ENOMEM, "out of memory");
	}
	d->trust = *trust;
	if (*base && d->base[strlen(base) - 1] == '/')
		d->base[strlen(base) - 1] = '\0';
	pthread_mutex_init(&d->token_lock, NULL);
	*out = d;
	return 0;
}

/**
 * door_cancel() - End all calls that wait, now and from now on
 * @d: door
 *
 * Context: any thread; calls end within a second with -ECANCELED.
 */
void door_cancel(struct door *d)
{
	atomic_store(&d->cancel, 1);
}

static json_t *login_body(const char *user, const char *password, const char *project)
{
	return json_pack("{s:{s:{s:[s],s:{s:{s:s,s:s,s:{s:s}}}},s:{s:{s:s,s:{s:s}}}}}", "auth",
			 "identity", "methods", "password", "password", "user", "name", user,
			 "password", password, "domain", "id", "default", "scope", "project",
			 "name", project, "domain", "id", "default");
}

static int read_login(const struct door *d, json_t **body, struct err *e)
{
	auto_of(json_decref) json_t *cred = NULL;
	const char *user = NULL, *password = NULL, *project = "service";
	auto_free char *text = NULL;
	size_t size;
	int rc = file_read(d->credentials, CREDENTIALS_MAX, &text, &size, e);

	if (rc)
		return rc;
	cred = json_loadb(text, size, 0, NULL);
	if (!cred || json_unpack(cred, "{s:s,s:s,s?s}", "username", &user, "password", &password,
				 "project", &project))
		return err_set(e, -EINVAL, "%s lacks username or password", d->credentials);
	*body = login_body(user, password, project);
	return *body ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static int login(struct door *d, struct httpc *h, struct err *e)
{
	auto_of(json_decref) json_t *body = NULL;
	auto_httpc_answer struct httpc_answer answer = { 0 };
	auto_free char *text = NULL, *token = NULL;
	char url[512];
	int rc = read_login(d, &body, e);

	if (rc)
		return rc;
	text = json_dumps(body, JSON_COMPACT);
	snprintf(url, sizeof(url), "%s/identity/v3/auth/tokens", d->base);
	rc = httpc_call(h,
			&(struct httpc_req){ .method = "POST",
					     .url = url,
					     .headers = { "Content-Type: application/json" },
					     .body = text,
					     .body_size = text ? strlen(text) : 0,
					     .timeout_ms = LOGIN_TIMEOUT_MS,
					     .trust = &d->trust,
					     .cancel = &d->cancel },
			&answer, e);
	if (rc)
		return rc;
	token = httpc_header(&answer, "X-Subject-Token");
	if (answer.status != 201 || !token || strlen(token) >= sizeof(d->token))
		return err_set(e, -EACCES, "the API refuses the agent's login (%d)", answer.status);
	pthread_mutex_lock(&d->token_lock);
	snprintf(d->token, sizeof(d->token), "%s", token);
	pthread_mutex_unlock(&d->token_lock);
	return 0;
}

/* The token header; logs in first if there is no token. */
static int token_header(struct door *d, struct httpc *h, char out[600], struct err *e)
{
	for (int i = 0;; i++) {
		bool have;
		int rc;

		pthread_mutex_lock(&d->token_lock);
		have = *d->token;
		snprintf(out, 600, "X-Auth-Token: %s", d->token);
		pthread_mutex_unlock(&d->token_lock);
		if (have || i)
			return 0;
		rc = login(d, h, e);
		if (rc)
			return rc;
	}
}

/* One call with a token; a token that ran out is replaced once. */
static int call(struct door *d, struct httpc *h, struct httpc_req *req, struct httpc_answer *out,
		struct err *e)
{
	char header[600];

	req->cancel = &d->cancel;
	req->trust = &d->trust;
	req->headers[0] = header;
	for (int i = 0;; i++) {
		int rc = token_header(d, h, header, e);

		if (!rc)
			rc = httpc_call(h, req, out, e);
		if (rc || out->status != 401 || i)
			return rc;
		httpc_answer_fini(out);
		pthread_mutex_lock(&d->token_lock);
		*d->token = '\0';
		pthread_mutex_unlock(&d->token_lock);
	}
}

static int status_to_errno(int status)
{
	switch (status) {
	case 401:
	case 403:
		return -EACCES;
	case 404:
		return -ENOENT;
	case 409:
		return -ESTALE;
	case 410:
		return -ESTALE;
	default:
		return status >= 200 && status < 300 ? 0 : -EIO;
	}
}

/**
 * door_call() - Ask the API something
 * @d:          door
 * @h:          session of the calling thread
 * @method:     "GET", "PUT"
 * @path:       path behind the API's base
 * @body:       JSON to send, or NULL
 * @timeout_ms: for the whole call
 * @answer:     gets a new reference to the answer's JSON; may be NULL if not wanted
 * @e:          error text, may be NULL
 *
 * Return: 0 for a 2xx answer; -EACCES (401, 403), -ENOENT (404), -ESTALE (409, 410), -EIO (other
 * statuses, no JSON); or what httpc_call() says. Context: blocks.
 */
int door_call(struct door *d, struct httpc *h, const char *method, const char *path,
	      const json_t *body, int timeout_ms, json_t **answer, struct err *e)
{
	auto_free char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	auto_httpc_answer struct httpc_answer got = { 0 };
	char url[1024];
	int rc;

	if (body && !text)
		return err_set(e, -ENOMEM, "out of memory");
	snprintf(url, sizeof(url), "%s%s", d->base, path);
	rc = call(d, h,
		  &(struct httpc_req){
			  .method = method,
			  .url = url,
			  .headers = { "", body ? "Content-Type: application/json" : NULL },
			  .body = text,
			  .body_size = text ? strlen(text) : 0,
			  .timeout_ms = timeout_ms,
			  .max_size = 64U << 20 },
		  &got, e);
	if (!rc)
		rc = status_to_errno(got.status);
	if (rc)
		return err_set(e, rc, "%s %s: %d %.200s", method, path, got.status,
			       got.body ? got.body : "");
	if (answer && !(*answer = json_loadb(got.body, got.size, 0, NULL)))
		return err_set(e, -EIO, "%s %s: the answer is not JSON", method, path);
	return 0;
}

/**
 * door_fetch() - Download into a file
 * @d:    door
 * @path: path behind the API's base
 * @fd:   open file; the bytes are written at its position
 * @e:    error text, may be NULL
 *
 * Return: as door_call(), or the errno of a failed write. Context: blocks as long as bytes flow.
 */
int door_fetch(struct door *d, const char *path, int fd, struct err *e)
{
	auto_of(httpc_close) struct httpc *h = NULL;
	auto_httpc_answer struct httpc_answer got = { 0 };
	char url[1024];
	int rc = httpc_open(&h, e);

	snprintf(url, sizeof(url), "%s%s", d->base, path);
	if (!rc)
		rc = call(d, h, &(struct httpc_req){ .method = "GET", .url = url, .out_fd = fd },
			  &got, e);
	if (!rc)
		rc = status_to_errno(got.status);
	return rc ? err_set(e, rc, "GET %s: %d", path, got.status) : 0;
}

/* What the API said of an upload: a refusal for good, or one that passes. */
static int upload_errno(int status)
{
	switch (status) {
	case 400:
	case 413:
	case 415:
		return -EINVAL;
	case 507:
		return -ENOSPC;
	default:
		return status == 429 || (status >= 500 && status < 600) ? -EAGAIN
									: status_to_errno(status);
	}
}

/**
 * door_upload() - Upload a file
 * @d:    door
 * @path: path behind the API's base
 * @fd:   open file; all of it is sent, by PUT
 * @e:    error text, may be NULL
 *
 * Return: 0 for a 2xx answer; -EACCES (401, 403), -ENOENT (404), -ESTALE (409, 410), -EINVAL (400,
 * 413, 415), -ENOSPC (507): refused for good; -EAGAIN: other statuses, a broken connection; or what
 * httpc_call() says. Context: blocks as long as bytes flow.
 */
int door_upload(struct door *d, const char *path, int fd, struct err *e)
{
	auto_of(httpc_close) struct httpc *h = NULL;
	auto_httpc_answer struct httpc_answer got = { 0 };
	char url[1024];
	struct stat st;
	int rc = fstat(fd, &st) ? -errno : httpc_open(&h, e);

	snprintf(url, sizeof(url), "%s%s", d->base, path);
	if (!rc)
		rc = call(d, h,
			  &(struct httpc_req){
				  .method = "PUT",
				  .url = url,
				  .headers = { "", "Content-Type: application/octet-stream" },
				  .in_fd = fd,
				  .in_size = (uint64_t)st.st_size },
			  &got, e);
	if (rc)
		return rc == -EIO ? -EAGAIN : rc;
	rc = upload_errno(got.status);
	return rc ? err_set(e, rc, "PUT %s: %d %.200s", path, got.status, got.body) : 0;
}
