# SPDX-License-Identifier: Apache-2.0
"""The switching rules through the real switch: raw frames into taps, an uplink, and out again.

One PF with taps on its VFs and a veth pair as its wire; each test sends frames and asks who heard
them. The numbers are those of docs/conformance.md.
"""
import contextlib
import fcntl
import itertools
import json
import os
import select
import signal
import socket
import struct
import threading

import pytest
from conftest import CtlError, Netns, Swd, need_root, unique, wait_for

BCAST = 'ff:ff:ff:ff:ff:ff'
STRANGER = '02:77:00:00:00:01'
ETHERTYPE = 0x88b5  # local experimental
WIRE, HOST = 'wire', 'host'
SIOCGIFFLAGS, IFF_RUNNING = 0x8913, 0x40
SOL_PACKET, PACKET_AUXDATA, TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID = 263, 8, 0x10, 0x40

_serial = itertools.count(1)


def mac(text):
    return bytes.fromhex(text.replace(':', ''))


def tag(vid, pcp=0, tpid=0x8100):
    return struct.pack('!HH', tpid, pcp << 13 | vid)


class Port:
    """A raw socket that hears what its netdev receives, tags restored."""

    def __init__(self, ns, dev):
        self.dev = dev
        self.sock = ns.packet_socket(dev)
        self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.sock.setblocking(False)

    def running(self):
        """Whether the kernel sends through it: it follows carrier later, and drops what comes before."""
        flags = fcntl.ioctl(self.sock, SIOCGIFFLAGS, struct.pack('16sH14x', self.dev.encode(), 0))
        return struct.unpack('16sH14x', flags)[1] & IFF_RUNNING

    def read(self):
        """All frames that wait; none of a netdev that is down or gone."""
        got = []
        with contextlib.suppress(OSError):
            while True:
                data, aux, _, _ = self.sock.recvmsg(70000, 64)
                status, _, _, _, _, tci, tpid = struct.unpack('=IIIHHHH', aux[0][2])
                if status & TP_STATUS_VLAN_VALID:
                    tpid = tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100
                    data = data[:12] + struct.pack('!HH', tpid, tci) + data[12:]
                got.append(data)
        return got


class Lab:
    """A switch and one PF: VFs 0..5 on taps, a host interface, a wire into this namespace."""

    VFS = 6

    def __init__(self, swd):
        self.swd, self.ns = swd, swd.ns
        self.pf = unique('v')
        self.inner, self.outer = unique('vei'), unique('veo')
        self.ns.run('ip', 'link', 'add', self.inner, 'type', 'veth', 'peer', 'name', self.outer)
        for dev in self.inner, self.outer:
            self.quiet(dev)
        swd.call('pf.add', name=self.pf, numvfs=self.VFS, uplink='dev', uplink_arg=self.inner,
                 host_if=True)
        self.ports = {WIRE: Port(self.ns, self.outer)}
        for vf in range(self.VFS):
            self.plug(vf)
        self.quiet(self.pf)
        self.ports[HOST] = Port(self.ns, self.pf)
        for vf in range(self.VFS):
            self.vf(vf, mac=self.mac(vf))
        wait_for(lambda: self.info()['status']['carrier'], what='carrier')

    def plug(self, vf):
        """Give a VF that has none a tap, a new one."""
        name = unique('vet')
        self.swd.call('vf.attach', pf=self.pf, vf=vf, kind='tap', tap=name)
        self.quiet(name)
        if vf in self.ports:
            self.ports[vf].sock.close()
        self.ports[vf] = Port(self.ns, name)

    def quiet(self, dev):
        """Up, and no frames of its own."""
        self.ns.run('ip', 'link', 'set', dev, 'multicast', 'off', 'arp', 'off', 'up')

    @staticmethod
    def mac(vf):
        return f'02:00:00:00:01:{vf:02x}'

    def wait_running(self, *vfs):
        """Until the kernel sends through the taps again: it follows carrier within a second."""
        for vf in vfs:
            show = ('ip', 'link', 'show', self.ports[vf].dev)
            wait_for(lambda: 'state DOWN' not in self.ns.run(*show).stdout, what=f'tap of vf {vf}')

    def info(self):
        return self.swd.call('pf.get', pf=self.pf, vfs=False)

    def vf(self, n, **words):
        self.swd.call('pf.set', pf=self.pf, vfs=[{'vf': n, 'set': words}])

    def set(self, **words):
        self.swd.call('pf.set', pf=self.pf, set=words)

    def filter(self, n, main=None, **words):
        self.swd.call('vf.filter', pf=self.pf, vf=n,
                      filter={'main_mac': main or self.mac(n), 'macs': [], 'mcasts': [],
                              'promisc': False, 'allmulti': False, **words})

    def status(self, n):
        return self.swd.vf(self.pf, n)['status']

    def drops(self, n, reason):
        return self.swd.vf(self.pf, n)['stats']['drops'][reason]

    def last(self, n, reason):
        """(count, header of the last one) of a VF's drops for a reason."""
        drops = {d['reason']: d for d in self.swd.call('vf.drops', pf=self.pf, vf=n)['drops']}
        return drops[reason]['count'], drops[reason].get('last')

    def handled(self, port):
        """Frames of a port that the switch has dealt with, one way or another."""
        if port == WIRE:
            stats = self.info()['status']['uplink']
            return stats['rx_packets'] + sum(stats['drops'].values())
        if port == HOST:
            stats = self.info()['status']['host']
        else:
            stats = self.swd.vf(self.pf, port)['stats']
        return stats['tx_packets'] + sum(stats['drops'].values())

    def send(self, port, dst, src=None, tags=b'', size=60):
        """Send one frame from a port; {port: [tags it came with]} of all who heard it."""
        mark = struct.pack('!HI', ETHERTYPE, next(_serial))
        src = src or (STRANGER if port == WIRE else self.mac(port))
        wait_for(self.ports[port].running, what=f'{self.ports[port].dev} to run')
        before = self.handled(port)
        for p in self.ports.values():
            p.read()
        self.ports[port].sock.send((mac(dst) + mac(src) + tags + mark).ljust(size, b'\0'))
        wait_for(lambda: self.handled(port) > before, 5, 'the frame in the switch')
        heard, socks = {}, {p.sock: name for name, p in self.ports.items()}
        while ready := select.select(list(socks), [], [], 0.03)[0]:
            for name in map(socks.get, ready):
                for data in self.ports[name].read():
                    at = data.find(mark)
                    if at >= 12 and data[:12] == mac(dst) + mac(src):
                        heard.setdefault(name, []).append(data[12:at])
        return heard

    def who(self, *args, **kw):
        """Names of those who heard the frame, VFs first."""
        return sorted(self.send(*args, **kw), key=str)

    def close(self):
        for p in self.ports.values():
            p.sock.close()
        for vf in range(self.VFS):
            self.swd.call('vf.release', pf=self.pf, vf=vf)
        self.swd.call('pf.del', pf=self.pf)
        self.ns.run('ip', 'link', 'del', self.outer)


@pytest.fixture(scope='module')
def switch(tmp_path_factory):
    """A switch in a namespace of its own, where no other program sends anything."""
    need_root()
    made = Swd(tmp_path_factory.mktemp('veb'))
    made.ns = Netns()
    with made.ns.inside():
        made.start()
    yield made
    made.stop()
    made.ns.delete()


@pytest.fixture
def lab(switch):
    made = Lab(switch)
    yield made
    made.close()


def test_01_two_vfs_of_one_mac_both_receive(lab):
    lab.vf(3, mac=lab.mac(2))
    assert lab.who(0, lab.mac(2)) == [2, 3]
    assert lab.who(WIRE, lab.mac(2)) == [2, 3]
    assert lab.who(2, lab.mac(2)) == [3]
    # nor is the only one that has it echoed, whichever way the frame goes
    assert lab.who(0, lab.mac(0)) == lab.who(0, lab.mac(0), tags=tag(7)) == [] and lab.drops(0, 'no_destination') == 2
    lab.vf(2, vlan=7)
    lab.vf(3, vlan=8)
    assert [lab.who(0, lab.mac(2), tags=tag(vid)) for vid in (7, 8, 9)] == [[2], [3], [WIRE]]  # one in each network


def test_01_founding_recipe_on_a_bare_switch(lab):
    near = '02:00:00:00:01:f3'
    assert lab.who(2, BCAST, src=lab.mac(3)) == []  # spoof check is on
    lab.set(up=False)
    lab.vf(2, mac=lab.mac(3))
    lab.vf(2, spoofchk=False)
    lab.set(up=True)
    lab.wait_running(2)
    lab.send(2, BCAST, src=lab.mac(3))
    wait_for(lambda: lab.status(2)['n_accepted'], what='the guest address')
    lab.vf(2, mac=near)
    assert lab.who(0, lab.mac(3)) == [2, 3]
    assert lab.who(0, near) == [2]
    assert lab.swd.cli('link', 'show', lab.pf).stderr == (
        f'Warning: {lab.pf}: MAC {lab.mac(3)} belongs to vf 2 and vf 3: each gets the frames of all.'
        ' To copy traffic, see anyvf mirror help.\n')
    lab.swd.call('vf.release', pf=lab.pf, vf=2)
    assert lab.who(0, lab.mac(3)) == [3]


