# SPDX-License-Identifier: Apache-2.0
"""The same answers as the kernel's igb: the lines of test_kernel_same on an (emulated) Intel 82576 in the lab's guest.

What this NIC cannot do, and how its driver says so, is told by OTHERWISE; such a line is not ours to answer. All else must be equal:
text, JSON and exit codes. What test_kernel_same says of differences on purpose goes for igb too, and further:

- VFs have no driver in the guest: igbvf would give its VF a MAC of its own, which `link show` of the PF shows.
- A new MTU, down and up cost igb its carrier for a moment; what it shows is what it shows when that is back.
"""
import os
import re
import shutil
import tempfile

import pytest

from test_kernel_same import ALL_SHOWS, GRAMMAR, MAC, N_VFS, NORMAL, Lines, Pair, lines_of
from test_link import INVALID, UNSUPPORTED
from lab import igb, igb_qemu  # its path is there since test_kernel_same

# (what of a line, what the kernel then says, the reason in igb_main.c of 6.1)
OTHERWISE = [
    (r'\bstate ', UNSUPPORTED, 'no ndo_set_vf_link_state'),
    (r'\bquery_rss ', UNSUPPORTED, 'no ndo_set_vf_rss_query_en'),
    (r'802\.1ad|88a8', 'RTNETLINK answers: Protocol not supported\n', 'igb_ndo_set_vf_vlan(): the 82576 inserts 802.1Q tags alone'),
    (r'\b(ra?t?e?|ma[x_]\w*) \d{4,}', INVALID, 'igb_ndo_set_vf_bw(): a limit is a part of the speed of the link, here 1000 Mbit/s'),
    (r'^down: .*\b(ra?t?e?|ma[x_]\w*) \d', INVALID, 'the same: no link, no speed'),
    (r'\bmin\w* \d', INVALID, 'igb_ndo_set_vf_bw(): the 82576 has no minimum'),
]
CARRIER = ['sh', '-c', 'while ip -o link show p2p1 up | grep -v "LOWER_UP.* state UP"; do usleep 50000; done']


class Igb(Pair):
    """p2p1 on igb in the guest, and p2p1 on a switch of ours."""

    NORMAL = [
        *NORMAL,
        (r'(num[tr]xqueues) \d+', r'\1 N'), (r'("num_[tr]x_queues"): ?\d+', r'\1:N'),  # the NIC's
        (r'(transns *\n(?: +\d+){4}) +\d+', r'\1 N'), (r'("carrier_changes"): ?\d+', r'\1:N'),  # igb resets itself
        (r' permaddr [\da-f:]+', ''), (r',\s*"permaddr": ?"\S+?"', ''),  # a software PF has none, nor has netdevsim
        (r', query_rss off', ''), (r',\s*"query_rss_en": ?false', ''),  # igb has no such setting and shows none
    ]

    def make_kernels(self):
        self.lab.run('sh', '-ec', f'''
            echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6 # no frames of its own
            [ -e /sys/class/net/p2p1 ] || modprobe igb
            [ -e /sys/class/net/p2p1 ] || ip link set eth0 name p2p1
            cd /sys/class/net/p2p1/device
            echo 0 > sriov_drivers_autoprobe
            echo 0 > sriov_numvfs
            echo {N_VFS} > sriov_numvfs''')
        self.kernels([['link', 'set', 'p2p1', 'address', MAC, 'mtu', 1500, 'up']])

    def kernels(self, lines):
        commands = []
        for words in lines:
            commands += [['ip', *words], *([CARRIER] if {'up', 'down', 'mtu'} & set(words) else [])]
        return [done for words, done in zip(commands, self.lab.run_all(commands)) if words is not CARRIER]

    def settings(self):
        for names, words in super().settings():
            end = 'max_tx_rate' if self.down() else 'query_rss'
            yield names, words[:words.index(end)] if end in words else words

    def down(self):
        return not re.search(r',"?UP\b', self.shown[0][1])

    seen = frozenset()  # of OTHERWISE

    def step(self, line):
        """As Pair's, but for what igb does otherwise: None, and neither device changes."""
        words = line if isinstance(line, list) else line.split()
        text = 'down: ' * self.down() + ' '.join(words)
        answers = {answer: pattern for pattern, answer, _ in OTHERWISE if re.search(pattern, text, re.I)}
        if answers:
            done, = self.kernels([['link', 'set', *words]])
            if done.code == 2 and done.err in answers:
                self.seen |= {answers[done.err]}
                if len(words) > 5:
                    self.resync(words)
                return None
        return super().step(words)


@pytest.fixture(scope='module')
def booted():
    """One guest and one switch for all tests of this file."""
    qemu, why = igb_qemu()
    if not qemu:
        pytest.skip(why)
    directory = tempfile.mkdtemp(prefix='anyvf-igb-')
    pair = Igb(directory, *igb(MAC), qemu=qemu)
    yield pair
    pair.close()
    shutil.rmtree(directory)


@pytest.fixture
def pair(booted):
    """Both devices, new."""
    booted.make()
    return booted


def test_25_26_every_word_is_answered_and_shown_as_by_igb(pair):
    for line in lines_of(GRAMMAR):
        pair.step(line)
    assert pair.seen == {pattern for pattern, *_ in OTHERWISE}
    pair.agree(ALL_SHOWS)


class IgbLines(Lines):
    """Those of the words that igb takes, and of the PF's own words the one that does not cost its carrier."""

    WORDS = ['mac', 'vlan', 'rate', 'max_tx_rate', 'spoofchk', 'trust']

    def of_pf(self):
        return ['address', self.of(self.MACS[:3], self.NO_MACS)]


def test_25_26_random_lines_are_answered_and_shown_as_by_igb(pair):
    seed = os.environ.get('ANYVF_SAME_SEED', '20261126')
    n = int(os.environ.get('ANYVF_SAME_IGB_LINES', '200'))
    print(f'ANYVF_SAME_SEED={seed} ANYVF_SAME_IGB_LINES={n}')
    lines = IgbLines(seed)
    codes = []
    while len(codes) < n:
        code = pair.step(lines.line())
        codes += [] if code is None else [code]
    pair.agree(ALL_SHOWS)
    assert {code: codes.count(code) > n / 50 for code in (0, 1, 2, 255)} == {0: True, 1: True, 2: True, 255: True}
    assert codes.count(0) > n / 3
