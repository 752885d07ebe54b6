/* SPDX-License-Identifier: Apache-2.0 */
/* anyvf-apid: the OpenStack APIs and the agents' API on one listener, over one store. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/account.h"
#include "base/conf.h"
#include "base/fdstore.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/notify.h"
#include "base/sandbox.h"
#include "daemons/api_store.h"
#include "daemons/feature_list.h"
#include "engine/engine.h"
#include "http/scrape.h"
#include "http/tls.h"
#include "identity/first.h"
#include "store/store.h"

struct options {
	const char *config, *listen, *state_dir, *openrc;
	const char *from, *to; /* copy a store */
	bool verbose, prepare;
};

static const char usage[] =
	"usage: anyvf-apid [--config FILE] [--listen ADDRESS:PORT] [--state-dir DIR]\n"
	"                  [--openrc FILE] [--verbose] [--prepare]\n"
	"       anyvf-apid [--config FILE] --copy FROM TO\n";

static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "listen", required_argument, NULL, 'l' },
		{ "state-dir", required_argument, NULL, 's' },
		{ "openrc", required_argument, NULL, 'o' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "prepare", no_argument, NULL, 'p' },
		{ "copy", required_argument, NULL, 'C' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (opt) {
		case 'c':
			o->config = optarg;
			break;
		case 'l':
			o->listen = optarg;
			break;
		case 's':
			o->state_dir = optarg;
			break;
		case 'o':
			o->openrc = optarg;
			break;
		case 'v':
			o->verbose = true;
			break;
		case 'p':
			o->prepare = true;
			break;
		case 'C':
			o->from = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		case 'V':
			puts("anyvf-apid " ANYVF_VERSION);
			exit(0);
		default:
			fputs(usage, stderr);
			return -EINVAL;
		}
	}
	if (o->from)
		o->to = argv[optind++]; /* NULL behind the last */
	if (optind != argc)
		fputs(usage, stderr);
	return optind != argc ? -EINVAL : 0;
}

static void stop(void *loop)
{
	loop_stop(loop);
}

/* A connection each client, and files behind some: as many as we may have. */
static void raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = MIN(limit.rlim_max, (rlim_t)16384);
	setrlimit(RLIMIT_NOFILE, &limit);
}

static const char *or_conf(const char *given, const struct conf *conf, const char *section,
			   const char *key)
{
	return given ? given : conf_get(conf, section, key);
}

/* What the API keeps in its state directory. api.db comes last: see move_old(). */
static const char *const owned[] = { "images",	   "upload",	 "api.db-journal",
				     "api.db-wal", "api.db-shm", "api.db",
				     NULL };

/* What main() finds out before anything is opened. */
struct apid {
	const struct conf *conf;
	struct engine_opts opts;
	struct http_tls tls;
	char state_dir[PATH_MAX], store_dir[PATH_MAX], public_url[ENGINE_URL_LEN];
	char upload_dir[PATH_MAX]; /* in the directory of images, if that has a place of its own */
	int helper;		   /* descriptor of first_helper_start(), or -1 */
	pid_t helper_pid;	   /* 0: none */
	struct seal *seal;	   /* NULL: documents are not sealed */
	struct engine *engine;	   /* once it serves */
};

static void on_signal(void *arg)
{
	struct apid *d = arg;

	if (d->engine)
		engine_drain(d->engine, stop, d->opts.loop);
	else
		loop_stop(d->opts.loop);
}

/*
 * Older versions kept all this in the state directory of all daemons. Nobody opens the store before
 * all is moved, and what was moved is not there to be moved again, so it may end at any point.
 */
static int move_old(const char *from, const char *to, struct err *e)
{
	auto_close int old = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_close int new = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool settled = !faccessat(new, "api.db", F_OK, 0);

	for (const char *const *name = owned; *name; name++) {
		if (settled && !strncmp(*name, "api.db", 6))
			continue;
		if (renameat2(old, *name, new, *name, RENAME_NOREPLACE) && errno != ENOENT &&
		    errno != EEXIST)
			return err_errno(e, "move %s/%s to %s", from, *name, to);
	}
	return 0;
}

