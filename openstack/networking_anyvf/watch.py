# SPDX-License-Identifier: Apache-2.0
"""What comes and goes in the directory of QEMU's sockets: events by inotify(7), the truth by /proc/net/unix.

A socket's file alone means nothing, it stays when QEMU is killed. That a name is in /proc/net/unix
does: somebody holds the socket.
"""
import ctypes
import os
import select
import struct

from oslo_log import log as logging

LOG = logging.getLogger(__name__)
IN_MOVED_TO, IN_CREATE, IN_DELETE, IN_DELETE_SELF, IN_IGNORED = 0x80, 0x100, 0x200, 0x400, 0x8000
EVENT = struct.Struct('iIII')


def listening(directory, proc='/proc/net/unix'):
    """Names of sockets in a directory that some process holds."""
    prefix, found = directory + '/', set()
    with open(proc, encoding='utf-8', errors='replace') as f:
        for line in f:
            # Num RefCount Protocol Flags Type St Inode Path; a path may have blanks
            words = line.rstrip('\n').split(None, 7)
            if len(words) == 8 and words[7].startswith(prefix) and '/' not in words[7][len(prefix):]:
                found.add(words[7][len(prefix):])
    return found


class Watch:
    """Tells when a name in a directory came or went. The directory may come later, or go and come."""

    def __init__(self, directory):
        self.directory = directory
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self.libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), 'inotify_init1')
        self.watched, self.why = False, 0

    def _add(self):
        mask = IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_DELETE_SELF
        wd = self.libc.inotify_add_watch(self.fd, os.fsencode(self.directory), mask)
        self.watched, why = wd >= 0, 0 if wd >= 0 else ctypes.get_errno()
        if why != self.why and why:  # once, not each polling_interval
            LOG.warning('%s is not watched, sockets are seen later: %s', self.directory, os.strerror(why))
        self.why = why
        return self.watched

    def wait(self, timeout):
        """Wait for an event; True if there was one, or if the directory is watched only now.

        :param timeout: seconds; without a directory it is waited out, and the directory tried again
        """
        if not self.watched and self._add():
            return True
        if not select.select([self.fd], [], [], timeout)[0]:
            return False
        try:
            data, at = os.read(self.fd, 65536), 0
        except BlockingIOError:
            return False
        while at + EVENT.size <= len(data):
            _, mask, _, length = EVENT.unpack_from(data, at)
            if mask & (IN_DELETE_SELF | IN_IGNORED):
                self.watched = False
            at += EVENT.size + length
        return True

    def close(self):
        """End; wait() must not be called again."""
        os.close(self.fd)
