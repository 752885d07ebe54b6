# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the integration tests: a private switch, its CLI, namespaces.

Each pytest has mounts, a network and a /run of its own (isolate()), and unique names where that is not
enough, so that tests run beside a running anyvf and beside each other. One file, or one test of it:

    /usr/bin/python3 -m pytest -q tests/integration/test_veb.py -k hairpin

ANYVF_BUILD names the build directory (default: build/ of this tree).
"""
import contextlib
import ctypes
import itertools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get('ANYVF_BUILD', ROOT / 'build')).resolve()
DAEMONS = BUILD / 'src' / 'daemons'

PATIENCE = 6  # times as long as a machine at rest may take; only a test that fails waits for it
_names = itertools.count()
_libc = ctypes.CDLL(None, use_errno=True)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Before any test file is loaded; who is not root has nothing that could meet others'."""
    if not config.option.basetemp:
        # Of its own, for a pytest that begins closes the usual one to the users that daemons and guests run as.
        config.scratch = tempfile.mkdtemp(prefix='anyvf-pytest-')
        config.option.basetemp = f'{config.scratch}/tmp'
    if os.geteuid() == 0:
        isolate()


def pytest_sessionfinish(session, exitstatus):
    """What failing tests wrote is kept."""
    if exitstatus in (0, 5) and hasattr(session.config, 'scratch'):
        shutil.rmtree(session.config.scratch, ignore_errors=True)


def isolate():
    """Leave for a mount and a network namespace of our own: with lo, the new network's /sys, an empty /run."""
    left = [f"--{word}=/proc/{os.getpid()}/fd/{os.open(f'/proc/self/ns/{kind}', os.O_RDONLY)}"
            for word, kind in (('mount', 'mnt'), ('net', 'net'))]
    if _libc.unshare(0x40020000):  # CLONE_NEWNET | CLONE_NEWNS
        raise OSError(ctypes.get_errno(), 'cannot leave for namespaces of our own')
    os.environ['ANYVF_OUTSIDE'] = ' '.join(['nsenter', *left])
    for words in ('mount --make-rprivate /', 'mount -t tmpfs -o mode=755 run /run', 'mkdir -m 1777 /run/lock',
                  'mkdir /run/sys', 'mount -t sysfs sysfs /run/sys', 'mount --rbind /sys/fs/cgroup /run/sys/fs/cgroup',
                  'umount -l /sys', 'mount --move /run/sys /sys', 'rmdir /run/sys', 'ip link set lo up'):
        run(*words.split())


def unique(prefix):
    """A name of at most 15 characters that no other test process uses."""
    return f'{prefix[:4]}{os.getpid():x}{next(_names):x}'[:15]


def need_root():
    """Skip where taps and namespaces cannot be made."""
    if os.geteuid() != 0:
        pytest.skip('needs root')


def wait_for(claim, timeout=10.0, what='the expected state'):
    """Return claim()'s first true value; fail after `timeout` seconds of a machine at rest."""
    end = time.monotonic() + timeout * PATIENCE
    while True:
        got = claim()
        if got:
            return got
        assert time.monotonic() < end, f'{what} did not come in {timeout * PATIENCE} s'
        time.sleep(0.02)


class CtlError(Exception):
    """An error reply of a daemon: .code is the negative errno or JSON-RPC's own number."""

    def __init__(self, error):
        super().__init__(error['message'])
        self.code = error['code']


