/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `anyvf up` and `anyvf down` for hosts without a service manager at hand.
 * Both are idempotent and hold the run directory's up.lock, so two at once
 * come one after the other. What `up` started is marked; `down` ends only that.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/spawn.h"
#include "cli/hostfile.h"
#include "cli/site.h"

#define POLL_US	      20000U
#define POLL_MAX_US   250000U
#define LOCK_WAIT_MS  60000
#define READY_WAIT_MS 20000
#define STOP_WAIT_MS  10000
#define GUEST_WAIT_MS 5000
#define VIRSH_WAIT_MS 20000

/* One program during `up`. */
struct start {
	pid_t child; /* started by us, not yet reaped; 0: ran already */
	char log[512];
};

static int lock_site(const struct site *site, struct err *e)
{
	uint64_t end = loop_now_ms() + LOCK_WAIT_MS;
	char path[512];
	int rc = file_mkdirs(site->cli->run_dir, 0755, e);

	snprintf(path, sizeof(path), "%s/up.lock", site->cli->run_dir);
	if (rc)
		return rc;
	while ((rc = file_lock(path, NULL)) == -EBUSY && loop_now_ms() < end)
		usleep(POLL_US);
	return rc < 0 ? file_lock(path, e) : rc;
}

/**
 * site_daemon() - Start a program that runs on when we end
 * @argv: its words, NULL behind the last
 * @log:  file that gets what it says
 * @tied: it ends with us, after all
 * @e:    error text
 *
 * Return: its pid, or a negative errno. It has a session of its own.
 */
