# SPDX-License-Identifier: Apache-2.0
"""Tap as a Service: services, flows and mirrors, who may have them, and what a host's agent is told of them.

The agent is stood in for; the real one is in test_agent.py, the whole with guests in test_cloud.py.
"""
import json
import re
import uuid

import pytest

from apid import Cloud
from conftest import ROOT, wait_for

V2 = '/network/v2.0'
TAAS = V2 + '/taas'
NOBODY = '00000000-0000-4000-8000-000000000000'


@pytest.fixture(scope='module')
def cloud(tmp_path_factory):
    """One daemon for the tests of this file, with two hosts."""
    cloud = Cloud(tmp_path_factory.mktemp('tap'), '[taas]\ncollectors = 10.0.0.0/24, 192.0.2.9, 2001:db8::5\n')
    for host in 'h1', 'h2':
        cloud.agent(host, numvfs=64)
    yield cloud
    cloud.close()


@pytest.fixture(scope='module')
def net(cloud):
    """demo's network."""
    return cloud.network(cloud.demo)


def port(cloud, net, host=None, client=None):
    """A direct port of demo's, bound to a host if one is named."""
    made = cloud.port(net, client=client or cloud.demo)
    if host:
        cloud.admin.put(f"{V2}/ports/{made['id']}", {'port': {'binding:host_id': host}})
    return made


def make(client, kind, code=201, **attrs):
    got = client.post(f'{TAAS}/{kind}s', {kind: attrs}, code)
    return got.get(kind, got)


def show(cloud, kind, doc):
    return cloud.demo.get(f"{TAAS}/{kind}s/{doc['id']}")[kind]


def error(client, kind, code, **attrs):
    """The type and the sentence of a refused creation."""
    got = make(client, kind, code, **attrs)['NeutronError']
    return got['type'], got['message']


def flow_of(cloud, net, host='h1', **attrs):
    """A flow between two ports on a host: (service, flow, its ports)."""
    ports = [port(cloud, net, host) for _ in range(2)]
    service = make(cloud.demo, 'tap_service', port_id=ports[1]['id'])
    return service, make(cloud.demo, 'tap_flow', tap_service_id=service['id'], source_port=ports[0]['id'],
                         **{'direction': 'BOTH', **attrs}), ports


def wish(cloud, kind, doc, host='h1'):
    agent = next(a for a in cloud.agents if a.host == host)
    return agent.wishes()[kind].get(doc['id'])


def wait_status(cloud, kind, doc, status):
    return wait_for(lambda: (lambda d: d if d['status'] == status else None)(show(cloud, kind, doc)), 10,
                    f'{kind} {status}')


def gone(cloud, kind, doc):
    return cloud.admin.call('GET', f"{TAAS}/{kind}s/{doc['id']}").status_code == 404


def test_the_extensions_are_listed(cloud):
    aliases = {e['alias'] for e in cloud.demo.get(V2 + '/extensions')['extensions']}
    assert {'taas', 'taas-vlan-filter', 'tap-mirror'} <= aliases
    assert cloud.demo.get(V2 + '/extensions/taas')['extension']['name'] == 'Neutron Tap as a Service'


def test_a_tap_service_has_neutrons_members_and_the_status_of_its_port(cloud, net):
    one, two = port(cloud, net), port(cloud, net, 'h1')
    made = make(cloud.demo, 'tap_service', port_id=one['id'], name='ts', description='d')
    assert made == {'id': made['id'], 'name': 'ts', 'description': 'd', 'port_id': one['id'], 'status': 'DOWN',
                    'project_id': cloud.demo.project_id, 'tenant_id': cloud.demo.project_id}
    path = f"{TAAS}/tap_services/{made['id']}"
    changed = cloud.demo.put(path, {'tap_service': {'name': 'x', 'description': 'y', 'port_id': two['id']}})
    assert changed['tap_service'] | {'status': ''} == made | {
        'name': 'x', 'description': 'y', 'port_id': two['id'], 'status': ''}
    wait_status(cloud, 'tap_service', made, 'ACTIVE')
    listed = cloud.demo.get(f"{TAAS}/tap_services?port_id={two['id']}")['tap_services']
    assert [s['id'] for s in listed] == [made['id']]
    cloud.demo.delete(path)
    assert gone(cloud, 'tap_service', made)


