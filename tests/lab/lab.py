# SPDX-License-Identifier: Apache-2.0
"""A machine with the kernel's own SR-IOV drivers, in QEMU without KVM: boots in seconds, runs commands, gives their words back.

    with Lab(directory) as lab:
        lab.run('modprobe', 'netdevsim')
        done = lab.run('ip', '-j', 'link')           # .code .out .err
        dones = lab.run_all([['true'], ['ip', 'l']])  # one round trip

The NIC is netdevsim, or Intel's 82576 where igb_qemu() has a QEMU that emulates one: Lab(directory, *igb(MAC), qemu=...).
HostLab(directory, files) has this machine's own programs and files, and whatever is to lie over them, without touching these:
daemons run there beside real NICs, with an IOMMU, and with a disk that outlives the guest.

booted(checked(files, script), directory) is no emulated machine: this machine's files under systemd, in a container of this kernel's, in a second.
"""
import collections
import os
import pathlib
import re
import socket
import struct
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
IMAGE = pathlib.Path(os.environ.get('ANYVF_LAB', ROOT / 'build' / 'lab'))
# Of 9.4 s of CPU that a boot takes, to patch locks away takes 1.1 (noreplace-smp), and self-tests that no lab needs 0.3.
# norandmaps: with addresses that do not change, an emulated CPU translates a program once and not at each start of it: a third of the time.
CMDLINE = 'console=ttyS0 quiet panic=-1 net.ifnames=0 no_timer_check tsc=reliable apparmor=0 cryptomgr.notests=1 norandmaps mitigations=off ' \
    'noreplace-smp initcall_blacklist=crypto_kdf108_init,init_kprobe_trace'
BATCH = 32  # requests in flight: both ways they fit into the sockets' buffers, so nobody waits for the other

Done = collections.namedtuple('Done', 'code out err')


def make(program, **kw):
    """Run a maker of images, in the namespaces that the tests left for theirs: what it lacks it downloads."""
    return subprocess.run([*os.environ.get('ANYVF_OUTSIDE', '').split(), program, IMAGE], check=False, **kw)


def image():
    """The directory of kernel and initramfs; made if missing or old. Fails with the words of what is not there."""
    make(ROOT / 'tests' / 'lab' / 'image').check_returncode()
    return IMAGE


def igb_qemu():
    """A QEMU that has an igb (made if missing or old), or None and why there is none to be had."""
    done = make(ROOT / 'tests' / 'lab' / 'qemu', stderr=subprocess.PIPE, text=True)
    assert done.returncode in (0, 77), done.stderr
    return (None, done.stderr.strip()) if done.returncode else (IMAGE / 'qemu', '')


def igb(mac):
    """Devices of a guest: an igb that has this MAC, alone on its wire (a hub of QEMU's)."""
    return ['-netdev', 'hubport,hubid=0,id=wire', '-device', 'pcie-root-port,id=root',
            '-device', f'igb,bus=root,netdev=wire,romfile=,mac={mac}']


