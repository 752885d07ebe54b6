# SPDX-License-Identifier: Apache-2.0
"""What a service manager keeps over a restart, by one of Python: it does as systemd does with FDSTORE=1, FDSTOREREMOVE=1 and LISTEN_FDS.

What systemd itself does is seen in test_units.py.
"""
import array
import contextlib
import fcntl
import json
import os
import pathlib
import re
import select
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

import pytest
from apid import CONF, free_port
from conftest import DAEMONS, PATIENCE, Ctl, need_root, unique, wait_for

TUNSETIFF, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x400454ca, 0x2, 0x1000, 0x4000
START = 'n=3; for fd; do [ "$fd" != -- ] || break; eval "exec $n<&$fd $fd<&-"; n=$((n + 1)); shift; done; shift; LISTEN_PID=$$ exec "$@"'


class Manager:
    """Keeps what a daemon gives it, in order, and starts the daemon with it."""

    def __init__(self, directory, store=4098):
        self.dir, self.kept, self.proc, self.log = directory, [], None, directory / 'daemon.log'
        self.ready, self.room = threading.Event(), store
        self.alive, self.marks = 0, 0
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = unique('manager')  # abstract, for whatever account
        self.sock.bind(f'\0{name}')
        self.env = {**os.environ, 'NOTIFY_SOCKET': f'@{name}', **({'FDSTORE': str(store)} if store else {})}
        self.env.pop('WATCHDOG_USEC', None)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        """Message by message, until the socket is closed."""
        while True:
            text, control, _, _ = self.sock.recvmsg(4096, socket.CMSG_SPACE(64))
            if not text:
                return
            fds = array.array('i')
            for _, _, data in control:
                fds.frombytes(data)
            words = dict(line.split('=', 1) for line in text.decode().split('\n'))
            if 'FDSTOREREMOVE' in words:
                for item in [item for item in self.kept if item[0] == words['FDNAME']]:
                    self.kept.remove(item)
                    os.close(item[1])
            for fd in fds:
                if 'FDSTORE' in words and len(self.kept) < self.room:
                    self.kept.append((words['FDNAME'], fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100)))
                os.close(fd)
            self.alive += 'WATCHDOG' in words
            self.marks += 'MARK' in words
            if 'READY' in words:
                self.ready.set()

    def names(self):
        """Of what is kept; once all that the daemon said so far was heard."""
        return sorted(name for name, _ in self.kept)

    def heard(self):
        """How often it was told that the daemon is alive, with all that was sent so far."""
        marks = self.marks
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b'MARK=1', self.sock.getsockname())
        wait_for(lambda: self.marks > marks, what='what was sent')
        return self.alive

    def put(self, name, fd):
        """As if it had been kept."""
        self.kept.append((name, fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100)))

    def start(self, *argv, wait=True):
        """A life of a daemon, with what was kept; wait: until it is ready."""
        fds = [fd for _, fd in self.kept]
        env = {**self.env, **({'LISTEN_FDS': str(len(fds)), 'LISTEN_FDNAMES': ':'.join(name for name, _ in self.kept)} if fds else {})}
        self.ready.clear()
        with open(self.log, 'ab') as log:
            self.proc = subprocess.Popen(['bash', '-c', START, '-', *map(str, fds), '--', *map(str, argv)], pass_fds=fds, env=env, stdout=log, stderr=log)
        if wait:
            wait_for(lambda: self.ready.is_set() or self.proc.poll() is not None, 20, 'READY=1')
            assert self.proc.poll() is None, self.log.read_text()
        return self

    def end(self, signo=signal.SIGTERM):
        """Of this life."""
        self.proc.send_signal(signo)
        self.proc.wait(10 * PATIENCE)

    def drop(self):
        """As systemd does at the end of a stop."""
        while self.kept:
            os.close(self.kept.pop()[1])

    def close(self):
        if self.proc and self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        self.drop()
        print(self.log.read_text() if self.log.exists() else '')


@pytest.fixture
def manager(tmp_path):
    """One that keeps all it is given."""
    with contextlib.closing(Manager(tmp_path)) as made:
        yield made


def words(daemon, directory, *more):
    """The command of a daemon of control sockets."""
    return DAEMONS / f'anyvf-{daemon}', '--run-dir', directory, '--state', directory / f'{daemon}.json', *more


def inherited(pid):
    """Numbers of descriptors that a program which it starts would have, past the standard ones."""
    got = []
    for fd in os.listdir(f'/proc/{pid}/fdinfo'):
        with contextlib.suppress(FileNotFoundError), open(f'/proc/{pid}/fdinfo/{fd}') as lines:
            flags, = [int(line.split()[1], 8) for line in lines if line.startswith('flags')]
            got += [fd] if int(fd) > 2 and not flags & os.O_CLOEXEC else []
    return got


