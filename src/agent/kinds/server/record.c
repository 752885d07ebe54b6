/* SPDX-License-Identifier: Apache-2.0 */
/* The record of a server: what has to outlive the agent. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/kinds/server/server.h"

/* In the run directory; written by `anyvf down` when it has ended the guests. */
#define GUESTS_ENDED "guests-ended"

static void record_path(const struct agent *a, const struct entity *x, char out[PATH_MAX])
{
	char dir[PATH_MAX];

	agent_server_dir(a, x->id, dir);
	snprintf(out, PATH_MAX, "%.*s/record", PATH_MAX - 8, dir);
}

/**
 * server_keep() - Keep what a restarted agent has to know of a server
 * @a: agent
 * @s: server; its directory exists
 */
void server_keep(const struct agent *a, const struct server *s)
{
	const struct server_have *have = &s->facts.have;
	char path[PATH_MAX];

	record_path(a, &s->facts.entity, path);
	record_write(path,
		     json_pack("{s:s,s:b,s:i,s:i,s:i,s:i,s:i,s:b,s:I,s:s,s:s,s:o}", "boot_id",
			       a->boot_id, "started", s->started, "reboot", (int)have->reboot,
			       "rebuild", (int)have->rebuild, "rescue", (int)have->rescue, "disk",
			       (int)have->disk, "spare", have->spare, "halted", have->halted,
			       "halted_generation", (json_int_t)have->halted_generation, "copied",
			       s->copied, "exported", s->exported, "export_fault",
			       report_words(s->export_fault)));
}

/* `anyvf down` ended the guests, and says so: the record is older than its word. */
static bool ended_by_down(const struct agent *a, const char *record)
{
	char path[PATH_MAX];
	struct stat word, st;

	snprintf(path, sizeof(path), "%s/" GUESTS_ENDED, a->opts.run_dir);
	return !stat(path, &word) && !stat(record, &st) &&
	       (st.st_mtim.tv_sec < word.st_mtim.tv_sec ||
		(st.st_mtim.tv_sec == word.st_mtim.tv_sec &&
		 st.st_mtim.tv_nsec < word.st_mtim.tv_nsec));
}

/**
 * server_recall() - Know what an agent before this one has kept of a server
 * @a: agent
 * @s: new server
 */
void server_recall(const struct agent *a, struct server *s)
{
	struct server_have *have = &s->facts.have;
	auto_of(json_decref) json_t *r = NULL;
	const char *boot_id = "", *copied = "", *exported = "", *fault = "";
	json_int_t halted_generation = 0;
	int started = 0, halted = 0, reboot = 0, rebuild = 0, rescue = 0, disk = 0;
	char path[PATH_MAX];

	agent_server_dir(a, s->facts.entity.id, path);
	have->files = !access(path, F_OK);
	record_path(a, &s->facts.entity, path);
	r = record_read(path);
	if (!r || json_unpack(r, "{s:s,s:b,s:i,s?i,s?i,s?i,s?i,s:b,s:I,s?s,s?s,s?s}", "boot_id",
			      &boot_id, "started", &started, "reboot", &reboot, "rebuild", &rebuild,
			      "rescue", &rescue, "disk", &disk, "spare", &have->spare, "halted",
			      &halted, "halted_generation", &halted_generation, "copied", &copied,
			      "exported", &exported, "export_fault", &fault))
		return;
	snprintf(s->copied, sizeof(s->copied), "%s", copied);
	snprintf(s->exported, sizeof(s->exported), "%s", exported);
	snprintf(s->export_fault, sizeof(s->export_fault), "%s", fault);
	/* Another boot, or `anyvf down`: what ran then did not end by itself. */
	s->started = started && !strcmp(boot_id, a->boot_id) && !ended_by_down(a, path);
	have->reboot = (unsigned int)reboot;
	have->rebuild = (unsigned int)rebuild;
	have->rescue = (unsigned int)rescue;
	have->disk = (unsigned int)disk;
	have->halted = halted;
	have->halted_generation = (uint64_t)halted_generation;
	have->was_active = s->started;
}
