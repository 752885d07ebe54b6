# SPDX-License-Identifier: Apache-2.0
"""Metrics: the page against what `vf show` tells, the exporter's manners, and the real Prometheus on both."""
import errno
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.parse
import urllib.request
import uuid

import pytest
import requests
from apid import Apid, Client
from conftest import DAEMONS, Daemon, Netns, PATIENCE, ROOT, Swd, need_root, run, unique, wait_for
from standin import StandIn
from vhost import Guest

HOSTILE = 'a"b\\c\nd ü€'  # as a server's name
MIRROR = 'm "1"\n# x{y} 2'
PORT = 19741
OPEN = 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5'
DASHBOARD = ROOT / 'packaging/grafana/anyvf.json'
RULES = ROOT / 'packaging/prometheus/anyvf.rules.yml'
LINE = re.compile(r'(\w+)(?:\{((?:\w+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? ([0-9.]+)')


def samples(page):
    """{(name, labels): value} of a page; each of its lines must be one, or a comment we know."""
    got = {}
    for line in page.split('\n'):
        if not line or line == '# EOF' or re.match(r'# (HELP|TYPE) anyvf_\w+ ', line):
            continue
        name, labels, value = LINE.fullmatch(line).groups()
        pairs = {k: re.sub(r'\\(.)', lambda m: {'n': '\n'}.get(m[1], m[1]), v)
                 for k, v in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or '')}
        key = (name, frozenset(pairs.items()))
        assert key not in got, line
        got[key] = float(value)
    return got


def of(got, name, **labels):
    """[(all labels, value)] of a metric where some labels are these."""
    return [(dict(key), value) for (metric, key), value in got.items() if metric == name and labels.items() <= dict(key).items()]


def one(got, name, **labels):
    (_, value), = of(got, name, **labels)
    return value


@pytest.fixture(scope='module')
def busy(tmp_path_factory):
    """A switch with taps on VFs 2 and 3 that ping, one that spoofs, a vhost guest on VF 0, a mirror that loses copies, a wire that pings the host, filters and hostile names."""
    need_root()
    swd = Swd(tmp_path_factory.mktemp('swd')).start()
    ns = [Netns() for _ in range(3)]
    near, far = unique('vn'), unique('vf')
    run('ip', 'link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', ns[2].name)
    swd.call('pf.add', name='p2p1', numvfs=6, uplink='dev', uplink_arg=near, host_if=True)
    swd.call('pf.set', pf='p2p1', vfs=[{'vf': 3, 'set': {'server': HOSTILE, 'storm_broadcast': 500}}, {'vf': 2, 'set': {'vlan': 7, 'port_id': 'port-2'}},
                                       {'vf': 3, 'set': {'vlan': 7, 'max_tx_rate': 900, 'trust': True, 'promisc': 'true', 'learning': 2}}])
    taps = [swd.attach_tap('p2p1', i + 2, space, addr=f'10.77.0.{i + 1}/24') for i, space in enumerate(ns[:2])]
    filters = {2: {'macs': [f'02:00:00:00:07:{n:02x}' for n in range(25)], 'mcasts': ['01:00:5e:00:00:07'], 'promisc': False, 'allmulti': False},
               3: {'macs': ['02:00:00:00:08:01'], 'mcasts': [f'01:00:5e:00:00:0{n}' for n in range(4)], 'promisc': True, 'allmulti': True}}
    for (vf, words), space, tap in zip(filters.items(), ns, taps):
        main = space.run('cat', f'/sys/class/net/{tap}/address').stdout.strip()
        swd.call('vf.filter', pf='p2p1', vf=vf, filter={'main_mac': main, **words})
    guest = Guest(swd.call('vf.attach', pf='p2p1', vf=0, kind='vhost')['socket'])
    swd.call('mirror.add', name=MIRROR, from_pf='p2p1', from_vf=2, to_pf='p2p1', to_vf=0)
    ns[2].run('ip', 'link', 'set', far, 'up')
    for at, dev, addr in (ns[2].run, far, 9), (run, 'p2p1', 8):
        at('ip', 'link', 'set', dev, 'up')
        at('ip', 'addr', 'add', f'10.78.0.{addr}/24', 'dev', dev)
    pings = [space.popen('ping', '-n', '-q', '-i', '0.01', addr, stdout=-3) for space, addr in ((ns[0], '10.77.0.2'), (ns[2], '10.78.0.8'))]
    broadcast, no_vlan, experiment = b'\xff' * 6, b'\x81\0\x0f\xff', b'\x88\xb5' + bytes(46)
    with ns[2].packet_socket(far) as wire, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as host, ns[1].packet_socket(taps[1]) as behind:
        host.bind(('p2p1', 0))
        for _ in range(3):
            wire.send(broadcast + b'\x02\0\0\0\0\x66' + no_vlan + experiment)
        for _ in range(2):
            host.send(broadcast + host.getsockname()[4] + no_vlan + experiment)
        for _ in range(300):  # more one way than the other
            wire.send(host.getsockname()[4] + b'\x02\0\0\0\0\x66' + experiment)
        behind.send(broadcast + b'\x02\0\0\0\0\x67' + experiment)
    swd.call('pf.set', pf='p2p1', vfs=[{'vf': 0, 'set': {'mac': '02:00:00:00:00:09'}}])
    for _ in range(20):  # not its address: dropped
        guest.send(b'\xff' * 6 + b'\x02\0\0\0\0\x77' + b'\x88\xb5' + bytes(46))
    wait_for(lambda: swd.drops('p2p1', 0).get('spoof_mac') == 20 and swd.call('mirror.list')[0]['dropped']  # VF 0 takes nothing
             and swd.vf('p2p1', 3)['status']['n_learned'])
    yield swd
    for ping in pings:
        ping.kill()
        ping.wait()
    guest.close()
    swd.stop()
    for space in ns:
        space.delete()


