# SPDX-License-Identifier: Apache-2.0
"""Requests recorded at a real Neutron (21.0), replayed in their order.

Each reply must have the recorded status; errors the recorded type and message; objects the recorded
members, and the recorded values where those are not chosen anew (ids, times, addresses). The
recordings lie beside the tree; without them these tests cannot run.
"""
import json
import re

import pytest

from apid import Cloud
from conftest import ROOT

RECORDED = ROOT.parent / 'shared' / 'reference' / 'openstack' / 'neutron'
FILES = ['networks', 'subnets', 'ports', 'deletes', 'tags', 'quotas', 'security_groups', 'misc',
         'versions']
CONF = """
[network]
flat_networks = physnet1,physnet2
network_vlan_ranges = physnet1:100:199,physnet2:2000:2999
[quotas]
network = -1
subnet = -1
subnetpool = -1
rbac_policy = 10
"""
ADMIN, MEMBER = 'ba61599c5ad443598435f0ca9d8f543e', '9bb49a0b84e6420480021cc35bf5781c'

# Chosen anew each time, or by what the two servers have about them.
ANEW = re.compile('|'.join([
    r'(^|_)id$', 'created_at', 'updated_at', 'revision_number', 'mac_address', 'fixed_ips',
    'provider:segmentation_id', 'provider:physical_network', 'binding:vif_', 'status$', 'subnets',
    'security_groups?$', 'security_group_rules', 'allocation_pools', 'links$', 'href']))

# Where we mean to differ: (file, case) -> why. Their statuses may differ, nothing may crash.
DIFFER = {
    ('subnets', 'create: cidr null'): 'a real 500: ours is a 400',
    ('networks', 'create: mtu too small'): 'a real 201 for 10 bytes: ours is a 400',
    ('networks', 'list by provider'): 'tenants get segments of any physical network',
    ('quotas', 'update as member'): 'a 403 of the policy of all routes, which has no name for this one',
    ('ports', 'create as member with profile'): 'vnic_type needs no rule of its own',
    ('ports', 'update mac while bound'): 'names our vif_type',
    ('ports', 'create with fixed ip and mac'): 'MACs are kept in lower case',
    ('ports', 'list by host'): 'direct-physical does not bind here',
    ('deletes', 'delete network in use'): 'names a port made between the recordings',
    ('misc', 'agents'): 'other agents',
    ('misc', 'qos policies'): 'a 404 that says why',
    ('misc', 'trunks'): 'a 404 that says why',
    ('misc', 'segments'): 'a 404 that says why',
    ('misc', 'service-providers'): 'a 404 that says why',
    ('misc', 'rbac-policies'): 'a network that is shared has no policy of its own here',
    ('misc', 'network-ip-availabilities'): 'totals of IPv6 pools do not fit 64 bits',
    ('misc', 'routers (no l3)'): 'an empty list, as Horizon asks each page for it',
    ('misc', 'floatingips (no l3)'): 'an empty list, as Horizon asks each page for it',
    ('versions', 'v2.0 resource index'): 'answered without its slash as well',
    ('versions', 'v2.0 resource index trailing slash'): 'other resources',
    ('versions', 'extensions'): 'other extensions',
    ('versions', 'unknown extension'): 'a real HTML fragment in JSON: ours is a NeutronError',
    ('versions', 'unknown version'): 'answered by another layer',
    ('versions', 'method not allowed'): 'a 405 in other words',
    ('versions', 'json suffix'): 'a list of another moment',
    ('versions', 'put on collection'): 'a real 404 about "None": ours is a 405',
}


def pairs():
    """All recorded pairs: (file, pair)."""
    if not RECORDED.is_dir():
        pytest.skip('the recordings are not beside the tree')
    return [(name, pair) for name in FILES
            for pair in json.loads((RECORDED / f'{name}.json').read_text())['pairs']]


def by_name(items):
    """A list in an order that both servers can have."""
    keys = ('name', 'cidr', 'alias', 'binding:vnic_type')
    return sorted(items, key=lambda i: [str(i.get(k)) for k in keys]
                  if isinstance(i, dict) else [str(i)])


