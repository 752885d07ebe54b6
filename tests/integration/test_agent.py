# SPDX-License-Identifier: Apache-2.0
"""The host agent with a real switch, a real libvirt and real guests; the API is the stand-in."""
import base64
import contextlib
import ipaddress
import itertools
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid

import pytest

from conftest import DAEMONS, ROOT, Swd, need_root, outside, run, unique, wait_for
from test_house import holds_nothing, owner, status
from standin import Libvirtd, StandIn

sys.path.insert(0, str(ROOT / 'scripts/lib'))
from guest import Console  # noqa: E402

BOOT_S = 120  # a guest without KVM on a machine that does other things as well
subnets = itertools.count(1)


def alive(pid):
    """Is the process there, and no zombie?"""
    with contextlib.suppress(OSError):
        return pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0] != 'Z'
    return False


class Net:
    """A network's document and what its ports share; v6: the IPv6 address mode of a second subnet."""

    def __init__(self, host, dhcp=True, vlan=0, mtu=1500, v6=None):
        self.host, self.id, self.subnet = host, str(uuid.uuid4()), str(uuid.uuid4())
        self.vlan, self.mtu, self.n = vlan, mtu, next(subnets)
        self.last = 10
        self.netns = f'anyvf-{self.id[:8]}'
        self.dir = host.dir / 'dhcp' / self.id
        self.subnet6 = v6 and str(uuid.uuid4())
        service = [{'ip_address': self.addr(2), 'subnet_id': self.subnet}]
        subnets6 = []
        if v6:
            service.append({'ip_address': self.addr6('2'), 'subnet_id': self.subnet6})
            subnets6 = [{'id': self.subnet6, 'cidr': self.addr6('') + '/64', 'ip_version': 6,
                         'gateway_ip': self.addr6('1'), 'enable_dhcp': True,
                         'dns_nameservers': [self.addr6('53')], 'host_routes': [],
                         'ipv6_ra_mode': v6, 'ipv6_address_mode': v6}]
        host.api.put('network', {
            'id': self.id, 'name': f'net{self.n}', 'pf': 'p2p1', 'vlan': vlan, 'mtu': mtu,
            'dhcp': {'port_id': str(uuid.uuid4()), 'mac': f'fa:16:3e:ff:00:{self.n:02x}',
                     'fixed_ips': service} if dhcp else None,
            'subnets': [{'id': self.subnet, 'cidr': self.addr('0/24'), 'ip_version': 4,
                         'gateway_ip': self.addr(1), 'enable_dhcp': dhcp, 'dns_nameservers': [],
                         'host_routes': [], 'ipv6_ra_mode': None, 'ipv6_address_mode': None},
                        *subnets6]})

    def addr(self, last):
        return f'10.77.{self.n}.{last}'

    def addr6(self, last):
        return str(ipaddress.ip_address(f'fd00:77:{self.n}::{last}'))

    def dnsmasq(self):
        """The pid of its dnsmasq, or None."""
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.dir / 'pid').read_text())
            if alive(pid):
                return pid
        return None


class Server:
    """A server with one port on a network: documents, domain, console; ip6: its second address."""

    def __init__(self, host, net, image=None, user_data=None, ip6=None, **members):
        self.host, self.net = host, net
        self.id, self.port, self.vf = str(uuid.uuid4()), str(uuid.uuid4()), host.free_vf()
        net.last += 1
        self.ip, self.mac = net.addr(net.last), f'fa:16:3e:00:{net.n:02x}:{net.last:02x}'
        host.api.put('port', {
            'id': self.port, 'name': '', 'server': self.id, 'network': net.id, 'pf': 'p2p1',
            'vf': self.vf, 'pci_slot': '', 'mac': self.mac, 'vlan': net.vlan,
            'trunk': 'any' if net.vlan else 'none', 'spoofchk': True, 'trust': False,
            'state': 'auto', 'mtu': net.mtu, 'vnic_type': 'direct', 'released': False,
            'fixed_ips': [{'ip_address': self.ip, 'subnet_id': net.subnet}] +
                         ([{'ip_address': ip6, 'subnet_id': net.subnet6}] if ip6 else [])})
        host.api.put('server', {
            'id': self.id, 'name': f'vm <{self.vf}>', 'project_id': 'p', 'power': 'on',
            'deleted': False, 'reboot': 0, 'vcpus': 1, 'memory_mb': 160, 'disk_gb': 0,
            'image': image or host.image, 'key_name': None, 'public_key': None, 'metadata': {},
            'user_data': base64.b64encode(user_data.encode()).decode() if user_data else None,
            'config_drive': True, 'ports': [self.port], **members})
        host.servers.append(self)

    @property
    def domain(self):
        return f'anyvf-{self.id}'

    def new_port(self, net):
        """Another port, which the server's document does not have yet: its id and its MAC."""
        ident, vf = str(uuid.uuid4()), self.host.free_vf()
        net.last += 1
        mac = f'fa:16:3e:00:{net.n:02x}:{net.last:02x}'
        self.host.api.put('port', {**self.host.api.docs['port'][self.port], 'id': ident, 'vf': vf, 'mac': mac, 'network': net.id,
                                   'fixed_ips': [{'ip_address': net.addr(net.last), 'subnet_id': net.subnet}]})
        return ident, mac

    def drop_port(self, port):
        """As the API ends a port: the server's document is without it, its VF is to come back."""
        self.change(ports=[self.port])
        self.host.api.change('port', port, released=True)
        self.host.api.wait_status('port', port, 'RELEASED')

    def change(self, **members):
        self.host.api.change('server', self.id, **members)

    def active(self):
        self.host.api.wait_status('server', self.id, 'ACTIVE')
        self.host.api.wait_status('port', self.port, 'ACTIVE')
        return self

    def said(self):
        """What its console said so far."""
        log = self.host.state / 'agent/servers' / self.id / 'console.log'
        with contextlib.suppress(OSError):
            return log.read_text(errors='replace')
        return ''

    def booted(self, times=1):
        """Wait until it has booted, that is: asked for its addresses."""
        wait_for(lambda: self.said().count('anyvf-guest: up ') >= times, BOOT_S, f'{self.id}: up')
        return self

    def console(self):
        console = Console(self.domain, self.host.libvirt.uri)
        console.ready()
        return console

    def qemu(self):
        """The pid of its QEMU."""
        path = self.host.libvirt.dir / 'run/qemu' / f'{self.domain}.pid'
        return int(path.read_text())

    def vf_state(self):
        return self.host.swd.vf('p2p1', self.vf)

    def delete(self):
        """As the API ends a server: its domain and its lease."""
        api = self.host.api
        if self.id in api.docs['server']:
            self.change(deleted=True, power='off')
            api.change('port', self.port, released=True)
            api.wait_status('server', self.id, 'DELETED')
            api.wait_status('port', self.port, 'RELEASED')
        if self in self.host.servers:
            self.host.servers.remove(self)


