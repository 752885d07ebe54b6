/* SPDX-License-Identifier: Apache-2.0 */
/* Group commit over a store that ends its commits when the test says so, and as it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api_engine.h"
#include "engine/group.h"
#include "store/backend.h"

/* The one late store: a commit waits here until let() passes it on to `behind`, or refuses it. */
static struct {
	struct store *behind;
	struct store *front;
	const struct store_txn *txn; /* NULL: nothing waits */
	const char *trouble;	     /* NULL: none */
	uint64_t since_ms;	     /* of it; 0: long ago */
	const char *others;	     /* a key that others wrote, not heard of here; NULL: none */
	unsigned int syncs;	     /* how often it was asked for what others wrote */
} late;

static int late_open(const char *where, const struct store_opts *opts, struct store *st, void **out,
		     uint64_t *revision, struct err *e)
{
	late.front = st;
	*out = &late;
	*revision = 0;
	return store_open("mem:", NULL, &late.behind, e);
}

static void late_close(void *db)
{
	store_close(take(late.behind));
}

static void late_commit(void *db, const struct store_txn *txn, uint64_t revision)
{
	assert_null(late.txn);
	late.txn = txn;
}

static void pass_on(void *arg, const struct store_end *end)
{
	store_ended(late.front, end);
}

static int late_list(void *db, const char *prefix, store_doc_fn fn, void *arg, uint64_t *revision,
		     struct err *e)
{
	return store_list(late.behind, prefix, fn, arg, e);
}

/* Ends the commit that waits. */
static void let(int rc)
{
	const struct store_txn *txn = take(late.txn);

	assert_non_null(txn);
	if (rc)
		store_ended(late.front, &(struct store_end){ .rc = rc, .why = "as the test says" });
	else
		store_commit(late.behind, txn, pass_on, NULL);
}

static struct record *n_is(int n)
{
	char text[24];

	return record_of_text(text, (size_t)sprintf(text, "{\"n\":%d}", n));
}

/* What others wrote is heard of when it is asked for. */
static void late_sync(void *db)
{
	late.syncs++;
	if (late.others) {
		auto_of(record_unref) struct record *doc = n_is(1);
		struct store_event ev = { 1, take(late.others), doc };

		store_heard(late.front, 1, &ev, 1);
	}
	store_synced(late.front, 0);
}

static void late_wait(void *db)
{
	let(0);
}

static const char *late_trouble(const void *db, uint64_t *since_ms)
{
	*since_ms = late.since_ms;
	return late.trouble;
}

static const struct store_backend store_late = {
	.scheme = "late:",
	.ops_max = 8,
	.shared = true,
	.open = late_open,
	.close = late_close,
	.commit = late_commit,
	.wait = late_wait,
	.sync = late_sync,
	.list = late_list,
	.trouble = late_trouble,
};

static void ignore_end(void *arg, const struct store_end *end)
{
	assert_int_equal(end->rc, 0);
}

/* What the cache has of it. */
static int n_of_x(struct api_engine *f)
{
	struct cache *cache = f->eng->cache;

	return (int)doc_int(cache_doc(cache, cache_get(cache, "/n/x")), "n");
}

/* Another replica writes; nobody here hears of it. */
static void write_behind(const char *key, int n)
{
	struct store_txn txn = { NULL };
	auto_of(record_unref) struct record *doc = n_is(n);

	store_txn_put(&txn, key, doc);
	store_commit(late.behind, &txn, ignore_end, NULL);
	store_txn_clear(&txn);
}

static void delete_behind(const char *key)
{
	struct store_txn txn = { NULL };

	store_txn_delete(&txn, key);
	store_commit(late.behind, &txn, ignore_end, NULL);
	store_txn_clear(&txn);
}

static const struct service service;

static void count_n(const json_t *doc, int64_t out[TALLY_SUMS])
{
	out[1] = json_integer_value(json_object_get(doc, "n"));
}

static const struct tally by_place = { "/n/*/*", .of = count_n };
static const struct tally by_colour = { "/n/*/*", .by = "colour", .of = count_n };
static const struct tally *const tallies[] = { &by_place, &by_colour, NULL };
static const struct feature counted = { .name = "n", .service = &service, .tallies = tallies };

static int setup(void **state)
{
	static const struct feature *const none[] = { &counted, NULL };
	struct api_engine *f = calloc(1, sizeof(*f));

	assert_int_equal(store_open_by(&store_late, "", NULL, &f->store, NULL), 0);
	api_engine_open(f, none);
	*state = f;
	return 0;
}

static const struct service service = { .prefix = "/t", .style = FAULT_PLAIN };

struct asked {
	struct call *call;
	bool ended;
};

static struct call *new_call(struct api_engine *f, struct asked *a, int (*handle)(struct call *c),
			     const char *word)
{
	struct call *c = run_new(f->eng, NULL);

	a->ended = false;
	c->service = &service;
	c->priv->handle = handle;
	c->priv->ended = &a->ended;
	c->memo = json_string(word);
	return c;
}

