/* SPDX-License-Identifier: Apache-2.0 */
/* What etcd is asked: requests, made in an arena whose memory all of it is. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "store/etcd.h"

#define MARK_SIZE 16 /* bytes of a hash */

static void *make(struct arena *mem, const ProtobufCMessageDescriptor *of)
{
	void *out = arena_alloc(mem, of->sizeof_message);

	if (out)
		protobuf_c_message_init(of, out);
	return out;
}

static bool set(struct arena *mem, ProtobufCBinaryData *out, const char *text, size_t len)
{
	out->len = len;
	out->data = arena_alloc(mem, len);
	if (out->data)
		memcpy(out->data, text, len);
	return out->data;
}

/* A key of this cloud. */
static int full_key(const struct etcd *db, char out[ETCD_KEY_LEN + 1], const char *space,
		    const char *key)
{
	return snprintf(out, ETCD_KEY_LEN + 1, "%s/%s%s", db->prefix, space, key);
}

static bool set_key(const struct etcd *db, struct arena *mem, ProtobufCBinaryData *out,
		    const char *space, const char *key)
{
	char full[ETCD_KEY_LEN + 1];

	return set(mem, out, full, (size_t)full_key(db, full, space, key));
}

/* Where the outcome of this replica's last transaction stands. */
static bool set_last_key(const struct etcd *db, struct arena *mem, ProtobufCBinaryData *out)
{
	char name[8 + UUID_STR_LEN];

	snprintf(name, sizeof(name), "/last/%s", db->replica);
	return set_key(db, mem, out, "meta", name);
}

/* Beside the prefix, so that nobody watches them; hashed, as they have names that tenants gave. */
static bool set_mark_key(const struct etcd *db, struct arena *mem, ProtobufCBinaryData *out,
			 const char *mark)
{
	unsigned char hash[MARK_SIZE];
	char hex[2 * MARK_SIZE + 1], full[ETCD_KEY_LEN + 1];

	crypto_generichash(hash, sizeof(hash), (const unsigned char *)mark, strlen(mark), NULL, 0);
	sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
	return set(mem, out, full, (size_t)snprintf(full, sizeof(full), "%s~%s", db->prefix, hex));
}

/**
 * etcd_span() - All keys under a prefix
 * @db:     whose
 * @mem:    gets them
 * @space:  "doc" or "meta"; "": both
 * @prefix: "" for all
 * @from:   gets the first
 * @to:     gets the one behind the last
 *
 * Return: false without memory.
 */
bool etcd_span(const struct etcd *db, struct arena *mem, const char *space, const char *prefix,
	       ProtobufCBinaryData *from, ProtobufCBinaryData *to)
{
	char key[ETCD_KEY_LEN + 1];
	size_t len = (size_t)full_key(db, key, space, *space && !*prefix ? "/" : prefix);

	if (!set(mem, from, key, len) || !set(mem, to, key, len))
		return false;
	to->data[len - 1]++; /* keys are text: no byte is 0xff */
	return true;
}

/**
 * etcd_range() - Ask for all pairs under a prefix
 * @db:     whose
 * @mem:    gets the request
 * @space:  as etcd_span() says
 * @prefix: likewise
 *
 * Return: the request; NULL without memory.
 */
Pb__RangeRequest *etcd_range(const struct etcd *db, struct arena *mem, const char *space,
			     const char *prefix)
{
	Pb__RangeRequest *out = make(mem, &pb__range_request__descriptor);

	return out && etcd_span(db, mem, space, prefix, &out->key, &out->range_end) ? out : NULL;
}

/**
 * etcd_get_rev() - Ask for the newest revision of the cloud
 * @db:  whose
 * @mem: gets the request
 *
 * Return: the request; NULL without memory.
 */
Pb__RangeRequest *etcd_get_rev(const struct etcd *db, struct arena *mem)
{
	Pb__RangeRequest *out = make(mem, &pb__range_request__descriptor);

	return out && set_key(db, mem, &out->key, "meta", "/rev") ? out : NULL;
}

/**
 * etcd_get_last() - Ask for the outcome of this replica's last transaction
 * @db:  whose
 * @mem: gets the request
 *
 * Return: the request; NULL without memory.
 */
