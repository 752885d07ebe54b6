# SPDX-License-Identifier: Apache-2.0
"""TLS of the API: the real clients, what is refused, certificates of agents, idle handshakes."""
import base64
import contextlib
import hashlib
import json
import os
import socket
import ssl
import subprocess

import pytest
import requests

from apid import Apid
from conftest import DAEMONS, wait_for
from standin import end_probes
from test_join import Machine, anyvf

TOKENS = '/identity/v3/auth/tokens'


def openssl(cwd, *words):
    subprocess.run(['openssl', *words], cwd=cwd, check=True, capture_output=True)


def certify(folder, name, ca, extension):
    """NAME.pem and NAME.key, signed by CA.pem."""
    (folder / 'ext').write_text(extension)
    openssl(folder, 'req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout',
            f'{name}.key', '-out', f'{name}.csr', '-subj', f'/CN={name}')
    openssl(folder, 'x509', '-req', '-in', f'{name}.csr', '-CA', f'{ca}.pem', '-CAkey', f'{ca}.key',
            '-CAcreateserial', '-days', '2', '-extfile', 'ext', '-out', f'{name}.pem')


@pytest.fixture(scope='module')
def pki(tmp_path_factory):
    """Two authorities, a server of one, a client of each."""
    folder = tmp_path_factory.mktemp('pki')
    for ca in 'ca', 'other':
        openssl(folder, 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
                '-keyout', f'{ca}.key', '-out', f'{ca}.pem', '-days', '2', '-subj', f'/CN={ca}')
    certify(folder, 'server', 'ca', 'subjectAltName = IP:127.0.0.1\n')
    certify(folder, 'agent', 'ca', 'extendedKeyUsage = clientAuth\n')
    certify(folder, 'stranger', 'other', 'extendedKeyUsage = clientAuth\n')
    folder.chmod(0o755)
    return folder


class TlsApid(Apid):
    """A daemon under https."""

    def __init__(self, directory, pki, more=''):
        super().__init__(directory)
        self.ca = str(pki / 'ca.pem')
        self.url = self.url.replace('http:', 'https:')
        self.conf.write_text(self.conf.read_text().replace('[api]\n', (
            f'[api]\ntls_certificate = {pki}/server.pem\ntls_key = {pki}/server.key\n{more}'))
            + f'[agent]\nca_file = {self.ca}\n')

    def ask(self, method, path, **kw):
        return requests.request(method, self.url + path, timeout=30, **{'verify': self.ca, **kw})

    def token(self, user, password, project, **kw):
        ident = {'methods': ['password'], 'password': {'user': {
            'name': user, 'domain': {'id': 'default'}, 'password': password}}}
        scope = {'project': {'name': project, 'domain': {'id': 'default'}}}
        got = self.ask('POST', TOKENS, json={'auth': {'identity': ident, 'scope': scope}}, **kw)
        assert got.status_code == 201, got.text
        return {'X-Auth-Token': got.headers['X-Subject-Token']}

    def admin(self):
        return self.token('admin', self.env()['OS_PASSWORD'], 'admin')


@contextlib.contextmanager
def running(tmp_path, pki, more=''):
    """A TLS daemon; the module-level requests of the helpers believe its CA."""
    os.environ['REQUESTS_CA_BUNDLE'] = str(pki / 'ca.pem')
    apid = TlsApid(tmp_path, pki, more)
    try:
        yield apid.start()
    finally:
        apid.stop()
        os.environ.pop('REQUESTS_CA_BUNDLE', None)


@pytest.fixture(scope='module')
def apid(tmp_path_factory, pki):
    with running(tmp_path_factory.mktemp('tls'), pki, 'client_timeout_s = 8\n') as made:
        yield made


def test_the_real_clients_work_by_openrc(apid):
    assert apid.env()['OS_AUTH_URL'].startswith('https://')
    apid.cli('openstack', 'network', 'create', 'n1')
    assert 'n1' in apid.cli('neutron', 'net-list').stdout
    assert 'ID' in apid.cli('nova', 'list').stdout


