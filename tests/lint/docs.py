#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Documents move with code: a man page a program, pages that mandoc takes, links that exist."""
import pathlib
import re
import shutil
import subprocess
import sys


def check(root):
    """Yield one line a complaint."""
    man = root / 'man'
    for name, rest in re.findall(r"executable\('(anyvf[\w-]*)'([^)]*)", (root / 'src/daemons/meson.build').read_text()):
        if 'libexecdir' in rest:  # nobody types it
            continue
        if not list(man.glob(f'{name}.[1-8]')):
            yield f'man/{name}.8: missing'
    for path in sorted(man.glob('anyvf-*.8')):
        text = path.read_text()
        if re.search(r'^\.Nm anyvf \w', text, re.M) and re.search(r'^\.Nm$', text.partition('.Sh SYNOPSIS')[2].partition('.Sh ')[0], re.M):
            yield f'{path.relative_to(root)}: a bare .Nm in the synopsis is shown as "anyvf", without the object'
    for path in sorted(man.glob('*.[1-8]')) if shutil.which('mandoc') else ():
        lint = subprocess.run(['mandoc', '-Tlint', '-Wwarning', str(path)], capture_output=True, text=True, check=False)
        for line in lint.stdout.splitlines():
            if not re.search(r'cross reference|referenced manual not found', line):
                yield line.removeprefix(f'mandoc: {root}/').removeprefix('mandoc: ')
    for doc in sorted(root.glob('*.md')) + sorted((root / 'docs').rglob('*.md')):
        for target in re.findall(r'\]\((?!https?:|#)([^)#]+)', doc.read_text()):
            if not (doc.parent / target).exists():
                yield f'{doc.relative_to(root)}: link to {target}, which does not exist'


if __name__ == '__main__':
    bad = list(check(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else '.')))
    print('\n'.join(bad) if bad else 'docs: ok')
    sys.exit(bool(bad))