def test_02_03_unknown_unicast_goes_to_the_wire_or_the_default_port(lab):
    assert lab.who(0, STRANGER) == [WIRE]
    assert lab.who(WIRE, '02:77:00:00:00:99') == [HOST]
    assert lab.send(0, STRANGER, tags=tag(9)) == {WIRE: [tag(9)]}
    lab.vf(1, trust=True)
    lab.filter(1, promisc=True)
    assert lab.who(0, STRANGER) == lab.who(0, STRANGER, tags=tag(9)) == [WIRE]  # what is unmatched is so on the wire
    lab.filter(1)
    assert lab.send(WIRE, '02:77:00:00:00:99', tags=tag(9)) == {HOST: [tag(9)]}
    lab.set(host_if=False)
    assert lab.who(WIRE, '02:77:00:00:00:99') == [] and lab.info()['status']['uplink']['drops']['no_destination'] == 1
    lab.set(uplink='none')
    assert lab.who(0, STRANGER) == []
    assert lab.drops(0, 'no_destination') == 1
    lab.set(uplink='dev', uplink_arg=lab.inner)


def test_02_unknown_unicast_reaches_the_host_interface_too_where_it_asks(lab):
    def unknown(where):
        lab.swd.cli('pf', 'set', lab.pf, 'unknown-unicast', where)
        assert lab.info()['config']['unknown_unicast'] == where
        assert f'unknown-unicast {where}' in lab.swd.cli('pf', 'show', lab.pf).stdout
    lab.vf(2, vlan=7)
    unknown('both')
    assert lab.send(0, STRANGER) == {WIRE: [b''], HOST: [b'']}
    assert lab.send(0, STRANGER, tags=tag(9)) == lab.send(0, STRANGER, tags=tag(9)) == {WIRE: [tag(9)], HOST: [tag(9)]}
    assert lab.send(2, STRANGER) == {WIRE: [tag(7)], HOST: [tag(7)]}
    assert lab.who(0, lab.mac(1)) == [1]
    assert lab.who(HOST, STRANGER, src=lab.info()['config']['mac']) == [WIRE]
    assert lab.who(WIRE, '02:77:00:00:00:99') == [HOST]
    lab.set(uplink='none')
    assert lab.who(0, STRANGER) == [HOST] and lab.drops(0, 'no_destination') == 0
    unknown('uplink')
    assert lab.who(0, STRANGER) == [] and lab.drops(0, 'no_destination') == 1
    lab.set(uplink='dev', uplink_arg=lab.inner)
    wait_for(lambda: lab.info()['status']['carrier'], what='carrier')
    lab.wait_running(0)
    lab.set(mode='vepa', unknown_unicast='both')
    assert lab.who(0, STRANGER) == [WIRE]
    bad = lab.swd.cli('pf', 'set', lab.pf, 'unknown-unicast', 'all', check=False)
    assert bad.returncode and 'unknown_unicast' in bad.stderr and 'uplink' in bad.stderr and 'both' in bad.stderr


def test_02_a_vf_reaches_what_a_bridge_on_the_host_interface_has(lab, netns):
    """A bridge with the host interface and a namespace, whose address the PF was never told."""
    guest, behind, name, veth, peer = netns(), netns(), unique('vbr'), unique('vbi'), unique('vbo')
    for words in (f'ip link add {name} type bridge mcast_snooping 0',
                  f'ip link add {veth} type veth peer name {peer} netns {behind.name}',
                  f'ip link set {lab.pf} master {name}', f'ip link set {veth} master {name}',
                  f'ip link set {name} up', f'ip link set {veth} up'):
        lab.ns.run(*words.split())
    behind.run('ip', 'link', 'set', peer, 'up')
    behind.run('ip', 'addr', 'add', '192.0.2.2/24', 'dev', peer)
    lab.swd.call('vf.release', pf=lab.pf, vf=5)
    lab.vf(5, mac=lab.mac(5))
    lab.swd.attach_tap(lab.pf, 5, ns=guest, addr='192.0.2.1/24', mac=lab.mac(5))
    assert not guest.ping('192.0.2.2', count=1, wait=1)
    foreign = behind.run('cat', f'/sys/class/net/{peer}/address').stdout.strip()
    assert foreign in guest.run('ip', 'neigh').stdout  # asked by broadcast; what follows went to the wire
    lab.set(unknown_unicast='both')
    assert guest.ping('192.0.2.2')
    lab.set(unknown_unicast='uplink')
    assert not guest.ping('192.0.2.2', count=1, wait=1)
    lab.ns.run('ip', 'link', 'del', name)


def test_04_broadcast_reaches_the_vlan_but_the_sender(lab):
    lab.vf(3, trunk='7,9')
    lab.vf(4, vlan=7)
    lab.vf(5, trunk='none')
    assert lab.who(0, BCAST) == [1, 2, 3, 5, HOST, WIRE]
    assert lab.who(WIRE, BCAST) == [0, 1, 2, 3, 5, HOST]
    assert lab.who(0, BCAST, tags=tag(7)) == [1, 2, 3, 4, HOST, WIRE]
    assert lab.who(0, BCAST, tags=tag(8)) == [1, 2, HOST, WIRE]
    assert lab.who(WIRE, BCAST, tags=tag(7)) == [0, 1, 2, 3, 4, HOST]
    assert lab.who(4, BCAST) == [0, 1, 2, 3, HOST, WIRE]  # of its VLAN


def test_05_multicast_reaches_who_joined_or_hears_all(lab):
    group, other = '01:00:5e:01:02:03', '01:00:5e:01:02:04'
    assert lab.who(0, group) == [1, 2, 3, 4, 5, HOST, WIRE]  # nobody told what their guests joined
    lab.filter(0)
    lab.filter(1, mcasts=[group])
    lab.filter(2, mcasts=[other])
    lab.filter(3, allmulti=True)
    lab.filter(4, mcasts=[group])
    lab.vf(4, vlan=7)
    lab.filter(5)
    assert lab.who(0, group) == [1, HOST, WIRE] and lab.drops(3, 'multicast_refused') == 1  # to hear all takes a right
    lab.vf(3, learning=2)  # a bridge's port joins nothing for who is behind it
    assert lab.who(0, group) == [1, 3, HOST, WIRE] and lab.status(3)['allmulti']
    lab.vf(3, trust=True, learning=0)
    assert lab.who(0, group) == [1, 3, HOST, WIRE] and lab.drops(3, 'multicast_refused') == 1
    assert lab.who(WIRE, group) == [1, 3, HOST]
    assert lab.who(WIRE, group, tags=tag(7)) == [1, 3, 4, HOST]
    assert lab.who(1, other) == [2, 3, HOST, WIRE]
    assert lab.who(0, '01:00:5e:01:02:05') == [3, HOST, WIRE]
    lab.filter(1)
    lab.vf(3, trust=False)
    assert lab.who(0, group) == [HOST, WIRE]
    assert lab.who(0, BCAST) == [1, 2, 3, 5, HOST, WIRE]


def test_06_07_port_vlan_is_inserted_and_stripped(lab):
    lab.vf(0, vlan=100, qos=5)
    lab.vf(1, vlan=100)
    assert lab.send(0, lab.mac(1)) == {1: [b'']}
    assert lab.send(0, STRANGER) == {WIRE: [tag(100, 5)]}
    assert lab.send(WIRE, lab.mac(0), tags=tag(100, 3)) == {0: [b'']}
    assert lab.send(2, lab.mac(0), tags=tag(100, 3)) == {0: [b'']}
    assert lab.send(0, lab.mac(2)) == {2: [tag(100, 5)]}
    assert lab.send(0, BCAST) == {1: [b''], **{who: [tag(100, 5)] for who in (2, 3, 4, 5, HOST, WIRE)}}
    assert lab.send(WIRE, BCAST, tags=tag(100, 3)) == {0: [b''], 1: [b''], **{who: [tag(100, 3)] for who in (2, 3, 4, 5, HOST)}}
    # never untagged, nor of another VLAN
    assert lab.who(WIRE, lab.mac(0)) == [HOST]
    assert lab.who(WIRE, lab.mac(0), tags=tag(0, 3)) == [HOST]
    assert lab.who(WIRE, lab.mac(0), tags=tag(101)) == [HOST]
    assert lab.who(WIRE, lab.mac(0), tags=tag(100, tpid=0x88a8)) == [HOST]
    assert lab.who(2, lab.mac(0)) == [WIRE]
    assert lab.drops(0, 'vlan') == 5
    assert lab.who(WIRE, BCAST) == [2, 3, 4, 5, HOST]
    assert lab.who(2, '01:00:5e:01:02:03') == [3, 4, 5, HOST, WIRE]


