# SPDX-License-Identifier: Apache-2.0
"""Identity v3: logins, tokens, policy, the first start, and surviving a kill."""
import json
import signal
import stat
import time

import openstack
import pytest
import requests
from keystoneauth1 import exceptions, session
from keystoneauth1.identity import v3

from apid import Apid, Client, read_openrc

V3 = '/identity/v3'


@pytest.fixture(scope='module')
def apid(tmp_path_factory):
    """One daemon for the tests that leave it as they found it."""
    daemon = Apid(tmp_path_factory.mktemp('identity')).start()
    yield daemon
    assert daemon.stop() == 0, daemon.log.read_text()[-3000:]


@pytest.fixture(scope='module')
def admin(apid):
    return user(apid, 'openrc')


@pytest.fixture(scope='module')
def demo(apid):
    return user(apid, 'demo-openrc')


def user(apid, rc):
    env = read_openrc(apid.dir / rc)
    return Client(apid, env['OS_USERNAME'], env['OS_PASSWORD'], env['OS_PROJECT_NAME'])


def login(apid, identity, scope=None):
    """POST /auth/tokens."""
    auth = {'identity': identity}
    if scope is not None:
        auth['scope'] = scope
    return requests.post(apid.url + V3 + '/auth/tokens', json={'auth': auth}, timeout=30)


def by_password(apid, rc='openrc', **change):
    env = read_openrc(apid.dir / rc)
    who = {'name': env['OS_USERNAME'], 'domain': {'name': 'Default'},
           'password': env['OS_PASSWORD'], **change}
    return {'methods': ['password'], 'password': {'user': who}}


def test_first_start_writes_private_credentials(apid):
    for name in ('openrc', 'demo-openrc', 'agent.json'):
        assert stat.S_IMODE((apid.dir / name).stat().st_mode) == 0o600
    assert len(read_openrc(apid.dir / 'openrc')['OS_PASSWORD']) >= 20


def test_keystoneauth_logs_in_and_finds_endpoints(apid):
    env = read_openrc(apid.dir / 'openrc')
    sess = session.Session(auth=v3.Password(
        env['OS_AUTH_URL'], username='admin', password=env['OS_PASSWORD'], project_name='admin',
        user_domain_name='Default', project_domain_name='Default'))
    assert sess.get_endpoint(service_type='identity') == apid.url + V3
    assert sess.get_endpoint(service_type='network') == apid.url + '/network'
    assert sess.get_project_id()


def test_openstacksdk_lists_projects_and_users(apid):
    env = read_openrc(apid.dir / 'openrc')
    cloud = openstack.connect(
        load_envvars=False, auth_url=env['OS_AUTH_URL'], username='admin', project_name='admin',
        password=env['OS_PASSWORD'], user_domain_name='Default', project_domain_name='Default',
        region_name='RegionOne')
    assert {p.name for p in cloud.identity.projects()} >= {'admin', 'demo', 'service'}
    assert cloud.identity.find_user('demo').domain_id == 'default'
    project = cloud.identity.create_project(name='p-sdk', domain_id='default')
    assert cloud.identity.update_project(project, description='x').description == 'x'
    cloud.identity.delete_project(project)
    assert cloud.identity.find_project('p-sdk') is None


def test_token_says_who_where_and_what(apid):
    got = login(apid, by_password(apid), {'project': {'name': 'admin', 'domain': {'id': 'default'}}})
    token = got.json()['token']
    assert got.status_code == 201 and got.headers['X-Subject-Token']
    assert token['user']['name'] == 'admin' and token['project']['name'] == 'admin'
    assert {r['name'] for r in token['roles']} == {'admin', 'member', 'reader'}
    assert {s['type'] for s in token['catalog']} >= {'identity', 'image', 'network'}
    assert token['methods'] == ['password'] and len(token['audit_ids']) == 1


@pytest.mark.parametrize('change', [
    {'password': 'wrong'}, {'name': 'nobody'}, {'domain': {'name': 'Elsewhere'}}])
def test_wrong_login_is_401_whatever_is_wrong(apid, change):
    got = login(apid, by_password(apid, **change))
    assert got.status_code == 401
    assert got.json()['error']['message'] == 'The request you have made requires authentication.'


@pytest.mark.parametrize('body', [
    None, [], {}, {'auth': 5}, {'auth': {}}, {'auth': {'identity': {}}},
    {'auth': {'identity': {'methods': []}}},
    {'auth': {'identity': {'methods': ['password']}}},
    {'auth': {'identity': {'methods': ['password'], 'password': {'user': {'name': 'admin'}}}}},
    {'auth': {'identity': {'methods': ['token'], 'token': {'id': 5}}}}])
def test_malformed_login_is_400(apid, body):
    got = requests.post(apid.url + V3 + '/auth/tokens', json=body, timeout=10)
    assert got.status_code == 400, got.text
    assert got.json()['error']['code'] == 400


def test_project_without_a_role_is_401(apid):
    scope = {'project': {'name': 'admin', 'domain': {'id': 'default'}}}
    assert login(apid, by_password(apid, 'demo-openrc'), scope).status_code == 401


def test_rescoping_keeps_the_expiry_and_dies_with_its_parent(apid):
    first = login(apid, by_password(apid), 'unscoped')
    assert 'project' not in first.json()['token'] and 'roles' not in first.json()['token']
    again = login(apid, {'methods': ['token'], 'token': {'id': first.headers['X-Subject-Token']}},
                  {'domain': {'id': 'default'}})
    assert again.status_code == 201
    assert again.json()['token']['expires_at'] == first.json()['token']['expires_at']
    assert again.json()['token']['methods'] == ['password', 'token']
    head = {'X-Auth-Token': again.headers['X-Subject-Token'],
            'X-Subject-Token': first.headers['X-Subject-Token']}
    assert requests.get(apid.url + V3 + '/users', headers=head, timeout=10).status_code == 200
    assert requests.delete(apid.url + V3 + '/auth/tokens', headers=head,
                           timeout=10).status_code == 204
    assert requests.get(apid.url + V3 + '/users', headers=head, timeout=10).status_code == 401


