/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `anyvf ip ...`: ip(8) that knows PFs. What is not about one of them the real ip does, unchanged;
 * what is about one is done by us, by the real ip on the PF's netdev, or by both.
 */
#ifndef ANYVF_CLI_IP_H
#define ANYVF_CLI_IP_H

#include <limits.h>
#include <net/if.h>

#include "cli/cli.h"

/* One run, as its options tell it. */
struct ip {
	struct cli cli;	    /* the options that count for what we show, and the daemons */
	char *const *given; /* all words */
	char *const *words; /* from the object on */
	char **options;	    /* for the real ip: all but -batch FILE; ends with NULL */
	unsigned int n_options;
	char real[PATH_MAX]; /* the real ip */
	const char *netns;   /* -netns; NULL: ours */
	const char *batch;   /* -batch; NULL: one line, on the command line */
	bool force;
	bool colour_auto; /* colours if stdout is a terminal */
};

/* A PF that is seen from the namespace at hand. */
struct ip_pf {
	char name[64];
	char netdev[IFNAMSIZ]; /* its host interface, or the uplink that has its name; "": none */
	unsigned int ifindex;  /* of that, 0: none */
	bool nic;	       /* its netdev is itself, with its VFs */
};

struct ip_pfs {
	struct ip_pf *pfs;
	size_t n;
};

/* A line of ours. */
struct ip_line {
	int (*run)(struct ip *ip, const struct ip_line *line); /* answers the exit code */
	struct ip_pfs all;
	const struct ip_pf *pf; /* that it names, NULL: none */
	char *const *words;	/* behind the command */
	int dev;		/* which of them is the device, -1: none */
};

/* ip_real.c: the real one */
enum { IP_NO_PROGRAM = 127 };
bool ip_find(struct ip *ip);
int ip_exec(const struct ip *ip, char *const *words);
int ip_run(const struct ip *ip, char *const *words, int in, int out, int err);
int ip_capture(const struct ip *ip, char *const *words, char **out);
char **ip_words(char *const *first, char *const *then);

/* ip_line.c: whose is a line? */
bool ip_ours(struct ip *ip, char *const *words, struct ip_line *line);
void ip_line_end(struct ip_line *line);
bool ip_any(struct ip *ip);

int ip_set(struct ip *ip, const struct ip_line *line);
int ip_show(struct ip *ip, const struct ip_line *line);
int ip_batch(struct ip *ip);

#endif
