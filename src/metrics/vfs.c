/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics of VFs. Directions are the guest's, as in `ip -s link` and `vf show`: receive is what
 * comes to the guest. A number that is not told has no sample.
 */
#include <stdio.h>
#include <string.h>

#include "metrics/page.h"

/* A row is a sample a VF; rows of one name follow each other. */
struct row {
	const char *name;
	enum prom_type type;
	const char *help;
	const char *column;
	const char *label, *value; /* one more, or NULL */
	const char *needs;	   /* a column: no sample where it is 0; or NULL */
	uint64_t times;		   /* to be multiplied with; 0: not */
};

#define STORM_HELP "Frames to many a VF may send a second, if that is limited."
#define RING_HELP  "Buffers of a VF's rings, of vhost-user."
#define WAIT_HELP  "Buffers that wait: to receive for frames, to transmit for the switch."
#define ADDR_HELP                                                                                  \
	"Addresses of a guest beside its main one, as it asked for them or sends from them."

static const struct row rows[] = {
	{ "anyvf_vf_receive_packets", PROM_COUNTER, "Frames that came to the guest.",
	  "stats.rx_packets" },
	{ "anyvf_vf_receive_bytes", PROM_COUNTER, "Their bytes, without FCS.", "stats.rx_bytes" },
	{ "anyvf_vf_receive_multicast_packets", PROM_COUNTER, "Of them, to groups.",
	  "stats.rx_multicast" },
	{ "anyvf_vf_receive_broadcast_packets", PROM_COUNTER, "Of them, to all.",
	  "stats.rx_broadcast" },
	{ "anyvf_vf_transmit_packets", PROM_COUNTER, "Frames that came from the guest and went on.",
	  "stats.tx_packets" },
	{ "anyvf_vf_transmit_bytes", PROM_COUNTER, "Their bytes, without FCS.", "stats.tx_bytes" },
	{ "anyvf_vf_mirrored_packets", PROM_COUNTER, "Copies of the VF's frames for mirrors.",
	  "stats.mirrored" },
	{ "anyvf_vf_link_up", PROM_GAUGE, "Whether the guest should see a link.",
	  "status.link_up" },
	{ "anyvf_vf_connected", PROM_GAUGE, "Whether a guest or netdev is there.",
	  "status.connected" },
	{ "anyvf_vf_fault", PROM_GAUGE,
	  "Why a guest that is there sends and gets nothing: 1 ring broken, 2 memory gone, "
	  "3 memory not shared.",
	  "status.fault" },
	{ "anyvf_vf_queues", PROM_GAUGE, "Queue pairs that run.", "status.n_queues" },
	{ "anyvf_vf_interrupts", PROM_COUNTER, "Times the guest was told of frames.",
	  "status.interrupts", .needs = "status.rx_ring" },
	{ "anyvf_vf_ring_buffers", PROM_GAUGE, RING_HELP, "status.rx_ring", "ring", "receive",
	  "status.rx_ring" },
	{ "anyvf_vf_ring_buffers", PROM_GAUGE, RING_HELP, "status.tx_ring", "ring", "transmit",
	  "status.tx_ring" },
	{ "anyvf_vf_ring_waiting_buffers", PROM_GAUGE, WAIT_HELP, "status.rx_free", "ring",
	  "receive", "status.rx_ring" },
	{ "anyvf_vf_ring_waiting_buffers", PROM_GAUGE, WAIT_HELP, "status.tx_wait", "ring",
	  "transmit", "status.tx_ring" },
	{ "anyvf_vf_addresses", PROM_GAUGE, ADDR_HELP, "status.n_accepted", "state", "accepted" },
	{ "anyvf_vf_addresses", PROM_GAUGE, ADDR_HELP, "status.n_refused", "state", "refused" },
	{ "anyvf_vf_addresses", PROM_GAUGE, ADDR_HELP, "status.n_learned", "state", "learned" },
	{ "anyvf_vf_multicast_groups", PROM_GAUGE, "Groups the guest is in.", "status.n_mcasts" },
	{ "anyvf_vf_promiscuous", PROM_GAUGE,
	  "What of foreign unicast the guest is granted: 0 none, 1 what matched nobody, 2 all.",
	  "status.promisc" },
	{ "anyvf_vf_all_multicast", PROM_GAUGE, "Whether it gets all multicast.",
	  "status.allmulti" },
	{ "anyvf_vf_storm_limit_packets", PROM_GAUGE, STORM_HELP, "config.storm_broadcast", "kind",
	  "broadcast", "config.storm_broadcast" },
	{ "anyvf_vf_storm_limit_packets", PROM_GAUGE, STORM_HELP, "config.storm_multicast", "kind",
	  "multicast", "config.storm_multicast" },
	{ "anyvf_vf_transmit_limit_bytes_per_second", PROM_GAUGE,
	  "What a VF may send, if that is limited.", "config.max_tx_rate",
	  .needs = "config.max_tx_rate", .times = 125000 },
};

