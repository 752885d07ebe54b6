# SPDX-License-Identifier: Apache-2.0
"""Who hears every revision of the store: a watch of each member, of which the one that is ahead is believed."""
import base64
import json
import threading
import time

import requests

PREFIX, LAST = '/anyvf/doc', '/anyvf/meta/last/'


def text_of(data):
    return base64.b64decode(data).decode()


def bytes_of(text):
    return base64.b64encode(text.encode()).decode()


RANGE = {'key': bytes_of(PREFIX + '/'), 'range_end': bytes_of(PREFIX + '0')}
ALL = {'key': bytes_of('/anyvf/'), 'range_end': bytes_of('/anyvf0')}


class Witness:
    """Writes all documents of the store down, as they are and as they become."""

    def __init__(self, etcd, note):
        self.etcd, self.note, self.halt, self.lock = etcd, note, threading.Event(), threading.Lock()
        answer = self.read()
        self.first = self.revision = int(answer['header']['revision'])
        self.keys = set()
        for kv in answer['kvs']:
            self.write(int(kv['mod_revision']), kv)
        self.threads = [threading.Thread(target=self.listen, args=(url,), daemon=True) for url in etcd.clients]
        for thread in self.threads:
            thread.start()

    def read(self):
        """All of it, as a quorum has it; None: no member answers."""
        answers = (self.etcd.ask(i, 'kv/range', **RANGE) for i in range(len(self.etcd.clients)))
        return next((answer for answer in answers if answer), None)

    def write(self, rev, kv, gone=False, author=None):
        key = text_of(kv['key'])[len(PREFIX):]
        (self.keys.discard if gone else self.keys.add)(key)
        self.note('store', rev=rev, key=key, doc=None if gone else json.loads(text_of(kv['value'])),
                  heard=time.monotonic_ns(), by=author)

    def listen(self, url):
        """One member's stream, again and again from where all of us are."""
        while not self.halt.wait(0.2):
            body = {'create_request': {**ALL, 'start_revision': self.revision + 1}}
            try:
                with requests.post(f'{url}/v3/watch', json=body, stream=True, timeout=(2, 5)) as got:
                    for line in got.iter_lines(chunk_size=None):
                        self.hear(json.loads(line).get('result', {}).get('events', ()))
            except (requests.RequestException, ValueError, OSError):
                pass

    def hear(self, events):
        """Whole revisions, in order."""
        with self.lock:
            rows = [(int(event['kv']['mod_revision']), text_of(event['kv']['key']), event) for event in events]
            rows = [row for row in rows if row[0] > self.revision]
            authors = {rev: key[len(LAST):] for rev, key, _ in rows if key.startswith(LAST)}
            for rev, key, event in rows:
                if key.startswith(PREFIX):
                    self.write(rev, event['kv'], event.get('type') == 'DELETE', authors.get(rev))
                self.revision = rev

    def caught_up(self):
        """(revision, documents) once all that is in the store was heard; None: not yet."""
        answer = self.read()
        if not answer:
            return None
        newest = max((int(kv['mod_revision']) for kv in answer['kvs']), default=0)
        with self.lock:
            if self.revision < newest or {text_of(kv['key'])[len(PREFIX):] for kv in answer['kvs']} != self.keys:
                return None
        docs = {text_of(kv['key'])[len(PREFIX):]: json.loads(text_of(kv['value'])) for kv in answer['kvs']}
        return int(answer['header']['revision']), docs

    def close(self):
        self.halt.set()