def test_a_tap_flow_has_neutrons_members(cloud, net):
    service, flow, ports = flow_of(cloud, net, name='tf', direction='IN', vlan_filter='9,18-22')
    assert {k: flow[k] for k in ('name', 'description', 'tap_service_id', 'source_port', 'direction', 'vlan_filter',
                                 'status', 'tenant_id')} == {
        'name': 'tf', 'description': '', 'tap_service_id': service['id'], 'source_port': ports[0]['id'],
        'direction': 'IN', 'vlan_filter': '9,18-22', 'status': 'DOWN', 'tenant_id': cloud.demo.project_id}
    assert 'host' not in flow and 'host' not in cloud.admin.get(f"{TAAS}/tap_flows/{flow['id']}")['tap_flow']
    path = f"{TAAS}/tap_flows/{flow['id']}"
    assert cloud.demo.put(path, {'tap_flow': {'name': 'n', 'description': 'd'}})['tap_flow']['name'] == 'n'
    cloud.demo.delete(path)
    assert gone(cloud, 'tap_flow', flow) and not gone(cloud, 'tap_service', service)


@pytest.mark.parametrize('member', ['tap_service_id', 'source_port', 'direction', 'vlan_filter', 'status', 'id'])
def test_a_flows_members_stay_as_they_were_made(cloud, net, member):
    _, flow, _ = flow_of(cloud, net)
    got = cloud.demo.put(f"{TAAS}/tap_flows/{flow['id']}", {'tap_flow': {member: flow[member]}}, 400)
    assert got['NeutronError']['message'] == f'Cannot update read-only attribute {member}'


def test_bad_values_are_named(cloud, net):
    ports = [port(cloud, net) for _ in range(2)]
    service = make(cloud.demo, 'tap_service', port_id=ports[1]['id'])
    good = {'tap_service_id': service['id'], 'source_port': ports[0]['id'], 'direction': 'BOTH'}
    for members, status, word in (
            ({'direction': 'both'}, 400, 'both'), ({'direction': 'SIDEWAYS'}, 400, 'SIDEWAYS'),
            ({'direction': 3}, 400, 'direction'), ({'vlan_filter': '4095'}, 400, '4095'),
            ({'vlan_filter': '1-4095'}, 400, '4095'), ({'vlan_filter': '30-20'}, 400, '30-20'),
            ({'vlan_filter': '9,,10'}, 400, '9,,10'), ({'vlan_filter': 'any'}, 400, 'any'),
            ({'vlan_filter': '70000'}, 400, '70000'), ({'vlan_filter': ''}, 400, 'vlan_filter'),
            ({'vlan_filter': '1' * 1025}, 400, '1024'), ({'vlan_filter': 9}, 400, 'vlan_filter'),
            ({'source_port': 'abc'}, 400, 'abc'), ({'source_port': NOBODY}, 404, NOBODY),
            ({'tap_service_id': NOBODY}, 404, NOBODY), ({'colour': 'red'}, 400, 'colour'),
            ({'status': 'ACTIVE'}, 400, 'status'), ({'host': 'h1'}, 400, 'host'),
            ({'source_port': ports[1]['id']}, 400, ports[1]['id'])):
        assert word in error(cloud.demo, 'tap_flow', status, **{**good, **members})[1]
    for left_out in good:
        attrs = {k: v for k, v in good.items() if k != left_out}
        assert f"'{left_out}' not specified" in error(cloud.demo, 'tap_flow', 400, **attrs)[1]
    assert error(cloud.demo, 'tap_service', 404, port_id=NOBODY)[0] == 'PortNotFound'
    assert "'port_id'" in error(cloud.demo, 'tap_service', 400, name='x')[1]
    flow = make(cloud.demo, 'tap_flow', **good)
    cloud.demo.put(f"{TAAS}/tap_services/{service['id']}", {'tap_service': {'port_id': ports[0]['id']}}, 400)
    assert show(cloud, 'tap_service', service)['port_id'] == ports[1]['id']
    assert not [f for f in cloud.demo.get(TAAS + '/tap_flows')['tap_flows']
                if f['source_port'] == ports[0]['id'] and f['id'] != flow['id']]


