# SPDX-License-Identifier: Apache-2.0
"""QoS on the host: what a policy lets a guest send are max_tx_rate and min_tx_rate of its VF."""
from neutron.agent.l2.extensions import qos as qos_extension
from neutron.api.rpc.callbacks.consumer import registry
from neutron.api.rpc.callbacks import events
from neutron.api.rpc.callbacks import resources
from neutron.api.rpc.handlers import resources_rpc
from oslo_log import log as logging

from networking_anyvf import qos
from networking_anyvf import translate

LOG = logging.getLogger(__name__)


def refresh(context, policies):
    """Pull policies anew, in case neutron-server's message of a changed rule was lost: as if it came now."""
    for ident in policies:
        try:
            policy = resources_rpc.ResourcesPullRpcApi().pull(context, resources.QOS_POLICY, ident)
        except resources_rpc.ResourceNotFound:
            continue  # a port_update tells of it
        except Exception:
            LOG.exception('QoS policy %s', ident)
            continue
        registry.push(context, resources.QOS_POLICY, [policy], events.UPDATED)


class QosAnyvfAgentDriver(qos_extension.QosAgentDriver):
    """Rules into VFs. A port without a VF, one that is going, is no error."""

    SUPPORTED_RULES = qos.SUPPORTED_RULES

    def __init__(self):
        super().__init__()
        self.host = None

    def consume_api(self, agent_api):
        self.host = agent_api.host

    def initialize(self):
        """Nothing to prepare."""

    def _set(self, port, **words):
        """Unless it is so: a NIC that has no rates refuses even to have none."""
        pfs = self.host.known_pfs()
        found = self.host.find(port['port_id'], pfs)
        if not found:
            return
        pf, n = found
        is_now = next(vf['config'] for vf in pfs[pf]['vfs'] if vf['vf'] == n)
        if any(is_now.get(word) != value for word, value in words.items()):
            self.host.ctl.set_vf(pf, n, **words)

    def create_bandwidth_limit(self, port, rule):
        """As update: the word is set, not added to."""
        self._set(port, max_tx_rate=translate.mbit_of(rule.max_kbps))

    update_bandwidth_limit = create_bandwidth_limit

    def delete_bandwidth_limit(self, port):
        """No limit."""
        self._set(port, max_tx_rate=0)

    def create_minimum_bandwidth(self, port, rule):
        """As update."""
        self._set(port, min_tx_rate=translate.mbit_of(rule.min_kbps))

    update_minimum_bandwidth = create_minimum_bandwidth

    def delete_minimum_bandwidth(self, port):
        """No share."""
        self._set(port, min_tx_rate=0)
