# SPDX-License-Identifier: Apache-2.0
"""Trunks on the server: a driver of Neutron's trunk plugin, and what the mechanism driver asks of it."""
from neutron.objects import trunk as trunk_objects
from neutron.services.trunk.drivers import base
from neutron_lib.api.definitions import portbindings
from neutron_lib.services.trunk import constants as trunk_consts
from oslo_config import cfg

from networking_anyvf import AGENT_TYPE
from networking_anyvf import DRIVER

_driver = None


class AnyvfTrunkDriver(base.DriverBase):
    """Trunks of parents on VFs; the agent wires them, by Neutron's own trunk RPC."""

    @property
    def is_loaded(self):
        """Whether ML2 has the mechanism driver."""
        try:
            return DRIVER in cfg.CONF.ml2.mechanism_drivers
        except cfg.NoSuchOptError:
            return False


def register():
    """Make the driver known to the trunk plugin, which calls when it is there. Once a process."""
    global _driver
    _driver = _driver or AnyvfTrunkDriver(
        DRIVER, (portbindings.VIF_TYPE_VHOST_USER,), (trunk_consts.SEGMENTATION_TYPE_VLAN,),
        AGENT_TYPE, can_trunk_bound_port=True)


def segmentation_id_of(context, port):
    """Segmentation id by which a port is a subport; None if it is none. Reads the database."""
    if port['device_owner'] != trunk_consts.TRUNK_SUBPORT_OWNER:
        return None
    subport = trunk_objects.SubPort.get_object(context._plugin_context, port_id=port['id'])
    return subport.segmentation_id if subport else None
