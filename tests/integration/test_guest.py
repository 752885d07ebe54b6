# SPDX-License-Identifier: Apache-2.0
"""The switch with real Linux guests: VF to VF, offloads, mirror, and lives that go on over its restarts."""
import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

import pytest
from conftest import DAEMONS, PATIENCE, Netns, Swd, need_root, run, unique, wait_for
from guests import Guest, image

HOST, ONE, TWO, OTHER = '10.77.0.1', '10.77.0.11', '10.77.0.12', '10.78.0.2'
MACS = {1: 'fa:16:3e:77:00:11', 2: 'fa:16:3e:77:00:12', 3: 'fa:16:3e:77:00:13'}
LEASES = {1: ONE, 2: TWO, 3: '10.77.0.13'}


@pytest.fixture(scope='module')
def world():
    """VF 0: a tap with dnsmasq; VFs 1 and 2: guests' eth0, QEMU serves; VF 3: guest two's eth1, the switch serves.

    Guest one has split rings, guest two packed ones."""
    need_root()
    if not shutil.which('qemu-system-x86_64'):
        pytest.skip('needs qemu-system-x86_64')
    image()
    with contextlib.ExitStack() as stack:
        swd = Swd(tempfile.mkdtemp(prefix='anyvf-it-'))
        stack.callback(shutil.rmtree, swd.dir)
        stack.callback(lambda: print(swd.log.read_text()))
        stack.callback(swd.stop)
        swd.start()
        ns = swd.ns = Netns()
        stack.callback(ns.delete)
        swd.call('pf.add', name='p2p1', numvfs=5)
        tap = swd.tap = swd.attach_tap('p2p1', 0, ns, addr=HOST + '/24')
        dnsmasq = ns.popen('dnsmasq', '-k', '-C', '/dev/null', '-p', '0', '--interface', tap, '--bind-interfaces', '--no-ping',
                           '--dhcp-authoritative', f'--dhcp-leasefile={swd.dir}/leases', '--dhcp-range=10.77.0.10,10.77.0.20',
                           *(f'--dhcp-host={MACS[n]},{LEASES[n]}' for n in MACS))
        stack.callback(dnsmasq.wait)
        stack.callback(dnsmasq.kill)
        for n in 1, 2, 3:
            swd.call('pf.set', pf='p2p1', vfs=[{'vf': n, 'set': {'mac': MACS[n]}}])
            swd.call('vf.attach', pf='p2p1', vf=n, kind='vhost', client=n != 3)
        paths = {n: swd.vf('p2p1', n)['attach']['socket'] for n in MACS}
        swd.one = Guest(swd.dir, 'one', [(paths[1], MACS[1], True)])
        stack.callback(swd.one.stop)
        swd.two = Guest(swd.dir, 'two', [(paths[2], MACS[2], True), (paths[3], MACS[3], False)], packed=True)
        stack.callback(swd.two.stop)
        swd.one.boot()
        swd.two.boot()
        # Two NICs in one subnet: each is to answer for its own address, or one's neighbour may be the wrong VF.
        swd.two.run('echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore')
        yield swd


def test_guests_get_addresses_and_ping_each_other_and_the_tap(world):
    assert ONE in world.one.run('ip -4 addr show eth0')
    assert TWO in world.two.run('ip -4 addr show eth0')
    assert world.one.ping(TWO) and world.two.ping(HOST) and world.ns.ping(ONE)
    assert world.two.ping(HOST, options='-I eth1')
    assert world.vf('p2p1', 1)['status']['connected'] and world.vf('p2p1', 3)['status']['connected']


