/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `anyvf bugreport`: what somebody far away needs to see of a host, as one tar. Whatever goes into
 * it goes through part_add(), and so through redact(). What cannot be had is named in its README:
 * a host that is in order makes no report.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/conf.h"
#include "base/file.h"
#include "base/redact.h"
#include "base/spawn.h"
#include "base/tar.h"
#include "cli/cli.h"
#include "metrics/metrics.h"

#define TOP	   "anyvf-bugreport"
#define REPORT_MAX ((size_t)256 << 20)
#define PART_MAX   ((size_t)4 << 20) /* of a file or a command */
#define DAEMON_MS  3000		     /* for all that one daemon is asked for */
#define COMMAND_MS 3000
#define METRICS_MS 5000
#define IS_HUNG_MS 1000 /* likewise, once a daemon did not answer */

struct report {
	struct cli *cli;
	struct conf *conf;
	const char *config;
	char etc[PATH_MAX]; /* its directory */
	int64_t now_s;
	struct buf parts, missing;
	unsigned int n_parts, n_missing, n_redacted;
	bool hung; /* a daemon */
	int rc;	   /* first failure that ends it all */
};

/* Files that may be read; whatever is not here is not taken. place() has what is before ":". */
static const struct file {
	const char *part, *path;
	bool ours; /* in a directory of a daemon's account: no symbolic link of its is followed */
} files[] = {
	{ "config/host.conf", "etc:/host.conf", false },
	{ "state/swd.json", "state_dir:/swd.json", true },
	{ "state/hwd.json", "state_dir:/hwd.json", true },
	{ "state/agent-api.json", "state_dir:/agent/api.json", true },
	{ "logs/anyvf-swd.log", "log_dir:/anyvf-swd.log", true },
	{ "logs/anyvf-hwd.log", "log_dir:/anyvf-hwd.log", true },
	{ "logs/anyvf-apid.log", "log_dir:/anyvf-apid.log", true },
	{ "logs/anyvf-agentd.log", "log_dir:/anyvf-agentd.log", true },
	{ "logs/libvirtd.log", "log_dir:/libvirtd.log", true },
	{ "host/os-release", "/etc/os-release", false },
	{ "host/cmdline", "/proc/cmdline", false },
	{ "host/meminfo", "/proc/meminfo", false },
};

/* Commands that change nothing; words with @ are read from the configuration. */
#define UNITS "anyvf-swd", "anyvf-hwd", "anyvf-apid", "anyvf-agentd", "anyvf-exporter", "anyvf-host"
static const struct command {
	const char *part;
	bool systemd; /* asks systemd */
	const char *const argv[16];
} commands[] = {
	{ "versions/kernel", false, { "uname", "-a" } },
	{ "versions/packages",
	  false,
	  { "dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package} ${Version}\\n", "*anyvf*",
	    "qemu-system-x86", "libvirt-daemon*", "librte-eal*", "libdpdk*", "dpdk*",
	    "dnsmasq-base", "iproute2", "systemd", "linux-image-*" } },
	{ "versions/qemu", false, { "qemu-system-x86_64", "--version" } },
	{ "versions/libvirt", false, { "virsh", "-V" } },
	{ "host/links", false, { "ip", "-d", "-s", "link" } },
	{ "host/processes",
	  false,
	  { "ps", "-o", "pid,ppid,user,stat,etime,rss,wchan:24,args", "-C",
	    "anyvf-swd,anyvf-hwd,anyvf-apid,anyvf-agentd,anyvf-exporter,libvirtd,virtlogd,"
	    "qemu-system-x86,dnsmasq" } },
	{ "host/files", false, { "ls", "-lnR", "@etc", "@state_dir", "@run" } },
	{ "units/status", true, { "systemctl", "--no-pager", "-l", "status", UNITS } },
	{ "units/files", true, { "systemctl", "--no-pager", "cat", UNITS } },
	{ "units/journal", true, { "journalctl", "--no-pager", "-n", "5000", "-u", "anyvf-*" } },
};

static void put(struct buf *b, const char *text)
{
	(void)!buf_add(b, text, strlen(text), PART_MAX);
}

static void missing(struct report *r, const char *part, const char *why)
{
	put(&r->missing, part);
	put(&r->missing, ": ");
	put(&r->missing, why);
	put(&r->missing, "\n");
	r->n_missing++;
}

