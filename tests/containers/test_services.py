"""Each service's image alone, hardened as in production, beside a LocalStack: real messages in, real objects out."""

from datetime import timedelta
from urllib.parse import quote

import pytest

from aio import run
from baton.messages import MergeBatch, NotifyBatch, ProcessChunk, SplitBatch
from baton.model import paths
from baton.model.identity import batch_id_of
from baton.model.journal import Heartbeat
from baton.model.states import BatchState
from baton.topology import INITIAL_EPOCH
from baton_local import bootstrap
from baton_proof.handovers import until
from baton_proof.sales import financial, sales_file
from emulators import LOCALSTACK
from service_containers import Stage
from worlds import EAST

# The first test builds all images; where nothing is cached that takes minutes.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

_SAMPLE = sales_file(records=1_000, bad=10)
_CHUNK_BYTES = 20_000
"""Three chunks."""


def test_a_splitter_plans_a_file_and_queues_its_chunks(stage: Stage) -> None:
    async def story() -> None:
        async with stage.region(chunk_bytes=_CHUNK_BYTES) as region:
            batch = await region.sent(_SAMPLE)
            with stage.running("splitter", BATON_SPLITTER_CHUNK_BYTES=f"{_CHUNK_BYTES}") as splitter:
                await splitter.until_healthy()
                batch = await region.until(batch, BatchState.SPLIT)
                assert (await splitter.stop()).exit_code == 0
            plan = await region.plan(batch)

            assert (batch.chunks, batch.records_total) == (len(plan.chunks), 1_000)
            assert len(plan.chunks) == 3
            edges = [chunk.start for chunk in plan.chunks] + [plan.chunks[-1].end]
            assert edges == [_SAMPLE.body.index(b"\n") + 1, *(chunk.end for chunk in plan.chunks)]
            assert edges[-1] == len(_SAMPLE.body)
            assert await region.taken("split") == []
            asked = sorted(each.index for each in await region.taken("chunk") if isinstance(each, ProcessChunk))
            assert asked == [0, 1, 2]

    run(story(), timeout_seconds=200)


def test_a_worker_makes_every_part_and_calls_the_merger(stage: Stage) -> None:
    async def story() -> None:
        async with stage.region(chunk_bytes=_CHUNK_BYTES) as region:
            batch = await region.sent(_SAMPLE)
            await region.does("split")
            with stage.running("worker") as worker:
                await worker.until_healthy()
                batch = await region.until(batch, BatchState.PROCESSED)
                assert (await worker.stop()).exit_code == 0
            plan = await region.plan(batch)
            expected = region.expected(plan, _SAMPLE)

            assert await region.parts(plan) == {index: chunk.part for index, chunk in expected.items()}
            done = await region.aws.progress().done(plan.batch_id, plan.plan_id)
            assert {each.index: each.counts for each in done} == {i: chunk.counts for i, chunk in expected.items()}
            assert (batch.counts.records_in, batch.counts.rejects) == (1_000, 10)
            assert await region.taken("merge") == [MergeBatch(batch_id=batch.batch_id, owner_epoch=INITIAL_EPOCH)]

    run(story(), timeout_seconds=200)


def test_a_merger_publishes_what_the_parts_come_to(stage: Stage) -> None:
    async def story() -> None:
        async with stage.region(chunk_bytes=_CHUNK_BYTES) as region:
            batch = await region.sent(_SAMPLE)
            await region.does("split", "chunk")
            with stage.running("merger") as merger:
                await merger.until_healthy()
                batch = await region.until(batch, BatchState.MERGED)
                assert (await merger.stop()).exit_code == 0
            expected = region.expected(await region.plan(batch), _SAMPLE)
            objects = region.aws.objects()

            assert batch.published
            result = b"".join(chunk.part for chunk in expected.values())
            assert await objects.get(batch.published.result_key) == result
            rejects = b"".join(chunk.rejects for chunk in expected.values())
            assert await objects.get(batch.published.rejects_key) == rejects
            assert await region.taken("notify") == [NotifyBatch(batch_id=batch.batch_id, owner_epoch=INITIAL_EPOCH)]

    run(story(), timeout_seconds=200)


def test_a_notifier_mails_a_link_to_the_result_and_archives_the_input(stage: Stage) -> None:
    async def story() -> None:
        async with stage.region(chunk_bytes=_CHUNK_BYTES) as region:
            batch = await region.sent(_SAMPLE)
            await region.does("split", "chunk", "merge")
            with stage.running("notifier") as notifier:
                await notifier.until_healthy()
                batch = await region.until(batch, BatchState.COMPLETED)
                assert (await notifier.stop()).exit_code == 0
            (mail,) = [each for each in await LOCALSTACK.sent(stage.place.url) if batch.batch_id in each.text]
            objects = region.aws.objects()

            assert batch.is_announced
            assert [str(each) for each in mail.recipients] == ["sales-ops@example.com"]
            assert batch.published
            for key in (batch.published.result_key, batch.published.rejects_key):
                assert f"/{quote(key)}?" in mail.text
            assert await objects.head(batch.source.key) is None
            assert await objects.get(paths.archive_key("sales", batch.batch_id, "sales.csv")) == _SAMPLE.body

    run(story(), timeout_seconds=200)


def test_a_poller_admits_what_is_uploaded(stage: Stage) -> None:
    async def story() -> None:
        async with stage.region(chunk_bytes=_CHUNK_BYTES) as region:
            arn = await bootstrap.create_trigger_queue(region.aws, EAST)
            await bootstrap.notify(region.aws, EAST, trigger_queue_arn=arn)
            await financial(region.aws.reference(), _SAMPLE)
            with stage.running("splitter", command=["python", "-m", "trigger.poller"]) as poller:
                await poller.until_healthy()
                info = await region.aws.objects().put("input/sales/Ümläute & so.csv", _SAMPLE.body)
                batch_id = batch_id_of(info.key, info.version_id)

                async def is_queued() -> bool:
                    return sum(await region.queued("split")) == 1

                await until(is_queued, "the file is admitted", seconds=30)
                assert (await poller.stop()).exit_code == 0
            batch = await region.batch(batch_id)

            assert (batch.state, batch.owner_epoch) == (BatchState.ADMITTED, INITIAL_EPOCH)
            assert batch.source.size_bytes == len(_SAMPLE.body)
            assert await region.taken("split") == [SplitBatch(batch_id=batch_id, owner_epoch=INITIAL_EPOCH)]

    run(story(), timeout_seconds=200)


def test_a_controller_beats_in_the_ledger_and_says_what_it_thinks(stage: Stage) -> None:
    async def story() -> None:
        async with stage.region(chunk_bytes=_CHUNK_BYTES) as region:
            with stage.running("failover-controller", BATON_CONTROLLER_TIME_SCALE="5") as controller:
                await controller.until_healthy()

                async def beats() -> Heartbeat | None:
                    beat = (await region.aws.journal().heartbeats()).get(EAST)
                    return beat if beat and beat.sequence > 2 else None

                beat = await until(beats, "the heart beats", seconds=30)
                assert not controller.said("controller_bug")
                assert (await controller.stop()).exit_code == 0

            assert beat
            assert beat.epoch_seen == INITIAL_EPOCH
            assert region.aws.settings.region == beat.region
            assert beat.at - timedelta(seconds=60) < beat.assessment.at <= beat.at

    run(story(), timeout_seconds=200)
