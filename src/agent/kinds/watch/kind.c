/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A watch has no step: each look at the switch is a report, until one says nothing that the two
 * before did not. The first of these says that all stands still, as rates are found between two.
 * Hosts with many ports are told of less often.
 */
#include "agent/kinds/watch/watch.h"

#include <stdlib.h>

#include "agent/core/state.h"

#define ROWS_A_SECOND 128U
#define EARLY_MS      500UL /* half a tick, which comes as early as it is late another time */

struct watch {
	struct entity entity;
	json_t *said;	 /* the last report; NULL: none */
	bool still;	 /* it counts what the one before did */
	uint64_t due_ms; /* no other before */
};

static void watch_fini(struct entity *x)
{
	struct watch *w = (struct watch *)x;

	json_decref(w->said);
}

static int watch_parse(struct agent *a, struct entity *x, json_t *doc, struct err *e)
{
	return 0;
}

/* What is not told is null. @counts: of which one is not told. */
static json_t *number(const struct vf_info *vf, unsigned int counts, uint64_t n)
{
	return vf->untold.counts & counts ? json_null() : json_integer((json_int_t)n);
}

#define BIT(count) (1U << VF_COUNT_##count)

/* In the order of columns(). */
static json_t *row_of(unsigned int n, const struct vf_info *vf)
{
	const struct vf_stats *s = &vf->stats;

	return json_pack("[i, i, i, o, o, o, o, o]", (int)n, vf->status.link_up,
			 vf->status.connected, number(vf, BIT(RX_BYTES), s->rx_bytes),
			 number(vf, BIT(TX_BYTES), s->tx_bytes),
			 number(vf, BIT(RX_PACKETS), s->rx_packets),
			 number(vf, BIT(TX_PACKETS), s->tx_packets),
			 number(vf, BIT(RX_DROPPED) | BIT(TX_DROPPED),
				s->rx_dropped + vf_stats_tx_dropped(s)));
}

static json_t *columns(void)
{
	return json_pack("[s, s, s, s, s, s, s, s]", "vf", "link_up", "connected", "rx_bytes",
			 "tx_bytes", "rx_packets", "tx_packets", "dropped");
}

/* The VFs of a PF that ports have here. */
static json_t *rows_of(struct agent *a, const struct pfs_pf *pf)
{
	json_t *rows = json_array();

	for (const struct port_facts *p = NULL; rows && (p = facts_port_next(a, p));) {
		const struct vf_info *vf = pfs_vf(a->view, p->want.pf, p->want.vf);

		if (vf && pfs_find(a->view, p->want.pf) == pf)
			json_array_append_new(rows, row_of(p->want.vf, vf));
	}
	return rows;
}

/* After each look: what is counted by now. */
static void watch_observe(struct agent *a, struct entity *x)
{
	struct watch *w = (struct watch *)x;
	auto_of(json_decref) json_t *pfs = json_array();
	uint64_t now_ms = loop_now_ms();
	size_t n = 0;
	bool same;

	if (now_ms < w->due_ms)
		return;
	for (unsigned int i = 0; a->view && i < a->view->n_pfs; i++) {
		const struct pfs_pf *pf = &a->view->pfs[i];
		json_t *rows = rows_of(a, pf);

		n += json_array_size(rows);
		json_array_append_new(
			pfs, json_pack("{s:s, s:o}", "name", pf->info.config.name, "vfs", rows));
	}
	same = w->said && json_equal(json_object_get(w->said, "pfs"), pfs);
	if (same && w->still)
		return;
	w->still = same;
	w->due_ms = now_ms + MAX(n * 1000 / ROWS_A_SECOND, EARLY_MS) - EARLY_MS;
	json_decref(w->said);
	w->said = json_pack("{s:I, s:o, s:O}", "at_ms", (json_int_t)now_ms, "columns", columns(),
			    "pfs", pfs);
}

static int watch_plan(struct agent *a, struct entity *x)
{
	return 0;
}

static void watch_step(struct agent *a, struct entity *x, int step)
{
}

static json_t *watch_status(const struct entity *x)
{
	return json_copy(((const struct watch *)x)->said);
}

const struct agent_kind watch_kind = {
	.name = "watch",
	.words = { "watch" },
	.size = sizeof(struct watch),
	.side = SIDE_SWITCH,
	.fini = watch_fini,
	.parse = watch_parse,
	.observe = watch_observe,
	.plan = watch_plan,
	.step = watch_step,
	.status = watch_status,
};
