# SPDX-License-Identifier: Apache-2.0
"""Who takes part in a run: three members of etcd, two replicas of the API, two hosts with real switches and agents, twelve
of anyvf-sim, each of them with a network namespace and a small disk of its own; and three hosts that write down what they are
told. A bridge joins the namespaces."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'integration'))
import requests  # noqa: E402
from apid import FakeAgent, read_openrc  # noqa: E402
from conftest import BUILD, DAEMONS, Swd, run, wait_for  # noqa: E402
from etcd import Etcd  # noqa: E402
from links import Links  # noqa: E402

HUB = '10.99.0.1'
FIRST_LINK = 9000  # port; below those that connections get by themselves
ADDRESSES = {**{f'm{i}': f'10.99.0.1{i}' for i in range(3)}, 'a': '10.99.0.21', 'b': '10.99.0.22', 'h1': '10.99.0.31',
             'h2': '10.99.0.32', 'z': '10.99.0.41'}
REPLICAS, HOSTS, RECORDED = ('a', 'b'), ('h1', 'h2'), ('s1', 's2', 's3')
SIMULATED = [f'z{i:04}' for i in range(12)]
DISKS_MB = {'m': 320, 'a': 24, 'b': 24, 'h': 24, 'z': 4}
VFS = 8
API_CONF = """
[host]
name = {name}
state_dir = {dir}
[api]
listen = {address}:8774
openrc = {dir}/openrc
plain_http = yes
heartbeat_s = 1
store = etcd:{members}
store_keys = off
[quotas]
port = -1
network = -1
[network]
flat_networks = *
network_vlan_ranges = physnet1:100:199
"""
AGENT_CONF = """
[host]
name = {name}
state_dir = {dir}/state
[sriov]
physical_device_mappings = physnet1:p2p1
[agent]
api = {api}
credentials = {dir}/agent.json
libvirt_uri = qemu+unix:///system?socket={dir}/none
"""


class Party:
    """A program in a namespace, with a disk of its own; who ends it starts it again."""

    def __init__(self, directory, name):
        self.name, self.address, self.dir = name, ADDRESSES[name], directory / name
        self.within = ['nsenter', f'--net=/run/netns/{name}']
        self.proc, self.wanted, self.lock = None, False, threading.Lock()
        self.dir.mkdir()
        run('mount', '-t', 'tmpfs', '-o', f"mode=755,size={DISKS_MB.get(name, DISKS_MB.get(name[0]))}m", 'chaos', self.dir)
        run('ip', 'netns', 'add', name)
        run('ip', 'link', 'add', f'br-{name}', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
        run('ip', 'link', 'set', f'br-{name}', 'master', 'hub', 'up')
        run('ip', '-n', name, 'link', 'set', 'eth0', 'up')
        run('ip', '-n', name, 'link', 'set', 'lo', 'up')
        run('ip', '-n', name, 'addr', 'add', f'{self.address}/24', 'dev', 'eth0')

    def argv(self):
        """What it runs."""
        raise NotImplementedError

    @property
    def log(self):
        return self.dir.parent / f'{self.name}.log'  # not on the disk that is filled

    @property
    def clock(self):
        """How far its wall clock is ahead, in seconds: tests/lib/wall.c."""
        return self.dir.parent / f'{self.name}.wall'

    def start(self):
        if not self.clock.exists():
            self.clock.write_text('0')
        env = {**os.environ, 'ANYVF_TEST_WALL': str(self.clock), 'LD_PRELOAD': str(BUILD / 'tests' / 'lib' / 'wall.so'),
               'ASAN_OPTIONS': 'verify_asan_link_order=0:exitcode=99'}
        with open(self.log, 'ab') as log:
            self.proc = subprocess.Popen([*self.within, *map(str, self.argv())], stdout=log, stderr=log, env=env)
        self.wanted = True

    def kill(self):
        """The warden starts it again."""
        with self.lock:
            self.wanted = False
            self.proc.kill()
            self.proc.wait()

    def look(self, note):
        """Start it again if it ended, as systemd would; who ended by himself with more than an error is noted."""
        with self.lock:
            if self.proc.poll() is None:
                return
            if self.wanted and self.proc.returncode != 1:
                note(f'died: {self.name} ended with {self.proc.returncode}: {self.log.read_text()[-1500:]}')
            self.start()

    def nft(self, text):
        run(*self.within, 'nft', '-f', '-', input=text)


class Member(Party):
    """One of etcd's."""

    def __init__(self, directory, name, etcd, number):
        super().__init__(directory, name)
        self.etcd, self.number = etcd, number

    def start(self):
        self.etcd.run(self.number)
        self.proc, self.wanted = self.etcd.procs[self.number], False  # it ends itself where its disk is full


