/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `anyvf link set`: the grammar of iproute2 6.1 (ip/iplink.c there), in tables.
 * A line is read whole into one pf.set request and sent if all of it is good,
 * so it applies as a whole or not at all, however many VFs it names.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

#define MTU_MIN 68
#define MTU_MAX 9216 /* pf_config_check() */
#define UNSET	(-1)

/* The line so far. Functions that read words answer an exit code, CLI_OK to go on. */
struct line {
	struct cli *cli;
	const char *dev;
	bool dev_known; /* asked for, and there */
	json_t *set;	/* words of the PF */
	json_t *vfs;	/* [{vf, set}] */
	int refusal; /* errno the kernel would answer to the VF's words, whatever the daemon says */
	size_t addr_len; /* of `address`, 0: not given */
	bool addr_bad;	 /* no address for an interface */
	bool mtu_given;
};

struct vlan_words {
	bool given;
	uint32_t vlan, qos;
	const char *proto;
};

/* One `vf N ...` group. */
struct group {
	struct line *line;
	json_t *set;
	int64_t vf;
	int64_t rate, max, min;		 /* Mbit/s or UNSET */
	struct vlan_words plain, listed; /* of 802.1Q; of 802.1ad, which the kernel applies later */
	bool is_list, has_guid;		 /* further VLANs, InfiniBand: refused on Ethernet */
};

struct vf_word {
	const char *word;
	int (*read)(struct group *g, const struct vf_word *w, const char *value);
	const char *label; /* of the value in refusals, or the JSON member where they differ */
};

static int find_dev(struct line *l, struct err *e)
{
	int rc = l->dev_known ? 0 : cli_call_pf(l->cli, l->dev, "pf.get", json_object(), NULL, e);

	l->dev_known = !rc;
	return rc;
}

static int no_device(const struct line *l, int rc, const struct err *e)
{
	if (rc != -ENODEV)
		return cli_error(e);
	fprintf(stderr, "Cannot find device \"%s\"\n", l->dev);
	return CLI_FAIL;
}

static int bad_length(size_t len)
{
	fprintf(stderr, "Invalid address length %zu - must be %d bytes\n", len, MAC_LEN);
	return CLI_FAIL;
}

static json_t *lladdr_json(const uint8_t addr[32])
{
	char text[MAC_STR_LEN];
	struct mac mac;

	memcpy(mac.b, addr, MAC_LEN);
	return json_string(mac_format(&mac, text));
}

static int read_mac(struct group *g, const struct vf_word *w, const char *value)
{
	uint8_t addr[32];
	size_t len = cli_lladdr(value, addr);

	if (!len)
		return CLI_FAIL;
	if (len != MAC_LEN) /* of a device that is not there, iproute2 does not know the length */
		return find_dev(g->line, NULL) ? CLI_OK : bad_length(len);
	json_object_set_new(g->set, w->word, lladdr_json(addr));
	return CLI_OK;
}

/* 802.1Q and 802.1ad by name or number; other protocols iproute2 knows are refused by name. */
static int proto_parse(const char *text, const char **out)
{
	static const char *const others[] = { "loop",	 "ip",	 "ipv4", "arp", "ipv6", "all",
					      "mpls_uc", "lldp", "aarp", "ipx", "rarp" };
	uint32_t n = 0;

	if (cli_u32(text, &n) && n > UINT16_MAX)
		return cli_wrong(text, "protocol is invalid\n");
	*out = !strcasecmp(text, "802.1Q") || n == 0x8100    ? "802.1Q"
	       : !strcasecmp(text, "802.1ad") || n == 0x88a8 ? "802.1ad"
							     : NULL;
	if (*out)
		return CLI_OK;
	for (unsigned int i = 0; !n && i < ARRAY_LEN(others); i++)
		n = !strcasecmp(text, others[i]);
	if (n || cli_u32(text, &n))
		return cli_wrong(text, "Invalid \"vlan protocol\" value - supported 802.1Q, "
				       "802.1ad\n");
	return cli_wrong(text, "protocol is invalid\n");
}

