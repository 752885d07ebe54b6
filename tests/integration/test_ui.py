# SPDX-License-Identifier: Apache-2.0
"""The cloud's page, /anyvf/ui/, in the real Chromium: who logs in sees what the APIs would show, and changes it by them."""
import os
import pathlib
import socket
import time

import apid
import pytest
import requests
from browser import CONTRAST, NAMELESS, axe, chromium, js, violations  # noqa: F401
from conftest import PATIENCE, ROOT, wait_for

HOSTILE = '<img src=x onerror=document.title="owned">\x1b[31m&amp;\u202e'
VM = 'vm <img src=x onerror=document.title="owned">&amp;\' x'  # what Nova takes
VLAN = {'provider:network_type': 'vlan', 'provider:physical_network': 'physnet1'}
VF = 'vf/p2p1/{}'
ROWS = '''return Object.fromEntries([...document.querySelectorAll('.node.vf')].map(g => [g.dataset.key,
    ['number', 'vlan', 'state', 'rx', 'tx', 'drops'].map(w => g.querySelector('text.' + w).textContent)]))'''
HOSTS = '''return document.getElementById('hosts').hidden ? null : [...document.querySelectorAll('#hosts tbody tr')].map(r => [...r.children].map(c => c.textContent))'''
TABLES = '''return Object.fromEntries([...document.querySelectorAll('#told table')].map(t => [t.dataset.name,
    Object.fromEntries([...t.querySelectorAll('tr')].map(r => [r.children[0].textContent, r.children[1] && r.children[1].textContent]))]))'''
PRESSED = '''return [...document.querySelectorAll('#hosts [aria-pressed=true]')].map(b => b.textContent)'''
TITLES = '''return ['#title', '#told h3', '#forms h3'].map(at => document.querySelector(at)).map(e => e && e.textContent)'''
FIND = '''const f = document.getElementById('find'); f.value = arguments[0]; f.dispatchEvent(new Event('input'))'''
cloud = apid.shared_cloud()


@pytest.fixture(scope='module')
def site(cloud):
    """A host with a server of demo's on two ports and a tap between them, and the admin's port on the same network."""
    host = cloud.agent(numvfs=6, busy=[5])
    net = cloud.network(shared=True, name='net ' + HOSTILE, **VLAN)
    ports = [cloud.port(net, cloud.demo, name=name) for name in ('one', HOSTILE)]
    server = cloud.boot(cloud.flavor(), cloud.image(), [{'port': p['id']} for p in ports], cloud.demo, name=VM)
    cloud.wait_status(server, 'ACTIVE')
    foreign = cloud.port(net, name='foreign', **{'binding:host_id': 'h1'})
    taas = '/network/v2.0/taas/'
    service = cloud.demo.post(taas + 'tap_services', {'tap_service': {'port_id': ports[1]['id']}})['tap_service']
    flow = cloud.demo.post(taas + 'tap_flows', {'tap_flow': {'name': 'tap ' + HOSTILE, 'source_port': ports[0]['id'], 'tap_service_id': service['id'], 'direction': 'IN'}})['tap_flow']
    for port in [*ports, foreign]:
        wait_for(lambda port=port: cloud.show_port(port)['status'] == 'ACTIVE')
    cloud.host, cloud.net, cloud.ports, cloud.server_, cloud.foreign, cloud.flow = host, net, ports, server, foreign, flow
    return cloud


@pytest.fixture(scope='module')
def left(site):
    """Browsers that left in the middle: early in this file, so that what follows of it need not be waited for."""
    token, fds = site.admin.http.headers['X-Auth-Token'], f'/proc/{site.apid.proc.pid}/fd'
    after, before = site.admin.get('/anyvf/ui/state')['revision'], len(os.listdir(fds))
    socks = [socket.create_connection(('127.0.0.1', site.apid.port), timeout=20 * PATIENCE) for _ in range(20)]
    for sock in socks:
        sock.sendall(f'GET /anyvf/ui/state?after={after}&host=h1 HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {token}\r\n\r\n'.encode())
    wait_for(lambda: len(os.listdir(fds)) >= before + 20 and site.host.wishes()['watch'], what='browsers that wait, and a host that is asked')
    ends = {f'{sock.getsockname()[1]:04X}' for sock in socks}
    for sock in socks:
        sock.close()
    return ends


