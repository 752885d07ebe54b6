/* SPDX-License-Identifier: Apache-2.0 */
/* Placement: see placement.h. Refusals are sentences for an operator: host, PF, counts. */
#include "hosts/placement.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/docs.h"

static bool vf_is_taken(const struct place_pf *pf, unsigned int vf)
{
	return pf->taken[vf / 64] >> (vf % 64) & 1;
}

/**
 * place_pf_take() - Mark a VF as not free
 * @pf: PF whose map is changed
 * @vf: VF number, or PLACE_WHOLE; numbers the map cannot hold are ignored, as no VF has them
 */
void place_pf_take(struct place_pf *pf, unsigned int vf)
{
	pf->whole_taken |= vf == PLACE_WHOLE;
	if (vf < PLACE_MAX_VFS)
		pf->taken[vf / 64] |= 1ULL << (vf % 64);
}

/**
 * place_pf_free() - How many VFs of a PF are free
 * @pf: PF
 */
unsigned int place_pf_free(const struct place_pf *pf)
{
	unsigned int n = 0;

	for (unsigned int vf = 0; vf < MIN(pf->numvfs, PLACE_MAX_VFS); vf++)
		n += !vf_is_taken(pf, vf);
	return n;
}

static bool holds(const json_t *strings, const char *text)
{
	const json_t *s;
	size_t i;

	json_array_foreach (strings, i, s)
		if (json_is_string(s) && !strcmp(json_string_value(s), text))
			return true;
	return false;
}

static bool is_asked(const char *pci_slot, const char *is)
{
	return !pci_slot || (is && !strcmp(pci_slot, is));
}

/* The NIC's own function is nobody's while it has VFs, as these would go. */
static int whole_of(const struct place_pf *pf, const char *pci_slot)
{
	return pf->pci_slot && !pf->numvfs && !pf->whole_taken && is_asked(pci_slot, pf->pci_slot)
		       ? (int)PLACE_WHOLE
		       : -1;
}

/* The VF at a PCI address, or the lowest free one; -1 when it is taken or there is none. */
static int vf_of(const struct place_pf *pf, const struct place_port *port)
{
	if (port->vnic == PLACE_PHYSICAL)
		return whole_of(pf, port->pci_slot);
	for (unsigned int vf = 0; vf < MIN(pf->numvfs, PLACE_MAX_VFS); vf++) {
		const char *slot = json_string_value(json_array_get(pf->pci_slots, vf));

		if (!vf_is_taken(pf, vf) && is_asked(port->pci_slot, slot))
			return (int)vf;
	}
	return -1;
}

static bool suits(const struct place_pf *pf, const struct place_port *port)
{
	switch (port->vnic) {
	case PLACE_DIRECT:
		return pf->kind != PLACE_OTHER;
	case PLACE_NORMAL:
		return pf->kind == PLACE_SW;
	case PLACE_MACVTAP:
	case PLACE_PHYSICAL:
		break;
	}
	return pf->kind == PLACE_HW;
}

/* Of two PFs that can serve a port. */
static bool is_better(const struct place_pf *a, const struct place_pf *b)
{
	size_t nets = json_array_size(a->physnets), others = json_array_size(b->physnets);

	if (a->kind != b->kind)
		return a->kind == PLACE_HW;
	return nets < others || (nets == others && place_pf_free(a) > place_pf_free(b));
}

/* Why no PF of the physical network can serve a port. */
static int refuse(const struct place_port *port, const struct place_pf *unfit,
		  const struct place_pf *full, struct err *e)
{
	static const char *const needs[] = { [PLACE_DIRECT] = "direct",
					     [PLACE_NORMAL] = "normal",
					     [PLACE_MACVTAP] = "macvtap",
					     [PLACE_PHYSICAL] = "direct-physical" };
	static const char *const kinds[] = { [PLACE_SW] = "no NIC's",
					     [PLACE_HW] = "a NIC's",
					     [PLACE_OTHER] = "of an unknown kind" };

	if (!full && unfit)
		return err_set(e, -ENXIO, "PF %s (%s) is %s: vnic type %s is not there",
			       unfit->name, port->physnet, kinds[unfit->kind], needs[port->vnic]);
	if (!full)
		return err_set(e, -ENXIO, "no PF serves physical network %s", port->physnet);
	if (port->vnic == PLACE_PHYSICAL)
		return err_set(e, -ENOSPC, "PF %s (%s) %s", full->name, port->physnet,
			       full->numvfs ? "has VFs, so it cannot be given away as a whole"
			       : full->whole_taken ? "is in use as a whole"
						   : "is not at the PCI address asked for");
	if (port->pci_slot)
		return err_set(e, -ENOSPC, "the VF at %s of PF %s (%s) is not free or not there",
			       port->pci_slot, full->name, port->physnet);
	return err_set(e, -ENOSPC, "PF %s (%s) has no free VF: %u of %u in use", full->name,
		       port->physnet, full->numvfs - place_pf_free(full), full->numvfs);
}

