# SPDX-License-Identifier: Apache-2.0
"""compute_driver = anyvf.LibvirtDriver: Nova's own driver, and three things no setting of it can say.

1. VFs of software PFs are in the PCI inventory, so that vnic_type direct is scheduled. Their
   addresses have a PCI domain of their own, in which no device of a host can be.
2. A direct port bound as vhostuser is a virtio interface: Nova leaves the model out for "direct",
   and libvirt then takes rtl8139.
3. Guests' memory is a shared memfd, without huge pages and without [libvirt] file_backed_memory.

It overrides private methods, so each release of Nova has to be looked at. vnic_type normal needs
none of it.
"""
import errno
import time

from nova.network import model as network_model
from nova.virt.libvirt import config as vconfig
from nova.virt.libvirt import driver
from nova.virt.libvirt import vif as libvirt_vif
from oslo_config import cfg
from oslo_log import log as logging
from oslo_serialization import jsonutils

from networking_anyvf import config
from networking_anyvf import control
from networking_anyvf import nova_slot

LOG = logging.getLogger(__name__)
# Only Nova's device_spec sees these. 1af4 is virtio's vendor, 1000 to 10ef its devices: unused ones.
VENDOR, PF_ID, VF_ID = '1af4', '10ee', '10ef'
AWAY_S = 300  # of a switch that restarts; Nova looks once a minute, and takes out of Placement what it does not see


class MemoryBacking(vconfig.LibvirtConfigGuestMemoryBacking):
    """As Nova's, with <source type='memfd'/>."""

    def format_dom(self):
        root = super().format_dom()
        root.append(vconfig.etree.Element('source', type='memfd'))
        return root


class VIFDriver(libvirt_vif.LibvirtGenericVIFDriver):
    """Nova's; a direct port on a software VF is configured as a normal one is."""

    def get_config(self, instance, vif, *args, **kwargs):
        software = vif['type'] == network_model.VIF_TYPE_VHOSTUSER
        if software and vif['vnic_type'] != network_model.VNIC_TYPE_NORMAL:
            vif = network_model.VIF.hydrate(jsonutils.loads(jsonutils.dumps(vif)))
            vif['vnic_type'] = network_model.VNIC_TYPE_NORMAL
        return super().get_config(instance, vif, *args, **kwargs)


class LibvirtDriver(driver.LibvirtDriver):
    """Loaded as nova.virt.anyvf.LibvirtDriver."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.vif_driver = VIFDriver(self._host)
        self.software = SoftwarePfs(control.Control(cfg.CONF.anyvf.run_dir))

    def _get_pci_passthrough_devices(self):
        devices = jsonutils.loads(super()._get_pci_passthrough_devices())
        for pf in sorted({pf for pfs in config.mappings().values() for pf in pfs}):
            devices += self.software.devices(pf)
        return jsonutils.dumps(devices)

    def _get_guest_memory_backing_config(self, *args, **kwargs):
        backing = super()._get_guest_memory_backing_config(*args, **kwargs)
        if backing and (backing.hugepages or backing.filesource):
            return backing
        ours = MemoryBacking()
        if backing:
            ours.locked, ours.sharedpages = backing.locked, backing.sharedpages
        ours.sharedaccess = True
        return ours


class SoftwarePfs:
    """What the switch has for Nova. While it says nothing it is as it was, for a while: it restarts in a blink."""

    def __init__(self, ctl, clock=time.monotonic):
        self.ctl, self.clock = ctl, clock
        self.seen = {}  # {PF: (when, devices)}

    def devices(self, pf):
        """A PF and its first VFs as Nova has PCI devices; none if it is a NIC's or nobody's."""
        try:
            got = self.ctl.ask('swd.sock', 'pf.get', pf=pf, vfs=True)
        except control.ControlError as e:
            if e.code == -errno.ENODEV:
                self.seen.pop(pf, None)
                return []
            when, kept = self.seen.get(pf, (0, []))
            if self.clock() - when > AWAY_S:
                kept = []
            LOG.error('%s has %s to offer: %s', pf, 'what it had' if kept else 'no VFs', e)
            return kept
        found = pci_devices(pf, got, cfg.CONF.anyvf.direct_vfs)
        self.seen[pf] = (self.clock(), found)
        return found


def pci_devices(pf, got, direct_vfs):
    """A PF and its first VFs as nova's PCI inventory has devices."""
    parent = nova_slot(got['status']['pci_slot'])
    common = {'vendor_id': VENDOR, 'numa_node': None, 'label': 'anyvf'}
    devices = [{**common, 'address': parent, 'dev_id': f'anyvf_{pf}', 'product_id': PF_ID,
                'dev_type': 'type-PF'}]
    for vf in got['vfs'][:direct_vfs]:
        devices.append({**common, 'address': nova_slot(vf['status']['pci_slot']), 'product_id': VF_ID,
                        'dev_id': f'anyvf_{pf}_{vf["vf"]}', 'dev_type': 'type-VF',
                        'parent_addr': parent, 'parent_ifname': pf})
    return devices
