#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""No file calls, over however many others, a file that calls it: what the linker resolves, from a built tree.

Calls are what one object file of ours needs of another's functions (nm). A cycle that stays is named in cycles.txt
beside this file, with the reason.
"""
import json
import pathlib
import subprocess
import sys

# vhost_libc.c defines these over libc's: who calls them means libc.
LIBC = {'accept', 'bind', 'connect', 'recvmsg'}


def objects(root, build):
    """{"ROOM/FILE.c": its object file}; ValueError names what is not built as it is now."""
    src, found = (root / 'src').resolve(), {}
    for entry in json.loads((build / 'compile_commands.json').read_text()):
        source = (build / entry['file']).resolve()
        if src in source.parents:
            found[str(source.relative_to(src))] = build / entry['output']
    for source in src.rglob('*.c'):
        made = found.get(str(source.relative_to(src)))
        if not made or not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
            raise ValueError(f'cycles: {source.relative_to(src)} is not built: ninja -C {build.name}')
    return found


def symbols(found):
    """{"ROOM/FILE.c": (functions it defines, symbols it needs)}."""
    out = subprocess.run(['nm', '-A', '-g', *map(str, found.values())], capture_output=True, text=True, check=True).stdout
    defines, needs = {name: set() for name in found}, {name: set() for name in found}
    names = {str(path): name for name, path in found.items()}
    for line in out.splitlines():
        path, _, row = line.partition(':')
        *_, kind, symbol = row.split()
        if kind == 'T' and symbol not in LIBC:
            defines[names[path]].add(symbol)
        elif kind == 'U':
            needs[names[path]].add(symbol)
    return {name: (defines[name], needs[name]) for name in found}


def graph(parts):
    """{caller: {called: symbols}}; a main is nobody's. Of a name in two programs the one of the caller's room is meant."""
    owners = {}
    for name, (defined, _) in parts.items():
        for symbol in defined - {'main'}:
            owners.setdefault(symbol, []).append(name)
    edges = {name: {} for name in parts}
    for name, (_, needed) in parts.items():
        for symbol in needed & owners.keys():
            owner = min(owners[symbol], key=lambda other: other.split('/')[0] != name.split('/')[0])
            if owner != name:
                edges[name].setdefault(owner, set()).add(symbol)
    return edges


def components(edges):
    """Strongly connected components of more than one node (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for to in edges[node]:
            if to not in index:
                visit(to)
            if to in stack:
                low[node] = min(low[node], low[to])
        if low[node] == index[node]:
            at = stack.index(node)
            found.append(sorted(stack[at:]))
            del stack[at:]

    for node in edges:
        if node not in index:
            visit(node)
    return [part for part in found if len(part) > 1]


def allowed(root):
    """[(the files of a cycle that may be, line)]."""
    for n, line in enumerate((root / 'tests/lint/cycles.txt').read_text().splitlines(), 1):
        if line and not line.startswith('#'):
            files, _, reason = line.partition(': ')
            assert reason, f'cycles.txt:{n}: wanted: FILE FILE...: REASON'
            yield set(files.split()), n


def check(root):
    """Yield one line a violation."""
    build = next((root / name for name in ('build', 'build-san')
                  if (root / name / 'compile_commands.json').exists()), None)
    if not build:
        yield 'cycles: nothing is built'
        return
    try:
        edges = graph(symbols(objects(root, build)))
    except ValueError as why:
        yield str(why)
        return
    known, seen = list(allowed(root)), set()
    for part in components(edges):
        excuse = next((n for files, n in known if set(part) <= files), None)
        seen.add(excuse)
        if excuse:
            continue
        yield f'a cycle of calls over {len(part)} files: {" ".join(part)}'
        for name in part:
            for to in sorted(set(edges[name]) & set(part)):
                yield f'    {name} -> {to}: {" ".join(sorted(edges[name][to]))}'
    for files, n in known:
        if n not in seen:
            yield f'tests/lint/cycles.txt:{n}: there is no such cycle any more'


if __name__ == '__main__':
    bad = list(check(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else '.')))
    print('\n'.join(bad) if bad else 'cycles: ok')
    sys.exit(bool(bad))
