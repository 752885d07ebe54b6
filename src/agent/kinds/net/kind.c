/* SPDX-License-Identifier: Apache-2.0 */
/* Networks: a service port with addresses, and dnsmasq on it, while a port here needs it. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/core/state.h"
#include "agent/kinds/net/dhcp.h"
#include "agent/kinds/net/net.h"
#include "base/file.h"

struct net {
	struct net_facts facts;
	struct net_have have;
	struct dhcp_place at;
	char pf[PF_NAME_LEN + 1]; /* where the service port is */
	pid_t addressed;	  /* daemon that made the service port which has its addresses */
	char *conf, *hosts;	  /* what dnsmasq's files should be */
	struct work_queue *steps;
};

static int net_init(struct agent *a, struct entity *x)
{
	struct net *n = (struct net *)x;
	auto_free char *daemon = NULL;
	char path[PATH_MAX];

	n->steps = work_queue_new(a->loop);
	dhcp_place_of(a->opts.run_dir, x->id, &n->at);
	snprintf(path, sizeof(path), "%s/swd", n->at.dir);
	if (!file_read(path, 32, &daemon, NULL, NULL))
		n->addressed = atoi(daemon);
	n->have.files = !access(n->at.dir, F_OK);
	return n->steps ? 0 : -ENOMEM;
}

static void net_fini(struct entity *x)
{
	struct net *n = (struct net *)x;

	want_doc_put(&n->facts.want.doc);
	work_queue_free(n->steps);
	free(n->conf);
	free(n->hosts);
}

static int net_parse(struct agent *a, struct entity *x, json_t *doc, struct err *e)
{
	struct net *n = (struct net *)x;
	json_t *old = n->facts.want.doc;
	int rc = want_net_parse(doc, &n->facts.want, e);

	if (rc)
		return rc;
	json_decref(old);
	snprintf(n->pf, sizeof(n->pf), "%s", n->facts.want.pf);
	return 0;
}

/* DHCP of networks that went while no agent looked: known by their directories. */
static void net_discover(struct agent *a)
{
	char path[PATH_MAX];
	const struct dirent *ent;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/dhcp", a->opts.run_dir);
	dir = opendir(path);
	while (dir && (ent = readdir(dir)))
		if (uuid_valid(ent->d_name) && !entity_find(a, net_kind.name, ent->d_name))
			entity_add(a, &net_kind, ent->d_name);
	if (dir)
		closedir(dir);
}

static void net_observe(struct agent *a, struct entity *x)
{
	struct net *n = (struct net *)x;
	const struct pfs_pf *pf = pfs_find(a->view, n->pf);
	const struct svc_config *svc;

	for (unsigned int i = 0; a->view && !*n->pf && i < a->view->n_pfs; i++)
		if (pfs_svc(&a->view->pfs[i], n->at.tap))
			pf = &a->view->pfs[i];
	if (pf && !*n->pf)
		snprintf(n->pf, sizeof(n->pf), "%s", pf->info.config.name);
	n->have.known = a->view && a->desired_known && (pf || !x->wanted);
	svc = pfs_svc(pf, n->at.tap);
	n->have.service_port = svc;
	n->have.addressed = svc && n->addressed == pf->daemon &&
			    (!x->wanted || mac_equal(&svc->mac, &n->facts.want.dhcp_mac));
}

/* This host's ports of the network, the caller's to free; NULL: out of memory. */
static const struct want_port **ports_of(struct agent *a, const struct net *n,
					 unsigned int *n_ports)
{
	const struct want_port **ports = NULL;
	const struct port_facts *p = NULL;
	unsigned int room = 0;

	while ((p = facts_port_next(a, p)))
		room++;
	ports = calloc(room + 1, sizeof(*ports));
	*n_ports = 0;
	while (ports && n->facts.entity.wanted && (p = facts_port_next(a, p)))
		if (!p->want.released && !strcmp(p->want.network, n->facts.entity.id))
			ports[(*n_ports)++] = &p->want;
	return ports;
}

static int net_plan(struct agent *a, struct entity *x)
{
	struct net *n = (struct net *)x;
	struct want_net *want = &n->facts.want;
	unsigned int n_ports;
	auto_free const struct want_port **ports = ports_of(a, n, &n_ports);

	if (!ports)
		return NET_STEP_NONE;
	n->have.wanted = n_ports && want->dhcp;
	if (n->have.wanted) {
		free(n->conf);
		free(n->hosts);
		n->conf = dhcp_conf(want, &n->at);
		n->hosts = dhcp_hosts(want, ports, n_ports);
		n->have.conf_current = n->conf && !dhcp_differs(&n->at, "conf", n->conf);
		n->have.hosts_current = n->hosts && !dhcp_differs(&n->at, "hosts", n->hosts);
	}
	n->have.running = n->have.files && dhcp_pid(&n->at) > 0;
	return (int)plan_net(&n->have);
}

struct net_job {
	struct step step;
	enum net_step what;
	struct want_net want;
	struct dhcp_place at;
	char pf[PF_NAME_LEN + 1];
	bool service_port;
	bool other_mac; /* ... of an address that is not wished for any more */
	pid_t daemon;
	char *conf, *hosts;
};