def test_08_service_vlan_leaves_the_customer_tag(lab):
    lab.vf(0, vlan=100, qos=4, proto='802.1ad')
    lab.vf(1, vlan=100, proto='802.1ad')
    lab.vf(2, vlan=100)
    service = tag(100, 4, 0x88a8)
    assert lab.send(0, STRANGER, tags=tag(5, 6)) == {WIRE: [service + tag(5, 6)]}
    assert lab.send(0, STRANGER) == {WIRE: [service]}
    assert lab.send(0, BCAST, tags=tag(5, 6)) == {1: [tag(5, 6)], **{who: [service + tag(5, 6)] for who in (3, 4, 5, HOST, WIRE)}}
    assert lab.send(0, lab.mac(1), tags=tag(5, 6)) == {1: [tag(5, 6)]}
    assert lab.send(WIRE, lab.mac(1), tags=tag(100, 3, 0x88a8) + tag(5, 6)) == {1: [tag(5, 6)]}
    assert lab.send(WIRE, lab.mac(1), tags=tag(100, tpid=0x88a8)) == {1: [b'']}
    assert lab.who(WIRE, lab.mac(1), tags=tag(100)) == [HOST]  # the customer's, not ours
    assert lab.who(0, lab.mac(1), tags=tag(5, tpid=0x88a8)) == [] and lab.drops(0, 'spoof_vlan') == 1


def test_09_guest_tags_are_held_to_port_vlan_and_trunk(lab):
    lab.vf(0, vlan=100)
    lab.vf(1, trunk='none')
    lab.vf(2, trunk='10,20')
    assert lab.who(0, BCAST, tags=tag(5)) == []
    assert lab.who(0, BCAST, tags=tag(100)) == []  # not even its own
    assert lab.send(0, STRANGER, tags=tag(0, 3)) == {WIRE: [tag(100)]}
    assert lab.who(1, BCAST, tags=tag(5)) == []
    assert lab.who(1, BCAST, tags=tag(0, 3)) != []  # a priority tag is no VLAN
    assert lab.who(2, STRANGER, tags=tag(10)) == [WIRE]
    assert lab.who(2, STRANGER, tags=tag(11)) == []
    assert [lab.drops(n, 'spoof_vlan') for n in (0, 1, 2)] == [2, 1, 1]
    for spoofchk in True, False:  # that is about addresses: VLANs are held in any case
        lab.vf(0, spoofchk=spoofchk)
        for dst in BCAST, STRANGER, lab.mac(3):
            assert lab.who(0, dst, tags=tag(5)) == lab.who(0, dst, tags=tag(100)) == []
    assert lab.who(1, STRANGER, tags=tag(0, 3) + tag(5)) == []  # nor is one smuggled below a priority tag
    for dst in BCAST, STRANGER, lab.mac(4):
        assert lab.who(3, dst, tags=tag(4095)) == []  # reserved
    assert [lab.drops(n, 'spoof_vlan') for n in (0, 1, 2, 3)] == [14, 2, 1, 3]


def test_09_trunk_lists_are_added_to_and_removed_from(lab):
    def trunk(*words):
        return lab.swd.cli('vf', 'set', lab.pf, 2, *words)

    def passes():
        return [vid for vid in (10, 20, 25, 30) if lab.who(2, STRANGER, tags=tag(vid))]

    assert passes() == [10, 20, 25, 30]
    trunk('trunk', 'add', '10')  # to a trunk of any tags: a list of this one
    assert passes() == [10]
    trunk('trunk', 'add', '20-30', 'trunk', 'rem', '25')
    assert passes() == [10, 20, 30]
    assert lab.who(0, lab.mac(2), tags=tag(25)) == [WIRE] and lab.who(0, lab.mac(2), tags=tag(30)) == [2]
    assert lab.who(0, BCAST, tags=tag(10)) == [1, 2, 3, 4, 5, HOST, WIRE]
    assert lab.who(0, BCAST, tags=tag(25)) == [1, 3, 4, 5, HOST, WIRE]
    trunk('vlan', '0')  # no port VLAN is not: no trunk
    assert passes() == [10, 20, 30]
    assert 'trunk 10,20-24,26-30' in lab.swd.cli('vf', 'show', lab.pf, 2).stdout
    trunk('trunk', 'rem', '1-4094')
    assert passes() == [] and lab.who(2, STRANGER) == [WIRE]
    trunk('trunk', 'any')
    refused = lab.swd.cli('vf', 'set', lab.pf, 2, 'trunk', 'rem', '10', check=False)
    assert (refused.returncode, refused.stderr) == (
        1, f'Error: {lab.pf} vf 2: trunk rem: the trunk is unset and lets any tag pass; set a list first.\n')


def test_09_native_vlan_is_untagged_at_the_guest(lab):
    lab.swd.cli('vf', 'set', lab.pf, 0, 'trunk', 'add', '10', 'native', '5')
    lab.vf(1, native=5)
    lab.vf(2, vlan=5)
    for there in lab.mac(1), lab.mac(2):
        assert list(lab.send(0, there).values()) == [[b'']]
    assert lab.send(0, STRANGER) == {WIRE: [tag(5)]}
    assert lab.send(0, STRANGER, tags=tag(0, 3)) == {WIRE: [tag(5, 3)]}
    assert lab.send(0, STRANGER, tags=tag(5, 2)) == {WIRE: [tag(5, 2)]}
    assert lab.send(0, STRANGER, tags=tag(10)) == {WIRE: [tag(10)]}
    assert lab.who(0, STRANGER, tags=tag(11)) == [] and lab.drops(0, 'spoof_vlan') == 1
    assert lab.send(WIRE, lab.mac(0), tags=tag(5, 4)) == {0: [b'']}
    assert lab.send(WIRE, lab.mac(0), tags=tag(10)) == {0: [tag(10)]}
    assert lab.who(WIRE, lab.mac(0)) == [HOST] and lab.drops(0, 'vlan') == 1  # what is untagged is not its own
    assert lab.send(WIRE, lab.mac(0), tags=tag(5) + tag(10)) == {0: [tag(5) + tag(10)]}  # is not made one of VLAN 10
    heard = lab.send(0, BCAST)
    assert heard == {1: [b''], 2: [b''], **{who: [tag(5)] for who in (3, 4, 5, HOST, WIRE)}}
    assert lab.who(3, BCAST) == [4, 5, HOST, WIRE]
    assert 'trunk 10, native 5' in lab.swd.cli('vf', 'show', lab.pf, 0).stdout
    for words in ({'vlan': 7}, {'native': 7, 'vlan': 7}):
        with pytest.raises(CtlError, match=r'vf 0: native \d and vlan 7 exclude each other'):
            lab.vf(0, **words)
    lab.swd.cli('vf', 'set', lab.pf, 0, 'native', 'none')
    assert lab.send(0, STRANGER) == {WIRE: [b'']}


def test_10_no_guest_sends_flow_control(lab):
    for words in dict(), dict(spoofchk=False, trust=True), dict(vlan=9), dict(vlan=9, proto='802.1ad'):
        lab.vf(0, **words)
        for tags in b'', tag(0, 5), tag(7), tag(7, tpid=0x88a8), tag(9, tpid=0x88a8) + tag(0), tag(1) + tag(2) + tag(3):
            before = lab.drops(0, 'flow_control')
            pause = b'\x88\x08\0\1\xff\xff'
            assert lab.who(0, '01:80:c2:00:00:01', tags=tags + pause) == lab.who(0, lab.mac(1), tags=tags + pause) == []
            assert lab.drops(0, 'flow_control') == before + 2
    assert lab.last(0, 'flow_control')[1]['length'] == 60


def test_10_spoof_check(lab):
    assert lab.who(0, BCAST, src=lab.mac(1)) == []
    assert lab.who(0, lab.mac(2), src=STRANGER) == []
    assert lab.who(0, BCAST, src=STRANGER, tags=tag(7)) == lab.who(0, lab.mac(2), src=lab.mac(1), tags=tag(7)) == []
    assert lab.drops(0, 'spoof_mac') == 4
    lab.vf(0, spoofchk=False)
    assert lab.who(0, lab.mac(2), src=STRANGER) == lab.who(0, lab.mac(2), src=STRANGER, tags=tag(7)) == [2]
    assert lab.drops(0, 'spoof_mac') == 4
    lab.vf(0, spoofchk=True)
    assert lab.who(0, lab.mac(2), src=lab.mac(1)) == []


def test_11_12_administrative_mac_holds_the_guest(lab):
    own = '02:00:00:00:02:01'
    more = [f'02:00:00:00:02:{n:02x}' for n in range(2, 22)]

    def said():
        return [line.split(f'pf={lab.pf} ')[1] for line in lab.swd.log.read_text().splitlines() if f'pf={lab.pf} vf=' in line]

    def passes():
        """Whether the guest is reached by its own MAC, and may send from it."""
        return lab.who(0, own) == [1], lab.who(1, lab.mac(0), src=own) == [0]
    lab.filter(1, main=own)
    lab.filter(1, main=own, promisc=True, allmulti=True)
    lab.filter(1, main=own)
    assert said() == [f'vf=1 what={what}' for what in (own, 'allmulti', 'promisc')]  # each once
    lab.filter(1, main=own, macs=more)
    assert len(said()) == 16 and said()[-1] == f'vf=1 what={more[12]}: more is not said of this VF'
    lab.filter(1, main=own)
    assert lab.status(1)['refused'] == [own]
    assert passes() == (False, False) and lab.who(0, own) == [WIRE] and lab.drops(1, 'spoof_mac') == 1
    assert lab.who(0, lab.mac(1)) == [1] and lab.who(1, lab.mac(0)) == [0]
    lab.vf(1, trust=True)
    assert passes() == (True, True) and lab.who(1, lab.mac(0), src=lab.mac(2)) == []  # it did not ask for that
    lab.vf(1, trust=False)
    assert passes() == (False, False) and lab.who(0, own) == [WIRE]
    lab.vf(1, mac='00:00:00:00:00:00')
    assert passes() == (True, True)
    assert lab.who(0, lab.mac(1)) == [WIRE] and lab.who(1, lab.mac(0), src=lab.mac(1)) == []
    lab.filter(1, main=own, macs=more)  # without trust 18 in all
    assert [lab.who(0, m) for m in more[16:18]] == [[1], [WIRE]] and lab.status(1)['n_refused'] == 3
    lab.vf(1, trust=True)
    assert [lab.who(0, m) for m in more[16:]] == [[1]] * 4