def test_system_scope(apid):
    got = login(apid, by_password(apid), {'system': {'all': True}})
    assert got.json()['token']['system'] == {'all': True}
    assert login(apid, by_password(apid, 'demo-openrc'), {'system': {'all': True}}).status_code == 401


def test_validate_and_head(apid, admin, demo):
    mine = demo.http.headers['X-Auth-Token']
    head = {'X-Subject-Token': mine}
    got = admin.http.get(apid.url + V3 + '/auth/tokens', headers=head, timeout=10)
    assert got.json()['token']['user']['name'] == 'demo' and got.headers['X-Subject-Token'] == mine
    got = admin.http.head(apid.url + V3 + '/auth/tokens', headers=head, timeout=10)
    assert got.status_code == 200 and not got.content
    theirs = {'X-Subject-Token': admin.http.headers['X-Auth-Token']}
    assert demo.http.get(apid.url + V3 + '/auth/tokens', headers=theirs,
                         timeout=10).status_code == 403
    bad = {'X-Subject-Token': 'xyz'}
    assert admin.http.delete(apid.url + V3 + '/auth/tokens', headers=bad,
                             timeout=10).status_code == 404


@pytest.mark.parametrize('token', ['', 'x', 'A' * 3000, 'é', '../..'])
def test_wrong_token_is_401(apid, token):
    got = requests.get(apid.url + V3 + '/users', timeout=10,
                       headers={'X-Auth-Token': token.encode('utf-8')})
    assert got.status_code == 401
    assert got.headers['WWW-Authenticate'].startswith('Keystone uri=')
    assert requests.get(apid.url + V3 + '/users', timeout=10).status_code == 401


def test_every_bit_of_a_token_counts(apid, admin):
    good = admin.http.headers['X-Auth-Token']
    for at in range(0, len(good), 23):
        bad = good[:at] + ('A' if good[at] != 'A' else 'B') + good[at + 1:]
        assert requests.get(apid.url + V3 + '/users', timeout=10,
                            headers={'X-Auth-Token': bad}).status_code == 401


def test_members_see_themselves_only(demo, admin):
    assert demo.call('GET', V3 + '/users').status_code == 403
    assert demo.call('GET', V3 + '/projects').status_code == 403
    assert demo.get(f'{V3}/users/{demo.user_id}')['user']['name'] == 'demo'
    assert demo.call('GET', f'{V3}/users/{admin.user_id}').status_code == 404
    assert demo.get(f'{V3}/projects/{demo.project_id}')['project']['name'] == 'demo'
    assert [p['name'] for p in demo.get(V3 + '/auth/projects')['projects']] == ['demo']
    for method, path in (('POST', '/users'), ('DELETE', f'/users/{demo.user_id}'),
                         ('GET', '/role_assignments'), ('POST', '/projects')):
        assert demo.call(method, V3 + path, {}).status_code == 403, path


def test_users_come_and_go_with_their_grants(apid, admin):
    made = admin.post(V3 + '/users', {'user': {'name': 'ann', 'password': 'first'}})['user']
    assert made['domain_id'] == 'default' and not {'password', 'password_hash'} & set(made)
    assert admin.call('POST', V3 + '/users', {'user': {'name': 'ann'}}).status_code == 409
    member = admin.get(V3 + '/roles?name=member')['roles'][0]['id']
    grant = f"{V3}/projects/{admin.project_id}/users/{made['id']}/roles/{member}"
    admin.put(grant, None, 204)
    ann = Client(apid, 'ann', 'first', 'admin')
    assert ann.call('GET', '/network/v2.0/networks').status_code == 200
    admin.call('PATCH', f"{V3}/users/{made['id']}", {'user': {'password': 'second'}}, 200)
    assert ann.call('GET', '/network/v2.0/networks').status_code == 401
    ann = Client(apid, 'ann', 'second', 'admin')
    ann.post(f"{V3}/users/{made['id']}/password",
             {'user': {'original_password': 'second', 'password': 'third'}}, 204)
    ann = Client(apid, 'ann', 'third', 'admin')
    admin.delete(grant)
    assert ann.call('GET', '/network/v2.0/networks').status_code == 401
    admin.delete(f"{V3}/users/{made['id']}")
    assert login(apid, by_password(apid, name='ann', password='third')).status_code == 401
    admin.post(V3 + '/users', {'user': {'name': 'ann', 'password': 'x'}})


@pytest.mark.parametrize('body', [
    {'user': {}}, {'user': {'name': ''}}, {'user': {'name': 'x', 'domain_id': 'nope'}},
    {'user': {'name': 'x', 'options': {'frob': True}}}, {'user': {'name': 7}}, {'user': []}, {}, []])
def test_bad_user_is_refused(admin, body):
    assert admin.call('POST', V3 + '/users', body).status_code in (400, 404)


def test_errors_have_keystones_shape(admin):
    got = admin.call('GET', V3 + '/projects/demo')
    assert got.status_code == 404
    assert got.json() == {'error': {'code': 404, 'message': 'Could not find project: demo.',
                                    'title': 'Not Found'}}


def test_real_client(apid):
    for words in ('token issue', 'catalog list', 'project list', 'user show demo',
                  'role assignment list --names', 'endpoint list'):
        assert apid.cli('openstack', *words.split()).stdout
    assert 'demo' in apid.cli('openstack', 'project', 'list', rc='demo-openrc').stdout
    assert apid.cli('openstack', 'token', 'revoke', 'xyz', check=False).returncode == 1


