# SPDX-License-Identifier: Apache-2.0
"""VFs of a NIC plugged in: by vfio, as a netdev in a namespace, under a macvtap; and service ports; on the lab's igb. What the kernel tells is what counts."""
import json
import random

import pytest

from conftest import BUILD, wait_for
from hwlab import Hwd, hw, igb_pf, netdevsim  # noqa: F401

N_VFS = 4
HOLD = """
import fcntl, os, sys, time
VFIO = ord(';') << 8 | 100
group = os.open(f'/dev/vfio/{sys.argv[2]}', os.O_RDWR)
box = os.open('/dev/vfio/vfio', os.O_RDWR)
fcntl.ioctl(group, VFIO + 4, box.to_bytes(4, 'little'))
fcntl.ioctl(box, VFIO + 2, 1)
device = fcntl.ioctl(group, VFIO + 6, sys.argv[1].encode() + b'\\0')
print('open', flush=True)
time.sleep(3600)
"""


class Igb(Hwd):
    """An igb that anyvf-hwd serves, with VFs that have igbvf."""

    def __init__(self, lab):
        self.lab = lab
        self.boot()
        self.start()
        self.anyvf('pf', 'add', self.dev, 'hw', 'numvfs', N_VFS)

    def boot(self):
        """The NIC, as after a boot."""
        self.dev = igb_pf(self.lab)
        self.lab.run('sh', '-ec', 'modprobe -a igbvf vfio-pci macvtap; ip link set $0 up', self.dev)

    def restart(self):
        self.lab.stop('hwd')
        self.start()

    def attach(self, vf, *words, code=0):
        return self.anyvf('vf', 'attach', self.dev, vf, *words, code=code)

    def detach(self, vf, code=0):
        return self.anyvf('vf', 'detach', self.dev, vf, code=code)

    def shown(self, vf):
        return json.loads(self.anyvf('-j', 'vf', 'show', self.dev, vf).out)[0]

    def told(self, vf):
        """The first line of what people are shown."""
        return self.anyvf('vf', 'show', self.dev, vf).out.splitlines()[0]

    def function(self, vf):
        """driver, override and netdevs of a VF, as sysfs tells them."""
        return self.lab.run('sh', '-c', '''cd /sys/class/net/$0/device/virtfn$1
            echo $(basename $(readlink driver || echo /none)) $(cat driver_override) $(ls net 2> /dev/null)''', self.dev, vf).out.split()

    def links(self, netns=None):
        """Names of the netdevs there, and whether each is up."""
        links = json.loads(self.lab.run('ip', *(['-n', netns] if netns else []), '-j', 'link').out)
        return {link['ifname']: 'UP' in link['flags'] for link in links}


@pytest.fixture(scope='module')
def nic(hw):  # noqa: F811
    return Igb(hw)


@pytest.fixture(autouse=True)
def fresh(request):
    """Nothing attached and no namespaces before a test."""
    yield
    if 'nic' not in request.fixturenames:
        return
    nic = request.getfixturevalue('nic')
    for vf in range(N_VFS):
        nic.anyvf('vf', 'release', nic.dev, vf)
    nic.lab.run('sh', '-c', 'for ns in $(ls /run/netns 2> /dev/null); do ip netns del $ns; done')


@pytest.fixture
def box(nic):
    nic.lab.run('ip', 'netns', 'add', 'box')
    return 'box'


def test_vfs_without_a_function_cannot_be_plugged_in(hw):  # noqa: F811
    dev = netdevsim(hw, vfs=2)
    hw.start('hwd', 'anyvf-hwd', '--state', '/tmp/hwd.json')
    try:
        hw.run('sh', '-c', 'until anyvf pf show > /dev/null 2>&1; do sleep 0.1; done; anyvf pf add $0 hw', dev)
        for words in ['vfio'], ['netdev'], ['macvtap', 'name', 'tap0']:
            refused = hw.run('anyvf', 'vf', 'attach', dev, 1, *words, check=False)
            assert refused.code and f'{dev} vf 1: it is no PCI function' in refused.err
        refused = hw.run('anyvf', 'vf', 'attach', dev, 1, 'vhost', check=False)
        assert refused.code and f"{dev} vf 1: a NIC's VF is attached by vfio, netdev or macvtap, not by vhost" in refused.err
        assert hw.run('anyvf', 'vf', 'detach', dev, 1, check=False).err.count('is not attached')
    finally:
        hw.stop('hwd')
        hw.run('modprobe', '-r', 'netdevsim')


