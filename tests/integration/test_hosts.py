# SPDX-License-Identifier: Apache-2.0
"""Many hosts on one machine: three etcd members, two anyvf-apid behind haproxy, two hosts with guests.

A host is a network namespace with its own switch, libvirtd and agent. It reaches the API by the bridge of
management, and its PF's uplink the other host by the bridge that is the physical network.
"""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

import pytest
import requests

from apid import Apid, Client, Cloud, free_port, read_openrc
from conftest import DAEMONS, PATIENCE, ROOT, Netns, Swd, outside, run, unique, wait_for
from etcd import Etcd
from standin import Libvirtd
from test_agent import BOOT_S, need_guests

sys.path.insert(0, str(ROOT / 'scripts/lib'))
from guest import Console  # noqa: E402

V2, NOVA = '/network/v2.0', '/compute/v2.1'
NET = '192.0.2'
CUT_S = 60  # a host is away for so long

API = """
[api]
public_url = {url}
store = {store}
store_keys = {dir}/store.keys
[taas]
collectors = {net}.0/24
"""
AGENT = """
[host]
name = {name}
state_dir = {dir}
[sriov]
physical_device_mappings = physnet1:p2p1
[agent]
api = {url}
credentials = {dir}/agent.json
libvirt_uri = {uri}
[taas]
collectors = {net}.0/24
"""
BALANCER = """
global
    stats socket {dir}/haproxy.sock
defaults
    mode tcp
    retries 3
    option redispatch 1
    timeout connect 1s
    timeout client 120s
    timeout server 120s
listen api
    bind {net}.1:{port}
    server a 127.0.0.1:{a} check inter 500 fall 2 rise 1 on-marked-down shutdown-sessions
    server b 127.0.0.1:{b} check inter 500 fall 2 rise 1 on-marked-down shutdown-sessions
"""


def bridge(*addr):
    """A new bridge, up."""
    name = unique('br')
    run('ip', 'link', 'add', name, 'type', 'bridge')
    for each in addr:
        run('ip', 'addr', 'add', each, 'dev', name)
    run('ip', 'link', 'set', name, 'up')
    return name


class Host:
    """A machine: namespace, switch, libvirtd, agent."""

    def __init__(self, directory, number, site):
        self.name, self.addr, self.site = ('east', 'west')[number - 1], f'{NET}.1{number}', site
        self.dir = directory / self.name
        self.dir.mkdir(mode=0o755)
        self.ns = Netns()
        self.near = self.plug(site.mgmt, 'mgmt')
        self.plug(site.wire, 'wire')
        self.ns.run('ip', 'addr', 'add', f'{self.addr}/24', 'dev', 'mgmt')
        self.init, self.within = self.machine()
        self.libvirt = Libvirtd(self.dir / 'libvirt', self.within).start()
        self.swd = Swd(self.dir, within=self.within).start()
        self.swd.call('pf.add', name='p2p1', uplink='dev', uplink_arg='wire', numvfs=8)
        self.conf = self.dir / 'anyvf.conf'
        self.conf.write_text(AGENT.format(name=self.name, dir=self.dir, url=site.url, uri=self.libvirt.uri, net=NET))
        self.agent = None

    def start_agent(self):
        with open(self.dir / 'agentd.log', 'ab') as log:
            self.agent = subprocess.Popen([*self.within, DAEMONS / 'anyvf-agentd', '--config', self.conf, '--run-dir', self.dir,
                                           '--debug'], stdout=log, stderr=log)

    def machine(self):
        """Who holds its namespaces, in which /run/netns is its own, and the words of a program in them."""
        init = self.ns.popen('unshare', '-m', '--propagation', 'private', 'sh', '-ec',
                             'mount -t tmpfs netns /run/netns; echo; exec sleep infinity', stdout=subprocess.PIPE)
        assert init.stdout.readline() == b'\n'
        return init, ['nsenter', f'--mount=/proc/{init.pid}/ns/mnt', f'--net=/proc/{init.pid}/ns/net', '--wd=/']

    def plug(self, to, name):
        """A netdev in the namespace whose peer is a port of a bridge; the peer."""
        near = unique('v')
        run('ip', 'link', 'add', near, 'master', to, 'type', 'veth', 'peer', 'name', name, 'netns', self.ns.name)
        run('ip', 'link', 'set', near, 'up')
        self.ns.run('ip', 'link', 'set', name, 'up')
        return near

    def dhcp(self):
        """The pids of its DHCP servers."""
        return [int(path.read_text()) for path in (self.dir / 'dhcp').glob('*/pid')]

    def close(self):
        with contextlib.suppress(Exception):
            self.agent.terminate()
            self.agent.wait(10)
        for pid in self.dhcp():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        self.libvirt.close()
        self.swd.stop()
        self.init.kill()
        self.init.wait()
        self.ns.delete()


