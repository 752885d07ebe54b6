/* SPDX-License-Identifier: Apache-2.0 */
#include "hw/model.h"

#include <errno.h>

/**
 * hw_forget() - What the kernel told of a PF is old
 * @pf: PF
 *
 * Context: control.
 */
void hw_forget(struct hw_pf *pf)
{
	free(pf->link);
	pf->link = NULL;
}

/**
 * hw_pf_new() - A PF nothing was asked of
 * @address: of the NIC
 * @e:       error text
 *
 * Return: the PF, hw_pf_free() ends it; NULL when out of memory.
 * Context: any.
 */
struct hw_pf *hw_pf_new(const char *address, struct err *e)
{
	auto_of(hw_pf_free) struct hw_pf *pf = calloc(1, sizeof(*pf));

	if (!pf || !(pf->wish = calloc(1, sizeof(*pf->wish)))) {
		err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	snprintf(pf->nic.address, sizeof(pf->nic.address), "%s", address);
	pf_config_default(&pf->wish->config);
	for (unsigned int vf = 0; vf < VF_MAX; vf++)
		vf_config_default(&pf->wish->vfs[vf].config);
	return take(pf);
}

/**
 * hw_pf_free() - Forget a PF
 * @pf: PF, may be NULL
 *
 * Context: control.
 */
void hw_pf_free(struct hw_pf *pf)
{
	if (!pf)
		return;
	hw_forget(pf);
	hw_plan_fini(&pf->undo);
	free(pf->wish);
	free(pf);
}

/**
 * hw_wish_copy() - What was asked for of a PF, to be changed
 * @pf: PF
 * @e:  error text, may be NULL
 *
 * Return: a copy, the caller's to free; NULL when out of memory. Context: control.
 */
struct hw_wish *hw_wish_copy(const struct hw_pf *pf, struct err *e)
{
	struct hw_wish *w = malloc(sizeof(*w));

	if (w)
		*w = *pf->wish;
	else
		err_set(e, -ENOMEM, "out of memory");
	return w;
}

/**
 * hw_owe() - Nothing of what was asked for of a PF is left
 * @pf: PF
 *
 * Context: control.
 */
void hw_owe(struct hw_pf *pf)
{
	pf->due = (struct hw_due){ .owed = pf->wish->fields & HW_PF_OWN };
	for (unsigned int vf = 0; vf < VF_MAX; vf++)
		pf->vf_due[vf] = (struct hw_due){ .owed = pf->wish->vfs[vf].fields & HW_WORDS };
	for (unsigned int vf = 0; vf < VF_MAX; vf++)
		pf->plug_due[vf] = (struct hw_due){ .owed = !!pf->wish->vfs[vf].attach.kind };
	for (unsigned int i = 0; i < HW_MIRRORS_MAX; i++)
		pf->mirror_due[i] = (struct hw_due){ .owed = !!*pf->wish->mirrors[i].name };
	pf->svc_due = (struct hw_due){ .owed = !!pf->wish->n_svcs };
}

/**
 * hw_hurry() - Try at once what was refused: somebody does something about it
 * @pf: PF
 *
 * Context: control.
 */
void hw_hurry(struct hw_pf *pf)
{
	pf->due.wait_ms = pf->due.tried = 0;
	pf->due.next_ms = 0;
	pf->svc_due.wait_ms = pf->svc_due.tried = 0;
	pf->svc_due.next_ms = 0;
	for (unsigned int vf = 0; vf < VF_MAX; vf++) {
		struct hw_due *due = &pf->vf_due[vf];

		due->wait_ms = due->tried = 0;
		due->next_ms = 0;
		due = &pf->plug_due[vf];
		due->wait_ms = due->tried = 0;
		due->next_ms = 0;
	}
	for (unsigned int i = 0; i < HW_MIRRORS_MAX; i++) {
		pf->mirror_due[i].wait_ms = pf->mirror_due[i].tried = 0;
		pf->mirror_due[i].next_ms = 0;
	}
}

/**
 * hw_owes() - Is anything left to be made, whatever a PF's policy is?
 * @pf: PF
 *
 * Return: true if so. Context: control.
 */
bool hw_owes(const struct hw_pf *pf)
{
	uint32_t owed = pf->due.owed & pf->wish->fields;

	owed |= pf->svc_due.owed && pf->wish->n_svcs;
	for (unsigned int vf = 0; vf < VF_MAX; vf++)
		owed |= (pf->vf_due[vf].owed & pf->wish->vfs[vf].fields) |
			(pf->plug_due[vf].owed && pf->wish->vfs[vf].attach.kind);
	for (unsigned int i = 0; i < HW_MIRRORS_MAX; i++)
		owed |= pf->mirror_due[i].owed && *pf->wish->mirrors[i].name;
	return owed;
}
