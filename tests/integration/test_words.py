# SPDX-License-Identifier: Apache-2.0
"""What clients say to Keystone, Glance and Neutron, row by row, and what the reference's code makes of it.

A row is a collection, what is sent, and what comes: a status if it is refused, else members of the
answer (GONE: which is not there), or the names that a list has. `<word>` in a row stands for an id
of the fixture `ids`. The rows were read out of the Zed release: Keystone's JSON schemas and resources,
Glance's deserializers and its filters in SQL, Neutron's security groups, its revisions plugin and the
attributes of neutron-lib's definitions.
"""
import json
import re
import uuid

import pytest

from apid import read_openrc, shared_cloud

V3, V2, NET = '/identity/v3', '/image/v2/images', '/network/v2.0'
GONE = object()
ONE = {'users': 'user', 'groups': 'group', 'projects': 'project', 'domains': 'domain', 'roles': 'role', 'services': 'service',
       'endpoints': 'endpoint', 'regions': 'region', 'networks': 'network', 'subnets': 'subnet', 'ports': 'port',
       'security-groups': 'security_group', 'security-group-rules': 'security_group_rule', 'subnetpools': 'subnetpool'}


cloud = shared_cloud()


@pytest.fixture(scope='module')
def ids(cloud):
    """Things that rows name."""
    admin = cloud.admin

    def make(many, **body):
        return admin.post(f'{V3}/{many}', {ONE[many]: body})[ONE[many]]['id']
    out = {'domain': make('domains', name='w-domain'), 'project': make('projects', name='w-project')}
    out['child'] = make('projects', name='w-child', parent_id=out['project'])
    out['off'] = make('projects', name='w-off', enabled=False)
    out['user'], out['group'] = make('users', name='w-user'), make('groups', name='w-group')
    out['role'], out['service'] = make('roles', name='w-role'), make('services', type='w-type', name='w-service')
    make('regions', id='w-region')
    out['endpoint'] = make('endpoints', service_id=out['service'], interface='public', url='http://w', region_id='w-region')
    admin.put(f"{V3}/groups/{out['group']}/users/{out['user']}", None, 204)
    for project in 'project', 'off':
        admin.put(f"{V3}/projects/{out[project]}/users/{out['user']}/roles/{out['role']}", None, 204)
    out['mine'] = cloud.demo.project_id
    out['net'] = admin.post(NET + '/networks', {'network': {'name': 'w-net'}})['network']['id']
    out['subnet'] = admin.post(NET + '/subnets', {'subnet': {'network_id': out['net'], 'ip_version': 4, 'cidr': '10.9.0.0/24'}})['subnet']['id']
    for name in 'sg', 'sg2':
        out[name] = admin.post(NET + '/security-groups', {'security_group': {'name': f'w-{name}'}})['security_group']['id']
    return out


def filled(value, ids):
    """A row's value with ids in place of <words>."""
    return json.loads(re.sub(r'<(\w+)>', lambda m: ids[m[1]], json.dumps(value)))


def check(got, want, many=None):
    """A reply against a row's end; the members, when it was not refused."""
    if isinstance(want, int):
        assert got.status_code == want, got.text
        return None
    assert got.status_code in (200, 201), got.text
    members = got.json()[ONE[many]] if many else got.json()
    for name, value in want.items():
        if value is GONE:
            assert name not in members, members
        else:
            assert members[name] == value, members
    return members


def named(row):
    return ' '.join(str(part) for part in row)[:110].replace('/', '_')


KEYSTONE_MADE = [
    ('users', {'name': 5}, 400), ('users', {'name': ' '}, 400), ('users', {'name': 'n' * 256}, 400), ('users', {'name': None}, 400),
    ('users', {'enabled': True}, 400), ('users', {'name': ' w padded '}, {'name': 'w padded'}), ('users', {'name': 'wa', 'enabled': 'true'}, 400),
    ('users', {'name': 'wa', 'enabled': 1}, 400), ('users', {'name': 'wa', 'enabled': None}, 400), ('users', {'name': 'wa', 'domain_id': None}, 400),
    ('users', {'name': 'wa', 'domain_id': 'w-nowhere'}, 404), ('users', {'name': 'wa', 'password': 5}, 400),
    ('users', {'name': 'wa', 'default_project_id': ''}, 400), ('users', {'name': 'wa', 'default_project_id': 5}, 400),
    ('users', {'name': 'wb', 'id': 'mine', 'extra': {'a': [None]}}, {'extra': {'a': [None]}, 'email': GONE, 'default_project_id': GONE}),
    ('users', {'name': 'wc', 'default_project_id': '0123456789abcdef0123456789abcdef'}, {'default_project_id': '0123456789abcdef0123456789abcdef'}),
    ('users', {'name': 'wd', 'default_project_id': '<domain>'}, 400), ('users', {'name': 'we', 'valid_after_us': 1}, {'valid_after_us': GONE}),
    ('users', {'name': 'wf', 'links': {'self': 'x'}, 'password_hash': 'x'}, {'password_hash': GONE}),
    ('users', {'name': 'w-user'}, 409),
    ('groups', {'name': ' '}, 400), ('groups', {'name': ' w g '}, {'name': 'w g', 'description': ''}), ('groups', {'name': 'wg', 'domain_id': None}, 400),
    ('groups', {'name': 'wg', 'description': 5}, 400), ('groups', {'name': 'wh', 'id': 'x', 'extra': 1}, {'extra': 1}),
    ('projects', {'name': 'n' * 65}, 400), ('projects', {'name': ' '}, 400), ('projects', {'name': ' w p '}, {'name': 'w p'}),
    ('projects', {'name': 'wp', 'enabled': 'false'}, 400), ('projects', {'name': 'wp', 'is_domain': 'true'}, 400),
    ('projects', {'name': 'wp', 'parent_id': 'w-nowhere'}, 400), ('projects', {'name': 'wp', 'domain_id': 'w-nowhere'}, 400),
    ('projects', {'name': 'wp', 'parent_id': '<project>', 'domain_id': '<domain>'}, 400), ('projects', {'name': 'wp', 'parent_id': '<off>'}, 400),
    ('projects', {'name': 'wp', 'parent_id': 5}, 400), ('projects', {'name': 'wp', 'tags': ['a', 'a']}, 400), ('projects', {'name': 'wp', 'tags': ['a,b']}, 400),
    ('projects', {'name': 'wp', 'tags': 'a'}, 400), ('projects', {'name': 'wq', 'domain_id': None, 'parent_id': None}, {'domain_id': 'default', 'parent_id': 'default'}),
    ('projects', {'name': 'wr', 'id': 'x', 'extra': 'e', 'description': None}, {'extra': 'e', 'description': None}),
    ('projects', {'name': 'ws', 'domain_id': '<domain>'}, {'parent_id': '<domain>', 'is_domain': False}),
    ('domains', {'name': ''}, 400), ('domains', {'name': 'wd', 'enabled': 'yes'}, 400), ('domains', {'name': 'wd', 'tags': [5]}, 400),
    ('domains', {'name': 'we', 'id': 'x', 'extra': 1}, {'extra': 1, 'enabled': True}),
    ('roles', {'name': ' '}, 400), ('roles', {'name': 'wr', 'description': None}, 400), ('roles', {'name': 'ws', 'id': 'x', 'extra': 1}, {'extra': 1, 'domain_id': None}),
    ('services', {'name': 'x'}, 400), ('services', {'type': ''}, 400), ('services', {'type': 5}, 400), ('services', {'type': 'wt', 'name': None}, 400),
    ('services', {'type': 'wt', 'enabled': 'true'}, 400), ('services', {'type': 'wt', 'id': 'x', 'extra': 1}, {'name': '', 'extra': 1, 'description': GONE}),
    ('endpoints', {'service_id': '<service>', 'interface': 'open', 'url': 'http://w'}, 400), ('endpoints', {'service_id': '<service>', 'interface': 'public'}, 400),
    ('endpoints', {'service_id': '<service>', 'interface': 'public', 'url': 'no-scheme'}, 400),
    ('endpoints', {'service_id': '<service>', 'interface': 'public', 'url': 'http://' + 'w' * 219}, 400),
    ('endpoints', {'service_id': 'w-nowhere', 'interface': 'public', 'url': 'http://w'}, 400),
    ('endpoints', {'service_id': '<service>', 'interface': 'public', 'url': 'http://w', 'region_id': 'w-nowhere'}, 400),
    ('endpoints', {'service_id': '<service>', 'interface': 'public', 'url': 'http://w', 'region_id': None}, 400),
    ('endpoints', {'service_id': '<service>', 'interface': 'public', 'url': 'http://w', 'enabled': 'true'}, 400),
    ('endpoints', {'service_id': '<service>', 'interface': 'admin', 'url': 'http://w', 'region': 'w-made', 'name': 'n'}, {'region_id': 'w-made', 'region': 'w-made', 'name': 'n'}),
    ('regions', {'id': 5}, 400), ('regions', {'id': 'w-region'}, 409), ('regions', {'id': 'wra', 'parent_region_id': 'w-nowhere'}, 404),
    ('regions', {'id': 'wrb', 'description': None, 'extra': 1}, {'id': 'wrb', 'description': '', 'parent_region_id': None, 'extra': 1}),
    ('regions', {'id': 'wrc', 'parent_region_id': 5}, 400),
]