/* The API's own directory: what the option says, or a part of the host's, taken over if need be. */
static int make_state_dir(struct apid *d, const struct options *o, struct err *e)
{
	const char *host = conf_get(d->conf, "host", "state_dir");
	char path[PATH_MAX];
	auto_close int lock = -1;
	int rc;

	snprintf(d->state_dir, sizeof(d->state_dir), o->state_dir ? "%s" : "%s/api",
		 o->state_dir ?: host);
	rc = file_mkdirs(d->state_dir, 0711, e);
	if (!rc && !realpath(d->state_dir, path))
		rc = err_errno(e, "%s", d->state_dir);
	if (rc)
		return rc;
	strcpy(d->state_dir, path);
	setenv("SQLITE_TMPDIR", d->state_dir, 1); /* the only place that is surely writable */
	snprintf(path, sizeof(path), "%s/api.lock", host);
	if (o->state_dir || access(path, F_OK))
		return rc;
	lock = file_lock(path, e); /* an older version's that runs */
	rc = lock < 0 ? lock : move_old(host, d->state_dir, e);
	return rc ?: unlink(path) ? err_errno(e, "%s", path) : 0;
}

/* Where [api] store puts a database that is not in the state directory; else NULL. */
static const char *store_dir(struct apid *d)
{
	const char *url = conf_get(d->conf, "api", "store");

	if (strncmp(url, "sqlite:/", 8))
		return NULL;
	snprintf(d->store_dir, sizeof(d->store_dir), "%s", url + 7);
	*strrchr(d->store_dir, '/') = '\0';
	return strcmp(d->store_dir, d->state_dir) ? d->store_dir : NULL;
}

/*
 * [image] directory, the account's own; NULL: images are in the state directory. A file server may
 * not let root give it away: then it is for whoever made it to do.
 */
static const char *image_dir(struct apid *d)
{
	const char *dir = conf_get(d->conf, "image", "directory");

	return *dir ? dir : NULL;
}

static int make_image_dir(struct apid *d, struct err *e)
{
	const char *dir = image_dir(d);

	if (!dir)
		return 0;
	if (*dir != '/')
		return err_set(e, -EINVAL, "[image] directory \"%s\" is not absolute", dir);
	snprintf(d->upload_dir, sizeof(d->upload_dir), "%s/upload", dir);
	d->opts.upload_dir = d->upload_dir;
	return file_mkdirs(dir, 0750, e);
}

/* Gives up root for the account of the configuration; a helper stays until all is open. */
static int leave_root(struct apid *d, struct err *e)
{
	const char *user = conf_get(d->conf, "api", "user");
	const char *agent_user = conf_get(d->conf, "agent", "user");
	struct first_place first = { .openrc = d->opts.openrc,
				     .public_url = d->public_url,
				     .ca_file = engine_ca_file(&d->opts),
				     .host = conf_get(d->conf, "host", "name") };
	const char *images = image_dir(d), *db = store_dir(d);
	const char *dirs[] = { d->state_dir, db ?: images, db ? images : NULL, NULL };
	struct account own, agent;
	int rc;

	if (geteuid())
		return 0;
	if (!strcmp(user, ACCOUNT_ROOT)) {
		log_warn("the API reads strangers' requests as root", "key=\"[api] user\"");
		return 0;
	}
	rc = account_find(user, &own, e);
	agent_user = *agent_user ? agent_user : "anyvf-agent";
	if (!rc && !account_find(agent_user, &agent, NULL))
		first.agent = agent.uid;
	rc = rc ?: account_give(d->state_dir, owned, 0711, &own, e);
	rc = rc ?: images ? account_give(images, NULL, 0750, &own, e) : 0;
	rc = rc ?: first_helper_start(&first, &d->helper, &d->helper_pid, e);
	rc = rc ?: sandbox_mounts(dirs, &own, e);
	if (rc)
		return rc;
	d->opts.first = first_helper_ask;
	d->opts.first_arg = &d->helper;
	return account_become(&own, (const char *const[]){ NULL }, e);
}