def test_12_a_vf_without_mac_takes_its_newest_source(lab):
    own, newer = '02:00:00:00:03:01', '02:00:00:00:03:02'
    lab.vf(1, mac='00:00:00:00:00:00')

    def takes(source):
        assert lab.who(1, BCAST, src=source) == [0, 2, 3, 4, 5, HOST, WIRE]
        return lab.status(1)['accepted'] == [source]
    for source, before in (own, STRANGER), (newer, own):
        wait_for(lambda source=source: takes(source), what='the learned address')  # a second after the one before
        assert lab.who(0, source) == [1] and lab.who(0, before) == [WIRE]


def test_12_what_is_somebodys_by_right_is_no_guests(lab):
    lab.swd.call('svc.add', pf=lab.pf, name=unique('ves'), vlan=0)
    owned = {lab.info()['config']['mac']: [HOST], lab.mac(1): [1], '02:00:00:00:01:fe': [2, 3],
             **{svc['mac']: [] for svc in lab.swd.call('svc.list')}}
    for vf in 2, 3:
        lab.vf(vf, allowed='02:00:00:00:01:fe')  # as of a router that moves
    lab.vf(0, mac='00:00:00:00:00:00')
    lab.vf(4, mac='00:00:00:00:00:00')
    for address, owners in owned.items():
        assert lab.who(5, address) == owners
        lab.send(0, BCAST, src=address)
        wait_for(lambda: address in lab.status(0)['refused'], what='the refusal')
        lab.filter(4, main=address)
        assert lab.status(4)['refused'] == [address] and lab.who(5, address) == owners
    assert not lab.status(0)['accepted'] and not lab.status(4)['accepted']
    lab.filter(4, main=STRANGER)
    assert lab.who(5, STRANGER) == [4]
    lab.vf(3, allowed=STRANGER)
    assert lab.who(5, STRANGER) == [3] and lab.status(4)['refused'] == [STRANGER]
    for svc in lab.swd.call('svc.list'):
        lab.swd.call('svc.del', pf=lab.pf, name=svc['name'])


def test_12_what_is_heard_of_late_is_not_the_next_users(lab):
    """Addresses that a guest told by its frames go with its attachment, judged yet or not."""
    lab.vf(1, mac='00:00:00:00:00:00')
    for n in range(4000):
        lab.ports[1].sock.send(mac(BCAST) + struct.pack('!HI', 0x0277, n) + bytes(48))
    lab.swd.call('vf.release', pf=lab.pf, vf=1)
    lab.vf(2, mac='00:00:00:00:00:00')

    def told():
        lab.send(2, BCAST, src=STRANGER)
        return lab.status(2)['accepted'] == [STRANGER]
    wait_for(told, what='what was said later')
    assert lab.status(1)['accepted'] == []


def test_10_11_allowed_addresses_need_no_trust(lab):
    """A floating address of VRRP: both VFs may use it, and frames for it reach both."""
    shared, other = '00:00:5e:00:01:07', '00:00:5e:00:01:08'
    for vf in 0, 1:
        assert lab.who(vf, BCAST, src=shared) == []
        lab.swd.cli('vf', 'set', lab.pf, vf, 'allowed', 'add', shared)
    assert lab.who(0, lab.mac(2), src=shared) == [2] and lab.who(0, lab.mac(2), src=other) == []
    assert lab.who(2, shared) == lab.who(WIRE, shared) == [0, 1]
    assert lab.who(0, shared) == [1]
    lab.swd.cli('vf', 'set', lab.pf, 0, 'allowed', 'add', f'{other},{lab.mac(3)}', 'allowed', 'rem', shared)
    assert lab.who(2, other) == [0] and lab.who(2, shared) == [1] and lab.who(0, BCAST, src=shared) == []
    assert f'allowed {other},{lab.mac(3)}' in lab.swd.cli('vf', 'show', lab.pf, 0).stdout
    for words, said in (('add', '02:00'), '"02:00" is no MAC'), (('01:00:5e:01:02:03',), 'allowed: 01:00:5e:01:02:03 is no address of one station'), (
            ('add', 'none'), 'list of addresses'), (('add', ','.join(f'02:00:00:00:0a:{n:02x}' for n in range(32))), 'more than 32'):
        refused = lab.swd.cli('vf', 'set', lab.pf, 0, 'allowed', *words, check=False)
        assert refused.returncode and said in refused.stderr, refused.stderr
    assert lab.swd.vf(lab.pf, 0)['config']['allowed'] == f'{other},{lab.mac(3)}'
    lab.swd.cli('vf', 'set', lab.pf, 0, 'allowed', 'none')
    assert lab.who(0, BCAST, src=other) == []


def test_11_addresses_behind_a_guest_are_learned_to_a_bound(lab):
    """A bridge in the guest: spoof check stays on, containers are reached, and only so many."""
    one, two, three = (f'02:00:00:00:09:0{n}' for n in (1, 2, 3))

    def learned(vf=0):
        return sorted(lab.status(vf)['learned'])
    lab.swd.cli('vf', 'set', lab.pf, 0, 'learning', 2)
    for n, behind in enumerate((one, two), 1):
        assert lab.who(0, lab.mac(1), src=behind) == [1]  # from its first frame
        wait_for(lambda n=n: len(learned()) == n, what='the address')
    assert lab.who(0, lab.mac(1), src=three) == [] and lab.drops(0, 'spoof_mac') == 1
    assert lab.who(0, lab.mac(1), src=lab.mac(2)) == [] and lab.drops(0, 'spoof_mac') == 2
    assert learned() == [one, two]
    assert lab.who(1, one) == lab.who(WIRE, two) == lab.who(1, lab.mac(0)) == [0]
    assert lab.who(1, three) == [WIRE]
    assert 'learning 2' in (shown := lab.swd.cli('vf', 'show', lab.pf, 0).stdout) and f'learned behind the guest {one} {two}' in shown
    lab.send(WIRE, lab.mac(1), src=one)  # it went away
    wait_for(lambda: learned() == [two], what='the address to go')
    lab.vf(1, learning=1)

    def moved():
        lab.send(1, BCAST, src=two)
        return (learned(), learned(1)) == ([], [two])
    wait_for(moved, what='the move')  # a second after it was learned, or later
    assert lab.who(2, two) == [1]
    lab.swd.cli('vf', 'set', lab.pf, 1, 'learning', 'off')
    assert learned(1) == [] and lab.who(2, two) == [WIRE]
    assert lab.who(1, BCAST, src=two) == []
    bad = lab.swd.cli('vf', 'set', lab.pf, 1, 'learning', '1025', check=False)
    assert bad.returncode and 'learning' in bad.stderr and '1024' in bad.stderr


def test_13_trust_changes_without_loss_of_link(lab):
    def changes():
        return lab.ns.run('cat', f'/sys/class/net/{lab.ports[1].dev}/carrier_changes').stdout
    group = '01:00:5e:01:02:03'
    lab.filter(1, mcasts=[group])
    lab.filter(2)
    before = changes()
    for trust in True, False, True, False:
        lab.vf(1, trust=trust)
        assert lab.status(1)['link_up']
        assert lab.who(0, lab.mac(1)) == [1] and lab.who(1, lab.mac(0)) == [0]
        assert lab.who(0, group) == [1, 3, 4, 5, HOST, WIRE]  # nor is forgotten what its guest joined
    assert changes() == before


def test_14_promiscuous_means_unmatched_only(lab):
    lab.filter(1, promisc=True)
    assert lab.who(WIRE, '02:77:00:00:00:99') == [HOST]
    lab.vf(1, trust=True)
    assert lab.who(WIRE, '02:77:00:00:00:99') == [1, HOST]
    assert lab.who(0, lab.mac(2)) == [2]
    lab.filter(3, promisc=True)
    lab.vf(3, trust=True, vlan=7)  # of its VLAN
    assert lab.who(WIRE, '02:77:00:00:00:99') == [1, HOST]
    assert lab.send(WIRE, '02:77:00:00:00:99', tags=tag(7)) == {1: [tag(7)], 3: [b''], HOST: [tag(7)]}


