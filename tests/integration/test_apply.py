# SPDX-License-Identifier: Apache-2.0
"""A host as one file: `anyvf export`, `anyvf diff`, `anyvf apply`."""
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time

import pytest

from conftest import DAEMONS, CtlError, unique, wait_for

PF = 'p2p1'


def anyvf(swd, *words, code=0, stdin=None):
    done = subprocess.run([DAEMONS / 'anyvf', *map(str, words)], env={**os.environ, 'ANYVF_RUN_DIR': str(swd.dir)}, input=stdin,
                          capture_output=True, text=True, check=False)
    assert done.returncode == code, (words, done)
    return done


def export(swd):
    return json.loads(anyvf(swd, 'export').stdout)


def diff(swd, doc, code):
    done = anyvf(swd, 'diff', '-', code=code, stdin=doc if isinstance(doc, str) else json.dumps(doc))
    return done.stdout.splitlines() if code != 1 else done.stderr


@pytest.fixture
def host(swd):
    swd.call('pf.add', name=PF, numvfs=4)
    return swd


def test_a_host_is_as_its_own_export_says(host):
    """Whatever it is made of."""
    rng = random.Random(1)
    host.call('pf.add', name='p2p2', numvfs=2, mtu=9000)
    for turn in range(25):
        vf = rng.randrange(4)
        host.call('pf.set', pf=PF, vfs=[{'vf': vf, 'set': {
            rng.choice(('vlan', 'max_tx_rate', 'learning')): rng.randrange(1, 1000), 'mac': f'02:00:00:00:00:{rng.randrange(256):02x}',
            'spoofchk': rng.random() < .5, 'state': rng.choice(('auto', 'enable', 'disable')), 'allowed': '02:00:00:00:01:01',
            'trunk': rng.choice(('any', '5,7-9', 'none'))}}])
        if turn % 8 == 3:
            host.call('mirror.add', name=f'm{turn}', from_pf=PF, from_vf=vf, dir='in', to_pf='p2p2', to_vf=1, snap=64 + turn)
            host.call('vf.attach', pf=PF, vf=vf, kind='vhost')
            assert export(host)['pfs'][PF]['vfs'][str(vf)]['attach'] == {'kind': 'vhost'}  # a name of the switch's own choice is none of the file
            assert diff(host, export(host), 0) == []
            host.call('vf.detach', pf=PF, vf=vf)
        assert diff(host, export(host), 0) == []
    doc = export(host)
    assert set(doc['pfs']) == {PF, 'p2p2'} and len(doc['mirrors']) == 3


def test_what_is_other_is_named_removals_first(host):
    host.call('pf.set', pf=PF, vfs=[{'vf': 0, 'set': {'vlan': 5, 'trust': True}}, {'vf': 2, 'set': {'mac': '02:00:00:00:00:02'}}])
    host.call('vf.attach', pf=PF, vf=0, kind='tap', tap=unique('t'))
    host.call('mirror.add', name='m', from_pf=PF, from_vf=0, to_pf=PF, to_vf=1)
    doc = export(host)
    vfs = doc['pfs'][PF]['vfs']
    tap = vfs['0']['attach']
    del vfs['2'], vfs['0']['attach'], vfs['0']['trust'], doc['mirrors']['m']
    vfs['0']['vlan'] = 7
    vfs['3'] = {'spoofchk': False}
    doc['pfs']['new'] = {'numvfs': 1}
    assert diff(host, doc, 2) == [
        f'- pfs.{PF}.vfs.2 {{"mac":"02:00:00:00:00:02"}}', f'- pfs.{PF}.vfs.0.trust true',
        f'- pfs.{PF}.vfs.0.attach {json.dumps(tap, separators=(",", ":"))}', '- mirrors.m ' + json.dumps(export(host)['mirrors']['m'], separators=(',', ':')),
        f'~ pfs.{PF}.vfs.0.vlan 5 -> 7', f'+ pfs.{PF}.vfs.3 {{"spoofchk":false}}', '+ pfs.new {"numvfs":1}']
    told = json.loads(anyvf(host, '-j', 'diff', '-', code=2, stdin=json.dumps(doc)).stdout)
    assert told[4] == {'what': 'change', 'path': f'pfs.{PF}.vfs.0.vlan', 'is': 5, 'wanted': 7}


