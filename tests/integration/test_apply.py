# SPDX-License-Identifier: Apache-2.0
"""A host as one file: `anyvf export`, `anyvf diff`, `anyvf apply`."""
import json
import os
import random
import signal
import subprocess
import time

import pytest

from conftest import DAEMONS, unique, wait_for

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
