# SPDX-License-Identifier: Apache-2.0
"""VFs attached by vhost-user through the real daemon: every ring layout, hostile guests, restarts."""
import contextlib
import ctypes
import itertools
import multiprocessing
import os
import pathlib
import signal
import socket
import struct
import threading
import time

import pytest
import vhost
from conftest import CtlError, run, unique, wait_for
from vhost import Guest


def mac(n):
    return bytes([2, 0, 0, 0, 0, n + 1])


def text(address):
    return ':'.join(f'{b:02x}' for b in address)


PATTERN = bytes(i * 7 & 255 for i in range(2 * 256))  # what begins at n * 183 begins with n: 7 * 183 = 1 (mod 256)


def frame(to, source, n, size=64):
    """A frame of `size` bytes that says its number and has a pattern behind it: the number, 7 more, 14 more ..."""
    start, length = n * 183 & 255, max(size - 18, 0)
    body = struct.pack('!I', n) + (PATTERN[start:start + 256] * (length // 256 + 1))[:length]
    return to + source + b'\x88\xb5' + body


def udp(source, flow, n):
    """The nth datagram of a flow to VF 1."""
    return mac(1) + mac(source) + bytes.fromhex('08004500003200004000401166b60a0000010a000002') + struct.pack(
        '!HHHHHI', 1000 + flow, 2000 + 7 * flow, 30, 0, flow, n) + bytes(16)


def recv_any(guest, pairs):
    """The next frame of any receive queue, or None."""
    for _ in range(2000):
        for pair in range(pairs):
            if got := guest.recv(pair, 0):
                return got
        time.sleep(0.001)
    return None


# What kinds of rings guests ask for, besides what a test is about.
RINGS = {'split': 0, 'packed': vhost.PACKED, 'split-events': vhost.EVENT_IDX | vhost.IN_ORDER,
         'packed-events': vhost.PACKED | vhost.EVENT_IDX | vhost.IN_ORDER}
every_ring = pytest.mark.parametrize('rings', RINGS, indirect=True)
both_rings = pytest.mark.parametrize('rings', ['split', 'packed-events'], indirect=True)


@pytest.fixture
def rings(request):
    return RINGS[getattr(request, 'param', 'split')]


class Switch:
    """A private swd with a PF whose VFs are guests of this process; VF i owns mac(i)."""

    def __init__(self, swd, numvfs=4, client=True, rings=0):
        self.swd, self.client, self.guests, self.rings = swd, client, {}, rings
        swd.call('pf.add', name='p2p1', numvfs=numvfs, mtu=9216)

    def attach(self, n, **options):
        """Give VF n its MAC and a guest; the guest listens if the switch is the client."""
        path = self.swd.dir / f'vf{n}.sock'
        self.swd.call('pf.set', pf='p2p1', vfs=[{'vf': n, 'set': {'mac': text(mac(n))}}])
        self.swd.call('vf.attach', pf='p2p1', vf=n, kind='vhost', socket=str(path), client=self.client)
        return self.guest(n, **options)

    def plug(self, n):
        """Give VF n its MAC and a socket without a guest, to be served by the switch; its path."""
        path = self.swd.dir / f'vf{n}.sock'
        self.swd.call('pf.set', pf='p2p1', vfs=[{'vf': n, 'set': {'mac': text(mac(n))}}])
        self.swd.call('vf.attach', pf='p2p1', vf=n, kind='vhost', socket=str(path), client=False)
        return path

    def guest(self, n, features=vhost.MRG_RXBUF, **options):
        features |= self.rings
        self.guests[n] = Guest(self.swd.dir / f'vf{n}.sock', listen=self.client, features=features, **options)
        assert self.guests[n].features & features == features
        wait_for(lambda: self.vf(n)['status']['n_queues'] == options.get('pairs', 1), what='rings')
        return self.guests[n]

    def vf(self, n):
        return self.swd.vf('p2p1', n)

    def drops(self, n, reason):
        return self.swd.drops('p2p1', n).get(reason, 0)

    def lost(self, n, reason):
        """Header of the last frame dropped for a reason."""
        drops = self.swd.call('vf.drops', pf='p2p1', vf=n)['drops']
        return next(d['last'] for d in drops if d['reason'] == reason)

    def close(self):
        for guest in self.guests.values():
            guest.close()


@pytest.fixture
def switch(swd, rings):
    """A switch with four VFs, client of their sockets as with QEMU under Nova."""
    made = Switch(swd, rings=rings)
    yield made
    made.close()


SIZES = [60, 64, 65, 100, 127, 128, 129, 255, 256, 257, 300, 1514, 4000, 9014]


@both_rings
@pytest.mark.parametrize('rx', [
    dict(rx_len=16384), dict(rx_len=2048), dict(rx_len=512), dict(rx_len=1200, rx_pieces=4),
    dict(rx_len=2048, rx_pieces=8, rx_indirect=True),
    dict(rx_len=16384, rx_pieces=2, features=0)], ids=str)
@pytest.mark.parametrize('tx', [
    dict(), dict(piece=12), dict(piece=700), dict(piece=500, indirect=True),
    dict(piece=12, indirect=True)], ids=str)
def test_every_byte_arrives_in_every_layout(switch, tx, rx):
    a, b = switch.attach(0), switch.attach(1, **rx)
    sizes = [s for s in SIZES if not tx.get('piece') or (12 + s) / tx['piece'] <= 60]
    for n, size in enumerate(sizes * 3):
        a.send(frame(mac(1), mac(0), n, size), **tx)
        assert b.recv() == frame(mac(1), mac(0), n, size), f'{size} bytes'
    assert b.recv(timeout=0.1) is None
    assert switch.vf(1)['stats']['rx_packets'] == len(sizes) * 3


@every_ring
def test_bursts_arrive_in_order(switch):
    a, b = switch.attach(0), switch.attach(1, ring_size=1024)
    for n in range(3000):
        a.send(frame(mac(1), mac(0), n))
        if n % 200 == 199:
            for k in range(n - 199, n + 1):
                assert b.recv() == frame(mac(1), mac(0), k)


def test_broadcast_reaches_everyone_but_the_sender(switch):
    guests = [switch.attach(n) for n in range(4)]
    sent = frame(b'\xff' * 6, mac(2), 1)
    guests[2].send(sent)
    for n, guest in enumerate(guests):
        assert guest.recv(timeout=2 if n != 2 else 0.2) == (sent if n != 2 else None)
    assert switch.vf(0)['stats']['rx_broadcast'] == 1


def test_a_vf_without_a_guest_drops_and_says_so(switch):
    a = switch.attach(0)
    switch.swd.call('pf.set', pf='p2p1', vfs=[{'vf': 1, 'set': {'mac': text(mac(1))}}])
    a.send(frame(mac(1), mac(0), 1))
    wait_for(lambda: switch.drops(1, 'not_ready') == 1, what='the drop')


@both_rings
def test_a_full_ring_drops_and_says_so(switch):
    a, b = switch.attach(0), switch.attach(1, ring_size=16)
    for n in range(40):
        a.send(frame(mac(1), mac(0), n))
    wait_for(lambda: switch.vf(1)['stats']['rx_packets'] + switch.drops(1, 'no_buffer') == 40,
             what='all frames')
    assert len(b.drain()) == switch.vf(1)['stats']['rx_packets'] == 16
    lost = switch.lost(1, 'no_buffer')
    assert (lost['src'], lost['length']) == (text(mac(0)), 64)


MISTAKES = ['outside', 'spanning', 'zero', 'huge', 'loop', 'long', 'write-only']


@pytest.mark.parametrize('mistake, rings', [
    (kind, layout) for kind in MISTAKES for layout in ('split', 'packed')
    if (kind, layout) != ('loop', 'packed')], indirect=['rings'])  # that one breaks the queue: the next test
def test_a_bad_descriptor_is_counted_and_the_queue_goes_on(switch, mistake):
    kind = MISTAKES.index(mistake)
    a, b, c, d = (switch.attach(n) for n in range(4))
    for n in range(5):
        a.mistake(kind, frame(mac(1), mac(0), 99))
        a.send(frame(mac(1), mac(0), n))
        c.send(frame(mac(3), mac(2), n))
        assert b.recv() == frame(mac(1), mac(0), n)
        assert d.recv() == frame(mac(3), mac(2), n)
    wait_for(lambda: switch.drops(0, 'malformed') == 5, what='the drops')
    assert b.recv(timeout=0.1) is None
    assert 'dst' not in switch.lost(0, 'malformed')  # what the descriptor meant was never read


@pytest.mark.parametrize('kind, rings', [(vhost.BAD_HEAD, 'split'), (vhost.RUNAWAY, 'split'), (vhost.LOOP, 'packed')],
                         ids=['head', 'runaway', 'endless'], indirect=['rings'])
def test_a_broken_ring_stops_alone_and_is_named_in_the_log(switch, kind):
    a, b, c, d = (switch.attach(n) for n in range(4))
    a.mistake(kind, frame(mac(1), mac(0), 99))
    wait_for(lambda: 'guest broke its ring' in switch.swd.log.read_text(), what='the log line')
    line = [x for x in switch.swd.log.read_text().splitlines() if 'broke its ring' in x]
    assert len(line) == 1 and 'p2p1' in line[0] and '0' in line[0].split('p2p1')[1]
    assert switch.drops(0, 'malformed') == 1 and switch.vf(0)['status']['fault'] == 'ring-broken'
    for n in range(5):
        c.send(frame(mac(3), mac(2), n))
        assert d.recv() == frame(mac(3), mac(2), n)
    assert b.recv(timeout=0.1) is None
    a.close()  # a reset heals it
    a = wait_for(lambda: reopen(switch, 0), what='a new front end')
    a.send(frame(mac(1), mac(0), 7))
    assert b.recv() == frame(mac(1), mac(0), 7)


def reopen(switch, n, **options):
    """A new guest on VF n, once the old one's end was noticed."""
    try:
        return switch.guest(n, **options)
    except OSError:
        return None


@both_rings
@pytest.mark.parametrize('pairs', [1, 8])
def test_interrupts_that_would_block_break_that_device_alone(switch, pairs):
    """The front end has the same eventfds: it fills them, and takes back that they must not block."""
    a, b, c, d = switch.attach(0, pairs=pairs, mem_mib=64), *(switch.attach(n) for n in range(1, 4))
    child = switch.swd.child()
    for index in range(2 * pairs):
        a.block(index)
    for pair in range(pairs):  # one wait each, and all in the same round, is more than a hang
        a.send(frame(mac(2), mac(0), pair), pair)
    b.send(frame(mac(0), mac(1), 1))
    began = time.monotonic()
    for n in range(5):
        c.send(frame(mac(3), mac(2), n))
        assert d.recv(timeout=5) == frame(mac(3), mac(2), n)
    assert time.monotonic() < began + 2
    wait_for(lambda: 'guest broke its ring' in switch.swd.log.read_text(), what='the log line')
    time.sleep(2.5)  # longer than a hang
    assert switch.swd.child() == child


def test_an_interrupt_is_an_eventfd_and_nothing_else(switch):
    a, b = switch.attach(0), switch.attach(1)
    ends = os.pipe()
    with open('/etc/hostname', 'rb') as file, socket.socket() as sock:
        for fd in ends[1], file.fileno(), sock.fileno():
            assert a.call(0, fd) < 0  # disconnected
            a.close()
            a = wait_for(lambda: reopen(switch, 0), what='a new front end')
    a.send(frame(mac(1), mac(0), 7))
    assert b.recv() == frame(mac(1), mac(0), 7)
    for fd in ends:
        os.close(fd)


def serve_fuse(fd):
    """A file system with one file of 16 MiB, which is never read, in the words of the kernel's FUSE."""
    def attr(ino, mode, size):
        return struct.pack('<6Q10I', ino, size, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)
    file = attr(2, 0o100666, 16 << 20)
    while True:
        _, op, unique, node = struct.unpack('<IIQQ', os.read(fd, 1 << 17)[:24])
        out = {26: struct.pack('<4I2H2I2H8I', 7, 31, 65536, 0, 12, 9, 65536, 1, 0, 0, *[0] * 8),
               1: struct.pack('<4Q2I', 2, 1, 1000, 1000, 0, 0) + file,
               3: struct.pack('<Q2I', 0, 0, 0) + (attr(1, 0o40755, 0) if node == 1 else file),
               14: struct.pack('<Q2I', 1, 2, 0)}.get(op, b'')
        if op not in (2, 15, 17):  # forget, read, statfs
            os.write(fd, struct.pack('<IiQ', 16 + len(out), 0 if out else -38, unique) + out)


@contextlib.contextmanager
def memory_of_fuse(directory):
    """A descriptor of that file."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        fd = os.open('/dev/fuse', os.O_RDWR)
    except OSError:
        pytest.skip('no /dev/fuse')
    options = f'fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other'.encode()
    if libc.mount(b'test', os.fsencode(directory), b'fuse', 0, options):
        pytest.skip('FUSE cannot be mounted')
    server = multiprocessing.get_context('fork').Process(target=serve_fuse, args=(fd,), daemon=True)
    server.start()
    os.close(fd)
    try:
        yield os.open(directory / 'memory', os.O_RDWR)
    finally:
        server.kill()  # which ends who waits for it
        libc.umount2(os.fsencode(directory), 2)


def test_memory_of_a_file_system_that_never_answers_is_not_taken(switch, tmp_path):
    a = switch.attach(0)
    own = next(fd for fd in pathlib.Path('/proc/self/fd').iterdir()
               if fd.is_symlink() and 'vhost_fe' in os.readlink(fd))
    with memory_of_fuse(tmp_path) as fd:
        os.dup2(fd, int(own.name))
        os.close(fd)
        told = threading.Thread(target=a.lib.fe_remap, args=(a.fe, 2), daemon=True)
        told.start()
        told.join(10)
        assert not told.is_alive()  # disconnected
        b, c = switch.attach(1), switch.attach(2)  # by the library's one thread
        b.send(frame(mac(2), mac(1), 1))
        assert c.recv() == frame(mac(2), mac(1), 1)
        a.close()


@both_rings
def test_a_header_rewritten_under_the_check_never_passes(switch):
    a, b, c = (switch.attach(n, ring_size=1024) for n in range(3))
    good, spoofed = frame(mac(1), mac(0), 1), frame(mac(1), mac(2), 1)
    a.rewrite(good, spoofed, 5000)
    elsewhere = frame(mac(2), mac(0), 1)
    got = b.drain()
    assert got and all(x[:12] == good[:12] for x in got)
    assert switch.vf(0)['stats']['tx_packets'] + switch.drops(0, 'spoof_mac') == 5000
    a.rewrite(good, elsewhere, 2000)
    assert all(x[:12] == good[:12] for x in b.drain())
    assert all(x[:12] == elsewhere[:12] for x in c.drain())


@both_rings
@pytest.mark.parametrize('touch', ['tx', 'rx', 'message'])
def test_memory_taken_away_breaks_that_device_alone(swd, rings, touch):
    switch = Switch(swd, client=False, rings=rings)
    a, b, c = (switch.attach(n) for n in range(3))
    child = switch.swd.child()
    a.truncate()
    if touch == 'tx':  # the worker reads its ring
        a.kick(1)
    elif touch == 'rx':  # a worker delivers to it
        b.send(frame(b'\xff' * 6, mac(1), 1))
        assert c.recv() == frame(b'\xff' * 6, mac(1), 1)
    else:  # the library looks at its rings
        a.remap(2)
        a.kick(1)
        b.send(frame(mac(0), mac(1), 1))
    wait_for(lambda: 'front end took its memory away' in switch.swd.log.read_text(), what='the log line')
    assert switch.vf(0)['status']['fault'] == 'memory-gone'
    for n in range(5):
        b.send(frame(mac(2), mac(1), n))
        assert c.recv() == frame(mac(2), mac(1), n)
    b.send(frame(mac(0), mac(1), 9))
    wait_for(lambda: switch.drops(0, 'not_ready'), what='a frame that nobody takes')
    assert switch.swd.child() == child
    a.close()  # another guest finds all as new
    a = wait_for(lambda: reopen(switch, 0), what='a new front end')
    a.send(frame(mac(1), mac(0), 7))
    assert b.recv() == frame(mac(1), mac(0), 7)


@both_rings
@pytest.mark.parametrize('memory', [vhost.PRIVATE, vhost.NONE])
def test_memory_that_is_not_shared_is_named(swd, rings, memory):
    """A guest that was given no shared memory boots, and its NIC is dead: the most frequent mistake of all."""
    def fault():
        return switch.vf(1)['status']['fault']
    switch = Switch(swd, client=False, rings=rings)
    a = switch.attach(0)
    a.kick(1)  # for nothing
    switch.plug(1)
    own = Guest(switch.swd.dir / 'vf1.sock', listen=False, features=vhost.MRG_RXBUF | switch.rings, memory=memory)
    if memory == vhost.PRIVATE:
        wait_for(lambda: switch.vf(1)['status']['n_queues'], what='its rings')
        time.sleep(0.5)  # the worker has seen the kick that QEMU left there, and gone to sleep
        assert fault() == 'none'  # it may have nothing to say
        own.send(frame(mac(0), mac(1), 1))
    wait_for(lambda: fault() == 'memory-not-shared', what='its fault')
    wait_for(lambda: "guest's memory is not shared, nothing comes or goes port=\"p2p1 vf 1\"" in switch.swd.log.read_text(), what='the line')
    assert "the guest's memory is not shared" in switch.swd.cli('vf', 'show', 'p2p1', '1').stdout
    own.close()
    wait_for(lambda: fault() == 'none', what='its end')
    b = switch.guest(1)
    b.send(frame(mac(0), mac(1), 1))
    assert a.recv() == frame(mac(0), mac(1), 1)
    assert fault() == switch.vf(0)['status']['fault'] == 'none'
    switch.close()


@both_rings
def test_memory_table_changes_under_traffic_spoil_nothing(switch):
    a, b = switch.attach(0, ring_size=256), switch.attach(1, ring_size=256)
    end, sent = threading.Event(), [0]

    def remap():
        turn = 0
        while not end.is_set():
            for guest in a, b:
                guest.remap(1 + turn % 2)
            turn += 1
        sent[0] = turn
    thread = threading.Thread(target=remap)
    thread.start()
    arrived = 0
    for n in range(3000):
        a.send(frame(mac(1), mac(0), n, 60 + n % 1400))
        got = b.recv(timeout=0.01)
        while got is not None:
            k = struct.unpack('!I', got[14:18])[0]
            assert got == frame(mac(1), mac(0), k, 60 + k % 1400)
            arrived += 1
            got = b.recv(timeout=0)
    end.set()
    thread.join()
    arrived += len(b.drain())
    assert sent[0] > 20
    # what came while b's memory was away is counted, nothing is lost silently
    drops = switch.swd.drops('p2p1', 1)
    assert arrived + sum(drops.values()) == 3000, drops


@both_rings
def test_a_guest_that_comes_and_goes_finds_its_vf_again(swd, rings):
    switch = Switch(swd, client=False, rings=rings)
    a = switch.attach(0)
    switch.attach(1).close()
    for n in range(30):
        b = wait_for(lambda: reopen(switch, 1), what='a new front end')
        a.send(frame(mac(1), mac(0), n))
        assert b.recv() == frame(mac(1), mac(0), n)
        b.close()
    a.close()


@both_rings
def test_a_guest_that_reboots_finds_its_rings_where_it_left_them(switch):
    a, b = switch.attach(0, pairs=2), switch.attach(1, pairs=2)
    for turn in range(10):
        for n in range(turn * 7):
            a.send(udp(0, n, turn), pair=n % 2)
            assert recv_any(b, 2) == udp(0, n, turn)
        wait_for(lambda: switch.vf(0)['stats']['tx_packets'] == switch.vf(1)['stats']['rx_packets'])
        time.sleep(0.01)  # the last buffer goes back after the frame is seen
        (a, b)[turn % 2].reboot()


def half_a_message(path, listen):
    """A connection on which a front end began SET_FEATURES and never went on."""
    with socket.socket(socket.AF_UNIX) as door:
        if listen:
            door.bind(str(path))
            door.listen()
            yield
            held, _ = door.accept()
        else:
            yield
            held = door.dup()
            held.connect(str(path))
    with held:
        held.settimeout(30)
        held.sendall(struct.pack('<III', 2, 1, 8))
        yield held


@pytest.mark.parametrize('client', [True, False])
def test_half_a_message_keeps_nobody_waiting(swd, client):
    """librte_vhost has one thread for all front ends, and waits in it for the rest."""
    switch = Switch(swd, client=client)
    path = swd.dir / 'vf3.sock'
    front = half_a_message(path, client)
    next(front)
    swd.call('vf.attach', pf='p2p1', vf=3, kind='vhost', socket=str(path), client=client)
    held = next(front)
    a, b = switch.attach(0), switch.attach(1)
    flow(a, b)
    assert held.recv(1) == b''
    front.close()
    switch.close()


def test_a_front_end_that_comes_and_goes_leaves_the_log_to_others(swd):
    switch, rounds = Switch(swd, client=False), 300
    path = switch.plug(0)
    for _ in range(rounds):
        with socket.socket(socket.AF_UNIX) as sock, contextlib.suppress(ConnectionError):
            sock.connect(str(path))
            sock.sendall(struct.pack('<III', 1, 1, 0))  # GET_FEATURES: answered, or turned away
            sock.recv(20)
    switch.attach(1)
    lines = swd.log.read_text().splitlines()
    assert len(lines) < rounds / 2  # of few kinds, 20 each and one in 3 s
    assert any('front end connected' in line and 'p2p1 vf 1' in line for line in lines)
    switch.close()


def test_addresses_that_a_guest_teaches_are_few_writes(switch):
    a, b = switch.attach(0), switch.attach(1)
    rounds, writes = 60, set()
    switch.swd.call('pf.set', pf='p2p1', vfs=[{'vf': 0, 'set': {'mac': text(bytes(6)), 'trust': True}}])
    for n in range(rounds):
        source = bytes([2, 0x77, 0, 0, 0, n])
        a.send(frame(b'\xff' * 6, source, n))

        def in_force():
            b.send(frame(source, mac(1), n))
            return a.recv(timeout=0.02) == frame(source, mac(1), n)
        wait_for(in_force, what='the address in force')
        b.drain(quiet=0)
        state = switch.swd.state.stat()
        writes.add((state.st_ino, state.st_mtime_ns))
    assert len(writes) < rounds / 2  # one a second, not one each time
    wait_for(lambda: text(source) in switch.swd.state.read_text(), what='the last one in the file')


def test_a_second_front_end_is_turned_away(swd):
    switch = Switch(swd, client=False)
    a, b = switch.attach(0), switch.attach(1)
    with pytest.raises(OSError):
        Guest(switch.swd.dir / 'vf1.sock', timeout_ms=500)
    a.send(frame(mac(1), mac(0), 1))
    assert b.recv() == frame(mac(1), mac(0), 1)
    switch.close()


def flows_by_queue(guest, pairs):
    """What waits in each receive queue: {flow: its datagrams in order}."""
    queues = []
    for pair in range(pairs):
        queues.append({})
        for got in guest.drain(pair, quiet=0.1):
            if got.startswith(mac(1)):  # not what the host's kernel says to all
                flow, n = struct.unpack_from('!HI', got, 42)
                queues[-1].setdefault(flow, []).append(n)
    return queues


@both_rings
def test_flows_are_spread_over_receive_queues_and_stay_in_order(switch):
    a, b = switch.attach(0, pairs=4), switch.attach(1, pairs=4)
    assert switch.vf(0)['status']['n_queues'] == 4
    for n in range(3):
        for flow in range(64):
            a.send(udp(0, flow, n), pair=flow % 4)
    queues = flows_by_queue(b, 4)
    assert all(queues) and sorted(flow for queue in queues for flow in queue) == list(range(64))
    assert all(order == [0, 1, 2] for queue in queues for order in queue.values())
    assert switch.vf(1)['status']['rx_queues'] == [3 * len(queue) for queue in queues]
    assert f'frames by receive queue {" ".join(str(3 * len(queue)) for queue in queues)}' in switch.swd.cli('vf', 'show', 'p2p1', 1).stdout
    for pair in 1, 2, 3:
        b.enable(pair, False)
    wait_for(lambda: switch.vf(1)['status']['n_queues'] == 1, what='one pair')
    for flow in range(64):
        a.send(udp(0, flow, 3))
    assert flows_by_queue(b, 4) == [{flow: [3] for flow in range(64)}, {}, {}, {}]
    assert switch.vf(1)['status']['rx_queues'] == []  # nothing to choose


def test_flows_from_a_tap_and_from_the_wire_are_spread_as_well(switch, netns):
    ns, wire = netns(), unique('v')
    run('ip', 'link', 'add', wire, 'type', 'veth', 'peer', 'far', 'netns', ns.name)
    ns.run('ip', 'link', 'set', 'far', 'up')
    switch.swd.call('pf.set', pf='p2p1', set={'uplink': 'dev', 'uplink_arg': wire, 'mtu': 1500})
    b = switch.attach(1, pairs=4)
    switch.swd.call('pf.set', pf='p2p1', vfs=[{'vf': 0, 'set': {'mac': text(mac(0))}}])
    tap = switch.swd.attach_tap('p2p1', 0, ns=ns)
    wait_for(lambda: switch.vf(1)['status']['link_up'], what='the carrier')
    places = []

    def unicast(stats):
        return stats['rx_packets'] - stats['rx_multicast'] - stats['rx_broadcast']
    for dev in tap, 'far':
        with contextlib.closing(ns.packet_socket(dev)) as sock:
            for flow in range(64):
                sock.send(udp(0, flow, 0))
        wait_for(lambda: unicast(switch.vf(1)['stats']) == 64 * (len(places) + 1), what='all flows')
        places.append(flows_by_queue(b, 4))
    assert places[0] == places[1] and all(places[0])  # by the flow alone


@every_ring
@pytest.mark.parametrize('kind', ['server', 'client'])
def test_27_guests_carry_on_after_the_switch_is_killed(swd, kind, rings):
    switch = Switch(swd, client=kind == 'client', rings=rings)
    a, b = switch.attach(0, ring_size=64), switch.attach(1, ring_size=64, rx_len=512)
    for life in range(3):  # a packed ring is in another lap each time
        for n in range(20 + 50 * life):
            a.send(frame(mac(1), mac(0), n, 60 + 10 * n), piece=200)
            assert b.recv() == frame(mac(1), mac(0), n, 60 + 10 * n)
        last = frame(mac(1), mac(0), n, 60 + 10 * n)
        os.kill(swd.child(), signal.SIGKILL)
        wait_for(lambda: not a.connected, what='the end of the connection')
        a.send(frame(mac(1), mac(0), 1000))  # waits in the ring
        swd.wait_ready()
        b.reconnect()
        wait_for(lambda: switch.vf(1)['status']['n_queues'] == 1, what='the receiver')
        a.reconnect()
        got = b.recv(timeout=5)
        if got == last:  # delivered, but not given back yet when the kill came
            got = b.recv(timeout=5)
        assert got == frame(mac(1), mac(0), 1000)
        for n in range(20):
            a.send(frame(mac(1), mac(0), n))
            assert b.recv() == frame(mac(1), mac(0), n)
            b.send(frame(mac(0), mac(1), n))
            assert a.recv() == frame(mac(0), mac(1), n)
    switch.close()


@pytest.mark.parametrize('rings', ['packed'], indirect=True)
def test_positions_of_packed_rings_are_kept_until_a_guest_stops(switch):
    a, b = switch.attach(0), switch.attach(1)
    a.send(frame(mac(1), mac(0), 1))
    assert b.recv() == frame(mac(1), mac(0), 1)
    kept = switch.swd.dir / 'rings'
    assert len(list(kept.iterdir())) == 2
    a.stop()
    a.close()
    b.close()  # as a QEMU that was killed: it may be the socket's other end that is gone
    wait_for(lambda: not switch.vf(0)['status']['connected'] and not switch.vf(1)['status']['connected'], what='their end')
    assert [f.name.rsplit('+', 1)[1] for f in kept.iterdir()] == ['vf1.sock']


@pytest.mark.parametrize('rings', ['packed'], indirect=True)
def test_a_guest_that_reboots_while_the_switch_is_away_begins_anew(swd, rings):
    switch = Switch(swd, rings=rings)
    a, b = switch.attach(0, ring_size=64), switch.attach(1, ring_size=64)
    for n in range(90):
        a.send(frame(mac(1), mac(0), n))
        assert b.recv() == frame(mac(1), mac(0), n)
    os.kill(swd.child(), signal.SIGKILL)
    for guest in a, b:
        wait_for(lambda: not guest.connected, what='the end of the connection')
        guest.close()
    swd.wait_ready()
    a, b = switch.guest(0, ring_size=64), switch.guest(1, ring_size=64)
    for n in range(90):
        a.send(frame(mac(1), mac(0), n))
        assert b.recv() == frame(mac(1), mac(0), n)
    switch.close()


def ipv4_tcp(size, options=0):
    """An Ethernet frame with IPv4 and TCP headers (54 bytes and options) and `size` payload bytes; sums unfinished."""
    total, size = 40 + options + size, options + size
    ip = bytearray(struct.pack('!BBHHHBBH4s4s', 0x45, 0, total, 1, 0, 64, 6, 0, b'\x0a\0\0\1', b'\x0a\0\0\2'))
    ip[10:12] = struct.pack('!H', ones(bytes(ip)) ^ 0xffff)
    pseudo = ones(bytes(ip[12:20]) + struct.pack('!HH', 6, 20 + size))
    tcp = struct.pack('!HHIIBBHHH', 1, 2, 1000, 0, 0x50 + options * 4, 0x18, 0xffff, pseudo, 0)
    return mac(1) + mac(0) + b'\x08\0' + bytes(ip) + tcp + bytes(i * 5 & 255 for i in range(size))


def ones(data):
    """Folded one's complement sum of big-endian words."""
    data += b'\0' * (len(data) % 2)
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def test_tso_passes_uncut_to_a_guest_that_can_take_it(switch):
    a = switch.attach(0, features=vhost.MRG_RXBUF | vhost.CSUM | vhost.HOST_TSO4)
    b = switch.attach(1, features=vhost.MRG_RXBUF | vhost.GUEST_CSUM | vhost.GUEST_TSO4)
    big = ipv4_tcp(60000)
    a.send(big, header=vhost.header(1, 1, 54, 1448, 34, 16))
    head, got = b.recv_raw()
    assert got == big
    assert struct.unpack('<BBHHHH', head[:10]) == (1, 1, 54, 1448, 34, 16)


def test_tso_is_cut_for_a_guest_that_cannot(switch):
    a = switch.attach(0, features=vhost.MRG_RXBUF | vhost.CSUM | vhost.HOST_TSO4)
    b = switch.attach(1)
    assert not b.features & vhost.GUEST_TSO4
    big, whole = ipv4_tcp(20000), b''
    a.send(big, header=vhost.header(1, 1, 54, 1448, 34, 16))
    while (got := b.recv_raw(timeout=1)) is not None:
        head, piece = got
        assert head[:10] == bytes(10)
        assert ones(piece[14:34]) == 0xffff, 'IPv4 checksum'
        assert ones(piece[26:34] + struct.pack('!HH', 6, len(piece) - 34) + piece[34:]) == 0xffff, 'TCP'
        assert struct.unpack('!I', piece[38:42])[0] == 1000 + len(whole)
        whole += piece[54:]
    assert whole == big[54:]


def test_checksum_is_finished_for_a_guest_that_cannot(switch):
    a = switch.attach(0, features=vhost.MRG_RXBUF | vhost.CSUM)
    b = switch.attach(1)
    a.send(ipv4_tcp(100), header=vhost.header(1, 0, 0, 0, 34, 16))
    head, got = b.recv_raw()
    assert head[:10] == bytes(10)
    assert ones(got[26:34] + struct.pack('!HH', 6, len(got) - 34) + got[34:]) == 0xffff


@both_rings
def test_an_mtu_is_of_the_payload_of_a_frame_or_segment(switch):
    everyone = bytes([255] * 6)
    features = vhost.MRG_RXBUF | vhost.CSUM | vhost.HOST_TSO4 | vhost.GUEST_CSUM | vhost.GUEST_TSO4
    guests = [switch.attach(n, features=features) for n in range(3)]
    for n, mtu in enumerate((1500, 1400, 9000)):
        switch.swd.cli('vf', 'set', 'p2p1', n, 'mtu', mtu)

    def fate(source, to, data, header=vhost.PLAIN, tags=b''):
        """Who hears the bytes behind the addresses, and who counts them as too long."""
        before = [switch.drops(n, 'oversize') for n in range(3)]
        end = frame(everyone, mac(source), 0)
        guests[source].send((to if to == everyone else mac(to)) + mac(source) + tags + data, header=header)
        guests[source].send(end)
        heard = []
        for n in {0, 1, 2} - {source}:
            while (got := guests[n].recv()) != end:
                assert got, 'the last frame did not come'
                heard.append(n)
        return heard, [n for n in range(3) if switch.drops(n, 'oversize') > before[n]]

    def payload(mtu):
        return frame(b'', b'', 7, mtu + 14)[:mtu + 2]

    def segments(size, tag_len=0, options=0):
        return {'data': ipv4_tcp(20000, options)[12:],
                'header': vhost.header(1, 1, 54 + tag_len, size, 34 + tag_len, 16)}

    c_tag, s_tag = bytes.fromhex('81000005'), bytes.fromhex('88a80007')
    for tags in b'', c_tag, s_tag + c_tag:  # tags do not count
        assert fate(0, 2, payload(1500), tags=tags) == ([2], [])
        assert fate(0, 2, payload(1501), tags=tags) == ([], [0])
        assert fate(0, 1, payload(1400), tags=tags) == ([1], [])
        assert fate(0, 1, payload(1401), tags=tags) == ([], [1])
    assert fate(0, everyone, payload(1401)) == ([2], [1])
    assert fate(2, everyone, payload(9000)) == ([], [0, 1])
    assert fate(2, everyone, payload(1400)) == ([0, 1], [])
    assert fate(2, 1, **segments(1360)) == ([1], [])  # and 40 bytes of IP and TCP
    assert fate(2, 1, **segments(1361)) == ([], [1])
    assert fate(2, 1, **segments(1348, options=12)) == ([1], [])  # and time stamps
    assert fate(2, 1, **segments(1349, options=12)) == ([], [1])
    assert fate(2, 1, tags=c_tag, **segments(1360, 4)) == ([1], [])
    assert fate(2, 1, tags=c_tag, **segments(1361, 4)) == ([], [1])
    assert fate(0, 2, **segments(1460)) == ([2], [])
    assert fate(0, 2, **segments(1461)) == ([], [0])
    for n in range(3):
        switch.swd.cli('vf', 'set', 'p2p1', n, 'vlan', 7)  # nor does a port VLAN's
    assert fate(0, 2, payload(1500)) == ([2], []) and fate(0, 2, payload(1501)) == ([], [0])
    switch.swd.cli('pf', 'set', 'p2p1', 'mtu', 1300)  # the PF's bounds them all
    assert fate(2, 0, payload(1300)) == ([0], []) and fate(2, 0, payload(1301)) == ([], [2])


@pytest.fixture
def two_workers(swd_maker):
    """A switch with a worker on each of two cores."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        pytest.skip('needs two cores')
    made = Switch(swd_maker('--cores', ','.join(map(str, cores))).start())
    yield made
    made.close()


def test_nothing_but_the_worker_runs_on_its_core(swd_maker):
    core, *others = sorted(os.sched_getaffinity(0))
    if not others:
        pytest.skip('needs two cores')
    swd = swd_maker()
    swd.options = ['--cores', str(core)]
    switch = Switch(swd.start())
    switch.attach(0)  # librte_vhost has its thread now
    cpus = {}
    for task in pathlib.Path(f'/proc/{swd.child()}/task').iterdir():
        cpus.setdefault((task / 'comm').read_text().strip(), set()).update(os.sched_getaffinity(int(task.name)))
    assert cpus.pop('anyvf-worker') == {core}
    assert 'vhost-events' in cpus and not [name for name in cpus if core in cpus[name]], cpus
    switch.close()


def test_workers_share_a_destination_and_keep_each_senders_order(two_workers):
    a, b, c = (two_workers.attach(n, ring_size=1024) for n in range(3))
    for n in range(2000):
        a.send(frame(mac(2), mac(0), n))
        b.send(frame(mac(2), mac(1), n, 200))
        if n % 200 < 199:
            continue
        got = [c.recv() for _ in range(400)]
        for source, size in (0, 64), (1, 200):
            mine = [f for f in got if f[6:12] == mac(source)]
            assert mine == [frame(mac(2), mac(source), k, size) for k in range(n - 199, n + 1)]
    for n in 0, 1:
        assert two_workers.vf(n)['stats']['tx_packets'] == 2000
    assert two_workers.vf(2)['stats']['rx_packets'] == 4000


def test_workers_carry_on_through_attaching_and_detaching(two_workers):
    """Sources come and go on both workers while others forward: every frame of those arrives."""
    a, b = two_workers.attach(0, ring_size=1024), two_workers.attach(1, ring_size=1024)
    for round_ in range(20):
        guest = two_workers.attach(2)
        guest.send(frame(mac(1), mac(2), round_))
        for n in range(50):
            a.send(frame(mac(1), mac(0), n))
        got = [b.recv() for _ in range(51)]
        assert [f for f in got if f[6:12] == mac(0)] == [frame(mac(1), mac(0), n) for n in range(50)]
        assert frame(mac(1), mac(2), round_) in got
        two_workers.swd.call('vf.detach', pf='p2p1', vf=2)
        two_workers.guests.pop(2).close()


def threads(swd):
    return {task.read_text().strip() for task in pathlib.Path(f'/proc/{swd.child()}/task').glob('*/comm')}


def test_a_client_connects_anew_without_the_librarys_thread(switch):
    """Where librte_vhost connects anew itself, a front end that leaves while its VF is detached ends the switch."""
    guest = switch.attach(0)
    guest.reconnect()
    assert 'vhost-events' in threads(switch.swd) and 'vhost_reconn' not in threads(switch.swd)


def test_a_client_that_never_connects_keeps_no_descriptor(switch):
    """Its socket is of somebody who is gone: each try is refused."""
    def sockets():
        n = 0
        for fd in pathlib.Path(f'/proc/{switch.swd.child()}/fd').iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                n += os.readlink(fd).startswith('socket:')
        return n
    before = sockets()
    for i in range(5):
        path = switch.swd.dir / f'gone{i}.sock'
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(path))
        switch.swd.call('vf.attach', pf='p2p1', vf=0, kind='vhost', socket=str(path), client=True)
        time.sleep(0.3)  # some tries
        switch.swd.call('vf.detach', pf='p2p1', vf=0)
    wait_for(lambda: sockets() <= before, what='as many sockets as before')


def test_a_rate_limit_holds_over_all_workers(two_workers):
    """Queues of one VF on two workers draw from one bucket: what may pass at once is one bucket's depth."""
    a, b = two_workers.attach(0, pairs=2, ring_size=1024), two_workers.attach(1, ring_size=1024)
    two_workers.swd.call('pf.set', pf='p2p1', vfs=[{'vf': 0, 'set': {'max_tx_rate': 1}}])

    def flood(pair):
        for n in range(100):
            a.send(frame(mac(1), mac(0), n, 9000), pair=pair)
    threads = [threading.Thread(target=flood, args=[pair]) for pair in (0, 1)]
    for thread in threads:
        thread.start()
    wait_for(lambda: two_workers.vf(1)['stats']['rx_packets'] >= 7, what='a full bucket, 66 kB')
    assert two_workers.vf(1)['stats']['rx_packets'] < 150  # that many would take 10 s
    two_workers.swd.call('pf.set', pf='p2p1', vfs=[{'vf': 0, 'set': {'max_tx_rate': 0}}])
    for thread in threads:
        thread.join()
    got = [b.recv() for _ in range(200)]
    assert sorted(got) == sorted(2 * [frame(mac(1), mac(0), n, 9000) for n in range(100)])


def test_a_rate_limit_delays_and_loses_nothing(switch):
    a, b = switch.attach(0), switch.attach(1)
    switch.swd.call('pf.set', pf='p2p1', vfs=[{'vf': 0, 'set': {'max_tx_rate': 10}}])
    start = time.monotonic()
    for n in range(100):
        a.send(frame(mac(1), mac(0), n, 1514))
    for n in range(100):
        assert b.recv(timeout=5) == frame(mac(1), mac(0), n, 1514)
    took = time.monotonic() - start
    assert not switch.swd.drops('p2p1', 1)
    print(f'100 frames of 1514 bytes at 10 Mbit/s took {took:.3f} s')


@both_rings
def test_13_trust_changes_cost_no_frame_and_no_ring(switch):
    a, b = switch.attach(0), switch.attach(1)

    def status():
        """But for what counts, and how full rings are."""
        return [{k: v for k, v in switch.vf(n)['status'].items() if k not in ('interrupts', 'rx_free', 'tx_wait')} for n in (0, 1)]
    before, log = status(), switch.swd.log.read_text()
    for n in range(60):
        a.send(frame(mac(1), mac(0), n))
        b.send(frame(mac(0), mac(1), n))
        switch.swd.call('pf.set', pf='p2p1', vfs=[{'vf': vf, 'set': {'trust': not n % 2}} for vf in (0, 1)])
        a.send(frame(mac(1), mac(0), n + 1))
        assert [b.recv(), b.recv(), a.recv()] == [frame(mac(1), mac(0), n), frame(mac(1), mac(0), n + 1), frame(mac(0), mac(1), n)]
    assert a.connected and b.connected and switch.swd.log.read_text() == log  # nobody left, no ring was stopped
    assert status() == before
    assert not switch.swd.drops('p2p1', 0) and not switch.swd.drops('p2p1', 1)


@both_rings
def test_15_link_disable_stops_a_guest_both_ways(switch):
    a, b, c = (switch.attach(n) for n in range(3))
    switch.swd.call('pf.set', pf='p2p1', vfs=[{'vf': 1, 'set': {'state': 'disable'}}])
    assert not switch.vf(1)['status']['link_up']
    for to in mac(0), b'\xff' * 6:
        b.send(frame(to, mac(1), 1))
    for to in mac(1), b'\xff' * 6, mac(2):
        a.send(frame(to, mac(0), 2))
    assert [c.recv(), c.recv()] == [frame(b'\xff' * 6, mac(0), 2), frame(mac(2), mac(0), 2)]
    wait_for(lambda: switch.drops(1, 'link_down') == 3, what='two that it sent, one that was for it')
    assert a.drain() == b.drain() == c.drain() == []
    assert switch.vf(1)['stats']['tx_packets'] == switch.vf(1)['stats']['rx_packets'] == 0
    switch.swd.call('pf.set', pf='p2p1', vfs=[{'vf': 1, 'set': {'state': 'auto'}}])
    a.send(frame(mac(1), mac(0), 3))
    b.send(frame(mac(0), mac(1), 4))
    assert (b.recv(), a.recv()) == (frame(mac(1), mac(0), 3), frame(mac(0), mac(1), 4))


@both_rings
def test_28_what_waits_in_a_ring_goes_by_no_later_rules(switch):
    a, b = switch.attach(0), switch.attach(1)
    old, new = frame(b'\xff' * 6, mac(0), 1, 1514), frame(b'\xff' * 6, mac(0), 2)

    def set_vf(vf=0, **words):
        switch.swd.call('pf.set', pf='p2p1', vfs=[{'vf': vf, 'set': words}])

    set_vf(1, trunk='none')
    for widened in dict(vlan=0), dict(vlan=0, spoofchk=False):
        set_vf(vlan=100, max_tx_rate=1, spoofchk=True)  # a frame each 12 ms: the others wait
        assert a.repeat(old, 200) > 100
        before = switch.drops(0, 'link_down')
        set_vf(**widened, max_tx_rate=0)
        a.send(new)
        assert b.recv() == new and switch.drops(0, 'link_down') > before + 100
    set_vf(vlan=100, max_tx_rate=1)
    a.repeat(old, 200)
    switch.swd.call('vf.release', pf='p2p1', vf=0)
    assert a.repeat(old, 200) and b.drain() == []
    switch.swd.call('vf.attach', pf='p2p1', vf=0, kind='vhost', socket=str(switch.swd.dir / 'vf0.sock'), client=True)
    a.reconnect()
    wait_for(lambda: switch.vf(0)['status']['n_queues'], what='rings')
    wait_for(lambda: switch.drops(0, 'link_down') > 100, what='the rest of the last tenant')
    a.send(new)
    assert b.recv() == new


@both_rings
def test_24_counters_equal_what_guests_sent_and_got(switch):
    guests = [switch.attach(n) for n in range(4)]
    switch.swd.call('pf.set', pf='p2p1', vfs=[{'vf': 3, 'set': {'vlan': 4094}}])  # it hears copies alone
    switch.swd.call('mirror.add', name='m', from_pf='p2p1', from_vf=0, dir='both', to_pf='p2p1', to_vf=3)
    everyone, group, tagged = b'\xff' * 6, b'\x01\x00\x5e\x01\x02\x03', b'\x81\x00\x60\x07'
    want = [dict.fromkeys(('tx_packets', 'tx_bytes', 'rx_packets', 'rx_bytes', 'rx_broadcast', 'rx_multicast'), 0) for _ in guests]
    for n in range(120):
        sender, to = n % 3, (mac((n + 1) % 3), everyone, group, everyone, mac((n + 2) % 3))[n % 5]
        sent = frame(to, mac(sender), n, 60 + 9 * n)
        sent = sent[:12] + (tagged if n % 7 < 3 else b'') + sent[12:]
        guests[sender].send(sent, piece=n % 2 * 500)
        want[sender]['tx_packets'] += 1
        want[sender]['tx_bytes'] += len(sent)
        wait_for(lambda sender=sender: switch.vf(sender)['stats']['tx_packets'] == want[sender]['tx_packets'], what='the frame')
    for guest, counters in zip(guests, want):
        for got in guest.drain():
            counters['rx_packets'] += 1
            counters['rx_bytes'] += len(got)
            counters['rx_broadcast'] += got[:6] == everyone
            counters['rx_multicast'] += got[:6] == group
    for n, counters in enumerate(want):
        stats = switch.vf(n)['stats']
        assert {word: stats[word] for word in counters} == counters and not switch.swd.drops('p2p1', n)
    assert switch.vf(0)['stats']['mirrored'] == want[3]['rx_packets'] > 80
    assert sum(counters['rx_packets'] for counters in want[:3]) == 48 + 2 * 72  # one each, and two


def test_a_detached_guest_is_cut_off_and_may_come_back(switch):
    a, b = switch.attach(0), switch.attach(1)
    switch.swd.call('vf.detach', pf='p2p1', vf=1)
    wait_for(lambda: not b.connected, what='the end of the connection')
    a.send(frame(mac(1), mac(0), 1))
    wait_for(lambda: switch.drops(1, 'not_ready') == 1, what='the drop')
    b.close()
    b = switch.attach(1)
    a.send(frame(mac(1), mac(0), 2))
    assert b.recv() == frame(mac(1), mac(0), 2)


def test_a_socket_that_cannot_be_is_refused_by_name(swd):
    switch = Switch(swd, client=False)
    (swd.dir / 'file').write_text('not a socket')
    for path, word in (swd.dir / 'no' / 'where.sock', 'where.sock'), (swd.dir / 'file', 'file'):
        with pytest.raises(CtlError, match=word):
            swd.call('vf.attach', pf='p2p1', vf=0, kind='vhost', socket=str(path), client=False)
    assert switch.vf(0)['attach']['kind'] == 'none'
    switch.attach(0)
    with pytest.raises(CtlError):
        swd.call('vf.attach', pf='p2p1', vf=1, kind='vhost', socket=str(swd.dir / 'vf0.sock'), client=False)
    switch.close()


def test_attaching_before_any_guest_can_be_taken_back(switch):
    for _ in range(5):
        switch.swd.call('vf.attach', pf='p2p1', vf=0, kind='vhost', client=True)
        switch.swd.call('vf.detach', pf='p2p1', vf=0)
    a, b = switch.attach(0), switch.attach(1)
    a.send(frame(mac(1), mac(0), 1))
    assert b.recv() == frame(mac(1), mac(0), 1)


def test_256_vfs_have_their_sockets(swd):
    swd.call('pf.add', name='big', numvfs=256)
    for n in range(256):
        swd.call('vf.attach', pf='big', vf=n, kind='vhost', socket=str(swd.dir / f'b{n}.sock'), client=False)
    first, last = (Guest(swd.dir / f'b{n}.sock', mem_mib=4) for n in (0, 255))
    first.send(frame(b'\xff' * 6, mac(9), 1))
    assert last.recv() == frame(b'\xff' * 6, mac(9), 1)
    first.close()
    last.close()


# ---- Faults at full speed, beside a flow that must not notice. ----

FORK = multiprocessing.get_context('fork')  # the child has our library loaded, and guests of its own
FLOW = [frame(mac(1), mac(0), n, 60 + n * 37 % 1455) for n in range(1000)]


def flow(a, b, bursts=1):
    """Numbered frames from VF 0 to VF 1, of which every one must arrive, in order, every byte right."""
    for burst in range(bursts):
        some = FLOW[burst % 10 * 100:][:100]
        for sent in some:
            a.send(sent)
        for sent in some:
            assert b.recv(timeout=10) == sent


class Beside:
    """body(self, *args) in a process of its own; what it and we tell each other is in shared memory."""

    def __init__(self, body, *args):
        self.shared = FORK.RawArray('Q', 3)  # it is to end, it did, what it counted
        self.child = FORK.Process(target=self.run, args=(body, args))
        self.child.start()

    def run(self, body, args):
        """In the child. Its guests stay connected until it is killed."""
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: not to outlive us
        body(self, *args)
        self.shared[1] = 1
        signal.pause()

    @property
    def going(self):
        """For the body: whether to go on."""
        return not self.shared[0]

    def note(self):
        """For the body: one more was done."""
        self.shared[2] += 1

    @property
    def done(self):
        assert self.child.is_alive(), 'the front end beside failed'
        return self.shared[2]

    def end(self):
        """Let the body end; what it counted."""
        self.shared[0] = 1
        wait_for(lambda: self.done and self.shared[1], what='the end of the front end beside')
        return self.done


@contextlib.contextmanager
def beside(body, *args):
    """A Beside that has begun; its process is killed with the block, whatever it does then."""
    made = Beside(body, *args)
    try:
        wait_for(lambda: made.done, what=body.__name__)
        yield made
    finally:
        made.child.kill()
        made.child.join()


def front_end(path, **options):
    """A guest in a process beside; the switch may not have noticed yet that the one before is gone."""
    while True:
        with contextlib.suppress(OSError):
            return Guest(path, mem_mib=4, **options)


def numbers(guest, sender):
    """What came from VF `sender` to VF 3: the numbers, each frame whole."""
    got = guest.drain(quiet=0)
    count = [struct.unpack('!I', f[14:18])[0] for f in got]
    assert got == [frame(mac(3), mac(sender), n) for n in count]
    return count


def breaks_rules(me, path):
    """All mistakes at full speed, good frames between; what breaks the ring ends a life, and the next begins."""
    n, good = 0, frame(mac(3), mac(2), 0)
    for worst in itertools.cycle([vhost.BAD_HEAD, vhost.RUNAWAY]):
        if not me.going:
            return
        guest = front_end(path)
        for kind in range(vhost.BAD_HEAD):
            for _ in range(60):
                guest.mistake(kind, good)  # may lie where the good one does that is still on its way
            n, good = n + 1, frame(mac(3), mac(2), n)
            guest.send(good)  # returns when less than 16 frames are on their way
        guest.mistake(worst, good)
        guest.close()
        me.note()


def test_broken_rules_at_full_speed_harm_nobody_beside(switch):
    a, b, c = (switch.attach(n, ring_size=1024) for n in (0, 1, 3))
    got = []
    with beside(breaks_rules, switch.plug(2)) as bad:
        wait_for(lambda: flow(a, b) or got.extend(numbers(c, 2)) or bad.done >= 100, timeout=30, what='100 lives')
        lives = bad.end()
    flow(a, b)
    got += numbers(c, 2)
    assert len(set(got)) == len(got) and got == sorted(got)
    # all but what was left in the ring at the end of a life
    assert 6 * lives <= len(got) == switch.vf(2)['stats']['tx_packets'] <= 7 * lives
    assert (7 * 60 - 16) * lives < switch.drops(2, 'malformed') <= (7 * 60 + 1) * lives
    assert switch.swd.drops('p2p1', 2).keys() == {'malformed'}
    assert not any(switch.swd.drops('p2p1', n) for n in (0, 1, 3))
    assert 'guest broke its ring' in switch.swd.log.read_text()


def scrambles(me, path, rings):
    """Whole rings rewritten behind the switch, a life each."""
    for seed in itertools.count():
        if not me.going:
            return
        guest = front_end(path, features=rings, ring_size=64)
        guest.send(frame(mac(3), mac(2), seed))  # the worker is awake
        guest.scramble(seed, 400)
        guest.close()
        me.note()


@pytest.mark.parametrize('rings', ['split', 'packed'], indirect=True)
def test_rings_rewritten_at_full_speed_harm_nobody_beside(switch, rings):
    """A race, of which unit vq_hostile has each step: offers again before use, chains without an end, lengths that change."""
    a, b = (switch.attach(n, ring_size=1024) for n in (0, 1))
    with beside(scrambles, switch.plug(2), rings) as bad:
        wait_for(lambda: flow(a, b) or bad.done >= 150, timeout=60, what='150 lives')
        bad.end()
    flow(a, b)
    assert not any(switch.swd.drops('p2p1', n) for n in (0, 1))
    assert 'hung' not in switch.swd.log.read_text()


def test_a_guest_that_never_refills_its_ring_harms_only_itself(switch):
    a, b, deaf = (switch.attach(n, ring_size=256) for n in (0, 1, 2))
    for n in range(60):
        for k in range(100):
            a.send(frame(mac(2), mac(0), k))
            a.send(FLOW[k])
        for k in range(100):
            assert b.recv() == FLOW[k]
    assert not switch.swd.drops('p2p1', 0) and not switch.swd.drops('p2p1', 1)
    assert switch.vf(2)['stats']['rx_packets'] == 256
    assert switch.swd.drops('p2p1', 2) == {'no_buffer': 6000 - 256}
    assert deaf.drain() == [frame(mac(2), mac(0), n % 100) for n in range(256)]


@both_rings
def test_22_a_mirror_that_nobody_reads_costs_its_source_no_frame(switch):
    a, b, slow = (switch.attach(n, ring_size=256) for n in range(3))
    switch.swd.call('mirror.add', name='m', from_pf='p2p1', from_vf=0, dir='both', to_pf='p2p1', to_vf=2)
    flow(a, b, 10)
    assert not switch.swd.drops('p2p1', 0) and not switch.swd.drops('p2p1', 1)

    def counts():  # the last copies may be under way when their frames are there
        shown, = switch.swd.call('mirror.list')
        return shown['mirrored'], shown['dropped']
    wait_for(lambda: sum(counts()) == 1000, what='the copies')
    assert counts() == (256, 744)
    assert switch.swd.drops('p2p1', 2) == {'no_buffer': 744}
    assert slow.drain() == FLOW[:256]
    b.send(frame(mac(0), mac(1), 7))  # it reads again, and hears again
    assert a.recv() == slow.recv() == frame(mac(0), mac(1), 7)


def broadcasts(me, path):
    """As many as the switch takes."""
    guest, sent = front_end(path), frame(b'\xff' * 6, mac(2), 1)
    while me.going:
        guest.send(sent)
        me.note()


@pytest.mark.parametrize('bound', [{'vlan': 10}, {'max_tx_rate': 4}], ids=str)
def test_a_flood_of_broadcasts_ends_at_its_vlan_and_its_rate(switch, bound):
    """In a VLAN of its own at full speed; in that of the flow held by a rate whose bucket their rings can take."""
    a, b, c = (switch.attach(n, ring_size=4096) for n in (0, 1, 3))
    vlan = 'vlan' in bound
    for n in (2, 3) if vlan else (2,):
        switch.swd.call('pf.set', pf='p2p1', vfs=[{'vf': n, 'set': bound}])
    for n in (0, 1) if vlan else ():  # without one of their own they would hear all
        switch.swd.call('pf.set', pf='p2p1', vfs=[{'vf': n, 'set': {'vlan': 20}}])
    got = {0: 0, 1: 0, 3: 0}
    told = frame(b'\xff' * 6, mac(2), 1)

    def turn():
        for sent in FLOW[:100]:
            a.send(sent)
        for sent in FLOW[:100]:
            while (frame_ := b.recv(timeout=10)) == told:
                got[1] += 1
            assert frame_ == sent
        for n, guest in (0, a), (3, c):
            for _ in range(1000):
                if not (frame_ := guest.recv(timeout=0)):
                    break
                assert frame_ == told
                got[n] += 1
    with beside(broadcasts, switch.plug(2)) as flood:
        wait_for(lambda: turn() or flood.done > (50000 if vlan else 3000), timeout=30, what='the flood')
        sent = flood.end()
        wait_for(lambda: switch.vf(2)['stats']['tx_packets'] == sent, what='the last of the flood')
    for n, guest in (0, a), (1, b), (3, c):
        rest = guest.drain(quiet=0.1)
        assert set(rest) <= {told}
        got[n] += len(rest)
    assert got[3] + switch.drops(3, 'no_buffer') == sent
    assert (got[0], got[1]) == ((0, 0) if vlan else (sent, sent))
    assert not switch.swd.drops('p2p1', 0) and not switch.swd.drops('p2p1', 1)


def numbered(me, path):
    """Frames for VF 3 as fast as it goes."""
    guest = front_end(path)
    for n in itertools.count():
        guest.send(frame(mac(3), mac(2), n % 1000))
        me.note()


def test_a_front_end_killed_in_a_burst_takes_nobody_along(switch):
    a, b, c = (switch.attach(n, ring_size=1024) for n in (0, 1, 3))
    path, arrived, told = switch.plug(2), 0, 0
    for _ in range(8):
        with beside(numbered, path) as sender:
            for turn in range(6):
                flow(a, b)
                for n in range(100):  # it never refills its own ring either
                    a.send(frame(mac(2), mac(0), n))
                    told += 1
                if turn == 3:
                    os.kill(sender.child.pid, signal.SIGKILL)
                if turn == 4:
                    wait_for(lambda: not switch.vf(2)['status']['n_queues'], what='the end of its rings')
        got = c.drain(quiet=0.05)
        assert got == [frame(mac(3), mac(2), n % 1000) for n in range(len(got))]
        arrived += len(got)
    flow(a, b)
    assert arrived == switch.vf(3)['stats']['rx_packets'] > 0
    lost = switch.swd.drops('p2p1', 2)
    assert set(lost) == {'no_buffer', 'not_ready'}
    assert switch.vf(2)['stats']['rx_packets'] + sum(lost.values()) == told
    assert not switch.swd.drops('p2p1', 0) and not switch.swd.drops('p2p1', 1)
    switch.client = False
    again = switch.guest(2)
    a.send(frame(mac(2), mac(0), 7))
    assert again.recv() == frame(mac(2), mac(0), 7)
    again.send(frame(mac(1), mac(2), 8))
    assert b.recv() == frame(mac(1), mac(2), 8)


def frames_one_by_one(me, guest):
    """Sends a frame for VF 3 at a time, until it is told to end."""
    for n in itertools.count():
        guest.send(frame(mac(3), mac(2), n))
        me.note()
        if not me.going:
            return
        yield n


def reconnects(me, path):
    """Leaves at once after each frame and comes back to its rings."""
    guest = front_end(path)
    for _ in frames_one_by_one(me, guest):
        while guest.lib.fe_reconnect(guest.fe, 10000):
            pass  # its old connection is not gone yet


def remaps(me, path):
    """Changes its memory table after each frame."""
    guest = front_end(path)
    for n in frames_one_by_one(me, guest):
        guest.remap(1 + n % 2)


@pytest.mark.parametrize('body', [reconnects, remaps])
def test_a_front_end_that_changes_all_the_time_loses_nothing_and_costs_nobody(switch, body):
    a, b, c = (switch.attach(n, ring_size=1024) for n in (0, 1, 3))
    got = []
    with beside(body, switch.plug(2)) as busy:
        wait_for(lambda: flow(a, b) or got.extend(numbers(c, 2)) or busy.done > 1000, timeout=30,
                 what=body.__name__)
        sent = busy.end()
        wait_for(lambda: switch.vf(2)['stats']['tx_packets'] >= sent, what='the last frame')
        flow(a, b)
    got += numbers(c, 2)
    assert got == sorted(set(got)) and got[-1] == sent - 1
    assert len(got) + switch.drops(3, 'no_buffer') == sent  # while this process waits for a CPU, c's ring fills
    assert not any(switch.swd.drops('p2p1', n) for n in range(4))


def test_bursts_under_way_survive_kills_of_the_switch(swd):
    """Both ways, three times. A frame may come twice if the kill was between its delivery and its return."""
    switch = Switch(swd)
    a, b = switch.attach(0), switch.attach(1)
    for _ in range(3):
        flow(a, b, 3)
        a.send(frame(mac(1), mac(0), 0))  # when it is there, buffers of all before it are back
        assert b.recv() == frame(mac(1), mac(0), 0)
        for n in range(15):  # with it, as many as the front end has on their way at once
            a.send(frame(mac(1), mac(0), n))
            b.send(frame(mac(0), mac(1), n))
            if n == 6:
                os.kill(swd.child(), signal.SIGKILL)
        wait_for(lambda: not a.connected and not b.connected, what='the end of the connections')
        swd.wait_ready()
        b.reconnect()
        wait_for(lambda: switch.vf(1)['status']['n_queues'] == 1, what='one of them')
        a.reconnect()
        wait_for(lambda: switch.vf(0)['status']['n_queues'] == 1, what='the other')
        early = switch.drops(0, 'not_ready')  # sent by b before a was there
        for guest, n, lost in (b, 1, 0), (a, 0, early):
            got = guest.drain()
            count = [struct.unpack('!I', f[14:18])[0] for f in got]
            assert got == [frame(mac(n), mac(1 - n), k) for k in count]
            back = [i for i in range(1, len(count)) if count[i] <= count[i - 1]]
            assert len(back) <= 1, f'in order, but for one return: {count}'
            assert len(set(count)) >= 15 - lost, count
    flow(a, b)
    flow_back = [frame(mac(0), mac(1), n) for n in range(50)]
    for sent in flow_back:
        b.send(sent)
    assert [a.recv() for _ in flow_back] == flow_back
    switch.close()


def messages():
    """Every request there is and some there are not, each with wrong sizes and 0, 1, 8 and 9 descriptors of either kind."""
    for request in [*range(45), 1000, 2**32 - 1]:
        for n_fds, size in (0, 0), (1, 8), (8, 8), (1, 0), (8, 4096), (9, 8):
            for event in False, True:
                yield request, n_fds, size, event


def test_messages_out_of_turn_hold_no_descriptor(switch):
    """CVE-2022-0669 and its kind: what comes with a message that is refused or unknown is closed."""
    a, b = switch.attach(0), switch.attach(1)
    path = switch.plug(2)
    memory, events = ([make() for _ in range(9)] for make in (lambda: os.memfd_create('x'), lambda: os.eventfd(0)))

    def talk():
        for request, n_fds, size, event in messages():
            with socket.socket(socket.AF_UNIX) as sock, contextlib.suppress(OSError):
                sock.settimeout(5)
                sock.connect(str(path))
                head = struct.pack('<III', request, 1, min(size, 256)) + bytes(min(size, 256))
                socket.send_fds(sock, [head], (events if event else memory)[:n_fds])
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(4096):
                    pass

    def held():
        """Descriptors, but for the watchdog's: it opens them some time after the start."""
        fds = pathlib.Path(f'/proc/{switch.swd.child()}/fd')
        return sum(not link.endswith('/stat') for link in map(os.readlink, fds.iterdir()))
    child = switch.swd.child()
    talk()
    before = held()
    talk()
    wait_for(lambda: held() <= before, what='all descriptors back')
    assert switch.swd.child() == child
    flow(a, b)
    for fd in memory + events:
        os.close(fd)
