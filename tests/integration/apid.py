# SPDX-License-Identifier: Apache-2.0
"""A private anyvf-apid, clients that speak plain HTTP to it, and a stand-in for a host's agent.

`Cloud` is what most tests want: a started daemon with an admin, a member (demo) and helpers that
make the usual things. `FakeAgent` speaks docs/agent-api.md as a remote host would.
"""
import atexit
import contextlib
import copy
import functools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid

import pytest
import requests

import clients
from conftest import DAEMONS, PATIENCE, wait_for

CONF = """
[host]
name = h1
state_dir = {dir}
[api]
listen = 127.0.0.1:{port}
openrc = {dir}/openrc
heartbeat_s = 1
[quotas]
port = -1
[network]
flat_networks = *
network_vlan_ranges = physnet1:100:199,physnet2:200:210
"""


def free_port():
    """A TCP port of this moment."""
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


def read_openrc(path):
    """The variables an openrc file exports."""
    text = pathlib.Path(path).read_text()
    return dict(re.findall(r"^export (\w+)=['\"]?(.*?)['\"]?$", text, re.M))


class Apid:
    """One anyvf-apid with its own directory and port."""

    def __init__(self, directory, conf=''):
        self.dir = pathlib.Path(directory)
        self.state = self.dir / 'api'
        if not os.path.lexists(self.dir / 'api.db'):
            (self.dir / 'api.db').symlink_to('api/api.db')  # for sqlite3 by hand
        self.port = free_port()
        self.url = f'http://127.0.0.1:{self.port}'
        self.conf = self.dir / 'anyvf.conf'
        self.conf.write_text(CONF.format(dir=self.dir, port=self.port) + conf)
        self.log = self.dir / 'apid.log'
        self.proc = None

    def start(self):
        """Start and wait until it answers."""
        with open(self.log, 'ab') as log:
            self.proc = subprocess.Popen([DAEMONS / 'anyvf-apid', '--config', self.conf], stdout=log, stderr=log)

        def answers():
            assert self.proc.poll() is None, f'anyvf-apid ended:\n{self.log.read_text()}'
            with contextlib.suppress(OSError):
                return requests.get(self.url + '/identity/v3', timeout=5).ok
        wait_for(answers, 20, f'anyvf-apid at {self.url}')
        return self

    def stop(self, signo=signal.SIGTERM):
        """End it; the exit code."""
        if self.proc is None:
            return 0
        self.proc.send_signal(signo)
        try:
            return self.proc.wait(10 * PATIENCE)
        finally:
            self.proc.kill()
            self.proc.wait()
            self.proc = None

    def env(self, rc='openrc'):
        """Environment for the real clients."""
        return {**{k: v for k, v in os.environ.items() if not k.startswith('OS_')},
                **read_openrc(self.dir / rc), 'LC_ALL': 'C.UTF-8'}

    def cli(self, *words, rc='openrc', check=True):
        """Run one of the real clients, as Debian has them; its completed process."""
        got = clients.run(words, self.env(rc))
        if check:
            assert got.returncode == 0, f'{words}: {got.stdout}{got.stderr}'
        return got


