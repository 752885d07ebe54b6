/* SPDX-License-Identifier: Apache-2.0 */
/* Building ports and snapshots: control's side of the switching rules. */
#include "veb/snap.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "base/uuid.h"
#include "veb/flood.h"
#include "veb/frame.h"
#include "veb/veb.h"

#define HUGE_PAGE (2ul << 20)
#define FIB_AHEAD 16u /* entries asked for ahead of their use: a large table is in no cache */

/* An address that has an owner already, and one more. */
struct further {
	uint32_t slot; /* of the FIB */
	uint16_t port;
};

/**
 * veb_port_new() - Make the immutable policy of one port
 * @conf: what control says; copied
 *
 * Return: a port with one reference, or NULL without memory.
 * Context: control.
 */
struct veb_port *veb_port_new(const struct veb_port_conf *conf)
{
	size_t mirrors_size = (conf->n_in + conf->n_out) * sizeof(struct veb_mirror);
	size_t macs_size = (conf->n_macs + conf->n_groups) * sizeof(uint64_t);
	struct veb_port *p;
	struct veb_mirror *mirrors;
	uint64_t *macs;

	assert(conf->id < VEB_PORTS_MAX && conf->domain < VEB_DOMAINS_MAX);
	assert(conf->n_in <= VEB_MIRRORS_MAX && conf->n_out <= VEB_MIRRORS_MAX);
	assert(conf->n_macs <= UINT16_MAX && conf->n_groups <= UINT16_MAX);
	if (posix_memalign((void **)&p, 64, sizeof(*p) + macs_size + mirrors_size))
		return NULL;
	memset(p, 0, sizeof(*p));
	macs = (uint64_t *)(p + 1);
	mirrors = (struct veb_mirror *)(macs + conf->n_macs + conf->n_groups);
	for (unsigned int i = 0; i < conf->n_macs; i++)
		macs[i] = veb_mac_key(&conf->macs[i]);
	for (unsigned int i = 0; i < conf->n_groups; i++)
		macs[conf->n_macs + i] = veb_mac_key(&conf->groups[i]);
	for (unsigned int i = 0; i < conf->n_in; i++)
		mirrors[i] = conf->in[i];
	for (unsigned int i = 0; i < conf->n_out; i++)
		mirrors[conf->n_in + i] = conf->out[i];
	for (unsigned int i = 0; i < conf->n_in + conf->n_out; i++)
		veb_filter_get(mirrors[i].filter);
	p->id = conf->id;
	p->domain = conf->domain;
	p->kind = (uint8_t)conf->kind;
	p->flags = conf->flags & (uint16_t)~(VEB_TRUNK_ANY | VEB_VST);
	if (conf->kind != VEB_VF)
		p->flags |= VEB_ALLMULTI;
	if (conf->vlan) {
		p->flags |= VEB_VST;
		p->pvid = TAG_MAKE(conf->ad ? TPID_8021AD : TPID_8021Q, 0, conf->vlan);
		p->pvid_tag = p->pvid | TAG_MAKE(0, conf->qos, 0);
	} else if (!conf->trunk || !conf->trunk->set) {
		p->flags |= VEB_TRUNK_ANY;
	} else {
		p->trunk = *conf->trunk;
	}
	if (!conf->vlan && conf->native)
		p->pvid = p->pvid_tag = TAG_MAKE(TPID_8021Q, 0, conf->native);
	p->mtu = conf->mtu ? conf->mtu : UINT32_MAX;
	memcpy(p->storm, conf->storm, sizeof(p->storm));
	p->mac = conf->n_macs ? macs[0] : 0;
	p->n_macs = (uint16_t)conf->n_macs;
	p->n_learned = (uint16_t)conf->n_learned;
	p->n_groups = (uint16_t)conf->n_groups;
	p->n_in = (uint16_t)conf->n_in;
	p->n_out = (uint16_t)conf->n_out;
	p->macs = macs;
	p->in = mirrors;
	p->out = mirrors + conf->n_in;
	p->refs = 1;
	return p;
}