def test_igb_a_netdev_goes_into_a_namespace_and_comes_back(nic, box):
    driver, _, home = nic.function(1)
    nic.attach(1, 'netdev', 'netns', box, 'name', 'net1')
    assert home not in nic.links() and not nic.links(box)['net1']
    assert 'netdev net1 netns box, there, ' in nic.told(1)
    row, = json.loads(nic.anyvf('-j', 'top', nic.dev, 'count', 1).out)
    assert row == {'pf': nic.dev, 'vf': 1, 'not_told': 'by igb'}
    assert nic.samples_are_what_is_told(nic.dev) == 0
    assert nic.anyvf('top', nic.dev, 'count', 1).out.splitlines()[1].split()[3:] == 6 * ['-'] + 'not told by igb'.split()
    nic.lab.run('sh', '-ec', 'ip -n $0 link set net1 name lan; ip -n $0 link set lan up', box)  # is its user's business
    assert 'netdev net1 netns box, there as lan netns box' in nic.told(1) and nic.drift() == []
    nic.lab.run('sh', '-ec', 'ip -n $0 link set lan down; ip -n $0 link set lan name "$(printf "l\\377n")"', box)
    assert 'there as l?n netns box' in nic.told(1)  # a container gives it any name
    nic.lab.run('sh', '-ec', 'ip -n $0 link set "$(printf "l\\377n")" name lan; ip -n $0 link set lan up', box)
    nic.restart()
    status = nic.shown(1)['status']
    assert (status['connected'], status['netdev'], status['netns'], status['driver']) == (True, 'lan', box, driver)
    nic.attach(1, 'netdev', 'netns', box, 'name', 'net1')  # so it is
    assert nic.links(box)['lan']
    refused = nic.attach(1, 'vfio', code=1)
    assert 'vf 1: it is attached (netdev netns box name net1)' in refused.err
    refused = nic.anyvf('pf', 'set', nic.dev, 'numvfs', 2, code=1)
    assert 'vf 1 is attached (netdev netns box name net1)' in refused.err
    nic.anyvf('pf', 'set', nic.dev, 'numvfs', N_VFS + 1, 'force')  # all go for a moment; this one is in its namespace again
    assert 'net1' in nic.links(box) and nic.shown(1)['status']['connected'] and nic.drift() == []
    assert 'vf 1 is attached' in nic.anyvf('pf', 'del', nic.dev, code=1).err
    nic.detach(1)
    assert nic.function(1)[2] == home and not nic.links()[home] and list(nic.links(box)) == ['lo']
    assert 'not attached' in nic.told(1)
    assert 'not attached' in nic.detach(1, code=1).err


