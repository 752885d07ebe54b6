/* SPDX-License-Identifier: Apache-2.0 */
/* Steps on ports and networks: what they do in their work queue, and what is known afterwards. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/core/state.h"
#include "base/file.h"

struct port_job {
	struct agent *agent;
	enum port_step step;
	char port[UUID_STR_LEN];
	char pf[PF_NAME_LEN + 1];
	unsigned int vf;
	struct vf_config config;
	uint32_t changed;
	bool foreign; /* the VF still carries another port's id */
	char socket[VF_PATH_LEN + 1];
	int rc;
	struct err e;
};

static void port_run(void *arg)
{
	struct port_job *j = arg;
	const char *run_dir = j->agent->opts.run_dir;

	switch (j->step) {
	case PORT_STEP_BIND:
		if (j->foreign)
			j->rc = pfs_vf_do(run_dir, "vf.release", j->pf, j->vf, &j->e);
		if (!j->rc)
			j->rc = pfs_vf_set(run_dir, j->pf, j->vf, &j->config, WANT_VF_FIELDS,
					   &j->e);
		break;
	case PORT_STEP_SET:
		j->rc = pfs_vf_set(run_dir, j->pf, j->vf, &j->config, j->changed, &j->e);
		break;
	case PORT_STEP_ATTACH:
		j->rc = pfs_vf_attach(run_dir, j->pf, j->vf, j->socket, &j->e);
		break;
	case PORT_STEP_DETACH:
		j->rc = pfs_vf_do(run_dir, "vf.detach", j->pf, j->vf, &j->e);
		break;
	case PORT_STEP_RELEASE:
		j->rc = pfs_vf_do(run_dir, "vf.release", j->pf, j->vf, &j->e);
		break;
	case PORT_STEP_NONE:
		break;
	}
}

static void port_done(void *arg)
{
	struct port_job *j = arg;
	struct port *p = entity_port(j->agent, j->port);
	bool wrote = j->step == PORT_STEP_BIND || j->step == PORT_STEP_SET;

	if (p) {
		p->busy = false;
		p->have.known = false; /* until the next look, which is behind us in the queue */
		retry_later(&p->retry, "a VF cannot be set", p->id, j->rc ? &j->e : NULL);
		if (!j->rc && (wrote || j->step == PORT_STEP_RELEASE)) {
			p->applied = j->config;
			p->applied_known = wrote;
			p->filter_sent = p->filter_sent && wrote;
			record_port(j->agent, p);
		}
		agent_observe(j->agent);
	}
	free(j);
}

/**
 * step_port() - Run a step on a port's VF
 * @a:    agent
 * @p:    port with a document; not busy
 * @step: from plan_port()
 */
void step_port(struct agent *a, struct port *p, enum port_step step)
{
	const struct vf_info *vf = pfs_vf(a->view, p->want.pf, p->want.vf);
	struct port_job *j = calloc(1, sizeof(*j));

	if (!j)
		return;
	j->agent = a;
	j->step = step;
	j->vf = p->want.vf;
	j->config = p->want.config;
	j->changed = p->have.changed;
	j->foreign = vf && *vf->config.port_id && strcmp(vf->config.port_id, p->id);
	snprintf(j->port, sizeof(j->port), "%s", p->id);
	snprintf(j->pf, sizeof(j->pf), "%s", p->want.pf);
	agent_socket_path(a, p->id, j->socket);
	if (work_push(a->switch_queue, port_run, port_done, j))
		free(j);
	else
		p->busy = true;
}

struct net_job {
	struct agent *agent;
	enum net_step step;
	char net[UUID_STR_LEN];
	struct want_net want; /* doc NULL: only to be removed */
	struct dhcp_place at;
	char pf[PF_NAME_LEN + 1];
	bool service_port;
	bool other_mac; /* ... of an address that is not wished for any more */
	pid_t daemon;
	char *conf, *hosts;
	int rc;
	struct err e;
};

/*
 * The service port with its addresses; dnsmasq is started anew on it afterwards. A port that
 * outlived its daemon with its addresses is taken as it is.
 */
