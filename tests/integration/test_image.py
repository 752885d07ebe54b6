# SPDX-License-Identifier: Apache-2.0
"""Image v2: upload and download, patch, visibility, formats, and what goes wrong."""
import hashlib
import os
import signal
import subprocess
import uuid

import openstack
import pytest

from apid import Apid, Cloud, read_openrc

V2 = '/image/v2/images'
OCTETS = {'Content-Type': 'application/octet-stream'}
PATCH = {'Content-Type': 'application/openstack-images-v2.1-json-patch'}


@pytest.fixture(scope='module')
def cloud(tmp_path_factory):
    """One daemon; every test makes its own images."""
    made = Cloud(tmp_path_factory.mktemp('image'))
    yield made
    made.close()


def upload(client, image, data):
    return client.http.put(f"{client.url}{V2}/{image['id']}/file", data=data, headers=OCTETS,
                           timeout=60)


def create(client, **attrs):
    return client.post(V2, {'name': 'i', 'disk_format': 'raw', 'container_format': 'bare', **attrs})


def patch(client, image, *steps):
    import json
    return client.http.patch(f"{client.url}{V2}/{image['id']}", data=json.dumps(steps),
                             headers=PATCH, timeout=10)


def test_upload_has_size_and_checksums(cloud):
    data = os.urandom(3 << 20)
    image = create(cloud.demo)
    assert image['status'] == 'queued' and image['size'] is None
    assert image['owner'] == cloud.demo.project_id and image['visibility'] == 'shared'
    assert upload(cloud.demo, image, data).status_code == 204
    got = cloud.demo.get(f"{V2}/{image['id']}")
    assert (got['status'], got['size']) == ('active', len(data))
    assert got['checksum'] == hashlib.md5(data).hexdigest()
    assert got['os_hash_value'] == hashlib.sha512(data).hexdigest()
    got = cloud.demo.http.get(f"{cloud.demo.url}{V2}/{image['id']}/file", timeout=30)
    assert got.content == data
    assert upload(cloud.demo, image, b'again').status_code == 409
    cloud.demo.delete(f"{V2}/{image['id']}")
    assert not (cloud.apid.state / 'images' / image['id']).exists()
    assert cloud.demo.call('GET', f"{V2}/{image['id']}").status_code == 404


def test_chunked_upload(cloud):
    image = create(cloud.demo)
    assert upload(cloud.demo, image, (b'x' * 1000 for _ in range(500))).status_code == 204
    assert cloud.demo.get(f"{V2}/{image['id']}")['size'] == 500000


def test_qcow2_tells_its_virtual_size(cloud, tmp_path):
    disk = tmp_path / 'd.qcow2'
    subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', disk, '64M'], check=True)
    image = create(cloud.demo, disk_format='qcow2')
    assert upload(cloud.demo, image, disk.read_bytes()).status_code == 204
    assert cloud.demo.get(f"{V2}/{image['id']}")['virtual_size'] == 64 << 20


def test_kernel_and_ramdisk_formats(cloud):
    kernel = create(cloud.admin, disk_format='aki', container_format='aki', visibility='public')
    ramdisk = create(cloud.admin, disk_format='ari', container_format='ari')
    disk = create(cloud.admin, disk_format='ami', container_format='ami',
                  kernel_id=kernel['id'], ramdisk_id=ramdisk['id'])
    assert (disk['kernel_id'], disk['ramdisk_id']) == (kernel['id'], ramdisk['id'])


def test_visibility_and_members(cloud):
    private = create(cloud.admin, visibility='private')
    public = create(cloud.admin, visibility='public')
    shared = create(cloud.admin)
    seen = {i['id'] for i in cloud.demo.get(V2)['images']}
    assert public['id'] in seen and not seen & {private['id'], shared['id']}
    assert cloud.demo.call('GET', f"{V2}/{shared['id']}").status_code == 404
    cloud.admin.post(f"{V2}/{shared['id']}/members", {'member': cloud.demo.project_id}, 200)
    assert cloud.demo.get(f"{V2}/{shared['id']}")['id'] == shared['id']
    assert cloud.demo.call('DELETE', f"{V2}/{public['id']}").status_code == 403
    assert patch(cloud.demo, public, {'op': 'replace', 'path': '/name', 'value': 'x'}) \
        .status_code == 403
    assert cloud.demo.call('POST', V2, {'name': 'p', 'visibility': 'public'}).status_code == 403


