/* SPDX-License-Identifier: Apache-2.0 */
/*
 * anyvf-swd: software PFs. Options, lock and run directory; then the parent
 * process (sw/parent/parent.h) runs the child: data plane, control, socket, loop.
 */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/conf.h"
#include "base/decision.h"
#include "base/fdstore.h"
#include "base/file.h"
#include "base/log.h"
#include "ctl/ctl.h"
#include "daemons/opts.h"
#include "sw/control/sw.h"
#include "sw/dp.h"
#include "sw/parent/parent.h"
#include "sw/parent/parent_rules.h"
#include "sw/parent/capabilities.h"

#define GROUP	  "anyvf"	 /* may use the control socket */
#define QEMU	  "libvirt-qemu" /* group that may use vhost-user sockets */
#define PARENT	  "anyvf-swd"	 /* account of a parent that is not root */
#define FILES_MAX 65536		 /* descriptors: 256 VFs with 64 queues each, and taps */

struct swd_opts {
	const char *run_dir, *state, *config, *cores, *poll, *user;
	bool huge, privileged, debug, prepare;
};

/* What main() hands to the child. */
struct swd {
	struct swd_opts opts;
	char run_dir[PATH_MAX]; /* absolute, as of the next three */
	char sock[VF_PATH_LEN + 1];
	char reading_sock[VF_PATH_LEN + 1]; /* beside it, for methods that only read */
	char state[PATH_MAX];
	int listen, reading; /* on sock and reading_sock; over all lives of the child */
	bool parted; /* we have what the parent of two processes needs */
	struct parent_rules rules;
	struct parent_opts parent;
};

static const char usage[] =
	"Usage: anyvf-swd [--run-dir DIR] [--state FILE] [--config FILE] [--cores LIST]\n"
	"                 [--poll busy|adaptive] [--huge] [--privileged] [--debug]\n"
	"                 [--prepare]\n";

static int opts_parse(int argc, char **argv, struct swd_opts *o)
{
	const struct opt opts[] = {
		{ "run-dir", &o->run_dir, NULL },
		{ "state", &o->state, NULL },
		{ "config", &o->config, NULL },
		{ "cores", &o->cores, NULL },
		{ "poll", &o->poll, NULL },
		{ "huge", NULL, &o->huge },
		{ "privileged", NULL, &o->privileged },
		{ "debug", NULL, &o->debug },
		{ "prepare", NULL, &o->prepare },
		{ NULL, NULL, NULL },
	};

	return opts_read(argc, argv, opts, "anyvf-swd", usage);
}

/* A daemon's directory may change; so may what a relative name means. */
static int absolute(const char *name, char out[PATH_MAX], struct err *e)
{
	char cwd[PATH_MAX] = "";

	if (*name != '/' && !getcwd(cwd, sizeof(cwd)))
		return err_errno(e, "working directory");
	if (snprintf(out, PATH_MAX, "%s%s%s", cwd, *cwd ? "/" : "", name) >= PATH_MAX)
		return err_set(e, -ENAMETOOLONG, "%s is too long", name);
	for (size_t n = strlen(out); n > 1 && out[n - 1] == '/';)
		out[--n] = 0;
	return 0;
}

static int paths_complete(struct swd_opts *o, const struct conf *conf, struct swd *swd,
			  struct err *e)
{
	char state[PATH_MAX];
	int rc = absolute(o->run_dir, swd->run_dir, e);

	if (snprintf(state, sizeof(state), "%s/swd.json", conf_get(conf, "host", "state_dir")) >=
	    (int)sizeof(state))
		return err_set(e, -ENAMETOOLONG, "the state file's name is too long");
	rc = rc ?: absolute(o->state ?: state, swd->state, e);
	if (rc)
		return rc;
	if (snprintf(swd->sock, sizeof(swd->sock), "%s/swd.sock", swd->run_dir) >=
		    (int)sizeof(swd->sock) ||
	    snprintf(swd->reading_sock, sizeof(swd->reading_sock), "%s/swd-ro.sock",
		     swd->run_dir) >= (int)sizeof(swd->reading_sock))
		return err_set(e, -ENAMETOOLONG, "%s: too long for a socket", swd->run_dir);
	snprintf(state, sizeof(state), "%s", swd->state);
	*strrchr(state, '/') = 0;
	return *state ? file_mkdirs(state, 0755, e) : 0;
}

/* What no option said, from the configuration. */
static int opts_complete(struct swd_opts *o, const struct conf *conf, struct swd *swd,
			 struct err *e)
{

