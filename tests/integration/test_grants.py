# SPDX-License-Identifier: Apache-2.0
"""Identity v3: groups, what is granted to them, implied and inherited roles, and what lists say of it."""
import functools

import pytest
import requests

from apid import shared_cloud

V3 = '/identity/v3'


cloud = shared_cloud()  # one daemon; every test makes its own names


@pytest.fixture(scope='module')
def admin(cloud):
    return cloud.admin


def make(admin, one, name, **more):
    """A domain, project, user, group or role; its id."""
    return admin.post(f'{V3}/{one}s', {one: {'name': name, **more}})[one]['id']


def role(admin, name):
    return admin.get(f'{V3}/roles?name={name}')['roles'][0]['id']


def login(admin, identity, scope):
    return requests.post(admin.url + V3 + '/auth/tokens', json={'auth': {'identity': identity, 'scope': scope}}, timeout=30)


@functools.cache
def first_token(admin, user):
    """Of no scope; the password is looked at once."""
    got = login(admin, {'methods': ['password'], 'password': {'user': {'id': user, 'password': 'pw'}}}, 'unscoped')
    return got.headers['X-Subject-Token']


def token(admin, user, scope):
    """The reply to who asks for a token of a scope."""
    return login(admin, {'methods': ['token'], 'token': {'id': first_token(admin, user)}}, scope)


def roles(admin, user, scope):
    """The names of the roles of a token, None without one."""
    got = token(admin, user, scope)
    return {r['name'] for r in got.json()['token']['roles']} if got.status_code == 201 else None


def asks(admin, text, path='/auth/projects'):
    return requests.get(admin.url + V3 + path, headers={'X-Auth-Token': text}, timeout=30)


def assignments(admin, query):
    return admin.get(f'{V3}/role_assignments?{query}')['role_assignments']


def test_groups_come_and_go(admin):
    domain = make(admin, 'domain', 'groups')
    made = admin.post(V3 + '/groups', {'group': {'name': 'ops', 'frob': 1}})['group']
    assert (made['domain_id'], made['description'], made['frob']) == ('default', '', 1) and made['links']['self']
    path = f"{V3}/groups/{made['id']}"
    for body, status in ({'name': 'ops'}, 409), ({}, 400), ({'name': ''}, 400), ({'name': 'x', 'domain_id': 'none'}, 404):
        assert admin.call('POST', V3 + '/groups', {'group': body}).status_code == status, body
    other = make(admin, 'group', 'ops', domain_id=domain)
    for query, found in ('name=ops', {made['id'], other}), (f'name=ops&domain_id={domain}', {other}), ('name__startswith=zz', set()):
        assert {g['id'] for g in admin.get(f'{V3}/groups?{query}')['groups']} == found, query
    got = admin.call('PATCH', path, {'group': {'id': made['id'], 'description': 'd'}}, 200)['group']
    assert got['description'] == 'd' and got['name'] == 'ops'
    assert admin.call('PATCH', path, {'group': {'domain_id': domain}}).status_code == 400
    ann, ben = make(admin, 'user', 'g-ann'), make(admin, 'user', 'g-ben')
    assert admin.call('GET', f'{path}/users/{ann}').status_code == 404
    assert admin.call('DELETE', f'{path}/users/{ann}').status_code == 404
    for _ in range(2):
        admin.put(f'{path}/users/{ann}', None, 204)
    assert admin.call('HEAD', f'{path}/users/{ann}').status_code == 204
    assert admin.call('PUT', f'{path}/users/none').status_code == 404
    assert [u['id'] for u in admin.get(path + '/users')['users']] == [ann]
    assert admin.get(path + '/users?name=g-ben')['users'] == []
    assert [g['id'] for g in admin.get(f'{V3}/users/{ann}/groups')['groups']] == [made['id']]
    assert admin.get(f'{V3}/users/{ben}/groups')['groups'] == []
    admin.delete(f'{path}/users/{ann}')
    assert admin.get(path + '/users')['users'] == []
    admin.delete(path)
    assert admin.call('GET', path).status_code == 404
    make(admin, 'group', 'ops')


