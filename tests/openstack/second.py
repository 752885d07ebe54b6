# SPDX-License-Identifier: Apache-2.0
"""A second compute host of a running cloud: nova-compute, neutron-anyvf-agent, libvirtd and switch.

They are in a network of their own with a host name of its own, as are its guests. Of the first host they have the
cloud's services, by relay.py, and the wire between their PFs' uplinks.
"""
import pathlib
import subprocess

import stack as stack_module
from stack import until


class SecondHost(stack_module.Stack):
    """In DIR/ref2, which `down` ends with DIR."""

    def __init__(self, cloud_dir):
        rc = stack_module.openrc(cloud_dir)
        base = int(rc['OS_AUTH_URL'].rpartition(':')[2].partition('/')[0])
        given = (base, rc['ANYVF_NOVA'], rc['OS_PASSWORD'])
        super().__init__(f'{cloud_dir}/ref2', *given, uplink='uplink')
        self.first, self.host, self.within = stack_module.Stack(cloud_dir, *given), 'ref2', ()
        self.env.update({word: self.first.env[word] for word in ('ANYVF_STACK', 'PYTHONPATH')})

    def prepare(self):
        """As of a cloud, but guests' memory and the package are that one's."""
        self._make_directories()
        (self.dir / 'memory').symlink_to((self.first.dir / 'memory').resolve())
        self._write_config()
        self._write_libvirt()

    def start(self, name, *argv, env=None):
        """In the host's network."""
        return super().start(name, *self.within, *argv, env=env)

    def machine(self, wire):
        """The namespaces, held by a process; a netdev of here becomes the uplink there."""
        pid = self.start('machine', 'unshare', '--net', '--uts', 'sh', '-ec',
                         f'hostname {self.host}; ip link set lo up; exec sleep infinity').pid
        until(lambda: pathlib.Path(f'/proc/{pid}/comm').read_text(encoding='ascii') == 'sleep\n', 'a namespace')
        subprocess.run(['ip', 'link', 'set', wire, 'netns', str(pid)], check=True)
        self.start('relay', stack_module.PY, stack_module.HERE / 'relay.py', pid, *self.ports.values())
        self.within = ('nsenter', f'--net=/proc/{pid}/ns/net', f'--uts=/proc/{pid}/ns/uts', '--')
        subprocess.run([*self.within, 'ip', 'link', 'set', wire, 'name', self.uplink, 'up'], check=True)

    def up(self, wire):
        """All of it; returns when servers can be scheduled to it."""
        self.prepare()
        self.machine(wire)
        self.libvirt()
        self.switch()
        self.agent()
        self.compute()
        until(lambda: self.first.sql(f"select 1 from agents where host='{self.host}'", 'neutron').strip(), 'its agent')
        self.first.wait_hosts(2)
