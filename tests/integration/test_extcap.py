# SPDX-License-Identifier: Apache-2.0
"""`anyvf-extcap`: every VF is an interface of Wireshark's; tshark lists them and captures from one."""
import os
import shutil
import subprocess

import pytest
from conftest import DAEMONS, ROOT, run, wait_for
from test_capture import threads
from test_veb import lab, switch  # noqa: F401

EXTCAP = ROOT / 'libexec' / 'anyvf' / 'anyvf-extcap'


@pytest.fixture
def shark(lab, tmp_path):
    """tshark with our script as its only extcap."""
    if not shutil.which('tshark'):
        pytest.skip('needs tshark')
    folder = tmp_path / '.config' / 'wireshark' / 'extcap'
    folder.mkdir(parents=True)
    (folder / 'anyvf-extcap').symlink_to(EXTCAP)
    env = {**os.environ, 'ANYVF_RUN_DIR': str(lab.swd.dir), 'ANYVF': str(DAEMONS / 'anyvf'), 'HOME': str(tmp_path),
           'XDG_CONFIG_HOME': str(tmp_path / '.config')}

    def start(*words):
        return subprocess.Popen(['tshark', *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    start.env = env
    return start


def test_wireshark_lists_vfs_and_captures_from_one(lab, shark):
    listed = shark('-D').communicate(timeout=60)[0]
    for vf in range(lab.VFS):
        assert f'anyvf-{lab.pf}-vf{vf} ({lab.pf} vf {vf}, {lab.mac(vf)})' in listed
    name = f'anyvf-{lab.pf}-vf0'
    got = shark('-nli', name, '-o', f'extcap.{name.replace("-", "_")}.direction:out', '-f', f'ether dst {lab.mac(1)}', '-c', '3',
                '-T', 'fields', '-e', 'eth.dst', '-e', 'frame.interface_name')
    wait_for(lambda: threads(lab) == 1, 60, what='the capture')
    for _ in range(3):
        lab.send(0, lab.mac(2))
        lab.send(0, lab.mac(1))
    out, said = got.communicate(timeout=60)
    assert 'extcap pipe' not in said, 'what a capture says is shown as an error'
    assert out.splitlines() == [f'{lab.mac(1)}\t{name}'] * 3 or out.splitlines() == [f'{lab.mac(1)}\t{lab.pf}-vf0'] * 3, said
    wait_for(lambda: threads(lab) == 0, 15, what='its end')


def test_the_extcap_answers_as_extcap_doc_says(lab, shark):
    def ask(*words):
        return run(EXTCAP, *words, env=shark.env, check=False)
    name = f'anyvf-{lab.pf}-vf0'
    assert ask('--extcap-interfaces', '--extcap-version=4.0').stdout.startswith('extcap {version=')
    assert ask('--extcap-dlts', '--extcap-interface', name).stdout == 'dlt {number=1}{name=EN10MB}{display=Ethernet}\n'
    config = ask('--extcap-config', '--extcap-interface', name).stdout
    assert config.count('arg {') == 3 and '{call=--drops}' in config
    check = ('--extcap-interface', name, '--extcap-capture-filter')
    assert ask(*check, 'tcp port 80').stdout == '' and 'frobnicate' in ask(*check, 'frobnicate').stdout
    assert 'no interface' in ask('--capture', '--extcap-interface', 'eth0', '--fifo', '/dev/null').stderr
    done = ask('--capture', '--extcap-interface', f'anyvf-{lab.pf}-vf77', '--fifo', '/dev/null')
    assert done.returncode == 1 and 'vf 77' in done.stderr
    assert ask('--extcap-interfaces', '--extcap-version=4.0').stdout.count('interface {') >= lab.VFS
