# SPDX-License-Identifier: Apache-2.0
"""The page in the real Cockpit: cockpit-ws with a session of this user, or of nobody, in the real Chromium."""
import os
import pathlib
import shutil
import signal
import subprocess

import pytest
from browser import axe, chromium, js, violations  # noqa: F401
from conftest import BUILD, DAEMONS, Swd, need_root, run, unique, wait_for
from test_web import HOSTILE, MIRROR, ROWS, at_one_revision, choose, row_of

WS = pathlib.Path('/usr/lib/cockpit/cockpit-ws')
SAID = 'return document.getElementById("said").textContent'


class Cockpit:
    """A cockpit-ws whose only session is there from the start, without a password: that of who runs it."""

    def __init__(self, switch, data, address, path, *within):
        self.url = f'http://{address}:9090/cockpit/@localhost/anyvf/index.html'
        self.log = open(data / f'{address}.log', 'wb')
        env = {**os.environ, 'ANYVF_RUN_DIR': str(switch.dir), 'XDG_DATA_HOME': str(data / 'share'), 'XDG_RUNTIME_DIR': '', 'PATH': f'{path}:/usr/bin:/bin'}
        self.proc = subprocess.Popen([*within, WS, '--no-tls', '--address', address, '--port', '9090', '--local-session', 'cockpit-bridge'], env=env, stdout=self.log, stderr=self.log)

    def stop(self):
        self.proc.terminate()
        self.proc.wait()
        self.log.close()


@pytest.fixture(scope='module')
def switch(tmp_path_factory):
    """Names that are hostile, a mirror, a tap."""
    need_root()
    if not WS.exists() or not shutil.which('cockpit-bridge'):
        pytest.skip('there is no cockpit-ws with its cockpit-bridge')
    swd = Swd(tmp_path_factory.mktemp('swd')).start()
    swd.call('pf.add', name='p2p1', numvfs=4)
    swd.call('pf.set', pf='p2p1', vfs=[{'vf': 2, 'set': {'vlan': 7, 'server': HOSTILE}}])
    swd.attach_tap('p2p1', 2)
    swd.call('vf.attach', pf='p2p1', vf=1, kind='vhost')
    swd.call('mirror.add', name=MIRROR, from_pf='p2p1', from_vf=2, to='tap', tap=unique('m'))
    yield swd
    swd.stop()


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """What the package cockpit-anyvf has, where Cockpit looks for a user's own."""
    at = tmp_path_factory.mktemp('cockpit')
    run('meson', 'install', '-C', BUILD, '--no-rebuild', '--tags', 'cockpit', '--destdir', at / 'dest')
    shutil.copytree(next(at.glob('dest/usr/**/cockpit')), at / 'share/cockpit', symlinks=True)
    (at / 'bin').mkdir()
    for place in at, *list(at.parents)[:2]:
        place.chmod(0o711)  # for nobody
    return at


@pytest.fixture(scope='module')
def driver(tmp_path_factory):
    driver = chromium(tmp_path_factory.mktemp('chromium'))
    yield driver
    driver.quit()


def opened(driver, cockpit):
    """The page, told of the switch."""
    def loads():
        driver.get(cockpit.url)
        return 'anyvf' in driver.title
    wait_for(loads, what='cockpit-ws')
    wait_for(lambda: js(driver, 'return document.body.dataset.revision'), what='the first revision')
    return driver


@pytest.fixture(scope='module')
def page(switch, data, driver):
    """As root, who is an administrator."""
    cockpit = Cockpit(switch, data, '127.0.0.1', DAEMONS)
    yield opened(driver, cockpit)
    cockpit.stop()


def servers(switch):
    """Pids of `anyvf web --stdio` that look at this switch, by their words."""
    mine = f'ANYVF_RUN_DIR={switch.dir}'.encode()
    got = {}
    for at in pathlib.Path('/proc').glob('[0-9]*'):
        try:
            words = (at / 'cmdline').read_bytes().split(b'\0')[:-1]
            if words[1:3] == [b'web', b'--stdio'] and mine in (at / 'environ').read_bytes().split(b'\0'):
                got[int(at.name)] = [w.decode() for w in words[3:]]
        except OSError:
            pass
    return got


def test_cockpit_knows_the_package_and_it_is_small(data):
    listed = run('cockpit-bridge', '--packages', env={**os.environ, 'XDG_DATA_HOME': str(data / 'share')}).stdout
    assert ['anyvf', 'SR-IOV', '(anyvf)', f'{data}/share/cockpit/anyvf'] in [line.split() for line in listed.splitlines()]
    files = {at.name: at for at in (data / 'share/cockpit/anyvf').iterdir()}
    assert set(files) == {'manifest.json', 'index.html', 'page.css', 'page.js', 'web.js', 'bridge.js', 'd3.js'}
    assert sum(at.stat().st_size for at in files.values() if not at.is_symlink()) < 60000


def test_each_row_shows_what_vf_show_says(switch, page):
    def same():
        told, rows = at_one_revision(page, switch, lambda: js(page, ROWS)) or ({}, {})
        return rows and {k: {w: r[w] for w in ('number', 'vlan', 'state', 'drops')} for k, r in rows.items()} == {k: row_of(vf) for k, vf in told.items()} and rows
    assert wait_for(same, what='the rows of vf show')['vf/p2p1/2']['vlan'] == 'vlan 7'
    switch.call('pf.set', pf='p2p1', vfs=[{'vf': 3, 'set': {'vlan': 33}}])
    wait_for(lambda: same() and js(page, ROWS)['vf/p2p1/3']['vlan'] == 'vlan 33')


