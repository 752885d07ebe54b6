/* SPDX-License-Identifier: Apache-2.0 */
/* Host interfaces as others set them: networkd, nmstate, ip. */
#include "base/log.h"
#include "sw/control/model.h"
#include "sw/port/tap.h"

static void host_follow(struct sw *sw, struct sw_pf *pf)
{
	struct pf_change c = { .want = pf->config };
	struct netdev_state now;
	struct tap_place at;
	struct err e = { 0 };

	if (!tap_port_where(pf->host.edge, &at, &now) || !now.ifindex)
		return;
	c.want.mac = now.mac;
	c.want.mtu = now.mtu;
	c.want.up = now.up;
	c.changed = fields_diff(pf_fields, &pf->config, &c.want);
	if (!c.changed)
		return;
	if (!sw_pf_set(sw, pf->config.name, &c, &e)) {
		log_info("PF is set as its host interface is", "pf=%s mtu=%u up=%d",
			 pf->config.name, now.mtu, now.up);
		return;
	}
	log_warn("host interface is set back", "pf=%s: %s", pf->config.name, e.msg);
	sw_plug_host(sw, pf, NULL);
}

/**
 * sw_hosts_follow() - Look at all host interfaces
 * @sw: switch
 *
 * Their MAC, MTU, up and down are their PF's, whoever set them. What the PF cannot be, its host
 * interface is not either.
 *
 * Context: control; when some netdev changed, and once a second, for those in other namespaces.
 */
void sw_hosts_follow(struct sw *sw)
{
	for (unsigned int i = 0; i < PFS_MAX; i++)
		if (sw->pfs[i] && sw->pfs[i]->host.plugged)
			host_follow(sw, sw->pfs[i]);
}
