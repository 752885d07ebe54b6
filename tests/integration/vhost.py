# SPDX-License-Identifier: Apache-2.0
"""Guests without a QEMU: tests/lib/vhost_fe.c as a Python class."""
import ctypes
import errno
import os
import struct

from conftest import BUILD

VERSION_1, CSUM, GUEST_CSUM, MRG_RXBUF = 1 << 32, 1 << 0, 1 << 1, 1 << 15
GUEST_TSO4, HOST_TSO4 = 1 << 7, 1 << 11
PACKED, EVENT_IDX, IN_ORDER = 1 << 34, 1 << 29, 1 << 35
(ADDR_OUTSIDE, ADDR_SPANS, LENGTH_ZERO, LENGTH_HUGE, LOOP, LONG_CHAIN, WRITE_ONLY, BAD_HEAD,
 RUNAWAY) = range(9)
SHARED, PRIVATE, NONE = range(3)  # what the switch gets of the guest's memory
PLAIN = bytes(12)  # a virtio-net header that asks for nothing


class Opts(ctypes.Structure):
    """struct fe_opts"""
    _fields_ = [('path', ctypes.c_char_p), ('listen', ctypes.c_bool), ('ring_size', ctypes.c_uint32),
                ('pairs', ctypes.c_uint32), ('features', ctypes.c_uint64), ('rx_len', ctypes.c_uint32),
                ('rx_pieces', ctypes.c_uint32), ('rx_indirect', ctypes.c_bool),
                ('mem_mib', ctypes.c_uint32), ('timeout_ms', ctypes.c_int), ('memory', ctypes.c_int)]


def library():
    """The library, with the types that are not int."""
    lib = ctypes.CDLL(str(BUILD / 'tests' / 'lib' / 'libvhost_fe.so'), use_errno=True)
    lib.fe_open.restype = ctypes.c_void_p
    lib.fe_features.restype = ctypes.c_uint64
    lib.fe_connected.restype = ctypes.c_bool
    for name in ('close', 'reconnect', 'connected', 'features', 'remap', 'enable', 'send', 'recv',
                 'break', 'rewrite', 'repeat', 'scramble', 'kick', 'stop', 'reboot', 'truncate',
                 'block', 'call', 'misplace'):
        fn = getattr(lib, f'fe_{name}')
        fn.argtypes = [ctypes.c_void_p] + {
            'reconnect': [ctypes.c_int], 'remap': [ctypes.c_uint],
            'enable': [ctypes.c_uint, ctypes.c_bool], 'kick': [ctypes.c_uint],
            'block': [ctypes.c_uint], 'misplace': [ctypes.c_uint], 'call': [ctypes.c_uint, ctypes.c_int],
            'send': [ctypes.c_uint, ctypes.c_char_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_bool],
            'recv': [ctypes.c_uint, ctypes.c_char_p, ctypes.c_uint32, ctypes.c_int],
            'break': [ctypes.c_uint, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32],
            'rewrite': [ctypes.c_uint, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint32,
                        ctypes.c_uint32],
            'scramble': [ctypes.c_uint, ctypes.POINTER(ctypes.c_uint32), ctypes.c_uint32],
            'repeat': [ctypes.c_uint, ctypes.c_char_p, ctypes.c_uint32, ctypes.c_uint32]}.get(name, [])
    return lib