static void end_helper(struct apid *d)
{
	auto_close_(&d->helper);
	d->helper = -1;
	if (d->helper_pid)
		waitpid(d->helper_pid, NULL, 0);
}

/* The store of the configuration, else api.db in the state directory; one daemon a directory. */
static int open_store(struct apid *d, struct loop *loop, struct store **out, int *lock,
		      struct err *e)
{
	const char *url = conf_get(d->conf, "api", "store");
	struct store_opts opts;
	auto_free char *path = NULL, *lock_path = NULL;
	mode_t mask;
	int rc;

	if (asprintf(&lock_path, "%s/api.lock", d->state_dir) < 0 ||
	    asprintf(&path, "sqlite:%s/api.db", d->state_dir) < 0)
		return -ENOMEM;
	rc = file_lock(lock_path, e);
	if (rc < 0)
		return rc;
	*lock = rc;
	mask = umask(077);
	api_store_opts(d->conf, loop, d->seal, &opts);
	rc = store_open(url[0] ? url : path, &opts, out, e);
	umask(mask);
	d->opts.store = *out;
	return rc ?: api_store_join(*out, d->state_dir, e);
}

static void read_opts(struct apid *d, const struct options *o)
{
	const struct conf *conf = d->conf;

	d->opts.conf = conf;
	d->opts.features = features;
	d->opts.listen = or_conf(o->listen, conf, "api", "listen");
	d->opts.tls = &d->tls;
	d->opts.public_url = conf_get(conf, "api", "public_url");
	engine_public_url(&d->opts, d->public_url);
	d->opts.public_url = d->public_url;
	d->opts.state_dir = d->state_dir;
	d->opts.client_timeout_ms =
		1000 * (unsigned int)strtoul(conf_get(conf, "api", "client_timeout_s"), NULL, 10);
	d->opts.openrc = or_conf(o->openrc, conf, "api", "openrc");
}

/* Opens everything and serves; with --prepare, it ends when all is open. */
static int page(void *engine, bool open, struct buf *out)
{
	return engine_metrics(engine, open, out);
}

/* Where the configuration says; for whoever may connect there. */
static int open_metrics(const struct apid *d, struct engine *engine, struct scrape **out,
			struct err *e)
{
	const struct scrape_opts opts = { .loop = d->opts.loop,
					  .listen = conf_get(d->conf, "api", "metrics"),
					  .kept = "metrics",
					  .page = page,
					  .arg = engine };

	return *opts.listen ? scrape_open(&opts, out, e) : 0;
}

static int serve(struct apid *d, const struct options *o, struct err *e)
{
	auto_of(loop_free) struct loop *loop = loop_new(e);
	auto_close int lock = -1;
	auto_of(store_close) struct store *store = NULL;
	auto_of(engine_close) struct engine *engine = NULL;
	auto_of(scrape_close) struct scrape *scrape = NULL;
	int rc = loop ? open_store(d, loop, &store, &lock, e) : -ENOMEM;

	d->opts.loop = loop;
	/* Signals first: the engine's helper threads must inherit them blocked. */
	if (!rc && (loop_signal_add(loop, SIGTERM, on_signal, d) ||
		    loop_signal_add(loop, SIGINT, on_signal, d)))
		rc = -ENOMEM;
	if (o->prepare)
		d->opts.listen = NULL;
	rc = rc ? rc : engine_open(&d->opts, &engine, e);
	if (!rc && !o->prepare)
		rc = open_metrics(d, engine, &scrape, e);
	if (!rc && !o->prepare)
		rc = notify_alive(loop, NULL, e);
	end_helper(d);
	if (rc || o->prepare)
		return rc;
	fdstore_close();
	log_info("ready", "listen=%s revision=%llu", d->opts.listen,
		 (unsigned long long)store_revision(store));
	notify("READY=1");
	d->engine = engine;
	return loop_run(loop);
}

