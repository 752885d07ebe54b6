/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about the agent's door to the API: of several endpoints, which is asked. */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/core/door.h"
#include "base/field.h"
#include "base/file.h"

/* An endpoint: a thread that answers one connection after the other. */
struct replica {
	int listener;
	char url[64];
	pthread_t thread;
	atomic_int login, status; /* what logins and calls are answered; 0: nothing */
	atomic_uint calls, logins;
	sem_t asked;
};

static struct replica replicas[2];
static char dir[] = "/tmp/anyvf-door-XXXXXX", credentials[64];
static struct loop *loop;
static struct httpm *http;
static struct pass *pass;

static void answer(struct replica *r, int fd)
{
	char request[4096] = "", text[200];
	ssize_t n = read(fd, request, sizeof(request) - 1);
	bool login = n > 0 && !strncmp(request, "POST", 4);
	int status = atomic_load(login ? &r->login : &r->status);

	atomic_fetch_add(login ? &r->logins : &r->calls, 1);
	if (!login)
		sem_post(&r->asked);
	snprintf(text, sizeof(text),
		 "HTTP/1.1 %d x\r\nX-Subject-Token: t\r\nContent-Length: 2\r\n"
		 "Connection: close\r\n\r\n{}",
		 status);
	if (status && write(fd, text, strlen(text)) < 0)
		perror("write");
	while (!status && read(fd, request, 1) > 0) /* until the client goes */
		;
}

static void *serve(void *arg)
{
	struct replica *r = arg;
	int fd;

	while ((fd = accept(r->listener, NULL, NULL)) >= 0) {
		answer(r, fd);
		close(fd);
	}
	return NULL;
}

static void start(struct replica *r)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);

	r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(bind(r->listener, (struct sockaddr *)&sa, sizeof(sa)), errno);
	assert_return_code(listen(r->listener, 8), errno);
	assert_return_code(getsockname(r->listener, (struct sockaddr *)&sa, &len), errno);
	snprintf(r->url, sizeof(r->url), "http://127.0.0.1:%u", ntohs(sa.sin_port));
	sem_init(&r->asked, 0, 0);
	assert_int_equal(pthread_create(&r->thread, NULL, serve, r), 0);
}

static int setup(void **state)
{
	static const char text[] = "{\"username\": \"u\", \"password\": \"p\"}";

	if (!mkdtemp(dir))
		return -1;
	snprintf(credentials, sizeof(credentials), "%s/agent.json", dir);
	start(&replicas[0]);
	start(&replicas[1]);
	loop = loop_new(NULL);
	return !loop || httpm_open(loop, &http, NULL) ||
	       file_replace(credentials, text, sizeof(text) - 1, 0600, NULL);
}

static int teardown(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(replicas); i++) {
		shutdown(replicas[i].listener, SHUT_RDWR);
		pthread_join(replicas[i].thread, NULL);
		close(replicas[i].listener);
	}
	pass_close(pass);
	httpm_close(http);
	loop_free(loop);
	unlink(credentials);
	return rmdir(dir);
}

/* A new door to both, which answer well. */
static struct door *door(void)
{
	const char *const bases[] = { replicas[0].url, replicas[1].url, NULL };
	struct door *d;

	pass_close(pass);
	assert_int_equal(pass_open(http, credentials, &(struct httpc_trust){ NULL }, &pass, NULL),
			 0);
	for (size_t i = 0; i < ARRAY_LEN(replicas); i++) {
		atomic_store(&replicas[i].login, 201);
		atomic_store(&replicas[i].status, 200);
		atomic_store(&replicas[i].calls, 0);
		atomic_store(&replicas[i].logins, 0);
		while (!sem_trywait(&replicas[i].asked))
			;
	}
	assert_int_equal(door_open(&(struct door_opts){ bases, loop, http, http, pass }, &d, NULL),
			 0);
	return d;
}

struct call {
	bool ended;
	int rc;
};

static void on_end(void *arg, int rc, json_t *answer, const char *why)
{
	assert_true(rc ? !answer && *why : json_is_object(answer));
	*(struct call *)arg = (struct call){ true, rc };
}

static void ask(struct door *d, struct call *c)
{
	static const struct door_req req = {
		.method = "GET", .path = "/x", .timeout_ms = 100000, .answer = true
	};

	c->ended = false;
	assert_int_equal(door_ask(d, &req, on_end, c), 0);
	assert_false(c->ended);
}

static int end_of(const struct call *c)
{
	while (!c->ended)
		loop_turn(loop, 100);
	return c->rc;
}

static int call(struct door *d)
{
	struct call c;

	ask(d, &c);
	return end_of(&c);
}