/* The one way into the archive. */
static void part_add(struct report *r, struct buf *tar, const char *part, const char *data,
		     size_t size)
{
	struct buf text = { 0 };
	unsigned int n = 0;
	char name[TAR_NAME_MAX + 1];
	int rc = redact(data, size, REPORT_MAX, &text, &n);

	snprintf(name, sizeof(name), "%s/%s", TOP, part);
	rc = rc ?: tar_add(tar, REPORT_MAX, name, r->now_s, text.data, text.len);
	buf_fini(&text);
	r->rc = r->rc ?: rc;
	r->n_redacted += n;
	r->n_parts++;
}

static void add(struct report *r, const char *part, const char *data, size_t size)
{
	part_add(r, &r->parts, part, data, size);
}

/* What the tables say by a word. */
static const char *place(struct report *r, const char *word)
{
	if (!strcmp(word, "etc"))
		return r->etc;
	if (!strcmp(word, "run"))
		return r->cli->run_dir;
	return conf_get(r->conf, "host", word);
}

/* The last PART_MAX bytes of a file, from a line's beginning. */
static int tail_read(const char *path, bool ours, char **out, size_t *size, struct err *e)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (ours ? O_NOFOLLOW : 0);
	auto_close int fd = open(path, flags);
	struct stat st;
	char *nl;
	int rc;

	if (fd < 0 || fstat(fd, &st))
		return err_errno(e, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "%s is no file", path);
	if (st.st_size > (off_t)PART_MAX - 65536 &&
	    lseek(fd, st.st_size - (off_t)PART_MAX + 65536, SEEK_SET) < 0)
		return err_errno(e, "%s", path);
	rc = file_read_fd(fd, path, PART_MAX, out, size, e); /* it may grow meanwhile, a little */
	nl = rc || st.st_size <= (off_t)PART_MAX - 65536 ? NULL : memchr(*out, '\n', *size);
	if (nl) {
		*size -= (size_t)(nl + 1 - *out);
		memmove(*out, nl + 1, *size + 1);
	}
	return rc;
}

static void file_add(struct report *r, const char *part, const char *path, bool ours)
{
	auto_free char *data = NULL;
	struct err e = { 0 };
	size_t size = 0;

	if (tail_read(path, ours, &data, &size, &e))
		missing(r, part, e.msg);
	else
		add(r, part, data, size);
}

static void files_add(struct report *r)
{
	file_add(r, "config/anyvf.conf", r->config, false);
	for (unsigned int i = 0; i < ARRAY_LEN(files); i++) {
		const char *colon = strchr(files[i].path, ':');
		char key[16], path[PATH_MAX];

		snprintf(key, sizeof(key), "%.*s", colon ? (int)(colon - files[i].path) : 0,
			 files[i].path);
		snprintf(path, sizeof(path), "%s%s", colon ? place(r, key) : "",
			 colon ? colon + 1 : files[i].path);
		file_add(r, files[i].part, path, files[i].ours);
	}
}

static void command_add(struct report *r, const struct command *c, char *out)
{
	const char *argv[ARRAY_LEN(c->argv)];
	struct err e = { 0 };
	int rc;

	for (unsigned int i = 0; i < ARRAY_LEN(argv); i++)
		argv[i] = c->argv[i] && *c->argv[i] == '@' ? place(r, c->argv[i] + 1) : c->argv[i];
	if (c->systemd && access("/run/systemd/system", F_OK)) {
		missing(r, c->part, "systemd does not run here");
		return;
	}
	rc = spawn_run(argv, COMMAND_MS, out, PART_MAX, &e);
	/* What it said is worth having also where it fails, as of a unit that is down. */
	if (*out)
		add(r, c->part, out, strlen(out));
	if (rc && (rc != -EIO || !*out))
		missing(r, c->part, e.msg);
}

static void commands_add(struct report *r)
{
	auto_free char *out = malloc(PART_MAX);

	if (!out)
		r->rc = r->rc ?: -ENOMEM;
	for (unsigned int i = 0; out && i < ARRAY_LEN(commands); i++)
		command_add(r, &commands[i], out);
}

/* A daemon that is asked for much, and for all of it within one deadline. */
struct talk {
	struct report *r;
	const char *sock;
	struct ctl_client *client; /* NULL: no more */
	uint64_t deadline_ms;
};

/* The switch, which maps guests' memory, has named PFs: no name leads out of a directory. */
static void talk_part(const struct talk *t, const char *what, char out[64])
{
	int n = snprintf(out, 64, "%.3s/", t->sock);

	snprintf(out + n, 64 - (size_t)n, "%s.json", what);
	for (char *p = out + n; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("*._-", *p))
			*p = '_';
}

