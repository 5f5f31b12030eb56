"""What the AWS adapters make of calls that fail in part: batches of messages and items, conflicting transactions."""

import json

import pytest
from aiohttp import web

from aio import run
from baton.aws import SystemClock
from baton.errors import Refused, Unavailable
from baton.messages import Message, ProcessChunk
from baton.model.batch import Counts
from baton.ports import ChunkDone, Delivery, ReferenceVersion
from lossy import Fault, LossyAws, error

DONE = ChunkDone("b1", "p1", 0, Counts(10, 9, 1), 100, 1, 10, 2)
ROWS = {f"k{n}": {"sku": f"k{n}"} for n in range(30)}
VERSION = ReferenceVersion("products", "v1", rows=30, columns=("sku",))


def chunks(count: int) -> list[Message]:
    return [ProcessChunk(batch_id="b1", owner_epoch=2, plan_id="p", index=index) for index in range(count)]


def unprocessed(field: str) -> Fault:
    """Return a fault that leaves everything that was asked unprocessed."""
    return lambda body: web.json_response({field: json.loads(body)["RequestItems"]})


def failed_entries(body: bytes) -> web.Response:
    """Refuse every entry of a batch."""
    entries = json.loads(body)["Entries"]
    failed = [{"Id": each["Id"], "SenderFault": False, "Code": "InternalError"} for each in entries]
    return web.json_response({"Successful": [], "Failed": failed})


def canceled(*codes: str) -> Fault:
    """Return a fault that cancels a transaction for these reasons."""
    reasons = [{"Code": code} for code in codes]
    answer = {"__type": "com.amazonaws#TransactionCanceledException", "CancellationReasons": reasons}
    return lambda _: web.json_response(answer, status=400)


def test_messages_that_were_refused_are_sent_again(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            lossy.answers["SendMessageBatch"] = [failed_entries, failed_entries]

            await aws.outbox().send(chunks(10))

            received = await aws.inbox("chunk").receive(max_messages=10, wait_seconds=1)
            assert sorted(each.body for each in received) == sorted(each.model_dump_json() for each in chunks(10))

    run(scenario())


def test_messages_that_are_always_refused_are_unavailable(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            lossy.answers["SendMessageBatch"] = [failed_entries] * 5

            with pytest.raises(Unavailable, match="10 messages for chunk"):
                await aws.outbox().send(chunks(10))

    run(scenario())


def test_entries_that_could_not_be_deleted_are_returned(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            await aws.outbox().send(chunks(3))
            deliveries = await aws.inbox("chunk").receive(max_messages=10, wait_seconds=1)
            one_failed = {"Successful": [{"Id": "0"}, {"Id": "2"}], "Failed": [{"Id": "1", "Code": "InternalError"}]}
            lossy.answers["DeleteMessageBatch"] = [lambda _: web.json_response(one_failed)]

            failed = await aws.inbox("chunk").delete(deliveries)

            assert list(failed) == [deliveries[1]]

    run(scenario())


def test_a_throttled_receive_is_unavailable(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            lossy.answers["ReceiveMessage"] = [error("RequestThrottled")]

            with pytest.raises(Unavailable):
                await aws.inbox("chunk").receive(max_messages=1, wait_seconds=0)

            # The next poll is the retry: repeated inside, it would hold up a service that wants to stop.
            assert lossy.seen.count("ReceiveMessage") == 1

    run(scenario())


def test_only_a_lost_receipt_makes_a_change_of_visibility_no_error(lossy_aws: LossyAws) -> None:
    gone = "Value x for parameter ReceiptHandle is invalid. Reason: Message does not exist."
    too_long = "Value 50000 for parameter VisibilityTimeout is invalid. Reason: beyond the limit."

    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            inbox, delivery = aws.inbox("chunk"), Delivery("receipt", "{}", 1)
            lossy.answers["ChangeMessageVisibility"] = [error("InvalidParameterValue", text=gone)]

            await inbox.set_visibility(delivery, seconds=60)

            for code, text in (("InvalidParameterValue", too_long), ("AccessDenied", gone)):
                lossy.answers["ChangeMessageVisibility"] = [error(code, text=text)]
                with pytest.raises(Refused, match=code):
                    await inbox.set_visibility(delivery, seconds=60)

    run(scenario())


def test_items_that_were_not_processed_are_written_and_read_again(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            lossy.answers["BatchWriteItem"] = [unprocessed("UnprocessedItems")] * 3
            lossy.answers["BatchGetItem"] = [unprocessed("UnprocessedKeys")] * 2

            await aws.reference().publish(VERSION, ROWS)
            found = await aws.reference().get_many(VERSION, list(ROWS))

            assert found == ROWS
            assert await aws.reference().load(VERSION) == ROWS

    run(scenario())


def test_a_version_whose_rows_cannot_be_written_does_not_become_current(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            lossy.answers["BatchWriteItem"] = [error("ValidationException")]

            with pytest.raises(Exception, match="ValidationException"):
                await aws.reference().publish(VERSION, ROWS)

            assert await aws.reference().current("products") is None
            assert await aws.reference().describe("products", "v1") is None

    run(scenario())


def test_a_chunk_that_met_others_on_the_tally_counts_in_the_end(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            now = SystemClock().now()
            await aws.progress().open("b1", "p1", chunks=1, now=now)
            conflict = canceled("None", "TransactionConflict")
            lossy.answers["TransactWriteItems"] = [conflict, conflict, conflict]

            tally = await aws.progress().complete(DONE, now=now)

            assert tally.complete
            assert tally.counts == DONE.counts

    run(scenario())


def test_a_chunk_whose_answer_got_lost_counts_once(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            now = SystemClock().now()
            await aws.progress().open("b1", "p1", chunks=2, now=now)
            lossy.lose_answers["TransactWriteItems"] = 1

            tally = await aws.progress().complete(DONE, now=now)

            assert (tally.chunks_done, tally.counts) == (1, DONE.counts)

    run(scenario())


def test_a_transaction_refused_for_another_reason_is_our_bug(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            now = SystemClock().now()
            await aws.progress().open("b1", "p1", chunks=1, now=now)
            lossy.answers["TransactWriteItems"] = [canceled("ValidationError", "None")]

            with pytest.raises(Exception, match="TransactionCanceledException"):
                await aws.progress().complete(DONE, now=now)

            assert not await aws.progress().is_done("b1", "p1", 0)

    run(scenario())
