# SPDX-License-Identifier: Apache-2.0
"""`anyvf pf|vf|mirror|svc`: each command is one call, each refusal names the offending word."""
import json
import os
import subprocess

from conftest import DAEMONS, ROOT, run


def ok(fake, line):
    code, out, err = fake.run(*line.split())
    assert (code, err) == (0, ''), f'{line}: {err}'
    return out


def test_pf_takes_every_word_of_its_table(fake):
    ok(fake, 'pf add p3p1 uplink dev veth9 force host-if on numvfs 7 mode vepa mtu 9000 mac 02:00:00:00:00:07 '
             'unknown-unicast both')
    config = fake.ctl.call('pf.get', pf='p3p1')['config']
    assert config == {'name': 'p3p1', 'uplink': 'dev', 'uplink_arg': 'veth9', 'host_if': True, 'numvfs': 7,
                      'mode': 'vepa', 'mac': '02:00:00:00:00:07', 'mtu': 9000, 'up': True, 'force': True, 'unknown_unicast': 'both',
                      'drift': 'report', 'groups': '', 'eswitch': 'legacy'}
    ok(fake, 'pf set p3p1 numvfs 3 uplink none')
    config = json.loads(ok(fake, '-j pf show p3p1'))[0]['config']
    assert (config['numvfs'], config['uplink'], config['uplink_arg']) == (3, 'none', '')
    ok(fake, 'pf set p3p1 uplink dpdk net_tap0,iface=x')
    assert 'uplink dpdk net_tap0,iface=x' in ok(fake, 'pf show p3p1')
    ok(fake, 'pf del p3p1')
    assert [pf['config']['name'] for pf in json.loads(ok(fake, '-j pf'))] == ['p2p1']


