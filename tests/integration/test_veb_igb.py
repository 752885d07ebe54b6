# SPDX-License-Identifier: Apache-2.0
"""What an SR-IOV NIC's own switch does with a frame, beside what ours does: an (emulated) Intel 82576 in the lab's guest.

The same words of `link set` and the same frames go to both, each with three VFs, the PF and a wire. QEMU's igb forwards as its
NIC does; it limits no rate, and igb has no state of a VF's link: there is nothing to compare with. Where else they differ is told
in FRAMES: by what the emulation leaves out (ECHO, UNCHECKED), or by what the NIC's switch is (LOCAL, ASKED). Ours lets every VF without
a port VLAN take part in all VLANs until a trunk is set; the NIC has a table of 32 VLANs, which the drivers fill.
"""
import itertools
import struct
import sys

import pytest

from conftest import ROOT
from test_veb import BCAST, ETHERTYPE, HOST, STRANGER, WIRE, Lab as Veb, mac, switch, tag  # noqa: F401

sys.path.insert(0, str(ROOT / 'tests' / 'lab'))
from lab import Lab, igb, igb_qemu  # noqa: E402

PF = '02:00:00:00:00:ff'
V0, V1, V2 = (Veb.mac(vf) for vf in range(3))
FOREIGN = '02:77:00:00:00:02'
NETDEVS = {0: 'vf0', 1: 'vf1', 2: 'vf2', HOST: 'p2p1', WIRE: 'wire'}
SERIAL = itertools.count(1)

ECHO = 'QEMU ignores LLE of DTXSWC: a port hears itself'
UNCHECKED = 'QEMU ignores MACAS and VLANAS of DTXSWC: nothing that a VF sends is checked'
LOCAL = 'the NIC looks for the address first, in all VLANs: what is for one of its own ports is not for the wire'
ASKED = 'in a VLAN the NIC knows only the ports whose driver or host has asked for it'


def to(*ports, tags=b''):
    """{port: [tags]} of ports that hear a frame."""
    return {port: [tags] for port in ports}


# (words of `link set` before it, from, to, source and tags, who hears it, who hears it from the NIC where they differ, why)
FRAMES = [
    ('', 0, V1, {}, to(1)),
    ('', 0, PF, {}, to(HOST)),
    ('', HOST, V0, {}, to(0)),
    ('', 0, STRANGER, {}, to(WIRE)),
    ('', HOST, STRANGER, {}, to(WIRE)),
    ('', WIRE, V1, {}, to(1)),
    ('', WIRE, FOREIGN, {}, to(HOST)),
    ('', WIRE, BCAST, {}, to(0, 1, 2, HOST)),
    ('', 0, BCAST, {}, to(1, 2, HOST, WIRE), to(0, 1, 2, HOST, WIRE), ECHO),
    ('', HOST, BCAST, {}, to(0, 1, 2, WIRE), to(0, 1, 2, HOST, WIRE), ECHO),
    ('', 0, V0, {}, {}, to(0), ECHO),
    ('', 0, V1, {'tags': tag(5)}, to(1, tags=tag(5)), to(WIRE, tags=tag(5)), ASKED),
    # spoof check
    ('', 0, STRANGER, {'src': FOREIGN}, {}, to(WIRE), UNCHECKED),
    ('', 0, V1, {'src': V2}, {}, to(1), UNCHECKED),
    ('vf 0 spoofchk off', 0, STRANGER, {'src': FOREIGN}, to(WIRE)),
    # one MAC on two VFs
    (f'vf 2 mac {V1}', 0, V1, {}, to(1, 2)),
    ('', WIRE, V1, {}, to(1, 2)),
    (f'vf 2 mac {V2}', 0, V1, {}, to(1)),
    ('', 0, V2, {}, to(2)),
    # a port VLAN
    ('vf 1 vlan 100 qos 3', 1, STRANGER, {}, to(WIRE, tags=tag(100, 3))),
    ('', 1, BCAST, {}, to(0, 2, HOST, WIRE, tags=tag(100, 3)), {**to(1), **to(WIRE, tags=tag(100, 3))}, ASKED + '; ' + ECHO),
    ('', WIRE, V1, {'tags': tag(100, 5)}, to(1)),
    ('', WIRE, V1, {}, to(HOST)),
    ('', WIRE, BCAST, {'tags': tag(100)}, {**to(1), **to(0, 2, HOST, tags=tag(100))}, to(1), ASKED),
    ('', WIRE, BCAST, {}, to(0, 2, HOST)),
    ('', 0, V1, {}, to(WIRE), {}, LOCAL),
    ('', 1, V0, {}, to(0, tags=tag(100, 3)), {}, ASKED + '; ' + LOCAL),
    ('', 1, STRANGER, {'tags': tag(200)}, {}, to(WIRE, tags=tag(100, 3) + tag(200)), UNCHECKED),
    ('vf 2 vlan 100', 1, V2, {}, to(2)),
    ('', 0, V2, {'tags': tag(100)}, to(2)),
    ('', HOST, V2, {'tags': tag(100)}, to(2)),
    ('', WIRE, BCAST, {'tags': tag(200)}, to(0, HOST, tags=tag(200)), {}, ASKED),
    ('vf 1 vlan 0', WIRE, V1, {}, to(1)),
]


