# SPDX-License-Identifier: Apache-2.0
"""`anyvf top`: rates of real frames, in order, as text, JSON and on a terminal."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from conftest import DAEMONS, Netns, Swd


@pytest.fixture(scope='module')
def busy(tmp_path_factory):
    """A switch with three VFs on taps; the first pings the second all the time."""
    swd = Swd(tmp_path_factory.mktemp('swd')).start()
    ns = [Netns() for _ in range(3)]
    swd.call('pf.add', name='p2p1', numvfs=6)
    for i, one in enumerate(ns):
        swd.attach_tap('p2p1', i + 1, one, addr=f'10.77.0.{i + 1}/24')
    ping = ns[0].popen('ping', '-n', '-q', '-i', '0.01', '-s', '1000', '10.77.0.2', stdout=-3)
    yield swd
    ping.kill()
    ping.wait()
    swd.stop()
    for one in ns:
        one.delete()


def test_rates_are_those_of_the_frames(busy):
    rows = json.loads(busy.cli('-j', 'top', 'every', '2', 'count', '1').stdout)
    assert [row['vf'] for row in rows[-1:]] == [3], 'who has nothing to say comes last'
    assert {row['vf'] for row in rows} == {1, 2, 3}
    first = next(row for row in rows if row['vf'] == 1)
    assert first['pf'] == 'p2p1' and first['tx_pps'] > 10 and first['drops'] == 0
    assert first['tx_mbit'] == pytest.approx(first['tx_pps'] * 1042 * 8e-6, rel=0.1)
    assert first['rx_pps'] == pytest.approx(first['tx_pps'], rel=0.3)


def test_text_is_one_table_an_interval(busy):
    out = busy.cli('top', 'p2p1', 'sort', 'tx-pps', 'count', '2').stdout
    tables = out.strip().split('\n\n')
    assert len(tables) == 2 and all(t.splitlines()[0].split()[:3] == ['VF', 'rx', 'Mbit/s'] for t in tables)
    assert '█' in tables[1] and 'p2p1 vf 1' in tables[1] and '\033' not in out


def drawn(busy, master, slave):
    """`top` on a terminal, and what it wrote until its first table was whole."""
    top = subprocess.Popen([DAEMONS / 'anyvf', 'top'], stdin=slave, stdout=slave, stderr=slave,
                           env={**os.environ, 'ANYVF_RUN_DIR': str(busy.dir), 'TERM': 'xterm'})
    seen, end = b'', time.monotonic() + 20
    while b'q quits' not in seen and time.monotonic() < end:
        if select.select([master], [], [], 0.2)[0]:
            seen += os.read(master, 65536)
    return top, seen


def test_a_terminal_is_drawn_and_left_as_it_was(busy):
    master, slave = pty.openpty()
    before = subprocess.run(['stty', '-a'], stdin=slave, capture_output=True).stdout
    for ending in b'q', signal.SIGINT:
        top, seen = drawn(busy, master, slave)
        assert b'p2p1 vf 1' in seen
        if ending == b'q':
            os.write(master, b'd' + ending)
        else:
            top.send_signal(ending)
        assert top.wait(10) == 0
        time.sleep(0.1)
        assert b'\033[?1049l' in os.read(master, 65536)
        assert subprocess.run(['stty', '-a'], stdin=slave, capture_output=True).stdout == before
    os.close(master), os.close(slave)


def screen(busy, rows, columns):
    """The lines `top` draws on a terminal of this size, its escapes and the help below left out."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
    top, seen = drawn(busy, master, slave)
    os.write(master, b'q')
    assert top.wait(10) == 0
    os.close(master), os.close(slave)
    assert b'\033[?7l' in seen, 'what does not fit is cut, not wrapped'
    return re.sub(r'\033\[[?0-9]*[A-Za-z]', '', seen.decode()).split('\r\n')[:-1]


def test_a_table_fits_the_screen(busy):
    lines = screen(busy, 24, 80)
    assert len(lines) == 4 and max(map(len, lines)) <= 80 and lines[0].endswith('copies/s'), lines
    assert '█' in ''.join(lines), 'there is room for the line of the last intervals'
    assert len(screen(busy, 4, 80)) == 3
    assert len(screen(busy, 1, 20)) == 2
    assert max(map(len, screen(busy, 24, 200))) > 80


def test_refusals_name_the_word(busy):
    for words, text in {('nosuch',): 'nosuch', ('sort', 'speed'): '"speed"', ('every', '0'): '"0"', ('count',): 'not complete',
                        ('p2p1', 'p2p2'): '"p2p2"'}.items():
        done = busy.cli('top', *words, check=False)
        assert done.returncode and text in done.stderr and not done.stdout, words
