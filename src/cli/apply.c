/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host's file made so: each daemon makes its part of it as one change, which waits; when all
 * have, one decision keeps it, for all of them (ctl/apply.h, base/decision.h). Whatever ends this
 * program on the way, the daemons know what to do.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/uuid.h"
#include "cli/hostfile.h"
#include "ctl/apply.h"

#define SPAN_S 60 /* without --confirm, for the daemons to be done in */

/* One run. */
struct apply {
	struct cli *cli;
	const char *path, *expect;
	uint32_t confirm_s; /* 0: it is kept at once */
	bool dry, force;
	char id[DECISION_ID_LEN + 1];
	struct hostfile there;
	json_t *wanted;			 /* owned */
	json_t *parts[HOSTFILE_DAEMONS]; /* of it; owned */
	bool has_part[HOSTFILE_DAEMONS]; /* something of it is other there */
};

static void apply_fini(struct apply *a)
{
	hostfile_fini(&a->there);
	json_decref(a->wanted);
	for (unsigned int i = 0; i < HOSTFILE_DAEMONS; i++)
		json_decref(a->parts[i]);
}

static int no_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "out of memory");
}

static const char *daemon_name(unsigned int daemon)
{
	return daemon ? "anyvf-hwd" : "anyvf-swd";
}

/* ---- whose is what ---- */

static unsigned int daemon_of(const struct apply *a, const char *pf)
{
	const json_t *j = json_object_get(json_object_get(a->wanted, "pfs"), pf ?: "");

	j = j ?: json_object_get(json_object_get(a->there.root, "pfs"), pf ?: "");
	return !!json_object_get(j, "kind");
}

static int split(struct apply *a, struct err *e)
{
	const char *name;
	int rc = 0;
	json_t *j;

	for (unsigned int i = 0; i < HOSTFILE_DAEMONS; i++)
		if (!(a->parts[i] = json_pack("{s:{}, s:{}}", "pfs", "mirrors")))
			return no_memory(e);
	json_object_foreach (json_object_get(a->wanted, "pfs"), name, j)
		rc |= json_object_set(json_object_get(a->parts[daemon_of(a, name)], "pfs"), name,
				      j);
	json_object_foreach (json_object_get(a->wanted, "mirrors"), name, j) {
		const char *pf = json_string_value(json_object_get(j, "from_pf"));

		rc |= json_object_set(json_object_get(a->parts[daemon_of(a, pf)], "mirrors"), name,
				      j);
	}
	return rc ? no_memory(e) : 0;
}

/* What would change of the host, or of one daemon's part of it; NULL: out of memory. */
static json_t *changes(const struct apply *a, const json_t *is, const json_t *wanted,
		       host_note note)
{
	auto_of(json_decref) json_t *there = is ? json_deep_copy(is) : json_object();
	auto_of(json_decref) json_t *to = json_deep_copy(wanted);

	if (!there || !to)
		return NULL;
	host_align(there, to, a->force, note);
	return hostfile_compare(there, to);
}

static int parts_find(struct apply *a, struct err *e)
{
	int rc = split(a, e);

	for (unsigned int i = 0; !rc && i < HOSTFILE_DAEMONS; i++) {
		auto_of(json_decref) json_t *list =
			changes(a, a->there.parts[i], a->parts[i], NULL);

		a->has_part[i] = json_array_size(list);
		if (!list)
			return no_memory(e);
		if (a->has_part[i] && !a->there.parts[i])
			rc = err_set(e, -ECONNREFUSED,
				     "%s has PFs of %s, which does not run (try: "
				     "anyvf up)",
				     a->path, daemon_name(i));
	}
	return rc;
}

/* ---- what daemons are told ---- */

