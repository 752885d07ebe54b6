# SPDX-License-Identifier: Apache-2.0
"""A stand-in for anyvf-apid that speaks docs/agent-api.md, and a private libvirtd.

The stand-in keeps desired documents a test writes and the reports an agent makes, so that the agent
can be tested without the API, and with documents the API would never write.
"""
import hashlib
import http.server
import json
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


class StandIn(http.server.ThreadingHTTPServer):
    """docs/agent-api.md for one host."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, host='host1'):
        super().__init__(('127.0.0.1', 0), Handler)
        self.host = host
        self.lock = threading.Condition()
        self.docs = {kind: {} for kind in ('server', 'port', 'network', 'console', 'tap_flow', 'tap_mirror')}
        self.log = []  # (revision, kind, id)
        self.revision = 0
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
            old = self.docs[kind].get(doc['id'], {'generation': 0})
            doc = {**doc, 'generation': old['generation'] + 1}
            self.docs[kind][doc['id']] = doc
            self._changed(kind, doc['id'])
        return doc

    def change(self, kind, ident, **members):
        """Change members of a document."""
        return self.put(kind, {**self.docs[kind][ident], **members})

    def drop(self, kind, ident):
        """Take a document away."""
        with self.lock:
            if self.docs[kind].pop(ident, None):
                self._changed(kind, ident)

    def _changed(self, kind, ident):
        self.revision += 1
        self.log.append((self.revision, kind, ident))
        self.lock.notify_all()

    def watch(self, revision):
        """Events after a revision; waits for one up to 30 s."""
        with self.lock:
            self.lock.wait_for(lambda: self.revision > revision or self.closing, 30)
            ids = dict.fromkeys((k, i) for r, k, i in self.log if r > revision)
            return {'revision': self.revision,
                    'events': [{'kind': k, 'id': i, 'doc': self.docs[k].get(i)} for k, i in ids]}

    def report(self, kind, ident, body):
        """An agent's report; the status of the answer."""
        with self.lock:
            doc = self.docs.get(kind, {}).get(ident)
            if doc is None:
                return 404
            if body['generation'] != doc['generation']:
                return 409
            self.reports[kind, ident] = body
            self.history.append((kind, ident, body))
        if body.get('status') in ('DELETED', 'RELEASED') or kind == 'console':
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

    def console(self, server, length=None):
        """Ask for a server's console as the API does; its text."""
        ident = str(uuid.uuid4())
        self.put('console', {'id': ident, 'server': server, 'length': length})
        wait_for(lambda: ('console', ident) in self.reports, 10, 'the console')
        return self.reports['console', ident]['output']


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
        user = body['auth']['identity']['password']['user']
        if (user['name'], user['password']) != (f'anyvf-agent-{api.host}', 'secret'):
            return self.answer(401, {'error': {'code': 401}})
        api.logins += 1
        return self.answer(201, {'token': {}}, X_Subject_Token=TOKEN)

    def do_GET(self):
        """Desired state, watch, images."""
        api, url = self.server, urllib.parse.urlsplit(self.path)
        if self.headers.get('X-Auth-Token') != TOKEN:
            return self.answer(401, {'error': {'code': 401}})
        if url.path == f'/anyvf/v1/hosts/{api.host}/desired':
            with api.lock:
                return self.answer(200, {'revision': api.revision, **api.docs})
        if url.path == '/anyvf/v1/watch':
            return self.answer(200, api.watch(int(urllib.parse.parse_qs(url.query)['revision'][0])))
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
        if self.headers.get('X-Auth-Token') != TOKEN:
            return self.answer(401, {'error': {'code': 401}})
        if not path:
            api.hosts.append((time.monotonic(), body))
            return self.answer(200, {'heartbeat_s': 1})
        kind, ident = path.split('/')
        return self.answer(api.report(kind, ident, body))


class Libvirtd:
    """A libvirtd of our own: its sockets, state and configuration in a directory, by bind mounts."""

    PLACES = {'etc': '/etc/libvirt', 'lib': '/var/lib/libvirt', 'log': '/var/log/libvirt',
              'run': '/run/libvirt', 'cache': '/var/cache/libvirt'}

    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
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
            ['unshare', '-m', '--propagation', 'private', 'sh', '-ec',
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
