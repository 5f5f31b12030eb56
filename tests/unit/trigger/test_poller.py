"""S3 events from a queue, through the real loop on virtual time. One queue in memory is like another: `split` here."""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import ValidationError

from baton.admission import Admitter
from baton.catalog import load_jobs
from baton.errors import Unavailable
from baton.memory import LoopClock, MemoryQueues
from baton.model.batch import Batch
from baton.model.identity import batch_id_of
from baton.ports import batches_of
from baton.s3_events import log_fields, parse
from baton.testing import virtual_time
from baton.topology import MAX_RECEIVES, REGIONS_DEFAULT
from baton_proof.logs import recording_log
from baton_proof.pipeline import Pipeline
from baton_proof.region import Region
from trigger.poller import consumer

PAYLOADS: Final = Path(__file__).parents[2] / "payloads"
TEST_EVENT: Final = (PAYLOADS / "s3_test_event.json").read_text()
KEY: Final = "input/passthrough/f.csv"


def body(*keys: str) -> str:
    return json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": key}}} for key in keys]})


class Admits(Admitter):
    """Remembers what it is asked for and does what the test says."""

    def __init__(self, does: Callable[[str], Exception | float]) -> None:
        self._does = does
        self.asked: list[str] = []
        self.done: list[str] = []

    async def admit(self, key: str, version_id: str | None, **said: object) -> Batch | None:
        assert version_id is None
        assert set(said.values()) == {None}
        self.asked.append(key)
        match self._does(key):
            case Exception() as error:
                raise error
            case seconds:
                await asyncio.sleep(seconds)
        self.done.append(key)
        return None


@dataclass(slots=True)
class Scene[A: Admitter]:
    """A poller on its queue."""

    admitter: A
    queues: MemoryQueues = field(default_factory=lambda: MemoryQueues(LoopClock()))
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    lines: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def send(self, *bodies: str) -> None:
        for each in bodies:
            self.queues.put_raw("split", each)

    async def run(self, *, seconds: float) -> float:
        """Poll for so long, then stop; return how long it took to end."""
        runner = consumer(
            self.admitter,
            self.queues.inbox("split"),
            region=REGIONS_DEFAULT[0],
            clock=LoopClock(),
            dice=random.Random(1),
            log=recording_log(self.lines),
        )
        polling = asyncio.create_task(runner.run(self.stop))
        await asyncio.wait([polling], timeout=seconds)
        self.stop.set()
        stopped_at = asyncio.get_running_loop().time()
        await polling
        return asyncio.get_running_loop().time() - stopped_at

    def logged(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == event]

    @property
    def left(self) -> int:
        return self.queues.waiting("split")

    @property
    def dead(self) -> list[str]:
        return list(self.queues.dead("split"))


def at_once(key: str) -> float:
    del key
    return 0


def test_an_event_admits_its_object_once_however_often_it_is_delivered() -> None:
    async def story() -> tuple[Scene[Admitter], int, Batch | None]:
        region = Region(clock=LoopClock())
        pipeline = Pipeline(load_jobs("baton_jobs"), region=region)
        info = await region.objects.put(KEY, b"a\n1\n")
        scene = Scene(pipeline.process.admitter)
        scene.send(body(KEY), body(KEY))
        await scene.run(seconds=1)
        scene.stop.clear()
        scene.send(body(KEY))
        await scene.run(seconds=1)
        rows = len(await batches_of(region.ledger.list_open()))
        return scene, rows, await region.ledger.get(batch_id_of(KEY, info.version_id))

    scene, rows, batch = virtual_time.run(story())

    assert (rows, scene.left, scene.dead) == (1, 0, [])
    assert batch is not None
    assert [line["keys"] for line in scene.logged("message_handled")] == [[KEY]] * 3


def test_an_object_that_cannot_be_admitted_keeps_no_other_from_it() -> None:
    async def story() -> Scene[Admits]:
        scene = Scene(Admits(lambda key: RuntimeError("encrypted") if key == "bad" else 0))
        scene.send(body("bad", "same-event"), body("other-event"))
        await scene.run(seconds=1)
        return scene

    scene = virtual_time.run(story())

    assert scene.admitter.done == ["same-event", "other-event"]
    assert scene.left == 1, "only the event that failed is kept"


