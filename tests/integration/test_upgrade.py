# SPDX-License-Identifier: Apache-2.0
"""Agents and API may be upgraded in either order: what both said before issue 13 (commit 319bbd1), replayed.

tests/recorded/agent.json has what an agent sent for a server with a guest until its end, api.json what the API answered
one. What the agent makes of api.json is unit test `want`.
"""
import base64
import json
import threading

import pytest

from apid import Cloud
from conftest import ROOT, wait_for

KINDS = 'server', 'port', 'network', 'console', 'diagnostics', 'tap_flow', 'tap_mirror'
NOVA, TAAS = '/compute/v2.1', '/network/v2.0/taas'
AGENT = json.loads((ROOT / 'tests/recorded/agent.json').read_text())
REPLIES = json.loads((ROOT / 'tests/recorded/api.json').read_text())['replies']


def lacks(old, new, where=''):
    """What a reader of the old reply would miss in the new one: members, and values of another type."""
    if isinstance(old, dict) and isinstance(new, dict):
        for member, value in old.items():
            if member in new:
                yield from lacks(value, new[member], f'{where}.{member}')
            else:
                yield f'{where}.{member}'
    elif isinstance(old, list) and isinstance(new, list):
        if old and new:
            yield from lacks(old[0], new[0], where + '[]')
    elif None not in (old, new) and type(old) is not type(new):
        yield f'{where} is {new!r}'


def first_of_each(desired):
    """Documents by kind, whatever their ids."""
    return {kind: next(iter(desired[kind].values())) for kind in KINDS}


class Site:
    """A server with two ports, a flow and a mirror, a console and figures asked for: as in the record."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.agent = cloud.agent('h1', auto=False)
        self.agent.inventory = AGENT['heartbeat']
        self.beat = self.agent.heartbeat()
        self.seen = self.agent.wishes()['revision']
        net = cloud.network(**{'provider:network_type': 'vlan', 'provider:physical_network': 'physnet1',
                               'provider:segmentation_id': 7})
        self.ports = [cloud.port(net)['id'] for _ in range(2)]
        self.server = cloud.boot(cloud.flavor(), cloud.image(), [{'port': port} for port in self.ports], metadata={'role': 'web'},
                                 user_data=base64.b64encode(b'#!/bin/sh\n').decode(), config_drive=True)
        service = cloud.admin.post(TAAS + '/tap_services', {'tap_service': {'port_id': self.ports[0]}})['tap_service']
        flow = {'tap_service_id': service['id'], 'source_port': self.ports[1], 'direction': 'BOTH', 'vlan_filter': '9,18-22'}
        cloud.admin.post(TAAS + '/tap_flows', {'tap_flow': flow})
        cloud.admin.post(TAAS + '/tap_mirrors', {'tap_mirror': {
            'port_id': self.ports[1], 'directions': {'IN': 101, 'OUT': 102}, 'mirror_type': 'erspanv1', 'remote_ip': '198.18.0.9'}})
        self.answers = []

    def ask(self):
        """Ask for console and figures; whom to wait for."""
        own = f"{NOVA}/servers/{self.server['id']}"
        asked = (('POST', own + '/action', {'os-getConsoleOutput': {'length': 50}}), ('GET', own + '/diagnostics', None))
        threads = [threading.Thread(target=lambda a=a: self.answers.append(self.cloud.admin.call(*a).status_code)) for a in asked]
        for thread in threads:
            thread.start()
        return threads

    def say(self, kind, body):
        """A recorded report, about what there is of its kind here."""
        wishes = self.agent.wishes()[kind]
        wish = wishes[self.ports[0]] if kind == 'port' else next(iter(wishes.values()))
        if body.get('plugged'):
            body = {**body, 'plugged': wish['ports']}
        self.agent.report(kind, wish['id'], **{**body, 'generation': wish['generation']})


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    cloud = Cloud(tmp_path_factory.mktemp('cloud'), '[taas]\ncollectors = 198.18.0.0/15\n')
    yield Site(cloud)
    cloud.close()


def test_former_agents_and_this_api_understand_each_other(site):
    said = iter(AGENT['reports'])
    for _ in range(5):  # until the server is ACTIVE
        report = next(said)
        site.say(report['kind'], report['body'])
    assert site.cloud.server(site.server)['status'] == 'ACTIVE'
    asking = site.ask()
    wait_for(lambda: all(site.agent.wishes()[kind] for kind in KINDS), 20, 'the questions')
    now, then = site.agent.wishes(), {reply['path'].split('?')[0]: reply['answer'] for reply in REPLIES[2::-1]}
    assert not list(lacks(then['/anyvf/v1/hosts/h1'], site.beat, 'heartbeat'))
    assert site.agent.client.put('/anyvf/v1/hosts/h1', {'known_as': site.beat['known_as']}) == then['/anyvf/v1/hosts/h1']
    desired = then['/anyvf/v1/hosts/h1/desired']
    assert not list(lacks(first_of_each(desired), first_of_each(now))) and isinstance(now['revision'], int)
    site.agent.revision = site.seen
    events = site.agent.watch().json()
    assert not list(lacks(then['/anyvf/v1/watch'], events, 'watch'))
    assert {event['kind'] for event in events['events']} == set(KINDS)
    late = site.agent.client.call('PUT', f'/anyvf/v1/hosts/h1/port/{site.ports[0]}', {'generation': 1, 'status': 'ACTIVE', 'reason': ''})
    assert (late.status_code, list(lacks(REPLIES[3]['answer'], late.json()))) == (REPLIES[3]['status'], [])
    for report in said:
        if report['body'].get('status') == 'SHUTOFF':
            for thread in asking:
                thread.join(20)
            assert site.answers == [200, 200]
            site.cloud.action(site.server, 'os-stop')
        elif report['body'].get('status') == 'DELETED':
            assert site.cloud.server(site.server)['status'] == 'SHUTOFF'
            site.cloud.admin.delete(f"{NOVA}/servers/{site.server['id']}")
        elif report['body'].get('status') == 'RELEASED':
            site.cloud.admin.delete(f'/network/v2.0/ports/{site.ports[0]}')
        site.say(report['kind'], report['body'])
    assert site.ports[0] not in site.agent.wishes()['port'] and not site.agent.wishes()['server']
