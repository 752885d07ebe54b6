# SPDX-License-Identifier: Apache-2.0
"""Servers, placement and leases through the API, with agents that obey at once (apid.FakeAgent).

What a real host makes of the same wishes is tests/integration/test_agent.py's.
"""
import base64
import concurrent.futures
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import tempfile
import time
import urllib.parse
import uuid

import pytest
import requests

from apid import Cloud, FakeAgent, shared_cloud
from conftest import BUILD, DAEMONS, wait_for

NOVA = '/compute/v2.1'


@pytest.fixture
def cloud(tmp_path):
    made = Cloud(tmp_path)
    yield made
    made.close()


shared = shared_cloud()


@pytest.fixture(scope='module')
def kit(shared):
    """A flavor, an image and a network."""
    return shared.flavor(), shared.image(), shared.network()


def populate(cloud, **inventory):
    """A live host, and flavor, image, network."""
    return cloud.agent(**inventory), cloud.flavor(), cloud.image(), cloud.network()


def message(got, status, kind):
    """The text of a Nova fault."""
    assert got.status_code == status, got.text
    fault = got.json()[kind]
    assert fault['code'] == status
    return fault['message']


# Versions

def test_version_document_says_which_microversions_are_served(shared):
    version = requests.get(shared.apid.url + NOVA, timeout=5).json()['version']
    assert version['min_version'] == '2.1' and version['version'] == '2.73'
    listed = requests.get(f'{shared.apid.url}/compute', timeout=5).json()['versions']
    assert [(v['id'], v['status']) for v in listed] == [('v2.0', 'SUPPORTED'), ('v2.1', 'CURRENT')]
    for version in listed:  # as Tempest follows them; what is below the old one is there as well
        assert requests.get(version['links'][0]['href'], timeout=5).json()['version']['links'] == version['links']
    assert shared.admin.get('/compute/v2/flavors') == shared.admin.get(NOVA + '/flavors')


def test_microversion_is_answered_and_too_new_ones_are_refused(shared):
    got = shared.admin.call('GET', NOVA + '/servers', OpenStack_API_Version='compute 2.61')
    assert got.headers['X-OpenStack-Nova-API-Version'] == '2.61'
    assert shared.admin.call('GET', NOVA + '/servers').headers['OpenStack-API-Version'] == \
        'compute 2.1'
    for version, status in (('2.74', 406), ('3.1', 400), ('x', 400)):
        got = shared.admin.call('GET', NOVA + '/servers', X_OpenStack_Nova_API_Version=version)
        assert got.status_code == status


# Flavors

def test_flavor_looks_as_nova_shows_it(shared):
    flavor = shared.flavor(name='looks', ram=256, disk=2)
    got = shared.admin.get(f"{NOVA}/flavors/{flavor['id']}")['flavor']
    assert got['swap'] == '' and got['os-flavor-access:is_public'] is True
    assert got['rxtx_factor'] == 1.0 and 'extra_specs' not in got and 'description' not in got
    got = shared.admin.get(f"{NOVA}/flavors/{flavor['id']}",
                           X_OpenStack_Nova_API_Version='2.61')['flavor']
    assert got['extra_specs'] == {} and got['description'] is None
    listed = shared.admin.get(NOVA + '/flavors')['flavors']
    assert {'id', 'name', 'links'} == set(next(f for f in listed if f['name'] == 'looks'))
    listed = shared.admin.get(NOVA + '/flavors', X_OpenStack_Nova_API_Version='2.55')['flavors']
    assert {'id', 'name', 'description', 'links'} == set(next(f for f in listed if f['name'] == 'looks'))


def test_flavor_names_and_ids_are_unique(shared):
    shared.flavor(name='once', id='17')
    body = {'name': 'once', 'ram': 1, 'vcpus': 1, 'disk': 0}
    got = shared.admin.call('POST', NOVA + '/flavors', {'flavor': body})
    assert message(got, 409, 'conflictingRequest') == 'Flavor with name once already exists.'
    for ident in '17', 17:
        got = shared.admin.call('POST', NOVA + '/flavors', {'flavor': {**body, 'name': 'x', 'id': ident}})
        assert message(got, 409, 'conflictingRequest') == 'Flavor with ID 17 already exists.'
    assert shared.flavor(id=18)['id'] == '18'
    for word, public in ('False', False), ('yes', True):  # as Tempest and others write them
        assert shared.flavor(**{'os-flavor-access:is_public': word})['os-flavor-access:is_public'] is public
    for wrong in 'maybe', 1:
        assert shared.admin.call('POST', NOVA + '/flavors', {'flavor': {**body, 'os-flavor-access:is_public': wrong}}).status_code == 400
    assert shared.admin.call('POST', NOVA + '/flavors', {'flavor': {**body, 'name': 'x', 'id': 1.5}}).status_code == 400


def test_flavor_not_found_is_novas_404(shared):
    got = shared.admin.call('GET', NOVA + '/flavors/f1')
    assert message(got, 404, 'itemNotFound') == 'Flavor f1 could not be found.'


def test_flavor_is_for_admins_to_make(shared):
    got = shared.demo.call('POST', NOVA + '/flavors',
                           {'flavor': {'name': 'mine', 'ram': 1, 'vcpus': 1, 'disk': 0}})
    assert got.status_code == 403


def test_private_flavor_is_seen_by_those_with_access(shared):
    flavor = shared.flavor(**{'os-flavor-access:is_public': False})
    path = f"{NOVA}/flavors/{flavor['id']}"
    assert shared.demo.call('GET', path).status_code == 404
    shared.admin.post(path + '/action', {'addTenantAccess': {'tenant': shared.demo.project_id}}, 200)
    shared.demo.get(path)
    assert len(shared.admin.get(path + '/os-flavor-access')['flavor_access']) == 1
    shared.admin.post(path + '/action', {'removeTenantAccess': {'tenant': shared.demo.project_id}},
                      200)
    assert shared.demo.call('GET', path).status_code == 404
    names = [f['id'] for f in shared.admin.get(NOVA + '/flavors?is_public=None')['flavors']]
    assert flavor['id'] in names


def test_extra_specs_are_set_shown_and_unset(shared):
    path = f"{NOVA}/flavors/{shared.flavor()['id']}/os-extra_specs"
    shared.admin.post(path, {'extra_specs': {'anyvf:queues': '4', 'n': 2}}, 200)
    assert shared.demo.get(path)['extra_specs'] == {'anyvf:queues': '4', 'n': '2'}
    shared.admin.put(path + '/n', {'n': '3'})
    assert shared.demo.get(path + '/n') == {'n': '3'}
    shared.admin.delete(path + '/n', status=200)
    assert shared.demo.call('GET', path + '/n').status_code == 404


# Keypairs

def test_new_keypair_comes_with_its_private_half_once(shared):
    pair = shared.demo.post(NOVA + '/os-keypairs', {'keypair': {'name': 'k1'}}, 200)['keypair']
    assert pair['private_key'].startswith('-----BEGIN OPENSSH PRIVATE KEY-----')
    shown = shared.demo.get(NOVA + '/os-keypairs/k1')['keypair']
    assert shown['public_key'] == pair['public_key'] and 'private_key' not in shown
    assert shown['fingerprint'] == pair['fingerprint']
    assert [k['keypair']['name'] for k in shared.demo.get(NOVA + '/os-keypairs')['keypairs']] == ['k1']
    assert shared.admin.call('GET', NOVA + '/os-keypairs/k1').status_code == 404
    shared.demo.delete(NOVA + '/os-keypairs/k1', X_OpenStack_Nova_API_Version='2.10')
    assert shared.demo.call('DELETE', NOVA + '/os-keypairs/k1').status_code == 404


def test_keypairs_of_others_are_an_admins_to_see(shared):
    new = {'X_OpenStack_Nova_API_Version': '2.10'}
    shared.admin.post(NOVA + '/os-keypairs', {'keypair': {'name': 'theirs'}}, 200)
    shared.demo.post(NOVA + '/os-keypairs', {'keypair': {'name': 'own'}}, 200)

    def names(client, user):
        got = client.get(f'{NOVA}/os-keypairs?user_id={user.user_id}', **new)['keypairs']
        return [k['keypair']['name'] for k in got]
    assert names(shared.admin, shared.demo) == ['own']
    assert names(shared.demo, shared.admin) == ['own'], 'user_id is passed over'
    path = f'{NOVA}/os-keypairs/theirs?user_id={shared.admin.user_id}'
    assert shared.demo.call('GET', path, **new).status_code == 404
    assert shared.demo.call('DELETE', path, **new).status_code == 404
    body = {'keypair': {'name': 'k', 'user_id': 'nobody'}}
    assert shared.admin.call('POST', NOVA + '/os-keypairs', body, **new).status_code == 404
    body['keypair']['user_id'] = shared.admin.user_id
    assert shared.demo.call('POST', NOVA + '/os-keypairs', body, **new).status_code == 403
    shared.demo.delete(NOVA + '/os-keypairs/own', **new)


@pytest.mark.parametrize('body, status', [
    ({'name': 'k2', 'public_key': 'ssh-rsa JUNK nothing@vague'}, 400),
    ({'name': 'k2', 'public_key': ''}, 400),
    ({'name': ''}, 400),
    ({'name': 'key/'}, 400),
    ({'name': 'k' * 256}, 400),
    ({}, 400),
])
def test_wrong_keypairs_are_refused(shared, body, status):
    assert shared.demo.call('POST', NOVA + '/os-keypairs', {'keypair': body}).status_code == status


def test_keypair_names_are_unique(shared):
    shared.demo.post(NOVA + '/os-keypairs', {'keypair': {'name': 'twice'}}, 200)
    got = shared.demo.call('POST', NOVA + '/os-keypairs', {'keypair': {'name': 'twice'}})
    assert message(got, 409, 'conflictingRequest') == "Key pair 'twice' already exists."


# Quotas

def test_quotas_are_shown_changed_and_reset(shared):
    path = f'{NOVA}/os-quota-sets/{shared.demo.project_id}'
    quota = shared.demo.get(path)['quota_set']
    assert quota['instances'] == 10 and quota['id'] == shared.demo.project_id
    assert shared.admin.put(path, {'quota_set': {'instances': 3}})['quota_set']['instances'] == 3
    assert shared.demo.get(path)['quota_set']['instances'] == 3
    assert shared.admin.put(path, {'quota_set': {'ram': '5120', 'cores': '-1'}})['quota_set']['ram'] == 5120
    for wrong in '', '-', '-2', '1e3', '12345678901', 1.5, None:
        assert shared.admin.call('PUT', path, {'quota_set': {'ram': wrong}}).status_code == 400, wrong
    assert shared.demo.call('PUT', path, {'quota_set': {'instances': 9}}).status_code == 403
    assert shared.admin.call('PUT', path, {'quota_set': {'apples': 9}}).status_code == 400
    shared.admin.delete(path, status=202)
    assert shared.demo.get(path)['quota_set']['instances'] == 10
    assert shared.demo.get(NOVA + '/limits')['limits']['absolute']['maxTotalCores'] == 20


def test_full_quota_refuses_the_server_in_novas_words(cloud):
    _, flavor, image, net = populate(cloud)
    path = f'{NOVA}/os-quota-sets/{cloud.admin.project_id}'
    cloud.admin.put(path, {'quota_set': {'cores': 1}})
    cloud.boot(flavor, image, [{'uuid': net['id']}])
    body = {'server': {'name': 'x', 'flavorRef': flavor['id'], 'imageRef': image['id'],
                       'networks': [{'uuid': net['id']}]}}
    got = cloud.admin.call('POST', NOVA + '/servers', body)
    assert message(got, 403, 'forbidden') == \
        'Quota exceeded for cores: Requested 1, but already used 1 of 1 cores'


# Boot and life

def test_server_with_a_users_port_boots_on_a_leased_vf(cloud):
    agent, flavor, image, net = populate(cloud)
    port = cloud.port(net)
    server = cloud.boot(flavor, image, [{'port': port['id']}], name='VM1',
                        user_data=base64.b64encode(b'#!/bin/sh\n').decode(),
                        metadata={'role': 'web'})
    shown = cloud.wait_status(server, 'ACTIVE')
    assert shown['OS-EXT-SRV-ATTR:host'] == 'h1' and shown['OS-EXT-STS:power_state'] == 1
    assert shown['OS-EXT-STS:task_state'] is None and shown['OS-SRV-USG:launched_at']
    address = shown['addresses'][net['name']][0]
    assert address['addr'] == port['fixed_ips'][0]['ip_address']
    assert address['OS-EXT-IPS-MAC:mac_addr'] == port['mac_address']
    bound = wait_for(lambda: (lambda p: p if p['status'] == 'ACTIVE' else None)(
        cloud.show_port(port)))
    assert bound['device_id'] == server['id'] and bound['device_owner'].startswith('compute:')
    assert bound['binding:host_id'] == 'h1' and bound['binding:vif_type'] == 'vhostuser'
    wish = agent.wishes()['server'][server['id']]
    assert wish['power'] == 'on' and wish['ports'] == [port['id']] and wish['memory_mb'] == 128
    assert wish['metadata'] == {'role': 'web'} and wish['image']['id'] == image['id']
    lease = agent.wishes()['port'][port['id']]
    assert lease['pf'] == 'p2p1' and lease['mac'] == port['mac_address']
    assert lease['server'] == server['id'] and not lease['released']


def test_users_port_survives_its_server_and_the_vf_is_free_again(cloud):
    agent, flavor, image, net = populate(cloud, numvfs=1)
    port = cloud.port(net)
    for _ in range(2):
        server = cloud.boot(flavor, image, [{'port': port['id']}])
        cloud.wait_status(server, 'ACTIVE')
        cloud.admin.delete(f"{NOVA}/servers/{server['id']}")
        cloud.wait_gone(server)
        wait_for(lambda: not agent.wishes()['port'], what='return of the VF')
        left = cloud.show_port(port)
        assert left['device_id'] == '' and left['binding:host_id'] == ''
    assert not agent.wishes()['server']


def test_port_made_by_the_boot_goes_with_the_server(cloud):
    agent, flavor, image, net = populate(cloud)
    server = cloud.boot(flavor, image, [{'uuid': net['id']}])
    shown = cloud.wait_status(server, 'ACTIVE')
    assert shown['addresses'][net['name']]
    ports = cloud.admin.get(f"/network/v2.0/ports?device_id={server['id']}")['ports']
    assert len(ports) == 1
    cloud.admin.delete(f"{NOVA}/servers/{server['id']}")
    cloud.wait_gone(server)
    assert not cloud.admin.get(f"/network/v2.0/ports?device_id={server['id']}")['ports']
    wait_for(lambda: not agent.wishes()['port'], what='return of the VF')
    assert cloud.admin.call('GET', f"/network/v2.0/ports/{ports[0]['id']}").status_code == 404


def test_stop_start_reboot_change_the_wish_and_end_with_reports(cloud):
    agent, flavor, image, net = populate(cloud)
    server = cloud.boot(flavor, image, [{'uuid': net['id']}])
    cloud.wait_status(server, 'ACTIVE')
    cloud.action(server, 'os-stop')
    assert cloud.wait_status(server, 'SHUTOFF')['OS-EXT-STS:power_state'] == 4
    got = cloud.admin.call('POST', f"{NOVA}/servers/{server['id']}/action", {'os-stop': None})
    assert message(got, 409, 'conflictingRequest') == \
        f"Cannot 'stop' instance {server['id']} while it is in vm_state stopped"
    cloud.action(server, 'os-start')
    cloud.wait_status(server, 'ACTIVE')
    cloud.action(server, 'reboot', {'type': 'SOFT'})
    cloud.wait_status(server, 'ACTIVE')
    cloud.action(server, 'reboot', {'type': 'HARD'})
    cloud.wait_status(server, 'ACTIVE')
    assert agent.wishes()['server'][server['id']]['reboot'] == 2
    names = [a['action'] for a in cloud.admin.get(
        f"{NOVA}/servers/{server['id']}/os-instance-actions")['instanceActions']]
    assert names == ['reboot', 'reboot', 'start', 'stop', 'create']


