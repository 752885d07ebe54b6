/* SPDX-License-Identifier: Apache-2.0 */
/* What the API is told of a host's PFs. Pure. */
#include <string.h>

#include "agent/host/pfs.h"

static bool mapping_is(const struct pfs_mapping *m, const char *pf)
{
	return m->pf_len == strlen(pf) && !strncmp(m->pf, pf, m->pf_len);
}

/*
 * Of a NIC it is told which words are not those of a fresh VF: drivers differ there. And others may
 * have it than whom it was attached for: a VM that was started by hand, a container.
 */
static bool hw_is_busy(const struct vf_status *s)
{
	return *s->touched || *s->netns || !strcmp(s->driver, "vfio-pci") ||
	       (*s->driver && !*s->netdev);
}

static bool sw_is_busy(const struct vf_config *config)
{
	struct vf_config fresh;

	vf_config_default(&fresh);
	return fields_diff(vf_fields, &fresh, config);
}

/* An operator uses it: attached, or set, without a port's lease on it. */
static bool vf_is_busy(const struct pfs_pf *pf, const struct vf_info *vf)
{
	return !*vf->config.port_id &&
	       (vf->attach.kind != VF_ATTACH_NONE ||
		(pfs_is_hw(pf) ? hw_is_busy(&vf->status) : sw_is_busy(&vf->config)));
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

static void add_pci_ids(json_t *one, const char *key, uint16_t vendor, uint16_t product)
{
	if (vendor && product)
		json_object_set_new(one, key, json_sprintf("%04x:%04x", vendor, product));
}

/* What a NIC's PF has, and nobody else. */
static void add_nic(json_t *one, const struct pfs_pf *pf)
{
	const struct pf_status *s = &pf->info.status;
	char mac[MAC_STR_LEN];

	json_object_set_new(one, "kind", json_string("hw"));
	json_object_set_new(one, "driver", json_string(s->driver));
	json_object_set_new(one, "pci_slot", json_string(s->pci_slot));
	json_object_set_new(one, "mac", json_string(mac_format(&pf->info.config.mac, mac)));
	add_pci_ids(one, "pci_vendor_info", s->vendor, s->product);
	add_pci_ids(one, "vf_pci_vendor_info", s->vendor, s->vf_product);
}

static json_t *pf_to_inventory(const struct pfs_view *view, const struct pfs_pf *pf,
			       const char *mappings)
{
	const char *name = pf->info.config.name;
	json_t *slots = json_array(), *busy = json_array(), *one;

	for (unsigned int n = 0; n < pf->n_vfs; n++) {
		const struct vf_info *vf = pfs_vf(view, name, n);

		json_array_append_new(slots, json_string(vf->status.pci_slot));
		if (vf_is_busy(pf, vf))
			json_array_append_new(busy, json_integer(n));
	}
	one = json_pack("{s:s,s:o,s:i,s:o,s:o}", "name", name, "physical_networks",
			physnets_of(mappings, name), "numvfs", (int)pf->n_vfs, "pci_slots", slots,
			"busy", busy);
	if (pfs_is_hw(pf))
		add_nic(one, pf);
	return one;
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

	for (unsigned int i = 0; view && i < view->n_pfs; i++)
		json_array_append_new(list, pf_to_inventory(view, &view->pfs[i], mappings));
	return list;
}
