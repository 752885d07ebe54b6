# SPDX-License-Identifier: Apache-2.0
"""What the OpenStack clients load at each start, loaded once: the process that clients.py forks them from imports this.

`openstack` imports the modules of all its commands and kinds of login, and looks each package up that there is.
"""
import contextlib
import gc
import importlib
from importlib.metadata import entry_points

import cliff.command

CLIENTS = {point.name: point for point in entry_points(group='console_scripts') if point.name in ('openstack', 'neutron', 'nova')}
GROUPS = [group for group in entry_points().groups if group.startswith(('openstack.', 'keystoneauth1.'))]

for module in {point.module for group in GROUPS for point in entry_points(group=group)} | {'novaclient.v2.shell'}:
    with contextlib.suppress(Exception):  # as the client passes over those that lack something
        importlib.import_module(module)
for point in CLIENTS.values():
    point.load()
cliff.command._get_distributions_by_modules()  # for the last line of a command's help
gc.collect()
gc.freeze()  # a fork that looked at what it has would copy it
