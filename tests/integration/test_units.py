# SPDX-License-Identifier: Apache-2.0
"""The units: how exposed they are, that systemd takes each word of them, and that the daemons live in them."""
import pathlib
import pwd
import re
import shutil
import sys

import pytest
from conftest import BUILD, DAEMONS, PATIENCE, ROOT, need_root, run

sys.path.insert(0, str(ROOT / 'tests' / 'lab'))
from lab import booted, checked  # noqa: E402

LIMITS = {'apid': 1.5, 'swd': 3.4, 'hwd': 2.8, 'agentd': 4.0}  # a unit of the early boot is not asked about all it has
EXPOSED = {**LIMITS, 'host': 2.0, 'exporter': 1.5}  # and what applies /etc/anyvf/host.conf


def analyze(*words):
    if not shutil.which('systemd-analyze'):
        pytest.skip('there is no systemd-analyze')
    return run('systemd-analyze', *words, check=False)


@pytest.mark.parametrize('daemon', EXPOSED)
def test_a_unit_is_no_more_exposed_than_was_said(daemon):
    got = analyze('security', '--offline=true', '--no-pager', BUILD / f'packaging/anyvf-{daemon}.service')
    assert got.returncode == 0, got.stderr
    level, = re.findall(r'Overall exposure level for \S+: ([\d.]+)', got.stdout)
    assert float(level) <= EXPOSED[daemon], got.stdout
    assert 'nknown' not in got.stderr, got.stderr


@pytest.mark.parametrize('daemon', EXPOSED)
def test_systemd_knows_every_word_of_a_unit(daemon):
    """What it does not know it passes over: a limit with a slip in its name would be none."""
    got = analyze('verify', '--man=no', BUILD / f'packaging/anyvf-{daemon}.service')
    said = [line for line in got.stderr.splitlines() if f'anyvf-{daemon}.service' in line]
    assert [line for line in said if 'is not executable' not in line] == []


CHECK = """#!/bin/sh
# Says what became of the units, and of what they were asked for.
main() { systemctl show --value -p MainPID "anyvf-$1"; }
child() { cat "/proc/$1/task/$1/children"; }
for unit in swd hwd apid agentd host; do echo "$unit $(systemctl is-active anyvf-$unit)"; done
at() { systemctl show --value -p ActiveEnterTimestampMonotonic "$1"; }
[ "$(at anyvf-host.service)" -lt "$(at network-pre.target)" ] && [ "$(at network-pre.target)" -lt "$(at network.target)" ] && echo "before the network"
anyvf vf show early 1
anyvf pf del early
swd=$(main swd)
child=$(child $swd)
for pid in $(main apid) $(main hwd) $swd $child $(child $(main agentd)); do
	sed -n 's/^Uid:\\t\\([0-9]*\\).*/\\1/p; s/^CapEff:\\t//p; s/^Seccomp:\\t//p' /proc/$pid/status | tr '\\n' ' '
	echo
done
[ "$(readlink /proc/$(main agentd)/ns/mnt)" = "$(readlink /proc/1/ns/mnt)" ] && echo "root's process is outside"
[ "$(readlink /proc/$(child $(main agentd))/ns/mnt)" = "$(readlink /proc/1/ns/mnt)" ] || echo "the agent is inside"
ip netns add later
anyvf pf add p2p1 numvfs 3 && anyvf vf attach p2p1 0 tap t0 netns later && anyvf vf attach p2p1 1 vhost
ip -n later link show t0 && ls -l /run/anyvf/vhost
unshare -n sleep 600 &
until [ "$(readlink /proc/$!/ns/net)" != "$(readlink /proc/1/ns/net)" ]; do sleep 0.2; done
anyvf vf attach p2p1 2 tap t2 netns $!
anyvf mirror add a from pf p2p1 to file /var/log/anyvf/mirrors/a >/dev/null && [ -f /var/log/anyvf/mirrors/a ] && echo file a
kill -9 $child
until anyvf vf show p2p1 0 >/dev/null || [ $((k += 1)) = 60 ]; do sleep 0.2; done
anyvf vf show p2p1 0 >/dev/null && echo "back"
systemctl kill -s KILL anyvf-swd
until [ "$(main swd)" != "$swd" ] && [ "$(systemctl is-active anyvf-swd)" = active ] || [ $((n += 1)) = 60 ]; do sleep 0.2; done
anyvf vf show p2p1 0 && echo "up again"
anyvf vf show p2p1 2
ls -l /var/lib/anyvf/swd.json
anyvf export | sed 's/"numvfs": 3/"numvfs": 4/' > /tmp/host.json
anyvf apply /tmp/host.json && anyvf diff /tmp/host.json && ls -ld /var/lib/anyvf/apply && echo applied
echo END
"""