def test_members_have_what_their_group_has(admin):
    domain = make(admin, 'domain', 'given')
    group, ann = make(admin, 'group', 'g', domain_id=domain), make(admin, 'user', 'm-ann', password='pw')
    project = make(admin, 'project', 'm-p', domain_id=domain)
    member, reader = role(admin, 'member'), role(admin, 'reader')
    scope, place = {'project': {'id': project}}, f'{V3}/projects/{project}'
    grant = f'{place}/groups/{group}/roles/{member}'
    assert admin.call('HEAD', grant).status_code == 404 and admin.call('DELETE', grant).status_code == 404
    admin.put(grant, None, 204)
    assert admin.call('HEAD', grant).status_code == 204
    assert [r['id'] for r in admin.get(f'{place}/groups/{group}/roles')['roles']] == [member]
    assert roles(admin, ann, scope) is None
    admin.put(f'{V3}/groups/{group}/users/{ann}', None, 204)
    got = token(admin, ann, scope)
    assert {r['name'] for r in got.json()['token']['roles']} == {'member', 'reader'}
    text = got.headers['X-Subject-Token']
    assert [p['id'] for p in asks(admin, text).json()['projects']] == [project]
    assert [g['id'] for g in asks(admin, text, f'/users/{ann}/groups').json()['groups']] == [group]
    assert asks(admin, text, f'/groups/{group}').status_code == 403 and asks(admin, text, '/groups').status_code == 403
    admin.put(f'{place}/users/{ann}/roles/{reader}', None, 204)
    admin.delete(f'{V3}/groups/{group}/users/{ann}')
    seen = requests.get(admin.url + V3 + '/auth/tokens', timeout=30, headers={
        'X-Auth-Token': text, 'X-Subject-Token': text}).json()['token']
    assert {r['name'] for r in seen['roles']} == {'reader'}, 'what he loses, his tokens lose'
    admin.put(f'{V3}/groups/{group}/users/{ann}', None, 204)
    admin.delete(f'{place}/users/{ann}/roles/{reader}')
    assert roles(admin, ann, scope) == {'member', 'reader'}
    for kind, ident, scope2 in ('domains', domain, {'domain': {'id': domain}}), ('system', None, {'system': {'all': True}}):
        path = f'{V3}/{kind}' + (f'/{ident}' if ident else '') + f'/groups/{group}/roles'
        assert roles(admin, ann, scope2) is None
        admin.put(f'{path}/{reader}', None, 204)
        assert [r['name'] for r in admin.get(path)['roles']] == ['reader'] and roles(admin, ann, scope2) == {'reader'}
        admin.delete(f'{path}/{reader}')
    admin.call('PATCH', f'{V3}/domains/{domain}', {'domain': {'enabled': False}}, 200)
    other = {'project': {'id': admin.project_id}}
    admin.put(f'{V3}/projects/{admin.project_id}/groups/{group}/roles/{reader}', None, 204)
    assert roles(admin, ann, other) is None, 'a group of a domain that is disabled gives nothing'
    admin.call('PATCH', f'{V3}/domains/{domain}', {'domain': {'enabled': True}}, 200)
    assert roles(admin, ann, other) == {'reader'}
    admin.delete(f'{V3}/groups/{group}')
    assert roles(admin, ann, other) is None and assignments(admin, f'group.id={group}') == []


def test_users_and_groups_go_with_their_domain(admin):
    domain = make(admin, 'domain', 'gone')
    ann, group = make(admin, 'user', 'ann', domain_id=domain, password='pw'), make(admin, 'group', 'g', domain_id=domain)
    admin.put(f"{V3}/projects/{admin.project_id}/users/{ann}/roles/{role(admin, 'reader')}", None, 204)
    assert first_token(admin, ann)
    assert admin.call('DELETE', f'{V3}/domains/{domain}').status_code == 403, 'while it is enabled'
    admin.call('PATCH', f'{V3}/domains/{domain}', {'domain': {'enabled': False}}, 200)
    project = make(admin, 'project', 'p', domain_id=domain)
    assert admin.call('DELETE', f'{V3}/domains/{domain}').status_code == 403, 'while it has projects'
    admin.delete(f'{V3}/projects/{project}')
    admin.delete(f'{V3}/domains/{domain}')
    for path in f'/users/{ann}', f'/groups/{group}':
        assert admin.call('GET', V3 + path).status_code == 404
    assert ann not in str(admin.get(V3 + '/users')) and group not in str(admin.get(V3 + '/groups'))
    assert assignments(admin, f'user.id={ann}') == [] and roles(admin, ann, 'unscoped') is None


