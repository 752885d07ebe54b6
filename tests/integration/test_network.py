# SPDX-License-Identifier: Apache-2.0
"""The network service: networks, subnets, ports, their VFs, and the real clients' own words.

Hosts' agents are stood in for (apid.FakeAgent); what they are told and what they report is
docs/agent-api.md. The real agent is tested elsewhere.
"""
import collections
import concurrent.futures
import ipaddress
import json
import re
import signal
import uuid

import pytest

from apid import Cloud, shared_cloud
from conftest import wait_for

V2 = '/network/v2.0'


shared = shared_cloud()  # one daemon for the tests of this file; each makes its own networks


@pytest.fixture
def cloud(shared):
    """The daemon without networks of former tests."""
    for agent in shared.agents:
        agent.stop()
    shared.agents.clear()
    for port in shared.admin.get(V2 + '/ports')['ports']:
        shared.admin.delete(f"{V2}/ports/{port['id']}")
    for net in shared.admin.get(V2 + '/networks')['networks']:
        shared.admin.delete(f"{V2}/networks/{net['id']}")
    for host in shared.admin.get(V2 + '/agents')['agents']:
        if host['host'] == 'h1':
            quiet = shared.agent('h1')  # returns what former tests left leased
            wait_for(lambda: not any(quiet.wishes()[k] for k in ('port', 'network')))
            quiet.stop()
            shared.agents.clear()
    return shared


def flat(cloud, subnet=True, **attrs):
    return cloud.network(subnet=subnet, **{'provider:network_type': 'flat',
                                           'provider:physical_network': 'physnet1', **attrs})


def make(client, many, one, status=201, **attrs):
    """POST; the document, or the type of the fault."""
    got = client.call('POST', f'{V2}/{many}', {one: attrs})
    assert got.status_code == status, got.text
    return got.json()[one] if status == 201 else error_type(got)


def subnet(cloud, net, cidr='10.20.0.0/24', status=201, client=None, **attrs):
    body = {'network_id': net['id'], 'ip_version': 6 if ':' in cidr else 4, 'cidr': cidr, **attrs}
    got = (client or cloud.admin).post(V2 + '/subnets', {'subnet': body}, status)
    return got.get('subnet', got)


def bind(cloud, port, host='h1', **attrs):
    return cloud.admin.put(f"{V2}/ports/{port['id']}",
                           {'port': {'binding:host_id': host, **attrs}})['port']


def change(cloud, kind, doc, **attrs):
    return cloud.admin.put(f"{V2}/{kind}s/{doc['id']}", {kind: attrs})[kind]


def wish(agent, kind, doc):
    """What the host's agent is told about a port or a network; None if nothing."""
    return agent.wishes()[kind].get(doc['id'])


def pool(first, last):
    return [{'start': first, 'end': last}]


def error_type(reply):
    return reply.json()['NeutronError']['type']


def test_a_port_gets_a_mac_and_an_address_of_the_pool(cloud):
    net = flat(cloud, subnet=False)
    sub = subnet(cloud, net, allocation_pools=pool('10.20.0.10', '10.20.0.12'))
    ports = [cloud.port(net) for _ in range(3)]
    assert {p['fixed_ips'][0]['ip_address'] for p in ports} == {
        '10.20.0.10', '10.20.0.11', '10.20.0.12'}
    assert all(p['fixed_ips'][0]['subnet_id'] == sub['id'] for p in ports)
    assert all(re.fullmatch('fa:16:3e(:[0-9a-f]{2}){3}', p['mac_address']) for p in ports)
    full = cloud.admin.call('POST', V2 + '/ports', {'port': {'network_id': net['id']}})
    assert (full.status_code, error_type(full)) == (409, 'IpAddressGenerationFailure')
    cloud.admin.delete(f"{V2}/ports/{ports[1]['id']}")
    again = cloud.port(net)
    assert again['fixed_ips'] == ports[1]['fixed_ips']


def test_no_address_is_given_twice_by_parallel_requests(cloud):
    net = flat(cloud, subnet=False)
    subnet(cloud, net, allocation_pools=pool('10.20.0.10', '10.20.0.29'))
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(lambda _: cloud.admin.call(
            'POST', V2 + '/ports', {'port': {'network_id': net['id']}}), range(40)))
    assert collections.Counter(r.status_code for r in replies) == {201: 20, 409: 20}
    ports = [r.json()['port'] for r in replies if r.status_code == 201]
    assert len({p['fixed_ips'][0]['ip_address'] for p in ports}) == 20
    assert len({p['mac_address'] for p in ports}) == 20


def test_ipv6_addresses_are_slaac_or_stateful(cloud):
    net = flat(cloud, subnet=False)
    subnet(cloud, net, '2001:db8:1::/64', ipv6_ra_mode='slaac', ipv6_address_mode='slaac')
    subnet(cloud, net, '2001:db8:2::/64', ipv6_ra_mode='dhcpv6-stateful',
           ipv6_address_mode='dhcpv6-stateful')
    port = cloud.port(net, mac_address='fa:16:3e:01:67:f8')
    ips = {ipaddress.ip_address(i['ip_address']) for i in port['fixed_ips']}
    assert ipaddress.ip_address('2001:db8:1::f816:3eff:fe01:67f8') in ips
    assert len(ips) == 2 and any(i in ipaddress.ip_network('2001:db8:2::/64') for i in ips)
    port = change(cloud, 'port', port, mac_address='fa:16:3e:01:67:f9')
    assert '2001:db8:1:0:f816:3eff:fe01:67f9' in [i['ip_address'] for i in port['fixed_ips']]


def test_updating_addresses_frees_the_former_ones(cloud):
    net = flat(cloud, subnet=False)
    sub = subnet(cloud, net)
    port = cloud.port(net, fixed_ips=[{'ip_address': '10.20.0.50'}])
    port = change(cloud, 'port', port, fixed_ips=[{'ip_address': '10.20.0.50'},
                                                  {'ip_address': '10.20.0.51'}])
    assert [i['ip_address'] for i in port['fixed_ips']] == ['10.20.0.50', '10.20.0.51']
    port = change(cloud, 'port', port, fixed_ips=[{'subnet_id': sub['id']}])
    assert port['fixed_ips'] == [{'subnet_id': sub['id'], 'ip_address': '10.20.0.50'}]
    assert cloud.port(net, fixed_ips=[{'ip_address': '10.20.0.51'}])


def test_a_tenants_network_gets_a_vlan_of_the_ranges(cloud):
    net = cloud.network(cloud.demo, subnet=False)
    assert not any(k.startswith('provider:') for k in net)
    seen = cloud.admin.get(f"{V2}/networks/{net['id']}")['network']
    assert seen['provider:network_type'] == 'vlan'
    ranges = {'physnet1': range(100, 200), 'physnet2': range(200, 211)}
    assert seen['provider:segmentation_id'] in ranges[seen['provider:physical_network']]


def test_vlan_ids_run_out_and_come_back(cloud):
    nets = [cloud.network(subnet=False, **{'provider:network_type': 'vlan',
                                           'provider:physical_network': 'physnet2'})
            for _ in range(11)]
    assert len({n['provider:segmentation_id'] for n in nets}) == 11
    more = {'network': {'provider:network_type': 'vlan', 'provider:physical_network': 'physnet2'}}
    refused = cloud.admin.call('POST', V2 + '/networks', more)
    assert (refused.status_code, error_type(refused)) == (503, 'NoNetworkAvailable')
    cloud.admin.delete(f"{V2}/networks/{nets[3]['id']}")
    again = cloud.admin.post(V2 + '/networks', more)['network']
    assert again['provider:segmentation_id'] == nets[3]['provider:segmentation_id']


def test_members_see_their_own_and_nothing_of_hosts(cloud):
    net = cloud.network(cloud.demo)
    port = cloud.port(net, cloud.demo)
    assert port['binding:vnic_type'] == 'direct'
    assert not {'binding:host_id', 'binding:profile', 'binding:vif_type',
                'binding:vif_details'} & port.keys()
    theirs = flat(cloud)
    assert cloud.demo.call('GET', f"{V2}/networks/{theirs['id']}").status_code == 404
    assert [n['id'] for n in cloud.demo.get(V2 + '/networks')['networks']] == [net['id']]
    body = {'port': {'network_id': net['id'], 'device_owner': 'network:dhcp'}}
    assert cloud.demo.call('POST', V2 + '/ports', body).status_code == 403


def test_a_shared_network_is_used_but_not_divided_by_others(cloud):
    net = flat(cloud, subnet=False, shared=True)
    sub = subnet(cloud, net)
    assert cloud.demo.get(f"{V2}/subnets/{sub['id']}")
    port = cloud.port(net, cloud.demo)
    assert port['fixed_ips']
    subnet(cloud, net, '10.21.0.0/24', 403, cloud.demo)
    theirs = {'allowed_address_pairs': [{'ip_address': '10.0.0.7', 'mac_address': cloud.port(net)['mac_address']}]}
    for refused in (cloud.demo.call('PUT', f"{V2}/ports/{port['id']}", {'port': theirs}),
                    cloud.demo.call('POST', f'{V2}/ports', {'port': {'network_id': net['id'], **theirs}})):
        assert refused.status_code == 403 and ':allowed_address_pairs)' in refused.text
    change(cloud, 'port', port, **theirs)
    cloud.demo.put(f"{V2}/ports/{port['id']}", {'port': {'name': 'mine'}})
    assert cloud.demo.call('DELETE', f"{V2}/subnets/{sub['id']}").status_code == 404
    refused = cloud.admin.call('PUT', f"{V2}/networks/{net['id']}", {'network': {'shared': False}})
    assert error_type(refused) == 'InvalidSharedSetting'