def files_of(top):
    """What lies over this machine's root: units as they are installed, programs, two files."""
    units, sbin, bindir = top / 'etc/systemd/system', top / 'usr/local/sbin', top / 'usr/local/bin'
    for path in units, sbin, bindir, top / 'etc/anyvf', top / 'usr/lib/tmpfiles.d':
        path.mkdir(parents=True)
    (top / 'etc/anyvf/host.conf').write_text('{"anyvf": 1, "pfs": {"early": {"numvfs": 2, "vfs": {"1": {"vlan": 77}}}}}\n')
    for unit in EXPOSED:
        shutil.copy(BUILD / f'packaging/anyvf-{unit}.service', units)
    for daemon in LIMITS:
        shutil.copy(DAEMONS / f'anyvf-{daemon}', sbin)
    shutil.copy(DAEMONS / 'anyvf', bindir)
    shutil.copy(ROOT / 'packaging/tmpfiles.conf', top / 'usr/lib/tmpfiles.d/anyvf.conf')
    (top / 'etc/anyvf/anyvf.conf').write_text('[host]\nname = h1\n[sriov]\nphysical_device_mappings = physnet1:p2p1\n')


def test_the_daemons_live_in_their_units(tmp_path):
    """Under systemd, with this machine's files."""
    need_root()
    files_of(tmp_path / 'top')
    files = checked(tmp_path / 'top', CHECK, [*(f'anyvf-{unit}.service' for unit in (*LIMITS, 'host')), 'network.target'])
    try:
        said = '\n'.join(booted(files, tmp_path, 60 * PATIENCE))
    except OSError as why:
        pytest.skip(f'no systemd: {why}')
    console = (tmp_path / 'console').read_text(errors='replace')
    uid = {name: str(pwd.getpwnam(name).pw_uid) for name in ('anyvf', 'anyvf-swd', 'anyvf-api', 'anyvf-agent')}
    nothing = '0' * 16 + ' 2'
    for line in ('swd active', 'hwd active', 'apid active', 'agentd active', 'host active', 'before the network', r'    set: vlan 77; .*', f'{uid["anyvf-api"]} {nothing}', f'{uid["anyvf-swd"]} 00000000002831e0 2',
                 f'{uid["anyvf"]} {nothing}', r'0 0000000000201003 2', f'{uid["anyvf-agent"]} {nothing}', "root's process is outside", 'the agent is inside',
                 r'.* anyvf-swd libvirt-qemu .* p2p1-1', r'\d+: t0: <.*', 'file a', 'back', 'up again', r'p2p1 vf 2: tap t2 netns \d+, there.*', r'.* anyvf-swd anyvf-swd .*/swd.json', r'drwxrwxr-x .* anyvf-swd anyvf-swd .*/apply', 'applied', 'END'):
        assert re.search(f'^{line} *$', said, re.M), line + '\n' + said + console[-6000:]