	o->cores = o->cores ?: conf_get(conf, "switch", "cores");
	o->poll = o->poll ?: conf_get(conf, "switch", "poll");
	o->user = conf_get(conf, "switch", "user");
	o->huge |= conf_bool(conf, "switch", "huge");
	o->privileged |= conf_bool(conf, "switch", "privileged");
	if (strcmp(o->poll, "busy") && strcmp(o->poll, "adaptive"))
		return err_set(e, -EINVAL, "poll is busy or adaptive, not \"%s\"", o->poll);
	return paths_complete(o, conf, swd, e);
}

/*
 * Gives @path to a group; one that is not of our user namespace, as in a lab of somebody's who is
 * not root, becomes none.
 */
static int give_group(const char *path, gid_t *group)
{
	int rc = chown(path, geteuid(), *group);

	if (!rc || errno != EINVAL)
		return rc;
	*group = (gid_t)-1;
	return chown(path, geteuid(), *group);
}

/*
 * What others reach us by. Control sockets are for root and the group anyvf, vhost-user sockets for
 * QEMU's; the directories of both are ours, so that nobody puts another in their place.
 */
static int dirs_make(struct swd *swd, struct err *e)
{
	const struct group *gr = swd->parted ? getgrnam(QEMU) : NULL;
	struct child_sandbox *c = &swd->parent.child;
	int rc = file_mkdirs(swd->rules.vhost_dir, 0755, e);

	swd->parent.qemu = gr ? gr->gr_gid : (gid_t)-1;
	if (rc)
		return rc;
	if (give_group(swd->rules.vhost_dir, &swd->parent.qemu) ||
	    chmod(swd->rules.vhost_dir, swd->parent.qemu != (gid_t)-1 ? 0710 : 0700))
		return err_errno(e, "%s", swd->rules.vhost_dir);
	if (!swd->parted || c->privileged)
		return 0;
	return child_dirs_make(c, e);
}

static int listen_for(const struct swd *swd, const char *path, const char *group, int *out,
		      struct err *e)
{
	const struct group *gr = swd->parted ? getgrnam(group) : NULL;
	gid_t gid = gr ? gr->gr_gid : (gid_t)-1;

	*out = fdstore_listen_unix(path, 0660, e);
	if (*out < 0)
		return *out;
	if (gr && give_group(path, &gid))
		return err_errno(e, "%s", path);
	return 0;
}

/* Before there is a child: whoever connects while none is there waits. */
static int control_listen(struct swd *swd, struct err *e)
{
	int rc = listen_for(swd, swd->sock, GROUP, &swd->listen, e);

	return rc ?: listen_for(swd, swd->reading_sock, CTL_READING_GROUP, &swd->reading, e);
}

static void on_stop(void *loop)
{
	loop_stop(loop);
}

/* Everything of the child, from the data plane up, until the loop ends. */
static int child_serve(struct parent *parent, const struct swd *swd, struct err *e)
{
	struct dp_opts dp_opts = { .cores = swd->opts.cores,
				   .busy = !strcmp(swd->opts.poll, "busy"),
				   .huge = swd->opts.huge,
				   .parent = parent,
				   .run_dir = parent ? "." : swd->run_dir, /* see child_sandbox.h */
				   .peers = &swd->rules.peers,
				   .beat = parent_beat,
				   .beat_arg = parent };
	auto_of(loop_free) struct loop *loop = loop_new(e);
	struct sw_opts sw_opts = {
		.loop = loop, .parent = parent, .run_dir = swd->run_dir, .state = swd->state
	};
	auto_of(dp_close) struct dp *dp = NULL;
	auto_of(sw_close) struct sw *sw = NULL;
	auto_of(ctl_server_free) struct ctl_server *server = NULL, *reading = NULL;
	int rc;

	if (!loop)
		return -ENOMEM;
	rc = loop_signal_add(loop, SIGTERM, on_stop, loop);
	rc = rc ?: loop_signal_add(loop, SIGINT, on_stop, loop);
	rc = rc ?: dp_open(&dp_opts, &dp, e);
	if (rc)
		return rc;
	sw_opts.dp = dp;
	rc = sw_open(&sw_opts, &sw, e);
	rc = rc ?: parent_ready(parent, e);
	rc = rc ?: ctl_serve_on(loop, swd->listen, &sw_ops, sw, &server, e);
	rc = rc ?: ctl_serve_reading_on(loop, swd->reading, &sw_ops, sw, &reading, e);
	if (rc)
		return rc;
	log_info("the switch is up", "socket=%s", swd->sock);
	rc = loop_run(loop);
	ctl_server_drain(server);
	ctl_server_drain(reading);
	return rc;
}

static int child_main(struct parent *parent, void *arg)
{
	struct err e = { 0 };
	int rc = child_serve(parent, arg, &e);

	if (rc)
		log_err("the switch cannot run", "error=%s", *e.msg ? e.msg : strerror(-rc));
	return rc ? 1 : 0;
}