def test_igb_what_cannot_be_is_refused_by_name_and_nothing_is_half_done(nic, box):
    home = nic.function(2)[2]
    nic.lab.run('sh', '-ec', 'ip link set $0 up; ip -n $1 link add net1 type dummy; ip -n $1 link add $0 type dummy; touch /run/netns/file', home, box)
    before = nic.function(2), nic.links(), nic.links(box)
    for words, said in [(['netdev', 'netns', 'none'], 'there is no namespace none'),
                        (['netdev', 'netns', '../netns/box'], 'is no name of a namespace'),
                        (['netdev', 'netns', 'file'], '/run/netns/file is no network namespace'),
                        (['netdev', 'netns', box, 'name', 'net1'], 'namespace box has a netdev net1 already'),
                        (['netdev', 'netns', box], f'namespace box has a netdev {home} already'),
                        (['netdev', 'name', nic.dev], f'there is a netdev {nic.dev} already'),
                        (['netdev', 'name', 'a/b'], 'is no name for a netdev'),
                        (['macvtap', 'name', nic.dev], f'there is a netdev {nic.dev} already'),
                        (['tap', 'tap0'], 'not by tap')]:
        refused = nic.attach(2, *words, code=1)
        assert said in refused.err and (nic.dev in refused.err), (words, refused.err)
        assert (nic.function(2), nic.links(), nic.links(box)) == before, words
    nic.lab.run('ip', '-n', box, 'link', 'del', home)
    refused = nic.attach(2, 'netdev', 'netns', box, 'name', 'net1', code=1)  # here it has moved before the name is refused
    assert 'namespace box has a netdev net1 already' in refused.err
    assert (nic.function(2), nic.links(), sorted(nic.links(box))) == (*before[:2], ['lo', 'net1'])
    assert 'not attached' in nic.told(2)
    nic.lab.run('ip', 'link', 'set', home, 'netns', box)  # somebody's
    for words in ['vfio'], ['netdev']:
        assert f'its netdev, {home}, is in namespace box' in nic.attach(2, *words, code=1).err
    nic.lab.run('ip', '-n', box, 'link', 'set', home, 'netns', '1')


def test_igb_a_namespace_that_dies_gives_its_netdev_back_and_that_is_told(nic, box):
    home = nic.function(0)[2]
    nic.attach(0, 'netdev', 'netns', box, 'name', 'net0')
    nic.lab.run('ip', 'netns', 'del', box)
    wait_for(lambda: 'vf=0 word=attach asked="netdev netns box name net0" is="netdev net0 in this namespace' in nic.lab.said('hwd'), 60, 'its end in the log')
    assert 'netdev net0 netns box, missing: its netdev is net0 here' in nic.told(0)
    assert [d[:3] for d in nic.drift()] == [(0, 'attach', 'netdev netns box name net0')]
    nic.lab.run('ip', 'netns', 'add', box)
    nic.attach(0, 'netdev', 'netns', box, 'name', 'net0')  # the same once more
    assert 'net0' in nic.links(box) and nic.drift() == []
    nic.lab.run('sh', '-ec', 'ip netns add other; ip -n $0 link set net0 netns other', box)
    assert nic.drift() == [(0, 'attach', 'netdev netns box name net0', 'netdev net0 in namespace other of igbvf')]
    assert 'missing: its netdev is net0 netns other' in nic.told(0)
    nic.detach(0)
    assert nic.function(0)[2] == home and nic.drift() == []
    nic.attach(0, 'netdev', 'netns', box)
    nic.lab.start('stay', 'ip', 'netns', 'exec', box, 'sleep', '3600')
    nic.lab.run('ip', 'netns', 'del', box)  # it lives on, without a name
    assert 'no netdev that is seen' in nic.drift()[0][3]
    nic.detach(0)
    assert nic.function(0)[2] == home
    nic.lab.stop('stay')


