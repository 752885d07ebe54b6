/* SPDX-License-Identifier: Apache-2.0 */
/* Port numbers: what counts and what was learned by a number begins and ends with who has it. */
#include <errno.h>

#include "sw/control/model.h"

/**
 * sw_id_take() - Take a free port number, its counters at zero
 * @sw:  switch
 * @out: the number
 * @e:   may be NULL
 *
 * Return: 0 or -ENOSPC.
 * Context: control.
 */
int sw_id_take(struct sw *sw, uint16_t *out, struct err *e)
{
	for (uint16_t id = 0; id < VEB_PORTS_MAX; id++) {
		if (sw->ids[id])
			continue;
		sw->ids[id] = true;
		sw->links[id] = -1;
		sw->learned_at[id] = 0;
		if (!sw_is_trial(sw)) {
			dp_stats_reset(sw->opts.dp, id);
			dp_rate_set(sw->opts.dp, id, 0, 0);
		}
		*out = id;
		return 0;
	}
	return err_set(e, -ENOSPC, "all %u ports of the switch are in use", VEB_PORTS_MAX);
}

/**
 * sw_id_give() - Give a port number back
 * @sw: switch
 * @id: number of a port that is not plugged in and in no snapshot; becomes VEB_NO_PORT
 *
 * Context: control.
 */
void sw_id_give(struct sw *sw, uint16_t *id)
{
	if (*id == VEB_NO_PORT)
		return;
	sw->ids[*id] = false;
	veb_port_put(sw->blocks[*id]);
	sw->blocks[*id] = NULL;
	sw_learned_trim(sw, *id, 0);
	*id = VEB_NO_PORT;
}
