# SPDX-License-Identifier: Apache-2.0
"""libexec/anyvf/ip, and `anyvf ip` behind it: the founding document's lines verbatim; what is no PF is the real ip's, unchanged."""
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time

import pytest

from conftest import BUILD, DAEMONS, ROOT, need_root, run, wait_for

WRAPPER = ROOT / 'libexec' / 'anyvf' / 'ip'


def words_of(line):
    return line.split() if isinstance(line, str) else line


def both(fake, line, **kw):
    """(code, stdout, stderr) of a line by the wrapper and by the real ip."""
    ours, real = (run(program, *words_of(line), check=False, env=fake.env, **kw) for program in (WRAPPER, 'ip'))
    return tuple((done.returncode, done.stdout, done.stderr) for done in (ours, real))


def test_founding_documents_recipe_runs_verbatim(fake):
    for line in ('link set p2p1 down', 'link set p2p1 vf 2 mac fa:16:3e:aa:33:59', 'link set p2p1 vf 2 spoofchk off',
                 'link set p2p1 up', 'link set p2p1 vf 2 mac fa:16:3e:aa:33:58'):
        assert fake.run(*line.split(), program=WRAPPER) == (0, '', ''), line
    out = fake.run('link', 'show', program=WRAPPER)[1]
    assert 'vf 2     link/ether fa:16:3e:aa:33:58 brd ff:ff:ff:ff:ff:ff, spoof checking off' in out
    assert '1: lo: ' in out and ': p2p1: <BROADCAST,MULTICAST,UP,LOWER_UP>' in out


def test_one_pf_shows_as_anyvf_shows_it(fake):
    for line in 'link show p2p1', 'link show dev p2p1', '-s link show p2p1', '-j link sh p2p1', 'l l dev p2p1':
        assert fake.run(*line.split(), program=WRAPPER) == fake.run(*line.split()), line


def test_json_of_all_links_is_one_list(fake):
    for options in '-j', '-j -p', '-s -d -j':
        out = fake.run(*options.split(), 'link', program=WRAPPER)[1]
        names = [link['ifname'] for link in json.loads(out)]
        assert 'lo' in names and names[-1] == 'p2p1'


def test_everything_else_is_the_real_ip(fake):
    for line in ('link show lo', 'addr show lo', '-4 addr show dev lo', 'link show nosuch', 'link set nosuch up', 'route show table local',
                 '-V', '', 'link bogus', 'link show type vlan dev lo', 'link set nosuch vf 1 mac 02:00:00:00:00:01', 'netns list', 'help', 'link help',
                 '-h', '-bogus link', '-c=bogus link', '-rc', '- link', '-n nosuch link show p2p1', '-b', '-b /nosuch', 'link set mtu 1600 dev nosuch',
                 'link set alias p2p1 dev lo mtu x', 'link property show p2p1', '-- addr show lo', '-s -s link show lo', '--statistics link show dev lo'):
        ours, real = both(fake, line)
        assert ours == real, line


def test_without_a_daemon_it_is_the_real_ip(fake):
    fake.stop()
    for line in '-br link', 'link set p2p1 up':
        ours, real = both(fake, line)
        assert ours == real
    ours, real = both(fake, '-batch -', input='link show lo\nlink show p2p1\n')
    assert ours == real


def test_no_copy_of_the_wrapper_passes_for_the_real_ip(fake, tmp_path):
    """As with /bin/ip diverted to one copy and another first on the PATH: they called each other for ever."""
    copies = [tmp_path / name for name in 'ab']
    for copy in copies:
        copy.mkdir()
        shutil.copy(WRAPPER, copy / 'ip')
    env = {**fake.env, 'PATH': ':'.join([*map(str, copies), str(WRAPPER.parent), fake.env['PATH']])}
    for program in [copies[0] / 'ip'], [copies[1] / 'ip'], [WRAPPER], [DAEMONS / 'anyvf', 'ip']:
        done = run(*program, '-br', 'link', env=env, timeout=10)
        assert done.stdout.count('p2p1') == 1 and done.stdout.count('lo ') == 1, program


