/* SPDX-License-Identifier: Apache-2.0 */
/* `anyvf web`: the page of this host's switch, until it is stopped. */
#include "web/web.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "web/pipe.h"

#define LISTEN "127.0.0.1:9742"

static void stop(void *loop)
{
	loop_stop(loop);
}

static int serve(struct web_opts *opts, struct err *e)
{
	auto_of(loop_free) struct loop *loop = loop_new(e);
	auto_of(web_close) struct web *web = NULL;
	int rc = loop ? loop_signal_add(loop, SIGTERM, stop, loop) : -ENOMEM;

	opts->loop = loop;
	rc = rc ?: loop_signal_add(loop, SIGINT, stop, loop) ?: web_open(opts, &web, e);
	if (rc)
		return rc;
	puts(web_url(web));
	fprintf(stderr, "Open this address in a browser on this machine, once; Ctrl-C ends it.\n");
	return fflush(stdout) ? -EIO : loop_run(loop);
}

/**
 * cli_web() - anyvf web [--listen ADDRESS:PORT | --stdio] [--write]
 * @cli: words start behind `web`
 *
 * Return: the exit code; 0 when it was stopped, or its standard input ended.
 */
int cli_web(struct cli *cli)
{
	struct web_opts opts = { .run_dir = cli->run_dir };
	struct err e = { 0 };
	bool stdio = false;
	const char *word;
	int rc;

	while ((word = cli_next(cli))) {
		if (!strcmp(word, "--write"))
			opts.program = "/proc/self/exe";
		else if (!strcmp(word, "--stdio") && !opts.listen)
			stdio = true;
		else if (strcmp(word, "--listen") || stdio)
			return cli_garbage("web", word);
		else if (!(opts.listen = cli_next(cli)))
			return cli_incomplete();
	}
	signal(SIGPIPE, SIG_IGN);
	opts.listen = opts.listen ?: LISTEN;
	rc = stdio ? pipe_run(STDIN_FILENO, STDOUT_FILENO, opts.run_dir, opts.program, &e)
		   : serve(&opts, &e);
	if (!rc)
		return CLI_OK;
	err_set(&e, rc, "%s", strerror(-rc));
	return cli_error(&e);
}
