# SPDX-License-Identifier: Apache-2.0
"""A minute of OpenStack's own tests: those of tests/tempest/minute, by Tempest as Debian has it. Each is a test here."""
import runpy
import types

import pytest

from conftest import ROOT

tempest = types.SimpleNamespace(**runpy.run_path(str(ROOT / 'tests' / 'tempest' / 'run')))
NAMES = tempest.names_of(ROOT / 'tests' / 'tempest' / 'minute')


@pytest.fixture(scope='module')
def found(request, tmp_path_factory):
    """What became of those that were asked for."""
    work = tmp_path_factory.mktemp('tempest')
    mine = [item for item in request.session.items if item.module is request.module]
    names = [item.callspec.params['name'] for item in mine if hasattr(item, 'callspec')]
    with tempest.cloud_of(work, real=False) as (cloud, image):
        tempest.configure(work, tempest.prepare(cloud, image), [])
        return tempest.run(work, names, 3)  # of three one waits: Tempest sleeps after subnets, and until a server is up


@pytest.mark.parametrize('name', NAMES)
def test_openstack_has_it_so(found, name):
    """What was skipped, or did not run, did not pass."""
    assert [f'{word}: {why}' for _, word, why in tempest.outcome(name, found) if word != tempest.PASSED] == []


def test_nothing_else_failed(found):
    """Neither modules that cannot be loaded, nor what a class makes and takes away."""
    assert {name: got for name, got in found.items() if name not in NAMES and got[0] != tempest.PASSED} == {}
