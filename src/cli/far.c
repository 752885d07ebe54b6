/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands of which `anyvf` knows the words alone: another program runs them, which is anyvf with
 * what speaks HTTP. The libraries of that, and theirs, are thirty, and to load them was most of
 * what a short command cost: `anyvf vf set` is called by scripts, and `ip` for every netdev.
 */
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"

#define FAR "anyvf-site"

static int go(struct cli *cli)
{
	char program[512];
	struct err e = { 0 };

	cli_program(FAR, program, sizeof(program));
	execvp(program, cli->argv);
	err_errno(&e, "%s", program);
	return cli_error(&e);
}

const struct cli_command cli_host_commands[] = {
	{ "list", go },	  { "show", go },  { "add", go },    { "disable", go },
	{ "enable", go }, { "drain", go }, { "remove", go }, { NULL, NULL },
};
const struct cli_command cli_store_commands[] = { { "copy", go }, { NULL, NULL } };

#define FAR_OBJECT(name)                                                                           \
	int name(struct cli *cli)                                                                  \
	{                                                                                          \
		return go(cli);                                                                    \
	}

FAR_OBJECT(cli_up)
FAR_OBJECT(cli_down)
FAR_OBJECT(cli_status)
FAR_OBJECT(cli_console)
FAR_OBJECT(cli_lab)
FAR_OBJECT(cli_web)
