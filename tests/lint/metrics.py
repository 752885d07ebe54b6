#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""docs/metrics.md has every family of metrics the sources write, with its type, and no other; rules, their tests and the dashboard ask for none but these."""
import pathlib
import re
import sys

TYPES = {'COUNTER': 'counter', 'GAUGE': 'gauge', 'HISTOGRAM': 'histogram', 'INFO': 'info'}
ENDS = {'counter': '_total', 'info': '_info'}
SERIES = {'histogram': ('_bucket', '_sum', '_count')}
ASKING = ('packaging/prometheus/anyvf.rules.yml', 'packaging/prometheus/anyvf.rules.test.yml', 'packaging/grafana/anyvf.json')


def written(root):
    """{name: type} of the sources: a name is followed by its type, or stands in a table of counters."""
    got = {}
    for path in sorted((root / 'src').rglob('*.c')):
        text = path.read_text()
        for name, kind in re.findall(r'"(anyvf_\w+)",\s*PROM_(\w+)', text):
            got[name + ENDS.get(TYPES[kind], '')] = TYPES[kind]
        for name in re.findall(r'\{ "(anyvf_\w+)", "\w+"', text):
            got[name + '_total'] = 'counter'
    return got


def main(root):
    """Print what differs; return how many."""
    here = written(root)
    told = dict(re.findall(r'^\| `(anyvf_\w+)` \| (\w+) \|', (root / 'docs/metrics.md').read_text(), re.M))
    bad = [f'docs/metrics.md: {name} ({kind}) is not told' for name, kind in sorted(here.items()) if told.get(name) != kind]
    bad += [f'docs/metrics.md: {name} is no metric' for name in sorted(told.keys() - here.keys())]
    series = {name + end for name, kind in here.items() for end in SERIES.get(kind, ('',))}
    for path in ASKING:
        asked = set(re.findall(r'\banyvf_\w+', (root / path).read_text()))
        bad += [f'{path}: {name} is no series of ours' for name in sorted(asked - series)] + ([] if asked else [f'{path}: asks for nothing'])
    print('\n'.join(bad) if bad else f'metrics: ok ({len(here)})')
    return len(bad)


if __name__ == '__main__':
    sys.exit(bool(main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else '.'))))