def test_igb_a_vf_is_given_to_vfio_and_not_taken_from_who_has_it_open(nic):
    driver, _, home = nic.function(3)
    nic.lab.run('ip', 'link', 'set', home, 'name', 'mine')
    nic.attach(3, 'vfio')
    assert nic.function(3) == ['vfio-pci', 'vfio-pci']
    slot = nic.shown(3)['status']['pci_slot']
    assert f'vfio {slot}, in the hands of vfio-pci' in nic.told(3)
    group = nic.lab.run('sh', '-c', 'basename $(readlink /sys/bus/pci/devices/$0/iommu_group)', slot).out.strip()
    nic.lab.start('hold', '/usr/bin/python3', '-c', HOLD, slot, group)
    wait_for(lambda: 'open' in nic.lab.said('hold'), 120, 'a program that has it open')
    for words in ['detach'], ['release']:
        assert 'a VM or a program has it, by vfio-pci' in nic.anyvf('vf', *words, nic.dev, 3, code=1).err
    assert 'vf 3 is attached (vfio)' in nic.anyvf('pf', 'set', nic.dev, 'numvfs', 1, code=1).err
    nic.lab.stop('hold')
    nic.detach(3)
    assert nic.function(3) == [driver, '(null)', 'mine']
    nic.lab.run('ip', 'link', 'set', 'mine', 'name', home)
    nic.lab.run('sh', '-ec', 'cd /sys/class/net/$0/device/virtfn3; echo vfio-pci > driver_override; a=$(basename $(readlink -f .)); '
                'echo $a > driver/unbind; echo $a > /sys/bus/pci/drivers_probe', nic.dev)  # by hand
    assert 'vf 3 has driver vfio-pci' in nic.anyvf('pf', 'set', nic.dev, 'numvfs', 1, code=1).err
    nic.anyvf('vf', 'release', nic.dev, 3)
    assert nic.function(3)[:2] == [driver, '(null)']


def test_igb_a_macvtap_has_the_vf_for_itself(nic):
    home = nic.function(1)[2]
    nic.attach(1, 'macvtap', 'name', 'vm1')
    tap = json.loads(nic.lab.run('ip', '-d', '-j', 'link', 'show', 'vm1').out)[0]
    assert (tap['link'], tap['linkinfo']['info_kind'], tap['linkinfo']['info_data']['mode']) == (home, 'macvtap', 'passthru')
    assert 'UP' in tap['flags'] and nic.links()[home]
    assert 'macvtap vm1, there, ' in nic.told(1)
    nic.lab.run('ip', 'link', 'del', 'vm1')
    assert nic.drift() == [(1, 'attach', 'macvtap name vm1', f'netdev {home} in this namespace of igbvf')]
    nic.anyvf('pf', 'set', nic.dev, 'drift', 'repair')
    wait_for(lambda: 'vm1' in nic.links(), 60, 'the repair')
    nic.anyvf('pf', 'set', nic.dev, 'drift', 'report')
    nic.detach(1)
    assert 'vm1' not in nic.links() and not nic.links()[home]


def test_igb_release_is_all_of_it(nic, box):
    home = nic.function(1)[2]
    nic.anyvf('vf', 'set', nic.dev, 1, 'mac', '02:00:00:00:00:11', 'vlan', 7)
    nic.attach(1, 'netdev', 'netns', box, 'name', 'net1')
    nic.anyvf('vf', 'release', nic.dev, 1)
    shown = nic.shown(1)
    assert nic.function(1)[2] == home and (shown['attach']['kind'], shown['config']['vlan']) == ('none', 0)


def test_igb_a_vf_without_a_driver_gets_one_and_gives_it_back(nic, box):
    slot = nic.shown(2)['status']['pci_slot']
    auto = f'/sys/class/net/{nic.dev}/device/sriov_drivers_autoprobe'
    nic.lab.run('sh', '-ec', 'echo 0 > $1; echo $0 > /sys/bus/pci/drivers/igbvf/unbind', slot, auto)
    try:
        nic.restart()
        nic.attach(2, 'netdev', 'netns', box, 'name', 'net2')
        assert nic.function(2)[0] == 'igbvf' and 'net2' in nic.links(box) and nic.lab.run('cat', auto).out == '0\n'
        nic.detach(2)
        assert nic.function(2)[0] == 'none'
    finally:
        nic.lab.run('sh', '-ec', 'echo 1 > $1; echo $0 > /sys/bus/pci/drivers_probe', slot, auto)
        nic.restart()


