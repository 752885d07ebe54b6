/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of whom: the things of each kind by id, filled from the API's documents. */
#include "agent/core/state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define RETRY_MAX_MS 30000U
#define WHY_LEN	     255 /* of a failure's words */

/**
 * agent_wake() - Have the loop look and plan again, as soon as it comes to it
 * @a:    agent
 * @side: to be looked at before; SIDE_NONE: what is known has changed, no look is needed
 *
 * Context: the loop's thread. Whoever wakes it before it comes to it wakes it once.
 */
void agent_wake(struct agent *a, enum agent_side side)
{
	a->due |= 1U << side;
	loop_timer_set(a->wake, 0, 0);
}

/**
 * retry_later() - Note a failure and put the next try off
 * @r:    of the thing that failed
 * @what: what was tried, for the log; the same failure is logged once
 * @id:   whose it is
 * @e:    why it failed; NULL: it succeeded
 */
void retry_later(struct retry *r, const char *what, const char *id, const struct err *e)
{
	if (!e) {
		free(r->why);
		*r = (struct retry){ 0 };
		return;
	}
	if (strncmp(retry_why(r), e->msg, WHY_LEN)) {
		log_warn(what, "id=%s why=\"%s\"", id, e->msg);
		free(r->why);
		r->why = strndup(e->msg, WHY_LEN);
	}
	r->at_ms = loop_now_ms() + MIN(500U << r->n, RETRY_MAX_MS);
	r->n = MIN(r->n + 1, 6U);
}

/**
 * retry_why() - Why a thing failed the last time
 * @r: its retry
 *
 * Return: borrowed; "" if it did not.
 */
const char *retry_why(const struct retry *r)
{
	return r->why ? r->why : "";
}

/**
 * retry_due() - May the thing be tried (again)?
 * @r:     its retry
 * @in_ms: so long from now
 */
bool retry_due(const struct retry *r, uint64_t in_ms)
{
	return loop_now_ms() + in_ms >= r->at_ms;
}

static size_t index_of(const struct agent *a, const struct agent_kind *kind)
{
	size_t i = 0;

	while (a->kinds[i] != kind)
		i++;
	return i;
}

static struct omap *map_of(const struct agent *a, const struct agent_kind *kind)
{
	return a->entities[index_of(a, kind)];
}

/**
 * steps_of() - What was done to a kind's things
 * @a:    agent
 * @kind: one of its kinds
 */
struct kind_counts *steps_of(const struct agent *a, const struct agent_kind *kind)
{
	return &a->steps[index_of(a, kind)];
}

/**
 * state_open() - Begin to know nothing
 * @a: agent with its kinds
 * @e: error text, may be NULL
 *
 * Return: 0 or -ENOMEM.
 */
