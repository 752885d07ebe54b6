/* SPDX-License-Identifier: Apache-2.0 */
/* Field tables, defaults and checks of the PF and its service ports. */
#include "model/pf_ops.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>

static const char *const mode_names[] = { "veb", "vepa", NULL };
static const char *const unknown_names[] = { "uplink", "both", NULL };
static const char *const drift_names[] = { "report", "repair", NULL };
static const char *const eswitch_names[] = { "legacy", "switchdev", NULL };
static const char *const uplink_names[] = { "none", "dev", "dpdk", NULL };

#define P(word, type, member, max, names, help)                                                    \
	{ word, type, offsetof(struct pf_config, member), max, names, help }
/* Order: enum pf_field. */
const struct field pf_fields[] = {
	P("name", FIELD_STR, name, PF_NAME_LEN, NULL, "name of the PF"),
	P("uplink", FIELD_ENUM, uplink, 0, uplink_names, "what the PF's wire is"),
	P("uplink_arg", FIELD_STR, uplink_arg, 255, NULL, "netdev or DPDK device arguments"),
	P("host_if", FIELD_BOOL, host_if, 0, NULL, "host interface with the PF's name"),
	P("numvfs", FIELD_U16, numvfs, VF_MAX, NULL, "number of VFs, 0 to 256"),
	P("mode", FIELD_ENUM, mode, 0, mode_names, "bridge mode"),
	P("mac", FIELD_MAC, mac, 0, NULL, "address of the PF, zero to choose one"),
	P("mtu", FIELD_U16, mtu, 9216, NULL, "largest payload in bytes, 68 to 9216"),
	P("up", FIELD_BOOL, up, 0, NULL, "administrative state"),
	P("force", FIELD_BOOL, force, 0, NULL, "take the default route's netdev as uplink"),
	P("unknown_unicast", FIELD_ENUM, unknown_unicast, 0, unknown_names,
	  "where VFs' unicast to unknown addresses goes"),
	P("drift", FIELD_ENUM, drift, 0, drift_names,
	  "what follows if others change a NIC's VFs: report or repair"),
	P("groups", FIELD_STR, groups, VF_GROUPS_LEN, NULL,
	  "groups of a NIC's VFs that share rates: NAME[:max=MBPS][:min=MBPS],... or none"),
	P("eswitch", FIELD_ENUM, eswitch, 0, eswitch_names, "mode of a NIC's switch"),
	FIELD_END
};
static_assert(ARRAY_LEN(pf_fields) == PF_FIELD_N + 1, "a row a field");

#define S(word, type, member, max, help)                                                           \
	{ word, type, offsetof(struct svc_config, member), max, NULL, help }
const struct field svc_fields[] = {
	S("pf", FIELD_STR, pf, PF_NAME_LEN, "PF the port belongs to"),
	S("name", FIELD_STR, name, SVC_NAME_LEN, "interface name"),
	S("mac", FIELD_MAC, mac, 0, "address, zero to choose one"),
	S("vlan", FIELD_U16, vlan, 4094, "VLAN, 0 for untagged"),
	S("mtu", FIELD_U16, mtu, 9216, "largest payload in bytes, 0 for the PF's"),
	S("netns", FIELD_STR, netns, VF_NAME_LEN, "network namespace"),
	FIELD_END
};

/**
 * pf_config_default() - Settings of a PF nothing was said about
 * @out: no uplink, no host interface, no VFs, VEB, MTU 1500, up
 */
void pf_config_default(struct pf_config *out)
{
	*out = (struct pf_config){ .mtu = 1500, .up = true };
}

/* What the kernel takes as an interface name (dev_valid_name), less what a shell would mangle. */
static bool name_valid(const char *name)
{
	if (!*name || *name == '-' || *name == '.')
		return false;
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_' && *p != '.')
			return false;
	return true;
}

/**
 * pf_config_check() - Does this PF make sense?
 * @want: all settings of the PF as they would be
 * @e:    error text that names the word, may be NULL
 *
 * Return: 0 or -EINVAL.
 */
