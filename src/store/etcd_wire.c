/* SPDX-License-Identifier: Apache-2.0 */
/* What etcd's JSON gateway is asked and what it answers: bytes are base64, 64-bit numbers text. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "store/etcd.h"

#define MARK_SIZE 16 /* bytes of a hash */
#define VARIANT	  sodium_base64_VARIANT_ORIGINAL

/* google.golang.org/grpc/codes, with a part of the message where that tells more. First wins. */
static const struct {
	int code;
	const char *part;
	enum etcd_verdict verdict;
} verdicts[] = {
	{ 8, "space", ETCD_NO_SPACE },	      /* ErrGRPCNoSpace */
	{ 8, "larger than", ETCD_TOO_LARGE }, /* gRPC's own limit of a message */
	{ 8, "", ETCD_AGAIN },		      /* ErrGRPCTooManyRequests */
	{ 3, "too large", ETCD_TOO_LARGE },   /* ErrGRPCRequestTooLarge */
	{ 3, "too many", ETCD_TOO_LARGE },    /* ErrGRPCTooManyOps */
	{ 11, "compacted", ETCD_COMPACTED },  /* ErrGRPCCompacted */
	{ 3, "", ETCD_REFUSED },	      /* InvalidArgument: ours is wrong */
	{ 5, "", ETCD_REFUSED },	      /* NotFound */
	{ 12, "", ETCD_REFUSED },	      /* Unimplemented: another etcd */
	/* all others: no leader, timeouts, certificates and passwords that may be put right */
};

/**
 * etcd_judge() - What an answer means
 * @rc:     of the request, as httpc_call() says
 * @status: of the answer
 * @answer: its body; NULL: no JSON. Without a header of etcd's it is another program's
 * @why:    gets etcd's words, borrowed from @answer, or ""; unchanged if @rc
 *
 * Return: the verdict. Pure.
 */
enum etcd_verdict etcd_judge(int rc, int status, const json_t *answer, const char **why)
{
	const json_t *error = json_object_get(answer, "error");
	const json_t *of = json_is_object(error) ? error : answer;
	const json_t *header = json_object_get(answer, "header");
	int64_t code;

	if (rc)
		return ETCD_AGAIN;
	*why = json_string_value(json_object_get(of, "message")) ?: json_string_value(error) ?: "";
	if (status == 200 && !error && etcd_number(header, "revision"))
		return ETCD_OK;
	code = json_integer_value(json_object_get(of, "code"))
		       ?: json_integer_value(json_object_get(of, "grpc_code"));
	for (unsigned int i = 0; i < ARRAY_LEN(verdicts); i++)
		if (verdicts[i].code == code && strstr(*why, verdicts[i].part))
			return verdicts[i].verdict;
	return ETCD_AGAIN;
}

/**
 * etcd_base64() - Bytes as the gateway takes them
 * @data: bytes
 * @size: of them
 *
 * Return: a JSON string; NULL without memory.
 */
json_t *etcd_base64(const void *data, size_t size)
{
	size_t room = sodium_base64_encoded_len(size, VARIANT);
	auto_free char *text = malloc(room);

	if (!text)
		return NULL;
	sodium_bin2base64(text, room, data, size, VARIANT);
	return json_string_nocheck(text);
}

/**
 * etcd_decode() - Bytes as the gateway gives them
 * @text: a JSON string; NULL, or none: empty, as it leaves out what is
 * @size: gets their number; may be NULL
 *
 * Return: the bytes and a NUL, the caller's to free; NULL: not base64, or no memory.
 */
char *etcd_decode(const json_t *text, size_t *size)
{
	const char *base64 = json_string_value(text) ?: "";
	size_t len = strlen(base64), n = 0;
	auto_free char *out = malloc(len + 1);

	if (!out ||
	    sodium_base642bin((unsigned char *)out, len, base64, len, NULL, &n, NULL, VARIANT))
		return NULL;
	out[n] = '\0';
	if (size)
		*size = n;
	return take(out);
}

