/* SPDX-License-Identifier: Apache-2.0 */
/* What etcd answers, and what others say in its place. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/etcd.h"

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
 * @status:   grpc-status; < 0: it has none
 * @why:      grpc-message
 * @revision: of its header; 0: it has none, and is no answer of etcd's
 *
 * Return: the verdict. Pure.
 */
enum etcd_verdict etcd_judge(int status, const char *why, uint64_t revision)
{
	if (!status && revision)
		return ETCD_OK;
	for (unsigned int i = 0; i < ARRAY_LEN(verdicts); i++)
		if (verdicts[i].code == status && strstr(why, verdicts[i].part))
			return verdicts[i].verdict;
	return ETCD_AGAIN;
}

static void *give(void *mem, size_t size)
{
	return arena_alloc(mem, size);
}

static void keep(void *mem, void *at)
{
}

/**
 * etcd_message() - A message that came
 * @mem:  gets it
 * @of:   what it is
 * @data: its bytes
 * @size: of them
 *
 * Return: the message; NULL: it is no such message, or there is no memory.
 */
void *etcd_message(struct arena *mem, const ProtobufCMessageDescriptor *of, const void *data,
		   size_t size)
{
	ProtobufCAllocator in = { give, keep, mem };

	return protobuf_c_message_unpack(of, &in, size, data);
}

/* All of them begin so. */
struct any {
	ProtobufCMessage base;
	const Pb__ResponseHeader *header;
};

/**
 * etcd_answer() - What came of a request
 * @of:  what its answer is to be
 * @rc:  as grpc_handlers.on_end says
 * @got: likewise
 * @why: likewise
 *
 * Return: the answer, ended with etcd_answer_clear().
 */
struct etcd_answer etcd_answer(const ProtobufCMessageDescriptor *of, int rc,
			       const struct grpc_answer *got, const char *why)
{
	struct etcd_answer out = { .verdict = ETCD_AGAIN };
	struct any *any = NULL;

	snprintf(out.why, sizeof(out.why), "%s", rc ? why : got->words);
	if (rc)
		return out;
	if (got->message)
		any = etcd_message(&out.mem, of, got->message, got->size);
	if (any && any->header)
		out.revision = (uint64_t)any->header->revision;
	out.verdict = etcd_judge(got->status, out.why, out.revision);
	if (out.verdict == ETCD_OK)
		out.any = any;
	return out;
}

/**
 * etcd_answer_clear() - Free what an answer holds
 * @a: the answer
 */
void etcd_answer_clear(struct etcd_answer *a)
{
	arena_clear(&a->mem);
	a->any = NULL;
}

/* What stands behind the cloud's prefix and a space; NULL: it is another's. */
static const char *name_in(const struct etcd *db, const Pb__KeyValue *kv, const char *space,
			   char buf[ETCD_KEY_LEN + 1])
{
	size_t len = (size_t)snprintf(buf, ETCD_KEY_LEN + 1, "%s/%s/", db->prefix, space);
	const ProtobufCBinaryData *key = &kv->key;

	if (key->len < len || memcmp(key->data, buf, len) || key->len - (len - 1) > STORE_KEY_LEN ||
	    memchr(key->data, '\0', key->len))
		return NULL;
	memcpy(buf, key->data, key->len);
	buf[key->len] = '\0';
	return buf + len - 1;
}

/**
 * etcd_is_last() - Has a pair the outcome of this replica's last transaction?
 * @db: whose
 * @kv: the pair
 */
bool etcd_is_last(const struct etcd *db, const Pb__KeyValue *kv)
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
const char *etcd_beat_of(const struct etcd *db, const Pb__KeyValue *kv, char buf[ETCD_KEY_LEN + 1])
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
const char *etcd_name_of(const struct etcd *db, const Pb__KeyValue *kv, char buf[ETCD_KEY_LEN + 1])
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
 * @range: may be NULL
 *
 * Return: borrowed; NULL: it has none.
 */
const Pb__KeyValue *etcd_first_kv(const Pb__RangeResponse *range)
{
	return range && range->n_kvs ? range->kvs[0] : NULL;
}

/**
 * etcd_text() - The value of a pair
 * @kv: the pair
 *
 * Return: its bytes and a NUL, the caller's to free; NULL without memory.
 */
char *etcd_text(const Pb__KeyValue *kv)
{
	return strndup(kv->value.len ? (const char *)kv->value.data : "", kv->value.len);
}

/**
 * etcd_take_doc() - The document of a pair
 * @db:  whose
 * @kv:  key and value, the latter empty in deletions
 * @key: gets the key, in @buf; NULL: it is none of a document
 * @doc: gets the document, a reference of the caller's; NULL: of a deletion
 * @buf: room
 * @e:   why not
 *
 * Return: 0; -EBADMSG, as seal_read() says; -ENOMEM.
 */
int etcd_take_doc(const struct etcd *db, const Pb__KeyValue *kv, const char **key,
		  struct record **doc, char buf[ETCD_KEY_LEN + 1], struct err *e)
{
	auto_free char *opened = NULL;
	size_t len;

	*doc = NULL;
	*key = name_in(db, kv, "doc", buf);
	if (!*key || !kv->value.len)
		return 0;
	opened = seal_read(db->seal, *key, (const char *)kv->value.data, kv->value.len, &len, e);
	if (!opened)
		return -EBADMSG;
	*doc = record_of_text(opened, len);
	return *doc ? 0 : -ENOMEM;
}
