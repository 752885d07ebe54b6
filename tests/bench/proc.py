# SPDX-License-Identifier: Apache-2.0
"""What a process costs, as /proc has it."""
import os
import pathlib
import time

TICKS = os.sysconf('SC_CLK_TCK')


def cpu_s(pid, thread=None):
    """Seconds of CPU that a process and its threads used, or one thread of it."""
    path = f'/proc/{pid}/stat' if thread is None else f'/proc/{pid}/task/{thread}/stat'
    fields = pathlib.Path(path).read_text().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def pss_kib(pid, counts=lambda name: True):
    """Proportional set size, so that what several processes map counts once; of mappings whose name `counts`."""
    total, take = 0, True
    for line in pathlib.Path(f'/proc/{pid}/smaps').read_text().splitlines():
        if line.startswith('Pss:'):
            total += int(line.split()[1]) if take else 0
        elif line.split(maxsplit=1)[0][-1] != ':':  # the first line of a mapping
            take = counts((line.split(maxsplit=5) + [''])[5])
    return total


def family(pid):
    """A process and all below it, whichever of its threads began them."""
    kids = [kid for task in pathlib.Path(f'/proc/{pid}/task').iterdir() for kid in (task / 'children').read_text().split()]
    return [pid, *(p for kid in kids for p in family(int(kid)))]


def percent(pids, secs):
    """Of a core, over some seconds, for lists of processes."""
    def now():
        return [sum(cpu_s(p) for p in all_) for all_ in pids]
    before = now()
    time.sleep(secs)
    return [round((b - a) / secs * 100, 2) for a, b in zip(before, now())]
