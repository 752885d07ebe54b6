# SPDX-License-Identifier: Apache-2.0
"""Image v2: upload and download, patch, visibility, formats, and what goes wrong."""
import hashlib
import os
import signal
import socket
import struct
import subprocess
import uuid

import openstack
import pytest

from apid import Apid, Cloud, read_openrc, shared_cloud

V2 = '/image/v2/images'
OCTETS = {'Content-Type': 'application/octet-stream'}
PATCH = {'Content-Type': 'application/openstack-images-v2.1-json-patch'}


cloud = shared_cloud()  # one daemon; every test makes its own images


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
    members, own = f"{V2}/{shared['id']}/members", cloud.demo.project_id
    cloud.admin.post(members, {'member': own}, 200)
    assert cloud.demo.get(f"{V2}/{shared['id']}")['id'] == shared['id']
    for said in 'pending', 'accepted', 'rejected':
        if said != 'pending':
            cloud.demo.put(f'{members}/{own}', {'status': said})
        for query, listed in ('', said == 'accepted'), ('?visibility=shared', said == 'accepted'), \
                (f'?member_status={said}', True), ('?member_status=all', True):
            assert (shared['id'] in {i['id'] for i in cloud.demo.get(V2 + query)['images']}) == listed, (said, query)
    assert cloud.demo.get(f'{members}/{own}') == cloud.admin.get(members)['members'][0]
    assert cloud.admin.call('GET', f'{members}/nobody').status_code == 404
    cloud.admin.post(members, {'member': 'other'}, 200)
    assert cloud.demo.call('GET', f'{members}/other').status_code == 404
    assert [m['member_id'] for m in cloud.demo.get(members)['members']] == [own]
    for image in private, public:
        assert cloud.admin.call('GET', f"{V2}/{image['id']}/members").status_code == 403
    assert cloud.demo.call('DELETE', f"{V2}/{public['id']}").status_code == 403
    assert patch(cloud.demo, public, {'op': 'replace', 'path': '/name', 'value': 'x'}) \
        .status_code == 403
    assert cloud.demo.call('POST', V2, {'name': 'p', 'visibility': 'public'}).status_code == 403


FOUND = ('name=in:fa,fb fa fb', 'name=in:"fa","f,c" f,c fa', 'name=eq:fa fa', 'disk_format=in:raw,iso&tag=x fa fb', 'tag=x fa fb',
         'tag=x&tag=y fb', 'tag=z -', 'size_min=10&tag=x fb', 'size_max=9&tag=x fa', 'size=10&tag=x fb', 'min_ram=7 fb',
         'min_ram_min=7 fb', 'created_at=gte:2014-01-01T01:01:01Z&tag=x fa fb', 'created_at=lt:2014-01-01T01:01:01Z -',
         'updated_at=gt:2014-01-01&tag=x fa fb', 'created_at=neq:2014-01-01T01:01:01%2B02:00&tag=x fa fb',
         'created_at=2014-01-01T01:01:01Z -', 'member_status=all&tag=x fa fb', 'visibility=all&tag=x fa fb',
         'os_hidden=true fh', 'os_hidden=True fh', 'status=in:queued&tag=x -', 'protected=true&tag=x -', 'frob=1 fb', 'frob=2 -')


@pytest.fixture(scope='module')
def filtered(cloud):
    """Images that filters choose among."""
    active(cloud.demo, name='fa', tags=['x'], data=b'123')
    active(cloud.demo, name='fb', tags=['x', 'y'], min_ram=7, frob='1', data=b'1234567890')
    create(cloud.demo, name='f,c')
    create(cloud.demo, name='fh', os_hidden=True)


@pytest.mark.parametrize('case', FOUND)
def test_filters_are_glances(cloud, filtered, case):
    query, names = case.split(' ', 1)
    found = sorted(i['name'] for i in cloud.demo.get(f'{V2}?{query}')['images'])
    assert found == ([] if names == '-' else names.split())


@pytest.mark.parametrize('query', [
    'name=like:x', 'name=in:"a', 'name=in:a"b"', 'created_at=gt:yesterday', 'created_at=about:2014-01-01T01:01:01Z',
    'size_min=big', 'size_max=', 'member_status=maybe', 'visibility=open', 'protected=yes', 'os_hidden=2', 'limit=-1',
    'sort_key=frob', 'sort_dir=up', 'sort=name:up', 'sort=frob', 'sort=name&sort_key=id', 'changes-since=x', 'marker=nope'])
