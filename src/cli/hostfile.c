/* SPDX-License-Identifier: Apache-2.0 */
/* A host as one file (ctl/host.h): what is there, printed and compared. */
#include "cli/hostfile.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

#define FILE_MAX (16U << 20)

static int no_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "out of memory");
}

/**
 * hostfile_fini() - Free what is there
 * @f: as hostfile_there() filled it, or zero
 */
void hostfile_fini(struct hostfile *f)
{
	json_decref(f->root);
	for (unsigned int i = 0; i < HOSTFILE_DAEMONS; i++)
		json_decref(f->parts[i]);
}

/**
 * hostfile_call() - Ask one of the daemons
 * @cli:    run
 * @daemon: row of ctl_socks[]
 * @method: see ctl/ctl.h
 * @params: taken
 * @result: new reference
 * @e:      error text
 *
 * Return: as cli_call_any().
 */
int hostfile_call(struct cli *cli, unsigned int daemon, const char *method, json_t *params,
		  json_t **result, struct err *e)
{
	return daemon ? cli_call_hw(cli, method, params, result, e)
		      : cli_call_any(cli, method, params, result, e);
}

/**
 * hostfile_has_run() - Has a daemon run since the boot? Its lock stays
 * @cli:    run
 * @daemon: row of ctl_socks[]
 *
 * Return: false: it has nothing. Context: any.
 */
bool hostfile_has_run(const struct cli *cli, unsigned int daemon)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%.*s.lock", cli->run_dir,
		 (int)strcspn(ctl_socks[daemon], "."), ctl_socks[daemon]);
	return !access(path, F_OK);
}

static int join(struct hostfile *out, const json_t *part, struct err *e)
{
	static const char *const members[] = { "pfs", "mirrors", "leased", "unasked" };
	auto_of(json_decref) json_t *copy = json_deep_copy(part);

	for (unsigned int i = 0; i < ARRAY_LEN(members); i++)
		if (json_object_update(json_object_get(out->root, members[i]),
				       json_object_get(copy, members[i])))
			return err_set(e, -EPROTO, "host.get answered no part of a host");
	return 0;
}

/**
 * hostfile_there() - What the daemons of this host have
 * @cli: run
 * @out: zero; gets it, hostfile_fini() ends it
 * @e:   error text
 *
 * A daemon that has run since the boot and does not run is an error: what it has is not known.
 *
 * Return: 0, -ECONNREFUSED, or the verb's own negative errno.
 */
int hostfile_there(struct cli *cli, struct hostfile *out, struct err *e)
{
	unsigned int n = 0;
	int rc = 0;

	out->root = json_pack("{s:i, s:{}, s:{}, s:{}, s:{}}", "anyvf", HOST_VERSION, "pfs",
			      "mirrors", "leased", "unasked");
	if (!out->root)
		return no_memory(e);
	for (unsigned int i = 0; !rc && i < HOSTFILE_DAEMONS; i++) {
		struct err why = { 0 };

		rc = hostfile_call(cli, i, "host.get", json_object(), &out->parts[i], &why);
		if (rc == -ECONNREFUSED && !hostfile_has_run(cli, i)) {
			rc = 0;
			continue;
		}
		n++;
		rc = rc ? err_set(e, rc, "%s", why.msg) : join(out, out->parts[i], e);
	}
	if (!rc && !n)
		return err_set(e, -ECONNREFUSED, "no anyvf daemon runs in %s (try: anyvf up)",
			       cli->run_dir);
	return rc;
}

static int text_read(const char *path, char **text, size_t *size, struct err *e)
{
	bool in = !strcmp(path, "-");

	return in ? file_read_fd(STDIN_FILENO, "standard input", FILE_MAX, text, size, e)
		  : file_read(path, FILE_MAX, text, size, e);
}

/**
 * hostfile_load() - Read a file
 * @path: its name, - for standard input
 * @out:  gets what it says, a new reference
 * @e:    names the file and the line
 *
 * Return: 0, the errno of the file, or -EINVAL: it is no JSON.
 */
int hostfile_load(const char *path, json_t **out, struct err *e)
{
	auto_free char *text = NULL;
	json_error_t why;
	size_t size;
	int rc = text_read(path, &text, &size, e);

	if (rc)
		return rc;
	*out = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
	return *out ? 0 : err_set(e, -EINVAL, "%s line %d: %s", path, why.line, why.text);
}

/**
 * hostfile_read() - Read and judge a file
 * @path: its name, - for standard input
 * @out:  gets it in the form of ctl/host.h, a new reference
 * @e:    names the file and the place in it
 *
 * Return: 0, the errno of the file, or as host_read().
 */
int hostfile_read(const char *path, json_t **out, struct err *e)
{
	auto_of(json_decref) json_t *root = NULL;
	int rc = hostfile_load(path, &root, e);

	if (rc)
		return rc;
	rc = host_read(root, out, e);
	if (rc)
		err_prefix(e, "%s", path);
	else
		hostfile_netns(*out);
	return rc;
}

/**
 * hostfile_has_nic() - Has a file a NIC's PF?
 * @path: file; one that is not there, or is none, has not
 *
 * Return: true if so.
 */
bool hostfile_has_nic(const char *path)
{
	auto_of(json_decref) json_t *root = NULL;
	const char *name;
	json_t *pf;

	if (access(path, F_OK) || hostfile_read(path, &root, NULL))
		return false;
	json_object_foreach (json_object_get(root, "pfs"), name, pf)
		if (json_object_get(pf, "kind"))
			return true;
	return false;
}

/* ---- the difference ---- */

/**
 * hostfile_note() - host_note: say that a leased VF is left alone
 * @pf:   PF
 * @vf:   number
 * @port: who leases it
 */
