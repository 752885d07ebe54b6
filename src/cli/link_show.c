/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `anyvf link show`: PFs and their VFs as iproute2 6.1 prints links and vfinfo
 * (ip/ipaddress.c there), text and JSON. docs/sriov.md tells what a line has.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/if.h>
#include <stdio.h>
#include <string.h>

#include "cli/link_show.h"

#define N_COLS	     7	  /* of a PF's statistics: bytes, packets, errors, dropped, ... */
#define N_ERRORS     5	  /* kinds of them, with -s -s */
#define IPV6_MIN_MTU 1280 /* below, the kernel's IPv6 lets go of an interface */

/* What the words of a line choose. */
struct filter {
	const char *dev;
	bool up;
	bool none; /* no PF is what they ask for: has a master, is of some type */
};

/* Order: print_link_flags() of iproute2, without those that no Ethernet has. */
static const struct flag {
	const char *name;
	uint32_t bit;
} flags[] = {
	{ "BROADCAST", IFF_BROADCAST }, { "MULTICAST", IFF_MULTICAST }, { "NOARP", IFF_NOARP },
	{ "ALLMULTI", IFF_ALLMULTI },	{ "PROMISC", IFF_PROMISC },	{ "MASTER", IFF_MASTER },
	{ "SLAVE", IFF_SLAVE },		{ "DEBUG", IFF_DEBUG },		{ "DYNAMIC", IFF_DYNAMIC },
	{ "AUTOMEDIA", IFF_AUTOMEDIA }, { "PORTSEL", IFF_PORTSEL },	{ "UP", IFF_UP },
	{ "LOWER_UP", IFF_LOWER_UP },	{ "DORMANT", IFF_DORMANT },	{ "ECHO", IFF_ECHO },
};

static bool is_nic(const struct pf_info *pf)
{
	return !strcmp(pf->status.kind, "hw");
}

/* The kernel's; a software PF's as those of a netdev that is as it is. */
static uint32_t flags_of(const struct pf_info *pf)
{
	if (is_nic(pf))
		return pf->status.link.flags;
	return IFF_BROADCAST | IFF_MULTICAST | (pf->config.up ? IFF_UP : 0) |
	       (pf->config.up && pf->status.carrier ? IFF_RUNNING | IFF_LOWER_UP : 0);
}

static bool no_carrier(const struct pf_info *pf)
{
	return (flags_of(pf) & (IFF_UP | IFF_RUNNING)) == IFF_UP;
}

/* Facts of -d: what a kernel netdev has, the same for every PF of ours. */
static const struct detail {
	const char *text, *json;
	unsigned int value;
	const char *name; /* instead of a value */
} details[] = {
	{ "promiscuity", "promiscuity", 0, NULL },
	{ " allmulti", "allmulti", 0, NULL },
	{ "minmtu", "min_mtu", 68, NULL },
	{ "maxmtu", "max_mtu", 9216, NULL },
	{ "addrgenmode", "inet6_addr_gen_mode", 0, "eui64" },
	{ "numtxqueues", "num_tx_queues", 1, NULL },
	{ "numrxqueues", "num_rx_queues", 1, NULL },
	{ "gso_max_size", "gso_max_size", 65536, NULL },
	{ "gso_max_segs", "gso_max_segs", 65535, NULL },
	{ "tso_max_size", "tso_max_size", 65536, NULL },
	{ "tso_max_segs", "tso_max_segs", 65535, NULL },
	{ "gro_max_size", "gro_max_size", 65536, NULL },
	{ "parentbus", "parentbus", 0, "pci" },
};

/*
 * Of IPv6 the kernel has nothing to show where that is not on the interface. What a NIC's netdev
 * has, ip(8) tells.
 */
static bool has_detail(const struct pf_info *pf, const struct detail *d)
{
	if (is_nic(pf))
		return false;
	return pf->config.mtu >= IPV6_MIN_MTU || strcmp(d->text, "addrgenmode");
}

