# SPDX-License-Identifier: Apache-2.0
"""The agent's loop against a switch and a neutron-server that are fakes."""
import copy
import os

from networking_anyvf import agent
from networking_anyvf import host
from networking_anyvf.tests.unit import base
from networking_anyvf.tests.unit import fakes


class TestWiring(base.AgentTest):
    """From a socket to a VF and back."""

    def test_a_socket_gets_a_vf_with_the_ports_words(self):
        ident = self.boot(1, allowed_address_pairs=[{'ip_address': '10.0.0.9', 'mac_address': 'fa:16:3e:00:00:99'}],
                          profile={'trusted': 'true'}, mtu=1400)
        self.assertEqual(('p2p1', 0), self.of(ident))
        got = self.config(ident)
        want = {'mac': 'fa:16:3e:00:00:01', 'vlan': 131, 'spoofchk': True, 'trust': True, 'mtu': 1400,
                'allowed': 'fa:16:3e:00:00:99', 'state': 'auto', 'native': 0, 'port_id': ident}
        self.assertEqual(want, {word: got[word] for word in want})
        self.assertEqual({'kind': 'vhost', 'socket': f'{self.vhost}/vhu{ident[:11]}', 'client': True},
                         self.vf(0)['attach'])
        self.assertEqual([(['tap' + ident[:11]], [])], self.plugin.updates)

    def test_a_flat_network_is_untagged_frames_only(self):
        got = self.config(self.boot(1, network_type='flat', segmentation_id=None))
        self.assertEqual((0, 'none'), (got['vlan'], got['trunk']))

    def test_a_file_that_nobody_holds_is_no_port(self):
        ident = base.port_id(1)
        self.plugin.add(ident)
        self.qemu(ident)
        self.kill(ident)
        self.assertTrue(os.path.exists(f'{self.vhost}/vhu{ident[:11]}'))
        self.agent.once()
        self.assertIsNone(self.of(ident))
        self.assertEqual([], self.plugin.asked)

    def test_a_killed_guests_vf_is_free_and_its_port_down(self):
        ident = self.boot(1)
        self.kill(ident)
        self.agent.once()
        self.assertIsNone(self.of(ident))
        self.assertEqual(([], ['tap' + ident[:11]]), self.plugin.updates[-1])

    def test_what_is_wired_is_not_asked_for_again(self):
        self.boot(1)
        asked, calls = len(self.plugin.asked), len(self.switch.calls)
        self.agent.once()
        self.assertEqual(asked, len(self.plugin.asked))
        self.assertNotIn('pf.set', [method for method, _ in self.switch.calls[calls:]])

    def test_port_update_changes_the_vf(self):
        ident = self.boot(1)
        self.plugin.ports[ident].update(port_security_enabled=False, admin_state_up=False)
        self.callbacks.port_update(None, port={'id': ident})
        self.agent.once()
        self.assertEqual((False, 'disable'), (self.config(ident)['spoofchk'], self.config(ident)['state']))
        self.assertEqual(([], ['tap' + ident[:11]]), self.plugin.updates[-1])

    def test_network_update_reaches_its_ports(self):
        ident = self.boot(1)
        self.plugin.ports[ident]['mtu'] = 1300
        self.callbacks.network_update(None, network={'id': fakes.NET})
        self.agent.once()
        self.assertEqual(1300, self.config(ident)['mtu'])

    def test_what_people_set_by_hand_stays_until_the_port_changes(self):
        ident = self.boot(1)
        self.config(ident)['trust'] = True
        self.callbacks.port_update(None, port={'id': ident})
        self.agent.once()
        self.assertTrue(self.config(ident)['trust'])

    def test_a_vf_that_people_released_under_its_guest_is_wired_anew(self):
        ident = self.boot(1)
        self.switch.vf_release('p2p1', 0)
        self.agent.once()
        self.assertEqual(('p2p1', 0), self.of(ident))
        self.assertEqual(('fa:16:3e:00:00:01', 131), (self.config(ident)['mac'], self.config(ident)['vlan']))
        self.assertEqual('vhost', self.vf(0)['attach']['kind'])
        self.assertEqual((['tap' + ident[:11]], []), self.plugin.updates[-1])

    def test_a_port_deleted_behind_novas_back_frees_its_vf_under_the_guest(self):
        ident = self.boot(1)
        del self.plugin.ports[ident]
        self.callbacks.port_delete(None, port_id=ident)
        self.agent.once()
        self.assertIsNone(self.of(ident))

    def test_a_port_that_is_bound_elsewhere_frees_its_vf(self):
        ident = self.boot(1)
        del self.plugin.ports[ident]
        self.callbacks.binding_deactivate(None, port_id=ident)
        self.agent.once()
        self.assertIsNone(self.of(ident))

    def test_a_socket_before_its_port_is_asked_for_again(self):
        ident = base.port_id(1)
        self.qemu(ident)
        self.agent.once()
        self.assertIsNone(self.of(ident))
        self.plugin.add(ident)
        self.agent.once()
        self.assertIsNotNone(self.of(ident))