class Host:
    """Switch, libvirtd, API stand-in and agent in a directory of their own."""

    def __init__(self, directory, libvirt_uri=None):
        self.dir = pathlib.Path(directory)
        os.chmod(self.dir, 0o755)  # QEMU and dnsmasq run as users of their own
        self.state = self.dir / 'state'
        self.api = StandIn()
        self.libvirt = None if libvirt_uri else Libvirtd(self.dir / 'libvirt').start()
        self.swd = Swd(self.dir).start()
        self.swd.call('pf.add', name='p2p1', uplink='none', numvfs=16)
        self.servers, self.agent = [], None
        guest = ROOT / 'build/guest'
        outside(ROOT / 'scripts/guest-image')
        kernel = self.api.add_image(guest / 'vmlinuz', 'aki')
        ramdisk = self.api.add_image(guest / 'initramfs', 'ari')
        self.image = {**self.api.add_image(guest / 'disk.raw', 'ami',
                                           os_command_line=(guest / 'cmdline').read_text().strip()),
                      'kernel_id': kernel['id'], 'ramdisk_id': ramdisk['id']}
        (self.dir / 'agent.json').write_text(
            json.dumps({'username': 'anyvf-agent-host1', 'password': 'secret'}))
        (self.dir / 'anyvf.conf').write_text(
            f'[host]\nname = host1\nstate_dir = {self.state}\n'
            '[sriov]\nphysical_device_mappings = physnet1:p2p1,physnet9:absent\n'
            '[taas]\ncollectors = 10.0.0.0/24, 198.18.0.0/15, 2001:db8::/32\n'
            f'[agent]\napi = {self.api.url}\ncredentials = {self.dir}/agent.json\n'
            f'libvirt_uri = {libvirt_uri or self.libvirt.uri}\n' + ('' if libvirt_uri else 'user = anyvf-agent\n'))

    def free_vf(self):
        used = {doc['vf'] for doc in self.api.docs['port'].values()}
        return next(n for n in range(16) if n not in used)

    def start(self, *options):
        """Start the agent."""
        with open(self.dir / 'agentd.log', 'ab') as log:
            self.agent = subprocess.Popen(
                [DAEMONS / 'anyvf-agentd', '--config', self.dir / 'anyvf.conf', '--run-dir',
                 self.dir, '--debug', *options], stdout=log, stderr=log)
        return self

    def stop(self, signo=signal.SIGTERM):
        """End the agent; its exit code."""
        self.agent.send_signal(signo)
        return self.agent.wait(20)

    def restart(self, *options, signo=signal.SIGKILL):
        self.stop(signo)
        before = len(self.log())
        self.start(*options)

        def ready():
            assert self.agent.poll() is None, f'the agent ended:\n{self.log()[before:]}'
            return 'the API is there' in self.log()[before:].partition('ready')[2]
        wait_for(ready, 20, 'the agent')

    def log(self):
        return (self.dir / 'agentd.log').read_text()

    def clear(self):
        """Take everything a test made away."""
        for server in self.servers[:]:
            server.delete()
        for net in list(self.api.docs['network']):
            self.api.drop('network', net)

    def close(self):
        """End everything, whatever state it is in."""
        with contextlib.suppress(Exception):
            self.clear()
            wait_for(lambda: not list((self.dir / 'dhcp').glob('*')), 10, 'no DHCP')
        with contextlib.suppress(Exception):
            self.stop()
        for pid in (self.dir / 'dhcp').glob('*/pid'):
            with contextlib.suppress(Exception):
                os.kill(int(pid.read_text()), signal.SIGKILL)
        if self.libvirt:
            self.libvirt.close()
        self.swd.stop()
        self.api.close()


def need_guests():
    """Skip where guests cannot be run."""
    need_root()
    for program in 'qemu-system-x86_64', 'libvirtd', 'virsh', 'dnsmasq', 'genisoimage', 'busybox':
        if not shutil.which(program, path=os.environ['PATH'] + ':/usr/sbin:/sbin'):
            pytest.skip(f'needs {program}')


@pytest.fixture(scope='module')
def the_host():
    """One host for all tests of this file."""
    need_guests()
    directory = tempfile.mkdtemp(prefix='anyvf-ag-')
    host = Host(directory).start()
    yield host
    host.close()
    shutil.rmtree(directory)


@pytest.fixture
def host(the_host):
    """The host, empty before and after each test."""
    assert not the_host.servers, 'an earlier test left what would not go'
    yield the_host
    the_host.clear()


def counted_before(host, vm):
    """What its domain and its VF are said to have used is what libvirt and the switch count."""
    said = host.api.ask('diagnostics', vm.id)
    vda, vdb = said['disks']
    nic, = said['nics']
    stats = vm.vf_state()['stats']
    assert said['running'] and said['hypervisor'] in ('kvm', 'qemu')
    assert [cpu['id'] for cpu in said['cpus']] == [0] and said['cpus'][0]['time'] > 0
    assert vda['name'] == 'vda' and vda['read_bytes'] > 0 and vdb['read_requests'] > 0 == vdb['write_bytes']
    assert said['memory']['maximum'] == said['memory']['actual'] > 100 << 10 and said['memory']['rss'] > 0
    assert nic['name'] == f'p2p1vf{vm.vf}' and nic['mac_address'] == vm.mac
    assert 0 < nic['tx_packets'] <= stats['tx_packets'] and 0 < nic['rx_octets'] <= stats['rx_bytes']


