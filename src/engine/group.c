/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group commit. What calls change goes into the last group, the first one is
 * with the store, and who is answered by what a group holds is answered when
 * that is on disk. Changes are in the cache before: each group knows what it
 * replaced. If the store refuses one, it and all behind it are taken back and
 * their calls run again; if somebody else was faster, each in a group of its
 * own, so that one call's conflict is not another's.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "engine/group.h"

#define TRIES_MAX    10	  /* runs of a call whose comparisons fail */
#define RELIES_MAX   1024 /* things read for a group that takes more changes */
#define FULL_RETRY_S "5"  /* when there may be space again */

static void group_free(struct group *g)
{
	for (struct omap_node *n = omap_from(g->changes, ""); n; n = n->next[0]) {
		struct change *ch = n->value;

		record_unref(ch->doc);
		record_unref(ch->before);
		free(ch);
	}
	omap_free(g->changes);
	rely_clear(&g->relies);
	free(g);
}

static struct group *last_of(const struct engine *eng)
{
	struct group *g = eng->groups;

	while (g && g->next)
		g = g->next;
	return g;
}

/* The group that takes n more changes. */
static struct group *group_for(struct engine *eng, unsigned int n)
{
	struct group *last = last_of(eng), *g;

	if (last && !last->closed && !last->overtaken && !eng->apart &&
	    omap_count(last->changes) + n <= store_ops_max(eng->opts.store))
		return last;
	g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	g->changes = omap_new();
	if (!g->changes) {
		free(g);
		return NULL;
	}
	if (eng->apart) {
		g->closed = true;
		eng->apart--;
	}
	if (last)
		last->next = g;
	else
		eng->groups = g;
	return g;
}

/* What a key holds now is what the group is to write. */
static void refresh(struct engine *eng, struct change *ch, const char *key)
{
	const struct cache_row *row = cache_get(eng->cache, key);

	record_unref(ch->doc);
	ch->doc = row ? record_ref(row->doc) : NULL;
}

static int add_change(struct engine *eng, struct group *g, const struct undo *u)
{
	struct omap_node *node = omap_insert(g->changes, u->key);
	struct change *ch = node ? node->value : NULL;

	if (node && !ch) {
		ch = node->value = calloc(1, sizeof(*ch));
		if (!ch)
			omap_remove(g->changes, u->key);
		else
			*ch = (struct change){ NULL, u->version, record_ref(u->doc), u->version };
	}
	if (!ch)
		return -ENOMEM;
	refresh(eng, ch, u->key);
	return 0;
}

/* Who waits behind changes of this group does not hear of its revision: tell whom this concerns. */
static void note_missed(const struct group *g, const char *key)
{
	for (struct call *c = g->parked; c; c = c->priv->next) {
		struct call_priv *p = c->priv;

		if (p->wrote && !p->job_fn && !strncmp(key, p->wait_prefix, strlen(p->wait_prefix)))
			p->missed = true;
	}
}

static void forget_undo(struct call_priv *p)
{
	while (p->n_undo) {
		free(p->undo[--p->n_undo].key);
		record_unref(p->undo[p->n_undo].doc);
	}
}

/* Leaves the keys that a run has changed in the end. */
static void drop_unchanged(struct call_priv *p)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < p->n_undo; i++) {
		struct undo *u = &p->undo[i];
		const struct cache_row *row = cache_get(p->eng->cache, u->key);

		if (row ? row->doc != u->doc : u->doc != NULL) {
			p->undo[n++] = *u;
			continue;
		}
		cache_set(p->eng->cache, u->key, u->version, u->doc);
		free(u->key);
		record_unref(u->doc);
	}
	p->n_undo = n;
}

/**
 * group_take() - Put what a run changed into a group
 * @c: the call; its undo list is empty afterwards
 *
 * Return: 0; a fault, of memory: all of it is taken back.
 */
int group_take(struct call *c)
{
	struct call_priv *p = c->priv;
	struct group *g;
	int rc;

	drop_unchanged(p);
	if (!p->n_undo)
		return 0;
	g = group_for(p->eng, p->n_undo);
	rc = g ? 0 : -ENOMEM;
	for (unsigned int i = 0; i < p->n_undo && !rc; i++)
		rc = add_change(p->eng, g, &p->undo[i]);
	for (unsigned int i = 0; i < p->n_undo; i++) {
		const struct undo *u = &p->undo[i];
		struct change *ch = g ? group_change(g, u->key) : NULL;

		if (rc)
			cache_set(p->eng->cache, u->key, u->version, u->doc);
		if (rc && ch)
			refresh(p->eng, ch, u->key);
		if (!rc)
			note_missed(g, u->key);
	}
	forget_undo(p);
	if (rc)
		return call_fail(c, 503, "ServiceUnavailable", "Out of memory.");
	p->wrote = true;
	p->group = g;
	g->n_writers++;
	rely_add(&g->relies, &p->relies);
	g->closed |= g->relies.what && omap_count(g->relies.what) > RELIES_MAX;
	return 0;
}

