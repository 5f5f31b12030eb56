"""A gate forwards, falls silent, and heals."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from baton_local.stand_ins.gates import HOST, Gate


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


def test_a_slow_gate_keeps_what_is_asked_for_a_while_and_not_what_is_answered() -> None:
    async def test(gate: Gate, port: int) -> None:
        gate.delay_seconds = 0.3
        reader, writer = await asyncio.open_connection(HOST, port)
        started = asyncio.get_running_loop().time()

        writer.write(b"slowly")

        assert await reader.readexactly(6) == b"slowly"
        assert 0.3 <= asyncio.get_running_loop().time() - started < 0.6
        await _close(writer)

    _through_gate(test)


def test_a_gate_that_leads_elsewhere_closes_what_was_open_and_takes_new_connections_there() -> None:
    async def elsewhere(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"elsewhere")
        await _close(writer)

    async def test(gate: Gate, port: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"here")
        assert await reader.readexactly(4) == b"here"
        server = await asyncio.start_server(elsewhere, HOST, 0)

        gate.lead_to(server.sockets[0].getsockname()[1])

        assert await _is_closed(reader)
        again, to_close = await asyncio.open_connection(HOST, port)
        assert await again.read(-1) == b"elsewhere"
        await _close(writer)
        await _close(to_close)
        server.close()

    _through_gate(test)