def test_a_server_boots_gets_its_lease_and_leaves_nothing_behind(host):
    net = Net(host)
    script = '#!/bin/sh\necho user data of $(hostname)\ngrep -o "admin_pass[^,]*" /run/config/openstack/latest/meta_data.json\n' \
        'cat /run/config/openstack/content/0000\n'
    vm = Server(host, net, user_data=script, admin_pass='s3cret', files=[
        {'path': '/etc/motd', 'contents': base64.b64encode(b'a file of the boot\n').decode()}]).active().booted()
    wait_for(lambda: f'nic eth0 mac {vm.mac} addr {vm.ip}/24 mtu 1500' in vm.said(), 20, 'its address')
    wait_for(lambda: f'user data of vm-{vm.vf}' in vm.said(), 10, 'its user data')
    wait_for(lambda: 'a file of the boot' in vm.said() and '"s3cret"' in vm.said(), 10, 'its file and its password')
    files = host.state / 'agent/servers' / vm.id
    secret, = files.rglob('meta_data.json')
    qemu = subprocess.run(['cat', secret], user='libvirt-qemu', group='libvirt-qemu', extra_groups=[], capture_output=True, check=False)
    assert secret.read_text() and qemu.returncode and not qemu.stdout
    assert vm.mac in (net.dir / 'leases').read_text()
    config = vm.vf_state()['config']
    assert (config['mac'], config['port_id'], config['server']) == (vm.mac, vm.port, f'vm <{vm.vf}>')
    assert (config['vlan'], config['trunk'], config['spoofchk']) == (0, 'none', True)
    assert 'anyvf-guest: up' in host.api.console(vm.id)
    assert host.api.console(vm.id, 1).count('\n') <= 1
    counted_before(host, vm)
    title = host.libvirt.virsh('desc', '--title', vm.domain).stdout.strip()
    assert title == f'vm <{vm.vf}>'

    (net.dir / 'conf.new').touch()  # of an agent that was killed while it wrote
    vm.delete()
    assert vm.vf_state()['config']['port_id'] == ''
    assert vm.vf_state()['attach']['kind'] == 'none'
    assert vm.domain not in host.libvirt.domains()
    assert not (host.state / 'agent/servers' / vm.id).exists()
    wait_for(lambda: not net.dir.exists(), 10, 'the end of its DHCP')
    assert not pathlib.Path('/run/netns', net.netns).exists()
    assert host.swd.call('svc.list') == []


def test_guests_of_a_network_ping_each_other(host):
    net = Net(host, mtu=1400)
    one, two = Server(host, net), Server(host, net)
    one.booted(), two.booted()
    assert f'addr {one.ip}/24 mtu 1400' in one.said()
    console = one.console()
    assert console.run(f'ping -c 3 -W 5 {two.ip}')[0] == 0
    # host_mtu: the driver itself knows the limit
    assert console.run('ip -d link show eth0')[1].count('maxmtu 1400') == 1
    assert net.dnsmasq()
    leases = (net.dir / 'leases').read_text()
    assert one.ip in leases and two.ip in leases
    plug_and_unplug(host, net, one, two, console)


def nics(console):
    return re.findall(r'^\d+: (eth\d+):.*\n.*ether (\S+)', console.run('ip link')[1], re.M)


def plug_and_unplug(host, net, one, two, console):
    """A port comes to a running guest and leaves it, twice; the agent is killed in the middle of both."""
    port, mac = one.new_port(net)
    for kill in False, True:
        one.change(ports=[one.port, port])
        if kill:
            host.restart()
        host.api.wait_status('port', port, 'ACTIVE')
        nic = wait_for(lambda: {m: n for n, m in nics(console)}.get(mac), 20, 'the NIC in the guest')
        assert console.run(f'ip -d link show {nic}')[1].count('maxmtu 1400') == 1
        assert console.run(f'ifconfig {nic} up; udhcpc -n -q -t 8 -T 1 -i {nic} -s /bin/true', 30)[0] == 0, 'an address is offered'
        config = host.swd.vf('p2p1', host.api.docs['port'][port]['vf'])
        assert (config['config']['mac'], config['status']['connected']) == (mac, True)
        wait_for(lambda: set(host.api.reports['server', one.id]['plugged']) == {one.port, port}, 20, 'the report')
        one.change(ports=[one.port])
        if kill:
            host.restart()
        wait_for(lambda: host.api.reports['server', one.id].get('plugged') == [one.port], 20, 'the report')
        assert host.api.reports['server', one.id]['status'] == 'ACTIVE'
        assert [m for _, m in nics(console)] == [one.mac]
    one.drop_port(port)
    assert console.run(f'ping -c 1 -W 5 {two.ip}')[0] == 0

    # paused, over a kill of the agent; then an image of the disk of one that runs, which goes on
    one.change(power='paused')
    host.api.wait_status('server', one.id, 'PAUSED')
    host.restart()
    assert host.libvirt.virsh('domstate', one.domain).stdout.split() == ['paused']
    one.change(power='on')
    host.api.wait_status('server', one.id, 'ACTIVE')
    console.run('echo the disk > /dev/vda; sync')
    image = str(uuid.uuid4())
    one.change(snapshot=image)
    host.restart()  # wherever it is
    wait_for(lambda: (host.api.reports['server', one.id]['snapshot'] or {}).get('status') == 'done', 60, 'the image')
    made = host.dir / 'made'
    made.write_bytes(host.api.made[image])
    run('qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', made, f'{made}.raw')
    assert pathlib.Path(f'{made}.raw').read_bytes().startswith(b'the disk\n')
    private = host.state / 'agent/servers' / one.id / 'private'
    assert not list(private.glob('snapshot*'))
    # suspended, which takes its VF; what it had in memory is there when it goes on, the VF is again
    console.run('echo kept > /tmp/kept')
    one.change(power='suspended')
    host.restart()  # wherever it is
    host.api.wait_status('server', one.id, 'SUSPENDED')
    assert one.domain not in host.libvirt.domains() and (private / 'saved').exists()
    one.change(power='on')
    host.restart()
    one.active()
    assert not (private / 'saved').exists()
    console = one.console()
    assert console.run('cat /tmp/kept')[1] == 'kept'
    nic = wait_for(lambda: {m: n for n, m in nics(console)}.get(one.mac), 20, 'the NIC in the guest')
    console.run(f'ip link set {nic} up; ip addr add {one.ip}/24 dev {nic}')
    assert console.run(f'ping -c 1 -W 5 {two.ip}')[0] == 0