class Vm:
    """A server on one host, with a port in each of some networks."""

    def __init__(self, site, host, nets):
        self.site, self.host = site, host
        self.ports = [site.cloud.port(net) for net in nets]
        server = site.cloud.boot(site.flavor, {'id': site.image}, [{'port': p['id']} for p in self.ports],
                                 name=f'on-{host.name}', availability_zone=f'nova:{host.name}')
        self.doc, self.ips = server, [p['fixed_ips'][0]['ip_address'] for p in self.ports]
        self.console = None

    def booted(self):
        """Wait until it is up."""
        self.site.cloud.wait_status(self.doc, 'ACTIVE', 60)
        wait_for(lambda: 'anyvf-guest: up' in self.site.cloud.action(self.doc, 'os-getConsoleOutput', {}, 200)['output'],
                 BOOT_S, 'the guest')
        self.console = Console(f"anyvf-{self.doc['id']}", self.host.libvirt.uri)
        self.console.ready()
        return self

    def run(self, command, timeout=40):
        return self.console.run(command, timeout * PATIENCE)

    def pings(self, addr):
        return self.run(f'ping -c 3 -W 5 {addr}')[0] == 0


class Site:
    """All of it."""

    def __init__(self, directory):
        self.dir, self.hosts, self.apis, self.balancer = pathlib.Path(directory), [], [], None
        self.dir.chmod(0o755)  # QEMU, dnsmasq and the API run as users of their own
        self.mgmt, self.wire = bridge(f'{NET}.1/24'), bridge()
        self.etcd = Etcd(self.dir / 'etcd', 3).start()
        self.port = free_port()
        self.url = f'http://{NET}.1:{self.port}'
        self.apis = [self.api(name) for name in ('a', 'b')]
        self.balancer = self.balance()
        self.cloud = Cloud.__new__(Cloud)
        self.cloud.apid, self.cloud.agents = self, []
        self.cloud.admin = Client(self, 'admin', read_openrc(self.apis[0].dir / 'openrc')['OS_PASSWORD'])
        self.hosts = [Host(self.dir, n, self) for n in (1, 2)]
        for host in self.hosts:
            self.admit(host)
        wait_for(lambda: [h['state'] for h in self.listed()] == ['up', 'up'], 20, 'both hosts')
        outside(ROOT / 'scripts/guest-image')
        self.image = self.register()
        self.flavor = self.cloud.flavor(ram=160)

    def api(self, name):
        """A replica."""
        (self.dir / name).mkdir(mode=0o755)
        return Apid(self.dir / name, API.format(dir=self.dir, url=self.url, store=self.etcd.store(), net=NET)).start()

    def balance(self):
        """haproxy in front of both."""
        conf = self.dir / 'haproxy.cfg'
        conf.write_text(BALANCER.format(dir=self.dir, net=NET, port=self.port, a=self.apis[0].port, b=self.apis[1].port))
        with open(self.dir / 'haproxy.log', 'ab') as log:
            made = subprocess.Popen(['haproxy', '-db', '-f', conf], stdout=log, stderr=log)

        def answers():
            assert made.poll() is None, (self.dir / 'haproxy.log').read_text()
            with contextlib.suppress(OSError):
                return requests.get(self.url, timeout=5)
        wait_for(answers, 10, 'haproxy')
        return made

    def admit(self, host):
        """The host's agent may log in."""
        self.cloud.agent_user(host.name)
        (host.dir / 'agent.json').write_text(json.dumps({'username': f'anyvf-agent-{host.name}', 'password': 'secret'}))
        host.start_agent()

    def register(self):
        """The guest's images; the id of the one that boots."""
        rc = read_openrc(self.apis[0].dir / 'openrc')
        return run(ROOT / 'scripts/guest-register', env={**os.environ, **rc}).stdout.strip()

    def listed(self):
        """What `anyvf host list` says."""
        got = run(DAEMONS / 'anyvf', '-j', 'host', 'list', '--config', self.apis[0].conf, env={**os.environ})
        return json.loads(got.stdout)

    def states(self):
        return {h['host']: h['state'] for h in self.listed()}

    def leader(self):
        """The member of etcd that leads."""
        for i in range(3):
            got = self.etcd.ask(i, 'maintenance/status')
            if got and got['header']['member_id'] == got.get('leader'):
                return i
        return None

    def close(self):
        """End everything, whatever state it is in."""
        for host in self.hosts:
            host.close()
        if self.balancer:
            self.balancer.kill()
            self.balancer.wait()
        for api in self.apis:
            api.stop()
        self.etcd.kill()
        for name in self.mgmt, self.wire:
            run('ip', 'link', 'del', name, check=False)


