"""Gates: TCP proxies on every link that crosses a Region's border.

Cutting a gate is silent, as a broken network is: connections stay open, nothing is forwarded and nothing answered.
Healing closes the frozen connections, so that clients go on over new ones at once.
"""

import asyncio
import contextlib
from typing import Final

HOST: Final = "127.0.0.1"
_PIECE_BYTES: Final = 256 * 1024


class Gate:
    """One link: listens on a port of its own and forwards every connection to `target_port`."""

    def __init__(self, target_port: int) -> None:
        """Take a port of this machine: a server's, or another gate's."""
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._port = 0
        self._cut = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self._port}"

    @property
    def port(self) -> int:
        return self._port

    @property
    def is_cut(self) -> bool:
        return self._cut.is_set()

    async def start(self, port: int = 0) -> None:
        """Listen; on a free port if `port` is 0."""
        self._server = await asyncio.start_server(self._accept, HOST, port)
        self._port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Fall silent, for new connections and existing ones."""
        self._open.clear()
        self._cut.set()

    def heal(self) -> None:
        """Forward new connections again and close the frozen ones."""
        self._cut.clear()
        self._open.set()

    async def until_cut(self) -> None:
        """Return as soon as the gate is cut."""
        await self._cut.wait()

    async def close(self) -> None:
        """Stop listening and close every connection."""
        if self._server:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if await self._relay_until_cut(reader, writer):
                await self._open.wait()
                writer.transport.abort()
            await _close(writer)
        except asyncio.CancelledError:
            # Only `close` cancels; asyncio.streams would log a cancelled handler as an error.
            writer.transport.abort()
        finally:
            self._connections.discard(task)

    async def _relay_until_cut(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Forward both ways until both ends are done; True if the gate was cut before that."""
        relay = asyncio.create_task(self._relay(reader, writer))
        cut = asyncio.create_task(self._cut.wait())
        try:
            await asyncio.wait({relay, cut}, return_when=asyncio.FIRST_COMPLETED)
            return cut.done()
        finally:
            cut.cancel()
            relay.cancel()
            # An end that went away ends the relay with an error; its other end is closed either way.
            await asyncio.gather(relay, cut, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            return
        target_reader, target_writer = await asyncio.open_connection(HOST, self._target_port)
        try:
            async with asyncio.TaskGroup() as both_ways:
                both_ways.create_task(_pump(reader, target_writer))
                both_ways.create_task(_pump(target_reader, writer))
        except BaseException:
            # The far side loses its half at once: what waits to be sent must not reach it while the link is silent.
            target_writer.transport.abort()
            raise
        await _close(target_writer)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_PIECE_BYTES):
        writer.write(piece)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


async def _close(writer: asyncio.StreamWriter) -> None:
    """Send what waits to be sent, then close."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
