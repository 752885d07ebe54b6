/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host's file made so: each daemon makes its part of it as one change, which waits; when all
 * have, one decision keeps it, for all of them (ctl/apply.h, base/decision.h). Whatever ends this
 * program on the way, the daemons know what to do.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/conf.h"
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
	const char *config;	 /* its file; NULL: none is looked at */
	const struct conf *conf; /* what the file has not of its PFs stays */
	char id[DECISION_ID_LEN + 1];
	struct hostfile there;
	json_t *wanted;			 /* owned */
	json_t *parts[HOSTFILE_DAEMONS]; /* of it; owned */
	bool has_part[HOSTFILE_DAEMONS]; /* something of it is other there, or counts otherwise */
	bool counts;			 /* what NICs have already counts as asked for */
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

/*
 * What would change of the host, or of one daemon's part of it; NULL: out of memory. @counts: gets
 * whether what a NIC has already would count as asked for; NULL: nobody asks that.
 */
static json_t *changes(const struct apply *a, const json_t *is, const json_t *wanted,
		       host_note note, bool *counts)
{
	auto_of(json_decref) json_t *there = is ? json_deep_copy(is) : json_object();
	auto_of(json_decref) json_t *to = json_deep_copy(wanted);

	if (!there || !to)
		return NULL;
	host_align(there, to, a->force, note);
	if (counts)
		*counts = json_object_size(json_object_get(there, "unasked"));
	return hostfile_compare(there, to);
}

/* A PF of the configuration that the file has not, with the mirrors of its frames, stays. */
static int pf_stays(struct apply *a, const char *name)
{
	json_t *there = json_object_get(a->there.root, "mirrors"), *m;
	json_t *pf = json_object_get(json_object_get(a->there.root, "pfs"), name);
	json_t *mirrors = json_object_get(a->wanted, "mirrors");
	auto_of(json_decref) json_t *copy = json_deep_copy(pf);
	const char *key;
	int rc = pf ? json_object_set(json_object_get(a->wanted, "pfs"), name, copy) : 0;

	json_object_foreach (there, key, m) {
		const char *from = json_string_value(json_object_get(m, "from_pf"));

		if (pf && from && !strcmp(from, name) && !json_object_get(mirrors, key))
			rc |= json_object_set(mirrors, key, m);
	}
	return rc;
}

/* Beside a configuration: what both say is as the file says it. */
static int config_beside(struct apply *a, struct err *e)
{
	const char *name;

	for (unsigned int i = 0; a->conf && (name = conf_instance(a->conf, "pf", i)); i++) {
		if (json_object_get(json_object_get(a->wanted, "pfs"), name))
			fprintf(stderr, "%s is as %s says, not [pf.%s] of %s\n", name, a->path,
				name, a->config);
		else if (pf_stays(a, name))
			return no_memory(e);
	}
	return 0;
}

static int parts_find(struct apply *a, struct err *e)
{
	int rc = split(a, e);

	for (unsigned int i = 0; !rc && i < HOSTFILE_DAEMONS; i++) {
		auto_of(json_decref) json_t *list =
			changes(a, a->there.parts[i], a->parts[i], NULL, &a->has_part[i]);

		if (!list)
			return no_memory(e);
		a->counts |= a->has_part[i];
		a->has_part[i] |= json_array_size(list) != 0;
		if (a->has_part[i] && !a->there.parts[i])
			rc = err_set(e, -ECONNREFUSED,
				     "%s has PFs of %s, which does not run (try: "
				     "anyvf up)",
				     a->path, daemon_name(i));
	}
	return rc;
}

/* ---- what daemons are told ---- */

static int n_parts(const bool has_part[HOSTFILE_DAEMONS])
{
	int n = 0;

	for (unsigned int i = 0; i < HOSTFILE_DAEMONS; i++)
		n += has_part[i];
	return n;
}

