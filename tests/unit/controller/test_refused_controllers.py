"""A controller whose calls are refused or lost: it keeps beating, does all else, and writes down what happened."""

import asyncio
from dataclasses import dataclass
from typing import Any, override

import pytest

from actors_made import actor_made
from baton.errors import Unavailable
from baton.memory import (
    LoopClock,
    MemoryEventBus,
    MemoryJournal,
    MemoryLedger,
    MemoryObjectStore,
    MemoryProvisions,
    MemoryQueues,
    MemoryRoutes,
    MemorySwitch,
    MemoryVitals,
    Refusal,
    Refusals,
)
from baton.model.control import Control
from baton.model.events import Kind
from baton.model.journal import Command, CommandKind, CommandState, DecisionKind, Signal
from baton.testing import virtual_time
from baton.topology import INITIAL_EPOCH, REGIONS_DEFAULT
from baton_proof.logs import recording_log
from controller_made import EAST, START, WEST, rule
from failover_controller.controller import Controller
from failover_controller.reach import Reach
from handover import brakes
from handover.settings import ControllerSettings
from handover_shell.acts import Place
from handover_shell.canary import BatchCanary

USED = {
    "ledger": "control set_control list_open get",
    "journal": "beat heartbeats pending settle record",
    "objects": "put",
    "vitals": "queues alarms replication",
    "switch": "states set_states",
    "routes": "dials set_dials",
    "events": "put",
    "provisions": "mail denied tasks room",
}
"""What a controller calls."""
OPERATIONS = [f"{port}.{operation}" for port, operations in USED.items() for operation in operations.split()]


class StaleJournal(MemoryJournal):
    """Its list still shows a command that was settled long ago."""

    stale: Command | None = None

    @override
    async def pending(self) -> list[Command]:
        return [*([self.stale] if self.stale else []), *await super().pending()]


class LossyLedger(MemoryLedger):
    """Loses the way there, or the way back, of its next writes of the row."""

    there = back = 0

    @override
    async def set_control(self, after: Control, *, before: Control | None) -> None:
        if self.there:
            self.there -= 1
            raise Unavailable("no answer")
        await super().set_control(after, before=before)
        if self.back:
            self.back -= 1
            raise Unavailable("no answer")


@dataclass
class Made:
    """A controller in the second Region, and everything that it reaches."""

    controller: Controller
    ledger: LossyLedger
    journal: StaleJournal
    ports: dict[str, Any]
    lines: list[dict[str, Any]]

    @property
    def events(self) -> list[str]:
        return [line["event"] for line in self.lines]

    async def order(self, kind: CommandKind, name: str, **changes: Any) -> None:
        command = Command(name, kind, "ana", LoopClock().now(), **changes)
        await self.journal.submit(command)

    async def run(self, seconds: float) -> None:
        """Let it live for so long."""
        stop = asyncio.Event()
        running = asyncio.create_task(self.controller.run(stop))
        await asyncio.sleep(seconds)
        stop.set()
        await running


def _made() -> Made:
    clock, lines = LoopClock(), list[dict[str, Any]]()
    ledger, journal, queues = LossyLedger(Control(INITIAL_EPOCH, EAST)), StaleJournal(), MemoryQueues(clock)
    place = Place(MemoryObjectStore(clock), queues.outbox(), MemoryVitals(queues))
    places, switch, routes = {EAST: place, WEST: place}, MemorySwitch(clock=clock), MemoryRoutes()
    buckets = {EAST: place.objects, WEST: MemoryObjectStore(clock)}
    bus, provisions = MemoryEventBus(), MemoryProvisions()
    actor = actor_made(ledger, places, clock, switch=switch, routes=routes, at_once=2)
    canary = BatchCanary(sender=WEST, ledger=ledger, objects=buckets, clock=clock, instance="i1")
    controller = Controller(
        region=WEST,
        regions=REGIONS_DEFAULT,
        instance="i1",
        reach=Reach(ledger, journal, switch, actor, places, canary, bus, provisions),
        settings=ControllerSettings(),
        clock=clock,
        log=recording_log(lines),
    )
    ports = {
        "provisions": provisions,
        "ledger": ledger,
        "journal": journal,
        "objects": buckets[WEST],
        "buckets": buckets,
        "vitals": place.vitals,
        "switch": switch,
        "routes": routes,
        "events": bus,
    }
    return Made(controller, ledger, journal, ports, lines)


@pytest.mark.parametrize("by", [Refusal.FORBIDDEN, Refusal.KMS, Refusal.THROTTLED])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_refused_call_ends_a_beat_or_a_look(operation: str, by: Refusal) -> None:
    async def story() -> Made:
        made = _made()
        port, _, name = operation.partition(".")
        refusals: Refusals = made.ports[port].refusals
        refusals.refuse(name, by=by)
        await made.order(CommandKind.FAILOVER, "c1", target=WEST, force=True)
        await made.run(90)
        assert refusals.refused[name], "it was never called: this proves nothing"
        return made

    made = virtual_time.run(story())

    assert "controller_bug" not in made.events
    beats = made.journal._heartbeats  # pyright: ignore[reportPrivateUsage] - the truth
    assert operation == "journal.beat" or beats[WEST].sequence >= 15
    memory = made.controller.memory
    assert operation.startswith("switch.") or (memory.endpoints and memory.endpoints.answering)


