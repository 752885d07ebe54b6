#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sizes and docs: functions of at most 80 lines, files of at most 600, kernel-doc on every extern function."""
import pathlib
import re
import statistics
import sys

FUNC = re.compile(r'^(?!typedef|AUTO_DEFINE|struct \w+ \{|enum|union|#|\s|/|\*|\}|extern)(?P<head>[A-Za-z_][^;{}=]*?\b(?P<name>\w+)\([^;{}]*\))\s*\n\{\n(?P<body>.*?)\n\}\n',
                  re.S | re.M)


def functions(text):
    """Yield (name, first line, line count, is static, comment above) of each function of a C file."""
    for m in FUNC.finditer(text):
        start = text[:m.start()].count('\n') + 1
        above = text[:m.start()].rstrip()
        comment = above[above.rfind('/*'):] if above.endswith('*/') else ''
        yield m['name'], start, m[0].count('\n'), m['head'].startswith('static') or 'static ' in m['head'].split('(')[0], comment


def main(root):
    """Print what is out of bounds and the figures a reviewer reads; return how many are out."""
    bad, lengths = [], []
    for path in sorted((root / 'src').rglob('*.c')):
        text = path.read_text()
        name = path.relative_to(root)
        if not text.startswith('/* SPDX-License-Identifier'):
            bad.append(f'{name}:1: no SPDX line')
        if text.count('\n') > 600:
            bad.append(f'{name}: {text.count(chr(10))} lines, more than 600')
        for n, line in enumerate(text.splitlines(), 1):
            if len(line.expandtabs(8)) > 100:
                bad.append(f'{name}:{n}: longer than 100 columns')
        for fn, line, length, static, comment in functions(text):
            lengths.append(length)
            if length > 80:
                bad.append(f'{name}:{line}: {fn}() has {length} lines, more than 80')
            if not static and fn != 'main' and not comment.startswith('/**'):
                bad.append(f'{name}:{line}: extern {fn}() has no kernel-doc comment')
    for path in sorted((root / 'src').rglob('*.h')):
        if path.read_text().count('\n') > 600:
            bad.append(f'{path.relative_to(root)}: more than 600 lines')
    if lengths:
        lengths.sort()
        print(f'sizes: {len(lengths)} functions, median {statistics.median(lengths):.0f}, '
              f'p90 {lengths[len(lengths) * 9 // 10]}, max {lengths[-1]}')
    print('\n'.join(bad) if bad else 'sizes and docs: ok')
    return len(bad)


if __name__ == '__main__':
    sys.exit(bool(main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else '.'))))
