# SPDX-License-Identifier: Apache-2.0
"""Clients that make, change, look at and delete things at either replica, and write down what they ask and hear."""
import random
import threading
import time

from parties import HOSTS, RECORDED, REPLICAS, SIMULATED

NET, NOVA, IDV3 = '/network/v2.0', '/compute/v2.1', '/identity/v3'
PATHS = {'port': f'{NET}/ports', 'network': f'{NET}/networks', 'project': f'{IDV3}/projects', 'server': f'{NOVA}/servers'}
SHOWN = {'port': ('name', 'mac_address', 'fixed_ips', 'network_id', 'binding:host_id', 'revision_number'),
         'network': ('name', 'revision_number'), 'project': ('name', 'description'), 'server': ('name',)}
WORDS = ('create', 'create', 'create', 'update', 'update', 'delete', 'delete', 'show', 'show', 'show', 'list')
KINDS = ('port',) * 12 + ('network', 'network', 'project', 'project', 'server', 'server', 'server')
MANY = {'port': 40, 'network': 8, 'project': 6, 'server': 12}
PAUSE_S = 1.2  # before a client's next request, at most; half of them do not wait
SUBNET = 30  # addresses that ports ask for


class Tenants:
    """What clients share: what there is, and how many requests are still to be made."""

    def __init__(self, parties, note, ops, seed):
        self.parties, self.note, self.left, self.lock = parties, note, ops, threading.Lock()
        self.halt = threading.Event()
        self.known = {kind: [] for kind in PATHS}
        self.nets, self.net_of = [], {}  # of ports
        for vlan in (100, 101, 102):
            dhcp = vlan == 102  # whose ports are on hosts without switches: two hosts' namespaces had the same name here
            net = parties.call('POST', f'{NET}/networks', {'network': {
                'name': f'base{vlan}', 'provider:network_type': 'vlan', 'provider:physical_network': 'physnet1',
                'provider:segmentation_id': vlan}})['network']['id']
            subnet = parties.call('POST', f'{NET}/subnets', {'subnet': {
                'network_id': net, 'ip_version': 4, 'cidr': f'10.{vlan}.0.0/24', 'enable_dhcp': dhcp}})['subnet']['id']
            self.nets.append((net, subnet, f'10.{vlan}.0.', (RECORDED, SIMULATED) if dhcp else (HOSTS, RECORDED, SIMULATED)))
        self.flavor = parties.call('POST', f'{NOVA}/flavors', {'flavor': {'name': 'f', 'ram': 64, 'vcpus': 1, 'disk': 0}})['flavor']['id']
        self.image = parties.call('POST', '/image/v2/images', {'name': 'i', 'disk_format': 'raw', 'container_format': 'bare'})['id']
        got = parties.admin.http.put(f"{parties.admin.urls['a']}/image/v2/images/{self.image}/file", data=b'k' * 600, timeout=30,
                                     headers={'Content-Type': 'application/octet-stream'})
        assert got.status_code == 204, got.text
        self.all = [Tenant(self, f'c{i}', random.Random(seed * 1000 + i)) for i in range(8)]

    def take(self):
        """Is there one more to be made?"""
        with self.lock:
            self.left -= 1
            return self.left >= 0 and not self.halt.is_set()

    def run(self, seconds):
        """Until all is asked, or the time is over; whether it was all."""
        end = time.monotonic() + seconds
        threads = [threading.Thread(target=tenant.run, daemon=True) for tenant in self.all]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0, end - time.monotonic()))
        self.halt.set()
        for thread in threads:
            thread.join(60)
        return self.left < 0