@pytest.mark.parametrize('row', KEYSTONE_MADE, ids=named)
def test_keystone_takes_what_its_schemas_take(cloud, ids, row):
    many, body, want = filled(row[:2], ids) + [row[2]]
    want = want if isinstance(want, int) else {k: v if v is GONE else filled(v, ids) for k, v in want.items()}
    made = check(cloud.admin.call('POST', f'{V3}/{many}', {ONE[many]: body}), want, many)
    if made:
        assert made['id'] != 'x' and made['links']['self'].endswith(f"/v3/{many}/{made['id']}"), made
        cloud.admin.call('PATCH', f"{V3}/{many}/{made['id']}", {ONE[many]: {'enabled': False}})
        assert cloud.admin.call('DELETE', f"{V3}/{many}/{made['id']}").status_code == 204


KEYSTONE_CHANGED = [
    ('users/<user>', {}, 400), ('groups/<group>', {}, 400), ('projects/<project>', {}, 400), ('domains/<domain>', {}, 400), ('roles/<role>', {}, 400),
    ('services/<service>', {}, 400), ('endpoints/<endpoint>', {}, 400), ('regions/w-region', {}, 400),
    ('users/<user>', {'id': '<user>', 'name': ' w-user '}, {'name': 'w-user'}), ('users/<user>', {'id': 'x'}, 400), ('users/<user>', {'name': None}, 400),
    ('users/<user>', {'name': ' '}, 400), ('users/<user>', {'enabled': 'false'}, 400), ('users/<user>', {'enabled': None}, 400),
    ('users/<user>', {'domain_id': 'default', 'further': [1]}, {'further': [1]}), ('users/<user>', {'domain_id': '<domain>'}, 400),
    ('users/<user>', {'default_project_id': None}, {'default_project_id': GONE}), ('users/<user>', {'default_project_id': '<domain>'}, 400),
    ('groups/<group>', {'domain_id': '<domain>'}, 400), ('groups/<group>', {'id': '<group>', 'further': 1}, {'further': 1}),
    ('projects/<child>', {'parent_id': '<off>'}, 403), ('projects/<child>', {'parent_id': '<project>', 'is_domain': False}, {'name': 'w-child'}),
    ('projects/<child>', {'is_domain': True}, 400), ('projects/<child>', {'domain_id': '<domain>'}, 400), ('projects/<child>', {'tags': ['a,b']}, 400),
    ('projects/<project>', {'enabled': False}, 403), ('projects/<project>', {'description': None}, {'description': None}),
    ('domains/<domain>', {'enabled': 'x'}, 400), ('domains/<domain>', {'description': 'd', 'id': '<domain>'}, {'description': 'd'}),
    ('roles/<role>', {'description': None}, 400), ('roles/<role>', {'name': ''}, 400), ('roles/<role>', {'domain_id': '<domain>'}, 400),
    ('services/<service>', {'type': None}, 400), ('services/<service>', {'name': None}, 400), ('services/<service>', {'enabled': 0}, 400),
    ('services/<service>', {'description': 'd', 'id': '<service>'}, {'description': 'd', 'type': 'w-type'}),
    ('endpoints/<endpoint>', {'url': 'w'}, 400), ('endpoints/<endpoint>', {'region_id': 'w-nowhere'}, 400), ('endpoints/<endpoint>', {'service_id': 'w-nowhere'}, 400),
    ('endpoints/<endpoint>', {'region_id': None}, 400), ('endpoints/<endpoint>', {'url': 'https://w/$(project_id)s', 'id': '<endpoint>'}, {'url': 'https://w/$(project_id)s'}),
    ('regions/w-region', {'id': 'x'}, 400), ('regions/w-region', {'description': None}, {'description': ''}),
]


@pytest.mark.parametrize('row', KEYSTONE_CHANGED, ids=named)
def test_keystone_changes_what_its_schemas_take(cloud, ids, row):
    path, body = filled(row[:2], ids)
    many = path.split('/')[0]
    check(cloud.admin.call('PATCH', f'{V3}/{path}', {ONE[many]: body}), row[2], many)


