# SPDX-License-Identifier: Apache-2.0
"""The switch's two processes on a real host: what the one that maps guests' memory can do, and what the other grants it."""
import contextlib
import os
import pwd
import signal
import socket
import stat
import subprocess

import pytest
from conftest import DAEMONS, PATIENCE, CtlError, need_root, run, unique, wait_for

PF = dict(name='p2p1', numvfs=4)
QEMU = 'libvirt-qemu'


@pytest.fixture
def root_swd(swd_maker):
    """A running switch that root started, on default settings."""
    need_root()
    return swd_maker().start()


def status(pid):
    lines = open(f'/proc/{pid}/status').read().splitlines()
    return {key: value.split() for key, _, value in (line.partition(':') for line in lines)}


def as_child(swd, command):
    """Run a shell command with the child's account, rights and view of the file system."""
    return run('nsenter', f'--mount=/proc/{swd.child()}/ns/mnt', 'setpriv', '--reuid=anyvf', '--regid=anyvf', '--clear-groups',
               '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs', 'sh', '-c', command, check=False)


def as_user(name, *argv):
    return run('setpriv', f'--reuid={name}', f'--regid={pwd.getpwnam(name).pw_gid}', '--init-groups', *argv, check=False)


def with_conf(swd, text):
    (swd.dir / 'anyvf.conf').write_text(text)
    swd.options = '--config', swd.dir / 'anyvf.conf'
    return swd


def test_the_process_with_guests_memory_has_no_privileges(root_swd):
    child, uid = status(root_swd.child()), str(pwd.getpwnam('anyvf').pw_uid)
    assert child['Uid'] == [uid] * 4 and child['Gid'] == [str(pwd.getpwnam('anyvf').pw_gid)] * 4
    assert {child[f'Cap{kind}'][0] for kind in ('Inh', 'Prm', 'Eff', 'Bnd', 'Amb')} == {'0' * 16}
    locked = '0' if b'__asan_init' in root_swd.program.read_bytes() else '2'  # a leak check makes calls of its own
    assert child['NoNewPrivs'] == ['1'] and child['Seccomp'] == [locked]
    for task in os.listdir(f'/proc/{root_swd.child()}/task'):  # DPDK's threads, too
        assert status(task)['Seccomp'] == [locked] and status(task)['CapEff'] == ['0' * 16]
    assert os.readlink(f'/proc/{root_swd.child()}/ns/mnt') != os.readlink('/proc/self/ns/mnt')
    assert 'not read-only' not in root_swd.log.read_text() and 'stays writable' not in root_swd.log.read_text()


def test_as_that_process_nothing_of_the_host_can_be_read_or_changed(root_swd):
    swd = root_swd
    for command in ('cat /etc/shadow', 'echo >> /etc/shadow', 'echo > /etc/cron.d/anyvf-test', 'echo > /tmp/anyvf-test', 'echo > /dev/shm/anyvf-test',
                    f'kill -0 {os.getpid()}', f'kill -0 {swd.proc.pid}', f'ls /proc/{os.getpid()}', 'mount -o remount,rw /', 'ip link add dummy9 type dummy',
                    f'cat {swd.state}', f'rm {swd.sock}', f'echo > {swd.dir}/x', f'rm -r {swd.dir}/vhost', f'mv {swd.dir}/rings {swd.dir}/other',
                    'mkdir /etc/anyvf-test', 'echo > /proc/sysrq-trigger'):
        done = as_child(swd, command)
        assert done.returncode, f'{command}: {done.stdout}'
    done = as_child(swd, f'cd {swd.dir}/rings && echo > x && rm x')
    assert done.returncode == 0, done.stderr


def test_without_the_account_root_starts_no_switch(swd_maker):
    need_root()
    for user, says in ('no-such-account', 'useradd --system'), ('root', 'root by another name'):
        swd = with_conf(swd_maker(), f'[switch]\nuser = {user}\n')
        done = run(swd.program, '--run-dir', swd.dir, '--state', swd.state, *swd.options, check=False)
        assert done.returncode == 1 and says in done.stderr


