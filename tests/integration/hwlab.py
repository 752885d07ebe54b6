# SPDX-License-Identifier: Apache-2.0
"""A host with SR-IOV NICs and the programs of this tree, for tests of hardware PFs: one boot a file of tests.

    from hwlab import Hwd, hw, igb_pf, netdevsim  # noqa: F401

The fixture `hw` is a HostLab of tests/lab/lab.py: with an IOMMU, with /var/lib/anyvf on a disk that a cut() leaves, with this
build's programs in the PATH, with netdevsim, and with an igb where there is a QEMU that has one. A file's HW_DEVICES are more
words for QEMU; HW_IOMMU = False takes that away. What a test writes to `hw.directory / 'files'`, such as etc/anyvf/anyvf.conf, is there at the next boot.
"""
import json
import re
import shutil
import sys

import pytest

from conftest import DAEMONS, PATIENCE, ROOT, need_root

sys.path.insert(0, str(ROOT / 'tests' / 'lab'))
from lab import HostLab, igb, igb_qemu  # noqa: E402

MAC = '02:00:00:00:01:00'  # igb's
COUNTERS = {'receive_packets': 'rx_packets', 'receive_bytes': 'rx_bytes', 'receive_multicast_packets': 'rx_multicast',
            'receive_broadcast_packets': 'rx_broadcast', 'transmit_packets': 'tx_packets', 'transmit_bytes': 'tx_bytes', 'mirrored_packets': 'mirrored'}


@pytest.fixture(scope='module')
def hw(request, tmp_path_factory):
    """The machine, booted. It has no NIC and no netdevsim yet: igb_pf(), netdevsim()."""
    need_root()
    directory = tmp_path_factory.mktemp('hw')
    sbin = directory / 'files/usr/local/sbin'
    sbin.mkdir(parents=True)
    for program in DAEMONS.glob('anyvf*'):
        if program.is_file():
            shutil.copy(program, sbin)
    qemu, why = igb_qemu()
    devices = [*(igb(MAC) if qemu else []), *getattr(request.module, 'HW_DEVICES', [])]
    with HostLab(directory, directory / 'files', *devices, qemu=qemu or 'qemu-system-x86_64', state=directory / 'disk',
                 iommu=getattr(request.module, 'HW_IOMMU', True), timeout=60 * PATIENCE) as lab:
        lab.no_igb = why
        yield lab


class Hwd:
    """The machine with anyvf-hwd: self.lab."""

    def start(self):
        self.lab.start('hwd', 'anyvf-hwd')
        self.lab.run('sh', '-c', 'until anyvf pf show > /dev/null 2>&1; do sleep 0.1; done')

    def anyvf(self, *words, code=0):
        """The Done of a command that ends with that code."""
        done = self.lab.run('anyvf', *words, check=False)
        assert done.code == code, (words, done)
        return done

    def samples_are_what_is_told(self, dev):
        """Of `anyvf metrics`: a counter that the driver does not tell has no sample; returns how many have one."""
        page = self.anyvf('metrics').out
        assert f'anyvf_up{{daemon="hwd"}} 1\n' in page and 'daemon="swd"' not in page
        some = 0
        for vf in json.loads(self.anyvf('-j', 'vf', 'show', dev).out):
            labels = f'{{pf="{dev}",vf="{vf["vf"]}"}}'
            assert f'anyvf_vf_info{{pf="{dev}",vf="{vf["vf"]}",' in page
            for sample, word in COUNTERS.items():
                got = re.findall(rf'^anyvf_vf_{sample}_total{re.escape(labels)} (\d+)$', page, re.M)
                assert len(got) == (word in vf['stats']), (sample, got, vf['stats'])
                some += len(got)
        return some

    def samples_of_the_pf(self, dev):
        """Of `anyvf metrics`: the PF's counters, its errors and its drift, as `pf show -j` and `pf drift` say. Returns them by name."""
        def told(name):
            got = re.findall(rf'^anyvf_{name}\{{pf="{dev}"(?:,\w+="(\w+)")?\}} (\d+)$', page, re.M)
            return {label: int(value) for label, value in got}
        page = self.anyvf('metrics').out
        pf, = json.loads(self.anyvf('-j', 'pf', 'show', dev).out)
        status, got = pf['status'], {}
        for sample, word in COUNTERS.items():
            if not sample.startswith(('receive_multicast', 'receive_broadcast', 'mirrored')):
                got[sample] = told(f'uplink_{sample}_total')
                assert got[sample] == ({'': status['uplink'][word]} if word in status['uplink'] else {}), sample
                assert not told(f'host_{sample}_total')
        got['errors'], got['drift'] = told('pf_errors_total'), told('pf_drift_words')
        assert got['errors'] == status['errors'] and got['drift'] == {'': len(self.drift())}
        return got

    def drift(self):
        """Of each word: its mirror or VF, if any, what was asked for, what it is."""
        return [(d.get('mirror', d.get('vf')), d['word'], d['asked'], d['is']) for d in json.loads(self.anyvf('-j', 'pf', 'drift').out)]


def netdevsim(lab, number=1, vfs=0, ports=1):
    """Make a netdevsim; its first port's netdev, with that many VFs. rmmod netdevsim, or its number to del_device, ends it."""
    return lab.run('sh', '-ec', '''
        modprobe netdevsim
        echo $0 $2 > /sys/bus/netdevsim/new_device
        cd /sys/bus/netdevsim/devices/netdevsim$0
        [ $1 -le 4 ] || echo $1 > /sys/kernel/debug/netdevsim/netdevsim$0/max_vfs
        [ $1 = 0 ] || echo $1 > sriov_numvfs
        ls net | head -n 1''', number, vfs, ports).out.strip()


def igb_pf(lab, vfs=0):
    """The netdev of the igb, with that many VFs; skips where there is none. A test that asks for it is named test_igb_..."""
    if lab.no_igb:
        pytest.skip(lab.no_igb)
    return lab.run('sh', '-ec', '''
        modprobe igb
        dev=$(basename /sys/bus/pci/drivers/igb/0*/net/*)
        cd /sys/class/net/$dev/device
        [ $(cat sriov_numvfs) = $0 ] || { echo 0 > sriov_numvfs; echo $0 > sriov_numvfs; }
        echo $dev''', vfs).out.strip()