KEYSTONE_LISTS = [
    ('users?name=w-user', 'w-user'), ('users?name=w-user&name=admin', ''), ('users?name__startswith=w-&name__endswith=user', 'w-user'),
    ('users?password_expires_at=lt:2030-01-01T00:00:00Z', ''), ('users?password_expires_at=lt:soon', 400), ('users?password_expires_at=about:2030-01-01T00:00:00Z', 400),
    ('users?idp_id=x', ''), ('users?protocol_id=x', ''), ('users?unique_id=x', ''), ('users?domain_id=<domain>', ''), ('users?enabled=False&name__startswith=w-', ''),
    ('groups?name=w-group&domain_id=default', 'w-group'), ('groups?name=w-group&domain_id=<domain>', ''), ('groups?name__icontains=W-GR', 'w-group'),
    ('projects?parent_id=<project>', 'w-child'), ('projects?name=w-child&enabled=0', ''), ('projects?name__startswith=w-o&enabled=false', 'w-off'),
    ('projects?is_domain=true&name=w-domain', 'w-domain'), ('projects?is_domain=0&name=w-domain', ''), ('projects?is_domain&name=w-domain', 'w-domain'), ('projects?is_domain=n&name=w-domain', ''), ('projects?domain_id=<domain>', ''),
    ('domains?name__contains=-dom', 'w-domain'), ('domains?enabled=no', ''), ('roles?name=w-role', 'w-role'), ('roles?domain_id=<domain>', ''),
    ('services?type=w-type', 'w-service'), ('services?name=w-service&type=compute', ''), ('services?type__startswith=w-t', 'w-service'),
    ('endpoints?service_id=<service>&interface=public', '1'), ('endpoints?service_id=<service>&interface=internal', ''), ('endpoints?region_id=w-region', '1'),
    ('regions?parent_region_id=w-region', ''), ('groups/<group>/users?name=w-user', 'w-user'), ('groups/<group>/users?enabled=false', ''),
    ('groups/<group>/users?name__contains=nobody', ''), ('users/<user>/groups?name=w-group', 'w-group'), ('users/<user>/groups?name=x', ''),
    ('users/<user>/projects', 'w-off w-project'), ('users/<user>/projects?name=w-project', 'w-project'), ('users/<user>/projects?enabled=false', 'w-off'),
    ('users/<user>/projects?domain_id=<domain>', ''), ('users/<user>/projects?name__contains=off', 'w-off'),
]


@pytest.mark.parametrize('row', KEYSTONE_LISTS, ids=named)
def test_keystone_lists_what_is_asked_for(cloud, ids, row):
    query, want = filled(row, ids)
    got = cloud.admin.call('GET', f'{V3}/{query}')
    if want == 400:
        assert got.status_code == 400, got.text
        return
    many = query.split('?')[0].split('/')[-1]
    links = got.json()['links']
    assert links['next'] is None and links['previous'] is None and links['self'].endswith(query.split('?')[0] if '?' not in query else links['self'])
    found = got.json()[many]
    assert str(len(found)) == want if want.isdigit() else sorted(d['name'] for d in found) == want.split()


def test_a_project_shows_what_is_above_and_below_it(cloud, ids):
    path, project, child = V3 + '/projects/', ids['project'], ids['child']
    assert cloud.admin.get(f'{path}{child}?parents_as_ids')['project']['parents'] == {project: {'default': None}}
    assert cloud.admin.get(f'{path}{project}?subtree_as_ids')['project']['subtree'] == {child: None}
    assert cloud.admin.get(f'{path}{child}?subtree_as_ids')['project']['subtree'] is None
    cloud.admin.put(f'{path}{child}/users/{cloud.admin.user_id}/roles/{ids["role"]}', None, 204)
    below = cloud.admin.get(f'{path}{project}?subtree_as_list')['project']['subtree']
    assert [one['project']['name'] for one in below] == ['w-child'], 'of those that the caller has a role on'
    assert cloud.admin.get(f'{path}{child}?parents_as_list')['project']['parents'] == []
    assert 'subtree' not in cloud.admin.get(f'{path}{project}?subtree_as_ids=0')['project']
    assert cloud.admin.get(f'{path}default?subtree_as_ids')['project']['subtree'][project] == {child: None}
    assert cloud.demo.get(f'{path}default?subtree_as_ids')['project']['subtree'] is None, 'who lives in a domain sees his own'
    for both in 'parents_as_list&parents_as_ids', 'subtree_as_list&subtree_as_ids':
        assert cloud.admin.call('GET', f'{path}{child}?{both}').status_code == 400


def test_keystone_disables_projects_from_the_leaves_and_enables_them_from_the_top(cloud):
    top = cloud.admin.post(V3 + '/projects', {'project': {'name': 'w-top'}})['project']['id']
    low = cloud.admin.post(V3 + '/projects', {'project': {'name': 'w-low', 'parent_id': top}})['project']['id']
    for project, enabled, status in (top, False, 403), (low, False, 200), (top, False, 200), (low, True, 403), (top, True, 200), (low, True, 200):
        assert cloud.admin.call('PATCH', f'{V3}/projects/{project}', {'project': {'enabled': enabled}}).status_code == status


CREDENTIALS = [
    ({'name': ' '}, 400), ({}, 400), ({'name': 'c', 'secret': 5}, 400), ({'name': 'c', 'unrestricted': 'true'}, 400), ({'name': 'c', 'expires_at': 5}, 400),
    ({'name': 'c', 'roles': [{}]}, 400), ({'name': 'c', 'roles': [{'id': 'x', 'name': 'y'}]}, 400), ({'name': 'c', 'roles': ['admin']}, 400),
    ({'name': 'c', 'access_rules': [{'path': 'x', 'method': 'GET', 'service': 'compute'}]}, 400),
    ({'name': 'c', 'access_rules': [{'path': '/x', 'method': 'TAKE', 'service': 'compute'}]}, 400),
    ({'name': 'c', 'secret': None, 'description': None, 'expires_at': None}, {'description': None, 'expires_at': None, 'unrestricted': False}),
    ({'name': 'd', 'project_id': 'x', 'user_id': 'y', 'id': 'z'}, {'project_id': '<mine>'}),
]


@pytest.mark.parametrize('row', CREDENTIALS, ids=named)
def test_keystone_takes_credentials_as_its_schema_does(cloud, ids, row):
    want = row[1] if isinstance(row[1], int) else filled(row[1], ids)
    path = f'{V3}/users/{cloud.demo.user_id}/application_credentials'
    got = cloud.demo.call('POST', path, {'application_credential': row[0]})
    if check(got, want if isinstance(want, int) else {}):
        made = got.json()['application_credential']
        assert {**made, **want} == made and made['secret']
        assert [c['name'] for c in cloud.demo.get(f"{path}?name={made['name']}")['application_credentials']] == [made['name']]
        assert cloud.demo.get(f'{path}?name=nobody')['application_credentials'] == []
        cloud.demo.delete(f"{path}/{made['id']}")


def test_keystone_changes_passwords_by_two_words_alone(cloud):
    user = cloud.admin.post(V3 + '/users', {'user': {'name': 'w-pass', 'password': 'old'}})['user']['id']
    for body, status in (({}, 400), ({'password': 'new'}, 400), ({'original_password': 'old', 'password': 5}, 400), ({'original_password': None, 'password': 'new'}, 400),
                         ({'original_password': 'old', 'password': 'new', 'name': 'x'}, 400), ({'original_password': 'old', 'password': 'new'}, 204)):
        assert cloud.admin.call('POST', f'{V3}/users/{user}/password', {'user': body}).status_code == status, body