class Ctl:
    """One connection to a control socket."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20 * PATIENCE)
        self.sock.connect(str(path))
        self.rest = b''
        self.ids = itertools.count(1)

    def close(self):
        self.sock.close()

    def line(self):
        """The next line, without its end; b'' at the end of the connection."""
        while b'\n' not in self.rest:
            got = self.sock.recv(65536)
            if not got:
                return b''
            self.rest += got
        line, self.rest = self.rest.split(b'\n', 1)
        return line

    def call(self, method, **params):
        """The result of a method; raises CtlError."""
        ident = next(self.ids)
        self.sock.sendall(json.dumps({'jsonrpc': '2.0', 'id': ident, 'method': method,
                                      'params': params}).encode() + b'\n')
        reply = json.loads(self.line() or b'{}')
        if 'error' in reply:
            raise CtlError(reply['error'])
        assert reply.get('id') == ident, reply
        return reply['result']


class Daemon:
    """Somebody at a reading socket who answers methods: a result, or a negative errno."""

    def __init__(self, path, **answers):
        self.answers = {'daemon.info': {}, 'pf.list': [], 'mirror.list': [], 'worker.list': [], **{k.replace('_', '.'): v for k, v in answers.items()}}
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            with conn, conn.makefile('rw') as lines:
                for line in lines:
                    asked = json.loads(line)
                    got = self.answers[asked['method']]
                    got = got(**asked['params']) if callable(got) else got
                    what = {'error': {'code': got, 'message': 'no'}} if isinstance(got, int) else {'result': got}
                    print(json.dumps({'jsonrpc': '2.0', 'id': asked['id'], **what}), file=lines, flush=True)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Swd:
    """A private anyvf-swd: its own run directory and state file."""

    def __init__(self, directory, *options, within=()):
        """within: words before the program, such as those of another namespace."""
        self.dir, self.within = pathlib.Path(directory), within
        self.state = self.dir / 'swd.json'
        cores = os.environ.get('ANYVF_TEST_CORES')  # another number of workers for all tests
        self.options = [*(['--cores', cores] if cores else []), *options]
        self.program = DAEMONS / 'anyvf-swd'
        self.proc = None
        self.log = self.dir / 'swd.log'

    @property
    def sock(self):
        return self.dir / 'swd.sock'

    def start(self):
        """Start and wait until the control socket answers."""
        with open(self.log, 'ab') as log:
            self.proc = subprocess.Popen(
                [*self.within, self.program, '--run-dir', self.dir, '--state', self.state,
                 *self.options], stdout=log, stderr=log)
        self.wait_ready()
        return self

    def wait_ready(self, timeout=20):
        def answers():
            assert self.proc.poll() is None, f'anyvf-swd ended:\n{self.log.read_text()}'
            with contextlib.suppress(OSError, json.JSONDecodeError):
                return self.call('daemon.info')
        return wait_for(answers, timeout, f'anyvf-swd in {self.dir}')

    def call(self, method, **params):
        """One control call on a connection of its own."""
        with contextlib.closing(Ctl(self.sock)) as ctl:
            return ctl.call(method, **params)

    def child(self):
        """The pid of the switch process below the parent; without root they are one."""
        pid = self.proc.pid
        kids = pathlib.Path(f'/proc/{pid}/task/{pid}/children').read_text().split()
        return int(kids[0]) if kids else pid

    def stop(self, signo=signal.SIGINT):
        """End it; SIGINT takes its taps along, SIGTERM leaves them. Returns the exit code."""
        if self.proc is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            self.proc.send_signal(signo)
        try:
            return self.proc.wait(10 * PATIENCE)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
            raise
        finally:
            self.proc = None

    def cli(self, *words, check=True, **kw):
        """Run the CLI against this switch."""
        return run(DAEMONS / 'anyvf', *words, check=check,
                   env={**os.environ, 'ANYVF_RUN_DIR': str(self.dir)}, **kw)

    def vf(self, pf, n):
        return self.call('vf.get', pf=pf, vf=n)

    def drops(self, pf, n):
        """{reason: count} of a VF, the zero ones left out."""
        drops = self.vf(pf, n)['stats']['drops']
        return {reason: count for reason, count in drops.items() if count}

    def attach_tap(self, pf, n, ns=None, name=None, addr=None, mac=None):
        """Plug a VF into a tap, set it up (in namespace `ns`), give it an address; its name."""
        name = name or unique('t')
        self.call('vf.attach', pf=pf, vf=n, kind='tap', tap=name, **({'netns': ns.name} if ns else {}))
        at = ['ip', '-n', ns.name] if ns else ['ip']
        if mac:
            run(*at, 'link', 'set', name, 'address', mac)
        run(*at, 'link', 'set', name, 'up')
        if addr:
            run(*at, 'addr', 'add', addr, 'dev', name, *(['nodad'] if ':' in addr else []))
        return name


def run(*argv, check=True, timeout=60, **kw):
    """Run a program; its CompletedProcess with text output. check: fail the test with its words."""
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, errors='replace',
                          timeout=timeout and timeout * PATIENCE, **kw)
    if check:
        assert done.returncode == 0, f'{" ".join(map(str, argv))}: {done.stderr or done.stdout}'
    return done


def outside(program, *argv, **kw):
    """run() a maker of images, however long it takes, in the namespaces that we left: what it lacks it downloads."""
    return run(*os.environ.get('ANYVF_OUTSIDE', '').split(), program, *argv, timeout=None, **kw)


class Netns:
    """A network namespace with lo up and IPv6 silent unless asked for."""

    def __init__(self):
        self.name = unique('ns')
        run('ip', 'netns', 'add', self.name)
        self.run('ip', 'link', 'set', 'lo', 'up')
        # no router solicitations and DAD among the frames that tests count
        for conf in 'default', 'all':
            self.run('sysctl', '-qw', f'net.ipv6.conf.{conf}.disable_ipv6=1')

    def run(self, *argv, **kw):
        return run('ip', 'netns', 'exec', self.name, *argv, **kw)

    def popen(self, *argv, **kw):
        return subprocess.Popen(['ip', 'netns', 'exec', self.name, *map(str, argv)], **kw)

    def ping(self, addr, count=3, wait=2, size=56):
        """True if every echo request was answered."""
        done = self.run('ping', '-n', '-q', '-i', '0.05', '-c', count, '-W', wait, '-s', size, addr,
                        check=False)
        return done.returncode == 0 and ' 0% packet loss' in done.stdout

    @contextlib.contextmanager
    def inside(self):
        """Sockets made in this block belong to the namespace (the whole thread is moved)."""
        with open('/proc/thread-self/ns/net') as own, open(f'/run/netns/{self.name}') as ns:
            assert _libc.setns(ns.fileno(), 0x40000000) == 0
            try:
                yield
            finally:
                _libc.setns(own.fileno(), 0x40000000)

    def packet_socket(self, dev, timeout=2.0):
        """A raw socket on `dev`; it hears everything that comes in, not what goes out."""
        with self.inside():
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            sock.setsockopt(263, 23, 1)  # SOL_PACKET, PACKET_IGNORE_OUTGOING
            sock.bind((dev, 3))
        sock.settimeout(timeout)
        return sock

    def delete(self):
        run('ip', 'netns', 'del', self.name, check=False)


@pytest.fixture
def sleeper():
    """A process in a namespace without a name."""
    with subprocess.Popen(['unshare', '-n', 'sleep', '600']) as sleeping:
        wait_for(lambda: os.readlink(f'/proc/{sleeping.pid}/ns/net') != os.readlink('/proc/self/ns/net'), what='its namespace')
        yield sleeping
        sleeping.kill()


@pytest.fixture
def netns():
    """A maker of namespaces that are gone after the test."""
    need_root()
    made = []

    def make():
        made.append(Netns())
        return made[-1]
    yield make
    for ns in made:
        ns.delete()


@pytest.fixture
def swd_maker():
    """A maker of stopped private switches; all are stopped and removed after the test."""
    made = []

    def make(*options):
        made.append(Swd(tempfile.mkdtemp(prefix='anyvf-it-'), *options))
        return made[-1]
    yield make
    for swd in made:
        swd.stop()
        print(f'log of {swd.dir}:', swd.log.read_text() if swd.log.exists() else '', sep='\n')  # shown with a failure
        shutil.rmtree(swd.dir)


@pytest.fixture
def swd(swd_maker):
    """A running private switch."""
    return swd_maker().start()


class Fake:
    """A daemon of fake PFs with p2p1, and the CLI at it: for words and texts, no frames."""

    def __init__(self, directory):
        self.dir = directory
        self.env = {**os.environ, 'ANYVF_RUN_DIR': directory, 'ANYVF': str(DAEMONS / 'anyvf')}
        self.proc = subprocess.Popen([BUILD / 'tests' / 'lib' / 'fake_pfd', f'{directory}/swd.sock'])
        self.ctl = wait_for(self.connected, what='the socket of fake_pfd')
        self.ctl.call('pf.add', name='p2p1', numvfs=4, mac='02:00:00:00:01:00')

    def connected(self):
        """A connection, once the daemon listens: its socket is there a moment earlier."""
        with contextlib.suppress(OSError):
            return Ctl(f'{self.dir}/swd.sock')
        return None

    def run(self, *words, program=DAEMONS / 'anyvf'):
        """Exit code, stdout, stderr of `anyvf WORDS`."""
        done = run(program, *words, check=False, env=self.env)
        return done.returncode, done.stdout, done.stderr

    def link(self, words):
        return self.run('link', *words.split())

    def stop(self):
        self.ctl.close()
        self.proc.terminate()
        self.proc.wait(10 * PATIENCE)


@pytest.fixture
def fake():
    """A running daemon of fake PFs."""
    directory = tempfile.mkdtemp(prefix='anyvf-fake-')
    made = Fake(directory)
    yield made
    made.stop()
    shutil.rmtree(directory)
