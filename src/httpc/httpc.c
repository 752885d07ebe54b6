/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP client on libcurl. The agent's door to the API; later the store's to etcd. */
#include "httpc/httpc.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define MAX_SIZE_DEFAULT (4U << 20)
#define HEADERS_MAX_SIZE (64U << 10)
#define STALL_S		 30L

struct httpc {
	CURL *curl; /* keeps the connection between calls */
};

/* What one call collects. */
struct take {
	const struct httpc_req *req;
	struct httpc *http;
	struct httpc_answer answer;
	size_t headers_size;
	size_t max_size;
	off_t sent; /* bytes of req->in_fd */
	int rc;	    /* why a callback ended the transfer */
};

static int append(char **to, size_t *have, size_t max, const char *data, size_t n)
{
	char *grown;

	if (n > max - *have)
		return -EMSGSIZE;
	grown = realloc(*to, *have + n + 1);
	if (!grown)
		return -ENOMEM;
	memcpy(grown + *have, data, n);
	*have += n;
	grown[*have] = '\0';
	*to = grown;
	return 0;
}

static int to_file(int fd, const char *data, size_t n)
{
	while (n) {
		ssize_t done = write(fd, data, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		data += done;
		n -= (size_t)done;
	}
	return 0;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct take *t = arg;
	long status = 0;

	curl_easy_getinfo(t->http->curl, CURLINFO_RESPONSE_CODE, &status);
	if (t->req->out_fd > 0 && status >= 200 && status < 300)
		t->rc = to_file(t->req->out_fd, data, size * n);
	else
		t->rc = append(&t->answer.body, &t->answer.size, t->max_size, data, size * n);
	return t->rc ? 0 : size * n;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
	struct take *t = arg;

	t->rc = append(&t->answer.headers, &t->headers_size, HEADERS_MAX_SIZE, data, size * n);
	return t->rc ? 0 : size * n;
}

static size_t on_send(char *data, size_t size, size_t n, void *arg)
{
	struct take *t = arg;
	ssize_t got = pread(t->req->in_fd, data, size * n, t->sent);

	t->rc = got < 0 ? -errno : 0;
	t->sent += MAX(got, (ssize_t)0);
	return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
}

/* A connection that was kept and is gone: curl begins anew. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
	((struct take *)arg)->sent = offset;
	return origin == SEEK_SET ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_CANTSEEK;
}

static int on_progress(void *arg, curl_off_t dl_total, curl_off_t dl, curl_off_t ul_total,
		       curl_off_t ul)
{
	const struct take *t = arg;

	return t->req->cancel && atomic_load_explicit(t->req->cancel, memory_order_relaxed);
}

static void global_init(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

/**
 * httpc_open() - Make a session
 * @out: gets the session, ended with httpc_close()
 * @e:   error text, may be NULL
 *
 * Return: 0 or -ENOMEM. Context: any thread; the session then belongs to one thread at a time.
 */
int httpc_open(struct httpc **out, struct err *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct httpc *h = calloc(1, sizeof(*h));

	pthread_once(&once, global_init);
	if (h)
		h->curl = curl_easy_init();
	if (!h || !h->curl) {
		free(h);
		return err_set(e, -ENOMEM, "out of memory");
	}
	*out = h;
	return 0;
}

/**
 * httpc_close() - End a session and its connection
 * @h: session, may be NULL
 */
void httpc_close(struct httpc *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->curl);
	free(h);
}

static void set_trust(CURL *curl, const struct httpc_trust *t)
{
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (t && t->ca_file && *t->ca_file)
		curl_easy_setopt(curl, CURLOPT_CAINFO, t->ca_file);
	if (t && t->certificate && *t->certificate) {
		curl_easy_setopt(curl, CURLOPT_SSLCERT, t->certificate);
		curl_easy_setopt(curl, CURLOPT_SSLKEY, t->key);
	}
}