static json_t *begin_params(const struct apply *a, unsigned int daemon, bool dry, bool joined)
{
	auto_of(json_decref) json_t *is = json_copy(a->there.parts[daemon]);
	char hash[HOST_HASH_LEN];

	host_plain(is);
	host_hash(is, hash);
	return json_pack("{s:s, s:i, s:i, s:O, s:s, s:b, s:b, s:b}", "id", a->id, "seconds",
			 (int)(a->confirm_s ?: SPAN_S), "parts", a->dry ? 1 : n_parts(a->has_part),
			 "host", /* -n leaves nothing */
			 a->parts[daemon], "is", hash, "force", (int)a->force, "dry", (int)dry,
			 "joined", (int)joined);
}

static int begin(const struct apply *a, unsigned int daemon, bool dry, bool joined, struct err *e)
{
	auto_of(json_decref) json_t *params = begin_params(a, daemon, dry, joined);
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
		bool judge = a->dry || dry, joined = false;

		for (unsigned int i = HOSTFILE_DAEMONS; !rc && i-- > 0;) {
			rc = a->has_part[i] ? begin(a, i, judge, joined, e) : 0;
			joined |= a->has_part[i];
		}
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
	int rc = expected(a, e) ?: config_beside(a, e) ?: parts_find(a, e);

	if (rc)
		return rc;
	*list = changes(a, a->there.root, a->wanted, hostfile_note, NULL);
	if (!*list)
		return no_memory(e);
	if (!n_parts(a->has_part))
		return 0;
	id_new(a->id);
	rc = run_begin(a, e);
	if (rc || a->dry || a->confirm_s)
		return rc;
	rc = decide(a->cli, a->has_part, a->id, true, e);
	if (rc && rc != -ECANCELED) /* nobody can say that it holds */
		take_back(a);
	return rc;
}

/* A word that takes the next one. */
static int value(struct apply *a, const char *word, const char *next)
{
	if (!next)
		return cli_incomplete();
	if (!strcmp(word, "--expect"))
		a->expect = next;
	else if (!strcmp(word, "--config"))
		a->config = next;
	else if (!cli_u32(next, &a->confirm_s) || !a->confirm_s || a->confirm_s > APPLY_SECONDS_MAX)
		return cli_wrong(next, "it takes 1 to 86400 seconds");
	return 0;
}

static int words(struct apply *a, struct cli *cli)
{
	const char *word;
	int rc = 0;

	while (!rc && (word = cli_next(cli))) {
		if (!strcmp(word, "-n"))
			a->dry = true;
		else if (!strcmp(word, "force"))
			a->force = true;
		else if (!strcmp(word, "--confirm") || !strcmp(word, "--expect") ||
			 !strcmp(word, "--config"))
			rc = value(a, word, cli_next(cli));
		else if (a->path)
			rc = cli_wrong(word, "there is a file already");
		else
			a->path = word;
	}
	return rc ?: a->path ? 0 : cli_incomplete();
}

/* Reads the file, applies it, prints what that is. */
static int apply(struct apply *a)
{
	auto_of(json_decref) json_t *list = NULL;
	struct err e = { 0 };

	if (hostfile_read(a->path, &a->wanted, &e) || hostfile_there(a->cli, &a->there, &e) ||
	    run(a, &list, &e))
		return cli_error(&e);
	if (hostfile_print(a->cli, list))
		return CLI_FAIL;
	if (a->counts && !a->dry)
		fprintf(stderr, "what NICs had already as %s says is asked for from now on\n",
			a->path);
	if (n_parts(a->has_part) && !a->dry && a->confirm_s)
		fprintf(stderr, "it is taken back in %u s: anyvf confirm\n", a->confirm_s);
	return a->dry && json_array_size(list) ? HOSTFILE_DIFFERS : CLI_OK;
}

/**
 * hostfile_apply() - Make this host as a file says, beside a configuration
 * @cli:    run
 * @path:   the file
 * @config: the configuration's name
 * @conf:   PFs of it that the file has not stay; of those that both have it is said that the
 *          file's words hold
 *
 * Return: CLI_OK or CLI_FAIL, told.
 */