static bool is_end(int rc)
{
	return rc == -ETIMEDOUT || rc == -EPIPE || rc == -ECONNRESET || rc == -EPROTO;
}

/* NULL: it was said why not, or the daemon was given up before. */
static json_t *ask(struct talk *t, const char *method, json_t *params, const char *what)
{
	uint64_t now = loop_now_ms();
	json_t *got = NULL;
	struct err e = { 0 };
	char part[64];
	int rc;

	if (!t->client) {
		json_decref(params);
		return NULL;
	}
	rc = ctl_call(t->client, method, params,
		      t->deadline_ms > now ? (int)(t->deadline_ms - now) : 0, &got, &e);
	if (!rc)
		return got;
	talk_part(t, what, part);
	missing(t->r, part, e.msg);
	if (is_end(rc)) {
		t->r->hung = true;
		ctl_close(t->client);
		t->client = NULL;
	}
	return NULL;
}

static void json_add(struct talk *t, const char *what, const json_t *got)
{
	auto_free char *text = got ? json_dumps(got, JSON_INDENT(1) | JSON_ENCODE_ANY) : NULL;
	char part[64];

	talk_part(t, what, part);
	if (text)
		add(t->r, part, text, strlen(text));
}

static void ask_and_add(struct talk *t, const char *method)
{
	auto_of(json_decref) json_t *got = ask(t, method, NULL, method);

	json_add(t, method, got);
}

static void pf_add(struct talk *t, const char *pf)
{
	auto_of(json_decref) json_t *got = NULL, *drops = json_array(), *drift = NULL;
	char what[48];
	size_t n;

	snprintf(what, sizeof(what), "pf-%.16s", pf);
	got = ask(t, "pf.get", json_pack("{s:s, s:b}", "pf", pf, "vfs", 1), what);
	json_add(t, what, got);
	n = json_array_size(json_object_get(got, "vfs"));
	snprintf(what, sizeof(what), "pf-%.16s-drops", pf);
	for (size_t i = 0; i < n; i++) {
		json_t *of_vf = json_pack("{s:s, s:i}", "pf", pf, "vf", (int)i);

		if (json_array_append_new(drops, ask(t, "vf.drops", of_vf, what)))
			break;
	}
	json_add(t, what, drops);
	snprintf(what, sizeof(what), "pf-%.16s-drift", pf);
	drift = ask(t, "pf.drift", json_pack("{s:s}", "pf", pf), what);
	json_add(t, what, drift);
}

/* Who may only read may do all of this. */
static int talk_open(struct talk *t, unsigned int i, struct err *e)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", t->r->cli->run_dir, ctl_reading_socks[i]);
	if (!ctl_open_within(path, DAEMON_MS, &t->client, NULL))
		return 0;
	snprintf(path, sizeof(path), "%s/%s", t->r->cli->run_dir, ctl_socks[i]);
	return ctl_open_within(path, IS_HUNG_MS, &t->client, e);
}

static void daemon_add(struct report *r, unsigned int i)
{
	static const char *const methods[] = { "daemon.info", "mirror.list", "svc.list",
					       "worker.list", "host.get",    "apply.get" };
	struct talk t = { .r = r, .sock = ctl_socks[i] };
	auto_of(json_decref) json_t *pfs = NULL;
	const json_t *pf;
	struct err e = { 0 };
	char part[64];
	size_t at;
	int rc;

	t.deadline_ms = loop_now_ms() + DAEMON_MS;
	rc = talk_open(&t, i, &e);
	if (rc) {
		r->hung |= rc == -ETIMEDOUT;
		talk_part(&t, "*", part);
		missing(r, part, e.msg);
		return;
	}
	for (unsigned int k = 0; k < ARRAY_LEN(methods); k++)
		ask_and_add(&t, methods[k]);
	pfs = ask(&t, "pf.list", NULL, "pf.list");
	json_array_foreach (pfs, at, pf)
		if (t.client)
			pf_add(&t, json_string_value(pf) ?: "");
	if (!t.client) {
		talk_part(&t, "*", part);
		missing(r, part, "whatever else is not here was not asked for then");
	}
	ctl_close(t.client);
}

