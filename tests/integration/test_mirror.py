# SPDX-License-Identifier: Apache-2.0
"""Mirrors through the real switch: what is copied, how much of it, where to, and what is refused."""
import os
import pathlib
import shutil
import signal
import socket
import struct
import time

import pytest
from conftest import CtlError, Netns, run, unique, wait_for
from test_veb import BCAST, HOST, STRANGER, WIRE, Lab, lab, mac, switch, tag  # noqa: F401

EAR = 5  # the VF that listens


@pytest.fixture
def mirror(lab):
    """`anyvf mirror ...` typed at the lab's switch; what was made is removed."""
    def typed(*words, check=True):
        line = [w.replace('@', lab.pf) for word in words for w in ([word] if ' or ' in word else word.split())]
        done = lab.swd.cli('mirror', *line, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done
    yield typed
    for m in lab.swd.call('mirror.list'):
        lab.swd.call('mirror.del', name=m['name'])


def counts(lab, name='m'):
    found, = (m for m in lab.swd.call('mirror.list') if m['name'] == name)
    return found['mirrored'], found['dropped']


def test_20_directions_are_the_vms(lab, mirror):
    lab.vf(EAR, vlan=4094)  # it hears copies alone
    mirror('add m from vf @ 0 out to vf @ 5')
    assert lab.who(0, lab.mac(1)) == [1, EAR]
    assert lab.who(1, lab.mac(0)) == [0]
    assert lab.who(0, BCAST) == [1, 2, 3, 4, EAR, HOST, WIRE] and EAR not in lab.who(1, BCAST)
    mirror('set m in')
    assert lab.who(1, BCAST) == [0, 2, 3, 4, EAR, HOST, WIRE] and EAR not in lab.who(0, BCAST)
    assert lab.who(0, lab.mac(1)) == [1]
    assert lab.who(1, lab.mac(0)) == [0, EAR]
    assert lab.who(WIRE, lab.mac(0)) == [0, EAR]
    assert lab.who(0, lab.mac(1), src=STRANGER) == []  # not accepted, so not mirrored
    assert counts(lab) == (5, 0)


def test_copies_for_a_link_that_is_down_are_counted(lab, mirror):
    mirror('add m from vf @ 0 both to vf @ 5')
    lab.vf(EAR, state='disable')
    assert lab.who(0, lab.mac(1)) == [1]
    assert lab.who(1, lab.mac(0)) == [0]
    assert counts(lab) == (0, 2)
    assert lab.swd.drops(lab.pf, EAR) == {'link_down': 2}
    lab.vf(EAR, state='auto')
    assert lab.who(0, lab.mac(1)) == [1, EAR]
    assert counts(lab) == (1, 2)


def test_20_the_wire_and_the_host_interface_are_sources(lab, mirror):
    mirror('add m from uplink @ out to vf @ 5')
    assert lab.who(0, STRANGER) == [EAR, WIRE]
    assert lab.who(0, lab.mac(1)) == [1]
    assert lab.who(WIRE, lab.mac(0)) == [0]
    mirror('set m in')
    assert lab.who(0, STRANGER) == [WIRE]
    assert lab.send(WIRE, lab.mac(0), tags=tag(7)) == {0: [tag(7)], EAR: [tag(7)]}
    mirror('set m both')
    assert lab.who(0, STRANGER) == [EAR, WIRE] and lab.who(WIRE, lab.mac(0)) == [0, EAR]
    host = lab.info()['config']['mac']
    mirror('set m from pf @ both')
    assert lab.who(0, host) == [EAR, HOST]
    assert lab.who(HOST, lab.mac(0), src=host) == [0, EAR]
    assert lab.who(WIRE, lab.mac(0)) == [0]


def test_20_21_a_vlan_is_seen_whole_with_its_tag_each_frame_once(lab, mirror):
    lab.vf(0, vlan=100, qos=3)
    lab.vf(1, vlan=100)
    lab.vf(EAR, trunk='none')
    mirror('add m from vlan @ 100 to vf @ 5')
    assert lab.send(0, lab.mac(1)) == {1: [b''], EAR: [tag(100, 3)]}
    assert lab.send(0, BCAST)[EAR] == [tag(100, 3)]
    assert lab.send(WIRE, lab.mac(0), tags=tag(100)) == {0: [b''], EAR: [tag(100)]}
    host = lab.info()['config']['mac']
    assert lab.send(HOST, lab.mac(0), src=host, tags=tag(100)) == {0: [b''], EAR: [tag(100)]}
    assert EAR not in lab.send(2, lab.mac(3))
    mirror('set m in')
    assert lab.who(0, lab.mac(1)) == [1]
    assert lab.who(WIRE, lab.mac(0), tags=tag(100)) == lab.who(HOST, lab.mac(0), src=host, tags=tag(100)) == [0, EAR]
    mirror('set m out')
    assert lab.who(0, lab.mac(1)) == [1, EAR]
    assert lab.who(WIRE, lab.mac(0), tags=tag(100)) == lab.who(HOST, lab.mac(0), src=host, tags=tag(100)) == [0]
    mirror('set m from vf @ 0 both')
    assert lab.send(0, lab.mac(1)) == {1: [b''], EAR: [b'']}  # as the VM sees it
    assert lab.send(1, BCAST)[EAR] == lab.send(0, BCAST)[EAR] == [b'']


def test_21_both_tags_of_a_service_vlan_are_the_copys(lab, mirror):
    guests, both = tag(5, 6), tag(100, 3, 0x88a8) + tag(5, 6)
    for vf in 0, 1:
        lab.vf(vf, vlan=100, qos=3, proto='802.1ad')
    lab.vf(EAR, trunk='none')
    mirror('add m from vlan @ 100 to vf @ 5')
    for dst, who in (lab.mac(1), 1), (BCAST, 1), (STRANGER, WIRE):
        heard = lab.send(0, dst, tags=guests)
        assert heard[EAR] == [both] and heard[who] == [guests if who == 1 else both]
    mirror('set m from uplink @ out')
    assert lab.send(0, STRANGER, tags=guests) == {WIRE: [both], EAR: [both]}
    for source in 0, 1:
        mirror(f'set m from vf @ {source} both')
        assert lab.send(0, lab.mac(1), tags=guests) == {1: [guests], EAR: [guests]}


def test_filters_choose_by_vlan_ethertype_and_expression(lab, mirror):
    mirror('add m from vf @ 0 filter vlan 10,20-21 to vf @ 5')
    assert lab.send(0, lab.mac(1), tags=tag(20)) == {1: [tag(20)], EAR: [tag(20)]}
    assert lab.who(0, lab.mac(1), tags=tag(22)) == [1]
    assert lab.who(0, lab.mac(1)) == [1]
    mirror('set m filter none')
    assert lab.who(0, lab.mac(1)) == [1, EAR]
    mirror('set m filter ether 0x88b5')
    assert lab.who(0, lab.mac(1), tags=tag(22)) == [1, EAR]
    mirror('set m filter ether 0x0806')
    assert lab.who(0, lab.mac(1)) == [1]
    mirror('set m filter none filter pcap', f'ether dst {lab.mac(2)} or vlan 9')
    assert lab.who(0, lab.mac(1)) == [1]
    assert lab.who(0, lab.mac(2)) == [2, EAR]
    assert lab.who(0, lab.mac(1), tags=tag(9)) == [1, EAR]
    assert 'filter pcap "ether dst' in mirror('show m').stdout


def test_snap_cuts_the_copy_and_nothing_else(lab, mirror):
    mirror('add m from vf @ 0 snap 64 to vf @ 5')
    for p in lab.ports.values():
        p.read()
    body = bytes(range(200)) * 5
    lab.ports[0].sock.send(mac(lab.mac(1)) + mac(lab.mac(0)) + tag(9) + b'\x88\xb5' + body)
    got = {}
    for vf in 1, EAR:
        lab.ports[vf].sock.settimeout(5)
        lab.ports[vf].sock.recv(1, socket.MSG_PEEK)
        lab.ports[vf].sock.setblocking(False)
        got[vf], = lab.ports[vf].read()
    assert got[1].endswith(b'\x88\xb5' + body) and got[1][12:16] == tag(9)
    assert got[EAR] == got[1][:64 + 4]


def test_many_mirrors_of_one_source_and_many_sources_to_one_destination(lab, mirror):
    mirror('add a from vf @ 0 out to vf @ 5')
    mirror('add b from vf @ 0 out to vf @ 4')
    mirror('add c from vf @ 1 in to vf @ 5')
    heard = lab.send(0, lab.mac(1))
    assert (len(heard[EAR]), len(heard[4]), len(heard[1])) == (2, 1, 1)
    assert [counts(lab, name) for name in 'abc'] == [(1, 0)] * 3
    mirror('del a')
    mirror('add d from vf @ 0 out to vf @ 3')
    assert lab.send(0, lab.mac(1)) == {who: [b''] for who in (1, 3, 4, EAR)}


def test_mirrors_cross_pfs_and_hold_them(lab, mirror, switch):
    other = Lab(switch)
    try:
        switch.call('mirror.add', name='x', from_pf=lab.pf, from_vf=0, to_pf=other.pf, to_vf=1)
        other.ports[1].read()
        lab.send(0, lab.mac(1))
        other.ports[1].sock.settimeout(5)
        assert other.ports[1].sock.recv(2000)[:6] == mac(lab.mac(1))
        switch.call('vf.detach', pf=other.pf, vf=1)
        lab.send(0, lab.mac(1))
        assert counts(lab, 'x') == (1, 1)
        mirror(f'set x from uplink {other.pf} to vf @ 4')
        for vf in range(other.VFS):
            switch.call('vf.release', pf=other.pf, vf=vf)
        with pytest.raises(CtlError, match='mirror x'):
            switch.call('pf.del', pf=other.pf)
        switch.call('mirror.del', name='x')
    finally:
        other.close()


def test_22_a_destination_without_a_guest_is_counted_and_costs_nothing(lab, mirror):
    lab.swd.call('vf.detach', pf=lab.pf, vf=EAR)
    mirror('add m from vf @ 0 to vf @ 5')
    assert lab.who(0, lab.mac(1)) == [1]
    assert lab.who(0, BCAST) == [1, 2, 3, 4, HOST, WIRE]
    assert counts(lab) == (0, 2)


def test_refusals_name_the_word_and_change_nothing(lab, mirror):
    mirror('add m from vf @ 0 to vf @ 1')
    mirror('add n from vf @ 1 to vf @ 2')
    before = lab.swd.call('mirror.list')
    for line, says in {
        'add o from vf @ 2 to vf @ 0': 'loop', 'set n to vf @ 0': 'loop', 'add o from vf @ 3 to vf @ 3': 'own mirror',
        'add o from vf @ 9 to vf @ 1': 'vf 9', 'add o from vf nosuch 1 to vf @ 1': 'nosuch', 'add o from uplink nosuch to vf @ 1': 'nosuch',
        'add o from vlan @ 4095 to vf @ 1': '4095', 'add o from vlan @ 0 to vf @ 1': 'vlan 0', 'add m from vf @ 3 to vf @ 4': 'exists',
        'add o from vf @ 3 filter vlan 4095 to vf @ 4': '4095', 'add o from vf @ 3 filter vlan 9-5 to vf @ 4': '9-5',
        'add o from vf @ 3 filter vlan none to vf @ 4': 'none', 'add o from vf @ 3 filter ether 5 to vf @ 4': 'ether 0x0005',
        'add o from vf @ 3 filter color red to vf @ 4': '"color"', 'add o from vf @ 3 filter pcap frobnicate to vf @ 4': 'pcap "frobnicate"',
        'add o from vf @ 3 filter pcap host( to vf @ 4': 'pcap "host("', 'add o from vf @ 3 snap 5 to vf @ 4': 'snap 5',
        'add o from vf @ 3 snap 99999 to vf @ 4': '99999', 'add o from vf @ 3 out in to vf @ 4': '"in"', 'add o from vf @ 3': '"to" is required',
        'add o to vf @ 3': '"from" is required', 'add o from vf @ 3 to capture': 'expected "vf", "tap"', 'add o from port @ 3 to vf @ 4': '"port"', 'add o from vf @ 3 to wall': '"wall"',
        'set m filter vlan 5 filter none': '"none"',
        'set m': 'not complete', 'set nosuch in': 'nosuch', 'set m filter pcap ((((': '((((', 'set m from vf @ 7': 'vf 7', 'del nosuch': 'nosuch',
        'add o from vf @ 3 filter pcap ' + 'x' * 1024 + ' to vf @ 4': 'longer',
    }.items():
        done = mirror(line, check=False)
        assert done.returncode in (1, 255) and says in done.stderr, f'{line}: {done.stderr}'
    assert lab.swd.call('mirror.list') == before
    with pytest.raises(CtlError, match='from_vlan does not go with'):
        lab.swd.call('mirror.set', name='m', from_vlan=5)


def test_there_is_an_end_to_mirrors(lab, mirror):
    with pytest.raises(CtlError, match='mirror m256: there are 256 mirrors already'):
        for i in range(10000):
            lab.swd.call('mirror.add', name=f'm{i}', **{'from': 'uplink'}, from_pf=lab.pf, to_pf=lab.pf, to_vf=i % 6)
    assert i == 256 and len(lab.swd.call('mirror.list')) == 256
    heard = lab.send(0, STRANGER)
    assert len(heard[WIRE]) == 1 and len(heard[EAR]) == 42


# ---- to another host ----

class Far:
    """Another host, NET.2 and NET6::2, on a link of its own to NET.1 and NET6::1 in `ns`; what comes to it in GRE."""

    def __init__(self, ns, directory, net='10.9.0', net6='fd09'):
        self.here, self.dir, self.ns, self.near, self.addr = ns, directory, Netns(), unique('mn'), f'{net}.2'
        dev = unique('mf')
        ns.run('ip', 'link', 'add', self.near, 'type', 'veth', 'peer', 'name', dev, 'netns', self.ns.name)
        self.ns.run('sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=0')
        for side, name, n in (ns, self.near, 1), (self.ns, dev, 2):
            side.run('sysctl', '-qw', f'net.ipv6.conf.{name}.disable_ipv6=0')
            side.run('ip', 'addr', 'add', f'{net}.{n}/24', 'dev', name)
            side.run('ip', 'addr', 'add', f'{net6}::{n}/64', 'dev', name, 'nodad')
            side.run('ip', 'link', 'set', name, 'up')
        assert ns.ping(self.addr, count=1) and ns.ping(f'{net6}::2', count=1)
        self.sock = self.ns.packet_socket(dev, timeout=5)

    def packet(self):
        """GRE flags, protocol and what follows them, of the next GRE packet."""
        while True:
            data = self.sock.recv(70000)
            if data[12:14] == b'\x08\x00' and data[23] == 47:
                gre = data[14 + (data[14] & 15) * 4:14 + int.from_bytes(data[16:18], 'big')]
            elif data[12:14] == b'\x86\xdd' and data[20] == 47:
                gre = data[54:54 + int.from_bytes(data[18:20], 'big')]
            else:
                continue
            self.last = data
            return *struct.unpack('!HH', gre[:4]), gre[4:]

    def tshark(self, *fields):
        """The last packet's fields as tshark reads them; None where it is not installed."""
        if not shutil.which('tshark'):
            return None
        pcap = struct.pack('=IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
        pcap += struct.pack('=IIII', 0, 0, len(self.last), len(self.last)) + self.last
        path = self.dir / 'one.pcap'
        path.write_bytes(pcap)
        return run('tshark', '-nr', path, '-T', 'fields', *(w for f in fields for w in ('-e', f))).stdout.rstrip('\n').split('\t')

    def close(self):
        self.sock.close()
        self.here.run('ip', 'link', 'del', self.near)
        self.ns.delete()


@pytest.fixture
def far(lab):
    made = Far(lab.ns, lab.swd.dir)
    yield made
    made.close()


def test_23_erspan_type_2_carries_the_frame_with_its_tag(lab, mirror, far):
    mirror('add m from vf @ 0 to erspan 10.9.0.2 id 102')
    for seq, (tags, vlan) in enumerate([(b'', 0), (tag(20, 5), 20)]):
        assert lab.send(0, lab.mac(1), tags=tags) == {1: [tags]}
        flags, proto, rest = far.packet()
        number, first, second, index = struct.unpack('!IHHI', rest[:12])
        assert (flags, proto, number) == (0x1000, 0x88be, seq)
        assert (first >> 12, first & 0xfff) == (1, vlan)
        assert (second >> 13, second >> 11 & 3, second >> 10 & 1, second & 0x3ff) == (5 if tags else 0, 3 if tags else 0, 0, 102)
        assert index == 0x102  # as Open vSwitch does: the digits read as hexadecimal
        assert rest[12:24 + len(tags)] == mac(lab.mac(1)) + mac(lab.mac(0)) + tags and len(rest) == 12 + 60
        assert far.tshark('erspan.spanid', 'erspan.vlan', 'erspan.cos', 'erspan.index', 'eth.dst') in (
            None, ['102', str(vlan), '5' if tags else '0', '258', far.last[:6].hex(':') + ',' + lab.mac(1)])
    mirror('set m snap 40')
    lab.send(0, lab.mac(1))
    _, _, rest = far.packet()
    assert rest[6] >> 2 & 1 == 1 and len(rest) == 12 + 40  # T: truncated
    wait_for(lambda: counts(lab) == (3, 0), what='the counts')


def test_23_erspan_type_3_and_ipv6(lab, mirror, far):
    def tenths():
        return time.time_ns() // 100000
    mirror('add m from vf @ 0 in to erspan fd09::2 id 1023 version 2')
    before = tenths()
    lab.send(1, lab.mac(0), tags=tag(7, 2))
    flags, proto, rest = far.packet()
    after = tenths()
    seq, first, second, stamp, third = struct.unpack('!IHHII', rest[:16])
    assert (flags, proto, seq) == (0x1000, 0x22eb, 0)
    assert (first >> 12, first & 0xfff, second >> 13, second & 0x3ff) == (2, 7, 2, 1023)
    assert (third >> 3 & 1, third >> 1 & 3, third >> 6 & 31) == (1, 0, 0)  # egress, units of 100 us, Ethernet
    assert (stamp - before) % 2**32 <= after - before and rest[16:28] == mac(lab.mac(0)) + mac(lab.mac(1))
    assert far.tshark('erspan.version', 'erspan.spanid', 'erspan.direction') in (None, ['2', '1023', '1'], ['2', '1023', 'True'])
    mirror('set m both snap 40')
    lab.send(0, lab.mac(1))
    _, _, rest = far.packet()
    _, first, second, _, third = struct.unpack('!IHHII', rest[:16])
    assert (first & 0xfff, second >> 13, second >> 10 & 1, third >> 3 & 1) == (0, 0, 1, 0) and len(rest) == 16 + 40  # T: truncated


def test_gre_carries_its_key(lab, mirror, far):
    mirror('add m from uplink @ out to gre 10.9.0.2 id 70000')
    lab.send(0, STRANGER, tags=tag(9))
    flags, proto, rest = far.packet()
    assert (flags, proto, int.from_bytes(rest[:4], 'big')) == (0x2000, 0x6558, 70000)
    assert rest[4:20] == mac(STRANGER) + mac(lab.mac(0)) + tag(9)
    mirror('set m id 0')
    lab.send(0, STRANGER)
    flags, proto, rest = far.packet()
    assert (flags, proto, rest[:6]) == (0, 0x6558, mac(STRANGER))


def test_a_long_frame_comes_in_fragments_and_nobody_there_is_counted(lab, mirror, far):
    mirror('add m from vf @ 0 to gre 10.9.0.2')
    lab.send(0, lab.mac(1), size=1500)
    far.packet()
    mirror('set m to gre 203.0.113.9')  # no route
    lab.send(0, lab.mac(1))
    wait_for(lambda: counts(lab) == (1, 1), what='a drop without a route')
    mirror('set m to gre 10.9.0.77')  # nobody answers there
    lab.send(0, lab.mac(1))
    wait_for(lambda: counts(lab) == (1, 2), 10, what='a drop without a neighbour')
    assert lab.who(0, lab.mac(1)) == [1]


def ones_sum(data):
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def test_a_large_segment_leaves_as_what_a_wire_has(lab, mirror, far):
    """TCP of 3000 bytes that its sender left to the NIC to cut and to sum up."""
    mirror('add m from vf @ 0 to gre 10.9.0.2')
    body = bytes(range(250)) * 12
    addrs = bytes([10, 0, 0, 1, 10, 0, 0, 2])
    ip = struct.pack('!BBHHHBBH', 0x45, 0, 40 + len(body), 1, 0x4000, 64, 6, 0) + addrs
    ip = ip[:10] + struct.pack('!H', 0xffff - ones_sum(ip)) + ip[12:]
    pseudo = ones_sum(addrs + struct.pack('!HH', 6, 20 + len(body)))
    tcp = struct.pack('!HHIIBBHHH', 1, 2, 1000, 0, 0x50, 0x10, 5000, pseudo, 0)
    vnet = struct.pack('=BBHHHH', 1, 1, 54, 1000, 34, 16)
    with lab.ns.inside():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        sock.setsockopt(263, 15, 1)  # SOL_PACKET, PACKET_VNET_HDR
        sock.bind((lab.ports[0].dev, 0x0800))
    sock.send(vnet + mac(lab.mac(1)) + mac(lab.mac(0)) + b'\x08\x00' + ip + tcp + body)
    sock.close()
    got = b''
    while len(got) < len(body):
        inner = far.packet()[2]
        size = int.from_bytes(inner[16:18], 'big')
        assert inner[:6] == mac(lab.mac(1)) and size <= 1040 and len(inner) == 14 + size
        segment = inner[34:14 + size]
        assert ones_sum(inner[14:34]) == 0xffff
        assert ones_sum(addrs + struct.pack('!HH', 6, len(segment)) + segment) == 0xffff
        got += segment[20:]
    assert got == body


def test_remote_mirrors_do_not_feed_themselves(lab, mirror, far):
    """The far host behind the PF's own wire: the mirror's packets leave by what it watches."""
    lab.ns.run('ip', 'addr', 'add', '10.8.0.1/24', 'dev', lab.pf)
    lab.ns.run('ip', 'neigh', 'add', '10.8.0.2', 'lladdr', STRANGER, 'dev', lab.pf)
    mirror('add m from uplink @ out to erspan 10.8.0.2')
    assert lab.who(0, '02:77:00:00:00:55') == [WIRE]
    wait_for(lambda: lab.info()['status']['uplink']['tx_packets'] >= 2, what='the packet on the wire')
    assert lab.who(0, '02:77:00:00:00:56') == [WIRE]
    assert counts(lab)[0] == 2


def test_remote_mirrors_outlive_the_switch(lab, mirror, far, switch):
    mirror('add m from vf @ 0 filter pcap', f'ether dst {lab.mac(1)} or vlan 9', 'to erspan 10.9.0.2 id 5')
    before = lab.swd.call('mirror.list')
    os.kill(switch.child(), signal.SIGKILL)
    wait_for(lambda: switch.wait_ready(), what='the next life')
    assert lab.swd.call('mirror.list') == before
    wait_for(lambda: lab.info()['status']['carrier'], what='carrier')
    lab.wait_running(0, 1)
    lab.send(0, lab.mac(1))
    assert far.packet()[2][6:8] == (5).to_bytes(2, 'big')


def test_remote_refusals_name_the_word(lab, mirror):
    for line, says in {
        'to erspan 10.9.0': '10.9.0', 'to erspan host.example': 'host.example', 'to erspan 0.0.0.0': '0.0.0.0', 'to gre 224.0.0.1': '224.0.0.1',
        'to gre ff02::1': 'ff02::1', 'to gre 255.255.255.255': '255.255.255.255', 'to erspan 10.9.0.2 id 1024': 'id 1024',
        'to erspan 10.9.0.2 version 3': 'version 3', 'to gre 10.9.0.2 version 1': 'version does not go', 'to vf @ 1 id 5': 'id does not go',
        'to gre 10.9.0.2 id 4294967296': '4294967296', 'to erspan': 'not complete', 'to erspan 10.9.0.2 id': 'not complete',
    }.items():
        done = mirror(f'add m from vf @ 0 {line}', check=False)
        assert done.returncode in (1, 255) and says in done.stderr, f'{line}: {done.stderr}'
    assert lab.swd.call('mirror.list') == []


# ---- on this host ----

def blocks(path):
    """(type, body) of each block of a pcapng file; the file must end with a whole one."""
    data, got = path.read_bytes(), []
    while data:
        kind, size = struct.unpack('=II', data[:8])
        assert 12 <= size <= len(data) and data[size - 4:size] == data[4:8]
        got.append((kind, data[8:size - 4]))
        data = data[size:]
    return got


def packets(path):
    """(frame, original length) of a capture's packets."""
    found = [body for kind, body in blocks(path) if kind == 6]
    return [(body[20:20 + struct.unpack('=I', body[12:16])[0]], struct.unpack('=I', body[16:20])[0]) for body in found]


@pytest.fixture
def box(lab):
    """A folder of 128 KiB that the switch may write to."""
    path = lab.swd.dir / 'box'
    path.mkdir()
    run('mount', '-t', 'tmpfs', '-o', 'size=128k', 'none', path)
    status = pathlib.Path(f'/proc/{lab.swd.child()}').stat()
    os.chown(path, status.st_uid, status.st_gid)
    yield path
    run('umount', '-l', path)
    path.rmdir()


def test_a_tap_is_made_for_the_mirror_and_goes_with_it(lab, mirror):
    dev = unique('mt')
    mirror(f'add m from vf @ 0 to tap {dev}')
    mirror(f'add n from vf @ 1 out to tap {dev}')
    lab.quiet(dev)
    ear = lab.ns.packet_socket(dev, timeout=5)
    lab.send(0, lab.mac(1), tags=tag(7))
    assert ear.recv(2000)[:12] == mac(lab.mac(1)) + mac(lab.mac(0))
    lab.send(1, lab.mac(2))
    assert ear.recv(2000)[:12] == mac(lab.mac(2)) + mac(lab.mac(1))
    mirror('del n')
    lab.send(0, lab.mac(1))
    assert ear.recv(2000)[:12] == mac(lab.mac(1)) + mac(lab.mac(0))
    assert counts(lab) == (2, 0)
    with pytest.raises(CtlError, match='tap of mirror m'):
        lab.swd.call('svc.add', pf=lab.pf, name=dev)
    with pytest.raises(CtlError, match='vf 3'):
        lab.swd.call('mirror.set', name='m', tap=lab.ports[3].dev)
    mirror('del m')
    assert lab.ns.run('ip', 'link', 'show', dev, check=False).returncode != 0
    ear.close()


def test_a_file_is_pcapng_and_is_continued(lab, mirror, box):
    path = box / 'cap'
    mirror(f'add m from vf @ 0 snap 60 to file {path}')
    lab.send(0, lab.mac(1), tags=tag(7), size=100)
    lab.send(1, lab.mac(0))
    wait_for(lambda: len(packets(path)) == 2, what='two packets in the file')
    (first, long), (second, short) = packets(path)
    assert first[:16] == mac(lab.mac(1)) + mac(lab.mac(0)) + tag(7) and (len(first), long) == (64, 100)
    assert second[:12] == mac(lab.mac(0)) + mac(lab.mac(1)) and short == len(second) == 60
    mirror('del m')
    mirror(f'add n from vf @ 0 to file {path}')
    lab.send(0, lab.mac(1))
    wait_for(lambda: len(packets(path)) == 3, what='the third')
    assert [kind for kind, _ in blocks(path)] == [0x0a0d0d0a, 1, 6, 6, 0x0a0d0d0a, 1, 6]
    if shutil.which('tshark'):
        assert run('tshark', '-nr', path, '-T', 'fields', '-e', 'eth.dst').stdout.split() == [lab.mac(1), lab.mac(0), lab.mac(1)]


def test_a_file_that_was_cut_short_is_mended_but_under_nobody(lab, mirror, box):
    path = box / 'cap'
    mirror(f'add m from vf @ 0 to file {path}')
    for _ in range(3):
        lab.send(0, lab.mac(1))
    wait_for(lambda: len(packets(path)) == 3, what='the packets in the file')
    os.truncate(path, path.stat().st_size - 30)  # as kill -9 in a write would
    size = path.stat().st_size
    mirror(f'add other from vf @ 1 to file {path}')  # m might be writing: nothing is cut off
    assert path.stat().st_size > size
    for name in 'm', 'other':
        mirror(f'del {name}')
    os.truncate(path, size)
    mirror(f'add m from vf @ 0 to file {path}')
    lab.send(0, lab.mac(1))
    wait_for(lambda: len(packets(path)) == 3, what='the packet of the next life')
    assert [kind for kind, _ in blocks(path)] == [0x0a0d0d0a, 1, 6, 6, 0x0a0d0d0a, 1, 6]


def test_a_full_disk_costs_copies_and_nothing_else(lab, mirror, box):
    path = box / 'cap'
    mirror(f'add m from vf @ 0 to file {path}')
    lab.send(0, lab.mac(1))
    wait_for(lambda: len(packets(path)) == 1, what='a packet in the file')
    (box / 'rest').write_bytes(bytes((os.statvfs(box).f_bavail) * os.statvfs(box).f_bsize))
    sent = 1
    while counts(lab)[1] == 0:
        assert lab.who(0, lab.mac(1), size=1400) == [1]
        sent += 1
        assert sent < 20
    wait_for(lambda: sum(counts(lab)) == sent, what='all counted')
    assert len(packets(path)) == counts(lab)[0]
    assert 'takes no more' in lab.swd.log.read_text()
    (box / 'rest').unlink()
    lab.send(0, lab.mac(1))
    wait_for(lambda: len(packets(path)) == counts(lab)[0] and sum(counts(lab)) == sent + 1, what='a packet more')


def test_local_refusals_name_the_word(lab, mirror, box):
    (box / 'text').write_text('hello')
    for line, says in {
        'to tap': 'not complete', 'to tap a/b': '"a/b" is no interface name', 'to tap interface-name-too-long': 'longer', f'to tap {lab.pf}': lab.pf,
        'to file': 'not complete', 'to file cap': '"cap"', 'to file /nowhere/cap': '/nowhere/cap', f'to file {box}/text': 'no pcapng',
        f'to file {box}': str(box), 'to file /dev/null': '/dev/null', 'to tap x id 5': 'id does not go',
    }.items():
        done = mirror(f'add m from vf @ 0 {line}', check=False)
        assert done.returncode in (1, 255) and says in done.stderr, f'{line}: {done.stderr}'
    assert lab.swd.call('mirror.list') == [] and (box / 'text').read_text() == 'hello'
