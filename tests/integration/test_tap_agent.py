# SPDX-License-Identifier: Apache-2.0
"""Tap flows and tap mirrors as the host agent drives them to a real switch; the API is the stand-in."""
import os
import signal
import uuid

import pytest

from conftest import Netns, run, wait_for
from test_agent import the_host  # noqa: F401
from test_mirror import Far
from test_veb import ETHERTYPE, mac

HAND = 'by-hand'


class Taps:
    """A host with ports on it and no guests: a VF is a VF."""

    def __init__(self, host):
        self.host, self.api = host, host.api
        self.net = str(uuid.uuid4())

    def port(self, vf, **members):
        """A port that has a VF; its id."""
        ident = str(uuid.uuid4())
        self.api.put('port', {'id': ident, 'name': '', 'server': None, 'network': self.net, 'pf': 'p2p1', 'vf': vf,
                              'pci_slot': '', 'mac': f'fa:16:3e:aa:00:{vf:02x}', 'vlan': 0, 'trunk': 'none',
                              'spoofchk': True, 'trust': False, 'state': 'auto', 'mtu': 1500,
                              'vnic_type': 'direct', 'released': False, 'fixed_ips': [], **members})
        wait_for(lambda: self.host.swd.vf('p2p1', vf)['config']['port_id'] == ident, 10, 'its VF')
        return ident

    def flow(self, source, port, direction='BOTH', **members):
        """A tap flow; its id."""
        return self.api.put('tap_flow', {'id': str(uuid.uuid4()), 'source_port': source, 'port': port,
                                         'direction': direction, 'vlan_filter': None, **members})['id']

    def mirrors(self):
        """What the switch mirrors: {name: (from, direction, to)}."""
        return {m['name']: (m['from_vf'], m['dir'], m.get('to_vf')) for m in self.host.swd.call('mirror.list')}

    def filters(self):
        """The VLANs of mirrors: {name: list, or None for all}."""
        return {m['name']: m.get('vlans') for m in self.host.swd.call('mirror.list')}

    def wait_mirrors(self, want):
        wait_for(lambda: self.mirrors() == want, 15, f'{want}, not {self.mirrors()}')

    def wait_error(self, kind, ident, words):
        self.api.wait_status(kind, ident, 'ERROR', 15)
        assert words in self.api.reports[kind, ident]['reason']

    def clear(self):
        """As a host without tenants."""
        for kind in 'tap_flow', 'tap_mirror':
            for ident in list(self.api.docs[kind]):
                self.api.drop(kind, ident)
        for ident in list(self.api.docs['port']):
            self.api.change('port', ident, released=True)
        wait_for(lambda: not self.api.docs['port'], 15, 'ports released')
        for name in self.mirrors():
            if not name.startswith('tap-'):
                self.host.swd.call('mirror.del', name=name)
        self.wait_mirrors({})


@pytest.fixture
def taps(the_host):
    """The host without taps, before and after."""
    taps = Taps(the_host)
    yield taps
    taps.clear()


@pytest.mark.parametrize('direction', ['IN', 'OUT', 'BOTH'])
def test_a_flow_is_a_mirror_between_its_ports_vfs(taps, direction):
    flow = taps.flow(taps.port(3), taps.port(5), direction)
    taps.api.wait_status('tap_flow', flow, 'ACTIVE')
    assert taps.mirrors() == {f'tap-{flow}': (3, direction.lower(), 5)}
    assert taps.api.reports['tap_flow', flow]['reason'] == ''
    taps.api.drop('tap_flow', flow)
    taps.wait_mirrors({})


def test_flows_share_sources_and_service_ports(taps):
    a, b, c = taps.port(1), taps.port(2), taps.port(3)
    flows = {taps.flow(a, c, 'IN'): (1, 'in', 3), taps.flow(b, c, 'OUT'): (2, 'out', 3),
             taps.flow(a, b): (1, 'both', 2)}
    taps.wait_mirrors({f'tap-{i}': want for i, want in flows.items()})


def test_a_flow_waits_for_its_ports_and_ends_with_them(taps):
    source, late = taps.port(1), str(uuid.uuid4())
    flow = taps.flow(source, late)
    taps.api.wait_status('tap_flow', flow, 'DOWN')
    assert taps.mirrors() == {}
    target = taps.port(2)
    taps.api.change('tap_flow', flow, port=target)
    taps.api.wait_status('tap_flow', flow, 'ACTIVE')
    taps.api.change('port', source, released=True)
    taps.api.wait_status('port', source, 'RELEASED')
    assert taps.mirrors() == {}
    taps.api.wait_status('tap_flow', flow, 'DOWN')
    # the VF's next user is nobody's to watch
    taps.port(1)
    assert taps.mirrors() == {}


def test_a_flow_that_changed_is_made_anew(taps):
    source, one, two = taps.port(1), taps.port(2), taps.port(4)
    flow = taps.flow(source, one, 'IN')
    taps.wait_mirrors({f'tap-{flow}': (1, 'in', 2)})
    taps.api.change('tap_flow', flow, port=two)
    taps.wait_mirrors({f'tap-{flow}': (1, 'in', 4)})
    taps.api.wait_status('tap_flow', flow, 'ACTIVE')


