/* SPDX-License-Identifier: Apache-2.0 */
/* Requests as bytes: "METHOD TARGET\nBODY", run by an admin or (odd length) a member, to the commit. */
#include <stdint.h>
#include <stdio.h>

#include "../api_call.h"
#include "daemons/feature_list.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct auth users[] = {
	{ "u1", "anyvf-agent-h1", "default", SCOPE_PROJECT, "p1", "", ROLE_ADMIN | ROLE_AGENT },
	{ "u2", "demo", "default", SCOPE_PROJECT, "p2", "", ROLE_MEMBER },
};
static char dir[] = "/tmp/anyvf-fuzz-XXXXXX", openrc[64];

static void tidy(void)
{
	char cmd[80];

	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	if (system(cmd))
		perror(dir);
}

static struct engine *open_engine(void)
{
	struct engine_opts opts = { .features = features, .state_dir = dir, .openrc = openrc };
	struct engine *eng = NULL;

	snprintf(openrc, sizeof(openrc), "%s/openrc", mkdtemp(dir));
	atexit(tidy);
	opts.loop = loop_new(NULL);
	if (conf_open("/nonexistent", (struct conf **)&opts.conf, NULL) ||
	    store_open("mem:", NULL, &opts.store, NULL) || engine_open(&opts, &eng, NULL))
		abort();
	return eng;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct engine *eng;
	char method[8], target[2000], body[20000];
	int used = 0;

	eng = eng ? eng : open_engine();
	snprintf(body, sizeof(body), "%.*s", (int)size, (const char *)data);
	if (sscanf(body, "%7s %1999s%n", method, target, &used) == 2)
		api_call(eng, &users[size & 1], method, target, body[used] ? body + used : NULL,
			 NULL);
	return 0;
}
