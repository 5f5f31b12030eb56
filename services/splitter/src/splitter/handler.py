"""Plans a batch: one streaming pass over the file, then one message per chunk."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, nullcontext
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import batched
from typing import Final

from pydantic import ValidationError

from baton.batches import Batches
from baton.catalog import Catalog, LoadedJob, offered
from baton.errors import BatchFailed, BatonError, NotFound
from baton.messages import Message, ProcessChunk
from baton.model import paths
from baton.model.batch import Batch, Counts
from baton.model.plan import MIB, Chunk, Plan
from baton.model.states import BatchState
from baton.offload import Offload
from baton.plans import load_plan
from baton.ports import Clock, Heartbeats, ObjectInfo, ObjectStore, Outbox, Progress, ReferenceData, ReferenceVersion
from baton.reading import reading_input
from baton.shown import shown
from baton.telemetry import Metrics
from splitter.domain import Planner
from splitter.settings import SplitterSettings

SCANNED_BYTES: Final = 2 * MIB
"""How much is scanned in one go, away from the event loop: many times what the way there costs, a tenth of a ms. With
half of it the splitter takes a fifth more CPU, with twice as much no less."""
_SENT_AT_ONCE: Final = 1_000
"""Messages that are made and sent, so that those of thousands of chunks are never all at hand."""
_PLANNED_FROM = (BatchState.ADMITTED, BatchState.WAITING_INPUT, BatchState.SPLIT)


class _NotHereYet(BatonError):
    """What the batch needs is in the other Region, or on its way: it waits, and the sweeper asks again."""


class Splitter:
    """Handles `SplitBatch`: after admission, retry, resume and takeover. Finished chunks are never queued again."""

    def __init__(
        self,
        *,
        batches: Batches,
        objects: ObjectStore,
        outbox: Outbox,
        progress: Progress,
        heartbeats: Heartbeats,
        reference: ReferenceData,
        catalog: Catalog,
        clock: Clock,
        offload: Offload,
        large: asyncio.Semaphore,
        settings: SplitterSettings,
    ) -> None:
        """`large`: held while a large file is scanned; one for all handlers of the process."""
        self._batches = batches
        self._objects = objects
        self._outbox = outbox
        self._progress = progress
        self._heartbeats = heartbeats
        self._reference = reference
        self._catalog = catalog
        self._clock = clock
        self._offload = offload
        self._large = large
        self._settings = settings
        self._complete: set[ReferenceVersion] = set()
        """Snapshots that were seen whole: they never change again."""

    async def handle(self, message: Message, attempt: int) -> Metrics | None:
        """Plan the batch and queue what is not done. Doing it again finds what is there.

        An input that S3 refuses is tried a few times: rights that are just being given take a minute.
        """
        batch = await self._batches.owned(message)
        if batch.state not in _PLANNED_FROM:
            raise await self._batches.left(batch, why="nothing to split")
        try:
            plan = await self._plan(batch, attempt)
        except BatchFailed as failed:
            await self._batches.fail(batch, failed)
        except _NotHereYet:
            if batch.state is not BatchState.WAITING_INPUT:
                await self._batches.move(batch, BatchState.WAITING_INPUT)
            else:
                await self._heartbeats.beat(batch.batch_id, at=self._clock.now())  # the sweeper's question is answered
        else:
            await self._queue(batch, plan)
            if batch.state is not BatchState.SPLIT and not batch.is_canary:
                return {"BatchesSplit": (1, "Count")}
        return None

    async def give_up(self, message: Message, *, cause: str) -> None:
        """End the batch FAILED: it could not be planned in any attempt. One that moved on stays as it is."""
        batch = await self._batches.owned(message)
        if batch.state not in _PLANNED_FROM:
            raise await self._batches.left(batch, why="nothing to split")
        said = f"the file could not be split, job {batch.job!r}: {cause}"
        await self._batches.fail(batch, BatchFailed("split_failed", said))

    # --- planning ------------------------------------------------------------------------------------------------

    async def _plan(self, batch: Batch, attempt: int) -> Plan:
        """Return the batch's plan, from its last run or owner if it still holds.

        Raises `_NotHereYet` while the file, or what the plan rests on, has not reached this Region.
        """
        loaded = self._job_of(batch)
        with reading_input(attempt, batch_id=batch.batch_id):
            source = await self._objects.find_version(batch.source.key, batch.source.version_id)
        if source is None:
            raise _NotHereYet
        before = await self._plan_before(batch)
        if before and before.job_version == loaded.version and await self._can_be_kept(batch, before, loaded):
            return before
        elsewhere = batch.plan_id is not None and before is None
        reference_version = await self._reference_version(batch, loaded, elsewhere=elsewhere)
        async with self._large if batch.is_large else nullcontext():
            with reading_input(attempt, batch_id=batch.batch_id):
                plan = await self._scan(batch, loaded, source, reference_version)
        if batch.published and elsewhere and plan.plan_id != batch.plan_id:
            raise _NotHereYet  # it is to give the published bytes again: only the plan that gave them will do
        body = await self._offload(plan.to_bytes)
        await self._objects.put(paths.plan_key(batch.batch_id, plan.plan_id), body, content_type="application/json")
        return plan

    def _job_of(self, batch: Batch) -> LoadedJob:
        known = self._catalog if batch.is_canary else offered(self._catalog)
        loaded = known.get(batch.job)
        if loaded is None:
            jobs = ", ".join(sorted(known))
            # Cut, so that what follows is still to be seen: a key may be a name of 1,000 letters.
            named = f"there is no job {shown(repr(batch.job))}" if batch.job else "the key names no job"
            raise BatchFailed("unknown_job", f"{named}; send files to input/<job>/<name>. Jobs: {jobs}")
        return loaded

    async def _plan_before(self, batch: Batch) -> Plan | None:
        """Return the plan that the ledger names; None if there is none, or it is not here, or not ours to read."""
        if batch.plan_id is None:
            return None
        try:
            return await load_plan(self._objects, batch.batch_id, batch.plan_id, offload=self._offload)
        except (NotFound, ValidationError):
            return None

    async def _can_be_kept(self, batch: Batch, plan: Plan, loaded: LoadedJob) -> bool:
        """Return whether the reference data that the plan is pinned to is here, and will do; false if it is given up.

        Raises `_NotHereYet` to wait for it: parts made with other data would be thrown away, and published bytes are
        not made with other data at all.
        """
        lookup = loaded.job.lookup
        if lookup is None or plan.reference_version is None:
            return True
        pinned = await self._reference.describe(lookup.dataset, plan.reference_version)
        if pinned and not batch.published and not set(lookup.columns) <= set(pinned.columns):
            return False  # the failure would be the same: what was loaded since may have all columns
        if pinned and await self._is_complete(pinned):
            return True
        waited = batch.state is BatchState.WAITING_INPUT and self._clock.now() >= batch.entered_at + timedelta(
            seconds=self._settings.reference_wait_seconds
        )
        if pinned is None and waited and not batch.published:
            current = await self._reference.current(lookup.dataset)
            if current and current.version != plan.reference_version:
                return False
        raise _NotHereYet

    async def _is_complete(self, version: ReferenceVersion) -> bool:
        if version not in self._complete and await self._reference.is_complete(version):
            self._complete.add(version)
        return version in self._complete

    async def _scan(self, batch: Batch, loaded: LoadedJob, source: ObjectInfo, reference_version: str | None) -> Plan:
        planner = Planner(
            batch,
            loaded.job,
            chunk_bytes=self._settings.chunk_bytes,
            chunk_bytes_max=self._settings.chunk_bytes_max,
            chunk_records=self._settings.chunk_records,
        )

        def finished() -> Plan:
            plan = planner.finish(job_version=loaded.version, reference_version=reference_version)
            assert plan.plan_id, "of thousands of chunks it takes a while, so it is worked out here"
            return plan

        try:
            async with aclosing(_gathered(self._objects.read(source.key, version_id=source.version_id))) as gathered:
                async for block in gathered:
                    await self._offload(partial(planner.feed, block))
        except NotFound as error:
            raise BatchFailed(
                "input_gone", f"{shown(source.key)}: this version was deleted while it was read"
            ) from error
        return await self._offload(finished)

    async def _reference_version(self, batch: Batch, loaded: LoadedJob, *, elsewhere: bool) -> str | None:
        """Return the version that is current here. `elsewhere`: the batch has a plan, which is not in this Region.

        Raises `_NotHereYet` while rows of it are on their way: who looks a key up cannot tell them from none.
        """
        lookup = loaded.job.lookup
        if lookup is None:
            return None
        current = await self._reference.current(lookup.dataset)
        if current is None and elsewhere:
            raise _NotHereYet
        if current and not await self._is_complete(current):
            raise _NotHereYet
        if current is None:
            raise BatchFailed(
                "reference_missing",
                f"the reference data {lookup.dataset!r} was never loaded: "
                f"`baton reference load {lookup.dataset} FILE --key {lookup.key}`, then `baton retry {batch.batch_id}`",
            )
        return current.version

    # --- queueing ------------------------------------------------------------------------------------------------

    async def _queue(self, batch: Batch, plan: Plan) -> None:
        again = batch.plan_id is not None
        tally = await self._progress.open(batch.batch_id, plan.plan_id, chunks=len(plan.chunks), now=self._clock.now())
        done = await self._progress.done(batch.batch_id, plan.plan_id) if again else ()
        finished = {each.index for each in done}
        if batch.state is not BatchState.SPLIT or batch.plan_id != plan.plan_id:
            batch = await self._batches.move(
                batch,
                BatchState.SPLIT,
                plan_id=plan.plan_id,
                chunks=len(plan.chunks),
                records_total=plan.records_total,
            )
        if len(finished) == len(plan.chunks):
            # Workers may have recorded the last ones since the tally was read: the sums are those of what is done.
            counts = sum((each.counts for each in done), Counts())
            await self._batches.chunks_done(batch, replace(tally, chunks_done=len(done), counts=counts))
            return
        for chunks in batched((c for c in plan.chunks if c.index not in finished), _SENT_AT_ONCE):
            await self._outbox.send([_message(batch, plan, chunk, resume=again) for chunk in chunks])


def _message(batch: Batch, plan: Plan, chunk: Chunk, *, resume: bool) -> ProcessChunk:
    return ProcessChunk(
        batch_id=batch.batch_id,
        owner_epoch=batch.owner_epoch,
        large=batch.is_large,
        apart=batch.is_apart,
        plan_id=plan.plan_id,
        index=chunk.index,
        resume=resume,
    )


async def _gathered(stream: AsyncGenerator[bytes]) -> AsyncGenerator[bytes | bytearray]:
    """Yield the stream in blocks that are worth the way to another thread. Each is overwritten by the next.

    In one place, since new memory for each block costs as much as its scan.
    """
    room, size = bytearray(SCANNED_BYTES), 0
    within = memoryview(room)
    async with aclosing(stream):
        async for piece in stream:
            rest = memoryview(piece)
            while rest:
                taken = min(len(rest), SCANNED_BYTES - size)
                within[size : size + taken] = rest[:taken]
                size, rest = size + taken, rest[taken:]
                if size == SCANNED_BYTES:
                    yield room
                    size = 0
    if size:
        yield bytes(within[:size])
