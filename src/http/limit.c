/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of connections by class and address: the table, and whom it makes room for. */
#include "http/limit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/omap.h"

#define RATE_BYTES_MS 16 /* an answer must be taken at 16 kB/s, on the whole */

/* What a class gets. An address gets a part of it, so that none takes all. */
static const struct {
	unsigned int share;	 /* of all connections, of the sum of this column */
	unsigned int each;	 /* an address gets 1/each of the class's connections */
	unsigned int patience;	 /* its clients are waited for 1/patience of the time */
	size_t memory;		 /* bytes of bodies; an address gets half */
	size_t answers;		 /* bytes of answers, likewise, and one answer of any length */
} rules[PEER_CLASSES] = {
	[PEER_STRANGER] = { 1, 4, 4, 4u << 20, 4u << 20 },
	[PEER_TENANT] = { 4, 2, 1, 64u << 20, 256u << 20 },
	[PEER_AGENT] = { 8, 2, 1, 64u << 20, 256u << 20 },
};

struct peer_list {
	struct peer *first, *last;
};

struct peer_group {
	unsigned int n[PEER_CLASSES];
	size_t held[PEER_CLASSES], sent[PEER_CLASSES];
	char name[LIMIT_GROUP_LEN];
};

struct limits {
	unsigned int patience_ms;
	unsigned int max[PEER_CLASSES];
	size_t answers;		/* of strangers; of the others as their rule says */
	struct peer_group all;	/* sums */
	struct omap *groups;	/* by name */
	struct peer_list lists[PEER_CLASSES][PEER_STATES];
};

static void list_add(struct limits *l, struct peer *p)
{
	struct peer_list *list = &l->lists[p->class][p->state];

	p->next = NULL;
	p->prev = list->last;
	*(list->last ? &list->last->next : &list->first) = p;
	list->last = p;
}

static void list_del(struct limits *l, struct peer *p)
{
	struct peer_list *list = &l->lists[p->class][p->state];

	*(p->prev ? &p->prev->next : &list->first) = p->next;
	*(p->next ? &p->next->prev : &list->last) = p->prev;
}

/**
 * limit_group() - What stands for an address
 * @address: as http_peer() tells it
 * @out:     the same; of IPv6 its network, as hosts choose among its 2^64 addresses (RFC 4291)
 */
void limit_group(const char *address, char out[LIMIT_GROUP_LEN])
{
	struct in6_addr in6;

	snprintf(out, LIMIT_GROUP_LEN, "%s", address);
	if (inet_pton(AF_INET6, address, &in6) == 1) {
		memset(&in6.s6_addr[8], 0, 8);
		inet_ntop(AF_INET6, &in6, out, LIMIT_GROUP_LEN);
	}
}

static struct peer_group *group_get(struct limits *l, const char *address)
{
	char name[LIMIT_GROUP_LEN];
	struct omap_node *node;
	struct peer_group *g;

	limit_group(address, name);
	node = omap_find(l->groups, name);
	if (node)
		return node->value;
	g = calloc(1, sizeof(*g));
	node = g ? omap_insert(l->groups, name) : NULL;
	if (!node) {
		free(g);
		return NULL;
	}
	strcpy(g->name, name);
	node->value = g;
	return g;
}

static void group_put(struct limits *l, struct peer_group *g)
{
	for (unsigned int i = 0; i < PEER_CLASSES; i++)
		if (g->n[i])
			return;
	omap_remove(l->groups, g->name);
	free(g);
}

static void count_in(struct peer_group *g, enum peer_class class, unsigned int n, size_t held,
		     size_t sent)
{
	g->n[class] += n;
	g->held[class] += held;
	g->sent[class] += sent;
}

static void count(struct limits *l, struct peer *p, unsigned int n, size_t held, size_t sent)
{
	count_in(p->group, p->class, n, held, sent);
	count_in(&l->all, p->class, n, held, sent);
}

/* The first of a class in a state; of @g alone, unless that is NULL. */
static struct peer *first_of(const struct limits *l, enum peer_class class, enum peer_state state,
			     const struct peer_group *g)
{
	struct peer *p = l->lists[class][state].first;

	while (g && p && p->group != g)
		p = p->next;
	return p;
}