def test_a_project_with_hundreds_of_grants_goes(admin):
    project = make(admin, 'project', 'crowd')
    users, many = ([make(admin, one, f'crowd{n}') for n in range(17)] for one in ('user', 'role'))
    for user in users:
        for one in many:
            admin.put(f'{V3}/projects/{project}/users/{user}/roles/{one}', None, 204)
    assert len(assignments(admin, f'scope.project.id={project}')) == 289
    admin.delete(f'{V3}/projects/{project}')
    assert assignments(admin, f'scope.project.id={project}') == []


def test_implied_roles(admin):
    assert {(r['prior_role']['name'], i['name']) for r in admin.get(V3 + '/role_inferences')['role_inferences'] for i in r['implies']} >= {
        ('admin', 'member'), ('member', 'reader')}
    boss, hand, reader = make(admin, 'role', 'boss'), make(admin, 'role', 'hand'), role(admin, 'reader')
    ann = make(admin, 'user', 'i-ann', password='pw')
    scope = {'project': {'id': admin.project_id}}
    admin.put(f'{V3}/projects/{admin.project_id}/users/{ann}/roles/{boss}', None, 204)
    assert roles(admin, ann, scope) == {'boss'}
    path = f'{V3}/roles/{boss}/implies'
    assert admin.call('GET', f'{path}/{hand}').status_code == 404
    made = admin.put(f'{path}/{hand}', None, 201)['role_inference']
    assert (made['prior_role']['name'], made['implies']['name']) == ('boss', 'hand')
    assert admin.call('PUT', f'{path}/{hand}').status_code == 409
    assert admin.get(f'{path}/{hand}')['role_inference'] == made and admin.call('HEAD', f'{path}/{hand}').status_code == 204
    assert [i['id'] for i in admin.get(path)['role_inference']['implies']] == [hand]
    admin.put(f'{V3}/roles/{hand}/implies/{reader}', None, 201)
    assert roles(admin, ann, scope) == {'boss', 'hand', 'reader'}
    for prior, implied in (boss, boss), (reader, boss), (boss, role(admin, 'admin')):
        assert admin.call('PUT', f'{V3}/roles/{prior}/implies/{implied}').status_code == 403, 'itself, a circle, admin'
    query = f'user.id={ann}&scope.project.id={admin.project_id}'
    lines = assignments(admin, query + '&effective&include_names')
    assert {line['role']['name'] for line in lines} == {'boss', 'hand', 'reader'}
    assert [line['links']['prior_role'].rsplit('/', 1)[1] for line in lines if line['role']['name'] == 'reader'] == [boss]
    assert len(assignments(admin, query)) == 1
    admin.delete(f'{path}/{hand}')
    assert admin.call('DELETE', f'{path}/{hand}').status_code == 404
    assert roles(admin, ann, scope) == {'boss'}
    admin.put(f'{path}/{hand}', None, 201)
    admin.delete(f'{V3}/roles/{hand}')
    assert roles(admin, ann, scope) == {'boss'} and admin.get(path)['role_inference']['implies'] == []


def test_a_domain_is_a_project_too(admin):
    made = admin.post(V3 + '/projects', {'project': {'name': 'both', 'is_domain': True, 'domain_id': None}})['project']
    assert (made['is_domain'], made['domain_id'], made['parent_id']) == (True, None, None)
    path = f"{V3}/projects/{made['id']}"
    assert made['links']['self'].endswith(path) and admin.get(path)['project'] == made
    assert admin.get(f"{V3}/domains/{made['id']}")['domain']['name'] == 'both'
    assert made in admin.get(V3 + '/projects?is_domain=True')['projects'] and made['id'] not in str(admin.get(V3 + '/projects'))
    assert admin.call('POST', V3 + '/projects', {'project': {'name': 'both', 'is_domain': True}}).status_code == 409
    assert admin.call('DELETE', path).status_code == 403, 'while it is enabled'
    assert admin.call('PATCH', path, {'project': {'enabled': False, 'is_domain': True}}, 200)['project']['enabled'] is False
    admin.delete(path)
    assert admin.call('GET', f"{V3}/domains/{made['id']}").status_code == 404