@pytest.fixture(scope='module')
def browser(site, tmp_path_factory):
    driver = chromium(tmp_path_factory.mktemp('chromium'))
    driver.get(site.apid.url + '/anyvf/ui/')
    driver.site = site
    yield driver
    driver.quit()


FILL = '''for (const [id, value] of Object.entries(arguments[0])) document.getElementById(id).value = value;
    document.getElementById('login').requestSubmit();'''


def enter(page, rc=None, **words):
    """Log in as of an openrc file, whoever was logged in before."""
    if js(page, 'return document.getElementById("door").hidden'):
        js(page, 'document.getElementById("leave").click()')
        wait_for(lambda: not js(page, 'return document.getElementById("door").hidden'))
    env = apid.read_openrc(page.site.apid.dir / rc) if rc else {}
    js(page, 'delete document.body.dataset.revision')
    js(page, FILL, {'user': env.get('OS_USERNAME', ''), 'password': env.get('OS_PASSWORD', ''), 'project': env.get('OS_PROJECT_NAME', ''), **words})
    if rc:
        wait_for(lambda: js(page, 'return Number(document.body.dataset.revision)'), what='what is there')


def look_at(page, host):
    js(page, '''[...document.querySelectorAll('#hosts tbody button')].find(b => b.textContent === arguments[0]).click()''', host)
    wait_for(lambda: VF.format(0) in js(page, ROWS) and js(page, PRESSED) == [host], what='the VFs of a host')


def choose(page, key):
    js(page, 'document.querySelector(`[data-key="${CSS.escape(arguments[0])}"]`).dispatchEvent(new MouseEvent("click", {bubbles: true}))', key)


def key_of(page, port):
    """Where a port is drawn."""
    return js(page, 'for (const [k, d] of docs) if (d.port === arguments[0]) return k', port['id'])


def asked(page):
    """What the page would do, and what is so now."""
    return wait_for(lambda: js(page, 'return document.getElementById("ask").open && ["line", "was", "refused"].map(i => document.getElementById(i).textContent)'))


def do_it(page):
    js(page, 'document.getElementById("do").click()')
    wait_for(lambda: not js(page, 'return document.getElementById("ask").open') or js(page, 'return document.getElementById("refused").textContent'))
    return js(page, 'const r = document.getElementById("refused").textContent; document.getElementById("ask").close(); return r')


def change(page, title, **values):
    """Fill in the form with that button, and submit it."""
    js(page, '''const f = [...document.querySelectorAll('#forms form')].find(f => f.querySelector('button').textContent === arguments[0]);
        const of = Object.fromEntries([...f.querySelectorAll('label')].map(l => [l.textContent.split(' ')[0], l.querySelector('input, select')]));
        for (const [k, v] of Object.entries(arguments[1])) of[k].value = v;
        f.requestSubmit();''', title, values)


def test_a_stranger_gets_a_form_and_nothing_else(site, left):
    url = site.apid.url + '/anyvf/ui'
    got = requests.get(url, allow_redirects=False, timeout=20)
    assert (got.status_code, got.headers['Location']) == (308, 'ui/')
    got = requests.get(url + '/', timeout=20)
    assert got.status_code == 200 and 'id="login"' in got.text and got.headers['Content-Type'].startswith('text/html')
    assert "frame-ancestors 'none'" in got.headers['Content-Security-Policy'] and 'Set-Cookie' not in got.headers
    for name in 'page.js', 'ui.js', 'page.css', 'd3.js':
        assert requests.get(f'{url}/{name}', timeout=20).status_code == 200
    for token in {}, {'X-Auth-Token': 'x'}:
        assert requests.get(url + '/state', headers=token, timeout=20).status_code == 401
        assert requests.get(url + '/nothing', headers=token, timeout=20).status_code == 401
    assert site.demo.call('GET', '/anyvf/ui/state?host=h1').status_code == 403
    ours = [p for folder in ('page', 'cockpit') for p in (ROOT / 'src/web' / folder).iterdir() if p.suffix in ('.js', '.css', '.html')]
    assert 30_000 < sum(p.stat().st_size for p in ours) < 60_000


