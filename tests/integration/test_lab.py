# SPDX-License-Identifier: Apache-2.0
"""`anyvf lab`: as root, as somebody who may have namespaces, and without any; and the recipes of docs/howto/ci.md."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest
import yaml

from conftest import DAEMONS, PATIENCE, ROOT, need_root, run, wait_for
from vhost import Guest

RECIPES = dict(re.findall(r'^```\w+ (.+?)\n(.*?)^```$', (ROOT / 'docs/howto/ci.md').read_text(), re.S | re.M))
VHOST = {'anyvf': 1, 'pfs': {'ci0': {'numvfs': 2, 'vfs': {'0': {'attach': {'kind': 'vhost'}}, '1': {'attach': {'kind': 'vhost'}}}}}}
NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
# Root of its own namespace that may have no others and no privilege, as root in a container is.
NO_NAMESPACES = ['unshare', '-U', '-r', 'sh', '-c', 'echo 0 >/proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-all --inh-caps=-all "$@"', '-']
WAYS = {'root': [], 'nobody': NOBODY, 'no_namespaces': NO_NAMESPACES}


@pytest.fixture
def place(tmp_path_factory):
    """A directory that everybody may use; labs are made in it, and there is none left at the end."""
    need_root()
    os.makedirs('/run/netns', exist_ok=True)
    got = tmp_path_factory.mktemp('lab')
    for path in got, *got.parents[:3]:
        os.chmod(path, path.stat().st_mode | 0o055)
    os.chmod(got, 0o777)
    yield got
    assert not list(got.glob('anyvf-lab-*'))


def users_may():
    """May somebody who is not root have all that a lab with taps takes?"""
    return not run(*NOBODY, 'unshare', '-Urpnmf', '--mount-proc', 'test', '-w', '/dev/net/tun', check=False).returncode


class Lab:
    """A running `anyvf lab`, whose command is a shell that is told what to do."""

    def __init__(self, place, file, *options, way='root'):
        self.place = place
        (place / 'lab.json').write_text(json.dumps(file))
        self.proc = subprocess.Popen(words(way, place / 'lab.json', *options, '--', 'sh', '-c', 'echo $ANYVF_LAB; exec cat'), cwd=place, env=env(place),
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.dir = pathlib.Path(self.proc.stdout.readline().strip())
        assert str(self.dir).startswith('/'), self.proc.wait(10 * PATIENCE)

    def processes(self):
        """All whose environment or command line is of this lab."""
        found = []
        for proc in pathlib.Path('/proc').glob('[0-9]*'):
            with contextlib.suppress(OSError):
                if str(self.dir).encode() in (proc / 'environ').read_bytes() + (proc / 'cmdline').read_bytes():
                    found.append(int(proc.name))
        return found

    def seen(self, path):
        """A path as the lab's processes have it."""
        return pathlib.Path(f'/proc/{self.processes()[0]}/root{path}')


def env(place, **more):
    return {**os.environ, 'PATH': f'{DAEMONS}:{os.environ["PATH"]}:/usr/sbin:/sbin', 'TMPDIR': str(place), **more}


def words(way, *lab):
    return [*WAYS[way], DAEMONS / 'anyvf', 'lab', *lab]


def lab(place, file, *command, way='root', options=(), **more):
    """A lab's whole life: its completed process."""
    (place / 'lab.json').write_text(json.dumps(file) if isinstance(file, dict) else file)
    return run(*words(way, place / 'lab.json', *options, '--', *command), check=False, cwd=place, env=env(place, **more))


@pytest.mark.parametrize('way', WAYS)
def test_a_command_finds_its_switch_and_leaves_nothing(place, way):
    got = lab(place, VHOST, 'sh', '-c', 'anyvf -j vf show ci0; stat -c %F $ANYVF_RUN_DIR/vhost/ci0-1/sock; exit 7', way=way)
    vfs, kind = got.stdout.rsplit('\n', 2)[:2]
    assert (got.returncode, got.stderr, kind) == (7, '', 'socket')
    assert [vf['attach']['kind'] for vf in json.loads(vfs)] == ['vhost', 'vhost']


@pytest.mark.parametrize('way', WAYS)
def test_what_its_command_leaves_running_ends(place, way):
    got = lab(place, VHOST, 'sh', '-c', 'echo $ANYVF_LAB; (setsid sleep 1000 >&- 2>&- &)', way=way)
    assert got.returncode == 0 and got.stdout.strip() not in run('ps', '-Ao', 'pid,args', 'e').stdout


