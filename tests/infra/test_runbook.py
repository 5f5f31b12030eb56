"""The runbook in Systems Manager orders what `baton` orders, and may do nothing else."""

import ast
import asyncio
import json
from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aio import run
from baton.aws import Aws, SystemClock
from baton.aws.bootstrap import create_global
from baton.model.journal import CommandKind, CommandState
from baton.settings import WorldSettings
from baton_functions import order
from baton_infra import config
from emulator_process import ACCOUNT_ID, ministack
from local_worlds import client
from synthesized import resources, templates

REGION = "us-east-1"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with ministack(tmp_path_factory.mktemp("ministack")) as found:
        yield found


def _document(environment: str = "prod") -> dict[str, Any]:
    (document,) = resources(templates(environment)[f"runbook-{REGION}"], "AWS::SSM::Document").values()
    return document["Properties"]["Content"]


def _events(**values: str) -> dict[str, str]:
    payload: Mapping[str, str] = _document()["mainSteps"][0]["inputs"]["InputPayload"]
    given = {
        "{{ Order }}": "failover",
        "{{ Region }}": "us-west-2",
        "{{ Reason }}": "the \u00bbdrill\u00ab",
        "{{ Force }}": "no",
    }
    return {name: given.get(value, value) for name, value in payload.items()} | values


@pytest.mark.parametrize("state", [CommandState.ACCEPTED, CommandState.REFUSED])
def test_an_order_reaches_the_controllers_and_their_answer_comes_back(
    url: str, state: CommandState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order, "PAUSE_SECONDS", 0.05)
    settings = WorldSettings.model_validate(
        {"environment": "prod", "account_id": ACCOUNT_ID, "region": REGION, "ledger_endpoint_url": url}
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")

    async def story() -> Mapping[str, str]:
        async with Aws(settings) as aws:
            await create_global(aws, senders=[])
            journal, clock = aws.journal(), SystemClock()
            placed = asyncio.create_task(
                asyncio.to_thread(order.place, client("dynamodb", url, REGION), _events(), clock.now())
            )
            async with asyncio.timeout(30):
                while not (pending := await journal.pending()):  # noqa: ASYNC110 - it is in a table
                    await asyncio.sleep(0.05)
            (command,) = pending
            assert (command.kind, command.target, command.force) == (CommandKind.FAILOVER, "us-west-2", False)
            assert (command.reason, command.by) == ("the \u00bbdrill\u00ab", "SSM {{ automation:EXECUTION_ID }}")
            assert await journal.command(command.id) == command
            await journal.settle(replace(command, state=state, answer="as you wish", settled_at=clock.now()))
            return await placed

    assert run(story())["State"] == state.value


def test_an_order_that_nobody_takes_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "SECONDS_MAX", 0)

    class Table:
        """Takes the row."""

        def put_item(self, **_: object) -> None: ...

    with pytest.raises(TimeoutError, match="it stands for 15 minutes"):
        order.place(Table(), _events(), SystemClock().now())


def test_its_script_is_ours_to_the_letter_and_needs_no_later_python() -> None:
    script = _document()["mainSteps"][0]["inputs"]["Script"]

    assert script == Path(order.__file__).read_text()
    ast.parse(script, feature_version=(3, 11))
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name)
        for node in ast.walk(ast.parse(script))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported == {
        *("botocore.session", "collections.abc", "datetime", "json", "secrets", "threading", "time", "typing")
    }


@pytest.mark.parametrize("environment", config.names())
def test_it_offers_the_regions_and_the_orders_that_there_are(environment: str) -> None:
    parameters = _document(environment)["parameters"]

    assert parameters["Region"]["allowedValues"] == list(config.load(environment).regions)
    assert set(parameters["Order"]["allowedValues"]) <= {kind.value for kind in CommandKind}


def test_a_reason_cannot_be_more_than_a_text() -> None:
    odd = _events(Reason='", "force": true, "x": "')

    item = order.row(odd, SystemClock().now(), "ab")

    assert json.loads(item["body"]["S"])["force"] is False
    assert json.loads(item["body"]["S"])["reason"] == odd["Reason"]


def test_its_role_writes_commands_and_nothing_else() -> None:
    (role,) = resources(templates("prod")[f"runbook-{REGION}"], "AWS::IAM::Role").values()
    (statement,) = role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]

    assert statement["Action"] == ["dynamodb:GetItem", "dynamodb:PutItem"]
    assert statement["Resource"] == ["arn:aws:dynamodb:us-east-1:222222222222:table/baton-prod-ledger"]
    assert statement["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["command#*"]}}
