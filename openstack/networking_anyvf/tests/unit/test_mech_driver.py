# SPDX-License-Identifier: Apache-2.0
"""What is bound, as what, and what is refused with which reason."""
import unittest
from unittest import mock

from neutron.plugins.ml2.drivers import mech_agent

from networking_anyvf import AGENT_TYPE
from networking_anyvf import mech_driver
from networking_anyvf.tests.unit import fakes

VLAN = {'id': 'seg', 'network_type': 'vlan', 'physical_network': 'physnet1', 'segmentation_id': 131}
FLAT = {'id': 'seg', 'network_type': 'flat', 'physical_network': 'physnet1', 'segmentation_id': None}
SOFTWARE = {'device_mappings': {'physnet1': ['p2p1']}, 'vhostuser_socket_dir': '/run/anyvf-qemu',
            'devices': {'p2p1': {'kind': 'sw', 'mtu': 1500, 'free': 3, 'vfs': 8}}, 'error': ''}
HARDWARE = {'device_mappings': {'physnet1': ['eth1']}, 'vhostuser_socket_dir': '/run/anyvf-qemu',
            'devices': {'eth1': {'kind': 'hw', 'mtu': 1500, 'pci_slots': ['0000:05:10.0']}}, 'error': ''}
SLOT = {'pci_slot': '0000:05:10.0'}


class TestBinding(unittest.TestCase):
    """One port, one agent, one segment."""

    def setUp(self):
        super().setUp()
        self.driver = mech_driver.AnyvfMechanismDriver()

    def bind(self, conf, segment=None, alive=True, **port):
        """As ML2 does it; the binding, and what was logged."""
        context = fakes.FakePortContext(**port)
        context.current['fixed_ips'] = []
        context.segments_to_bind = [segment or VLAN]
        context.agents = [{'alive': alive, 'host': 'ref1', 'configurations': conf}]
        with mock.patch.object(mech_driver.LOG, 'warning') as warning:
            self.driver.bind_port(context)
        said = ' '.join(str(call.args[0] % call.args[1:]) for call in warning.call_args_list)
        return context.bound, said

    def refused(self, words, conf, *args, **port):
        """Not bound, for a reason with these words in it."""
        bound, said = self.bind(conf, *args, **port)
        self.assertIsNone(bound)
        self.assertIn(words, said)

    def test_a_normal_port_on_a_software_pf_is_vhostuser(self):
        self.assertEqual(('seg', 'vhostuser', {
            'vhostuser_mode': 'server', 'vhostuser_socket': '/run/anyvf-qemu/vhuaaaaaaaa-bb',
            'port_filter': False, 'connectivity': 'l2'}), self.bind(SOFTWARE)[0])

    def test_a_flat_network_and_every_vnic_type(self):
        for vnic in 'normal', 'direct', 'virtio-forwarder':
            profile = {} if vnic == 'normal' else {'pci_slot': 'a000:05:10.0'}
            self.assertEqual('vhostuser', self.bind(SOFTWARE, FLAT, vnic=vnic, profile=profile)[0][1])

    def test_a_direct_port_on_a_nic_is_hw_veb_with_its_vlan(self):
        self.assertEqual(('seg', 'hw_veb', {'vlan': '131', 'port_filter': False, 'connectivity': 'l2'}),
                         self.bind(HARDWARE, vnic='direct', profile=SLOT)[0])

    def test_a_dhcp_port_is_its_interface_drivers(self):
        self.assertEqual('tap', self.bind(SOFTWARE, owner='network:dhcp')[0][1])

    def test_dhcp_on_a_nic_alone_is_refused(self):
        self.refused('need a software PF', HARDWARE, owner='network:dhcp')

    def test_a_dead_agent_binds_nothing(self):
        bound, _ = self.bind(SOFTWARE, alive=False)
        self.assertIsNone(bound)

    def test_an_overlay_network_is_refused(self):
        self.refused('vxlan is neither flat nor vlan', SOFTWARE, {**VLAN, 'network_type': 'vxlan'})

    def test_a_physical_network_without_a_pf_is_refused(self):
        self.refused('no PF serves it', SOFTWARE, {**VLAN, 'physical_network': 'physnet2'})

    def test_an_agent_without_a_switch_is_refused_in_its_own_words(self):
        self.refused('swd.sock: No such file', {**SOFTWARE, 'devices': {}, 'error': 'swd.sock: No such file'})

    def test_a_full_pf_is_refused(self):
        full = {**SOFTWARE, 'devices': {'p2p1': {'kind': 'sw', 'mtu': 1500, 'free': 0}}}
        self.refused('no VF of p2p1 is free', full)

    def test_a_direct_port_on_a_full_pf_is_novas_business(self):
        full = {**SOFTWARE, 'devices': {'p2p1': {'kind': 'sw', 'mtu': 1500, 'free': 0}}}
        self.assertIsNotNone(self.bind(full, vnic='direct', profile={'pci_slot': 'a000:05:10.0'})[0])

    def test_an_mtu_above_the_pfs_is_refused(self):
        self.refused('MTU 9000 is above that of p2p1', SOFTWARE, mtu=9000)

    def test_a_direct_port_that_nova_gave_no_device_is_refused(self):
        self.refused('anyvf-nova-compute', SOFTWARE, vnic='direct')

    def test_a_direct_port_with_somebody_elses_device_is_refused(self):
        self.refused('PCI slot 0000:81:00.1 is none of eth1', HARDWARE, vnic='direct',
                     profile={'pci_slot': '0000:81:00.1'})

    def test_a_normal_port_on_a_nic_alone_is_refused(self):
        self.refused('of vnic_type direct', HARDWARE)

    def test_of_two_pfs_one_with_room_is_enough(self):
        both = {**SOFTWARE, 'device_mappings': {'physnet1': ['p2p1', 'p3p1']},
                'devices': {'p2p1': {'kind': 'sw', 'mtu': 1500, 'free': 0},
                            'p3p1': {'kind': 'sw', 'mtu': 1500, 'free': 1}}}
        self.assertIsNotNone(self.bind(both)[0])

    def test_an_agent_of_another_version_with_fewer_members_binds_or_is_refused_but_breaks_nothing(self):
        self.refused('no PF serves it', {})
        self.refused('no PF serves it', {'device_mappings': None})
        old = {**SOFTWARE, 'devices': {'p2p1': {}}}
        self.assertIsNotNone(self.bind(old)[0])

    def test_vlan_transparency_is_refused(self):
        self.assertFalse(self.driver.check_vlan_transparency(None))

    def test_a_subport_with_its_networks_tag_is_bound_and_another_refused(self):
        with mock.patch('neutron.objects.trunk.SubPort.get_object') as get:
            get.return_value = fakes.Words(segmentation_id=131)
            self.assertIsNotNone(self.bind(SOFTWARE, owner='trunk:subport')[0])
            get.return_value = fakes.Words(segmentation_id=5)
            self.refused('segmentation id 5', SOFTWARE, owner='trunk:subport')

    def test_qos_and_trunk_plugins_get_a_driver(self):
        with mock.patch('networking_anyvf.qos.base.DriverBase') as rules:
            self.driver.initialize()
            self.driver.initialize()
        rules.assert_called_once()
        self.assertEqual({'bandwidth_limit', 'minimum_bandwidth'}, set(rules.call_args.kwargs['supported_rules']))