Pb__RangeRequest *etcd_get_last(const struct etcd *db, struct arena *mem)
{
	Pb__RangeRequest *out = make(mem, &pb__range_request__descriptor);

	return out && set_last_key(db, mem, &out->key) ? out : NULL;
}

/**
 * etcd_watch() - Ask for all changes of the cloud
 * @db:   whose
 * @mem:  gets the request
 * @from: the first revision
 *
 * Return: the request; NULL without memory.
 */
Pb__WatchRequest *etcd_watch(const struct etcd *db, struct arena *mem, uint64_t from)
{
	Pb__WatchRequest *out = make(mem, &pb__watch_request__descriptor);
	Pb__WatchCreateRequest *what = make(mem, &pb__watch_create_request__descriptor);

	if (!out || !what || !etcd_span(db, mem, "", "", &what->key, &what->range_end))
		return NULL;
	what->start_revision = (int64_t)from;
	out->request_union_case = PB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
	out->create_request = what;
	return out;
}

/* part: of that kind; NULL: no memory. */
static Pb__RequestOp *op(struct arena *mem, Pb__RequestOp__RequestCase kind, void *part)
{
	Pb__RequestOp *out = part ? make(mem, &pb__request_op__descriptor) : NULL;

	if (out) {
		out->request_case = kind;
		out->request_txn = part;
	}
	return out;
}

static Pb__RequestOp *op_put(struct arena *mem, Pb__PutRequest *put)
{
	return op(mem, PB__REQUEST_OP__REQUEST_REQUEST_PUT, put);
}

static Pb__RequestOp *op_range(struct arena *mem, Pb__RangeRequest *range)
{
	return op(mem, PB__REQUEST_OP__REQUEST_REQUEST_RANGE, range);
}

static Pb__PutRequest *put(const struct etcd *db, struct arena *mem, const char *space,
			   const char *key, const char *text)
{
	Pb__PutRequest *out = make(mem, &pb__put_request__descriptor);

	return out && set_key(db, mem, &out->key, space, key) &&
			       set(mem, &out->value, text, strlen(text))
		       ? out
		       : NULL;
}

static Pb__PutRequest *put_last(const struct etcd *db, struct arena *mem, uint64_t n,
				const char *word)
{
	Pb__PutRequest *out = make(mem, &pb__put_request__descriptor);
	char text[32];
	int len = snprintf(text, sizeof(text), "%016llx %s", (unsigned long long)n, word);

	return out && set_last_key(db, mem, &out->key) && set(mem, &out->value, text, (size_t)len)
		       ? out
		       : NULL;
}

static Pb__PutRequest *put_mark(const struct etcd *db, struct arena *mem, const char *mark)
{
	Pb__PutRequest *out = make(mem, &pb__put_request__descriptor);

	return out && set_mark_key(db, mem, &out->key, mark) ? out : NULL;
}

static Pb__Compare *compare(struct arena *mem, Pb__Compare__CompareTarget target,
			    Pb__Compare__CompareResult result)
{
	Pb__Compare *out = make(mem, &pb__compare__descriptor);

	if (out) {
		out->target = target;
		out->result = result;
	}
	return out;
}

static void set_revision(Pb__Compare *c, uint64_t revision)
{
	c->target_union_case = PB__COMPARE__TARGET_UNION_MOD_REVISION;
	c->mod_revision = (int64_t)revision;
}

static Pb__Compare *compare_version(const struct etcd *db, struct arena *mem,
				    const struct store_op *o)
{
	Pb__Compare *out =
		compare(mem, PB__COMPARE__COMPARE_TARGET__MOD, PB__COMPARE__COMPARE_RESULT__EQUAL);

	if (!out || !set_key(db, mem, &out->key, "doc", o->key))
		return NULL;
	set_revision(out, o->version);
	return out;
}

/* Each key of a range, and one that is absent, which has 0. */
static Pb__Compare *compare_calm(const struct etcd *db, struct arena *mem, const struct store_op *o)
{
	Pb__Compare *out =
		compare(mem, PB__COMPARE__COMPARE_TARGET__MOD, PB__COMPARE__COMPARE_RESULT__LESS);

	if (!out ||
	    !(*o->key == '#' ? set_mark_key(db, mem, &out->key, o->key)
			     : etcd_span(db, mem, "doc", o->key, &out->key, &out->range_end)))
		return NULL;
	set_revision(out, o->version + 1);
	return out;
}

