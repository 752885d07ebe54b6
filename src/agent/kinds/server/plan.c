/* SPDX-License-Identifier: Apache-2.0 */
/* From what is wanted and there to the next step, and to the word reported up. Pure. */
#include "agent/kinds/server/server.h"

#include <errno.h>

#define STARTS_MAX  3 /* of a domain that libvirt does not bring up, for one document */
#define UNPLUGS_MAX 4 /* of a guest that keeps a VF, until that is said */

/* Another disk is to be its first: it ends as if it were to be off, and starts anew. */
static bool is_other(const struct want_server *want, const struct server_have *have)
{
	return want->rescue != have->rescue || want->disk != have->disk;
}

/* It was started, ended by itself, and the API has not asked for it again since. */
static bool stays_halted(const struct want_server *want, const struct server_have *have)
{
	return have->halted && want->generation <= have->halted_generation &&
	       want->reboot <= have->reboot && !is_other(want, have);
}

static bool stays_failed(const struct want_server *want, const struct server_have *have)
{
	return have->failed && want->generation <= have->failed_generation;
}

static enum server_step pause_step(const struct want_server *want, const struct server_have *have)
{
	if (want->power == WANT_PAUSED && have->domain == DOMAIN_RUNNING)
		return SERVER_STEP_PAUSE;
	if (want->power == WANT_ON && have->domain == DOMAIN_PAUSED)
		return SERVER_STEP_UNPAUSE;
	return SERVER_STEP_NONE;
}

/* What runs gets and gives VFs while it does. A guest that is paused would let none go. */
static enum server_step plan_nics(const struct server_have *have)
{
	if (!have->nics_known && have->domain != DOMAIN_HELD)
		return SERVER_STEP_LOOK;
	if (have->domain != DOMAIN_RUNNING)
		return SERVER_STEP_NONE;
	if (have->missing)
		return SERVER_STEP_PLUG;
	return have->surplus ? SERVER_STEP_UNPLUG : SERVER_STEP_NONE;
}

/* Of a domain that is there. */
static enum server_step plan_present(const struct want_server *want, const struct server_have *have)
{
	enum server_step step;

	if (want->power == WANT_OFF || is_other(want, have))
		return SERVER_STEP_STOP;
	if (want->reboot > have->reboot)
		return SERVER_STEP_REBOOT;
	if (have->saved && have->domain == DOMAIN_RUNNING && want->power != WANT_SUSPENDED)
		return SERVER_STEP_FORGET;
	step = pause_step(want, have) ?: plan_nics(have);
	if (step || want->power != WANT_SUSPENDED || have->domain != DOMAIN_RUNNING ||
	    stays_failed(want, have))
		return step;
	return SERVER_STEP_SUSPEND;
}

/* Of one that is not. */
static enum server_step plan_absent(const struct want_server *want, const struct server_have *have)
{
	if (want->power == WANT_SUSPENDED)
		return SERVER_STEP_NONE;
	if (have->saved &&
	    (want->power == WANT_OFF || want->reboot > have->reboot || is_other(want, have)))
		return SERVER_STEP_FORGET;
	if (want->power == WANT_OFF && want->disk != have->disk && !stays_failed(want, have))
		return SERVER_STEP_RESIZE;
	if (want->power == WANT_OFF || stays_halted(want, have) || stays_failed(want, have) ||
	    !have->ports_ready)
		return SERVER_STEP_NONE;
	return have->saved ? SERVER_STEP_RESUME : SERVER_STEP_START;
}

/**
 * plan_server() - The next step for a server's domain
 * @want: document
 * @have: observed state
 *
 * A domain that is absent although wanted is started, unless it ended by itself or its start
 * failed, and the document is still the one of then: a host's reboot brings its servers back, a
 * shutdown from inside the guest does not. One that is to be suspended is not started for that.
 */
enum server_step plan_server(const struct want_server *want, const struct server_have *have)
{
	bool there = have->domain != DOMAIN_ABSENT;

