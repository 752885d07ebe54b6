/* SPDX-License-Identifier: Apache-2.0 */
/* What a mirror is: its field table, which rows belong to which kind, and what makes sense. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/cidr.h"
#include "model/pf.h"

#define BIT(n) (1U << (n))
/* Rows every mirror has, rows any may have, and rows that need not be said. */
#define ROWS_ALL                                                                                   \
	(BIT(MIRROR_FIELD_NAME) | BIT(MIRROR_FIELD_FROM) | BIT(MIRROR_FIELD_FROM_PF) |             \
	 BIT(MIRROR_FIELD_DIR) | BIT(MIRROR_FIELD_TO))
#define ROWS_ANY                                                                                   \
	(BIT(MIRROR_FIELD_VLANS) | BIT(MIRROR_FIELD_ETHER) | BIT(MIRROR_FIELD_PCAP) |              \
	 BIT(MIRROR_FIELD_SNAP))
#define ROWS_OPTIONAL                                                                              \
	(BIT(MIRROR_FIELD_VLANS) | BIT(MIRROR_FIELD_ETHER) | BIT(MIRROR_FIELD_PCAP) |              \
	 BIT(MIRROR_FIELD_SNAP) | BIT(MIRROR_FIELD_ID) | BIT(MIRROR_FIELD_VERSION) |               \
	 BIT(MIRROR_FIELD_DROPS))
#define ROWS_CHOSEN (BIT(MIRROR_FIELD_FROM) | BIT(MIRROR_FIELD_DIR) | BIT(MIRROR_FIELD_TO))

static const char *const dir_names[] = { "in", "out", "both", NULL };
static const char *const from_names[] = { "vf", "pf", "uplink", "vlan", NULL };
#define WORD(name, word, rows, help) word,
static const char *const to_names[] = { MIRROR_DESTINATIONS(WORD) NULL };
#define DESTINATION(name, word, rows, help) { word, FIELD_ENUM, 0, 0, NULL, help },
const struct field mirror_destinations[] = { MIRROR_DESTINATIONS(DESTINATION) FIELD_END };

/* Rows that a kind of source or destination has beside ROWS_ALL. */
static const uint32_t from_rows[] = {
	[MIRROR_FROM_VF] = BIT(MIRROR_FIELD_FROM_VF),
	[MIRROR_FROM_VLAN] = BIT(MIRROR_FIELD_FROM_VLAN),
};
#define ROWS(name, word, rows, help) rows,
static const uint32_t to_rows[] = { MIRROR_DESTINATIONS(ROWS) };

#define M(word, type, member, max, names, help)                                                    \
	{                                                                                          \
		word, type, offsetof(struct mirror_config, member), max, names, help               \
	}
/* Order: enum mirror_field. */
const struct field mirror_fields[] = {
	M("name", FIELD_STR, name, MIRROR_NAME_LEN, NULL, "name of the mirror"),
	M("from_pf", FIELD_STR, from_pf, PF_NAME_LEN, NULL, "PF of what is watched"),
	M("from_vf", FIELD_U16, from_vf, VF_MAX - 1, NULL, "the watched VF"),
	M("dir", FIELD_ENUM, dir, 0, dir_names, "in: towards the VM, out: from it, or both"),
	M("to_pf", FIELD_STR, to_pf, PF_NAME_LEN, NULL, "PF of the watching VF"),
	M("to_vf", FIELD_U16, to_vf, VF_MAX - 1, NULL, "the watching VF"),
	M("from", FIELD_ENUM, from, 0, from_names, "kind of what is watched"),
	M("from_vlan", FIELD_U16, from_vlan, 4094, NULL, "the watched VLAN, 1 to 4094"),
	M("vlans", FIELD_VLANS, vlans, 0, NULL, "only frames of these VLANs; 0 is untagged"),
	M("ether", FIELD_U16, ether, 0, NULL, "only frames of this ethertype"),
	M("pcap", FIELD_STR, pcap, MIRROR_PCAP_LEN, NULL, "only frames that pcap-filter(7) takes"),
	M("snap", FIELD_U16, snap, 0, NULL, "bytes of a frame that are copied, 0 for all"),
	M("to", FIELD_ENUM, to, 0, to_names, "kind of the destination"),
	M("remote", FIELD_STR, remote, MIRROR_ADDR_LEN, NULL, "address that packets go to"),
	M("id", FIELD_U32, id, 0, NULL, "ERSPAN's session or GRE's key"),
	M("version", FIELD_U8, version, 2, NULL, "ERSPAN: 1 is type II, 2 is type III"),
	M("tap", FIELD_STR, tap, 15, NULL, "netdev made for the mirror"),
	M("file", FIELD_STR, file, MIRROR_FILE_LEN, NULL, "absolute path of a pcapng file"),
	M("drops", FIELD_BOOL, drops, 0, NULL, "dropped frames as well, with the reason"),
	FIELD_END
};
static_assert(ARRAY_LEN(mirror_fields) == MIRROR_FIELD_N + 1, "a row a field");

static uint32_t rows_of(const struct mirror_config *c)
{
	uint32_t rows = ROWS_ALL | ROWS_ANY | to_rows[c->to];

	return c->from < ARRAY_LEN(from_rows) ? rows | from_rows[c->from] : rows;
}

/**
 * mirror_config_rows() - What of a mirror is worth saying
 * @c: mirror
 *
 * Return: bits by enum mirror_field: rows that belong to its kinds, less conditions it has not.
 */
uint32_t mirror_config_rows(const struct mirror_config *c)
{
	const struct mirror_config plain = { .dir = MIRROR_BOTH };

	return rows_of(c) & (~ROWS_OPTIONAL | fields_diff(mirror_fields, c, &plain));
}

