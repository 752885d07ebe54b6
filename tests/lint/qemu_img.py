#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Who runs qemu-img says the format (-f), and that of a backing file (-F): it must not guess by a stranger's bytes."""
import pathlib
import re
import sys


def check(root):
    """Yield one line a command that leaves a guess to qemu-img."""
    for path in sorted((root / 'src').rglob('*.c')):
        for argv in re.finditer(r'\{\s*"qemu-img",([^;]*?)NULL\s*\}', path.read_text()):
            words = re.findall(r'"([^"]*)"|(\w+)', argv[1])
            words = {text or name for text, name in words}
            if '-f' not in words or ('-b' in words and '-F' not in words):
                yield f'{path.relative_to(root)}: qemu-img without -f, or -b without -F'


if __name__ == '__main__':
    bad = list(check(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else '.')))
    print('\n'.join(bad) if bad else 'qemu-img: ok')
    sys.exit(bool(bad))
