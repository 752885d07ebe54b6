# SPDX-License-Identifier: Apache-2.0
"""VFs attached by vhost-user through the real daemon: every ring layout, hostile guests, restarts."""
import os
import signal
import struct
import threading
import time

import pytest
import vhost
from conftest import CtlError, wait_for
from vhost import Guest


def mac(n):
    return bytes([2, 0, 0, 0, 0, n + 1])


def text(address):
    return ':'.join(f'{b:02x}' for b in address)


def frame(to, source, n, size=64):
    """A frame of `size` bytes that says its number and has a pattern behind it."""
    body = struct.pack('!I', n) + bytes((i * 7 + n) & 255 for i in range(max(size - 18, 0)))
    return to + source + b'\x88\xb5' + body


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


@pytest.mark.parametrize('kind, rings', [(vhost.BAD_HEAD, 'split'), (vhost.RUNAWAY, 'split'), (vhost.LOOP, 'packed')],
                         ids=['head', 'runaway', 'endless'], indirect=['rings'])
def test_a_broken_ring_stops_alone_and_is_named_in_the_log(switch, kind):
    a, b, c, d = (switch.attach(n) for n in range(4))
    a.mistake(kind, frame(mac(1), mac(0), 99))
    wait_for(lambda: 'guest broke its ring' in switch.swd.log.read_text(), what='the log line')
    line = [x for x in switch.swd.log.read_text().splitlines() if 'broke its ring' in x]
    assert len(line) == 1 and 'p2p1' in line[0] and '0' in line[0].split('p2p1')[1]
    assert switch.drops(0, 'malformed') == 1
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
            a.send(frame(mac(1), mac(0), n))
            assert b.recv() == frame(mac(1), mac(0), n)
        wait_for(lambda: switch.vf(0)['stats']['tx_packets'] == switch.vf(1)['stats']['rx_packets'])
        time.sleep(0.01)  # the last buffer goes back after the frame is seen
        (a, b)[turn % 2].reboot()


def test_a_second_front_end_is_turned_away(swd):
    switch = Switch(swd, client=False)
    a, b = switch.attach(0), switch.attach(1)
    with pytest.raises(OSError):
        Guest(switch.swd.dir / 'vf1.sock', timeout_ms=500)
    a.send(frame(mac(1), mac(0), 1))
    assert b.recv() == frame(mac(1), mac(0), 1)
    switch.close()


@both_rings
def test_queue_pairs_carry_traffic_and_may_be_switched_off(switch):
    a, b = switch.attach(0, pairs=4), switch.attach(1, pairs=4)
    assert switch.vf(0)['status']['n_queues'] == 4
    for pair in range(4):
        a.send(frame(mac(1), mac(0), pair), pair=pair)
        assert b.recv(pair) == frame(mac(1), mac(0), pair)
    for pair in 1, 2, 3:
        b.enable(pair, False)
    wait_for(lambda: switch.vf(1)['status']['n_queues'] == 1, what='one pair')
    for pair in range(4):
        a.send(frame(mac(1), mac(0), pair), pair=pair)
        assert b.recv(0) == frame(mac(1), mac(0), pair)


@every_ring
@pytest.mark.parametrize('kind', ['server', 'client'])
def test_guests_carry_on_after_the_switch_is_killed(swd, kind, rings):
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


def ipv4_tcp(size):
    """An Ethernet frame with IPv4 and TCP headers (54 bytes) and `size` payload bytes; sums unfinished."""
    total = 40 + size
    ip = bytearray(struct.pack('!BBHHHBBH4s4s', 0x45, 0, total, 1, 0, 64, 6, 0, b'\x0a\0\0\1', b'\x0a\0\0\2'))
    ip[10:12] = struct.pack('!H', ones(bytes(ip)) ^ 0xffff)
    pseudo = ones(bytes(ip[12:20]) + struct.pack('!HH', 6, 20 + size))
    tcp = struct.pack('!HHIIBBHHH', 1, 2, 1000, 0, 0x50, 0x18, 0xffff, pseudo, 0)
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


@pytest.fixture
def two_workers(swd_maker):
    """A switch with a worker on each of two cores."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        pytest.skip('needs two cores')
    made = Switch(swd_maker('--cores', ','.join(map(str, cores))).start())
    yield made
    made.close()


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
