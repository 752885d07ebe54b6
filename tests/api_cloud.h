/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All services over a store in memory, for unit tests: ask() is a request by somebody, $NAME in its
 * target and body stands for the id of what was made under that name.
 */
#ifndef ANYVF_TESTS_API_CLOUD_H
#define ANYVF_TESTS_API_CLOUD_H

#include <stdio.h>
#include <stdlib.h>

#include "api_call.h"
#include "identity/identity.h"
#ifndef CLOUD_FEATURES /* a test may have a list of its own */
#include "daemons/feature_list.h"
#define CLOUD_FEATURES features
#endif

struct cloud {
	char dir[64], openrc[80];
	struct loop *loop;
	struct store *store;
	struct conf *conf;
	struct engine *eng;
	json_t *ids; /* what $name stands for */
};

static inline void cloud_open(struct cloud *f, const char *conf)
{
	struct engine_opts opts = { .features = CLOUD_FEATURES };
	char path[80];
	struct err e = { 0 };
	FILE *out;

	strcpy(f->dir, "/tmp/anyvf-cloud-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->openrc, sizeof(f->openrc), "%s/openrc", f->dir);
	snprintf(path, sizeof(path), "%s/anyvf.conf", f->dir);
	out = fopen(path, "w");
	fputs(conf, out);
	fclose(out);
	f->ids = json_object();
	assert_int_equal(store_open("mem:", NULL, &f->store, NULL), 0);
	if (conf_open(path, &f->conf, &e))
		fail_msg("%s", e.msg);
	f->loop = loop_new(NULL);
	opts.loop = f->loop;
	opts.store = f->store;
	opts.conf = f->conf;
	opts.state_dir = f->dir;
	opts.openrc = f->openrc;
	if (engine_open(&opts, &f->eng, &e))
		fail_msg("%s", e.msg);
}

static inline void cloud_close(struct cloud *f)
{
	char cmd[96];

	engine_close(f->eng);
	store_close(f->store);
	loop_free(f->loop);
	conf_free(f->conf);
	json_decref(f->ids);
	snprintf(cmd, sizeof(cmd), "rm -r %s", f->dir);
	assert_int_equal(system(cmd), 0);
}

/* text with each $name replaced by its id */
static inline char *expand(struct cloud *f, const char *text)
{
	char *out = NULL, name[32];
	size_t size;
	FILE *to = open_memstream(&out, &size);

	while (*text) {
		size_t len =
			*text == '$' ? strspn(text + 1, "abcdefghijklmnopqrstuvwxyz0123456789") : 0;
		const char *id;

		if (!len) {
			fputc(*text++, to);
			continue;
		}
		snprintf(name, sizeof(name), "%.*s", (int)len, text + 1);
		id = json_string_value(json_object_get(f->ids, name));
		if (!id)
			fail_msg("nothing is called $%s", name);
		fputs(id, to);
		text += len + 1;
	}
	fclose(to);
	return out;
}

static inline unsigned int ask(struct cloud *f, const struct auth *who, const char *method,
			       const char *target, const char *body, json_t **reply)
{
	auto_free char *path = expand(f, target), *text = body ? expand(f, body) : NULL;

	return api_call(f->eng, who, method, path, text, reply);
}

static const struct auth cloud_admin = { "u0", "admin", "default", SCOPE_PROJECT,
					 "p0", "",	ROLE_ADMIN };

/* Makes something as the cloud's admin; it is called $name from now on. */
static inline void make(struct cloud *f, const char *name, const char *path, const char *body)
{
	auto_of(json_decref) json_t *reply = NULL;
	json_t *doc;

	assert_int_equal(ask(f, &cloud_admin, "POST", path, body, &reply), 201);
	doc = json_object_iter_value(json_object_iter(reply));
	json_object_set(f->ids, name, json_object_get(doc, "id"));
}

static inline void grant(struct cloud *f, const char *where, const char *user, const char *role)
{
	char path[200];

	snprintf(path, sizeof(path), "/identity/v3/%s/users/%s/roles/%s", where, user, role);
	assert_int_equal(ask(f, &cloud_admin, "PUT", path, NULL, NULL), 204);
}

/* What the first start made. */
static inline void learn(struct cloud *f, const struct resource *r, const char *name,
			 const char *as)
{
	struct call *c = run_new(f->eng, NULL);

	json_object_set(f->ids, as, json_object_get(identity_by_name(c, r, name, NULL), "id"));
	call_free(c);
}

#endif