def test_address_pairs_are_ten_at_most(cloud):
    port = cloud.port(flat(cloud))
    pairs = [{'ip_address': f'10.0.0.{n}', 'mac_address': f'02:00:00:00:00:{n:02x}'} for n in range(1, 12)]
    assert len(change(cloud, 'port', port, allowed_address_pairs=pairs[:10])['allowed_address_pairs']) == 10
    refused = cloud.admin.call('PUT', f"{V2}/ports/{port['id']}", {'port': {'allowed_address_pairs': pairs}})
    assert (refused.status_code, error_type(refused)) == (400, 'AllowedAddressPairExhausted')


def test_a_flat_direct_port_is_bound_to_a_vf(cloud):
    agent, net = cloud.agent('h1', auto=False), flat(cloud)
    port = bind(cloud, cloud.port(net, name='p'))
    assert (port['binding:vif_type'], port['status']) == ('vhostuser', 'DOWN')
    details = port['binding:vif_details']
    assert (details['port_filter'], details['connectivity'], details['vlan']) == (False, 'l2', '0')
    told = wish(agent, 'port', port)
    assert {k: told[k] for k in ('name', 'server', 'network', 'pf', 'vlan', 'trunk', 'spoofchk',
                                 'trust', 'state', 'mtu', 'vnic_type', 'released')} == {
        'name': 'p', 'server': None, 'network': net['id'], 'pf': 'p2p1', 'vlan': 0,
        'trunk': 'none', 'spoofchk': True, 'trust': False, 'state': 'auto', 'mtu': 1500,
        'vnic_type': 'direct', 'released': False}
    assert told['mac'] == port['mac_address'] and told['fixed_ips'] == port['fixed_ips']
    assert told['vf'] == details['vf'] and told['pci_slot'] == details['pci_slot']
    agent.report('port', port['id'], generation=told['generation'], status='ACTIVE')
    assert cloud.show_port(port)['status'] == 'ACTIVE'


@pytest.mark.parametrize('attrs, told', [
    ({'provider:network_type': 'vlan', 'provider:segmentation_id': 120},
     {'vlan': 120, 'trunk': 'any'}),
    ({'vlan_transparent': True}, {'vlan': 0, 'trunk': 'any'}),
    ({'mtu': 1400}, {'vlan': 0, 'trunk': 'none', 'mtu': 1400}),
    ({'port_security_enabled': False}, {'spoofchk': False}),
    ({'admin_state_up': False}, {'state': 'disable'}),
])
def test_the_network_shapes_the_vf(cloud, attrs, told):
    agent, net = cloud.agent('h1', auto=False), flat(cloud, **attrs)
    port = bind(cloud, cloud.port(net))
    assert told.items() <= wish(agent, 'port', port).items()
    assert port['binding:vif_details']['vlan'] == str(told.get('vlan', 0))


@pytest.mark.parametrize('attrs, told', [
    ({'binding:vnic_type': 'normal'}, {'vnic_type': 'normal', 'trunk': 'none'}),
    ({'port_security_enabled': False}, {'spoofchk': False}),
    ({'admin_state_up': False}, {'state': 'disable'}),
    ({'binding:profile': {'trusted': True}}, {'trust': True, 'trunk': 'any'}),
    ({'binding:profile': {'trusted': 'true'}}, {'trust': True}),
    ({'mac_address': 'fa:16:3e:00:00:01', 'allowed_address_pairs': [
        {'ip_address': '10.0.0.7'}, {'ip_address': '10.0.0.8', 'mac_address': '00:00:5e:00:01:07'}, {'ip_address': '10.0.0.9',
         'mac_address': '00:00:5e:00:01:07'}]}, {'allowed': '00:00:5e:00:01:07'}),
    ({}, {'allowed': 'none'}),
    ({'binding:profile': {'pci_slot': '0000:05:10.2'}}, {'vf': 2, 'pci_slot': '0000:05:10.2'}),
])
def test_the_port_shapes_the_vf(cloud, attrs, told):
    agent, net = cloud.agent('h1', auto=False), flat(cloud)
    port = bind(cloud, cloud.port(net, **attrs))
    assert told.items() <= wish(agent, 'port', port).items()


@pytest.mark.parametrize('attrs, host', [
    ({}, 'nowhere'), ({}, 'a/b'), ({'binding:vnic_type': 'macvtap'}, 'h1'),
    ({'binding:vnic_type': 'direct-physical'}, 'h1'),
    ({'binding:profile': {'pci_slot': '0000:05:1f.0'}}, 'h1'),
])
def test_what_no_host_can_serve_is_binding_failed(cloud, attrs, host):
    agent, net = cloud.agent('h1', auto=False), flat(cloud)
    port = bind(cloud, cloud.port(net, **attrs), host)
    assert (port['binding:vif_type'], port['binding:vif_details']) == ('binding_failed', {})
    assert wish(agent, 'port', port) is None


NIC = {'name': 'eth1', 'physical_networks': ['physnet1'], 'numvfs': 2, 'pci_slots': ['0000:01:10.0', '0000:01:10.2'], 'busy': [], 'kind': 'hw',
       'driver': 'igb', 'pci_slot': '0000:01:00.0', 'mac': '02:00:00:00:01:00', 'pci_vendor_info': '8086:10c9', 'vf_pci_vendor_info': '8086:10ca'}


def nic_agent(cloud, *pfs):
    """A host with NICs alone, or with others beside them."""
    agent = cloud.agent('h1', auto=False)
    agent.inventory = {**agent.inventory, 'pfs': list(pfs)}
    agent.heartbeat()
    return agent


def bound(cloud, port):
    """What an admin sees of a port's binding."""
    port = cloud.show_port(port)
    return port['binding:vif_type'], port['binding:vif_details'].get('pci_slot'), port['binding:profile']


@pytest.mark.parametrize('vnic', ['direct', 'macvtap'])
def test_a_port_on_a_nic_is_bound_as_sriovnicswitch_and_nova_do(cloud, vnic):
    agent = nic_agent(cloud, NIC)
    net = cloud.network(**{'provider:network_type': 'vlan', 'provider:physical_network': 'physnet1', 'provider:segmentation_id': 120})
    made = cloud.port(net, **{'binding:vnic_type': vnic, 'binding:profile': {'trusted': 'true'}})
    port = bind(cloud, made)
    assert (port['binding:vif_type'], port['binding:profile']) == ('hw_veb', {
        'trusted': 'true', 'pci_slot': '0000:01:10.0', 'pci_vendor_info': '8086:10ca', 'physical_network': 'physnet1'})
    details = port['binding:vif_details']
    assert {k: details[k] for k in ('port_filter', 'connectivity', 'vlan', 'pf', 'vf')} == {
        'port_filter': False, 'connectivity': 'l2', 'vlan': '120', 'pf': 'eth1', 'vf': 0}
    told = wish(agent, 'port', port)
    assert (told['pf'], told['vf'], told['pci_slot'], told['vlan'], told['trust'], told['vnic_type']) == ('eth1', 0, '0000:01:10.0', 120, True, vnic)
    # a client sends the profile back as it was told it, and has the same VF
    again = change(cloud, 'port', port, **{'binding:profile': {**port['binding:profile'], 'note': 'x'}})
    assert (again['binding:vif_type'], again['binding:profile']['pci_slot'], again['binding:profile']['note']) == ('hw_veb', '0000:01:10.0', 'x')
    gone = change(cloud, 'port', port, **{'binding:host_id': ''})
    assert (gone['binding:vif_type'], gone['binding:profile']) == ('unbound', {'trusted': 'true', 'note': 'x'})
    assert wish(agent, 'port', port)['released'] and wish(agent, 'port', port)['pf'] == 'eth1'
    agent.report('port', port['id'], generation=wish(agent, 'port', port)['generation'], status='RELEASED')
    assert wish(agent, 'port', port) is None


def test_a_whole_function_is_bound_while_it_has_no_vfs_and_its_mac_is_the_ports(cloud):
    agent, net = nic_agent(cloud, NIC), flat(cloud)
    port = cloud.port(net, **{'binding:vnic_type': 'direct-physical'})
    assert bind(cloud, port)['binding:vif_type'] == 'binding_failed'
    agent.inventory['pfs'] = [{**NIC, 'numvfs': 0, 'pci_slots': []}]
    agent.heartbeat()
    change(cloud, 'port', port, **{'binding:host_id': ''})
    port = bind(cloud, port)
    assert (port['binding:vif_type'], port['mac_address'], port['binding:profile']) == ('hostdev_physical', NIC['mac'], {
        'pci_slot': '0000:01:00.0', 'pci_vendor_info': '8086:10c9', 'physical_network': 'physnet1', 'device_mac_address': NIC['mac']})
    assert 'vf' not in port['binding:vif_details']
    told = wish(agent, 'port', port)
    assert (told['vf'], told['pci_slot'], told['mac']) == (256, '0000:01:00.0', NIC['mac'])
    other = cloud.port(net, **{'binding:vnic_type': 'direct-physical'})
    assert bind(cloud, other)['binding:vif_type'] == 'binding_failed'  # it is in use
    assert wish(agent, 'network', {'id': net['id']}) is None  # who gave his PF away has no DHCP on it
    gone = change(cloud, 'port', port, **{'binding:host_id': ''})
    assert gone['mac_address'] != NIC['mac'] and gone['binding:profile'] == {}
    agent.report('port', port['id'], generation=wish(agent, 'port', port)['generation'], status='RELEASED')
    change(cloud, 'port', other, **{'binding:host_id': ''})
    assert bind(cloud, other)['mac_address'] == NIC['mac']