def test_14_promiscuous_vfs_get_what_the_operators_word_says(lab):
    """VF 1: a trusted guest that asks. Whatever it hears, senders and owners notice nothing."""
    unmatched = '02:77:00:00:00:99'

    def hears(word):
        """Whether VF 1 gets unicast of the wire for nobody, for VF 2, of VF 0 for VF 2, for the wire; from the host."""
        lab.swd.cli('vf', 'set', lab.pf, 1, 'promisc', word)
        cases = (WIRE, unmatched, [HOST]), (WIRE, lab.mac(2), [2]), (0, lab.mac(2), [2]), (0, STRANGER, [WIRE])
        heard = [lab.who(*case[:2]) for case in cases] + [lab.who(HOST, lab.mac(2), src=host)]
        assert [[w for w in who if w != 1] for who in heard] == [*(case[2] for case in cases), [2]]
        return [1 in who for who in heard], lab.status(1)['promisc']
    host = lab.info()['config']['mac']
    lab.filter(1, promisc=True)
    assert hears('true') == ([False] * 5, 'off')  # not trusted
    lab.vf(1, trust=True)
    assert hears('off') == ([False] * 5, 'off')
    assert hears('unmatched') == ([True] + [False] * 4, 'unmatched')
    assert 'promiscuous: unicast from the wire for nobody' in lab.swd.cli('vf', 'show', lab.pf, 1).stdout
    before = lab.swd.vf(lab.pf, 0)['stats'], lab.swd.vf(lab.pf, 1)['stats']['rx_packets']
    assert hears('true') == ([True] * 5, 'true')
    shown = lab.swd.cli('vf', 'show', lab.pf, 1).stdout
    assert 'promisc true' in shown and 'promiscuous: all unicast of its VLANs' in shown
    now = lab.swd.vf(lab.pf, 0)['stats'], lab.swd.vf(lab.pf, 1)['stats']['rx_packets']
    assert now[0]['tx_packets'] - before[0]['tx_packets'] == 2 and now[0]['drops'] == before[0]['drops']
    assert now[1] - before[1] == 5
    lab.filter(1)
    assert hears('true') == ([False] * 5, 'off')  # its guest does not ask
    bad = lab.swd.cli('vf', 'set', lab.pf, 1, 'promisc', 'on', check=False)
    assert bad.returncode and all(word in bad.stderr for word in ('promisc', 'off', 'unmatched', 'true'))


def test_14_truly_promiscuous_vfs_stay_in_their_vlans_and_apart(lab):
    """VFs that nobody reads filters of: the operator's word is enough, with trust."""
    lab.vf(1, promisc='true')
    assert lab.who(0, lab.mac(2)) == [2] and lab.status(1)['promisc'] == 'off'
    lab.vf(1, trust=True)
    lab.vf(3, trust=True, promisc='true', vlan=7)
    assert lab.who(0, lab.mac(2)) == [1, 2] and lab.who(1, lab.mac(2)) == [2]
    assert lab.send(0, lab.mac(2), tags=tag(7)) == {1: [tag(7)], 2: [tag(7)], 3: [b'']}
    assert lab.send(3, STRANGER) == {1: [tag(7)], WIRE: [tag(7)]}
    lab.vf(1, trunk='9')
    assert lab.send(0, lab.mac(2), tags=tag(7)) == {2: [tag(7)], 3: [b'']}
    assert lab.send(0, lab.mac(2), tags=tag(9)) == {1: [tag(9)], 2: [tag(9)]}
    lab.vf(2, mac=lab.mac(1))
    assert lab.send(0, lab.mac(1)) == {1: [b''], 2: [b'']}  # an owner, too: once
    for vf in 0, 1:
        lab.vf(vf, isolated=True)
    assert lab.who(0, lab.mac(4)) == [4] and lab.who(4, lab.mac(0)) == [0, 1]
    lab.vf(1, state='disable')
    assert lab.who(4, lab.mac(0)) == [0] and lab.drops(1, 'link_down') == 0
    lab.vf(1, state='auto', isolated=False)
    with reflected(lab):
        assert lab.who(0, lab.mac(4)) == [1, 4, WIRE]
        assert lab.who(1, lab.mac(4)) == [4, WIRE]


def test_15_closed_link_stops_both_ways_and_shows(lab):
    lab.vf(1, state='disable')
    def carrier():
        return 'NO-CARRIER' not in lab.ns.run('ip', 'link', 'show', lab.ports[1].dev).stdout
    assert not carrier()
    assert lab.who(0, lab.mac(1)) == []
    assert lab.drops(1, 'link_down') == 1
    assert lab.who(0, BCAST) == [2, 3, 4, 5, HOST, WIRE]
    lab.vf(1, state='auto')
    assert carrier()
    lab.wait_running(1)
    assert lab.who(0, lab.mac(1)) == [1]


def test_drops_stand_in_the_column_of_their_direction(lab):
    def dropped():
        shown, = json.loads(lab.swd.cli('-s', '-j', 'link', 'show', lab.pf).stdout)
        return [(s['rx']['dropped'], s['tx']['dropped']) for s in (shown['vfinfo_list'][1]['stats'], shown['stats64'])]
    lab.vf(1, state='disable')
    lab.send(0, lab.mac(1))
    assert dropped() == [(1, 0), (0, 0)]
    lab.send(WIRE, lab.mac(1))
    assert dropped() == [(2, 0), (0, 0)]
    lab.vf(1, state='auto', mtu=500)
    lab.wait_running(1)
    lab.send(0, lab.mac(1), size=1000)
    lab.send(1, lab.mac(0), src=STRANGER)
    assert dropped() == [(3, 1), (0, 0)]
    lab.set(host_if=False)
    lab.send(WIRE, STRANGER)
    assert dropped() == [(3, 1), (1, 0)]


def test_a_tap_that_is_down_is_a_driver_that_is_not_up(lab):
    lab.ns.run('ip', 'link', 'set', lab.ports[1].dev, 'down')
    lab.ports[0].sock.send(mac(lab.mac(1)) + mac(lab.mac(0)) + b'\x88\xb5' + bytes(46))
    wait_for(lambda: lab.drops(1, 'not_ready') == 1, what='the drop')
    assert lab.drops(1, 'link_down') == 0 and lab.status(1)['link_up']
    vf = json.loads(lab.swd.cli('-s', '-j', 'link', 'show', lab.pf).stdout)[0]['vfinfo_list'][1]['stats']
    assert (vf['rx']['dropped'], vf['tx']['dropped']) == (1, 0)
    lab.quiet(lab.ports[1].dev)
    lab.wait_running(1)
    assert lab.who(0, lab.mac(1)) == [1]


def test_16_enabled_links_outlive_the_pf(lab):
    lab.vf(0, state='enable')
    lab.vf(1, state='enable')
    lab.set(up=False)
    assert not lab.status(2)['link_up']
    assert lab.who(0, lab.mac(1)) == [1]
    assert lab.who(0, STRANGER) == []
    assert lab.drops(0, 'link_down') == 1
    lab.set(up=True)
    assert lab.who(0, STRANGER) == [WIRE]


def test_16_links_follow_the_wire_unless_enabled(lab):
    for n in 1, 2:
        lab.vf(n, state='enable')
    lab.ns.run('ip', 'link', 'set', lab.outer, 'down')
    wait_for(lambda: not lab.status(0)['link_up'], what='the VF link going down')
    assert lab.status(1)['link_up'] and lab.status(2)['link_up']
    assert lab.who(1, lab.mac(2)) == [2] and lab.who(2, lab.mac(1)) == [1]
    assert lab.who(1, BCAST) == [2, HOST]
    assert lab.who(1, STRANGER) == [] and lab.drops(1, 'link_down') == 1
    assert lab.who(1, lab.mac(0)) == [] and lab.drops(0, 'link_down') == 1
    lab.ns.run('ip', 'link', 'set', lab.outer, 'up')
    wait_for(lambda: lab.status(0)['link_up'], what='the VF link coming back')
    lab.wait_running(0)
    assert lab.who(0, STRANGER) == [WIRE]


def test_17_rate_limit_delays_and_drops_nothing(lab):
    lab.vf(0, max_tx_rate=5)
    sent, frame = 200, mac(lab.mac(1)) + mac(lab.mac(0)) + struct.pack('!H', ETHERTYPE)
    before = lab.swd.vf(lab.pf, 0)['stats']
    lab.ports[1].read()
    for _ in range(sent):
        lab.ports[0].sock.send(frame.ljust(1000, b'x'))
    # 200 kB at 5 Mbit/s take a third of a second; 66 kB may go at once
    assert lab.swd.vf(lab.pf, 0)['stats']['tx_packets'] < before['tx_packets'] + sent
    got = []
    wait_for(lambda: got.extend(f for f in lab.ports[1].read() if f[:14] == frame)
             or len(got) == sent, 10, 'the last frame')
    assert lab.swd.vf(lab.pf, 0)['stats']['drops'] == before['drops']


def test_19_vepa_sends_local_traffic_out_and_prunes_its_own(lab):
    for dst, who in (BCAST, [0, 1, 2, 3, 4, 5, HOST]), (lab.mac(0), [0]):  # a VEB does not: VRRP and bonding ask for their own
        assert lab.who(WIRE, dst, src=lab.mac(0)) == who
    lab.set(mode='vepa')
    assert lab.who(0, lab.mac(1)) == [WIRE]
    assert lab.who(0, BCAST) == [WIRE]
    assert lab.who(WIRE, BCAST, src=lab.mac(0)) == [1, 2, 3, 4, 5, HOST]
    assert lab.who(WIRE, lab.mac(1), src=lab.mac(0)) == [1]