def test_addresses_that_were_chosen_are_as_they_are(host):
    doc = export(host)
    assert doc['pfs'][PF].pop('mac')
    assert diff(host, doc, 0) == []


def test_what_is_leased_is_the_agents(host):
    host.call('pf.set', pf=PF, by_agent=True, vfs=[{'vf': 1, 'set': {'mac': '02:00:00:00:00:01', 'port_id': 'p'}}])
    doc = export(host)
    assert 'vfs' not in doc['pfs'][PF]
    doc['pfs'][PF]['vfs'] = {'1': {'vlan': 9}}
    done = anyvf(host, 'diff', '-', stdin=json.dumps(doc))
    assert 'vf 1 is leased to port p: not compared' in done.stderr


@pytest.mark.parametrize('doc, why', [
    ('', 'line'), ('[]', '"anyvf": 1'), ('{}', '"anyvf": 1'), ('{"anyvf": 2}', '"anyvf": 1'), ('{"anyvf": 1, "pf": {}}', '"pf" is none'),
    ('{"anyvf": 1, "pfs": []}', 'pf is no object'), ('{"anyvf": 1, "pfs": {"a": 1}}', 'pf a: it is no object'),
    ('{"anyvf": 1, "pfs": {"a": {"nonsense": 1}}}', 'nonsense'), ('{"anyvf": 1, "pfs": {"a": {"name": "b"}}}', "its name is the object's"),
    ('{"anyvf": 1, "pfs": {"a": {"kind": "xw"}}}', 'kind is sw or hw'), ('{"anyvf": 1, "pfs": {"a/b": {}}}', 'a/b'),
    ('{"anyvf": 1, "pfs": {"a": {"numvfs": 999}}}', 'numvfs'), ('{"anyvf": 1, "pfs": {"a": {"numvfs": 2, "vfs": {"2": {}}}}}', 'no vf "2"'),
    ('{"anyvf": 1, "pfs": {"a": {"numvfs": 2, "vfs": {"x": {}}}}}', 'no vf "x"'),
    ('{"anyvf": 1, "pfs": {"a": {"numvfs": 2, "vfs": {"1": {"vlan": 5000}}}}}', 'vf 1: vlan'),
    ('{"anyvf": 1, "pfs": {"a": {"numvfs": 2, "vfs": {"1": {"mac": "01:00:5e:00:00:01"}}}}}', 'multicast'),
    ('{"anyvf": 1, "pfs": {"a": {"numvfs": 2, "vfs": {"1": {"port_id": "p"}}}}}', "leases are the agent's"),
    ('{"anyvf": 1, "pfs": {"a": {"numvfs": 2, "vfs": {"1": {"attach": {"kind": "rope"}}}}}}', 'rope'),
    ('{"anyvf": 1, "pfs": {"a": {"services": {"d": {"vlan": "x"}}}}}', 'service d: vlan'),
    ('{"anyvf": 1, "mirrors": {"m": {"from_vf": 0}}}', 'mirror m: '), ('{"anyvf": 1, "anyvf": 1}', 'duplicate')],
    ids=lambda value: value[-24:])
def test_a_file_that_is_none_is_refused_by_the_place(host, doc, why):
    before = export(host)
    assert why in diff(host, doc, 1)
    assert export(host) == before