def test_a_server_has_ports_on_a_nic_and_on_a_software_pf(cloud):
    soft = {'name': 'p2p1', 'physical_networks': ['physnet2'], 'numvfs': 2, 'pci_slots': ['0000:05:10.0', '0000:05:10.1'], 'busy': []}
    agent = nic_agent(cloud, NIC, soft)
    nets = [cloud.network(**{'provider:network_type': 'vlan', 'provider:physical_network': p}) for p in ('physnet1', 'physnet2')]
    ports = [cloud.port(nets[0]), cloud.port(nets[1], **{'binding:vnic_type': 'normal'})]
    server = cloud.boot(cloud.flavor(), cloud.image(), [{'port': p['id']} for p in ports])
    assert bound(cloud, ports[0]) == ('hw_veb', '0000:01:10.0', {
        'pci_slot': '0000:01:10.0', 'pci_vendor_info': '8086:10ca', 'physical_network': 'physnet1'})
    assert bound(cloud, ports[1])[0::2] == ('vhostuser', {})
    assert [wish(agent, 'port', p)['server'] for p in ports] == [server['id']] * 2
    cloud.admin.delete(f"/compute/v2.1/servers/{server['id']}")
    agent.report('server', server['id'], generation=wish(agent, 'server', server)['generation'], status='DELETED', power_state=0)
    assert bound(cloud, ports[0]) == ('unbound', None, {})


def test_a_bound_ports_vnic_type_changes_when_its_vf_is_returned(cloud):
    agent, net = nic_agent(cloud, NIC), flat(cloud)
    port = bind(cloud, cloud.port(net))
    port = change(cloud, 'port', port, **{'binding:vnic_type': 'macvtap'})
    assert (port['binding:vif_type'], port['binding:profile']) == ('binding_failed', {})
    agent.report('port', port['id'], generation=wish(agent, 'port', port)['generation'], status='RELEASED')
    change(cloud, 'port', port, **{'binding:host_id': ''})
    assert bind(cloud, port)['binding:vif_type'] == 'hw_veb'


def test_a_kind_of_pf_that_is_not_known_yet_serves_no_port_and_spoils_no_report(cloud):
    nic_agent(cloud, {**NIC, 'kind': 'dpu', 'more': {'x': 1}})
    assert bind(cloud, cloud.port(flat(cloud)))['binding:vif_type'] == 'binding_failed'


def test_leased_and_busy_vfs_are_not_free(cloud):
    agent = cloud.agent('h1', auto=False, physnets=['physnet1'], busy=[0, 2])
    net = flat(cloud)
    ports = [bind(cloud, cloud.port(net)) for _ in range(3)]
    assert [p['binding:vif_type'] for p in ports] == ['vhostuser', 'vhostuser', 'binding_failed']
    assert {wish(agent, 'port', p)['vf'] for p in ports[:2]} == {1, 3}
    other = cloud.network(**{'provider:network_type': 'vlan',
                             'provider:physical_network': 'physnet2'})
    assert bind(cloud, cloud.port(other))['binding:vif_type'] == 'binding_failed'


def test_parallel_binds_share_out_the_vfs(cloud):
    agent, net = cloud.agent('h1', auto=False, numvfs=8), flat(cloud)
    ports = [cloud.port(net) for _ in range(12)]
    with concurrent.futures.ThreadPoolExecutor(6) as threads:
        bound = list(threads.map(lambda p: bind(cloud, p), ports))
    assert collections.Counter(p['binding:vif_type'] for p in bound) == {
        'vhostuser': 8, 'binding_failed': 4}
    assert {d['vf'] for d in agent.wishes()['port'].values()} == set(range(8))


def test_a_vf_is_free_only_after_its_agent_returned_it(cloud):
    agent, net = cloud.agent('h1', auto=False, numvfs=1), flat(cloud)
    port, other = bind(cloud, cloud.port(net)), cloud.port(net)
    bound = wish(agent, 'port', port)
    agent.report('port', port['id'], 409, generation=bound['generation'], status='RELEASED')
    port = bind(cloud, port, '')
    assert (port['binding:vif_type'], port['status']) == ('unbound', 'DOWN')
    told = wish(agent, 'port', port)
    assert told['released'] and told['generation'] > bound['generation']
    assert bind(cloud, other)['binding:vif_type'] == 'binding_failed'
    agent.report('port', port['id'], 409, generation=bound['generation'], status='RELEASED')
    agent.report('port', port['id'], generation=told['generation'], status='RELEASED')
    agent.report('port', port['id'], 409, generation=told['generation'], status='RELEASED')
    assert wish(agent, 'port', port) is None and wish(agent, 'network', net) is None
    bind(cloud, other, '')
    assert bind(cloud, other)['binding:vif_type'] == 'vhostuser'


def test_a_port_bound_again_before_its_vf_was_returned_keeps_it(cloud):
    agent, net = cloud.agent('h1', auto=False), flat(cloud)
    port = bind(cloud, cloud.port(net))
    first = wish(agent, 'port', port)
    bind(cloud, port, '')
    released = wish(agent, 'port', port)
    bind(cloud, port)
    second = wish(agent, 'port', port)
    assert (second['vf'], second['released']) == (first['vf'], False)
    agent.report('port', port['id'], 409, generation=released['generation'], status='RELEASED')
    assert wish(agent, 'port', port) == second


def test_generations_grow_over_the_end_of_a_lease(cloud):
    agent, net = cloud.agent('h1', auto=False), flat(cloud)
    port, last = cloud.port(net), 0
    for _ in range(3):
        bind(cloud, port)
        bind(cloud, port, '')
        told = wish(agent, 'port', port)
        assert told['generation'] > last
        last = told['generation']
        agent.report('port', port['id'], generation=last, status='RELEASED')


def test_deleting_a_bound_port_returns_its_vf(cloud):
    agent, net = cloud.agent('h1', auto=False), flat(cloud)
    port = bind(cloud, cloud.port(net))
    busy = cloud.admin.call('DELETE', f"{V2}/networks/{net['id']}")
    assert (busy.status_code, error_type(busy)) == (409, 'NetworkInUse')
    assert port['id'] in busy.json()['NeutronError']['message']
    cloud.admin.delete(f"{V2}/ports/{port['id']}")
    told = wish(agent, 'port', port)
    assert told['released']
    cloud.admin.delete(f"{V2}/networks/{net['id']}")
    agent.report('port', port['id'], generation=told['generation'], status='RELEASED')
    assert not agent.wishes()['port'] and not agent.wishes()['network']


def test_a_port_bound_elsewhere_has_left_its_server(cloud):
    agent, net = cloud.agent('h1', auto=False), flat(cloud)
    other = cloud.agent('h2', auto=False)
    ports = [cloud.port(net) for _ in range(2)]
    server = cloud.boot(cloud.flavor(), cloud.image(), [{'port': p['id']} for p in ports],
                        availability_zone='nova:h1')
    told = wish(agent, 'server', server)
    change(cloud, 'port', ports[1], **{'binding:profile': {'trusted': True}})
    assert wish(agent, 'server', server) == told  # what does not leave is no news
    bind(cloud, ports[0], 'h2')
    assert wish(agent, 'server', server)['ports'] == [ports[1]['id']]
    assert wish(other, 'port', ports[0])['server'] is None
    cloud.admin.put(f"/compute/v2.1/servers/{server['id']}", {'server': {'name': 'other'}})
    assert wish(agent, 'server', server)['ports'] == [ports[1]['id']]  # nor does it come back
    agent.report('port', ports[0]['id'], generation=wish(agent, 'port', ports[0])['generation'], status='RELEASED')
    bind(cloud, ports[0], 'h1')
    agent.report('server', server['id'], generation=wish(agent, 'server', server)['generation'], status='ACTIVE')
    cloud.action(server, 'os-stop')
    told = wish(agent, 'server', server)
    assert told['ports'] == [ports[1]['id']] and told['power'] == 'off'


def test_a_port_that_changed_its_vf_stays_its_servers(cloud):
    agent, net = cloud.agent('h1', auto=False), flat(cloud)
    port = cloud.port(net)
    server = cloud.boot(cloud.flavor(), cloud.image(), [{'port': port['id']}], availability_zone='nova:h1')
    told, vf = wish(agent, 'server', server), wish(agent, 'port', port)
    slot = vf['pci_slot']
    change(cloud, 'port', port, **{'binding:profile': {'pci_slot': slot}})  # the one it has
    assert wish(agent, 'port', port)['server'] == server['id'] and not wish(agent, 'port', port)['released']
    assert wish(agent, 'server', server) == told
    change(cloud, 'port', port, **{'binding:profile': {'pci_slot': slot[:-1] + '3'}})  # not before that one is back
    assert wish(agent, 'server', server)['ports'] == [] and wish(agent, 'port', port)['released']


def test_a_port_deleted_under_its_server_is_unplugged(cloud):
    agent, net = cloud.agent('h1', auto=False), flat(cloud)
    ports = [cloud.port(net) for _ in range(2)]
    server = cloud.boot(cloud.flavor(), cloud.image(), [{'port': p['id']} for p in ports], availability_zone='nova:h1')
    assert wish(agent, 'server', server)['ports'] == [p['id'] for p in ports]
    assert wish(agent, 'port', ports[0])['server'] == server['id']
    cloud.admin.delete(f"{V2}/ports/{ports[0]['id']}")
    assert wish(agent, 'server', server)['ports'] == [ports[1]['id']]
    assert wish(agent, 'port', ports[0])['released']
    assert not wish(agent, 'port', ports[1])['released']
    cloud.admin.delete(f"/compute/v2.1/servers/{server['id']}")
    told = wish(agent, 'server', server)
    agent.report('server', server['id'], generation=told['generation'], status='DELETED')
    kept = cloud.show_port(ports[1])
    assert (kept['device_id'], kept['binding:vif_type']) == ('', 'unbound')


