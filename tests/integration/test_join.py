# SPDX-License-Identifier: Apache-2.0
"""A machine joins a cloud by a token of `anyvf host add`, and is struck off: a private installation without an API."""
import base64
import json
import os

import pytest
import requests

from apid import Client, Cloud, FakeAgent
from conftest import DAEMONS, need_root, run, wait_for


def anyvf(conf, *words, run_dir='/nonexistent', stdin='', code=0):
    """`anyvf WORDS` with that configuration; what it said."""
    at = words.index('host') + 2 if 'host' in words else 1
    done = run(DAEMONS / 'anyvf', *words[:at], '--config', conf, *words[at:], check=False, input=stdin,
               env={**os.environ, 'ANYVF_RUN_DIR': str(run_dir)})
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


class Machine:
    """A configuration as a new machine has it; its libvirt is the one that pretends."""

    def __init__(self, directory):
        directory.mkdir(mode=0o755)
        self.dir, self.conf = directory, directory / 'anyvf.conf'
        self.conf.write_text(
            f'[host]\nstate_dir = {directory}/state\nlog_dir = {directory}/log\n[api]\nopenrc = {directory}/openrc\n'
            f'[agent]\nlibvirt_uri = test:///default\ncredentials = {directory}/agent.json\n'
            '[sriov]\nphysical_device_mappings = physnet1:p2p1\n[pf.p2p1]\nnumvfs = 4\n')

    def anyvf(self, *words, **kw):
        return anyvf(self.conf, *words, run_dir=self.dir / 'run', **kw)

    def files(self):
        """What joining may change."""
        return {p.name: p.read_bytes() for p in self.dir.glob('*') if p.is_file()}

    def credentials(self):
        return json.loads((self.dir / 'agent.json').read_text())


@pytest.fixture
def machine(tmp_path):
    need_root()
    made = Machine(tmp_path / 'machine')
    yield made
    made.anyvf('down')


@pytest.fixture
def cloud(tmp_path):
    tmp_path.chmod(0o755)
    made = Cloud(tmp_path)
    yield made
    made.close()


def test_a_machine_joins_by_a_token_and_is_refused_when_it_is_struck_off(cloud, machine):
    def host(*words, **kw):
        return anyvf(cloud.apid.conf, 'host', *words, **kw)

    def states():
        return {h['host']: h['state'] for h in json.loads(anyvf(cloud.apid.conf, '-j', 'host', 'list'))}

    def refused(why, token, *words):
        """The token is, and the machine is as it was."""
        before = machine.files()
        said = machine.anyvf('up', *words, '--token-file', '-', stdin=token, code=1)
        assert why in said and machine.files() == before, said
    assert 'cannot be a host' in host('add', 'a/b', code=1)
    first, token = host('add', 'h2'), host('add', 'h2', 'hours', '1')
    assert token.startswith('anyvf1.') and token.count('\n') == 1
    refused('not all of it', token[:-20])
    refused('not all of it', 'secret')
    refused('replaced', first)
    refused("Couldn't connect", token, '--join', 'http://127.0.0.1:1')
    assert 'is a cloud of its own' in anyvf(cloud.apid.conf, 'up', '--token-file', '-', stdin=token, code=1)
    assert 'needs a token' in machine.anyvf('up', '--join', cloud.apid.url, code=1)
    user = cloud.admin.get('/identity/v3/users?name=anyvf-agent-h2')['users'][0]
    path = f"/identity/v3/users/{user['id']}"
    cloud.admin.call('PATCH', path, {'user': {'password_expires_at': '2026-01-01T00:00:00Z'}}, 200)
    refused('was good until', token)
    cloud.admin.call('PATCH', path, {'user': {'password_expires_at': user['password_expires_at']}}, 200)

    said = machine.anyvf('up', '--join', cloud.apid.url + '/', '--token', token.strip())
    assert 'joined as     h2' in said and 'anyvf-apid' not in said and states() == {'h2': 'up'}
    assert not (machine.dir / 'openrc').exists() and (machine.dir / 'agent.json').stat().st_mode & 0o777 == 0o600
    secret = json.loads(base64.urlsafe_b64decode(token.strip()[7:] + '=='))['password']
    assert all(secret.encode() not in text for text in machine.files().values())
    assert 'is there and up' in host('add', 'h2', code=1)
    assert 'runs here already' in machine.anyvf('up', '--token', token.strip(), code=1)

    who = machine.credentials()
    agent = Client(cloud.apid, who['username'], who['password'], who['project'])
    assert agent.get('/anyvf/v1/hosts/h2') == {'host': 'h2', 'alive': True}
    assert agent.call('GET', '/anyvf/v1/hosts/h1').status_code == 403
    machine.anyvf('down')
    refused('was used', token)
    wait_for(lambda: states() == {'h2': 'down'}, 10, 'the end of its heartbeats')
    host('remove', 'h2')
    assert states() == {} and agent.call('GET', '/anyvf/v1/hosts/h2').status_code == 401
    with pytest.raises(AssertionError, match='401|requires authentication'):
        Client(cloud.apid, who['username'], who['password'], who['project'])
    assert 'no host "h2"' in host('remove', 'h2', code=1)

    # again, cut off between the step at the API and the files' last places
    token = host('add', 'h2')
    words = json.loads(base64.urlsafe_b64decode(token.strip()[7:] + '=='))
    new = {'username': words['user'], 'password': 'made-here', 'project': 'service'}
    (machine.dir / 'agent.json.new').write_text(json.dumps(new))
    assert requests.post(f"{cloud.apid.url}/identity/v3/users/{words['user_id']}/password", timeout=30, json={
        'user': {'original_password': words['password'], 'password': 'made-here'}}).status_code == 204
    machine.anyvf('up', '--token-file', '-', stdin=token)
    assert machine.credentials() == new and states() == {'h2': 'up'}


