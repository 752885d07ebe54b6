# SPDX-License-Identifier: Apache-2.0
"""OpenStack on a NIC: a host of the lab with an igb and an IOMMU runs all of anyvf and libvirt, and a VM in it by its (nested) KVM.

The clients run outside, through a port that QEMU forwards; so does what makes the cloud's first state: users, flavor, image.
"""
import ctypes
import ctypes.util
import json
import os
import re
import shutil
import sqlite3
import subprocess
import time

import pytest

from apid import Apid, Cloud, free_port, read_openrc
from conftest import BUILD, ROOT, need_root, wait_for
from hwlab import MAC, hw, netdevsim  # noqa: F401
from lab import IMAGE

PORT = free_port()
HERE = f'10.0.2.15:{PORT}'  # the API, in the lab
WIRE = '10.20.0.1'
KNOWN = IMAGE / 'libvirt'  # what libvirtd in the lab was told by its QEMU at a former run
WORDS = 'console=ttyS0 quiet panic=-1 net.ifnames=0 no_timer_check tsc=reliable cryptomgr.notests=1 mitigations=off'
WHOLE = '02:00:00:00:02:00'  # a second igb, which a VM gets whole
# The other end of the igb's wire, the second one's, and the way of the clients.
HW_DEVICES = ['-netdev', 'hubport,hubid=0,id=peer', '-device', 'virtio-net-pci,netdev=peer,mac=02:00:00:00:09:00',
              '-netdev', 'hubport,hubid=0,id=wire2', '-device', 'pcie-root-port,id=root2,chassis=2',
              '-device', f'igb,bus=root2,netdev=wire2,romfile=,mac={WHOLE}',
              '-netdev', f'user,id=way,hostfwd=tcp:127.0.0.1:{PORT}-:{PORT}', '-device', 'virtio-net-pci,netdev=way,mac=02:00:00:00:08:00',
              '-m', '1536']
CONF = f"""
[host]
name = h1
[api]
listen = {HERE}
public_url = http://127.0.0.1:{PORT}
plain_http = yes
[network]
network_vlan_ranges = physnet1:100:199
[agent]
api = http://{HERE}
kvm = on
[sriov]
physical_device_mappings = physnet1:nic0,physnet2:soft0,physnet3:sim0,physnet4:nic1
[pf.nic0]
kind = hw
numvfs = 4
[pf.nic1]
kind = hw
[pf.sim0]
kind = hw
[pf.soft0]
numvfs = 2
host_if = on
"""
# What a VM does: an address on each NIC that comes, then a ping of the wire, and a word where many frames have come. Few programs: all is emulated twice.
INIT = f"""#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore
exec < /dev/console > /dev/console 2>&1
for module in $(cat /lib/order); do insmod /lib/$module; done
echo "guest: up"
while :; do
    for nic in /sys/class/net/eth*; do
        name=${{nic##*/}}
        read -r index < $nic/ifindex && read -r mac < $nic/address && read -r heard < $nic/statistics/rx_packets || continue
        [ $heard -lt 50 ] || [ -e /run/heard.$index ] || {{ echo "guest: nic $mac hears"; > /run/heard.$index; }}
        [ ! -e /run/$index ] || continue
        > /run/$index
        driver=$(readlink $nic/device/driver)
        echo "guest: nic $mac of ${{driver##*/}}"
        ip link set $name up
        (
            udhcpc -i $name -n -q -t 40 -T 3 -s /dhcp > /dev/null 2>&1 || exit
            address=$(ip -o -4 addr show dev $name | sed 's/.*inet \\([0-9.]*\\).*/\\1/')
            echo "guest: nic $mac has $address"
            case $address in 10.20.*) ping -c 2 -W 20 -I $name {WIRE} > /run/ping.$index 2>&1; echo "guest: wire ping $mac $?";; esac
        ) &
    done
    sleep 2
done
"""
DHCP = """#!/bin/busybox sh
[ "$1" != bound ] || ip addr add $ip/24 dev $interface
"""


def slowly(claim, what):
    """wait_for(), but asking an emulated machine costs it time that it lacks then."""
    return wait_for(lambda: claim() or time.sleep(2), 180, what)


