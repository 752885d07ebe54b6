/* SPDX-License-Identifier: Apache-2.0 */
#include "daemons/opts.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"

/**
 * opts_read() - Read a daemon's options
 * @argc:    of main()
 * @argv:    of main()
 * @opts:    up to OPTS_MAX - 3, the last has no name
 * @program: its name
 * @usage:   text of --help; --version is there as well, and both end the process
 *
 * Return: 0, or 2: the exit code, as what is wrong was said.
 */
int opts_read(int argc, char **argv, const struct opt *opts, const char *program, const char *usage)
{
	enum { HELP = OPTS_MAX, VERSION };
	struct option words[OPTS_MAX] = { { "help", no_argument, NULL, HELP },
					  { "version", no_argument, NULL, VERSION } };
	int c;

	for (int i = 0; opts[i].name && i < OPTS_MAX - 3; i++)
		words[i + 2] =
			(struct option){ opts[i].name,
					 opts[i].text ? required_argument : no_argument, NULL, i };
	while ((c = getopt_long(argc, argv, "", words, NULL)) >= 0) {
		if (c == HELP || c == VERSION) {
			if (c == HELP)
				fputs(usage, stdout);
			else
				printf("%s " ANYVF_VERSION "\n", program);
			exit(0);
		}
		if (c == '?') {
			fputs(usage, stderr);
			return 2;
		}
		if (opts[c].text)
			*opts[c].text = optarg;
		else
			*opts[c].flag = true;
	}
	if (optind == argc)
		return 0;
	fprintf(stderr, "%s: \"%s\" is not an option\n%s", program, argv[optind], usage);
	return 2;
}
