/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to whichever member answers, and what they say of the state of etcd. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "store/etcd.h"

#define CALL_MS	 5000  /* a blocking request to one member */
#define START_MS 60000 /* for one to answer, at a start */
#define DUE_MS	 3000  /* that the watch may lag behind what another request has seen */

/* What can be asked, where, and what the answer is. */
static const struct call {
	const ProtobufCMessageDescriptor *request;
	const char *path;
	const ProtobufCMessageDescriptor *answer;
} calls[] = {
	{ &pb__range_request__descriptor, "/etcdserverpb.KV/Range",
	  &pb__range_response__descriptor },
	{ &pb__txn_request__descriptor, "/etcdserverpb.KV/Txn", &pb__txn_response__descriptor },
	{ &pb__watch_request__descriptor, "/etcdserverpb.Watch/Watch",
	  &pb__watch_response__descriptor },
};

static const struct call *call_of(const ProtobufCMessage *request)
{
	unsigned int i = 0;

	while (calls[i].request != request->descriptor)
		i++;
	return &calls[i];
}

/* -ENOMEM. */
static int start(const struct etcd *db, struct grpc *grpc, const void *request, int timeout_ms,
		 const struct grpc_handlers *handlers, struct grpc_call **out)
{
	size_t size = request ? protobuf_c_message_get_packed_size(request) : 0;
	auto_free uint8_t *message = malloc(size + 1);

	if (!request || !message)
		return -ENOMEM;
	protobuf_c_message_pack(request, message);
	return grpc_start(grpc,
			  &(struct grpc_req){ .origin = db->urls[db->at],
					      .path = call_of(request)->path,
					      .metadata = { "hasleader", "true" },
					      .message = message,
					      .size = size,
					      .timeout_ms = timeout_ms,
					      .max_size = ETCD_ANSWER_MAX },
			  handlers, out);
}

/**
 * etcd_request() - Ask the member that answered last
 * @db:         whose
 * @request:    a message of etcd.proto; NULL: there was no memory for it
 * @timeout_ms: for all of it; < 0: a stream
 * @handlers:   of its answer
 * @out:        gets the call
 *
 * Return: 0; -ENOMEM; -ESTALE: etcd is not what it was, and nothing is asked any more.
 */
int etcd_request(struct etcd *db, const void *request, int timeout_ms,
		 const struct grpc_handlers *handlers, struct grpc_call **out)
{
	return *db->back ? -ESTALE : start(db, db->grpc, request, timeout_ms, handlers, out);
}

/**
 * etcd_next_member() - The one that was asked has failed
 * @db:      whose
 * @trouble: of what it was asked for
 * @why:     a sentence
 */
void etcd_next_member(struct etcd *db, struct etcd_trouble *trouble, const char *why)
{
	why = *why ? why : "no answer of etcd's";
	if (!*trouble->why) {
		trouble->since_ms = loop_now_ms();
		log_warn("etcd does not answer as it should", "member=%s why=\"%s\"",
			 db->urls[db->at], why);
	}
	snprintf(trouble->why, sizeof(trouble->why), "%s", why);
	db->at = (db->at + 1) % db->n_urls;
}

/**
 * etcd_works() - A member has answered as it should
 * @db:      whose
 * @trouble: which is over
 */
void etcd_works(struct etcd *db, struct etcd_trouble *trouble)
{
	if (*trouble->why)
		log_info("etcd answers", "member=%s after_ms=%llu", db->urls[db->at],
			 (unsigned long long)(loop_now_ms() - trouble->since_ms));
	*trouble->why = '\0';
}

/* A call that is waited for. */
struct wait {
	const ProtobufCMessageDescriptor *of;
	struct etcd_answer *answer;
	int rc; /* > 0: it is under way */
};

static void on_waited(void *arg, int rc, const struct grpc_answer *got, const char *why)
{
	struct wait *w = arg;

	*w->answer = etcd_answer(w->of, rc, got, why);
	w->rc = rc;
}

