/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The taps the parent keeps. One that it made has an index of its own choice, which the kernel
 * leaves it over every rename and move; RUN_DIR/taps says which index each has, so that the next
 * parent knows it wherever its user has put it. That file goes at a boot, as taps do.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "sw/parent/netns.h"
#include "sw/parent/parent_rules.h"
#include "sw/parent/parent_wire.h"

#define INDEX_FIRST (1U << 28) /* ours are random from here on; the kernel's own begin with 1 */
#define IDS_MAX	    (1U << 20) /* bytes of the file */

static bool is_same(const struct tap_place *a, const struct tap_place *b)
{
	return !strcmp(a->name, b->name) && !strcmp(a->netns, b->netns);
}

static struct tap_place place_of(const char *name, const char *netns)
{
	struct tap_place at = { 0 };

	snprintf(at.name, sizeof(at.name), "%s", name);
	snprintf(at.netns, sizeof(at.netns), "%s", netns);
	return at;
}

/* ---- by what they are known ---- */

static struct tap_id *id_find(struct parent_store *s, const struct tap_place *asked)
{
	for (unsigned int i = 0; i < s->n_ids; i++)
		if (is_same(&s->ids[i].asked, asked))
			return &s->ids[i];
	return NULL;
}

static bool id_is_taken(const struct parent_store *s, unsigned int ifindex)
{
	for (unsigned int i = 0; i < s->n_ids; i++)
		if (s->ids[i].ifindex == ifindex)
			return true;
	return false;
}

