/* SPDX-License-Identifier: Apache-2.0 */
/* The command line's first words: options, then the object that reads the rest. */
#include "cli/noun.h"

#include <stdio.h>
#include <string.h>

static const char link_usage[] =
	"anyvf [-s] [-d] [-o] [-br] [-j [-p]] link show [[dev] PF] [up]\n"
	"anyvf link set [dev] PF [up|down] [mtu MTU] [address LLADDR]\n"
	"      [vf N [mac LLADDR] [vlan VLANID [qos PRIO] [proto 802.1Q|802.1ad]] [rate MBPS]\n"
	"            [max_tx_rate MBPS] [min_tx_rate MBPS] [spoofchk on|off] [query_rss on|off]\n"
	"            [trust on|off] [state auto|enable|disable]]...\n";

static const char pf_usage[] =
	"anyvf pf add PF [uplink none | uplink dev NETDEV [force] | uplink dpdk DEVARGS]\n"
	"       [host-if on|off] [numvfs N] [mode veb|vepa] [mtu MTU] [mac LLADDR]\n"
	"       [unknown-unicast uplink|both]\n"
	"anyvf pf add NETDEV hw [numvfs N [force]] [mtu MTU] [mac LLADDR] [drift report|repair]\n"
	"       [eswitch legacy|switchdev]\n"
	"       [groups none|NAME[:max=MBPS][:min=MBPS],...]  (VFs of a NIC that share rates)\n"
	"anyvf pf set PF WORD VALUE ...    (the words of add)\n"
	"anyvf pf del PF [reset]          (a NIC stays as it is, or has no VFs afterwards)\n"
	"anyvf [-j [-p]] pf show [PF]\n"
	"anyvf [-j [-p]] pf drift [PF]     (what somebody else has changed on a NIC)\n"
	"anyvf [-br] [-j [-p]] pf discover (functions of this host that have SR-IOV)\n";

static const char vf_usage[] =
	"anyvf vf attach PF N vhost [socket PATH] [client]\n"
	"anyvf vf attach PF N tap NAME [netns NS]\n"
	"anyvf vf attach PF N vfio | netdev [netns NS] [name X] | macvtap [name X]\n"
	"anyvf vf detach PF N\n"
	"anyvf vf release PF N             (detach, and back to the defaults)\n"
	"anyvf vf set PF N WORD VALUE ...\n"
	"anyvf vf set PF N trunk add|rem LIST [native VLAN|none]\n"
	"anyvf vf set PF N allowed [add|rem] MAC[,MAC ...]|none\n"
	"anyvf vf set PF N promisc off|unmatched|true (at most this, if a trusted guest asks)\n"
	"anyvf vf set PF N learning N|off  (addresses behind a bridge in the guest)\n"
	"anyvf vf set PF N group NAME|none  (one of its NIC's groups)\n"
	"anyvf vf set PF N storm [broadcast RATE|off] [multicast RATE|off]\n"
	"anyvf [-j [-p]] vf show [PF [N]]\n"
	"anyvf [-j [-p]] vf drops PF N     (why frames were dropped, with the last for each "
	"reason)\n";

static const char mirror_usage[] =
	"anyvf mirror add NAME from {vf PF N | pf PF | uplink PF | vlan PF V} [in|out|both]\n"
	"       [filter vlan LIST | filter ether TYPE | filter pcap EXPR]... [snap BYTES]\n"
	"       to DESTINATION\n"
	"anyvf mirror set NAME WORD ...    (words of add; \"filter none\" takes the filters away)\n"
	"anyvf mirror del NAME\n"
	"anyvf [-j [-p]] mirror show [NAME]\n"
	"Directions are the VM's: in is what it gets, out what it sends. Destinations:\n";

static const char capture_usage[] =
	"anyvf capture PF {vf N | pf | uplink | vlan V} [in|out|both] [drops] [filter EXPR]\n"
	"      [-c PACKETS] [-s BYTES] [-w FILE|-] [-q]\n"
	"Writes pcapng: anyvf capture p2p1 vf 2 | tcpdump -nr -\n"
	"Directions are the VM's; drops shows what the switch dropped too, with the reason.\n";

static const char svc_usage[] =
	"anyvf svc add PF NAME [mac LLADDR] [vlan ID] [mtu MTU] [netns NS]\n"
	"anyvf svc set PF NAME vlan ID\n"
	"anyvf svc del PF NAME\n"
	"anyvf [-j [-p]] svc show [PF]\n";

