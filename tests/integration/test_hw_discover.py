# SPDX-License-Identifier: Apache-2.0
"""`anyvf pf discover`: on the lab's NICs it tells what the kernel then does; other hosts are recorded trees of sysfs, mounted over this one's."""
import json
import subprocess

import pytest

from conftest import BUILD, DAEMONS, need_root, run
from hwlab import hw, igb_pf, netdevsim  # noqa: F401

ANYVF = DAEMONS / 'anyvf'
NIC = BUILD / 'tests' / 'lib' / 'nic'
WORDS = {'mac': 'mac 02:00:00:00:0a:01', 'vlan': 'vlan 7', 'qos': 'vlan 7 qos 3', 'proto': 'vlan 7 proto 802.1ad', 'max_tx_rate': 'max_tx_rate 100',
         'min_tx_rate': 'max_tx_rate 100 min_tx_rate 10', 'spoofchk': 'spoofchk on', 'state': 'state disable', 'query_rss': 'query_rss on',
         'trust': 'trust on'}

# Functions of hosts that the lab is not: files, links (to a device), netdevs by ifindex.
NIC_OF = {'class': '0x020000', 'vendor': '0x8086', 'device': '0x1592', 'sriov_totalvfs': '8', 'sriov_numvfs': '0', 'sriov_drivers_autoprobe': '1',
          'numa_node': '-1'}
HOSTS = {
    '0000:00:04.0': ({**NIC_OF, 'vendor': '0x1af4', 'device': '0x1041'}, 'virtio-pci', {'virtio1/net/ens4': 104}),
    '0000:02:00.0': ({**NIC_OF, 'class': '0x010802', 'vendor': '0x144d'}, 'nvme', {}),
    '0000:3b:00.0': (NIC_OF, '', {}),
    '0000:3b:00.1': (NIC_OF, 'ice', {}),
    '0000:3b:00.2': (NIC_OF, 'ice', {'net/ens5': 99999}),
    '0000:3b:00.3': ({**NIC_OF, 'sriov_totalvfs': 'many'}, 'ice', {'net/ens6': 106}),
}
WHY = {
    '0000:00:04.0': 'the driver of ens4, virtio-pci, takes none of the words of a VF',
    '0000:02:00.0': 'it is no NIC: its PCI class is 0x010802',
    '0000:3b:00.0': 'no driver is bound to it',
    '0000:3b:00.1': 'it has no netdev here: that is in another network namespace, or ice makes none',
    '0000:3b:00.2': '0000:3b:00.2: its netdev is gone',
    '0000:3b:00.3': 'its sriov_totalvfs is no number',
}


@pytest.fixture
def recorded(tmp_path):
    """A sysfs of such functions; ens4 is a netdev that there is."""
    need_root()
    for address, (files, driver, netdevs) in HOSTS.items():
        device = tmp_path / 'bus/pci/devices' / address
        device.mkdir(parents=True)
        for name, text in files.items():
            (device / name).write_text(f'{text}\n')
        if driver:
            (tmp_path / 'bus/pci/drivers' / driver).mkdir(parents=True, exist_ok=True)
            (device / 'driver').symlink_to(f'../../drivers/{driver}')
        for path, ifindex in netdevs.items():
            (device / path).mkdir(parents=True)
            (device / path / 'ifindex').write_text(f'{ifindex}\n')
    tmp_path.chmod(0o755)
    run('ip', 'link', 'add', 'ens4', 'index', '104', 'type', 'veth', 'peer', 'name', 'ens4peer')
    yield tmp_path
    run('ip', 'link', 'del', 'ens4')


def discover(sys, *options, before=()):
    return subprocess.run(['unshare', '-m', 'sh', '-ec', 'mount --bind $0 /sys; exec "$@"', sys, *before, ANYVF, *options, 'pf', 'discover'],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True)


def test_who_cannot_serve_is_listed_with_the_reason(recorded):
    got = json.loads(discover(recorded, '-j').stdout)
    assert {nic['address']: nic['why'] for nic in got} == WHY
    assert not any(nic['serves'] for nic in got)
    text = discover(recorded).stdout
    assert all(f'    cannot serve: {why}\n' in text for why in WHY.values())
    assert len(discover(recorded, '-br').stdout.splitlines()) == len(HOSTS)