def test_igb_a_daemon_that_is_killed_while_it_plugs_in_has_done_all_or_nothing(nic, box):
    rng = random.Random(3)
    home = nic.function(0)[2]
    for _ in range(4):
        words = rng.choice((['netdev', 'netns', box, 'name', 'net0'], ['macvtap', 'name', 'vm0']))
        nic.lab.run('sh', '-c', '''dev=$0; delay=$1; shift; { anyvf vf attach $dev 0 "$@"; anyvf vf detach $dev 0; } > /dev/null 2>&1 &
                    sleep $delay; kill -9 $(cat /run/lab/out/hwd.pid); wait''', nic.dev, f'{rng.random() * 0.3:.3f}', *words, check=False)
        nic.lab.stop('hwd', None)
        nic.start()
        kind, there, here = nic.shown(0)['attach']['kind'], nic.links(box), nic.links()
        assert ('net0' in there) == (kind == 'netdev') and (home in here) == (kind != 'netdev') and ('vm0' in here) == (kind == 'macvtap')
        assert nic.drift() == []
        nic.anyvf('vf', 'release', nic.dev, 0)


def test_igb_what_was_attached_is_attached_again_after_a_boot(nic, box):
    nic.attach(0, 'netdev', 'netns', box, 'name', 'net0')
    nic.attach(1, 'vfio')
    nic.attach(2, 'macvtap', 'name', 'vm2')
    nic.lab.cut()
    nic.boot()
    nic.start()
    assert nic.function(1) == ['vfio-pci', 'vfio-pci'] and 'vm2' in nic.links()
    assert [d[0] for d in nic.drift()] == [0]
    nic.lab.run('ip', 'netns', 'add', box)  # who makes it comes later
    wait_for(lambda: 'net0' in nic.links(box), 60, 'the namespace to have its netdev')
    assert nic.drift() == []


NETWORK = {'generation': 1, 'name': 'net', 'mtu': 1400}
SUBNET = {'ip_version': 4, 'enable_dhcp': True, 'dns_nameservers': [], 'host_routes': [], 'ipv6_ra_mode': None, 'ipv6_address_mode': None}
PORT = {'generation': 1, 'name': '', 'server': None, 'pci_slot': '0000:01:10.0', 'trunk': 'none', 'spoofchk': True, 'trust': False, 'state': 'auto',
        'mtu': 1400, 'vnic_type': 'direct', 'released': False}


def documents(nic, n, vlan):
    """A network, and a port on VF n, as the API tells an agent of them."""
    net, subnet, port = (f'{n}{n}{n}{n}{n}{n}{n}{kind}-1111-4111-8111-111111111111' for kind in '123')
    ip = {'ip_address': f'10.{n}.0.2', 'subnet_id': subnet}
    return [json.dumps(doc) for doc in (
        {**NETWORK, 'id': net, 'pf': nic.dev, 'vlan': vlan,
         'dhcp': {'port_id': port, 'mac': f'fa:16:3e:00:0{n}:02', 'fixed_ips': [ip]},
         'subnets': [{**SUBNET, 'id': subnet, 'cidr': f'10.{n}.0.0/24', 'gateway_ip': f'10.{n}.0.1'}]},
        {**PORT, 'id': port, 'network': net, 'pf': nic.dev, 'vf': n, 'vlan': vlan, 'mac': f'fa:16:3e:00:0{n}:11',
         'fixed_ips': [{**ip, 'ip_address': f'10.{n}.0.11'}]})]


def start_driver(nic, n):
    """Until it has VF n's administrative address: it asks for that at its start alone, and while the PF is in its reset in vain."""
    wait_for(lambda: f'fa:16:3e:00:0{n}:11' in nic.lab.run('sh', '-ec', 'ip -n $0 link set $1 down; ip -n $0 link set $1 up; sleep 1; ip -n $0 link show $1',
                                                           f'guest{n}', f'net{n}').out, 30, 'its address')


def lease(nic, n):
    """What a DHCP client says that has VF n's netdev in a namespace."""
    return nic.lab.run('sh', '-ec', '''ip -n $0 link set $1 up; sleep 1
        exec ip netns exec $0 busybox udhcpc -i $1 -n -q -f -t 20 -T 2 -s /bin/true 2>&1''', f'guest{n}', f'net{n}').out