def test_the_agent_is_told_of_changes(cloud):
    agent, net = cloud.agent('h1', auto=False), flat(cloud)
    port = bind(cloud, cloud.port(net))
    before = wish(agent, 'port', port)['generation']
    change(cloud, 'port', port, admin_state_up=False, port_security_enabled=False,
           security_groups=[], name='other', **{'binding:profile': {'trusted': True}})
    told = wish(agent, 'port', port)
    assert (told['state'], told['spoofchk'], told['name'], told['trust'], told['trunk']) == (
        'disable', False, 'other', True, 'any')
    assert told['generation'] > before
    change(cloud, 'network', net, mtu=1300)
    assert wish(agent, 'port', port)['mtu'] == 1300
    assert wish(agent, 'network', net)['mtu'] == 1300
    quiet = wish(agent, 'port', port)['generation']
    change(cloud, 'port', port, description='nothing a host cares for')
    assert wish(agent, 'port', port)['generation'] == quiet


def test_a_change_of_many_ports_reaches_all_hosts(cloud):
    agent = cloud.agent('h1', auto=False, numvfs=90)
    net = flat(cloud)
    for _ in range(90):
        bind(cloud, cloud.port(net))
    change(cloud, 'network', net, mtu=1300)
    wait_for(lambda: {d['mtu'] for d in agent.wishes()['port'].values()} == {1300}, 15,
             'the MTU at all ports')


def test_one_service_port_serves_a_networks_dhcp(cloud):
    agent, net = cloud.agent('h1', auto=False), flat(cloud, subnet=False)
    sub = subnet(cloud, net, dns_nameservers=['9.9.9.9'])
    owners = f"{V2}/ports?network_id={net['id']}&device_owner=network:dhcp"
    assert not cloud.admin.get(owners)['ports']
    first = bind(cloud, cloud.port(net))
    second = bind(cloud, cloud.port(net))
    service, = cloud.admin.get(owners)['ports']
    told = wish(agent, 'network', net)
    assert told['dhcp'] == {'port_id': service['id'], 'mac': service['mac_address'],
                            'fixed_ips': service['fixed_ips']}
    assert (told['pf'], told['vlan'], told['mtu']) == ('p2p1', 0, 1500)
    assert told['subnets'] == [{k: sub[k] for k in (
        'id', 'cidr', 'ip_version', 'gateway_ip', 'enable_dhcp', 'dns_nameservers', 'host_routes',
        'ipv6_ra_mode', 'ipv6_address_mode')}]
    agent.report('network', net['id'], generation=told['generation'], status='ACTIVE')
    assert cloud.show_port(service)['status'] == 'ACTIVE'
    cloud.admin.delete(f"{V2}/ports/{service['id']}")
    again, = cloud.admin.get(owners)['ports']
    assert wish(agent, 'network', net)['dhcp']['port_id'] == again['id'] != service['id']
    for port in (first, second):
        cloud.admin.delete(f"{V2}/ports/{port['id']}")
    cloud.admin.delete(f"{V2}/networks/{net['id']}")
    assert not cloud.admin.get(V2 + '/ports')['ports'] and wish(agent, 'network', net) is None


def test_each_host_answers_dhcp_from_a_port_of_its_own(cloud):
    agents, net = [cloud.agent(h, auto=False) for h in ('h1', 'h2')], flat(cloud)
    ports = [bind(cloud, cloud.port(net), agent.host) for agent in agents]
    owners = f"{V2}/ports?network_id={net['id']}&device_owner=network:dhcp"
    told = [wish(agent, 'network', net)['dhcp'] for agent in agents]
    assert {d['port_id'] for d in told} == {p['id'] for p in cloud.admin.get(owners)['ports']}
    for unique in 'port_id', 'mac', 'fixed_ips':
        assert told[0][unique] != told[1][unique]
    names = [cloud.show_port({'id': d['port_id']})['device_id'] for d in told]
    assert names == [f"dhcp{agent.host}-{net['id']}" for agent in agents]
    cloud.admin.delete(f"{V2}/ports/{told[0]['port_id']}")  # h1 gets another, h2 is not concerned
    again = wish(agents[0], 'network', net)['dhcp']
    assert again['port_id'] != told[0]['port_id'] and wish(agents[1], 'network', net)['dhcp'] == told[1]
    cloud.admin.delete(f"{V2}/ports/{ports[1]['id']}")
    agents[1].report('port', ports[1]['id'], generation=wish(agents[1], 'port', ports[1])['generation'],
                     status='RELEASED')
    assert wish(agents[1], 'network', net) is None
    assert [p['id'] for p in cloud.admin.get(owners)['ports']] == [again['port_id']]


def test_dhcp_follows_its_subnets(cloud):
    agent, net = cloud.agent('h1', auto=False), flat(cloud, subnet=False)
    sub = subnet(cloud, net, enable_dhcp=False)
    bind(cloud, cloud.port(net))
    assert wish(agent, 'network', net)['dhcp'] is None
    change(cloud, 'subnet', sub, enable_dhcp=True)
    ips = wish(agent, 'network', net)['dhcp']['fixed_ips']
    assert [i['subnet_id'] for i in ips] == [sub['id']]
    six = subnet(cloud, net, '2001:db8:2::/64', ipv6_ra_mode='dhcpv6-stateful',
                 ipv6_address_mode='dhcpv6-stateful')
    told = wish(agent, 'network', net)
    assert {i['subnet_id'] for i in told['dhcp']['fixed_ips']} == {sub['id'], six['id']}
    assert len(told['subnets']) == 2
    cloud.admin.delete(f"{V2}/subnets/{six['id']}")
    assert [i['subnet_id'] for i in wish(agent, 'network', net)['dhcp']['fixed_ips']] == [sub['id']]
    change(cloud, 'subnet', sub, enable_dhcp=False)
    assert wish(agent, 'network', net)['dhcp'] is None


def test_dhcp_does_not_take_the_last_address_of_a_pool(cloud):
    agent, net = cloud.agent('h1', auto=False), flat(cloud, subnet=False)
    subnet(cloud, net, allocation_pools=pool('10.20.0.10', '10.20.0.11'))
    ports = [cloud.port(net) for _ in range(2)]
    assert [bind(cloud, p)['binding:vif_type'] for p in ports] == ['vhostuser'] * 2
    ip, = wish(agent, 'network', net)['dhcp']['fixed_ips']
    assert ip['ip_address'] not in ('10.20.0.1', '10.20.0.10', '10.20.0.11')


def test_subnets_in_use_stay(cloud):
    net = flat(cloud, subnet=False)
    sub = subnet(cloud, net)
    port = cloud.port(net)
    busy = cloud.admin.call('DELETE', f"{V2}/subnets/{sub['id']}")
    assert (busy.status_code, error_type(busy)) == (409, 'SubnetInUse')
    cloud.admin.delete(f"{V2}/ports/{port['id']}")
    cloud.admin.delete(f"{V2}/subnets/{sub['id']}")


def test_quotas_hold(cloud):
    net = cloud.network(cloud.demo)
    quotas = f'{V2}/quotas/{cloud.demo.project_id}'
    cloud.admin.put(quotas, {'quota': {'port': 2}})
    try:
        for _ in range(2):
            cloud.port(net, cloud.demo)
        over = cloud.demo.call('POST', V2 + '/ports', {'port': {'network_id': net['id']}})
        assert (over.status_code, error_type(over)) == (409, 'OverQuota')
        used = cloud.demo.get(quotas + '/details')['quota']['port']
        assert used == {'limit': 2, 'used': 2, 'reserved': 0}
    finally:
        cloud.admin.delete(quotas)


def test_everything_survives_a_crash(tmp_path):
    cloud = Cloud(tmp_path)
    try:
        agent, net = cloud.agent('h1', auto=False), flat(cloud)
        port = bind(cloud, cloud.port(net))
        told = wish(agent, 'port', port)
        cloud.apid.stop(signal.SIGKILL)
        cloud.apid.start()
        assert cloud.show_port(port) == port and wish(agent, 'port', port) == told
        taken = cloud.admin.call('POST', V2 + '/ports', {'port': {
            'network_id': net['id'], 'mac_address': port['mac_address']}})
        assert error_type(taken) == 'MacAddressInUse'
    finally:
        cloud.close()


ODD = [None, True, -1, 1 << 40, 'x', '', 'x' * 300, [], [None], [[]], [{}], {}, {'a': []},
       [{'ip_address': 1}], [{'subnet_id': None}], [{'start': [], 'end': {}}], '0.0.0.0/0', '::/0']