class TestFailures(base.AgentTest):
    """What goes wrong with one port, or with all."""

    PFS = {'p2p1': 2}

    def test_one_port_that_fails_does_not_stop_the_others(self):
        bad, good = base.port_id(1), base.port_id(2)
        self.plugin.add(bad, network_type='vxlan')
        self.plugin.add(good, mac_address='fa:16:3e:00:00:02')
        self.qemu(bad)
        self.qemu(good)
        self.agent.once()
        self.assertIsNone(self.of(bad))
        self.assertIsNotNone(self.of(good))
        self.assertEqual((['tap' + good[:11]], ['tap' + bad[:11]]), self.plugin.updates[-1])
        self.assertIn('vxlan', self.agent.describe()['refused']['tap' + bad[:11]])

    def test_a_port_with_members_missing_does_not_stop_the_others(self):
        bad, good = self.boot(1), self.boot(2)
        whole = dict(self.plugin.ports[bad])
        for member in [*whole, 'device', 'new']:
            with self.subTest(member):
                if member == 'new':
                    self.plugin.ports[bad]['one_of_the_next_version'] = {'a': [1]}
                elif member == 'device':
                    self.plugin.nameless = {'tap' + bad[:11]}
                else:
                    del self.plugin.ports[bad][member]
                for mtu in 1300, 1200:  # also the turn after
                    self.plugin.ports[good]['mtu'] = mtu
                    self.callbacks.network_update(None, network={'id': fakes.NET})
                    self.callbacks.port_update(None, port={'id': bad})
                    self.agent.once()
                    self.assertEqual(mtu, self.config(good)['mtu'])
                if member in ('mac_address', 'admin_state_up'):
                    self.assertIn(f"KeyError: '{member}'", self.agent.refused['tap' + bad[:11]])
                self.plugin.ports[bad], self.plugin.nameless = dict(whole), set()
                self.callbacks.again()
                self.agent.once()
                self.agent.once()
                self.assertEqual({}, self.agent.refused)

    def test_a_port_the_server_fails_at_does_not_stop_the_others(self):
        bad, good = base.port_id(1), base.port_id(2)
        self.plugin.add(bad)
        self.plugin.add(good)
        self.plugin.fails_at = {'tap' + bad[:11]}
        self.qemu(bad)
        self.qemu(good)
        self.agent.once()
        self.assertIsNotNone(self.of(good))
        self.assertIn('neutron-server failed', self.agent.refused['tap' + bad[:11]])
        self.plugin.fails_at = set()
        self.agent.once()
        self.assertIsNotNone(self.of(bad))
        self.assertEqual({}, self.agent.refused)

    def test_a_wired_port_the_server_fails_at_stays_and_is_asked_for_again(self):
        ident = self.boot(1)
        self.plugin.ports[ident]['mtu'] = 1300
        self.plugin.fails_at = {'tap' + ident[:11]}
        self.callbacks.port_update(None, port={'id': ident})
        self.agent.once()
        self.assertEqual(('p2p1', 0), self.of(ident))
        self.plugin.fails_at = set()
        self.agent.once()
        self.assertEqual(1300, self.config(ident)['mtu'])

    def test_an_up_that_the_server_fails_at_is_told_again(self):
        ident = base.port_id(1)
        self.plugin.add(ident)
        self.qemu(ident)
        told = self.plugin.update_device_list
        self.plugin.update_device_list = lambda _c, ups, _d, _a, _h: {'failed_devices_up': ups}
        self.agent.once()
        self.plugin.update_device_list = told
        self.agent.once()
        self.assertEqual((['tap' + ident[:11]], []), self.plugin.updates[-1])
        told = len(self.plugin.updates)
        self.agent.once()
        self.assertEqual(told, len(self.plugin.updates))

    def test_a_down_that_the_server_fails_at_is_told_again(self):
        ident = self.boot(1)
        self.plugin.fails_at = {'tap' + ident[:11]}
        self.kill(ident)
        self.agent.once()
        self.plugin.fails_at, told = set(), len(self.plugin.updates)
        self.agent.once()
        self.agent.once()
        self.assertEqual([([], ['tap' + ident[:11]])], self.plugin.updates[told:])

    def test_a_down_that_the_server_does_not_hear_is_told_again(self):
        ident = self.boot(1)
        self.plugin.fail = TimeoutError('no answer')
        self.kill(ident)
        self.agent.turn(self.now + 60)
        self.assertIsNone(self.of(ident))
        self.plugin.fail = None
        self.agent.turn(self.now + 60)
        self.assertEqual(([], ['tap' + ident[:11]]), self.plugin.updates[-1])

    def test_a_switch_of_another_version_is_told_in_each_heartbeat(self):
        ident = self.boot(1)
        for where, word in (('status', 'kind'), ('config', 'mtu'), ('vfs', 'config'), ('vfs', 'vf'), ('', 'vfs')):
            with self.subTest(where + word):
                def pf_get(pf, vfs=False, where=where, word=word):
                    info = copy.deepcopy(fakes.FakeSwitch.pf_get(self.switch, pf, vfs))
                    of = {'vfs': info['vfs'][0], '': info}.get(where) or info[where]
                    del of[word]
                    return info
                self.switch.pf_get, told = pf_get, len(self.plugin.updates)
                self.agent.turn(self.now + 60)
                self.agent.report()
                self.now += 11
                self.agent.report()
                said = self.reports.states[-1]['configurations']
                self.assertEqual({}, said['devices'])
                self.assertIn(f"answers in words of another version: pf.get: KeyError: '{word}'", said['error'])
                self.assertEqual(told, len(self.plugin.updates))
                del self.switch.pf_get
                self.agent.turn(self.now + 60)
                self.agent.report()
                self.assertEqual('', self.reports.states[-1]['configurations']['error'])
        self.assertEqual(('p2p1', 0), self.of(ident))

    def test_a_port_whose_pf_is_removed_is_down(self):
        ident = self.boot(1)
        del self.switch.pfs['p2p1']
        self.agent.turn(self.now + 60)
        self.assertEqual(([], ['tap' + ident[:11]]), self.plugin.updates[-1])
        self.assertEqual('no PF serves physnet1', self.agent.refused['tap' + ident[:11]])
        self.assertEqual('not there: p2p1', self.agent.describe()['error'])

    def test_without_a_free_vf_the_reason_is_told_and_later_it_works(self):
        first, second, third = self.boot(1), self.boot(2), self.boot(3)
        self.assertIsNone(self.of(third))
        self.assertEqual('no VF of p2p1 is free', self.agent.refused['tap' + third[:11]])
        self.kill(first)
        self.agent.once()
        self.agent.once()
        self.assertIsNotNone(self.of(third))
        self.assertIsNotNone(self.of(second))
        self.assertEqual({}, self.agent.refused)

    def test_a_vf_whose_attach_fails_is_free_again(self):
        self.switch.refuse['vf.attach'] = 'no such directory'
        ident = self.boot(1)
        self.assertIsNone(self.of(ident))
        self.assertIn('no such directory', self.agent.refused['tap' + ident[:11]])
        del self.switch.refuse['vf.attach']
        self.agent.once()
        self.assertEqual('vhost', self.vf(self.of(ident)[1])['attach']['kind'])

    def test_an_mtu_above_the_pfs_is_refused_in_the_switchs_words(self):
        ident = self.boot(1, mtu=9000)
        self.assertIn('mtu', self.agent.refused['tap' + ident[:11]])
        self.assertIsNone(self.of(ident))

    def test_if_the_server_does_not_hear_all_is_told_again(self):
        ident = base.port_id(1)
        self.plugin.add(ident)
        self.qemu(ident)
        self.plugin.fail = TimeoutError('no answer')
        self.agent.turn(self.now + 60)
        self.plugin.fail = None
        self.agent.turn(self.now + 60)
        self.assertEqual(['tap' + ident[:11]], self.plugin.updates[-1][0])

    def test_without_a_switch_the_agent_says_so_and_goes_on_when_it_is_back(self):
        ident = base.port_id(1)
        self.plugin.add(ident)
        self.qemu(ident)
        self.agent.describe()
        self.switch.refuse['pf.list'] = 'it is being started'
        self.now += 100
        self.agent.turn(self.now + 60)
        self.assertIn('being started', self.agent.describe()['error'])
        self.assertEqual(['p2p1'], list(self.agent.describe()['devices']))
        self.now += 11
        self.assertEqual({}, self.agent.describe()['devices'])
        del self.switch.refuse['pf.list']
        self.agent.turn(self.now + 60)
        self.assertIsNotNone(self.of(ident))


