# SPDX-License-Identifier: Apache-2.0
"""The checker of tests/chaos refuses histories with a fault of each kind, and a run with faults of a minute has no violation."""
import copy
import importlib.machinery
import importlib.util
import re
import subprocess
import sys

import pytest

from conftest import ROOT, need_root

MAC, OTHER = 'fa:16:3e:00:00:01', 'fa:16:3e:00:00:02'


def checker():
    """tests/chaos/check, as a module."""
    loader = importlib.machinery.SourceFileLoader('chaos_check', str(ROOT / 'tests/chaos/check'))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    loader.exec_module(module)
    sys.dont_write_bytecode = before
    return module


check = checker()


def port(number=1, name='c0-1', mac=MAC, ip='10.0.0.1', vf=0, host='h1'):
    at = {'pf': 'p', 'vf': vf} if host else {}
    return {'id': 'P', 'name': name, 'network_id': 'N', 'mac_address': mac, 'fixed_ips': [{'subnet_id': 'S', 'ip_address': ip}],
            'binding:host_id': host, 'binding:vif_type': 'vhostuser' if host else 'unbound', 'binding:vif_details': at,
            'revision_number': number}


def wish(mac=MAC, vf=0, **more):
    return {'pf': 'p', 'vf': vf, 'mac': mac, **more}


def row(rev, key, doc):
    return {'rev': rev, 'key': key, 'doc': doc}


def op(word, ident, start, end, status, tag=None, got=None, kind='port', **more):
    return {'who': 'c0', 'at': 'a', 'op': word, 'kind': kind, 'id': ident, 'tag': tag, 'start': start, 'end': end, 'status': status, 'got': got,
            **more}


def shown(number=1, name='c0-1', **more):
    return {k: v for k, v in port(number, name, **more).items() if not k.startswith('binding:vif')}


def vf(number, who='', mac=MAC):
    return {'vf': number, 'port': who, 'mac': mac if who else '', 'default': not who}


def heard(rev, asked, **what):
    return {'who': 's1', 'host': 'h1', 'asked': asked, 'rev': rev, **what}


def good():
    """A history without a fault: port P is made, renamed, and shown; Q is made and deleted; then all is."""
    return {
        'store': [row(1, '/network/N', {'name': 'base', 'revision_number': 0}),
                  row(10, '/port/P', port()), row(10, '/ip/S/10.0.0.1', {'port': 'P'}), row(10, '/mac/N/' + MAC, {'port': 'P'}),
                  row(10, '/vf/h1/p/0', {'port': 'P'}), row(10, '/host/h1/port/P', wish()),
                  row(20, '/port/P', port(2, 'c0-2')),
                  row(30, '/port/Q', port(1, 'c1-1', OTHER, '10.0.0.2', host='')),
                  row(31, '/project/X', {'name': 'p1', 'domain_id': 'default', 'description': 'c2-1'}),
                  row(40, '/port/Q', None), row(50, '/port/P', None), row(50, '/ip/S/10.0.0.1', None),
                  row(50, '/mac/N/' + MAC, None), row(50, '/project/X', None), row(51, '/host/h1/port/P', wish(released=True)),
                  row(60, '/host/h1/port/P', None), row(60, '/vf/h1/p/0', None)],
        'ops': [op('create', 'P', 1, 2, 201, 'c0-1'), op('update', 'P', 3, 4, 200, 'c0-2'), op('show', 'P', 5, 6, 200, got=shown(2, 'c0-2')),
                op('create', 'Q', 5, 7, 201, 'c1-1'), op('list', None, 8, 9, 200, got={'P': 2, 'Q': 1}),
                op('create', None, 8, 9, 409, 'c3-1'), op('update', 'P', 8, 9, 503, 'c3-2', retry_after='1'),
                op('create', 'X', 8, 9, 201, 'c2-1', kind='project'), op('show', 'X', 10, 11, 200, kind='project', got={'description': 'c2-1'}),
                op('delete', 'Q', 12, 13, 204), op('show', 'Q', 14, 15, 404),
                {**op('delete', 'P', 20, 21, 204), 'who': 'sweep'}],
        'agents': [heard(5, 0, all={'port': {}}), heard(10, 5, changes=[['port', 'P', 2560]]), heard(45, 10, changes=[]),
                   heard(51, 45, changes=[['port', 'P', 51 * 256]])],
        'vfs': [{'host': 'h1', 'vf': 0, 'port': '', 'mac': ''}, {'host': 'h1', 'vf': 0, 'port': 'P', 'mac': MAC},
                {'host': 'h1', 'vf': 0, 'port': '', 'mac': ''}],
        'ends': [{'when': 'begin', 'rev': 5, 'vfs': {}}, {'when': 'calm', 'rev': 45, 'vfs': {'h1': [vf(0, 'P'), vf(1)]}},
                 {'when': 'swept', 'rev': 60, 'vfs': {'h1': [vf(0), vf(1)]}}],
    }


def store(*rows):
    """More revisions."""
    return lambda history: history['store'].extend(rows)


