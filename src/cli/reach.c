/* SPDX-License-Identifier: Apache-2.0 */
/* The way from a command to the daemons: the one that has a PF, any one, or all. */
#include <errno.h>
#include <stdio.h>

#include "cli/cli.h"

/* JSON takes no other bytes; this or an empty heap is what stops a request from being made. */
static int not_text(struct err *e)
{
	return err_set(e, -EINVAL, "a word of the command line is not UTF-8");
}

/**
 * cli_call_pf() - Ask the daemon that has a PF
 * @cli:    run
 * @pf:     name
 * @method: see ctl/ctl.h
 * @params: taken; "pf" is added. NULL, where making them failed, is refused.
 * @result: new reference, or NULL if not wanted
 * @e:      error text
 *
 * Return: 0, -ENODEV, -ECONNREFUSED, or the verb's own negative errno.
 */
int cli_call_pf(struct cli *cli, const char *pf, const char *method, json_t *params,
		json_t **result, struct err *e)
{
	auto_of(ctl_close) struct ctl_client *c = NULL;
	auto_of(json_decref) json_t *p = params;
	int rc = p ? ctl_open_pf(cli->run_dir, pf, &c, e) : not_text(e);

	if (rc)
		return rc;
	if (json_object_set_new(p, "pf", json_string(pf)))
		return not_text(e);
	return ctl_call(c, method, json_incref(p), CTL_TIMEOUT_MS, result, e);
}

static int open_sock(struct cli *cli, const char *sock, struct ctl_client **out, struct err *e)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", cli->run_dir, sock);
	return ctl_open(path, out, e);
}

/**
 * cli_call_any() - Ask the software switch, which owns what no PF owns
 * @cli:    run
 * @method: see ctl/ctl.h
 * @params: taken. NULL, where making them failed, is refused.
 * @result: new reference, or NULL if not wanted
 * @e:      error text
 *
 * Return: 0, -ECONNREFUSED (it does not run), or the verb's own negative errno.
 */
int cli_call_any(struct cli *cli, const char *method, json_t *params, json_t **result,
		 struct err *e)
{
	auto_of(ctl_close) struct ctl_client *c = NULL;
	auto_of(json_decref) json_t *p = params;
	int rc = p ? open_sock(cli, ctl_socks[0], &c, NULL) : not_text(e);

	if (!p)
		return rc;
	if (rc == -EACCES)
		return err_set(e, rc, "no permission to use %s/%s", cli->run_dir, ctl_socks[0]);
	if (rc)
		return err_set(e, -ECONNREFUSED, "anyvf-swd does not run in %s (try: anyvf up)",
			       cli->run_dir);
	return ctl_call(c, method, json_incref(p), CTL_TIMEOUT_MS, result, e);
}

/**
 * cli_call_all() - Ask every daemon that runs for its list and join the lists
 * @cli:     run
 * @method:  one whose result is an array
 * @results: new reference to one array
 * @e:       error text
 *
 * Return: 0, -ECONNREFUSED (none runs), -EACCES, or a verb's negative errno.
 */
int cli_call_all(struct cli *cli, const char *method, json_t **results, struct err *e)
{
	auto_of(json_decref) json_t *all = json_array();
	unsigned int n_daemons = 0;

	for (unsigned int i = 0; ctl_socks[i]; i++) {
		auto_of(ctl_close) struct ctl_client *c = NULL;
		auto_of(json_decref) json_t *list = NULL;
		int rc = open_sock(cli, ctl_socks[i], &c, NULL);

		if (rc == -EACCES)
			return err_set(e, rc, "no permission to use %s/%s", cli->run_dir,
				       ctl_socks[i]);
		if (rc)
			continue;
		n_daemons++;
		rc = ctl_call(c, method, NULL, CTL_TIMEOUT_MS, &list, e);
		if (!rc && json_array_extend(all, list))
			rc = err_set(e, -EPROTO, "%s answered no list", method);
		if (rc)
			return rc;
	}
	if (!n_daemons)
		return err_set(e, -ECONNREFUSED, "no anyvf daemon runs in %s (try: anyvf up)",
			       cli->run_dir);
	*results = take(all);
	return 0;
}
