"""The splitter admits canaries from S3's events of them, which come by a queue of their own."""

import asyncio
import json
from typing import Any

from baton.canary import INPUT, canary_key
from baton.catalog import load_jobs
from baton.context import Context
from baton.memory import LoopClock, MemoryQueues
from baton.messages import CANARY
from baton.model.states import BatchState
from baton.testing import virtual_time
from baton.testing.faults import CrashPlan
from baton.topology import REGIONS_DEFAULT
from baton_proof.logs import recording_log
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region, WrappedPorts
from splitter.main import canary_events

HOME = REGIONS_DEFAULT[0]


def _event(key: str, version_id: str | None = None) -> str:
    found = {"key": key, "versionId": version_id}
    return json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": found}}]})


async def _read(region: Region, *bodies: str) -> list[dict[str, Any]]:
    """Let the splitter read these events for an hour; return its log lines."""
    lines: list[dict[str, Any]] = []
    log, events = recording_log(lines), MemoryQueues(region.clock)
    for body in bodies:
        events.put_raw("split", body)
    ports = WrappedPorts(region, CrashPlan(at=None))
    context = Context(HOME, REGIONS_DEFAULT, ports, region.clock, load_jobs("baton_jobs"), log)
    stop = asyncio.Event()
    reading = asyncio.create_task(canary_events(context, events.inbox("split")).run(stop))
    await asyncio.wait([reading], timeout=3_600)
    stop.set()
    await reading
    return lines


def test_a_canary_is_admitted_by_its_event_and_goes_on_by_its_lane() -> None:
    async def story() -> tuple[int, int, BatchState]:
        region = Region(clock=LoopClock())
        pipeline = Pipeline(load_jobs("baton_jobs"), region=region)
        info = await region.objects.put(canary_key(HOME, "x"), INPUT)
        await _read(region, *[_event(info.key, info.version_id)] * 2)
        queued = len(region.queues.queued("split")), len(region.queues.queued("split", CANARY))
        while await pipeline.step():
            pass
        canaries = [row async for page in region.ledger.list_settled(info.last_modified.date()) for row in page.batches]
        return *queued, canaries[0].state

    ordinary, in_lane, state = virtual_time.run(story())

    assert ordinary == 0
    assert in_lane >= 1
    assert state is BatchState.COMPLETED


def test_an_event_that_cannot_be_handled_is_told_and_given_up() -> None:
    async def story() -> list[dict[str, Any]]:
        region = Region(clock=LoopClock())
        await region.objects.put(canary_key(HOME, "x"), INPUT)
        region.ledger.refusals.refuse("admit")
        return await _read(region, _event(canary_key(HOME, "x")))

    lines = virtual_time.run(story())

    (given_up,) = (line for line in lines if line["event"] == "event_given_up")
    assert given_up["keys"] == [canary_key(HOME, "x")]