def test_reboot_shows_until_the_agent_counts_it(cloud):
    agent, flavor, image, net = populate(cloud)
    server = cloud.boot(flavor, image, [{'uuid': net['id']}])
    cloud.wait_status(server, 'ACTIVE')
    agent.ignore.add('server')
    cloud.action(server, 'reboot', {'type': 'SOFT'})
    assert cloud.server(server)['status'] == 'REBOOT'
    wish = agent.wishes()['server'][server['id']]
    report = {'generation': wish['generation'], 'status': 'ACTIVE', 'power_state': 1}
    agent.report('server', server['id'], **report, reboot=0)
    assert cloud.server(server)['status'] == 'REBOOT'
    agent.report('server', server['id'], **report, reboot=1)
    assert cloud.server(server)['status'] == 'ACTIVE'


def test_paused_server_goes_on(cloud):
    agent, flavor, image, net = populate(cloud)
    server = cloud.boot(flavor, image, [{'uuid': net['id']}])
    cloud.wait_status(server, 'ACTIVE')
    cloud.action(server, 'unpause', status=409)
    cloud.action(server, 'pause')
    assert cloud.wait_status(server, 'PAUSED')['OS-EXT-STS:power_state'] == 3
    assert agent.docs['server'][server['id']]['power'] == 'paused'
    got = cloud.action(server, 'os-stop', status=409)['conflictingRequest']['message']
    assert got == f"Cannot 'stop' instance {server['id']} while it is in vm_state paused"
    cloud.action(server, 'unpause')
    assert cloud.wait_status(server, 'ACTIVE')['OS-EXT-STS:task_state'] is None


def test_suspended_and_rebuilt_servers_are_the_same_servers(cloud):
    agent, flavor, image, net = populate(cloud)
    server = cloud.boot(flavor, image, [{'uuid': net['id']}])
    before = cloud.wait_status(server, 'ACTIVE')
    path = f"{NOVA}/servers/{server['id']}"
    cloud.action(server, 'suspend')
    cloud.wait_status(server, 'SUSPENDED')
    cloud.action(server, 'os-start', status=409)
    cloud.action(server, 'resume')
    cloud.wait_status(server, 'ACTIVE')
    # a guest that keeps its VF is not suspended
    agent.ignore.add('server')
    cloud.action(server, 'suspend')
    wish = agent.wishes()['server'][server['id']]
    agent.report('server', server['id'], generation=wish['generation'], status='ACTIVE', power_state=1, plugged=wish['ports'], kept=wish['ports'])
    assert cloud.server(server)['OS-EXT-STS:task_state'] is None
    assert agent.wishes()['server'][server['id']]['power'] == 'on'
    request = cloud.admin.get(path + '/os-instance-actions')['instanceActions'][0]['request_id']
    event, = cloud.admin.get(f'{path}/os-instance-actions/{request}')['instanceAction']['events']
    assert (event['event'], event['result']) == ('compute_suspend_instance', 'Error') and event['finish_time']
    # another image and name; port and address stay
    other = cloud.image()
    got = cloud.admin.post(path + '/action', {'rebuild': {
        'imageRef': other['id'], 'name': 'anew', 'metadata': {'k': 'v'}, 'adminPass': 'word',
        'personality': [{'path': '/etc/x', 'contents': 'eA=='}]}}, 202)['server']
    assert (got['status'], got['adminPass'], got['image']['id'], got['name']) == ('REBUILD', 'word', other['id'], 'anew')
    wish = agent.wishes()['server'][server['id']]
    assert (wish['rebuild'], wish['image']['id'], wish['admin_pass'], len(wish['files'])) == (1, other['id'], 'word', 1)
    cloud.action(server, 'os-stop', status=409)
    agent.report('server', server['id'], generation=wish['generation'], status='ACTIVE', power_state=1, rebuild=0)
    assert cloud.server(server)['status'] == 'REBUILD'
    agent.report('server', server['id'], generation=wish['generation'], status='ACTIVE', power_state=1, rebuild=1)
    after = cloud.server(server)
    assert (after['status'], after['metadata'], after['addresses']) == ('ACTIVE', {'k': 'v'}, before['addresses'])
    for args, status in (({'imageRef': str(uuid.uuid4())}, 400), ({}, 400), ({'imageRef': other['id'], 'hostname': 'x'}, 400)):
        cloud.action(server, 'rebuild', args, status=status)
    got = cloud.admin.call('POST', path + '/action', {'restore': None})
    assert message(got, 409, 'conflictingRequest').startswith("Cannot 'restore' instance")
    agent.ignore.clear()
    cloud.action(server, 'forceDelete')
    cloud.wait_gone(server)


def test_a_server_is_rescued_and_comes_back(cloud):
    agent, flavor, image, net = populate(cloud)
    server = cloud.boot(flavor, image, [{'uuid': net['id']}], adminPass='its own')
    before, path = cloud.wait_status(server, 'ACTIVE'), f"{NOVA}/servers/{server['id']}"

    def wish():
        return agent.wishes()['server'][server['id']]
    assert len(cloud.action(server, 'rescue', status=200)['adminPass']) == 12
    assert cloud.wait_status(server, 'RESCUE')['OS-EXT-STS:vm_state'] == 'rescued'
    first = wish()['rescue']
    assert wish()['rescue_image']['id'] == image['id'] and wish()['ports']
    for word, args in ('rescue', None), ('os-stop', None), ('pause', None), ('reboot', {'type': 'HARD'}), ('rebuild', {'imageRef': image['id']}):
        got = cloud.action(server, word, args, status=409)['conflictingRequest']['message']
        assert got == f"Cannot '{word.removeprefix('os-')}' instance {server['id']} while it is in vm_state rescued"
    cloud.action(server, 'unrescue')
    after = cloud.wait_status(server, 'ACTIVE')
    assert after['addresses'] == before['addresses'] and after['OS-EXT-STS:task_state'] is None
    assert (wish()['rescue'], wish()['rescue_image'], wish()['admin_pass']) == (0, None, 'its own')
    cloud.action(server, 'unrescue', status=409)
    # from off, by another image, whose bytes the host may have
    cloud.action(server, 'os-stop')
    cloud.wait_status(server, 'SHUTOFF')
    other = cloud.image(visibility='private')
    for args in {'rescue_image_ref': str(uuid.uuid4())}, {'rescue_image_ref': 'x'}, {'colour': 'red'}, {'adminPass': 7}:
        cloud.action(server, 'rescue', args, status=400)
    empty = cloud.admin.post('/image/v2/images', {'name': 'e', 'disk_format': 'raw', 'container_format': 'bare'})
    assert 'not active' in cloud.action(server, 'rescue', {'rescue_image_ref': empty['id']}, status=400)['badRequest']['message']
    file = f"/image/v2/images/{other['id']}/file"
    assert cloud.its_agent.call('GET', file).status_code == 404
    assert cloud.action(server, 'rescue', {'rescue_image_ref': other['id'], 'adminPass': 'word'}, status=200) == {'adminPass': 'word'}
    cloud.wait_status(server, 'RESCUE')
    assert cloud.its_agent.call('GET', file).status_code == 200
    assert (wish()['rescue_image']['id'], wish()['rescue_pass'], wish()['power']) == (other['id'], 'word', 'on')
    assert wish()['rescue'] > first
    assert [a['action'] for a in cloud.admin.get(path + '/os-instance-actions')['instanceActions']][:3] == ['rescue', 'stop', 'unrescue']
    # what its host cannot do is not wished for any more, and says so
    cloud.action(server, 'unrescue')
    cloud.wait_status(server, 'ACTIVE')
    agent.ignore.add('server')
    cloud.action(server, 'rescue', {}, status=200)
    agent.report('server', server['id'], generation=wish()['generation'], status='ERROR', fault={'message': 'no room'})
    assert cloud.server(server)['status'] == 'ERROR' and wish()['rescue'] == 0
    assert cloud.admin.get(path + '/os-instance-actions')['instanceActions'][0]['message']
    agent.ignore.clear()
    cloud.admin.delete(path)


def test_a_server_is_resized_and_the_old_one_kept_until_that_is_confirmed(cloud):
    agent, flavor, image, net = populate(cloud)
    large, server = cloud.flavor(ram=512, vcpus=3, disk=2), cloud.boot(flavor, image, [{'uuid': net['id']}])
    before, path = cloud.wait_status(server, 'ACTIVE'), f"{NOVA}/servers/{server['id']}"

    def wish():
        return agent.wishes()['server'][server['id']]

    def used():
        load = cloud.admin.get(NOVA + '/os-hypervisors/detail')['hypervisors'][0]
        limits = cloud.admin.get(NOVA + '/limits')['limits']['absolute']
        return [load[k] for k in ('vcpus_used', 'memory_mb_used', 'local_gb_used')] + [limits['totalCoresUsed'], limits['totalRAMUsed']]

    def shape():
        return [wish()[k] for k in ('vcpus', 'memory_mb', 'disk_gb')] + [cloud.server(server)['flavor']['id']]

    def records():
        return [m['status'] for m in cloud.admin.get(NOVA + '/os-migrations', **at(59))['migrations']]
    agent.ignore.add('server')
    cloud.action(server, 'resize', {'flavorRef': large['id'], 'OS-DCF:diskConfig': 'AUTO'})
    assert cloud.server(server)['status'] == 'RESIZE' and records() == ['migrating']
    cloud.action(server, 'os-stop', status=409)
    cloud.action(server, 'confirmResize', status=409)
    agent.ignore.clear()
    agent.obey('server', server['id'], wish())
    after = cloud.wait_status(server, 'VERIFY_RESIZE')
    assert records() == ['finished']
    assert (after['OS-EXT-STS:vm_state'], after['OS-EXT-STS:task_state'], after['OS-DCF:diskConfig']) == ('resized', None, 'AUTO')
    assert after['addresses'] == before['addresses'] and shape() == [3, 512, 2, large['id']]
    assert wish()['before'] == {'disk': 0, 'vcpus': 1, 'memory_mb': 128, 'disk_gb': 1}
    assert used() == [3, 512, 3, 3, 512], 'both disks, and the larger of the rest'
    for word, args in ('resize', {'flavorRef': flavor['id']}), ('os-stop', None), ('reboot', {'type': 'HARD'}), ('rescue', None):
        got = cloud.action(server, word, args, status=409)['conflictingRequest']['message']
        assert got == f"Cannot '{word.removeprefix('os-')}' instance {server['id']} while it is in vm_state resized"
    cloud.action(server, 'revertResize')
    cloud.wait_status(server, 'ACTIVE')
    assert shape() == [1, 128, 1, flavor['id']] and used() == [1, 128, 1, 1, 128]
    assert (wish()['disk'], wish()['before']) == (0, None) and records() == ['reverted']
    # off, it stays so; what is confirmed is not taken back
    cloud.action(server, 'os-stop')
    cloud.wait_status(server, 'SHUTOFF')
    cloud.action(server, 'resize', {'flavorRef': large['id']})
    after = cloud.wait_status(server, 'VERIFY_RESIZE')
    assert (after['OS-EXT-STS:power_state'], after['OS-DCF:diskConfig']) == (4, 'AUTO')
    second, agent.ignore = wish()['disk'], {'server'}
    cloud.action(server, 'confirmResize', status=204)
    assert wish()['before'] is None and cloud.server(server)['status'] == 'VERIFY_RESIZE' and records() == ['confirming', 'reverted']
    late = {'generation': wish()['generation'], 'status': 'SHUTOFF', 'power_state': 4, 'disk': second}
    agent.report('server', server['id'], **late, kept_disk=0)
    assert cloud.server(server)['status'] == 'VERIFY_RESIZE', 'the old disk is still there'
    agent.report('server', server['id'], **late)
    assert cloud.server(server)['status'] == 'SHUTOFF' and used() == [3, 512, 2, 3, 512] and records() == ['confirmed', 'reverted']
    cloud.action(server, 'revertResize', status=409)
    # what its host cannot do is not wished for any more; a smaller one has a new number for its disk
    small = cloud.flavor(disk=2, ram=64)
    cloud.action(server, 'resize', {'flavorRef': small['id']})
    assert wish()['disk'] > second and wish()['before']['disk'] == second
    assert used() == [3, 512, 4, 3, 512], 'the way back stays open'
    agent.report('server', server['id'], generation=wish()['generation'], status='ERROR', disk=second, fault={'message': 'no room'})
    assert cloud.server(server)['status'] == 'ERROR' and shape() == [3, 512, 2, large['id']] and wish()['disk'] == second
    agent.report('server', server['id'], generation=wish()['generation'], status='SHUTOFF', power_state=4, disk=second)
    assert cloud.server(server)['status'] == 'SHUTOFF' and records() == ['error', 'confirmed', 'reverted']
    actions = cloud.admin.get(path + '/os-instance-actions')['instanceActions']
    assert [a['action'] for a in actions[:3]] == ['resize', 'confirmResize', 'resize'] and actions[0]['message']
    agent.ignore.clear()
    cloud.admin.delete(path)


def test_resizes_are_migrations(cloud):
    """os-migrations as Nova lists it: members by microversion, filters, pages; what its server leaves behind."""
    agent, flavor, image, net = populate(cloud)
    made, path, started = [], NOVA + '/os-migrations', time.gmtime()
    for _ in range(3):
        server = cloud.boot(flavor, image, [{'uuid': net['id']}])
        cloud.wait_status(server, 'ACTIVE')
        cloud.action(server, 'resize', {'flavorRef': cloud.flavor(ram=129)['id']})
        cloud.wait_status(server, 'VERIFY_RESIZE')
        made.insert(0, server['id'])

    def listed(query='', minor=66):
        return cloud.admin.get(f'{path}?{query}', **at(minor))['migrations']
    one = listed()[-1]
    assert one == {'id': 1, 'uuid': one['uuid'], 'status': 'finished', 'migration_type': 'resize', 'instance_uuid': made[2], 'old_instance_type_id': None,
                   'new_instance_type_id': None, 'dest_host': '192.0.2.11', **dict.fromkeys(('source_compute', 'source_node', 'dest_compute', 'dest_node'), 'h1'),
                   'created_at': one['created_at'], 'updated_at': one['updated_at']}
    for stamp in one['created_at'], one['updated_at']:
        assert time.mktime(time.strptime(stamp, '%Y-%m-%dT%H:%M:%S.000000')) >= time.mktime(started)
    assert [m['instance_uuid'] for m in listed()] == made and [m['id'] for m in listed()] == [3, 2, 1]
    assert listed('', 58)[-1] == {k: v for k, v in one.items() if k != 'uuid'}
    assert listed('xyzzy=1', 22)[-1] == {k: v for k, v in one.items() if k not in ('uuid', 'migration_type')}
    for query, found in (('status=finished', 3), ('status=error', 0), (f'instance_uuid={made[0]}', 1), ('host=h1', 3), ('host=h', 0), ('source_compute=h2', 0),
                         ('migration_type=resize', 3), ('migration_type=evacuation', 0), ('hidden=true', 0), ('hidden=0', 3), ('limit=0', 0), ('limit=2', 2),
                         ('changes-since=2020-01-01T00:00:00Z', 3), ('changes-before=2020-01-01T00:00:00Z', 0), (f"marker={one['uuid']}", 0)):
        assert len(listed(query)) == found, query
    assert len(listed('changes-since=2120-01-01', 58)) == 3
    got = cloud.admin.get(path + '?limit=2', **at(59))
    assert [m['id'] for m in listed(got['migrations_links'][0]['href'].partition('?')[2])] == [1]
    live = f'{NOVA}/servers/{made[0]}/migrations'
    assert cloud.admin.get(live, **at(23)) == {'migrations': []}
    assert 'stays on its host' in message(cloud.admin.call('GET', live + '/3', **at(23)), 404, 'itemNotFound')
    for client, url, minor, status in (cloud.admin, live, 22, 404), (cloud.demo, live, 23, 403), (cloud.demo, path, 1, 403), (cloud.admin, path + '/1', 1, 404):
        assert client.call('GET', url, **at(minor)).status_code == status
    # one server goes, another while its resize is under way: nothing is left open
    agent.ignore.add('server')
    cloud.action({'id': made[1]}, 'revertResize')
    assert listed()[1]['status'] == 'reverting'
    agent.ignore.clear()
    for ident in made:
        cloud.admin.delete(f'{NOVA}/servers/{ident}')
        cloud.wait_gone({'id': ident})
    assert [m['status'] for m in listed()] == ['confirmed', 'reverted', 'confirmed']
    cloud.apid.stop(signal.SIGKILL)
    cloud.apid.start()
    assert [(m['id'], m['status']) for m in listed()] == [(3, 'confirmed'), (2, 'reverted'), (1, 'confirmed')]
    assert cloud.admin.get(f'{NOVA}/servers/detail?deleted=true&all_tenants=1')['servers'], 'and the rest of them is remembered'


