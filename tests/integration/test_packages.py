# SPDX-License-Identifier: Apache-2.0
"""debian/, as far as it is seen without compiling (tests/deb/run has the packages): nothing is forgotten, all say one version, an upgrade leaves all as it was."""
import configparser
import fnmatch
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from conftest import BUILD, DAEMONS, PATIENCE, ROOT, need_root, run

DEBIAN = ROOT / 'debian'
PACKAGES = re.findall(r'^Package: (.*)', (DEBIAN / 'control').read_text(), re.M)
SCRIPTS = sorted(at for at in DEBIAN.iterdir() if at.suffix in ('.preinst', '.postinst', '.prerm', '.postrm'))


def sources(package):
    """What of what meson installs goes into it."""
    lines = (DEBIAN / f'{package}.install').read_text().splitlines() if (DEBIAN / f'{package}.install').exists() else []
    return [line.split()[0] for line in lines]


@pytest.fixture(scope='module')
def usual(tmp_path_factory):
    """What `meson install` makes of this build, below /usr."""
    top = tmp_path_factory.mktemp('usual')
    run('meson', 'install', '-C', BUILD, '--no-rebuild', '--destdir', top)
    return next(top.glob('usr/local'), top / 'usr')


def test_each_file_that_is_installed_is_in_one_package(usual):
    files = [at.relative_to(usual) for at in usual.rglob('*') if not at.is_dir()]
    assert len(files) > 30
    for at in files:
        homes = [p for p in PACKAGES for pattern in sources(p) if any(fnmatch.fnmatch(str('usr' / a), pattern) for a in [at, *at.parents])]
        assert len(homes) == 1, (at, homes)


def test_nothing_that_goes_into_a_package_is_not_installed(usual):
    for package in PACKAGES:
        if package != 'neutron-anyvf':  # setuptools installs that one's
            for pattern in sources(package):
                assert list(usual.glob(pattern.removeprefix('usr/'))), (package, pattern)


def test_each_program_is_in_the_list_of_what_it_is_linked_with(usual):
    """debian/rules has it written, and debian/tests/words looks at it."""
    written = re.search(r'debian/spdx \S+ (.*) >', (DEBIAN / 'rules').read_text())[1].split()
    looked = re.search(r'python3 - (.*) <<', (DEBIAN / 'tests/words').read_text())[1].split()
    programs = [f'/usr/{at.relative_to(usual)}' for at in usual.rglob('*') if at.is_file() and at.read_bytes()[:4] == b'\x7fELF']
    assert len(programs) > 6
    for program in programs:
        assert any(fnmatch.fnmatch(f'debian/anyvf{program}', at) for at in written) and any(fnmatch.fnmatch(program, at) for at in looked), program


def test_neutrons_agent_has_its_groups_and_waits_to_be_enabled():
    """The directory of QEMU's sockets is one of its groups', the control sockets the other's; it is nobody with power over more."""
    shipped = dict(line.split() for line in (DEBIAN / 'neutron-anyvf.install').read_text().splitlines() if ' ' in line)
    assert shipped == {'openstack/etc/anyvf_agent.ini': 'etc/neutron/plugins/ml2', 'openstack/etc/anyvf-qemu.conf': 'usr/lib/tmpfiles.d',
                       'openstack/etc/neutron-anyvf-agent.service': 'lib/systemd/system'}
    words = configparser.ConfigParser(strict=False)
    words.optionxform = str
    words.read(ROOT / 'openstack/etc/neutron-anyvf-agent.service')
    service = words['Service']
    of = re.search(r'^d +(\S+) 2770 root (\S+)$', (ROOT / 'openstack/etc/anyvf-qemu.conf').read_text(), re.M)
    assert of[1] == '/run/anyvf-qemu' and set(service['SupplementaryGroups'].split()) == {'anyvf', of[2]}
    assert service['User'] == 'neutron' and service['CapabilityBoundingSet'] == '' and '/etc/neutron/plugins/ml2/anyvf_agent.ini' in service['ExecStart']
    rules = (DEBIAN / 'rules').read_text()
    assert 'dh_installsystemd -pneutron-anyvf --no-enable neutron-anyvf-agent.service' in rules and rules.count('-Xneutron-anyvf-agent.service') == 1


