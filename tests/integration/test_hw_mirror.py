# SPDX-License-Identifier: Apache-2.0
"""Mirrors of a NIC's VFs: frames on the lab's igb, rules on a netdevsim in switchdev mode. Who hears is who has a packet socket and no promiscuity."""
import json
import random

import pytest

from conftest import BUILD, wait_for
from hwlab import Hwd, hw, igb_pf, netdevsim  # noqa: F401

N_VFS = 4
PEER = '02:00:00:00:09:00'  # on the wire
HW_DEVICES = ['-netdev', 'hubport,hubid=0,id=peer', '-device', f'virtio-net-pci,netdev=peer,romfile=,mac={PEER}']
WATCHED = 'fa:16:3e:aa:33:59'  # the founding document's VFs
NEAR = 'fa:16:3e:aa:33:58'
ITS_OWN = 'fa:16:3e:a1:43:57'


class Igb(Hwd):
    """An igb whose VF N has the netdev vN, up, VF 2's in the namespace vm2 as eth0; the wire's other end is there as peer."""

    def __init__(self, lab):
        self.lab = lab
        self.boot()

    def boot(self):
        self.dev = igb_pf(self.lab, N_VFS)
        self.lab.run('sh', '-ec', '''
            modprobe -a igbvf virtio_net vfio-pci
            ip link set $0 up
            ip link set $(grep -l $1 /sys/class/net/*/address | cut -d/ -f5) name peer up
            ip netns add vm2
            until [ "$(cat /sys/class/net/$0/carrier)" = 1 ]; do sleep 0.1; done
            for vf in 0 1 2 3; do
                ip link set $(ls /sys/class/net/$0/device/virtfn$vf/net) name v$vf
            done
            ip link set v2 netns vm2 name eth0''', self.dev, PEER)
        self.fresh()

    def fresh(self):
        """Addresses as the founding document has them, chosen by the VFs' own drivers; all of them up."""
        self.lab.run('sh', '-ec', '''
            for vf in 0 1 2 3; do ip link set $0 vf $vf mac 00:00:00:00:00:00 vlan 0 trust off spoofchk on; done
            set_up() { ip $1 link set $2 down; ip $1 link set $2 address $3; ip $1 link set $2 up; }
            set_up "" v0 02:00:00:00:0a:00
            set_up "" v1 fa:16:3e:c0:d8:11
            set_up "-n vm2" eth0 $1
            set_up "" v3 $2
            for vf in 0 1 3; do until [ "$(cat /sys/class/net/v$vf/carrier)" = 1 ]; do sleep 0.1; done; done
            until ip -n vm2 link show eth0 | grep -q LOWER_UP; do sleep 0.1; done''', self.dev, ITS_OWN, WATCHED)

    def heard(self, mac=WATCHED, of=('v0', '02:00:00:00:0a:00')):
        """Of the VFs' netdevs those that hear a frame to an address: from VF 0, or the wire."""
        who, src = of
        ears = [who for who in (self.dev, 'v1', 'eth0@vm2', 'v3') if who != of[0]]
        said = self.lab.run(BUILD / 'tests/lib/who_hears', mac, src, who, *ears).out
        return [line.split()[0].partition('@')[0].replace('eth0', 'v2') if '@' in line else line.split()[0] for line in said.splitlines()]

    def hears(self, who, mac=WATCHED):
        """Wait until exactly these hear it, from VF 0 and from the wire: with carrier a netdev is not at once through its NIC's reset."""
        return wait_for(lambda: self.heard(mac) == self.heard(mac, ('peer', PEER)) == who, 20, f'{who} to hear it')

    def mac(self, vf):
        return json.loads(self.lab.run('ip', '-j', 'link', 'show', self.dev).out)[0]['vfinfo_list'][vf]['address']

    def links_up(self):
        """All VFs have carrier, which they lose with the PF's."""
        self.lab.run('sh', '-ec', '''until ip -n vm2 link show eth0 | grep -q LOWER_UP; do sleep 0.1; done
            for vf in 0 1 3; do until [ "$(cat /sys/class/net/v$vf/carrier)" = 1 ]; do sleep 0.1; done; done''')

    def mirror(self, *words, code=0):
        return self.anyvf('mirror', *words, code=code)


@pytest.fixture(scope='module')
def igb(hw):  # noqa: F811
    return Igb(hw)


