# SPDX-License-Identifier: Apache-2.0
"""Tap as a Service: an extension of the agent that makes a mirror of each tap flow.

neutron-taas' own extension asks which of its drivers a port is for by vnic_type, and knows two,
Open vSwitch and SR-IOV with a vendor's sysfs. This one takes both types: `extensions = taas_anyvf`.
"""
from neutron_lib.agent import l2_extension
from neutron_lib.api.definitions import portbindings
from neutron_taas.services.taas.agents.common import taas_agent
from neutron_taas.services.taas.agents.extensions import taas as taas_extension
from oslo_config import cfg
from oslo_log import log as logging

from networking_anyvf import control
from networking_anyvf import DRIVER
from networking_anyvf import translate

LOG = logging.getLogger(__name__)
PREFIX = 'tap-'  # of mirrors that are tap flows


class AnyvfTaasDriver(taas_extension.TaasAgentDriver):
    """Tap flows as mirrors. A VF's mirrors go with its lease, so they are kept here to be made again."""

    def __init__(self):
        super().__init__()
        self.host = None
        self.flows = {}  # {id of the tap flow: words of its mirror}, VFs by port ids
        self.swept = False

    def consume_api(self, agent_api):
        """The agent's Host; and the agent gets to know whom to call when a port was wired."""
        self.host = agent_api.host
        agent_api.wired.append(self.port_wired)

    def initialize(self):
        """Remove mirrors of an agent before: neutron-server tells those flows again that there still are."""
        self._sweep()

    def _sweep(self):
        try:
            for mirror in [] if self.swept else self.host.ctl.mirrors():
                ident = mirror['name'].removeprefix(PREFIX)
                if ident != mirror['name'] and ident not in self.flows:
                    self._remove(ident)
            self.swept = True
        except control.ControlError as e:
            LOG.info('mirrors of an agent before are looked for when the switch is there: %s', e)

    def create_tap_service(self, tap_service_msg):
        """A tap service is its port: nothing is to be made until something flows to it."""

    def delete_tap_service(self, tap_service_msg):
        """Its flows are deleted one by one."""

    def create_tap_flow(self, tap_flow_msg):
        """Make the mirror, now or when the guests are there. Raises what tells why not.

        neutron-server has a flow as ERROR then, and does not tell it again: one whose guest is stopped,
        as after a boot of the host, must not be.
        """
        flow = tap_flow_msg['tap_flow']
        for port in tap_flow_msg['port'], tap_flow_msg['tap_service_port']:
            if port.get(portbindings.HOST_ID, cfg.CONF.host) != cfg.CONF.host:
                raise translate.Refused(f'port {port["id"]} is not on this host')
            if port.get(portbindings.VIF_TYPE) == portbindings.VIF_TYPE_HW_VEB:
                raise translate.Refused(f'port {port["id"]} is a VF of a NIC, from which no tap flow is made')
        words = {'source': flow['source_port'], 'to': tap_flow_msg['tap_service_port']['id'],
                 'dir': flow['direction'].lower()}
        if flow.get('vlan_filter'):
            words['vlans'] = flow['vlan_filter']
        try:
            self._mirror(flow['id'], words)
        except (translate.Refused, control.ControlError) as e:
            if getattr(e, 'code', None) is not None:  # the switch's own no
                raise
            LOG.info('tap flow %s waits: %s', flow['id'], e)
        self.flows[flow['id']] = words

    def delete_tap_flow(self, tap_flow_msg):
        """Remove the mirror, if it is there."""
        ident = tap_flow_msg['tap_flow']['id']
        self.flows.pop(ident, None)
        self._remove(ident)

    def port_wired(self, port_id):
        """Make the mirrors of a port again that has a VF now."""
        self._sweep()
        for ident, words in list(self.flows.items()):
            if port_id in (words['source'], words['to']):
                try:
                    self._mirror(ident, words)
                except (translate.Refused, control.ControlError) as e:
                    LOG.warning('tap flow %s: %s', ident, e)

    def _remove(self, ident):
        if any(m['name'] == PREFIX + ident for m in self.host.ctl.mirrors()):
            self.host.ctl.ask('swd.sock', 'mirror.del', name=PREFIX + ident)

    def _mirror(self, ident, words):
        pfs = self.host.known_pfs()
        source, to = self.host.find(words['source'], pfs), self.host.find(words['to'], pfs)
        if not source or not to:
            what = words['source'] if not source else words['to']
            raise translate.Refused(f'port {what} has no VF')
        self._remove(ident)
        self.host.ctl.ask('swd.sock', 'mirror.add', name=PREFIX + ident, dir=words['dir'],
                          from_pf=source[0], from_vf=source[1], to_pf=to[0], to_vf=to[1],
                          **({'vlans': words['vlans']} if 'vlans' in words else {}))
        LOG.info('tap flow %s: %s vf %s to %s vf %s', ident, *source, *to)


class _Callbacks(taas_agent.TaasAgentRpcCallback):
    """neutron-taas' RPC, for ports of any vnic_type."""

    def _is_driver_port_type_compatible(self, port):
        return True


class TaasAnyvfExtension(l2_extension.L2AgentExtension):
    """The entry point `taas_anyvf` of neutron.agent.l2.extensions."""

    def __init__(self):
        super().__init__()
        self.agent_api, self.callbacks = None, None

    def consume_api(self, agent_api):
        self.agent_api = agent_api

    def initialize(self, connection, driver_type):
        """Listen to neutron-server, which then tells the tap flows of this host."""
        self.callbacks = _Callbacks(cfg.CONF, DRIVER)
        self.callbacks.consume_api(self.agent_api)
        self.callbacks.initialize()

    def handle_port(self, context, port):
        """The agent calls port_wired()."""

    def delete_port(self, context, port):
        """The switch removes mirrors with the lease of a VF."""