def test_without_daemons_nothing_is_known(tmp_path):
    done = subprocess.run([DAEMONS / 'anyvf', 'export'], env={**os.environ, 'ANYVF_RUN_DIR': str(tmp_path)}, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 1 and 'anyvf up' in done.stderr


def apply(swd, doc, *words, code=0):
    return anyvf(swd, 'apply', '-', *words, code=code, stdin=json.dumps(doc))


def other(host):
    """A file that is other in all it has."""
    doc = export(host)
    doc['pfs'][PF].update(numvfs=3, mtu=9000, vfs={'0': {'vlan': 5, 'attach': {'kind': 'vhost'}}, '2': {'mac': '02:00:00:00:00:02'}})
    doc['pfs']['new'] = {'numvfs': 2, 'services': {unique('s'): {'vlan': 7}}, 'vfs': {'1': {'attach': {'kind': 'tap', 'tap': unique('t')}}}}
    doc['mirrors'] = {'m': {'from_pf': 'new', 'from_vf': 1, 'dir': 'in', 'to_pf': PF, 'to_vf': 1}}
    return doc


def begin(host, doc, number, seconds=60, **more):
    """What `anyvf apply` says to one daemon."""
    host.call('apply.begin', id=f'{number:012x}', seconds=seconds, host={'pfs': doc['pfs'], 'mirrors': doc['mirrors']}, **more)


def test_what_a_file_says_is_so_and_what_it_does_not_say_goes(host):
    host.call('pf.add', name='old', numvfs=1)
    host.call('vf.attach', pf='old', vf=0, kind='vhost')
    before, doc = export(host), other(host)
    del doc['pfs']['old']
    would = apply(host, doc, '-n', code=2).stdout
    assert export(host) == before and '- pfs.old ' in would
    assert apply(host, doc).stdout == would
    assert diff(host, doc, 0) == []
    after = export(host)
    assert apply(host, doc).stdout == ''
    host.stop(signal.SIGKILL)
    host.start()
    assert export(host) == after
    anyvf(host, 'revert')
    assert export(host) == before
    anyvf(host, 'revert')
    assert export(host) == after


def test_a_mirror_whose_filter_alone_is_other_counts_on_and_wires_change_hands(host):
    doc = export(host)
    doc['pfs']['p2'] = {'numvfs': 1}
    doc['mirrors'] = {'m': {'from_pf': PF, 'from_vf': 0, 'dir': 'in', 'to_pf': PF, 'to_vf': 1, 'vlans': '5'},
                      'n': {'from_pf': PF, 'from_vf': 2, 'dir': 'out', 'to_pf': PF, 'to_vf': 3}}
    apply(host, doc)
    doc['mirrors']['m'].update(dir='out', snap=64)
    del doc['mirrors']['m']['vlans']
    doc['mirrors']['n'].update(from_vf=3, to_vf=2)  # which would be a loop beside the one that goes
    apply(host, doc)
    assert diff(host, doc, 0) == []
    slots = json.loads(anyvf(host, '-j', 'mirror', 'show').stdout)
    assert [m['name'] for m in slots] == ['m', 'n']


def test_without_confirmation_it_is_taken_back_and_nothing_else_changes_meanwhile(host):
    before, doc = export(host), other(host)
    assert 'anyvf confirm' in apply(host, doc, '--confirm', 3).stderr
    after = export(host)
    assert after != before
    for words in (('pf', 'add', 'x'), ('pf', 'del', 'new'), ('vf', 'set', PF, '0', 'vlan', '3'), ('vf', 'detach', PF, '0'), ('vf', 'release', PF, '2'),
                  ('mirror', 'del', 'm'), ('svc', 'add', PF, 'y'), ('apply', '-'), ('apply', '-', '-n')):
        refused = anyvf(host, *words, code=1, stdin=json.dumps(before))
        assert 'waits for its confirmation' in refused.stderr, words
    assert export(host) == after
    wait_for(lambda: export(host) == before, 20, 'the way back')
    assert 'nothing waits' in anyvf(host, 'confirm', code=1).stderr
    apply(host, doc, '--confirm', 600)
    anyvf(host, 'confirm')
    apply(host, before, '--confirm', 600)
    anyvf(host, 'revert')
    assert diff(host, doc, 0) == []


def test_who_dies_before_it_is_decided_has_changed_nothing(host):
    """The command after the first of its words; the daemon, and both."""
    before, doc = export(host), other(host)
    begin(host, doc, 1, seconds=2)
    assert export(host) != before
    wait_for(lambda: export(host) == before, 20, 'the way back')
    begin(host, doc, 2, seconds=4)
    host.stop(signal.SIGKILL)
    host.start()
    assert export(host) != before  # its time goes on
    wait_for(lambda: export(host) == before, 20, 'the way back')
    begin(host, doc, 3, seconds=1)
    host.stop(signal.SIGKILL)
    time.sleep(1.5)
    host.start()
    assert export(host) == before
    assert 'there is no apply' in pytest.raises(Exception, host.call, 'apply.end', id='0' * 12, keep=True).value.args[0]
    assert host.call('apply.end', id=f'{3:012x}', keep=True) == {'kept': False}  # whoever asks too late


def test_half_of_it_cannot_be_confirmed(host):
    """Who asked for it died between the two daemons."""
    before = export(host)
    begin(host, other(host), 1, parts=2)
    assert 'not every daemon' in anyvf(host, 'confirm', code=1).stderr
    anyvf(host, 'revert')
    assert export(host) == before


def test_what_somebody_else_decided_a_daemon_does_at_its_start(host):
    before, doc = export(host), other(host)
    for number, word, kept in ((1, 'back', False), (2, 'keep', True)):
        begin(host, doc, number)
        after = export(host)
        host.stop(signal.SIGKILL)
        path = host.dir / 'apply' / f'{number:012x}'
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'{word}\n')
        host.start()
        assert export(host) == (after if kept else before)
        assert host.call('apply.end', id=f'{number:012x}', keep=not kept) == {'kept': kept}
        host.call('pf.set', pf=PF, vfs=[{'vf': 1, 'set': {'vlan': 9}}])