class Exporter:
    """anyvf-exporter at a switch."""

    def __init__(self, swd, *options, listen=f'127.0.0.1:{PORT}'):
        self.listen, self.proc = str(listen), subprocess.Popen([DAEMONS / 'anyvf-exporter', '--run-dir', swd.dir, '--listen', str(listen), *options])
        wait_for(lambda: self.answers(), what='the exporter')

    @classmethod
    def at(cls, path):
        """Of somebody else's page."""
        got = cls.__new__(cls)
        got.listen = str(path)
        return got

    def connect(self):
        if not self.listen.startswith('/'):
            return socket.create_connection(('127.0.0.1', PORT), timeout=20 * PATIENCE)
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(20 * PATIENCE)
        sock.connect(self.listen)
        return sock

    def answers(self):
        try:
            self.connect().close()
        except OSError:
            return False
        return True

    def ask(self, target='/metrics', method='GET', **headers):
        """Status, content type, body."""
        http_ = http.client.HTTPConnection('exporter')
        http_.sock = self.connect()
        http_.request(method, target, headers=headers)
        reply = http_.getresponse()
        body = reply.read()
        http_.close()
        return reply.status, reply.headers['Content-Type'], body.decode()

    def stop(self):
        self.proc.terminate()
        assert self.proc.wait(10 * PATIENCE) == 0


@pytest.fixture
def exporter(busy):
    got = Exporter(busy, '--timeout', '1500')
    yield got
    got.stop()


def promtool(*words, **kw):
    if not shutil.which('promtool'):
        pytest.skip('there is no promtool')
    return run('promtool', *words, check=False, **kw)


def test_promtool_has_nothing_to_say(busy):
    page = busy.cli('metrics').stdout
    got = promtool('check', 'metrics', input=page)
    assert (got.returncode, got.stdout + got.stderr) == (0, '')
    assert busy.cli('metrics', 'openmetrics').stdout.endswith('# EOF\n')
    assert busy.cli('metrics', 'nonsense', check=False).returncode == 255


def test_the_page_is_what_vf_show_tells(busy):
    """A VF without traffic to the last frame; one with traffic between two looks."""
    before = {n: busy.vf('p2p1', n) for n in range(6)}
    got = samples(busy.cli('metrics').stdout)
    after = {n: busy.vf('p2p1', n) for n in range(6)}
    for n in range(6):
        vf = str(n)
        for metric, word in (('receive_packets', 'rx_packets'), ('receive_bytes', 'rx_bytes'), ('transmit_packets', 'tx_packets'),
                             ('transmit_bytes', 'tx_bytes'), ('mirrored_packets', 'mirrored'), ('receive_broadcast_packets', 'rx_broadcast')):
            value = one(got, f'anyvf_vf_{metric}_total', pf='p2p1', vf=vf)
            assert before[n]['stats'][word] <= value <= after[n]['stats'][word], (n, word)
        dropped = of(got, 'anyvf_vf_dropped_total', vf=vf)
        all_, rx = sum(v for _, v in dropped), sum(v for labels, v in dropped if labels['direction'] == 'receive')
        assert sum(before[n]['stats']['drops'].values()) <= all_ <= sum(after[n]['stats']['drops'].values())
        assert before[n]['stats']['rx_dropped'] <= rx <= after[n]['stats']['rx_dropped']
        for reason, count in before[n]['stats']['drops'].items():
            assert count <= sum(v for labels, v in dropped if labels['reason'] == reason) <= after[n]['stats']['drops'][reason]
    assert one(got, 'anyvf_vf_dropped_total', vf='0', direction='transmit', reason='spoof_mac') == 20
    assert one(got, 'anyvf_vf_receive_packets_total', vf='3') > 0 and one(got, 'anyvf_vf_transmit_packets_total', vf='2') > 0
    assert one(got, 'anyvf_mirror_packets_total', mirror=MIRROR) > 0