/* In a loop of its own: nothing else goes on meanwhile. */
static int ask_and_wait(const struct etcd *db, const void *request, struct etcd_answer *answer)
{
	struct wait w = { call_of(request)->answer, answer, 1 };
	auto_of(loop_free) struct loop *loop = loop_new(NULL);
	auto_of(grpc_close) struct grpc *grpc = NULL;
	struct grpc_call *call;
	int rc = loop ? grpc_open(loop, &db->trust, &grpc) : -ENOMEM;

	rc = rc
		     ?: start(db, grpc, request, CALL_MS,
			      &(struct grpc_handlers){ NULL, on_waited, &w }, &call);
	if (rc)
		return rc;
	while (w.rc > 0)
		loop_turn(loop, CALL_MS);
	return w.rc;
}

static int ask_once(const struct etcd *db, const void *request, struct etcd_answer *answer,
		    struct err *e)
{
	int rc = ask_and_wait(db, request, answer);

	if (rc)
		return err_set(
			e, rc == -EMSGSIZE || rc == -EKEYREJECTED || rc == -ENOMEM ? rc : -EAGAIN,
			"%s", answer->why);
	switch (answer->verdict) {
	case ETCD_OK:
		return 0;
	case ETCD_AGAIN:
		return err_set(e, -EAGAIN, "%s: %s", db->urls[db->at],
			       *answer->why ? answer->why : "no answer of etcd's");
	case ETCD_NO_SPACE:
		return err_set(e, -ENOSPC, "%s: %s", db->urls[db->at], answer->why);
	case ETCD_TOO_LARGE:
		return err_set(e, -EMSGSIZE, "%s: %s", db->urls[db->at], answer->why);
	case ETCD_COMPACTED:
		return err_set(e, -ESTALE, "%s: %s", db->urls[db->at], answer->why);
	default:
		return err_set(e, -EINVAL, "%s: %s", db->urls[db->at], answer->why);
	}
}

/**
 * etcd_call() - A request, whichever member answers it
 * @db:      whose
 * @request: as etcd_request() says; it may be made more than once
 * @answer:  gets it; ended with etcd_answer_clear() in any case
 * @e:       why not
 *
 * Return: 0; -ETIMEDOUT: none did within a minute; -EKEYREJECTED: no member's certificate is to be
 * believed, or ours cannot be read; -EMSGSIZE: the request or the answer is too large; -ESTALE: a
 * revision is compacted; -ENOSPC; -EINVAL; -ENOMEM.
 * Context: blocks.
 */
int etcd_call(struct etcd *db, const void *request, struct etcd_answer *answer, struct err *e)
{
	uint64_t until = loop_now_ms() + START_MS;
	unsigned int rejected = 0;
	struct err why = { 0 };
	int rc = request ? -EAGAIN : err_set(&why, -ENOMEM, "out of memory");

	*answer = (struct etcd_answer){ .verdict = ETCD_AGAIN };
	for (unsigned int i = 0; rc == -EAGAIN && loop_now_ms() < until; i++) {
		why = (struct err){ 0 };
		etcd_answer_clear(answer);
		rc = ask_once(db, request, answer, &why);
		rejected = rc == -EKEYREJECTED ? rejected + 1 : 0;
		if (rejected && rejected < db->n_urls)
			rc = -EAGAIN;
		if (rc != -EAGAIN)
			break;
		etcd_next_member(db, &db->trouble, why.msg);
		if (i % db->n_urls == db->n_urls - 1)
			sleep_ms(250);
	}
	if (!rc) {
		etcd_works(db, &db->trouble);
		return 0;
	}
	return err_set(e, rc == -EAGAIN ? -ETIMEDOUT : rc, "%s", why.msg);
}

/**
 * etcd_expect() - The watch has to come to a revision soon, or is asked for anew
 * @db:       whose
 * @revision: that another answer told of
 */
void etcd_expect(struct etcd *db, uint64_t revision)
{
	db->watch.later = MAX(db->watch.later, revision);
	etcd_await(db);
}

/**
 * etcd_await() - Give the watch time for the newest revision that is known, one by one
 * @db: whose
 */
void etcd_await(struct etcd *db)
{
	if (!db->watch.flow || db->watch.due > db->revision)
		return;
	db->watch.due = db->watch.later > db->revision ? db->watch.later : 0;
	loop_timer_set(db->watch.timer, db->watch.due ? DUE_MS : UINT64_MAX, 0);
}