/*
 * Of the PFs that serve the physical network, the network's own wins, as its DHCP is there; then a
 * NIC's before one of software, then the one with fewest other physical networks, then the one with
 * most free VFs, so that a PF others may need stays free for them.
 */
static int pick_pf(const struct place_pf *pfs, unsigned int n_pfs, const struct place_port *port,
		   const char *home, const struct place_pf **out, struct err *e)
{
	const struct place_pf *best = NULL, *full = NULL, *unfit = NULL;

	for (unsigned int i = 0; i < n_pfs; i++) {
		const struct place_pf *p = &pfs[i];

		if (!holds(p->physnets, port->physnet))
			continue;
		if (!suits(p, port)) {
			unfit = p;
			continue;
		}
		full = p;
		if (vf_of(p, port) < 0)
			continue;
		if (home && !strcmp(p->name, home)) {
			*out = p;
			return 0;
		}
		if (!best || is_better(p, best))
			best = p;
	}
	if (!best)
		return refuse(port, unfit, full, e);
	*out = best;
	return 0;
}

/* The PF of a port's network: where its DHCP is, or is about to be by the first port of it. */
static const char *home_of(const json_t *homes, const struct place_port *ports,
			   const struct place_vf *vfs, unsigned int n, unsigned int port)
{
	const char *network = ports[port].network;

	if (network && json_object_get(homes, network))
		return doc_text(homes, network);
	for (unsigned int i = 0; network && i < n; i++)
		if (vfs[i].pf && ports[i].network && !strcmp(ports[i].network, network))
			return vfs[i].pf;
	return NULL;
}

/* Ports that name their VF are served first: the others can take any. */
static int assign(const struct place_host *host, const struct place_port *ports,
		  unsigned int n_ports, bool at_home, struct place_vf *vfs, struct err *e)
{
	unsigned int n_pfs = MIN(host->n_pfs, PLACE_MAX_PFS);
	struct place_pf pfs[PLACE_MAX_PFS];

	memcpy(pfs, host->pfs, n_pfs * sizeof(pfs[0]));
	memset(vfs, 0, n_ports * sizeof(*vfs));
	for (unsigned int i = 0; i < 2 * n_ports; i++) {
		unsigned int n = i % n_ports, vf;
		const struct place_port *port = &ports[n];
		const char *home = at_home ? home_of(host->homes, ports, vfs, n_ports, n) : NULL;
		const struct place_pf *p = NULL;
		int rc;

		if (!port->pci_slot != (i >= n_ports))
			continue;
		rc = pick_pf(pfs, n_pfs, port, home, &p, e);
		if (rc)
			return rc;
		vf = (unsigned int)vf_of(p, port);
		vfs[n] = (struct place_vf){ p->name, vf,
					    vf == PLACE_WHOLE ? p->pci_slot
							      : json_string_value(json_array_get(
									p->pci_slots, vf)) };
		place_pf_take(&pfs[p - pfs], vf);
	}
	return 0;
}

/**
 * placement_assign() - Choose the VFs of ports on one host
 * @host:    its PFs and homes count
 * @ports:   what the ports need
 * @n_ports: 0..PLACE_MAX_PORTS
 * @vfs:     set to each port's VF; on failure of no meaning
 * @e:       the reason of a refusal
 *
 * Networks stay on their PFs, or leave them if the ports fit in no other way.
 *
 * Return: 0; -ENXIO when no PF serves a physical network; -ENOSPC when no VF is free. Pure.
 */
int placement_assign(const struct place_host *host, const struct place_port *ports,
		     unsigned int n_ports, struct place_vf *vfs, struct err *e)
{
	assert(n_ports <= PLACE_MAX_PORTS);
	return assign(host, ports, n_ports, true, vfs, NULL)
		       ? assign(host, ports, n_ports, false, vfs, e)
		       : 0;
}

static bool is_among(const struct place_hosts *wanted, const char *name)
{
	return (!wanted->only || json_object_get(wanted->only, name)) &&
	       !json_object_get(wanted->avoid, name);
}

/**
 * placement_fits() - Whether a host can take a server now
 * @host: the host with what is used of it
 * @want: what the server needs
 * @vfs:  as placement_assign()
 * @e:    the first reason against it, one sentence without the host's name
 *
 * Return: 0; -EHOSTDOWN when its agent is silent; -ENXIO or -ENOSPC as placement_assign(); -ENOMEM
 * when virtual CPUs or memory do not suffice, or the host is disabled or
 * excluded.
 */
int placement_fits(const struct place_host *host, const struct place_want *want,
		   struct place_vf *vfs, struct err *e)
{
	unsigned int cpus = host->vcpus * PLACE_CPU_RATIO;

