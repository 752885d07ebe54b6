# SPDX-License-Identifier: Apache-2.0
"""neutron-anyvf-agent: wires ports of this host to VFs as neutron-server tells by its agent RPC.

A port is noticed by what appears on the host: QEMU's vhost-user socket, made when libvirt starts
the domain, which then waits for the switch; or a service port that an interface driver made.
port_update says when to look again, a socket nobody holds and port_delete that it is over.
"""
import threading
import time

from neutron.agent.l2 import l2_agent_extensions_manager
from neutron.agent import rpc as agent_rpc
from neutron_lib.agent import constants as agent_consts
from neutron_lib.agent import topics
from neutron_lib import constants
from neutron_lib import context as neutron_context
from oslo_config import cfg
from oslo_log import log as logging
import oslo_messaging

from networking_anyvf import AGENT_BINARY
from networking_anyvf import AGENT_TYPE
from networking_anyvf import config
from networking_anyvf import control
from networking_anyvf import device_name
from networking_anyvf import DRIVER
from networking_anyvf import events
from networking_anyvf import host as host_module
from networking_anyvf import qos_agent
from networking_anyvf import translate
from networking_anyvf import trunk_agent
from networking_anyvf import watch

LOG = logging.getLogger(__name__)
VNIC_TYPES = ('normal', 'direct', 'virtio-forwarder')
# of a port: if one of them is another than when it was wired, it is looked at again
WATCHED = ('mac_address', 'admin_state_up', 'allowed_address_pairs', 'port_security_enabled',
           'qos_policy_id', 'binding:profile', 'trunk_details')
# every so many resyncs all ports are looked at: of what else changes, a network's MTU, the list tells nothing
THOROUGH = 10
# service ports that are on one host only; of HA and distributed routers there are more
ON_ONE_HOST = (constants.DEVICE_OWNER_DHCP, constants.DEVICE_OWNER_ROUTER_INTF)
TOPICS = [[topics.PORT, topics.UPDATE], [topics.PORT, topics.DELETE],
          [topics.NETWORK, topics.UPDATE], [topics.PORT_BINDING, topics.ACTIVATE],
          [topics.PORT_BINDING, topics.DEACTIVATE]]


class AgentApi:
    """What extensions get of the agent: the host, and who wants to know that a port was wired."""

    def __init__(self, host):
        self.host, self.wired = host, []  # functions of a port's id


class Pass:
    """What one turn of the loop found out, to be told to neutron-server at its end."""

    def __init__(self, look, downs):
        self.look = look
        self.ups, self.downs = [], downs


def _wire_name(device):
    """A device as RPC has it."""
    return list(device) if isinstance(device, tuple) else device


def _device(name):
    """And back."""
    return tuple(name) if isinstance(name, list) else name


