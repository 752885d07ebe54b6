# SPDX-License-Identifier: Apache-2.0
"""`anyvf apply` where NICs are: two daemons, one change. In the lab's host (tests/lab), on netdevsim."""
import json
import os
import random

import pytest

from hwlab import Hwd, hw, netdevsim  # noqa: F401

N_VFS = 4
KILLS = int(os.environ.get('ANYVF_APPLY_HW_KILLS', 4))
CUTS = int(os.environ.get('ANYVF_APPLY_HW_CUTS', 2))
DAEMONS = {'swd': ('anyvf-swd', '--cores', '0'), 'hwd': ('anyvf-hwd',)}


class Both(Hwd):
    """Both daemons, a software PF and a netdevsim that nobody serves yet."""

    def __init__(self, lab):
        self.lab = lab
        self.boot()
        self.anyvf('pf', 'add', 'p1', 'numvfs', N_VFS)

    def boot(self):
        self.lab.run('mkdir', '-p', '/var/lib/anyvf', '/run/anyvf')
        self.lab.run('modprobe', '-a', 'macvlan', '8021q')
        self.dev = netdevsim(self.lab, vfs=N_VFS)
        for name in DAEMONS:
            self.start(name)

    def start(self, name, *words):
        self.lab.start(name, *DAEMONS[name], *words)
        self.lab.run('sh', '-c', '''for i in $(seq 300); do [ -S /run/anyvf/$0.sock ] && anyvf export > /dev/null 2>&1 && exit; sleep 0.1; done
            anyvf export; cat /run/lab/out/*''', name)

    def export(self):
        return json.loads(self.anyvf('export').out)

    def kernel(self):
        """The NIC, and what is on it; numbers of netdevs that are made again are others."""
        on_it = json.loads(self.lab.run('ip', '-d', '-j', 'link').out)
        return self.lab.run('ip', '-j', 'link', 'show', self.dev).out, sorted(
            (link['ifname'], link['address'], link['linkinfo'].get('info_data', {}).get('id')) for link in on_it if link.get('link') == self.dev)

    def file(self, doc):
        (self.lab.directory / 'doc.json').write_text(json.dumps(doc))
        self.lab.run('sh', '-c', f'cat > /tmp/doc.json <<"END"\n{json.dumps(doc)}\nEND')
        return '/tmp/doc.json'

    def apply(self, doc, *words, code=0):
        return self.anyvf('apply', self.file(doc), *words, code=code)


@pytest.fixture(scope='module')
def both(hw):  # noqa: F811
    return Both(hw)


def words(rng):
    """A file that is other each time, for both."""
    vfs = {str(vf): {'vlan': rng.randrange(1, 4000), 'mac': f'02:00:00:00:{rng.randrange(256):02x}:{vf:02x}', 'max_tx_rate': rng.randrange(1, 1000),
                     'trust': True} for vf in range(N_VFS) if rng.random() < .8}
    return vfs


def services(rng):
    """Service ports on the NIC; some of them have names or VLANs that others had."""
    return {f'svc{rng.randrange(3)}': {'vlan': vlan} for vlan in (0, 7, 8) if rng.random() < .6}


def state(rng, dev):
    return {'anyvf': 1, 'pfs': {'p1': {'numvfs': N_VFS, 'vfs': words(rng)},
                                dev: {'kind': 'hw', 'numvfs': N_VFS, 'vfs': words(rng), 'services': services(rng)}}}


def test_a_nic_that_nobody_served_is_as_it_was_when_that_is_taken_back(both):
    both.lab.run('ip', 'link', 'set', both.dev, 'vf', 1, 'vlan', 77)
    kernel, before = both.kernel(), both.export()
    doc = state(random.Random(1), both.dev)
    dry = both.apply(doc, '-n', code=2).out
    assert both.kernel() == kernel and both.export() == before
    assert both.apply(doc, '--confirm', 60).out == dry
    assert both.kernel() != kernel
    assert 'waits for its confirmation' in both.anyvf('link', 'set', both.dev, 'vf', 0, 'vlan', 8, code=2).err
    assert 'waits for its confirmation' in both.anyvf('vf', 'set', 'p1', 0, 'vlan', 8, code=1).err
    both.anyvf('revert')
    assert both.kernel() == kernel and both.export() == before
    both.apply(doc)
    assert both.anyvf('diff', '/tmp/doc.json').out == ''
    assert both.anyvf('revert') and both.kernel() == kernel and both.export() == before
    both.apply(doc)


def test_what_one_daemon_refuses_the_other_has_not_done(both):
    before = both.export(), both.kernel()
    doc = state(random.Random(2), both.dev)
    del doc['pfs'][both.dev]['numvfs']  # as many as there are
    doc['pfs'][both.dev]['vfs']['1'] = {'attach': {'kind': 'netdev', 'netns': 'nowhere'}}
    assert 'nowhere' in both.apply(doc, code=1).err
    assert 'nowhere' in both.apply(doc, '-n', code=1).err
    doc['pfs'][both.dev]['vfs']['1'] = {'isolated': True}
    assert 'isolated' in both.apply(doc, code=1).err
    del doc['pfs'][both.dev]['vfs']['1']
    doc['pfs']['p1']['uplink'], doc['pfs']['p1']['uplink_arg'] = 'dev', 'nowhere'
    assert 'nowhere' in both.apply(doc, code=1).err
    assert (both.export(), both.kernel()) == before
    del doc['pfs']['p1']['uplink'], doc['pfs']['p1']['uplink_arg']
    both.apply(doc)
    assert both.kernel() != before[1] and both.anyvf('diff', '/tmp/doc.json').out == ''


