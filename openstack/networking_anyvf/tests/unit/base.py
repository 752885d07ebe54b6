# SPDX-License-Identifier: Apache-2.0
"""A host whose QEMU is a socket of the test's own."""
import socket
import unittest

from neutron.common import config as common_config
from oslo_config import cfg

from networking_anyvf import agent
from networking_anyvf import control
from networking_anyvf import events
from networking_anyvf import host
from networking_anyvf.tests.unit import fakes

common_config.register_common_config_options()
cfg.CONF(args=[], default_config_files=[])


def port_id(n):
    """An id that differs from others' in its first letters."""
    return f'{n:08x}-0000-4000-8000-000000000000'


class HostTest(unittest.TestCase):
    """A switch with PFs, and a Host on it."""

    PFS = {'p2p1': 4}
    MAPPINGS = {'physnet1': ['p2p1']}
    DIRECT = 0

    def setUp(self):
        super().setUp()
        self.now = 1000.0
        self.switch = fakes.FakeSwitch(pfs=self.PFS)
        self.hardware = self.make_hardware()
        self.daemons = fakes.Daemons(self.switch, self.hardware)
        self.addCleanup(self.daemons.close)
        self.ctl = control.Control(self.daemons.dir)
        self.vhost = self.daemons.dir + '/vhost'
        self.host = self.make_host()
        self.guests = {}
        self.addCleanup(lambda: [s.close() for s in self.guests.values()])

    def make_hardware(self):
        """A NIC's switch, for tests that have one."""
        return None

    def make_host(self):
        """A new one, as after a restart of the agent."""
        return host.Host(self.ctl, self.MAPPINGS, self.vhost, self.DIRECT, hardware=True, clock=lambda: self.now)

    def qemu(self, port):
        """A guest starts: its socket, which is held."""
        self.guests[port] = s = socket.socket(socket.AF_UNIX)
        s.bind(f'{self.vhost}/vhu{port[:11]}')

    def kill(self, port):
        """A guest dies; its socket's file stays."""
        self.guests.pop(port).close()

    def vf(self, n, pf='p2p1'):
        """A VF as the switch has it."""
        return self.switch.pfs[pf][n]


class AgentTest(HostTest):
    """And an agent on that host."""

    def setUp(self):
        super().setUp()
        self.plugin, self.reports = fakes.FakePlugin(), fakes.FakeReports()
        self.trunks = fakes.FakeTrunks()
        cfg.CONF.set_override('host', 'ref1')
        self.addCleanup(cfg.CONF.clear_override, 'host')
        self.agent = self.make_agent()

    def make_agent(self):
        """A new one, as after its restart."""
        self.host = self.make_host()
        self.callbacks = events.Callbacks()
        return agent.Agent(self.host, self.plugin, self.reports, self.callbacks, self.trunks,
                           clock=lambda: self.now)

    def boot(self, n, **words):
        """A port and its guest, wired; the port's id."""
        ident = port_id(n)
        self.plugin.add(ident, **{'mac_address': f'fa:16:3e:00:00:{n:02x}', **words})
        self.qemu(ident)
        self.agent.once()
        return ident

    def of(self, ident):
        """(PF, number) of a port's VF by the switch, or None."""
        return next(((pf, vf['vf']) for pf, vfs in self.switch.pfs.items() for vf in vfs
                     if vf['config']['port_id'] == ident), None)

    def config(self, ident):
        """The words of a port's VF."""
        pf, n = self.of(ident)
        return self.switch.pfs[pf][n]['config']