def test_tokens_and_users_survive_kill_9(tmp_path):
    daemon = Apid(tmp_path).start()
    try:
        admin = user(daemon, 'openrc')
        admin.post(V3 + '/projects', {'project': {'name': 'kept'}})
        daemon.stop(signal.SIGKILL)
        daemon.start()
        names = [p['name'] for p in admin.get(V3 + '/projects')['projects']]
        assert 'kept' in names
        assert daemon.stop() == 0
    finally:
        daemon.stop()


def test_disabled_user_is_out_at_once(apid, admin):
    made = admin.post(V3 + '/users', {'user': {'name': 'bob', 'password': 'x'}})['user']
    with pytest.raises(exceptions.Unauthorized):
        auth = v3.Password(apid.url + V3, username='bob', password='y', user_domain_id='default')
        session.Session(auth=auth).get_token()
    auth = v3.Password(apid.url + V3, username='bob', password='x', user_domain_id='default',
                       unscoped=True)
    token = session.Session(auth=auth).get_token()
    path = f"{apid.url}{V3}/users/{made['id']}"
    head = {'X-Auth-Token': token}
    assert requests.get(path, headers=head, timeout=10).status_code == 200
    admin.call('PATCH', f"{V3}/users/{made['id']}", {'user': {'enabled': False}}, 200)
    assert requests.get(path, headers=head, timeout=10).status_code == 401


def test_agents_and_readers_change_nothing(apid, admin):
    creds = json.loads((apid.dir / 'agent.json').read_text())
    agent = Client(apid, creds['username'], creds['password'], creds['project'])
    assert agent.call('POST', '/network/v2.0/networks', {'network': {}}).status_code == 403
    made = admin.post(V3 + '/users', {'user': {'name': 'ray', 'password': 'x'}})['user']
    reader = admin.get(V3 + '/roles?name=reader')['roles'][0]['id']
    admin.put(f"{V3}/projects/{admin.project_id}/users/{made['id']}/roles/{reader}", None, 204)
    ray = Client(apid, 'ray', 'x', 'admin')
    assert ray.call('GET', '/network/v2.0/networks').status_code == 200
    assert ray.call('POST', '/image/v2/images', {'name': 'x'}).status_code == 403


def role_id(admin, name):
    return admin.get(f'{V3}/roles?name={name}')['roles'][0]['id']


def person(admin, name, role, where=None, domain='default'):
    """A user with a role on (kind, id), by default the admin's project; its id."""
    kind, ident = where or ('projects', admin.project_id)
    made = admin.post(V3 + '/users', {'user': {'name': name, 'password': 'pw',
                                               'domain_id': domain}})['user']['id']
    admin.put(f'{V3}/{kind}/{ident}/users/{made}/roles/{role_id(admin, role)}', None, 204)
    return made


def token_of(apid, ident, scope, password='pw'):
    """A login's reply."""
    return login(apid, {'methods': ['password'], 'password': {
        'user': {'id': ident, 'password': password}}}, scope)


def ask(apid, token, path, method='GET', body=None):
    return requests.request(method, apid.url + path, json=body, timeout=30,
                            headers={'X-Auth-Token': token}).status_code


@pytest.mark.parametrize('what', ['domains', 'projects'])
def test_what_is_disabled_is_out_with_all_its_tokens(apid, admin, what):
    domain = admin.post(V3 + '/domains', {'domain': {'name': f'off-{what}'}})['domain']['id']
    project = admin.post(V3 + '/projects', {'project': {
        'name': 'p', 'domain_id': domain}})['project']['id']
    ann = person(admin, 'ann', 'member', ('projects', project), domain)
    scope = {'project': {'id': project}}
    old = token_of(apid, ann, scope).headers['X-Subject-Token']
    assert ask(apid, old, '/network/v2.0/networks') == 200
    path = f"{V3}/{what}/{domain if what == 'domains' else project}"
    one = what[:-1]
    admin.call('PATCH', path, {one: {'enabled': False}}, 200)
    assert ask(apid, old, '/network/v2.0/networks') == 401
    assert token_of(apid, ann, scope).status_code == 401
    assert (token_of(apid, ann, 'unscoped').status_code == 401) == (what == 'domains')
    admin.call('PATCH', path, {one: {'enabled': True}}, 200)
    assert ask(apid, old, '/network/v2.0/networks') == 401, 'what was out stays out'
    new = token_of(apid, ann, scope).headers['X-Subject-Token']
    assert ask(apid, new, '/network/v2.0/networks') == 200


def test_a_domain_that_is_disabled_ends_tokens_of_its_own_scope(apid, admin):
    domain = admin.post(V3 + '/domains', {'domain': {'name': 'own'}})['domain']['id']
    far = person(admin, 'far', 'reader', ('domains', domain))
    token = token_of(apid, far, {'domain': {'id': domain}}).headers['X-Subject-Token']
    assert ask(apid, token, V3 + '/users') == 200
    admin.call('PATCH', f'{V3}/domains/{domain}', {'domain': {'enabled': False}}, 200)
    assert ask(apid, token, V3 + '/users') == 401
    assert token_of(apid, far, {'domain': {'id': domain}}).status_code == 401


def test_a_role_that_policy_does_not_know_opens_nothing(apid, admin):
    admin.post(V3 + '/roles', {'role': {'name': 'auditor'}})
    aud = person(admin, 'aud', 'auditor')
    token = token_of(apid, aud, {'project': {'id': admin.project_id}}).headers['X-Subject-Token']
    assert ask(apid, token, '/network/v2.0/networks') == 403
    assert ask(apid, token, '/compute/v2.1/servers') == 403
    assert ask(apid, token, f'{V3}/users/{aud}') == 200