@pytest.fixture
def served(igb):
    """anyvf-hwd has it; no mirrors afterwards."""
    igb.fresh()
    igb.start()
    igb.anyvf('pf', 'add', igb.dev, 'hw')
    yield igb
    igb.lab.run('sh', '-c', """anyvf pf set $0 drift report
        for vf in 0 1 2 3; do anyvf vf release $0 $vf; done; anyvf pf del $0""", igb.dev)
    igb.lab.stop('hwd')
    igb.lab.run('rm', '-f', '/var/lib/anyvf/hwd.json')


def add(igb, *words, code=0):
    return igb.mirror('add', 'copy', 'from', 'vf', igb.dev, 3, *words, code=code)


def test_igb_what_the_founding_documents_lines_do(igb):
    """They mirror before the last of them, not after it: on this NIC that takes the address away again by which they do."""
    def on_the_vm(*lines):
        igb.lab.run_all([['ip', 'netns', 'exec', 'vm2', *line.split()] for line in lines])
        igb.links_up()

    def on_the_host(*lines):
        for line in lines:
            igb.lab.run(*line.replace('eth0', igb.dev).split())
        igb.links_up()

    assert igb.hears(['v3'])
    on_the_vm('ifconfig eth0 down', 'ifconfig eth0 hw ether fa:16:3e:aa:33:59', 'ifconfig eth0 up')
    assert igb.hears(['v2', 'v3'])
    on_the_host('ip link set eth0 down', 'ip link set eth0 vf 2 mac fa:16:3e:aa:33:59', 'ip link set eth0 vf 2 spoofchk off', 'ip link set eth0 up')
    assert igb.hears(['v2', 'v3'])
    on_the_host('ip link set eth0 vf 2 mac fa:16:3e:aa:33:58')
    assert igb.hears(['v3'])


def test_igb_a_second_filter_stays_at_the_nic_whoever_takes_it_away(igb):
    """Why anyvf does not mirror so: this kernel's igb refuses to clear a VF's filters, trusted or not, until the PF is reset."""
    igb.fresh()
    fdb = ['bridge', '-n', 'vm2', 'fdb']
    igb.lab.run('ip', 'link', 'set', igb.dev, 'vf', 2, 'trust', 'on')
    igb.lab.run(*fdb, 'add', WATCHED, 'dev', 'eth0', 'self')
    assert igb.hears(['v2', 'v3'])
    igb.lab.run(*fdb, 'del', WATCHED, 'dev', 'eth0', 'self')
    assert WATCHED not in igb.lab.run(*fdb, 'show').out
    assert igb.hears(['v2', 'v3'])
    igb.lab.run('sh', '-ec', 'ip link set $0 down; ip link set $0 up', igb.dev)
    igb.links_up()
    assert igb.hears(['v3'])


def test_igb_a_mirror_holds_until_it_is_deleted(served):
    igb = served
    add(igb, 'in', 'to', 'vf', igb.dev, 2)
    assert igb.hears(['v2', 'v3']) and igb.heard(ITS_OWN) == []
    shown = igb.mirror('show').out
    assert shown.startswith(f'copy: from vf {igb.dev} 3 in to vf {igb.dev} 2, by mac: only what vf 3 receives; vf 2 has its address')
    igb.lab.run('sh', '-ec', 'anyvf export > /tmp/host.json; anyvf diff /tmp/host.json; grep -q copy /tmp/host.json')
    assert json.loads(igb.anyvf('export').out)['pfs'][igb.dev]['vfs']['2']['mac'] == ITS_OWN  # not what the mirror gave it
    igb.lab.run('sh', '-ec', 'ip -n vm2 link set eth0 down; ip -n vm2 link set eth0 up')  # which ends the document's own
    igb.links_up()
    igb.lab.stop('hwd', 'KILL')
    igb.start()
    assert igb.mirror('show').out == shown and igb.drift() == [] and igb.hears(['v2', 'v3'])
    for words in ('vf', 'set', igb.dev, 3, 'mac', NEAR), ('vf', 'set', igb.dev, 2, 'vlan', 7), ('link', 'set', igb.dev, 'vf', 2, 'mac', NEAR):
        assert 'mirror copy is by it: delete that first' in igb.anyvf(*words, code=2 if words[0] == 'link' else 1).err
    for words in ('set', igb.dev, 'numvfs', 3), ('del', igb.dev):
        assert 'is in mirror copy' in igb.anyvf('pf', *words, code=1).err
    igb.anyvf('vf', 'set', igb.dev, 2, 'mac', WATCHED, 'spoofchk', 'off')  # so it is
    assert 'mirror copy exists' in add(igb, 'in', 'to', 'vf', igb.dev, 1, code=1).err
    assert 'vf 2 has an address for mirror copy already' in igb.mirror(
        'add', 'other', 'from', 'vf', igb.dev, 2, 'in', 'to', 'vf', igb.dev, 1, code=1).err
    igb.mirror('set', 'copy', 'to', 'vf', igb.dev, 1)
    assert igb.hears(['v1', 'v3']) and igb.heard(ITS_OWN) == ['v2']
    igb.mirror('del', 'copy')
    assert igb.hears(['v3']) and igb.heard('fa:16:3e:c0:d8:11') == ['v1'] and igb.mirror('show').out == ''
    assert igb.mac(2) == ITS_OWN and igb.drift() == []
    igb.anyvf('apply', '/tmp/host.json')
    assert igb.hears(['v2', 'v3']) and igb.drift() == []
    igb.mirror('del', 'copy')
    assert igb.hears(['v3']) and igb.mac(2) == ITS_OWN


