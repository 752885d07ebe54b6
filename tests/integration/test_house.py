# SPDX-License-Identifier: Apache-2.0
"""Whom the daemons run as, what is theirs, and what they can no longer do."""
import os
import pathlib
import pwd
import signal
import stat
import tempfile

import pytest
from apid import Apid, Cloud
from conftest import DAEMONS, need_root, run

CAPS = ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb')


def status(pid):
    """{word: value} of /proc/PID/status."""
    text = pathlib.Path(f'/proc/{pid}/status').read_text()
    return {line.split(':')[0]: line.split(':', 1)[1].strip() for line in text.splitlines()}


def owner(path):
    return pwd.getpwuid(path.lstat().st_uid).pw_name


def holds_nothing(pid, user):
    """Is the process the account's and nobody else's, without privileges, for good?"""
    have, entry = status(pid), pwd.getpwnam(user)
    assert have['Uid'].split() == [str(entry.pw_uid)] * 4 and have['Gid'].split() == [str(entry.pw_gid)] * 4
    assert '0' not in have['Groups'].split()
    assert {word: int(have[word], 16) for word in CAPS} == dict.fromkeys(CAPS, 0)
    assert have['NoNewPrivs'] == '1'
    return True


def writable(pid):
    """The mounts a process could write to, kernel's own file systems left out."""
    rows = [row.split() for row in pathlib.Path(f'/proc/{pid}/mountinfo').read_text().splitlines()]
    return {row[4] for row in rows if 'ro' not in row[5].split(',')}


def test_the_api_holds_nothing_of_roots(tmp_path):
    need_root()
    apid = Apid(tmp_path).start()
    try:
        assert holds_nothing(apid.proc.pid, 'anyvf-api')
        # an empty one stands for each that is closed to it; its own /proc shows it no other account's
        closed = {str(p) for p in apid.state.parents if not p.stat().st_mode & stat.S_IXOTH}
        assert writable(apid.proc.pid) <= {str(apid.state), '/proc'} | closed
        rows = [row.split() for row in pathlib.Path(f'/proc/{apid.proc.pid}/mountinfo').read_text().splitlines()]
        assert {row[4] for row in rows if 'nosuid' not in row[5]} <= {str(apid.state)}
        assert not pathlib.Path(f'/proc/{apid.proc.pid}/task/{apid.proc.pid}/children').read_text(), 'its helper has gone'
        assert {p.name: owner(p) for p in tmp_path.iterdir() if p.name.endswith(('rc', '.json'))} == {
            'openrc': 'root', 'demo-openrc': 'root', 'agent.json': 'anyvf-agent'}
        assert {owner(p) for p in apid.state.rglob('*')} == {'anyvf-api'}
        assert {stat.S_IMODE(p.stat().st_mode) & 0o77 for p in apid.state.glob('api.db*')} == {0}
    finally:
        assert apid.stop() == 0


def test_the_api_without_its_account_is_refused_with_the_command_that_makes_it(tmp_path):
    need_root()
    conf = tmp_path / 'c'
    conf.write_text(f'[host]\nstate_dir = {tmp_path}\n[api]\nlisten = 127.0.0.1:1\nuser = nosuch\nopenrc = {tmp_path}/rc\n')
    got = run(DAEMONS / 'anyvf-apid', '--config', conf, check=False)
    assert got.returncode == 1 and 'useradd' in got.stderr and 'nosuch' in got.stderr
    assert not (tmp_path / 'rc').exists() and not list(tmp_path.glob('api/*'))
    conf.write_text(conf.read_text().replace('nosuch', 'root'))
    got = run(DAEMONS / 'anyvf-apid', '--config', conf, '--prepare', check=False)
    assert got.returncode == 0 and 'as root' in got.stderr, 'kept root, and said so'
    assert owner(tmp_path / 'api/api.db') == 'root'


