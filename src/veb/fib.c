/* SPDX-License-Identifier: Apache-2.0 */
/* Who owns which address: a hash table for readers, and what control needs to change it. */
#include "veb/fib.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/uuid.h"

#define HUGE_PAGE  (2ul << 20)
#define AHEAD	   16u	  /* entries asked for ahead of their use: a large table is in no cache */
#define SPAN_FIRST 4u	  /* places of a new span */
#define SPAN_HEAD  3u	  /* its room, claims by right, learned ones; then their ports */
#define WASTE_MIN  65536u /* elements of owners that may be of no use, however few are */

/*
 * Claims of ports on addresses. Of an address that several claim all are in a span of owners[]:
 * those by right, then those that learned it, each in the order of ids; its entry shows the first
 * kind alone, as what was learned is only of who has no better. Of one claim the entry says it all.
 */
struct veb_fib {
	uint64_t mul;		   /* random odd multiplier */
	unsigned int bits;	   /* log2 of the slots */
	struct veb_fib_entry *fib; /* array of 1 << bits; NULL: no table yet */
	uint32_t *spans; /* by slot: where its span begins in owners[]; 0: there is none */
	uint16_t *owners;
	size_t n_owners, room, waste;	     /* elements used, there, used by no span any more */
	unsigned int work;		     /* claims made and ended since the last snapshot */
	struct veb_port *has[VEB_PORTS_MAX]; /* a reference each: whose claims these are */
};

struct veb_fibs {
	unsigned int refs;
	struct veb_fib *spare; /* of no snapshot; NULL: none */
};

static uint32_t slots(const struct veb_fib *t)
{
	return 1u << t->bits;
}

static uint32_t slot_of(const struct veb_fib *t, uint64_t key)
{
	return (uint32_t)(key * t->mul >> (64 - t->bits));
}

/* Where an address is, or is to be. */
static uint32_t place(const struct veb_fib *t, uint64_t key)
{
	uint32_t i = slot_of(t, key);

	while (t->fib[i].key != UINT64_MAX && t->fib[i].key != key)
		i = (i + 1) & (slots(t) - 1);
	return i;
}

/* Takes an entry out; those behind it move up, so that probing finds them. */
static void entry_remove(struct veb_fib *t, uint32_t i)
{
	uint32_t mask = slots(t) - 1;

	for (uint32_t j = (i + 1) & mask; t->fib[j].key != UINT64_MAX; j = (j + 1) & mask) {
		uint32_t home = slot_of(t, t->fib[j].key);

		if (((j - home) & mask) < ((j - i) & mask))
			continue; /* it is nearer to where it belongs than the gap */
		t->fib[i] = t->fib[j];
		t->spans[i] = t->spans[j];
		i = j;
	}
	t->fib[i].key = UINT64_MAX;
	if (t->spans[i])
		t->spans[i] = 0;
}

static uint16_t plain_mtu(const struct veb_port *p)
{
	return p->flags & VEB_LINK_UP && (p->pvid & 0xfff) != 4095
		       ? (uint16_t)MIN(p->mtu, (uint32_t)UINT16_MAX)
		       : 0;
}

/* An entry that shows one port. */
static void entry_one(struct veb_fib_entry *entry, const struct veb_port *p, bool learned)
{
	uint32_t code = veb_port_code(p) | (learned ? VEB_CODE_LEARNED : 0);

	entry->first = p->id | code << 16;
	entry->n = 1;
	entry->plain = plain_mtu(p);
}

/* An entry shows what its span has; without claims it goes, with one the span does. */
static void entry_show(struct veb_fib *t, uint32_t i)
{
	struct veb_fib_entry *entry = &t->fib[i];
	const uint16_t *span = t->owners + t->spans[i];
	unsigned int n = span[1] ? span[1] : span[2];

	if (n == 1) {
		entry_one(entry, t->has[span[SPAN_HEAD]], !span[1]);
	} else {
		entry->first = t->spans[i] + SPAN_HEAD;
		entry->n = (uint16_t)n;
		entry->plain = 0;
	}
	if (span[1] + span[2] > 1)
		return;
	t->waste += SPAN_HEAD + span[0];
	t->spans[i] = 0;
	if (!n)
		entry_remove(t, i);
}

/* A span of so many places; 0: no memory. */
static uint32_t span_new(struct veb_fib *t, unsigned int places)
{
	size_t at = MAX(t->n_owners, (size_t)1), end = at + SPAN_HEAD + places;

	if (end > t->room) {
		size_t room = MAX(end, 2 * t->room);
		uint16_t *more =
			room < UINT32_MAX ? realloc(t->owners, room * sizeof(*more)) : NULL;

		if (!more)
			return 0;
		t->owners = more;
		t->room = room;
	}
	t->n_owners = end;
	t->owners[at] = (uint16_t)places;
	t->owners[at + 1] = t->owners[at + 2] = 0;
	return (uint32_t)at;
}

