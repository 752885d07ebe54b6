# SPDX-License-Identifier: Apache-2.0
"""A stand-in for anyvf-apid that speaks docs/agent-api.md, and a private libvirtd.

The stand-in keeps desired documents a test writes and the reports an agent makes, so that the agent
can be tested without the API, and with documents the API would never write. Replicas of it lag as long
as a test wants.
"""
import contextlib
import copy
import hashlib
import http.server
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time
import urllib.parse
import uuid

from conftest import wait_for

TOKEN = 'token-of-the-agent'


def told(docs):
    """The sum of what a host is told (docs/agent-api.md)."""
    total = 0
    for kind, of_kind in docs.items():
        for ident, doc in of_kind.items():
            value = 0xcbf29ce484222325
            for byte in f"{kind}/{ident} {doc['generation']}".encode():
                value = (value ^ byte) * 0x100000001b3 % 2**64
            value = (value ^ value >> 33) * 0xff51afd7ed558ccd % 2**64
            value = (value ^ value >> 33) * 0xc4ceb9fe1a85ec53 % 2**64
            total ^= value ^ value >> 33
    return f'{total:016x}'


class StandIn(http.server.ThreadingHTTPServer):
    """docs/agent-api.md for one host."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, host='host1'):
        super().__init__(('127.0.0.1', 0), Handler)
        self.host = host
        self.lock = threading.Condition()
        self.docs = {kind: {} for kind in ('server', 'port', 'network', 'console', 'diagnostics', 'tap_flow', 'tap_mirror', 'watch')}
        self.log = []  # (revision, kind, id, document)
        self.revision = 0
        self.generations = {}  # (kind, id) -> the newest one ever
        self.replicas = []
        self.broken = None  # the status that every request gets: fail()
        self.lost = ()  # kinds of whose changes no event tells
        self.forgotten = 0  # changes up to this revision are too long ago
        self.asked = []  # paths of GETs
        self.watching = 0  # of which so many wait
        self.tried = []  # (kind, id, body, status) of all reports
        self.reports = {}  # (kind, id) -> newest report
        self.history = []  # all reports in order
        self.hosts = []  # heartbeats
        self.images = {}
        self.made = {}  # id -> bytes of images that the agent made
        self.logins = 0
        self.closing = False
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f'http://127.0.0.1:{self.server_address[1]}'

    def close(self):
        with self.lock:
            self.closing = True
            self.lock.notify_all()
        self.shutdown()
        self.server_close()

    def put(self, kind, doc):
        """Write a document; its generation grows by itself. Returns it."""
        with self.lock:
            new = self.generations[kind, doc['id']] = self.generations.get((kind, doc['id']), 0) + 1
            doc = {**doc, 'generation': new}
            self.docs[kind][doc['id']] = doc
            self.changed(kind, doc['id'])
        return doc

    def change(self, kind, ident, **members):
        """Change members of a document."""
        return self.put(kind, {**self.docs[kind][ident], **members})

    def drop(self, kind, ident):
        """Take a document away."""
        with self.lock:
            if self.docs[kind].pop(ident, None):
                self.changed(kind, ident)

    def changed(self, kind, ident):
        """A document is another now: a revision, of which the watch tells."""
        self.revision += 1
        self.log.append((self.revision, kind, ident, self.docs[kind].get(ident)))
        self.lock.notify_all()
        for replica in self.replicas:
            replica.follow()

    def fail(self, status):
        """Answer every request with a status from now on, those that wait as well; None: no more."""
        with self.lock:
            self.broken = status
            self.lock.notify_all()

    def behind(self, revision):
        """The answer to who has seen more than this replica."""
        if revision > self.revision:
            return 503, {'error': {'code': 503, 'message': f'revision {revision} is not here yet'}}
        return None

    def desired(self, revision):
        """Everything: status and body."""
        with self.lock:
            return self.behind(revision) or (200, {'revision': self.revision, 'told': told(self.docs),
                                                   **{kind: dict(of_kind) for kind, of_kind in self.docs.items()}})

    def watch(self, revision):
        """Events after a revision; waits for one up to 30 s."""
        with self.lock:
            if self.behind(revision):
                return self.behind(revision)
            if revision < self.forgotten:
                return 410, {'error': {'code': 410}}
            self.watching += 1
            self.lock.wait_for(lambda: self.revision > revision or self.closing or self.broken, 30)
            self.watching -= 1
            if self.broken:
                return self.broken, None
            return 200, {'revision': self.revision, 'told': told(self.docs),
                         'events': [{'kind': k, 'id': i, 'doc': doc} for r, k, i, doc in self.log
                                    if r > revision and k not in self.lost]}

    def report(self, kind, ident, body):
        """An agent's report; the status of the answer."""
        with self.lock:
            doc = self.docs.get(kind, {}).get(ident)
            if doc is None or body['generation'] != doc['generation']:
                return 409
            self.reports[kind, ident] = body
            self.history.append((kind, ident, body))
        if body.get('status') in ('DELETED', 'RELEASED') or kind in ('console', 'diagnostics'):
            self.drop(kind, ident)
        return 204

    def status(self, kind, ident):
        """The status reported last about the present document, or None."""
        with self.lock:
            doc, said = self.docs[kind].get(ident), self.reports.get((kind, ident))
            if said and (doc is None or said['generation'] == doc['generation']):
                return said['status']
        return None

    def wait_status(self, kind, ident, status, timeout=60):
        """Wait until the agent reports a status."""
        return wait_for(lambda: self.status(kind, ident) == status, timeout,
                        f'{kind} {ident}: {status} (last: {self.reports.get((kind, ident))})')

    def add_image(self, path, disk_format, **properties):
        """Offer a file as an image; returns its description for server documents."""
        ident = str(uuid.uuid4())
        self.images[ident] = pathlib.Path(path)
        data = self.images[ident].read_bytes()
        return {'id': ident, 'disk_format': disk_format, 'size': len(data),
                'checksum': hashlib.md5(data).hexdigest(), 'os_hash_value': hashlib.sha512(data).hexdigest(),
                'kernel_id': None, 'ramdisk_id': None, 'properties': properties}

    def ask(self, kind, server, **more):
        """Ask about a server as the API does; the answer."""
        ident = str(uuid.uuid4())
        self.put(kind, {'id': ident, 'server': server, **more})
        wait_for(lambda: (kind, ident) in self.reports, 10, f'the {kind}')
        return self.reports[kind, ident]

    def console(self, server, length=None):
        """The text of a server's console."""
        return self.ask('console', server, length=length)['output']


