# SPDX-License-Identifier: Apache-2.0
"""Who does the harm: kills, stops, cuts off, loses packets, fills disks, sets clocks. What and when is told by a seed.

A fault is a function of the parties and chance that returns (words, begin, end); the other end is called when it is over.
"""
import contextlib
import itertools
import math
import random
import signal
import threading

from parties import ADDRESSES, HOSTS, HUB

LONGEST_S = 30
numbers = itertools.count()


def nothing():
    """What has no end."""


def kill(parties, chance):
    """-9, of any process."""
    party = chance.choice([*parties.all, *parties.replicas])
    return f'kill {party.name}', party.kill, nothing


def kill_leader(parties, _chance):
    """Of etcd's members that which leads."""
    def begin():
        for member in parties.members:
            status = parties.etcd.ask(member.number, 'maintenance/status')
            if status and status.get('leader') == status['header']['member_id']:
                member.kill()
                return
    return 'kill the leader', begin, nothing


def kill_switch(parties, chance):
    host, parent = chance.choice(parties.hosts), chance.random() < 0.5
    return f"kill {host.name}'s switch{' parent' if parent else ''}", lambda: host.kill_switch(parent), nothing


def restart_recorded(parties, chance):
    """An agent that forgets all it knew."""
    agent = chance.choice(parties.recorded)

    def begin():
        agent.stop()
        agent.start()
    return f'restart {agent.host}', begin, nothing


def stop(parties, chance):
    """SIGSTOP, and the same process goes on."""
    party = chance.choice([*parties.all, *parties.replicas])
    stopped = []

    def begin():
        stopped.append(party.proc)
        party.proc.send_signal(signal.SIGSTOP)
    return f'stop {party.name}', begin, lambda: stopped[0].send_signal(signal.SIGCONT)


def rules(party, lines):
    """(begin, end) of packet filter rules of a party."""
    table = f'inet chaos{next(numbers)}'
    chains = ''.join(f'chain {hook} {{ type filter hook {hook} priority 0; {" ".join(f"{line};" for line in lines.get(hook, ()))} }}\n'
                     for hook in ('input', 'output'))
    return lambda: party.nft(f'table {table} {{\n{chains}}}'), lambda: party.nft(f'delete table {table}')


def cut_member(parties, chance):
    """One of etcd's from one or both others, or only what it says to them, or they to it."""
    member = chance.choice(parties.members)
    others = [ADDRESSES[m.name] for m in parties.members if m is not member][:chance.choice((1, 2, 2))]
    ways = chance.choice((('input', 'output'), ('input', 'output'), ('input',), ('output',)))
    word = {'input': 'saddr', 'output': 'daddr'}
    lines = {way: [f'ip {word[way]} {{ {", ".join(others)} }} drop'] for way in ways}
    return f"cut {member.name} from {len(others)} ({' and '.join(ways)})", *rules(member, lines)


def cut_replica(parties, chance):
    """A replica of the API from some of etcd's members: silently, as a cable does."""
    replica = chance.choice(parties.replicas)
    members = chance.sample(range(3), chance.choice((1, 2, 3, 3)))
    ports = ', '.join(str(parties.ports[f'{replica.name}-m{i}']) for i in members)
    lines = {'output': [f'tcp dport {{ {ports} }} drop']}
    if chance.random() < 0.4:  # what it asks comes there
        lines = {'input': [f'tcp sport {{ {ports} }} drop']}
    return f"cut {replica.name} from {len(members)} members ({', '.join(lines)})", *rules(replica, lines)


def cut_host(parties, chance):
    """A host from the API."""
    host, away = chance.choice([*parties.hosts, *parties.simulators]), chance.choice((['a'], ['b'], ['a', 'b']))
    ports = ', '.join(str(parties.ports[f'{host.name}-{at}']) for at in away)
    return f"cut {host.name} from {' and '.join(away)}", *rules(host, {'output': [f'tcp dport {{ {ports} }} drop']})


def lose(parties, chance):
    """A part of all packets."""
    party, part = chance.choice(parties.all), chance.choice((5, 20, 40))
    line = [f'ip saddr {HUB}/24 numgen random mod 100 < {part} drop']
    return f'lose {part} % of what {party.name} hears', *rules(party, {'input': line})