static void row_write(struct prom *p, const struct row *r, const struct pf_told *pf)
{
	unsigned int col = pf_col(pf, r->column), needs = r->needs ? pf_col(pf, r->needs) : 0;
	struct prom_labels more;

	prom_labels_none(&more);
	if (r->label)
		prom_label(&more, r->label, r->value);
	for (unsigned int vf = 0; vf < pf->n_vfs; vf++) {
		uint64_t n = pf_number(pf, vf, col);

		if (n != UNTOLD && (!r->needs || pf_number(pf, vf, needs)))
			prom_put(p, pf->vfs[vf].labels, more.text, r->times ? n * r->times : n);
	}
}

static void drop_label(struct prom_labels *l, const char *direction, const char *reason)
{
	prom_labels_none(l);
	prom_label(l, "direction", direction);
	prom_label(l, "reason", reason);
}

/* Columns of drops by reason; told of all or of none. */
static void drop_cols(const struct pf_told *pf, const char *part, unsigned int cols[DROP_N])
{
	char name[64];

	for (unsigned int why = 0; why < DROP_N; why++) {
		snprintf(name, sizeof(name), "%s.%s", part, drop_names[why]);
		cols[why] = pf_col(pf, name);
	}
}

/*
 * One reason, of all VFs of a PF. A way it may have is told from 0 on, another when there was one,
 * so that the sum is always that of all drops.
 */
static void reason_of_pf(struct prom *p, const struct pf_told *pf, unsigned int why,
			 unsigned int all_col, unsigned int in_col)
{
	struct prom_labels receive, transmit;

	drop_label(&receive, "receive", drop_names[why]);
	drop_label(&transmit, "transmit", drop_names[why]);
	for (unsigned int vf = 0; vf < pf->n_vfs; vf++) {
		uint64_t all = pf_number(pf, vf, all_col), in = pf_number(pf, vf, in_col);
		uint64_t out = all - MIN(in, all); /* exact: who tells has summed them up */

		if (all == UNTOLD || in == UNTOLD)
			continue;
		if (in || drop_ways[why] & DROP_IN)
			prom_put(p, pf->vfs[vf].labels, receive.text, in);
		if (out || drop_ways[why] & DROP_OUT)
			prom_put(p, pf->vfs[vf].labels, transmit.text, out);
	}
}

/* Where nobody tells reasons, the sums have one that says so. */
static void untold_of_pf(struct prom *p, const struct pf_told *pf, unsigned int all_col,
			 const char *direction, const char *column)
{
	unsigned int col = pf_col(pf, column);
	struct prom_labels more;

	drop_label(&more, direction, "untold");
	for (unsigned int vf = 0; vf < pf->n_vfs; vf++)
		if (pf_number(pf, vf, all_col) == UNTOLD && pf_number(pf, vf, col) != UNTOLD)
			prom_put(p, pf->vfs[vf].labels, more.text, pf_number(pf, vf, col));
}

static void drops_of_pf(struct prom *p, const struct pf_told *pf)
{
	unsigned int all[DROP_N], in[DROP_N];

	drop_cols(pf, "drops", all);
	drop_cols(pf, "rx_drops", in);
	for (unsigned int why = 0; why < DROP_N; why++)
		reason_of_pf(p, pf, why, all[why], in[why]);
	untold_of_pf(p, pf, all[0], "receive", "stats.rx_dropped");
	untold_of_pf(p, pf, all[0], "transmit", "stats.tx_dropped");
}

