# SPDX-License-Identifier: Apache-2.0
"""Rates and shares of the real switch, on counts: tests/lib/clock.c gives it a clock that these tests move.

Either the test moves the time (a limit), or the work does (an overload): then the switch is a worker of 10 Gbit/s, however
slow the machine is. It stops at the end of each step, its senders fill their rings, and it goes on.
"""
import collections
import mmap
import os
import signal
import struct

import pytest
from conftest import BUILD, wait_for
from test_vhost import Switch, frame, mac

MS = 1_000_000
FOREVER = (1 << 64) - 1
COPY_COST = 256  # of a frame beside its bytes, as in worker.c


class Clock:
    """struct clock of tests/lib/clock.c."""

    def __init__(self, path):
        path.write_bytes(struct.pack('=QQQ', 1, FOREVER, 0))
        with open(path, 'r+b') as file:
            self.words = memoryview(mmap.mmap(file.fileno(), 24)).cast('Q')

    @property
    def now(self):
        return self.words[0]

    def move(self, ns):
        self.words[0] += ns

    def work(self, mbit):
        """From now on time passes by the work done, and stands still until step()."""
        self.words[1], self.words[2] = self.now, 8_000_000 // mbit

    def step(self, ns):
        """Let work be done for so long."""
        self.words[1] = end = self.now + ns
        wait_for(lambda: self.now >= end, what='work for all of the time')


@pytest.fixture
def clock(tmp_path, monkeypatch):
    monkeypatch.setenv('ANYVF_TEST_CLOCK', str(tmp_path / 'clock'))
    return Clock(tmp_path / 'clock')


@pytest.fixture
def switch(clock, swd_maker):
    """A switch with one worker on the clock, and four VFs."""
    swd = swd_maker()
    swd.options = ['--cores', str(max(os.sched_getaffinity(0)))]
    swd.program = BUILD / 'tests' / 'lib' / 'swd_clock'
    made = Switch(swd.start())
    yield made
    made.close()


def rates(switch, **of):
    """vf0={'max_tx_rate': 5} and so on."""
    switch.swd.call('pf.set', pf='p2p1', vfs=[{'vf': int(vf[2:]), 'set': rate} for vf, rate in of.items()])