ASK = '''#!/usr/bin/python3
# Asks anew, without a pause, until told to stop; says how often there was no answer.
import http.client, os, socket, sys
def control(name):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f'/run/anyvf/{name}.sock')
        client.sendall(b'{"id": 1, "method": "daemon.info"}\\n')
        return client.recv(9)
def api(port):
    client = http.client.HTTPConnection('127.0.0.1', port)
    client.request('GET', '/identity/v3')
    return client.getresponse().status == 200
answered, failed = 0, []
while not os.path.exists('/tmp/stop'):
    try:
        if not (api(int(sys.argv[1])) if sys.argv[1].isdigit() else control(sys.argv[1])):
            raise EOFError
        answered += 1
    except (OSError, EOFError, http.client.HTTPException) as why:
        failed.append(repr(why))
    open(f'/tmp/going-{sys.argv[1]}', 'w').close()
print(sys.argv[1], 'always' if answered and not failed else (answered, failed[:3]))
'''
RESTARTS = """#!/bin/bash
stored() { for unit in swd hwd apid; do echo "$1 $unit $(systemctl show --value -p NFileDescriptorStore anyvf-$unit)"; done; }
all_are() { for unit in swd hwd apid; do [ "$(systemctl is-active anyvf-$unit)" = "$1" ] || return 1; done; }
anyvf pf add p2p1 numvfs 2
ip netns add n1
anyvf vf attach p2p1 1 tap t1 netns n1
ip -n n1 link set t1 up
carrier() { echo "$1 changed $(ip netns exec n1 cat /sys/class/net/t1/carrier_changes)" and is "$(ip netns exec n1 cat /sys/class/net/t1/carrier)"; }
stored first
carrier first
for who in swd swd-ro hwd hwd-ro 5000; do ask $who & done
for who in swd swd-ro hwd hwd-ro 5000; do until [ -e /tmp/going-$who ]; do sleep 0.05; done; done
for n in 1 2 3; do systemctl restart anyvf-swd anyvf-hwd anyvf-apid; done
sleep 0.3
touch /tmp/stop
wait
systemctl reset-failed # of so many starts none is too early
for unit in swd hwd apid; do kill -9 "$(systemctl show --value -p MainPID anyvf-$unit)"; done
sleep 0.3
until all_are active; do sleep 0.1; done
stored then
carrier then
ls /run/anyvf/*.sock | sed 's/^/there /'
systemctl stop anyvf-swd anyvf-hwd anyvf-apid
ls /run/anyvf/*.sock 2>&1 | sed 's/^/left /'
stored stopped
systemctl reset-failed
systemctl start anyvf-swd anyvf-hwd anyvf-apid
stored again
until [ "$(ip netns exec n1 cat /sys/class/net/t1/carrier)" = 1 ]; do sleep 0.1; done
carrier again
sed -i '/^FileDescriptorStoreMax/d; /^Environment=FDSTORE/d; /^ExecStopPost/d' /etc/systemd/system/anyvf-*.service
systemctl daemon-reload
systemctl restart anyvf-swd anyvf-hwd anyvf-apid && stored without
anyvf vf show p2p1 1 | grep 'tap t1.* there' && echo "served without"
echo END
"""


def test_nobody_is_refused_while_a_unit_is_restarted(tmp_path):
    """By systemd's own store, and no tap loses its carrier. After a stop it is empty, and no socket is left; with units that have none all is as it was before there was one."""
    need_root()
    files_of(tmp_path / 'top')
    (tmp_path / 'top/usr/local/bin/ask').write_text(ASK)
    (tmp_path / 'top/usr/local/bin/ask').chmod(0o755)
    files = checked(tmp_path / 'top', RESTARTS, [f'anyvf-{unit}.service' for unit in ('swd', 'hwd', 'apid')])
    try:
        said = '\n'.join(booted(files, tmp_path, 60 * PATIENCE))
    except OSError as why:
        pytest.skip(f'no systemd: {why}')
    for line in (*(f'{who} always' for who in ('swd', 'swd-ro', 'hwd', 'hwd-ro', '5000')),
                 *(f'{when} {unit} {n if when != "stopped" and when != "without" else 0}' for when in ('first', 'then', 'stopped', 'again', 'without')
                   for unit, n in (('swd', 3), ('hwd', 2), ('apid', 1))),
                 'first changed 0 and is 1', 'then changed 0 and is 1', 'again changed 2 and is 1',
                 *(f'there /run/anyvf/{name}.sock' for name in ('swd', 'swd-ro', 'hwd', 'hwd-ro')), 'left ls: .*', 'served without', 'END'):
        assert re.search(f'^{line} *$', said, re.M), line + '\n' + said + (tmp_path / 'console').read_text(errors='replace')[-6000:]
    assert 'left /run' not in said