def test_a_service_asks_about_tokens_and_ends_none_but_its_own(apid, admin, demo):
    svc = person(admin, 'svc', 'service')
    own = token_of(apid, svc, {'project': {'id': admin.project_id}}).headers['X-Subject-Token']

    def subject(method, token):
        head = {'X-Auth-Token': own, 'X-Subject-Token': token}
        return requests.request(method, apid.url + V3 + '/auth/tokens', headers=head,
                                timeout=10).status_code
    theirs = demo.http.headers['X-Auth-Token']
    assert subject('GET', theirs) == 200
    assert subject('DELETE', theirs) == 403
    assert demo.call('GET', V3 + '/auth/projects').status_code == 200
    assert subject('DELETE', own) == 204


def test_the_admin_of_a_domain_does_not_take_the_cloud(apid, admin):
    """The rest of his ways are tried in tests/unit/test_policy.c; passwords need the hashing."""
    domain = admin.post(V3 + '/domains', {'domain': {'name': 'd3'}})['domain']['id']
    dora = person(admin, 'dora', 'admin', ('domains', domain), domain)
    boss = person(admin, 'boss', 'admin', None, domain)
    token = token_of(apid, dora, {'domain': {'id': domain}}).headers['X-Subject-Token']
    taken = {'user': {'password': 'mine'}}
    assert ask(apid, token, f'{V3}/users/{boss}', 'PATCH', taken) == 403
    assert ask(apid, token, f'{V3}/users/{admin.user_id}', 'PATCH', taken) == 404
    assert token_of(apid, boss, 'unscoped').status_code == 201
    assert ask(apid, token, f'{V3}/users/{dora}', 'PATCH', {'user': {'description': 'x'}}) == 200
    for path in ('/network/v2.0/networks', '/compute/v2.1/servers', '/image/v2/images',
                 '/compute/v2.1/os-hypervisors', f'{V3}/services'):
        assert ask(apid, token, path) == 403, path


def audit(daemon, since=0):
    return [line for line in daemon.log.read_text()[since:].splitlines() if ' audit: ' in line]


def test_the_audit_log_tells_logins_refusals_grants_and_changes(apid, admin, demo):
    since = len(apid.log.read_text())
    got = login(apid, by_password(apid, name='mal"\nlory', password='x'))
    assert got.status_code == 401
    request = got.headers['x-openstack-request-id']
    assert token_of(apid, admin.user_id, 'unscoped', read_openrc(
        apid.dir / 'openrc')['OS_PASSWORD']).status_code == 201
    person(admin, 'paul', 'reader')
    assert demo.call('GET', V3 + '/users').status_code == 403
    assert demo.call('GET', '/network/v2.0/networks').status_code == 200
    assert requests.get(apid.url + V3 + '/users', timeout=10).status_code == 401
    lines = audit(apid, since)
    events = [line.split(' audit: ')[1].split(' address=')[0] for line in lines]
    assert events == ['login failed', 'login', 'changed', 'role granted', 'refused', 'refused']
    assert all(' address=127.0.0.1 ' in line for line in lines)
    assert f'request={request} ' in lines[0] and r'user="mal\"\nlory"' in lines[0]
    assert f'user_id={admin.user_id} ' in lines[1] and 'user="admin"' in lines[1]
    assert f'user_id={admin.user_id} project={admin.project_id} ' in lines[3]
    assert f'user_id={demo.user_id} project={demo.project_id} method=GET' in lines[4]
    assert 'user_id=- ' in lines[5] and f'path="{V3}/users"' in lines[5]


def test_the_audit_log_may_be_a_file_of_its_own_and_be_renamed(tmp_path):
    path = tmp_path / 'api' / 'audit.log'
    path.parent.mkdir(mode=0o777)
    path.parent.chmod(0o777)
    daemon = Apid(tmp_path, f'[api]\naudit_log = {path}\n').start()
    try:
        user(daemon, 'openrc')
        assert ' audit: login address=' in path.read_text() and not audit(daemon)
        path.rename(path.with_suffix('.1'))
        user(daemon, 'demo-openrc')
        assert path.read_text().count('\n') == 1 and 'user="demo"' in path.read_text()
    finally:
        assert daemon.stop() == 0


NAMES = {'users': 'user', 'projects': 'project', 'domains': 'domain', 'roles': 'role', 'services': 'service', 'regions': 'region'}


@pytest.mark.parametrize('many', NAMES)
def test_further_members_are_kept_and_absent_ones_left_out(admin, many):
    one, path = NAMES[many], f'{V3}/{many}'
    body = {'name': f'further-{many}', 'frob': {'a': [1]}, 'type': 'frob'}
    made = admin.post(path, {one: body})[one]
    assert made['frob'] == {'a': [1]} and 'password_hash' not in made and 'valid_after_us' not in made
    assert many != 'users' or not {'email', 'description', 'default_project_id'} & set(made)
    same = {k: v for k, v in made.items() if k in ('id', 'domain_id', 'parent_id', 'is_domain')}
    got = admin.call('PATCH', f"{path}/{made['id']}", {one: {**same, 'why': 'so', 'enabled': False}}, 200)[one]
    assert got['why'] == 'so' and got['frob'] == {'a': [1]} and got['id'] == made['id']
    assert admin.get(f"{path}/{made['id']}")[one] == got
    assert any(d['id'] == made['id'] for d in admin.get(f'{path}?frob=nothing-filters-by-it')[many])
    for other in ({'id': 'another'}, {'domain_id': 'another'}) if many == 'projects' else ({'id': 'another'},):
        assert admin.call('PATCH', f"{path}/{made['id']}", {one: other}).status_code == 400
    admin.delete(f"{path}/{made['id']}")


