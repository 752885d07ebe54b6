# SPDX-License-Identifier: Apache-2.0
"""What story and accidents share: a cloud, its switch, guests' consoles, and checks that are counted.

A claim is asked for until it holds: nothing here passes or fails by the clock, PATIENCE_S is for
what hangs.
"""
import concurrent.futures
import copy
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import traceback

import openstack

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'scripts/lib'))
from guest import Console  # noqa: E402

BIN, PF, PATIENCE_S = ROOT / 'build/src/daemons', 'p2p1', 300
IMAGE, FLAVOR = 'anyvf-guest', 'tiny'
START = time.monotonic()


class Failed(Exception):
    """A check that others build upon did not hold."""


class Checks:
    """Claims, told as they are judged."""

    def __init__(self):
        self.passed, self.failed = 0, 0

    def say(self, holds, what, extra=''):
        """Count a claim. True if it holds."""
        self.passed += bool(holds)
        self.failed += not holds
        print(f'{time.monotonic() - START:6.1f} s  {"ok    " if holds else "FAILED"}  {what}'
              f'{"  [" + str(extra) + "]" if extra else ""}', flush=True)
        return bool(holds)

    def must(self, holds, what, extra=''):
        """A claim without which there is no use in going on."""
        if not self.say(holds, what, extra):
            raise Failed(what)

    def until(self, claim, what, seconds=PATIENCE_S):
        """A claim that will hold in a while."""
        return self.say(until(claim, seconds), what)


def until(claim, seconds=PATIENCE_S):
    """The first true answer of claim(); its last one if there is none in time."""
    end, pause = time.monotonic() + seconds, 0.1
    while True:
        got = claim()
        if got or time.monotonic() > end:
            return got
        time.sleep(pause)
        pause = min(pause * 1.5, 1)  # to ask is work, for those asked as well