def test_a_line_of_a_batch_without_an_end_is_refused(fake, tmp_path):
    (tmp_path / 'long').write_bytes(b'link show lo ' + b'x' * (17 << 20))
    code, out, err = fake.run('-batch', str(tmp_path / 'long'), program=WRAPPER)
    assert code == 255 and not out and 'a line of the batch' in err


OPTIONS = """-c -c=auto -c=never -color=always --color=auto -h -human-readable -iec -N -Numeric -r -t -ts -0 -4 -6 -B -M -a -o -d -s -s|-s
-h|-s -iec|-h|-s -rc|65536 -l|2 -loops|2 -f|link -family|inet -force -s|-d|-o -br -j -j|-p -j|-s|-h -echo -c=auto|-br --"""


@pytest.mark.parametrize('options', [word.split('|') for word in OPTIONS.split()], ids=' '.join)
def test_each_option_before_link_is_taken(fake, options):
    code, out, err = fake.run(*options, 'link', 'show', 'p2p1', program=WRAPPER)
    assert (code, err) == (0, '') and 'p2p1' in out
    assert '-br' in options or ('"vf":3' if '-j' in options else 'vf 3 ') in out.replace('"vf": 3', '"vf":3')
    ours, real = both(fake, [*options, 'link'])
    assert ours[0] == real[0] == 0 and ours[2] == real[2]
    if '-j' in options:
        assert json.loads(ours[1])[:-1] == json.loads(real[1]) and json.loads(ours[1])[-1]['ifname'] == 'p2p1'
    else:
        assert ours[1] == real[1] + out


def test_numbers_are_told_as_ip_tells_them(fake):
    out = fake.run('-N', 'link', 'show', 'p2p1', program=WRAPPER)[1]
    assert ' group 0 ' in out and '    link/[1] 02:' in out and 'vf 0     link/[1] ' in out


def test_the_device_is_found_wherever_it_stands(fake):
    for i, line in enumerate(('mtu M dev p2p1', 'address 02:00:00:00:0f:01 p2p1 mtu M', 'up mtu M p2p1', 'up dev p2p1 vf 0 trust on mtu M',
                              'p2p1 vf 0 vlan 5 qos 3 proto 802.1ad mtu M', 'promisc on dev p2p1 vf 1 trust on mtu M', 'address 02:00:00:00:0f:02 dev p2p1 mtu M vf 1 s off')):
        line = line.replace('M', str(1300 + i))
        assert fake.run('link', 'set', *line.split(), program=WRAPPER) == (0, '', ''), line
        assert fake.ctl.call('pf.get', pf='p2p1')['config']['mtu'] == 1300 + i
    config = fake.ctl.call('vf.get', pf='p2p1', vf=1)['config']
    assert config['trust'] and not config['spoofchk']


def test_show_chooses_as_ip_does(fake):
    def lists(words):
        code, out, err = fake.run('link', 'show', *words.split(), program=WRAPPER)
        assert (code, err) == (0, ''), words
        return ': p2p1: ' in out
    fake.run('link', 'set', 'p2p1', 'up')
    assert [lists(w) for w in ('up', 'nomaster', 'group default', 'group 0', 'dev p2p1 up')] == [True] * 5
    assert [lists(w) for w in ('type bridge', 'group 7', 'p2p1 type vlan')] == [False] * 3
    fake.run('link', 'set', 'p2p1', 'down')
    assert not lists('up')


def test_words_of_a_netdev_are_refused_where_there_is_none(fake):
    before = fake.ctl.call('pf.get', pf='p2p1', vfs=True)
    for words in 'alias x', 'txqueuelen 5', 'master lo', 'name y', 'netns 1', 'arp off', 'type bridge_slave cost 5', 'group 5', 'nomaster':
        code, out, err = fake.run('link', 'set', 'p2p1', 'vf', '0', 'trust', 'on', *words.split(), program=WRAPPER)
        assert (code, out) == (2, '') and err == f'Error: "{words.split()[0]}" is for a netdev, and this PF has none (anyvf pf set PF host-if on).\n'
    assert fake.ctl.call('pf.get', pf='p2p1', vfs=True) == before
    assert fake.run('link', 'set', 'p2p1', 'promisc', 'on', program=WRAPPER) == (0, '', '')


