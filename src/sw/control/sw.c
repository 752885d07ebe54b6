/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing, the table of verbs, and what the clock does: the tick, hints, saves. */
#include "sw/control/sw.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "sw/control/model.h"
#include "sw/parent/parent.h"

static_assert(PFS_MAX <= VEB_DOMAINS_MAX, "a PF is a domain");

#define NEWS_MAX   256 /* netdevs' changes a turn */
#define SAVE_SHARE 20  /* after a save nobody asked for, so many times its time without another */

/*
 * A change nobody waits for, a learned address or a lost wire: in force whatever the disk says, and
 * saved with the next tick, as guests may learn addresses as often as they like.
 */
static void publish_soon(void *arg)
{
	struct sw *sw = arg;

	sw->due = false;
	sw->hint_again = false; /* workers report addresses once a snapshot */
	sw->unsaved = true;
	sw_publish(sw, NULL);
}

/* Because of guests, not more than one part in SAVE_SHARE of control's time is a slow disk's. */
static void save_soon(struct sw *sw)
{
	uint64_t begin_ms = loop_now_ms();
	struct err e = { 0 };

	if (!sw->unsaved || begin_ms < sw->save_at_ms)
		return;
	sw->unsaved = false;
	if (!sw_state_save(sw, &e)) {
		sw->save_failed = false;
	} else if (!sw->save_failed) {
		log_err("settings cannot be saved", "%s", e.msg);
		sw->save_failed = true;
	}
	sw->save_at_ms = loop_now_ms() + SAVE_SHARE * (loop_now_ms() - begin_ms);
}

static void on_hints(void *arg, uint32_t events)
{
	struct sw *sw = arg;

	if (!sw_learn_hints(sw))
		return;
	loop_fd_set(sw->hints, 0);
	loop_timer_set(sw->more_hints, SW_COALESCE_MS, 0);
}

static void hints_again(void *arg)
{
	struct sw *sw = arg;

	loop_fd_set(sw->hints, EPOLLIN);
}

/* What changed does not matter, nor whether all of it was heard: it is looked at. */
static void on_news(void *arg, uint32_t events)
{
	struct sw *sw = arg;
	char bytes[256];

	for (unsigned int i = 0; i < NEWS_MAX; i++)
		if (recv(sw->news_fd, bytes, sizeof(bytes), MSG_DONTWAIT) < 0 && errno != ENOBUFS)
			break;
	sw_hosts_follow(sw);
	if (sw_wires_follow(sw))
		publish_soon(sw);
}

static void on_age(void *arg)
{
	sw_learned_age(arg);
}

static void on_tick(void *arg)
{
	struct sw *sw = arg;

	bool changed;

	dp_control_turn(sw->opts.dp);
	sw_captures_tick(sw);
	changed = sw_plug_tick(sw);
	/* Last: what leads back to a tap is seen when that is there. */
	changed |= sw_wires_tick(sw);
	sw_hosts_follow(sw);
	changed |= sw_mirrors_tick(sw);
	if (changed || sw->save_failed || sw->hint_again)
		publish_soon(sw);
	save_soon(sw);
}

/*
 * Frames of the first guest that is back would be lost while the others are not: they wait. For
 * guests that are connected, not for those that may be off, and not for one that takes long.
 */
static void on_settle(void *arg)
{
	struct sw *sw = arg;

	if (sw_is_settling(sw) && loop_now_ms() < sw->settle_until_ms)
		return;
	loop_timer_set(sw->settle, UINT32_MAX, 0);
	dp_hold(sw->opts.dp, false);
}

/**
 * sw_open() - Start the control half
 * @opts: what it works with
 * @out:  the switch; sw_close() ends it
 * @e:    says what is wrong with the state file
 *
 * Reloads the state file and plugs everything in again. What cannot be plugged
 * in (a netdev or namespace that is gone) is logged, kept, and tried each second.
 * Senders wait until all front ends that are back have rings, but not for long.
 *
 * Return: 0, -ENOMEM, -EINVAL (state file damaged or newer), or errors of reading it.
 * Context: the control thread, before its loop runs.
 */
