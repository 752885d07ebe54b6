# SPDX-License-Identifier: Apache-2.0
"""The API's listener: hostile and slow clients, crashes under load, a second daemon."""
import collections
import concurrent.futures
import contextlib
import html
import os
import pathlib
import resource
import signal
import socket
import subprocess
import time
import uuid

import pytest
import requests

from apid import Apid, Cloud, read_openrc, shared_cloud
from conftest import BUILD, DAEMONS, wait_for

NETWORKS = '/network/v2.0/networks'


cloud = shared_cloud('[api]\nclient_timeout_s = 2\n')  # a daemon that gives a request two seconds to arrive


@pytest.fixture
def cloud_of_many(tmp_path):
    """A daemon with descriptors for 13,312 connections, as a client of as many."""
    was = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (was[1], was[1]))
    if was[1] < 16384:
        pytest.skip('needs 16384 descriptors')
    made = Cloud(tmp_path)
    yield made
    made.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, was)


@pytest.fixture
def cloud_of_few(tmp_path, monkeypatch):
    """A daemon with places for 30 strangers, 7 an address."""
    script = tmp_path / 'anyvf-apid'
    script.write_text(f'#!/bin/sh\nulimit -n 520\nexec "{DAEMONS}/anyvf-apid" "$@"\n')
    script.chmod(0o755)
    monkeypatch.setattr('apid.DAEMONS', tmp_path)
    made = Cloud(tmp_path)
    yield made
    made.close()


def is_closed(sock):
    """Has the other side ended the connection?"""
    sock.setblocking(False)
    try:
        return sock.recv(1) == b''
    except BlockingIOError:
        return False


def raw(cloud, data, timeout=20.0):
    """What the daemon answers to bytes until it closes (or the time is over)."""
    with socket.create_connection(('127.0.0.1', cloud.apid.port), timeout=timeout) as sock:
        got = b''
        with contextlib.suppress(ConnectionError):  # who refuses the first lines need not take the last
            sock.sendall(data)
        try:
            while piece := sock.recv(65536):
                got += piece
        except OSError:
            pass
        return got


def alive(cloud):
    return cloud.admin.get(NETWORKS)['networks'] is not None


@pytest.mark.parametrize('body', [
    '{"network":', '[1]', '"x"', '5', 'null', '{"network": "x"}', '{"network": []}',
    '{"network": {"name": "a\\u0000b"}}', '{"network": ' + '[' * 5000 + ']' * 5000 + '}',
    '{"network": {"name": "\ud800"}}', '\xff\xfe', '{"network": {"mtu": 1e999}}',
    '{"network": {"mtu": 99999999999999999999}}', '{"network": {"name": {"a": 1}}}'])
def test_bad_json_is_400(cloud, body):
    got = cloud.admin.http.post(cloud.apid.url + NETWORKS, timeout=10,
                                data=body.encode('utf-8', 'surrogatepass'))
    assert got.status_code == 400, got.text
    assert set(got.json()['NeutronError']) == {'type', 'message', 'detail'}


@pytest.mark.parametrize('path', [NETWORKS, '/identity/v3/auth/tokens', '/image/v2/images'])
def test_10_mb_body_is_413(cloud, path):
    got = cloud.admin.http.post(cloud.apid.url + path, data=b'{"x":"' + b'y' * 10_000_000 + b'"}',
                                timeout=30)
    assert got.status_code == 413
    chunks = (b'z' * 100_000 for _ in range(100))
    got = cloud.admin.http.post(cloud.apid.url + path, data=chunks, timeout=30)
    assert got.status_code == 413
    assert alive(cloud)


def test_absurd_length_is_refused_at_once(cloud):
    got = raw(cloud, b'POST ' + NETWORKS.encode() + b' HTTP/1.1\r\nHost: x\r\n'
              b'Content-Length: 99999999999\r\n\r\n')
    assert b' 401 ' in got.split(b'\r\n')[0] or b' 413 ' in got.split(b'\r\n')[0]


def head(method, path, *lines):
    return '\r\n'.join([f'{method} {path} HTTP/1.1', 'Host: x', *lines, '', '']).encode()


def rss_mb(cloud):
    status = pathlib.Path(f'/proc/{cloud.apid.proc.pid}/status').read_text()
    return int(status.split('VmRSS:')[1].split()[0]) >> 10


