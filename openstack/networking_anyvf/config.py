# SPDX-License-Identifier: Apache-2.0
"""[anyvf] of the agents' and of nova-compute's configuration."""
from oslo_config import cfg

OPTS = [
    cfg.StrOpt('run_dir', default='/run/anyvf',
               help='Run directory of anyvf-swd and anyvf-hwd: their control sockets are there.'),
    cfg.StrOpt('vhostuser_socket_dir',
               help='Where QEMU makes its sockets, RUN_DIR-qemu if not given. QEMU must be able to write '
               'there, and socket_dirs of anyvf.conf must name it: RUN_DIR/vhost is the switch\'s.'),
    cfg.ListOpt('physical_device_mappings', default=[],
                help='physnet:PF, as of neutron-sriov-nic-agent; a network may have several PFs.'),
    cfg.IntOpt('direct_vfs', default=0, min=0,
               help='VFs 0 to N-1 of each software PF are Nova\'s, which leases them by its PCI '
               'inventory to ports of vnic_type direct and virtio-forwarder (anyvf-nova-compute). '
               'The agent leases the others, to ports of vnic_type normal.'),
    cfg.BoolOpt('replace_sriov_agent', default=False,
                help='On PFs of NICs, write what neutron-sriov-nic-agent would: spoof check and '
                'link state, and tell that ports are up. It must not run on this host then.'),
    cfg.IntOpt('polling_interval', default=5, min=1,
               help='Seconds between two looks if nothing happens: no event tells that a QEMU was '
               'killed.'),
    cfg.IntOpt('resync_interval', default=60, min=5,
               help='Seconds after which neutron-server is asked for all ports again, in case its '
               'message was lost.'),
    cfg.IntOpt('stale_after', default=30, min=0,
               help='Seconds after which a service port that neutron-server does not know is '
               'removed: its DHCP or L3 agent is gone.'),
]
cfg.CONF.register_opts(OPTS, 'anyvf')


def mappings() -> dict:
    """{physical network: [PF, ...]}; raises ValueError for a word without a colon."""
    found: dict = {}
    for word in cfg.CONF.anyvf.physical_device_mappings:
        network, colon, pf = word.strip().partition(':')
        if not (network and colon and pf):
            raise ValueError(f'physical_device_mappings: "{word}" is not PHYSNET:PF')
        found.setdefault(network, []).append(pf)
    return found


def socket_dir() -> str:
    """Directory of QEMU's sockets, without a slash at its end."""
    return (cfg.CONF.anyvf.vhostuser_socket_dir or cfg.CONF.anyvf.run_dir + '-qemu').rstrip('/')


def list_opts():
    """For oslo-config-generator."""
    return [('anyvf', OPTS)]
