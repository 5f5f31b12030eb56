"""What the sweeper calls, and how much it remembers: `make bench NAME=sweep`. Arguments: open batches, inputs, ids.

The real sweeper on adapters in memory that count calls; what a call costs is in docs/performance.md.
"""

import asyncio
import inspect
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from baton.catalog import load_jobs
from baton.model.batch import Failure, MailClaim
from baton.model.states import BatchState
from pipeline import Pipeline, Region
from splitter.remembered import Remembered


def count(adapter: object, name: str, calls: Counter[str]) -> None:
    """Count every call of the adapter from now on."""
    for method, plain in inspect.getmembers(adapter, inspect.iscoroutinefunction):
        setattr(adapter, method, partial(_called, plain, f"{name}.{method}", calls))


def _called(plain: Callable[..., Any], name: str, calls: Counter[str], *args: Any, **options: Any) -> Any:
    calls[name] += 1
    return plain(*args, **options)


async def sweeps(open_batches: int, inputs: int) -> None:
    """Print the calls of the first sweep and of the next one."""
    calls: Counter[str] = Counter()
    region = Region()
    for name, adapter in (("s3", region.objects), ("progress", region.progress), ("ledger", region.ledger)):
        count(adapter, name, calls)
    pipeline = Pipeline(load_jobs("baton_jobs"), region=region)
    now = region.clock.now
    for number in range(open_batches + inputs):
        row = await pipeline.batch(await pipeline.upload(f"input/passthrough/{number}.csv", b"a\n1\n"))
        is_open = number < open_batches
        state, why = (BatchState.SPLIT, None) if is_open else (BatchState.FAILED, Failure("header", "x"))
        row = await region.ledger.update(row, row.moved(state, at=now(), by="x", plan_id="p", failure=why))
        if not is_open:
            sent = MailClaim(1, row.owner_epoch, now(), now())
            await region.ledger.update(row, row.moved(state, at=now(), by="x", mail_claim=sent))
    pipeline.advance(100)
    for which in ("first", "next"):
        calls.clear()
        await pipeline.process.sweeper.sweep()
        print(f"{open_batches:,} open, {inputs:,} failed inputs that stay, {which} sweep: {dict(calls)}")


def remembered(ids: int) -> None:
    """Print what remembering so many batches takes."""
    tracemalloc.start()
    kept = Remembered()
    for number in range(ids):
        kept.add(f"{number:020x}")
    print(f"{len(kept):,} ids remembered: {tracemalloc.get_traced_memory()[0] / len(kept):.1f} bytes each")


if __name__ == "__main__":
    batches, files, many = map(int, sys.argv[1:4] if len(sys.argv) > 3 else ("500", "3000", "1000000"))
    asyncio.run(sweeps(batches, 0))
    asyncio.run(sweeps(0, files))
    remembered(many)
