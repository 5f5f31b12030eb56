"""What every journal does."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from baton.errors import Conflict, Refused
from baton.model.control import Ending
from baton.model.journal import Command, CommandState
from journals_made import asked, assessed, beaten, decided, left, settled
from worlds import EAST, WEST, Ports, in_world


@pytest.fixture
def shared() -> bool:
    """Say that the journal is one for both Regions."""
    return True


@in_world
async def test_a_new_journal_is_empty(ports: Ports) -> None:
    assert await ports.journal.heartbeats() == {}
    assert list(await ports.journal.pending()) == []
    assert list(await ports.journal.decisions(limit=10)) == []
    assert await ports.journal.command("c1") is None
    assert await ports.journal.decision("d1") is None


@in_world
async def test_each_regions_newest_heartbeat_is_kept(ports: Ports) -> None:
    now = ports.clock.now()
    first, second = beaten(EAST, now), beaten(EAST, now + timedelta(seconds=5), sequence=2)
    other = beaten(WEST, now, sequence=9)

    for heartbeat in (first, other, second):
        await ports.journal.beat(heartbeat)

    assert await ports.journal.heartbeats() == {EAST: second, WEST: other}


@in_world
async def test_a_heartbeat_that_comes_late_undoes_no_newer_one(ports: Ports) -> None:
    now = ports.clock.now()
    late, newer = (replace(beaten(EAST, now), beats=count) for count in (7, 8))
    mute = beaten(EAST, now)  # an older version's, or of a process that does not know the number yet

    for heartbeat in (newer, newer):  # again, as after an answer that got lost
        await ports.journal.beat(heartbeat)
    with pytest.raises(Conflict):
        await ports.journal.beat(late)
    assert await ports.journal.heartbeats() == {EAST: newer}
    for heartbeat in (mute, late):
        await ports.journal.beat(heartbeat)

    assert await ports.journal.heartbeats() == {EAST: late}


@in_world
async def test_a_command_comes_back_as_it_was_given(ports: Ports) -> None:
    command = asked("c1", ports.clock.now())

    await ports.journal.submit(command)

    assert await ports.journal.command("c1") == command
    assert list(await ports.journal.pending()) == [command]


@in_world
async def test_every_pending_command_is_listed_the_oldest_first(ports: Ports) -> None:
    now = ports.clock.now()
    commands = [asked(f"c{number}", now + timedelta(seconds=number)) for number in range(8)]
    for command in reversed(commands):
        await ports.journal.submit(command)
    await ports.journal.settle(settled(commands[3]))

    pending = await ports.journal.pending()

    assert [command.id for command in pending] == ["c0", "c1", "c2", "c4", "c5", "c6", "c7"]


@in_world
async def test_commands_of_one_moment_are_listed_by_their_ids(ports: Ports) -> None:
    now = ports.clock.now()
    for name in ("b", "a", "c"):
        await ports.journal.submit(asked(name, now))

    assert [command.id for command in await ports.journal.pending()] == ["a", "b", "c"]


@in_world
async def test_the_same_command_again_changes_nothing_even_once_it_is_settled(ports: Ports) -> None:
    command = asked("c1", ports.clock.now())
    await ports.journal.submit(command)
    await ports.journal.submit(command)
    assert list(await ports.journal.pending()) == [command]

    await ports.journal.settle(settled(command))
    await ports.journal.submit(command)

    assert await ports.journal.command("c1") == settled(command)
    assert list(await ports.journal.pending()) == []


@in_world
async def test_a_command_is_settled_once(ports: Ports) -> None:
    command = asked("c1", ports.clock.now())
    await ports.journal.submit(command)
    accepted, refused = settled(command), settled(command, state=CommandState.REFUSED)

    await ports.journal.settle(refused)
    for again in (accepted, refused):
        with pytest.raises(Conflict):
            await ports.journal.settle(again)

    assert await ports.journal.command("c1") == refused


@in_world
async def test_of_two_controllers_one_settles(ports: Ports) -> None:
    command = asked("c1", ports.clock.now())
    await ports.journal.submit(command)
    answers = [settled(command), settled(command, state=CommandState.REFUSED)]

    outcomes = await asyncio.gather(*(ports.journal.settle(each) for each in answers), return_exceptions=True)

    won = [answer for answer, outcome in zip(answers, outcomes, strict=True) if outcome is None]
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "NoneType"]
    assert won == [await ports.journal.command("c1")]


@in_world
async def test_only_what_was_submitted_is_settled_and_only_by_an_answer(ports: Ports) -> None:
    command = asked("c1", ports.clock.now())

    with pytest.raises(Conflict):
        await ports.journal.settle(settled(command))
    await ports.journal.submit(command)
    with pytest.raises(ValueError, match="PENDING"):
        await ports.journal.settle(command)

    assert await ports.journal.command("c1") == command


@in_world
async def test_decisions_are_listed_the_newest_first(ports: Ports) -> None:
    now = ports.clock.now()
    decisions = [decided(f"d{number}", now + timedelta(seconds=number)) for number in range(8)]
    for decision in decisions:
        await ports.journal.record(decision)

    everything = await ports.journal.decisions(limit=100)
    some = [await ports.journal.decisions(limit=limit) for limit in (1, 3, 4, 8)]

    assert list(everything) == decisions[::-1]
    assert [list(each) for each in some] == [decisions[: -limit - 1 : -1] for limit in (1, 3, 4, 8)]


@in_world
async def test_a_decision_is_never_changed(ports: Ports) -> None:
    decision = decided("d1", ports.clock.now())
    await ports.journal.record(decision)

    await ports.journal.record(decision)
    await ports.journal.record(replace(decision, summary="something else"))

    assert await ports.journal.decision("d1") == decision
    assert list(await ports.journal.decisions(limit=10)) == [decision]


@in_world
async def test_what_is_unknown_comes_back_unknown(ports: Ports) -> None:
    now = ports.clock.now()
    blind = replace(assessed(EAST, now), epoch=None, evidence=(), readiness=(), brakes=())
    heartbeat = replace(beaten(EAST, now), assessment=blind)
    decision = replace(decided("d1", now), assessment=None, transition_id=None, command_id=None)
    command = Command("c1", asked("c1", now).kind, by="ann", at=now)

    await ports.journal.beat(heartbeat)
    await ports.journal.record(decision)
    await ports.journal.submit(command)

    assert await ports.journal.heartbeats() == {EAST: heartbeat}
    assert await ports.journal.decision("d1") == decision
    assert await ports.journal.command("c1") == command


@in_world
async def test_a_switch_that_left_the_control_row_comes_back_as_it_ended(ports: Ports) -> None:
    now = ports.clock.now()
    assert await ports.journal.switch("t1") is None

    await ports.journal.record(decided("d1", now), left=left("t1", now))
    await ports.journal.record(decided("d1", now), left=left("t1", now))

    assert await ports.journal.switch("t1") == left("t1", now)
    assert await ports.journal.switch("t2") is None
    assert [each.id for each in await ports.journal.decisions(limit=10)] == ["d1"]


@in_world
async def test_how_a_switch_really_ended_is_never_replaced(ports: Ports) -> None:
    """A decision may say that it supersedes a switch and lose its write of the control row."""
    now = ports.clock.now()
    lost, true = left("t1", now, Ending.SUPERSEDED), left("t1", now, Ending.ROLLED_BACK)

    await ports.journal.record(decided("d1", now), left=lost)
    assert await ports.journal.switch("t1") == lost
    await ports.journal.record(decided("d2", now), left=true)
    await ports.journal.record(decided("d3", now), left=lost)

    assert await ports.journal.switch("t1") == true


@in_world
async def test_a_row_that_is_larger_than_an_item_is_refused_and_changes_nothing(ports: Ports) -> None:
    """DynamoDB's 400 kB: what is too long must be cut by its writer, and the error says so."""
    now, long = ports.clock.now(), "x" * 410_000
    beat, command = beaten(EAST, now), asked("c1", now)
    await ports.journal.beat(beat)
    await ports.journal.submit(command)

    for call in (
        ports.journal.beat(replace(beat, settings=long)),
        ports.journal.submit(replace(asked("c2", now), reason=long)),
        ports.journal.settle(replace(settled(command), answer=long)),
        ports.journal.record(replace(decided("d1", now), summary="x" * 210_000)),  # it is in the row twice
        ports.journal.record(decided("d2", now), left=replace(left("t1", now), note=long)),
    ):
        with pytest.raises(Refused):
            await call

    assert await ports.journal.heartbeats() == {EAST: beat}
    assert list(await ports.journal.pending()) == [command]
    assert await ports.journal.command("c2") is None
    assert await ports.journal.decision("d1") is None
    assert await ports.journal.switch("t1") is None