def test_without_dhcp_there_is_no_address(host):
    net = Net(host, dhcp=False)
    vm = Server(host, net).active().booted()
    assert f'nic eth0 mac {vm.mac} addr none' in vm.said()
    assert net.dnsmasq() is None
    assert vm.ip not in vm.console().run('ip addr show eth0')[1]
    host.api.wait_status('network', net.id, 'ACTIVE')


@pytest.mark.parametrize('mode, last, length', [
    # SLAAC's address follows from the MAC (RFC 4291, appendix A); a lease is one address
    ('slaac', lambda net: f'f816:3eff:fe00:{net.n:x}0b', 64),
    ('dhcpv6-stateless', lambda net: f'f816:3eff:fe00:{net.n:x}0b', 64),
    ('dhcpv6-stateful', lambda net: 'abc', 128)])
def test_a_guest_gets_its_ipv6_address(host, mode, last, length):
    net = Net(host, v6=mode)
    ip6 = net.addr6(last(net))
    vm = Server(host, net, ip6=ip6).booted()
    wait_for(lambda: f'nic eth0 mac {vm.mac} addr {ip6}/{length}' in vm.said(), 60, 'the address')
    assert f'addr {vm.ip}/24' in vm.said()
    console = vm.console()
    assert console.run(f'ping -c 2 -W 5 {net.addr6("2")}')[0] == 0, 'its DHCP service'
    addresses = console.run('ip -6 -o addr show dev eth0 scope global')[1].splitlines()
    assert len(addresses) == 1, 'no address beside the one the API gave'
    assert not console.run('ip -6 route show default')[1], 'the service is no router'
    if mode != 'slaac':  # RFC 8106 in advertisements, or option 23
        wait_for(lambda: net.addr6('53') in console.run('cat /etc/resolv.conf')[1], 20, 'the name server')
    service = run('ip', '-n', net.netns, '-6', '-o', 'addr', 'show', 'scope', 'global').stdout
    assert service.count('inet6') == 1, 'the service port takes no address from its own advertisements'
    if mode == 'dhcpv6-stateful':
        assert ip6 in (net.dir / 'leases').read_text()


def test_dhcp_answers_ports_only_and_its_service_port_comes_back(host, netns):
    net = Net(host)
    Server(host, net).active()
    first = wait_for(net.dnsmasq, 10, 'dnsmasq')
    stranger, spare = netns(), host.free_vf()
    tap = host.swd.attach_tap('p2p1', spare, stranger)
    try:
        ask = ['busybox', 'udhcpc', '-i', tap, '-n', '-q', '-t', '2', '-T', '1', '-f', '-s', '/bin/true']
        assert stranger.run(*ask, check=False).returncode != 0
        # the same with a MAC of the network: the address is there for it
        vm = Server(host, net, power='off')
        wait_for(lambda: vm.mac in (net.dir / 'hosts').read_text(), 10, 'the host entry')
        assert net.dnsmasq() == first, 'a new port is no reason for a new dnsmasq'
        stranger.run('ip', 'link', 'set', tap, 'address', vm.mac)
        assert stranger.run(*ask, check=False).returncode == 0
        assert vm.ip in (net.dir / 'leases').read_text()

        host.swd.call('svc.del', pf='p2p1', name=f'dhcp-{net.id[:8]}')
        wait_for(lambda: len(host.swd.call('svc.list')) == 1, 10, 'the service port')
        wait_for(net.dnsmasq, 10, 'dnsmasq')
        wait_for(lambda: stranger.run(*ask, check=False).returncode == 0, 20, 'a lease')
        os.kill(net.dnsmasq(), signal.SIGKILL)
        wait_for(net.dnsmasq, 10, 'dnsmasq after its end')
    finally:
        host.swd.call('vf.detach', pf='p2p1', vf=spare)


def hear(vm):
    """The unicast addresses the switch accepted from the guest."""
    return vm.vf_state()['status']['accepted']


def test_the_guests_mac_and_groups_arrive_by_qmp(host):
    vm = Server(host, Net(host)).active().booted()
    wait_for(lambda: vm.vf_state()['status']['filter_known'], 10, 'the filter')
    console, other = vm.console(), 'fa:16:3e:99:99:59'

    def groups_agree():  # IPv6 of a guest that has just booted joins some at its own time
        said = console.run('grep -w eth0 /proc/net/dev_mcast')[1].split()
        assert '01005e010203' in said
        return vm.vf_state()['status']['n_mcasts'] == len(set(said[4::5]))
    assert console.run('ip maddr add 01:00:5e:01:02:03 dev eth0')[0] == 0
    wait_for(groups_agree, 20, 'the group')
    # the recipe: refused until the host says the same, then kept when the host says another
    assert console.run(f'ifconfig eth0 down; ifconfig eth0 hw ether {other}; ifconfig eth0 up')[0] == 0
    wait_for(lambda: other in vm.vf_state()['status']['refused'], 20, 'the refusal')
    host.swd.cli('link', 'set', 'p2p1', 'vf', str(vm.vf), 'mac', other)
    wait_for(lambda: other in hear(vm), 20, 'the address')
    host.swd.cli('link', 'set', 'p2p1', 'vf', str(vm.vf), 'mac', 'fa:16:3e:99:99:58')
    time.sleep(1.5)  # the agent looks once a second, and must not write
    assert other in hear(vm)
    assert vm.vf_state()['config']['mac'] == 'fa:16:3e:99:99:58'
    assert 'mac' in vm.vf_state()['status']['overridden']
    host.swd.call('vf.filter', pf='p2p1', vf=vm.vf, filter=None)  # as after a restart that nobody saw
    wait_for(lambda: vm.vf_state()['status']['filter_known'], 10, 'the filter again')


