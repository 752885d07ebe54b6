/* SPDX-License-Identifier: Apache-2.0 */
/* The one transaction that is under way at etcd. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "store/etcd.h"

#define TRY_MS	     2500  /* of one member, before another is asked */
#define HEAR_MS	     5000  /* that the watch may take, before it is asked again */
#define PAUSE_MS     50	   /* before the next try, ... */
#define PAUSE_MAX_MS 1000  /* ... more each time */
#define WAIT_MS	     60000 /* of etcd_wait(), at most */
#define NO_SPACE     "etcd has no space left"

static void end(struct etcd *db, int rc, const char *why)
{
	etcd_commit_close(db);
	db->commit.txn = NULL;
	store_ended(db->st, &(struct store_end){ .rc = rc, .revision = db->revision, .why = why });
}

/* It failed, and has done nothing: who waits for it hears that now. */
static void fail(struct etcd *db, int rc, const char *why)
{
	end(db, rc, why);
	store_heard(db->st, db->revision, NULL, 0);
}

static void send_txn(struct etcd *db);
static void name(struct etcd *db);
static void look(struct etcd *db);

static void ask_later(struct etcd *db, void (*ask)(struct etcd *db), uint64_t ms)
{
	db->commit.ask = ask;
	loop_timer_set(db->commit.timer, ms, 0);
}

/**
 * etcd_outcome() - The watch, or a list, says how a transaction of ours ended
 * @db:       whose
 * @text:     what last/ID says
 * @revision: that wrote it
 *
 * Return: true: it was the one under way, and the changes of this revision are to be told.
 */
bool etcd_outcome(struct etcd *db, const char *text, uint64_t revision)
{
	char *word;
	uint64_t number = strtoull(text, &word, 16);

	if (db->commit.txn && !number && db->commit.ask == name)
		ask_later(db, send_txn, 0); /* what was done before would have been heard before */
	if (!db->commit.txn || number != db->commit.number)
		return false;
	db->revision = revision;
	end(db, strcmp(word, " ok") ? -EAGAIN : 0, "");
	return true;
}

static void try_later(struct etcd *db, const char *why)
{
	unsigned int ms = PAUSE_MS * MIN(db->commit.tries, 100u);

	etcd_next_member(db, &db->trouble, why);
	loop_timer_set(db->commit.timer, MIN(ms, (unsigned int)PAUSE_MAX_MS), 0);
}

static const char *words(const struct etcd_answer *answer)
{
	return answer->verdict == ETCD_NO_SPACE ? NO_SPACE : answer->why;
}

/* The request that is to be made; it is made again if nothing comes of it. */
static void request(struct etcd *db, const void *message, grpc_end_fn on_end)
{
	if (etcd_request(db, message, TRY_MS, &(struct grpc_handlers){ NULL, on_end, db },
			 &db->commit.flow))
		try_later(db, *db->back ? db->back : "out of memory");
}

static void on_named(void *arg, int rc, const struct grpc_answer *got, const char *why)
{
	struct etcd *db = arg;
	auto_etcd_answer struct etcd_answer answer =
		etcd_answer(&pb__txn_response__descriptor, rc, got, why);

	db->commit.flow = NULL;
	if (answer.verdict != ETCD_OK) {
		try_later(db, words(&answer));
		return;
	}
	if (answer.txn->succeeded)
		etcd_expect(db, answer.revision);
	loop_timer_set(db->commit.timer, HEAR_MS, 0);
}

/* Somebody has deleted last/ID. */
static void name(struct etcd *db)
{
	auto_arena struct arena mem = { 0 };

	request(db, etcd_first_last(db, &mem, 1), on_named);
}

static void on_looked(void *arg, int rc, const struct grpc_answer *got, const char *why)
{
	struct etcd *db = arg;
	auto_etcd_answer struct etcd_answer answer =
		etcd_answer(&pb__range_response__descriptor, rc, got, why);
	const Pb__KeyValue *last = etcd_first_kv(answer.range);
	auto_free char *text = last ? etcd_text(last) : NULL;

	db->commit.flow = NULL;
	if (answer.verdict != ETCD_OK) {
		try_later(db, words(&answer));
	} else if (text && strtoull(text, NULL, 16) == db->commit.number) {
		etcd_expect(db, (uint64_t)last->mod_revision);
		ask_later(db, send_txn, HEAR_MS);
	} else {
		fail(db, -ENOSPC, NO_SPACE);
	}
}

