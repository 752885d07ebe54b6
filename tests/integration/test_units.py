# SPDX-License-Identifier: Apache-2.0
"""The units: how exposed they are, and that systemd takes each word of them."""
import re
import shutil

import pytest
from conftest import BUILD, run

LIMITS = {'apid': 1.5, 'swd': 3.0, 'agentd': 4.0}


def analyze(*words):
    if not shutil.which('systemd-analyze'):
        pytest.skip('there is no systemd-analyze')
    return run('systemd-analyze', *words, check=False)


@pytest.mark.parametrize('daemon', LIMITS)
def test_a_unit_is_no_more_exposed_than_was_said(daemon):
    got = analyze('security', '--offline=true', '--no-pager', BUILD / f'packaging/anyvf-{daemon}.service')
    assert got.returncode == 0, got.stderr
    level, = re.findall(r'Overall exposure level for \S+: ([\d.]+)', got.stdout)
    assert float(level) <= LIMITS[daemon], got.stdout
    assert 'nknown' not in got.stderr, got.stderr


@pytest.mark.parametrize('daemon', LIMITS)
def test_systemd_knows_every_word_of_a_unit(daemon):
    """What it does not know it passes over: a limit with a slip in its name would be none."""
    got = analyze('verify', '--man=no', BUILD / f'packaging/anyvf-{daemon}.service')
    said = [line for line in got.stderr.splitlines() if f'anyvf-{daemon}.service' in line]
    assert [line for line in said if 'is not executable' not in line] == []
