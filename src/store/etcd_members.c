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

/**
 * etcd_request() - Ask the member that answered last
 * @db:         whose
 * @path:       of the gateway
 * @body:       of the request
 * @timeout_ms: for all of it; < 0: a stream
 * @handlers:   of its answer
 * @out:        gets the flow
 *
 * Return: 0; -ENOMEM; -ESTALE: etcd is not what it was, and nothing is asked any more.
 */
int etcd_request(struct etcd *db, const char *path, const json_t *body, int timeout_ms,
		 const struct httpm_handlers *handlers, struct httpm_flow **out)
{
	auto_free char *text = json_dumps(body, JSON_COMPACT), *url = NULL;

	if (*db->back)
		return -ESTALE;
	if (!text || asprintf(&url, "%s%s", db->urls[db->at], path) < 0)
		return -ENOMEM;
	return httpm_start(db->http,
			   &(struct httpc_req){ .method = "POST",
						.url = url,
						.body = text,
						.body_size = strlen(text),
						.timeout_ms = timeout_ms,
						.max_size = ETCD_ANSWER_MAX,
						.headers = { "Grpc-Metadata-hasleader: true" },
						.trust = &db->trust },
			   handlers, out);
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

static int ask_once(struct etcd *db, const char *path, const char *body, json_t **answer,
		    struct err *e)
{
	auto_of(httpc_close) struct httpc *http = NULL;
	auto_httpc_answer struct httpc_answer got = { 0 };
	auto_free char *url = NULL;
	const char *why = "";
	int rc = httpc_open(&http, e);

	if (rc || asprintf(&url, "%s%s", db->urls[db->at], path) < 0)
		return -ENOMEM;
	rc = httpc_call(http,
			&(struct httpc_req){ .method = "POST",
					     .url = url,
					     .body = body,
					     .body_size = strlen(body),
					     .timeout_ms = CALL_MS,
					     .max_size = ETCD_ANSWER_MAX,
					     .trust = &db->trust },
			&got, e);
	if (rc)
		return rc == -EMSGSIZE || rc == -EKEYREJECTED ? rc : -EAGAIN;
	*answer = json_loads(got.body, 0, NULL);
	switch (etcd_judge(0, got.status, *answer, &why)) {
	case ETCD_OK:
		return 0;
	case ETCD_AGAIN:
		return err_set(e, -EAGAIN, "%s: %s", url, *why ? why : "no answer of etcd's");
	case ETCD_NO_SPACE:
		return err_set(e, -ENOSPC, "%s: %s", url, why);
	case ETCD_TOO_LARGE:
		return err_set(e, -EMSGSIZE, "%s: %s", url, why);
	case ETCD_COMPACTED:
		return err_set(e, -ESTALE, "%s: %s", url, why);
	default:
		return err_set(e, -EINVAL, "%s: %s", url, why);
	}
}

/**
 * etcd_call() - A request, whichever member answers it
 * @db:     whose
 * @path:   of the gateway
 * @body:   of the request; it may be made more than once
 * @answer: the caller's reference
 * @e:      why not
 *
 * Return: 0; -ETIMEDOUT: none did within a minute; -EKEYREJECTED: no member's certificate is to be
 * believed, or ours cannot be read; -EMSGSIZE: the request or the answer is too large; -ESTALE: a
 * revision is compacted; -ENOSPC; -EINVAL; -ENOMEM.
 * Context: blocks.
 */
int etcd_call(struct etcd *db, const char *path, const json_t *body, json_t **answer, struct err *e)
{
	auto_free char *text = json_dumps(body, JSON_COMPACT);
	uint64_t until = loop_now_ms() + START_MS;
	unsigned int rejected = 0;
	struct err why;
	int rc = text ? -EAGAIN : -ENOMEM;

	for (unsigned int i = 0; rc == -EAGAIN && loop_now_ms() < until; i++) {
		why = (struct err){ 0 };
		rc = ask_once(db, path, text, answer, &why);
		rejected = rc == -EKEYREJECTED ? rejected + 1 : 0;
		if (rejected && rejected < db->n_urls)
			rc = -EAGAIN;
		if (rc != -EAGAIN)
			break;
		json_decref(take(*answer));
		etcd_next_member(db, &db->trouble, why.msg);
		if (i % db->n_urls == db->n_urls - 1)
			sleep_ms(250);
	}
	if (!rc) {
		etcd_works(db, &db->trouble);
		return 0;
	}
	return err_set(e, rc == -EAGAIN ? -ETIMEDOUT : rc, "%s", text ? why.msg : "out of memory");
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
