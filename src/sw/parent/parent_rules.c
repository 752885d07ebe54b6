/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy of anyvf-swd's root parent, as pure functions over its rules, a
 * request and what is there. The child asks on behalf of operators, but what it
 * says is a guest's word once a guest has taken it: so the bytes are checked
 * first, and then each name against the configuration.
 */
#include "sw/parent/parent_rules.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/decision.h"
#include "sw/parent/parent_wire.h"

#define BLANKS " ,\t"
#define CONF   "[switch] of anyvf.conf(5)"

/* Whether @name is one of @words; with patterns they may have * and ?. */
static bool is_among(const char *words, const char *name, bool patterns)
{
	char word[256];

	for (words += strspn(words, BLANKS); *words; words += strspn(words, BLANKS)) {
		size_t n = strcspn(words, BLANKS);

		snprintf(word, sizeof(word), "%.*s", (int)n, words);
		if (n < sizeof(word) && !(patterns ? fnmatch(word, name, 0) : strcmp(word, name)))
			return true;
		words += n;
	}
	return false;
}

/**
 * parent_dir_of() - The listed directory that a path lies in
 * @dirs: absolute directories
 * @path: absolute, without "." and ".."
 * @len:  gets the length of that directory's name, at the beginning of @path
 *
 * Return: the directory's place in @dirs, NULL if there is none.
 * Context: any.
 */
const char *parent_dir_of(const char *dirs, const char *path, size_t *len)
{
	for (dirs += strspn(dirs, BLANKS); *dirs; dirs += strspn(dirs, BLANKS)) {
		size_t whole = strcspn(dirs, BLANKS), n = whole;

		while (n > 1 && dirs[n - 1] == '/')
			n--;
		if (!strncmp(dirs, path, n) && path[n] == '/') {
			*len = n;
			return dirs;
		}
		dirs += whole;
	}
	return NULL;
}

/**
 * parent_tap_origin() - Whose the tap under a name is
 * @rules: rules
 * @name:  its name
 * @look:  what is there
 *
 * Ours are known by owner and group. One that has our account for an owner alone was given to us
 * (`ip tuntap add … user anyvf`): we use it, and leave it when we go.
 *
 * Context: any.
 */
enum tap_origin parent_tap_origin(const struct parent_rules *rules, const char *name,
				  const struct tap_look *look)
{
	bool given = look->owned && look->mark.owner == rules->mark.owner;

	if (!look->ifindex)
		return TAP_ABSENT;
	if (!look->tap)
		return TAP_NONE;
	if (given && look->grouped && look->mark.group == rules->mark.group)
		return TAP_OURS;
	return given || is_among(rules->adopt_taps, name, true) ? TAP_LENT : TAP_FOREIGN;
}

static int judge_tap(const struct parent_rules *r, const struct request *q,
		     const struct parent_facts *f, struct err *e)
{
	if (!is_among(r->taps, q->name, true))
		return err_set(e, -EACCES, "a tap %s is not among taps in " CONF, q->name);
	if (f->origin == TAP_NONE)
		return err_set(e, -EINVAL, "%s exists and is no tap", q->name);
	if (f->origin == TAP_FOREIGN)
		return err_set(e, -EEXIST,
			       "%s is there already and is not anyvf's; adopt_taps in " CONF
			       " can allow its use",
			       q->name);
	return 0;
}

static int judge_packet(const struct parent_rules *r, const struct request *q,
			const struct parent_facts *f, struct err *e)
{
	if (*r->uplinks && !is_among(r->uplinks, q->name, true) &&
	    !is_among(r->pf_uplinks, q->name, false))
		return err_set(e, -EACCES, "%s is not among uplinks in " CONF, q->name);
	if (!f->default_route)
		return 0;
	if (!q->force)
		return err_set(e, -EBUSY, "%s carries the default route; only \"force\" takes it",
			       q->name);
	if (!is_among(r->forced, q->name, false) && !is_among(r->uplinks, q->name, false))
		return err_set(
			e, -EACCES,
			"%s carries the default route: \"force\" counts only if %s is named by "
			"uplinks in " CONF,
			q->name, q->name);
	return 0;
}

static int judge_file(const struct parent_rules *r, const struct request *q,
		      const struct parent_facts *f, struct err *e)
{
	size_t n;

	if (!parent_dir_of(r->mirror_dirs, q->path, &n))
		return err_set(
			e, -EACCES,
			"file %s is in none of the directories of mirrors (mirror_dirs in " CONF
			"): %s",
			q->path, r->mirror_dirs);
	return 0;
}