class Replica(Party):
    """An anyvf-apid."""

    def __init__(self, directory, name, members):
        super().__init__(directory, name)
        (self.dir / 'anyvf.conf').write_text(API_CONF.format(name=name, dir=self.dir, address=self.address, members=members))
        self.url = f'http://{self.address}:8774'

    def argv(self):
        return [DAEMONS / 'anyvf-apid', '--config', self.dir / 'anyvf.conf']

    def answers(self):
        try:
            return requests.get(self.url + '/identity/v3', timeout=2).ok
        except requests.RequestException:
            return False


class Host(Party):
    """A real switch, and a real agent."""

    def __init__(self, directory, name, api):
        super().__init__(directory, name)
        self.swd = Swd(self.dir).start()
        self.swd.call('pf.add', name='p2p1', uplink='none', numvfs=VFS)
        self.default = self.vf(0)
        (self.dir / 'agent.json').write_text(json.dumps({'username': f'anyvf-agent-{name}', 'password': 'secret'}))
        (self.dir / 'anyvf.conf').write_text(AGENT_CONF.format(name=name, dir=self.dir, api=api))

    def argv(self):
        return [DAEMONS / 'anyvf-agentd', '--config', self.dir / 'anyvf.conf', '--run-dir', self.dir]

    def vf(self, number):
        return self.swd.vf('p2p1', number)['config']

    def vfs(self):
        """What each VF is now; OSError while the switch is away."""
        shown = [self.vf(n) for n in range(VFS)]
        return [{'vf': n, 'port': config['port_id'], 'mac': config['mac'], 'default': config == self.default}
                for n, config in enumerate(shown)]

    def kill_switch(self, parent):
        """Its child comes again by itself, its parent by us."""
        with self.lock:
            if parent:
                self.swd.proc.kill()
                self.swd.proc.wait()
                self.swd.start()
            else:
                os.kill(self.swd.child(), signal.SIGKILL)


class Simulator(Party):
    """Hosts of the real agent's code that have neither switch nor guests, in one process."""

    def __init__(self, directory, name, api):
        super().__init__(directory, name)
        self.api = api
        (self.dir / 'agent.json').write_text(json.dumps({'username': f'anyvf-agent-{name}*', 'password': 'secret'}))

    def argv(self):
        urls = [word for url in self.api for word in ('--url', url)]
        return [DAEMONS / 'anyvf-sim', *urls, '--credentials', self.dir / 'agent.json', '--prefix', self.name,
                '--hosts', len(SIMULATED), '--vfs', VFS, '--boot-ms', 20]


class User:
    """Who asks, at either replica: a user that logs in again when that is needed."""

    def __init__(self, urls, name, password, project, timeout=10):
        self.urls, self.timeout = urls, timeout
        ident = {'methods': ['password'], 'password': {'user': {'name': name, 'domain': {'id': 'default'}, 'password': password}}}
        self.who = {'auth': {'identity': ident, 'scope': {'project': {'name': project, 'domain': {'id': 'default'}}}}}
        self.http = requests.Session()
        self.http.trust_env = False

    def call(self, at, method, path, body=None):
        """(status, JSON or None, headers); 0: no answer."""
        status, answer, headers = self.once(at, method, path, body)
        if status == 401 and self.login(at):
            status, answer, headers = self.once(at, method, path, body)
        return status, answer, headers

    def login(self, at):
        status, _, headers = self.once(at, 'POST', '/identity/v3/auth/tokens', self.who)
        self.http.headers['X-Auth-Token'] = headers.get('X-Subject-Token', '')
        return status == 201

    def once(self, at, method, path, body, **headers):
        try:
            got = self.http.request(method, self.urls[at] + path, json=body, timeout=self.timeout, headers=headers)
            return got.status_code, got.json() if got.content and got.status_code != 404 else None, got.headers
        except (requests.RequestException, ValueError):
            return 0, None, {}


