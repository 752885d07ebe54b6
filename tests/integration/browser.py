# SPDX-License-Identifier: Apache-2.0
"""`anyvf web` and who talks to it: a session of our own, and the real Chromium."""
import http.client
import json
import os
import shutil
import signal
import subprocess
import tarfile

import pytest
from conftest import DAEMONS, PATIENCE, outside

AXE = 'axe-core@4.14.0'
CONTRAST = '''
const lum = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
const ground = e => { for (; e; e = e.parentElement) { const p = e.matches('.node') ? getComputedStyle(e.querySelector('.plate')).fill : getComputedStyle(e).backgroundColor;
    if (p && !/, 0\\)$/.test(p)) return p; } return getComputedStyle(document.body).backgroundColor; };
return [...document.querySelectorAll('text, h1, h2, h3, p, th, td, label, button, caption')].filter(e => e.textContent.trim()).map(e => {
    const s = getComputedStyle(e), a = lum(e instanceof SVGElement ? s.fill : s.color), b = lum(ground(e));
    return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.outerHTML.slice(0, 80)]; }).filter(([r]) => r < 4.5)'''
NAMELESS = '''return [...document.querySelectorAll('[role=button], [role=img], input, select, button, section, svg:not([aria-hidden])')].filter(e =>
    !(e.getAttribute('aria-label') || '').trim() && !(e.labels && e.labels.length) && !((e.tagName === 'BUTTON' || e.getAttribute('aria-description')) && e.textContent.trim())).map(e => e.outerHTML.slice(0, 80))'''


class Web:
    """An `anyvf web` and a session with it."""

    def __init__(self, swd, *options, port=9742):
        self.host = f'127.0.0.1:{port}'
        self.proc = subprocess.Popen([DAEMONS / 'anyvf', 'web', '--listen', self.host, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                     env={**os.environ, 'ANYVF_RUN_DIR': str(swd.dir)})
        self.url = self.proc.stdout.readline().strip()
        self.cookie = None

    @property
    def token(self):
        return self.url.partition(self.host)[2]

    def ask(self, target, method='GET', body=None, **headers):
        """Status, headers, body; a header is left out with None."""
        sends = {'Host': self.host, 'Cookie': self.cookie, 'Anyvf-Token': self.token.partition('=')[2], **{k.replace('_', '-'): v for k, v in headers.items()}}
        conn = http.client.HTTPConnection(self.host, timeout=30 * PATIENCE)
        conn.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in sends.items():
            if value is not None:
                conn.putheader(name, value)
        if body is not None:
            conn.putheader('Content-Length', str(len(body)))
        conn.endheaders(body)
        reply = conn.getresponse()
        got = reply.status, reply.headers, reply.read().decode()
        conn.close()
        return got

    def enter(self):
        status, headers, _ = self.ask(self.token)
        assert status == 200
        self.cookie = headers['Set-Cookie'].partition(';')[0]
        return headers

    def state(self, after=0):
        return json.loads(self.ask(f'/state?after={after}')[2])

    def change(self, shown=None, **words):
        """Status and answer of a change that is planned, or done."""
        body = json.dumps({**words, **({'shown': shown} if shown else {})}).encode()
        status, _, text = self.ask('/change', 'POST', body, Origin=f'http://{self.host}', Content_Type='application/json')
        return status, json.loads(text) if status == 200 else text

    def files(self):
        return len(os.listdir(f'/proc/{self.proc.pid}/fd'))

    def stop(self):
        self.proc.send_signal(signal.SIGINT)
        assert self.proc.wait(10 * PATIENCE) == 0
        self.proc.stdout.close()
        self.proc.stderr.close()


def chromium(profile):
    """Debian's Chromium without a screen, by its driver; a profile is a directory of its own."""
    webdriver = pytest.importorskip('selenium.webdriver', reason='there is no python3-selenium')
    from selenium.webdriver.chrome.service import Service
    if not shutil.which('chromium') or not shutil.which('chromedriver'):
        pytest.skip('there is no chromium with its chromium-driver')
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which('chromium')
    for word in 'headless=new', 'no-sandbox', 'disable-gpu', 'disable-dev-shm-usage', 'disable-background-networking', 'window-size=1700,900', f'user-data-dir={profile}':
        options.add_argument(f'--{word}')
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    driver = webdriver.Chrome(service=Service(shutil.which('chromedriver')), options=options)
    driver.set_script_timeout(30 * PATIENCE)
    return driver


def js(page, script, *args):
    return page.execute_script(script, *args)


@pytest.fixture(scope='session')
def axe(tmp_path_factory):
    """axe-core's script, by npm."""
    if not shutil.which('npm'):
        pytest.skip('there is no npm')
    at = tmp_path_factory.mktemp('axe')
    got = outside('npm', 'pack', '--silent', '--fetch-retries=0', '--fetch-timeout=20000', '--pack-destination', at, AXE, check=False)
    if got.returncode:
        pytest.skip('npm does not get axe-core')
    with tarfile.open(at / got.stdout.split()[-1]) as tar:
        return tar.extractfile('package/axe.min.js').read().decode()


def violations(page, axe):
    """What axe-core finds: the rule and the element."""
    page.execute_cdp_cmd('Runtime.evaluate', {'expression': axe})
    got = page.execute_cdp_cmd('Runtime.evaluate', {'expression': 'axe.run().then(r => JSON.stringify(r.violations))', 'awaitPromise': True})
    return [(v['id'], n['html'][:160]) for v in json.loads(got['result']['value']) for n in v['nodes']]