static void ask(struct api_engine *f, struct asked *a, int (*handle)(struct call *c),
		const char *word)
{
	a->call = new_call(f, a, handle, word);
	run_call(a->call);
}

/* The answer's status; 0: there is none yet. Frees an answered call. */
static unsigned int status_of(struct asked *a)
{
	unsigned int status;

	if (!a->ended)
		return 0;
	status = a->call->priv->fault_status ? a->call->priv->fault_status : a->call->status;
	call_free(a->call);
	return status;
}

static const char *word_of(const struct call *c)
{
	return json_string_value(c->memo);
}

static int count_up(struct call *c)
{
	const json_t *doc = call_get(c, "/n/%s", word_of(c));
	int n = (int)json_integer_value(json_object_get(doc, "n"));

	return call_put(c, json_pack("{s:i}", "n", n + 1), "/n/%s", word_of(c))
		       ?: call_reply(c, 200, NULL);
}

static int claim(struct call *c)
{
	int rc = call_claim(c, json_object(), "/name/%s", word_of(c));

	return rc == -EEXIST ? call_fail(c, 409, "Taken", "Taken.") : call_reply(c, 201, NULL);
}

static int look(struct call *c)
{
	return call_reply(c, call_get(c, "/name/%s", word_of(c)) ? 200 : 404, NULL);
}

static uint32_t patience_ms = 60000;

/* Asks a question under /q/WORD/, and is answered by somebody else's document there. */
static int ask_and_wait(struct call *c)
{
	int rc = 0;

	if (call_get(c, "/q/%s/answer", word_of(c)))
		return call_reply(c, 200, NULL);
	if (!c->runs)
		rc = call_put(c, json_object(), "/q/%s/question", word_of(c));
	return rc
		       ?: c->expired ? call_reply(c, 504, NULL)
				     : call_wait(c, patience_ms, "/q/%s/", word_of(c));
}

static int answer(struct call *c)
{
	return call_put(c, json_object(), "/q/%s/answer", word_of(c)) ?: call_reply(c, 200, NULL);
}

static void who_reads_or_writes_is_answered_when_it_is_on_disk(void **state)
{
	struct api_engine *f = *state;
	struct asked writer, reader;

	ask(f, &writer, claim, "a");
	ask(f, &reader, look, "a");
	run_batch(f->eng);
	assert_int_equal(status_of(&writer), 0);
	assert_int_equal(status_of(&reader), 0);
	let(0);
	assert_int_equal(status_of(&writer), 201);
	assert_int_equal(status_of(&reader), 200);
	ask(f, &reader, look, "a");
	assert_int_equal(status_of(&reader), 200); /* nothing is under way: at once */
}

static void changes_gather_while_a_commit_is_under_way(void **state)
{
	struct api_engine *f = *state;
	struct asked up[3];

	ask(f, &up[0], count_up, "x");
	run_batch(f->eng);
	ask(f, &up[1], count_up, "x");
	ask(f, &up[2], count_up, "x");
	run_batch(f->eng);
	let(0);
	assert_int_equal(status_of(&up[0]), 200);
	assert_int_equal(status_of(&up[1]), 0);
	let(0); /* two calls, one commit, over the version of the first */
	assert_int_equal(status_of(&up[1]), 200);
	assert_int_equal(status_of(&up[2]), 200);
	assert_null(late.txn);
	assert_int_equal(store_revision(f->store), 2);
	assert_int_equal(cache_get(f->eng->cache, "/n/x")->version, 2);
}

static void a_failed_comparison_runs_the_calls_again(void **state)
{
	struct api_engine *f = *state;
	struct asked first, behind, reader;

	write_behind("/name/a", 1);
	ask(f, &first, claim, "a");
	run_batch(f->eng);
	ask(f, &behind, count_up, "x"); /* in a group behind it */
	ask(f, &reader, look, "a");
	let(0);
	assert_int_equal(status_of(&first), 409);
	assert_int_equal(status_of(&reader), 0); /* waits for x */
	let(0);
	assert_int_equal(status_of(&behind), 200);
	assert_int_equal(status_of(&reader), 200);
	assert_int_equal(cache_get(f->eng->cache, "/name/a")->version, 1);
}

static void calls_that_change_what_is_taken_back_see_what_was_there(void **state)
{
	struct api_engine *f = *state;
	struct asked up[2];

	ask(f, &up[0], count_up, "x");
	run_batch(f->eng);
	let(0);
	assert_int_equal(status_of(&up[0]), 200);
	write_behind("/n/x", 40); /* the cache has an older one */
	ask(f, &up[0], count_up, "x");
	run_batch(f->eng);
	ask(f, &up[1], count_up, "x");
	let(0);
	let(0);
	if (late.txn) /* each may go alone */
		let(0);
	assert_int_equal(status_of(&up[0]), 200);
	assert_int_equal(status_of(&up[1]), 200);
	assert_int_equal(n_of_x(f), 42);
}

