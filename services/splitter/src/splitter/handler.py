"""Plans a batch: one streaming pass over the file, then one message per chunk."""

from dataclasses import replace

from pydantic import ValidationError

from baton.batches import Batches
from baton.catalog import Catalog, LoadedJob
from baton.errors import BatchFailed, NotFound
from baton.messages import Message, ProcessChunk
from baton.model import paths
from baton.model.batch import Batch, Counts
from baton.model.plan import Plan
from baton.model.states import BatchState
from baton.ports import Clock, ObjectInfo, ObjectStore, Outbox, Progress, ReferenceData
from splitter.domain import Planner
from splitter.settings import SplitterSettings

_PLANNED_FROM = (BatchState.ADMITTED, BatchState.WAITING_INPUT, BatchState.SPLIT)


class Splitter:
    """Handles `SplitBatch`: after admission, retry, resume and takeover. Finished chunks are never queued again."""

    def __init__(
        self,
        *,
        batches: Batches,
        objects: ObjectStore,
        outbox: Outbox,
        progress: Progress,
        reference: ReferenceData,
        catalog: Catalog,
        clock: Clock,
        settings: SplitterSettings,
    ) -> None:
        self._batches = batches
        self._objects = objects
        self._outbox = outbox
        self._progress = progress
        self._reference = reference
        self._catalog = catalog
        self._clock = clock
        self._settings = settings

    async def handle(self, message: Message, *, attempt: int) -> None:
        """Plan the batch and queue what is not done. `attempt` is not looked at: doing it again finds what is there."""
        del attempt
        batch = await self._batches.owned(message)
        if batch.state not in _PLANNED_FROM:
            await self._batches.leave(batch, why="nothing to split")
        try:
            plan = await self._plan(batch)
        except BatchFailed as failed:
            await self._batches.fail(batch, failed)
            return
        if plan is None:
            if batch.state is BatchState.ADMITTED:
                await self._batches.move(batch, BatchState.WAITING_INPUT)
            return
        await self._queue(batch, plan)

    async def give_up(self, message: Message, *, cause: str) -> None:
        """End the batch FAILED: it could not be planned in any attempt. One that went on stays as it is."""
        batch = await self._batches.owned(message)
        if batch.state not in _PLANNED_FROM:
            await self._batches.leave(batch, why="nothing to split")
        await self._batches.fail(batch, BatchFailed("split_failed", f"the file could not be split: {cause}"))

    # --- planning ------------------------------------------------------------------------------------------------

    async def _plan(self, batch: Batch) -> Plan | None:
        """Return the batch's plan, from its last run if it still holds. None if the file is not here yet."""
        loaded = self._job_of(batch)
        before = await self._plan_before(batch, loaded)
        if before is not None:
            return before
        source = await self._objects.find_version(batch.source.key, batch.source.version_id)
        if source is None:
            return None
        plan = await self._scan(batch, loaded, source)
        await self._objects.put(
            paths.plan_key(batch.batch_id, plan.plan_id), plan.to_bytes(), content_type="application/json"
        )
        return plan

    def _job_of(self, batch: Batch) -> LoadedJob:
        loaded = self._catalog.get(batch.job)
        if loaded is None:
            jobs = ", ".join(sorted(self._catalog))
            named = f"there is no job {batch.job!r}" if batch.job else "the key names no job"
            raise BatchFailed("unknown_job", f"{named}; send files to input/<job>/<name>. Jobs: {jobs}")
        return loaded

    async def _plan_before(self, batch: Batch, loaded: LoadedJob) -> Plan | None:
        if batch.plan_id is None:
            return None
        try:
            body = await self._objects.get(paths.plan_key(batch.batch_id, batch.plan_id))
        except NotFound:
            return None
        try:
            plan = Plan.model_validate_json(body)
        except ValidationError:
            return None  # a later or earlier version of ours wrote it, while a deployment rolls
        if plan.job_version != loaded.version:
            return None
        lookup = loaded.job.lookup
        if lookup and plan.reference_version:
            pinned = await self._reference.describe(lookup.dataset, plan.reference_version)
            return plan if pinned else None
        return plan

    async def _scan(self, batch: Batch, loaded: LoadedJob, source: ObjectInfo) -> Plan:
        reference_version = await self._reference_version(loaded)
        planner = Planner(batch, loaded.job, chunk_bytes=self._settings.chunk_bytes)
        try:
            async for block in self._objects.read(source.key, version_id=source.version_id):
                planner.feed(block)
        except NotFound as error:
            raise BatchFailed("input_gone", f"{source.key}: this version was deleted while it was read") from error
        return planner.finish(job_version=loaded.version, reference_version=reference_version)

    async def _reference_version(self, loaded: LoadedJob) -> str | None:
        lookup = loaded.job.lookup
        if lookup is None:
            return None
        current = await self._reference.current(lookup.dataset)
        if current is None:
            raise BatchFailed(
                "reference_missing",
                f"the reference data {lookup.dataset!r} was never loaded: "
                f"`baton reference load {lookup.dataset} FILE --key {lookup.key}`, then `baton retry`",
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
        await self._outbox.send(
            [
                ProcessChunk(
                    batch_id=batch.batch_id,
                    owner_epoch=batch.owner_epoch,
                    plan_id=plan.plan_id,
                    index=chunk.index,
                    resume=again,
                )
                for chunk in plan.chunks
                if chunk.index not in finished
            ]
        )