def test_filters_that_glance_does_not_understand_are_refused(cloud, query):
    assert cloud.demo.call('GET', f'{V2}?{query}').status_code == 400


def test_deactivated_images_are_not_fetched(cloud):
    image = active(cloud.demo, visibility='shared')
    path = f"{V2}/{image['id']}"
    assert cloud.demo.call('POST', f"{V2}/{create(cloud.demo)['id']}/actions/deactivate").status_code == 403
    for action, status, fetched in ('reactivate', 'active', 200), ('deactivate', 'deactivated', 403), \
            ('deactivate', 'deactivated', 403), ('reactivate', 'active', 200):
        assert cloud.demo.call('POST', f'{path}/actions/{action}').status_code == 204
        assert cloud.demo.get(path)['status'] == status
        assert cloud.demo.call('GET', path + '/file').status_code == fetched
        assert cloud.admin.call('GET', path + '/file').status_code == 200
    cloud.demo.call('POST', f'{path}/actions/deactivate')
    reply = cloud.boot(cloud.flavor(), image, [], cloud.demo, 400)
    assert 'is not active' in reply['badRequest']['message']
    public = active(cloud.admin, visibility='public')
    assert cloud.demo.call('POST', f"{V2}/{public['id']}/actions/deactivate").status_code == 403


def test_an_admin_gives_an_image_away(cloud):
    image = create(cloud.demo)
    step = {'op': 'replace', 'path': '/owner', 'value': cloud.admin.project_id}
    assert patch(cloud.demo, image, step).status_code == 403
    assert patch(cloud.admin, image, step).json()['owner'] == cloud.admin.project_id
    assert cloud.demo.call('GET', f"{V2}/{image['id']}").status_code == 404


def test_schemas_name_what_there_is(cloud):
    for one, many in ('member', 'members'), ('image', 'images'), ('metadefs/namespace', 'metadefs/namespaces'):
        schema = cloud.demo.get(f'/image/v2/schemas/{one}')
        assert schema['name'] == one.split('/')[-1]
        assert cloud.demo.get(f'/image/v2/schemas/{many}')['properties'][many.split('/')[-1]]['items'] == schema
    assert cloud.demo.get('/image/v2/schemas/member')['properties']['status']['enum'] == ['pending', 'accepted', 'rejected']
    members = cloud.demo.get('/image/v2/schemas/image')['properties']
    assert set(create(cloud.demo)) <= {*members}, 'each member of an image has its schema'
    assert members['visibility']['enum'] == ['public', 'private', 'shared', 'community'] and 'qcow2' in members['disk_format']['enum']
    assert members['os_hash_value']['readOnly'] and 'readOnly' not in members['name'] and members['name']['maxLength'] == 255
    assert cloud.demo.get('/image/v2/metadefs/namespaces')['namespaces'] == []
    assert cloud.demo.call('POST', '/image/v2/metadefs/namespaces', {'namespace': 'x'}).status_code == 404


def test_import_in_two_steps(cloud):
    assert cloud.demo.get('/image/v2/info/import')['import-methods']['value'] == ['glance-direct']
    assert [s['id'] for s in cloud.demo.get('/image/v2/info/stores')['stores']] == ['file']
    got = cloud.demo.call('POST', V2, {'name': 'i', 'disk_format': 'raw', 'container_format': 'bare'})
    assert (got.headers['OpenStack-image-import-methods'], got.headers['OpenStack-image-store-ids']) == ('glance-direct', 'file')
    image, direct = got.json(), {'method': {'name': 'glance-direct'}}
    path = f"{V2}/{image['id']}"

    def stage(client, data=b'staged' * 100):
        return client.http.put(f'{client.url}{path}/stage', data=data, headers=OCTETS, timeout=30).status_code
    assert cloud.demo.call('POST', path + '/import', direct).status_code == 409, 'nothing is staged'
    assert stage(cloud.demo, qcow2()) == 415, 'judged as an upload is'
    assert stage(cloud.demo) == 204
    assert cloud.demo.get(path)['status'] == 'uploading' and stage(cloud.demo) == 409
    assert cloud.demo.call('GET', path + '/file').status_code == 204 and upload(cloud.demo, image, b'x').status_code == 409
    assert 'is not active' in cloud.boot(cloud.flavor(), image, [], cloud.demo, 400)['badRequest']['message']
    for bad, status in ({}, 400), ({'method': {}}, 400), ({'method': {'name': 'web-download', 'uri': 'http://127.0.0.1/'}}, 400), \
            ({**direct, 'stores': ['other']}, 409):
        assert cloud.demo.call('POST', path + '/import', bad).status_code == status, bad
    assert cloud.demo.call('POST', path + '/import', {**direct, 'stores': ['file']}).status_code == 202
    got = cloud.demo.get(path)
    assert (got['status'], got['size'], got['checksum']) == ('active', 600, hashlib.md5(b'staged' * 100).hexdigest())
    assert cloud.demo.http.get(f'{cloud.demo.url}{path}/file', timeout=10).content == b'staged' * 100
    assert cloud.demo.call('POST', path + '/import', direct).status_code == 409


