# SPDX-License-Identifier: Apache-2.0
"""`anyvf link` is `ip link`: netdevsim's answers to every VF word, iproute2's refusals byte for byte.

The expectations of ACCEPTED were observed on a kernel 6.1 netdevsim with iproute2 6.1; those of
REFUSED are asked of the real `ip` in the same test, on a veth of a namespace of its own.
"""
import json
import os

import pytest

from conftest import DAEMONS, run

ZERO = '00:00:00:00:00:00'
INVALID = 'RTNETLINK answers: Invalid argument\n'
UNSUPPORTED = 'RTNETLINK answers: Operation not supported\n'

# (words behind `vf 1`, exit code, stderr, what VF 1's line then shows), one after the other
ACCEPTED = [
    ('spoofchk off', 0, '', {}),
    ('mac 02:aa:bb:cc:dd:01', 0, '', {'mac': '02:aa:bb:cc:dd:01'}),
    ('mac 01:00:5e:00:00:01', 2, INVALID, {'mac': '02:aa:bb:cc:dd:01'}),
    ('mac ff:ff:ff:ff:ff:ff', 2, INVALID, {'mac': '02:aa:bb:cc:dd:01'}),
    ('mac 00:00:00:00:00:00', 0, '', {}),
    ('vlan 100', 0, '', {'words': ', vlan 100'}),
    ('vlan 100 qos 3', 0, '', {'words': ', vlan 100, qos 3'}),
    ('vlan 100 qos 8', 2, INVALID, {'words': ', vlan 100, qos 3'}),
    ('vlan 4095', 0, '', {'words': ', vlan 4095'}),
    ('vlan 0 qos 5', 0, '', {'words': ', qos 5'}),
    ('vlan 100 qos 3 proto 802.1ad', 0, '', {'words': ', vlan 100, qos 3, vlan protocol 802.1ad'}),
    ('vlan 100 proto 802.1ad vlan 200 proto 802.1Q', 2, UNSUPPORTED, {'words': ', vlan 100, qos 3, vlan protocol 802.1ad'}),
    ('vlan 100 proto 802.1Q vlan 200 proto 802.1Q', 0, '', {'words': ', vlan 200'}),
    ('vlan 0', 0, '', {}),
    ('rate 100', 0, '', {'words': ', tx rate 100 (Mbps), max_tx_rate 100Mbps'}),
    ('max_tx_rate 5000', 0, '', {'words': ', tx rate 5000 (Mbps), max_tx_rate 5000Mbps'}),
    ('min_tx_rate 10', 0, '', {'words': ', tx rate 5000 (Mbps), max_tx_rate 5000Mbps, min_tx_rate 10Mbps'}),
    ('max_tx_rate 200 min_tx_rate 100', 0, '', {'words': ', tx rate 200 (Mbps), max_tx_rate 200Mbps, min_tx_rate 100Mbps'}),
    ('max_tx_rate 50', 1, 'Invalid min_tx_rate 100 - must be <= max_tx_rate 50\n',
     {'words': ', tx rate 200 (Mbps), max_tx_rate 200Mbps, min_tx_rate 100Mbps'}),
    ('min_tx_rate 300', 1, 'Invalid min_tx_rate 300 - must be <= max_tx_rate 200\n',
     {'words': ', tx rate 200 (Mbps), max_tx_rate 200Mbps, min_tx_rate 100Mbps'}),
    ('rate 50', 2, INVALID, {'words': ', tx rate 200 (Mbps), max_tx_rate 200Mbps, min_tx_rate 100Mbps'}),
    ('max_tx_rate 0', 0, '', {'words': ', min_tx_rate 100Mbps'}),
    ('rate 0', 0, '', {'words': ', min_tx_rate 100Mbps'}),
    ('rate 300 min_tx_rate 7', 0, '', {'words': ', tx rate 300 (Mbps), max_tx_rate 300Mbps, min_tx_rate 7Mbps'}),
    ('rate 9 max_tx_rate 0 min_tx_rate 0', 0, '', {}),
    ('spoofchk on', 0, '', {'spoof': 'on'}),
    ('spoofchk off', 0, '', {}),
    ('query_rss on', 0, '', {'rss': 'on'}),
    ('query_rss off', 0, '', {}),
    ('state enable', 0, '', {'state': 'enable'}),
    ('state disable', 0, '', {'state': 'disable'}),
    ('state auto', 0, '', {}),
    ('trust on', 0, '', {'trust': 'on'}),
    ('trust off', 0, '', {}),
    ('node_guid 00:11:22:33:44:55:66:77', 2, UNSUPPORTED, {}),
    ('port_guid 00:11:22:33:44:55:66:77', 2, UNSUPPORTED, {}),
    ('m 2:aa:bb:cc:dd:1 v 7 q 1 p 802.1q s on t on st e', 0, '',
     {'mac': '02:aa:bb:cc:dd:01', 'words': ', vlan 7, qos 1', 'spoof': 'on', 'trust': 'on', 'state': 'enable'}),
    ('mac 00:00:00:00:00:00 vlan 0 spoofchk of trust o state a', 0, '', {}),
    # unlike the kernel, nothing of a refused line is applied
    ('mac 02:aa:bb:cc:dd:02 vlan 5 vf 9 trust on', 2, INVALID, {}),
    ('trust on vf 0 mac 01:00:00:00:00:00', 2, INVALID, {}),
]