def test_without_the_reader_the_guests_mac_does_not_arrive(host):
    host.restart('--no-rx-filter')
    try:
        vm = Server(host, Net(host)).active().booted()
        assert vm.console().run('ifconfig eth0 down; ifconfig eth0 hw ether fa:16:3e:99:99:59;'
                                'ifconfig eth0 up')[0] == 0
        host.swd.cli('link', 'set', 'p2p1', 'vf', str(vm.vf), 'mac', 'fa:16:3e:99:99:59')
        host.swd.cli('link', 'set', 'p2p1', 'vf', str(vm.vf), 'mac', 'fa:16:3e:99:99:58')
        time.sleep(2)
        assert not vm.vf_state()['status']['filter_known']
        assert hear(vm) == []
    finally:
        host.restart()


def test_15_the_vfs_link_is_the_guests_link(host):
    vm = Server(host, Net(host)).active().booted()
    console = vm.console()

    def carrier():
        return console.run('cat /sys/class/net/eth0/carrier')[1].split()[0]
    assert carrier() == '1'
    host.swd.cli('link', 'set', 'p2p1', 'vf', str(vm.vf), 'state', 'disable')
    wait_for(lambda: carrier() == '0', 10, 'no carrier')
    host.swd.cli('link', 'set', 'p2p1', 'vf', str(vm.vf), 'state', 'auto')
    wait_for(lambda: carrier() == '1', 10, 'the carrier')


def test_a_vf_set_by_hand_stays_until_the_api_says_otherwise(host):
    vm = Server(host, Net(host)).active()
    host.swd.cli('link', 'set', 'p2p1', 'vf', str(vm.vf), 'spoofchk', 'off')
    host.restart()
    time.sleep(2)
    assert vm.vf_state()['config']['spoofchk'] is False
    host.api.change('port', vm.port, trust=True)
    wait_for(lambda: vm.vf_state()['config']['trust'], 5, 'trust')
    host.api.change('port', vm.port, allowed='00:00:5e:00:01:07')
    wait_for(lambda: vm.vf_state()['config']['allowed'] == '00:00:5e:00:01:07', 5, 'the address')
    assert vm.vf_state()['config']['spoofchk'] is False
    host.api.change('port', vm.port, spoofchk=False)
    host.api.change('port', vm.port, spoofchk=True)
    host.api.wait_status('port', vm.port, 'ACTIVE')


def test_guests_and_dhcp_outlive_agent_libvirtd_and_switch(host):
    net = Net(host)
    one, two = Server(host, net), Server(host, net)
    one.booted(), two.booted()
    qemu, dnsmasq = one.qemu(), net.dnsmasq()
    console = one.console()

    def all_as_it_was():
        return alive(qemu) and one.qemu() == qemu and net.dnsmasq() == dnsmasq and \
            host.api.status('server', one.id) == 'ACTIVE'
    half = host.state / 'agent/ports/half.new'  # of one that was killed while it wrote
    half.touch()
    host.restart()
    wait_for(lambda: not half.exists(), 10, 'the end of half a record')
    assert all_as_it_was()
    host.libvirt.stop()
    host.libvirt.start()
    wait_for(lambda: 'connected to libvirt' in host.log().split('libvirt went away')[-1], 20,
             'libvirt again')
    assert all_as_it_was()
    os.kill(host.swd.child(), signal.SIGKILL)
    wait_for(lambda: console.run(f'ping -c 1 -W 1 {two.ip}')[0] == 0, 30, 'traffic again')
    wait_for(lambda: one.vf_state()['status']['filter_known'], 20, 'the filter again')
    assert all_as_it_was()
    one.change(power='off')  # all of them still listen
    host.api.wait_status('server', one.id, 'SHUTOFF')


def test_power_follows_the_api_and_a_guest_that_goes_off_is_reported(host):
    vm = Server(host, Net(host)).active().booted()
    first = vm.qemu()
    vm.change(reboot=1)
    wait_for(lambda: host.api.reports['server', vm.id].get('reboot') == 1, 60, 'the reboot')
    host.api.wait_status('server', vm.id, 'ACTIVE')
    assert vm.qemu() != first
    vm.booted(2).console().run('touch /mnt/kept; sync')
    with contextlib.suppress(TimeoutError):
        vm.console().run('poweroff -f', 2)
    host.api.wait_status('server', vm.id, 'SHUTOFF')
    assert host.api.reports['server', vm.id]['power_state'] == 4
    host.restart()
    time.sleep(2)
    assert vm.domain not in host.libvirt.domains()
    vm.change(power='off')  # what the API makes of it
    host.api.wait_status('server', vm.id, 'SHUTOFF')
    vm.change(power='on')
    host.api.wait_status('server', vm.id, 'ACTIVE')
    vm.booted(3)
    assert vm.console().run('ls /mnt')[1].count('kept') == 1
    rescue_and_rebuild(host, vm)
    vm.change(power='off')
    host.api.wait_status('server', vm.id, 'SHUTOFF')
    assert vm.domain not in host.libvirt.domains()