/* last/ID is lower than this number: nothing with it has taken effect. */
static Pb__Compare *compare_last(const struct etcd *db, struct arena *mem, uint64_t n)
{
	Pb__Compare *out =
		compare(mem, PB__COMPARE__COMPARE_TARGET__VALUE, PB__COMPARE__COMPARE_RESULT__LESS);
	char text[24];
	int len = snprintf(text, sizeof(text), "%016llx", (unsigned long long)n);

	if (!out || !set_last_key(db, mem, &out->key) || !set(mem, &out->value, text, (size_t)len))
		return NULL;
	out->target_union_case = PB__COMPARE__TARGET_UNION_VALUE;
	return out;
}

/* A key is not there. */
static Pb__Compare *compare_absent(struct arena *mem, ProtobufCBinaryData key)
{
	Pb__Compare *out = compare(mem, PB__COMPARE__COMPARE_TARGET__CREATE,
				   PB__COMPARE__COMPARE_RESULT__EQUAL);

	if (out) {
		out->key = key;
		out->target_union_case = PB__COMPARE__TARGET_UNION_CREATE_REVISION;
	}
	return out;
}

/**
 * etcd_changes() - A transaction that compares nothing yet and changes nothing yet
 * @mem:      gets the request
 * @compares: room for so many comparisons, ...
 * @success:  ... so many operations if they hold, ...
 * @failure:  ... so many if not
 *
 * Return: the request; NULL without memory.
 */
Pb__TxnRequest *etcd_changes(struct arena *mem, unsigned int compares, unsigned int success,
			     unsigned int failure)
{
	Pb__TxnRequest *out = make(mem, &pb__txn_request__descriptor);

	if (!out)
		return NULL;
	out->compare = arena_alloc(mem, compares * sizeof(*out->compare));
	out->success = arena_alloc(mem, success * sizeof(*out->success));
	out->failure = arena_alloc(mem, failure * sizeof(*out->failure));
	return out->compare && out->success && out->failure ? out : NULL;
}

static bool if_holds(Pb__TxnRequest *txn, Pb__Compare *c)
{
	if (c)
		txn->compare[txn->n_compare++] = c;
	return c;
}

static bool then(Pb__TxnRequest *txn, Pb__RequestOp *o)
{
	if (o)
		txn->success[txn->n_success++] = o;
	return o;
}

static bool otherwise(Pb__TxnRequest *txn, Pb__RequestOp *o)
{
	if (o)
		txn->failure[txn->n_failure++] = o;
	return o;
}

/**
 * etcd_add_beat() - Say that a name is alive
 * @db:   whose
 * @mem:  of @txn
 * @txn:  with room for it
 * @name: who
 *
 * Return: false without memory.
 */
bool etcd_add_beat(const struct etcd *db, struct arena *mem, Pb__TxnRequest *txn, const char *name)
{
	char key[STORE_KEY_LEN + 1];

	snprintf(key, sizeof(key), "/beat/%s", name);
	return then(txn, op_put(mem, put(db, mem, "meta", key, "")));
}

/**
 * etcd_add_delete() - Delete a pair
 * @mem: of @txn
 * @txn: with room for it
 * @key: borrowed
 *
 * Return: false without memory.
 */
bool etcd_add_delete(struct arena *mem, Pb__TxnRequest *txn, ProtobufCBinaryData key)
{
	Pb__DeleteRangeRequest *del = make(mem, &pb__delete_range_request__descriptor);

	if (del)
		del->key = key;
	return then(txn, op(mem, PB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE, del));
}

/**
 * etcd_cloud() - Make the cloud, or find which one is there
 * @db:  whose
 * @mem: gets the request
 *
 * Return: the request; made or found, the last response has it. NULL without memory.
 */