def test_igb_what_it_cannot_mirror_is_refused_by_name(served):
    igb, nic = served, f'the NIC of {served.dev} (igb)'
    to = ['to', 'vf', igb.dev, 2]
    for words, why in ([[*to], f'both: {nic} copies what a VF receives, never what it sends: say in'], [['out', *to], f'out: {nic} copies what'],
                       [['in', 'to', 'tap', 'tap0'], f'to tap: {nic} copies to its own VFs alone'],
                       [['in', 'to', 'file', '/tmp/x'], f'to file: {nic}'], [['in', 'to', 'erspan', '192.0.2.1'], f'to erspan: {nic}'],
                       [['in', 'to', 'vf', 'p0', 2], f'to vf p0 2: {nic} copies to its own'],
                       [['in', 'filter', 'vlan', '5', *to], f'filter vlan: {nic} copies frames whole'], [['in', 'snap', 64, *to], f'snap: {nic}'],
                       [['in', 'to', 'vf', igb.dev, 4], f'{igb.dev} has no vf 4'], [['in', 'to', 'vf', igb.dev, 3], 'cannot be its own mirror']):
        assert why in add(igb, *words, code=1).err, words
    for source in ['pf', igb.dev], ['uplink', igb.dev], ['vlan', igb.dev, 5]:
        refused = igb.mirror('add', 'copy', 'from', *source, *to, code=1)
        assert f'from {source[0]}: {nic}' in refused.err
    igb.anyvf('vf', 'set', igb.dev, 3, 'vlan', 5)
    assert 'vf 3 and vf 2 are in different VLANs, 5 and 0' in add(igb, 'in', *to, code=1).err
    igb.anyvf('vf', 'set', igb.dev, 3, 'vlan', 0)
    assert igb.mac(2) == ITS_OWN and igb.mirror('show').out == '' and igb.hears(['v3'])


def test_igb_who_ends_a_mirror_is_named_and_the_mirror_made_again(served):
    igb = served
    add(igb, 'in', 'to', 'vf', igb.dev, 2)
    igb.lab.run('ip', 'link', 'set', igb.dev, 'vf', 2, 'mac', NEAR)
    assert igb.hears(['v3'])
    named = ('copy', 'mirror', 'vf 3 in to vf 2 by mac', f'vf 3 has {WATCHED}, vf 2 {NEAR}')
    assert igb.drift() == [(2, 'mac', WATCHED, NEAR), named]
    wait_for(lambda: 'somebody else ended a mirror' in igb.lab.said('hwd'), 20, 'a word in the log')
    igb.anyvf('pf', 'set', igb.dev, 'drift', 'repair')
    wait_for(lambda: igb.heard() == ['v2', 'v3'], 30, 'the mirror')
    assert igb.hears(['v2', 'v3']) and igb.drift() == []
    igb.lab.run('sh', '-ec', 'ip link set v3 down; ip link set v3 address $0; ip link set v3 up', NEAR)  # its guest may
    igb.links_up()
    wait_for(lambda: igb.heard(NEAR) == ['v2', 'v3'], 30, 'the mirror of the new address')
    assert igb.drift() == []
    igb.anyvf('vf', 'release', igb.dev, 3)
    assert igb.mirror('show').out == '' and igb.mac(2) == ITS_OWN


