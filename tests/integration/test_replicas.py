# SPDX-License-Identifier: Apache-2.0
"""Several anyvf-apid on one etcd."""
import concurrent.futures
import contextlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import time
import uuid

import pytest

from apid import Apid, Client, Cloud, FakeAgent, read_openrc
from conftest import DAEMONS, wait_for
from etcd import Etcd

V3, V2, NOVA = '/identity/v3', '/network/v2.0', '/compute/v2.1'


@pytest.fixture(scope='module')
def etcd(tmp_path_factory):
    made = Etcd(tmp_path_factory.mktemp('etcd')).start()
    yield made
    made.kill()


def conf_of(etcd, prefix, directory):
    return f'[api]\nstore = {etcd.store(prefix)}\nstore_keys = {directory}/store.keys\n'


def anyvf(*words, status=0):
    got = subprocess.run([DAEMONS / 'anyvf', *words], capture_output=True, text=True, check=False, timeout=120)
    assert got.returncode == status, got.stdout + got.stderr
    return got.stdout + got.stderr


def at_once(*jobs):
    """What each of several functions returns, run at the same time."""
    with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
        return [f.result() for f in [pool.submit(job) for job in jobs]]


class Replicas:
    """Two daemons of one cloud, each with a directory of its own; its admin at both."""

    def __init__(self, directory, etcd, prefix, conf=''):
        for name in 'a', 'b':
            (directory / name).mkdir()
            (directory / name).chmod(0o755)
        self.a, self.b = (Apid(directory / name, conf_of(etcd, prefix, directory) + conf) for name in ('a', 'b'))
        self.a.start()
        self.b.start()
        env = read_openrc(directory / 'a/openrc')
        self.at_a, self.at_b = (Client(api, 'admin', env['OS_PASSWORD']) for api in (self.a, self.b))

    def close(self):
        assert self.a.stop() == 0 and self.b.stop() == 0


@pytest.fixture
def pair(tmp_path, etcd):
    tmp_path.chmod(0o755)
    made = Replicas(tmp_path, etcd, f'/{tmp_path.name}')
    yield made
    made.close()


def test_of_two_first_starts_one_makes_the_users(tmp_path, etcd):
    tmp_path.chmod(0o755)
    for name in 'a', 'b':
        (tmp_path / name).mkdir(mode=0o755)
    (tmp_path / 'store.keys').write_text('k ' + 'A' * 43 + '=\n')
    apis = [Apid(tmp_path / name, conf_of(etcd, '/raced', tmp_path)) for name in ('a', 'b')]
    try:
        at_once(*(api.start for api in apis))
        openrcs = [api.dir / 'openrc' for api in apis if (api.dir / 'openrc').exists()]
        assert len(openrcs) == 1 == len(list(tmp_path.glob('*/agent.json')))
        for api in apis:
            assert Client(api, 'admin', read_openrc(openrcs[0])['OS_PASSWORD']).get(f'{V3}/users?name=admin')['users']
    finally:
        for api in apis:
            api.stop()


def test_what_one_replica_has_answered_the_other_shows(pair):
    for n in range(30):
        here, there = (pair.at_a, pair.at_b) if n % 2 else (pair.at_b, pair.at_a)
        net = here.post(f'{V2}/networks', {'network': {'name': f'n{n}'}})['network']
        assert there.get(f"{V2}/networks/{net['id']}")['network'] == net
        there.put(f"{V2}/networks/{net['id']}", {'network': {'name': f'm{n}'}})
        assert here.get(f"{V2}/networks/{net['id']}")['network']['name'] == f'm{n}'
        there.delete(f"{V2}/networks/{net['id']}")
        assert here.call('GET', f"{V2}/networks/{net['id']}").status_code == 404
    user = pair.at_a.post(f'{V3}/users', {'user': {'name': 'u', 'password': 'pw', 'default_project_id': pair.at_a.project_id}})['user']
    pair.at_a.put(f"{V3}/projects/{pair.at_a.project_id}/users/{user['id']}/roles/"
                  + pair.at_a.get(f'{V3}/roles?name=member')['roles'][0]['id'], None, 204)
    ann = Client(pair.b, 'u', 'pw')
    assert ann.get(f'{V2}/networks')['networks'] == []
    ann.url = pair.a.url
    assert ann.get(f'{V2}/networks')['networks'] == []


