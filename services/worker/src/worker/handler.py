"""Makes the part of one chunk: read, validate, enrich, write, count. Idempotent."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, Self

from polars.exceptions import PanicException
from pydantic import ValidationError

from baton.batches import Batches, check_rejects
from baton.catalog import Catalog
from baton.errors import BatchFailed, Conflict, NotFound, Refused, Retry
from baton.job import Job
from baton.messages import Message, ProcessChunk
from baton.model import paths
from baton.model.batch import Batch
from baton.model.plan import Chunk, Plan
from baton.model.states import BatchState
from baton.offload import Offload
from baton.plans import load_plan
from baton.ports import ChunkDone, Clock, ObjectStore, Progress, Tally
from baton.reading import reading_input
from baton.shown import shown
from baton.telemetry import Metrics
from worker.compute import ComputationHungError, ProcessApart
from worker.domain import Checked, ChunkOutput, ReferenceFrame, check, finish, most_added_bytes, too_large
from worker.done import chunk_done, from_metadata, to_metadata
from worker.pieces import Assembly, pieces
from worker.recent import Recent
from worker.room import ChunkPlace, Room, Share
from worker.settings import WorkerSettings
from worker.tables import Tables, TooLargeError

_RETRY_SECONDS: Final = 20
"""Before a retry: a rolling deployment or replication usually resolves it within a minute."""
_PLAN_CHUNK_BYTES: Final = 1_300
"""Of a chunk in a plan."""


class Where(Protocol):
    """Does CPU work, here or in a process apart, and waits for it."""

    def __call__[T](self, work: Callable[[], T], /) -> T: ...


def _here[T](work: Callable[[], T], /) -> T:
    return work()


@dataclass(frozen=True, slots=True)
class _Task:
    """A batch as this worker knows it: the plan, and this Region's own version ID of the input."""

    plan: Plan
    version_id: str
    weight: int
    """Of the plan in memory, as so many chunks: a header may be 1 MiB of names, which take three times that."""

    @classmethod
    def of(cls, plan: Plan, version_id: str) -> Self:
        return cls(plan, version_id, len(plan.chunks) + sum(map(sys.getsizeof, plan.columns)) // _PLAN_CHUNK_BYTES)


type Plans = Recent[tuple[str, str], _Task]
"""By batch and plan."""


def plans_of(settings: WorkerSettings) -> Plans:
    """Make what keeps plans between chunks."""
    return Recent(settings.plans_cached, weigh=lambda task: task.weight, weight_max=settings.chunks_cached)


class Worker:
    """Handles `ProcessChunk`."""

    def __init__(
        self,
        *,
        batches: Batches,
        objects: ObjectStore,
        progress: Progress,
        tables: Tables,
        plans: Plans,
        room: Room,
        share: Share,
        catalog: Catalog,
        clock: Clock,
        offload: Offload,
        compute: Offload,
        apart: ProcessApart | None = None,
        apart_from: int = 2,
        settings: WorkerSettings,
    ) -> None:
        """`apart_from`: the first attempt of which the computation is done `apart`."""
        self._batches = batches
        self._objects = objects
        self._progress = progress
        self._plans = plans
        self._room, self._share = room, share
        self._catalog = catalog
        self._clock = clock
        self._offload = offload
        self._computer = compute
        self._apart = apart
        self._apart_from = apart_from
        self._tables = tables.computing_by(self._compute)
        self._output_bytes_max = settings.output_bytes_max

    async def handle(self, message: Message, attempt: int) -> Metrics | None:
        """Make the chunk's part, or find it made, and record it. The last chunk's record sends the merge message."""
        assert isinstance(message, ProcessChunk)
        batch = await self._batches.owned(message)
        if batch.state is BatchState.PROCESSED and attempt > 1:
            # The worker that recorded the last chunk may have ended before it sent the message.
            await self._batches.nudge(batch)
        if batch.state is not BatchState.SPLIT or batch.plan_id != message.plan_id:
            raise await self._batches.left(batch, why="no chunk to do")
        tally: Tally | None = None
        try:
            done = await self._done(batch, message, attempt=attempt)
            tally = await self._counted(done)
            check_rejects(batch, self._catalog[batch.job].job.limits, tally.counts)
        except BatchFailed as failed:
            await self._batches.fail(batch, failed, counts=tally.counts if tally else None)
            return None
        except ComputationHungError as hung:
            if attempt == 1:
                # This process ends by it. Once more, in one apart, when those that waited behind it are through.
                raise Retry(str(hung), delay_seconds=_RETRY_SECONDS) from hung
            reason = f"a rule of the job {batch.job!r} hangs: {hung}, in chunk {message.index + 1} of {batch.chunks}"
            await self._batches.fail(batch, BatchFailed("rule_hangs", reason))
            return None
        if tally.complete:
            await self._batches.chunks_done(batch, tally)
        return None if batch.is_canary else _measured(done, last=tally.complete)

    async def give_up(self, message: Message, *, cause: str) -> None:
        """End the batch FAILED: this chunk could not be done in any attempt. A retry does only what is not done.

        It continues if another delivery finished the chunk, or if the batch has to be planned anew: by then every
        worker has other rules than those of the plan, and the sweeper finds that nothing moves.
        """
        assert isinstance(message, ProcessChunk)
        batch = await self._batches.owned(message)
        if batch.state is not BatchState.SPLIT or batch.plan_id != message.plan_id:
            raise await self._batches.left(batch, why="no chunk to do")
        if await self._progress.is_done(batch.batch_id, message.plan_id, message.index):
            raise await self._batches.left(batch, why="the chunk is done")
        if await self._has_other_rules(batch, message.plan_id):
            raise await self._batches.left(batch, why=f"left to be planned anew: {cause}")
        await self._batches.fail(
            batch,
            BatchFailed("chunk_failed", f"chunk {message.index + 1} of {batch.chunks}, job {batch.job!r}: {cause}"),
        )

    async def _counted(self, done: ChunkDone) -> Tally:
        try:
            return await self._progress.complete(done, now=self._clock.now())
        except Conflict as conflict:
            # The table works, but this item is contended: only this chunk waits.
            raise Retry(str(conflict), delay_seconds=_RETRY_SECONDS) from conflict

    async def _done(self, batch: Batch, message: ProcessChunk, *, attempt: int) -> ChunkDone:
        task = await self._task(batch, message.plan_id, attempt)
        chunk = task.plan.chunks[message.index]
        done = await self._finished_before(task.plan, chunk) if message.resume or attempt > 1 else None
        return done or await self._make(task, chunk, attempt)

    # --- one chunk -----------------------------------------------------------------------------------------------

    async def _make(self, task: _Task, chunk: Chunk, attempt: int) -> ChunkDone:
        async with self._room.place(self._share) as place:
            if attempt > 1:
                await place.hold_anything()  # a process apart needs as much again; lack of memory may have ended one
            # Nothing but the output is held while it is written: by then the next chunk is in work.
            try:
                output = await self._output(task, chunk, attempt, place)
            finally:
                # One retry is no reason to keep its process; a chunk that never had it leaves that of another alone.
                if self._apart and attempt >= self._apart_from > 1:
                    self._apart.end(within_seconds=0)
            return await self._write(task.plan, chunk, output)

    async def _output(self, task: _Task, chunk: Chunk, attempt: int, place: ChunkPlace) -> ChunkOutput:
        where = self._where(attempt)
        plan, job, whole = task.plan, self._catalog[task.plan.job].job, Assembly()
        allowed = job.limits.rejects_allowed(plan.records_total)
        await place.hold(chunk_bytes=chunk.end - chunk.start)
        with reading_input(attempt, batch_id=plan.batch_id):
            data = await self._read(task, chunk)
        for number, piece in enumerate(await self._compute(lambda: pieces(data, chunk, len(plan.columns), job))):
            some = data if piece == chunk else data[piece.start - chunk.start : piece.end - chunk.start]
            judge = partial(check, some, piece, plan.columns, job, rejects_left=allowed - whole.rejects)
            checked = await self._compute(partial(where, judge))
            reference = await self._rows_for(plan, job, checked, place)
            await place.hold(output_bytes=whole.size_bytes + most_added_bytes(checked, reference))
            room_bytes = self._output_bytes_max - whole.size_bytes
            end = partial(finish, checked, reference, first=not number, room_bytes=room_bytes, behind=whole.part)
            output = await self._compute(end)
            whole.add(output)
            await place.hold(output_bytes=whole.size_bytes)
            if output.too_many:
                break
        return whole.output()

    def _where(self, attempt: int) -> Where:
        # It may have ended the worker that tried before.
        return self._apart if self._apart and attempt >= self._apart_from else _here

    async def _read(self, task: _Task, chunk: Chunk) -> bytes:
        if chunk.start == chunk.end:
            return b""
        try:
            return await self._objects.get(task.plan.key, version_id=task.version_id, start=chunk.start, end=chunk.end)
        except NotFound as error:
            raise BatchFailed(
                "input_gone", f"{shown(task.plan.key)}: this version was deleted before it was done"
            ) from error

    async def _write(self, plan: Plan, chunk: Chunk, output: ChunkOutput) -> ChunkDone:
        done = await self._compute(lambda: chunk_done(plan, chunk, output))
        if output.rejects:
            await self._objects.put(done.rejects_key, output.rejects)
        if output.too_many:
            return done  # it is counted, so that the batch fails by it; there is no part, and none is needed
        # The part is written last, with what is to be recorded: it shows that the chunk is done, in either
        # Region, without the progress table.
        await self._objects.put(done.part_key, output.part, metadata=to_metadata(done))
        return done

    async def _finished_before(self, plan: Plan, chunk: Chunk) -> ChunkDone | None:
        async for listed in self._objects.list(paths.parts_of_chunk(plan.batch_id, plan.plan_id, chunk.index)):
            part = await self._objects.head(listed.key)
            done = from_metadata(part, plan, chunk) if part else None
            if done and await self._has_its_rejects(done):
                return done
        return None

    async def _has_its_rejects(self, done: ChunkDone) -> bool:
        """Return whether they are here: objects replicate each at its own pace."""
        if not done.rejects_bytes:
            return True
        rejects = await self._objects.head(done.rejects_key)
        return rejects is not None and rejects.size_bytes == done.rejects_bytes

    # --- what is kept between chunks -----------------------------------------------------------------------------

    async def _task(self, batch: Batch, plan_id: str, attempt: int) -> _Task:
        return await self._plans.get_or_make((batch.batch_id, plan_id), lambda: self._look_up(batch, plan_id, attempt))

    async def _look_up(self, batch: Batch, plan_id: str, attempt: int) -> _Task:
        try:
            plan = await self._plan_under_own_rules(batch, plan_id)
        except NotFound as error:
            raise Retry("the plan is not in this Region yet", delay_seconds=_RETRY_SECONDS) from error
        if plan is None:
            raise Retry("the batch was planned under other rules than this worker's", delay_seconds=_RETRY_SECONDS)
        with reading_input(attempt, batch_id=plan.batch_id):
            source = await self._objects.find_version(plan.key, plan.version_id)
        if source is None:
            raise BatchFailed("input_gone", f"{shown(plan.key)}: this version is no longer there")
        return _Task.of(plan, source.version_id)

    async def _plan_under_own_rules(self, batch: Batch, plan_id: str) -> Plan | None:
        """Return the plan; None if another version of the job or of ours wrote it, while a deployment rolls."""
        try:
            plan = await load_plan(self._objects, batch.batch_id, plan_id, offload=self._offload)
        except ValidationError:
            return None
        loaded = self._catalog.get(plan.job)
        return plan if loaded and loaded.version == plan.job_version else None

    async def _has_other_rules(self, batch: Batch, plan_id: str) -> bool:
        try:
            return await self._plan_under_own_rules(batch, plan_id) is None
        except (NotFound, Refused):
            return False

    async def _rows_for(self, plan: Plan, job: Job, checked: Checked, place: ChunkPlace) -> ReferenceFrame | None:
        if job.lookup is None or plan.reference_version is None or checked.too_many:
            return None
        try:
            return await self._tables.rows_for(
                job.lookup, plan.reference_version, checked.lookup_keys, hold=lambda size: place.hold(rows_bytes=size)
            )
        except TooLargeError as error:
            raise too_large(checked, str(error)) from error

    async def _compute[T](self, work: Callable[[], T]) -> T:
        try:
            return await self._computer(work)
        except PanicException as panic:
            # Whatever file brought it about: it is no `Exception`, so the runner would miss it: the batch would hang.
            raise RuntimeError(f"polars panicked: {panic}") from panic


def _measured(done: ChunkDone, *, last: bool) -> Metrics:
    return {
        "Records": (done.counts.records_in, "Count"),
        "Rejects": (done.counts.rejects, "Count"),
        "PartBytes": (done.part_bytes, "Bytes"),
        "BatchesProcessed": (int(last), "Count"),
    }