class Replica(StandIn):
    """Another replica of a stand-in's API; held, it shows what it knew and no more."""

    def __init__(self, first):
        super().__init__(first.host)
        self.first, self.held = first, False
        self.former = False  # a former version: 410 to who has seen more, and the list it has
        first.replicas.append(self)
        self.follow()

    def follow(self):
        """Take over what the first has, unless held."""
        with self.first.lock, self.lock:
            if not self.held:
                self.docs, self.log = copy.deepcopy(self.first.docs), self.first.log[:]
                self.revision = self.first.revision
                self.lock.notify_all()

    def behind(self, revision):
        return None if self.former else super().behind(revision)

    def watch(self, revision):
        late = self.former and revision > self.revision
        return (410, {'error': {'code': 410}}) if late else super().watch(revision)

    def hold(self, held=True):
        self.held = held
        self.follow()

    def report(self, kind, ident, body):
        """As the first, if it is about what this one knows."""
        with self.lock:
            doc = self.docs.get(kind, {}).get(ident)
        return self.first.report(kind, ident, body) if doc and body['generation'] == doc['generation'] else 409


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection of the agent."""

    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def answer(self, status, body=None, **headers):
        """Send a status, JSON or bytes, headers."""
        data = body if isinstance(body, bytes) else b'' if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def body(self):
        return json.loads(self.rfile.read(int(self.headers.get('Content-Length', 0))) or b'null')

    def do_POST(self):
        """Login."""
        body, api = self.body(), self.server
        if api.broken:
            return self.answer(api.broken)
        user = body['auth']['identity']['password']['user']
        if (user['name'], user['password']) != (f'anyvf-agent-{api.host}', 'secret'):
            return self.answer(401, {'error': {'code': 401}})
        api.logins += 1
        return self.answer(201, {'token': {}}, X_Subject_Token=TOKEN)

    def do_GET(self):
        """Desired state, watch, images."""
        api, url = self.server, urllib.parse.urlsplit(self.path)
        seen = int(urllib.parse.parse_qs(url.query).get('revision', ['0'])[0])
        api.asked.append(self.path)
        if api.broken:
            return self.answer(api.broken)
        if self.headers.get('X-Auth-Token') != TOKEN:
            return self.answer(401, {'error': {'code': 401}})
        if url.path == f'/anyvf/v1/hosts/{api.host}/desired':
            return self.answer(*api.desired(seen))
        if url.path == '/anyvf/v1/watch':
            return self.answer(*api.watch(seen))
        image = re.fullmatch(r'/image/v2/images/([^/]+)/file', url.path)
        if image and image[1] in api.images:
            return self.answer(200, api.images[image[1]].read_bytes())
        return self.answer(404, {'error': {'code': 404}})

    def do_PUT(self):
        """Heartbeats, reports and images of disks."""
        api, made = self.server, re.fullmatch(r'/image/v2/images/([^/]+)/snapshot', self.path)
        if made:
            api.made[made[1]] = self.rfile.read(int(self.headers['Content-Length']))
            return self.answer(204)
        body = self.body()
        path = self.path.removeprefix(f'/anyvf/v1/hosts/{api.host}').strip('/')
        if api.broken:
            return self.answer(api.broken)
        if self.headers.get('X-Auth-Token') != TOKEN:
            return self.answer(401, {'error': {'code': 401}})
        if not path:
            api.hosts.append((time.monotonic(), body))
            return self.answer(200, {'heartbeat_s': 1})
        kind, ident = path.split('/')
        status = api.report(kind, ident, body)
        api.tried.append((kind, ident, body, status))
        return self.answer(status)


def end_probes(directory):
    """End the QEMU that a libvirt was asking what it can do when it was ended: a daemon, whose environment says nothing of us."""
    for path in directory.glob('lib/qemu/qmp-*/qmp.pid'):
        with contextlib.suppress(OSError, ValueError):
            os.kill(int(path.read_text()), signal.SIGKILL)


class Libvirtd:
    """A libvirtd of our own: its sockets, state and configuration in a directory, by bind mounts."""

    PLACES = {'etc': '/etc/libvirt', 'lib': '/var/lib/libvirt', 'log': '/var/log/libvirt',
              'run': '/run/libvirt', 'cache': '/var/cache/libvirt'}

    def __init__(self, directory, within=()):
        self.dir, self.within = pathlib.Path(directory), within
        for name in self.PLACES:
            (self.dir / name).mkdir(parents=True, exist_ok=True)
        (self.dir / 'etc/qemu.conf').write_text('stdio_handler = "file"\nsecurity_driver = "none"\n')
        (self.dir / 'etc/libvirtd.conf').write_text('auth_unix_rw = "none"\nunix_sock_group = "libvirt"\nunix_sock_rw_perms = "0770"\n')
        self.proc = None

    @property
    def uri(self):
        return f'qemu+unix:///system?socket={self.dir}/run/libvirt-sock'

    def start(self):
        """Start it and wait for its socket."""
        binds = '; '.join(f'mkdir -p {at}; mount --bind {self.dir}/{name} {at}'
                          for name, at in self.PLACES.items())
        log = open(self.dir / 'libvirtd.log', 'ab')
        self.proc = subprocess.Popen(
            [*self.within, 'unshare', '-m', '--propagation', 'private', 'sh', '-ec',
             f'{binds}; exec libvirtd -p /run/libvirt/libvirtd.pid -f /etc/libvirt/libvirtd.conf'],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        log.close()

        def answers():
            assert self.proc.poll() is None, (self.dir / 'libvirtd.log').read_text()
            return self.virsh('version', check=False).returncode == 0 or time.sleep(0.3)
        wait_for(answers, 60, 'libvirtd')
        return self

    def virsh(self, *words, check=True):
        return subprocess.run(['virsh', '-q', '-c', self.uri, *words], check=check, timeout=60,
                              capture_output=True, text=True)

    def domains(self):
        """Names of running domains."""
        return self.virsh('list', '--name').stdout.split()

    def stop(self, signo=signal.SIGTERM):
        """End the daemon; its guests go on."""
        if self.proc and self.proc.poll() is None:
            self.proc.send_signal(signo)
            self.proc.wait(20)
        self.proc = None

    def close(self):
        """End the guests, then the daemon."""
        if self.proc is None or self.proc.poll() is not None:
            self.start()
        for name in self.domains():
            self.virsh('destroy', name, check=False)
        self.stop()
        end_probes(self.dir)
