/* SPDX-License-Identifier: Apache-2.0 */
/* Networks: DHCP for a host's ports, where one of a network's subnets wants it. */
#ifndef ANYVF_AGENT_KINDS_NET_NET_H
#define ANYVF_AGENT_KINDS_NET_NET_H

#include "agent/core/want.h"

enum net_step {
	NET_STEP_NONE,
	NET_STEP_ADD,	 /* namespace, service port, addresses */
	NET_STEP_START,	 /* dnsmasq with the current configuration */
	NET_STEP_UPDATE, /* the hosts file alone changed */
	NET_STEP_REMOVE,
};

struct net_have {
	bool known;  /* the switch has told its service ports */
	bool wanted; /* the document wants DHCP and a local port needs it */
	bool service_port;
	bool addressed; /* since the switch made the service port */
	bool running;	/* dnsmasq */
	bool conf_current, hosts_current;
	bool files; /* its directory exists */
};

extern const struct agent_kind net_kind;

int want_net_parse(json_t *doc, struct want_net *out, struct err *e);
enum net_step plan_net(const struct net_have *have);
const char *plan_net_status(const struct net_have *have);

#endif