def guest(directory):
    """Kernel, ramdisk and disk of a VM with the drivers of an igb's VF and of virtio, in a directory; small, as all is emulated."""
    root = directory / 'root'
    for name in 'bin', 'dev', 'proc', 'sys', 'run', 'lib', 'tmp':
        (root / name).mkdir(parents=True)
    shutil.copy(shutil.which('busybox'), root / 'bin/busybox')
    (directory / 'lib').mkdir()
    (directory / 'lib/modules').symlink_to(IMAGE / 'host.modules')
    version, = os.listdir(IMAGE / 'host.modules')
    needed = subprocess.run(['modprobe', '-d', directory, '-S', version, '-a', '--show-depends', 'virtio_pci', 'virtio_net', 'igbvf', 'igb'],
                            check=True, stdout=subprocess.PIPE, text=True).stdout
    modules = list(dict.fromkeys(re.findall(r'^insmod (\S+)', needed, re.M)))
    for module in modules:
        shutil.copy(module, root / 'lib')
    shutil.copy(IMAGE / 'vmlinuz', directory)
    (root / 'lib/order').write_text(' '.join(os.path.basename(module) for module in modules))
    for name, text in ('init', INIT), ('dhcp', DHCP):
        (root / name).write_text(text)
        (root / name).chmod(0o755)
    subprocess.run('find . | busybox cpio -o -H newc 2> /dev/null | gzip -1 > ../initramfs', shell=True, check=True, cwd=root)
    (directory / 'cmdline').write_text(WORDS)
    (directory / 'disk.raw').write_bytes(bytes(1 << 20))
    return directory


def cheap_passwords(path):
    """Hashes that an emulated CPU verifies in a blink, in the place of those that take it many seconds."""
    sodium = ctypes.CDLL(ctypes.util.find_library('sodium') or 'libsodium.so.23')
    creds = json.loads((path / 'agent.json').read_text())
    words = {creds['username']: creds['password']}
    for rc in 'openrc', 'demo-openrc':
        env = read_openrc(path / rc)
        words[env['OS_USERNAME']] = env['OS_PASSWORD']
    db = sqlite3.connect(path / 'api/api.db')
    for key, body in db.execute("select key, body from doc where key like '/user/%'").fetchall():
        user = json.loads(body)
        if user.get('name') in words:
            out, word = ctypes.create_string_buffer(128), words[user['name']].encode()
            assert not sodium.crypto_pwhash_str(out, word, ctypes.c_ulonglong(len(word)), ctypes.c_ulonglong(1), ctypes.c_size_t(8192))
            user['password_hash'] = out.value.decode()
            db.execute('update doc set body = ? where key = ?', (json.dumps(user, separators=(',', ':')), key))
    db.commit()
    db.close()


def first_state(directory):
    """The cloud as it is to begin in the lab: made by an API of this machine."""
    cloud = Cloud(directory)
    try:
        image = cloud.apid.cli(ROOT / 'scripts/guest-register', guest(directory / 'guest')).stdout.strip()
        flavor = cloud.flavor(name='tiny', ram=96)
    finally:
        cloud.close()
    cheap_passwords(directory)
    for rc in directory.glob('*openrc'):
        rc.write_text(rc.read_text().replace(cloud.apid.url, f'http://127.0.0.1:{PORT}'))
    return image, flavor