BATCH = """
link show lo
{pf}link set dev p2p1 vf 0 vlan 30   # a comment
link show \\
  lo

{pf}link set dev p2p1 vf 0 \\
{pf} mac '02:00:00:00:00:10'
 link   show	"lo"
{pf}l s mtu 1400 p2p1
route show table local
# link set p2p1 vf 0 vlan 99
"""


@pytest.mark.parametrize('end', ['', 'link show lo', 'link show nosuch\nlink show lo\n', 'link set nosuch up\nlink show nosuch\nlink show lo', 'link set dev\nlink show lo\n',
                                 'nonsense\n', 'link show "lo\n', 'link show lo \\', 'link show lo \\\n'])
@pytest.mark.parametrize('force', ['', '-force '])
def test_a_batch_of_mixed_lines_is_read_as_ip_reads_it(fake, tmp_path, force, end):
    mixed, theirs = ((BATCH + end).replace('{pf}', word) for word in ('', '#'))
    path = tmp_path / 'batch'
    path.write_text(mixed)
    got = [run(WRAPPER, *words, check=False, env=fake.env, **kw) for words, kw in (
        ((*force.split(), '-batch', '-'), {'input': mixed}), ((*force.split(), '-b', str(path)), {}))]
    want = run('ip', *force.split(), '-batch', '-', check=False, input=theirs)
    for done, name in zip(got, ('-', str(path))):
        assert (done.returncode, done.stdout, done.stderr) == (want.returncode, want.stdout, want.stderr.replace('failed -:', f'failed {name}:'))
    config = fake.ctl.call('vf.get', pf='p2p1', vf=0)['config']
    assert (config['vlan'], config['mac']) == (30, '02:00:00:00:00:10') and fake.ctl.call('pf.get', pf='p2p1')['config']['mtu'] == 1400


def test_refused_lines_of_a_batch(fake):
    lines = 'link set p2p1 vf 9 vlan 5\nlink set p2p1 vf 1 vlan 5\n'
    done = run(WRAPPER, '-batch', '-', check=False, env=fake.env, input=lines)
    assert (done.returncode, done.stderr) == (1, 'RTNETLINK answers: Invalid argument\nCommand failed -:1\n')
    assert fake.ctl.call('vf.get', pf='p2p1', vf=1)['config']['vlan'] == 0
    assert run(WRAPPER, '-force', '-batch', '-', check=False, env=fake.env, input=lines).returncode == 1
    assert fake.ctl.call('vf.get', pf='p2p1', vf=1)['config']['vlan'] == 5
    done = run(WRAPPER, '-force', '-batch', '-', check=False, env=fake.env, input='link set p2p1 vf 1 vlan x\n' + lines)
    assert done.returncode == 255 and 'Command failed' not in done.stderr  # as ip, which exits where it cannot read