static const char host_usage[] =
	"anyvf [-j [-p]] host list\n"
	"anyvf [-j [-p]] host add HOST [hours N] (a token by which a machine joins: anyvf up "
	"--join)\n"
	"anyvf host disable HOST [reason TEXT]   (no new servers)\n"
	"anyvf host enable HOST\n"
	"anyvf host drain HOST [--stop]          (disable it, list its servers, stop them)\n"
	"anyvf host remove HOST [--force]        (one that is down and has no server)\n"
	"Each takes --config FILE behind its command.\n";

static const char store_usage[] =
	"anyvf store copy [--config FILE] FROM TO\n"
	"FROM and TO as [api] store: sqlite:PATH, etcd:URL[,URL...][/PREFIX]; TO is empty.\n";

/* iproute2's order: the first that an abbreviation fits wins. */
static const struct cli_command link_commands[] = {
	{ "set", cli_link_set },  { "change", cli_link_set }, { "show", cli_link_show },
	{ "lst", cli_link_show }, { "list", cli_link_show },  { NULL, NULL },
};

static const struct cli_command host_commands[] = {
	{ "list", cli_host_list },     { "show", cli_host_list },
	{ "add", cli_host_add },       { "disable", cli_host_disable },
	{ "enable", cli_host_enable }, { "drain", cli_host_drain },
	{ "remove", cli_host_remove }, { NULL, NULL },
};
static const struct cli_command store_commands[] = { { "copy", cli_store_copy }, { NULL, NULL } };

static int complete(struct cli *cli);