class Recorded(FakeAgent):
    """A host that exists on paper, and writes down what it is told; it asks the other replica when one fails."""

    def __init__(self, user, name, note):
        super().__init__(None, name, numvfs=VFS, physnets=('physnet1',), vcpus=64, memory_mb=65536)
        self.user, self.at, self.note = user, 'a', note
        self.turn = 0

    def ask(self, method, path, body=None):
        status, answer, _ = self.user.call(self.at, method, path, body)
        if status == 0 or status >= 500:
            self.at = 'b' if self.at == 'a' else 'a'
            self.halt.wait(0.2)
        return status, answer

    def told(self, answer, **what):
        """An answer of revision and documents; False: it is not to be believed."""
        self.note('agents', who=f'{self.host} {self.turn}', host=self.host, asked=self.revision, rev=answer['revision'], **what)
        self.revision = max(self.revision, answer['revision'])

    def read(self):
        """All that is wished."""
        status, answer = self.ask('GET', f'{self.base}/desired?revision={self.revision}')
        if status != 200:
            return
        docs = {kind: wishes for kind, wishes in answer.items() if kind not in ('revision', 'told')}
        self.told(answer, all={kind: {ident: doc['generation'] for ident, doc in wishes.items()} for kind, wishes in docs.items()})
        self.docs = docs
        self.obey_all()

    def follow_once(self):
        """The next changes, and reports that were not taken."""
        if not self.docs:
            self.read()
            return
        status, answer = self.ask('GET', f'/anyvf/v1/watch?host={self.host}&revision={self.revision}')
        if status == 410:
            self.read()
        elif status == 200:
            self.told(answer, changes=[[event['kind'], event['id'], event['doc'] and event['doc']['generation']]
                                       for event in answer['events']])
            for event in answer['events']:
                self.docs[event['kind']].pop(event['id'], None)
                if event['doc']:
                    self.docs[event['kind']][event['id']] = event['doc']
            for event in answer['events']:
                if event['doc']:
                    self.obey(event['kind'], event['id'], event['doc'])
        self.obey_refused()

    def obey_refused(self):
        for kind, ident in list(self.refused):
            doc = self.docs.get(kind, {}).get(ident)
            self.refused.discard((kind, ident))
            if doc:
                self.obey(kind, ident, doc)

    def follow(self):
        while not self.halt.is_set():
            self.follow_once()

    def start(self):
        self.docs, self.refused, self.revision, self.turn = {}, set(), 0, self.turn + 1
        self.halt.clear()
        self.threads = [threading.Thread(target=job, daemon=True) for job in (self.beat, self.follow)]
        for thread in self.threads:
            thread.start()
        return self

    def stop(self):
        """A thread that waits for an answer would go on beside those of the next turn: nobody starts before its end."""
        self.halt.set()
        for thread in self.threads:
            thread.join()
        self.threads = []

    def beat(self):
        while not self.halt.wait(0.7):
            self.ask('PUT', self.base, self.inventory)

    def report(self, kind, ident, expect=204, **body):
        status, _ = self.ask('PUT', f'{self.base}/{kind}/{ident}', body)
        if status != expect:
            self.refused.add((kind, ident))


