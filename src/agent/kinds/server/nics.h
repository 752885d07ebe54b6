/* SPDX-License-Identifier: Apache-2.0 */
/* The VFs that a running domain has: which, and the plugging and unplugging of them. Calls block. */
#ifndef ANYVF_AGENT_KINDS_SERVER_NICS_H
#define ANYVF_AGENT_KINDS_SERVER_NICS_H

#include "agent/core/have.h"
#include "agent/kinds/server/domxml.h"

bool nics_has(const struct nics *nics, const char *port);
bool nics_within(const struct nics *nics, const struct nics *others);

int nics_list(struct virt *v, const char *server, struct nics *out, struct err *e);
int nics_unplug(struct virt *v, const char *server, const struct nics *kept, unsigned int wait_ms,
		struct err *e);
int nics_plug(struct virt *v, const char *server, const struct domxml_port *port, bool no_msix,
	      struct err *e);

#endif
