/* SPDX-License-Identifier: Apache-2.0 */
/* What is used of hosts: see usage.h. VFs by leases and by hand, the rest by the wishes for
 * servers. */
#include "hosts/usage.h"

#include <errno.h>
#include <stdlib.h>

#include "hosts/agents.h"

static enum place_kind kind_of(const json_t *row)
{
	return doc_is(row, "kind", "hw")				    ? PLACE_HW
	       : doc_is(row, "kind", "sw") || !json_object_get(row, "kind") ? PLACE_SW
									    : PLACE_OTHER;
}

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
			.kind = kind_of(row),
			.physnets = json_object_get(row, "physical_networks"),
			.pci_slots = json_object_get(row, "pci_slots"),
			.numvfs = (unsigned int)doc_int(row, "numvfs"),
		};
		if (pf->kind == PLACE_HW && *doc_str(row, "pci_slot"))
			pf->pci_slot = doc_str(row, "pci_slot");
		pf_take_busy(pf, json_object_get(row, "busy"));
		it = call_list(c, "/vf/%s/%s/", host, pf->name);
		while (cursor_step(&it))
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

static unsigned int uint_of(const json_t *doc, const char *key)
{
	return (unsigned int)doc_int(doc, key);
}

enum { VCPUS, MEMORY_MB, DISK_GB };

/*
 * One that is resized takes both disks and the larger of the rest, until that is confirmed or taken
 * back.
 */
static void server_takes(const json_t *wish, int64_t out[TALLY_SUMS])
{
	const json_t *before = json_object_get(wish, "before");

	out[VCPUS] = MAX(uint_of(wish, "vcpus"), uint_of(before, "vcpus"));
	out[MEMORY_MB] = MAX(uint_of(wish, "memory_mb"), uint_of(before, "memory_mb"));
	out[DISK_GB] = (int64_t)uint_of(wish, "disk_gb") + uint_of(before, "disk_gb");
}

static void port_returns(const json_t *wish, int64_t out[TALLY_SUMS])
{
	out[0] = doc_bool(wish, "released");
}

static const struct tally servers = { "/host/*/server/*", .of = server_takes };
static const struct tally ports = { "/host/*/port/*", .of = port_returns };

const struct tally *const usage_tallies[] = { &servers, &ports, NULL };

/**
 * host_usage() - What the servers of a host take, those still being deleted included
 * @c:    call
 * @host: host
 */
struct host_usage host_usage(struct call *c, const char *host)
{
	const struct sums s = call_sums(c, &servers, "/host/%s/server", host);

	return (struct host_usage){
		.servers = (unsigned int)s.n,
		.vcpus = (unsigned int)s.of[VCPUS],
		.memory_mb = (unsigned int)s.of[MEMORY_MB],
		.disk_gb = (unsigned int)s.of[DISK_GB],
	};
}

/**
 * usage_returns() - Is a VF of a host on its way back?
 * @c:    call
 * @host: host
 */
bool usage_returns(struct call *c, const char *host)
{
	return call_sums(c, &ports, "/host/%s/port", host).of[0] > 0;
}

/**
 * hosts_look() - See what placement asks of hosts that it considers: place_want.look
 * @call: the call
 * @host: one of hosts_load(), completed unless it is already
 *
 * Return: 0; -ENOMEM.
 */
int hosts_look(void *call, struct place_host *host)
{
	struct call *c = call;

	if (host->pfs)
		return 0;
	host->pfs = calloc(PLACE_MAX_PFS, sizeof(*host->pfs));
	if (!host->pfs)
		return -ENOMEM;
	call_browse(c, true);
	host->alive = agent_alive(c, host->name);
	host->disabled = !host_takes_servers(c, host->name);
	host->silent_s = agent_silent_s(c, host->name);
	host->n_pfs = usage_pfs(c, host->name, host->pfs, PLACE_MAX_PFS);
	host->homes = usage_homes(c, host->name);
	call_browse(c, false);
	return host->homes ? 0 : -ENOMEM;
}

/**
 * hosts_rely() - What a call changes depends on what one host has, and on what is used of it
 * @c:    the call
 * @host: which was chosen; those that were only looked at may change as they like
 */
void hosts_rely(struct call *c, const char *host)
{
	call_get(c, "/agent/%s", host);
	host_usage(c, host);
}

static struct place_host host_of(struct call *c, const json_t *agent)
{
	const char *name = doc_str(agent, "host");
	const struct host_usage l = host_usage(c, name);

	return (struct place_host){
		.name = name,
		.vcpus = uint_of(agent, "vcpus"),
		.vcpus_used = l.vcpus,
		.memory_mb = uint_of(agent, "memory_mb"),
		.memory_used_mb = l.memory_mb,
	};
}

/**
 * hosts_load() - All hosts with what servers take of them, for placement
 * @c:   the call; names and lists in the result point into its documents
 * @out: set to an array the caller gives to hosts_free(); NULL when there is no host
 *
 * The rest, which costs more, is for hosts_look().
 *
 * Return: their number; those memory did not suffice for are left out.
 */
unsigned int hosts_load(struct call *c, struct place_host **out)
{
	struct cursor it = call_list(c, "/agent/");
	struct place_host *hosts = NULL, *more;
	unsigned int n = 0, room = 0;

	call_browse(c, true);
	while (cursor_next(&it)) {
		if (n == room) {
			room = room ? 2 * room : 16;
			more = reallocarray(hosts, room, sizeof(*hosts));
			if (!more)
				break;
			hosts = more;
		}
		hosts[n++] = host_of(c, it.doc);
	}
	call_browse(c, false);
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