/**
 * etcd_number() - A 64-bit member, 0 where it is left out
 * @object: what has it
 * @name:   its name
 */
uint64_t etcd_number(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return json_is_integer(value) ? (uint64_t)json_integer_value(value)
				      : strtoull(json_string_value(value) ?: "", NULL, 10);
}

static json_t *number(uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	return json_string(text);
}

/* A key of this cloud. */
static void full_key(const struct etcd *db, char out[ETCD_KEY_LEN + 1], const char *space,
		     const char *key)
{
	snprintf(out, ETCD_KEY_LEN + 1, "%s/%s%s", db->prefix, space, key);
}

/**
 * etcd_key() - A key as etcd knows it
 * @db:    whose
 * @space: "doc" or "meta"
 * @key:   with its leading slash
 *
 * Return: base64; NULL without memory.
 */
json_t *etcd_key(const struct etcd *db, const char *space, const char *key)
{
	char full[ETCD_KEY_LEN + 1];

	full_key(db, full, space, key);
	return etcd_base64(full, strlen(full));
}

/**
 * etcd_range_of() - All keys under a prefix
 * @db:     whose
 * @space:  "doc" or "meta"; "": both
 * @prefix: "" for all
 *
 * Return: {"key", "range_end"}, for a range or a watch; NULL without memory.
 */
json_t *etcd_range_of(const struct etcd *db, const char *space, const char *prefix)
{
	char from[ETCD_KEY_LEN + 1], to[ETCD_KEY_LEN + 1];
	size_t len;

	full_key(db, from, space, *space && !*prefix ? "/" : prefix);
	strcpy(to, from);
	len = strlen(to);
	to[len - 1]++; /* keys are text: no byte is 0xff */
	return json_pack("{s:o, s:o}", "key", etcd_base64(from, len), "range_end",
			 etcd_base64(to, len));
}

static json_t *compare_version(const struct etcd *db, const struct store_op *op)
{
	return json_pack("{s:o, s:s, s:s, s:o}", "key", etcd_key(db, "doc", op->key), "target",
			 "MOD", "result", "EQUAL", "mod_revision", number(op->version));
}

/* Beside the prefix, so that nobody watches them; hashed, as they have names that tenants gave. */
static json_t *mark_key(const struct etcd *db, const char *mark)
{
	unsigned char hash[MARK_SIZE];
	char hex[2 * MARK_SIZE + 1], full[ETCD_KEY_LEN + 1];
	int len;

	crypto_generichash(hash, sizeof(hash), (const unsigned char *)mark, strlen(mark), NULL, 0);
	sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
	len = snprintf(full, sizeof(full), "%s~%s", db->prefix, hex);
	return etcd_base64(full, (size_t)len);
}

/* Each key of a range, and one that is absent, which has 0. */
static json_t *compare_calm(const struct etcd *db, const struct store_op *op)
{
	json_t *out = *op->key == '#' ? json_pack("{s:o}", "key", mark_key(db, op->key))
				      : etcd_range_of(db, "doc", op->key);

	if (out && (json_object_set_new(out, "target", json_string("MOD")) ||
		    json_object_set_new(out, "result", json_string("LESS")) ||
		    json_object_set_new(out, "mod_revision", number(op->version + 1)))) {
		json_decref(out);
		return NULL;
	}
	return out;
}

/**
 * etcd_last_key() - Where the outcome of this replica's last transaction stands
 * @db: whose
 *
 * Return: base64; NULL without memory.
 */
json_t *etcd_last_key(const struct etcd *db)
{
	char name[8 + UUID_STR_LEN];

	snprintf(name, sizeof(name), "/last/%s", db->replica);
	return etcd_key(db, "meta", name);
}

/**
 * etcd_get() - Ask for one pair
 * @key: a reference that is taken; may be NULL
 *
 * Return: the request's body; NULL without memory.
 */
json_t *etcd_get(json_t *key)
{
	return json_pack("{s:o}", "key", key);
}