def test_whole_images_go_both_ways(apid):
    head, data = apid.admin(), os.urandom(5_000_000)
    image = apid.ask('POST', '/image/v2/images', headers=head, json={
        'name': 'i', 'disk_format': 'raw', 'container_format': 'bare'}).json()
    kind = {'Content-Type': 'application/octet-stream', **head}
    got = apid.ask('PUT', image['file'] if image['file'].startswith('/image') else
                   '/image' + image['file'], headers=kind, data=data)
    assert got.status_code == 204, got.text
    doc = apid.ask('GET', f"/image/v2/images/{image['id']}", headers=head).json()
    assert doc['checksum'] == hashlib.md5(data).hexdigest()
    got = apid.ask('GET', f"/image/v2/images/{image['id']}/file", headers=head)
    assert got.content == data


@pytest.mark.parametrize('version', [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_that_are_spoken(apid, version):
    context = ssl.create_default_context(cafile=apid.ca)
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(('127.0.0.1', apid.port), 10) as sock, \
            context.wrap_socket(sock, server_hostname='127.0.0.1') as tls:
        tls.sendall(b'GET /identity/v3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
        assert tls.recv(20).startswith(b'HTTP/1.1 200')


@pytest.mark.parametrize('version, ciphers', [
    (ssl.TLSVersion.TLSv1_1, 'ALL:@SECLEVEL=0'), (ssl.TLSVersion.TLSv1_2, 'AES128-SHA:AES256-GCM-SHA384'),
    (ssl.TLSVersion.TLSv1_2, 'NULL:@SECLEVEL=0')])
def test_what_is_weak_is_not(apid, version, ciphers):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.set_ciphers(ciphers)
    with socket.create_connection(('127.0.0.1', apid.port), 10) as sock:
        with pytest.raises(OSError):
            context.wrap_socket(sock)


def test_plain_requests_and_noise_get_nothing(apid):
    for data in b'GET /identity/v3 HTTP/1.1\r\nHost: x\r\n\r\n', bytes(100), b'\x16\x03\x01\xff\xff' * 50:
        with socket.create_connection(('127.0.0.1', apid.port), 10) as sock:
            sock.sendall(data)
            with contextlib.suppress(ConnectionResetError):
                assert b'HTTP/1.1 200' not in sock.recv(1000)
    assert apid.ask('GET', '/identity/v3').ok


def test_idle_handshakes_are_strangers(apid):
    """The one that waits longest makes room, and all of them end in their time."""
    with contextlib.ExitStack() as socks:
        crowd = [socks.enter_context(socket.create_connection(('127.0.0.1', apid.port), 10))
                 for _ in range(300)]
        assert apid.ask('GET', '/identity/v3').ok
        assert crowd[0].recv(1) == b''
        assert crowd[-1].recv(1) == b''  # a quarter of 8 s later


def test_the_cli_believes_the_ca_of_the_configuration(apid, pki, tmp_path):
    def status(ca):
        conf = tmp_path / 'c'
        conf.write_text(apid.conf.read_text().replace(apid.ca, str(pki / ca)))
        got = subprocess.run([DAEMONS / 'anyvf', '-j', 'status', '--config', conf], text=True,
                             capture_output=True, timeout=60, check=False,
                             env={**os.environ, 'ANYVF_RUN_DIR': str(tmp_path)})
        return next(p for p in json.loads(got.stdout)['daemons'] if p['name'] == 'anyvf-apid')
    assert status('ca.pem')['ready']
    refused = status('other.pem')
    assert not refused['ready'] and 'certificate' in refused['why_not'].lower(), refused


def test_an_agent_needs_its_certificate_where_there_is_a_ca(tmp_path, pki):
    with running(tmp_path, pki, f'tls_client_ca = {pki}/ca.pem\n') as apid:
        creds = json.loads((apid.dir / 'agent.json').read_text())
        head = apid.token(creds['username'], creds['password'], 'service')
        path = '/anyvf/v1/hosts/h1/desired'
        shown = {name: (str(pki / f'{name}.pem'), str(pki / f'{name}.key'))
                 for name in ('agent', 'stranger')}
        assert apid.ask('GET', path, headers=head).status_code == 403
        assert apid.ask('GET', path, headers=head, cert=shown['stranger']).status_code == 403
        assert apid.ask('GET', path, headers=head, cert=shown['agent']).status_code != 403
        assert apid.ask('GET', '/network/v2.0/networks', headers=apid.admin()).ok


def test_the_agent_comes_with_its_certificate(tmp_path, pki):
    with running(tmp_path, pki, f'tls_client_ca = {pki}/ca.pem\n') as apid:
        conf, log = tmp_path / 'agent.conf', tmp_path / 'agent.log'
        conf.write_text(apid.conf.read_text() + (
            f'credentials = {tmp_path}/agent.json\nlibvirt_uri = qemu:///embed?root={tmp_path}/libvirt\n'
            f'client_certificate = {pki}/agent.pem\nclient_key = {pki}/agent.key\n'))
        with open(log, 'wb') as out:
            agent = subprocess.Popen([DAEMONS / 'anyvf-agentd', '--config', conf, '--run-dir',
                                      tmp_path / 'run'], stderr=out)
        try:
            head = apid.admin()
            wait_for(lambda: [s for s in apid.ask('GET', '/compute/v2.1/os-services', headers=head)
                              .json()['services'] if s['state'] == 'up'], 30, 'a heartbeat')
            wait_for(lambda: f'the API is there url={apid.url}' in log.read_text(), 30, 'its wishes')
        finally:
            agent.terminate()
            agent.wait(10)
            end_probes(tmp_path / 'libvirt')


def test_a_start_refuses_half_of_it_and_words_in_clear(tmp_path, pki):
    def start(conf):
        (tmp_path / 'c').write_text(f'[host]\nstate_dir = {tmp_path}/s\n[api]\nopenrc = {tmp_path}/rc\n{conf}')
        got = subprocess.run([DAEMONS / 'anyvf-apid', '--prepare', '--config', tmp_path / 'c'], text=True,
                             capture_output=True, timeout=30, check=False)
        return got.stderr if got.returncode else ''
    pair = f'tls_certificate = {pki}/server.pem\n'
    assert 'belong together' in start(pair)
    assert 'belong together' in start(f'tls_client_ca = {pki}/ca.pem\n')
    assert 'tls_certificate, tls_key: ' in start(pair + f'tls_key = {pki}/agent.key\n')
    assert 'tls_certificate, tls_key: ' in start(pair + f'tls_key = {pki}/ext\n')
    assert 'no certificate' in start(pair + f'tls_key = {pki}/server.key\ntls_client_ca = {pki}/ext\n')
    assert 'nothing' in start(f'tls_certificate = {pki}/nothing\n')
    for listen in '0.0.0.0:5000', '[::]:5000', '192.0.2.1:5000', '[::ffff:192.0.2.1]:5000':
        assert 'without TLS' in start(f'listen = {listen}\n'), listen
        assert not start(f'listen = {listen}\nplain_http = yes\n'), listen
    for listen in '127.0.0.1:5000', '127.8.8.8:5000', '[::1]:5000':
        assert not start(f'listen = {listen}\n'), listen


def test_a_machine_that_joins_believes_the_cas_of_its_token_alone(tmp_path, pki):
    (tmp_path / 'cloud').mkdir(mode=0o755)
    machine = Machine(tmp_path / 'machine')
    machine.conf.write_text(machine.conf.read_text() + 'uplink = dev nosuch0\n')  # it joins; more is test_join's
    with running(tmp_path / 'cloud', pki) as apid:
        token = anyvf(apid.conf, 'host', 'add', 'h2')
        words = json.loads(base64.urlsafe_b64decode(token.strip()[7:] + '=='))
        words['ca'] = (pki / 'other.pem').read_text()
        other = 'anyvf1.' + base64.urlsafe_b64encode(json.dumps(words).encode()).decode().rstrip('=')
        before = machine.files()
        assert 'certificate' in machine.anyvf('up', '--token-file', '-', stdin=other, code=1) and machine.files() == before
        said = machine.anyvf('up', '--token-file', '-', stdin=token, code=1)
        machine.anyvf('down')
    assert 'nosuch0' in said and machine.files()['api-ca.pem'] == (pki / 'ca.pem').read_bytes()
    assert f'api = {apid.url}\nca_file = {machine.dir}/api-ca.pem\n' in machine.conf.read_text()