def test_an_event_that_is_never_admitted_ends_in_the_dead_letters_with_its_cause() -> None:
    async def story() -> Scene[Admits]:
        scene = Scene(Admits(lambda _: RuntimeError("encrypted")))
        scene.send(body("bad"))
        await scene.run(seconds=600)
        return scene

    scene = virtual_time.run(story())

    assert scene.admitter.asked == ["bad"] * MAX_RECEIVES
    assert (scene.left, scene.dead) == (0, [body("bad")])
    (given_up,) = scene.logged("event_given_up")
    assert (given_up["keys"], given_up["cause"]) == (["bad"], "RuntimeError: encrypted")


def test_an_event_comes_again_until_an_outage_is_over() -> None:
    async def story() -> Scene[Admits]:
        over_at = asyncio.get_running_loop().time() + 120
        down = Unavailable("ledger: timed out")
        scene = Scene(Admits(lambda _: down if asyncio.get_running_loop().time() < over_at else 0))
        scene.send(body("a", "b"))
        await scene.run(seconds=600)
        return scene

    scene = virtual_time.run(story())

    assert scene.admitter.done == ["a", "b"]
    assert (scene.left, scene.dead) == (0, [])
    assert scene.logged("handler_bug") == [], "an outage is no bug of ours, of two objects neither"


@pytest.mark.parametrize(
    "malformed",
    ["", "no JSON", "[" * 100_000, "[]", "{}", '{"Records": [{}]}', '{"Records": [{"eventName": "x", "s3": null}]}'],
    ids=lambda text: text[:12],
)
def test_what_is_no_event_ends_in_the_dead_letters_with_the_reason_in_the_log(malformed: str) -> None:
    async def story() -> Scene[Admits]:
        scene = Scene(Admits(at_once))
        scene.send(malformed, body("good"))
        await scene.run(seconds=60)
        return scene

    scene = virtual_time.run(story())

    assert scene.admitter.done == ["good"]
    assert (scene.left, scene.dead) == (0, [malformed])
    (line,) = scene.logged("message_unreadable")
    assert line["error"]


def test_a_queue_full_of_what_is_no_event_stops_nobody() -> None:
    async def story() -> Scene[Admits]:
        scene = Scene(Admits(at_once))
        scene.send(*(f"no event {number}" for number in range(50)), body("good"))
        await scene.run(seconds=60)
        return scene

    scene = virtual_time.run(story())

    assert scene.admitter.done == ["good"]
    assert (scene.left, len(scene.dead)) == (0, 50)


def test_the_event_that_s3_sends_when_a_notification_is_made_is_deleted() -> None:
    async def story() -> Scene[Admits]:
        scene = Scene(Admits(at_once))
        scene.send(TEST_EVENT)
        await scene.run(seconds=1)
        return scene

    scene = virtual_time.run(story())

    assert (scene.admitter.asked, scene.left, scene.dead) == ([], 0, [])


def test_an_admission_that_runs_when_it_is_stopped_is_finished() -> None:
    async def story() -> tuple[Scene[Admits], float]:
        scene = Scene(Admits(lambda _: 30))
        scene.send(body("slow"))
        return scene, await scene.run(seconds=1)

    scene, seconds = virtual_time.run(story())

    assert scene.admitter.done == ["slow"]
    assert seconds == pytest.approx(29, abs=0.1)
    assert (scene.left, scene.dead) == (0, [])


def test_a_real_event_is_named_by_the_keys_of_its_created_objects() -> None:
    event = parse((PAYLOADS / "s3_object_created.json").read_text())

    assert log_fields(event) == {"keys": ["input/sales/Ümläut a+b (100%).csv"]}
    assert log_fields(parse(TEST_EVENT)) == {"keys": []}


def test_a_message_of_a_batch_is_no_event() -> None:
    with pytest.raises(ValidationError, match="Records"):
        parse('{"kind": "split", "batch_id": "b", "owner_epoch": 2}')
