"""Collects the rejects of a batch for its mail; for a failed batch it writes the file that the mail links to.

A mail is sent without rejects rather than not at all: errors here are only logged.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from baton.assembly import Part, arrange
from baton.model import paths
from baton.model.batch import Batch
from baton.model.states import BatchState
from baton.offload import Offload
from baton.ports import ObjectStore, Progress
from baton.rejects import REJECTS_HEADER, read_rejects
from baton.telemetry import Log
from notifier.domain import NOTHING_REJECTED, RejectSummary, rejected_of
from notifier.settings import NotifierSettings

_HEAD_BYTES: Final = 256 * 1024
"""Of the rejects, for examples: a rejected line may be 1 MiB, but few are."""
_ROWS_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of the rejects, and the key of a file that holds them; None: there is none, or none to link to."""

    rejected: RejectSummary
    key: str | None


NOTHING_FOUND: Final = Found(NOTHING_REJECTED, None)


@dataclass(frozen=True, slots=True)
class _File:
    key: str
    cut: bool


class RejectsOf:
    """One Region's rejects. One for all lanes: what it has in hand at a time is a bound on the process.

    A canary has none, and so waits for nobody here.
    """

    def __init__(
        self, *, objects: ObjectStore, progress: Progress, offload: Offload, settings: NotifierSettings, log: Log
    ) -> None:
        self._objects = objects
        self._progress = progress
        self._offload = offload
        self._settings = settings
        self._log = log
        self._composing = asyncio.Lock()
        """Held while the file of a failed batch is joined from thousands of parts."""
        self._summing = asyncio.Lock()
        """Held while the reasons of a batch are in hand, up to 20 of each of thousands of chunks."""

    async def __call__(self, batch: Batch) -> Found:
        """Never raises, and ends in a bounded time."""
        published = batch.published.rejects_key if batch.published and batch.counts.rejects else None
        if batch.is_canary or batch.plan_id is None or (batch.state is BatchState.MERGED and published is None):
            return NOTHING_FOUND
        try:
            async with asyncio.timeout(self._settings.rejects_seconds_max):
                return await self._find(batch, batch.plan_id, published)
        except Exception as error:  # noqa: BLE001 - the mail says how the batch ended: more than all that it could show
            self._log.warning("rejects_not_shown", batch_id=batch.batch_id, exc_info=error)
            return Found(NOTHING_REJECTED, published)

    async def _find(self, batch: Batch, plan_id: str, published: str | None) -> Found:
        if published:
            file = _File(published, cut=False)
        else:
            async with self._composing:
                file = await self._composed(batch, plan_id)
        if file is None:
            return NOTHING_FOUND
        async with self._summing:
            return Found(await self._summed(batch, plan_id, file), file.key)

    async def _summed(self, batch: Batch, plan_id: str, file: _File) -> RejectSummary:
        head = await self._objects.get(file.key, end=_HEAD_BYTES)
        done = await self._progress.done(batch.batch_id, plan_id)

        def rejected() -> RejectSummary:
            rows = read_rejects(head, whole=len(head) < _HEAD_BYTES, limit=_ROWS_MAX)
            return rejected_of(done, rows, records=batch.counts.rejects, cut=file.cut)

        return await self._offload(rejected)

    async def _composed(self, batch: Batch, plan_id: str) -> _File | None:
        """Write the rejects of a failed batch as they stand: the same work again writes the same.

        Its parts are looked for, not asked of the progress table: that stays in the Region of a former owner.
        """
        if batch.published is not None:
            return None
        parts, size_bytes, cut = list[Part](), 0, False
        async for each in self._objects.list(paths.rejects_of_plan(batch.batch_id, plan_id)):
            if parts and paths.chunk_of(parts[-1].key) == paths.chunk_of(each.key):
                continue  # of another run of this chunk
            cut = size_bytes + each.size_bytes > self._settings.rejects_bytes_max
            if cut:
                break
            parts.append(Part(each.key, each.size_bytes, crc64nvme=None))
            size_bytes += each.size_bytes
        has_header = bool(parts) and paths.chunk_of(parts[0].key) == 0
        if size_bytes <= (len(REJECTS_HEADER) if has_header else 0):
            return None
        key = paths.failed_rejects_key(batch.job, batch.batch_id, batch.owner_epoch, plan_id, batch.run)
        pieces = await self._offload(lambda: arrange(parts, head=b"" if has_header else REJECTS_HEADER))
        await self._objects.compose(key, pieces)
        return _File(key, cut)