def test_a_domains_own_role_is_what_it_implies(admin):
    domain = make(admin, 'domain', 'impl')
    other = make(admin, 'role', 'else', domain_id=make(admin, 'domain', 'impl2'))
    project = make(admin, 'project', 'p', domain_id=domain)
    own, reader = make(admin, 'role', 'desk', domain_id=domain), role(admin, 'reader')
    assert admin.call('PUT', f'{V3}/roles/{reader}/implies/{own}').status_code == 403
    ann = make(admin, 'user', 'ann', domain_id=domain, password='pw')
    admin.put(f'{V3}/projects/{project}/users/{ann}/roles/{own}', None, 204)
    assert roles(admin, ann, {'project': {'id': project}}) is None
    assert assignments(admin, f'user.id={ann}&effective') == []
    admin.put(f'{V3}/roles/{own}/implies/{other}', None, 201)
    admin.put(f'{V3}/roles/{own}/implies/{reader}', None, 201)
    assert roles(admin, ann, {'project': {'id': project}}) == {'reader'}


def test_inherited_roles(admin):
    domain = make(admin, 'domain', 'heirs')
    top = make(admin, 'project', 'top', domain_id=domain)
    low = make(admin, 'project', 'low', domain_id=domain, parent_id=top)
    ann, group = make(admin, 'user', 'ann', domain_id=domain, password='pw'), make(admin, 'group', 'g', domain_id=domain)
    reader, member = role(admin, 'reader'), role(admin, 'member')

    def of(project):
        return roles(admin, ann, {'project': {'id': project}})
    grant = f'{V3}/OS-INHERIT/domains/{domain}/users/{ann}/roles/{reader}/inherited_to_projects'
    assert admin.call('HEAD', grant).status_code == 404
    admin.put(grant, None, 204)
    assert admin.call('HEAD', grant).status_code == 204
    listed = admin.get(f'{V3}/OS-INHERIT/domains/{domain}/users/{ann}/roles/inherited_to_projects')['roles']
    assert [r['id'] for r in listed] == [reader] and admin.get(f'{V3}/domains/{domain}/users/{ann}/roles')['roles'] == []
    assert of(top) == of(low) == {'reader'} and of(admin.project_id) is None
    assert roles(admin, ann, {'domain': {'id': domain}}) is None, 'on its projects alone'
    text = token(admin, ann, {'project': {'id': low}}).headers['X-Subject-Token']
    assert {p['id'] for p in asks(admin, text).json()['projects']} == {top, low}
    line, = assignments(admin, f'user.id={ann}')
    assert line['scope'] == {'domain': {'id': domain}, 'OS-INHERIT:inherited_to': 'projects'}
    assert line['links']['assignment'] == admin.url + grant
    lines = assignments(admin, f'user.id={ann}&effective')
    assert {line['scope']['project']['id'] for line in lines} == {top, low} and lines[0]['links']['assignment'] == admin.url + grant
    assert assignments(admin, f'user.id={ann}&effective&scope.domain.id={domain}') == []
    assert len(assignments(admin, 'scope.OS-INHERIT:inherited_to=projects&scope.domain.id=' + domain)) == 1
    admin.delete(grant)
    assert of(low) is None
    grant = f'{V3}/OS-INHERIT/projects/{top}/groups/{group}/roles/{member}/inherited_to_projects'
    admin.put(grant, None, 204)
    admin.put(f'{V3}/groups/{group}/users/{ann}', None, 204)
    assert of(low) == {'member', 'reader'} and of(top) is None
    lines = assignments(admin, f'user.id={ann}&effective&role.id={member}')
    assert [line['scope']['project']['id'] for line in lines] == [low]
    assert lines[0]['links']['membership'] == f'{admin.url}{V3}/groups/{group}/users/{ann}'
    assert assignments(admin, f'user.id={ann}') == [] and len(assignments(admin, f'group.id={group}')) == 1
    subtree = assignments(admin, f'scope.project.id={top}&include_subtree&effective')
    assert {line['role']['id'] for line in subtree} == {member, reader}
    assert assignments(admin, f'scope.project.id={top}&effective') == []
    assert admin.call('DELETE', f'{V3}/projects/{top}').status_code == 403, 'it has a project below it'
    admin.delete(grant)
    above = low
    for n in range(3):
        above = make(admin, 'project', f'deep{n}', domain_id=domain, parent_id=above)
    body = {'project': {'name': 'deeper', 'domain_id': domain, 'parent_id': above}}
    assert admin.call('POST', V3 + '/projects', body).status_code == 403