/**
 * veb_port_equal() - Whether two ports say the same
 * @a: port
 * @b: port, or NULL
 *
 * So that control keeps the block of a port that did not change.
 *
 * Return: true if either may stand for the other.
 * Context: any.
 */
bool veb_port_equal(const struct veb_port *a, const struct veb_port *b)
{
	size_t n_keys = a->n_macs + a->n_groups, n_mirrors = a->n_in + a->n_out;

	return b && a->id == b->id && a->domain == b->domain && a->flags == b->flags &&
	       a->kind == b->kind && a->pvid_tag == b->pvid_tag && a->pvid == b->pvid &&
	       a->mtu == b->mtu && a->n_macs == b->n_macs && a->n_groups == b->n_groups &&
	       a->n_learned == b->n_learned &&
	       !memcmp(a->storm, b->storm, sizeof(a->storm)) && a->n_in == b->n_in &&
	       a->n_out == b->n_out && !memcmp(a->macs, b->macs, n_keys * sizeof(*a->macs)) &&
	       !memcmp(a->in, b->in, n_mirrors * sizeof(*a->in)) &&
	       !memcmp(a->trunk.bits, b->trunk.bits, sizeof(a->trunk.bits));
}

/**
 * veb_port_get() - Take one more reference
 * @p: port, or NULL
 *
 * Return: @p.
 * Context: any thread that holds a reference.
 */
struct veb_port *veb_port_get(struct veb_port *p)
{
	if (p)
		__atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
	return p;
}

/**
 * veb_port_put() - Give one reference back; the last frees the port
 * @p: port, or NULL
 *
 * Context: any thread but a worker inside a burst.
 */
void veb_port_put(struct veb_port *p)
{
	if (!p || __atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL))
		return;
	for (unsigned int i = 0; i < (unsigned int)(p->n_in + p->n_out); i++)
		veb_filter_put(p->in[i].filter);
	free(p);
}

/* Ports with all multicast need no entry for a group: flooding finds them. */
static unsigned int port_n_claims(const struct veb_port *p)
{
	return p->n_macs + (p->flags & VEB_ALLMULTI ? 0 : p->n_groups);
}

static uint16_t plain_mtu(const struct veb_port *p)
{
	return p->flags & VEB_LINK_UP && (p->pvid & 0xfff) != 4095
		       ? (uint16_t)MIN(p->mtu, (uint32_t)UINT16_MAX)
		       : 0;
}

static struct veb_fib_entry *fib_place(struct veb_snap *s, uint64_t key)
{
	uint32_t i = veb_fib_slot(s, key);

	while (s->fib[i].key != UINT64_MAX && s->fib[i].key != key)
		i = (i + 1) & s->fib_mask;
	return &s->fib[i];
}

/* One address of one port. What was learned is only of who has no better: a right to it. */
static void fib_claim(struct veb_snap *s, const struct veb_port *p, uint64_t mac_key, bool learned,
		      struct further *more, unsigned int *n_more)
{
	uint64_t key = veb_fib_key(p->domain, mac_key);
	struct veb_fib_entry *entry = fib_place(s, key);
	uint32_t code = veb_port_code(p) | (learned ? VEB_CODE_LEARNED : 0);

	if (entry->key != key) {
		*entry = (struct veb_fib_entry){
			.key = key, .first = p->id | code << 16, .n = 1, .plain = plain_mtu(p)
		};
		return;
	}
	if ((uint16_t)entry->first == p->id)
		return;
	if (learned && !(entry->first >> 16 & VEB_CODE_LEARNED))
		return;
	entry->plain = 0;
	more[(*n_more)++] = (struct further){ .slot = (uint32_t)(entry - s->fib), .port = p->id };
}