@pytest.mark.parametrize('daemon', ['swd', 'hwd'])
@pytest.mark.parametrize('signo', [signal.SIGTERM, signal.SIGKILL])
def test_who_connects_between_two_lives_is_answered_in_the_second(manager, tmp_path, daemon, signo):
    need_root()
    sockets = [f'{daemon}-ro.sock', f'{daemon}.sock']
    manager.start(*words(daemon, tmp_path))
    first = manager.proc.pid
    wait_for(lambda: manager.names() == sockets, what='what is kept')
    manager.end(signo)
    clients = [Ctl(tmp_path / name) for name in sockets]
    manager.start(*words(daemon, tmp_path))
    for client in clients:
        with contextlib.closing(client):
            assert client.call('daemon.info')['pid'] != first
    environment = open(f'/proc/{manager.proc.pid}/environ', 'rb').read()
    assert b'LISTEN_FDS=2' in environment and inherited(manager.proc.pid) == []
    assert manager.names() == sockets
    manager.drop()  # a stop: nobody listens any more
    manager.end()
    for name in sockets:
        with pytest.raises(ConnectionRefusedError):
            Ctl(tmp_path / name)
    manager.start(*words(daemon, tmp_path))
    with contextlib.closing(Ctl(tmp_path / f'{daemon}.sock')) as client:
        assert client.call('daemon.info')


@pytest.mark.parametrize('daemon', ['swd', 'hwd'])
def test_where_nobody_keeps_sockets_they_go_with_the_daemon(tmp_path, daemon):
    need_root()
    with contextlib.closing(Manager(tmp_path, store=0)) as manager:
        manager.start(*words(daemon, tmp_path)).end()
        assert manager.kept == [] and [at for at in tmp_path.glob('*.sock')] == []


@pytest.mark.parametrize('daemon', ['swd', 'hwd'])
def test_a_full_store_costs_the_wait_and_no_more(tmp_path, daemon):
    need_root()
    with contextlib.closing(Manager(tmp_path, store=1)) as manager:
        for _ in range(2):
            manager.start(*words(daemon, tmp_path))
            wait_for(lambda: len(manager.kept) == 1, what='what is kept')
            for name in f'{daemon}.sock', f'{daemon}-ro.sock':
                with contextlib.closing(Ctl(tmp_path / name)) as client:
                    assert client.call('daemon.info')
            manager.end()


@pytest.mark.parametrize('daemon', ['swd', 'hwd'])
def test_a_good_name_makes_no_listener(manager, tmp_path, daemon):
    """Descriptors of other kinds under the names that the daemon uses are given up, and those of unknown names."""
    need_root()
    name = f'{daemon}.sock'
    elsewhere = socket.socket(socket.AF_UNIX)
    elsewhere.bind(str(tmp_path / 'elsewhere'))
    elsewhere.listen()
    pair = socket.socketpair()
    with open('/dev/null', 'rb') as null:
        for fd in null.fileno(), elsewhere.fileno(), pair[0].fileno():
            manager.put(name, fd)
        manager.put('stranger', pair[1].fileno())
        manager.put('tap-1', null.fileno())
        manager.put('', null.fileno())
    manager.start(*words(daemon, tmp_path))
    with contextlib.closing(Ctl(tmp_path / name)) as client:
        assert client.call('daemon.info')
    wait_for(lambda: manager.names() == ['', f'{daemon}-ro.sock', name], what='that the others are given up')
    with pytest.raises(ConnectionRefusedError), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / 'elsewhere'))



# ---- watchdogs ----


@pytest.fixture
def public():
    """A directory that any account gets to."""
    with tempfile.TemporaryDirectory(prefix='anyvf-re-') as at:
        os.chmod(at, 0o755)
        yield pathlib.Path(at)


def agent(directory):
    """The command of an agent in a directory that its account gets to, two processes as under its unit, whose API and libvirt are not there."""
    conf = directory / 'anyvf.conf'
    conf.write_text(f'[host]\nname = h1\nstate_dir = {directory}/state\n[agent]\nuser = anyvf-agent\napi = http://127.0.0.1:1\nlibvirt_uri = qemu+unix:///system?socket={directory}/nobody\n')
    return DAEMONS / 'anyvf-agentd', '--config', conf, '--run-dir', directory