@pytest.mark.parametrize('moved', [0, 2, 4])
def test_an_older_versions_files_move_once_whatever_was_moved_before(tmp_path, moved):
    """As after a crash in the middle: `moved` of the files are in the new place already."""
    need_root()
    cloud = Cloud(tmp_path)
    image = cloud.image()
    cloud.apid.stop(signal.SIGKILL)  # the log of the store is not folded in
    (tmp_path / 'api.db').unlink()
    names = ['images', 'upload', 'api.db-wal', 'api.db']
    for name in names[moved:]:
        (cloud.apid.state / name).rename(tmp_path / name)
    (cloud.apid.state / 'api.lock').rename(tmp_path / 'api.lock')
    run('chown', '-R', 'root:root', tmp_path)
    if not moved:
        cloud.apid.state.rmdir()
    cloud.apid.start()
    assert holds_nothing(cloud.apid.proc.pid, 'anyvf-api')
    assert {owner(p) for p in cloud.apid.state.rglob('*')} == {'anyvf-api'}
    assert not [name for name in (*names, 'api.lock') if (tmp_path / name).exists()]
    assert cloud.admin.call('GET', f"/image/v2/images/{image['id']}/file").content == b'kernel' * 100
    cloud.close()


def test_the_database_moves_after_all_that_belongs_to_it(tmp_path):
    """Its log cannot be moved, as it is mounted: then the database must not be, as it is nothing without."""
    need_root()
    cloud = Cloud(tmp_path)
    image = cloud.image()
    cloud.apid.stop(signal.SIGKILL)
    (tmp_path / 'api.db').unlink()
    for name in 'images', 'upload', 'api.db-wal', 'api.db', 'api.lock':
        (cloud.apid.state / name).rename(tmp_path / name)
    run('chown', '-R', 'root:root', tmp_path)
    got = run('unshare', '--mount', 'sh', '-c', 'mount --bind "$1" "$1" && shift && exec "$@"', '-', tmp_path / 'api.db-wal',
              DAEMONS / 'anyvf-apid', '--config', tmp_path / 'anyvf.conf', '--prepare', check=False)
    assert got.returncode == 1 and 'move' in got.stderr and 'api.db-wal' in got.stderr
    assert (tmp_path / 'api.db').exists() and not (cloud.apid.state / 'api.db').exists()
    cloud.apid.start()
    assert cloud.admin.call('GET', f"/image/v2/images/{image['id']}/file").content == b'kernel' * 100
    cloud.close()


def test_a_directory_that_is_not_roots_to_give_is_refused(tmp_path):
    need_root()
    conf = tmp_path / 'c'
    conf.write_text(f'[api]\nlisten = 127.0.0.1:1\nopenrc = {tmp_path}/rc\n')
    for name, mode, uid in ('sticky', 0o1777, 0), ('foreign', 0o755, 65534):
        (tmp_path / name).mkdir()
        os.chmod(tmp_path / name, mode)
        os.chown(tmp_path / name, uid, 0)
        got = run(DAEMONS / 'anyvf-apid', '--config', conf, '--state-dir', tmp_path / name, check=False)
        assert got.returncode == 1 and 'nor root\'s to give' in got.stderr
        assert (tmp_path / name).stat().st_uid == uid and not list((tmp_path / name).iterdir())


def test_a_stranger_may_prepare_and_serve_his_own():
    """Without root there is no account to become: files and daemon are the user's."""
    need_root()
    with tempfile.TemporaryDirectory(prefix='anyvf-own-') as name:
        directory = pathlib.Path(name)
        os.chown(directory, 65534, 65534)
        conf = directory / 'c'
        conf.write_text(f'[host]\nstate_dir = {name}/state\n[api]\nlisten = 127.0.0.1:1\nopenrc = {name}/etc/rc\n')
        for _ in range(2):
            run('setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', DAEMONS / 'anyvf-apid', '--config', conf, '--prepare')
        assert {p.lstat().st_uid for p in directory.glob('etc/*')} == {65534}
