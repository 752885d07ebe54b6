# SPDX-License-Identifier: Apache-2.0
"""The real OpenStack clients, as Debian has them, without their start: it takes a second each time.

A process that has loaded their modules (clients_loaded) forks for each command, and the fork runs the command's own
entry point: by run(), or by programs() for a script that types them.
"""
import contextlib
import importlib
import inspect
import json
import multiprocessing.forkserver
import os
import pathlib
import socketserver
import subprocess
import sys
import tempfile
import threading
import unittest.mock

CLIENTS = 'openstack', 'neutron', 'nova'

_forks = multiprocessing.get_context('forkserver')
_forks.set_forkserver_preload(['clients_loaded'])
_starting = threading.Lock()


def _main(words, env, out, err):
    """In the fork: be the program."""
    os.environ.clear()
    os.environ.update(env)
    for path, fd in (out, 1), (err, 2):
        os.dup2(os.open(path, os.O_WRONLY), fd)
    sys.argv = list(words)
    main = importlib.import_module('clients_loaded').CLIENTS[words[0]].load()
    # neutron's has taken the arguments of its process as a default, when it was loaded
    sys.exit(main(words[1:]) if 'argv' in inspect.signature(main).parameters else main())


def _start(child):
    """Fork; the fork is not to run the caller's program, be it guarded or not."""
    main = sys.modules['__main__'].__dict__
    with _starting, unittest.mock.patch.dict(os.environ, PYTHONPATH=str(pathlib.Path(__file__).parent)):
        multiprocessing.forkserver.ensure_running()  # where it finds clients_loaded
        path = main.pop('__file__', None)
        try:
            child.start()
        finally:
            if path:
                main['__file__'] = path


def run(words, env, timeout=600):
    """Run a client to its end; its subprocess.CompletedProcess. TimeoutExpired as of subprocess.run()."""
    if words[0] not in CLIENTS:  # a program of ours, or a shell
        return subprocess.run(words, env=env, timeout=timeout, capture_output=True, text=True, check=False)
    with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
        child = _forks.Process(target=_main, args=(words, env, out.name, err.name))
        _start(child)
        child.join(timeout)
        if child.exitcode is None:
            child.kill()
            child.join()
            raise subprocess.TimeoutExpired(words, timeout)
        return subprocess.CompletedProcess(words, child.exitcode, out.read().decode(), err.read().decode())


PROGRAM = """#!/usr/bin/python3 -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as sock:
    sock.connect({path!r})
    sock.sendall(json.dumps([[{name!r}, *sys.argv[1:]], dict(os.environ)]).encode())
    sock.shutdown(socket.SHUT_WR)
    code, out, err = json.load(sock.makefile())
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
"""


class Asked(socketserver.StreamRequestHandler):
    """One command of a PROGRAM."""

    def handle(self):
        done = run(*json.load(self.rfile))
        self.wfile.write(json.dumps([done.returncode, done.stdout, done.stderr]).encode())


@contextlib.contextmanager
def programs(directory):
    """For scripts: a directory for their PATH, with programs of the clients' names that have them run by run()."""
    path = pathlib.Path(directory) / 'clients'
    path.mkdir()
    with socketserver.ThreadingUnixStreamServer(str(path / 'sock'), Asked) as server:
        for name in CLIENTS:
            (path / name).write_text(PROGRAM.format(path=server.server_address, name=name))
            (path / name).chmod(0o755)
        threading.Thread(target=server.serve_forever).start()
        try:
            yield path
        finally:
            server.shutdown()