def test_logins_that_fail_say_why(browser):
    wrong = 'return document.getElementById("wrong").textContent'
    for words in {'user': 'admin', 'password': 'x'}, {'user': HOSTILE, 'password': HOSTILE, 'project': HOSTILE}:
        enter(browser, **words)
        assert wait_for(lambda: js(browser, wrong)) == 'User, password or project is wrong.'
    env = apid.read_openrc(browser.site.apid.dir / 'demo-openrc')
    enter(browser, user='demo', password=env['OS_PASSWORD'], project='admin')
    assert wait_for(lambda: js(browser, wrong)) == 'User, password or project is wrong.'

    def limited():
        """By Keystone's own buckets: five failures of a name at once."""
        enter(browser, user='guess', password='x', project='')
        return 'Too many logins failed' in wait_for(lambda: js(browser, wrong))
    wait_for(limited)
    assert js(browser, 'return [sessionStorage.length, document.cookie]') == [0, '']


def test_without_a_project_it_is_the_users_own_or_the_first_and_others_can_be_chosen(site, browser):
    idv3, scopes = '/identity/v3', 'return [...document.getElementById("scope").options].map(o => [o.text, o.selected])'
    empty = site.admin.post(idv3 + '/projects', {'project': {'name': 'empty', 'domain_id': 'default'}})['project']
    free = site.admin.post(idv3 + '/users', {'user': {'name': 'free', 'password': 'x' * 12}})['user']
    demo, role, project = (site.admin.get(f'{idv3}/{kind}?name={name}')[kind][0]['id'] for kind, name in (('users', 'demo'), ('roles', 'member'), ('projects', 'demo')))
    for user, at in (demo, empty['id']), (free['id'], empty['id']), (free['id'], project):
        site.admin.put(f'{idv3}/projects/{at}/users/{user}/roles/{role}', None, 204)
    enter(browser, user='free', password='x' * 12, project='')
    names, chosen = zip(*wait_for(lambda: js(browser, scopes), what='projects'))
    assert sorted(names) == ['demo', 'empty'] and chosen == (True, False)
    enter(browser, 'demo-openrc', project='')
    assert sorted(js(browser, scopes)) == [['demo', True], ['empty', False]]
    for name, rows, hint in ('empty', 0, 'empty has no ports.'), ('demo', 2, 'Choose a network, a PF, a port, a mirror or a server.'):
        js(browser, '''const s = document.getElementById('scope'); s.value = [...s.options].find(o => o.text === arguments[0]).value; s.dispatchEvent(new Event('change'))''', name)
        wait_for(lambda rows=rows, hint=hint: len(js(browser, ROWS)) == rows and js(browser, 'return document.getElementById("hint").textContent') == hint, what=f'what {name} has')


def test_a_member_sees_its_own_ports(site, browser):
    enter(browser, 'demo-openrc')
    wait_for(lambda: len(js(browser, ROWS)) == 2)
    assert js(browser, HOSTS) is None
    rows = {key_of(browser, p): p for p in site.ports}
    assert {k: r[1] for k, r in js(browser, ROWS).items()} == {k: p['fixed_ips'][0]['ip_address'] for k, p in rows.items()}
    said = js(browser, 'return [...docs.values()].map(d => JSON.stringify(d)).join() + document.body.textContent')
    assert not any(word in said for word in (site.foreign['id'], 'foreign', 'p2p1', 'vif_details')) and len(js(browser, 'return [...document.querySelectorAll(".arc")]')) == 1
    early, late = [site.port(site.net, site.demo, name=name) for name in ('early', 'late')]
    site.port(site.net, name='foreign too')
    wait_for(lambda: len(js(browser, ROWS)) == 4, what='ports that are pushed')
    choose(browser, key_of(browser, late))
    assert js(browser, TITLES) == ['Port late', 'Port late', 'Change port late']
    site.demo.delete(f"/network/v2.0/ports/{early['id']}")
    wait_for(lambda: len(js(browser, ROWS)) == 3, what='the end of a port')
    assert js(browser, TITLES)[0] == 'Port late' and js(browser, TABLES)['config']['id'] == late['id']
    site.demo.put(f"/network/v2.0/ports/{late['id']}", {'port': {'name': 'later'}})
    wait_for(lambda: js(browser, TITLES) == ['Port later', 'Port later', 'Change port later'])
    address = late['fixed_ips'][0]['ip_address']
    js(browser, FIND, address)
    assert set(js(browser, ROWS)) == {key_of(browser, p) for p in [*site.ports, late] if address in p['fixed_ips'][0]['ip_address']}
    js(browser, FIND, '')
    site.demo.delete(f"/network/v2.0/ports/{late['id']}")
    wait_for(lambda: len(js(browser, ROWS)) == 2 and js(browser, TITLES) == ['Details', None, None], what='the end of the port that is told')
    assert js(browser, 'return document.title') == 'anyvf'