class TestRestarts(base.AgentTest):
    """Nothing is remembered but in the switch."""

    def test_a_new_agent_finds_its_vfs(self):
        ident = self.boot(1)
        self.agent = self.make_agent()
        self.agent.once()
        self.assertEqual(('p2p1', 0), self.of(ident))
        self.assertEqual((['tap' + ident[:11]], []), self.plugin.updates[-1])

    def test_a_guest_that_went_meanwhile_frees_its_vf(self):
        ident = self.boot(1)
        self.kill(ident)
        self.agent = self.make_agent()
        self.agent.once()
        self.assertIsNone(self.of(ident))
        self.assertEqual(([], ['tap' + ident[:11]]), self.plugin.updates[-1])

    def test_an_agent_that_died_between_set_and_attach_goes_on(self):
        ident = base.port_id(1)
        self.plugin.add(ident)
        self.vf(0)['config']['port_id'] = ident
        self.qemu(ident)
        self.agent.once()
        self.assertEqual(('p2p1', 0), self.of(ident))
        self.assertEqual('vhost', self.vf(0)['attach']['kind'])

    def test_vfs_of_others_are_left_alone(self):
        self.vf(0)['config'].update(port_id=base.port_id(7), server='of-anyvf-agentd')
        self.vf(1)['attach'].update(kind='vhost', socket='/run/other.sock')
        self.vf(1)['config']['port_id'] = base.port_id(8)
        self.agent.once()
        self.assertEqual((base.port_id(7), base.port_id(8)),
                         (self.vf(0)['config']['port_id'], self.vf(1)['config']['port_id']))
        self.assertEqual(('p2p1', 2), self.of(self.boot(1)))

    def test_a_server_that_gave_us_up_makes_us_look_at_everything(self):
        self.boot(1)
        self.callbacks.take()
        self.reports.answer = 'revived'
        self.agent.report()
        self.assertTrue(self.callbacks.take().everything)

    def test_a_heartbeat_that_fails_makes_us_look_at_everything(self):
        self.callbacks.take()
        self.reports.fail = TimeoutError('no answer')
        self.agent.report()
        self.assertTrue(self.callbacks.take().everything)

    def test_a_message_that_was_lost_is_made_up_for(self):
        ident = self.boot(1)
        self.agent.turn(due=0)
        self.plugin.ports[ident]['port_security_enabled'] = False
        self.agent.turn(due=0)
        self.agent.turn(due=self.now + 60)
        self.assertFalse(self.config(ident)['spoofchk'])

    def test_a_lost_message_of_a_trunk_is_made_up_for(self):
        ident = self.boot(1)
        self.agent.turn(due=0)
        self.plugin.ports[ident]['trunk_details'] = {'sub_ports': [{'segmentation_id': 9}]}
        self.agent.turn(due=0)
        asked = len(self.plugin.asked)
        self.agent.turn(due=self.now + 60)
        self.assertEqual([['tap' + ident[:11]]], self.plugin.asked[asked:])

    def test_a_lost_message_of_a_networks_mtu_is_made_up_for(self):
        ident = self.boot(1)
        self.plugin.ports[ident]['mtu'] = 1300
        self.callbacks.take()
        for _ in range(agent.THOROUGH):
            self.assertEqual(1500, self.config(ident)['mtu'])
            self.agent.turn(due=0)
        self.agent.turn(due=self.now + 60)
        self.assertEqual(1300, self.config(ident)['mtu'])

    def test_a_lost_delete_is_made_up_for(self):
        ident = self.boot(1)
        self.agent.turn(due=0)
        del self.plugin.ports[ident]
        self.agent.turn(due=0)
        self.agent.turn(due=self.now + 60)
        self.assertIsNone(self.of(ident))

    def test_files_of_killed_guests_are_swept(self):
        ident = base.port_id(1)
        self.qemu(ident)
        self.kill(ident)
        path = f'{self.vhost}/vhu{ident[:11]}'
        self.host.sweep()
        self.assertTrue(os.path.exists(path))
        os.utime(path, (0, 0))
        self.host.sweep()
        self.assertFalse(os.path.exists(path))