	if (!have->known)
		return SERVER_STEP_NONE;
	if (want->deleted)
		return there || have->files ? SERVER_STEP_DELETE : SERVER_STEP_NONE;
	if (want->rebuild > have->rebuild)
		return SERVER_STEP_REBUILD;
	if (want->disk == have->disk && want->before != have->spare)
		return SERVER_STEP_SWEEP;
	if (have->littered)
		return SERVER_STEP_TIDY;
	if (have->copy_due && have->domain != DOMAIN_HELD)
		return SERVER_STEP_COPY;
	return there ? plan_present(want, have) : plan_absent(want, have);
}

/**
 * plan_waits() - Does a server wait for its ports, and nothing else, to be started?
 * @want: document
 * @have: observed state
 */
bool plan_waits(const struct want_server *want, const struct server_have *have)
{
	return have->known && !want->deleted && have->domain == DOMAIN_ABSENT &&
	       (want->power == WANT_ON || want->power == WANT_PAUSED) && !have->ports_ready &&
	       !stays_halted(want, have) && !stays_failed(want, have);
}

/**
 * plan_server_status() - The word to report for a server
 * @want: document
 * @have: observed state
 *
 * Return: a status of docs/agent-api.md; NULL while there is nothing to say.
 */
const char *plan_server_status(const struct want_server *want, const struct server_have *have)
{
	bool there = have->domain != DOMAIN_ABSENT;

	if (!have->known)
		return NULL;
	if (want->deleted)
		return there || have->files ? NULL : "DELETED";
	if (want->power == WANT_OFF && !there && want->disk != have->disk &&
	    stays_failed(want, have))
		return "ERROR";
	if (want->power == WANT_OFF)
		return there ? NULL : "SHUTOFF";
	if (have->rebooting)
		return "REBOOT";
	if (want->power == WANT_SUSPENDED && !there)
		return have->saved ? "SUSPENDED" : "SHUTOFF";
	if (!there && stays_failed(want, have))
		return "ERROR";
	if (!there && stays_halted(want, have))
		return "SHUTOFF";
	if (want->power == WANT_PAUSED && have->domain == DOMAIN_PAUSED)
		return "PAUSED";
	return there && have->was_active && !pause_step(want, have) ? "ACTIVE" : "BUILD";
}

/**
 * plan_unplug_failed() - Has the guest kept VFs for so long that it is to be said?
 * @want: document
 * @have: observed state
 *
 * It goes on being asked for them.
 */
bool plan_unplug_failed(const struct want_server *want, const struct server_have *have)
{
	return have->unplugs >= UNPLUGS_MAX && have->unplugs_generation == want->generation;
}

/**
 * plan_passes() - Is it nobody's fault, and to be tried until it succeeds?
 * @rc: why something failed
 */
bool plan_passes(int rc)
{
	switch (rc) {
	case -ENOTCONN:
	case -ETIMEDOUT:
	case -ECONNREFUSED:
	case -ECANCELED:
	case -EAGAIN:
	case -ENOMEM:
		return true;
	default:
		return false;
	}
}

/**
 * plan_start_again() - Is a server whose start failed to be started again, by itself?
 * @rc:     why it failed
 * @begun:  libvirt was asked to start the domain
 * @starts: how often libvirt did not bring it up since the document changed, this time included
 *
 * What passes by itself is tried until it did. A domain that does not come up may have been killed,
 * so it gets two more tries; all else is the server's own fault, and ends in ERROR.
 */
bool plan_start_again(int rc, bool begun, unsigned int starts)
{
	return plan_passes(rc) || (begun && starts < STARTS_MAX);
}

/**
 * plan_power_state() - Nova's number for the domain's state
 * @have: observed state
 *
 * Return: 0 no state, 1 running, 3 paused, 4 shut down (nova/objects/fields.py InstancePowerState).
 */
int plan_power_state(const struct server_have *have)
{
	switch (have->domain) {
	case DOMAIN_RUNNING:
		return 1;
	case DOMAIN_PAUSED:
	case DOMAIN_HELD:
		return 3;
	case DOMAIN_ABSENT:
		break;
	}
	return have->files ? 4 : 0;
}
