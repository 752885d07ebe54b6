# SPDX-License-Identifier: Apache-2.0
"""docs/examples: each patch applies to a copy of the tree, touches few files, builds, and its own test passes there."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from conftest import BUILD, ROOT

LINTS = 'docs', 'layers', 'policy', 'refs'  # those that need nothing built
BUILT = re.compile(r'(\.ninja|build\.ninja|meson-|src$|tests$)')


def run(tree, *argv):
    done = subprocess.run([str(a) for a in argv], cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, 'ANYVF_SRC': str(tree)}, check=False)
    assert done.returncode == 0, f'{argv}: {done.stdout[-3000:]}'


@pytest.fixture(scope='module')
def tree(tmp_path_factory):
    """A copy of the tree, with the objects that are built of it, which ninja takes for its own: it builds what a patch touches."""
    copy = tmp_path_factory.mktemp('examples') / 'tree'
    shutil.copytree(ROOT, copy, symlinks=True, ignore=lambda folder, names: [n for n in names if n == '.git' or pathlib.Path(folder) == ROOT and n.startswith('build')])
    shutil.copytree(BUILD, copy / 'build', symlinks=True, ignore=lambda folder, names: [n for n in names if pathlib.Path(folder) == BUILD and not BUILT.match(n)])
    run(copy, 'meson', 'setup', '--reconfigure', 'build')
    return copy


@pytest.mark.parametrize('patch', sorted((ROOT / 'docs/examples').glob('*.patch')), ids=lambda p: p.stem)
def test_an_example_touches_four_files_builds_and_passes(tree, patch):
    text = patch.read_text()
    test, = re.findall(r'^Test: (\w+)$', text, re.M)
    touched = [name for old, name in re.findall(r'^--- (\S+)\n\+\+\+ b/(\S+)$', text, re.M) if old != '/dev/null' and not name.startswith('tests/')]
    assert len(touched) <= 4 and 'NEWS.md' in touched, touched
    run(tree, 'patch', '-p1', '-s', '--no-backup-if-mismatch', '--fuzz=3', '-i', patch)
    try:
        run(tree, 'ninja', '-C', 'build', f'tests/unit/test_{test}')
        run(tree, f'build/tests/unit/test_{test}')
        for lint in LINTS:
            run(tree, sys.executable, f'tests/lint/{lint}.py', tree)
    finally:
        run(tree, 'patch', '-p1', '-s', '-R', '--no-backup-if-mismatch', '--fuzz=3', '-i', patch)
