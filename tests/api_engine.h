/* SPDX-License-Identifier: Apache-2.0 */
/* An engine of some features over a store in memory, with the configuration's defaults. */
#ifndef ANYVF_TESTS_API_ENGINE_H
#define ANYVF_TESTS_API_ENGINE_H

#include <stdio.h>
#include <stdlib.h>

#include "api_call.h"

struct api_engine {
	char dir[64];
	struct loop *loop;
	struct store *store;
	struct conf *conf;
	struct engine *eng;
};

static inline void api_engine_open(struct api_engine *f, const struct feature *const *features)
{
	struct engine_opts opts = { .features = features, .state_dir = f->dir };

	strcpy(f->dir, "/tmp/anyvf-unit-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->loop = loop_new(NULL);
	assert_int_equal(conf_open("/nonexistent", &f->conf, NULL), 0);
	assert_int_equal(store_open("mem:", &f->store, NULL), 0);
	opts.loop = f->loop;
	opts.store = f->store;
	opts.conf = f->conf;
	assert_int_equal(engine_open(&opts, &f->eng, NULL), 0);
}

static inline int api_engine_close(struct api_engine *f)
{
	char cmd[96];

	engine_close(f->eng);
	store_close(f->store);
	conf_free(f->conf);
	loop_free(f->loop);
	snprintf(cmd, sizeof(cmd), "rm -r %s", f->dir);
	return system(cmd);
}

#endif