def test_without_etcd_the_answer_is_a_503_that_says_so_and_nothing_is_lost(pair, etcd):
    net = pair.at_a.post(f'{V2}/networks', {'network': {'name': 'kept'}})['network']
    etcd.kill()
    try:
        for client in pair.at_a, pair.at_b:
            got = client.call('GET', f"{V2}/networks/{net['id']}")
            assert got.status_code == 503 and int(got.headers['Retry-After']) > 0 and 'store does not answer' in got.text
        got = pair.at_b.call('POST', f'{V2}/networks', {'network': {'name': 'lost'}})
        assert got.status_code == 503 and 'connect' in got.text
        for words in ('status', '--config', pair.a.conf), ('host', 'list', '--config', pair.a.conf):
            assert 'answers 503: The store does not answer' in anyvf(*words, status=1)
    finally:
        etcd.start()
    for client in pair.at_a, pair.at_b:
        wait_for(lambda: client.call('GET', f'{V2}/networks').ok, 20, 'an answer')
        assert [n['name'] for n in client.get(f'{V2}/networks')['networks']] == ['kept']
    client.delete(f"{V2}/networks/{net['id']}")


def test_what_stands_in_etcd_is_sealed(pair, etcd):
    pair.at_a.post(f'{V2}/networks', {'network': {'name': 'x-marks-the-spot'}})
    text = etcd.text()
    assert b'/doc/network/' in text and b'x-marks-the-spot' not in text and b'password_hash' not in text
    pair.b.stop()
    keys = pair.b.dir.parent / 'store.keys'
    assert keys.stat().st_mode & 0o777 == 0o600
    old = keys.read_text()
    keys.write_text('other ' + 'A' * 43 + '=\n')
    with open(pair.b.log, 'ab') as log:
        assert subprocess.run([DAEMONS / 'anyvf-apid', '--config', pair.b.conf], stderr=log, check=False, timeout=60).returncode == 1
    assert f'sealed with the key "{old.split()[0]}", which is not here' in pair.b.log.read_text()
    keys.write_text('other ' + 'A' * 43 + '=\n' + old)  # the new one seals, the old one opens
    pair.b.start()
    assert 'x-marks-the-spot' in [n['name'] for n in pair.at_b.get(f'{V2}/networks')['networks']]


def test_keys_are_exchanged_while_replicas_serve(pair):
    """As docs/howto/replicas.md says: known to all first, then first."""
    keys = pair.a.dir.parent / 'store.keys'
    old, new = keys.read_text(), 'other ' + 'A' * 43 + '=\n'
    for n, text in enumerate((old + new, new + old)):
        keys.write_text(text)
        for api in pair.a, pair.b:
            assert api.stop() == 0
            api.start()
            pair.at_a.post(f'{V2}/networks', {'network': {'name': f'n{n}'}})
            pair.at_b.post(f'{V2}/networks', {'network': {'name': f'n{n}'}})
            assert pair.at_a.get(f'{V2}/networks') == pair.at_b.get(f'{V2}/networks')


