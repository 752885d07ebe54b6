#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tenants boot and delete servers while every process is killed -9 at random; then what is left is counted.

usage: tests/soak/soak.py [-t SECONDS] [-s SEED]     on a private instance of everything; needs root

Prints JSON: rounds, kills, the longest delete, what leaked. Exit status 1 when a server did not go, or anything is left.
"""
import argparse
import collections
import concurrent.futures
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'integration'))
import requests  # noqa: E402
from conftest import wait_for  # noqa: E402
from test_cloud import Site  # noqa: E402

NOVA, NET = '/compute/v2.1', '/network/v2.0'
KINDS = ('agent', 'agent', 'API', 'API', 'libvirtd', 'switch child', 'switch parent', 'dnsmasq', 'QEMU')
KEYS = ('/vf/', '/host/', '/server/', '/dhcp_port/', '/resync/', '/console/')
DELETE_S = 240  # a server that is not gone by then is stuck; kills interrupt a wait of 30 s in libvirt (docs/reliability.md)
SETTLE_S = 60
QUIET_ROUNDS = 4
RESIDENTS = 3  # servers that live through all of it


class Soak:
    """A site, its tenants, and who kills."""

    def __init__(self, directory, seed):
        self.site, self.chance = Site(directory), random.Random(seed)
        cloud = self.site.cloud
        self.tenants = [cloud.admin, cloud.demo]
        for image in cloud.admin.get('/image/v2/images')['images']:
            got = cloud.admin.http.patch(
                f"{cloud.apid.url}/image/v2/images/{image['id']}", timeout=30,
                data=json.dumps([{'op': 'replace', 'path': '/visibility', 'value': 'public'}]),
                headers={'Content-Type': 'application/openstack-images-v2.1-json-patch'})
            assert got.ok, got.text
        self.net = cloud.network(shared=True, **{'provider:network_type': 'flat',
                                                 'provider:physical_network': 'physnet1'})
        flavor = cloud.admin.get(NOVA + '/flavors')['flavors'][0]['id']
        self.wish = {'name': 'soak', 'flavorRef': flavor, 'imageRef': self.site.image,
                     'networks': [{'uuid': self.net['id']}]}
        self.vfs = self.vf_configs()
        self.halt, self.lock = threading.Event(), threading.Lock()
        self.count, self.longest = collections.Counter(), 0.0
        self.ends, self.faults, self.kills = (collections.Counter() for _ in range(3))

    def vf_configs(self):
        return [self.site.swd.vf('p2p1', n)['config'] for n in range(8)]

    def is_ours(self, pid):
        """Is it the site's: its arguments name the directory, and no other process got the number meanwhile?"""
        return str(self.site.dir).encode() in pathlib.Path(f'/proc/{pid}/cmdline').read_bytes()

    def kill(self, kind):
        """End one kind of process by force; start again what nobody else does."""
        site = self.site
        if kind == 'agent':
            site.agent.kill()
            site.agent.wait()
            site.start_agent()
        elif kind == 'API':
            site.cloud.apid.stop(signal.SIGKILL)
            site.cloud.apid.start()
        elif kind == 'libvirtd':
            site.libvirt.stop(signal.SIGKILL)
            site.libvirt.start()
        elif kind == 'switch child':
            os.kill(site.swd.child(), signal.SIGKILL)
        elif kind == 'switch parent':
            site.swd.proc.kill()
            site.swd.proc.wait()
            site.swd.start()
        else:
            at = 'dhcp/*/pid' if kind == 'dnsmasq' else 'libvirt/run/qemu/anyvf-*.pid'
            pids = [pid for pid in (int(path.read_text()) for path in site.dir.glob(at)) if self.is_ours(pid)]
            if not pids:
                return
            os.kill(self.chance.choice(pids), signal.SIGKILL)
        self.kills[kind] += 1

    def husks(self):
        """Domains that libvirt keeps though it never started a QEMU for them; docs/reliability.md."""
        return {path.stem for path in self.site.dir.glob('libvirt/run/qemu/anyvf-*.xml') if "pid='0'" in path.read_text()}

    def killer(self):
        while not self.halt.wait(self.chance.choice((0.1, 0.5, 1, 2, 4))):
            with contextlib.suppress(OSError, ValueError):  # it ended by itself just now
                self.kill(self.chance.choice(KINDS))

    @staticmethod
    def ask(client, method, path, body=None):
        """(HTTP status, JSON); 0 while the API is away."""
        with contextlib.suppress(requests.RequestException, ValueError):
            got = client.call(method, path, body, timeout=20)
            return got.status_code, got.json() if got.content else None
        return 0, None

    def delete(self, client, path):
        """Delete a server and wait until it is gone; the seconds, or None if it stays."""
        begin = time.monotonic()
        while time.monotonic() < begin + DELETE_S:
            if self.ask(client, 'DELETE', path)[0] in (204, 404):
                break
            time.sleep(0.1)
        while time.monotonic() < begin + DELETE_S:
            if self.ask(client, 'GET', path)[0] == 404:
                return time.monotonic() - begin
            time.sleep(0.1)
        return None

    def round(self, client, pause, active=False):
        """Boot, wait, delete."""
        code, doc = self.ask(client, 'POST', NOVA + '/servers', {'server': self.wish})
        if code != 202:
            time.sleep(0.2)
            return
        path = f"{NOVA}/servers/{doc['server']['id']}"
        end = time.monotonic() + (60 if active else pause)
        status = fault = ''
        while time.monotonic() < end and not (active and status == 'ACTIVE'):
            server = (self.ask(client, 'GET', path)[1] or {}).get('server') or {}
            status, fault = server.get('status', status), server.get('fault', {}).get('message', fault)
            time.sleep(0.1)
        took = self.delete(client, path)
        with self.lock:
            self.count['rounds'] += 1
            self.ends[status or 'not looked at'] += 1
            self.faults.update([re.sub(r'[0-9a-f-]{36}|/\S*/', '', fault)[:100]] if fault else [])
            self.count['stuck'] += took is None
            self.longest = max(self.longest, took or DELETE_S)

    def tenant(self, client, seed):
        chance = random.Random(seed)
        while not self.halt.is_set():
            self.round(client, chance.choice((0, 0.1, 0.5, 1.5, 4, 8)))

    def documents(self):
        """Keys of the store that go with servers; the API is started anew, as it has the store for itself."""
        apid = self.site.cloud.apid
        apid.stop()
        with contextlib.closing(sqlite3.connect(self.site.dir / 'api.db')) as db:
            keys = [key for (key,) in db.execute('select key from doc') if key.startswith(KEYS)]
        apid.start()
        return keys

    def left(self):
        """What is there and should not be, by name."""
        site = self.site
        ports = site.cloud.admin.get(NET + '/ports')['ports']
        return {what: got for what, got in {
            'servers': [s['id'] for s in site.cloud.admin.get(NOVA + '/servers?all_tenants=1')['servers']],
            'ports': [p['id'] for p in ports],
            'domains': sorted(set(site.libvirt.domains()) - self.husks()),
            'namespaces': [n.name for n in pathlib.Path('/run/netns').glob(f"anyvf-{self.net['id'][:8]}")],
            'dnsmasq': [str(p) for p in site.dir.glob('dhcp/*')],
            'service ports': site.swd.call('svc.list'),
            'mirrors': site.swd.call('mirror.list'),
            'VFs off default': [n for n, c in enumerate(self.vf_configs()) if c != self.vfs[n]],
            'files': [str(p) for p in site.dir.glob('agent/*/*') if p.parent.name in ('servers', 'ports')],
        }.items() if got}

    def settle(self):
        """Wait until nothing is left; what is, after a while."""
        end = time.monotonic() + SETTLE_S
        while (left := self.left()) and time.monotonic() < end:
            time.sleep(0.5)
        return left

    def descriptors(self):
        pids = {'agent': self.site.agent.pid, 'API': self.site.cloud.apid.proc.pid, 'switch': self.site.swd.child()}
        return {name: len(os.listdir(f'/proc/{pid}/fd')) for name, pid in pids.items()}

    def quiet(self):
        """Rounds without kills: what they leave open in the daemons."""
        self.round(self.tenants[0], 0, active=True)
        self.settle()
        before = self.descriptors()
        for _ in range(QUIET_ROUNDS):
            self.round(self.tenants[1], 0, active=True)
        left = self.settle()
        wait_for(lambda: all(n <= before[k] for k, n in self.descriptors().items()) or time.sleep(1), 20,
                 f'{before} descriptors, not {self.descriptors()}')
        return left

    def keep(self, directory):
        """Logs, and where the threads of agent and libvirtd are."""
        pathlib.Path(directory).mkdir(parents=True, exist_ok=True)
        for place in '*.log', 'libvirt/*.log', 'libvirt/log/qemu/*.log', 'libvirt/run/qemu/*.xml':
            for path in self.site.dir.glob(place):
                shutil.copy(path, directory)
        for name, pid in ('agent', self.site.agent.pid), ('libvirtd', self.site.libvirt.proc.pid):
            stacks = subprocess.run(['gdb', '-batch', '-p', str(pid), '-ex', 'thread apply all bt'], capture_output=True,
                                    text=True, timeout=60, check=False)
            pathlib.Path(directory, f'{name}.stacks').write_text(stacks.stdout)

    def run(self, seconds):
        """The figures, and whether all is well."""
        begin = time.monotonic()
        for _ in range(RESIDENTS):
            self.ask(self.tenants[0], 'POST', NOVA + '/servers', {'server': self.wish})
        with concurrent.futures.ThreadPoolExecutor() as pool:
            todo = [pool.submit(self.tenant, client, self.chance.random()) for client in self.tenants] + [pool.submit(self.killer)]
            concurrent.futures.wait(todo, seconds, concurrent.futures.FIRST_EXCEPTION)
            self.halt.set()
            for one in todo:
                one.result()
        for server in self.site.cloud.admin.get(NOVA + '/servers?all_tenants=1')['servers']:
            took = self.delete(self.site.cloud.admin, f"{NOVA}/servers/{server['id']}")
            self.count['deleted at the end'] += 1  # residents, and those whose POST was cut off
            self.count['stuck'] += took is None
        left = self.settle()
        left = left or self.quiet()
        if len(self.husks()) > self.kills['libvirtd']:  # each is of a start that a kill cut short
            left['domains that libvirt never started'] = sorted(self.husks())
        documents = self.documents()
        if documents:
            left['documents'] = documents
        return {'seconds': round(time.monotonic() - begin), **self.count, 'stuck': self.count['stuck'],
                'longest delete, s': round(self.longest, 1), 'when deleted': self.ends, 'faults': self.faults,
                'kills': self.kills, 'domains that libvirt never started': len(self.husks()), 'left': left}


@contextlib.contextmanager
def soak_site(seed):
    """A soak in a directory of its own."""
    directory = tempfile.mkdtemp(prefix='anyvf-so-')
    soak = Soak(directory, seed)
    try:
        yield soak
    finally:
        soak.site.close()
        shutil.rmtree(directory)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument('-t', type=float, default=60, metavar='SECONDS')
    options.add_argument('-k', metavar='DIRECTORY', help='keep logs, and stacks of agent and libvirtd, when something is wrong')
    options.add_argument('-s', type=int, default=1, metavar='SEED')
    args = options.parse_args()
    with soak_site(args.s) as soak:
        said = soak.run(args.t)
        print(json.dumps(said, indent=4), flush=True)
        bad = bool(said['left'] or said['stuck'])
        if bad and args.k:
            soak.keep(args.k)
    return bad


if __name__ == '__main__':
    sys.exit(main())