def test_states_are_those_vf_show_tells(busy):
    """Of guests with filters, of one without, and of none."""
    got = samples(busy.cli('metrics').stdout)
    told = {vf['vf']: vf for vf in json.loads(busy.cli('-j', 'vf', 'show', 'p2p1').stdout)}
    assert len(told) == 6
    for n, vf in told.items():
        status = vf['status']
        want = {'addresses': {'accepted': status['n_accepted'], 'refused': status['n_refused'], 'learned': status['n_learned']},
                'multicast_groups': status['n_mcasts'], 'promiscuous': ['off', 'unmatched', 'true'].index(status['promisc']), 'all_multicast': status['allmulti'],
                'queues': status['n_queues'], 'link_up': status['link_up'], 'connected': status['connected'],
                'fault': ['none', 'ring-broken', 'memory-gone', 'memory-not-shared'].index(status['fault'])}
        page = {name: one(got, f'anyvf_vf_{name}', vf=str(n)) for name in want if name != 'addresses'}
        page['addresses'] = {labels['state']: value for labels, value in of(got, 'anyvf_vf_addresses', vf=str(n))}
        assert page == want, n
    filters = told[2]['status'], told[3]['status']
    assert [s['n_mcasts'] for s in filters] == [1, 4] and filters[0]['n_refused'] and filters[1]['n_learned'] == 1 and filters[0]['n_accepted'] != filters[1]['n_accepted']
    assert [(s['promisc'], s['allmulti']) for s in filters] == [('off', False), ('true', True)] and told[1]['status']['connected'] is False


def test_uplink_host_and_mirror_are_told_as_by_show(busy):
    """Between two looks, as pings go on, and copies are lost; receive of an uplink is what came from the wire."""
    def look():
        pf, = json.loads(busy.cli('-j', 'pf', 'show', 'p2p1').stdout)
        mirror, = json.loads(busy.cli('-j', 'mirror', 'show').stdout)
        return pf['config'], pf['status'], mirror
    _, before, copies = look()
    got = samples(busy.cli('metrics').stdout)
    config, after, more = look()
    for part in 'uplink', 'host':
        for metric, word in (('receive_packets', 'rx_packets'), ('receive_bytes', 'rx_bytes'), ('transmit_packets', 'tx_packets'), ('transmit_bytes', 'tx_bytes')):
            assert before[part][word] <= one(got, f'anyvf_{part}_{metric}_total', pf='p2p1') <= after[part][word], (part, word)
        assert one(got, f'anyvf_{part}_receive_packets_total') > 100 + one(got, f'anyvf_{part}_transmit_packets_total') > 100
        dropped = {labels['reason']: value for labels, value in of(got, f'anyvf_{part}_dropped_total', pf='p2p1')}
        assert dropped.keys() == after[part]['drops'].keys()
        assert all(before[part]['drops'][reason] <= value <= after[part]['drops'][reason] for reason, value in dropped.items())
    assert [one(got, f'anyvf_{part}_dropped_total', reason='spoof_vlan') for part in ('uplink', 'host')] == [3, 2]
    for metric, word in ('packets', 'mirrored'), ('dropped_packets', 'dropped'):
        assert 0 < copies[word] <= one(got, f'anyvf_mirror_{metric}_total', mirror=MIRROR) <= more[word]
    assert [one(got, f'anyvf_pf_{name}', pf='p2p1') for name in ('up', 'carrier', 'vfs', 'mtu_bytes')] == [1, 1, 6, 1500] and config['mtu'] == 1500
    assert not of(got, 'anyvf_pf_errors_total') and not of(got, 'anyvf_pf_drift_words')  # a NIC's
    (info, _), = of(got, 'anyvf_pf_info')
    assert info == {'pf': 'p2p1', **{word: config[word] for word in ('uplink', 'uplink_arg', 'mode', 'mac')}, **{word: after[word] for word in ('kind', 'driver', 'pci_slot')}}


def test_names_come_back_as_they_were_given(busy):
    got = samples(busy.cli('metrics').stdout)
    (info, value), = of(got, 'anyvf_vf_info', vf='3')
    assert value == 1 and info['server'] == HOSTILE and info['vlan'] == '7' and info['attach'] == 'tap'
    (info, _), = of(got, 'anyvf_vf_info', vf='2')
    assert info['port_id'] == 'port-2' and info['mac'] == '00:00:00:00:00:00'
    (info, _), = of(got, 'anyvf_mirror_info')
    assert info['mirror'] == MIRROR and info['from_vf'] == '2' and info['to_vf'] == '0'


def test_limits_rings_and_workers_are_told(busy):
    before = busy.vf('p2p1', 0)['status']['interrupts']
    got = samples(busy.cli('metrics').stdout)
    assert [(labels['vf'], labels['kind'], v) for labels, v in of(got, 'anyvf_vf_storm_limit_packets')] == [('3', 'broadcast', 500)]
    assert [v for _, v in of(got, 'anyvf_vf_transmit_limit_bytes_per_second')] == [900e6 / 8]
    rings = of(got, 'anyvf_vf_ring_buffers')
    assert {(labels['vf'], labels['ring'], v) for labels, v in rings} == {('0', 'receive', 256), ('0', 'transmit', 256)}
    assert 0 <= one(got, 'anyvf_vf_ring_waiting_buffers', ring='receive') <= 256
    assert one(got, 'anyvf_vf_ring_waiting_buffers', ring='transmit') == 0
    (labels, interrupts), = of(got, 'anyvf_vf_interrupts_total')
    assert labels['vf'] == '0' and 0 < before <= interrupts <= busy.vf('p2p1', 0)['status']['interrupts']
    for worker, busy_s in of(got, 'anyvf_worker_busy_seconds_total'):
        assert busy_s > 0 and one(got, 'anyvf_worker_idle_seconds_total', **worker) > 0 and one(got, 'anyvf_worker_wakeups_total', **worker) > 0
    count, last = one(got, 'anyvf_worker_burst_packets_count', worker='0'), one(got, 'anyvf_worker_burst_packets_bucket', worker='0', le='+Inf')
    assert 0 < count == last <= one(got, 'anyvf_worker_burst_packets_sum', worker='0')
    assert one(got, 'anyvf_up', daemon='swd') == 1 and not of(got, 'anyvf_up', daemon='hwd')