def ops(*more):
    return lambda history: history['ops'].extend(more)


def agents(*more):
    return lambda history: history['agents'].extend(more)


def without(key, rev):
    """A change that the store does not have."""
    def plant(history):
        history['store'] = [r for r in history['store'] if (r['key'], r['rev']) != (key, rev)]
    return plant


def end(when, **vfs):
    def plant(history):
        next(e for e in history['ends'] if e['when'] == when)['vfs'].update(vfs)
    return plant


PLANTED = [
    # what is wrong, a word of the violation, how it is planted
    ('two ports have an IP', 'twice: IP S 10.0.0.1', store(row(35, '/port/R', port(mac=OTHER, vf=1)), row(36, '/port/R', None))),
    ('two ports have a MAC', f'twice: MAC N {MAC}', store(row(35, '/port/R', port(ip='10.0.0.9', vf=1)), row(36, '/port/R', None))),
    ('two ports have a VF', 'twice: VF h1 p 0', store(row(35, '/port/R', port(ip='10.0.0.9', mac=OTHER)), row(36, '/port/R', None))),
    ('a VF is leased before it came back', 'twice: VF h1 p 0', store(row(55, '/host/h1/port/R', wish(OTHER)), row(56, '/host/h1/port/R', None))),
    ('two projects have a name', 'twice: name project default p1',
     store(row(35, '/project/Y', {'name': 'p1', 'domain_id': 'default'}), row(36, '/project/Y', None))),
    ('a create was lost', 'lost: c0: create port R', ops(op('create', 'R', 20, 21, 201, 'c9-1'))),
    ('an update was lost', 'lost: c0: update port P', ops(op('update', 'P', 8, 9, 200, 'c9-1'))),
    ('a delete was lost', 'lost: c0: delete port Q', without('/port/Q', 40)),
    ('a port went though nobody deleted it', 'lost: /port/P', store(row(42, '/port/P', None), row(46, '/port/P', port(3)))),
    ('what was refused was done', 'refused, and done', ops(op('update', 'P', 8, 9, 409, 'c1-1'))),
    ('what was to be tried again was done', 'refused, and done', ops(op('update', 'P', 8, 9, 503, 'c1-1', retry_after='1'))),
    ('an acknowledged port is not shown', 'no such state: c0: show port P', ops(op('show', 'P', 5, 6, 404))),
    ('a deleted port is shown', 'no such state: c0: show port Q', ops(op('show', 'Q', 14, 15, 200, got=shown(1, 'c1-1')))),
    ('an older port is shown', 'no such state: c0: show port P', ops(op('show', 'P', 5, 6, 200, got=shown()))),
    ('older than another document that was shown', 'no such state: c0: show port P', ops(op('show', 'P', 8, 9, 200, got=shown()))),
    ('what was never committed is shown', 'no such state: c0: show port P', ops(op('show', 'P', 5, 6, 200, got=shown(2, 'c9-9')))),
    ('another member is shown than was stored', 'no such state: c0: show port P', ops(op('show', 'P', 5, 6, 200, got=shown(2, 'c0-2', mac=OTHER)))),
    ('a list lacks a port', 'no such state: c0: list', ops(op('list', None, 8, 9, 200, got={'P': 2}))),
    ('a list has a deleted port', 'no such state: c0: list', ops(op('list', None, 14, 15, 200, got={'P': 2, 'Q': 1}))),
    ('a list is of two moments', 'no such state: c0: list', ops(op('list', None, 0, 15, 200, got={'P': 1, 'Q': 1}))),
    ('an update took place before one that was answered before it', 'out of order: c0: update port P',
     store({**row(25, '/port/R', None), 'heard': 2})),
    ('what a host was heard to do is not shown', 'no such state: c0: show port P',
     store({**row(25, '/port/P', port(3, 'c0-2')), 'heard': 4})),
    ('an update was answered 404 while the port was there', 'no such state: c0: update port P', ops(op('update', 'P', 8, 9, 404, 'c9-1'))),
    ('an agent was told of an older revision', 'went back: s1', agents(heard(45, 51, changes=[]))),
    ('an agent was not told of a change', 'not the store: s1', lambda history: history['agents'][1]['changes'].clear()),
    ('an agent was told of what is not committed', 'not the store: s1', agents(heard(52, 51, changes=[['port', 'P', 52 * 256]]))),
    ('an agent was told of a deletion that was none', 'not the store: s1', agents(heard(52, 51, changes=[['port', 'P', None]]))),
    ('an agent was told all but one', 'not the store: s1', agents(heard(51, 51, all={'port': {}}))),
    ('a VF was another\'s again', 'went back: VF 0 of h1',
     lambda history: history['vfs'].extend([{'host': 'h1', 'vf': 0, 'port': who, 'mac': MAC} for who in ('R', 'P')])),
    ('a VF had another MAC than the port', 'went back: VF 0 of h1', lambda history: history['vfs'][1].update(mac=OTHER)),
    ('a VF is not what the store says', 'calm: VF 0 of h1', end('calm', h1=[vf(0), vf(1)])),
    ('a free VF is not at its defaults', 'calm: VF 1 of h1', end('calm', h1=[vf(0, 'P'), vf(1, 'Q')])),
    ('a VF of a deleted port is not at its defaults', 'swept: VF 0 of h1', end('swept', h1=[vf(0, 'P'), vf(1)])),
    ('a port is without its network', 'port P without its network', store(row(43, '/network/N', None), row(46, '/network/N', {}))),
    ('an address is kept for nobody', 'kept for no port', store(row(43, '/ip/S/10.0.0.77', {'port': 'Z'}), row(46, '/ip/S/10.0.0.77', None))),
    ('a lease is without a wish', 'of which the host is not told', store(row(43, '/vf/h1/p/1', {'port': 'Z'}), row(46, '/vf/h1/p/1', None))),
    ('something is left', 'left: /mac/N/', without('/mac/N/' + MAC, 50)),
    ('a stranger was let in', 'let in without a token', ops(op('trespass', 'P', 8, 9, 404))),
    ('an answer of 500', 'failed: c0: show', ops(op('show', 'P', 8, 9, 500))),
    ('a 503 that does not say when', 'without Retry-After', ops(op('show', 'P', 8, 9, 503))),
    ('a process died', 'died: a', lambda history: history.update(notes=[{'what': 'died: a ended with -11'}])),
]


