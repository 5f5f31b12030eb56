"""A takeover in several attempts: what one of them did is neither lost nor counted twice."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from actors_made import actor_made
from batches_made import admitted
from baton.errors import Unavailable
from baton.memory import LoopClock, MemoryLedger, MemoryObjectStore, MemoryQueues, MemoryVitals, Refusal
from baton.messages import ORDINARY, Kind, Lane, Message, SplitBatch
from baton.model.control import StepName, SwitchKind
from baton.ports import Outbox
from baton.testing import virtual_time
from baton.topology import REGIONS_DEFAULT
from controller_made import control_made, under_way
from handover.facts import Drain, StepResult
from handover_shell.acts import Place

HOME, AWAY = REGIONS_DEFAULT


@dataclass
class _DeadUntil:
    """An outbox that takes no message in its first calls."""

    failures: int
    sent: list[Message] = field(default_factory=list[Message])

    async def send(self, messages: Sequence[Message], *, delay_seconds: int = 0) -> None:
        del delay_seconds
        if self.failures:
            self.failures -= 1
            raise Unavailable("the queue does not answer")
        self.sent += messages

    async def backlog(self, kind: Kind, lane: Lane = ORDINARY) -> int:
        raise NotImplementedError(kind, lane)


async def _attempts(
    outbox: _DeadUntil | Outbox, count: int, *, spoilt: Sequence[str] = (), refused: str = "", batches: int = 3
) -> list[StepResult]:
    ledger = MemoryLedger(control_made(active_region=AWAY, epoch=3))
    for number in range(batches):
        await ledger.admit(admitted(f"b{number}", datetime(2026, 1, 1, tzinfo=UTC)))
    for batch_id in spoilt:
        ledger.spoil(batch_id)
    if refused:
        ledger.refusals.refuse("update", by=Refusal.KMS, key=refused)
    clock = LoopClock()
    place = Place(MemoryObjectStore(clock=clock), outbox, MemoryVitals(MemoryQueues(clock)))
    actor = actor_made(ledger, {HOME: place, AWAY: place}, clock)
    epoch = (await ledger.control()).epoch
    return [await actor.act(StepName.TAKEOVER, epoch) for _ in range(count)]


def test_what_a_broken_attempt_took_over_is_sent_and_counted_by_the_next_one() -> None:
    # Three messages at the takeover, and the first that is sent again.
    outbox = _DeadUntil(failures=4)

    first, second = virtual_time.run(_attempts(outbox, 2))

    assert (first.done, first.note) == (False, "the queue does not answer")
    assert first.taken_over == second.taken_over == 3
    assert (second.done, second.note) == (True, "3 batches taken over")
    assert sorted(message.batch_id for message in outbox.sent if isinstance(message, SplitBatch)) == ["b0", "b1", "b2"]


def test_a_later_attempt_that_finds_nothing_repairs_nothing() -> None:
    first, second = virtual_time.run(_attempts(_DeadUntil(failures=0), 2))

    assert (first.note, first.repaired) == (second.note, True) == ("3 batches taken over", True)
    assert not second.repaired


def test_a_takeover_names_what_it_passes_over_because_its_row_cannot_be_read() -> None:
    (result,) = virtual_time.run(_attempts(_DeadUntil(failures=0), 1, spoilt=["b1"]))

    assert result.done
    assert result.note == "2 batches taken over; 1 not, since this version cannot read their rows: b1"


def test_a_batch_that_is_refused_holds_back_no_other_and_is_told() -> None:
    outbox = _DeadUntil(failures=0)

    first, second = virtual_time.run(_attempts(outbox, 2, refused="b0", batches=5))

    assert (first.done, first.note) == (False, "4 batches taken over, 1 not: b0: update b0: 400 KMS.DisabledException")
    assert (second.done, second.note) == (first.done, first.note)
    assert first.taken_over == 4
    assert len(outbox.sent) == 4


def test_a_message_that_is_refused_is_sent_once_it_is_not() -> None:
    queues = MemoryQueues(LoopClock())
    queues.refusals.refuse("send", by=Refusal.KMS, calls=9)

    first, second = virtual_time.run(_attempts(queues.outbox(), 2))

    assert not first.done
    assert "the message of b0: send split: 400 KMS.DisabledException" in first.note
    assert (second.done, second.note) == (True, "3 batches taken over")
    assert queues.waiting("split") == 3


def test_what_cannot_be_looked_at_is_not_drained() -> None:
    async def story() -> Drain:
        control = control_made(transition=under_way(SwitchKind.SWITCHOVER))
        ledger, clock = MemoryLedger(control), LoopClock()
        await ledger.admit(admitted("b0", datetime(2026, 1, 1, tzinfo=UTC)))
        queues, objects = MemoryQueues(clock), MemoryObjectStore(clock=clock)
        objects.refusals.refuse("find_version")
        place = Place(objects, queues.outbox(), MemoryVitals(queues))
        actor = actor_made(ledger, {HOME: place, AWAY: place}, clock)
        return await actor.drain(control)

    (reason,) = virtual_time.run(story()).waiting

    assert reason.startswith("b0 cannot be looked at: find_version")
    assert reason.endswith("403 AccessDenied")
