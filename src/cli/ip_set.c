/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ip link set` of a PF: the switch takes what is for the PF and its VFs, all or nothing, then the
 * real ip what is for its netdev. What that refuses is taken back from the switch.
 */
#include "cli/ip.h"

/* @of's members, with the values that @had has. */
static json_t *old_values(const json_t *of, const json_t *had)
{
	json_t *old = json_object();
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)of, key, value)
		json_object_set(old, key, json_object_get(had, key));
	return old;
}

static json_t *config_of(const json_t *had)
{
	return json_object_get(had, "config");
}

/* Sets again, to what they were in @had, the settings that @told has. */
static void take_back(struct ip *ip, const char *pf, const json_t *told, const json_t *had)
{
	json_t *vfs = json_array(), *vf;
	struct err e = { 0 };
	size_t i;

	json_array_foreach (json_object_get(told, "vfs"), i, vf) {
		json_t *n = json_object_get(vf, "vf");
		const json_t *was =
			json_array_get(json_object_get(had, "vfs"), (size_t)json_integer_value(n));

		json_array_append_new(
			vfs, json_pack("{s:O, s:o}", "vf", n, "set",
				       old_values(json_object_get(vf, "set"), config_of(was))));
	}
	if (cli_call_pf(&ip->cli, pf, "pf.set",
			json_pack("{s:o, s:o}", "set",
				  old_values(json_object_get(told, "set"), config_of(had)), "vfs",
				  vfs),
			NULL, &e))
		fprintf(stderr, "anyvf: %s keeps its part of the line: %s\n", pf, e.msg);
}

/* The real ip's part: `link set dev NETDEV` and what of the line is for it. */
static int set_netdev(struct ip *ip, const struct ip_pf *pf, char **words)
{
	static char link[] = "link", set[] = "set", dev[] = "dev";
	char *first[] = { link, set, dev, (char *)(uintptr_t)pf->netdev, NULL };
	auto_free char **all = ip_words(first, words);

	return all ? ip_run(ip, all, STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO) : CLI_FAIL;
}

/* @words is the line under the PF's own name. */
static int set_both(struct ip *ip, const struct ip_pf *pf, char **words, char **room)
{
	struct netdev_words netdev = { .there = *pf->netdev, .words = room };
	auto_of(json_decref) json_t *had = NULL, *told = NULL;
	struct cli cli = ip->cli;
	struct err e = { 0 };
	int rc = 0;

	cli.words = words;
	cli.netdev = &netdev;
	if (netdev.there)
		rc = cli_call_pf(&ip->cli, pf->name, "pf.get", json_pack("{s:b}", "vfs", 1), &had,
				 &e);
	if (rc)
		return cli_error(&e);
	rc = cli_link_set(&cli);
	told = netdev.told;
	if (rc || !netdev.n)
		return rc;
	room[netdev.n] = NULL;
	rc = set_netdev(ip, pf, room);
	if (rc && told)
		take_back(ip, pf->name, told, had);
	return rc;
}

/**
 * ip_set() - struct ip_line.run of `link set`
 * @ip:   run
 * @line: names a PF
 *
 * What the kernel did to the netdev before it refused a later word of the line stays, as it does
 * with ip(8).
 *
 * Return: an exit code.
 */
int ip_set(struct ip *ip, const struct ip_line *line)
{
	char *none[] = { NULL };
	auto_free char **words = ip_words(line->words, none);
	auto_free char **room = ip_words(line->words, none);

	if (!words || !room)
		return CLI_FAIL;
	words[line->dev] = (char *)(uintptr_t)line->pf->name;
	return set_both(ip, line->pf, words, room);
}