DEFAULT = {'id': 'default'}
LOGINS = [
    ({'user': {'name': 'admin'}}, 400), ({'user': {'name': 5, 'domain': DEFAULT}}, 400), ({'user': {'name': 'admin', 'domain': {}}}, 400), ({'user': {'name': 'admin', 'domain': 'default'}}, 400),
    ({'user': {}}, 400), ({'user': {'domain': DEFAULT}}, 400), ({'user': {'name': 'admin', 'domain': {'name': 'Default'}}}, 201), ({'methods': ['token']}, 400), ({'methods': 'password'}, 400), ({'methods': [5]}, 400),
    ({'scope': 'unscoped'}, 201), ({'scope': {'unscoped': {}}}, 201), ({'scope': {}}, 400), ({'scope': 5}, 400), ({'scope': {'project': {'name': 'admin'}}}, 400), ({'scope': {'project': {}}}, 400),
    ({'scope': {'project': {'name': 'admin', 'domain': {}}}}, 400), ({'scope': {'project': {'id': 5}}}, 400), ({'scope': {'project': {'name': 'admin', 'domain': DEFAULT}}}, 201), ({'scope': {'project': '<mine>'}}, 400),
    ({'scope': {'project': {'name': 'admin', 'domain': DEFAULT}, 'domain': DEFAULT}}, 400), ({'scope': {'domain': {}}}, 400), ({'scope': {'domain': DEFAULT}}, 201), ({'scope': {'system': {'all': 'true'}}}, 400),
    ({'scope': {'system': {'all': True}}}, 201),
]


@pytest.mark.parametrize('row', LOGINS, ids=named)
def test_keystone_reads_logins_as_its_schema_does(cloud, row):
    given, want = row
    user = {**given.get('user', {'name': 'admin', 'domain': DEFAULT}), 'password': read_openrc(cloud.apid.dir / 'openrc')['OS_PASSWORD']}
    auth = {'identity': {'methods': given.get('methods', ['password']), 'password': {'user': user}}, **({'scope': given['scope']} if 'scope' in given else {})}
    got = cloud.admin.call('POST', V3 + '/auth/tokens', {'auth': auth})
    assert got.status_code == want, got.text
    assert want == 400 or ('catalog' in got.json()['token']) == ('unscoped' not in str(given))


GLANCE_MADE = [
    ({'min_ram': '512'}, 400), ({'min_disk': '1'}, 400), ({'min_ram': -1}, 400), ({'min_ram': 1.5}, 400), ({'min_ram': None}, 400), ({'protected': 'true'}, 400),
    ({'os_hidden': 1}, 400), ({'visibility': 'open'}, 400), ({'visibility': None}, 400), ({'name': 5}, 400), ({'name': None}, {'name': None}),
    ({'tags': None}, 400), ({'tags': [5]}, 400), ({'prop': None}, 400), ({'prop': 5}, 400), ({'prop': True}, 400), ({'prop': ''}, {'prop': ''}),
    ({'status': 'active'}, 403), ({'size': 5}, 403), ({'checksum': 'x'}, 403), ({'os_hash_value': 'x'}, 403), ({'virtual_size': 1}, 403),
    ({'created_at': '2020-01-01T00:00:00Z'}, 403), ({'self': 'x'}, 403), ({'file': 'x'}, 403), ({'schema': 'x'}, 403), ({'stores': 'x'}, 403), ({'direct_url': 'x'}, 403),
    ({'location': 'x'}, 403), ({'deleted': 'x'}, 403), ({'deleted_at': 'x'}, 403), ({'os_glance_x': 'x'}, 403), ({'p' * 256: 'x'}, 400),
    ({'id': 'ABCDEF01-2345-6789-abcd-ef0123456789'}, {}), ({'id': 'abcdef0123456789abcdef0123456789'}, 400), ({'disk_format': None, 'container_format': None}, {'disk_format': None}),
    ({'disk_format': 'floppy'}, 400), ({'min_ram': 512, 'min_disk': 3}, {'min_ram': 512, 'min_disk': 3, 'visibility': 'shared', 'protected': False}),
]


@pytest.mark.parametrize('row', GLANCE_MADE, ids=named)
def test_glance_takes_what_its_schema_takes(cloud, row):
    made = check(cloud.demo.call('POST', V2, row[0]), row[1])
    if made:
        cloud.demo.delete(f"{V2}/{made['id']}")


def step(op, path, *value):
    return {'op': op, 'path': path, **({'value': value[0]} if value else {})}


GLANCE_PATCHED = [
    ([], {'name': 'w'}), ([step('replace', '/name', 'n')], {'name': 'n'}), ([step('add', '/name', 'm')], {'name': 'm'}), ([step('add', '/p', 'x')], {'p': 'x'}),
    ([step('add', '/q~1r~0s', 'x')], {'q/r~s': 'x'}), ([step('add', '/u', 'x'), step('replace', '/u', 'y')], {'u': 'y'}),
    ([step('add', '/v', 'x'), step('remove', '/v')], {'v': GONE}), ([step('replace', '/min_ram', '5')], 400), ([step('replace', '/min_ram', 5)], {'min_ram': 5}),
    ([step('replace', '/protected', 'false')], 400), ([step('replace', '/tags', ['a', 'a'])], {'tags': ['a']}), ([step('replace', '/tags', 'a')], 400),
    ([step('replace', '/p')], 400), ([step('replace', '/none', 'x')], 409), ([step('remove', '/none')], 409), ([step('remove', '/name')], 403),
    ([step('remove', '/tags')], 403), ([step('replace', '/status', 'x')], 403), ([step('add', '/id', 'x')], 403), ([step('add', '/size', 1)], 403),
    ([step('add', '/location', 'x')], 403), ([step('add', '/deleted', 'x')], 403), ([step('add', '/os_glance_x', 'x')], 403), ([step('add', '/x', None)], 400),
    ([step('add', '/x', 5)], 400), ([step('add', 'x', 'y')], 400), ([step('add', '/x/', 'y')], 400), ([step('add', '/x//y', 'y')], 400), ([step('add', '/x/y', 'y')], 400),
    ([step('add', '/x~2', 'y')], 400), ([step('add', '/x~', 'y')], 400), ([step('copy', '/x', 'y')], 400), ([{'path': '/x', 'value': 'y'}], 400), ([{'op': 'add', 'value': 'y'}], 400),
    ([step('replace', '/owner', 'x')], 403), ([step('replace', '/visibility', 'community')], {'visibility': 'community'}), ({}, 400), (['x'], 400),
]
OLD_PATCHED = [
    ([{'replace': '/name', 'value': 'o'}], {'name': 'o'}), ([{'add': '/p2', 'value': 'o'}], {'p2': 'o'}), ([{'add': '/p2', 'value': 'o'}], 409),
    ([{'add': '/name', 'value': 'o'}], 409), ([{'remove': '/p2'}], {'p2': GONE}), ([{'add': '/a', 'remove': '/b', 'value': 'x'}], 400), ([{'value': 'x'}], 400),
]