static const char *oper_state(const struct pf_info *pf)
{
	static const char *const names[] = { "UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN",
					     "TESTING", "DORMANT",    "UP" };

	if (is_nic(pf))
		return names[pf->status.link.oper < ARRAY_LEN(names) ? pf->status.link.oper : 0];
	return flags_of(pf) & IFF_RUNNING ? "UP" : "DOWN";
}

static const char *link_mode(const struct pf_info *pf)
{
	return pf->status.link.mode ? "DORMANT" : "DEFAULT";
}

static const char *qdisc_of(const struct pf_info *pf)
{
	return is_nic(pf) ? pf->status.link.qdisc : "noop";
}

static uint32_t txqlen_of(const struct pf_info *pf)
{
	return is_nic(pf) ? pf->status.link.txqlen : 1000;
}

/* Other names than that of group 0 stand in a file that this does not read. */
static const char *group_name(const struct cli *cli, const struct pf_info *pf, char out[16])
{
	if (!cli->numeric && !pf->status.link.group)
		return "default";
	snprintf(out, 16, "%u", pf->status.link.group);
	return out;
}

static void print_flags(const struct pf_info *pf)
{
	const char *sep = no_carrier(pf) ? "<NO-CARRIER," : "<";

	for (unsigned int i = 0; i < ARRAY_LEN(flags); i++) {
		if (!(flags_of(pf) & flags[i].bit))
			continue;
		printf("%s%s", sep, flags[i].name);
		sep = ",";
	}
	putchar('>');
}

static void print_details(const struct pf_info *pf)
{
	for (const struct detail *d = details; d < details + ARRAY_LEN(details); d++)
		if (!has_detail(pf, d))
			continue;
		else if (d->name)
			printf(" %s %s", d->text, d->name);
		else
			printf(" %s %u", d->text, d->value);
	if (is_nic(pf))
		printf(" parentbus %s", pf->status.link.bus);
	printf(" parentdev %s ", pf->status.pci_slot);
}

/* One direction: headings and numbers, each as wide as both directions need. */
static void print_columns(const struct cli *cli, const char *head, const char *const names[],
			  const uint64_t *values, const int *widths)
{
	printf("%s    %s %*s", eol(cli), head, widths[0] - 4, names[0]);
	for (unsigned int i = 1; i < N_COLS; i++)
		printf(" %*s", widths[i], names[i]);
	printf("%s    ", eol(cli));
	for (unsigned int i = 0; i < N_COLS - 1; i++)
		link_print_num(cli, widths[i], values[i]);
}

/* A second -s: kinds of errors. */
static void print_errors(const struct cli *cli, const char *head, const char *const names[],
			 const uint64_t *values, const int *widths)
{
	if (cli->stats < 2)
		return;
	printf("%s    %s errors:%*s", eol(cli), head, widths[0] - 10, "");
	for (unsigned int i = 0; i < N_ERRORS; i++)
		printf(" %*s", widths[i + 1], names[i]);
	printf("%s    %*s ", eol(cli), widths[0], "");
	for (unsigned int i = 0; i < N_ERRORS; i++)
		link_print_num(cli, widths[i + 1], values[i]);
}

static void print_pf_stats(const struct cli *cli, const struct pf_info *pf)
{
	static const char *const rx_names[] = { "bytes",  "packets", "errors", "dropped",
						"missed", "mcast",   "" };
	static const char *const tx_names[] = { "bytes",   "packets", "errors", "dropped",
						"carrier", "collsns", "" };
	static const char *const rx_errors[N_ERRORS] = { "length", "crc", "frame", "fifo",
							 "overrun" };
	static const char *const tx_errors[N_ERRORS] = { "aborted", "fifo", "window", "heartbt",
							 "transns" };
	const struct vf_stats *s = &pf->status.uplink;
	const struct pf_errors *err = &pf->status.errors; /* all 0 where the PF is software */
	uint64_t rx[] = { s->rx_bytes,	 s->rx_packets,	 err->rx_errors,
			  s->rx_dropped, err->rx_missed, s->rx_multicast };
	uint64_t tx[] = { s->tx_bytes,	   s->tx_packets,  err->tx_errors, vf_stats_tx_dropped(s),
			  err->tx_carrier, err->collisions };
	uint64_t rx_kinds[] = { err->rx_length, err->rx_crc, err->rx_frame, err->rx_fifo,
				err->rx_over };
	uint64_t tx_kinds[] = { err->tx_aborted, err->tx_fifo, err->tx_window, err->tx_heartbeat,
				err->carrier_changes };
	int widths[N_COLS] = { 10, 7, 6, 7, 7, 7, 10 };

	for (unsigned int i = 0; !cli->human && i < ARRAY_LEN(rx); i++) {
		widths[i] = MAX(widths[i], snprintf(NULL, 0, "%" PRIu64, rx[i]));
		widths[i] = MAX(widths[i], snprintf(NULL, 0, "%" PRIu64, tx[i]));
	}
	print_columns(cli, "RX:", rx_names, rx, widths);
	print_errors(cli, "RX", rx_errors, rx_kinds, widths);
	print_columns(cli, "TX:", tx_names, tx, widths);
	print_errors(cli, "TX", tx_errors, tx_kinds, widths);
}

