"""Rows of the handover in DynamoDB that another version of Baton wrote, or that cannot be read."""

from dataclasses import replace
from typing import Any

import pytest

from aio import run
from baton.aws import Aws, SystemClock
from baton.errors import Refused
from baton.model.control import Phase
from journals_made import asked, beaten, decided, settled
from lossy import LossyAws
from worlds import EAST, WEST


async def _set(aws: Aws, pk: str, sk: str, name: str, value: dict[str, Any]) -> None:
    client = await aws.ledger_client()()
    await client.update_item(
        TableName=aws.topology.ledger_table,
        Key={"pk": {"S": pk}, "sk": {"S": sk}},
        UpdateExpression="SET #name = :value",
        ExpressionAttributeNames={"#name": name},
        ExpressionAttributeValues={":value": value},
    )


async def _row(aws: Aws, pk: str, sk: str) -> dict[str, Any]:
    client = await aws.ledger_client()()
    found = await client.get_item(TableName=aws.topology.ledger_table, Key={"pk": {"S": pk}, "sk": {"S": sk}})
    return dict(found.get("Item", {}))


def test_the_control_row_of_a_newer_version_is_written_back_whole(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, _):
            ledger = aws.ledger()
            news = {"M": {"since": {"N": "3"}, "why": {"S": "x"}, "on": {"BOOL": True}}}
            await _set(aws, "control", "control", "novelty", news)
            await _set(aws, "control", "control", "schema", {"N": "3"})
            await _set(aws, "control", "control", "phase", {"S": "RESTING"})

            control = await ledger.control()
            await ledger.set_control(control.changed(acknowledged_at=SystemClock().now()), before=control)

            row = await _row(aws, "control", "control")
            assert (row["novelty"], row["schema"], row["phase"]) == (news, {"N": "3"}, {"S": "RESTING"})
            assert (await ledger.control()).unknown == ("RESTING",)

    run(scenario())


def test_the_control_row_of_the_first_schema_is_read(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, _):
            ledger = aws.ledger()
            client = await aws.ledger_client()()
            key = {"pk": {"S": "control"}, "sk": {"S": "control"}}
            await client.update_item(
                TableName=aws.topology.ledger_table,
                Key=key,
                UpdateExpression="REMOVE #schema",
                ExpressionAttributeNames={"#schema": "schema"},
            )

            control = await ledger.control()

            assert (control.phase, control.more, control.unknown) == (Phase.STEADY, {}, ())

    run(scenario())


@pytest.mark.parametrize("body", [{"S": '{"id": 7}'}, {"S": "no JSON"}, {"N": "7"}], ids=["fields", "text", "number"])
def test_a_record_that_cannot_be_read_hides_no_other_and_is_named(lossy_aws: LossyAws, body: dict[str, str]) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, _):
            journal, now = aws.journal(), SystemClock().now()
            for name in ("1", "2"):
                await journal.submit(asked(f"c{name}", now))
                await journal.record(decided(f"d{name}", now))
            for region in (EAST, WEST):
                await journal.beat(beaten(region, now))
            rows = (("command#c1", "command"), ("decision#d1", "decision"), ("heartbeat", EAST))
            for pk, sk in rows:
                await _set(aws, pk, sk, "body", body)

            assert [each.id for each in await journal.pending()] == ["c2"]
            assert [each.id for each in await journal.decisions(limit=10)] == ["d2"]
            assert set(await journal.heartbeats()) == {WEST}
            assert journal.unreadable().keys() == {f"{pk}/{sk}" for pk, sk in rows}

            await journal.beat(beaten(EAST, now))
            assert set(await journal.heartbeats()) == {EAST, WEST}
            assert journal.unreadable().keys() == {f"{pk}/{sk}" for pk, sk in rows if pk != "heartbeat"}
            for ask in (journal.command("c1"), journal.decision("d1")):
                with pytest.raises(Refused, match="read"):
                    await ask

    run(scenario())


def test_a_command_of_a_newer_version_is_settled_with_all_that_it_said(lossy_aws: LossyAws) -> None:
    async def scenario() -> None:
        async with lossy_aws() as (aws, _):
            journal = aws.journal()
            command = replace(asked("c1", SystemClock().now()), more={"novelty": {"since": 3}})
            await journal.submit(command)
            (pending,) = await journal.pending()
            await journal.settle(settled(pending))

            assert pending == command
            assert await journal.command("c1") == settled(command)

    run(scenario())