def test_others_ports_and_services_are_not_there(cloud, net):
    mine, foreign = port(cloud, net), port(cloud, cloud.network(cloud.admin), client=cloud.admin)
    # on demo's own network, seen by its owner, and still not demo's
    guest = port(cloud, net, client=cloud.admin)
    cloud.demo.get(f"{V2}/ports/{guest['id']}")
    for other in foreign, guest:
        assert error(cloud.demo, 'tap_service', 404, port_id=other['id']) == (
            'PortNotFound', f"Port {other['id']} could not be found.")
    service = make(cloud.demo, 'tap_service', port_id=mine['id'])
    for other in foreign, guest:
        assert error(cloud.demo, 'tap_flow', 404, tap_service_id=service['id'], source_port=other['id'],
                     direction='IN')[0] == 'PortNotFound'
        assert error(cloud.demo, 'tap_mirror', 404, port_id=other['id'], directions={'IN': 7}, mirror_type='gre',
                     remote_ip='10.0.0.9')[0] == 'PortNotFound'
        cloud.demo.put(f"{TAAS}/tap_services/{service['id']}", {'tap_service': {'port_id': other['id']}}, 404)
    theirs = make(cloud.admin, 'tap_service', port_id=foreign['id'])
    assert error(cloud.demo, 'tap_flow', 404, tap_service_id=theirs['id'], source_port=mine['id'],
                 direction='IN')[0] == 'TapServiceNotFound'
    for method in 'GET', 'DELETE':
        assert cloud.demo.call(method, f"{TAAS}/tap_services/{theirs['id']}").status_code == 404
    assert theirs['id'] not in [s['id'] for s in cloud.demo.get(TAAS + '/tap_services')['tap_services']]
    # an admin may watch anybody, and what he watches with is not the tenant's to see
    flow = make(cloud.admin, 'tap_flow', tap_service_id=theirs['id'], source_port=mine['id'], direction='IN')
    assert cloud.demo.call('GET', f"{TAAS}/tap_flows/{flow['id']}").status_code == 404


def test_the_agent_of_the_ports_host_is_told_and_what_it_says_is_shown(cloud, net):
    _, flow, ports = flow_of(cloud, net, direction='OUT', vlan_filter='5')
    told = wish(cloud, 'tap_flow', flow)
    assert told.pop('generation') > 0
    assert told == {'id': flow['id'], 'source_port': ports[0]['id'], 'port': ports[1]['id'], 'direction': 'OUT',
                    'vlan_filter': '5'}
    wait_status(cloud, 'tap_flow', flow, 'ACTIVE')
    agent = cloud.agents[0]
    generation = wish(cloud, 'tap_flow', flow)['generation']
    agent.report('tap_flow', flow['id'], generation=generation, status='ERROR', reason='no room')
    assert show(cloud, 'tap_flow', flow) == {**flow, 'status': 'ERROR', 'status_reason': 'no room'}
    agent.report('tap_flow', flow['id'], 409, generation=generation - 1, status='ACTIVE')
    agent.report('tap_flow', flow['id'], 400, generation=generation, status='LOST')
    agent.report('tap_flow', NOBODY, 409, generation=generation, status='ACTIVE')
    cloud.demo.call('PUT', f"/anyvf/v1/hosts/h1/tap_flow/{flow['id']}",
                    {'generation': generation, 'status': 'ACTIVE'}, 403)
    cloud.demo.delete(f"{TAAS}/tap_flows/{flow['id']}")
    assert wish(cloud, 'tap_flow', flow) is None


