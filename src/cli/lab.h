/* SPDX-License-Identifier: Apache-2.0 */
/* `anyvf lab`: a set-up that lives as long as one command. */
#ifndef ANYVF_CLI_LAB_H
#define ANYVF_CLI_LAB_H

#include <limits.h>

#include "cli/cli.h"

#define LAB_FAILED    125 /* exit code: no command was run */
#define LAB_DIR_LEN   73  /* with its NUL: sockets lie below it */
#define LAB_CORES_LEN 63

/* What a file asks for. */
struct lab_file {
	json_t *host; /* the switch's part in the form of ctl/host.h; owned */
	bool switch_, api;
	bool net; /* taps and the like: it needs a network of its own */
	uint16_t hosts;
	char cores[LAB_CORES_LEN + 1]; /* "": as the switch has it by itself */
};

/* How a lab is kept apart. */
enum lab_way {
	LAB_ROOT,  /* namespaces of root's */
	LAB_USER,  /* of somebody who may have them: he is root there, if the file needs that */
	LAB_PLAIN, /* none: nobody here may have them */
};

/* Where it lives, and what does so. */
struct lab_place {
	const char *dir; /* absolute, there */
	bool keep;	 /* it is its user's, and stays */
	bool net;
	int (*run)(void *arg, enum lab_way way); /* answers the exit code */
	void *arg;
};

/* lab_file.c */
int lab_file_read(const char *path, struct lab_file *out, struct err *e);
void lab_file_fini(struct lab_file *f);
int lab_file_netns(const struct lab_file *f, int (*make)(const char *name, struct err *e),
		   struct err *e);

/* lab_process.c */
int lab_inside(const struct lab_place *place, int *code, struct err *e);
int lab_command(char *const argv[]);

#endif
