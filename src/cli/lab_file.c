/* SPDX-License-Identifier: Apache-2.0 */
/* A lab's file: one of a host (ctl/host.h), with a member of its own. */
#include "cli/lab.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/proc.h"
#include "cli/hostfile.h"

#define HOSTS_MAX 1000

#define L(word, type, member, max, help)                                                           \
	{                                                                                          \
		word, type, offsetof(struct lab_file, member), max, NULL, help                     \
	}
static const struct field lab_fields[] = {
	L("api", FIELD_BOOL, api, 0, "an OpenStack API"),
	L("hosts", FIELD_U16, hosts, HOSTS_MAX, "simulated hosts of the API"),
	L("cores", FIELD_STR, cores, LAB_CORES_LEN, "of the switch's workers"), FIELD_END
};

/* Its own member, taken out of the rest. */
static int read_lab(json_t *root, struct lab_file *f, struct err *e)
{
	const json_t *said = json_object_get(root, "lab");
	uint32_t changed = 0;
	int rc;

	if (said && !json_is_object(said))
		return err_set(e, -EINVAL, "lab is no object");
	rc = said ? fields_from_json(lab_fields, f, said, &changed, e) : 0;
	if (rc)
		return err_prefix(e, "lab"), rc;
	if (!f->api && f->hosts)
		return err_set(e, -EINVAL, "lab: hosts are of an API, which it has none of");
	if (f->cores[strspn(f->cores, "0123456789,-")]) /* it goes into a file as it is */
		return err_set(e, -EINVAL, "lab: cores are a list as 2,4-6");
	if (f->api && !(changed & 1U << 1))
		f->hosts = 1;
	json_object_del(root, "lab");
	return 0;
}

static bool has_tap(const json_t *pf)
{
	const json_t *vf;
	const char *key;

	json_object_foreach (json_object_get(pf, "vfs"), key, vf) {
		const char *kind =
			json_string_value(json_object_get(json_object_get(vf, "attach"), "kind"));

		if (kind && strcmp(kind, "vhost") != 0)
			return true;
	}
	return false;
}

/* What needs a network to be in, that nobody else's has to be. */
static int read_pfs(struct lab_file *f, struct err *e)
{
	const json_t *pf, *mirror;
	const char *name, *to;

	json_object_foreach (json_object_get(f->host, "pfs"), name, pf) {
		f->switch_ = true;
		if (json_object_get(pf, "kind"))
			return err_set(e, -EINVAL, "pfs.%s: a lab has software PFs alone", name);
		f->net |= has_tap(pf) || json_object_size(json_object_get(pf, "services")) ||
			  json_is_true(json_object_get(pf, "host_if")) ||
			  json_object_get(pf, "uplink");
	}
	json_object_foreach (json_object_get(f->host, "mirrors"), name, mirror) {
		to = json_string_value(json_object_get(mirror, "to"));
		f->net |= to && strcmp(to, mirror_destinations[MIRROR_TO_VF].word) != 0;
	}
	if (!f->switch_ && !f->api)
		return err_set(e, -EINVAL, "it has neither PFs nor an API");
	return 0;
}

/**
 * lab_file_read() - Read and judge a lab's file
 * @path: its name, - for standard input
 * @out:  gets it, lab_file_fini() ends it; untouched on failure
 * @e:    names the file and the line, or the member
 *
 * Return: 0, the errno of the file, -EINVAL, -ERANGE or -ENOMEM.
 */
int lab_file_read(const char *path, struct lab_file *out, struct err *e)
{
	auto_of(json_decref) json_t *root = NULL;
	struct lab_file f = { 0 };
	int rc = hostfile_load(path, &root, e);

	if (rc)
		return rc;
	rc = read_lab(root, &f, e);
	rc = rc ?: host_read(root, &f.host, e);
	rc = rc ?: read_pfs(&f, e);
	if (rc) {
		err_prefix(e, "%s", path);
		lab_file_fini(&f);
		return rc;
	}
	*out = f;
	return 0;
}

/**
 * lab_file_fini() - Free what was read
 * @f: file, or zero
 */
void lab_file_fini(struct lab_file *f)
{
	json_decref(f->host);
	f->host = NULL;
}

/* Of an object that may name one; a path and a process are somebody's. */
static int netns_of(const json_t *j, int (*make)(const char *name, struct err *e), struct err *e)
{
	const char *said = json_string_value(json_object_get(j, "netns"));
	char word[VF_NAME_LEN + 1], pid[PROC_PID_LEN], path[VF_NAME_LEN + sizeof("/run/netns/")];

	if (!said || !*said || strchr(said, '/') || strlen(said) >= sizeof(word))
		return 0;
	strcpy(word, said);
	snprintf(path, sizeof(path), "/run/netns/%s", said);
	return proc_of_netns(word, pid) || !access(path, F_OK) ? 0 : make(said, e);
}

/**
 * lab_file_netns() - Make each namespace that the file names
 * @f:    file
 * @make: called once for each name; 0 or a negative errno
 * @e:    for it
 *
 * Return: 0, or what @make did.
 */
int lab_file_netns(const struct lab_file *f, int (*make)(const char *name, struct err *e),
		   struct err *e)
{
	const json_t *pf, *item;
	const char *name, *key;
	int rc = 0;

	json_object_foreach (json_object_get(f->host, "pfs"), name, pf) {
		json_object_foreach (json_object_get(pf, "vfs"), key, item)
			rc = rc ?: netns_of(json_object_get(item, "attach"), make, e);
		json_object_foreach (json_object_get(pf, "services"), key, item)
			rc = rc ?: netns_of(item, make, e);
	}
	return rc;
}
