/* SPDX-License-Identifier: Apache-2.0 */
/* Whose is a line of `ip link`? Words of its grammar are skipped, what is left is the device. */
#include <string.h>

#include "base/sock.h"
#include "cli/ip.h"

/* vf N WORD VALUE ...: how many words. */
static unsigned int vf_length(char *const *words)
{
	unsigned int n = words[1] ? 2 : 1;

	while (n > 1 && words[n] &&
	       (cli_is_vf_word(words[n]) || cli_matches(words[n], "qos") ||
		cli_matches(words[n], "proto")))
		n += words[n + 1] ? 2 : 1;
	return n;
}

/* How many words go on from here that name no device; 0: it is one. */
static unsigned int set_length(char *const *words)
{
	if (!strcmp(*words, "up") || !strcmp(*words, "down"))
		return 1;
	if (cli_matches(*words, "address") || !strcmp(*words, "mtu"))
		return 2;
	return strcmp(*words, "vf") ? cli_netdev_word(*words) : vf_length(words);
}

static unsigned int show_length(char *const *words)
{
	return cli_show_word(*words);
}

/* Which word is the device, -1: none, or the line asks for help. */
static int find_dev(char *const *words, unsigned int (*length)(char *const *words))
{
	int dev = -1;

	for (int i = 0; words[i];) {
		unsigned int n = length(&words[i]);
		bool named = !strcmp(words[i], "dev");

		if (!n && !named && cli_matches(words[i], "help"))
			return -1;
		if (!n && dev < 0 && words[i + named])
			dev = i + named;
		for (n = n ? n : 1U + named; n && words[i]; n--)
			i++;
	}
	return dev;
}

/* A NIC is in one namespace, and so are the switch's PFs: in that of the switch. */
static bool is_here(struct ip *ip)
{
	auto_of(json_decref) json_t *info = NULL;
	uint64_t theirs = 0, own = sock_netns();

	if (!cli_call_any(&ip->cli, "daemon.info", json_object(), &info, NULL))
		theirs = (uint64_t)json_integer_value(json_object_get(info, "netns"));
	return !own || !theirs || own == theirs;
}

static bool is_nic(const json_t *status)
{
	const char *kind = json_string_value(json_object_get(status, "kind"));

	return kind && !strcmp(kind, "hw");
}

/*
 * A NIC's own; else its host interface, or the uplink that it is named after. Who only has its name
 * is another.
 */
static unsigned int netdev_of(const char *name, const json_t *config, const json_t *status)
{
	const char *uplink = json_string_value(json_object_get(config, "uplink_arg"));

	if (is_nic(status) || json_is_true(json_object_get(config, "host_if")))
		return (unsigned int)json_integer_value(json_object_get(status, "ifindex"));
	return uplink && !strcmp(uplink, name) ? if_nametoindex(name) : 0;
}

static void fill(struct ip_pf *pf, const char *name, const json_t *got)
{
	snprintf(pf->name, sizeof(pf->name), "%s", name);
	pf->nic = is_nic(json_object_get(got, "status"));
	pf->ifindex =
		netdev_of(name, json_object_get(got, "config"), json_object_get(got, "status"));
	if (!pf->ifindex || !if_indextoname(pf->ifindex, pf->netdev))
		pf->ifindex = 0;
}

/* All PFs, as they are now. None where no daemon runs, or this user may not ask it. */
static void read_pfs(struct ip *ip, struct ip_pfs *out)
{
	auto_of(json_decref) json_t *names = NULL;
	const json_t *name;
	size_t i;

	*out = (struct ip_pfs){ 0 };
	if (cli_call_all(&ip->cli, "pf.list", &names, NULL) || !is_here(ip))
		return;
	out->pfs = calloc(json_array_size(names) + 1, sizeof(*out->pfs));
	json_array_foreach (names, i, name) {
		const char *pf = json_string_value(name);
		auto_of(json_decref) json_t *got = NULL;

		if (out->pfs && !cli_call_pf(&ip->cli, pf, "pf.get", json_object(), &got, NULL))
			fill(&out->pfs[out->n++], pf, got);
	}
}

/* Of a device by any of its names; those longer than a socket's calls take the real ip knows. */
static unsigned int index_of(const struct ip *ip, const char *dev)
{
	auto_of(json_decref) json_t *shown = NULL;
	auto_free char *text = NULL;
	struct ip plain = *ip;
	char *options[] = { (char[]){ "-json" }, NULL, NULL };

	if (strlen(dev) < IFNAMSIZ)
		return if_nametoindex(dev);
	plain.options = options;
	plain.n_options = 1;
	plain.colour_auto = false;
	if (ip_capture(&plain,
		       (char *[]){ (char[]){ "link" }, (char[]){ "show" }, (char[]){ "dev" },
				   (char *)(uintptr_t)dev, NULL },
		       &text))
		return 0;
	shown = json_loads(text, 0, NULL);
	return (unsigned int)json_integer_value(
		json_object_get(json_array_get(shown, 0), "ifindex"));
}

static const struct ip_pf *find_pf(const struct ip *ip, const struct ip_pfs *all, const char *dev)
{
	unsigned int ifindex;

	for (size_t i = 0; i < all->n; i++)
		if (!strcmp(all->pfs[i].name, dev))
			return &all->pfs[i];
	ifindex = all->n ? index_of(ip, dev) : 0;
	for (size_t i = 0; ifindex && i < all->n; i++)
		if (all->pfs[i].ifindex == ifindex)
			return &all->pfs[i];
	return NULL;
}

static bool fits(const char *typed, const char *word, const char *other)
{
	return cli_matches(typed, word) || cli_matches(typed, other);
}

/* The command and the device of a line; false: nothing we have to do with. */
static bool read_line(char *const *words, struct ip_line *line)
{
	const char *command;

	*line = (struct ip_line){ .dev = -1 };
	if (!words[0] || !cli_matches(words[0], "link"))
		return false;
	command = words[1] ? words[1] : "show";
	line->words = words + (words[1] ? 2 : 1);
	if (fits(command, "set", "change")) {
		line->run = ip_set;
		line->dev = find_dev(line->words, set_length);
		return line->dev >= 0;
	}
	if (fits(command, "show", "list") || cli_matches(command, "lst")) {
		line->run = ip_show;
		line->dev = find_dev(line->words, show_length);
		return true;
	}
	return false;
}

/**
 * ip_ours() - Is a line about a PF, or does it list all links?
 * @ip:    run
 * @words: from the object on
 * @line:  filled if so; ends with ip_line_end()
 */
bool ip_ours(struct ip *ip, char *const *words, struct ip_line *line)
{
	if (!read_line(words, line))
		return false;
	read_pfs(ip, &line->all);
	if (line->dev >= 0)
		line->pf = find_pf(ip, &line->all, line->words[line->dev]);
	if (line->dev < 0 ? line->all.n != 0 : line->pf != NULL)
		return true;
	ip_line_end(line);
	return false;
}

/**
 * ip_line_end() - Free what a line holds
 * @line: filled by ip_ours()
 */
void ip_line_end(struct ip_line *line)
{
	free(line->all.pfs);
}

/**
 * ip_any() - Is there any PF here?
 * @ip: run
 */
bool ip_any(struct ip *ip)
{
	struct ip_pfs all;

	read_pfs(ip, &all);
	free(all.pfs);
	return all.n;
}
