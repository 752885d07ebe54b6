/* SPDX-License-Identifier: Apache-2.0 */
/* anyvf-agentd: the host's agent. Reads options and configuration, then lives in the agent room. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/core/agent.h"
#include "agent/core/door.h"
#include "agent/host/root.h"
#include "agent/kinds/net/net.h"
#include "agent/kinds/port/port.h"
#include "agent/kinds/question/question.h"
#include "agent/kinds/server/server.h"
#include "agent/kinds/tap/tap.h"
#include "agent/kinds/watch/watch.h"
#include "base/conf.h"
#include "base/fdstore.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/notify.h"
#include "ctl/ctl.h"
#include "daemons/opts.h"
#include "http/scrape.h"

#define END_MS	   1500 /* waiting HTTP calls end within a second */
#define SYSTEM_URI "qemu:///system"
#define MOUNTS	   "mounts" /* of the host, kept by the service manager */
#define AGENT_USER "anyvf-agent"

/* What the agent looks after, and the only list of it; what others read comes before them. */
static const struct agent_kind *const kinds[] = { &port_kind,	&tap_kind,	&net_kind,
						  &server_kind, &question_kind, &watch_kind, NULL };

struct daemon {
	struct loop *loop;
	struct agent *agent;
	struct agent_opts opts;
	struct httpc_trust trust; /* for https */
	const char *credentials;
	const char *metrics; /* where they are served; "": nowhere */
	bool prepare;
	char host[256], urls[DOOR_MAX][300];
	const char *api[DOOR_MAX + 1]; /* of urls, NULL behind the last */
};

static const char usage[] =
	"usage: anyvf-agentd [--config FILE] [--run-dir DIR] [--no-rx-filter] [--debug]\n"
	"                    [--prepare]\n";

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
	snprintf(d->host, sizeof(d->host), "%s", conf_get(conf, "host", "name"));
	if (!*d->host && gethostname(d->host, sizeof(d->host) - 1))
		return err_errno(e, "gethostname");
	for (unsigned int i = 0;
	     i < DOOR_MAX && conf_api_url(conf, i, d->urls[i], sizeof(d->urls[i])); i++)
		d->api[i] = d->urls[i];
	if (d->host[strcspn(d->host, "/?#& ")])
		return err_set(e, -EINVAL, "[host] name \"%s\" cannot be a host's name", d->host);
	d->opts.host = d->host;
	d->opts.api = d->api;
	d->trust = (struct httpc_trust){ conf_get(conf, "agent", "ca_file"),
					 conf_get(conf, "agent", "client_certificate"),
					 conf_get(conf, "agent", "client_key") };
	d->opts.state_dir = conf_get(conf, "host", "state_dir");
	d->opts.mappings = conf_get(conf, "sriov", "physical_device_mappings");
	d->credentials = conf_get(conf, "agent", "credentials");
	d->opts.collectors = conf_get(conf, "taas", "collectors");
	d->opts.libvirt_uri = conf_get(conf, "agent", "libvirt_uri");
	d->opts.rx_filter = d->opts.rx_filter && conf_bool(conf, "agent", "rx_filter");
	d->metrics = conf_get(conf, "agent", "metrics");
	d->opts.kvm = conf_get(conf, "agent", "kvm");
	if (strcmp(d->opts.kvm, "auto") && strcmp(d->opts.kvm, "on") && strcmp(d->opts.kvm, "off"))
		return err_set(e, -EINVAL, "[agent] kvm is \"auto\", \"on\" or \"off\", not \"%s\"",
			       d->opts.kvm);
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

static int page(void *agent, bool open, struct buf *out)
{
	return agent_metrics(agent, open, out);
}

/* For whoever may connect there. */
static int open_metrics(const struct daemon *d, struct scrape **out, struct err *e)
{
	const struct scrape_opts opts = {
		.loop = d->loop, .listen = d->metrics, .page = page, .arg = d->agent
	};

	return *opts.listen ? scrape_open(&opts, out, e) : 0;
}

