/* SPDX-License-Identifier: Apache-2.0 */
/* Options of a daemon. */
#ifndef ANYVF_DAEMONS_OPTS_H
#define ANYVF_DAEMONS_OPTS_H

#include <stdbool.h>

#define OPTS_MAX 16

/* One: a text follows it, or it is a flag. */
struct opt {
	const char *name;
	const char **text; /* gets that, which is argv's; NULL: a flag */
	bool *flag;
};

int opts_read(int argc, char **argv, const struct opt *opts, const char *program,
	      const char *usage);

#endif