def test_a_capture_shows_a_guests_pings_and_what_was_dropped_of_them(world):
    """As typed from anyvf-capture(8): piped into tcpdump, and with the reasons into a file."""
    path = world.dir / 'icmp.pcapng'
    env = {**os.environ, 'ANYVF_RUN_DIR': str(world.dir)}
    line = f'{DAEMONS}/anyvf capture p2p1 vf 1 filter icmp -c 4 | tcpdump -nr -; {DAEMONS}/anyvf capture p2p1 vf 1 out drops filter icmp -c 3 -w {path}'
    both = subprocess.Popen(['sh', '-c', line], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1)
    assert both.stderr.readline().startswith('capturing')
    assert world.one.ping(TWO, count=2)
    while 'capturing' not in both.stderr.readline():
        pass
    world.one.run(f'ping -c 1 -W 1 {TWO}', check=False)
    world.call('pf.set', pf='p2p1', vfs=[{'vf': 1, 'set': {'mac': MACS[3]}}])  # its own is a stranger's now
    world.one.run(f'ping -c 2 -W 1 {TWO}', check=False)
    world.call('pf.set', pf='p2p1', vfs=[{'vf': 1, 'set': {'mac': MACS[1]}}])
    seen = both.stdout.read()
    assert both.wait(20) == 0
    assert seen.count(f'IP {ONE} > {TWO}: ICMP echo request') == 2 and seen.count(f'IP {TWO} > {ONE}: ICMP echo reply') == 2
    assert f'IP {ONE} > {TWO}: ICMP echo request' in run('tcpdump', '-nr', path).stdout
    assert path.read_bytes().count(b'dropped: spoof_mac: sent with a source MAC') == 2
    assert world.one.ping(TWO)


def bad_checksums(guest):
    """What the guest's TCP and UDP counted as damaged."""
    lines = guest.run('cat /proc/net/snmp').splitlines()
    out = 0
    for names, values in zip(lines[::2], lines[1::2]):
        row = dict(zip(names.split(), values.split()))
        out += int(row.get('InCsumErrors', 0))
    return out


def stream_to(guest, ns, data):
    """Send bytes from the namespace to a program in the guest that hashes them; its digest."""
    with ns.inside():
        listener = socket.create_server((HOST, 8000))

    def feed():
        with listener, listener.accept()[0] as conn:
            conn.sendall(data)
    threading.Thread(target=feed, daemon=True).start()
    return guest.run(f'nc {HOST} 8000 < /dev/null > /tmp/f; sha256sum < /tmp/f', 120).split()[0]


def stream_from(guest, ns, name):
    """Read a file of the guest's web server (it sends by the page, nc by the kilobyte); the digest of what came."""
    guest.run('httpd -h /tmp')
    with ns.inside():
        conn = socket.create_connection((ONE, 80), 20)
    digest = hashlib.sha256()
    with conn, conn.makefile('rb') as reply:
        conn.sendall(f'GET /{name} HTTP/1.0\r\n\r\n'.encode())
        while reply.readline().strip():
            pass
        while data := reply.read(1 << 20):
            digest.update(data)
    guest.run('killall httpd')
    return digest.hexdigest()


@contextlib.contextmanager
def frame_sizes(ns, dev):
    """The lengths of all frames that come out of a tap while the block runs."""
    sizes, sock = [], ns.packet_socket(dev, timeout=0.2)
    stop = threading.Event()

    def listen():
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                sizes.append(sock.recv_into(bytearray(1), 1, socket.MSG_TRUNC))
    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield sizes
    finally:
        stop.set()
        thread.join()
        sock.close()


def test_bulk_tcp_between_guest_and_tap_arrives_whole_with_large_segments(world):
    data = os.urandom(12_000_000)
    before = world.vf('p2p1', 1)['stats']
    assert stream_to(world.one, world.ns, data) == hashlib.sha256(data).hexdigest()
    after = world.vf('p2p1', 1)['stats']
    assert (after['rx_bytes'] - before['rx_bytes']) / (after['rx_packets'] - before['rx_packets']) > 2500, 'no GSO'
    with frame_sizes(world.ns, world.tap) as sizes:
        assert stream_from(world.one, world.ns, 'f') == hashlib.sha256(data).hexdigest()
    # How much the guest puts into a segment depends on its pace; that it ever exceeds the MTU does not.
    assert max(sizes) > 2500, 'no GSO'
    assert bad_checksums(world.one) == 0