static int judge_socket(const struct parent_rules *r, const struct request *q,
			const struct parent_facts *f, struct err *e)
{
	size_t n;

	if (!parent_dir_of(r->socket_dirs, q->path, &n))
		return err_set(e, -EACCES,
			       "socket %s is in none of the directories of vhost-user sockets "
			       "(socket_dirs in " CONF "): %s",
			       q->path, r->socket_dirs);
	if (!strcmp(q->path, r->control) || !strcmp(q->path, r->reading))
		return err_set(e, -EACCES, "%s is a control socket", q->path);
	return 0;
}

static int judge_decide(const struct parent_rules *r, const struct request *q,
			const struct parent_facts *f, struct err *e)
{
	return decision_id_is(q->name) && q->mtu <= DECISION_JOIN
		       ? 0
		       : err_set(e, -EINVAL, "no decision");
}

static int judge_free(const struct parent_rules *r, const struct request *q,
		      const struct parent_facts *f, struct err *e)
{
	return 0;
}

/* Verb by verb: which strings it has, and who judges them. */
static const struct row {
	bool name, path;
	int (*judge)(const struct parent_rules *r, const struct request *q,
		     const struct parent_facts *f, struct err *e);
} rows[VERB_N] = {
	[VERB_READY] = { .judge = judge_free },
	[VERB_BEAT] = { .judge = judge_free },
	[VERB_TAP_OPEN] = { .name = true, .judge = judge_tap },
	[VERB_TAP_CLOSE] = { .name = true, .judge = judge_free }, /* of a tap that we have */
	[VERB_TAP_WHERE] = { .name = true, .judge = judge_free },
	[VERB_NETNS_BORN] = { .judge = judge_free },
	[VERB_PACKET_OPEN] = { .name = true, .judge = judge_packet },
	[VERB_LINKS_FOLLOW] = { .judge = judge_free }, /* everybody may hear it */
	[VERB_GRE_OPEN] = { .judge = judge_free },     /* it hears nothing */
	[VERB_FILE_OPEN] = { .path = true, .judge = judge_file },
	[VERB_SOCKET_LOOK] = { .path = true, .judge = judge_socket },
	[VERB_SOCKET_BIND] = { .path = true, .judge = judge_socket },
	[VERB_SOCKET_CONNECT] = { .path = true, .judge = judge_socket },
	[VERB_SOCKET_CLOSE] = { .path = true, .judge = judge_socket },
	[VERB_STATE_READ] = { .judge = judge_free }, /* of the state file alone */
	[VERB_STATE_NEW] = { .judge = judge_free },
	[VERB_STATE_PUT] = { .judge = judge_free },
	[VERB_STATE_MORE] = { .judge = judge_free },
	[VERB_DECIDE] = { .name = true, .judge = judge_decide },
};

/* An absolute name of a file in a directory, without detours. */
static bool path_is_plain(const char *path)
{
	size_t len = strlen(path);

	return *path == '/' && len > 1 && path[len - 1] != '/' && !strstr(path, "//") &&
	       !strstr(path, "/./") && !strstr(path, "/../") &&
	       !(len >= 2 && !strcmp(path + len - 2, "/.")) &&
	       !(len >= 3 && !strcmp(path + len - 3, "/.."));
}

/**
 * parent_judge() - Whether a request of the child is granted
 * @rules: what the configuration allows
 * @q:     the request, as it came: no byte of it was looked at
 * @facts: what is there under its name
 * @e:     says why not, with the key that would allow it
 *
 * Return: 0; -EINVAL: not a request that our code makes; -EACCES: the configuration does not allow
 * it; -EEXIST: the tap is another's; -EBUSY: the netdev carries the default route.
 * Context: the parent.
 */