@pytest.mark.parametrize('kind, fields', [
    ('network', ['name', 'mtu', 'provider:network_type', 'provider:physical_network',
                 'provider:segmentation_id', 'shared', 'router:external', 'vlan_transparent']),
    ('subnet', ['network_id', 'ip_version', 'cidr', 'gateway_ip', 'allocation_pools',
                'dns_nameservers', 'host_routes', 'ipv6_ra_mode', 'ipv6_address_mode']),
    ('port', ['network_id', 'mac_address', 'fixed_ips', 'allowed_address_pairs', 'device_owner',
              'extra_dhcp_opts', 'security_groups', 'binding:profile', 'binding:host_id',
              'binding:vnic_type', 'port_security_enabled']),
])
def test_odd_values_are_refused_or_taken_but_never_an_error_of_ours(cloud, kind, fields):
    net = flat(cloud)
    base = {'network': {}, 'port': {'network_id': net['id']}, 'subnet': {
        'network_id': net['id'], 'ip_version': 4, 'cidr': '10.99.0.0/24'}}[kind]
    for field in fields:
        for odd in ODD:
            got = cloud.admin.call('POST', f'{V2}/{kind}s', {kind: {**base, field: odd}})
            assert got.status_code < 500 or error_type(got) == 'NoNetworkAvailable', (
                field, odd, got.text)
            if got.status_code == 201:
                made = f"{V2}/{kind}s/{got.json()[kind]['id']}"
                assert cloud.admin.call('PUT', made, {kind: {field: odd}}).status_code < 500
                cloud.admin.delete(made)


def test_tags_are_kept_and_found(cloud):
    net = flat(cloud)
    cloud.admin.put(f"{V2}/networks/{net['id']}/tags", {'tags': ['red', 'blue']})
    found = cloud.admin.get(V2 + '/networks?tags=red,blue&fields=id')['networks']
    assert found == [{'id': net['id']}]
    assert not cloud.admin.get(V2 + '/networks?tags=red,green')['networks']


def test_agents_are_the_hosts(cloud):
    cloud.agent('h1', auto=False, physnets=('physnet1', 'physnet2'))
    agent, = cloud.admin.get(V2 + '/agents?host=h1')['agents']
    assert agent['alive'] and agent['agent_type'] == 'NIC Switch agent'
    assert agent['configurations']['device_mappings'] == {
        'physnet1': ['p2p1'], 'physnet2': ['p2p1']}
    assert cloud.admin.get(f"{V2}/agents/{agent['id']}")['agent']['host'] == 'h1'
    assert cloud.demo.get(V2 + '/agents') == {'agents': []}


def test_the_founding_documents_own_words(cloud):
    """Debian's neutron client, as the document writes it, and back."""
    def neutron(*words):
        return cloud.apid.cli('neutron', *words).stdout

    def made(text):
        return re.search(r'^\| id +\| (\S+)', text, re.M)[1]
    net = made(neutron('net-create', '--provider:physical_network=physnet1',
                       '--provider:network_type=flat', 'NET'))
    sub = made(neutron('subnet-create', 'NET', '10.20.0.0/24', '--name', 'SUB',
                       '--allocation-pool=start=10.20.0.10,end=10.20.0.50'))
    port = made(neutron('port-create', net, '--binding:vnic-type', 'direct'))
    shown = cloud.admin.get(f'{V2}/ports/{port}')['port']
    assert shown['binding:vnic_type'] == 'direct'
    assert ipaddress.ip_address('10.20.0.10') <= ipaddress.ip_address(
        shown['fixed_ips'][0]['ip_address']) <= ipaddress.ip_address('10.20.0.50')
    assert net in neutron('net-list') and '10.20.0.0/24' in neutron('subnet-list')
    assert shown['mac_address'] in neutron('port-list')
    assert 'physnet1' in neutron('net-show', 'NET')
    assert 'Updated' in neutron('port-update', port, '--name', 'P')
    assert cloud.apid.cli('neutron', 'net-delete', 'NET', check=False).returncode != 0
    neutron('port-delete', 'P')
    neutron('subnet-delete', sub)
    neutron('net-delete', 'NET')
    assert not cloud.admin.get(V2 + '/networks')['networks']
    assert 'binding' in neutron('ext-list') and 'network' in neutron('quota-show')
    neutron('agent-list')


def test_the_openstack_clients_words(cloud):
    def openstack(*words):
        out = cloud.apid.cli('openstack', *words, '-f', 'json').stdout
        return json.loads(out)

    def run(*words):
        return cloud.apid.cli('openstack', *words).stdout
    net = openstack('network', 'create', '--provider-network-type', 'vlan',
                    '--provider-physical-network', 'physnet2', '--provider-segment', '2001', 'n')
    assert net['provider:segmentation_id'] == 2001
    openstack('subnet', 'create', '--network', 'n', '--subnet-range', '10.30.0.0/24',
              '--allocation-pool', 'start=10.30.0.10,end=10.30.0.20', 's')
    port = openstack('port', 'create', '--network', 'n', '--vnic-type', 'direct', '--fixed-ip',
                     'ip-address=10.30.0.15', '--mac-address', '02:11:22:33:44:55', 'p')
    assert port['mac_address'] == '02:11:22:33:44:55'
    run('port', 'set', '--name', 'q', '--no-security-group', '--disable-port-security', 'p')
    run('port', 'set', '--host', 'h9', '--binding-profile', 'pci_slot=0000:01:01.2', 'q')
    shown = openstack('port', 'show', 'q')
    assert shown['binding_vif_type'] == 'binding_failed'
    assert shown['binding_profile'] == {'pci_slot': '0000:01:01.2'}
    assert [n['Name'] for n in openstack('network', 'list', '--long')] == ['n']
    assert [s['Name'] for s in openstack('subnet', 'list')] == ['s']
    run('network', 'set', '--name', 'm', 'n')
    run('subnet', 'set', '--dns-nameserver', '9.9.9.9', 's')
    assert openstack('port', 'list', '--network', 'm')[0]['Name'] == 'q'
    assert openstack('security', 'group', 'list')[0]['Name'] == 'default'
    openstack('network', 'agent', 'list')
    run('port', 'delete', 'q')
    run('subnet', 'delete', 's')
    run('network', 'delete', 'm')
    assert not cloud.admin.get(V2 + '/networks')['networks']


# What foreign clients met

def listed(cloud, query, client=None):
    """The names, or ids, that a list answers with."""
    docs, = (v for k, v in (client or cloud.admin).get(f'{V2}/{query}').items() if not k.endswith('_links'))
    return {d.get('name') or d['id'] for d in docs}


def test_tags_filter_in_four_ways(cloud):
    for name, tags in ('both', ['x-a', 'x-b']), ('one', ['x-b']), ('none', []):
        net = cloud.network(subnet=False, name=name)
        cloud.admin.put(f"{V2}/networks/{net['id']}/tags", {'tags': tags})
    for query, want in (('tags=x-a,x-b', {'both'}), ('tags=x-a&tags=x-b', {'both'}), ('tags-any=x-a,x-b', {'both', 'one'}),
                        ('not-tags=x-a,x-b', {'one', 'none'}), ('not-tags-any=x-a,x-b', {'none'}),
                        ('not-tags-any=x-a&not-tags-any=x-b', {'none'})):
        assert listed(cloud, 'networks?' + query) == want, query


def test_pages_lead_on_until_one_is_empty_and_back(cloud):
    nets = [cloud.network(subnet=False, name=f'page{i}')['id'] for i in range(4)]

    def walk(rel, query):
        seen, path = [], f'{V2}/networks?{query}'
        while True:
            page = cloud.admin.get(path)
            links = {link['rel']: link['href'].removeprefix(cloud.apid.url) for link in page['networks_links']}
            if not page['networks']:
                return seen, links
            seen.append([n['id'] for n in page['networks']])
            path = links[rel]
    seen, links = walk('next', 'sort_key=name&sort_dir=asc&limit=2')
    assert seen == [nets[:2], nets[2:]] and list(links) == ['previous']
    assert [n['id'] for n in cloud.admin.get(links['previous'])['networks']] == nets[2:]
    seen, links = walk('previous', 'sort_key=name&sort_dir=asc&limit=2&page_reverse=True')
    assert seen == [nets[2:], nets[:2]] and list(links) == ['next']
    assert [n['id'] for n in cloud.admin.get(links['next'])['networks']] == nets[:2]


def test_an_update_of_an_older_revision_is_refused(cloud):
    net = cloud.network(subnet=False)
    path, seen = f"{V2}/networks/{net['id']}", f"revision_number={net['revision_number']}"
    cloud.admin.put(path, {'network': {'name': 'mine'}}, If_Match=seen)
    for method, body in ('PUT', {'network': {'name': 'theirs'}}), ('DELETE', None):
        got = cloud.admin.call(method, path, body, If_Match=seen)
        assert (got.status_code, error_type(got)) == (412, 'RevisionNumberConstraintFailed')
    assert cloud.admin.get(path)['network']['name'] == 'mine'
    assert cloud.admin.call('PUT', path, {'network': {}}, If_Match='"etag"').status_code == 400


def test_revisions_tell_of_what_belongs_to_a_resource(cloud):
    def revision(kind, doc):
        return cloud.admin.get(f"{V2}/{kind}/{doc['id']}")[kind[:-1].replace('-', '_')]['revision_number']
    net = cloud.network(subnet=False)
    sub = subnet(cloud, net)
    assert revision('networks', net) == net['revision_number'] + 1
    change(cloud, 'subnet', sub, name='x')
    cloud.admin.delete(f"{V2}/subnets/{sub['id']}")
    assert revision('networks', net) == net['revision_number'] + 3
    group = cloud.admin.post(V2 + '/security-groups', {'security_group': {'name': 'g'}})['security_group']
    assert group['revision_number'] == 1
    rule = make_rule(cloud, group, protocol='tcp')
    cloud.admin.delete(f"{V2}/security-group-rules/{rule['id']}")
    assert revision('security-groups', group) == 3
    cloud.admin.delete(f"{V2}/security-groups/{group['id']}")


