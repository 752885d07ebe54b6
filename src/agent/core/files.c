/* SPDX-License-Identifier: Apache-2.0 */
/* Paths in the agent's directory. */
#include <stdio.h>

#include "agent/core/state.h"

/**
 * agent_socket_path() - Where a port's VF listens and its domain connects
 * @a:    agent
 * @port: port id
 * @out:  gets the path
 */
void agent_socket_path(const struct agent *a, const char *port, char out[VF_PATH_LEN + 1])
{
	snprintf(out, VF_PATH_LEN + 1, "%s/vhost/%.11s/sock", a->opts.run_dir, port);
}

/**
 * agent_server_dir() - Where a server's files lie
 * @a:      agent
 * @server: id
 * @out:    gets the path
 */
void agent_server_dir(const struct agent *a, const char *server, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/servers/%s", a->dir, server);
}