def test_find_by_name_is_404_then_a_filter(cloud):
    name = f'img-{uuid.uuid4().hex}'
    image = create(cloud.demo, name=name)
    got = cloud.demo.call('GET', f'{V2}/{name}')
    assert got.status_code == 404 and got.headers['Content-Type'].startswith('text/html')
    assert f'No image found with ID {name}<br /><br />' in got.text
    assert [i['id'] for i in cloud.demo.get(f'{V2}?name={name}')['images']] == [image['id']]


def test_json_patch(cloud):
    image = create(cloud.demo, foo='bar')
    got = patch(cloud.demo, image, {'op': 'replace', 'path': '/name', 'value': 'n2'},
                {'op': 'add', 'path': '/a~1b', 'value': 'c'}, {'op': 'remove', 'path': '/foo'})
    assert got.status_code == 200, got.text
    assert got.json()['name'] == 'n2' and got.json()['a/b'] == 'c' and 'foo' not in got.json()
    for step, status in (({'op': 'replace', 'path': '/status', 'value': 'active'}, 400),
                         ({'op': 'remove', 'path': '/name'}, 403),
                         ({'op': 'replace', 'path': '/nope', 'value': 'x'}, 409),
                         ({'op': 'add', 'path': '/self', 'value': 'x'}, 403),
                         ({'op': 'add', 'path': '/x', 'value': {}}, 400),
                         ({'op': 'swap', 'path': '/x', 'value': 'y'}, 400), (5, 400)):
        assert patch(cloud.demo, image, step).status_code == status, step


def test_tags_and_paging(cloud):
    name = f'page-{uuid.uuid4().hex}'
    images = [create(cloud.demo, name=name) for _ in range(3)]
    cloud.demo.put(f"{V2}/{images[0]['id']}/tags/t1", None, 204)
    assert cloud.demo.get(f"{V2}/{images[0]['id']}")['tags'] == ['t1']
    cloud.demo.delete(f"{V2}/{images[0]['id']}/tags/t1")
    seen, path = [], f'/v2/images?name={name}&limit=2'
    while path:
        page = cloud.demo.get('/image' + path)
        seen += [i['id'] for i in page['images']]
        path = page.get('next')
    assert sorted(seen) == sorted(i['id'] for i in images)


@pytest.mark.parametrize('body,status', [
    ({'disk_format': 'floppy'}, 400), ({'name': 5}, 400), ({'name': 'x' * 300}, 400),
    ({'min_ram': -1}, 400), ({'id': 'no-uuid'}, 400), ({'extra': {'a': 1}}, 400),
    ({'status': 'active'}, 400), ({'protected': 'yes'}, 400), ([], 400), (None, 400),
    ({'owner': 'somebody'}, 403)])
def test_bad_image_is_refused_with_a_page(cloud, body, status):
    got = cloud.demo.call('POST', V2, body)
    assert got.status_code == status, got.text
    assert got.headers['Content-Type'].startswith('text/html')


def test_markup_in_a_name_does_not_come_alive(cloud):
    got = cloud.demo.call('GET', f'{V2}/%3Cscript%3Ealert(1)')
    assert got.status_code == 404 and '<script>' not in got.text


def test_upload_needs_formats_a_token_and_an_owner(cloud):
    bare = cloud.demo.post(V2, {'name': 'x'})
    assert upload(cloud.demo, bare, b'x').status_code == 400
    assert upload(cloud.demo, {'id': str(uuid.uuid4())}, b'x').status_code == 404
    public = create(cloud.admin, visibility='public')
    assert upload(cloud.demo, public, b'x').status_code == 403
    got = cloud.demo.http.put(f"{cloud.demo.url}{V2}/{bare['id']}/file", data=b'x' * 100000,
                              headers={**OCTETS, 'X-Auth-Token': 'wrong'}, timeout=10)
    assert got.status_code == 401
    assert not list((cloud.apid.state / 'upload').iterdir())


