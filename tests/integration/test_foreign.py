# SPDX-License-Identifier: Apache-2.0
"""Requests in the form of clients that Debian does not have, or has too old: gophercloud, Terraform's provider,
Ansible's openstack.cloud, fog and Libcloud. What is said is our own, how it is said is theirs.

A step is a method, a path, a body, the status, and what the answer holds: a member by its path
(`ports.0.id`), or how many a list has (`#ports`). `>name` keeps a member, and `<name>` in later steps of
that client stands for it.
"""
import base64
import json
import re

import pytest

from apid import Cloud

V3, IMG, NET, CMP = '/identity/v3', '/image/v2/images', '/network/v2.0', '/compute/v2.1'
GONE = object()
PATCH = 'application/openstack-images-v2.1-json-patch'
SCRIPT = base64.b64encode(b'#!/bin/sh\necho hello\n').decode()


@pytest.fixture(scope='module')
def cloud(tmp_path_factory):
    made = Cloud(tmp_path_factory.mktemp('foreign'))
    made.agent(numvfs=16, vcpus=16)
    yield made
    made.close()


GOPHERCLOUD = [
    # every list is asked for with the filter twice, once as Go prints it
    ('GET', V3 + '/users?-=%7B%27name__contains%27%3A%27dmi%27%7D&enabled=true&name__contains=dmi', None, 200, {'#users': 1}),
    ('GET', V3 + '/groups?-=%7B%27name__contains%27%3A%27zz%27%7D&domain_id=default&name__contains=zz', None, 200, {'#groups': 0}),
    ('GET', V3 + '/services?type=identity', None, 200, {'#services': 1, 'services.0.name': 'keystone'}),
    ('POST', V3 + '/domains', {'domain': {'enabled': True, 'name': 'gc'}}, 201, {'domain.id': '>domain'}),
    ('POST', V3 + '/users', {'user': {'default_project_id': '<project>', 'description': 'of tests', 'domain_id': 'default', 'email': 'gc@example.org',
                                      'name': 'gc', 'options': {'ignore_password_expiry': True, 'multi_factor_auth_rules': [['password', 'totp'], ['password']]},
                                      'password': 'gc-secret'}}, 201, {'user.id': '>user', 'user.email': 'gc@example.org'}),
    ('PATCH', V3 + '/users/<user>', {'user': {'description': '', 'disabled_reason': 'left', 'enabled': False, 'name': 'gc2', 'options': {'multi_factor_auth_rules': None}}},
     200, {'user.disabled_reason': 'left', 'user.options': {'ignore_password_expiry': True}}),
    ('POST', V3 + '/groups', {'group': {'description': 'of tests', 'domain_id': 'default', 'email': 'all@example.org', 'name': 'gc'}}, 201, {'group.id': '>group', 'group.email': 'all@example.org'}),
    ('PATCH', V3 + '/groups/<group>', {'group': {'description': '', 'email': 'few@example.org'}}, 200, {'group.description': '', 'group.email': 'few@example.org'}),
    ('PUT', V3 + '/groups/<group>/users/<user>', None, 204, {}), ('HEAD', V3 + '/groups/<group>/users/<user>', None, 204, {}),
    ('POST', V3 + '/roles', {'role': {'description': 'd', 'domain_id': 'default', 'email': 'r@example.org', 'name': 'gc', 'options': {'immutable': False}}}, 201, {'role.id': '>role'}),
    ('PATCH', V3 + '/roles/<role>', {'role': {'description': 'e', 'email': 's@example.org', 'options': {'immutable': None}}}, 200, {'role.email': 's@example.org', 'role.options': {}}),
    ('PUT', V3 + '/projects/<project>/users/<user>/roles/<role>', None, 204, {}), ('PUT', V3 + '/domains/<domain>/groups/<group>/roles/<role>', None, 204, {}),
    ('PUT', V3 + '/OS-INHERIT/domains/<domain>/users/<user>/roles/<role>/inherited_to_projects', None, 204, {}),
    ('GET', V3 + '/role_assignments?include_names=true&role.id=<role>&scope.project.id=<project>&user.id=<user>', None, 200, {'#role_assignments': 1, 'role_assignments.0.user.name': 'gc2'}),
    ('POST', V3 + '/services', {'service': {'email': 's@example.org', 'name': 'gc', 'type': 'gc-test'}}, 201, {'service.id': '>service', 'service.email': 's@example.org'}),
    ('POST', V3 + '/endpoints', {'endpoint': {'description': 'd', 'enabled': False, 'interface': 'internal', 'name': 'gc', 'service_id': '<service>', 'url': 'https://gc.example.org'}},
     201, {'endpoint.id': '>endpoint', 'endpoint.name': 'gc', 'endpoint.enabled': False}),
    ('PATCH', V3 + '/endpoints/<endpoint>', {'endpoint': {'description': 'e', 'enabled': True, 'name': 'gc2', 'url': 'https://gc2.example.org'}}, 200, {'endpoint.url': 'https://gc2.example.org'}),
    ('POST', V3 + '/regions', {'region': {'description': 'd', 'email': 'r@example.org', 'id': 'gc'}}, 201, {'region.email': 'r@example.org'}),
    ('PATCH', V3 + '/regions/gc', {'region': {'description': ''}}, 200, {'region.description': ''}),
    ('POST', V3 + '/projects', {'project': {'description': 'd', 'name': 'gc', 'tags': ['one', 'two']}}, 201, {'project.id': '>own'}),
    ('GET', V3 + '/projects?tags=one%2Ctwo', None, 200, {'#projects': 1}), ('GET', V3 + '/projects?not-tags-any=one&name=gc', None, 200, {'#projects': 0}),
    ('PATCH', V3 + '/projects/<own>', {'project': {'tags': []}}, 200, {'project.tags': []}),
    ('POST', V3 + '/users/<me>/application_credentials', {'application_credential': {
        'access_rules': [{'method': 'GET', 'path': '/v2.0/metrics', 'service': 'monitoring'}], 'description': 'd', 'expires_at': '2055-01-01T00:00:00.299',
        'name': 'gc', 'roles': [{'name': 'admin'}, {'name': 'reader'}], 'unrestricted': False}}, 201, {'application_credential.id': '>credential'}),
    ('GET', V3 + '/users/<me>/application_credentials/<credential>', None, 200, {'application_credential.name': 'gc', 'application_credential.secret': GONE}),
    ('POST', IMG, {'architecture': 'x86_64', 'container_format': 'bare', 'disk_format': 'qcow2', 'name': 'gc', 'properties': "{'a': 'b'}", 'protected': False,
                   'tags': ['foo', 'bar', 'baz'], 'visibility': 'private'}, 201, {'id': '>image', 'architecture': 'x86_64'}),
    ('GET', IMG + '?container_format=bare&disk_format=qcow2&tag=foo&tag=bar', None, 200, {'#images': 1}),
    ('GET', IMG + '?created_at=gte%3A2014-01-01T01%3A01%3A01Z&limit=1', None, 200, {'#images': 1}), ('GET', IMG + '?created_at=gte%3A2049-01-01T01%3A01%3A01Z&limit=1', None, 200, {'#images': 0}),
    ('PATCH', IMG + '/<image>', [{'op': 'replace', 'path': '/name', 'value': 'gc2'}, {'op': 'replace', 'path': '/tags', 'value': ['foo']}, {'op': 'replace', 'path': '/min_disk', 'value': 21},
                                 {'op': 'add', 'path': '/hw_disk_bus', 'value': 'scsi'}, {'op': 'remove', 'path': '/architecture'}], 200, {'hw_disk_bus': 'scsi', 'architecture': GONE}),
    ('POST', NET + '/networks', {'network': {'admin_state_up': True, 'description': 'd', 'name': 'gc'}}, 201, {'network.id': '>net', 'network.revision_number': '>revision'}),
    ('POST', NET + '/subnets', {'subnet': {'cidr': '192.168.9.0/24', 'description': 'd', 'enable_dhcp': False, 'gateway_ip': '192.168.9.1', 'ip_version': 4, 'name': 'gc', 'network_id': '<net>',
                                           'service_types': ['network:routed']}}, 201, {'subnet.id': '>subnet'}),
    ('PUT', NET + '/subnets/<subnet>', {'subnet': {'service_types': []}}, 200, {}), ('PUT', NET + '/subnets/<subnet>', {'subnet': {'gateway_ip': None}}, 200, {'subnet.gateway_ip': None}),
    ('PUT If-Match=revision_number=<revision>', NET + '/networks/<net>', {'network': {'description': '', 'name': 'gc2'}}, 412, {}),
    ('POST', NET + '/ports', {'port': {'admin_state_up': True, 'extra_dhcp_opts': [{'opt_name': 'one', 'opt_value': '1'}], 'fixed_ips': [{'subnet_id': '<subnet>'}], 'name': 'gc', 'network_id': '<net>'}},
     201, {'port.id': '>port', 'port.fixed_ips.0.ip_address': '>address', 'port.security_groups.0': '>default'}),
    ('PUT', NET + '/ports/<port>', {'port': {'extra_dhcp_opts': [{'opt_name': 'one', 'opt_value': None}, {'opt_name': 'two', 'opt_value': '2'}], 'name': 'gc2'}}, 200, {'#port.extra_dhcp_opts': 1}),
    ('PUT', NET + '/ports/<port>', {'port': {'security_groups': []}}, 200, {'port.security_groups': []}),
    ('PUT', NET + '/ports/<port>', {'port': {'allowed_address_pairs': [{'ip_address': '192.168.9.77', 'mac_address': 'aa:bb:cc:dd:ee:0f'}]}}, 200, {'#port.allowed_address_pairs': 1}),
    ('GET', NET + '/ports?fixed_ips=ip_address%3D<address>&fixed_ips=subnet_id%3D<subnet>', None, 200, {'#ports': 1}),
    ('GET', NET + '/networks?id=<net>&router%3Aexternal=false', None, 200, {'#networks': 1}),
    ('PUT', NET + '/networks/<net>/tags', {'tags': ['a', 'b']}, 200, {'tags': ['a', 'b']}),
    ('GET', NET + '/networks?sort_dir=asc&sort_key=id&tags-any=a%2Cx', None, 200, {'#networks': 1}), ('GET', NET + '/networks?not-tags=a%2Cb&tags=a', None, 200, {'#networks': 0}),
    ('POST', NET + '/security-groups', {'security_group': {'description': 'd', 'name': 'gc'}}, 201, {'security_group.id': '>group2'}),
    ('POST', NET + '/security-group-rules', {'security_group_rules': [
        {'description': 'd', 'direction': 'ingress', 'ethertype': 'IPv4', 'port_range_max': n + 9, 'port_range_min': n, 'protocol': 'tcp', 'security_group_id': '<group2>'} for n in (80, 1080)]},
     201, {'#security_group_rules': 2}),
    ('POST', CMP + '/servers', {'server': {'adminPass': 'gc-secret', 'flavorRef': '<flavor>', 'imageRef': '<active>', 'metadata': {'abc': 'def'}, 'name': 'gc', 'networks': [{'uuid': '<net>'}],
                                           'personality': [{'contents': 'aGVsbG8=', 'path': '/etc/test'}]}}, 202, {'server.adminPass': 'gc-secret', 'server.id': '>server'}),
]
TERRAFORM = [
    ('POST', NET + '/networks', {'network': {'admin_state_up': True, 'name': 'tf', 'port_security_enabled': True, 'mtu': 1400, 'shared': False, 'segments': [
        {'provider:network_type': 'vlan', 'provider:physical_network': 'physnet1', 'provider:segmentation_id': 1133}]}}, 201, {'network.id': '>net', 'network.provider:segmentation_id': 1133}),
    # value_specs are text, whatever they stand for
    ('POST', NET + '/networks', {'network': {'admin_state_up': True, 'name': 'tf2', 'provider:network_type': 'vlan', 'provider:physical_network': 'physnet1', 'provider:segmentation_id': '1134',
                                             'router:external': 'false', 'mtu': '1300'}}, 201, {'network.provider:segmentation_id': 1134, 'network.mtu': 1300}),
    ('PUT', NET + '/networks/<net>/tags', {'tags': ['b', 'a']}, 200, {}), ('GET', NET + '/networks?name=tf&tags=a%2Cb', None, 200, {'#networks': 1}),
    ('POST', NET + '/subnets', {'subnet': {'allocation_pools': [{'end': '10.66.0.60', 'start': '10.66.0.10'}], 'cidr': '10.66.0.0/24', 'dns_nameservers': ['9.9.9.9', '1.1.1.1'], 'enable_dhcp': True,
                                           'ip_version': 4, 'name': 'tf', 'network_id': '<net>'}}, 201, {'subnet.id': '>subnet', 'subnet.dns_nameservers': ['9.9.9.9', '1.1.1.1']}),
    ('PUT', NET + '/subnets/<subnet>', {'subnet': {'host_routes': [{'destination': '10.9.0.0/16', 'nexthop': '10.66.0.9'}]}}, 200, {'#subnet.host_routes': 1}),
    ('POST', NET + '/security-groups', {'security_group': {'name': 'tf'}}, 201, {'security_group.id': '>group', '#security_group.security_group_rules': 2, 'security_group.security_group_rules.0.id': '>rule'}),
    ('DELETE', NET + '/security-group-rules/<rule>', None, 204, {}),
    ('POST', NET + '/security-group-rules', {'security_group_rule': {'direction': 'ingress', 'ethertype': 'IPv4', 'port_range_max': 22, 'port_range_min': 22, 'protocol': 'tcp', 'remote_ip_prefix': '0.0.0.0/0',
                                                                     'security_group_id': '<group>'}}, 201, {'security_group_rule.remote_ip_prefix': '0.0.0.0/0'}),
    ('POST', NET + '/ports', {'port': {'admin_state_up': True, 'allowed_address_pairs': [{'ip_address': '10.66.0.200'}], 'binding:profile': {'capabilities': ['switchdev']}, 'binding:vnic_type': 'direct',
                                       'extra_dhcp_opts': [{'opt_name': 'mtu', 'opt_value': '1400', 'ip_version': 4}], 'fixed_ips': [{'ip_address': '10.66.0.20', 'subnet_id': '<subnet>'}], 'name': 'tf',
                                       'network_id': '<net>', 'security_groups': ['<group>']}}, 201, {'port.id': '>port', 'port.binding:profile.capabilities': ['switchdev'], 'port.binding:vnic_type': 'direct'}),
    ('GET', NET + '/ports?network_id=<net>&security_groups=<group>', None, 200, {'#ports': 1}), ('GET', NET + '/subnets?name=tf&network_id=<net>&ip_version=4', None, 200, {'#subnets': 1}),
    ('PUT', NET + '/quotas/<project>', {'quota': {'floatingip': 10, 'network': 40, 'port': 100, 'rbac_policy': 10, 'router': 4, 'security_group': 10, 'security_group_rule': 100, 'subnet': 80, 'subnetpool': 2}},
     200, {'quota.network': 40}),
    ('POST', V3 + '/users', {'user': {'description': 'of tests', 'domain_id': 'default', 'email': 'tf@example.org', 'enabled': True, 'name': 'tf', 'options': {'ignore_password_expiry': True}, 'password': 'tf-secret'}},
     201, {'user.id': '>user', 'user.default_project_id': GONE}),
    ('PATCH', V3 + '/users/<user>', {'user': {'email': 'tf2@example.org', 'enabled': True}}, 200, {'user.email': 'tf2@example.org'}),
    ('GET', V3 + '/roles?name=reader', None, 200, {'roles.0.id': '>role'}), ('PUT', V3 + '/projects/<project>/users/<user>/roles/<role>', None, 204, {}),
    ('GET', V3 + '/role_assignments?role.id=<role>&scope.project.id=<project>&user.id=<user>', None, 200, {'#role_assignments': 1}),
    ('GET', V3 + '/projects?is_domain=false&name=admin', None, 200, {'#projects': 1}), ('GET', V3 + '/endpoints?interface=public', None, 200, {}),
    ('POST', IMG, {'container_format': 'bare', 'disk_format': 'raw', 'hw_vif_model': 'virtio', 'min_disk': 0, 'min_ram': 64, 'name': 'tf', 'protected': False, 'tags': ['t'], 'visibility': 'private'}, 201, {'id': '>image'}),
    ('PATCH', IMG + '/<image>', [{'op': 'replace', 'path': '/visibility', 'value': 'shared'}], 200, {'visibility': 'shared'}),
    ('POST', IMG + '/<image>/members', {'member': '<other>'}, 200, {'status': 'pending'}), ('GET', IMG + '/<image>/members/<other>', None, 200, {'member_id': '<other>'}),
    ('GET', IMG + '?member_status=accepted&name=tf&sort_dir=desc&sort_key=updated_at&status=queued&visibility=shared', None, 200, {'#images': 1}),
    ('POST', CMP + '/servers', {'server': {'config_drive': True, 'flavorRef': '<flavor>', 'imageRef': '<active>', 'metadata': {'role': 'nfv'}, 'name': 'tf', 'networks': [{'port': '<port>'}], 'user_data': SCRIPT}},
     202, {'server.id': '>server'}),
    ('GET', CMP + '/servers/<server>/os-interface', None, 200, {'#interfaceAttachments': 1, 'interfaceAttachments.0.port_id': '<port>'}),
]
ANSIBLE = [
    ('GET', NET + '/security-groups?name=an&not-tags=x', None, 200, {'#security_groups': 0}),
    ('POST', NET + '/security-groups', {'security_group': {'name': 'an', 'description': 'd', 'stateful': True, 'project_id': '<project>'}}, 201, {'security_group.id': '>group'}),
    ('PUT', NET + '/security-groups/<group>', {'security_group': {'description': 'e'}}, 200, {'security_group.description': 'e'}),
    ('POST', NET + '/security-group-rules', {'security_group_rule': {'direction': 'ingress', 'ethertype': 'IPv6', 'port_range_max': None, 'port_range_min': None, 'protocol': 'icmp', 'remote_group_id': None,
                                                                     'remote_ip_prefix': None, 'security_group_id': '<group>'}}, 201, {'security_group_rule.protocol': 'ipv6-icmp'}),
    ('POST', NET + '/networks', {'network': {'name': 'an', 'admin_state_up': True, 'shared': False, 'router:external': False}}, 201, {'network.id': '>net'}),
    ('GET', NET + '/networks/an', None, 404, {}), ('GET', NET + '/networks?name=an', None, 200, {'#networks': 1}),
    ('POST', NET + '/subnets', {'subnet': {'network_id': '<net>', 'cidr': '10.67.0.0/24', 'ip_version': 4, 'enable_dhcp': True, 'name': 'an', 'use_default_subnet_pool': False}}, 400, {}),
    ('POST', NET + '/subnets', {'subnet': {'network_id': '<net>', 'cidr': '10.67.0.0/24', 'ip_version': 4, 'enable_dhcp': True, 'name': 'an'}}, 201, {}),
    ('GET', NET + '/routers', None, 200, {'#routers': 0}), ('GET', NET + '/floatingips?port_id=x', None, 200, {'#floatingips': 0}),
    ('POST', CMP + '/servers', {'server': {'name': 'an', 'imageRef': '<active>', 'flavorRef': '<flavor>', 'networks': [{'uuid': '<net>'}], 'security_groups': [{'name': '<group>'}], 'metadata': {}, 'min_count': 1,
                                           'max_count': 1, 'config_drive': False}}, 202, {'server.id': '>server', 'server.adminPass': '>password'}),
    ('GET', CMP + '/servers/<server>/os-security-groups', None, 200, {'security_groups.0.id': '<group>', 'security_groups.0.name': 'an'}),
    ('GET', CMP + '/servers/detail?name=%5Ean%24', None, 200, {'#servers': 1}),
]
FOG = [
    ('POST', NET + '/networks', {'network': {'name': 'fog', 'provider:network_type': 'vlan', 'provider:physical_network': 'physnet1', 'provider:segmentation_id': 1150}}, 201, {'network.id': '>net'}),
    ('POST', NET + '/subnets', {'subnet': {'network_id': '<net>', 'cidr': '10.88.0.0/24', 'ip_version': 4, 'name': 'fog'}}, 201, {}),
    ('POST', NET + '/ports', {'port': {'network_id': '<net>', 'name': 'fog', 'fixed_ips': [{'ip_address': '10.88.0.9'}], 'allowed_address_pairs': [{'ip_address': '10.88.0.99'}]}}, 201, {'port.id': '>port'}),
    ('PUT', NET + '/ports/<port>.json', {'port': {'name': 'fog2', 'admin_state_up': True, 'device_owner': '', 'device_id': ''}}, 200, {'port.name': 'fog2'}),
    ('GET', NET + '/networks?router%3Aexternal=true', None, 200, {'#networks': 0}),
    ('POST', CMP + '/flavors', {'flavor': {'name': 'fog', 'ram': 128, 'vcpus': 1, 'disk': 1, 'id': 'fog', 'swap': 0, 'OS-FLV-EXT-DATA:ephemeral': 0, 'os-flavor-access:is_public': True}}, 200, {'flavor.id': 'fog'}),
    ('GET', CMP + '/flavors/fog', None, 200, {'flavor.name': 'fog'}), ('GET', CMP + '/os-simple-tenant-usage?start=2026-01-01T00:00:00&detailed=1', None, 200, {}),
    ('POST', CMP + '/servers', {'server': {'flavorRef': 'fog', 'imageRef': '<active>', 'name': 'fog', 'user_data': SCRIPT, 'metadata': {'a': 'b'}, 'networks': [{'port': '<port>'}],
                                                'personality': [{'path': '/etc/x', 'contents': 'aGk='}]}}, 202, {'server.id': '>server'}),
    ('GET', CMP + '/servers/<server>', None, 200, {'server.name': 'fog'}),
    ('GET', V3 + '/role_assignments', None, 200, {}), ('GET', V3 + '/users?name=', None, 200, {'#users': 0}),
]
LIBCLOUD = [
    ('POST', NET + '/networks', {'network': {'name': 'lc'}}, 201, {'network.id': '>net'}),
    ('POST', NET + '/subnets', {'subnet': {'cidr': '10.61.0.0/24', 'network_id': '<net>', 'ip_version': 4, 'name': 'lc', 'host_routes': [], 'dns_nameservers': []}}, 201, {'subnet.id': '>subnet'}),
    ('PUT', NET + '/subnets/<subnet>', {'subnet': {'name': 'lc2'}}, 200, {}),
    ('POST', NET + '/security-groups', {'security_group': {'name': 'lc', 'description': 'x'}}, 201, {'security_group.id': '>group'}),
    ('POST', NET + '/security-group-rules', {'security_group_rule': {'security_group_id': '<group>', 'protocol': 'tcp', 'port_range_min': 22, 'port_range_max': 22, 'remote_ip_prefix': '0.0.0.0/0', 'direction': 'ingress'}},
     201, {}),
    ('GET', NET + '/networks?router:external=True', None, 200, {'#networks': 0}), ('GET', NET + '/quotas/<project>/details.json', None, 200, {'quota.network.used': '>used'}),
    ('POST', NET + '/ports', {'port': {'network_id': '<net>', 'name': 'lc', 'admin_state_up': True}}, 201, {'port.id': '>port'}),
    ('PUT', NET + '/ports/<port>', {'port': {'description': 'dd', 'port_security_enabled': True}}, 200, {'port.description': 'dd'}),
    ('POST', CMP + '/servers', {'server': {'name': 'lc', 'metadata': {'a': 'b'}, 'personality': [], 'user_data': SCRIPT, 'config_drive': 'True', 'networks': [{'uuid': '<net>'}], 'security_groups': [{'name': 'lc'}],
                                           'imageRef': '<active>', 'flavorRef': '<flavor>'}}, 202, {'server.id': '>server'}),
    ('GET', CMP + '/servers/<server>/os-security-groups', None, 200, {'security_groups.0.name': 'lc'}),
    ('GET', CMP + '/servers/<server>/metadata', None, 200, {'metadata': {'a': 'b'}}), ('PUT', CMP + '/servers/<server>', {'server': {'name': 'lc2'}}, 200, {'server.name': 'lc2'}),
]


