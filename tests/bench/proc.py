# SPDX-License-Identifier: Apache-2.0
"""What a process costs, as /proc has it."""
import os
import pathlib

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