def test_resizes_are_judged_as_nova_judges_them(cloud):
    agent, flavor, net, image = cloud.agent(vcpus=4, memory_mb=4096), cloud.flavor(), cloud.network(), cloud.image(min_ram=100)
    server = cloud.boot(flavor, image, [{'uuid': net['id']}])
    cloud.wait_status(server, 'ACTIVE')

    def refused(status, kind, client=None, **attrs):
        ref = attrs.pop('ref', None) or cloud.flavor(**{'disk': flavor['disk'], **attrs})['id']
        return cloud.action(server, 'resize', {'flavorRef': ref}, status=status, client=client)[kind]['message']
    assert refused(404, 'itemNotFound', cloud.demo, ram=129)
    assert refused(400, 'badRequest', ref=flavor['id']) == 'When resizing, instances must change flavor!'
    assert refused(400, 'badRequest', ref='nowhere') == 'Flavor nowhere could not be found.'
    assert 'zero disk' in refused(400, 'badRequest', disk=0)
    assert 'memory is too small' in refused(400, 'badRequest', ram=99)
    for args in None, {}, {'flavorRef': None}, {'flavorRef': flavor['id'], 'colour': 'red'}, {'flavorRef': flavor['id'], 'OS-DCF:diskConfig': 'x'}:
        cloud.action(server, 'resize', args, status=400)
    got = cloud.admin.call('POST', f'{NOVA}/servers/{uuid.uuid4()}/action', {'resize': {'flavorRef': flavor['id']}})
    assert got.status_code == 404
    bad = cloud.flavor(ram=129)
    cloud.admin.post(f"{NOVA}/flavors/{bad['id']}/os-extra_specs", {'extra_specs': {'hw:cpu_policy': 'dedicated'}}, 200)
    assert 'is not served' in refused(400, 'badRequest', ref=bad['id'])
    cloud.admin.put(f'{NOVA}/os-quota-sets/{cloud.admin.project_id}', {'quota_set': {'cores': 2, 'ram': 100}})
    assert refused(403, 'forbidden', vcpus=3) == 'Quota exceeded for cores: Requested 2, but already used 1 of 2 cores'
    cloud.action(server, 'resize', {'flavorRef': cloud.flavor(vcpus=2)['id']})  # less of nothing: ram may be over its limit
    cloud.wait_status(server, 'VERIFY_RESIZE')
    cloud.action(server, 'revertResize')
    cloud.wait_status(server, 'ACTIVE')
    cloud.action(server, 'resize', {'flavorRef': cloud.flavor(disk=3)['id']})
    cloud.wait_status(server, 'VERIFY_RESIZE')
    cloud.action(server, 'confirmResize', status=204)
    cloud.wait_status(server, 'ACTIVE')
    assert 'smaller disk' in refused(400, 'badRequest', disk=2)
    # no host has room: told by the record of the action
    cloud.admin.put(f'{NOVA}/os-quota-sets/{cloud.admin.project_id}', {'quota_set': {'cores': -1, 'ram': -1}})
    for much in {'ram': 4097}, {'vcpus': 4 * 16 + 1}:
        cloud.action(server, 'resize', {'flavorRef': cloud.flavor(disk=3, **much)['id']})
        shown = cloud.server(server)
        assert (shown['status'], shown['OS-EXT-STS:task_state']) == ('ACTIVE', None) and not agent.wishes()['server'][server['id']]['before']
        last = cloud.admin.get(f"{NOVA}/servers/{server['id']}/os-instance-actions")['instanceActions'][0]
        assert (last['action'], last['message']) == ('resize', 'No valid host was found. There are not enough hosts available.')
        assert cloud.admin.get(NOVA + '/os-migrations', **at(59))['migrations'][0]['status'] == 'error'
    cloud.action(server, 'resize', {'flavorRef': cloud.flavor(ram=4096, vcpus=4 * 16, disk=3)['id']})  # what it has counts
    cloud.wait_status(server, 'VERIFY_RESIZE')


def test_a_servers_disk_becomes_an_image_of_its_owner(cloud):
    agent, flavor, image, net = cloud.agent(), cloud.flavor(), cloud.image(), cloud.network(cloud.demo)
    server = cloud.boot(flavor, image, [{'uuid': net['id']}], client=cloud.demo)
    cloud.wait_status(server, 'ACTIVE')
    path = f"{NOVA}/servers/{server['id']}/action"
    got = cloud.demo.call('POST', path, {'createImage': {'name': 'disk', 'metadata': {'a': 'b', 'image_type': 'mine'}}})
    assert got.status_code == 202 and not got.content
    made = f"/image/v2/images/{got.headers['Location'].rsplit('/', 1)[1]}"
    assert got.headers['Location'] == cloud.apid.url + made
    got = wait_for(lambda: (lambda i: i if i['status'] == 'active' else None)(cloud.demo.get(made)), 10, 'the image')
    want = {'owner': cloud.demo.project_id, 'visibility': 'private', 'disk_format': 'qcow2', 'container_format': 'bare',
            'base_image_ref': image['id'], 'image_type': 'mine', 'instance_uuid': server['id'],
            'user_id': cloud.demo.user_id, 'a': 'b', 'min_disk': flavor['disk'], 'virtual_size': 1 << 20}
    assert {k: got[k] for k in want} == want
    wait_for(lambda: not cloud.server(server)['OS-EXT-STS:task_state'], 10, 'the end of the task')
    assert not agent.wishes()['server'][server['id']]['snapshot']
    # metadata are what its user says, and no attributes: neither another id nor a status without bytes
    for key in 'id', 'status', 'owner', 'tags', 'self', 'checksum', 'os_glance_refused':
        got = cloud.demo.call('POST', path, {'createImage': {'name': 'x', 'metadata': {key: 'active'}}})
        assert message(got, 403, 'forbidden') == f"'{key}' is an attribute of the image, and no metadata."
    # no disk: no image, and the server goes on
    agent.disk = None
    got = cloud.demo.post(path, {'createImage': {'name': 'none'}}, 202, OpenStack_API_Version='compute 2.45')
    wait_for(lambda: cloud.demo.call('GET', f"/image/v2/images/{got['image_id']}").status_code == 404, 10, 'its end')
    wait_for(lambda: not cloud.server(server)['OS-EXT-STS:task_state'], 10, 'the end of the task')
    # what is not done yet goes with its server, or when an operator says that nothing is under way
    agent.ignore.add('server')
    half = [cloud.demo.post(path, {'createImage': {'name': 'half'}}, 202, OpenStack_API_Version='compute 2.45')['image_id']]
    assert cloud.server(server)['OS-EXT-STS:task_state'] == 'image_snapshot_pending'
    cloud.action(server, 'pause', status=409)
    assert cloud.its_agent.call('PUT', f"/image/v2/images/{image['id']}/snapshot").status_code == 403
    cloud.action(server, 'os-resetState', {'state': 'active'})
    half.append(cloud.demo.post(path, {'createImage': {'name': 'half'}}, 202, OpenStack_API_Version='compute 2.45')['image_id'])
    agent.ignore.clear()
    cloud.admin.delete(f"{NOVA}/servers/{server['id']}")
    cloud.wait_gone(server)
    for ident in half:
        assert cloud.demo.call('GET', f'/image/v2/images/{ident}').status_code == 404
    assert cloud.demo.get(made)['status'] == 'active'


def test_guest_that_powers_itself_off_is_shutoff_and_stays_so(cloud):
    agent, flavor, image, net = populate(cloud)
    server = cloud.boot(flavor, image, [{'uuid': net['id']}])
    cloud.wait_status(server, 'ACTIVE')
    agent.ignore.add('server')
    wish = agent.wishes()['server'][server['id']]
    agent.report('server', server['id'], generation=wish['generation'], status='SHUTOFF',
                 power_state=4)
    assert cloud.server(server)['status'] == 'SHUTOFF'
    assert agent.wishes()['server'][server['id']]['power'] == 'off'


def test_late_report_changes_nothing(cloud):
    agent, flavor, image, net = populate(cloud)
    agent.ignore.add('server')
    server = cloud.boot(flavor, image, [{'uuid': net['id']}])
    old = agent.wishes()['server'][server['id']]['generation']
    cloud.admin.delete(f"{NOVA}/servers/{server['id']}")
    agent.report('server', server['id'], 409, generation=old, status='ACTIVE', power_state=1)
    agent.report('server', 'f' * 8, 409, generation=1, status='ACTIVE')
    wish = agent.wishes()['server'][server['id']]
    assert wish['deleted'] and wish['generation'] > old
    assert cloud.server(server)['OS-EXT-STS:task_state'] == 'deleting'


def test_error_report_is_the_servers_fault(cloud):
    agent, flavor, image, _ = populate(cloud)
    agent.ignore.add('server')
    net = cloud.network(cloud.demo)
    server = cloud.boot(flavor, image, [{'uuid': net['id']}], cloud.demo)
    wish = agent.wishes()['server'][server['id']]
    agent.report('server', server['id'], generation=wish['generation'], status='ERROR',
                 fault={'message': 'libvirt on h1: no kernel'})
    shown, told = cloud.server(server), cloud.server(server, cloud.demo)
    assert shown['status'] == 'ERROR' and shown['fault']['message'] == 'libvirt on h1: no kernel'
    assert told['status'] == 'ERROR' and 'for an admin to see' in told['fault']['message']
    assert 'brief' not in told['fault'] and 'brief' not in shown['fault']


def test_several_servers_of_one_request_get_numbered_names(cloud):
    _, flavor, image, net = populate(cloud, numvfs=8)
    cloud.boot(flavor, image, [{'uuid': net['id']}], name='many', min_count=3, max_count=3)
    servers = cloud.admin.get(NOVA + '/servers?name=many')['servers']
    assert sorted(s['name'] for s in servers) == ['many-1', 'many-2', 'many-3']


def test_rename_and_metadata_reach_the_wish(cloud):
    agent, flavor, image, net = populate(cloud)
    server = cloud.boot(flavor, image, [{'uuid': net['id']}])
    path = f"{NOVA}/servers/{server['id']}"
    got = cloud.admin.put(path, {'server': {'name': 'new'}})['server']
    assert got['name'] == 'new' and not [key for key in got if ':' in key and key != 'OS-DCF:diskConfig']
    assert {key for addresses in got['addresses'].values() for a in addresses for key in a} == {'addr', 'version'}
    cloud.admin.post(path + '/metadata', {'metadata': {'a': '1', 'b': '2'}}, 200)
    cloud.admin.put(path + '/metadata/a', {'meta': {'a': '3'}})
    cloud.admin.delete(path + '/metadata/b')
    assert cloud.admin.get(path + '/metadata')['metadata'] == {'a': '3'}
    assert cloud.admin.call('GET', path + '/metadata/b').status_code == 404
    wish = agent.wishes()['server'][server['id']]
    assert wish['name'] == 'new' and wish['metadata'] == {'a': '3'}


def test_interfaces_come_and_go(cloud):
    agent, flavor, image, net = populate(cloud)
    server = cloud.boot(flavor, image, [{'uuid': net['id']}])
    cloud.wait_status(server, 'ACTIVE')
    path = f"{NOVA}/servers/{server['id']}/os-interface"
    port = cloud.port(net)
    body = {'interfaceAttachment': {'port_id': port['id']}}
    for status, action in ('ACTIVE', 'os-stop'), ('SHUTOFF', 'os-start'):
        attached = cloud.admin.post(path, body, 200)['interfaceAttachment']
        assert attached['port_id'] == port['id'] and attached['mac_addr'] == port['mac_address']
        assert len(cloud.admin.get(path)['interfaceAttachments']) == 2
        assert port['id'] in agent.wishes()['server'][server['id']]['ports']
        cloud.admin.delete(f"{path}/{port['id']}", status=202)
        wait_for(lambda: not cloud.show_port(port)['device_id'], 5, 'the port free again')
        assert len(cloud.admin.get(path)['interfaceAttachments']) == 1
        cloud.wait_status(server, status)
        cloud.action(server, action)
        cloud.wait_status(server, 'SHUTOFF' if status == 'ACTIVE' else 'ACTIVE')
        wait_for(lambda: port['id'] not in agent.wishes()['port'], 5, 'its VF back')


def test_a_port_is_its_servers_until_the_guest_lets_it_go(cloud):
    agent, flavor, image, net = populate(cloud)
    server, port = cloud.boot(flavor, image, [{'uuid': net['id']}]), cloud.port(net)
    cloud.wait_status(server, 'ACTIVE')
    own = f"{NOVA}/servers/{server['id']}"
    path, body = own + '/os-interface', {'interfaceAttachment': {'port_id': port['id']}}
    cloud.admin.post(path, body, 200)
    agent.ignore.add('server')

    def detach():
        for _ in range(2):  # who asks twice is not told otherwise
            cloud.admin.delete(f"{path}/{port['id']}", status=202)
        wish = agent.wishes()['server'][server['id']]
        assert port['id'] not in wish['ports'] and len(cloud.admin.get(path)['interfaceAttachments']) == 2
        assert cloud.admin.call('POST', path, body).status_code == 400

        def report(**said):
            agent.report('server', server['id'], generation=wish['generation'], status='ACTIVE', power_state=1, **said)
        return report
    report = detach()
    report(plugged=[port['id']], kept=[])
    assert cloud.show_port(port)['device_id'] == server['id']
    report(plugged=[port['id']], kept=[port['id']])
    assert port['id'] in agent.wishes()['server'][server['id']]['ports'], 'it is to have it again'
    action = cloud.admin.get(own + '/os-instance-actions')['instanceActions'][0]
    assert (action['action'], action['message']) == ('detach_interface', 'The guest did not give the interface back')
    report = detach()
    report(plugged=[], kept=[])
    assert not cloud.show_port(port)['device_id'] and len(cloud.admin.get(path)['interfaceAttachments']) == 1


# Whose servers

def test_servers_of_others_are_not_there(cloud):
    _, flavor, image, net = populate(cloud)
    server = cloud.boot(flavor, image, [{'uuid': net['id']}])
    path = f"{NOVA}/servers/{server['id']}"
    got = cloud.demo.call('GET', path)
    assert message(got, 404, 'itemNotFound') == f"Instance {server['id']} could not be found."
    assert cloud.demo.call('DELETE', path).status_code == 404
    assert cloud.demo.get(NOVA + '/servers/detail')['servers'] == []
    assert cloud.demo.call('GET', NOVA + '/servers?all_tenants=1').status_code == 403


def test_lists_filter_sort_and_page(cloud):
    _, flavor, image, net = populate(cloud, numvfs=8)
    ids = [cloud.boot(flavor, image, [{'uuid': net['id']}], name=n)['id']
           for n in ('alpha', 'beta', 'gamma')]
    mine = cloud.network(cloud.demo)
    own = cloud.boot(flavor, image, [{'uuid': mine['id']}], cloud.demo, name='delta')

    def names(query):
        return [s['name'] for s in cloud.admin.get(f'{NOVA}/servers{query}')['servers']]
    assert sorted(names('')) == ['alpha', 'beta', 'gamma']
    assert sorted(names('?all_tenants=1')) == ['alpha', 'beta', 'delta', 'gamma']
    assert names('?name=^al') == ['alpha']
    assert names('?uuid=' + ids[1]) == ['beta']
    assert names('?status=SUSPENDED') == []
    assert len(names('?host=h1')) == 3 and names('?host=h9') == []
    assert names('?sort_key=display_name&sort_dir=asc') == ['alpha', 'beta', 'gamma']
    page = cloud.admin.get(NOVA + '/servers?limit=2&sort_key=display_name&sort_dir=asc')
    assert [s['name'] for s in page['servers']] == ['alpha', 'beta'] and page['servers_links']
    marker = page['servers'][-1]['id']
    assert names(f'?limit=2&sort_key=display_name&sort_dir=asc&marker={marker}') == ['gamma']
    assert cloud.admin.call('GET', NOVA + '/servers?marker=x').status_code == 400
    assert cloud.admin.call('GET', NOVA + '/servers?limit=-1').status_code == 400
    assert cloud.server(own)['tenant_id'] == cloud.demo.project_id