class Replay:
    """The clients, and what the recorded ids, MACs and addresses are here."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.ours = {ADMIN: cloud.admin.project_id, MEMBER: cloud.demo.project_id}

    def translate(self, text):
        """Recorded ids in a text become ours."""
        for theirs, ours in self.ours.items():
            text = text.replace(theirs, ours)
        return text

    def learn(self, theirs, ours):
        """Note ids, MACs and addresses at the same place of two replies."""
        if isinstance(theirs, dict) and isinstance(ours, dict):
            for key in theirs.keys() & ours.keys():
                self.learn(theirs[key], ours[key])
        elif isinstance(theirs, list) and isinstance(ours, list):
            for one, other in zip(theirs, ours):
                self.learn(one, other)
        elif isinstance(theirs, str) and isinstance(ours, str) and theirs != ours and re.fullmatch(
                r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(..:){5}..', theirs):
            self.ours.setdefault(theirs, ours)

    def body(self, pair):
        """The request's body; addresses Neutron chose are asked for, so that pools fill alike."""
        body = pair['request']['body']
        got = pair['response']['body']
        if isinstance(body, dict) and isinstance(body.get('port'), dict) and \
                pair['request']['method'] == 'POST' and pair['as_role'] == 'admin' and \
                'fixed_ips' not in body['port'] and 'port' in got:
            ips = [ip for ip in got['port']['fixed_ips'] if ':' not in ip['ip_address']]
            if ips:
                body = {'port': {**body['port'], 'fixed_ips': ips}}
        return body

    def send(self, pair):
        """Replay one request."""
        request, headers = pair['request'], {}
        client = self.cloud.demo if pair['as_role'] == 'member' else self.cloud.admin
        if pair['as_role'] in ('none', 'invalid'):
            headers['X-Auth-Token'] = None if pair['as_role'] == 'none' else 'gAAAA-none'
        body = self.body(pair)
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        if body is not None:
            headers['Content-Type'] = 'application/json'
        return client.http.request(request['method'],
                                   client.url + '/network' + self.translate(request['path']),
                                   data=None if body is None else self.translate(body),
                                   headers=headers, timeout=30)

    def differences(self, theirs, ours, where=''):
        """What a reply lacks of the recorded one."""
        if isinstance(theirs, dict):
            if not isinstance(ours, dict):
                yield f'{where}: {ours!r} is no object'
                return
            for key, value in theirs.items():
                if key not in ours and key != 'standard_attr_id':
                    yield f'{where}.{key} is missing'
                elif not ANEW.search(key):
                    yield from self.differences(value, ours.get(key), f'{where}.{key}')
            return
        if isinstance(theirs, list):
            if len(theirs) != len(ours or []):
                yield f'{where}: {len(ours or [])} of {len(theirs)} items'
            for one, other in zip(by_name(theirs), by_name(ours or [])):
                yield from self.differences(one, other, f'{where}[]')
            return
        want = self.translate(theirs) if isinstance(theirs, str) else theirs
        if want != ours and where.split('.')[-1] != 'message':
            yield f'{where}: {ours!r}, recorded {want!r}'
        elif want != ours and sorted(re.split('[ ,.]', want)) != sorted(re.split('[ ,.]', ours)):
            yield f'{where}: {ours!r}, recorded {want!r}'

    def check(self, name, pair):
        """Replay one pair; a line a difference."""
        reply, recorded = self.send(pair), pair['response']
        ours = reply.json() if reply.content else None
        assert reply.status_code != 500, f"{pair['case']}: {reply.text}"
        self.learn(recorded['body'], ours)
        if (name, pair['case']) in DIFFER:
            return
        what = f"{name}: {pair['case']}"
        if reply.status_code != recorded['status']:
            yield f"{what}: {reply.status_code}, recorded {recorded['status']}: {reply.text[:300]}"
            return
        for line in self.differences(recorded['body'], ours):
            yield f'{what}: {line}'


def test_replies_are_those_recorded_at_neutron(tmp_path):
    todo = pairs()
    cloud = Cloud(tmp_path, CONF)
    try:
        replay = Replay(cloud)
        wrong = [line for name, pair in todo for line in replay.check(name, pair)]
    finally:
        cloud.close()
    print(f'{len(todo)} pairs, {len(DIFFER)} exempt, {len(wrong)} differences')
    assert not wrong, '\n'.join(wrong)