@pytest.mark.parametrize('asked,status,shown', [
    ('bytes=0-3', 206, '0-3'), ('bytes=4-', 206, '4-9'), ('bytes=-3', 206, '7-9'), ('bytes=8-99', 206, '8-9'), ('bytes=-99', 206, '0-9'),
    ('bytes=9-9', 206, '9-9'), ('bytes=10-', 416, None), ('bytes=5-4', 416, None), ('bytes=-0', 416, None), ('bytes=x', 416, None),
    ('lines=1-2', 416, None), ('bytes=18446744073709551616-', 416, None), ('bytes=0-1,3-4', 400, None)])
def test_a_range_of_a_download(cloud, asked, status, shown):
    image, data = active(cloud.demo, data=b'0123456789'), b'0123456789'
    got = cloud.demo.http.get(f"{cloud.demo.url}{V2}/{image['id']}/file", headers={'Range': asked}, timeout=10)
    assert got.status_code == status
    if shown:
        first, last = map(int, shown.split('-'))
        assert got.headers['Content-Range'] == f'bytes {shown}/10' and got.content == data[first:last + 1]
        assert got.headers['Content-Length'] == str(last - first + 1) and 'Content-Md5' not in got.headers


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
    for step, status in (({'op': 'replace', 'path': '/status', 'value': 'active'}, 403),
                         ({'op': 'add', 'path': '/created_at', 'value': {'a': [1]}}, 403),
                         ({'op': 'replace', 'path': '/updated_at', 'value': 'x'}, 403),
                         ({'op': 'add', 'path': '/os_glance_refused', 'value': 'x'}, 403),
                         ({'op': 'replace', 'path': '/os_hash_value', 'value': 'x'}, 403),
                         ({'op': 'remove', 'path': '/name'}, 403),
                         ({'op': 'replace', 'path': '/nope', 'value': 'x'}, 409),
                         ({'op': 'add', 'path': '/self', 'value': 'x'}, 403),
                         ({'op': 'add', 'path': '/x', 'value': {}}, 400),
                         ({'op': 'swap', 'path': '/x', 'value': 'y'}, 400), (5, 400)):
        assert patch(cloud.demo, image, step).status_code == status, step


def test_tags_and_paging(cloud):
    image = create(cloud.demo, tags=['b', 'a', 'b'])
    assert image['tags'] == ['b', 'a'], 'tags are a set'
    assert cloud.demo.call('PUT', f"{V2}/{image['id']}/tags/{'t' * 256}").status_code == 400
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
    ({'status': 'active'}, 403), ({'protected': 'yes'}, 400), ([], 400), (None, 400),
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