/*
 * The service port with its addresses; dnsmasq is started anew on it afterwards. A port that
 * outlived its daemon with its addresses is taken as it is.
 */
static int add(struct net_job *j)
{
	const char *run_dir = j->step.agent->opts.run_dir;
	const struct want_net *want = &j->want;
	struct err *e = &j->step.e;
	struct svc_config svc = { .mac = want->dhcp_mac,
				  .vlan = (uint16_t)want->vlan,
				  .mtu = (uint16_t)want->mtu };
	char path[PATH_MAX], daemon[16];
	bool as_it_was = j->service_port && !j->other_mac && dhcp_has_addresses(want);
	int rc = as_it_was ? 0 : dhcp_stop(&j->at, e);

	snprintf(svc.pf, sizeof(svc.pf), "%s", want->pf);
	snprintf(svc.name, sizeof(svc.name), "%s", j->at.tap);
	snprintf(svc.netns, sizeof(svc.netns), "%s", j->at.netns);
	if (!rc)
		rc = dhcp_make(&j->at, e);
	if (!rc && j->other_mac)
		rc = pfs_svc_del(run_dir, j->pf, j->at.tap, e);
	if (!rc && (!j->service_port || j->other_mac))
		rc = pfs_svc_add(run_dir, &svc, e);
	if (!rc && !as_it_was)
		rc = dhcp_address(want, e);
	snprintf(path, sizeof(path), "%s/swd", j->at.dir);
	snprintf(daemon, sizeof(daemon), "%d", j->daemon);
	return rc ? rc : file_replace(path, daemon, strlen(daemon), 0644, e);
}

static int remove_all(struct net_job *j)
{
	struct err *e = &j->step.e;
	int rc = dhcp_stop(&j->at, e);

	if (!rc && j->service_port)
		rc = pfs_svc_del(j->step.agent->opts.run_dir, j->pf, j->at.tap, e);
	return rc ?: dhcp_remove(&j->at, e);
}

static void net_run(void *arg)
{
	struct net_job *j = arg;
	struct err *e = &j->step.e;

	switch (j->what) {
	case NET_STEP_ADD:
		j->step.rc = add(j);
		break;
	case NET_STEP_START:
		j->step.rc = dhcp_address(&j->want, e) ?: dhcp_start(&j->at, j->conf, j->hosts, e);
		break;
	case NET_STEP_UPDATE:
		j->step.rc = dhcp_update(&j->at, j->hosts, e);
		break;
	case NET_STEP_REMOVE:
		j->step.rc = remove_all(j);
		break;
	case NET_STEP_NONE:
		break;
	}
}

static void job_free(struct net_job *j)
{
	want_doc_put(&j->want.doc);
	free(j->conf);
	free(j->hosts);
	free(j);
}

static void net_done(struct step *s)
{
	struct net_job *j = (struct net_job *)s;
	struct net *n = (struct net *)s->entity;

	n->have.known = false; /* until the next look */
	n->have.files = !access(n->at.dir, F_OK);
	if (!s->rc && j->what == NET_STEP_ADD)
		n->addressed = j->daemon;
	job_free(j);
}

static void net_step(struct agent *a, struct entity *x, int step)
{
	struct net *n = (struct net *)x;
	const struct pfs_pf *pf = pfs_find(a->view, n->pf);
	const struct svc_config *svc = pfs_svc(pf, n->at.tap);
	struct net_job *j = calloc(1, sizeof(*j));

	if (!j)
		return;
	j->step =
		(struct step){ .failure = "DHCP of a network cannot be set up", .done = net_done };
	j->what = (enum net_step)step;
	j->want = WANT_COPY(&n->facts.want);
	j->at = n->at;
	j->service_port = n->have.service_port;
	j->other_mac = svc && !mac_equal(&svc->mac, &n->facts.want.dhcp_mac);
	j->daemon = pf ? pf->daemon : 0;
	snprintf(j->pf, sizeof(j->pf), "%s", n->pf);
	j->conf = n->conf ? strdup(n->conf) : NULL;
	j->hosts = n->hosts ? strdup(n->hosts) : NULL;
	if ((step != NET_STEP_REMOVE && (!j->conf || !j->hosts)) ||
	    step_begin(&j->step, a, x, n->steps, net_run))
		job_free(j);
}

static json_t *net_status(const struct entity *x)
{
	const struct net *n = (const struct net *)x;

	return report_status(plan_net_status(&n->have), retry_why(&x->retry));
}

/* Its document may have gone together with its ports': `wanted` is still that of then. */
static bool net_gone(const struct entity *x)
{
	struct net_have have = ((const struct net *)x)->have;

	have.wanted = false;
	return have.known && plan_net(&have) == NET_STEP_NONE;
}

const struct agent_kind net_kind = {
	.name = "network",
	.words = { "network" },
	.size = sizeof(struct net),
	.side = SIDE_SWITCH,
	.init = net_init,
	.fini = net_fini,
	.parse = net_parse,
	.discover = net_discover,
	.observe = net_observe,
	.plan = net_plan,
	.step = net_step,
	.status = net_status,
	.gone = net_gone,
};
