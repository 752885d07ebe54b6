# SPDX-License-Identifier: Apache-2.0
"""The cloud's page, /anyvf/ui/, in the real Chromium: who logs in sees what the APIs would show, and changes it by them."""
import os
import socket

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
cloud = apid.shared_cloud()


@pytest.fixture(scope='module')
def site(cloud):
    """A host with a server of demo's on two ports and a tap between them, and the admin's port on the same network."""
    host = cloud.agent(numvfs=6)
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
        wait_for(lambda: js(page, 'return document.body.dataset.revision'), what='what is there')


def look_at(page, host):
    js(page, '''[...document.querySelectorAll('#hosts tbody button')].find(b => b.textContent === arguments[0]).click()''', host)
    wait_for(lambda: VF.format(0) in js(page, ROWS), what='the VFs of a host')


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


def test_a_stranger_gets_a_form_and_nothing_else(site):
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


def test_an_admin_sees_hosts_and_what_one_has(site, browser):
    enter(browser, 'openrc')
    rows = wait_for(lambda: js(browser, HOSTS))
    assert rows == [['h1', 'up', 'p2p1', '3 of 6', '1 of 4', '128 of 4096', '1']]
    look_at(browser, 'h1')
    drawn = js(browser, ROWS)
    assert len(drawn) == 6
    vfs = {p['id']: site.show_port(p)['binding:vif_details']['vf'] for p in [*site.ports, site.foreign]}
    assert all(key_of(browser, p) == VF.format(vfs[p['id']]) for p in [*site.ports, site.foreign])
    vlan = site.admin.get(f"/network/v2.0/networks/{site.net['id']}")['network']['provider:segmentation_id']
    assert all(drawn[VF.format(vf)][1:3] == [f'vlan {vlan}', '● up'] for vf in vfs.values())
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
        site.host.report('watch', ident, generation=doc['generation'], pfs=[{'name': 'p2p1', 'at_ms': at_ms, 'columns': columns, 'vfs': [[vf, 1, 1, 1000 * n, 500 * n, n, n, n]]}])
    for at_ms, n, rx, tx in (0, 0, '↓–', '↑–'), (1000, 2, '↓16k', '↑8.0k'), (3000, 2, '↓0', '↑0'), (4000, 1, '↓0', '↑0'), (10, 9, '↓–', '↑–'):
        told(at_ms, n)
        wait_for(lambda n=n, rx=rx, tx=tx: js(browser, seen, VF.format(vf)) == 1000 * n and js(browser, ROWS)[VF.format(vf)][3:5] == [rx, tx], what=f'{rx} {tx}')
    assert js(browser, ROWS)[VF.format(vf)][5] == '9 dropped'


def test_a_member_sees_its_own_ports(site, browser):
    enter(browser, 'demo-openrc')
    wait_for(lambda: len(js(browser, ROWS)) == 2)
    assert js(browser, HOSTS) is None
    rows = {key_of(browser, p): p for p in site.ports}
    assert {k: r[1] for k, r in js(browser, ROWS).items()} == {k: p['fixed_ips'][0]['ip_address'] for k, p in rows.items()}
    said = js(browser, 'return [...docs.values()].map(d => JSON.stringify(d)).join() + document.body.textContent')
    assert not any(word in said for word in (site.foreign['id'], 'foreign', 'p2p1', 'vif_details')) and len(js(browser, 'return [...document.querySelectorAll(".arc")]')) == 1
    late = site.port(site.net, site.demo, name='late')
    site.port(site.net, name='foreign too')
    wait_for(lambda: len(js(browser, ROWS)) == 3, what='a port that is pushed')
    site.demo.delete(f"/network/v2.0/ports/{late['id']}")
    wait_for(lambda: len(js(browser, ROWS)) == 2, what='the end of a port')
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


def test_a_host_is_taken_out_by_an_admin(site, browser):
    enter(browser, 'openrc')
    look_at(browser, 'h1')
    for word, state in ('disable', 'up, disabled'), ('enable', 'up'):
        js(browser, 'document.getElementById("able").click()')
        assert asked(browser)[0] == f'PUT /compute/v2.1/os-services/{word} {{"host":"h1","binary":"nova-compute"}}'
        assert do_it(browser) == ''
        wait_for(lambda state=state: js(browser, HOSTS)[0][1] == state)


def test_a_session_that_is_over_asks_for_a_login(site, browser):
    enter(browser, 'demo-openrc')
    browser.refresh()
    wait_for(lambda: js(browser, 'return document.body.dataset.revision'), what='the page, without another login')
    token = js(browser, 'return JSON.parse(sessionStorage.getItem("anyvf")).token')
    site.demo.call('DELETE', '/identity/v3/auth/tokens', X_Subject_Token=token, status=204)
    site.demo.put(f"/network/v2.0/ports/{site.ports[0]['id']}", {'port': {'description': 'news'}})
    wait_for(lambda: 'session is over' in js(browser, 'return document.getElementById("wrong").textContent'), 40)
    assert js(browser, 'return [sessionStorage.length, docs.size && document.getElementById("app").hidden]')[0] == 0
    enter(browser, 'demo-openrc')
    token = js(browser, 'return JSON.parse(sessionStorage.getItem("anyvf")).token')
    js(browser, 'document.getElementById("leave").click()')
    wait_for(lambda: requests.get(site.apid.url + '/anyvf/ui/state', headers={'X-Auth-Token': token}, timeout=20).status_code == 401, what='the end of the token')


@pytest.mark.parametrize('rc', [None, 'openrc', 'demo-openrc'])
def test_everything_has_a_name_and_contrast_and_axe_finds_nothing(site, browser, axe, rc):  # noqa: F811
    if rc:
        enter(browser, rc)
    else:
        enter(browser)
    for scheme in 'light', 'dark':
        browser.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': [{'name': 'prefers-color-scheme', 'value': scheme}]})
        if rc == 'openrc':
            look_at(browser, 'h1')
        if rc:
            wait_for(lambda: key_of(browser, site.ports[0]))
            choose(browser, key_of(browser, site.ports[0]))
        assert js(browser, CONTRAST) == [] and js(browser, NAMELESS) == []
        assert violations(browser, axe) == []


def test_browsers_that_leave_in_the_middle_leave_nothing(site):
    fds, token = f'/proc/{site.apid.proc.pid}/fd', site.admin.http.headers['X-Auth-Token']
    after = site.admin.get('/anyvf/ui/state')['revision']
    before = len(os.listdir(fds))
    left = []
    for _ in range(20):
        sock = socket.create_connection(('127.0.0.1', site.apid.port), timeout=20 * PATIENCE)
        sock.sendall(f'GET /anyvf/ui/state?after={after}&host=h1 HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {token}\r\n\r\n'.encode())
        left.append(sock)
    wait_for(lambda: len(os.listdir(fds)) >= before + 20)
    assert site.host.wishes()['watch']
    for sock in left:
        sock.close()
    wait_for(lambda: len(os.listdir(fds)) <= before + 2, 30, 'the end of connections')
    wait_for(lambda: not site.host.wishes()['watch'], 30, 'the end of counters that nobody looks at')
