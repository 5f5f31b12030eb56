"""Whether a canary that came late only stood in line.

Canaries wait in the same queues as everybody's batches, so a busy Region makes them late: users wait as well, and a
handover would help nobody. What tells a long line from a stage that is dead is whether anybody got beyond the place
where the canary stood, while it stood there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from baton.canary import is_canary
from baton.model.batch import Batch
from baton.model.states import BatchState
from baton.ports import Ledger, Progress

_WAY: Final = (
    BatchState.ADMITTED,
    BatchState.SPLIT,
    BatchState.PROCESSED,
    BatchState.MERGED,
    BatchState.NOTIFIED,
    BatchState.COMPLETED,
)
_TALLIES_ASKED: Final = 5
"""Of batches whose chunks are being done: if the newest of them stand still, the workers do."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Looks at what other batches of a Region did meanwhile."""

    ledger: Ledger
    progress: Mapping[str, Progress]
    """By Region: who counts its finished chunks. A Region that is missing is judged by its batches alone."""

    async def passed(self, region: str, stood: BatchState | None, since: datetime) -> str | None:
        """Return what got beyond `stood` (None: it was not admitted) in that Region since then, in words.

        None: nothing did. Raises `Unavailable`.
        """
        page = await self.ledger.list_open()
        open_batches = [batch for batch in page.batches if not is_canary(batch)]
        settled = await self.ledger.list_settled(since.date())
        done = [batch for batch in settled.batches if not is_canary(batch)]
        found = next(_beyond([*open_batches, *done], region, stood, since), None)
        if found is None and stood is BatchState.SPLIT:
            return await self._chunk_done(region, open_batches, since)
        return found

    async def _chunk_done(self, region: str, batches: Sequence[Batch], since: datetime) -> str | None:
        progress = self.progress.get(region)
        working = [batch for batch in batches if batch.state is BatchState.SPLIT]
        for batch in working[:_TALLIES_ASKED] if progress else ():
            assert progress is not None
            tally = await progress.tally(batch.batch_id, batch.plan_id or "")
            if tally and tally.chunks_done and tally.updated_at >= since:
                return f"{tally.chunks_done} of {tally.chunks} chunks of {batch.batch_id} are done"
        return None


def _beyond(batches: Iterable[Batch], region: str, stood: BatchState | None, since: datetime) -> Iterator[str]:
    for batch in batches:
        first = batch.history[0] if batch.history else None
        if stood is None and first and first.by == region and first.at >= since:
            yield f"{batch.batch_id} was admitted"
        for step in batch.history if stood in _WAY else ():
            beyond = step.state in _WAY and _WAY.index(step.state) > _WAY.index(stood)
            if beyond and step.by == region and step.at >= since:
                yield f"{batch.batch_id} became {step.state}"
