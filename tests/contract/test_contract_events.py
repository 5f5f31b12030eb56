"""What every bus of events does: an event arrives at who listens, and one that is too large is refused."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from aio import run
from baton.errors import Refused, Unavailable
from baton.model.events import ENTRY_BYTES_MAX, detail
from events_made import EVENT, HELD
from lossy import LossyAws
from worlds import Ports, in_world

_SECONDS_MAX = 20


@in_world
async def test_who_listens_gets_every_event_with_its_facts(ports: Ports) -> None:
    heard = await ports.listen()

    await ports.events.put(EVENT)
    await ports.events.put(HELD)

    found: dict[str, Mapping[str, Any]] = {}
    async with asyncio.timeout(_SECONDS_MAX):
        while len(found) < 2:
            found |= {each["detail"]["id"]: each for each in await heard()}
    switch, held = found[EVENT.id], found[HELD.id]
    assert {each["source"] for each in found.values()} == {"baton.failover"}
    assert (switch["detail-type"], held["detail-type"]) == ("Baton Switch State Change", "Baton Failover Held Back")
    assert switch["detail"]["switch"]["degraded"] == ["routes"]
    assert (switch["detail"]["kind"], switch["detail"]["switch"]["ended"]) == ("completed", "completed")
    assert (held["detail"]["held"]["rules"], held["detail"]["switch"]) == (["freeze"], None)


@in_world
async def test_an_event_that_is_too_large_is_refused(ports: Ports) -> None:
    empty = len(detail(replace(EVENT, summary=""), "x"))

    with pytest.raises(Refused, match="EventBridge takes fewer than"):
        await ports.events.put(replace(EVENT, summary="x" * (ENTRY_BYTES_MAX - empty)))
    await ports.events.put(replace(EVENT, summary="x" * (ENTRY_BYTES_MAX - empty - 200)))


@pytest.mark.parametrize(
    ("code", "raised"),
    [
        ("ThrottlingException", Unavailable),
        ("InternalFailure", Unavailable),
        ("NotAuthorizedForSourceException", Refused),
        ("AccessDeniedException", Refused),
    ],
)
def test_an_entry_that_was_not_taken_is_an_error_although_the_call_succeeds(
    lossy_aws: LossyAws, code: str, raised: type[Exception]
) -> None:
    def failed(_: bytes) -> web.Response:
        entry = {"ErrorCode": code, "ErrorMessage": "no"}
        return web.json_response({"FailedEntryCount": 1, "Entries": [entry]})

    async def scenario() -> None:
        async with lossy_aws() as (aws, lossy):
            lossy.answers["PutEvents"] = [failed]

            with pytest.raises(raised, match=code):
                await aws.events().put(EVENT)
            await aws.events().put(EVENT)

    run(scenario())