def test_privileged_is_said_loudly(swd_maker):
    need_root()
    swd = swd_maker('--privileged').start()
    assert status(swd.child())['Uid'] == ['0'] * 4
    assert "guests' memory is mapped by root" in swd.log.read_text()


def test_who_asks_while_the_child_is_away_waits(root_swd):
    root_swd.call('pf.add', **PF)
    for _ in range(3):
        os.kill(root_swd.child(), signal.SIGKILL)
        assert root_swd.call('pf.list') == ['p2p1']


def test_a_users_tap_is_refused_and_stays_and_a_lent_one_stays_as_well(swd_maker):
    need_root()
    mine, lent = unique('t'), unique('t')
    swd = with_conf(swd_maker(), f'[switch]\nadopt_taps = {lent}\n').start()
    swd.call('pf.add', **PF)
    try:
        for name in mine, lent:
            run('ip', 'tuntap', 'add', 'dev', name, 'mode', 'tap')
        run('ip', 'addr', 'add', '10.219.3.1/24', 'dev', mine)
        with pytest.raises(CtlError, match='adopt_taps'):
            swd.call('vf.attach', pf='p2p1', vf=0, kind='tap', tap=mine)
        with pytest.raises(CtlError, match='adopt_taps'):  # neither by another way
            swd.call('svc.add', pf='p2p1', name=mine)
        swd.call('vf.attach', pf='p2p1', vf=0, kind='tap', tap=lent)
        swd.call('vf.detach', pf='p2p1', vf=0)
        swd.call('vf.attach', pf='p2p1', vf=0, kind='tap', tap=lent)
        swd.stop(signal.SIGINT)
        assert '10.219.3.1' in run('ip', '-br', 'addr', 'show', mine).stdout
        run('ip', 'link', 'show', lent)
    finally:
        for name in mine, lent:
            run('ip', 'link', 'del', name, check=False)


def test_both_processes_killed_leave_taps_that_are_known_again(root_swd):
    root_swd.call('pf.add', **PF)
    tap = root_swd.attach_tap('p2p1', 0)
    child = root_swd.child()
    root_swd.proc.kill()
    root_swd.proc.wait()
    wait_for(lambda: not os.path.exists(f'/proc/{child}'), what='the end of the child')
    root_swd.start()
    assert root_swd.vf('p2p1', 0)['status']['connected']
    root_swd.call('vf.detach', pf='p2p1', vf=0)
    assert run('ip', 'link', 'show', tap, check=False).returncode


def test_uplinks_and_taps_are_those_of_the_configuration(swd_maker, netns):
    swd, ns = swd_maker(), netns()
    ns.run('ip', 'link', 'add', 'eth8', 'type', 'veth', 'peer', 'name', 'eth9')
    with_conf(swd, '[switch]\nuplinks = eth8\ntaps = ok*\n')
    with ns.inside():
        swd.start()
    swd.call('pf.add', **PF, uplink='dev', uplink_arg='eth8')
    with pytest.raises(CtlError, match='eth9 is not among uplinks in .switch.'):
        swd.call('pf.add', name='p2p2', uplink='dev', uplink_arg='eth9')
    with pytest.raises(CtlError, match='not among taps in .switch.'):
        swd.call('vf.attach', pf='p2p1', vf=0, kind='tap', tap='no1')
    swd.call('vf.attach', pf='p2p1', vf=0, kind='tap', tap='ok1')
    with pytest.raises(CtlError, match='not among taps'):
        swd.call('mirror.add', name='m', from_pf='p2p1', from_vf=0, dir='both', to='tap', tap='no2')


def mirror(swd, path):
    swd.call('mirror.add', name='m', to='file', file=str(path), **{'from': 'vf', 'from_pf': 'p2p1', 'from_vf': 0})
    swd.call('mirror.del', name='m')


