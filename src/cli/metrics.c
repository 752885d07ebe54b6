/* SPDX-License-Identifier: Apache-2.0 */
/* `anyvf metrics`: once what anyvf-exporter serves. */
#include "metrics/metrics.h"

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

/**
 * cli_metrics() - Print a host's metrics
 * @cli: words: openmetrics, sriov
 *
 * Return: exit code; that of an error if a daemon that was asked is not up, and the page is of the
 * others.
 */
int cli_metrics(struct cli *cli)
{
	struct buf page = { 0 };
	struct err e = { 0 };
	struct metrics_opts opts = {
		.run_dir = cli->run_dir, .timeout_ms = CTL_TIMEOUT_MS, .full = true, .why = &e
	};
	int rc;

	for (;;) {
		if (cli_accept(cli, "openmetrics"))
			opts.open = true;
		else if (cli_accept(cli, "sriov"))
			opts.sriov = true;
		else
			break;
	}
	if (cli_end(cli))
		return CLI_USAGE;
	rc = metrics_page(&opts, &page);
	if (rc) {
		err_set(&e, rc, "%s", strerror(-rc));
		return cli_error(&e);
	}
	fwrite(page.data, 1, page.len, stdout);
	buf_fini(&page);
	if (fflush(stdout))
		return CLI_FAIL;
	return e.msg[0] ? cli_error(&e) : CLI_OK;
}
