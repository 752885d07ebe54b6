/* SPDX-License-Identifier: Apache-2.0 */
/* What is used of hosts: see usage.h. VFs by leases and by hand, the rest by the wishes for
 * servers. */
#include "hosts/usage.h"

#include <stdlib.h>

#include "hosts/agents.h"

#define PFS_MAX 64 /* of one host that are looked at */

static void pf_take_busy(struct place_pf *pf, const json_t *busy)
{
	json_t *n;
	size_t i;

	json_array_foreach (busy, i, n)
		if (json_integer_value(n) >= 0)
			place_pf_take(pf, (unsigned int)json_integer_value(n));
}

/**
 * usage_pfs() - A host's PFs and which of their VFs are not free
 * @c:    call
 * @host: host
 * @pfs:  filled in; members point into documents of the call
 * @max:  size of @pfs
 *
 * Return: how many; 0 for an unknown host.
 */
unsigned int usage_pfs(struct call *c, const char *host, struct place_pf *pfs, unsigned int max)
{
	const json_t *rows = json_object_get(call_get(c, "/agent/%s", host), "pfs");
	unsigned int n = 0;
	json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		struct place_pf *pf = &pfs[n];
		struct cursor it;

		if (n == max)
			break;
		*pf = (struct place_pf){
			.name = doc_str(row, "name"),
			.physnets = json_object_get(row, "physical_networks"),
			.pci_slots = json_object_get(row, "pci_slots"),
			.numvfs = (unsigned int)doc_int(row, "numvfs"),
		};
		pf_take_busy(pf, json_object_get(row, "busy"));
		it = call_list(c, "/vf/%s/%s/", host, pf->name);
		while (cursor_next(&it))
			place_pf_take(pf, (unsigned int)atoi(it.key + it.prefix_len));
		n++;
	}
	return n;
}

/**
 * usage_homes() - On which PF of a host its networks are: their DHCP is there
 * @c:    call
 * @host: host
 *
 * Return: a new object, {network id: PF}; NULL without memory.
 */
json_t *usage_homes(struct call *c, const char *host)
{
	struct cursor it = call_list(c, "/host/%s/network/", host);
	json_t *homes = json_object();

	while (homes && cursor_next(&it))
		json_object_set(homes, it.key + it.prefix_len, json_object_get(it.doc, "pf"));
	return homes;
}

/**
 * host_usage() - What the servers of a host take, those still being deleted included
 * @c:    call
 * @host: host
 */
struct host_usage host_usage(struct call *c, const char *host)
{
	struct cursor it = call_list(c, "/host/%s/server/", host);
	struct host_usage l = { 0 };

	while (cursor_next(&it)) {
		l.servers++;
		l.vcpus += (unsigned int)doc_int(it.doc, "vcpus");
		l.memory_mb += (unsigned int)doc_int(it.doc, "memory_mb");
		l.disk_gb += (unsigned int)doc_int(it.doc, "disk_gb");
	}
	return l;
}

static int host_fill(struct call *c, const json_t *agent, struct place_host *h)
{
	const char *name = doc_text(agent, "host");
	struct host_usage l = host_usage(c, name);

	*h = (struct place_host){
		.name = name,
		.alive = agent_alive(c, name),
		.disabled = !host_takes_servers(c, name),
		.silent_s = agent_silent_s(c, name),
		.vcpus = (unsigned int)doc_int(agent, "vcpus"),
		.vcpus_used = l.vcpus,
		.memory_mb = (unsigned int)doc_int(agent, "memory_mb"),
		.memory_used_mb = l.memory_mb,
		.pfs = calloc(PFS_MAX, sizeof(struct place_pf)),
	};
	if (!h->pfs)
		return -1;
	h->n_pfs = usage_pfs(c, name, h->pfs, PFS_MAX);
	h->homes = usage_homes(c, name);
	return 0;
}

/**
 * hosts_load() - All hosts with what is used of them, for placement
 * @c:   the call; names and lists in the result point into its documents
 * @out: set to an array the caller gives to hosts_free(); NULL when there is no host
 *
 * Return: their number; those memory did not suffice for are left out.
 */
unsigned int hosts_load(struct call *c, struct place_host **out)
{
	struct cursor it = call_list(c, "/agent/");
	struct place_host *hosts = NULL, *more;
	unsigned int n = 0;

	while (cursor_next(&it)) {
		more = realloc(hosts, (n + 1) * sizeof(*hosts));
		if (!more)
			break;
		hosts = more;
		if (host_fill(c, it.doc, &hosts[n]))
			break;
		n++;
	}
	*out = hosts;
	return n;
}

/**
 * hosts_free() - Free what hosts_load() made
 * @hosts: array or NULL
 * @n:     its length
 */
void hosts_free(struct place_host *hosts, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		free(hosts[i].pfs);
		json_decref(hosts[i].homes);
	}
	free(hosts);
}