@pytest.fixture(scope='module')
def patched(cloud):
    return cloud.demo.post(V2, {'name': 'w'})['id']


@pytest.mark.parametrize('version,row', [('1', row) for row in GLANCE_PATCHED] + [('0', row) for row in OLD_PATCHED], ids=named)
def test_glance_patches_as_its_deserializer_reads(cloud, patched, version, row):
    kind = f'application/openstack-images-v2.{version}-json-patch'
    check(cloud.demo.call('PATCH', f'{V2}/{patched}', row[0], Content_Type=kind), row[1])


@pytest.fixture(scope='module')
def listed(cloud):
    """Images la, lb and lc, in the order they were made; ld is another project's."""
    for name, more in ('la', {'tags': ['l', 'l2'], 'min_ram': 3}), ('lc', {'tags': ['l']}), ('lb', {'tags': ['l'], 'os_hidden': True, 'prop': 'p'}):
        cloud.demo.post(V2, {'name': name, 'container_format': 'bare', 'disk_format': 'raw', **more})
    return cloud.admin.post(V2, {'name': 'ld', 'tags': ['l']})['id']


GLANCE_LISTS = [
    ('', 'lc la'), ('&sort_key=name&sort_dir=asc', 'la lc'), ('&sort_key=name', 'lc la'), ('&sort=name:asc', 'la lc'), ('&sort=name', 'lc la'), ('&sort=name:', 'lc la'),
    ('&sort=status:asc,name:asc', 'la lc'), ('&sort=disk_format,name:asc', 'la lc'), ('&sort_dir=asc', 'lc la'), ('&sort_dir=up', 400), ('&sort_key=status&sort_key=name&sort_dir=asc', 'la lc'),
    ('&sort_key=status&sort_key=name&sort_dir=asc&sort_dir=desc', 'lc la'), ('&sort_key=status&sort_dir=asc&sort_dir=desc', 400), ('&sort_key=status&sort_dir=asc', 'lc la'),
    ('&sort_key=min_ram', 400), ('&sort_key=visibility', 400), ('&sort_key=owner', 400), ('&sort_key=prop', 400), ('&sort=', 400), ('&sort=name:up', 400), ('&sort=min_ram:asc', 400),
    ('&sort=name&sort_dir=asc', 400), ('&limit=0', ''), ('&limit=1&sort_key=name', 'lc'), ('&limit=x', 400), ('&limit=-1', 400), ('&limit=5000', 'lc la'), ('&marker=<foreign>', 400),
    ('&os_hidden=true', 'lb'), ('&os_hidden=true&prop=p', 'lb'), ('&prop=p', ''), ('&tag=l2', 'la'), ('&tag=l2&tag=none', ''), ('&min_ram=3', 'la'), ('&min_ram_max=2', 'lc'),
    ('&owner=<mine>', 'lc la'), ('&owner=x', ''), ('&status=in:queued,active', 'lc la'), ('&status=active', ''), ('&protected=false', 'lc la'), ('&protected=False', 400),
    ('&visibility=shared', 'lc la'), ('&visibility=private', ''), ('&name=in:la,"lc"&sort_key=name', 'lc la'), ('&name=neq:la', 400), ('&id=in:x', ''), ('&checksum=x', ''), ('&size_min=1', ''),
    ('&size_min=a', 400), ('&created_at=gt:2014-01-01T00:00:00Z', 'lc la'), ('&updated_at=lte:2014-01-01T00:00:00Z', ''), ('&created_at=in:2014-01-01T00:00:00Z', 400),
]


@pytest.mark.parametrize('row', GLANCE_LISTS, ids=named)
def test_glance_lists_what_is_asked_for(cloud, ids, listed, row):
    query = row[0].replace('<foreign>', listed).replace('<mine>', ids['mine'])
    got = cloud.demo.call('GET', f'{V2}?tag=l{query}')
    if row[1] == 400:
        assert got.status_code == 400, got.text
        return
    names = [i['name'] for i in got.json()['images']]
    assert (names if 'name' in query else sorted(names, reverse=True)) == row[1].split(), 'of one second, images are in any order'
    assert got.json()['first'].startswith('/v2/images?tag=l') and got.json()['schema'] == '/v2/schemas/images'


def test_glance_begins_again_at_the_first_page(cloud, listed):
    page = cloud.demo.get(f'{V2}?tag=l&limit=1&sort_key=name')
    assert page['next'].startswith('/v2/images?tag=l&limit=1&sort_key=name&marker=')
    page = cloud.demo.get('/image' + page['next'])
    assert [i['name'] for i in page['images']] == ['la'] and page['first'] == '/v2/images?tag=l&limit=1&sort_key=name'


def test_glance_tells_members_of_shared_images_alone(cloud):
    private = cloud.demo.post(V2, {'name': 'wp', 'visibility': 'private'})['id']
    shared = cloud.demo.post(V2, {'name': 'ws'})['id']
    for method, path, body, status in (
            ('GET', f'{private}/members', None, 403), ('POST', f'{private}/members', {'member': 'x'}, 403), ('GET', f'{private}/members/x', None, 404),
            ('DELETE', f'{private}/members/x', None, 403), ('POST', f'{shared}/members', {}, 400), ('POST', f'{shared}/members', {'member': ''}, 400),
            ('POST', f'{shared}/members', ['x'], 400), ('POST', f'{shared}/members', {'member': 'x'}, 200), ('POST', f'{shared}/members', {'member': 'x'}, 409),
            ('PUT', f'{shared}/members/x', {'status': 'accepted'}, 403), ('DELETE', f'{shared}/members/y', None, 404), ('DELETE', f'{shared}/members/x', None, 204)):
        assert cloud.demo.call(method, f'{V2}/{path}', body).status_code == status, (method, path, body)


