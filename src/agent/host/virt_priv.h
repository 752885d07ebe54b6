/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that speak with libvirt share. */
#ifndef ANYVF_AGENT_HOST_VIRT_PRIV_H
#define ANYVF_AGENT_HOST_VIRT_PRIV_H

#include <libvirt/libvirt.h>

#include "agent/host/virt.h"

virConnectPtr virt_conn_own(struct virt *v, struct err *e);
const char *virt_cause(const char *text);
int virt_error(struct err *e, const char *what);
int virt_domain_get(struct virt *v, const char *server, virConnectPtr *conn, virDomainPtr *dom,
		    struct err *e);
void virt_domain_put(virConnectPtr conn, virDomainPtr dom);
enum domain_state virt_state_of(virDomainPtr dom);

#endif