class Client:
    """Who asks: a user with a token. Replies are requests.Response."""

    def __init__(self, apid, user, password, project='admin'):
        self.url = apid.url
        self.http = requests.Session()
        self.http.trust_env = False
        ident = {'methods': ['password'],
                 'password': {'user': {'name': user, 'domain': {'id': 'default'},
                                       'password': password}}}
        body = {'auth': {'identity': ident, 'scope': {
            'project': {'name': project, 'domain': {'id': 'default'}}}}}
        got = self.http.post(self.url + '/identity/v3/auth/tokens', json=body, timeout=30)
        assert got.status_code == 201, got.text
        self.http.headers['X-Auth-Token'] = got.headers['X-Subject-Token']
        token = got.json()['token']
        self.project_id, self.user_id = token['project']['id'], token['user']['id']

    @classmethod
    def of(cls, apid, rc):
        """The user of an openrc file."""
        env = read_openrc(apid.dir / rc)
        return cls(apid, env['OS_USERNAME'], env['OS_PASSWORD'], env['OS_PROJECT_NAME'])

    def at(self, apid):
        """The same user with the same token at a daemon whose state is a copy."""
        client = copy.copy(self)
        client.url, client.http = apid.url, requests.Session()
        client.http.trust_env = False
        client.http.headers['X-Auth-Token'] = self.http.headers['X-Auth-Token']
        return client

    def call(self, method, path, body=None, status=None, timeout=60, **headers):
        """One request; with `status` its reply must have it. Returns the JSON, or the reply."""
        got = self.http.request(method, self.url + path, json=body, timeout=timeout,
                                headers={k.replace('_', '-'): v for k, v in headers.items()})
        if status is None:
            return got
        assert got.status_code == status, f'{method} {path}: {got.status_code} {got.text}'
        return got.json() if got.content else None

    def get(self, path, **kw):
        return self.call('GET', path, status=kw.pop('status', 200), **kw)

    def post(self, path, body, status=201, **kw):
        return self.call('POST', path, body, status=status, **kw)

    def put(self, path, body, status=200, **kw):
        return self.call('PUT', path, body, status=status, **kw)

    def delete(self, path, status=204, **kw):
        return self.call('DELETE', path, status=status, **kw)


