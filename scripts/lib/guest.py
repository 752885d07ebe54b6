# SPDX-License-Identifier: Apache-2.0
"""Type into a guest's serial console, as `virsh console` does: used by the story and by the tests.

Its limits are those of a guest that hangs: one without KVM, on a busy machine, takes minutes to boot.
"""
import os
import re
import select
import subprocess
import termios
import time
import tty


class Console:
    """The root shell on a guest's first serial port, by the pty libvirt made for it."""

    def __init__(self, domain, uri='qemu:///system'):
        """domain: libvirt's name of the running domain; uri: its libvirt."""
        pty = subprocess.run(['virsh', '-q', '-c', uri, 'ttyconsole', domain], check=True,
                             capture_output=True, text=True).stdout.strip()
        self.fd = os.open(pty, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        tty.setraw(self.fd, termios.TCSANOW)
        self.seen = ''
        self.n = 0

    def close(self):
        """Give the shell its echo back and let go of the pty."""
        os.write(self.fd, b'stty echo\n')
        os.close(self.fd)

    def wait(self, pattern, timeout):
        """Read until the regular expression occurs; return the match. TimeoutError with the last words if not."""
        end = time.monotonic() + timeout
        while True:
            found = re.search(pattern, self.seen)
            if found:
                self.seen = self.seen[found.end():]
                return found
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise TimeoutError(f'guest never said {pattern!r}; its last words: {self.seen[-300:]!r}')
            try:
                self.seen += os.read(self.fd, 65536).decode(errors='replace').replace('\r', '')
            except OSError:  # the domain went away under us
                raise TimeoutError('the guest is gone') from None

    def run(self, command, timeout=180):
        """Run a shell command in the guest; return (exit status, output)."""
        self.n += 1
        # The mark is put together by the guest's shell, so that an echo of our typing does not match it.
        os.write(self.fd, f'{command}\necho M"ARK"-{self.n}-$?-\n'.encode())
        found = self.wait(rf'MARK-{self.n}-(\d+)-\n', timeout)
        lines = [re.sub(r'^(# )+', '', line) for line in found.string[:found.start()].split('\n')]
        return int(found[1]), '\n'.join(lines).strip('\n')

    def ready(self, timeout=300):
        """Wait until the shell answers, and have it not repeat what we type."""
        end = time.monotonic() + timeout
        while True:
            try:
                self.run('stty -echo', 3)
                answer = self.run('true', 3)
                if not answer[1] or time.monotonic() > end:  # else a shell that had just started put the echo back
                    return answer
            except TimeoutError:
                if time.monotonic() > end:
                    raise
