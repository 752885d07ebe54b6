/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `anyvf link show`: PFs and their VFs as iproute2 6.1 prints links and vfinfo
 * (ip/ipaddress.c there), text and JSON. docs/sriov.md tells what a line has.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

#define N_COLS	     7	  /* of a PF's statistics: bytes, packets, errors, dropped, ... */
#define N_ERRORS     5	  /* kinds of them, with -s -s */
#define IPV6_MIN_MTU 1280 /* below, the kernel's IPv6 lets go of an interface */

/* What the words of a line choose. */
struct filter {
	const char *dev;
	bool up;
	bool none; /* no PF is what they ask for: has a master, is of some type */
};

struct flag {
	const char *name;
	bool (*is_set)(const struct pf_info *pf);
};

static bool always(const struct pf_info *pf)
{
	return true;
}

static bool is_up(const struct pf_info *pf)
{
	return pf->config.up;
}

static bool is_running(const struct pf_info *pf)
{
	return pf->config.up && pf->status.carrier;
}

static bool no_carrier(const struct pf_info *pf)
{
	return pf->config.up && !pf->status.carrier;
}

/* Order: print_link_flags() */
static const struct flag flags[] = {
	{ "NO-CARRIER", no_carrier }, { "BROADCAST", always },
	{ "MULTICAST", always },      { "UP", is_up },
	{ "LOWER_UP", is_running },
};

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

/* Of IPv6, and the kernel has nothing to show where that is not on the interface. */
static bool has_detail(const struct pf_info *pf, const struct detail *d)
{
	return pf->config.mtu >= IPV6_MIN_MTU || strcmp(d->text, "addrgenmode");
}

static const char *oper_state(const struct pf_info *pf)
{
	return is_running(pf) ? "UP" : "DOWN";
}

/* Line break, or what -o prints instead. */
static const char *eol(const struct cli *cli)
{
	return cli->oneline ? "\\" : "\n";
}

/* print_num() of iproute2 6.1: with -h at most three digits and a prefix. */
static void print_num(const struct cli *cli, int width, uint64_t n)
{
	uint64_t base = cli->iec ? 1024 : 1000, unit = base, limit = 10;
	const char *prefix = "kMGTPE";
	int precision = 2;
	char text[32];

	if (!cli->human || n < base) {
		printf("%*" PRIu64 " ", width, n);
		return;
	}
	for (; n / base >= unit && prefix[1]; prefix++)
		unit *= base;
	for (; precision && n / unit >= limit; precision--)
		limit *= 10;
	snprintf(text, sizeof(text), "%.*f%c%s", precision, (double)n / (double)unit, *prefix,
		 cli->iec ? "i" : "");
	printf("%*s ", width, text);
}

/* With -N, names of numbers are not told. */
static const char *link_type(const struct cli *cli)
{
	return cli->numeric ? "[1]" : "ether"; /* ARPHRD_ETHER */
}

static const char *group_name(const struct cli *cli)
{
	return cli->numeric ? "0" : "default";
}

static const char *proto_name(const struct cli *cli, uint8_t proto)
{
	if (cli->numeric)
		return proto == VF_PROTO_8021Q ? "[33024]" : "[34984]";
	return vf_fields[VF_FIELD_PROTO].names[proto];
}