def test_a_domain_is_in_no_other(admin):
    for name in 'Default', 'inner':
        body = {'domain': {'name': name, 'domain_id': 'x'}}
        assert admin.call('POST', V3 + '/domains', body).status_code == 400
    assert admin.call('PATCH', V3 + '/domains/default', {'domain': {'domain_id': 'x'}}).status_code == 400
    assert 'domain_id' not in admin.get(V3 + '/domains/default')['domain']
    assert [d['name'] for d in admin.get(V3 + '/domains?name=Default')['domains']] == ['Default']


def test_an_email_may_be_given_and_taken_away(admin):
    made = admin.post(V3 + '/users', {'user': {'name': 'mia', 'email': 'm@example.org'}})['user']
    assert made['email'] == 'm@example.org'
    got = admin.call('PATCH', f"{V3}/users/{made['id']}", {'user': {'email': None}}, 200)['user']
    assert 'email' not in got


@pytest.mark.parametrize('query,found', [
    ('name__contains=ed_F', {'Zed_Fob'}), ('name__contains=zed_f', set()), ('name__icontains=ED_F', {'Zed_Fob'}),
    ('name__startswith=Zed', {'Zed_Fob', 'Zed'}), ('name__istartswith=zed', {'Zed_Fob', 'Zed'}),
    ('name__endswith=Fob', {'Zed_Fob'}), ('name__iendswith=fOB', {'Zed_Fob'}), ('name__endswith=fob', set()),
    ('name__istartswith=zed&name__iendswith=zed', {'Zed'}), ('name__contains=zz-no-such', set())])
def test_inexact_filters_of_every_list(admin, query, found):
    for many, one in ('users', 'user'), ('projects', 'project'), ('roles', 'role'), ('services', 'service'):
        for name in 'Zed_Fob', 'Zed':
            admin.call('POST', f'{V3}/{many}', {one: {'name': name, 'type': 'frob'}})
        assert {d['name'] for d in admin.get(f'{V3}/{many}?{query}')[many]} == found, many
    assert admin.call('GET', f'{V3}/users?name__frobs=x').status_code == 400
    assert not admin.get(f'{V3}/users?enabled__contains=t')['users'], 'what is no text contains none'


def test_a_list_that_is_cut_says_so(admin):
    assert 'truncated' not in admin.get(V3 + '/roles')
    cut = admin.get(V3 + '/roles?limit=1')
    assert len(cut['roles']) == 1 and cut['truncated'] is True


def test_booleans_of_filters_are_read_as_keystone_does(admin):
    admin.post(V3 + '/users', {'user': {'name': 'off', 'enabled': False}})
    for word in 'False', 'false', '0', 'no', 'off':
        assert 'off' in {u['name'] for u in admin.get(f'{V3}/users?enabled={word}')['users']}, word
    for word in 'True', '1', 'yes', '':
        names = {u['name'] for u in admin.get(f'{V3}/users?enabled={word}')['users']}
        assert 'admin' in names and 'off' not in names, word


def test_a_password_is_changed_by_who_knows_it(apid, admin, demo):
    made = admin.post(V3 + '/users', {'user': {'name': 'pia', 'password': 'old'}})['user']['id']
    path = f'{V3}/users/{made}/password'
    for client, old, new, status in (admin, 'wrong', 'x', 401), (admin, 'old', 'new', 204), (demo, 'new', 'newer', 204):
        body = {'user': {'original_password': old, 'password': new}}
        assert client.call('POST', path, body).status_code == status
    body = {'user': {'original_password': 'newer', 'password': 'last'}}
    assert requests.post(apid.url + path, json=body, timeout=10).status_code == 204, 'Keystone asks for no token'
    assert token_of(apid, made, 'unscoped', 'last').status_code == 201
    admin.call('PATCH', f'{V3}/users/{made}', {'user': {'options': {'lock_password': True}}}, 200)
    assert admin.call('POST', path, {'user': {'original_password': 'last', 'password': 'y'}}).status_code == 400
    nobody = f'{V3}/users/{"0" * 32}/password'
    assert admin.call('POST', nobody, {'user': {'original_password': 'a', 'password': 'b'}}).status_code == 401


def test_options_are_merged_and_hold_what_is_immutable(admin):
    made = admin.post(V3 + '/users', {'user': {'name': 'oli', 'options': {
        'ignore_password_expiry': True, 'multi_factor_auth_rules': [['password', 'totp']]}}})['user']
    got = admin.call('PATCH', f"{V3}/users/{made['id']}", {'user': {'options': {'multi_factor_auth_rules': None}}}, 200)
    assert got['user']['options'] == {'ignore_password_expiry': True}
    role = admin.post(V3 + '/roles', {'role': {'name': 'stone', 'options': {'immutable': True}}})['role']
    path = f"{V3}/roles/{role['id']}"
    for change in {'name': 'clay'}, {'name': 'clay', 'options': {'immutable': False}}, {'options': {'immutable': None}, 'x': 1}:
        assert admin.call('PATCH', path, {'role': change}).status_code == 403
    assert admin.call('DELETE', path).status_code == 403
    assert admin.call('PATCH', path, {'role': {'options': {'immutable': 'yes'}}}).status_code == 400
    admin.call('PATCH', path, {'role': {'options': {'immutable': False}}}, 200)
    admin.delete(path)


