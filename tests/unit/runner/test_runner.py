"""The SQS loop, on virtual time and queues in memory."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest

from baton.errors import Refused, Reject, Retry, Unavailable
from baton.health import TaskProtection
from baton.memory import LoopClock, MemoryQueues, Refusal
from baton.messages import Message, SplitBatch, log_fields, parse
from baton.ports import Delivery, Inbox
from baton.runner import ConsumerStoppedError, Runner, backoff_seconds
from baton.settings import RunnerSettings
from baton.telemetry import Metrics
from baton.testing import virtual_time
from baton_proof.logs import recording_log

type Work = Callable[[Message, int], Awaitable[None]]


@dataclass(slots=True)
class Handling:
    """A handler that does what the test says and remembers what it was asked."""

    work: Work
    started: list[tuple[str, int, float]] = field(default_factory=list[tuple[str, int, float]])
    finished: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    given_up: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    running: int = 0
    running_max: int = 0

    async def handle(self, message: Message, attempt: int) -> Metrics:
        now = asyncio.get_running_loop().time
        self.started.append((message.batch_id, attempt, now()))
        self.running += 1
        self.running_max = max(self.running_max, self.running)
        try:
            await self.work(message, attempt)
        finally:
            self.running -= 1
        self.finished.append((message.batch_id, now()))
        return {"Records": (7, "Count")}

    async def give_up(self, message: Message, *, cause: str) -> None:
        self.given_up.append((message.batch_id, cause))


@dataclass(slots=True)
class Scene:
    """One runner on one queue."""

    handling: Handling
    settings: RunnerSettings
    queues: MemoryQueues = field(default_factory=lambda: MemoryQueues(LoopClock()))
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    lines: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    inbox: Inbox | None = None
    beats: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    """Batch, and when its message is or will be in hand."""
    heart_fails: bool = False

    async def beat(self, message: Message, delay_seconds: int) -> None:
        self.beats.append((message.batch_id, asyncio.get_running_loop().time() + delay_seconds))
        if self.heart_fails:
            await asyncio.sleep(10**6)

    def runner(self, protection: TaskProtection | None = None) -> Runner[Message]:
        return Runner(
            service="splitter",
            region="us-east-1",
            inbox=self.inbox or self.queues.inbox("split"),
            handler=self.handling,
            parse=parse,
            log_fields=log_fields,
            settings=self.settings,
            clock=LoopClock(),
            dice=random.Random(1),
            log=recording_log(self.lines),
            protection=protection,
            beat=self.beat,
        )

    async def send(self, *names: str) -> None:
        await self.queues.outbox().send([SplitBatch(batch_id=name, owner_epoch=2) for name in names])

    async def run(self, *, seconds: float, protection: TaskProtection | None = None) -> None:
        """Run for so long, then stop and wait until the runner has ended."""
        task = asyncio.create_task(self.runner(protection).run(self.stop))
        await asyncio.wait([task], timeout=seconds)
        self.stop.set()
        await task

    def left(self) -> list[str]:
        return [message.batch_id for message in self.queues.queued("split")]


class Through:
    """An inbox that passes everything on: the base of faulty ones."""

    def __init__(self, inner: Inbox) -> None:
        self._inner = inner

    async def receive(self, *, max_messages: int, wait_seconds: int) -> Sequence[Delivery]:
        return await self._inner.receive(max_messages=max_messages, wait_seconds=wait_seconds)

    async def delete(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        return await self._inner.delete(deliveries)

    async def set_visibility(self, delivery: Delivery, *, seconds: int) -> None:
        await self._inner.set_visibility(delivery, seconds=seconds)

    async def hand_back(self, delivery: Delivery) -> None:
        await self._inner.hand_back(delivery)

    async def dead_letter(self, delivery: Delivery) -> None:
        await self._inner.dead_letter(delivery)


def takes(seconds: float) -> Work:
    async def work(message: Message, attempt: int) -> None:
        del message, attempt
        await asyncio.sleep(seconds)

    return work


def raises(error: Exception, *, attempts: int = 1_000) -> Work:
    async def work(message: Message, attempt: int) -> None:
        del message
        if attempt <= attempts:
            raise error

    return work


def scene(work: Work, **settings: Any) -> Scene:
    return Scene(Handling(work), RunnerSettings(**settings))


def test_no_more_messages_are_taken_than_there_are_slots() -> None:
    async def story() -> Scene:
        s = scene(takes(30), slots=2)
        await s.send(*"abcde")
        await s.run(seconds=200)
        return s

    s = virtual_time.run(story())

    assert s.handling.running_max == 2
    assert [attempt for _, attempt, _ in s.handling.started] == [1] * 5, "a message waited in hand until it expired"
    assert s.left() == []


def test_a_message_worked_on_for_an_hour_is_not_delivered_twice() -> None:
    async def story() -> Scene:
        s = scene(takes(3_600), slots=2, visibility_seconds=60)
        await s.send("slow")
        await s.run(seconds=4_000)
        return s

    s = virtual_time.run(story())

    assert [(name, attempt) for name, attempt, _ in s.handling.started] == [("slow", 1)]
    assert s.left() == []


def test_a_retry_comes_back_after_its_delay() -> None:
    async def story() -> Scene:
        s = scene(raises(Retry("not yet", delay_seconds=40), attempts=1))
        await s.send("later")
        await s.run(seconds=100)
        return s

    s = virtual_time.run(story())

    (_, _, first), (_, second_attempt, second) = s.handling.started
    assert second_attempt == 2
    assert second - first == pytest.approx(40, abs=0.1)
    assert s.left() == []


def test_a_rejected_message_is_deleted() -> None:
    async def story() -> Scene:
        s = scene(raises(Reject("finished long ago")))
        await s.send("old")
        await s.run(seconds=60)
        return s

    s = virtual_time.run(story())

    assert len(s.handling.started) == 1
    assert s.left() == []
    assert s.handling.given_up == []


def test_a_bug_is_tried_five_times_given_up_in_words_and_dead_lettered() -> None:
    async def story() -> Scene:
        s = scene(raises(ZeroDivisionError("in line 7")))
        await s.send("poison")
        await s.run(seconds=3_600)
        return s

    s = virtual_time.run(story())

    assert [attempt for _, attempt, _ in s.handling.started] == [1, 2, 3, 4, 5]
    assert s.handling.given_up == [("poison", "ZeroDivisionError: in line 7")]
    assert len(s.queues.dead("split")) == 1
    assert [line["event"] for line in s.lines].count("handler_bug") == 5


def test_a_retry_that_never_succeeds_is_given_up() -> None:
    async def story() -> Scene:
        s = scene(raises(Retry("the plan is not here", delay_seconds=10)))
        await s.send("waiting")
        await s.run(seconds=600)
        return s

    s = virtual_time.run(story())

    assert s.handling.given_up == [("waiting", "still not possible: the plan is not here")]
    assert len(s.queues.dead("split")) == 1


def test_a_retry_that_the_batch_no_longer_needs_is_deleted_rather_than_dead_lettered() -> None:
    class MovedOn(Handling):
        async def give_up(self, message: Message, *, cause: str) -> None:
            raise Reject(f"{message.batch_id} moved on without it: {cause}")

    async def story() -> Scene:
        s = Scene(MovedOn(raises(Retry("the plan is not here yet", delay_seconds=1))), RunnerSettings())
        await s.send("late")
        await s.run(seconds=600)
        return s

    s = virtual_time.run(story())

    assert s.left() == []
    assert s.queues.dead("split") == ()
    assert not [line for line in s.lines if line["level"] == "error"]


def test_whatever_giving_up_raises_the_message_is_judged() -> None:
    class Broken(Handling):
        async def give_up(self, message: Message, *, cause: str) -> None:
            raise KeyError(message.batch_id, cause)

    async def story() -> Scene:
        s = Scene(Broken(raises(RuntimeError("boom"))), RunnerSettings())
        await s.send("poison", "poison too")
        await s.run(seconds=3_600)
        return s

    s = virtual_time.run(story())

    assert len(s.queues.dead("split")) == 2
    assert [line["event"] for line in s.lines].count("give_up_failed") == 2
    assert [line["event"] for line in s.lines].count("message_handled") == 10


def test_an_outage_while_giving_up_is_no_error_of_ours() -> None:
    class CutOff(Handling):
        async def give_up(self, message: Message, *, cause: str) -> None:
            raise Unavailable(f"{message.batch_id}: {cause}")

    async def story() -> Scene:
        s = Scene(CutOff(raises(Retry("not yet", delay_seconds=1))), RunnerSettings())
        await s.send("cut off")
        await s.run(seconds=3_600)
        return s

    s = virtual_time.run(story())

    assert [line["level"] for line in s.lines if line["event"] == "give_up_failed"] == ["warning"]


def test_a_handler_that_never_returns_gives_its_slot_back() -> None:
    async def story() -> Scene:
        s = scene(takes(10**9), slots=1, handling_seconds_max=600)
        await s.send("hangs")
        await s.run(seconds=2 * 3_600)
        return s

    s = virtual_time.run(story())

    assert len(s.handling.started) == 5
    assert s.handling.given_up == [("hangs", "TimeoutError: not done within 600 s")]


def test_a_timeout_of_the_work_itself_keeps_its_own_words() -> None:
    async def work(_: Message, __: int) -> None:
        raise TimeoutError("the clock of the station has stopped")

    async def story() -> Scene:
        s = scene(work)
        await s.send("late")
        await s.run(seconds=3_600)
        return s

    assert virtual_time.run(story()).handling.given_up == [
        ("late", "TimeoutError: the clock of the station has stopped")
    ]


def test_a_heart_outlives_a_queue_that_answers_with_nonsense() -> None:
    class Confused(Through):
        calls = 0

        async def set_visibility(self, delivery: Delivery, *, seconds: int) -> None:
            self.calls += 1
            if self.calls == 1:
                raise RuntimeError("an answer that nobody foresaw")
            await super().set_visibility(delivery, seconds=seconds)

    async def story() -> Scene:
        s = scene(takes(300))
        s.inbox = Confused(s.queues.inbox("split"))
        await s.send("long")
        await s.run(seconds=400)
        return s

    s = virtual_time.run(story())

    assert [attempt for _, attempt, _ in s.handling.started] == [1], "it was delivered twice"
    assert s.left() == []


def test_a_task_is_protected_once_while_it_is_busy_and_again_before_that_expires() -> None:
    class Agent(TaskProtection):
        def __init__(self) -> None:
            super().__init__(None, expires_minutes=60, log=recording_log([]))
            self.told: list[tuple[float, object]] = []

        async def tell(self, body: dict[str, object]) -> None:
            self.told.append((asyncio.get_running_loop().time(), body["ProtectionEnabled"]))

    async def story() -> list[tuple[float, object]]:
        s = scene(takes(100), slots=1)
        agent = Agent()
        await s.send(*(f"b{number}" for number in range(40)))
        await s.run(seconds=300, protection=agent)
        s.stop.clear()
        await s.run(seconds=7_200, protection=agent)
        return agent.told

    told = virtual_time.run(story())

    assert [busy for _, busy in told[2:]] == [True, True, True, False], told
    assert all(later - earlier < 3_600 for (earlier, _), (later, _) in pairwise(told))


def test_an_unreadable_message_is_dead_lettered_at_once_and_stops_nothing() -> None:
    async def story() -> Scene:
        s = scene(takes(1), slots=1)
        s.queues.put_raw("split", '{"kind": "split"}')
        await s.send("good")
        await s.run(seconds=60)
        return s

    s = virtual_time.run(story())

    assert [name for name, _ in s.handling.finished] == ["good"]
    assert list(s.queues.dead("split")) == ['{"kind": "split"}']
    assert [line["attempt"] for line in s.lines if line["event"] == "message_handled"] == [1, 1]


def test_unreadable_messages_are_no_bug_of_ours_however_many_there_are() -> None:
    async def story() -> Scene:
        s = scene(takes(1), slots=1, failing_messages_max=3)
        for number in range(50):
            s.queues.put_raw("split", f"no message {number}")
        await s.send("good")
        await s.run(seconds=600)
        return s

    s = virtual_time.run(story())

    assert [name for name, _ in s.handling.finished] == ["good"]
    assert len(s.queues.dead("split")) == 50


def test_an_unreadable_message_that_cannot_be_buried_comes_back_until_it_can() -> None:
    class Shut(Through):
        tried = 0

        async def dead_letter(self, delivery: Delivery) -> None:
            self.tried += 1
            if self.tried == 1:
                raise Unavailable("sqs: timed out")
            await super().dead_letter(delivery)

    async def story() -> Scene:
        s = scene(takes(1))
        s.inbox = Shut(s.queues.inbox("split"))
        s.queues.put_raw("split", "no message")
        await s.run(seconds=300)
        return s

    s = virtual_time.run(story())

    assert (s.queues.waiting("split"), list(s.queues.dead("split"))) == (0, ["no message"])


# --- signs of life ---------------------------------------------------------------------------------------------------


def test_a_message_in_hand_gives_a_sign_of_life_at_every_third_of_its_visibility() -> None:
    async def story() -> Scene:
        s = scene(takes(100), visibility_seconds=60)
        await s.send("slow")
        await s.run(seconds=200)
        return s

    s = virtual_time.run(story())

    assert [(name, round(at)) for name, at in s.beats] == [("slow", at) for at in (20, 40, 60, 80)]


def test_a_message_that_is_quickly_done_costs_no_sign_of_life() -> None:
    async def story() -> Scene:
        s = scene(takes(19), visibility_seconds=60)
        await s.send(*"abc")
        await s.run(seconds=200)
        return s

    assert virtual_time.run(story()).beats == []


@pytest.mark.parametrize(
    "error", [Retry("not yet", delay_seconds=40), Unavailable("s3: timed out"), RuntimeError("in line 7")], ids=str
)
def test_a_message_that_will_come_again_gives_a_sign_of_life(error: Exception) -> None:
    async def story() -> Scene:
        s = scene(raises(error, attempts=1))
        await s.send("later")
        await s.run(seconds=100)
        return s

    s = virtual_time.run(story())

    ((name, alive_at),) = s.beats
    (_, again, came_again), *_ = s.handling.started[1:]
    assert (name, again, s.left()) == ("later", 2, [])
    assert alive_at == pytest.approx(came_again, abs=0.1), "it is alive until then, though nobody has it in hand"


def test_a_heart_that_hangs_hurts_neither_the_work_nor_its_visibility() -> None:
    async def story() -> Scene:
        s = scene(takes(600), visibility_seconds=60)
        s.heart_fails = True
        await s.send("slow")
        await s.run(seconds=900)
        return s

    s = virtual_time.run(story())

    assert [attempt for _, attempt, _ in s.handling.started] == [1]
    assert [round(at) for _, at in s.handling.finished] == [600]
    assert len(s.beats) >= 15


def test_when_nearly_everything_fails_the_consumer_stops_before_it_drains_the_queue() -> None:
    async def story() -> Scene:
        s = scene(raises(RuntimeError("a bad deploy")), slots=2, failing_messages_max=20)
        await s.send(*[f"batch-{n}" for n in range(100)])
        with pytest.raises(ConsumerStoppedError, match="different messages failed"):
            await s.run(seconds=36_000)
        return s

    s = virtual_time.run(story())

    assert len(s.left()) == 100
    assert s.queues.dead("split") == ()


def test_a_few_poisoned_messages_do_not_stop_the_consumer() -> None:
    async def some_fail(message: Message, attempt: int) -> None:
        del attempt
        if message.batch_id.startswith("bad"):
            raise RuntimeError("bad record")

    async def story() -> Scene:
        s = scene(some_fail, slots=1, failing_messages_max=20)
        await s.send(*[f"bad-{n}" for n in range(10)], *[f"good-{n}" for n in range(10)])
        await s.run(seconds=7_200)
        return s

    s = virtual_time.run(story())

    assert len(s.handling.finished) == 10
    assert len(s.queues.dead("split")) == 10


def test_an_outage_of_a_dependency_slows_the_consumer_and_dead_letters_nothing_at_once() -> None:
    async def story() -> Scene:
        s = scene(raises(Unavailable("ledger: timed out")), slots=2)
        await s.send(*[f"batch-{n}" for n in range(50)])
        await s.run(seconds=300)
        return s

    s = virtual_time.run(story())

    assert s.queues.dead("split") == ()
    assert len(s.handling.started) < 20, "it hammered the dependency that was down"


@pytest.mark.parametrize(
    ("by", "logged"),
    [
        (Refusal.THROTTLED, ("warning", "receive_failed")),
        (Refusal.FORBIDDEN, ("error", "receive_refused")),
        (Refusal.KMS, ("error", "receive_refused")),
    ],
)
def test_a_queue_that_cannot_be_received_from_is_polled_again_with_pauses(by: Refusal, logged: tuple[str, str]) -> None:
    async def story() -> Scene:
        s = scene(takes(1))
        s.queues.refusals.refuse("receive", by=by, calls=3)
        await s.send("a")
        await s.run(seconds=60)
        return s

    s = virtual_time.run(story())

    assert [name for name, _ in s.handling.finished] == ["a"]
    assert s.handling.started[0][2] > 1.0, "no pause between failing polls"
    told = [(line["level"], line["event"]) for line in s.lines if line["event"].startswith("receive_")]
    assert told == [logged] * 3, "what needs an operator is an error, on which there is an alarm"


@pytest.mark.parametrize("by", [Refusal.THROTTLED, Refusal.FORBIDDEN])
def test_deletes_that_are_refused_end_no_consumer(by: Refusal) -> None:
    async def story() -> Scene:
        s = scene(takes(1), slots=1, visibility_seconds=60)
        s.queues.refusals.refuse("delete", by=by, calls=2)
        await s.send("a", "b", "c")
        await s.run(seconds=300)
        return s

    s = virtual_time.run(story())

    assert Counter(name for name, _ in s.handling.finished) == {"a": 2, "b": 2, "c": 1}
    assert s.left() == []
    assert [line["event"] for line in s.lines if line["event"] == "delivery_lost"] == []


def test_a_message_whose_delete_failed_comes_a_second_time() -> None:
    class KeepsFirst(Through):
        kept = False

        async def delete(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
            if not self.kept:
                self.kept = True
                return deliveries
            return await super().delete(deliveries)

    async def story() -> Scene:
        s = scene(takes(1), visibility_seconds=60)
        s.inbox = KeepsFirst(s.queues.inbox("split"))
        await s.send("a")
        await s.run(seconds=120)
        return s

    s = virtual_time.run(story())

    assert [attempt for _, attempt, _ in s.handling.started] == [1, 2]
    assert s.left() == []
    assert "delete_incomplete" in [line["event"] for line in s.lines]


# --- stopping --------------------------------------------------------------------------------------------------------


def test_stopping_finishes_what_runs_and_takes_nothing_new() -> None:
    async def story() -> tuple[Scene, float]:
        s = scene(takes(50), slots=1, grace_seconds=90)
        await s.send("running", "waiting")
        await s.run(seconds=10)
        return s, asyncio.get_running_loop().time()

    s, ended_at = virtual_time.run(story())

    assert [name for name, _ in s.handling.finished] == ["running"]
    assert s.left() == ["waiting"]
    assert ended_at == pytest.approx(50, abs=1)


def test_a_message_that_the_open_poll_brings_after_the_stop_is_handed_back_at_once() -> None:
    async def story() -> tuple[Scene, Sequence[Delivery]]:
        s = scene(takes(1), wait_seconds=20)
        task = asyncio.create_task(s.runner().run(s.stop))
        await asyncio.sleep(5)
        s.stop.set()
        await asyncio.sleep(1)
        await s.send("late")
        await task
        return s, await s.queues.inbox("split").receive(max_messages=1, wait_seconds=0)

    s, again = virtual_time.run(story())

    assert s.handling.started == [], "it was started after the stop"
    assert [delivery.attempt for delivery in again] == [1], "it was not handed back, or a restart cost it an attempt"


def test_what_does_not_finish_within_the_grace_is_handed_back() -> None:
    async def story() -> tuple[Scene, float, Sequence[Delivery]]:
        s = scene(takes(10_000), grace_seconds=90)
        await s.send("endless")
        await s.run(seconds=10)
        ended_at = asyncio.get_running_loop().time()
        return s, ended_at, await s.queues.inbox("split").receive(max_messages=1, wait_seconds=0)

    s, ended_at, again = virtual_time.run(story())

    assert s.handling.finished == []
    assert ended_at == pytest.approx(100, abs=25), "stop at 10 s, an open poll of up to 20 s, then 90 s of grace"
    assert [delivery.attempt for delivery in again] == [1], "a restart cost it an attempt"


def test_any_number_of_restarts_leaves_a_message_its_attempts() -> None:
    async def story() -> Scene:
        s = scene(takes(10_000), grace_seconds=1)
        await s.send("endless")
        for _ in range(12):
            s.stop.clear()
            await s.run(seconds=10)
        s.handling.work = raises(RuntimeError("a bug"))
        s.stop.clear()
        await s.run(seconds=3_600)
        return s

    s = virtual_time.run(story())

    attempts = [attempt for _, attempt, _ in s.handling.started]
    assert attempts == [1] * 12 + [1, 2, 3, 4, 5]
    assert [name for name, _ in s.handling.given_up] == ["endless"], "it was dead-lettered without a word"


def test_what_cannot_be_handed_back_comes_back_by_itself() -> None:
    class Shut(Through):
        async def hand_back(self, delivery: Delivery) -> None:
            raise Unavailable(f"{delivery.receipt}: timed out")

    async def story() -> Sequence[Delivery]:
        s = scene(takes(10_000), grace_seconds=1)
        s.inbox = Shut(s.queues.inbox("split"))
        await s.send("endless")
        await s.run(seconds=10)
        await asyncio.sleep(120)
        return await s.queues.inbox("split").receive(max_messages=1, wait_seconds=0)

    assert [delivery.attempt for delivery in virtual_time.run(story())] == [2]


# --- brakes that must also let go ------------------------------------------------------------------------------------


def test_bugs_with_a_success_between_never_stop_the_consumer() -> None:
    async def some_fail(message: Message, attempt: int) -> None:
        del attempt
        if message.batch_id.startswith("bad"):
            raise RuntimeError("a bug")

    async def story() -> Scene:
        s = scene(some_fail, slots=1, failing_messages_max=3)
        running = asyncio.create_task(s.run(seconds=1_000))
        for number in range(10):
            await s.send(f"bad {number}", f"good {number}")
            await asyncio.sleep(80)
        await running
        return s

    s = virtual_time.run(story())

    assert {name for name, _ in s.handling.finished} == {f"good {number}" for number in range(10)}


def test_a_bug_is_dead_lettered_even_if_its_batch_went_on_without_it() -> None:
    class MovedOn(Handling):
        async def give_up(self, message: Message, *, cause: str) -> None:
            raise Reject(f"{message.batch_id} moved on without it: {cause}")

    async def story() -> Scene:
        s = Scene(MovedOn(raises(RuntimeError("boom"))), RunnerSettings())
        await s.send("late")
        await s.run(seconds=3_600)
        return s

    s = virtual_time.run(story())

    assert len(s.queues.dead("split")) == 1, "a bug of ours vanished without a trace"


def test_in_an_outage_one_message_at_a_time_tries_the_dependency() -> None:
    async def outage(message: Message, attempt: int) -> None:
        del message, attempt
        await asyncio.sleep(100)  # longer than the longest pause
        raise Unavailable("ledger: timed out")

    async def story() -> Scene:
        s = scene(outage, slots=8)
        await s.send(*[f"batch-{n}" for n in range(50)])
        await s.run(seconds=3_600)
        return s

    s = virtual_time.run(story())

    tries = [started for _, _, started in s.handling.started]
    assert all(later - earlier >= 100 for earlier, later in pairwise(tries[8:])), "two at a time, after the first eight"
    assert len(tries) > 8 + 10


# --- what operators see ----------------------------------------------------------------------------------------------


def test_each_message_leaves_one_line_that_is_also_its_metric() -> None:
    async def story() -> Scene:
        s = scene(takes(2))
        await s.send("a")
        await s.run(seconds=30)
        return s

    s = virtual_time.run(story())

    (line,) = [line for line in s.lines if line["event"] == "message_handled"]
    assert (line["batch_id"], line["attempt"], line["Outcome"], line["Messages"]) == ("a", 1, "done", 1)
    assert line["HandlingTime"] == pytest.approx(2, abs=0.01)
    (metric,) = line["_aws"]["CloudWatchMetrics"]
    assert line["Records"] == 7
    assert metric["Dimensions"] == [["Service", "Region", "Outcome"]]
    assert {each["Name"] for each in metric["Metrics"]} == {"Messages", "HandlingTime", "Records"}


def test_a_loop_that_makes_no_step_is_unhealthy() -> None:
    async def story() -> tuple[bool, bool]:
        s = scene(takes(1), stuck_seconds=100, wait_seconds=20)
        runner = s.runner()
        task = asyncio.create_task(runner.run(s.stop))
        await asyncio.sleep(50)
        alive, _ = runner.health()
        s.stop.set()
        await task
        await asyncio.sleep(200)
        stuck, _ = runner.health()
        return alive, stuck

    assert virtual_time.run(story()) == (True, False)


def test_backoff_doubles_up_to_five_minutes() -> None:
    assert [backoff_seconds(5, attempt) for attempt in (1, 2, 3, 7, 50)] == [5, 10, 20, 300, 300]


def test_what_a_dependency_refuses_is_tried_again_and_then_given_up_in_words() -> None:
    async def story() -> Scene:
        s = scene(raises(Refused("GetObject: AccessDenied")), failing_messages_max=1)
        await s.send("a")
        await s.run(seconds=3_600)
        return s

    s = virtual_time.run(story())

    assert [attempt for _, attempt, _ in s.handling.started] == [1, 2, 3, 4, 5]
    assert s.handling.given_up == [("a", "GetObject: AccessDenied")]
    assert [line for line in s.lines if line["event"] == "handler_bug"] == [], "no bug of ours, and no reason to stop"


def test_a_refusal_does_not_clear_what_was_counted_as_our_bugs() -> None:
    async def story() -> Scene:
        async def work(message: Message, attempt: int) -> None:
            del attempt
            raise Refused("no") if message.batch_id == "r" else RuntimeError(message.batch_id)

        s = scene(work, failing_messages_max=3, slots=1)
        await s.send("a", "b", "r", "c")
        with pytest.raises(ConsumerStoppedError):
            await s.run(seconds=600)
        return s

    virtual_time.run(story())