	if (!host->alive)
		return err_set(e, -EHOSTDOWN, "its agent is dead (no heartbeat for %u s)",
			       host->silent_s);
	if (!is_among(&want->zone, host->name))
		return err_set(e, -ENOMEM, "it is in another availability zone");
	if (!is_among(&want->hints, host->name) || !is_among(&want->group, host->name))
		return err_set(e, -ENOMEM, "a hint or the server's group excludes it");
	if (host->disabled && !want->host)
		return err_set(e, -ENOMEM, "its compute service is disabled");
	if (host->vcpus_used + want->vcpus > cpus)
		return err_set(e, -ENOMEM, "%u virtual CPUs needed, %u of %u left", want->vcpus,
			       cpus - MIN(cpus, host->vcpus_used), cpus);
	if (host->memory_used_mb + want->memory_mb > host->memory_mb)
		return err_set(e, -ENOMEM, "%u MB of memory needed, %u of %u left", want->memory_mb,
			       host->memory_mb - MIN(host->memory_mb, host->memory_used_mb),
			       host->memory_mb);
	return placement_assign(host, want->ports, want->n_ports, vfs, e);
}

static unsigned int memory_left(const struct place_host *host)
{
	return host->memory_mb - MIN(host->memory_mb, host->memory_used_mb);
}

/* The one with more room first; of alike ones, who stands first. */
static int compare_rooms(const void *a, const void *b)
{
	const struct place_host *const *x = a, *const *y = b;
	unsigned int left_x = memory_left(*x), left_y = memory_left(*y);

	return left_x != left_y ? (left_x < left_y) - (left_x > left_y) : (*x > *y) - (*x < *y);
}

/* Whether a host is it, seen only now. */
static int judge(struct place_host *h, const struct place_want *want, struct place_vf *vfs,
		 struct err *why)
{
	int rc = want->look ? want->look(want->look_arg, h) : 0;

	return rc ? err_set(why, rc, "it cannot be looked at: %s", strerror(-rc))
		  : placement_fits(h, want, vfs, why);
}

/* The first that fits, in order of room; NULL: none does, or there is no memory (*rc). */
static struct place_host *first_fit(struct place_host *hosts, unsigned int n_hosts,
				    const struct place_want *want, struct place_vf *vfs, int *rc)
{
	auto_free struct place_host **order = calloc(n_hosts + 1, sizeof(struct place_host *));
	unsigned int n = 0;

	*rc = order ? 0 : -ENOMEM;
	for (unsigned int i = 0; order && i < n_hosts; i++)
		if (!want->host || !strcmp(want->host, hosts[i].name))
			order[n++] = &hosts[i];
	if (order)
		qsort(order, n, sizeof(struct place_host *), compare_rooms);
	for (unsigned int i = 0; i < n; i++)
		if (!judge(order[i], want, vfs, NULL))
			return order[i];
	return NULL;
}

/* Why none does, host by host, as far as there is room for it. */
static void say_reasons(struct place_host *hosts, unsigned int n_hosts,
			const struct place_want *want, char *out, size_t size)
{
	struct place_vf vfs[PLACE_MAX_PORTS];
	size_t len = 0;

	for (unsigned int i = 0; i < n_hosts && len < size; i++) {
		struct err why = { 0 };

		if (want->host && strcmp(want->host, hosts[i].name) != 0)
			continue;
		judge(&hosts[i], want, vfs, &why);
		len += (size_t)snprintf(out + len, size - len, "%shost %s: %s", len ? "; " : "",
					hosts[i].name, why.msg);
	}
}

/**
 * placement_choose() - Choose the host of a server
 * @hosts:   all hosts that ever reported; those that are judged are looked at (want->look)
 * @n_hosts: their number, 0 too
 * @want:    what the server needs
 * @out:     set to the index of the host with most memory left among those that can take it
 * @vfs:     set to the VF of each port on that host
 * @e:       on refusal every host's reason in turn, as far as the buffer goes
 *
 * Return: 0; -ENOSPC when no host can take it; -ENOMEM. Pure but for want->look().
 */
int placement_choose(struct place_host *hosts, unsigned int n_hosts, const struct place_want *want,
		     unsigned int *out, struct place_vf *vfs, struct err *e)
{
	char reasons[400] = "";
	int rc;
	const struct place_host *best = first_fit(hosts, n_hosts, want, vfs, &rc);

	if (rc)
		return rc;
	if (best) {
		*out = (unsigned int)(best - hosts);
		return 0;
	}
	say_reasons(hosts, n_hosts, want, reasons, sizeof(reasons));
	if (!reasons[0] && want->host)
		return err_set(e, -ENOSPC, "No host named %s has an agent", want->host);
	if (!reasons[0])
		return err_set(e, -ENOSPC, "No host has registered: no anyvf-agentd reports here");
	return err_set(e, -ENOSPC, "No host can take the server: %s", reasons);
}
