/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of gRPC, and a server that answers well, badly, too early or not at all: in the same loop. */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "httpc/grpc.h"

#define CONNS_MAX   64
#define PREFACE	    24
#define MESSAGE_MAX 100 /* bytes of a message */

/* Frames (RFC 9113, 6): what a server sends when it has heard a request. */
enum { DATA, HEADERS, RST = 3, SETTINGS, GOAWAY = 7, WINDOW, RAW = 100, CLOSE };
struct frame {
	unsigned char type, flags;
	const char *payload;
	size_t size;
};
#define F(type, flags, payload)                                                                    \
	{                                                                                          \
		type, flags, payload, sizeof(payload) - 1                                          \
	}
#define END		   1 /* END_STREAM, beside END_HEADERS */
#define WHOLE		   4
#define OK		   "\x88"			  /* :status: 200 */
#define STATUS(len, text)  "\x00\x0bgrpc-status" len text /* RFC 7541, 6.2.2 */
#define MESSAGE(len, text) "\x00\x0cgrpc-message" len text
#define GOOD                                                                                       \
	F(HEADERS, WHOLE, OK), F(DATA, 0, "\0\0\0\0\2hi"),                                         \
		F(HEADERS, WHOLE | END, STATUS("\1", "0"))

static const struct frame good[] = { GOOD, { 0 } };

static struct {
	int fd;
	struct loop_fd *src;
	unsigned char text[1 << 16];
	size_t n;
} conns[CONNS_MAX];
static unsigned int n_conns;
static struct loop *loop;
static struct grpc *grpc;
static int listener;
static char origin[64];
static const struct frame *answers; /* to the next request; type and payload 0: the end */
static int closing = -1;	    /* this one is closed by the next request */
static bool wide;		    /* its windows are as large as can be */
static bool early;		    /* at its first bytes */

static void send_frame(int fd, const struct frame *f, uint32_t stream)
{
	unsigned char out[1024] = { 0, (unsigned char)(f->size >> 8), (unsigned char)f->size,
				    f->type, f->flags };

	if (f->type != SETTINGS && f->type != GOAWAY)
		out[8] = (unsigned char)stream;
	memcpy(out + 9, f->payload, f->size);
	assert_int_equal(send(fd, out, 9 + f->size, MSG_NOSIGNAL), 9 + f->size);
}

static void say(unsigned int i, uint32_t stream)
{
	for (const struct frame *f = answers; f && f->payload; f++) {
		if (f->type == RAW) {
			send(conns[i].fd, f->payload, f->size, MSG_NOSIGNAL);
		} else if (f->type == CLOSE) {
			loop_fd_del(take(conns[i].src));
			close(conns[i].fd);
			return;
		} else {
			send_frame(conns[i].fd, f, stream);
		}
	}
}

/* Frames that are whole; a request is where its stream ends. */
static void hear_frames(unsigned int i)
{
	unsigned char *at = conns[i].text;

	while (conns[i].src && conns[i].n >= 9) {
		size_t size = 9 + ((size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2]);
		uint32_t stream = at[8];
		bool asks = at[3] == DATA && (at[4] & END || early);

		if (conns[i].n < size)
			return;
		conns[i].n -= size;
		memmove(at, at + size, conns[i].n);
		if (asks && (int)i == closing) {
			loop_fd_del(take(conns[i].src));
			close(conns[i].fd);
		} else if (asks) {
			say(i, stream);
		}
	}
}

static void hear(void *arg, uint32_t events)
{
	unsigned int i = (unsigned int)(uintptr_t)arg;
	ssize_t n = recv(conns[i].fd, conns[i].text + conns[i].n,
			 sizeof(conns[i].text) - conns[i].n, 0);

	if (n <= 0) {
		loop_fd_del(take(conns[i].src));
		close(conns[i].fd);
		return;
	}
	conns[i].n += (size_t)n;
	if (conns[i].n >= PREFACE && !memcmp(conns[i].text, "PRI *", 5)) {
		conns[i].n -= PREFACE;
		memmove(conns[i].text, conns[i].text + PREFACE, conns[i].n);
		send_frame(conns[i].fd,
			   wide ? &(struct frame)F(SETTINGS, 0, "\0\4\x7f\xff\xff\xff")
				: &(struct frame)F(SETTINGS, 0, ""),
			   0);
		if (wide)
			send_frame(conns[i].fd, &(struct frame)F(WINDOW, 0, "\x7f\xff\0\0"), 0);
	}
	hear_frames(i);
}

