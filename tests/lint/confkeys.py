#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""anyvf.conf(5) has every key of the table in base/conf.c, in its section, and no other."""
import pathlib
import re
import sys


def main(root):
    """Print what differs; return how many."""
    table = re.search(r'conf_keys\[\] = \{(.*?)\n\};', (root / 'src/base/conf.c').read_text(), re.S)[1]
    known = set(re.findall(r'^\t\{ "([\w.]+)", "(\w+)",', table, re.M))
    told, section = set(), ''
    for line in (root / 'man/anyvf.conf.5').read_text().splitlines():
        head = re.match(r'\.Ss \[(\w+)(\.NAME)?\]', line)
        if head:
            section = head[1] + ('.' if head[2] else '')
        key = re.match(r'\.It Ic (\w+)', line)
        if key:
            told.add((section, key[1]))
    bad = [f'man/anyvf.conf.5: [{s}] {k} is not told' for s, k in sorted(known - told)]
    bad += [f'man/anyvf.conf.5: [{s}] {k} is no key' for s, k in sorted(told - known)]
    print('\n'.join(bad) if bad else f'configuration keys: ok ({len(known)})')
    return len(bad)


if __name__ == '__main__':
    sys.exit(bool(main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else '.'))))
