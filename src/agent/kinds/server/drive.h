/* SPDX-License-Identifier: Apache-2.0 */
/* The config drive of a server (OpenStack's `config-2` ISO): its files, and the making of it. */
#ifndef ANYVF_AGENT_KINDS_SERVER_DRIVE_H
#define ANYVF_AGENT_KINDS_SERVER_DRIVE_H

#include "agent/core/want.h"

json_t *drive_meta_data(const struct want_server *s);
json_t *drive_network_data(const struct want_port *const *ports, unsigned int n_ports,
			   const struct want_net *const *nets);
int drive_user_data(const char *base64, char **out, size_t *size, struct err *e);
int drive_make(const struct want_server *s, const struct want_port *const *ports,
	       unsigned int n_ports, const struct want_net *const *nets, const char *dir,
	       const char *iso, struct err *e);

#endif
