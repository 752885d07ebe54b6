#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""docs/conformance.md has all its 28 points, each with tests that exist; a test numbered after a point stands on the page there."""
import pathlib
import re
import sys

POINTS = 28


def tests_of(root):
    """{file::test} of all integration and unit tests; file without the test_ of unit tests."""
    for path in sorted((root / 'tests/integration').glob('test_*.py')):
        yield from (f'{path.stem}::{name}' for name in re.findall(r'^def (test_\w+)', path.read_text(), re.M))
    for path in sorted((root / 'tests/unit').glob('test_*.c')):
        text = path.read_text()
        for name in re.findall(r'^static void (\w+)\(void \*\*state\)', text, re.M):
            if len(re.findall(rf'\b{name}\b', text)) > 1:  # it is in the list
                yield f'{path.stem.removeprefix("test_")}::{name}'


def check(root):
    """Yield one line a complaint."""
    page, have, told = 'docs/conformance.md', list(tests_of(root)), {}
    for number, *cells in re.findall(r'^\| (\d+) \| [^|]+ \| ([^|]+) \| ([^|]+) \|$', (root / page).read_text(), re.M):
        names = [re.findall(r'`([^`]+)`', cell) for cell in cells]
        if not all(names) or int(number) in told:
            yield f'{page}: point {number} lacks a test, or stands there twice'
        told[int(number)] = sum(names, [])
    for point in sorted({*range(1, POINTS + 1)} ^ told.keys()):
        yield f'{page}: point {point} is {"missing" if point <= POINTS else "none of ours"}'
    for point, names in told.items():
        yield from (f'{page}: point {point}: there is no test {name}' for name in names if name not in have)
    files = {name.split('::')[0] for name in sum(told.values(), [])}
    for name in have:
        file, points = name.split('::')[0], re.match(r'\w+::test((?:_\d\d)+)_', name)
        for point in map(int, points[1].split('_')[1:] if points and file in files else ()):
            if name not in told.get(point, ()):
                yield f'{page}: point {point} does not have {name}'


if __name__ == '__main__':
    bad = list(check(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else '.')))
    print('\n'.join(bad) if bad else f'conformance: ok ({POINTS} points)')
    sys.exit(bool(bad))