class TestServicePorts(base.AgentTest):
    """Taps of DHCP and L3 agents."""

    def setUp(self):
        super().setUp()
        self.ident = base.port_id(1)
        self.name = 'qr-' + self.ident[:11]
        self.switch.svcs = [{'pf': 'p2p1', 'name': self.name, 'vlan': 0}]

    def test_a_service_port_is_up_and_in_the_vlan_of_its_network(self):
        self.plugin.add(self.ident, device_owner='network:router_interface')
        self.agent.once()
        self.assertEqual((['tap' + self.ident[:11]], []), self.plugin.updates[-1])
        self.assertEqual(131, self.switch.svcs[0]['vlan'])

    def test_a_stale_one_is_removed_but_not_at_once(self):
        self.agent.once()
        self.assertEqual(1, len(self.switch.svcs))
        self.now += 31
        self.agent.once()
        self.assertEqual([], self.switch.svcs)

    def test_one_that_is_on_another_host_now_is_removed_but_not_at_once(self):
        for owner, left in ('network:router_interface', 0), ('network:dhcp', 0), \
                ('network:ha_router_replicated_interface', 1), ('network:router_interface_distributed', 1):
            with self.subTest(owner):
                self.plugin.elsewhere = set()
                self.switch.svcs = [{'pf': 'p2p1', 'name': self.name, 'vlan': 0}]
                self.plugin.add(self.ident, device_owner=owner)
                self.agent.turn(due=0)
                self.now += 60
                self.agent.turn(due=0)
                self.plugin.elsewhere = {self.ident}
                self.agent.turn(due=0)
                self.assertEqual(1, len(self.switch.svcs))
                self.now += 60
                self.agent.turn(due=0)
                self.assertEqual(left, len(self.switch.svcs))
                self.agent.turn(due=self.now + 60)
                self.assertEqual({}, self.agent.elsewhere)

    def test_one_that_its_agent_removed_first_is_no_error(self):
        self.host.release(host.Place('service', 'p2p1', name='tap00000009-00'))

    def test_an_admins_own_service_port_stays(self):
        self.switch.svcs = [{'pf': 'p2p1', 'name': 'tapmine', 'vlan': 0}]
        self.agent.once()
        self.now += 31
        self.agent.once()
        self.assertEqual(1, len(self.switch.svcs))
        self.assertEqual([], self.plugin.asked)