def test_a_flow_follows_its_ports_from_host_to_host(cloud, net):
    source, target = port(cloud, net), port(cloud, net, 'h1')
    service = make(cloud.demo, 'tap_service', port_id=target['id'])
    flow = make(cloud.demo, 'tap_flow', tap_service_id=service['id'], source_port=source['id'], direction='BOTH')
    assert (flow['status'], flow['status_reason']) == ('DOWN', 'The source port has no VF.')

    def bind(which, host):
        cloud.admin.put(f"{V2}/ports/{which['id']}", {'port': {'binding:host_id': host}})

    def where():
        return [h for h in ('h1', 'h2') if wish(cloud, 'tap_flow', flow, h)]
    bind(source, 'h2')
    assert where() == []
    assert show(cloud, 'tap_flow', flow)['status'] == 'ERROR'
    assert 'different hosts' in show(cloud, 'tap_flow', flow)['status_reason']
    bind(target, 'h2')
    assert where() == ['h2']
    wait_status(cloud, 'tap_flow', flow, 'ACTIVE')
    bind(source, 'h1')
    assert where() == [] and show(cloud, 'tap_flow', flow)['status'] == 'ERROR'
    bind(target, 'h1')
    assert where() == ['h1']
    bind(target, '')
    assert where() == []
    assert show(cloud, 'tap_flow', flow)['status_reason'] == "The tap service's port has no VF."
    # the service gets another port, and its flow with it
    other = port(cloud, net, 'h1')
    cloud.demo.put(f"{TAAS}/tap_services/{service['id']}", {'tap_service': {'port_id': other['id']}})
    assert wish(cloud, 'tap_flow', flow)['port'] == other['id']
    wait_status(cloud, 'tap_flow', flow, 'ACTIVE')


def test_the_api_forgets_nothing_when_killed(cloud, net):
    service, flow, _ = flow_of(cloud, net)
    wait_status(cloud, 'tap_flow', flow, 'ACTIVE')
    before = wish(cloud, 'tap_flow', flow)
    cloud.apid.stop(9)
    cloud.apid.start()
    cloud.login()
    assert show(cloud, 'tap_flow', flow)['status'] == 'ACTIVE'
    assert wish(cloud, 'tap_flow', flow) == before
    cloud.demo.delete(f"{TAAS}/tap_services/{service['id']}")
    assert gone(cloud, 'tap_flow', flow) and wish(cloud, 'tap_flow', flow) is None


def test_with_a_port_goes_what_taps_it(cloud, net):
    service, flow, ports = flow_of(cloud, net)
    mirror = make(cloud.demo, 'tap_mirror', port_id=ports[0]['id'], directions={'IN': 900}, mirror_type='gre',
                  remote_ip='10.0.0.9')
    cloud.demo.delete(f"{V2}/ports/{ports[0]['id']}")
    assert gone(cloud, 'tap_flow', flow) and gone(cloud, 'tap_mirror', mirror)
    assert wish(cloud, 'tap_flow', flow) is None and wish(cloud, 'tap_mirror', mirror) is None
    source = port(cloud, net, 'h1')
    flow = make(cloud.demo, 'tap_flow', tap_service_id=service['id'], source_port=source['id'], direction='IN')
    cloud.demo.delete(f"{V2}/ports/{ports[1]['id']}")
    assert gone(cloud, 'tap_service', service) and gone(cloud, 'tap_flow', flow)
    assert wish(cloud, 'tap_flow', flow) is None


def test_a_port_with_more_flows_than_a_transaction_holds_goes_as_well(cloud, net):
    target, source = port(cloud, net, 'h1'), port(cloud, net, 'h1')
    services = [make(cloud.demo, 'tap_service', port_id=target['id']) for _ in range(3)]
    flows = [make(cloud.demo, 'tap_flow', tap_service_id=services[i % 3]['id'], source_port=source['id'],
                  direction='IN') for i in range(150)]
    cloud.admin.put(f"{V2}/ports/{source['id']}", {'port': {'binding:host_id': 'h2'}})
    wait_for(lambda: all(f['status'] == 'ERROR' for f in cloud.demo.get(
        f"{TAAS}/tap_flows?source_port={source['id']}")['tap_flows']), 30, 'flows that moved')
    cloud.demo.delete(f"{V2}/ports/{target['id']}")
    wait_for(lambda: not cloud.demo.get(f"{TAAS}/tap_flows?source_port={source['id']}")['tap_flows'], 30,
             'the end of the flows')
    assert all(gone(cloud, 'tap_service', s) for s in services)
    wishes = cloud.agents[0].wishes()['tap_flow'].keys() | cloud.agents[1].wishes()['tap_flow'].keys()
    assert not wishes & {f['id'] for f in flows}


