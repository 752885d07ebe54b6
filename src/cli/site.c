/* SPDX-License-Identifier: Apache-2.0 */
/* What an installation consists of, and which of it runs. */
#include "cli/hostfile.h"
#include "cli/site.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "httpc/httpc.h"

#define SYSTEM_URI "qemu:///system"

const struct prog progs[PROG_N] = {
	[PROG_VIRTLOGD] = { "virtlogd", "/run", "virtlogd.pid" },
	[PROG_LIBVIRTD] = { "libvirtd", "/run", "libvirtd.pid" },
	[PROG_SWD] = { "anyvf-swd", NULL, "swd.lock" },
	[PROG_HWD] = { "anyvf-hwd", NULL, "hwd.lock" },
	[PROG_APID] = { "anyvf-apid", "", "api/api.lock" },
	[PROG_AGENTD] = { "anyvf-agentd", NULL, "agentd.lock" },
};

/* Daemons change directory, so no path of theirs may be relative. */
static int absolute(const char *path, char *out, size_t size, struct err *e)
{
	auto_free char *here = *path == '/' ? strdup("") : getcwd(NULL, 0);
	int n = here ? snprintf(out, size, "%s%s%s", here, *here ? "/" : "", path) : -1;

	return n > 0 && n < (int)size ? 0 : err_set(e, -ENAMETOOLONG, "%s is too long", path);
}

/**
 * site_open() - Read the options and the configuration
 * @cli:  its words --config FILE are taken
 * @site: filled on success; ends with site_close()
 *
 * Return: CLI_OK, or the exit code of a refusal that has been printed.
 */
int site_open(struct cli *cli, struct site *site)
{
	struct err e = { 0 };

	*site = (struct site){ .cli = cli, .config = CONF_DEFAULT_PATH };
	while (cli_accept(cli, "--config")) {
		const char *path = cli_next(cli);

		if (!path)
			return cli_incomplete();
		if (!realpath(path, site->config)) {
			err_errno(&e, "%s", path);
			return cli_error(&e);
		}
	}
	if (absolute(cli->run_dir, site->run_dir, sizeof(site->run_dir), &e) ||
	    site_read_conf(site, &e))
		return cli_error(&e);
	cli->run_dir = site->run_dir;
	return CLI_OK;
}

/**
 * site_read_conf() - Read the configuration, once more if it was read before
 * @site: site; what site_conf() answered is gone
 * @e:    error text, may be NULL
 *
 * Return: as conf_open(); the old one stays then.
 */
int site_read_conf(struct site *site, struct err *e)
{
	struct conf *conf = NULL;
	int rc = conf_open(site->config, &conf, e);

	if (rc)
		return rc;
	conf_free(site->conf);
	site->conf = conf;
	site->uri = site_conf(site, "agent", "libvirt_uri");
	site->own_libvirt = !strcmp(site->uri, SYSTEM_URI);
	return 0;
}

/**
 * site_close() - Free what it holds
 * @site: site
 */
void site_close(struct site *site)
{
	conf_free(site->conf);
	free(site->token);
	site->conf = NULL;
	site->token = NULL;
}

/**
 * site_conf() - A value of the configuration
 * @site:    site
 * @section: its section
 * @key:     its key, one of base/conf.c
 *
 * Return: the value or its default; lives as long as @site.
 */
const char *site_conf(const struct site *site, const char *section, const char *key)
{
	return conf_get(site->conf, section, key);
}

/**
 * site_ask() - Ask the API something: the first of its replicas that is there
 * @site: site; keeps the URL of who answered
 * @req:  what to ask, but for URL and trust
 * @path: behind the API's URL
 * @out:  gets the answer, of any status, freed with httpc_answer_fini(); untouched on failure
 * @e:    what the first of them said
 *
 * Return: 0; -EINVAL without a URL; as httpc_call() of the last.
 */
int site_ask(struct site *site, const struct httpc_req *req, const char *path,
	     struct httpc_answer *out, struct err *e)
{
	auto_of(httpc_close) struct httpc *http = NULL;
	const struct httpc_trust trust = { .ca_file = site_conf(site, "agent", "ca_file") };
	char base[sizeof(site->api)], url[512];
	struct httpc_req asked = *req;
	int rc = httpc_open(&http, e);

	if (rc)
		return rc;
	asked.url = url;
	asked.trust = &trust;
	rc = -EINVAL;
	for (unsigned int i = 0; rc && conf_api_url(site->conf, i, base, sizeof(base)); i++) {
		snprintf(url, sizeof(url), "%s%s", base, path);
		rc = httpc_call(http, &asked, out, e);
		snprintf(site->api, sizeof(site->api), "%s", rc ? "" : base);
	}
	return rc;
}

/**
 * site_pf_is_hw() - Is a PF of the configuration a NIC's?
 * @site: site
 * @name: of [pf.NAME]
 *
 * Return: true if its kind is hw.
 */
