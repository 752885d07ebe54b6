/* SPDX-License-Identifier: Apache-2.0 */
/* A server's ports beside the VFs that its domain has, and what a step does to make them alike. */
#include <errno.h>
#include <stdio.h>

#include "agent/kinds/server/nics.h"
#include "agent/kinds/server/server.h"

#define UNPLUG_MS 10000 /* until the guest is taken not to hear; it is asked again later */

/**
 * server_port_ready() - Does a port's VF wait for its domain?
 * @p: port, or NULL
 */
bool server_port_ready(const struct port_facts *p)
{
	return p && !p->entity.busy && p->have.known && p->have.attached && !p->have.changed;
}

/**
 * server_port_missing() - Is a port's VF to be plugged into its running server now?
 * @f: server
 * @p: one of its ports, or NULL
 *
 * Who was connected has to have left: the switch would turn QEMU away, which then (7.2) keeps that
 * connection for as long as it lives.
 */
bool server_port_missing(const struct server_facts *f, const struct port_facts *p)
{
	return server_port_ready(p) && !p->have.connected && !nics_has(&f->have.nics, p->entity.id);
}

/**
 * server_nics_wanted() - The ports a server is to have
 * @want: its document
 * @out:  gets them
 */
void server_nics_wanted(const struct want_server *want, struct nics *out)
{
	out->n = want->power == WANT_SUSPENDED ? 0 : want->n_ports; /* with VFs none is saved */
	for (unsigned int i = 0; i < out->n; i++)
		snprintf(out->ports[i], UUID_STR_LEN, "%s", want->ports[i]);
}

/**
 * server_port_refused() - A port that a server waits for in vain
 * @a:    agent
 * @want: its document
 *
 * Return: the first of its ports on NICs that is refused again and again, whose retry has the
 * words; NULL: none.
 */
const struct port_facts *server_port_refused(struct agent *a, const struct want_server *want)
{
	for (unsigned int i = 0; i < want->n_ports; i++) {
		const struct port_facts *p = facts_port(a, want->ports[i]);

		if (p && !server_port_ready(p) && p->have.refused && *retry_why(&p->entity.retry))
			return p;
	}
	return NULL;
}

/**
 * server_nic() - What a domain has to know of a port
 * @j:      job; the answer points to its texts
 * @i:      which of its ports
 * @socket: gets the path of its VF's socket, to which the answer points
 */
struct domxml_port server_nic(const struct server_job *j, unsigned int i,
			      char socket[VF_PATH_LEN + 1])
{
	const struct want_port *p = &j->ports[i];
	const struct port_plug *plug = &j->plugs[i];

	agent_socket_path(j->step.agent, p->id, socket);
	return (struct domxml_port){ .id = p->id,
				     .mac = p->mac,
				     .mtu = p->mtu ? p->mtu : 1500,
				     .socket = socket,
				     .way = plug->way,
				     .pci_slot = plug->pci_slot,
				     .managed = plug->managed,
				     .netdev = plug->netdev };
}

/* As it is now, whatever became of what was done; what cannot be seen is looked at again. */
static void look_again(struct server_job *j)
{
	j->looked = !nics_list(j->step.agent->virt, j->want.id, &j->nics, NULL);
}

/**
 * server_plug() - Plug the job's ports into its running server
 * @j: job with the ports that are missing
 *
 * Return: as nics_plug(). Context: blocks.
 */
int server_plug(struct server_job *j)
{
	char socket[VF_PATH_LEN + 1];
	int rc = 0;

	for (unsigned int i = 0; !rc && i < j->n_ports; i++) {
		struct domxml_port nic = server_nic(j, i, socket);

		rc = nics_plug(j->step.agent->virt, j->want.id, &nic, j->no_msix, &j->step.e);
	}
	look_again(j);
	return rc;
}

/**
 * server_unplug() - Take from the job's server what is not one of its ports
 * @j: job
 *
 * Return: as nics_unplug(). Context: blocks, for ten seconds where the guest does not hear.
 */
int server_unplug(struct server_job *j)
{
	struct nics wanted;
	int rc;

	server_nics_wanted(&j->want, &wanted);
	rc = nics_unplug(j->step.agent->virt, j->want.id, &wanted, UNPLUG_MS, &j->step.e);
	look_again(j);
	return rc;
}

/**
 * server_look() - Ask QEMU which VFs the job's server has
 * @j: job
 *
 * Return: as nics_list(). Context: blocks.
 */
int server_look(struct server_job *j)
{
	int rc = nics_list(j->step.agent->virt, j->want.id, &j->nics, &j->step.e);

	j->looked = !rc;
	return rc;
}