def links(parties, chance, **order):
    """(who, begin, end) of an order to some links: all of a replica's to etcd, or a host's or all clients' to a replica."""
    at = chance.choice('ab')
    who = chance.choice((f'{at}-m', f'{at}-m', f'tenants-{at}', f'paper-{at}', *(f'{host}-{at}' for host in (*HOSTS, 'z'))))
    names = [name for name in parties.links.names if name.startswith(who)]
    return who, lambda: parties.links.order(names, **order), lambda: parties.links.order(names)


def delay(parties, chance):
    ms = chance.choice((20, 100, 500, 2000))
    who, *both = links(parties, chance, delay_ms=ms)
    return f'delay {who} by {ms} ms', *both


def mute(parties, chance):
    """What is asked comes there, what is answered does not come back, then the connection breaks."""
    who, *both = links(parties, chance, mute=True)
    return f'mute {who}', *both


def refuse(parties, chance):
    who, *both = links(parties, chance, refuse=True, cut=True)
    return f'refuse {who}', *both


def cut(parties, chance):
    """All connections at once; new ones are taken."""
    who, *both = links(parties, chance, cut=True)
    return f'cut the connections of {who}', *both


def fill(parties, chance):
    """A disk, to the last byte."""
    party = chance.choice(parties.all)
    path = party.dir / 'fill'

    def begin():
        with contextlib.suppress(OSError), open(path, 'wb', buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))
    return f'fill the disk of {party.name}', begin, lambda: path.unlink(missing_ok=True)


def no_space(parties, chance):
    """etcd has none left, by its own count: the alarm that its quota raises."""
    member = chance.choice(parties.members)
    ident = []

    def begin():
        status = parties.etcd.ask(member.number, 'maintenance/status')
        if status:
            ident.append(status['header']['member_id'])
            parties.etcd.ask(member.number, 'maintenance/alarm', action='ACTIVATE', memberID=ident[0], alarm='NOSPACE')

    def end():
        while ident and not parties.halt.wait(0.2):
            if any(parties.etcd.ask(m.number, 'maintenance/alarm', action='DEACTIVATE', memberID=ident[0], alarm='NOSPACE')
                   is not None for m in parties.members):  # {}: it was over already
                return
    return f'no space for etcd, says {member.name}', begin, end


def clock(parties, chance):
    """The wall clock of a process of ours."""
    party = chance.choice([*parties.replicas, *parties.replicas, *parties.hosts, *parties.simulators])
    ahead = chance.choice((-3600, -600, -5, 5, 600, 3600))
    return f'the clock of {party.name} by {ahead} s', lambda: party.clock.write_text(str(ahead)), lambda: party.clock.write_text('0')


FAULTS = (kill, kill, kill, kill_leader, kill_switch, restart_recorded, stop, stop, stop, cut_member, cut_member, cut_replica,
          cut_replica, cut_replica, cut_host, lose, delay, mute, mute, refuse, cut, cut, fill, no_space, clock)


class Nemesis:
    """Two hands: each does one harm at a time, for a while, so that two meet. And all of the past is forgotten each second."""

    def __init__(self, parties, witness, note, seed, longest_s=LONGEST_S):
        self.parties, self.witness, self.note, self.longest_s = parties, witness, note, longest_s
        self.halt = threading.Event()
        jobs = [(self.hand, (random.Random(seed * 1000 + 100 + i),)) for i in range(2)] + [(self.compact, ())]
        self.threads = [threading.Thread(target=job, args=args, daemon=True) for job, args in jobs]

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        """All is healed."""
        self.halt.set()
        for thread in self.threads:
            thread.join()

    def hand(self, chance):
        try:
            self.harm(chance)
        except Exception as error:  # pylint: disable=broad-except  # else a run without faults would be a good one
            self.note('notes', what=f'the nemesis failed: {error}')
            raise

    def harm(self, chance):
        while not self.halt.wait(chance.uniform(0, 2)):
            words, begin, end = chance.choice(FAULTS)(self.parties, chance)
            seconds = math.exp(chance.uniform(math.log(0.1), math.log(self.longest_s)))
            try:
                begin()
            except OSError:  # whom it was to meet is away just now
                continue
            self.note('faults', what=words, seconds=0 if end is nothing else round(seconds, 1))
            if end is not nothing:
                self.halt.wait(seconds)
            with contextlib.suppress(ProcessLookupError):
                end()

    def compact(self):
        while not self.halt.wait(1):
            for i in range(3):
                if self.parties.etcd.ask(i, 'kv/compaction', revision=str(self.witness.revision)):
                    break
