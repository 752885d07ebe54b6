# SPDX-License-Identifier: Apache-2.0
"""TCP connections that are late, say nothing, or break: a proxy in a process of its own.

Links are [name, address, port, address, port]: from where it listens to where it goes, a JSON list as the only argument.
A line of stdin orders: {"links": [name, ...], "delay_ms": N, "mute": true, "refuse": true, "cut": true}; what is left out is over.
"""
import asyncio
import json
import subprocess
import sys


class Links:
    """The proxy, as the test has it."""

    def __init__(self, links):
        self.proc = subprocess.Popen([sys.executable, __file__, json.dumps(links)], stdin=subprocess.PIPE, text=True)
        self.names = [link[0] for link in links]

    def order(self, names, **what):
        """What these links do from now on."""
        self.proc.stdin.write(json.dumps({'links': names, **what}) + '\n')
        self.proc.stdin.flush()

    def close(self):
        self.proc.kill()
        self.proc.wait()


class Link:
    """One link: what it is to do, and its connections."""

    def __init__(self, to):
        self.to, self.connections = to, set()
        self.delay_ms, self.mute, self.refuse = 0, False, False

    def obey(self, delay_ms=0, mute=False, refuse=False, cut=False):
        """mute: answers are swallowed; their connections break when this is over, as a gap is no stream."""
        cut = cut or self.mute and not mute
        self.delay_ms, self.mute, self.refuse = delay_ms, mute, refuse
        if cut:
            for writer in list(self.connections):
                writer.transport.abort()

    async def pump(self, reader, writer, answers):
        """Bytes of one direction, until its end."""
        while data := await reader.read(65536):
            if self.delay_ms:
                await asyncio.sleep(self.delay_ms / 1000)
            if not (answers and self.mute):
                writer.write(data)
                await writer.drain()

    async def serve(self, reader, writer):
        """A connection, until one side ends it."""
        self.connections.add(writer)
        try:
            if self.refuse:
                return
            far_reader, far_writer = await asyncio.open_connection(*self.to)
            try:
                both = [asyncio.ensure_future(self.pump(reader, far_writer, False)),
                        asyncio.ensure_future(self.pump(far_reader, writer, True))]
                _, rest = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                for one in rest:
                    one.cancel()
                await asyncio.gather(*both, return_exceptions=True)
            finally:
                far_writer.close()
        except OSError:
            pass
        finally:
            self.connections.discard(writer)
            writer.close()


async def main(rows):
    """Serve all links until stdin ends."""
    links = {name: Link((to, to_port)) for name, _, _, to, to_port in rows}
    for name, at, port, *_ in rows:
        await asyncio.start_server(links[name].serve, at, port)
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := await orders.readline():
        order = json.loads(line)
        for name in order.pop('links'):
            links[name].obey(**order)


if __name__ == '__main__':
    asyncio.run(main(json.loads(sys.argv[1])))
