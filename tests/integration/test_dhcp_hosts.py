# SPDX-License-Identifier: Apache-2.0
"""DHCP of two hosts on one segment: two switches whose wires are one bridge's, each with its agent.

Their documents are as the API writes them for a network with a service port on each host.
"""
import json
import os
import re
import signal
import subprocess
import uuid

import pytest
from conftest import DAEMONS, Swd, need_root, run, unique, wait_for
from standin import StandIn

SCRIPT = """#!/bin/sh
case $1 in bound|renew) ip addr replace $ip/24 dev $interface;; esac
"""


class Side:
    """One host: a switch, an agent without libvirt, a network with DHCP at .N, a port for the client at .1N."""

    def __init__(self, directory, n, bridge):
        directory.mkdir()
        self.dir, self.n, self.wire, self.port = directory, n, unique('dw'), f'p{n}'
        run('ip', 'link', 'add', self.wire, 'type', 'veth', 'peer', 'name', self.port, 'netns', bridge.name)
        run('ip', 'link', 'set', self.wire, 'up')
        bridge.run('ip', 'link', 'set', self.port, 'master', 'br0', 'up')
        self.api, self.swd = StandIn(f'host{n}'), Swd(self.dir).start()
        self.swd.call('pf.add', name='p2p1', uplink='dev', uplink_arg=self.wire, numvfs=2)
        self.net, self.subnet, port = (str(uuid.uuid4()) for _ in range(3))
        self.service, self.mac = f'fa:16:3e:ff:09:0{n}', f'fa:16:3e:00:09:0{n}'
        self.api.put('network', {
            'id': self.net, 'name': 'net', 'pf': 'p2p1', 'vlan': 0, 'mtu': 1500,
            'dhcp': {'port_id': str(uuid.uuid4()), 'mac': self.service,
                     'fixed_ips': [{'ip_address': f'10.79.0.{n}', 'subnet_id': self.subnet}]},
            'subnets': [{'id': self.subnet, 'cidr': '10.79.0.0/24', 'ip_version': 4, 'gateway_ip': None,
                         'enable_dhcp': True, 'dns_nameservers': [], 'host_routes': [],
                         'ipv6_ra_mode': None, 'ipv6_address_mode': None}]})
        self.api.put('port', {
            'id': port, 'name': '', 'server': None, 'network': self.net, 'pf': 'p2p1', 'vf': 0, 'pci_slot': '',
            'mac': self.mac, 'vlan': 0, 'trunk': 'none', 'spoofchk': True, 'trust': False, 'state': 'auto',
            'mtu': 1500, 'vnic_type': 'direct', 'released': False,
            'fixed_ips': [{'ip_address': f'10.79.0.1{n}', 'subnet_id': self.subnet}]})
        (self.dir / 'agent.json').write_text(json.dumps({'username': f'anyvf-agent-host{n}', 'password': 'secret'}))
        (self.dir / 'anyvf.conf').write_text(
            f'[host]\nname = host{n}\nstate_dir = {self.dir}/state\n'
            '[sriov]\nphysical_device_mappings = physnet1:p2p1\n'
            f'[agent]\napi = {self.api.url}\ncredentials = {self.dir}/agent.json\n'
            f'libvirt_uri = qemu+unix:///system?socket={self.dir}/none\n')
        with open(self.dir / 'agentd.log', 'ab') as log:
            self.agent = subprocess.Popen([DAEMONS / 'anyvf-agentd', '--config', self.dir / 'anyvf.conf',
                                           '--run-dir', self.dir], stdout=log, stderr=log)

    def log(self):
        return (self.dir / 'dhcp' / self.net / 'log').read_text()

    def close(self):
        for kind in 'port', 'network':
            for ident in list(self.api.docs[kind]):
                self.api.drop(kind, ident)
        wait_for(lambda: not list((self.dir / 'dhcp').glob('*')), 20, 'no DHCP')
        self.agent.terminate()
        self.agent.wait(20)
        self.swd.stop()
        self.api.close()
        run('ip', 'link', 'del', self.wire, check=False)


@pytest.fixture
def sides(tmp_path, netns):
    need_root()
    for path in (tmp_path, *tmp_path.parents[:2]):
        os.chmod(path, 0o755)  # dnsmasq is nobody in there
    bridge = netns()
    bridge.run('ip', 'link', 'add', 'br0', 'type', 'bridge')
    bridge.run('ip', 'link', 'set', 'br0', 'up')
    made = [Side(tmp_path / f'host{n}', n, bridge) for n in (1, 2)]
    yield bridge, made
    for side in made:
        side.close()


def test_two_hosts_answer_side_by_side_and_guests_renew_at_their_own(sides, netns, tmp_path):
    bridge, sides = sides
    script, clients = tmp_path / 'udhcpc', []
    script.write_text(SCRIPT)
    script.chmod(0o755)
    for side in sides:
        side.api.wait_status('network', side.net, 'ACTIVE', 20)
        ns, said = netns(), tmp_path / f'client{side.n}'
        tap = side.swd.attach_tap('p2p1', 0, ns, mac=side.mac)
        with open(said, 'wb') as log:
            clients.append((side, ns, said, ns.popen('busybox', 'udhcpc', '-i', tap, '-f', '-s', script,
                                                     stdout=log, stderr=log)))
    try:
        for side, _ns, said, client in clients:
            lease = f'lease of 10.79.0.1{side.n} obtained from 10.79.0.{side.n}'
            wait_for(lambda said=said, lease=lease: lease in said.read_text(), 20, lease)
            os.kill(client.pid, signal.SIGUSR1)  # renew, by unicast
            wait_for(lambda said=said, lease=lease: said.read_text().count(lease) >= 2, 20, 'a renewal')
            assert re.search(rf'renew to (server )?10\.79\.0\.{side.n}\b', said.read_text())
        for side, ns, _said, _client in clients:
            other = sides[2 - side.n]
            assert side.log().count('DHCPACK') >= 2 and side.mac not in other.log()  # more: it asked again meanwhile
            assert ns.ping(f'10.79.0.{other.n}', count=2)  # over the wire
        fdb = json.loads(bridge.run('bridge', '-j', 'fdb', 'show', 'br', 'br0').stdout)
        for side in sides:
            assert {row['ifname'] for row in fdb if row['mac'] == side.service} == {side.port}
    finally:
        for *_, client in clients:
            client.kill()
            client.wait()