def documents(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        return dict(db.execute('SELECT key, body FROM doc'))


def copy(conf, source, target, status=0):
    return anyvf('store', 'copy', '--config', conf, source, target, status=status)


def test_a_cloud_moves_to_etcd_and_back(tmp_path, etcd):
    tmp_path.chmod(0o755)
    cloud = Cloud(tmp_path, f'[api]\nstore_keys = {tmp_path}/store.keys\n')
    net = cloud.network(name='moves')
    cloud.close()
    db, there = f'sqlite:{tmp_path}/api/api.db', etcd.store('/moved')
    before = documents(tmp_path / 'api/api.db')
    assert f'{len(before)} documents' in copy(cloud.apid.conf, db, there)
    assert 'documents already' in copy(cloud.apid.conf, db, there, 1)
    assert 'nothing to copy' in copy(cloud.apid.conf, etcd.store('/mistyped'), f'sqlite:{tmp_path}/api/new.db', 1)
    (tmp_path / 'roots').mkdir()
    (tmp_path / 'roots').chmod(0o755)
    assert 'which anyvf-api has to write in: Permission denied' in copy(cloud.apid.conf, there, f'sqlite:{tmp_path}/roots/api.db', 1)
    assert 'A command is missing' in anyvf('store', status=255)
    (tmp_path / 'away').mkdir()
    away = Apid(tmp_path / 'away', conf_of(etcd, '/moved', tmp_path)).start()
    try:
        assert cloud.admin.at(away).get(f"{V2}/networks/{net['id']}")['network']['name'] == 'moves'
    finally:
        assert away.stop() == 0
    (tmp_path / 'api/api.db').rename(tmp_path / 'api/old.db')
    copy(cloud.apid.conf, there, db)
    assert (tmp_path / 'api/api.db').stat().st_mode & 0o777 == 0o600
    after = documents(tmp_path / 'api/api.db')
    assert {k: v for k, v in after.items() if k in before} == before
    cloud.apid.start()
    assert cloud.admin.get(f"{V2}/networks/{net['id']}")['network']['name'] == 'moves'
    cloud.close()


def test_what_is_deleted_at_one_replica_gets_no_child_at_the_other(pair):
    for n in range(20):
        net = pair.at_a.post(f'{V2}/networks', {'network': {'name': f'n{n}'}})['network']
        gone, made = at_once(lambda: pair.at_a.call('DELETE', f"{V2}/networks/{net['id']}").status_code,
                             lambda: pair.at_b.call('POST', f'{V2}/ports', {'port': {'network_id': net['id']}}).status_code)
        assert (gone, made) in ((204, 404), (409, 201)), 'a port without its network, or nothing done'
        for port in pair.at_a.get(f"{V2}/ports?network_id={net['id']}")['ports']:
            pair.at_b.delete(f"{V2}/ports/{port['id']}")
        assert pair.at_a.call('DELETE', f"{V2}/networks/{net['id']}").status_code == (204 if made == 201 else 404)


def test_two_replicas_give_no_more_than_one_quota(pair):
    pair.at_a.put(f'{V2}/quotas/{pair.at_a.project_id}', {'quota': {'network': 5}})

    def many(client):
        return [client.call('POST', f'{V2}/networks', {'network': {}}).status_code for _ in range(6)]
    codes = sum(at_once(lambda: many(pair.at_a), lambda: many(pair.at_b)), [])
    assert sorted(codes) == 5 * [201] + 7 * [409]
    assert len(pair.at_b.get(f'{V2}/networks')['networks']) == 5


def agent_at_a(pair, **inventory):
    creds = json.loads((pair.a.dir / 'agent.json').read_text())
    return FakeAgent(Client(pair.a, creds['username'], creds['password'], 'service'), 'h1', **inventory).start()


def test_a_host_is_alive_at_each_replica_and_dead_at_each(pair, etcd):
    agent = agent_at_a(pair)

    def states():
        return {client.get(f'{NOVA}/os-services')['services'][0]['state'] for client in (pair.at_a, pair.at_b)}
    try:
        wait_for(lambda: states() == {'up'}, 10, 'the host')
        for _ in range(5):  # longer than as heartbeats may be missed
            time.sleep(1)
            assert states() == {'up'}
        etcd.kill()
        time.sleep(5)
        etcd.start()
        wait_for(lambda: pair.at_b.call('GET', f'{V2}/networks').ok, 20, 'an answer')
        assert states() == {'up'}, 'nobody dies because etcd does not answer'
    finally:
        agent.stop()
    wait_for(lambda: states() == {'down'}, 10, 'the end of the host')
    wait_for(lambda: sum('is silent' in api.log.read_text() for api in (pair.a, pair.b)) == 1, 10, 'the word of the one that leads')


def test_a_page_at_one_replica_has_what_a_host_tells_the_other(pair):
    agent = agent_at_a(pair)
    try:
        def asked():
            pair.at_b.call('GET', '/anyvf/ui/state?host=h1')
            return next(iter(agent.wishes()['watch'].items()), None)
        ident, doc = wait_for(asked, what='a host that is asked')
        seen = pair.at_b.get('/anyvf/ui/state?host=h1')['revision']
        agent.report('watch', ident, generation=doc['generation'], at_ms=1, columns=['vf', 'rx_bytes'], pfs=[{'name': 'p2p1', 'vfs': [[0, 7]]}])

        def told():
            nonlocal seen
            got = pair.at_b.get(f'/anyvf/ui/state?host=h1&after={seen}')
            seen = got['revision']
            return got['items'].get('rates/h1')
        assert wait_for(told)['pfs'][0]['vfs'] == [[0, 7]]
    finally:
        agent.stop()


def test_two_replicas_fill_a_host_and_not_more(pair):
    agent = agent_at_a(pair, numvfs=8, memory_mb=512)
    try:
        net = pair.at_a.post(f'{V2}/networks', {'network': {}})['network']
        pair.at_a.post(f'{V2}/subnets', {'subnet': {'network_id': net['id'], 'ip_version': 4, 'cidr': '10.20.0.0/24'}})
        flavor = pair.at_a.post(f'{NOVA}/flavors', {'flavor': {'name': 'f', 'ram': 128, 'vcpus': 1, 'disk': 1}}, 200)['flavor']
        image = pair.at_a.post('/image/v2/images', {'name': 'i', 'disk_format': 'raw', 'container_format': 'bare'})
        pair.at_a.http.put(f"{pair.a.url}/image/v2/images/{image['id']}/file", data=b'k' * 600, timeout=30,
                           headers={'Content-Type': 'application/octet-stream'})
        body = {'server': {'name': 's', 'flavorRef': flavor['id'], 'imageRef': image['id'], 'networks': [{'uuid': net['id']}]}}

        def boot(client):
            return [client.post(f'{NOVA}/servers', body, 202)['server']['id'] for _ in range(4)]
        ids = sum(at_once(lambda: boot(pair.at_a), lambda: boot(pair.at_b)), [])

        def statuses():
            return sorted(pair.at_b.get(f'{NOVA}/servers/{i}')['server']['status'] for i in ids)
        wait_for(lambda: 'BUILD' not in statuses(), 10, 'all of them')
        assert statuses() == 4 * ['ACTIVE'] + 4 * ['ERROR']
    finally:
        agent.stop()


IMAGES = '/image/v2/images'


def make_image(client, data, **attrs):
    image = client.post(IMAGES, {'name': 'i', 'disk_format': 'raw', 'container_format': 'bare', **attrs})
    got = client.http.put(f"{client.url}{IMAGES}/{image['id']}/file", data=data, timeout=60,
                          headers={'Content-Type': 'application/octet-stream'})
    assert got.status_code == 204, got.text
    return image['id']


def bytes_of(client, image, **headers):
    return client.http.get(f'{client.url}{IMAGES}/{image}/file', timeout=60, headers=headers)


def test_an_image_is_fetched_once_from_the_replica_that_has_it(pair):
    data = os.urandom(3 << 20)
    image = make_image(pair.at_a, data)
    there, here = (api.state / 'images' / image for api in (pair.a, pair.b))
    for got in at_once(*[lambda: bytes_of(pair.at_b, image)] * 4):
        assert (got.status_code, got.content) == (200, data)
    assert here.read_bytes() == data and pair.b.log.read_text().count('fetched an image') == 1
    assert bytes_of(pair.at_b, image, Range='bytes=5-9').content == data[5:10]
    # nobody but a replica comes through its door, whoever he is
    for headers in {}, {'X-Anyvf-Replica': '0' * 64}:
        assert pair.at_a.http.get(f'{pair.a.url}/image/replica/{image}', headers=headers, timeout=30).status_code == 401
    pair.at_a.delete(f'{IMAGES}/{image}')
    wait_for(lambda: not there.exists() and not here.exists(), 10, 'its end at both')
    assert not list(pair.b.state.glob('upload/*'))


def test_the_bytes_of_an_image_may_come_before_it_is_known_who_made_it(pair):
    """Headers come to one replica, the other makes the image, then the bytes come: as if the first had not heard of it yet."""
    ident, data = str(uuid.uuid4()), b'k' * (40 << 10)
    with socket.create_connection(('127.0.0.1', pair.b.port), 10) as sock:
        sock.sendall(f'PUT {IMAGES}/{ident}/file HTTP/1.1\r\nHost: b\r\nX-Auth-Token: {pair.at_b.http.headers["X-Auth-Token"]}\r\n'
                     f'Content-Type: application/octet-stream\r\nContent-Length: {len(data)}\r\nExpect: 100-continue\r\n\r\n'.encode())
        assert sock.recv(4096).startswith(b'HTTP/1.1 100 ')
        pair.at_a.post(IMAGES, {'id': ident, 'name': 'i', 'disk_format': 'raw', 'container_format': 'bare'})
        sock.sendall(data)
        assert sock.recv(4096).startswith(b'HTTP/1.1 204 ')
    assert bytes_of(pair.at_a, ident).content == data
    got = pair.at_b.http.put(f'{pair.b.url}{IMAGES}/{uuid.uuid4()}/file', data=data, timeout=60, headers={'Content-Type': 'application/octet-stream'})
    assert got.status_code == 404


def test_a_deleted_images_file_goes_at_each_replica(pair):
    def made():
        image = make_image(pair.at_a, b'k' * 600)
        assert bytes_of(pair.at_b, image).ok
        return image, pair.b.state / 'images' / image
    for _ in range(2):  # the first time as at a start
        image, file = made()
        pair.at_a.delete(f'{IMAGES}/{image}')
        wait_for(lambda: not file.exists(), 10, 'its end')
    image, file = made()
    pair.b.stop()
    pair.at_a.delete(f'{IMAGES}/{image}')
    assert file.exists()
    pair.b.start()
    assert not file.exists(), 'who was away hears of it'


def test_bytes_that_are_not_the_images_are_neither_served_nor_kept(pair):
    data = os.urandom(1 << 20)
    image = make_image(pair.at_a, data, visibility='public')
    there = pair.a.state / 'images' / image
    for wrong in data[:-1] + b'x', data[:-1], data + b'x':
        there.write_bytes(wrong)
        got = bytes_of(pair.at_b, image)
        assert got.status_code == 503 and int(got.headers['Retry-After']) > 0 and pair.a.url in got.text
        assert not (pair.b.state / 'images' / image).exists() and not list(pair.b.state.glob('upload/*'))
    there.write_bytes(data)
    demo = Client.of(pair.a, 'demo-openrc')
    pair.a.stop()
    got = bytes_of(pair.at_b, image)
    assert got.status_code == 503 and f'at the replica {pair.a.url}' in got.text and 'connect' in got.text
    got = bytes_of(demo.at(pair.b), image)
    assert got.status_code == 503 and pair.a.url not in got.text, 'members hear nothing of how the cloud is built'
    pair.a.start()
    assert bytes_of(pair.at_b, image).content == data
    pair.a.stop()
    there.unlink()
    pair.a.start()
    assert bytes_of(pair.at_a, image).content == data, 'whoever has it gives it'


def test_replicas_share_a_directory_of_images(tmp_path, etcd):
    tmp_path.chmod(0o755)
    both = Replicas(tmp_path, etcd, '/shared', f'[image]\ndirectory = {tmp_path}/images\n')
    image = make_image(both.at_a, b'k' * 600)
    both.a.stop()
    assert bytes_of(both.at_b, image).content == b'k' * 600
    assert (tmp_path / 'images' / image).exists() and 'fetched' not in both.b.log.read_text()
    both.at_b.delete(f'{IMAGES}/{image}')
    assert [p.name for p in (tmp_path / 'images').iterdir()] == ['upload']
    both.close()


def test_an_etcd_that_was_restored_is_refused_until_all_start_anew(tmp_path):
    """What the replica knows has never been: it serves nothing, writes nothing, and says so."""
    tmp_path.chmod(0o755)
    (tmp_path / 'r').mkdir(mode=0o755)
    etcd = Etcd(tmp_path / 'etcd').start()
    api = Apid(tmp_path / 'r', conf_of(etcd, '/one', tmp_path)).start()
    try:
        admin = Client.of(api, 'openrc')
        admin.post(f'{V2}/networks', {'network': {'name': 'kept'}})
        etcd.kill()
        shutil.copytree(tmp_path / 'etcd/m0', tmp_path / 'old')
        etcd.start()
        for n in range(3):
            admin.post(f'{V2}/networks', {'network': {'name': f'lost{n}'}})
        etcd.kill()
        shutil.rmtree(tmp_path / 'etcd/m0')
        shutil.move(tmp_path / 'old', tmp_path / 'etcd/m0')
        etcd.start()
        wait_for(lambda: 'etcd went back' in api.log.read_text(), 20, 'a word in the log, though nobody asks')
        assert 'went back' in admin.call('GET', f'{V2}/networks').text
        got = admin.call('POST', f'{V2}/networks', {'network': {'name': 'more'}})
        assert got.status_code == 503 and 'went back from revision' in got.text
        assert 'went back' in anyvf('status', '--config', api.conf, status=1)
        api.stop()
        api.start()
        assert [n['name'] for n in admin.get(f'{V2}/networks')['networks']] == ['kept']
    finally:
        api.stop()
        etcd.kill()


def test_a_replica_of_one_cloud_does_not_join_another(tmp_path, etcd):
    tmp_path.chmod(0o755)
    (tmp_path / 'r').mkdir(mode=0o755)
    conf = conf_of(etcd, '/mine', tmp_path)
    api = Apid(tmp_path / 'r', conf).start()
    try:
        assert api.stop() == 0
        api.start()
        assert api.stop() == 0
        Apid(tmp_path / 'r', conf_of(etcd, '/theirs', tmp_path))
        got = subprocess.run([DAEMONS / 'anyvf-apid', '--config', api.conf], capture_output=True, text=True, check=False, timeout=60)
        assert got.returncode == 1 and 'says that this is a replica of cloud' in got.stderr
    finally:
        api.stop()