def test_a_domains_own_role_gives_no_power_by_its_name(apid, admin):
    domain = admin.post(V3 + '/domains', {'domain': {'name': 'roles'}})['domain']['id']
    role = admin.post(V3 + '/roles', {'role': {'name': 'admin', 'domain_id': domain}})['role']
    assert role['domain_id'] == domain and admin.call('POST', V3 + '/roles', {'role': {
        'name': 'admin', 'domain_id': domain}}).status_code == 409
    assert role['id'] not in {r['id'] for r in admin.get(V3 + '/roles?name=admin')['roles']}
    assert [r['id'] for r in admin.get(f'{V3}/roles?domain_id={domain}')['roles']] == [role['id']]
    project = admin.post(V3 + '/projects', {'project': {'name': 'p', 'domain_id': domain}})['project']['id']
    eve = admin.post(V3 + '/users', {'user': {'name': 'eve', 'password': 'pw', 'domain_id': domain}})['user']['id']
    for where, status in ('projects/' + project, 204), ('projects/' + admin.project_id, 403), ('domains/default', 204), ('system', 400):
        assert admin.call('PUT', f"{V3}/{where}/users/{eve}/roles/{role['id']}").status_code == status, where
    assert token_of(apid, eve, {'project': {'id': project}}).status_code == 401, 'it is in no token'
    admin.put(f"{V3}/projects/{project}/users/{eve}/roles/{role_id(admin, 'reader')}", None, 204)
    token = token_of(apid, eve, {'project': {'id': project}})
    assert {r['name'] for r in token.json()['token']['roles']} == {'reader'}


def test_services_endpoints_and_regions_make_the_catalog(apid, admin, demo):
    assert [s['type'] for s in admin.get(V3 + '/services?name=keystone')['services']] == ['identity']
    assert not admin.get(V3 + '/services?type=identity&name=nova')['services']
    own = admin.get(V3 + '/services?type=network')['services'][0]['id']
    assert {e['interface'] for e in admin.get(f'{V3}/endpoints?service_id={own}')['endpoints']} == {
        'public', 'internal', 'admin'}
    assert admin.call('DELETE', f'{V3}/services/{own}').status_code == 403
    service = admin.post(V3 + '/services', {'service': {'type': 'metering', 'name': 'm'}})['service']['id']
    region = admin.call('PUT', f'{V3}/regions/North', {'region': {'description': 'up'}}, 201)['region']
    assert region == {'id': 'North', 'description': 'up', 'parent_region_id': None, 'links': region['links']}
    south = admin.post(V3 + '/regions', {'region': {'id': 'South', 'parent_region_id': 'North'}})['region']['id']
    assert admin.call('PUT', f'{V3}/regions/c%2Fd', {'region': {}}).status_code == 400
    for bad, status in ({'id': 'South'}, 409), ({'id': 'a/b'}, 400), ({'parent_region_id': 'none'}, 404):
        assert admin.call('POST', V3 + '/regions', {'region': bad}).status_code == status, bad
    assert admin.call('PATCH', f'{V3}/regions/North', {'region': {'parent_region_id': 'South'}}).status_code == 400
    end = {'service_id': service, 'interface': 'public', 'region_id': south, 'url': 'http://m/%(project_id)s/$(user_id)s'}
    made = admin.post(V3 + '/endpoints', {'endpoint': end})['endpoint']
    assert made['region'] == south and made['enabled'] is True
    older = admin.post(V3 + '/endpoints', {'endpoint': {'service_id': service, 'interface': 'admin', 'region': 'West', 'url': 'http://u'}})
    assert older['endpoint']['region_id'] == 'West' and admin.get(V3 + '/regions/West')
    for bad in {'url': 'http://m/%(frob)s'}, {'url': 'http://m/%20'}, {'interface': 'other'}, {'url': None}, \
            {'url': 'http://h/' + 15 * '$(project_id)s'}, {'url': 'http://h/' + 200 * '𝄞' + '$(user_id)s'}:
        assert admin.call('POST', V3 + '/endpoints', {'endpoint': {**end, **bad}}).status_code == 400, bad
    older = {'service_id': service, 'interface': 'admin', 'region': 'a/b', 'url': 'http://u'}
    assert admin.call('POST', V3 + '/endpoints', {'endpoint': older}).status_code == 400
    assert [e['id'] for e in admin.get(f'{V3}/endpoints?region_id=South&interface=public')['endpoints']] == [made['id']]
    assert admin.call('DELETE', V3 + '/regions/South').status_code == 403

    def urls():
        catalog = demo.get(V3 + '/auth/catalog')['catalog']
        return [e['url'] for s in catalog if s['type'] == 'metering' for e in s['endpoints'] if e['interface'] == 'public']
    assert urls() == [f'http://m/{demo.project_id}/{demo.user_id}']
    admin.call('PATCH', f"{V3}/endpoints/{made['id']}", {'endpoint': {'url': 'http://m/%%(project_id)s/%(tenant_id)s%%'}}, 200)
    assert urls() == [f'http://m/%(project_id)s/{demo.project_id}%']
    admin.call('PATCH', f"{V3}/endpoints/{made['id']}", {'endpoint': {'enabled': False}}, 200)
    assert urls() == []
    for path in '/services', '/endpoints', '/regions':
        assert demo.call('POST', V3 + path, {}).status_code == 403
    admin.delete(f'{V3}/services/{service}')
    assert admin.call('GET', f"{V3}/endpoints/{made['id']}").status_code == 404, 'endpoints go with their service'
    admin.delete(V3 + '/regions/North')
    assert admin.call('GET', V3 + '/regions/South').status_code == 404
    url = f"{V3}/endpoints/{admin.get(f'{V3}/endpoints?service_id={own}&interface=public')['endpoints'][0]['id']}"
    assert admin.get(url)['endpoint']['url'] == apid.url + '/network'
    admin.call('PATCH', url, {'endpoint': {'url': 'https://far/network'}}, 200)
    assert 'https://far/network' in str(demo.get(V3 + '/auth/catalog'))
    admin.delete(url)
    assert 'https://far/network' not in str(demo.get(V3 + '/auth/catalog'))