@functools.cache
def qcow2():
    """The bytes of a small disk."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, 'disk')
        subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', path, '1M'], check=True)
        return path.read_bytes()


@functools.cache
def founded():
    """A daemon after its first start, and its admin, demo and agent: the passwords of them take half a second."""
    apid = Apid(tempfile.mkdtemp(prefix='anyvf-founded-')).start()
    atexit.register(shutil.rmtree, apid.dir)
    creds = json.loads((apid.dir / 'agent.json').read_text())
    users = Client.of(apid, 'openrc'), Client.of(apid, 'demo-openrc'), Client(apid, creds['username'], creds['password'], 'service')
    assert apid.stop() == 0
    return apid, users


class Cloud:
    """A running daemon, whose first start was founded()'s, and the usual things in it."""

    def __init__(self, directory, conf='', founded_here=False):
        self.agents = []
        self.apid = Apid(directory, conf)
        if founded_here:  # in another store than a file
            self.apid.start()
            self.login()
            return
        first, users = founded()
        if not self.apid.state.exists():  # else it is not this directory's first cloud
            for name in 'api', 'agent.json', 'openrc', 'demo-openrc':
                subprocess.run(['cp', '-a', first.dir / name, self.apid.dir], check=True)
            for rc in self.apid.dir.glob('*openrc'):
                rc.write_text(rc.read_text().replace(first.url, self.apid.url))
        self.apid.start()
        self.admin, self.demo, self.its_agent = (user.at(self.apid) for user in users)

    def login(self):
        """Fresh clients; needed again only where tokens do not matter to the test."""
        self.admin, self.demo = Client.of(self.apid, 'openrc'), Client.of(self.apid, 'demo-openrc')

    def close(self):
        for agent in self.agents:
            agent.stop()
        assert self.apid.stop() == 0, self.apid.log.read_text()[-3000:]

    def network(self, client=None, subnet=True, **attrs):
        """A network with a /24 (unless subnet is False); its document."""
        client = client or self.admin
        attrs.setdefault('name', f'net-{uuid.uuid4().hex[:8]}')
        net = client.post('/network/v2.0/networks', {'network': attrs})['network']
        if subnet:
            client.post('/network/v2.0/subnets', {'subnet': {
                'network_id': net['id'], 'ip_version': 4, 'cidr': '10.20.0.0/24'}})
        return net

    def port(self, net, client=None, **attrs):
        body = {'port': {'network_id': net['id'], 'binding:vnic_type': 'direct', **attrs}}
        return (client or self.admin).post('/network/v2.0/ports', body)['port']

    def show_port(self, port):
        return self.admin.get(f"/network/v2.0/ports/{port['id']}")['port']

    def flavor(self, **attrs):
        body = {'name': f'f-{uuid.uuid4().hex[:8]}', 'ram': 128, 'vcpus': 1, 'disk': 1, **attrs}
        return self.admin.post('/compute/v2.1/flavors', {'flavor': body}, 200)['flavor']

    def image(self, **attrs):
        """A small public image with content; its document."""
        body = {'name': 'img', 'disk_format': 'raw', 'container_format': 'bare',
                'visibility': 'public', **attrs}
        image = self.admin.post('/image/v2/images', body)
        got = self.admin.http.put(f"{self.apid.url}/image/v2/images/{image['id']}/file",
                                  data=b'kernel' * 100, timeout=30,
                                  headers={'Content-Type': 'application/octet-stream'})
        assert got.status_code == 204, got.text
        return image

    def boot(self, flavor, image, nics, client=None, status=202, **attrs):
        """POST /servers; the reply's server."""
        body = {'server': {'name': 'vm', 'flavorRef': flavor['id'], 'imageRef': image['id'],
                           'networks': nics, **attrs}}
        got = (client or self.admin).post('/compute/v2.1/servers', body, status)
        return got['server'] if status == 202 else got

    def server(self, server, client=None):
        return (client or self.admin).get(f"/compute/v2.1/servers/{server['id']}")['server']

    def wait_status(self, server, status, timeout=10):
        """The server once it has the status; nobody waits for one that has failed instead."""
        def claim():
            shown = self.server(server)
            assert status == 'ERROR' or shown['status'] != 'ERROR', shown.get('fault')
            return shown if shown['status'] == status else None
        return wait_for(claim, timeout, f'status {status}')

    def wait_gone(self, server, timeout=10):
        wait_for(lambda: self.admin.call('GET', f"/compute/v2.1/servers/{server['id']}")
                 .status_code == 404, timeout, 'end of the server')

    def action(self, server, word, args=None, status=202, client=None):
        return (client or self.admin).post(f"/compute/v2.1/servers/{server['id']}/action",
                                           {word: args}, status)

    def agent(self, host='h1', auto=True, **inventory):
        """A stand-in for a host's agent; the user of hosts but the first is made here."""
        client = self.its_agent.at(self.apid) if host == 'h1' else self.agent_user(host)
        agent = FakeAgent(client, host, auto, **inventory)
        self.agents.append(agent)
        return agent.start()

    def sim(self, hosts, *options, prefix='sim-'):
        """Simulated hosts, once all of them follow the API."""
        self.agent_user(f'{prefix}*')
        self.agents.append(Sim(self, hosts, prefix, options))
        return self.agents[-1].start()

    def agent_user(self, host):
        name, password = f'anyvf-agent-{host}', 'secret'
        idv3, admin = '/identity/v3', self.admin
        project = admin.get(f'{idv3}/projects?name=service')['projects'][0]['id']
        role = admin.get(f'{idv3}/roles?name=agent')['roles'][0]['id']
        known = admin.get(f'{idv3}/users?name={name}')['users']
        user = known[0]['id'] if known else admin.post(f'{idv3}/users', {'user': {
            'name': name, 'password': password, 'domain_id': 'default'}})['user']['id']
        admin.put(f'{idv3}/projects/{project}/users/{user}/roles/{role}', None, 204)
        return Client(self.apid, name, password, 'service')


def shared_cloud(conf=''):
    """A fixture of a file: one daemon for tests that leave nothing another could stumble over."""
    @pytest.fixture(scope='module')
    def cloud(tmp_path_factory):
        made = Cloud(tmp_path_factory.mktemp('cloud'), conf)
        yield made
        made.close()
    return cloud


