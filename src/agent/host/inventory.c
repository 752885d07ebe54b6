/* SPDX-License-Identifier: Apache-2.0 */
/* What the API is told of a host's PFs. Pure. */
#include <string.h>

#include "agent/host/pfs.h"

static bool mapping_is(const struct pfs_mapping *m, const char *pf)
{
	return m->pf_len == strlen(pf) && !strncmp(m->pf, pf, m->pf_len);
}

/* An operator uses it: attached, or set, without a port's lease on it. */
static bool vf_is_busy(const struct vf_info *vf)
{
	struct vf_config fresh;

	vf_config_default(&fresh);
	return !*vf->config.port_id &&
	       (vf->attach.kind != VF_ATTACH_NONE || fields_diff(vf_fields, &fresh, &vf->config));
}

static json_t *physnets_of(const char *mappings, const char *pf)
{
	json_t *list = json_array();
	struct pfs_mapping m;

	while (pfs_mapping_next(&mappings, &m))
		if (mapping_is(&m, pf))
			json_array_append_new(list, json_stringn(m.net, m.net_len));
	return list;
}

/**
 * pfs_to_inventory() - The "pfs" of a host's report (docs/agent-api.md)
 * @view:     what is there; NULL: nothing
 * @mappings: [sriov] physical_device_mappings
 *
 * Return: a new array, or NULL when out of memory. Pure.
 */
json_t *pfs_to_inventory(const struct pfs_view *view, const char *mappings)
{
	json_t *list = json_array();

	for (unsigned int i = 0; view && i < view->n_pfs; i++) {
		const struct pfs_pf *pf = &view->pfs[i];
		json_t *slots = json_array(), *busy = json_array();

		for (unsigned int n = 0; n < pf->n_vfs; n++) {
			const struct vf_info *vf = pfs_vf(view, pf->info.config.name, n);

			json_array_append_new(slots, json_string(vf->status.pci_slot));
			if (vf_is_busy(vf))
				json_array_append_new(busy, json_integer(n));
		}
		json_array_append_new(list, json_pack("{s:s,s:o,s:i,s:o,s:o}", "name",
						      pf->info.config.name, "physical_networks",
						      physnets_of(mappings, pf->info.config.name),
						      "numvfs", (int)pf->n_vfs, "pci_slots", slots,
						      "busy", busy));
	}
	return list;
}