@pytest.mark.parametrize('length', ['Content-Length: 2000000', 'Content-Length: 1',
                                    'Transfer-Encoding: chunked'])
@pytest.mark.parametrize('token', ['X-Junk: 1', 'X-Auth-Token: nonsense'])
def test_no_body_is_awaited_without_a_token(cloud, length, token):
    """The answer is there while the client has sent nothing but its headers."""
    for method, path in ('POST', NETWORKS), ('PUT', '/image/v2/images/x/file'), ('PUT', NETWORKS):
        got = raw(cloud, head(method, path, length, token))
        assert got.startswith(b'HTTP/1.1 401 '), (method, path, got)
    assert not list((cloud.apid.state / 'upload').iterdir())


def test_bodies_without_a_token_take_no_memory(cloud):
    before = rss_mb(cloud)
    with contextlib.ExitStack() as socks:
        for _ in range(50):
            sock = socks.enter_context(socket.create_connection(('127.0.0.1', cloud.apid.port), 10))
            with contextlib.suppress(OSError):
                sock.sendall(head('POST', NETWORKS, 'Content-Length: 2097152') + bytes(2_000_000))
        assert alive(cloud)
        assert rss_mb(cloud) < before + 20


def test_tiny_values_do_not_multiply_in_memory(cloud):
    """Two bytes of a body are hundreds in memory: what is not a bracket or comma of a string counts."""
    before, escaped = rss_mb(cloud), r'"\\\",["'
    for value, n, status in ('{}', 690_000, 413), ('[]', 65_600, 413), (escaped, 32_000, 400):
        body = '{"network":[' + ','.join([value] * n) + ']}'
        got = cloud.demo.http.post(cloud.apid.url + NETWORKS, data=body, timeout=30)
        assert got.status_code == status, got.text
    assert rss_mb(cloud) < before + 30


def test_who_is_refused_may_finish_and_read_why(cloud):
    """No reset takes the answer away from a client that first sends all it has."""
    with socket.create_connection(('127.0.0.1', cloud.apid.port), timeout=10) as sock:
        sock.sendall(head('POST', NETWORKS, 'Content-Length: 8000000'))
        wait_for(lambda: sock.recv(1, socket.MSG_PEEK), 10, 'the answer')
        for _ in range(8):
            sock.sendall(bytes(1_000_000))
        got = b''
        while piece := sock.recv(65536):
            got += piece
        assert got.startswith(b'HTTP/1.1 401 ')


def test_a_login_is_short(cloud):
    path = '/identity/v3/auth/tokens'
    got = raw(cloud, head('POST', path, 'Content-Length: 20000'))
    assert got.startswith(b'HTTP/1.1 413 ')
    body = b'{"auth": {"identity": {"methods": ["' + b'x' * 15_000 + b'"]}}}'
    got = requests.post(cloud.apid.url + path, data=body, timeout=10)
    assert got.status_code == 401


def test_ids_that_clients_pack_into_a_query(cloud):
    ids = [f'{i:08x}-0000-4000-8000-000000000000' for i in range(200)]
    net = cloud.network(subnet=False)
    ids[150] = net['id']
    got = cloud.admin.get(NETWORKS + '?' + '&'.join(f'id={i}' for i in ids))
    assert [n['id'] for n in got['networks']] == [net['id']]
    cloud.admin.delete(f"{NETWORKS}/{net['id']}")


@pytest.mark.parametrize('n', [600, 1000, 4000, 20000])
def test_too_much_before_the_body_is_said_at_once(cloud, n):
    token = f"X-Auth-Token: {cloud.admin.http.headers['X-Auth-Token']}"
    for target, *lines in (
            [NETWORKS + '?' + '&'.join(['name=x'] * n)], [NETWORKS + '?' + '&' .join(['a'] * n)],
            [NETWORKS, *[f'X-{i}: a' for i in range(2 * n)]],
            [NETWORKS, 'Cookie: ' + ';'.join(f'a{i}=b' for i in range(2 * n))],
            [NETWORKS, 'X-Junk: ' + 'a' * 120 * n], ['/' + 'a' * 120 * n]):
        for more in [], ['Content-Length: 5']:
            got = raw(cloud, head('GET', target, *lines, token, *more), timeout=1.5)
            assert got[:13] in (b'HTTP/1.1 414 ', b'HTTP/1.1 431 '), (target[:40], got[:60])
    assert alive(cloud)