/* What a port may have by right, or what was learned behind it: some of its own addresses' last. */
static void fib_claims(struct veb_snap *s, const struct veb_port *p, bool learned,
		       struct further *more, unsigned int *n_more)
{
	unsigned int n = p ? port_n_claims(p) : 0;

	for (unsigned int i = 0; i < n; i++) {
		if (i + FIB_AHEAD < n)
			__builtin_prefetch(&s->fib[veb_fib_slot(
				s, veb_fib_key(p->domain, p->macs[i + FIB_AHEAD]))]);
		if (p->macs[i] && learned == (i < p->n_macs && i + p->n_learned >= p->n_macs))
			fib_claim(s, p, p->macs[i], learned, more, n_more);
	}
}

static int further_cmp(const void *va, const void *vb)
{
	const struct further *a = va, *b = vb;

	if (a->slot != b->slot)
		return a->slot < b->slot ? -1 : 1;
	return (int)a->port - (int)b->port;
}

/* Owners of addresses that have several, side by side, in the order of their ids. */
static int owners_build(struct veb_snap *s, struct further *more, unsigned int n)
{
	unsigned int at = 0;

	if (!n)
		return 0;
	s->owners = malloc(2 * n * sizeof(*s->owners)); /* with the first of each */
	if (!s->owners)
		return -ENOMEM;
	qsort(more, n, sizeof(*more), further_cmp);
	for (unsigned int i = 0; i < n; i++) {
		struct veb_fib_entry *entry = &s->fib[more[i].slot];

		if (!i || more[i - 1].slot != more[i].slot) {
			s->owners[at] = (uint16_t)entry->first;
			entry->first = at++;
		} else if (more[i - 1].port == more[i].port) { /* said twice */
			continue;
		}
		s->owners[at++] = more[i].port;
		entry->n++;
	}
	return 0;
}

/* A table of free entries, in huge pages where it is large: a fault a page is most of its cost. */
static int fib_alloc(struct veb_snap *s, unsigned int bits)
{
	size_t size = sizeof(*s->fib) << bits, align = size < HUGE_PAGE ? 64 : HUGE_PAGE;

	if (posix_memalign((void **)&s->fib, align, size))
		return -ENOMEM;
	if (align == HUGE_PAGE)
		madvise(s->fib, size, MADV_HUGEPAGE);
	memset(s->fib, 0xff, size);
	s->fib_shift = 64 - bits;
	s->fib_mask = (1u << bits) - 1;
	rand_bytes(&s->fib_mul, sizeof(s->fib_mul));
	s->fib_mul |= 1;
	return 0;
}

static int fib_build(struct veb_snap *s)
{
	unsigned int n_claims = 0, n_more = 0, bits = 4;
	auto_free struct further *more = NULL;

	for (unsigned int id = 0; id < VEB_PORTS_MAX; id++)
		if (s->ports[id])
			n_claims += port_n_claims(s->ports[id]);
	while ((1u << bits) < 2 * n_claims)
		bits++;
	more = malloc(MAX(n_claims, 1u) * sizeof(*more));
	if (!more || fib_alloc(s, bits))
		return -ENOMEM;
	for (unsigned int learned = 0; learned < 2; learned++) /* rights come first */
		for (unsigned int id = 0; id < VEB_PORTS_MAX; id++)
			fib_claims(s, s->ports[id], learned, more, &n_more);
	return owners_build(s, more, n_more);
}

