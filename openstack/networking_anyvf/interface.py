# SPDX-License-Identifier: Apache-2.0
"""Interface driver of neutron-dhcp-agent and neutron-l3-agent: a port is a service port of a PF.

That is a tap in the agent's namespace and no VF: those may be Nova's to lease. The VLAN is asked
of neutron-server, because these agents do not know it.
"""
from neutron.agent.linux import interface
from neutron.agent.linux import ip_lib
from neutron.agent import rpc as agent_rpc
from neutron_lib.agent import topics
from neutron_lib import constants
from neutron_lib import context
from oslo_config import cfg

from networking_anyvf import config
from networking_anyvf import control
from networking_anyvf import device_name as neutron_device_name
from networking_anyvf import translate


class AnyvfInterfaceDriver(interface.LinuxInterfaceDriver):
    """Names begin with tap, or qr-, qg- of routers; the agents choose them."""

    DEV_NAME_PREFIX = constants.TAP_DEVICE_PREFIX

    def __init__(self, conf, **kwargs):
        super().__init__(conf, **kwargs)
        self.ctl = control.Control(cfg.CONF.anyvf.run_dir)
        self.plugin = agent_rpc.PluginApi(topics.PLUGIN)

    def plug_new(self, network_id, port_id, device_name, mac_address, bridge=None, namespace=None,
                 prefix=None, mtu=None, link_up=True):
        """Make the service port, in its namespace. Refused if no PF here serves the port's network."""
        details = self.plugin.get_device_details(
            context.get_admin_context_without_session(), neutron_device_name(port_id),
            'anyvf-' + cfg.CONF.host, cfg.CONF.host)
        pf = self._pf(port_id, details)
        if namespace:
            ip_lib.IPWrapper().ensure_namespace(namespace)
        words = {'name': device_name, 'mac': mac_address, 'vlan': translate.vlan_of(details)}
        words.update({'mtu': mtu} if mtu else {}, **({'netns': namespace} if namespace else {}))
        self.ctl.call('svc.add', pf, **words)
        if link_up:
            ip_lib.IPDevice(device_name, namespace=namespace).link.set_up()

    def _pf(self, port_id, details):
        """The first software PF of a port's physical network."""
        wanted = config.mappings().get(details.get('physical_network'), ())
        there = self.ctl.pfs()
        for pf in wanted:
            if there.get(pf) == 'swd.sock':
                return pf
        raise translate.Refused(f'port {port_id} is not bound to a software PF of this host '
                                f'({details.get("physical_network")}: {", ".join(wanted)})')

    def unplug(self, device_name, bridge=None, namespace=None, prefix=None):
        """Remove the service port; one that is not there is none."""
        for svc in self.ctl.services():
            if svc['name'] == device_name:
                self.ctl.remove_service(svc['pf'], device_name)

    def set_mtu(self, device_name, mtu, namespace=None, prefix=None):
        """Of the tap; the switch takes it from there."""
        ip_lib.IPDevice(device_name, namespace=namespace).link.set_mtu(mtu)