/* Options in one place; curl copies strings but not the body. */
static void prepare(struct httpc *h, struct take *t, struct curl_slist *headers)
{
	const struct httpc_req *r = t->req;

	curl_easy_reset(h->curl);
	curl_easy_setopt(h->curl, CURLOPT_URL, r->url);
	curl_easy_setopt(h->curl, CURLOPT_CUSTOMREQUEST, r->method);
	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(h->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
	set_trust(h->curl, r->trust);
	curl_easy_setopt(h->curl, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
	if (r->timeout_ms) {
		curl_easy_setopt(h->curl, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
	} else {
		curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_TIME, STALL_S);
	}
	if (r->body) {
		curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_size);
		curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, r->body);
	}
	if (r->in_fd > 0) {
		curl_easy_setopt(h->curl, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(h->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->in_size);
		curl_easy_setopt(h->curl, CURLOPT_READFUNCTION, on_send);
		curl_easy_setopt(h->curl, CURLOPT_READDATA, t);
		curl_easy_setopt(h->curl, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(h->curl, CURLOPT_SEEKDATA, t);
	}
	curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(h->curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h->curl, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(h->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(h->curl, CURLOPT_XFERINFODATA, t);
	curl_easy_setopt(h->curl, CURLOPT_NOPROGRESS, 0L);
}

static int curl_to_errno(CURLcode code)
{
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_ABORTED_BY_CALLBACK:
		return -ECANCELED;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
		return -ECONNREFUSED;
	default:
		return -EIO;
	}
}

static int add_headers(struct curl_slist **list, const struct httpc_req *req)
{
	/* "Expect:" takes curl's pause of a second before a large body away. */
	struct curl_slist *grown = curl_slist_append(NULL, "Expect:");

	for (unsigned int i = 0; grown && i < HTTPC_HEADERS_MAX && req->headers[i]; i++) {
		*list = grown;
		grown = curl_slist_append(grown, req->headers[i]);
	}
	if (grown)
		*list = grown;
	return grown ? 0 : -ENOMEM;
}

/**
 * httpc_call() - One request and its answer
 * @h:   session of the calling thread
 * @req: what to ask
 * @out: gets the answer, freed with httpc_answer_fini(); untouched on failure
 * @e:   error text that names the URL, may be NULL
 *
 * An answer of any status is a success here. The connection is kept for the next call.
 *
 * Return: 0; -ECONNREFUSED nobody there, -ETIMEDOUT, -ECANCELED through @req->cancel, -EMSGSIZE
 * answer above @req->max_size, -EIO broken connection or answer, -ENOMEM, or the errno of a
 * failed write to @req->out_fd.
 * Context: blocks up to @req->timeout_ms.
 */
int httpc_call(struct httpc *h, const struct httpc_req *req, struct httpc_answer *out,
	       struct err *e)
{
	struct take t = { .req = req,
			  .http = h,
			  .max_size = req->max_size ? req->max_size : MAX_SIZE_DEFAULT };
	struct curl_slist *headers = NULL;
	long status = 0;
	CURLcode code;
	int rc;

	rc = add_headers(&headers, req);
	if (!rc)
		rc = append(&t.answer.body, &t.answer.size, 1, "", 0);
	if (rc) {
		err_set(e, rc, "out of memory");
		goto fail;
	}
	prepare(h, &t, headers);
	code = curl_easy_perform(h->curl);
	if (code) {
		rc = t.rc ? t.rc : curl_to_errno(code);
		err_set(e, rc, "%s %s: %s", req->method, req->url,
			t.rc ? strerror(-t.rc) : curl_easy_strerror(code));
		goto fail;
	}
	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
	t.answer.status = (int)status;
	curl_slist_free_all(headers);
	*out = t.answer;
	return 0;
fail:
	curl_slist_free_all(headers);
	httpc_answer_fini(&t.answer);
	return rc;
}

/**
 * httpc_header() - A header of the answer
 * @a:    answer of httpc_call()
 * @name: header name, any case
 *
 * Return: the value of its last occurrence without surrounding blanks, the caller's to free; NULL
 * if the answer has none.
 */
char *httpc_header(const struct httpc_answer *a, const char *name)
{
	size_t len = strlen(name);
	char *found = NULL;

	for (const char *line = a->headers; line && *line;) {
		const char *end = line + strcspn(line, "\r\n");

		if (!strncasecmp(line, name, len) && line[len] == ':') {
			const char *value = line + len + 1;

			value += strspn(value, " \t");
			free(found);
			found = strndup(value, value < end ? (size_t)(end - value) : 0);
		}
		line = end + strspn(end, "\r\n");
	}
	return found;
}

/**
 * httpc_answer_fini() - Free what an answer holds
 * @a: answer; zeroed afterwards
 */
void httpc_answer_fini(struct httpc_answer *a)
{
	free(a->body);
	free(a->headers);
	*a = (struct httpc_answer){ 0 };
}
