#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each route and resource names the rule of who may use it; roles and scopes are policy.c's alone."""
import pathlib
import re
import sys

ROUTE = re.compile(r'\{\s*"(?:GET|PUT|POST|PATCH|DELETE)",\s*[^{}]*?"[^"]*",[^{}]*?\}(?=,|\s)', re.S)
RESOURCE = re.compile(r'const struct resource \w+ = \{(.*?)\n\};', re.S)
ROOMS = 'engine', 'identity', 'hosts', 'network', 'image', 'compute', 'ui'
# Reading them; identity fills them in (a->), tests and logs may name them.
JUDGED = re.compile(r'auth->(?:roles|scope|admin)\b|\bROLE_[A-Z]+\b')
MAY_JUDGE = {'engine/audit.c', 'engine/policy.c', 'engine/call.h', 'engine/replica.c', 'identity/roles.c', 'engine/run.c'}


def check(root):
    """Yield one line a violation in the rooms of the API."""
    for path in sorted(p for room in ROOMS for p in (root / 'src' / room).rglob('*.[ch]')):
        text = path.read_text()

        def at(pos):
            return f'{path.relative_to(root)}:{text.count(chr(10), 0, pos) + 1}'
        for row in ROUTE.finditer(text):
            if not re.search(r'\bRULE_[A-Z]+|\blook\b|\bmanage\b', row[0].replace('{}', '')):
                yield f'{at(row.start())}: a route without a RULE_: who may use it?'
        for table in RESOURCE.finditer(text):
            if '.path =' in table[1] and not ('.read = RULE_' in table[1] and '.write = RULE_' in table[1]):
                yield f'{at(table.start())}: a resource without .read and .write: who may use it?'
        if str(path.relative_to(root / 'src')) in MAY_JUDGE:
            continue
        for use in JUDGED.finditer(text):
            yield f'{at(use.start())}: {use[0]}: ask caller_is_admin() and its kin (policy.h)'


if __name__ == '__main__':
    bad = list(check(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else '.')))
    print('\n'.join(bad) if bad else 'policy: ok')
    sys.exit(bool(bad))
