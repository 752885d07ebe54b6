/* SPDX-License-Identifier: Apache-2.0 */
/* anyvf-agentd: the host's agent. Reads options and configuration, then lives in the agent room. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "base/conf.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "ctl/ctl.h"

#define END_MS 1500 /* waiting HTTP calls end within a second */

struct daemon {
	struct loop *loop;
	struct agent *agent;
	struct agent_opts opts;
	char host[256], api[300];
};

static const char usage[] =
	"usage: anyvf-agentd [--config FILE] [--run-dir DIR] [--no-rx-filter] [--debug]\n";

static void end_now(void *arg)
{
	loop_stop(arg);
}

static void on_signal(void *arg)
{
	struct daemon *d = arg;

	agent_stop(d->agent);
	if (!loop_timer_add(d->loop, END_MS, 0, end_now, d->loop))
		loop_stop(d->loop);
}

/* Strings stay in @conf and @d, which live as long as the process. */
static int read_conf(struct daemon *d, const struct conf *conf, struct err *e)
{
	const char *api = conf_get(conf, "agent", "api");

	snprintf(d->host, sizeof(d->host), "%s", conf_get(conf, "host", "name"));
	if (!*d->host && gethostname(d->host, sizeof(d->host) - 1))
		return err_errno(e, "gethostname");
	if (!*api) {
		snprintf(d->api, sizeof(d->api), "http://%s", conf_get(conf, "api", "listen"));
		api = d->api;
	}
	if (d->host[strcspn(d->host, "/?#& ")])
		return err_set(e, -EINVAL, "[host] name \"%s\" cannot be a host's name", d->host);
	d->opts.host = d->host;
	d->opts.api = api;
	d->opts.state_dir = conf_get(conf, "host", "state_dir");
	d->opts.mappings = conf_get(conf, "sriov", "physical_device_mappings");
	d->opts.credentials = conf_get(conf, "agent", "credentials");
	d->opts.collectors = conf_get(conf, "taas", "collectors");
	d->opts.libvirt_uri = conf_get(conf, "agent", "libvirt_uri");
	d->opts.rx_filter = d->opts.rx_filter && conf_bool(conf, "agent", "rx_filter");
	return 0;
}

/* One agent a run directory. */
static int lock_run_dir(const struct daemon *d, int *fd, struct err *e)
{
	char path[512];
	int rc = file_mkdirs(d->opts.run_dir, 0755, e);

	snprintf(path, sizeof(path), "%s/agentd.lock", d->opts.run_dir);
	*fd = rc ? rc : file_lock(path, e);
	return *fd < 0 ? *fd : 0;
}

static int run(struct daemon *d, const struct conf *conf, struct err *e)
{
	int rc = read_conf(d, conf, e), lock = -1;

	if (!rc)
		rc = lock_run_dir(d, &lock, e);
	if (rc)
		return rc;
	d->loop = loop_new(e);
	if (!d->loop)
		return -ENOMEM;
	rc = agent_open(d->loop, &d->opts, &d->agent, e);
	if (!rc)
		rc = loop_signal_add(d->loop, SIGTERM, on_signal, d);
	if (!rc)
		rc = loop_signal_add(d->loop, SIGINT, on_signal, d);
	if (rc)
		return rc;
	log_info("ready", "host=%s api=%s libvirt=%s run_dir=%s", d->opts.host, d->opts.api,
		 d->opts.libvirt_uri, d->opts.run_dir);
	return loop_run(d->loop);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "run-dir", required_argument, NULL, 'r' },
		{ "no-rx-filter", no_argument, NULL, 'n' },
		{ "debug", no_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};
	static struct daemon d; /* libvirt's threads may use it until the very end */
	enum log_level level = LOG_LEVEL_INFO;
	const char *config = CONF_DEFAULT_PATH;
	struct conf *conf = NULL;
	struct err e = { 0 };
	int opt, rc;

	d.opts = (struct agent_opts){ .run_dir = ctl_run_dir(), .rx_filter = true };
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			config = optarg;
			break;
		case 'r':
			d.opts.run_dir = optarg;
			break;
		case 'n':
			d.opts.rx_filter = false;
			break;
		case 'd':
			level = LOG_LEVEL_DEBUG;
			break;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	log_open("anyvf-agentd", level);
	rc = conf_open(config, &conf, &e);
	if (!rc)
		rc = run(&d, conf, &e);
	if (rc)
		log_err("cannot run", "why=\"%s\"", e.msg);
	fflush(stderr);
	_exit(rc ? 1 : 0); /* threads of libvirt and of hung guests have no end to wait for */
}
