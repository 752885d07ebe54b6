# SPDX-License-Identifier: Apache-2.0
"""PFs of NICs: anyvf-hwd on netdevsim, in the lab's host (tests/lab). What the kernel tells is what counts."""
import json
import os
import random
import re

import pytest

from conftest import BUILD, wait_for
from hwlab import Hwd, hw, netdevsim  # noqa: F401

N_VFS = 8
PLANS = int(os.environ.get('ANYVF_HW_PLANS', 50))  # tests/lab/soak has more of both
CUTS = int(os.environ.get('ANYVF_HW_CUTS', 5))


# What the agent writes.
LEASE = """
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect('/run/anyvf/hwd.sock')
s.sendall(json.dumps({'jsonrpc': '2.0', 'id': 1, 'method': 'pf.set', 'params': {
    'pf': sys.argv[1], 'by_agent': True, 'vfs': [{'vf': 2, 'set': {'port_id': 'p'}}]}}).encode() + b'\\n')
assert 'result' in json.loads(s.makefile().readline())
"""


class Nic(Hwd):
    """A netdevsim that anyvf-hwd serves."""

    def __init__(self, lab):
        self.lab = lab
        self.boot()
        self.untouched = self.vfs()[0]
        self.start()
        lab.run('anyvf', 'pf', 'add', self.dev, 'hw')

    def boot(self):
        """The NIC, as after a boot."""
        self.dev = netdevsim(self.lab, vfs=N_VFS)

    def close(self):
        self.lab.run('sh', '-c', 'anyvf pf del $0; modprobe -r netdevsim; rm -f /var/lib/anyvf/hwd.json', self.dev, check=False)
        self.lab.stop('hwd')

    def kernel(self):
        """What the kernel tells, in ip's words: all of it, byte for byte."""
        return self.lab.run('ip', '-j', 'link', 'show', self.dev).out

    def vfs(self):
        return json.loads(self.kernel())[0]['vfinfo_list']

    def set(self, *words, code=0):
        return self.anyvf('link', 'set', self.dev, *words, code=code)

    def shown(self, vf):
        return json.loads(self.anyvf('-j', 'vf', 'show', self.dev, vf).out)[0]


@pytest.fixture(scope='module')
def nic(hw):  # noqa: F811
    made = Nic(hw)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def fresh(nic):
    """Every VF at its defaults, asked for nothing, before a test."""
    yield
    for vf in nic.vfs():
        if {**vf, 'vf': 0} != nic.untouched:
            nic.anyvf('vf', 'release', nic.dev, vf['vf'])


def test_words_are_those_of_ip_and_the_kernel_has_them(nic):
    nic.set('vf', 1, 'mac', '02:00:00:00:00:11', 'vlan', 100, 'qos', 3, 'proto', '802.1ad', 'max_tx_rate', 500, 'min_tx_rate', 100,
            'spoofchk', 'on', 'state', 'enable', 'trust', 'on', 'query_rss', 'on', 'vf', 2, 'vlan', 7)
    got = nic.vfs()
    assert got[1] == {'vf': 1, 'link_type': 'ether', 'address': '02:00:00:00:00:11', 'broadcast': 'ff:ff:ff:ff:ff:ff',
                      'vlan_list': [{'vlan': 100, 'qos': 3, 'protocol': '802.1ad'}], 'tx_rate': 500,
                      'rate': {'max_tx': 500, 'min_tx': 100}, 'spoofchk': True, 'link_state': 'enable', 'trust': True, 'query_rss_en': True}
    assert got[2]['vlan_list'] == [{'vlan': 7}]
    assert json.loads(nic.anyvf('-j', 'link', 'show', nic.dev).out)[0]['vfinfo_list'] == got