static void welcome(void *arg, uint32_t events)
{
	unsigned int i = n_conns++;

	assert_true(n_conns <= CONNS_MAX);
	conns[i].fd = accept(listener, NULL, NULL);
	conns[i].src = loop_fd_add(loop, conns[i].fd, EPOLLIN, hear, (void *)(uintptr_t)i);
}

static int setup(void **state)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct httpc_trust trust = { NULL };
	socklen_t len = sizeof(sa);

	memset(conns, 0, sizeof(conns));
	n_conns = 0;
	early = false;
	closing = -1;
	wide = false;
	answers = good;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	loop = loop_new(NULL);
	if (bind(listener, (struct sockaddr *)&sa, sizeof(sa)) || listen(listener, CONNS_MAX) ||
	    getsockname(listener, (struct sockaddr *)&sa, &len) ||
	    !loop_fd_add(loop, listener, EPOLLIN, welcome, NULL))
		return -1;
	snprintf(origin, sizeof(origin), "http://127.0.0.1:%u", ntohs(sa.sin_port));
	return grpc_open(loop, &trust, &grpc);
}

static int teardown(void **state)
{
	grpc_close(grpc);
	for (unsigned int i = 0; i < n_conns; i++)
		if (conns[i].src)
			close(conns[i].fd);
	close(listener);
	loop_free(loop);
	return 0;
}

static struct {
	bool done;
	int rc, status;
	char words[64], message[MESSAGE_MAX + 1];
	ssize_t size; /* of message; -1: none */
} got;

static void on_end(void *arg, int rc, const struct grpc_answer *answer, const char *why)
{
	got.done = true;
	got.rc = rc;
	if (rc)
		return;
	got.status = answer->status;
	snprintf(got.words, sizeof(got.words), "%s", answer->words);
	got.size = answer->message ? (ssize_t)answer->size : -1;
	if (answer->message)
		memcpy(got.message, answer->message, answer->size);
}

/* Until that is so: within ten seconds. */
#define UNTIL(claim)                                                                               \
	({                                                                                         \
		uint64_t until_ms_ = loop_now_ms() + 10000;                                        \
		while (!(claim) && loop_now_ms() < until_ms_)                                      \
			loop_turn(loop, 10);                                                       \
		assert_true(claim);                                                                \
	})

static struct grpc_call *begin(const char *text, size_t size, int timeout_ms)
{
	struct grpc_call *call;

	memset(&got, 0, sizeof(got));
	assert_int_equal(grpc_start(grpc,
				    &(struct grpc_req){ .origin = origin,
							.path = "/p.S/M",
							.metadata = { "key", "value" },
							.message = text,
							.size = size,
							.timeout_ms = timeout_ms,
							.max_size = MESSAGE_MAX },
				    &(struct grpc_handlers){ NULL, on_end, NULL }, &call),
			 0);
	assert_false(got.done);
	return call;
}

static void ask(int timeout_ms)
{
	begin("text", 4, timeout_ms);
	UNTIL(got.done);
}

#define KEPT true
#define LONG_DATA                                                                                  \
	"\0\0\0\0\x65"                                                                             \
	"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567" \
	"890123456789x"