const struct cli_object cli_objects[] = {
	{ .word = "link",
	  .commands = link_commands,
	  .help = "VF settings in the words of ip-link(8)",
	  .usage = link_usage,
	  .fields = vf_fields,
	  .words = BIT(VF_FIELD_GROUP) - 1,
	  .more = "dev up down mtu address vf rate",
	  .abbreviates = true },
	{ .word = "ip",
	  .run = cli_ip,
	  .help = "ip(8), and its `link` knows PFs",
	  .usage = "", /* the real ip's */
	  .own_options = true,
	  .verbatim = true },
	{ .word = "pf",
	  .commands = cli_pf_commands,
	  .help = "physical functions: add, set, del, show, drift, discover",
	  .usage = pf_usage,
	  .fields = pf_fields,
	  .words = PF_SET_WORDS,
	  .more = "hw reset none dev dpdk force on off veb vepa both" },
	{ .word = "vf",
	  .commands = cli_vf_commands,
	  .help = "what VFs are plugged into, and settings ip-link(8) has no words for",
	  .usage = vf_usage,
	  .fields = vf_fields,
	  .words = VF_SET_WORDS,
	  .more = "vhost socket client tap netns any none add rem "
		  "storm broadcast multicast on off unmatched true" },
	{ .word = "mirror",
	  .commands = cli_mirror_commands,
	  .help = "copy frames of a VF, PF, wire or VLAN to a VF, tap, file or another host",
	  .usage = mirror_usage,
	  .fields = mirror_destinations,
	  .words = BIT(MIRROR_TO_CAPTURE) - 1,
	  .more = "from pf uplink vlan in out both filter ether pcap none snap to id version" },
	{ .word = "capture",
	  .run = cli_capture,
	  .help = "frames of a VF, PF, wire or VLAN as pcapng, for tcpdump and Wireshark",
	  .usage = capture_usage,
	  .more = "vf pf uplink vlan in out both drops filter -c -s -w -q",
	  .own_options = true },
	{ .word = "svc",
	  .commands = cli_svc_commands,
	  .help = "service ports: taps on a PF, with no VF",
	  .usage = svc_usage,
	  .fields = svc_fields,
	  .words = SVC_ADD_WORDS },
	{ .word = "top",
	  .run = cli_top,
	  .help = "what each VF does right now",
	  .usage = "anyvf [-j [-p]] top [PF] [sort all|rx|tx|rx-pps|tx-pps|drops|mirrored]\n"
		   "          [every SECONDS] [count N]\n",
	  .more = "sort every count all rx tx rx-pps tx-pps drops mirrored" },
	{ .word = "metrics",
	  .run = cli_metrics,
	  .help = "what this host counts, for Prometheus",
	  .usage = "anyvf metrics [openmetrics] [sriov]\n",
	  .more = "openmetrics sriov" },
	{ .word = "web",
	  .run = cli_web,
	  .help = "this host's PFs, VFs and mirrors as a page in your browser",
	  .usage = "anyvf web [--listen ADDRESS:PORT | --stdio] [--write]\n"
		   "    (the address of loopback; --stdio: for a program, as Cockpit's page;\n"
		   "     --write: links, rates, attachments and mirrors can be changed on it)\n",
	  .more = "--listen --stdio --write",
	  .own_options = true },
	{ .word = "export",
	  .run = cli_export,
	  .help = "this host's PFs, VFs, service ports and mirrors as one file",
	  .usage = "anyvf export [--hash]\n",
	  .more = "--hash",
	  .own_options = true },
	{ .word = "diff",
	  .run = cli_diff,
	  .help = "what is other here than in such a file",
	  .usage = "anyvf [-j [-p]] diff FILE|-    (exit code 0: nothing, 2: something, "
		   "1: an error)\n" },
	{ .word = "apply",
	  .run = cli_apply,
	  .help = "make this host as such a file says, all of it or nothing",
	  .usage = "anyvf [-j [-p]] apply FILE|- [-n] [force] [--confirm SECONDS] [--expect HASH]\n"
		   "      [--config FILE]\n"
		   "    (-n: only what would be done, exit code 2 if something; force: leased VFs "
		   "and\n"
		   "     those in use as well; HASH: of `anyvf export --hash`;\n"
		   "     --config: PFs that this configuration has and FILE has not stay)\n",
	  .more = "-n force --confirm --expect --config",
	  .own_options = true },
	{ .word = "confirm",
	  .run = cli_confirm,
	  .help = "keep what was applied with --confirm",
	  .usage = "anyvf confirm\n" },
	{ .word = "revert",
	  .run = cli_revert,
	  .help = "take back what waits to be confirmed, or what was applied last",
	  .usage = "anyvf revert\n" },
	{ .word = "up",
	  .run = cli_up,
	  .help = "start the daemons, and libvirt if nobody did; make the configured PFs",
	  .usage = "anyvf up [--join URL] [--token TOKEN | --token-file FILE|-] [--config FILE]\n"
		   "    (TOKEN: of `anyvf host add`, by which this machine becomes a host; once)\n",
	  .more = "--join --token --token-file --config" },
	{ .word = "down",
	  .run = cli_down,
	  .help = "stop the guests, then what `up` started",
	  .usage = "anyvf down [--keep-guests] [--config FILE]\n",
	  .more = "--keep-guests --config" },
	{ .word = "status",
	  .run = cli_status,
	  .help = "what runs, and why something does not",
	  .usage = "anyvf [-j [-p]] status [--config FILE]\n",
	  .more = "--config" },
	{ .word = "bugreport",
	  .run = cli_bugreport,
	  .help = "what others need to see of this host when something is wrong, as a tar",
	  .usage = "anyvf bugreport [FILE] [--config FILE]    (without secrets; FILE: a new one)\n",
	  .more = "--config" },
	{ .word = "lab",
	  .run = cli_lab,
	  .help = "a throw-away switch, and API, for one command",
	  .usage = "anyvf lab FILE|- [--dir DIR] [-- COMMAND [WORD...]]    (without: a shell)\n"
		   "    FILE is one of `anyvf export`, beside \"pfs\" and \"mirrors\" with\n"
		   "    \"lab\": {\"api\": true, \"hosts\": N, \"cores\": \"LIST\"} if asked for.\n"
		   "    COMMAND has ANYVF_RUN_DIR, ANYVF_LAB and OS_*; the exit code is its own.\n",
	  .more = "--dir",
	  .own_options = true },
	{ .word = "host",
	  .commands = host_commands,
	  .help = "hosts of the cloud: list, add, disable, enable, drain, remove",
	  .usage = host_usage,
	  .more = "reason hours --stop --force --config" },
	{ .word = "store",
	  .commands = store_commands,
	  .help = "move what the API keeps from one store to another",
	  .usage = store_usage,
	  .more = "--config" },
	{ .word = "console",
	  .run = cli_console,
	  .help = "open a server's serial console",
	  .usage = "anyvf console VM [--uri URI] [--config FILE]    (VM: name or id; "
		   "Ctrl-] leaves)\n",
	  .more = "--uri --config" },
	{ .word = "complete",
	  .run = complete,
	  .help = NULL, /* the shells' business */
	  .usage = "anyvf complete [WORD...]    (words that may follow; for shells)\n" },
	{ .word = NULL },
};

