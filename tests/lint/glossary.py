#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""docs/glossary.md: the file that a row names has our word and the trade's, so that a search for either finds it."""
import pathlib
import re
import sys


def check(root):
    """Yield one line a row that is not so."""
    rows = re.findall(r'^\| ([\w, ]+) \| ([\w, -]+) \| `(\S+)` \|$', (root / 'docs/glossary.md').read_text(), re.M)
    if not rows:
        yield 'docs/glossary.md: no rows'
    for ours, trade, name in rows:
        path = root / name
        text = ' '.join(path.read_text().replace('\n * ', ' ').split()).lower() if path.exists() else ''
        for word in f'{ours}, {trade}'.split(', '):
            if not re.search(rf'(?<![a-z]){word.lower()}', text):
                yield f'docs/glossary.md: {name} does not say "{word}"'


if __name__ == '__main__':
    bad = list(check(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else '.')))
    print('\n'.join(bad) if bad else 'glossary: ok')
    sys.exit(bool(bad))