/*
 * Makes room for one more: 0, with who has to go for it or NULL; -EBUSY: all are being served. A
 * stranger's answer is short, and who does not take it is no better than who does not ask.
 */
static int make_room(struct limits *l, enum peer_class class, const struct peer_group *g,
		     struct peer **victim)
{
	bool own = g->n[class] >= MAX(l->max[class] / rules[class].each, 1u);

	*victim = NULL;
	if (!own && l->all.n[class] < l->max[class])
		return 0;
	*victim = first_of(l, class, PEER_WAITS, own ? g : NULL);
	if (!*victim && class == PEER_STRANGER)
		*victim = first_of(l, class, PEER_SENDING, own ? g : NULL);
	return *victim ? 0 : -EBUSY;
}

/**
 * limit_new() - Nobody is there yet
 * @connections: how many there may be at all
 * @patience_ms: how long a client is waited for
 *
 * Return: to be freed with limit_free(); NULL without memory.
 */
struct limits *limit_new(unsigned int connections, unsigned int patience_ms)
{
	struct limits *l = calloc(1, sizeof(*l));
	unsigned int shares = 0;

	if (!l)
		return NULL;
	for (unsigned int i = 0; i < PEER_CLASSES; i++)
		shares += rules[i].share;
	for (unsigned int i = 0; i < PEER_CLASSES; i++)
		l->max[i] = MAX(connections / shares * rules[i].share, 1u);
	l->patience_ms = patience_ms;
	l->answers = rules[PEER_STRANGER].answers;
	l->groups = omap_new();
	if (!l->groups)
		free(take(l));
	return l;
}

/**
 * limit_answers() - Strangers are who is to be served: let their answers take more memory
 * @l:     limits
 * @bytes: of all of them; an address gets half
 */
void limit_answers(struct limits *l, size_t bytes)
{
	l->answers = bytes;
}

/**
 * limit_free() - Free what is counted
 * @l: or NULL; peers that have not left are not touched
 */
void limit_free(struct limits *l)
{
	if (!l)
		return;
	for (struct omap_node *node; (node = omap_from(l->groups, ""));)
		free(omap_remove(l->groups, node->key));
	omap_free(l->groups);
	free(l);
}

/**
 * limit_enter() - A connection was made: a stranger's, who waits
 * @l:       limits
 * @p:       zeroed; counted until limit_leave()
 * @address: whose, as http_peer() tells it
 * @now_ms:  monotonic clock
 *
 * Return: NULL; or whose connection must be ended for it, which has left: the one that waits
 * longest, then the one that has not taken its answer for longest, of its own address if that has
 * its share; @p itself if all of those are being served.
 */
struct peer *limit_enter(struct limits *l, struct peer *p, const char *address, uint64_t now_ms)
{
	struct peer_group *g = group_get(l, address);
	struct peer *victim;

	if (!g)
		return p;
	if (make_room(l, PEER_STRANGER, g, &victim)) {
		group_put(l, g);
		return p;
	}
	p->group = g;
	count(l, p, 1, 0, 0);
	list_add(l, p);
	limit_wait(l, p, now_ms);
	if (victim)
		limit_leave(l, victim);
	return victim;
}

/**
 * limit_rise() - A request on it has a good token
 * @l:	    limits
 * @p:	    counted peer, waiting for the rest of the request
 * @class:  what the token makes of it; a lower one changes nothing
 * @now_ms: monotonic clock
 *
 * Where all of the class are being served it stays in its own, and is served all the same.
 *
 * Return: NULL, or whose connection must be ended for it, as limit_enter().
 */
struct peer *limit_rise(struct limits *l, struct peer *p, enum peer_class class, uint64_t now_ms)
{
	struct peer *victim;

	if (!p->group || class <= p->class || make_room(l, class, p->group, &victim))
		return NULL;
	list_del(l, p);
	count(l, p, -1u, -p->held, -p->sent);
	p->class = class;
	count(l, p, 1, p->held, p->sent);
	list_add(l, p);
	limit_wait(l, p, now_ms);
	if (victim)
		limit_leave(l, victim);
	return victim;
}

/**
 * limit_leave() - A connection ended, or is about to
 * @l: limits
 * @p: counted or not
 */
void limit_leave(struct limits *l, struct peer *p)
{
	if (!p->group)
		return;
	list_del(l, p);
	count(l, p, -1u, -p->held, -p->sent);
	group_put(l, p->group);
	*p = (struct peer){ 0 };
}