pid_t site_daemon(const char *const argv[], const char *log, bool tied, struct err *e)
{
	auto_close int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t pid, us = getpid();

	if (fd < 0 || null < 0)
		return err_errno(e, "%s", log);
	pid = fork();
	if (pid < 0)
		return err_errno(e, "fork");
	if (pid)
		return pid;
	setsid();
	if (tied && (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != us))
		_exit(127);
	if (chdir("/"))
		_exit(127);
	dup2(null, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/*
 * The configuration of the libvirtd that we start: the system's, and that members of libvirt, as
 * the agent is one, may use its socket. Unless told otherwise it asks polkit, which is not there
 * where no service manager is.
 */
static int write_libvirt_conf(const char *path, struct err *e)
{
	static const char *const rows[] = { "auth_unix_rw = \"none\"",
					    "unix_sock_group = \"libvirt\"",
					    "unix_sock_rw_perms = \"0770\"" };
	auto_free char *text = NULL, *all = NULL;
	char key[64];
	size_t size = 0;
	FILE *f = open_memstream(&all, &size);

	if (!f)
		return err_set(e, -ENOMEM, "out of memory");
	if (file_read("/etc/libvirt/libvirtd.conf", 1 << 20, &text, NULL, NULL))
		text = strdup("");
	fprintf(f, "%s\n", text ?: "");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(key, sizeof(key), "\n%.*s", (int)strcspn(rows[i], " "), rows[i]);
		if (!text || (!strstr(text, key) && strncmp(text, key + 1, strlen(key + 1))))
			fprintf(f, "%s\n", rows[i]);
	}
	if (fclose(f))
		return err_set(e, -ENOMEM, "out of memory");
	return file_replace(path, all, size, 0644, e);
}

/* Starts a program that does not run yet. */
static int start(struct site *site, enum prog_id id, struct start *s, struct err *e)
{
	char program[512], libvirt[512];
	const char *const argv[PROG_N][6] = {
		[PROG_VIRTLOGD] = { program },
		[PROG_LIBVIRTD] = { program, "--config", libvirt },
		[PROG_SWD] = { program, "--run-dir", site->cli->run_dir, "--config", site->config },
		[PROG_HWD] = { program, "--run-dir", site->cli->run_dir, "--config", site->config },
		[PROG_APID] = { program, "--config", site->config },
		[PROG_AGENTD] = { program, "--run-dir", site->cli->run_dir, "--config",
				  site->config },
	};
	pid_t pid;
	int rc;

	if (site_pid(site, id) || (id < PROG_SWD && !site_ready(site, id, NULL)))
		return 0;
	rc = id < PROG_SWD ? 0 : site_needs(id, e);
	if (rc)
		return rc;
	snprintf(s->log, sizeof(s->log), "%s/%s.log", site_conf(site, "host", "log_dir"),
		 progs[id].name);
	cli_program(progs[id].name, program, sizeof(program));
	snprintf(libvirt, sizeof(libvirt), "%s/libvirtd.conf", site->cli->run_dir);
	if (id == PROG_LIBVIRTD && write_libvirt_conf(libvirt, e))
		return -EIO;
	pid = site_daemon(argv[id], s->log, site->tied, e);
	if (pid < 0)
		return pid;
	s->child = pid;
	site_mark(site, id, pid);
	return 0;
}

/* The log's last line, which mostly says why a program ended. */
static int ended(const struct prog *p, const struct start *s, struct err *e)
{
	auto_close int fd = open(s->log, O_RDONLY | O_CLOEXEC);
	char text[400] = "";
	char *line;

	if (fd >= 0 && lseek(fd, -(off_t)sizeof(text) + 1, SEEK_END) < 0)
		lseek(fd, 0, SEEK_SET);
	if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	text[strlen(text) - (*text && text[strlen(text) - 1] == '\n')] = '\0';
	line = strrchr(text, '\n');
	return err_set(e, -ECHILD, "%s ended at once: %s (see %s)", p->name, line ? line + 1 : text,
		       s->log);
}

static int wait_ready(struct site *site, enum prog_id id, struct start *s, struct err *e)
{
	uint64_t end = loop_now_ms() + READY_WAIT_MS;
	useconds_t pause = POLL_US;

	for (;;) {
		struct err why = { 0 };

		if (!site_ready(site, id, &why))
			break;
		if (s->child && waitpid(s->child, NULL, WNOHANG) == s->child) {
			site_mark(site, id, 0);
			return ended(&progs[id], s, e);
		}
		if (loop_now_ms() > end)
			return err_set(e, -ETIMEDOUT, "%s is not ready after %d s: %s (see %s)",
				       progs[id].name, READY_WAIT_MS / 1000, why.msg,
				       *s->log ? s->log : "its log");
		usleep(pause); /* who is slow is not to be slowed by being asked */
		pause = MIN(pause * 3 / 2, POLL_MAX_US);
	}
	printf("%-13s %s, pid %d\n", progs[id].name, s->child ? "started" : "runs already",
	       (int)site_pid(site, id));
	fflush(stdout);
	return 0;
}

/**
 * site_start() - Start what does not run of a site, together, and wait until each is ready
 * @site:  site
 * @first: of the programs ...
 * @last:  ... in their order
 * @e:     error text
 *
 * Return: 0, or a negative errno. What is ready is printed.
 */
int site_start(struct site *site, enum prog_id first, enum prog_id last, struct err *e)
{
	struct start starts[PROG_N] = { 0 };
	int rc = 0;

	for (enum prog_id id = first; !rc && id <= last; id++)
		if (site_uses(site, id))
			rc = start(site, id, &starts[id], e);
	for (enum prog_id id = first; !rc && id <= last; id++)
		if (site_uses(site, id))
			rc = wait_ready(site, id, &starts[id], e);
	return rc;
}

/* [pf.NAME] of the configuration as the words of `anyvf pf add`. */
static int add_pf(struct site *site, const char *name)
{
	static const char *const keys[] = { "uplink", "numvfs", "host_if",	  "mode",
					    "mtu",    "mac",	"unknown_unicast" };
	char section[64], text[1024];
	char *words[32], *save, *word;
	struct cli cli = { .words = words, .run_dir = site->cli->run_dir };
	bool hw = site_pf_is_hw(site, name);
	unsigned int n = 0;

	snprintf(section, sizeof(section), "pf.%s", name);
	words[n++] = (char *)(uintptr_t)name;
	if (hw)
		words[n++] = (char *)(uintptr_t) "hw";
	snprintf(text, sizeof(text), "%s", site_conf(site, section, "uplink"));
	for (unsigned int i = 0; i < ARRAY_LEN(keys); i++) {
		const char *value = site_conf(site, section, keys[i]);

		/* What was not said of a NIC stays as it is. */
		if (!*value || (hw && !conf_said(site->conf, section, keys[i])))
			continue;
		words[n++] = (char *)(uintptr_t)keys[i];
		if (i) { /* uplink alone has several words */
			words[n++] = (char *)(uintptr_t)value;
			continue;
		}
		for (word = strtok_r(text, " \t", &save); word && n < 16;
		     word = strtok_r(NULL, " \t", &save))
			words[n++] = word;
	}
	words[n] = NULL;
	return cli_pf_commands[0].run(&cli); /* add */
}

static bool listed(const json_t *names, const char *name)
{
	const json_t *v;
	size_t i;

	json_array_foreach (names, i, v) {
		if (!strcmp(json_string_value(v), name))
			return true;
	}
	return false;
}

/* PFs that the configuration has and no daemon does. */
static int add_pfs(struct site *site)
{
	auto_of(json_decref) json_t *names = NULL;
	struct err e = { 0 };
	const char *name;

	if (cli_call_all(site->cli, "pf.list", &names, &e))
		return cli_error(&e);
	for (unsigned int i = 0; (name = conf_instance(site->conf, "pf", i)); i++) {
		if (listed(names, name))
			continue;
		if (add_pf(site, name)) {
			err_set(&e, -EINVAL, "PF %s of %s was not made", name, site->config);
			return cli_error(&e);
		}
		printf("%-13s made\n", name);
	}
	return CLI_OK;
}

/* Daemons that start are as the host's file says; those that run stay as they are. */
static int host_conf(struct site *site, bool fresh)
{
	char path[PATH_MAX];
	int rc;

	site_host_conf(site, path);
	if (!fresh || access(path, F_OK))
		return CLI_OK;
	rc = hostfile_apply(site->cli, path, site->config, site->conf);
	if (!rc)
		printf("%-13s as %s says\n", "this host", path);
	return rc;
}

/**
 * cli_up() - anyvf up [--join URL] [--token TOKEN | --token-file FILE] [--config FILE]
 * @cli: words start behind `up`
 *
 * Return: CLI_OK when every part is ready, else CLI_FAIL.
 */
int cli_up(struct cli *cli)
{
	auto_site struct site site = { 0 };
	auto_join struct join join = { 0 };
	uint64_t start_ms = loop_now_ms();
	struct err e = { 0 };
	bool fresh;
	int rc = join_words(cli, &join) ?: site_open(cli, &site) ?: join_words(cli, &join);

	if (rc)
		return rc;
	if (cli_end(cli))
		return CLI_USAGE;
	auto_close int lock = lock_site(&site, &e);
	if (lock < 0 || join_site(&site, &join, &e) ||
	    file_mkdirs(site_conf(&site, "host", "log_dir"), 0755, &e))
		return cli_error(&e);
	fresh = !site_pid(&site, PROG_SWD) ||
		(site_uses(&site, PROG_HWD) && !site_pid(&site, PROG_HWD));
	if (site_start(&site, PROG_VIRTLOGD, PROG_APID, &e))
		return cli_error(&e);
	rc = host_conf(&site, fresh) ?: add_pfs(&site);
	if (rc)
		return rc;
	if (site_start(&site, PROG_AGENTD, PROG_AGENTD, &e))
		return cli_error(&e);
	for (enum prog_id id = PROG_APID; id <= PROG_AGENTD; id++)
		if (!site_has(id))
			printf("%-13s not installed\n", progs[id].name);
	if (site_uses(&site, PROG_APID))
		printf("%-13s %s/anyvf/ui/\n", "page", site.api);
	printf("ready in %.1f s\n", (double)(loop_now_ms() - start_ms) / 1000);
	return CLI_OK;
}

static bool wait_gone(const struct site *site, enum prog_id id, pid_t pid, int ms)
{
	uint64_t end = loop_now_ms() + (uint64_t)ms;

	while (site_pid(site, id) == pid) {
		if (loop_now_ms() > end)
			return false;
		usleep(POLL_US);
	}
	return true;
}

static void stop(const struct site *site, enum prog_id id, int signo)
{
	pid_t pid = site_pid(site, id);

	if (!pid || !site_uses(site, id))
		return;
	if (!site_started(site, id)) {
		printf("%-13s left running, pid %d: anyvf up did not start it\n", progs[id].name,
		       (int)pid);
		return;
	}
	kill(pid, signo);
	if (!wait_gone(site, id, pid, STOP_WAIT_MS)) {
		kill(pid, SIGKILL);
		wait_gone(site, id, pid, STOP_WAIT_MS);
	}
	site_mark(site, id, 0);
	printf("%-13s stopped\n", progs[id].name);
	fflush(stdout);
}

/* Is a domain one of this site's? Its disks lie in the site's state directory. */
static bool is_ours(const struct site *site, const char *domain)
{
	const char *const argv[] = { "virsh", "-q", "-c", site->uri, "dumpxml", domain, NULL };
	const char *dir = site_conf(site, "host", "state_dir");
	auto_free char *xml = calloc(1, 65536);
	size_t n = strlen(dir);

	if (!xml || spawn_run(argv, VIRSH_WAIT_MS, xml, 65536, NULL))
		return false;
	for (const char *at = xml; (at = strstr(at, dir)); at++)
		if (at[n] == '/' && at > xml && (at[-1] == '\'' || at[-1] == '"'))
			return true;
	return false;
}

/* Does @fn for each running domain of this site; how many there are. */
static unsigned int each_guest(const struct site *site,
			       void (*fn)(const struct site *site, const char *domain))
{
	const char *const argv[] = { "virsh", "-q", "-c", site->uri, "list", "--name", NULL };
	auto_free char *list = calloc(1, 65536);
	unsigned int n = 0;
	char *save, *name;

	if (!list || spawn_run(argv, VIRSH_WAIT_MS, list, 65536, NULL))
		return 0;
	for (name = strtok_r(list, " \n", &save); name; name = strtok_r(NULL, " \n", &save)) {
		if (strncmp(name, "anyvf-", 6) || !is_ours(site, name))
			continue;
		n++;
		if (fn)
			fn(site, name);
	}
	return n;
}

static void guest_shutdown(const struct site *site, const char *domain)
{
	const char *const argv[] = { "virsh", "-q", "-c", site->uri, "shutdown", domain, NULL };

	spawn_run(argv, VIRSH_WAIT_MS, NULL, 0, NULL);
}

static void guest_destroy(const struct site *site, const char *domain)
{
	const char *const argv[] = { "virsh", "-q", "-c", site->uri, "destroy", domain, NULL };

	spawn_run(argv, VIRSH_WAIT_MS, NULL, 0, NULL);
}

/* Asks the guests to end, then ends them. */
static void stop_guests(const struct site *site)
{
	uint64_t end = loop_now_ms() + GUEST_WAIT_MS;
	unsigned int n = each_guest(site, guest_shutdown);
	char path[512];

	if (!n)
		return;
	while (each_guest(site, NULL) && loop_now_ms() < end)
		usleep(10 * POLL_US);
	each_guest(site, guest_destroy);
	/* For the agent: they did not go off by themselves, and come back with the next `up`. */
	snprintf(path, sizeof(path), "%s/guests-ended", site->cli->run_dir);
	file_replace(path, "", 0, 0644, NULL);
	printf("%-13s %u stopped\n", "guests", n);
}

/* The agent's dnsmasqs outlive it on purpose; without guests they serve nobody. */
static void stop_dhcp(const struct site *site)
{
	char dir[400], path[700], proc[64];
	const struct dirent *ent;
	DIR *d;

	snprintf(dir, sizeof(dir), "%s/dhcp", site->cli->run_dir);
	d = opendir(dir);
	while (d && (ent = readdir(d))) {
		auto_free char *pid = NULL, *cmdline = NULL;
		size_t size;

		snprintf(path, sizeof(path), "%s/%s/pid", dir, ent->d_name);
		if (file_read(path, 64, &pid, NULL, NULL))
			continue;
		snprintf(proc, sizeof(proc), "/proc/%ld/cmdline", strtol(pid, NULL, 10));
		path[strlen(path) - 4] = '\0';
		if (!file_read(proc, 65536, &cmdline, &size, NULL) &&
		    memmem(cmdline, size, path, strlen(path)))
			kill((pid_t)strtol(pid, NULL, 10), SIGTERM);
	}
	if (d)
		closedir(d);
}

/**
 * cli_down() - anyvf down [--keep-guests] [--config FILE]
 * @cli: words start behind `down`
 *
 * The agent goes first, so that it does not start again what is stopped. With --keep-guests the
 * guests, what they log through and their taps stay.
 *
 * Return: CLI_OK, or CLI_FAIL.
 */
int cli_down(struct cli *cli)
{
	bool keep = cli_accept(cli, "--keep-guests");
	auto_site struct site site = { 0 };
	struct err e = { 0 };
	int rc = site_open(cli, &site);

	if (rc)
		return rc;
	keep |= cli_accept(cli, "--keep-guests");
	if (cli_end(cli))
		return CLI_USAGE;
	auto_close int lock = lock_site(&site, &e);
	if (lock < 0)
		return cli_error(&e);
	stop(&site, PROG_AGENTD, SIGTERM);
	if (!keep && !site_pid(&site, PROG_AGENTD)) {
		stop_guests(&site);
		stop_dhcp(&site);
	}
	stop(&site, PROG_APID, SIGTERM);
	stop(&site, PROG_HWD, SIGTERM);
	stop(&site, PROG_SWD, keep ? SIGTERM : SIGINT);
	if (!keep) {
		stop(&site, PROG_LIBVIRTD, SIGTERM);
		stop(&site, PROG_VIRTLOGD, SIGTERM);
	}
	return fflush(stdout) ? CLI_FAIL : CLI_OK;
}