@pytest.mark.parametrize('data', [
    b'\r\n\r\n\r\n', b'GET\r\n\r\n', b'\x00' * 100, b'GET / HTTP/9.9\r\n\r\n',
    b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n',
    b'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n',
    b'GET /' + b'a' * 100_000 + b' HTTP/1.1\r\nHost: x\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: x\r\nX: ' + b'a' * 100_000 + b'\r\n\r\n',
    b'GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    b'GET /network/v2.0/%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'])
def test_bytes_that_are_no_http(cloud, data):
    got = raw(cloud, data)
    assert got == b'' or got.startswith(b'HTTP/1.')
    assert b' 200 ' not in got.split(b'\r\n')[0]
    assert alive(cloud)


@pytest.mark.parametrize('start', [
    b'', b'GET /identity/v3 HT', b'GET /identity/v3 HTTP/1.1\r\nHost: x\r\n',
    b'POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{'])
def test_slow_client_is_cut_off_though_it_dribbles(cloud, start):
    with socket.create_connection(('127.0.0.1', cloud.apid.port), timeout=1) as sock:
        sock.sendall(start)
        began = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() < began + 15:
                sock.sendall(b'a' if start else b'')
                time.sleep(0.2)
                if not sock.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK):
                    raise ConnectionResetError
        assert time.monotonic() < began + 14
    assert alive(cloud)


def test_slow_clients_do_not_hold_up_others(cloud):
    crowd = [socket.create_connection(('127.0.0.1', cloud.apid.port)) for _ in range(200)]
    try:
        for sock in crowd:
            sock.sendall(b'GET /identity/v3 HTTP/1.1\r\nHost')
        assert all(alive(cloud) for _ in range(20))
    finally:
        for sock in crowd:
            sock.close()


def test_a_crowd_of_strangers_shuts_nobody_out(cloud_of_many):
    """1,200 idle connections from as many addresses, 400 of one: the oldest of them make room."""
    cloud, crowd = cloud_of_many, []
    ask = head('GET', NETWORKS, f"X-Auth-Token: {cloud.admin.http.headers['X-Auth-Token']}")
    with contextlib.ExitStack() as socks:
        def connect(source):
            sock = socks.enter_context(socket.create_connection(
                ('127.0.0.1', cloud.apid.port), 10, (source, 0)))
            crowd.append(sock)
            return sock
        member = connect('127.0.0.1')
        member.sendall(ask)
        assert member.recv(65536).startswith(b'HTTP/1.1 200 ')
        oldest = connect('127.0.0.2')
        before = rss_mb(cloud)
        for i in range(1200):
            connect(f'127.1.{i // 250}.{1 + i % 250}')
        assert alive(cloud)
        assert oldest.recv(1) == b''
        for _ in range(400):
            connect('127.2.0.1')
        assert requests.get(cloud.apid.url + '/identity/v3', timeout=5).ok
        assert rss_mb(cloud) < before + 20
        gone = [sock for sock in crowd[-400:] if is_closed(sock)]
        assert 100 < len(gone) < 200 and gone == crowd[-400:][:len(gone)]
        member.sendall(ask)
        assert member.recv(65536).startswith(b'HTTP/1.1 200 ')


def test_strangers_who_do_not_take_their_answers_shut_nobody_out(cloud_of_few):
    """32 at eight addresses ask until nothing is read any more: neither they nor the daemon can go on."""
    cloud, crowd, ask = cloud_of_few, [], b'GET /identity/v3 HTTP/1.1\r\nHost: x\r\n\r\n' * 1000
    with contextlib.ExitStack() as socks:
        for i in range(32):
            sock = socks.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            sock.bind((f'127.3.0.{1 + i % 8}', 0))
            sock.connect(('127.0.0.1', cloud.apid.port))
            sock.setblocking(False)
            crowd.append([sock, 0, time.monotonic()])

        def all_are_stuck():
            for entry in crowd:
                with contextlib.suppress(BlockingIOError, ConnectionError):  # two had to go
                    entry[1] += entry[0].send(ask[entry[1] % len(ask):])
                    entry[2] = time.monotonic()
            return all(time.monotonic() > at + 1 for _, _, at in crowd)
        wait_for(all_are_stuck, timeout=60, what='a full socket each')
        for _ in range(5):
            assert requests.get(cloud.apid.url + '/identity/v3', timeout=5).ok


def test_answers_that_nobody_takes_have_a_bound(tmp_path):
    """24 answers of 12 MB to one address: ten are kept, the oldest go, and others are answered."""
    cloud = Cloud(tmp_path)
    image = {'disk_format': 'raw', 'container_format': 'bare', **{f'p{i}': 'x' * 6000 for i in range(10)}}
    for _ in range(200):
        cloud.demo.post('/image/v2/images', image)
    ask = head('GET', '/image/v2/images?limit=1000', f"X-Auth-Token: {cloud.demo.http.headers['X-Auth-Token']}")
    with contextlib.ExitStack() as socks:
        crowd = []
        for _ in range(24):
            sock = socks.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            sock.connect(('127.0.0.1', cloud.apid.port))
            sock.sendall(ask)
            crowd.append(sock)
        fds = pathlib.Path(f'/proc/{cloud.apid.proc.pid}/fd')

        def connections():
            n = 0
            for fd in fds.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    n += os.readlink(fd).startswith('socket:')
            return n
        wait_for(lambda: rss_mb(cloud) > 100, timeout=60, what='answers')
        wait_for(lambda: connections() < 18, timeout=60, what='the end of the oldest')
        assert alive(cloud)
    cloud.close()


def login(cloud, user, password, source='127.0.0.1'):
    """The reply to a login from an address of this machine."""
    ident = {'methods': ['password'], 'password': {'user': {
        'name': user, 'domain': {'id': 'default'}, 'password': password}}}
    with requests.Session() as http:
        http.get_adapter('http://').init_poolmanager(1, 1, source_address=(source, 0))
        return http.post(cloud.apid.url + '/identity/v3/auth/tokens', timeout=30,
                         json={'auth': {'identity': ident}})


def test_guesses_are_put_off_and_lock_nobody_else_out(cloud):
    password = read_openrc(cloud.apid.dir / 'demo-openrc')['OS_PASSWORD']
    got = [login(cloud, 'demo', f'guess{i}', '127.0.3.1') for i in range(7)]
    assert [g.status_code for g in got] == [401] * 5 + [429] * 2
    assert 1 <= int(got[-1].headers['Retry-After']) <= 10
    assert got[-1].json()['error']['code'] == 429
    assert login(cloud, 'demo', password, '127.0.3.1').status_code == 429
    assert login(cloud, 'demo', password, '127.0.3.2').status_code == 201
    got = [login(cloud, 'nobody', 'x', '127.0.3.1').status_code for _ in range(7)]
    assert got == [401] * 5 + [429] * 2  # as for a user that is there


def test_a_flood_of_guesses_delays_no_login_elsewhere(cloud):
    """Hundreds at once are not even compared: the one from another address has its turn."""
    password = read_openrc(cloud.apid.dir / 'demo-openrc')['OS_PASSWORD']
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        jobs = [pool.submit(login, cloud, 'demo', 'x', '127.0.4.1') for _ in range(200)]
        assert login(cloud, 'demo', password, '127.0.4.2').status_code == 201
        got = collections.Counter(job.result().status_code for job in jobs)
    assert set(got) <= {401, 429, 503} and got[401] <= 7


def test_a_long_answer_arrives_whole(tmp_path):
    """One that is sent in pieces: by its length, over a connection that goes on, and as HEAD has it."""
    cloud, made = Cloud(tmp_path), set()
    net = cloud.network(subnet=False)
    for _ in range(30):
        ports = cloud.admin.post('/network/v2.0/ports', {'ports': [{'network_id': net['id'], 'description': 'd' * 255}] * 40})
        made |= {port['id'] for port in ports['ports']}
    for _ in range(2):
        got = cloud.admin.call('GET', '/network/v2.0/ports')
        assert int(got.headers['Content-Length']) == len(got.content) > 1 << 20  # PIECE
        assert {port['id'] for port in got.json()['ports']} == made
        assert cloud.admin.call('HEAD', '/network/v2.0/ports').headers['Content-Length'] == str(len(got.content))
    cloud.close()


def test_one_connection_serves_many_requests(cloud):
    with requests.Session() as http:
        for _ in range(50):
            got = http.get(cloud.apid.url + '/identity/v3', timeout=5)
            assert got.status_code == 200
            assert got.headers['x-openstack-request-id'].startswith('req-')
    one = b'GET /identity/v3 HTTP/1.1\r\nHost: x\r\n\r\n'
    last = b'GET /identity/v3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
    assert raw(cloud, one * 5 + last).count(b'HTTP/1.1 200') == 6


def test_methods_and_paths_that_are_not_there(cloud):
    for method, path, status in (
            ('GET', '/network/v2.0/nope', 404), ('GET', '/network/v2.0', 200),
            ('GET', '/network/v2.0/', 200), ('PUT', NETWORKS, 405), ('GET', '/nope', 404),
            ('TRACE', NETWORKS, 405), ('GET', NETWORKS + '/', 200), ('GET', '/network', 200),
            ('DELETE', '/identity/v3/users', 405), ('GET', '/networks', 404)):
        got = cloud.admin.http.send(requests.Request(
            method, cloud.apid.url + path, headers=dict(cloud.admin.http.headers)).prepare(),
            timeout=10)
        assert got.status_code == status, (method, path, got.status_code)
    assert requests.get(cloud.apid.url + '/network/v2.0/nope', timeout=5).status_code == 401
    assert requests.get(cloud.apid.url + '/image/', timeout=5).status_code == 300


def test_405_names_the_methods_there_are(cloud):
    for path, allowed in ((NETWORKS, 'GET, HEAD, POST'), ('/compute/v2.1/servers', 'GET, HEAD, POST'),
                          ('/image/v2/images', 'GET, HEAD, POST'), ('/identity/v3/auth/tokens', 'GET, HEAD, POST, DELETE')):
        got = cloud.admin.call('PATCH', path, {})
        assert (got.status_code, got.headers['Allow']) == (405, allowed), path


def test_a_body_of_another_kind_is_refused_as_each_service_does(cloud):
    def post(path, kind):
        return cloud.admin.http.post(cloud.apid.url + path, data='{}', headers={'Content-Type': kind}, timeout=10).status_code
    form = 'application/x-www-form-urlencoded'
    for path, kind, status in ((NETWORKS, 'text/plain', 415), (NETWORKS, 'application/xml', 415), (NETWORKS, form, 400),
                               (NETWORKS, 'application/json; charset=utf-8', 400), ('/compute/v2.1/servers', form, 415),
                               ('/compute/v2.1/servers', 'text/plain', 400), ('/identity/v3/projects', form, 400)):
        assert post(path, kind) == status, (path, kind)
    got = cloud.admin.http.post(cloud.apid.url + '/identity/v3/projects', data='{}', headers={'Content-Type': form}, timeout=10)
    assert 'Expecting to find application/json in Content-Type' in got.text


def test_what_is_not_served_says_why(cloud):
    """Each row of the tables that make docs/openstack.md, in the words of its service."""
    text = subprocess.run([BUILD / 'tests/lib/words', 'absent'], stdout=subprocess.PIPE, text=True, check=True).stdout
    rows = [line.split('\t') for line in text.splitlines()]
    assert len(rows) > 50
    for service, method, path, word, status, why in rows:
        body = {word: None} if word else None
        path = path.replace('/*', '/x/y').replace('*', '').replace('{}', str(uuid.uuid4()))
        got = cloud.admin.call(method or 'GET', path, body)
        assert got.status_code == int(status), (method, path, word, got.text)
        said = html.unescape(got.text) if service == 'glance' else next(iter(got.json().values()))['message']
        assert why in said, (path, word, got.text)


def test_too_large_a_transaction_is_413(cloud):
    many = {'networks': [{'name': f'n{i}'} for i in range(200)]}
    got = cloud.admin.call('POST', NETWORKS, many)
    assert got.status_code in (409, 413)
    assert not [n for n in cloud.admin.get(NETWORKS)['networks'] if n['name'] == 'n0']


def test_kill_9_loses_nothing_that_was_answered(tmp_path):
    cloud = Cloud(tmp_path)
    try:
        net = cloud.network()
        made, pool = [], concurrent.futures.ThreadPoolExecutor(8)

        def create(i):
            got = requests.post(cloud.apid.url + '/network/v2.0/ports', timeout=10,
                                headers=dict(cloud.admin.http.headers),
                                json={'port': {'network_id': net['id'], 'name': f'p{i}'}})
            if got.status_code == 201:
                made.append(got.json()['port'])
        jobs = [pool.submit(create, i) for i in range(200)]
        wait_for(lambda: len(made) > 30, 20, 'thirty ports')
        cloud.apid.stop(signal.SIGKILL)
        concurrent.futures.wait(jobs)
        cloud.apid.start()
        kept = {p['id']: p for p in cloud.admin.get('/network/v2.0/ports')['ports']}
        assert made and all(kept[p['id']]['fixed_ips'] == p['fixed_ips'] for p in made)
        used = [ip['ip_address'] for p in kept.values() for ip in p['fixed_ips']]
        assert len(used) == len(set(used))
        macs = [p['mac_address'] for p in kept.values()]
        assert len(macs) == len(set(macs))
    finally:
        cloud.close()


def test_requests_behind_one_that_waits_do_not_hold_up_the_end(tmp_path):
    cloud = Cloud(tmp_path)
    token = cloud.its_agent.http.headers['X-Auth-Token']
    ask = f'GET /anyvf/v1/watch?host=h1&revision=1 HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {token}\r\n\r\n'
    with socket.create_connection(('127.0.0.1', cloud.apid.port)) as sock:
        sock.sendall(3 * ask.encode())
        cloud.admin.get('/identity/v3')  # the first of them waits by now
        assert cloud.apid.stop() == 0, cloud.apid.log.read_text()[-3000:]
        assert b' 503 ' in sock.recv(4096)


def test_second_daemon_on_a_directory_is_refused(cloud):
    got = subprocess.run([DAEMONS / 'anyvf-apid', '--config', cloud.apid.conf, '--listen',
                          '127.0.0.1:0', '--state-dir', cloud.apid.state], capture_output=True, text=True, timeout=10,
                         check=False)
    assert got.returncode == 1 and 'api.lock' in got.stderr
    assert alive(cloud)


def test_start_refuses_what_it_cannot_use(tmp_path):
    def start(conf, *more):
        (tmp_path / 'c').write_text(conf)
        return subprocess.run([DAEMONS / 'anyvf-apid', '--config', tmp_path / 'c', '--state-dir',
                               tmp_path / 's', '--openrc', tmp_path / 'rc', *more],
                              capture_output=True, text=True, timeout=10, check=False)
    got = start('[api]\nlistn = x\n')
    assert got.returncode == 1 and 'line 2' in got.stderr and 'listn' in got.stderr
    got = start('[api]\nlisten = nonsense\n')
    assert got.returncode == 1 and '"nonsense" is not ADDRESS:PORT' in got.stderr
    got = start('[api]\nstore = oracle:x\n')
    assert got.returncode == 1 and 'no such kind of store' in got.stderr
    assert start('', '--frob').returncode == 2
    (tmp_path / 's2').mkdir()
    (tmp_path / 's2' / 'api.db').write_bytes(b'this is no database' * 1000)
    got = start('[api]\nlisten = 127.0.0.1:1\n', '--state-dir', str(tmp_path / 's2'))
    assert got.returncode == 1 and 'not a database' in got.stderr


def test_ready_and_small(tmp_path):
    """The memory it needs when it has started: far below all daemons' 150 MB."""
    daemon = Apid(tmp_path).start()
    try:
        status = (tmp_path.__class__('/proc') / str(daemon.proc.pid) / 'status').read_text()
        rss_kb = int(status.split('VmRSS:')[1].split()[0])
        assert rss_kb < 60_000
    finally:
        assert daemon.stop() == 0


def test_read_only_state_is_said(tmp_path):
    if os.geteuid() != 0:
        pytest.skip('needs root')
    daemon = Apid(tmp_path).start()
    daemon.stop()
    if subprocess.run(['mount', '--bind', tmp_path, tmp_path], check=False).returncode:
        pytest.skip('cannot mount here')
    try:
        subprocess.run(['mount', '-o', 'remount,bind,ro', tmp_path], check=True)
        got = subprocess.run([DAEMONS / 'anyvf-apid', '--config', daemon.conf], text=True,
                             capture_output=True, timeout=10, check=False)
        assert got.returncode == 1 and 'Read-only file system' in got.stderr
    finally:
        subprocess.run(['umount', '-l', tmp_path], check=True)