/* What the parent holds, before there is a child. */
static int prepare(struct swd *swd, const struct conf *conf, struct err *e)
{
	struct child_sandbox *c = &swd->parent.child;
	bool private = strcmp(swd->run_dir, CTL_RUN_DIR);
	int rc = parent_rules_read(conf, swd->run_dir, private, &swd->rules, e);

	if (rc)
		return rc;
	*c = (struct child_sandbox){ .run_dir = swd->run_dir, .privileged = swd->opts.privileged };
	rc = capabilities_held(e);
	if (rc < 0)
		return rc;
	swd->parted = rc;
	rc = swd->parted && !c->privileged ? account_find(swd->opts.user, &c->account, e) : 0;
	if (!rc && swd->parted && c->account.uid == geteuid() && geteuid())
		rc = err_set(e, -EINVAL, "account \"%s\" cannot be both processes'",
			     swd->opts.user);
	swd->rules.mark = (struct tap_mark){ c->account.uid, c->account.gid };
	swd->parent.rules = &swd->rules;
	swd->parent.state = swd->state;
	return rc ?: dirs_make(swd, e);
}

/* The state file is among others' in STATE_DIR: the sticky bit keeps each its owner's. */
static int state_give(const struct swd *swd, const struct account *own, struct err *e)
{
	char dir[PATH_MAX], next[PATH_MAX + sizeof(".new")], decisions[PATH_MAX], *name;
	int rc;

	snprintf(dir, sizeof(dir), "%s", swd->state);
	name = strrchr(dir, '/');
	*name++ = '\0';
	snprintf(next, sizeof(next), "%s.new", name);
	rc = account_give_some(dir, (const char *const[]){ name, next, NULL }, own, e);
	decision_dir(swd->state, decisions);
	if (!rc && !access(decisions, F_OK) && !chown(decisions, (uid_t)-1, own->gid))
		(void)!chmod(decisions, 0775);
	if (rc || swd->opts.state) /* whose directory that is we do not know */
		return rc;
	if (chown(dir, (uid_t)-1, own->gid) || chmod(dir, 01775))
		return err_errno(e, "%s", dir);
	return 0;
}

/* As root, for a parent that is not: directories and files become its own. */
static int hand_over(const struct swd *swd, const struct conf *conf, struct err *e)
{
	static const char *const of_run[] = { "swd.lock", "swd.sock", "swd-ro.sock",
					      "taps",	  "vhost",    NULL };
	char mirrors[PATH_MAX];
	struct account own;
	int rc = account_find(PARENT, &own, e);

	snprintf(mirrors, sizeof(mirrors), "%s/mirrors", conf_get(conf, "host", "log_dir"));
	rc = rc ?: account_give_some(swd->run_dir, of_run, &own, e);
	rc = rc ?: account_give(swd->run_dir, of_run, 0755, &own, e);
	rc = rc ?: file_mkdirs(mirrors, 0750, e);
	rc = rc ?: account_give(mirrors, NULL, 0750, &own, e);
	return rc ?: state_give(swd, &own, e);
}

static void files_limit(void)
{
	struct rlimit files = { FILES_MAX, FILES_MAX };

	if (!setrlimit(RLIMIT_NOFILE, &files))
		return;
	getrlimit(RLIMIT_NOFILE, &files); /* without root: what we may have at most */
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

static int run(struct swd *swd, struct err *e)
{
	auto_of(conf_free) struct conf *conf = NULL;
	char path[PATH_MAX + sizeof("/swd.lock")];
	int rc = conf_open(swd->opts.config, &conf, e);

	rc = rc ?: opts_complete(&swd->opts, conf, swd, e);
	rc = rc ?: prepare(swd, conf, e);
	if (rc)
		return rc;
	if (swd->opts.prepare)
		return geteuid() ? 0 : hand_over(swd, conf, e);
	snprintf(path, sizeof(path), "%s/swd.lock", swd->run_dir);
	auto_close int lock = file_lock(path, e);
	if (lock < 0)
		return lock;
	rc = control_listen(swd, e);
	if (rc)
		return rc;
	files_limit();
	rc = parent_run(&swd->parent, child_main, swd);
	fdstore_unlink(swd->sock);
	fdstore_unlink(swd->reading_sock);
	return rc;
}

int main(int argc, char **argv)
{
	struct swd swd = { .opts = { .run_dir = ctl_run_dir(), .config = CONF_DEFAULT_PATH } };
	struct err e = { 0 };
	int rc;

	fdstore_open();
	rc = opts_parse(argc, argv, &swd.opts);
	if (rc)
		return rc;
	log_open("anyvf-swd", swd.opts.debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	signal(SIGPIPE, SIG_IGN);
	rc = run(&swd, &e);
	if (rc < 0)
		log_err("cannot start", "error=%s", e.msg);
	parent_rules_fini(&swd.rules);
	return rc < 0 ? 1 : rc;
}