def test_changes_are_shown_first_and_asked_of_the_apis(site, browser):
    enter(browser, 'demo-openrc')
    one, path = site.ports[0], f"/network/v2.0/ports/{site.ports[0]['id']}"
    wait_for(lambda: key_of(browser, one))
    choose(browser, key_of(browser, one))
    change(browser, 'Set port', state='down')
    assert asked(browser) == [f'PUT {path} {{"port":{{"admin_state_up":false}}}}', 'true', '']
    assert site.show_port(one)['admin_state_up']
    assert do_it(browser) == '' and not site.show_port(one)['admin_state_up']
    wait_for(lambda: js(browser, TABLES)['config']['admin_state_up'] == 'false')
    change(browser, 'Rename', new=HOSTILE)
    asked(browser)
    site.demo.put(path, {'port': {'admin_state_up': True, 'name': 'meanwhile'}})
    assert 'meanwhile' in do_it(browser) and site.show_port(one)['name'] == 'meanwhile'
    wait_for(lambda: js(browser, TABLES)['config']['name'] == 'meanwhile')
    change(browser, 'Rename', new='x' * 300)
    asked(browser)
    assert '255' in do_it(browser)  # in the API's words
    other = js(browser, '''return [...document.querySelectorAll('#forms select')].map(s => s.options[0].value)[2]''')
    change(browser, 'Mirror to port', name='by page', direction='OUT', to=other)
    line, was, _ = asked(browser)
    assert line.startswith('POST /network/v2.0/taas/tap_flows {') and was == 'tap ' + HOSTILE
    assert do_it(browser) == ''
    flows = site.demo.get('/network/v2.0/taas/tap_flows')['tap_flows']
    made = next(f for f in flows if f['name'] == 'by page')
    assert (made['source_port'], made['direction']) == (one['id'], 'OUT')
    wait_for(lambda: js(browser, 'return docs.has(arguments[0])', f"mirror/{made['id']}"))
    choose(browser, f"mirror/{made['id']}")
    change(browser, 'Take this tap away')
    assert asked(browser)[0] == f"DELETE /network/v2.0/taas/tap_flows/{made['id']}"
    assert do_it(browser) == ''
    wait_for(lambda: not js(browser, 'return docs.has(arguments[0])', f"mirror/{made['id']}"))
    choose(browser, key_of(browser, one))
    js(browser, HIDE)
    site.demo.put(path, {'port': {'name': 'unseen'}})
    wait_for(lambda: js(browser, 'return window.looked'), what='the end of what the page had asked')
    site.demo.put(path, {'port': {'name': 'one'}})
    time.sleep(.5)  # a tab that is not seen asks for nothing
    assert js(browser, 'return window.asks') == 0 and js(browser, TABLES)['config']['name'] != 'one'
    js(browser, 'delete document.hidden; document.dispatchEvent(new Event("visibilitychange"))')
    wait_for(lambda: js(browser, TABLES)['config']['name'] == 'one')


HIDE = '''Object.defineProperty(document, 'hidden', {configurable: true, get: () => window.looked = true}); window.asks = 0;
    const real = window.fetch; window.fetch = (...a) => { asks++; return real(...a); }'''
REFUSE = '''const real = window.fetch; window.fetch = (path, more) => {
    if (!String(path).endsWith('/tap_flows')) return real(path, more);
    window.fetch = real;
    return Promise.resolve(new Response('{"NeutronError": {"message": "not this one"}}', {status: 409})); }'''