def resize(host, vm, console):
    """More of all, by a copy of the disk, over kills of the agent; back to what was; and again, confirmed, while it is off."""
    def said():
        return host.api.reports['server', vm.id]

    def disks():
        return sorted(p.name for p in (host.state / 'agent/servers' / vm.id).glob('disk*'))

    def sectors(console):
        return int(console.run('cat /sys/block/vda/size')[1])
    console.run('touch /mnt/one; sync')
    small = sectors(console)
    vm.change(disk=3, before={'disk': 0, 'disk_gb': 0}, disk_gb=1, memory_mb=200, vcpus=2)
    host.restart()  # as it ends
    wait_for(lambda: vm.domain not in host.libvirt.domains(), 30, 'its end')
    host.restart()  # as its disk is copied, or it starts
    wait_for(lambda: (said()['status'], said()['disk'], said()['kept_disk']) == ('ACTIVE', 3, 0), 60, 'the resize')
    console = vm.active().booted(7).console()
    assert (sectors(console), console.run('grep -c ^processor /proc/cpuinfo')[1]) == (1 << 21, '2')
    assert 'one' in console.run('ls /mnt; touch /mnt/two; sync')[1].split() and disks() == ['disk.3.qcow2', 'disk.qcow2']
    vm.change(disk=0, before=None, disk_gb=0, memory_mb=160, vcpus=1)
    wait_for(lambda: (said()['status'], said()['disk'], said()['kept_disk']) == ('ACTIVE', 0, None), 60, 'the way back')
    console = vm.active().booted(8).console()
    names = console.run('ls /mnt')[1].split()
    assert 'one' in names and 'two' not in names and sectors(console) == small and disks() == ['disk.qcow2']
    vm.change(power='off')
    host.api.wait_status('server', vm.id, 'SHUTOFF')
    vm.change(disk=5, before={'disk': 0, 'disk_gb': 0}, disk_gb=1)
    host.restart()  # wherever it is
    wait_for(lambda: (said()['status'], said()['disk'], said()['kept_disk']) == ('SHUTOFF', 5, 0), 60, 'the resize')
    vm.change(before=None)
    wait_for(lambda: said()['kept_disk'] is None, 20, 'the end of the old disk')
    assert disks() == ['disk.5.qcow2']
    image = str(uuid.uuid4())
    vm.change(snapshot=image)
    wait_for(lambda: (said()['snapshot'] or {}).get('status') == 'done', 60, 'an image of it')
    made = host.dir / 'made'
    made.write_bytes(host.api.made[image])
    assert json.loads(run('qemu-img', 'info', '-f', 'qcow2', '--output=json', made).stdout)['virtual-size'] == 1 << 30


def rescue_and_rebuild(host, vm):
    """Its disk is the second of a rescue, over kills of the agent; then the first again; then another."""
    vm.change(rescue=5, rescue_image=host.image, rescue_pass='s3cret')
    host.restart()  # as it ends
    wait_for(lambda: vm.domain not in host.libvirt.domains(), 30, 'its end')
    host.restart()  # as it starts
    wait_for(lambda: (host.api.reports['server', vm.id]['status'], host.api.reports['server', vm.id]['rescue']) == ('ACTIVE', 5),
             60, 'the rescue')
    console, files = vm.active().booted(4).console(), host.state / 'agent/servers' / vm.id
    assert console.run('ls /mnt')[1].count('kept') == 0
    assert console.run('mkdir /tmp/own; mount -t ext4 /dev/vdb /tmp/own; ls /tmp/own')[1].count('kept') == 1
    assert console.run('grep -c s3cret /run/config/openstack/latest/meta_data.json')[1] == '1'
    console.run('touch /tmp/own/saved; umount /tmp/own')
    assert [p.name for p in files.glob('*.qcow2')].count('rescue.5.qcow2') == 1
    vm.change(rescue=0, rescue_image=None, rescue_pass=None)
    wait_for(lambda: host.api.reports['server', vm.id]['rescue'] == 0, 60, 'the end of the rescue')
    assert {'kept', 'saved'} <= set(vm.booted(5).console().run('ls /mnt')[1].split())
    assert not list(files.glob('rescue*'))
    vm.change(rebuild=1)
    host.restart()  # wherever it is
    wait_for(lambda: host.api.reports['server', vm.id]['rebuild'] == 1, 60, 'the rebuild')
    console = vm.active().booted(6).console()
    assert 'kept' not in console.run('ls /mnt')[1] and 'lost+found' in console.run('ls /mnt')[1]
    resize(host, vm, console)


def test_servers_come_back_after_a_reboot_of_the_host(host):
    on, off = Server(host, Net(host)).active(), Server(host, Net(host)).active()
    off.change(power='off')
    host.api.wait_status('server', off.id, 'SHUTOFF')
    host.stop(signal.SIGKILL)
    for name in host.libvirt.domains():
        host.libvirt.virsh('destroy', name)
    for record in host.state.glob('agent/servers/*/record'):
        record.write_text(re.sub('"boot_id":"[^"]*"', '"boot_id":"another"', record.read_text()))
    host.start()
    wait_for(lambda: on.domain in host.libvirt.domains(), 30, 'the server')
    host.api.wait_status('server', on.id, 'ACTIVE')
    assert off.domain not in host.libvirt.domains()


def test_servers_that_anyvf_down_ended_come_back(host):
    vm = Server(host, Net(host)).active()
    host.stop()
    host.libvirt.virsh('destroy', vm.domain)
    (host.dir / 'guests-ended').touch()
    host.start()
    wait_for(lambda: vm.domain in host.libvirt.domains(), 30, 'the server')
    host.api.wait_status('server', vm.id, 'ACTIVE')


def test_a_start_that_fails_is_told_with_its_reason(host):
    missing = {**host.image, 'id': str(uuid.uuid4())}
    vm = Server(host, Net(host), image=missing)
    host.api.wait_status('server', vm.id, 'ERROR')
    fault = host.api.reports['server', vm.id]['fault']['message']
    assert missing['id'] in fault and '404' in fault
    secret = host.dir / 'secret.qcow2'
    run('qemu-img', 'create', '-f', 'qcow2', '-b', '/etc/shadow', '-F', 'raw', secret)
    spy = Server(host, Net(host), image=host.api.add_image(secret, 'qcow2'))
    host.api.wait_status('server', spy.id, 'ERROR')
    assert 'refers to another file' in host.api.reports['server', spy.id]['fault']['message']
    vm.change(image=host.image)
    vm.active()


