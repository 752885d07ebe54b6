#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Ids that a client names are looked up as that client, by res_find() or res_seen().

res_get() sees everybody's documents, and a key made of a client's words is one of any project's. Each
function that uses these is named in lookups.txt beside this file, with the reason why it may.
"""
import pathlib
import re
import sys

HEAD = re.compile(r'^[a-z][\w \t*]*?\b(\w+)\([^;]*$', re.M)
UNCHECKED = re.compile(r'\bres_get\(|\bcall_(?:get|list|put|claim|delete)\([^;]*?\b(?:c->ids\[|call_arg\()')
ROOMS = 'engine', 'identity', 'hosts', 'network', 'image', 'compute', 'ui'


def functions(text):
    """(start, name) of each function's head, in order."""
    return [(m.start(), m[1]) for m in HEAD.finditer(text)]


def check(root):
    """Yield one line a violation."""
    allowed = {}
    lines = (root / 'tests/lint/lookups.txt').read_text().splitlines()
    for n, line in enumerate(lines, 1):
        entry = re.fullmatch(r'(\S+) (\w+): (\S.*)', line)
        if entry:
            allowed[entry[1], entry[2]] = n
        elif line and not line.startswith('#'):
            yield f'tests/lint/lookups.txt:{n}: wanted: FILE FUNCTION: REASON'
    used = set()
    for path in sorted(p for room in ROOMS for p in (root / 'src' / room).rglob('*.c')):
        text = re.sub(r'/\*.*?\*/', lambda m: re.sub(r'[^\n]', ' ', m[0]), path.read_text(), flags=re.S)
        heads = functions(text)
        for use in UNCHECKED.finditer(text):
            name = next((name for at, name in reversed(heads) if at < use.start()), '?')
            key = (str(path.relative_to(root / 'src')), name)
            used.add(key)
            if key not in allowed and name != 'res_get':
                line = text.count('\n', 0, use.start()) + 1
                yield (f'{path.relative_to(root)}:{line}: {name}() looks up without asking who may see it: '
                       'res_find() or res_seen(), or the reason in tests/lint/lookups.txt')
    for key, n in allowed.items():
        if key not in used:
            yield f'tests/lint/lookups.txt:{n}: {key[0]} {key[1]}() does not do it any more'


if __name__ == '__main__':
    bad = list(check(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else '.')))
    print('\n'.join(bad) if bad else 'lookups: ok')
    sys.exit(bool(bad))
