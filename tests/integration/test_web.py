# SPDX-License-Identifier: Apache-2.0
"""`anyvf web`: its door from outside, revisions, changes by the lines it shows; and its page in the real Chromium."""
import errno
import json
import pathlib
import shlex
import signal
import socket
import threading
import time
import types

import pytest
from browser import CONTRAST, NAMELESS, Web, axe, chromium, js, violations  # noqa: F401
from conftest import Daemon, Netns, PATIENCE, Swd, need_root, run, unique, wait_for
from vhost import Guest

PORT = 9742
HOSTILE = '<img src=x onerror=document.title="owned">\x1b[31m&amp;\u202e'
MIRROR = '"/><script>document.title=1</script>\' x'
POLICY = {
    'Content-Security-Policy': "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
                               "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Resource-Policy': 'same-origin'}


@pytest.fixture(scope='module')
def switch(request, tmp_path_factory):
    """A still switch: taps in namespaces, a vhost guest whose frames were dropped, a guest that is awaited, mirrors, hostile names."""
    need_root()
    swd = Swd(tmp_path_factory.mktemp('swd'))
    swd.ns = [Netns() for _ in range(2)]
    for space in swd.ns:
        request.addfinalizer(space.delete)
    request.addfinalizer(swd.stop)
    swd.start()
    swd.call('pf.add', name='p2p1', numvfs=6)
    swd.call('pf.add', name='p2p2', numvfs=1)
    sets = {0: {'mac': '02:00:00:00:00:09'}, 2: {'vlan': 7, 'port_id': 'port-2'}, 3: {'vlan': 7, 'server': HOSTILE, 'max_tx_rate': 900}, 4: {'trunk': '10,20-30'}}
    swd.call('pf.set', pf='p2p1', vfs=[{'vf': n, 'set': words} for n, words in sets.items()])
    for i, space in enumerate(swd.ns):
        swd.attach_tap('p2p1', i + 2, space, addr=f'10.77.0.{i + 1}/24')
    guest = Guest(swd.call('vf.attach', pf='p2p1', vf=0, kind='vhost')['socket'])
    swd.call('vf.attach', pf='p2p1', vf=1, kind='vhost')
    for _ in range(20):  # not its address: dropped
        guest.send(b'\xff' * 6 + b'\x02\0\0\0\0\x77' + b'\x88\xb5' + bytes(46))
    swd.call('mirror.add', name=MIRROR, from_pf='p2p1', from_vf=2, to_pf='p2p1', to_vf=0)
    swd.tap = unique('m')
    swd.call('mirror.add', name='probe', from_pf='p2p1', from_vf=3, to='tap', tap=swd.tap)
    wait_for(lambda: swd.drops('p2p1', 0).get('spoof_mac') == 20)
    request.addfinalizer(guest.close)
    return swd


@pytest.fixture
def web(switch):
    got = Web(switch, '--write', port=PORT + 1)
    got.enter()
    yield got
    got.stop()


def test_only_the_session_on_this_address_is_served(switch):
    web = Web(switch, port=PORT + 1)
    try:
        assert web.ask('/')[0] == web.ask('/state')[0] == web.ask('/page.js')[0] == 403
        assert web.ask(web.token[:-1] + 'x')[0] == 403
        with socket.create_connection(('127.0.0.1', PORT + 1), timeout=10 * PATIENCE) as sock:  # refused before its body ends
            sock.sendall(f'POST /change HTTP/1.1\r\nHost: {web.host}\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\nx'.encode())
            assert sock.recv(4096).startswith(b'HTTP/1.1 403 ')
        assert web.ask(web.token, Host='evil.example')[0] == web.ask(web.token, Origin='http://evil.example')[0] == 403
        headers = web.enter()
        cookie, _, flags = headers['Set-Cookie'].partition(';')
        assert {f.strip() for f in flags.split(';')} == {'Path=/', 'HttpOnly', 'SameSite=Strict'}
        assert {w: headers[w] for w in POLICY} == POLICY
        assert web.ask(web.token, Cookie=None)[0] == 403  # once
        assert web.ask('/')[0] == 200 and web.state()['items']['pf/p2p1']['config']['numvfs'] == 6
        assert web.ask('/state', Cookie=None)[0] == web.ask('/state', Cookie=cookie[:-1] + 'x')[0] == 403
        assert web.ask('/state', Anyvf_Token=None)[0] == web.ask('/state', Anyvf_Token=cookie.partition('=')[2])[0] == 403 and web.ask('/page.js', Anyvf_Token=None)[0] == 200
        for bad in {'Host': 'evil.example'}, {'Host': f'localhost:{PORT}'}, {'Host': None}, {'Origin': 'http://evil.example'}, {'Origin': 'null'}:
            assert web.ask('/state', **bad)[0] in (400, 403), bad
        assert {web.ask(f'/drops?pf=p2p1&vf={vf}')[0] for vf in ('', 'x', '3x', '-1', '256')} == {400} and web.ask('/drops?pf=p2p9&vf=0')[0] == 404
        assert web.ask('/nothing')[0] == 404 and web.ask('/state', 'POST', b'')[0] == 405
        status, _, why = web.ask('/change', 'POST', b'{}', Origin=f'http://{web.host}', Content_Type='application/json')
        assert status == 403 and '--write' in why
    finally:
        web.stop()


def test_an_address_that_others_reach_is_refused(switch):
    for words, why in (['--listen', '0.0.0.0:9742'], 'not on loopback'), (['--listen', '/tmp/x'], 'not ADDRESS:PORT'), (['--listen', '127.0.0.1:0'], 'not ADDRESS:PORT'):
        got = switch.cli('web', *words, check=False)
        assert got.returncode and why in got.stderr
    assert switch.cli('web', 'x', check=False).returncode == 255


def test_who_has_a_revision_waits_for_the_next(switch, web):
    switch.call('pf.add', name='p2p3', numvfs=64)
    first = web.state()
    assert first['whole'] and len([k for k in first['items'] if k.startswith('vf/')]) == 7 + 64
    switch.call('pf.set', pf='p2p3', vfs=[{'vf': 0, 'set': {'vlan': 5}}, {'vf': 40, 'set': {'trunk': '9'}}])  # a number, and a word that is none
    news = web.state(first['revision'])
    assert not news['whole'] and {k for k in news['items'] if k.startswith('vf/')} == {'vf/p2p3/0', 'vf/p2p3/40'}
    assert news['items']['vf/p2p3/40']['config']['trunk'] == '9'
    switch.call('pf.del', pf='p2p3')
    news = web.state(news['revision'])
    assert news['items']['pf/p2p3'] is None and news['items']['vf/p2p3/63'] is None


def test_browsers_that_leave_in_the_middle_leave_nothing(switch, web):
    revision, before = web.state()['revision'], web.files()
    left = []
    for _ in range(150):
        sock = socket.create_connection(('127.0.0.1', PORT + 1), timeout=20 * PATIENCE)
        sock.sendall(f'GET /state?after={revision} HTTP/1.1\r\nHost: {web.host}\r\nCookie: {web.cookie}\r\nAnyvf-Token: {web.token.partition("=")[2]}\r\n\r\n'.encode())
        left.append(sock)
    half = socket.create_connection(('127.0.0.1', PORT + 1), timeout=20 * PATIENCE)
    half.sendall(f'POST /change HTTP/1.1\r\nHost: {web.host}\r\nContent-Le'.encode())
    wait_for(lambda: web.files() > before + 64)
    for sock in [*left, half]:
        sock.close()
    switch.call('pf.set', pf='p2p2', vfs=[{'vf': 0, 'set': {'trunk': '8'}}])
    wait_for(lambda: web.files() <= before + 1, what='the end of connections')
    assert web.state()['revision'] > revision


def test_news_are_pushed_and_while_nobody_looks_nobody_is_asked(tmp_path):
    asked, got = [], []
    pfs = {pf: [{'vf': n, 'stats': {'rx_bytes': 0}} for n in range(many)] for pf, many in (('p2p1', 256), ('p2p2', 9))}
    last = pfs['p2p1'][255]
    daemon = Daemon(tmp_path / 'swd-ro.sock', daemon_info=lambda: asked.append(1) or {'pid': 1, 'changes': 0}, svc_list=[], pf_list=['gone', *pfs],
                    pf_counts=lambda pf: {'pf': {'status': {}}, 'vfs': [[str(vf['stats']['rx_bytes'])] for vf in pfs[pf]]} if pf in pfs else -errno.ENODEV,
                    pf_get=lambda pf, vfs: {'vfs': pfs[pf]}, vf_get=lambda pf, vf: pfs[pf][vf])
    web = Web(types.SimpleNamespace(dir=tmp_path), port=PORT + 1)

    def told(after):
        """The news, of the last VF alone: (revision, bytes, rate)."""
        news = web.state(after)
        (key, vf), = news['items'].items()
        assert key == 'vf/p2p1/255'
        return news['revision'], vf['stats']['rx_bytes'], vf['rates']['rx_bit']
    try:
        web.enter()
        assert not asked
        revision = web.state()['revision']
        time.sleep(1.5)  # a look is due each second
        assert len(asked) == 1
        waits = threading.Thread(target=lambda: got.append(told(revision)))
        waits.start()
        wait_for(lambda: len(asked) > 2)
        last['stats']['rx_bytes'] = 10**6
        looks = len(asked)
        waits.join()  # told by the next look, and none after it
        assert len(asked) <= looks + 1 and got[0][1] == 10**6 and got[0][2] > 0
        looks = len(asked)
        revision, _, rate = told(got[0][0])  # by the next look, though its numbers did not move
        assert rate == 0 and len(asked) == looks + 1
        last['stats']['rx_bytes'] = 7  # as of one that was released
        revision, *what = told(revision)
        assert what == [7, 0]
        pfs['p2p2'][8]['driver'] = 'vfio-pci'  # no number, and no call: seen when its turn comes
        assert set(web.state(revision)['items']) == {'vf/p2p2/8'}
    finally:
        web.stop()
        daemon.close()


def test_a_switch_that_lies_has_rates_all_the_same(tmp_path):
    """One that a guest has broken out into: of any numbers, and of none."""
    asked = []

    def vf_get(pf, vf):
        n = (-2**63, 2**63 - 1)[len(asked) % 2]
        return {'vf': vf, 'stats': [{'rx_bytes': n, 'tx_packets': n, 'drops': {'a': n, 'b': n, 'c': 7}}, {'rx_bytes': 'x', 'drops': [n]}, {'rx_dropped': n, 'tx_dropped': n}, n][vf]}
    daemon = Daemon(tmp_path / 'swd-ro.sock', daemon_info=lambda: asked.append(1) or {'pid': 1, 'changes': 0}, svc_list=[7, {}], mirror_list={'a': 1}, pf_list=['p2p1', 7, None],
                    pf_counts=lambda pf: {'pf': {'status': 7}, 'vfs': ['1*4000000000', None, ['7'], 7]} if pf == 'p2p1' else -errno.ENODEV,
                    pf_get=lambda pf, vfs: {'vfs': [vf_get(pf, n) for n in range(4)]}, vf_get=vf_get)
    web = Web(types.SimpleNamespace(dir=tmp_path), port=PORT + 1)
    try:
        web.enter()
        revision = web.state()['revision']
        for _ in range(3):
            news = web.state(revision)
            revision = news['revision']
            assert not [n for vf in news['items'].values() for n in vf['rates'].values() if not 0 <= n <= 9e15], news
            assert len(news['items']) >= 1
        assert len(asked) >= 4
    finally:
        web.stop()
        daemon.close()


def changes(switch):
    """(words of a change, what it is of before and then) for each change the page has."""
    def vf(*path):
        at = switch.vf('p2p2', 0)
        for word in path:
            at = at[word]
        return at

    def mirror(name):
        return [m['to'] for m in switch.call('mirror.list') if m['name'] == name]
    of, tap, name = {'pf': 'p2p2', 'vf': '0'}, unique('w'), "it's; $(touch /run/owned)"
    yield {'change': 'state', **of, 'state': 'disable'}, lambda: vf('config', 'state'), 'auto', 'disable'
    yield {'change': 'rate', **of, 'mbit': '250'}, lambda: vf('config', 'max_tx_rate'), 0, 250
    yield {'change': 'tap', **of, 'tap': tap}, lambda: vf('attach', 'tap'), '', tap
    yield {'change': 'detach', **of}, lambda: vf('attach', 'kind'), 'tap', 'none'
    yield {'change': 'tap-netns', **of, 'tap': tap, 'netns': switch.ns[0].name}, lambda: vf('attach', 'netns'), '', switch.ns[0].name
    yield {'change': 'detach', **of}, lambda: vf('attach', 'kind'), 'tap', 'none'
    yield {'change': 'vhost', **of}, lambda: vf('attach', 'kind'), 'none', 'vhost'
    yield {'change': 'mirror-vf', 'name': name, 'pf': 'p2p1', 'vf': '2', 'dir': 'in', 'to_pf': 'p2p2', 'to_vf': '0'}, lambda: mirror(name), [], ['vf']
    yield {'change': 'mirror-del', 'name': name}, lambda: mirror(name), ['vf'], []
    yield {'change': 'mirror-tap', 'name': name, 'pf': 'p2p1', 'vf': '2', 'dir': 'both', 'tap': unique('w')}, lambda: mirror(name), [], ['tap']
    yield {'change': 'mirror-del', 'name': name}, lambda: mirror(name), ['tap'], []
    yield {'change': 'detach', **of}, lambda: vf('attach', 'kind'), 'vhost', 'none'
    yield {'change': 'state', **of, 'state': 'auto'}, lambda: vf('config', 'state'), 'disable', 'auto'
    yield {'change': 'rate', **of, 'mbit': '0'}, lambda: vf('config', 'max_tx_rate'), 250, 0


def test_each_change_is_shown_as_its_line_and_then_done(switch, web):
    seen = set()
    for words, look, before, after in changes(switch):
        status, plan = web.change(**words)
        assert status == 200 and look() == before, plan
        assert shlex.split(plan['line'])[0] == 'anyvf' and set(words.values()) - {words['change']} <= set(shlex.split(plan['line']))
        assert web.change(shown={**plan, 'line': plan['line'] + ' '}, **words)[0] == 409 and look() == before
        status, done = web.change(shown={'line': plan['line'], 'was': web.change(**words)[1]['was']}, **words)
        assert (status, done, look()) == (200, {'done': True}, after)
        seen.add(words['change'])
    assert seen == {'state', 'rate', 'tap', 'tap-netns', 'vhost', 'detach', 'mirror-vf', 'mirror-tap', 'mirror-del'}
    assert not pathlib.Path('/run/owned').exists()


def test_a_change_of_what_changed_meanwhile_is_refused(switch, web):
    words = {'change': 'state', 'pf': 'p2p1', 'vf': '4', 'state': 'disable'}
    plan = web.change(**words)[1]
    assert plan == {'line': 'anyvf link set p2p1 vf 4 state disable', 'was': 'auto'}
    switch.call('pf.set', pf='p2p1', vfs=[{'vf': 4, 'set': {'state': 'enable'}}])
    assert web.change(shown=plan, **words)[0] == 409 and switch.vf('p2p1', 4)['config']['state'] == 'enable'
    switch.call('pf.set', pf='p2p1', vfs=[{'vf': 4, 'set': {'state': 'auto'}}])
    assert web.change(**words)[1]['was'] == 'auto'  # as it is now, and not as it was looked at last
    bad = {'change': 'tap', 'pf': 'p2p1', 'vf': '4', 'tap': 'lo'}  # the command's own refusal comes through
    status, why = web.change(shown=web.change(**bad)[1], **bad)
    assert (status, why) == (422, 'Error: lo exists and is no tap.\n') and switch.vf('p2p1', 4)['attach']['kind'] == 'none'
    for body in b'', b'[]', b'{', b'{"change":7}', b'x' * 5000:
        assert web.ask('/change', 'POST', body, Origin=f'http://{web.host}', Content_Type='application/json')[0] in (400, 413), body


# --- the page in Chromium ---

@pytest.fixture(scope='module')
def page(request, switch, tmp_path_factory):
    """The page of a switch in a headless Chromium."""
    web = Web(switch, '--write')
    request.addfinalizer(web.stop)
    driver = chromium(tmp_path_factory.mktemp('chromium'))
    request.addfinalizer(driver.quit)
    driver.get(web.url)
    driver.web = web
    for again in False, True:  # when it is loaded again the address has no token any more
        if again:
            driver.refresh()
        wait_for(lambda: driver.execute_script('return document.body.dataset.revision'), what='the first revision')
        assert driver.current_url == f'http://{web.host}/'
    return driver


ROWS = '''return Object.fromEntries([...document.querySelectorAll('.node.vf')].map(g => [g.dataset.key,
    {...Object.fromEntries(['number', 'vlan', 'state', 'rx', 'tx', 'drops'].map(w => [w, g.querySelector('text.' + w).textContent])),
    colour: getComputedStyle(g.querySelector('.colour')).fill, name: g.getAttribute('aria-description')}]))'''
TABLES = '''return Object.fromEntries([...document.querySelectorAll('#told table')].map(t => [t.dataset.name,
    Object.fromEntries([...t.querySelectorAll('tr')].map(r => [r.children[0].textContent, [...r.children].slice(1).map(c => c.textContent)]))]))'''


def choose(page, key):
    js(page, 'document.querySelector(`[data-key="${CSS.escape(arguments[0])}"]`).dispatchEvent(new MouseEvent("click", {bubbles: true}))', key)


def row_of(vf):
    """What a VF's row has to say."""
    drops = {reason: n for reason, n in vf['stats']['drops'].items() if n}
    config = vf['config']
    return {'number': str(vf['vf']), 'vlan': f'vlan {config["vlan"]}' if config['vlan'] else '' if config['trunk'] in ('any', 'none') else 'trunk',
            'state': '● up' if vf['status']['link_up'] else '○ down', 'drops': f'{sum(drops.values())} {max(drops, key=drops.get)}' if drops else ''}


def as_text(value):
    return json.dumps(value) if isinstance(value, bool) else str(value)


def at_one_revision(page, switch, look):
    """look(), and what `vf show -j` told meanwhile, of the page's latest revision; None if another came."""
    before = js(page, 'return document.body.dataset.revision')
    told = {f'vf/{vf["pf"]}/{vf["vf"]}': vf for vf in json.loads(switch.cli('-j', 'vf', 'show').stdout)}
    got = look()
    return (told, got) if js(page, 'return document.body.dataset.revision') == before else None


def test_each_row_shows_what_vf_show_says(switch, page):
    def same():
        got = at_one_revision(page, switch, lambda: js(page, ROWS))
        told, rows = got or ({}, {})
        return rows and {k: {w: r[w] for w in ('number', 'vlan', 'state', 'drops')} for k, r in rows.items()} == {k: row_of(vf) for k, vf in told.items()} and rows
    rows = wait_for(same, what='the rows of vf show')
    assert len(rows) == 7 and rows['vf/p2p1/0']['drops'] == '20 spoof_mac' and rows['vf/p2p1/2']['vlan'] == 'vlan 7'
    assert rows['vf/p2p1/2']['name'].startswith('VF 2 of p2p1, vlan 7, link up')
    switch.call('pf.set', pf='p2p1', vfs=[{'vf': 4, 'set': {'vlan': 33, 'state': 'disable'}}])
    wait_for(lambda: same() and js(page, ROWS)['vf/p2p1/4']['vlan'] == 'vlan 33')
    colour = {int(key[-1]): row['colour'] for key, row in js(page, ROWS).items() if key.startswith('vf/p2p1/')}
    assert colour[2] == colour[3] and len({colour[2], colour[4], 'none'}) == 3 and colour[2].startswith('rgb(')  # one for a VLAN, another for the next
    assert colour[0] == colour[1] == colour[5] == 'none'
    switch.call('pf.set', pf='p2p1', vfs=[{'vf': 4, 'set': {'vlan': 0, 'state': 'auto'}}])
    wait_for(lambda: same() and js(page, ROWS)['vf/p2p1/4']['colour'] == 'none')


def test_all_of_a_vf_is_told_as_vf_show_says(switch, page):
    for key in 'vf/p2p1/0', 'vf/p2p1/2', 'vf/p2p1/3':
        choose(page, key)

        def same():
            got = at_one_revision(page, switch, lambda: js(page, TABLES))
            told, tables = got or ({key: {}}, {})
            for part in 'attach', 'config', 'status', 'stats':
                want = {w: [as_text(v)] for w, v in told[key].get(part, {}).items() if not isinstance(v, (dict, list))}
                lists = {w: [' '.join(map(str, v))] for w, v in told[key].get(part, {}).items() if isinstance(v, list) and v}
                if {w: v for w, v in tables.get(part, {}).items()} != {**want, **lists}:
                    return None
            return tables
        tables = wait_for(same, what=f'what vf show says of {key}')
        assert tables['config']['mac'] and key != 'vf/p2p1/0' or tables['mirrors'][MIRROR]
    choose(page, 'vf/p2p1/0')
    drops = wait_for(lambda: js(page, TABLES).get('drops'))
    (count, last), = drops.values()
    assert list(drops) == ['spoof_mac'] and count == '20' and 'from 02:00:00:00:00:77' in last


@pytest.fixture
def wired(request, switch):
    """A PF with a wire, whose other end is in a namespace, of which three frames were dropped and two came, and with a service port."""
    near, far, space = unique('wn'), unique('wf'), Netns()
    request.addfinalizer(space.delete)
    run('ip', 'link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', space.name)
    switch.call('pf.add', name='p2p4', numvfs=2, uplink='dev', uplink_arg=near)
    request.addfinalizer(lambda: switch.call('pf.del', pf='p2p4'))
    switch.call('pf.set', pf='p2p4', vfs=[{'vf': 1, 'set': {'vlan': 9, 'mac': '02:00:00:00:00:41'}}])
    switch.svc = unique('ws')
    switch.call('svc.add', pf='p2p4', name=switch.svc, vlan=9, netns=space.name)
    request.addfinalizer(lambda: switch.call('svc.del', pf='p2p4', name=switch.svc))
    space.run('ip', 'link', 'set', far, 'up')
    with space.packet_socket(far) as wire:
        for tag in 3 * [b'\x81\0\x0f\xff'] + 2 * [b'']:  # VLAN 4095 is nobody's
            wire.send(b'\xff' * 6 + b'\x02\0\0\0\0\x99' + tag + b'\x88\xb5' + bytes(46))
    return near


NODES = '''return Object.fromEntries([...document.querySelectorAll('.node')].filter(g => g.querySelector('text.name')).map(g =>
    [g.dataset.key, ['name', 'more'].map(w => g.querySelector('text.' + w).textContent)]))'''
FITS = '''return [...document.querySelectorAll('.node')].filter(g => { const plate = g.querySelector('.plate').getBoundingClientRect();
    return [...g.querySelectorAll('text')].some(t => t.textContent && t.getBoundingClientRect().right > plate.right); }).map(g => g.textContent)'''


def test_a_pf_and_its_wire_are_told_as_pf_show_says(switch, page, wired):
    wait_for(lambda: 'pf/p2p4' in js(page, NODES), what='the new PF')
    choose(page, 'pf/p2p4')

    def words(of):
        return {w: [as_text(v)] for w, v in of.items() if not isinstance(v, (dict, list))}

    def same():
        before = json.loads(switch.cli('-j', 'pf', 'show', 'p2p4').stdout)
        tables, nodes = js(page, TABLES), js(page, NODES)
        (pf,) = told = json.loads(switch.cli('-j', 'pf', 'show', 'p2p4').stdout)
        wire = pf['status']['uplink']
        want = {'config': words(pf['config']), 'status': words(pf['status']), 'wire': words(wire),
                'drops': {reason: [str(n)] for reason, n in wire['drops'].items() if n}}
        return before == told and wire['rx_packets'] and {name: tables.get(name) for name in want} == want and (pf, tables, nodes)
    pf, tables, nodes = wait_for(same, what='what pf show says')
    assert tables['drops'] == {'spoof_vlan': ['3']} and tables['wire']['rx_packets'] == ['2']
    assert nodes['pf/p2p4'] == ['p2p4', f'sw, {pf["config"]["mode"]}, up'] and nodes['uplink/p2p4'][0] == wired and nodes['uplink/p2p4'][1].startswith('carrier ↓')
    svc, = json.loads(switch.cli('-j', 'svc', 'show').stdout)
    assert tables['svcs'] == {svc['name']: [svc['mac'], 'vlan 9', svc['netns']]} and svc['name'] == switch.svc
    assert tables['vfs']['1'][:3] == ['02:00:00:00:00:41', '9', 'up' if switch.vf('p2p4', 1)['status']['link_up'] else 'down']
    assert js(page, FITS) == []
    run('ip', 'link', 'set', wired, 'down')
    wait_for(lambda: js(page, NODES)['uplink/p2p4'][1].startswith('no carrier'), what='the loss of carrier')


def test_mirrors_are_told_as_mirror_show_says(switch, page):
    assert switch.ns[0].ping('10.77.0.2')  # so there are copies
    for name, to in ('probe', f'tap {switch.tap}'), (MIRROR, 'vf p2p1 0'):
        def as_shown(name=name, to=to):
            told = {m['name']: m for m in json.loads(switch.cli('-j', 'mirror', 'show').stdout)}[name]
            choose(page, f'mirror/{name}')
            table = js(page, TABLES)['mirror']
            choose(page, f'vf/p2p1/{told["from_vf"]}')
            copies = js(page, TABLES)['mirrors'][name]
            return told['mirrored'] != told['dropped'] and {'dir', 'mirrored', 'dropped'} <= table.keys() and \
                {w: [as_text(v)] for w, v in told.items() if w in table and not isinstance(v, (dict, list))} == table and \
                copies == [f'vf p2p1 {told["from_vf"]} {told["dir"]}', to, str(told['mirrored']), str(told['dropped'])]
        wait_for(as_shown, what=f'what mirror show says of {name}')


def test_a_pf_a_guest_and_a_mirror_are_told(switch, page):
    choose(page, 'pf/p2p1')
    assert js(page, TABLES)['config']['numvfs'] == ['6']
    wait_for(lambda: {n: r[1] for n, r in js(page, TABLES)['vfs'].items()} == {'vf': 'vlan', '0': '0', '1': '0', '2': '7', '3': '7', '4': '0', '5': '0'})
    choose(page, f'guest/ns/{switch.ns[0].name}')
    assert js(page, 'return document.getElementById("title").textContent') == f'namespace {switch.ns[0].name}'
    assert js(page, 'return [...document.querySelectorAll("#told h3")].map(h => h.textContent)') == ['VF 2 of p2p1', 'Mirrors']
    assert 'bit/s' in js(page, 'return document.querySelector("#told svg.plot").getAttribute("aria-label")')
    choose(page, 'vf/p2p1/5')
    assert js(page, 'return document.querySelector("#told svg.plot").getAttribute("aria-label")').endswith('most in two minutes 0 bit/s')
    choose(page, 'mirror/probe')
    assert js(page, TABLES)['mirror']['tap'] == [switch.tap]
    names = js(page, 'return [...document.querySelectorAll("#wires text")].map(t => t.textContent)')
    assert 'vhost, waits' in names and any(n.startswith('tap t') for n in names)


def test_rates_move_and_rest(switch, page):
    def rate(way):
        return js(page, ROWS)['vf/p2p1/2'][way]
    switch.ns[0].run('ping', '-n', '-q', '-i', '0.002', '-c', '200', '10.77.0.2')
    wait_for(lambda: rate('rx') != '↓0' and rate('tx') != '↑0', what='rates')
    wait_for(lambda: rate('rx') == '↓0' and rate('tx') == '↑0', what='rest')


def test_hostile_names_do_nothing(switch, page):
    choose(page, f'guest/vm/{HOSTILE}')
    assert js(page, 'return document.getElementById("title").textContent') == f'VM {HOSTILE}'
    assert js(page, TABLES)['config']['server'] == [HOSTILE]
    choose(page, f'mirror/{MIRROR}')
    assert js(page, TABLES)['mirror']['name'] == [MIRROR]
    assert js(page, 'return [...document.querySelectorAll("#arcs text")].some(t => arguments[0].startsWith(t.textContent.slice(0, -1)))', MIRROR)
    assert js(page, 'return [document.title, document.images.length, document.scripts.length]') == ['anyvf', 0, 3]
    said = [m['message'] for m in page.get_log('browser') if m['level'] == 'SEVERE' and 'favicon' not in m['message']]
    assert not said
    with pytest.raises(Exception, match='TrustedHTML'):  # the policy would not let the page, either
        js(page, 'document.body.innerHTML = "<b>x</b>"')


def test_keys_alone_walk_and_choose(switch, page):
    from selenium.webdriver.common.keys import Keys
    where = 'return document.activeElement.dataset.key || document.activeElement.id'

    def press(*keys):
        for key in keys:
            page.switch_to.active_element.send_keys(key)
        return js(page, where)
    js(page, 'document.getElementById("plugged").focus()')
    stops = [press(Keys.TAB) for _ in range(3)]
    assert {f'mirror/{MIRROR}', 'mirror/probe'} == set(stops[:2]) and '/' in stops[2]  # the mirrors, and one stop for all else
    js(page, 'document.querySelector(`[data-key="${arguments[0]}"]`).focus()', 'uplink/p2p1')
    assert press(Keys.ARROW_RIGHT) == 'pf/p2p1' and press(Keys.ARROW_RIGHT) == 'vf/p2p1/0'
    assert press(Keys.ARROW_DOWN, Keys.ARROW_DOWN) == 'vf/p2p1/2' and press(Keys.ARROW_UP) == 'vf/p2p1/1'
    press(Keys.ENTER)
    assert js(page, 'return document.getElementById("title").textContent') == 'VF 1 of p2p1'
    assert press(Keys.ARROW_RIGHT).startswith('guest/')


def test_a_change_on_the_page_is_shown_first(switch, page):
    choose(page, 'vf/p2p1/1')
    js(page, '''const f = document.querySelector('#forms form'); f.querySelector('select').value = 'disable'; f.requestSubmit();''')
    wait_for(lambda: js(page, 'return document.getElementById("ask").open'))
    assert js(page, 'return ["line", "was"].map(i => document.getElementById(i).textContent)') == ['anyvf link set p2p1 vf 1 state disable', 'auto']
    assert switch.vf('p2p1', 1)['config']['state'] == 'auto'
    js(page, 'document.getElementById("do").click()')
    wait_for(lambda: not js(page, 'return document.getElementById("ask").open'))
    assert switch.vf('p2p1', 1)['config']['state'] == 'disable'
    wait_for(lambda: js(page, ROWS)['vf/p2p1/1']['state'] == '○ down')
    switch.cli('link', 'set', 'p2p1', 'vf', 1, 'state', 'auto')


SUBMIT = '''const f = [...document.querySelectorAll('#forms form')].find(f => f.querySelector('button').textContent === arguments[0]);
    for (const label of f.querySelectorAll('label')) label.lastElementChild.value = arguments[1][label.firstChild.textContent.trim()] ?? label.lastElementChild.value;
    f.requestSubmit()'''


def test_forms_ask_for_what_is_in_their_fields(switch, page):
    tap = unique('w')
    for key, form, fields, line, look, after in (
            ('vf/p2p1/5', 'Set rate', {'max Mbit/s': '250'}, 'anyvf link set p2p1 vf 5 max_tx_rate 250', lambda: switch.vf('p2p1', 5)['config']['max_tx_rate'], 250),
            ('vf/p2p1/5', 'Set rate', {'max Mbit/s': '0'}, 'anyvf link set p2p1 vf 5 max_tx_rate 0', lambda: switch.vf('p2p1', 5)['config']['max_tx_rate'], 0),
            ('vf/p2p1/5', 'Attach tap', {'tap': tap}, f'anyvf vf attach p2p1 5 tap {tap}', lambda: switch.vf('p2p1', 5)['attach']['tap'], tap),
            ('vf/p2p1/5', 'Mirror to VF', {'name': 'third', 'dir': 'in', 'to PF': 'p2p2', 'to VF': '0'}, 'anyvf mirror add third from vf p2p1 5 in to vf p2p2 0',
             lambda: [(m['dir'], m['to_pf'], m['to_vf']) for m in switch.call('mirror.list') if m['name'] == 'third'], [('in', 'p2p2', 0)]),
            ('mirror/third', 'Take this mirror away', {}, 'anyvf mirror del third', lambda: [m for m in switch.call('mirror.list') if m['name'] == 'third'], []),
            ('vf/p2p1/5', 'Detach', {}, 'anyvf vf detach p2p1 5', lambda: switch.vf('p2p1', 5)['attach']['kind'], 'none')):
        wait_for(lambda key=key: js(page, 'return Boolean(document.querySelector(`[data-key="${CSS.escape(arguments[0])}"]`))', key), what=key)
        choose(page, key)
        js(page, SUBMIT, form, fields)
        wait_for(lambda: js(page, 'return document.getElementById("ask").open && !document.getElementById("do").disabled'), what=form)
        assert js(page, 'return document.getElementById("line").textContent') == line and look() != after
        js(page, 'document.getElementById("do").click()')
        wait_for(lambda: not js(page, 'return document.getElementById("ask").open'), what=f'{form}, done')
        assert look() == after, form


def test_find_and_plugged_leave_rows_out(page):
    def rows(find='', plugged=False):
        js(page, '''const find = document.getElementById('find'), plugged = document.getElementById('plugged');
            find.value = arguments[0]; find.dispatchEvent(new Event('input')); if (plugged.checked !== arguments[1]) plugged.click();''', find, plugged)
        return {key.partition('/')[2] for key in js(page, ROWS)}
    assert rows('vf 3') == {'p2p1/3'} and rows('vlan 7') == {'p2p1/2', 'p2p1/3'} and rows('P2P2') == {'p2p2/0'}
    assert rows('02:00:00:00:00:09') == {'p2p1/0'} and rows(HOSTILE[:9]) == {'p2p1/3'} and rows('port-2') == {'p2p1/2'}
    assert rows(plugged=True) == {f'p2p1/{n}' for n in range(4)} and len(rows()) == 7


def test_without_d3_the_page_says_what_is_missing(page):
    for blocked, said in (['*/d3.js'], 'There is no D3 on this host: apt install libjs-d3'), ([], ''):
        page.execute_cdp_cmd('Network.enable', {})
        page.execute_cdp_cmd('Network.setBlockedURLs', {'urls': blocked})
        page.refresh()
        wait_for(lambda: js(page, 'return document.getElementById("said").textContent') == said and bool(blocked) != bool(js(page, ROWS)))
    page.get_log('browser')


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_everything_has_a_name_and_contrast(page, scheme):
    page.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': [{'name': 'prefers-color-scheme', 'value': scheme}]})
    back = js(page, 'return getComputedStyle(document.body).backgroundColor')
    assert (back == 'rgb(23, 24, 22)') == (scheme == 'dark')
    for key in 'vf/p2p1/0', 'pf/p2p1', 'mirror/probe':
        choose(page, key)
        assert js(page, CONTRAST) == [] and js(page, NAMELESS) == []


def test_axe_finds_nothing(page, axe):  # noqa: F811
    for scheme, key in ('light', 'vf/p2p1/0'), ('dark', 'pf/p2p1'):
        page.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': [{'name': 'prefers-color-scheme', 'value': scheme}]})
        choose(page, key)
        assert violations(page, axe) == []


def test_a_switch_that_is_away_is_told_and_comes_back(switch, page):
    said = 'return document.getElementById("said").textContent'
    switch.stop(signal.SIGTERM)
    wait_for(lambda: 'anyvf-swd does not answer' in js(page, said))
    assert len(js(page, ROWS)) == 7  # as it was last
    switch.start()
    wait_for(lambda: js(page, said) == '')


def test_what_a_nic_does_not_tell_is_no_zero(switch, page):
    """Last of all: its daemon is away from then on."""
    vf, pf = switch.vf('p2p1', 5), switch.call('pf.get', pf='p2p1', vfs=False)
    vf.update(vf=0, stats={'not_told': 'by igb'}, attach={**vf['attach'], 'kind': 'netdev', 'name': 'eth9v0'})
    pf['config'].update(name='eth9', numvfs=1)
    pf['status'].update(kind='hw', uplink={'not_told': 'by igb'})
    counted = 'mirrored', 'dropped'
    mirror = {**{k: v for k, v in switch.call('mirror.list')[0].items() if k not in counted}, 'name': 'of a NIC', 'from_pf': 'eth9', 'from_vf': 0, 'by': 'tc', 'lacks': 'tags'}
    (switch.dir / 'hwd.lock').touch()
    hwd = Daemon(switch.dir / 'hwd-ro.sock', pf_list=['eth9'], pf_counts={'pf': pf, 'columns': [], 'vfs': ['']}, pf_get={**pf, 'vfs': [vf]},
                 vf_get=vf, vf_drops={'vf': 0, 'not_told': 'by igb'}, mirror_list=[mirror], svc_list=[])
    row = wait_for(lambda: js(page, ROWS).get('vf/eth9/0'))
    assert (row['rx'], row['tx'], row['drops']) == ('↓–', '↑–', '')
    choose(page, 'vf/eth9/0')
    tables = js(page, TABLES)
    assert tables['stats'] == {'not_told': ['by igb']} and tables['mirrors']['of a NIC'][2:] == ['tc', 'tags']
    choose(page, 'pf/eth9')
    assert js(page, TABLES)['vfs']['0'][3:6] == ['–'] * 3
    hwd.close()
    (switch.dir / 'hwd-ro.sock').unlink()
    wait_for(lambda: 'anyvf-hwd does not answer' in js(page, 'return document.getElementById("said").textContent'))
    assert len(js(page, ROWS)) == 8
