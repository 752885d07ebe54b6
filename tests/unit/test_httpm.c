/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about many requests in a loop: what becomes of their connections. The server is in it, too. */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/field.h"
#include "httpc/httpm.h"

#define CONNS_MAX 256

struct conn {
	int fd;
	struct loop_fd *src;
	bool asked, waits; /* for its answer; for ever */
};

static struct loop *loop;
static struct httpm *http;
static int listener;
static char url[64];
static struct conn conns[CONNS_MAX];
static unsigned int n_conns, asked, waiting, answered;

static void hear(void *arg, uint32_t events)
{
	struct conn *c = arg;
	char text[4096];
	ssize_t n = recv(c->fd, text, sizeof(text), 0);

	if (n <= 0) {
		loop_fd_del(take(c->src));
		close(c->fd);
		return;
	}
	c->waits = !strncmp(text, "GET /wait", 9);
	c->asked = !c->waits;
	*(c->waits ? &waiting : &asked) += 1;
}

static void welcome(void *arg, uint32_t events)
{
	struct conn *c = &conns[n_conns++];

	assert_true(n_conns <= CONNS_MAX);
	c->fd = accept(listener, NULL, NULL);
	c->src = loop_fd_add(loop, c->fd, EPOLLIN, hear, c);
}

static int setup(void **state)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);

	memset(conns, 0, sizeof(conns));
	n_conns = asked = waiting = answered = 0;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	loop = loop_new(NULL);
	if (bind(listener, (struct sockaddr *)&sa, sizeof(sa)) || listen(listener, CONNS_MAX) ||
	    getsockname(listener, (struct sockaddr *)&sa, &len) ||
	    !loop_fd_add(loop, listener, EPOLLIN, welcome, NULL))
		return -1;
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", ntohs(sa.sin_port));
	return httpm_open(loop, &http, NULL);
}

static int teardown(void **state)
{
	httpm_close(http);
	for (unsigned int i = 0; i < n_conns; i++)
		if (conns[i].src)
			close(conns[i].fd);
	close(listener);
	loop_free(loop);
	return 0;
}

static void on_end(void *arg, int rc, const struct httpc_answer *got, const char *why)
{
	assert_int_equal(rc, 0);
	answered++;
}

static void start(const char *path, unsigned int n)
{
	struct httpm_flow *flow;
	char at[100];

	snprintf(at, sizeof(at), "%s%s", url, path);
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(httpm_start(http,
					     &(struct httpc_req){
						     .method = "GET", .url = at, .timeout_ms = -1 },
					     &(struct httpm_handlers){ NULL, on_end, NULL }, &flow),
				 0);
}

/* n requests at once: none is answered before all were heard. */
static void wave(unsigned int n)
{
	static const char text[] = "HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\n{}";

	asked = answered = 0;
	start("/x", n);
	while (asked < n)
		loop_turn(loop, 100);
	for (unsigned int i = 0; i < n_conns; i++)
		if (conns[i].asked) {
			conns[i].asked = false;
			assert_int_equal(send(conns[i].fd, text, sizeof(text) - 1, 0),
					 sizeof(text) - 1);
		}
	while (answered < n)
		loop_turn(loop, 100);
}

static void connections_are_kept_for_the_next_wave(void **state)
{
	wave(48);
	assert_int_equal(n_conns, 48);
	for (unsigned int i = 0; i < 3; i++) {
		wave(1);
		wave(48);
	}
	assert_int_equal(n_conns, 48);
}

static void connections_are_kept_beside_any_number_in_use(void **state)
{
	start("/wait", 100);
	while (waiting < 100)
		loop_turn(loop, 100);
	wave(40);
	wave(1);
	wave(40);
	assert_int_equal(n_conns, 140);
}

static void idle_connections_are_bounded(void **state)
{
	unsigned int open = 0;

	wave(150);
	wave(1);
	while (loop_turn(loop, 0) > 0) /* the server hears of those that curl has closed */
		;
	for (unsigned int i = 0; i < n_conns; i++)
		open += conns[i].src != NULL;
	assert_int_equal(n_conns, 150);
	assert_true(open < 100);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(connections_are_kept_for_the_next_wave),
		T(connections_are_kept_beside_any_number_in_use),
		T(idle_connections_are_bounded),
	};

	return cmocka_run_group_tests_name("httpm", tests, NULL, NULL);
}