/* The directory of a database, the caller's to free; NULL: there is none. */
static char *db_dir(const char *url)
{
	char path[PATH_MAX];

	if (!strncmp(url, "sqlite:", 7))
		url += 7;
	else if (*url != '/' && *url != '.')
		return NULL;
	if (snprintf(path, sizeof(path), "%s", url) >= PATH_MAX)
		return NULL;
	return realpath(dirname(path), NULL);
}

/* Who runs this is root, and wonders why something is not allowed. */
static int check_writable(const char *const *dirs, const char *user, struct err *e)
{
	for (; *dirs; dirs++)
		if (access(*dirs, W_OK | X_OK))
			return err_errno(e, "%s, which %s has to write in", *dirs, user);
	return 0;
}

/* By the API's account, so that it can work with what comes of it. */
static int copy(const struct conf *conf, const struct options *o, struct err *e)
{
	const char *user = conf_get(conf, "api", "user");
	auto_of(seal_free) struct seal *seal = NULL;
	auto_free char *from = db_dir(o->from), *to = db_dir(o->to);
	const char *dirs[] = { from ?: to, from && to && strcmp(from, to) ? to : NULL, NULL };
	struct account own;
	int rc = api_store_keys(conf, o->from, &seal, e);

	rc = rc ?: api_store_keys(conf, o->to, &seal, e);
	if (!rc && !geteuid() && strcmp(user, ACCOUNT_ROOT)) {
		rc = account_find(user, &own, e);
		rc = rc ?: sandbox_mounts(dirs, &own, e);
		rc = rc ?: account_become(&own, (const char *const[]){ NULL }, e);
		rc = rc ?: check_writable(dirs, user, e);
	}
	umask(077); /* what is made has secrets in it */
	return rc ?: api_store_copy(conf, seal, o->from, o->to, e);
}

static int run(const struct options *o, struct err *e)
{
	auto_of(conf_free) struct conf *conf = NULL;
	struct apid d = { .helper = -1 };
	int rc = conf_open(o->config, &conf, e);

	if (rc)
		return rc;
	if (o->from)
		return copy(conf, o, e);
	if (!strcmp(or_conf(o->listen, conf, "api", "listen"), CONF_NO_API))
		return err_set(e, -EINVAL, "this machine has no API: [api] listen = %s in %s",
			       CONF_NO_API, o->config);
	d.conf = conf;
	rc = http_tls_read(conf, or_conf(o->listen, conf, "api", "listen"), &d.tls, e);
	if (!rc) {
		read_opts(&d, o);
		rc = make_state_dir(&d, o, e);
		rc = rc ?: make_image_dir(&d, e);
	}
	rc = rc ?: api_store_keys(conf, conf_get(conf, "api", "store"), &d.seal, e);
	rc = rc ?: leave_root(&d, e);
	rc = rc ?: serve(&d, o, e);
	http_tls_fini(&d.tls);
	seal_free(d.seal);
	return rc;
}

int main(int argc, char **argv)
{
	struct options o = { .config = CONF_DEFAULT_PATH };
	struct err e = { 0 };
	int rc;

	fdstore_open();
	rc = parse_options(argc, argv, &o);
	if (rc)
		return 2;
	log_open("anyvf-apid", o.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	signal(SIGPIPE, SIG_IGN);
	raise_fd_limit();
	rc = run(&o, &e);
	if (rc)
		fprintf(stderr, "anyvf-apid: %s\n", e.msg[0] ? e.msg : strerror(-rc));
	return rc ? 1 : 0;
}
