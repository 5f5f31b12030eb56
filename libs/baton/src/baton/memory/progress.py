"""Chunk completion in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from pydantic import TypeAdapter

from baton.errors import NotFound
from baton.memory.items import check_item
from baton.memory.refusals import Refusals
from baton.model.batch import Counts
from baton.ports.preconditions import kept_reject_counts
from baton.ports.progress import ChunkDone, Tally

_CHUNK: Final = TypeAdapter(ChunkDone)


@dataclass(slots=True)
class _Plan:
    tally: Tally
    chunks: dict[int, ChunkDone] = field(default_factory=dict[int, ChunkDone])


class MemoryProgress:
    """One Region's progress table."""

    def __init__(self) -> None:
        self.refusals = Refusals(MemoryProgress)
        self._plans: dict[tuple[str, str], _Plan] = {}

    async def open(self, batch_id: str, plan_id: str, *, chunks: int, now: datetime) -> Tally:
        self.refusals.check("open", batch_id)
        tally = Tally(batch_id, plan_id, chunks=chunks, chunks_done=0, counts=Counts(), updated_at=now)
        return self._plans.setdefault((batch_id, plan_id), _Plan(tally)).tally

    async def complete(self, done: ChunkDone, *, now: datetime) -> Tally:
        self.refusals.check("complete", done.batch_id)
        plan = self._plans.get((done.batch_id, done.plan_id))
        if plan is None:
            raise NotFound(f"batch {done.batch_id}: plan {done.plan_id} was never opened here")
        if done.index not in plan.chunks:
            kept = replace(done, reject_counts=kept_reject_counts(done))
            check_item(f"chunk {done.index} of batch {done.batch_id}", _CHUNK.dump_json(kept))
            plan.chunks[done.index] = kept
            counts = plan.tally.counts + done.counts
            plan.tally = replace(plan.tally, chunks_done=plan.tally.chunks_done + 1, counts=counts, updated_at=now)
        return plan.tally

    async def tally(self, batch_id: str, plan_id: str) -> Tally | None:
        self.refusals.check("tally", batch_id)
        plan = self._plans.get((batch_id, plan_id))
        return plan.tally if plan else None

    async def done(self, batch_id: str, plan_id: str) -> Sequence[ChunkDone]:
        self.refusals.check("done", batch_id)
        plan = self._plans.get((batch_id, plan_id))
        return [plan.chunks[index] for index in sorted(plan.chunks)] if plan else []

    async def is_done(self, batch_id: str, plan_id: str, index: int) -> bool:
        self.refusals.check("is_done", batch_id)
        plan = self._plans.get((batch_id, plan_id))
        return plan is not None and index in plan.chunks
