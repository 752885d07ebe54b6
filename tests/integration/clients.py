# SPDX-License-Identifier: Apache-2.0
"""The real OpenStack clients, as Debian has them, without their start: it takes a second each time.

A process that has loaded their modules forks for each command, and the fork runs the command's own entry point.
"""
import importlib.metadata
import inspect
import multiprocessing
import os
import subprocess
import sys
import tempfile

MODULES = ['openstackclient.shell', 'openstackclient.compute.client', 'openstackclient.compute.v2.server',
           'openstackclient.network.client', 'openstackclient.image.client', 'openstackclient.identity.client',
           'neutronclient.shell', 'novaclient.shell', 'novaclient.v2.shell']

CLIENTS = 'openstack', 'neutron', 'nova'

_forks = multiprocessing.get_context('forkserver')
_forks.set_forkserver_preload(MODULES)


def _main(words, env, out, err):
    """In the fork: be the program."""
    os.environ.clear()
    os.environ.update(env)
    for path, fd in (out, 1), (err, 2):
        os.dup2(os.open(path, os.O_WRONLY), fd)
    sys.argv = list(words)
    entry = next(e for e in importlib.metadata.entry_points(group='console_scripts') if e.name == words[0])
    main = entry.load()
    # neutron's has taken the arguments of its process as a default, when it was loaded
    sys.exit(main(words[1:]) if 'argv' in inspect.signature(main).parameters else main())


def run(words, env, timeout=120):
    """Run a client to its end; its subprocess.CompletedProcess. TimeoutExpired as of subprocess.run()."""
    if words[0] not in CLIENTS:  # a program of ours, or a shell
        return subprocess.run(words, env=env, timeout=timeout, capture_output=True, text=True, check=False)
    with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
        child = _forks.Process(target=_main, args=(words, env, out.name, err.name))
        main = sys.modules['__main__'].__dict__
        path = main.pop('__file__', None)  # the fork is not to run the caller's program, be it guarded or not
        try:
            child.start()
        finally:
            if path:
                main['__file__'] = path
        child.join(timeout)
        if child.exitcode is None:
            child.kill()
            child.join()
            raise subprocess.TimeoutExpired(words, timeout)
        return subprocess.CompletedProcess(words, child.exitcode, out.read().decode(), err.read().decode())
