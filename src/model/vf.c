/* SPDX-License-Identifier: Apache-2.0 */
/* The VF's field tables, defaults and checks. Read by ctl, cli, sw and hw. */
#include "model/vf.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define F(word, type, member, max, names, help)                                                    \
	{ word, type, offsetof(struct vf_config, member), max, names, help }

static const char *const link_names[] = { "auto", "enable", "disable", NULL };
static const char *const proto_names[] = { "802.1Q", "802.1ad", NULL };
const char *const vf_promisc_names[] = { "off", "unmatched", "true", NULL };
const char *const vf_fault_names[] = { "none", "ring-broken", "memory-gone", "memory-not-shared",
				       NULL };

/* Order: enum vf_field, which is the kernel's order of applying. */
const struct field vf_fields[] = {
	F("mac", FIELD_MAC, mac, 0, NULL, "administrative MAC address, zero for none"),
	F("vlan", FIELD_U16, vlan, 4095, NULL, "port VLAN, 0 for none"),
	F("qos", FIELD_U8, qos, 0, NULL, "802.1p priority of the port VLAN, 0 to 7"),
	F("proto", FIELD_ENUM, proto, 0, proto_names, "tag protocol of the port VLAN"),
	F("max_tx_rate", FIELD_U32, max_tx_mbit, 0, NULL, "transmit limit in Mbit/s, 0 for none"),
	F("min_tx_rate", FIELD_U32, min_tx_mbit, 0, NULL, "transmit share in Mbit/s, 0 for none"),
	F("spoofchk", FIELD_BOOL, spoofchk, 0, NULL, "drop frames with a foreign source"),
	F("state", FIELD_ENUM, link, 0, link_names, "link state of the VF"),
	F("query_rss", FIELD_BOOL, query_rss, 0, NULL, "guest may query RSS settings"),
	F("trust", FIELD_BOOL, trust, 0, NULL, "guest may change its addresses"),
	F("group", FIELD_STR, group, VF_GROUP_LEN, NULL, "group whose rates it shares"),
	F("trunk", FIELD_VLANS, trunk, 0, NULL, "tags the guest may use: any, none or a list"),
	F("native", FIELD_U16, native, 4094, NULL, "VLAN of its untagged frames, 0 for none"),
	F("mtu", FIELD_U16, mtu, 9216, NULL, "largest payload in bytes, 0 for the PF's"),
	F("isolated", FIELD_BOOL, isolated, 0, NULL, "reaches no other isolated VF"),
	F("storm_broadcast", FIELD_U32, storm_broadcast, VF_STORM_MAX, NULL,
	  "broadcast frames a second it may send, 0 for any"),
	F("storm_multicast", FIELD_U32, storm_multicast, VF_STORM_MAX, NULL,
	  "multicast frames a second it may send, 0 for any"),
	F("allowed", FIELD_MACS, allowed, 0, NULL,
	  "further addresses of the guest, without trust"),
	F("learning", FIELD_U16, learning, VF_LEARNED_MAX, NULL,
	  "most addresses learned behind the guest, 0 for none"),
	F("promisc", FIELD_ENUM, promisc, 0, vf_promisc_names,
	  "unicast a trusted guest may ask for beside its own"),
	F("port_id", FIELD_STR, port_id, VF_NAME_LEN, NULL, "OpenStack port that leases the VF"),
	F("server", FIELD_STR, server, VF_NAME_LEN, NULL, "server that uses the VF"),
	FIELD_END
};
static_assert(ARRAY_LEN(vf_fields) == VF_FIELD_N + 1, "a row a field");

static const char *const attach_names[] = { "none", "vhost", "tap", "vfio",
					    "netdev", "macvtap", NULL };

#define A(word, type, member, max, names, help)                                                    \
	{ word, type, offsetof(struct vf_attach, member), max, names, help }
const struct field vf_attach_fields[] = {
	A("kind", FIELD_ENUM, kind, 0, attach_names, "what the VF is plugged into"),
	A("socket", FIELD_STR, socket, VF_PATH_LEN, NULL, "vhost-user socket"),
	A("client", FIELD_BOOL, client, 0, NULL, "the VM's side listens on the socket"),
	A("tap", FIELD_STR, tap, 15, NULL, "name of the tap"),
	A("netns", FIELD_STR, netns, VF_NAME_LEN, NULL, "network namespace of the tap or netdev"),
	A("name", FIELD_STR, name, 15, NULL, "name of the netdev or macvtap"),
	FIELD_END
};