/* It was told that there is no space, and when to come again, once. */
static void assert_full(struct asked *a)
{
	assert_true(a->ended);
	assert_string_equal(
		a->call->priv->fault_text,
		"The store has no space left, so nothing was changed: as the test says.");
	assert_int_equal(a->call->priv->n_headers, 2);
	assert_string_equal(a->call->priv->headers[0], "Retry-After");
	assert_string_equal(a->call->priv->headers[1], "5");
	assert_int_equal(status_of(a), 503);
}

static void a_full_disk_is_told_to_all_who_wrote(void **state)
{
	struct api_engine *f = *state;
	struct asked a, b, reader, behind;

	ask(f, &a, claim, "a");
	ask(f, &b, claim, "b");
	ask(f, &reader, look, "a");
	run_batch(f->eng);
	ask(f, &behind, claim, "c");
	let(-ENOSPC);
	assert_full(&a);
	assert_full(&b);
	assert_null(cache_get(f->eng->cache, "/name/a"));
	let(0);
	assert_int_equal(status_of(&behind), 201);
	assert_int_equal(status_of(&reader), 404);
	assert_null(late.txn);
}

static void one_calls_conflict_is_not_anothers(void **state)
{
	struct api_engine *f = *state;
	struct asked a, b;
	unsigned int n = 0;

	ask(f, &a, claim, "a");
	ask(f, &b, claim, "b");
	run_batch(f->eng);
	let(-EAGAIN); /* both together: who was it? */
	for (; n < 100 && late.txn->ops[0].key[6] == 'a'; n++)
		let(-EAGAIN);
	assert_int_equal(n, 10);
	assert_true(a.ended);
	assert_string_equal(a.call->priv->headers[0], "Retry-After");
	assert_int_equal(status_of(&a), 503);
	let(0);
	assert_int_equal(status_of(&b), 201);
	assert_null(late.txn);
}

/* Another replica writes, and we hear of it at once. */
static void hear_of(struct api_engine *f, const char *key, int n)
{
	auto_of(record_unref) struct record *doc = n_is(n);

	write_behind(key, n);
	run_on_change(f->eng, &(struct store_event){ store_revision(late.behind), key, doc });
	run_on_change(f->eng, NULL);
}

static void hear_of_deletion(struct api_engine *f, const char *key)
{
	delete_behind(key);
	run_on_change(f->eng, &(struct store_event){ store_revision(late.behind), key, NULL });
	run_on_change(f->eng, NULL);
}

static void what_is_heard_meanwhile_is_no_reason_to_overwrite_it(void **state)
{
	struct api_engine *f = *state;
	struct asked first, up;

	hear_of(f, "/n/x", 5);
	ask(f, &first, claim, "a");
	run_batch(f->eng);
	ask(f, &up, count_up, "x"); /* of 5 */
	hear_of(f, "/n/x", 41);
	let(0);
	assert_int_equal(status_of(&first), 201);
	let(0);
	assert_int_equal(status_of(&up), 200);
	assert_int_equal(n_of_x(f), 42);
}

static void what_is_heard_meanwhile_is_what_is_put_back(void **state)
{
	struct api_engine *f = *state;
	struct asked first, up;

	hear_of(f, "/n/x", 5);
	ask(f, &first, claim, "a");
	run_batch(f->eng);
	ask(f, &up, count_up, "x");
	hear_of(f, "/n/x", 41);
	let(-EIO);
	assert_int_equal(status_of(&first), 503);
	let(0);
	assert_int_equal(status_of(&up), 200);
	assert_int_equal(n_of_x(f), 42);
}

static void what_was_found_is_not_put_over_what_is_newer(void **state)
{
	struct api_engine *f = *state;
	auto_of(record_unref) struct record *old = n_is(5);
	struct store_event found = { 1, "/n/x", old };
	struct asked up;

	ask(f, &up, count_up, "x");
	run_batch(f->eng);
	hear_of(f, "/n/x", 5);
	hear_of(f, "/n/x", 41);
	late.txn = NULL;
	store_ended(f->store, &(struct store_end){ -EAGAIN, 0, "", &found, 1 });
	let(0);
	assert_int_equal(status_of(&up), 200);
	assert_int_equal(n_of_x(f), 42);
}

static int give_up(struct call *c)
{
	return call_delete(c, "/name/%s", word_of(c)) ?: call_reply(c, 204, NULL);
}

static void what_is_being_deleted_is_made_again(void **state)
{
	struct api_engine *f = *state;
	struct asked first, gone, again;

	ask(f, &first, claim, "a");
	run_batch(f->eng);
	let(0);
	ask(f, &gone, give_up, "a");
	run_batch(f->eng);
	ask(f, &again, claim, "a");
	let(0);
	let(0);
	assert_int_equal(status_of(&first), 201);
	assert_int_equal(status_of(&gone), 204);
	assert_int_equal(status_of(&again), 201);
	assert_null(late.txn);
}