def test_what_went_by_hand_comes_back_and_what_is_by_hand_stays(taps):
    flow = taps.flow(taps.port(1), taps.port(2))
    taps.api.wait_status('tap_flow', flow, 'ACTIVE')
    taps.host.swd.cli('mirror', 'add', HAND, 'from', 'vf', 'p2p1', '6', 'in', 'to', 'vf', 'p2p1', '7')
    taps.host.swd.cli('mirror', 'del', f'tap-{flow}')
    taps.wait_mirrors({HAND: (6, 'in', 7), f'tap-{flow}': (1, 'both', 2)})


def test_flows_outlive_agent_and_switch(taps):
    kept, dropped = taps.flow(taps.port(1), taps.port(2)), taps.flow(taps.port(3), taps.port(4), 'IN')
    for flow in kept, dropped:
        taps.api.wait_status('tap_flow', flow, 'ACTIVE')
    taps.host.swd.cli('mirror', 'add', HAND, 'from', 'vf', 'p2p1', '6', 'in', 'to', 'vf', 'p2p1', '7')
    both = {HAND: (6, 'in', 7), f'tap-{kept}': (1, 'both', 2), f'tap-{dropped}': (3, 'in', 4)}
    taps.host.stop(signal.SIGKILL)
    assert taps.mirrors() == both
    taps.api.drop('tap_flow', dropped)  # while nobody looks
    taps.host.start()
    del both[f'tap-{dropped}']
    taps.wait_mirrors(both)
    taps.host.swd.stop(signal.SIGKILL)
    taps.host.swd.start()
    taps.wait_mirrors(both)
    # a switch that knows nothing any more
    taps.host.swd.stop(signal.SIGKILL)
    taps.host.swd.state.unlink()
    taps.host.swd.start().call('pf.add', name='p2p1', uplink='none', numvfs=16)
    taps.wait_mirrors({f'tap-{kept}': (1, 'both', 2)})
    taps.api.wait_status('tap_flow', kept, 'ACTIVE')


def test_a_vlan_filter_is_the_mirrors(taps):
    source, target = taps.port(1), taps.port(2)
    flow = taps.flow(source, target, vlan_filter='9,18-22')
    taps.api.wait_status('tap_flow', flow, 'ACTIVE')
    assert taps.filters() == {f'tap-{flow}': '9,18-22'}
    taps.api.change('tap_flow', flow, vlan_filter='5')
    taps.api.wait_status('tap_flow', flow, 'ACTIVE')
    assert taps.filters() == {f'tap-{flow}': '5'}
    taps.api.change('tap_flow', flow, vlan_filter=None)
    taps.api.wait_status('tap_flow', flow, 'ACTIVE')
    assert taps.filters() == {f'tap-{flow}': None}


def test_a_tap_mirror_is_a_mirror_for_each_tunnel(taps):
    doc = {'id': str(uuid.uuid4()), 'source_port': taps.port(1), 'directions': {'IN': 7, 'OUT': 8},
           'remote_ip': '10.0.0.9', 'mirror_type': 'erspanv1'}
    ident = taps.api.put('tap_mirror', doc)['id']

    def there():
        return {m['name'].removeprefix(f'tap-{ident}'): (m['from_vf'], m['dir'], m['to'], m['remote'], m.get('id'),
                                                         m.get('version')) for m in taps.host.swd.call('mirror.list')}
    for change, want in (
            ({}, {'-in': (1, 'in', 'erspan', '10.0.0.9', 7, 1), '-out': (1, 'out', 'erspan', '10.0.0.9', 8, 1)}),
            ({'directions': {'OUT': 9}}, {'-out': (1, 'out', 'erspan', '10.0.0.9', 9, 1)}),
            ({'directions': {'IN': 7, 'OUT': 7}, 'mirror_type': 'gre'},
             {'': (1, 'both', 'gre', '10.0.0.9', 7, None)}),
            ({'remote_ip': '2001:db8::5'}, {'': (1, 'both', 'gre', '2001:db8::5', 7, None)})):
        if change:
            taps.api.change('tap_mirror', ident, **change)
        taps.api.wait_status('tap_mirror', ident, 'ACTIVE', 20)
        assert there() == want
    taps.api.change('tap_mirror', ident, remote_ip='224.0.0.1')
    taps.wait_error('tap_mirror', ident, '224.0.0.1 is a multicast address')
    taps.wait_mirrors({})
    taps.api.change('tap_mirror', ident, remote_ip='10.0.1.9')
    taps.wait_error('tap_mirror', ident, '[taas] collectors of anyvf.conf does not allow 10.0.1.9')
    taps.api.change('tap_mirror', ident, by_admin=True)
    taps.api.wait_status('tap_mirror', ident, 'ACTIVE', 20)
    taps.api.drop('tap_mirror', ident)
    taps.wait_mirrors({})


class Here(Netns):
    """The namespace of the tests, as one of theirs."""

    def __init__(self):
        self.name = ''

    def run(self, *argv, **kw):
        return run(*argv, **kw)