@contextlib.contextmanager
def reflected(lab):
    """A bridge at the wire's end that sends frames back out of the port they came in by, as VEPA wants it."""
    name = unique('ver')
    for words in (f'ip link add {name} type bridge mcast_snooping 0', f'ip link set {name} up',
                  f'ip link set {lab.outer} master {name}', f'bridge link set dev {lab.outer} hairpin on'):
        lab.ns.run(*words.split())
    lab.swd.cli('pf', 'set', lab.pf, 'mode', 'vepa')
    yield
    lab.swd.cli('pf', 'set', lab.pf, 'mode', 'veb')
    lab.ns.run('ip', 'link', 'del', name)


def test_19_vepa_local_traffic_comes_back_by_the_reflecting_switch(lab):
    group = '01:00:5e:01:02:03'
    with reflected(lab):
        assert ', mode vepa, ' in lab.swd.cli('pf', 'show', lab.pf).stdout
        wire = lab.info()['status']['uplink']
        assert lab.send(0, lab.mac(1)) == {WIRE: [b''], 1: [b'']}
        now = lab.info()['status']['uplink']
        assert [now[way] - wire[way] for way in ('tx_packets', 'rx_packets')] == [1, 1]
        assert lab.send(0, BCAST) == {port: [b''] for port in (1, 2, 3, 4, 5, HOST, WIRE)}
        assert lab.who(HOST, lab.mac(1), src=lab.info()['config']['mac']) == [1, WIRE]
        lab.filter(0, mcasts=[group])
        lab.filter(1, mcasts=[group])
        lab.filter(2)
        assert lab.who(0, group) == [1, 3, 4, 5, HOST, WIRE]
        lab.vf(0, vlan=100, qos=3)
        lab.vf(1, vlan=100)
        assert lab.send(0, lab.mac(1)) == {WIRE: [tag(100, 3)], 1: [b'']}
        assert lab.send(0, BCAST) == {WIRE: [tag(100, 3)], 1: [b''], **{port: [tag(100, 3)] for port in (2, 3, 4, 5, HOST)}}
    assert lab.send(0, lab.mac(1)) == {1: [b'']}


def test_19_vepa_prunes_by_all_addresses_of_the_sender(lab):
    extra, own = '02:00:00:00:04:01', '02:00:00:00:04:02'
    lab.vf(0, trust=True)
    lab.filter(0, macs=[extra], promisc=True)
    lab.vf(1, mac='00:00:00:00:00:00')
    lab.send(1, BCAST, src=own)
    wait_for(lambda: lab.status(1)['accepted'] == [own], what='the learned address')
    with reflected(lab):
        assert lab.send(0, BCAST, src=extra) == {port: [b''] for port in (1, 2, 3, 4, 5, HOST, WIRE)}
        assert lab.who(1, BCAST, src=own) == [0, 2, 3, 4, 5, HOST, WIRE]
        assert lab.who(0, STRANGER) == [HOST, WIRE]  # nobody's: not its own, promiscuous as it is
        assert lab.who(2, STRANGER) == [0, HOST, WIRE]
        assert lab.drops(0, 'no_destination') == lab.drops(1, 'no_destination') == 0


def test_19_vepa_and_isolation_leave_it_to_the_reflecting_switch(lab):
    lab.vf(0, isolated=True)
    lab.vf(1, isolated=True)
    with reflected(lab):
        assert lab.who(0, lab.mac(1)) == [1, WIRE]
        lab.ns.run('bridge', 'link', 'set', 'dev', lab.outer, 'hairpin', 'off')
        assert lab.who(0, lab.mac(1)) == lab.who(0, BCAST) == [WIRE]


def test_20_21_mirrors_show_what_the_vm_sees(lab):
    def mirror(direction):
        lab.swd.call('mirror.add', name=f'{lab.pf}m', from_pf=lab.pf, from_vf=1, dir=direction,
                     to_pf=lab.pf, to_vf=5)
    lab.vf(1, vlan=100, qos=2)
    lab.vf(2, vlan=100)
    lab.vf(5, vlan=9)  # neither its MAC nor its VLAN matters
    expect = {'in': (None, [b'']), 'out': ([b''], None), 'both': ([b''], [b''])}
    for direction, (out, into) in expect.items():
        mirror(direction)
        assert lab.send(1, lab.mac(2)) == {2: [b''], **({5: out} if out else {})}
        assert lab.send(2, lab.mac(1)) == {1: [b''], **({5: into} if into else {})}
        assert lab.who(1, BCAST, src=STRANGER) == []  # only what was accepted
        lab.swd.call('mirror.del', name=f'{lab.pf}m')
    lab.vf(1, vlan=0)
    lab.vf(5, vlan=0)
    mirror('both')
    assert lab.send(1, lab.mac(3), tags=tag(6, 4)) == {3: [tag(6, 4)], 5: [tag(6, 4)]}
    shown, = lab.swd.call('mirror.list')
    assert shown['mirrored'] == 1 and shown['dropped'] == 0
    lab.swd.call('mirror.del', name=f'{lab.pf}m')


def test_20_mirrors_cross_pfs_and_go_with_the_vf(lab, switch):
    other = Lab(switch)
    try:
        switch.call('mirror.add', name='cross', from_pf=lab.pf, from_vf=1, dir='out',
                    to_pf=other.pf, to_vf=2)
        other.ports[2].read()
        assert lab.who(1, lab.mac(2)) == [2]
        frames = [f for f in other.ports[2].read() if f[:6] == mac(lab.mac(2))]
        assert len(frames) == 1
        with pytest.raises(CtlError, match='vf 0 is attached'):
            switch.call('pf.del', pf=other.pf)
        switch.call('vf.release', pf=lab.pf, vf=1)
        assert switch.call('mirror.list') == []
    finally:
        other.close()


def test_21_a_mirrored_frame_is_the_frame(lab):
    """Byte for byte, tags and all, what the VM sent and what it got."""
    lab.swd.call('mirror.add', name='m', from_pf=lab.pf, from_vf=1, dir='both', to_pf=lab.pf, to_vf=5)
    for sender, size in itertools.product((1, 2), (60, 61, 1500)):
        for tags in b'', tag(6), tag(4094, 7), tag(3, 1, 0x88a8), tag(3, 1, 0x88a8) + tag(9, 5), tag(0, 5):
            head = mac(lab.mac(3 - sender)) + mac(lab.mac(sender)) + tags + struct.pack('!H', ETHERTYPE)
            sent = head + bytes(i * 31 + size & 255 for i in range(size - 14))
            for p in lab.ports.values():
                p.read()
            lab.ports[sender].sock.send(sent)
            for vf in 3 - sender, 5:
                assert wait_for(lambda vf=vf: [f for f in lab.ports[vf].read() if f[:12] == head[:12]]) == [sent]
    assert lab.swd.call('mirror.list')[0]['mirrored'] == 36
    lab.swd.call('mirror.del', name='m')


def test_22_a_dead_mirror_costs_only_its_own_drops(lab):
    lab.swd.call('mirror.add', name='dead', from_pf=lab.pf, from_vf=1, dir='both', to_pf=lab.pf,
                 to_vf=5)
    lab.ns.run('ip', 'link', 'set', lab.ports[5].dev, 'down')
    for _ in range(20):
        assert lab.who(1, lab.mac(2)) == [2]
    shown, = lab.swd.call('mirror.list')
    assert shown['mirrored'] + shown['dropped'] == 20
    assert lab.swd.vf(lab.pf, 2)['stats']['rx_packets'] == 20
    lab.ns.run('ip', 'link', 'set', lab.ports[5].dev, 'up')
    lab.swd.call('mirror.del', name='dead')


