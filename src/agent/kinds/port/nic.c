/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports on a NIC's PF: a VF that QEMU has by VFIO or by a macvtap, or the PF's own function. The
 * daemon of the NIC alone sets VFs and binds them to drivers; libvirt takes them as they are. A
 * whole function it binds by itself, and nobody has anything to set there.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/kinds/port/port.h"

/*
 * What a NIC has of what is written. That a guest of an untagged port sends no tags none of them
 * sees to, and how long its frames are is up to the PF's MTU.
 */
#define NIC_FIELDS (WANT_VF_FIELDS & ~(1U << VF_FIELD_TRUNK | 1U << VF_FIELD_MTU))
#define REFUSALS   3 /* in a row, until a server that waits for its port is told */

static bool domain_runs_with(const struct agent *a, const struct port *p)
{
	const struct server_facts *s = facts_server((struct agent *)a, p->facts.want.server);

	return s && s->have.known && s->have.domain == DOMAIN_RUNNING &&
	       port_is_in_domain(&s->have, p->facts.entity.id);
}

/**
 * nic_observe() - Take over what is said of a NIC's VF
 * @a:  agent
 * @p:  port whose `have` tells whether the VF is its own
 * @vf: the VF
 *
 * What somebody has undone is attached again: the daemon does then what is left to do.
 */
void nic_observe(const struct agent *a, struct port *p, const struct vf_info *vf)
{
	const uint8_t kind = p->facts.want.macvtap ? VF_ATTACH_NETDEV : VF_ATTACH_VFIO;
	struct port_have *have = &p->facts.have;
	struct port_plug *plug = &have->plug;
	bool ours = have->bound && vf->attach.kind == kind && !*vf->attach.netns;

	have->fields = NIC_FIELDS;
	*plug = (struct port_plug){ .known = true, .way = PORT_BY_HOSTDEV };
	memcpy(plug->pci_slot, vf->status.pci_slot, sizeof(plug->pci_slot));
	if (p->facts.want.macvtap) {
		plug->way = PORT_BY_MACVTAP;
		memcpy(plug->netdev, vf->status.netdev, sizeof(plug->netdev));
	}
	have->attached = ours && vf->status.connected && (!p->facts.want.macvtap || *plug->netdev);
	have->attached_else = have->bound && vf->attach.kind != VF_ATTACH_NONE && !ours;
	have->connected = (have->attached && domain_runs_with(a, p)) ||
			  (have->attached_else && !p->facts.want.server && vf->status.connected);
}

/**
 * nic_observe_whole() - Take over what is known of a NIC's own function
 * @a:  agent
 * @p:  port
 * @pf: the PF, or NULL: it is not there, as it is in its guest, or never was
 *
 * That it is the port's a record tells.
 */
void nic_observe_whole(const struct agent *a, struct port *p, const struct pfs_pf *pf)
{
	const struct want_port *want = &p->facts.want;
	struct port_have *have = &p->facts.have;
	bool runs = domain_runs_with(a, p);

	have->known = a->view || runs; /* then it has it, whoever is away */
	have->spoilt = !pfs_is_hw(pf) || pf->n_vfs ||
		       strcmp(pf->info.status.pci_slot, want->pci_slot) != 0;
	have->bound = p->applied;
	have->changed = 0;
	have->plug = (struct port_plug){ .known = true, .way = PORT_BY_HOSTDEV, .managed = true };
	snprintf(have->plug.pci_slot, sizeof(have->plug.pci_slot), "%s", want->pci_slot);
	have->attached = have->bound && (runs || !have->spoilt);
	have->attached_else = false;
	have->connected = have->attached && runs;
}

/**
 * nic_claim() - Is a PF's own function to be had?
 * @pf:     its name
 * @spoilt: as it was seen
 * @e:      says what is in the way
 *
 * Return: 0 or -EBUSY.
 */
int nic_claim(const char *pf, bool spoilt, struct err *e)
{
	return spoilt ? err_set(e, -EBUSY,
				"PF %s cannot be given away as a whole: it has VFs, or is not here "
				"as the API knows it",
				pf)
		      : 0;
}

/**
 * nic_attachment() - What a NIC's daemon is to make of a VF for its domain
 * @plug: how that has it
 */
struct vf_attach nic_attachment(const struct port_plug *plug)
{
	return (struct vf_attach){ .kind = plug->way == PORT_BY_MACVTAP ? VF_ATTACH_NETDEV
									: VF_ATTACH_VFIO };
}

/**
 * nic_refused() - Is a server that waits for a port to be told that it waits in vain?
 * @p:  port, after a step
 * @rc: what came of that
 *
 * Who does not answer will; what is refused again and again somebody has to mend: an IOMMU that
 * is off, a VF in another's hands, a word that the device does not know.
 *
 * Return: true if so.
 */
bool nic_refused(const struct port *p, int rc)
{
	switch (rc) {
	case 0:
	case -EAGAIN:
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -ENODEV:
	case -ENOMEM:
	case -ENOTCONN:
	case -EPIPE:
	case -ETIMEDOUT:
		return false;
	default:
		return p->facts.have.plug.way != PORT_BY_VHOST &&
		       p->facts.entity.retry.n >= REFUSALS;
	}
}
