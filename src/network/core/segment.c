/* SPDX-License-Identifier: Apache-2.0 */
/* Provider segments: see segment.h. Used by the network resource; words as Neutron 21 says them. */
#include "network/core/segment.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/uuid.h"

/* One "physnet1:100:199" or "physnet1", of n bytes. */
static int range_parse(const char *text, size_t n, struct vlan_range *out, struct err *e)
{
	struct vlan_range r = { 0 };
	char word[128];
	int end = 0;

	if (n >= sizeof(word))
		return err_set(e, -EINVAL, "a VLAN range has more than %zu characters",
			       sizeof(word) - 1);
	memcpy(word, text, n);
	word[n] = '\0';
	if (sscanf(word, " %64[^: ] %n", r.physnet, &end) == 1 && !word[end]) {
		*out = r;
		return 0;
	}
	if (sscanf(word, " %64[^: ] : %4u : %4u %n", r.physnet, &r.first, &r.last, &end) != 3 ||
	    word[end])
		return err_set(e, -EINVAL,
			       "'%s' is not physical_network or "
			       "physical_network:first:last",
			       word);
	if (r.first < 1 || r.last > 4094 || r.first > r.last)
		return err_set(e, -EINVAL, "'%s': VLAN ids are 1..4094, the lower first", word);
	*out = r;
	return 0;
}

/**
 * vlan_ranges_parse() - Read network_vlan_ranges
 * @text: "physnet1:100:199,physnet2": ids for tenants, or none; "" is no range
 * @out:  the ranges; untouched on failure
 * @e:    error text, may be NULL
 *
 * Return: 0 or -EINVAL.
 */
int vlan_ranges_parse(const char *text, struct vlan_ranges *out, struct err *e)
{
	struct vlan_ranges all = { 0 };

	while (*text) {
		size_t n = strcspn(text, ",");
		size_t blank = strspn(text, " ");

		if (all.n == SEGMENT_RANGES_MAX)
			return err_set(e, -EINVAL, "more than %d VLAN ranges", SEGMENT_RANGES_MAX);
		if (n > blank && range_parse(text, n, &all.rows[all.n++], e))
			return -EINVAL;
		text += n + (text[n] == ',');
	}
	*out = all;
	return 0;
}

static bool vlan_physnet_known(const struct vlan_ranges *ranges, const char *physnet)
{
	for (unsigned int i = 0; i < ranges->n; i++)
		if (!strcmp(ranges->rows[i].physnet, physnet))
			return true;
	return false;
}

/* flat_networks: "*", or names with commas. */
static bool flat_physnet_known(const char *list, const char *physnet)
{
	size_t len = strlen(physnet);

	if (!strcmp(list, "*"))
		return len;
	for (const char *p = list; *p; p += strcspn(p, ",")) {
		p += strspn(p, ", ");
		if (len && strcspn(p, ", ") == len && !strncmp(p, physnet, len))
			return true;
	}
	return false;
}

#define INVALID(r, fmt, ...)                                                                       \
	refuse(r, 400, "InvalidInput", "Invalid input for operation: " fmt ".", ##__VA_ARGS__)

static int check_flat(const struct segment_want *w, const char *flat_networks, struct refusal *r)
{
	if (!w->physnet)
		return INVALID(r, "physical_network required for flat provider network");
	if (!flat_physnet_known(flat_networks, w->physnet))
		return INVALID(r, "physical_network '%.63s' unknown for flat provider network",
			       w->physnet);
	if (w->id >= 0)
		return INVALID(r, "segmentation_id prohibited for flat provider network");
	return 0;
}

static int check_vlan(const struct segment_want *w, const struct vlan_ranges *ranges,
		      struct refusal *r)
{
	if (!w->physnet && w->id >= 0)
		return INVALID(r, "segmentation_id requires physical_network for VLAN provider "
				  "network");
	if (w->physnet && !vlan_physnet_known(ranges, w->physnet))
		return INVALID(r, "physical_network '%.63s' unknown for VLAN provider network",
			       w->physnet);
	if (w->id >= 0 && (w->id < 1 || w->id > 4094))
		return INVALID(r, "segmentation_id out of range (1 through 4094)");
	return 0;
}

/**
 * segment_check() - Are these provider attributes possible?
 * @want:          what was given; all absent is possible: a tenant's network
 * @flat_networks: configuration: "*", or physical networks that may be flat
 * @ranges:        configuration: physical networks that may have VLANs
 * @r:             the reason against it
 *
 * Return: 0 or -EINVAL.
 */
int segment_check(const struct segment_want *want, const char *flat_networks,
		  const struct vlan_ranges *ranges, struct refusal *r)
{
	if (!want->type)
		return want->physnet || want->id >= 0 ? INVALID(r, "network_type required") : 0;
	if (!strcmp(want->type, "flat"))
		return check_flat(want, flat_networks, r);
	if (!strcmp(want->type, "vlan"))
		return check_vlan(want, ranges, r);
	return INVALID(r, "network_type value '%.63s' not supported", want->type);
}

/* A free id of one range, from a random place on, so that replicas seldom collide; 0: none. */
static unsigned int pick_from(const struct vlan_range *r, segment_used_fn used, void *arg)
{
	unsigned int size = r->last - r->first + 1, vid;
	uint32_t dice;

	rand_bytes(&dice, sizeof(dice));
	for (unsigned int i = 0; i < size; i++) {
		vid = r->first + (dice % size + i) % size;
		if (!used(arg, r->physnet, vid))
			return vid;
	}
	return 0;
}

/**
 * segment_pick() - A free VLAN id for a network that named none
 * @ranges:      configuration
 * @physnet:     from this physical network; NULL: from the first that has one left, as hosts that
 *               have the first may lack the others
 * @used:        says whether an id is taken
 * @arg:         handed to @used
 * @physnet_out: the physical network, a string in @ranges
 * @vid:         the id
 *
 * Return: 0; -ENOSPC when all ids are taken; -ENOENT when there are none.
 */
int segment_pick(const struct vlan_ranges *ranges, const char *physnet, segment_used_fn used,
		 void *arg, const char **physnet_out, unsigned int *vid)
{
	int rc = -ENOENT;

	for (const struct vlan_range *r = ranges->rows; r < ranges->rows + ranges->n; r++) {
		if (!r->first || (physnet && strcmp(r->physnet, physnet)))
			continue;
		rc = -ENOSPC;
		*vid = pick_from(r, used, arg);
		*physnet_out = r->physnet;
		if (*vid)
			return 0;
	}
	return rc;
}
