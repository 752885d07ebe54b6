# SPDX-License-Identifier: Apache-2.0
"""The story of `make run` in an instance of its own, and what it leaves running."""
import os
import pathlib
import re
import subprocess

import clients
from apid import free_port
from conftest import DAEMONS, ROOT, outside
from standin import Libvirtd


class Story:
    """A directory in which it is played."""

    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        outside(ROOT / 'scripts/guest-image')
        self.dir.chmod(0o755)  # QEMU and dnsmasq run as users of their own
        self.libvirt = Libvirtd(self.dir / 'libvirt').start()
        self.listen, self.said = f'127.0.0.1:{free_port()}', ''

    def play(self):
        """Its exit code; what it said is kept."""
        with clients.programs(self.dir) as path:
            story = subprocess.run([ROOT / 'scripts/story', '--private', self.dir, '--libvirt', self.libvirt.uri, '--listen', self.listen], check=False,
                                   env={**os.environ, 'PATH': f'{path}:{os.environ["PATH"]}'}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.said = story.stdout
        return story.returncode

    def close(self):
        """End all of it; `anyvf down`, as it went."""
        down = subprocess.run([DAEMONS / 'anyvf', 'down', '--config', self.dir / 'anyvf.conf'], text=True, check=False,
                              env={'ANYVF_RUN_DIR': str(self.dir / 'run'), 'PATH': '/usr/sbin:/usr/bin:/sbin:/bin'},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        self.libvirt.close()
        for ns in re.findall(r'^(outside-\d+)', subprocess.run(['ip', 'netns'], capture_output=True, text=True, check=False).stdout, re.M):
            if ns in self.said:
                subprocess.run(['ip', 'netns', 'del', ns], check=False)
        return down
