/* SPDX-License-Identifier: Apache-2.0 */
/* anyvf-sim: many simulated hosts. Reads options, then lives in the sim room, and counts. */
#include "sim/sim.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "agent/core/door.h"
#include "base/field.h"
#include "base/file.h"
#include "base/log.h"
#include "model/vf.h"

#define FILES_EACH  2 /* descriptors a host: its watch, and a report now and then */
#define FILES_OTHER 64
#define END_MS	    200
#define HOSTS_MAX   10000

struct daemon {
	struct loop *loop;
	struct sim *sim;
	struct sim_opts opts;
	const char *api[DOOR_MAX + 1]; /* NULL behind the last */
	unsigned int n_api, every_s;
	const char *report; /* file; NULL: none */
};

static const char usage[] =
	"usage: anyvf-sim --url URL [--url URL ...] [--credentials FILE] [--hosts N] [--vfs N]\n"
	"                 [--prefix TEXT] [--physnets NAME,...] [--boot-ms N] [--report FILE]\n"
	"                 [--every SECONDS] [--ca FILE] [--certificate FILE] [--key FILE] "
	"[--debug]\n";

/* Milliseconds of CPU, kilobytes of memory; of this process. */
static void own_usage(uint64_t *cpu_ms, unsigned long *rss_kb)
{
	auto_free char *text = NULL;
	const char *rss = NULL;
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	*cpu_ms = (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000 +
		  (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1000;
	if (!file_read("/proc/self/status", 8192, &text, NULL, NULL))
		rss = strstr(text, "VmRSS:");
	*rss_kb = rss ? strtoul(rss + strlen("VmRSS:"), NULL, 10) : 0;
}

static void write_report(const char *path, json_t *report)
{
	auto_of(json_decref) json_t *owned = report;
	auto_free char *text = json_dumps(report, JSON_COMPACT);
	struct err e = { 0 };

	if (text && file_replace(path, text, strlen(text), 0644, &e))
		log_err("the report cannot be written", "why=\"%s\"", e.msg);
}

static void tell(void *arg)
{
	const struct daemon *d = arg;
	struct sim_counts c;
	unsigned long rss_kb;
	uint64_t cpu_ms;

	sim_count(d->sim, &c);
	own_usage(&cpu_ms, &rss_kb);
	printf("hosts=%u up=%u ports=%u active=%u servers=%u full_reads=%" PRIu64
	       " answers=%" PRIu64 " reports=%" PRIu64 " refused=%" PRIu64 " beats=%" PRIu64
	       " whole_beats=%" PRIu64 " cpu_ms=%" PRIu64 " rss_kb=%lu\n",
	       c.hosts, c.up, c.ports, c.active, c.servers, c.agents.reads, c.agents.answers,
	       c.agents.reports, c.agents.refused, c.agents.beats, c.agents.wholes, cpu_ms, rss_kb);
	fflush(stdout);
	if (d->report)
		write_report(d->report,
			     json_pack("{s:i,s:i,s:i,s:i,s:i,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}",
				       "hosts", (int)c.hosts, "up", (int)c.up, "ports",
				       (int)c.ports, "active", (int)c.active, "servers",
				       (int)c.servers, "full_reads", (json_int_t)c.agents.reads,
				       "answers", (json_int_t)c.agents.answers, "reports",
				       (json_int_t)c.agents.reports, "refused",
				       (json_int_t)c.agents.refused, "beats",
				       (json_int_t)c.agents.beats, "whole_beats",
				       (json_int_t)c.agents.wholes, "cpu_ms", (json_int_t)cpu_ms,
				       "rss_kb", (json_int_t)rss_kb));
}

static void end_now(void *arg)
{
	loop_stop(arg);
}

static void on_signal(void *arg)
{
	struct daemon *d = arg;

	tell(d);
	sim_stop(d->sim);
	if (!loop_timer_add(d->loop, END_MS, 0, end_now, d->loop))
		loop_stop(d->loop);
}

/* A connection a host. */
static int raise_files(unsigned int hosts, struct err *e)
{
	struct rlimit limit;
	rlim_t need = (rlim_t)hosts * FILES_EACH + FILES_OTHER;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur >= need)
		return 0;
	return err_set(e, -EMFILE, "%u hosts need %lu open files, and %lu are allowed", hosts,
		       (unsigned long)need, (unsigned long)limit.rlim_cur);
}

static int run(struct daemon *d, struct err *e)
{
	int rc = raise_files(d->opts.hosts, e);

	if (rc)
		return rc;
	d->opts.api = d->api;
	d->loop = loop_new(e);
	if (!d->loop)
		return -ENOMEM;
	rc = loop_signal_add(d->loop, SIGTERM, on_signal, d);
	rc = rc ?: loop_signal_add(d->loop, SIGINT, on_signal, d);
	rc = rc ?: loop_signal_add(d->loop, SIGUSR1, tell, d);
	rc = rc ?: sim_open(d->loop, &d->opts, &d->sim, e);
	if (!rc && !loop_timer_add(d->loop, 0, d->every_s * 1000U, tell, d))
		rc = err_set(e, -ENOMEM, "out of memory");
	return rc ?: loop_run(d->loop);
}

/* Return: false: it is no number between these. */
static bool read_number(const char *text, unsigned int min, unsigned int max, unsigned int *out)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || end == text || *end || n < min || n > max)
		return false;
	*out = (unsigned int)n;
	return true;
}

