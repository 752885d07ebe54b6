# SPDX-License-Identifier: Apache-2.0
"""The whole: real clients, API, agent, libvirt, switch and guests, in a directory of their own."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest
from apid import Cloud
from conftest import DAEMONS, PATIENCE, ROOT, Swd, outside, run, unique, wait_for
from standin import Libvirtd
from test_agent import BOOT_S, need_guests

sys.path.insert(0, str(ROOT / 'scripts/lib'))
from guest import Console  # noqa: E402

TAAS = '/network/v2.0/taas'
CONF = """
[sriov]
physical_device_mappings = physnet1:p2p1
[agent]
credentials = {dir}/agent.json
libvirt_uri = {uri}
"""


class Site:
    """A host with everything on it, and a namespace beyond its uplink."""

    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        os.chmod(self.dir, 0o755)  # QEMU and dnsmasq run as users of their own
        self.wire, self.outside = unique('clo'), unique('out')
        run('ip', 'netns', 'add', self.outside)
        run('ip', 'link', 'add', self.wire, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', self.outside)
        run('ip', 'link', 'set', self.wire, 'up')
        run('ip', '-n', self.outside, 'link', 'set', 'eth0', 'up')
        run('ip', '-n', self.outside, 'addr', 'add', '10.20.0.1/24', 'dev', 'eth0')
        self.libvirt = Libvirtd(self.dir / 'libvirt').start()
        self.swd = Swd(self.dir).start()
        self.swd.call('pf.add', name='p2p1', uplink='dev', uplink_arg=self.wire, numvfs=8)
        self.cloud = Cloud(self.dir, CONF.format(dir=self.dir, uri=self.libvirt.uri))
        self.agent = None
        self.start_agent()
        outside(ROOT / 'scripts/guest-image')
        self.image = self.cli(ROOT / 'scripts/guest-register')
        self.cli('openstack', 'flavor', 'create', '--ram', '160', '--disk', '1', '--vcpus', '1', 'tiny')

    def start_agent(self):
        with open(self.dir / 'agentd.log', 'ab') as log:
            self.agent = subprocess.Popen([DAEMONS / 'anyvf-agentd', '--config', self.dir / 'anyvf.conf',
                                           '--run-dir', self.dir, '--debug'], stdout=log, stderr=log)

    def cli(self, *words):
        """What a real client prints."""
        return self.cloud.apid.cli(*map(str, words)).stdout.strip()

    def close(self):
        """End everything, whatever state it is in."""
        with contextlib.suppress(Exception):
            for server in self.cloud.admin.get('/compute/v2.1/servers?all_tenants=1')['servers']:
                self.cloud.admin.delete(f"/compute/v2.1/servers/{server['id']}")
            wait_for(lambda: not self.libvirt.domains(), 30, 'the end of all guests')
            wait_for(lambda: not list((self.dir / 'dhcp').glob('*')), 10, 'no DHCP')
        with contextlib.suppress(Exception):
            self.agent.terminate()
            self.agent.wait(10)
        for pid in (self.dir / 'dhcp').glob('*/pid'):
            with contextlib.suppress(Exception):
                os.kill(int(pid.read_text()), signal.SIGKILL)
        self.libvirt.close()
        self.swd.stop()
        self.cloud.close()
        run('ip', 'netns', 'del', self.outside, check=False)
        run('ip', 'link', 'del', self.wire, check=False)


@pytest.fixture(scope='module')
def site():
    """One site for all tests of this file."""
    need_guests()
    directory = tempfile.mkdtemp(prefix='anyvf-cl-')
    site = Site(directory)
    yield site
    site.close()
    shutil.rmtree(directory)


def field(table, name):
    """A row of the clients' two-column tables."""
    return re.search(rf'^\|\s*{re.escape(name)}\s*\|\s*(.*?)\s*\|', table, re.M)[1]


class Vm:
    """A server of the cloud, by the id of its port."""

    def __init__(self, site, ident, port):
        self.site, self.id, self.port = site, ident, port
        site.cloud.wait_status({'id': ident}, 'ACTIVE', 60)
        doc = site.cloud.show_port({'id': port})
        self.mac, self.ip = doc['mac_address'], doc['fixed_ips'][0]['ip_address']
        self.vf = next(n for n in range(8) if site.swd.vf('p2p1', n)['config']['port_id'] == port)
        self.console = Console(f'anyvf-{ident}', site.libvirt.uri)

    def booted(self):
        """Wait for the console's word, by the API."""
        wait_for(lambda: 'anyvf-guest: up' in self.site.cloud.action(
            {'id': self.id}, 'os-getConsoleOutput', {}, 200)['output'], BOOT_S, 'the guest')
        self.console.ready()
        return self

    def run(self, command, timeout=40):
        return self.console.run(command, timeout * PATIENCE)


