/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP client against a one-answer server in a thread of this process. */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "httpc/httpc.h"

struct canned {
	int listener;
	const char *answer;
	char request[2048];
	pthread_t thread;
	char url[64];
};

static void *serve_one(void *arg)
{
	struct canned *c = arg;
	int fd = accept(c->listener, NULL, NULL);
	ssize_t n;

	n = read(fd, c->request, sizeof(c->request) - 1);
	c->request[n > 0 ? n : 0] = '\0';
	if (c->answer && write(fd, c->answer, strlen(c->answer)) < 0)
		perror("write");
	if (!c->answer)
		read(fd, &n, 1); /* says nothing until the client goes */
	close(fd);
	return NULL;
}

static void canned_start_at(struct canned *c, const char *addr, const char *answer)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(addr) };
	socklen_t len = sizeof(sa);

	*c = (struct canned){ .answer = answer };
	c->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_return_code(bind(c->listener, (struct sockaddr *)&sa, sizeof(sa)), errno);
	assert_return_code(listen(c->listener, 1), errno);
	assert_return_code(getsockname(c->listener, (struct sockaddr *)&sa, &len), errno);
	snprintf(c->url, sizeof(c->url), "http://%s:%u/x", addr, ntohs(sa.sin_port));
	assert_int_equal(pthread_create(&c->thread, NULL, serve_one, c), 0);
}

static void canned_start(struct canned *c, const char *answer)
{
	canned_start_at(c, "127.0.0.1", answer);
}

static void canned_end(struct canned *c)
{
	pthread_join(c->thread, NULL);
	close(c->listener);
}

static void http_call_brings_status_headers_and_body(void **state)
{
	auto_of(httpc_close) struct httpc *h = NULL;
	auto_httpc_answer struct httpc_answer a = { 0 };
	auto_free char *token = NULL;
	struct canned c;

	canned_start(&c, "HTTP/1.1 201 Created\r\nX-Subject-Token:  abc \r\nContent-Length: 2\r\n"
			 "Connection: close\r\n\r\n{}");
	assert_int_equal(httpc_open(&h, NULL), 0);
	assert_int_equal(httpc_call(h, &(struct httpc_req){ .method = "POST", .url = c.url,
				   .headers = { "X-Auth-Token: t" }, .body = "hello",
				   .body_size = 5, .timeout_ms = 5000 }, &a, NULL), 0);
	canned_end(&c);
	assert_int_equal(a.status, 201);
	assert_string_equal(a.body, "{}");
	token = httpc_header(&a, "x-subject-token");
	assert_memory_equal(token, "abc", 3);
	assert_null(httpc_header(&a, "X-Subject"));
	assert_non_null(strstr(c.request, "POST /x HTTP/1.1"));
	assert_non_null(strstr(c.request, "X-Auth-Token: t"));
	assert_non_null(strstr(c.request, "\r\n\r\nhello"));
	assert_null(strstr(c.request, "Expect"));
}

/* What is on this machine is asked itself, under each of its names; what is elsewhere by the proxy. */
static void a_proxy_is_asked_for_what_is_elsewhere(void **state)
{
	static const struct {
		const char *host;
		bool here;
	} rows[] = { { "127.0.0.1", true },	 { "127.3.2.1", true },	       { "LocalHost", true },
		     { "127.a.example", false }, { "127.0.0.1.example", false }, { "localhost.example", false } };

	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		auto_of(httpc_close) struct httpc *h = NULL;
		auto_httpc_answer struct httpc_answer a = { 0 };
		char url[128], line[200];
		struct canned c;

		canned_start_at(&c, inet_addr(rows[i].host) == INADDR_NONE ? "127.0.0.1" : rows[i].host,
				"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
		snprintf(url, sizeof(url), "http://%s%s", rows[i].host, strrchr(c.url, ':'));
		snprintf(line, sizeof(line), "GET %s HTTP", rows[i].here ? "/x" : url);
		assert_return_code(setenv("http_proxy", rows[i].here ? "http://127.0.0.1:1" : c.url, 1), errno);
		assert_int_equal(httpc_open(&h, NULL), 0);
		assert_int_equal(httpc_call(h, &(struct httpc_req){ .method = "GET", .url = url,
						.timeout_ms = 5000 }, &a, NULL), 0);
		unsetenv("http_proxy");
		canned_end(&c);
		assert_int_equal(a.status, 204);
		assert_memory_equal(c.request, line, strlen(line));
	}
}

static void http_call_refuses_an_answer_above_the_bound(void **state)
{
	auto_of(httpc_close) struct httpc *h = NULL;
	struct httpc_answer a = { 0 };
	struct canned c;

	canned_start(&c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789");
	assert_int_equal(httpc_open(&h, NULL), 0);
	assert_int_equal(httpc_call(h, &(struct httpc_req){ .method = "GET", .url = c.url,
				   .max_size = 9, .timeout_ms = 5000 }, &a, NULL), -EMSGSIZE);
	canned_end(&c);
	assert_null(a.body);
}

static void http_call_writes_a_good_body_to_a_file(void **state)
{
	auto_of(httpc_close) struct httpc *h = NULL;
	auto_httpc_answer struct httpc_answer a = { 0 };
	FILE *file = tmpfile();
	char got[8] = "";
	struct canned c;

	canned_start(&c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbytes");
	assert_int_equal(httpc_open(&h, NULL), 0);
	assert_int_equal(httpc_call(h, &(struct httpc_req){ .method = "GET", .url = c.url,
				   .out_fd = fileno(file), .timeout_ms = 5000 }, &a, NULL), 0);
	canned_end(&c);
	assert_int_equal(pread(fileno(file), got, sizeof(got), 0), 5);
	assert_string_equal(got, "bytes");
	assert_int_equal(a.size, 0);
	fclose(file);
}

static void http_call_says_that_nobody_is_there(void **state)
{
	auto_of(httpc_close) struct httpc *h = NULL;
	struct httpc_answer a = { 0 };
	struct err e = { 0 };

	assert_int_equal(httpc_open(&h, NULL), 0);
	assert_int_equal(httpc_call(h, &(struct httpc_req){ .method = "GET",
				   .url = "http://127.0.0.1:1/", .timeout_ms = 5000 }, &a, &e),
			 -ECONNREFUSED);
	assert_non_null(strstr(e.msg, "http://127.0.0.1:1/"));
}

static void http_call_ends_when_cancelled(void **state)
{
	auto_of(httpc_close) struct httpc *h = NULL;
	struct httpc_answer a = { 0 };
	atomic_bool cancel = 1;
	struct canned c;

	canned_start(&c, NULL);
	assert_int_equal(httpc_open(&h, NULL), 0);
	assert_int_equal(httpc_call(h, &(struct httpc_req){ .method = "GET", .url = c.url,
				   .cancel = &cancel, .timeout_ms = 30000 }, &a, NULL), -ECANCELED);
	shutdown(c.listener, SHUT_RDWR); /* the server may not have accepted yet */
	canned_end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(http_call_brings_status_headers_and_body),
		cmocka_unit_test(a_proxy_is_asked_for_what_is_elsewhere),
		cmocka_unit_test(http_call_refuses_an_answer_above_the_bound),
		cmocka_unit_test(http_call_writes_a_good_body_to_a_file),
		cmocka_unit_test(http_call_says_that_nobody_is_there),
		cmocka_unit_test(http_call_ends_when_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