static void what_is_gone_when_all_is_read_again_is_not_put_back(void **state)
{
	struct api_engine *f = *state;
	struct asked gone;

	hear_of(f, "/name/a", 1);
	ask(f, &gone, give_up, "a");
	run_batch(f->eng);
	delete_behind("/name/a");
	store_relisted(f->store, store_revision(late.behind), NULL, 0);
	let(-EAGAIN);	       /* as etcd does: without what stands there */
	assert_null(late.txn); /* it has nothing to delete now */
	assert_int_equal(status_of(&gone), 204);
	assert_null(cache_get(f->eng->cache, "/name/a"));
}

static void an_engine_closes_amid_a_commit(void **state)
{
	struct api_engine *f = *state;
	struct asked first, behind, waits;

	write_behind("/name/a", 1);
	ask(f, &waits, ask_and_wait, "q");
	ask(f, &first, claim, "a");
	run_batch(f->eng);
	ask(f, &behind, claim, "c");
	(void)first, (void)behind, (void)waits; /* freed with the engine */
}

static void who_never_wins_is_told_so(void **state)
{
	struct api_engine *f = *state;
	struct asked a;
	unsigned int n = 0;

	ask(f, &a, claim, "a");
	run_batch(f->eng);
	for (; late.txn && n < 100; n++)
		let(-EAGAIN);
	assert_int_equal(n, 10);
	assert_int_equal(status_of(&a), 503);
}

static void a_commit_is_as_large_as_the_store_takes(void **state)
{
	struct api_engine *f = *state;
	struct asked a[10];
	char word[10][8];

	for (unsigned int i = 0; i < 10; i++) {
		snprintf(word[i], sizeof(word[i]), "%u", i);
		ask(f, &a[i], claim, word[i]);
	}
	run_batch(f->eng);
	assert_int_equal(late.txn->n_ops, 16);
	let(0);
	assert_int_equal(late.txn->n_ops, 4);
	let(0);
	for (unsigned int i = 0; i < 10; i++)
		assert_int_equal(status_of(&a[i]), 201);
}

static void who_waits_hears_of_others_alone(void **state)
{
	struct api_engine *f = *state;
	struct asked waits, says;

	ask(f, &waits, ask_and_wait, "q");
	run_batch(f->eng);
	let(0);
	assert_int_equal(waits.call->runs, 0); /* its own question woke it not */
	ask(f, &says, answer, "q");
	run_batch(f->eng);
	let(0);
	assert_int_equal(status_of(&says), 200);
	assert_int_equal(waits.call->runs, 1);
	assert_int_equal(status_of(&waits), 200);
}

static void who_waits_hears_of_what_came_with_its_own(void **state)
{
	struct api_engine *f = *state;
	struct asked waits, says;

	ask(f, &waits, ask_and_wait, "q");
	ask(f, &says, answer, "q"); /* the same commit, the same revision */
	run_batch(f->eng);
	let(0);
	assert_int_equal(status_of(&says), 200);
	assert_int_equal(status_of(&waits), 200);
}

static void a_wait_that_is_over_waits_for_the_disk(void **state)
{
	struct api_engine *f = *state;
	struct asked waits;

	ask(f, &waits, ask_and_wait, "q");
	run_batch(f->eng);
	waits.call->priv->over = true; /* its timer */
	group_wake(waits.call);
	run_batch(f->eng);
	assert_int_equal(waits.call->runs, 0);
	let(0);
	assert_int_equal(status_of(&waits), 504);
}

static void who_waits_asks_again_if_its_question_was_refused(void **state)
{
	struct api_engine *f = *state;
	struct asked waits;

	write_behind("/q/q/question", 1);
	ask(f, &waits, ask_and_wait, "q");
	run_batch(f->eng);
	let(0);
	assert_int_equal(waits.call->runs, 0);
	assert_non_null(waits.call->priv->timer);
	let(0); /* over the version of the other's */
	assert_null(late.txn);
	assert_int_equal(cache_get(f->eng->cache, "/q/q/question")->version, 2);
}

static const struct rfield name_fields[] = { { "id", J_STR }, { NULL } };
static const struct resource names = {
	.one = "name", .many = "names", .flags = RES_GLOBAL, .fields = name_fields
};

static int list_names(struct call *c)
{
	return res_handle_list(c, &names, false);
}

static size_t commas_of(const struct call *c)
{
	size_t n = 0;

	for (const char *at = c->priv->text.data; (at = strchr(at, ',')); at++)
		n++;
	return n;
}