def test_without_root_words_are_not_known_and_all_else_is(recorded):
    (recorded / 'bus/pci/devices/0000:3b:00.2/net/ens5/ifindex').write_text('104\n')
    nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', '--inh-caps=-all']
    got, = [nic for nic in json.loads(discover(recorded, '-j', before=nobody).stdout) if nic['address'] == '0000:3b:00.2']
    assert (got['serves'], got['words'], got['refused']) == (True, None, None)
    assert got['notes'][0].endswith('only root is told (CAP_NET_ADMIN)') and 'the IOMMU is off' in got['notes'][1]
    assert json.loads(discover(recorded, '-j', before=nobody).stdout)[0]['why'] == WHY['0000:00:04.0']  # known from its sources


def test_a_host_without_any_says_so(tmp_path):
    need_root()
    (tmp_path / 'bus').mkdir()
    done = discover(tmp_path)
    assert (done.stdout, done.stderr) == ('', 'No function of this host has SR-IOV.\n')
    assert discover(tmp_path, '-j').stdout == '[]\n'


def nic_of(lab, dev):
    got, = [nic for nic in json.loads(lab.run('anyvf', '-j', 'pf', 'discover').out) if nic['name'] == dev]
    return got


def snapshot(lab, dev):
    """What there is to change."""
    return lab.run('sh', '-c', 'ip -d -j link show $0; cd /sys/class/net/$0/device; cat sriov_*; ls', dev).out


def taken(lab, dev):
    """The words that the kernel takes for VF 0, each tried."""
    dones = lab.run_all([['ip', 'link', 'set', dev, 'vf', '0', *line.split()] for line in WORDS.values()])
    return [word for word, done in zip(WORDS, dones) if done.code == 0]


def test_words_of_netdevsim_are_those_the_kernel_takes(hw):  # noqa: F811
    dev = netdevsim(hw)
    none = nic_of(hw, dev)
    assert (none['totalvfs'], none['numvfs'], none['address'], none['iommu_group']) == (None, 0, 'netdevsim1', None)
    hw.run('sh', '-c', 'echo 4 > /sys/bus/netdevsim/devices/netdevsim1/sriov_numvfs')
    before = snapshot(hw, dev)
    four = nic_of(hw, dev)
    assert snapshot(hw, dev) == before
    assert (four['numvfs'], four['eswitch'], four['words']) == (4, 'legacy', list(WORDS))
    assert four['refused'] == {'group': f'group: the driver of {dev}, netdevsim, has groups in switchdev mode alone, if at all'}
    assert none['words'] == four['words'] == taken(hw, dev)
    sim = 'netdevsim1'  # which has no PCI function, and takes four at most
    done = hw.run(NIC, 'numvfs', sim, 9, check=False)
    assert (done.code, done.err) == (1, 'netdevsim1: 9 VFs: there is no memory, or there are no bus numbers, for that many\n')
    assert nic_of(hw, dev)['numvfs'] == 4
    done = hw.run(NIC, 'bind', sim, 0, 'vfio-pci', check=False)
    assert done.err == 'netdevsim1 vf 0: it is no PCI function: no driver can have it\n'
    nobody = hw.run('setpriv', '--reuid', 65534, '--clear-groups', '--inh-caps=-all', 'anyvf', '-j', 'pf', 'discover').out
    assert [(nic['words'], nic['eswitch'], nic['serves']) for nic in json.loads(nobody) if nic['name'] == dev] == [(None, None, True)]


def test_words_of_netdevsim_in_switchdev_mode(hw):  # noqa: F811
    hw.run('devlink', 'dev', 'eswitch', 'set', 'netdevsim/netdevsim1', 'mode', 'switchdev')
    got = json.loads(hw.run('anyvf', '-j', 'pf', 'discover').out)[-1]
    assert (got['address'], got['eswitch'], got['representors'], len(got['netdevs'])) == ('netdevsim1', 'switchdev', 4, 1)
    rates = ['max_tx_rate', 'min_tx_rate', 'group']  # by devlink in that mode, which ip has no word for
    assert [word for word in got['words'] if word not in rates] == taken(hw, got['name'])
    assert [word for word in got['words'] if word in rates] == rates and got['refused'] == {}
    hw.run('modprobe', '-r', 'netdevsim')


