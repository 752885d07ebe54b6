/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a binding to a NIC's PF has that one to a software PF has not. Neutron's sriovnicswitch
 * gives the type; the members of the profile are those that Nova writes there when it has claimed
 * the device, and takes away when it gives that back. Here both is one.
 */
#include <errno.h>
#include <string.h>

#include "base/mac.h"
#include "hosts/placement.h"
#include "network/binding/binding.h"
#include "network/core/network.h"

#define HW_VEB	 "hw_veb"
#define PHYSICAL "hostdev_physical"

static const char *const profile_words[] = { "pci_slot", "pci_vendor_info", "physical_network",
					     "device_mac_address", NULL };

/**
 * nic_pf() - A host's PF, if it is a NIC's
 * @c:    call
 * @host: host
 * @pf:   name
 *
 * Return: what the host told of it, borrowed; NULL: it is no NIC's, or not there.
 */
const json_t *nic_pf(struct call *c, const char *host, const char *pf)
{
	const json_t *row;
	size_t i;

	json_array_foreach (json_object_get(call_get(c, "/agent/%s", host), "pfs"), i, row)
		if (doc_is(row, "name", pf))
			return doc_is(row, "kind", "hw") ? row : NULL;
	return NULL;
}

/**
 * nic_has() - Has a port something of a NIC's?
 * @port: port document, or NULL
 */
bool nic_has(const json_t *port)
{
	return doc_is(port, "binding:vif_type", HW_VEB) ||
	       doc_is(port, "binding:vif_type", PHYSICAL);
}

/* Another MAC, or any (NULL), whatever the port is bound to. */
static int set_mac(struct call *c, json_t *port, const char *mac)
{
	auto_of(json_decref) json_t *before = json_copy(port);

	if (!before)
		return -ENOMEM;
	json_object_set_new(port, "mac_address", mac ? json_string(mac) : json_null());
	return port_addresses(c, port, before);
}

static json_t *copy_profile(json_t *port)
{
	json_t *profile = json_copy(json_object_get(port, "binding:profile"));

	if (!profile)
		profile = json_object();
	json_object_set_new(port, "binding:profile", profile);
	return profile;
}

/* The function's own address is the guest's, so it is the port's: DHCP answers by that. */
static int bind_whole(struct call *c, json_t *port, json_t *profile, const json_t *pf)
{
	char text[MAC_STR_LEN];
	struct mac mac;

	if (mac_parse(doc_str(pf, "mac"), &mac, NULL) || mac_is_zero(&mac) ||
	    mac_is_multicast(&mac))
		return 0;
	mac_format(&mac, text);
	json_object_set_new(profile, "device_mac_address", json_string(text));
	return doc_is(port, "mac_address", text) ? 0 : set_mac(c, port, text);
}

/**
 * nic_bound() - Say in a port what it has of a NIC
 * @c:    call
 * @port: port document to be, with its binding
 * @pf:   nic_pf()
 * @want: what it was placed by
 * @got:  VF, or the PF itself
 *
 * Return: 0; as call_fail() where a port of the network has the PF's MAC.
 */
int nic_bound(struct call *c, json_t *port, const json_t *pf, const struct place_port *want,
	      const struct place_vf *got)
{
	bool whole = got->vf == PLACE_WHOLE;
	const char *ids = doc_str(pf, whole ? "pci_vendor_info" : "vf_pci_vendor_info");
	json_t *profile = copy_profile(port);

	json_object_set_new(port, "binding:vif_type", json_string(whole ? PHYSICAL : HW_VEB));
	json_object_set_new(profile, "pci_slot", json_string(got->pci_slot ? got->pci_slot : ""));
	json_object_set_new(profile, "physical_network", json_string(want->physnet));
	if (*ids)
		json_object_set_new(profile, "pci_vendor_info", json_string(ids));
	return whole ? bind_whole(c, port, profile, pf) : 0;
}

/**
 * nic_unbound() - Forget in a port what it had of a NIC, if it has that no more
 * @c:    call
 * @port: port document to be
 * @old:  as it was, or NULL; what was changed since in the profile stays
 * @host: where it is bound to; "": nowhere. Where it was it keeps what it has, but as another vnic
 *        type
 *
 * Return: 0 or a negative errno.
 */
int nic_unbound(struct call *c, json_t *port, const json_t *old, const char *host)
{
	const json_t *had = json_object_get(old, "binding:profile");
	json_t *profile;

	if (!nic_has(old) ||
	    (doc_is(old, "binding:host_id", host) && doc_same(port, old, "binding:vnic_type")))
		return 0;
	profile = copy_profile(port);
	for (unsigned int i = 0; profile_words[i]; i++)
		if (doc_same(profile, had, profile_words[i]))
			json_object_del(profile, profile_words[i]);
	if (doc_is(old, "binding:vif_type", PHYSICAL) &&
	    doc_is(had, "device_mac_address", doc_str(port, "mac_address")))
		return set_mac(c, port, NULL);
	return 0;
}
