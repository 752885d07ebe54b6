# SPDX-License-Identifier: Apache-2.0
"""From what neutron-server tells of a port to words of a VF. Pure."""
from oslo_utils import strutils

VLAN = 'vlan'
FLAT = 'flat'
ALLOWED_MAX = 32  # further addresses a VF can have


class Refused(Exception):
    """A port that cannot be had as asked; the text is for people."""


def vlan_of(details) -> int:
    """VLAN of a port's network, 0 if it is flat; Refused for other networks."""
    kind = details.get('network_type')
    if kind == FLAT:
        return 0
    if kind != VLAN:
        raise Refused(f'network type {kind} is neither flat nor vlan')
    return int(details['segmentation_id'])


def allowed_of(details, more=()) -> str:
    """Further addresses of a port as the word `allowed` has them; Refused if there are too many.

    Of an address pair the MAC counts: the switch looks at no IP addresses.
    """
    macs = {pair['mac_address'].lower() for pair in details.get('allowed_address_pairs') or ()}
    macs |= {mac.lower() for mac in more}
    macs.discard(details['mac_address'].lower())
    if len(macs) > ALLOWED_MAX:
        raise Refused(f'{len(macs)} further MAC addresses, of address pairs and subports; a VF has '
                      f'{ALLOWED_MAX} at most')
    return ','.join(sorted(macs)) or 'none'


def trunk_words(details, subports) -> dict:
    """The words vlan, trunk and native of a port.

    :param subports: [(segmentation id, details of the subport)], None if the port has no trunk
    """
    own = vlan_of(details)
    if subports is None:
        return {'vlan': own, 'native': 0, 'trunk': 'any' if own else 'none'}
    for tag, sub in subports:
        if vlan_of(sub) != tag:
            raise Refused(f'subport {sub["port_id"]} has segmentation id {tag}, its network has '
                          f'{vlan_of(sub)}: only "inherit" works, the switch translates no VLANs')
    tags = sorted({tag for tag, _ in subports})
    return {'vlan': 0, 'native': own, 'trunk': ','.join(map(str, tags)) or 'none'}


def words_of(details, subports=None) -> dict:
    """All words of a VF of a software PF; what QoS policies say is not among them. Refused."""
    trusted = (details.get('profile') or {}).get('trusted', False)
    macs = [sub['mac_address'] for _, sub in subports or ()]
    return {
        'mac': details['mac_address'],
        'trust': strutils.bool_from_string(trusted),
        'spoofchk': bool(details.get('port_security_enabled', True)),
        'state': 'auto' if details['admin_state_up'] else 'disable',
        'mtu': details.get('mtu') or 0,
        'allowed': allowed_of(details, macs),
        'port_id': details['port_id'],
        **trunk_words(details, subports),
    }


def hardware_words_of(details) -> dict:
    """The words of a NIC's VF that neutron-sriov-nic-agent writes.

    MAC, VLAN and trust are libvirt's and Nova's there: one writer a setting.
    """
    up = 'auto' if details.get('propagate_uplink_status') else 'enable'
    return {'spoofchk': bool(details.get('port_security_enabled', True)),
            'state': up if details['admin_state_up'] else 'disable'}


def mbit_of(kbit) -> int:
    """A rate of Neutron's, in kbit/s, as VFs have it, in Mbit/s: up, for 0 would be no limit."""
    return -(-int(kbit or 0) // 1000)
