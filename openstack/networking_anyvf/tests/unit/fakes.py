# SPDX-License-Identifier: Apache-2.0
"""A switch behind a real socket, neutron-server's side of RPC, and what ML2 gives a mechanism driver."""
import copy
import errno
import json
import os
import socketserver
import tempfile
import threading

import oslo_messaging

DEFAULTS = {'mac': '00:00:00:00:00:00', 'vlan': 0, 'native': 0, 'trunk': 'any', 'spoofchk': True,
            'state': 'auto', 'mtu': 0, 'allowed': 'none', 'trust': False, 'max_tx_rate': 0,
            'min_tx_rate': 0, 'port_id': '', 'server': ''}
NET = '11111111-0000-4000-8000-000000000000'


class Refusal(Exception):
    """An error of the control protocol."""

    def __init__(self, message, code=-errno.EINVAL):
        super().__init__(message)
        self.code = code


class FakeSwitch:
    """Answers as a daemon of anyvf's does, as far as the agent asks."""

    def __init__(self, kind='sw', pfs=None, mtu=1500):
        self.kind, self.mtu, self.calls = kind, mtu, []
        self.pfs = {pf: [self.vf(n) for n in range(count)] for pf, count in (pfs or {}).items()}
        self.svcs, self.mirrors, self.refuse = [], {}, {}  # refuse: {method: words}

    @staticmethod
    def vf(n):
        """A VF nothing uses."""
        return {'vf': n, 'config': dict(DEFAULTS), 'attach': {'kind': 'none', 'socket': ''},
                'status': {'pci_slot': f'0000:05:{16 + n // 4:02x}.{n % 4 * 2}'}}

    def answer(self, method, params):
        """The result of a request; Refusal."""
        self.calls.append((method, copy.deepcopy(params)))
        if method in self.refuse:
            raise Refusal(self.refuse[method])
        name = method.replace('.', '_')
        if not hasattr(self, name):
            raise Refusal(f'unknown method "{method}"')
        return getattr(self, name)(**params)

    def pf_list(self):
        return list(self.pfs)

    def pf_get(self, pf, vfs=False):
        if pf not in self.pfs:
            raise Refusal(f'there is no PF "{pf}"', -errno.ENODEV)
        return {'config': {'name': pf, 'mtu': self.mtu},
                'status': {'kind': self.kind, 'pci_slot': '0000:05:00.0'}, 'vfs': self.pfs[pf] if vfs else []}

    def pf_set(self, pf, vfs, by_agent=False):
        for one in vfs:
            unknown = set(one['set']) - set(DEFAULTS)
            if unknown:
                raise Refusal(f'unknown words {unknown}')
            if one['set'].get('mtu', 0) > self.mtu:
                raise Refusal('mtu is above that of the PF')
        for one in vfs:
            self.pfs[pf][one['vf']]['config'].update(one['set'])
        return {}

    def vf_attach(self, pf, vf, kind, socket='', client=False):
        if self.pfs[pf][vf]['attach']['kind'] != 'none':
            raise Refusal(f'{pf} vf {vf} is in use')
        self.pfs[pf][vf]['attach'] = {'kind': kind, 'socket': socket, 'client': client}
        return {'socket': socket}

    def vf_release(self, pf, vf):
        slot = self.pfs[pf][vf]['status']
        self.pfs[pf][vf] = {**self.vf(vf), 'status': slot}
        self.mirrors = {name: m for name, m in self.mirrors.items()
                        if (pf, vf) not in ((m['from_pf'], m['from_vf']), (m['to_pf'], m['to_vf']))}
        return {}

    def svc_list(self):
        return self.svcs

    def svc_add(self, **words):
        self.svcs.append(words)
        return {}

    def svc_set(self, pf, name, **words):
        for svc in self.svcs:
            if (svc['pf'], svc['name']) == (pf, name):
                svc.update(words)
        return {}

    def svc_del(self, pf, name):
        if not any((svc['pf'], svc['name']) == (pf, name) for svc in self.svcs):
            raise Refusal(f'{pf} has no service port {name}', -errno.ENOENT)
        self.svcs = [svc for svc in self.svcs if (svc['pf'], svc['name']) != (pf, name)]
        return {}

    def mirror_list(self):
        return [{'name': name, **words} for name, words in self.mirrors.items()]

    def mirror_add(self, name, **words):
        self.mirrors[name] = words
        return {}

    def mirror_del(self, name):
        del self.mirrors[name]
        return {}