def test_ip_has_a_nics_words_and_those_of_its_netdev(nic):
    """`anyvf ip`: what is the netdev's alone the real ip does; a NIC is shown once, as ip does."""
    link = json.loads(nic.lab.run('ip', '-j', 'link', 'show', nic.dev).out)[0]
    nic.anyvf('ip', 'link', 'set', nic.dev, 'mtu', 1400, 'txqueuelen', 77, 'vf', 1, 'vlan', 9)
    now = json.loads(nic.lab.run('ip', '-j', 'link', 'show', nic.dev).out)[0]
    assert (now['mtu'], now['txqlen'], nic.vfs()[1]['vlan_list']) == (1400, 77, [{'vlan': 9}]) and nic.drift() == []
    assert nic.anyvf('ip', '-j', 'link').out.count(f'"ifname":"{nic.dev}"') == nic.lab.run('ip', '-j', 'link').out.count(f'"ifname":"{nic.dev}"')
    for words in (['link', 'show', nic.dev], ['-j', 'link', 'show', 'dev', nic.dev]):
        assert json_or_text(nic.anyvf('ip', *words).out) == json_or_text(nic.lab.run('ip', *words).out)
    nic.anyvf('ip', 'link', 'set', nic.dev, 'mtu', link['mtu'], 'txqueuelen', link['txqlen'])
    nic.anyvf('pf', 'del', nic.dev)  # an MTU that was asked for stays so
    nic.anyvf('pf', 'add', nic.dev, 'hw')


def json_or_text(text):
    return json.loads(text) if text.startswith('[') else text


def test_a_line_of_many_words_is_all_done_or_not_at_all(nic):
    nic.set('vf', 0, 'vlan', 5)
    before = nic.kernel()
    refused = nic.set('vf', 0, 'vlan', 9, 'vf', 1, 'trust', 'on', 'vf', 2, 'mac', '01:00:5e:00:00:01', code=2)
    assert 'Invalid argument' in refused.err or 'multicast' in refused.err
    assert nic.kernel() == before
    # ip itself leaves half of it
    nic.lab.run('ip', 'link', 'set', nic.dev, 'vf', 1, 'mac', '02:00:00:00:00:01', 'vlan', 5, 'qos', 8, check=False)
    assert nic.kernel() != before


def test_what_the_kernel_refuses_leaves_nothing_behind(nic):
    """Plans of up to 200 steps, refused by the kernel at random places; below our own checks."""
    done = nic.lab.run(BUILD / 'tests' / 'lib' / 'hw_refuse', nic.dev, PLANS, 1)
    plans, refusals = map(int, re.match(r'(\d+) plans, (\d+) refusals', done.out).groups())
    assert plans == PLANS and refusals >= PLANS


def test_a_word_that_is_none_of_the_device_is_refused_by_name_before_anything_is_done(nic):
    before = nic.kernel()
    refused = nic.anyvf('vf', 'set', nic.dev, 0, 'vlan', 9, 'trunk', '5-9', code=1)
    assert re.search(rf'{nic.dev}.*trunk.*netdevsim|{nic.dev}.*netdevsim.*trunk', refused.err), refused.err
    refused = nic.anyvf('mirror', 'add', 'm', 'from', 'vf', nic.dev, 0, 'in', 'to', 'vf', nic.dev, 1, code=1)
    assert f'from vf: the NIC of {nic.dev} (netdevsim) has no mirror' in refused.err
    refused = nic.anyvf('pf', 'set', nic.dev, 'uplink', 'none', code=1)
    assert 'uplink' in refused.err
    assert nic.kernel() == before


def test_release_is_all_of_it(nic):
    fresh_one = nic.vfs()[3]
    nic.set('vf', 3, 'mac', '02:00:00:00:00:33', 'vlan', 100, 'qos', 3, 'max_tx_rate', 500, 'spoofchk', 'on', 'state', 'disable', 'trust', 'on')
    assert nic.vfs()[3] != fresh_one
    nic.anyvf('vf', 'release', nic.dev, 3)
    assert nic.vfs()[3] == fresh_one