def test_bulk_tcp_between_guests_arrives_whole(world):
    world.one.run('dd if=/dev/urandom of=/tmp/g bs=1M count=8 2>/dev/null')
    digest = world.one.run('sha256sum < /tmp/g').split()[0]
    world.two.run('nc -l -p 5000 > /tmp/g & sleep 0.2')
    world.one.run(f'nc {TWO} 5000 < /tmp/g', 120)
    wait_for(lambda: digest in world.two.run('sha256sum < /tmp/g', 60), 60, 'the whole file')
    assert bad_checksums(world.two) == 0


def test_mirror_shows_another_guests_icmp_inside_a_guest(world):
    world.two.run('tcpdump -l -n -i eth0 icmp and host 10.77.0.11 > /tmp/dump 2>&1 &')
    wait_for(lambda: 'listening' in world.two.run('cat /tmp/dump'), what='tcpdump in the guest')
    world.call('mirror.add', name='m', from_pf='p2p1', from_vf=1, dir='both', to_pf='p2p1', to_vf=2)
    assert world.one.ping(HOST, count=5)
    dump = wait_for(lambda: (lambda text: text if text.count('echo') >= 10 else '')(world.two.run('cat /tmp/dump')), what='ten frames')
    assert dump.count('echo request') >= 5 and dump.count('echo reply') >= 5
    world.call('mirror.del', name='m')
    world.two.run('killall tcpdump')


class Ticks:
    """A TCP connection on which a guest says a number every 0.2 s."""

    def __init__(self, world, guest, port):
        with world.ns.inside():
            listener = socket.create_server((HOST, port))
        guest.run(f'(i=0; while echo $i; do i=$((i+1)); usleep 200000; done) | nc {HOST} {port} > /dev/null 2>&1 &')
        listener.settimeout(10)
        self.conn = listener.accept()[0]
        listener.close()
        self.conn.settimeout(20)
        self.last = -1

    def more(self, n=5):
        """Hear n more numbers, none missing, over the same connection."""
        want = self.last + n
        rest = b''
        while self.last < want:
            data = self.conn.recv(4096)
            assert data, 'the connection broke'
            *lines, rest = (rest + data).split(b'\n')
            for line in lines:
                assert int(line) == self.last + 1
                self.last += 1
        while rest:  # finish the line begun
            data = self.conn.recv(4096)
            *lines, rest = (rest + data).split(b'\n')
            self.last += len(lines)


def kill_child(world):
    old = world.child()
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: world.child() not in (old, world.proc.pid), what='a new child')
    world.wait_ready()


def restart(world):
    assert world.stop(signal.SIGTERM) == 0
    world.start()


def kill_parent(world):
    world.proc.kill()
    world.proc.wait()
    world.start()


@pytest.mark.parametrize('crash', [kill_child, restart, kill_parent])
def test_27_a_guests_tcp_connection_outlives_the_switch(world, crash):
    ticks = Ticks(world, world.one, 6000)
    other = Ticks(world, world.two, 6001)
    ticks.more(), other.more()
    crash(world)
    ticks.more(), other.more()
    assert world.one.ping(TWO) and world.one.proc.poll() is None and world.two.proc.poll() is None
    wait_for(lambda: world.two.ping(HOST, options='-I eth1', count=1), what='the NIC that connects to us')
    world.one.run('killall nc', check=False)
    world.two.run('killall nc', check=False)
    for t in ticks, other:
        t.conn.close()


def test_a_guest_that_reboots_comes_back(world):
    os.write(world.one.shell.fd, b'reboot -f\n')
    world.one.shell.wait('anyvf-guest: up', 120 * PATIENCE)
    world.one.shell.ready()
    assert world.one.ping(TWO)


def test_vlan_change_moves_a_guest_at_once(world):
    world.call('pf.set', pf='p2p1', vfs=[{'vf': 1, 'set': {'vlan': 10}}])
    assert not world.one.ping(TWO, count=1)
    world.call('pf.set', pf='p2p1', vfs=[{'vf': 2, 'set': {'vlan': 10}}])
    wait_for(lambda: world.one.ping(TWO), 20, 'traffic in VLAN 10')
    world.call('pf.set', pf='p2p1', vfs=[{'vf': n, 'set': {'vlan': 0}} for n in (1, 2)])
    wait_for(lambda: world.one.ping(HOST), 20, 'traffic without a VLAN')
