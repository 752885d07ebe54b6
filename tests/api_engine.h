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
	struct conf *conf; /* defaults; NULL with bare */
	struct engine *eng;
	const char *listen; /* NULL: no HTTP */
	bool bare; /* for resources of the test's own, which the configuration does not know */
};

/* An engine over the store that is open; of one before it, what it took is committed. */
static inline void api_engine_over(struct api_engine *f, const struct feature *const *features)
{
	struct engine_opts opts = { .features = features,
				    .state_dir = f->dir,
				    .loop = f->loop,
				    .store = f->store,
				    .listen = f->listen,
				    .conf = f->conf };

	if (f->eng)
		run_batch(f->eng);
	engine_close(take(f->eng));
	assert_int_equal(engine_open(&opts, &f->eng, NULL), 0);
}

/* @f: zeroed, but for bare, and for the store if that is to be another than one in memory */
static inline void api_engine_open(struct api_engine *f, const struct feature *const *features)
{
	strcpy(f->dir, "/tmp/anyvf-unit-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->loop = loop_new(NULL);
	if (!f->bare)
		assert_int_equal(conf_open("/nonexistent", &f->conf, NULL), 0);
	if (!f->store)
		assert_int_equal(store_open("mem:", NULL, &f->store, NULL), 0);
	api_engine_over(f, features);
}

static inline int api_engine_close(struct api_engine *f)
{
	char cmd[96];

	engine_close(take(f->eng));
	store_close(take(f->store));
	conf_free(f->conf);
	loop_free(f->loop);
	snprintf(cmd, sizeof(cmd), "rm -r %s", f->dir);
	return system(cmd);
}

/* For cmocka: an engine for one test, of resources that the configuration does not know. */
static inline int api_engine_bare(void **state, const struct feature *const *features)
{
	struct api_engine *f = calloc(1, sizeof(*f));

	f->bare = true;
	api_engine_open(f, features);
	*state = f;
	return 0;
}

/* For cmocka: *state is a struct api_engine of the heap. */
static inline int api_engine_end(void **state)
{
	assert_int_equal(api_engine_close(*state), 0);
	free(*state);
	return 0;
}

#endif