/* Each answer; and whether the connection is used again. */
static void answers_are_what_they_are(void **state)
{
	static const struct {
		struct frame frames[6];
		int rc, status;
		const char *words;
		const char *message; /* NULL: none */
		bool kept;
	} rows[] = {
		{ { GOOD }, 0, 0, "", "hi", KEPT },
		{ { F(HEADERS, WHOLE, OK), F(DATA, 0, "\0\0"), F(DATA, 0, "\0\0\2h"),
		    F(DATA, 0, "i"),
		    F(HEADERS, WHOLE | END, STATUS("\1", "0") MESSAGE("\2", "ok")) },
		  0,
		  0,
		  "ok",
		  "hi",
		  KEPT },
		{ { F(HEADERS, WHOLE, OK), F(DATA, 0, "\0\0\0\0\0"),
		    F(HEADERS, WHOLE | END, STATUS("\1", "0")) },
		  0,
		  0,
		  "",
		  "",
		  KEPT },
		{ { F(HEADERS, WHOLE | END, OK STATUS("\2", "12") MESSAGE("\2", "no")) },
		  0,
		  12,
		  "no",
		  NULL,
		  KEPT },
		{ { F(HEADERS, WHOLE | END, OK STATUS("\1", "8") MESSAGE("\5", "large")),
		    F(RST, 0, "\0\0\0\0") },
		  0,
		  8,
		  "large",
		  NULL,
		  KEPT },
		{ { F(RST, 0, "\0\0\0\x8") }, -EIO, 0, NULL, NULL, !KEPT },
		{ { F(HEADERS, WHOLE, OK), F(RST, 0, "\0\0\0\2") }, -EIO, 0, NULL, NULL, !KEPT },
		{ { F(HEADERS, WHOLE | END, "\x8d") }, 0, -1, "", NULL, KEPT }, /* 404 */
		{ { F(HEADERS, WHOLE, "\x8d"), F(DATA, 0, "\0\0\0\0\2hi"),
		    F(HEADERS, WHOLE | END, STATUS("\1", "0")) },
		  0,
		  -1,
		  "",
		  "hi",
		  KEPT },
		{ { F(HEADERS, WHOLE, OK), F(DATA, END, "\0\0\0\0\2hi") }, 0, -1, "", "hi", KEPT },
		{ { F(HEADERS, WHOLE | END, OK STATUS("\0", "")) }, 0, -1, "", NULL, KEPT },
		{ { F(HEADERS, WHOLE | END, OK STATUS("\2", "-0")) }, 0, -1, "", NULL, KEPT },
		{ { F(HEADERS, WHOLE | END, OK STATUS("\2", "0x")) }, 0, -1, "", NULL, KEPT },
		{ { F(HEADERS, WHOLE | END, OK STATUS("\4", "4000")) }, 0, -1, "", NULL, KEPT },
		{ { F(HEADERS, WHOLE, OK), F(DATA, 0, "\1\0\0\0\2hi"),
		    F(HEADERS, WHOLE | END, STATUS("\1", "0")) },
		  0,
		  0,
		  "",
		  NULL,
		  KEPT },
		{ { F(HEADERS, WHOLE, OK), F(DATA, 0, "\0\0\0\0\3hi"),
		    F(HEADERS, WHOLE | END, STATUS("\1", "0")) },
		  0,
		  0,
		  "",
		  NULL,
		  KEPT },
		{ { F(HEADERS, WHOLE, OK), F(DATA, 0, "\0\xff\xff\xff\xffhi"),
		    F(HEADERS, WHOLE | END, STATUS("\1", "0")) },
		  0,
		  0,
		  "",
		  NULL,
		  KEPT },
		{ { F(HEADERS, WHOLE, OK), F(DATA, 0, "\0\0\0\0\1hi"),
		    F(HEADERS, WHOLE | END, STATUS("\1", "0")) },
		  0,
		  0,
		  "",
		  NULL,
		  KEPT },
		{ { F(HEADERS, WHOLE, OK), F(DATA, 0, LONG_DATA) },
		  -EMSGSIZE,
		  0,
		  NULL,
		  NULL,
		  !KEPT },
		{ { GOOD, F(GOAWAY, 0, "\0\0\0\1\0\0\0\0") }, 0, 0, "", "hi", !KEPT },
		{ { F(HEADERS, WHOLE, OK), F(CLOSE, 0, "") }, -EPIPE, 0, NULL, NULL, !KEPT },
		{ { F(RAW, 0, "HTTP/1.1 400 Bad Request\r\n\r\n") },
		  -EPROTO,
		  0,
		  NULL,
		  NULL,
		  !KEPT },
		{ { F(RAW, 0, "\0\0\1\1\5\0\0\0\7\x88") }, -EPROTO, 0, NULL, NULL, !KEPT },
		{ { F(HEADERS, WHOLE, "\xff\xff\xff\xff\xff\xff") },
		  -EPROTO,
		  0,
		  NULL,
		  NULL,
		  !KEPT },
		{ { F(DATA, 0, "\0\0\0\0\2hi") }, -EPROTO, 0, NULL, NULL, !KEPT },
	};

	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned int before;

		answers = rows[i].frames;
		ask(-1);
		assert_int_equal(got.rc, rows[i].rc);
		if (!rows[i].rc) {
			assert_int_equal(got.status, rows[i].status);
			assert_string_equal(got.words, rows[i].words);
			assert_int_equal(got.size,
					 rows[i].message ? (ssize_t)strlen(rows[i].message) : -1);
			if (rows[i].message)
				assert_memory_equal(got.message, rows[i].message,
						    strlen(rows[i].message));
		}
		loop_turn(loop, 0);
		answers = good;
		before = n_conns;
		ask(-1);
		assert_string_equal(got.message, "hi");
		assert_int_equal(n_conns - before, !rows[i].kept);
	}
}