def test_an_output_that_takes_nothing_is_an_error():
    for words in ['help'], ['complete', 'mirror'], ['vf', '--help']:
        with open('/dev/full', 'w', encoding='ascii') as full:
            done = subprocess.run([DAEMONS / 'anyvf', *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert (done.returncode, done.stderr) == (1, 'Error: standard output: No space left on device.\n'), words


def test_words_that_may_follow_are_told(fake):
    assert {'mirror', 'top'} <= set(ok(fake, 'complete').split())
    assert {'add', 'set', 'del', 'show'} == set(ok(fake, 'complete mirror').split())
    assert {'sort', 'drops', 'rx-pps', 'p2p1'} <= set(ok(fake, 'complete top').split())


def test_vf_is_attached_set_shown_and_released(fake):
    assert ok(fake, 'vf attach p2p1 1 vhost socket /tmp/x.sock client') == '/tmp/x.sock\n'
    ok(fake, 'vf attach p2p1 2 tap t0 netns blue')
    ok(fake, 'vf set p2p1 1 trunk 10,20-30 mtu 1400 mac 02:00:00:00:00:09 trust on')
    text = ok(fake, 'vf show p2p1 1')
    assert 'vhost client /tmp/x.sock, waiting' in text and 'trunk 10,20-30, mtu 1400' in text
    assert 'tap t0 netns blue' in ok(fake, 'vf show p2p1')
    vf = json.loads(ok(fake, 'vf show p2p1 2 -j'))[0]
    assert (vf['pf'], vf['vf'], vf['attach']['tap'], vf['attach']['netns']) == ('p2p1', 2, 't0', 'blue')
    assert fake.run('pf', 'set', 'p2p1', 'numvfs', '2') == (1, '', 'Error: VF 2 of p2p1 is attached.\n')
    ok(fake, 'vf detach p2p1 2')
    for words, shown in [('netdev netns blue name net1', 'netdev net1 netns blue, '), ('netdev', 'netdev, '), ('macvtap name vm1', 'macvtap vm1, '), ('vfio', 'vfio ')]:
        ok(fake, f'vf attach p2p1 2 {words}')
        assert f'p2p1 vf 2: {shown}' in ok(fake, 'vf show p2p1 2')
        ok(fake, 'vf detach p2p1 2')
    fake.ctl.call('pf.set', pf='p2p1', by_agent=True, vfs=[{'vf': 1, 'set': {'port_id': 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee'}}])
    assert 'port aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee, server none' in ok(fake, 'vf show p2p1 1')
    ok(fake, 'vf release p2p1 1')
    assert 'not attached' in ok(fake, 'vf show p2p1 1') and 'set: nothing' in ok(fake, 'vf show p2p1 1')
    assert len(json.loads(ok(fake, '-j vf show'))) == 4


def test_a_vf_has_the_smaller_mtu_of_its_own_and_the_pfs(fake):
    def mtus():
        vf = fake.ctl.call('vf.get', pf='p2p1', vf=1)
        return vf['config']['mtu'], vf['status']['mtu']

    assert 'mtu 1500\n' in ok(fake, 'vf show p2p1 1')
    ok(fake, 'vf set p2p1 1 mtu 1450')
    ok(fake, 'pf set p2p1 mtu 1400')
    assert mtus() == (1450, 1400) and 'mtu 1400\n    set: mtu 1450;' in ok(fake, 'vf show p2p1 1')
    ok(fake, 'pf set p2p1 mtu 9000')
    assert mtus() == (1450, 1450)
    ok(fake, 'vf set p2p1 1 mtu 0')
    assert mtus() == (0, 9000)


def test_storm_limits_are_set_each_alone(fake):
    ok(fake, 'vf set p2p1 1 mtu 1400 storm multicast 30 broadcast 40 isolated on')
    ok(fake, 'vf set p2p1 1 storm broadcast off')
    config = fake.ctl.call('vf.get', pf='p2p1', vf=1)['config']
    assert [config[word] for word in ('mtu', 'storm_broadcast', 'storm_multicast', 'isolated')] == [1400, 0, 30, True]
    assert 'isolated on, storm_multicast 30' in ok(fake, 'vf show p2p1 1')


def test_promiscuity_and_unknown_unicast_are_words_of_their_own(fake):
    ok(fake, 'vf set p2p1 1 promisc true')
    assert fake.ctl.call('vf.get', pf='p2p1', vf=1)['config']['promisc'] == 'true'
    assert 'set: promisc true;' in ok(fake, 'vf show p2p1 1')
    ok(fake, 'vf set p2p1 1 promisc unmatched')
    assert 'set: nothing;' in ok(fake, 'vf show p2p1 1')
    ok(fake, 'pf set p2p1 unknown-unicast both')
    assert fake.ctl.call('pf.get', pf='p2p1')['config']['unknown_unicast'] == 'both'
    assert 'unknown-unicast both' in ok(fake, 'pf show p2p1')
    for line, words in ('vf set p2p1 1 promisc on', 'off unmatched true'), ('pf set p2p1 unknown_unicast on', 'uplink both'):
        code, _, err = fake.run(*line.split())
        assert code == 255 and '"on"' in err and all(word in err for word in words.split()), err


def test_trunk_lists_are_added_to_and_removed_from(fake):
    def trunk(words):
        ok(fake, f'vf set p2p1 1 {words}')
        config = fake.ctl.call('vf.get', pf='p2p1', vf=1)['config']
        return config['trunk'], config['native']

    assert trunk('trunk add 10,20-30 native 5') == ('10,20-30', 5)
    assert 'trunk 10,20-30, native 5' in ok(fake, 'vf show p2p1 1')
    assert trunk('trunk add 40 trunk add 31 trunk rem 10') == ('20-31,40', 5)
    assert trunk('vlan 0') == ('20-31,40', 5)
    assert trunk('native none trunk rem 20-31 mtu 1400') == ('40', 0)
    assert trunk('trunk rem 40') == ('none', 0)
    assert 'trunk none' in ok(fake, 'vf show p2p1 1')
    assert fake.run(*'vf set p2p1 1 trunk any trunk rem 5'.split())[2].startswith('Error: trunk rem: the trunk is unset')
    assert trunk('native 5') == ('none', 5)  # nothing of the refused line was done
    assert fake.run(*'vf set p2p1 1 vlan 7'.split())[0] == 1 and fake.link('set p2p1 vf 1 vlan 7')[0] == 2


def test_drops_are_told_by_reason(fake):
    assert ok(fake, 'vf drops p2p1 1') == 'p2p1 vf 1: 0 dropped\n'
    shown, = json.loads(ok(fake, '-j vf drops p2p1 1'))
    assert (shown['pf'], shown['vf']) == ('p2p1', 1)
    assert {'reason': 'spoof_mac', 'count': 0} in shown['drops']


def test_mirror_and_service_port_come_and_go(fake):
    ok(fake, 'mirror add m from vf p2p1 1 in to vf p2p1 2')
    ok(fake, 'mirror add n from vf p2p1 1 to vf p2p1 3')
    assert ok(fake, 'mirror show m') == 'm: from vf p2p1 1 in to vf p2p1 2, mirrored 0, dropped 0\n'
    assert [m['dir'] for m in json.loads(ok(fake, '-j mirror show'))] == ['in', 'both']
    ok(fake, 'mirror set m from vlan p2p1 7 out filter vlan 1-3 filter ether 0x86dd snap 96')
    assert ok(fake, 'mirror show m') == ('m: from vlan p2p1 7 out filter vlan 1-3 filter ether 0x86dd snap 96 to vf p2p1 2, '
                                         'mirrored 0, dropped 0\n')
    assert json.loads(ok(fake, '-j mirror show m')) == [
        {'name': 'm', 'from_pf': 'p2p1', 'dir': 'out', 'to_pf': 'p2p1', 'to_vf': 2, 'from': 'vlan', 'from_vlan': 7,
         'vlans': '1-3', 'ether': 0x86dd, 'snap': 96, 'to': 'vf', 'mirrored': 0, 'dropped': 0}]
    ok(fake, 'mirror del m')
    assert fake.run('mirror', 'show', 'm')[0] == 1
    ok(fake, 'svc add p2p1 dhcp0 vlan 5 mtu 1400 mac 02:00:00:00:00:0a netns blue')
    assert ok(fake, 'svc show') == 'p2p1: dhcp0: mac 02:00:00:00:00:0a, vlan 5, mtu 1400, netns blue\n'
    ok(fake, 'svc del p2p1 dhcp0')
    assert json.loads(ok(fake, '-j svc show')) == []
    assert json.loads(ok(fake, '-j svc show p2p1')) == [] and ok(fake, 'svc show p2p1') == ''
    assert fake.run('svc', 'show', 'p9')[0] == 1


def test_refusals_name_the_word(fake):
    cases = {
        'pf': 0, 'pf bogus': '"bogus"', 'pf add': 'not complete', 'pf add x foo 1': '"foo"', 'pf add x uplink': 'not complete',
        'pf add x uplink hub y': '"hub"', 'pf add x uplink dev': 'not complete', 'pf add x numvfs': 'not complete',
        'pf add x numvfs many': '"many"', 'pf add x numvfs 257': '257', 'pf add a/b': '"a/b"', 'pf add p2p1': 'p2p1',
        'pf add averyverylongname': '"averyverylongname" is longer', 'pf add x mtu 5': 'mtu 5', 'pf set p2p1': 'not complete', 'pf del': 'not complete',
        'pf del nosuch': 'nosuch', 'pf del p2p1 now': '"now"', 'vf attach p2p1': 'not complete', 'vf attach p2p1 x tap t': '"x"',
        'vf attach p2p1 256 tap t': '"256"', 'vf attach p2p1 1': 'not complete', 'vf attach p2p1 1 cable': '"cable" is wrong: expected "vhost" or "tap"',
        'vf attach p2p1 1 tap': 'not complete', 'vf attach p2p1 1 tap interface-name-too-long': 'longer', 'vf attach p2p1 1 none': 'detach',
        'vf attach p2p1 1 vfio now': '"now"', 'vf attach p2p1 1 macvtap netns blue': '"netns" is not a word', 'vf attach p2p1 1 netdev name': 'not complete',
        'vf attach p2p1 1 vhost foo': '"foo"', 'vf attach p2p1 1 vhost socket': 'not complete', 'vf attach p2p1 9 vhost': 'no VF 9',
        'vf detach p2p1 1': 'not attached', 'vf set p2p1 1': 'not complete', 'vf set p2p1 1 trunk 5-1': '"5-1"',
        'vf set p2p1 1 trunk add': 'not complete', 'vf set p2p1 1 trunk rem': 'not complete', 'vf set p2p1 1 trunk add 30-20': '"30-20"',
        'vf set p2p1 1 trunk add 4095': '4095', 'vf set p2p1 1 trunk rem 7,4096': '"7,4096"', 'vf set p2p1 1 trunk add 0': 'VLAN 0 ',
        'vf set p2p1 1 trunk add any': '"any"', 'vf set p2p1 1 trunk rem none': '"none"', 'vf set p2p1 1 trunk add x': '"x"',
        'vf set p2p1 1 trunk add 5,': '"5,"', 'vf set p2p1 1 trunk 10,4095': '4095', 'vf set p2p1 1 trunk rem 5': 'trunk is unset',
        'vf set p2p1 1 mtu 1501': "mtu 1501 is above the PF's 1500", 'vf set p2p1 1 mtu 67': 'mtu 67', 'vf set p2p1 1 mtu big': '"big"',
        'vf set p2p1 1 native 4095': '4095', 'vf set p2p1 1 native x': '"x"', 'vf set p2p1 1 native': 'not complete',
        'vf set p2p1 1 native 5 vlan 7': 'native 5 and vlan 7', 'vf set p2p1 1 native -1': '"-1"',
        'vf set p2p1 1 vlan 5000': '5000', 'vf set p2p1 1 isolated maybe': '"maybe"',
        'vf set p2p1 1 storm': 'not complete', 'vf set p2p1 1 storm unicast 5': '"unicast"', 'vf set p2p1 1 storm broadcast': 'not complete',
        'vf set p2p1 1 storm broadcast lots': '"lots"', 'vf set p2p1 1 storm multicast 10000001': '10000001',
        'vf set p2p1 1 storm broadcast 5 unicast 6': '"unicast"', 'vf set p2p1 1 qos 8': 'qos 8', 'vf set p2p1 1 port_id x': '"port_id"',
        'vf set p2p1 1 trunk any trunk none': 'duplicate "trunk": "none"', 'vf set p2p1 1 native 5 native 6': 'duplicate "native": "6"',
        'vf set p2p1 1 storm broadcast 5 storm broadcast 6': 'duplicate "broadcast": "6"', 'pf add x mtu 1500 mtu 1400': '"1400"',
        'pf add x uplink none uplink dev eth1': 'duplicate "uplink": "dev"',
        'vf set p2p1 1 trunk 5-': 'trunk: "5-" is no VLAN list, as 10,20-30', 'vf set p2p1 1 trunk rem x': 'trunk: "x"', 'vf set p2p1 1 mac 02:00': 'mac: "02:00"',
        'vf set p2p1 1 allowed add x': 'allowed: "x"', 'pf set p2p1 mac 01:00:00:00:00:01': 'mac 01:00:00:00:00:01',
        'vf drops': 'not complete', 'vf drops p2p1': 'not complete', 'vf drops p2p1 x': '"x"', 'vf drops nosuch 1': 'nosuch',
        'vf drops p2p1 9': 'no VF 9', 'vf drops p2p1 1 all': '"all"', 'vf show nosuch': 'nosuch', 'vf show p2p1 9': 'no VF 9', 'vf show p2p1 1 2': '"2"', 'mirror add': 'not complete',
        'mirror add m frm': '"frm"', 'mirror add m from pf': 'not complete', 'mirror add m from vf p2p1 1 sideways to': '"sideways"',
        'mirror add m from vf p2p1 1 to vf p2p1 9': 'no VF 9', 'mirror del nosuch': 'nosuch', 'mirror set nosuch in': 'nosuch', 'mirror add m from cable': '"cable"',
        'mirror set m': 'not complete', 'svc add p2p1': 'not complete',
        'svc add p2p1 x vlan 5000': '5000', 'svc del p2p1 x': 'x', 'bogus': '"bogus"',
    }
    for line, says in cases.items():
        code, _, err = fake.run(*line.split())
        assert code == 0 if says == 0 else code in (1, 255) and says in err, f'{line}: {code} {err}'
    assert len(fake.ctl.call('pf.list')) == 1


def test_every_object_has_help(fake):
    top = ok(fake, 'help')
    for word in 'link', 'pf', 'vf', 'mirror', 'svc':
        assert f'  {word} ' in top and f'anyvf ' in ok(fake, f'{word} help')
    assert 'tags the guest may use' in ok(fake, 'vf help')
    for line in 'vf --help', 'vf set help', 'mirror add m -h', 'capture p2p1 vf 2 --help', 'top -help', 'console --help', 'up --help':
        assert ok(fake, line) == ok(fake, f'{line.split()[0]} help')
    assert fake.run('link', '--help')[0] == 255 and fake.run('pf', 'del', 'help')[0] == 1


def test_manual_pages_have_every_word_of_help(fake):
    for word in 'link', 'pf', 'vf', 'mirror', 'svc', 'up', 'down', 'status', 'console':
        page = 'up' if word in ('up', 'down', 'status', 'console') else word
        text = (ROOT / 'man' / f'anyvf-{page}.8').read_text()
        for line in ok(fake, f'{word} help').splitlines():
            if line.startswith('  ') and not line.startswith('   '):
                assert line.split()[0] in text, f'{word}: {line}'
        assert f'Xr anyvf-{page} 8' in (ROOT / 'man' / 'anyvf.8').read_text()


def test_no_daemon_is_told_with_the_way_to_start_it(tmp_path):
    for line in 'pf show', 'pf add x', 'vf show p2p1 1', 'mirror show':
        done = run(DAEMONS / 'anyvf', *line.split(), check=False, env={'ANYVF_RUN_DIR': str(tmp_path)})
        assert done.returncode == 1 and 'anyvf up' in done.stderr, line


def test_words_that_are_not_utf8_are_refused(fake):
    for line in (b'pf set p2p1 uplink dev \xff', b'vf attach p2p1 1 tap \xff', b'mirror add \xff from vf p2p1 1 to vf p2p1 2',
                 b'svc add p2p1 \xff', b'pf del \xff', b'link show \xff', b'link set \xff vf 1 trust on'):
        code, _, err = fake.run(*(os.fsdecode(word) for word in line.split()))
        assert code == 1 and err, line


def test_completion_follows_the_tables(fake):
    def after(line):
        return set(ok(fake, f'complete {line}').split())
    assert {'link', 'pf', 'vf', 'up', 'console'} <= after('') and 'complete' not in after('')
    assert after('vf') == {'attach', 'detach', 'release', 'set', 'show', 'drops'}
    assert {'p2p1', 'trunk', 'spoofchk', 'vhost'} <= after('vf set') and 'port_id' not in after('vf set')
    assert {'p2p1', 'vf', 'mac', 'rate', 'up'} <= after('link set') and after('nosuch') == set()