bool site_pf_is_hw(const struct site *site, const char *name)
{
	char section[64];

	snprintf(section, sizeof(section), "pf.%s", name);
	return !strcmp(site_conf(site, section, "kind"), "hw");
}

/**
 * site_host_conf() - The file of this host, beside the configuration
 * @site: site
 * @out:  gets its name
 */
void site_host_conf(const struct site *site, char out[PATH_MAX])
{
	const char *end = strrchr(site->config, '/');

	snprintf(out, PATH_MAX, "%.*shost.conf", end ? (int)(end - site->config) + 1 : 0,
		 site->config);
}

/* A PF of a NIC is in the configuration or the host's file, or was added by hand. */
static bool has_hw(const struct site *site)
{
	char state[512], path[PATH_MAX];
	const char *name;

	for (unsigned int i = 0; (name = conf_instance(site->conf, "pf", i)); i++)
		if (site_pf_is_hw(site, name))
			return true;
	snprintf(state, sizeof(state), "%s/hwd.json", site_conf(site, "host", "state_dir"));
	site_host_conf(site, path);
	return !access(state, F_OK) || hostfile_has_nic(path);
}

/**
 * site_has() - Is a program of ours installed on this machine?
 * @id: of ours
 *
 * The API and the agent are packages of their own.
 */
bool site_has(enum prog_id id)
{
	char path[512];

	return cli_program(progs[id].name, path, sizeof(path));
}

/**
 * site_needs() - Refuse what cannot be done without a program of ours
 * @id: of ours
 * @e:  error text
 *
 * Return: 0, or -ENOENT.
 */
int site_needs(enum prog_id id, struct err *e)
{
	return site_has(id) ? 0 : err_set(e, -ENOENT, "%s is not installed", progs[id].name);
}

/**
 * site_uses() - Is a program ours to start here?
 * @site: site
 * @id:   program
 *
 * What is not installed is not. libvirt is the agent's, and one that is not the system's has its
 * own ways to be started; a machine that joined a cloud has no API.
 */
bool site_uses(const struct site *site, enum prog_id id)
{
	switch (id) {
	case PROG_VIRTLOGD:
	case PROG_LIBVIRTD:
		return site->own_libvirt && site_has(PROG_AGENTD);
	case PROG_HWD:
		return has_hw(site);
	case PROG_APID:
		return site_has(id) && strcmp(site_conf(site, "api", "listen"), CONF_NO_API) != 0;
	case PROG_AGENTD:
		return site_has(id);
	case PROG_SWD:
	case PROG_N:
		break;
	}
	return true;
}

static pid_t read_pid(const char *path)
{
	auto_free char *text = NULL;

	return file_read(path, 64, &text, NULL, NULL) ? 0 : (pid_t)strtol(text, NULL, 10);
}

/* Does the process run this program, and is more than a zombie? (proc(5), /proc/PID/stat) */
static bool runs(pid_t pid, const char *name)
{
	auto_free char *stat = NULL;
	char path[64], want[64];
	const char *found;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	snprintf(want, sizeof(want), "(%.15s) ", name); /* TASK_COMM_LEN */
	if (pid <= 0 || file_read(path, 4096, &stat, NULL, NULL))
		return false;
	found = strstr(stat, want);
	return found && found[strlen(want)] != 'Z';
}

static void pid_path(const struct site *site, enum prog_id id, char *out, size_t size)
{
	const struct prog *p = &progs[id];
	const char *dir = !p->lock_dir	 ? site->cli->run_dir
			  : *p->lock_dir ? p->lock_dir
					 : site_conf(site, "host", "state_dir");

	snprintf(out, size, "%s/%s", dir, p->lock_file);
}

/**
 * site_pid() - The process of a program, of this site
 * @site: site
 * @id:   program
 *
 * Return: its pid; 0 if it does not run.
 */
pid_t site_pid(const struct site *site, enum prog_id id)
{
	char path[512];
	pid_t pid;

	pid_path(site, id, path, sizeof(path));
	pid = read_pid(path);
	return runs(pid, progs[id].name) ? pid : 0;
}

static void mark_path(const struct site *site, enum prog_id id, char *out, size_t size)
{
	snprintf(out, size, "%s/%s.started", site->cli->run_dir, progs[id].name);
}

/**
 * site_started() - Is the running program one that `anyvf up` started?
 * @site: site
 * @id:   program
 */
bool site_started(const struct site *site, enum prog_id id)
{
	char path[512];
	pid_t pid = site_pid(site, id);

	mark_path(site, id, path, sizeof(path));
	return pid && read_pid(path) == pid;
}

/**
 * site_mark() - Remember what `anyvf up` started
 * @site: site
 * @id:   program
 * @pid:  its process; 0: forget it
 */
void site_mark(const struct site *site, enum prog_id id, pid_t pid)
{
	char path[512], text[24];

	mark_path(site, id, path, sizeof(path));
	snprintf(text, sizeof(text), "%d\n", (int)pid);
	if (pid)
		file_replace(path, text, strlen(text), 0644, NULL);
	else
		unlink(path);
}
