"""What takes long is not lost, and what is lost is found: real loops and a real sweeper, hours on virtual time."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, override

import pytest

from baton.catalog import LoadedJob
from baton.errors import Unavailable
from baton.job import Job
from baton.memory import LoopClock, MemoryObjectStore, MemoryProgress, MemoryQueues, Refusal
from baton.messages import KINDS, ORDINARY, Kind
from baton.model.batch import Batch
from baton.model.states import BatchState
from baton.ports import ObjectInfo, Piece, Tally
from baton.testing import virtual_time
from baton_proof.logs import recording_log
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region
from splitter.settings import SplitterSettings

CATALOG = {"plain": LoadedJob(Job(name="plain", record=None, recipients=("ops@example.com",)), "1")}
KEY = "input/plain/f.csv"
BODY = b"a,b\n" + b"1,2\n" * 20
HOUR = 3_600
PATIENCE = SplitterSettings().stalled_seconds + 2 * SplitterSettings().sweep_seconds


@dataclass(slots=True)
class Takes:
    """How long each step takes, in seconds, and how often it was begun."""

    scan: float = 0
    chunk: float = 0
    merge: float = 0
    archive: float = 0
    begun: Counter[str] = field(default_factory=Counter[str])


class SlowStore(MemoryObjectStore):
    """A bucket whose large objects take their time."""

    def __init__(self, clock: LoopClock, takes: Takes) -> None:
        super().__init__(clock)
        self._takes = takes

    @override
    async def read(
        self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes]:
        if key.startswith("input/"):
            self._takes.begun["scan"] += 1
            await asyncio.sleep(self._takes.scan)
        async for block in super().read(key, version_id=version_id, start=start, end=end):
            yield block

    @override
    async def compose(
        self, key: str, pieces: Sequence[Piece], *, content_type: str = "text/csv; charset=utf-8"
    ) -> ObjectInfo:
        if "result" in key:
            self._takes.begun["merge"] += 1
            await asyncio.sleep(self._takes.merge)
        return await super().compose(key, pieces, content_type=content_type)

    @override
    async def copy(self, source: ObjectInfo, target_key: str) -> None:
        self._takes.begun["archive"] += 1
        await asyncio.sleep(self._takes.archive)
        await super().copy(source, target_key)


def _pipeline(takes: Takes, *, region: Region | None = None, **options: Any) -> Pipeline:
    async def slow[T](work: Callable[[], T], /) -> T:
        takes.begun["chunk"] += 1
        await asyncio.sleep(takes.chunk)
        return work()

    if region is None:
        region = Region(clock=LoopClock())
        region.objects = SlowStore(LoopClock(), takes)
    return Pipeline(CATALOG, region=region, compute=slow, **options)


def _sent(queues: MemoryQueues) -> dict[Kind, int]:
    """Return how many messages were ever sent to each queue."""
    return {kind: queues._queues[kind, ORDINARY].sent for kind in KINDS}  # pyright: ignore[reportPrivateUsage] - nobody else counts


@asynccontextmanager
async def _at_work(pipeline: Pipeline, *kinds: Kind) -> AsyncGenerator[None]:
    """Run the sweeper, and the loops of these queues (none named: of all)."""
    stop = asyncio.Event()
    process = pipeline.process
    async with asyncio.TaskGroup() as group:
        group.create_task(process.sweeper.run(stop))
        for kind in kinds or KINDS:
            group.create_task(process.runners[kind].run(stop))
        yield
        stop.set()


async def _settled(pipeline: Pipeline, *batch_ids: str, hours: float = 48) -> list[Batch]:
    async with asyncio.timeout(hours * HOUR):
        while True:
            batches = [await pipeline.batch(batch_id) for batch_id in batch_ids]
            if all(batch.is_settled for batch in batches):
                return batches
            await asyncio.sleep(10)


# --- what takes long -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "takes",
    [
        pytest.param(Takes(scan=3 * HOUR), id="a scan of 3 hours"),
        pytest.param(Takes(merge=HOUR), id="a merge of 1 hour"),
        pytest.param(Takes(chunk=0.8 * HOUR), id="a chunk of hours"),
        pytest.param(Takes(archive=HOUR), id="a copy to the archive of 1 hour"),
        pytest.param(Takes(scan=400, chunk=400, merge=400, archive=400), id="each step above the patience"),
    ],
)
def test_a_long_step_is_taken_once(takes: Takes) -> None:
    async def story() -> tuple[Batch, int, dict[Kind, int], float]:
        pipeline = _pipeline(takes, chunk_bytes=10_000)
        batch_id = await pipeline.upload(KEY, BODY)
        loop, began = asyncio.get_running_loop(), asyncio.get_running_loop().time()
        async with _at_work(pipeline):
            (batch,) = await _settled(pipeline, batch_id)
            took = loop.time() - began
            await asyncio.sleep(2 * HOUR)
        return batch, len(pipeline.region.mailer.outbox), _sent(pipeline.region.queues), took

    batch, mails, sent, took = virtual_time.run(story())

    assert (batch.state, mails) == (BatchState.COMPLETED, 1)
    assert takes.begun == virtual_time.run(_in_no_time()), "something was begun twice"
    assert sent == {"split": 1, "chunk": 1, "merge": 1, "notify": 1}
    assert took < 3 * HOUR * 2 + 60


async def _in_no_time() -> Counter[str]:
    """Return how often each step is begun where nothing takes long."""
    takes = Takes()
    pipeline = _pipeline(takes, chunk_bytes=10_000)
    batch_id = await pipeline.upload(KEY, BODY)
    async with _at_work(pipeline):
        await _settled(pipeline, batch_id)
        await asyncio.sleep(60)
    return takes.begun


def test_a_queue_of_ten_hours_is_worked_off_and_nothing_is_sent_twice() -> None:
    files = 150

    async def story() -> tuple[list[Batch], dict[Kind, int], float]:
        takes = Takes(chunk=240)
        pipeline = _pipeline(takes, chunk_bytes=10_000)
        batch_ids = [await pipeline.upload(f"input/plain/{number}.csv", BODY) for number in range(files)]
        began = asyncio.get_running_loop().time()
        async with _at_work(pipeline):
            batches = await _settled(pipeline, *batch_ids)
        return batches, _sent(pipeline.region.queues), asyncio.get_running_loop().time() - began

    batches, sent, took = virtual_time.run(story())

    assert Counter((batch.state, batch.failure) for batch in batches) == {(BatchState.COMPLETED, None): files}
    assert sent == dict.fromkeys(KINDS, files)
    assert took > 10 * HOUR, "or it was no queue of ten hours"


def test_a_queue_that_nobody_reads_for_hours_is_not_filled_with_nudges() -> None:
    async def story() -> tuple[Batch, dict[Kind, int]]:
        pipeline = _pipeline(Takes())
        batch_id = await pipeline.upload(KEY, BODY)
        async with _at_work(pipeline, "chunk", "merge", "notify"):
            await asyncio.sleep(12 * HOUR)
        return await pipeline.batch(batch_id), _sent(pipeline.region.queues)

    batch, sent = virtual_time.run(story())

    assert (batch.state, sent["split"]) == (BatchState.ADMITTED, 1)


def test_a_mail_that_waits_for_a_quota_is_one_message_for_half_a_day() -> None:
    async def story() -> tuple[Batch, int, dict[Kind, int]]:
        pipeline = _pipeline(Takes())
        pipeline.region.mailer.refusals.refuse("send", by=Refusal.THROTTLED)
        batch_id = await pipeline.upload(KEY, BODY)
        async with _at_work(pipeline):
            await asyncio.sleep(8 * HOUR)
            pipeline.region.mailer.refusals.allow()
            (batch,) = await _settled(pipeline, batch_id)
        return batch, len(pipeline.region.mailer.outbox), _sent(pipeline.region.queues)

    batch, mails, sent = virtual_time.run(story())

    assert (batch.state, mails, sent["notify"]) == (BatchState.COMPLETED, 1, 1)


# --- what is lost ----------------------------------------------------------------------------------------------------


async def _lose(pipeline: Pipeline, kind: Kind) -> bool:
    inbox = pipeline.region.queues.inbox(kind)
    deliveries = await inbox.receive(max_messages=10, wait_seconds=0)
    await inbox.delete(deliveries)
    return bool(deliveries)


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_message_is_sent_again_within_the_patience(kind: Kind) -> None:
    async def story() -> tuple[float, Batch]:
        pipeline = _pipeline(Takes())
        batch_id = await pipeline.upload(KEY, BODY)
        others: list[Kind] = [each for each in KINDS if each != kind]
        async with _at_work(pipeline, *others):
            while not await _lose(pipeline, kind):  # noqa: ASYNC110 - virtual time: a poll costs nothing
                await asyncio.sleep(1)
            lost_at = asyncio.get_running_loop().time()
            while not pipeline.region.queues.queued(kind):  # noqa: ASYNC110 - the same
                await asyncio.sleep(1)
            silent = asyncio.get_running_loop().time() - lost_at
        async with _at_work(_again(pipeline)):
            (batch,) = await _settled(pipeline, batch_id)
        return silent, batch

    silent, batch = virtual_time.run(story())

    assert silent <= PATIENCE
    assert batch.state is BatchState.COMPLETED


def _again(pipeline: Pipeline) -> Pipeline:
    pipeline.restart()
    return pipeline


def test_a_batch_whose_messages_always_get_lost_ends_failed_and_announced() -> None:
    async def story() -> tuple[Batch, int]:
        pipeline = _pipeline(Takes())
        batch_id = await pipeline.upload(KEY, BODY)
        async with _at_work(pipeline, "notify"):
            while not (await pipeline.batch(batch_id)).is_settled:
                await _lose(pipeline, "split")
                await asyncio.sleep(5)
        return await pipeline.batch(batch_id), len(pipeline.region.mailer.outbox)

    batch, mails = virtual_time.run(story())

    assert batch.failure is not None
    assert (batch.failure.code, mails) == ("stalled", 1)
    assert batch.failure.reason == "stood in ADMITTED and made no progress after 6 new attempts"
    assert [step.state for step in batch.history] == [BatchState.ADMITTED, BatchState.FAILED]
    assert (batch.updated_at - batch.admitted_at).total_seconds() == pytest.approx(300 * (2**7 - 1), rel=0.05)


def test_chunks_that_get_done_begin_the_count_of_nudges_anew() -> None:
    async def story() -> Batch:
        pipeline = _pipeline(Takes(), chunk_bytes=8)
        batch_id = await pipeline.upload(KEY, BODY)
        async with _at_work(pipeline, "split", "merge", "notify"):
            while not (await pipeline.batch(batch_id)).is_settled:
                inbox = pipeline.region.queues.inbox("chunk")
                # One chunk of each sending gets through; all others are lost.
                for delivery in await inbox.receive(max_messages=1, wait_seconds=20):
                    await pipeline.process.runners["chunk"].process(delivery)
                    await inbox.delete([delivery])
                while await _lose(pipeline, "chunk"):
                    pass
        return await pipeline.batch(batch_id)

    batch = virtual_time.run(story())

    assert batch.chunks > SplitterSettings().nudges_max + 1
    assert (batch.state, batch.failure) == (BatchState.COMPLETED, None)


def test_a_batch_that_makes_progress_is_not_nudged_at_all() -> None:
    async def story() -> tuple[Batch, dict[Kind, int]]:
        pipeline = _pipeline(Takes(), chunk_bytes=8)
        batch_id = await pipeline.upload(KEY, BODY)
        async with _at_work(pipeline, "split", "merge", "notify"):
            inbox = pipeline.region.queues.inbox("chunk")
            await asyncio.sleep(1)
            taken = await inbox.receive(max_messages=10, wait_seconds=0)
            assert (len(taken), await pipeline.region.queues.outbox().backlog("chunk")) == (10, 0)
            for delivery in taken:  # all in hand, and each shorter than a third of its visibility: no beat, but a tally
                for _ in range(10):
                    await asyncio.sleep(25)
                    for each in taken:
                        await inbox.set_visibility(each, seconds=60)
                await pipeline.process.runners["chunk"].process(delivery)
            await inbox.delete(taken)
            (batch,) = await _settled(pipeline, batch_id)
        return batch, _sent(pipeline.region.queues)

    batch, sent = virtual_time.run(story())

    assert batch.state is BatchState.COMPLETED
    assert batch.chunks * 250 > 2 * PATIENCE
    assert sent == {"split": 1, "chunk": batch.chunks, "merge": 1, "notify": 1}


def test_a_killed_workers_message_comes_back_without_a_nudge() -> None:
    async def story() -> tuple[Batch, dict[Kind, int], Takes]:
        takes = Takes(scan=2 * HOUR)
        pipeline = _pipeline(takes)
        batch_id = await pipeline.upload(KEY, BODY)
        dying = asyncio.create_task(pipeline.process.runners["split"]._work(await _received(pipeline, "split")))  # pyright: ignore[reportPrivateUsage] - killed at once, it hands nothing back
        async with _at_work(pipeline, "chunk", "merge", "notify"):
            await asyncio.sleep(HOUR)
            dying.cancel()
            await asyncio.sleep(PATIENCE)
        async with _at_work(_again(pipeline)):
            (batch,) = await _settled(pipeline, batch_id)
        return batch, _sent(pipeline.region.queues), takes

    batch, sent, takes = virtual_time.run(story())

    assert batch.state is BatchState.COMPLETED
    assert (sent["split"], takes.begun["scan"]) == (1, 2)


async def _received(pipeline: Pipeline, kind: Kind) -> Any:
    (delivery,) = await pipeline.region.queues.inbox(kind).receive(max_messages=1, wait_seconds=0)
    return delivery


def test_a_batch_outlives_any_number_of_restarts_in_the_middle_of_its_scan() -> None:
    async def story() -> tuple[Batch, Sequence[str]]:
        takes = Takes(scan=HOUR)
        pipeline = _pipeline(takes)
        batch_id = await pipeline.upload(KEY, BODY)
        for _ in range(8):
            async with _at_work(_again(pipeline)):
                await asyncio.sleep(HOUR / 2)
        async with _at_work(_again(pipeline)):
            (batch,) = await _settled(pipeline, batch_id)
        return batch, pipeline.region.queues.dead("split")

    batch, dead = virtual_time.run(story())

    assert (batch.state, batch.failure) == (BatchState.COMPLETED, None)
    assert dead == ()


# --- waiting for a file ----------------------------------------------------------------------------------------------


class Out(MemoryObjectStore):
    """A bucket that takes nothing until a moment, and counts what it was asked to take."""

    def __init__(self, clock: LoopClock, until: datetime) -> None:
        super().__init__(clock)
        self._until = until
        self.asked = 0

    @override
    async def put(self, key: str, body: bytes, **options: Any) -> ObjectInfo:
        self._ask(key)
        return await super().put(key, body, **options)

    @override
    async def compose(self, key: str, pieces: Sequence[Piece], **options: Any) -> ObjectInfo:
        self._ask(key)
        return await super().compose(key, pieces, **options)

    def _ask(self, key: str) -> None:
        self.asked += not key.startswith("input/")
        if self._clock.now() < self._until and not key.startswith("input/"):
            raise Unavailable("s3: timed out")


def test_an_outage_of_hours_fails_no_batch() -> None:
    async def story() -> tuple[Batch, int]:
        clock = LoopClock()
        region = Region(clock=clock)
        region.objects = out = Out(clock, clock.now() + timedelta(hours=3))
        pipeline = _pipeline(Takes(), region=region)
        async with _at_work(pipeline):
            batch_id = await pipeline.upload(KEY, BODY)
            (batch,) = await _settled(pipeline, batch_id)
        return batch, out.asked

    batch, asked = virtual_time.run(story())
    assert batch.state is BatchState.COMPLETED, batch.failure
    assert asked > 10, "more often than a message is received before it is dead-lettered"


class Elsewhere(MemoryObjectStore):
    """A bucket that the file has not reached yet."""

    here = False

    @override
    async def find_version(self, key: str, origin_version_id: str) -> ObjectInfo | None:
        return await super().find_version(key, origin_version_id) if self.here else None


def test_a_batch_that_waits_for_its_file_is_asked_about_it_one_question_at_a_time() -> None:
    async def story() -> tuple[int, int, Batch]:
        region = Region(clock=LoopClock())
        region.objects = store = Elsewhere(LoopClock())
        pipeline = _pipeline(Takes(), region=region)
        batch_id = await pipeline.upload(KEY, BODY)
        async with _at_work(pipeline):
            await asyncio.sleep(HOUR)
        asked = _sent(region.queues)["split"]
        # Nobody reads the queue, and others fill it.
        for number in range(100):
            region.queues.put_raw("split", "{}", group=str(number))
        async with _at_work(_again(pipeline), "chunk"):
            await asyncio.sleep(HOUR)
        piled_up = _sent(region.queues)["split"] - asked - 100
        store.here = True
        async with _at_work(_again(pipeline)):
            (batch,) = await _settled(pipeline, batch_id)
        return asked, piled_up, batch

    asked, piled_up, batch = virtual_time.run(story())

    assert 40 <= asked <= 130, "every 30 to 60 s at first, then ever more seldom"
    assert piled_up <= 1
    assert batch.state is BatchState.COMPLETED


# --- one batch's trouble ---------------------------------------------------------------------------------------------


class Throttled(MemoryProgress):
    """A table in which one batch's partition never answers."""

    hot = ""
    down = False
    asked = 0

    @override
    async def tally(self, batch_id: str, plan_id: str) -> Tally | None:
        if batch_id == self.hot or self.down:
            self.asked += 1
            await asyncio.sleep(1)  # the last answer of those that were asked for side by side
            raise Unavailable("throttled")
        return await super().tally(batch_id, plan_id)


