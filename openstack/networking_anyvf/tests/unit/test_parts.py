# SPDX-License-Identifier: Apache-2.0
"""The parts around the loop: control socket, inotify, interface driver, QoS, TaaS, trunk RPC."""
import errno
import os
import socket
import subprocess
import sys
import threading
import unittest
from unittest import mock

from neutron.agent.l2.extensions import qos as qos_extension
from neutron.api.rpc.callbacks.consumer import registry
from neutron.api.rpc.callbacks import resources
from oslo_config import cfg
import oslo_messaging

from networking_anyvf import agent
from networking_anyvf import config
from networking_anyvf import control
from networking_anyvf import events
from networking_anyvf import interface
from networking_anyvf import qos_agent
from networking_anyvf.tests.unit import base
from networking_anyvf.tests.unit import fakes
from networking_anyvf import translate
from networking_anyvf import trunk_agent
from networking_anyvf import watch

try:
    from networking_anyvf import taas
except ImportError:
    taas = None


class TestControl(base.HostTest):
    """The control socket."""

    def make_hardware(self):
        return fakes.FakeSwitch('hw', {'eth1': 1})

    def test_a_pf_is_asked_for_where_it_is(self):
        self.assertEqual({'p2p1': 'swd.sock', 'eth1': 'hwd.sock'}, self.ctl.pfs())
        self.assertEqual('hw', self.ctl.pf('eth1')['status']['kind'])

    def test_a_refusal_has_the_daemons_words(self):
        with self.assertRaisesRegex(control.ControlError, 'unknown words') as e:
            self.ctl.set_vf('p2p1', 0, nonsense=1)
        self.assertEqual(-22, e.exception.code)

    def test_no_daemon_is_an_error_with_its_path(self):
        with self.assertRaisesRegex(control.ControlError, '/nowhere/swd.sock'):
            control.Control('/nowhere').pfs()

    def test_one_daemon_of_two_is_enough(self):
        os.unlink(self.daemons.dir + '/swd.sock')
        self.assertEqual({'eth1': 'hwd.sock'}, self.ctl.pfs())

    def test_no_pf_is_no_error_if_a_daemon_says_so(self):
        os.unlink(self.daemons.dir + '/hwd.sock')
        self.switch.pfs.clear()
        self.assertEqual({}, self.ctl.pfs())

    def test_words_of_another_version_are_an_error(self):
        self.switch.svcs = [{'pf': 'p2p1', 'title': 'tap1'}]
        self.switch.pf_list = lambda: 4
        for call in self.ctl.services, lambda: control.Control(self.daemons.dir).pf('p2p1'):
            with self.assertRaises(control.ControlError):
                call()
        self.switch.mirror_list = lambda: None
        with self.assertRaisesRegex(control.ControlError, 'words of another version: mirror.list'):
            self.ctl.mirrors()

    def test_an_unknown_pf_is_named(self):
        with self.assertRaisesRegex(control.ControlError, 'no PF p9p9'):
            self.ctl.pf('p9p9')

    def test_nonsense_and_silence_are_errors(self):
        os.unlink(self.daemons.dir + '/swd.sock')
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(self.daemons.dir + '/swd.sock')
            s.listen()
            for answer in b'', b'[]\n', b'nonsense\n', b'{"id":1}\n', b'{"half":':
                def serve(answer=answer):
                    peer, _ = s.accept()
                    peer.recv(4096)
                    peer.sendall(answer)
                    peer.close()
                thread = threading.Thread(target=serve)
                thread.start()
                with self.assertRaises(control.ControlError):
                    self.ctl.ask('swd.sock', 'pf.list')
                thread.join()


PROGRAM = """import sys
from unittest import mock
from networking_anyvf import cmd
from neutron_lib import rpc
sys.argv[1:] = ['--config-file=/dev/null']
with mock.patch.object(cmd.agent.Agent, 'from_config') as made:
    cmd.main()
made.return_value.run.assert_called_once_with()
assert cmd.cfg.CONF.agent.extensions == []
rpc.BackingOffClient.set_max_timeout(600)  # as when nobody answered: it asks for what was configured
"""


class TestProgram(unittest.TestCase):
    """neutron-anyvf-agent as it is started: in a process of its own, for eventlet changes all of one."""

    def test_it_reads_its_files_and_runs_the_agent(self):
        done = subprocess.run([sys.executable, '-W', 'ignore', '-c', PROGRAM], capture_output=True, text=True,
                              timeout=300, check=False)
        self.assertEqual(0, done.returncode, done.stderr)