def test_mirrors_write_in_their_directories_by_no_link_and_over_nothing(swd_maker, tmp_path):
    need_root()
    caps, other = tmp_path / 'caps', tmp_path / 'other'
    swd = with_conf(swd_maker(), f'[switch]\nmirror_dirs = {caps}\n').start()
    swd.call('pf.add', **PF)
    mirror(swd, caps / 'a')  # the directory is made
    assert (caps / 'a').stat().st_uid == 0 and stat.S_IMODE((caps / 'a').stat().st_mode) == 0o640
    other.mkdir()
    (other / 'victim').write_bytes(b'')
    (caps / 'dir').symlink_to(other)
    (caps / 'link').symlink_to(other / 'victim')
    os.link(other / 'victim', caps / 'twice')
    (caps / 'theirs').write_bytes(b'')
    os.chown(caps / 'theirs', 65534, 65534)
    (caps / 'text').write_text('hello')
    os.mkfifo(caps / 'fifo')
    for path, says in ((other / 'b', 'mirror_dirs'), (caps / 'dir' / 'b', 'dir/b'), (caps / 'link', 'link'), (caps / 'twice', "not the switch's"),
                       (caps / 'theirs', "not the switch's"), (caps / 'text', 'no pcapng'), (caps / 'fifo', 'no regular file'),
                       (caps, 'mirror_dirs'), (f'{caps}/../other/b', 'plain'), ('/etc/cron.d/anyvf', 'mirror_dirs')):
        with pytest.raises(CtlError, match=says):
            mirror(swd, path)
    assert os.listdir(other) == ['victim'] and not (other / 'victim').stat().st_size
    mirror(swd, caps / 'a')


def test_a_qemu_can_use_its_socket_and_not_take_anothers_place(root_swd):
    swd = root_swd
    swd.dir.chmod(0o755)
    swd.call('pf.add', **PF)
    path = swd.call('vf.attach', pf='p2p1', vf=0, kind='vhost')['socket']
    assert path == f'{swd.dir}/vhost/p2p1-0/sock'
    for place in os.path.dirname(path), swd.dir / 'vhost':
        at = os.stat(place)
        assert at.st_uid == 0 and not at.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    connect = f'import socket; socket.socket(socket.AF_UNIX).connect({path!r})'
    assert as_user(QEMU, '/usr/bin/python3', '-c', connect).returncode == 0
    assert as_user('nobody', '/usr/bin/python3', '-c', connect).returncode
    for argv in ('rm', '-f', path), ('mv', path, path + '2'), ('rm', '-rf', os.path.dirname(path)), ('touch', f'{swd.dir}/vhost/p2p1-1'):
        assert as_user(QEMU, *argv).returncode
    assert stat.S_ISSOCK(os.stat(path).st_mode)
    swd.call('vf.detach', pf='p2p1', vf=0)
    wait_for(lambda: os.listdir(swd.dir / 'vhost') == [], what='the end of the directory')


