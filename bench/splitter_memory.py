"""Measures the peak memory of the splitter by size of the file: `make bench NAME=splitter_memory`.

The real handler plans a file that is made on the fly behind the object port (an emulator would hold it in memory), in a
process of its own per size, with the AWS adapters imported as in the container. Prints a markdown table.
"""

import asyncio
import resource
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Final, override

import baton.aws
from baton.batches import Batches
from baton.catalog import load_jobs
from baton.memory import (
    MemoryClock,
    MemoryHeartbeats,
    MemoryLedger,
    MemoryObjectStore,
    MemoryProgress,
    MemoryQueues,
    MemoryReferenceData,
)
from baton.messages import SplitBatch
from baton.model.batch import Batch, Source
from baton.model.control import Control
from baton.model.states import BatchState
from baton.ports import ObjectInfo
from baton.topology import INITIAL_EPOCH, REGIONS_DEFAULT
from splitter.handler import Splitter
from splitter.settings import SplitterSettings

_SIZES_BYTES: Final = (100 * 10**6, 10 * 2**30)
_LINES: Final = b'535113847,Azerbaijan,Snacks,Online,C,10/8/14,"Middle East, and North Africa",10/23/14\n' * 10_000
_HEADER: Final = b"uuid,Country,Item Type,Sales Channel,Order Priority,Order Date,Region,Ship Date\n"
_PIECE_BYTES: Final = 64 * 1024
"""As an HTTP response comes in."""


class EndlessFile(MemoryObjectStore):
    """One input of any size that exists only while it is read."""

    size_bytes = 0

    @override
    async def find_version(self, key: str, origin_version_id: str) -> ObjectInfo | None:
        return ObjectInfo(key, origin_version_id, self.size_bytes, datetime(2026, 1, 1, tzinfo=UTC))

    @override
    async def read(
        self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes]:
        yield _HEADER
        left = self.size_bytes - len(_HEADER)
        at = 0
        while left > 0:
            piece = _LINES[at : at + _PIECE_BYTES]
            if len(piece) > left:  # whole lines, then blank ones
                piece = _ended(piece[:left])
            at = 0 if at + len(piece) == len(_LINES) else at + len(piece)
            left -= len(piece)
            yield piece


def _ended(piece: bytes) -> bytes:
    """Return the last piece with its last, broken line replaced by blank ones."""
    whole = piece.rfind(b"\n") + 1
    return piece[:whole] + b"\n" * (len(piece) - whole)


async def _plan(size_bytes: int) -> None:
    clock = MemoryClock()
    queues = MemoryQueues(clock)
    ledger = MemoryLedger(Control(INITIAL_EPOCH, REGIONS_DEFAULT[0]))
    objects = EndlessFile(clock)
    objects.size_bytes = size_bytes
    batch = Batch(
        batch_id="large",
        job="passthrough",
        source=Source("input/passthrough/large.csv", "v", size_bytes),
        state=BatchState.ADMITTED,
        owner_epoch=INITIAL_EPOCH,
        admitted_at=clock.now(),
        updated_at=clock.now(),
    )
    await ledger.admit(batch)
    handler = Splitter(
        batches=Batches(region=REGIONS_DEFAULT[0], ledger=ledger, outbox=queues.outbox(), clock=clock),
        objects=objects,
        outbox=queues.outbox(),
        progress=MemoryProgress(),
        reference=MemoryReferenceData(),
        heartbeats=MemoryHeartbeats(),
        catalog=load_jobs("baton_jobs"),
        clock=clock,
        offload=asyncio.to_thread,
        large=asyncio.Semaphore(1),
        settings=SplitterSettings(),
    )
    before = _peak_mib()
    started, cpu = time.perf_counter(), time.process_time()
    await handler.handle(SplitBatch(batch_id="large", owner_epoch=INITIAL_EPOCH), 1)
    planned = await ledger.get("large")
    assert planned is not None
    assert planned.state is BatchState.SPLIT, planned.failure
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    print(
        f"| {size_bytes / 10**6:,.0f} MB | {planned.records_total:,} | {planned.chunks:,} | {before:.0f} MiB "
        f"| {_peak_mib():.0f} MiB | {seconds:.1f} s | {size_bytes / 10**6 / cpu_seconds:,.0f} |"
    )


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _main() -> None:
    assert baton.aws, "imported for its weight"
    if len(sys.argv) > 1:
        asyncio.run(_plan(int(sys.argv[1])))
        return
    print("| file | records | chunks | RSS before | peak RSS | wall | MB per CPU-second, making the file included |")
    print("|---:|---:|---:|---:|---:|---:|---:|", flush=True)
    for size_bytes in _SIZES_BYTES:
        subprocess.run([sys.executable, __file__, str(size_bytes)], check=True)  # noqa: S603 - ourselves


if __name__ == "__main__":
    _main()
