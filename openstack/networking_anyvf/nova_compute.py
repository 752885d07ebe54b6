# SPDX-License-Identifier: Apache-2.0
"""anyvf-nova-compute: nova-compute with compute_driver = anyvf.LibvirtDriver.

Nova loads drivers from nova.virt only, which since 2025.1 is no namespace others can add to.
"""
import sys

from nova.cmd import compute  # first: it patches for eventlet
from nova import virt

from networking_anyvf import nova_driver


def main():
    """As nova-compute."""
    sys.modules['nova.virt.anyvf'] = virt.anyvf = nova_driver
    return compute.main()
