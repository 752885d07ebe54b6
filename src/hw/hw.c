/* SPDX-License-Identifier: Apache-2.0 */
/* The room's life: from the state file to the NICs, and the table of verbs. */
#include "hw/hw.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "hw/model.h"

#define WATCH_MS                                                                                   \
	1000 /* the kernel says nothing while a PF is down, or of half a line that it took */

static int cannot(struct err *e, const char *pf, const char *what)
{
	return err_set(e, -EOPNOTSUPP, "%s is a NIC's PF: %s", pf, what);
}

static int vf_filter(void *ctx, const char *pf, unsigned int vf, const struct vf_filter *filter,
		     struct err *e)
{
	return cannot(e, pf, "guests tell their filters by its mailbox");
}

const struct pf_ops hw_ops = {
	.kind = "hw",
	.pf_add = hw_pf_add,
	.pf_del = hw_pf_del,
	.pf_set = hw_pf_set,
	.pf_list = hw_pf_list,
	.pf_get = hw_pf_get,
	.pf_drift = hw_pf_drift,
	.vf_get = hw_vf_get,
	.vf_attach = hw_vf_attach,
	.vf_detach = hw_vf_detach,
	.vf_release = hw_vf_release,
	.vf_filter = vf_filter,
	.svc_add = hw_svc_add,
	.svc_del = hw_svc_del,
	.svc_set = hw_svc_set,
	.svc_get = hw_svc_get,
	.mirror_add = hw_mirror_add,
	.mirror_set = hw_mirror_set,
	.mirror_del = hw_mirror_del,
	.mirror_get = hw_mirror_get,
	.batch = &hw_batch_ops,
};

/* What the state file says, on the NICs. A PF that is not here is kept, and said. */
static int start(struct hw *hw, struct err *e)
{
	struct hw_past past = { 0 };
	struct err why = { 0 };
	int rc = hw_state_load(hw, &past, e);

	for (unsigned int i = 0; !rc && i < hw->n_pfs; i++) {
		why = (struct err){ 0 };
		if (hw_place(hw, hw->pfs[i], &why)) {
			hw->pfs[i]->said_gone = true;
			log_err("a PF is not here", "pf=%s nic=%s error=\"%s\"", hw->pfs[i]->name,
				hw->pfs[i]->nic.address, why.msg);
		}
	}
	if (!rc && past.adding && hw_place(hw, past.adding, &why))
		log_err("a change that was cut off is not taken back", "nic=%s error=\"%s\"",
			past.adding->nic.address, why.msg);
	/* After a boot nothing is as it was asked for; within one, somebody did what differs. */
	for (unsigned int i = 0; !rc && i < hw->n_pfs; i++) {
		if (past.booted)
			hw_owe(hw->pfs[i]);
		if (hw->pfs[i]->ifindex && hw_owes(hw->pfs[i]))
			hw_enforce(hw, hw->pfs[i]);
	}
	hw_pf_free(past.adding);
	return rc ?: hw_state_save(hw, e);
}

/**
 * hw_open() - Serve the PFs that the state file names
 * @opts: copied; what it points to outlives the room
 * @out:  gets it, hw_close() ends it
 * @e:    error text
 *
 * Return: 0; -EINVAL: the state file is damaged; the errno of it, or of netlink.
 * Context: control.
 */
int hw_open(const struct hw_opts *opts, struct hw **out, struct err *e)
{
	auto_of(hw_close) struct hw *hw = calloc(1, sizeof(*hw));
	int rc;

	if (!hw)
		return err_set(e, -ENOMEM, "out of memory");
	hw->opts = *opts;
	rc = hw_rt_open(&hw->rt, e);
	rc = rc ?: start(hw, e);
	if (rc)
		return rc;
	hw->timer = loop_timer_add(opts->loop, WATCH_MS, WATCH_MS, hw_watch, hw);
	if (!hw->timer)
		return err_set(e, -ENOMEM, "out of memory");
	*out = take(hw);
	return 0;
}

/**
 * hw_close() - Serve no more; the NICs stay as they are
 * @hw: room, may be NULL
 *
 * Context: control.
 */
void hw_close(struct hw *hw)
{
	if (!hw)
		return;
	for (unsigned int i = 0; i < hw->n_pfs; i++)
		hw_pf_free(hw->pfs[i]);
	if (hw->timer)
		loop_timer_del(hw->timer);
	hw_rt_close(hw->rt);
	json_decref(hw->kept);
	free(hw);
}