/**
 * vf_tx_dropped() - Frames from a guest that went nowhere
 * @pf: PF
 * @vf: VF
 *
 * Return: their number, from the reasons or as it is told; UNTOLD: it is not known.
 */
uint64_t vf_tx_dropped(const struct pf_told *pf, unsigned int vf)
{
	unsigned int all[DROP_N], in[DROP_N];
	uint64_t sum = 0;

	drop_cols(pf, "drops", all);
	drop_cols(pf, "rx_drops", in);
	if (pf_number(pf, vf, all[0]) == UNTOLD)
		return pf_number(pf, vf, pf_col(pf, "stats.tx_dropped"));
	for (unsigned int why = 0; why < DROP_N; why++)
		sum += pf_number(pf, vf, all[why]) -
		       MIN(pf_number(pf, vf, in[why]), pf_number(pf, vf, all[why]));
	return sum;
}

static void info_of_pf(struct prom *p, const struct pf_told *pf)
{
	const struct field *kinds = &vf_attach_fields[VF_ATTACH_FIELD_KIND];
	unsigned int vlan = pf_col(pf, "config.vlan"), kind = pf_col(pf, "attach.kind");

	for (unsigned int vf = 0; vf < pf->n_vfs; vf++) {
		struct prom_labels l;
		uint64_t is = pf_number(pf, vf, kind), id = pf_number(pf, vf, vlan);
		const json_t *owner = json_array_get(pf->owners, vf);

		prom_labels_none(&l);
		prom_label(&l, "mac", pf->vfs[vf].mac);
		prom_label_number(&l, "vlan", id == UNTOLD ? 0 : id);
		prom_label(&l, "attach", is <= VF_ATTACH_MACVTAP ? kinds->names[is] : "");
		prom_label(&l, "pci", pf->vfs[vf].pci_slot);
		prom_label(&l, "port_id", json_string_value(json_array_get(owner, 0)) ?: "");
		prom_label(&l, "server", json_string_value(json_array_get(owner, 1)) ?: "");
		prom_put(p, pf->vfs[vf].labels, l.text, 1);
	}
}

/* A VF that sent nothing yet, or whose frames nobody times, has none. */
static void waits_of_pf(struct prom *p, const struct pf_told *pf)
{
	unsigned int first = pf_col(pf, "waits.0"), sum = pf_col(pf, "waits.ns");

	for (unsigned int vf = 0; vf < pf->n_vfs; vf++) {
		uint64_t counts[VF_WAITS], all = 0;
		const struct prom_buckets b = { vf_wait_seconds, counts, VF_WAITS };

		if (pf_number(pf, vf, sum) == UNTOLD || sum != first + VF_WAITS)
			continue;
		for (unsigned int i = 0; i < VF_WAITS; i++)
			all += counts[i] = pf_number(pf, vf, first + i);
		if (all)
			prom_put_histogram(p, pf->vfs[vf].labels, &b, pf_number(pf, vf, sum), true);
	}
}

/**
 * vfs_write() - Write the families of VFs
 * @p: page
 * @t: what was told
 */
void vfs_write(struct prom *p, const struct told *t)
{
	const char *last = "";

	prom_family(p, "anyvf_vf", PROM_INFO, "What a VF is, and who has it.");
	told_each_pf(t, d, pf) info_of_pf(p, pf);
	for (const struct row *r = rows; r < rows + ARRAY_LEN(rows); r++) {
		if (strcmp(last, r->name))
			prom_family(p, r->name, r->type, r->help);
		last = r->name;
		told_each_pf(t, d, pf) row_write(p, r, pf);
	}
	prom_family(p, "anyvf_vf_dropped", PROM_COUNTER,
		    "Frames that went nowhere, by the guest's direction and the reason.");
	told_each_pf(t, d, pf) drops_of_pf(p, pf);
	prom_family(p, "anyvf_vf_wait_seconds", PROM_HISTOGRAM,
		    "How long frames that came from the guest waited at most until their receivers "
		    "had them; of one in 4096.");
	told_each_pf(t, d, pf) waits_of_pf(p, pf);
}
