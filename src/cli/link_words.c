/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words of ip-link(8) that are no setting of a PF or VF, and how many words each takes
 * (iproute2 6.1, ip/iplink.c and ip/ipaddress.c): so that a device is found wherever it stands.
 */
#include <string.h>

#include "cli/cli.h"

struct link_word {
	const char *word;
	unsigned int values;
	bool abbreviates;
};

/* Behind `link set`, in iproute2's order: the first that an abbreviation fits wins. */
static const struct link_word netdev_words[] = {
	{ "name", 1, false },
	{ "index", 1, false },
	{ "link", 1, true },
	{ "broadcast", 1, true },
	{ "brd", 1, false },
	{ "txqueuelen", 1, true },
	{ "qlen", 1, false },
	{ "txqlen", 1, true },
	{ "xdpgeneric", LINK_WORD_REST, false },
	{ "xdpdrv", LINK_WORD_REST, false },
	{ "xdpoffload", LINK_WORD_REST, false },
	{ "xdp", LINK_WORD_REST, false },
	{ "netns", 1, false },
	{ "multicast", 1, false },
	{ "allmulticast", 1, false },
	{ "promisc", 1, false },
	{ "trailers", 1, false },
	{ "arp", 1, false },
	{ "carrier", 1, false },
	{ "master", 1, true },
	{ "vrf", 1, false },
	{ "nomaster", 0, true },
	{ "dynamic", 1, true },
	{ "type", LINK_WORD_REST, true },
	{ "alias", 1, true },
	{ "group", 1, false },
	{ "mode", 1, false },
	{ "state", 1, false },
	{ "numtxqueues", 1, true },
	{ "numrxqueues", 1, true },
	{ "addrgenmode", 1, true },
	{ "link-netns", 1, false },
	{ "link-netnsid", 1, true },
	{ "protodown", 1, false },
	{ "protodown_reason", 2, false },
	{ "gso_max_size", 1, false },
	{ "gso_max_segs", 1, false },
	{ "gro_max_size", 1, false },
	{ "parentdev", 1, false },
};

/* Behind `link show`. */
static const struct link_word show_words[] = {
	{ "up", 0, false },	{ "nomaster", 0, false }, { "group", 1, false },
	{ "master", 1, false }, { "vrf", 1, false },	  { "type", 1, false },
	{ "to", 1, false },	{ "scope", 1, false },	  { "label", 1, false },
	{ "proto", 1, false },
};

static unsigned int length(const struct link_word *words, size_t n, const char *typed)
{
	for (const struct link_word *w = words; w < words + n; w++)
		if (w->abbreviates ? cli_matches(typed, w->word) : !strcmp(typed, w->word))
			return 1 + w->values;
	return 0;
}

/**
 * cli_netdev_word() - Is this a word of `link set` that is for a netdev?
 * @word: as typed
 *
 * Return: how many words it is with its values, above LINK_WORD_REST: all to the line's end; 0: no.
 */
unsigned int cli_netdev_word(const char *word)
{
	return length(netdev_words, ARRAY_LEN(netdev_words), word);
}

/**
 * cli_show_word() - Is this a word of `link show` that chooses among links?
 * @word: as typed
 *
 * Return: how many words it is with its value; 0: no, so it is a device.
 */
unsigned int cli_show_word(const char *word)
{
	return length(show_words, ARRAY_LEN(show_words), word);
}
