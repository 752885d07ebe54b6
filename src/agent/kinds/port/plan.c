/* SPDX-License-Identifier: Apache-2.0 */
/* From what is wanted and there to the next step, and to the word reported up. Pure. */
#include <stdio.h>
#include <string.h>

#include "agent/kinds/port/port.h"

/**
 * plan_port() - The next step for a port's VF
 * @want: document
 * @have: observed state
 *
 * A setting is written at bind and when the document changed, never because the switch differs: a
 * setting made by hand wins until then (docs/sriov.md). A released VF waits for its domain. A VF is
 * attached before its domain starts: the switch listens then, and QEMU has only to connect.
 */
enum port_step plan_port(const struct want_port *want, const struct port_have *have)
{
	if (!have->known)
		return PORT_STEP_NONE;
	if (want->released)
		return have->bound && !have->in_use ? PORT_STEP_RELEASE : PORT_STEP_NONE;
	if (!have->bound)
		return PORT_STEP_BIND;
	if (have->changed)
		return PORT_STEP_SET;
	if (want->server && !have->attached && !have->attached_else)
		return PORT_STEP_ATTACH;
	if (!want->server && have->attached && !have->in_use)
		return PORT_STEP_DETACH;
	return PORT_STEP_NONE;
}

/**
 * plan_port_status() - The word to report for a port
 * @want: document
 * @have: observed state
 *
 * One that is administratively down, or whose network is, is down, as in Neutron.
 *
 * Return: "RELEASED", "ACTIVE" or "DOWN"; NULL while there is nothing to say.
 */
const char *plan_port_status(const struct want_port *want, const struct port_have *have)
{
	if (!have->known)
		return have->lost && !want->released ? "DOWN" : NULL;
	if (want->released)
		return have->bound ? NULL : "RELEASED";
	return have->bound && have->connected && want->link != VF_LINK_DISABLE ? "ACTIVE" : "DOWN";
}

/**
 * plan_port_why() - Why nothing is known of a port's VF, or of its PF's own function
 * @want: document
 * @have: observed state
 * @out:  gets the words; "" where it is known, or nobody has looked yet
 */
void plan_port_why(const struct want_port *want, const struct port_have *have,
		   char out[PORT_WHY_LEN + 1])
{
	*out = '\0';
	if (have->known || !have->lost)
		return;
	if (have->untold)
		snprintf(out, PORT_WHY_LEN + 1, "no anyvf daemon tells of a PF %s", want->pf);
	else
		snprintf(out, PORT_WHY_LEN + 1, "there is no VF %u of a PF %s", want->vf, want->pf);
}

/**
 * port_is_in_domain() - Has a server's domain a port's VF, or may it have it?
 * @have: the server's
 * @port: id
 */
bool port_is_in_domain(const struct server_have *have, const char *port)
{
	if (have->domain == DOMAIN_ABSENT)
		return false;
	for (unsigned int i = 0; i < have->nics.n; i++)
		if (!strcmp(have->nics.ports[i], port))
			return true;
	return !have->nics_known;
}