def test_hostile_names_do_nothing(page):
    choose(page, f'guest/vm/{HOSTILE}')
    assert js(page, 'return document.getElementById("title").textContent') == f'VM {HOSTILE}'
    choose(page, f'mirror/{MIRROR}')
    assert js(page, 'return [document.title, document.images.length, document.scripts.length]') == ['anyvf', 0, 5]
    assert not [m['message'] for m in page.get_log('browser') if m['level'] == 'SEVERE' and 'favicon' not in m['message']]
    with pytest.raises(Exception, match='TrustedHTML'):  # by the policy of manifest.json
        js(page, 'document.body.innerHTML = "<b>x</b>"')


def test_axe_finds_nothing(page, axe):  # noqa: F811
    choose(page, 'vf/p2p1/2')
    assert violations(page, axe) == []


def propose(page, state):
    """Ask for a link state of VF 1 by the form, until what will be run is shown; a button's id then does it."""
    choose(page, 'vf/p2p1/1')
    js(page, '''const f = document.querySelector('#forms form'); f.querySelector('select').value = arguments[0]; f.requestSubmit();''', state)
    wait_for(lambda: js(page, 'return document.getElementById("ask").open'))
    return js(page, 'return ["line", "was", "refused"].map(i => document.getElementById(i).textContent)')


def test_an_administrator_changes_what_is_shown_first(switch, page):
    assert list(servers(switch).values()) == [['--write']]
    assert propose(page, 'disable') == ['anyvf link set p2p1 vf 1 state disable', 'auto', '']
    assert switch.vf('p2p1', 1)['config']['state'] == 'auto'
    js(page, 'document.getElementById("do").click()')
    wait_for(lambda: switch.vf('p2p1', 1)['config']['state'] == 'disable' and js(page, ROWS)['vf/p2p1/1']['state'] == '○ down')
    wait_for(lambda: not js(page, 'return document.getElementById("ask").open'))
    assert propose(page, 'enable')[1] == 'disable'
    switch.call('pf.set', pf='p2p1', vfs=[{'vf': 1, 'set': {'state': 'auto'}}])
    js(page, 'document.getElementById("do").click()')
    wait_for(lambda: 'changed meanwhile' in js(page, 'return document.getElementById("refused").textContent'))
    js(page, 'document.getElementById("ask").close()')
    assert switch.vf('p2p1', 1)['config']['state'] == 'auto'


def test_a_switch_that_is_away_is_told_and_comes_back(switch, page):
    switch.stop(signal.SIGTERM)
    wait_for(lambda: 'anyvf-swd does not answer' in js(page, SAID))
    assert len(js(page, ROWS)) == 4  # as it was last
    switch.start()
    wait_for(lambda: js(page, SAID) == '')


def test_what_asks_for_the_page_is_started_again_and_ends_with_it(switch, page):
    (first, _), = servers(switch).items()
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: servers(switch) and first not in servers(switch))
    switch.call('pf.set', pf='p2p1', vfs=[{'vf': 3, 'set': {'vlan': 34}}])
    wait_for(lambda: js(page, ROWS)['vf/p2p1/3']['vlan'] == 'vlan 34' and js(page, SAID) == '')
    page.refresh()
    wait_for(lambda: js(page, 'return document.body.dataset.revision'))
    wait_for(lambda: len(servers(switch)) == 1)
    address = page.current_url
    page.get('about:blank')
    wait_for(lambda: not servers(switch))
    page.get(address)
    wait_for(lambda: js(page, 'return document.body.dataset.revision'))


def test_without_cockpits_script_it_says_so(page):
    page.execute_cdp_cmd('Network.enable', {})
    page.execute_cdp_cmd('Network.setBlockedURLs', {'urls': ['*/base1/cockpit.js']})
    page.refresh()
    wait_for(lambda: "Cockpit's own script did not come" in js(page, SAID))
    page.execute_cdp_cmd('Network.setBlockedURLs', {'urls': []})
    page.refresh()
    wait_for(lambda: js(page, 'return document.body.dataset.revision'))


def test_who_is_no_administrator_looks_and_changes_nothing(switch, data, driver):
    """Nobody, who may read; at first where there is no anyvf. Last of all: the browser goes there."""
    group = (switch.dir / 'swd-ro.sock').stat().st_gid
    switch.dir.chmod(0o711)
    cockpit = Cockpit(switch, data, '127.0.0.2', data / 'bin', 'setpriv', '--reuid=nobody', f'--regid={group}', '--clear-groups', '--inh-caps=-all')
    try:
        wait_for(lambda: driver.get(cockpit.url) or 'anyvf' in driver.title)
        wait_for(lambda: js(driver, SAID) == 'There is no anyvf on this host.')
        (data / 'bin/anyvf').symlink_to(DAEMONS / 'anyvf')
        wait_for(lambda: js(driver, 'return document.body.dataset.revision'))
        assert list(servers(switch).values()) == [[]] and len(js(driver, ROWS)) == 4
        assert 'Administrative access' in js(driver, 'return document.getElementById("hint").textContent')
        choose(driver, 'vf/p2p1/1')
        assert js(driver, 'return document.querySelectorAll("form.change").length') == 0
        refused = js(driver, 'return bridge("change", {method: "POST", body: "{}"}).then(r => r.text())')
        assert 'with --write' in refused
    finally:
        cockpit.stop()