static void print_objects(FILE *to)
{
	fputs("Usage: anyvf [-s] [-d] [-o] [-br] [-j [-p]] OBJECT COMMAND ...\n\n", to);
	for (const struct cli_object *o = cli_objects; o->word; o++)
		if (o->help)
			fprintf(to, "  %-8s %s\n", o->word, o->help);
	fputs("\nanyvf OBJECT help tells an object's commands; see also anyvf(8).\n", to);
}

static int print_usage(const struct cli_object *o)
{
	printf("%s", o->usage);
	for (const struct field *f = o->fields; f && f->word; f++)
		if (o->words >> (f - o->fields) & 1)
			printf("  %-15s %s\n", f->word, f->help);
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

static bool fits(const struct cli_object *o, const char *typed, const char *word)
{
	return o->abbreviates ? cli_matches(typed, word) : !strcmp(typed, word);
}

static const struct cli_object *find_object(const char *word)
{
	for (const struct cli_object *o = cli_objects; o->word; o++)
		if (fits(o, word, o->word))
			return o;
	return NULL;
}

/*
 * Whether help is asked for: by the word behind the object or its command, or by an option at the
 * line's end. `link` answers options as `ip link` does.
 */
static bool wants_help(const struct cli_object *o, const struct cli *cli)
{
	const char *last = NULL;
	size_t n = 0;

	if (o->verbatim)
		return false;
	while (cli->words[n] && strcmp(cli->words[n], "--")) /* behind it they are others' */
		last = cli->words[n++];
	if (!n || o->abbreviates)
		return n && !strcmp(cli->words[0], "help");
	return !strcmp(cli->words[0], "help") || find_option(last) == 'h' ||
	       (o->commands && n == 2 && !strcmp(last, "help") && strcmp(cli->words[0], "del"));
}

/* Without a command an object is shown, as `ip link` is. */
static int run_object(const struct cli_object *o, struct cli *cli)
{
	const char *word;

	if (wants_help(o, cli))
		return print_usage(o);
	if (o->run)
		return o->run(cli);
	word = cli_next(cli);
	for (const struct cli_command *c = o->commands; c->word; c++)
		if (fits(o, word ? word : "show", c->word))
			return c->run(cli);
	return cli_unknown(o->word, word);
}

static void print_pfs(struct cli *cli)
{
	auto_of(json_decref) json_t *names = NULL;
	const json_t *name;
	size_t i;

	if (cli_call_all(cli, "pf.list", &names, NULL))
		return;
	json_array_foreach (names, i, name)
		puts(json_string_value(name));
}

/* The words that may follow those given, one a line: objects, commands, then their words. */
static int complete(struct cli *cli)
{
	const char *word = cli_next(cli);
	const struct cli_object *o = word ? find_object(word) : NULL;
	const char *at = o && o->more ? o->more : "";

	for (const struct cli_object *any = cli_objects; !word && any->word; any++)
		if (any->help)
			puts(any->word);
	if (!o)
		return CLI_OK;
	for (const struct cli_command *c = o->commands; c && c->word && !*cli->words; c++)
		puts(c->word);
	if (o->commands && !*cli->words)
		return CLI_OK;
	for (const struct field *f = o->fields; f && f->word; f++)
		if (o->words >> (f - o->fields) & 1)
			puts(f->word);
	for (size_t n; (n = strcspn(at, " ")); at += n + (at[n] == ' '))
		printf("%.*s\n", (int)n, at);
	if (o->commands || o->own_options || o->run == cli_top)
		print_pfs(cli);
	return CLI_OK;
}

/* Whether the object, the first word, wants to read options itself. */
static bool reads_options(char *const words[], unsigned int n)
{
	const struct cli_object *o = n ? find_object(words[0]) : NULL;

	return o && o->own_options;
}

/* Options before the object must be ours; behind it, what is no option is a word. */
static int split_words(struct cli *cli, int argc, char *const argv[], char **words)
{
	unsigned int n = 0;

	for (int i = 1; i < argc; i++) {
		char what = reads_options(words, n) ? 0 : find_option(argv[i]);

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

static int run(int argc, char *const argv[])
{
	auto_free char **words = calloc((size_t)argc + 1, sizeof(*words));
	struct cli cli = { .words = words, .run_dir = ctl_run_dir(), .argv = argv };
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
	return run_object(o, &cli);
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
	int rc = run(argc, argv);
	struct err e = { 0 };

	if (!fflush(stdout) && !ferror(stdout))
		return rc;
	err_errno(&e, "standard output");
	return rc ? rc : cli_error(&e);
}
