/* SPDX-License-Identifier: Apache-2.0 */
/* What an installation consists of, and which of it runs. */
#include "cli/site.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

#define SYSTEM_URI "qemu:///system"

const struct prog progs[PROG_N] = {
	[PROG_VIRTLOGD] = { "virtlogd", "/run", "virtlogd.pid" },
	[PROG_LIBVIRTD] = { "libvirtd", "/run", "libvirtd.pid" },
	[PROG_SWD] = { "anyvf-swd", NULL, "swd.lock" },
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
	    conf_open(site->config, &site->conf, &e))
		return cli_error(&e);
	cli->run_dir = site->run_dir;
	site->uri = site_conf(site, "agent", "libvirt_uri");
	site->own_libvirt = !strcmp(site->uri, SYSTEM_URI);
	return CLI_OK;
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
 * site_uses() - Is a program ours to start here?
 * @site: site
 * @id:   program
 *
 * A libvirt that is not the system's has its own ways to be started.
 */
bool site_uses(const struct site *site, enum prog_id id)
{
	return site->own_libvirt || (id != PROG_VIRTLOGD && id != PROG_LIBVIRTD);
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
