/* SPDX-License-Identifier: Apache-2.0 */
/* The hosts: started one behind the other, as real ones are not all booted at once; and counted. */
#include "sim/sim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/core/state.h"
#include "agent/kinds/port/port.h"
#include "agent/kinds/tap/tap.h"
#include "agent/kinds/watch/watch.h"
#include "sim/host.h"

#define START_EVERY_MS 5

/* What others read comes before them, as in agentd.c. */
static const struct agent_kind *const kinds[] = { &port_kind,	    &tap_kind,	 &sim_net_kind,
						  &sim_server_kind, &watch_kind, NULL };

static int host_start(struct sim_host *h, struct err *e)
{
	struct sim *sim = h->sim;
	const struct agent_opts opts = { .host = h->name,
					 .run_dir = h->name,
					 .state_dir = h->name,
					 .mappings = sim->mappings,
					 .api = sim->api[sim->n_hosts % sim->n_api],
					 .http = sim->http,
					 .polls = sim->polls[sim->n_hosts % SIM_POLLS],
					 .pass = sim->pass,
					 .libvirt_uri = h->name,
					 .collectors = "0.0.0.0/0,::/0" };

	if (sim_pfs_open(h))
		return err_set(e, -ENOMEM, "out of memory");
	return agent_open(sim->loop, &opts, kinds, &h->agent, e);
}

static void start_next(void *arg)
{
	struct sim *sim = arg;
	struct err e = { 0 };

	if (sim->n_hosts == sim->opts.hosts || sim->stopping) {
		loop_timer_set(sim->starts, UINT64_MAX, 0);
		return;
	}
	if (host_start(&sim->hosts[sim->n_hosts], &e))
		log_err("a host is not started", "host=%s why=\"%s\"",
			sim->hosts[sim->n_hosts].name, e.msg);
	else
		sim->n_hosts++;
}

/* VFs as the switch makes them: their PCI addresses are those of its first PF. */
static int make_fresh(struct sim *sim)
{
	sim->fresh = calloc(sim->opts.vfs + 1, sizeof(*sim->fresh));
	sim->shown = calloc(1, sizeof(*sim->shown));
	vf_config_default(&sim->fresh_config);
	for (unsigned int i = 0; sim->fresh && i < sim->opts.vfs; i++) {
		struct vf_info *vf = &sim->fresh[i];
		unsigned int rid = 128 + 2 * i;

		vf->config = sim->fresh_config;
		vf->status.link_up = true;
		vf->status.mtu = 1500;
		snprintf(vf->status.pci_slot, sizeof(vf->status.pci_slot), "0000:%02x:%02x.%x",
			 5 + (rid >> 8 & 3U), rid >> 3 & 31U, rid & 7U);
	}
	return sim->fresh && sim->shown ? 0 : -ENOMEM;
}

/* physnet1,physnet2: each is the host's one PF. */
static int make_mappings(struct sim *sim, struct err *e)
{
	const char *at = sim->opts.physnets;
	size_t n = 0, len;

	for (; (len = strcspn(at, ",")); at += len + (at[len] == ',')) {
		if (len > 64 || n + len + 16 > sizeof(sim->mappings))
			return err_set(e, -EINVAL, "too many physical networks");
		n += (size_t)snprintf(sim->mappings + n, sizeof(sim->mappings) - n,
				      "%s%.*s:" SIM_PF, n ? "," : "", (int)len, at);
	}
	return 0;
}

static void make_endpoints(struct sim *sim)
{
	while (sim->opts.api[sim->n_api] && sim->n_api < DOOR_MAX)
		sim->n_api++;
	for (unsigned int first = 0; first < sim->n_api; first++)
		for (unsigned int i = 0; i < sim->n_api; i++)
			sim->api[first][i] = sim->opts.api[(first + i) % sim->n_api];
}

static int make_hosts(struct sim *sim, struct err *e)
{
	const struct sim_opts *o = &sim->opts;

	sim->hosts = calloc(o->hosts + 1, sizeof(*sim->hosts));
	if (!sim->hosts || make_fresh(sim))
		return err_set(e, -ENOMEM, "out of memory");
	for (unsigned int i = 0; i < o->hosts; i++) {
		struct sim_host *h = &sim->hosts[i];

		h->sim = sim;
		snprintf(h->name, sizeof(h->name), "%.48s%04u", o->prefix, i);
	}
	return 0;
}

/**
 * sim_open() - Start hosts in a loop
 * @loop: loop to live in
 * @opts: what they are
 * @out:  gets them; they live until the process ends
 * @e:    error text, may be NULL
 *
 * Return: 0, -EINVAL or -ENOMEM. That the API is not there is no error.
 */
int sim_open(struct loop *loop, const struct sim_opts *opts, struct sim **out, struct err *e)
{
	struct sim *sim = calloc(1, sizeof(*sim));
	int rc;

	if (!sim)
		return err_set(e, -ENOMEM, "out of memory");
	sim->loop = loop;
	sim->opts = *opts;
	make_endpoints(sim);
	rc = sim->n_api ? 0 : err_set(e, -EINVAL, "the API has no URL");
	rc = rc ?: make_mappings(sim, e) ?: make_hosts(sim, e);
	rc = rc ?: httpm_open(loop, &sim->http, e);
	for (unsigned int i = 0; !rc && i < SIM_POLLS; i++)
		rc = httpm_open(loop, &sim->polls[i], e);
	rc = rc ?: pass_open(sim->http, opts->credentials, &opts->trust, &sim->pass, e);
	if (rc)
		return rc; /* the process ends with it */
	sim->starts = loop_timer_add(loop, 0, START_EVERY_MS, start_next, sim);
	if (!sim->starts)
		return err_set(e, -ENOMEM, "out of memory");
	*out = sim;
	return 0;
}

/**
 * sim_stop() - Begin nothing new, and let waiting calls end
 * @sim: hosts
 */
void sim_stop(struct sim *sim)
{
	sim->stopping = true;
	for (unsigned int i = 0; i < sim->n_hosts; i++)
		agent_stop(sim->hosts[i].agent);
}

static bool is_active(const struct entity *x)
{
	const char *status = json_string_value(json_object_get(x->report.sent, "status"));

	return status && !strcmp(status, "ACTIVE");
}

static void count_host(struct agent *a, struct sim_counts *out)
{
	const struct entity *x = NULL;

	out->up += follow_is_up(a);
	while ((x = entity_next(a, &port_kind, x))) {
		out->ports += x->wanted;
		out->active += x->wanted && is_active(x);
	}
	while ((x = entity_next(a, &sim_server_kind, x)))
		out->servers += x->wanted;
	out->agents.reads += a->counts.reads;
	out->agents.answers += a->counts.answers;
	out->agents.reports += a->counts.reports;
	out->agents.refused += a->counts.refused;
	out->agents.beats += a->counts.beats;
	out->agents.wholes += a->counts.wholes;
}

/**
 * sim_count() - What all hosts are and did
 * @sim: hosts
 * @out: gets the sums
 */
void sim_count(const struct sim *sim, struct sim_counts *out)
{
	*out = (struct sim_counts){ .hosts = sim->n_hosts };
	for (unsigned int i = 0; i < sim->n_hosts; i++)
		count_host(sim->hosts[i].agent, out);
}