def test_neutrons_sample_says_the_defaults_of_its_words():
    sample = (ROOT / 'openstack/etc/anyvf_agent.ini').read_text().split('[anyvf]')[1].partition('[agent]')[0]
    options = re.findall(r"cfg\.\w+Opt\('(\w+)'(?:, default=(?:'([^']*)'|(\w+)|(\[\])))?", (ROOT / 'openstack/networking_anyvf/config.py').read_text())
    assert len(options) == 8
    for name, text, word, _ in options:
        said = re.search(rf'^#{name} =(.*)$', sample, re.M)[1].strip()
        assert said == {'vhostuser_socket_dir': '/run/anyvf-qemu', 'replace_sriov_agent': 'false'}.get(name, text or word), name


def test_all_say_one_version():
    said = {'meson': re.search(r"version: '([^']*)'", (ROOT / 'meson.build').read_text())[1],
            'debian': re.match(r'anyvf \(([^)]*)\)', (DEBIAN / 'changelog').read_text())[1],
            'python': re.search(r'^version = (.*)', (ROOT / 'openstack/setup.cfg').read_text(), re.M)[1]}
    assert len(set(said.values())) == 1, said


def test_build_dependencies_are_those_of_the_tree():
    """gcc and cmocka aside: a package's build has the one, and not the tests. scripts/deb installs them all, and what dpkg asks for unsaid."""
    field = re.search(r'^Build-Depends:(.*?)^\S', (DEBIAN / 'control').read_text(), re.M | re.S)[1]
    named = {re.split(r'[ (:]', name.strip())[0] for name in field.split(',')}
    rows = [line.split() for line in (ROOT / 'packaging/deps.txt').read_text().replace('pkg-config', 'pkgconf').splitlines() if line[0] != '#']
    assert {name for what, name in rows if what == 'build'} - {'gcc', 'libcmocka-dev', 'ninja-build'} <= named
    assert named | {'build-essential'} <= {name for what, name in rows if what in ('build', 'deb')} | {'debhelper-compat', 'python3'}


DEPS = """set -e
mount --bind "$0/etc" /etc/systemd
mount --bind "$0/lib" /lib/systemd/system
PATH=$0/bin:$PATH exec "$1/scripts/deps"
"""


@pytest.mark.parametrize('systemd, installed, masked', [
    (True, [], {'prometheus.service', 'cockpit.socket'}),
    (True, ['cockpit.socket'], {'prometheus.service'}),
    (False, [], None),
], ids=['new', 'cockpit is there', 'no systemd'])
def test_what_is_installed_for_tests_is_not_started(tmp_path, systemd, installed, masked):
    """Unless it was there before: then it is the machine's."""
    need_root()
    for name in 'bin', 'etc/system' if systemd else 'etc', 'lib':
        (tmp_path / name).mkdir(parents=True)
    for name in installed:
        (tmp_path / 'lib' / name).touch()
    for name in 'dpkg-query', 'apt-get':  # nothing is installed, and all can be
        (tmp_path / 'bin' / name).write_text('#!/bin/sh\n')
        (tmp_path / 'bin' / name).chmod(0o755)
    run('unshare', '-m', 'sh', '-c', DEPS, tmp_path, ROOT)
    at = tmp_path / 'etc/system'
    assert ({link.name for link in at.iterdir() if os.readlink(link) == '/dev/null'} if at.exists() else None) == masked


@pytest.mark.parametrize('script', SCRIPTS, ids=lambda at: at.name)
def test_maintainer_scripts_are_shell(script):
    assert '#DEBHELPER#' in script.read_text() and script.read_text().startswith('#!/bin/sh\n')
    run('sh', '-n', script)


def test_autopkgtests_are_there_and_name_packages_of_ours():
    control = (DEBIAN / 'tests/control').read_text()
    for name, depends in re.findall(r'^Tests: (\S+)\nDepends: (.*)', control, re.M):
        assert os.access(DEBIAN / 'tests' / name, os.X_OK)
        run('sh', '-n', DEBIAN / 'tests' / name)
        assert {'@', *PACKAGES} & {*depends.split(', ')} and not [d for d in depends.split(', ') if 'anyvf' in d and d not in PACKAGES]