/* As many as one turn does not list. */
static void a_list_begins_again_when_what_it_read_is_refused(void **state)
{
	struct api_engine *f = *state;
	auto_of(record_unref) struct record *doc = record_of_text("{}", 2);
	struct asked first, reader;
	char key[32];

	for (unsigned int i = 0; i < 30000; i++) {
		snprintf(key, sizeof(key), "/name/%u", i);
		assert_int_equal(cache_set(f->eng->cache, key, 1, doc), 0);
	}
	ask(f, &first, claim, "a");
	run_batch(f->eng);
	ask(f, &reader, list_names, "");
	assert_non_null(reader.call->priv->kept);
	loop_turn(f->loop, 0);
	let(-ENOSPC);
	assert_int_equal(status_of(&first), 503);
	while (!reader.ended)
		loop_turn(f->loop, 1000);
	assert_int_equal(commas_of(reader.call), 29999); /* without the one that is not there */
	assert_int_equal(status_of(&reader), 200);
}

static const char *const colours[] = { "red", "blue" };

/* Changes some documents, and may fail after all. */
static int change_some(struct call *c)
{
	unsigned int left = 1 + (unsigned int)rand() % 4;
	int rc = 0;

	while (!rc && left--) {
		int place = rand() % 3, id = rand() % 5;
		json_t *doc = rand() % 3 ? json_pack("{s:i,s:s}", "n", rand() % 100, "colour",
						     colours[rand() % 2])
					 : NULL;

		rc = doc ? call_put(c, doc, "/n/%d/%d", place, id)
			 : call_delete(c, "/n/%d/%d", place, id);
	}
	return rc ?: rand() % 3 ? call_reply(c, 200, NULL) : call_fail(c, 409, "No", "No.");
}

static void compare_sums(struct api_engine *f, const struct tally *t, const char *group,
			 const char *colour)
{
	struct cursor it = cache_list(f->eng->cache, colour ? "/n/" : group);
	struct sums have = cache_sums(f->eng->cache, t, colour ? colour : group), want = { 0 };

	while (cursor_next(&it)) {
		if (colour && !doc_is(it.doc, "colour", colour))
			continue;
		want.n++;
		want.of[1] += doc_int(it.doc, "n");
	}
	assert_memory_equal(&have, &want, sizeof(want));
}

static void sums_are_as_if_counted_anew(void **state)
{
	static const int ends[] = { 0, 0, 0, -EAGAIN, -ENOSPC };
	struct api_engine *f = *state;
	struct asked a[4];

	for (unsigned int round = 0; round < 500; round++) {
		for (unsigned int i = 0; i < ARRAY_LEN(a); i++) {
			ask(f, &a[i], change_some, "");
			if (rand() % 2)
				run_batch(f->eng);
			compare_sums(f, &by_place, "/n/1", NULL);
			compare_sums(f, &by_colour, "", "red");
		}
		run_batch(f->eng);
		while (late.txn) {
			let(ends[rand() % ARRAY_LEN(ends)]);
			compare_sums(f, &by_place, "/n/2", NULL);
			compare_sums(f, &by_colour, "", "blue");
		}
		for (unsigned int i = 0; i < ARRAY_LEN(a); i++)
			assert_int_not_equal(status_of(&a[i]), 0);
	}
}

static void stop_loop(void *loop)
{
	loop_stop(loop);
}

static unsigned int seen_status;
static struct loop *stop_when_seen;
static void look_for_end(void *arg)
{
	struct asked *a = arg;

	if (a->ended && !seen_status)
		seen_status = status_of(a); /* and it is freed */
	if (seen_status && stop_when_seen)
		loop_stop(stop_when_seen);
}

static void a_wait_that_was_taken_back_wakes_nobody(void **state)
{
	struct api_engine *f = *state;
	struct asked waits;
	struct loop_timer *looks;

	write_behind("/q/q/question", 1);
	patience_ms = 40;
	ask(f, &waits, ask_and_wait, "q");
	patience_ms = 1;
	run_batch(f->eng);
	let(0); /* refused: it asks again, and waits 1 ms */
	let(0);
	patience_ms = 60000;
	seen_status = 0;
	looks = loop_timer_add(f->loop, 1, 1, look_for_end, &waits);
	loop_timer_add(f->loop, 100, 0, stop_loop, f->loop);
	loop_run(f->loop); /* past the first wait's end */
	loop_timer_del(looks);
	assert_int_equal(seen_status, 504);
}

static void do_nothing(void *arg)
{
}

static int write_and_work(struct call *c)
{
	if (c->job)
		return call_reply(c, 200, NULL);
	return call_put(c, json_object(), "/name/%s", word_of(c))
		       ?: call_job(c, LANE_FILE, do_nothing, malloc(1), free);
}

/* Runs the loop until the call is answered, 10 s at most; its status. */
static unsigned int wait_for(struct api_engine *f, struct asked *a)
{
	struct loop_timer *looks = loop_timer_add(f->loop, 1, 1, look_for_end, a);
	struct loop_timer *most = loop_timer_add(f->loop, 10000, 0, stop_loop, f->loop);

	seen_status = 0;
	stop_when_seen = f->loop;
	loop_run(f->loop);
	stop_when_seen = NULL;
	loop_timer_del(looks);
	loop_timer_del(most);
	return seen_status;
}