static json_t *begin_params(const struct apply *a, unsigned int daemon, bool dry)
{
	static const char *const others[] = { "leased", "pending", "last" };
	auto_of(json_decref) json_t *is = json_copy(a->there.parts[daemon]);
	char hash[HOST_HASH_LEN];

	for (unsigned int i = 0; i < ARRAY_LEN(others); i++)
		json_object_del(is, others[i]);
	host_hash(is, hash);
	return json_pack("{s:s, s:i, s:O, s:s, s:b, s:b}", "id", a->id, "seconds",
			 (int)(a->confirm_s ?: SPAN_S), "host", a->parts[daemon], "is", hash,
			 "force", (int)a->force, "dry", (int)dry);
}

static int begin(const struct apply *a, unsigned int daemon, bool dry, struct err *e)
{
	auto_of(json_decref) json_t *params = begin_params(a, daemon, dry);
	auto_free char *text = json_dumps(params, JSON_COMPACT);
	int rc;

	if (text && strlen(text) > CTL_LINE_MAX - 256)
		return err_set(e, -EMSGSIZE, "%s: what it has of %s is too much for one request",
			       a->path, daemon_name(daemon));
	rc = hostfile_call(a->cli, daemon, "apply.begin", take(params), NULL, e);
	if (rc)
		err_prefix(e, "%s", daemon_name(daemon));
	return rc;
}

/* @kept: gets what holds. */
static int end(struct cli *cli, unsigned int daemon, const char *id, bool keep, bool *kept,
	       struct err *e)
{
	auto_of(json_decref) json_t *told = NULL;
	int rc = hostfile_call(cli, daemon, "apply.end",
			       json_pack("{s:s, s:b}", "id", id, "keep", (int)keep), &told, e);

	if (!rc)
		*kept = json_is_true(json_object_get(told, "kept"));
	return rc;
}

/* Those that have begun, and one that may have, go back. Who is away does so by itself. */
static void take_back(const struct apply *a)
{
	for (unsigned int i = 0; i < HOSTFILE_DAEMONS; i++) {
		struct err e = { 0 };
		bool kept;
		int rc = a->has_part[i] ? end(a->cli, i, a->id, false, &kept, &e) : 0;

		if (rc && rc != -ENOENT)
			fprintf(stderr, "%s: %s (it goes back within %u s)\n", daemon_name(i),
				e.msg, a->confirm_s ?: SPAN_S);
	}
}

/* Tells all with a part of it; the first to hear it makes it hold for the others. */
static int decide(struct cli *cli, const bool *has_part, const char *id, bool keep, struct err *e)
{
	bool kept = !keep, heard = false;
	struct err why = { 0 };
	int rc = 0;

	for (unsigned int i = 0; i < HOSTFILE_DAEMONS; i++) {
		struct err said = { 0 };
		int bad = has_part[i] ? end(cli, i, id, keep, &kept, &said) : -ENOENT;

		if (!bad)
			heard = true;
		else if (has_part[i] && !rc)
			rc = err_set(&why, bad, "%s: %s", daemon_name(i), said.msg);
	}
	if (!heard)
		return err_set(e, rc ?: -ENOENT, "%s", why.msg);
	if (rc)
		fprintf(stderr, "%s (it does as was decided when it can)\n", why.msg);
	return kept == keep
		       ? 0
		       : err_set(e, -ECANCELED,
				 kept ? "it was confirmed before" : "it was taken back before");
}

static int run_begin(const struct apply *a, struct err *e)
{
	int rc = 0;

	for (unsigned int dry = 1 + (a->has_part[0] && a->has_part[1]); !rc && dry-- > 0;) {
		bool judge = a->dry || dry;

		for (unsigned int i = HOSTFILE_DAEMONS; !rc && i-- > 0;)
			rc = a->has_part[i] ? begin(a, i, judge, e) : 0;
		if (judge)
			continue;
		if (rc)
			take_back(a);
	}
	return rc;
}

/* A name for a change. */
static void id_new(char out[DECISION_ID_LEN + 1])
{
	char hex[33];

	uuid_new_hex(hex);
	snprintf(out, DECISION_ID_LEN + 1, "%s", hex + 32 - DECISION_ID_LEN);
}

