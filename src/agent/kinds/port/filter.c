/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's side of a port, over its domain's QMP: what the driver asks of its NIC goes to the
 * switch (query-rx-filter, announced by NIC_RX_FILTER_CHANGED), the link state comes back
 * (set_link). A VF's mailbox does the same on hardware.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/kinds/port/rxfilter.h"
#include "agent/kinds/port/port.h"

#define AGAIN_MS  300 /* the driver is not up yet */
#define FAILED_MS 2000

struct guest_job {
	struct agent *agent;
	struct port *owner; /* stays while it is qmp_busy */
	char port[UUID_STR_LEN], server[UUID_STR_LEN];
	char pf[PF_NAME_LEN + 1];
	unsigned int vf;
	bool query; /* read the filter; else withdraw it, or set the link */
	bool set_link, link;
	unsigned int due; /* events this query serves */
	int rc;
	struct err e;
};

static void query_filter(struct guest_job *j)
{
	struct vf_filter filter = { .n_macs = 0 };
	auto_free char *reply = NULL;
	json_t *command = json_pack("{s:s,s:{s:s+}}", "execute", "query-rx-filter", "arguments",
				    "name", VIRT_ALIAS_PREFIX, j->port);

	j->rc = virt_qmp(j->agent->virt, j->server, command, &reply, &j->e);
	if (!j->rc)
		j->rc = rxfilter_parse(reply, strlen(reply), &filter, &j->e);
	if (!j->rc)
		j->rc = pfs_vf_filter(j->agent->opts.run_dir, j->pf, j->vf,
				      rxfilter_to_json(&filter), &j->e);
	rxfilter_fini(&filter);
}

static void set_link(struct guest_job *j)
{
	auto_free char *reply = NULL;

	j->rc = virt_qmp(j->agent->virt, j->server,
			 json_pack("{s:s,s:{s:s+,s:b}}", "execute", "set_link", "arguments", "name",
				   VIRT_ALIAS_PREFIX, j->port, "up", j->link),
			 &reply, &j->e);
	if (!j->rc && strstr(reply, "\"error\""))
		j->rc = err_set(&j->e, -EIO, "set_link: %.200s", reply);
}

static void guest_run(void *arg)
{
	struct guest_job *j = arg;

	if (j->set_link)
		set_link(j);
	else if (j->query)
		query_filter(j);
	else
		j->rc = pfs_vf_filter(j->agent->opts.run_dir, j->pf, j->vf, NULL, &j->e);
}

static void guest_done(void *arg)
{
	struct guest_job *j = arg;
	struct port *p = j->owner;

	p->qmp_busy = false;
	p->filter_ms = loop_now_ms() + (!j->rc ? 0 : j->rc == -EAGAIN ? AGAIN_MS : FAILED_MS);
	if (!j->rc && j->set_link)
		p->guest_link = j->link;
	else if (!j->rc)
		p->filter_sent = j->query;
	if (!j->rc && j->query)
		p->filter_done = j->due;
	if (j->rc && j->rc != -EAGAIN)
		log_debug("the guest's NIC does not answer", "port=%s why=\"%s\"", j->port,
			  j->e.msg);
	agent_wake(j->agent, SIDE_NONE);
	free(j);
}

/**
 * guest_observe() - Take over what the switch says of a port's VF
 * @p:  port with its `have` filled
 * @vf: the VF
 */
void guest_observe(struct port *p, const struct vf_info *vf)
{
	bool connected = p->facts.have.connected, rings = connected && vf->status.n_queues > 0;

	/* Or the switch was started again, and its guests were back before anybody looked. */
	if (rings && (!p->rings || (p->filter_sent && !p->qmp_busy && !vf->status.filter_known)))
		p->filter_due++;
	if (!connected)
		p->guest_link = true; /* QEMU sets the link up when the switch connects */
	p->rings = rings;
}

static struct guest_job *job_new(struct agent *a, struct port *p, const char *server)
{
	struct guest_job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->agent = a;
	j->owner = p;
	j->vf = p->facts.want.vf;
	snprintf(j->port, sizeof(j->port), "%s", p->facts.entity.id);
	snprintf(j->server, sizeof(j->server), "%s", server);
	snprintf(j->pf, sizeof(j->pf), "%s", p->facts.want.pf);
	return j;
}

/**
 * guest_evaluate() - Bring switch and guest to agree, one QMP call at a time
 * @a: agent
 * @x: port
 */
void guest_evaluate(struct agent *a, struct entity *x)
{
	struct port *p = (struct port *)x;
	const struct want_port *want = &p->facts.want;
	const struct server_facts *s = x->wanted ? facts_server(a, want->server) : NULL;
	const struct vf_info *vf;
	bool runs, query, link, withdraw;
	struct guest_job *j;

	if (p->facts.have.plug.way != PORT_BY_VHOST) /* a NIC has a mailbox for that */
		return;
	if (!s || p->qmp_busy || x->busy || loop_now_ms() < p->filter_ms)
		return;
	vf = pfs_vf(a->view, want->pf, want->vf);
	runs = s->have.domain == DOMAIN_RUNNING && p->facts.have.connected;
	query = runs && a->opts.rx_filter && p->rings && p->filter_due != p->filter_done;
	link = runs && vf && vf->status.link_up != p->guest_link;
	withdraw = p->filter_sent && !p->rings && !want->released;
	if (!vf || !(query || link || withdraw))
		return;
	j = job_new(a, p, s->entity.id);
	if (!j)
		return;
	j->set_link = link;
	j->link = vf->status.link_up;
	j->query = !link && query;
	j->due = p->filter_due;
	if (work_push(s->monitor, guest_run, guest_done, j))
		free(j);
	else
		p->qmp_busy = true;
}
