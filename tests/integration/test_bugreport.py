# SPDX-License-Identifier: Apache-2.0
"""`anyvf bugreport`: what is in it, that no secret is, and that nothing keeps it from being made."""
import base64
import io
import json
import os
import re
import signal
import socket
import stat
import tarfile
import threading

import pytest
from conftest import DAEMONS, Swd, run

SECRET = 'tHeSeCrEtItSeLf'


class Site:
    """A switch with a configuration, state and logs of its own around it."""

    def __init__(self, swd, top):
        self.swd, self.top, self.conf = swd, top, top / 'etc/anyvf.conf'
        for name in 'etc', 'state/agent/servers/1', 'state/api', 'log':
            (top / name).mkdir(parents=True)
        self.conf.write_text(f'[host]\nstate_dir = {top}/state\nlog_dir = {top}/log\n')
        (top / 'state/swd.json').write_text(swd.state.read_text())

    def ask(self, *words, check=True, **kw):
        return self.swd.cli('bugreport', *words, '--config', self.conf, check=check, **kw)

    def parts(self, *words):
        """{name: text}"""
        at = self.top / 'report.tar'
        at.unlink(missing_ok=True)
        self.ask(at, *words)
        return self.read(at.read_bytes())

    @staticmethod
    def read(data):
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            assert all(m.isreg() and m.mode == 0o600 and m.name.startswith('anyvf-bugreport/') for m in tar)
            return {m.name.split('/', 1)[1]: tar.extractfile(m).read().decode(errors='replace') for m in tar}


@pytest.fixture(scope='module')
def switch(tmp_path_factory):
    swd = Swd(tmp_path_factory.mktemp('swd')).start()
    swd.call('pf.add', name='p2p1', numvfs=3)
    swd.call('vf.attach', pf='p2p1', vf=0, kind='vhost')
    swd.call('pf.set', pf='p2p1', vfs=[{'vf': 1, 'set': {'vlan': 77}}])
    swd.call('mirror.add', name='m1', from_pf='p2p1', from_vf=0, to_pf='p2p1', to_vf=2)
    yield swd
    swd.stop()


@pytest.fixture
def site(switch, tmp_path):
    return Site(switch, tmp_path)


def test_it_has_what_the_commands_say(site, switch):
    (site.top / 'log/anyvf-swd.log').write_text('the first line\n' + 'x' * 99 + '\n')
    got = site.parts()
    pf = json.loads(got['swd/pf-p2p1.json'])
    assert [vf['config']['vlan'] for vf in pf['vfs']] == [0, 77, 0]
    assert [len(d['drops']) > 10 for d in json.loads(got['swd/pf-p2p1-drops.json'])] == [True] * 3
    assert [m['name'] for m in json.loads(got['swd/mirror.list.json'])] == ['m1']
    assert json.loads(got['swd/daemon.info.json'])['version'] and json.loads(got['swd/host.get.json'])['pfs']['p2p1']
    assert 'anyvf_vf_info{pf="p2p1",vf="2"' in got['metrics']
    assert got['state/swd.json'] == switch.state.read_text()
    assert got['config/anyvf.conf'] == site.conf.read_text()
    assert got['logs/anyvf-swd.log'].startswith('the first line\n')
    assert got['versions/kernel'].split()[2] == os.uname().release
    assert 'anyvf-swd --run-dir' in got['host/processes']
    readme = got['README']
    assert f'{len(got) - 1} parts' in readme
    missing = {line.split(':')[0] for line in readme.split('Not here')[1].splitlines()[1:]}
    assert os.path.exists('/run/systemd/system') or 'units/journal: systemd does not run here\n' in readme
    assert {'config/host.conf', 'hwd/*.json', 'logs/anyvf-apid.log'} <= missing and not missing & got.keys()


def test_a_long_log_is_its_end(site):
    (site.top / 'log/anyvf-swd.log').write_text('first\n' + 'a line of it\n' * 500000 + 'last\n')
    log = site.parts()['logs/anyvf-swd.log']
    assert 3 << 20 < len(log) <= 4 << 20 and log.startswith('a line of it\n') and log.endswith('\nlast\n')