def make_rule(cloud, group, status=201, **attrs):
    body = {'security_group_id': group['id'], 'direction': 'ingress', **attrs}
    got = cloud.admin.post(V2 + '/security-group-rules', {'security_group_rule': body}, status)
    return got.get('security_group_rule', got)


def test_rules_are_judged_as_neutron_judges_them(cloud):
    group = cloud.admin.post(V2 + '/security-groups', {'security_group': {'name': 'rules'}})['security_group']
    for attrs, shown in (
            ({'protocol': 'TCP', 'port_range_min': '80', 'port_range_max': 80}, {'protocol': 'tcp', 'port_range_min': 80}),
            ({'protocol': 6, 'remote_ip_prefix': '10.1.2.3'}, {'protocol': '6', 'remote_ip_prefix': '10.1.2.3/32'}),
            ({'protocol': 'udp', 'remote_ip_prefix': '10.1.2.3/8'},
             {'remote_ip_prefix': '10.1.2.3/8', 'normalized_cidr': '10.0.0.0/8'}),
            ({'protocol': 'icmp', 'port_range_min': 8, 'port_range_max': 0}, {'port_range_max': 0}),
            ({'protocol': 'icmp', 'port_range_min': 8}, {'port_range_max': None}),
            ({'protocol': 'icmpv6', 'ethertype': 'ipv6'}, {'ethertype': 'IPv6'}),
            ({'protocol': 'any', 'remote_group_id': group['id'], 'remote_address_group_id': None}, {'protocol': None}),
            ({'protocol': '255'}, {}), ({'protocol': 'vrrp'}, {}), ({'protocol': 0}, {'protocol': '0'})):
        rule = make_rule(cloud, group, **attrs)
        assert {k: rule[k] for k in shown} == shown, attrs
    for attrs, kind in (
            ({'protocol': 'frobnicate'}, 'SecurityGroupRuleInvalidProtocol'), ({'protocol': 256}, 'SecurityGroupRuleInvalidProtocol'),
            ({'port_range_min': 80, 'port_range_max': 80}, 'SecurityGroupProtocolRequiredWithPorts'),
            ({'protocol': 'tcp', 'port_range_min': 5}, 'SecurityGroupInvalidPortRange'),
            ({'protocol': 'tcp', 'port_range_min': 9, 'port_range_max': 8}, 'SecurityGroupInvalidPortRange'),
            ({'protocol': 'tcp', 'port_range_min': 0, 'port_range_max': 8}, 'SecurityGroupInvalidPortValue'),
            ({'protocol': 'gre', 'port_range_min': 1, 'port_range_max': 1}, 'SecurityGroupInvalidProtocolForPort'),
            ({'protocol': 'icmp', 'port_range_min': 300}, 'SecurityGroupInvalidIcmpValue'),
            ({'protocol': 1, 'port_range_max': 3}, 'SecurityGroupMissingIcmpType'),
            ({'protocol': 'icmpv6'}, 'SecurityGroupEthertypeConflictWithProtocol'),
            ({'protocol': 58}, 'SecurityGroupEthertypeConflictWithProtocol'), ({'ethertype': 'IPX'}, 'SecurityGroupRuleInvalidEtherType'),
            ({'ethertype': 'IPv6', 'remote_ip_prefix': '10.0.0.0/8'}, 'SecurityGroupRuleParameterConflict'),
            ({'remote_ip_prefix': '10.0.0.0/33'}, 'InvalidCIDR'),
            ({'remote_ip_prefix': '10.0.0.0/8', 'remote_group_id': group['id']}, 'SecurityGroupRemoteGroupAndRemoteIpPrefix')):
        assert make_rule(cloud, group, 400, **attrs)['NeutronError']['type'] == kind, attrs
    for attrs in ({'protocol': 17, 'remote_ip_prefix': '10.1.2.3/8'}, {'protocol': 'tcp', 'port_range_min': 80, 'port_range_max': 80},
                  {'protocol': 'vrrp', 'remote_ip_prefix': '0.0.0.0/0'}):
        assert make_rule(cloud, group, 409, **attrs)['NeutronError']['type'] == 'SecurityGroupRuleExists', attrs
    cloud.admin.delete(f"{V2}/security-groups/{group['id']}")


def test_a_project_has_one_default_group_as_long_as_it_lives(cloud):
    project = cloud.admin.post('/identity/v3/projects', {'project': {'name': 'short'}})['project']
    found = f"{V2}/security-groups?project_id={project['id']}"
    default, = cloud.admin.get(found)['security_groups']
    assert default['name'] == 'default' and len(default['security_group_rules']) == 4
    other = cloud.admin.post(V2 + '/security-groups', {'security_group': {'name': 'o', 'project_id': project['id']}})['security_group']
    for method, path, name in (('PUT', '/' + default['id'], 'mine'), ('PUT', '/' + default['id'], 'default'), ('PUT', '/' + other['id'], 'default'), ('POST', '', 'default')):
        body = {'security_group': {'name': name, **({} if path else {'project_id': project['id']})}}
        assert cloud.admin.call(method, f'{V2}/security-groups{path}', body).status_code == 409, (method, name)
    cloud.admin.put(f"{V2}/security-groups/{default['id']}", {'security_group': {'description': 'd'}})
    cloud.admin.delete(f"{V2}/security-groups/{default['id']}")  # then the project lacks one, and nothing else may take its name
    for method, path in ('PUT', '/' + other['id']), ('POST', ''):
        body = {'security_group': {'name': 'default', **({} if path else {'project_id': project['id']})}}
        assert cloud.admin.call(method, f'{V2}/security-groups{path}', body).status_code == 409, method
    assert [g['name'] for g in cloud.admin.get(found)['security_groups']] == ['o']
    cloud.admin.delete('/identity/v3/projects/' + project['id'])
    assert [g['name'] for g in cloud.admin.get(found)['security_groups']] == ['o']
    cloud.admin.delete(f"{V2}/security-groups/{other['id']}")


def test_external_is_a_word_and_a_filter(cloud):
    net = cloud.network(name='ext', **{'router:external': True})
    cloud.network(name='int')
    assert listed(cloud, 'networks?router:external=true') == {'ext'} == listed(cloud, 'networks?router:external=true', cloud.demo)
    assert 'ext' not in listed(cloud, 'networks?router:external=false')
    assert cloud.demo.call('POST', V2 + '/ports', {'port': {'network_id': net['id']}}).status_code == 403
    assert cloud.demo.call('POST', V2 + '/networks', {'network': {'router:external': True}}).status_code == 403


def test_a_segment_says_what_the_provider_words_say(cloud):
    words = {'provider:network_type': 'vlan', 'provider:physical_network': 'physnet1', 'provider:segmentation_id': '177'}
    net = cloud.network(subnet=False, segments=[words])
    assert (net['provider:network_type'], net['provider:segmentation_id']) == ('vlan', 177) and 'segments' not in net
    for attrs in {'segments': [words], **words}, {'segments': [words, words]}, {'segments': []}, {'segments': [{'colour': 1}]}:
        assert cloud.admin.call('POST', V2 + '/networks', {'network': attrs}).status_code == 400, attrs
    assert cloud.demo.call('POST', V2 + '/networks', {'network': {'segments': [words]}}).status_code == 403


def test_ports_and_subnets_are_found_by_what_clients_ask_for(cloud):
    net = cloud.network(name='mine', shared=True)
    port = cloud.port(net, fixed_ips=[{'ip_address': '10.20.0.24'}, {'ip_address': '10.20.0.23'}])
    assert [i['ip_address'] for i in port['fixed_ips']] == ['10.20.0.23', '10.20.0.24']
    group, = port['security_groups']
    assert listed(cloud, 'ports?security_groups=' + group) == {port['id']}
    assert not listed(cloud, 'ports?security_groups=' + port['id'])
    assert len(listed(cloud, 'subnets?shared=true')) == 1 and not listed(cloud, 'subnets?shared=false')
    cloud.network(subnet=False, name='clear', vlan_transparent=False)
    assert 'clear' in listed(cloud, 'networks?vlan_transparent=false')
    got = cloud.admin.call('GET', V2 + '/networks?shared=perhaps')
    assert (got.status_code, error_type(got)) == (400, 'InvalidInput')
    bare = cloud.network(port_security_enabled=False)
    got = cloud.admin.call('POST', V2 + '/ports', {'port': {'network_id': bare['id'], 'security_groups': [group]}})
    assert (got.status_code, error_type(got)) == (400, 'PortSecurityAndIPRequiredForSecurityGroups')


def test_fixed_ips_of_one_key_are_alternatives(cloud):
    net = cloud.network()
    a, b, c = (cloud.port(net, fixed_ips=[{'ip_address': f'10.20.0.{n}'}])['id'] for n in (11, 12, 21))
    sub = cloud.show_port({'id': a})['fixed_ips'][0]['subnet_id']
    for query, want in (('ip_address=10.20.0.11', {a}), ('ip_address=10.20.0.11&fixed_ips=ip_address=10.20.0.21', {a, c}),
                        ('ip_address_substr=20.0.1', {a, b}), ('ip_address_substr=0.12&fixed_ips=ip_address_substr=0.21', {b, c}),
                        (f'ip_address=10.20.0.11&fixed_ips=subnet_id={sub}', {a}), (f'ip_address=10.20.0.11&fixed_ips=subnet_id={a}', set()),
                        (f'subnet_id={sub}', {a, b, c})):
        assert listed(cloud, f'ports?fixed_ips={query}') == want, query
    assert cloud.admin.call('GET', V2 + '/ports?fixed_ips=10.20.0.11').status_code == 400