class TestSeveralPfs(base.AgentTest):
    """A physical network with two PFs, and VFs that are Nova's to lease."""

    PFS = {'p2p1': 3, 'p3p1': 4}
    MAPPINGS = {'physnet1': ['p2p1', 'p3p1']}
    DIRECT = 1

    def test_ports_spread_over_the_pfs(self):
        places = {self.of(self.boot(n)) for n in range(1, 6)}
        self.assertEqual({('p2p1', 1), ('p2p1', 2), ('p3p1', 1), ('p3p1', 2), ('p3p1', 3)}, places)

    def test_novas_choice_is_kept(self):
        slot = 'a' + self.vf(0, 'p3p1')['status']['pci_slot'][1:]
        self.switch.pfs['p2p1'] = []  # in the fake both PFs have the same slots
        self.assertEqual(('p3p1', 0), self.of(self.boot(1, profile={'pci_slot': slot})))

    def test_novas_choice_that_is_in_use_is_refused_by_name(self):
        self.vf(0)['attach']['kind'] = 'tap'
        ident = self.boot(1, profile={'pci_slot': 'a000:05:10.0'})
        self.assertEqual('p2p1 vf 0 (a000:05:10.0) is in use: tap', self.agent.refused['tap' + ident[:11]])

    def test_a_slot_of_nobodys_is_refused(self):
        ident = self.boot(1, profile={'pci_slot': '0000:05:10.0'})
        self.assertIn('has PCI slot 0000:05:10.0', self.agent.refused['tap' + ident[:11]])