def sh(command):
    """A command as an operator types it, printed; what it printed. Failed if it fails."""
    print(f'$ {command}', flush=True)
    env = {**os.environ, 'PATH': f'{ROOT}/libexec/anyvf:{BIN}:{os.environ["PATH"]}', 'PYTHONWARNINGS': 'ignore'}
    done = subprocess.run(['bash', '-c', command], env=env, text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise Failed(f'{command}: {done.stdout[-500:]}{done.stderr[-1500:]}')
    return done.stdout


def field(table, name):
    """Value of a row of the clients' two-column tables."""
    found = re.search(rf'^\s*\|\s*{re.escape(name)}\s*\|\s*(.*?)\s*\|\s*$', table, re.M | re.I)
    if not found:
        raise Failed(f'no {name} in {table}')
    return found[1]


class Cloud:
    """The APIs by openstacksdk, a host by anyvf's CLI: the first, or that of a directory and a libvirt."""

    def __init__(self, directory=None, uri=None):
        self.api = openstack.connect()
        self.uri = uri or os.environ['LIBVIRT_URI']
        self.dir = pathlib.Path(directory or os.environ.get('ANYVF_STACK_DIR', ''))  # of a stack that `up` made
        self.run_dir = f'{directory}/anyvf' if directory else os.environ['ANYVF_RUN_DIR']
        self.sockets = self.dir / 'anyvf/qemu'
        self.direct = os.environ.get('ANYVF_NOVA') != 'plain'
        self.extensions = {extension.alias for extension in self.api.network.extensions()}

    def prepare(self):
        """Image and flavor; the image as guest-register makes it."""
        sh(f'{ROOT}/scripts/guest-register {ROOT}/build/guest')
        if not self.api.compute.find_flavor(FLAVOR):
            self.api.compute.create_flavor(name=FLAVOR, ram=160, vcpus=1, disk=0)

    def clear(self):
        """Delete what a run that was stopped left."""
        for server in self.api.compute.servers():
            self.api.compute.delete_server(server)
        until(lambda: not list(self.api.compute.servers()))
        for trunk in self.api.network.trunks() if 'trunk' in self.extensions else ():
            self.api.network.delete_trunk(trunk)
        for port in self.api.network.ports():
            if not port.device_owner.startswith('network:'):
                self.api.network.delete_port(port)
        for net in self.api.network.networks():
            self.api.network.delete_network(net)
        for policy in self.api.network.qos_policies() if 'qos' in self.extensions else ():
            self.api.network.delete_qos_policy(policy)

    # the switch

    def anyvf(self, *argv):
        """What anyvf says, as JSON."""
        env = {**os.environ, 'ANYVF_RUN_DIR': self.run_dir}
        return json.loads(subprocess.run([BIN / 'anyvf', '-j', *argv], capture_output=True, text=True, env=env,
                                         check=True).stdout or '[]')

    def vfs(self):
        """{port id: VF} of those that are leased."""
        return {vf['config']['port_id']: vf for vf in self.anyvf('vf', 'show', PF) if vf['config']['port_id']}

    def config(self, port):
        """The words of a port's VF, {} if it has none."""
        return self.vfs().get(port, {}).get('config', {})

    def in_use(self):
        """Numbers of VFs that are not as new."""
        return [vf['vf'] for vf in self.anyvf('vf', 'show', PF)
                if vf['config']['port_id'] or vf['attach']['kind'] != 'none']

    # networks, ports, servers

    def network(self, name, cidr=None, **provider):
        """A network of physnet1, with a subnet if that is given."""
        net = self.api.network.create_network(name=name, provider_physical_network='physnet1', **provider)
        if cidr:
            self.api.network.create_subnet(network_id=net.id, cidr=cidr, ip_version=4, name=name)
        return net

    def port(self, net, name, vnic='normal', **words):
        """A port."""
        return self.api.network.create_port(network_id=net.id, binding_vnic_type=vnic, name=name, **words)

    def boot(self, name, *ports, **words):
        """A server with ports, by the API."""
        image = self.api.image.find_image(IMAGE)
        made = self.api.compute.create_server(name=name, image_id=image.id, networks=[{'port': p.id} for p in ports],
                                              flavor_id=self.api.compute.find_flavor(FLAVOR).id, **words)
        return Server(self, name, made.id, ports[0].id)

    def sql(self, words, database):
        """SQL, as root."""
        subprocess.run(['mysql', '-uroot', f'-S{self.dir}/pid/mysql.sock', database, '-e', words], check=True)

    def ports(self, net, name, count):
        """So many ports, bound to the first host as of servers: some time of neutron-server's."""
        wanted = [{'network_id': net.id, 'name': f'{name}{n}', 'binding_host_id': 'ref1',
                   'device_owner': 'compute:nova'} for n in range(count)]
        return [port for n in range(0, count, 10) for port in self.api.network.create_ports(wanted[n:n + 10])]

    def port_status(self, port):
        """ACTIVE, DOWN, ..."""
        return self.api.network.get_port(port).status

    def tap_flow(self, ident):
        """Its status, '' if there is none."""
        got = self.api.network.get(f'/taas/tap_flows/{ident}')
        return got.json()['tap_flow']['status'] if got.ok else ''

    def pid(self, name):
        """Of a program of the stack: what `up` started, or below nice the program itself."""
        return int((self.dir / f'pid/{name}').read_text())


class Server:
    """A guest, its port and its console."""

    def __init__(self, cloud, name, ident, port):
        self.cloud, self.name, self.id, self.port, self.console = cloud, name, ident, port, None
        got = cloud.api.network.get_port(port)
        self.mac, self.ip = got.mac_address, got.fixed_ips[0]['ip_address']

    def beside(self, port):
        """The same server by another port of it, as far as port and console go."""
        other = copy.copy(self)
        got = self.cloud.api.network.find_port(port)
        other.name, other.port, other.mac, other.ip = port, got.id, got.mac_address, got.fixed_ips[0]['ip_address']
        return other

    def get(self):
        """The server as Nova has it."""
        return self.cloud.api.compute.get_server(self.id)

    def settled(self, seconds=PATIENCE_S):
        """Its status once it is ACTIVE or ERROR and nothing is being done with it."""
        def claim():
            got = self.get()
            return got.status if got.status in ('ACTIVE', 'ERROR') and not got.task_state else ''
        return until(claim, seconds)

    def fault(self):
        """Why it is in ERROR, for the check's line."""
        got = self.get()
        return (got.to_dict().get('fault') or {}).get('message', '') if got.status == 'ERROR' else ''

    def vf(self):
        """Its VF, or {}."""
        return self.cloud.vfs().get(self.port, {})

    def open(self):
        """The console's shell; the guest has just booted, or will have."""
        self.close()
        self.console = Console(self.get().instance_name, self.cloud.uri)
        self.console.ready()
        return self

    def close(self):
        """No console, as before the guest stops."""
        if self.console:
            try:
                self.console.close()
            except OSError:  # the guest went first
                pass
        self.console = None

    def run(self, command, timeout=180):
        """(status, output) of a command in the guest."""
        return self.console.run(command, timeout)

    def has_address(self):
        """Whether DHCP gave the guest its port's address; waits."""
        return until(lambda: f'inet {self.ip}/' in self.run('ip -4 addr show')[1])

    def ping(self, ip, n=3):
        """Whether n of n echo requests are answered."""
        return f'{n} packets received' in self.run(f'ping -q -c {n} -W 3 {ip}')[1]

    def reaches(self, ip):
        """Whether a ping is answered in a while: ARP, and links that come up."""
        return until(lambda: self.ping(ip, 1), 120)


def together(work, servers):
    """What work(server) gives, side by side."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return list(pool.map(work, servers))


def opened(servers):
    """Open the consoles of servers."""
    return together(Server.open, servers)


def flow_at(watchers, source, target):
    """Ping a target while watchers run tcpdump: {(id, seq)} of echo requests, a set a watcher."""
    what = f'icmp[icmptype] == icmp-echo and dst host {target.ip}'
    together(lambda w: w.run(f'rm -f /tmp/err; tcpdump --immediate-mode -lni eth0 "{what}" > /tmp/seen 2>/tmp/err & '
                             'while ! grep -qs listening /tmp/err; do sleep 0.2; done'), watchers)
    source.run(f'ping -c 5 -i 0.3 -W 2 {target.ip}')
    texts = together(lambda w: w.run('sleep 1; kill %1; wait; cat /tmp/seen')[1], watchers)
    return [set(re.findall(r'echo request, id (\d+), seq (\d+)', text)) for text in texts]


def play(acts):
    """Play acts(cloud, checks) on the environment's cloud; the last line says how many held. The exit status."""
    c, check = Cloud(), Checks()
    try:
        c.clear()
        c.prepare()
        acts(c, check)
    except Exception as e:
        if not isinstance(e, Failed):
            traceback.print_exc()
        check.say(False, 'it ends here', e)
    print(f'{check.passed} passed, {check.failed} failed')
    return int(check.failed > 0)