@pytest.mark.parametrize('daemon', ['hwd', 'apid', 'agentd', 'exporter'])
def test_the_service_manager_hears_of_a_daemon_as_long_as_its_loop_turns(manager, tmp_path, public, daemon):
    """The agent's loop is that of the process which is not root's, and its word is passed on. (anyvf-swd's: test_parent.)"""
    need_root()
    manager.env['WATCHDOG_USEC'] = '2000000'
    manager.start(*{'hwd': lambda: words('hwd', tmp_path), 'apid': lambda: api(tmp_path, free_port()), 'agentd': lambda: agent(public),
                    'exporter': lambda: (DAEMONS / 'anyvf-exporter', '--run-dir', tmp_path, '--listen', tmp_path / 'page')}[daemon]())
    wait_for(lambda: manager.alive > 3, what='that it lives')
    pid = manager.proc.pid
    if daemon == 'agentd':
        pid, = map(int, open(f'/proc/{pid}/task/{pid}/children').read().split())
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: re.search(r'^State:\tT', open(f'/proc/{pid}/status').read(), re.M), what='that it stands')
    before = manager.heard()
    time.sleep(2)  # by then it would have said it four times
    assert manager.heard() == before
    os.kill(pid, signal.SIGCONT)
    wait_for(lambda: manager.alive > before, what='that it lives again')


def test_where_nobody_wants_to_hear_it_nothing_is_said(manager, tmp_path):
    need_root()
    manager.start(*words('hwd', tmp_path))
    with contextlib.closing(Ctl(tmp_path / 'hwd.sock')) as client:
        assert client.call('daemon.info')
    assert manager.heard() == 0


# ---- taps ----


def seen(ns, name):
    """What the kernel says of a tap: index, carrier, and how often that changed."""
    got, = json.loads(ns.run('ip', '-j', 'link', 'show', name).stdout)
    return got['ifindex'], 'LOWER_UP' in got['flags'], int(ns.run('cat', f'/sys/class/net/{name}/carrier_changes').stdout)


def call(directory, method, **params):
    with contextlib.closing(Ctl(directory / 'swd.sock')) as client:
        return client.call(method, **params)


def taps(manager):
    return [name for name in manager.names() if name.startswith('tap-')]


def switch(manager, directory, ns, names):
    """One with a tap of each name in a namespace, addressed and up."""
    manager.start(*words('swd', directory))
    call(directory, 'pf.add', name='p2p1', numvfs=8)
    for vf, name in enumerate(names):
        call(directory, 'vf.attach', pf='p2p1', vf=vf, kind='tap', tap=name, netns=ns.name)
        ns.run('ip', 'link', 'set', name, 'up')
    wait_for(lambda: all(seen(ns, name)[1] for name in names), what='their carrier')
    wait_for(lambda: len(taps(manager)) == len(names), what='what is kept')


@pytest.mark.parametrize('signo', [signal.SIGTERM, signal.SIGKILL])
def test_taps_have_their_carrier_over_a_restart(manager, tmp_path, netns, signo):
    """Not even between two lives is it away; moved and renamed taps are found, and frames pass again."""
    need_root()
    ns, other = netns(), netns()
    switch(manager, tmp_path, ns, ['t0', 't1', 't2'])
    ns.run('ip', 'link', 'set', 't1', 'netns', other.name, 'name', 'moved')
    for at, name, address in (ns, 't0', '10.9.0.1/24'), (other, 'moved', '10.9.0.2/24'):
        at.run('ip', 'addr', 'add', address, 'dev', name)
        at.run('ip', 'link', 'set', name, 'up')
    wait_for(lambda: ns.ping('10.9.0.2'), what='frames')
    places = (ns, 't0'), (other, 'moved'), (ns, 't2')
    before, names = [seen(*place) for place in places], taps(manager)
    manager.end(signo)
    assert [seen(*place) for place in places] == before, 'between two lives'
    manager.start(*words('swd', tmp_path))
    wait_for(lambda: ns.ping('10.9.0.2'), what='frames again')
    assert [seen(*place) for place in places] == before and taps(manager) == names
    assert inherited(manager.proc.pid) == []
    call(tmp_path, 'vf.detach', pf='p2p1', vf=2)
    wait_for(lambda: len(taps(manager)) == 2, what='that it is let go of')
    assert ns.run('ip', 'link', 'show', 't2', check=False).returncode
    call(tmp_path, 'vf.attach', pf='p2p1', vf=3, kind='tap', tap='t2', netns=ns.name)
    wait_for(lambda: len(set(taps(manager))) == 3, what='a name of its own')
    manager.end(signal.SIGINT)  # takes its taps along
    wait_for(lambda: not taps(manager), what='that they are let go of')
    assert ns.run('ip', 'link', 'show', 't0', check=False).returncode