@pytest.fixture(scope='module')
def vms(site):
    """Two servers, made with the founding document's commands."""
    net = field(site.cli('neutron', 'net-create', '--provider:physical_network=physnet1',
                         '--provider:network_type=flat', 'NET'), 'id')
    site.cli('neutron', 'subnet-create', 'NET', '10.20.0.0/24', '--name', 'SUB',
             '--allocation-pool=start=10.20.0.10,end=10.20.0.50')
    made = []
    for name in 'vm1', 'vm2':
        port = field(site.cli('neutron', 'port-create', net, '--binding:vnic-type', 'direct'), 'id')
        server = field(site.cli('nova', 'boot', '--flavor', 'tiny', '--image', site.image, '--nic',
                                f'port-id={port}', name), 'id')
        made.append(Vm(site, server, port))
    return [vm.booted() for vm in made]


def test_the_founding_documents_commands_make_guests_that_ping(site, vms):
    one, two = vms
    for vm in vms:
        assert re.match(r'10\.20\.0\.(1[0-9]|[2-4][0-9]|50)$', vm.ip)
        assert f'inet {vm.ip}/24' in vm.run('ip -4 addr show eth0')[1]
        config = site.swd.vf('p2p1', vm.vf)['config']
        assert (config['mac'], config['vlan'], config['trunk'], config['spoofchk']) == (vm.mac, 0, 'none', True)
    leases = next((site.dir / 'dhcp').glob('*/leases')).read_text()
    assert one.mac in leases and two.mac in leases
    assert one.run(f'ping -c 3 -W 5 {two.ip}')[0] == 0
    assert one.run('ping -c 3 -W 5 10.20.0.1')[0] == 0
    assert site.cloud.show_port({'id': one.port})['status'] == 'ACTIVE'


def test_the_guests_images_are_registered_once_and_as_novas_take_them(site):
    image = site.cloud.admin.get(f'/image/v2/images/{site.image}')
    assert (image['disk_format'], image['container_format']) == ('raw', 'bare') and image['kernel_id'] and image['ramdisk_id']
    assert site.cli(ROOT / 'scripts/guest-register') == site.image


def icmp_ids(vm):
    """The ids of echo requests that tcpdump inside the guest wrote down."""
    return set(re.findall(r'echo request, id (\d+)', vm.run('cat /tmp/dump')[1]))


@contextlib.contextmanager
def tcpdump(*vms):
    """tcpdump for ICMP inside each guest."""
    for vm in vms:
        vm.run('rm -f /tmp/dump; tcpdump -l -n -p -i eth0 icmp > /tmp/dump 2> /tmp/err &')
        wait_for(lambda vm=vm: 'listening' in vm.run('cat /tmp/err')[1], 20, 'tcpdump')
    yield
    for vm in vms:
        vm.run('killall tcpdump')


def ping_from_outside(site, vm):
    """A flow from beyond the uplink to the first guest's address."""
    run('ip', 'netns', 'exec', site.outside, 'ping', '-n', '-c', '3', '-i', '0.3', '-W', '5', vm.ip, check=False)


def test_the_mirroring_recipe_brings_one_vms_flow_to_both(site, vms):
    one, two = vms
    with tcpdump(one, two):
        ping_from_outside(site, one)
        wait_for(lambda: icmp_ids(one), 10, 'the flow at its own VM')
        assert not icmp_ids(two)
    almost = f'{one.mac[:-1]}{"0" if one.mac[-1] != "0" else "1"}'
    assert two.run(f'ifconfig eth0 down; ifconfig eth0 hw ether {one.mac}; ifconfig eth0 up')[0] == 0
    for words in (['p2p1', 'down'], ['p2p1', 'vf', str(two.vf), 'mac', one.mac],
                  ['p2p1', 'vf', str(two.vf), 'spoofchk', 'off'], ['p2p1', 'up'],
                  ['p2p1', 'vf', str(two.vf), 'mac', almost]):
        site.swd.cli('link', 'set', *words)
    wait_for(lambda: one.mac in site.swd.vf('p2p1', two.vf)['status']['accepted'], 10, 'the second owner')
    with tcpdump(one, two):
        ping_from_outside(site, one)
        wait_for(lambda: icmp_ids(one) and icmp_ids(one) <= icmp_ids(two), 10, 'the flow at both VMs')
    # and back: the guest first, then the host
    assert two.run(f'ifconfig eth0 down; ifconfig eth0 hw ether {two.mac}; ifconfig eth0 up')[0] == 0
    site.swd.cli('link', 'set', 'p2p1', 'vf', str(two.vf), 'mac', two.mac, 'spoofchk', 'on')
    with tcpdump(one, two):
        ping_from_outside(site, one)
        wait_for(lambda: icmp_ids(one), 10, 'the flow at its own VM')
        assert not icmp_ids(two)