/* last/ID is lower than this number: nothing with it has taken effect. */
static json_t *compare_last(const struct etcd *db, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%016llx", (unsigned long long)n);
	return json_pack("{s:o, s:s, s:s, s:o}", "key", etcd_last_key(db), "target", "VALUE",
			 "result", "LESS", "value", etcd_base64(text, strlen(text)));
}

static json_t *put(json_t *key, const char *text)
{
	return json_pack("{s:{s:o, s:o}}", "request_put", "key", key, "value",
			 etcd_base64(text, strlen(text)));
}

static json_t *put_last(const struct etcd *db, uint64_t n, const char *word)
{
	char text[32];

	snprintf(text, sizeof(text), "%016llx %s", (unsigned long long)n, word);
	return put(etcd_last_key(db), text);
}

/**
 * etcd_cloud() - Make the cloud, or find which one is there
 * @db: whose
 *
 * Return: the request's body; made or found, the last response has it. NULL without memory.
 */
json_t *etcd_cloud(const struct etcd *db)
{
	char id[UUID_STR_LEN], text[80];

	uuid_new(id);
	snprintf(text, sizeof(text), "{\"schema\":%d,\"id\":\"%s\"}", STORE_SCHEMA, id);
	return json_pack("{s:[{s:o, s:s, s:s, s:s}], s:[o, {s:{s:o}}], s:[{s:{s:o}}]}", "compare",
			 "key", etcd_key(db, "meta", "/cloud"), "target", "CREATE", "result",
			 "EQUAL", "create_revision", "0", "success",
			 put(etcd_key(db, "meta", "/cloud"), text), "request_range", "key",
			 etcd_key(db, "meta", "/cloud"), "failure", "request_range", "key",
			 etcd_key(db, "meta", "/cloud"));
}

/**
 * etcd_first_last() - Make last/ID, unless it is there
 * @db: whose
 *
 * Return: the request's body; NULL without memory.
 */
json_t *etcd_first_last(const struct etcd *db)
{
	return json_pack("{s:[{s:o, s:s, s:s, s:s}], s:[o]}", "compare", "key", etcd_last_key(db),
			 "target", "CREATE", "result", "EQUAL", "create_revision", "0", "success",
			 put_last(db, 0, "ok"));
}

static json_t *change(const struct etcd *db, const struct store_op *op)
{
	auto_free char *text = NULL;
	const char *doc;
	size_t len;

	if (op->kind == STORE_TOUCH)
		return put(mark_key(db, op->key), "");
	if (op->kind == STORE_DELETE)
		return json_pack("{s:{s:o}}", "request_delete_range", "key",
				 etcd_key(db, "doc", op->key));
	doc = record_text(op->doc, &len);
	text = doc ? seal_write(db->seal, op->key, doc, len) : NULL;
	return text ? put(etcd_key(db, "doc", op->key), text) : NULL;
}

/**
 * etcd_txn() - A transaction as etcd takes it
 * @db:     whose
 * @txn:    comparisons and changes
 * @number: of the replica's transactions
 *
 * Return: the request's body; NULL without memory. If it does nothing, as one with this number did
 * before or last/ID is gone, the answer has last/ID.
 */
json_t *etcd_txn(const struct etcd *db, const struct store_txn *txn, uint64_t number)
{
	auto_of(json_decref) json_t *compare = json_array(), *success = json_array();
	int rc = 0;

	for (unsigned int i = 0; i < txn->n_ops && !rc; i++) {
		const struct store_op *op = &txn->ops[i];

		if (op->kind == STORE_CHECK)
			rc = json_array_append_new(compare, compare_version(db, op));
		else if (op->kind == STORE_CALM)
			rc = json_array_append_new(compare, compare_calm(db, op));
		else
			rc = json_array_append_new(success, change(db, op));
	}
	if (rc || json_array_append_new(compare, compare_last(db, number)) ||
	    json_array_append_new(success, put(etcd_key(db, "meta", "/rev"), "")) ||
	    json_array_append_new(success, put_last(db, number, "ok")))
		return NULL;
	return json_pack("{s:O, s:O, s:[{s:{s:[o], s:[o], s:[{s:o}]}}]}", "compare", compare,
			 "success", success, "failure", "request_txn", "compare",
			 compare_last(db, number), "success", put_last(db, number, "no"), "failure",
			 "request_range", etcd_get(etcd_last_key(db)));
}