def test_members_do_not_see_where_a_server_runs(cloud):
    _, flavor, image, _ = populate(cloud)
    mine = cloud.network(cloud.demo)
    server = cloud.boot(flavor, image, [{'uuid': mine['id']}], cloud.demo)
    shown = cloud.server(server, cloud.demo)
    assert shown['hostId'] and not [k for k in shown if k.startswith('OS-EXT-SRV-ATTR')]


def test_microversions_change_what_a_server_shows(cloud):
    _, flavor, image, net = populate(cloud)
    server = cloud.boot(flavor, image, [{'uuid': net['id']}])
    path = f"{NOVA}/servers/{server['id']}"
    old = cloud.admin.get(path)['server']
    new = cloud.admin.get(path, X_OpenStack_Nova_API_Version='2.73')['server']
    assert old['flavor']['id'] == flavor['id'] and 'description' not in old
    assert new['flavor']['original_name'] == flavor['name'] and 'id' not in new['flavor']
    assert new['tags'] == [] and new['locked'] is False and new['host_status'] == 'UP'


# Requests that are wrong

@pytest.mark.parametrize('change, status, text', [
    ({'flavorRef': 'nope'}, 400, 'Flavor nope could not be found.'),
    ({'imageRef': '0' * 8 + '-0000-0000-0000-' + '0' * 12}, 400, 'Can not find requested image'),
    ({'imageRef': 'abc'}, 400, 'Invalid input for field/attribute imageRef. Value: abc.'),
    ({'key_name': 'nope'}, 400, 'Invalid key_name provided.'),
    ({'user_data': '!!'}, 400, 'User data needs to be valid base 64.'),
    ({'name': ''}, 400, 'name'),
    ({'name': 'x' * 256}, 400, 'name'),
    ({'networks': [{'uuid': '0' * 8 + '-0000-0000-0000-' + '0' * 12}]}, 400, 'could not be found'),
    ({'networks': [{'port': '0' * 8 + '-0000-0000-0000-' + '0' * 12}]}, 400, 'could not be found'),
    ({'networks': [{'uuid': 'abc'}]}, 400, 'networks'),
    ({'networks': 7}, 400, 'networks'),
    ({'metadata': {'k': 'v' * 256}}, 400, 'metadata'),
    ({'metadata': []}, 400, 'metadata'),
    ({'accessIPv4': '1.2.3'}, 400, 'accessIPv4'),
    ({'security_groups': [{'name': 'nope'}]}, 400, 'Security group nope not found.'),
    ({'personality': [{'path': '/x', 'contents': '!!'}]}, 400, 'personality'),
    ({'block_device_mapping_v2': [{'source_type': 'volume', 'uuid': 'x'}]}, 400, 'Block devices'),
    ({'min_count': 3, 'max_count': 2}, 400, 'min_count'),
    ({'availability_zone': 'mars'}, 400, 'zone'),
    ({'colour': 'red'}, 400, 'colour'),
    ({'description': 'too new'}, 400, 'description'),
])
def test_wrong_servers_are_refused_with_the_reason(shared, kit, change, status, text):
    flavor, image, net = kit
    body = {'name': 'x', 'flavorRef': flavor['id'], 'imageRef': image['id'],
            'networks': [{'uuid': net['id']}], **change}
    got = shared.admin.call('POST', NOVA + '/servers', {'server': body})
    assert text in message(got, status, 'badRequest')


@pytest.mark.parametrize('word, args', [('os-frobnicate', None), ('reboot', {'type': 'MAYBE'}),
                                        ('reboot', None), ('os-getConsoleOutput', {'length': 'x'})])
def test_wrong_actions_are_refused(cloud, word, args):
    _, flavor, image, net = populate(cloud)
    server = cloud.boot(flavor, image, [{'uuid': net['id']}])
    got = cloud.admin.call('POST', f"{NOVA}/servers/{server['id']}/action", {word: args})
    assert got.status_code == 400
    got = cloud.admin.call('POST', f'{NOVA}/servers/nope/action', {word: args})
    assert got.status_code in (400, 404)


def test_port_in_use_is_409(cloud):
    _, flavor, image, net = populate(cloud)
    port = cloud.port(net)
    cloud.boot(flavor, image, [{'port': port['id']}])
    body = {'server': {'name': 'x', 'flavorRef': flavor['id'], 'imageRef': image['id'],
                       'networks': [{'port': port['id']}]}}
    got = cloud.admin.call('POST', NOVA + '/servers', body)
    assert message(got, 409, 'conflictingRequest') == f"Port {port['id']} is still in use."


ODD = [None, True, 0, -1, 1 << 62, 1.5, '', 'x' * 300, '\0', '\u2603', '../x', '%s%n', [], [None],
       [[]], {}, {'a': None}, {'': ''}, '0' * 36, 'a' * 70000]


def mutated(value, rng):
    """The same JSON with some parts odd, missing, doubled or added."""
    if rng.random() < 0.25:
        return rng.choice(ODD)
    if isinstance(value, dict):
        return {rng.choice([k, k, k, '']): mutated(v, rng) for k, v in value.items()
                if rng.random() > 0.1}
    if isinstance(value, list):
        return [mutated(v, rng) for v in value] * rng.choice([1, 1, 2])
    return value


def test_odd_requests_get_an_answer_and_never_a_500(cloud):
    agent, flavor, image, net = populate(cloud)
    port = cloud.port(net)
    server = cloud.boot(flavor, image, [{'port': port['id']}])
    cloud.wait_status(server, 'ACTIVE')
    own, kind = f"{NOVA}/servers/{server['id']}", f"{NOVA}/flavors/{flavor['id']}"
    bodies = [
        ('POST', NOVA + '/servers', {'server': {
            'name': 'x', 'flavorRef': flavor['id'], 'imageRef': image['id'], 'min_count': 1,
            'networks': [{'uuid': net['id'], 'fixed_ip': '10.20.0.9'}], 'metadata': {'a': 'b'},
            'user_data': 'eA==', 'key_name': None, 'availability_zone': 'nova:h1', 'tags': ['a'],
            'security_groups': [{'name': 'default'}], 'accessIPv4': '1.2.3.4', 'max_count': 2,
            'block_device_mapping_v2': [{'source_type': 'image', 'uuid': image['id']}]}}),
        ('POST', NOVA + '/flavors', {'flavor': {
            'name': 'q', 'ram': 1, 'vcpus': 1, 'disk': 1, 'rxtx_factor': 1.0, 'id': None}}),
        ('POST', kind + '/os-extra_specs', {'extra_specs': {'a': 'b'}}),
        ('POST', kind + '/action', {'addTenantAccess': {'tenant': 'x'}}),
        ('POST', NOVA + '/os-keypairs', {'keypair': {'name': 'k', 'public_key': 'ssh-rsa AAAA x'}}),
        ('PUT', f'{NOVA}/os-quota-sets/{cloud.demo.project_id}', {'quota_set': {'cores': 9}}),
        ('POST', own + '/action', {'reboot': {'type': 'SOFT'}}),
        ('POST', own + '/action', {'os-getConsoleOutput': {'length': 5}}),
        ('POST', own + '/action', {'os-resetState': {'state': 'active'}}),
        ('PUT', own, {'server': {'name': 'y', 'accessIPv6': '::1'}}),
        ('PUT', own + '/metadata/a', {'meta': {'a': 'c'}}),
        ('POST', own + '/os-interface', {'interfaceAttachment': {'port_id': port['id']}})]
    reports = [
        ('PUT', agent.base, agent.inventory),
        ('PUT', f"{agent.base}/server/{server['id']}", {
            'generation': 1, 'status': 'ACTIVE', 'power_state': 1, 'fault': {'message': 'x'}}),
        ('PUT', f"{agent.base}/port/{port['id']}", {'generation': 1, 'status': 'ACTIVE'}),
        ('PUT', f'{agent.base}/console/x', {'generation': 1, 'output': 'x'})]
    queries = [f'{NOVA}/{q}' for q in (
        'servers/detail?name={}', 'servers?limit={}', 'servers?sort_key={}', 'servers?marker={}',
        'servers?ip={}', 'servers?changes-since={}', 'flavors/detail?is_public={}', 'servers/{}',
        'flavors?minRam={}', 'os-hypervisors/{}', 'os-keypairs/{}', 'os-quota-sets/{}')]
    words = ['', '%00', '%2e%2e', 'a{9}{9}{9}', '(((', '[', '9' * 30, '-1', '*', '%5c1', '%ff%fe']
    rng = random.Random(2)
    for _ in range(400):
        who, (method, path, body) = rng.choice([
            (cloud.admin, rng.choice(bodies)), (cloud.demo, rng.choice(bodies)),
            (agent.client, rng.choice(reports)),
            (cloud.admin, ('GET', rng.choice(queries).format(rng.choice(words)), None))])
        body = body and mutated(body, rng)
        got = who.call(method, path, body, X_OpenStack_Nova_API_Version=rng.choice(['2.1', '2.73']))
        assert got.status_code < 500, f'{method} {path} {body}: {got.text}'


def test_a_report_says_which_wish_it_answers(cloud):
    agent = populate(cloud)[0]
    for kind, said in (('server', {'status': 'ACTIVE'}), ('port', {'status': 'ACTIVE'}), ('network', {'status': 'DOWN'}),
                       ('console', {'output': 'x'}), ('tap_flow', {'status': 'ACTIVE'})):
        agent.report(kind, str(uuid.uuid4()), expect=400, **said)
        agent.report(kind, str(uuid.uuid4()), expect=400, generation=None, **said)
        agent.report(kind, str(uuid.uuid4()), expect=409, generation=1, **said)


# Placement

def failed(cloud, server, port=None):
    """The fault of a server that got no host; its port is binding_failed."""
    shown = cloud.server(server)
    assert shown['status'] == 'ERROR' and shown['fault']['code'] == 500
    assert shown['OS-EXT-SRV-ATTR:host'] is None
    if port:
        assert cloud.show_port(port)['binding:vif_type'] == 'binding_failed'
    return shown['fault']['message']


def test_no_host_at_all_is_the_fault(cloud):
    flavor, image, net = cloud.flavor(), cloud.image(), cloud.network()
    port = cloud.port(net)
    fault = failed(cloud, cloud.boot(flavor, image, [{'port': port['id']}]), port)
    assert 'No host has registered' in fault


def test_full_pf_is_the_fault_with_its_counts(cloud):
    _, flavor, image, net = populate(cloud, numvfs=2, busy=[1])
    cloud.boot(flavor, image, [{'port': cloud.port(net)['id']}])
    port = cloud.port(net)
    server = cloud.boot(flavor, image, [{'port': port['id']}])
    assert re.search(r'host h1: PF p2p1 \(physnet[12]\) has no free VF: 2 of 2 in use',
                     failed(cloud, server, port))
    cloud.admin.delete(f"{NOVA}/servers/{server['id']}")
    cloud.wait_gone(server)
    assert cloud.show_port(port)['device_id'] == ''


def test_unserved_physical_network_is_the_fault(cloud):
    _, flavor, image, _ = populate(cloud)
    net = cloud.network(**{'provider:network_type': 'flat',
                           'provider:physical_network': 'physnet9'})
    port = cloud.port(net)
    fault = failed(cloud, cloud.boot(flavor, image, [{'port': port['id']}]), port)
    assert 'host h1: no PF serves physical network physnet9' in fault


def test_too_much_memory_is_the_fault(cloud):
    _, _, image, net = populate(cloud, memory_mb=512)
    server = cloud.boot(cloud.flavor(ram=1024), image, [{'uuid': net['id']}])
    assert '1024 MB of memory needed, 512 of 512 left' in failed(cloud, server)
    assert not cloud.admin.get(f"/network/v2.0/ports?device_id={server['id']}")['ports']


def test_dead_agent_is_the_fault(cloud):
    agent, flavor, image, net = populate(cloud)
    agent.stop()
    wait_for(lambda: cloud.admin.get(NOVA + '/os-services')['services'][0]['state'] == 'down')
    port = cloud.port(net)
    fault = failed(cloud, cloud.boot(flavor, image, [{'port': port['id']}]), port)
    assert 'host h1: its agent is dead (no heartbeat for' in fault
    agent.start()
    assert cloud.admin.get(NOVA + '/os-services')['services'][0]['state'] == 'up'


def test_a_step_of_the_wall_clock_ends_no_host(tmp_path, monkeypatch):
    descriptor, name = tempfile.mkstemp(prefix='anyvf-it-')  # the daemon's account cannot enter tmp_path
    os.close(descriptor)
    ahead = pathlib.Path(name)
    ahead.chmod(0o644)
    ahead.write_text('0')
    monkeypatch.setenv('ANYVF_TEST_WALL', str(ahead))
    monkeypatch.setenv('LD_PRELOAD', str(BUILD / 'tests' / 'lib' / 'wall.so'))
    monkeypatch.setenv('ASAN_OPTIONS', 'verify_asan_link_order=0')
    monkeypatch.setattr(FakeAgent, 'beat', lambda self: None)
    cloud = Cloud(tmp_path, '[api]\nheartbeat_s = 100\n')
    monkeypatch.delenv('LD_PRELOAD')
    flavor, image, net = populate(cloud)[1:]
    for step in (3600, -3600):
        ahead.write_text(str(step))
        time.sleep(1.1)  # who looks for dead hosts looked
        service = cloud.admin.get(NOVA + '/os-services')['services'][0]
        assert service['state'] == 'up'
        cloud.wait_status(cloud.boot(flavor, image, [{'uuid': net['id']}]), 'ACTIVE')
    assert service['updated_at'][:13] != time.strftime('%Y-%m-%dT%H', time.gmtime())  # it did step
    cloud.close()
    ahead.unlink()


def test_host_with_room_is_chosen_and_can_be_asked_for(cloud):
    cloud.agent('h1', memory_mb=256)
    cloud.agent('h2', memory_mb=1024)
    flavor, image, net = cloud.flavor(), cloud.image(), cloud.network()
    first = cloud.boot(flavor, image, [{'uuid': net['id']}])
    asked = cloud.boot(flavor, image, [{'uuid': net['id']}], availability_zone='nova:h1')
    assert cloud.server(first)['OS-EXT-SRV-ATTR:host'] == 'h2'
    assert cloud.server(asked)['OS-EXT-SRV-ATTR:host'] == 'h1'


def test_pci_slot_of_the_profile_picks_the_vf(cloud):
    agent, flavor, image, net = populate(cloud)
    slot = agent.inventory['pfs'][0]['pci_slots'][2]
    port = cloud.port(net, **{'binding:profile': {'pci_slot': slot}})
    cloud.wait_status(cloud.boot(flavor, image, [{'port': port['id']}]), 'ACTIVE')
    assert agent.wishes()['port'][port['id']]['vf'] == 2


def test_racing_boots_never_share_the_last_vfs(cloud):
    agent, flavor, image, net = populate(cloud, numvfs=5)
    ports = [cloud.port(net) for _ in range(9)]
    with concurrent.futures.ThreadPoolExecutor(9) as pool:
        servers = list(pool.map(
            lambda port: requests.post(
                cloud.apid.url + NOVA + '/servers', timeout=60,
                headers=dict(cloud.admin.http.headers),
                json={'server': {'name': 'race', 'flavorRef': flavor['id'],
                                 'imageRef': image['id'],
                                 'networks': [{'port': port['id']}]}}).json()['server'], ports))
    hosts = [cloud.server(s)['OS-EXT-SRV-ATTR:host'] for s in servers]
    assert hosts.count('h1') == 5 and hosts.count(None) == 4
    leases = agent.wishes()['port'].values()
    assert sorted(doc['vf'] for doc in leases) == [0, 1, 2, 3, 4]


# Deletion

def test_server_without_a_host_goes_at_once(cloud):
    flavor, image, net = cloud.flavor(), cloud.image(), cloud.network()
    server = cloud.boot(flavor, image, [{'uuid': net['id']}])
    cloud.admin.delete(f"{NOVA}/servers/{server['id']}")
    assert cloud.admin.call('GET', f"{NOVA}/servers/{server['id']}").status_code == 404