@pytest.mark.parametrize('daemon', ['swd', 'hwd', 'apid', 'agentd', 'exporter', 'sim'])
def test_a_daemon_says_its_words_and_its_version(daemon):
    assert f'usage: anyvf-{daemon} ' in run(DAEMONS / f'anyvf-{daemon}', '--help').stdout.lower()
    assert re.fullmatch(rf'anyvf-{daemon} [\d.]+\n', run(DAEMONS / f'anyvf-{daemon}', '--version').stdout)


@pytest.mark.parametrize('shell', ['bash', 'zsh'])
def test_completion_asks_the_program(shell):
    """With what was typed so far, options aside; the script itself by the shell, where that is here."""
    at = ROOT / 'packaging' / f'anyvf.{shell}-completion'
    if shell == 'bash':
        said = subprocess.run(['bash', '-c', f'. {at}; COMP_WORDS=(anyvf -j vf sh) COMP_CWORD=3; _anyvf; echo ${{COMPREPLY[@]}}'], text=True, check=True,
                              stdout=subprocess.PIPE, env={**os.environ, 'PATH': f'{DAEMONS}:{os.environ["PATH"]}'}).stdout
        assert said.split() == ['show']
    else:
        assert 'anyvf complete $before' in at.read_text()
        if not shutil.which('zsh'):
            pytest.skip('there is no zsh')
        # compadd is a builtin of completion widgets alone: what it is told to add is what it would offer
        said = subprocess.run(['zsh', '-fc', 'compadd() { [[ $1 == -a ]] && print -rl -- ${(P)2}; }; words=(anyvf -j vf sh) CURRENT=4; source $1', 'zsh', at], text=True, check=True,
                              stdout=subprocess.PIPE, env={**os.environ, 'PATH': f'{DAEMONS}:{os.environ["PATH"]}'}).stdout
        assert said.split() == run(DAEMONS / 'anyvf', 'complete', 'vf').stdout.split() and 'show' in said.split()


NEEDRESTART = 'our %nrconf; my $at = shift; defined(do $at) or die $@ || $!; foreach my $unit (@ARGV) { foreach (keys %{$nrconf{override_rc}}) { print "$unit $nrconf{override_rc}{$_}\n" if $unit =~ /$_/ } }'


def test_needrestart_restarts_what_carries_guests_by_hand_alone():
    """Its file, read as needrestart does: by Perl, patterns of units and whether they are restarted."""
    units = [at.name.removesuffix('.in') for at in (ROOT / 'packaging/systemd').glob('*.service.in')]
    got = run('perl', '-we', NEEDRESTART, DEBIAN / 'anyvf.needrestart', *units, 'xanyvf-swd.service').stdout.splitlines()
    assert len(units) == 6 and sorted(got) == [f'anyvf-{daemon}.service 0' for daemon in ('host', 'hwd', 'swd')]


@pytest.fixture(scope='module')
def prefix(tmp_path_factory):
    """What `meson install` makes of a tree for /opt/x, in a directory of its own; the programs are those of this build, which no prefix is in."""
    top = tmp_path_factory.mktemp('prefix')
    run('meson', 'setup', top / 'build', ROOT, '--prefix=/opt/x', '-Dtests=false', timeout=None, env={**os.environ, 'CC': 'ccache gcc' if shutil.which('ccache') else 'gcc'})
    for program in DAEMONS.glob('anyvf*'):
        if program.is_file():
            shutil.copy2(program, top / 'build/src/daemons')
    run('meson', 'install', '-C', top / 'build', '--no-rebuild', '--destdir', top / 'dest')
    return top / 'dest'


def test_a_prefix_has_it_all_and_nothing_is_outside(prefix, usual):
    """The same files as /usr/local has."""
    files = {top: {str(at.relative_to(top)) for at in top.rglob('*') if not at.is_dir()} for top in (usual, prefix / 'opt/x')}
    assert files[usual] == files[prefix / 'opt/x'] and [at.name for at in prefix.iterdir()] == ['opt']


