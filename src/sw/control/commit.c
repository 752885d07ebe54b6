/* SPDX-License-Identifier: Apache-2.0 */
/* The one way a change takes: snapshot, state file, data plane, links. */
#include "sw/control/model.h"

/**
 * sw_prepare() - All of a change that can fail: its snapshot is built, the model saved
 * @sw:  switch whose model holds the new values
 * @out: the snapshot, for sw_enforce()
 * @e:   may be NULL
 *
 * What must be out of the way before the new rules are (a plug, frames under way) goes between
 * the two.
 *
 * Return: 0; else nothing happened, the caller puts the old values back.
 * Context: control; blocks for an fsync.
 */
int sw_prepare(struct sw *sw, struct veb_snap **out, struct err *e)
{
	auto_of(veb_snap_free) struct veb_snap *snap = NULL;
	int rc = sw_is_trial(sw) ? 0 : sw_snap_build(sw, &snap, e);

	if (!rc)
		rc = sw_state_save(sw, e);
	if (!rc)
		*out = take(snap);
	return rc;
}

/**
 * sw_enforce() - Put a prepared change in force
 * @sw:   switch
 * @snap: of sw_prepare() or sw_snap_build(), taken
 *
 * Context: control.
 */
void sw_enforce(struct sw *sw, struct veb_snap *snap)
{
	if (sw_is_trial(sw))
		return;
	dp_publish(sw->opts.dp, snap);
	sw_links_show(sw);
}

/**
 * sw_commit() - Put the model in force
 * @sw: switch whose model holds the new values
 * @e:  may be NULL
 *
 * Return: 0: saved and published; else nothing happened, the caller puts the old values back.
 * Context: control; blocks for an fsync.
 */
int sw_commit(struct sw *sw, struct err *e)
{
	struct veb_snap *snap;
	int rc = sw_prepare(sw, &snap, e);

	if (!rc)
		sw_enforce(sw, snap);
	return rc;
}

/**
 * sw_publish() - Put a change in force that the state file does not show
 * @sw: switch
 * @e:  may be NULL
 *
 * Return: 0, or as sw_snap_build(); nothing happened then.
 * Context: control.
 */
int sw_publish(struct sw *sw, struct err *e)
{
	struct veb_snap *snap;
	int rc = sw_snap_build(sw, &snap, e);

	if (!rc)
		sw_enforce(sw, snap);
	return rc;
}