def test_server_on_a_dead_host_goes_but_its_lease_waits(cloud):
    agent, flavor, image, net = populate(cloud, numvfs=1)
    port = cloud.port(net)
    server = cloud.boot(flavor, image, [{'port': port['id']}])
    cloud.wait_status(server, 'ACTIVE')
    agent.stop()
    wait_for(lambda: cloud.admin.get(NOVA + '/os-services')['services'][0]['state'] == 'down')
    cloud.admin.delete(f"{NOVA}/servers/{server['id']}")
    assert cloud.admin.call('GET', f"{NOVA}/servers/{server['id']}").status_code == 404
    assert cloud.show_port(port)['device_id'] == ''
    wishes = agent.wishes()
    assert wishes['server'][server['id']]['deleted'] and wishes['port'][port['id']]['released']
    agent.start()
    wait_for(lambda: not agent.wishes()['server'] and not agent.wishes()['port'], what='the lease\'s end')
    cloud.wait_status(cloud.boot(flavor, image, [{'port': port['id']}]), 'ACTIVE')


def test_host_that_dies_while_deleting_lets_the_server_go(cloud):
    agent, flavor, image, net = populate(cloud)
    server = cloud.boot(flavor, image, [{'uuid': net['id']}])
    cloud.wait_status(server, 'ACTIVE')
    agent.ignore.add('server')
    cloud.admin.delete(f"{NOVA}/servers/{server['id']}")
    assert cloud.server(server)['OS-EXT-STS:task_state'] == 'deleting'
    agent.stop()
    cloud.wait_gone(server)
    assert agent.wishes()['server'][server['id']]['deleted']


def test_locked_server_is_for_its_unlocker_to_delete(cloud):
    _, flavor, image, _ = populate(cloud)
    mine = cloud.network(cloud.demo)
    server = cloud.boot(flavor, image, [{'uuid': mine['id']}], cloud.demo)
    cloud.action(server, 'lock', client=cloud.demo)
    assert cloud.demo.call('DELETE', f"{NOVA}/servers/{server['id']}").status_code == 409
    cloud.action(server, 'unlock', client=cloud.demo)
    cloud.action(server, 'lock')
    cloud.action(server, 'lock', client=cloud.demo)
    assert 'unlock_override' in str(cloud.action(server, 'unlock', status=403, client=cloud.demo))
    assert cloud.demo.call('DELETE', f"{NOVA}/servers/{server['id']}").status_code == 409
    cloud.action(server, 'unlock')
    got = cloud.demo.call('POST', f"{NOVA}/servers/{server['id']}/action", {'lock': {'locked_reason': 'x' * 256}},
                          X_OpenStack_Nova_API_Version='2.73')
    assert 'locked_reason' in message(got, 400, 'badRequest')
    cloud.demo.delete(f"{NOVA}/servers/{server['id']}")
    cloud.wait_gone(server)


# Agents

def test_agent_may_not_touch_another_host(cloud):
    agent = cloud.agent()
    for path in ('/anyvf/v1/hosts/h2/desired', '/anyvf/v1/watch?host=h2&revision=0',
                 '/anyvf/v1/hosts/../desired'):
        assert agent.client.call('GET', path).status_code in (403, 404)
    assert agent.client.call('PUT', '/anyvf/v1/hosts/h2', agent.inventory).status_code == 403
    assert cloud.admin.call('GET', '/anyvf/v1/hosts/h1/desired').status_code == 403
    assert cloud.demo.call('PUT', '/anyvf/v1/hosts/h1', agent.inventory).status_code == 403
    assert requests.get(cloud.apid.url + '/anyvf/v1/hosts/h1/desired', timeout=5).status_code == 401


@pytest.mark.parametrize('change', [
    {'pfs': 7}, {'pfs': [7]}, {'pfs': [{'name': 'p'}]}, {'vcpus': -1}, {'vcpus': 'x'},
    {'memory_mb': 1 << 40},
    {'pfs': [{'name': 'p', 'numvfs': 9999, 'physical_networks': []}]},
])
def test_wrong_inventories_are_refused(cloud, change):
    agent = cloud.agent()
    got = agent.client.call('PUT', agent.base, {**agent.inventory, **change})
    assert got.status_code == 400


def test_odd_but_well_formed_inventories_do_no_harm(cloud):
    agent, flavor, image, net = populate(cloud)
    pf = {'name': 'p2p1', 'numvfs': 2, 'physical_networks': [1, None, 'physnet1', 'physnet2'],
          'pci_slots': [None, 7, {}], 'busy': ['x', -1, 1 << 40, None]}
    agent.inventory['pfs'] = [pf]
    agent.heartbeat()
    server = cloud.boot(flavor, image, [{'port': cloud.port(net)['id']}])
    cloud.wait_status(server, 'ACTIVE')
    cloud.admin.get(NOVA + '/os-hypervisors/detail')
    cloud.admin.get('/network/v2.0/agents')


def test_watch_sleeps_until_its_own_hosts_documents_change(cloud):
    agent, other = cloud.agent(auto=False), cloud.agent('h2', auto=False)
    flavor, image, net = cloud.flavor(), cloud.image(), cloud.network()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        agent.read()
        waiting = pool.submit(agent.watch)
        cloud.boot(flavor, image, [{'uuid': net['id']}], availability_zone='nova:h2')
        time.sleep(0.3)
        assert not waiting.done()
        server = cloud.boot(flavor, image, [{'uuid': net['id']}], availability_zone='nova:h1')
        got = waiting.result(10).json()
    assert {e['kind'] for e in got['events']} == {'server', 'port', 'network'}
    assert got['revision'] > agent.revision
    assert server['id'] in [e['id'] for e in got['events']]
    assert server['id'] not in other.wishes()['server']


def test_watch_from_a_revision_to_come_is_503_and_from_nonsense_400(cloud):
    agent = cloud.agent(auto=False)
    agent.revision = 1 << 60
    assert agent.watch().status_code == 503  # of a replica that is ahead
    agent.revision = 'x'
    assert agent.watch().status_code == 400


def test_heartbeats_that_say_nothing_new_write_nothing(cloud):
    agent = cloud.agent(auto=False)
    agent.heartbeat()
    before = agent.wishes()['revision']
    for _ in range(20):
        agent.heartbeat()
    assert agent.wishes()['revision'] == before


def test_hosts_are_services_hypervisors_and_a_zone(cloud):
    _, flavor, image, net = populate(cloud)
    cloud.boot(flavor, image, [{'uuid': net['id']}])
    service = cloud.admin.get(NOVA + '/os-services')['services'][0]
    assert (service['binary'], service['host'], service['state']) == ('nova-compute', 'h1', 'up')
    hyper = cloud.admin.get(NOVA + '/os-hypervisors/detail')['hypervisors'][0]
    assert hyper['host_ip'] == '192.0.2.11'
    assert hyper['memory_mb'] == 4096 and hyper['memory_mb_used'] == 128
    assert hyper['running_vms'] == 1 and hyper['hypervisor_type'] == 'QEMU'
    assert cloud.admin.get(NOVA + '/os-hypervisors/statistics')['hypervisor_statistics']['count'] == 1
    zone = cloud.demo.get(NOVA + '/os-availability-zone')['availabilityZoneInfo'][0]
    assert zone['zoneName'] == 'nova'
    assert cloud.demo.call('GET', NOVA + '/os-hypervisors').status_code == 403


# Console

def test_console_is_asked_from_the_agent_and_answered(cloud):
    _, flavor, image, net = populate(cloud)
    server = cloud.boot(flavor, image, [{'uuid': net['id']}])
    cloud.wait_status(server, 'ACTIVE')
    for args, length in (({}, None), ({'length': None}, None), ({'length': '7'}, 7)):
        got = cloud.action(server, 'os-getConsoleOutput', args, 200)
        assert got['output'].split('\n') == [f"console of {server['id']} {length}"] * (length or 20)


def test_console_of_a_dead_host_says_so(cloud):
    agent, flavor, image, net = populate(cloud)
    server = cloud.boot(flavor, image, [{'uuid': net['id']}])
    cloud.wait_status(server, 'ACTIVE')
    agent.stop()
    wait_for(lambda: cloud.admin.get(NOVA + '/os-services')['services'][0]['state'] == 'down')
    got = cloud.admin.call('POST', f"{NOVA}/servers/{server['id']}/action",
                           {'os-getConsoleOutput': {}})
    assert 'agent' in message(got, 503, 'serviceUnavailable')
    got = cloud.admin.call('GET', f"{NOVA}/servers/{server['id']}/diagnostics")
    assert 'agent' in message(got, 503, 'serviceUnavailable')
    cloud.action(server, 'resize', {'flavorRef': cloud.flavor(ram=129)['id']}, status=409)


def test_diagnostics_are_asked_from_the_agent(cloud):
    agent, flavor, image, net = populate(cloud)
    server = cloud.boot(flavor, image, [{'uuid': net['id']}])
    path = f"{NOVA}/servers/{server['id']}/diagnostics"
    cloud.wait_status(server, 'ACTIVE')
    assert cloud.admin.get(path) == {
        'cpu0_time': 1000, 'cpu1_time': 2000, 'memory': 131072, 'memory-actual': 65536, 'memory-rss': 4096,
        'vda_read_req': 12, 'vda_read': 11, 'vda_write_req': 14, 'vda_write': 13,
        'p2p1vf0_rx': 1, 'p2p1vf0_rx_packets': 2, 'p2p1vf0_rx_drop': 3, 'p2p1vf0_rx_errors': 0,
        'p2p1vf0_tx': 4, 'p2p1vf0_tx_packets': 5, 'p2p1vf0_tx_drop': 6, 'p2p1vf0_tx_errors': 7}
    got = cloud.admin.get(path, **at(48))
    assert 0 <= got.pop('uptime') < 3600
    assert got == {
        'state': 'running', 'driver': 'libvirt', 'hypervisor': 'kvm', 'hypervisor_os': 'linux', 'config_drive': True,
        'num_cpus': 2, 'num_nics': 1, 'num_disks': 1, 'memory_details': {'maximum': 128, 'used': 64},
        'cpu_details': [{'id': 0, 'time': 1000, 'utilisation': None}, {'id': 1, 'time': 2000, 'utilisation': None}],
        'disk_details': [{'read_bytes': 11, 'read_requests': 12, 'write_bytes': 13, 'write_requests': 14, 'errors_count': None}],
        'nic_details': [{'mac_address': '52:54:00:00:00:01', 'rx_octets': 1, 'rx_packets': 2, 'rx_drop': 3, 'rx_errors': 0, 'rx_rate': None,
                         'tx_octets': 4, 'tx_packets': 5, 'tx_drop': 6, 'tx_errors': 7, 'tx_rate': None}]}
    agent.figures = {'running': False}  # it ended just now
    gone = message(cloud.admin.call('GET', path), 409, 'conflictingRequest')
    cloud.action(server, 'os-stop')
    cloud.wait_status(server, 'SHUTOFF')
    said = message(cloud.admin.call('GET', path), 409, 'conflictingRequest')
    assert said == gone == f"Cannot 'get_diagnostics' instance {server['id']} while it is in power state shutdown"
    assert cloud.demo.call('GET', path).status_code == 403
    assert not agent.wishes()['diagnostics'], 'no question is left'


def test_answer_nobody_asked_for_is_409(cloud):
    agent = cloud.agent()
    agent.report('console', 'nope', 409, generation=1, output='x')
    agent.report('console', 'nope', 400, generation=1, output='x' * 65537)


# Restarts

@pytest.mark.parametrize('signo', [signal.SIGTERM, signal.SIGKILL])
def test_servers_leases_and_wishes_survive_a_restart(cloud, signo):
    agent, flavor, image, net = populate(cloud, numvfs=2)
    port = cloud.port(net)
    server = cloud.boot(flavor, image, [{'port': port['id']}])
    cloud.wait_status(server, 'ACTIVE')
    before = agent.wishes()
    cloud.apid.stop(signo)
    cloud.apid.start()
    assert cloud.server(server)['status'] == 'ACTIVE'
    assert cloud.admin.get(NOVA + '/os-services')['services'][0]['state'] == 'up'
    after = agent.wishes()
    assert after['server'] == before['server'] and after['port'] == before['port']
    cloud.action(server, 'os-stop')
    cloud.wait_status(server, 'SHUTOFF')


# The real clients, in the issue's own words

def test_the_founding_documents_commands_and_back(cloud):
    cloud.agent()
    flavor, image, run = cloud.flavor(), cloud.image(), cloud.apid.cli
    run('neutron', 'net-create', '--provider:physical_network=physnet1',
        '--provider:network_type=flat', 'NET')
    run('neutron', 'subnet-create', 'NET', '10.20.0.0/24', '--name', 'SUB',
        '--allocation-pool=start=10.20.0.10,end=10.20.0.50')
    nets = cloud.admin.get('/network/v2.0/networks?name=NET')['networks']
    run('neutron', 'port-create', nets[0]['id'], '--binding:vnic_type', 'direct')
    port = cloud.admin.get(f"/network/v2.0/ports?network_id={nets[0]['id']}")['ports'][0]
    out = run('nova', 'boot', '--flavor', flavor['id'], '--image', image['id'],
              '--nic', f"port-id={port['id']}", 'VM').stdout
    assert 'BUILD' in out or 'ACTIVE' in out
    server = cloud.admin.get(NOVA + '/servers?name=VM')['servers'][0]
    cloud.wait_status(server, 'ACTIVE')
    out = run('nova', 'list').stdout
    assert 'VM' in out and f"NET={port['fixed_ips'][0]['ip_address']}" in out
    assert server['id'] in run('nova', 'show', 'VM').stdout
    assert 'console of' in run('nova', 'console-log', 'VM').stdout
    run('nova', 'stop', 'VM')
    cloud.wait_status(server, 'SHUTOFF')
    run('nova', 'start', 'VM')
    cloud.wait_status(server, 'ACTIVE')
    run('nova', 'reboot', 'VM')
    cloud.wait_status(server, 'ACTIVE')
    assert port['id'] in run('nova', 'interface-list', 'VM').stdout
    assert flavor['name'] in run('nova', 'flavor-list').stdout
    run('nova', 'delete', 'VM')
    cloud.wait_gone(server)
    assert cloud.show_port(port)['device_id'] == ''
    run('neutron', 'port-delete', port['id'])
    run('neutron', 'subnet-delete', 'SUB')
    run('neutron', 'net-delete', 'NET')


def test_the_openstack_client_drives_servers(cloud):
    cloud.agent()
    image, net, run = cloud.image(), cloud.network(name='net2'), cloud.apid.cli
    run('openstack', 'flavor', 'create', '--ram', '128', '--disk', '1', '--vcpus', '1', 'f1')
    assert 'f1' in run('openstack', 'flavor', 'list').stdout
    run('openstack', 'flavor', 'set', '--property', 'anyvf:queues=4', 'f1')
    assert 'anyvf:queues' in run('openstack', 'flavor', 'show', 'f1').stdout
    assert 'PRIVATE KEY' in run('openstack', 'keypair', 'create', 'k1').stdout
    port = cloud.port(net, name='p1')
    made = json.loads(run('openstack', 'server', 'create', '--flavor', 'f1', '--image', image['name'],
                          '--nic', 'port-id=p1', '--key-name', 'k1', '--wait', '-f', 'json',
                          'vm2').stdout)
    assert made['status'] == 'ACTIVE'
    assert port['fixed_ips'][0]['ip_address'] in run('openstack', 'server', 'list').stdout
    assert 'console of' in run('openstack', 'console', 'log', 'show', 'vm2').stdout
    server = {'id': made['id']}
    for verb, status in (('stop', 'SHUTOFF'), ('start', 'ACTIVE'), ('reboot', 'ACTIVE')):
        run('openstack', 'server', verb, 'vm2')
        cloud.wait_status(server, status)
    assert 'vm2' in run('openstack', 'server', 'show', 'vm2').stdout
    assert 'stop' in run('openstack', 'server', 'event', 'list', 'vm2').stdout
    for words in (('compute', 'service', 'list'), ('hypervisor', 'list'), ('quota', 'show'),
                  ('availability', 'zone', 'list'), ('limits', 'show', '--absolute'),
                  ('keypair', 'list'), ('server', 'group', 'list'), ('server', 'list', '--long')):
        run('openstack', *words)
    run('openstack', 'keypair', 'delete', 'k1')
    run('openstack', 'server', 'delete', '--wait', 'vm2')
    assert cloud.admin.call('GET', f"{NOVA}/servers/{made['id']}").status_code == 404


# What foreign clients met

def at(minor):
    return {'OpenStack_API_Version': f'compute 2.{minor}'}