@pytest.mark.parametrize('mbit, tag', [(10, b''), (100, b'\x81\x00\x60\x07'), (1000, b'')], ids=str)
def test_17_rate_within_a_percent_and_burst_bounded(switch, clock, mbit, tag):
    size, ms = 1000, mbit * 125  # bytes: of a frame with its tag, in a millisecond
    depth = max(4 * ms, 66000)
    a, b = switch.attach(0, ring_size=4096), switch.attach(1, ring_size=4096, mem_mib=24)
    free = switch.attach(2)
    rates(switch, vf0={'max_tx_rate': mbit})
    sent = frame(mac(1), mac(0), 7, size - len(tag))
    sent = sent[:12] + tag + sent[12:]
    got = 0

    def passed(total):
        """All that may pass by now did."""
        nonlocal got
        for _ in range(total - got):
            a.repeat(sent, 4096)
            assert b.recv(timeout=10) == sent
        assert not b.recv(timeout=0.01)
        got = total
        assert switch.vf(0)['stats']['tx_packets'] == switch.vf(1)['stats']['rx_packets'] == total

    passed(-(-depth // size))  # a full bucket; only the last frame may be overdrawn
    for step in range(1, 26):
        clock.move(4 * MS)
        passed(-(-(depth + 4 * step * ms) // size))
    assert abs((got * size - depth) / (100 * ms) - 1) < 0.01
    clock.move(10_000 * MS)  # what was not used is not saved up
    passed(got + -(-depth // size))
    assert free.repeat(frame(mac(1), mac(2), 8, size), 250) == 250  # nobody else is limited
    assert [b.recv(timeout=10) for _ in range(250)] == 250 * [frame(mac(1), mac(2), 8, size)]
    assert not switch.swd.drops('p2p1', 0) and not switch.swd.drops('p2p1', 1)


def test_27_a_limit_outlives_the_switch(switch):
    a, b = switch.attach(0), switch.attach(1)
    rates(switch, vf0={'max_tx_rate': 5})
    os.kill(switch.swd.child(), signal.SIGKILL)
    wait_for(lambda: not a.connected and not b.connected, what='the end of the connections')
    switch.swd.wait_ready()
    b.reconnect()
    wait_for(lambda: switch.vf(1)['status']['n_queues'] == 1, what='the receiver')
    a.reconnect()
    assert a.repeat(frame(mac(1), mac(0), 7, 1000), 200) == 200
    assert [b.recv(timeout=10) for _ in range(66)] == 66 * [frame(mac(1), mac(0), 7, 1000)] and not b.recv(timeout=0.1)  # a full bucket


def new_owner(switch, vf, **options):
    """Release a VF, and give it to another guest."""
    switch.guests[vf].close()
    switch.swd.call('vf.release', pf='p2p1', vf=vf)
    return switch.attach(vf, **options)


def test_28_release_lifts_the_limit(switch):
    switch.attach(0)
    b = switch.attach(1)
    rates(switch, vf0={'max_tx_rate': 5})
    assert new_owner(switch, 0).repeat(frame(mac(1), mac(0), 7, 1000), 200) == 200
    assert [b.recv(timeout=10) for _ in range(200)] == 200 * [frame(mac(1), mac(0), 7, 1000)]


def shares(switch, clock, offered, steps=10):
    """Frames of VFs 0 to 2 that VF 3 heard in `steps` times 4 ms, after as long a warm-up, and the time of it in ms."""
    heard, receiver, begin = collections.Counter(), switch.guests[3], 0
    for step in range(2 * steps):
        if step == steps:
            heard.clear()
            begin = clock.now
        for vf, n in enumerate(offered):
            switch.guests[vf].repeat(frame(mac(3), mac(vf), vf, 9000), n)
        clock.step(4 * MS)
        while got := receiver.recv(timeout=0):
            heard[got[11] - 1] += 1
    return [heard[vf] for vf in range(3)], (clock.now - begin) / MS


@pytest.fixture
def overload(switch, clock):
    """Three senders to one receiver. 9000 bytes are 7.4 us of the worker: 135 frames a ms, 9720 Mbit/s."""
    for vf in range(3):
        switch.attach(vf, ring_size=1024)
    switch.attach(3, ring_size=8192, mem_mib=32)
    clock.work(10_000)
    return switch


ALL = 10_000 * 9000 // (9000 + COPY_COST)  # Mbit/s of frames


@pytest.mark.parametrize('minimum, offered, want', [
    ((0, 0, 0), (4096, 4096, 4096), (ALL / 3, ALL / 3, ALL / 3)),
    ((6000, 0, 0), (4096, 4096, 4096), (6000, (ALL - 6000) / 2, (ALL - 6000) / 2)),
    ((5000, 3000, 0), (4096, 4096, 4096), (5000, 3000, ALL - 8000)),
    ((1000, 0, 0), (4096, 4096, 4096), (ALL / 3, ALL / 3, ALL / 3)),  # the fair share is more
    ((6000, 0, 0), (0, 4096, 4096), (0, ALL / 2, ALL / 2)),  # not wanted, so the others'
    ((6000, 0, 0), (56, 4096, 4096), (1008, (ALL - 1008) / 2, (ALL - 1008) / 2)),
], ids=str)
def test_18_min_rates_hold_under_overload_and_the_rest_is_shared(overload, clock, minimum, offered, want):
    rates(overload, **{f'vf{vf}': {'min_tx_rate': mbit} for vf, mbit in enumerate(minimum)})
    frames, ms = shares(overload, clock, offered)
    got = [n * 9000 * 8 / ms / 1000 for n in frames]
    print([round(g) for g in got], [round(w) for w in want])
    assert all(abs(g - w) <= 0.05 * ALL for g, w in zip(got, want))
    assert sum(got) > 0.98 * ALL  # none of the worker's time is left over
    assert overload.swd.drops('p2p1', 3) == {}


def test_18_promises_above_what_is_there_are_kept_in_proportion(overload, clock):
    rates(overload, vf0={'min_tx_rate': 8000}, vf1={'min_tx_rate': 4000})
    frames, _ = shares(overload, clock, (4096, 4096, 4096), steps=20)
    print(frames)
    assert 1.8 < frames[0] / frames[1] < 2.2 and frames[2] > 0


def test_28_release_takes_the_minimum_back(overload, clock):
    rates(overload, vf0={'min_tx_rate': 8000})
    new_owner(overload, 0, ring_size=1024)
    frames, _ = shares(overload, clock, (4096, 4096, 4096))
    assert max(frames) < 1.1 * min(frames)


def test_22_a_mirror_that_nobody_reads_costs_its_source_no_share(overload, clock):
    overload.swd.call('pf.set', pf='p2p1', set={'numvfs': 5})
    overload.attach(4, ring_size=64)
    overload.swd.call('mirror.add', name='m', from_pf='p2p1', from_vf=0, dir='out', to_pf='p2p1', to_vf=4)
    frames, _ = shares(overload, clock, (4096, 4096, 4096))
    assert max(frames) < 1.1 * min(frames) and overload.swd.call('mirror.list')[0]['dropped'] > frames[0]
