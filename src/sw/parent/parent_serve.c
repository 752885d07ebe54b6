/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of the root parent: what is there is looked at, the rules judge, then it is done. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/notify.h"
#include "sw/parent/parent_rules.h"
#include "sw/parent/parent_wire.h"

static struct kept *kept_find(struct parent_store *s, const struct request *q)
{
	for (unsigned int i = 0; i < s->n_kept; i++)
		if (!strcmp(s->kept[i].name, q->name) && !strcmp(s->kept[i].netns, q->netns))
			return &s->kept[i];
	return NULL;
}

/* What the parent did not make it does not remove. */
static void kept_drop(struct parent_store *s, struct kept *t, bool remove)
{
	if (remove && t->ours)
		netdev_tap_remove(t->fd);
	close(t->fd);
	*t = s->kept[--s->n_kept];
}

static int kept_add(struct parent_store *s, const struct request *q, bool ours, int fd)
{
	struct kept *more = realloc(s->kept, (s->n_kept + 1) * sizeof(*more));
	struct kept *t;

	if (!more)
		return -ENOMEM;
	s->kept = more;
	t = &more[s->n_kept++];
	*t = (struct kept){
		.fd = fd, .ours = ours, .claimed = true, .netns_id = netdev_netns_id(q->netns)
	};
	memcpy(t->name, q->name, sizeof(t->name));
	memcpy(t->netns, q->netns, sizeof(t->netns));
	return 0;
}

/**
 * parent_taps_unclaim() - Begin a new life of the child, which is to claim its taps again
 * @s: the parent's store
 */
void parent_taps_unclaim(struct parent_store *s)
{
	for (unsigned int i = 0; i < s->n_kept; i++)
		s->kept[i].claimed = false;
}

/**
 * parent_taps_drop() - Close all taps
 * @s:      the parent's store
 * @remove: those that are ours go; else they stay for the next parent
 */
void parent_taps_drop(struct parent_store *s, bool remove)
{
	while (s->n_kept)
		kept_drop(s, &s->kept[0], remove);
	free(take(s->kept));
}

static struct tap_want tap_want_of(const struct request *q)
{
	struct tap_want w = {
		.mac = q->mac, .mac_at_birth = q->mac_at_birth, .mtu = q->mtu, .up = q->up
	};

	memcpy(w.name, q->name, sizeof(w.name));
	memcpy(w.netns, q->netns, sizeof(w.netns));
	return w;
}

static int serve_tap_open(struct parent_store *s, const struct request *q, enum tap_origin origin,
			  int *fd, struct err *e)
{
	const struct tap_want want = tap_want_of(q);
	struct kept *t = kept_find(s, q);
	auto_close int tap = -1;
	int rc;

	if (t) {
		rc = netdev_tap_apply(t->fd, &want, false, e);
		if (rc)
			return rc;
		t->claimed = true;
		*fd = t->fd;
		return 0;
	}
	if (s->n_kept == PARENT_TAPS_MAX)
		return err_set(e, -ENOSPC, "more than %u taps", PARENT_TAPS_MAX);
	rc = netdev_tap_open(&want, origin == TAP_ABSENT ? &s->opts->rules->mark : NULL, &tap, e);
	if (rc)
		return rc;
	if (kept_add(s, q, origin != TAP_LENT, tap)) {
		if (origin == TAP_ABSENT)
			netdev_tap_remove(tap);
		return err_set(e, -ENOMEM, "out of memory");
	}
	*fd = take_fd(tap);
	return 0;
}

static int serve_tap_close(struct parent_store *s, const struct request *q, struct err *e)
{
	struct kept *t = kept_find(s, q);

	if (!t)
		return err_set(e, -ENOENT, "no tap %s is open", q->name);
	kept_drop(s, t, true);
	return 0;
}

static void serve_ready(struct parent_store *s)
{
	s->ready = true;
	for (unsigned int i = s->n_kept; i-- > 0;)
		if (!s->kept[i].claimed)
			kept_drop(s, &s->kept[i], true);
}

/*
 * What is there under a tap's name. One that is kept needs no look: but it may be gone, alone or
 * with its namespace, and then another may have its name.
 */
static int tap_origin(struct parent_store *s, const struct request *q, enum tap_origin *out,
		      struct err *e)
{
	struct kept *t = kept_find(s, q);
	struct tap_look look;
	int rc;

	if (t && netdev_tap_alive(t->fd) && t->netns_id == netdev_netns_id(t->netns)) {
		*out = t->ours ? TAP_OURS : TAP_LENT;
		return 0;
	}
	if (t)
		kept_drop(s, t, true);
	rc = netdev_tap_look(q->name, q->netns, &look, e);
	if (!rc)
		*out = parent_tap_origin(s->opts->rules, q->name, &look);
	return rc;
}

static int state_open(const char *path, int *fd, struct err *e)
{
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? err_errno(e, "%s", path) : 0;
}

static int serve_judged(struct parent_store *s, const struct request *q,
			const struct parent_facts *facts, uint64_t *value, int *fd, struct err *e)
{
	const struct parent_opts *o = s->opts;

	switch ((enum parent_verb)q->verb) {
	case VERB_READY:
		serve_ready(s);
		notify("READY=1");
		return 0;
	case VERB_TAP_OPEN:
		return serve_tap_open(s, q, facts->origin, fd, e);
	case VERB_TAP_CLOSE:
		return serve_tap_close(s, q, e);
	case VERB_NETNS_ID:
		*value = netdev_netns_id(q->netns);
		return 0;
	case VERB_PACKET_OPEN:
		return netdev_packet_open(q->name, fd, e);
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
		return state_open(o->state, fd, e);
	case VERB_STATE_NEW:
		return file_new(o->state, 0600, fd, e);
	case VERB_STATE_PUT:
		return file_put(o->state, e);
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
 * @value: gets the number to be answered
 * @fd:    gets the descriptor to be sent along, which is then to be closed unless it is a tap's
 * @e:     says why not
 *
 * Return: 0, as parent_judge(), or as the function that did it.
 * Context: the parent.
 */
int parent_serve(struct parent_store *s, const struct request *q, uint64_t *value, int *fd,
		 struct err *e)
{
	struct parent_facts facts = { .origin = TAP_ABSENT };
	/* First without facts: what is malformed is not looked up either. */
	int rc = parent_judge(s->opts->rules, q, &facts, e);

	if (!rc && q->verb == VERB_TAP_OPEN)
		rc = tap_origin(s, q, &facts.origin, e);
	if (!rc && q->verb == VERB_PACKET_OPEN)
		facts.default_route = netdev_has_default_route(q->name);
	rc = rc ?: parent_judge(s->opts->rules, q, &facts, e);
	return rc ? rc : serve_judged(s, q, &facts, value, fd, e);
}