int hostfile_apply(struct cli *cli, const char *path, const char *config, const struct conf *conf)
{
	__attribute__((cleanup(apply_fini))) struct apply a = {
		.cli = cli, .path = path, .config = config, .conf = conf
	};

	return apply(&a);
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
	auto_of(conf_free) struct conf *conf = NULL;
	struct err e = { 0 };
	int rc = words(&a, cli);

	if (rc)
		return rc;
	if (a.config && conf_open(a.config, &conf, &e))
		return cli_error(&e);
	a.conf = conf;
	return apply(&a);
}

/* ---- afterwards ---- */

/*
 * What each daemon says of @what; NULL: nothing. Answers how many say something. @e: one that has
 * run since the boot cannot be asked.
 */
static unsigned int told(struct cli *cli, const char *what, json_t *out[HOSTFILE_DAEMONS],
			 struct err *e)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < HOSTFILE_DAEMONS; i++) {
		auto_of(json_decref) json_t *part = NULL;
		struct err why = { 0 };

		out[i] = NULL;
		int rc = hostfile_call(cli, i, "apply.get", json_object(), &part, &why);

		if (rc && (rc != -ECONNREFUSED || hostfile_has_run(cli, i)))
			err_set(e, rc, "%s", why.msg);
		if (rc)
			continue;
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
		/* Who asked for it died between two daemons, or one of them has. */
		if (keep &&
		    n_parts(has_part) < json_integer_value(json_object_get(said[i], "parts")))
			return err_set(e, -EAGAIN,
				       "of %s not every daemon says that it has made "
				       "its part",
				       id_of(said[i]));
		rc = decide(cli, has_part, id_of(said[i]), keep, e);
	}
	return rc;
}

static void said_fini(json_t *said[HOSTFILE_DAEMONS])
{
	for (unsigned int i = 0; i < HOSTFILE_DAEMONS; i++)
		json_decref(said[i]);
}

static json_int_t parts_made(const json_t *said)
{
	return json_integer_value(json_object_get(said, "parts"));
}

/*
 * Of what each daemon kept last, the later. One that had parts in both is the last of both until
 * there is a later one in either: no clock has to say so.
 */
static unsigned int later(json_t *last[HOSTFILE_DAEMONS])
{
	json_int_t at[HOSTFILE_DAEMONS];

	for (unsigned int i = 0; i < HOSTFILE_DAEMONS; i++)
		at[i] = last[i] ? json_integer_value(json_object_get(last[i], "at")) : -1;
	if (last[0] && last[1] && (parts_made(last[0]) > 1 || parts_made(last[1]) > 1))
		return parts_made(last[0]) > 1;
	return at[1] > at[0];
}

/* Back to what was before the last that was kept: a change as any other. */
static int revert_last(struct cli *cli, struct err *e)
{
	struct apply a = { .cli = cli };
	json_t *said[HOSTFILE_DAEMONS];
	const json_t *which;
	bool joined = false;
	const char *last;
	int rc = 0;

	if (!told(cli, "last", said, e) || *e->msg) {
		said_fini(said);
		return err_set(e, -ENOENT, "nothing was applied that could be taken back");
	}
	which = said[later(said)];
	last = id_of(which);
	parts_of(said, last, a.has_part);
	if (n_parts(a.has_part) < parts_made(which)) /* half of it would be left */
		rc = err_set(e, -EAGAIN,
			     "%s is not the last of every daemon that made a part of it", last);
	id_new(a.id);
	for (unsigned int i = HOSTFILE_DAEMONS; !rc && i-- > 0;) {
		if (a.has_part[i])
			rc = hostfile_call(cli, i, "apply.begin",
					   json_pack("{s:s, s:i, s:i, s:s, s:b}", "id", a.id,
						     "seconds", SPAN_S, "parts",
						     n_parts(a.has_part), "last", last, "joined",
						     (int)joined),
					   NULL, e);
		joined |= a.has_part[i];
	}
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
		return cli_error(*e.msg ? &e : &(struct err){ "nothing waits to be confirmed" });
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
	} else { /* unless something may wait in one that cannot be asked */
		rc = *e.msg ? -ECONNREFUSED : revert_last(cli, &e);
	}
	return rc ? cli_error(&e) : CLI_OK;
}
