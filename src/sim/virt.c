/* SPDX-License-Identifier: Apache-2.0 */
/* The libvirt of a simulated host: agent/host/virt.h, as far as its agent asks. */
#include "agent/host/virt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sim/host.h"

#define QEMU_VERSION 7002022UL

struct virt {
	struct sim_host *host;
	struct virt_events events;
	void *arg;
};

static void on_connected(void *arg)
{
	const struct virt *v = arg;

	v->events.connected(v->arg, true);
}

/**
 * virt_open() - Be connected
 * @loop:   where events arrive
 * @uri:    sim_host.name
 * @events: what to call; copied
 * @arg:    for @events
 * @out:    gets the handle; it lives until the process ends
 * @e:      error text, may be NULL
 *
 * Return: 0 or -ENOMEM.
 */
int virt_open(struct loop *loop, const char *uri, const struct virt_events *events, void *arg,
	      struct virt **out, struct err *e)
{
	struct virt *v = calloc(1, sizeof(*v));

	if (!v)
		return err_set(e, -ENOMEM, "out of memory");
	*v = (struct virt){ container_of(uri, struct sim_host, name[0]), *events, arg };
	*out = v;
	return loop_post(loop, on_connected, v);
}

/**
 * virt_list() - All servers' domains that are there
 * @v:   handle
 * @out: gets an array, the caller's to free
 * @n:   gets its length
 * @e:   error text, may be NULL
 *
 * Return: 0 or -ENOMEM.
 */
int virt_list(struct virt *v, struct virt_domain **out, unsigned int *n, struct err *e)
{
	struct virt_domain *list = calloc(v->host->n_domains + 1, sizeof(*list));

	if (!list)
		return err_set(e, -ENOMEM, "out of memory");
	*n = 0;
	for (const struct sim_domain *d = v->host->domains; d; d = d->next) {
		strcpy(list[*n].server, d->server);
		list[(*n)++].state = d->state;
	}
	*out = list;
	return 0;
}

/**
 * virt_version() - The hypervisor's version
 * @v:   handle
 * @out: gets major * 1,000,000 + minor * 1,000 + micro
 * @e:   error text, may be NULL
 *
 * Return: 0.
 */
int virt_version(struct virt *v, unsigned long *out, struct err *e)
{
	*out = QEMU_VERSION;
	return 0;
}

/**
 * virt_qmp() - A QMP command: each is done
 * @v:       handle
 * @server:  id
 * @command: taken over
 * @reply:   gets QEMU's answer, the caller's to free
 * @e:       error text, may be NULL
 *
 * Return: 0 or -ENOMEM.
 */
int virt_qmp(struct virt *v, const char *server, json_t *command, char **reply, struct err *e)
{
	json_decref(command);
	*reply = strdup("{\"return\":{}}");
	return *reply ? 0 : err_set(e, -ENOMEM, "out of memory");
}

/**
 * sim_domain_find() - A server's domain
 * @h:      host
 * @server: its id
 *
 * Return: NULL: none.
 */
struct sim_domain *sim_domain_find(struct sim_host *h, const char *server)
{
	struct sim_domain *d = h->domains;

	while (d && strcmp(d->server, server))
		d = d->next;
	return d;
}

/**
 * sim_domain_set() - Have a domain run with these VFs
 * @h:      host
 * @server: whose; one that runs gets and gives VFs
 * @ports:  ids of the ports whose VFs it is to have
 * @n:      how many
 *
 * Return: 1 if it had others, 0, or -ENOMEM.
 */
int sim_domain_set(struct sim_host *h, const char *server, const char (*ports)[UUID_STR_LEN],
		   unsigned int n)
{
	struct sim_domain *d = sim_domain_find(h, server), *fresh = NULL;
	char(*copy)[UUID_STR_LEN];

	if (d && d->n_ports == n && (!n || !memcmp(d->ports, ports, n * sizeof(*ports))))
		return 0;
	copy = calloc(n + 1, sizeof(*copy));
	if (!d)
		d = fresh = calloc(1, sizeof(*d));
	if (!copy || !d) {
		free(copy);
		free(fresh);
		return -ENOMEM;
	}
	if (n)
		memcpy(copy, ports, n * sizeof(*ports));
	free(d->ports);
	d->ports = copy;
	d->n_ports = n;
	if (!fresh)
		return 1;
	snprintf(d->server, sizeof(d->server), "%s", server);
	d->state = DOMAIN_RUNNING;
	d->next = h->domains;
	h->domains = d;
	h->n_domains++;
	return 1;
}

/**
 * sim_domain_end() - Pull a server's plug
 * @h:      host
 * @server: whose; it may be gone
 */
void sim_domain_end(struct sim_host *h, const char *server)
{
	struct sim_domain **at = &h->domains, *d;

	while (*at && strcmp((*at)->server, server))
		at = &(*at)->next;
	d = *at;
	if (!d)
		return;
	*at = d->next;
	h->n_domains--;
	free(d->ports);
	free(d);
}

/**
 * sim_has_port() - Does some domain have the port's VF?
 * @h:    host
 * @port: its id
 */
bool sim_has_port(const struct sim_host *h, const char *port)
{
	for (const struct sim_domain *d = h->domains; d; d = d->next)
		for (unsigned int i = 0; i < d->n_ports; i++)
			if (!strcmp(d->ports[i], port))
				return true;
	return false;
}