def test_a_stranger_that_gets_at_a_socket_is_turned_away(root_swd):
    swd = root_swd
    swd.dir.chmod(0o755)
    swd.call('pf.add', **PF)
    path = swd.dir / 'open.sock'
    swd.call('vf.attach', pf='p2p1', vf=0, kind='vhost', socket=str(path), client=False)
    path.chmod(0o666)
    end = as_user('nobody', '/usr/bin/python3', '-c', f'import socket; s = socket.socket(socket.AF_UNIX); s.connect({str(path)!r}); print(s.recv(1))')
    assert end.stdout == "b''\n" or 'ConnectionReset' in end.stderr
    assert 'turned away' in swd.log.read_text() and 'uid 65534' in swd.log.read_text()
    swd.call('vf.detach', pf='p2p1', vf=0)
    # and one that serves a socket gets no front end's words
    code = f'import socket; s = socket.socket(socket.AF_UNIX); s.bind("sock"); s.listen(); s.settimeout(3); print("up", flush=True); s.accept()[0].recv(1) or print("left")'
    box = swd.dir / 'box'
    box.mkdir()
    os.chown(box, 65534, 65534)
    with subprocess.Popen(['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups', '/usr/bin/python3', '-c', code], cwd=box,
                          stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout.readline() == 'up\n'
        swd.call('vf.attach', pf='p2p1', vf=1, kind='vhost', socket=str(box / 'sock'), client=True)
        assert server.stdout.readline() == 'left\n'
    assert not swd.vf('p2p1', 1)['status']['connected']


def test_sockets_are_in_the_switchs_directories_or_those_of_the_configuration(swd_maker, tmp_path):
    need_root()
    swd = with_conf(swd_maker(), f'[switch]\nsocket_dirs = {tmp_path}/in\n').start()
    swd.call('pf.add', **PF)
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in/link').symlink_to(tmp_path)
    for path in tmp_path / 'out.sock', '/run/anyvf-test.sock', swd.sock, f'{tmp_path}/in/../out.sock', f'{tmp_path}/in/link/a.sock':
        for client in True, False:
            with pytest.raises(CtlError):
                swd.call('vf.attach', pf='p2p1', vf=0, kind='vhost', socket=str(path), client=client)
    swd.call('vf.attach', pf='p2p1', vf=0, kind='vhost', socket=f'{tmp_path}/in/a.sock', client=False)
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as front:
        front.connect(f'{tmp_path}/in/a.sock')


RIGHTS = 'sys_admin', 'net_admin', 'net_raw', 'setuid', 'setgid', 'setpcap', 'kill', 'sys_ptrace'


def as_parent(*argv, rights=RIGHTS):
    """The words that run a program as the unit does: its account, capabilities and view of /proc."""
    caps = ','.join(['-all', *(f'+{right}' for right in rights)])
    return ['unshare', '--mount', 'sh', '-c', 'mount -t proc -o hidepid=invisible,subset=pid proc /proc && exec "$@"', '-',
            'setpriv', '--reuid=anyvf-swd', '--regid=anyvf-swd', '--init-groups', f'--bounding-set={caps}', f'--inh-caps={caps}',
            f'--ambient-caps={caps}', '--no-new-privs', *argv]


def as_unit(swd):
    """A switch whose parent is an account: prepared, and to be started with .start()."""
    with_conf(swd, f'[host]\nlog_dir = {swd.dir}\n[switch]\nmirror_dirs = {swd.dir}/mirrors\n')
    run(swd.program, '--run-dir', swd.dir, '--state', swd.state, *swd.options, '--prepare')
    start = swd.dir / 'start'
    start.write_text('#!/bin/sh\nexec ' + ' '.join(f"'{word}'" for word in as_parent(str(swd.program))) + ' "$@"\n')
    start.chmod(0o755)
    swd.program = start
    return swd


def test_the_parent_can_be_an_account_with_eight_capabilities(swd_maker, netns, sleeper):
    need_root()
    ns, other = netns(), netns()
    other.run('ip', 'link', 'add', 'eth8', 'type', 'veth', 'peer', 'name', 'eth9')
    swd = swd_maker()
    swd.start()  # as root: what it leaves is to be handed over
    swd.call('pf.add', name='old')
    mirror_of_old = swd.dir / 'mirrors'
    swd.stop()
    with other.inside():
        as_unit(swd).start()
    assert swd.call('pf.list') == ['old']
    swd.call('pf.add', **PF, uplink='dev', uplink_arg='eth8')
    tap = swd.attach_tap('p2p1', 0, ns, addr='10.219.4.1/24')
    path = swd.call('vf.attach', pf='p2p1', vf=1, kind='vhost')['socket']
    mirror(swd, mirror_of_old / 'a')
    parent, child = status(swd.proc.pid), status(swd.child())
    assert parent['Uid'] == [str(pwd.getpwnam('anyvf-swd').pw_uid)] * 4 and parent['CapEff'] == parent['CapBnd'] == ['00000000002831e0']
    assert child['Uid'] == [str(pwd.getpwnam('anyvf').pw_uid)] * 4
    assert {child[f'Cap{kind}'][0] for kind in ('Inh', 'Prm', 'Eff', 'Bnd', 'Amb')} == {'0' * 16}
    for place in swd.dir, swd.state, swd.dir / 'vhost', os.path.dirname(path), mirror_of_old / 'a':
        assert pwd.getpwuid(os.stat(place).st_uid).pw_name == 'anyvf-swd', place
    connect = f'import socket; socket.socket(socket.AF_UNIX).connect({path!r})'
    assert as_user(QEMU, '/usr/bin/python3', '-c', connect).returncode == 0
    assert as_user('anyvf', 'touch', f'{swd.dir}/x').returncode, 'the child may write there'
    files = f'/proc/{swd.proc.pid}/fd'
    wait_for(lambda: [True for fd in os.listdir(files) if os.readlink(f'{files}/{fd}').endswith('/stat')], what='its look at the thread that beats')
    index = run('ip', '-n', ns.name, 'link', 'show', tap).stdout.split(':')[0]
    # a container of root's whose namespace has no name: by its process, and by moving a tap there
    swd.call('vf.attach', pf='p2p1', vf=2, kind='tap', tap='byproc', netns=str(sleeper.pid))
    swd.call('vf.attach', pf='p2p1', vf=3, kind='tap', tap='tomove')
    other.run('ip', 'link', 'set', 'tomove', 'netns', str(sleeper.pid), 'name', 'moved')
    inside = ['nsenter', '-t', str(sleeper.pid), '-n', 'ip', '-o', 'link']
    there = run(*inside).stdout
    assert 'byproc' in there and 'moved' in there
    old = swd.child()
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: swd.child() not in (old, swd.proc.pid), what='the next child')
    assert swd.vf('p2p1', 0)['status']['connected']
    assert run('ip', '-n', ns.name, 'link', 'show', tap).stdout.split(':')[0] == index
    swd.proc.kill()
    swd.proc.wait()
    with other.inside():
        swd.start()
    assert swd.vf('p2p1', 0)['status']['connected'] and sorted(swd.call('pf.list')) == ['old', 'p2p1']
    status_of = [swd.vf('p2p1', vf)['status'] for vf in (2, 3)]
    assert [(s['connected'], s['tap'], s['netns'].split(':')[0]) for s in status_of] == \
        [(True, 'byproc', str(sleeper.pid)), (True, 'moved', str(sleeper.pid))]
    assert [line.split(':')[0] for line in run(*inside).stdout.splitlines()] == [line.split(':')[0] for line in there.splitlines()]
    assert swd.stop(signal.SIGINT) == 0
    assert run('ip', '-n', ns.name, 'link', 'show', tap, check=False).returncode, 'taken along'


