# SPDX-License-Identifier: Apache-2.0
"""The host agent and replicas of the API of which some lag, fail or lose an event: nothing goes back.

The switch is real, the API is two stand-ins of which the test holds one where it is.
"""
import copy
import json
import subprocess
import uuid

import pytest

from conftest import DAEMONS, Swd, need_root, wait_for
from standin import Replica, StandIn


class Host:
    """A switch, and an agent that knows two replicas of the API behind one that is not there."""

    def __init__(self, directory):
        self.dir = directory
        self.api = StandIn('host1')
        self.other = Replica(self.api)
        self.swd = Swd(directory).start()
        self.swd.call('pf.add', name='p2p1', uplink='none', numvfs=4)
        (directory / 'agent.json').write_text(json.dumps({'username': 'anyvf-agent-host1', 'password': 'secret'}))
        (directory / 'anyvf.conf').write_text(
            f'[host]\nname = host1\nstate_dir = {directory}/state\n'
            '[sriov]\nphysical_device_mappings = physnet1:p2p1\n'
            f'[agent]\napi = http://127.0.0.1:1, {self.other.url}/,{self.api.url}\n'
            f'credentials = {directory}/agent.json\nlibvirt_uri = qemu+unix:///system?socket={directory}/none\n')
        with open(directory / 'agentd.log', 'ab') as log:
            self.agent = subprocess.Popen([DAEMONS / 'anyvf-agentd', '--config', directory / 'anyvf.conf',
                                           '--run-dir', directory], stdout=log, stderr=log)

    def log(self):
        return (self.dir / 'agentd.log').read_text()

    def says(self, words, before=''):
        """Wait for words in the log behind what it was before."""
        return wait_for(lambda: words in self.log()[len(before):], 20, words)

    def move(self, to):
        """Have the agent watch at a replica: the other has an error until it does."""
        away = self.other if to is self.api else self.api
        away.fail(503)
        wait_for(lambda: to.watching, 20, 'the other replica')
        away.fail(None)

    def port(self, vf, vlan, wait=True):
        """A port's document, obeyed unless nobody waits for it; its id."""
        ident = str(uuid.uuid4())
        self.api.put('port', {
            'id': ident, 'name': '', 'server': None, 'network': str(uuid.uuid4()), 'pf': 'p2p1', 'vf': vf, 'pci_slot': '',
            'mac': f'fa:16:3e:00:0a:0{vf}', 'vlan': vlan, 'trunk': 'none', 'spoofchk': True, 'trust': False, 'state': 'auto',
            'mtu': 1500, 'vnic_type': 'direct', 'released': False, 'fixed_ips': []})
        return self.obeyed(ident) if wait else ident

    def change(self, port, **members):
        self.api.change('port', port, **members)
        return self.obeyed(port)

    def obeyed(self, port):
        """Wait until the switch has what the port's document wants, and the API was told."""
        want = self.api.docs['port'][port]
        wait_for(lambda: self.vlan(want['vf']) == want['vlan'], 20, f"VLAN {want['vlan']} at VF {want['vf']}")
        self.api.wait_status('port', port, 'DOWN', 20)  # there is no guest
        return port

    def reports_of(self, doc):
        """How many reports there were about this document, at whichever replica."""
        return sum((ident, body['generation']) == (doc['id'], doc['generation'])
                   for _kind, ident, body, _status in self.api.tried + self.other.tried)

    def vlan(self, vf):
        return self.swd.vf('p2p1', vf)['config'].get('vlan', 0)

    def release(self, port):
        self.api.change('port', port, released=True)
        wait_for(lambda: port not in self.api.docs['port'], 20, 'the VF is back')

    def close(self):
        self.agent.terminate()
        self.agent.wait(20)
        self.swd.stop()
        self.other.close()
        self.api.close()


@pytest.fixture(scope='module')
def the_host(tmp_path_factory):
    need_root()
    host = Host(tmp_path_factory.mktemp('lag'))
    host.says('the API is there')
    yield host
    host.close()


@pytest.fixture
def host(the_host):
    """The host with both replicas in step, and no documents."""
    yield the_host
    the_host.api.fail(None)
    the_host.other.fail(None)
    the_host.other.hold(False)
    for port in list(the_host.api.docs['port']):
        the_host.release(port)


def test_the_first_endpoint_that_answers_and_the_next_when_it_fails(host):
    wait_for(lambda: host.other.watching, 20, 'the watch')  # the first of the list is not there
    port, before = host.port(0, 7), host.log()
    host.other.fail(500)
    wait_for(lambda: host.api.watching, 20, 'the next replica')
    host.change(port, vlan=8)
    host.says(f'the API is there url={host.api.url}', before)
    assert json.loads((host.dir / 'state/agent/api.json').read_text()) == {'url': host.api.url}


@pytest.mark.parametrize('former', [False, True])
def test_a_replica_that_is_behind_is_not_believed_until_it_has_caught_up(host, former):
    port = host.port(0, 7)
    host.move(host.api)
    host.other.hold()
    host.other.former = former
    host.change(port, vlan=8)
    unheard = host.port(1, 3)  # which its list lacks
    before, asked = host.log(), len(host.other.asked)
    host.api.fail(503)
    host.says('the API is behind' if former else 'the API does not answer', before)
    wait_for(lambda: len(host.other.asked) > asked + 1, 20, 'asked again')
    assert host.vlan(0) == 8 and host.other.docs['port'][port]['vlan'] == 7
    host.other.hold(False)
    host.says(f'the API is there url={host.other.url}', before)
    host.change(port, vlan=9)
    host.change(unheard, vlan=4)


def test_what_was_deleted_is_not_made_again_by_an_older_document(host):
    port = host.port(0, 7)
    old = copy.deepcopy(host.api.docs['port'][port])
    host.release(port)
    before, said = host.log(), host.reports_of(old)
    with host.api.lock:
        host.api.docs['port'][port] = old
        host.api.changed('port', port)
        again = host.port(1, 5, wait=False)  # made, gone and made again in the same answer
        made = host.api.docs['port'][again]
        host.api.drop('port', again)
        host.api.put('port', made)
    host.says('the API is behind', before)
    host.obeyed(again)  # all else goes on
    host.port(2, 6)
    assert host.vlan(0) == 0
    assert host.reports_of(old) == said
    host.api.drop('port', port)
    host.says('the API is there', before)
    host.change(again, vlan=4)


def test_a_report_that_a_replica_refuses_is_said_again(host):
    host.move(host.api)
    honest, refused = host.api.report, []

    def report(kind, ident, body):
        if not refused:
            refused.append(ident)
            return 409
        return honest(kind, ident, body)

    host.api.report = report
    try:
        port = host.port(0, 7)
    finally:
        host.api.report = honest
    assert refused == [port]


def test_a_change_that_was_lost_on_the_way_is_found_by_the_sum(host):
    host.api.docs['weather'] = {}
    host.api.put('weather', {'id': 'sunny'})  # a kind that this agent does not know counts as well
    port = host.port(0, 7)
    assert 'a change was missed' not in host.log()
    host.api.lost = host.other.lost = ('port',)
    host.change(port, vlan=8)
    host.api.lost = host.other.lost = ()
    assert host.log().count('a change was missed') == 1
    host.api.drop('weather', 'sunny')


def test_who_has_forgotten_the_changes_since_is_asked_for_everything(host):
    host.move(host.api)
    asked, host.api.forgotten = len(host.api.asked), 1 << 40
    port = host.port(0, 7)
    wait_for(lambda: any('/desired' in path for path in host.api.asked[asked:]), 20, 'everything')
    host.api.forgotten = 0
    host.change(port, vlan=8)