class Guest:
    """A guest's NIC on a vhost-user socket."""
    lib = None

    def __init__(self, path, listen=False, ring_size=256, pairs=1, features=MRG_RXBUF, rx_len=2048,
                 rx_pieces=1, rx_indirect=False, mem_mib=16, timeout_ms=5000, memory=SHARED):
        Guest.lib = Guest.lib or library()
        self.path = str(path).encode()
        self.opts = Opts(self.path, listen, ring_size, pairs, features, rx_len, rx_pieces, rx_indirect,
                         mem_mib, timeout_ms, memory)
        self.fe = self.lib.fe_open(ctypes.byref(self.opts))
        if not self.fe:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self.room = ctypes.create_string_buffer(70000)

    def close(self):
        if self.fe:
            self.lib.fe_close(self.fe)
        self.fe = None

    def send(self, frame, pair=0, piece=0, indirect=False, header=PLAIN):
        """Send one frame; header is its virtio-net header."""
        rc = self.lib.fe_send(self.fe, pair, header + frame, 12 + len(frame), piece, indirect)
        if rc:
            raise OSError(-rc, os.strerror(-rc))

    def recv_raw(self, pair=0, timeout=2.0):
        """(virtio-net header, frame), or None when none came in time."""
        n = self.lib.fe_recv(self.fe, pair, self.room, 70000, int(timeout * 1000))
        if n == -errno.ETIMEDOUT:
            return None
        assert n > 0, f'the device broke the rules: {os.strerror(-n)}'
        return self.room.raw[:12], self.room.raw[12:n]

    def recv(self, pair=0, timeout=2.0):
        got = self.recv_raw(pair, timeout)
        return got and got[1]

    def drain(self, pair=0, quiet=0.3):
        """All frames up to `quiet` seconds of silence."""
        got = []
        while (frame := self.recv(pair, quiet)) is not None:
            got.append(frame)
        return got

    def mistake(self, kind, frame, pair=0):
        assert getattr(self.lib, 'fe_break')(self.fe, pair, kind, PLAIN + frame, 12 + len(frame)) == 0

    def rewrite(self, a, b, times, pair=0):
        """Send `times` frames whose bytes change between a and b all the while."""
        return self.lib.fe_rewrite(self.fe, pair, PLAIN + a, PLAIN + b, 12 + len(a), times)

    def repeat(self, frame, times, pair=0):
        """Offer a frame up to `times` times, or until the ring is full; how many."""
        return self.lib.fe_repeat(self.fe, pair, PLAIN + frame, 12 + len(frame), times)

    def scramble(self, seed, passes, pair=0):
        """Rewrite the transmit ring under the switch; only close() is left then."""
        self.lib.fe_scramble(self.fe, pair, ctypes.byref(ctypes.c_uint32(seed)), passes)

    def reconnect(self, timeout=10.0):
        assert self.lib.fe_reconnect(self.fe, int(timeout * 1000)) == 0, 'the switch did not come back'

    def truncate(self):
        """Take the memory away under the switch."""
        assert self.lib.fe_truncate(self.fe) == 0

    def block(self, index):
        """Let whoever interrupts for ring `index` wait for ever."""
        assert self.lib.fe_block(self.fe, index) == 0

    def call(self, index, fd):
        """Another descriptor to be interrupted by; 0 or a negative errno."""
        return self.lib.fe_call(self.fe, index, fd)

    def misplace(self, index):
        """Ring `index` is where no ring may be."""
        assert self.lib.fe_misplace(self.fe, index) == 0

    def kick(self, index):
        self.lib.fe_kick(self.fe, index)

    def stop(self):
        rc = self.lib.fe_stop(self.fe)
        assert rc == 0, os.strerror(-rc)

    def reboot(self):
        rc = self.lib.fe_reboot(self.fe)
        assert rc == 0, os.strerror(-rc)

    @property
    def connected(self):
        return self.lib.fe_connected(self.fe)

    @property
    def features(self):
        return self.lib.fe_features(self.fe)

    def remap(self, regions):
        assert self.lib.fe_remap(self.fe, regions) == 0

    def enable(self, pair, on):
        assert self.lib.fe_enable(self.fe, pair, on) == 0


def header(flags=0, gso_type=0, hdr_len=0, gso_size=0, csum_start=0, csum_offset=0):
    """A virtio-net header."""
    return struct.pack('<BBHHHHH', flags, gso_type, hdr_len, gso_size, csum_start, csum_offset, 0)