def member(doc, path):
    """The member of a path, GONE where there is none."""
    for part in path.split('.'):
        doc = doc[int(part)] if isinstance(doc, list) else doc.get(part, GONE) if isinstance(doc, dict) else GONE
    return doc


def take(answer, path, want, ids):
    """Compare a member with what is wanted, or keep it."""
    if path.startswith('#'):
        assert len(member(answer, path[1:])) == want, (path, answer)
    elif isinstance(want, str) and want.startswith('>'):
        ids[want[1:]] = str(member(answer, path))
        assert member(answer, path) not in (GONE, None), (path, answer)
    else:
        assert member(answer, path) == want, (path, answer)


@pytest.mark.parametrize('steps', [GOPHERCLOUD, TERRAFORM, ANSIBLE, FOG, LIBCLOUD], ids='gophercloud terraform ansible fog libcloud'.split())
def test_clients_that_speak_otherwise_are_understood(cloud, steps):
    admin = cloud.admin
    ids = {'project': admin.project_id, 'me': admin.user_id, 'other': cloud.demo.project_id, 'flavor': cloud.flavor()['id'], 'active': cloud.image(name='base')['id']}

    def filled(value):
        return json.loads(re.sub(r'<(\w+)>', lambda m: ids[m[1]], json.dumps(value)))
    for verb, path, body, status, wants in steps:
        method, _, match = filled(verb).partition(' If-Match=')
        headers = {'If_Match': match} if match else {'Content_Type': PATCH} if isinstance(body, list) else {}
        got = admin.call(method, filled(path), filled(body), **headers)
        assert got.status_code == status, (verb, filled(path), got.text)
        for where, want in wants.items():
            take(got.json(), where, want if want is GONE else filled(want), ids)
    if 'server' in ids:
        cloud.wait_status({'id': ids['server']}, 'ACTIVE')