int pf_config_check(const struct pf_config *want, struct err *e)
{
	struct vf_groups groups;
	char mac[MAC_STR_LEN];

	if (!name_valid(want->name))
		return err_set(e, -EINVAL, "\"%s\" cannot be a PF's name", want->name);
	if (want->uplink == UPLINK_NONE ? *want->uplink_arg : !*want->uplink_arg)
		return err_set(e, -EINVAL, "uplink %s %s", uplink_names[want->uplink],
			       want->uplink == UPLINK_NONE ? "takes no device" : "needs a device");
	if (want->numvfs > VF_MAX)
		return err_set(e, -EINVAL, "numvfs %u is above %u", want->numvfs, VF_MAX);
	if (mac_is_multicast(&want->mac))
		return err_set(e, -EINVAL, "mac %s is a multicast address",
			       mac_format(&want->mac, mac));
	if (want->mtu < 68 || want->mtu > 9216)
		return err_set(e, -EINVAL, "mtu %u is not in 68..9216", want->mtu);
	return vf_groups_parse(want->groups, &groups, e) ? -EINVAL : 0;
}

/* Tags a guest may use: not the priority tag's 0, which is no VLAN, and not the reserved 4095. */
static int trunk_check(const struct vlan_set *list, struct err *e)
{
	for (unsigned int vid = 0; vid < VLAN_N; vid += VLAN_N - 1)
		if (list->set && vlan_set_has(list, vid))
			return err_set(e, -EINVAL, "trunk: VLAN %u is not in 1..4094", vid);
	return 0;
}

static int allowed_check(const struct mac_list *list, struct err *e)
{
	char text[MAC_STR_LEN];

	for (unsigned int i = 0; i < list->n; i++)
		if (mac_is_zero(&list->macs[i]) || mac_is_multicast(&list->macs[i]))
			return err_set(e, -EINVAL, "%s is no address of one station",
				       mac_format(&list->macs[i], text));
	return 0;
}

/**
 * vf_change_apply() - A command's words on top of what a VF is
 * @old:    what it is
 * @change: the words
 * @pf:     its PF as it will be
 * @out:    gets the result; untouched on failure
 * @e:      names the word, may be NULL
 *
 * What is added to a trunk that lets any tag pass makes it a list of just that.
 *
 * Return: 0 or -EINVAL.
 */
int vf_change_apply(const struct vf_config *old, const struct vf_change *change,
		    const struct pf_config *pf, struct vf_config *out, struct err *e)
{
	struct vf_config v = *old;
	int rc = trunk_check(&change->trunk_add, e);

	fields_apply(vf_fields, &v, &change->want, change->changed);
	if (!rc)
		rc = trunk_check(&change->trunk_rem, e);
	if (!rc && change->changed & 1U << VF_FIELD_TRUNK)
		rc = trunk_check(&v.trunk, e);
	if (!rc)
		rc = vf_config_check(&v, change->changed, e);
	if (rc)
		return rc;
	if (change->changed & 1U << VF_FIELD_MTU && v.mtu > pf->mtu)
		return err_set(e, -EINVAL, "mtu %u is above the PF's %u", v.mtu, pf->mtu);
	if (change->trunk_add.set)
		vlan_set_merge(&v.trunk, &change->trunk_add, true);
	if (change->trunk_rem.set && !v.trunk.set)
		return err_set(e, -EINVAL, "trunk rem: the trunk is unset and lets any tag pass; "
					   "set a list first");
	if (change->trunk_rem.set)
		vlan_set_merge(&v.trunk, &change->trunk_rem, false);
	rc = mac_list_merge(&v.allowed, &change->allowed_add, true, e);
	if (!rc)
		rc = mac_list_merge(&v.allowed, &change->allowed_rem, false, e);
	if (!rc)
		rc = allowed_check(&v.allowed, e);
	if (rc) {
		err_prefix(e, "allowed");
		return rc;
	}
	*out = v;
	return 0;
}