/* ID [qos N] [proto P] */
static int read_vlan_words(struct cli *cli, const char *value, struct vlan_words *out)
{
	*out = (struct vlan_words){ .given = true, .proto = "802.1Q" };
	if (!cli_u32(value, &out->vlan) || out->vlan > 4095)
		return cli_wrong(value, "Invalid \"vlan\" value\n");
	if (*cli->words && cli_matches(*cli->words, "qos")) {
		cli_next(cli);
		value = cli_next(cli);
		if (!value)
			return cli_incomplete();
		if (!cli_u32(value, &out->qos))
			return cli_wrong(value, "Invalid \"qos\" value\n");
	}
	if (*cli->words && cli_matches(*cli->words, "proto")) {
		cli_next(cli);
		value = cli_next(cli);
		if (!value)
			return cli_incomplete();
		if (proto_parse(value, &out->proto))
			return CLI_USAGE;
	}
	return CLI_OK;
}

/* A vlan of 802.1Q stands alone; one of 802.1ad begins a list, and the next ones belong to it. */
static int read_vlan(struct group *g, const struct vf_word *w, const char *value)
{
	struct cli *cli = g->line->cli;
	struct vlan_words first, next;
	int rc = read_vlan_words(cli, value, &first);

	if (rc)
		return rc;
	if (!strcmp(first.proto, "802.1Q")) {
		g->plain = first;
		return CLI_OK;
	}
	g->listed = first;
	g->is_list = false;
	while (*cli->words && cli_matches(*cli->words, w->word)) {
		cli_next(cli);
		value = cli_next(cli);
		if (!value)
			return cli_incomplete();
		rc = read_vlan_words(cli, value, &next);
		if (rc)
			return rc;
		g->is_list = true;
	}
	return CLI_OK;
}

static void set_vlan(json_t *set, const struct vlan_words *v)
{
	if (!v->given)
		return;
	json_object_set_new(set, "vlan", json_integer(v->vlan));
	json_object_set_new(set, "qos", json_integer(MIN(v->qos, 255U)));
	json_object_set_new(set, "proto", json_string(v->proto));
}

static int read_rate(struct group *g, const struct vf_word *w, const char *value)
{
	int64_t *to = !strcmp(w->word, "rate")		? &g->rate
		      : !strcmp(w->word, "max_tx_rate") ? &g->max
							: &g->min;
	char why[64];
	uint32_t n;

	snprintf(why, sizeof(why), "Invalid \"%s\" value\n", w->label);
	if (!cli_u32(value, &n))
		return cli_wrong(value, why);
	*to = n;
	return CLI_OK;
}

static int read_on_off(struct group *g, const struct vf_word *w, const char *value)
{
	bool off = cli_matches(value, "off");

	if (!off && !cli_matches(value, "on")) {
		fprintf(stderr,
			"Error: argument of \"%s\" must be one of \"off\", \"on\", not \"%s\"\n",
			w->word, value);
		return CLI_FAIL;
	}
	json_object_set_new(g->set, w->word, json_boolean(!off));
	return CLI_OK;
}

static int read_state(struct group *g, const struct vf_word *w, const char *value)
{
	static const char *const states[] = { "auto", "enable", "disable" };

	for (unsigned int i = 0; i < ARRAY_LEN(states); i++) {
		if (!cli_matches(value, states[i]))
			continue;
		json_object_set_new(g->set, w->word, json_string(states[i]));
		return CLI_OK;
	}
	return cli_wrong(value, "Invalid \"state\" value\n");
}

/* GUIDs belong to InfiniBand: the kernel refuses them on Ethernet. */
static int read_guid(struct group *g, const struct vf_word *w, const char *value)
{
	unsigned int b[8];
	int n = 0;

	if (strlen(value) != 23 ||
	    sscanf(value, "%2x:%2x:%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4],
		   &b[5], &b[6], &b[7], &n) != 8 ||
	    n != 23)
		return cli_wrong(value, "Invalid GUID format\n");
	g->has_guid = true;
	return CLI_OK;
}