def test_who_changes_a_vf_beside_us_is_seen(nic):
    nic.set('vf', 4, 'vlan', 100, 'trust', 'on')
    assert nic.shown(4)['status']['overridden'] == ''
    nic.lab.run('ip', 'link', 'set', nic.dev, 'vf', 4, 'vlan', 101, 'trust', 'off')
    assert nic.shown(4)['status']['overridden'] == 'vlan,trust'
    assert nic.shown(4)['config']['vlan'] == 101
    nic.set('vf', 4, 'vlan', 100, 'trust', 'on')
    assert nic.shown(4)['status']['overridden'] == ''


def drifts(nic):
    return [(d.get('vf'), d['word'], d['asked'], d['is']) for d in json.loads(nic.anyvf('-j', 'pf', 'drift').out)]


def test_drift_is_listed_said_and_set_back_where_that_is_wanted(nic):
    nic.set('vf', 2, 'vlan', 100, 'vf', 5, 'mac', '02:00:00:00:00:55', 'trust', 'on')
    assert drifts(nic) == []
    nic.lab.run('ip', 'link', 'set', nic.dev, 'vf', 2, 'vlan', 7)
    nic.lab.run('ip', 'link', 'set', nic.dev, 'vf', 2, 'spoofchk', 'on')  # nobody asked for that
    nic.lab.run('ip', 'link', 'set', nic.dev, 'vf', 5, 'trust', 'off')
    assert drifts(nic) == [(2, 'vlan', '100', '7'), (5, 'trust', 'on', 'off')]
    wait_for(lambda: 'vf=2 word=vlan asked=100 is=7' in nic.lab.said('hwd'), 10, 'a word in the log')
    nic.anyvf('pf', 'set', nic.dev, 'drift', 'repair')
    wait_for(lambda: nic.vfs()[2]['vlan_list'][0]['vlan'] == 100 and nic.vfs()[5]['trust'], 10, 'the repair')
    assert drifts(nic) == []
    nic.lab.run('ip', 'link', 'set', nic.dev, 'mtu', 1400)
    nic.anyvf('pf', 'set', nic.dev, 'drift', 'report')
    assert drifts(nic) == []  # nobody asked for an MTU
    nic.anyvf('pf', 'set', nic.dev, 'mtu', 1500)
    nic.lab.run('ip', 'link', 'set', nic.dev, 'mtu', 1400)
    assert drifts(nic) == [(None, 'mtu', '1500', '1400')]
    nic.anyvf('pf', 'set', nic.dev, 'mtu', 1500)


def test_a_link_is_shown_as_by_ip_but_for_counters_that_nobody_counts(nic):
    nic.set('vf', 1, 'mac', '02:00:00:00:00:11', 'vlan', 100, 'qos', 3, 'proto', '802.1ad', 'max_tx_rate', 500, 'min_tx_rate', 100)
    nic.lab.run('sh', '-ec', '''echo 1 > /proc/sys/net/ipv6/conf/$0/disable_ipv6  # it sends nothing that would count between two looks
                ip link set $0 up promisc on; ip link set $0 txqueuelen 77''', nic.dev)
    try:
        for words in ['link'], ['-o', 'link'], ['-br', 'link'], ['-j', 'link'], ['-j', '-br', 'link']:
            assert nic.anyvf(*words, 'show', nic.dev).out == nic.lab.run('ip', *words, 'show', nic.dev).out
        for words in ['-s', 'link'], ['-s', '-s', 'link']:
            ours, ips = (nic.lab.run(ip, *words, 'show', nic.dev).out for ip in ('anyvf', 'ip'))
            assert ours.split('\n    vf ')[0] == ips.split('\n    vf ')[0]
            assert ours.count('\n    statistics: not told by netdevsim\n') == N_VFS
        ours, ips = (json.loads(nic.lab.run(ip, '-s', '-s', '-j', 'link', 'show', nic.dev).out)[0] for ip in ('anyvf', 'ip'))
        assert ours['stats64'] == ips['stats64']
        assert [vf['stats'] for vf in ours['vfinfo_list']] == N_VFS * [{'rx': {}, 'tx': {}, 'not_told': 'by netdevsim'}]
    finally:
        nic.lab.run('sh', '-ec', 'ip link set $0 down promisc off; ip link set $0 txqueuelen 1000', nic.dev)