class Tenant:
    """One client."""

    def __init__(self, tenants, name, chance):
        self.tenants, self.name, self.chance, self.count = tenants, name, chance, 0
        self.user = tenants.parties.user('tenants', 'admin', tenants.parties.password)

    def run(self):
        while self.tenants.take():
            self.step()
            time.sleep(self.chance.choice((0, self.chance.uniform(0, PAUSE_S))))

    def ask(self, word, kind, ident=None, tag=None, method='GET', body=None, at=None):
        """One request, written down with its answer."""
        at = at or self.chance.choice(REPLICAS)
        path = PATHS[kind] + (f'/{ident}' if ident else '')
        start = time.monotonic_ns()
        if word == 'trespass':
            status, answer, headers = self.user.once(at, method, path, body, **{'X-Auth-Token': None})
        else:
            status, answer, headers = self.user.call(at, method, path, body)
        end = time.monotonic_ns()
        ok = 200 <= status < 300
        doc = answer.get(kind) if ok and answer else None
        if word == 'create' and ok:
            ident = doc['id']
            self.tenants.net_of[ident] = doc.get('network_id')
            self.tenants.known[kind].append(ident)
        got = {k: doc.get(k) for k in SHOWN[kind]} if doc and word == 'show' else None
        if word == 'list' and ok:
            got = {d['id']: d.get('revision_number', d.get('description')) for d in answer[kind + 's']}
        if status >= 400:
            got = answer
        self.tenants.note('ops', who=self.name, at=at, op=word, kind=kind, id=ident, tag=tag, start=start, end=end, status=status,
                          got=got, retry_after=headers.get('Retry-After'))
        return status

    def step(self):
        """Something, of what there is."""
        kind, word = self.chance.choice(KINDS), self.chance.choice(WORDS)
        known = self.tenants.known[kind]
        if self.chance.random() < 0.04:  # without a token
            self.ask('trespass', kind, known and self.chance.choice(known) or None, None, self.chance.choice(('GET', 'DELETE')))
            return
        if word == 'list' and kind == 'server':
            word = 'show'
        if word == 'update' and kind == 'server':
            word = 'delete'
        if word == 'create' and len(known) > MANY[kind]:
            word = 'delete'
        if word in ('update', 'delete', 'show') and not known:
            word = 'create'
        self.count += 1
        tag = f'{self.name}-{self.count}'
        if word == 'create':
            self.ask(word, kind, None, tag, 'POST', {kind: getattr(self, f'new_{kind}')(tag)})
        elif word == 'list':
            self.ask(word, kind)
        else:
            ident = self.chance.choice(known)
            if word == 'delete' and self.ask(word, kind, ident, None, 'DELETE') in (204, 404) and ident in known:
                known.remove(ident)
            elif word == 'update':
                self.ask(word, kind, ident, tag, 'PATCH' if kind == 'project' else 'PUT', {kind: self.change(kind, tag, ident)})
            elif word == 'show':
                self.ask(word, kind, ident)

    def new_port(self, tag):
        net, subnet, prefix, hosts = self.chance.choice(self.tenants.nets)
        others = self.tenants.known['network']
        if others and self.chance.random() < 0.15:
            return {'name': tag, 'network_id': self.chance.choice(others)}
        body = {'name': tag, 'network_id': net, 'binding:vnic_type': 'direct'}
        if self.chance.random() < 0.6:
            body['binding:host_id'] = self.host(hosts)
        if self.chance.random() < 0.3:
            body['fixed_ips'] = [{'subnet_id': subnet, 'ip_address': f'{prefix}{self.chance.randrange(10, 10 + SUBNET)}'}]
        if self.chance.random() < 0.3:
            body['mac_address'] = f'fa:16:3e:cc:00:{self.chance.randrange(20):02x}'
        return body

    def host(self, hosts):
        return self.chance.choice(self.chance.choice(hosts))

    def new_network(self, tag):
        return {'name': tag}

    def new_project(self, tag):
        return {'name': f'p{self.chance.randrange(6)}', 'domain_id': 'default', 'description': tag}

    def new_server(self, tag):
        return {'name': tag, 'flavorRef': self.tenants.flavor, 'imageRef': self.tenants.image,
                'networks': [{'uuid': self.chance.choice(self.tenants.nets)[0]}]}

    def change(self, kind, tag, ident):
        if kind == 'project':
            return {'description': tag}
        if kind == 'port' and self.chance.random() < 0.4:
            net = next((net for net in self.tenants.nets if net[0] == self.tenants.net_of.get(ident)), None)
            return {'name': tag, 'binding:host_id': self.chance.choice(('', self.host(net[3])))} if net else {'name': tag}
        return {'name': tag}

    def sweep(self, state):
        """Delete all that was made, and be known as who does; state: the store's documents."""
        self.name = 'sweep'
        for kind in ('server', 'port', 'network', 'project'):
            for key in list(state):
                word, ident = key[1:].split('/', 1)
                if word == kind and any(str(state[key].get(member)).startswith(('c', 'base')) for member in ('name', 'description')):
                    self.ask('delete', kind, ident, None, 'DELETE')