@pytest.fixture(scope='module')
def site():
    """One site for all tests of this file."""
    need_guests()
    if not shutil.which('haproxy', path=os.environ['PATH'] + ':/usr/sbin'):
        pytest.skip('needs haproxy')
    directory = tempfile.mkdtemp(prefix='anyvf-ho-')
    made = Site.__new__(Site)
    try:
        made.__init__(directory)
        yield made
    finally:
        made.close()  # of as much as there is
    shutil.rmtree(directory)


@pytest.fixture(scope='module')
def nets(site):
    """A flat network and one with a VLAN, of which the hosts' bridge knows nothing."""
    flat = site.cloud.network(name='flat', **{'provider:network_type': 'flat', 'provider:physical_network': 'physnet1'})
    vlan = site.cloud.network(name='vlan', subnet=False, **{'provider:network_type': 'vlan', 'provider:physical_network': 'physnet1',
                                                            'provider:segmentation_id': 123})
    site.cloud.admin.post(f'{V2}/subnets', {'subnet': {'network_id': vlan['id'], 'ip_version': 4, 'cidr': '10.30.0.0/24', 'gateway_ip': None}})
    return flat, vlan


@pytest.fixture(scope='module')
def vms(site, nets):
    made = [Vm(site, host, nets) for host in site.hosts]
    return [vm.booted() for vm in made]


def test_guests_of_two_hosts_reach_each_other(site, vms):
    """On a flat and on a VLAN network, by addresses that DHCP gave them."""
    one, two = vms
    for vm in vms:
        for nic, ip in enumerate(vm.ips):
            assert f'inet {ip}/24' in vm.run(f'ip -4 addr show eth{nic}')[1]
        assert len(vm.host.dhcp()) == 2  # each host answers on both networks
    for theirs in two.ips:
        assert one.pings(theirs)


def test_a_guest_is_mirrored_to_a_collector_on_the_other_host(site, vms):
    """ERSPAN from the first host's switch to an address of the second."""
    one, two = vms
    collector = two.host
    sock = collector.ns.packet_socket('mgmt', timeout=20 * PATIENCE)
    made = site.cloud.admin.post(f'{V2}/taas/tap_mirrors', {'tap_mirror': {
        'port_id': one.ports[0]['id'], 'directions': {'IN': 100, 'OUT': 101}, 'remote_ip': collector.addr, 'mirror_type': 'erspanv1'}})['tap_mirror']
    wait_for(lambda: len(one.host.swd.call('mirror.list')) == 2, 20, 'both mirrors')
    assert one.pings(two.ips[0])
    seen = set()
    while seen != {100, 101}:
        frame = sock.recv(65536)
        if frame[12:14] == b'\x08\x00' and frame[23] == 47 and struct.unpack('!H', frame[36:38])[0] == 0x88be:
            inner = frame[50:]
            if inner[12:14] == b'\x08\x00' and inner[23] == 1:  # ICMP of the guests
                seen.add(struct.unpack('!H', frame[44:46])[0] & 0x3ff)
    sock.close()
    site.cloud.admin.delete(f"{V2}/taas/tap_mirrors/{made['id']}")
    wait_for(lambda: one.host.swd.call('mirror.list') == [], 20, 'the end of the mirrors')


