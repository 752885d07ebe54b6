/* SPDX-License-Identifier: Apache-2.0 */
/* The store of the API by hand. Only the API's own program opens one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/site.h"

/**
 * cli_store_copy() - anyvf store copy [--config FILE] FROM TO
 * @cli: words start behind `copy`
 *
 * Return: the exit code of a failure; else anyvf-apid's.
 */
int cli_store_copy(struct cli *cli)
{
	auto_site struct site site;
	char program[512];
	const char *from, *to;
	struct err e = { 0 };
	int rc = site_open(cli, &site);

	if (rc)
		return rc;
	from = cli_next(cli);
	to = cli_next(cli);
	if (!to)
		return cli_missing(from ? "TO" : "FROM");
	if (cli_end(cli))
		return CLI_USAGE;
	if (site_pid(&site, PROG_APID)) {
		err_set(&e, -EBUSY,
			"anyvf-apid runs, pid %d: what it changes meanwhile would be lost",
			(int)site_pid(&site, PROG_APID));
		return cli_error(&e);
	}
	cli_program(progs[PROG_APID].name, program, sizeof(program));
	execlp(program, program, "--config", site.config, "--copy", from, to, NULL);
	err_errno(&e, "%s", program);
	return cli_error(&e);
}