class Parties:
    """All of them, and the links between them."""

    def __init__(self, directory, note):
        self.dir, self.note = pathlib.Path(directory), note
        self.dir.chmod(0o755)
        run('ip', 'link', 'add', 'hub', 'type', 'bridge')
        run('ip', 'addr', 'add', f'{HUB}/24', 'dev', 'hub')
        run('ip', 'link', 'set', 'hub', 'up')
        self.etcd = Etcd(self.dir, spread=[(ADDRESSES[f'm{i}'], ['nsenter', f'--net=/run/netns/m{i}']) for i in range(3)])
        self.members = [Member(self.dir, f'm{i}', self.etcd, i) for i in range(3)]
        self.ports, rows = {}, []
        for replica in REPLICAS:
            for i, url in enumerate(self.etcd.clients):
                rows.append(self.link(f'{replica}-m{i}', *url[7:].split(':')))
            rows += [self.link(f'{who}-{replica}', ADDRESSES[replica], 8774) for who in (*HOSTS, 'z', 'paper', 'tenants')]
        self.links = Links(rows)
        self.replicas = [Replica(self.dir, name, ','.join(self.urls(f'{name}-m{i}' for i in range(3)))) for name in REPLICAS]
        self.hosts, self.recorded, self.simulators, self.halt = [], [], [], threading.Event()
        self.warden = threading.Thread(target=self.watch, daemon=True)

    def link(self, name, address, port):
        self.ports[name] = FIRST_LINK + len(self.ports)
        return [name, HUB, self.ports[name], address, int(port)]

    def urls(self, names):
        return [f'http://{HUB}:{self.ports[name]}' for name in names]

    def user(self, link, name, password, project='admin', **more):
        """Somebody who asks both replicas by links of this name."""
        return User({at: self.urls([f'{link}-{at}'])[0] for at in REPLICAS}, name, password, project, **more)

    @property
    def all(self):
        return [*self.members, *self.replicas, *self.hosts, *self.simulators]

    def start(self):
        """All of them, until they are ready."""
        for member in self.members:
            member.start()
        wait_for(lambda: all(self.etcd.ask(i, 'kv/range', key='YQ==') for i in range(3)), 30, 'etcd')
        for replica in self.replicas:
            replica.start()
            wait_for(lambda replica=replica: replica.answers() or replica.proc.poll() is not None, 20, f'anyvf-apid {replica.name}')
            assert replica.proc.poll() is None, replica.log.read_text()
        self.password = read_openrc(next(self.dir.glob('[ab]/openrc')))['OS_PASSWORD']
        self.admin = self.user('tenants', 'admin', self.password)
        for name in (*HOSTS, *RECORDED, 'z*'):
            self.make_agent(name)
        self.hosts = [Host(self.dir, name, ','.join(self.urls(f'{name}-{at}' for at in REPLICAS))) for name in HOSTS]
        self.simulators = [Simulator(self.dir, 'z', self.urls(f'z-{at}' for at in REPLICAS))]
        for host in (*self.hosts, *self.simulators):
            host.start()
        for name in RECORDED:
            user = self.user('paper', f'anyvf-agent-{name}', 'secret', 'service', timeout=5)
            self.recorded.append(Recorded(user, name, self.note).start())
        all_of_them = len(HOSTS) + len(RECORDED) + len(SIMULATED)
        wait_for(lambda: [s['state'] for s in self.get('/compute/v2.1/os-services')['services']] == all_of_them * ['up'], 20, 'all hosts')
        for host in HOSTS:  # they have no libvirt; ports can be bound there all the same
            self.call('PUT', '/compute/v2.1/os-services/disable', {'host': host, 'binary': 'nova-compute'})
        self.warden.start()

    def call(self, method, path, body=None):
        """A request of the admin's that must succeed; its JSON."""
        status, answer, _ = self.admin.call('a', method, path, body)
        assert 200 <= status < 300, f'{method} {path}: {status} {answer}'
        return answer

    def get(self, path):
        return self.call('GET', path)

    def make_agent(self, host):
        """The user of a host's agent."""
        idv3 = '/identity/v3'
        project = self.get(f'{idv3}/projects?name=service')['projects'][0]['id']
        role = self.get(f'{idv3}/roles?name=agent')['roles'][0]['id']
        user = self.call('POST', f'{idv3}/users', {'user': {'name': f'anyvf-agent-{host}', 'password': 'secret',
                                                            'domain_id': 'default'}})['user']['id']
        self.call('PUT', f'{idv3}/projects/{project}/users/{user}/roles/{role}')

    def watch(self):
        """Start again who ended."""
        while not self.halt.wait(0.3):
            for party in self.all:
                party.look(lambda what: self.note('notes', what=what))

    def close(self):
        """End all, by force; whatever state they are in."""
        self.halt.set()
        if self.warden.is_alive():
            self.warden.join()
        for agent in self.recorded:
            agent.halt.set()
        for party in self.all:
            if party.proc:
                party.proc.kill()
                party.proc.wait()
        for host in self.hosts:
            host.swd.stop()
        self.links.close()
        for party in self.all:
            run('umount', '-l', party.dir, check=False)
            run('ip', 'netns', 'del', party.name, check=False)
        run('ip', 'link', 'del', 'hub', check=False)