static void a_job_goes_on_when_what_it_is_about_is_on_disk(void **state)
{
	struct api_engine *f = *state;
	struct asked a;

	ask(f, &a, write_and_work, "a");
	run_batch(f->eng);
	let(0);
	assert_int_equal(wait_for(f, &a), 200);
}

static void a_job_about_what_was_refused_is_refused(void **state)
{
	struct api_engine *f = *state;
	struct asked a;

	write_behind("/name/a", 1);
	ask(f, &a, write_and_work, "a");
	run_batch(f->eng);
	let(0);
	assert_int_equal(wait_for(f, &a), 503);
	assert_int_equal(cache_get(f->eng->cache, "/name/a")->version, 1);
	assert_null(late.txn);
	ask(f, &a, write_and_work, "b");
	run_batch(f->eng);
	let(-ENOSPC);
	while (!a.ended)
		loop_turn(f->loop, 100);
	assert_full(&a);
	assert_null(cache_get(f->eng->cache, "/name/b"));
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, api_engine_end)

static void who_waits_for_a_store_that_is_away_is_told_so(void **state)
{
	struct api_engine *f = *state;
	struct asked writer, reader, late_comer;

	ask(f, &writer, claim, "a");
	run_batch(f->eng);
	ask(f, &reader, look, "a");
	late.trouble = "it is unplugged";
	group_give_up(f->eng);
	run_batch(f->eng);
	assert_string_equal(writer.call->priv->fault_text,
			    "The store does not answer: it is unplugged."
			    " What was asked for may be done yet.");
	assert_int_equal(status_of(&writer), 503);
	assert_int_equal(status_of(&reader), 503);
	late_comer.ended = false;
	late_comer.call = new_call(f, &late_comer, look, "a");
	run_request(late_comer.call);
	assert_int_equal(status_of(&late_comer), 503);
	late.trouble = NULL;
	let(0); /* it was stored after all */
	late_comer.call = new_call(f, &late_comer, look, "a");
	run_call(late_comer.call);
	assert_int_equal(status_of(&late_comer), 200);
}

static void what_nobody_waits_for_any_more_is_taken_back_as_well(void **state)
{
	struct api_engine *f = *state;
	struct asked gone, behind;

	write_behind("/name/a", 1);
	ask(f, &gone, claim, "a");
	run_batch(f->eng);
	group_give_up(f->eng);
	run_batch(f->eng);
	assert_int_equal(status_of(&gone), 503);
	ask(f, &behind, count_up, "x");
	let(0); /* refused */
	let(0);
	assert_int_equal(status_of(&behind), 200);
	assert_int_equal(cache_get(f->eng->cache, "/name/a")->version, 1);
	assert_null(late.txn);
}

static void what_is_too_large_together_goes_alone(void **state)
{
	struct api_engine *f = *state;
	struct asked a, b;

	ask(f, &a, claim, "a");
	ask(f, &b, claim, "b");
	run_batch(f->eng);
	let(-EMSGSIZE);
	let(-EMSGSIZE);
	assert_int_equal(status_of(&a), 413);
	let(0);
	assert_int_equal(status_of(&b), 201);
	assert_null(cache_get(f->eng->cache, "/name/a"));
}

/* A child of a parent that is there. */
static int adopt(struct call *c)
{
	if (!call_get(c, "/parent/%s", word_of(c)))
		return call_fail(c, 404, "Gone", "Gone.");
	return call_put(c, json_object(), "/child/%s", word_of(c)) ?: call_reply(c, 201, NULL);
}

/* What is not there yet. */
static int first_only(struct call *c)
{
	struct cursor it = call_list(c, "/in/%s/", word_of(c));

	if (cursor_next(&it))
		return call_fail(c, 409, "Full", "Full.");
	return call_put(c, json_object(), "/in/%s/%d", word_of(c), (int)c->now_us)
		       ?: call_reply(c, 201, NULL);
}

static void what_was_read_is_guarded(void **state)
{
	struct api_engine *f = *state;
	struct asked child;

	hear_of(f, "/parent/a", 1);
	delete_behind("/parent/a"); /* and nobody told us */
	ask(f, &child, adopt, "a");
	run_batch(f->eng);
	let(0);
	assert_int_equal(status_of(&child), 404);
	assert_null(cache_get(f->eng->cache, "/child/a"));
	assert_null(late.txn);
}

static void what_was_not_there_is_guarded(void **state)
{
	struct api_engine *f = *state;
	struct asked second;

	ask(f, &second, first_only, "a");
	write_behind("/in/a/x", 1);
	run_batch(f->eng);
	let(0); /* refused */
	hear_of(f, "/in/a/x", 1);
	let(0);
	assert_int_equal(status_of(&second), 409);
	assert_null(late.txn);
}

