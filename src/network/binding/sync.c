/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network's change is told to the hosts that have it. One that concerns more documents than a
 * transaction can hold leaves /resync/NETWORK behind, which network_sync() works off.
 */
#include <errno.h>
#include <string.h>

#include "network/binding/binding.h"
#include "network/core/network.h"

/* Operations in a client's own transaction, and in one of network_sync(): the last host may
 * take some more, for its document and its service port with a row, a MAC and addresses. */
#define SYNC_NOW   16
#define SYNC_LATER 64
#define SPLIT_MAX  16 /* networks of former versions, in one transaction */
#define AGAIN_MS   1  /* until the next transaction of what one cannot hold */

/* What one host is told of a network. Return: 1 if that was news, also if it was its service port
 * that told it, 0, or a negative errno. */
static int sync_host(struct call *c, const char *host, const char *id, const json_t *net)
{
	const json_t *have = wish_get(c, host, "network", id);
	int rc;

	if (!have)
		return 0;
	rc = net ? dhcp_ensure(c, net, host) : dhcp_end(c, id, host);
	if (!rc)
		rc = wish_changed(c, host, "network", id);
	return rc < 0 ? rc : wish_get(c, host, "network", id) != have;
}

/* Hosts' documents about one network; what was done is taken from @left: it ends at zero. */
static int sync_hosts(struct call *c, const char *id, const json_t *net, int *left)
{
	struct cursor it = call_list(c, "/agent/");
	int cost = 5 + 2 * (int)res_count(c, &subnet_resource, "network_id", id);

	while (*left > 0 && cursor_step(&it)) {
		int rc = sync_host(c, it.key + it.prefix_len, id, net);

		if (rc < 0)
			return rc;
		*left -= rc * cost;
	}
	return 0;
}

/* Hosts' documents about the ports of one network; @left as in sync_hosts(). */
static int sync_ports(struct call *c, const char *id, int *left)
{
	struct cursor it = res_list(c, &port_resource, "network_id", id);

	while (*left > 0 && cursor_next(&it)) {
		int rc = wish_changed(c, port_host(it.doc), "port", doc_str(it.doc, "id"));

		if (rc < 0)
			return rc;
		*left -= rc;
	}
	return 0;
}

/* All of a network's documents are as they should be if something of @left is left. */
static int sync_network(struct call *c, const char *id, int *left)
{
	const json_t *net = res_get(c, &network_resource, id);
	int rc = sync_hosts(c, id, net, left);

	return rc || !net ? rc : sync_ports(c, id, left);
}

static int sync_later(struct call *c, const char *network_id)
{
	return call_put(c, json_pack("{s:s}", "network", network_id), "/resync/%s", network_id);
}

/**
 * network_changed() - A network, or one of its subnets, was changed or deleted
 * @c:          call
 * @network_id: network
 *
 * Agents are told in this transaction if that is little, else soon.
 *
 * Return: 0 or a negative errno.
 */
int network_changed(struct call *c, const char *network_id)
{
	int left = SYNC_NOW, rc = sync_network(c, network_id, &left);

	return rc || left > 0 ? rc : sync_later(c, network_id);
}

/* Former versions had one service port for all hosts: /dhcp/NETWORK. */
static int split_some(struct call *c)
{
	struct cursor it = call_list(c, "/dhcp/");
	int rc = 0;

	for (unsigned int n = 0; !rc && n < SPLIT_MAX && cursor_next(&it); n++) {
		const char *id = it.key + it.prefix_len;

		rc = dhcp_split(c, id, doc_str(it.doc, "port")) ?: sync_later(c, id);
	}
	return rc;
}

/**
 * network_sync() - Work off what network_changed() left (struct periodic)
 * @c: call
 *
 * Documents that are right already cost nothing, so each turn starts from the beginning.
 *
 * Return: 0, CALL_WAIT when there is more, or a negative errno.
 */
int network_sync(struct call *c)
{
	struct cursor it = call_list(c, "/resync/");
	int left = SYNC_LATER, rc = split_some(c);

	if (rc || !cursor_next(&it))
		return rc;
	rc = sync_network(c, it.key + it.prefix_len, &left);
	if (!rc && left > 0)
		rc = call_delete(c, "%s", it.key);
	return rc ? rc : call_wait(c, AGAIN_MS, "/resync/");
}