void hostfile_note(const char *pf, const char *vf, const char *port)
{
	fprintf(stderr, "%s vf %s is leased to port %s: not compared\n", pf, vf, port);
}

static void note(json_t *out, const char *what, const char *path, const json_t *is,
		 const json_t *wanted)
{
	json_array_append_new(out, json_pack("{s:s, s:s, s:O?, s:O?}", "what", what, "path", path,
					     "is", is, "wanted", wanted));
}

static void compare(const json_t *is, const json_t *wanted, const char *path, json_t *removed,
		    json_t *other)
{
	const char *key;
	char at[512];
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)is, key, v) {
		snprintf(at, sizeof(at), "%s%s%s", path, *path ? "." : "", key);
		if (!json_object_get(wanted, key))
			note(removed, "remove", at, v, NULL);
	}
	json_object_foreach ((json_t *)(uintptr_t)wanted, key, v) {
		json_t *old = json_object_get(is, key);

		snprintf(at, sizeof(at), "%s%s%s", path, *path ? "." : "", key);
		if (!old)
			note(other, "add", at, NULL, v);
		else if (json_is_object(old) && json_is_object(v))
			compare(old, v, at, removed, other);
		else if (!json_equal(old, v))
			note(other, "change", at, old, v);
	}
}

/**
 * hostfile_compare() - What would change
 * @is:     what is there, aligned
 * @wanted: the file, likewise
 *
 * Return: a new array of {"what", "path", "is", "wanted"}, what goes first; NULL: out of memory.
 */
json_t *hostfile_compare(const json_t *is, const json_t *wanted)
{
	static const char *const members[] = { "pfs", "mirrors" };
	auto_of(json_decref) json_t *removed = json_array(), *other = json_array();

	for (unsigned int i = 0; i < ARRAY_LEN(members); i++)
		compare(json_object_get(is, members[i]), json_object_get(wanted, members[i]),
			members[i], removed, other);
	return json_array_extend(removed, other) ? NULL : take(removed);
}

static void print_value(const json_t *v)
{
	auto_free char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);

	printf(" %s", text ?: "");
}

static void print_one(const json_t *d)
{
	const char *what = json_string_value(json_object_get(d, "what"));
	const json_t *is = json_object_get(d, "is"), *wanted = json_object_get(d, "wanted");

	printf("%c %s",
	       *what == 'r'   ? '-'
	       : *what == 'a' ? '+'
			      : '~',
	       json_string_value(json_object_get(d, "path")));
	if (!json_is_null(is))
		print_value(is);
	if (*what == 'c')
		printf(" ->");
	if (!json_is_null(wanted))
		print_value(wanted);
	putchar('\n');
}

/**
 * hostfile_print() - Print what would change, or did
 * @cli:  whether as JSON
 * @list: of hostfile_compare()
 *
 * Return: 0, or CLI_FAIL.
 */
int hostfile_print(const struct cli *cli, const json_t *list)
{
	const json_t *d;
	size_t i;

	if (cli->json)
		return cli_print_json(cli, list);
	json_array_foreach (list, i, d)
		print_one(d);
	return 0;
}

/**
 * hostfile_export() - What is there as a file: without VFs that are the agent's
 * @there: what is there
 *
 * Return: a new reference; NULL: out of memory.
 */
json_t *hostfile_export(const struct hostfile *there)
{
	auto_of(json_decref) json_t *root = json_deep_copy(there->root);
	auto_of(json_decref) json_t *none = json_object();

	host_align(root, none, false, NULL);
	host_plain(root);
	return take(root);
}

/**
 * cli_export() - anyvf export [--hash]: what this host has, as one file
 * @cli: words start behind `export`
 *
 * Return: CLI_OK, CLI_FAIL or CLI_USAGE.
 */
int cli_export(struct cli *cli)
{
	bool hash = cli_accept(cli, "--hash");
	auto_hostfile struct hostfile there = { 0 };
	auto_of(json_decref) json_t *root = NULL;
	char text[HOST_HASH_LEN];
	struct err e = { 0 };

	if (cli_end(cli))
		return CLI_USAGE;
	if (hostfile_there(cli, &there, &e) || (!(root = hostfile_export(&there)) && no_memory(&e)))
		return cli_error(&e);
	host_hash(root, text);
	if (hash ? puts(text) < 0 : json_dumpf(root, stdout, JSON_INDENT(2)) || putchar('\n') < 0)
		return CLI_FAIL;
	return fflush(stdout) ? CLI_FAIL : CLI_OK;
}

/**
 * cli_diff() - anyvf diff FILE: what is other here than in a file
 * @cli: words start behind `diff`
 *
 * What would go is said first. A VF that is leased is the agent's and is not compared.
 *
 * Return: CLI_OK: nothing; 2: something; CLI_FAIL: neither is known; CLI_USAGE.
 */
int cli_diff(struct cli *cli)
{
	auto_of(json_decref) json_t *list = NULL, *wanted = NULL;
	auto_hostfile struct hostfile there = { 0 };
	const char *path = cli_next(cli);
	struct err e = { 0 };

	if (!path)
		return cli_incomplete();
	if (cli_end(cli))
		return CLI_USAGE;
	if (hostfile_read(path, &wanted, &e) || hostfile_there(cli, &there, &e))
		return cli_error(&e);
	host_align(there.root, wanted, false, hostfile_note);
	list = hostfile_compare(there.root, wanted);
	if (!list || hostfile_print(cli, list))
		return CLI_FAIL;
	return json_array_size(list) ? HOSTFILE_DIFFERS : CLI_OK;
}
