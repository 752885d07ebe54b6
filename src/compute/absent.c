/* SPDX-License-Identifier: Apache-2.0 */
/* What Nova has and servers with VFs of a few hosts have not, and why. */
#include "compute/compute.h"

#define VOLUMES "There is no volume service: a server's disk is its image's copy on its host."
#define CONSOLES                                                                                   \
	"Servers have a serial console alone: console log show, or anyvf console on the host."
#define NO_L3                                                                                      \
	"VFs reach the physical network at layer 2, and its own router routes: there are no "      \
	"floating IPs here."
#define PORTS "Addresses are the ports': change the port's fixed_ips, or add a port."
#define STAYS                                                                                      \
	"A server stays on its host, where its disk is: copy the disk to an image and boot that "  \
	"elsewhere."
#define GUEST                                                                                      \
	"Nothing inside of a guest answers to us: what it is to know, it reads from its config "   \
	"drive at boot."
#define NOVA_NET                                                                                   \
	"It was nova-network's, which is gone from Nova: networks are the network service's."
#define PROXY  "It stood for the network service until microversion 2.35: ask that one itself."
#define GONE   "It is gone from Nova."
#define ACTION "/v2.1/servers/{}/action"

/* Nova answers 404 for what is not there, 410 for what it had once, 400 for an action it cannot
 * do. */
const struct absent compute_absent[] = {
	{ "/v2.1/os-volumes*", NULL, NULL, 404, VOLUMES },
	{ "/v2.1/os-snapshots*", NULL, NULL, 404, VOLUMES },
	{ "/v2.1/os-volumes_boot*", NULL, NULL, 404, VOLUMES },
	{ "/v2.1/os-assisted-volume-snapshots*", NULL, NULL, 404, VOLUMES },
	{ "/v2.1/servers/{}/os-volume_attachments", "POST", NULL, 400, VOLUMES },
	{ "/v2.1/servers/{}/os-volume_attachments/*", NULL, NULL, 404, VOLUMES },
	{ "/v2.1/servers/{}/migrations/*", NULL, NULL, 404, STAYS },
	{ "/v2.1/servers/{}/topology", NULL, NULL, 404,
	  "Guests see one NUMA node: there is no topology to show." },
	{ "/v2.1/os-console-auth-tokens*", NULL, NULL, 404, CONSOLES },
	{ "/v2.1/servers/{}/consoles*", NULL, NULL, 410, GONE },
	{ "/v2.1/os-floating-ips*", NULL, NULL, 404, NO_L3 },
	{ "/v2.1/os-floating-ip-pools*", NULL, NULL, 404, NO_L3 },
	{ "/v2.1/os-floating-ips-bulk*", NULL, NULL, 410, NOVA_NET },
	{ "/v2.1/os-floating-ip-dns*", NULL, NULL, 410, NOVA_NET },
	{ "/v2.1/os-fixed-ips*", NULL, NULL, 410, NOVA_NET },
	{ "/v2.1/os-fping*", NULL, NULL, 410, NOVA_NET },
	{ "/v2.1/os-cloudpipe*", NULL, NULL, 410, NOVA_NET },
	{ "/v2.1/os-security-group-default-rules*", NULL, NULL, 410, NOVA_NET },
	{ "/v2.1/os-networks-associate*", NULL, NULL, 410, NOVA_NET },
	{ "/v2.1/servers/{}/os-virtual-interfaces*", NULL, NULL, 410, NOVA_NET },
	{ "/v2.1/images", "DELETE", NULL, 404, "Images are deleted one by one, by their ids." },
	{ "/v2.1/os-networks*", NULL, NULL, 404, PROXY },
	{ "/v2.1/os-tenant-networks*", NULL, NULL, 404, PROXY },
	{ "/v2.1/os-agents*", NULL, NULL, 410, GONE },
	{ "/v2.1/os-cells*", NULL, NULL, 410, GONE },
	{ "/v2.1/os-certificates*", NULL, NULL, 410, GONE },
	{ "/v2.1/os-consoles*", NULL, NULL, 410, GONE },
	{ "/v2.1/os-baremetal-nodes*", NULL, NULL, 404,
	  "Hosts run guests: there is no bare metal to give away." },
	{ "/v2.1/os-hosts*", NULL, NULL, 404,
	  "It is gone from Nova since microversion 2.43: os-hypervisors and os-services tell of "
	  "hosts." },
	{ "/v2.1/os-instance_usage_audit_log*", NULL, NULL, 404,
	  "Usage is not collected by period: os-simple-tenant-usage reckons it from the servers." },
	{ "/v2.1/os-server-external-events*", NULL, NULL, 404,
	  "The network and compute services are one process here, and need not tell each other." },
	{ ACTION, "POST", "os-getVNCConsole", 400, CONSOLES },
	{ ACTION, "POST", "os-getSPICEConsole", 400, CONSOLES },
	{ ACTION, "POST", "os-getRDPConsole", 400, CONSOLES },
	{ ACTION, "POST", "os-getSerialConsole", 400, CONSOLES },
	{ ACTION, "POST", "os-getMKSConsole", 400, CONSOLES },
	{ ACTION, "POST", "migrate", 400, STAYS },
	{ ACTION, "POST", "os-migrateLive", 400, STAYS },
	{ ACTION, "POST", "evacuate", 400, STAYS },
	{ ACTION, "POST", "shelve", 400, STAYS },
	{ ACTION, "POST", "shelveOffload", 400, STAYS },
	{ ACTION, "POST", "unshelve", 400, STAYS },
	{ ACTION, "POST", "createBackup", 400,
	  "Backups are not counted and rotated here: createImage makes one." },
	{ ACTION, "POST", "addFloatingIp", 400, NO_L3 },
	{ ACTION, "POST", "removeFloatingIp", 400, NO_L3 },
	{ ACTION, "POST", "addFixedIp", 400, PORTS },
	{ ACTION, "POST", "removeFixedIp", 400, PORTS },
	{ ACTION, "POST", "changePassword", 400, GUEST },
	{ ACTION, "POST", "resetNetwork", 400, GUEST },
	{ ACTION, "POST", "injectNetworkInfo", 400, GUEST },
	{ ACTION, "POST", "trigger_crash_dump", 400, GUEST },
	{ NULL },
};
