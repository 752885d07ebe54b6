# SPDX-License-Identifier: Apache-2.0
"""Real Linux guests for tests of the switch: QEMU started by hand, vhost-user NICs, a shell on the serial port."""
import contextlib
import os
import pathlib
import socket
import subprocess
import sys

from conftest import PATIENCE, ROOT, outside, wait_for

sys.path.insert(0, str(ROOT / 'scripts' / 'lib'))
from guest import Console  # noqa: E402

IMAGE = pathlib.Path(os.environ.get('ANYVF_GUEST', ROOT / 'build' / 'guest'))


def image():
    """The directory of the guest's kernel and initramfs; made if missing."""
    outside(ROOT / 'scripts' / 'guest-image', IMAGE)
    return IMAGE


class Serial(Console):
    """The guest's shell over a Unix socket."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        wait_for(lambda: not self.sock.connect_ex(str(path)), what=f'the serial port {path}')
        self.fd, self.seen, self.n = self.sock.fileno(), '', 0

    def close(self):
        self.sock.close()


class Guest:
    """One QEMU under TCG; nics: [(socket path, MAC, serves)], serves: QEMU listens, else it connects; packed rings or split.

    Without MSI-X vectors: Debian 12's QEMU crashes with them on vhost-user under TCG. initrd: another than the image's.
    """

    def __init__(self, directory, name, nics, packed=False, initrd=IMAGE / 'initramfs'):
        self.name, self.dir = name, pathlib.Path(directory)
        packed = 'on' if packed else 'off'
        argv = ['qemu-system-x86_64', '-name', name, '-nodefaults', '-display', 'none', '-accel', 'tcg', '-m', '192',
                '-object', 'memory-backend-memfd,id=mem,size=192M,share=on', '-machine', 'pc,memory-backend=mem',
                '-kernel', IMAGE / 'vmlinuz', '-initrd', initrd, '-append', (IMAGE / 'cmdline').read_text().strip(),
                '-serial', f'unix:{self.dir}/{name}.serial,server=on,wait=off']
        for i, (path, mac, serves) in enumerate(nics):
            argv += ['-chardev', f'socket,id=c{i},path={path},' + ('server=on' if serves else 'reconnect=1'),
                     '-netdev', f'vhost-user,id=n{i},chardev=c{i}',
                     '-device', f'virtio-net-pci,netdev=n{i},mac={mac},vectors=0,packed={packed}']
        self.log = open(self.dir / f'{name}.log', 'ab')
        self.proc = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            self.shell = Serial(self.dir / f'{self.name}.serial')  # at once: what nobody hears is lost
        except BaseException:
            self.proc.kill()
            raise

    def boot(self, timeout=120):
        """Wait for the guest's word that it is up."""
        self.shell.wait('anyvf-guest: up', timeout * PATIENCE)
        self.shell.ready()
        return self

    def run(self, command, timeout=30, check=True):
        """Output of a shell command in the guest."""
        code, out = self.shell.run(command, timeout * PATIENCE)
        assert not check or code == 0, f'{self.name}: {command}: {out}'
        return out

    def ping(self, addr, count=3, options=''):
        """True if every echo request was answered."""
        return f'{count} packets received' in self.run(f'ping -q -c {count} -W 2 {options} {addr}', check=False)

    def stop(self):
        """End it at once."""
        self.shell.close()
        with contextlib.suppress(ProcessLookupError):
            self.proc.kill()
        self.proc.wait()
        self.log.close()