def test_igb_a_mirror_to_a_vm_is_there_when_the_vms_driver_starts(served):
    igb = served
    igb.anyvf('vf', 'attach', igb.dev, 1, 'vfio')
    add(igb, 'in', 'to', 'vf', igb.dev, 1)
    igb.anyvf('vf', 'detach', igb.dev, 1)  # whose driver starts, as a VM's would
    igb.lab.run('ip', 'link', 'set', 'v1', 'up')
    igb.links_up()
    assert igb.lab.run('cat', '/sys/class/net/v1/address').out.strip() == WATCHED
    assert igb.hears(['v1', 'v3'])
    igb.mirror('del', 'copy')
    assert igb.hears(['v3']) and igb.mac(1) == 'fa:16:3e:c0:d8:11'


def test_igb_a_daemon_that_is_killed_has_made_a_mirror_or_none(served):
    igb, rng = served, random.Random(1)
    for _ in range(4):
        igb.lab.run('sh', '-c', """{ anyvf mirror add copy from vf $0 3 in to vf $0 2; anyvf mirror del copy; } > /dev/null 2>&1 &
                    sleep $1; kill -9 $(cat /run/lab/out/hwd.pid); wait""", igb.dev, f'{rng.random() * 0.3:.3f}', check=False)
        igb.lab.stop('hwd', None)
        igb.start()
        there = igb.mirror('show').out != ''
        assert igb.hears((['v2', 'v3'] if there else ['v3'])) and igb.drift() == []
        if there:
            igb.mirror('del', 'copy')


def test_igb_a_mirror_is_made_again_after_a_boot(served):
    igb = served
    igb.anyvf('vf', 'set', igb.dev, 3, 'mac', WATCHED)
    add(igb, 'in', 'to', 'vf', igb.dev, 2)
    igb.lab.cut()
    igb.boot()
    igb.start()
    wait_for(lambda: igb.heard() == ['v2', 'v3'], 60, 'the mirror')
    assert igb.drift() == []
    assert 'vf 2 and vf 3: that is mirror copy' in igb.anyvf('link', 'show', igb.dev).err


@pytest.fixture
def switchdev(hw):  # noqa: F811
    """A netdevsim in switchdev mode with four VFs, and its netdev; hwd is the test's to start."""
    dev = netdevsim(hw, vfs=N_VFS)
    hw.run('devlink', 'dev', 'eswitch', 'set', 'netdevsim/netdevsim1', 'mode', 'switchdev')
    yield dev
    hw.run('sh', '-c', 'anyvf pf del $0', dev, check=False)
    hw.stop('hwd')
    hw.run('sh', '-c', 'modprobe -r netdevsim; rm -f /tmp/hwd.json')


def serve(lab, dev, *options):
    lab.start('hwd', 'anyvf-hwd', '--state', '/tmp/hwd.json', *options)
    lab.run('sh', '-c', 'until anyvf pf show > /dev/null 2>&1; do sleep 0.1; done; anyvf pf show | grep -q ^$0 || anyvf pf add $0 hw', dev)


def representor(lab, vf):
    return lab.run('sh', '-c', 'grep -lx pf0vf$0 /sys/class/net/*/phys_port_name | cut -d/ -f5', vf).out.strip()


def rules(lab, vf):
    """What tc shows of a VF's representor: places for rules, and rules both ways."""
    rep = representor(lab, vf)
    clsact = 'clsact' in lab.run('tc', 'qdisc', 'show', 'dev', rep).out
    return clsact, *(lab.run('tc', 'filter', 'show', 'dev', rep, way).out.count('Egress Mirror') for way in ('ingress', 'egress'))


def test_a_rule_that_the_nic_refuses_is_no_mirror(hw, switchdev):  # noqa: F811
    dev = switchdev
    serve(hw, dev)
    for words, why in (['out'], 'ingress of {}: tc: Operation not supported (netdevsim: only offload of BPF classifiers supported)'), (
            ['in'], 'egress of {}: tc: Operation not supported'), ([], 'egress of {}: tc: Operation not supported'):
        refused = hw.run('anyvf', 'mirror', 'add', 'm', 'from', 'vf', dev, 3, *words, 'to', 'vf', dev, 2, check=False)
        assert refused.code == 1 and f'Error: mirror m: vf 3 mirror: {why.format(representor(hw, 3))}' in refused.err
    assert hw.run('anyvf', 'mirror', 'show').out == '' and rules(hw, 3) == (False, 0, 0)