def test_paths_may_end_as_the_services_take_them(admin):
    for path in ('/', '/identity/v3/', '/identity/v3/users/', '/identity/v3/users//', '/image/v2/images/', '/image/v2/',
                 '/network/v2.0', '/network/v2.0/networks/', '/network/v2.0/networks.json', '/compute/v2.1/flavors/'):
        assert admin.call('GET', path).status_code in (200, 300), path
    net = admin.post('/network/v2.0/networks.json', {'network': {'name': 'n'}})['network']['id']
    got = admin.call('PUT', f'/network/v2.0/networks/{net}.json', {'network': {'name': 'm'}})
    assert got.status_code == 200 and got.json()['network']['name'] == 'm'
    admin.delete(f'/network/v2.0/networks/{net}/')
    for path in '/identity/v3/users.json', '/image/v2/images.json', '/compute/v2.1/flavors.json', '/network/v2.0/frob/':
        assert admin.call('GET', path).status_code == 404, path
    assert admin.call('PATCH', '/network/v2.0/networks/').status_code == 405


def by_credential(apid, scope=None, **given):
    """A login with an application credential."""
    return login(apid, {'methods': ['application_credential'], 'application_credential': given}, scope)


def test_application_credentials_have_what_their_user_has(apid, admin, demo):
    ann = person(admin, 'cred', 'member')
    user = Client(apid, 'cred', 'pw', 'admin')
    path, one = f'{V3}/users/{ann}/application_credentials', 'application_credential'
    made = user.post(path, {one: {'name': 'ci', 'roles': [{'name': 'reader'}]}})[one]
    assert made['secret'] and made['project_id'] == admin.project_id and made['unrestricted'] is False
    assert user.call('POST', path, {one: {'name': 'ci'}}).status_code == 409
    for bad in {'roles': [{'name': 'admin'}]}, {'expires_at': '2001-01-01T00:00:00'}, {'expires_at': 'x'}, {'access_rules': [{'path': '/x'}]}:
        assert user.call('POST', path, {one: {'name': 'bad', **bad}}).status_code == 400, bad
    for other in demo, admin:
        assert other.call('POST', path, {one: {'name': 'x'}}).status_code == 403
    assert demo.call('GET', path).status_code == 403
    for shown in user.get(f'{path}?name=ci')[one + 's'], [admin.get(f"{path}/{made['id']}")[one]]:
        assert [s['id'] for s in shown] == [made['id']] and not {'secret', 'secret_hash'} & set(shown[0])
    got = by_credential(apid, id=made['id'], secret=made['secret'])
    token = got.json()['token']
    assert token['methods'] == [one] and [r['name'] for r in token['roles']] == ['reader']
    assert token['project']['id'] == admin.project_id
    assert token[one] == {'id': made['id'], 'name': 'ci', 'restricted': True}
    text = got.headers['X-Subject-Token']
    assert ask(apid, text, '/network/v2.0/networks') == 200
    assert ask(apid, text, '/network/v2.0/networks', 'POST', {'network': {}}) == 403, 'a reader only'
    assert ask(apid, text, path, 'POST', {one: {'name': 'more'}}) == 403
    assert ask(apid, text, f"{path}/{made['id']}", 'DELETE') == 403
    again = login(apid, {'methods': ['token'], 'token': {'id': text}})
    assert again.json()['token'][one]['id'] == made['id'] and [r['name'] for r in again.json()['token']['roles']] == ['reader']
    other = {'project': {'id': demo.project_id}}
    assert login(apid, {'methods': ['token'], 'token': {'id': text}}, other).status_code == 401
    named = {'name': 'ci', 'user': {'name': 'cred', 'domain': {'id': 'default'}}}
    assert by_credential(apid, secret=made['secret'], **named).status_code == 201
    assert by_credential(apid, {'project': {'id': admin.project_id}}, id=made['id'], secret=made['secret']).status_code == 401
    for wrong in {'id': made['id'], 'secret': 'x'}, {'id': 'none', 'secret': 'x'}, {'name': 'none', 'secret': 'x'}:
        assert by_credential(apid, **wrong).status_code == 401
    assert by_credential(apid, id=made['id']).status_code == 400
    free = user.post(path, {one: {'name': 'free', 'unrestricted': True, 'secret': 'chosen', 'expires_at': '2999-01-01T00:00:00'}})[one]
    token = by_credential(apid, id=free['id'], secret='chosen').headers['X-Subject-Token']
    assert ask(apid, token, path, 'POST', {one: {'name': 'made by it'}}) == 201
    user.delete(f"{path}/{free['id']}")
    assert ask(apid, token, '/network/v2.0/networks') == 401
    many = user.post(path, {one: {'name': 'many', 'roles': 50 * [{'name': 'member'}, {'name': 'reader'}]}})[one]
    assert sorted(r['name'] for r in many['roles']) == ['member', 'reader']
    short = time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(time.time() + 600))
    all_of = user.post(path, {one: {'name': 'all', 'expires_at': short}})[one]
    got = by_credential(apid, id=all_of['id'], secret=all_of['secret'])
    assert got.json()['token']['expires_at'] == short + '.000000Z', 'no longer than the credential'
    token = got.headers['X-Subject-Token']
    assert ask(apid, token, '/network/v2.0/networks', 'POST', {'network': {'frob': 1}}) == 400, 'a member may'
    admin.put(f"{V3}/projects/{admin.project_id}/users/{ann}/roles/{role_id(admin, 'reader')}", None, 204)
    admin.delete(f"{V3}/projects/{admin.project_id}/users/{ann}/roles/{role_id(admin, 'member')}")
    assert ask(apid, token, '/network/v2.0/networks') == 200
    assert ask(apid, token, '/network/v2.0/networks', 'POST', {'network': {}}) == 403, 'he is a reader now'
    admin.delete(f"{V3}/projects/{admin.project_id}/users/{ann}/roles/{role_id(admin, 'reader')}")
    assert ask(apid, text, '/network/v2.0/networks') == 401, 'what the user loses, it loses'
    assert by_credential(apid, id=made['id'], secret=made['secret']).status_code == 401
    admin.delete(f'{V3}/users/{ann}')
    assert admin.get(path)[one + 's'] == []


