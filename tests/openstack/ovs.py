# SPDX-License-Identifier: Apache-2.0
"""The same cloud with Neutron's Open vSwitch agent in anyvf's place, for `beside`: DPDK's userspace datapath."""
import os
import shutil
import subprocess

import stack as stack_module
from stack import until

BINARY = '/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk'
SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'


def missing():
    """Why there can be no Open vSwitch here; '' if there can."""
    return '' if os.path.exists(BINARY) else 'Debian package openvswitch-switch-dpdk is missing'


class OvsStack(stack_module.Stack):
    """Guests by vhost-user, as with anyvf; the wire is none."""

    network = 'ovs'

    def _words(self):
        more = f'''[os_vif_ovs]
ovsdb_connection = {self.ovsdb()}
[vif_plug_ovs_privileged]
helper_command = /usr/bin/privsep-helper --config-file {self.dir}/etc/nova/nova.conf'''
        return {**super()._words(), 'mechanism': 'openvswitch', 'service_plugins': 'qos,trunk', 'vif_plug': more,
                'ovsdb': self.ovsdb(), 'port_of': self.ports['neutron'] + 21}

    def ovsdb(self):
        """Where Open vSwitch's database listens."""
        return f'tcp:127.0.0.1:{self.ports["neutron"] + 20}'

    def vsctl(self, *words):
        """Words of ovs-vsctl, and its answer."""
        return self.run('ovs-vsctl', 'ovs-vsctl', f'--db=unix:{self.dir}/ovs/db.sock', '--timeout=60', *words).decode()

    def switch(self):
        """Database, daemon, and the bridges that the agent wants to be there."""
        at = self.dir / 'ovs'
        at.mkdir()
        sockets = self.dir / 'ovs/qemu'
        sockets.mkdir()
        shutil.chown(sockets, group='libvirt-qemu')
        sockets.chmod(0o2770)
        self.env.update(OVS_RUNDIR=str(at), OVS_LOGDIR=str(at), OVS_DBDIR=str(at))
        subprocess.run(['ovsdb-tool', 'create', at / 'conf.db', SCHEMA], check=True)
        self.start('ovsdb-server', 'ovsdb-server', at / 'conf.db', f'--remote=punix:{at}/db.sock',
                   f'--remote=p{self.ovsdb()[:4]}{self.ports["neutron"] + 20}:127.0.0.1')
        until(lambda: (at / 'db.sock').exists(), 'ovsdb-server')
        self.vsctl('--no-wait', 'init', '--', 'set', 'Open_vSwitch', '.', 'other_config:dpdk-init=true',
                   'other_config:dpdk-extra=--no-huge -m 512 --no-pci --legacy-mem')
        self.start('ovs-vswitchd', BINARY, f'unix:{at}/db.sock')
        for bridge in 'br-int', 'br-phys':
            self.vsctl('add-br', bridge, '--', 'set', 'bridge', bridge, 'datapath_type=netdev')

    def agent(self):
        """neutron-openvswitch-agent."""
        self.entry('neutron-openvswitch-agent', 'neutron.cmd.eventlet.plugins.ovs_neutron_agent',
                   f'--config-file={self.dir}/etc/neutron/agents.conf')
