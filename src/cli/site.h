/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One installation of anyvf on this host, private or the system's: where its
 * configuration, run directory and state are, which programs make it up, and
 * whether each runs and is ready. For up, down, status and console.
 */
#ifndef ANYVF_CLI_SITE_H
#define ANYVF_CLI_SITE_H

#include <limits.h>
#include <sys/types.h>

#include "base/conf.h"
#include "cli/cli.h"

/* In the order they are started; stopped in the reverse. */
enum prog_id { PROG_VIRTLOGD, PROG_LIBVIRTD, PROG_SWD, PROG_HWD, PROG_APID, PROG_AGENTD, PROG_N };

struct site {
	struct cli *cli;
	struct conf *conf;
	char config[4096]; /* its file, absolute: daemons change directory */
	char run_dir[400]; /* absolute; the command's, too */
	const char *uri;   /* of libvirt */
	bool own_libvirt;  /* the system's libvirt, which `up` starts if nobody did */
	bool tied;	   /* what is started ends with us */
	char *token;	   /* of the API's admin; NULL until asked for */
	char api[300];	   /* URL of the replica of the API that answered last; "": none did */
};

struct prog {
	const char *name;
	const char *lock_dir;  /* directory of the file with its pid; NULL: the run directory */
	const char *lock_file; /* in it */
};
extern const struct prog progs[PROG_N];

int site_open(struct cli *cli, struct site *site);
bool site_has(enum prog_id id);
int site_needs(enum prog_id id, struct err *e);
int site_read_conf(struct site *site, struct err *e);
void site_close(struct site *site);
static inline void site_auto_(struct site *site)
{
	site_close(site);
}
#define auto_site __attribute__((cleanup(site_auto_)))

const char *site_conf(const struct site *site, const char *section, const char *key);
void site_host_conf(const struct site *site, char out[PATH_MAX]);
bool site_pf_is_hw(const struct site *site, const char *name);
struct httpc_answer;
struct httpc_req;
int site_ask(struct site *site, const struct httpc_req *req, const char *path,
	     struct httpc_answer *out, struct err *e);
bool site_uses(const struct site *site, enum prog_id id);
pid_t site_pid(const struct site *site, enum prog_id id);
bool site_started(const struct site *site, enum prog_id id);
void site_mark(const struct site *site, enum prog_id id, pid_t pid);

/* up.c */
pid_t site_daemon(const char *const argv[], const char *log, bool tied, struct err *e);
int site_start(struct site *site, enum prog_id first, enum prog_id last, struct err *e);

int site_ready(struct site *site, enum prog_id id, struct err *e);
int cloud_ask(struct site *site, const char *method, const char *path, const json_t *body,
	      json_t **out, struct err *e);
int cloud_refused(const char *what, const struct httpc_answer *answer, struct err *e);
int cloud_host_alive(struct site *site, struct err *e);
json_t *cloud_login_body(const char *user, const char *password, const char *project);

/* join.c: what `anyvf up` is told to join by. */
struct join {
	const char *url;  /* --join; NULL: as the token says */
	const char *file; /* --token-file, "-" for standard input */
	char *text;	  /* --token; owned */
};
int join_words(struct cli *cli, struct join *j);
int join_site(struct site *site, struct join *j, struct err *e);
void join_fini(struct join *j);
static inline void join_auto_(struct join *j)
{
	join_fini(j);
}
#define auto_join __attribute__((cleanup(join_auto_)))

#endif
