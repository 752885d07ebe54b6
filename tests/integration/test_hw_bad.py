# SPDX-License-Identifier: Apache-2.0
"""What goes wrong under anyvf-hwd: NICs that go in the middle of a line, others that take its VFs, no IOMMU, a state file that is none, two daemons."""
import json
import random

import pytest

from conftest import wait_for
from hwlab import Hwd, hw, igb_pf, netdevsim  # noqa: F401

HW_IOMMU = False
N_VFS = 4  # as many as a fresh netdevsim can have


class Host(Hwd):
    """The lab's, with anyvf-hwd."""

    def __init__(self, lab):
        self.lab = lab
        self.start()

    def sh(self, script, *words, check=True):
        return self.lab.run('sh', '-c', script, *words, check=check)

    def vfs(self, dev):
        """What the kernel tells of them."""
        return json.loads(self.lab.run('ip', '-j', 'link', 'show', dev).out)[0].get('vfinfo_list', [])


@pytest.fixture(scope='module')
def host(hw):  # noqa: F811
    return Host(hw)


@pytest.fixture(scope='module')
def sim(host):
    dev = netdevsim(host.lab, vfs=N_VFS)
    host.anyvf('pf', 'add', dev, 'hw', 'numvfs', N_VFS)
    return dev


@pytest.fixture(scope='module')
def igb(host):
    dev = igb_pf(host.lab)
    host.sh('modprobe -a igbvf vfio-pci')
    host.anyvf('pf', 'add', dev, 'hw', 'numvfs', 2)
    return dev


def line(rng):
    """Words for every VF, each time others."""
    words = []
    for vf in range(N_VFS):
        words += ['vf', vf, 'mac', f'02:00:00:00:{rng.randrange(256):02x}:{vf:02x}', 'vlan', rng.randrange(1, 4095),
                  'max_tx_rate', rng.randrange(1, 1000), 'trust', rng.choice(('on', 'off'))]
    return words


def test_a_nic_that_goes_in_a_line_is_as_before_or_as_asked_for_when_it_is_back(host, sim):
    """At random moments; unit hw has all of them."""
    rng = random.Random(1)
    for _ in range(4):
        host.anyvf('link', 'set', sim, *line(rng))
        before, words = host.vfs(sim), line(rng)
        said = host.sh('dev=$0; delay=$1; shift; anyvf link set $dev "$@" & sleep $delay; echo 1 > /sys/bus/netdevsim/del_device; wait $!',
                       sim, f'{rng.random() * 0.3:.3f}', *words, check=False)
        assert said.code == 0 or sim in said.err or 'netdevsim1' in said.err, said
        assert netdevsim(host.lab) == sim
        wait_for(lambda: host.vfs(sim) and host.drift() == [], 20, 'all words of its new VFs')
        now = host.vfs(sim)
        if said.code:
            assert now == before
        else:
            host.anyvf('link', 'set', sim, *words)
            assert host.vfs(sim) == now


def test_another_number_behind_our_back_is_named_and_the_vfs_come_back_with_their_words(host, sim):
    number = '/sys/bus/netdevsim/devices/netdevsim1/sriov_numvfs'
    host.anyvf('link', 'set', sim, 'vf', 1, 'vlan', 42)
    before = host.vfs(sim)
    host.sh(f'echo 0 > {number}')
    wait_for(lambda: host.drift() == [(None, 'numvfs', '4', '0')], 20, 'its name')
    refused = host.anyvf('link', 'set', sim, 'vf', 1, 'vlan', 43, code=2)
    assert refused.err == 'RTNETLINK answers: Invalid argument\n'
    host.anyvf('pf', 'set', sim, 'numvfs', N_VFS)
    assert host.vfs(sim) == before and host.drift() == []
    host.anyvf('pf', 'set', sim, 'drift', 'repair')
    host.sh(f'echo 0 > {number}')
    wait_for(lambda: host.vfs(sim) == before, 20, 'its VFs')
    # the kernel makes no other number of VFs where there are some: they may be in use
    host.sh(f'echo 0 > {number}; echo 2 > {number}')
    wait_for(lambda: host.drift() == [(None, 'numvfs', '4', '2')], 20, 'its name')
    host.anyvf('pf', 'set', sim, 'numvfs', N_VFS, 'drift', 'report')
    assert host.vfs(sim) == before


