"""The sweeper under bad luck: one object's trouble stays its own, and nothing is sent again by every sweep."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, override

from baton.catalog import load_jobs
from baton.errors import Unavailable
from baton.memory import READS, LoopClock, MemoryClock, MemoryLedger, MemoryObjectStore, Refusal
from baton.model.batch import Batch, Source
from baton.model.states import BatchState
from baton.ports import ObjectInfo, PageEnd, VersionPage
from baton.testing import virtual_time
from baton.topology import RETENTION_DAYS
from baton_proof.logs import recording_log
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region

KEY = "input/passthrough/f.csv"
BODY = b"a\n1\n"


@dataclass(slots=True)
class Trouble:
    """What is wrong with the bucket, and how often it was asked."""

    uncopyable: bool = False
    unlistable: bool = False
    asked: Counter[str] = field(default_factory=Counter[str])


class TroubledObjectStore(MemoryObjectStore):
    """A bucket in which some things go wrong that no adapter foresees."""

    def __init__(self, clock: MemoryClock | LoopClock, trouble: Trouble) -> None:
        super().__init__(clock)
        self._trouble = trouble

    @override
    async def head(self, key: str, *, version_id: str | None = None) -> ObjectInfo | None:
        self._trouble.asked["head"] += 1
        return await super().head(key, version_id=version_id)

    @override
    async def list_versions(self, prefix: str, *, after: PageEnd | None = None) -> VersionPage:
        if self._trouble.unlistable:
            raise Unavailable("ListObjectVersions: 500")
        return await super().list_versions(prefix, after=after)

    @override
    async def copy(self, source: ObjectInfo, target_key: str) -> None:
        self._trouble.asked["copy"] += 1
        if self._trouble.uncopyable:
            raise RuntimeError("403: no key to decrypt it with")
        await super().copy(source, target_key)


def _pipeline(trouble: Trouble, clock: MemoryClock | LoopClock | None = None) -> Pipeline:
    region = Region(clock=clock or MemoryClock())
    region.objects = TroubledObjectStore(region.clock, trouble)
    return Pipeline(load_jobs("baton_jobs"), region=region)


async def _sweep(pipeline: Pipeline, *, times: int) -> None:
    for _ in range(times):
        pipeline.advance(30)
        await pipeline.process.sweeper.sweep()


def test_an_object_that_is_refused_keeps_no_other_from_being_found_and_ends_in_words() -> None:
    async def story() -> tuple[Batch, Batch, list[str]]:
        region = Region()
        pipeline = Pipeline(load_jobs("baton_jobs"), region=region)
        region.objects.refusals.refuse(*READS, by=Refusal.KMS, key="input/passthrough/a.csv")
        refused = await pipeline.upload("input/passthrough/a.csv", BODY, announce=False)
        other = await pipeline.upload(KEY, BODY, announce=False)
        await pipeline.drive()
        return await pipeline.batch(refused), await pipeline.batch(other), [m.text for m in region.mailer.outbox]

    refused, other, mails = asyncio.run(story())

    assert refused.failure is not None
    assert (refused.state, refused.failure.code) == (BatchState.FAILED, "unreadable")
    assert "KMS.DisabledException" in refused.failure.reason
    assert other.state is BatchState.COMPLETED
    assert len(mails) == 2


def test_an_object_whose_bytes_are_refused_ends_in_words_and_goes_through_once_they_are_not() -> None:
    async def story() -> tuple[str, BatchState]:
        pipeline = Pipeline(load_jobs("baton_jobs"), region=Region())
        region = pipeline.region
        region.objects.refusals.refuse("read", "get", key=KEY)
        batch_id = await pipeline.upload(KEY, BODY)
        await pipeline.drive()
        failed = await pipeline.batch(batch_id)
        region.objects.refusals.allow()
        again = failed.moved(BatchState.ADMITTED, at=region.clock.now(), by="operator", run=2, failure=None)
        await region.ledger.update(failed, again)
        await pipeline.drive()
        return failed.failure.code if failed.failure else "", (await pipeline.batch(batch_id)).state

    assert asyncio.run(story()) == ("unreadable", BatchState.COMPLETED)


def test_an_object_in_an_archive_ends_at_once_and_says_to_restore_it() -> None:
    async def story() -> Batch:
        pipeline = Pipeline(load_jobs("baton_jobs"), region=Region())
        pipeline.region.objects.refusals.refuse("read", "get", by=Refusal.ARCHIVED, key=KEY)
        batch_id = await pipeline.upload(KEY, BODY)
        await pipeline.step()
        return await pipeline.batch(batch_id)

    batch = asyncio.run(story())

    assert batch.failure is not None
    assert (batch.state, batch.failure.code) == (BatchState.FAILED, "unreadable")
    assert f"Restore it and `baton retry {batch.batch_id}`" in batch.failure.reason
    assert "encrypted" not in batch.failure.reason


def test_an_object_that_is_refused_to_the_worker_alone_ends_in_the_same_words() -> None:
    async def story() -> Batch:
        pipeline = Pipeline(load_jobs("baton_jobs"), region=Region())
        batch_id = await pipeline.upload(KEY, BODY)
        await pipeline.step()
        pipeline.region.objects.refusals.refuse("read", "get", key=KEY)
        await pipeline.drive()
        return await pipeline.batch(batch_id)

    batch = asyncio.run(story())

    assert batch.failure is not None
    assert (batch.state, batch.failure.code) == (BatchState.FAILED, "unreadable")
    assert "the file is there and cannot be read" in batch.failure.reason


def test_an_object_that_is_refused_for_a_minute_goes_through() -> None:
    async def story() -> BatchState:
        pipeline = Pipeline(load_jobs("baton_jobs"), region=Region())
        pipeline.region.objects.refusals.refuse("head", "find_version", key=KEY)
        batch_id = await pipeline.upload(KEY, BODY)
        await pipeline.step()
        pipeline.region.objects.refusals.allow()
        await pipeline.drive()
        return (await pipeline.batch(batch_id)).state

    assert asyncio.run(story()) is BatchState.COMPLETED


def test_a_bucket_that_cannot_be_listed_never_ends_the_sweeper() -> None:
    class Unlisted(MemoryObjectStore):
        @override
        async def list_versions(self, prefix: str, *, after: PageEnd | None = None) -> VersionPage:
            raise RuntimeError(f"{prefix}{after}: surprise")

    async def story() -> bool:
        region = Region(clock=LoopClock())
        region.objects = Unlisted(region.clock)
        pipeline = Pipeline(load_jobs("baton_jobs"), region=region)
        stop = asyncio.Event()
        sweeping = asyncio.create_task(pipeline.process.sweeper.run(stop))
        await asyncio.sleep(3_600)
        alive = not sweeping.done()
        stop.set()
        await sweeping
        return alive

    assert virtual_time.run(story())


def test_batches_that_wait_for_their_turn_are_not_sent_again_by_every_sweep() -> None:
    async def story() -> int:
        pipeline = _pipeline(Trouble())
        await pipeline.upload(KEY, BODY)
        await _sweep(pipeline, times=120)
        return len(pipeline.region.queues.queued("split"))

    assert asyncio.run(story()) <= 1 + 4, "an hour of waiting is 120 sweeps; patience doubles from five minutes"


def test_an_input_that_cannot_be_archived_is_not_tried_without_end() -> None:
    async def story() -> tuple[BatchState, int]:
        trouble = Trouble(uncopyable=True)
        pipeline = _pipeline(trouble)
        batch_id = await pipeline.upload(KEY, BODY)
        for _ in range(24 * 120):
            while await pipeline.step():
                pass
            await _sweep(pipeline, times=1)
        return (await pipeline.batch(batch_id)).state, trouble.asked["copy"]

    state, tried = asyncio.run(story())

    assert state is BatchState.COMPLETED
    assert 5 <= tried <= 60, "five attempts of each message, and ever fewer messages"


def test_finished_inputs_that_stay_cost_a_listing_and_nothing_else() -> None:
    class Counting(MemoryLedger):
        asked = 0

        @override
        async def get_many(self, batch_ids: Sequence[str]) -> Mapping[str, Batch | None]:
            self.asked += len(batch_ids)
            return await super().get_many(batch_ids)

    async def story() -> tuple[int, int]:
        trouble = Trouble()
        pipeline = _pipeline(trouble)
        region = pipeline.region
        region.ledger = ledger = Counting(await region.ledger.control())
        pipeline = Pipeline(load_jobs("baton_jobs"), region=region)
        for number in range(200):
            await pipeline.upload(f"input/unknown/{number}.csv", BODY)
        await pipeline.drive()
        await _sweep(pipeline, times=1)
        before = trouble.asked["head"] + ledger.asked
        await _sweep(pipeline, times=10)
        again = trouble.asked["head"] + ledger.asked - before
        pipeline.restart()
        before = trouble.asked["head"]
        await _sweep(pipeline, times=1)
        return again, trouble.asked["head"] - before

    assert asyncio.run(story()) == (0, 0), "nor does a new process ask S3 about each of them"


def test_an_input_that_a_retry_completed_is_archived_even_if_that_message_is_lost() -> None:
    async def story() -> list[str]:
        pipeline = _pipeline(Trouble())
        ledger = pipeline.region.ledger
        batch_id = await pipeline.upload("input/passthrough/f.csv", b"")
        await pipeline.drive()
        failed = await pipeline.batch(batch_id)
        assert failed.state is BatchState.FAILED
        # A retry takes it all the way, but the notifier dies before it archives, and its message is lost with it.
        row = failed
        path = ("ADMITTED", "SPLIT", "PROCESSED", "MERGED", "NOTIFIED", "COMPLETED")
        for state in path:
            pipeline.advance(1)
            row = await ledger.update(row, row.moved(BatchState(state), at=pipeline.region.clock.now(), by="operator"))
            if state == "SPLIT":
                await pipeline.process.sweeper.sweep()
        for _ in range(20):
            await _sweep(pipeline, times=1)
            while await pipeline.step():
                pass
        return [info.key async for info in pipeline.region.objects.list("")]

    keys = asyncio.run(story())

    assert [key for key in keys if key.startswith("input/")] == []
    assert len([key for key in keys if key.startswith("archive/")]) == 1


def test_a_long_sweep_does_not_hold_up_the_stop() -> None:
    class Slow(MemoryObjectStore):
        @override
        async def list_versions(self, prefix: str, *, after: PageEnd | None = None) -> VersionPage:
            await asyncio.sleep(100)
            return await super().list_versions(prefix, after=after)

    async def story() -> float:
        region = Region(clock=LoopClock())
        region.objects = Slow(region.clock)
        pipeline = Pipeline(load_jobs("baton_jobs"), region=region)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        sweeping = asyncio.create_task(pipeline.process.sweeper.run(stop))
        await asyncio.sleep(10)
        stop.set()
        asked_at = loop.time()
        await sweeping
        return loop.time() - asked_at

    assert virtual_time.run(story()) < 1


class SilentLedger(MemoryLedger):
    """A ledger that does not answer for some batches, or for none."""

    silent: Collection[str] | None = ()
    asked = 0

    @override
    async def get(self, batch_id: str) -> Batch | None:
        if self.silent is None or batch_id in self.silent:
            self.asked += 1
            raise Unavailable(f"{batch_id}: throttled")
        return await super().get(batch_id)


async def _of_silent_ledger(batches: int) -> tuple[Pipeline, SilentLedger, list[str]]:
    """Return a pipeline of open batches whose messages are lost, the oldest first."""
    pipeline = _pipeline(Trouble())
    region = pipeline.region
    region.ledger = ledger = SilentLedger(await region.ledger.control())
    pipeline = Pipeline(load_jobs("baton_jobs"), region=region)
    ids: list[str] = []
    for number in range(batches):
        pipeline.advance(1)
        ids.append(await pipeline.upload(f"input/passthrough/{number}.csv", BODY))
    await _lose_messages(pipeline)
    return pipeline, ledger, ids


async def _lose_messages(pipeline: Pipeline) -> None:
    inbox = pipeline.region.queues.inbox("split")
    while deliveries := await inbox.receive(max_messages=10, wait_seconds=0):
        await inbox.delete(deliveries)


def test_an_outage_ends_the_sweep_rather_than_time_out_at_every_batch() -> None:
    async def story() -> int:
        pipeline, ledger, _ = await _of_silent_ledger(200)
        for _ in range(2):
            pipeline.advance(200)
            await pipeline.process.sweeper.sweep()  # from now on the queues are known to be empty: no message waits
        pipeline.advance(200)
        ledger.silent = None
        await pipeline.process.sweeper.sweep()
        return ledger.asked

    assert 10 <= asyncio.run(story()) <= 32


async def _sweep_until_lost(pipeline: Pipeline) -> None:
    """Sweep until silence is loss: the queues must be seen empty, and a minute must pass."""
    for _ in range(3):
        pipeline.advance(200)
        await pipeline.process.sweeper.sweep()


def test_a_few_batches_that_do_not_answer_hide_no_older_one() -> None:
    async def story() -> set[str]:
        pipeline, ledger, ids = await _of_silent_ledger(40)
        ledger.silent = set(ids[-3:])
        await _sweep_until_lost(pipeline)
        return {message.batch_id for message in pipeline.region.queues.queued("split")} ^ set(ids[:-3])

    assert asyncio.run(story()) == set()


def test_a_row_that_cannot_be_read_hides_no_other_and_is_reported() -> None:
    async def story() -> tuple[set[str], list[str], float]:
        lines: list[dict[str, Any]] = []
        region = Region()
        pipeline = Pipeline(load_jobs("baton_jobs"), region=region, log=recording_log(lines))
        ids = [await pipeline.upload(f"input/passthrough/{number}.csv", BODY) for number in range(5)]
        await _lose_messages(pipeline)
        region.ledger.spoil(ids[2])
        await _sweep_until_lost(pipeline)
        sent = {message.batch_id for message in region.queues.queued("split")}
        *_, swept = (line for line in lines if line["event"] == "swept")
        unreadable = [line["batch_id"] for line in lines if line["event"] == "row_unreadable"]
        assert set(unreadable) == {ids[2]}
        return sent ^ {ids[0], ids[1], ids[3], ids[4]}, unreadable, swept["UnreadableBatches"]

    assert asyncio.run(story())[::2] == (set(), 1)


def test_how_long_no_sweep_of_inputs_went_through_is_measured() -> None:
    async def story() -> list[float]:
        lines: list[dict[str, Any]] = []
        trouble = Trouble()
        region = Region()
        region.objects = TroubledObjectStore(region.clock, trouble)
        pipeline = Pipeline(load_jobs("baton_jobs"), region=region, log=recording_log(lines))
        for trouble.unlistable in (False, True, True, False):
            await _sweep(pipeline, times=1)
        return [line["InputSweepAge"] for line in lines if line["event"] == "inputs_swept"]

    assert asyncio.run(story()) == [0, 30, 60, 0]


def test_batches_are_looked_at_many_at_once() -> None:
    class Slow(MemoryLedger):
        asked = open_now = open_most = 0

        @override
        async def get(self, batch_id: str) -> Batch | None:
            self.asked += 1
            self.open_now += 1
            self.open_most = max(self.open_most, self.open_now)
            await asyncio.sleep(0.05)
            self.open_now -= 1
            return await super().get(batch_id)

    async def story() -> tuple[int, int, float]:
        region = Region(clock=LoopClock())
        region.ledger = ledger = Slow(await region.ledger.control())
        pipeline = Pipeline(load_jobs("baton_jobs"), region=region)
        for number in range(320):
            await pipeline.upload(f"input/passthrough/{number}.csv", BODY)
        await _lose_messages(pipeline)
        for _ in range(2):  # until the queues are known to be empty, nobody asks about a batch
            await asyncio.sleep(500)
            await pipeline.process.sweeper.open_batches.sweep()
        await asyncio.sleep(500)
        asked, started = ledger.asked, asyncio.get_running_loop().time()
        await pipeline.process.sweeper.open_batches.sweep()
        return ledger.asked - asked, ledger.open_most, asyncio.get_running_loop().time() - started

    asked, at_once, seconds = virtual_time.run(story())

    assert (asked, at_once) == (320, 16)
    assert seconds <= 320 / 16 * 0.05 * 1.2


def test_an_object_without_a_version_is_left_with_an_error_rather_than_taken_for_done() -> None:
    async def story() -> Batch | None:
        pipeline = _pipeline(Trouble())

        class Versionless(MemoryObjectStore):
            @override
            def _next_version_id(self) -> str:
                return "null"

        pipeline.region.objects = Versionless(pipeline.region.clock)
        pipeline = Pipeline(load_jobs("baton_jobs"), region=pipeline.region)
        info = await pipeline.region.objects.put(KEY, BODY)
        return await pipeline.process.admitter.admit(info.key, None)

    assert asyncio.run(story()) is None


def test_old_rows_are_deleted_beside_the_sweep_for_as_long_as_it_takes() -> None:
    class SlowToTell(MemoryObjectStore):
        @override
        async def head(self, key: str, *, version_id: str | None = None) -> ObjectInfo | None:
            if key.startswith("input/old/"):
                await asyncio.sleep(60)
            return await super().head(key, version_id=version_id)

    async def story() -> tuple[bool, int, int]:
        lines: list[dict[str, Any]] = []
        region = Region(clock=LoopClock())
        region.objects = SlowToTell(region.clock)
        pipeline = Pipeline(load_jobs("baton_jobs"), region=region, log=recording_log(lines))
        long_ago = region.clock.now() - timedelta(days=RETENTION_DAYS + 1)
        old = [
            Batch(f"{n:020x}", "old", Source(f"input/old/{n}", "v", 1), BatchState.CANCELLED, 2, long_ago, long_ago)
            for n in range(1_600)
        ]
        for each in old:
            await region.ledger.admit(each)
        stop = asyncio.Event()
        sweeping = asyncio.create_task(pipeline.process.sweeper.run(stop))
        await asyncio.sleep(600)
        batch_id = await pipeline.upload(KEY, BODY, announce=False)
        await asyncio.sleep(120)
        is_admitted = await region.ledger.get(batch_id) is not None
        swept = sum(line["event"] == "swept" for line in lines)
        stop.set()
        await sweeping
        left = sum([await region.ledger.get(each.batch_id) is not None for each in old])
        return is_admitted, swept, left

    is_admitted, swept, left = virtual_time.run(story())

    assert is_admitted, "an input is found while old rows are deleted"
    assert swept >= 20
    assert 0 < left < 1_600, "which takes 100 minutes here, 12 of which are over"