int state_open(struct agent *a, struct err *e)
{
	size_t n = 0;

	while (a->kinds[n])
		n++;
	a->entities = calloc(n + 1, sizeof(struct omap *));
	a->steps = calloc(n + 1, sizeof(*a->steps));
	for (size_t i = 0; a->entities && i < n; i++)
		if (!(a->entities[i] = omap_new()))
			return err_set(e, -ENOMEM, "out of memory");
	return a->entities && a->steps ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static const struct agent_kind *kind_named(const struct agent *a, const char *name)
{
	const struct agent_kind *const *k = a->kinds;

	while (*k && strcmp((*k)->name, name))
		k++;
	return *k;
}

/**
 * entity_find() - A thing by its kind's name and its id
 * @a:    agent
 * @kind: name of a kind
 * @id:   id, may be NULL
 *
 * Return: the thing; NULL when it is not known, or the agent has no such kind.
 */
struct entity *entity_find(struct agent *a, const char *kind, const char *id)
{
	const struct agent_kind *k = id ? kind_named(a, kind) : NULL;
	const struct omap_node *node = k ? omap_find(map_of(a, k), id) : NULL;

	return node ? node->value : NULL;
}

/**
 * entity_next() - Walk over a kind's things, in order of their ids
 * @a:     agent
 * @kind:  one of its kinds
 * @after: the one before; NULL: begin
 *
 * Return: the next one, or NULL.
 */
struct entity *entity_next(const struct agent *a, const struct agent_kind *kind,
			   const struct entity *after)
{
	const struct omap_node *node =
		after ? after->node->next[0] : omap_from(map_of(a, kind), "");

	return node ? node->value : NULL;
}

static void entity_free(struct entity *x)
{
	x->kind->fini(x);
	free(x->retry.why);
	json_decref(x->report.sent);
	json_decref(x->report.sending);
	json_decref(x->report.refused);
	free(x);
}

/**
 * entity_add() - A thing that was not known
 * @a:    agent
 * @kind: one of its kinds
 * @id:   its id
 *
 * Return: the thing, without a document; NULL when out of memory.
 */
struct entity *entity_add(struct agent *a, const struct agent_kind *kind, const char *id)
{
	struct entity *x = calloc(1, kind->size);
	struct omap_node *node;

	if (!x)
		return NULL;
	x->kind = kind;
	snprintf(x->id, sizeof(x->id), "%s", id);
	node = kind->init && kind->init(a, x) ? NULL : omap_insert(map_of(a, kind), id);
	if (!node) {
		entity_free(x);
		return NULL;
	}
	node->value = x;
	x->node = node;
	return x;
}

/* Of what is wanted; what is not may be half taken down. */
static void *wanted(struct agent *a, const char *kind, const char *id)
{
	struct entity *x = entity_find(a, kind, id);

	return x && x->wanted ? x : NULL;
}

/**
 * facts_server() - What is known of a server
 * @a:  agent
 * @id: id, may be NULL
 *
 * Return: its facts; NULL when no such server is wanted here.
 */
const struct server_facts *facts_server(struct agent *a, const char *id)
{
	return wanted(a, "server", id);
}

/**
 * facts_port() - What is known of a port
 * @a:  agent
 * @id: id, may be NULL
 *
 * Return: its facts; NULL when no such port is wanted here.
 */
const struct port_facts *facts_port(struct agent *a, const char *id)
{
	return wanted(a, "port", id);
}

/**
 * facts_port_next() - Walk over the ports that are wanted here
 * @a:     agent
 * @after: the one before; NULL: begin
 *
 * Return: the next one's facts, or NULL.
 */
const struct port_facts *facts_port_next(struct agent *a, const struct port_facts *after)
{
	const struct agent_kind *kind = kind_named(a, "port");
	const struct entity *x = after ? &after->entity : NULL;

	do
		x = kind ? entity_next(a, kind, x) : NULL;
	while (x && !x->wanted);
	return (const struct port_facts *)x;
}

/**
 * facts_net() - What is known of a network
 * @a:  agent
 * @id: id, may be NULL
 *
 * Return: its facts; NULL when no such network is wanted here.
 */
const struct net_facts *facts_net(struct agent *a, const char *id)
{
	return wanted(a, "network", id);
}

/* The kind a word of the API is for; NULL: one of a later version, or that this agent lacks. */
static const struct agent_kind *kind_of(const struct agent *a, const char *word, const char **own)
{
	for (const struct agent_kind *const *k = a->kinds; *k; k++)
		for (size_t i = 0; i < ARRAY_LEN((*k)->words); i++)
			if ((*k)->words[i] && !strcmp((*k)->words[i], word)) {
				*own = (*k)->words[i];
				return *k;
			}
	return NULL;
}

static json_int_t generation_of(const json_t *doc)
{
	return json_integer_value(json_object_get(doc, "generation"));
}

static int apply_doc(struct agent *a, const struct agent_kind *kind, const char *word,
		     const char *id, json_t *doc, struct err *e)
{
	struct entity *x = entity_find(a, kind->name, id);
	int rc;

	if (!x && !(x = entity_add(a, kind, id)))
		return err_set(e, -ENOMEM, "out of memory");
	rc = kind->parse(a, x, doc, e);
	if (rc)
		return rc;
	x->word = word;
	x->wanted = true;
	x->generation = generation_of(doc);
	retry_later(&x->retry, NULL, id, NULL);
	agent_wake(a, kind->side); /* what is there was last compared with another wish, or none */
	return 0;
}

/**
 * state_apply() - Take over one document
 * @a:    agent
 * @word: its kind, as the API names it
 * @id:   id
 * @doc:  document, or NULL: it is gone. One that makes no sense leaves the last good one in place
 *
 * Return: 0; -ESTALE: this host was told something newer, which stays.
 */
int state_apply(struct agent *a, const char *word, const char *id, json_t *doc)
{
	const struct agent_kind *kind = kind_of(a, word, &word);
	struct err e = { 0 };
	struct entity *x;
	int rc = 0;

	if (!json_is_object(doc))
		slice_drop(&a->told, word, id);
	else if (slice_put(&a->told, word, id, generation_of(doc)) == -ESTALE)
		return -ESTALE;
	if (!kind)
		return 0;
	if (!uuid_valid(id))
		rc = err_set(&e, -EINVAL, "the id is no UUID");
	else if (json_is_object(doc))
		rc = apply_doc(a, kind, word, id, doc, &e);
	else if ((x = entity_find(a, kind->name, id)))
		x->wanted = false;
	if (rc)
		log_err("the API's document makes no sense", "kind=%s id=%.60s why=\"%s\"", word,
			id, e.msg);
	return 0;
}

/**
 * state_apply_all() - Take over the whole desired state; what it lacks is not wanted any more
 * @a:       agent
 * @desired: answer to GET .../desired
 *
 * Return: 0; -ESTALE: some of it is older than what this host was told, which stays.
 */
int state_apply_all(struct agent *a, const json_t *desired)
{
	json_t *docs, *doc;
	const char *word, *id;
	int rc = 0;

	json_object_foreach ((json_t *)desired, word, docs)
		json_object_foreach (docs, id, doc)
			rc = state_apply(a, word, id, doc) ?: rc;
	slice_keep(&a->told, desired);
	for (const struct agent_kind *const *k = a->kinds; *k; k++)
		for (struct entity *x = NULL; (x = entity_next(a, *k, x));)
			if (!json_object_get(json_object_get(desired, x->word), x->id))
				x->wanted = false;
	a->desired_known = true;
	return rc;
}

/**
 * state_drop_gone() - Free what nobody wants and nothing is left of
 * @a: agent
 *
 * A server or port whose document went without our DELETED or RELEASED is left as it is: a domain
 * this API does not know may be another one's.
 */
void state_drop_gone(struct agent *a)
{
	for (const struct agent_kind *const *k = a->kinds; *k; k++) {
		struct entity *next = entity_next(a, *k, NULL);

		for (struct entity *x; (x = next);) {
			next = entity_next(a, *k, x);
			if (!x->wanted && !x->busy && !x->report.sending &&
			    (!(*k)->gone || (*k)->gone(x)))
				entity_free(omap_remove(map_of(a, *k), x->id));
		}
	}
}