def test_a_tap_to_a_port_without_a_service_makes_one_and_takes_it_back_if_the_flow_is_refused(site, browser):
    enter(browser, 'demo-openrc')
    target = site.port(site.net, site.demo, name='target')
    services = lambda: site.demo.get(f"/network/v2.0/taas/tap_services?port_id={target['id']}")['tap_services']  # noqa: E731
    wait_for(lambda: key_of(browser, target))
    choose(browser, key_of(browser, site.ports[0]))
    label = js(browser, '''return [...[...document.querySelectorAll('#forms select')][2].options].map(o => o.text).find(t => t.startsWith('target'))''')
    for refused in True, False:
        change(browser, 'Mirror to port', name='made', direction='IN', to=label)
        assert [one.split(' {')[0] for one in asked(browser)[0].split('\n')] == ['POST /network/v2.0/taas/tap_services', 'POST /network/v2.0/taas/tap_flows']
        if refused:
            js(browser, REFUSE)
        assert do_it(browser) == ('not this one' if refused else '')
        assert len(services()) == (0 if refused else 1)
    flow, = site.demo.get(f"/network/v2.0/taas/tap_flows?tap_service_id={services()[0]['id']}")['tap_flows']
    assert (flow['source_port'], flow['name']) == (site.ports[0]['id'], 'made')
    site.demo.delete(f"/network/v2.0/ports/{target['id']}")


def test_a_session_that_is_over_asks_for_a_login(site, browser):
    enter(browser, 'demo-openrc')
    browser.refresh()
    wait_for(lambda: js(browser, 'return Number(document.body.dataset.revision)'), what='the page, without another login')
    choose(browser, key_of(browser, site.ports[0]))
    token = js(browser, 'return JSON.parse(sessionStorage.getItem("anyvf")).token')
    site.demo.call('DELETE', '/identity/v3/auth/tokens', X_Subject_Token=token, status=204)
    site.demo.put(f"/network/v2.0/ports/{site.ports[0]['id']}", {'port': {'description': 'news'}})
    wait_for(lambda: 'session is over' in js(browser, 'return document.getElementById("wrong").textContent'), 40)
    assert js(browser, 'return [sessionStorage.length, document.getElementById("app").hidden]') == [0, True]
    wait_for(lambda: js(browser, 'return docs.size') == 0, what='a page without what was shown')
    assert site.ports[0]['id'] not in js(browser, 'return document.body.textContent')
    enter(browser, 'demo-openrc')
    token = js(browser, 'return JSON.parse(sessionStorage.getItem("anyvf")).token')
    js(browser, 'document.getElementById("leave").click()')
    wait_for(lambda: requests.get(site.apid.url + '/anyvf/ui/state', headers={'X-Auth-Token': token}, timeout=20).status_code == 401, what='the end of the token')


def test_of_browsers_that_left_in_the_middle_nothing_is_left(site, left):
    def held():
        """Their connections that the API has not closed."""
        rows = [row.split() for row in pathlib.Path(f'/proc/{site.apid.proc.pid}/net/tcp').read_text().splitlines()[1:]]
        return [row for row in rows if row[1].endswith(f':{site.apid.port:04X}') and row[2][-4:] in left and row[3] == '08']
    wait_for(lambda: not held(), 30, 'the end of connections')
    wait_for(lambda: not site.host.wishes()['watch'], 30, 'the end of counters that nobody looks at')


def test_an_admin_sees_hosts_and_what_one_has(site, browser):
    enter(browser, 'openrc')
    rows = wait_for(lambda: js(browser, HOSTS))
    assert rows == [['h1', 'up', 'p2p1', '4 of 6', '1 of 4', '128 of 4096', '1']]
    look_at(browser, 'h1')
    drawn = js(browser, ROWS)
    assert len(drawn) == 6
    vfs = {p['id']: site.show_port(p)['binding:vif_details']['vf'] for p in [*site.ports, site.foreign]}
    assert all(key_of(browser, p) == VF.format(vfs[p['id']]) for p in [*site.ports, site.foreign])
    vlan = site.admin.get(f"/network/v2.0/networks/{site.net['id']}")['network']['provider:segmentation_id']
    assert all(drawn[VF.format(vf)][1:3] == [f'vlan {vlan}', '● up'] for vf in vfs.values())
    assert {k: r[2] for k, r in drawn.items() if int(k[-1]) not in vfs.values()} == {VF.format(n): '○ busy' if n == 5 else '○ free' for n in range(6) if n not in vfs.values()}
    assert js(browser, 'return document.querySelectorAll(".state.bad").length') == 0
    assert js(browser, 'return [...document.querySelectorAll(".node.guest")].map(g => g.getAttribute("aria-description"))') == [f'{VM}, ACTIVE, 2 ports']
    assert js(browser, 'return [...document.querySelectorAll(".arc")].map(g => g.getAttribute("aria-description"))') == [f'mirror tap {HOSTILE}, from port one in to port {HOSTILE}']
    choose(browser, VF.format(vfs[site.ports[0]['id']]))
    tables = js(browser, TABLES)
    assert tables['config']['mac'] == site.ports[0]['mac_address'] and tables['attach']['id'] == site.server_['id'] and tables['status']['status'] == 'ACTIVE'


