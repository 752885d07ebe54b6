# SPDX-License-Identifier: Apache-2.0
"""anyvf's VFs as ports of an OpenStack that is there: RPC and translation.

All behaviour is in anyvf's daemons, behind their control sockets.
"""
AGENT_TYPE = 'anyvf agent'
AGENT_BINARY = 'neutron-anyvf-agent'
DRIVER = 'anyvf'  # of ML2, and the type by which extensions find their drivers


def socket_name(port_id: str) -> str:
    """Name of a port's vhost-user socket: the same on the server and on the host."""
    return 'vhu' + port_id[:11]


def device_name(port_id: str) -> str:
    """What neutron-server knows a port by when an agent asks: a prefix of its id is enough."""
    return 'tap' + port_id[:11]


def nova_slot(slot: str) -> str:
    """PCI slot of a software VF as Nova has it: in a domain of its own, so that it is none of a real device.

    The switch invents 0000:05:10.0; Nova's inventory has a000:05:10.0.
    """
    return 'a' + slot[1:]