def host(files):
    """What QEMU boots this machine's files with, read-only, below those in a directory and a tmpfs: its arguments.

    On the kernel's command line lab_init=PROGRAM says what is to be PID 1, lab_disk=vda what is /var/lib/anyvf, if it is no tmpfs.
    Raises OSError where it cannot be made."""
    done = make(ROOT / 'tests' / 'lab' / 'host', stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise OSError(done.stderr.strip().splitlines()[-1])
    shares = {'host': '/', 'test': files, 'modules': IMAGE / 'host.modules'}
    return ['-cpu', 'max', '-smp', '2', '-m', '1024', '-kernel', IMAGE / 'vmlinux', '-initrd', IMAGE / 'host.initramfs',
            *(word for tag, path in shares.items() for word in share(tag, path, ',readonly=on'))]


def share(tag, path, more=''):
    """Devices of a guest: a directory, by 9p."""
    return ['-virtfs', f'local,security_model=none,multidevs=remap,path={path},mount_tag={tag}{more}']


def disk(path):
    """Devices of a guest: a disk, made if it is not there.

    Killing QEMU is a power cut: the guest's memory is lost, while what the disk has taken is with this machine's kernel, and stays.
    So nothing need get as far as this machine's own disk, which costs tens of milliseconds each time."""
    if not os.path.exists(path):
        subprocess.run(['/sbin/mkfs.ext4', '-q', path, '256M'], check=True, stdout=subprocess.DEVNULL)
    return ['-drive', f'if=none,id=disk,file={path},format=raw,cache=unsafe', '-device', 'virtio-blk-pci,drive=disk']


class Lab:
    """One booted guest. Everything of it ends with close()."""

    def __init__(self, directory, *devices, qemu='qemu-system-x86_64', timeout=120):
        """directory: gets console and QEMU's words; devices: more arguments for QEMU; timeout: seconds for any answer."""
        at = image()
        self._boot(directory, ['-m', '256', '-kernel', at / 'vmlinux', '-initrd', at / 'initramfs', *devices], CMDLINE, qemu, timeout)

    def _boot(self, directory, machine, cmdline, qemu, timeout):
        self.console = pathlib.Path(directory) / 'lab.console'
        self.log = pathlib.Path(directory) / 'lab.log'
        self.sock, theirs = socket.socketpair()
        self.sock.settimeout(timeout)
        argv = [qemu, '-name', 'anyvf-lab', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot',
                '-machine', 'q35,accel=tcg', '-append', cmdline, '-serial', f'file:{self.console}', '-device', 'virtio-serial-pci',
                '-chardev', f'socket,id=port,fd={theirs.fileno()}', '-device', 'virtserialport,chardev=port,nr=1', *machine]
        with theirs, open(self.log, 'wb') as log:
            self.proc = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                         pass_fds=[theirs.fileno()])
        try:
            self._answer()  # the agent's word that it is there
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _read(self, size):
        data = b''
        while len(data) < size:
            try:
                got = self.sock.recv(size - len(data))
            except OSError:
                got = b''
                self.proc.kill()  # nor will it answer who asks next
            assert got, f'the guest does not answer:\n{self.log.read_text()}\n{self.console.read_text(errors="replace")[-2000:]}'
            data += got
        return data

    def _answer(self):
        code, out, err = struct.unpack('<3I', self._read(12))
        return Done(code, self._read(out).decode(), self._read(err).decode())

    def run_all(self, commands):
        """The Done of each command (a list of words), in order."""
        dones = []
        for i in range(0, len(commands), BATCH):
            some = [b''.join(os.fsencode(str(word)) + b'\0' for word in words) for words in commands[i:i + BATCH]]
            self.sock.sendall(b''.join(struct.pack('<I', len(argv)) + argv for argv in some))
            dones += [self._answer() for _ in some]
        return dones

    def run(self, *words, check=True):
        """The Done of one command; check: fail with its words if its exit code is not 0."""
        done, = self.run_all([words])
        assert not check or done.code == 0, f'{" ".join(map(str, words))}: {done.err or done.out}'
        return done

    def close(self):
        """End it at once; nothing in it is worth an orderly end."""
        self.proc.kill()
        self.proc.wait()
        self.sock.close()