def test_a_host_that_is_struck_off_by_its_record_takes_the_user_made_for_it_along(cloud):
    users, agents = '/identity/v3/users', '/network/v2.0/agents'
    token = anyvf(cloud.apid.conf, 'host', 'add', 'h2')
    words = json.loads(base64.urlsafe_b64decode(token.strip()[7:] + '=='))
    domain = cloud.admin.post('/identity/v3/domains', {'domain': {'name': 'd'}})['domain']['id']
    named = cloud.admin.post(users, {'user': {'name': 'anyvf-agent-h2', 'domain_id': domain, 'password': 'x'}})['user']['id']
    own, = cloud.admin.get(f'{users}?name=anyvf-agent-h1')['users']

    # who looks after a domain may not say it of anybody, nor is it his to see
    boss = cloud.admin.post(users, {'user': {'name': 'boss', 'domain_id': domain, 'password': 'secret'}})['user']['id']
    role = cloud.admin.get('/identity/v3/roles?name=admin')['roles'][0]['id']
    cloud.admin.put(f'/identity/v3/domains/{domain}/users/{boss}/roles/{role}', None, 204)
    got = requests.post(f'{cloud.apid.url}/identity/v3/auth/tokens', timeout=30, json={'auth': {
        'identity': {'methods': ['password'], 'password': {'user': {'id': boss, 'password': 'secret'}}}, 'scope': {'domain': {'id': domain}}}})
    head = {'X-Auth-Token': got.headers['X-Subject-Token']}
    for method, path in ('PATCH', f'{users}/{named}'), ('POST', users):
        body = {'user': {'name': 'anyvf-agent-h3', 'domain_id': domain, 'anyvf_agent_of': 'h2'}}
        assert requests.request(method, f'{cloud.apid.url}{path}', json=body, headers=head, timeout=30).status_code == 403
    assert cloud.admin.get(f"{users}/{words['user_id']}")['user']['anyvf_agent_of'] == 'h2'

    password = {'user': {'original_password': words['password'], 'password': 'made-here'}}
    assert requests.post(f"{cloud.apid.url}{users}/{words['user_id']}/password", timeout=30, json=password).status_code == 204
    agent = FakeAgent(Client(cloud.apid, words['user'], 'made-here', 'service'), 'h2').start()
    cloud.agents.append(agent)
    first = cloud.agent('h1')
    record = {a['host']: a['id'] for a in cloud.admin.get(agents)['agents']}
    assert cloud.admin.call('DELETE', f"{agents}/{record['h2']}").status_code == 409
    assert agent.client.call('GET', '/anyvf/v1/hosts/h2').status_code == 200  # refused, so nothing happened
    agent.stop()
    first.stop()
    for host in 'h2', 'h1':
        wait_for(lambda host=host: cloud.admin.call('DELETE', f'{agents}/{record[host]}').status_code == 204, 10, 'a dead host to be struck off')
    assert cloud.admin.call('GET', f"{users}/{words['user_id']}").status_code == 404
    assert agent.client.call('PUT', '/anyvf/v1/hosts/h2', agent.inventory).status_code == 401
    for left in own['id'], named, boss:  # host add made none of them
        assert cloud.admin.call('GET', f'{users}/{left}').status_code == 200
    assert first.client.call('PUT', '/anyvf/v1/hosts/h1', first.inventory).status_code == 200
    assert cloud.admin.get(agents)['agents'][0]['host'] == 'h1'
