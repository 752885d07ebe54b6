# SPDX-License-Identifier: Apache-2.0
"""The soak (tests/soak/soak.py) in short: kills at random, then everything is gone that should be."""
import sys

from conftest import ROOT
from test_agent import need_guests

sys.path.insert(0, str(ROOT / 'tests/soak'))


def test_nothing_is_left_after_kills_of_all_processes():
    need_guests()
    import soak
    with soak.soak_site(seed=7) as site:
        said = site.run(25)
    assert said['rounds'] and said['kills'] and not said['stuck'] and not said['left'], said