# words behind `link set` that iproute2 refuses by itself
REFUSED = '''
||dev|p2p1 bogus|nosuch|nosuch up|nosuch bogus|dev p2p1 dev p2p1|p2p1 p2p1|p2p1 dev|a/b up|up down
p2p1 mtu|p2p1 mtu x|p2p1 mtu 9999999999|p2p1 mtu 1400 mtu 1300|p2p1 mtu 9|p2p1 address|p2p1 address zz
p2p1 address 02:aa|p2p1 addr 01:00:00:00:00:01|p2p1 a 00:00:00:00:00:00|nosuch address 02:aa|vf|vf 0|vf x|vf 0 trust on
up vf 0 trust on p2p1|p2p1 vf|p2p1 vf x|p2p1 vf 99999999999|p2p1 vf help|p2p1 vf 1|p2p1 vf 1 bogus|nosuch vf x trust on
nosuch vf 0 trust on|nosuch vf 0 bogus|nosuch vf 0 mac zz|nosuch vf 0 mac 02:aa|nosuch vf 0 mac 02:aa spoofchk x
nosuch vf 0 max_tx_rate 5|nosuch vf 0 max_tx_rate 5 min_tx_rate 9|nosuch vf 0 trust on vf 1 spoofchk x
p2p1 vf 1 mac|p2p1 vf 1 mac zz|p2p1 vf 1 mac 02:aa|p2p1 vf 1 mac 02:aa:bb:cc:dd:1ff|p2p1 vf 1 mac 02:aa:bb:cc:dd:ee:ff
p2p1 vf 1 mac 02:aa:bb:cc:dd:|p2p1 vf 1 mac ::|p2p1 vf 1 mac 1.2.3.4|p2p1 vf 1 mac 1.2.3.400|p2p1 vf 1 mac 02-aa
p2p1 vf 1 mac aa:bb:cc:dd:ee:-1|p2p1 vf 1 mac 02:aa spoofchk x|p2p1 vf 1 mac 02:00:00:00:00:01 mac 02:aa
p2p1 vf 1 mac 02:aa vf 2 spoofchk x|p2p1 vf 1 mac 02:00:00:00:00:01 bogus|p2p1 vf 1 mac 02:00:00:00:00:01 vf 2
p2p1 vf 1 vlan|p2p1 vf 1 vlan x|p2p1 vf 1 vlan -1|p2p1 vf 1 vlan 4096|p2p1 vf 1 vlan 5 qos|p2p1 vf 1 vlan 5 qos x
p2p1 vf 1 vlan 5 proto|p2p1 vf 1 vlan 5 proto foo|p2p1 vf 1 vlan 5 proto ip|p2p1 vf 1 vlan 5 proto 5
p2p1 vf 1 vlan 5 proto 99999|p2p1 vf 1 vlan 5 proto 802.1Q qos 3|p2p1 vf 1 vlan 5 qos 1 proto 802.1ad vlan 7 proto x
p2p1 vf 1 rate|p2p1 vf 1 rate x|p2p1 vf 1 rate -1|p2p1 vf 1 rate 5000000000|p2p1 vf 1 max_tx_rate x|p2p1 vf 1 min_tx_rate x
p2p1 vf 1 max_tx_rate 5 min_tx_rate 6|p2p1 vf 1 rate 7 min_tx_rate 9|p2p1 vf 1 min_tx_rate 3000000000 max_tx_rate 5
p2p1 vf 1 spoofchk|p2p1 vf 1 spoofchk maybe|p2p1 vf 1 query_rss x|p2p1 vf 1 trust x|p2p1 vf 1 trust ON|p2p1 vf 1 tr x
p2p1 vf 1 q x|p2p1 vf 1 state|p2p1 vf 1 state x|p2p1 vf 1 state enabled|p2p1 vf 1 node_guid|p2p1 vf 1 node_guid x
p2p1 vf 1 port_guid 0011223344556677|p2p1 vf 1 node_guid 1:2:3:4:5:6:7:8|p2p1 vf 1 node_guid 00:11:22:33:44:55:66:zz
p2p1 vf 1 r x|p2p1 vf 1 n x|p2p1 vf 1 p x|p2p1 vf 1 v x|p2p1 vf 1 vlan 1 spoofchk x|p2p1 u|p2p1 mt 1500
'''
SHOW_REFUSED = ['show nosuch', 'show dev', 'show p2p1 p2p1', 'show p2p1 bogus', 'sho nosuch', 'l nosuch',
                'shows', 'foo', 'show dev p2p1 dev p2p1', 'show thisnameisfartoolong', 'li nosuch']