def test_no_secret_is_in_it(site):
    """Each in its place, as the programs write them or as people do."""
    top = site.top
    with open(site.conf, 'a', encoding='utf-8') as conf:
        conf.write(f'[api]\nstore = etcd:https://root:{SECRET}@h1:2379\n# password = {SECRET}\n')
    (top / 'etc/host.conf').write_text(f'{{"anyvf": 1, "token": "{SECRET}"}}')
    (top / 'etc/agent.json').write_text(f'{{"username": "agent", "password": "{SECRET}"}}')
    (top / 'etc/openrc').write_text(f'export OS_PASSWORD={SECRET}\n')
    (top / 'etc/store.keys').write_text(f'k1 {SECRET}\n')
    (top / 'etc/tls.key').write_text(f'-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n')
    (top / 'state/api/api.db').write_text(SECRET)
    (top / 'state/agent/api.json').write_text(f'{{"url": "http://u:{SECRET}@h1:5000"}}')
    (top / 'state/agent/servers/1/user-data').write_text(f'#cloud-config\npassword: {SECRET}\n')
    (top / 'state/hwd.json').write_text(f'{{"user_data": {{"a": "{SECRET}"}}}}\n')
    joined = 'anyvf1.' + base64.urlsafe_b64encode(json.dumps({'password': SECRET, 'api': 'http://h1:5000'}).encode()).decode()
    (top / 'log/anyvf-apid.log').write_text(f'X-Auth-Token: {SECRET}\nlogin password={SECRET} user=bob\nAuthorization: Bearer {SECRET}\n'
                                            f'{{"auth": {{"password": {{"user": {{"password": "{SECRET}"}}}}}}}}\njoined by {joined} of h1\n'
                                            f'-----BEGIN EC PRIVATE KEY-----\n{SECRET}\n-----END EC PRIVATE KEY-----\n')
    (top / 'log/anyvf-agentd.log').write_text(f"user_data: |\n  {SECRET}\n<graphics passwd='{SECRET}'/>\n")
    at = top / 'report.tar'
    site.ask(at)
    data = at.read_bytes()
    assert SECRET.encode() not in data and base64.b64encode(SECRET.encode())[:-4] not in data and joined.encode()[20:] not in data
    got = site.read(data)
    assert ' user-data\n' in got['host/files']  # its name alone
    assert 'user=bob' in got['logs/anyvf-apid.log'] and ' of h1\n' in got['logs/anyvf-apid.log']
    assert json.loads(got['config/host.conf']) == {'anyvf': 1, 'token': '[taken out]'}
    assert '@h1:2379' in got['config/anyvf.conf'] and '@h1:5000' in got['state/agent-api.json']
    assert int(re.search(r'in (\d+) places', got['README'])[1]) >= 13, got['README']


def test_it_is_new_and_for_its_owner_alone(site, tmp_path):
    at = tmp_path / 'r.tar'
    os.umask(0)
    try:
        site.ask(at)
    finally:
        os.umask(0o022)
    assert stat.S_IMODE(at.stat().st_mode) == 0o600
    assert run('tar', 'tf', at).stdout.splitlines()[0] == 'anyvf-bugreport/README'
    before = at.read_bytes()
    done = site.ask(at, check=False)
    assert (done.returncode, done.stderr) == (1, f'Error: {at} is there already.\n') and at.read_bytes() == before
    assert not [p for p in tmp_path.iterdir() if p.name.startswith('r.tar.')]


def test_it_has_a_name_without_one(site, tmp_path):
    (tmp_path / 'here').mkdir()
    said = site.ask(cwd=tmp_path / 'here').stdout
    made, = (tmp_path / 'here').iterdir()
    assert said.startswith(f'{made.name}: ') and made.name.startswith('anyvf-bugreport-20')


def test_a_full_disk_is_said_and_nothing_is_left(site):
    disk = site.top / 'disk'
    disk.mkdir()
    run('mount', '-t', 'tmpfs', '-o', 'size=32k', 'none', disk)
    try:
        done = site.ask(disk / 'r.tar', check=False)
        assert (done.returncode, done.stderr) == (1, f'Error: {disk}/r.tar: No space left on device.\n')
        assert not list(disk.iterdir())
    finally:
        run('umount', '-l', disk)