class Sim:
    """anyvf-sim: `hosts` hosts that follow a cloud. It has to have their user."""

    def __init__(self, cloud, hosts, prefix='sim-', options=()):
        self.hosts, self.dir = hosts, cloud.apid.dir
        self.report, self.log = self.dir / f'{prefix}report.json', self.dir / f'{prefix}sim.log'
        credentials = self.dir / f'{prefix}credentials.json'
        credentials.write_text(json.dumps({'username': f'anyvf-agent-{prefix}*', 'password': 'secret'}))
        self.argv = [DAEMONS / 'anyvf-sim', '--url', cloud.apid.url, '--credentials', credentials, '--hosts', str(hosts),
                     '--prefix', prefix, '--report', self.report, *options]
        self.proc = None

    def start(self):
        self.report.unlink(missing_ok=True)
        with open(self.log, 'ab') as log:
            self.proc = subprocess.Popen(self.argv, stdout=log, stderr=log)
        self.wait_report()
        self.wait_up()
        return self

    def counts(self):
        """Its counters as they are now, once it has written them."""
        self.report.unlink(missing_ok=True)
        self.proc.send_signal(signal.SIGUSR1)
        self.wait_report()
        return json.loads(self.report.read_text())

    def wait_report(self):
        def there():
            assert self.proc.poll() is None, self.log.read_text()
            return self.report.exists()
        wait_for(there, 10, 'counters of anyvf-sim')

    def wait_up(self, timeout=20):
        return wait_for(lambda: self.counts()['up'] == self.hosts, timeout, 'simulated hosts that follow the API')

    def stop(self):
        if self.proc and self.proc.poll() is None:
            self.proc.terminate()
            assert self.proc.wait(10 * PATIENCE) == 0, self.log.read_text()