def test_what_a_guest_sent_has_waited(busy):
    """Of who sent something that went somewhere: not VF 0, whose frames were all dropped."""
    def told():
        got = samples(busy.cli('metrics').stdout)
        return len(of(got, 'anyvf_vf_wait_seconds_count')) == 2 and got
    got = wait_for(told)
    assert {labels['vf'] for labels, _ in of(got, 'anyvf_vf_wait_seconds_count')} == {'2', '3'}
    count = one(got, 'anyvf_vf_wait_seconds_count', vf='2')
    assert 1 <= count == one(got, 'anyvf_vf_wait_seconds_bucket', vf='2', le='+Inf') <= 1 + one(got, 'anyvf_vf_transmit_packets_total', vf='2') / 4096
    assert one(got, 'anyvf_vf_wait_seconds_sum', vf='2') > 0


def test_interrupts_count_on_over_a_ring_that_is_none(swd_maker):
    swd = swd_maker().start()
    swd.call('pf.add', name='p2p1', numvfs=2)
    swd.call('pf.set', pf='p2p1', vfs=[{'vf': n, 'set': {'mac': f'02:00:00:00:00:0{n}'}} for n in range(2)])
    guests = [Guest(swd.call('vf.attach', pf='p2p1', vf=n, kind='vhost')['socket']) for n in range(2)]
    try:
        wait_for(lambda: all(swd.vf('p2p1', n)['status']['n_queues'] for n in range(2)))
        guests[0].send(b'\xff' * 6 + b'\x02\0\0\0\0\0' + b'\x88\xb5' + bytes(46))
        assert guests[1].recv(timeout=10 * PATIENCE)
        before = wait_for(lambda: swd.vf('p2p1', 1)['status']['interrupts'])
        guests[1].misplace(0)
        status = swd.vf('p2p1', 1)['status']
        assert status['rx_ring'] == 0 and status['interrupts'] >= before
    finally:
        for guest in guests:
            guest.close()


def test_second_names_are_there_if_asked_for(busy):
    got = busy.cli('metrics', 'sriov').stdout
    assert re.search(r'^sriov_vf_rx_bytes\{pf="p2p1",vf="3",numa_node="-1",pciAddr="0000:05:10.6"\} [1-9]\d*$', got, re.M)
    assert re.search(r'^sriov_vf_tx_dropped\{pf="p2p1",vf="0",.*\} 20$', got, re.M)
    assert 'sriov_' not in busy.cli('metrics').stdout
    families = re.findall(r'^# TYPE (sriov_\w+) ', got, re.M)
    assert families == [f'sriov_vf_rx_{word}' for word in ('packets', 'bytes', 'multicast', 'broadcast', 'dropped')] + [f'sriov_vf_tx_{word}' for word in ('packets', 'bytes', 'dropped')]
    exporter = Exporter(busy, '--sriov-names')
    try:
        assert re.findall(r'^# TYPE (sriov_\w+) ', exporter.ask()[2], re.M) == families
    finally:
        exporter.stop()


def test_a_scraper_gets_the_format_it_likes(exporter):
    assert exporter.ask()[:2] == (200, 'text/plain; version=0.0.4; charset=utf-8')
    status, kind, body = exporter.ask(Accept=OPEN)
    assert (status, kind) == (200, 'application/openmetrics-text; version=1.0.0; charset=utf-8')
    assert '# TYPE anyvf_vf_receive_bytes counter\n' in body and body.endswith('# EOF\n') and samples(body)
    assert exporter.ask('/metrics?x=y')[0] == 200 and exporter.ask('/')[0] == 200
    assert exporter.ask(method='HEAD')[2] == ''
    assert exporter.ask('/metric')[0] == exporter.ask('/metrics/../etc/passwd')[0] == 404
    for method in 'POST', 'PUT', 'DELETE', 'OPTIONS':
        assert exporter.ask(method=method)[0] == 405


def test_hostile_bytes_and_scrapers_that_leave_harm_nobody(exporter):
    fds = len(os.listdir(f'/proc/{exporter.proc.pid}/fd'))
    for raw in (b'\0' * 5000, b'GET ' + b'/' * 100_000 + b' HTTP/1.1\r\n\r\n', b'GET /metrics HTTP/9.9\r\n\r\n', b'GET /metrics HTTP/1.1\r\nAccept: ' + b'a;q=' * 30_000 + b'\r\n\r\n',
                b'POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n', b'GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nxx', b'\x16\x03\x01\x02'):
        with exporter.connect() as sock:
            try:
                sock.sendall(raw)
            except OSError:
                pass
    for _ in range(30):  # gone before, and in the middle of, their answer
        sock = exporter.connect()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        sock.sendall(b'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n')
        if _ % 2:
            sock.recv(10)
        sock.close()
    assert exporter.ask()[0] == 200
    wait_for(lambda: len(os.listdir(f'/proc/{exporter.proc.pid}/fd')) <= fds + 1, what='their descriptors closed')


