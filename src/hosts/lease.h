/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VF leases: which VF of which host serves a port, and what its host's agent is
 * to know about it. A lease is the key /vf/HOST/PF/N; the agent's wish lists are
 * /host/HOST/port/ID and /host/HOST/network/ID (docs/agent-api.md). Servers bind
 * and unbind here in their own transactions; reports come back here.
 *
 * An agent's inventory is the document /agent/HOST, written by agents.c:
 * {"id": HOST, "host": HOST, "alive": true, ...} and the members of its report.
 * `alive` turns false when heartbeats stop.
 */
#ifndef ANYVF_HOSTS_LEASE_H
#define ANYVF_HOSTS_LEASE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

struct call;
struct place_pf;
struct place_port;
struct place_vf;

/* What placement needs. Members point into documents of the call. */
json_t *lease_homes(struct call *c, const char *host);
unsigned int lease_pfs(struct call *c, const char *host, struct place_pf *pfs, unsigned int max);
int lease_want(struct call *c, const json_t *port, struct place_port *out);

/*
 * Ports of servers. All change documents of the call only; a failed call takes
 * them back. server NULL: bound by binding:host_id, without a server of ours.
 */
int port_bind(struct call *c, const char *port_id, const char *host, const char *server,
	      const struct place_vf *vf, struct err *why);
int port_bind_failed(struct call *c, const char *port_id, const char *host, const char *server);
int port_unbind(struct call *c, const char *port_id);

/* The agent's reports about ports and networks: 204, or 404, 409. */
int lease_report_port(struct call *c, const char *host, const char *id, const json_t *report);
int lease_report_network(struct call *c, const char *host, const char *id, const json_t *report);

/*
 * Documents for a host's agent, /host/HOST/KIND/ID: sets `generation` to a number larger than any
 * this key ever had; a document equal to what stands there but for it is not written.
 */
int host_doc_put(struct call *c, const char *host, const char *kind, const char *id,
		 json_t *doc_taken);

#endif
