/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces of a host's file, which may be named by their path or by a process, get the names that
 * they are kept under, so that they compare with those: of a process also when it began.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/proc.h"
#include "cli/hostfile.h"

/* Of an object that has one. A process that there is not is refused by whoever is to go there. */
static void last(json_t *j)
{
	const char *said = json_string_value(json_object_get(j, "netns"));
	char word[VF_NAME_LEN + 1], pid[PROC_PID_LEN], path[PROC_PID_LEN + sizeof("/run/netns/")];
	uint64_t born;

	if (!said || strlen(said) >= sizeof(word))
		return;
	strcpy(word, said);
	if (proc_of_netns(word, pid)) {
		snprintf(path, sizeof(path), "/run/netns/%s", pid);
		if (!access(path, F_OK)) /* a name, which comes first as with ip-link(8) */
			return;
		snprintf(path, sizeof(path), "/proc/%s", pid);
		auto_close int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0 || !(born = proc_born(dir)))
			return;
		snprintf(word, sizeof(word), "%s:%" PRIu64, pid, born);
	}
	json_object_set_new(j, "netns", json_string(word));
}

/**
 * hostfile_netns() - Name namespaces as they are kept
 * @root: of host_read()
 */
void hostfile_netns(json_t *root)
{
	const char *name, *key;
	json_t *pf, *item;

	json_object_foreach (json_object_get(root, "pfs"), name, pf) {
		json_object_foreach (json_object_get(pf, "vfs"), key, item)
			last(json_object_get(item, "attach"));
		json_object_foreach (json_object_get(pf, "services"), key, item)
			last(item);
	}
}