def test_a_rule_of_the_cpus_is_told_to_be_none_of_the_nics(hw, switchdev):  # noqa: F811
    """By an option for this test alone: so what is done with rules is seen, which no NIC here takes."""
    dev, anyvf = switchdev, lambda *words: hw.run('anyvf', *words).out
    serve(hw, dev, '--software-copies')
    anyvf('mirror', 'add', 'm', 'from', 'vf', dev, 3, 'to', 'vf', dev, 2)
    assert anyvf('mirror', 'show') == f'm: from vf {dev} 3 both to vf {dev} 2, by tc: not in hardware: of what the CPU sees of vf 3 alone\n'
    anyvf('mirror', 'add', 'n', 'from', 'vf', dev, 3, 'out', 'to', 'vf', dev, 1)
    assert 'mirror m does that already' in hw.run('anyvf', 'mirror', 'add', 'o', 'from', 'vf', dev, 3, 'in', 'to', 'vf', dev, 2, check=False).err
    assert rules(hw, 3) == (True, 2, 1)
    hw.stop('hwd', 'KILL')
    serve(hw, dev, '--software-copies')
    assert rules(hw, 3) == (True, 2, 1) and anyvf('pf', 'drift') == ''
    hw.run('tc', 'filter', 'del', 'dev', representor(hw, 3), 'egress')
    assert f'{dev} mirror m: asked for vf 3 both to vf 2 by tc, is no rule in, since' in anyvf('pf', 'drift')
    anyvf('pf', 'set', dev, 'drift', 'repair')
    wait_for(lambda: rules(hw, 3) == (True, 2, 1), 20, 'the rule')
    anyvf('mirror', 'set', 'm', 'in', 'to', 'vf', dev, 0)
    assert rules(hw, 3) == (True, 1, 1)
    assert 'vf 0 is in mirror m' in hw.run('anyvf', 'pf', 'set', dev, 'numvfs', 1, check=False).err
    anyvf('mirror', 'del', 'm')
    assert rules(hw, 3) == (True, 1, 0)
    anyvf('vf', 'release', dev, 1)
    assert rules(hw, 3) == (False, 0, 0) and anyvf('mirror', 'show') == ''
    anyvf('mirror', 'add', 'm', 'from', 'vf', dev, 3, 'in', 'to', 'vf', dev, 2)
    anyvf('mirror', 'set', 'm', 'out')
    assert rules(hw, 3) == (True, 1, 0)
    hw.run('tc', 'qdisc', 'del', 'dev', representor(hw, 3), 'clsact')
    wait_for(lambda: rules(hw, 3) == (True, 1, 0), 20, 'the place, and the rule')
    hw.run('devlink', 'dev', 'eswitch', 'set', 'netdevsim/netdevsim1', 'mode', 'legacy')
    assert 'mirror m: asked for vf 3 out to vf 2 by tc, is no netdev stands for vf 3, since' in anyvf('pf', 'drift')
    anyvf('mirror', 'del', 'm')


def test_a_place_for_rules_that_was_there_stays(hw, switchdev):  # noqa: F811
    dev = switchdev
    serve(hw, dev, '--software-copies')
    hw.run('sh', '-ec', 'tc qdisc add dev $0 clsact; tc filter add dev $0 ingress pref 9 matchall action pass', representor(hw, 3))
    for _ in range(2):
        hw.run('anyvf', 'mirror', 'add', 'm', 'from', 'vf', dev, 3, 'out', 'to', 'vf', dev, 2)
        assert rules(hw, 3) == (True, 1, 0)
        hw.run('anyvf', 'mirror', 'del', 'm')
    assert rules(hw, 3) == (True, 0, 0)
    rep = representor(hw, 1)
    hw.run('anyvf', 'mirror', 'add', 'm', 'from', 'vf', dev, 1, 'out', 'to', 'vf', dev, 2)
    hw.run('tc', 'filter', 'add', 'dev', rep, 'egress', 'pref', 9, 'matchall', 'action', 'pass')  # others' rule in the place that we made
    hw.run('anyvf', 'mirror', 'del', 'm')
    assert rules(hw, 1) == (True, 0, 0) and 'pref 9' in hw.run('tc', 'filter', 'show', 'dev', rep, 'egress').out


