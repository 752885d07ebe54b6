# SPDX-License-Identifier: Apache-2.0
"""QoS on the server: which rules there are. The agent makes max_tx_rate and min_tx_rate of a VF of them."""
from neutron_lib.api.definitions import portbindings
from neutron_lib import constants
from neutron_lib.db import constants as db_consts
from neutron_lib.services.qos import base
from neutron_lib.services.qos import constants as qos_consts

from networking_anyvf import DRIVER

_KBPS = {'type:range': [0, db_consts.DB_INTEGER_MAX_VALUE]}
_EGRESS = {'type:values': [constants.EGRESS_DIRECTION]}
SUPPORTED_RULES = {
    qos_consts.RULE_TYPE_BANDWIDTH_LIMIT: {
        qos_consts.MAX_KBPS: _KBPS, qos_consts.MAX_BURST: _KBPS, qos_consts.DIRECTION: _EGRESS},
    qos_consts.RULE_TYPE_MINIMUM_BANDWIDTH: {
        qos_consts.MIN_KBPS: _KBPS, qos_consts.DIRECTION: _EGRESS},
}
_driver = None


def register():
    """Tell Neutron's QoS plugin of the rules. Once a process."""
    global _driver
    _driver = _driver or base.DriverBase(
        name=DRIVER, supported_rules=SUPPORTED_RULES, requires_rpc_notifications=True,
        vif_types=[portbindings.VIF_TYPE_VHOST_USER, portbindings.VIF_TYPE_HW_VEB],
        vnic_types=[portbindings.VNIC_NORMAL, portbindings.VNIC_DIRECT,
                    portbindings.VNIC_VIRTIO_FORWARDER])
