/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `anyvf lab`: a switch, and an OpenStack API with simulated hosts, as a short file says, in a
 * directory of its own and for one command, which is told where they are by its environment.
 */
#include "cli/lab.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/spawn.h"
#include "cli/hostfile.h"
#include "cli/site.h"

#define TOOL_MS	   10000
#define HOSTS_MS   60000 /* until the simulated hosts are heard of */
#define POLL_US	   50000U
#define HOST_NAMES "lab-" /* and a number */
#define CLOUD	   "anyvf"

/* One run. */
struct lab {
	struct cli *cli;
	const char *path;     /* of the file */
	char *const *command; /* NULL: a shell */
	struct lab_file file;
	struct lab_place place;
	char dir[LAB_DIR_LEN], run_dir[LAB_DIR_LEN + 8];
	struct cli there; /* commands of ours to its switch */
};

/* ---- what it is made of ---- */

static int file_write(const struct lab *l, const char *name, const char *text, struct err *e)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", l->dir, name);
	return file_replace(path, text, strlen(text), 0600, e);
}

/* A port that is free now; 0: none is. */
static unsigned int free_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(at);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) ||
	    getsockname(fd, (struct sockaddr *)&at, &len))
		return 0;
	return ntohs(at.sin_port);
}

/* Who is root in a namespace of his own, or without root's privileges, cannot become others. */
static int write_conf(const struct lab *l, enum lab_way way, struct err *e)
{
	bool alone = !geteuid() && way != LAB_ROOT;
	auto_free char *text = NULL;
	char listen[32] = CONF_NO_API;

	if (l->file.api)
		snprintf(listen, sizeof(listen), "127.0.0.1:%u", free_port());
	if (asprintf(&text,
		     "[host]\nname = " HOST_NAMES "*\nstate_dir = %s/state\nlog_dir = %s/log\n"
		     "[switch]\n%s%s\nprivileged = %s\n"
		     "[api]\nlisten = %s\nopenrc = %s/openrc\n%s"
		     "[agent]\ncredentials = %s/agent.json\n"
		     "[network]\nflat_networks = *\nnetwork_vlan_ranges = physnet1:2:4000\n",
		     l->dir, l->dir, *l->file.cores ? "cores = " : "", l->file.cores,
		     alone ? "on" : "off", listen, l->dir, alone ? "user = root\n" : "",
		     l->dir) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	return file_write(l, "anyvf.conf", text, e);
}

static int write_host(const struct lab *l, struct err *e)
{
	auto_free char *text = json_dumps(l->file.host, JSON_INDENT(2));

	return text ? file_write(l, "host.conf", text, e) : err_set(e, -ENOMEM, "out of memory");
}

static int add_netns(const char *name, struct err *e)
{
	const char *const add[] = { "ip", "netns", "add", name, NULL };
	const char *const lo_up[] = { "ip", "-n", name, "link", "set", "lo", "up", NULL };

	return spawn_run(add, TOOL_MS, NULL, 0, e) ?: spawn_run(lo_up, TOOL_MS, NULL, 0, e);
}

static int start_switch(struct lab *l, struct site *site, struct err *e)
{
	char path[PATH_MAX];
	int rc = lab_file_netns(&l->file, add_netns, e);

	if (rc)
		return rc;
	site_host_conf(site, path);
	if (!hostfile_apply(&l->there, path, site->config, site->conf))
		return 0;
	return err_set(e, -EINVAL, "%s was not made", l->path);
}

/* How many of the simulated hosts the API hears. */
static unsigned int hosts_up(struct site *site)
{
	auto_of(json_decref) json_t *list = NULL;
	unsigned int n = 0;
	const json_t *s;
	size_t i;

	cloud_ask(site, "GET", "/compute/v2.1/os-services?binary=nova-compute", NULL, &list, NULL);
	json_array_foreach (json_object_get(list, "services"), i, s) {
		const char *state = json_string_value(json_object_get(s, "state"));

		n += state && !strcmp(state, "up");
	}
	return n;
}

static int start_hosts(const struct lab *l, struct site *site, struct err *e)
{
	char program[512], url[300], hosts[16], log[PATH_MAX];
	const char *const argv[] = { program,
				     "--url",
				     url,
				     "--credentials",
				     site_conf(site, "agent", "credentials"),
				     "--hosts",
				     hosts,
				     "--prefix",
				     HOST_NAMES,
				     NULL };
	uint64_t end = loop_now_ms() + HOSTS_MS;
	pid_t pid;

	cli_program("anyvf-sim", program, sizeof(program));
	conf_api_url(site->conf, 0, url, sizeof(url));
	snprintf(hosts, sizeof(hosts), "%u", l->file.hosts);
	snprintf(log, sizeof(log), "%s/log/anyvf-sim.log", l->dir);
	pid = site_daemon(argv, log, site->tied, e);
	if (pid < 0)
		return pid;
	while (hosts_up(site) < l->file.hosts) {
		if (loop_now_ms() > end)
			return err_set(e, -ETIMEDOUT, "the simulated hosts do not come (see %s)",
				       log);
		usleep(POLL_US);
	}
	return 0;
}

/* ---- what its command is told ---- */

/* OS_AUTH_URL and the like of an openrc file, by @say. */
static int each_word(const char *path, void (*say)(void *arg, const char *key, const char *value),
		     void *arg, struct err *e)
{
	static const char word[] = "export ";
	auto_free char *text = NULL;
	char *save, *line, *value;
	size_t size;
	int rc = file_read(path, 65536, &text, &size, e);

	if (rc)
		return rc;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		value = strchr(line, '=');
		if (strncmp(line, word, strlen(word)) || !value)
			continue;
		*value = '\0';
		say(arg, line + strlen(word), value + 1);
	}
	return 0;
}