class Host(Cloud):
    """The lab's host with all of anyvf on it; of a Cloud it has the client's side."""

    def __init__(self, lab, directory):
        self.lab, self.agents = lab, []
        self.image, self.tiny = first_state(directory)
        self.apid = Apid.__new__(Apid)  # runs in the lab
        self.apid.dir, self.apid.url = directory, f'http://127.0.0.1:{PORT}'
        shutil.copytree(directory / 'api', lab.directory / 'api')
        shutil.copy(directory / 'agent.json', lab.directory)
        (lab.directory / 'anyvf.conf').write_text(CONF)
        (lab.directory / 'qemu.conf').write_text('stdio_handler = "file"\nsecurity_driver = "none"\n')
        if KNOWN.exists():
            shutil.copytree(KNOWN, lab.directory / 'known')
        lab.run('sh', '-ec', f'''
            modprobe -a virtio_net igb igbvf vfio-pci kvm-amd macvtap tun dummy
            chmod 666 /dev/kvm  # udev's work
            by_mac() {{ basename $(dirname $(grep -l $1 /sys/class/net/*/address)); }}
            peer=$(by_mac 02:00:00:00:09:00) way=$(by_mac 02:00:00:00:08:00) nic=$(by_mac {MAC})
            ip addr add 10.0.2.15/24 dev $way; ip link set $way up; ip route add default via 10.0.2.2
            ip netns add wire; ip link set $peer netns wire name wire0
            ip -n wire link set lo up; ip -n wire addr add {WIRE}/24 dev wire0; ip -n wire link set wire0 up
            ip link set $nic name nic0; ip link set nic0 up
            ip link set $(by_mac {WHOLE}) name nic1
            # Each QEMU that libvirtd asks what it can costs an emulated machine half a minute: others go, this one's answers are kept.
            find /usr/bin /usr/libexec -name 'qemu-system-*' ! -name qemu-system-x86_64 -delete
            mkdir -p /var/cache/libvirt/qemu/capabilities
            [ ! -d /run/lab/out/known ] || cp /run/lab/out/known/* /var/cache/libvirt/qemu/capabilities/
            cp /run/lab/out/qemu.conf /etc/libvirt/; cp /run/lab/out/anyvf.conf /etc/anyvf/
            cp -a /run/lab/out/api /var/lib/anyvf/; chown -R anyvf-api: /var/lib/anyvf/api; cp /run/lab/out/agent.json /etc/anyvf/; chown anyvf-agent: /etc/anyvf/agent.json
            ''')
        sim = netdevsim(lab, vfs=2)
        lab.run('ip', 'link', 'set', sim, 'name', 'sim0')
        self.up()
        self.login()
        slowly(lambda: 'physnet4' in json.dumps(self.admin.get('/network/v2.0/agents')), 'all PFs at the API')

    def up(self):
        slowly(lambda: not self.lab.run('anyvf', 'up', check=False).code, 'all of it')  # which waits 20 s for each
        slowly(lambda: 'alive' in self.lab.run('anyvf', 'status', check=False).out, 'the host at the API')

    def keep_known(self):
        """For the next run: what libvirtd was told by its QEMU, which takes half a minute."""
        self.lab.run('sh', '-c', 'mkdir -p /run/lab/out/told; cp /var/cache/libvirt/qemu/capabilities/* /run/lab/out/told', check=False)
        KNOWN.mkdir(exist_ok=True)
        for told in (self.lab.directory / 'told').iterdir():
            shutil.copy(told, KNOWN)

    def cli(self, *words):
        return self.apid.cli(*map(str, words)).stdout

    def lines(self, server):
        """What the server's VM has said."""
        return self.lab.run('sh', '-c', 'tr -d "\\r" < /var/lib/anyvf/agent/servers/$0/console.log', server['id'], check=False).out

    def says(self, server, words):
        slowly(lambda: re.search(words, self.lines(server), re.M), f'{words!r} of its VM')

    def shown(self, *words):
        """What `anyvf` shows, which waits while anyvf-hwd binds a VF to another driver: for that as long as this machine takes."""
        return json.loads(slowly(lambda: self.lab.run('anyvf', '-j', *words, check=False).out, f'{words} to be shown'))

    def vf(self, vf, pf='nic0'):
        return self.shown('vf', 'show', pf, vf)[0]

    def vf_of(self, port):
        """The number of a port's VF."""
        return next(vf['vf'] for vf in self.shown('vf', 'show', 'nic0') if vf['config']['port_id'] == port['id'])

    def plug(self, server, port):
        """Give a port to a server that runs; what is shown of it then."""
        self.cli('nova', 'interface-attach', '--port-id', port['id'], server['id'])
        slowly(lambda: self.show_port(port)['status'] == 'ACTIVE', 'the port')
        return self.show_port(port)

    def unplug(self, server, port):
        vf = self.vf_of(port)
        self.cli('nova', 'interface-detach', server['id'], port['id'])
        slowly(lambda: self.vf(vf)['config']['port_id'] == '', 'the end of its lease')

    def log(self):
        return self.lab.run('sh', '-c', 'tail -n 40 /var/log/anyvf/*.log').out


@pytest.fixture(scope='module')
def host(hw, tmp_path_factory):  # noqa: F811
    need_root()
    if hw.no_igb:
        pytest.skip(hw.no_igb)
    made = Host(hw, tmp_path_factory.mktemp('cloud'))
    yield made
    made.keep_known()


def field(table, name):
    """A row of the clients' two-column tables."""
    return re.search(rf'^\|\s*{re.escape(name)}\s*\|\s*(.*?)\s*\|', table, re.M)[1]


