#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the programs say of themselves is what the pages tell, and news of it stands in NEWS.md.

The programs of a built tree are asked for every word of the outside: commands, options, keys, methods of the control
protocol and their members, reasons of drops, routes, members of resources, extensions. Each is named on its page, and
what a page lists is a word. docs/words.txt has them as they were when NEWS.md was last given the file's sum, one a
line: what came or went since is named in a `code span` there, behind the sum. `words.py . --renew` writes the file,
as for a release, and tells the line for NEWS.md.
"""
import hashlib
import os
import pathlib
import re
import subprocess
import sys

DAEMONS = 'anyvf-swd', 'anyvf-apid', 'anyvf-agentd', 'anyvf-sim', 'anyvf-exporter'
ENV = {'ANYVF_RUN_DIR': '/nonexistent', 'PATH': os.environ['PATH']}
REFUSED = {'node-guid', 'port-guid'}  # words of iproute2 that are refused by name
MACRO = re.compile(r'[A-Z][a-z]$')


def run(*argv, err=subprocess.DEVNULL):
    """What a program prints."""
    return subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=err, text=True, env=ENV, check=False).stdout


def command_line(root, anyvf):
    """The words of `anyvf`, as it completes them for shells."""
    for option in re.findall(r'\{ "(-\w+)", \d', (root / 'src/cli/cli.c').read_text()):
        yield f'option anyvf {option}'
    for obj in run(anyvf, 'complete').split():
        yield f'command {obj}'
        first = run(anyvf, 'complete', obj).split()
        words = run(anyvf, 'complete', obj, 'set').split()
        yield from (f'command {obj} {w}' for w in first if first != words)
        yield from (f'word {obj} {w}' for w in words)


def keys(root):
    """Keys of the configuration, by conf.c's table."""
    table = re.search(r'conf_keys\[\] = \{(.*?)\n\};', (root / 'src/base/conf.c').read_text(), re.S)[1]
    for section, key in re.findall(r'^\t\{ "([\w.]+)", "(\w+)",', table, re.M):
        yield f'key {section} {key}'


def all_words(root, build):
    """Every word of the outside: KIND OWNER WORD..."""
    got = {*command_line(root, build / 'src/daemons/anyvf'), *keys(root), *run(build / 'tests/lib/words').splitlines()}
    for daemon in DAEMONS:
        usage = run(build / 'src/daemons' / daemon, '--help', err=subprocess.STDOUT)
        for option, values in re.findall(r'\[(--[\w-]+) ?([a-z|]*)', usage):
            got |= {f'option {daemon} {option} {v}'.strip() for v in ['', *values.split('|')]}
    # docs/policy.md has the routes: tests/unit/test_policy.c compares them with the daemon's.
    return got | {f'route {r}' for r in re.findall(r'^\| ([A-Z]+ /\S+) \|', (root / 'docs/policy.md').read_text(), re.M)}


def literals(page, lists=False):
    """What a page of mdoc says literally (Cm, Fl, Ic); with lists, in the heads of its lists alone."""
    got = set()
    for line in page.splitlines():
        literal = None
        for token in line.lstrip('.').split() if line.startswith('.It ' if lists else '.') else ():
            if MACRO.match(token):
                literal = token
            elif literal in ('Cm', 'Fl', 'Ic') and re.match(r'-?\w', token):
                got.add(plain('-' * (literal == 'Fl') + token.rstrip(',')))
    return got


def plain(word):
    """Words are compared without what tells - from _."""
    return word.replace('_', '-')


def page_of(word, man):
    """The page of man/ that has to name a word, None: none has."""
    kind, owner, *more = word.split()
    if kind == 'command' and not more:
        return 'anyvf.8'
    if kind in ('command', 'word') and f'anyvf-{owner}.8' not in man:
        return next(name for name, text in man.items() if re.search(rf'^\.Nm anyvf[ -]{owner}\b', text, re.M))
    return {'command': f'anyvf-{owner}.8', 'word': f'anyvf-{owner}.8', 'option': f'{owner}.8', 'drop': 'anyvf-vf.8'}.get(kind)


def pages(root, words):
    """Yield a line for each word that its page does not name, and for each that a page lists and nobody knows."""
    man = {p.name: p.read_text() for p in sorted((root / 'man').glob('*.[1-8]'))}
    known = {name: set() for name in man}
    for word in words:
        name = page_of(word, man)
        if name:
            known[name].add(plain(word.split()[-1]))
    every = REFUSED.union(*known.values(), (plain(w.split()[-1]) for w in words if w.startswith(('control ', 'key '))))
    for name, text in man.items():
        yield from (f'man/{name}: says nothing of {w}' for w in sorted(known[name] - literals(text)))
        yield from (f'man/{name}: lists {w}, which no program knows' for w in sorted(literals(text, True) - every))
    protocol = (root / 'src/ctl/ctl.h').read_text()
    for method in sorted({w.split()[1] for w in words if w.startswith('control ')}):
        if not re.search(rf'^ \*   {re.escape(method)} ', protocol, re.M):
            yield f'src/ctl/ctl.h: says nothing of {method}'


def said_in_news(word, others, said):
    """Does NEWS.md name it, or what it is part of, if all of that came, or went? others: the words before, or since."""
    parts = [p for p in word.split()[1:] for p in re.split(r'/(?:\{\})?', p) if p]
    owner = word.rpartition(' ')[0]
    whole = ' ' in owner and not any(f'{w} '.startswith(f'{owner} ') for w in others)
    return parts[-1] in said or whole and said_in_news(owner, others, said)


def news(root, words):
    """Yield a line for each word that came or went without a line in NEWS.md."""
    frozen = (root / 'docs/words.txt').read_text()
    text = (root / 'NEWS.md').read_text()
    _, found, behind = text.partition(summed(frozen))
    if not found:
        yield f'NEWS.md: does not say: {summed(frozen)}'
    said = {w for span in re.findall(r'`([^`]+)`', behind.partition('\n## ')[0]) for w in re.split(r'[\s/=|]+', span)}
    was = set(frozen.splitlines())
    for verb, fresh, others in ('came', words - was, was), ('went', was - words, words):
        for word in sorted(fresh):
            if not said_in_news(word, others, said):
                yield f'NEWS.md: does not tell that `{word}` {verb}'


def summed(text):
    """How NEWS.md names a state of docs/words.txt."""
    return f'docs/words.txt has {len(text.splitlines())} words (SHA-256 {hashlib.sha256(text.encode()).hexdigest()[:12]})'


def main(root, renew):
    """Print what is wrong; return how many."""
    build = next((root / name for name in ('build', 'build-san') if (root / name / 'tests/lib/words').exists()), None)
    if not build:
        print('words: nothing is built')
        return 1
    words = all_words(root, build)
    if renew:
        (root / 'docs/words.txt').write_text(''.join(f'{w}\n' for w in sorted(words)))
        print(f'for NEWS.md: {summed((root / "docs/words.txt").read_text())}')
        return 0
    bad = [*pages(root, words), *news(root, words)]
    print('\n'.join(bad) if bad else f'words: ok ({len(words)})')
    return len(bad)


if __name__ == '__main__':
    sys.exit(bool(main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else '.'), '--renew' in sys.argv)))