def served(host):
    """The ports that have VFs of a host's switch."""
    return {host.swd.vf('p2p1', n)['config']['port_id'] for n in range(8)}


def asked(ask):
    """What ask() answers; again while its connection ends, as those of a replica that is killed do."""
    def once():
        with contextlib.suppress(requests.ConnectionError):
            return ask()
    return wait_for(once, 20, 'a connection that lasts')


def serves(site, host, net):
    """A port comes to a host, and goes."""
    admin, name = site.cloud.admin, unique('port')
    port = asked(lambda: (admin.get(f'{V2}/ports?name={name}')['ports'] or
                          [site.cloud.port(net, name=name, **{'binding:host_id': host.name})])[0])
    assert port['binding:vif_type'] != 'binding_failed', port
    wait_for(lambda: port['id'] in served(host), 30, 'a VF with the port')
    assert asked(lambda: admin.call('DELETE', f"{V2}/ports/{port['id']}").status_code) in (204, 404)
    wait_for(lambda: port['id'] not in served(host), 30, 'a VF without it')


def killed_meanwhile(site, nets, vms):
    """What ends while the second host is cut off."""
    one, two = vms
    wait_for(lambda: site.states() == {'east': 'up', 'west': 'down'}, 20, 'a host that is down')
    wait_for(lambda: 'silent host=west' in ''.join(api.log.read_text() for api in site.apis), 10, 'a word in the log')
    assert one.pings(two.ips[0]) and one.pings(two.ips[1])  # the physical network goes on

    leader = site.leader()
    site.etcd.kill(leader)
    serves(site, one.host, nets[0])
    assert wait_for(lambda: site.leader() not in (None, leader), 20, 'another leader')
    site.etcd.start(leader)
    for api in site.apis:
        api.stop(signal.SIGKILL)
        serves(site, one.host, nets[1])
        api.start()
    assert site.states() == {'east': 'up', 'west': 'down'}
    assert asked(lambda: site.cloud.port(nets[0], **{'binding:host_id': 'west'}))['binding:vif_type'] == 'binding_failed'


def test_what_is_killed_or_cut_off_is_missed_by_nobody(site, nets, vms):
    """One host is cut off for a minute; meanwhile etcd's leader ends, and each replica."""
    one, two = vms
    run('ip', 'link', 'set', two.host.near, 'down')
    cut = time.monotonic()
    try:
        killed_meanwhile(site, nets, vms)
        time.sleep(max(0, cut + CUT_S - time.monotonic()))
    finally:
        run('ip', 'link', 'set', two.host.near, 'up')
    wait_for(lambda: site.states() == {'east': 'up', 'west': 'up'}, 20, 'the host')
    serves(site, two.host, nets[1])
    for vm in vms:
        assert site.cloud.server(vm.doc)['status'] == 'ACTIVE'
        assert all(site.cloud.show_port(port)['status'] == 'ACTIVE' for port in vm.ports)
    assert one.pings(two.ips[0]) and one.pings(two.ips[1])


def test_what_is_deleted_goes_on_both_hosts(site, vms):
    for vm in vms:
        site.cloud.admin.delete(f"{NOVA}/servers/{vm.doc['id']}")
    for vm in vms:
        site.cloud.wait_gone(vm.doc, 60)
        for port in vm.ports:
            site.cloud.admin.delete(f"{V2}/ports/{port['id']}")
    for host in site.hosts:
        wait_for(lambda host=host: not host.libvirt.domains() and not host.dhcp(), 20, 'an empty host')
        assert served(host) == {''}