def test_units_of_a_prefix_start_its_programs(prefix):
    units = sorted((prefix / 'opt/x/lib/systemd/system').iterdir())
    assert len(units) == 6
    for unit in units:
        words = [word for word in re.findall(r'^Exec\w+=\+?(\S+)', unit.read_text(), re.M) if word != '/bin/sh']  # Debian's, after a stop
        assert words
        for word in words:
            assert word.startswith('/opt/x/') and os.access(f'{prefix}{word}', os.X_OK), (unit, word)


HERE = """set -e
mount -t tmpfs opt /opt && mkdir /opt/x && mount --bind "$0/opt/x" /opt/x
export PATH=/usr/sbin:/usr/bin:/sbin:/bin ANYVF_RUN_DIR=$1
/opt/x/sbin/anyvf-swd --run-dir $1 --state $1/swd.json 2>$1/log &
until [ -S $1/swd.sock ] || ! kill -0 $!; do sleep 0.1; done
/opt/x/bin/anyvf pf add p2p1 numvfs 2
/opt/x/libexec/anyvf/ip link show p2p1
/opt/x/libexec/anyvf/anyvf-extcap --extcap-interfaces
/opt/x/bin/anyvf store copy nonsense nonsense 2>&1 || true
kill -INT $!
wait $!
"""


def test_what_is_in_a_prefix_finds_itself_there(prefix, tmp_path):
    """With no anyvf on the PATH, and at the place it was made for."""
    need_root()
    said = run('unshare', '-m', 'sh', '-c', HERE, prefix, tmp_path).stdout
    assert 'vf 1 ' in said and 'p2p1 vf 1' in said, said
    assert 'no such kind of store' in said, said  # anyvf-apid's word


PLUGINS = """set -e
plugins=$0 here=$1 programs=$2
shift 2
mount -t tmpfs -o mode=755 plugins "$plugins"
cp -P "$here"/plugins/* "$plugins"
ANYVF_RUN_DIR=$here "$programs/anyvf-swd" --run-dir "$here" --state "$here/swd.json" 2>"$here/log" &
until [ -S "$here/swd.sock" ] || ! kill -0 $!; do sleep 0.1; done
export ANYVF_RUN_DIR="$here"
"$programs/anyvf" pf add p2p1 numvfs 2
"$programs/anyvf" pf add p3p1 uplink dpdk net_ring0 2>&1 || :
"$programs/anyvf" pf show
kill -INT $!
wait $!
"""


@pytest.mark.parametrize('driver', [[], ['librte-net-ring']])
def test_the_switch_runs_with_no_more_of_dpdk_than_its_package_depends_on(tmp_path, driver):
    """Its plugins, which dpkg-shlibdeps does not see, are hidden but for those. A driver is the user's to install, and is said to be missing."""
    need_root()
    names = re.findall(r'(librte-[a-z-]+)\$\(dpdk\)', (DEBIAN / 'rules').read_text())
    abi = run('dpkg-query', '-W', '-f', '${Package}', 'librte-eal[0-9]*').stdout.removeprefix('librte-eal')
    there = [pathlib.Path(at) for at in run('dpkg', '-L', *(name + abi for name in names + driver)).stdout.split() if '/dpdk/pmds-' in at and '.so' in at]
    (tmp_path / 'plugins').mkdir()
    for at in there:
        shutil.copy(at, tmp_path / 'plugins', follow_symlinks=False)
    said = run('unshare', '-m', 'sh', '-c', PLUGINS, there[0].parent, tmp_path, DAEMONS).stdout
    assert 'p2p1' in said and ('p3p1: ' in said, 'librte-meta-net' in said) == (bool(driver), not driver), said


def test_an_upgrade_under_load():
    """Packages of these programs, under systemd: taps, sockets and settings are as before, and the switch was started once."""
    need_root()
    done = run(ROOT / 'tests/deb/boot', '--built', check=False, timeout=240 * PATIENCE)
    if done.returncode == 77:
        pytest.skip(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