HANGS = """#!/bin/bash
main() { systemctl show --value -p MainPID "anyvf-$1"; }
child() { cat "/proc/$1/task/$1/children"; }
is() { [ "$(systemctl show --value -p NRestarts anyvf-$1) $(systemctl is-active anyvf-$1)" = "$2 active" ]; }
tell() { for unit in swd hwd apid agentd exporter; do echo "$1 $unit $(systemctl show --value -p NRestarts anyvf-$unit) $(systemctl is-active anyvf-$unit)"; done; }
agent=$(child $(main agentd))
kill -STOP $(main hwd) $(main apid) $agent $(main exporter)
for unit in hwd apid agentd exporter; do until is $unit 1 || [ $((n += 1)) = 600 ]; do sleep 0.2; done; done
tell hung
sleep 20
tell later
for pid in $agent; do [ -e /proc/$pid ] && echo "left $pid"; done
journalctl -o cat | grep 'Watchdog timeout' | sort -u
echo END
"""


def test_a_daemon_that_hangs_is_started_again_and_one_that_does_not_is_not(tmp_path):
    """By their own WatchdogSec=, though one shorter than what they may be busy for; each tells in four parts of it."""
    need_root()
    files_of(tmp_path / 'top')
    shutil.copy(DAEMONS / 'anyvf-exporter', tmp_path / 'top/usr/local/sbin')
    for unit in (tmp_path / 'top/etc/systemd/system').iterdir():
        text, n = re.subn(r'^WatchdogSec=\d+$', 'WatchdogSec=15', unit.read_text(), flags=re.M)
        assert n == (unit.name != 'anyvf-host.service'), unit
        unit.write_text(text)
    files = checked(tmp_path / 'top', HANGS, [f'anyvf-{unit}.service' for unit in ('swd', 'hwd', 'apid', 'agentd', 'exporter')])
    try:
        said = '\n'.join(booted(files, tmp_path, 60 * PATIENCE))
    except OSError as why:
        pytest.skip(f'no systemd: {why}')
    for line in (*(f'{when} {unit} {int(unit != "swd")} active' for when in ('hung', 'later') for unit in ('swd', 'hwd', 'apid', 'agentd', 'exporter')),
                 *(f'anyvf-{unit}.service: Watchdog timeout .*' for unit in ('hwd', 'apid', 'agentd', 'exporter')), 'END'):
        assert re.search(f'^{line} *$', said, re.M), line + '\n' + said + (tmp_path / 'console').read_text(errors='replace')[-6000:]
    assert 'left ' not in said, said


def test_a_container_ends_with_who_looks_at_it(tmp_path):
    """A tool of the tests: no process, mount or cgroup outlives it, whatever it does just then."""
    need_root()
    said = booted(checked(tmp_path / 'top', '#!/bin/sh\nsleep 86399 &\necho up\nwait\n'), tmp_path, 60 * PATIENCE)
    try:
        assert next(said) == 'up'
    except OSError as why:
        pytest.skip(f'no systemd: {why}')
    said.close()
    assert run('pgrep', '-fx', 'sleep 86399', check=False).stdout == ''
    assert not (tmp_path / 'machine').exists() and str(tmp_path) not in pathlib.Path('/proc/mounts').read_text()
    assert 'is left' not in (tmp_path / 'console').read_text()