def test_what_somebody_else_decided_a_daemon_does_while_it_runs(host):
    """Who confirmed it died after the first daemon, which is another one: this one does not wait for its time, a day."""
    before, doc = export(host), other(host)
    for number, word, kept in ((1, 'back', False), (2, 'keep', True)):
        begin(host, doc, number, seconds=86400, parts=2)
        after = export(host)
        (host.dir / 'apply' / f'{number:012x}').write_text(f'{word}\n')
        wait_for(lambda: settled([host]), 30, 'what was decided')
        assert export(host) == (after if kept else before)
        assert host.call('apply.end', id=f'{number:012x}', keep=not kept) == {'kept': kept}


def test_the_last_is_taken_back_by_all_that_made_a_part_of_it_or_by_none(swd_maker):
    """As anyvf-hwd a second switch. What the clock says of what came later, and who is away, makes no half of it."""
    both = [swd_maker(), swd_maker()]
    both[1].state = both[0].dir / 'other.json'
    (both[0].dir / 'hwd.sock').symlink_to(both[1].sock)

    def made(number, mtu, daemons):
        for d in daemons:
            begin(d, {'pfs': {'p1': {'numvfs': 2, 'mtu': mtu}}, 'mirrors': {}}, number, parts=len(daemons))
        for d in daemons:
            d.call('apply.end', id=f'{number:012x}', keep=True)

    def mtus():
        return [d.call('pf.get', pf='p1')['config']['mtu'] for d in both]

    for d in both:
        d.start().call('pf.add', name='p1', numvfs=2)
    made(1, 2000, both)
    made(2, 3000, both[1:])  # within the second that the first was made in, mostly
    anyvf(both[0], 'revert')
    assert mtus() == [2000, 2000]
    made(3, 4000, both)
    both[1].stop()
    assert 'not the last of every daemon' in anyvf(both[0], 'revert', code=1).stderr
    (both[0].dir / 'hwd.lock').touch()  # it has run: something may wait in it
    for word in 'confirm', 'revert':
        assert 'anyvf-hwd does not run' in anyvf(both[0], word, code=1).stderr
    both[1].start()
    assert mtus() == [4000, 4000]
    anyvf(both[0], 'revert')
    assert mtus() == [2000, 2000]


def test_another_boot_is_a_no(host):
    before = export(host)
    begin(host, other(host), 1, seconds=86400)
    host.stop(signal.SIGKILL)
    text = host.state.read_text()
    document = json.loads(text[:text.index('\n}\n') + 3])
    for line in text[text.index('\n}\n') + 3:].splitlines():
        document = merged(document, json.loads(line[9:]))
    document['kept']['pending']['begun_ms'] += 10 ** 9  # a clock that is younger than it was
    host.state.write_text(json.dumps(document))
    host.start()
    assert export(host) == before


def merged(doc, patch):
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    doc = dict(doc) if isinstance(doc, dict) else {}
    for key, value in patch.items():
        if value is None:
            doc.pop(key, None)
        else:
            doc[key] = merged(doc.get(key), value)
    return doc


def test_expect_is_for_who_looked_before(host):
    hash_ = anyvf(host, 'export', '--hash').stdout.strip()
    doc = other(host)
    apply(host, doc, '--expect', hash_)
    refused = apply(host, export(host), '--expect', hash_, code=1).stderr
    assert anyvf(host, 'export', '--hash').stdout.strip() in refused
    refused = pytest.raises(Exception, begin, host, doc, 1, **{'is': hash_}).value.args[0]
    assert 'meanwhile' in refused