def test_24_counters_equal_frames(lab):
    """Every counter of VFs, wire and host interface is the sum of the frames that were sent there and heard there."""
    group, host, foreign = '01:00:5e:01:02:03', lab.info()['config']['mac'], '02:77:00:00:00:03'
    for n, words in {1: {'vlan': 100, 'qos': 2}, 2: {'trunk': '7'}, 3: {'state': 'disable'}, 4: {'mtu': 500},
                     5: {'vlan': 4094}}.items():  # it hears copies alone
        lab.vf(n, **words)
    lab.ns.run('ip', 'link', 'set', lab.ports[4].dev, 'mtu', 1500)  # or the kernel would not send what is too long
    lab.swd.call('mirror.add', name='m', from_pf=lab.pf, from_vf=0, dir='both', to_pf=lab.pf, to_vf=5)

    def counters():
        status = lab.info()['status']
        return {**{vf: lab.swd.vf(lab.pf, vf)['stats'] for vf in range(lab.VFS)}, WIRE: status['uplink'], HOST: status['host']}
    want = counters()
    for port, dst, words, lost in [
            (0, lab.mac(2), {}, None), (0, BCAST, {}, None), (0, group, {'tags': tag(7, 3)}, None), (0, STRANGER, {'tags': tag(9)}, None),
            (2, lab.mac(0), {'tags': tag(7)}, None), (2, lab.mac(0), {'tags': tag(8)}, (2, 'spoof_vlan')), (2, BCAST, {}, None),
            (1, STRANGER, {}, None), (1, BCAST, {}, None), (1, lab.mac(0), {'tags': tag(5)}, (1, 'spoof_vlan')),
            (4, host, {}, None), (4, lab.mac(0), {'src': lab.mac(2)}, (4, 'spoof_mac')), (4, lab.mac(3), {}, (3, 'link_down')),
            (0, lab.mac(4), {'size': 600}, (4, 'oversize')), (4, BCAST, {'size': 700}, (4, 'oversize')),
            (WIRE, lab.mac(0), {'tags': tag(5, 1)}, None), (WIRE, lab.mac(1), {'tags': tag(100)}, None), (WIRE, group, {}, None),
            (WIRE, lab.mac(1), {}, (1, 'vlan')), (WIRE, foreign, {}, None), (HOST, BCAST, {'src': host}, None), (HOST, lab.mac(2), {'src': host}, None)]:
        for size in (words['size'],) if 'size' in words else (60, 499):
            heard = lab.send(port, dst, **{**words, 'size': size})
            if lost:
                want[lost[0]]['drops'][lost[1]] += 1
                want[lost[0]]['rx_dropped'] += lost[0] != port
            if not lost or lost[0] != port:
                want[port]['rx_packets' if port == WIRE else 'tx_packets'] += 1
                want[port]['rx_bytes' if port == WIRE else 'tx_bytes'] += size
            bare = size - len(words.get('tags', b''))
            for who, tags in heard.items():
                want[who]['tx_packets' if who == WIRE else 'rx_packets'] += len(tags)
                want[who]['tx_bytes' if who == WIRE else 'rx_bytes'] += sum(bare + len(t) for t in tags)
                if who != WIRE and dst in (BCAST, group):
                    want[who]['rx_broadcast' if dst == BCAST else 'rx_multicast'] += len(tags)
            want[0]['mirrored'] += len(heard.get(5, []))
    assert counters() == want
    assert want[0]['mirrored'] == lab.swd.call('mirror.list')[0]['mirrored'] > 20
    lab.swd.call('mirror.del', name='m')


def test_25_statistics_are_the_vfs_counters(lab):
    """As columns and in JSON, of a VF whose numbers all differ."""
    for n, dst in enumerate((lab.mac(1), '01:00:5e:01:02:03', BCAST), 1):
        for _ in range(n):
            lab.send(0, dst, size=60 + n)
    lab.send(1, lab.mac(0))
    for _ in range(2):
        lab.send(1, lab.mac(0), src=STRANGER)
        lab.send(0, lab.mac(1), tags=tag(7))
    lab.vf(1, trunk='none')
    for _ in range(4):
        lab.send(0, lab.mac(1), tags=tag(7))
    rx, tx = (61 + 2 * 62 + 3 * 63 + 2 * 60, 8, 2, 3, 4), (60, 1, 2)
    lines = lab.swd.cli('-s', 'link', 'show', lab.pf).stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith('    vf 1 '))
    assert lines[at + 1:at + 5] == ['    RX: bytes  packets  mcast   bcast   dropped ', '    %10d %8d %7d %7d %8d ' % rx,
                                    '    TX: bytes  packets   dropped ', '    %10d %8d %8d ' % tx]
    stats = json.loads(lab.swd.cli('-s', '-j', 'link', 'show', lab.pf).stdout)[0]['vfinfo_list'][1]['stats']
    assert [*stats['rx'].items()] == [*zip(('bytes', 'packets', 'multicast', 'broadcast', 'dropped'), rx)]
    assert [*stats['tx'].items()] == [*zip(('tx_bytes', 'tx_packets', 'dropped'), tx)]


def test_why_was_it_dropped(lab):
    def head(vf, reason):
        count, last = lab.last(vf, reason)
        assert count == 1 and 0 <= last['age_ms'] < 600000
        tags = [(t['protocol'], t['vlan'], t['priority']) for t in last['tags']]
        return last['dst'], last['src'], tags, last['ethertype'], last['length']

    assert lab.last(0, 'spoof_mac') == (0, None)
    lab.send(0, BCAST, src=lab.mac(1), size=77)
    assert head(0, 'spoof_mac') == (BCAST, lab.mac(1), [], '0x88b5', 77)
    lab.vf(0, trunk='10')
    lab.send(0, lab.mac(1), tags=tag(11, 3) + tag(12))
    assert head(0, 'spoof_vlan') == (lab.mac(1), lab.mac(0),
                                     [('802.1Q', 11, 3), ('802.1Q', 12, 0)], '0x88b5', 60)
    lab.vf(1, vlan=100)
    lab.send(WIRE, lab.mac(1), tags=tag(200))
    assert head(1, 'vlan') == (lab.mac(1), STRANGER, [('802.1Q', 200, 0)], '0x88b5', 60)
    lab.vf(2, state='disable')
    lab.send(3, lab.mac(2))
    assert head(2, 'link_down') == (lab.mac(2), lab.mac(3), [], '0x88b5', 60)
    lab.vf(3, mtu=500)
    lab.send(4, lab.mac(3), size=600)
    assert head(3, 'oversize') == (lab.mac(3), lab.mac(4), [], '0x88b5', 600)
    lab.swd.call('vf.detach', pf=lab.pf, vf=5)
    lab.send(4, lab.mac(5))
    assert head(5, 'not_ready') == (lab.mac(5), lab.mac(4), [], '0x88b5', 60)
    lab.set(uplink='none')
    lab.send(4, STRANGER)
    assert head(4, 'no_destination') == (STRANGER, lab.mac(4), [], '0x88b5', 60)

    text = lab.swd.cli('vf', 'drops', lab.pf, '0').stdout
    assert text.startswith(f'{lab.pf} vf 0: 2 dropped\n')
    assert "    spoof_mac 1: sent with a source MAC that is not the VF's\n        last " in text
    assert f' ago: to {BCAST} from {lab.mac(1)}, ethertype 0x88b5, 77 bytes\n' in text
    assert f'from {lab.mac(0)}, 802.1Q vlan 11 priority 3, 802.1Q vlan 12 priority 0, ' in text
    lab.send(0, BCAST, src=lab.mac(2))
    assert lab.last(0, 'spoof_mac')[1]['src'] == lab.mac(2)
    lab.swd.call('vf.release', pf=lab.pf, vf=0)
    assert lab.last(0, 'spoof_mac') == (0, None)


def test_isolated_vfs_reach_all_but_one_another(lab):
    for n in 0, 1:
        lab.swd.cli('vf', 'set', lab.pf, n, 'isolated', 'on')
    assert 'isolated on' in lab.swd.cli('vf', 'show', lab.pf, '0').stdout
    assert lab.who(0, lab.mac(1)) == lab.who(1, lab.mac(0)) == []
    assert lab.last(0, 'isolated')[0] == 1 and lab.last(0, 'isolated')[1]['dst'] == lab.mac(1)
    assert lab.who(0, BCAST) == [2, 3, 4, 5, HOST, WIRE]
    assert lab.who(2, BCAST) == [0, 1, 3, 4, 5, HOST, WIRE]
    assert lab.who(0, lab.mac(2)) == [2] and lab.who(2, lab.mac(0)) == [0]
    assert lab.who(WIRE, lab.mac(0)) == [0] and lab.who(0, STRANGER) == [WIRE]
    assert lab.who(0, lab.info()['config']['mac']) == [HOST]
    lab.vf(1, isolated=False)
    assert lab.who(0, lab.mac(1)) == [1]


def test_storm_control_bounds_frames_to_many(lab):
    def flood(dst, n):
        before, frame = lab.handled(0), mac(dst) + mac(lab.mac(0)) + struct.pack('!H', ETHERTYPE)
        lab.ports[1].read()
        for _ in range(n):
            lab.ports[0].sock.send(frame.ljust(60, b'x'))
        wait_for(lambda: lab.handled(0) == before + n, what='all frames in the switch')
        return sum(f[:14] == frame for f in lab.ports[1].read())

    lab.swd.cli('vf', 'set', lab.pf, '0', 'storm', 'broadcast', '1', 'multicast', '20')
    assert 'storm_broadcast 1, storm_multicast 20' in lab.swd.cli('vf', 'show', lab.pf, '0').stdout
    for dst, reason, rate in (BCAST, 'storm_broadcast', 1), ('01:00:5e:01:02:03', 'storm_multicast', 20):
        passed = flood(dst, 200)
        assert rate <= passed < 200 and lab.drops(0, reason) == 200 - passed
        assert lab.last(0, reason)[1]['dst'] == dst
    assert flood(lab.mac(1), 100) == 100
    assert lab.who(2, BCAST) == [0, 1, 3, 4, 5, HOST, WIRE]
    lab.swd.cli('vf', 'set', lab.pf, '0', 'storm', 'broadcast', 'off', 'multicast', 'off')
    assert flood(BCAST, 200) == 200


