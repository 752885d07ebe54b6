/* SPDX-License-Identifier: Apache-2.0 */
/* A real etcd of one or three members for a test: on loopback, its data in a directory of its own. */
#ifndef ANYVF_TESTS_UNIT_ETCD_H
#define ANYVF_TESTS_UNIT_ETCD_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "httpc/httpc.h"

#define MEMBERS_MAX 3

struct etcds {
	char dir[32];
	unsigned int n;
	int ports[2 * MEMBERS_MAX]; /* of clients, of peers */
	pid_t pids[MEMBERS_MAX];    /* 0: does not run */
	const char *more[9];	    /* arguments; the last is NULL */
	struct httpc_trust trust;   /* of its clients; with a CA: by https */
};

static inline const char *etcd_scheme(const struct etcds *e)
{
	return e->trust.ca_file ? "https" : "http";
}

static inline int free_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	getsockname(fd, (struct sockaddr *)&at, &len);
	close(fd);
	return ntohs(at.sin_port);
}

/* A request to the gateway of one member; its answer, the caller's to free, or NULL. */
static inline char *etcd_ask(const struct etcds *e, unsigned int i, const char *path,
			     const char *body)
{
	auto_of(httpc_close) struct httpc *http = NULL;
	struct httpc_answer answer = { 0 };
	char url[96];

	assert_int_equal(httpc_open(&http, NULL), 0);
	snprintf(url, sizeof(url), "%s://127.0.0.1:%d%s", etcd_scheme(e), e->ports[i], path);
	if (httpc_call(http,
		       &(struct httpc_req){ .method = "POST",
					    .url = url,
					    .body = body,
					    .body_size = strlen(body),
					    .timeout_ms = 2000,
					    .trust = &e->trust },
		       &answer, NULL))
		return NULL;
	free(answer.headers);
	if (answer.status == 200)
		return answer.body;
	free(answer.body);
	return NULL;
}

/* Forgets what was before a revision. */
static inline void etcd_compact(const struct etcds *e, uint64_t revision)
{
	char body[64], *answer;

	snprintf(body, sizeof(body), "{\"revision\":\"%llu\",\"physical\":true}",
		 (unsigned long long)revision);
	answer = etcd_ask(e, 0, "/v3/kv/compaction", body);
	assert_non_null(answer);
	free(answer);
}

static inline void etcd_run(struct etcds *e, unsigned int i)
{
	char args[5][160], all[256] = "";
	const char *argv[40] = { "etcd" };
	int at = 0;

	for (unsigned int k = 0; k < e->n; k++)
		at += sprintf(all + at, "%sm%u=http://127.0.0.1:%d", k ? "," : "", k,
			      e->ports[MEMBERS_MAX + k]);
	sprintf(args[0], "m%u", i);
	sprintf(args[1], "%s/m%u", e->dir, i);
	sprintf(args[2], "%s://127.0.0.1:%d", etcd_scheme(e), e->ports[i]);
	sprintf(args[3], "http://127.0.0.1:%d", e->ports[MEMBERS_MAX + i]);
	sprintf(args[4], "%s/m%u.log", e->dir, i);
	e->pids[i] = fork();
	if (!e->pids[i]) {
		int log = open(args[4], O_WRONLY | O_CREAT | O_APPEND, 0644);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(log, 1);
		dup2(log, 2);
		memcpy(argv + 1,
		       (const char *[]){ "--name",
					 args[0],
					 "--data-dir",
					 args[1],
					 "--listen-client-urls",
					 args[2],
					 "--advertise-client-urls",
					 args[2],
					 "--listen-peer-urls",
					 args[3],
					 "--initial-advertise-peer-urls",
					 args[3],
					 "--initial-cluster",
					 all,
					 "--unsafe-no-fsync",
					 "--heartbeat-interval",
					 "50",
					 "--election-timeout",
					 "500",
					 "--max-txn-ops",
					 "4096" },
		       21 * sizeof(*argv));
		memcpy(argv + 22, e->more, sizeof(e->more));
		execvp("etcd", (char **)argv);
		_exit(127);
	}
}

static inline void etcd_kill(struct etcds *e, unsigned int i)
{
	if (!e->pids[i])
		return;
	kill(e->pids[i], SIGKILL);
	waitpid(e->pids[i], NULL, 0);
	e->pids[i] = 0;
}

/* Until a member answers what its quorum confirms. */
static inline void etcd_wait_for(const struct etcds *e, unsigned int i)
{
	char *answer = NULL;

	for (int tries = 0; !answer && tries < 600; tries++) {
		answer = etcd_ask(e, i, "/v3/kv/range", "{\"key\":\"YQ==\"}");
		if (!answer)
			usleep(100000);
	}
	assert_non_null(answer);
	free(answer);
}

/* with: arguments and trust; not yet waited for. */
static inline struct etcds *etcd_start_with(unsigned int n, const struct etcds *with)
{
	struct etcds *e = malloc(sizeof(*e));

	*e = *with;
	strcpy(e->dir, "/tmp/anyvf-etcd-XXXXXX");
	assert_non_null(mkdtemp(e->dir));
	e->n = n;
	for (unsigned int i = 0; i < ARRAY_LEN(e->ports); i++)
		e->ports[i] = free_port();
	for (unsigned int i = 0; i < n; i++)
		etcd_run(e, i);
	return e;
}

static inline struct etcds *etcd_start(unsigned int n)
{
	struct etcds *e = etcd_start_with(n, &(struct etcds){ .n = n });

	for (unsigned int i = 0; i < n; i++)
		etcd_wait_for(e, i);
	return e;
}

static inline void etcd_stop(struct etcds *e)
{
	char cmd[64];

	for (unsigned int i = 0; i < e->n; i++)
		etcd_kill(e, i);
	snprintf(cmd, sizeof(cmd), "rm -r %s", e->dir);
	assert_int_equal(system(cmd), 0);
	free(e);
}

/* The store's URL, all members, with a prefix of its own. */
static inline void etcd_url(const struct etcds *e, const char *prefix, char *out, size_t size)
{
	int at = snprintf(out, size, "etcd:");

	for (unsigned int i = 0; i < e->n; i++)
		at += snprintf(out + at, size - (size_t)at, "%s%s://127.0.0.1:%d", i ? "," : "",
			       etcd_scheme(e), e->ports[i]);
	snprintf(out + at, size - (size_t)at, "%s", prefix);
}

#endif