def test_what_is_leased_is_touched_by_force_alone(host, request):
    host.call('pf.set', pf=PF, by_agent=True, vfs=[{'vf': 1, 'set': {'mac': '02:00:00:00:00:01', 'port_id': 'p'}}])
    doc = export(host)
    doc['pfs'][PF]['vfs'] = {'1': {'vlan': 9}, '2': {'vlan': 3}}
    assert 'leased to port p' in apply(host, doc).stderr
    assert host.vf(PF, 1)['config']['vlan'] == 0 and host.vf(PF, 2)['config']['vlan'] == 3
    less = {**doc, 'pfs': {PF: {**doc['pfs'][PF], 'numvfs': 1, 'vfs': {}}}}
    for words in ((), ('force',), ('-n',)):
        assert 'leased to port p' in apply(host, less, *words, code=1).stderr
    was = host.vf(PF, 1)['config'], host.vf(PF, 1)['status']['overridden']
    apply(host, doc, 'force', '--confirm', 600)
    assert host.vf(PF, 1)['config']['vlan'] == 9 and host.vf(PF, 1)['config']['port_id'] == 'p'
    anyvf(host, 'revert')
    assert (host.vf(PF, 1)['config'], host.vf(PF, 1)['status']['overridden']) == was
    number = f'{os.getpid():08x}'
    netns = f'anyvf-{number}'
    subprocess.run(['ip', 'netns', 'add', netns], check=True)
    request.addfinalizer(lambda: subprocess.run(['ip', 'netns', 'del', netns], check=True))
    host.call('svc.add', pf=PF, name=f'dhcp-{number}', netns=netns)
    host.call('mirror.add', name='tap-11111111-1111-4111-8111-111111111111-in', from_pf=PF, from_vf=0, to_pf=PF, to_vf=3)
    assert export(host)['mirrors'] == {} and 'services' not in export(host)['pfs'][PF]
    apply(host, {**doc, 'pfs': {PF: {**doc['pfs'][PF], 'vfs': {}}}})
    assert len(host.call('svc.list')) == len(host.call('mirror.list')) == 1


def test_a_namespace_is_the_same_by_name_path_and_process(host, netns, sleeper):
    """However a file names it; a process that got the number of one that has ended is another."""
    ns = netns().name
    doc = {'anyvf': 1, 'pfs': {PF: {'numvfs': 4, 'vfs': {'0': {'attach': {'kind': 'tap', 'tap': 'one', 'netns': f'/run/netns/{ns}'}}, '1': {
        'attach': {'kind': 'tap', 'tap': 'two', 'netns': str(sleeper.pid)}}}, 'services': {
        'svc0': {'netns': f'/proc/{sleeper.pid}/ns/net'}, 'svc1': {'vlan': 2, 'netns': f'/var/run/netns/{ns}'}}}}}
    apply(host, doc)
    kept = export(host)['pfs'][PF]
    assert kept['vfs']['0']['attach']['netns'] == kept['services']['svc1']['netns'] == ns
    assert kept['vfs']['1']['attach']['netns'] == kept['services']['svc0']['netns']
    assert kept['services']['svc0']['netns'].startswith(f'{sleeper.pid}:') and diff(host, doc, 0) == []
    assert apply(host, doc).stdout == ''
    doc['pfs'][PF]['vfs']['1']['attach']['netns'] = f'{sleeper.pid}:1'
    assert len(diff(host, doc, 2)) == 1
    doc['pfs'][PF]['vfs']['1']['attach']['netns'] = '4194305'  # none can have it
    assert 'process' in apply(host, doc, code=1).stderr


def test_what_the_configuration_has_and_the_file_has_not_stays(host, tmp_path):
    """/etc/anyvf/host.conf beside [pf.NAME]: for what both say the file wins, and it is said."""
    conf = tmp_path / 'anyvf.conf'
    conf.write_text(f'[pf.{PF}]\nnumvfs = 8\n[pf.p9]\nnumvfs = 1\n[pf.nowhere]\n')
    for name in ('p9', 'p10'):
        host.call('pf.add', name=name, numvfs=2)
    host.call('mirror.add', name='m9', from_pf='p9', from_vf=0, to_pf='p9', to_vf=1)
    doc = {'anyvf': 1, 'pfs': {PF: {'numvfs': 3}}}
    done = apply(host, doc, '--config', conf)
    assert f'{PF} is as - says, not [pf.{PF}] of {conf}' in done.stderr and 'p9' not in done.stderr
    got = export(host)
    assert set(got['pfs']) == {PF, 'p9'} and got['pfs'][PF]['numvfs'] == 3 and set(got['mirrors']) == {'m9'}