def test_a_hung_switch_is_down_and_hangs_nobody(busy, exporter):
    os.kill(busy.child(), signal.SIGSTOP)
    try:
        got = samples(exporter.ask()[2])
        assert one(got, 'anyvf_up', daemon='swd') == 0 and not of(got, 'anyvf_vf_info')
    finally:
        os.kill(busy.child(), signal.SIGCONT)
    wait_for(lambda: one(samples(exporter.ask()[2]), 'anyvf_up', daemon='swd') == 1, what='the switch')


@pytest.fixture
def hwd(busy):
    """Beside the switch."""
    got = Daemon(busy.dir / 'hwd-ro.sock')
    yield got
    got.close()
    (busy.dir / 'hwd-ro.sock').unlink()


def test_a_hung_switch_takes_no_other_daemon_along(busy, hwd, exporter):
    os.kill(busy.child(), signal.SIGSTOP)
    try:
        got = samples(exporter.ask()[2])
        assert one(got, 'anyvf_up', daemon='swd') == 0 and one(got, 'anyvf_up', daemon='hwd') == 1
    finally:
        os.kill(busy.child(), signal.SIGCONT)
    wait_for(lambda: one(samples(exporter.ask()[2]), 'anyvf_up', daemon='swd') == 1, what='the switch')


def test_a_pf_that_cannot_be_read_takes_no_other_along(busy, hwd):
    """Neither at its numbers, nor with those read, at its drift."""
    counts = {'columns': [], 'vfs': ['' for _ in range(5)]}
    hwd.answers.update({'pf.list': ['bad', 'drifts', 'good'],
                        'pf.counts': lambda pf: -errno.EIO if pf == 'bad' else {**counts, 'pf': {'config': {'name': pf}, 'status': {'kind': 'hw'}}},
                        'pf.drift': lambda pf: -errno.ENODEV if pf == 'drifts' else []})
    got = samples(busy.cli('metrics').stdout)
    assert one(got, 'anyvf_up', daemon='hwd') == 1
    assert {labels['pf'] for labels, _ in of(got, 'anyvf_vf_info')} == {'p2p1', 'good'}
    hwd.answers['pf.counts'] = -errno.ETIMEDOUT
    assert one(samples(busy.cli('metrics', check=False).stdout), 'anyvf_up', daemon='hwd') == 0


def test_a_switch_that_lies_is_read_within_bounds(tmp_path):
    """One that a guest has broken out into: a VF has as many numbers as there are columns, and no others have theirs."""
    rows = {'7 8 9': [7, 8, 9], '5*3': [5, 5, 5], '6*2 -': [6, 6, None], '-*2 4': [None, None, 4], '1*4000000000': [1, 1, 1], f'2 1*{"9" * 60}': [2, 1, 1],
            '0*0 7 8 9': [7, 8, 9], 'x *3': [None] * 3, '5*2 ' + ' ' * 10**5: [5, 5, None], '18446744073709551614 - 18446744073709551615': [float(2**64 - 2), None, None],
            '3 2 1 0': [3, 2, 1]}
    columns = [f'stats.{name}' for name in ('rx_packets', 'tx_packets', 'mirrored')]
    at = '02:00:00:00:00:01 0000:05:10.0'
    told = {'pf': {'config': {'name': 'p2p1'}, 'status': 7}, 'columns': columns, 'owners': [['a', 'x' * 10**5], 7, {'a': 1}],
            'vfs': [*(f'{row} {at}' for row in rows), '', 7, None, ['7 8 9'], '7 8 9 ' + 'y' * 1000 + ' ' + 'z' * 1000, *[''] * 70000]}
    switch = Daemon(tmp_path / 'swd-ro.sock', pf_list=['p2p1', 7, None, 'x' * 10**5, *[f'q{n}' for n in range(100)]],
                    pf_counts=lambda pf=None: told if pf == 'p2p1' else {'pf': {'config': {'name': pf, 'mtu': 7}}} if pf and pf[0] == 'q' else -errno.EINVAL)

    def page():
        got = samples(run(DAEMONS / 'anyvf', 'metrics', env={**os.environ, 'ANYVF_RUN_DIR': str(tmp_path)}).stdout)
        assert len(of(got, 'anyvf_vf_info')) == 256 and len(of(got, 'anyvf_pf_mtu_bytes')) == 63
        return got, [[next((value for labels, value in of(got, f'anyvf_vf_{name}_packets_total', vf=str(vf))), None) for name in ('receive', 'transmit', 'mirrored')]
                     for vf in range(len(rows) + 5)]
    got, numbers = page()
    assert numbers == [*rows.values(), *[[None] * 3] * 4, [7, 8, 9]]
    for vf, mac, slot in ((0, *at.split()), (4, *at.split()), (len(rows) + 4, 'y' * 17, 'z' * 31)):
        (labels, _), = of(got, 'anyvf_vf_info', vf=str(vf))
        assert (labels['mac'], labels['pci']) == (mac, slot)
    told['columns'] = [7, None, *columns, *['x'] * 1000]
    assert page()[1][4] == [1, 1, 1]
    told['columns'] = {'a': 1}
    assert page()[1][0] == [None] * 3
    switch.close()