class Daemons:
    """A run directory with sockets behind which switches answer; a context."""

    def __init__(self, software=None, hardware=None):
        self.tmp = tempfile.TemporaryDirectory()
        self.dir, self.servers = self.tmp.name, []
        os.mkdir(self.dir + '/vhost')
        for name, switch in (('swd.sock', software), ('hwd.sock', hardware)):
            if switch:
                self.servers.append(self._serve(name, switch))

    def _serve(self, name, switch):
        class Handler(socketserver.StreamRequestHandler):
            """One line in, one line out."""

            def handle(self):
                request = json.loads(self.rfile.readline())
                reply = {'jsonrpc': '2.0', 'id': request['id']}
                try:
                    reply['result'] = switch.answer(request['method'], request['params'])
                except Refusal as e:
                    reply['error'] = {'code': e.code, 'message': str(e)}
                self.wfile.write(json.dumps(reply).encode() + b'\n')
        server = socketserver.ThreadingUnixStreamServer(f'{self.dir}/{name}', Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server

    def close(self):
        """No daemon answers any more, and the directory is gone."""
        for server in self.servers:
            server.shutdown()
            server.server_close()
        self.tmp.cleanup()


class FakePlugin:
    """neutron-server as an agent sees it: ports by id."""

    def __init__(self):
        self.ports, self.updates, self.asked, self.fail = {}, [], [], None
        self.fails_at, self.nameless = set(), set()  # devices; of the latter it does not say which they are
        self.elsewhere = set()  # ids of ports that are bound to another host, of which it tells all the same

    def add(self, port_id, **words):
        """A port that is bound to this host; its details."""
        self.ports[port_id] = {
            'port_id': port_id, 'network_id': NET, 'mac_address': 'fa:16:3e:00:00:01', 'mtu': 1500,
            'admin_state_up': True, 'network_type': 'vlan', 'segmentation_id': 131, 'profile': {},
            'physical_network': 'physnet1', 'device_owner': 'compute:nova', 'fixed_ips': [],
            'allowed_address_pairs': [], 'port_security_enabled': True, **words}
        return self.ports[port_id]

    def _fails(self, device):
        return (tuple(device) if isinstance(device, list) else device) in self.fails_at

    def _details(self, device):
        mac = device[0] if isinstance(device, list) else None
        for port_id, details in self.ports.items():
            if mac and mac == details['mac_address'] or not mac and 'tap' + port_id[:11] == device:
                return {'device': mac or device, **copy.deepcopy(details)}
        return {'device': mac or device}

    def get_devices_details_list(self, context, devices, agent_id, host=None):
        if self.fail:
            raise self.fail
        self.asked.append(list(devices))
        return [self.get_device_details(context, device, agent_id, host) for device in devices]

    def get_devices_details_list_and_failed_devices(self, context, devices, agent_id, host=None):
        if self.fail:
            raise self.fail
        asked = {device: 'tap' + device for device in devices}  # as in Neutron it takes ids, or their beginnings, alone
        self.asked.append(list(asked.values()))
        told = [{**self._details(tap), 'device': device} for device, tap in asked.items() if tap not in self.fails_at]
        return {'devices': [{word: value for word, value in details.items()
                             if word != 'device' or asked[value] not in self.nameless} for details in told],
                'failed_devices': [device for device, tap in asked.items() if tap in self.fails_at]}

    def get_device_details(self, context, device, agent_id, host=None):
        if self._fails(device):
            raise oslo_messaging.RemoteError('KeyError')
        return self._details(device)

    def update_device_list(self, context, devices_up, devices_down, agent_id, host):
        if self.fail:
            raise self.fail
        self.updates.append((list(devices_up), list(devices_down)))
        return {'devices_up': [d for d in devices_up if not self._fails(d)],
                'failed_devices_up': list(filter(self._fails, devices_up)),
                'devices_down': [{'device': d, 'exists': True} for d in devices_down if not self._fails(d)],
                'failed_devices_down': list(filter(self._fails, devices_down))}

    def get_ports_by_vnic_type_and_host(self, context, vnic_type, host):
        return [{'id': port_id, **{word: value for word, value in details.items() if word != 'mtu'}}
                for port_id, details in self.ports.items()
                if vnic_type == details.get('vnic', 'normal') and port_id not in self.elsewhere]


class FakeReports:
    """Heartbeats."""

    def __init__(self):
        self.states, self.answer, self.fail = [], None, None

    def report_state(self, context, state, use_call=False):
        if self.fail:
            raise self.fail
        self.states.append(copy.deepcopy(state))
        return self.answer


class FakeTrunks:
    """As trunk_agent.Trunks, without RPC."""

    def __init__(self):
        self.trunks, self.told, self.forgotten = {}, [], []

    def of(self, context, port_id):
        return self.trunks.get(port_id)

    def parents_of(self, ports):
        return set()

    def forget(self, port_id):
        self.forgotten.append(port_id)

    def bind(self, context, trunk):
        """All subports of these trunks can be bound."""

    def tell(self, context, trunk, error=False):
        self.told.append((trunk.id, error))


class Words:
    """An object with the members it is given."""

    def __init__(self, **words):
        self.__dict__.update(words)


class FakePortContext:
    """What ML2 gives a mechanism driver that is to bind a port."""

    def __init__(self, vnic='normal', owner='compute:nova', profile=None, mtu=1500):
        self.current = {'id': 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee', 'device_owner': owner,
                        'binding:vnic_type': vnic, 'binding:profile': profile or {}}
        self.network = Words(current={'id': NET, 'mtu': mtu})
        self.bound = None
        self._plugin_context = self.plugin_context = None  # as of 2023.1 by either name
        self.host = 'ref1'
        self.segments_to_bind, self.agents = [], []

    def set_binding(self, segment_id, vif_type, details):
        self.bound = (segment_id, vif_type, details)

    def host_agents(self, agent_type):
        return self.agents
