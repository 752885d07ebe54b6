#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A file that a source, test, page or make file names is there: in this tree, or another project's by docs/sources.md.

Any part of a path will do that ends with the name (`vq.c`, `sw/vhost/vq.c`). A name in capitals stands for any (`ROOM/FILE.c`).
Behind a page's name and a comma, what begins with a capital is a heading of that page. Functions that the pages in WALKS
name, as `name()`, are in src.
What docs/plan.md has not ticked yet may not be there yet. Of a patch counts what it changes.
"""
import pathlib
import re
import subprocess
import sys

TOKEN = re.compile(r'(?<![\w/.*{}%$<>~-])(?:\.\.?/)*([a-zA-Z][\w.+-]*(?:/[\w.+-]+)*)(?![\w(/\[*{}%<>]|-\{)')
HINT = re.compile(r'/\w|\.(?:md|[ch]|py|txt|rst)\b')
SECTION = re.compile(r'([\w/-]+\.md), (?=[A-Z])(.+)')
HEADING = re.compile(r'^(?:#+ |\*\*)([^*(\n]+?) ?\.?(?:\*\*|\(|$)', re.M)
WALKS = 'ARCHITECTURE.md', 'docs/processes.md', 'docs/switch.md', 'docs/where.md'
FOLDERS = 'src', 'tests', 'docs', 'man', 'packaging', 'scripts', 'libexec'
ENDS = '.md', '.c', '.h', '.py', '.txt', '.rst'
BINARY = ('.png', '.pcap', '.svg')


def tails(path):
    """The path, and what is left of it without its first folders."""
    parts = path.split('/')
    return {'/'.join(parts[i:]) for i in range(len(parts))}


def ours(root):
    """All files of the tree that git has or would take, as far as they are there."""
    out = subprocess.run(['git', '-C', str(root), 'ls-files', '-co', '--exclude-standard'], capture_output=True, text=True)
    if out.returncode == 0:
        return sorted({f for f in out.stdout.splitlines() if (root / f).exists()})
    skip = {'.git', 'build', 'build-san', 'build-fuzz'}
    return sorted(str(p.relative_to(root)) for p in root.rglob('*') if p.is_file() and not skip & set(p.relative_to(root).parts))


def no_heading(root, line):
    """Pages and headings that the line names and that are not there."""
    for page, text in SECTION.findall(line) if '.md, ' in line else ():
        if (root / page).exists() and not any(text.startswith(h) for h in HEADING.findall((root / page).read_text())):
            yield f'{page}, {text[:30]}'


def made(root, files):
    """What meson makes, programs and files: folder/name."""
    for f in (f for f in files if f.endswith('meson.build')):
        text = (root / f).read_text()
        outputs = re.findall(r"'([\w.-]+)'", ' '.join(re.findall(r'output: \[([^\]]+)\]', text)))
        for name in re.findall(r"executable\('([\w-]+)'", text) + outputs:
            yield f'{pathlib.PurePath(f).parent}/{name}'


def names_of(line):
    """The files and folders of the tree that a line names."""
    if line.startswith('#include <') or not HINT.search(line):
        return
    for token in TOKEN.findall(line):
        token = token.rstrip('.-+')
        stem = pathlib.PurePath(token).stem
        if token.endswith(ENDS) and not (stem.isupper() and token.endswith(('.c', '.h'))):
            yield token
        elif '/' in token and token.split('/')[0] in FOLDERS:
            yield token


def main(root):
    """Print what is named and not there; return how many."""
    files = ours(root)
    known = {t for f in files for t in tails(f)}
    known |= {str(p) for f in files for p in pathlib.PurePath(f).parents} | {t for f in made(root, files) for t in tails(f)}
    foreign = set(re.findall(r'`([\w/.-]+)`', (root / 'docs/sources.md').read_text().partition('|---')[2]))
    known |= {t for f in foreign for t in tails(f)}
    bad, named, functions = [], set(), set()
    for f in files:
        if '/corpus/' in f or f.endswith(BINARY):
            continue
        text = (root / f).read_text(errors='replace')
        functions |= set(re.findall(r'\b(\w+)\)?\(', text)) if f.startswith('src/') else set()
        for n, line in enumerate(text.splitlines(), 1):
            if f == 'docs/plan.md' and line.startswith('- [ ]') or f.endswith('.patch') and not line.startswith('--- a/'):
                continue
            found = set(names_of(line.removeprefix('--- a/')))
            bad += [f'{f}:{n}: {name} is no file of this tree, and docs/sources.md has none' for name in sorted(found - known)]
            bad += [f'{f}:{n}: no such heading: {said}' for said in no_heading(root, line)]
            if f != 'docs/sources.md':
                named |= found
    for f in WALKS:
        bad += [f'{f}: {name}() is no function' for name in re.findall(r'`(\w+)\(', (root / f).read_text()) if name not in functions]
    bad += [f'docs/sources.md: {name} is named nowhere' for name in sorted(foreign) if not tails(name) & named]
    print('\n'.join(bad) if bad else f'files that are named: ok ({len(named)})')
    return len(bad)


if __name__ == '__main__':
    sys.exit(bool(main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else '.').resolve())))
