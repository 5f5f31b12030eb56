"""Measures how fast a file is read from a store with limited speed per connection: `make bench NAME=ranges_ahead`.

A stand-in answers ranged GETs as S3 does, after 30 ms and at 85 MB a second and connection, as AWS's guidance says. The
real adapter reads; the bytes are dropped. Each row in a process of its own; prints a markdown table.
"""

import asyncio
import re
import resource
import sys
import time
from typing import Final

from aiohttp import web

from baton.aws import Aws
from baton.aws.s3 import objects, ranged
from baton.model.plan import MIB
from baton.settings import WorldSettings

_OBJECT_BYTES: Final = 2_000_000_000
_FIRST_BYTE_SECONDS: Final = 0.03
_BYTES_PER_SECOND: Final = 85_000_000
_PIECE_BYTES: Final = 512 * 1024
_SHAPES: Final = ((4, 1), (4, 4), (4, 16), (8, 16), (2, 32))
"""MiB of a range, and how many are ahead at most."""


async def _give(request: web.Request) -> web.StreamResponse:
    asked = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers["Range"])
    assert asked is not None
    start, stop = int(asked[1]), min(int(asked[2]) + 1, _OBJECT_BYTES)
    await asyncio.sleep(_FIRST_BYTE_SECONDS)
    headers = {"Content-Range": f"bytes {start}-{stop - 1}/{_OBJECT_BYTES}", "ETag": '"e"', "x-amz-version-id": "v"}
    answer = web.StreamResponse(status=206, headers={**headers, "Content-Length": str(stop - start)})
    await answer.prepare(request)
    began, piece = time.monotonic(), bytes(_PIECE_BYTES)
    for at in range(start, stop, _PIECE_BYTES):
        await answer.write(piece[: stop - at])
        due = began + (min(at + _PIECE_BYTES, stop) - start) / _BYTES_PER_SECOND
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    return answer


async def _read(range_mib: int, ahead: int) -> None:
    ranged.RANGES_AHEAD = ahead  # pyright: ignore[reportAttributeAccessIssue, reportConstantRedefinition] - what is compared
    objects.RANGE_BYTES = range_mib * MIB  # pyright: ignore[reportPrivateImportUsage] - as before
    async with Aws(WorldSettings()) as aws:  # pyright: ignore[reportCallIssue] - from the environment
        started, cpu, size = time.perf_counter(), time.process_time(), 0
        async for piece in aws.objects().read("input/x/y.csv"):
            size += len(piece)
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    assert size == _OBJECT_BYTES
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"| {range_mib} MiB | {ahead} | {size / 1e6 / seconds:,.0f} | {size / 1e6 / cpu_seconds:,.0f} "
        f"| {peak_mib:.0f} MiB |",
        flush=True,
    )


async def _compare() -> None:
    app = web.Application()
    app.router.add_get("/{path:.*}", _give)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    environment = {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{runner.addresses[0][1]}",
        "BATON_ACCOUNT_ID": "000000000000",
    }
    print("| a range | ranges ahead | MB/s | MB per CPU-second | peak RSS |\n|---:|---:|---:|---:|---:|", flush=True)
    for shape in _SHAPES:
        reader = await asyncio.create_subprocess_exec(sys.executable, __file__, *map(str, shape), env=environment)
        assert await reader.wait() == 0
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_read(*map(int, sys.argv[1:])) if len(sys.argv) > 1 else _compare())