def full(path):
    """A disk without room for anything more."""
    with open(path / 'rest', 'wb', buffering=0) as rest, contextlib.suppress(OSError):
        while True:
            rest.write(bytes(4096))


@pytest.mark.parametrize('how', ('full', 'read-only'))
def test_a_disk_that_takes_nothing_changes_nothing(swd_maker, how):
    host = swd_maker()
    disk = host.dir / 'disk'
    disk.mkdir()
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'disk', disk], check=True)
    host.state = disk / 'swd.json'
    try:
        host.start()
        host.call('pf.add', name=PF, numvfs=4)
        before, doc = export(host), other(host)
        apply(host, doc, '--confirm', 1)
        if how == 'full':
            full(disk)
        else:
            subprocess.run(['mount', '-o', 'remount,ro', disk], check=True)
        time.sleep(1.5)
        if how == 'read-only':  # it cannot be decided, so nothing else changes
            assert 'Read-only' in anyvf(host, 'confirm', code=1).stderr
            assert 'waits for' in anyvf(host, 'pf', 'add', 'x', code=1).stderr
        else:  # a decision takes no room
            assert export(host) == before
        if how == 'full':
            (disk / 'rest').unlink()
        else:
            subprocess.run(['mount', '-o', 'remount,rw', disk], check=True)
        wait_for(lambda: export(host) == before, 20, 'the way back')
        wait_for(lambda: 'pending' not in host.call('apply.get'), 20, 'its end')
        if how == 'full':
            full(disk)
        else:
            subprocess.run(['mount', '-o', 'remount,ro', disk], check=True)
        refused = apply(host, doc, code=1).stderr
        assert ('No space' if how == 'full' else 'Read-only') in refused and export(host) == before
    finally:
        host.stop()
        subprocess.run(['umount', '-l', disk], check=True)


def test_what_no_file_can_be_is_said(host, tmp_path):
    before = export(host)
    big = tmp_path / 'big'
    with open(big, 'wb') as file:
        file.truncate(17 << 20)
    for path, why in ((tmp_path / 'nowhere', 'No such file'), (tmp_path, 'directory'), (big, 'big')):
        refused = anyvf(host, 'apply', path, code=1).stderr
        assert why in refused and str(path) in refused
    many = {'anyvf': 1, 'pfs': {f'p{n}': {'numvfs': 256, 'vfs': {str(vf): {'allowed': ','.join(f'02:00:00:00:{k:02x}:{vf:02x}' for k in range(16)),
                                                                        'trunk': '1,3,5,7,9,11,13,15'} for vf in range(256)}} for n in range(20)}}
    assert 'too much for one request' in apply(host, many, code=1).stderr
    for words, why in ((('--confirm', '0'), '1 to 86400'), (('--confirm', 'x'), '1 to 86400'), (('--expect', 'x'), 'not x'), (('twice',), 'a file already')):
        refused = anyvf(host, 'apply', '-', *words, code=255 if words[0] != '--expect' else 1, stdin=json.dumps(before)).stderr
        assert why in refused
    for params in ({'id': 'x'}, {'id': '../../etc/x'}, {'id': '0' * 12, 'seconds': 0}, {'id': '0' * 12, 'host': []}, {'id': '0' * 12, 'host': {'pfs': []}},
                   {'id': '0' * 12, 'host': {'pfs': {'x': {'kind': 'hw'}}}}, {'id': '0' * 12, 'last': '1' * 12}, {'id': '0' * 12}):
        with pytest.raises(CtlError):
            host.call('apply.begin', **{'seconds': 5, **params})
    assert export(host) == before


# ---- random ----

STATES = int(os.environ.get('ANYVF_APPLY_STATES', 40))  # docs/reliability.md tells of more of both
KILLS = int(os.environ.get('ANYVF_APPLY_KILLS', 10))


def mac(rng, last):
    return f'02:00:00:00:{rng.randrange(256):02x}:{last:02x}'


