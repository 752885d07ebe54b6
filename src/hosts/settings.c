/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator says of a host, /agent_set/HOST: that it takes no new servers (os-services),
 * that it counts as down, what it is called (agents). Its agent's own words are /agent/HOST.
 */
#include "hosts/agents.h"

#include <string.h>

/**
 * host_settings() - What was said of a host
 * @c:    the call
 * @host: its name
 *
 * Return: borrowed: disabled, disabled_reason, forced_down, admin_state_up, description, each only
 * if it was said; NULL if nothing was.
 */
const json_t *host_settings(struct call *c, const char *host)
{
	return call_get(c, "/agent_set/%s", host);
}

/**
 * host_set() - Say more of a host
 * @c:       the call
 * @host:    its name
 * @changes: members as of host_settings()
 *
 * Return: 0 or a negative errno.
 */
int host_set(struct call *c, const char *host, const json_t *changes)
{
	const json_t *old = host_settings(c, host);
	json_t *doc = old ? json_copy((json_t *)old) : json_object();

	json_object_update(doc, (json_t *)changes);
	return call_put(c, doc, "/agent_set/%s", host);
}

/**
 * host_takes_servers() - May placement choose a host by itself?
 * @c:    the call
 * @host: its name
 *
 * Return: false if an operator took it out, or said that it is down.
 */
bool host_takes_servers(struct call *c, const char *host)
{
	const json_t *said = host_settings(c, host);

	return !doc_bool(said, "disabled") && !doc_bool(said, "forced_down");
}

/**
 * host_is_used() - Has a host wishes that it did not end, or a VF that is leased?
 * @c:    the call
 * @host: its name
 */
bool host_is_used(struct call *c, const char *host)
{
	struct cursor wishes = call_list(c, "/host/%s/", host);
	struct cursor vfs = call_list(c, "/vf/%s/", host);

	return cursor_step(&wishes) || cursor_step(&vfs);
}

/**
 * host_forget() - Strike a host that will not come back, with the users made for its agent
 * @c:    the call
 * @host: its name; dead and not used
 *
 * Those are who `anyvf host add` says of that it is the agent's: by their names, others chose them.
 *
 * Return: 0 or a negative errno.
 */
int host_forget(struct call *c, const char *host)
{
	int rc = host_settings(c, host) ? call_delete(c, "/agent_set/%s", host) : 0;

	rc = rc ?: res_delete_users(c, "anyvf_agent_of", host);
	return rc ? rc : call_delete(c, "/agent/%s", host);
}