class Three(Veb):
    """Our switch, with as many VFs as the NIC gets."""

    VFS = 3

    def set_words(self, words):
        self.swd.cli('link', 'set', self.pf, *words.split())


class Nic:
    """p2p1 on igb, its VFs with igbvf, and a virtio NIC at the other end of its wire, all in the guest's one namespace."""

    def __init__(self, lab):
        self.lab = lab
        lab.run('sh', '-ec', f'''
            carrier() {{ until read -r up < /sys/class/net/$1/carrier && [ "$up" = 1 ]; do usleep 100000; done; }}
            quiet() {{ ip link set $1 arp off multicast off up; }}
            echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6
            modprobe virtio_net
            ip link set eth0 name wire promisc on
            quiet wire
            modprobe -a igb igbvf
            ip link set eth0 name p2p1
            quiet p2p1
            echo 3 > /sys/class/net/p2p1/device/sriov_numvfs
            carrier p2p1
            for n in 0 1 2; do
                ip link set p2p1 vf $n mac {V0[:-1]}$n # which igbvf takes over as it goes up
                ip link set $(ls /sys/class/net/p2p1/device/virtfn$n/net) name vf$n
                quiet vf$n
            done
            for n in 0 1 2; do carrier vf$n; done''')

    def set_words(self, words):
        self.lab.run('ip', 'link', 'set', 'p2p1', *words.split())

    def send(self, port, dst, src, tags, n):
        """{port: [tags it came with]} of all who heard the frame, which are n if all is well."""
        mark = struct.pack('!HI', ETHERTYPE, next(SERIAL))
        frame = (mac(dst) + mac(src) + tags + mark).ljust(60, b'\0') + mark + b'\0\0'
        heard, ports = {}, {dev: port for port, dev in NETDEVS.items()}
        for line in self.lab.run('probe', n, NETDEVS[port], frame.hex(), *NETDEVS.values()).out.splitlines():
            dev, data = line.split()
            data = bytes.fromhex(data)
            heard.setdefault(ports[dev], []).append(data[12:data.find(mark)])
        return heard


@pytest.fixture
def ours(switch):  # noqa: F811
    made = Three(switch)
    made.set_words(f'address {PF}')
    yield made
    made.close()


@pytest.fixture
def nic(tmp_path):
    qemu, why = igb_qemu()
    if not qemu:
        pytest.skip(why)
    with Lab(tmp_path, *igb(PF), '-netdev', 'hubport,hubid=0,id=far', '-device', 'virtio-net-pci,netdev=far,romfile=',
             qemu=qemu) as lab:
        yield Nic(lab)


def test_frames_go_where_an_82576_sends_them(ours, nic):
    sources = {0: V0, 1: V1, 2: V2, HOST: PF, WIRE: STRANGER}
    for words, port, dst, more, heard, *otherwise in FRAMES:
        if words:
            nic.set_words(words)
            ours.set_words(words)
        frame = (port, dst, more.get('src', sources[port]), more.get('tags', b''))
        assert ours.send(*frame) == heard, (words, *frame)
        expected = otherwise[0] if otherwise else heard
        assert nic.send(*frame, n=len(expected)) == expected, (words, *frame)