/* The first word that an abbreviation fits wins: iproute2's order. */
static const struct vf_word vf_words[] = {
	{ "mac", read_mac, NULL },
	{ "vlan", read_vlan, NULL },
	{ "rate", read_rate, "rate" },
	{ "max_tx_rate", read_rate, "max tx rate" },
	{ "min_tx_rate", read_rate, "min tx rate" },
	{ "spoofchk", read_on_off, NULL },
	{ "query_rss", read_on_off, NULL },
	{ "trust", read_on_off, NULL },
	{ "state", read_state, NULL },
	{ "node_guid", read_guid, NULL },
	{ "port_guid", read_guid, NULL },
};

/* The half of min/max the line does not give is the VF's present one. */
static int read_back_rates(struct group *g)
{
	auto_of(json_decref) json_t *vf = NULL;
	struct err e = { 0 };
	const json_t *config;
	int rc = cli_call_pf(g->line->cli, g->line->dev, "vf.get",
			     json_pack("{s:I}", "vf", (json_int_t)g->vf), &vf, &e);

	if (rc == -ENODEV) {
		fprintf(stderr, "Device %s does not exist\n", g->line->dev);
		return CLI_FAIL;
	}
	if (rc == -EINVAL) {
		fprintf(stderr, "Cannot find VF %d\n", (int)g->vf);
		return CLI_FAIL;
	}
	if (rc)
		return cli_error(&e);
	config = json_object_get(vf, "config");
	if (g->max == UNSET)
		g->max = json_integer_value(json_object_get(config, "max_tx_rate"));
	if (g->min == UNSET)
		g->min = json_integer_value(json_object_get(config, "min_tx_rate"));
	return CLI_OK;
}

/* The legacy word `rate` sets the maximum, unless a new word does. */
static int finish_rates(struct group *g)
{
	bool is_new = g->max != UNSET || g->min != UNSET;

	if (g->max == UNSET)
		g->max = g->rate;
	if (is_new && (g->max == UNSET || g->min == UNSET)) {
		int rc = read_back_rates(g);

		if (rc)
			return rc;
	}
	if (is_new && g->max && g->min > g->max) {
		fprintf(stderr, "Invalid min_tx_rate %d - must be <= max_tx_rate %d\n",
			(int)(uint32_t)g->min, (int)(uint32_t)g->max);
		return CLI_FAIL;
	}
	if (g->max != UNSET)
		json_object_set_new(g->set, "max_tx_rate", json_integer(g->max));
	if (is_new)
		json_object_set_new(g->set, "min_tx_rate", json_integer(g->min));
	return CLI_OK;
}

/* Would the daemon take these settings of the VF as it is now? -EINVAL if there is no such VF. */
static int try_settings(const struct group *g, const json_t *set)
{
	auto_of(json_decref) json_t *got = NULL;
	struct vf_info vf;
	uint32_t changed;
	int rc = g->vf < 0 ? -EINVAL
			   : cli_call_pf(g->line->cli, g->line->dev, "vf.get",
					 json_pack("{s:I}", "vf", (json_int_t)g->vf), &got, NULL);

	if (!rc)
		rc = ctl_vf_info_from_json(got, &vf, NULL);
	if (!rc)
		rc = fields_from_json(vf_fields, &vf.config, set, &changed, NULL);
	return rc ? rc : vf_config_check(&vf.config, changed, NULL);
}

/*
 * What the kernel answers to a group with words that the request does not tell of. It works in an
 * order of its own (do_setvfinfo), whatever the order of words: the MAC, the VLAN, the VLAN list,
 * all that is left, and GUIDs at last.
 */
static int group_refusal(const struct group *g)
{
	auto_of(json_decref) json_t *first = json_object();
	bool no_vf = g->vf < 0 || g->vf == INT_MAX;
	int rc = 0;

	if (json_object_get(g->set, "mac"))
		json_object_set(first, "mac", json_object_get(g->set, "mac"));
	set_vlan(first, &g->plain);
	if (g->listed.given && json_object_size(first))
		rc = try_settings(g, first);
	if (!rc && g->is_list)
		rc = -EOPNOTSUPP;
	if (!rc && (no_vf || (g->has_guid && json_object_size(g->set))))
		rc = try_settings(g, g->set);
	return rc ? rc : g->has_guid ? -EOPNOTSUPP : 0;
}

static const struct vf_word *find_vf_word(const char *word)
{
	for (unsigned int i = 0; word && i < ARRAY_LEN(vf_words); i++)
		if (cli_matches(word, vf_words[i].word))
			return &vf_words[i];
	return NULL;
}