def test_lines_of_a_batch_are_done_as_they_come(fake):
    with subprocess.Popen([WRAPPER, '-batch', '-'], env=fake.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as proc:
        for line, answer in ('link show lo', '1: lo:'), ('link show p2p1', ': p2p1: '), ('-nosense', ''):
            proc.stdin.write(line + '\n')
            proc.stdin.flush()
            assert answer in (proc.stdout.readline() if answer else '')
            for _ in range({'link show lo': 1, 'link show p2p1': 5}.get(line, 0)):
                proc.stdout.readline()
        assert proc.wait(60) == 1


def test_host_interface_and_pf_go_up_and_down_together(fake):
    need_root()
    # a veth is the PF's uplink, and named as it
    fake.ctl.call('pf.set', pf='p2p1', set={'uplink': 'dev', 'uplink_arg': 'p2p1'})
    run('ip', 'link', 'add', 'p2p1', 'type', 'veth', 'peer', 'name', 'x')
    try:
        done = run('sh', '-c', f"""PATH={WRAPPER.parent}:$PATH &&
            ip link set p2p1 up && ip addr add 192.0.2.1/24 dev p2p1 && ip link set p2p1 mtu 1400 &&
            ip link set p2p1 vf 1 trust on && cat /sys/class/net/p2p1/mtu && ip -br addr show dev p2p1 && ip link show p2p1 &&
            ip link show | grep -c p2p1""", env=fake.env)
    finally:
        run('ip', 'link', 'del', 'p2p1')
    assert done.stdout.startswith('1400\np2p1') and '192.0.2.1/24' in done.stdout and 'trust on' in done.stdout
    assert done.stdout.endswith('\n2\n')  # p2p1@x and its peer's line: the PF is not listed twice
    assert fake.ctl.call('pf.get', pf='p2p1')['config']['mtu'] == 1400


@pytest.fixture
def host(swd):
    """A switch with p2p1, which has a host interface, and bare, which has none."""
    need_root()
    swd.call('pf.add', name='p2p1', numvfs=2, host_if=True)
    swd.call('pf.add', name='bare', numvfs=1)
    run('ip', 'link', 'add', 'br9', 'type', 'bridge')
    yield swd
    run('ip', 'link', 'del', 'br9')


def ip(swd, line, **kw):
    """A line by the wrapper."""
    return run(WRAPPER, *words_of(line), env={**os.environ, 'ANYVF_RUN_DIR': str(swd.dir), 'ANYVF': str(DAEMONS / 'anyvf')}, **kw)


LONG = 'p2p1-the-first-port-of-the-second-card'


def test_a_host_interface_shows_as_the_kernel_has_it_and_its_vfs(host):
    for words in 'down', 'master br9', 'promisc on', 'alias fast':
        ip(host, f'link set p2p1 {words}')
    run('ip', 'link', 'property', 'add', 'dev', 'p2p1', 'altname', 'enp9s0', 'altname', LONG)
    for options in [], ['-o'], ['-s'], ['-d', '-s', '-o'], ['-c=always']:
        eol = '\\' if '-o' in options else '\n'
        kernel = run('ip', *options, 'link', 'show', 'p2p1').stdout
        head, alt, tail = kernel.partition(f'{eol}    altname ')
        assert 'master br9' in kernel and 'PROMISC' in kernel and f'{eol}    alias fast' in kernel and alt
        for name in 'p2p1', 'enp9s0', LONG:
            shown = ip(host, [*options, 'link', 'show', name]).stdout
            assert shown.startswith(head + eol + '    vf 0 ') and f'{eol}    vf 1 ' in shown and shown.endswith(alt + tail), options
        assert shown in ip(host, [*options, 'link']).stdout
    one, = json.loads(ip(host, '-j link show p2p1').stdout)
    kernel, = json.loads(run('ip', '-j', 'link', 'show', 'p2p1').stdout)
    assert [vf['vf'] for vf in one.pop('vfinfo_list')] == [0, 1] and one == kernel
    every = {link['ifname']: link for link in json.loads(ip(host, '-j -s link').stdout)}
    assert len(every['p2p1']['vfinfo_list']) == 2 and len(every['bare']['vfinfo_list']) == 1 and 'vfinfo_list' not in every['lo']


def test_vf_words_by_any_name_of_the_host_interface(host):
    run('ip', 'link', 'property', 'add', 'dev', 'p2p1', 'altname', 'enp9s0', 'altname', LONG)
    for vlan, name in (5, 'enp9s0'), (6, LONG), (7, 'p2p1'):
        ip(host, f'link set {name} vf 0 vlan {vlan}')
        assert host.vf('p2p1', 0)['config']['vlan'] == vlan


def test_a_netdev_that_only_has_its_name_is_not_the_pfs(host):
    run(*'ip link add bare type bridge'.split())
    run(*'ip link property add dev bare altname elses'.split())
    try:
        ip(host, 'link set bare mtu 1400 vf 0 vlan 5')
        ip(host, 'link set elses alias mine mtu 1300')
        refused = ip(host, 'link set bare alias x', check=False)
        netdev, = json.loads(run('ip', '-j', 'link', 'show', 'bare').stdout)
        every = [link for link in json.loads(ip(host, '-j link').stdout) if link['ifname'] == 'bare']
    finally:
        run('ip', 'link', 'del', 'bare')
    assert refused.returncode == 2 and 'this PF has none' in refused.stderr
    assert (netdev['mtu'], netdev['ifalias']) == (1300, 'mine')
    assert [(link['mtu'], len(link.get('vfinfo_list', []))) for link in every] == [(1300, 0), (1400, 1)]


def test_a_line_for_both_is_done_by_both_or_neither(host):
    ip(host, 'link set p2p1 promisc on vf 0 trust on alias x vf 1 vlan 7 mtu 1400 txqueuelen 77')
    link, = json.loads(ip(host, '-j link show p2p1').stdout)
    assert 'PROMISC' in link['flags'] and (link['ifalias'], link['mtu'], link['txqlen']) == ('x', 1400, 77)
    assert [(vf['trust'], vf['vlan_list']) for vf in link['vfinfo_list']] == [(True, [{}]), (False, [{'vlan': 7}])]
    before = host.call('pf.get', pf='p2p1', vfs=True)
    for line in ('p2p1 vf 0 trust off master nosuch vf 1 vlan 8', 'p2p1 mtu 1300 vf 0 vlan 9 alias', 'p2p1 promisc off vf 9 trust on', 'p2p1 vf 0 vlan 5 netns nosuch'):
        done = ip(host, f'link set {line}', check=False)
        assert done.returncode and done.stderr, line
        after = host.call('pf.get', pf='p2p1', vfs=True)
        assert after['config'] == before['config'] and [vf['config'] for vf in after['vfs']] == [vf['config'] for vf in before['vfs']], line
    assert 'PROMISC' in run('ip', 'link', 'show', 'p2p1').stdout


def test_a_namespace_sees_its_own_links_only(host, netns):
    other, line = netns(), ['env', f'ANYVF_RUN_DIR={host.dir}', f'ANYVF={DAEMONS}/anyvf', WRAPPER, 'link']
    for words in ('show', 'p2p1'), ('set', 'bare', 'vf', '0', 'vlan', '9'):
        assert other.run(*line, *words, check=False).returncode == 1
    assert 'p2p1' not in other.run(*line).stdout and host.vf('bare', 0)['config']['vlan'] == 0
    assert 'p2p1' not in ip(host, ['-n', other.name, 'link']).stdout and 'vf 0 ' in ip(host, 'link show bare').stdout
    here = f'here{os.getpid()}'
    run('ip', 'netns', 'attach', here, str(os.getpid()))
    try:  # and by its own name a namespace is the same
        assert 'vf 0 ' in ip(host, ['-n', here, 'link', 'show', 'p2p1']).stdout
        assert 'vf 0 ' in other.run('env', f'ANYVF_RUN_DIR={host.dir}', f'ANYVF={DAEMONS}/anyvf', WRAPPER, '-n', here, 'link', 'show', 'bare').stdout
    finally:
        run('ip', 'netns', 'del', here)


def test_a_line_waits_for_a_switch_that_restarts(host):
    for vlan in range(2):
        child = host.child()
        os.kill(child, 9)
        time.sleep(0.02 * vlan)
        ip(host, f'link set bare vf 0 vlan {vlan + 5}')
        assert host.vf('bare', 0)['config']['vlan'] == vlan + 5


def test_a_line_waits_for_a_switch_that_starts(tmp_path):
    """Its lock is held, nobody listens yet."""
    with subprocess.Popen(['flock', '-o', tmp_path / 'swd.lock', 'sh', '-c', f'echo; sleep 0.3; {BUILD}/tests/lib/fake_pfd {tmp_path}/swd.sock & echo $!; wait'],
                          stdout=subprocess.PIPE, text=True) as starts:
        assert starts.stdout.readline() == '\n'
        done = run(DAEMONS / 'anyvf', 'pf', 'show', check=False, env={**os.environ, 'ANYVF_RUN_DIR': str(tmp_path)})
        os.kill(int(starts.stdout.readline()), signal.SIGTERM)
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')


class Lines:
    """Random lines about p2p1: any options, words in any order, the device anywhere."""

    OPTIONS = ['-c=never', '-c', '-c=auto', '-color=always', '-h', '-iec', '-N', '-r', '-t', '-0', '-4', '-6', '-B', '-d', '-s', '-s', '-o', '-br', '-j', '-p', '-l 3', '-rc 65536', '-f link',
               '--json', '--details', '-stat', '-oneline', '-a', '-b', '-bogus', '-n nosuch', '--']
    WORDS = [['up', 'down'], ['mtu 1400', 'mtu 68'], ['address 02:00:00:00:07:01', 'a 02:00:00:00:07:02'], ['promisc on', 'promisc off'], ['allmulticast on'], ['multicast off'], ['arp off', 'arp on'],
             ['alias fast', 'alias up'], ['txqueuelen 7', 'qlen 8', 'txqlen 9'], ['master br9', 'm br9', 'nomaster', 'nom'], ['group 5', 'group default'], ['mode dormant'], ['name p2p1'], ['protodown off'],
             ['addrgenmode none'], ['type veth', 'type bridge_slave cost 5']]
    BAD = ['mtu x', 'mtu 1 mtu 2', 'address 02:00', 'promisc x', 'master nosuch', 'netns nosuch', 'type bogus', 'bogus', 'dev', 'help', 'qlen 1 qlen 2', 'gso_max_size 600000000000']  # one a line: which is told first is not the same
    SHOW = ['up', 'group 5', 'group default', 'master br9', 'nomaster', 'type veth', 'type bridge', 'vrf nosuch', 'help', 'bogus', 'down', 'to 10/8']

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def line(self):
        pick = self.rng.choice
        options = [word for _ in range(pick([0, 0, 1, 2, 3])) for word in pick(self.OPTIONS).split()]
        change = self.rng.random() < 0.6
        if change:
            parts = [pick(words) for words in self.rng.sample(self.WORDS, pick([1, 1, 2, 3]))] + [pick(self.BAD)] * (self.rng.random() < 0.2)
            parts.sort(key=lambda part: part.startswith('type'))  # which takes the rest of the line
        else:
            parts = [pick(self.SHOW)] * pick([0, 1])
        at = self.rng.randint(0, sum(not part.startswith('type') for part in parts))
        device = pick(['p2p1', 'dev p2p1', 'dev p2p1', 'p2p1', 'enp9s0', 'dev nosuch', 'lo' if not change else 'p2p1'])
        if change or self.rng.random() < 0.7:
            parts.insert(at, device)
        return [*options, pick(['link', 'l', 'lin']), pick(['set', 's', 'change', 'se']) if change else pick(['show', 'sh', 'list', 'l', 'lst']), *' '.join(parts).split()]


def test_random_lines_are_done_as_by_the_real_ip(netns, tmp_path):
    """A PF without VFs whose netdev has a twin in another namespace: what the wrapper does to one, the real ip does to the other."""
    seed, n = os.environ.get('ANYVF_SAME_SEED', '20261128'), int(os.environ.get('ANYVF_SAME_LINES', '15'))
    print(f'ANYVF_SAME_SEED={seed} ANYVF_SAME_LINES={n}')
    ours, theirs, lines = netns(), netns(), Lines(seed)
    for ns in ours, theirs:
        ns.run('ip', 'link', 'add', 'p2p1', 'address', '02:00:00:00:07:00', 'type', 'veth', 'peer', 'name', 'x', 'address', '02:00:00:00:07:0f')
        ns.run('ip', 'link', 'add', 'br9', 'address', '02:00:00:00:07:09', 'type', 'bridge')
        ns.run('ip', 'link', 'property', 'add', 'dev', 'p2p1', 'altname', 'enp9s0')
    with ours.popen(BUILD / 'tests' / 'lib' / 'fake_pfd', f'{tmp_path}/swd.sock') as daemon:
        try:
            env = {**os.environ, 'ANYVF_RUN_DIR': str(tmp_path), 'ANYVF': str(DAEMONS / 'anyvf')}
            wait_for(lambda: (tmp_path / 'swd.sock').exists() and not ours.run(DAEMONS / 'anyvf', *'pf add p2p1 uplink dev p2p1 numvfs 0'.split(), check=False, env=env).returncode)
            for line in (lines.line() for _ in range(n)):
                for words in line, ['-d', 'link', 'show', 'p2p1']:
                    done = [ns.run(program, *words, check=False, env=env) for ns, program in ((ours, WRAPPER), (theirs, 'ip'))]
                    got, want = ([d.returncode, *(re.sub(r'_timer +[\d.]+|_timer": *[\d.]+', 'TIMER', text) for text in (d.stdout, d.stderr))] for d in done)
                    assert got == want, f'{words}, of {line}'
        finally:
            daemon.terminate()