@contextlib.contextmanager
def occupied(path):
    """Be a front end of a VF whenever its socket is there: QEMU's is turned away, so it waits in its start."""
    end = threading.Event()

    def hold():
        while not end.is_set():
            with socket.socket(socket.AF_UNIX) as sock, contextlib.suppress(OSError):
                sock.connect(str(path))
                sock.settimeout(0.05)
                while not end.is_set():
                    with contextlib.suppress(TimeoutError):
                        if not sock.recv(1):
                            break
            time.sleep(0.001)
    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def kill_in_start(vm, dead):
    """End QEMU by force while it waits for its VF."""
    def starting():
        with contextlib.suppress(OSError, ValueError):
            pid = vm.qemu()
            return pid if alive(pid) and pid not in dead else None
        return None
    pid = wait_for(starting, 20, f'start {len(dead) + 1}')
    os.kill(pid, signal.SIGKILL)
    dead.add(pid)


def test_a_qemu_killed_in_its_start_is_started_again(host):
    net, vf, dead = Net(host), host.free_vf(), set()
    with occupied(host.swd.dir / 'vhost' / f'p2p1-{vf}' / 'sock'):
        vm = Server(host, net)
        assert vm.vf == vf
        for _ in range(3):
            kill_in_start(vm, dead)
        host.api.wait_status('server', vm.id, 'ERROR')
        assert host.api.reports['server', vm.id]['fault']['message'].startswith('libvirt')
        vm.change(reboot=1)  # asked for again
        for _ in range(2):
            kill_in_start(vm, dead)
        wait_for(lambda: host.libvirt.domains() == [vm.domain], 20, 'the third start')
    vm.active()


NEVER = 'libvirt keeps a domain that it never started'


def test_a_domain_that_libvirt_never_started_keeps_no_server(host):
    """What a libvirtd leaves that is killed between a domain's first status and its QEMU (docs/reliability.md)."""
    vm = Server(host, Net(host)).active()
    kept = host.dir / f'libvirt/run/qemu/{vm.domain}.xml'
    host.libvirt.stop(signal.SIGKILL)
    os.kill(int(kept.with_suffix('.pid').read_text()), signal.SIGKILL)
    text = re.sub(r"<domstatus state='running' reason='\w+' pid='\d+'>", "<domstatus state='paused' reason='starting up' pid='0'>",
                  kept.read_text())
    assert "pid='0'" in text
    kept.write_text(text.replace('</qemuCaps>', "</qemuCaps><job type='none' async='start' flags='0x0' asyncStarted='1'/>"))
    host.libvirt.start()
    try:
        assert vm.domain in host.libvirt.domains(), 'it is one that libvirt takes for running'
        vm.change(deleted=True)
        host.api.wait_status('server', vm.id, 'DELETED', 90)
        assert NEVER in host.log()
    finally:
        host.libvirt.stop(signal.SIGKILL)
        kept.unlink()
        host.libvirt.start()


def test_a_start_that_waits_for_its_vf_is_ended_and_not_taken_for_never_begun(host):
    said, vf = host.log().count(NEVER), host.free_vf()
    with occupied(host.swd.dir / 'vhost' / f'p2p1-{vf}' / 'sock'):
        vm = Server(host, Net(host))
        path = host.libvirt.dir / f'run/qemu/{vm.domain}.pid'
        pid = int(wait_for(lambda: path.exists() and path.read_text(), 20, 'the start'))
        vm.delete()
    assert not alive(pid) and vm.domain not in host.libvirt.domains()
    assert host.log().count(NEVER) == said


def test_dhcp_moves_to_another_address_of_the_host(host):
    """As when the API gives each host a service port of its own: the guest goes on, and renews."""
    net = Net(host)
    vm = Server(host, net).active().booted()
    old, mac = host.api.docs['network'][net.id]['dhcp'], f'fa:16:3e:ff:01:{net.n:02x}'
    for now, address in ({**old, 'mac': mac}, 3), ({**old, 'mac': mac}, 4):
        now['fixed_ips'] = [{'ip_address': net.addr(address), 'subnet_id': net.subnet}]
        host.api.change('network', net.id, dhcp=now)

        def moved(address=address):
            words = run('ip', '-n', net.netns, '-o', 'addr').stdout
            link = run('ip', '-n', net.netns, 'link').stdout
            return words.count(' inet 10.') == 1 and f' {net.addr(address)}/24 ' in words and mac in link
        wait_for(moved, 20, f'DHCP at {net.addr(address)}')
        host.api.wait_status('network', net.id, 'ACTIVE', 20)
        wait_for(net.dnsmasq, 10, 'dnsmasq')
        said = vm.console().run('udhcpc -i eth0 -n -q -t 5')
        assert f'lease of {vm.ip} obtained from {net.addr(address)}' in said[1], said


def test_images_are_judged_where_they_are_used(host):
    net, cache = Net(host), host.state / 'agent/images'
    evil, large, good = (host.dir / f'{name}.qcow2' for name in ('evil', 'large', 'good'))
    secret = host.dir / 'secret'
    secret.write_text('root:SECRET')
    secret.chmod(0o600)
    run('qemu-img', 'create', '-q', '-u', '-f', 'qcow2', '-b', secret, '-F', 'raw', evil, '1M')
    run('qemu-img', 'create', '-q', '-f', 'qcow2', large, '50T')
    run('qemu-img', 'create', '-q', '-f', 'qcow2', good, '1M')

    def refused(image, why, **members):
        vm = Server(host, net, image=image, **members)
        host.api.wait_status('server', vm.id, 'ERROR')
        assert why in host.api.reports['server', vm.id]['fault']['message']
        assert not list(cache.glob('*.part'))
        vm.delete()

    image = host.api.add_image(evil, 'qcow2')
    refused(image, 'refers to another file')
    refused({**host.image, 'kernel_id': image['id'], 'kernel_hash': image['os_hash_value']},
            'the bytes are qcow2, not aki')
    refused({**image, 'disk_format': 'raw'}, 'the bytes are qcow2, not raw')
    refused(image, 'refers to another file')
    refused({**image, 'disk_format': 'vmdk'}, 'no server boots from the disk format vmdk')
    refused({**host.api.add_image(good, 'qcow2'), 'os_hash_value': '0' * 128}, 'checksum is wrong')
    refused({**host.image, 'ramdisk_hash': '0' * 128}, 'checksum is wrong')
    image = host.api.add_image(good, 'qcow2')
    planted = cache / f"{image['id']}.qcow2.{image['os_hash_value'][:32]}"
    shutil.copy(evil, planted)
    refused(image, 'refers to another file')
    planted.unlink()
    refused(host.api.add_image(large, 'qcow2'), 'does not fit 1 GiB', disk_gb=1)
    assert secret.stat().st_uid == os.geteuid()