def test_a_tap_mirror_has_neutrons_members(cloud, net):
    source = port(cloud, net, 'h1')
    good = {'port_id': source['id'], 'directions': {'IN': '101', 'OUT': 102}, 'remote_ip': '2001:DB8::5',
            'mirror_type': 'erspanv1'}
    made = make(cloud.demo, 'tap_mirror', name='tm', **good)
    want = {**good, 'name': 'tm', 'description': '', 'directions': {'IN': 101, 'OUT': 102}, 'remote_ip': '2001:db8::5',
            'project_id': cloud.demo.project_id}
    assert {k: made[k] for k in want} == want
    told = wish(cloud, 'tap_mirror', made)
    assert told.pop('generation') > 0
    assert told == {'id': made['id'], 'source_port': source['id'], 'directions': {'IN': 101, 'OUT': 102},
                    'remote_ip': '2001:db8::5', 'mirror_type': 'erspanv1', 'by_admin': False}
    path = f"{TAAS}/tap_mirrors/{made['id']}"
    for member in 'port_id', 'directions', 'remote_ip', 'mirror_type':
        cloud.demo.put(path, {'tap_mirror': {member: good[member]}}, 400)
    assert cloud.demo.put(path, {'tap_mirror': {'name': 'n'}})['tap_mirror']['name'] == 'n'
    assert error(cloud.demo, 'tap_mirror', 409, **{**good, 'directions': {'OUT': 101}}) == (
        'TapMirrorTunnelConflict', 'Tap Mirror with tunnel_id 101 already exists')
    cloud.demo.delete(path)
    assert wish(cloud, 'tap_mirror', made) is None
    again = make(cloud.demo, 'tap_mirror', **{**good, 'directions': {'IN': 101, 'OUT': 101}})
    cloud.demo.delete(f"{TAAS}/tap_mirrors/{again['id']}")


def test_bad_mirrors_are_refused_by_name(cloud, net):
    good = {'port_id': port(cloud, net)['id'], 'directions': {'IN': 200}, 'remote_ip': '10.0.0.9',
            'mirror_type': 'erspanv1'}
    for members, word in (
            ({'directions': {'BOTH': 1}}, 'BOTH'), ({'directions': {}}, 'directions'),
            ({'directions': {'IN': 1024}}, '1024'), ({'directions': {'IN': -1}}, '-1'),
            ({'directions': {'IN': 'ten'}}, 'IN'), ({'directions': {'IN': True}}, 'IN'),
            ({'directions': {'IN': None}}, 'IN'), ({'directions': 'IN'}, 'directions'),
            ({'directions': {'OUT': 1 << 32}, 'mirror_type': 'gre'}, str(1 << 32)),
            ({'remote_ip': '10.0.0.300'}, '10.0.0.300'), ({'remote_ip': 'collector'}, 'collector'),
            ({'mirror_type': 'vxlan'}, 'vxlan'), ({'mirror_type': 'erspanv2'}, 'erspanv2')):
        assert word in error(cloud.demo, 'tap_mirror', 400, **{**good, **members})[1]
    for left_out in good:
        assert left_out in error(cloud.demo, 'tap_mirror', 400,
                                 **{k: v for k, v in good.items() if k != left_out})[1]
    made = make(cloud.demo, 'tap_mirror', **good)  # nothing of the above holds the id
    cloud.demo.delete(f"{TAAS}/tap_mirrors/{made['id']}")