/* Ids below VEB_PORTS_MAX are few: one pass a domain keeps its members side by side. */
static void domain_build(struct veb_snap *s, unsigned int number, struct veb_member *members)
{
	struct veb_domain *d = &s->domains[number];
	unsigned int most_out = 0;

	d->members = members;
	for (unsigned int id = 0; id < VEB_PORTS_MAX; id++) {
		const struct veb_port *p = s->ports[id];

		if (!p || p->kind == VEB_SINK || p->domain != number)
			continue;
		d->exists = true;
		d->max_nodes += 1u + p->n_in;
		most_out = MAX(most_out, (unsigned int)p->n_out);
		if (p->kind == VEB_UPLINK) {
			d->uplink = p->id;
			continue;
		}
		if (p->kind == VEB_HOST)
			d->host = p->id;
		d->promisc_all |= !!(p->flags & VEB_PROMISC_ALL);
		d->dhcp |= !!(p->flags & VEB_DHCP);
		d->learned |= !!(p->flags & VEB_LEARNED);
		members[d->n_members++] = (struct veb_member){ p->id, p->flags, p->pvid };
	}
	d->max_nodes += most_out;
}

static int domains_build(struct veb_snap *s, unsigned int n_ports, uint64_t vepa_domains,
			 struct err *e)
{
	unsigned int used = 0;

	s->members = malloc(MAX(n_ports, 1u) * sizeof(*s->members));
	if (!s->members)
		return -ENOMEM;
	for (unsigned int i = 0; i < VEB_DOMAINS_MAX; i++) {
		s->domains[i].uplink = s->domains[i].host = VEB_NO_PORT;
		s->domains[i].vepa = vepa_domains >> i & 1;
		domain_build(s, i, s->members + used);
		used += s->domains[i].n_members;
		if (s->domains[i].max_nodes > VEB_NODES_MAX)
			return err_set(e, -E2BIG, "a frame could have %u copies, more than %u",
				       s->domains[i].max_nodes, VEB_NODES_MAX);
		if (s->domains[i].exists && veb_floods_build(s, &s->domains[i]))
			return -ENOMEM;
	}
	return 0;
}

/**
 * veb_snap_build() - Build a snapshot over ports
 * @ports:        array of @n_ports ports, ids distinct; a reference to each is taken
 * @n_ports:      0..VEB_PORTS_MAX
 * @vepa_domains: bit d: domain d is in VEPA mode (IEEE 802.1Qbg)
 * @out:          the snapshot; the caller owns it, dp_publish() takes it
 * @e:            may be NULL
 *
 * Cost: linear in all addresses, and n log n in those that several have; docs/performance.md tells.
 *
 * Return: 0, -ENOMEM, or -E2BIG if one frame could have more copies than an out holds.
 * Context: control.
 */
int veb_snap_build(struct veb_port *const *ports, unsigned int n_ports, uint64_t vepa_domains,
		   struct veb_snap **out, struct err *e)
{
	static uint64_t gens;
	auto_of(veb_snap_free) struct veb_snap *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return err_set(e, -ENOMEM, "no memory for a snapshot");
	s->gen = ++gens;
	for (unsigned int i = 0; i < n_ports; i++) {
		assert(!s->ports[ports[i]->id]);
		s->ports[ports[i]->id] = veb_port_get(ports[i]);
		for (unsigned int k = 0; k < (unsigned int)(ports[i]->n_in + ports[i]->n_out); k++)
			s->snaps[ports[i]->in[k].slot] = ports[i]->in[k].snap;
	}
	rc = domains_build(s, n_ports, vepa_domains, e);
	if (!rc)
		rc = fib_build(s);
	if (rc)
		return err_set(e, rc, "no memory for a snapshot");
	*out = take(s);
	return 0;
}

/**
 * veb_snap_free() - Free a snapshot and its references to ports
 * @s: a snapshot no worker reads any more, or NULL
 *
 * Context: whoever waited for the grace period.
 */
void veb_snap_free(struct veb_snap *s)
{
	if (!s)
		return;
	for (unsigned int id = 0; id < VEB_PORTS_MAX; id++)
		veb_port_put(s->ports[id]);
	for (unsigned int i = 0; i < VEB_DOMAINS_MAX; i++)
		veb_floods_free(s->domains[i].floods);
	free(s->fib);
	free(s->owners);
	free(s->members);
	free(s);
}