def test_power_actions_reach_the_guest(site, vms):
    vm = vms[1]
    for action, status in ('os-stop', 'SHUTOFF'), ('os-start', 'ACTIVE'):
        site.cloud.action({'id': vm.id}, action)
        site.cloud.wait_status({'id': vm.id}, status, 60)
    before = (site.dir / f'libvirt/run/qemu/anyvf-{vm.id}.pid').read_text()
    site.cloud.action({'id': vm.id}, 'reboot', {'type': 'HARD'})
    wait_for(lambda: (site.dir / f'libvirt/run/qemu/anyvf-{vm.id}.pid').exists() and before !=
             (site.dir / f'libvirt/run/qemu/anyvf-{vm.id}.pid').read_text(), 60, 'another QEMU')
    site.cloud.wait_status({'id': vm.id}, 'ACTIVE', 60)


def test_a_users_port_survives_its_server_and_the_boots_own_goes(site, vms):
    vm = vms[1]
    net = json.loads(site.cli('openstack', 'network', 'show', 'NET', '-f', 'json'))['id']
    server = json.loads(site.cli('openstack', 'server', 'create', '--flavor', 'tiny', '--image', site.image,
                                 '--nic', f'net-id={net}', '--wait', 'vm3', '-f', 'json'))
    query = f"/network/v2.0/ports?device_id={server['id']}"
    own = site.cloud.admin.get(query)['ports']
    assert len(own) == 1
    site.cli('nova', 'delete', 'vm3')
    site.cli('nova', 'delete', 'vm2')
    for ident in server['id'], vm.id:
        site.cloud.wait_gone({'id': ident}, 30)
    assert site.cloud.admin.get(query)['ports'] == []
    port = wait_for(lambda: (lambda p: p if not p['device_id'] else None)(
        site.cloud.show_port({'id': vm.port})), 20, 'the port without its server')
    assert port['mac_address'] == vm.mac
    wait_for(lambda: site.swd.vf('p2p1', vm.vf)['config']['port_id'] == '', 20, 'a free VF')
    site.cli('neutron', 'port-delete', vm.port)


def test_a_dead_agent_is_named_in_the_fault(site, vms):
    site.agent.kill()
    site.agent.wait()
    wait_for(lambda: not site.cloud.admin.get('/network/v2.0/agents')['agents'][0]['alive'], 20, 'its death')
    flavor = site.cloud.admin.get('/compute/v2.1/flavors')['flavors'][0]
    net = site.cloud.admin.get('/network/v2.0/networks?name=NET')['networks'][0]
    server = site.cloud.boot(flavor, {'id': site.image}, [{'uuid': net['id']}])
    got = site.cloud.wait_status(server, 'ERROR', 10)
    assert 'h1' in got['fault']['message'] or 'agent' in got['fault']['message']
    # the guest it left behind goes on, and so does the agent's next life
    assert vms[0].run('ping -c 1 -W 5 10.20.0.1')[0] == 0
    site.start_agent()
    site.cloud.admin.delete(f"/compute/v2.1/servers/{server['id']}")
    wait_for(lambda: site.cloud.admin.get('/network/v2.0/agents')['agents'][0]['alive'], 20, 'its life')
    site.cloud.wait_status({'id': vms[0].id}, 'ACTIVE')


def test_a_server_deleted_while_its_host_was_dead_ends_when_the_agent_returns(site, vms):
    vm = vms[0]
    site.agent.kill()
    site.agent.wait()
    wait_for(lambda: not site.cloud.admin.get('/network/v2.0/agents')['agents'][0]['alive'], 20, 'its death')
    site.cli('nova', 'delete', 'vm1')
    assert site.cloud.admin.call('GET', f'/compute/v2.1/servers/{vm.id}').status_code == 404
    assert site.cloud.show_port({'id': vm.port})['device_id'] == ''
    assert site.swd.vf('p2p1', vm.vf)['config']['port_id'] == vm.port  # the guest still has its VF
    site.start_agent()
    wait_for(lambda: f'anyvf-{vm.id}' not in site.libvirt.domains(), 30, 'the end of the domain')
    wait_for(lambda: site.swd.vf('p2p1', vm.vf)['config']['port_id'] == '', 20, 'a free VF')


def test_a_port_boots_again_as_soon_as_its_server_is_gone(site, vms):
    flavor = site.cloud.admin.get('/compute/v2.1/flavors')['flavors'][0]
    for _ in range(2):
        server = site.cloud.boot(flavor, {'id': site.image}, [{'port': vms[0].port}])
        site.cloud.wait_status(server, 'ACTIVE', 60)
        site.cloud.admin.delete(f"/compute/v2.1/servers/{server['id']}")
        site.cloud.wait_gone(server, 30)


