/* SPDX-License-Identifier: Apache-2.0 */
/* anyvf-hwd: PFs of NICs. Options, lock, control socket, loop. */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/fdstore.h"
#include "base/file.h"
#include "base/log.h"
#include "base/notify.h"
#include "ctl/ctl.h"
#include "daemons/opts.h"
#include "hw/hw.h"
#include "hw/nic.h"

#define GROUP "anyvf" /* may use the control socket */

struct hwd_opts {
	const char *run_dir, *state, *config;
	bool debug, software_copies;
};

static const char usage[] =
	"Usage: anyvf-hwd [--run-dir DIR] [--state FILE] [--config FILE] [--debug]\n";

static int opts_parse(int argc, char **argv, struct hwd_opts *o)
{
	const struct opt opts[] = {
		{ "run-dir", &o->run_dir, NULL },
		{ "state", &o->state, NULL },
		{ "config", &o->config, NULL },
		{ "debug", NULL, &o->debug },
		{ "software-copies", NULL, &o->software_copies }, /* none for people */
		{ NULL, NULL, NULL },
	};

	return opts_read(argc, argv, opts, "anyvf-hwd", usage);
}

static void on_stop(void *loop)
{
	loop_stop(loop);
}

static int listen_on(const char *path, const char *group, struct err *e)
{
	const struct group *gr = geteuid() ? NULL : getgrnam(group);
	int fd = fdstore_listen_unix(path, 0660, e);

	if (fd >= 0 && gr && chown(path, (uid_t)-1, gr->gr_gid)) {
		close(fd);
		return err_errno(e, "%s", path);
	}
	return fd;
}

static int serve(const struct hwd_opts *o, const char *state, const char *path,
		 const char *reading_path, struct err *e)
{
	auto_of(loop_free) struct loop *loop = loop_new(e);
	auto_of(ctl_server_free) struct ctl_server *server = NULL, *reading = NULL;
	auto_of(hw_close) struct hw *hw = NULL;
	const struct hw_opts opts = {
		.loop = loop, .sysfs = HW_SYS, .state = state, .software_copies = o->software_copies
	};
	auto_close int fd = -1, reading_fd = -1;
	int rc = loop ? loop_signal_add(loop, SIGTERM, on_stop, loop) : -ENOMEM;

	rc = rc ?: loop_signal_add(loop, SIGINT, on_stop, loop);
	rc = rc ?: hw_open(&opts, &hw, e);
	if (rc)
		return rc;
	fd = listen_on(path, GROUP, e);
	rc = fd < 0 ? fd : ctl_serve_on(loop, fd, &hw_ops, hw, &server, e);
	if (rc)
		return rc;
	reading_fd = listen_on(reading_path, CTL_READING_GROUP, e);
	rc = reading_fd < 0 ? reading_fd
			    : ctl_serve_reading_on(loop, reading_fd, &hw_ops, hw, &reading, e);
	rc = rc ?: notify_alive(loop, NULL, e);
	if (rc)
		return rc;
	fdstore_close();
	log_info("PFs of NICs are served", "socket=%s", path);
	notify("READY=1");
	rc = loop_run(loop);
	ctl_server_drain(server);
	ctl_server_drain(reading);
	fdstore_unlink(path);
	fdstore_unlink(reading_path);
	return rc;
}

static int run(const struct hwd_opts *o, struct err *e)
{
	char path[PATH_MAX], sock[PATH_MAX], reading[PATH_MAX], state[PATH_MAX],
		state_lock[PATH_MAX + 8];
	auto_of(conf_free) struct conf *conf = NULL;
	int rc = conf_open(o->config, &conf, e);

	if (rc)
		return rc;
	snprintf(path, sizeof(path), "%s/hwd.lock", o->run_dir);
	snprintf(sock, sizeof(sock), "%s/hwd.sock", o->run_dir);
	snprintf(reading, sizeof(reading), "%s/hwd-ro.sock", o->run_dir);
	snprintf(state, sizeof(state), "%s", conf_get(conf, "host", "state_dir"));
	rc = file_mkdirs(o->run_dir, 0755, e);
	rc = rc ?: o->state ? 0 : file_mkdirs(state, 0755, e);
	if (rc)
		return rc;
	strncat(state, "/hwd.json", sizeof(state) - strlen(state) - 1);
	snprintf(state_lock, sizeof(state_lock), "%s.lock", o->state ?: state);
	auto_close int run_fd = file_lock(path, e);
	auto_close int state_fd = run_fd < 0 ? -1 : file_lock(state_lock, e);
	if (run_fd < 0 || state_fd < 0)
		return MIN(run_fd, state_fd);
	return serve(o, o->state ?: state, sock, reading, e);
}

int main(int argc, char **argv)
{
	struct hwd_opts o = { .run_dir = ctl_run_dir(), .config = CONF_DEFAULT_PATH };
	struct err e = { 0 };
	int rc;

	fdstore_open();
	rc = opts_parse(argc, argv, &o);
	if (rc)
		return rc;
	log_open("anyvf-hwd", o.debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	signal(SIGPIPE, SIG_IGN);
	rc = run(&o, &e);
	if (rc < 0)
		log_err("cannot start", "error=%s", e.msg);
	return rc < 0 ? 1 : rc;
}
