/* SPDX-License-Identifier: Apache-2.0 */
#include "hw/mirror_by.h"

#include <errno.h>
#include <string.h>

const char *const hw_mirror_by_names[] = {
	[HW_MIRROR_TC] = "tc",
	[HW_MIRROR_SYSFS] = "sysfs",
	[HW_MIRROR_MAC] = "mac",
	[HW_MIRROR_BY_N] = NULL,
};

static const struct {
	const char *driver;
	enum hw_twins twins;
} twins[] = {
	{ "igb", HW_TWINS_SEEN },
	{ "ixgbe", HW_TWINS_READ },
	{ "i40e", HW_TWINS_READ },
	{ "netdevsim", HW_TWINS_NO }, /* it carries no frame of a VF */
};

/**
 * hw_twins_of() - Whether a driver gives the frames for one address to all VFs that have it
 * @driver: as sysfs has it
 *
 * Return: what is known. Context: any; pure.
 */
enum hw_twins hw_twins_of(const char *driver)
{
	for (unsigned int i = 0; i < ARRAY_LEN(twins); i++)
		if (!strcmp(twins[i].driver, driver))
			return twins[i].twins;
	return HW_TWINS_UNKNOWN;
}

/**
 * hw_mirror_files() - The vendor's files that a mirror is made by
 * @c: mirror
 *
 * Return: HW_MIRROR_FILE_... Context: any; pure.
 */
unsigned int hw_mirror_files(const struct mirror_config *c)
{
	static const unsigned int of_dir[] = {
		[MIRROR_IN] = HW_MIRROR_FILE_IN,
		[MIRROR_OUT] = HW_MIRROR_FILE_OUT,
		[MIRROR_BOTH] = HW_MIRROR_FILE_IN | HW_MIRROR_FILE_OUT,
	};

	return c->from == MIRROR_FROM_VLAN ? HW_MIRROR_FILE_VLAN : of_dir[c->dir];
}

static int refuse(const struct hw_mirror_facts *f, struct err *e, const char *what, const char *why)
{
	return err_set(e, -EOPNOTSUPP, "%s: the NIC of %s (%s) %s", what, f->device, f->driver,
		       why);
}

/* What no NIC does. */
static int judge_words(const struct hw_mirror_facts *f, const struct mirror_config *c,
		       struct err *e)
{
	const char *const filter = c->vlans.set ? "filter vlan"
				   : c->ether	? "filter ether"
				   : *c->pcap	? "filter pcap"
				   : c->snap	? "snap"
						: NULL;
	char word[32];

	if (c->to != MIRROR_TO_VF) {
		snprintf(word, sizeof(word), "to %s", mirror_fields[MIRROR_FIELD_TO].names[c->to]);
		return refuse(f, e, word, "copies to its own VFs alone");
	}
	if (strcmp(c->from_pf, c->to_pf))
		return err_set(e, -EOPNOTSUPP,
			       "to vf %s %u: the NIC of %s (%s) copies to its own VFs alone",
			       c->to_pf, c->to_vf, f->device, f->driver);
	if (filter)
		return refuse(f, e, filter, "copies frames whole, and all of them");
	if (c->from == MIRROR_FROM_PF || c->from == MIRROR_FROM_UPLINK) {
		snprintf(word, sizeof(word), "from %s",
			 mirror_fields[MIRROR_FIELD_FROM].names[c->from]);
		return refuse(f, e, word, "copies what a VF has, not what else goes by");
	}
	return 0;
}

static int choose_vlan(const struct hw_mirror_facts *f, const struct mirror_config *c,
		       enum hw_mirror_by *out, struct err *e)
{
	if (!(f->files & HW_MIRROR_FILE_VLAN))
		return refuse(f, e, "from vlan", "has no vlan_mirror in sysfs");
	if (c->dir != MIRROR_BOTH)
		return refuse(f, e, "from vlan", "copies a VLAN both ways alone");
	*out = HW_MIRROR_SYSFS;
	return 0;
}

static int choose_twins(const struct hw_mirror_facts *f, const struct mirror_config *c,
			enum hw_mirror_by *out, struct err *e)
{
	switch (f->twins) {
	case HW_TWINS_UNKNOWN:
		return refuse(f, e, "from vf",
			      "has no mirror, and of one address at two VFs nothing is known");
	case HW_TWINS_NO:
		return refuse(f, e, "from vf",
			      "has no mirror, and two VFs with one address get no copies");
	case HW_TWINS_READ:
	case HW_TWINS_SEEN:
		break;
	}
	if (c->dir != MIRROR_IN)
		return refuse(f, e, c->dir == MIRROR_OUT ? "out" : "both",
			      "copies what a VF receives, never what it sends: say in");
	*out = HW_MIRROR_MAC;
	return 0;
}

/**
 * hw_mirror_choose() - By what a NIC can do a mirror
 * @f:    what is known of it
 * @want: the mirror
 * @out:  gets it; untouched on failure
 * @e:    names word, netdev, driver
 *
 * In switchdev mode tc alone counts: what VFs receive is the rules' there, not that of addresses.
 *
 * Return: 0 or -EOPNOTSUPP. Context: any; pure.
 */
int hw_mirror_choose(const struct hw_mirror_facts *f, const struct mirror_config *want,
		     enum hw_mirror_by *out, struct err *e)
{
	const unsigned int files = hw_mirror_files(want);
	int rc = judge_words(f, want, e);

	if (rc)
		return rc;
	if (want->from == MIRROR_FROM_VLAN)
		return choose_vlan(f, want, out, e);
	if (f->eswitch == HW_ESWITCH_SWITCHDEV) {
		if (!f->representors)
			return refuse(f, e, "from vf",
				      "is in switchdev mode, and shows no netdev for that VF");
		*out = HW_MIRROR_TC;
		return 0;
	}
	if ((f->files & files) == files) {
		*out = HW_MIRROR_SYSFS;
		return 0;
	}
	return choose_twins(f, want, out, e);
}
