"""Gates: TCP proxies on every link that crosses a Region's border.

Cutting a gate is silent, as a broken network is: connections stay open, nothing is forwarded and nothing answered.
Healing closes the frozen connections, so that clients reconnect at once. A gate can also be slow, or lead to another
address.
"""

import asyncio
import contextlib
from typing import Final

HOST: Final = "127.0.0.1"
_PIECE_BYTES: Final = 256 * 1024


class Gate:
    """One link: listens on a port of its own and forwards every connection to its target."""

    def __init__(self, target_port: int, target_host: str = HOST, *, listens_on: str = HOST) -> None:
        """Take a server's port, or another gate's; `listens_on` is an address of this machine."""
        self._target = (target_host, target_port)
        self._listens_on = listens_on
        self.delay_seconds = 0.0
        """How long each piece of a request lies here before it is passed on."""
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
        self._server = await asyncio.start_server(self._accept, self._listens_on, port)
        self._port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Fall silent, for new connections and existing ones."""
        self._open.clear()
        self._cut.set()

    def heal(self) -> None:
        """Forward new connections again and close the frozen ones."""
        self._cut.clear()
        self._open.set()

    def lead_to(self, target_port: int, target_host: str = HOST) -> None:
        """Forward to another target from now on; who is connected to the old one has to come again."""
        self._target = (target_host, target_port)
        for task in self._connections:
            task.cancel()

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
            # By `close` or `lead_to`; asyncio.streams would log a cancelled handler as an error.
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
        target_reader, target_writer = await asyncio.open_connection(*self._target)
        try:
            async with asyncio.TaskGroup() as both_ways:
                both_ways.create_task(self._pump(reader, target_writer, is_slowed=True))
                both_ways.create_task(self._pump(target_reader, writer, is_slowed=False))
        except BaseException:
            # The far side loses its half at once: what waits to be sent must not reach it while the link is silent.
            target_writer.transport.abort()
            raise
        await _close(target_writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_slowed: bool) -> None:
        while piece := await reader.read(_PIECE_BYTES):
            if is_slowed and self.delay_seconds:
                await asyncio.sleep(self.delay_seconds)
            writer.write(piece)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()


async def _close(writer: asyncio.StreamWriter) -> None:
    """Send what waits to be sent, then close."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