class TestHosts(unittest.TestCase):
    """Which hosts a network reaches, as ML2 asks beside other drivers."""

    AGENTS = [{'host': host, 'agent_type': kind, 'configurations': conf} for host, kind, conf in (
        ('ref1', AGENT_TYPE, SOFTWARE), ('ref2', AGENT_TYPE, {**SOFTWARE, 'device_mappings': {'physnet2': ['p2p1']}}),
        ('ref3', AGENT_TYPE, {}), ('ref4', 'Open vSwitch agent', SOFTWARE))]

    def hosts(self, **segment):
        """Of all four, and of those the test's agents are asked for."""
        def getter(_, filters):
            return [a for a in self.AGENTS if all(a[word] in values for word, values in filters.items())]
        return mech_driver.AnyvfMechanismDriver().filter_hosts_with_segment_access(
            None, [{**VLAN, 'physical_network': 'physnet9'}, {**VLAN, **segment}], {'ref1', 'ref2', 'ref3', 'ref4'},
            getter)

    def test_a_network_is_on_hosts_whose_agent_maps_its_physical_network(self):
        self.assertEqual({'ref1'}, self.hosts())
        self.assertEqual({'ref1'}, self.hosts(network_type='flat'))
        self.assertEqual({'ref2'}, self.hosts(physical_network='physnet2'))
        self.assertEqual(set(), self.hosts(network_type='vxlan'))

    def test_anothers_agent_serves_no_segment_of_ours(self):
        driver = mech_driver.AnyvfMechanismDriver()
        self.assertEqual([True, False, False, False], [driver.check_segment_for_agent(VLAN, a) for a in self.AGENTS])

    def test_ml2_sees_that_this_driver_filters(self):
        self.assertTrue(mech_driver.AnyvfMechanismDriver().is_host_filtering_supported())


class TestStatus(unittest.TestCase):
    """What keeps a port from ACTIVE until its agent has wired it."""

    def blocked(self, was, status, original_host='ref1', **port):
        """Whether a change of a port's status leaves a block of the L2 agent's."""
        context = fakes.FakePortContext(**port)
        context.agents = [{'alive': True, 'host': 'ref1', 'configurations': SOFTWARE}]
        context.original_host, context.original = original_host, {'status': was}
        context.current['status'] = status
        with mock.patch.object(mech_agent.provisioning_blocks, 'add_provisioning_component') as add:
            mech_driver.AnyvfMechanismDriver().update_port_precommit(context)
        self.assertTrue(all(call.args[1:] == (context.current['id'], 'port', 'L2') for call in add.call_args_list))
        return add.called

    def test_a_port_whose_vf_is_gone_waits_for_its_agent(self):
        self.assertTrue(self.blocked('ACTIVE', 'DOWN'))

    def test_what_changes_no_status_waits_for_nobody(self):
        for was, status in ('DOWN', 'DOWN'), ('DOWN', 'ACTIVE'), ('ACTIVE', 'ACTIVE'):
            self.assertFalse(self.blocked(was, status))

    def test_a_port_that_comes_to_a_host_waits_for_its_agent(self):
        self.assertTrue(self.blocked('DOWN', 'DOWN', original_host=''))
