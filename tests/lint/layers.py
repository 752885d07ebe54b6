#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Who may include whom: rooms see only the rooms below them, foreign headers only their own room."""
import pathlib
import re
import sys

ROOMS = {
    'base': '', 'model': 'base', 'ctl': 'base model', 'veb': 'base model', 'sw': 'base model veb',
    'hw': 'base model', 'httpc': 'base', 'store': 'base httpc',
    'http': 'base', 'engine': 'base model store http', 'identity': 'base engine http', 'image': 'base engine http',
    'hosts': 'base model engine', 'network': 'base model engine hosts', 'compute': 'base model engine hosts network image',
    'agent': 'base model ctl httpc', 'cli': 'base model ctl httpc',
    'daemons': 'base model ctl veb sw hw httpc store http engine identity hosts network image compute agent cli',
}
# Foreign header -> the rooms that may include it. libc and jansson are everybody's.
FOREIGN = [
    (r'rte_|dpdk/|seccomp', 'sw'), (r'linux/virtio|linux/if_tun|linux/if_packet|linux/vhost', 'sw'),
    (r'libmnl', 'hw'), (r'linux/if_link|linux/rtnetlink', 'hw sw'), (r'curl/', 'httpc'), (r'sqlite3', 'store'),
    (r'microhttpd|gnutls', 'http'), (r'sodium', 'http identity image compute'), (r'libvirt/', 'agent'), (r'ini\.h|md5\.h', 'base'), (r'pcap', 'veb cli'),
]
# What is not yet as it should be (docs/plan.md, A house to grow in): room -> rooms above it that it still sees.
OWES = {'engine': 'identity', 'hosts': 'network compute', 'compute': 'identity'}


def check(root):
    """Yield one line a violation under root/src."""
    for path in sorted((root / 'src').rglob('*.[ch]')):
        room = path.relative_to(root / 'src').parts[0]
        may = {room, *ROOMS[room].split(), *OWES.get(room, '').split()}
        for n, line in enumerate(path.read_text().splitlines(), 1):
            where = f'{path.relative_to(root)}:{n}'
            own = re.match(r'#include "(\w+)/', line)
            if own and own[1] not in may:
                yield f'{where}: {room}/ may not include {own[1]}/'
            elif re.match(r'#include "', line) and not own:
                yield f'{where}: our headers are included as "ROOM/FILE.h"'
            foreign = re.match(r'#include <(.+)>', line)
            for pattern, rooms in FOREIGN if foreign and room != 'daemons' else ():
                if re.match(pattern, foreign[1]) and room not in rooms.split():
                    yield f'{where}: <{foreign[1]}> belongs to {rooms}/ alone'


if __name__ == '__main__':
    bad = list(check(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else '.')))
    print('\n'.join(bad) if bad else 'layers: ok')
    sys.exit(bool(bad))
