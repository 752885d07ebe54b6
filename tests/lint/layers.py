#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Who may include whom: rooms see only the rooms below them, foreign headers only their own room.

A room is a folder below src; where the table names folders in it, these are the rooms. `room/*` is each folder of `room`
for itself: they do not see each other. Who sees `room` sees its folders, who sees `room/.` does not.
"""
import pathlib
import re
import sys

ROOMS = {
    'base': '', 'model': 'base', 'ctl': 'base model', 'veb': 'base model',
    'sw/parent': 'base model', 'sw/data': 'base model veb sw/. sw/parent', 'sw/port': 'base model veb sw/. sw/data sw/parent',
    'sw/vhost': 'base model veb sw/. sw/data sw/parent', 'sw': 'base model veb sw/data',
    'sw/control': 'base model veb sw/. sw/port sw/parent',
    'hw': 'base model', 'metrics': 'base model ctl', 'httpc': 'base', 'store': 'base httpc',
    'http': 'base', 'web/page': '', 'web': 'base model ctl http web/page', 'engine': 'base model store http', 'identity': 'base engine http', 'image': 'base engine http httpc',
    'hosts': 'base model engine', 'network/core': 'base model engine', 'network/binding': 'base model engine hosts network/core',
    'network/secgroup': 'base model engine hosts identity network/core network/binding',
    'network/*': 'base model engine hosts network/core network/binding',
    'compute': 'base model engine hosts network/core network/binding image',
    'ui': 'base engine hosts web/page',
    'agent/host': 'base model ctl', 'agent/core': 'base model httpc agent/host', 'agent/kinds/*': 'base model agent/host agent/core',
    'sim': 'base model httpc agent', 'cli': 'base model ctl httpc hw metrics web',
    'daemons': 'base model ctl metrics veb sw/. sw/control sw/parent hw httpc store http engine identity hosts network image compute ui agent sim cli web',
}
# Foreign header -> the rooms that may include it. libc and jansson are everybody's.
FOREIGN = [
    (r'rte_', 'sw/. sw/data sw/port sw/vhost'), (r'seccomp', 'sw/parent'),
    (r'linux/virtio|linux/if_tun|linux/if_packet|linux/vhost', 'sw/data sw/port sw/vhost sw/parent'),
    (r'libmnl', 'hw'), (r'linux/if_link|linux/rtnetlink', 'hw sw/parent'), (r'curl/|nghttp2/', 'httpc'), (r'sqlite3|protobuf-c', 'store'),
    (r'microhttpd', 'http'), (r'gnutls', 'http httpc'), (r'sodium', 'base store http engine identity image compute cli web'), (r'libvirt/', 'agent/host'), (r'ini\.h|md5\.h', 'base'), (r'pcap', 'veb cli'),
]


def room_of(path):
    """The room of a path below src, and its key in ROOMS."""
    parents = ['/'.join(path.split('/')[:n]) for n in range(path.count('/'), 0, -1)]
    for room in parents:
        for key in (room, re.sub('[^/]+$', '*', room)):
            if key in ROOMS:
                return room, key
    return parents[-1], None


def is_in(room, rooms):
    """Is it one of these, or in one of these?"""
    return any(room + '/.' == one or room == one or room.startswith(one + '/') for one in rooms)


def picture(root):
    """Yield one line a row of ARCHITECTURE.md's table of rooms that is not as it is here."""
    table = (root / 'ARCHITECTURE.md').read_text().partition('\n## Rooms\n')[2].partition('\n## ')[0]
    told = dict(re.findall(r'^\| `([\w/*]+)` \|.*\| ([\w/. ]+|–) \|$', table, re.M))
    here = {room: 'any' if room == 'daemons' else sees or '–' for room, sees in ROOMS.items() if any((root / 'src').glob(room))}
    for room in sorted(here.keys() | told.keys()):
        if sorted(told.get(room, '').split()) != sorted(here.get(room, '').split()):
            yield f'ARCHITECTURE.md, Rooms: {room} sees {told.get(room, "(untold)")}; here: {here.get(room, "no such room")}'


def check(root):
    """Yield one line a violation under root/src."""
    yield from picture(root)
    for path in sorted((root / 'src').rglob('*.[ch]')):
        room, key = room_of(str(path.relative_to(root / 'src')))
        if not key:
            yield f'{path.relative_to(root)}: {room}/ is no room of the table'
            continue
        may = {room + '/.', *ROOMS[key].split()}
        for n, line in enumerate(path.read_text().splitlines(), 1):
            where = f'{path.relative_to(root)}:{n}'
            own = re.match(r'#include "(\w+/.+)"', line)
            if own and not is_in(room_of(own[1])[0], may):
                yield f'{where}: {room}/ may not include {room_of(own[1])[0]}/'
            elif re.match(r'#include "', line) and not own:
                yield f'{where}: our headers are included as "ROOM/FILE.h"'
            foreign = re.match(r'#include <(.+)>', line)
            for pattern, rooms in FOREIGN if foreign and room != 'daemons' else ():
                if re.match(pattern, foreign[1]) and not is_in(room, rooms.split()):
                    yield f'{where}: <{foreign[1]}> belongs to {rooms}/ alone'


if __name__ == '__main__':
    bad = list(check(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else '.')))
    print('\n'.join(bad) if bad else 'layers: ok')
    sys.exit(bool(bad))
