/* SPDX-License-Identifier: Apache-2.0 */
/* The store on etcd: its members, the cloud on it, and what keeps it from working. */
#include "store/etcd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

#define OPS_MAX	   STORE_OPS_MAX
#define OPS_MIN	   (8 * STORE_OPS_MAX) /* that etcd must take: with marks, and what was read */
#define DFL_PREFIX "/anyvf"
#define PAGE	   4000 /* documents of a list at once: for each etcd counts all that follow */

/* Strangers must not be taken for members, so one kind of trust for all. */
static int add_url(struct etcd *db, const char *text, size_t len, struct err *e)
{
	if (strncmp(text, "http://", 7) && strncmp(text, "https://", 8))
		return err_set(e, -EINVAL, "etcd: \"%.*s\" is not http:// or https://", (int)len,
			       text);
	if (db->n_urls == ETCD_URLS_MAX)
		return err_set(e, -EINVAL, "etcd: more than %d members", ETCD_URLS_MAX);
	db->urls[db->n_urls] = strndup(text, len);
	return db->urls[db->n_urls++] ? 0 : -ENOMEM;
}

/* "https://a:2379,https://b:2379/prefix": what follows the last one's host is the prefix. */
static int parse(struct etcd *db, const char *where, struct err *e)
{
	const char *prefix = DFL_PREFIX;
	int rc = 0;

	while (*where && !rc) {
		size_t len = strcspn(where, ",");
		const char *host = memmem(where, len, "//", 2);
		const char *path =
			host ? memchr(host + 2, '/', len - (size_t)(host + 2 - where)) : NULL;

		if (path && where[len])
			return err_set(e, -EINVAL, "etcd: a prefix stands behind the last member");
		rc = add_url(db, where, path ? (size_t)(path - where) : len, e);
		if (path && path[1])
			prefix = path;
		where += len + (where[len] == ',');
	}
	if (!rc && !db->n_urls)
		return err_set(e, -EINVAL, "etcd: no member is named");
	if (!rc && (strlen(prefix) > ETCD_PREFIX_LEN || prefix[strlen(prefix) - 1] == '/'))
		return err_set(e, -EINVAL, "etcd: \"%s\" is no prefix", prefix);
	strcpy(db->prefix, rc ? "" : prefix);
	return rc;
}

/* What TLS would call a connect error, for ever. */
static int check_readable(const struct httpc_trust *trust, struct err *e)
{
	const char *const paths[] = { trust->ca_file, trust->certificate, trust->key };

	for (unsigned int i = 0; i < ARRAY_LEN(paths); i++)
		if (paths[i] && *paths[i] && access(paths[i], R_OK))
			return err_errno(e, "etcd: %s", paths[i]);
	return 0;
}

/* The cloud on this prefix: made by the first who comes. */
static int join(struct etcd *db, struct err *e)
{
	auto_arena struct arena mem = { 0 };
	auto_etcd_answer struct etcd_answer answer;
	auto_of(json_decref) json_t *cloud = NULL;
	const Pb__TxnResponse *txn;
	const Pb__KeyValue *kv = NULL;
	int rc = etcd_call(db, etcd_cloud(db, &mem), &answer, e);

	if (rc)
		return rc;
	txn = answer.txn;
	if (txn->n_responses)
		kv = etcd_first_kv(txn->responses[txn->n_responses - 1]->response_range);
	if (!kv)
		return err_set(e, -EPROTO, "etcd: an answer without what was asked for");
	cloud = json_loadb((const char *)kv->value.data, kv->value.len, 0, NULL);
	if (!cloud)
		return err_set(e, -EBADMSG, "etcd: %s/meta/cloud is not JSON", db->prefix);
	if (json_integer_value(json_object_get(cloud, "schema")) > STORE_SCHEMA)
		return err_set(
			e, -EPROTO, "etcd: %s has version %d, this program knows %d", db->prefix,
			(int)json_integer_value(json_object_get(cloud, "schema")), STORE_SCHEMA);
	snprintf(db->cloud, sizeof(db->cloud), "%s",
		 json_string_value(json_object_get(cloud, "id")) ?: "");
	return 0;
}

/* Many comparisons at once, and last/ID. */
static int enroll(struct etcd *db, struct err *e)
{
	auto_arena struct arena mem = { 0 };
	auto_etcd_answer struct etcd_answer answer;
	struct err why = { 0 };
	int rc = etcd_call(db, etcd_first_last(db, &mem, OPS_MIN), &answer, &why);

	if (rc == -EMSGSIZE)
		return err_set(e, -EPROTO,
			       "etcd takes too few operations at once: start its members with "
			       "--max-txn-ops=4096");
	return rc ? err_set(e, rc, "%s", why.msg) : 0;
}

static void etcd_close(void *arg)
{
	struct etcd *db = arg;

	etcd_commit_close(db);
	etcd_watch_close(db);
	etcd_relist_close(db);
	etcd_sync_close(db);
	etcd_beat_close(db);
	etcd_purge_close(db);
	grpc_close(db->grpc);
	for (unsigned int i = 0; i < db->n_urls; i++)
		free(db->urls[i]);
	free(db);
}
AUTO_DEFINE(struct etcd *, etcd_close)

static int etcd_open(const char *where, const struct store_opts *opts, struct store *st, void **out,
		     uint64_t *revision, struct err *e)
{
	auto_of(etcd_close) struct etcd *db = calloc(1, sizeof(*db));
	int rc = db ? parse(db, where, e) : -ENOMEM;

	rc = rc ?: check_readable(&opts->trust, e);
	if (rc)
		return rc;
	db->st = st;
	db->loop = opts->loop;
	db->trust = opts->trust;
	db->page = PAGE;
	uuid_new(db->replica);
	db->seal = opts->seal;
	rc = grpc_open(opts->loop, &db->trust, &db->grpc);
	rc = rc ?: etcd_sync_open(db);
	rc = rc ?: etcd_beat_open(db);
	rc = rc ?: join(db, e);
	rc = rc ?: enroll(db, e);
	if (rc)
		return rc;
	*revision = 0; /* a list says it */
	*out = take(db);
	return 0;
}

static const char *etcd_trouble(const void *arg, uint64_t *since_ms)
{
	const struct etcd *db = arg;
	const struct etcd_trouble *t = &db->trouble, *watch = &db->watch.trouble;

	*since_ms = 0;
	if (*db->back)
		return db->back;
	if (!*t->why || (*watch->why && watch->since_ms < t->since_ms))
		t = watch;
	*since_ms = t->since_ms;
	return *t->why ? t->why : NULL;
}

static const char *etcd_cloud_id(const void *arg)
{
	return ((const struct etcd *)arg)->cloud;
}

static const char *etcd_self(const void *arg)
{
	return ((const struct etcd *)arg)->self;
}

static int64_t etcd_hears_us(const void *arg)
{
	return ((const struct etcd *)arg)->hears_us;
}

const struct store_backend store_etcd = {
	.scheme = "etcd:",
	.ops_max = OPS_MAX,
	.shared = true,
	.open = etcd_open,
	.close = etcd_close,
	.commit = etcd_commit,
	.wait = etcd_wait,
	.list = etcd_list,
	.follow = etcd_follow,
	.sync = etcd_sync,
	.cloud = etcd_cloud_id,
	.trouble = etcd_trouble,
	.beat = etcd_beat,
	.self = etcd_self,
	.hears_us = etcd_hears_us,
};