static int net_add(struct net_job *j)
{
	const struct want_net *want = &j->want;
	struct svc_config svc = { .mac = want->dhcp_mac,
				  .vlan = (uint16_t)want->vlan,
				  .mtu = (uint16_t)want->mtu };
	char path[PATH_MAX], daemon[16];
	bool as_it_was = j->service_port && !j->other_mac && dhcp_has_addresses(want);
	int rc = as_it_was ? 0 : dhcp_stop(&j->at, &j->e);

	snprintf(svc.pf, sizeof(svc.pf), "%s", want->pf);
	snprintf(svc.name, sizeof(svc.name), "%s", j->at.tap);
	snprintf(svc.netns, sizeof(svc.netns), "%s", j->at.netns);
	if (!rc)
		rc = dhcp_make(&j->at, &j->e);
	if (!rc && j->other_mac)
		rc = pfs_svc_del(j->agent->opts.run_dir, j->pf, j->at.tap, &j->e);
	if (!rc && (!j->service_port || j->other_mac))
		rc = pfs_svc_add(j->agent->opts.run_dir, &svc, &j->e);
	if (!rc && !as_it_was)
		rc = dhcp_address(want, &j->e);
	snprintf(path, sizeof(path), "%s/swd", j->at.dir);
	snprintf(daemon, sizeof(daemon), "%d", j->daemon);
	return rc ? rc : file_replace(path, daemon, strlen(daemon), 0644, &j->e);
}

static int net_remove(struct net_job *j)
{
	int rc = dhcp_stop(&j->at, &j->e);

	if (!rc && j->service_port)
		rc = pfs_svc_del(j->agent->opts.run_dir, j->pf, j->at.tap, &j->e);
	if (!rc)
		dhcp_remove(&j->at);
	return rc;
}

static void net_run(void *arg)
{
	struct net_job *j = arg;

	switch (j->step) {
	case NET_STEP_ADD:
		j->rc = net_add(j);
		break;
	case NET_STEP_START:
		j->rc = dhcp_address(&j->want, &j->e);
		if (!j->rc)
			j->rc = dhcp_start(&j->at, j->conf, j->hosts, &j->e);
		break;
	case NET_STEP_UPDATE:
		j->rc = dhcp_update(&j->at, j->hosts, &j->e);
		break;
	case NET_STEP_REMOVE:
		j->rc = net_remove(j);
		break;
	case NET_STEP_NONE:
		break;
	}
}

static void net_job_free(struct net_job *j)
{
	want_doc_put(&j->want.doc);
	free(j->conf);
	free(j->hosts);
	free(j);
}

static void net_done(void *arg)
{
	struct net_job *j = arg;
	struct net *n = entity_net(j->agent, j->net);

	if (n) {
		n->busy = false;
		n->stamp = ++j->agent->clock;
		n->have.known = false;
		n->have.files = !access(n->at.dir, F_OK);
		retry_later(&n->retry, "DHCP of a network cannot be set up", n->id,
			    j->rc ? &j->e : NULL);
		if (!j->rc && j->step == NET_STEP_ADD)
			n->addressed = j->daemon;
		agent_observe(j->agent);
	}
	net_job_free(j);
}

/**
 * step_net() - Run a step on a network's DHCP
 * @a:    agent
 * @n:    network; not busy
 * @step: from plan_net()
 */
void step_net(struct agent *a, struct net *n, enum net_step step)
{
	const struct pfs_pf *pf = pfs_find(a->view, n->pf);
	const struct svc_config *svc = pfs_svc(pf, n->at.tap);
	struct net_job *j = calloc(1, sizeof(*j));

	if (!j)
		return;
	j->agent = a;
	j->step = step;
	j->at = n->at;
	j->service_port = n->have.service_port;
	j->other_mac = svc && !mac_equal(&svc->mac, &n->want.dhcp_mac);
	j->daemon = pf ? pf->daemon : 0;
	snprintf(j->net, sizeof(j->net), "%s", n->id);
	snprintf(j->pf, sizeof(j->pf), "%s", n->pf);
	if (n->want.doc)
		want_net_parse(n->want.doc, &j->want, NULL);
	j->conf = n->conf ? strdup(n->conf) : NULL;
	j->hosts = n->hosts ? strdup(n->hosts) : NULL;
	if ((step != NET_STEP_REMOVE && (!j->want.doc || !j->conf || !j->hosts)) ||
	    work_push(n->steps, net_run, net_done, j))
		net_job_free(j);
	else
		n->busy = true;
}