const uint64_t vf_wait_ends[VF_WAITS - 1] = { 1000,   4000,    16000,    64000,	  256000,
					      1000000, 4000000, 16000000, 64000000 };
const char *const vf_wait_seconds[VF_WAITS - 1] = { "0.000001", "0.000004", "0.000016",
						    "0.000064", "0.000256", "0.001",
						    "0.004",	"0.016",    "0.064" };

const char *const drop_names[DROP_N + 1] = {
	[DROP_SPOOF_MAC] = "spoof_mac",	  [DROP_SPOOF_VLAN] = "spoof_vlan",
	[DROP_LINK_DOWN] = "link_down",	  [DROP_NO_DEST] = "no_destination",
	[DROP_VLAN] = "vlan",		  [DROP_NO_BUFFER] = "no_buffer",
	[DROP_NOT_READY] = "not_ready",	  [DROP_OVERSIZE] = "oversize",
	[DROP_RUNT] = "runt",		  [DROP_MALFORMED] = "malformed",
	[DROP_OFFLOAD] = "offload",	  [DROP_ISOLATED] = "isolated",
	[DROP_STORM_BROADCAST] = "storm_broadcast",
	[DROP_STORM_MULTICAST] = "storm_multicast",
	[DROP_FLOW_CONTROL] = "flow_control", [DROP_MULTICAST] = "multicast_refused",
};

const char *const drop_help[DROP_N] = {
	[DROP_SPOOF_MAC] = "sent with a source MAC that is not the VF's",
	[DROP_SPOOF_VLAN] = "sent with a tag the VF may not use",
	[DROP_LINK_DOWN] = "link of the VF or its PF is down",
	[DROP_NO_DEST] = "sent to an unknown address, and there is no uplink",
	[DROP_VLAN] = "addressed to the VF's MAC in a VLAN it is not in",
	[DROP_NO_BUFFER] = "the receiver had no free buffer",
	[DROP_NOT_READY] = "nothing is attached, or its driver is not up",
	[DROP_OVERSIZE] = "larger than the MTU",
	[DROP_RUNT] = "shorter than an Ethernet header",
	[DROP_MALFORMED] = "descriptors or offload header make no sense",
	[DROP_OFFLOAD] = "needs an offload the receiver does not have",
	[DROP_ISOLATED] = "sent to a VF that is isolated as this one is",
	[DROP_STORM_BROADCAST] = "more broadcast frames a second than the VF may send",
	[DROP_STORM_MULTICAST] = "more multicast frames a second than the VF may send",
	[DROP_FLOW_CONTROL] = "flow control, or more than two tags, below which it cannot be told",
	[DROP_MULTICAST] = "of a group not joined: the guest asks for all multicast in vain",
};

const uint8_t drop_ways[DROP_N] = {
	[DROP_SPOOF_MAC] = DROP_OUT,
	[DROP_SPOOF_VLAN] = DROP_OUT,
	[DROP_LINK_DOWN] = DROP_OUT | DROP_IN,
	[DROP_NO_DEST] = DROP_OUT,
	[DROP_VLAN] = DROP_IN,
	[DROP_NO_BUFFER] = DROP_IN,
	[DROP_NOT_READY] = DROP_IN,
	[DROP_OVERSIZE] = DROP_OUT | DROP_IN,
	[DROP_RUNT] = DROP_OUT,
	[DROP_MALFORMED] = DROP_OUT | DROP_IN,
	[DROP_OFFLOAD] = DROP_IN,
	[DROP_ISOLATED] = DROP_OUT,
	[DROP_STORM_BROADCAST] = DROP_OUT,
	[DROP_STORM_MULTICAST] = DROP_OUT,
	[DROP_FLOW_CONTROL] = DROP_OUT,
	[DROP_MULTICAST] = DROP_IN,
};

/**
 * vf_config_default() - Settings of a new or released VF
 * @out: igb's defaults: no MAC, no VLAN, spoof check on, link auto, no trust, any tag,
 *       promiscuous of what matched nobody
 */