def test_a_stale_entry_of_a_settled_command_holds_back_no_other_command() -> None:
    async def story() -> Made:
        made = _made()
        old = Command("c0", CommandKind.ACK, "ana", LoopClock().now())
        await made.journal.submit(old)
        await made.run(6)
        made.journal.stale = old
        await made.order(CommandKind.FAILOVER, "c1", target=WEST, force=True)
        await made.run(6)
        return made

    made = virtual_time.run(story())

    assert made.ledger._store.control.active_region == WEST  # pyright: ignore[reportPrivateUsage, reportOptionalMemberAccess] - the truth
    assert made.journal._commands["c1"].state is CommandState.ACCEPTED  # pyright: ignore[reportPrivateUsage] - the truth


@pytest.mark.parametrize("way", ["there", "back"])
def test_a_lost_write_is_done_once_and_on_record_as_what_it_is(way: str) -> None:
    async def story() -> tuple[Control, list[DecisionKind]]:
        made = _made()
        await made.run(6)
        setattr(made.ledger, way, 1)
        await made.order(CommandKind.FAILOVER, "c1", target=WEST, force=True)
        await made.run(12)
        recorded = await made.journal.decisions(limit=100)
        return await made.ledger.control(), [each.kind for each in reversed(recorded)]

    control, kinds = virtual_time.run(story())

    assert (control.epoch, control.active_region) == (3, WEST)
    assert [kind for kind in kinds if kind in {DecisionKind.INTENDED, DecisionKind.COMMITTED}] == [
        DecisionKind.INTENDED,
        DecisionKind.COMMITTED,
    ]


def test_what_cannot_be_put_on_record_holds_nothing_back_and_is_put_on_record_later() -> None:
    async def story() -> tuple[Control, list[DecisionKind], list[DecisionKind]]:
        made = _made()
        made.journal.refusals.refuse("record")
        await made.order(CommandKind.FAILOVER, "c1", target=WEST, force=True)
        await made.run(20)
        before = [each.kind for each in await made.journal.decisions(limit=100)]
        made.journal.refusals.allow()
        await made.run(6)
        after = [each.kind for each in await made.journal.decisions(limit=100)]
        return await made.ledger.control(), before, after

    control, before, after = virtual_time.run(story())

    assert control.active_region == WEST
    assert before == []
    assert {DecisionKind.INTENDED, DecisionKind.COMMITTED} <= {*after}


@pytest.mark.parametrize("by", [Refusal.FORBIDDEN, Refusal.THROTTLED])
def test_what_the_event_bus_does_not_take_holds_nothing_back_is_told_and_is_sent_later(by: Refusal) -> None:
    async def story() -> tuple[Made, MemoryEventBus, float]:
        made = _made()
        bus: MemoryEventBus = made.ports["events"]
        bus.refusals.refuse("put", by=by)
        await made.order(CommandKind.FAILOVER, "c1", target=WEST, force=True)
        await made.run(200)
        assert bus.taken == []
        waiting = [line["EventsWaiting"] for line in made.lines if "EventsWaiting" in line][-1]
        bus.refusals.allow()
        await made.run(20)
        return made, bus, waiting

    made, bus, waiting = virtual_time.run(story())

    assert [each.kind for each in bus.taken] == [Kind.COMMITTED, Kind.COMPLETED]
    assert waiting == 2
    told = [line for line in made.lines if line["event"] == "event_waits"]
    assert {line["kind"] for line in told} >= {Kind.COMMITTED}
    assert str(by) in told[0]["error"]
    assert "controller_bug" not in made.events
    assert [line["EventsWaiting"] for line in made.lines if "EventsWaiting" in line][-1] == 0


def test_one_event_that_is_never_taken_hides_no_other() -> None:
    async def story() -> MemoryEventBus:
        made = _made()
        bus: MemoryEventBus = made.ports["events"]
        bus.refusals.refuse("put", key="i1-2")  # the commit, after the record of what is intended
        await made.order(CommandKind.FAILOVER, "c1", target=WEST, force=True)
        await made.run(200)
        return bus

    bus = virtual_time.run(story())

    assert [each.kind for each in bus.taken] == [Kind.COMPLETED]
    assert bus.refusals.refused["put"] > 1


def _refused(made: Made, *regions: str) -> None:
    for region in regions:
        made.ports["buckets"][region].refusals.refuse("put", by=Refusal.KMS)


@pytest.mark.parametrize("everywhere", [True, False], ids=["everywhere", "in the other Region"])
def test_what_one_region_refuses_counts_against_it_and_what_all_refuse_against_ourselves(*, everywhere: bool) -> None:
    async def story() -> Made:
        made = _made()
        _refused(made, EAST, *([WEST] if everywhere else []))
        await made.run(90)
        return made

    memory = virtual_time.run(story()).controller.memory
    outside = memory.series.get((EAST, Signal.OUTSIDE_CANARY))

    if everywhere:
        assert outside is None
        assert memory.refused_everywhere
    else:
        assert outside is not None
        assert outside.tripped
        assert "KMS" in outside.newest.value
    isolated = rule(brakes.brakes(memory, Control(2, EAST), memory.read_at or START), "isolated")
    assert isolated.blocks is everywhere


def test_a_command_that_cannot_be_read_is_told_once_and_holds_back_no_other() -> None:
    async def story() -> tuple[Made, Control]:
        made = _made()
        await made.order(CommandKind.ACK, "c0")
        made.journal.spoil("command#c0/command")
        await made.order(CommandKind.FAILOVER, "c1", target=WEST, force=True)
        await made.run(30)
        return made, await made.ledger.control()

    made, control = virtual_time.run(story())

    assert control.active_region == WEST
    assert [line["row"] for line in made.lines if line["event"] == "row_unreadable"] == ["command#c0/command"]