static void print_pf(const struct cli *cli, const struct pf_info *pf)
{
	char mac[MAC_STR_LEN], group[16];

	mac_format(&pf->config.mac, mac);
	if (cli->brief) {
		printf("%-16s %-14s %s ", pf->config.name, oper_state(pf), mac);
		print_flags(pf);
		fputs(" \n", stdout);
		return;
	}
	printf("%u: %s: ", pf->status.ifindex, pf->config.name);
	print_flags(pf);
	printf(" mtu %u qdisc %s state %s mode %s group %s qlen %u%s", pf->config.mtu, qdisc_of(pf),
	       oper_state(pf), link_mode(pf), group_name(cli, pf, group), txqlen_of(pf), eol(cli));
	printf("    link/%s %s brd ff:ff:ff:ff:ff:ff", link_type(cli), mac);
	if (cli->details)
		print_details(pf);
	if (cli->stats)
		print_pf_stats(cli, pf);
}

static json_t *pf_stats_json(const struct cli *cli, const struct pf_info *pf)
{
	const struct vf_stats *s = &pf->status.uplink;
	const struct pf_errors *err = &pf->status.errors;
	static const char *const rx_errors[N_ERRORS] = {
		"length_errors", "crc_errors", "frame_errors", "fifo_errors", "missed_errors",
	};
	static const char *const tx_errors[N_ERRORS] = {
		"aborted_errors",   "fifo_errors",     "window_errors",
		"heartbeat_errors", "carrier_changes",
	};
	const uint64_t rx_kinds[] = { err->rx_length, err->rx_crc, err->rx_frame, err->rx_fifo,
				      err->rx_missed };
	const uint64_t tx_kinds[] = { err->tx_aborted, err->tx_fifo, err->tx_window,
				      err->tx_heartbeat, err->carrier_changes };
	json_t *rx = json_object(), *tx = json_object();

	put_int(rx, "bytes", s->rx_bytes);
	put_int(rx, "packets", s->rx_packets);
	put_int(rx, "errors", err->rx_errors);
	put_int(rx, "dropped", s->rx_dropped);
	put_int(rx, "over_errors", err->rx_over);
	put_int(rx, "multicast", s->rx_multicast);
	put_int(tx, "bytes", s->tx_bytes);
	put_int(tx, "packets", s->tx_packets);
	put_int(tx, "errors", err->tx_errors);
	put_int(tx, "dropped", vf_stats_tx_dropped(s));
	put_int(tx, "carrier_errors", err->tx_carrier);
	put_int(tx, "collisions", err->collisions);
	for (unsigned int i = 0; cli->stats > 1 && i < N_ERRORS; i++) {
		put_int(rx, rx_errors[i], rx_kinds[i]);
		put_int(tx, tx_errors[i], tx_kinds[i]);
	}
	return json_pack("{s:o, s:o}", "rx", rx, "tx", tx);
}

static json_t *flags_json(const struct pf_info *pf)
{
	json_t *list = no_carrier(pf) ? json_pack("[s]", "NO-CARRIER") : json_array();

	for (unsigned int i = 0; i < ARRAY_LEN(flags); i++)
		if (flags_of(pf) & flags[i].bit)
			json_array_append_new(list, json_string(flags[i].name));
	return list;
}