OBJECTS = ['foo', 'linkx', '-x link', '-sd link']


def vf_line(vf, mac=ZERO, words='', spoof='off', state='auto', trust='off', rss='off'):
    return (f'    vf {vf}     link/ether {mac} brd ff:ff:ff:ff:ff:ff{words}, spoof checking {spoof}, '
            f'link-state {state}, trust {trust}, query_rss {rss}')


def test_25_every_vf_word_answers_and_shows_as_on_netdevsim(fake):
    for words, code, err, shown in ACCEPTED:
        assert fake.link(f'set dev p2p1 vf 1 {words}') == (code, '', err), words
        assert fake.link('show p2p1')[1].splitlines()[3] == vf_line(1, **shown), words


def test_26_vf_out_of_range_is_the_kernels_refusal(fake):
    for words in 'vf 4 mac 02:aa:bb:cc:dd:01', 'vf 4 state auto', 'vf -1 trust on', 'vf 4 max_tx_rate 5 min_tx_rate 1', 'vf 70000 rate 1':
        assert fake.link(f'set p2p1 {words}') == (2, '', INVALID), words


def test_vf_out_of_range_has_no_other_rate_to_read(fake):
    for words, vf in ('vf 4 max_tx_rate 5', 4), ('vf -1 min_tx_rate 5 trust on', -1):
        assert fake.link(f'set p2p1 {words}') == (1, '', f'Cannot find VF {vf}\n'), words


def test_of_several_refusals_the_kernels_first_is_told(fake):
    before = fake.link('show p2p1')
    guid, bad, two = 'node_guid 00:11:22:33:44:55:66:77', 'mac 01:00:00:00:00:01', 'vlan 1 proto 802.1ad vlan 2'
    for words, err in [(f'vf 1 {guid}', UNSUPPORTED), (f'vf 9 {guid}', UNSUPPORTED), (f'vf -1 {guid}', INVALID),
                       (f'vf 1 {guid} {bad}', INVALID), (f'vf 9 {guid} trust on', INVALID), (f'vf 1 trust on {guid}', UNSUPPORTED),
                       (f'vf 1 {two} {bad}', INVALID), (f'vf 9 {two}', UNSUPPORTED), (f'vf 9 {two} trust on', UNSUPPORTED),
                       (f'vf 1 {two} qos 9', UNSUPPORTED), (f'vf 1 {two} trust on vlan 3 qos 9', INVALID),
                       ('vf 1 vlan 1 qos 9 vlan 3 proto 802.1ad', INVALID), ('mtu 67 address 01:00:00:00:00:01 vf 9 trust on',
                                                                            'RTNETLINK answers: Cannot assign requested address\n')]:
        assert fake.link(f'set p2p1 {words}') == (2, '', err), words
    assert fake.link('show p2p1') == before
    # a VLAN of 802.1ad is applied behind one of 802.1Q, whatever the order of words
    assert fake.link('set p2p1 vf 1 vlan 3 proto 802.1ad trust on vlan 5 qos 1') == (0, '', '')
    assert ', vlan 3, vlan protocol 802.1ad,' in fake.link('show p2p1')[1]