/*
 * A member whose space runs out with a transaction says so, and has made it nevertheless
 * (etcdserver/apply.go, quotaApplierV3); one that has none from the start makes none.
 */
static void look(struct etcd *db)
{
	auto_arena struct arena mem = { 0 };

	request(db, etcd_get_last(db, &mem), on_looked);
}

/* Refused. Is it known that no try has done anything? What is unknown is asked again. */
static void refused(struct etcd *db, const struct etcd_answer *answer)
{
	bool all = ++db->commit.refusals == db->commit.tries;

	if (answer->verdict == ETCD_NO_SPACE && all) {
		ask_later(db, look, 0);
	} else if (answer->verdict != ETCD_NO_SPACE && (all || db->commit.refusals >= db->n_urls)) {
		fail(db, answer->verdict == ETCD_TOO_LARGE ? -EMSGSIZE : -EIO, answer->why);
	} else {
		try_later(db, words(answer));
	}
}

/*
 * What has happened is in the watch, or will be. Where neither of the transactions did anything the
 * answer has last/ID: with the number, as an earlier try has done it; or none, as it is gone.
 */
static void sent(struct etcd *db, const struct etcd_answer *answer)
{
	const Pb__TxnResponse *txn = answer->txn;
	const Pb__InnerTxn *inner = txn->n_responses ? txn->responses[0]->response_txn : NULL;
	const Pb__KeyValue *last = inner && inner->n_responses
					   ? etcd_first_kv(inner->responses[0]->response_range)
					   : NULL;

	etcd_works(db, &db->trouble);
	if (txn->succeeded || (inner && inner->succeeded)) {
		etcd_expect(db, answer->revision);
	} else if (last) {
		etcd_expect(db, (uint64_t)last->mod_revision);
	} else {
		ask_later(db, name, 0);
		return;
	}
	loop_timer_set(db->commit.timer, HEAR_MS, 0);
}

static void on_end(void *arg, int rc, const struct grpc_answer *got, const char *why)
{
	struct etcd *db = arg;
	auto_etcd_answer struct etcd_answer answer =
		etcd_answer(&pb__txn_response__descriptor, rc, got, why);

	db->commit.flow = NULL;
	if (answer.verdict == ETCD_OK) {
		sent(db, &answer);
	} else if (answer.verdict == ETCD_AGAIN) {
		db->commit.refusals = 0;
		try_later(db, answer.why);
	} else {
		refused(db, &answer);
	}
}

static void send_txn(struct etcd *db)
{
	auto_arena struct arena mem = { 0 };

	db->commit.tries++;
	request(db, etcd_txn(db, &mem, db->commit.txn, db->commit.number), on_end);
}

static void on_timer(void *arg)
{
	struct etcd *db = arg;

	grpc_stop(take(db->commit.flow));
	db->commit.ask(db);
}

/**
 * etcd_commit() - As store_backend.commit
 * @arg:      the database
 * @txn:      there until the end
 * @revision: not used: etcd gives them
 */
void etcd_commit(void *arg, const struct store_txn *txn, uint64_t revision)
{
	struct etcd *db = arg;

	db->commit.txn = txn;
	db->commit.number++;
	db->commit.ask = send_txn;
	db->commit.tries = db->commit.refusals = 0;
	db->commit.timer = loop_timer_add(db->loop, UINT64_MAX, 0, on_timer, db);
	if (db->commit.timer)
		send_txn(db);
	else
		fail(db, -ENOMEM, "");
}

/**
 * etcd_wait() - As store_backend.wait
 * @arg: the database
 *
 * Turns the loop; after a minute without an answer the commit ends with -ETIMEDOUT, though it may
 * have been done: for starts, which end with it.
 */
void etcd_wait(void *arg)
{
	struct etcd *db = arg;
	uint64_t until = loop_now_ms() + WAIT_MS;

	while (db->commit.txn && loop_now_ms() < until)
		loop_turn(db->loop, 100);
	if (!db->commit.txn)
		return;
	fail(db, -ETIMEDOUT, *db->trouble.why ? db->trouble.why : "etcd does not answer");
}

/**
 * etcd_commit_close() - Forget what is under way
 * @db: the database
 */
void etcd_commit_close(struct etcd *db)
{
	grpc_stop(take(db->commit.flow));
	loop_timer_del(take(db->commit.timer));
}