def test_without_a_store_the_carrier_goes_and_comes(tmp_path, netns):
    """So it is that which the test above sees."""
    need_root()
    ns = netns()
    with contextlib.closing(Manager(tmp_path, store=0)) as manager:
        manager.start(*words('swd', tmp_path))
        call(tmp_path, 'pf.add', name='p2p1', numvfs=1)
        call(tmp_path, 'vf.attach', pf='p2p1', vf=0, kind='tap', tap='t0', netns=ns.name)
        ns.run('ip', 'link', 'set', 't0', 'up')
        index, carrier, changes = wait_for(lambda: seen(ns, 't0'), what='the tap')
        manager.end()
        assert not seen(ns, 't0')[1]
        manager.start(*words('swd', tmp_path))
        wait_for(lambda: seen(ns, 't0') == (index, carrier, changes + 2), what='its carrier')


def test_the_state_file_says_which_taps_there_are_and_not_the_store(manager, tmp_path, netns):
    """What it does not name is removed; a tap that was lent is let go of and stays; what is gone, with its namespace too, is held by nobody."""
    need_root()
    ns, gone = netns(), netns()
    conf = tmp_path / 'anyvf.conf'
    conf.write_text('[switch]\nadopt_taps = lent*\n')
    ns.run('ip', 'tuntap', 'add', 'lent0', 'mode', 'tap')
    with_conf = ('--config', conf)
    manager.start(*words('swd', tmp_path, *with_conf))
    call(tmp_path, 'pf.add', name='p2p1', numvfs=8)
    for vf, (name, at) in enumerate([('t0', ns), ('t1', ns), ('lent0', ns), ('t3', ns), ('t4', gone)]):
        call(tmp_path, 'vf.attach', pf='p2p1', vf=vf, kind='tap', tap=name, netns=at.name)
        at.run('ip', 'link', 'set', name, 'up')
    wait_for(lambda: len(taps(manager)) == 5, what='what is kept')
    before = seen(ns, 't0'), seen(ns, 'lent0')
    manager.end()
    ns.run('ip', 'link', 'del', 't3')
    gone.delete()
    manager.start(*words('swd', tmp_path, *with_conf))
    assert (seen(ns, 't0'), seen(ns, 'lent0')) == before
    wait_for(lambda: not ns.run('ip', 'link', 'show', 't3', check=False).returncode, what='t3, made anew')
    wait_for(lambda: len(taps(manager)) == 4, what='that nobody holds what is gone')
    manager.end()
    (tmp_path / 'swd.json').unlink()
    manager.start(*words('swd', tmp_path, *with_conf))
    assert call(tmp_path, 'pf.list') == []
    wait_for(lambda: not taps(manager), what='that they are let go of')
    for name in 't0', 't1', 't3':
        assert ns.run('ip', 'link', 'show', name, check=False).returncode, name
    wait_for(lambda: not seen(ns, 'lent0')[1], what='a tap that nobody has open')


def tap_open(ns, name, flags):
    """A tap as some program makes it, open."""
    with ns.inside():
        fd = os.open('/dev/net/tun', os.O_RDWR)
        fcntl.ioctl(fd, TUNSETIFF, struct.pack('16sH22x', name.encode(), flags))
    return fd


def test_a_kept_tap_is_taken_by_what_it_is(manager, tmp_path, netns):
    """The VF's own with other headers, its name in another namespace, one with several queues: none is taken, and all are given up."""
    need_root()
    ns, other = netns(), netns()
    switch(manager, tmp_path, ns, ['t0'])
    manager.end()
    manager.drop()  # so the next life opens it anew
    good = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
    strangers = [(other, 't0', good), (ns, 't0', IFF_TAP | IFF_NO_PI), (ns, 'plain', IFF_TAP | IFF_NO_PI), (ns, 'tun', good & ~IFF_TAP | 1), (ns, 'many', good | 0x100), (ns, 'nobodys', good)]
    fds = [tap_open(*stranger) for stranger in strangers]
    for n, fd in enumerate([*fds, os.open('/dev/net/tun', os.O_RDWR), os.open('/dev/zero', os.O_RDWR), os.open('/', os.O_RDONLY)], 1):
        manager.put(f'tap-{n}', fd)
        os.close(fd)
    put = taps(manager)
    manager.start(*words('swd', tmp_path))
    wait_for(lambda: seen(ns, 't0')[1], what='the tap of the VF')
    wait_for(lambda: len(taps(manager)) == 1 and taps(manager)[0] not in put, what='that all others are given up')
    for at, name, _ in strangers[:1] + strangers[2:]:
        assert at.run('ip', 'link', 'show', name, check=False).returncode, f'{name} is held'