static void what_is_overtaken_on_its_way_is_not_sent(void **state)
{
	struct api_engine *f = *state;
	struct asked ahead, child, own;

	hear_of(f, "/parent/a", 1);
	ask(f, &ahead, claim, "z");
	run_batch(f->eng);
	ask(f, &child, adopt, "a"); /* waits behind */
	ask(f, &own, count_up, "x");
	hear_of_deletion(f, "/parent/a");
	let(0);
	assert_int_equal(status_of(&ahead), 201);
	if (late.txn)
		let(0);
	assert_int_equal(status_of(&child), 404);
	if (late.txn)
		let(0);
	assert_int_equal(status_of(&own), 200);
	assert_null(cache_get(f->eng->cache, "/child/a"));
}

static void what_we_changed_ourselves_overtakes_nobody(void **state)
{
	struct api_engine *f = *state;
	struct asked parent, child;

	ask(f, &parent, count_up, "x");
	run_batch(f->eng);
	ask(f, &child, count_up, "x");
	let(0);
	assert_int_equal(status_of(&parent), 200);
	assert_non_null(late.txn);
	let(0);
	assert_int_equal(status_of(&child), 200);
	assert_int_equal(store_revision(f->store), 2);
}

static int tell_secret(struct call *c)
{
	return call_reply(c, 200, json_object());
}

static int64_t room_of_y(struct call *c)
{
	return call_get(c, "/n/y") ? 1000 : call_fail(c, 404, NULL, "There is no y");
}

static int make_z(struct call *c)
{
	if (!call_get(c, "/n/y"))
		return call_fail(c, 404, NULL, "There is no y");
	return call_put(c, json_object(), "/z") ?: call_reply(c, 200, json_object());
}

static const struct route secret_routes[] = {
	{ "GET", "/secret", tell_secret, RULE_READ },
	{ "PUT", "/y", tell_secret, RULE_OPEN, .room = room_of_y },
	{ "PUT", "/z", make_z, RULE_OPEN },
	{ "PUT", "/secret", tell_secret, RULE_OPEN },
	{ "PUT", "/heard", tell_secret, RULE_OPEN, ROUTE_HEARD },
	{ "PUT", "/heard/z", make_z, RULE_OPEN, ROUTE_HEARD },
	{ "PUT", "/y/file", tell_secret, RULE_OPEN, ROUTE_UPLOAD, room_of_y },
	{ NULL }
};
static const struct route *const secret_tables[] = { secret_routes, NULL };
static const struct feature secret = { .name = "secret",
				       .service = &service,
				       .routes = secret_tables };

/* An engine that serves HTTP; where. */
static struct sockaddr_in serve_http(struct api_engine *f)
{
	static const struct feature *const features[] = { &secret, NULL };
	static char listen[32];
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(at);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	close(fd);
	snprintf(listen, sizeof(listen), "127.0.0.1:%d", ntohs(at.sin_port));
	f->listen = listen;
	api_engine_over(f, features);
	return at;
}

/* A connection to it with a request. */
static int ask_by_http(const struct sockaddr_in *at, const char *request)
{
	int client = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(client, (const struct sockaddr *)at, sizeof(*at)), 0);
	assert_int_equal(write(client, request, strlen(request)), (ssize_t)strlen(request));
	return client;
}

/* A request that has no business here waits for its answer behind a change, which is taken back. */
static void who_was_refused_is_refused_again(void **state)
{
	struct api_engine *f = *state;
	struct sockaddr_in at = serve_http(f);
	int fd = ask_by_http(&at, "GET /t/secret HTTP/1.1\r\nHost: a\r\n\r\n");
	char reply[64] = "";
	struct asked up;

	ask(f, &up, count_up, "x");
	run_batch(f->eng);
	while (!f->eng->groups->calls->priv->next)
		loop_turn(f->loop, 10);
	let(-EAGAIN);
	run_batch(f->eng);
	let(0);
	while (recv(fd, reply, sizeof(reply) - 1, MSG_DONTWAIT) < 0)
		loop_turn(f->loop, 10);
	close(fd);
	assert_int_equal(status_of(&up), 200);
	assert_memory_equal(reply, "HTTP/1.1 401", 12);
}

/* The first line and the headers of the answer to a PUT with a body. */
static void put_by_http(struct api_engine *f, const struct sockaddr_in *at, const char *path,
			char reply[512])
{
	char request[256];
	int fd;

	snprintf(request, sizeof(request),
		 "PUT %s HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", path);
	fd = ask_by_http(at, request);
	while (recv(fd, reply, 511, MSG_DONTWAIT) < 0) {
		loop_turn(f->loop, 10);
		if (late.txn)
			let(0);
	}
	close(fd);
}