def test_agents_get_the_images_of_their_servers_alone(cloud):
    agent = cloud.agent('h1')
    parts = {name: active(cloud.demo, disk_format=kind, container_format=kind, visibility='private')
             for name, kind in (('kernel_id', 'aki'), ('ramdisk_id', 'ari'))}
    image = active(cloud.demo, visibility='private',
                   **{name: part['id'] for name, part in parts.items()})
    other = active(cloud.demo, visibility='private')
    wanted = [image, *parts.values()]

    def seen():
        return [agent.client.call('GET', f"{V2}/{i['id']}/file").status_code for i in [*wanted, other]]

    assert seen() == [404] * 4
    server = cloud.boot(cloud.flavor(), image, [{'uuid': cloud.network(cloud.demo)['id']}], cloud.demo)
    assert seen() == [200, 200, 200, 404]
    cloud.demo.call('POST', f"{V2}/{image['id']}/actions/deactivate", None, 204)
    assert cloud.demo.call('GET', f"{V2}/{image['id']}/file").status_code == 403
    assert seen() == [200, 200, 200, 404], 'the host of a server that is there'
    wish = agent.wishes()['server'][server['id']]['image']
    for member, doc in ('os_hash_value', image), ('kernel_hash', parts['kernel_id']), \
            ('ramdisk_hash', parts['ramdisk_id']):
        assert wish[member] == cloud.demo.get(f"{V2}/{doc['id']}")['os_hash_value']
    cloud.demo.delete(f"/compute/v2.1/servers/{server['id']}")
    cloud.wait_gone(server)
    assert seen() == [404] * 4