void vf_config_default(struct vf_config *out)
{
	*out = (struct vf_config){ .spoofchk = true, .promisc = VF_PROMISC_UNMATCHED };
}

/**
 * vf_config_check() - Would a PF driver take these settings?
 * @want:    all settings of the VF as they would be afterwards
 * @changed: bits by enum vf_field of what the request names; only these are checked
 * @e:       error text, may be NULL
 *
 * The kernel's answers for netdevsim (docs/sriov.md): any VLAN 0..4095, any rate, no multicast MAC.
 *
 * Return: 0 or -EINVAL.
 */
int vf_config_check(const struct vf_config *want, uint32_t changed, struct err *e)
{
	char mac[MAC_STR_LEN];

	if (changed & 1U << VF_FIELD_MAC && mac_is_multicast(&want->mac))
		return err_set(e, -EINVAL, "mac %s is a multicast address",
			       mac_format(&want->mac, mac));
	if (changed & 1U << VF_FIELD_VLAN && want->vlan > 4095)
		return err_set(e, -EINVAL, "vlan %u is above 4095", want->vlan);
	if (changed & 1U << VF_FIELD_QOS && want->qos > 7)
		return err_set(e, -EINVAL, "qos %u is above 7", want->qos);
	if (changed & (1U << VF_FIELD_MAX_TX_RATE | 1U << VF_FIELD_MIN_TX_RATE) &&
	    want->max_tx_mbit && want->min_tx_mbit > want->max_tx_mbit)
		return err_set(e, -EINVAL, "min_tx_rate %u is above max_tx_rate %u",
			       want->min_tx_mbit, want->max_tx_mbit);
	if (changed & (1U << VF_FIELD_VLAN | 1U << VF_FIELD_NATIVE) && want->vlan && want->native)
		return err_set(e, -EINVAL, "native %u and vlan %u exclude each other: a port VLAN "
					   "is what untagged frames belong to", want->native,
			       want->vlan);
	if (changed & 1U << VF_FIELD_GROUP && *want->group && vf_group_check(want->group, e))
		return -EINVAL;
	if (changed & 1U << VF_FIELD_MTU && want->mtu && (want->mtu < 68 || want->mtu > 9216))
		return err_set(e, -EINVAL, "mtu %u is not in 68..9216", want->mtu);
	return 0;
}

/* Whether @next has a tag that @now has not; an unset list has all. */
static bool tags_widen(const struct vlan_set *now, const struct vlan_set *next)
{
	bool more = now->set && !next->set;

	for (unsigned int i = 0; now->set && i < ARRAY_LEN(now->bits); i++)
		more |= next->bits[i] & ~now->bits[i];
	return more;
}

/* Whether a source address passes under @next that did not under @now. */
static bool sources_widen(const struct vf_config *now, const struct vf_config *next)
{
	bool more = !next->spoofchk || !mac_equal(&now->mac, &next->mac) ||
		    next->learning > now->learning;

	for (unsigned int i = 0; i < next->allowed.n; i++)
		more |= !mac_list_has(&now->allowed, &next->allowed.macs[i]);
	return more && now->spoofchk;
}

/**
 * vf_config_widens() - May a frame of the VF do what it might not before, or is it elsewhere?
 * @now:  settings in force
 * @next: settings that follow
 *
 * A frame is judged when the switch takes it, which is later than when it was sent. After a change
 * that lets it speak as somebody else, to somebody else, in another VLAN, or for another port of
 * OpenStack, it would go by rules that were not there when it was sent. Whoever makes such a
 * change sees to it that no frame does (dp_port_pause()).
 *
 * What only bounds an amount (rates, storm control, MTU) and what the VF hears (promisc) do not
 * count; nor does trust: addresses come with it only as the guest asks for them, and its changes
 * cost no frame (docs/conformance.md, 13).
 *
 * Return: true if so.
 * Context: any; pure.
 */
bool vf_config_widens(const struct vf_config *now, const struct vf_config *next)
{
	return now->vlan != next->vlan || (next->vlan && now->proto != next->proto) ||
	       now->native != next->native || tags_widen(&now->trunk, &next->trunk) ||
	       sources_widen(now, next) || (now->isolated && !next->isolated) ||
	       (now->link == VF_LINK_DISABLE && next->link != VF_LINK_DISABLE) ||
	       strcmp(now->port_id, next->port_id);
}