static void say_env(void *arg, const char *key, const char *value)
{
	setenv(key, value, 1);
}

/* Of clouds.yaml, what has a place in it. */
static void say_cloud(void *file, const char *key, const char *value)
{
	static const char *const members[][2] = {
		{ "OS_AUTH_URL", "auth_url" },
		{ "OS_USERNAME", "username" },
		{ "OS_PASSWORD", "password" },
		{ "OS_PROJECT_NAME", "project_name" },
		{ "OS_USER_DOMAIN_NAME", "user_domain_name" },
		{ "OS_PROJECT_DOMAIN_NAME", "project_domain_name" },
	};

	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		if (!strcmp(key, members[i][0]))
			fprintf(file, "      %s: \"%s\"\n", members[i][1], value);
}

static int write_clouds(const struct lab *l, struct err *e)
{
	static const char *const clouds[][2] = { { CLOUD, "openrc" },
						 { CLOUD "-demo", "demo-openrc" } };
	auto_free char *text = NULL;
	char path[PATH_MAX];
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	int rc = 0;

	if (!f)
		return err_set(e, -ENOMEM, "out of memory");
	fprintf(f, "clouds:\n");
	for (size_t i = 0; !rc && i < ARRAY_LEN(clouds); i++) {
		fprintf(f, "  %s:\n    region_name: RegionOne\n    auth:\n", clouds[i][0]);
		snprintf(path, sizeof(path), "%s/%s", l->dir, clouds[i][1]);
		rc = each_word(path, say_cloud, f, e);
	}
	if (fclose(f) && !rc)
		rc = err_set(e, -ENOMEM, "out of memory");
	snprintf(path, sizeof(path), "%s/clouds.yaml", l->dir);
	setenv("OS_CLIENT_CONFIG_FILE", path, 1);
	setenv("OS_CLOUD", CLOUD, 1);
	return rc ?: file_write(l, "clouds.yaml", text, e);
}

extern char **environ;

/* Those of another cloud would be taken for this one's. */
static void drop_os_words(void)
{
	for (char **at = environ; *at;) {
		char name[128];
		size_t n = strcspn(*at, "=");

		snprintf(name, sizeof(name), "%.*s", (int)n, *at);
		if (strncmp(*at, "OS_", 3) || n >= sizeof(name))
			at++;
		else
			unsetenv(name); /* the next one is in its place */
	}
}

/* Runners often have a proxy for all that is outside; its API is not. */
static void skip_proxy(void)
{
	const char *said = getenv("no_proxy") ?: getenv("NO_PROXY") ?: "";
	auto_free char *all = NULL;

	if (!strcmp(said, "*") || asprintf(&all, "%s%s127.0.0.1", said, *said ? "," : "") < 0)
		return;
	setenv("no_proxy", all, 1);
	setenv("NO_PROXY", all, 1);
}

static int say_all(const struct lab *l, struct err *e)
{
	char path[PATH_MAX];

	setenv("ANYVF_RUN_DIR", l->run_dir, 1);
	setenv("ANYVF_LAB", l->dir, 1);
	if (!l->file.api)
		return 0;
	drop_os_words();
	snprintf(path, sizeof(path), "%s/openrc", l->dir);
	return each_word(path, say_env, NULL, e) ?: write_clouds(l, e);
}

/* ---- its life ---- */

static int start_all(struct lab *l, struct site *site, struct err *e)
{
	enum prog_id first = l->file.switch_ ? PROG_SWD : PROG_APID;
	int rc = l->file.api ? site_needs(PROG_APID, e) : 0;

	rc = rc ?: site_start(site, first, l->file.api ? PROG_APID : PROG_SWD, e);

	if (!rc && l->file.switch_)
		rc = start_switch(l, site, e);
	if (!rc && l->file.hosts)
		rc = start_hosts(l, site, e);
	return rc ?: say_all(l, e);
}