/**
 * cli_is_vf_word() - Does a word go on with a group `vf N ...`? Each takes one value.
 * @word: as typed; NULL at the end of the line
 */
bool cli_is_vf_word(const char *word)
{
	return find_vf_word(word);
}

/* vf N WORD VALUE ...: reads as far as the words are a VF's. */
static int read_vf(struct line *l, const char *number)
{
	struct group g = { .line = l, .rate = UNSET, .max = UNSET, .min = UNSET };
	const struct vf_word *w;
	unsigned int n_words = 0;
	int vf, rc;

	if (!cli_int(number, &vf))
		return cli_wrong(number, "Invalid \"vf\" value\n");
	if (!l->dev)
		return cli_missing("dev");
	g.vf = vf;
	g.set = json_object();
	json_array_append_new(l->vfs, json_pack("{s:I, s:o}", "vf", (json_int_t)vf, "set", g.set));
	for (; (w = find_vf_word(*l->cli->words)); n_words++) {
		const char *value;

		cli_next(l->cli);
		value = cli_next(l->cli);
		if (!value)
			return cli_incomplete();
		rc = w->read(&g, w, value);
		if (rc)
			return rc;
	}
	set_vlan(g.set, g.listed.given ? &g.listed : &g.plain);
	rc = finish_rates(&g);
	if (!l->refusal)
		l->refusal = group_refusal(&g);
	return rc ? rc : n_words ? CLI_OK : cli_incomplete();
}

static int read_up(struct line *l, const char *word)
{
	json_object_set_new(l->set, "up", json_boolean(!strcmp(word, "up")));
	return CLI_OK;
}

static int read_address(struct line *l, const char *value)
{
	uint8_t addr[32];

	l->addr_len = cli_lladdr(value, addr);
	if (!l->addr_len)
		return CLI_FAIL;
	if (l->addr_len != MAC_LEN)
		return CLI_OK; /* refused at the end, if the device is there */
	l->addr_bad = addr[0] & 1 || !memcmp(addr, "\0\0\0\0\0", MAC_LEN);
	json_object_set_new(l->set, "mac", lladdr_json(addr));
	return CLI_OK;
}

static int read_mtu(struct line *l, const char *value)
{
	int mtu;

	if (l->mtu_given)
		return cli_duplicate("mtu", value);
	if (!cli_int(value, &mtu))
		return cli_wrong(value, "Invalid \"mtu\" value\n");
	l->mtu_given = true;
	json_object_set_new(l->set, "mtu", json_integer(mtu));
	return CLI_OK;
}

static const struct dev_word {
	const char *word;
	int (*read)(struct line *l, const char *value);
	bool has_value, abbreviates;
} dev_words[] = {
	{ "up", read_up, false, false },	 { "down", read_up, false, false },
	{ "address", read_address, true, true }, { "mtu", read_mtu, true, false },
	{ "vf", read_vf, true, false },
};

static int read_dev(struct line *l, const char *word)
{
	if (!strcmp(word, "dev"))
		word = cli_next(l->cli);
	if (!word)
		return cli_incomplete();
	if (l->dev)
		return cli_garbage("dev", word);
	if (!*word || strpbrk(word, "/ \t\n"))
		return cli_wrong(word, "\"dev\" not a valid ifname");
	l->dev = word;
	return CLI_OK;
}

/* Keeps a word for the netdev. */
static void keep(const struct line *l, const char *word)
{
	struct netdev_words *netdev = l->cli->netdev;

	if (netdev && netdev->there)
		netdev->words[netdev->n++] = (char *)(uintptr_t)word;
}

/*
 * A word of ip-link(8) that is for a netdev. Without one nobody hears more or less of the wire by
 * promisc and allmulticast, so these are taken; the rest nobody has.
 */
