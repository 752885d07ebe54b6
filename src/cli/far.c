/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands of which `anyvf` knows the words alone: another program runs them, which is anyvf with
 * what speaks HTTP. The libraries of that, and theirs, are thirty, and to load them was most of
 * what a short command cost: `anyvf vf set` is called by scripts, and `ip` for every netdev.
 */
#include <stdio.h>
#include <unistd.h>

#include "cli/lab.h"

static int go(struct cli *cli)
{
	char program[512];
	struct err e = { 0 };

	cli_program("anyvf-site", program, sizeof(program));
	execvp(program, cli->argv);
	err_errno(&e, "%s", program);
	return cli_error(&e);
}

#define FAR(name)                                                                                  \
	int name(struct cli *cli)                                                                  \
	{                                                                                          \
		return go(cli);                                                                    \
	}

FAR(cli_up)
FAR(cli_down)
FAR(cli_status)
FAR(cli_console)
FAR(cli_web)
FAR(cli_host_list)
FAR(cli_host_add)
FAR(cli_host_disable)
FAR(cli_host_enable)
FAR(cli_host_drain)
FAR(cli_host_remove)
FAR(cli_store_copy)

/**
 * cli_lab() - anyvf lab, by the other program
 * @cli: its whole line
 *
 * Return: that there is no lab; else it does not.
 */
int cli_lab(struct cli *cli)
{
	go(cli);
	return LAB_FAILED;
}
