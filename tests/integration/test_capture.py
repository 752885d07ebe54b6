# SPDX-License-Identifier: Apache-2.0
"""`anyvf capture`: what tcpdump and tshark read of it, its ends, and what it costs the source (nothing)."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess

import pytest
import vhost
from conftest import DAEMONS, ROOT, CtlError, run, unique, wait_for
from test_veb import BCAST, HOST, STRANGER, WIRE, Lab, lab, mac, switch, tag  # noqa: F401

IN, OUT = 1, 2  # epb_flags
EPB, ISB, IDB = 6, 5, 1


def options(data):
    """{code: value} of a block's options."""
    got = {}
    while len(data) >= 4:
        code, size = struct.unpack('=HH', data[:4])
        got[code] = data[4:4 + size]
        data = data[4 + (size + 3) // 4 * 4:]
        if not code:
            break
    return got


class Packet:
    def __init__(self, body):
        size, self.length = struct.unpack('=II', body[12:20])
        self.ns = (lambda high, low: high << 32 | low)(*struct.unpack('=II', body[4:12]))
        self.data = body[20:20 + size]
        more = options(body[20 + (size + 3) // 4 * 4:])
        self.way = struct.unpack('=I', more[2])[0]
        self.comment = more.get(1, b'').decode()

    @property
    def why(self):
        return self.comment.split(': ')[1] if self.comment else ''


class Capture:
    """A running `anyvf capture PF WORDS`; its file is read when it has ended."""

    def __init__(self, lab, words, *more, out=None):
        self.lab, self.path = lab, lab.swd.dir / unique('cap')
        argv = [DAEMONS / 'anyvf', 'capture', lab.pf, *words.split(), *more]
        self.out = None if out else open(self.path, 'wb')
        self.proc = subprocess.Popen(argv, stdout=out or self.out, stderr=subprocess.PIPE, bufsize=0,
                                     env={**os.environ, 'ANYVF_RUN_DIR': str(lab.swd.dir)})
        self.said = self.proc.stderr.readline().decode()
        assert self.said.startswith('capturing'), self.said

    def end(self, signo=signal.SIGINT):
        """Stop it; (exit code, what it said)."""
        if signo:
            self.proc.send_signal(signo)
        said = self.proc.communicate(timeout=20)[1].decode()
        if self.out:
            self.out.close()
        return self.proc.returncode, said

    def blocks(self):
        """(type, body) of each; the file must end with a whole one."""
        data, got = self.path.read_bytes(), []
        while data:
            kind, size = struct.unpack('=II', data[:8])
            assert 12 <= size <= len(data) and data[size - 4:size] == data[4:8]
            got.append((kind, data[8:size - 4]))
            data = data[size:]
        return got

    def packets(self):
        return [Packet(body) for kind, body in self.blocks() if kind == EPB]

    def done(self, n):
        """End it in order; its packets, which must be `n`."""
        code, said = self.end()
        assert (code, said) == (0, f'{n} packets captured\n0 packets dropped by the ring\n')
        got = self.packets()
        assert len(got) == n
        return got


@pytest.fixture
def capture(lab):
    made = []

    def make(words, *more, **kw):
        made.append(Capture(lab, words, *more, **kw))
        return made[-1]
    yield make
    for c in made:
        with contextlib.suppress(ProcessLookupError):
            c.proc.kill()
        c.proc.wait()
        c.path.unlink(missing_ok=True)
    wait_for(lambda: threads(lab) <= 1, 15, what='the end of all captures')


def threads(lab):
    """Threads of sinks: one for all mirrors, once there was one, and one a capture."""
    n = 0
    for task in pathlib.Path(f'/proc/{lab.swd.child()}/task').iterdir():
        with contextlib.suppress(OSError):
            n += (task / 'comm').read_text() == 'anyvf-mirror\n'
    return n


def flood(lab, n):
    """VF 0 sends `n` frames of 1414 bytes to VF 1, no faster than its tap takes them."""
    before = lab.handled(0)
    for i in range(1, n + 1):
        lab.ports[0].sock.send(mac(lab.mac(1)) + mac(lab.mac(0)) + b'\x88\xb5' + bytes(1400))
        if i % 100 == 0:
            wait_for(lambda: lab.handled(0) >= before + i, 20, what='all frames')


def tshark(path, *fields):
    if not shutil.which('tshark'):
        pytest.skip('needs tshark')
    done = run('tshark', '-nr', path, '-T', 'fields', *(w for f in fields for w in ('-e', f)))
    return [line.split('\t') for line in done.stdout.splitlines()]


def test_both_directions_are_there_and_told_apart(lab, capture):
    c = capture('vf 0')
    lab.vf(0, vlan=100)
    lab.vf(1, vlan=100)
    lab.send(0, lab.mac(1), size=100)
    lab.send(1, lab.mac(0))
    lab.send(2, lab.mac(3))
    sent, got = c.done(2)
    assert (sent.way, got.way) == (OUT, IN) and sent.data[:12] == mac(lab.mac(1)) + mac(lab.mac(0))
    assert (len(sent.data), sent.length) == (100, 100) and sent.data[12:14] == b'\x88\xb5'  # as the VM sees it: no tag
    assert got.ns >= sent.ns > 1_600_000_000 * 10**9
    kinds = [kind for kind, _ in c.blocks()]
    assert kinds == [0x0a0d0d0a, IDB, EPB, EPB, ISB]
    found = options(c.blocks()[1][1][8:])
    assert (found[2].decode(), found[9]) == (f'{lab.pf}-vf0', b'\x09') and 'vf 0' in found[3].decode()
    counted = options(c.blocks()[-1][1][12:])
    assert counted[4] == struct.pack('=Q', 2) and counted[5] == bytes(8)
    assert tshark(c.path, 'frame.interface_name', 'frame.packet_flags_direction', 'eth.dst') == [
        [f'{lab.pf}-vf0', '0x00000002', lab.mac(1)], [f'{lab.pf}-vf0', '0x00000001', lab.mac(0)]]
    assert run('tcpdump', '-nr', c.path).stdout.count('ethertype Unknown') == 2


def test_one_direction_a_filter_and_a_snap(lab, capture):
    for words, n in {'vf 0 in': 1, 'vf 0 out': 2, 'vf 0 both -s 20': 3, 'vf 0 -s 0': 3, 'vf 0 -s 262144': 3}.items():
        c = capture(words)
        lab.send(0, lab.mac(1))
        lab.send(1, lab.mac(0))
        lab.send(0, lab.mac(2), tags=tag(7))
        got = c.done(n)
        assert {(len(p.data), p.length) for p in got} == ({(20, 60), (24, 60)} if '20' in words else {(60, 60)})
    c = capture('vf 0 filter', f'ether dst {lab.mac(2)} or vlan 9')
    lab.send(0, lab.mac(1))
    lab.send(0, lab.mac(2))
    lab.send(0, lab.mac(1), tags=tag(9))
    assert [p.data[:6] for p in c.done(2)] == [mac(lab.mac(2)), mac(lab.mac(1))]
    assert f'ether dst {lab.mac(2)} or vlan 9' in options(c.blocks()[1][1][8:])[11].decode()


def test_wire_host_interface_and_vlan_are_sources_too(lab, capture):
    host = lab.info()['config']['mac']
    wire, own, vlan = capture('uplink'), capture('pf'), capture('vlan 100')
    lab.send(0, STRANGER)
    lab.send(WIRE, lab.mac(0))
    lab.send(0, host)
    lab.send(HOST, lab.mac(0), src=host)
    lab.send(WIRE, lab.mac(0), tags=tag(100))
    assert [p.way for p in wire.done(3)] == [OUT, IN, IN]
    assert [p.way for p in own.done(2)] == [IN, OUT]
    lab.send(HOST, lab.mac(0), src=host, tags=tag(100))
    lab.send(0, lab.mac(1), tags=tag(100))
    assert [(p.way, p.data[12:16]) for p in vlan.done(3)] == [(way, tag(100)) for way in (IN, IN, OUT)]


def test_dropped_frames_come_with_the_reason(lab, capture):
    c = capture('vf 0 drops')
    lab.send(0, lab.mac(1))
    lab.send(0, lab.mac(1), src=STRANGER, size=90)
    lab.vf(0, trunk='10')
    lab.send(0, lab.mac(1), tags=tag(7))
    lab.send(1, lab.mac(0), tags=tag(7))
    lab.vf(0, isolated=True, trunk='any')
    lab.vf(1, isolated=True)
    lab.send(0, lab.mac(1))
    lab.vf(0, isolated=False, storm_broadcast=1)
    for _ in range(2):
        lab.send(0, BCAST)
    lab.set(uplink='none', uplink_arg='')
    lab.send(0, STRANGER)
    lab.vf(0, state='disable')
    lab.send(1, lab.mac(0))
    got = c.done(9)
    assert [(p.why, p.way) for p in got] == [
        ('', OUT), ('spoof_mac', OUT), ('spoof_vlan', OUT), ('vlan', IN), ('isolated', OUT), ('', OUT), ('storm_broadcast', OUT),
        ('no_destination', OUT), ('link_down', IN)]
    assert (len(got[1].data), got[1].length, got[1].data[6:12]) == (90, 90, mac(STRANGER))
    assert got[2].data[12:16] == tag(7)
    assert tshark(c.path, 'frame.comment')[1] == ["dropped: spoof_mac: sent with a source MAC that is not the VF's"]


def test_drops_are_seen_one_way_and_through_the_filter_and_not_unasked(lab, capture):
    both, none, way, chosen = capture('vf 0'), capture('vf 0 drops filter', 'vlan 5'), capture('vf 0 in drops'), capture('vf 0 drops filter', 'not vlan')
    lab.vf(0, trunk='none')
    lab.send(0, lab.mac(1), tags=tag(7))
    lab.send(0, lab.mac(1), src=STRANGER)
    lab.send(1, lab.mac(0), tags=tag(7))
    both.done(0)
    none.done(0)
    assert [p.why for p in way.done(1)] == ['vlan']
    assert [p.why for p in chosen.done(1)] == ['spoof_mac']


def test_what_the_edge_drops_is_seen_too(lab, capture, switch):
    """A ring that is full, and frames and descriptors that make no sense, of guests with rings."""
    pf = unique('v')
    switch.call('pf.add', name=pf, numvfs=2)
    guests = []
    for vf in range(2):
        switch.call('pf.set', pf=pf, vfs=[{'vf': vf, 'set': {'mac': lab.mac(vf)}}])
        path = switch.call('vf.attach', pf=pf, vf=vf, kind='vhost', client=False)['socket']
        guests.append(vhost.Guest(path, ring_size=16))
    wait_for(lambda: all(switch.vf(pf, vf)['status']['n_queues'] for vf in range(2)), what='rings')
    lab, was = type('Other', (), {'swd': switch, 'pf': pf})(), lab
    sender, receiver = Capture(lab, 'vf 0 drops -s 40'), Capture(lab, 'vf 1 in drops filter', 'ether proto 0x88b5')
    try:
        frame = mac(was.mac(1)) + mac(was.mac(0)) + b'\x88\xb5' + bytes(86)
        for _ in range(40):
            guests[0].send(frame)
        wait_for(lambda: sum(switch.vf(pf, 1)['stats']['drops'].values()) + switch.vf(pf, 1)['stats']['rx_packets'] == 40, what='all frames')
        full = switch.drops(pf, 1)['no_buffer']
        guests[0].send(frame[:9])
        wait_for(lambda: switch.drops(pf, 0).get('runt') == 1, what='the runt')
        assert full >= 40 - 16
        got = receiver.done(40 + full)  # as switched to it, and as dropped
        assert [p.why for p in got].count('no_buffer') == full and {(len(p.data), p.length) for p in got} == {(100, 100)}
        got = sender.done(41)
        assert (got[40].why, got[40].way, got[40].data, got[40].length) == ('runt', OUT, frame[:9], 9)
        assert {(len(p.data), p.length, p.why) for p in got[:40]} == {(40, 100, '')}
    finally:
        for c in sender, receiver:
            c.proc.kill()
            c.proc.wait()
        for guest in guests:
            guest.close()
        for vf in range(2):
            switch.call('vf.release', pf=pf, vf=vf)
        switch.call('pf.del', pf=pf)


def test_it_ends_after_n_packets_with_what_was_read_so_far(lab, capture):
    c = capture('vf 0 -c 2')
    c.proc.send_signal(signal.SIGSTOP)
    for _ in range(4):  # it finds more than it wants
        lab.send(0, lab.mac(1))
    c.proc.send_signal(signal.SIGCONT)
    assert c.end(signo=None) == (0, '2 packets captured\n0 packets dropped by the ring\n')
    assert [kind for kind, _ in c.blocks()] == [0x0a0d0d0a, IDB, EPB, EPB, ISB]


@pytest.mark.parametrize('signo', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_order(lab, capture, signo):
    c = capture('vf 0')
    lab.send(0, lab.mac(1))
    assert c.end(signo) == (0, '1 packets captured\n0 packets dropped by the ring\n')
    assert [kind for kind, _ in c.blocks()][-2:] == [EPB, ISB]


def test_the_readers_end_is_its_end(lab, capture):
    read, write = os.pipe()
    c = capture('vf 0', out=write)
    os.close(write)
    os.close(read)  # nobody sends, yet it notices
    assert c.end(signo=None) == (0, '')
    if not shutil.which('tcpdump'):
        pytest.skip('needs tcpdump')
    read, write = os.pipe()
    c = capture('vf 0', out=write)
    os.close(write)
    dump = subprocess.Popen(['tcpdump', '-nUr', '-', '-c', '1'], stdin=read, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    os.close(read)
    lab.send(0, lab.mac(1))
    assert 'ethertype Unknown (0x88b5)' in dump.communicate(timeout=20)[0]
    lab.send(0, lab.mac(1))
    assert c.end(signo=None) == (0, '')


def test_a_killed_client_takes_its_capture_along_and_mirrors_never_show_it(lab, capture, switch):
    switch.call('mirror.add', name='m', from_pf=lab.pf, from_vf=0, to_pf=lab.pf, to_vf=5)
    c = capture('vf 0')
    assert [m['name'] for m in switch.call('mirror.list')] == ['m'] and 'capture' not in switch.state.read_text()
    for verb in 'del', 'set':
        with pytest.raises(CtlError, match='no mirror'):
            switch.call(f'mirror.{verb}', name='capture')
    copies = switch.vf(lab.pf, 0)['stats']['mirrored']
    lab.send(0, lab.mac(1))
    assert switch.vf(lab.pf, 0)['stats']['mirrored'] == copies + 2
    c.proc.kill()
    c.proc.wait()
    wait_for(lambda: threads(lab) == 0, what='the end of the capture')
    lab.send(0, lab.mac(1))
    assert switch.vf(lab.pf, 0)['stats']['mirrored'] == copies + 3
    switch.call('mirror.del', name='m')


def test_a_reader_that_stands_still_costs_the_source_nothing(lab, capture):
    """Counts, not time: what does not fit in the ring is dropped and told, all else goes its way."""
    stuck, other = capture('vf 0 out'), capture('vf 0 out -s 64')
    stuck.proc.send_signal(signal.SIGSTOP)
    n = 4000
    flood(lab, n)
    stats = lab.swd.vf(lab.pf, 1)['stats']
    assert not lab.drops(0, 'no_buffer') and stats['rx_packets'] + stats['drops']['no_buffer'] >= n
    assert len(other.done(n)) == n
    stuck.proc.send_signal(signal.SIGCONT)
    code, said = stuck.end()
    kept, lost = map(int, re.fullmatch(r'(\d+) packets captured\n(\d+) packets dropped by the ring\n', said).groups())
    assert code == 0 and lost > 0 and kept + lost == n and len(stuck.packets()) == kept


def test_a_reader_that_never_reads_is_given_up(lab, capture):
    c = capture('vf 0 out')
    c.proc.send_signal(signal.SIGSTOP)
    flood(lab, 2000)
    lab.swd.call('vf.release', pf=lab.pf, vf=0)  # the capture ends, and nobody waits for its reader
    wait_for(lambda: threads(lab) == 0, 15, what='the end of its thread')
    c.proc.send_signal(signal.SIGCONT)
    code, said = c.end(signo=None)
    assert code == 1 and 'Error: the switch' in said
    c.blocks()


def test_what_is_watched_may_go_and_so_may_the_switch(lab, capture, switch):
    c = capture('vf 3')
    switch.call('vf.release', pf=lab.pf, vf=3)
    code, said = c.end(signo=None)
    assert code == 1 and 'the switch ended the capture: what was watched is gone' in said
    pf = unique('v')
    switch.call('pf.add', name=pf, numvfs=2)
    one, two = (Capture(type('Other', (), {'swd': switch, 'pf': pf})(), words) for words in ('vf 1', 'uplink'))
    switch.call('pf.set', pf=pf, set={'numvfs': 1})
    assert one.end(signo=None)[0] == 1 and two.proc.poll() is None
    switch.call('pf.del', pf=pf)
    assert two.end(signo=None)[0] == 1
    c = capture('vf 0')
    os.kill(switch.child(), signal.SIGKILL)
    code, said = c.end(signo=None)
    assert code == 1 and said.endswith('Error: the switch has gone.\n')
    switch.wait_ready()
    assert c.packets() == [] and 'capture' not in switch.state.read_text()


def test_captures_are_no_more_than_mirrors_can_be(lab, switch):
    socks = []
    try:
        with pytest.raises(CtlError, match='256 mirrors already'):
            for _ in range(300):
                socks.append(ask(lab, from_vf=0))
        assert len(socks) == 256
    finally:
        for ours in socks:
            ours.close()
    wait_for(lambda: threads(lab) == 0, 15, what='the end of all captures')


def ask(lab, **words):
    """A capture of this process; our end of its socket."""
    import contextlib as lib
    import json
    import socket
    from conftest import Ctl
    ours, theirs = socket.socketpair()
    with lib.closing(Ctl(lab.swd.sock)) as ctl:
        line = json.dumps({'jsonrpc': '2.0', 'id': 1, 'method': 'capture', 'params': {'from_pf': lab.pf, **words}}) + '\n'
        socket.send_fds(ctl.sock, [line.encode()], [theirs.fileno()])
        theirs.close()
        reply = json.loads(ctl.line())
    if 'error' in reply:
        ours.close()
        raise CtlError(reply['error'])
    return ours


def test_options_stand_anywhere_and_quiet_says_nothing(lab):
    got = lab.swd.dir / unique('cap')
    argv = [DAEMONS / 'anyvf', 'capture', '-q', '-c2', lab.pf, 'vf', '0', 'out', f'-w{got}']
    proc = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, 'ANYVF_RUN_DIR': str(lab.swd.dir)})
    wait_for(lambda: threads(lab) == 1, what='the capture')
    lab.send(0, lab.mac(1))
    lab.send(0, lab.mac(1))
    assert (*proc.communicate(timeout=20), proc.returncode) == ('', '', 0)
    assert len(tshark(got, 'frame.len')) == 2


def test_refusals_name_the_word_and_leave_nothing(lab, capture, tmp_path):
    kept = tmp_path / 'kept'
    kept.write_text('mine')
    for line, says in {
        f'{lab.pf} vf 9': 'vf 9', 'nosuch vf 0': 'nosuch', f'{lab.pf}': 'not complete', f'{lab.pf} vf': 'not complete', f'{lab.pf} port 1': '"port"',
        f'{lab.pf} vf x': '"x"', f'{lab.pf} vf 0 sideways': '"sideways"', f'{lab.pf} vf 0 in out': '"out"', f'{lab.pf} vf 0 -c 0': '"0"',
        f'{lab.pf} vf 0 -c -1': '"-1"', f'{lab.pf} vf 0 -c x': '"x"', f'{lab.pf} vf 0 -c': 'not complete', f'{lab.pf} vf 0 -s 5': '"5"',
        f'{lab.pf} vf 0 -s 999999': '"999999"', f'{lab.pf} vf 0 -w': 'not complete', f'{lab.pf} vf 0 -x': '"-x"', f'{lab.pf} vf 0 filter': 'not complete',
        f'{lab.pf} vf 0 filter frobnicate': 'pcap "frobnicate"', f'{lab.pf} vf 0 filter host(': 'pcap "host("', f'{lab.pf} vlan 0': 'vlan 0',
        f'{lab.pf} vlan 4095': '4095', f'{lab.pf} vlan 5 drops': 'drops', f'{lab.pf} vf 0 filter {"x" * 1024}': 'longer',
        f'-c 1 {lab.pf} 2': '"2" is wrong: expected "vf"', f'-n {lab.pf} vf 0': '"-n"', '-c1': 'not complete', f'{lab.pf} vf 0 -cx': '"x"',
        f'{lab.pf} vf 9 -w {kept}': 'vf 9', f'{lab.pf} vf 0 -w {tmp_path}': str(tmp_path), f'{lab.pf} vf 0 -w /nowhere/cap': '/nowhere/cap: No such file',
    }.items():
        done = lab.swd.cli('capture', *line.split(), check=False)
        assert done.returncode in (1, 255) and says in done.stderr and not done.stdout, f'{line}: {done.stderr}'
    assert kept.read_text() == 'mine'
    for words, says in ({'from_vf': 0, 'to': 'vf'}, 'no descriptor'), ({'from_vf': 0, 'snap': 3}, 'snap 3'), ({}, 'from_vf is missing'):
        with pytest.raises(CtlError, match=says):
            lab.swd.call('capture', from_pf=lab.pf, **words)
    with pytest.raises(CtlError, match='use anyvf capture'):
        lab.swd.call('mirror.add', name='m', from_pf=lab.pf, from_vf=0, to='capture')
    with pytest.raises(CtlError, match='drops does not go with'):
        lab.swd.call('mirror.add', name='m', from_pf=lab.pf, from_vf=0, to_pf=lab.pf, to_vf=1, drops=True)
    wait_for(lambda: threads(lab) == 0, 15, what='nothing left')


def test_a_full_disk_a_terminal_and_no_output_are_told(lab, capture):
    c = capture('vf 0 -w /dev/full')
    assert c.end(signo=None) == (1, 'Error: /dev/full: No space left on device.\n')
    near, far = os.openpty()
    done = subprocess.run([DAEMONS / 'anyvf', 'capture', lab.pf, 'vf', '0'], stdout=far, stderr=subprocess.PIPE, text=True, timeout=20,
                          env={**os.environ, 'ANYVF_RUN_DIR': str(lab.swd.dir)})
    assert done.returncode == 1 and 'terminal' in done.stderr and '-w FILE' in done.stderr
    os.close(near)
    os.close(far)
    done = subprocess.run(f'{DAEMONS}/anyvf capture {lab.pf} vf 0 >&-', shell=True, stderr=subprocess.PIPE, text=True, timeout=20,
                          env={**os.environ, 'ANYVF_RUN_DIR': str(lab.swd.dir)})
    assert (done.returncode, done.stderr) == (1, 'Error: standard output: Bad file descriptor.\n')


def test_a_disk_that_fills_up_leaves_whole_blocks(lab, capture):
    box = lab.swd.dir / 'cbox'
    box.mkdir()
    run('mount', '-t', 'tmpfs', '-o', 'size=32k', 'none', box)
    try:
        c = capture(f'vf 0 -w {box}/cap')
        for _ in range(40):
            lab.send(0, lab.mac(1), size=1400)
        code, said = c.end(signo=None)
        assert code == 1 and said == f'Error: {box}/cap: No space left on device.\n'
        shutil.copy(box / 'cap', c.path)
        assert 15 < len(c.packets()) < 40
    finally:
        run('umount', '-l', box)
        box.rmdir()