def test_a_page_is_whole_while_the_switch_restarts(swd_maker):
    swd = swd_maker().start()
    swd.call('pf.add', name='p2p1', numvfs=256)
    exporter = Exporter(swd)
    try:
        for _ in range(4):
            os.kill(swd.child(), signal.SIGKILL)
            for _ in range(5):
                status, _, body = exporter.ask()
                got = samples(body)
                assert status == 200 and len(of(got, 'anyvf_vf_info')) == 256 * one(got, 'anyvf_up', daemon='swd')
            wait_for(lambda: one(samples(exporter.ask()[2]), 'anyvf_up', daemon='swd') == 1, what='the switch')
        swd.stop()
        assert one(samples(exporter.ask()[2]), 'anyvf_up', daemon='swd') == 0
        swd.start()
        assert one(samples(exporter.ask()[2]), 'anyvf_up', daemon='swd') == 1
    finally:
        exporter.stop()


def test_many_get_a_long_page_at_once(swd_maker, tmp_path):
    """Though none of them takes it before all have asked, and each has a copy."""
    swd = swd_maker().start()
    for i in range(2):
        swd.call('pf.add', name=f'p{i}', numvfs=256)
    exporter = Exporter(swd, listen=tmp_path / 'x.sock')
    try:
        socks = []
        for _ in range(8):
            socks.append(exporter.connect())
            socks[-1].sendall(b'GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
        for sock in socks:
            assert sock.recv(1, socket.MSG_PEEK)  # each answer is on its way
        for sock in socks:
            with sock, sock.makefile('rb') as file:
                head, _, body = file.read().partition(b'\r\n\r\n')
            assert len(body) == int(re.search(rb'Content-Length: (\d+)', head)[1]) > 1_000_000
    finally:
        exporter.stop()


def test_it_listens_on_a_unix_socket_or_loopback_alone(busy, tmp_path):
    exporter = Exporter(busy, listen=tmp_path / 'x.sock')
    assert exporter.ask()[0] == 200
    exporter.stop()
    assert not (tmp_path / 'x.sock').exists()
    for options, says in ((['--listen', '0.0.0.0:9'], 'not on loopback'), (['--listen', 'nonsense'], 'ADDRESS:PORT')):
        got = run(DAEMONS / 'anyvf-exporter', *options, check=False)
        assert got.returncode == 1 and says in got.stderr
    for options in ['--timeout', '0'], ['--timeout', '1x'], ['more']:
        assert run(DAEMONS / 'anyvf-exporter', *options, check=False).returncode == 2


def test_without_a_switch_there_is_a_page(tmp_path):
    got = run(DAEMONS / 'anyvf', 'metrics', env={**os.environ, 'ANYVF_RUN_DIR': str(tmp_path)}, check=False)
    assert one(samples(got.stdout), 'anyvf_up', daemon='swd') == 0
    assert got.returncode == 1 and 'swd-ro.sock: No such file' in got.stderr


def test_who_may_do_everything_may_read():
    """As in group anyvf alone, whose sockets are the full ones; who may do neither hears of the reading one."""
    need_root()
    with tempfile.TemporaryDirectory(prefix='anyvf-it-') as directory:
        os.chmod(directory, 0o755)
        daemons = [Daemon(f'{directory}/{name}.sock') for name in ('swd', 'swd-ro', 'hwd', 'hwd-ro')]

        def as_nobody(*words):
            return run('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', DAEMONS / 'anyvf', *words, env={**os.environ, 'ANYVF_RUN_DIR': directory}, check=False)

        def nobody(full):
            for name in 'swd', 'hwd':
                os.chmod(f'{directory}/{name}.sock', full)
                os.chmod(f'{directory}/{name}-ro.sock', 0o600)
            got = as_nobody('metrics')
            return got.returncode, got.stderr, sorted((labels['daemon'], value) for labels, value in of(samples(got.stdout), 'anyvf_up'))
        assert nobody(0o666) == (0, '', [('hwd', 1), ('swd', 1)])
        assert nobody(0o600) == (1, f'Error: anyvf-swd: {directory}/swd-ro.sock: Permission denied.\n', [('hwd', 0), ('swd', 0)])
        assert f'no permission to use {directory}/' in as_nobody('vf', 'show', 'p2p1', 0).stderr
        for daemon in daemons:
            daemon.close()


# ---- the API's page ----

def test_the_api_counts_by_route_and_says_nothing_of_who_asked(tmp_path):
    """On a socket of its own, where no route of the API is."""
    api = Apid(tmp_path, f'[api]\nmetrics = {tmp_path}/api/m.sock\n').start()
    page = Exporter.at(api.state / 'm.sock')
    before = samples(page.ask()[2])
    admin = Client.of(api, 'openrc')
    for path in 'network/v2.0/networks', 'network/v2.0/networks/none-of-ours', 'network/v2.0/networks/"evil"%0A{}', 'no/such/path', 'no/other"path':
        admin.http.get(f'{api.url}/{path}', timeout=30)
    assert admin.http.post(f'{api.url}/identity/v3/auth/tokens', json={'auth': {'identity': {'methods': ['password'], 'password': {'user': {
        'name': 'admin', 'domain': {'id': 'default'}, 'password': 'wrong'}}}}}, timeout=30).status_code == 401
    status, kind, text = page.ask(Accept=OPEN)
    assert status == 200 and kind.startswith('application/openmetrics-text')
    got = samples(text)
    assert one(got, 'anyvf_api_requests_total', method='GET', route='/network/v2.0/networks', code='2xx') == 1
    assert one(got, 'anyvf_api_requests_total', method='GET', route='/network/v2.0/networks/{}', code='4xx') == 2
    assert one(got, 'anyvf_api_requests_total', route='none', code='4xx') == 2
    assert one(got, 'anyvf_api_requests_total', method='POST', route='/identity/v3/auth/tokens', code='2xx') == 1
    assert one(got, 'anyvf_api_logins_total', result='good') == 1 + one(before, 'anyvf_api_logins_total', result='good')
    assert one(got, 'anyvf_api_logins_total', result='failed') == 1
    assert one(got, 'anyvf_api_refused_total') == 0 == one(before, 'anyvf_api_refused_total')
    assert one(got, 'anyvf_api_queue_seconds_count', lane='login') + one(got, 'anyvf_api_queue_seconds_count', lane='known') >= 2
    assert one(got, 'anyvf_api_request_seconds_count') == sum(v for _, v in of(got, 'anyvf_api_requests_total'))
    assert 'evil' not in text and page.ask('/identity/v3')[0] == 404
    check = promtool('check', 'metrics', input=page.ask()[2])
    assert (check.returncode, check.stdout + check.stderr) == (0, '')
    for token in {}, {'X-Auth-Token': 'nonsense'}:
        assert requests.get(f'{api.url}/network/v2.0/networks', headers=token, timeout=30).status_code == 401
    got = samples(page.ask()[2])
    assert one(got, 'anyvf_api_refused_total') == 2 == one(got, 'anyvf_api_requests_total', method='GET', route='/network/v2.0/networks', code='4xx')
    assert api.stop() == 0 and not (api.state / 'm.sock').exists()


# ---- the agent's page ----

class Agent:
    """An agent at a switch, without libvirt; the API is the stand-in."""

    def __init__(self, swd, directory, metrics):
        self.api = StandIn()
        (directory / 'agent.json').write_text(json.dumps({'username': 'anyvf-agent-host1', 'password': 'secret'}))
        (directory / 'anyvf.conf').write_text(f'[host]\nname = host1\nstate_dir = {directory}\n[sriov]\nphysical_device_mappings = physnet1:p2p1\n'
                                              f'[agent]\napi = {self.api.url}\ncredentials = {directory}/agent.json\nlibvirt_uri = none:///\nmetrics = {metrics}\n')
        self.proc = subprocess.Popen([DAEMONS / 'anyvf-agentd', '--config', directory / 'anyvf.conf', '--run-dir', swd.dir])

    def port(self, vf, **members):
        """A port's document on a VF."""
        return self.api.put('port', {'id': str(uuid.uuid4()), 'name': '', 'server': None, 'network': str(uuid.uuid4()), 'pf': 'p2p1', 'vf': vf, 'pci_slot': '',
                                     'mac': f'fa:16:3e:00:77:{vf:02x}', 'vlan': 0, 'trunk': 'none', 'spoofchk': True, 'trust': False, 'state': 'auto', 'mtu': 1500,
                                     'vnic_type': 'direct', 'released': False, 'fixed_ips': [], **members})

    def stop(self):
        self.proc.terminate()
        code = self.proc.wait(20 * PATIENCE)
        self.api.close()
        return code


def test_the_agent_tells_steps_retries_drift_and_reports(busy, tmp_path):
    agent = Agent(busy, tmp_path, f'{tmp_path}/agent/m.sock')
    page = Exporter.at(tmp_path / 'agent/m.sock')
    try:
        wait_for(page.answers, what='its page')

        def now(name, **labels):
            return one(samples(page.ask()[2]), f'anyvf_agent_{name}', **labels)

        good, bad = agent.port(4), agent.port(5, mtu=9000)  # the PF's is 1500
        wait_for(lambda: now('steps_total', kind='port', result='good') == 1 and now('retries_total', kind='port') >= 1, what='steps')
        got = samples(page.ask()[2])
        assert [one(got, 'anyvf_agent_things', kind=kind) for kind in ('port', 'server', 'network', 'tap', 'question')] == [2, 0, 0, 0, 0]
        assert one(got, 'anyvf_agent_failing_things', kind='port') == 1 <= one(got, 'anyvf_agent_steps_total', kind='port', result='failed')
        assert [one(got, 'anyvf_agent_connected', to=to) for to in ('api', 'libvirt', 'switch')] == [1, 0, 1]
        assert one(got, 'anyvf_agent_drift_total') == 0 and one(got, 'anyvf_agent_reads_total') == 1
        agent.api.put('port', {**bad, 'mtu': 1500})
        wait_for(lambda: not now('failing_things', kind='port'), what='the second port')

        busy.call('vf.release', pf='p2p1', vf=4)  # by hand
        wait_for(lambda: now('mended_total') == 1, what='what was given back')
        assert now('drift_total') == 1 and busy.call('vf.get', pf='p2p1', vf=4)['config']['port_id'] == good['id']
        agent.api.put('port', {**good, 'released': True})  # by the API: none
        agent.api.wait_status('port', good['id'], 'RELEASED')
        assert now('drift_total') == 1

        wait_for(lambda: now('reports_total', about='thing', result='taken') >= 3, what='what was said of both')
        agent.api.fail(500)
        agent.port(4)
        wait_for(lambda: now('reports_total', about='host', result='refused') and not now('connected', to='api'), 30, 'an agent that is alone')
        assert now('report_age_seconds') > 0
        agent.api.fail(None)
        taken = now('reports_total', about='host', result='taken')
        wait_for(lambda: now('reports_total', about='host', result='taken') > taken, 30, 'a heartbeat')
        check = promtool('check', 'metrics', input=page.ask()[2])
        assert (check.returncode, check.stdout + check.stderr) == (0, '')
        assert page.ask(Accept=OPEN)[1].startswith('application/openmetrics-text')
    finally:
        code = agent.stop()
        for vf in 4, 5:
            busy.call('vf.release', pf='p2p1', vf=vf)
    assert code == 0 and not (tmp_path / 'agent/m.sock').exists()


# ---- the real Prometheus ----

def queries():
    """Every expression of the dashboard, for all hosts and PFs."""
    for panel in json.loads(DASHBOARD.read_text())['panels']:
        for target in panel['targets']:
            expr = target['expr'].replace('$__rate_interval', '30s')
            yield re.sub(r'\$(instance|pf)', '.*', expr)


def test_promtool_takes_the_rules_and_their_tests():
    assert promtool('check', 'rules', RULES).returncode == 0
    got = promtool('test', 'rules', RULES.with_name('anyvf.rules.test.yml'))
    assert got.returncode == 0, got.stdout + got.stderr


@pytest.fixture
def prometheus(busy, exporter, tmp_path):
    """A Prometheus that scrapes exporter, agent and API each second, with the rules; ask it by a query."""
    if not shutil.which('prometheus'):
        pytest.skip('there is no prometheus')
    agent = Agent(busy, tmp_path, '127.0.0.1:19743')
    (tmp_path / 'cloud').mkdir()
    cloud = Apid(tmp_path / 'cloud', '[api]\nmetrics = 127.0.0.1:19744\n').start()
    conf = tmp_path / 'prometheus.yml'
    conf.write_text(f'global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{RULES}]\n'
                    f'scrape_configs: [{{job_name: anyvf, static_configs: [{{targets: ["127.0.0.1:{PORT}", "127.0.0.1:19743", "127.0.0.1:19744"]}}]}}]\n')
    log = open(tmp_path / 'log', 'wb')
    proc = subprocess.Popen(['prometheus', f'--config.file={conf}', f'--storage.tsdb.path={tmp_path}/tsdb', '--web.listen-address=127.0.0.1:19742'], stdout=log, stderr=log)

    def api(path, **words):
        with urllib.request.urlopen(f'http://127.0.0.1:19742/api/v1/{path}?{urllib.parse.urlencode(words)}', timeout=20 * PATIENCE) as reply:
            got = json.load(reply)
        assert got['status'] == 'success', got
        return got['data']

    def is_up():
        assert proc.poll() is None, (tmp_path / 'log').read_text()
        try:
            return api('query', query='anyvf_up and on () anyvf_agent_things')['result']
        except OSError:
            return None
    wait_for(is_up, 30, 'Prometheus with a first scrape')
    yield api
    proc.terminate()
    proc.wait(20 * PATIENCE)
    log.close()
    agent.stop()
    cloud.stop()


def test_every_query_of_dashboard_and_alerts_is_answered_by_a_real_prometheus(prometheus):
    """None is empty: each names what is there. It scraped all it was given."""
    for expr in queries():
        wait_for(lambda: prometheus('query', query=expr)['result'], 20, expr)
    rules = [rule for group in prometheus('rules')['groups'] for rule in group['rules']]
    assert len(rules) == RULES.read_text().count('- alert:') > 5
    wait_for(lambda: all(rule['health'] == 'ok' for group in prometheus('rules')['groups'] for rule in group['rules']), 20, 'each rule looked at')
    targets = prometheus('targets')['activeTargets']
    assert [(target['health'], target['lastError']) for target in targets] == [('up', '')] * 3
    wait_for(lambda: prometheus('query', query='anyvf_api_requests_total{route="/identity/v3", code="2xx"} > 0')['result'], 20, "the API's requests")
    info, = prometheus('query', query='anyvf_vf_info{vf="3"}')['result']
    assert info['metric']['server'] == HOSTILE