static int expected(const struct apply *a, struct err *e)
{
	auto_of(json_decref) json_t *root = hostfile_export(&a->there);
	char hash[HOST_HASH_LEN];

	host_hash(root, hash);
	return !a->expect || !strcmp(a->expect, hash)
		       ? 0
		       : err_set(e, -ESTALE, "what is there is %s, not %s", hash, a->expect);
}

/* All of it. @list: gets what changed, or would. */
static int run(struct apply *a, json_t **list, struct err *e)
{
	int rc = expected(a, e) ?: parts_find(a, e);

	if (rc)
		return rc;
	*list = changes(a, a->there.root, a->wanted, hostfile_note);
	if (!*list)
		return no_memory(e);
	if (!json_array_size(*list))
		return 0;
	id_new(a->id);
	rc = run_begin(a, e);
	if (rc || a->dry || a->confirm_s)
		return rc;
	return decide(a->cli, a->has_part, a->id, true, e);
}

static int words(struct apply *a, struct cli *cli)
{
	const char *word;

	while ((word = cli_next(cli))) {
		if (!strcmp(word, "-n")) {
			a->dry = true;
		} else if (!strcmp(word, "force")) {
			a->force = true;
		} else if (!strcmp(word, "--confirm")) {
			word = cli_next(cli);
			if (!word)
				return cli_incomplete();
			if (!cli_u32(word, &a->confirm_s) || !a->confirm_s ||
			    a->confirm_s > APPLY_SECONDS_MAX)
				return cli_wrong(word, "it takes 1 to 86400 seconds");
		} else if (!strcmp(word, "--expect")) {
			a->expect = cli_next(cli);
			if (!a->expect)
				return cli_incomplete();
		} else if (a->path) {
			return cli_wrong(word, "there is a file already");
		} else {
			a->path = word;
		}
	}
	return a->path ? 0 : cli_incomplete();
}

/**
 * cli_apply() - anyvf apply FILE: make this host as a file says
 * @cli: words start behind `apply`
 *
 * What is done is printed as `diff` prints it.
 *
 * Return: CLI_OK: it is so; 2, with -n: it is not; CLI_FAIL: nothing was done; CLI_USAGE.
 */
int cli_apply(struct cli *cli)
{
	__attribute__((cleanup(apply_fini))) struct apply a = { .cli = cli };
	auto_of(json_decref) json_t *list = NULL;
	struct err e = { 0 };
	int rc = words(&a, cli);

	if (rc)
		return rc;
	if (hostfile_read(a.path, &a.wanted, &e) || hostfile_there(cli, &a.there, &e) ||
	    run(&a, &list, &e))
		return cli_error(&e);
	if (hostfile_print(cli, list))
		return CLI_FAIL;
	if (json_array_size(list) && !a.dry && a.confirm_s)
		fprintf(stderr, "it is taken back in %u s: anyvf confirm\n", a.confirm_s);
	return a.dry && json_array_size(list) ? HOSTFILE_DIFFERS : CLI_OK;
}

/* ---- afterwards ---- */

/* What each daemon says of @what: its id, "": nothing. Answers how many say something. */
static unsigned int told(struct cli *cli, const char *what, json_t *out[HOSTFILE_DAEMONS],
			 struct err *e)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < HOSTFILE_DAEMONS; i++) {
		auto_of(json_decref) json_t *part = NULL;
		struct err why = { 0 };

		out[i] = NULL;
		if (hostfile_call(cli, i, "host.get", json_object(), &part, &why)) {
			err_set(e, -ECONNREFUSED, "%s", why.msg);
			continue;
		}
		out[i] = json_incref(json_object_get(part, what));
		n += !!out[i];
	}
	return n;
}

static const char *id_of(const json_t *said)
{
	return json_string_value(json_object_get(said, "id")) ?: "";
}

