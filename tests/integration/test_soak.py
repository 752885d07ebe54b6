# SPDX-License-Identifier: Apache-2.0
"""The soak of tests/soak, for as long as a suite can afford: docs/reliability.md has the long ones."""
import pathlib
import sys

from conftest import need_root

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'soak'))
import soak  # noqa: E402

SECONDS = 12


def test_servers_come_and_go_whatever_is_killed():
    need_root()
    with soak.soak_site(seed=1) as run:
        said = run.run(SECONDS)
        assert not said['stuck'] and not said['left'], said
        assert said['rounds'] and run.kills.total() >= 4, said