def random_vf(rng, vf, taps):
    every = {
        'mac': mac(rng, vf), 'vlan': rng.randrange(1, 4095), 'qos': rng.randrange(1, 8), 'proto': '802.1ad', 'max_tx_rate': rng.randrange(500, 1000),
        'min_tx_rate': rng.randrange(1, 500), 'spoofchk': False, 'state': rng.choice(('enable', 'disable')), 'query_rss': True, 'trust': True,
        'trunk': rng.choice(('none', '5,7-9', '1-4094')), 'mtu': rng.randrange(1280, 1500), 'isolated': True, 'storm_broadcast': rng.randrange(1, 99),
        'storm_multicast': rng.randrange(1, 99), 'allowed': mac(rng, 64 + vf), 'learning': rng.randrange(1, 64), 'promisc': rng.choice(('off', 'true'))}
    words = {word: every[word] for word in rng.sample(sorted(every), rng.randrange(len(every)))}
    if 'vlan' not in words and rng.random() < .3:
        words['native'] = rng.randrange(1, 4095)
    if taps and rng.random() < .4:
        words['attach'] = rng.choice(({'kind': 'vhost'}, {'kind': 'tap', 'tap': taps.pop()}))
    return words


def random_state(rng, names):
    """A file that may be; names: of taps that nobody has."""
    taps = list(names)
    rng.shuffle(taps)
    doc = {'anyvf': 1, 'pfs': {}, 'mirrors': {}}
    for pf in rng.sample(('p1', 'p2', 'p3'), rng.randrange(1, 4)):
        n = rng.randrange(1, 6)
        doc['pfs'][pf] = {'numvfs': n, **({'mode': 'vepa'} if rng.random() < .3 else {}), **({'mtu': 9000} if rng.random() < .3 else {}),
                          'vfs': {str(vf): random_vf(rng, vf, taps) for vf in range(n) if rng.random() < .7}}
        if rng.random() < .3:
            doc['pfs'][pf]['services'] = {taps.pop(): {'vlan': rng.randrange(1, 4095)}}
    for name in ('m1', 'm2'):
        ends = [(pf, vf) for pf, words in doc['pfs'].items() for vf in range(words['numvfs'])]
        if len(ends) > 3 and rng.random() < .5:
            (from_pf, from_vf), (to_pf, to_vf) = rng.sample(ends[:2] if name == 'm1' else ends[2:], 2)
            doc['mirrors'][name] = {'from_pf': from_pf, 'from_vf': from_vf, 'to_pf': to_pf, 'to_vf': to_vf, 'dir': rng.choice(('in', 'out', 'both')),
                                    **({'vlans': '5-9'} if rng.random() < .3 else {}), **({'snap': 64} if rng.random() < .3 else {})}
    return doc


def test_any_state_is_made_of_any_other_and_is_as_its_export(swd):
    """export | apply changes nothing, whatever there is."""
    rng = random.Random(14)
    names = [unique('r') for _ in range(12)]
    for _ in range(STATES):
        doc = random_state(rng, names)
        apply(swd, doc)
        assert diff(swd, doc, 0) == []
        got = export(swd)
        assert apply(swd, got).stdout == '' and export(swd) == got


def settled(daemons):
    return all('pending' not in d.call('apply.get') for d in daemons)


def test_whoever_is_killed_all_or_nothing_is_changed_of_two_daemons(swd_maker):
    """Daemons, one of them or its process, and who asks them, at random moments: both are as before, or both as the file says."""
    rng = random.Random(int(os.environ.get('ANYVF_APPLY_SEED', 1)))
    both = [swd_maker(), swd_maker()]
    both[1].state = both[0].dir / 'other.json'  # decisions are beside the state files, as they are of anyvf-swd and anyvf-hwd
    ends = {'before': 0, 'after': 0}
    for d in both:
        d.start().call('pf.add', name='p1', numvfs=8)

    def state():
        return [d.call('host.get')['pfs'] for d in both]

    def ask(docs, number, steps):
        """What `anyvf apply` does, as far as it gets."""
        name = f'{number:012x}'
        verbs = [(d, 'apply.begin', {'seconds': 1, 'host': doc}) for d, doc in zip(both, docs)] + [(d, 'apply.end', {'keep': True}) for d in both]
        with contextlib.suppress(CtlError, OSError, ValueError, AssertionError):
            for d, verb, params in verbs[:steps]:
                d.call(verb, id=name, **params)

    for number in range(KILLS):
        before = state()
        docs = [{'pfs': {'p1': {'numvfs': 8, 'vfs': {str(vf): random_vf(rng, vf, None) for vf in range(8)}}, **({'p2': {'numvfs': 3}} if rng.random() < .5
                                                                                                            else {})}} for _ in both]
        asks = threading.Thread(target=ask, args=(docs, number, rng.randrange(1, 5)))
        asks.start()
        time.sleep(rng.random() * .12)
        for d in rng.sample(both, rng.randrange(3)):
            if rng.random() < .5:
                os.kill(d.child(), signal.SIGKILL)
            else:
                d.stop(signal.SIGKILL)
        asks.join()
        for d in both:
            if d.proc is None:
                d.start()
            d.wait_ready()
        wait_for(lambda: settled(both), 30, 'a decision')
        now = state()
        if now == before:
            ends['before'] += 1
            continue
        for d, doc in zip(both, docs):
            d.call('apply.begin', id=f'{number:06x}ffffff', seconds=5, dry=True, host=doc)
            assert diff(d, {'anyvf': 1, **doc}, 0) == [], (number, before, now, docs)
        ends['after'] += 1
    print(ends)
    assert sum(ends.values()) == KILLS and (KILLS < 10 or all(ends.values()))


