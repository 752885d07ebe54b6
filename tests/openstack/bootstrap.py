# SPDX-License-Identifier: Apache-2.0
"""Users, roles, services and endpoints in one process: `openstack` would take two seconds for each."""
from keystoneauth1 import identity
from keystoneauth1 import session
from keystoneclient.v3 import client


def client_of(password, url):
    """Keystone's client as the admin."""
    auth = identity.V3Password(auth_url=url, username='admin', password=password,
                               project_name='admin', user_domain_id='default',
                               project_domain_id='default')
    return client.Client(session=session.Session(auth=auth))


def fill(password, url, endpoints):
    """The services' user `svc`, a user `demo` with a project of his own, and {kind: url} endpoints."""
    k = client_of(password, url)
    roles = {role.name: role for role in k.roles.list()}
    roles['service'] = roles.get('service') or k.roles.create('service')
    projects = {name: k.projects.create(name, 'default') for name in ('service', 'demo')}
    svc = k.users.create('svc', domain='default', password=password)
    demo = k.users.create('demo', domain='default', password=password)
    for user, role, project in ((svc, 'admin', 'service'), (svc, 'service', 'service'),
                                (demo, 'member', 'demo')):
        k.roles.grant(roles[role], user=user, project=projects[project])
    for kind, at in endpoints.items():
        service = k.services.create(kind, type=kind)
        for interface in ('public', 'internal', 'admin'):
            k.endpoints.create(service, at, interface=interface, region='RegionOne')