NEUTRON_MADE = [
    ('networks', {'name': 5}, 400), ('networks', {'name': None}, 400), ('networks', {'name': 'w', 'admin_state_up': 'False'}, {'admin_state_up': False}),
    ('networks', {'admin_state_up': 0}, {'admin_state_up': False, 'name': ''}), ('networks', {'admin_state_up': 'maybe'}, 400), ('networks', {'shared': 'true'}, {'shared': True}),
    ('networks', {'mtu': '1400'}, {'mtu': 1400}), ('networks', {'mtu': 'x'}, 400), ('networks', {'port_security_enabled': 'false'}, {'port_security_enabled': False}),
    ('networks', {'provider:network_type': 'vlan', 'provider:physical_network': 'physnet1', 'provider:segmentation_id': '177'}, {'provider:segmentation_id': 177}),
    ('networks', {'frob': 1}, 400), ('networks', {'id': '01234567-89ab-cdef-0123-456789abcdef'}, 400), ('networks', {'status': 'ACTIVE'}, 400), ('networks', {'tenant_id': '<mine>'}, {'project_id': '<mine>'}),
    ('networks', {'tenant_id': 5}, 400), ('networks', {'tenant_id': '<mine>', 'project_id': 'x'}, 400), ('networks', {'description': None}, 400),
    ('subnets', {'network_id': '<net>', 'ip_version': '4', 'cidr': '10.8.0.0/24', 'enable_dhcp': 'false'}, {'ip_version': 4, 'enable_dhcp': False}),
    ('subnets', {'network_id': '<net>', 'ip_version': 5, 'cidr': '10.8.0.0/24'}, 400), ('subnets', {'network_id': '<net>', 'ip_version': 'x', 'cidr': '10.8.0.0/24'}, 400),
    ('subnets', {'network_id': '<net>', 'ip_version': 4, 'cidr': '10.8.0.9/24'}, {'cidr': '10.8.0.0/24'}), ('subnets', {'network_id': '<net>', 'ip_version': 4, 'cidr': 5}, 400),
    ('subnets', {'network_id': '<net>', 'ip_version': 4, 'cidr': '10.8.0.0/24', 'dns_nameservers': None, 'host_routes': None}, {'dns_nameservers': [], 'host_routes': []}),
    ('subnets', {'network_id': '<net>', 'ip_version': 4, 'cidr': '10.8.0.0/24', 'gateway_ip': None, 'subnetpool_id': None}, {'gateway_ip': None}),
    ('subnets', {'network_id': '<net>', 'ip_version': 4, 'cidr': '10.8.0.0/24', 'allocation_pools': 'x'}, 400), ('subnets', {'network_id': 5, 'ip_version': 4, 'cidr': '10.8.0.0/24'}, 400),
    ('subnets', {'network_id': '<net>', 'ip_version': 4, 'cidr': '10.8.0.0/24', 'dns_nameservers': ['1.1.1.1', '1.1.1.1']}, 400),
    ('subnets', {'network_id': '<net>', 'ip_version': 4, 'cidr': '10.8.0.0/24', 'host_routes': [{'destination': '10.1.0.0/16', 'nexthop': '10.8.0.2'}] * 2}, 400),
    ('ports', {'network_id': '<net>', 'security_groups': None}, {'security_groups': []}), ('ports', {'network_id': '<net>', 'allowed_address_pairs': None}, {'allowed_address_pairs': []}),
    ('ports', {'network_id': '<net>', 'extra_dhcp_opts': None}, {'extra_dhcp_opts': []}), ('ports', {'network_id': '<net>', 'binding:profile': None}, {'binding:profile': {}}),
    ('ports', {'network_id': '<net>', 'admin_state_up': '1', 'port_security_enabled': 'True'}, {'admin_state_up': True, 'port_security_enabled': True}),
    ('ports', {'network_id': '<net>', 'security_groups': ['<sg>', '<sg>']}, 400), ('ports', {'network_id': '<net>', 'security_groups': 'x'}, 400), ('ports', {'network_id': 'x'}, 400), ('ports', {}, 400),
    ('ports', {'network_id': '<net>', 'fixed_ips': [{'subnet_id': '<subnet>', 'ip_address': '10.9.0.77'}] * 2}, 400), ('ports', {'network_id': '<net>', 'fixed_ips': 'x'}, 400),
    ('ports', {'network_id': '<net>', 'device_id': 5}, 400), ('ports', {'network_id': '<net>', 'mac_address': 'x'}, 400), ('ports', {'network_id': '<net>', 'binding:vnic_type': 'odd'}, 400),
    ('ports', {'network_id': '<net>', 'mac_address': 'FA-16-3E-00-0A-0B'}, {'mac_address': 'fa:16:3e:00:0a:0b'}), ('ports', {'network_id': '<net>', 'device_owner': None}, 400),
    ('ports', {'network_id': '<net>', 'allowed_address_pairs': [{'ip_address': '10.9.0.9'}] * 2}, 400),
    ('security-groups', {'name': 'default'}, 409), ('security-groups', {'name': 'Default'}, 409), ('security-groups', {'name': 'w', 'stateful': 'false'}, {'stateful': False}), ('security-groups', {'name': 5}, 400),
    ('subnets', {'network_id': '<net>', 'ip_version': 4, 'cidr': '10.8.0.0/24', 'service_types': ['test:one', 'network:two']}, {'service_types': ['test:one', 'network:two']}),
    ('subnets', {'network_id': '<net>', 'ip_version': 4, 'cidr': '10.8.0.0/24', 'service_types': ['baremetal:none']}, 400),
    ('security-group-rules', {'security_group_id': 'nowhere', 'direction': 'ingress'}, 404), ('security-group-rules', {'security_group_id': '<sg>', 'direction': 'ingress', 'remote_group_id': 'nowhere'}, 404),
    ('security-group-rules', {'security_group_id': '<sg>', 'direction': 'up'}, 400), ('security-group-rules', {'security_group_id': '<sg>'}, 400),
    ('security-group-rules', {'security_group_id': '<sg>', 'direction': 'ingress', 'ethertype': 'ipv6', 'protocol': 'icmp'}, {'ethertype': 'IPv6', 'protocol': 'ipv6-icmp'}),
    ('security-group-rules', {'security_group_id': '<sg>', 'direction': 'ingress', 'ethertype': 'IPv6', 'protocol': 1}, {'protocol': '58'}),
    ('security-group-rules', {'security_group_id': '<sg>', 'direction': 'ingress', 'protocol': 'tcp', 'port_range_min': '22', 'port_range_max': '22'}, {'port_range_min': 22}),
    ('security-group-rules', {'security_group_id': '<sg>', 'direction': 'ingress', 'protocol': 'tcp', 'port_range_min': 1, 'port_range_max': 65535}, {'port_range_min': None, 'port_range_max': None}),
    ('security-group-rules', {'security_group_id': '<sg>', 'direction': 'ingress', 'port_range_min': 1, 'port_range_max': 65535}, {'port_range_min': None}),
    ('security-group-rules', {'security_group_id': '<sg>', 'direction': 'ingress', 'protocol': 'tcp', 'port_range_min': 22, 'port_range_max': 65536}, 400),
    ('security-group-rules', {'security_group_id': '<sg>', 'direction': 'ingress', 'protocol': 'tcp', 'port_range_min': -1, 'port_range_max': 5}, 400),
    ('security-group-rules', {'security_group_id': '<sg>', 'direction': 'ingress', 'protocol': '256'}, 400), ('security-group-rules', {'security_group_id': '<sg>', 'direction': 'ingress', 'protocol': 'TCP'}, {'protocol': 'tcp'}),
    ('security-group-rules', {'security_group_id': '<sg>', 'direction': 'ingress', 'protocol': 'icmpv6'}, 400), ('security-group-rules', {'security_group_id': '<sg>', 'direction': 'ingress', 'protocol': 58}, 400),
    ('security-group-rules', {'security_group_id': '<sg>', 'direction': 'ingress', 'remote_ip_prefix': '10.0.0.9/8'}, {'remote_ip_prefix': '10.0.0.9/8', 'normalized_cidr': '10.0.0.0/8'}),
    ('security-group-rules', {'security_group_id': '<sg>', 'direction': 'ingress', 'remote_ip_prefix': '10.0.0.9'}, {'remote_ip_prefix': '10.0.0.9/32'}),
    ('security-group-rules', {'security_group_id': '<sg>', 'direction': 'ingress', 'remote_ip_prefix': '::/0'}, 400), ('security-group-rules', {'security_group_id': '<sg>', 'direction': 'ingress', 'remote_ip_prefix': '', 'remote_group_id': '<sg2>'}, {'remote_ip_prefix': None}),
    ('security-group-rules', {'security_group_id': '<sg>', 'direction': 'ingress', 'remote_ip_prefix': '10.0.0.0/8', 'remote_group_id': '<sg2>'}, 400),
    ('security-group-rules', {'security_group_id': '<sg>', 'direction': 'egress'}, 409), ('security-group-rules', {'security_group_id': '<sg>', 'direction': 'egress', 'remote_ip_prefix': '0.0.0.0/0'}, 409),
]