int parent_judge(const struct parent_rules *rules, const struct request *q,
		 const struct parent_facts *facts, struct err *e)
{
	const struct row *row = q->verb < VERB_N ? &rows[q->verb] : NULL;

	if (!row)
		return err_set(e, -EINVAL, "unknown verb %u", q->verb);
	if (q->mac_at_birth > 1 || q->rest_at_birth > 1 || q->up > 1 || q->down > 1 ||
	    q->force > 1 || q->v6 > 1 || !memchr(q->name, 0, sizeof(q->name)) ||
	    !memchr(q->netns, 0, sizeof(q->netns)) || !memchr(q->path, 0, sizeof(q->path)))
		return err_set(e, -EINVAL, "the request is malformed");
	if (row->name && (!*q->name || strpbrk(q->name, "/ \t\n:%") || !strcmp(q->name, ".") ||
			  !strcmp(q->name, "..")))
		return err_set(e, -EINVAL, "\"%s\" is not an interface name", q->name);
	if (strpbrk(q->netns, "/\n") || *q->netns == '.')
		return err_set(e, -EINVAL, "namespace name %s is not valid", q->netns);
	if (row->path && !path_is_plain(q->path))
		return err_set(e, -EINVAL, "%s: not the plain absolute name of a file", q->path);
	return row->judge(rules, q, facts, e);
}

/* ---- the configuration ---- */

static int words_add(char **words, const char *word, size_t len, struct err *e)
{
	char *more;

	if (asprintf(&more, "%s %.*s", *words ?: "", (int)len, word) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	free(*words);
	*words = more;
	return 0;
}

/* The netdevs of "uplink = dev NETDEV [force]" in all sections [pf.NAME]. */
static int pf_uplinks_read(const struct conf *conf, struct parent_rules *out, struct err *e)
{
	const char *name;
	int rc = words_add(&out->pf_uplinks, "", 0, e) ?: words_add(&out->forced, "", 0, e);

	for (unsigned int i = 0; !rc && (name = conf_instance(conf, "pf", i)); i++) {
		char section[80], dev[64], more[16] = "";

		snprintf(section, sizeof(section), "pf.%s", name);
		if (sscanf(conf_get(conf, section, "uplink"), "dev %63s %15s", dev, more) < 1)
			continue;
		rc = words_add(&out->pf_uplinks, dev, strlen(dev), e);
		if (!rc && !strcmp(more, "force"))
			rc = words_add(&out->forced, dev, strlen(dev), e);
	}
	return rc;
}

static int dirs_read(const struct conf *conf, const char *run_dir, bool private,
		     struct parent_rules *out, struct err *e)
{
	const char *mirrors = conf_get(conf, "switch", "mirror_dirs");
	const char *logs = *mirrors ? "" : conf_get(conf, "host", "log_dir");

	if (asprintf(&out->vhost_dir, "%s/vhost", run_dir) < 0 ||
	    asprintf(&out->control, "%s/swd.sock", run_dir) < 0 ||
	    asprintf(&out->reading, "%s/swd-ro.sock", run_dir) < 0 ||
	    asprintf(&out->mirror_dirs, "%s%s%s %s", mirrors, logs, *logs ? "/mirrors" : "",
		     private ? run_dir : "") < 0 ||
	    asprintf(&out->socket_dirs, "%s %s", private ? run_dir : out->vhost_dir,
		     conf_get(conf, "switch", "socket_dirs")) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	return 0;
}

/**
 * parent_rules_read() - The rules, from the configuration
 * @conf:    configuration; outlives the rules
 * @run_dir: run directory
 * @private: it is the switch's alone, not the host's, and thus a place for its sockets and mirrors'
 *           files; else RUN_DIR/vhost is one for sockets
 * @out:     gets the rules, but the mark of taps; parent_rules_fini() frees them
 * @e:       says which key is wrong
 *
 * Return: 0, -EINVAL, -ENOMEM.
 * Context: at the start, before the fork.
 */
int parent_rules_read(const struct conf *conf, const char *run_dir, bool private,
		      struct parent_rules *out, struct err *e)
{
	int rc;

	*out = (struct parent_rules){ .uplinks = NULL };
	rc = peers_read(conf_get(conf, "switch", "vhost_users"), &out->peers, e);
	out->uplinks = conf_get(conf, "switch", "uplinks");
	out->taps = conf_get(conf, "switch", "taps");
	out->adopt_taps = conf_get(conf, "switch", "adopt_taps");
	rc = rc ?: pf_uplinks_read(conf, out, e);
	return rc ?: dirs_read(conf, run_dir, private, out, e);
}

/**
 * parent_rules_fini() - Free what rules hold
 * @rules: from parent_rules_read(), also if that failed
 */
void parent_rules_fini(struct parent_rules *rules)
{
	free(rules->pf_uplinks);
	free(rules->forced);
	free(rules->mirror_dirs);
	free(rules->socket_dirs);
	free(rules->vhost_dir);
	free(rules->control);
	free(rules->reading);
}
