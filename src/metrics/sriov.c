/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same counters under the names of sriov-network-metrics-exporter, for dashboards that know
 * those: https://github.com/k8snetworkplumbingwg/sriov-network-metrics-exporter
 */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "metrics/page.h"

static const struct {
	const char *name, *column, *help;
} rows[] = {
	{ "sriov_vf_rx_packets", "stats.rx_packets", "Frames that came to the guest." },
	{ "sriov_vf_rx_bytes", "stats.rx_bytes", "Their bytes." },
	{ "sriov_vf_rx_multicast", "stats.rx_multicast", "Of them, to groups." },
	{ "sriov_vf_rx_broadcast", "stats.rx_broadcast", "Of them, to all." },
	{ "sriov_vf_rx_dropped", "stats.rx_dropped", "Frames for the guest that it did not get." },
	{ "sriov_vf_tx_packets", "stats.tx_packets", "Frames that came from the guest." },
	{ "sriov_vf_tx_bytes", "stats.tx_bytes", "Their bytes." },
	{ "sriov_vf_tx_dropped", NULL, "Frames of the guest that went nowhere." },
};

/* Of a NIC, by sysfs; -1: not known, as the kernel says it. */
static void numa_node(const struct pf_told *pf, char out[16])
{
	const char *slot = json_string_value(json_object_get(pf->status, "pci_slot"));
	auto_free char *text = NULL;
	char path[128];
	int node = -1;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.32s/numa_node", slot ?: "");
	if (pf->is_nic && !strchr(slot ?: "/", '/') && !file_read(path, 16, &text, NULL, NULL))
		node = atoi(text);
	snprintf(out, 16, "%d", node);
}

/**
 * vfs_write_sriov() - Write the second names
 * @p: page
 * @t: what was told
 */
void vfs_write_sriov(struct prom *p, const struct told *t)
{
	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		prom_family(p, rows[i].name, PROM_BARE, rows[i].help);
		told_each_pf(t, d, pf)
		{
			unsigned int col = rows[i].column ? pf_col(pf, rows[i].column) : 0;
			char node[16];

			numa_node(pf, node);
			for (unsigned int vf = 0; vf < pf->n_vfs; vf++) {
				uint64_t n = rows[i].column ? pf_number(pf, vf, col)
							    : vf_tx_dropped(pf, vf);
				struct prom_labels l;

				prom_labels_none(&l);
				prom_label(&l, "numa_node", node);
				prom_label(&l, "pciAddr", pf->vfs[vf].pci_slot);
				if (n != UNTOLD)
					prom_put(p, pf->vfs[vf].labels, l.text, n);
			}
		}
	}
}
