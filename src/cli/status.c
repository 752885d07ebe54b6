/* SPDX-License-Identifier: Apache-2.0 */
/* `anyvf status` and `anyvf console`: what runs here and why not, and a guest's serial console. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/spawn.h"
#include "cli/site.h"

#define VIRSH_WAIT_MS 10000

/* The replica of the API that the agent of this host asks, as it wrote it down; "" if unknown. */
static void agents_api(const struct site *site, char *out, size_t size)
{
	auto_of(json_decref) json_t *record = NULL;
	const char *url;
	char path[512];

	snprintf(path, sizeof(path), "%s/agent/api.json", site_conf(site, "host", "state_dir"));
	record = json_load_file(path, 0, NULL);
	url = json_string_value(json_object_get(record, "url"));
	snprintf(out, size, "%s", url ? url : "");
}

/* What a program serves, for people. */
static void describe(struct site *site, enum prog_id id, const json_t *pfs, char *out, size_t size)
{
	const char *host = site_conf(site, "host", "name");
	char api[300];
	const json_t *pf;
	size_t i, n = 0;

	*out = '\0';
	switch (id) {
	case PROG_SWD:
		n = (size_t)snprintf(out, size, "PFs:");
		json_array_foreach (pfs, i, pf) {
			if (n < size)
				n += (size_t)snprintf(out + n, size - n, " %s",
						      json_string_value(pf));
		}
		if (!json_array_size(pfs))
			snprintf(out, size, "no PFs yet (anyvf pf add)");
		return;
	case PROG_HWD:
		snprintf(out, size, "PFs of NICs");
		return;
	case PROG_APID:
		snprintf(out, size, "%s, %s, page %s/anyvf/ui/", site->api,
			 site_conf(site, "api", "openrc"), site->api);
		return;
	case PROG_AGENTD:
		agents_api(site, api, sizeof(api));
		snprintf(out, size, "host %s%salive%s%s", host, *host ? " " : "",
			 *api ? ", by " : "", api);
		return;
	case PROG_LIBVIRTD:
		snprintf(out, size, "%s", site->uri);
		return;
	case PROG_VIRTLOGD:
	case PROG_N:
		return;
	}
}

/* Is a program this machine's matter? libvirt and the API, whoever starts them, are an agent's. */
static bool concerns(const struct site *site, enum prog_id id)
{
	return site_uses(site, id) ||
	       ((id == PROG_LIBVIRTD || id == PROG_APID) && site_has(PROG_AGENTD));
}

/* One program's state. */
static json_t *probe(struct site *site, enum prog_id id, const json_t *pfs)
{
	struct err why = { 0 };
	pid_t pid = site_uses(site, id) ? site_pid(site, id) : 0;
	int rc = site_ready(site, id, &why);
	char text[1024];

	if (rc && !pid && site_uses(site, id))
		snprintf(why.msg, sizeof(why.msg), "it does not run");
	describe(site, id, pfs, text, sizeof(text));
	return json_pack("{s:s, s:b, s:i, s:b, s:b, s:s, s:s}", "name", progs[id].name, "running",
			 pid || !rc, "pid", (int)pid, "started_by_up", site_started(site, id),
			 "ready", !rc, "serves", rc ? "" : text, "why_not", rc ? why.msg : "");
}

static void print_one(const json_t *d)
{
	const char *name, *serves, *why;
	int running, ready, pid;

	if (json_unpack((json_t *)(uintptr_t)d, "{s:s, s:b, s:i, s:b, s:s, s:s}", "name", &name,
			"running", &running, "pid", &pid, "ready", &ready, "serves", &serves,
			"why_not", &why))
		return;
	printf("%-13s %-9s", name, ready ? "ready" : running ? "not ready" : "down");
	if (pid)
		printf(" pid %d", pid);
	printf("  %s\n", ready ? serves : why);
}

/**
 * cli_status() - anyvf status [--config FILE]
 * @cli: words start behind `status`
 *
 * Return: CLI_OK if everything is ready, else CLI_FAIL.
 */