def test_igb_words_are_those_the_kernel_takes(hw):  # noqa: F811
    dev = igb_pf(hw)
    none = nic_of(hw, dev)
    assert (none['totalvfs'], none['numvfs'], none['driver'], none['vendor'], none['device']) == (7, 0, 'igb', '8086', '10c9')
    igb_pf(hw, vfs=2)
    hw.run('ip', 'link', 'set', dev, 'up')
    hw.run('sh', '-c', 'until [ "$(cat /sys/class/net/$0/carrier 2> /dev/null)" = 1 ]; do sleep 0.1; done', dev)
    before = snapshot(hw, dev)
    two = nic_of(hw, dev)
    assert snapshot(hw, dev) == before
    assert none['words'] == two['words'] == taken(hw, dev)
    assert none['refused'] == two['refused'] == {
        'proto': f'proto 802.1ad: the driver of {dev}, igb, inserts 802.1Q tags alone',
        'min_tx_rate': f'min_tx_rate: the driver of {dev}, igb, does not take it',
        'state': f'state: the driver of {dev}, igb, has no such operation',
        'query_rss': f'query_rss: the driver of {dev}, igb, has no such operation',
        'group': f'group: the driver of {dev}, igb, has groups in switchdev mode alone, if at all'}
    assert isinstance(two['iommu_group'], int) and two['notes'] == []


def test_igb_vfs_are_made_and_refused_by_number(hw):  # noqa: F811
    dev = igb_pf(hw, vfs=2)
    done = hw.run(NIC, 'numvfs', dev, 8, check=False)
    assert (done.code, done.err) == (1, '0000:01:00.0: 8 VFs: it can have 7\n')
    assert nic_of(hw, dev)['numvfs'] == 2
    hw.run(NIC, 'numvfs', dev, 3)
    assert nic_of(hw, dev)['numvfs'] == 3
    hw.run(NIC, 'autoprobe', dev, 0)
    assert nic_of(hw, dev)['autoprobe'] is False
    hw.run(NIC, 'autoprobe', dev, 1)


def test_igb_vf_goes_to_vfio_and_back(hw):  # noqa: F811
    dev = igb_pf(hw, vfs=2)
    done = hw.run(NIC, 'bind', dev, 1, 'vfio-pci', check=False)
    if done.code:  # the module is not there yet
        assert 'there is no driver vfio-pci (try: modprobe vfio-pci)' in done.err
    hw.run('modprobe', '-a', 'vfio-pci', 'igbvf')
    before = hw.run(NIC, 'vf', dev, 1).out
    assert ' driver igbvf override  ' in before and before.split()[-1] != 'netdev'
    hw.run(NIC, 'bind', dev, 1, 'vfio-pci')
    assert ' driver vfio-pci override vfio-pci ' in hw.run(NIC, 'vf', dev, 1).out
    done = hw.run(NIC, 'bind', dev, 1, 'igb', check=False)  # which has no use for a VF
    assert done.code == 1 and 'igb does not take 0000:01:10.2' in done.err
    assert ' driver vfio-pci override vfio-pci ' in hw.run(NIC, 'vf', dev, 1).out
    hw.run(NIC, 'bind', dev, 1, '-')
    assert ' driver igbvf override  ' in hw.run(NIC, 'vf', dev, 1).out
    hw.run(NIC, 'autoprobe', dev, 0)  # then a VF has none of itself
    hw.run(NIC, 'bind', dev, 1, 'vfio-pci')
    hw.run(NIC, 'bind', dev, 1, '-')
    assert ' driver  override  ' in hw.run(NIC, 'vf', dev, 1).out
    hw.run(NIC, 'autoprobe', dev, 1)
    igb_pf(hw)


def test_igb_without_netdev_or_driver_says_so(hw):  # noqa: F811
    dev = igb_pf(hw)
    hw.run('ip', 'netns', 'add', 'away')
    hw.run('ip', 'link', 'set', dev, 'netns', 'away')
    why = [nic['why'] for nic in json.loads(hw.run('anyvf', '-j', 'pf', 'discover').out) if nic['driver'] == 'igb']
    found = json.loads(hw.run('ip', 'netns', 'exec', 'away', 'anyvf', '-j', 'pf', 'discover').out)
    there, = [nic for nic in found if nic['driver'] == 'igb']  # it serves where it is
    hw.run('ip', 'netns', 'del', 'away')
    assert why == ['it has no netdev here: that is in another network namespace, or igb makes none']
    assert (there['name'], there['serves'], 'mac' in there['words']) == (dev, True, True)
    hw.run('sh', '-c', 'echo 0000:01:00.0 > /sys/bus/pci/drivers/igb/unbind')
    got, = [nic for nic in json.loads(hw.run('anyvf', '-j', 'pf', 'discover').out) if nic['address'] == '0000:01:00.0']
    assert (got['name'], got['driver'], got['why']) == (None, None, 'no driver is bound to it')
    hw.run('sh', '-c', 'echo 0000:01:00.0 > /sys/bus/pci/drivers/igb/bind')