def test_igb_dhcp_of_the_agent_serves_vfs_over_service_ports(nic):
    """A flat network and one of a VLAN, by the agent's own code; frames go through the NIC's switch."""
    nic.lab.run('modprobe', '-a', 'macvlan', '8021q')
    docs = {n: documents(nic, n, vlan) for n, vlan in ((1, 0), (2, 120))}
    for n, vlan in (1, 0), (2, 120):
        nic.anyvf('vf', 'set', nic.dev, n, 'mac', f'fa:16:3e:00:0{n}:11', 'vlan', vlan)
        nic.lab.run('ip', 'netns', 'add', f'guest{n}')
        nic.attach(n, 'netdev', 'netns', f'guest{n}', 'name', f'net{n}')
        start_driver(nic, n)
        nic.lab.run(BUILD / 'tests/lib/hw_dhcp', 'add', *docs[n])
    for n in docs:
        assert f'lease of 10.{n}.0.11 obtained from 10.{n}.0.2' in lease(nic, n)
    shown = json.loads(nic.anyvf('-j', 'svc', 'show', nic.dev).out)
    assert [(s['mac'], s['vlan'], s['mtu']) for s in shown] == [('fa:16:3e:00:01:02', 0, 1400), ('fa:16:3e:00:02:02', 120, 1400)]
    assert 'services' not in json.loads(nic.anyvf('export').out)['pfs'][nic.dev]  # they are the agent's
    nic.lab.run('sh', '-ec', 'ip link set $0 down; ip link set $0 up', nic.dev)  # all filters of the NIC are made anew
    nic.lab.run('sh', '-c', 'kill -9 $(cat /run/lab/out/hwd.pid)')
    nic.lab.stop('hwd', None)
    nic.start()
    assert json.loads(nic.anyvf('-j', 'svc', 'show', nic.dev).out) == shown
    for n in docs:
        start_driver(nic, n)
        assert f'lease of 10.{n}.0.11 obtained from 10.{n}.0.2' in lease(nic, n)
    nic.lab.run(BUILD / 'tests/lib/hw_dhcp', 'del', *docs[1])
    nic.lab.run(BUILD / 'tests/lib/hw_dhcp', 'del', *docs[2])
    assert json.loads(nic.anyvf('-j', 'svc', 'show').out) == [] and nic.drift() == []
    assert not nic.lab.run('sh', '-c', 'ls /run/netns | grep -v guest; pgrep dnsmasq', check=False).out