/**
 * mirror_to_needs() - What has to be said of a destination
 * @to: its kind
 *
 * Return: bits by enum mirror_field, of the words behind its own in a command, in their order.
 */
uint32_t mirror_to_needs(enum mirror_to to)
{
	return to_rows[to] & ~ROWS_OPTIONAL;
}

/**
 * mirror_is_remote() - Do its copies leave the host in IP packets?
 * @c: mirror
 *
 * Return: true if so.
 */
bool mirror_is_remote(const struct mirror_config *c)
{
	return to_rows[c->to] & BIT(MIRROR_FIELD_REMOTE);
}

static int check_destination(const struct mirror_config *c, struct err *e)
{
	struct ip ip;

	if (c->to == MIRROR_TO_FILE && *c->file != '/')
		return err_set(e, -EINVAL, "file \"%s\" is no absolute path", c->file);
	if (!mirror_is_remote(c))
		return 0;
	if (ip_parse(c->remote, &ip, NULL))
		return err_set(e, -EINVAL, "\"%s\" is no IP address", c->remote);
	if (!ip.n || (ip.version == 4 ? (uint32_t)ip.n >= 0xe0000000u : ip.n >> 120 == 0xff))
		return err_set(e, -EINVAL, "%s is not the address of one host", c->remote);
	if (c->to == MIRROR_TO_ERSPAN && c->id > 1023)
		return err_set(e, -ERANGE, "id %u is above 1023", c->id);
	return 0;
}

static int check_filter(const struct mirror_config *c, struct err *e)
{
	char list[64];
	bool some = false;

	if (c->ether && c->ether < 0x600)
		return err_set(e, -EINVAL, "ether 0x%04x is a length, no type: 0x0600 to 0xffff",
			       c->ether);
	if (c->snap && c->snap < MIRROR_SNAP_MIN)
		return err_set(e, -EINVAL, "snap %u is below %u", c->snap, MIRROR_SNAP_MIN);
	if (!c->vlans.set)
		return 0;
	for (unsigned int i = 0; i < ARRAY_LEN(c->vlans.bits); i++)
		some |= c->vlans.bits[i] != 0;
	if (!some)
		return err_set(e, -EINVAL, "VLAN list \"none\" would let no frame pass");
	if (vlan_set_has(&c->vlans, 4095)) {
		vlan_set_format(&c->vlans, list, sizeof(list));
		return err_set(e, -ERANGE, "VLAN list \"%s\": no frame has VLAN 4095", list);
	}
	return 0;
}

/**
 * mirror_config_check() - Does this mirror make sense by itself?
 * @c: all of it
 * @e: error text that names the word, may be NULL
 *
 * Whether its PFs and VFs exist, and loops, are the switch's business.
 *
 * Return: 0, -EINVAL or -ERANGE.
 */
int mirror_config_check(const struct mirror_config *c, struct err *e)
{
	int rc;

	if (c->drops && c->from == MIRROR_FROM_VLAN)
		return err_set(e, -EINVAL, "drops are told of a VF, PF or uplink, not of a vlan");
	if (!*c->name)
		return err_set(e, -EINVAL, "a mirror needs a name");
	if (c->dir > MIRROR_BOTH)
		return err_set(e, -EINVAL, "a mirror's direction is in, out or both");
	if (c->from == MIRROR_FROM_VLAN && !c->from_vlan)
		return err_set(e, -EINVAL, "vlan 0 cannot be watched: 1 to 4094");
	if (c->from == MIRROR_FROM_VF && c->to == MIRROR_TO_VF && c->from_vf == c->to_vf &&
	    !strcmp(c->from_pf, c->to_pf))
		return err_set(e, -EINVAL, "%s vf %u cannot be its own mirror", c->from_pf,
			       c->from_vf);
	rc = check_destination(c, e);
	return rc ? rc : check_filter(c, e);
}

/**
 * mirror_config_apply() - A mirror with some of its words changed
 * @old:     what it was; NULL: there was none, defaults are "both" and no condition
 * @want:    the new words
 * @changed: which of them count; bits by enum mirror_field
 * @out:     the whole mirror; untouched on failure
 * @e:       names a word that is missing or does not go with the mirror's kinds
 *
 * A new kind of source or destination needs all of its words, and the old kind's are forgotten.
 *
 * Return: 0, -EINVAL or -ERANGE.
 */
int mirror_config_apply(const struct mirror_config *old, const struct mirror_config *want,
			uint32_t changed, struct mirror_config *out, struct err *e)
{
	const struct mirror_config plain = { .dir = MIRROR_BOTH };
	struct mirror_config next = old ? *old : plain;
	uint32_t had = old ? rows_of(old) : ROWS_CHOSEN, rows;
	int rc;

	fields_apply(mirror_fields, &next, want, changed);
	if (old && next.to != old->to && !(changed & BIT(MIRROR_FIELD_ID)))
		next.id = 0; /* a session is no key */
	rows = rows_of(&next);
	for (unsigned int i = 0; i < MIRROR_FIELD_N; i++) {
		if (changed & ~rows & BIT(i))
			return err_set(e, -EINVAL, "%s does not go with from %s and to %s",
				       mirror_fields[i].word, from_names[next.from],
				       to_names[next.to]);
		if (rows & ~had & ~changed & ~ROWS_OPTIONAL & BIT(i))
			return err_set(e, -EINVAL, "%s is missing", mirror_fields[i].word);
	}
	fields_apply(mirror_fields, &next, &plain, BIT(MIRROR_FIELD_N) - 1 - rows);
	if (next.to == MIRROR_TO_ERSPAN && !next.version)
		next.version = 1;
	rc = mirror_config_check(&next, e);
	if (!rc)
		*out = next;
	return rc;
}
