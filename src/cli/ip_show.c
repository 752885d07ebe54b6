/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ip link show`: the real ip shows the netdevs, and the VFs of those that are a PF's come where
 * iproute2 6.1 has them (print_linkinfo() there); PFs without a netdev follow.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cli/ip.h"

/* Whose VFs the real ip does not show. */
static const struct ip_pf *pf_of(const struct ip_pfs *all, json_int_t ifindex)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->pfs[i].ifindex && all->pfs[i].ifindex == ifindex && !all->pfs[i].nic)
			return &all->pfs[i];
	return NULL;
}

/* VFs stand behind all of a link but its altnames. */
static const char *vfs_place(const char *link, const char *end, char eol)
{
	static const char altname[] = "    altname ";
	const char *at = end;

	for (;;) {
		const char *line = memrchr(link, eol, (size_t)(at - link));

		if (!line || strncmp(line + 1, altname, sizeof(altname) - 1))
			return at;
		at = line;
	}
}

/* @end: its last line's end. */
static int put_link(struct ip *ip, const struct ip_pfs *all, const char *link, const char *end)
{
	const struct ip_pf *pf = ip->cli.brief ? NULL : pf_of(all, strtol(link, NULL, 10));
	const char *place = pf ? vfs_place(link, end, ip->cli.oneline ? '\\' : '\n') : end;
	int rc = CLI_OK;

	fwrite(link, 1, (size_t)(place - link), stdout);
	if (pf)
		rc = cli_link_vfs(&ip->cli, pf->name, NULL);
	fwrite(place, 1, (size_t)(end - place), stdout);
	return rc;
}

/* A link begins with its index, its further lines with blanks. */
static int put_text(struct ip *ip, const struct ip_pfs *all, const char *text)
{
	int rc = CLI_OK;

	while (*text && !rc) {
		const char *end = strchrnul(text, '\n');

		while (*end && end[1] && !isdigit((unsigned char)end[1]))
			end = strchrnul(end + 1, '\n');
		rc = put_link(ip, all, text, end);
		if (*end)
			putchar('\n');
		text = end + (*end != '\0');
	}
	return rc;
}

static int add_vfs(struct ip *ip, const struct ip_pfs *all, json_t *link)
{
	json_int_t ifindex = json_integer_value(json_object_get(link, "ifindex"));
	const struct ip_pf *pf = pf_of(all, ifindex);
	auto_of(json_decref) json_t *vfs = json_array();
	auto_of(json_decref) json_t *names = json_incref(json_object_get(link, "altnames"));
	int rc = pf ? cli_link_vfs(&ip->cli, pf->name, vfs) : CLI_OK;

	if (json_array_size(vfs))
		json_object_set(link, "vfinfo_list", vfs);
	if (json_array_size(vfs) && names) {
		json_object_del(link, "altnames");
		json_object_set(link, "altnames", names);
	}
	return rc;
}

/* Shows the PFs without a netdev, if the line is not about one device. */
static int put_rest(struct ip *ip, const struct ip_line *line, json_t *list)
{
	auto_of(json_decref) json_t *names = json_array();
	struct cli cli = ip->cli;

	for (size_t i = 0; !line->pf && i < line->all.n; i++)
		if (!line->all.pfs[i].ifindex)
			json_array_append_new(names, json_string(line->all.pfs[i].name));
	cli.words = line->words;
	return json_array_size(names) ? cli_link_append(&cli, names, list) : CLI_OK;
}

static int put_json(struct ip *ip, const struct ip_line *line, const char *text)
{
	auto_of(json_decref) json_t *list = json_loads(text, JSON_ALLOW_NUL, NULL);
	int rc = CLI_OK;
	json_t *link;
	size_t i;

	if (!json_is_array(list)) { /* what is not UTF-8 stays as the real ip wrote it */
		fputs(text, stdout);
		return CLI_OK;
	}
	json_array_foreach (list, i, link)
		if (!rc && !ip->cli.brief)
			rc = add_vfs(ip, &line->all, link);
	rc = rc ? rc : put_rest(ip, line, list);
	return rc ? rc : cli_print_json(&ip->cli, list);
}

/* The line as the real ip gets it: a PF goes by its netdev's name. */
static char **real_words(const struct ip_line *line)
{
	static char link[] = "link", show[] = "show";
	char **words = ip_words((char *[]){ link, show, NULL }, line->words);

	if (words && line->pf)
		words[2 + line->dev] = (char *)(uintptr_t)line->pf->netdev;
	return words;
}

/**
 * ip_show() - struct ip_line.run of `link show`
 * @ip:   run
 * @line: names a PF, or no device at all
 *
 * Return: an exit code.
 */
int ip_show(struct ip *ip, const struct ip_line *line)
{
	auto_free char **words = real_words(line);
	auto_free char *text = NULL;
	struct cli cli = ip->cli;
	int rc;

	cli.words = line->words;
	if (line->pf && !line->pf->ifindex)
		return cli_link_show(&cli);
	rc = words ? ip_capture(ip, words, &text) : CLI_FAIL;
	if (rc) {
		fputs(text ? text : "", stdout);
		return rc;
	}
	if (ip->cli.json)
		return put_json(ip, line, text);
	rc = put_text(ip, &line->all, text);
	return rc ? rc : put_rest(ip, line, NULL);
}