class TestHardware(base.AgentTest):
    """PFs of NICs, in place of neutron-sriov-nic-agent."""

    MAPPINGS = {'physnet1': ['eth1']}

    def make_hardware(self):
        return fakes.FakeSwitch('hw', {'eth1': 4})

    def test_a_vf_with_a_mac_gets_what_the_sriov_agent_would_set(self):
        mac, vf = 'fa:16:3e:00:00:01', self.hardware.pfs['eth1'][2]
        vf['config']['mac'] = mac
        ident = base.port_id(1)
        self.plugin.add(ident, mac_address=mac, port_security_enabled=False)
        self.agent.once()
        device = [mac, vf['status']['pci_slot']]
        self.assertEqual([[device]], self.plugin.asked)
        self.assertEqual(([device], []), self.plugin.updates[-1])
        self.assertEqual((False, 'enable'), (vf['config']['spoofchk'], vf['config']['state']))
        sets = [params for method, params in self.hardware.calls if method == 'pf.set']
        self.assertEqual({'spoofchk', 'state'}, set(sets[0]['vfs'][0]['set']))
        vf['config']['mac'] = '00:00:00:00:00:00'
        self.agent.once()
        self.assertEqual(([], [device]), self.plugin.updates[-1])

    def test_what_an_extension_failed_at_is_told_as_long_as_the_vf_is_there(self):
        def fail(_context, _details):
            raise ValueError('no such policy')
        self.agent.extensions = fakes.Words(handle_port=fail, delete_port=fail)
        vf = self.hardware.pfs['eth1'][2]
        vf['config']['mac'] = 'fa:16:3e:00:00:01'
        self.plugin.add(base.port_id(1))
        for _ in range(2):
            self.agent.once()
            self.assertIn('no such policy', ' '.join(self.agent.describe()['refused'].values()))
        vf['config']['mac'] = '00:00:00:00:00:00'
        self.agent.once()
        self.assertEqual({}, self.agent.refused)

    def test_a_vf_the_server_fails_at_does_not_stop_the_others(self):
        for n in 1, 2:
            self.hardware.pfs['eth1'][n]['config']['mac'] = f'fa:16:3e:00:00:0{n}'
            self.plugin.add(base.port_id(n), mac_address=f'fa:16:3e:00:00:0{n}', port_security_enabled=False)
        bad, good = (('fa:16:3e:00:00:01', self.hardware.pfs['eth1'][1]['status']['pci_slot']),
                     ['fa:16:3e:00:00:02', self.hardware.pfs['eth1'][2]['status']['pci_slot']])
        self.plugin.fails_at = {bad}
        self.agent.once()
        self.assertFalse(self.hardware.pfs['eth1'][2]['config']['spoofchk'])
        self.assertTrue(self.hardware.pfs['eth1'][1]['config']['spoofchk'])
        self.assertEqual(([good], []), self.plugin.updates[-1])
        self.plugin.fails_at = set()
        self.agent.once()
        self.assertFalse(self.hardware.pfs['eth1'][1]['config']['spoofchk'])

    def test_beside_the_sriov_agent_nothing_is_written(self):
        self.host.hardware = False
        self.hardware.pfs['eth1'][2]['config']['mac'] = 'fa:16:3e:00:00:01'
        self.agent.once()
        self.assertEqual([], self.plugin.asked)

    def test_ports_stay_up_while_the_switch_restarts_beside_the_nics_daemon(self):
        self.host.mappings = {'physnet1': ['eth1', 'p2p1']}
        ident = self.boot(1)
        self.agent.report()
        told, said = list(self.plugin.updates), self.reports.states[-1]['configurations']
        os.rename(self.daemons.dir + '/swd.sock', self.daemons.dir + '/away')
        self.agent.turn(self.now + 60)
        self.assertEqual(told, self.plugin.updates)
        self.agent.report()
        self.assertEqual(said['devices'], self.reports.states[-1]['configurations']['devices'])
        self.now += 11
        self.agent.turn(self.now + 60)
        self.assertEqual(([], ['tap' + ident[:11]]), self.plugin.updates[-1])
        self.agent.report()
        self.assertEqual(['eth1'], list(self.reports.states[-1]['configurations']['devices']))
        os.rename(self.daemons.dir + '/away', self.daemons.dir + '/swd.sock')
        self.agent.turn(self.now + 60)
        self.assertEqual((['tap' + ident[:11]], []), self.plugin.updates[-1])

    def test_a_pf_that_is_removed_is_gone_at_once(self):
        self.host.mappings = {'physnet1': ['eth1', 'p2p1']}
        ident = self.boot(1)
        del self.switch.pfs['p2p1']
        self.agent.turn(self.now + 60)
        self.assertEqual(([], ['tap' + ident[:11]]), self.plugin.updates[-1])

    def test_what_is_reported_of_a_nic(self):
        self.assertEqual({'eth1': {'kind': 'hw', 'mtu': 1500, 'pci_slots': [
            '0000:05:10.0', '0000:05:10.2', '0000:05:10.4', '0000:05:10.6']}}, self.host.describe()['devices'])