@pytest.fixture(scope='module')
def vm(host):
    """Server and port, by the founding document's four commands; and a port of a software PF."""
    net = field(host.cli('neutron', 'net-create', '--provider:physical_network=physnet1', '--provider:network_type=flat', 'NET'), 'id')
    host.cli('neutron', 'subnet-create', 'NET', '10.20.0.0/24', '--name', 'SUB', '--allocation-pool=start=10.20.0.10,end=10.20.0.50')
    port = field(host.cli('neutron', 'port-create', net, '--binding:vnic-type', 'direct'), 'id')
    soft = host.network(subnet=False, **{'provider:network_type': 'flat', 'provider:physical_network': 'physnet2'})
    host.admin.post('/network/v2.0/subnets', {'subnet': {'network_id': soft['id'], 'ip_version': 4, 'cidr': '10.30.0.0/24'}})
    soft = host.port(soft)
    server = field(host.cli('nova', 'boot', '--flavor', 'tiny', '--image', host.image, '--nic', f'port-id={port}', '--nic', f"port-id={soft['id']}", 'VM'),
                   'id')
    return {'id': server}, {'id': port, 'network': {'id': net}}, soft


def test_igb_a_vf_that_cannot_be_had_ends_in_a_fault_that_says_why(host):
    net = host.network(subnet=False, **{'provider:network_type': 'flat', 'provider:physical_network': 'physnet3'})
    port = host.port(net)
    server = host.boot(host.tiny, {'id': host.image}, [{'port': port['id']}])
    slowly(lambda: host.server(server)['status'] == 'ERROR', 'the fault')
    assert 'sim0 vf 0' in host.server(server)['fault']['message']
    assert host.show_port(port)['status'] == 'DOWN'
    host.admin.delete(f"/compute/v2.1/servers/{server['id']}")
    slowly(lambda: host.vf(0, 'sim0')['config']['port_id'] == '', 'the end of its lease')


def test_igb_the_founding_documents_commands_boot_a_vm_with_a_vf(host, vm):
    server, port, soft = vm
    slowly(lambda: host.show_port(port)['status'] == 'ACTIVE', 'the port')
    shown, vf = host.show_port(port), host.vf(0)
    assert shown['binding:vif_type'] == 'hw_veb'
    assert shown['binding:profile'] == {'pci_slot': vf['status']['pci_slot'], 'pci_vendor_info': '8086:10ca', 'physical_network': 'physnet1'}
    assert (vf['attach']['kind'], vf['status']['driver']) == ('vfio', 'vfio-pci')
    assert (vf['config']['mac'], vf['config']['port_id'], vf['config']['server']) == (shown['mac_address'], port['id'], 'VM')
    host.says(server, f"guest: nic {shown['mac_address']} of igbvf")
    host.says(server, f"guest: nic {shown['mac_address']} has {shown['fixed_ips'][0]['ip_address']}$")  # by the service port on the NIC's PF
    host.says(server, f"guest: wire ping {shown['mac_address']} 0")
    soft = host.show_port(soft)
    assert (soft['status'], soft['binding:vif_type']) == ('ACTIVE', 'vhostuser')
    host.says(server, f"guest: nic {soft['mac_address']} has {soft['fixed_ips'][0]['ip_address']}$")


def test_igb_a_mirror_of_a_vms_vf_has_what_it_gets(host, vm):
    shown = host.show_port(vm[1])
    host.lab.run('anyvf', 'mirror', 'add', 'copy', 'from', 'vf', 'nic0', 0, 'in', 'to', 'vf', 'nic0', 3)
    ear = host.vf(3)['status']['netdev']
    host.lab.run('ip', 'link', 'set', ear, 'up')

    def hears():
        return ear in host.lab.run(BUILD / 'tests/lib/who_hears', shown['mac_address'], '02:00:00:00:09:00', 'wire0@wire', ear).out
    slowly(hears, 'a copy')
    host.lab.run('ip', 'netns', 'exec', 'wire', 'ping', '-c', 1, '-W', 30, shown['fixed_ips'][0]['ip_address'])  # and the VM has them as well
    host.lab.run('anyvf', 'mirror', 'del', 'copy')
    slowly(lambda: not hears(), 'the end of copies')
    host.lab.run('anyvf', 'vf', 'release', 'nic0', 3)