static json_t *brief_json(const struct pf_info *pf)
{
	json_t *j = json_object();
	char mac[MAC_STR_LEN];

	put_str(j, "ifname", pf->config.name);
	put_str(j, "operstate", oper_state(pf));
	put_str(j, "address", mac_format(&pf->config.mac, mac));
	json_object_set_new(j, "flags", flags_json(pf));
	return j;
}

static json_t *pf_json(const struct cli *cli, const struct pf_info *pf)
{
	json_t *j = json_object();
	char mac[MAC_STR_LEN], group[16];

	put_int(j, "ifindex", pf->status.ifindex);
	put_str(j, "ifname", pf->config.name);
	json_object_set_new(j, "flags", flags_json(pf));
	put_int(j, "mtu", pf->config.mtu);
	put_str(j, "qdisc", qdisc_of(pf));
	put_str(j, "operstate", oper_state(pf));
	put_str(j, "linkmode", link_mode(pf));
	put_str(j, "group", group_name(cli, pf, group));
	put_int(j, "txqlen", txqlen_of(pf));
	put_str(j, "link_type", link_type(cli));
	put_str(j, "address", mac_format(&pf->config.mac, mac));
	put_str(j, "broadcast", "ff:ff:ff:ff:ff:ff");
	for (unsigned int i = 0; cli->details && i < ARRAY_LEN(details); i++)
		if (has_detail(pf, &details[i]))
			json_object_set_new(j, details[i].json,
					    details[i].name ? json_string(details[i].name)
							    : json_integer(details[i].value));
	if (cli->details && is_nic(pf))
		put_str(j, "parentbus", pf->status.link.bus);
	if (cli->details)
		put_str(j, "parentdev", pf->status.pci_slot);
	if (cli->stats)
		json_object_set_new(j, "stats64", pf_stats_json(cli, pf));
	return j;
}

/* Its VFs: printed, or appended to @vfinfo when that is not NULL. */
static int show_vfs(const struct cli *cli, const char *pf, const json_t *vfs, json_t *vfinfo,
		    struct err *e)
{
	size_t n = json_array_size(vfs);
	auto_free struct vf_info *infos = calloc(n + 1, sizeof(*infos));

	for (size_t i = 0; i < n; i++) {
		int rc = infos ? ctl_vf_info_from_json(json_array_get(vfs, i), &infos[i], e)
			       : err_set(e, -ENOMEM, "no memory");

		if (rc)
			return rc;
		if (vfinfo)
			json_array_append_new(vfinfo,
					      link_vf_json(cli, (unsigned int)i, &infos[i]));
		else
			link_print_vf(cli, (unsigned int)i, &infos[i]);
	}
	cli_warn_twins(cli, pf, infos, n);
	return 0;
}

/* Prints one PF, or appends it to @list when that is not NULL. */
static int show_pf(const struct cli *cli, const json_t *got, json_t *list, struct err *e)
{
	const json_t *vfs = json_object_get(got, "vfs");
	json_t *j = NULL, *vfinfo = NULL;
	struct pf_info pf;
	int rc = ctl_pf_info_from_json(got, &pf, e);

	if (rc)
		return rc;
	if (list) {
		j = cli->brief ? brief_json(&pf) : pf_json(cli, &pf);
		json_array_append_new(list, j);
		vfinfo = json_array();
		if (json_array_size(vfs) && !cli->brief)
			json_object_set(j, "vfinfo_list", vfinfo);
	} else {
		print_pf(cli, &pf);
	}
	if (!cli->brief)
		rc = show_vfs(cli, pf.config.name, vfs, vfinfo, e);
	if (!list && !cli->brief)
		putchar('\n');
	json_decref(vfinfo);
	return rc;
}

static int no_device(const char *dev, int rc, const struct err *e)
{
	if (rc != -ENODEV)
		return cli_error(e);
	fprintf(stderr, "Device \"%s\" does not exist.\n", dev);
	return CLI_FAIL;
}

