#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""docs/openstack.md tells of each thing that is not served on purpose, as the tables of the features have it (struct
absent), and nothing that is in those tables is served. `absent.py . --renew` writes the page's tables anew.
"""
import itertools
import pathlib
import re
import subprocess
import sys

HEAD = '| asked for | answer | why |\n|---|---|---|\n'


def rows(build):
    """(service, method, path, word, status, why) of all tables."""
    text = subprocess.run([build / 'tests/lib/words', 'absent'], stdout=subprocess.PIPE, text=True, check=True).stdout
    return [line.split('\t') for line in text.splitlines()]


def tables(all_rows):
    """The page's tables by service, as text; what has one reason is one row."""
    got = {}
    for (name, status, why), group in itertools.groupby(all_rows, lambda r: (r[0], r[4], r[5])):
        asked = [f'{method} {path.replace("*", "…")}'.strip() + (f' `{word}`' if word else '') for _, method, path, word, _, _ in group]
        got[name] = got.get(name, HEAD) + f'| {", ".join(asked)} | {status} | {why} |\n'
    return got


def served(root, all_rows):
    """Yield each row that names what there is."""
    policy = (root / 'docs/policy.md').read_text()
    routes = {tuple(r) for r in re.findall(r'^\| ([A-Z]+) (/\S+) \|', policy, re.M)}
    actions = '\n'.join(p.read_text() for p in (root / 'src/compute').rglob('*.c') if p.name != 'absent.c')
    for _, method, path, word, _, _ in all_rows:
        if word and f'{{ "{word}", ' in actions:
            yield f'{path} {word}'
        elif not word and any((method or m) == m and path.rstrip('*') == p for m, p in routes):
            yield f'{method} {path}'


def main(root, renew):
    """Print what is wrong; return how many."""
    build = next((root / name for name in ('build', 'build-san') if (root / name / 'tests/lib/words').exists()), None)
    if not build:
        print('absent: nothing is built')
        return 1
    all_rows = rows(build)
    page = root / 'docs/openstack.md'
    text = page.read_text()
    bad = [f'{what}: is served, and in a table of what is not (struct absent)' for what in served(root, all_rows)]
    for name, table in tables(all_rows).items():
        place = re.compile(rf'(?<=^### {name}: not served\n\n)(?:\|.*\n)+', re.M)
        if renew:
            text = place.sub(lambda _: table, text)
        elif table not in place.findall(text):
            bad.append(f'docs/openstack.md: {name} is not as its tables have it: tests/lint/absent.py . --renew')
    if renew:
        page.write_text(text)
    print('\n'.join(bad) if bad else f'absent: ok ({len(all_rows)})')
    return len(bad)


if __name__ == '__main__':
    sys.exit(bool(main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else '.'), '--renew' in sys.argv)))
