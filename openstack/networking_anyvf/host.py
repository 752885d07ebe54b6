# SPDX-License-Identifier: Apache-2.0
"""VFs and sockets of this host: what is there, leasing, wiring, releasing. Knows no RPC.

Which VF serves which port is kept by the switch (the VF's word port_id), so nothing is to be
remembered here over a restart.
"""
import os
import re
import time
import typing

from oslo_log import log as logging

from networking_anyvf import control
from networking_anyvf import device_name
from networking_anyvf import nova_slot
from networking_anyvf import translate
from networking_anyvf import watch

LOG = logging.getLogger(__name__)
SERVICE = re.compile(r'(tap|qr-|qg-|ha-)([0-9a-f]{8}-[0-9a-f]{2})$')
SOCKET = re.compile(r'vhu([0-9a-f]{8}-[0-9a-f]{2})$')
NO_MAC = '00:00:00:00:00:00'
AWAY_S = 10  # a daemon restarts in a blink; so long nobody concludes anything from it
SOCKET_KEPT_S = 3600  # a socket's file that nobody holds; a QEMU that starts makes a new one


class Place(typing.NamedTuple):
    """Where a device of Neutron's is."""

    kind: str  # 'vf', 'socket' (has no VF yet), 'service', 'hardware'
    pf: typing.Optional[str] = None
    vf: typing.Optional[int] = None
    path: typing.Optional[str] = None  # of the socket, if somebody holds it
    port_id: str = ''  # as far as the switch knows
    name: str = ''  # of a service port


class Look:
    """The host at one moment. `pfs` is kept up to date by Host as it leases and releases."""

    def __init__(self, pfs):
        self.pfs = pfs  # {PF: answer of pf.get}
        self.devices: dict = {}  # {device: Place}
        self.over: dict = {}  # {device: Place}: VFs whose guest is gone

    def vf(self, pf, n):
        """A VF as the switch told it."""
        return next(vf for vf in self.pfs[pf]['vfs'] if vf['vf'] == n)


def is_free(vf) -> bool:
    """Whether nothing uses a VF."""
    return vf['attach']['kind'] == 'none' and not vf['config']['port_id']


def is_ours(vf, directory) -> bool:
    """Whether a leased VF is this agent's: plugged into a socket of QEMU's, or about to be."""
    if not vf['config']['port_id'] or vf['config'].get('server'):
        return False
    path = vf['attach'].get('socket') or ''
    return vf['attach']['kind'] == 'none' or \
        os.path.dirname(path) == directory and bool(SOCKET.match(os.path.basename(path)))


