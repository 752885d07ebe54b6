# SPDX-License-Identifier: Apache-2.0
"""A host as one file: `anyvf export`, `anyvf diff`."""
import json
import os
import random
import subprocess

import pytest

from conftest import DAEMONS, unique

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
