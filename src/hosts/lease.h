/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VF leases: which VF of which host serves a port. A lease is the key /vf/HOST/PF/N,
 * {"port", "server"}: it lasts until the host's agent says that the VF is back at its
 * defaults, so a VF is never handed on with another tenant's settings.
 */
#ifndef ANYVF_HOSTS_LEASE_H
#define ANYVF_HOSTS_LEASE_H

#include "engine/call.h"
#include "hosts/placement.h"

int lease_take(struct call *c, const char *host, const char *port_id, const char *server,
	       const struct place_port *want, const struct place_vf *vf, struct place_vf *out,
	       struct err *why);
const json_t *lease_get(struct call *c, const char *host, const char *pf, unsigned int vf);
int lease_end(struct call *c, const char *host, const char *port_id, const char *pf,
	      unsigned int vf);

#endif
