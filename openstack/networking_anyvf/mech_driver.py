# SPDX-License-Identifier: Apache-2.0
"""ML2 mechanism driver: binds ports to VFs as the host's agent reports them; the agent does the rest.

On a software PF vif_type is vhostuser without any *_plug detail, so os-vif's "noop" plugin is used
and Nova needs no plugin. QEMU serves the socket (vhostuser_mode server) and the switch connects: a
restart of the switch does not end the guest. On a NIC's PF it is hw_veb, as of sriovnicswitch.
"""
import os

from neutron.plugins.ml2.drivers import mech_agent
from neutron_lib.api.definitions import portbindings
from neutron_lib import constants
from neutron_lib.plugins.ml2 import api
from oslo_log import log as logging

from networking_anyvf import AGENT_TYPE
from networking_anyvf import qos
from networking_anyvf import socket_name
from networking_anyvf import trunk

LOG = logging.getLogger(__name__)
VNIC_TYPES = [portbindings.VNIC_NORMAL, portbindings.VNIC_DIRECT,
              portbindings.VNIC_VIRTIO_FORWARDER]
NETWORK_TYPES = (constants.TYPE_FLAT, constants.TYPE_VLAN)


class AnyvfMechanismDriver(mech_agent.AgentMechanismDriverBase):
    """Who can bind is decided by AgentMechanismDriverBase: agents that are alive, on the port's host."""

    def __init__(self):
        super().__init__(AGENT_TYPE, VNIC_TYPES)

    def initialize(self):
        qos.register()
        trunk.register()

    @property
    def connectivity(self):
        return portbindings.CONNECTIVITY_L2

    def update_port_precommit(self, context):
        """As the base class; a port that its agent calls DOWN is ACTIVE again by an L2 agent's word alone.

        Without a block a DHCP agent that says late that it is ready makes it ACTIVE, with no VF.
        """
        super().update_port_precommit(context)
        down = context.current['status'] == constants.PORT_STATUS_DOWN
        if down and context.original['status'] == constants.PORT_STATUS_ACTIVE:
            self._insert_provisioning_block(context)

    def check_vlan_transparency(self, context):
        """No network of anyvf's is VLAN transparent: a port has its network's VLAN, or a trunk."""
        return False

    def check_segment_for_agent(self, segment, agent):
        """Whether a host serves a segment's physical network, as it is configured: the segments plugin asks."""
        mappings = agent['configurations'].get('device_mappings') or {}
        return (agent['agent_type'] == self.agent_type and segment[api.NETWORK_TYPE] in NETWORK_TYPES and
                segment[api.PHYSICAL_NETWORK] in mappings)

    def filter_hosts_with_segment_access(self, context, segments, candidate_hosts, agent_getter):
        """Those of some hosts that serve a network. ML2 filters the hosts of DHCP servers only if each driver does."""
        filters = {'host': list(candidate_hosts), 'agent_type': [self.agent_type]}
        return {agent['host'] for agent in agent_getter(context, filters=filters)
                if any(self.check_segment_for_agent(segment, agent) for segment in segments)}

    def try_to_bind_segment_for_agent(self, context, segment, agent):
        """As the base class asks for: True if the port is bound by this segment. Why not is logged."""
        conf, port = agent['configurations'], context.current
        why = self._refusal(context, segment, conf)
        if why:
            LOG.warning('port %s is not bound on %s by %s: %s', port['id'], agent['host'],
                        segment[api.PHYSICAL_NETWORK] or segment[api.NETWORK_TYPE], why)
            return False
        vif_type, details = self._vif(port, segment, conf)
        details.update({portbindings.CAP_PORT_FILTER: False,
                        portbindings.VIF_DETAILS_CONNECTIVITY: self.connectivity})
        context.set_binding(segment[api.ID], vif_type, details)
        return True

    def _refusal(self, context, segment, conf):
        """Why a port cannot be bound, a sentence for the log; '' if it can."""
        if segment[api.NETWORK_TYPE] not in NETWORK_TYPES:
            return f'network type {segment[api.NETWORK_TYPE]} is neither flat nor vlan'
        pfs = _pfs(segment, conf)
        if not pfs:
            return 'no PF serves it; ' + (conf.get('error') or 'physical_device_mappings')
        port, mtu = context.current, context.network.current.get('mtu') or 0
        if all(pf.get('mtu', mtu) < mtu for pf in pfs.values()):
            return f'MTU {mtu} is above that of {", ".join(pfs)}'
        if _is_service(port):
            return '' if _software(pfs) else 'DHCP and routers need a software PF'
        tag = trunk.segmentation_id_of(context, port)
        if tag is not None and tag != (segment[api.SEGMENTATION_ID] or 0):
            return f'subport with segmentation id {tag}: only that of its network, "inherit", works'
        return '' if tag is not None else self._no_room(port, pfs)

    @staticmethod
    def _no_room(port, pfs):
        slot = _pci_slot(port)
        direct = port[portbindings.VNIC_TYPE] != portbindings.VNIC_NORMAL
        if _on_hardware(slot, pfs):
            return '' if direct else 'a port of vnic_type normal has no PCI device'
        if not _software(pfs):
            return f'PCI slot {slot} is none of {", ".join(pfs)}; ports here are of vnic_type direct'
        if direct and not slot:
            return ('Nova chose no VF for vnic_type ' + port[portbindings.VNIC_TYPE] +
                    '; anyvf-nova-compute does')
        full = all(pf.get('free') == 0 for pf in _software(pfs).values())
        return f'no VF of {", ".join(pfs)} is free' if full and not direct else ''

    @staticmethod
    def _vif(port, segment, conf):
        """(vif_type, vif_details) of a port that can be bound."""
        if _is_service(port):
            return portbindings.VIF_TYPE_TAP, {}  # its interface driver makes it
        if _on_hardware(_pci_slot(port), _pfs(segment, conf)):
            tag = str(segment[api.SEGMENTATION_ID] or 0)
            return portbindings.VIF_TYPE_HW_VEB, {portbindings.VIF_DETAILS_VLAN: tag}
        path = os.path.join(conf['vhostuser_socket_dir'], socket_name(port['id']))
        return portbindings.VIF_TYPE_VHOST_USER, {
            portbindings.VHOST_USER_MODE: portbindings.VHOST_USER_MODE_SERVER,
            portbindings.VHOST_USER_SOCKET: path}


def _pfs(segment, conf):
    """{PF: what the agent reports of it} of a segment's physical network; agents' words may be of any version."""
    names = (conf.get('device_mappings') or {}).get(segment[api.PHYSICAL_NETWORK]) or []
    devices = conf.get('devices') or {}
    return {pf: devices[pf] for pf in names if pf in devices}


def _software(pfs):
    return {name: pf for name, pf in pfs.items() if pf.get('kind') != 'hw'}


def _on_hardware(slot, pfs):
    return any(slot and slot in (pf.get('pci_slots') or ()) for pf in pfs.values())


def _pci_slot(port):
    return (port.get(portbindings.PROFILE) or {}).get('pci_slot')


def _is_service(port):
    return port['device_owner'].startswith(constants.DEVICE_OWNER_NETWORK_PREFIX)