def test_protected_image_stays(cloud):
    image = create(cloud.demo, protected=True)
    assert cloud.demo.call('DELETE', f"{V2}/{image['id']}").status_code == 403
    patch(cloud.demo, image, {'op': 'replace', 'path': '/protected', 'value': False})
    cloud.demo.delete(f"{V2}/{image['id']}")


def test_agents_see_every_image(cloud):
    import json

    from apid import Client
    creds = json.loads((cloud.apid.dir / 'agent.json').read_text())
    agent = Client(cloud.apid, creds['username'], creds['password'], creds['project'])
    image = create(cloud.demo, visibility='private')
    upload(cloud.demo, image, b'bits')
    got = agent.http.get(f"{agent.url}{V2}/{image['id']}/file", timeout=10)
    assert got.content == b'bits'


def test_openstacksdk(cloud, tmp_path):
    env = read_openrc(cloud.apid.dir / 'demo-openrc')
    sdk = openstack.connect(
        load_envvars=False, auth_url=env['OS_AUTH_URL'], username='demo', project_name='demo',
        password=env['OS_PASSWORD'], user_domain_name='Default', project_domain_name='Default',
        region_name='RegionOne')
    disk = tmp_path / 'd.raw'
    disk.write_bytes(os.urandom(100000))
    image = sdk.create_image('sdk', filename=str(disk), disk_format='raw', container_format='bare',
                             wait=True)
    assert sdk.image.find_image('sdk').status == 'active'
    sdk.image.update_image(image, name='sdk2')
    assert sdk.image.find_image('sdk2').id == image.id
    sdk.image.delete_image(image.id)


def test_real_clients(cloud, tmp_path):
    disk, out = tmp_path / 'd.raw', tmp_path / 'out.raw'
    disk.write_bytes(os.urandom(5000))
    cli = cloud.apid.cli
    cli('openstack', 'image', 'create', '--file', str(disk), '--disk-format', 'raw',
        '--container-format', 'bare', 'img1')
    cli('openstack', 'image', 'set', '--property', 'foo=bar', 'img1')
    cli('openstack', 'image', 'save', '--file', str(out), 'img1')
    assert out.read_bytes() == disk.read_bytes()
    assert 'img1' in cli('glance', 'image-list').stdout
    cli('openstack', 'image', 'delete', 'img1')


def test_full_disk_fails_cleanly(tmp_path):
    """On a file system of 4 MB: the upload is refused, the image stays queued, the API lives."""
    if os.geteuid() != 0:
        pytest.skip('needs root')
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=4m,mode=755', 'anyvf-test', tmp_path],
                      check=False).returncode:
        pytest.skip('cannot mount a tmpfs here')
    try:
        full = Cloud(tmp_path)
        try:
            image = create(full.demo)
            got = upload(full.demo, image, os.urandom(8 << 20))
            assert got.status_code == 507, got.text
            assert full.demo.get(f"{V2}/{image['id']}")['status'] == 'queued'
            assert not list((full.apid.state / 'upload').iterdir())
            assert upload(full.demo, image, b'small').status_code == 204
            (tmp_path / 'filler').write_bytes(b'x')
            subprocess.run(['dd', 'if=/dev/zero', f'of={tmp_path}/filler', 'bs=4k'],
                           stderr=subprocess.DEVNULL, check=False)
            refused = [full.demo.call('POST', V2, {'name': 'x', 'p': 'y' * 5000}).status_code
                       for _ in range(20)]
            assert set(refused) <= {201, 507, 503} and refused[-1] != 201
            assert full.demo.get(V2)['images']
            (tmp_path / 'filler').unlink()
            assert create(full.demo)['status'] == 'queued'
        finally:
            full.close()
    finally:
        subprocess.run(['umount', '-l', tmp_path], check=True)


def test_broken_upload_is_swept(tmp_path):
    daemon = Apid(tmp_path).start()
    daemon.stop(signal.SIGKILL)
    (daemon.state / 'upload' / 'left').write_text('x')
    daemon.start()
    assert not list((daemon.state / 'upload').iterdir())
    daemon.stop()