class FakeAgent:
    """Obeys the wishes of one host at once, as the real agent would in a while.

    auto False: it only sends heartbeats; the test reports by hand.
    """

    def __init__(self, client, host, auto=True, numvfs=4, physnets=('physnet1', 'physnet2'), busy=(),
                 vcpus=4, memory_mb=4096):
        self.host, self.auto, self.client = host, auto, client
        self.base = f'/anyvf/v1/hosts/{host}'
        self.inventory = {
            'pfs': [{'name': 'p2p1', 'physical_networks': list(physnets), 'numvfs': numvfs,
                     'pci_slots': [f'0000:05:{0x10 + i // 8:02x}.{i % 8}' for i in range(numvfs)],
                     'busy': list(busy)}],
            'vcpus': vcpus, 'memory_mb': memory_mb, 'disk_gb': 80,
            'hypervisor': {'type': 'QEMU', 'version': 7002022, 'host_ip': '192.0.2.11'}}
        self.docs = {}
        self.disk = qcow2()  # of each server
        self.figures = {  # of each server; a word that the API does not know among them
            'running': True, 'hypervisor': 'kvm', 'cpus': [{'id': 0, 'time': 1000}, {'id': 1, 'time': 2000}],
            'disks': [{'name': 'vda', 'read_bytes': 11, 'read_requests': 12, 'write_bytes': 13, 'write_requests': 14, 'news': 9}],
            'nics': [{'name': 'p2p1vf0', 'mac_address': '52:54:00:00:00:01', 'rx_octets': 1, 'rx_packets': 2, 'rx_drop': 3,
                      'rx_errors': 0, 'tx_octets': 4, 'tx_packets': 5, 'tx_drop': 6, 'tx_errors': 7}],
            'memory': {'maximum': 131072, 'actual': 65536, 'rss': 4096}}
        self.revision = 0
        self.ignore = set()  # kinds of documents that are not answered
        self.halt = threading.Event()
        self.threads = []

    def start(self):
        self.heartbeat()
        self.read()
        self.halt.clear()
        jobs = [self.beat] + ([self.follow] if self.auto else [])
        self.threads = [threading.Thread(target=job, daemon=True) for job in jobs]
        for thread in self.threads:
            thread.start()
        return self

    def stop(self):
        self.halt.set()
        for thread in self.threads:
            thread.join(5)
        self.threads = []

    def heartbeat(self):
        return self.client.put(self.base, self.inventory)

    def beat(self):
        while not self.halt.wait(0.5):
            with contextlib.suppress(requests.RequestException, AssertionError):
                self.heartbeat()

    def wishes(self):
        """All wishes as they are now; what the agent itself follows is not touched."""
        return self.client.get(self.base + '/desired')

    def read(self):
        """Begin anew, as after a start: remember all wishes and their revision."""
        self.docs = self.wishes()
        self.revision, _sum = self.docs.pop('revision'), self.docs.pop('told')

    def watch(self, timeout=40):
        """The next changes."""
        return self.client.call('GET', f'/anyvf/v1/watch?host={self.host}&revision={self.revision}',
                                timeout=timeout)

    def obey_all(self):
        for kind, docs in list(self.docs.items()):
            for ident, doc in list(docs.items()):
                self.obey(kind, ident, doc)

    def follow(self):
        self.obey_all()
        while not self.halt.is_set():
            try:
                self.follow_once()
            except (requests.RequestException, AssertionError):
                time.sleep(0.02)

    def follow_once(self):
        """Obey the next changes; begin anew when they are too far back, or not to be had."""
        got = self.watch(timeout=1)
        if got.status_code != 200:
            self.read()
            self.obey_all()
            return
        got = got.json()
        self.revision = got['revision']
        for event in got['events']:
            docs = self.docs[event['kind']]
            if event['doc'] is None:
                docs.pop(event['id'], None)
            else:
                docs[event['id']] = event['doc']
                self.obey(event['kind'], event['id'], event['doc'])

    def report(self, kind, ident, expect=204, **body):
        return self.client.put(f"{self.base}/{kind}/{ident}", body, expect)

    def make_image(self, ident):
        """An image of a server's disk: what is reported of it."""
        if not self.disk:
            return {'status': 'failed', 'reason': 'there is no disk'}
        got = self.client.http.put(f'{self.client.url}/image/v2/images/{ident}/snapshot', data=self.disk, timeout=30)
        return {'status': 'done' if got.status_code == 204 else 'failed', 'reason': got.text}

    def obey(self, kind, ident, doc):
        if kind in self.ignore or kind == 'watch':
            return
        body = {'generation': doc.get('generation')}
        if kind == 'server' and doc['deleted']:
            body['status'] = 'DELETED'
        elif kind == 'server':
            status, power_state = {'on': ('ACTIVE', 1), 'off': ('SHUTOFF', 4), 'paused': ('PAUSED', 3),
                                   'suspended': ('SUSPENDED', 4)}[doc['power']]
            body.update(status=status, power_state=power_state, reboot=doc['reboot'], rebuild=doc['rebuild'],
                        rescue=doc['rescue'], disk=doc['disk'], kept_disk=(doc['before'] or {}).get('disk'))
            if doc.get('snapshot'):
                body['snapshot'] = {'image': doc['snapshot'], **self.make_image(doc['snapshot'])}
        elif kind == 'port':
            body['status'] = 'RELEASED' if doc['released'] else 'ACTIVE'
        elif kind in ('network', 'tap_flow', 'tap_mirror'):
            body['status'] = 'ACTIVE'
        elif kind == 'diagnostics':
            body.update(self.figures if doc['server'] in self.docs['server'] else {'running': False})
        else:
            body['output'] = '\n'.join([f"console of {doc['server']} {doc['length']}"] * (doc['length'] or 20))
        try:
            self.report(kind, ident, **body)
        except (requests.RequestException, AssertionError) as error:
            print('agent: report', kind, ident, body, error)
