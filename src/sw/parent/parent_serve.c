/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of the root parent: what is there is looked at, the rules judge, then it is done. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>

#include "base/file.h"
#include "base/notify.h"
#include "sw/parent/links.h"
#include "sw/parent/netns.h"
#include "sw/parent/parent_rules.h"
#include "sw/parent/parent_wire.h"

static int state_open(const char *path, int flags, int *fd, struct err *e)
{
	*fd = open(path, flags | O_CLOEXEC);
	return *fd < 0 ? err_errno(e, "%s", path) : 0;
}

/**
 * parent_decision() - Decide about a change, beside the state file
 * @state: name of that
 * @id:    of the change
 * @want:  what to decide; NONE: only look
 * @out:   gets enum decision
 * @e:     error text
 *
 * Return: as decision_take(). Context: who may write there.
 */
int parent_decision(const char *state, const char *id, enum decision want, uint64_t *out,
		    struct err *e)
{
	enum decision is = DECISION_NONE;
	char dir[PATH_MAX];
	int rc;

	decision_dir(state, dir);
	rc = decision_take(dir, id, want, &is, e);
	*out = is;
	return rc;
}

static int serve_born(const char *pid, uint64_t *out, struct err *e)
{
	*out = netns_born(pid);
	if (*out || netns_id(pid))
		return 0;
	return err_set(e, -ESRCH, "there is no namespace %s and no process %s", pid, pid);
}

static int serve_judged(struct parent_store *s, const struct request *q,
			const struct parent_facts *facts, struct reply *reply, int *fd,
			struct err *e)
{
	const struct parent_opts *o = s->opts;

	switch ((enum parent_verb)q->verb) {
	case VERB_READY:
		s->ready = true;
		parent_taps_sweep(s);
		notify("READY=1");
		return 0;
	case VERB_TAP_OPEN:
		return parent_tap_serve(s, q, facts, fd, e);
	case VERB_TAP_CLOSE:
		return parent_tap_let_go(s, q, e);
	case VERB_TAP_WHERE:
		return parent_tap_tell(s, q, reply, e);
	case VERB_NETNS_BORN:
		return serve_born(q->netns, &reply->value, e);
	case VERB_PACKET_OPEN:
		return netdev_packet_open(q->name, fd, e);
	case VERB_LINKS_FOLLOW:
		return netdev_follow(fd, e);
	case VERB_GRE_OPEN:
		return netdev_gre_open(q->v6, fd, e);
	case VERB_FILE_OPEN:
		return parent_file_open(o, q->path, fd, e);
	case VERB_SOCKET_LOOK:
		return parent_socket_look(o, q->path, e);
	case VERB_SOCKET_BIND:
		return parent_socket_bind(o, q->path, fd, e);
	case VERB_SOCKET_CONNECT:
		return parent_socket_connect(o, q->path, fd, e);
	case VERB_SOCKET_CLOSE:
		return parent_socket_close(o, q->path, e);
	case VERB_STATE_READ:
		return state_open(o->state, O_RDONLY, fd, e);
	case VERB_STATE_NEW:
		return file_new(o->state, 0600, fd, e);
	case VERB_STATE_PUT:
		return file_put(o->state, e);
	case VERB_STATE_MORE:
		return state_open(o->state, O_WRONLY, fd, e);
	case VERB_DECIDE:
		return parent_decision(o->state, q->name, (enum decision)q->mtu, &reply->value, e);
	case VERB_BEAT:
	case VERB_N:
		break;
	}
	return -EINVAL;
}

/**
 * parent_serve() - Do what the child asks for, if the rules allow it
 * @s:     the parent's store
 * @q:     the request, as it came
 * @reply: gets what is to be answered
 * @fd:    gets the descriptor to be sent along, which is then to be closed unless it is a tap's
 * @e:     says why not
 *
 * Return: 0, as parent_judge(), or as the function that did it.
 * Context: the parent.
 */
int parent_serve(struct parent_store *s, const struct request *q, struct reply *reply, int *fd,
		 struct err *e)
{
	struct parent_facts facts = { .origin = TAP_ABSENT };
	/* First without facts: what is malformed is not looked up either. */
	int rc = parent_judge(s->opts->rules, q, &facts, e);

	if (!rc && q->verb == VERB_TAP_OPEN)
		rc = parent_tap_facts(s, q, &facts, e);
	if (!rc && q->verb == VERB_PACKET_OPEN)
		facts.default_route = links_default_route(if_nametoindex(q->name));
	rc = rc ?: parent_judge(s->opts->rules, q, &facts, e);
	rc = rc ?: serve_judged(s, q, &facts, reply, fd, e);
	parent_taps_save(s);
	return rc;
}
