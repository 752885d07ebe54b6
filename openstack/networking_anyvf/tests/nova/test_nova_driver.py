# SPDX-License-Identifier: Apache-2.0
"""What Nova's driver of ours adds. In a process of its own: Nova and Neutron both have an option service-type."""
import os
import unittest
from unittest import mock

from oslo_config import cfg
from oslo_serialization import jsonutils
from oslo_utils import importutils

from networking_anyvf import control
from networking_anyvf import nova_compute
from networking_anyvf import nova_driver
from networking_anyvf import nova_slot
from networking_anyvf.tests.unit import fakes


class TestNova(unittest.TestCase):
    """PCI inventory, guests' memory, interfaces."""

    def test_vfs_are_in_a_pci_domain_of_their_own(self):
        got = nova_driver.pci_devices('p2p1', fakes.FakeSwitch(pfs={'p2p1': 4}).pf_get('p2p1', vfs=True), 2)
        self.assertEqual(['a000:05:00.0', 'a000:05:10.0', 'a000:05:10.2'], [d['address'] for d in got])
        self.assertEqual({'a000:05:00.0'}, {d['parent_addr'] for d in got[1:]})
        self.assertEqual('a000:05:10.0', nova_slot('0000:05:10.0'))

    def test_vfs_stay_in_the_inventory_while_the_switch_restarts_but_not_for_ever(self):
        switch, now = fakes.FakeSwitch(pfs={'p2p1': 4}), [1000]
        daemons = fakes.Daemons(switch)
        self.addCleanup(daemons.close)
        cfg.CONF.set_override('direct_vfs', 2, 'anyvf')
        self.addCleanup(cfg.CONF.clear_override, 'direct_vfs', 'anyvf')
        pfs = nova_driver.SoftwarePfs(control.Control(daemons.dir), clock=lambda: now[0])
        there = pfs.devices('p2p1')
        self.assertEqual(3, len(there))
        self.assertEqual([], pfs.devices('eth1'))
        os.rename(daemons.dir + '/swd.sock', daemons.dir + '/away')
        now[0] += 60
        self.assertEqual(there, pfs.devices('p2p1'))
        now[0] += 300
        self.assertEqual([], pfs.devices('p2p1'))
        os.rename(daemons.dir + '/away', daemons.dir + '/swd.sock')
        self.assertEqual(there, pfs.devices('p2p1'))
        del switch.pfs['p2p1']
        self.assertEqual([], pfs.devices('p2p1'))

    def test_guests_memory_is_a_shared_memfd_unless_it_is_shared_already(self):
        ours = nova_driver.LibvirtDriver.__new__(nova_driver.LibvirtDriver)
        name = 'nova.virt.libvirt.driver.LibvirtDriver._get_guest_memory_backing_config'
        with mock.patch(name, return_value=None):
            xml = ours._get_guest_memory_backing_config().to_xml()
        self.assertIn('<source type="memfd"/>', xml)
        self.assertIn('<access mode="shared"/>', xml)
        there = mock.Mock(hugepages=['1G'])
        with mock.patch(name, return_value=there):
            self.assertIs(there, ours._get_guest_memory_backing_config())

    def test_the_program_is_nova_compute_with_a_driver_that_nova_can_load(self):
        with mock.patch.object(nova_compute.compute, 'main', return_value=7) as main:
            self.assertEqual(7, nova_compute.main())
        main.assert_called_once_with()
        with mock.patch.object(nova_driver.LibvirtDriver, '__init__', return_value=None):
            loaded = importutils.import_object_ns('nova.virt', 'anyvf.LibvirtDriver')
        self.assertIsInstance(loaded, nova_driver.LibvirtDriver)

    def test_software_vfs_are_among_the_devices_of_novas_driver_which_still_asks_for_them(self):
        ours = nova_driver.LibvirtDriver.__new__(nova_driver.LibvirtDriver)
        ours.software = mock.Mock(devices=lambda pf: [{'address': f'of {pf}'}])
        cfg.CONF.set_override('physical_device_mappings', ['physnet1:p2p1', 'physnet2:p2p1', 'physnet2:p3p1'], 'anyvf')
        self.addCleanup(cfg.CONF.clear_override, 'physical_device_mappings', 'anyvf')
        name = 'nova.virt.libvirt.driver.LibvirtDriver._get_pci_passthrough_devices'
        with mock.patch(name, return_value='[{"address": "0000:81:00.0"}]'):  # fails where Nova has no such method
            got = ours._get_pci_passthrough_devices()
        self.assertEqual(['0000:81:00.0', 'of p2p1', 'of p3p1'], [d['address'] for d in jsonutils.loads(got)])

    def test_a_direct_port_on_a_software_vf_is_configured_as_a_normal_one(self):
        for kind, vnic, want in (('vhostuser', 'direct', 'normal'), ('hw_veb', 'direct', 'direct')):
            vif = nova_driver.network_model.VIF(type=kind, vnic_type=vnic)
            name = 'nova.virt.libvirt.vif.LibvirtGenericVIFDriver.get_config'
            with mock.patch(name) as nova:
                nova_driver.VIFDriver.__new__(nova_driver.VIFDriver).get_config(None, vif)
            self.assertEqual(want, nova.call_args.args[1]['vnic_type'])