def test_the_checker_finds_nothing_in_a_good_history():
    assert check.Run(good()).violations() == []


def test_two_changes_at_once_may_be_one_revision():
    history = good()
    history['ops'].append(op('update', 'Q', 11, 13, 200, 'c9-1'))  # and then the delete, at the same replica
    assert check.Run(history).violations() == []
    history['ops'][-1]['at'] = 'b'
    assert 'lost: c0: update port Q (c9-1) -> 200: no revision has it' in check.Run(history).violations()
    history['ops'][-1] = op('update', 'P', 3, 4, 200, 'c9-1')
    assert check.Run(history).violations()
    for changed in history['store']:
        if changed['rev'] == 20:
            changed['doc']['revision_number'] = 3  # it has counted both
    for answer in history['ops']:
        if answer['got'] and answer['op'] == 'show' and answer['id'] == 'P':
            answer['got']['revision_number'] = 3
        elif answer['op'] == 'list':
            answer['got']['P'] = 3
    assert check.Run(history).violations() == []
    history['ops'][-1].update(start=5, end=6)  # behind the other's answer
    assert check.Run(history).violations()
    history['ops'][1]['status'] = 0  # who asked did not wait for it
    assert check.Run(history).violations() == []
    history['ops'].append(op('show', 'P', 3, 7, 200, got=shown(2, 'c9-1')))  # the first of the two, at their replica
    assert check.Run(history).violations() == []
    for fault in {'at': 'b'}, {'at': 'a', 'got': shown(4, 'c9-1')}, {'got': shown(2, 'c9-9')}:
        history['ops'][-1].update(fault)
        assert 'no such state: c0: show port P' in check.Run(history).violations()[0][:40]


def test_a_list_may_have_what_its_own_replica_was_about_to_write():
    history = good()
    history['ops'].append(op('list', None, 0, 15, 200, got={'P': 1, 'Q': 1}))  # of 10 and 30, without 20
    assert check.Run(history).violations()
    for changed in history['store']:
        changed['by'] = 'A' if changed['rev'] == 30 else 'B'
    assert check.Run(history).violations() == []
    history['ops'].append(op('list', None, 0, 16, 200, got={'P': 2}))  # of 10, 20 and 40: Q was made by A, and is gone by B
    history['ops'].append(op('list', None, 3, 8, 200, got={'Q': 1}))
    assert [words[:23] for words in check.Run(history).violations()] == ['no such state: c0: list']
    history['ops'][-1].update(end=16, got={'P': 2, 'Q': 2})  # Q was changed, and deleted by its replica in the same revision
    assert check.Run(history).violations() == []
    history['ops'][-1]['got'] = {'P': 2, 'Q': 0}
    assert [words[:23] for words in check.Run(history).violations()] == ['no such state: c0: list']


@pytest.mark.parametrize('words,plant', [row[1:] for row in PLANTED], ids=[row[0] for row in PLANTED])
def test_the_checker_refuses(words, plant):
    history = copy.deepcopy(good())
    plant(history)
    found = check.Run(history).violations()
    assert any(words in one for one in found), found


def test_a_minute_of_faults_at_replicas_etcd_and_hosts():
    """Of a seed that found something once (docs/scale.md, Histories)."""
    need_root()
    got = subprocess.run(['/usr/bin/python3', ROOT / 'tests/chaos/run', '--seed', '3', '--ops', '1000', '--secs', '40'],
                         capture_output=True, text=True, check=False)
    counts = re.search(r'^(\d+) operations, (\d+) faults injected, 0 violations\n\Z', got.stdout, re.M)
    assert got.returncode == 0 and counts and int(counts[1]) and int(counts[2]), got.stdout + got.stderr