def test_a_parent_with_some_of_its_rights_is_refused_and_so_is_one_account_for_both(swd_maker):
    need_root()
    swd = as_unit(swd_maker())
    program = DAEMONS / 'anyvf-swd'
    argv = '--run-dir', swd.dir, '--state', swd.state, '--config', swd.dir / 'anyvf.conf'
    done = run(*as_parent(program, *argv, rights=[right for right in RIGHTS if right != 'setuid']), check=False)
    assert done.returncode == 1 and 'without CAP_SETUID' in done.stderr
    (swd.dir / 'anyvf.conf').write_text('[switch]\nuser = anyvf-swd\n')
    done = run(*as_parent(program, *argv), check=False)
    assert done.returncode == 1 and "cannot be both processes'" in done.stderr


def test_the_service_manager_hears_of_a_switch_as_long_as_it_is_alive(swd_maker, tmp_path, monkeypatch):
    """By beats of the child: one that is stopped, which is no hang for its parent, is one for WatchdogSec=."""
    need_root()
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(str(tmp_path / 'notify'))
    monkeypatch.setenv('NOTIFY_SOCKET', str(tmp_path / 'notify'))
    monkeypatch.setenv('WATCHDOG_USEC', '30000000')
    swd = swd_maker().start()
    heard.settimeout(10 * PATIENCE)
    assert {heard.recv(100) for _ in range(2)} == {b'READY=1', b'WATCHDOG=1'}
    os.kill(swd.child(), signal.SIGSTOP)
    heard.settimeout(6)  # by then it would say it anew
    with pytest.raises(TimeoutError):
        for _ in range(4):  # what was on its way
            assert heard.recv(100) == b'WATCHDOG=1'
    os.kill(swd.child(), signal.SIGCONT)