static void print_flags(const struct pf_info *pf)
{
	const char *sep = "<";

	for (unsigned int i = 0; i < ARRAY_LEN(flags); i++) {
		if (!flags[i].is_set(pf))
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
		print_num(cli, widths[i], values[i]);
}

/* A second -s: kinds of errors, none of which a software PF has. */
static void print_errors(const struct cli *cli, const char *head, const char *const names[],
			 const int *widths)
{
	if (cli->stats < 2)
		return;
	printf("%s    %s errors:%*s", eol(cli), head, widths[0] - 10, "");
	for (unsigned int i = 0; i < N_ERRORS; i++)
		printf(" %*s", widths[i + 1], names[i]);
	printf("%s    %*s ", eol(cli), widths[0], "");
	for (unsigned int i = 0; i < N_ERRORS; i++)
		printf("%*d ", widths[i + 1], 0);
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
	uint64_t rx[] = { s->rx_bytes, s->rx_packets, 0, s->rx_dropped, 0, s->rx_multicast };
	uint64_t tx[] = { s->tx_bytes, s->tx_packets, 0, vf_stats_tx_dropped(s), 0, 0 };
	int widths[N_COLS] = { 10, 7, 6, 7, 7, 7, 10 };

	for (unsigned int i = 0; !cli->human && i < ARRAY_LEN(rx); i++) {
		widths[i] = MAX(widths[i], snprintf(NULL, 0, "%" PRIu64, rx[i]));
		widths[i] = MAX(widths[i], snprintf(NULL, 0, "%" PRIu64, tx[i]));
	}
	print_columns(cli, "RX:", rx_names, rx, widths);
	print_errors(cli, "RX", rx_errors, widths);
	print_columns(cli, "TX:", tx_names, tx, widths);
	print_errors(cli, "TX", tx_errors, widths);
}

static void print_pf(const struct cli *cli, const struct pf_info *pf)
{
	char mac[MAC_STR_LEN];

	mac_format(&pf->config.mac, mac);
	if (cli->brief) {
		printf("%-16s %-14s %s ", pf->config.name, oper_state(pf), mac);
		print_flags(pf);
		fputs(" \n", stdout);
		return;
	}
	printf("%u: %s: ", pf->status.ifindex, pf->config.name);
	print_flags(pf);
	printf(" mtu %u qdisc noop state %s mode DEFAULT group %s qlen 1000%s", pf->config.mtu,
	       oper_state(pf), group_name(cli), eol(cli));
	printf("    link/%s %s brd ff:ff:ff:ff:ff:ff", link_type(cli), mac);
	if (cli->details)
		print_details(pf);
	if (cli->stats)
		print_pf_stats(cli, pf);
}

static void print_vf_stats(const struct cli *cli, const struct vf_stats *s)
{
	printf("%s    RX: bytes  packets  mcast   bcast   dropped %s    ", eol(cli), eol(cli));
	print_num(cli, 10, s->rx_bytes);
	print_num(cli, 8, s->rx_packets);
	print_num(cli, 7, s->rx_multicast);
	print_num(cli, 7, s->rx_broadcast);
	print_num(cli, 8, s->rx_dropped);
	printf("%s    TX: bytes  packets   dropped %s    ", eol(cli), eol(cli));
	print_num(cli, 10, s->tx_bytes);
	print_num(cli, 8, s->tx_packets);
	print_num(cli, 8, vf_stats_tx_dropped(s));
}

static const char *enum_word(enum vf_field field, uint8_t value)
{
	return vf_fields[field].names[value];
}

static const char *on_off(bool on)
{
	return on ? "on" : "off";
}

/* Order and conditions: print_vfinfo() */
static void print_vf(const struct cli *cli, unsigned int vf, const struct vf_info *info)
{
	const struct vf_config *c = &info->config;
	char mac[MAC_STR_LEN];

	printf("%s    vf %u     link/%s %s brd ff:ff:ff:ff:ff:ff", eol(cli), vf, link_type(cli),
	       mac_format(&c->mac, mac));
	if (c->vlan)
		printf(", vlan %u", c->vlan);
	if (c->qos)
		printf(", qos %u", c->qos);
	if (c->proto != VF_PROTO_8021Q)
		printf(", vlan protocol %s", proto_name(cli, c->proto));
	if (c->max_tx_mbit)
		printf(", tx rate %u (Mbps), max_tx_rate %uMbps", c->max_tx_mbit, c->max_tx_mbit);
	if (c->min_tx_mbit)
		printf(", min_tx_rate %uMbps", c->min_tx_mbit);
	printf(", spoof checking %s, link-state %s, trust %s, query_rss %s", on_off(c->spoofchk),
	       enum_word(VF_FIELD_STATE, c->link), on_off(c->trust), on_off(c->query_rss));
	if (cli->stats)
		print_vf_stats(cli, &info->stats);
}

static void put_int(json_t *j, const char *key, uint64_t value)
{
	json_object_set_new(j, key, json_integer((json_int_t)value));
}

static void put_str(json_t *j, const char *key, const char *value)
{
	json_object_set_new(j, key, json_string(value));
}

static json_t *vf_stats_json(const struct vf_stats *s)
{
	json_t *rx = json_object(), *tx = json_object();

	put_int(rx, "bytes", s->rx_bytes);
	put_int(rx, "packets", s->rx_packets);
	put_int(rx, "multicast", s->rx_multicast);
	put_int(rx, "broadcast", s->rx_broadcast);
	put_int(rx, "dropped", s->rx_dropped);
	put_int(tx, "tx_bytes", s->tx_bytes);
	put_int(tx, "tx_packets", s->tx_packets);
	put_int(tx, "dropped", vf_stats_tx_dropped(s));
	return json_pack("{s:o, s:o}", "rx", rx, "tx", tx);
}

static json_t *vf_json(const struct cli *cli, unsigned int vf, const struct vf_info *info)
{
	json_t *j = json_object(), *vlan = json_object();
	const struct vf_config *c = &info->config;
	char mac[MAC_STR_LEN];

	put_int(j, "vf", vf);
	put_str(j, "link_type", link_type(cli));
	put_str(j, "address", mac_format(&c->mac, mac));
	put_str(j, "broadcast", "ff:ff:ff:ff:ff:ff");
	if (c->vlan)
		put_int(vlan, "vlan", c->vlan);
	if (c->qos)
		put_int(vlan, "qos", c->qos);
	if (c->proto != VF_PROTO_8021Q)
		put_str(vlan, "protocol", proto_name(cli, c->proto));
	json_object_set_new(j, "vlan_list", json_pack("[o]", vlan));
	if (c->max_tx_mbit)
		put_int(j, "tx_rate", c->max_tx_mbit);
	json_object_set_new(j, "rate",
			    json_pack("{s:I, s:I}", "max_tx", (json_int_t)c->max_tx_mbit, "min_tx",
				      (json_int_t)c->min_tx_mbit));
	json_object_set_new(j, "spoofchk", json_boolean(c->spoofchk));
	put_str(j, "link_state", enum_word(VF_FIELD_STATE, c->link));
	json_object_set_new(j, "trust", json_boolean(c->trust));
	json_object_set_new(j, "query_rss_en", json_boolean(c->query_rss));
	if (cli->stats)
		json_object_set_new(j, "stats", vf_stats_json(&info->stats));
	return j;
}

static json_t *pf_stats_json(const struct cli *cli, const struct vf_stats *s)
{
	static const char *const rx_errors[N_ERRORS] = {
		"length_errors", "crc_errors", "frame_errors", "fifo_errors", "missed_errors",
	};
	static const char *const tx_errors[N_ERRORS] = {
		"aborted_errors",   "fifo_errors",     "window_errors",
		"heartbeat_errors", "carrier_changes",
	};
	json_t *rx = json_object(), *tx = json_object();

	put_int(rx, "bytes", s->rx_bytes);
	put_int(rx, "packets", s->rx_packets);
	put_int(rx, "errors", 0);
	put_int(rx, "dropped", s->rx_dropped);
	put_int(rx, "over_errors", 0);
	put_int(rx, "multicast", s->rx_multicast);
	put_int(tx, "bytes", s->tx_bytes);
	put_int(tx, "packets", s->tx_packets);
	put_int(tx, "errors", 0);
	put_int(tx, "dropped", vf_stats_tx_dropped(s));
	put_int(tx, "carrier_errors", 0);
	put_int(tx, "collisions", 0);
	for (unsigned int i = 0; cli->stats > 1 && i < N_ERRORS; i++) {
		put_int(rx, rx_errors[i], 0);
		put_int(tx, tx_errors[i], 0);
	}
	return json_pack("{s:o, s:o}", "rx", rx, "tx", tx);
}

static json_t *flags_json(const struct pf_info *pf)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < ARRAY_LEN(flags); i++)
		if (flags[i].is_set(pf))
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
	char mac[MAC_STR_LEN];

	put_int(j, "ifindex", pf->status.ifindex);
	put_str(j, "ifname", pf->config.name);
	json_object_set_new(j, "flags", flags_json(pf));
	put_int(j, "mtu", pf->config.mtu);
	put_str(j, "qdisc", "noop");
	put_str(j, "operstate", oper_state(pf));
	put_str(j, "linkmode", "DEFAULT");
	put_str(j, "group", group_name(cli));
	put_int(j, "txqlen", 1000);
	put_str(j, "link_type", link_type(cli));
	put_str(j, "address", mac_format(&pf->config.mac, mac));
	put_str(j, "broadcast", "ff:ff:ff:ff:ff:ff");
	for (unsigned int i = 0; cli->details && i < ARRAY_LEN(details); i++)
		if (has_detail(pf, &details[i]))
			json_object_set_new(j, details[i].json,
					    details[i].name ? json_string(details[i].name)
							    : json_integer(details[i].value));
	if (cli->details)
		put_str(j, "parentdev", pf->status.pci_slot);
	if (cli->stats)
		json_object_set_new(j, "stats64", pf_stats_json(cli, &pf->status.uplink));
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
			json_array_append_new(vfinfo, vf_json(cli, (unsigned int)i, &infos[i]));
		else
			print_vf(cli, (unsigned int)i, &infos[i]);
	}
	cli_warn_twins(pf, infos, n);
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