/* What is said on the way is nobody's: it goes to a file. Return: what standard output was. */
static int hush(const struct lab *l, struct err *e)
{
	auto_close int log = -1;
	char path[PATH_MAX];
	int was;

	snprintf(path, sizeof(path), "%s/log", l->dir);
	if (file_mkdirs(path, 0755, e))
		return -1;
	snprintf(path, sizeof(path), "%s/log/lab.log", l->dir);
	log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	fflush(stdout);
	was = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (log < 0 || was < 0 || dup2(log, STDOUT_FILENO) < 0)
		return err_errno(e, "%s", path), -1;
	return was;
}

static int make(struct lab *l, enum lab_way way, struct err *e)
{
	char config[LAB_DIR_LEN + 16];
	char *words[] = { (char[]){ "--config" }, config, NULL };
	auto_site struct site site = { 0 };
	auto_close int was = hush(l, e);
	int rc;

	if (was < 0)
		return -EIO;
	snprintf(l->run_dir, sizeof(l->run_dir), "%s/run", l->dir);
	l->there = (struct cli){ .words = words, .run_dir = l->run_dir };
	snprintf(config, sizeof(config), "%s/anyvf.conf", l->dir);
	rc = write_conf(l, way, e) ?: write_host(l, e) ?: file_mkdirs(l->run_dir, 0755, e);
	if (!rc && site_open(&l->there, &site))
		rc = err_set(e, -EINVAL, "%s", config);
	site.tied = true;
	if (l->file.api)
		skip_proxy();
	rc = rc ?: start_all(l, &site, e);
	fflush(stdout);
	dup2(was, STDOUT_FILENO);
	return rc;
}

/* lab_place.run */
static int live(void *arg, enum lab_way way)
{
	char *shell[] = { getenv("SHELL") ?: (char[]){ "/bin/sh" }, NULL };
	struct lab *l = arg;
	struct err e = { 0 };

	if (make(l, way, &e)) {
		cli_error(&e);
		return LAB_FAILED;
	}
	return lab_command(l->command ?: shell);
}

/* The one that was named: new, or with nothing in it. */
static int take_named(const char *said, struct err *e)
{
	unsigned int n = 0;
	DIR *dir;

	if (!mkdir(said, 0755))
		return 0;
	dir = errno == EEXIST ? opendir(said) : NULL;
	if (!dir)
		return err_errno(e, "%s", said);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n == 2 ? 0 : err_set(e, -ENOTEMPTY, "%s: there is something in it", said);
}

/* A directory of its own. */
static int take_dir(struct lab *l, const char *said, struct err *e)
{
	const char *tmp = getenv("TMPDIR");
	char path[PATH_MAX];

	l->place.keep = said;
	snprintf(path, sizeof(path), "%s/anyvf-lab-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (said ? take_named(said, e) : !mkdtemp(path))
		return said ? -EINVAL : err_errno(e, "%s", path);
	auto_free char *real = realpath(said ?: path, NULL);
	if (!real)
		return err_errno(e, "%s", said ?: path);
	if (strlen(real) >= sizeof(l->dir)) {
		if (!said)
			rmdir(real);
		return err_set(e, -ENAMETOOLONG, "%s: too long a name for sockets in it", real);
	}
	strcpy(l->dir, real);
	/* Daemons' accounts go through it. */
	return said || !chmod(real, 0755) ? 0 : err_errno(e, "%s", real);
}

static int read_words(struct lab *l, const char **dir)
{
	const char *word;

	while ((word = cli_next(l->cli)) && strcmp(word, "--") != 0) {
		if (!strcmp(word, "--dir")) {
			*dir = cli_next(l->cli);
			if (!*dir)
				return cli_incomplete();
		} else if (l->path) {
			return cli_wrong(word,
					 "there is a file already; the command stands behind --");
		} else {
			l->path = word;
		}
	}
	if (!l->path || (word && !*l->cli->words))
		return cli_incomplete();
	l->command = word ? l->cli->words : NULL;
	return CLI_OK;
}

/**
 * cli_lab() - anyvf lab FILE [--dir DIR] [-- COMMAND [WORD...]]
 * @cli: words start behind `lab`
 *
 * Return: the command's exit code, 128 and its signal; LAB_FAILED: the lab could not be made;
 * CLI_USAGE.
 */
int cli_lab(struct cli *cli)
{
	struct lab l = { .cli = cli };
	const char *dir = NULL;
	struct err e = { 0 };
	int code = LAB_FAILED, rc = read_words(&l, &dir);

	if (rc)
		return rc;
	rc = lab_file_read(l.path, &l.file, &e);
	rc = rc ?: take_dir(&l, dir, &e);
	l.place.dir = l.dir;
	l.place.net = l.file.net;
	l.place.run = live;
	l.place.arg = &l;
	if (rc || lab_inside(&l.place, &code, &e)) {
		cli_error(&e);
		if (!l.place.keep && *l.dir)
			rmdir(l.dir);
	}
	lab_file_fini(&l.file);
	return code;
}
