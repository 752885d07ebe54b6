/* SPDX-License-Identifier: Apache-2.0 */
#include "web/desk.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/spawn.h"
#include "model/pf_ops.h"
#include "web/change.h"
#include "web/look.h"

#define WAITING_MAX 64	  /* the next one replaces who waits longest */
#define WAIT_MS	    20000 /* then nothing new is an answer, and who has gone is noticed */
#define LOOK_MS	    1000u /* between two looks, at least */
#define LOOK_MAX_MS 5000u
#define LOOK_COST   200u  /* and so many times the CPU one took: the switch has other work */
#define RUN_MS	    60000 /* of a command */

struct waiting {
	void *who;
	uint64_t after, until_ms;
};

struct desk {
	struct desk_opts opts;
	struct loop_timer *timer;
	struct look *look;
	struct feed *feed;
	uint64_t next_ms; /* when to look again */
	struct waiting waiting[WAITING_MAX];
	unsigned int n_waiting;
};

static void words(const struct desk *d, void *who, unsigned int status, const char *text)
{
	d->opts.reply(d->opts.arg, who, status, strdup(text));
}

/* Takes @j. */
static void json(const struct desk *d, void *who, json_t *j)
{
	d->opts.reply(d->opts.arg, who, 200, j ? json_dumps(j, JSON_COMPACT) : NULL);
	json_decref(j);
}

static void tell(const struct desk *d, void *who, uint64_t after)
{
	d->opts.reply(d->opts.arg, who, 200, feed_text(d->feed, after));
}

/* Those for whom there is news, and those who waited long enough. */
static void deliver(struct desk *d)
{
	uint64_t now = loop_now_ms();
	unsigned int kept = 0;

	for (unsigned int i = 0; i < d->n_waiting; i++) {
		struct waiting one = d->waiting[i];

		if (feed_revision(d->feed) > one.after || now >= one.until_ms)
			tell(d, one.who, one.after);
		else
			d->waiting[kept++] = one;
	}
	d->n_waiting = kept;
}

/* The next look; while nobody waits there is none. */
static void plan_look(struct desk *d)
{
	uint64_t now = loop_now_ms();

	loop_timer_set(d->timer,
		       !d->n_waiting	  ? UINT64_MAX
		       : d->next_ms > now ? d->next_ms - now
					  : 0,
		       0);
}

/* What a look costs the switch is about what it costs us. */
static void look(struct desk *d)
{
	clock_t began = clock();
	uint64_t rest_ms;

	look_at_all(d->look, d->feed);
	rest_ms = (uint64_t)(clock() - began) * LOOK_COST * 1000 / CLOCKS_PER_SEC;
	d->next_ms = loop_now_ms() + MIN(MAX(rest_ms, (uint64_t)LOOK_MS), (uint64_t)LOOK_MAX_MS);
	deliver(d);
	plan_look(d);
}

static void on_timer(void *arg)
{
	look(arg);
}

static void wait_for_news(struct desk *d, void *who, uint64_t after)
{
	if (d->n_waiting == WAITING_MAX) {
		tell(d, d->waiting[0].who, d->waiting[0].after);
		memmove(d->waiting, d->waiting + 1, --d->n_waiting * sizeof(*d->waiting));
	}
	d->waiting[d->n_waiting++] = (struct waiting){ who, after, loop_now_ms() + WAIT_MS };
	plan_look(d);
}

static void ask_state(struct desk *d, const struct args *args, void *who)
{
	uint64_t after = strtoull(args_get(args, "after", 0) ?: "0", NULL, 10);

	if (loop_now_ms() >= d->next_ms)
		look(d);
	if (after && after == feed_revision(d->feed))
		wait_for_news(d, who, after);
	else
		tell(d, who, after);
}