@pytest.mark.parametrize('row', NEUTRON_MADE, ids=named)
def test_neutron_takes_what_its_definitions_take(cloud, ids, row):
    many, body = filled(row[:2], ids)
    want = row[2] if isinstance(row[2], int) else filled(row[2], ids)
    made = check(cloud.admin.call('POST', f'{NET}/{many}', {ONE[many]: body}), want, many)
    if made:
        cloud.admin.delete(f"{NET}/{many}/{made['id']}")


NEUTRON_LISTS = [
    ('networks?sort_key=name&sort_dir=asc', 200), ('networks?sort_key=frob&sort_dir=asc', 400), ('networks?sort_key=subnets&sort_dir=asc', 400), ('networks?sort_key=name', 400),
    ('networks?sort_key=tags&sort_dir=asc', 400), ('networks?sort_key=availability_zones&sort_dir=asc', 400), ('networks?sort_key=name&sort_dir=up', 400),
    ('ports?sort_key=fixed_ips&sort_dir=asc', 400), ('ports?sort_key=security_groups&sort_dir=asc', 400), ('ports?sort_key=binding:profile&sort_dir=asc', 400), ('ports?sort_key=mac_address&sort_dir=desc', 200),
    ('subnets?sort_key=allocation_pools&sort_dir=asc', 400), ('subnets?sort_key=cidr&sort_dir=asc', 200), ('networks?limit=x', 400), ('networks?limit=-1', 400),
    ('networks?fields=name&fields=frob', 200), ('networks?frob=1', 400), ('networks/', 200), ('networks.json', 200), ('networks.xml', 404), ('networks?admin_state_up=maybe', 400),
    ('agents?description=x&topic=y', 200), ('agents?configurations=x', 400), ('ports?limit=1&marker=x', 404), ('security-groups?name=w-sg', 200), ('security-group-rules?security_group_id=<sg>&direction=ingress&normalized_cidr=10.0.0.0/8&remote_address_group_id=x', 200),
    ('security-group-rules?sort_key=normalized_cidr&sort_dir=asc', 200), ('networks?not-tags-any=a&tags=b', 200),
]


@pytest.mark.parametrize('row', NEUTRON_LISTS, ids=named)
def test_neutron_answers_lists_by_status(cloud, ids, row):
    assert cloud.admin.call('GET', f'{NET}/{filled(row[0], ids)}').status_code == row[1]


@pytest.mark.parametrize('many,body,status', [
    ('networks', {'shared': False, 'router:external': 'false'}, 201), ('networks', {'shared': True}, 403), ('networks', {'provider:network_type': None}, 403),
    ('networks', {'segments': []}, 400), ('ports', {'network_id': '<net>', 'binding:profile': {}}, 403), ('ports', {'network_id': '<net>', 'binding:host_id': ''}, 403),
    ('ports', {'network_id': '<net>', 'binding:vnic_type': 'direct'}, 201)])
def test_neutron_members_do_not_say_what_is_an_admins(cloud, ids, many, body, status):
    own = cloud.demo.post(NET + '/networks', {'network': {'name': 'w'}})['network']['id']
    assert cloud.demo.call('POST', f'{NET}/{many}', {ONE[many]: filled(body, {'net': own})}).status_code == status


def test_neutrons_owners_see_all_of_what_is_theirs_and_send_away(cloud):
    group = cloud.demo.post(NET + '/security-groups', {'security_group': {'name': 'w'}})['security_group']['id']
    rule = {'security_group_id': group, 'direction': 'ingress', 'project_id': cloud.admin.project_id}
    rule = cloud.admin.post(NET + '/security-group-rules', {'security_group_rule': rule})['security_group_rule']['id']
    assert rule in {r['id'] for r in cloud.demo.get(NET + '/security-group-rules')['security_group_rules']}
    net = cloud.network(cloud.demo, subnet=False)
    port = cloud.port(net)
    for body, status in ({'name': 'x'}, 404), ({'network_id': net['id']}, 400), ({'frob': 1}, 400):
        assert cloud.demo.call('PUT', f"{NET}/ports/{port['id']}", {'port': body}).status_code == status, body
    cloud.demo.delete(f"{NET}/ports/{port['id']}")


def test_neutrons_strangers_see_and_send_away_nobody(cloud, ids):
    net = cloud.network(subnet=False, shared=True)
    other, own = cloud.port(net)['id'], cloud.port(net, cloud.demo)['id']
    assert [p['id'] for p in cloud.demo.get(f"{NET}/ports?network_id={net['id']}")['ports']] == [own], 'a shared network is not his own'
    for method, body in ('GET', None), ('PUT', {'port': {'name': 'x'}}), ('DELETE', None):
        assert cloud.demo.call(method, f'{NET}/ports/{other}', body).status_code == 404, method
    assert cloud.demo.get(f"{NET}/security-group-rules?security_group_id={ids['sg']}")['security_group_rules'] == []


def test_neutron_names_the_port_that_is_none(cloud, ids):
    rule = {'security_group_id': ids['sg'].upper(), 'direction': 'ingress', 'protocol': 'tcp', 'port_range_min': 80, 'port_range_max': 80}
    for field, value in ('port_range_min', -16), ('port_range_max', 65536), ('port_range_max', '65536'):
        got = cloud.admin.call('POST', NET + '/security-group-rules', {'security_group_rule': {**rule, field: value}})
        assert got.status_code == 400 and f'Invalid value for port {value}' in got.text, got.text
    made = cloud.admin.post(NET + '/security-group-rules', {'security_group_rule': rule})['security_group_rule']
    assert made['security_group_id'] == ids['sg'], 'a UUID is one, whatever its case'


def test_neutron_puts_no_pool_into_anothers_scope(cloud):
    scope = cloud.admin.post(NET + '/address-scopes', {'address_scope': {'name': 'w', 'ip_version': 4, 'shared': True}})['address_scope']['id']
    body = {'subnetpool': {'name': 'w', 'prefixes': ['10.60.0.0/16'], 'address_scope_id': scope}}
    assert cloud.demo.call('POST', NET + '/subnetpools', body).status_code == 400
    cloud.admin.post(NET + '/subnetpools', body)