def test_access_rules_bound_what_a_credential_asks_for(apid, admin, demo):
    ann = person(admin, 'ruled', 'member')
    user = Client(apid, 'ruled', 'pw', 'admin')
    path, one = f'{V3}/users/{ann}/application_credentials', 'application_credential'
    servers = {'service': 'compute', 'method': 'GET', 'path': '/v2.1/servers'}
    rules = [servers, {'service': 'network', 'method': 'GET', 'path': '/v2.0/*/{id}'}, {'service': 'network', 'method': 'HEAD', 'path': '/**/ports'},
             {'service': 'image', 'method': 'GET', 'path': '/image/v2/im*'}]
    made = user.post(path, {one: {'name': 'r', 'access_rules': rules}})[one]
    assert [{k: v for k, v in r.items() if k != 'id'} for r in made['access_rules']] == rules
    text = by_credential(apid, id=made['id'], secret=made['secret']).headers['X-Subject-Token']
    for method, asked, status in ('GET', '/compute/v2.1/servers', 200), ('GET', '/compute/v2.1/servers?limit=1', 200), \
            ('GET', '/compute/v2.1/servers/detail', 401), ('POST', '/compute/v2.1/servers', 401), ('GET', '/network/v2.0/networks/none', 404), \
            ('GET', '/network/v2.0/networks', 401), ('GET', '/network/v2.0/networks/x/y', 401), ('HEAD', '/network/v2.0/ports', 200), \
            ('GET', '/network/v2.0/ports', 401), ('GET', '/image/v2/images', 200), ('GET', '/image/v2/im', 401), ('GET', V3 + '/auth/projects', 401):
        assert ask(apid, text, asked, method) == status, (method, asked)
    for bad in {**servers, 'method': 'FROB'}, {**servers, 'path': 'x'}, {**servers, 'path': '/' + 'x' * 225}, {'id': 'none'}, {**servers, 'x': 1}, 'x':
        assert user.call('POST', path, {one: {'name': 'bad', 'access_rules': [bad]}}).status_code in (400, 404), bad
    mine = f'{V3}/users/{ann}/access_rules'
    assert [r['id'] for r in user.get(mine + '?service=compute')['access_rules']] == [made['access_rules'][0]['id']]
    again = user.post(path, {one: {'name': 'again', 'access_rules': [servers, {'id': made['access_rules'][1]['id']}]}})[one]
    assert again['access_rules'] == made['access_rules'][:2] and len(user.get(mine)['access_rules']) == 4
    assert demo.call('GET', mine).status_code == 403
    rule = f"{mine}/{made['access_rules'][3]['id']}"
    assert user.get(rule)['access_rule']['path'] == '/image/v2/im*' and demo.call('GET', rule).status_code == 403
    assert user.call('DELETE', rule).status_code == 403, 'it is in use'
    user.delete(f"{path}/{made['id']}")
    user.delete(rule)
    assert user.call('GET', rule).status_code == 404
    none = user.post(path, {one: {'name': 'none', 'access_rules': []}})[one]
    text = by_credential(apid, id=none['id'], secret=none['secret']).headers['X-Subject-Token']
    assert ask(apid, text, '/compute/v2.1/servers') == 401, 'no rule, no request'


def test_tags_of_projects(admin, demo):
    made = {name: admin.post(V3 + '/projects', {'project': {'name': f'tag-{name}', 'tags': list(name)}})['project']['id']
            for name in ('x', 'xy', 'z')}

    def found(query):
        return {name for name, ident in made.items() if ident in {p['id'] for p in admin.get(f'{V3}/projects?{query}')['projects']}}
    for query, names in ('tags=x', {'x', 'xy'}), ('tags=x,y', {'xy'}), ('tags-any=y,z', {'xy', 'z'}), ('not-tags=x,y', {'x', 'z'}), \
            ('not-tags-any=x,y', {'z'}), ('tags=x&not-tags=y', {'x'}), ('tags=no', set()):
        assert found(query) == names, query
    path = f"{V3}/projects/{made['x']}/tags"
    assert admin.get(path)['tags'] == ['x'] and admin.call('HEAD', path + '/x').status_code == 204
    assert admin.call('GET', path + '/y').status_code == 404 and admin.call('DELETE', path + '/y').status_code == 404
    for _ in range(2):
        assert admin.call('PUT', path + '/new%20one').status_code == 201
    assert admin.get(path)['tags'] == ['x', 'new one'] == admin.get(path[:-5])['project']['tags']
    admin.delete(path + '/x')
    assert admin.put(path, {'tags': ['a', 'b']})['tags'] == ['a', 'b']
    most = [str(n) for n in range(80)]
    for bad in ['a,b'], ['a/b'], [''], ['t' * 256], ['a', 'a'], [1], 'a', [*most, 'more'], None:
        assert admin.call('PUT', path, {'tags': bad}).status_code == 400, bad
        assert admin.call('PATCH', path[:-5], {'project': {'tags': bad}}).status_code == 400, bad
    admin.put(path, {'tags': most})
    assert admin.call('PUT', path + '/more').status_code == 400 and admin.call('PUT', path + '/a,b').status_code == 400
    admin.delete(path)
    assert admin.get(path)['tags'] == []
    own = f'{V3}/projects/{demo.project_id}/tags'
    assert demo.get(own)['tags'] == [] and demo.call('PUT', own + '/x').status_code == 403 and demo.call('GET', path).status_code == 404
