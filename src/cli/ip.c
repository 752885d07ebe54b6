/* SPDX-License-Identifier: Apache-2.0 */
/* `anyvf ip`: its options, as iproute2 6.1 reads them, and who does what they ask for. */
#include "cli/ip.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

/* The first that an abbreviation fits wins. */
static const struct option {
	const char *word;
	char what; /* 0: the real ip's alone */
	bool has_value, in_full;
} options[] = {
	{ "-loops", 0, true, false },
	{ "-family", 0, true, false },
	{ "-4", 0, false, true },
	{ "-6", 0, false, true },
	{ "-0", 0, false, true },
	{ "-M", 0, false, true },
	{ "-B", 0, false, true },
	{ "-human-readable", 'h', false, false },
	{ "-iec", 'i', false, false },
	{ "-stats", 's', false, false },
	{ "-statistics", 's', false, false },
	{ "-details", 'd', false, false },
	{ "-resolve", 0, false, false },
	{ "-oneline", 'o', false, false },
	{ "-timestamp", 0, false, false },
	{ "-tshort", 0, false, false },
	{ "-Version", '?', false, false },
	{ "-force", 'f', false, false },
	{ "-batch", 'b', true, false },
	{ "-brief", 'B', false, false },
	{ "-json", 'j', false, false },
	{ "-pretty", 'p', false, false },
	{ "-rcvbuf", 0, true, false },
	{ "-color", 'c', false, false },
	{ "-help", '?', false, false },
	{ "-netns", 'n', true, false },
	{ "-Numeric", 'N', false, false },
	{ "-all", 0, false, false },
	{ "-echo", 0, false, true },
};

/* -color[=always|auto|never] */
static bool is_colour(const char *word)
{
	static const char *const when[] = { "=always", "=auto", "=never" };
	size_t len = strcspn(word, "=");

	for (unsigned int i = 0; i < ARRAY_LEN(when); i++)
		if (word[len] && !strcmp(word + len, when[i]))
			return !strncmp(word, "-color", len);
	return !word[len] && cli_matches(word, "-color");
}

static const struct option *find_option(const char *word)
{
	for (const struct option *o = options; o < options + ARRAY_LEN(options); o++)
		if (o->what == 'c' ? is_colour(word)
		    : o->in_full   ? !strcmp(word, o->word)
				   : cli_matches(word, o->word))
			return o;
	return NULL;
}

static void set_option(struct ip *ip, char what, const char *word, const char *value)
{
	struct cli *cli = &ip->cli;
	bool *const flags[128] = {
		['h'] = &cli->human,   ['i'] = &cli->iec,   ['d'] = &cli->details,
		['o'] = &cli->oneline, ['B'] = &cli->brief, ['j'] = &cli->json,
		['p'] = &cli->pretty,  ['f'] = &ip->force,  ['N'] = &cli->numeric,
	};

	if (flags[(int)what])
		*flags[(int)what] = true;
	else if (what == 's')
		cli->stats++;
	else if (what == 'c')
		ip->colour_auto = strstr(word, "=auto");
	else if (what == 'b')
		ip->batch = value;
	else if (what == 'n')
		ip->netns = value;
}

/* False: the real ip answers all of it, be it help, its version, or a refusal. */
static bool read_options(struct ip *ip)
{
	char *const *at = ip->given;

	for (; *at && **at == '-' && strcmp(*at, "--"); at++) {
		const char *word = *at + ((*at)[1] == '-');
		const struct option *o = find_option(word);

		if (!o || o->what == '?' || (o->has_value && !at[1]))
			return false;
		if (o->what != 'b')
			ip->options[ip->n_options++] = *at;
		if (o->has_value)
			at++;
		if (o->has_value && o->what != 'b')
			ip->options[ip->n_options++] = *at;
		set_option(ip, o->what, word, *at);
	}
	ip->words = at + (*at && !strcmp(*at, "--"));
	return ip->batch || *ip->words;
}

/* What ip -netns does: words for devices are looked up there from now on. */
static bool enter(const char *netns)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && !setns(fd, CLONE_NEWNET);
}

static int run(struct ip *ip)
{
	struct ip_line line;
	int rc;

	if (!read_options(ip) || (!ip->batch && !cli_matches(*ip->words, "link")) ||
	    (ip->netns && !enter(ip->netns)) || (ip->batch && !ip_any(ip)))
		return ip_exec(ip, ip->given);
	if (ip->batch)
		return ip_batch(ip);
	if (!ip_ours(ip, ip->words, &line))
		return ip_exec(ip, ip->given);
	rc = line.run(ip, &line);
	ip_line_end(&line);
	return rc;
}

/**
 * cli_ip() - anyvf ip ...: ip(8), and its `link` knows PFs
 * @cli: words start behind `ip`
 *
 * Return: the exit code; what is not about a PF is the real ip's, which takes over the process.
 */
int cli_ip(struct cli *cli)
{
	struct ip ip = { .cli = { .run_dir = cli->run_dir }, .given = cli->words };
	size_t n = 0;
	int rc;

	if (!ip_find(&ip)) {
		fputs("ip: there is no real ip on the PATH\n", stderr);
		return IP_NO_PROGRAM;
	}
	while (cli->words[n])
		n++;
	ip.options = calloc(n + 2, sizeof(*ip.options));
	rc = ip.options ? run(&ip) : ip_exec(&ip, ip.given);
	free(ip.options);
	return rc;
}