SEND = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
for _ in range(7):
    s.send(b'\\xff' * 6 + s.getsockname()[4] + b'\\x88\\xb5' + bytes(46))
"""


def test_a_pfs_own_counters_errors_and_drift_are_samples(nic):
    nic.lab.run('sh', '-ec', 'echo 1 > /proc/sys/net/ipv6/conf/$0/disable_ipv6; ip link set $0 up', nic.dev)
    try:
        before = nic.samples_of_the_pf(nic.dev)
        nic.set('vf', 2, 'vlan', 100, 'trust', 'on')
        nic.lab.run('ip', 'link', 'set', nic.dev, 'vf', 2, 'vlan', 7)
        nic.lab.run('ip', 'link', 'set', nic.dev, 'vf', 2, 'trust', 'off')
        nic.lab.run('python3', '-c', SEND, nic.dev)
        got = nic.samples_of_the_pf(nic.dev)
        assert (before['drift'], got['drift']) == ({'': 0}, {'': 2})
        assert [got[word][''] - before[word][''] for word in ('transmit_packets', 'transmit_bytes')] == [7, 7 * 60]
        assert {'rx_errors', 'tx_errors', 'carrier_changes'} < got['errors'].keys()
    finally:
        nic.lab.run('ip', 'link', 'set', nic.dev, 'down')


def test_what_a_driver_does_not_count_is_said_and_never_zero(nic):
    assert 'traffic: not told by netdevsim' in nic.anyvf('vf', 'show', nic.dev, 1).out
    assert nic.samples_are_what_is_told(nic.dev) == 0
    assert nic.shown(1)['stats'] == {'not_told': 'by netdevsim'}
    assert nic.anyvf('vf', 'drops', nic.dev, 1).out == f'{nic.dev} vf 1: drops are not told by netdevsim\n'
    assert json.loads(nic.anyvf('-j', 'vf', 'drops', nic.dev, 1).out) == [{'pf': nic.dev, 'vf': 1, 'not_told': 'by netdevsim'}]
    assert 'has no vf 99' in nic.anyvf('vf', 'drops', nic.dev, 99, code=1).err


def test_the_netdev_may_be_renamed(nic):
    nic.lab.run('ip', 'link', 'set', nic.dev, 'name', 'wan0')
    try:
        nic.anyvf('link', 'set', 'wan0', 'vf', 0, 'vlan', 42)
        assert [pf['config']['name'] for pf in json.loads(nic.anyvf('-j', 'pf', 'show').out)] == ['wan0']
    finally:
        nic.lab.run('ip', 'link', 'set', 'wan0', 'name', nic.dev)
    assert nic.vfs()[0]['vlan_list'] == [{'vlan': 42}]


def test_another_number_of_vfs_keeps_those_that_stay(nic):
    nic.set('vf', 1, 'mac', '02:00:00:00:00:11', 'vlan', 100)
    kept = nic.vfs()[1]
    try:
        nic.anyvf('pf', 'set', nic.dev, 'numvfs', 3)
        got = nic.vfs()
        assert len(got) == 3 and got[1] == kept
    finally:
        nic.anyvf('pf', 'set', nic.dev, 'numvfs', N_VFS)
    assert len(nic.vfs()) == N_VFS and nic.vfs()[1] == kept
    nic.anyvf('pf', 'set', nic.dev, 'numvfs', 200, code=1)
    assert nic.vfs()[1] == kept
    nic.anyvf('vf', 'set', nic.dev, 2, 'port_id', 'p', code=255)  # the agent's word
    nic.lab.run('python3', '-c', LEASE, nic.dev)
    assert 'vf 2 is leased to port p' in nic.anyvf('pf', 'set', nic.dev, 'numvfs', 4, code=1).err
    assert nic.vfs()[1] == kept and len(nic.vfs()) == N_VFS
    nic.anyvf('pf', 'set', nic.dev, 'numvfs', 4, 'force')
    assert len(nic.vfs()) == 4 and nic.vfs()[1] == kept and nic.shown(2)['config']['port_id'] == 'p'
    nic.anyvf('vf', 'release', nic.dev, 2)
    nic.anyvf('pf', 'set', nic.dev, 'numvfs', N_VFS)


def test_a_nic_is_as_its_own_export_says(nic):
    nic.set('vf', 1, 'mac', '02:00:00:00:00:11', 'vlan', 100, 'proto', '802.1ad', 'spoofchk', 'on')
    nic.lab.run('ip', 'link', 'set', nic.dev, 'mtu', 9710)  # more than a switch would take
    nic.lab.run('sh', '-ec', 'anyvf export > /tmp/host.json; anyvf diff /tmp/host.json')
    nic.lab.run('ip', 'link', 'set', nic.dev, 'mtu', 1500)
    doc = json.loads(nic.anyvf('export').out)['pfs'][nic.dev]
    assert (doc['kind'], doc['numvfs'], doc['vfs']['1']['vlan']) == ('hw', N_VFS, 100)
    nic.set('vf', 1, 'vlan', 101)
    told = nic.anyvf('diff', '/tmp/host.json', code=2).out.splitlines()
    assert told[-2:] == [f'~ pfs.{nic.dev}.vfs.1.vlan 101 -> 100', f'+ pfs.{nic.dev}.vfs.1.proto "802.1ad"']
    assert told[:-2] == []


def test_reset_leaves_a_nic_without_vfs(nic):
    nic.set('vf', 1, 'vlan', 7)
    nic.anyvf('pf', 'del', nic.dev, 'reset')
    try:
        assert not json.loads(nic.kernel())[0].get('vfinfo_list')
        assert json.loads(nic.anyvf('-j', 'pf', 'show').out) == []
    finally:
        nic.anyvf('pf', 'add', nic.dev, 'hw', 'numvfs', N_VFS)
    assert nic.vfs()[1]['vlan_list'] == [{}]


def test_a_nic_that_is_gone_hides_none_of_the_others_and_is_as_it_was_when_it_is_back(nic):
    lab = nic.lab
    dev = netdevsim(lab, number=3, vfs=0)
    nic.anyvf('pf', 'add', dev, 'hw', 'numvfs', 4, 'mtu', 1400)
    try:
        nic.anyvf('link', 'set', dev, 'vf', 2, 'vlan', 42)
        lab.run('sh', '-c', 'echo 3 > /sys/bus/netdevsim/del_device')
        for words in (('pf', 'show'), ('vf', 'show'), ('link', 'show'), ('pf', 'drift')):
            shown = nic.anyvf('-j', *words, code=1)
            assert dev in shown.err or 'netdevsim3' in shown.err, shown
            assert words[1] == 'drift' or nic.dev in shown.out
        nic.set('vf', 0, 'vlan', 5)
        assert dev == netdevsim(lab, number=3, vfs=0)
        wait_for(lambda: '"vlan": 42' in lab.run('ip', '-j', '-p', 'link', 'show', dev).out, 20, 'the VLAN of the new VF')
        assert json.loads(lab.run('ip', '-j', 'link', 'show', dev).out)[0]['mtu'] == 1400
        assert drifts(nic) == []
    finally:
        lab.run('sh', '-c', 'anyvf pf del $0; echo 3 > /sys/bus/netdevsim/del_device', dev, check=False)


def test_256_vfs_with_all_words_each_in_one_line(nic):
    """ip is told of 34 of them: with statistics the kernel's list does not fit into its attribute."""
    lab, n = nic.lab, 256
    dev = netdevsim(lab, number=2, vfs=n)

    def told(*words):
        """What `anyvf` tells; asked again where the daemon, which looks at all of them, is later than it waits."""
        return wait_for(lambda: (done := lab.run('anyvf', *words, check=False)).code == 0 and done.out, 60, f'an answer to {words}')

    def vfs(*options):
        return json.loads(told('-j', *options, 'link', 'show', dev))[0]['vfinfo_list']

    def words(vf, vlan):
        return f'vf {vf} mac 02:00:00:00:01:{vf:02x} vlan {vlan} qos {vf % 8} proto 802.1ad max_tx_rate 900 min_tx_rate {vf} ' \
            'spoofchk on state enable query_rss on'

    try:
        nic.anyvf('pf', 'add', dev, 'hw')
        (lab.directory / 'words').write_text(' '.join(words(vf, vf + 100) + ' trust on' for vf in range(n)))
        lab.run('sh', '-c', 'anyvf link set $0 $(cat /run/lab/out/words)', dev)
        got = vfs()
        assert [(v['vf'], v['address'][-2:], v['vlan_list'][0]['vlan'], v['rate']['min_tx'], v['trust']) for v in got] == [
            (i, f'{i:02x}', i + 100, i, True) for i in range(n)]
        assert len(vfs('-s')) == n and len(told('-s', 'link', 'show', dev).split('\n    vf ')) == n + 1
        assert [v['stats'] for v in json.loads(told('-j', 'vf', 'show', dev))] == n * [{'not_told': f'by the kernel: statistics of {n} VFs do not fit into their attribute'}]
        assert f'drops are not told by the kernel: statistics of {n} VFs' in told('vf', 'drops', dev, 255)
        few = ' '.join(words(vf, 7) for vf in range(32)).split()  # 192 steps, each done and taken back
        nic.anyvf('link', 'set', dev, *few, 'vf', 255, 'mac', '01:00:5e:00:00:01', code=2)
        assert vfs() == got
        nic.anyvf('pf', 'set', dev, 'numvfs', 255)
        assert [{**v, 'vf': 0} for v in vfs()] == [{**v, 'vf': 0} for v in got[:255]]
    finally:
        lab.run('sh', '-c', 'anyvf pf del $0; echo 2 > /sys/bus/netdevsim/del_device', dev, check=False)


