/* SPDX-License-Identifier: Apache-2.0 */
/* The model: PFs and VFs are made and found, and say whether their links are up. */
#include <errno.h>
#include <string.h>

#include "sw/control/model.h"

/**
 * sw_pf_find() - Find a PF
 * @sw:   switch
 * @name: its name
 * @e:    may be NULL
 *
 * Return: the PF, borrowed, or NULL (say -ENODEV).
 * Context: control.
 */
struct sw_pf *sw_pf_find(struct sw *sw, const char *name, struct err *e)
{
	for (unsigned int i = 0; i < PFS_MAX; i++)
		if (sw->pfs[i] && !strcmp(sw->pfs[i]->config.name, name))
			return sw->pfs[i];
	err_set(e, -ENODEV, "there is no PF \"%s\"", name);
	return NULL;
}

/**
 * sw_vf_find() - Find a VF
 * @sw:  switch
 * @pf:  name of its PF
 * @vf:  its number
 * @out: gets the PF, NULL if there is none; then say -ENODEV, else -EINVAL
 * @e:   may be NULL
 *
 * Return: the VF, borrowed, or NULL.
 * Context: control.
 */
struct sw_vf *sw_vf_find(struct sw *sw, const char *pf, unsigned int vf, struct sw_pf **out,
			 struct err *e)
{
	*out = sw_pf_find(sw, pf, e);
	if (!*out)
		return NULL;
	if (vf < (*out)->config.numvfs)
		return &(*out)->vfs[vf];
	err_set(e, -EINVAL, "%s has no vf %u", pf, vf);
	return NULL;
}

/**
 * sw_pf_new() - Make a PF with VFs at their defaults
 * @config: checked settings
 * @slot:   0..PFS_MAX-1
 *
 * Return: a PF whose ports have no numbers yet, or NULL without memory.
 * Context: control.
 */
struct sw_pf *sw_pf_new(const struct pf_config *config, unsigned int slot)
{
	auto_of(sw_pf_free) struct sw_pf *pf = calloc(1, sizeof(*pf));

	if (!pf)
		return NULL;
	pf->config = *config;
	pf->slot = (uint16_t)slot;
	pf->carrier = config->uplink == UPLINK_NONE;
	sw_port_none(&pf->uplink);
	sw_port_none(&pf->host);
	pf->vfs = calloc(config->numvfs + 1u, sizeof(*pf->vfs));
	pf->vf_ports = calloc(config->numvfs + 1u, sizeof(*pf->vf_ports));
	if (!pf->vfs || !pf->vf_ports)
		return NULL;
	for (unsigned int i = 0; i < config->numvfs; i++) {
		vf_config_default(&pf->vfs[i].config);
		sw_port_none(&pf->vf_ports[i]);
	}
	return take(pf);
}

/**
 * sw_pf_free() - Free a PF and all it owns
 * @pf: PF whose ports are unplugged, or NULL
 *
 * Context: control.
 */
void sw_pf_free(struct sw_pf *pf)
{
	if (!pf)
		return;
	for (unsigned int i = 0; pf->vfs && i < pf->config.numvfs; i++)
		guest_put(pf->vfs[i].guest);
	free(pf->vfs);
	free(pf->vf_ports);
	free(pf->svcs);
	free(pf);
}

/**
 * sw_pf_link_up() - The link state of a PF's wire, and of VFs that follow it
 * @pf: PF
 *
 * Context: control.
 */
bool sw_pf_link_up(const struct sw_pf *pf)
{
	return pf->config.up && pf->carrier;
}

/**
 * sw_vf_link_up() - The link state a guest should see (docs/sriov.md)
 * @pf: PF
 * @vf: 0..numvfs-1
 *
 * Return: enable and disable decide; auto follows the PF: up and, with an uplink, carrier.
 * Context: control.
 */
bool sw_vf_link_up(const struct sw_pf *pf, unsigned int vf)
{
	switch ((enum vf_link)pf->vfs[vf].config.link) {
	case VF_LINK_ENABLE:
		return true;
	case VF_LINK_DISABLE:
		return false;
	case VF_LINK_AUTO:
		return sw_pf_link_up(pf);
	}
	return false;
}