static void an_endpoint_that_fails_or_refuses_is_left_for_the_next(void **state)
{
	static const struct {
		int login, status, rc;
		bool left;
	} rows[] = {
		{ 201, 200, 0, false },	      { 401, 200, 0, true },
		{ 503, 200, 0, true },	      { 201, 401, 0, true },
		{ 201, 500, 0, true },	      { 201, 503, 0, true },
		{ 201, 403, -EACCES, false }, { 201, 404, -ENOENT, false },
		{ 201, 409, -ESTALE, false }, { 201, 410, -ESTALE, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_of(door_close) struct door *d = door();

		atomic_store(&replicas[0].login, rows[i].login);
		atomic_store(&replicas[0].status, rows[i].status);
		assert_int_equal(call(d), rows[i].rc);
		assert_string_equal(door_url(d), replicas[rows[i].left].url);
		assert_int_equal(replicas[1].calls, rows[i].left);
		assert_int_equal(call(d), rows[i].rc); /* the one that answered last */
		assert_int_equal(replicas[1].calls, 2 * rows[i].left);
	}
}

static void each_is_asked_once_a_call(void **state)
{
	auto_of(door_close) struct door *d = door();

	atomic_store(&replicas[0].status, 500);
	atomic_store(&replicas[1].status, 502);
	assert_int_equal(call(d), -EIO);
	assert_int_equal(replicas[0].calls, 1);
	assert_int_equal(replicas[1].calls, 1);
	assert_string_equal(door_url(d), replicas[0].url); /* begins anew */
	atomic_store(&replicas[0].login, 401);
	atomic_store(&replicas[1].login, 401);
	atomic_store(&replicas[0].status, 401);
	assert_int_equal(call(d), -EACCES); /* the token was no good, and there is no other */
	assert_int_equal(replicas[1].calls, 1);
}

/* A long poll at a replica that hangs, while something else happens. Return: how it ended. */
static int wait_until(struct door *d, void (*happens)(struct door *d))
{
	struct call c;

	atomic_store(&replicas[0].status, 0);
	ask(d, &c);
	while (sem_trywait(&replicas[0].asked))
		loop_turn(loop, 10);
	happens(d);
	return end_of(&c);
}

static void who_waits_where_others_left_goes_on_at_the_next(void **state)
{
	auto_of(door_close) struct door *d = door();

	assert_int_equal(wait_until(d, door_leave), 0);
	assert_int_equal(replicas[1].calls, 1);
	assert_string_equal(door_url(d), replicas[1].url);
}

static void nobody_goes_on_when_the_agent_ends(void **state)
{
	auto_of(door_close) struct door *d = door();

	assert_int_equal(wait_until(d, door_cancel), -ECANCELED);
	assert_int_equal(replicas[1].calls, 0);
}

static void who_has_no_token_waits_for_the_one_login(void **state)
{
	auto_of(door_close) struct door *d = door();
	struct call c[3];

	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		ask(d, &c[i]);
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		assert_int_equal(end_of(&c[i]), 0);
	assert_int_equal(replicas[0].logins, 1);
	assert_int_equal(replicas[0].calls, 3);
	pass_refused(pass, 0); /* not the token's of now */
	assert_int_equal(call(d), 0);
	assert_int_equal(replicas[0].logins, 1);
	pass_refused(pass, 1);
	assert_int_equal(call(d), 0);
	assert_int_equal(replicas[0].logins, 2);
}

static void a_files_bytes_need_a_token_that_is_there(void **state)
{
	auto_of(door_close) struct door *d = door();
	auto_close int fd = open(dir, O_TMPFILE | O_RDWR, 0600);

	assert_int_equal(door_fetch(d, "/x", fd, NULL), -EAGAIN);
	assert_int_equal(call(d), 0);
	assert_int_equal(door_fetch(d, "/x", fd, NULL), 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 2);
	atomic_store(&replicas[0].status, 401);
	assert_int_equal(door_fetch(d, "/x", fd, NULL), -EAGAIN);
	atomic_store(&replicas[0].status, 503);
	assert_int_equal(call(d), 0); /* at the other, with another token */
	assert_int_equal(replicas[0].logins + replicas[1].logins, 2);
	atomic_store(&replicas[1].status, 503);
	assert_int_equal(door_upload(d, "/x", fd, NULL), -EAGAIN);
	loop_turn(loop, 0);
	assert_string_equal(door_url(d), replicas[0].url);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_endpoint_that_fails_or_refuses_is_left_for_the_next),
		cmocka_unit_test(each_is_asked_once_a_call),
		cmocka_unit_test(who_waits_where_others_left_goes_on_at_the_next),
		cmocka_unit_test(nobody_goes_on_when_the_agent_ends),
		cmocka_unit_test(who_has_no_token_waits_for_the_one_login),
		cmocka_unit_test(a_files_bytes_need_a_token_that_is_there),
	};

	return cmocka_run_group_tests_name("door", tests, setup, teardown);
}
