/* SPDX-License-Identifier: Apache-2.0 */
/* Documents as the API gives them to agents (docs/agent-api.md), for the agent's unit tests. */
#ifndef ANYVF_TESTS_WANT_DOCS_H
#define ANYVF_TESTS_WANT_DOCS_H

#include <jansson.h>

#define SERVER_ID "11111111-1111-4111-8111-111111111111"
#define PORT_ID "22222222-2222-4222-8222-222222222222"
#define NET_ID "33333333-3333-4333-8333-333333333333"
#define SUBNET_ID "44444444-4444-4444-8444-444444444444"
#define SUBNET6_ID "55555555-5555-4555-8555-555555555555"
#define IMAGE_ID "66666666-6666-4666-8666-666666666666"

static const char server_doc[] =
	"{'generation':3,'id':'" SERVER_ID "','name':'vm <1> & \\'two\\'','project_id':'p1',"
	"'power':'on','deleted':false,'reboot':0,'vcpus':2,'memory_mb':256,'disk_gb':1,"
	"'image':{'id':'" IMAGE_ID "','disk_format':'ami','size':5,'checksum':'9dd4e461268c8034f5c8564e155c67a6',"
	"'kernel_id':'" IMAGE_ID "','ramdisk_id':null,'properties':{'os_command_line':'quiet'}},"
	"'user_data':'IyEvYmluL3NoCmVjaG8gaGkK','key_name':'k','public_key':'ssh-rsa AAAA me',"
	"'metadata':{'role':'web'},'config_drive':true,'ports':['" PORT_ID "']}";
static const char port_doc[] =
	"{'generation':1,'id':'" PORT_ID "','name':'','server':'" SERVER_ID "','network':'" NET_ID
	"','pf':'p2p1','vf':3,'pci_slot':'0000:05:10.6','mac':'fa:16:3e:00:00:11','vlan':0,"
	"'trunk':'none','spoofchk':true,'trust':false,'state':'auto','mtu':1450,"
	"'vnic_type':'direct','fixed_ips':[{'ip_address':'10.20.0.11','subnet_id':'" SUBNET_ID
	"'},{'ip_address':'2001:db8::11','subnet_id':'" SUBNET6_ID "'}],'released':false}";
static const char net_doc[] =
	"{'generation':1,'id':'" NET_ID "','name':'NET','pf':'p2p1','vlan':120,'mtu':1450,"
	"'dhcp':{'port_id':'" PORT_ID "','mac':'fa:16:3e:00:00:02','fixed_ips':"
	"[{'ip_address':'10.20.0.10','subnet_id':'" SUBNET_ID "'}]},"
	"'subnets':[{'id':'" SUBNET_ID "','cidr':'10.20.0.0/24','ip_version':4,"
	"'gateway_ip':'10.20.0.1','enable_dhcp':true,'dns_nameservers':['9.9.9.9','1.1.1.1'],"
	"'host_routes':[{'destination':'10.9.0.0/16','nexthop':'10.20.0.9'}],"
	"'ipv6_ra_mode':null,'ipv6_address_mode':null},"
	"{'id':'" SUBNET6_ID "','cidr':'2001:db8::/64','ip_version':6,'gateway_ip':'2001:db8::1',"
	"'enable_dhcp':true,'dns_nameservers':[],'host_routes':[],"
	"'ipv6_ra_mode':'slaac','ipv6_address_mode':'slaac'}]}";
static const char flow_doc[] =
	"{'generation':7,'id':'" SERVER_ID "','source_port':'" PORT_ID "','port':'" NET_ID
	"','direction':'OUT','vlan_filter':'9,18-22'}";
static const char mirror_doc[] =
	"{'generation':8,'id':'" SERVER_ID "','source_port':'" PORT_ID
	"','directions':{'IN':101},'remote_ip':'10.0.0.9','mirror_type':'gre'}";

/* JSON with ' for " (and \' for a quote within a string). */
static inline json_t *doc_of(const char *text)
{
	char *copy = strdup(text), *to = copy;
	json_t *doc;

	for (const char *p = text; *p; p++)
		*to++ = *p == '\\' && p[1] == '\'' ? *++p : *p == '\'' ? '"' : *p;
	*to = '\0';
	doc = json_loads(copy, 0, NULL);
	free(copy);
	assert_non_null(doc);
	return doc;
}

#endif