def test_neutron_makes_many_at_once_or_none(cloud, ids):
    def post(many, *bodies):
        return cloud.admin.call('POST', f'{NET}/{many}', {many.replace('-', '_'): list(bodies)})
    assert post('networks').status_code == 400, 'an empty list asks for nothing'
    assert post('networks', {'name': 'wx'}, {'name': 5}).status_code == 400
    assert cloud.admin.get(NET + '/networks?name=wx')['networks'] == []
    made = post('networks', {'name': 'wx'}, {'name': 'wx'}).json()['networks']
    assert [n['name'] for n in made] == ['wx', 'wx']
    made = post('security-groups', {'security_group': {'name': 'wy'}}, {'security_group': {'name': 'wz'}}).json()['security_groups']
    assert [g['name'] for g in made] == ['wy', 'wz'], 'each may have an envelope'
    rule = {'security_group_id': ids['sg'], 'direction': 'ingress', 'protocol': 'udp', 'port_range_min': 7, 'port_range_max': 7}
    assert post('security-group-rules', rule, rule).status_code == 409
    assert post('security-group-rules', rule, {**rule, 'security_group_id': ids['sg2']}).status_code == 400, 'of one group alone'
    same = {**rule, 'security_group_id': ids['sg'].upper(), 'protocol': 'sctp'}
    assert post('security-group-rules', {'security_group_rule': same}, rule).status_code == 201, 'whose UUID may be of either case'


def test_neutron_keeps_the_default_group_and_what_ports_use(cloud, ids):
    groups = NET + '/security-groups'
    default = cloud.demo.get(groups + '?name=default')['security_groups'][0]['id']
    for name, status in ('other', 409), ('default', 409):
        assert cloud.demo.call('PUT', f'{groups}/{default}', {'security_group': {'name': name}}).status_code == status
    assert cloud.demo.call('PUT', f'{groups}/{default}', {'security_group': {'description': 'd'}}).status_code == 200
    assert cloud.demo.call('DELETE', f'{groups}/{default}').status_code == 409
    assert cloud.admin.call('PUT', f"{groups}/{ids['sg2']}", {'security_group': {'name': 'DEFAULT'}}).status_code == 409
    port = cloud.port({'id': ids['net']}, security_groups=[ids['sg2']])
    assert cloud.admin.call('PUT', f"{groups}/{ids['sg2']}", {'security_group': {'stateful': False}}).status_code == 409
    stateless = cloud.admin.post(groups, {'security_group': {'name': 'w', 'stateful': False}})['security_group']['id']
    body = {'port': {'security_groups': [ids['sg2'], stateless]}}
    assert cloud.admin.call('PUT', f"{NET}/ports/{port['id']}", body).status_code == 409, 'one kind of groups a port'
    cloud.admin.delete(f"{NET}/ports/{port['id']}")
    rule = cloud.admin.post(NET + '/security-group-rules', {'security_group_rule': {
        'security_group_id': ids['sg'], 'direction': 'ingress', 'remote_group_id': stateless}})['security_group_rule']['id']
    cloud.admin.delete(f'{groups}/{stateless}')
    assert cloud.admin.call('GET', f'{NET}/security-group-rules/{rule}').status_code == 404, 'rules go with the group they let in'


BUMPS = [
    ('ports', {'name': 'x'}), ('ports', {'description': 'x'}), ('ports', {'fixed_ips': [{'ip_address': '10.9.0.88'}]}), ('ports', {'allowed_address_pairs': [{'ip_address': '10.9.0.89'}]}),
    ('ports', {'security_groups': []}), ('ports', {'extra_dhcp_opts': [{'opt_name': 'mtu', 'opt_value': '9'}]}), ('ports', {'binding:profile': {'a': 'b'}}), ('ports', {'binding:host_id': 'w-host'}),
    ('subnets', {'allocation_pools': [{'start': '10.7.0.9', 'end': '10.7.0.19'}]}), ('subnets', {'host_routes': [{'destination': '10.1.0.0/16', 'nexthop': '10.7.0.2'}]}),
    ('subnets', {'dns_nameservers': ['10.7.0.3']}), ('subnets', {'gateway_ip': '10.7.0.5'}), ('subnets', {'service_types': ['compute:nova']}), ('networks', {'port_security_enabled': False}),
    ('networks', {'admin_state_up': False}), ('networks', {'router:external': True}), ('security-groups', {'description': 'x'}),
]


@pytest.fixture(scope='module')
def bumped(cloud):
    net = cloud.network(subnet=False)
    subnets = [cloud.admin.post(NET + '/subnets', {'subnet': {'network_id': net['id'], 'ip_version': 4, 'cidr': cidr}})['subnet'] for cidr in ('10.9.0.0/24', '10.7.0.0/24')]
    group = cloud.admin.post(NET + '/security-groups', {'security_group': {'name': 'b'}})['security_group']
    return {'networks': net, 'subnets': subnets[1], 'ports': cloud.port(net, fixed_ips=[{'subnet_id': subnets[0]['id']}]), 'security-groups': group}


@pytest.mark.parametrize('row', BUMPS, ids=named)
def test_neutrons_revisions_tell_of_all_that_belongs_to_a_resource(cloud, bumped, row):
    many, change = row
    path = f"{NET}/{many}/{bumped[many]['id']}"
    was = cloud.admin.get(path)[ONE[many]]['revision_number']
    stale = cloud.admin.call('PUT', path, {ONE[many]: change}, If_Match=f'revision_number={was + 1}')
    assert stale.status_code == 412, stale.text
    for tag, status in ('revision_number=x', 400), (f'"revision_number={was}', 400), ('*', 200):
        assert cloud.admin.call('PUT', path, {ONE[many]: {}}, If_Match=tag).status_code == status, tag
    now = cloud.admin.put(path, {ONE[many]: change}, If_Match=f'"revision_number={was}"')[ONE[many]]
    assert now['revision_number'] > was
    assert cloud.admin.put(path, {ONE[many]: change})[ONE[many]]['revision_number'] == now['revision_number'], 'what it is already'
    cloud.admin.put(f'{path}/tags/{uuid.uuid4().hex}', None, 201)
    assert cloud.admin.get(path)[ONE[many]]['revision_number'] > now['revision_number']


def test_neutrons_networks_tell_of_their_shares(cloud, bumped):
    path = f"{NET}/networks/{bumped['networks']['id']}"
    was = cloud.admin.get(path)['network']['revision_number']
    policy = cloud.admin.post(NET + '/rbac-policies', {'rbac_policy': {
        'object_type': 'network', 'object_id': bumped['networks']['id'], 'action': 'access_as_shared', 'target_tenant': cloud.demo.project_id}})
    shared = cloud.admin.get(path)['network']['revision_number']
    assert shared > was
    cloud.admin.delete(f"{NET}/rbac-policies/{policy['rbac_policy']['id']}")
    assert cloud.admin.get(path)['network']['revision_number'] > shared