def test_rates_come_while_somebody_looks(site, browser):
    enter(browser, 'openrc')
    look_at(browser, 'h1')
    ident, doc = wait_for(lambda: next(iter(site.host.wishes()['watch'].items()), None), what='a host that is asked')
    vf = site.show_port(site.ports[0])['binding:vif_details']['vf']
    seen = 'return docs.get(arguments[0]).stats.rx_bytes'
    columns = ['vf', 'link_up', 'connected', 'rx_bytes', 'tx_bytes', 'rx_packets', 'tx_packets', 'dropped']

    def told(at_ms, n):
        site.host.report('watch', ident, generation=doc['generation'], at_ms=at_ms, columns=columns, pfs=[{'name': 'p2p1', 'vfs': [[vf, 1, 1, 1000 * n, 500 * n, n, n, n]]}])
    for at_ms, n, rx, tx in (0, 0, '↓–', '↑–'), (1000, 2, '↓16k', '↑8.0k'), (3000, 2, '↓0', '↑0'), (4000, 1, '↓0', '↑0'), (10, 9, '↓–', '↑–'):
        told(at_ms, n)
        wait_for(lambda n=n, rx=rx, tx=tx: js(browser, seen, VF.format(vf)) == 1000 * n and js(browser, ROWS)[VF.format(vf)][3:5] == [rx, tx], what=f'{rx} {tx}')
    assert js(browser, ROWS)[VF.format(vf)][5] == '9 dropped'
    choose(browser, VF.format(vf))
    other = site.agent('h2', numvfs=vf + 1)
    wait_for(lambda: len(js(browser, HOSTS)) == 2)
    look_at(browser, 'h2')  # where the VF of that number is another
    wait_for(lambda: len(js(browser, ROWS)) == vf + 1)
    assert js(browser, 'return past.get(arguments[0]).length', VF.format(vf)) == 1 and js(browser, 'return document.querySelectorAll("#forms form").length') == 0
    other.stop()


def test_a_host_is_taken_out_by_an_admin(site, browser):
    enter(browser, 'openrc')
    look_at(browser, 'h1')
    for word, state in ('disable', 'up, disabled'), ('enable', 'up'):
        js(browser, 'document.getElementById("able").click()')
        assert asked(browser)[0] == f'PUT /compute/v2.1/os-services/{word} {{"host":"h1","binary":"nova-compute"}}'
        assert do_it(browser) == ''
        wait_for(lambda state=state: js(browser, HOSTS)[0][1] == state)


def in_both_schemes(site, browser, rc):
    """The page as each of them sees it who logs in, or before that: once in light, once in dark."""
    enter(browser, *[rc] if rc else [])
    for scheme in 'light', 'dark':
        browser.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': [{'name': 'prefers-color-scheme', 'value': scheme}]})
        if rc == 'openrc':
            look_at(browser, 'h1')
        if rc:
            wait_for(lambda: key_of(browser, site.ports[0]))
            choose(browser, key_of(browser, site.ports[0]))
        yield scheme


@pytest.mark.parametrize('rc', [None, 'openrc', 'demo-openrc'])
def test_everything_has_a_name_and_contrast(site, browser, rc):
    for _ in in_both_schemes(site, browser, rc):
        assert js(browser, CONTRAST) == [] and js(browser, NAMELESS) == []


@pytest.mark.parametrize('rc', [None, 'openrc', 'demo-openrc'])
def test_axe_finds_nothing(site, browser, axe, rc):  # noqa: F811
    for _ in in_both_schemes(site, browser, rc):
        assert violations(browser, axe) == []