def test_a_servers_security_groups_are_its_ports(cloud):
    _, flavor, image, net = populate(cloud)
    group = cloud.admin.post('/network/v2.0/security-groups', {'security_group': {'name': 'web'}})['security_group']
    cloud.admin.post('/network/v2.0/security-group-rules', {'security_group_rule': {
        'security_group_id': group['id'], 'direction': 'ingress', 'protocol': 'tcp', 'port_range_min': 80, 'port_range_max': 81}})
    port = cloud.port(net, security_groups=[group['id']])
    server = cloud.boot(flavor, image, [{'port': port['id']}])
    path = f"{NOVA}/servers/{server['id']}/os-security-groups"
    assert cloud.admin.call('DELETE', f"{NOVA}/os-security-groups/{group['id']}").status_code == 400, 'in use'
    shown, = cloud.admin.get(path)['security_groups']
    assert (shown['id'], shown['name'], shown['tenant_id']) == (group['id'], 'web', cloud.admin.project_id)
    rule, = shown['rules']
    assert (rule['ip_protocol'], rule['from_port'], rule['to_port'], rule['ip_range']) == ('tcp', 80, 81, {'cidr': '0.0.0.0/0'})
    assert cloud.server(server)['security_groups'] == [{'name': 'web'}]
    cloud.action(server, 'addSecurityGroup', {'name': 'default'})
    assert [g['name'] for g in cloud.server(server)['security_groups']] == ['web', 'default']
    cloud.action(server, 'removeSecurityGroup', {'name': 'web'})
    assert cloud.server(server)['security_groups'] == [{'name': 'default'}]
    cloud.action(server, 'removeSecurityGroup', {'name': 'web'}, 404)
    cloud.action(server, 'removeSecurityGroup', {'name': 'default'})
    assert 'security_groups' not in cloud.server(server)


def test_the_proxy_of_security_groups_ends_with_2_35(shared):
    path = NOVA + '/os-security-groups'
    group = shared.demo.post(path, {'security_group': {'name': 'px', 'description': 'd'}}, 200)['security_group']
    assert group['rules'] == [] and shared.demo.get(f"{path}/{group['id']}")['security_group'] == group
    body = {'parent_group_id': group['id'], 'ip_protocol': 'TCP', 'from_port': '22', 'to_port': 22, 'cidr': '10.0.0.0/8'}
    rules = NOVA + '/os-security-group-rules'
    rule = shared.demo.post(rules, {'security_group_rule': body}, 200)['security_group_rule']
    assert shared.demo.get(f"{path}/{group['id']}")['security_group']['rules'] == [rule]
    for wrong, status in ({**body, 'ip_protocol': 'x'}, 400), ({**body, 'from_port': 30}, 400), (body, 400):
        assert shared.demo.call('POST', rules, {'security_group_rule': wrong}).status_code == status, wrong
    assert shared.admin.call('PUT', f"{path}/{group['id']}", {'security_group': {'name': 'default'}}).status_code == 409
    shared.demo.delete(f"{rules}/{rule['id']}", 202)
    kept = shared.demo.post(rules, {'security_group_rule': {**body, 'cidr': '10.2.3.124/24'}}, 200)['security_group_rule']
    assert kept['ip_range'] == {'cidr': '10.2.3.124/24'}
    default = next(g['id'] for g in shared.demo.get(path)['security_groups'] if g['name'] == 'default')
    assert shared.demo.call('DELETE', f'{path}/{default}').status_code == 400
    assert shared.demo.put(f"{path}/{group['id']}", {'security_group': {'name': 'py'}})['security_group']['name'] == 'py'
    shared.demo.delete(f"{path}/{group['id']}", 202)
    assert shared.demo.call('GET', path, **at(36)).status_code == 404


def image_proxy(client):
    """GET below Nova's images, as the newest that has them."""
    return lambda path='', status=200: client.get(f'{NOVA}/images{path}', status=status, **at(35))


def test_the_proxy_of_images_shows_them_as_nova_does(shared):
    """Lists, filters, pages, states and links; until 2.35."""
    get, before = image_proxy(shared.demo), shared.demo.get('/image/v2/images')['images']
    properties = {'image_type': 'snapshot', 'instance_uuid': str(uuid.uuid4()), 'auto_disk_config': 'True', 'os_distro': 'debian'}
    made = shared.demo.post('/image/v2/images', {'name': 'p1', 'min_ram': 64, 'min_disk': 2, **properties})
    shared.demo.post('/image/v2/images', {'name': 'p2', 'os_hidden': True})
    full = shared.image(name='p3')['id']
    one, path = get(f"/{made['id']}")['image'], f"/{made['id']}"
    url, server = shared.apid.url + '/compute', properties['instance_uuid']
    assert one == {
        'id': made['id'], 'name': 'p1', 'minRam': 64, 'minDisk': 2, 'status': 'SAVING', 'progress': 25, 'OS-EXT-IMG-SIZE:size': 0,
        'OS-DCF:diskConfig': 'AUTO', 'metadata': properties, 'created': made['created_at'], 'updated': made['updated_at'],
        'server': {'id': server, 'links': [{'rel': 'self', 'href': f'{url}/v2.1/servers/{server}'}, {'rel': 'bookmark', 'href': f'{url}/servers/{server}'}]},
        'links': [{'rel': 'self', 'href': f'{url}/v2.1/images{path}'}, {'rel': 'bookmark', 'href': f'{url}/images{path}'},
                  {'rel': 'alternate', 'type': 'application/vnd.openstack.image', 'href': f'{shared.apid.url}/image/v2/images{path}'}]}
    filled = get(f'/{full}')['image']
    assert (filled['status'], filled['progress'], filled['OS-EXT-IMG-SIZE:size'], filled['metadata']) == ('ACTIVE', 100, 600, {})
    assert 'server' not in filled and 'OS-DCF:diskConfig' not in filled
    known = [full, made['id'], *(i['id'] for i in before)]
    assert {i['id'] for i in get()['images']} == set(known), 'hidden ones are in no list, whatever Glance\'s words say'
    assert {i['id'] for i in get('?os_hidden=true&visibility=all')['images']} == set(known)
    assert next(i for i in get()['images'] if i['id'] == full) == {k: filled[k] for k in ('id', 'name', 'links')}
    assert next(i for i in get('/detail')['images'] if i['id'] == made['id']) == one
    for query, found in (('name=p1', [made['id']]), ('name=in:p1,p3&status=active', [full]), ('status=SaVing', []), ('status=QUEUED&name=p1', [made['id']]),
                         (f'server={server}', [made['id']]), (f'server={url}/servers/{server}', [made['id']]), ('server=none', []),
                         ('type=snapshot', [made['id']]), ('minRam=64', [made['id']]), ('minDisk=2', [made['id']]), ('minDisk=3', []), ('minRam=x', []),
                         ('property-os_distro=debian', [made['id']]), ('property-os_distro=', []), ('property-none=x', []),
                         (f"name=p1&changes-since={made['created_at']}", [made['id']]), ('changes-since=2120-01-01', []), ('xyzzy=1&name=p3', [full])):
        assert [i['id'] for i in get('?' + query)['images']] == found, query
    query, seen = '?limit=1', []
    while query:
        got = get('/detail' + query)
        seen += [i['id'] for i in got['images']]
        assert len(got['images']) == 1
        query = '?' + got['images_links'][0]['href'].partition('?')[2] if 'images_links' in got else None
    assert sorted(seen) == sorted(known) and len(get('?limit=0')['images']) == len(known)
    for path in '', '/detail', f'/{full}':
        assert message(shared.demo.call('GET', f'{NOVA}/images{path}', **at(36)), 404, 'itemNotFound') == 'The resource could not be found.'
    assert shared.demo.call('POST', NOVA + '/images', {'image': {}}).status_code == 405
    assert shared.demo.call('DELETE', NOVA + '/images/').status_code == 404
    shared.admin.delete(f'{NOVA}/images/{full}')
    assert not (shared.apid.state / 'images' / full).exists(), 'its file goes with it'
    assert shared.demo.call('GET', f'/image/v2/images/{full}').status_code == 404
    assert message(shared.admin.call('DELETE', f'{NOVA}/images/{full}'), 404, 'itemNotFound') == 'Image not found.'


def test_the_proxy_of_images_changes_their_metadata(shared):
    """What is no attribute of an image is its metadata, until 2.38; the rest of it stays as it is."""
    old = shared.demo.post('/image/v2/images', {'name': 'm', 'a': 'b', 'kernel_id': str(uuid.uuid4()), 'tags': ['t'], 'visibility': 'shared'})
    path, image = f"{NOVA}/images/{old['id']}/metadata", f"/image/v2/images/{old['id']}"
    assert shared.demo.get(path)['metadata'] == {'a': 'b', 'kernel_id': old['kernel_id']}
    assert shared.demo.post(path, {'metadata': {'c': 'd'}}, 200)['metadata'] == {'a': 'b', 'c': 'd', 'kernel_id': old['kernel_id']}
    assert shared.demo.put(path, {'metadata': {'a': 'x', 'c': 'd'}}, **at(38))['metadata'] == {'a': 'x', 'c': 'd'}
    assert shared.demo.put(path + '/a', {'meta': {'a': ''}})['meta'] == {'a': ''}
    assert shared.demo.get(path + '/a')['meta'] == {'a': ''}
    shared.demo.delete(path + '/c')
    for method, text in ('GET', 'The resource could not be found.'), ('DELETE', 'Invalid metadata key'):
        for key in 'c', 'name', 'created_at':
            assert message(shared.demo.call(method, f'{path}/{key}'), 404, 'itemNotFound') == text
    for key in 'owner', 'name', 'status', 'visibility', 'tags', 'protected', 'self', 'locations', 'created_at', 'os_glance_refused':
        body = {'metadata': {'z': 'z', key: shared.admin.project_id}}
        for method in 'PUT', 'POST':
            message(shared.demo.call(method, path, body), 403, 'forbidden')
        message(shared.demo.call('PUT', f'{path}/{key}', {'meta': {key: 'x'}}), 403, 'forbidden')
    assert message(shared.demo.call('PUT', path + '/a', {'meta': {'b': 'x'}}), 400, 'badRequest') == 'Request body and URI mismatch'
    many = {'metadata': {f'k{i}': 'v' for i in range(129)}}
    assert message(shared.demo.call('PUT', path, many), 403, 'forbidden') == 'Image metadata limit exceeded'
    assert message(shared.demo.call('GET', path, **at(39)), 404, 'itemNotFound') == 'The resource could not be found.'
    left = {k: v for k, v in old.items() if k not in ('kernel_id', 'updated_at')}
    assert {k: v for k, v in shared.demo.get(image).items() if k != 'updated_at'} == {**left, 'a': ''}
    shared.demo.delete(image)


def test_the_proxy_of_images_gives_no_access(shared):
    """Who sees and who changes an image is Glance's to say: private ones of others are not there, public ones and shares are looked at."""
    private, public = (shared.admin.post('/image/v2/images', {'name': v, 'visibility': v, 'a': 'b'})['id'] for v in ('private', 'public'))
    share = shared.admin.post('/image/v2/images', {'name': 'share', 'visibility': 'shared'})['id']
    shared.admin.post(f'/image/v2/images/{share}/members', {'member': shared.demo.project_id}, 200)
    asks = [('GET', '', None), ('DELETE', '', None), ('GET', '/metadata', None), ('POST', '/metadata', {'metadata': {'x': 'y'}}),
            ('PUT', '/metadata', {'metadata': {}}), ('GET', '/metadata/a', None), ('PUT', '/metadata/a', {'meta': {'a': 'c'}}), ('DELETE', '/metadata/a', None)]
    for method, path, body in asks:
        got = shared.demo.call(method, f'{NOVA}/images/{private}{path}', body)
        assert message(got, 404, 'itemNotFound') == 'Image not found.', (method, path)
        if method != 'GET':
            got = message(shared.demo.call(method, f'{NOVA}/images/{public}{path}', body), 403, 'forbidden')
            assert got == (f'Not authorized for image {public}.' if path else 'You are not allowed to delete the image.')
    for ident, listed in (private, False), (public, True), (share, False):
        for query in '', '?visibility=shared&member_status=all', f'?name=in:private,public,share':
            assert (ident in [i['id'] for i in shared.demo.get(f'{NOVA}/images{query}')['images']]) == listed
    assert shared.demo.get(f'{NOVA}/images/{share}')['image']['name'] == 'share'
    shared.demo.put(f'/image/v2/images/{share}/members/{shared.demo.project_id}', {'status': 'accepted'})
    assert share in [i['id'] for i in shared.demo.get(f'{NOVA}/images')['images']]
    mine = shared.demo.post('/image/v2/images', {'name': 'kept', 'protected': True})['id']
    message(shared.demo.call('DELETE', f'{NOVA}/images/{mine}'), 403, 'forbidden')
    assert shared.admin.get(f'/image/v2/images/{public}')['a'] == shared.admin.get(f'/image/v2/images/{private}')['a'] == 'b'
    for ident in private, public, share:
        shared.admin.delete(f'{NOVA}/images/{ident}')


def test_what_is_anothers_is_not_there(shared, kit):
    """Of the doors that came with the proxy, tags, usage and diagnostics: a group and a server of another project."""
    flavor, image, net = kit
    server = shared.boot(flavor, image, [{'uuid': net['id']}])
    group = shared.admin.post('/network/v2.0/security-groups', {'security_group': {'name': 'theirs'}})['security_group']
    mine = shared.demo.post('/network/v2.0/security-groups', {'security_group': {'name': 'own'}})['security_group']
    groups, rules, path = NOVA + '/os-security-groups', NOVA + '/os-security-group-rules', f"{NOVA}/servers/{server['id']}"
    rule = {'ip_protocol': 'tcp', 'from_port': 1, 'to_port': 2}
    for method, where, body, status in (
            ('GET', f"{groups}/{group['id']}", None, 404), ('DELETE', f"{groups}/{group['id']}", None, 404),
            ('PUT', f"{groups}/{group['id']}", {'security_group': {'name': 'x', 'description': 'x'}}, 404),
            ('POST', rules, {'security_group_rule': {**rule, 'parent_group_id': group['id']}}, 404),
            ('POST', rules, {'security_group_rule': {**rule, 'parent_group_id': mine['id'], 'group_id': group['id']}}, 404),
            ('POST', path + '/action', {'addSecurityGroup': {'name': 'own'}}, 404),
            ('GET', path + '/os-security-groups', None, 404), ('PUT', path + '/tags/x', None, 404), ('DELETE', path + '/tags', None, 404),
            ('GET', path + '/ips', None, 404), ('GET', path + '/diagnostics', None, 403),
            ('GET', NOVA + '/os-simple-tenant-usage', None, 403),
            ('GET', f'{NOVA}/os-simple-tenant-usage/{shared.admin.project_id}', None, 403),
            ('PUT', NOVA + '/os-services/disable', {'host': 'h1', 'binary': 'nova-compute'}, 403)):
        assert shared.demo.call(method, where, body, **at(26 if 'tags' in where else 1)).status_code == status, (method, where, body)
    assert shared.admin.get(f"/network/v2.0/security-groups/{group['id']}")['security_group']['name'] == 'theirs'
    shared.demo.delete(f"/network/v2.0/security-groups/{mine['id']}")


def test_a_boot_answers_with_the_password_its_config_drive_has(cloud):
    agent, flavor, image, net = populate(cloud)
    files = [{'path': '/etc/motd', 'contents': 'aGVsbG8='}]
    given = cloud.boot(flavor, image, [{'uuid': net['id']}], adminPass='secret', personality=files)
    made = cloud.boot(flavor, image, [{'uuid': net['id']}])
    assert given['adminPass'] == 'secret' and len(made['adminPass']) == 12
    wishes = agent.wishes()['server']
    assert (wishes[given['id']]['admin_pass'], wishes[given['id']]['files']) == ('secret', files)
    assert (wishes[made['id']]['admin_pass'], wishes[made['id']]['files']) == (made['adminPass'], [])
    assert 'adminPass' not in cloud.server(given)
    body = {'server': {'name': 'x', 'flavorRef': flavor['id'], 'imageRef': image['id'], 'networks': [], 'personality': files}}
    assert cloud.admin.call('POST', NOVA + '/servers', body, **at(57)).status_code == 400
    body['server']['personality'] = 6 * files
    assert cloud.admin.call('POST', NOVA + '/servers', body).status_code == 403
    del body['server']['personality']
    got = cloud.admin.call('POST', NOVA + '/servers', body)
    assert got.headers['Location'] == f"{cloud.apid.url}{NOVA}/servers/{got.json()['server']['id']}"