def test_words_that_a_nic_has_already_are_asked_for_and_nothing_is_done(both):
    """By `ip link`. Drift names who changes them then, a boot has them again, and a revert is back to before."""
    nic = both.dev
    both.anyvf('vf', 'release', nic, 3)
    both.lab.run('ip', 'link', 'set', nic, 'vf', 3, 'vlan', 66, 'trust', 'on')
    both.lab.run('ip', 'link', 'set', nic, 'vf', 2, 'max_tx_rate', 77)  # of what was asked for otherwise
    kernel, doc = both.kernel(), both.export()
    assert both.anyvf('diff', both.file(doc)).out == '' and both.apply(doc, '-n').out == ''
    assert (2, 'max_tx_rate', '77') in [(vf, word, now) for vf, word, _, now in both.drift()]
    done = both.apply(doc)
    assert done.out == '' and 'is asked for from now on' in done.err and both.kernel() == kernel
    assert both.drift() == []
    assert both.apply(doc).err == '', 'it is so by now'
    both.lab.run('ip', 'link', 'set', nic, 'vf', 3, 'vlan', 67, 'trust', 'off')
    assert both.drift() == [(3, 'vlan', '66', '67'), (3, 'trust', 'on', 'off')]
    both.lab.stop('hwd')
    both.lab.run('sh', '-ec', """sed -i 's/"boot":"......../"boot":"00000000/' /var/lib/anyvf/hwd.json; cd /sys/class/net/$0/device
        n=$(cat sriov_numvfs); echo 0 > sriov_numvfs; echo $n > sriov_numvfs""", nic)
    both.start('hwd')
    assert both.kernel() == kernel and both.drift() == []
    both.anyvf('revert')
    both.lab.run('ip', 'link', 'set', nic, 'vf', 3, 'vlan', 67)
    assert both.kernel() != kernel and both.drift() == []
    both.lab.run('ip', 'link', 'set', nic, 'vf', 3, 'vlan', 66)
    both.apply(doc)


@pytest.mark.parametrize('seed', range(KILLS))
def test_whoever_is_killed_both_have_the_one_or_the_other(both, seed):
    """A daemon, or the command, at a random moment of `anyvf apply`."""
    rng = random.Random(seed)
    before = both.export(), both.kernel()
    doc = state(rng, both.dev)
    both.file(doc)
    whom = rng.choice(('swd', 'hwd', 'apply'))
    both.lab.run('sh', '-c', '''anyvf apply /tmp/doc.json & apply=$!; swd=$(cat /run/lab/out/swd.pid); hwd=$(cat /run/lab/out/hwd.pid); sleep $1
        eval kill -9 \\$$0; wait''', whom, f'{rng.random() * 2:.2f}', check=False)
    if whom != 'apply':
        both.lab.stop(whom, None)
        both.start(whom)
    if 'not every daemon' in both.lab.run('anyvf', 'confirm', check=False).err:
        both.anyvf('revert')  # it would be in a minute
    now = both.export(), both.kernel()
    if now != before:
        assert both.anyvf('diff', '/tmp/doc.json').out == ''


@pytest.mark.parametrize('seed', range(CUTS))
def test_a_power_cut_leaves_both_as_before_or_both_as_the_file_says(both, seed):
    """In the middle of `anyvf apply`; the first when all is done and waits for its confirmation."""
    rng = random.Random(seed)
    before = both.export()
    doc = state(rng, both.dev)
    if seed:
        both.file(doc)
        both.lab.run('sync', '/tmp/doc.json')
        both.lab.start('change', 'anyvf', 'apply', '/tmp/doc.json')
        both.lab.run('sleep', f'{rng.random() * 2:.3f}')
    else:
        both.apply(doc, '--confirm', 600)
    both.lab.cut()
    both.boot()
    assert 'nothing waits' in both.anyvf('confirm', code=1).err
    if both.export() != before:
        assert seed
        both.file(doc)
        assert both.anyvf('diff', '/tmp/doc.json').out == ''


def test_daemons_that_would_not_hear_of_each_others_decisions_begin_nothing(both):
    both.lab.stop('hwd')
    both.lab.run('sh', '-c', 'mkdir -p /var/lib/anyvf/else && cp /var/lib/anyvf/hwd.json /var/lib/anyvf/else')
    both.start('hwd', '--state', '/var/lib/anyvf/else/hwd.json')
    before = both.export(), both.kernel()
    assert '--state' in both.apply(state(random.Random(99), both.dev), code=1).err
    assert 'nothing waits' in both.anyvf('confirm', code=1).err
    assert (both.export(), both.kernel()) == before
