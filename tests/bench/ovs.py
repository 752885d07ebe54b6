# SPDX-License-Identifier: Apache-2.0
"""OVS-DPDK as Debian has it, to be measured beside."""
import os
import re
import subprocess
import sys

sys.path.insert(0, str(__import__('pathlib').Path(__file__).resolve().parents[1] / 'integration'))
from conftest import run, wait_for  # noqa: E402

OVS = '/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk'
SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'


class Ovs:
    """OVS-DPDK, without huge pages, its files in `directory`; ports 1 to `guests` for guests, which serve the sockets."""

    def __init__(self, directory, _, core, tso, guests=2):
        self.dir, self.procs, self.guests = directory, [], guests
        dirs = 'OVS_RUNDIR', 'OVS_LOGDIR', 'OVS_DBDIR', 'OVS_SYSCONFDIR', 'RUNTIME_DIRECTORY'
        self.env = {**os.environ, **dict.fromkeys(dirs, directory)}
        # Unless told of --legacy-mem, OVS adds --in-memory, which does not go with --no-huge.
        self.config = {'dpdk-init': 'true', 'dpdk-extra': '"--no-pci --no-huge --legacy-mem -m 1024"',
                       'per-port-memory': 'true', 'pmd-cpu-mask': f'{1 << int(core):#x}', 'userspace-tso-enable': tso}

    def vsctl(self, *argv):
        run('ovs-vsctl', '--timeout=30', *argv, env=self.env)

    def ofctl(self, *argv):
        return run('ovs-ofctl', *argv, env=self.env).stdout

    def plug(self, ns):
        """Start, with the taps that come along in namespace `ns`; the sockets for the guests."""
        def daemon(ready, *argv):
            self.procs.append(ns.popen(*argv, '-vconsole:err', stdout=subprocess.DEVNULL, env=self.env))
            wait_for(lambda: os.path.exists(f'{self.dir}/{ready}'), 30, argv[0])
        run('ovsdb-tool', 'create', f'{self.dir}/conf.db', SCHEMA)
        daemon('db.sock', 'ovsdb-server', f'--remote=punix:{self.dir}/db.sock')
        self.vsctl('--no-wait', 'init', '--', 'set', 'Open_vSwitch', '.',
                   *(f'other_config:{key}={value}' for key, value in self.config.items()))
        daemon('vs.ctl', OVS, f'--unixctl={self.dir}/vs.ctl')
        self.vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=netdev')
        socks = [f'{self.dir}/vf{n}.sock' for n in range(1, self.guests + 1)]
        for n, sock in enumerate(socks, 1):
            self.vsctl('add-port', 'br0', f'v{n}', '--', 'set', 'Interface', f'v{n}', 'type=dpdkvhostuserclient',
                       f'options:vhost-server-path={sock}', f'ofport_request={n}')
        return socks

    def delivered(self, n):
        """Frames and bytes that went to port n."""
        said = self.ofctl('dump-ports', 'br0', n)
        return map(int, re.search(r'tx pkts=(\d+), bytes=(\d+)', said).groups())

    def stop(self):
        for proc in reversed(self.procs):
            proc.kill()
            proc.wait()
