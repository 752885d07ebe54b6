# SPDX-License-Identifier: Apache-2.0
"""The lab's host for tests of hardware PFs: it has what they need."""
import json
import re
import shutil

from conftest import BUILD, ROOT
from hwlab import hw, igb_pf, netdevsim  # noqa: F401
from lab import checked


def vfs_of(lab, dev):
    return json.loads(lab.run('ip', '-j', 'link', 'show', dev).out)[0]['vfinfo_list']


def test_netdevsim_has_vfs_that_take_words(hw):  # noqa: F811
    dev = netdevsim(hw, vfs=8)
    hw.run('ip', 'link', 'set', dev, 'vf', 7, 'mac', '02:00:00:00:00:07', 'vlan', 100, 'proto', '802.1ad')
    got = vfs_of(hw, dev)
    assert (len(got), got[7]['address'], got[7]['vlan_list'][0]['protocol']) == (8, '02:00:00:00:00:07', '802.1ad')
    assert 'netdevsim/netdevsim1' in hw.run('devlink', 'dev').out
    hw.run('modprobe', '-r', 'netdevsim')


def test_igb_has_vfs_for_vms_containers_and_mirrors(hw):  # noqa: F811
    dev = igb_pf(hw, vfs=7)
    hw.run('ip', 'link', 'set', dev, 'vf', 6, 'mac', '02:00:00:00:00:06')
    assert [vf['address'] for vf in vfs_of(hw, dev)][6:] == ['02:00:00:00:00:06']
    groups = hw.run('sh', '-ec', '''
        modprobe -a vfio-pci igbvf
        for n in 0 1 2 3 4 5 6; do
            cd $(readlink -f /sys/class/net/$0/device/virtfn$n)
            [ $n = 6 ] || echo vfio-pci > driver_override
            [ ! -e driver ] || basename $PWD > driver/unbind
            basename $PWD > /sys/bus/pci/drivers_probe
            readlink iommu_group driver
        done''', dev).out.split()
    assert len(set(groups[::2])) == 7
    assert [driver.rpartition('/')[2] for driver in groups[1::2]] == ['vfio-pci'] * 6 + ['igbvf']
    assert set(hw.run('ls', '/dev/vfio').out.split()) == {'vfio', *(group.rpartition('/')[2] for group in groups[:12:2])}
    vf = hw.run('ls', f'/sys/class/net/{dev}/device/virtfn6/net').out.strip()
    hw.run('ip', 'link', 'add', 'link', vf, 'name', 'tap6', 'type', 'macvtap', 'mode', 'passthru')
    hw.run('ip', 'link', 'del', 'tap6')
    hw.run('ip', 'netns', 'add', 'box')
    hw.run('ip', 'link', 'set', vf, 'netns', 'box')
    hw.run('ip', 'netns', 'exec', 'box', 'ip', 'link', 'show', vf)
    hw.run('ip', 'netns', 'del', 'box')
    hw.run('ip', 'link', 'add', 'link', dev, 'name', 'v5', 'type', 'vlan', 'id', 5)
    hw.run('ip', 'link', 'add', 'to', 'type', 'dummy')
    hw.run('tc', 'qdisc', 'add', 'dev', dev, 'clsact')
    for kind in 'matchall', 'flower':
        hw.run('tc', 'filter', 'add', 'dev', dev, 'ingress', kind, 'skip_hw', 'action', 'mirred', 'egress', 'mirror', 'dev', 'to')
    igb_pf(hw)


def test_programs_of_this_build_stay_and_end(hw):  # noqa: F811
    hw.start('swd', 'anyvf-swd')
    hw.run('sh', '-c', 'for n in $(seq 300); do anyvf pf show && exit; sleep 0.2; done; exit 1')
    hw.run('anyvf', 'pf', 'add', 'p2p1', 'numvfs', 2)
    hw.start('false', 'sh', '-c', 'echo said; exit 3')
    assert (hw.stop('false', None), hw.said('false')) == (3, 'said\n')
    assert hw.stop('swd', 'INT') == 0
    assert 'the switch is up' in hw.said('swd')


UNITS = """#!/bin/sh
# What the units leave the daemons, where there is a NIC.
anyvf pf add p1 numvfs 3
echo 1 1 > /sys/bus/netdevsim/new_device
nic=$(ls /sys/bus/netdevsim/devices/netdevsim1/net)
anyvf pf add $nic hw numvfs 2 && anyvf link set $nic vf 1 vlan 7 && ip link show $nic
ls -l /var/lib/anyvf/hwd.json
anyvf export | sed 's/"vlan": 7/"vlan": 8/; s/"numvfs": 3/"numvfs": 4/' > /tmp/host.json
anyvf apply /tmp/host.json && anyvf diff /tmp/host.json && ls -ld /var/lib/anyvf/apply && ip link show $nic && echo both applied
"""


def test_the_daemons_of_a_nic_live_in_their_units(hw):  # noqa: F811
    """What test_units sees of them on this kernel, which may have no netdevsim, is here in the same container on the lab's."""
    files = checked(hw.directory / 'unit', UNITS, ['anyvf-swd.service', 'anyvf-hwd.service'])
    for daemon in 'swd', 'hwd':
        shutil.copy(BUILD / f'packaging/anyvf-{daemon}.service', files / 'etc/systemd/system')
    (files / 'usr/lib/tmpfiles.d').mkdir(parents=True)
    shutil.copy(ROOT / 'packaging/tmpfiles.conf', files / 'usr/lib/tmpfiles.d/anyvf.conf')
    (hw.directory / 'booted').mkdir()
    hw.run('modprobe', 'netdevsim')
    hw.run(ROOT / 'tests/lab/container', '/run/lab/out/unit', '/run/lab/out/booted')
    hw.run('modprobe', '-r', 'netdevsim')
    said = (hw.directory / 'booted/said').read_text()
    for line in r'    vf 1 .*, vlan 7, .*', r'-rw------- .* root root .*/hwd.json', r'drwxrwxr-x .* (root|anyvf-swd) anyvf-swd .*/apply', r'    vf 1 .*, vlan 8, .*', 'both applied':
        assert re.search(f'^{line}$', said, re.M), (line, said, (hw.directory / 'booted/console').read_text(errors='replace'))


def test_what_was_synced_outlives_a_power_cut_and_nothing_else_does(hw):  # noqa: F811
    hw.run('sh', '-ec', '''
        echo 0 > /proc/sys/vm/dirty_writeback_centisecs # else a slow machine writes it after half a minute
        cd /var/lib/anyvf
        echo kept > kept
        sync
        for path in . /root; do echo lost > $path/lost; done''')
    hw.cut()
    assert hw.run('cat', '/var/lib/anyvf/kept').out == 'kept\n'
    assert [hw.run('cat', f'{path}/lost', check=False).out for path in ('/var/lib/anyvf', '/root')] == ['', '']
