/* SPDX-License-Identifier: Apache-2.0 */
#include "hw/words.h"

#include <assert.h>
#include <string.h>

#define BIT(name) (1U << VF_FIELD_##name)

const struct hw_attr_row hw_attrs[] = {
	[HW_ATTR_MAC] = { "mac", BIT(MAC) },
	[HW_ATTR_VLAN] = { "vlan", BIT(VLAN) | BIT(QOS) | BIT(PROTO) },
	[HW_ATTR_RATE] = { "rate", BIT(MAX_TX_RATE) | BIT(MIN_TX_RATE) },
	[HW_ATTR_SPOOFCHK] = { "spoofchk", BIT(SPOOFCHK) },
	[HW_ATTR_LINK] = { "state", BIT(STATE) },
	[HW_ATTR_RSS] = { "query_rss", BIT(QUERY_RSS) },
	[HW_ATTR_TRUST] = { "trust", BIT(TRUST) },
	[HW_ATTR_GROUP] = { "group", BIT(GROUP) },
};
static_assert(ARRAY_LEN(hw_attrs) == HW_ATTR_N, "a row an attribute");

/**
 * hw_words_from() - The kernel's part of a VF's settings
 * @c:   settings
 * @out: gets it
 *
 * Context: any; pure.
 */
void hw_words_from(const struct vf_config *c, struct hw_words *out)
{
	*out = (struct hw_words){
		.mac = c->mac,
		.vlan = c->vlan,
		.qos = c->qos,
		.proto = c->proto,
		.max_tx_mbit = c->max_tx_mbit,
		.min_tx_mbit = c->min_tx_mbit,
		.spoofchk = c->spoofchk,
		.query_rss = c->query_rss,
		.trust = c->trust,
		.link = c->link,
	};
	strcpy(out->group, c->group);
}

/**
 * hw_words_to() - Put the kernel's words into a VF's settings
 * @w:      words
 * @fields: bits by enum vf_field: those that count
 * @out:    keeps the others
 *
 * Context: any; pure.
 */
void hw_words_to(const struct hw_words *w, uint32_t fields, struct vf_config *out)
{
	struct vf_config c = {
		.mac = w->mac,
		.vlan = w->vlan,
		.qos = w->qos,
		.proto = w->proto,
		.max_tx_mbit = w->max_tx_mbit,
		.min_tx_mbit = w->min_tx_mbit,
		.spoofchk = w->spoofchk,
		.query_rss = w->query_rss,
		.trust = w->trust,
		.link = w->link,
	};

	strcpy(c.group, w->group);
	fields_apply(vf_fields, out, &c, fields & HW_WORDS);
}

/**
 * hw_attr_equal() - Whether two VFs are the same as far as one attribute says
 * @attr: attribute
 * @a:    words of one
 * @b:    words of the other
 *
 * A tag protocol counts where there is a tag alone: the kernel tells none without it.
 *
 * Return: true if so. Context: any; pure.
 */
bool hw_attr_equal(enum hw_attr attr, const struct hw_words *a, const struct hw_words *b)
{
	switch (attr) {
	case HW_ATTR_MAC:
		return mac_equal(&a->mac, &b->mac);
	case HW_ATTR_VLAN:
		return a->vlan == b->vlan && a->qos == b->qos &&
		       (a->proto == b->proto || !(a->vlan || a->qos));
	case HW_ATTR_RATE:
		return a->max_tx_mbit == b->max_tx_mbit && a->min_tx_mbit == b->min_tx_mbit;
	case HW_ATTR_SPOOFCHK:
		return a->spoofchk == b->spoofchk;
	case HW_ATTR_LINK:
		return a->link == b->link;
	case HW_ATTR_RSS:
		return a->query_rss == b->query_rss;
	case HW_ATTR_TRUST:
		return a->trust == b->trust;
	case HW_ATTR_GROUP:
		return !strcmp(a->group, b->group);
	case HW_ATTR_N:
		break;
	}
	return true;
}

/**
 * hw_words_differ() - Where two VFs are not the same
 * @a: words of one
 * @b: words of the other
 *
 * Return: bits by enum vf_field: all words of the attributes that differ. Context: any; pure.
 */
uint32_t hw_words_differ(const struct hw_words *a, const struct hw_words *b)
{
	uint32_t differs = 0;

	for (unsigned int i = 0; i < HW_ATTR_N; i++)
		if (!hw_attr_equal((enum hw_attr)i, a, b))
			differs |= hw_attrs[i].fields;
	return differs;
}
