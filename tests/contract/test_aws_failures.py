"""What the AWS adapters make of lost answers, broken streams, partial failures and conflicts."""

import asyncio
import socket

import pytest
from aiobotocore.session import AioSession

from aio import run
from batches_made import admitted, stepped
from baton.aws import SystemClock
from baton.aws.s3.ranged import RANGE_BYTES
from baton.errors import Conflict, Fenced, NotFound, Unavailable
from baton.messages import SplitBatch
from baton.model.control import Control
from baton.model.states import BatchState
from baton.ports import Admission, CopyPiece
from baton.ports.preconditions import PART_BYTES_MIN
from lossy import LossyAws, error
from worlds import EAST, WEST, aws_at


def test_an_update_whose_answer_got_lost_has_won(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            before = admitted("b1", SystemClock().now())
            await aws.ledger().admit(before)
            after = stepped(before, BatchState.SPLIT)
            lossy.lose_answers["PutItem"] = 1

            written = await aws.ledger().update(before, after)

            assert written == after
            assert await aws.ledger().get("b1") == after
            with pytest.raises(Fenced):
                await aws.ledger().update(before, after)

    run(scenario())


def test_an_admission_and_a_move_of_control_whose_answers_got_lost_have_won(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            lossy.lose_answers["PutItem"] = 1
            outcome = await aws.ledger().admit(admitted("b1", SystemClock().now()))
            lossy.lose_answers["PutItem"] = 1
            await aws.ledger().set_control(Control(3, WEST, revision=1), before=Control(2, EAST))

            assert outcome is Admission.ADMITTED
            with pytest.raises(Conflict):
                await aws.ledger().set_control(Control(3, WEST, revision=1), before=Control(2, EAST))

    run(scenario())


def test_a_write_that_met_another_region_is_tried_again_under_its_condition(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            first = admitted("b1", SystemClock().now())
            await aws.ledger().admit(first)
            lossy.answers["PutItem"] = [error("ReplicatedWriteConflictException")]

            second = await aws.ledger().update(first, stepped(first, BatchState.SPLIT))

            lossy.answers["PutItem"] = [error("ReplicatedWriteConflictException")]
            with pytest.raises(Fenced):
                await aws.ledger().update(first, stepped(first, BatchState.CANCELLED))
            assert await aws.ledger().get("b1") == second

    run(scenario())


def test_a_broken_stream_goes_on_where_it_broke(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            body = bytes(range(256)) * 40_000
            written = await aws.objects().put("input/x", body)
            await aws.objects().put("input/x", b"a newer version")
            lossy.break_bodies_after += [300_000, 0, 1_000_000]

            whole = await aws.objects().get("input/x", version_id=written.version_id)

            assert whole == body
            assert lossy.break_bodies_after == []

    run(scenario())


def test_ranges_that_are_on_their_way_arrive_in_order_and_break_apart_from_each_other(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            body = b"".join(n.to_bytes(4) for n in range(7 * RANGE_BYTES // 4)) + b"end"
            await aws.objects().put("input/x", body)
            stream = aws.objects().read("input/x")
            pieces = [await anext(stream)]
            lossy.break_bodies_after += [300_000, 0, 1_000_000]
            pieces += [piece async for piece in stream]

            assert b"".join(pieces) == body
            assert lossy.break_bodies_after == []

    run(scenario())


def test_a_broken_range_is_asked_for_from_where_it_broke_only(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            await aws.objects().put("input/x", bytes(range(256)) * 4_000)
            lossy.break_bodies_after += [300_000, 400_000]
            lossy.ranges.clear()

            await aws.objects().get("input/x")

            begun = [int(asked.removeprefix("bytes=").split("-")[0]) for asked in lossy.ranges]
            assert len(begun) == 3
            assert begun[0] == 0 < begun[1] < begun[2]

    run(scenario())


def test_a_stream_that_always_breaks_is_given_up(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            await aws.objects().put("input/x", b"x" * 100_000)
            lossy.break_bodies_after += [10] * 100

            with pytest.raises(Unavailable, match="broke 5 times"):
                await aws.objects().get("input/x")

    run(scenario())


def test_a_reader_that_stops_early_leaves_no_request_behind(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, _):
            await aws.objects().put("input/x", b"x" * 60_000_000)
            before = asyncio.all_tasks()

            stream = aws.objects().read("input/x")
            await anext(stream)
            on_their_way = {task for task in asyncio.all_tasks() - before if "RangeReader" in repr(task)}
            await stream.aclose()

            assert len(on_their_way) == 2
            assert all(task.done() for task in on_their_way)

    run(scenario())


def test_a_failed_upload_is_aborted(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, _):
            await aws.objects().put("work/1", b"x" * PART_BYTES_MIN)
            pieces = [CopyPiece("work/1", PART_BYTES_MIN), CopyPiece("work/none", 1)]

            with pytest.raises(NotFound):
                await aws.objects().compose("output/r", pieces)

            client = await aws.client("s3", EAST)()
            uploads = await client.list_multipart_uploads(Bucket=aws.topology.data_bucket(EAST))
            assert uploads.get("Uploads", []) == []

    run(scenario())


def test_what_nobody_answers_is_unavailable(environment: str, sdk_session: AioSession) -> None:
    async def scenario() -> None:
        with socket.socket() as taken:
            # Bound, and nobody listens: every connection is refused.
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}"
            async with aws_at(url, environment, session=sdk_session) as aws:
                with pytest.raises(Unavailable):
                    await aws.ledger().control()

    run(scenario(), timeout_seconds=30)


def test_a_region_that_lost_its_buckets_and_queues_is_unavailable(
    ministack: str, environment: str, sdk_session: AioSession
) -> None:
    async def scenario() -> None:
        async with aws_at(ministack, environment, session=sdk_session) as aws:
            for ask in (
                lambda: aws.objects().put("input/x", b"x"),
                lambda: aws.inbox("split").receive(max_messages=1, wait_seconds=0),
                lambda: aws.outbox().send([SplitBatch(batch_id="b1", owner_epoch=2)]),
                aws.vitals().queues,
            ):
                with pytest.raises(Unavailable):
                    await ask()

    run(scenario(), timeout_seconds=30)