static void change(struct limits *l, struct peer *p, enum peer_state state, uint64_t until_ms)
{
	if (!p->group)
		return;
	list_del(l, p);
	count(l, p, 0, 0, -p->sent);
	p->sent = 0;
	p->state = state;
	p->until_ms = until_ms;
	list_add(l, p);
}

/**
 * limit_wait() - It waits for its client from now on
 * @l:	    limits
 * @p:	    counted or not
 * @now_ms: monotonic clock
 */
void limit_wait(struct limits *l, struct peer *p, uint64_t now_ms)
{
	change(l, p, PEER_WAITS, now_ms + l->patience_ms / rules[p->class].patience);
}

/**
 * limit_serve() - A request on it is whole: its client waits
 * @l: limits
 * @p: counted or not
 */
void limit_serve(struct limits *l, struct peer *p)
{
	change(l, p, PEER_SERVED, UINT64_MAX);
}

/**
 * limit_send() - Its answer goes out
 * @l:	    limits
 * @p:	    counted or not
 * @bytes:  of the answer
 * @kept:   of them in memory, until the client has taken them
 * @now_ms: monotonic clock
 *
 * Whose answers are too many then is told by limit_excess().
 */
void limit_send(struct limits *l, struct peer *p, size_t bytes, size_t kept, uint64_t now_ms)
{
	change(l, p, PEER_SENDING, now_ms + l->patience_ms + bytes / RATE_BYTES_MS);
	if (!p->group)
		return;
	p->sent = kept;
	count(l, p, 0, 0, kept);
}

/**
 * limit_excess() - Who has to go for the memory of an answer?
 * @l: limits
 * @p: counted or not, whose answer was the last
 *
 * Return: whose connection must be ended, and which has left: who has not taken an answer for
 * longest, of its own address if that has its share; NULL if it fits, or is the only one.
 */
struct peer *limit_excess(struct limits *l, const struct peer *p)
{
	size_t max = p->class == PEER_STRANGER ? l->answers : rules[p->class].answers;
	bool own = p->group && p->group->sent[p->class] > max / 2;
	struct peer *victim;

	if (!own && l->all.sent[p->class] <= max)
		return NULL;
	victim = l->lists[p->class][PEER_SENDING].first;
	while (victim && (victim == p || !victim->sent || (own && victim->group != p->group)))
		victim = victim->next;
	if (victim)
		limit_leave(l, victim);
	return victim;
}

/**
 * limit_overdue() - Whose client takes too long?
 * @l:	    limits
 * @now_ms: monotonic clock
 *
 * Return: one whose connection must be ended, and which has left; NULL if there is none.
 */
struct peer *limit_overdue(struct limits *l, uint64_t now_ms)
{
	for (unsigned int class = 0; class < PEER_CLASSES; class++) {
		struct peer *p = l->lists[class][PEER_WAITS].first;

		if (!p || now_ms <= p->until_ms) /* they wait in this order */
			p = l->lists[class][PEER_SENDING].first;
		while (p && now_ms <= p->until_ms)
			p = p->next;
		if (p) {
			limit_leave(l, p);
			return p;
		}
	}
	return NULL;
}

/**
 * limit_sending() - Is there an answer on its way to anybody?
 * @l: limits
 */
bool limit_sending(const struct limits *l)
{
	for (unsigned int class = 0; class < PEER_CLASSES; class++)
		if (l->lists[class][PEER_SENDING].first)
			return true;
	return false;
}

/**
 * limit_hold() - Memory is wanted for a body
 * @l:	   limits
 * @p:	   counted or not
 * @bytes: kept for it then; 0 gives back all
 *
 * Return: 0; -ENOBUFS: its class or its address has its share, or @p is not counted; nothing is
 * changed then.
 */
int limit_hold(struct limits *l, struct peer *p, size_t bytes)
{
	size_t memory = rules[p->class].memory, more = bytes - p->held;

	if (!p->group)
		return bytes ? -ENOBUFS : 0;
	if (bytes > p->held && (l->all.held[p->class] + more > memory ||
				p->group->held[p->class] + more > memory / 2))
		return -ENOBUFS;
	count(l, p, 0, more, 0);
	p->held = bytes;
	return 0;
}
