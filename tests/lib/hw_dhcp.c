/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hw_dhcp add|del NETWORK PORT: what the agent does for a network's DHCP, by its own code and in its order, to
 * whichever daemon has the PF. NETWORK and PORT are the API's documents (docs/agent-api.md).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/host/pfs.h"
#include "agent/host/root.h"
#include "agent/kinds/net/dhcp.h"
#include "agent/kinds/net/net.h"
#include "agent/kinds/port/port.h"
#include "ctl/ctl.h"

static int add(const char *run_dir, const struct want_net *net, const struct want_port *port,
	       const struct dhcp_place *at, struct err *e)
{
	struct svc_config svc = { .mac = net->dhcp_mac,
				  .vlan = (uint16_t)net->vlan,
				  .mtu = (uint16_t)net->mtu };
	auto_free char *conf = dhcp_conf(net, at), *hosts = dhcp_hosts(net, &port, 1);
	int rc = dhcp_make(at, e);

	snprintf(svc.pf, sizeof(svc.pf), "%s", net->pf);
	snprintf(svc.name, sizeof(svc.name), "%s", at->tap);
	snprintf(svc.netns, sizeof(svc.netns), "%s", at->netns);
	rc = rc ?: pfs_svc_add(run_dir, &svc, e);
	rc = rc ?: dhcp_address(net, e);
	return rc ?: dhcp_start(at, conf, hosts, e);
}

static int del(const char *run_dir, const struct want_net *net, const struct dhcp_place *at,
	       struct err *e)
{
	int rc = dhcp_stop(at, e);

	rc = rc ?: pfs_svc_del(run_dir, net->pf, at->tap, e);
	return rc ?: dhcp_remove(at, e);
}

int main(int argc, char **argv)
{
	auto_of(json_decref) json_t *net_doc = argc == 4 ? json_loads(argv[2], 0, NULL) : NULL;
	auto_of(json_decref) json_t *port_doc = argc == 4 ? json_loads(argv[3], 0, NULL) : NULL;
	const char *run_dir = ctl_run_dir();
	struct want_net net;
	struct want_port port;
	struct vf_config config;
	struct dhcp_place at;
	struct err e = { 0 };
	int rc;

	root_here(run_dir);
	rc = net_doc && port_doc ? want_net_parse(net_doc, &net, &e) : -1;
	rc = rc ?: want_port_parse(port_doc, &port, &config, &e);
	if (rc) {
		fprintf(stderr, "hw_dhcp add|del NETWORK PORT: %s\n", e.msg);
		return 2;
	}
	dhcp_place_of(run_dir, net.id, &at);
	rc = strcmp(argv[1], "del") ? add(run_dir, &net, &port, &at, &e)
				    : del(run_dir, &net, &at, &e);
	if (rc)
		fprintf(stderr, "%s\n", e.msg);
	want_doc_put(&net.doc);
	want_piece_put(&port.piece);
	return rc ? 1 : 0;
}
