/* SPDX-License-Identifier: Apache-2.0 */
/* The command line's first words: options, then the object that reads the rest. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

static const char link_usage[] =
	"anyvf [-s] [-d] [-o] [-br] [-j [-p]] link show [[dev] PF] [up]\n"
	"anyvf link set [dev] PF [up|down] [mtu MTU] [address LLADDR]\n"
	"      [vf N [mac LLADDR] [vlan VLANID [qos PRIO] [proto 802.1Q|802.1ad]] [rate MBPS]\n"
	"            [max_tx_rate MBPS] [min_tx_rate MBPS] [spoofchk on|off] [query_rss on|off]\n"
	"            [trust on|off] [state auto|enable|disable]]...\n";

/* link is abbreviated as iproute2 does; the other objects are not iproute2's. */
const struct cli_object cli_objects[] = {
	{ "link", cli_link, "VF settings in the words of ip-link(8)", link_usage },
	{ NULL, NULL, NULL, NULL },
};

static void print_objects(FILE *to)
{
	fputs("Usage: anyvf [-s] [-d] [-o] [-br] [-j [-p]] OBJECT COMMAND ...\n\n", to);
	for (const struct cli_object *o = cli_objects; o->word; o++)
		fprintf(to, "  %-8s %s\n", o->word, o->help);
	fputs("\nanyvf OBJECT help tells an object's commands; see also anyvf(8).\n", to);
}

static int print_usage(const struct cli_object *o)
{
	printf("%s", o->usage);
	return CLI_OK;
}

/* Options in iproute2's order and spellings; with one dash or two. */
static const struct option {
	const char *word;
	size_t min_len; /* shortest abbreviation, with its dash */
	char what;
} options[] = {
	{ "-stats", 2, 's' },	{ "-statistics", 2, 's' }, { "-details", 2, 'd' },
	{ "-oneline", 2, 'o' }, { "-brief", 3, 'b' },	   { "-json", 2, 'j' },
	{ "-color", 2, 'c' },	{ "-pretty", 2, 'p' },	   { "-help", 2, 'h' },
	{ "-Version", 2, 'V' },
};

static bool set_option(struct cli *cli, char what)
{
	switch (what) {
	case 's':
		cli->stats++;
		return true;
	case 'd':
		cli->details = true;
		return true;
	case 'o':
		cli->oneline = true;
		return true;
	case 'b':
		cli->brief = true;
		return true;
	case 'j':
		cli->json = true;
		return true;
	case 'p':
		cli->pretty = true;
		return true;
	case 'c': /* we print no colours */
		return true;
	}
	return false;
}

/* The letter of an option, 0 if the word is none. */
static char find_option(const char *word)
{
	if (word[0] == '-' && word[1] == '-')
		word++;
	for (unsigned int i = 0; i < ARRAY_LEN(options); i++)
		if (strlen(word) >= options[i].min_len && cli_matches(word, options[i].word))
			return options[i].what;
	return 0;
}

static const struct cli_object *find_object(const char *word)
{
	for (const struct cli_object *o = cli_objects; o->word; o++)
		if (!strcmp(word, o->word) || (o->run == cli_link && cli_matches(word, o->word)))
			return o;
	return NULL;
}

/* Options before the object must be ours; behind it, what is no option is a word. */
static int split_words(struct cli *cli, int argc, char *const argv[], char **words)
{
	unsigned int n = 0;

	for (int i = 1; i < argc; i++) {
		char what = find_option(argv[i]);

		if (argv[i][0] == '-' && !n && !what) {
			fprintf(stderr, "Option \"%s\" is unknown, try \"anyvf -help\".\n",
				argv[i]);
			return CLI_USAGE;
		}
		if (!n && what == 'V') {
			puts("anyvf " ANYVF_VERSION);
			exit(CLI_OK);
		}
		if (!n && what == 'h') {
			print_objects(stdout);
			exit(CLI_OK);
		}
		if (!what || !set_option(cli, what))
			words[n++] = argv[i];
	}
	words[n] = NULL;
	return CLI_OK;
}

/**
 * cli_main() - Run one command line
 * @argc: as main() has it
 * @argv: likewise
 *
 * Return: the exit code.
 */
int cli_main(int argc, char *const argv[])
{
	auto_free char **words = calloc((size_t)argc + 1, sizeof(*words));
	struct cli cli = { .words = words, .run_dir = ctl_run_dir() };
	const struct cli_object *o;
	const char *word;

	if (!words || split_words(&cli, argc, argv, words))
		return CLI_USAGE;
	word = cli_next(&cli);
	if (!word || !strcmp(word, "help")) {
		print_objects(word ? stdout : stderr);
		return word ? CLI_OK : CLI_USAGE;
	}
	o = find_object(word);
	if (!o) {
		fprintf(stderr, "Object \"%s\" is unknown, try \"anyvf help\".\n", word);
		return CLI_FAIL;
	}
	return cli_accept(&cli, "help") ? print_usage(o) : o->run(&cli);
}

/**
 * cli_link() - anyvf link: which command?
 * @cli: words start behind `link`
 *
 * Return: the exit code.
 */
int cli_link(struct cli *cli)
{
	static const struct {
		const char *word;
		int (*run)(struct cli *cli);
	} commands[] = {
		{ "set", cli_link_set },  { "change", cli_link_set }, { "show", cli_link_show },
		{ "lst", cli_link_show }, { "list", cli_link_show },
	};
	const char *word = cli_next(cli);

	if (!word)
		return cli_link_show(cli);
	for (unsigned int i = 0; i < ARRAY_LEN(commands); i++)
		if (cli_matches(word, commands[i].word))
			return commands[i].run(cli);
	return cli_unknown("link", word);
}
