/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at the host: at the switch, and at libvirt's domains. What was seen goes to the kinds. */
#include <errno.h>
#include <string.h>

#include "agent/core/state.h"

#define LONG_MS 100 /* a look that is to have a pause behind it, and not from its beginning */

/* One look. */
struct look {
	struct agent *agent;
	enum agent_side side;
	uint64_t stamp; /* agent.clock when it was asked for */
	uint64_t took_ms;
	int rc;
	struct err e;
	struct pfs_view *view;	       /* of the switch, */
	const struct pfs_view *before; /* and the one until then, which stays as long */
	struct virt_domain *domains;   /* of libvirt, */
	unsigned int n;		       /* how many, */
	unsigned long version;	       /* QEMU's, */
	bool probe, kvm;	       /* and whether KVM runs guests, asked for and told */
};

static void switch_run(struct look *l)
{
	l->rc = pfs_observe(l->agent->opts.run_dir, l->agent->opts.mappings, l->before, &l->view,
			    &l->e);
}

/* Return: whether there is something new, which may be that there is no switch. */
static bool switch_keep(struct agent *a, struct look *l)
{
	if (l->rc) {
		if (!a->view)
			return false;
		log_warn("the switch is gone", "why=\"%s\"", l->e.msg);
		pfs_view_free(take(a->view));
		json_decref(take(a->inventory));
		return true;
	}
	if (!a->view)
		log_info("the switch is there", "pfs=%u", l->view->n_pfs);
	if (a->view != l->view) /* else it is the one there was, by another reference */
		json_decref(take(a->inventory));
	pfs_view_free(a->view);
	a->view = take(l->view);
	return true;
}

/* An emulated machine's QEMU may need longer to start than the trial has: so it can be told. */
static bool has_kvm(const struct agent *a)
{
	if (a->opts.kvm && strcmp(a->opts.kvm, "auto"))
		return !strcmp(a->opts.kvm, "on");
	return host_has_kvm(a->dir);
}

static void libvirt_run(struct look *l)
{
	struct agent *a = l->agent;

	if (l->probe)
		l->kvm = has_kvm(a);
	l->rc = virt_list(a->virt, &l->domains, &l->n, &l->e);
	if (!l->rc)
		virt_version(a->virt, &l->version, &l->e);
}

static bool libvirt_keep(struct agent *a, struct look *l)
{
	if (l->probe)
		a->accel = l->kvm ? ACCEL_KVM : ACCEL_TCG;
	if (l->rc)
		return false;
	free(a->domains);
	a->domains = take(l->domains);
	a->n_domains = l->n;
	a->virt_version = l->version;
	return true;
}

static const struct {
	void (*run)(struct look *l);
	bool (*keep)(struct agent *a, struct look *l);
} sides[SIDE_N] = {
	[SIDE_SWITCH] = { switch_run, switch_keep },
	[SIDE_LIBVIRT] = { libvirt_run, libvirt_keep },
};

static void look_run(void *arg)
{
	struct look *l = arg;
	uint64_t start_ms = loop_now_ms();

	sides[l->side].run(l);
	l->took_ms = loop_now_ms() - start_ms;
}

/* What has changed since the look was asked for is newer than the look. */
static void observe(struct agent *a, enum agent_side side, uint64_t stamp)
{
	for (const struct agent_kind *const *k = a->kinds; *k; k++) {
		if ((*k)->side != side)
			continue;
		if ((*k)->discover && a->desired_known)
			(*k)->discover(a);
		for (struct entity *x = NULL; (x = entity_next(a, *k, x));)
			if ((*k)->observe && !x->busy && x->stamp <= stamp)
				(*k)->observe(a, x);
	}
}

static void look_done(void *arg)
{
	struct look *l = arg;
	struct agent *a = l->agent;

	a->sides[l->side].looking = false;
	a->sides[l->side].took_ms = l->took_ms;
	if (l->side == SIDE_SWITCH && l->took_ms >= LONG_MS)
		a->tick_ms = 0; /* its pause begins here */
	if (sides[l->side].keep(a, l))
		observe(a, l->side, l->stamp);
	agent_wake(a, a->sides[l->side].again ? l->side : SIDE_NONE);
	pfs_view_free(l->view);
	free(l->domains);
}

/**
 * look_at() - Look at a side of the host as soon as its queue comes to it
 * @a:    agent
 * @side: which; SIDE_NONE: nowhere
 *
 * What is seen is handed to the kinds, and the loop is waked. A look that is asked for while one
 * runs follows it.
 */
void look_at(struct agent *a, enum agent_side side)
{
	struct look *l;

	if (side == SIDE_NONE)
		return;
	a->sides[side].again = a->sides[side].looking;
	if (a->sides[side].looking || (side == SIDE_LIBVIRT && !a->virt_connected))
		return;
	l = a->sides[side].look;
	*l = (struct look){
		.agent = a,
		.side = side,
		.before = a->view,
		.stamp = a->clock,
		.probe = side == SIDE_LIBVIRT && a->accel == ACCEL_UNKNOWN,
	};
	a->sides[side].looking = !work_push(a->sides[side].queue, look_run, look_done, l);
}

static void on_connected(void *arg, bool connected)
{
	struct agent *a = arg;

	a->virt_connected = connected;
	if (connected)
		agent_wake(a, SIDE_LIBVIRT);
	else
		observe(a, SIDE_LIBVIRT, UINT64_MAX);
}

static void on_domain(void *arg, const char *server)
{
	agent_wake(arg, SIDE_LIBVIRT);
}

static void on_monitor(void *arg, const char *id)
{
	struct agent *a = arg;

	for (const struct agent_kind *const *k = a->kinds; *k; k++) {
		struct entity *x = (*k)->event ? entity_find(a, (*k)->name, id) : NULL;

		if (x)
			(*k)->event(a, x);
	}
	agent_wake(a, SIDE_NONE);
}

/**
 * look_open() - Be ready to look, and begin to keep a connection to libvirt
 * @a: agent with its loop and options
 * @e: error text, may be NULL
 *
 * Return: 0 or a negative errno; that libvirt or the switch are not there yet is no error.
 */
int look_open(struct agent *a, struct err *e)
{
	static const struct virt_events events = { on_connected, on_domain, on_monitor };

	for (enum agent_side side = SIDE_NONE + 1; side < SIDE_N; side++) {
		a->sides[side].queue = work_queue_new(a->loop);
		a->sides[side].look = calloc(1, sizeof(struct look));
		if (!a->sides[side].queue || !a->sides[side].look)
			return err_set(e, -ENOMEM, "out of memory");
	}
	return virt_open(a->loop, a->opts.libvirt_uri, &events, a, &a->virt, e);
}