/* One that says nothing is closed, and not asked again. */
static void who_is_silent_is_left(void **state)
{
	static const struct frame nothing[] = { { 0 } };

	answers = nothing;
	ask(20);
	assert_int_equal(got.rc, -ETIMEDOUT);
	answers = good;
	ask(-1);
	assert_int_equal(got.rc, 0);
	assert_int_equal(n_conns, 2);
	UNTIL(!conns[0].src); /* the server hears that */
}

/* Who has heard enough says so before all of it was sent; his windows are small. */
static void who_refuses_early_is_heard(void **state)
{
	static const struct frame refusal[] = {
		F(HEADERS, WHOLE | END, OK STATUS("\1", "8") MESSAGE("\5", "large")),
		F(RST, 0, "\0\0\0\0"),
		{ 0 },
	};
	static char text[1 << 20];

	early = true;
	answers = refusal;
	begin(text, sizeof(text), -1);
	UNTIL(got.done);
	assert_int_equal(got.rc, 0);
	assert_int_equal(got.status, 8);
	assert_string_equal(got.words, "large");
	early = false;
	answers = good;
	ask(-1);
	assert_int_equal(n_conns, 2);
}

static void calls_at_once_have_connections_of_their_own(void **state)
{
	begin("a", 1, -1);
	begin("b", 1, -1);
	UNTIL(n_conns == 2 && !conns[0].n && !conns[1].n);
	ask(-1);
	assert_in_range(n_conns, 2, 3);
}

/* It was closed, and the loop has not turned since: nobody could hear of it. */
static void a_kept_connection_that_was_closed_is_not_used(void **state)
{
	for (unsigned int i = 0; i < 3; i++) {
		ask(-1);
		assert_int_equal(got.rc, 0);
		loop_fd_del(take(conns[i].src));
		close(conns[i].fd);
	}
	assert_int_equal(n_conns, 3);
}

/* It is closed by the request that comes on it: that is made again, once. */
static void a_call_is_made_again_where_a_kept_connection_breaks(void **state)
{
	static const struct frame closes[] = { F(CLOSE, 0, ""), { 0 } };

	ask(-1);
	closing = 0;
	ask(-1);
	assert_int_equal(got.rc, 0);
	assert_int_equal(n_conns, 2);
	closing = -1;
	answers = closes;
	ask(-1);
	assert_int_equal(got.rc, -EPIPE);
	assert_int_equal(n_conns, 3);
	ask(-1); /* on a new one: not again */
	assert_int_equal(got.rc, -EPIPE);
	assert_int_equal(n_conns, 4);
}

/* More than the sockets hold, and the server lets it come. */
static void a_large_request_waits_for_room(void **state)
{
	static char text[32 << 20];

	wide = true;
	begin(text, sizeof(text), -1);
	UNTIL(got.done);
	assert_int_equal(got.rc, 0);
	assert_string_equal(got.message, "hi");
}

