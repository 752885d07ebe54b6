# SPDX-License-Identifier: Apache-2.0
"""libexec/anyvf/ip: the founding document's lines verbatim; what is no PF is the real ip's, unchanged."""
import json

from conftest import ROOT, need_root, run

WRAPPER = ROOT / 'libexec' / 'anyvf' / 'ip'


def both(fake, line):
    """(code, stdout, stderr) of a line by the wrapper and by the real ip."""
    real = run('ip', *line.split(), check=False)
    return fake.run(*line.split(), program=WRAPPER), (real.returncode, real.stdout, real.stderr)


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
                 '-V', '', 'link bogus', 'link show type vlan', 'link set nosuch vf 1 mac 02:00:00:00:00:01', 'netns list'):
        ours, real = both(fake, line)
        assert ours == real, line


def test_without_a_daemon_it_is_the_real_ip(fake):
    fake.stop()
    ours, real = both(fake, '-br link')
    assert ours == real
    ours, real = both(fake, 'link set p2p1 up')
    assert ours == real


def test_host_interface_and_pf_go_up_and_down_together(fake):
    need_root()
    # a veth in a namespace stands for the PF's tap; /sys is remounted so that it shows that namespace
    done = run('unshare', '-n', '-m', 'sh', '-c', f"""
        mount -t sysfs s /sys && ip link add p2p1 type veth peer name x && PATH={WRAPPER.parent}:$PATH &&
        ip link set p2p1 up && ip addr add 192.0.2.1/24 dev p2p1 && ip link set p2p1 mtu 1400 &&
        ip link set p2p1 vf 1 trust on && cat /sys/class/net/p2p1/mtu && ip -br addr show dev p2p1 && ip link show p2p1 &&
        ip link show | grep -c p2p1""", env=fake.env)
    assert done.stdout.startswith('1400\np2p1') and '192.0.2.1/24' in done.stdout and 'trust on' in done.stdout
    assert done.stdout.endswith('\n2\n')  # p2p1@x and its peer's line: the PF is not listed twice
    assert fake.ctl.call('pf.get', pf='p2p1')['config']['mtu'] == 1400
