/* SPDX-License-Identifier: Apache-2.0 */
/* The way from a command to the daemons: the one that has a PF, any one, or all. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "cli/cli.h"

/* JSON takes no other bytes; this or an empty heap is what stops a request from being made. */
static int not_text(struct err *e)
{
	return err_set(e, -EINVAL, "a word of the command line is not UTF-8");
}

#define AGAIN_MS 20 /* between two tries to reach a switch that starts */

/* Who has the lock of a daemon is there, and will answer soon; @sock: of one, NULL: any. */
static bool is_starting(const struct cli *cli, const char *sock)
{
	char path[512];

	for (unsigned int i = 0; ctl_socks[i]; i++) {
		if (sock && strcmp(sock, ctl_socks[i]))
			continue;
		snprintf(path, sizeof(path), "%s/%.*s.lock", cli->run_dir,
			 (int)strcspn(ctl_socks[i], "."), ctl_socks[i]);
		auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK)
			return true;
	}
	return false;
}

/* What may be asked a second time where the first has perhaps been done. */
static bool is_repeatable(const char *method)
{
	static const char *const verbs[] = { ".get",   ".list",	 ".set", ".info",
					     ".drops", ".drift", ".end" };

	for (unsigned int i = 0; i < ARRAY_LEN(verbs); i++)
		if (!strcmp(strchrnul(method, '.'), verbs[i]))
			return true;
	return false;
}

/* After @rc: waits for a daemon that restarts, and says whether to ask it again. */
static bool again(const struct cli *cli, const char *sock, const char *method, int rc,
		  uint64_t deadline_ms)
{
	bool broken = rc == -ECONNRESET || rc == -EPIPE;

	if ((rc != -ECONNREFUSED && !(broken && is_repeatable(method))) ||
	    loop_now_ms() >= deadline_ms || !is_starting(cli, sock))
		return false;
	usleep(AGAIN_MS * 1000);
	return true;
}

static int open_sock(struct cli *cli, const char *sock, struct ctl_client **out, struct err *e)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", cli->run_dir, sock);
	return ctl_open(path, out, e);
}

/* One of the daemons, by its socket. */
static int open_one(struct cli *cli, const char *sock, struct ctl_client **out, struct err *e)
{
	int rc = open_sock(cli, sock, out, NULL);

	if (rc == -EACCES)
		return err_set(e, rc, "no permission to use %s/%s", cli->run_dir, sock);
	if (!rc)
		return 0;
	/* `up` starts it for a PF that the configuration has. */
	return err_set(e, -ECONNREFUSED, "anyvf-%.*s does not run in %s (try: %s)",
		       (int)strcspn(sock, "."), sock, cli->run_dir,
		       strcmp(sock, ctl_socks[1])
			       ? "anyvf up"
			       : "[pf.NAME] kind = hw in anyvf.conf, then anyvf up");
}

/* A file may have many VFs, and drivers take their time, for another number of VFs above all. */
static int timeout_ms(const char *method)
{
	static const char *const more[] = { "pf.add",	 "pf.set",    "pf.del",
					    "vf.attach", "vf.detach", "vf.release" };

	for (unsigned int i = 0; i < ARRAY_LEN(more); i++)
		if (!strcmp(method, more[i]))
			return 5 * CTL_TIMEOUT_MS;
	return strncmp(method, "apply.", 6) ? CTL_TIMEOUT_MS : 5 * CTL_TIMEOUT_MS;
}

/* The daemon that has @pf, told to it unless there is @sock as well; or with NULL that of @sock. */
static int call(struct cli *cli, const char *pf, const char *sock, const char *method,
		json_t *params, json_t **result, struct err *e)
{
	uint64_t deadline_ms = loop_now_ms() + CTL_TIMEOUT_MS;
	auto_of(json_decref) json_t *p = params;
	struct err why;
	int rc;

	if (!p)
		return not_text(e);
	if (pf && !sock && json_object_set_new(p, "pf", json_string(pf)))
		return err_set(e, -ENODEV, "there is no PF %s", pf);
	do {
		auto_of(ctl_close) struct ctl_client *c = NULL;

		why = (struct err){ 0 };
		rc = pf ? ctl_open_pf(cli->run_dir, pf, &c, &why) : open_one(cli, sock, &c, &why);
		if (!rc)
			rc = ctl_call(c, method, json_incref(p), timeout_ms(method), result, &why);
	} while (again(cli, pf ? NULL : sock, method, rc, deadline_ms));
	return rc ? err_set(e, rc, "%s", why.msg) : 0;
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
 * A switch that restarts is waited for.
 *
 * Return: 0, -ENODEV, -ECONNREFUSED, or the verb's own negative errno.
 */
int cli_call_pf(struct cli *cli, const char *pf, const char *method, json_t *params,
		json_t **result, struct err *e)
{
	return call(cli, pf, NULL, method, params, result, e);
}

/**
 * cli_call_of() - Ask the daemon that has a PF, by a request that names it in its own way
 * @cli:    run
 * @pf:     name
 * @method: see ctl/ctl.h
 * @params: taken. NULL, where making them failed, is refused.
 * @result: new reference, or NULL if not wanted
 * @e:      error text
 *
 * Return: as cli_call_pf().
 */
int cli_call_of(struct cli *cli, const char *pf, const char *method, json_t *params,
		json_t **result, struct err *e)
{
	return call(cli, pf, ctl_socks[0], method, params, result, e);
}

/**
 * cli_call_any() - Ask the software switch, which owns what no PF owns
 * @cli:    run
 * @method: see ctl/ctl.h
 * @params: taken. NULL, where making them failed, is refused.
 * @result: new reference, or NULL if not wanted
 * @e:      error text
 *
 * A switch that restarts is waited for.
 *
 * Return: 0, -ECONNREFUSED (it does not run), or the verb's own negative errno.
 */
int cli_call_any(struct cli *cli, const char *method, json_t *params, json_t **result,
		 struct err *e)
{
	return call(cli, NULL, ctl_socks[0], method, params, result, e);
}

/**
 * cli_call_hw() - Ask the daemon of NICs' PFs
 * @cli:    run
 * @method: see ctl/ctl.h
 * @params: taken. NULL, where making them failed, is refused.
 * @result: new reference, or NULL if not wanted
 * @e:      error text
 *
 * Return: 0, -ECONNREFUSED (it does not run), or the verb's own negative errno.
 */
int cli_call_hw(struct cli *cli, const char *method, json_t *params, json_t **result, struct err *e)
{
	return call(cli, NULL, ctl_socks[1], method, params, result, e);
}

/* cli_call_all(), once. */
static int call_all(struct cli *cli, const char *method, json_t **results, struct err *e)
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

/**
 * cli_call_all() - Ask every daemon that runs for its list and join the lists
 * @cli:     run
 * @method:  one whose result is an array
 * @results: new reference to one array
 * @e:       error text
 *
 * A switch that restarts is waited for.
 *
 * Return: 0, -ECONNREFUSED (none runs), -EACCES, or a verb's negative errno.
 */
int cli_call_all(struct cli *cli, const char *method, json_t **results, struct err *e)
{
	uint64_t deadline_ms = loop_now_ms() + CTL_TIMEOUT_MS;
	struct err why;
	int rc;

	do {
		why = (struct err){ 0 };
		rc = call_all(cli, method, results, &why);
	} while (again(cli, NULL, method, rc, deadline_ms));
	return rc ? err_set(e, rc, "%s", why.msg) : 0;
}