def passes(sock):
    with contextlib.suppress(TimeoutError):
        return sock.recv(128)
    return None


def test_who_does_not_change_loses_no_frame(host):
    """Two VFs talk while everything around them changes, is taken back, and comes again."""
    taps = unique('a'), unique('b')
    macs = '02:00:00:00:0a:01', '02:00:00:00:0a:02'
    quiet = {str(vf): {'mac': macs[vf], 'attach': {'kind': 'tap', 'tap': taps[vf]}} for vf in range(2)}
    doc = {'anyvf': 1, 'pfs': {PF: {'numvfs': 4, 'vfs': quiet}}}
    apply(host, doc)
    for tap in taps:
        subprocess.run(['ip', 'link', 'set', tap, 'up', 'addrgenmode', 'none'], check=True)
    with contextlib.ExitStack() as stack:
        out, into = (stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b5))) for _ in taps)
        out.bind((taps[0], 0x88b5))
        into.bind((taps[1], 0x88b5))
        into.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        into.settimeout(20)
        head = bytes.fromhex((macs[1] + macs[0]).replace(':', '')) + b'\x88\xb5'
        stop = threading.Event()
        sent = [0]

        def send():
            while not stop.is_set():
                out.send(head + sent[0].to_bytes(4, 'big') + bytes(46))
                sent[0] += 1
                time.sleep(.002)

        wait_for(lambda: out.send(head + b'none') and not into.settimeout(.2) and passes(into), 20, 'the first frame')
        into.settimeout(20)
        sender = threading.Thread(target=send)
        sender.start()
        rng = random.Random(2)
        got = []
        try:
            for turn in range(8):
                more = {str(vf): random_vf(rng, vf, [unique('x')]) for vf in (2, 3)}
                now = {'anyvf': 1, 'pfs': {PF: {'numvfs': 4, 'vfs': {**quiet, **more}, 'services': {unique('s'): {}}},
                                           **({'p9': {'numvfs': 2}} if turn % 2 else {})},
                       'mirrors': {'m': {'from_pf': PF, 'from_vf': 2, 'dir': 'in', 'to_pf': PF, 'to_vf': 3}} if turn % 3 else {}}
                apply(host, now, *(('--confirm', 600) if turn % 2 else ()))
                if turn % 2:
                    anyvf(host, 'revert')
        finally:
            stop.set()
            sender.join()
        while len(got) < sent[0]:
            frame = into.recv(128)[14:18]
            got += [int.from_bytes(frame, 'big')] if frame != b'none' else []
        assert got == list(range(sent[0])) and sent[0] > 100


def test_other_accounts_of_the_state_directory_decide_as_well(host):
    """anyvf-hwd is root, the switch's parent an account of its own: whoever comes first makes the directory for both. And nothing piles up."""
    group = 54321
    os.chown(host.dir, -1, group)
    for number in range(80):
        begin(host, {'pfs': {PF: {'numvfs': 1 + number % 2}}, 'mirrors': {}}, number)
        host.call('apply.end', id=f'{number:012x}', keep=True)
    made = (host.dir / 'apply').stat()
    assert (made.st_gid, made.st_mode & 0o7777) == (group, 0o775)
    assert len(list((host.dir / 'apply').iterdir())) <= 66
