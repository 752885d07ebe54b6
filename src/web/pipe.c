/* SPDX-License-Identifier: Apache-2.0 */
#include "web/pipe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/field.h"
#include "web/desk.h"

#define LINE_MAX_LEN 16384

struct pipe {
	struct loop *loop;
	struct desk *desk;
	int in, out;
	struct buf line; /* what came without a line's end yet */
	int rc;		 /* why it ended */
	struct err *e;
};

static void end(struct pipe *p, int rc)
{
	p->rc = p->rc ?: rc;
	loop_stop(p->loop);
}

/* Waits until it is taken: there is nobody else to be served meanwhile. */
static void put(struct pipe *p, const char *text, size_t size)
{
	while (size && !p->rc) {
		ssize_t n = write(p->out, text, size);

		if (n < 0 && errno != EINTR)
			end(p,
			    err_set(p->e, -errno, "the answer is not taken: %s", strerror(errno)));
		else if (n > 0) {
			text += n;
			size -= (size_t)n;
		}
	}
}

/* A sentence as JSON; bytes of a command that are no UTF-8 become question marks. */
static char *as_json(char *text)
{
	auto_of(json_decref) json_t *j = json_string(text);

	for (char *c = text; !j && *c; c++)
		if (*c & 0x80)
			*c = '?';
	j = j ?: json_string(text);
	return json_dumps(j, JSON_ENCODE_ANY);
}

static void reply(void *arg, void *who, unsigned int status, char *text)
{
	auto_free char *body = text && status != 200 ? as_json(text) : take(text);
	char head[64];
	int n = snprintf(head, sizeof(head), "{\"id\":%zu,\"status\":%u,\"body\":", (size_t)who,
			 body ? status : 500);

	put(arg, head, (size_t)n);
	put(arg, body ?: "\"out of memory\"", strlen(body ?: "\"out of memory\""));
	put(arg, "}\n", 2);
	free(text);
}

/* Which question it is; DOOR_ROUTES: none. */
static enum door_route what_of(const char *ask, bool body)
{
	const char *method, *path;
	size_t len = strcspn(ask, "?");

	for (unsigned int i = DOOR_STATE; door_route_at(i, &method, &path); i++)
		if (body == !strcmp(method, "POST") && strlen(path + 1) == len &&
		    !strncmp(path + 1, ask, len))
			return i;
	return DOOR_ROUTES;
}

static void answer(struct pipe *p, const char *line, size_t len)
{
	auto_of(json_decref) json_t *j = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *id = json_object_get(j, "id"), *body = json_object_get(j, "body");
	const char *ask = json_string_value(json_object_get(j, "ask"));
	enum door_route what = ask ? what_of(ask, json_is_string(body)) : DOOR_ROUTES;
	struct args args = { 0 };

	if (!json_is_integer(id) || json_integer_value(id) < 0 || what == DOOR_ROUTES ||
	    args_parse(ask + strcspn(ask, "?") + !!strchr(ask, '?'), &args)) {
		end(p, err_set(p->e, -EPROTO, "what came is no question"));
		return;
	}
	desk_ask(p->desk, what, &args, json_string_value(body), json_string_length(body),
		 (void *)(uintptr_t)json_integer_value(id));
	args_free(&args);
}

static void on_input(void *arg, uint32_t events)
{
	struct pipe *p = arg;
	char chunk[4096];
	ssize_t n = read(p->in, chunk, sizeof(chunk));
	size_t known = p->line.len;
	const char *nl;

	if (n <= 0) {
		if (!n || errno != EINTR)
			end(p, n ? -errno : 0);
		return;
	}
	if (buf_add(&p->line, chunk, (size_t)n, LINE_MAX_LEN + sizeof(chunk))) {
		end(p, -ENOMEM);
		return;
	}
	while (!p->rc && p->line.len &&
	       (nl = memchr(p->line.data + known, '\n', p->line.len - known))) {
		answer(p, p->line.data, (size_t)(nl - p->line.data));
		buf_drop(&p->line, (size_t)(nl - p->line.data) + 1);
		known = 0;
	}
	if (p->line.len > LINE_MAX_LEN)
		end(p, err_set(p->e, -EMSGSIZE, "a question is too long"));
}

/**
 * pipe_run() - Answer until there are no more questions
 * @in:	     where they come from, and
 * @out:     where answers go: pipes, sockets, a terminal
 * @run_dir: of the daemons' sockets
 * @program: that changes are run by; NULL: it shows, and changes nothing
 * @e:	     why it ended before that
 *
 * Return: 0, -EPERM (@in is a file), -EPROTO (what came is no question), -EMSGSIZE, -EPIPE,
 * -ENOMEM.
 */
int pipe_run(int in, int out, const char *run_dir, const char *program, struct err *e)
{
	auto_of(loop_free) struct loop *loop = loop_new(e);
	auto_of(desk_close) struct desk *desk = NULL;
	struct pipe p = { .loop = loop, .in = in, .out = out, .e = e };
	const struct desk_opts opts = {
		.loop = loop, .run_dir = run_dir, .program = program, .reply = reply, .arg = &p
	};
	struct loop_fd *src;
	int rc = loop ? desk_open(&opts, &desk, e) : -ENOMEM;

	if (rc)
		return rc;
	p.desk = desk;
	src = loop_fd_add(loop, in, EPOLLIN, on_input, &p);
	if (!src)
		return err_set(e, -errno, "no questions can be waited for there: %s",
			       strerror(errno));
	rc = loop_run(loop) ?: p.rc;
	loop_fd_del(src);
	buf_fini(&p.line);
	return rc;
}
