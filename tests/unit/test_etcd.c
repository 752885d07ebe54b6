/* SPDX-License-Identifier: Apache-2.0 */
/* The store on a real etcd when things go wrong: connections, space, keys, certificates, versions. */
#include "unit.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "store/etcd.h"
#include "unit/proxy.h"

static struct {
	struct etcds *plain, *small, *few,
		*tls; /* that all tests share, by prefixes of their own */
	char pki[32]; /* directory */
	char ca[48], certificate[48], key[48], other_ca[48];
} all;

struct fix {
	struct store_opts opts;
	struct proxy *proxy;
	struct store *st; /* through the proxy */
	char prefix[16], url[64];
	char heard[256];
};

static int ignore_row(void *arg, const char *key, uint64_t version, struct record *doc)
{
	return 0;
}

static void join_event(void *arg, const struct store_event *ev)
{
	char *to = arg;

	if (ev && strlen(to) < 200)
		sprintf(to + strlen(to), "%c%s ", ev->doc ? '+' : '-', ev->key);
}

static void open_by(struct fix *f)
{
	assert_int_equal(store_open(f->url, &f->opts, &f->st, NULL), 0);
	assert_int_equal(store_list(f->st, "", ignore_row, NULL, NULL), 0);
	assert_int_equal(
		store_follow(f->st, &(struct store_follower){ join_event, NULL, f->heard }), 0);
}

