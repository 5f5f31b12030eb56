"""In a lane whose batches are suspected, a message at which a process died is set aside, and handled by nobody."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from baton.errors import Fenced, Reject, Unavailable
from baton.memory import LoopClock, MemoryQueues
from baton.messages import APART, CANARY, LANES, Message, SplitBatch, log_fields, parse
from baton.runner import Runner
from baton.service import settings_of
from baton.settings import RunnerSettings
from baton.telemetry import Metrics
from baton.testing import virtual_time
from baton_proof.logs import recording_log

SETTINGS = RunnerSettings(slots=4, wait_seconds=20, visibility_seconds=60)


@dataclass
class _Scene:
    """One message in the lane apart, at which a process died before or did not."""

    answers: list[Exception] = field(default_factory=list[Exception])
    """What setting aside comes to, in turn; then it succeeds."""
    lost_notes: int = 0
    """How many of the next notes of a beginning come to nothing."""
    dead: set[str] = field(default_factory=lambda: {"dead"})
    handled: list[int] = field(default_factory=list[int])
    aside: list[str] = field(default_factory=list[str])
    given_up: list[str] = field(default_factory=list[str])
    lines: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    async def handle(self, message: Message, attempt: int) -> Metrics | None:
        del message
        self.handled.append(attempt)
        return None

    async def give_up(self, message: Message, *, cause: str) -> None:
        del message
        self.given_up.append(cause)

    async def set_aside(self, message: Message, cause: str) -> None:
        del message
        if self.answers:
            raise self.answers.pop(0)
        self.aside.append(cause)

    async def attempt_begun(self, message: Message) -> Sequence[float]:
        del message
        if self.lost_notes:
            self.lost_notes -= 1
            raise Unavailable("no answer")
        return [SETTINGS.visibility_seconds for _ in self.dead]

    async def attempt_alive(self, message: Message) -> None:
        del message

    async def attempt_ended(self, message: Message, *, for_good: bool) -> None:
        del message
        if for_good:
            self.dead.clear()

    def run(self, *, deliveries_before: int = 1) -> list[Message]:
        """Return what is still queued after the message was received so often by processes that died, then by us."""

        async def story() -> list[Message]:
            queues = MemoryQueues(LoopClock())
            await queues.outbox().send([SplitBatch(batch_id="b", owner_epoch=3, apart=True)])
            inbox = queues.inbox("split", APART)
            for _ in range(deliveries_before):
                (delivery,) = await inbox.receive(max_messages=1, wait_seconds=0)
                await inbox.set_visibility(delivery, seconds=0)
            stop = asyncio.Event()
            runner = Runner(
                service="splitter",
                region="us-east-1",
                inbox=inbox,
                handler=self,
                parse=parse,
                log_fields=log_fields,
                settings=settings_of(APART, SETTINGS),
                clock=LoopClock(),
                dice=random.Random(1),
                log=recording_log(self.lines),
                attempts=self,
            )
            task = asyncio.create_task(runner.run(stop))
            await asyncio.wait([task], timeout=200)
            stop.set()
            await task
            return list(queues.queued("split", APART))

        return virtual_time.run(story())


def test_it_is_set_aside_at_once_and_its_message_is_gone() -> None:
    scene = _Scene()

    assert scene.run() == []
    assert (scene.handled, scene.given_up) == ([], [])
    assert scene.aside == ["its process died once at it: perhaps it needs more memory than there is"]
    assert [line["Outcome"] for line in scene.lines if line["event"] == "message_handled"] == ["quarantined"]


def test_at_its_first_delivery_it_is_handled() -> None:
    scene = _Scene(dead=set())

    assert scene.run(deliveries_before=0) == []
    assert (scene.handled, scene.aside) == ([1], [])


def test_a_message_that_was_sent_again_kills_nobody_else() -> None:
    scene = _Scene()

    assert scene.run(deliveries_before=0) == []
    assert (scene.handled, len(scene.aside)) == ([], 1)


def test_no_attempt_begins_that_is_not_noted() -> None:
    scene = _Scene(lost_notes=2, dead=set())

    assert scene.run(deliveries_before=0) == []
    assert scene.handled == [3]
    outcomes = [line["Outcome"] for line in scene.lines if line["event"] == "message_handled"]
    assert outcomes == ["unavailable", "unavailable", "done"]


@pytest.mark.parametrize("moved_on", [Reject("it is CANCELLED"), Fenced("owned by epoch 4")])
def test_a_batch_that_has_moved_on_is_let_go(moved_on: Exception) -> None:
    scene = _Scene([moved_on])

    assert scene.run() == []
    assert (scene.handled, scene.aside, scene.given_up) == ([], [], [])


def test_a_ledger_that_does_not_answer_is_asked_again_and_nobody_handles_it_meanwhile() -> None:
    scene = _Scene([Unavailable("no answer")])

    assert scene.run() == []
    assert (scene.handled, len(scene.aside)) == ([], 1)


def test_each_lane_is_consumed_in_its_own_way() -> None:
    slots = {lane: settings_of(lane, SETTINGS).slots for lane in LANES}
    counted = {
        lane: (settings_of(lane, SETTINGS).counted_from, settings_of(lane, SETTINGS).deaths_max) for lane in LANES
    }

    assert slots == {"ordinary": 4, "large": 4, APART: 1, CANARY: 4}
    assert counted == {"ordinary": (2, 3), "large": (2, 3), APART: (1, 1), CANARY: (2, 3)}
