/* SPDX-License-Identifier: Apache-2.0 */
/* From what is wanted and there to the next step, and to the word reported up. Pure. */
#include "agent/kinds/net/net.h"

/**
 * plan_net() - The next step for a network's DHCP
 * @have: observed state, and whether it is wanted
 */
enum net_step plan_net(const struct net_have *have)
{
	if (!have->known)
		return NET_STEP_NONE;
	if (!have->wanted)
		return have->service_port || have->running || have->files ? NET_STEP_REMOVE
									  : NET_STEP_NONE;
	if (!have->service_port || !have->addressed)
		return NET_STEP_ADD;
	if (!have->running || !have->conf_current)
		return NET_STEP_START;
	return have->hosts_current ? NET_STEP_NONE : NET_STEP_UPDATE;
}

/**
 * plan_net_status() - The word to report for a network
 * @have: observed state
 *
 * Return: "ACTIVE" or "DOWN"; NULL while there is nothing to say.
 */
const char *plan_net_status(const struct net_have *have)
{
	if (!have->known)
		return NULL;
	if (have->wanted && (!have->service_port || !have->running))
		return "DOWN";
	return "ACTIVE";
}