@pytest.fixture
def far(taps):
    """The host that tap mirrors name; two runs beside each other have different ones."""
    pid = os.getpid()
    made = Far(Here(), taps.host.dir, f'198.{18 + (pid >> 8 & 1)}.{pid & 255}', f'fd09:{pid & 0xffff:x}')
    yield made
    made.close()


@pytest.mark.parametrize('kind', ['erspanv1', 'gre'])
def test_a_tap_mirrors_frames_arrive_at_its_remote_host(taps, far, netns, kind):
    """Each direction of the port in its own tunnel, as tshark reads it there."""
    ns = netns()
    ports = {vf: taps.port(vf) for vf in (1, 2)}
    socks = {}
    for vf in ports:
        name = taps.host.swd.attach_tap('p2p1', vf, ns)
        wait_for(lambda name=name: 'state DOWN' not in ns.run('ip', 'link', 'show', name).stdout, what='its carrier')
        socks[vf] = ns.packet_socket(name)
    doc = taps.api.put('tap_mirror', {'id': str(uuid.uuid4()), 'source_port': ports[1], 'directions': {'IN': 7, 'OUT': 8},
                                      'remote_ip': far.addr, 'mirror_type': kind})
    taps.api.wait_status('tap_mirror', doc['id'], 'ACTIVE', 20)
    for source, to, tunnel in (1, 2, 8), (2, 1, 7), (1, 2, 8):
        dst, src = (f'fa:16:3e:aa:00:{vf:02x}' for vf in (to, source))
        sent = mac(dst) + mac(src) + ETHERTYPE.to_bytes(2, 'big') + bytes(range(60))
        socks[source].send(sent)
        assert socks[to].recv(2000) == sent
        flags, proto, rest = far.packet()
        assert (flags, proto) == {'erspanv1': (0x1000, 0x88be), 'gre': (0x2000, 0x6558)}[kind]
        assert rest.endswith(sent)
        read = far.tshark('erspan.spanid' if kind == 'erspanv1' else 'gre.key', 'eth.dst', 'eth.src')
        assert read is None or int(read[0], 0) == tunnel and [field.split(',')[1] for field in read[1:]] == [dst, src]
    for sock in socks.values():
        sock.close()


def test_what_ports_count_is_told_while_somebody_looks(taps, netns):
    ns, socks = netns(), {}
    for vf in 1, 2:
        taps.port(vf)
        name = taps.host.swd.attach_tap('p2p1', vf, ns)
        wait_for(lambda name=name: 'state DOWN' not in ns.run('ip', 'link', 'show', name).stdout, what='its carrier')
        socks[vf] = ns.packet_socket(name)
    ident = taps.api.put('watch', {'id': str(uuid.uuid4())})['id']

    def told():
        said = taps.api.reports.get(('watch', ident), {'columns': [], 'pfs': [{'name': 'p2p1', 'vfs': []}]})
        pf = said['pfs'][0]
        assert pf['name'] == 'p2p1'
        return {row[0]: dict(zip(said['columns'], row)) for row in pf['vfs']}
    wait_for(lambda: told().keys() == {1, 2}, 15, 'counters of both')
    before = told()[1]
    socks[1].send(mac('fa:16:3e:aa:00:02') + mac('fa:16:3e:aa:00:01') + ETHERTYPE.to_bytes(2, 'big') + bytes(60))
    wait_for(lambda: told()[1]['tx_packets'] > before['tx_packets'] and told()[2]['rx_bytes'], 15, 'a frame that is counted')
    assert told()[1]['link_up'] == 1
    taps.api.drop('watch', ident)
    assert all(status in (204, 409) for kind, _, _, status in taps.api.tried if kind == 'watch')
    for sock in socks.values():
        sock.close()


def test_a_switch_that_is_full_says_so(taps):
    source, target = taps.port(1), taps.port(2)
    for i in range(256):
        taps.host.swd.call('mirror.add', name=f'{HAND}{i}', from_pf='p2p1', from_vf=6, dir='in', to_pf='p2p1', to_vf=7)
    flow = taps.flow(source, target)
    taps.wait_error('tap_flow', flow, 'there are 256 mirrors already')
    taps.host.swd.call('mirror.del', name=f'{HAND}9')
    taps.api.wait_status('tap_flow', flow, 'ACTIVE')


def test_documents_that_make_no_sense_harm_nobody(taps):
    source, target = taps.port(1), taps.port(2)
    for members in {'direction': 'UP'}, {'source_port': '../x'}, {'port': 5}, {'id': 'x' * 36}:
        taps.api.put('tap_flow', {'id': str(uuid.uuid4()), 'source_port': source, 'port': target, 'direction': 'IN',
                                  'vlan_filter': None, **members})
    good = taps.flow(source, target)
    taps.api.wait_status('tap_flow', good, 'ACTIVE')
    assert f'tap-{good}' in taps.mirrors()
    for name in list(taps.api.docs['tap_flow']):
        taps.api.drop('tap_flow', name)
