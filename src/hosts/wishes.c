/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only writer of /host/HOST/KIND/ID, what hosts' agents are told. Who changes a resource says
 * that a wish of it may be another now; the feature whose kind it is makes the document, others add
 * their parts, and it is written if it is news.
 */
#include "hosts/wishes.h"

#include <errno.h>
#include <string.h>

/**
 * wish_kind_next() - Walk all features' kinds of wishes
 * @it: { c->opts->features } at the beginning
 *
 * Return: the next; NULL after the last.
 */
const struct wish_kind *wish_kind_next(struct wish_kind_it *it)
{
	for (; *it->features; it->features++, it->i = 0) {
		const struct host_feature *h = (*it->features)->hosts;

		if (h && h->kinds && h->kinds[it->i])
			return h->kinds[it->i++];
	}
	return NULL;
}

/**
 * wish_kind_find() - A kind of wishes by its name
 * @c:    call
 * @kind: "port"
 *
 * Return: NULL if no feature has it.
 */
const struct wish_kind *wish_kind_find(const struct call *c, const char *kind)
{
	struct wish_kind_it it = { c->opts->features };
	const struct wish_kind *k = wish_kind_next(&it);

	while (k && strcmp(k->kind, kind))
		k = wish_kind_next(&it);
	return k;
}

/**
 * wish_get() - What a host is told
 * @c:    call
 * @host: host; "": none
 * @kind: "server", "port", ...
 * @id:   of what it is about
 *
 * Return: borrowed; NULL if nothing.
 */
const json_t *wish_get(struct call *c, const char *host, const char *kind, const char *id)
{
	return *host ? call_get(c, "/host/%s/%s/%s", host, kind, id) : NULL;
}

/* What other features have to say in a document of this kind. */
static int add_parts(struct call *c, const char *host, const char *kind, const char *id,
		     json_t *wish)
{
	int rc = 0;

	for (const struct feature *const *f = c->opts->features; *f; f++)
		for (const struct wish_part *p = (*f)->hosts ? (*f)->hosts->parts : NULL;
		     !rc && p && p->kind; p++)
			if (!strcmp(p->kind, kind))
				rc = p->add(c, host, id, wish);
	return rc;
}

/*
 * Generations are the store's versions, so they grow whichever replica wrote a document, over its
 * end as well. Former versions of this program wrote one into it, made from the revision in steps
 * of 256: a document has that one until it is written again, and gets a larger one then.
 */
#define GENERATIONS_A_VERSION 256

/**
 * wish_generation() - What an agent knows a document by
 * @wish:    as it is stored
 * @version: the store's, of it
 *
 * Return: a number that no other document of this key has, those before it had lower ones; 0 when
 * the version is 0: nobody knows it yet.
 */
int64_t wish_generation(const json_t *wish, uint64_t version)
{
	const json_t *written = json_object_get(wish, "generation");

	return written ? json_integer_value(written) : (int64_t)version * GENERATIONS_A_VERSION;
}

/**
 * wish_told() - A document as its host is told it
 * @wish:    as it is stored
 * @version: the store's, of it
 *
 * Return: a new object with its generation; NULL without memory.
 */
json_t *wish_told(const json_t *wish, uint64_t version)
{
	json_t *told = json_copy((json_t *)wish);

	if (told)
		json_object_set_new(told, "generation",
				    json_integer(wish_generation(wish, version)));
	return told;
}

/* Writes a wish if it is news. Takes doc. Return: 1 if it was, 0, or a negative errno. */
static int put(struct call *c, const char *host, const char *kind, const char *id, json_t *doc)
{
	auto_of(json_decref) json_t *old = json_copy((json_t *)wish_get(c, host, kind, id));

	json_object_del(old, "generation");
	json_object_del(doc, "generation");
	if (doc && json_equal(doc, old))
		return json_decref(doc), 0;
	return call_put(c, doc, "/host/%s/%s/%s", host, kind, id) ?: 1;
}

/**
 * wish_changed() - What a host is to know of something may be another now
 * @c:    call; the documents it is made from say so already
 * @host: host; "": none
 * @kind: a feature's; one that no feature has is told nobody
 * @id:   of what it is about
 *
 * Return: 1 if the host is told something new, 0 if not, or a negative errno.
 */
int wish_changed(struct call *c, const char *host, const char *kind, const char *id)
{
	const struct wish_kind *k = wish_kind_find(c, kind);
	const json_t *have = wish_get(c, host, kind, id);
	json_t *doc = k && *host ? k->make(c, host, id, have) : json_null();
	int rc;

	if (doc && doc == have)
		return json_decref(doc), 0;
	if (json_is_null(doc))
		return have ? wish_done(c, host, kind, id) ?: 1 : 0;
	rc = doc ? add_parts(c, host, kind, id, doc) : -ENOMEM;
	return rc ? json_decref(doc), rc : put(c, host, kind, id, doc);
}

/**
 * wish_ask() - Ask a host something, which is not made from what is wished for but said whole
 * @c:         call
 * @host:      host
 * @kind:      "console"
 * @id:        of the question
 * @doc_taken: the question; taken
 *
 * Return: 0 or a negative errno.
 */
int wish_ask(struct call *c, const char *host, const char *kind, const char *id, json_t *doc_taken)
{
	return MIN(put(c, host, kind, id, doc_taken), 0);
}

/**
 * wish_done() - A host did what it was told last, or is to forget it: the document goes
 * @c:    call
 * @host: host
 * @kind: "server", "port", ...
 * @id:   of what it is about
 *
 * Return: as call_delete().
 */
int wish_done(struct call *c, const char *host, const char *kind, const char *id)
{
	return call_delete(c, "/host/%s/%s/%s", host, kind, id);
}

/**
 * wishes_give_up() - A host is gone for good: wait no more for what it was to end
 * @c:    call
 * @host: host; dead, and an admin said that it stays so
 *
 * One a transaction: the end of a lease takes more along.
 *
 * Return: 0, CALL_WAIT when there may be more, or a negative errno.
 */
int wishes_give_up(struct call *c, const char *host)
{
	struct wish_kind_it kinds = { c->opts->features };
	const struct wish_kind *k;
	struct cursor it;
	int rc;

	while ((k = wish_kind_next(&kinds))) {
		if (!k->give_up)
			continue;
		it = call_list(c, "/host/%s/%s/", host, k->kind);
		while (cursor_next(&it)) {
			rc = k->give_up(c, host, it.key + it.prefix_len, it.doc);
			if (rc)
				return rc < 0 ? rc : CALL_WAIT;
		}
	}
	return 0;
}