def test_tags_of_a_server(cloud):
    _, flavor, image, net = populate(cloud)
    server = cloud.boot(flavor, image, [{'uuid': net['id']}])
    path = f"{NOVA}/servers/{server['id']}/tags"
    assert cloud.admin.put(path, {'tags': ['a', 'b', 'a']}, **at(26)) == {'tags': ['a', 'b']}
    got = cloud.admin.call('PUT', path + '/c', **at(26))
    assert got.status_code == 201 and got.headers['Location'] == f'{cloud.apid.url}{path}/c'
    assert got.headers['x-compute-request-id'] == got.headers['x-openstack-request-id']
    assert cloud.admin.call('PUT', path + '/c', **at(26)).status_code == 204
    cloud.admin.delete(path + '/b', **at(26))
    assert cloud.admin.get(path, **at(26)) == {'tags': ['a', 'c']}
    for query, found in ('tags=a,c', 1), ('tags=a,b', 0), ('tags-any=b,c', 1), ('not-tags=a,b', 1), ('not-tags-any=a,b', 0):
        assert len(cloud.admin.get(f'{NOVA}/servers?{query}', **at(26))['servers']) == found, query
    assert cloud.admin.call('GET', path + '/b', **at(26)).status_code == 404
    assert cloud.admin.call('PUT', path, {'tags': ['x' * 61]}, **at(26)).status_code == 400
    assert cloud.admin.call('GET', path).status_code == 404
    cloud.admin.delete(path, **at(26))
    assert cloud.wait_status(server, 'ACTIVE') and cloud.admin.get(path, **at(26)) == {'tags': []}


def test_usage_counts_the_hours_of_servers(cloud):
    _, flavor, image, net = populate(cloud)
    server = cloud.boot(flavor, image, [{'uuid': net['id']}])
    cloud.wait_status(server, 'ACTIVE')
    mine = f'{NOVA}/os-simple-tenant-usage/{cloud.admin.project_id}'
    usage = cloud.admin.get(mine + '?start=2020-01-01T00:00:00&end=2120-01-01 00:00:00.5')['tenant_usage']
    row, = usage['server_usages']
    assert row['instance_id'] == server['id'] and 0 <= row['hours'] < 1 and row['memory_mb'] == 128
    assert usage['total_memory_mb_usage'] == pytest.approx(128 * usage['total_hours'])
    assert cloud.admin.get(mine + '?start=2020-01-01T00:00:00&end=2020-02-01T00:00:00') == {'tenant_usage': {}}
    listed, = cloud.admin.get(NOVA + '/os-simple-tenant-usage?start=2020-01-01T00:00:00')['tenant_usages']
    assert listed['tenant_id'] == cloud.admin.project_id and 'server_usages' not in listed
    assert cloud.demo.call('GET', mine).status_code == 403
    for wrong in 'start=yesterday', 'start=2100-01-01T00:00:00':
        assert cloud.admin.call('GET', f'{mine}?{wrong}').status_code == 400


def test_lists_that_are_no_resources_come_in_pages(cloud):
    """Horizon's overview asks for usages until a page is empty; gophercloud for hosts with their servers."""
    _, flavor, image, net = populate(cloud)
    servers = {cloud.boot(flavor, image, [{'uuid': net['id']}], name=name)['id'] for name in ('a', 'b')}
    for ident in servers:
        cloud.wait_status({'id': ident}, 'ACTIVE')
    cloud.action({'id': ident}, 'os-stop')
    cloud.wait_status({'id': ident}, 'SHUTOFF')

    def pages(path, many, links, version):
        """The lists of all pages, by the links to the next."""
        found = []
        while path:
            page = cloud.admin.get(path, **at(version))
            found.append(page[many])
            path = page[links][0]['href'].removeprefix(cloud.apid.url) if links in page else None
        return found
    usage = f'{NOVA}/os-simple-tenant-usage/{cloud.admin.project_id}?start=2020-01-01T00:00:00.25'
    found = pages(usage + '&limit=1', 'tenant_usage', 'tenant_usage_links', 40)
    assert {row['instance_id'] for page in found for row in page['server_usages']} == servers and len(found) == 2
    assert found[0]['start'] == '2020-01-01T00:00:00.250000' and found[0]['total_memory_mb_usage'] == pytest.approx(128 * found[0]['total_hours'])
    last = found[1]['server_usages'][0]['instance_id']
    assert cloud.admin.get(f'{usage}&marker={last}', **at(40)) == {'tenant_usage': {}}
    assert len(cloud.admin.get(f'{usage}&marker={last}')['tenant_usage']['server_usages']) == 2, 'before 2.40'
    found = pages(NOVA + '/os-simple-tenant-usage?detailed=1&limit=1', 'tenant_usages', 'tenant_usages_links', 40)
    assert [len(page[0]['server_usages']) for page in found] == [1, 1]
    actions = f'{NOVA}/servers/{ident}/os-instance-actions'
    found = pages(actions + '?limit=1', 'instanceActions', 'links', 58)
    assert [a['action'] for page in found for a in page] == ['stop', 'create'] and len(found) == 2
    assert len(cloud.admin.get(actions + '?limit=1')['instanceActions']) == 2, 'before 2.58'
    for query, many in ('changes-since=2120-01-01', 0), ('changes-since=2020-01-01', 2), ('changes-before=2020-01-01', 0), ('limit=0', 0):
        assert len(cloud.admin.get(f'{actions}?{query}', **at(66))['instanceActions']) == many, query
    hosts = NOVA + '/os-hypervisors'
    host, = cloud.admin.get(hosts + '/detail?with_servers=True', **at(53))['hypervisors']
    assert {s['uuid'] for s in host['servers']} == servers
    assert 'servers' not in cloud.admin.get(hosts + '?with_servers=0', **at(53))['hypervisors'][0]
    assert len(cloud.admin.get(f"{hosts}/{host['id']}?with_servers=1", **at(53))['hypervisor']['servers']) == 2
    assert cloud.admin.get(f"{hosts}?limit=1&marker={host['id']}", **at(53)) == {'hypervisors': []}
    assert len(cloud.admin.get(hosts + '?hypervisor_hostname_pattern=x')['hypervisors']) == 1, 'before 2.53'
    for path, version, status in ((usage + '&marker=x', 40, 400), (usage + '&limit=-1', 40, 400), (actions + '?changes-since=soon', 58, 400),
                                  (actions + '?changes-since=2021-01-01&changes-before=2020-01-01', 66, 400),
                                  (hosts + '?with_servers=perhaps', 53, 400), (hosts + '?hypervisor_hostname_pattern=x', 53, 404),
                                  (hosts + '?hypervisor_hostname_pattern=h&limit=1', 53, 400)):
        assert cloud.admin.call('GET', path, **at(version)).status_code == status, path
    found = pages(NOVA + '/servers?sort_key=display_name&sort_dir=asc&limit=1', 'servers', 'servers_links', 1)
    assert [s['name'] for page in found for s in page] == ['a', 'b'], 'the link keeps the order asked for'


def test_deleted_servers_are_remembered(cloud):
    _, flavor, image, _ = populate(cloud)
    nics = [{'uuid': cloud.network(cloud.demo)['id']}]
    for name in 'gone', 'lives':
        server = cloud.boot(flavor, image, nics, cloud.demo, name=name, user_data='c2VjcmV0')
        cloud.wait_status(server, 'ACTIVE')
        if name == 'gone':
            gone, host_id = server, cloud.server(server)['hostId']
            cloud.demo.delete(f"{NOVA}/servers/{gone['id']}")
            cloud.wait_gone(gone)
    path = f"{NOVA}/servers/{gone['id']}/os-instance-actions"

    def names(client, query, **version):
        return sorted(s['name'] for s in client.get(f'{NOVA}/servers?{query}', **version)['servers'])

    def remembered():
        assert names(cloud.demo, '') == names(cloud.demo, 'deleted=true') == ['lives'], "the word is an admin's"
        assert names(cloud.admin, 'deleted=true') == [], 'of another project'
        assert names(cloud.admin, 'all_tenants=1&deleted=true') == names(cloud.admin, 'all_tenants=1&status=DELETED', **at(38)) == ['gone']
        assert names(cloud.admin, 'all_tenants=1&deleted=false&changes-since=2020-01-01') == ['lives']
        assert names(cloud.demo, 'changes-since=2020-01-01T00:00:00Z') == ['gone', 'lives']
        assert names(cloud.demo, 'changes-before=2120-01-01', **at(66)) == ['gone', 'lives']
        assert names(cloud.demo, 'changes-since=2120-01-01') == []
        assert names(cloud.demo, f"changes-since=2020-01-01&sort_key=display_name&sort_dir=desc&marker={server['id']}") == ['gone']
        said = message(cloud.demo.call('GET', NOVA + '/servers?status=deleted'), 403, 'forbidden')
        assert said == 'Only administrators may list deleted instances'
        assert cloud.admin.call('GET', f"{NOVA}/servers/{gone['id']}").status_code == 404
        assert [a['action'] for a in cloud.demo.get(path, **at(21))['instanceActions']] == ['delete', 'create']
        assert cloud.demo.call('GET', path, **at(20)).status_code == 404
    remembered()
    shown, = cloud.admin.get(NOVA + '/servers/detail?all_tenants=1&deleted=1', **at(3))['servers']
    assert (shown['status'], shown['OS-EXT-STS:vm_state'], shown['OS-EXT-STS:task_state'], shown['OS-EXT-STS:power_state']) == \
        ('DELETED', 'deleted', None, 0)
    assert shown['OS-SRV-USG:terminated_at'] and shown['hostId'] == host_id and shown['addresses'] == {}
    assert shown['OS-EXT-SRV-ATTR:user_data'] is None, 'is not kept'
    action = cloud.demo.get(path, **at(21))['instanceActions'][0]
    event, = cloud.demo.get(f"{path}/{action['request_id']}", **at(21))['instanceAction']['events']
    assert event['result'] == 'Success' and event['finish_time']
    usage = cloud.demo.get(f'{NOVA}/os-simple-tenant-usage/{cloud.demo.project_id}?start=2020-01-01T00:00:00')['tenant_usage']['server_usages']
    assert sorted((u['name'], u['state'], u['ended_at'] is None) for u in usage) == [('gone', 'terminated', False), ('lives', 'active', True)]
    cloud.apid.stop(signal.SIGKILL)
    cloud.apid.start()
    remembered()


def test_a_project_has_a_hundred_deleted_servers(shared, kit):
    flavor, image, _ = kit
    quota = f'{NOVA}/os-quota-sets/{shared.admin.project_id}'
    shared.admin.put(quota, {'quota_set': {'instances': -1, 'cores': -1, 'ram': -1}})
    body = {'name': 'no host', 'flavorRef': flavor['id'], 'imageRef': image['id'], 'networks': 'none', 'min_count': 51}
    for _ in range(2):
        shared.admin.post(NOVA + '/servers', {'server': body}, 202, **at(37))
    shared.admin.delete(quota, status=202)
    ids = [s['id'] for s in shared.admin.get(NOVA + '/servers?name=^no host-')['servers']]
    for ident in ids:
        shared.admin.delete(f'{NOVA}/servers/{ident}')
    kept = {s['id'] for s in shared.admin.get(NOVA + '/servers?deleted=true')['servers']}
    assert len(ids) == 102 and kept == set(ids[2:])


def test_a_host_is_taken_out_and_put_back(cloud):
    _, flavor, image, net = populate(cloud)
    service, = cloud.admin.get(NOVA + '/os-services', **at(53))['services']
    path = f"{NOVA}/os-services/{service['id']}"
    said = cloud.admin.put(path, {'status': 'disabled', 'disabled_reason': 'disk'}, **at(53))['service']
    assert (said['status'], said['disabled_reason'], said['state']) == ('disabled', 'disk', 'up')
    assert cloud.wait_status(cloud.boot(flavor, image, [{'uuid': net['id']}]), 'ERROR')['fault']['message'].endswith('its compute service is disabled')
    asked = cloud.boot(flavor, image, [{'uuid': net['id']}], availability_zone='nova:h1')
    cloud.wait_status(asked, 'ACTIVE')
    assert cloud.admin.get(NOVA + '/os-hypervisors/detail')['hypervisors'][0]['status'] == 'disabled'
    word = {'host': 'h1', 'binary': 'nova-compute'}
    assert cloud.admin.put(NOVA + '/os-services/enable', word)['service'] == {**word, 'status': 'enabled'}
    cloud.admin.put(NOVA + '/os-services/force-down', {**word, 'forced_down': True}, **at(11))
    service, = cloud.admin.get(NOVA + '/os-services', **at(11))['services']
    assert (service['state'], service['status'], service['forced_down']) == ('down', 'enabled', True)
    assert cloud.admin.call('PUT', path, {'status': 'off'}, **at(53)).status_code == 400
    assert cloud.admin.call('PUT', NOVA + '/os-services/disable', {**word, 'host': 'h9'}).status_code == 404
    assert cloud.demo.call('PUT', path, {'status': 'disabled'}, **at(53)).status_code == 403


def test_hypervisors_and_servers_tell_what_clients_ask_for(cloud):
    _, flavor, image, net = populate(cloud)
    server = cloud.boot(flavor, image, [{'uuid': net['id']}])
    cloud.wait_status(server, 'ACTIVE')
    assert cloud.admin.get(NOVA + '/os-hypervisors/1/uptime')['hypervisor']['hypervisor_hostname'] == 'h1'
    assert len(cloud.admin.get(NOVA + '/os-hypervisors/h/search')['hypervisors']) == 1
    assert cloud.admin.call('GET', NOVA + '/os-hypervisors/x/search').status_code == 404
    host, = cloud.admin.get(NOVA + '/os-hypervisors/h1/servers')['hypervisors']
    assert host['servers'] == [{'uuid': server['id'], 'name': 'vm'}]
    path = f"{NOVA}/servers/{server['id']}"
    address, = cloud.admin.get(f"{path}/ips/{net['name']}")[net['name']]
    assert address['OS-EXT-IPS-MAC:mac_addr']
    assert cloud.admin.call('GET', path + '/ips/none').status_code == 404
    aliases = [e['alias'] for e in cloud.admin.get(NOVA + '/extensions')['extensions']]
    assert 'os-admin-actions' in aliases and cloud.admin.get(NOVA + '/extensions/os-keypairs')['extension']
    assert cloud.admin.call('GET', NOVA + '/extensions/os-none').status_code == 404


def test_lists_take_what_they_understand_and_refuse_the_rest(cloud):
    _, flavor, image, net = populate(cloud, numvfs=8)
    for name in 'a.b', 'axb':
        cloud.wait_status(cloud.boot(flavor, image, [{'uuid': net['id']}], name=name), 'ACTIVE')

    def names(query):
        return [s['name'] for s in cloud.admin.get(f'{NOVA}/servers?{query}', **at(66))['servers']]
    assert names('name=^a%5C.b$') == ['a.b'] and len(names('name=^a.b$')) == 2
    assert names('limit=0') == [] and names('availability_zone=none-such') == [] and len(names('availability_zone=nova')) == 2
    assert names('changes-since=2120-01-01T00:00:00%2B01:00') == [] == names('changes-before=2020-01-01 00:00:00')
    assert len(names('changes-since=2020-01-01T00:00:00Z')) == 2
    assert names('sort_key=display_name&sort_dir=asc') == ['a.b', 'axb']
    assert names('sort_key=vm_state&sort_dir=asc&sort_key=display_name&sort_dir=desc') == ['axb', 'a.b']
    for wrong in ('servers?sort_key=xyz', 'servers?sort_key=name&sort_dir=up', 'servers?changes-since=soon', 'flavors?is_public=perhaps',
                  'flavors/detail?minRam=x'):
        assert cloud.admin.call('GET', f'{NOVA}/{wrong}').status_code == 400, wrong
    cloud.flavor(**{'os-flavor-access:is_public': False})
    for word, count in ('no', 1), ('YES', 1), ('none', 2):
        assert len(cloud.admin.get(f'{NOVA}/flavors?is_public={word}')['flavors']) == count, word