def test_a_domains_own_role_is_given_on_its_projects_and_on_domains(admin):
    home, other = make(admin, 'domain', 'own-home'), make(admin, 'domain', 'own-other')
    near, far = make(admin, 'project', 'own-near', domain_id=home), make(admin, 'project', 'own-far', domain_id=other)
    ann, own = make(admin, 'user', 'own-ann', domain_id=home, password='pw'), make(admin, 'role', 'own-role', domain_id=home)

    def given(scope, tail='', head=''):
        return admin.call('PUT', f'{V3}{head}/{scope}/users/{ann}/roles/{own}{tail}').status_code
    assert [given(f'projects/{near}'), given(f'projects/{far}'), given('system')] == [204, 403, 400]
    assert [given(f'domains/{d}') for d in (home, other)] == [204, 204], 'Keystone compares the domains of projects alone'
    assert given(f'domains/{other}', '/inherited_to_projects', '/OS-INHERIT') == 204
    assert assignments(admin, f'scope.project.id={home}') == [], 'on itself, nobody has a role as on a project'
    line, = assignments(admin, f'scope.project.id={home}&include_subtree')
    assert line['scope']['project']['id'] == near, 'a domain is the project above its projects'


def test_the_admin_of_a_domain_sees_of_a_users_projects_those_in_it(admin):
    home = make(admin, 'domain', 'seen-home')
    boss, ann = (make(admin, 'user', f'seen-{name}', domain_id=home, password='pw') for name in ('boss', 'ann'))
    near, far = make(admin, 'project', 'seen-near', domain_id=home), make(admin, 'project', 'seen-far')
    admin.put(f"{V3}/domains/{home}/users/{boss}/roles/{role(admin, 'admin')}", None, 204)
    for project in near, far:
        admin.put(f"{V3}/projects/{project}/users/{ann}/roles/{role(admin, 'reader')}", None, 204)
    text = token(admin, boss, {'domain': {'id': home}}).headers['X-Subject-Token']
    assert [p['id'] for p in asks(admin, text, f'/users/{ann}/projects').json()['projects']] == [near]
    assert {p['id'] for p in admin.get(f'{V3}/users/{ann}/projects')['projects']} == {near, far}


@pytest.mark.parametrize('query', ['user.id=a&group.id=b', 'scope.project.id=a&scope.domain.id=b', 'scope.system=all&scope.domain.id=b',
                                   'effective&group.id=a', 'include_subtree'])
def test_filters_that_find_nothing_are_refused(admin, query):
    assert admin.call('GET', f'{V3}/role_assignments?{query}').status_code == 400


def test_the_real_client(cloud):
    group, ops = make(cloud.admin, 'group', 'c-grp'), make(cloud.admin, 'role', 'c-role')

    def cli(words):
        return cloud.apid.cli('openstack', *words.split()).stdout
    cli('group add user c-grp demo')
    assert cloud.admin.call('HEAD', f'{V3}/groups/{group}/users/{cloud.demo.user_id}').status_code == 204
    cloud.admin.put(f'{V3}/projects/{cloud.demo.project_id}/groups/{group}/roles/{ops}', None, 204)
    assert 'c-grp@Default' in cli('role assignment list --names --group c-grp')