def _split_and_lost(progress: Throttled, *, files: int) -> Any:
    async def prepared() -> tuple[Pipeline, list[str]]:
        region = Region(clock=LoopClock(), progress=progress)
        pipeline = _pipeline(Takes(), region=region)
        batch_ids: list[str] = []
        for number in range(files):
            batch_ids.append(await pipeline.upload(f"input/plain/{number}.csv", BODY))
            await asyncio.sleep(1)
        inbox = region.queues.inbox("split")
        while deliveries := await inbox.receive(max_messages=10, wait_seconds=0):
            for delivery in deliveries:
                await pipeline.process.runners["split"].process(delivery)
            await inbox.delete(deliveries)
        while await _lose(pipeline, "chunk"):
            pass
        return pipeline, batch_ids

    return prepared()


def test_a_batch_that_always_throttles_hides_no_older_one() -> None:
    async def story() -> tuple[dict[Kind, int], list[str]]:
        progress = Throttled()
        pipeline, batch_ids = await _split_and_lost(progress, files=20)
        progress.hot = batch_ids[-1]  # the newest, which is listed first
        async with _at_work(pipeline, "merge"):
            await asyncio.sleep(PATIENCE)
        return _sent(pipeline.region.queues), [message.batch_id for message in pipeline.region.queues.queued("split")]

    sent, nudged = virtual_time.run(story())

    assert sent["split"] == 20 + 19
    assert len(set(nudged)) == 19


