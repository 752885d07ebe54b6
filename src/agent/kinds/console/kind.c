/* SPDX-License-Identifier: Apache-2.0 */
/* Questions for a server's console: the report is the answer. */
#include "agent/kinds/console/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/core/state.h"
#include "base/file.h"

#define CONSOLE_MAX 65536

enum { STEP_NONE, STEP_READ };

struct console {
	struct entity entity;
	char server[UUID_STR_LEN];
	unsigned int lines; /* 0: all */
	char *output;	    /* NULL: not read yet */
	struct work_queue *steps;
};

static int console_init(struct agent *a, struct entity *x)
{
	struct console *c = (struct console *)x;

	c->steps = work_queue_new(a->loop);
	return c->steps ? 0 : -ENOMEM;
}

static void console_fini(struct entity *x)
{
	struct console *c = (struct console *)x;

	work_queue_free(c->steps);
	free(c->output);
}

static int console_parse(struct agent *a, struct entity *x, json_t *doc, struct err *e)
{
	struct console *c = (struct console *)x;
	const char *server = json_string_value(json_object_get(doc, "server"));
	json_int_t length = json_integer_value(json_object_get(doc, "length"));

	if (!server || !uuid_valid(server))
		return err_set(e, -EINVAL, "it asks for no server's console");
	snprintf(c->server, sizeof(c->server), "%s", server);
	c->lines = (unsigned int)MIN(MAX(length, (json_int_t)0), (json_int_t)CONSOLE_MAX);
	free(take(c->output));
	return 0;
}

static int console_plan(struct agent *a, struct entity *x)
{
	return x->doc && !((const struct console *)x)->output ? STEP_READ : STEP_NONE;
}

/* The file's last bytes, at most CONSOLE_MAX and the wanted number of lines, as ASCII. */
static char *read_tail(const char *path, unsigned int lines)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char *text = calloc(1, CONSOLE_MAX + 1);
	struct stat st;
	ssize_t n = 0;

	if (!text || fd < 0 || fstat(fd, &st))
		return text;
	n = pread(fd, text, CONSOLE_MAX, MAX(st.st_size - CONSOLE_MAX, (off_t)0));
	n = MAX(n, 0);
	for (ssize_t i = 0; i < n; i++) /* what a JSON string carries as it is */
		if (!text[i] || (signed char)text[i] < 0)
			text[i] = '?';
	/* Clients count what follows a newline as a line: the last one wanted ends without. */
	if (lines && n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	for (ssize_t i = n; lines && i > 0; i--)
		if (text[i - 1] == '\n' && !--lines)
			memmove(text, text + i, (size_t)(n - i) + 1);
	return text;
}

struct console_job {
	struct step step;
	char path[PATH_MAX];
	unsigned int lines;
	char *output;
};

static void console_run(void *arg)
{
	struct console_job *j = arg;

	j->output = read_tail(j->path, j->lines);
	if (!j->output)
		j->step.rc = err_set(&j->step.e, -ENOMEM, "out of memory");
}

static void console_done(struct step *s)
{
	struct console_job *j = (struct console_job *)s;
	struct console *c = (struct console *)s->entity;

	free(c->output);
	c->output = j->output;
	free(j);
}

static void console_step(struct agent *a, struct entity *x, int step)
{
	const struct console *c = (const struct console *)x;
	struct console_job *j = calloc(1, sizeof(*j));
	char dir[PATH_MAX];

	if (!j)
		return;
	j->step = (struct step){ .failure = "a console cannot be read", .done = console_done };
	j->lines = c->lines;
	agent_server_dir(a, c->server, dir);
	snprintf(j->path, sizeof(j->path), "%.*s/console.log", PATH_MAX - 16, dir);
	if (step_begin(&j->step, a, x, c->steps, console_run))
		free(j);
}

static json_t *console_status(const struct entity *x)
{
	const char *output = ((const struct console *)x)->output;

	return output ? json_pack("{s:s}", "output", output) : NULL;
}

const struct agent_kind console_kind = {
	.name = "console",
	.words = { "console" },
	.size = sizeof(struct console),
	.init = console_init,
	.fini = console_fini,
	.parse = console_parse,
	.plan = console_plan,
	.step = console_step,
	.status = console_status,
};