static void metrics_add(struct report *r)
{
	struct buf page = { 0 };
	struct err why = { 0 };
	struct metrics_opts opts = { .run_dir = r->cli->run_dir,
				     .timeout_ms = r->hung ? IS_HUNG_MS : METRICS_MS,
				     .full = true,
				     .why = &why };
	int rc = metrics_page(&opts, &page);

	if (!rc)
		add(r, "metrics", page.data, page.len);
	if (rc || why.msg[0])
		missing(r, "metrics", rc ? strerror(-rc) : why.msg);
	buf_fini(&page);
}

/* The whole of it: the README, which knows what became of the rest, stands first. */
static int report_end(struct report *r, struct buf *tar)
{
	char head[1024], host[65] = "", when[32];
	struct buf text = { 0 };
	struct tm tm;
	time_t now = (time_t)r->now_s;
	int rc;

	gethostname(host, sizeof(host) - 1);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	snprintf(head, sizeof(head),
		 "anyvf " ANYVF_VERSION " on %s, %s: %u parts.\n\n"
		 "Passwords, tokens, credentials, keys and user data were taken out of them in %u "
		 "places (" REDACTED ").\nCredentials' files, private keys, the store, images and "
		 "disks were not read. Names, addresses and ids are as they are.\n\n"
		 "%s:\n",
		 host, when, r->n_parts, r->n_redacted,
		 r->n_missing ? "Not here, or not whole" : "Nothing is missing");
	put(&text, head);
	put(&text, r->missing.data ?: "-\n");
	part_add(r, tar, "README", text.data ?: "", text.len);
	buf_fini(&text);
	rc = r->rc ?: buf_add(tar, r->parts.data ?: "", r->parts.len, REPORT_MAX);
	return rc ?: tar_end(tar, REPORT_MAX);
}

static int report_write(struct report *r, const char *path)
{
	struct buf tar = { 0 };
	struct err e = { 0 };
	struct stat st;
	int rc = report_end(r, &tar);

	if (rc)
		err_set(&e, rc, "no report can be made: %s", strerror(-rc));
	else if (!lstat(path, &st))
		rc = err_set(&e, -EEXIST, "%s is there already", path);
	else
		rc = file_replace(path, tar.data, tar.len, 0600, &e);
	buf_fini(&tar);
	if (rc)
		return cli_error(&e);
	printf("%s: %u parts, without secrets; %u more could not be had%s\n", path, r->n_parts - 1,
	       r->n_missing, r->n_missing ? ", its README says why" : "");
	return CLI_OK;
}

/* One that cannot be read is what may have to be reported: then the defaults count. */
static int conf_read(struct report *r)
{
	struct err e = { 0 };

	if (!conf_open(r->config, &r->conf, &e))
		return CLI_OK;
	missing(r, "config/anyvf.conf", e.msg);
	e.msg[0] = '\0';
	return conf_open("/nonexistent", &r->conf, &e) ? cli_error(&e) : CLI_OK;
}

static void etc_of(const char *config, char out[PATH_MAX])
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", config);
	snprintf(out, PATH_MAX, "%s", dirname(path));
}

static void name_default(int64_t now_s, char out[64])
{
	time_t now = (time_t)now_s;
	struct tm tm;

	strftime(out, 64, TOP "-%Y%m%dT%H%M%SZ.tar", gmtime_r(&now, &tm));
}

/**
 * cli_bugreport() - anyvf bugreport [FILE] [--config FILE]
 * @cli: words start behind `bugreport`
 *
 * A daemon, or a command, that hangs costs its timeout.
 *
 * Return: the exit code.
 */
int cli_bugreport(struct cli *cli)
{
	struct report r = { .cli = cli, .config = CONF_DEFAULT_PATH, .now_s = time(NULL) };
	const char *path = NULL;
	char name[64];
	int rc;

	for (const char *word; (word = cli_next(cli));) {
		if (!strcmp(word, "--config")) {
			r.config = cli_next(cli);
			if (!r.config)
				return cli_incomplete();
		} else if (path || *word == '-') {
			return cli_garbage("FILE", word);
		} else {
			path = word;
		}
	}
	etc_of(r.config, r.etc);
	rc = conf_read(&r);
	if (rc)
		return rc;
	name_default(r.now_s, name);
	files_add(&r);
	for (unsigned int i = 0; ctl_socks[i]; i++)
		daemon_add(&r, i);
	metrics_add(&r);
	commands_add(&r);
	rc = report_write(&r, path ?: name);
	conf_free(r.conf);
	buf_fini(&r.parts);
	buf_fini(&r.missing);
	return rc;
}
