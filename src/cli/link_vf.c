/* SPDX-License-Identifier: Apache-2.0 */
/* `anyvf link show`: VFs as iproute2 6.1 prints them; what a NIC does not tell is not shown. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/link_show.h"

/* Counters that ip(8) has columns for. */
#define COLUMNS (VF_COUNTS_ALL & ~(1U << VF_COUNT_MIRRORED | 1U << VF_COUNT_DROPS))

/**
 * link_print_num() - A counter as link_print_num() of iproute2 6.1 has it
 * @cli:   run; with -h at most three digits and a prefix
 * @width: of the column
 * @n:     counter
 */
void link_print_num(const struct cli *cli, int width, uint64_t n)
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

static const char *proto_name(const struct cli *cli, uint8_t proto)
{
	if (cli->numeric)
		return proto == VF_PROTO_8021Q ? "[33024]" : "[34984]";
	return vf_fields[VF_FIELD_PROTO].names[proto];
}

/* A counter, or "-" where nobody tells it. */
static void print_count(const struct cli *cli, int width, const struct vf_info *info,
			enum vf_count count, uint64_t n)
{
	if (info->untold.counts >> count & 1)
		printf("%*s ", width, "-");
	else
		link_print_num(cli, width, n);
}

/* Where nobody counts frames, no column has anything, and ip(8) would print zeros. */
static void print_vf_stats(const struct cli *cli, const struct vf_info *info)
{
	const struct vf_stats *s = &info->stats;

	if (info->untold.counts >> VF_COUNT_RX_PACKETS & 1) {
		printf("%s    statistics: not told %s", eol(cli), info->untold.why);
		return;
	}
	printf("%s    RX: bytes  packets  mcast   bcast   dropped %s    ", eol(cli), eol(cli));
	link_print_num(cli, 10, s->rx_bytes);
	link_print_num(cli, 8, s->rx_packets);
	print_count(cli, 7, info, VF_COUNT_RX_MULTICAST, s->rx_multicast);
	print_count(cli, 7, info, VF_COUNT_RX_BROADCAST, s->rx_broadcast);
	print_count(cli, 8, info, VF_COUNT_RX_DROPPED, s->rx_dropped);
	printf("%s    TX: bytes  packets   dropped %s    ", eol(cli), eol(cli));
	link_print_num(cli, 10, s->tx_bytes);
	link_print_num(cli, 8, s->tx_packets);
	print_count(cli, 8, info, VF_COUNT_TX_DROPPED, vf_stats_tx_dropped(s));
}

static const char *enum_word(enum vf_field field, uint8_t value)
{
	return vf_fields[field].names[value];
}

static const char *on_off(bool on)
{
	return on ? "on" : "off";
}

static bool is_told(const struct vf_info *info, enum vf_field field)
{
	return !(info->status.untold >> field & 1);
}

/**
 * link_print_vf() - A VF's lines: order and conditions are those of print_vfinfo()
 * @cli:  run
 * @vf:   number
 * @info: VF
 */
void link_print_vf(const struct cli *cli, unsigned int vf, const struct vf_info *info)
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
	if (is_told(info, VF_FIELD_SPOOFCHK))
		printf(", spoof checking %s", on_off(c->spoofchk));
	if (is_told(info, VF_FIELD_STATE))
		printf(", link-state %s", enum_word(VF_FIELD_STATE, c->link));
	if (is_told(info, VF_FIELD_TRUST))
		printf(", trust %s", on_off(c->trust));
	if (is_told(info, VF_FIELD_QUERY_RSS))
		printf(", query_rss %s", on_off(c->query_rss));
	if (cli->stats)
		print_vf_stats(cli, info);
}

static json_t *vf_stats_json(const struct vf_info *info)
{
	const struct vf_stats *s = &info->stats;
	json_t *rx = json_object(), *tx = json_object(), *j;
	const struct {
		json_t *to;
		const char *key;
		enum vf_count count;
		uint64_t n;
	} all[] = {
		{ rx, "bytes", VF_COUNT_RX_BYTES, s->rx_bytes },
		{ rx, "packets", VF_COUNT_RX_PACKETS, s->rx_packets },
		{ rx, "multicast", VF_COUNT_RX_MULTICAST, s->rx_multicast },
		{ rx, "broadcast", VF_COUNT_RX_BROADCAST, s->rx_broadcast },
		{ rx, "dropped", VF_COUNT_RX_DROPPED, s->rx_dropped },
		{ tx, "tx_bytes", VF_COUNT_TX_BYTES, s->tx_bytes },
		{ tx, "tx_packets", VF_COUNT_TX_PACKETS, s->tx_packets },
		{ tx, "dropped", VF_COUNT_TX_DROPPED, vf_stats_tx_dropped(s) },
	};

	for (unsigned int i = 0; i < ARRAY_LEN(all); i++)
		if (!(info->untold.counts >> all[i].count & 1))
			put_int(all[i].to, all[i].key, all[i].n);
	j = json_pack("{s:o, s:o}", "rx", rx, "tx", tx);
	if (info->untold.counts & COLUMNS)
		put_str(j, "not_told", info->untold.why);
	return j;
}

/**
 * link_vf_json() - A VF's member of "vfinfo_list"
 * @cli:  run
 * @vf:   number
 * @info: VF
 *
 * Return: a new reference.
 */
json_t *link_vf_json(const struct cli *cli, unsigned int vf, const struct vf_info *info)
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
	if (is_told(info, VF_FIELD_SPOOFCHK))
		json_object_set_new(j, "spoofchk", json_boolean(c->spoofchk));
	if (is_told(info, VF_FIELD_STATE))
		put_str(j, "link_state", enum_word(VF_FIELD_STATE, c->link));
	if (is_told(info, VF_FIELD_TRUST))
		json_object_set_new(j, "trust", json_boolean(c->trust));
	if (is_told(info, VF_FIELD_QUERY_RSS))
		json_object_set_new(j, "query_rss_en", json_boolean(c->query_rss));
	if (cli->stats)
		json_object_set_new(j, "stats", vf_stats_json(info));
	return j;
}