static unsigned int n_fds(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 512; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void what_is_dropped_is_closed(void **state)
{
	static const struct frame closes[] = { F(CLOSE, 0, ""), { 0 } };
	unsigned int before;

	answers = closes;
	ask(-1);
	for (unsigned int i = 0; i < 5; i++)
		loop_turn(loop, 1);
	before = n_fds();
	for (unsigned int i = 0; i < 10; i++)
		ask(-1);
	for (unsigned int i = 0; i < 5; i++)
		loop_turn(loop, 1);
	assert_int_equal(n_fds(), before);
}

/* It would be asked for what is not 127.0.0.1, if any was. */
static void proxies_of_the_environment_are_not_asked(void **state)
{
	static const char *const names[] = { "http_proxy", "https_proxy", "all_proxy" };

	for (unsigned int i = 0; i < ARRAY_LEN(names); i++)
		setenv(names[i], origin, 1);
	strcpy(origin, "http://0.0.0.0:1");
	ask(-1);
	assert_int_equal(got.rc, -ECONNREFUSED);
	assert_int_equal(n_conns, 0);
	for (unsigned int i = 0; i < ARRAY_LEN(names); i++)
		unsetenv(names[i]);
}

static void nobody_there_is_said(void **state)
{
	strcpy(origin, "http://127.0.0.1:1");
	ask(-1);
	assert_int_equal(got.rc, -ECONNREFUSED);
}

static void a_call_that_is_stopped_is_not_heard_of(void **state)
{
	grpc_stop(begin("text", 4, -1)); /* while it connects */
	for (unsigned int i = 0; i < 20; i++)
		loop_turn(loop, 1);
	assert_false(got.done);
	ask(-1);
	assert_int_equal(got.rc, 0);
}

static struct grpc_call *stream;
static char told[64];

static void on_message(void *arg, const void *message, size_t size)
{
	snprintf(told + strlen(told), sizeof(told) - strlen(told), "%.*s,", (int)size,
		 (const char *)message);
	if (arg && strstr(told, arg))
		grpc_stop(take(stream));
}

static void begin_stream(const char *until)
{
	memset(&got, 0, sizeof(got));
	*told = '\0';
	assert_int_equal(
		grpc_start(grpc,
			   &(struct grpc_req){ .origin = origin,
					       .path = "/p.S/M",
					       .message = "",
					       .timeout_ms = -1,
					       .max_size = MESSAGE_MAX },
			   &(struct grpc_handlers){ on_message, on_end, (void *)(uintptr_t)until },
			   &stream),
		0);
}

static const struct frame three[] = {
	F(HEADERS, WHOLE, OK),
	F(DATA, 0, "\0\0\0\0\1a\0\0\0\0\2bb\0\0\0"),
	F(DATA, 0, "\0\3cc"),
	F(DATA, 0, "c"),
	F(HEADERS, WHOLE | END, STATUS("\2", "14") MESSAGE("\3", "bye")),
	{ 0 },
};

static void a_stream_shows_its_messages(void **state)
{
	answers = three;
	begin_stream(NULL);
	UNTIL(got.done);
	assert_string_equal(told, "a,bb,ccc,");
	assert_int_equal(got.status, 14);
	assert_string_equal(got.words, "bye");
	assert_int_equal(got.size, -1);
	answers = good;
	ask(-1);
	assert_int_equal(n_conns, 1);
}

/* Who accepts, and says nothing of TLS, does not hold a call that has no time limit. */
static void a_stream_that_does_not_begin_ends(void **state)
{
	memmove(origin + strlen("https"), origin + strlen("http"),
		strlen(origin + strlen("http")) + 1);
	memcpy(origin, "https", strlen("https"));
	begin_stream(NULL);
	UNTIL(got.done);
	assert_int_equal(got.rc, -ETIMEDOUT);
	assert_int_equal(n_conns, 1);
}

static void a_stream_may_be_stopped_by_a_message(void **state)
{
	answers = three;
	begin_stream("bb");
	UNTIL(!stream);
	for (unsigned int i = 0; i < 20; i++)
		loop_turn(loop, 1);
	assert_string_equal(told, "a,bb,");
	assert_false(got.done);
	answers = good;
	ask(-1);
	assert_int_equal(n_conns, 2);
}

static void a_stream_ends_with_what_is_no_message(void **state)
{
	static const struct frame bad[] = {
		F(HEADERS, WHOLE, OK),
		F(DATA, 0, "\0\0\0\0\1a\1\0\0\0\2bb"),
		{ 0 },
	};

	answers = bad;
	begin_stream(NULL);
	UNTIL(got.done);
	assert_string_equal(told, "a,");
	assert_int_equal(got.rc, -EPROTO);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(answers_are_what_they_are),
		T(who_is_silent_is_left),
		T(who_refuses_early_is_heard),
		T(calls_at_once_have_connections_of_their_own),
		T(a_kept_connection_that_was_closed_is_not_used),
		T(a_call_is_made_again_where_a_kept_connection_breaks),
		T(a_large_request_waits_for_room),
		T(what_is_dropped_is_closed),
		T(proxies_of_the_environment_are_not_asked),
		T(nobody_there_is_said),
		T(a_call_that_is_stopped_is_not_heard_of),
		T(a_stream_shows_its_messages),
		T(a_stream_that_does_not_begin_ends),
		T(a_stream_may_be_stopped_by_a_message),
		T(a_stream_ends_with_what_is_no_message),
	};

	return cmocka_run_group_tests_name("grpc", tests, NULL, NULL);
}