def test_an_outage_ends_the_look_at_batches_rather_than_ask_for_each() -> None:
    async def story() -> int:
        progress = Throttled()
        pipeline, _ = await _split_and_lost(progress, files=60)
        for seconds in (0, 200, PATIENCE - 200):
            await asyncio.sleep(seconds)
            progress.down = seconds == PATIENCE - 200
            await pipeline.process.sweeper.sweep()
        return progress.asked

    assert 0 < virtual_time.run(story()) <= 32


def test_a_sweep_asks_for_the_queues_and_not_for_each_batch_that_waits_in_them() -> None:
    async def story() -> tuple[int, int]:
        lines: list[dict[str, Any]] = []
        pipeline = Pipeline(CATALOG, region=Region(clock=LoopClock()), log=recording_log(lines))
        for number in range(200):
            await pipeline.upload(f"input/plain/{number}.csv", BODY)
        await asyncio.sleep(HOUR)
        ledger = pipeline.region.ledger
        reads = 0
        get = ledger.get

        async def counted(batch_id: str) -> Batch | None:
            nonlocal reads
            reads += 1
            return await get(batch_id)

        ledger.get = counted  # pyright: ignore[reportAttributeAccessIssue] - counts, and passes on
        await pipeline.process.sweeper.open_batches.sweep()
        (swept,) = [line for line in lines if line["event"] == "swept"]
        return reads, swept["OpenBatches"]

    assert virtual_time.run(story()) == (0, 200)