/**
 * group_hold() - Answer a call when all that it may have read or changed is on disk
 * @c: the call, finished
 *
 * Return: false: it is already; true: the call is taken.
 */
bool group_hold(struct call *c)
{
	struct group *last = last_of(c->priv->eng);

	if (!last)
		return false;
	c->priv->group = last;
	call_link(&last->calls, c);
	return true;
}

/**
 * group_park() - Put a call that waits where what it may have read or changed is
 * @c: the call, in no list
 */
void group_park(struct call *c)
{
	struct call_priv *p = c->priv;

	p->group = last_of(p->eng);
	call_link(p->group ? &p->group->parked : &p->eng->parked, c);
}

/**
 * group_wake() - A call that waits has something to do: when what it changed is on disk
 * @c: the call
 */
void group_wake(struct call *c)
{
	c->priv->ready = true;
	if (c->priv->wrote)
		return;
	call_unlink(c);
	call_link(&c->priv->eng->ready, c);
}

/* Who waits waits no longer for a group. */
static void release(struct call *c)
{
	struct call_priv *p = c->priv;

	call_unlink(c);
	call_link(&p->eng->parked, c);
	p->group = NULL;
	p->wrote = p->missed = false;
	if (p->ready)
		group_wake(c);
}

/**
 * group_overtaken() - Somebody else changed something: was it read for what is to be stored here?
 * @eng: the engine; its cache does not have the change yet
 * @ev:  the change
 *
 * Of a group that the store has, it is the store's to judge.
 */
void group_overtaken(struct engine *eng, const struct store_event *ev)
{
	const struct cache_row *row = cache_get(eng->cache, ev->key);
	uint64_t known = group_base(eng, ev->key);

	if (ev->doc ? known >= ev->revision : !known)
		return; /* our own */
	for (struct group *g = eng->groups; g; g = g->next)
		if (!g->overtaken && (g != eng->groups || !eng->sent))
			g->overtaken =
				rely_is_hit(&g->relies, eng->schemas, ev, row ? row->doc : NULL);
}

/**
 * group_saw() - Another change of a key that is to be changed here
 * @eng: the engine
 * @ev:  the change
 *
 * Return: false: no group has the key.
 */
bool group_saw(struct engine *eng, const struct store_event *ev)
{
	for (struct group *g = eng->groups; g; g = g->next) {
		struct change *ch = group_change(g, ev->key);

		if (!ch)
			continue;
		if (ev->revision > ch->before_version) {
			record_unref(ch->before);
			ch->before = record_ref(ev->doc);
			ch->before_version = ev->doc ? ev->revision : 0;
		}
		return true;
	}
	return false;
}

/**
 * call_settled() - Is what the call sees under a prefix what stands there at call_revision()?
 * @c:      the call; it changed nothing there itself
 * @prefix: keys
 *
 * Return: false while a change is not on disk yet; call_wait() on the prefix ends when it is.
 */
bool call_settled(const struct call *c, const char *prefix)
{
	size_t len = strlen(prefix);

	for (const struct group *g = c->priv->eng->groups; g; g = g->next) {
		const struct omap_node *n = omap_from(g->changes, prefix);

		if (n && !strncmp(n->key, prefix, len))
			return false;
	}
	return true;
}

/* The versions of what the first group wrote, for who changes it next. */
static void settle(struct engine *eng, const struct group *head, uint64_t revision)
{
	for (struct omap_node *n = omap_from(head->changes, ""); n; n = n->next[0]) {
		const struct change *mine = n->value;
		struct change *next = NULL;

		for (struct group *g = head->next; g && !next; g = g->next)
			next = group_change(g, n->key);
		if (next)
			next->version = next->before_version = mine->doc ? revision : 0;
		else if (mine->doc)
			cache_set(eng->cache, n->key, revision, mine->doc);
	}
}

/* Each in front of the other list. */
static void move(struct call **from, struct call **to)
{
	struct call *c;

	while ((c = *from)) {
		call_unlink(c);
		call_link(to, c);
	}
}

/* The first group is on disk. */
static void end_well(struct engine *eng, uint64_t revision)
{
	struct group *head = eng->groups;
	struct call *c;

	settle(eng, head, revision);
	eng->groups = head->next;
	while ((c = head->parked)) {
		struct call_priv *p = c->priv;

		if (p->wrote)
			p->own_revision = revision;
		p->tries = 0;
		p->ready |= p->missed;
		release(c);
	}
	move(&head->calls, &eng->answered);
	group_free(head);
}

static void fail_conflict(struct call *c)
{
	if (c->priv->fault_status) /* another fault, which says when to come again */
		return;
	call_fail(c, 503, "ServiceUnavailable", "Too many changes at once; try again.");
	call_header(c, "Retry-After", "1");
}

/* Clients know what to do with 503, and none of them what 507 is. */
static void fail_full(struct call *c, const char *why)
{
	call_fail(c, 503, "ServiceUnavailable",
		  "The store has no space left, so nothing was changed%s%s.", *why ? ": " : "",
		  why);
	call_header(c, "Retry-After", FULL_RETRY_S);
}