# ---- the API ----


def api(directory, port, listen='127.0.0.1'):
    """The command of an API that listens there."""
    conf = directory / 'anyvf.conf'
    conf.write_text(CONF.format(dir=directory, port=port).replace('listen = 127.0.0.1', f'plain_http = on\nlisten = {listen}'))
    return DAEMONS / 'anyvf-apid', '--config', conf


def get(port, started=None):
    """What is there; started: set once the connection stands."""
    with socket.create_connection(('127.0.0.1', port), timeout=30 * PATIENCE) as client:
        if started:
            started.set()
        client.sendall(b'GET /identity/v3 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
        with client.makefile('rb') as lines:
            return lines.readline().split(b' ')[1]


def test_the_api_answers_who_connected_while_it_was_away(manager, tmp_path):
    port = free_port()
    manager.start(*api(tmp_path, port))
    assert get(port) == b'200'
    manager.end()
    started, got = threading.Event(), []
    waiting = threading.Thread(target=lambda: got.append(get(port, started)), daemon=True)
    waiting.start()
    assert started.wait(10 * PATIENCE) and not got
    manager.start(*api(tmp_path, port))
    waiting.join(10 * PATIENCE)
    assert got == [b'200'] and manager.names() == ['api'] and inherited(manager.proc.pid) == []


def test_another_address_in_the_configuration_ends_the_listener_at_the_old_one(manager, tmp_path):
    """Another port, another address, and one that has the old one in it, and with it its port."""
    port, next_port = free_port(), free_port()
    manager.start(*api(tmp_path, port)).end()
    manager.start(*api(tmp_path, next_port))
    with pytest.raises(ConnectionRefusedError):
        get(port)
    assert get(next_port) == b'200'
    manager.end()
    manager.start(*api(tmp_path, next_port, '127.0.0.2'))
    with pytest.raises(ConnectionRefusedError):
        get(next_port)
    manager.end()
    manager.start(*api(tmp_path, next_port, '0.0.0.0'))
    assert get(next_port) == b'200' and manager.names() == ['api']


def sockets(pid):
    """How many a process has."""
    return sum('/socket:' in os.path.realpath(f'/proc/{pid}/fd/{fd}') for fd in os.listdir(f'/proc/{pid}/fd'))


def test_who_is_there_is_answered_before_the_end(manager, tmp_path):
    """A connection that was accepted has its answer, also if it asks after SIGTERM."""
    port = free_port()
    manager.start(*api(tmp_path, port))
    before = sockets(manager.proc.pid)
    with socket.create_connection(('127.0.0.1', port), timeout=30 * PATIENCE) as client:
        wait_for(lambda: sockets(manager.proc.pid) > before, what='that it is accepted')
        manager.proc.terminate()
        wait_for(lambda: sockets(manager.proc.pid) <= before, what='that nobody else is')
        client.sendall(b'GET /identity/v3 HTTP/1.1\r\nHost: h\r\n\r\n')
        assert client.makefile('rb').readline().split()[1] == b'200'
    manager.proc.wait(10 * PATIENCE)


def test_no_connection_is_refused_or_broken_over_ten_restarts(manager, tmp_path):
    """Clients that connect anew for each request, without a pause."""
    port = free_port()
    argv = api(tmp_path, port)
    manager.start(*argv)
    done, failed, stop = [], [], threading.Event()

    def ask():
        while not stop.is_set():
            try:
                done.append(get(port))
            except (OSError, IndexError) as why:
                failed.append(repr(why))
    clients = [threading.Thread(target=ask, daemon=True) for _ in range(4)]
    for client in clients:
        client.start()
    for _ in range(10):
        n = len(done)
        wait_for(lambda: len(done) > n + 20, what='answers')  # pylint: disable=cell-var-from-loop
        manager.end()
        manager.start(*argv)
    stop.set()
    for client in clients:
        client.join(30 * PATIENCE)
    assert failed == [] and set(done) == {b'200'}


def test_a_scraper_waits_for_the_exporter(manager, tmp_path):
    port = free_port()
    argv = DAEMONS / 'anyvf-exporter', '--run-dir', tmp_path, '--listen', f'127.0.0.1:{port}'
    manager.start(*argv).end()
    with socket.create_connection(('127.0.0.1', port), timeout=30 * PATIENCE) as client:
        client.sendall(b'GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
        assert not select.select([client], [], [], 0)[0]
        manager.start(*argv)
        assert client.makefile('rb').readline().split()[1] == b'200'
    assert manager.names() == ['metrics']
