/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dnsmasq's configuration for a network (pure), and the process: it daemonizes, so it outlives the
 * agent, and is found again by its pid file.
 */
#include "agent/kinds/net/dhcp.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/host/root.h"
#include "base/file.h"

#define LEASE_S	 86400
#define FILE_MAX (1U << 20)

static bool word_is(const char *word, const char *is)
{
	return word && !strcmp(word, is);
}

/* Option 121 carries the default route too: a client that reads it ignores option 3 (RFC 3442). */
static void put_routes(FILE *f, const struct want_subnet *sub, unsigned int i)
{
	char gateway[IP_STR_LEN];
	const json_t *route;
	size_t k;

	if (!json_array_size(sub->routes))
		return;
	fprintf(f, "dhcp-option=tag:s%u,option:classless-static-route", i);
	json_array_foreach (sub->routes, k, route) {
		const char *to = json_string_value(json_object_get(route, "destination"));
		const char *via = json_string_value(json_object_get(route, "nexthop"));
		struct cidr dest;
		struct ip hop;
		char text[CIDR_STR_LEN], hop_text[IP_STR_LEN];

		if (to && via && !cidr_parse(to, &dest, NULL) && !ip_parse(via, &hop, NULL))
			fprintf(f, ",%s,%s", cidr_format(&dest, text), ip_format(&hop, hop_text));
	}
	if (sub->gateway.version)
		fprintf(f, ",0.0.0.0/0,%s", ip_format(&sub->gateway, gateway));
	fputc('\n', f);
}

static void put_dns(FILE *f, const struct want_subnet *sub, unsigned int i)
{
	bool v6 = sub->cidr.base.version == 6;
	const json_t *item;
	size_t k;

	if (!json_array_size(sub->dns)) {
		if (!v6) /* an option without value keeps dnsmasq from offering itself */
			fprintf(f, "dhcp-option=tag:s%u,option:dns-server\n", i);
		return;
	}
	fprintf(f, "dhcp-option=tag:s%u,%s", i, v6 ? "option6:dns-server" : "option:dns-server");
	json_array_foreach (sub->dns, k, item) {
		char text[IP_STR_LEN];
		struct ip ip;

		if (json_is_string(item) && !ip_parse(json_string_value(item), &ip, NULL))
			fprintf(f, v6 ? ",[%s]" : ",%s", ip_format(&ip, text));
	}
	fputc('\n', f);
}

static void put_subnet4(FILE *f, const struct want_net *net, unsigned int i)
{
	const struct want_subnet *sub = &net->subnets[i];
	struct ip mask = { .version = 4,
			   .n = UINT32_MAX & ~(UINT64_C(0xffffffff) >> sub->cidr.len) };
	char base[IP_STR_LEN], netmask[IP_STR_LEN], gateway[IP_STR_LEN];

	fprintf(f, "dhcp-range=set:s%u,%s,static,%s,%d\n", i, ip_format(&sub->cidr.base, base),
		ip_format(&mask, netmask), LEASE_S);
	if (sub->gateway.version)
		fprintf(f, "dhcp-option=tag:s%u,option:router,%s\n", i,
			ip_format(&sub->gateway, gateway));
	else
		fprintf(f, "dhcp-option=tag:s%u,option:router\n", i);
	fprintf(f, "dhcp-option=tag:s%u,option:mtu,%u\n", i, net->mtu);
	put_routes(f, sub, i);
}

/* We advertise prefixes, but are no router: lifetime 0 (RFC 4861, 4.2). */
static void put_subnet6(FILE *f, const struct want_net *net, unsigned int i,
			const struct dhcp_place *at)
{
	const struct want_subnet *sub = &net->subnets[i];
	char base[IP_STR_LEN];
	const char *how = word_is(sub->address_mode, "dhcpv6-stateful")	   ? "static"
			  : word_is(sub->address_mode, "dhcpv6-stateless") ? "ra-stateless"
									   : "ra-only";

	fprintf(f, "dhcp-range=set:s%u,%s,%s,%u,%d\n", i, ip_format(&sub->cidr.base, base), how,
		sub->cidr.len, LEASE_S);
	if (sub->ra_mode)
		fprintf(f, "enable-ra\nra-param=%s,mtu:%u,0,0\n", at->tap, net->mtu);
}

