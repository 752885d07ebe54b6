/* SPDX-License-Identifier: Apache-2.0 */
/* Ports as snapshots have them: immutable, shared by those in which they say the same. */
#include <assert.h>

#include "veb/frame.h"
#include "veb/snap.h"

/* Addresses of a port, as long as some port has them. */
struct veb_keys {
	unsigned int refs; /* atomic */
	uint64_t macs[];   /* own addresses, then groups */
};

static struct veb_keys *keys_of(const struct veb_port_conf *conf)
{
	struct veb_keys *k = conf->like ? conf->like->keys : NULL;

	if (k) {
		__atomic_add_fetch(&k->refs, 1, __ATOMIC_RELAXED);
		return k;
	}
	k = malloc(sizeof(*k) + (conf->n_macs + conf->n_groups) * sizeof(*k->macs));
	if (!k)
		return NULL;
	k->refs = 1;
	for (unsigned int i = 0; i < conf->n_macs; i++)
		k->macs[i] = veb_mac_key(&conf->macs[i]);
	for (unsigned int i = 0; i < conf->n_groups; i++)
		k->macs[conf->n_macs + i] = veb_mac_key(&conf->groups[i]);
	return k;
}

static void keys_put(struct veb_keys *k)
{
	if (!__atomic_sub_fetch(&k->refs, 1, __ATOMIC_ACQ_REL))
		free(k);
}

static void addresses_set(struct veb_port *p, const struct veb_port_conf *conf)
{
	const struct veb_port *like = conf->like;

	p->n_macs = like ? like->n_macs : (uint16_t)conf->n_macs;
	p->n_learned = like ? like->n_learned : (uint16_t)conf->n_learned;
	p->n_groups = like ? like->n_groups : (uint16_t)conf->n_groups;
	p->macs = p->keys->macs;
	p->mac = p->n_macs ? p->macs[0] : 0;
}

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
	struct veb_port *p;
	struct veb_mirror *mirrors;

	assert(conf->id < VEB_PORTS_MAX && conf->domain < VEB_DOMAINS_MAX);
	assert(conf->n_in <= VEB_MIRRORS_MAX && conf->n_out <= VEB_MIRRORS_MAX);
	assert(conf->n_macs <= UINT16_MAX && conf->n_groups <= UINT16_MAX);
	if (posix_memalign((void **)&p, 64, sizeof(*p) + mirrors_size))
		return NULL;
	memset(p, 0, sizeof(*p));
	p->keys = keys_of(conf);
	if (!p->keys) {
		free(p);
		return NULL;
	}
	mirrors = (struct veb_mirror *)(p + 1);
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
	addresses_set(p, conf);
	p->n_in = (uint16_t)conf->n_in;
	p->n_out = (uint16_t)conf->n_out;
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
	       a->n_out == b->n_out &&
	       (a->macs == b->macs || !memcmp(a->macs, b->macs, n_keys * sizeof(*a->macs))) &&
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
	keys_put(p->keys);
	free(p);
}