def test_igb_without_an_iommu_no_vm_gets_a_vf(host, igb):
    refused = host.anyvf('vf', 'attach', igb, 0, 'vfio', code=1)
    assert refused.err == f'Error: {igb} vf 0: it has no IOMMU group: the IOMMU is off.\n'
    assert host.sh('basename $(readlink /sys/class/net/$0/device/virtfn0/driver)', igb).out == 'igbvf\n'


def test_igb_a_driver_that_is_unbound_under_its_vfs_comes_back_with_all_of_them(host, igb):
    host.anyvf('link', 'set', igb, 'vf', 1, 'vlan', 9)
    device = host.sh('basename $(readlink /sys/class/net/$0/device)', igb).out.strip()
    host.sh('echo $0 > /sys/bus/pci/drivers/igb/unbind', device)
    for words in (('pf', 'show'), ('pf', 'drift')):
        wait_for(lambda w=words: f'{device}: no driver is bound to it' in host.lab.run('anyvf', *w, check=False).err, 10, 'the reason')
    host.anyvf('link', 'set', igb, 'vf', 1, 'vlan', 10, code=1)
    host.sh('echo $0 > /sys/bus/pci/drivers/igb/bind', device)
    wait_for(lambda: [v['vlan_list'] for v in host.vfs(igb)] == [[{}], [{'vlan': 9}]], 30, 'its VFs')
    assert host.drift() == []


def test_igb_a_netdev_that_others_rename_or_move_is_found_and_comes_back(host, igb):
    home = host.sh('ls /sys/class/net/$0/device/virtfn0/net', igb).out
    host.sh('ip netns add box; ip netns add other')
    host.anyvf('vf', 'attach', igb, 0, 'netdev', 'netns', 'box', 'name', 'x')
    host.sh('ip -n box link set x down; ip -n box link set x name y')
    assert 'there as y netns box' in host.anyvf('vf', 'show', igb, 0).out
    host.sh('ip -n box link set y netns other')
    wait_for(host.drift, 20, 'its name')
    assert 'missing: its netdev is y netns other' in host.anyvf('vf', 'show', igb, 0).out
    host.anyvf('vf', 'detach', igb, 0)
    assert host.sh('ls /sys/class/net/$0/device/virtfn0/net', igb).out == home
    assert host.drift() == []


def test_two_daemons_share_neither_socket_nor_state(host):
    for words, lock in ((), '/run/anyvf/hwd.lock'), (('--run-dir', '/tmp/run'), '/var/lib/anyvf/hwd.json.lock'):
        refused = host.lab.run('anyvf-hwd', *words, check=False)
        assert refused.code == 1 and f'{lock} is locked by process' in refused.err


@pytest.mark.parametrize('damage, why', [
    ('echo {', "/var/lib/anyvf/hwd.json: string or '}' expected"), ('head -c 4096 /dev/urandom', '/var/lib/anyvf/hwd.json: '), (None, 'Is a directory')])
def test_a_state_file_that_is_none_is_named_and_nothing_is_changed(host, sim, damage, why):
    before, file = host.vfs(sim), '/var/lib/anyvf/hwd.json'
    host.lab.stop('hwd')
    host.sh(f'cp {file} /tmp/kept; rm {file}; ' + (f'{damage} > {file}' if damage else f'mkdir {file}'))
    refused = host.lab.run('anyvf-hwd', check=False)
    assert refused.code == 1 and why in refused.err
    host.sh(f'rm -r {file}; cp /tmp/kept {file}')
    host.start()
    assert host.vfs(sim) == before and host.drift() == []
