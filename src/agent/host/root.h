/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent needs root for: eight verbs, whose arguments are ids that are judged before
 * anything is done. The agent itself is another process, without privileges, and asks; started as
 * root for good, it does the same by itself.
 */
#ifndef ANYVF_AGENT_HOST_ROOT_H
#define ANYVF_AGENT_HOST_ROOT_H

#include "base/account.h"
#include "base/sandbox.h"
#include "base/cidr.h"
#include "base/uuid.h"

#define ROOT_WORDS_MAX 4096 /* bytes of a tool's words */
#define ROOT_IPS_MAX   16   /* addresses a service port */

/* Programs that write a server's disks, whatever they read, are nobody on this host. */
#define IMAGE_USER "anyvf-image"

enum root_verb {
	ROOT_NETNS_ADD,
	ROOT_NETNS_DEL,
	ROOT_ADDRESS,
	ROOT_ADDRESSED,
	ROOT_DHCP_START,
	ROOT_DHCP_RELOAD,
	ROOT_DHCP_STOP,
	ROOT_IMAGE_TOOL,
	ROOT_N
};

struct root_ip {
	struct ip address;
	uint32_t len; /* of the prefix */
};

/* One request, as it crosses the border. */
struct root_req {
	uint32_t verb;
	uint32_t n_ips;
	struct root_ip ips[ROOT_IPS_MAX]; /* ROOT_ADDRESS, ROOT_ADDRESSED */
	char network[UUID_STR_LEN];	  /* all but ROOT_IMAGE_TOOL */
	/* ROOT_IMAGE_TOOL */
	uint32_t timeout_ms, cpu_s;
	uint64_t memory, file_size; /* bytes */
	uint32_t n_words, n_fds;
	uint32_t print;		    /* as in struct sandbox */
	char words[ROOT_WORDS_MAX]; /* one behind the other, each with its NUL */
};

/* A verb: what stands of it in docs/processes.md, too. */
struct root_row {
	const char *name, *why;
	int (*judge)(const struct root_req *req, struct err *e); /* pure */
	int (*run)(const struct root_req *req, const int *fds, char *out, size_t size,
		   struct err *e);
};
extern const struct root_row root_rows[ROOT_N];

int root_judge(const struct root_req *req, struct err *e);
int root_ask(const struct root_req *req, const int *fds, char *out, size_t size, struct err *e);
int root_net(enum root_verb verb, const char *network, const struct root_ip *ips, unsigned int n,
	     struct err *e);

int root_tool(const char *const argv[], const struct sandbox *sandbox, int timeout_ms,
	      struct err *e);

void root_ready(void);
void root_alive(void *arg);
void root_here(const char *run_dir);
int root_split(const struct account *a, int outside, int (*agent)(void *arg), void *arg);

#endif