@pytest.mark.parametrize('way', WAYS)
def test_all_of_it_ends_with_a_lab_that_is_killed(place, way):
    it = Lab(place, VHOST, way=way)
    assert len(it.processes()) >= 2
    if way == 'root':  # frames pass from here, too
        sockets = [it.seen(f'{it.dir}/run/vhost/ci0-{n}/sock') for n in (0, 1)]
        guests = [Guest(path) for path in sockets]
        guests[0].send(b'\xff' * 6 + b'\x02\0\0\0\0\x01\x88\xb5' + bytes(46))
        assert guests[1].recv()
        for guest in guests:
            guest.close()
    it.proc.kill()  # `anyvf lab` itself: what comes before it makes way for it
    it.proc.wait(10 * PATIENCE)
    wait_for(lambda: not it.processes(), what='the end of all')
    with contextlib.suppress(FileNotFoundError):
        assert way == 'no_namespaces' or not list(it.dir.iterdir())  # it was in memory
        shutil.rmtree(it.dir)


def test_it_is_told_to_end_and_its_command_decides_how(place):
    (place / 'lab.json').write_text(json.dumps(VHOST))
    for trap, code in ("trap 'exit 3' TERM", 3), ('true', 128 + signal.SIGTERM):
        with subprocess.Popen(words('root', place / 'lab.json', '--', 'sh', '-c', f'{trap}; echo up; while :; do sleep 0.1; done'), env=env(place),
                              stdout=subprocess.PIPE, text=True) as it:
            assert it.stdout.readline() == 'up\n'
            it.terminate()
            assert it.wait(20 * PATIENCE) == code
    assert lab(place, VHOST, 'no-such-program').returncode == 127
    assert lab(place, VHOST, '/etc/passwd').returncode == 126
    assert lab(place, VHOST, 'sh', '-c', 'kill -9 $$').returncode == 137


def test_its_network_and_names_are_its_own(place):
    """The namespaces that the file names are made, and nobody else has them; a mirror's tap needs a network as well."""
    file = {'anyvf': 1, 'pfs': {'ci0': {'numvfs': 2, 'vfs': {'0': {'attach': {'kind': 'tap', 'tap': 't0', 'netns': 'one'}}},
                                        'services': {'s0': {'netns': 'two'}}}},
            'mirrors': {'m': {'from_pf': 'ci0', 'from_vf': 0, 'to': 'tap', 'tap': 'm0'}}}
    for way in ['root', 'nobody'][:1 + users_may()]:
        got = lab(place, file, 'sh', '-ec', 'ip netns list | sort; ip -n one -br link; ip -n two -br link; ip -br link', way=way)
        assert got.returncode == 0, got.stderr
        names = [line.split()[0] for line in got.stdout.splitlines()]
        assert names[:2] == ['one', 'two'] and names[2:] == ['lo', 't0', 'lo', 's0', 'lo', 'm0']
    assert not list(pathlib.Path('/run/netns').iterdir()) and not run('ip', 'link', 'show', 'm0', check=False).stdout
    got = lab(place, file, 'true', way='no_namespaces')
    assert got.returncode == 125 and 'needs namespaces' in got.stderr


def test_a_directory_that_is_named_stays(place):
    got = lab(place, VHOST, 'sh', '-c', 'echo $ANYVF_LAB', options=('--dir', 'mine'))
    assert got.stdout == f'{place}/mine\n' and 'the switch is up' in (place / 'mine/log/anyvf-swd.log').read_text()
    got = lab(place, VHOST, 'true', options=('--dir', 'mine'))
    assert got.returncode == 125 and 'mine: there is something in it' in got.stderr
    got = lab(place, VHOST, 'true', options=('--dir', 'x' * 120))
    assert got.returncode == 125 and 'too long' in got.stderr


@pytest.mark.parametrize('file, says', [
    ('{"anyvf": 1,\n "pfs" {}}', "lab.json line 2: ':' expected"),
    ('{"anyvf": 1}', 'neither PFs nor an API'),
    ('{"anyvf": 1, "lab": []}', 'lab is no object'),
    ('{"anyvf": 1, "lab": {"api": true, "host": 3}}', 'lab: unknown member "host"'),
    ('{"anyvf": 1, "lab": {"api": true, "hosts": 1001}}', 'lab: hosts 1001 is above 1000'),
    ('{"anyvf": 1, "lab": {"hosts": 2}, "pfs": {"ci0": {}}}', 'lab: hosts are of an API'),
    ('{"anyvf": 1, "pfs": {"eth1": {"kind": "hw"}}}', 'pfs.eth1: a lab has software PFs alone'),
    ('{"anyvf": 1, "pfs": {"ci0": {"numvfs": 1, "vfs": {"1": {}}}}}', 'no vf "1"'),
    ('{"anyvf": 1, "pfs": {"ci0": {"numvfs": 1, "vfs": {"0": {"vlan": 5000}}}}}', 'pf ci0: vf 0: vlan 5000 is above'),
    ('{"anyvf": 1, "pfs": {"ci0": {"uplink": "dev", "uplink_arg": "nope0"}}}', 'there is no netdev nope0'),
    ('{"anyvf": 1, "pfs": {"ci0": {}}, "lab": {"cores": "9999"}}', 'anyvf-swd ended at once'),
    ('{"anyvf": 1, "pfs": {"ci0": {}}, "lab": {"cores": "0\\npoll = busy"}}', 'lab: cores are a list'),
])
def test_a_bad_file_is_named_and_nothing_runs(place, file, says):
    got = lab(place, file, 'echo', 'ran')
    assert (got.returncode, got.stdout) == (125, '') and says in got.stderr and len(got.stderr.splitlines()) <= 2