class TestTrunks(base.AgentTest):
    """Trunks: tags that are their networks' own."""

    def trunk(self, parent, *tags):
        """A trunk with a subport a tag."""
        subs = [fakes.Words(port_id=base.port_id(100 + tag), segmentation_id=tag, trunk_id='t') for tag in tags]
        self.trunks.trunks[parent] = fakes.Words(id='t', port_id=parent, sub_ports=subs)
        for tag in tags:
            self.plugin.add(base.port_id(100 + tag), segmentation_id=tag, mac_address=f'fa:16:3e:01:00:{tag:02x}')

    def test_a_trunk_is_native_and_tags_and_the_subports_addresses(self):
        self.trunk(base.port_id(1), 20, 10)
        got = self.config(self.boot(1))
        self.assertEqual((0, 131, '10,20', 'fa:16:3e:01:00:0a,fa:16:3e:01:00:14'),
                         (got['vlan'], got['native'], got['trunk'], got['allowed']))
        self.assertEqual([('t', False)], self.trunks.told)
        self.assertEqual({'tap' + base.port_id(n)[:11] for n in (1, 110, 120)}, set(self.plugin.updates[-1][0]))

    def test_a_tag_that_would_have_to_be_translated_is_refused_by_name(self):
        self.trunk(base.port_id(1), 20)
        self.plugin.ports[base.port_id(120)]['segmentation_id'] = 21
        ident = self.boot(1)
        self.assertIn(f'subport {base.port_id(120)} has segmentation id 20, its network has 21',
                      self.agent.refused['tap' + ident[:11]])
        self.assertEqual([('t', True)], self.trunks.told)

    def test_200_subports_with_addresses_of_their_own_are_refused(self):
        self.trunk(base.port_id(1), *range(1, 201))
        ident = self.boot(1)
        self.assertIn('200 further MAC addresses', self.agent.refused['tap' + ident[:11]])
        self.assertIsNone(self.of(ident))

    def test_200_subports_with_their_parents_address_are_none_too_many(self):
        self.trunk(base.port_id(1), *range(1, 201))
        for details in self.plugin.ports.values():
            details['mac_address'] = 'fa:16:3e:00:00:01'
        self.assertEqual('none', self.config(self.boot(1))['allowed'])


class TestExtensions(base.AgentTest):
    """QoS and TaaS hear of ports; what they fail at costs no port."""

    def test_they_hear_of_a_port_and_of_its_end(self):
        heard = []
        self.agent.extensions = fakes.Words(handle_port=lambda _, d: heard.append(('handle', d['port_id'])),
                                            delete_port=lambda _, d: heard.append(('delete', d['port_id'])))
        ident = self.boot(1)
        self.kill(ident)
        self.agent.once()
        self.assertEqual([('handle', ident), ('delete', ident)], heard)

    def test_one_that_fails_is_told_and_the_port_is_up(self):
        def fail(_context, _details):
            raise ValueError('no such policy')
        self.agent.extensions = fakes.Words(handle_port=fail)
        ident = self.boot(1)
        self.assertEqual((['tap' + ident[:11]], []), self.plugin.updates[-1])
        self.assertIn('no such policy', self.agent.refused['tap' + ident[:11]])
