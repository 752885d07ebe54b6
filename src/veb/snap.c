/* SPDX-License-Identifier: Apache-2.0 */
/* Building snapshots: control's side of the switching rules. */
#include "veb/snap.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>

#include "veb/fib.h"
#include "veb/flood.h"
#include "veb/frame.h"
#include "veb/veb.h"

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
 * veb_snap_next() - Build a snapshot, its table of addresses from that of the one before last
 * @fibs:         tables of addresses, which snapshots of one switch share
 * @ports:        array of @n_ports ports, ids distinct; a reference to each is taken
 * @n_ports:      0..VEB_PORTS_MAX
 * @vepa_domains: bit d: domain d is in VEPA mode (IEEE 802.1Qbg)
 * @out:          the snapshot; the caller owns it, dp_publish() takes it
 * @e:            may be NULL
 *
 * Cost: linear in the ports, and in the addresses of those that changed; docs/performance.md tells.
 *
 * Return: 0, -ENOMEM, or -E2BIG if one frame could have more copies than an out holds.
 * Context: control.
 */
int veb_snap_next(struct veb_fibs *fibs, struct veb_port *const *ports, unsigned int n_ports,
		  uint64_t vepa_domains, struct veb_snap **out, struct err *e)
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
		rc = veb_fib_take(fibs, s);
	if (rc)
		return err_set(e, rc, "no memory for a snapshot");
	*out = take(s);
	return 0;
}

/**
 * veb_snap_build() - Build a snapshot by itself
 * @ports:        as of veb_snap_next(), as is the rest
 * @n_ports:      how many
 * @vepa_domains: domains in VEPA mode
 * @out:          the snapshot
 * @e:            may be NULL
 *
 * Return: as veb_snap_next().
 * Context: control.
 */
int veb_snap_build(struct veb_port *const *ports, unsigned int n_ports, uint64_t vepa_domains,
		   struct veb_snap **out, struct err *e)
{
	auto_of(veb_fibs_put) struct veb_fibs *fibs = veb_fibs_new();

	return fibs ? veb_snap_next(fibs, ports, n_ports, vepa_domains, out, e)
		    : err_set(e, -ENOMEM, "no memory for a snapshot");
}

/**
 * veb_snap_free() - Free a snapshot and its references to ports
 * @s: a snapshot no worker reads any more, or NULL
 *
 * Context: control, after the grace period: its table goes into the next.
 */
void veb_snap_free(struct veb_snap *s)
{
	if (!s)
		return;
	for (unsigned int id = 0; id < VEB_PORTS_MAX; id++)
		veb_port_put(s->ports[id]);
	for (unsigned int i = 0; i < VEB_DOMAINS_MAX; i++)
		veb_floods_free(s->domains[i].floods);
	veb_fib_give(s);
	free(s->members);
	free(s);
}