static int read_netdev(struct line *l, const char *word, unsigned int n_values)
{
	const struct netdev_words *netdev = l->cli->netdev;
	bool flag = !strcmp(word, "promisc") || !strcmp(word, "allmulticast");
	bool rest = n_values == LINK_WORD_REST;

	if (!netdev || (!netdev->there && !flag)) {
		fprintf(stderr, "Error: \"%s\" is for a netdev%s.\n", word,
			netdev ? ", and this PF has none (anyvf pf set PF host-if on)"
			       : ": `anyvf ip link set` sets it on that of a PF");
		return CLI_KERNEL;
	}
	for (keep(l, word); n_values && (word = cli_next(l->cli)); n_values--)
		keep(l, word);
	return n_values && !rest ? cli_incomplete() : CLI_OK;
}

static int read_word(struct line *l, const char *word)
{
	unsigned int n_netdev;

	for (unsigned int i = 0; i < ARRAY_LEN(dev_words); i++) {
		const struct dev_word *w = &dev_words[i];
		const char *value = word;

		if (w->abbreviates ? !cli_matches(word, w->word) : strcmp(word, w->word))
			continue;
		if (w->has_value)
			value = cli_next(l->cli);
		if (!value)
			return cli_incomplete();
		if (w->read != read_vf)
			keep(l, word);
		if (w->read != read_vf && w->has_value)
			keep(l, value);
		return w->read(l, value);
	}
	n_netdev = cli_netdev_word(word);
	return n_netdev ? read_netdev(l, word, n_netdev - 1) : read_dev(l, word);
}

/* Refusals of the kernel: its own words alone where it is the one to ask, ours added elsewhere. */
static int kernel_says(int rc, const struct err *e)
{
	static const int own[] = { EINVAL, EOPNOTSUPP, EPROTONOSUPPORT, EADDRNOTAVAIL, EPERM };

	fprintf(stderr, "RTNETLINK answers: %s\n", strerror(-rc));
	for (unsigned int i = 0; i < ARRAY_LEN(own); i++)
		if (rc == -own[i])
			return CLI_KERNEL;
	fprintf(stderr, "Error: %s.\n", e->msg);
	return CLI_KERNEL;
}

/* What the kernel checks of the PF's own words before any VF's. */
static int check_mtu(const struct line *l)
{
	json_int_t mtu = json_integer_value(json_object_get(l->set, "mtu"));

	if (!l->mtu_given || (mtu >= MTU_MIN && mtu <= MTU_MAX))
		return CLI_OK;
	fprintf(stderr, "Error: mtu %s.\n",
		mtu < MTU_MIN ? "less than device minimum" : "greater than device maximum");
	return CLI_KERNEL;
}

static int send_line(struct line *l)
{
	struct err e = { 0 };
	int rc = find_dev(l, &e);

	if (rc)
		return no_device(l, rc, &e);
	if (l->addr_len && l->addr_len != MAC_LEN)
		return bad_length(l->addr_len);
	if (l->addr_bad)
		return kernel_says(-EADDRNOTAVAIL, &e);
	rc = check_mtu(l);
	if (rc)
		return rc;
	rc = l->refusal;
	if (!rc && json_object_size(l->set) + json_array_size(l->vfs)) {
		auto_of(json_decref) json_t *told =
			json_pack("{s:O, s:O}", "set", l->set, "vfs", l->vfs);

		rc = cli_call_pf(l->cli, l->dev, "pf.set", json_copy(told), NULL, &e);
		if (l->cli->netdev)
			l->cli->netdev->told = take(told);
	}
	if (rc == -ENODEV)
		return no_device(l, rc, &e);
	return rc ? kernel_says(rc, &e) : CLI_OK;
}

/**
 * cli_link_set() - anyvf link set [dev] PF [up|down] [mtu M] [address A] [vf N WORD VALUE ...]...
 * @cli: words start behind `set`
 *
 * Return: 0; 255 and 1 for what iproute2 refuses itself; 2 for what the kernel would.
 */
int cli_link_set(struct cli *cli)
{
	auto_of(json_decref) json_t *set = json_object(), *vfs = NULL;
	struct line l = { .cli = cli, .set = set };
	const char *word;

	l.vfs = vfs = json_array();
	while ((word = cli_next(cli))) {
		int rc = read_word(&l, word);

		if (rc)
			return rc;
	}
	if (l.dev)
		return send_line(&l);
	fputs("Not enough information: \"dev\" argument is required.\n", stderr);
	return CLI_USAGE;
}