def test_names_and_projects_select(cloud, net):
    name = uuid.uuid4().hex
    ports = [port(cloud, net) for _ in range(2)]
    for one in ports:
        make(cloud.demo, 'tap_service', port_id=one['id'], name=name)
    assert len(cloud.demo.get(f'{TAAS}/tap_services?name={name}')['tap_services']) == 2
    assert cloud.demo.get(f'{TAAS}/tap_services?name={name}&tenant_id={cloud.admin.project_id}')['tap_services'] == []
    assert cloud.demo.call('GET', f'{TAAS}/tap_services/{name}').status_code == 404
    bulk = [{'port_id': p['id'], 'name': 'bulk'} for p in ports] + [{'port_id': NOBODY}]
    cloud.demo.post(TAAS + '/tap_services', {'tap_services': bulk}, 404)
    assert cloud.demo.get(f'{TAAS}/tap_services?name=bulk')['tap_services'] == []


def test_the_real_client_makes_shows_and_deletes(cloud, net):
    pytest.importorskip('neutron_taas', reason='python3-neutron-taas is not here')
    ports = [port(cloud, net, 'h1') for _ in range(2)]

    def tap(*words):
        return cloud.apid.cli('openstack', 'tap', *words, rc='demo-openrc').stdout
    tap('service', 'create', '--port', ports[1]['id'], '--name', 'ts-cli')
    tap('flow', 'create', '--port', ports[0]['id'], '--tap-service', 'ts-cli', '--direction', 'both',
        '--vlan-filter', '2,18-22', '--name', 'tf-cli')
    assert '2,18-22' in tap('flow', 'show', 'tf-cli') and 'BOTH' in tap('flow', 'list')
    tap('service', 'update', 'ts-cli', '--description', 'watch')
    tap('flow', 'delete', 'tf-cli')
    tap('service', 'delete', 'ts-cli')
    assert 'ts-cli' not in tap('service', 'list')


def test_the_words_of_the_readme_work_as_typed(cloud, net):
    ports = [port(cloud, net, 'h1') for _ in range(2)]
    ids = {'WATCHERS_PORT_ID': ports[1]['id'], 'PORT_ID': ports[0]['id'], 'demo-openrc': 'demo-openrc', '/etc/anyvf': str(cloud.apid.dir)}
    source, tap, *lines = re.findall(r'^    \$ (.*)', (ROOT / 'README.md').read_text().split('## Watching a VM')[1].split('\n## ')[0], re.M)
    for line in lines:
        script = re.sub('|'.join(ids), lambda m: ids[m[0]], '\n'.join([source, tap, line]))
        (kind, made), = json.loads(cloud.apid.cli('bash', '-euc', script, rc='demo-openrc').stdout).items()
        ids['TAP_SERVICE_ID'] = made['id']  # what the next line asks for
        assert f'{kind}s' in line and show(cloud, kind, made)['id'] == made['id']
    assert len(lines) == 3


def test_members_mirrors_go_to_collectors_the_operator_allows(cloud, net):
    watched = port(cloud, net)['id']
    for client, remote, code in ((cloud.demo, '10.0.0.77', 201), (cloud.demo, '::ffff:10.0.0.77', 201),
                                 (cloud.demo, '10.0.1.1', 403), (cloud.demo, '2001:db8::6', 403),
                                 (cloud.demo, '127.0.0.1', 400), (cloud.demo, '::ffff:127.0.0.1', 400),
                                 (cloud.admin, '10.0.1.1', 201), (cloud.admin, '2001:db8::6', 201),
                                 (cloud.admin, '169.254.169.254', 400), (cloud.admin, '::1', 400),
                                 (cloud.admin, '255.255.255.255', 400), (cloud.admin, 'ff02::1', 400)):
        got = make(client, 'tap_mirror', code, port_id=watched, directions={'IN': 300}, mirror_type='gre',
                   remote_ip=remote)
        if code == 201:
            assert wish(cloud, 'tap_mirror', got) is None and 'by_admin' not in got
            client.delete(f"{TAAS}/tap_mirrors/{got['id']}")
        else:
            assert '[taas] collectors' in got['NeutronError']['message'], got