def test_rates_of_a_switch_in_switchdev_mode_are_devlinks(hw, switchdev):  # noqa: F811
    dev, anyvf = switchdev, lambda *words, code=0: hw.run('anyvf', *words, check=not code)
    serve(hw, dev)

    def leaf(vf):
        """The rates of a VF, as devlink shows them."""
        told = json.loads(hw.run('devlink', '-j', 'port', 'function', 'rate', 'show', f'netdevsim/netdevsim1/{128 + vf}').out)
        return {word: n * 8 // 1000000 for word, n in list(told['rate'].values())[0].items() if word.startswith('tx_')}

    anyvf('vf', 'set', dev, 1, 'max_tx_rate', 500, 'min_tx_rate', 100)
    assert leaf(1) == {'tx_max': 500, 'tx_share': 100}
    shown = json.loads(anyvf('-j', 'vf', 'show', dev, 1).out)[0]['config']
    assert (shown['max_tx_rate'], shown['min_tx_rate']) == (500, 100) and anyvf('pf', 'drift').out == ''
    refused = anyvf('link', 'set', dev, 'vf', 2, 'max_tx_rate', 70, 'vf', 1, 'mac', '01:00:5e:00:00:01', code=2)
    assert refused.code == 2 and leaf(2) == {}
    hw.run('devlink', 'port', 'function', 'rate', 'set', 'netdevsim/netdevsim1/129', 'tx_max', '200mbit')
    assert 'vf 1 max_tx_rate: asked for 500, is 200, since' in anyvf('pf', 'drift').out
    anyvf('pf', 'set', dev, 'drift', 'repair')
    wait_for(lambda: leaf(1) == {'tx_max': 500, 'tx_share': 100}, 20, 'the rate')
    anyvf('vf', 'set', dev, 3, 'max_tx_rate', 700)
    anyvf('vf', 'release', dev, 1)
    assert leaf(1) == {} and leaf(3) == {'tx_max': 700}
    anyvf('pf', 'set', dev, 'numvfs', 2)  # whereupon a netdevsim is in legacy mode, and its rates are ip's
    anyvf('vf', 'set', dev, 1, 'max_tx_rate', 800)
    assert json.loads(hw.run('ip', '-j', 'link', 'show', dev).out)[0]['vfinfo_list'][1]['rate']['max_tx'] == 800


def test_groups_of_vfs_are_devlinks_nodes(hw, switchdev):  # noqa: F811
    dev, nic = switchdev, 'netdevsim/netdevsim1'

    def anyvf(*words, code=0):
        done = hw.run('anyvf', *words, check=False)
        assert done.code == code, (words, done)
        return done

    def told():
        """Nodes and leaves as devlink shows them: rates in Mbit/s, parents."""
        rates = json.loads(hw.run('devlink', '-j', 'port', 'function', 'rate', 'show').out)['rate']
        return {name.rsplit('/')[-1]: {word: value * 8 // 1000000 if word.startswith('tx_') else value for word, value in rate.items() if word != 'type'}
                for name, rate in rates.items()}

    hw.run('devlink', 'dev', 'eswitch', 'set', nic, 'mode', 'legacy')
    serve(hw, dev)
    refused = anyvf('pf', 'set', dev, 'groups', 'gold', code=1).err
    assert 'switchdev mode' in refused and 'in switchdev mode alone' in anyvf('vf', 'set', dev, 1, 'group', 'gold', code=1).err
    hw.run('devlink', 'dev', 'eswitch', 'set', nic, 'mode', 'switchdev')
    assert 'switchdev mode' in anyvf('svc', 'add', dev, 'svc0', code=1).err  # though it was served in legacy mode
    before = told()
    anyvf('pf', 'set', dev, 'groups', 'silver:max=500,gold:min=100:max=1000')
    anyvf('vf', 'set', dev, 1, 'group', 'gold', 'max_tx_rate', 300)
    anyvf('vf', 'set', dev, 2, 'group', 'gold')
    assert told() == {**before, 'gold': {'tx_max': 1000, 'tx_share': 100}, 'silver': {'tx_max': 500},
                      '129': {'tx_max': 300, 'parent': 'gold'}, '130': {'parent': 'gold'}}
    assert 'groups gold:max=1000:min=100,silver:max=500' in anyvf('pf', 'show', dev).out and anyvf('pf', 'drift').out == ''
    assert 'group gold' in anyvf('vf', 'show', dev, 2).out and '"group": "gold"' in anyvf('export').out
    anyvf('vf', 'set', dev, 2, 'group', 'silver')  # which is two steps of the kernel's
    assert told()['130'] == {'parent': 'silver'}
    anyvf('vf', 'set', dev, 2, 'group', 'gold')
    now, doc = told(), anyvf('export').out
    assert 'has no group bronze' in anyvf('vf', 'set', dev, 1, 'group', 'bronze', code=1).err
    assert 'has no group gold' in anyvf('pf', 'set', dev, 'groups', 'silver', code=1).err
    assert 'has groups' in anyvf('pf', 'set', dev, 'numvfs', 2, code=1).err
    assert told() == now
    hw.run('devlink', 'port', 'function', 'rate', 'add', f'{nic}/foreign')
    for parent in (['noparent'], ['parent', 'foreign']):
        hw.run('devlink', 'port', 'function', 'rate', 'set', f'{nic}/130', *parent)
    assert anyvf('pf', 'drift').out.count('since') == 2
    anyvf('pf', 'set', dev, 'drift', 'repair')
    wait_for(lambda: told() == now, 20, 'the groups')
    anyvf('pf', 'set', dev, 'drift', 'report')
    # as a file has it: from nothing, and back
    hw.run('sh', '-c', f"cat > /tmp/doc.json <<'END'\n{doc}\nEND")
    less = json.loads(doc)
    del less['pfs'][dev]['groups'], less['pfs'][dev]['vfs']
    hw.run('sh', '-c', f"cat > /tmp/less.json <<'END'\n{json.dumps(less)}\nEND")
    assert anyvf('diff', '/tmp/doc.json').out == ''
    anyvf('apply', '/tmp/less.json')
    assert told() == before
    anyvf('apply', '/tmp/doc.json')
    assert told() == now
    hw.stop('hwd', 'KILL')
    hw.run('devlink', 'port', 'function', 'rate', 'set', f'{nic}/130', 'noparent')
    hw.run('sed', '-i', 's/"boot":"......../"boot":"00000000/', '/tmp/hwd.json')  # as after a boot
    serve(hw, dev)
    wait_for(lambda: told() == now, 20, 'the groups')
    # after a boot in legacy mode the mode that a file asked for is there again, and with it the groups
    hw.stop('hwd', 'KILL')
    for port in 129, 130:
        hw.run('devlink', 'port', 'function', 'rate', 'set', f'{nic}/{port}', 'noparent')
    for node in 'gold', 'silver':
        hw.run('devlink', 'port', 'function', 'rate', 'del', f'{nic}/{node}')
    hw.run('devlink', 'dev', 'eswitch', 'set', nic, 'mode', 'legacy')
    hw.run('sed', '-i', 's/"boot":"......../"boot":"00000000/', '/tmp/hwd.json')
    serve(hw, dev)
    wait_for(lambda: told().get('130') == {'parent': 'gold'} and 'silver' in told(), 20, 'the groups')
    assert anyvf('diff', '/tmp/doc.json').out == ''
    # the word by itself
    assert 'set groups none first' in anyvf('pf', 'set', dev, 'eswitch', 'legacy', code=1).err
    anyvf('vf', 'release', dev, 1)
    anyvf('vf', 'set', dev, 2, 'group', 'none')
    anyvf('pf', 'set', dev, 'groups', 'none')
    assert told() == before
    anyvf('pf', 'set', dev, 'eswitch', 'legacy')
    assert 'mode legacy' in hw.run('devlink', 'dev', 'eswitch', 'show', nic).out
    assert 'has groups in switchdev mode alone' in anyvf('pf', 'set', dev, 'groups', 'gold', code=1).err
    anyvf('pf', 'set', dev, 'numvfs', 2)
    anyvf('apply', '/tmp/doc.json')  # number and mode, then groups, then who is in them
    assert told().get('130') == {'parent': 'gold'} and 'eswitch switchdev' in anyvf('pf', 'show', dev).out
    anyvf('apply', '/tmp/less.json')
    assert told() == before