def line(rng):
    """Words for every VF but the last, each time others."""
    words = []
    for vf in range(N_VFS - 1):
        words += ['vf', vf, 'mac', f'02:00:00:00:{rng.randrange(256):02x}:{vf:02x}', 'vlan', rng.randrange(1, 4095),
                  'max_tx_rate', rng.randrange(1, 1000), 'trust', rng.choice(('on', 'off')), 'spoofchk', rng.choice(('on', 'off'))]
    return words


def test_a_daemon_that_is_killed_in_a_change_has_done_all_of_it_or_nothing(nic):
    """Killed at random moments; its next start takes back what was begun."""
    rng = random.Random(1)
    seen = {'before': 0, 'after': 0}
    for _ in range(6):
        nic.set(*line(rng))
        before = nic.kernel()
        words = line(rng)
        nic.lab.run('sh', '-c', 'dev=$0; delay=$1; shift; anyvf link set $dev "$@" & sleep $delay; kill -9 $(cat /run/lab/out/hwd.pid); wait',
                    nic.dev, f'{rng.random() * 0.3:.3f}', *words, check=False)
        nic.lab.stop('hwd', None)
        nic.start()
        now = nic.kernel()
        if now == before:
            seen['before'] += 1
            continue
        nic.set(*words)
        assert nic.kernel() == now
        seen['after'] += 1
    assert seen['before'] and sum(seen.values()) == 6


@pytest.mark.parametrize('seed', range(CUTS))
def test_a_power_cut_leaves_one_state_or_the_other(nic, seed):
    rng = random.Random(seed)
    nic.set(*line(rng))
    before = nic.vfs()
    words = line(rng)
    nic.lab.start('change', 'sh', '-c', 'exec anyvf link set "$0" "$@"', nic.dev, *words)
    nic.lab.run('sleep', f'{rng.random() * 0.2:.3f}')
    nic.lab.cut()
    nic.boot()
    nic.start()
    now = nic.vfs()
    if now != before:
        nic.set(*words)
        assert nic.vfs() == now
