# SPDX-License-Identifier: Apache-2.0
"""`make run`'s story in an instance of its own: the founding document's commands by the real clients, on real guests."""
import os
import re
import socket
import subprocess

import clients
from conftest import DAEMONS, ROOT, outside
from standin import Libvirtd
from test_agent import need_guests


def free_port():
    """A TCP port nobody has at the moment."""
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def test_every_proof_of_the_story_holds(tmp_path):
    need_guests()
    outside(ROOT / 'scripts/guest-image')
    tmp_path.chmod(0o755)  # QEMU and dnsmasq run as users of their own
    for parent in list(tmp_path.parents)[:2]:
        parent.chmod(0o755)
    libvirt = Libvirtd(tmp_path / 'libvirt').start()
    try:
        with clients.programs(tmp_path) as path:
            story = subprocess.run([ROOT / 'scripts/story', '--private', tmp_path, '--libvirt', libvirt.uri,
                                    '--listen', f'127.0.0.1:{free_port()}'], check=False,
                                   env={**os.environ, 'PATH': f'{path}:{os.environ["PATH"]}'},
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(story.stdout)
        held = re.search(r'(\d+) of (\d+) proofs held', story.stdout)
        assert held and held[1] == held[2] and story.returncode == 0
    finally:
        down = subprocess.run([DAEMONS / 'anyvf', 'down', '--config', tmp_path / 'anyvf.conf'], text=True,
                              env={'ANYVF_RUN_DIR': str(tmp_path / 'run'), 'PATH': '/usr/sbin:/usr/bin:/sbin:/bin'},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        print(down.stdout)
        libvirt.close()
        for ns in re.findall(r'^(outside-\d+)', subprocess.run(['ip', 'netns'], capture_output=True, text=True).stdout, re.M):
            if ns in story.stdout:
                subprocess.run(['ip', 'netns', 'del', ns], check=False)
    assert down.returncode == 0