static const struct option options[] = {
	{ "url", required_argument, NULL, 'u' },
	{ "credentials", required_argument, NULL, 'c' },
	{ "hosts", required_argument, NULL, 'n' },
	{ "vfs", required_argument, NULL, 'v' },
	{ "prefix", required_argument, NULL, 'p' },
	{ "physnets", required_argument, NULL, 'P' },
	{ "boot-ms", required_argument, NULL, 'b' },
	{ "report", required_argument, NULL, 'r' },
	{ "every", required_argument, NULL, 'e' },
	{ "ca", required_argument, NULL, 'a' },
	{ "certificate", required_argument, NULL, 'C' },
	{ "key", required_argument, NULL, 'k' },
	{ "debug", no_argument, NULL, 'd' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

/* Return: false: it makes no sense. */
static bool take_option(struct daemon *d, int opt, enum log_level *level)
{
	switch (opt) {
	case 'u':
		if (d->n_api < DOOR_MAX)
			d->api[d->n_api++] = optarg;
		return true;
	case 'c':
		d->opts.credentials = optarg;
		return true;
	case 'n':
		return read_number(optarg, 1, HOSTS_MAX, &d->opts.hosts);
	case 'v':
		return read_number(optarg, 0, VF_MAX, &d->opts.vfs);
	case 'p':
		d->opts.prefix = optarg;
		return !optarg[strcspn(optarg, "/?#& *")];
	case 'P':
		d->opts.physnets = optarg;
		return !optarg[strcspn(optarg, ": ")];
	case 'b':
		return read_number(optarg, 0, 3600000, &d->opts.boot_ms);
	case 'r':
		d->report = optarg;
		return true;
	case 'e':
		return read_number(optarg, 1, 86400, &d->every_s);
	case 'a':
		d->opts.trust.ca_file = optarg;
		return true;
	case 'C':
		d->opts.trust.certificate = optarg;
		return true;
	case 'k':
		d->opts.trust.key = optarg;
		return true;
	case 'd':
		*level = LOG_LEVEL_DEBUG;
		return true;
	case 'h':
		fputs(usage, stdout);
		exit(0);
	case 'V':
		puts("anyvf-sim " ANYVF_VERSION);
		exit(0);
	default:
		return false;
	}
}

/*
 * Each tick is a first touch of what a host has, which lies in memory of its own: in small pages of
 * an idle virtual machine that was three quarters of all it cost. How malloc() gets its memory is
 * settled when a program starts (glibc, Memory Allocation Tunables).
 */
static void use_huge_pages(char **argv)
{
	static const char name[] = "GLIBC_TUNABLES";
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (getenv(name) || len < 0)
		return;
	self[len] = '\0';
	setenv(name, "glibc.malloc.hugetlb=1", 1);
	execv(self, argv); /* if not, it goes on without them */
}

int main(int argc, char **argv)
{
	static struct daemon d;
	enum log_level level = LOG_LEVEL_ERR;
	struct err e = { 0 };
	bool good = true;
	int opt, rc;

	d.every_s = 10;
	d.opts = (struct sim_opts){ .hosts = 1000,
				    .vfs = 64,
				    .prefix = "sim-",
				    .physnets = "physnet1",
				    .credentials = "/etc/anyvf/sim.json" };
	while (good && (opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		good = take_option(&d, opt, &level);
	if (!good || !d.n_api || optind < argc) {
		fputs(usage, stderr);
		return 2;
	}
	use_huge_pages(argv);
	log_open("anyvf-sim", level);
	rc = run(&d, &e);
	if (rc)
		log_err("cannot run", "why=\"%s\"", e.msg);
	fflush(stderr);
	_exit(rc ? 1 : 0); /* agents have no end but the process's */
}