class TestWatch(base.HostTest):
    """Who comes and goes in the directory of sockets."""

    def test_listening_is_who_holds_a_socket_right_there(self):
        self.qemu(base.port_id(1))
        self.qemu(base.port_id(2))
        self.kill(base.port_id(2))
        os.mkdir(self.vhost + '/sub')
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(self.vhost + '/sub/vhu00000003-00')
            self.assertEqual({'vhu00000001-00'}, watch.listening(self.vhost))

    def test_a_name_with_blanks_is_one_name(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(self.vhost + '/a b  c')
            self.assertIn('a b  c', watch.listening(self.vhost))

    def test_an_event_ends_the_wait(self):
        there = watch.Watch(self.vhost)
        self.addCleanup(there.close)
        self.assertTrue(there.wait(0))  # from now on it is watched
        self.assertFalse(there.wait(0))
        self.qemu(base.port_id(1))
        self.assertTrue(there.wait(10))
        self.assertFalse(there.wait(0))
        os.unlink(f'{self.vhost}/vhu{base.port_id(1)[:11]}')
        self.assertTrue(there.wait(10))

    def test_a_directory_that_is_not_for_this_account_is_told_once(self):
        there = watch.Watch(self.vhost)
        self.addCleanup(there.close)
        libc, there.libc = there.libc, mock.Mock(inotify_add_watch=lambda *_: -1)
        with mock.patch.object(watch.LOG, 'warning') as warning, \
                mock.patch.object(watch.ctypes, 'get_errno', return_value=errno.EACCES):
            self.assertEqual([False, False], [there.wait(0), there.wait(0)])
        warning.assert_called_once()
        self.assertIn('Permission denied', warning.call_args.args)
        with mock.patch.object(watch.os, 'listdir', side_effect=PermissionError):
            self.host.sweep()
        there.libc = libc
        self.assertTrue(there.wait(0))

    def test_the_directory_may_go_and_come(self):
        there = watch.Watch(self.vhost)
        self.addCleanup(there.close)
        there.wait(0)
        os.rmdir(self.vhost)
        self.assertTrue(there.wait(10))
        self.assertFalse(there.wait(0))
        os.mkdir(self.vhost)
        self.assertTrue(there.wait(0))
        self.qemu(base.port_id(1))
        self.assertTrue(there.wait(10))


class TestConfig(unittest.TestCase):
    """[anyvf]"""

    def set(self, **words):
        """Options of this test."""
        for word, value in words.items():
            cfg.CONF.set_override(word, value, 'anyvf')
            self.addCleanup(cfg.CONF.clear_override, word, 'anyvf')

    def test_a_network_has_one_pf_or_several(self):
        self.set(physical_device_mappings=['a:p1', 'b:p2', 'a:p3'])
        self.assertEqual({'a': ['p1', 'p3'], 'b': ['p2']}, config.mappings())

    def test_a_word_without_a_colon_is_named(self):
        self.set(physical_device_mappings=['p2p1'])
        self.assertRaisesRegex(ValueError, '"p2p1" is not PHYSNET:PF', config.mappings)

    def test_sockets_are_beside_the_run_directory_unless_said(self):
        self.assertEqual('/run/anyvf-qemu', config.socket_dir())
        self.set(vhostuser_socket_dir='/run/x/')
        self.assertEqual('/run/x', config.socket_dir())


class TestInterface(base.AgentTest):
    """DHCP's and routers' ports."""

    MAPPINGS = {'physnet1': ['p2p1']}

    def setUp(self):
        super().setUp()
        self.driver = interface.AnyvfInterfaceDriver.__new__(interface.AnyvfInterfaceDriver)
        self.driver.ctl, self.driver.plugin = self.ctl, self.plugin
        for name, value in (('config.mappings', lambda: self.MAPPINGS), ('ip_lib', mock.Mock())):
            patch = mock.patch(f'networking_anyvf.interface.{name}', value)
            self.ip_lib = patch.start()
            self.addCleanup(patch.stop)

    def test_a_port_is_a_service_port_in_its_vlan_and_namespace(self):
        ident = base.port_id(1)
        self.plugin.add(ident)
        self.driver.plug_new('net', ident, 'qg-' + ident[:11], 'fa:16:3e:00:00:01', namespace='qrouter-1', mtu=1400)
        self.assertEqual([{'pf': 'p2p1', 'name': 'qg-' + ident[:11], 'mac': 'fa:16:3e:00:00:01', 'vlan': 131,
                           'mtu': 1400, 'netns': 'qrouter-1'}], self.switch.svcs)
        self.ip_lib.IPDevice.assert_called_with('qg-' + ident[:11], namespace='qrouter-1')
        self.driver.unplug('qg-' + ident[:11])
        self.driver.unplug('qg-' + ident[:11])
        self.assertEqual([], self.switch.svcs)

    def test_a_port_that_the_hosts_agent_removes_meanwhile_is_none(self):
        with mock.patch.object(self.ctl, 'services', lambda: [{'pf': 'p2p1', 'name': 'tap1'}]):
            self.driver.unplug('tap1')
            self.switch.refuse['svc.del'] = 'no'
            with self.assertRaises(control.ControlError):
                self.driver.unplug('tap1')

    def test_a_port_that_is_not_bound_here_is_refused(self):
        with self.assertRaisesRegex(translate.Refused, 'not bound to a software PF'):
            self.driver.plug_new('net', base.port_id(1), 'tap1', 'fa:16:3e:00:00:01')


class TestQos(base.AgentTest):
    """Rates."""

    def setUp(self):
        super().setUp()
        self.qos = qos_agent.QosAnyvfAgentDriver()
        self.qos.consume_api(agent.AgentApi(self.host))
        self.qos.initialize()

    def test_rates_in_kbit_are_mbit_rounded_up_and_end(self):
        port = {'port_id': self.boot(1)}
        self.qos.create_bandwidth_limit(port, fakes.Words(max_kbps=10500))
        self.qos.create_minimum_bandwidth(port, fakes.Words(min_kbps=1))
        got = self.config(port['port_id'])
        self.assertEqual((11, 1), (got['max_tx_rate'], got['min_tx_rate']))
        self.qos.delete(port)
        got = self.config(port['port_id'])
        self.assertEqual((0, 0), (got['max_tx_rate'], got['min_tx_rate']))

    def test_a_rewired_port_keeps_its_rates(self):
        ident = self.boot(1)
        self.qos.update_bandwidth_limit({'port_id': ident}, fakes.Words(max_kbps=1000))
        self.callbacks.again()
        self.agent.once()
        self.assertEqual(1, self.config(ident)['max_tx_rate'])

    def test_a_changed_rule_whose_message_was_lost_is_pulled(self):
        ident, extension = self.boot(1), qos_extension.QosAgentExtension()
        self.agent.known['tap' + ident[:11]].update(qos_policy_id='p', qos_network_policy_id='n')
        extension.qos_driver, extension.policy_map = self.qos, qos_extension.PortPolicyMap()
        registry.register(extension._handle_notification, resources.QOS_POLICY)
        self.addCleanup(registry.clear)

        def pull(_context, _kind, ident, kbps=2000):
            if ident == 'n':
                raise ValueError('no answer')
            rule = fakes.Words(rule_type='bandwidth_limit', id='r', max_kbps=kbps, direction='egress',
                               should_apply_to_port=lambda port: True)
            return fakes.Words(id=ident, rules=[rule])
        extension.policy_map.set_port_policy({'port_id': ident}, pull(None, None, 'p', 1000))
        with mock.patch('networking_anyvf.qos_agent.resources_rpc.ResourcesPullRpcApi',
                        return_value=fakes.Words(pull=pull)):
            self.agent.once()
            self.assertEqual(0, self.config(ident)['max_tx_rate'])
            self.callbacks.again()
            self.agent.once()
        self.assertEqual(2, self.config(ident)['max_tx_rate'])

    def test_a_port_that_went_is_no_error(self):
        self.qos.delete_bandwidth_limit({'port_id': base.port_id(9)})


class TestHardwareQos(base.AgentTest):
    """Rates of VFs of NICs, which have no word port_id."""

    MAPPINGS = {'physnet1': ['eth1']}

    def make_hardware(self):
        return fakes.FakeSwitch('hw', {'eth1': 4})

    def test_a_policy_is_its_vfs_rates_until_it_is_gone(self):
        qos, port = qos_agent.QosAnyvfAgentDriver(), {'port_id': base.port_id(1)}
        qos.consume_api(self.agent.api)
        config = self.hardware.pfs['eth1'][2]['config']
        config['mac'] = 'fa:16:3e:00:00:01'
        self.plugin.add(port['port_id'])
        self.agent.once()
        qos.create_bandwidth_limit(port, fakes.Words(max_kbps=10500))
        qos.create_minimum_bandwidth(port, fakes.Words(min_kbps=1))
        self.assertEqual((11, 1), (config['max_tx_rate'], config['min_tx_rate']))
        self.agent.extensions = fakes.Words(delete_port=lambda _, details: qos.delete(details))
        config['mac'] = '00:00:00:00:00:00'
        self.agent.once()
        self.assertEqual((0, 0), (config['max_tx_rate'], config['min_tx_rate']))
        qos.create_bandwidth_limit(port, fakes.Words(max_kbps=10500))
        self.assertEqual(0, config['max_tx_rate'])

    def test_a_vf_is_of_the_port_that_has_it_now(self):
        config = self.hardware.pfs['eth1'][2]['config']
        for n in 1, 2:
            config['mac'] = f'fa:16:3e:00:00:0{n}'
            self.plugin.add(base.port_id(n), mac_address=config['mac'])
            self.agent.once()
        self.assertIsNone(self.host.find(base.port_id(1)))
        self.assertEqual(('eth1', 2), self.host.find(base.port_id(2)))

    def test_a_nic_that_has_no_rates_is_not_asked_for_none(self):
        qos = qos_agent.QosAnyvfAgentDriver()
        qos.consume_api(self.agent.api)
        self.hardware.pfs['eth1'][2]['config']['mac'] = 'fa:16:3e:00:00:01'
        self.plugin.add(base.port_id(1))
        self.agent.once()
        self.hardware.refuse['pf.set'] = 'Operation not supported'
        qos.delete({'port_id': base.port_id(1)})


@unittest.skipUnless(taas, 'python3-neutron-taas is not installed')
class TestTaas(base.AgentTest):
    """Tap flows."""

    def setUp(self):
        super().setUp()
        self.taas = taas.AnyvfTaasDriver()
        self.taas.consume_api(self.agent.api)

    def flow(self, source, to, direction='BOTH', **words):
        """A message of neutron-taas."""
        return {'tap_flow': {'id': 'f', 'source_port': source, 'direction': direction, **words},
                'port': {'id': source}, 'tap_service_port': {'id': to}}

    def test_a_flow_is_a_mirror_in_its_direction(self):
        source, to = self.boot(1), self.boot(2)
        for direction, want in ('IN', 'in'), ('OUT', 'out'), ('BOTH', 'both'):
            self.taas.create_tap_flow(self.flow(source, to, direction))
            self.assertEqual({'tap-f': {'dir': want, 'from_pf': 'p2p1', 'from_vf': 0, 'to_pf': 'p2p1', 'to_vf': 1}},
                             self.switch.mirrors)
        self.taas.delete_tap_flow(self.flow(source, to))
        self.taas.delete_tap_flow(self.flow(source, to))
        self.assertEqual({}, self.switch.mirrors)

    def test_a_vlan_filter_is_the_mirrors(self):
        self.taas.create_tap_flow(self.flow(self.boot(1), self.boot(2), vlan_filter='9,18-20'))
        self.assertEqual('9,18-20', self.switch.mirrors['tap-f']['vlans'])

    def test_a_port_elsewhere_is_refused_by_name(self):
        message = self.flow(self.boot(1), base.port_id(2))
        message['tap_service_port']['binding:host_id'] = 'ref2'
        with self.assertRaisesRegex(translate.Refused, base.port_id(2) + ' is not on this host'):
            self.taas.create_tap_flow(message)
        self.boot(2)
        self.assertEqual({}, self.switch.mirrors)

    def test_a_port_of_a_nic_is_refused_by_name(self):
        message = self.flow(self.boot(1), self.boot(2))
        message['port']['binding:vif_type'] = 'hw_veb'
        with self.assertRaisesRegex(translate.Refused, base.port_id(1) + ' is a VF of a NIC'):
            self.taas.create_tap_flow(message)

    def test_a_flow_that_was_deleted_while_the_agent_was_away_ends(self):
        source, to = self.boot(1), self.boot(2)
        self.taas.create_tap_flow(self.flow(source, to))
        self.switch.mirrors['mine'] = dict(self.switch.mirrors['tap-f'])
        new = taas.AnyvfTaasDriver()
        new.consume_api(self.agent.api)
        new.initialize()
        self.assertEqual(['mine'], list(self.switch.mirrors))

    def test_also_if_the_switch_was_away_as_well(self):
        source, to = self.boot(1), self.boot(2)
        self.taas.create_tap_flow(self.flow(source, to))
        self.switch.mirrors['tap-old'] = dict(self.switch.mirrors['tap-f'])
        self.agent.api.wired.clear()
        new = taas.AnyvfTaasDriver()
        new.consume_api(self.agent.api)
        os.rename(self.daemons.dir + '/swd.sock', self.daemons.dir + '/away')
        new.initialize()
        new.create_tap_flow(self.flow(source, to))  # waits, it is none of the switch's own noes
        os.rename(self.daemons.dir + '/away', self.daemons.dir + '/swd.sock')
        self.callbacks.again()
        self.agent.once()
        self.assertEqual(['tap-f'], list(self.switch.mirrors))

    def test_a_flow_whose_guest_is_stopped_waits_for_it(self):
        source, message = self.boot(1), self.flow(base.port_id(1), base.port_id(2))
        message['port']['binding:host_id'] = message['tap_service_port']['binding:host_id'] = 'ref1'
        self.taas.create_tap_flow(message)
        self.assertEqual({}, self.switch.mirrors)
        self.boot(2)
        self.assertEqual(['tap-f'], list(self.switch.mirrors))
        self.assertEqual(self.of(source)[1], self.switch.mirrors['tap-f']['from_vf'])

    def test_a_mirror_is_made_again_when_its_guest_is_back(self):
        source, to = self.boot(1), self.boot(2)
        self.taas.create_tap_flow(self.flow(source, to))
        self.kill(source)
        self.agent.once()
        self.assertEqual({}, self.switch.mirrors)
        os.unlink(f'{self.vhost}/vhu{source[:11]}')
        self.qemu(source)
        self.agent.once()
        self.assertIn('tap-f', self.switch.mirrors)


class TestTrunkRpc(unittest.TestCase):
    """What is heard of trunks."""

    def setUp(self):
        super().setUp()
        with mock.patch('networking_anyvf.trunk_agent.trunk_rpc.TrunkSkeleton.__init__'):
            self.callbacks, self.stub = events.Callbacks(), mock.Mock()
            self.trunks = trunk_agent.Trunks(self.callbacks, self.stub)
        self.callbacks.take()
        self.subs = [fakes.Words(port_id=base.port_id(n), segmentation_id=n, trunk_id='t') for n in (1, 2)]
        self.trunk = fakes.Words(id='t', port_id=base.port_id(9), sub_ports=self.subs)

    def test_a_trunks_news_are_its_parents(self):
        self.stub.get_trunk_details.return_value = self.trunk
        self.trunks.of(None, self.trunk.port_id)
        self.trunks.handle_subports(None, 'SubPort', self.subs, 'created')
        self.assertEqual({self.trunk.port_id}, self.callbacks.take().ports)
        self.trunks.handle_trunks(None, 'Trunk', [self.trunk], 'deleted')
        self.assertEqual({self.trunk.port_id}, self.callbacks.take().ports)

    def test_subports_of_trunks_elsewhere_are_nobodys(self):
        self.trunks.handle_subports(None, 'SubPort', self.subs, 'created')
        self.assertEqual(set(), self.callbacks.take().ports)

    def test_subports_are_bound_once_and_refused_if_one_cannot_be(self):
        self.stub.update_subport_bindings.return_value = {'t': ['a', 'b']}
        self.trunks.bind(None, self.trunk)
        self.trunks.bind(None, self.trunk)
        self.stub.update_subport_bindings.assert_called_once()
        self.trunks.bound.clear()
        self.stub.update_subport_bindings.return_value = {'t': ['a']}
        self.assertRaises(translate.Refused, self.trunks.bind, None, self.trunk)

    def test_a_server_without_trunks_is_asked_once(self):
        self.stub.get_trunk_details.side_effect = oslo_messaging.RemoteError('CallbackNotFound')
        self.assertIsNone(self.trunks.of(None, 'p'))
        self.assertIsNone(self.trunks.of(None, 'p'))
        self.stub.get_trunk_details.assert_called_once()

    def test_an_update_of_a_subport_reaches_its_parent(self):
        self.stub.get_trunk_details.return_value = self.trunk
        self.stub.update_subport_bindings.return_value = {'t': ['a', 'b']}
        self.trunks.of(None, self.trunk.port_id)
        self.trunks.bind(None, self.trunk)
        self.assertEqual({self.trunk.port_id}, self.trunks.parents_of({base.port_id(2)}))
        self.assertEqual(set(), self.trunks.parents_of({base.port_id(3)}))
