/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP client on libcurl: the agent's door to the API, and the store's to etcd. */
#include "httpc/transfer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
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
	struct transfer *t = arg;
	long status = 0;

	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	if (t->req->out_fd > 0 && status >= 200 && status < 300)
		t->rc = (t->req->look ? t->req->look(t->req->look_arg, data, size * n) : 0)
				?: to_file(t->req->out_fd, data, size * n);
	else
		t->rc = append(&t->answer.body, &t->answer.size, t->max_size, data, size * n);
	return t->rc ? 0 : size * n;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;

	t->rc = append(&t->answer.headers, &t->headers_size, HEADERS_MAX_SIZE, data, size * n);
	return t->rc ? 0 : size * n;
}

static size_t on_send(char *data, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	ssize_t got = pread(t->req->in_fd, data, size * n, t->sent);

	t->rc = got < 0 ? -errno : 0;
	t->sent += MAX(got, (ssize_t)0);
	return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
}

/* A connection that was kept and is gone: curl begins anew. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
	((struct transfer *)arg)->sent = offset;
	return origin == SEEK_SET ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_CANTSEEK;
}

static int on_progress(void *arg, curl_off_t dl_total, curl_off_t dl, curl_off_t ul_total,
		       curl_off_t ul)
{
	const struct transfer *t = arg;

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

/* On this machine, where a proxy of the environment's cannot go: it would look at its own. */
static bool is_here(const char *url)
{
	const char *host = strstr(url, "://");
	struct in_addr addr;
	char name[64];

	if (!host)
		return false;
	host += 3;
	if (!strncmp(host, "[::1]", 5))
		return true;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(host, ":/?#"), host);
	return !strcasecmp(name, "localhost") ||
	       (inet_pton(AF_INET, name, &addr) == 1 && ntohl(addr.s_addr) >> 24 == 127);
}

/**
 * transfer_prepare() - Give a curl handle its request
 * @t: ->req and ->curl are set; both, and the request's body, are there until transfer_end()
 *
 * Return: 0; -ENOMEM. transfer_fini() in any case.
 */
int transfer_prepare(struct transfer *t)
{
	const struct httpc_req *r = t->req;
	CURL *curl = t->curl;
	int rc = add_headers(&t->headers, r);

	t->max_size = r->max_size ? r->max_size : MAX_SIZE_DEFAULT;
	rc = rc ?: append(&t->answer.body, &t->answer.size, 1, "", 0);
	if (rc)
		return rc;
	curl_easy_reset(curl);
	curl_easy_setopt(curl, CURLOPT_URL, r->url);
	if (is_here(r->url))
		curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, r->method);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	/* HTTP/2 would put all requests on one connection, and keep it when they time out */
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, t->why);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	set_trust(curl, r->trust);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
	curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, (long)r->fresh);
	if (r->dial) {
		curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
		curl_easy_setopt(curl, CURLOPT_DEFAULT_PROTOCOL, "http");
		curl_easy_setopt(curl, CURLOPT_PROXY, "");
	}
	if (r->timeout_ms > 0) {
		curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
	} else if (!r->timeout_ms) {
		curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, STALL_S);
	}
	if (r->body) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_size);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, r->body);
	}
	if (r->in_fd > 0) {
		curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->in_size);
		curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_send);
		curl_easy_setopt(curl, CURLOPT_READDATA, t);
		curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(curl, CURLOPT_SEEKDATA, t);
	}
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	return 0;
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
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
		return -EKEYREJECTED;
	default:
		return -EIO;
	}
}

/**
 * transfer_end() - What became of it
 * @t:    the transfer; ->answer has the status after success
 * @code: curl's
 * @e:    error text that names the URL, may be NULL
 *
 * Return: as httpc_call().
 */
int transfer_end(struct transfer *t, CURLcode code, struct err *e)
{
	long status = 0;
	int rc = t->rc ? t->rc : curl_to_errno(code);
	bool detail = rc == -EKEYREJECTED && *t->why; /* what is wrong with a certificate */

	if (code)
		return err_set(e, rc, "%s %s: %s", t->req->method, t->req->url,
			       t->rc	? strerror(-t->rc)
			       : detail ? t->why
					: curl_easy_strerror(code));
	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	t->answer.status = (int)status;
	return 0;
}

/**
 * transfer_fini() - Free what a transfer collected
 * @t: the transfer; its handle is the caller's
 */
void transfer_fini(struct transfer *t)
{
	curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, NULL);
	curl_slist_free_all(take(t->headers));
	httpc_answer_fini(&t->answer);
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
 * answer above @req->max_size, -EKEYREJECTED a certificate that is not to be believed, or its file
 * not to be read, -EIO broken connection or answer, -ENOMEM, or the errno of a failed write to
 * @req->out_fd, or of @req->look().
 * Context: blocks up to @req->timeout_ms.
 */
int httpc_call(struct httpc *h, const struct httpc_req *req, struct httpc_answer *out,
	       struct err *e)
{
	struct transfer t = { .req = req, .curl = h->curl };
	int rc = transfer_prepare(&t);

	if (rc)
		err_set(e, rc, "out of memory");
	else
		rc = transfer_end(&t, curl_easy_perform(h->curl), e);
	if (!rc) {
		*out = t.answer;
		t.answer = (struct httpc_answer){ 0 };
	}
	transfer_fini(&t);
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