def test_igb_a_service_port_outlives_its_namespace_and_whatever_is_done_to_it(nic, box):
    nic.lab.run('sh', '-ec', '''modprobe -a macvlan 8021q; ip netns add other
        ip -n $0 link add decoy index $(cat /sys/class/net/$1/ifindex) type dummy''', box, nic.dev)  # the PF's number, in another namespace
    nic.anyvf('svc', 'add', nic.dev, 'svc0', 'netns', box)
    nic.anyvf('svc', 'add', nic.dev, 'svc7', 'vlan', 7, 'netns', box, 'mtu', 1300)
    assert nic.links(box) == {'lo': False, 'decoy': False, 'svc0': True, 'svc7': True}
    assert nic.lab.run('sh', '-ec', 'anyvf export > /tmp/host.json; anyvf diff /tmp/host.json').out == ''
    services = json.loads(nic.anyvf('export').out)['pfs'][nic.dev]['services']
    assert list(services) == ['svc0', 'svc7'] and {**services['svc7'], 'mac': ''} == {'mac': '', 'vlan': 7, 'mtu': 1300, 'netns': box}
    before = nic.links()
    for words, said in [(['svc1', 'netns', 'none'], 'there is no namespace none'), (['svc0', 'netns', box], 'has a service port of that name'),
                        (['lo', 'netns', box], f'namespace {box} has a netdev of that name already'), (['svc1', 'vlan', 7], 'has a service port in VLAN 7, svc7'),
                        (['svc1', 'mtu', 1501], "mtu 1501 is above the PF's 1500"), (['a/b'], 'is no name for a netdev')]:
        refused = nic.anyvf('svc', 'add', nic.dev, *words, code=1)
        assert f'{nic.dev}: service port {words[0]}: ' in refused.err and said in refused.err, refused
    nic.lab.run('ip', 'link', 'add', 'link', nic.dev, 'name', 'theirs', 'type', 'vlan', 'id', 9)
    assert 'has a netdev of VLAN 9 already' in nic.anyvf('svc', 'add', nic.dev, 'svc1', 'vlan', 9, code=1).err
    nic.lab.run('ip', 'link', 'del', 'theirs')
    assert nic.links() == before
    nic.lab.run('sh', '-ec', 'ip -n $0 link set svc0 down; ip -n $0 link set svc0 name lan; ip -n $0 link set svc7 netns other', box)
    assert [d[1:] for d in nic.drift()] == [('service', f'svc7 vlan 7 netns {box}', 'in another namespace')]
    nic.lab.run('ip', '-n', 'other', 'link', 'set', 'svc7', 'netns', box)
    assert nic.drift() == []
    nic.lab.run('sh', '-ec', '''mac=$(ip -n $0 -o link show lan | sed 's/.*ether \\([^ ]*\\).*/\\1/'); ip -n $0 link del lan
        ip -n $0 link add theirs link decoy address $mac type macvlan''', box)  # as if it were the port
    wait_for(lambda: 'svc0' in nic.links(box), 60, 'the port to be made again')
    nic.lab.run('ip', '-n', box, 'link', 'del', 'decoy')
    assert nic.drift() == []
    nic.lab.run('ip', 'netns', 'del', box)
    wait_for(lambda: 'port="svc7 vlan 7 netns box"' in nic.lab.said('hwd'), 60, 'its end in the log')
    assert [d[3] for d in nic.drift()] == ['missing', 'missing']
    nic.lab.run('ip', 'netns', 'add', box)
    wait_for(lambda: {'svc0', 'svc7'} <= set(nic.links(box)), 60, 'the ports to be made again')
    nic.lab.start('stay', 'ip', 'netns', 'exec', box, 'sleep', '3600')
    nic.lab.run('ip', 'netns', 'del', box)  # it lives on, without a name
    assert [d[3] for d in nic.drift()] == ['in another namespace', 'in another namespace']
    nic.anyvf('svc', 'del', nic.dev, 'svc0')
    inside = ['nsenter', '-n', '-t', (nic.lab.directory / 'stay.pid').read_text().strip(), 'ip', '-o', 'link']
    assert 'svc7' in nic.lab.run(*inside).out and 'svc0' not in nic.lab.run(*inside).out
    nic.anyvf('svc', 'add', nic.dev, 'here')
    assert 'here' in nic.links()
    nic.anyvf('pf', 'del', nic.dev)  # and with it all of them
    assert nic.links() == before and 'svc7' not in nic.lab.run(*inside).out
    nic.lab.stop('stay')
    nic.anyvf('pf', 'add', nic.dev, 'hw')


def test_igb_a_daemon_that_is_killed_leaves_a_service_port_or_none(nic, box):
    rng = random.Random(5)
    nic.lab.run('modprobe', '-a', 'macvlan', '8021q')
    for i in range(6):
        nic.lab.run('sh', '-c', '''{ anyvf svc add $0 svc$3 vlan $3 netns $1; anyvf svc del $0 svc$3; } > /dev/null 2>&1 &
                    sleep $2; kill -9 $(cat /run/lab/out/hwd.pid); wait''', nic.dev, box, f'{rng.random() * 0.2:.3f}', i, check=False)
        nic.lab.stop('hwd', None)
        nic.start()
        served = [s['name'] for s in json.loads(nic.anyvf('-j', 'svc', 'show').out)]
        assert sorted(nic.links(box)) == sorted(['lo', *served])
        for name in served:
            nic.anyvf('svc', 'del', nic.dev, name)
    assert list(nic.links(box)) == ['lo']
