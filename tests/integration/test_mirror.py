# SPDX-License-Identifier: Apache-2.0
"""Mirrors through the real switch: what is copied, how much of it, where to, and what is refused."""
import socket

import pytest
from conftest import CtlError
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


def test_directions_are_the_vms(lab, mirror):
    mirror('add m from vf @ 0 out to vf @ 5')
    assert lab.who(0, lab.mac(1)) == [1, EAR]
    assert lab.who(1, lab.mac(0)) == [0]
    mirror('set m in')
    assert lab.who(0, lab.mac(1)) == [1]
    assert lab.who(1, lab.mac(0)) == [0, EAR]
    assert lab.who(WIRE, lab.mac(0)) == [0, EAR]
    assert lab.who(0, lab.mac(1), src=STRANGER) == []  # not accepted, so not mirrored
    assert counts(lab) == (3, 0)


def test_the_wire_and_the_host_interface_are_sources(lab, mirror):
    mirror('add m from uplink @ out to vf @ 5')
    assert lab.who(0, STRANGER) == [EAR, WIRE]
    assert lab.who(0, lab.mac(1)) == [1]
    assert lab.who(WIRE, lab.mac(0)) == [0]
    mirror('set m in')
    assert lab.who(0, STRANGER) == [WIRE]
    assert lab.send(WIRE, lab.mac(0), tags=tag(7)) == {0: [tag(7)], EAR: [tag(7)]}
    host = lab.info()['config']['mac']
    mirror('set m from pf @ both')
    assert lab.who(0, host) == [EAR, HOST]
    assert lab.who(HOST, lab.mac(0), src=host) == [0, EAR]
    assert lab.who(WIRE, lab.mac(0)) == [0]


def test_a_vlan_is_seen_whole_with_its_tag_each_frame_once(lab, mirror):
    lab.vf(0, vlan=100, qos=3)
    lab.vf(1, vlan=100)
    lab.vf(EAR, trunk='none')
    mirror('add m from vlan @ 100 to vf @ 5')
    assert lab.send(0, lab.mac(1)) == {1: [b''], EAR: [tag(100, 3)]}
    assert lab.send(0, BCAST)[EAR] == [tag(100, 3)]
    assert lab.send(WIRE, lab.mac(0), tags=tag(100)) == {0: [b''], EAR: [tag(100)]}
    assert EAR not in lab.send(2, lab.mac(3))
    mirror('set m in')
    assert lab.who(0, lab.mac(1)) == [1]
    assert lab.who(WIRE, lab.mac(0), tags=tag(100)) == [0, EAR]
    mirror('set m from vf @ 0 both')
    assert lab.send(0, lab.mac(1)) == {1: [b''], EAR: [b'']}  # as the VM sees it


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
    assert len(lab.send(0, lab.mac(1))[EAR]) == 1


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


def test_full_destination_is_counted_and_the_source_loses_nothing(lab, mirror):
    lab.swd.call('vf.detach', pf=lab.pf, vf=EAR)
    mirror('add m from vf @ 0 to vf @ 5')
    assert lab.who(0, lab.mac(1)) == [1]
    assert counts(lab) == (0, 1)


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
        'add o from vf @ 3 snap 99999 to vf @ 4': '99999', 'add o from vf @ 3 out in to vf @ 4': '"in"', 'add o from vf @ 3': 'not complete',
        'add o to vf @ 3': 'not complete', 'add o from port @ 3 to vf @ 4': '"port"', 'add o from vf @ 3 to wall': '"wall"',
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