int cli_status(struct cli *cli)
{
	auto_of(json_decref) json_t *list = json_array(), *pfs = NULL, *all = NULL;
	auto_site struct site site = { 0 };
	bool ready = true;
	int rc = site_open(cli, &site);

	if (rc)
		return rc;
	if (cli_end(cli))
		return CLI_USAGE;
	if (cli_call_all(cli, "pf.list", &pfs, NULL))
		pfs = json_array();
	for (enum prog_id id = 0; id < PROG_N; id++) {
		json_t *d;

		if (!concerns(&site, id))
			continue;
		d = probe(&site, id, pfs);
		json_array_append_new(list, d);
		ready = ready && json_is_true(json_object_get(d, "ready"));
		if (!cli->json)
			print_one(d);
	}
	all = json_pack("{s:b, s:s, s:s, s:O, s:O}", "ready", ready, "run_dir", cli->run_dir,
			"config", site.config, "daemons", list, "pfs", pfs);
	if (cli->json && cli_print_json(cli, all))
		return CLI_FAIL;
	return ready ? CLI_OK : CLI_FAIL;
}

/*
 * Is @domain the one people call @vm? By its own name, the server's id or the server's name. On a
 * terminal virsh may say things about polkit before the title, so any line of its output counts.
 */
static bool is_called(const char *uri, const char *domain, const char *vm)
{
	const char *const argv[] = { "virsh", "-q", "-c", uri, "desc", "--title", domain, NULL };
	char text[1024] = "", *save, *line;

	if (strncmp(domain, "anyvf-", 6))
		return false;
	if (!strcmp(domain, vm) || !strcmp(domain + 6, vm))
		return true;
	if (spawn_run(argv, VIRSH_WAIT_MS, text, sizeof(text), NULL))
		return false;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (!strcmp(line, vm))
			return true;
	return false;
}

/* The running domain of a VM into @out; -ENOENT, or -EEXIST when several have the name. */
static int find_domain(const char *uri, const char *vm, char *out, size_t size, struct err *e)
{
	const char *const argv[] = { "virsh", "-q", "-c", uri, "list", "--name", NULL };
	auto_free char *list = calloc(1, 65536);
	char *save, *name;
	int n = 0, rc;

	if (!list)
		return err_set(e, -ENOMEM, "out of memory");
	rc = spawn_run(argv, VIRSH_WAIT_MS, list, 65536, e);
	if (rc)
		return rc;
	for (name = strtok_r(list, " \n", &save); name; name = strtok_r(NULL, " \n", &save)) {
		if (!is_called(uri, name, vm))
			continue;
		n++;
		snprintf(out, size, "%s", name);
	}
	if (n > 1)
		return err_set(e, -EEXIST, "%d servers are called %s: name one by its id", n, vm);
	return n ? 0 : err_set(e, -ENOENT, "no running VM of %s is called %s", uri, vm);
}

/**
 * cli_console() - anyvf console VM [--uri URI] [--config FILE]
 * @cli: words start behind `console`
 *
 * Becomes `virsh console`; Ctrl-] leaves it.
 *
 * Return: an exit code, if it returns.
 */
int cli_console(struct cli *cli)
{
	auto_site struct site site = { 0 };
	const char *vm = NULL, *uri = NULL;
	struct err e = { 0 };
	char domain[256];
	int rc;

	while (*cli->words && strcmp(*cli->words, "--config")) {
		if (cli_accept(cli, "--uri")) {
			uri = cli_next(cli);
			if (!uri)
				return cli_incomplete();
		} else if (vm) {
			return cli_garbage("VM", *cli->words);
		} else {
			vm = cli_next(cli);
		}
	}
	rc = site_open(cli, &site);
	if (rc)
		return rc;
	if (!vm)
		return cli_incomplete();
	uri = uri ? uri : site.uri;
	if (find_domain(uri, vm, domain, sizeof(domain), &e))
		return cli_error(&e);
	execlp("virsh", "virsh", "-c", uri, "console", domain, (char *)NULL);
	err_errno(&e, "virsh");
	return cli_error(&e);
}