/* One PF, if the words choose it. */
static int show_one(struct cli *cli, const char *pf, const struct filter *f, json_t *list)
{
	auto_of(json_decref) json_t *got = NULL;
	struct err e = { 0 };
	int rc = cli_call_pf(cli, pf, "pf.get", json_pack("{s:b}", "vfs", 1), &got, &e);
	bool up = json_is_true(json_object_get(json_object_get(got, "config"), "up"));

	if (!rc && !f->none && (!f->up || up))
		rc = show_pf(cli, got, list, &e);
	else if (!rc && list && (f->dev || !f->none)) /* iproute2 opens the object, then looks */
		json_array_append_new(list, json_object());
	return rc ? no_device(pf, rc, &e) : CLI_OK;
}

/* [[dev] PF] [up] and words that choose among netdevs */
static int read_filter(struct cli *cli, struct filter *f)
{
	const char *word;

	while ((word = cli_next(cli))) {
		bool takes_value = cli_show_word(word) > 1;
		const char *value = takes_value || !strcmp(word, "dev") ? cli_next(cli) : word;

		if (!value)
			return cli_incomplete();
		if (!strcmp(word, "up"))
			f->up = true;
		else if (takes_value)
			f->none |= strcmp(word, "group") ||
				   (strcmp(value, "default") && strcmp(value, "0"));
		else if (!cli_show_word(word) && f->dev)
			return cli_garbage("dev", value);
		else if (!cli_show_word(word))
			f->dev = value;
	}
	return CLI_OK;
}

/**
 * cli_link_append() - Show PFs behind what was shown before
 * @cli:   words start behind `show`
 * @names: those to show; NULL: the one of the words, or all
 * @list:  gets JSON; NULL: they are printed
 *
 * Return: 0; 255 for a bad line; 1 when there is no such PF or no daemon.
 */
int cli_link_append(struct cli *cli, const json_t *names, json_t *list)
{
	auto_of(json_decref) json_t *all = NULL;
	struct filter f = { 0 };
	const json_t *name;
	struct err e = { 0 };
	int rc = read_filter(cli, &f);
	size_t i;

	if (rc)
		return rc;
	if (names)
		all = json_incref((json_t *)(uintptr_t)names);
	else if (f.dev)
		all = json_pack("[s]", f.dev);
	else if (cli_call_all(cli, "pf.list", &all, &e))
		return cli_error(&e);
	if (!all) /* not UTF-8 */
		return no_device(f.dev, -ENODEV, &e);
	json_array_foreach (all, i, name) {
		/* One that is gone hides none of the others. */
		int bad = show_one(cli, json_string_value(name), &f, list);

		rc = rc ?: bad;
	}
	return rc;
}

/**
 * cli_link_vfs() - Show the VFs of a PF whose own lines somebody else shows
 * @cli:    run
 * @pf:     name
 * @vfinfo: gets JSON; NULL: they are printed, each with a line's end before it
 *
 * Return: an exit code.
 */
int cli_link_vfs(struct cli *cli, const char *pf, json_t *vfinfo)
{
	auto_of(json_decref) json_t *got = NULL;
	struct err e = { 0 };
	int rc = cli_call_pf(cli, pf, "pf.get", json_pack("{s:b}", "vfs", 1), &got, &e);

	rc = rc ? rc : show_vfs(cli, pf, json_object_get(got, "vfs"), vfinfo, &e);
	return rc ? no_device(pf, rc, &e) : CLI_OK;
}

/**
 * cli_link_show() - anyvf link show [[dev] PF] [up] [group G] ...
 * @cli: words start behind `show`
 *
 * Return: 0; 255 for a bad line; 1 when there is no such PF or no daemon.
 */
int cli_link_show(struct cli *cli)
{
	auto_of(json_decref) json_t *list = cli->json ? json_array() : NULL;
	int rc = cli_link_append(cli, NULL, list);

	if (rc && !json_array_size(list))
		return rc;
	return (list ? cli_print_json(cli, list) : fflush(stdout) ? CLI_FAIL : CLI_OK) ?: rc;
}