def test_a_switch_that_hangs_is_told(site, switch):
    os.kill(switch.child(), signal.SIGSTOP)
    try:
        got = site.parts()
    finally:
        os.kill(switch.child(), signal.SIGCONT)
    assert 'swd/daemon.info.json: the daemon does not answer\nswd/*.json: ' in got['README']
    assert not [name for name in got if name.startswith('swd/')] and got['state/swd.json'] and got['versions/kernel']


def test_a_command_that_fails_or_hangs_is_told(site, tmp_path, monkeypatch):
    """What it said until then is there all the same."""
    (tmp_path / 'bin').mkdir()
    for name, does in ('virsh', 'echo half of it; exit 3'), ('qemu-system-x86_64', 'echo its beginning; exec sleep 1000'):
        (tmp_path / 'bin' / name).write_text(f'#!/bin/sh\n{does}\n')
        (tmp_path / 'bin' / name).chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}/bin:{os.environ["PATH"]}')
    got = site.parts()
    assert (got['versions/libvirt'], got['versions/qemu']) == ('half of it\n', 'its beginning\n')
    assert '\nversions/qemu: qemu-system-x86_64 took longer than ' in got['README'] and 'versions/libvirt:' not in got['README']


def test_what_a_switch_says_leads_nowhere(site, tmp_path, monkeypatch):
    """One that a guest has broken out into: its PFs' names are no paths, and its words no files of others."""
    (tmp_path / 'run').mkdir()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / 'run/swd-ro.sock'))
    listener.listen()

    def serve():
        conn, _ = listener.accept()
        with conn, conn.makefile('rw') as lines:
            for line in lines:
                asked = json.loads(line)
                got = {'pf.list': ['../../../a', '\n/etc/x', 7]}.get(asked['method'], {'vfs': 'none', 'token': SECRET})
                print(json.dumps({'jsonrpc': '2.0', 'id': asked['id'], 'result': got}), file=lines, flush=True)
    thread = threading.Thread(target=serve)
    thread.start()
    monkeypatch.setattr(site.swd, 'dir', tmp_path / 'run')
    got = site.parts()
    thread.join()
    listener.close()
    names = [name for name in got if name.startswith('swd/pf-')]
    assert {'swd/pf-.._.._.._a.json', 'swd/pf-.._.._.._a-drift.json'} <= {*names} and 'swd/pf-__etc_x.json' in names and all(name.count('/') == 1 for name in names)
    assert not [text for text in got.values() if SECRET in text]


def test_what_cannot_be_read_is_told(site):
    """A pipe in a log's place, a link out of a daemon's directory, a directory; and a configuration that is none."""
    os.mkfifo(site.top / 'log/anyvf-swd.log')
    (site.top / 'log/anyvf-apid.log').symlink_to('/etc/shadow')
    (site.top / 'etc/host.conf').mkdir()
    got = site.parts()
    for part, why in ('logs/anyvf-swd.log', 'is no file'), ('logs/anyvf-apid.log', 'Too many levels of symbolic links'), ('config/host.conf', 'is no file'):
        assert part not in got and any(line.startswith(part) and line.endswith(why) for line in got['README'].splitlines()), got['README']
    site.conf.write_text('[nonsense]\na = b\n')
    got = site.parts()
    assert 'nonsense' in got['README'] and got['config/anyvf.conf'] == '[nonsense]\na = b\n'


def test_who_may_ask_nothing_has_a_report_all_the_same(site, tmp_path):
    """Whoever: the daemons' sockets are not for him."""
    site.top.chmod(0o755)
    os.chmod(site.swd.dir, 0o755)
    mine = tmp_path / 'mine'
    mine.mkdir()
    os.chown(mine, 65534, 65534)
    for up in (*tmp_path.parents, tmp_path):
        if 'pytest' in str(up):
            up.chmod(0o755)
    done = run('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', DAEMONS / 'anyvf', 'bugreport', mine / 'r.tar',
               env={**os.environ, 'ANYVF_RUN_DIR': str(site.swd.dir)})
    got = site.read((mine / 'r.tar').read_bytes())
    assert done.returncode == 0 and 'swd/*.json: ' in got['README'] and 'Permission denied' in got['README'] and 'versions/kernel' in got


@pytest.mark.parametrize('words', [('a', 'b'), ('--config',), ('-x',)])
def test_words_that_it_has_not_are_refused(words, switch):
    assert switch.cli('bugreport', *words, check=False).returncode == 255