def test_lists_tell_what_changed_since_a_time(cloud):
    net = cloud.network(name='new')
    at = net['updated_at']
    for many in 'networks', 'subnets', 'ports', 'security-groups', 'security-group-rules':
        assert not listed(cloud, f'{many}?changed_since=2100-01-01T00:00:00Z'), many
        assert cloud.admin.call('GET', f'{V2}/{many}?changed_since=2020-01-01').status_code == 200
    assert listed(cloud, f'networks?changed_since={at}&name=new') == {'new'}
    for query in 'networks?changed_since=yesterday', 'networks?mtu=large', 'ports?changed=1', 'agents?changed_since=2020-01-01':
        assert cloud.admin.call('GET', f'{V2}/{query}').status_code == 400, query
    assert listed(cloud, f"networks?mtu={net['mtu']}&name=new") == {'new'} and not listed(cloud, 'networks?mtu=1234')


def test_agents_are_described_and_switched(cloud):
    agent = cloud.agent('retired')  # nothing of other tests is there
    ident, = (a['id'] for a in cloud.admin.get(V2 + '/agents')['agents'] if a['host'] == 'retired')
    said = {'admin_state_up': False, 'description': 'rack 3'}
    assert said.items() <= cloud.admin.put(f'{V2}/agents/{ident}', {'agent': said})['agent'].items()
    agent.heartbeat()
    assert cloud.admin.get(f'{V2}/agents/{ident}')['agent']['description'] == 'rack 3'
    assert ident in {a['id'] for a in cloud.admin.get(V2 + '/agents?admin_state_up=false&alive=true')['agents']}
    assert ident not in {a['id'] for a in cloud.admin.get(V2 + '/agents?alive=false')['agents']}
    assert cloud.demo.call('PUT', f'{V2}/agents/{ident}', {'agent': said}).status_code == 403
    assert cloud.admin.call('PUT', f'{V2}/agents/{ident}', {'agent': {'host': 'h2'}}).status_code == 400
    cloud.admin.put(f'{V2}/agents/{ident}', {'agent': {'admin_state_up': True}})
    assert cloud.admin.call('DELETE', f'{V2}/agents/{ident}').status_code == 409  # it would be back at once
    assert cloud.admin.call('DELETE', f'{V2}/agents/{uuid.uuid4()}').status_code == 404
    agent.stop()
    cloud.agents.remove(agent)
    wait_for(lambda: cloud.admin.call('DELETE', f'{V2}/agents/{ident}').status_code == 204, 10, 'a dead host to be forgotten')
    assert ident not in {a['id'] for a in cloud.admin.get(V2 + '/agents')['agents']}
    assert not cloud.admin.get('/compute/v2.1/os-services?host=retired')['services']


def test_there_are_no_routers_and_that_is_said(cloud):
    for many, one in ('routers', 'router'), ('floatingips', 'floatingip'):
        assert cloud.demo.get(f'{V2}/{many}?name=x') == {many: []}
        got = cloud.demo.call('POST', f'{V2}/{many}', {one: {}})
        assert got.status_code == 400 and 'layer 2' in got.json()['NeutronError']['message']
        assert cloud.demo.call('GET', f'{V2}/{many}/x').status_code == 404
    limits = {'floatingip': 7, 'router': -1, 'rbac_policy': '0', 'subnetpool': 15}
    got = cloud.admin.put(f'{V2}/quotas/{cloud.demo.project_id}', {'quota': limits})['quota']
    assert {k: got[k] for k in limits} == {**limits, 'rbac_policy': 0}
    cloud.admin.delete(f'{V2}/quotas/{cloud.demo.project_id}')


@pytest.fixture
def pools(cloud):
    """Makes subnet pools, by default of the admin's; all go afterwards."""
    def pool(client=None, status=201, prefixes=('10.8.0.0/16',), **attrs):
        return make(client or cloud.admin, 'subnetpools', 'subnetpool', status, name='p', prefixes=list(prefixes), **attrs)
    yield pool
    for net in cloud.admin.get(V2 + '/networks')['networks']:
        cloud.admin.delete(f"{V2}/networks/{net['id']}")
    for many in 'subnetpools', 'address-scopes':
        for doc in cloud.admin.get(f'{V2}/{many}')[many.replace('-', '_')]:
            cloud.admin.delete(f"{V2}/{many}/{doc['id']}")


def from_pool(cloud, pool, status=201, client=None, net=None, **attrs):
    """A subnet of a pool on a network of its own; or the fault's type."""
    net = net or cloud.network(client=client, subnet=False)
    return make(client or cloud.admin, 'subnets', 'subnet', status, network_id=net['id'], subnetpool_id=pool and pool['id'],
                **{'ip_version': 4, **attrs})


def test_subnets_get_their_prefix_from_a_pool(cloud, pools):
    pool = pools(prefixes=['10.9.2.0/24', '10.9.0.0/23', '10.9.8.7/24'], min_prefixlen='24', default_prefixlen=26)
    assert pool['prefixes'] == ['10.9.0.0/23', '10.9.2.0/24', '10.9.8.0/24'] and pool['ip_version'] == 4
    assert [pool[k] for k in ('min_prefixlen', 'default_prefixlen', 'max_prefixlen')] == ['24', '26', '32']
    got = [from_pool(cloud, pool, **wish) for wish in ({}, {'prefixlen': 25}, {'cidr': '10.9.0.64/26'}, {'prefixlen': '24'}, {})]
    assert [s['cidr'] for s in got] == ['10.9.2.0/26', '10.9.2.128/25', '10.9.0.64/26', '10.9.1.0/24', '10.9.0.0/26']
    assert got[0]['gateway_ip'] == '10.9.2.1' and got[0]['subnetpool_id'] == pool['id'] and 'prefixlen' not in got[0]
    for wish, status, what in (({'cidr': '10.9.2.0/27'}, 409, 'SubnetAllocationError'), ({'cidr': '10.10.0.0/24'}, 409, 'SubnetAllocationError'),
                               ({'prefixlen': 23}, 400, 'MinPrefixSubnetAllocationError'), ({'prefixlen': 24, 'cidr': '10.9.1.0/24'}, 400, 'BadRequest'),
                               ({'allocation_pools': [{'start': '10.9.1.2', 'end': '10.9.1.3'}]}, 400, 'BadRequest'), ({'ip_version': 6}, 400, 'BadRequest'),
                               ({'use_default_subnetpool': True}, 400, 'BadRequest')):
        assert from_pool(cloud, pool, status, **wish) == what, wish
    assert cloud.admin.call('DELETE', f"{V2}/subnetpools/{pool['id']}").status_code == 400
    assert {s['id'] for s in cloud.admin.get(f"{V2}/subnets?subnetpool_id={pool['id']}")['subnets']} == {s['id'] for s in got}
    cloud.admin.delete(f"{V2}/subnets/{got[3]['id']}")
    assert from_pool(cloud, pool, prefixlen=24)['cidr'] == '10.9.1.0/24'  # the lowest of the smallest that are whole


def test_no_prefix_of_a_pool_is_given_twice(cloud, pools):
    pool = pools(prefixes=['10.9.0.0/24'], default_prefixlen=28)
    nets = [cloud.network(subnet=False) for _ in range(20)]

    def take(net):
        return cloud.admin.call('POST', V2 + '/subnets', {'subnet': {'network_id': net['id'], 'ip_version': 4, 'subnetpool_id': pool['id']}})
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        got = list(threads.map(take, nets))
    cidrs = [ipaddress.ip_network(g.json()['subnet']['cidr']) for g in got if g.ok]
    assert len(cidrs) == len(set(cidrs)) == 16 and collections.Counter(g.status_code for g in got) == {201: 16, 409: 4}


def test_pools_have_bounds_and_quotas(cloud, pools):
    for attrs, what in (({'prefixes': []}, 'EmptySubnetPoolPrefixList'), ({'prefixes': ['10.0.0.0/8', 'fd00::/64']}, 'PrefixVersionMismatch'),
                        ({'min_prefixlen': 30, 'max_prefixlen': 28}, 'IllegalSubnetPoolPrefixBounds'), ({'max_prefixlen': 33}, 'IllegalSubnetPoolPrefixBounds'),
                        ({'default_prefixlen': 7}, 'IllegalSubnetPoolPrefixBounds'), ({'prefixes': ['10.0.0.0/33']}, 'InvalidInput')):
        assert pools(status=400, **attrs) == what, attrs
    mine = pools(cloud.demo, default_quota=512, shared=False)
    path = f"{V2}/subnetpools/{mine['id']}"
    from_pool(cloud, mine, client=cloud.demo, prefixlen=24)
    assert from_pool(cloud, mine, 409, cloud.demo, prefixlen=23) == 'SubnetPoolQuotaExceeded'
    from_pool(cloud, mine, prefixlen=23)  # another project's
    for change, status in (({'prefixes': ['10.8.0.0/24']}, 400), ({'prefixes': ['10.8.0.0/15']}, 200), ({'shared': True}, 400),
                           ({'is_default': True}, 403), ({'max_prefixlen': 7}, 400), ({'description': 'x', 'default_quota': None}, 200)):
        assert cloud.demo.call('PUT', path, {'subnetpool': change}).status_code == status, change
    assert cloud.demo.get(path)['subnetpool']['prefixes'] == ['10.8.0.0/15']
    assert pools(cloud.demo, 403, shared=True) == pools(cloud.demo, 403, is_default=True) == 'PolicyNotAuthorized'
    cloud.admin.put(f'{V2}/quotas/{cloud.demo.project_id}', {'quota': {'subnetpool': 1}})
    assert pools(cloud.demo, 409) == 'OverQuota'
    cloud.admin.delete(f'{V2}/quotas/{cloud.demo.project_id}')
    hidden = pools()
    assert cloud.demo.call('GET', f"{V2}/subnetpools/{hidden['id']}").status_code == 404
    assert from_pool(cloud, hidden, 404, cloud.demo) == 'SubnetPoolNotFound'


