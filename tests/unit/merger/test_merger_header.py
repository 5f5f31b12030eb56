"""A merger of one version of a job puts the header of another version over its parts, while a deployment rolls."""

import pytest

from aio import run
from baton.batches import Batches
from baton.catalog import load_jobs
from baton.checksums import crc64nvme
from baton.memory import (
    LoopClock,
    MemoryLedger,
    MemoryObjectStore,
    MemoryProgress,
    MemoryQueues,
    MemoryRejectIndex,
)
from baton.model.batch import Counts
from baton.model.control import Control
from baton.ports import ChunkDone
from baton.topology import INITIAL_EPOCH, REGIONS_DEFAULT
from baton_proof.pipeline import inline
from merger.bounds import Bounds
from merger.handler import Merger
from plans_made import plan_of

_PLAN = plan_of().model_copy(update={"job_version": "an older one"})


def _columns_over(part: bytes) -> tuple[str, ...]:
    async def ask() -> tuple[str, ...]:
        clock = LoopClock()
        ledger = MemoryLedger(Control(INITIAL_EPOCH, REGIONS_DEFAULT[0]))
        outbox = MemoryQueues(clock).outbox()
        objects = MemoryObjectStore(clock)
        first = ChunkDone(_PLAN.batch_id, _PLAN.plan_id, 0, Counts(), len(part), crc64nvme(part), 0, 0)
        await objects.put(first.part_key, part)
        merger = Merger(
            batches=Batches(region=REGIONS_DEFAULT[0], ledger=ledger, outbox=outbox, clock=clock),
            objects=objects,
            progress=MemoryProgress(),
            rejects=MemoryRejectIndex(),
            catalog=load_jobs("baton_jobs"),
            offload=inline,
            bounds=Bounds(),
        )
        return await merger._columns(_PLAN, first)  # pyright: ignore[reportPrivateUsage] - no message says when versions meet

    return run(ask())


@pytest.mark.parametrize(
    ("part", "columns"),
    [
        (b"uuid,total\n1,2\n", ("uuid", "total")),
        (b"uuid,total", ("uuid", "total")),
        (b'"a, b","c ""d""","e\nf"\n1,2,3\n', ("a, b", 'c "d"', "e\nf")),
        ("größe,maß\n".encode(), ("größe", "maß")),
        (b"", ()),
    ],
)
def test_the_header_is_that_of_the_first_part(part: bytes, columns: tuple[str, ...]) -> None:
    assert _columns_over(part) == columns


def test_a_header_is_read_where_the_range_cuts_a_letter_in_two() -> None:
    body = b"x,y\n" + "ä".encode() * (1024 * 1024)

    assert _columns_over(body) == ("x", "y")