@pytest.fixture(scope='module')
def three(site):
    """Three servers of demo's on a VLAN network of its own: two that talk and one that watches."""
    demo, made = site.cloud.demo, []
    net = site.cloud.network(demo)
    flavor = site.cloud.admin.get('/compute/v2.1/flavors')['flavors'][0]
    for name in 'one', 'two', 'watcher':
        port = site.cloud.port(net, demo, name=name)
        server = site.cloud.boot(flavor, {'id': site.image}, [{'port': port['id']}], demo, name=name)
        made.append(Vm(site, server['id'], port['id']))
    return [vm.booted() for vm in made]


@pytest.fixture(scope='module')
def service(site, three):
    """The watcher's port as a tap service."""
    return site.cloud.demo.post(TAAS + '/tap_services', {
        'tap_service': {'name': 'ts', 'port_id': three[2].port}})['tap_service']


def start_flow(site, service, vm, direction):
    """A flow once it is ACTIVE."""
    flow = site.cloud.demo.post(TAAS + '/tap_flows', {'tap_flow': {
        'tap_service_id': service['id'], 'source_port': vm.port, 'direction': direction}})['tap_flow']
    wait_status(site, flow, 'ACTIVE')
    return flow


def wait_status(site, flow, status):
    return wait_for(lambda: (lambda f: f if f['status'] == status else None)(
        site.cloud.demo.get(f"{TAAS}/tap_flows/{flow['id']}")['tap_flow']), 20, f'flow {status}')


def end_flow(site, flow):
    site.cloud.demo.delete(f"{TAAS}/tap_flows/{flow['id']}")
    wait_for(lambda: site.swd.call('mirror.list') == [], 10, 'the end of the mirror')


def watched(three, done=None):
    """What the watcher's tcpdump wrote while the first guest pinged the second: {(source, kind, sequence)}."""
    one, two, watcher = three
    # an old /tmp/err would say that it listens before it does
    watcher.run('rm -f /tmp/dump /tmp/err; tcpdump -l -n -i eth0 icmp > /tmp/dump 2> /tmp/err &')
    wait_for(lambda: 'listening' in watcher.run('cat /tmp/err')[1], 20, 'tcpdump')

    def seen():
        text = watcher.run('cat /tmp/dump')[1]
        return set(re.findall(r'IP ([\d.]+) > [\d.]+: ICMP echo (request|reply), id \d+, seq (\d+)', text))
    assert one.run(f'ping -c 3 -W 5 {two.ip}')[0] == 0
    if done:
        wait_for(lambda: done(seen()), 20, 'the copies')
    got = seen()
    watcher.run('killall tcpdump')
    return got


@pytest.mark.parametrize('direction', ['BOTH', 'IN', 'OUT'])
def test_the_third_guest_sees_what_two_say(site, three, service, direction):
    one, two, _ = three
    assert watched(three) == set()
    flow = start_flow(site, service, one, direction)
    want = set()
    for seq in '012':
        want |= {(one.ip, 'request', seq)} if direction != 'IN' else set()
        want |= {(two.ip, 'reply', seq)} if direction != 'OUT' else set()
    assert watched(three, lambda got: want <= got) == want
    end_flow(site, flow)
    assert watched(three) == set()


def test_a_flow_outlives_the_kill_of_all_daemons(site, three, service):
    flow = start_flow(site, service, three[0], 'OUT')
    site.agent.kill()
    site.agent.wait()
    site.swd.stop(signal.SIGKILL)
    site.cloud.apid.stop(signal.SIGKILL)
    site.swd.start()
    site.cloud.apid.start()
    site.start_agent()
    site.cloud.login()
    for vm in three:
        wait_for(lambda vm=vm: site.swd.vf('p2p1', vm.vf)['status']['connected'], 30, 'its guest')
    wait_status(site, flow, 'ACTIVE')
    want = {(three[0].ip, 'request', seq) for seq in '012'}
    assert watched(three, lambda got: want <= got) == want
    end_flow(site, flow)


def test_without_its_server_the_watcher_watches_no_more(site, three, service):
    flow = start_flow(site, service, three[0], 'BOTH')
    site.cloud.demo.delete(f'/compute/v2.1/servers/{three[2].id}')
    site.cloud.wait_gone({'id': three[2].id}, 30)
    assert wait_status(site, flow, 'DOWN')['status_reason'] == "The tap service's port has no VF."
    wait_for(lambda: site.swd.call('mirror.list') == [], 10, 'the end of the mirror')
    site.cloud.demo.delete(f'/network/v2.0/ports/{three[2].port}')
    for kind, doc in ('tap_flows', flow), ('tap_services', service):
        assert site.cloud.demo.call('GET', f"{TAAS}/{kind}/{doc['id']}").status_code == 404
