# SPDX-License-Identifier: Apache-2.0
"""A real etcd of one or three members, on loopback, in a directory of its own."""
import contextlib
import pathlib
import subprocess

import requests

from apid import free_port
from conftest import wait_for


class Etcd:
    """Members m0, m1, ...; their store's URL is .store(prefix). spread: (IP address, words to run it there) of each."""

    def __init__(self, directory, members=1, spread=()):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(exist_ok=True)
        self.spread = spread or [('127.0.0.1', ())] * members
        self.clients = [f'http://{address}:{free_port()}' for address, _ in self.spread]
        self.peers = [f'http://{address}:{free_port()}' for address, _ in self.spread]
        self.procs = [None] * len(self.spread)

    def store(self, prefix='/anyvf'):
        return 'etcd:' + ','.join(self.clients) + prefix

    def start(self, *which):
        self.run(*which)
        for i in which or range(len(self.procs)):
            wait_for(lambda i=i: self.ask(i, 'kv/range', key='YQ=='), 30, f'etcd m{i}')
        return self

    def run(self, *which):
        """Start them, and do not wait."""
        for i in which or range(len(self.procs)):
            with open(self.dir / f'm{i}.log', 'ab') as log:
                self.procs[i] = subprocess.Popen(
                    [*self.spread[i][1], 'etcd', '--name', f'm{i}', '--data-dir', self.dir / f'm{i}',
                     '--max-txn-ops', '4096', '--unsafe-no-fsync',
                     '--listen-client-urls', self.clients[i], '--advertise-client-urls', self.clients[i],
                     '--listen-peer-urls', self.peers[i], '--initial-advertise-peer-urls', self.peers[i],
                     '--initial-cluster', ','.join(f'm{k}={peer}' for k, peer in enumerate(self.peers))], stdout=log, stderr=log)

    def ask(self, member, path, **body):
        """The answer of a member's gateway; None: there is none."""
        with contextlib.suppress(requests.RequestException):
            got = requests.post(f'{self.clients[member]}/v3/{path}', json=body, timeout=5)
            return got.json() if got.ok else None

    def kill(self, *which):
        for i in which or range(len(self.procs)):
            if self.procs[i]:
                self.procs[i].kill()
                self.procs[i].wait()
                self.procs[i] = None

    def text(self):
        """All that stands in it, as bytes of keys and values."""
        import base64
        got = self.ask(0, 'kv/range', key='AA==', range_end='AA==')
        return b'\n'.join(base64.b64decode(kv['key']) + b' ' + base64.b64decode(kv.get('value', '')) for kv in got['kvs'])