class Host:
    """The PFs of a run directory that serve physical networks."""

    def __init__(self, ctl: control.Control, mappings: dict, directory: str, direct_vfs: int = 0,
                 hardware: bool = False, clock=time.monotonic):
        self.ctl, self.mappings, self.directory = ctl, mappings, directory
        self.direct_vfs = direct_vfs  # of each software PF, leased by Nova
        self.hardware = hardware  # write what neutron-sriov-nic-agent would
        self.words: dict = {}  # {port id: (PF, VF, words)}: what is in the VF by us
        self.clock = clock
        self.seen: dict = {}  # {PF: (when, its daemon)}
        self.cards: dict = {}  # {port id: (PF, VF)} of NICs: their VFs have no word port_id
        self.said: dict = {}  # devices as they were described, while a daemon is away
        self.away_since: typing.Optional[float] = None

    def known_pfs(self):
        """{PF: answer of pf.get} of those mapped; one that is not there is left out.

        ControlError for a while if the daemon of one went away: its guests are not gone.
        """
        there, now = self.ctl.pfs(), self.clock()
        wanted = [pf for pfs in self.mappings.values() for pf in pfs]
        for pf, (when, daemon) in list(self.seen.items()):
            if pf not in there:
                if now - when <= AWAY_S:
                    self.ctl.ask(daemon, 'pf.list')
                self.seen.pop(pf, None)
        self.seen.update({pf: (now, there[pf]) for pf in wanted if pf in there})
        return {pf: self.ctl.pf(pf) for pf in wanted if pf in there}

    def look(self) -> Look:
        """What is here now. ControlError if no daemon answers."""
        look = Look(self.known_pfs())
        sockets = watch.listening(self.directory)
        for pf, info in look.pfs.items():
            if info['status']['kind'] == 'hw':
                look.devices.update(self._hardware(pf, info))
            else:
                self._leased(look, pf, info, sockets)
        for svc in self.ctl.services() if self._software(look) else ():
            found = SERVICE.match(svc['name'])
            if found and svc['pf'] in look.pfs:
                place = Place('service', svc['pf'], name=svc['name'])
                look.devices.setdefault('tap' + found[2], place)
        for name in sockets:
            found = SOCKET.match(name)
            if found:
                place = Place('socket', path=f'{self.directory}/{name}')
                look.devices.setdefault('tap' + found[1], place)
        return look

    @staticmethod
    def _software(look):
        return any(info['status']['kind'] != 'hw' for info in look.pfs.values())

    def _leased(self, look, pf, info, sockets):
        for vf in info['vfs']:
            if not is_ours(vf, self.directory):
                continue
            port_id = vf['config']['port_id']
            name = 'vhu' + port_id[:11]
            held = f'{self.directory}/{name}' if name in sockets else None
            place = Place('vf', pf, vf['vf'], held, port_id)
            (look.devices if held else look.over)[device_name(port_id)] = place

    def _hardware(self, pf, info):
        if not self.hardware:
            return
        for vf in info['vfs']:
            mac, slot = vf['config']['mac'], vf['status'].get('pci_slot')
            if mac != NO_MAC and slot:
                yield (mac, slot), Place('hardware', pf, vf['vf'])

    def lease(self, look: Look, details) -> tuple:
        """(PF, VF) for a port that has none: Nova's choice by PCI slot, or any of the agent's. Refused."""
        pfs = [pf for pf in self.mappings.get(details['physical_network'], ()) if pf in look.pfs]
        if not pfs:
            raise translate.Refused(f'no PF serves {details["physical_network"]}')
        slot = (details.get('profile') or {}).get('pci_slot')
        if slot:
            return self._lease_slot(look, pfs, slot)
        free = {pf: [vf['vf'] for vf in look.pfs[pf]['vfs']
                     if vf['vf'] >= self.direct_vfs and is_free(vf)]
                for pf in pfs if look.pfs[pf]['status']['kind'] != 'hw'}
        pf = max(free, key=lambda name: len(free[name]), default=None)
        if pf is None or not free[pf]:
            raise translate.Refused(f'no VF of {", ".join(pfs)} is free')
        return pf, min(free[pf])

    @staticmethod
    def _lease_slot(look, pfs, slot):
        for pf in pfs:
            software = look.pfs[pf]['status']['kind'] != 'hw'
            for vf in look.pfs[pf]['vfs'] if software else ():
                if nova_slot(vf['status']['pci_slot']) == slot:
                    if not is_free(vf):
                        user = vf['config']['port_id'] or vf['attach']['kind']
                        raise translate.Refused(f'{pf} vf {vf["vf"]} ({slot}) is in use: {user}')
                    return pf, vf['vf']
        raise translate.Refused(f'no VF of {", ".join(pfs)} has PCI slot {slot}')

    def wire(self, look: Look, place: Place, details, subports=None) -> Place:
        """A port's wishes into its VF, which it gets if it has none; where it is then.

        Raises Refused or ControlError; a VF that was leased here is free again then.
        """
        if place.kind == 'service':
            return self._wire_service(place, details)
        if place.kind == 'hardware':
            self.ctl.set_vf(place.pf, place.vf, **translate.hardware_words_of(details))
            at = place.pf, place.vf
            self.cards = {port: card for port, card in self.cards.items() if card != at}
            self.cards[details['port_id']] = at
            return place
        words = translate.words_of(details, subports)
        pf, n = (place.pf, place.vf) if place.kind == 'vf' else self.lease(look, details)
        vf = look.vf(pf, n)
        if place.kind == 'socket':  # what was in it by us went with the lease, whoever ended that
            self.words.pop(details['port_id'], None)
        try:
            self._write(pf, n, words)
            if vf['attach']['kind'] == 'none':
                self.ctl.call('vf.attach', pf, vf=n, kind='vhost', socket=place.path, client=True)
                vf['attach'].update(kind='vhost', socket=place.path)
        except Exception:
            if place.kind == 'socket':
                self._free(pf, n)
            raise
        vf['config']['port_id'] = details['port_id']
        return place._replace(kind='vf', pf=pf, vf=n, port_id=details['port_id'])

    def _write(self, pf, n, words):
        """Into the VF unless it is there by us: what people set by hand stays until the port changes."""
        if self.words.get(words['port_id']) != (pf, n, words):
            self.ctl.set_vf(pf, n, **words)
            self.words[words['port_id']] = (pf, n, words)
            LOG.info('port %s is %s vf %s: %s', words['port_id'], pf, n, words)

    def _wire_service(self, place, details):
        """The VLAN of a service port: its interface driver has set the rest."""
        vlan = translate.vlan_of(details)
        for svc in self.ctl.services():
            if (svc['pf'], svc['name']) == (place.pf, place.name) and svc.get('vlan', 0) != vlan:
                self.ctl.call('svc.set', place.pf, name=place.name, vlan=vlan)
                LOG.info('service port %s is in VLAN %s now', place.name, vlan)
        return place

    def release(self, place: Place, look: typing.Optional[Look] = None):
        """A VF back to its defaults; a service port is removed. Of a NIC's VF libvirt takes care."""
        if place.kind == 'service':
            self.ctl.remove_service(place.pf, place.name)
            LOG.info('service port %s removed', place.name)
        elif place.kind == 'vf':
            self._free(place.pf, place.vf)
            if look:
                vf = look.vf(place.pf, place.vf)
                vf['attach']['kind'], vf['config']['port_id'] = 'none', ''

    def _free(self, pf, n):
        self.words = {port: said for port, said in self.words.items() if said[:2] != (pf, n)}
        self.ctl.call('vf.release', pf, vf=n)
        LOG.info('%s vf %s is free', pf, n)

    def find(self, port_id, pfs=None):
        """(PF, VF) of a port, or None."""
        pfs = self.known_pfs() if pfs is None else pfs
        for pf, info in pfs.items():
            for vf in info['vfs']:
                if vf['config']['port_id'] == port_id:
                    return pf, vf['vf']
        found = self.cards.get(port_id)
        return found if found and found[0] in pfs else None

    def forget(self, port_id):
        """A port is not here any more."""
        self.cards.pop(port_id, None)

    def sweep(self):
        """Remove files of sockets that nobody has held for long: those of QEMUs that were killed."""
        held = watch.listening(self.directory)
        try:
            names = [n for n in os.listdir(self.directory) if SOCKET.match(n) and n not in held]
        except OSError:  # it is not there, or not for this account: Watch says so
            return
        for name in names:
            path = f'{self.directory}/{name}'
            try:
                if time.time() - os.stat(path).st_mtime > SOCKET_KEPT_S:
                    os.unlink(path)
            except OSError as e:
                LOG.debug('%s stays: %s', path, e)

    def describe(self) -> dict:
        """What the mechanism driver binds by: an agent's `configurations`. A restart of a daemon is not seen in it."""
        said: dict = {'device_mappings': self.mappings, 'vhostuser_socket_dir': self.directory,
                      'devices': {}, 'error': ''}
        try:
            pfs = self.known_pfs()
        except control.ControlError as e:
            self.away_since = self.clock() if self.away_since is None else self.away_since
            kept = self.said if self.clock() - self.away_since <= AWAY_S else {}
            return {**said, 'devices': kept, 'error': str(e)}
        for pf, info in pfs.items():
            said['devices'][pf] = {'kind': info['status']['kind'], 'mtu': info['config']['mtu'],
                                   **self._room(info)}
        missing = {pf for of in self.mappings.values() for pf in of} - set(pfs)
        if missing:
            said['error'] = 'not there: ' + ', '.join(sorted(missing))
        self.said, self.away_since = said['devices'], None
        return said

    def _room(self, info):
        if info['status']['kind'] == 'hw':
            return {'pci_slots': [vf['status'].get('pci_slot') for vf in info['vfs']]}
        agents = [vf for vf in info['vfs'] if vf['vf'] >= self.direct_vfs]
        return {'free': sum(map(is_free, agents)), 'vfs': len(info['vfs'])}
