# SPDX-License-Identifier: Apache-2.0
"""Client of the control sockets of anyvf-swd and anyvf-hwd: JSON-RPC 2.0 lines, one connection a call."""
import errno
import json
import socket

DAEMONS = ('swd.sock', 'hwd.sock')
TIMEOUT_S = 20


class ControlError(Exception):
    """A daemon refused, in its own words, or is not there (code None)."""

    def __init__(self, message, code=None):
        super().__init__(message)
        self.code = code


def _pf_words(info):
    """The words of pf.get without which nothing can be said of a PF."""
    _ = info['status']['kind'] + '', info['config']['mtu'] + 0
    for vf in info['vfs']:
        _ = vf['vf'] + 0, vf['config']['mac'] + vf['config']['port_id'], vf['status'].get, vf['attach']['kind']


def _judged(method, words, answers):
    """A list of answers, each of which has the words that are used; ControlError if the daemon has others."""
    try:
        for answer in [*answers]:
            words(answer)
    except (KeyError, TypeError, AttributeError) as e:
        raise ControlError(f'the switch answers in words of another version: {method}: '
                           f'{type(e).__name__}: {e}') from e
    return answers


class Control:
    """The daemons of one run directory. A PF is asked for where it is; it may move between calls."""

    def __init__(self, run_dir):
        self.run_dir = run_dir

    def ask(self, daemon, method, **params):
        """The result of a call to one daemon; ControlError if it refuses or cannot be heard."""
        line = json.dumps({'jsonrpc': '2.0', 'id': 1, 'method': method, 'params': params})
        try:
            reply = json.loads(self._exchange(daemon, line.encode() + b'\n'))
        except (OSError, ValueError) as e:
            raise ControlError(f'{self.run_dir}/{daemon}: {e}') from e
        if not isinstance(reply, dict) or not ('result' in reply or 'error' in reply):
            raise ControlError(f'{self.run_dir}/{daemon}: not an answer to {method}')
        if 'error' in reply:
            raise ControlError(reply['error'].get('message', method), reply['error'].get('code'))
        return reply['result']

    def _exchange(self, daemon, line):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(TIMEOUT_S)
            s.connect(f'{self.run_dir}/{daemon}')
            s.sendall(line)
            got = bytearray()
            while not got.endswith(b'\n'):
                more = s.recv(65536)
                if not more:
                    raise OSError('closed the connection')
                got += more
        return bytes(got)

    def pfs(self):
        """{PF: its daemon}; a daemon that does not run has none. ControlError if none answers."""
        answers, why = {}, None
        for daemon in DAEMONS:
            try:
                answers[daemon] = _judged('pf.list', lambda n: n + '', self.ask(daemon, 'pf.list'))
            except ControlError as e:
                why = why or e
        if not answers:
            raise why
        return {pf: daemon for daemon, names in answers.items() for pf in names}

    def call(self, method, pf, **params):
        """The result of a method about a PF, of whichever daemon has it."""
        daemon = self.pfs().get(pf)
        if not daemon:
            raise ControlError(f'{self.run_dir}: no PF {pf}')
        return self.ask(daemon, method, pf=pf, **params)

    def pf(self, pf):
        """A PF as the daemon tells it, its VFs in `vfs`."""
        return _judged('pf.get', _pf_words, [self.call('pf.get', pf, vfs=True)])[0]

    def set_vf(self, pf, vf, **settings):
        """Set words of a VF, all or none, as the agent: what people set meanwhile is shown as overridden."""
        self.call('pf.set', pf, by_agent=True, vfs=[{'vf': vf, 'set': settings}])

    def services(self):
        """Service ports of all software PFs."""
        return _judged('svc.list', lambda svc: svc['pf'] + svc['name'], self.ask('swd.sock', 'svc.list'))

    def remove_service(self, pf, name):
        """Remove a service port. That it is not there is no error: somebody was faster."""
        try:
            self.call('svc.del', pf, name=name)
        except ControlError as e:
            if e.code != -errno.ENOENT:
                raise

    def mirrors(self):
        """Mirrors of all software PFs."""
        return _judged('mirror.list', lambda mirror: mirror['name'] + '', self.ask('swd.sock', 'mirror.list'))