def qcow2(size=1 << 20, backing=b''):
    """An empty qcow2 of a virtual size; backing: the file it names."""
    at = 200 if backing else 0
    head = struct.pack('>4sIQIIQIIQQIIQ', b'QFI\xfb', 2, at, len(backing), 16, size, 0,
                       max(1, -(-size // (512 << 20))), 1 << 16, 1 << 17, 1, 0, 0)
    data = bytearray(3 << 16)
    data[:len(head)] = head
    data[at:at + len(backing)] = backing or data[:0]
    return bytes(data)


def words(value):
    """A parameter's part of a test's name: bytes have none."""
    return value if isinstance(value, str) else ''


def active(client, data=b'bits' * 100, **attrs):
    """An image with content; its document."""
    image = create(client, **attrs)
    assert upload(client, image, data).status_code == 204
    return image


@pytest.mark.parametrize('disk_format,data', [
    ('raw', qcow2()), ('aki', qcow2()), ('raw', b'KDMV' + bytes(4096)), ('vmdk', qcow2())], ids=words)
def test_bytes_of_another_format_are_no_upload(cloud, disk_format, data):
    image = create(cloud.demo, disk_format=disk_format)
    got = upload(cloud.demo, image, data)
    assert got.status_code == 415 and 'The image is not accepted: the bytes are' in got.text
    assert cloud.demo.get(f"{V2}/{image['id']}")['status'] == 'queued'
    assert not (cloud.apid.state / 'images' / image['id']).exists()
    assert patch(cloud.demo, image, {'op': 'replace', 'path': '/disk_format', 'value': 'qcow2'},
                 {'op': 'replace', 'path': '/container_format', 'value': 'bare'}).status_code == 200
    assert upload(cloud.demo, image, qcow2()).status_code == 204
    assert cloud.demo.get(f"{V2}/{image['id']}")['status'] == 'active'


@pytest.mark.parametrize('data,why', [
    (qcow2(backing=b'/etc/shadow'), 'refers to another file'), (qcow2(1 << 50), 'a disk of'),
    (qcow2()[:1 << 16], 'L1 table'), (qcow2()[:75], 'no end')], ids=words)
def test_an_image_that_may_not_be_used_ends_with_the_reason(cloud, data, why):
    image = create(cloud.demo, disk_format='qcow2')
    assert upload(cloud.demo, image, data).status_code == 204
    got = cloud.demo.get(f"{V2}/{image['id']}")
    assert got['status'] == 'killed' and why in got['os_glance_refused']
    assert got['size'] is None and not (cloud.apid.state / 'images' / image['id']).exists()
    assert cloud.demo.call('GET', f"{V2}/{image['id']}/file").status_code == 204
    assert upload(cloud.demo, image, qcow2()).status_code == 409
    reply = cloud.boot(cloud.flavor(), image, [], cloud.demo, 400)
    assert 'is not active' in reply['badRequest']['message']
    cloud.demo.delete(f"{V2}/{image['id']}")


def test_what_an_image_is_stays_and_its_id_is_spent(cloud):
    image = active(cloud.demo)
    for path, value in ('/disk_format', 'qcow2'), ('/container_format', 'ovf'):
        got = patch(cloud.demo, image, {'op': 'replace', 'path': path, 'value': value})
        assert got.status_code == 403 and 'can be only replaced for a queued image' in got.text
    assert patch(cloud.demo, image, {'op': 'replace', 'path': '/name', 'value': 'n'}).status_code == 200
    cloud.demo.delete(f"{V2}/{image['id']}")
    for client in cloud.demo, cloud.admin:
        for spent in image['id'], image['id'].upper():
            assert client.call('POST', V2, {'id': spent, 'name': 'again'}).status_code == 409


@pytest.mark.parametrize('disk_format', ['qcow2', 'iso', 'vmdk'])
def test_bytes_of_no_format_are_kept_and_boot_nothing(cloud, disk_format):
    image = active(cloud.demo, b'x' * 40000, disk_format=disk_format)
    shown = cloud.demo.get(f"{V2}/{image['id']}")
    assert (shown['status'], shown['size'], shown['virtual_size']) == ('active', 40000, None)
    got = cloud.demo.call('POST', '/compute/v2.1/servers', {'server': {
        'name': 'vm', 'flavorRef': cloud.flavor()['id'], 'imageRef': image['id'], 'networks': 'none'}},
                          OpenStack_API_Version='compute 2.37')
    assert got.status_code == 400 and f"Image {image['id']} is unacceptable" in got.text


def test_only_a_json_patch_is_a_patch(cloud):
    image, body = create(cloud.demo), '[{"op": "replace", "path": "/name", "value": "n"}]'
    for kind, status in ('application/json', 415), ('text/plain', 415), \
            ('application/openstack-images-v2.1-json-patch; charset=utf-8', 200):
        got = cloud.demo.http.patch(f"{cloud.demo.url}{V2}/{image['id']}", data=body, timeout=10,
                                    headers={'Content-Type': kind})
        assert got.status_code == status, kind
        assert status == 200 or 'json-patch' in got.headers['Accept-Patch']
    got = cloud.demo.http.patch(f"{cloud.demo.url}{V2}/{image['id']}", timeout=10,
                                data='[{"replace": "/name", "value": "old"}, {"add": "/a", "value": "b"}]',
                                headers={'Content-Type': 'application/openstack-images-v2.0-json-patch'})
    assert (got.json()['name'], got.json()['a']) == ('old', 'b')


def test_documents_are_bounded(cloud):
    for body in ({'p': 'y' * 70000}, {f'p{n}': 'x' for n in range(129)}, {'tags': [str(n) for n in range(129)]},
                 {f'p{n}': 'y' * 1000 for n in range(70)}):
        assert cloud.demo.call('POST', V2, body).status_code == 413
    for body in ({'x' * 256: 'y'}, {'tags': ['x' * 256]}):
        assert cloud.demo.call('POST', V2, body).status_code == 400
    for body in ({'created_at': 'x'}, {'os_glance_x': 'y'}, {'self': 'x'}, {'deleted': 'x'}, {'location': 'x'}):
        assert cloud.demo.call('POST', V2, body).status_code == 403
    image = create(cloud.demo, **{f'p{n}': 'x' for n in range(128)})
    assert patch(cloud.demo, image, {'op': 'add', 'path': '/one', 'value': 'more'}).status_code == 413
    got = patch(cloud.demo, image, {'op': 'replace', 'path': '/p1', 'value': 'y' * 70000})
    assert got.status_code == 413 and cloud.demo.get(f"{V2}/{image['id']}")['p1'] == 'x'
    for n in range(100):
        cloud.demo.post(f"{V2}/{image['id']}/members", {'member': f'm{n}'}, 200)
    assert cloud.demo.call('POST', f"{V2}/{image['id']}/members", {'member': 'x'}).status_code == 413
    cloud.demo.delete(f"{V2}/{image['id']}")


def declared(client, image, length):
    """The status of an upload that says how much it will be, and sends nothing."""
    url = client.url.removeprefix('http://')
    host, port = url.split(':')
    with socket.create_connection((host, int(port)), 10) as sock:
        head = (f"PUT {V2}/{image['id']}/file HTTP/1.1\r\nHost: {url}\r\nContent-Length: {length}\r\n"
                f"X-Auth-Token: {client.http.headers['X-Auth-Token']}\r\n\r\n")
        sock.sendall(head.encode())
        return int(sock.recv(100).split()[1])


def test_quotas_of_a_project(tmp_path):
    cloud = Cloud(tmp_path, '[image]\nquota_images = 3\nquota_gb = 1\nquota_properties = 1\n')
    try:
        images = [create(cloud.demo) for _ in range(3)]
        got = cloud.demo.call('POST', V2, {'name': 'x'})
        assert got.status_code == 413 and 'image_count_total is over limit of 3' in got.text
        create(cloud.admin)
        assert patch(cloud.demo, images[0], {'op': 'add', 'path': '/a', 'value': 'x'},
                     {'op': 'add', 'path': '/b', 'value': 'x'}).status_code == 413
        assert declared(cloud.demo, images[0], 2 << 30) == 413
        gone = {'id': str(uuid.uuid4())}
        assert declared(cloud.demo, gone, 2 << 30) == 404
        assert cloud.demo.get(f"{V2}/{images[0]['id']}")['status'] == 'queued'
        assert upload(cloud.demo, images[0], b'x' * 1000).status_code == 204
        assert declared(cloud.demo, images[0], 2 << 30) == 409
        assert declared(cloud.demo, images[1], (1 << 30) - 999) == 413
    finally:
        cloud.close()
    cloud = Cloud(tmp_path, '[image]\nquota_gb = 0\n')
    try:
        assert upload(cloud.demo, images[1], (b'x' * 100 for _ in range(9))).status_code == 413
        assert upload(cloud.demo, images[1], b'').status_code == 204
    finally:
        cloud.close()


def test_a_boot_looks_images_up_as_its_caller(cloud):
    nics = [{'uuid': cloud.network(cloud.demo)['id']}]
    kernel = active(cloud.admin, disk_format='aki', container_format='aki', visibility='public')
    ramdisk = {'disk_format': 'ari', 'container_format': 'ari'}

    def boot(**attrs):
        image = active(cloud.demo, **attrs)
        reply = cloud.boot(cloud.flavor(), image, nics, cloud.demo, 400)
        return reply['badRequest']['message']

    private = active(cloud.admin, visibility='private', **ramdisk)
    queued = create(cloud.demo, **ramdisk)
    for name, part in ('ramdisk_id', private), ('kernel_id', private), \
            ('kernel_id', {'id': str(uuid.uuid4())}), ('kernel_id', {'id': '../x'}):
        assert boot(**{'kernel_id': kernel['id'], name: part['id']}) == 'Can not find requested image'
    assert 'not active' in boot(kernel_id=kernel['id'], ramdisk_id=queued['id'])
    assert 'disk format aki' in boot(kernel_id=active(cloud.demo)['id'])
    assert 'disk format ari' in boot(kernel_id=kernel['id'], ramdisk_id=kernel['id'])
    assert 'do not boot from the disk format aki' in boot(disk_format='aki')
    assert 'do not boot from the disk format vhdx' in boot(disk_format='vhdx', data=b'vhdxfile')
    zero = cloud.flavor(disk=0)
    refused = cloud.boot(zero, active(cloud.demo), nics, cloud.demo, 403)
    assert 'flavors with zero disk' in refused['forbidden']['message']
    cloud.boot(zero, active(cloud.admin), nics, cloud.admin)
    assert 'image is 1099511627776 bytes' in boot(disk_format='qcow2', data=qcow2(1 << 40) + bytes(16 << 10))


def test_a_member_answers_for_himself_alone(cloud):
    image = create(cloud.admin)
    path = f"{V2}/{image['id']}/members"
    for member in cloud.demo.project_id, 'another':
        cloud.admin.post(path, {'member': member}, 200)
    for status in 'accepted', 'rejected':
        for other in 'another', 'nobody':
            got = cloud.demo.call('PUT', f'{path}/{other}', {'status': status})
            assert got.status_code == 404, 'a member does not learn who the others are'
        assert cloud.demo.put(f'{path}/{cloud.demo.project_id}', {'status': status})['status'] == status
    said = {m['member_id']: m['status'] for m in cloud.admin.get(path)['members']}
    assert said == {cloud.demo.project_id: 'rejected', 'another': 'pending'}


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
            refused = [full.demo.call('POST', V2, {'name': 'x', 'p': 'y' * 5000}) for _ in range(20)]
            assert {got.status_code for got in refused} <= {201, 503} and refused[-1].status_code == 503
            assert 'no space left' in refused[-1].text and refused[-1].headers['Retry-After'] == '5'
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
