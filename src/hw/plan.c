/* SPDX-License-Identifier: Apache-2.0 */
#include "hw/plan.h"

#include <errno.h>
#include <string.h>

/**
 * hw_plan_fini() - Free a plan's steps
 * @plan: empty afterwards
 *
 * Context: any.
 */
void hw_plan_fini(struct hw_plan *plan)
{
	free(plan->steps);
	*plan = (struct hw_plan){ 0 };
}

/**
 * hw_plan_add() - One more step
 * @plan: plan, zero at first; hw_plan_fini() ends it
 * @step: copied
 * @e:    error text
 *
 * Return: 0 or -ENOMEM. Context: any.
 */
int hw_plan_add(struct hw_plan *plan, const struct hw_step *step, struct err *e)
{
	if (plan->n == plan->room) {
		unsigned int room = plan->room * 2 + 16;
		struct hw_step *more = reallocarray(plan->steps, room, sizeof(*more));

		if (!more)
			return err_set(e, -ENOMEM, "out of memory");
		plan->steps = more;
		plan->room = room;
	}
	plan->steps[plan->n++] = *step;
	return 0;
}

/**
 * hw_plan_vf() - The steps from one VF's words to others
 * @plan:   gets them, in the kernel's order
 * @vf:     number
 * @old:    words it has
 * @new:    words it is to have
 * @fields: bits by enum vf_field of what was asked for; also what is so already is said again, as
 *          the kernel may do more than is seen (a MAC that the guest chose becomes administrative)
 * @e:      error text
 *
 * Return: 0 or -ENOMEM. Context: any; pure.
 */
int hw_plan_vf(struct hw_plan *plan, unsigned int vf, const struct hw_words *old,
	       const struct hw_words *new, uint32_t fields, struct err *e)
{
	int rc = 0;

	for (unsigned int i = 0; !rc && i < HW_ATTR_N; i++) {
		const struct hw_step step = { .op = HW_OP_VF,
					      .attr = (uint8_t)i,
					      .vf = (uint16_t)vf,
					      .old.words = *old,
					      .new.words = *new };

		if (hw_attrs[i].fields & fields)
			rc = hw_plan_add(plan, &step, e);
	}
	return rc;
}

/* From what VFs have to what fresh ones have, or the other way; only what differs. */
static int plan_all(struct hw_plan *plan, const struct hw_words *vfs, unsigned int n,
		    const struct hw_words *fresh, uint32_t fields, bool back, struct err *e)
{
	int rc = 0;

	for (unsigned int vf = 0; !rc && vf < n; vf++) {
		uint32_t differs = hw_words_differ(&vfs[vf], fresh);

		rc = hw_plan_vf(plan, vf, back ? fresh : &vfs[vf], back ? &vfs[vf] : fresh,
				differs & fields, e);
	}
	return rc;
}

/**
 * hw_plan_numvfs() - The steps to another number of VFs
 * @plan:   gets them
 * @vfs:    words of those there are, array of @n_old
 * @n_old:  how many there are
 * @n_new:  how many there are to be
 * @fresh:  words of a VF that was just made
 * @fields: bits by enum vf_field of what the driver can set
 * @e:      error text
 *
 * All VFs go and come, by the kernel's way, so first each is made as a fresh one is: the inverse of
 * that, behind the inverse of the number, is how all have their words again when it is taken back.
 * Then the number; then those that are still there get their words.
 *
 * Return: 0 or -ENOMEM. Context: any; pure.
 */
int hw_plan_numvfs(struct hw_plan *plan, const struct hw_words *vfs, unsigned int n_old,
		   unsigned int n_new, const struct hw_words *fresh, uint32_t fields, struct err *e)
{
	const struct hw_step number = { .op = HW_OP_NUMVFS,
					.old.number = n_old,
					.new.number = n_new };
	int rc = plan_all(plan, vfs, n_old, fresh, fields, false, e);

	rc = rc ?: hw_plan_add(plan, &number, e);
	return rc ?: plan_all(plan, vfs, MIN(n_old, n_new), fresh, fields, true, e);
}

/**
 * hw_step_name() - What a step is about, for people
 * @step: step
 * @out:  gets "vf 3 vlan", "numvfs"
 * @size: of @out
 *
 * Context: any; pure.
 */
void hw_step_name(const struct hw_step *step, char *out, size_t size)
{
	static const char *const words[] = {
		[HW_OP_NUMVFS] = "numvfs", [HW_OP_MTU] = "mtu",		[HW_OP_MAC] = "mac",
		[HW_OP_UP] = "state",	   [HW_OP_GROUP] = "groups",	[HW_OP_ESWITCH] = "eswitch",
		[HW_OP_DRIVER] = "driver", [HW_OP_PROBE] = "driver",	[HW_OP_DEV_UP] = "netdev",
		[HW_OP_PLACE] = "netdev",  [HW_OP_MACVTAP] = "macvtap", [HW_OP_CLSACT] = "mirror",
		[HW_OP_COPY] = "mirror",   [HW_OP_FILE] = "mirror"
	};

	if (step->op == HW_OP_VF)
		snprintf(out, size, "vf %u %s", step->vf, hw_attrs[step->attr].word);
	else if (step->op == HW_OP_SVC)
		snprintf(out, size, "service port %s", step->new.name);
	else if (step->op >= HW_OP_DRIVER)
		snprintf(out, size, "vf %u %s", step->vf, words[step->op]);
	else
		snprintf(out, size, "%s", words[step->op]);
}

/**
 * hw_plan_undo() - Take back what was done of a plan
 * @plan: plan
 * @n:    steps that were done, or may have been; from the last of them to the first
 * @fn:   does a step
 * @arg:  handed to @fn
 * @e:    the first that could not be taken back; the others are taken back all the same
 *
 * Return: 0, or what @fn said of that one.
 * Context: @fn's.
 */
int hw_plan_undo(const struct hw_plan *plan, unsigned int n, hw_do fn, void *arg, struct err *e)
{
	int rc = 0;

	while (n--) {
		const struct hw_step *step = &plan->steps[n];
		struct err why = { 0 };
		char name[HW_STEP_NAME_LEN + 1];
		int bad = fn(arg, step, &step->old, &why);

		if (!bad || rc)
			continue;
		hw_step_name(step, name, sizeof(name));
		rc = err_set(e, bad, "%s cannot be taken back: %s", name, why.msg);
	}
	return rc;
}

/**
 * hw_plan_run() - Do all of a plan, or nothing
 * @plan: plan
 * @fn:   does a step
 * @arg:  handed to @fn
 * @e:    names the step that was refused, and one that could not be taken back
 *
 * Return: 0, or what @fn said of the first step that was refused.
 * Context: @fn's.
 */
int hw_plan_run(const struct hw_plan *plan, hw_do fn, void *arg, struct err *e)
{
	for (unsigned int i = 0; i < plan->n; i++) {
		const struct hw_step *step = &plan->steps[i];
		struct err why = { 0 }, back = { 0 };
		int rc = fn(arg, step, &step->new, &why);
		char name[HW_STEP_NAME_LEN + 1];

		if (!rc)
			continue;
		hw_step_name(step, name, sizeof(name));
		/* A number of VFs is two writes: it may be half done. */
		hw_plan_undo(plan, i + (step->op == HW_OP_NUMVFS), fn, arg, &back);
		return err_set(e, rc, "%s: %s%s%s", name, why.msg, *back.msg ? "; and " : "",
			       back.msg);
	}
	return 0;
}