/* dnsmasq finds these itself; with them, a file of former addresses is not the current one. */
static void put_place(FILE *f, const struct want_net *net)
{
	char mac[MAC_STR_LEN], ip[IP_STR_LEN];

	fprintf(f, "# at %s", mac_format(&net->dhcp_mac, mac));
	for (unsigned int i = 0; i < net->n_dhcp_ips; i++)
		fprintf(f, " %s", ip_format(&net->dhcp_ips[i].address, ip));
	fputc('\n', f);
}

/**
 * dhcp_conf() - dnsmasq's configuration for a network
 * @net: network with its subnets
 * @at:  its namespace, service port and directory
 *
 * Unknown MACs get no answer; addresses come from the hosts file (dhcp_hosts()) alone.
 *
 * Return: the text, the caller's to free; NULL when out of memory. Pure.
 */
char *dhcp_conf(const struct want_net *net, const struct dhcp_place *at)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	fprintf(f, "# network %s, written by anyvf-agentd\n", net->id);
	put_place(f, net);
	fprintf(f, "port=0\ninterface=%s\nexcept-interface=lo\nbind-interfaces\n", at->tap);
	fprintf(f, "no-hosts\nno-resolv\ndhcp-authoritative\ndhcp-ignore=tag:!known\n");
	fprintf(f, "pid-file=%s/pid\ndhcp-leasefile=%s/leases\ndhcp-hostsfile=%s/hosts\n", at->dir,
		at->dir, at->dir);
	fprintf(f, "log-dhcp\nlog-facility=%s/log\n", at->dir);
	for (unsigned int i = 0; i < net->n_subnets; i++) {
		const struct want_subnet *sub = &net->subnets[i];

		if (!sub->dhcp)
			continue;
		if (sub->cidr.base.version == 4)
			put_subnet4(f, net, i);
		else
			put_subnet6(f, net, i, at);
		put_dns(f, sub, i);
	}
	if (ferror(f) | fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

/**
 * dhcp_hosts() - dnsmasq's hosts file: who gets which address
 * @net:     network
 * @ports:   this host's ports; those of other networks are passed over
 * @n_ports: how many
 *
 * Return: the text, the caller's to free; NULL when out of memory. Pure.
 */
char *dhcp_hosts(const struct want_net *net, const struct want_port *const *ports,
		 unsigned int n_ports)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	for (unsigned int i = 0; i < n_ports; i++) {
		const struct want_port *p = ports[i];
		char mac[MAC_STR_LEN], ip[IP_STR_LEN];

		if (strcmp(p->network, net->id) || p->released)
			continue;
		for (unsigned int k = 0; k < p->n_ips; k++) {
			const struct want_subnet *sub = want_subnet_of(net, p->ips[k].subnet);

			if (sub && !sub->dhcp)
				continue;
			fprintf(f, p->ips[k].address.version == 6 ? "%s,[%s]\n" : "%s,%s\n",
				mac_format(&p->mac, mac), ip_format(&p->ips[k].address, ip));
		}
	}
	if (ferror(f) | fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

static void path_of(const struct dhcp_place *at, const char *name, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/%s", at->dir, name);
}

/**
 * dhcp_differs() - Is the file of the running dnsmasq another one?
 * @at:   place
 * @name: "conf" or "hosts"
 * @text: what it should be
 *
 * Return: true if the file is not there or has another content. Context: reads one small file.
 */
bool dhcp_differs(const struct dhcp_place *at, const char *name, const char *text)
{
	auto_free char *have = NULL;
	char path[PATH_MAX];
	size_t size;

	path_of(at, name, path);
	return file_read(path, FILE_MAX, &have, &size, NULL) || strcmp(have, text) != 0;
}

/* Its addresses with their prefixes. */
static unsigned int ips_of(const struct want_net *net, struct root_ip out[ROOT_IPS_MAX])
{
	static_assert(WANT_IPS_MAX <= ROOT_IPS_MAX, "a service port's addresses fit a request");

	for (unsigned int i = 0; i < net->n_dhcp_ips; i++) {
		const struct want_subnet *sub = want_subnet_of(net, net->dhcp_ips[i].subnet);

		out[i].address = net->dhcp_ips[i].address;
		out[i].len = sub ? sub->cidr.len : out[i].address.version == 6 ? 128 : 32;
	}
	return net->n_dhcp_ips;
}

/**
 * dhcp_address() - Give the service port its addresses, and no others, and set it up
 * @net: network; its service port is in its namespace
 * @e:   error text, may be NULL
 *
 * Return: 0 or a negative errno. Doing it twice does no harm. Context: blocks; not in the loop.
 */
int dhcp_address(const struct want_net *net, struct err *e)
{
	struct root_ip ips[ROOT_IPS_MAX];

	return root_net(ROOT_ADDRESS, net->id, ips, ips_of(net, ips), e);
}

/**
 * dhcp_has_addresses() - Does the service port still have what dhcp_address() gave it?
 * @net: network
 *
 * Return: true when all addresses are there: the tap outlived its daemon, and dnsmasq still hears
 * it. Context: blocks; not in the loop.
 */
bool dhcp_has_addresses(const struct want_net *net)
{
	struct root_ip ips[ROOT_IPS_MAX];

	return !root_net(ROOT_ADDRESSED, net->id, ips, ips_of(net, ips), NULL);
}

/**
 * dhcp_make() - Make the network's directory and namespace, where they are not there
 * @at: place
 * @e:  error text, may be NULL
 *
 * Return: 0 or a negative errno. Context: blocks; not in the loop.
 */
int dhcp_make(const struct dhcp_place *at, struct err *e)
{
	bool there = !access(at->dir, F_OK);
	int rc = file_mkdirs(at->dir, 0775, e);

	if (!rc && !there && chmod(at->dir, 0775)) /* it will be dnsmasq's, and we its group */
		return err_errno(e, "%s", at->dir);
	return rc ?: root_net(ROOT_NETNS_ADD, at->network, NULL, 0, e);
}

/**
 * dhcp_start() - Start dnsmasq, or start it anew with another configuration
 * @at:    place, with namespace and addressed service port
 * @conf:  dhcp_conf()
 * @hosts: dhcp_hosts()
 * @e:     error text, may be NULL
 *
 * Return: 0 or a negative errno. Context: blocks until it serves; not in the loop.
 */
int dhcp_start(const struct dhcp_place *at, const char *conf, const char *hosts, struct err *e)
{
	char path[PATH_MAX];
	int rc = dhcp_stop(at, e);

	rc = rc ?: dhcp_make(at, e);
	path_of(at, "hosts", path);
	rc = rc ?: file_replace(path, hosts, strlen(hosts), 0644, e);
	path_of(at, "conf", path);
	rc = rc ?: file_replace(path, conf, strlen(conf), 0644, e);
	return rc ?: root_net(ROOT_DHCP_START, at->network, NULL, 0, e);
}

/**
 * dhcp_update() - Tell the running dnsmasq of other hosts
 * @at:    place
 * @hosts: dhcp_hosts()
 * @e:     error text, may be NULL
 *
 * Return: 0, -ESRCH if it does not run, or another negative errno.
 */
int dhcp_update(const struct dhcp_place *at, const char *hosts, struct err *e)
{
	char path[PATH_MAX];
	int rc;

	path_of(at, "hosts", path);
	rc = file_replace(path, hosts, strlen(hosts), 0644, e);
	return rc ?: root_net(ROOT_DHCP_RELOAD, at->network, NULL, 0, e);
}

/**
 * dhcp_stop() - End the network's dnsmasq
 * @at: place
 * @e:  error text, may be NULL
 *
 * Return: 0, also when none ran; -EPERM. Context: blocks up to a second; not in the loop.
 */
int dhcp_stop(const struct dhcp_place *at, struct err *e)
{
	return root_net(ROOT_DHCP_STOP, at->network, NULL, 0, e);
}

/**
 * dhcp_remove() - Remove namespace and files; the service port and dnsmasq are gone already
 * @at: place
 * @e:  error text, may be NULL
 *
 * Return: 0, also when nothing was there; or a negative errno: something stays.
 * Context: blocks; not in the loop.
 */
int dhcp_remove(const struct dhcp_place *at, struct err *e)
{
	static const char *const names[] = { "conf", "hosts", "leases", "log", "pid", "swd" };
	char path[PATH_MAX];
	int rc = root_net(ROOT_NETNS_DEL, at->network, NULL, 0, e);

	if (rc)
		return rc;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		path_of(at, names[i], path);
		unlink(path);
	}
	file_sweep(at->dir);
	return rmdir(at->dir) && errno != ENOENT ? err_errno(e, "%s", at->dir) : 0;
}