def test_new_pf_shows_as_an_igb(fake):
    code, out, err = fake.link('show p2p1')
    index = json.loads(fake.run('-j', 'link')[1])[0]['ifindex']
    assert (code, err) == (0, '')
    assert out == '\n'.join([
        f'{index}: p2p1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noop state UP mode DEFAULT group default qlen 1000',
        '    link/ether 02:00:00:00:01:00 brd ff:ff:ff:ff:ff:ff',
        *(vf_line(n, spoof='on') for n in range(4))]) + '\n'


def test_pf_goes_down_and_up(fake):
    assert fake.link('set p2p1 down') == (0, '', '')
    assert '<BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN mode' in fake.link('show p2p1')[1]
    assert fake.link('show p2p1 up') == (0, '', '') and fake.run('-j', 'link', 'show', 'up') == (0, '[{}]\n', '')
    assert fake.link('set dev p2p1 up mtu 9000 address 02:00:00:00:02:00') == (0, '', '')
    out = fake.link('show p2p1')[1]
    assert '<BROADCAST,MULTICAST,UP,LOWER_UP> mtu 9000' in out and 'link/ether 02:00:00:00:02:00 ' in out


def test_25_json_has_iproute2s_keys_in_their_order(fake):
    fake.link('set p2p1 vf 0 vlan 5 qos 2 rate 10 vf 2 vlan 3 proto 802.1ad vf 3 mac 02:aa:bb:cc:dd:01')
    out = fake.run('-j', 'link', 'show', 'p2p1')[1]
    assert out.startswith('[{"ifindex":') and out.endswith('}]}]\n')
    vfs = out[out.index('"vfinfo_list":[') + 15:]
    assert vfs.startswith(
        '{"vf":0,"link_type":"ether","address":"00:00:00:00:00:00","broadcast":"ff:ff:ff:ff:ff:ff",'
        '"vlan_list":[{"vlan":5,"qos":2}],"tx_rate":10,"rate":{"max_tx":10,"min_tx":0},"spoofchk":true,'
        '"link_state":"auto","trust":false,"query_rss_en":false},{"vf":1,')
    assert '{"vf":2,' in vfs and '"vlan_list":[{"vlan":3,"protocol":"802.1ad"}],"rate"' in vfs
    assert ('"operstate":"UP","linkmode":"DEFAULT","group":"default","txqlen":1000,"link_type":"ether",'
            '"address":"02:00:00:00:01:00","broadcast":"ff:ff:ff:ff:ff:ff","vfinfo_list"') in out
    detailed = json.loads(fake.run('-d', '-s', '-j', 'link')[1])[0]
    assert detailed['parentbus'] == 'pci' and detailed['min_mtu'] == 68
    assert list(detailed['vfinfo_list'][0]['stats']['tx']) == ['tx_bytes', 'tx_packets', 'dropped']


def test_pretty_json_breaks_lines_as_iproute2(fake):
    lines = fake.run('-p', '-j', 'link', 'show', 'p2p1')[1].splitlines()
    assert lines[0] == '[ {' and lines[-1] == '    } ]'
    assert '        "flags": [ "BROADCAST","MULTICAST","UP","LOWER_UP" ],' in lines
    at = lines.index('        "vfinfo_list": [ {')
    assert lines[at + 1] == '                "vf": 0,'
    assert '                "vlan_list": [ {} ],' in lines
    assert '            },{' in lines and lines[-2] == '            } ]'


def test_statistics_stand_in_iproute2s_columns(fake):
    out = fake.run('-s', 'link', 'show', 'p2p1')[1].splitlines()
    assert out[2:6] == ['    RX:  bytes packets errors dropped  missed   mcast           ',
                        '             0       0      0       0       0       0 ',
                        '    TX:  bytes packets errors dropped carrier collsns           ',
                        '             0       0      0       0       0       0 ']
    assert out[7:11] == ['    RX: bytes  packets  mcast   bcast   dropped ',
                         '             0        0       0       0        0 ',
                         '    TX: bytes  packets   dropped ',
                         '             0        0        0 ']