Pb__TxnRequest *etcd_cloud(const struct etcd *db, struct arena *mem)
{
	Pb__TxnRequest *out = etcd_changes(mem, 1, 2, 1);
	Pb__RangeRequest *get = make(mem, &pb__range_request__descriptor);
	char id[UUID_STR_LEN], text[80];

	uuid_new(id);
	snprintf(text, sizeof(text), "{\"schema\":%d,\"id\":\"%s\"}", STORE_SCHEMA, id);
	return out && get && set_key(db, mem, &get->key, "meta", "/cloud") &&
			       if_holds(out, compare_absent(mem, get->key)) &&
			       then(out, op_put(mem, put(db, mem, "meta", "/cloud", text))) &&
			       then(out, op_range(mem, get)) && otherwise(out, op_range(mem, get))
		       ? out
		       : NULL;
}

/**
 * etcd_first_last() - Make last/ID, unless it is there
 * @db:    whose
 * @mem:   gets the request
 * @times: that it is compared: 1, or as often as etcd must be able to
 *
 * Return: the request; NULL without memory.
 */
Pb__TxnRequest *etcd_first_last(const struct etcd *db, struct arena *mem, unsigned int times)
{
	Pb__TxnRequest *out = etcd_changes(mem, times, 1, 0);
	Pb__PutRequest *first = put_last(db, mem, 0, "ok");
	Pb__Compare *absent = first ? compare_absent(mem, first->key) : NULL;

	if (!out || !then(out, op_put(mem, first)))
		return NULL;
	for (unsigned int i = 0; i < times; i++)
		if (!if_holds(out, absent))
			return NULL;
	return out;
}

static bool add_change(const struct etcd *db, struct arena *mem, Pb__TxnRequest *txn,
		       const struct store_op *o)
{
	ProtobufCBinaryData key;
	auto_free char *text = NULL;
	const char *doc;
	size_t len;

	if (o->kind == STORE_TOUCH)
		return then(txn, op_put(mem, put_mark(db, mem, o->key)));
	if (o->kind == STORE_DELETE)
		return set_key(db, mem, &key, "doc", o->key) && etcd_add_delete(mem, txn, key);
	doc = record_text(o->doc, &len);
	text = doc ? seal_write(db->seal, o->key, doc, len) : NULL;
	return text && then(txn, op_put(mem, put(db, mem, "doc", o->key, text)));
}

static bool add_op(const struct etcd *db, struct arena *mem, Pb__TxnRequest *txn,
		   const struct store_op *o)
{
	switch (o->kind) {
	case STORE_CHECK:
		return if_holds(txn, compare_version(db, mem, o));
	case STORE_CALM:
		return if_holds(txn, compare_calm(db, mem, o));
	default:
		return add_change(db, mem, txn, o);
	}
}

/* What is done where a transaction is not: it is said, or, if it was done before, told. */
static Pb__TxnRequest *not_done(const struct etcd *db, struct arena *mem, uint64_t number)
{
	Pb__TxnRequest *out = etcd_changes(mem, 1, 1, 1);

	return out && if_holds(out, compare_last(db, mem, number)) &&
			       then(out, op_put(mem, put_last(db, mem, number, "no"))) &&
			       otherwise(out, op_range(mem, etcd_get_last(db, mem)))
		       ? out
		       : NULL;
}

/**
 * etcd_txn() - A transaction as etcd takes it
 * @db:     whose
 * @mem:    gets the request
 * @txn:    comparisons and changes
 * @number: of the replica's transactions
 *
 * Return: the request; NULL without memory. If it does nothing, as one with this number did before
 * or last/ID is gone, the answer has last/ID.
 */
Pb__TxnRequest *etcd_txn(const struct etcd *db, struct arena *mem, const struct store_txn *txn,
			 uint64_t number)
{
	Pb__TxnRequest *out = etcd_changes(mem, txn->n_ops + 1, txn->n_ops + 2, 1);
	bool ok = out;

	for (unsigned int i = 0; i < txn->n_ops && ok; i++)
		ok = add_op(db, mem, out, &txn->ops[i]);
	return ok && if_holds(out, compare_last(db, mem, number)) &&
			       then(out, op_put(mem, put(db, mem, "meta", "/rev", ""))) &&
			       then(out, op_put(mem, put_last(db, mem, number, "ok"))) &&
			       otherwise(out, op(mem, PB__REQUEST_OP__REQUEST_REQUEST_TXN,
						 not_done(db, mem, number)))
		       ? out
		       : NULL;
}