int sw_open(const struct sw_opts *opts, struct sw **out, struct err *e)
{
	auto_of(sw_close) struct sw *sw = calloc(1, sizeof(*sw));
	int rc;

	if (!sw)
		return err_set(e, -ENOMEM, "no memory");
	sw->opts = *opts;
	sw->news_fd = -1;
	sw_mirrors_init(sw);
	memset(sw->links, -1, sizeof(sw->links));
	sw->run_dir = strdup(opts->run_dir);
	sw->state = opts->state ? strdup(opts->state) : NULL;
	sw->fibs = veb_fibs_new();
	if (!sw->run_dir || !sw->fibs || (opts->state && !sw->state))
		return err_set(e, -ENOMEM, "no memory");
	rc = sw_state_load(sw, e);
	if (rc)
		return rc;
	dp_hold(opts->dp, true);
	if (!parent_links_follow(opts->parent, &sw->news_fd, NULL))
		sw->news = loop_fd_add(opts->loop, sw->news_fd, EPOLLIN, on_news, sw);
	sw_plug_all(sw);
	sw_wires_tick(sw);
	sw_hosts_follow(sw);
	sw_mirrors_tick(sw);
	publish_soon(sw);
	save_soon(sw);
	sw->settle_until_ms = loop_now_ms() + SW_SETTLE_MS;
	sw->settle = loop_timer_add(opts->loop, 0, SW_SETTLE_LOOK_MS, on_settle, sw);
	sw->hints = loop_fd_add(opts->loop, dp_hint_fd(opts->dp), EPOLLIN, on_hints, sw);
	sw->tick = loop_timer_add(opts->loop, SW_TICK_MS, SW_TICK_MS, on_tick, sw);
	sw->age = loop_timer_add(opts->loop, SW_AGE_MS, SW_AGE_MS, on_age, sw);
	sw->soon = loop_timer_add(opts->loop, UINT32_MAX, 0, publish_soon, sw);
	sw->more_hints = loop_timer_add(opts->loop, UINT32_MAX, 0, hints_again, sw);
	if (!sw->settle || !sw->hints || !sw->tick || !sw->age || !sw->soon || !sw->more_hints)
		return err_set(e, -ENOMEM, "no memory");
	*out = take(sw);
	return 0;
}

/**
 * sw_close() - End the control half; taps stay with the parent, settings in the state file
 * @sw: or NULL
 *
 * Context: control; before dp_close(), which unplugs what is left.
 */
void sw_close(struct sw *sw)
{
	if (!sw)
		return;
	sw->save_at_ms = 0;
	save_soon(sw);
	if (sw->hints)
		loop_fd_del(sw->hints);
	if (sw->news)
		loop_fd_del(sw->news);
	if (sw->news_fd >= 0)
		close(sw->news_fd);
	if (sw->settle)
		loop_timer_del(sw->settle);
	if (sw->tick)
		loop_timer_del(sw->tick);
	if (sw->age)
		loop_timer_del(sw->age);
	if (sw->soon)
		loop_timer_del(sw->soon);
	if (sw->more_hints)
		loop_timer_del(sw->more_hints);
	sw_mirrors_close(sw);
	sw_captures_close(sw);
	for (unsigned int i = 0; i < PFS_MAX; i++)
		sw_pf_free(sw->pfs[i]);
	for (uint16_t i = 0; i < VEB_PORTS_MAX; i++) {
		veb_port_put(sw->blocks[i]);
		guest_put(sw->addresses[i].guest);
		sw_learned_trim(sw, i, 0);
	}
	veb_fibs_put(sw->fibs);
	sw_state_forget(sw);
	json_decref(sw->kept);
	free(sw->run_dir);
	free(sw->state);
	free(sw);
}

/* struct pf_ops.worker_get */
static int sw_worker_get(void *ctx, unsigned int i, struct worker_info *out)
{
	const struct sw *sw = ctx;
	struct dp_work w;

	if (i >= dp_workers(sw->opts.dp))
		return -ENOENT;
	dp_work_get(sw->opts.dp, i, &w);
	*out = (struct worker_info){ w.busy_ns, w.idle_ns, w.wakeups, 0, { 0 } };
	for (unsigned int n = 1; n <= DP_BURST_MAX; n++) {
		unsigned int bin = n > 1 ? 32u - (unsigned int)__builtin_clz(n - 1) : 0;

		out->bursts[bin] += w.bursts[n];
		out->frames += n * w.bursts[n];
	}
	return 0;
}
static_assert(DP_BURST_MAX == 1 << (WORKER_BURSTS - 1), "each burst has its place");

const struct pf_ops sw_ops = {
	.kind = "sw",
	.pf_add = sw_pf_add,
	.pf_del = sw_pf_del,
	.pf_set = sw_pf_set,
	.pf_list = sw_pf_list,
	.pf_get = sw_pf_get,
	.vf_get = sw_vf_get,
	.vf_drops = sw_vf_drops,
	.vf_attach = sw_vf_attach,
	.vf_detach = sw_vf_detach,
	.vf_release = sw_vf_release,
	.vf_filter = sw_vf_filter,
	.svc_add = sw_svc_add,
	.svc_del = sw_svc_del,
	.svc_set = sw_svc_set,
	.svc_get = sw_svc_get,
	.mirror_add = sw_mirror_add,
	.mirror_set = sw_mirror_set,
	.mirror_del = sw_mirror_del,
	.mirror_get = sw_mirror_get,
	.worker_get = sw_worker_get,
	.capture = sw_capture,
	.batch = &sw_batch_ops,
};