/* The entry's span, with room for one more; made of its one claim if there was none. */
static uint16_t *span_room(struct veb_fib *t, uint32_t i)
{
	const struct veb_fib_entry *entry = &t->fib[i];
	uint32_t was = t->spans[i], at;
	unsigned int n = was ? t->owners[was + 1] + t->owners[was + 2] : 1u;

	if (was && n < t->owners[was])
		return t->owners + was;
	at = span_new(t, was ? 2 * n : SPAN_FIRST);
	if (!at)
		return NULL;
	if (was) {
		memcpy(t->owners + at + 1, t->owners + was + 1, (2 + n) * sizeof(*t->owners));
		t->waste += SPAN_HEAD + t->owners[was];
	} else {
		t->owners[at + (entry->first >> 16 & VEB_CODE_LEARNED ? 2 : 1)] = 1;
		t->owners[at + SPAN_HEAD] = (uint16_t)entry->first;
	}
	t->spans[i] = at;
	return t->owners + at;
}

/* Where a port is, or would be, among claims by right or learned ones; *there: it is. */
static unsigned int span_find(const uint16_t *span, bool learned, uint16_t id, bool *there)
{
	unsigned int low = learned ? span[1] : 0u, high = low + span[learned ? 2 : 1], end = high;

	while (low < high) {
		unsigned int half = (low + high) / 2;

		if (span[SPAN_HEAD + half] < id)
			low = half + 1;
		else
			high = half;
	}
	*there = low < end && span[SPAN_HEAD + low] == id;
	return low;
}

/* Whether the one claim of an entry without a span is this. */
static bool is_only(const struct veb_fib_entry *entry, uint16_t id, bool learned)
{
	return (uint16_t)entry->first == id && !(entry->first >> 16 & VEB_CODE_LEARNED) == !learned;
}

/* One more claim of an address that somebody has. The same once more is none. */
static int claim_shared(struct veb_fib *t, uint32_t i, uint16_t id, bool learned)
{
	unsigned int at, n;
	uint16_t *span;
	bool there;

	if (!t->spans[i] && is_only(&t->fib[i], id, learned))
		return 0;
	span = span_room(t, i);
	if (!span)
		return -ENOMEM;
	at = span_find(span, learned, id, &there);
	n = span[1] + span[2];
	if (!there) {
		uint16_t *ids = span + SPAN_HEAD + at;

		memmove(ids + 1, ids, (n - at) * sizeof(*ids));
		*ids = id;
		span[learned ? 2 : 1]++;
	}
	entry_show(t, i);
	return 0;
}

static int claim(struct veb_fib *t, const struct veb_port *p, uint64_t mac_key, bool learned)
{
	uint64_t key = veb_fib_key(p->domain, mac_key);
	uint32_t i = place(t, key);

	if (t->fib[i].key == key)
		return claim_shared(t, i, p->id, learned);
	t->fib[i].key = key;
	entry_one(&t->fib[i], p, learned);
	return 0;
}

/* The claim ends; one that is not there was said twice. */
static int unclaim(struct veb_fib *t, const struct veb_port *p, uint64_t mac_key, bool learned)
{
	uint64_t key = veb_fib_key(p->domain, mac_key);
	uint32_t i = place(t, key);
	unsigned int at, n;
	uint16_t *span;
	bool there;

	if (t->fib[i].key != key)
		return 0;
	if (!t->spans[i]) {
		if (is_only(&t->fib[i], p->id, learned))
			entry_remove(t, i);
		return 0;
	}
	span = t->owners + t->spans[i];
	at = span_find(span, learned, p->id, &there);
	n = span[1] + span[2];
	if (!there)
		return 0;
	memmove(span + SPAN_HEAD + at, span + SPAN_HEAD + at + 1, (n - at - 1) * sizeof(*span));
	span[learned ? 2 : 1]--;
	entry_show(t, i);
	return 0;
}

/* Ports with all multicast need no entry for a group: flooding finds them. */
static unsigned int n_claims(const struct veb_port *p)
{
	return p->n_macs + (p->flags & VEB_ALLMULTI ? 0 : p->n_groups);
}

/* All a port may have by right, and what was learned behind it: some of its own addresses' last. */
static int each_claim(struct veb_fib *t, const struct veb_port *p,
		      int (*fn)(struct veb_fib *t, const struct veb_port *p, uint64_t mac_key,
				bool learned))
{
	unsigned int n = n_claims(p);
	int rc = 0;

	t->work += n;
	for (unsigned int i = 0; !rc && i < n; i++) {
		if (i + AHEAD < n)
			__builtin_prefetch(
				&t->fib[slot_of(t, veb_fib_key(p->domain, p->macs[i + AHEAD]))]);
		if (p->macs[i])
			rc = fn(t, p, p->macs[i], i < p->n_macs && i + p->n_learned >= p->n_macs);
	}
	return rc;
}

static void fib_empty(struct veb_fib *t)
{
	for (unsigned int id = 0; id < VEB_PORTS_MAX; id++)
		veb_port_put(t->has[id]);
	free(t->fib);
	free(t->spans);
	free(t->owners);
	*t = (struct veb_fib){ 0 };
}