/* Another replica has answered what this one has not heard of, when a body comes that needs it. */
static void a_body_may_need_what_is_not_heard_of_yet(void **state)
{
	struct api_engine *f = *state;
	struct sockaddr_in at = serve_http(f);
	char reply[512] = "";

	put_by_http(f, &at, "/t/y", reply);
	assert_memory_equal(reply, "HTTP/1.1 404", 12);
	late.others = "/n/y";
	put_by_http(f, &at, "/t/y", reply);
	assert_memory_equal(reply, "HTTP/1.1 200", 12);
}

/* A file is not taken unless it is known for what: its sender comes again. */
static void a_file_that_came_too_early_is_to_come_again(void **state)
{
	struct api_engine *f = *state;
	struct sockaddr_in at = serve_http(f);
	char reply[512] = "";

	late.others = "/n/y";
	put_by_http(f, &at, "/t/y/file", reply);
	assert_memory_equal(reply, "HTTP/1.1 503", 12);
	assert_non_null(strstr(reply, "Retry-After: 1"));
	put_by_http(f, &at, "/t/y/file", reply);
	assert_memory_equal(reply, "HTTP/1.1 200", 12);
}

/* Of those who say what they have seen, who changes nothing, and is not refused, has not asked. */
static void who_says_what_he_has_seen_is_answered_by_what_is_heard(void **state)
{
	static const struct {
		const char *path, *others, *trouble, *answer;
		unsigned int syncs, for_ms;
	} rows[] = {
		{ "/t/secret", NULL, NULL, "HTTP/1.1 200", 1 },
		{ "/t/heard", NULL, NULL, "HTTP/1.1 200", 0 },
		{ "/t/heard", NULL, "late", "HTTP/1.1 200", 1 },
		{ "/t/heard", NULL, "late", "HTTP/1.1 503", 0, 3000 }, /* he has other replicas */
		{ "/t/secret", NULL, "late", "HTTP/1.1 200", 1, 3000 },
		{ "/t/heard/z", NULL, NULL, "HTTP/1.1 404", 1 },
		{ "/t/heard/z", "/n/y", NULL, "HTTP/1.1 200", 1 },
		{ "/t/heard/z", NULL, NULL, "HTTP/1.1 200", 1 },
		{ "/t/z", NULL, NULL, "HTTP/1.1 200", 1 },
		{ "/t/none", NULL, NULL, "HTTP/1.1 401", 1 },
	};
	struct api_engine *f = *state;
	struct sockaddr_in at = serve_http(f);
	char reply[512] = "";

	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		late.syncs = 0;
		late.others = rows[i].others;
		late.trouble = rows[i].trouble;
		late.since_ms = loop_now_ms() - rows[i].for_ms;
		if (late.others)
			write_behind(late.others, 1);
		put_by_http(f, &at, rows[i].path, reply);
		assert_memory_equal(reply, rows[i].answer, 12);
		assert_int_equal(late.syncs, rows[i].syncs);
	}
	late.since_ms = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(who_reads_or_writes_is_answered_when_it_is_on_disk),
		T(changes_gather_while_a_commit_is_under_way),
		T(a_failed_comparison_runs_the_calls_again),
		T(calls_that_change_what_is_taken_back_see_what_was_there),
		T(a_full_disk_is_told_to_all_who_wrote),
		T(one_calls_conflict_is_not_anothers),
		T(what_was_read_is_guarded),
		T(what_was_not_there_is_guarded),
		T(what_is_overtaken_on_its_way_is_not_sent),
		T(what_we_changed_ourselves_overtakes_nobody),
		T(who_waits_for_a_store_that_is_away_is_told_so),
		T(what_nobody_waits_for_any_more_is_taken_back_as_well),
		T(what_is_too_large_together_goes_alone),
		T(what_is_heard_meanwhile_is_no_reason_to_overwrite_it),
		T(what_is_heard_meanwhile_is_what_is_put_back),
		T(what_was_found_is_not_put_over_what_is_newer),
		T(what_is_being_deleted_is_made_again),
		T(what_is_gone_when_all_is_read_again_is_not_put_back),
		T(an_engine_closes_amid_a_commit),
		T(who_never_wins_is_told_so),
		T(a_commit_is_as_large_as_the_store_takes),
		T(who_waits_hears_of_others_alone),
		T(who_waits_hears_of_what_came_with_its_own),
		T(a_wait_that_is_over_waits_for_the_disk),
		T(sums_are_as_if_counted_anew),
		T(a_list_begins_again_when_what_it_read_is_refused),
		T(who_waits_asks_again_if_its_question_was_refused),
		T(a_wait_that_was_taken_back_wakes_nobody),
		T(a_job_goes_on_when_what_it_is_about_is_on_disk),
		T(a_job_about_what_was_refused_is_refused),
		T(who_was_refused_is_refused_again),
		T(who_says_what_he_has_seen_is_answered_by_what_is_heard),
		T(a_body_may_need_what_is_not_heard_of_yet),
		T(a_file_that_came_too_early_is_to_come_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
