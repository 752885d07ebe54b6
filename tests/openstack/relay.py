# SPDX-License-Identifier: Apache-2.0
"""relay.py PID PORT...: who connects to 127.0.0.1:PORT in the network of process PID reaches that port here.

So a host in a namespace of its own has the services of a cloud that listens on the loopback interface alone, and
no other way to them: its wire is for guests.
"""
import asyncio
import ctypes
import os
import socket
import sys

HOST = '127.0.0.1'


def enter(fd):
    """This process' network is another from now on; a socket stays in that where it was made."""
    if ctypes.CDLL(None, use_errno=True).setns(fd, 0):
        raise OSError(ctypes.get_errno(), 'setns')


async def copy(reader, writer):
    """One direction, to its end."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()


async def serve(listeners):
    """For ever."""
    async def joined(reader, writer):
        try:
            there = await asyncio.open_connection(HOST, writer.get_extra_info('sockname')[1])
        except OSError:
            writer.close()
            return
        await asyncio.gather(copy(reader, there[1]), copy(there[0], writer))
        for each in there[1], writer:
            each.close()
    servers = [await asyncio.start_server(joined, sock=sock) for sock in listeners]
    await asyncio.gather(*(server.serve_forever() for server in servers))


def main():
    """Listen there, connect here."""
    here, there = (os.open(f'/proc/{pid}/ns/net', os.O_RDONLY | os.O_CLOEXEC) for pid in ('self', sys.argv[1]))
    enter(there)
    listeners = [socket.create_server((HOST, int(port)), backlog=64) for port in sys.argv[2:]]
    enter(here)
    asyncio.run(serve(listeners))


if __name__ == '__main__':
    main()
