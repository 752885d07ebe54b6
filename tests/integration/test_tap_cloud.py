# SPDX-License-Identifier: Apache-2.0
"""Tap as a Service from a tenant's request to a third guest's tcpdump: API, agent, switch and real VMs on direct ports."""
import re
import signal

import pytest

from conftest import wait_for
from test_cloud import Vm, site  # noqa: F401

TAAS = '/network/v2.0/taas'


@pytest.fixture(scope='module')
def vms(site):
    """Three servers of demo's on a VLAN network of its own: two that talk and one that watches."""
    demo, made = site.cloud.demo, []
    net = site.cloud.network(demo)
    flavor = site.cloud.admin.get('/compute/v2.1/flavors')['flavors'][0]
    for name in 'one', 'two', 'watcher':
        port = site.cloud.port(net, demo, name=name)
        server = site.cloud.boot(flavor, {'id': site.image}, [{'port': port['id']}], demo, name=name)
        made.append(Vm(site, server['id'], port['id']))
    return [vm.booted() for vm in made]


@pytest.fixture(scope='module')
def service(site, vms):
    """The watcher's port as a tap service."""
    return site.cloud.demo.post(TAAS + '/tap_services', {
        'tap_service': {'name': 'ts', 'port_id': vms[2].port}})['tap_service']


def start_flow(site, service, vm, direction):
    """A flow once it is ACTIVE."""
    flow = site.cloud.demo.post(TAAS + '/tap_flows', {'tap_flow': {
        'tap_service_id': service['id'], 'source_port': vm.port, 'direction': direction}})['tap_flow']
    wait_status(site, flow, 'ACTIVE')
    return flow


def wait_status(site, flow, status):
    return wait_for(lambda: (lambda f: f if f['status'] == status else None)(
        site.cloud.demo.get(f"{TAAS}/tap_flows/{flow['id']}")['tap_flow']), 20, f'flow {status}')


def end_flow(site, flow):
    site.cloud.demo.delete(f"{TAAS}/tap_flows/{flow['id']}")
    wait_for(lambda: site.swd.call('mirror.list') == [], 10, 'the end of the mirror')


def watched(vms, done=None):
    """What the watcher's tcpdump wrote while the first guest pinged the second: {(source, kind, sequence)}."""
    one, two, watcher = vms
    # an old /tmp/err would say that it listens before it does
    watcher.run('rm -f /tmp/dump /tmp/err; tcpdump -l -n -i eth0 icmp > /tmp/dump 2> /tmp/err &')
    wait_for(lambda: 'listening' in watcher.run('cat /tmp/err')[1], 20, 'tcpdump')

    def seen():
        text = watcher.run('cat /tmp/dump')[1]
        return set(re.findall(r'IP ([\d.]+) > [\d.]+: ICMP echo (request|reply), id \d+, seq (\d+)', text))
    assert one.run(f'ping -c 3 -W 5 {two.ip}')[0] == 0
    if done:
        wait_for(lambda: done(seen()), 20, 'the copies')
    got = seen()
    watcher.run('killall tcpdump')
    return got


@pytest.mark.parametrize('direction', ['BOTH', 'IN', 'OUT'])
def test_the_third_guest_sees_what_two_say(site, vms, service, direction):
    one, two, _ = vms
    assert watched(vms) == set()
    flow = start_flow(site, service, one, direction)
    want = set()
    for seq in '012':
        want |= {(one.ip, 'request', seq)} if direction != 'IN' else set()
        want |= {(two.ip, 'reply', seq)} if direction != 'OUT' else set()
    assert watched(vms, lambda got: want <= got) == want
    end_flow(site, flow)
    assert watched(vms) == set()


def test_a_flow_outlives_the_kill_of_all_daemons(site, vms, service):
    flow = start_flow(site, service, vms[0], 'OUT')
    site.agent.kill()
    site.agent.wait()
    site.swd.stop(signal.SIGKILL)
    site.cloud.apid.stop(signal.SIGKILL)
    site.swd.start()
    site.cloud.apid.start()
    site.start_agent()
    site.cloud.login()
    for vm in vms:
        wait_for(lambda vm=vm: site.swd.vf('p2p1', vm.vf)['status']['connected'], 30, 'its guest')
    wait_status(site, flow, 'ACTIVE')
    want = {(vms[0].ip, 'request', seq) for seq in '012'}
    assert watched(vms, lambda got: want <= got) == want
    end_flow(site, flow)


def test_without_its_server_the_watcher_watches_no_more(site, vms, service):
    flow = start_flow(site, service, vms[0], 'BOTH')
    site.cloud.demo.delete(f'/compute/v2.1/servers/{vms[2].id}')
    site.cloud.wait_gone({'id': vms[2].id}, 30)
    assert wait_status(site, flow, 'DOWN')['status_reason'] == "The tap service's port has no VF."
    wait_for(lambda: site.swd.call('mirror.list') == [], 10, 'the end of the mirror')
    site.cloud.demo.delete(f'/network/v2.0/ports/{vms[2].port}')
    for kind, doc in ('tap_flows', flow), ('tap_services', service):
        assert site.cloud.demo.call('GET', f"{TAAS}/{kind}/{doc['id']}").status_code == 404