def test_igb_macvtap_comes_to_a_vm_that_runs_and_goes(host, vm):
    server, port, _ = vm
    shown = host.plug(server, host.port(port['network'], **{'binding:vnic_type': 'macvtap'}))
    vf = host.vf_of(shown)
    assert (shown['binding:vif_type'], host.vf(vf)['status']['driver']) == ('hw_veb', 'igbvf')
    host.says(server, f"guest: nic {shown['mac_address']} of virtio_net")
    host.says(server, f"guest: nic {shown['mac_address']} has {shown['fixed_ips'][0]['ip_address']}$")
    host.says(server, f"guest: wire ping {shown['mac_address']} 0")
    host.unplug(server, shown)
    assert host.vf(vf)['status']['touched'] == ''


def test_igb_a_vf_comes_to_a_vm_that_runs_and_has_a_taps_copies(host, vm):
    server, port, _ = vm
    shown = host.plug(server, host.port(port['network']))
    vf = host.vf_of(shown)
    assert host.vf(vf)['status']['driver'] == 'vfio-pci'
    host.says(server, f"guest: nic {shown['mac_address']} of igbvf")
    host.says(server, f"guest: wire ping {shown['mac_address']} 0")
    service = host.admin.post('/network/v2.0/taas/tap_services', {'tap_service': {'port_id': shown['id'], 'name': 'tap'}})['tap_service']
    flow = host.admin.post('/network/v2.0/taas/tap_flows', {'tap_flow': {
        'tap_service_id': service['id'], 'source_port': port['id'], 'direction': 'IN'}})['tap_flow']
    slowly(lambda: host.admin.get(f"/network/v2.0/taas/tap_flows/{flow['id']}")['tap_flow']['status'] == 'ACTIVE', 'the tap')
    assert f'from vf nic0 0 in to vf nic0 {vf}, by mac' in host.lab.run('anyvf', 'mirror', 'show').out
    host.lab.run('ip', 'netns', 'exec', 'wire', 'ping', '-q', '-c', 60, '-i', 0.1, '-W', 30, host.show_port(port)['fixed_ips'][0]['ip_address'])
    host.says(server, f"guest: nic {shown['mac_address']} hears")
    host.admin.delete(f"/network/v2.0/taas/tap_flows/{flow['id']}")
    slowly(lambda: not host.lab.run('anyvf', 'mirror', 'show').out, 'the end of the tap')
    host.admin.delete(f"/network/v2.0/taas/tap_services/{service['id']}")
    host.unplug(server, shown)
    assert (host.vf(vf)['status']['driver'], host.vf(vf)['status']['touched']) == ('igbvf', '')


def test_igb_a_whole_nic_comes_to_a_vm_that_runs(host, vm):
    net = host.network(subnet=False, **{'provider:network_type': 'flat', 'provider:physical_network': 'physnet4'})
    shown = host.plug(vm[0], host.port(net, **{'binding:vnic_type': 'direct-physical'}))
    assert shown['binding:vif_type'] == 'hostdev_physical'
    host.says(vm[0], f'guest: nic {WHOLE} of igb$')
    host.lab.run('ip', 'netns', 'exec', 'wire', 'timeout', '120', '/usr/bin/python3', '-c', f"""if True:
        import socket
        ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        ear.bind(('wire0', 0))
        while ear.recv(2048)[6:12] != bytes.fromhex('{WHOLE.replace(':', '')}'):
            pass""")


def test_igb_a_killed_agent_loses_nothing_and_a_deleted_server_gives_all_back(host, vm):
    server, port, soft = vm
    host.lab.run('sh', '-c', 'kill -9 $(pgrep -o anyvf-agentd); sleep 1; pkill -9 anyvf-agentd', check=False)
    host.cli('nova', 'delete', 'VM')
    host.up()
    slowly(lambda: host.vf(0)['config']['port_id'] == host.vf(0, 'soft0')['config']['port_id'] == '', 'the end of its leases')
    vf = host.vf(0)
    assert (vf['attach']['kind'], vf['status']['driver'], vf['status']['touched']) == ('none', 'igbvf', '')
    for one in port, soft:
        one = host.show_port(one)
        assert (one['binding:vif_type'], one['binding:profile'], one['status']) == ('unbound', {}, 'DOWN')
    slowly(lambda: 'nic1' in host.lab.run('sh', '-c', """
        ip link set $(basename $(dirname $(grep -l $0 /sys/class/net/*/address))) name nic1  # udev's work
        anyvf pf show nic1""", WHOLE, check=False).out, 'the whole NIC')