/* What stands behind the cloud's prefix and a space; NULL: it is another's. */
static const char *name_in(const struct etcd *db, const json_t *kv, const char *space,
			   char buf[ETCD_KEY_LEN + 1])
{
	auto_free char *key = etcd_decode(json_object_get(kv, "key"), NULL);
	int len = snprintf(buf, ETCD_KEY_LEN + 1, "%s/%s/", db->prefix, space);

	if (!key || strncmp(key, buf, (size_t)len) || strlen(key + len - 1) > STORE_KEY_LEN)
		return NULL;
	strcpy(buf, key);
	return buf + len - 1;
}

/**
 * etcd_is_last() - Has a pair the outcome of this replica's last transaction?
 * @db: whose
 * @kv: the pair
 */
bool etcd_is_last(const struct etcd *db, const json_t *kv)
{
	char buf[ETCD_KEY_LEN + 1];
	const char *name = name_in(db, kv, "meta", buf);

	return name && !strncmp(name, "/last/", 6) && !strcmp(name + 6, db->replica);
}

/**
 * etcd_beat_of() - Who a pair says is alive
 * @db:  whose
 * @kv:  the pair
 * @buf: room
 *
 * Return: in @buf; NULL: it is no beat.
 */
const char *etcd_beat_of(const struct etcd *db, const json_t *kv, char buf[ETCD_KEY_LEN + 1])
{
	const char *name = name_in(db, kv, "meta", buf);

	return name && !strncmp(name, "/beat/", 6) ? name + 6 : NULL;
}

/**
 * etcd_name_of() - Whose a pair is
 * @db:  whose cloud's
 * @kv:  the pair
 * @buf: room
 *
 * Return: as it is beaten, in @buf: of a beat, or "replica/ID" of a last/ID; NULL: it is nobody's.
 */
const char *etcd_name_of(const struct etcd *db, const json_t *kv, char buf[ETCD_KEY_LEN + 1])
{
	char id[UUID_STR_LEN];
	const char *name = name_in(db, kv, "meta", buf);

	if (!name || strncmp(name, "/last/", 6))
		return etcd_beat_of(db, kv, buf);
	snprintf(id, sizeof(id), "%s", name + 6);
	snprintf(buf, ETCD_KEY_LEN + 1, "replica/%s", id);
	return buf;
}

/**
 * etcd_first_kv() - The pair that an answer to a range begins with
 * @range: the answer, or one within an answer to a transaction
 *
 * Return: borrowed; NULL: it has none.
 */
const json_t *etcd_first_kv(const json_t *range)
{
	return json_array_get(json_object_get(range, "kvs"), 0);
}

/**
 * etcd_take_doc() - The document of a pair
 * @db:  whose
 * @kv:  key and value, the latter left out of deletions
 * @key: gets the key, in @buf; NULL: it is none of a document
 * @doc: gets the document, a reference of the caller's; NULL: of a deletion
 * @buf: room
 * @e:   why not
 *
 * Return: 0; -EBADMSG, as seal_read() says; -ENOMEM.
 */
int etcd_take_doc(const struct etcd *db, const json_t *kv, const char **key, struct record **doc,
		  char buf[ETCD_KEY_LEN + 1], struct err *e)
{
	auto_free char *text = NULL, *opened = NULL;
	size_t size, len;

	*doc = NULL;
	*key = name_in(db, kv, "doc", buf);
	if (!*key || !json_object_get(kv, "value"))
		return 0;
	text = etcd_decode(json_object_get(kv, "value"), &size);
	if (!text)
		return err_set(e, -EBADMSG, "%s: not base64", *key);
	opened = seal_read(db->seal, *key, text, size, &len, e);
	if (!opened)
		return -EBADMSG;
	*doc = record_of_text(opened, len);
	return *doc ? 0 : -ENOMEM;
}