def test_kinds_of_errors_are_shown_when_asked_twice(fake):
    out = fake.run('-s', '-s', 'link', 'show', 'p2p1')[1].splitlines()
    assert out[4:6] == ['    RX errors:  length    crc   frame    fifo overrun', '                     0      0       0       0       0 ']
    assert out[8:10] == ['    TX errors: aborted   fifo  window heartbt transns', '                     0      0       0       0       0 ']
    stats = json.loads(fake.run('-s', '-s', '-j', 'link')[1])[0]['stats64']
    assert list(stats['rx'])[6:] == ['length_errors', 'crc_errors', 'frame_errors', 'fifo_errors', 'missed_errors']
    assert list(stats['tx'])[6:] == ['aborted_errors', 'fifo_errors', 'window_errors', 'heartbeat_errors', 'carrier_changes']


def test_address_generation_is_shown_where_ipv6_is(fake):
    for mtu, there in ('1280', True), ('1279', False), ('1500', True):
        fake.link(f'set p2p1 mtu {mtu}')
        assert (' addrgenmode eui64 ' in fake.run('-d', 'link')[1]) == there
        assert ('inet6_addr_gen_mode' in fake.run('-d', '-j', 'link')[1]) == there


def test_options_stand_before_or_behind_the_object(fake):
    want = fake.run('-j', '-p', 'link', 'show', 'p2p1')
    assert want[0] == 0 and fake.run('link', 'show', 'p2p1', '-j', '-p') == want
    assert fake.run('--json', '-pretty', 'l', 'sh', 'dev', 'p2p1') == want


def real_ip(words):
    """The real ip on a veth p2p1 in a namespace that ends with it."""
    done = run('unshare', '-n', 'sh', '-c',
               'ip link add p2p1 type veth peer name x0 && exec ip "$@"', 'sh', *words.split(), check=False)
    return done.returncode, done.stderr


def needs_real_ip():
    if os.geteuid() != 0:
        pytest.skip('needs root')
    if 'iproute2-6.1' not in run('ip', '-V').stdout:
        pytest.skip('the installed ip is not 6.1')


def test_26_refusals_are_those_of_the_real_ip(fake):
    needs_real_ip()
    lines = [f'link set {w}' for w in REFUSED.replace('\n', '|').split('|')] + [f'link {w}' for w in SHOW_REFUSED] + OBJECTS
    for words in dict.fromkeys(lines):
        code, _, err = fake.run(*words.split())
        assert (code, err.replace('"anyvf ', '"ip ')) == real_ip(words), words


def test_without_a_daemon_the_way_to_start_one_is_named():
    done = run(DAEMONS / 'anyvf', 'link', 'show', check=False, env={**os.environ, 'ANYVF_RUN_DIR': '/nonexistent'})
    assert done.returncode == 1 and 'anyvf up' in done.stderr


def test_show_warns_of_vfs_that_share_an_address(fake):
    fake.run('link', 'set', 'p2p1', 'vf', '0', 'mac', '02:aa:bb:cc:dd:01', 'vf', '1', 'mac', '02:aa:bb:cc:dd:02')
    assert fake.run('link', 'show', 'p2p1')[2] == ''
    fake.run('link', 'set', 'p2p1', 'vf', '1', 'mac', '02:aa:bb:cc:dd:01', 'vf', '3', 'mac', '02:aa:bb:cc:dd:01')
    for words in (), ('-j',):
        code, out, err = fake.run(*words, 'link', 'show', 'p2p1')
        assert (code, err) == (0, 'Warning: p2p1: MAC 02:aa:bb:cc:dd:01 belongs to vf 0, vf 1 and vf 3: each gets the '
                                  'frames of all. To copy traffic, see anyvf mirror help.\n')
    fake.run('link', 'set', 'p2p1', 'vf', '1', 'vlan', '5', 'vf', '3', 'vlan', '6')  # these never meet
    assert fake.run('link', 'show', 'p2p1')[2] == ''