def test_extra_specs_that_are_not_served_are_refused(shared, kit):
    _, image, net = kit
    for specs, text in (({'hw:cpu_policy': 'dedicated'}, 'hw:cpu_policy=dedicated'), ({'quota:vif_outbound_average': '9'}, 'quota:'),
                        ({'pci_passthrough:alias': 'x:1'}, 'pci_passthrough'),
                        ({'hw:cpu_policy': 'shared', 'hw_rng:allowed': 'True', 'mine': '1'}, None)):
        flavor = shared.flavor()
        shared.admin.post(f"{NOVA}/flavors/{flavor['id']}/os-extra_specs", {'extra_specs': specs}, 200)
        body = {'name': 'x', 'flavorRef': flavor['id'], 'imageRef': image['id'], 'networks': [{'uuid': net['id']}]}
        got = shared.admin.call('POST', NOVA + '/servers', {'server': body})
        assert text in message(got, 400, 'badRequest') if text else got.status_code == 202


def test_an_interface_is_made_on_a_network(cloud):
    _, flavor, image, net = populate(cloud)
    server = cloud.boot(flavor, image, [{'uuid': net['id']}])
    cloud.wait_status(server, 'ACTIVE')
    path = f"{NOVA}/servers/{server['id']}/os-interface"
    only = cloud.admin.post(path, {'interfaceAttachment': {}}, 200)['interfaceAttachment']
    assert only['net_id'] == net['id'], 'the only one that there is'
    other = cloud.network(name='second')
    wish = {'net_id': other['id'], 'fixed_ips': [{'ip_address': '10.20.0.77'}]}
    made = cloud.admin.post(path, {'interfaceAttachment': wish}, 200)['interfaceAttachment']
    assert made['fixed_ips'][0]['ip_address'] == '10.20.0.77' and made['net_id'] == other['id']
    assert list(cloud.server(server)['addresses']) == [net['name'], 'second']
    for wrong in {'net_id': net['id'], 'port_id': made['port_id']}, {}, {'fixed_ips': wish['fixed_ips']}, {**wish, 'tag': 'x'}:
        assert cloud.admin.call('POST', path, {'interfaceAttachment': wrong}).status_code == 400, wrong
    cloud.admin.delete(f"{path}/{made['port_id']}", 202)
    wait_for(lambda: cloud.admin.call('GET', f"/network/v2.0/ports/{made['port_id']}").status_code == 404, 5, 'its end')


def test_a_server_has_as_many_ports_as_its_host_reads(cloud):
    _, flavor, image, net = populate(cloud, numvfs=16)
    server = cloud.boot(flavor, image, [{'uuid': net['id']}])
    cloud.wait_status(server, 'ACTIVE')
    cloud.action(server, 'os-stop')
    cloud.wait_status(server, 'SHUTOFF')
    path = f"{NOVA}/servers/{server['id']}/os-interface"
    got = [cloud.admin.call('POST', path, {'interfaceAttachment': {'net_id': net['id']}}).status_code for _ in range(12)]
    assert got == [200] * 11 + [403]


def test_a_public_flavor_takes_access_until_2_6(shared):
    flavor, body = shared.flavor(), {'addTenantAccess': {'tenant': shared.demo.project_id}}
    path = f"{NOVA}/flavors/{flavor['id']}/action"
    assert shared.admin.call('POST', path, body, **at(7)).status_code == 409
    shared.admin.post(path, body, 200)


def test_server_groups_keep_servers_together_or_apart(cloud):
    _, flavor, image, net = populate(cloud, numvfs=8)
    cloud.agent('h2', numvfs=8, memory_mb=2048)
    cloud.admin.put(f'{NOVA}/os-quota-sets/{cloud.admin.project_id}', {'quota_set': {'instances': 50, 'cores': 50}})

    def group(policy, client=cloud.admin):
        return client.post(NOVA + '/os-server-groups', {'server_group': {'name': policy, 'policies': [policy]}}, 200, **at(15))['server_group']

    def boot(ident, status='ACTIVE', **hints):
        body = {'server': {'name': 'vm', 'flavorRef': flavor['id'], 'imageRef': image['id'], 'networks': [{'uuid': net['id']}]},
                'os:scheduler_hints': {'group': ident, **hints} if ident else hints}
        return cloud.wait_status(cloud.admin.post(NOVA + '/servers', body, 202)['server'], status)
    apart, together, soft = (group(p) for p in ('anti-affinity', 'affinity', 'soft-anti-affinity'))
    one, two = boot(apart['id']), boot(apart['id'])
    assert {s['OS-EXT-SRV-ATTR:host'] for s in (one, two)} == {'h1', 'h2'}
    assert 'group excludes' in boot(apart['id'], 'ERROR')['fault']['message']
    assert len({boot(together['id'])['OS-EXT-SRV-ATTR:host'] for _ in range(2)}) == 1
    assert {boot(soft['id'])['OS-EXT-SRV-ATTR:host'] for _ in range(2)} == {'h1', 'h2'}
    assert boot(None, same_host=[two['id']])['OS-EXT-SRV-ATTR:host'] == two['OS-EXT-SRV-ATTR:host']
    assert boot(None, different_host=two['id'])['OS-EXT-SRV-ATTR:host'] == one['OS-EXT-SRV-ATTR:host']
    # a hint and the policy hold both, a wish of the policy alone gives way, and who is nowhere has no host
    kin = cloud.server({'id': cloud.admin.get(f"{NOVA}/os-server-groups/{together['id']}", **at(64))['server_group']['members'][0]})
    elsewhere = one if one['OS-EXT-SRV-ATTR:host'] != kin['OS-EXT-SRV-ATTR:host'] else two
    lost = boot(together['id'], 'ERROR', same_host=elsewhere['id'])
    assert 'excludes' in lost['fault']['message']
    assert boot(soft['id'], different_host=[one['id']])['OS-EXT-SRV-ATTR:host'] == two['OS-EXT-SRV-ATTR:host']
    assert boot(soft['id'], different_host=[one['id']])['OS-EXT-SRV-ATTR:host'] == two['OS-EXT-SRV-ATTR:host']
    boot(None, 'ERROR', same_host=lost['id'])
    pair = group('anti-affinity')
    cloud.admin.post(NOVA + '/servers', {
        'server': {'name': 'pair', 'flavorRef': flavor['id'], 'imageRef': image['id'], 'networks': [{'uuid': net['id']}],
                   'min_count': 2, 'max_count': 2}, 'os:scheduler_hints': {'group': pair['id']}}, 202)
    pairs = [cloud.wait_status(s, 'ACTIVE') for s in cloud.admin.get(NOVA + '/servers?name=pair')['servers']]
    assert {s['OS-EXT-SRV-ATTR:host'] for s in pairs} == {'h1', 'h2'}
    shown = cloud.admin.get(f"{NOVA}/os-server-groups/{apart['id']}", **at(64))['server_group']
    assert (shown['policy'], shown['rules']) == ('anti-affinity', {}) and {one['id'], two['id']} < set(shown['members'])
    path = f"{NOVA}/servers/{one['id']}"
    assert cloud.admin.get(path, **at(71))['server']['server_groups'] == [apart['id']]


def test_a_pattern_of_many_repeats_takes_no_memory(shared, kit):
    """regcomp() copies what a + repeats: 18 of them took 170 MB, 35 the daemon."""
    flavor, image, net = kit
    shared.boot(flavor, image, [{'uuid': net['id']}])
    statm = pathlib.Path(f'/proc/{shared.apid.proc.pid}/statm')
    before = int(statm.read_text().split()[1])
    for pattern in 'a' + '+' * 40, '(' * 8 + 'a' + '+)' * 8 + '+' * 8:
        assert shared.admin.call('GET', f'{NOVA}/servers?name={urllib.parse.quote(pattern)}').status_code == 200
        assert shared.admin.call('GET', f'{NOVA}/servers?ip={urllib.parse.quote(pattern)}').status_code == 200
    assert int(statm.read_text().split()[1]) - before < 10000  # pages


def test_wrong_server_groups_are_refused(shared, kit):
    flavor, image, net = kit
    path = NOVA + '/os-server-groups'
    for minor, wrong in ((1, {'policies': []}), (1, {'policies': ['soft-affinity']}), (1, {'policies': ['x']}), (1, {}), (1, {'policy': 'affinity'}),
                         (64, {'policies': ['affinity']}), (64, {'policy': 'affinity', 'rules': {'max_server_per_host': 2}}),
                         (64, {'policy': 'x'})):
        assert shared.demo.call('POST', path, {'server_group': {'name': 'g', **wrong}}, **at(minor)).status_code == 400, wrong
    body = {'name': 'g', 'policy': 'anti-affinity', 'rules': {'max_server_per_host': '0'}}
    assert shared.demo.call('POST', path, {'server_group': body}, **at(64)).status_code == 400
    body['rules'] = {'max_server_per_host': 2}
    mine = shared.demo.post(path, {'server_group': body}, 200, **at(64))['server_group']
    assert mine['members'] == [] and [g['id'] for g in shared.demo.get(path)['server_groups']] == [mine['id']]
    assert shared.admin.get(path)['server_groups'] == [] and shared.admin.get(path + '?all_projects=1')['server_groups']
    server = {'name': 'x', 'flavorRef': flavor['id'], 'imageRef': image['id'], 'networks': [{'uuid': net['id']}]}
    for hint in {'group': mine['id']}, {'group': 'nope'}, {'same_host': 'nope'}, {'group': 7}:
        got = shared.admin.call('POST', NOVA + '/servers', {'server': server, 'os:scheduler_hints': hint})
        assert got.status_code == 400, hint
    shared.demo.delete(f"{path}/{mine['id']}")


def test_aggregates_make_zones_that_boots_go_to(cloud):
    _, flavor, image, net = populate(cloud)
    cloud.agent('h2')
    path = NOVA + '/os-aggregates'

    def aggregate(name, **more):
        return cloud.admin.post(path, {'aggregate': {'name': name, **more}}, 200)['aggregate']

    def act(one, word, **args):
        return cloud.admin.call('POST', f"{path}/{one['id']}/action", {word: args})
    east, plain = aggregate('a', availability_zone='east'), aggregate('b')
    assert (east['id'], east['deleted'], plain['availability_zone']) == (1, False, None) and 'hosts' not in east
    assert 'already exists' in message(cloud.admin.call('POST', path, {'aggregate': {'name': 'a'}}), 409, 'conflictingRequest')
    assert cloud.admin.call('POST', path, {'aggregate': {'name': 'c', 'availability_zone': 'x:y'}}).status_code == 400
    assert [act(east, 'add_host', host=h).status_code for h in ('h2', 'h2', 'h9')] == [200, 409, 404]
    assert act(plain, 'add_host', host='h2').status_code == 200
    assert act(plain, 'set_metadata', metadata={'availability_zone': 'west'}).status_code == 409, 'h2 is in east'
    assert act(plain, 'set_metadata', metadata={'ssd': 'true', 'old': 'x'}).status_code == 200
    assert act(plain, 'set_metadata', metadata={'old': None}).json()['aggregate']['metadata'] == {'ssd': 'true'}
    assert cloud.admin.get(f"{path}/{east['id']}")['aggregate']['metadata'] == {'availability_zone': 'east'}
    zones = cloud.admin.get(NOVA + '/os-availability-zone/detail')['availabilityZoneInfo']
    assert {z['zoneName']: list(z['hosts']) for z in zones} == {'nova': ['h1'], 'east': ['h2']}
    for zone, host in ('east', 'h2'), ('nova', 'h1'), ('east:h1', 'h1'):
        server = cloud.wait_status(cloud.boot(flavor, image, [{'uuid': net['id']}], availability_zone=zone), 'ACTIVE')
        assert server['OS-EXT-SRV-ATTR:host'] == host
        assert server['OS-EXT-AZ:availability_zone'] == {'h1': 'nova', 'h2': 'east'}[host]
    body = {'server': {'name': 'x', 'flavorRef': flavor['id'], 'imageRef': image['id'], 'networks': [], 'availability_zone': 'west'}}
    assert 'availability zone is not available' in message(cloud.admin.call('POST', NOVA + '/servers', body), 400, 'badRequest')
    assert len(cloud.admin.get(NOVA + '/servers?availability_zone=east')['servers']) == 1
    assert 'not empty' in message(cloud.admin.call('DELETE', f"{path}/{east['id']}"), 400, 'badRequest')
    assert act(east, 'remove_host', host='h2').status_code == 200 and act(east, 'remove_host', host='h2').status_code == 404
    cloud.admin.put(f"{path}/{plain['id']}", {'aggregate': {'name': 'c', 'availability_zone': 'west'}})
    assert cloud.admin.get(NOVA + '/servers/detail?availability_zone=west')['servers'][0]['OS-EXT-AZ:availability_zone'] == 'west'
    cloud.admin.delete(f"{path}/{east['id']}", 200)
    assert [a['name'] for a in cloud.admin.get(path)['aggregates']] == ['c']
    assert cloud.admin.call('GET', f"{path}/{east['id']}").status_code == 404
    assert aggregate('d')['id'] == 3 and cloud.demo.call('GET', path).status_code == 403


def test_the_default_class_is_what_projects_have(cloud):
    path, own = NOVA + '/os-quota-class-sets/default', f'{NOVA}/os-quota-sets/{cloud.demo.project_id}'
    assert cloud.admin.get(path)['quota_class_set']['instances'] == 10
    assert cloud.admin.put(path, {'quota_class_set': {'instances': 3, 'cores': '4'}})['quota_class_set']['instances'] == 3
    assert [cloud.demo.get(own + more)['quota_set'][what] for more in ('', '/defaults') for what in ('instances', 'cores', 'ram')] \
        == [3, 4, 51200] * 2
    cloud.admin.put(own, {'quota_set': {'instances': 5}})
    assert cloud.demo.get(own)['quota_set']['instances'] == 5
    assert cloud.admin.call('PUT', path, {'quota_class_set': {'wheels': 3}}).status_code == 400
    assert cloud.demo.call('PUT', path, {'quota_class_set': {'instances': 99}}).status_code == 403


def test_a_server_has_no_password_of_its_guests(shared):
    server = shared.boot(shared.flavor(), shared.image(), [])
    path = f"{NOVA}/servers/{server['id']}/os-server-password"
    assert shared.admin.get(path) == {'password': ''}
    shared.admin.delete(path, 204)


def test_hosts_are_taken_out_and_struck_off_by_hand(cloud):
    agent, flavor, image, net = populate(cloud)
    server = cloud.boot(flavor, image, [{'uuid': net['id']}], name='on-h1')
    cloud.wait_status(server, 'ACTIVE')

    def host(*words, status=0):
        got = subprocess.run([DAEMONS / 'anyvf', '-j', 'host', words[0], '--config', cloud.apid.conf, *words[1:]],
                             capture_output=True, text=True, check=False, timeout=60)
        assert got.returncode == status, got.stdout + got.stderr
        return got.stdout + got.stderr

    def listed():
        row, = json.loads(host('list'))
        return row['host'], row['state'], row['status'], row['servers'], row['reason']
    assert listed() == ('h1', 'up', 'enabled', 1, '')
    host('disable', 'h1', 'reason', 'its fan is loud')
    assert listed() == ('h1', 'up', 'disabled', 1, 'its fan is loud')
    host('enable', 'h1')
    assert listed()[2:] == ('enabled', 1, '')
    assert 'ACTIVE' in host('drain', 'h1') and cloud.server(server)['status'] == 'ACTIVE'
    assert 'on-h1 (stopping)' in host('drain', 'h1', '--stop')
    cloud.wait_status(server, 'SHUTOFF')
    assert 'Error: ' in host('remove', 'h1', status=1)
    assert 'knows no host "h9"' in host('remove', 'h9', status=1)
    assert 'h9' in host('disable', 'h9', status=1) and 'required' in host('disable', status=255)
    cloud.admin.delete(f"{NOVA}/servers/{server['id']}")
    cloud.wait_gone(server)
    wait_for(lambda: not agent.wishes()['port'], 10, 'the VF')
    host('enable', 'h1')
    agent.ignore = {'server', 'port'}
    stays = cloud.boot(flavor, image, [{'uuid': net['id']}], name='stays')
    agent.stop()
    wait_for(lambda: listed()[1] == 'down', 10, 'the end of the host')
    assert 'forced down' in host('remove', 'h1', status=1)
    assert 'forced down' in host('remove', 'h1', '--force', status=1)  # there is a server
    cloud.admin.delete(f"{NOVA}/servers/{stays['id']}")
    host('remove', '--force', 'h1')
    assert json.loads(host('list')) == []