def test_an_image_on_its_way_holds_up_no_other(host):
    net, pipe = Net(host), host.dir / 'pipe'
    data = os.urandom(1000)
    pipe.write_bytes(data)
    slow = host.api.add_image(pipe, 'raw')
    pipe.unlink()
    os.mkfifo(pipe)
    waits = [Server(host, net, image=slow) for _ in range(2)]
    other = host.dir / 'other'
    other.write_bytes(b'QFI\xfb')
    quick = Server(host, net, image=host.api.add_image(other, 'raw'))
    host.api.wait_status('server', quick.id, 'ERROR')
    assert all(host.api.status('server', vm.id) in (None, 'BUILD') for vm in waits)
    pipe.write_bytes(b'other bytes')  # the agent's request ends
    host.api.images[slow['id']] = other
    for vm in waits:
        host.api.wait_status('server', vm.id, 'ERROR')
        assert 'checksum is wrong' in host.api.reports['server', vm.id]['fault']['message']


def test_a_hung_qemu_delays_only_itself(host):
    net = Net(host)
    hung = Server(host, net).active().booted()
    os.kill(hung.qemu(), signal.SIGSTOP)
    host.swd.cli('link', 'set', 'p2p1', 'vf', str(hung.vf), 'state', 'disable')  # wants QMP
    other = Server(host, net).active()
    other.change(power='off')
    host.api.wait_status('server', other.id, 'SHUTOFF')
    hung.delete()


def test_a_disk_that_boots_by_itself(host):
    outside(ROOT / 'scripts/guest-image', '--qcow2')
    image = host.api.add_image(ROOT / 'build/guest/guest.qcow2', 'qcow2')
    vm = Server(host, Net(host), image=image, memory_mb=256).active().booted()
    assert f'addr {vm.ip}/24' in vm.said()


def test_documents_that_make_no_sense_harm_nobody(host):
    net = Net(host)
    for kind, ident in ('server', '../../../tmp/x'), ('port', str(uuid.uuid4())), \
            ('network', str(uuid.uuid4())), ('weather', 'sunny'), ('console', 'a/b'):
        host.api.docs.setdefault(kind, {})
        host.api.put(kind, {'id': ident, 'name': 7, 'vf': 'x', 'mac': None, 'server': ident})
    Server(host, net).active()
    for docs in host.api.docs.values():
        for ident in [i for i, doc in docs.items() if doc.get('name') == 7]:
            docs.pop(ident)
    host.api.docs.pop('weather')
    assert host.agent.poll() is None


def test_the_inventory_tells_vfs_in_use_by_hand(host):
    spare = 15
    host.swd.call('vf.attach', pf='p2p1', vf=spare, kind='tap', tap=unique('age'))
    try:
        wait_for(lambda: [pf['busy'] for pf in host.api.hosts[-1][1]['pfs']] == [[spare]], 10, 'busy')
    finally:
        host.swd.call('vf.release', pf='p2p1', vf=spare)
    said = host.api.hosts[-1][1]
    assert said['pfs'][0]['physical_networks'] == ['physnet1']
    assert len(said['pfs'][0]['pci_slots']) == 16
    assert said['vcpus'] >= 1 and said['memory_mb'] > 0 and said['hypervisor']['type'] == 'QEMU'
    assert host.api.logins >= 1


def test_the_agent_and_dnsmasq_hold_nothing_of_roots(host):
    """Beside the agent is root's process, with the verbs of unit `root`; neither outlives the other."""
    net = Net(host)
    vm = Server(host, net).active()
    child, = map(int, pathlib.Path(f'/proc/{host.agent.pid}/task/{host.agent.pid}/children').read_text().split())
    assert holds_nothing(child, 'anyvf-agent')
    dhcp = status(wait_for(net.dnsmasq, 10, 'dnsmasq'))
    assert dhcp['Uid'].split() == [str(pwd.getpwnam('dnsmasq').pw_uid)] * 4 and dhcp['NoNewPrivs'] == '1'
    assert {int(dhcp[word], 16) for word in ('CapPrm', 'CapEff', 'CapBnd', 'CapAmb')} == {1 << 10 | 1 << 12 | 1 << 13}
    assert {owner(p) for p in (host.state / 'agent').iterdir()} == {'anyvf-agent'}
    assert owner(host.dir / 'vhost') == 'root' and not (host.dir / 'vhost').stat().st_mode & 0o022, "the switch's alone"
    os.kill(child, signal.SIGKILL)
    assert host.agent.wait(10) == 1
    host.start()
    pid = wait_for(lambda: pathlib.Path(f'/proc/{host.agent.pid}/task/{host.agent.pid}/children').read_text().split(), 10, 'the agent')[0]
    host.stop(signal.SIGKILL)
    wait_for(lambda: not alive(int(pid)), 10, 'the end of both')
    host.start()
    vm.delete()


def test_libvirt_embedded_needs_no_daemon():
    need_guests()
    directory = tempfile.mkdtemp(prefix='anyvf-em-')
    root = pathlib.Path(directory, 'embed')
    (root / 'etc').mkdir(parents=True)
    (root / 'etc/qemu.conf').write_text('stdio_handler = "file"\n')
    host = Host(directory, f'qemu:///embed?root={root}').start()
    try:
        vm = Server(host, Net(host)).active().booted()
        assert f'addr {vm.ip}/24' in vm.said()
        vm.delete()
        assert host.stop() == 0
    finally:
        host.close()
        shutil.rmtree(directory)