/* Those that wait behind a group: who changed something there runs again, as do those who read. */
static void take_parked(struct group *g, struct call **all)
{
	struct call *c;

	while ((c = g->parked)) {
		struct call_priv *p = c->priv;
		bool again = p->wrote && !p->job_running;

		call_forget(c);
		if (p->wrote && p->job_fn) { /* the run that began the job cannot be repeated */
			p->lost = true;
			fail_conflict(c);
		}
		p->ready |= !p->wrote && !p->job_fn && !p->yields;
		release(c);
		if (again) {
			call_unlink(c);
			call_link(all, c);
		}
	}
}

/* Takes back the groups from g on, the last one first; their calls come into all, oldest first. */
static void take_back(struct engine *eng, struct group *g, struct call **all)
{
	if (!g)
		return;
	take_back(eng, g->next, all);
	for (struct omap_node *n = omap_from(g->changes, ""); n; n = n->next[0]) {
		const struct change *ch = n->value;

		cache_set(eng->cache, n->key, ch->before_version, ch->before);
	}
	take_parked(g, all);
	move(&g->calls, all);
	group_free(g);
}

/* What a refused commit of a call's changes means for it. */
static void blame(struct call *c, const struct store_end *end)
{
	struct call_priv *p = c->priv;

	if (!p->wrote || (end->rc == -EAGAIN && ++p->tries < TRIES_MAX))
		return;
	p->lost = true;
	if (end->rc == -EAGAIN)
		fail_conflict(c);
	else if (end->rc == -EMSGSIZE)
		call_fail(c, 413, "HTTPRequestEntityTooLarge",
			  "The request changes more than the store takes at once.");
	else if (end->rc == -ENOSPC)
		fail_full(c, end->why);
	else
		call_fail(c, 503, "ServiceUnavailable", "The change could not be stored: %s",
			  end->why[0] ? end->why : strerror(-end->rc));
}

/*
 * Which call of a group was overtaken, or is too large, is not known: they run again, each in a
 * group of its own.
 * What else the store says it says to all who wrote in it.
 */
static void blame_writers(struct engine *eng, const struct store_end *end)
{
	const struct group *head = eng->groups;
	bool apart = end->rc == -EAGAIN || end->rc == -EMSGSIZE;
	bool many = apart && head->n_writers > 1;

	if (!apart)
		log_err("the store does not take a change", "error=%d why=\"%s\"", end->rc,
			end->why);
	for (const struct group *g = head; g && apart; g = g->next)
		eng->apart += g->n_writers;
	for (struct call *c = head->calls; c && !many; c = c->priv->next)
		blame(c, end);
	for (struct call *c = head->parked; c && !many; c = c->priv->next)
		blame(c, end);
}

/* The store has refused the first group. */
static void end_badly(struct engine *eng, const struct store_end *end)
{
	blame_writers(eng, end);
	take_back(eng, take(eng->groups), &eng->again);
	for (unsigned int i = 0; i < end->n_found; i++) {
		const struct store_event *at = &end->found[i];
		const struct cache_row *row = cache_get(eng->cache, at->key);

		if (!row || !at->doc || row->version < at->revision)
			cache_set(eng->cache, at->key, at->revision, at->doc);
	}
}

static void on_end(void *arg, const struct store_end *end)
{
	struct engine *eng = arg;

	eng->sent = false;
	if (end->rc)
		end_badly(eng, end);
	else
		end_well(eng, end->revision);
}

/**
 * group_send() - Give the store the first group, and so on as long as it takes them at once
 * @eng: the engine
 *
 * Calls whose commit has ended are in eng->answered and eng->again.
 */
void group_send(struct engine *eng)
{
	int rc;

	eng->sending = true;
	while (eng->groups && !eng->sent && !eng->closing) {
		eng->sent = eng->groups->closed = true;
		store_txn_clear(&eng->txn);
		rc = group_build(eng, eng->groups);
		if (rc)
			on_end(eng, &(struct store_end){ .rc = rc, .why = "" });
		else
			store_commit(eng->opts.store, &eng->txn, on_end, eng);
	}
	eng->sending = false;
}

/**
 * group_give_up() - Answer those who wait for a store that does not answer
 * @eng: the engine
 *
 * They are in eng->again, lost. What they changed stays where it is: it may be stored yet.
 */
void group_give_up(struct engine *eng)
{
	for (struct group *g = eng->groups; g; g = g->next) {
		for (struct call *c; (c = g->calls);) {
			away_fail(c);
			g->n_writers -= c->priv->wrote;
			c->priv->lost = true;
			call_unlink(c);
			call_link(&eng->again, c);
		}
	}
}

/**
 * group_close() - Forget all groups, their calls unanswered
 * @eng: the engine; no commit is under way
 */
void group_close(struct engine *eng)
{
	struct call *all = NULL, *c;

	move(&eng->answered, &all);
	move(&eng->again, &all);
	take_back(eng, take(eng->groups), &all);
	while ((c = all)) {
		call_unlink(c);
		call_free(c);
	}
	store_txn_clear(&eng->txn);
}
