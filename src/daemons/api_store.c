/* SPDX-License-Identifier: Apache-2.0 */
/* The API's store: what it is opened with, the keys its documents are sealed with, and copies. */
#include "daemons/api_store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/uuid.h"

/**
 * api_store_keys() - The keys that a store's documents are sealed with
 * @conf: the configuration
 * @url:  of the store, as [api] store
 * @out:  gets them, unless there are any already; NULL: nothing is sealed
 * @e:    why not
 *
 * Where the file is not there it is made, with one key: a replica of a cloud whose documents are
 * sealed already says whose key it lacks.
 *
 * Return: 0; what the file says. Context: root's, as the file is.
 */
int api_store_keys(const struct conf *conf, const char *url, struct seal **out, struct err *e)
{
	const char *path = conf_get(conf, "api", "store_keys");
	int rc = 0;

	if (*out || strncmp(url, "etcd:", 5) || !strcmp(path, "off"))
		return 0;
	if (access(path, F_OK)) {
		rc = seal_make(path, e);
		if (!rc)
			log_info("made a key for the documents in etcd: every replica needs it",
				 "file=%s", path);
	}
	return rc ?: seal_load(path, out, e);
}

/**
 * api_store_opts() - What the store is opened with
 * @conf: the configuration; what @out names is its
 * @loop: that runs the store
 * @seal: of api_store_keys()
 * @out:  gets it
 */
void api_store_opts(const struct conf *conf, struct loop *loop, const struct seal *seal,
		    struct store_opts *out)
{
	*out = (struct store_opts){
		.loop = loop,
		.trust = { .ca_file = conf_get(conf, "api", "store_ca"),
			   .certificate = conf_get(conf, "api", "store_certificate"),
			   .key = conf_get(conf, "api", "store_key") },
		.seal = seal,
	};
}

/**
 * api_store_join() - Serve one cloud, whatever a configuration says later
 * @st:        the store
 * @state_dir: the replica's, with a file that names the cloud from the first time on
 * @e:         why not
 *
 * Two clouds that are given one prefix would be one, with the users of the first.
 *
 * Return: 0; -EEXIST: another cloud's replica has this directory; what the file says.
 */
int api_store_join(const struct store *st, const char *state_dir, struct err *e)
{
	const char *cloud = store_cloud(st);
	auto_free char *path = NULL, *have = NULL;
	char line[UUID_STR_LEN + 1];
	int rc;

	if (!*cloud)
		return 0;
	if (asprintf(&path, "%s/cloud", state_dir) < 0)
		return -ENOMEM;
	snprintf(line, sizeof(line), "%s\n", cloud);
	rc = access(path, F_OK) ? -ENOENT : file_read(path, sizeof(line), &have, NULL, e);
	if (rc == -ENOENT) {
		log_info("a replica of this cloud from now on", "cloud=%s file=%s", cloud, path);
		return file_replace(path, line, strlen(line), 0600, e);
	}
	if (!rc && strcmp(have, line) != 0)
		rc = err_set(e, -EEXIST,
			     "the store has cloud %s, but %s says that this is a replica of cloud "
			     "%.36s: give each cloud a prefix of its own, or remove the file",
			     cloud, path, have);
	return rc;
}

/**
 * api_store_copy() - Copy all documents of one store into another, empty one
 * @conf: what both are opened with
 * @seal: likewise
 * @from: as [api] store; no API works on it
 * @to:   likewise
 * @e:    why not
 *
 * Return: 0; as store_copy() and store_open().
 */
int api_store_copy(const struct conf *conf, const struct seal *seal, const char *from,
		   const char *to, struct err *e)
{
	auto_of(loop_free) struct loop *loop = loop_new(e);
	auto_of(store_close) struct store *source = NULL, *target = NULL;
	struct store_opts opts;
	unsigned int n = 0;
	int rc = loop ? 0 : -ENOMEM;

	api_store_opts(conf, loop, seal, &opts);
	rc = rc ?: store_open(from, &opts, &source, e);
	if (rc) {
		err_prefix(e, "%s", from);
		return rc;
	}
	rc = store_open(to, &opts, &target, e);
	if (rc) {
		err_prefix(e, "%s", to);
		return rc;
	}
	rc = store_copy(source, target, &n, e);
	if (rc)
		err_prefix(e, "%s to %s", from, to);
	else
		printf("%u documents\n", n);
	return rc;
}