static int setup(void **state)
{
	static unsigned int n;
	struct fix *f = calloc(1, sizeof(*f));

	f->opts.loop = loop_new(NULL);
	f->proxy = proxy_start(all.plain->ports[0]);
	snprintf(f->prefix, sizeof(f->prefix), "/f%u", n++);
	snprintf(f->url, sizeof(f->url), "etcd:http://127.0.0.1:%d%s", f->proxy->port, f->prefix);
	open_by(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	store_close(f->st);
	loop_free(f->opts.loop);
	proxy_stop(f->proxy);
	free(f);
	return 0;
}

static void turn(const struct fix *f, unsigned int ms)
{
	uint64_t until = loop_now_ms() + ms;

	while (loop_now_ms() < until)
		loop_turn(f->opts.loop, 10);
}

static void note_end(void *arg, const struct store_end *end)
{
	*(int *)arg = end->rc;
}

/* Ends when it does; the watch says nothing until all orders about transactions are carried out. */
static int commit_held(struct fix *f, const char *key, int64_t want)
{
	struct store_txn txn = { NULL };
	auto_of(record_unref) struct record *doc = record_of_text("{}", 2);
	int rc = 1;

	f->proxy->hold = true;
	if (want >= 0)
		store_txn_check(&txn, key, (uint64_t)want);
	store_txn_put(&txn, key, doc);
	store_commit(f->st, &txn, note_end, &rc);
	while (f->proxy->cut || f->proxy->drop || f->proxy->late)
		loop_turn(f->opts.loop, 10);
	f->proxy->hold = false;
	store_wait(f->st);
	store_txn_clear(&txn);
	return rc;
}

/* want: the version it must have; < 0: any. */
static int put(struct store *st, const char *key, json_t *doc, int64_t want)
{
	struct store_txn txn = { NULL };
	auto_of(record_unref) struct record *rec = record_of(doc);
	int rc = 1;

	if (want >= 0)
		store_txn_check(&txn, key, (uint64_t)want);
	assert_int_equal(store_txn_put(&txn, key, rec), 0);
	json_decref(doc);
	store_commit(st, &txn, note_end, &rc);
	store_wait(st);
	store_txn_clear(&txn);
	assert_true(rc <= 0);
	return rc;
}

static void note_sync(void *arg, int rc)
{
	*(int *)arg = rc;
}

static int sync_of(const struct fix *f)
{
	int rc = 1;

	store_sync(f->st, note_sync, &rc);
	while (rc > 0)
		loop_turn(f->opts.loop, 100);
	return rc;
}

static void in_base64(char *out, size_t size, const char *text)
{
	sodium_bin2base64(out, size, (const unsigned char *)text, strlen(text),
			  sodium_base64_VARIANT_ORIGINAL);
}

/* A request to etcd itself, about one key; value: "" or the name and text of another member. */
static json_t *ask_key(const struct etcds *e, const char *path, const char *key, const char *member,
		       const char *value)
{
	char key64[512], value64[512], body[1200];
	auto_free char *text = NULL;
	json_t *answer;

	in_base64(key64, sizeof(key64), key);
	in_base64(value64, sizeof(value64), value);
	snprintf(body, sizeof(body),
		 *member ? "{\"key\":\"%s\",\"%s\":\"%s\"}" : "{\"key\":\"%s\"}", key64, member,
		 value64);
	text = etcd_ask(e, 0, path, body);
	assert_non_null(text);
	answer = json_loads(text, 0, NULL);
	assert_non_null(answer);
	return answer;
}

/* A number in an answer of the gateway's, which are texts, and left out if 0. */
static uint64_t number(const json_t *object, const char *name)
{
	return strtoull(json_string_value(json_object_get(object, name)) ?: "", NULL, 10);
}

/* How often a document was written since it is there, as etcd says. */
static unsigned int writes_of(const struct fix *f, const char *name)
{
	auto_of(json_decref) json_t *answer = NULL;
	char key[64];

	snprintf(key, sizeof(key), "%s/doc%s", f->prefix, name);
	answer = ask_key(all.plain, "/v3/kv/range", key, "", "");
	return (unsigned int)number(json_array_get(json_object_get(answer, "kvs"), 0), "version");
}

/* What others write: a key of the cloud. */
static void put_raw(const struct fix *f, const char *name, const char *value)
{
	char key[340];

	snprintf(key, sizeof(key), "%s%s", f->prefix, name);
	json_decref(ask_key(all.plain, "/v3/kv/put", key, "value", value));
}

/* Deletes what replicas say of their transactions. */
static void purge(const struct fix *f)
{
	char from[64], to[64];

	snprintf(from, sizeof(from), "%s/meta/last/", f->prefix);
	snprintf(to, sizeof(to), "%s/meta/last0", f->prefix);
	json_decref(ask_key(all.plain, "/v3/kv/deleterange", from, "range_end", to));
}

static void etcd_a_cut_off_commit_takes_effect_once(void **state)
{
	struct fix *f = *state;

	f->proxy->cut = 1;
	assert_int_equal(commit_held(f, "/any", -1), 0);
	f->proxy->cut = 3;
	assert_int_equal(commit_held(f, "/three", -1), 0);
	f->proxy->cut = 2;
	assert_int_equal(commit_held(f, "/new", 0), 0);
	f->proxy->cut = 2;
	assert_int_equal(commit_held(f, "/new", 0), -EAGAIN);
	f->proxy->drop = 2;
	assert_int_equal(commit_held(f, "/dropped", -1), 0);
	assert_int_equal(writes_of(f, "/any"), 1);
	assert_int_equal(writes_of(f, "/three"), 1);
	assert_int_equal(writes_of(f, "/new"), 1);
	assert_int_equal(writes_of(f, "/dropped"), 1);
	assert_string_equal(f->heard, "+/any +/three +/new +/dropped ");
}

static void etcd_a_late_request_does_nothing(void **state)
{
	struct fix *f = *state;

	f->proxy->late = 1;
	assert_int_equal(put(f->st, "/a", json_object(), -1), 0);
	f->proxy->release = true;
	turn(f, 50);
	assert_int_equal(put(f->st, "/b", json_object(), -1), 0);
	f->proxy->late = 1;
	assert_int_equal(put(f->st, "/c", json_object(), -1), 0);
	assert_int_equal(put(f->st, "/d", json_object(), -1), 0);
	f->proxy->release = true;
	turn(f, 50);
	assert_int_equal(sync_of(f), 0);
	assert_int_equal(writes_of(f, "/a"), 1);
	assert_int_equal(writes_of(f, "/c"), 1);
	assert_string_equal(f->heard, "+/a +/b +/c +/d ");
}

static void etcd_a_lost_marker_is_made_again(void **state)
{
	struct fix *f = *state;
	struct store_txn txn = { NULL };
	auto_of(record_unref) struct record *doc = record_of_text("{}", 2);
	unsigned int txns;
	int rc = 1;

	assert_int_equal(put(f->st, "/a", json_object(), 0), 0);
	purge(f);
	assert_int_equal(put(f->st, "/b", json_object(), 0), 0);
	/* done, but not heard of when the marker is found lost */
	f->proxy->hold = true;
	f->proxy->cut = 1;
	txns = f->proxy->txns;
	store_txn_put(&txn, "/c", doc);
	store_commit(f->st, &txn, note_end, &rc);
	while (f->proxy->cut)
		loop_turn(f->opts.loop, 1);
	purge(f);
	while (f->proxy->txns < txns + 3) /* again, and the marker */
		loop_turn(f->opts.loop, 10);
	turn(f, 50);
	f->proxy->hold = false;
	store_wait(f->st);
	store_txn_clear(&txn);
	assert_int_equal(rc, 0);
	turn(f, 100);
	assert_int_equal(writes_of(f, "/c"), 1);
	assert_int_equal(put(f->st, "/d", json_object(), 0), 0);
	assert_null(strstr(strstr(f->heard, "+/c") + 1, "+/c"));
}

static void etcd_a_silent_watch_is_replaced(void **state)
{
	struct fix *f = *state;
	uint64_t since;

	assert_int_equal(put(f->st, "/first", json_object(), 0), 0);
	f->proxy->mute = true;
	while (f->proxy->mute)
		turn(f, 1);
	put_raw(f, "/doc/a", "{}");
	put_raw(f, "/meta/rev", "x");
	assert_int_equal(sync_of(f), 0);
	assert_string_equal(f->heard, "+/first +/a ");
	assert_null(store_trouble(f->st, &since));
}

/* The answer is of a moment after the question; what is heard before it comes may be newer. */
static void etcd_does_not_go_back_by_an_answer_on_its_way(void **state)
{
	struct fix *f = *state;
	uint64_t since;
	int rc = 1;

	assert_int_equal(put(f->st, "/first", json_object(), 0), 0);
	f->proxy->hold_reads = true;
	store_sync(f->st, note_sync, &rc);
	turn(f, 100);
	put_raw(f, "/doc/a", "{}");
	while (!strstr(f->heard, "+/a"))
		turn(f, 1);
	f->proxy->hold_reads = false;
	while (rc > 0)
		turn(f, 1);
	assert_null(store_trouble(f->st, &since));
}

static void etcd_syncs_with_an_empty_cloud(void **state)
{
	assert_int_equal(sync_of(*state), 0);
}

/* What a replica has, in order. */
static const char *next_of_two(void *arg, const char *after, uint64_t *version)
{
	static const char *const keys[] = { "/gone", "/same" };

	for (unsigned int i = 0; i < 2; i++)
		if (strcmp(keys[i], after) > 0) {
			*version = ((const uint64_t *)arg)[i];
			return keys[i];
		}
	return NULL;
}

static uint64_t copy_versions[2]; /* of "/gone", "/same" */
static char copy_heard[256];

static const char *next_of_copy(void *arg, const char *after, uint64_t *version)
{
	return next_of_two(copy_versions, after, version);
}

/* A list that takes longer than the watch may lag behind is read once, and told once. */
static void etcd_relists_once(void **state)
{
	struct fix *f = *state;
	struct store_txn txn = { NULL };
	struct store *st = NULL;
	char key[300];
	int rc = 1;

	*copy_heard = '\0';
	put(f->st, "/gone", json_object(), -1);
	copy_versions[0] = store_revision(f->st);
	put(f->st, "/same", json_object(), -1);
	copy_versions[1] = store_revision(f->st);
	assert_int_equal(store_open(f->url, &f->opts, &st, NULL), 0);
	assert_int_equal(store_list(st, "", ignore_row, NULL, NULL), 0);
	store_txn_delete(&txn, "/gone");
	store_commit(f->st, &txn, note_end, &rc);
	store_wait(f->st);
	store_txn_clear(&txn);
	snprintf(key, sizeof(key), "/doc/%0270d", 1);
	put_raw(f, key, "{}"); /* a stranger's: ours are shorter */
	put(f->st, "/new", json_object(), -1);
	etcd_compact(all.plain, store_revision(f->st));
	f->proxy->hold = true;
	f->proxy->slow_ms = 3300;
	store_follow(st, &(struct store_follower){ join_event, next_of_copy, copy_heard });
	rc = 1;
	store_sync(st, note_sync, &rc);
	turn(f, 200);
	f->proxy->hold = false;
	while (rc > 0)
		loop_turn(f->opts.loop, 100);
	f->proxy->slow_ms = 0;
	assert_int_equal(rc, 0);
	turn(f, 400);
	assert_string_equal(copy_heard, "-/gone +/new ");
	store_close(st);
}

/* A watch that begins at the revision of a compaction lacks what was deleted there (etcd 3.4). */
static void etcd_what_is_deleted_and_compacted_is_heard_of(void **state)
{
	struct fix *f = *state;
	auto_of(json_decref) json_t *answer = NULL;
	struct store *st = NULL;
	char key[64];
	int rc = 1;

	*copy_heard = '\0';
	put(f->st, "/gone", json_object(), -1);
	copy_versions[0] = store_revision(f->st);
	put(f->st, "/same", json_object(), -1);
	copy_versions[1] = store_revision(f->st);
	assert_int_equal(store_open(f->url, &f->opts, &st, NULL), 0);
	assert_int_equal(store_list(st, "", ignore_row, NULL, NULL), 0);
	snprintf(key, sizeof(key), "%s/doc/gone", f->prefix);
	answer = ask_key(all.plain, "/v3/kv/deleterange", key, "", "");
	etcd_compact(all.plain, number(json_object_get(answer, "header"), "revision"));
	put_raw(f, "/meta/rev", "x");
	store_follow(st, &(struct store_follower){ join_event, next_of_copy, copy_heard });
	store_sync(st, note_sync, &rc);
	while (rc > 0)
		loop_turn(f->opts.loop, 100);
	assert_string_equal(copy_heard, "-/gone ");
	store_close(st);
}

static void etcd_clouds_do_not_see_each_other(void **state)
{
	struct fix *f = *state;
	struct store *st = NULL;
	char url[96], heard[64] = "";

	snprintf(url, sizeof(url), "%s2", f->url);
	assert_int_equal(store_open(url, &f->opts, &st, NULL), 0);
	assert_int_equal(store_list(st, "", ignore_row, NULL, NULL), 0);
	store_follow(st, &(struct store_follower){ join_event, NULL, heard });
	assert_int_equal(put(st, "/b", json_object(), 0), 0);
	assert_int_equal(put(f->st, "/a", json_object(), 0), 0);
	assert_int_equal(sync_of(f), 0);
	assert_string_equal(f->heard, "+/a ");
	assert_string_equal(heard, "+/b ");
	store_close(st);
}

static void etcd_says_what_is_too_large(void **state)
{
	struct fix *f = *state;
	auto_free char *text = malloc(3000001);

	memset(text, 'x', 3000000);
	text[3000000] = '\0';
	assert_int_equal(put(f->st, "/large", json_pack("{s:s}", "t", text), 0), -EMSGSIZE);
	f->proxy->drop = 1;
	text[1800000] = '\0'; /* etcd's own limit, not that of its messages */
	assert_int_equal(put(f->st, "/large", json_pack("{s:s}", "t", text), 0), -EMSGSIZE);
	assert_int_equal(put(f->st, "/small", json_object(), 0), 0);
	assert_string_equal(f->heard, "+/small ");
}

#define KEY_B "b AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"

/* One who cannot read what others write tells nothing of what comes after, and says why. */
static void etcd_an_unknown_key_is_trouble(void **state)
{
	struct fix *f = *state;
	struct store_opts opts = f->opts;
	struct store *st = NULL;
	auto_of(seal_free) struct seal *seal = NULL;
	char path[64], key[64], heard[64] = "";
	uint64_t since;
	int synced = 1;
	FILE *file;

	snprintf(path, sizeof(path), "%s/keys", all.pki);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(KEY_B, file);
	fclose(file);
	assert_int_equal(seal_load(path, &seal, NULL), 0);
	opts.seal = seal;
	assert_int_equal(store_open(f->url, &opts, &st, NULL), 0);
	assert_int_equal(store_list(st, "", ignore_row, NULL, NULL), 0);
	store_follow(st, &(struct store_follower){ join_event, NULL, heard });
	assert_int_equal(put(st, "/sealed", json_object(), 0), 0);
	turn(f, 300);
	assert_null(strstr(f->heard, "/"));
	assert_true(store_revision(f->st) < store_revision(st));
	assert_non_null(store_trouble(f->st, &since));
	assert_non_null(strstr(store_trouble(f->st, &since),
			       "/sealed: sealed with the key \"b\", which is not here"));
	store_sync(f->st, note_sync, &synced); /* what works does not hide it */
	turn(f, 200);
	assert_int_equal(synced, 1);
	assert_non_null(store_trouble(f->st, &since));
	snprintf(key, sizeof(key), "%s/doc/sealed", f->prefix);
	json_decref(ask_key(all.plain, "/v3/kv/deleterange", key, "", ""));
	while (synced)
		loop_turn(f->opts.loop, 100);
	assert_null(store_trouble(f->st, &since));
	assert_int_equal(put(f->st, "/plain", json_object(), 0), 0);
	store_close(st);
}

static void etcd_refuses_a_newer_schema(void **state)
{
	struct fix *f = *state;
	struct store *st = NULL;
	struct err e = { 0 };

	put_raw(f, "/meta/cloud", "{\"schema\":7}");
	assert_int_equal(store_open(f->url, &f->opts, &st, &e), -EPROTO);
	assert_non_null(strstr(e.msg, "version 7"));
	put_raw(f, "/meta/cloud", "seven");
	assert_int_equal(store_open(f->url, &f->opts, &st, &e), -EBADMSG);
}

static void etcd_says_what_option_it_needs(void **state)
{
	struct fix *f = *state;
	struct store *st = NULL;
	struct err e = { 0 };
	char url[96];

	etcd_wait_for(all.few, 0);
	etcd_url(all.few, "/x", url, sizeof(url));
	assert_int_equal(store_open(url, &f->opts, &st, &e), -EPROTO);
	assert_non_null(strstr(e.msg, "--max-txn-ops"));
	assert_int_equal(store_open(url, &f->opts, &st, NULL), -EPROTO);
}

/* Fill it to the brim, make room, go on. */
static void etcd_without_space_says_so_and_goes_on(void **state)
{
	struct fix *f = *state;
	auto_of(json_decref) json_t *alarms = NULL;
	auto_free char *text = malloc(200001), *answer = NULL;
	char body[128];
	uint64_t since, until;
	int rc = 0;

	etcd_wait_for(all.small, 0);
	store_close(take(f->st));
	etcd_url(all.small, "/x", f->url, sizeof(f->url));
	open_by(f);
	memset(text, 'x', 200000);
	text[200000] = '\0';
	for (int i = 0; i < 20 && !rc; i++)
		rc = put(f->st, "/big", json_pack("{s:s}", "t", text), -1);
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(put(f->st, "/more", json_object(), -1), -ENOSPC);
	assert_int_equal(sync_of(f), 0);
	assert_null(strstr(f->heard, "/more"));
	etcd_compact(all.small, store_revision(f->st));
	free(etcd_ask(all.small, 0, "/v3/maintenance/defragment", "{}"));
	answer = etcd_ask(all.small, 0, "/v3/maintenance/alarm", "{\"action\":\"GET\"}");
	alarms = json_loads(answer, 0, NULL);
	snprintf(body, sizeof(body),
		 "{\"action\":\"DEACTIVATE\",\"alarm\":\"NOSPACE\",\"memberID\":\"%llu\"}",
		 (unsigned long long)number(json_array_get(json_object_get(alarms, "alarms"), 0),
					    "memberID"));
	free(etcd_ask(all.small, 0, "/v3/maintenance/alarm", body));
	assert_int_equal(put(f->st, "/after", json_object(), 0), 0);
	until = loop_now_ms() + 10000; /* a beat that met the defragmentation may end only now */
	while (store_trouble(f->st, &since) && loop_now_ms() < until)
		turn(f, 50);
	assert_null(store_trouble(f->st, &since));
}

/* And the address that its certificate is for, by no other name. */
static void etcd_over_tls_believes_one_authority(void **state)
{
	char by_name[64];
	struct fix *f = *state;
	struct store *st = NULL;
	struct err e = { 0 };

	etcd_wait_for(all.tls, 0);
	store_close(take(f->st));
	etcd_url(all.tls, "/x", f->url, sizeof(f->url));
	f->opts.trust = all.tls->trust;
	open_by(f);
	assert_int_equal(put(f->st, "/a", json_object(), 0), 0);
	assert_int_equal(sync_of(f), 0);
	snprintf(by_name, sizeof(by_name), "etcd:https://localhost:%d/x", all.tls->ports[0]);
	assert_int_equal(store_open(by_name, &f->opts, &st, &e), -EKEYREJECTED);
	assert_non_null(strstr(e.msg, "certificate"));
	e = (struct err){ 0 };
	f->opts.trust.ca_file = all.other_ca;
	assert_int_equal(store_open(f->url, &f->opts, &st, &e), -EKEYREJECTED);
	assert_non_null(strstr(e.msg, "certificate"));
	f->opts.trust = all.tls->trust;
	f->opts.trust.key = "/nonexistent.key";
	e = (struct err){ 0 };
	assert_int_equal(store_open(f->url, &f->opts, &st, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "/nonexistent.key"));
}

/* Who is no member, and has a certificate of the authority for this address: a client's. */
static void etcd_a_clients_certificate_is_no_members(void **state)
{
	struct fix *f = *state;
	char args[3][64], url[64];
	struct store *st = NULL;
	struct err e = { 0 };
	int port = free_port(), status;
	pid_t pid = fork();

	snprintf(args[0], sizeof(args[0]), "127.0.0.1:%d", port);
	snprintf(args[1], sizeof(args[1]), "%s/client.pem", all.pki);
	snprintf(args[2], sizeof(args[2]), "%s/host.key", all.pki);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execlp("openssl", "openssl", "s_server", "-accept", args[0], "-cert", args[1],
		       "-key", args[2], "-alpn", "h2", "-quiet", NULL);
		_exit(127);
	}
	f->opts.trust = all.tls->trust;
	snprintf(url, sizeof(url), "etcd:https://127.0.0.1:%d/x", port);
	assert_int_equal(store_open(url, &f->opts, &st, &e), -EKEYREJECTED);
	assert_non_null(strstr(e.msg, "certificate"));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

static void make_pki(void)
{
	char cmd[4096];

	strcpy(all.pki, "/tmp/anyvf-pki-XXXXXX");
	assert_non_null(mkdtemp(all.pki));
	snprintf(cmd, sizeof(cmd),
		 "cd %s && exec 2>openssl.log && new='-newkey ec -pkeyopt "
		 "ec_paramgen_curve:P-256 -nodes -batch' && "
		 "for ca in ca other; do openssl req -x509 $new -keyout $ca.key -out $ca.pem "
		 "-days 2 -subj /CN=$ca; done && echo 'subjectAltName = IP:127.0.0.1' >ext && "
		 "openssl req $new -keyout host.key -out host.csr -subj /CN=host && "
		 "openssl x509 -req -in host.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
		 "-extfile ext -out host.pem && echo 'extendedKeyUsage = clientAuth' >>ext && "
		 "openssl x509 -req -in host.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
		 "-extfile ext -out client.pem",
		 all.pki);
	assert_int_equal(system(cmd), 0);
	snprintf(all.ca, sizeof(all.ca), "%s/ca.pem", all.pki);
	snprintf(all.other_ca, sizeof(all.other_ca), "%s/other.pem", all.pki);
	snprintf(all.certificate, sizeof(all.certificate), "%s/host.pem", all.pki);
	snprintf(all.key, sizeof(all.key), "%s/host.key", all.pki);
}

static int start_all(void **state)
{
	struct etcds small = { .more = { "--quota-backend-bytes", "1000000" } };
	struct etcds few = { .more = { "--max-txn-ops", "128" } };
	struct etcds tls = { .trust = { all.ca, all.certificate, all.key },
			     .more = { "--cert-file", all.certificate, "--key-file", all.key,
				       "--trusted-ca-file", all.ca, "--client-cert-auth" } };

	make_pki();
	all.small = etcd_start_with(1, &small);
	all.few = etcd_start_with(1, &few);
	all.tls = etcd_start_with(1, &tls);
	all.plain = etcd_start(1);
	return 0;
}

static int stop_all(void **state)
{
	char cmd[64];

	etcd_stop(all.small);
	etcd_stop(all.few);
	etcd_stop(all.tls);
	etcd_stop(all.plain);
	snprintf(cmd, sizeof(cmd), "rm -r %s", all.pki);
	return system(cmd);
}

#define ETCD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* What is opened here is known from inside. */
static struct etcd *inside;

static int spy_open(const char *where, const struct store_opts *opts, struct store *st, void **db,
		    uint64_t *revision, struct err *e)
{
	int rc = store_etcd.open(where, opts, st, db, revision, e);

	inside = rc ? NULL : *db;
	return rc;
}

static unsigned int names_of(const struct fix *f, const char *kind)
{
	auto_of(json_decref) json_t *answer = NULL;
	char from[64], to[64];

	snprintf(from, sizeof(from), "%s/meta/%s/", f->prefix, kind);
	snprintf(to, sizeof(to), "%s/meta/%s0", f->prefix, kind);
	answer = ask_key(all.plain, "/v3/kv/range", from, "range_end", to);
	return (unsigned int)json_array_size(json_object_get(answer, "kvs"));
}

/* A store of its own beside the fixture's, whose inside is seen: not closed by the fixture. */
static struct store *open_inside(struct fix *f)
{
	static struct store_backend spy;
	struct store *st = NULL;

	spy = store_etcd;
	spy.open = spy_open;
	assert_int_equal(store_open_by(&spy, f->url + strlen("etcd:"), &f->opts, &st, NULL), 0);
	return st;
}

static void etcd_who_is_gone_is_forgotten(void **state)
{
	struct fix *f = *state;
	struct store *st = open_inside(f);
	int64_t now_us = (int64_t)loop_now_ms() * 1000;

	assert_int_equal(store_list(st, "", ignore_row, NULL, NULL), 0);
	assert_int_equal(store_follow(st, &(struct store_follower){ NULL }), 0);
	while (names_of(f, "beat") < 2)
		turn(f, 50);
	assert_int_equal(names_of(f, "last"), 2);
	etcd_purge(inside, now_us + 1800000000ll); /* nobody was silent for so long */
	turn(f, 300);
	assert_int_equal(names_of(f, "last"), 2);
	etcd_purge(inside, now_us + 7200000000ll);
	while (names_of(f, "last") > 1)
		turn(f, 50);
	/* It was there after all: it names itself anew, and its changes are made. */
	assert_int_equal(put(f->st, "/after", json_object(), 0), 0);
	assert_int_equal(names_of(f, "last"), 2);
	store_close(st);
}

#define DOCS 40

static int next_row(void *arg, const char *key, uint64_t version, struct record *doc)
{
	char want[16];

	snprintf(want, sizeof(want), "/p/%04u", (*(unsigned int *)arg)++);
	assert_string_equal(key, want);
	return 0;
}

static void next_event(void *arg, const struct store_event *ev)
{
	if (ev)
		next_row(arg, ev->key, ev->revision, ev->doc);
}

/* Pages that end with the list, in its middle, and of one document; at a start, and while the loop turns. */
static void etcd_is_read_page_by_page(void **state)
{
	static const unsigned int pages[] = { 1, 7, 8, DOCS - 1, DOCS, DOCS + 1 };
	struct fix *f = *state;
	struct store *st = open_inside(f);
	struct store_txn txn = { NULL };
	auto_of(record_unref) struct record *doc = record_of_text("{}", 2);
	unsigned int n = 0;
	int rc = 1;

	assert_int_equal(store_list(st, "", ignore_row, NULL, NULL), 0);
	for (unsigned int i = 0; i < DOCS; i++) {
		char key[16];

		snprintf(key, sizeof(key), "/p/%04u", i);
		store_txn_put(&txn, key, doc);
	}
	store_commit(f->st, &txn, note_end, &rc);
	store_wait(f->st);
	store_txn_clear(&txn);
	assert_int_equal(rc, 0);
	etcd_compact(all.plain, store_revision(f->st));
	inside->page = 7;
	store_follow(st, &(struct store_follower){ next_event, NULL, &n });
	rc = 1;
	store_sync(st, note_sync, &rc);
	while (rc > 0)
		loop_turn(f->opts.loop, 100);
	assert_int_equal(n, DOCS);
	for (unsigned int i = 0; i < ARRAY_LEN(pages); i++) {
		n = 0;
		inside->page = pages[i];
		assert_int_equal(store_list(st, "/p/", next_row, &n, NULL), 0);
		assert_int_equal(n, DOCS);
	}
	store_close(st);
}

/* Until somebody asks, a second's beats are all that goes to etcd. */
static void etcd_beats_tell_what_it_does(void **state)
{
	struct fix *f = *state;
	struct store *st = open_inside(f);
	uint64_t since, until = loop_now_ms() + 20000;
	const char *why;

	assert_int_equal(store_list(st, "", ignore_row, NULL, NULL), 0);
	assert_int_equal(store_follow(st, &(struct store_follower){ NULL }), 0);
	f->proxy->drop = 1000;
	while (!store_trouble(st, &since) && loop_now_ms() < until)
		loop_turn(f->opts.loop, 10);
	assert_non_null(store_trouble(st, &since));
	f->proxy->drop = 0;
	while (store_trouble(st, &since) && loop_now_ms() < until)
		loop_turn(f->opts.loop, 10);
	assert_null(store_trouble(st, &since));
	inside->revision += 1000; /* as if it had been so before a restore */
	while (!((why = store_trouble(st, &since)) && strstr(why, "went back from")) &&
	       loop_now_ms() < until)
		loop_turn(f->opts.loop, 10);
	assert_non_null(why);
	assert_non_null(strstr(why, "went back from"));
	store_close(st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ETCD(etcd_a_cut_off_commit_takes_effect_once),
		ETCD(etcd_a_late_request_does_nothing),
		ETCD(etcd_a_lost_marker_is_made_again),
		ETCD(etcd_a_silent_watch_is_replaced),
		ETCD(etcd_syncs_with_an_empty_cloud),
		ETCD(etcd_does_not_go_back_by_an_answer_on_its_way),
		ETCD(etcd_relists_once),
		ETCD(etcd_what_is_deleted_and_compacted_is_heard_of),
		ETCD(etcd_who_is_gone_is_forgotten),
		ETCD(etcd_is_read_page_by_page),
		ETCD(etcd_beats_tell_what_it_does),
		ETCD(etcd_clouds_do_not_see_each_other),
		ETCD(etcd_says_what_is_too_large),
		ETCD(etcd_an_unknown_key_is_trouble),
		ETCD(etcd_refuses_a_newer_schema),
		ETCD(etcd_says_what_option_it_needs),
		ETCD(etcd_without_space_says_so_and_goes_on),
		ETCD(etcd_over_tls_believes_one_authority),
		ETCD(etcd_a_clients_certificate_is_no_members),
	};

	return cmocka_run_group_tests(tests, start_all, stop_all);
}