def test_a_default_pool_is_one_of_its_version(cloud, pools):
    assert from_pool(cloud, None, 400, use_default_subnetpool=True) == 'BadRequest'
    pool = pools(is_default=True, shared=True, default_prefixlen=24)
    assert pools(status=400, is_default=True) == 'InvalidInput' and pools(prefixes=['fd00::/48'], is_default=True)
    got = from_pool(cloud, None, client=cloud.demo, use_default_subnetpool=True)
    assert (got['cidr'], got['subnetpool_id']) == ('10.8.0.0/24', pool['id'])
    assert from_pool(cloud, None, use_default_subnetpool=True, cidr='10.8.7.0/24')['subnetpool_id'] == pool['id']
    cloud.admin.put(f"{V2}/subnetpools/{pool['id']}", {'subnetpool': {'is_default': False}})
    assert pools(is_default=True)


def test_a_scope_keeps_its_pools_apart(cloud, pools):
    def scope(client, status=201, **attrs):
        return make(client, 'address-scopes', 'address_scope', status, **attrs)
    mine, six, theirs = scope(cloud.demo, name='s', ip_version=4), scope(cloud.demo, ip_version=6), scope(cloud.admin, ip_version=4)
    pool = pools(cloud.demo, address_scope_id=mine['id'], default_prefixlen=24)
    other = pools(cloud.demo, prefixes=['10.7.0.0/16'], default_prefixlen=24)
    assert pools(cloud.demo, 409, prefixes=['10.8.3.0/24'], address_scope_id=mine['id']) == 'AddressScopePrefixConflict'
    assert pools(cloud.demo, 404, address_scope_id=theirs['id']) == 'AddressScopeNotFound'
    assert pools(cloud.demo, 400, address_scope_id=six['id']) == 'IllegalSubnetPoolIpVersionAssociationToAddressScope'
    assert cloud.demo.call('DELETE', f"{V2}/address-scopes/{mine['id']}").status_code == 409
    net = cloud.network(client=cloud.demo, subnet=False)
    from_pool(cloud, pool, client=cloud.demo, net=net)
    shown = cloud.demo.get(f"{V2}/networks/{net['id']}")['network']
    assert (shown['ipv4_address_scope'], shown['ipv6_address_scope']) == (mine['id'], None)
    assert from_pool(cloud, other, 400, cloud.demo, net) == 'NetworkAddressScopeAffinityError'
    path = f"{V2}/subnetpools/{other['id']}"
    assert cloud.demo.put(path, {'subnetpool': {'address_scope_id': mine['id']}})['subnetpool']['address_scope_id'] == mine['id']
    assert from_pool(cloud, other, client=cloud.demo, net=net)['cidr'] == '10.7.0.0/24'
    plain = cloud.network(client=cloud.demo)
    assert from_pool(cloud, pool, 400, cloud.demo, plain) == 'NetworkSubnetPoolAffinityError'
    assert scope(cloud.demo, 403, ip_version=4, shared=True) == 'PolicyNotAuthorized'
    path = f"{V2}/address-scopes/{theirs['id']}"
    cloud.admin.put(path, {'address_scope': {'shared': True}})
    assert cloud.demo.get(path) and cloud.admin.call('PUT', path, {'address_scope': {'shared': False}}).status_code == 400


def test_service_types_say_whose_a_subnets_addresses_are(cloud):
    net = cloud.network()
    subnet(cloud, net, '10.21.0.0/24', service_types=['compute:nova'])
    for owner, first in ('compute:nova', '10.21.'), ('compute:az2', '10.20.'), ('', '10.20.'):
        assert cloud.port(net, device_owner=owner)['fixed_ips'][0]['ip_address'].startswith(first), owner
    assert make(cloud.admin, 'ports', 'port', 400, network_id=net['id'], fixed_ips=[{'ip_address': '10.21.0.9'}]) == 'InvalidIpForNetwork'
    assert len(listed(cloud, 'subnets?service_types=compute:nova')) == 1
    other = cloud.network(subnet=False)
    subnet(cloud, other, service_types=['network:routed'])
    assert make(cloud.admin, 'ports', 'port', 409, network_id=other['id']) == 'IpAddressGenerationFailureNoMatchingSubnet'
    subnet(cloud, other, '10.30.0.0/24', 400, service_types=['sunday'])


def test_a_network_is_shared_with_one_project(cloud):
    def share(client, status=201, **attrs):
        return make(client, 'rbac-policies', 'rbac_policy', status, **{
            'object_type': 'network', 'object_id': net['id'], 'action': 'access_as_shared', 'target_tenant': cloud.demo.project_id, **attrs})
    net = cloud.network(name='sr-iov')
    path = f"{V2}/networks/{net['id']}"
    for attrs, what in (({'object_type': 'qos_policy'}, 'HTTPBadRequest'), ({'action': 'access_as_external'}, 'HTTPBadRequest'),
                        ({'target_tenant': ''}, 'HTTPBadRequest'), ({'target_tenant': 'x' * 256}, 'HTTPBadRequest')):
        assert share(cloud.admin, 400, **attrs) == what, attrs
    assert share(cloud.demo, 404) == 'NetworkNotFound' and cloud.demo.call('GET', path).status_code == 404
    policy = share(cloud.admin)
    assert share(cloud.admin, 409) == 'DuplicateRbacPolicy'
    seen = cloud.demo.get(path)['network']
    assert seen['shared'] and not cloud.admin.get(path)['network']['shared'] and seen['revision_number'] > net['revision_number'] + 1
    assert listed(cloud, 'networks?shared=true&name=sr-iov', cloud.demo) == {'sr-iov'} and not listed(cloud, 'networks?shared=true&name=sr-iov')
    assert len(listed(cloud, f"subnets?network_id={net['id']}", cloud.demo)) == 1
    assert share(cloud.demo, 400, target_tenant='abc') == 'InvalidInput'  # it is not its to share on
    port = cloud.port(net, cloud.demo)
    mine = f"{V2}/rbac-policies/{policy['id']}"
    for method, body in ('DELETE', None), ('PUT', {'rbac_policy': {'target_tenant': 'abc'}}):
        got = cloud.admin.call(method, mine, body)
        assert (got.status_code, error_type(got)) == (409, 'RbacPolicyInUse'), method
    assert cloud.demo.call('GET', mine).status_code == 404
    everybody = share(cloud.admin, target_tenant='*')
    assert cloud.admin.get(path)['network']['shared']
    cloud.admin.put(mine, {'rbac_policy': {'target_tenant': 'abc'}})
    assert cloud.admin.call('DELETE', f"{V2}/rbac-policies/{everybody['id']}").status_code == 409
    assert cloud.admin.call('PUT', path, {'network': {'shared': False}}).status_code == 409
    cloud.demo.delete(f"{V2}/ports/{port['id']}")
    cloud.admin.put(path, {'network': {'shared': False}})
    assert cloud.admin.call('GET', f"{V2}/rbac-policies/{everybody['id']}").status_code == 404
    assert cloud.demo.call('GET', path).status_code == 404
    cloud.admin.delete(path)
    assert cloud.admin.call('GET', mine).status_code == 404
    own = cloud.network(cloud.demo, subnet=False)
    assert share(cloud.demo, object_id=own['id'], target_tenant='abc')['project_id'] == cloud.demo.project_id
    assert share(cloud.demo, 403, object_id=own['id'], target_tenant='*') == 'PolicyNotAuthorized'


def test_a_network_tells_who_answers_its_dhcp(cloud):
    cloud.agent('h1')
    net = flat(cloud)
    ident, = (a['id'] for a in cloud.admin.get(V2 + '/agents')['agents'] if a['host'] == 'h1')
    agents, nets = f"{V2}/networks/{net['id']}/dhcp-agents", f'{V2}/agents/{ident}/dhcp-networks'
    assert cloud.admin.get(agents) == {'agents': []} and cloud.admin.get(nets) == {'networks': []}
    bind(cloud, cloud.port(net))
    assert [a['host'] for a in cloud.admin.get(agents)['agents']] == ['h1']
    assert [n['id'] for n in cloud.admin.get(nets)['networks']] == [net['id']]
    assert cloud.demo.call('GET', agents).status_code == 403
    assert 'no DHCP agent' in cloud.admin.call('POST', nets, {'network_id': net['id']}).text


def test_one_external_network_is_the_default(cloud):
    net = cloud.network(subnet=False, is_default=True, **{'router:external': True})
    assert net['is_default'] and 'is_default' not in cloud.network(subnet=False)
    assert make(cloud.admin, 'networks', 'network', 409, is_default=True, **{'router:external': True}) == 'DefaultExternalNetworkExists'
    assert make(cloud.admin, 'networks', 'network', 400, is_default=True) == 'InvalidInput'
    assert len(listed(cloud, 'networks?is_default=true')) == 1
    cloud.admin.delete(f"{V2}/networks/{net['id']}")
    assert cloud.network(subnet=False, is_default=True, **{'router:external': True})['is_default']
