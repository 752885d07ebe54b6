/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DHCP and router advertisements of one network on this host: dnsmasq in a
 * namespace of its own, on a service port of the network's PF.
 */
#ifndef ANYVF_AGENT_KINDS_NET_DHCP_H
#define ANYVF_AGENT_KINDS_NET_DHCP_H

#include "agent/core/want.h"
#include "agent/host/place.h"

char *dhcp_conf(const struct want_net *net, const struct dhcp_place *at);
char *dhcp_hosts(const struct want_net *net, const struct want_port *const *ports,
		 unsigned int n_ports);

bool dhcp_differs(const struct dhcp_place *at, const char *name, const char *text);
int dhcp_make(const struct dhcp_place *at, struct err *e);
int dhcp_address(const struct want_net *net, struct err *e);
bool dhcp_has_addresses(const struct want_net *net);
int dhcp_start(const struct dhcp_place *at, const char *conf, const char *hosts, struct err *e);
int dhcp_update(const struct dhcp_place *at, const char *hosts, struct err *e);
int dhcp_stop(const struct dhcp_place *at, struct err *e);
int dhcp_remove(const struct dhcp_place *at, struct err *e);

#endif