class HostLab(Lab):
    """A Lab with this machine's own files, host(), which is /run/lab/out there what is `directory` here, and takes programs that stay."""

    def __init__(self, directory, files, *devices, state=None, iommu=False, cmdline='', qemu='qemu-system-x86_64', timeout=120):
        """files: a directory that lies over them; state: a disk() for /var/lib/anyvf; cmdline: more for the kernel; the rest as a Lab's."""
        self.directory = pathlib.Path(directory)
        # One CPU: of an emulated machine's two, each spends a third of its time on the other.
        machine = [*host(files), '-smp', '1', *share('out', directory), *devices]
        if state:
            machine += disk(state)
            cmdline += ' lab_disk=vda'
        if iommu:
            machine += ['-device', 'intel-iommu']
            cmdline += ' intel_iommu=on iommu=pt'
        self.machine = directory, machine, f'{CMDLINE} lab_init=/run/lab/init {cmdline}', qemu, timeout
        self._boot(*self.machine)

    def cut(self):
        """A power cut, and the machine is booted again."""
        self.close()
        self._boot(*self.machine)

    def start(self, name, *words):
        """Start a program that stays. What it says is said(name), here, after its and its guest's end too."""
        self.run('sh', '-c', """rm -f $0.exit $0.pid; { "$@" & echo $! > $0.pid; wait $!; echo $? > $0.new; mv $0.new $0.exit; } >> $0.log 2>&1 &
                                until [ -s $0.pid ]; do sleep 0.1; done""", f'/run/lab/out/{name}', *words)

    def stop(self, name, signal='TERM'):
        """The exit code, as a shell has it, of a program that start() started; signal: what it gets first, None if it ends by itself."""
        at = f'/run/lab/out/{name}'
        self.run('sh', '-c', '[ $1 = None ] || kill -$1 $(cat $0.pid); until [ -s $0.exit ]; do sleep 0.1; done', at, signal)
        return int((self.directory / f'{name}.exit').read_text())

    def said(self, name):
        """What a program that start() started has said so far, at all its starts."""
        return (self.directory / f'{name}.log').read_text(errors='replace')


def checked(files, check, wants=()):
    """Put among files what tests/lab/container boots: a script, which systemd runs once units are up, and whose words are `said`. Returns them.

    files: a directory, for these and all else that is to lie there; check: the script's text; wants: the units."""
    units, script = files / 'etc/systemd/system', files / 'usr/sbin/check'
    for at in units, script.parent:
        at.mkdir(parents=True, exist_ok=True)
    script.write_text(check)
    script.chmod(0o755)
    names = ' '.join(['systemd-journald.service', *wants])
    (units / 'check.service').write_text(f'[Unit]\nWants={names}\nAfter={names}\nSuccessAction=exit-force\nFailureAction=exit-force\n[Service]\n'
                                         'Type=oneshot\nExecStart=/usr/sbin/check\nStandardOutput=append:/run/lab/out/said\nStandardError=inherit\n')
    return files


CHECK = r"""#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
check() { # NAME COMMAND...
	name=$1
	shift
	if "$@" >/tmp/said 2>&1; then echo "ok      $name"; else echo "FAILED  $name"; tail -n 30 /tmp/said | sed 's/^/        /'; fi
}
"""


def judged(files, script, directory, timeout, root='/'):
    """(passed, failed) of a script of `check NAME COMMAND...` lines, booted() with these files; what it says is printed. One that does not come to its end has failed."""
    passed, failed = 0, 0
    for line in booted(checked(files, f'{CHECK}{script}echo END\n'), directory, timeout, root):
        if line == 'END':
            return passed, failed
        print(line, flush=True)
        passed, failed = passed + line.startswith('ok '), failed + line.startswith('FAILED ')
    print('FAILED  it ended early\n' + (directory / 'console').read_text(errors='replace')[-4000:])
    return passed, failed + 1


def booted(files, directory, timeout=600, root='/'):
    """Each line that the script of checked() files says, when it does, on this machine's files under systemd in a container (tests/lab/container).

    directory: a path, /run/lab/out there, gets `said` and `console`; timeout: seconds for it all; root: another machine's files. Raises OSError where
    there can be none."""
    said, console = directory / 'said', directory / 'console'
    said.touch()
    with said.open(errors='replace') as lines, console.open('wb') as errors:
        proc = subprocess.Popen(['setpriv', '--pdeathsig', 'TERM', ROOT / 'tests/lab/container', files, directory, root],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
        try:
            end, rest, over = time.monotonic() + timeout, '', False
            while not over:
                over = proc.poll() is not None or time.monotonic() > end
                *whole, rest = (rest + lines.read()).split('\n')
                yield from whole
                time.sleep(0 if over else 0.05)
        finally:
            proc.terminate()
            proc.wait()
    if proc.returncode == 77:
        raise OSError(re.findall(r'^container: (.*?)\r?$', console.read_text(errors='replace'), re.M)[-1])