/* The agent itself, in whichever process: 0, or an exit code. */
static int serve(void *arg)
{
	auto_of(scrape_close) struct scrape *scrape = NULL;
	struct daemon *d = arg;
	struct err e = { 0 };
	int rc;

	d->loop = loop_new(&e);
	rc = d->loop ? httpm_open(d->loop, &d->opts.http, &e) : -ENOMEM;
	d->opts.polls = d->opts.http;
	rc = rc ?: pass_open(d->opts.http, d->credentials, &d->trust, &d->opts.pass, &e);
	rc = rc ?: agent_open(d->loop, &d->opts, kinds, &d->agent, &e);
	rc = rc ?: open_metrics(d, &scrape, &e);
	rc = rc ?: notify_alive(d->loop, root_alive, &e);
	if (!rc)
		rc = loop_signal_add(d->loop, SIGTERM, on_signal, d);
	if (!rc)
		rc = loop_signal_add(d->loop, SIGINT, on_signal, d);
	if (!rc) {
		root_ready();
		log_info("ready", "host=%s api=%s libvirt=%s run_dir=%s", d->opts.host,
			 d->opts.api[0], d->opts.libvirt_uri, d->opts.run_dir);
		rc = loop_run(d->loop);
	}
	if (rc)
		log_err("cannot run", "why=\"%s\"", e.msg);
	return rc ? 1 : 0;
}

/* Whom to become; uid 0: nobody else. QEMU within this process, and private libvirts, need root. */
static int choose_account(const struct daemon *d, const struct conf *conf, struct account *out,
			  struct err *e)
{
	const char *user = conf_get(conf, "agent", "user");

	*out = (struct account){ .uid = 0 };
	if (geteuid())
		return 0;
	if (!*user)
		user = strcmp(d->opts.libvirt_uri, SYSTEM_URI) ? ACCOUNT_ROOT : AGENT_USER;
	if (strcmp(user, ACCOUNT_ROOT))
		return account_find(user, out, e);
	log_warn("the agent runs as root", "libvirt=%s key=\"[agent] user\"", d->opts.libvirt_uri);
	return 0;
}

/* Directories and the password become the account's. */
static int give_all(const struct daemon *d, const struct account *a, struct err *e)
{
	char state[PATH_MAX], dhcp[PATH_MAX];
	struct stat st;
	int rc;

	snprintf(state, sizeof(state), "%s/agent", d->opts.state_dir);
	snprintf(dhcp, sizeof(dhcp), "%s/dhcp", d->opts.run_dir);
	rc = file_mkdirs(state, 0711, e);
	rc = rc ?: file_mkdirs(dhcp, 0755, e);
	rc = rc ?: account_give(state, NULL, 0711, a, e);
	rc = rc ?: account_give(dhcp, NULL, 0755, a, e);
	if (!rc && !lstat(d->credentials, &st) && S_ISREG(st.st_mode) && !st.st_uid &&
	    lchown(d->credentials, a->uid, (gid_t)-1))
		rc = err_errno(e, "%s", d->credentials);
	return rc;
}

static int run(struct daemon *d, const struct conf *conf, struct err *e)
{
	int rc = read_conf(d, conf, e), lock = -1;
	struct account own;

	rc = rc ?: choose_account(d, conf, &own, e);
	rc = rc ?: lock_run_dir(d, &lock, e);
	rc = rc ?: own.uid ? give_all(d, &own, e) : 0;
	if (rc)
		return rc;
	if (d->prepare) {
		/* A command with a "+" has mounts of its own, too, if not read-only ones. */
		auto_close int mounts = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);

		fdstore_remove(MOUNTS);
		fdstore_put(MOUNTS, mounts);
		return 0;
	}
	root_here(d->opts.run_dir);
	return own.uid ? root_split(&own, fdstore_take(MOUNTS), serve, d) : serve(d);
}

int main(int argc, char **argv)
{
	static struct daemon d; /* libvirt's threads may use it until the very end */
	const char *config = CONF_DEFAULT_PATH;
	bool debug = false, no_filter = false;
	const struct opt opts[] = {
		{ "config", &config, NULL },	      { "run-dir", &d.opts.run_dir, NULL },
		{ "no-rx-filter", NULL, &no_filter }, { "debug", NULL, &debug },
		{ "prepare", NULL, &d.prepare },      { NULL, NULL, NULL },
	};
	struct conf *conf = NULL;
	struct err e = { 0 };
	int rc;

	fdstore_open();
	d.opts.run_dir = ctl_run_dir();
	rc = opts_read(argc, argv, opts, "anyvf-agentd", usage);
	if (rc)
		return rc;
	d.opts.rx_filter = !no_filter;
	log_open("anyvf-agentd", debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	rc = conf_open(config, &conf, &e);
	if (!rc)
		rc = run(&d, conf, &e);
	if (rc < 0)
		log_err("cannot run", "why=\"%s\"", e.msg);
	fflush(stderr);
	_exit(rc ? 1 : 0); /* threads of libvirt and of hung guests have no end to wait for */
}