def test_dhcp_requests_stay_where_a_service_port_answers(lab):
    ip = bytes.fromhex('4500003c0000000040110000') + bytes(4) + b'\xff' * 4
    name = unique('ves')
    lab.swd.call('svc.add', pf=lab.pf, name=name, vlan=100)
    lab.quiet(name)
    service = Port(lab.ns, name)
    lab.vf(0, vlan=100)
    lab.vf(1, vlan=200)
    for vf, reaches in ((0, ['service']), (1, [WIRE])):
        for p in (*lab.ports.values(), service):
            p.read()
        before = lab.handled(vf)
        lab.ports[vf].sock.send(mac(BCAST) + mac(lab.mac(vf)) + b'\x08\x00' + ip +
                                struct.pack('!HHHH', 68, 67, 40, 0) + bytes(32))
        wait_for(lambda: lab.handled(vf) > before)
        select.select([service.sock, lab.ports[WIRE].sock], [], [], 2)
        got = {'service': service.read(), WIRE: lab.ports[WIRE].read()}
        assert [who for who, frames in got.items() if any(ip in f for f in frames)] == reaches
    service.sock.close()
    lab.swd.call('svc.del', pf=lab.pf, name=name)


def test_an_mtu_is_the_taps_too_and_bounds_what_passes(lab):
    def tap_mtu(vf, mtu=None):
        dev = lab.ports[vf].dev
        if mtu:
            lab.ns.run('ip', 'link', 'set', dev, 'mtu', mtu)
        return int(lab.ns.run('cat', f'/sys/class/net/{dev}/mtu').stdout)

    lab.vf(0, mtu=1000)
    lab.vf(1, mtu=900)
    assert [tap_mtu(vf) for vf in (0, 1, 2)] == [1000, 900, 1500]
    assert tap_mtu(0, 1500) == 1500  # its user may, and gains nothing
    assert lab.who(0, lab.mac(2), size=1014) == [2] and lab.who(0, lab.mac(2), size=1015) == []
    assert lab.last(0, 'oversize')[1]['length'] == 1015
    assert lab.who(2, lab.mac(1), size=914) == [1] and lab.who(2, lab.mac(1), size=915) == []
    assert lab.who(2, BCAST, size=1014) == [0, 3, 4, 5, HOST, WIRE]
    assert lab.who(WIRE, BCAST, size=1015) == [2, 3, 4, 5, HOST]
    assert [lab.drops(n, 'oversize') for n in range(6)] == [2, 3, 0, 0, 0, 0]
    assert lab.swd.cli('vf', 'set', lab.pf, 2, 'mtu', 1501, check=False).stderr == (
        f"Error: {lab.pf} vf 2: mtu 1501 is above the PF's 1500.\n")
    lab.set(mtu=950)
    assert [tap_mtu(vf) for vf in (0, 1, 2)] == [950, 900, 950]
    assert 'link up, mtu 950\n    set: ' in lab.swd.cli('vf', 'show', lab.pf, 0).stdout
    assert lab.who(2, lab.mac(3), size=964) == [3]
    lab.set(mtu=1500)
    assert [tap_mtu(vf) for vf in (0, 1, 2)] == [1000, 900, 1500]


# A value for each setting of a VF that is not its default, but for `native`: it excludes a port VLAN.
SETTINGS = {'mac': '02:00:00:00:04:04', 'vlan': 5, 'qos': 1, 'proto': '802.1ad', 'max_tx_rate': 100, 'min_tx_rate': 10,
            'spoofchk': False, 'state': 'enable', 'query_rss': True, 'trust': True, 'trunk': '7-9', 'mtu': 900, 'isolated': True,
            'storm_broadcast': 8, 'storm_multicast': 9, 'allowed': '02:00:00:00:04:06', 'learning': 7, 'promisc': 'true', 'port_id': 'b12', 'server': 'vm'}


def test_28_release_returns_all_settings(lab):
    lab.swd.call('vf.release', pf=lab.pf, vf=5)  # as one that was never used
    fresh, behind = lab.swd.vf(lab.pf, 5), '02:00:00:00:04:07'
    lab.swd.call('pf.set', pf=lab.pf, by_agent=True, vfs=[{'vf': 4, 'set': {'trust': False}}])
    lab.vf(4, **SETTINGS)
    lab.send(4, BCAST, src=behind)
    wait_for(lambda: lab.status(4)['learned'] == [behind], what='the learned address')
    lab.filter(4, main=lab.mac(3), macs=['02:00:00:00:04:05'], mcasts=['01:00:5e:01:02:03'], promisc=True, allmulti=True)
    lab.swd.call('mirror.add', name='m', from_pf=lab.pf, from_vf=4, dir='in', to_pf=lab.pf, to_vf=1)
    lab.swd.call('mirror.add', name='other', from_pf=lab.pf, from_vf=2, dir='in', to_pf=lab.pf, to_vf=1)
    lab.ports[4].sock.send(mac(BCAST) + mac(lab.mac(4)) + tag(6, tpid=0x88a8) + bytes(60))
    wait_for(lambda: lab.drops(4, 'spoof_vlan'), what='a drop')
    used = lab.swd.vf(lab.pf, 4)
    assert {word for word in fresh['config'] if used['config'][word] == fresh['config'][word]} == {'native', 'group'}, 'not in SETTINGS'
    lab.vf(4, vlan=0, native=6)
    assert used['status']['accepted'] == [lab.mac(3), '02:00:00:00:04:05'] and used['status']['promisc'] == 'true'
    assert used['status']['overridden'] == 'trust'
    lab.swd.call('vf.release', pf=lab.pf, vf=4)
    now = lab.swd.vf(lab.pf, 4)
    assert now['status'].pop('pci_slot') != fresh['status'].pop('pci_slot')
    assert now == {**fresh, 'vf': 4}
    assert [m['name'] for m in lab.swd.call('mirror.list')] == ['other'] and lab.last(4, 'spoof_vlan') == (0, None)
    lab.swd.call('mirror.del', name='other')
    lab.plug(4)
    assert lab.who(0, BCAST) == [1, 2, 3, 4, HOST, WIRE]
    assert lab.who(0, lab.mac(3)) == [3] and lab.who(0, '02:00:00:00:04:05') == [WIRE]
    lab.vf(4, learning=7)  # nor does another's setting bring back what was learned
    assert lab.who(0, behind) == [WIRE]


def test_28_nothing_leaves_its_vlan_while_a_vf_is_released(lab):
    flood, leaks, halt = (mac(BCAST) + mac(lab.mac(0)) + struct.pack('!H', ETHERTYPE)).ljust(60, b'\0'), 0, threading.Event()

    def send():
        while not halt.is_set():
            with contextlib.suppress(OSError):
                lab.ports[0].sock.send(flood)

    for vf in range(1, lab.VFS):
        lab.vf(vf, trunk='none')  # these hear what is untagged
    for _ in range(8):
        lab.vf(0, mac=lab.mac(0), vlan=100)
        halt.clear()
        sender = threading.Thread(target=send)
        sender.start()
        wait_for(lambda: lab.ports[WIRE].read(), what='the flood')
        lab.swd.call('vf.release', pf=lab.pf, vf=0)
        halt.set()
        sender.join()
        leaks += sum(data[12:14] != b'\x81\0' for data in lab.ports[WIRE].read())
        leaks += sum(len(lab.ports[vf].read()) for vf in range(1, lab.VFS))
        lab.plug(0)
    assert not leaks


def test_27_kill_9_keeps_settings_and_accepted_addresses(lab, switch):
    own, service = '02:00:00:00:02:01', unique('ves')
    lab.vf(0, vlan=100, qos=3, isolated=True, storm_multicast=9)
    switch.call('pf.set', pf=lab.pf, by_agent=True, vfs=[{'vf': 5, 'set': {'trust': False}}])
    lab.vf(5, **SETTINGS)
    lab.set(unknown_unicast='both')
    lab.vf(1, trust=True)
    lab.filter(1, main=own)
    switch.call('svc.add', pf=lab.pf, name=service, vlan=4093)
    switch.call('mirror.add', name='m', from_pf=lab.pf, from_vf=1, dir='out', to_pf=lab.pf, to_vf=4)
    lab.vf(4, native=6)
    lab.vf(2, mac=lab.mac(3), spoofchk=False)
    lab.filter(2, main=lab.mac(3))
    lab.vf(2, mac=lab.mac(2))
    def config():
        shown = [switch.call('svc.list'), switch.call('mirror.list'), switch.vf(lab.pf, 5)['status']['overridden']]
        return [*shown, lab.info()['config'], *(switch.vf(lab.pf, n)['config'] for n in range(lab.VFS))]
    before = config()
    assert before[2] == 'trust' and [len(shown) for shown in before[:2]] == [1, 1]
    assert before[-1] == {**SETTINGS, 'native': 0, 'group': ''}
    old = switch.child()
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: switch.wait_ready() and switch.child() != old, what='the next life')
    wait_for(lambda: lab.info()['status']['carrier'], what='carrier')
    lab.wait_running(0, 1)
    assert config() == before
    assert lab.status(2)['accepted'] == [lab.mac(3)]
    assert lab.who(1, lab.mac(3)) == [2, 3, 4]  # and the mirror
    assert lab.send(0, STRANGER) == {WIRE: [tag(100, 3)], HOST: [tag(100, 3)]}
    assert lab.status(1)['accepted'] == [own]
    lab.vf(1, trust=False)  # which is why it was accepted
    assert lab.status(1)['accepted'] == [] and lab.who(3, own) == [HOST, WIRE]
    switch.call('mirror.del', name='m')
    switch.call('svc.del', pf=lab.pf, name=service)
