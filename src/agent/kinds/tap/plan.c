/* SPDX-License-Identifier: Apache-2.0 */
/* From what is wanted and there to the next step, and to the word reported up. Pure. */
#include "agent/kinds/tap/tap.h"

/**
 * plan_tap() - The next step for a tap's mirrors
 * @have: observed state against what is wanted
 */
enum tap_step plan_tap(const struct tap_have *have)
{
	if (!have->known)
		return TAP_STEP_NONE;
	if (have->surplus)
		return TAP_STEP_REMOVE;
	return have->missing ? TAP_STEP_ADD : TAP_STEP_NONE;
}

/**
 * plan_tap_status() - The word to report for a tap flow or tap mirror
 * @have:   observed state
 * @failed: its last step failed
 *
 * Return: "ACTIVE", "DOWN" or "ERROR"; NULL while there is nothing to say.
 */
const char *plan_tap_status(const struct tap_have *have, bool failed)
{
	if (!have->known)
		return NULL;
	if (failed)
		return "ERROR";
	return have->ports && !have->surplus && !have->missing ? "ACTIVE" : "DOWN";
}