/* A table of free entries, in huge pages where it is large: a fault a page is most of its cost. */
static int fib_alloc(struct veb_fib *t, unsigned int bits)
{
	size_t size = sizeof(*t->fib) << bits, align = size < HUGE_PAGE ? 64 : HUGE_PAGE;

	if (posix_memalign((void **)&t->fib, align, size))
		return -ENOMEM;
	if (align == HUGE_PAGE)
		madvise(t->fib, size, MADV_HUGEPAGE);
	memset(t->fib, 0xff, size);
	t->spans = calloc((size_t)1 << bits, sizeof(*t->spans));
	t->bits = bits;
	rand_bytes(&t->mul, sizeof(t->mul));
	t->mul |= 1;
	return t->spans ? 0 : -ENOMEM;
}

/* A table that fits; one that does not, or is more waste than use, is begun anew. */
static int fib_fit(struct veb_fib *t, const struct veb_snap *s)
{
	unsigned int n = 0, bits = 4;

	for (unsigned int id = 0; id < VEB_PORTS_MAX; id++)
		if (s->ports[id])
			n += n_claims(s->ports[id]);
	while (1u << bits < 2 * n)
		bits++;
	if (t->fib && bits <= t->bits && t->bits <= bits + 2 &&
	    t->waste <= MAX(t->n_owners / 2, (size_t)WASTE_MIN))
		return 0;
	fib_empty(t);
	return fib_alloc(t, bits);
}

/* From whatever it has to the ports of a snapshot; those that stayed are not looked at. */
static int fib_update(struct veb_fib *t, const struct veb_snap *s)
{
	bool changed[VEB_PORTS_MAX];
	int rc = fib_fit(t, s);

	for (unsigned int id = 0; !rc && id < VEB_PORTS_MAX; id++) {
		changed[id] = t->has[id] != s->ports[id];
		if (changed[id] && t->has[id])
			rc = each_claim(t, t->has[id], unclaim);
	}
	for (unsigned int id = 0; !rc && id < VEB_PORTS_MAX; id++) {
		if (!changed[id])
			continue;
		veb_port_put(t->has[id]);
		t->has[id] = veb_port_get(s->ports[id]);
		if (t->has[id])
			rc = each_claim(t, t->has[id], claim);
	}
	return rc;
}

/**
 * veb_fibs_new() - Make a pair of tables, empty
 *
 * Return: with one reference, or NULL without memory.
 * Context: control.
 */
struct veb_fibs *veb_fibs_new(void)
{
	struct veb_fibs *fibs = calloc(1, sizeof(*fibs));

	if (fibs)
		fibs->refs = 1;
	return fibs;
}

/**
 * veb_fibs_get() - Take one more reference
 * @fibs: pair
 *
 * Return: @fibs.
 * Context: control.
 */
struct veb_fibs *veb_fibs_get(struct veb_fibs *fibs)
{
	fibs->refs++;
	return fibs;
}

/**
 * veb_fibs_put() - Give one reference back; the last frees the table that is in no snapshot
 * @fibs: pair, or NULL
 *
 * Context: control.
 */
void veb_fibs_put(struct veb_fibs *fibs)
{
	if (!fibs || --fibs->refs)
		return;
	if (fibs->spare)
		fib_empty(fibs->spare);
	free(fibs->spare);
	free(fibs);
}

/**
 * veb_fib_take() - Give a snapshot its table
 * @fibs: pair it is of; a reference is taken
 * @s:    snapshot that has its ports; gets fib and what belongs to it, for veb_fib_give()
 *
 * Cost: the addresses of ports that are not the same, twice (once in either table); all of them,
 * when a table has to grow.
 *
 * Return: 0 or -ENOMEM.
 * Context: control.
 */
int veb_fib_take(struct veb_fibs *fibs, struct veb_snap *s)
{
	struct veb_fib *t = fibs->spare ? fibs->spare : calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	fibs->spare = NULL;
	t->work = 0;
	if (fib_update(t, s)) { /* half a table is none */
		fib_empty(t);
		fibs->spare = t;
		return -ENOMEM;
	}
	s->fibs = veb_fibs_get(fibs);
	s->table = t;
	s->fib = t->fib;
	s->fib_mul = t->mul;
	s->fib_shift = 64 - t->bits;
	s->fib_mask = slots(t) - 1;
	s->owners = t->owners;
	s->work = t->work;
	return 0;
}

/**
 * veb_fib_give() - Take a snapshot's table back: the next one starts from it
 * @s: snapshot that nobody reads any more, with a table or without
 *
 * Context: control.
 */
void veb_fib_give(struct veb_snap *s)
{
	struct veb_fib *t = s->table;

	if (!t)
		return;
	if (s->fibs->spare) {
		fib_empty(t);
		free(t);
	} else {
		s->fibs->spare = t;
	}
	veb_fibs_put(s->fibs);
}