static void ask_drops(struct desk *d, const struct args *args, void *who)
{
	const char *pf = args_get(args, "pf", 0), *vf = args_get(args, "vf", 0);
	struct mirror_config of;
	struct err e = { 0 };
	json_t *got = NULL;

	if (!pf || !vf || field_parse(&mirror_fields[MIRROR_FIELD_FROM_VF], &of, vf, NULL))
		words(d, who, 400, "pf and vf are a VF");
	else if (look_drops(d->look, pf, of.from_vf, &got, &e))
		words(d, who, 404, *e.msg ? e.msg : "there is no such PF");
	else
		json(d, who, got);
}

/* What it refuses is said in its own words. */
static void run(struct desk *d, const struct change *c, void *who)
{
	const char *argv[CHANGE_WORDS_MAX + 2] = { d->opts.program };
	struct err e = { 0 };
	char said[512];
	int rc;

	for (unsigned int i = 0; c->words[i]; i++)
		argv[i + 1] = c->words[i];
	rc = spawn_run(argv, RUN_MS, said, sizeof(said), &e);
	if (rc)
		words(d, who, 422, rc == -EIO && *said ? said : e.msg);
	else
		json(d, who, json_pack("{s:b}", "done", 1));
	d->next_ms = 0; /* who is answered does not wait for the look */
	plan_look(d);
}

/*
 * What was shown is what is done, to what was shown; else it is shown again. What is in the feed
 * may be older than what somebody just did, or nobody looked.
 */
static void ask_change(struct desk *d, const char *body, size_t size, void *who)
{
	auto_of(json_decref) json_t *ask =
		json_loadb(body ?: "", size, JSON_REJECT_DUPLICATES, NULL);
	auto_of(json_decref) json_t *shown = json_incref(json_object_get(ask, "shown")), *now;
	struct change c = { 0 };
	struct err e = { 0 };
	int rc;

	json_object_del(ask, "shown");
	look(d);
	rc = change_plan(ask, d->feed, &c, &e);
	now = rc ? NULL : json_pack("{s:s, s:s}", "line", c.line, "was", c.was);
	if (rc)
		words(d, who, 400, *e.msg ? e.msg : strerror(-rc));
	else if (!shown)
		json(d, who, take(now));
	else if (!json_equal(shown, now))
		words(d, who, 409, "it has changed meanwhile: look at it again");
	else
		run(d, &c, who);
	change_fini(&c);
}

/**
 * desk_ask() - Answer, now or when there is news
 * @d:	  desk
 * @what: DOOR_STATE, DOOR_DROPS or DOOR_CHANGE
 * @args: of the question
 * @body: of a change, or NULL
 * @size: bytes of it
 * @who:  for reply(); those who wait when the desk closes are not answered
 *
 * Context: the loop's thread; blocks for as long as the daemons, or the command of a change, take.
 */
void desk_ask(struct desk *d, enum door_route what, const struct args *args, const char *body,
	      size_t size, void *who)
{
	if (what == DOOR_STATE)
		ask_state(d, args, who);
	else if (what == DOOR_DROPS)
		ask_drops(d, args, who);
	else if (!d->opts.program)
		words(d, who, 403, DOOR_SHOWS);
	else
		ask_change(d, body, size, who);
}

/**
 * desk_open() - Begin to answer
 * @opts: borrowed for its life
 * @out:  ends with desk_close()
 * @e:	  why not
 *
 * Return: 0, -ENOMEM.
 */
int desk_open(const struct desk_opts *opts, struct desk **out, struct err *e)
{
	auto_of(desk_close) struct desk *d = calloc(1, sizeof(*d));

	if (!d)
		return err_set(e, -ENOMEM, "out of memory");
	d->opts = *opts;
	d->look = look_new(opts->run_dir);
	d->feed = feed_new(opts->program);
	d->timer = loop_timer_add(opts->loop, UINT64_MAX, 0, on_timer, d);
	if (!d->look || !d->feed || !d->timer)
		return err_set(e, -ENOMEM, "out of memory");
	*out = take(d);
	return 0;
}

/**
 * desk_close() - Answer no more
 * @d: desk or NULL
 */
void desk_close(struct desk *d)
{
	if (!d)
		return;
	loop_timer_del(d->timer);
	look_free(d->look);
	feed_free(d->feed);
	free(d);
}