/* Who says @id. */
static void parts_of(json_t *said[HOSTFILE_DAEMONS], const char *id,
		     bool has_part[HOSTFILE_DAEMONS])
{
	for (unsigned int i = 0; i < HOSTFILE_DAEMONS; i++)
		has_part[i] = said[i] && !strcmp(id_of(said[i]), id);
}

/* Decides about all that waits; there is one, or, after a daemon was away, two. */
static int decide_all(struct cli *cli, json_t *said[HOSTFILE_DAEMONS], bool keep, struct err *e)
{
	bool has_part[HOSTFILE_DAEMONS];
	int rc = 0;

	for (unsigned int i = 0; !rc && i < HOSTFILE_DAEMONS; i++) {
		if (!said[i] || (i && said[0] && !strcmp(id_of(said[i]), id_of(said[0]))))
			continue;
		parts_of(said, id_of(said[i]), has_part);
		rc = decide(cli, has_part, id_of(said[i]), keep, e);
	}
	return rc;
}

static void said_fini(json_t *said[HOSTFILE_DAEMONS])
{
	for (unsigned int i = 0; i < HOSTFILE_DAEMONS; i++)
		json_decref(said[i]);
}

/* Back to what was before the last that was kept: a change as any other. */
static int revert_last(struct cli *cli, struct err *e)
{
	struct apply a = { .cli = cli };
	json_t *said[HOSTFILE_DAEMONS];
	json_int_t at[HOSTFILE_DAEMONS];
	const char *last;
	int rc = 0;

	if (!told(cli, "last", said, e))
		return *e->msg ? -ECONNREFUSED
			       : err_set(e, -ENOENT,
					 "nothing was applied that could be taken back");
	for (unsigned int i = 0; i < HOSTFILE_DAEMONS; i++)
		at[i] = said[i] ? json_integer_value(json_object_get(said[i], "at")) : -1;
	last = id_of(said[at[1] > at[0]]);
	parts_of(said, last, a.has_part);
	id_new(a.id);
	for (unsigned int i = HOSTFILE_DAEMONS; !rc && i-- > 0;)
		if (a.has_part[i])
			rc = hostfile_call(cli, i, "apply.begin",
					   json_pack("{s:s, s:i, s:s}", "id", a.id, "seconds",
						     SPAN_S, "last", last),
					   NULL, e);
	if (rc)
		take_back(&a);
	else
		rc = decide(cli, a.has_part, a.id, true, e);
	said_fini(said);
	return rc;
}

/**
 * cli_confirm() - anyvf confirm: keep what was applied with --confirm
 * @cli: words start behind `confirm`
 *
 * Return: CLI_OK, CLI_FAIL or CLI_USAGE.
 */
int cli_confirm(struct cli *cli)
{
	json_t *said[HOSTFILE_DAEMONS];
	struct err e = { 0 };
	int rc;

	if (cli_end(cli))
		return CLI_USAGE;
	if (!told(cli, "pending", said, &e))
		return cli_error(&(struct err){ "nothing waits to be confirmed" });
	e = (struct err){ 0 };
	rc = decide_all(cli, said, true, &e);
	said_fini(said);
	return rc ? cli_error(&e) : CLI_OK;
}

/**
 * cli_revert() - anyvf revert: take back what waits, or what was applied last
 * @cli: words start behind `revert`
 *
 * Return: CLI_OK, CLI_FAIL or CLI_USAGE.
 */
int cli_revert(struct cli *cli)
{
	json_t *said[HOSTFILE_DAEMONS];
	struct err e = { 0 };
	int rc;

	if (cli_end(cli))
		return CLI_USAGE;
	if (told(cli, "pending", said, &e)) {
		e = (struct err){ 0 };
		rc = decide_all(cli, said, false, &e);
		said_fini(said);
	} else {
		e = (struct err){ 0 };
		rc = revert_last(cli, &e);
	}
	return rc ? cli_error(&e) : CLI_OK;
}
