/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open taps that the service manager kept over the parent's own restart: as somebody has them open,
 * their users see no loss of carrier. Until the child asks for one it is nobody's. It is found by
 * what the kernel says it is, never by its name in the store, which is a number to remove it by.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sw/parent/netns.h"
#include "sw/parent/parent_wire.h"

#define PREFIX "tap-"

static void stored_add(struct parent_store *s, struct stored *t)
{
	struct netdev_state state;
	struct stored *more;
	char name[IFNAMSIZ];
	unsigned int n;

	if (sscanf(t->name, PREFIX "%u", &n) == 1)
		s->last_name = MAX(s->last_name, n);
	more = netdev_tap_is(t->fd) ? realloc(s->stored, (s->n_stored + 1) * sizeof(*more)) : NULL;
	if (!more) {
		fdstore_remove(t->name);
		close(t->fd);
		return;
	}
	netdev_tap_state(t->fd, &state);
	t->ifindex = state.ifindex;
	t->netns = netdev_tap_where(t->fd, name);
	s->stored = more;
	more[s->n_stored++] = *t;
}

/**
 * parent_stored_load() - Take the taps that were kept for us
 * @s: the parent's store, empty
 *
 * Context: the parent, once.
 */
void parent_stored_load(struct parent_store *s)
{
	struct stored t;

	while ((t.fd = fdstore_next(PREFIX, t.name)) >= 0)
		stored_add(s, &t);
}

/**
 * parent_stored_take() - A tap that was kept, instead of opening it anew
 * @s:       the parent's store
 * @netns:   word of the namespace that it is in
 * @ifindex: its index there
 * @name:    gets its name in the service manager's store
 *
 * Return: the descriptor, the caller's; -1: it was not kept. Context: the parent.
 */
int parent_stored_take(struct parent_store *s, const char *netns, unsigned int ifindex,
		       char name[FDSTORE_NAME_LEN + 1])
{
	uint64_t id = s->n_stored ? netns_id(netns) : 0;

	for (unsigned int i = 0; id && i < s->n_stored; i++) {
		struct stored *t = &s->stored[i];
		int fd = t->fd;

		if (t->netns != id || t->ifindex != ifindex)
			continue;
		strcpy(name, t->name);
		*t = s->stored[--s->n_stored];
		return fd;
	}
	return -1;
}

/**
 * parent_stored_put() - Have a tap kept over our restarts
 * @s:    the parent's store
 * @fd:   open tap; stays the caller's
 * @name: gets its name in the service manager's store
 *
 * Context: the parent.
 */
void parent_stored_put(struct parent_store *s, int fd, char name[FDSTORE_NAME_LEN + 1])
{
	snprintf(name, FDSTORE_NAME_LEN + 1, PREFIX "%u", ++s->last_name);
	fdstore_put(name, fd);
}

/**
 * parent_stored_drop() - Close those that nobody asked for
 * @s:      the parent's store
 * @remove: they are to be kept no longer; else they stay for the next parent
 *
 * Context: the parent, or its child after the fork.
 */
void parent_stored_drop(struct parent_store *s, bool remove)
{
	while (s->n_stored) {
		const struct stored *t = &s->stored[--s->n_stored];

		if (remove)
			fdstore_remove(t->name);
		close(t->fd);
	}
	free(take(s->stored));
}