def test_wrong_words_are_told():
    for line, says in ([], 'not complete'), (['a', 'b'], 'behind --'), (['a', '--'], 'not complete'), (['a', '--dir'], 'not complete'):
        got = run(DAEMONS / 'anyvf', 'lab', *line, check=False)
        assert got.returncode == 255 and says in got.stderr
    assert 'anyvf lab FILE' in run(DAEMONS / 'anyvf', 'lab', 'help').stdout
    assert 'no-such-file' in run(DAEMONS / 'anyvf', 'lab', 'no-such-file', '--', 'echo', 'help', check=False).stderr  # the command's word


def test_the_program_that_makes_labs_is_found_by_where_anyvf_is(tmp_path):
    """Under another name, behind a link, with no PATH; where it is not there, there is no lab."""
    (tmp_path / 'link').symlink_to(DAEMONS / 'anyvf')
    shutil.copy2(DAEMONS / 'anyvf', tmp_path / 'alone')
    for at, says in ('link', 'no-such-file'), ('alone', 'Error: anyvf-site: No such file or directory.\n'):
        got = run('/bin/bash', '-c', 'exec -a other "$0" lab no-such-file -- true', tmp_path / at, check=False, env={'PATH': '/nonexistent'})
        assert got.returncode == 125 and says in got.stderr


def test_an_api_is_told_in_the_words_of_its_clients(place):
    """Those of another cloud are not left beside them, nor is a proxy in the way; it needs no root, no namespace, no switch and no host."""
    got = lab(place, {'anyvf': 1, 'lab': {'api': True, 'hosts': 0}}, 'sh', '-c', 'env; cat $OS_CLIENT_CONFIG_FILE; echo ---; ls $ANYVF_RUN_DIR', way='no_namespaces',
              OS_TOKEN='other', OS_A='', http_proxy='http://127.0.0.1:1', NO_PROXY='a.example')
    assert got.returncode == 0, got.stderr
    told = dict(re.findall(r'^(OS_\w+)=(.*)$', got.stdout, re.M))
    clouds = yaml.safe_load(got.stdout[got.stdout.index('clouds:'):].partition('---')[0])['clouds']
    assert told['OS_CLOUD'] == 'anyvf' and 'OS_TOKEN' not in told and 'OS_A' not in told
    assert clouds['anyvf']['auth']['auth_url'] == told['OS_AUTH_URL'] and clouds['anyvf']['auth']['password'] == told['OS_PASSWORD']
    assert '\nno_proxy=a.example,127.0.0.1\n' in got.stdout and '\nNO_PROXY=a.example,127.0.0.1\n' in got.stdout
    assert clouds['anyvf-demo']['auth']['username'] == 'demo' and 'swd.sock' not in got.stdout


# ---- docs/howto/ci.md ----

def recipe(place, name, way):
    """Files and commands of the document, as they stand there."""
    for file, text in RECIPES.items():
        if ' ' not in file:
            (place / file).write_text(text)
    got = run(*WAYS[way], 'sh', '-e', '-c', RECIPES[f'run {name}'], check=False, cwd=place, env=env(place))
    assert got.returncode == 0, got.stdout + got.stderr
    return got.stdout


@pytest.mark.parametrize('way', ['nobody', 'no_namespaces'])
def test_the_recipe_of_dpdk(place, way):
    if not shutil.which('dpdk-testpmd'):
        pytest.skip('there is no dpdk-testpmd')
    recipe(place, 'dpdk', way)


def test_the_recipe_of_taps(place):
    for way in ['root', 'nobody'][:1 + users_may()]:
        assert recipe(place, 'taps', way).count(' 0% packet loss') == 3


def test_the_recipe_of_a_cloud(place):
    if not shutil.which('openstack'):
        pytest.skip('there is no python3-openstacksdk')
    recipe(place, 'cloud', 'nobody')


def test_the_runners_files_are_yaml():
    for name in 'github', 'gitlab':
        assert 'anyvf lab' in json.dumps(yaml.safe_load(RECIPES[name]))