static int id_add(struct parent_store *s, const struct tap_place *asked, unsigned int ifindex)
{
	struct tap_id *more = realloc(s->ids, (s->n_ids + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	s->ids = more;
	more[s->n_ids++] = (struct tap_id){ *asked, ifindex, true };
	s->ids_changed = true;
	return 0;
}

static void id_drop(struct parent_store *s, struct tap_id *id)
{
	if (!id)
		return;
	*id = s->ids[--s->n_ids];
	s->ids_changed = true;
}

/* No other's: an index has to be free wherever the user may move the tap. */
static unsigned int id_new(const struct parent_store *s)
{
	unsigned int r = 0;

	do
		if (getrandom(&r, sizeof(r), 0) != sizeof(r))
			abort();
	while (id_is_taken(s, r = INDEX_FIRST | r % INDEX_FIRST));
	return r;
}

static void ids_path(const struct parent_store *s, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/taps", s->opts->child.run_dir);
}

/**
 * parent_taps_load() - Read by what the taps of former lives are known
 * @s: the parent's store, empty
 *
 * Context: the parent, once.
 */
void parent_taps_load(struct parent_store *s)
{
	auto_free char *text = NULL;
	char path[PATH_MAX], name[IFNAMSIZ], netns[VF_NAME_LEN + 1];
	struct err e = { 0 };
	unsigned int ifindex;
	size_t size;
	int rc;

	ids_path(s, path);
	rc = file_read(path, IDS_MAX, &text, &size, &e);
	if (rc && rc != -ENOENT)
		log_warn("taps of before are known by their names alone", "%s", e.msg);
	for (char *line = rc ? NULL : text, *end; line && (end = strchr(line, '\n'));
	     line = end + 1) {
		*end = *netns = '\0';
		if (sscanf(line, "%u %15s %64[^\n]", &ifindex, name, netns) >= 2 &&
		    ifindex >= INDEX_FIRST) {
			const struct tap_place asked = place_of(name, netns);

			id_add(s, &asked, ifindex);
		}
	}
	s->ids_changed = false;
}

/**
 * parent_taps_save() - Write by what taps are known, if that changed
 * @s: the parent's store
 *
 * Before the child has its answer: who is killed earlier leaves a tap with the name asked for.
 *
 * Context: the parent.
 */
void parent_taps_save(struct parent_store *s)
{
	char path[PATH_MAX], line[32 + IFNAMSIZ + VF_NAME_LEN];
	struct buf text = { 0 };
	struct err e = { 0 };
	int rc = 0;

	if (!s->ids_changed)
		return;
	s->ids_changed = false;
	ids_path(s, path);
	for (unsigned int i = 0; i < s->n_ids && !rc; i++) {
		int n = snprintf(line, sizeof(line), "%u %s %s\n", s->ids[i].ifindex,
				 s->ids[i].asked.name, s->ids[i].asked.netns);

		rc = buf_add(&text, line, (size_t)n, IDS_MAX);
	}
	if (!s->n_ids)
		rc = unlink(path) && errno != ENOENT ? err_errno(&e, "%s", path) : 0;
	else
		rc = rc ?: file_replace(path, text.data, text.len, 0600, &e);
	if (rc)
		log_warn("taps will be known by their names alone", "%s", e.msg);
	buf_fini(&text);
}

/* ---- those that are open ---- */

static struct kept *kept_find(struct parent_store *s, const struct request *q)
{
	const struct tap_place asked = place_of(q->name, q->netns);

	for (unsigned int i = 0; i < s->n_kept; i++)
		if (is_same(&s->kept[i].asked, &asked))
			return &s->kept[i];
	return NULL;
}

/* What the parent did not make it does not remove: it lets go of it. */
static void kept_drop(struct parent_store *s, struct kept *t, bool remove)
{
	if (remove && t->ours) {
		netdev_tap_remove(t->fd);
		id_drop(s, id_find(s, &t->asked));
	}
	if (remove)
		fdstore_remove(t->stored);
	close(t->fd);
	*t = s->kept[--s->n_kept];
}

/* Where it is by now. False: it is gone, or in a namespace that nobody can enter any more. */
static bool kept_look(struct kept *t, struct tap_place *out)
{
	uint64_t now = netdev_tap_where(t->fd, out->name);

	if (now && netns_id(t->netns) != now && !netns_find(now, t->netns)) {
		strcpy(t->netns, "?");
		now = now == t->pinned ? 0 : now;
	}
	memcpy(out->netns, t->netns, sizeof(out->netns));
	return now;
}

/* @stored: its name in the service manager's store; "": it is not there yet. */
static int kept_add(struct parent_store *s, const struct request *q,
		    const struct parent_facts *facts, int fd, const char *stored)
{
	struct kept *more = realloc(s->kept, (s->n_kept + 1) * sizeof(*more));
	struct kept t = { .asked = place_of(q->name, q->netns),
			  .fd = fd,
			  .ours = facts->origin != TAP_LENT,
			  .claimed = true };
	char name[IFNAMSIZ];

	if (!more)
		return -ENOMEM;
	s->kept = more;
	memcpy(t.netns, facts->at.netns, sizeof(t.netns));
	t.pinned = netdev_tap_where(fd, name);
	strcpy(t.stored, stored);
	if (!*stored)
		parent_stored_put(s, fd, t.stored);
	more[s->n_kept++] = t;
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
	for (unsigned int i = 0; i < s->n_ids; i++)
		s->ids[i].claimed = false;
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
	parent_stored_drop(s, remove);
	if (remove)
		return;
	free(take(s->ids));
	s->n_ids = 0;
}

/* ---- what the child asks for ---- */

struct search {
	const struct parent_rules *rules;
	unsigned int ifindex;
	struct tap_place *at;
};

static bool is_ours(void *arg, int fd, const char *word)
{
	struct search *s = arg;
	struct tap_look look;
	char name[IFNAMSIZ];

	netdev_tap_find(word, s->ifindex, name, &look);
	if (parent_tap_origin(s->rules, name, &look) != TAP_OURS)
		return false;
	*s->at = place_of(name, word);
	return true;
}

/* By index: first where it was asked for. One that is nowhere is gone for good. */
static bool ours_find(struct parent_store *s, struct parent_facts *f)
{
	struct tap_id *id = id_find(s, &f->at);
	struct search search = { s->opts->rules, id ? id->ifindex : 0, &f->at };
	struct tap_place asked = f->at;

	if (!id)
		return false;
	id->claimed = true;
	if (!is_ours(&search, -1, asked.netns) && !netns_any(is_ours, &search)) {
		id_drop(s, id);
		return false;
	}
	if (!is_same(&asked, &f->at))
		log_info("a tap is where its user has put it",
			 "tap=%s netns=%s now=%s now_netns=%s", asked.name, asked.netns, f->at.name,
			 f->at.netns);
	f->ifindex = id->ifindex;
	f->origin = TAP_OURS;
	return true;
}

/*
 * Opens a tap that is there, or takes it as our last life had it open. One that cannot be as it is
 * wanted is let go of.
 */
static int there_open(struct parent_store *s, const struct tap_want *want, unsigned int ifindex,
		      int *fd, char stored[FDSTORE_NAME_LEN + 1], struct err *e)
{
	auto_close int tap = parent_stored_take(s, want->netns, ifindex, stored);
	int rc;

	if (tap < 0)
		return netdev_tap_open(want, NULL, fd, e);
	rc = netdev_tap_apply(tap, want, false, e);
	if (rc)
		fdstore_remove(stored);
	else
		*fd = take_fd(tap);
	return rc;
}

/* One of a former life that nobody wants any more. */
static void orphan_remove(struct parent_store *s, const struct tap_id *id)
{
	struct parent_facts f = { .at = id->asked };
	struct tap_want at = { .mtu = 0 };
	char stored[FDSTORE_NAME_LEN + 1] = "";
	auto_close int fd = -1;

	if (!ours_find(s, &f))
		return;
	memcpy(at.name, f.at.name, sizeof(at.name));
	memcpy(at.netns, f.at.netns, sizeof(at.netns));
	if (there_open(s, &at, f.ifindex, &fd, stored, NULL))
		return; /* another program has it */
	netdev_tap_remove(fd);
	fdstore_remove(stored);
	id_drop(s, id_find(s, &id->asked));
}

/**
 * parent_taps_sweep() - The child has claimed what it wants: other taps go
 * @s: the parent's store
 *
 * Context: the parent.
 */
void parent_taps_sweep(struct parent_store *s)
{
	for (unsigned int i = s->n_kept; i-- > 0;)
		if (!s->kept[i].claimed)
			kept_drop(s, &s->kept[i], true);
	for (unsigned int i = s->n_ids; i-- > 0;)
		if (!s->ids[i].claimed)
			orphan_remove(s, &s->ids[i]);
	parent_stored_drop(s, true);
}

/**
 * parent_tap_facts() - What is there when a tap is asked for
 * @s:   the parent's store
 * @q:   VERB_TAP_OPEN
 * @out: gets origin, place and index
 * @e:   says why it cannot be told
 *
 * One that is kept needs no look; but it may be gone, alone or with its namespace, and then another
 * may have its name. One that we made in another life is looked for by its index, and nothing that
 * only has its name is taken for it; nor is another VF's tap that came to have this one's name.
 *
 * Return: 0, -EEXIST: it is that other one, or as netdev_tap_look().
 * Context: the parent.
 */
int parent_tap_facts(struct parent_store *s, const struct request *q, struct parent_facts *out,
		     struct err *e)
{
	struct kept *t = kept_find(s, q);
	struct tap_look look;
	int rc;

	if (t && kept_look(t, &out->at)) {
		out->origin = t->ours ? TAP_OURS : TAP_LENT;
		return 0;
	}
	if (t)
		kept_drop(s, t, true);
	out->at = place_of(q->name, q->netns);
	if (ours_find(s, out))
		return 0;
	rc = netdev_tap_look(q->name, q->netns, &look, e);
	if (rc)
		return rc;
	out->ifindex = look.ifindex;
	out->origin = parent_tap_origin(s->opts->rules, q->name, &look);
	if (out->origin == TAP_OURS && id_is_taken(s, look.ifindex))
		return err_set(e, -EEXIST, "%s is another tap of the switch's, renamed", q->name);
	return 0;
}

static struct tap_want tap_want_of(const struct request *q, const struct tap_place *at)
{
	struct tap_want w = { .mac = q->mac,
			      .mac_at_birth = q->mac_at_birth,
			      .mtu = q->mtu,
			      .up = q->up,
			      .down = q->down,
			      .rest_at_birth = q->rest_at_birth };

	memcpy(w.name, at->name, sizeof(w.name));
	memcpy(w.netns, at->netns, sizeof(w.netns));
	return w;
}

/* A tap that is not open yet; @f says whether it is there. */
static int tap_open(struct parent_store *s, const struct request *q, const struct parent_facts *f,
		    int *fd, struct err *e)
{
	const bool born = f->origin == TAP_ABSENT;
	const struct tap_birth birth = { s->opts->rules->mark, born ? id_new(s) : f->ifindex };
	const struct tap_place asked = place_of(q->name, q->netns);
	const struct tap_want want = tap_want_of(q, &f->at);
	char stored[FDSTORE_NAME_LEN + 1] = "";
	auto_close int tap = -1;
	int rc;

	if (s->n_kept == PARENT_TAPS_MAX)
		return err_set(e, -ENOSPC, "more than %u taps", PARENT_TAPS_MAX);
	rc = born ? netdev_tap_open(&want, &birth, &tap, e)
		  : there_open(s, &want, f->ifindex, &tap, stored, e);
	if (rc)
		return rc;
	if (f->origin != TAP_LENT && birth.ifindex >= INDEX_FIRST && !id_find(s, &asked))
		rc = id_add(s, &asked, birth.ifindex);
	if (rc || kept_add(s, q, f, tap, stored)) {
		if (born)
			netdev_tap_remove(tap);
		fdstore_remove(stored);
		return err_set(e, -ENOMEM, "out of memory");
	}
	*fd = take_fd(tap);
	return 0;
}

/**
 * parent_tap_serve() - Do VERB_TAP_OPEN
 * @s:     the parent's store
 * @q:     the request, judged
 * @facts: of parent_tap_facts()
 * @fd:    gets a descriptor that stays the parent's
 * @e:     says why not
 *
 * Return: 0, -ENOSPC, -ENOMEM, or as netdev_tap_open() and netdev_tap_apply().
 * Context: the parent.
 */
int parent_tap_serve(struct parent_store *s, const struct request *q,
		     const struct parent_facts *facts, int *fd, struct err *e)
{
	struct kept *t = kept_find(s, q);
	const struct tap_want want = tap_want_of(q, &facts->at);
	int rc;

	if (!t)
		return tap_open(s, q, facts, fd, e);
	rc = netdev_tap_apply(t->fd, &want, false, e);
	if (rc)
		return rc;
	t->claimed = true;
	*fd = t->fd;
	return 0;
}

/**
 * parent_tap_let_go() - Do VERB_TAP_CLOSE
 * @s: the parent's store
 * @q: the request
 * @e: may be NULL
 *
 * Return: 0, or -ENOENT: it is not open; then it is not known any more either.
 * Context: the parent.
 */
int parent_tap_let_go(struct parent_store *s, const struct request *q, struct err *e)
{
	const struct tap_place asked = place_of(q->name, q->netns);
	struct kept *t = kept_find(s, q);

	if (!t) {
		id_drop(s, id_find(s, &asked));
		return err_set(e, -ENOENT, "no tap %s is open", q->name);
	}
	kept_drop(s, t, true);
	return 0;
}

/**
 * parent_tap_tell() - Do VERB_TAP_WHERE
 * @s:   the parent's store
 * @q:   the request
 * @out: gets the place and the state
 * @e:   may be NULL
 *
 * Return: 0, -ENOENT, -ENODEV; see parent_tap_where().
 * Context: the parent.
 */
int parent_tap_tell(struct parent_store *s, const struct request *q, struct reply *out,
		    struct err *e)
{
	struct kept *t = kept_find(s, q);

	if (!t)
		return err_set(e, -ENOENT, "no tap %s is open", q->name);
	if (!kept_look(t, &out->at))
		return err_set(e, -ENODEV, "tap %s is gone", q->name);
	netdev_tap_state(t->fd, &out->state);
	return 0;
}