class Agent:
    """One loop, one thread that reports, one that watches the directory of sockets."""

    def __init__(self, host, plugin, reports, callbacks, trunks, clock=time.monotonic):
        self.host, self.plugin, self.reports = host, plugin, reports
        self.callbacks, self.trunks, self.clock = callbacks, trunks, clock
        self.context = neutron_context.get_admin_context_without_session()
        self.api, self.extensions = AgentApi(host), ()
        self.id = 'anyvf-' + cfg.CONF.host
        self.known = {}  # {device: details}, wired
        self.refused = {}  # {device: why not}
        self.strange = {}  # {device: since when neutron-server does not know it}
        self.elsewhere = {}  # {device: since when it has that service port on another host}
        self.services = {}  # {device: Place}, as of the last look
        self.downs = []  # devices that neutron-server has to hear are down
        self.unsure = set()  # devices it failed at, to be asked for again
        self.listed, self.resyncs = None, 0  # what the server told of this host's ports at the last resync
        self.changed = threading.Event()  # what is reported is old
        self.state = {'binary': AGENT_BINARY, 'host': cfg.CONF.host, 'agent_type': AGENT_TYPE,
                      'topic': constants.L2_AGENT_TOPIC, 'start_flag': True, 'configurations': {}}

    @classmethod
    def from_config(cls):
        """The agent as configured, connected."""
        conf, callbacks = cfg.CONF.anyvf, events.Callbacks()
        host = host_module.Host(control.Control(conf.run_dir), config.mappings(),
                                config.socket_dir(), conf.direct_vfs, conf.replace_sriov_agent)
        agent = cls(host, agent_rpc.PluginApi(topics.PLUGIN),
                    agent_rpc.PluginReportStateAPI(topics.REPORTS), callbacks,
                    trunk_agent.Trunks(callbacks))
        connection = agent_rpc.create_consumers([callbacks], topics.AGENT, TOPICS,
                                                start_listening=False)
        agent.extensions = l2_agent_extensions_manager.L2AgentExtensionsManager(cfg.CONF)
        agent.extensions.initialize(connection, DRIVER, agent.api)
        connection.consume_in_threads()
        return agent

    # what neutron-server hears of this agent

    def describe(self):
        """The agent's `configurations`: by these the mechanism driver binds, and an admin sees what is wrong."""
        return {**self.host.describe(),
                'refused': {str(device): why for device, why in self.refused.items()},
                'ports': len(self.known)}

    def report(self):
        """One heartbeat. If the server had given us up, everything is looked at."""
        self.changed.clear()
        try:
            self.state['configurations'] = self.describe()
            told = self.reports.report_state(self.context, self.state, True)
        except Exception:  # whatever it was, the next one is tried
            LOG.exception('report_state')
            self.callbacks.again()
            return
        if told == agent_consts.AGENT_REVIVED:
            LOG.info('neutron-server had given this agent up')
            self.callbacks.again()
        self.state.pop('start_flag', None)

    def report_forever(self):
        """Each report_interval, and soon after something changed that ports are bound by."""
        while True:
            self.report()
            self.changed.wait(cfg.CONF.AGENT.report_interval)
            time.sleep(1)  # what changes together is told together

    # the loop

    def once(self):
        """Look at the host and at the news, and make of it what neutron-server wants."""
        news, turn = self.callbacks.take(), Pass(self.host.look(), self.downs)
        self.services = {d: place for d, place in turn.look.devices.items() if place.kind == 'service'}
        self._release_gone(turn, news)
        look_at, policies = self._to_ask(turn, news), self._policies() if news.everything else ()
        self.unsure = set()
        for device, details in self._ask(look_at):
            if details is None:
                self._failed(device)
            else:
                self._one(turn, device, details)
        self._tell(turn)
        qos_agent.refresh(self.context, policies)

    def _ask(self, devices):
        """(device, what neutron-server tells of it) of each; None is told of those that it failed at."""
        names = {d: d[3:] for d in devices if not isinstance(d, tuple)}  # here "tap" before an id is not known
        if names:
            told = self.plugin.get_devices_details_list_and_failed_devices(
                self.context, list(names.values()), self.id, cfg.CONF.host)
            found = {details.get('device'): details for details in told.get('devices') or ()}
            yield from ((device, found.get(name)) for device, name in names.items())
        cards = [d for d in devices if isinstance(d, tuple)]  # that call has no MACs with slots
        if cards:
            yield from zip(cards, self._ask_cards(list(map(list, cards))))

    def _ask_cards(self, names):
        try:
            return self.plugin.get_devices_details_list(self.context, names, self.id, cfg.CONF.host)
        except oslo_messaging.RemoteError:  # of one of them: which?
            return [self._ask_card(name) for name in names]

    def _ask_card(self, name):
        try:
            return self.plugin.get_device_details(self.context, name, self.id, cfg.CONF.host)
        except oslo_messaging.RemoteError:
            return None

    def _failed(self, device):
        """neutron-server could not tell of a device: it stays as it is, and is asked for again."""
        self.unsure.add(device)
        why = 'neutron-server failed at it, see its log'
        if self.refused.get(device) != why:
            LOG.error('%s: %s', device, why)
        self.refused[device] = why

    def _policies(self):
        """QoS policies of the ports that are wired."""
        found = {details.get(word) for details in self.known.values()
                 for word in ('qos_policy_id', 'qos_network_policy_id')}
        return found - {None}

    def _to_ask(self, turn, news):
        """Devices that neutron-server has to be asked for."""
        ports = {port[:11] for port in news.ports | self.trunks.parents_of(news.ports)}

        def is_news(device, place):
            details = self.known.get(device)
            return (details is None or news.everything or device in self.unsure or
                    details.get('network_id') in news.networks or
                    (details['port_id'][:11] if place.kind == 'hardware' else device[3:]) in ports)
        return [d for d, place in turn.look.devices.items() if is_news(d, place)]

    def _release_gone(self, turn, news):
        """Free what no guest or no port is behind any more."""
        look = turn.look
        for port in news.deleted:
            place = look.devices.pop(device_name(port), None)
            if place:
                look.over[device_name(port)] = place
        for device, place in look.over.items():
            self._release(turn, device, place)
        wired = {device for device, place in look.devices.items() if place.kind != 'socket'}
        for device in set(self.known) - wired:  # also whose VF somebody else has taken
            self._forget(turn, device)
        for of in self.refused, self.strange, self.elsewhere:
            for device in set(of) - set(look.devices):
                del of[device]

    def _release(self, turn, device, place):
        """Free a place; if that fails it is seen again at the next look."""
        try:
            self.host.release(place, turn.look)
        except control.ControlError as e:
            LOG.error('%s stays at %s vf %s: %s', device, place.pf, place.vf, e)
        self._forget(turn, device)
        if device not in turn.downs:
            turn.downs.append(device)

    def _forget(self, turn, device):
        """A port is not here any more."""
        details = self.known.pop(device, None)
        if details:
            self._extend('delete_port', device, {'port_id': details['port_id']})
            self.host.forget(details['port_id'])
            self.trunks.forget(details['port_id'])
            turn.downs.append(device)

    def _one(self, turn, device, details):
        """One device as neutron-server tells it. Whatever goes wrong with it, the others go on."""
        place = turn.look.devices[device]
        try:
            if 'port_id' not in details:
                self._unknown(turn, device, place)
                return
            self.strange.pop(device, None)
            self._wire(turn, device, place, details)
        except (translate.Refused, control.ControlError) as e:
            self._refuse(turn, device, details, str(e))
        except Exception as e:
            LOG.exception('port %s', details.get('port_id', device))
            self._refuse(turn, device, details, f'{type(e).__name__}: {e}')

    def _refuse(self, turn, device, details, why):
        """A port is not wired: said once in the log, and as long as it is so in the configurations."""
        if self.refused.get(device) != why:
            LOG.error('port %s is refused: %s', details.get('port_id', device), why)
        self.refused[device] = why
        self.known.pop(device, None)
        turn.downs.append(device)

    def _unknown(self, turn, device, place):
        """neutron-server has the port not here: not yet, or not any more."""
        since = self.strange.setdefault(device, self.clock())
        self.refused.pop(device, None)
        if place.kind == 'vf':
            self._release(turn, device, place)
        elif place.kind == 'service' and self.clock() - since >= cfg.CONF.anyvf.stale_after:
            LOG.warning('service port %s is of no port on this host', place.name)
            self._release(turn, device, place)
        else:
            self._forget(turn, device)

    def _wire(self, turn, device, place, details):
        """Wire a port, and the subports of its trunk if it has one."""
        trunk = None
        if place.kind in ('vf', 'socket'):
            trunk = self.trunks.of(self.context, details['port_id'])
        try:
            subports = self._subports(trunk) if trunk else None
            self.host.wire(turn.look, place, details, subports)
        except (translate.Refused, control.ControlError):
            if trunk:
                self.trunks.tell(self.context, trunk, error=True)
            raise
        self.refused.pop(device, None)
        self.known[device] = details
        self._extend('handle_port', device, dict(details))
        for wired in self.api.wired:
            wired(details['port_id'])
        (turn.ups if details['admin_state_up'] else turn.downs).append(device)
        if trunk:
            turn.ups += [device_name(sub['port_id']) for _, sub in subports]
            self.trunks.tell(self.context, trunk)

    def _subports(self, trunk):
        """[(segmentation id, details)] of a trunk's subports, which are bound to this host. Refused."""
        self.trunks.bind(self.context, trunk)
        names = [device_name(sub.port_id) for sub in trunk.sub_ports]
        told = self.plugin.get_devices_details_list(self.context, names, self.id, cfg.CONF.host)
        for sub, details in zip(trunk.sub_ports, told):
            if 'port_id' not in details:
                raise translate.Refused(f'subport {sub.port_id} is not bound to this host')
        return [(sub.segmentation_id, details) for sub, details in zip(trunk.sub_ports, told)]

    def _extend(self, method, device, details):
        """Extensions' part of a device's port. What fails of it is told; the port is up without."""
        if not self.extensions:
            return
        try:
            getattr(self.extensions, method)(self.context, details)
        except Exception as e:
            LOG.exception('%s of port %s', method, details['port_id'])
            self.refused[device] = f'{type(e).__name__}: {e}'

    def _tell(self, turn):
        """neutron-server: what is up and what is not. What it does not hear, or fails at, is told again."""
        if not (turn.ups or turn.downs):
            return
        self.changed.set()
        down = [d for d in dict.fromkeys(turn.downs) if d not in turn.ups]  # it hears of downs last
        ups, downs = (list(map(_wire_name, of)) for of in (turn.ups, down))
        told = self.plugin.update_device_list(self.context, ups, downs, self.id, cfg.CONF.host)
        self.downs = list(map(_device, told.get('failed_devices_down') or ()))
        failed = set(map(_device, told.get('failed_devices_up') or ()))
        self.unsure |= failed
        if failed or self.downs:
            LOG.warning('neutron-server failed at what it was told of %s, see its log', failed | set(self.downs))

    def resync(self):
        """Ask neutron-server for all ports of this host, and look at those that changed.

        Without that a message that was lost would be missed for ever.
        """
        listed = {}
        for kind in VNIC_TYPES:
            for port in self.plugin.get_ports_by_vnic_type_and_host(self.context, kind,
                                                                    cfg.CONF.host):
                listed[port['id']] = [port.get(word) for word in WATCHED]
        self.resyncs += 1
        if not self.resyncs % THOROUGH:
            self.callbacks.again()
        if self.listed is not None:
            old = self.listed
            self.callbacks.look_at(ports=[port for port in set(old) | set(listed)
                                          if old.get(port) != listed.get(port)])
        self.listed = listed
        self._leave(listed)
        self.host.sweep()

    def _leave(self, listed):
        """Remove service ports that are another host's now: neutron-server tells their details to all."""
        for device, place in self.services.items():
            details = self.known.get(device, {})
            if details.get('device_owner') not in ON_ONE_HOST or details['port_id'] in listed:
                self.elsewhere.pop(device, None)
            elif self.clock() - self.elsewhere.setdefault(device, self.clock()) >= cfg.CONF.anyvf.stale_after:
                LOG.warning('service port %s is on another host now', place.name)
                self.host.release(place)

    def turn(self, due):
        """One turn of the loop and, if it is time, a resync; when the next one is due."""
        try:
            self.once()
            if self.clock() >= due:
                self.resync()
                due = self.clock() + cfg.CONF.anyvf.resync_interval
        except control.ControlError as e:
            LOG.error('this host cannot be looked at: %s', e)
            self.callbacks.again()
            self.callbacks.wake.clear()  # not at once
        except Exception:
            LOG.exception('everything will be looked at again')
            self.callbacks.again()
            self.callbacks.wake.clear()
        return due

    def watch_forever(self):
        """Wake the loop when a socket comes or goes."""
        there = watch.Watch(self.host.directory)
        while True:
            if there.wait(cfg.CONF.anyvf.polling_interval):
                self.callbacks.wake.set()

    def run(self):
        """For ever."""
        for thread in self.report_forever, self.watch_forever:
            threading.Thread(target=thread, daemon=True).start()
        due = 0
        while True:
            due = self.turn(due)
            self.callbacks.wake.wait(cfg.CONF.anyvf.polling_interval)
            self.callbacks.wake.clear()
            time.sleep(0.02)  # a socket's name is in the directory before it is in /proc/net/unix
