"""Tells a canary that is late because of a long queue from one that is late because a service is down.

Canaries wait in the same queues as all batches, so a busy Region makes them late: users wait as well, and a failover
would not help. If other batches got beyond the stage where the canary waited, while it waited there, the stage works.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

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
"""Of the newest batches whose chunks are being done, and of the oldest: if those stand still, the workers do."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Looks at what other batches of a Region did meanwhile."""

    ledger: Ledger
    progress: Mapping[str, Progress]
    """By Region: who counts its finished chunks. A Region that is missing is judged by its batches alone."""

    async def passed(self, region: str, stood: BatchState | None, since: datetime) -> str | None:
        """Return what got beyond `stood` (None: it was not admitted) in that Region since then, as a text.

        None: nothing did. Raises `Unavailable`. Every page is looked at: those that move are the oldest, not the
        newest.
        """
        working: list[Batch] = []
        for pages in (self.ledger.list_open(), self.ledger.list_settled(since.date())):
            async for page in pages:
                batches = [batch for batch in page.batches if not batch.is_canary]
                working += (batch for batch in batches if batch.state is BatchState.SPLIT)
                found = next(_beyond(batches, region, stood, since), None)
                if found is not None:
                    return found
        return await self._chunk_done(region, working, since) if stood is BatchState.SPLIT else None

    async def _chunk_done(self, region: str, working: Sequence[Batch], since: datetime) -> str | None:
        progress = self.progress.get(region)
        if progress is None:
            return None
        newest, oldest = working[:_TALLIES_ASKED], working[_TALLIES_ASKED:][-_TALLIES_ASKED:]
        for batch in (*newest, *oldest):
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
