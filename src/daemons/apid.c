/* SPDX-License-Identifier: Apache-2.0 */
/* anyvf-apid: the OpenStack APIs and the agents' API on one listener, over one store. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "api/engine.h"
#include "base/conf.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "store/store.h"

static const struct service *const services[] = { &identity_service, &image_service,
						  &network_service,  &compute_service,
						  &agents_service,   NULL };

struct options {
	const char *config, *listen, *state_dir, *openrc;
	bool verbose;
};

static const char usage[] =
	"usage: anyvf-apid [--config FILE] [--listen ADDRESS:PORT] [--state-dir DIR]\n"
	"                  [--openrc FILE] [--verbose]\n";

static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "listen", required_argument, NULL, 'l' },
		{ "state-dir", required_argument, NULL, 's' },
		{ "openrc", required_argument, NULL, 'o' },
		{ "verbose", no_argument, NULL, 'v' },
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
	if (optind < argc)
		fputs(usage, stderr);
	return optind < argc ? -EINVAL : 0;
}

static void on_signal(void *arg)
{
	loop_stop(arg);
}

/* A connection each client, and files behind some: as many as we may have. */
static void raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = MIN(limit.rlim_max, (rlim_t)4096);
	setrlimit(RLIMIT_NOFILE, &limit);
}

static const char *or_conf(const char *given, const struct conf *conf, const char *section,
			   const char *key)
{
	return given ? given : conf_get(conf, section, key);
}

/*
 * The store of the configuration, else api.db in the state directory; one daemon a directory.
 * Guests' disks lie there too, so QEMU's user must get through; the database is for our eyes.
 */
static int open_store(const struct conf *conf, const char *state_dir, struct store **out, int *lock,
		      struct err *e)
{
	const char *url = conf_get(conf, "api", "store");
	auto_free char *path = NULL, *lock_path = NULL;
	int rc = file_mkdirs(state_dir, 0755, e);
	mode_t mask;

	if (rc)
		return rc;
	if (asprintf(&lock_path, "%s/api.lock", state_dir) < 0 ||
	    asprintf(&path, "sqlite:%s/api.db", state_dir) < 0)
		return -ENOMEM;
	rc = file_lock(lock_path, e);
	if (rc < 0)
		return rc;
	*lock = rc;
	mask = umask(077);
	rc = store_open(url[0] ? url : path, out, e);
	umask(mask);
	return rc;
}

static int serve(const struct options *o, struct err *e)
{
	auto_of(conf_free) struct conf *conf = NULL;
	auto_of(loop_free) struct loop *loop = loop_new(e);
	auto_close int lock = -1;
	auto_of(store_close) struct store *store = NULL;
	auto_of(engine_close) struct engine *engine = NULL;
	struct engine_opts opts = { .loop = loop, .services = services };
	int rc = loop ? conf_open(o->config, &conf, e) : -ENOMEM;

	if (rc)
		return rc;
	opts.conf = conf;
	opts.listen = or_conf(o->listen, conf, "api", "listen");
	opts.public_url = conf_get(conf, "api", "public_url");
	opts.state_dir = or_conf(o->state_dir, conf, "host", "state_dir");
	opts.client_timeout_ms =
		1000 * (unsigned int)strtoul(conf_get(conf, "api", "client_timeout_s"), NULL, 10);
	opts.openrc = or_conf(o->openrc, conf, "api", "openrc");
	rc = open_store(conf, opts.state_dir, &store, &lock, e);
	opts.store = store;
	/* Signals first: the engine's helper threads must inherit them blocked. */
	if (!rc && (loop_signal_add(loop, SIGTERM, on_signal, loop) ||
		    loop_signal_add(loop, SIGINT, on_signal, loop)))
		rc = -ENOMEM;
	rc = rc ? rc : engine_open(&opts, &engine, e);
	if (rc)
		return rc;
	log_info("ready", "listen=%s revision=%llu", opts.listen,
		 (unsigned long long)store_revision(store));
	return loop_run(loop);
}

int main(int argc, char **argv)
{
	struct options o = { .config = CONF_DEFAULT_PATH };
	struct err e = { 0 };
	int rc = parse_options(argc, argv, &o);

	if (rc)
		return 2;
	log_open("anyvf-apid", o.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	signal(SIGPIPE, SIG_IGN);
	raise_fd_limit();
	rc = serve(&o, &e);
	if (rc)
		fprintf(stderr, "anyvf-apid: %s\n", e.msg[0] ? e.msg : strerror(-rc));
	return rc ? 1 : 0;
}
