# SPDX-License-Identifier: Apache-2.0
"""Simulated hosts: what the API asks of them, they do."""
import signal

import apid
from conftest import wait_for

VLAN = {'provider:network_type': 'vlan', 'provider:physical_network': 'physnet1'}
cloud = apid.shared_cloud('[api]\nheartbeat_s = 1\n')


def test_ports_and_servers_come_and_go_on_simulated_hosts(cloud):
    sim = cloud.sim(50, '--vfs', '4')
    net = cloud.network(**VLAN)
    port = cloud.port(net, **{'binding:host_id': 'sim-0007'})
    wait_for(lambda: cloud.show_port(port)['status'] == 'ACTIVE', what='a VF with its guest')
    server = cloud.boot(cloud.flavor(), cloud.image(), [{'uuid': net['id']}])
    cloud.wait_status(server, 'ACTIVE')
    cloud.action(server, 'os-stop')
    cloud.wait_status(server, 'SHUTOFF')
    wait_for(lambda: sim.counts()['active'] == 1, what='a VF without its guest')
    cloud.admin.delete(f"/compute/v2.1/servers/{server['id']}")
    cloud.wait_gone(server)
    cloud.admin.delete(f"/network/v2.0/ports/{port['id']}")
    wait_for(lambda: not sim.counts()['ports'], what='VFs that are back')
    assert sim.counts()['full_reads'] == 50
    sim.stop()


def test_nobody_reads_everything_again_after_a_crash_of_the_api(cloud):
    sim = cloud.sim(50, '--vfs', '4')
    net = cloud.network(**VLAN)
    ports = [cloud.port(net, **{'binding:host_id': f'sim-{i:04d}'}) for i in range(0, 50, 10)]
    wait_for(lambda: sim.counts()['active'] == len(ports), what='VFs with their guests')
    wait_for(lambda: all(cloud.show_port(p)['status'] == 'ACTIVE' for p in ports), what='ACTIVE ports')
    cloud.apid.stop(signal.SIGKILL)
    wait_for(lambda: not sim.counts()['up'], what='hosts that miss the API')
    cloud.apid.start()
    sim.wait_up()
    cloud.admin.put(f"/network/v2.0/ports/{ports[0]['id']}", {'port': {'admin_state_up': False}})
    cloud.admin.delete(f"/network/v2.0/ports/{ports[1]['id']}")
    wait_for(lambda: sim.counts()['ports'] == len(ports) - 1, what='the VF of a port that is deleted')
    wait_for(lambda: cloud.show_port(ports[0])['status'] == 'DOWN', what='a port that is administratively down')
    assert all(host['alive'] for host in cloud.admin.get('/network/v2.0/agents')['agents'])
    assert sim.counts()['full_reads'] == 50
    sim.stop()


def test_hosts_say_what_they_have_once_and_beat_by_its_name_from_then_on(cloud):
    sim = cloud.sim(20, '--vfs', '4')

    def beats():
        """How many of the next 60 heartbeats or more say everything."""
        before = sim.counts()
        after = wait_for(lambda: (now := sim.counts())['beats'] >= before['beats'] + 60 and now, what='heartbeats')
        return after['whole_beats'] - before['whole_beats']
    assert sim.counts()['whole_beats'] >= 20
    wait_for(lambda: beats() == 0, 60, 'heartbeats by name alone')  # who was starved, and taken for dead, says all again
    cloud.apid.stop()
    cloud.apid.start()
    sim.wait_up()
    wait_for(lambda: beats() == 0, 60, 'heartbeats by name alone after a restart of the API')
    up = {host['host'] for host in cloud.admin.get('/network/v2.0/agents')['agents'] if host['alive']}
    assert {f'sim-{i:04d}' for i in range(20)} <= up
    sim.stop()
