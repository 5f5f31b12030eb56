"""Every version of every key is a batch: found without its event, never twice, nor once the row is deleted."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from baton.admission import admit_all
from baton.catalog import load_jobs
from baton.memory import READS, LoopClock
from baton.model.batch import Batch, Source
from baton.model.identity import ORIGIN_VERSION_METADATA, batch_id_of, next_epoch
from baton.model.states import BatchState
from baton.ports import batches_of
from baton.testing import virtual_time
from baton.topology import INITIAL_EPOCH, REGIONS_DEFAULT
from baton_proof.logs import recording_log
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region
from baton_proof.two_regions import EAST, WEST, TwoRegions
from splitter.settings import SplitterSettings

KEY = "input/passthrough/daily.csv"
DAY = 86_400
S = BatchState


def _pipeline(**options: Any) -> Pipeline:
    return Pipeline(load_jobs("baton_jobs"), **options)


# --- older versions -------------------------------------------------------------------------------------------------


def test_each_version_whose_event_was_lost_becomes_a_batch() -> None:
    async def story() -> tuple[list[S], int]:
        pipeline = _pipeline()
        ids = [await pipeline.upload(KEY, f"a\n{n}\n".encode(), announce=False) for n in range(3)]
        await pipeline.drive()
        return [(await pipeline.batch(each)).state for each in ids], len(pipeline.region.mailer.outbox)

    assert asyncio.run(story()) == ([S.COMPLETED] * 3, 3)


def test_a_version_is_found_while_another_one_of_its_key_is_open() -> None:
    async def story() -> S:
        pipeline = _pipeline()
        ledger = pipeline.region.ledger
        first = await pipeline.batch(await pipeline.upload(KEY, b"a\n1\n"))
        await ledger.update(first, first.moved(S.PAUSED, at=pipeline.region.clock.now(), by="operator"))
        second = await pipeline.upload(KEY, b"a\n2\n", announce=False)
        for _ in range(20):
            while await pipeline.step():
                pass
            pipeline.advance(30)
            await pipeline.process.sweeper.sweep()
        return (await pipeline.batch(second)).state

    assert asyncio.run(story()) is S.COMPLETED


def test_the_standby_admits_an_older_version_as_well() -> None:
    async def story() -> list[Batch | None]:
        world = TwoRegions(load_jobs("baton_jobs"))
        ids = [await world.west.upload(KEY, f"a\n{n}\n".encode(), announce=False) for n in range(2)]
        await world.pass_time(360)
        return [await world.west.region.ledger.get(each) for each in ids]

    assert [batch and batch.state for batch in asyncio.run(story())] == [S.ADMITTED, S.ADMITTED]


# --- what is old ----------------------------------------------------------------------------------------------------


async def _look_back(pipeline: Pipeline) -> None:
    """Sweep until the look at a year of old rows is through, two days with each sweep."""
    for _ in range(200):
        pipeline.advance(30)
        await pipeline.process.sweeper.sweep()


def _written_days_ago(pipeline: Pipeline, key: str, days: float) -> None:
    """Make the newest version of a key as old as S3 says of a multipart upload that began so long ago."""
    versions = pipeline.region.objects._versions[key]  # pyright: ignore[reportPrivateUsage] - S3 does so itself
    info = versions[-1].info
    older = replace(info, last_modified=info.last_modified - timedelta(days=days))
    versions[-1] = replace(versions[-1], info=older)


def test_an_upload_that_took_a_week_is_admitted_by_either_region() -> None:
    async def story(region: str) -> Batch | None:
        world = TwoRegions(load_jobs("baton_jobs"))
        pipeline = world.pipelines[region]
        batch_id = await pipeline.upload(KEY, b"a\n1\n", announce=False)
        _written_days_ago(pipeline, KEY, 7.5)
        await world.pass_time(600, region=region)
        return await pipeline.region.ledger.get(batch_id)

    assert all(asyncio.run(story(region)) for region in (EAST, WEST))


@pytest.mark.parametrize("announced", [True, False])
def test_what_was_forgotten_is_never_admitted_anew(announced: bool) -> None:  # noqa: FBT001
    async def story() -> tuple[bool, bool, list[Any], int]:
        lines: list[dict[str, Any]] = []
        pipeline = _pipeline(log=recording_log(lines))
        ledger, objects = pipeline.region.ledger, pipeline.region.objects
        done = await pipeline.upload(KEY, b"a\n1\n")
        await pipeline.drive()
        info = objects.history()[KEY][0].info
        pipeline.advance(15 * DAY)
        await pipeline.process.sweeper.sweep()
        forgotten = await ledger.get(done) is None
        # It is still there as a hidden version, and one day its key is current again: a late replica, a lost marker.
        for marker in (True, False):
            if not marker:
                del objects._versions[KEY][1:]  # pyright: ignore[reportPrivateUsage] - the marker never came
            if announced:
                await pipeline.announce(KEY, info.version_id)
            pipeline.restart()
            for _ in range(3):
                pipeline.advance(60)
                await pipeline.process.sweeper.sweep(just_activated=True)
        told = [line["key"] for line in lines if line["event"] == "input_too_old"]
        return forgotten, await ledger.get(done) is None, told, len(pipeline.region.mailer.outbox)

    forgotten, still, told, mails = asyncio.run(story())

    assert (forgotten, still, mails) == (True, True, 1)
    assert set(told) == {KEY}, "left, and said so"


@pytest.mark.parametrize("days", [0, 12, 14, 400])
def test_a_refused_object_of_a_late_event_is_as_old_as_the_event_says(days: int) -> None:
    async def story() -> tuple[int, list[Any]]:
        lines: list[dict[str, Any]] = []
        pipeline = _pipeline(log=recording_log(lines))
        objects = pipeline.region.objects
        info = await objects.put(KEY, b"a\n1\n")
        objects.refusals.refuse(*READS, key=KEY)
        s3 = {"object": {"key": KEY, "versionId": info.version_id, "size": info.size_bytes}}
        at = pipeline.region.clock.now().isoformat()
        event = {"Records": [{"eventName": "ObjectCreated:Put", "eventTime": at, "s3": s3}]}
        pipeline.advance(days * DAY)
        admitted = await admit_all(event, pipeline.process.admitter)
        return admitted, [line for line in lines if line["event"] == "input_too_old"]

    admitted, told = asyncio.run(story())

    assert admitted == (days < 13)
    assert [line["InputsTooOld"] for line in told] == [1] * (days > 13)


def test_a_row_that_settled_late_is_forgotten_as_well_and_after_an_absence_of_the_sweeper() -> None:
    async def story() -> tuple[bool, bool]:
        pipeline = _pipeline()
        ledger, clock = pipeline.region.ledger, pipeline.region.clock
        late = await pipeline.batch(await pipeline.upload(KEY, b"a\n1\n"))
        late = await ledger.update(late, late.moved(S.PAUSED, at=clock.now(), by="operator"))
        pipeline.advance(10 * DAY)
        late = await ledger.update(late, late.moved(S.CANCELLED, at=clock.now(), by="operator"))
        await pipeline.region.objects.delete(KEY, if_version_is=late.source.version_id)
        pipeline.advance(13.9 * DAY)
        pipeline.restart()
        await pipeline.process.sweeper.sweep()
        kept = await ledger.get(late.batch_id) is not None
        pipeline.advance(90 * DAY)
        pipeline.restart()
        await _look_back(pipeline)
        return kept, await ledger.get(late.batch_id) is None

    assert asyncio.run(story()) == (True, True)


def test_a_row_is_forgotten_once_its_input_is_gone_however_late_that_is() -> None:
    async def story() -> tuple[bool, bool]:
        pipeline = _pipeline()
        ledger, objects = pipeline.region.ledger, pipeline.region.objects
        failed = await pipeline.batch(await pipeline.upload("input/unknown/x.csv", b"a\n1\n"))
        await pipeline.drive()
        pipeline.advance(40 * DAY)
        await pipeline.process.sweeper.sweep()
        kept = await ledger.get(failed.batch_id) is not None
        await objects.delete("input/unknown/x.csv", if_version_is=failed.source.version_id)
        pipeline.advance(2 * DAY)
        await _look_back(pipeline)
        return kept, await ledger.get(failed.batch_id) is None

    assert asyncio.run(story()) == (True, True)


# --- passes ---------------------------------------------------------------------------------------------------------


def test_a_pass_goes_on_over_several_sweeps() -> None:
    async def story() -> tuple[int, int]:
        pipeline = _pipeline(splitter_settings=SplitterSettings(sweep_pages_max=1))
        for number in range(550):
            await pipeline.region.objects.put(f"input/passthrough/{number:05d}.csv", b"a\n1\n")
        last = await pipeline.region.objects.head("input/passthrough/00549.csv")
        assert last is not None
        last_id = batch_id_of(last.key, last.version_id)
        pipeline.advance(120)
        sweeps = 0
        while await pipeline.region.ledger.get(last_id) is None:
            await pipeline.process.sweeper.sweep()
            sweeps += 1
        return sweeps, len(pipeline.region.queues.queued("split"))

    assert asyncio.run(story()) == (2, 550)


def test_inputs_that_were_settled_under_the_other_role_are_looked_at_again() -> None:
    async def story() -> list[str]:
        world = TwoRegions(load_jobs("baton_jobs"))
        await world.east.upload(KEY, b"a\n1\n")
        world.replicate()
        world.link.set(cut=True)
        await world.east.drive()
        # Filed away over there; the delete marker never comes, and the standby's sweeper remembers it as settled.
        await world.pass_time(3_600, region=WEST)
        await world.activate(WEST)
        await world.pass_time(3_600, region=WEST)
        return [info.key async for info in world.west.region.objects.list("input/")]

    assert asyncio.run(story()) == []


@pytest.mark.parametrize("open_batches", [0, 10_000])
def test_a_region_that_becomes_active_admits_what_waits_within_five_seconds(open_batches: int) -> None:
    call_seconds = 0.005

    async def story() -> float:
        region = Region(region=WEST, clock=LoopClock())
        pipeline = _pipeline(region=region)
        ledger, now = region.ledger, region.clock.now()
        plain = type(ledger).get

        async def slow(self: Any, batch_id: str) -> Batch | None:
            await asyncio.sleep(call_seconds)
            return await plain(self, batch_id)

        type(ledger).get = slow  # pyright: ignore[reportAttributeAccessIssue] - restored below
        try:
            for number in range(open_batches):
                source = Source(f"input/passthrough/o{number}", "v", 1)
                row = Batch(f"{number:020x}", "passthrough", source, S.SPLIT, INITIAL_EPOCH - 1, now, now, plan_id="p")
                await ledger.admit(row)
            stop, loop = asyncio.Event(), asyncio.get_running_loop()
            sweeping = asyncio.create_task(pipeline.process.sweeper.run(stop))
            await asyncio.sleep(1)
            control = await ledger.control()
            batch_id = await pipeline.upload(KEY, b"a\n1\n", announce=False)
            epoch = next_epoch(control.epoch, WEST, REGIONS_DEFAULT)
            await ledger.set_control(control.changed(epoch=epoch, active_region=WEST), before=control)
            switched = loop.time()
            while await plain(ledger, batch_id) is None:  # noqa: ASYNC110 - virtual time: a poll costs nothing
                await asyncio.sleep(0.05)
            seconds = loop.time() - switched
            stop.set()
            await sweeping
            return seconds
        finally:
            type(ledger).get = plain

    assert virtual_time.run(story()) <= 5


# --- who names a batch ----------------------------------------------------------------------------------------------


def test_two_versions_are_two_batches_whatever_their_metadata_says() -> None:
    async def story() -> tuple[int, set[bytes]]:
        pipeline = _pipeline()
        for body in (b"a\nfirst\n", b"a\nsecond\n"):
            info = await pipeline.region.objects.put(KEY, body, metadata={ORIGIN_VERSION_METADATA: "v-77"})
            await pipeline.announce(KEY, info.version_id)
            await pipeline.drive()
        results = [
            each.key async for each in pipeline.region.objects.list("output/") if each.key.endswith("result.csv")
        ]
        return len(pipeline.region.mailer.outbox), {await pipeline.region.objects.get(key) for key in results}

    assert asyncio.run(story()) == (2, {b"a\nfirst\n", b"a\nsecond\n"})


# --- markers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("input/sales/_SUCCESS", b""),
        ("input/sales/_SUCCESS", b'{"name": "a committer writes a summary"}'),
        ("input/_SUCCESS", b""),
        ("input/sales_$folder$", b""),
        ("input/sales/2026_$folder$", b""),
        ("input/sales/_started_123", b"x"),
        ("input/sales/.keep", b""),
        ("input/sales/_temporary/0/part-0000.csv", b"a\n1\n"),
    ],
)
@pytest.mark.parametrize("announced", [True, False])
def test_what_tools_leave_beside_data_is_no_batch(key: str, body: bytes, announced: bool) -> None:  # noqa: FBT001
    async def story() -> tuple[int, int]:
        pipeline = _pipeline()
        await pipeline.upload(key, body, announce=announced)
        await pipeline.drive()
        return len(
            await batches_of(pipeline.region.ledger.list_recent(since=pipeline.region.clock.now() - timedelta(1)))
        ), len(pipeline.region.mailer.outbox)

    assert asyncio.run(story()) == (0, 0)


@pytest.mark.parametrize(("key", "body"), [("input/sales/empty.csv", b""), ("input/sales/_mine.csv", b"a\n1\n")])
def test_a_file_of_a_sender_is_one_whatever_it_is_called(key: str, body: bytes) -> None:
    async def story() -> S:
        pipeline = _pipeline()
        batch_id = await pipeline.upload(key, body)
        await pipeline.drive()
        return (await pipeline.batch(batch_id)).state

    assert asyncio.run(story()) is S.FAILED


# --- a list that is late -------------------------------------------------------------------------------------------


def test_a_list_of_open_batches_that_is_late_wakes_nothing_that_ended_and_doubles_nothing() -> None:
    async def story() -> tuple[list[S], int, int]:
        pipeline = _pipeline()
        ended = await pipeline.upload(KEY, b"a\n1\n")
        pipeline.region.ledger.hold_index()  # it still shows this one ADMITTED, and none that is admitted from now on
        unlisted = await pipeline.upload(KEY, b"a\n2\n")
        for _ in range(40):
            while await pipeline.step():
                pass
            pipeline.advance(60)
            await pipeline.process.sweeper.sweep()
        deliveries = pipeline.deliveries
        states = [(await pipeline.batch(each)).state for each in (ended, unlisted)]
        return states, len(pipeline.region.mailer.outbox), deliveries

    states, mails, deliveries = asyncio.run(story())

    assert states == [S.COMPLETED, S.COMPLETED]
    assert (mails, deliveries) == (2, 8), "each batch is split, worked on, merged and mailed once"


def test_a_batch_that_no_list_shows_yet_is_looked_after_once_one_does() -> None:
    async def story() -> S:
        pipeline = _pipeline()
        pipeline.region.ledger.hold_index()
        batch_id = await pipeline.upload(KEY, b"a\n1\n")
        for delivery in await pipeline.region.queues.inbox("split").receive(max_messages=10, wait_seconds=0):
            await pipeline.region.queues.inbox("split").delete([delivery])  # it is lost
        for _ in range(30):
            pipeline.advance(60)
            await pipeline.process.sweeper.sweep()
        pipeline.region.ledger.release_index()
        await pipeline.drive()
        return (await pipeline.batch(batch_id)).state

    assert asyncio.run(story()) is S.COMPLETED
