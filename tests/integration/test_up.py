# SPDX-License-Identifier: Apache-2.0
"""`anyvf up|status|down` on a private installation: its own /run, libvirt, state, ports; no guests.

A mount namespace gives the site its own /run and libvirt directories, so that `up` may start
libvirtd as on a fresh host without touching this one's.
"""
import base64
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid

import pytest

from conftest import DAEMONS, need_root, run, wait_for

PROGRAMS = ['virtlogd', 'libvirtd', 'anyvf-swd', 'anyvf-apid', 'anyvf-agentd']


def free_port():
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


class Site:
    """A mount namespace with an own /run and /var/lib/libvirt, and a configuration."""

    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        self.conf = self.dir / 'anyvf.conf'
        self.port = free_port()
        self.programs = DAEMONS
        self.write_conf()
        places = ['/etc/libvirt', '/var/lib/libvirt', '/var/log/libvirt', '/var/cache/libvirt']
        binds = '; '.join(f'mkdir -p {p} {self.dir}/root{p}; mount --bind {self.dir}/root{p} {p}' for p in places)
        self.proc = subprocess.Popen(
            ['unshare', '-m', '--propagation', 'private', 'sh', '-ec',
             f'{binds}; mount -t tmpfs run /run; mkdir -p /run/netns /run/lock; echo ready; exec sleep 1000000'],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        assert self.proc.stdout.readline() == b'ready\n'

    def write_conf(self, more=''):
        self.conf.write_text(
            f'[host]\nname = uphost\nstate_dir = {self.dir}/state\nlog_dir = {self.dir}/log\n'
            f'[api]\nlisten = 127.0.0.1:{self.port}\nopenrc = {self.dir}/etc/openrc\n'
            f'[agent]\ncredentials = {self.dir}/etc/agent.json\n'
            '[sriov]\nphysical_device_mappings = physnet1:p2p1\n'
            f'[pf.p2p1]\nnumvfs = 4\n[pf.p3p1]\nuplink = none\nmode = vepa\nmtu = 9000\n{more}')

    def popen(self, *words):
        env = {k: v for k, v in os.environ.items() if k != 'ANYVF_RUN_DIR'}
        return subprocess.Popen(['nsenter', '-m', '-t', str(self.proc.pid), self.programs / 'anyvf', *words],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)

    def run(self, *words):
        """Exit code, stdout, stderr of `anyvf WORDS` inside."""
        proc = self.popen(*words)
        out, err = proc.communicate(timeout=120)
        return proc.returncode, out, err

    def inside(self, *argv):
        """Another program inside."""
        return run('nsenter', '-m', '-t', self.proc.pid, *argv)

    def guests(self):
        return self.inside('virsh', 'list', '--name').stdout.split()

    def console(self, vm):
        """What `anyvf console VM` says on a terminal until Ctrl-] leaves it."""
        ours, theirs = os.openpty()
        proc = subprocess.Popen(['nsenter', '-m', '-t', str(self.proc.pid), DAEMONS / 'anyvf', 'console', vm, '--config', self.conf],
                                stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        said = b''
        with contextlib.suppress(OSError):  # EIO: the last one with the terminal has gone
            while chunk := os.read(ours, 4096):
                said += chunk
                if b'Escape character' in said:
                    os.write(ours, b'\x1d')
        os.close(ours)
        assert proc.wait(60) == 0, said
        return said.decode()

    def up(self):
        return self.run('up', '--config', str(self.conf))

    def down(self, *words):
        return self.run('down', *words, '--config', str(self.conf))

    def status(self):
        """{name: state} of the programs."""
        code, out, err = self.run('-j', 'status', '--config', str(self.conf))
        found = json.loads(out)
        assert (code == 0) == found['ready'], err
        return {d['name']: d for d in found['daemons']}

    def close(self):
        self.down()
        pids = run('nsenter', '-m', '-t', self.proc.pid, 'sh', '-c', 'cat /run/libvirt/qemu/*.pid', check=False).stdout
        for pid in pids.split():  # guests that are no server's: down leaves them
            os.kill(int(pid), signal.SIGKILL)
        self.proc.kill()
        self.proc.wait()


@pytest.fixture
def site():
    need_root()
    for program in 'virtlogd', 'libvirtd':
        if not shutil.which(program):
            pytest.skip(f'there is no {program}')
    directory = tempfile.mkdtemp(prefix='anyvf-up-')
    os.chmod(directory, 0o711)  # QEMU and the daemons run as users of their own
    made = Site(directory)
    yield made
    made.close()
    shutil.rmtree(directory)


def test_up_starts_everything_and_does_nothing_twice(site):
    code, out, err = site.up()
    assert (code, err) == (0, ''), err + out
    for program in PROGRAMS:
        assert f'{program:13} started' in out
    first = site.status()
    assert all(first[p]['ready'] and first[p]['started_by_up'] for p in PROGRAMS)
    page = first['anyvf-apid']['serves'].split()[-1]
    assert page.startswith('http') and page.endswith('/anyvf/ui/') and f'{"page":13} {page}\n' in out
    pfs = json.loads(site.run('-j', 'pf', 'show')[1])
    assert [(p['config']['name'], p['config']['numvfs'], p['config']['mode'], p['config']['mtu']) for p in pfs] == [
        ('p2p1', 4, 'veb', 1500), ('p3p1', 8, 'vepa', 9000)]
    code, out, err = site.up()
    assert (code, err, out.count('runs already'), 'made' in out) == (0, '', 5, False)
    assert {p: d['pid'] for p, d in site.status().items()} == {p: d['pid'] for p, d in first.items()}
    code, out, _ = site.down()
    assert code == 0 and out.count('stopped') == 5
    assert not any(d['running'] for d in site.status().values())
    assert site.down() == (0, '', '')


def test_two_ups_at_once_start_each_program_once(site):
    both = [site.popen('up', '--config', str(site.conf)) for _ in range(2)]
    outs = [proc.communicate(timeout=120) for proc in both]
    assert [proc.returncode for proc in both] == [0, 0], outs
    for program in PROGRAMS:
        assert sum(out.count(f'{program:13} started') for out, _ in outs) == 1
    assert sum(out.count('p2p1          made') for out, _ in outs) == 1


def test_what_died_is_told_and_started_again(site):
    assert site.up()[0] == 0
    os.kill(site.status()['anyvf-swd']['pid'], signal.SIGKILL)
    wait_for(lambda: not site.status()['anyvf-swd']['ready'])
    assert site.status()['anyvf-swd']['why_not'] == 'it does not run'
    code, out, err = site.up()
    assert code == 0 and out.count('started') == 1 and 'made' not in out, out + err


def test_down_leaves_what_it_did_not_start(site):
    proc = subprocess.Popen(['nsenter', '-m', '-t', str(site.proc.pid), DAEMONS / 'anyvf-swd',
                             '--config', site.conf], stderr=subprocess.DEVNULL)
    wait_for(lambda: site.status()['anyvf-swd']['ready'])
    code, out, err = site.up()
    assert code == 0 and 'anyvf-swd     runs already' in out, err
    out = site.down()[1]
    assert 'anyvf-swd     left running' in out and out.count('stopped') == 4
    assert site.status()['anyvf-swd']['ready']
    proc.terminate()
    proc.wait(10)


def test_program_that_cannot_start_is_named_with_its_last_words(site):
    with socket.socket() as busy:
        busy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        busy.bind(('127.0.0.1', site.port))
        busy.listen()
        code, out, err = site.up()
    assert code == 1 and 'anyvf-apid ended at once: ' in err and str(site.port) in err, err


def test_what_is_not_installed_is_no_part_of_it(site):
    """As with the packages of the switch alone."""
    site.programs = site.dir / 'bin'
    site.programs.mkdir()
    for program in 'anyvf', 'anyvf-site':
        shutil.copy(DAEMONS / program, site.programs)
    assert 'anyvf-swd is not installed' in site.up()[2]
    shutil.copy(DAEMONS / 'anyvf-swd', site.programs)
    code, out, err = site.up()
    assert (code, err) == (0, '') and [line.split()[:2] for line in out.splitlines()][:5] == [
        ['anyvf-swd', 'started,'], ['p2p1', 'made'], ['p3p1', 'made'], ['anyvf-apid', 'not'], ['anyvf-agentd', 'not']], out + err
    assert {name: part['ready'] for name, part in site.status().items()} == {'anyvf-swd': True}
    token = base64.urlsafe_b64encode(json.dumps({'host': 'h', 'user': 'u', 'user_id': '0' * 32, 'password': 'p', 'api': ['http://127.0.0.1:1']}).encode())
    said = site.run('up', '--token', f'anyvf1.{token.decode().rstrip("=")}', '--config', str(site.conf))
    assert said[0] == 1 and 'anyvf-agentd is not installed' in said[2], said
    (site.dir / 'lab.json').write_text('{"anyvf": 1, "lab": {"api": true}}')
    assert 'anyvf-apid is not installed' in site.run('lab', str(site.dir / 'lab.json'), '--', 'true')[2]
    assert site.down()[1] == 'anyvf-swd     stopped\n'


def test_bad_configuration_is_refused_with_its_line(site):
    site.write_conf('[pf.p4p1]\nnumfvs = 3\n')
    code, out, err = site.up()
    lines = site.conf.read_text().splitlines()
    assert code == 1 and f'{site.conf}: line {lines.index("numfvs = 3") + 1}: ' in err and 'numfvs' in err
    assert not out
    site.write_conf('[pf.p4p1]\nuplink = dev nosuch0\n')
    code, out, err = site.up()
    assert code == 1 and 'nosuch0' in err and 'p4p1' in err
    assert site.run('up', '--config', '/nonexistent.conf')[0] == 1
    assert site.run('up', 'now')[0] == 255


def start_guest(site, name, title, disk):
    """A QEMU without an operating system, defined as the agent defines servers."""
    disk.parent.mkdir(parents=True, exist_ok=True)
    disk.write_bytes(b'\0' * 65536)
    os.chmod(disk, 0o666)
    xml = site.dir / 'domain.xml'
    xml.write_text(f"""<domain type='qemu'><name>{name}</name><title>{title}</title><memory unit='MiB'>32</memory>
        <os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features><devices>
        <disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{disk}'/><target dev='vda' bus='virtio'/></disk>
        <serial type='pty'/><console type='pty'/></devices></domain>""")
    site.inside('virsh', 'define', str(xml))
    site.inside('virsh', 'start', name)


def test_down_ends_the_sites_guests_and_no_others(site):
    assert site.up()[0] == 0
    start = site.status()
    os.kill(start['anyvf-agentd']['pid'], signal.SIGTERM)  # it would not suffer servers the API does not know
    wait_for(lambda: not site.status()['anyvf-agentd']['running'])
    ours, other = (f'anyvf-{uuid.uuid4()}' for _ in range(2))  # pgrep sees those of another run, too
    start_guest(site, ours, 'vm1', site.dir / 'state/agent/servers/x/disk')
    start_guest(site, other, 'vm1', site.dir / 'elsewhere/disk')
    assert set(site.guests()) == {ours, other}
    assert '2 servers are called vm1' in site.run('console', 'vm1', '--config', str(site.conf))[2]
    assert 'no running VM' in site.run('console', 'vm7', '--config', str(site.conf))[2]
    site.inside('virsh', 'desc', other, '--live', '--title', 'vm2')
    for name in 'vm1', 'vm2', ours, ours[6:]:
        assert 'Connected to domain' in site.console(name)
    assert site.down('--keep-guests')[0] == 0
    assert set(site.guests()) == {ours, other} and site.status()['libvirtd']['pid'] == start['libvirtd']['pid']
    code, out, err = site.down()
    assert code == 0 and 'guests        1 stopped' in out and 'libvirtd      stopped' in out, out + err
    running = run('pgrep', '-af', 'guest=anyvf-', check=False).stdout
    assert other in running and ours not in running


def test_a_pf_of_a_nic_has_its_daemon_and_one_that_is_not_here_is_said(site):
    assert 'anyvf-hwd' not in site.status()  # no PF needs it
    site.write_conf('[pf.nic9]\nkind = hw\nnumvfs = 2\n')
    code, out, err = site.up()
    assert code == 1 and f'{"anyvf-hwd":13} started' in out
    assert 'nic9' in err and 'PF nic9 of ' in err and ' was not made' in err, err
    told = site.status()['anyvf-hwd']
    assert told['ready'] and told['started_by_up']
    assert [pf['config']['name'] for pf in json.loads(site.run('-j', 'pf', 'show')[1])] == ['p2p1', 'p3p1']
    assert f'{"anyvf-hwd":13} stopped' in site.down()[1]


def test_host_conf_wins_where_a_switch_is_started(site):
    """And PFs that anyvf.conf alone has are made as ever; what runs stays as it is."""
    file = site.dir / 'host.conf'
    file.write_text(json.dumps({'anyvf': 1, 'pfs': {'p2p1': {'numvfs': 2, 'vfs': {'1': {'vlan': 5}}}}}))
    code, out, err = site.up()
    assert code == 0 and f'p2p1 is as {file} says, not [pf.p2p1] of {site.conf}' in err and f'as {file} says' in out, err + out

    def numbers():
        return {p['config']['name']: p['config']['numvfs'] for p in json.loads(site.run('-j', 'pf', 'show')[1])}

    assert numbers() == {'p2p1': 2, 'p3p1': 8}
    assert json.loads(site.run('-j', 'vf', 'show', 'p2p1', '1')[1])[0]['config']['vlan'] == 5
    assert site.run('pf', 'set', 'p2p1', 'numvfs', '3')[0] == 0
    code, out, err = site.up()
    assert (code, err) == (0, '') and numbers()['p2p1'] == 3
    site.down('--keep-guests')
    assert site.up()[0] == 0 and numbers() == {'p2p1': 2, 'p3p1': 8}
    site.down()
    file.write_text('{"anyvf": 2}')
    code, out, err = site.up()
    assert code == 1 and str(file) in err
