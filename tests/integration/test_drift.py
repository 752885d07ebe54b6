# SPDX-License-Identifier: Apache-2.0
"""What others do to a NIC's VFs is named, word by word, and set back where that is wanted: netdevsim in the lab's host."""
import json
import random

import pytest

from conftest import wait_for
from hwlab import hw  # noqa: F401
from test_hw import N_VFS, Nic

ROUNDS, LINES = 10, 50  # 500 lines


@pytest.fixture(scope='module')
def nic(hw):  # noqa: F811
    made = Nic(hw)
    yield made
    made.close()


def words_of(kernel):
    """A VF of `ip -j link show` in anyvf's words."""
    vlan = kernel['vlan_list'][0]
    return {'mac': kernel['address'], 'vlan': vlan.get('vlan', 0), 'qos': vlan.get('qos', 0), 'proto': vlan.get('protocol', '802.1Q'),
            'max_tx_rate': kernel['rate']['max_tx'], 'min_tx_rate': kernel['rate']['min_tx'], 'spoofchk': kernel['spoofchk'],
            'state': kernel['link_state'], 'query_rss': kernel['query_rss_en'], 'trust': kernel['trust']}


def text(value):
    return {True: 'on', False: 'off'}.get(value, str(value)) if isinstance(value, bool) else str(value)


def asked(rng, vf):
    """Words for a VF. Without trust: a trusted guest may change its MAC, and that is no drift."""
    return {'mac': f'02:00:00:00:{rng.randrange(256):02x}:{vf:02x}', 'vlan': rng.randrange(1, 4095), 'qos': rng.randrange(8), 'proto': '802.1Q',
            'max_tx_rate': rng.randrange(500, 1000), 'min_tx_rate': rng.randrange(100), 'spoofchk': rng.random() < .5,
            'state': rng.choice(('auto', 'enable', 'disable')), 'query_rss': rng.random() < .5, 'trust': False}


def line_of(words):
    return [part for word, value in words.items() for part in (word, text(value))]


def foreign(rng, dev):
    """A line of somebody else's, some of which the kernel refuses in the middle; or the PF goes up or down."""
    if rng.random() < .1:
        return f'link set {dev} {rng.choice(("up", "down"))}'
    vf = rng.randrange(N_VFS)
    some = rng.choice([f'mac 02:00:00:00:{rng.randrange(256):02x}:ff', 'mac 00:00:00:00:00:00', f'vlan {rng.randrange(4095)} qos {rng.randrange(8)}',
                       f'vlan {rng.randrange(1, 4095)} proto 802.1ad', f'max_tx_rate {rng.randrange(500, 1000)}', 'spoofchk on', 'spoofchk off',
                       f'state {rng.choice(("auto", "enable", "disable"))}', 'query_rss on', 'query_rss off', 'trust on', 'trust off',
                       f'mac 02:00:00:00:{rng.randrange(256):02x}:fe vlan 5 qos 9'])
    return f'link set {dev} vf {vf} {some}'


def test_500_lines_of_others_are_all_named_and_set_back(nic):
    rng = random.Random(500)
    want = {vf: asked(rng, vf) for vf in range(N_VFS)}
    nic.set(*(part for vf, words in want.items() for part in ('vf', vf, *line_of(words))))
    batch = nic.lab.directory / 'lines'
    for turn in range(ROUNDS):
        batch.write_text(''.join(foreign(rng, nic.dev) + '\n' for _ in range(LINES)))
        nic.lab.run('ip', '-force', '-batch', '/run/lab/out/lines', check=False)
        differs = {}
        for vf, words in want.items():
            now = words_of(nic.vfs()[vf])
            for word, value in words.items():
                if now[word] != value:
                    differs[vf, word] = text(value), text(now[word])
        assert differs, 'no line changed anything'
        listed = json.loads(nic.anyvf('-j', 'pf', 'drift').out)
        assert {(d['vf'], d['word']): (d['asked'], d['is']) for d in listed} == differs
        assert all(d['since'] for d in listed)
        if turn % 3 == 2:
            nic.anyvf('pf', 'set', nic.dev, 'drift', 'repair')
            wait_for(lambda: all(words_of(nic.vfs()[vf]) == words for vf, words in want.items()), 20, 'the repair')
            nic.anyvf('pf', 'set', nic.dev, 'drift', 'report')
            assert json.loads(nic.anyvf('-j', 'pf', 'drift').out) == []
