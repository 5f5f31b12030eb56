"""A gate forwards, falls silent, and heals."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from baton_local.gates import HOST, Gate

pytestmark = pytest.mark.xdist_group("world")


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
    writer.close()


def _through_gate(test: Callable[[Gate, int], Awaitable[None]]) -> None:
    async def run() -> None:
        server = await asyncio.start_server(_echo, HOST, 0)
        gate = Gate(server.sockets[0].getsockname()[1])
        await gate.start()
        try:
            await test(gate, int(gate.endpoint.rpartition(":")[2]))
        finally:
            await gate.close()
            server.close()

    asyncio.run(run())


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def _is_silent(reader: asyncio.StreamReader) -> bool:
    try:
        await asyncio.wait_for(reader.read(1), 0.2)
    except TimeoutError:
        return True
    return False


async def _is_closed(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(1), 5) == b""
    except ConnectionResetError:
        return True


def test_every_byte_comes_through_and_the_end_of_one_way_leaves_the_other_open() -> None:
    async def test(_: Gate, port: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        sent = bytes(range(256)) * 40_000

        writer.write(sent)
        writer.write_eof()
        received = await reader.read(-1)

        assert received == sent
        await _close(writer)

    _through_gate(test)


def test_an_open_connection_freezes_when_cut_and_is_closed_when_healed() -> None:
    async def test(gate: Gate, port: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"before")
        assert await reader.readexactly(6) == b"before"

        gate.cut()
        writer.write(b"during")

        assert await _is_silent(reader)
        gate.heal()
        assert await _is_closed(reader)
        await _close(writer)

    _through_gate(test)


def test_a_connection_made_while_cut_hangs_and_is_closed_when_healed() -> None:
    async def test(gate: Gate, port: int) -> None:
        gate.cut()
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"hello?")

        silent = await _is_silent(reader)

        assert silent
        gate.heal()
        assert await _is_closed(reader)
        await _close(writer)

    _through_gate(test)


def test_a_healed_gate_forwards_new_connections() -> None:
    async def test(gate: Gate, port: int) -> None:
        gate.cut()
        gate.heal()

        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"after")

        assert await reader.readexactly(5) == b"after"
        await _close(writer)

    _through_gate(test)
