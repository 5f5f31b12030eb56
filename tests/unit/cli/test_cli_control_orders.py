"""Orders as typed: what is written, what is printed while it is carried out, its outcome, and the exit status."""

import asyncio
import json
import random
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from aio import run
from baton.errors import Unavailable
from baton.memory import MemoryJournal, MemoryLedger
from baton.memory.clock import START
from baton.model.control import Control, Ending, Freeze, StepDone, StepName, StepOutcome, SwitchKind, Transition
from baton.model.journal import Command, CommandKind, CommandState, Decision, DecisionKind, Verdict
from baton.testing import virtual_time
from baton_cli.durations import duration
from baton_cli.handover import orders
from baton_cli.handover.orders import OrderOutcome, Standing, milestones
from baton_cli.main import app
from baton_cli.session import Session
from cli_world import AWAY, EPOCH, HOME, CliWorld
from controllers_played import TAKEN_OVER, WARM_SECONDS, PlayedWorld

ID = f"{random.Random(7).getrandbits(32):08x}"
"""Of the first order of every test."""


def _baton(world: CliWorld, *args: object, answer: bool = True, asked: list[str] | None = None) -> Result:
    def confirmed(question: str) -> bool:
        (asked if asked is not None else []).append(question)
        return answer

    session = Session(
        world,
        out=Console(highlight=False, width=80),
        err=Console(stderr=True, highlight=False, width=80),
        runner=virtual_time.run,
        who=lambda: "ann@desk",
        confirmed=confirmed,
        dice=random.Random(7),
    )
    return CliRunner().invoke(app, [str(arg) for arg in args], obj=session)


def _both(**changes: Any) -> PlayedWorld:
    return PlayedWorld().play(HOME, AWAY, **changes)


def _told(result: Result) -> list[str]:
    """Return the live lines without their times."""
    return [re.sub(r"^\+ +[\d.]+ s +", "", line) for line in result.stderr.splitlines() if line.startswith("+")]


def _written(world: CliWorld) -> Command:
    command = run(world.journal.command(ID))
    assert command is not None
    return command


# --- switches that are carried out -----------------------------------------------------------------------------------


def test_a_failover_is_told_step_by_step_until_it_is_completed() -> None:
    world = _both()

    result = _baton(world, "failover", "--to", AWAY, "--reason", "HOME is down")

    assert result.exit_code == 0, result.stderr
    assert _told(result) == [
        f"accepted by the controller of {AWAY}: switch t1",
        f"the epoch moved to 3: {AWAY} is active",
        "takeover done: 7 batches taken over",
        f"switch done: set On for {AWAY}, read back",
        f"routes done: set 100 % to {AWAY}, read back",
        "verified: canary: 2.0 s",
        "failover t1 completed",
    ]
    assert f"order    {ID}: failover to {AWAY}, by ann@desk" in result.stdout
    assert "outcome  completed after" in result.stdout
    assert f"{AWAY} is active under epoch 3" in result.stdout
    assert run(world.ledger.control()).active_region == AWAY


def test_the_times_are_those_since_the_order_and_never_fall() -> None:
    result = _baton(_both(), "failover", "--to", AWAY)

    times = [float(line.split()[1]) for line in result.stderr.splitlines() if line.startswith("+")]
    assert times == sorted(times)
    assert 0 <= times[0] <= 6
    assert 6 <= times[-1] <= 60


def test_a_switchover_tells_that_admission_pauses() -> None:
    result = _baton(_both(), "switchover", "--to", AWAY)

    assert result.exit_code == 0, result.stderr
    assert _told(result)[:3] == [
        f"accepted by the controller of {AWAY}: switch t1",
        f"admission pauses: {HOME} drains",
        f"the epoch moved to 3: {AWAY} is active",
    ]


def test_a_script_gets_one_json_object_and_nothing_else() -> None:
    result = _baton(_both(), "failover", "--to", AWAY, "--reason", "why", "--by", "bot", "--json")

    answer = json.loads(result.stdout)
    assert result.exit_code == 0
    assert _told(result) == []
    assert answer["command_id"] == ID
    assert (answer["kind"], answer["by"], answer["reason"], answer["target"]) == ("failover", "bot", "why", AWAY)
    assert (answer["state"], answer["answer"], answer["settled_by"]) == ("ACCEPTED", "switch t1", AWAY)
    assert (answer["outcome"], answer["epoch"], answer["active_region"]) == ("completed", 3, AWAY)
    assert answer["transition"]["transition_id"] == "t1"
    assert answer["transition"]["command_id"] == ID
    assert answer["transition"]["outcome"] == "completed"
    assert answer["transition"]["taken_over"] == TAKEN_OVER
    assert [step["step"] for step in answer["transition"]["steps"]] == ["takeover", "switch", "routes", "verify"]
    assert 0 < answer["seconds"] < 60


def test_a_failback_goes_to_the_first_region() -> None:
    world = PlayedWorld(ledger=MemoryLedger(Control(EPOCH + 1, AWAY))).play(HOME, AWAY)

    result = _baton(world, "failback", "--json")

    assert result.exit_code == 0, result.stderr
    assert (json.loads(result.stdout)["active_region"], _written(world).target) == (HOME, HOME)


def test_a_drill_returns_when_the_way_out_is_over() -> None:
    world = _both()

    result = _baton(world, "drill", "--to", AWAY, "--for", "30m", "--blocking-alarm", "baton-rejects", "--json")

    command = _written(world)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["active_region"] == AWAY
    assert (command.kind, command.blocking_alarm) == (CommandKind.DRILL, "baton-rejects")
    assert command.until == command.at + timedelta(minutes=30)
    assert run(world.ledger.control()).drill is not None


def test_a_drill_says_when_it_ends_and_how_to_end_it_before() -> None:
    world = _both()

    words = " ".join(_baton(world, "drill", "--to", AWAY, "--for", "30m").stdout.split())
    drill = run(world.ledger.control()).drill

    assert drill is not None
    assert f"ends {drill.ends_at:%Y-%m-%d %H:%M:%S} UTC, or at a fault: then {HOME} becomes active again" in words
    assert f"End it earlier: baton switchover --to {HOME}" in words


# --- switches that are not -------------------------------------------------------------------------------------------


def test_a_refusal_is_told_in_the_words_of_the_controller() -> None:
    result = _baton(_both(), "switchover", "--to", HOME)

    assert result.exit_code == 1
    assert _told(result) == [f"refused by the controller of {HOME}: {HOME} is active already"]
    assert f"refused: {HOME} is active already" in result.stdout


def test_a_refusal_as_json() -> None:
    result = _baton(_both(), "switchover", "--to", HOME, "--json")

    answer = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (answer["outcome"], answer["state"], answer["transition"]) == ("refused", "REFUSED", None)
    assert answer["answer"] == f"{HOME} is active already"


@pytest.mark.parametrize(("force", "status"), [((), 1), (("--force",), 0)])
def test_a_region_that_is_not_ready_takes_over_by_force_alone(force: tuple[str, ...], status: int) -> None:
    world = _both()
    world.controllers[AWAY].canary = Verdict.UNHEALTHY

    async def recover(world: PlayedWorld) -> None:
        await asyncio.sleep(10)
        world.controllers[AWAY].canary = Verdict.HEALTHY

    world.life = recover
    result = _baton(world, "failover", "--to", AWAY, *force)

    assert result.exit_code == status, result.stdout
    if not force:
        assert "own canary" in result.stdout
        assert "--force overrides this" in " ".join(result.stdout.split())


@pytest.mark.parametrize(("timeout", "status"), [("300", 0), ("20", 1)])
def test_a_planned_switch_waits_for_a_region_that_is_on_its_way_to_be_ready(timeout: str, status: int) -> None:
    world = _both()
    world.controllers[AWAY].canary = Verdict.UNHEALTHY

    async def recover(world: PlayedWorld) -> None:
        await asyncio.sleep(40)
        world.controllers[AWAY].canary = Verdict.HEALTHY

    world.life = recover
    result = _baton(world, "switchover", "--to", AWAY, "--timeout", timeout)

    assert result.exit_code == status, result.stdout
    assert f"Waiting until {AWAY} is ready: own canary" in " ".join(result.stderr.split())


def test_a_switchover_that_does_not_drain_is_rolled_back() -> None:
    world = _both(waiting=("the file of b1 is not there yet",))

    result = _baton(world, "switchover", "--to", AWAY)

    assert result.exit_code == 2
    assert "rolled back: not drained in 30 s" in " ".join(result.stdout.split())
    assert "the epoch moved" not in result.stderr
    assert run(world.ledger.control()).active_region == HOME


def test_a_switch_that_leaves_a_step_behind_is_degraded() -> None:
    world = _both(hanging=frozenset({StepName.ROUTES}))

    result = _baton(world, "failover", "--to", AWAY, "--json")

    assert result.exit_code == 4
    assert json.loads(result.stdout)["outcome"] == "degraded"


def test_a_switch_that_another_one_takes_the_place_of_is_superseded() -> None:
    world = _both(hanging=frozenset({StepName.ROUTES}))

    async def turn_back(world: PlayedWorld) -> None:
        await asyncio.sleep(30)
        back = Command("0badcafe", CommandKind.FAILOVER, "bob", world.clock.now(), target=HOME, force=True)
        await world.journal.submit(back)

    world.life = turn_back
    result = _baton(world, "failover", "--to", AWAY)

    assert result.exit_code == 3
    assert re.search(r"failover t1 superseded by t\d+", result.stderr)


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_an_order_that_nobody_takes_stays_pending(as_json: tuple[str, ...]) -> None:
    world = PlayedWorld()

    result = _baton(world, "failover", "--to", AWAY, "--timeout", "30", *as_json)

    assert result.exit_code == 1
    assert _written(world).state is CommandState.PENDING
    if as_json:
        answer = json.loads(result.stdout)
        assert (answer["outcome"], answer["state"], answer["transition"]) == ("pending", "PENDING", None)
        assert answer["seconds"] == pytest.approx(30, abs=1)
    else:
        shown = " ".join(result.stdout.split())
        assert "pending: no controller took it within" in shown
        assert "stays pending until a controller runs" in shown
        assert f"baton explain {ID}" in shown
        assert "baton status" in shown


def test_a_switch_that_is_not_over_in_time_goes_on() -> None:
    world = _both(hanging=frozenset({StepName.ROUTES}))

    result = _baton(world, "failover", "--to", AWAY, "--timeout", "20")

    assert result.exit_code == 1
    assert "under way for" in result.stdout
    assert "baton explain t1" in result.stdout


# --- before anything is written --------------------------------------------------------------------------------------


def test_a_mistyped_region_is_refused_before_anything_is_written() -> None:
    world = PlayedWorld()

    result = _baton(world, "failover", "--to", "us-east-9")

    assert (result.exit_code, result.stdout) == (1, "")
    assert f"there is no Region us-east-9; there are {HOME} and {AWAY}" in result.stderr
    assert run(world.journal.pending()) == []


def test_people_are_asked_and_told_what_is_active() -> None:
    world, asked = PlayedWorld(), list[str]()

    result = _baton(world, "failover", "--to", AWAY, "--force", answer=False, asked=asked)

    assert result.exit_code == 1
    assert "nothing was ordered" in result.stderr
    assert run(world.journal.pending()) == []
    assert asked == [f"Now {HOME} is active (STEADY, epoch 2). Order a failover to {AWAY}, even if it is not ready?"]


@pytest.mark.parametrize(
    "args",
    [
        ("failover", "--to", AWAY, "--yes"),
        ("freeze", "--for", "2h", "--reason", "release"),
        ("unfreeze",),
        ("ack",),
    ],
)
def test_nobody_is_asked_who_says_yes_or_changes_no_region(args: tuple[str, ...]) -> None:
    asked: list[str] = []

    result = _baton(PlayedWorld(), *args, "--no-wait", answer=False, asked=asked)

    assert (result.exit_code, asked) == (0, [])


def test_an_order_that_is_not_waited_for_says_how_to_come_back() -> None:
    world = PlayedWorld()

    result = _baton(world, "switchover", "--to", AWAY, "--no-wait")
    again = _baton(world, "switchover", "--to", AWAY, "--no-wait", "--json")

    assert result.exit_code == 0
    assert f"baton explain {ID}" in result.stdout
    assert json.loads(again.stdout)["state"] == "PENDING"
    assert _written(world).by == "ann@desk"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1_800), ("2h", 7_200), ("1d", 86_400), ("1.5h", 5_400), (" 2H ", 7_200)]
)
def test_a_length_of_time_is_typed_as_people_say_it(text: str, seconds: float) -> None:
    assert duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "30", "m", "0s", "-1h", "1w", "367d", "999999d", "1h30m", "1e3s", "\u0663s"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no length of time|out of bounds"):
        duration(text)

    result = _baton(PlayedWorld(), "freeze", "--for", text, "--reason", "x")
    assert (result.exit_code, result.stdout) == (1, "")


# --- orders that change no Region ------------------------------------------------------------------------------------


def test_a_freeze_is_taken_and_says_until_when() -> None:
    world = _both()

    result = _baton(world, "freeze", "--for", "2h", "--reason", "the [bold]big[/] release")

    until = START + timedelta(seconds=WARM_SECONDS, hours=2)
    freeze = run(world.ledger.control()).freeze
    assert result.exit_code == 0
    assert freeze is not None
    assert (freeze.by, freeze.reason) == ("ann@desk", "the [bold]big[/] release")
    assert freeze.until - until < timedelta(seconds=1)
    shown = " ".join(result.stdout.split())
    assert f"frozen by ann@desk until {until:%Y-%m-%d %H:%M} UTC: the [bold]big[/] release" in shown


@pytest.mark.parametrize(("name", "answer"), [("unfreeze", "unfrozen by ann@desk: over"), ("ack", "acknowledged by")])
def test_unfreeze_and_ack_answer_with_the_words_of_the_controller(name: str, answer: str) -> None:
    world = _both()
    before = run(world.ledger.control())
    frozen = before.changed(freeze=Freeze("bob", "x", START, START + timedelta(hours=2)))
    run(world.ledger.set_control(frozen, before=before))

    text = _baton(world, name, "--reason", "over")

    assert text.exit_code == 0
    assert answer in text.stdout


def test_of_two_freezes_the_one_that_is_named_is_lifted_and_status_shows_both() -> None:
    world = _both()
    before = run(world.ledger.control())
    two = [Freeze(by, "x", START, START + timedelta(hours=hours), by[0]) for by, hours in (("bob", 2), ("ann", 3))]
    run(world.ledger.set_control(before.with_freeze(two[0]), before=before))
    first = run(world.ledger.control())
    run(world.ledger.set_control(first.with_freeze(two[1]), before=first))

    shown = " ".join(_baton(world, "status").stdout.split())
    named, listed = _baton(world, "unfreeze", "b"), json.loads(_baton(world, "status", "--json").stdout)

    assert "unfreeze a" in shown
    assert "unfreeze b" in shown
    assert named.exit_code == 0
    assert [each["by"] for each in listed["freezes"]] == ["ann"]


def test_where_nothing_is_frozen_nothing_is_ordered() -> None:
    world = _both()

    text, answer = _baton(world, "unfreeze"), json.loads(_baton(world, "unfreeze", "--json").stdout)

    assert (text.exit_code, text.stdout) == (0, "Nothing is frozen, so nothing was ordered.\n")
    assert (answer["outcome"], answer["answer"]) == ("done", "nothing is frozen")
    assert run(world.journal.decisions(limit=5)) == []


def test_a_freeze_that_nobody_takes_is_pending_after_half_a_minute() -> None:
    result = _baton(PlayedWorld(), "freeze", "--for", "1h", "--reason", "x", "--json")

    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["outcome"]) == (1, "pending")
    assert answer["seconds"] == pytest.approx(30, abs=1)


# --- what is no longer in the control row -----------------------------------------------------------------------------


ORDER = Command(ID, CommandKind.SWITCHOVER, "ann", START, target=AWAY, state=CommandState.ACCEPTED, answer="switch t5")


OURS = Transition("t5", SwitchKind.SWITCHOVER, HOME, AWAY, "", START, automatic=False, command_id=ID)
_SLOW = StepDone(StepName.ROUTES, StepOutcome.DEGRADED, START, AWAY)


@pytest.mark.parametrize(
    ("ended", "outcome", "text"),
    [
        (replace(OURS, ended=Ending.COMPLETED), OrderOutcome.COMPLETED, "completed"),
        (replace(OURS, ended=Ending.COMPLETED, steps=(_SLOW,)), OrderOutcome.DEGRADED, "completed; degraded: routes"),
        (
            replace(OURS, ended=Ending.ROLLED_BACK, note="not drained"),
            OrderOutcome.ROLLED_BACK,
            "rolled back: not drained",
        ),
        (replace(OURS, ended=Ending.SUPERSEDED, note="t9"), OrderOutcome.SUPERSEDED, "superseded by t9"),
        (replace(OURS, ended=Ending("abandoned")), OrderOutcome.SUPERSEDED, "abandoned"),
    ],
)
@pytest.mark.parametrize("was_seen", [True, False])
def test_a_switch_that_ended_unseen_is_told_from_its_own_row(
    ended: Transition,
    outcome: OrderOutcome,
    text: str,
    was_seen: bool,  # noqa: FBT001 - a case
) -> None:
    started = Decision("d1", START, AWAY, DecisionKind.STARTED, 3, "a", "t5", ID)
    cut = Decision("d2", START, AWAY, DecisionKind.COMMITTED, 3, "b", "t9")
    later = Transition("t9", SwitchKind.FAILOVER, AWAY, HOME, "", START, automatic=True)
    world = CliWorld(ledger=MemoryLedger(Control(EPOCH, HOME, transition=later, commands=(ID,))))

    async def work() -> Standing:
        await world.journal.record(started)
        await world.journal.record(cut, left=ended)
        await world.journal.submit(ORDER)
        before = Standing(ORDER, START, transition=OURS if was_seen else None)
        return await orders.look(world.connection, before)

    standing = run(work())

    assert (standing.outcome, standing.is_over) == (outcome, True)
    assert standing.transition is not None
    assert (standing.transition.id, standing.transition.target) == ("t5", AWAY)
    assert standing.transition.outcome == text
    assert "the epoch moved" not in str(milestones(standing))


def test_an_accepted_order_without_any_trace_of_its_switch_is_under_way() -> None:
    world = CliWorld()

    async def work() -> Standing:
        await world.journal.submit(ORDER)
        return await orders.look(world.connection, Standing(ORDER, START))

    standing = run(work())

    assert (standing.outcome, standing.is_over, standing.transition) == (OrderOutcome.UNDER_WAY, False, None)


# --- when the ledger fails -------------------------------------------------------------------------------------------


class _Outage(MemoryLedger):
    """Cannot be read from second 70 to 80."""

    async def control(self) -> Control:
        if WARM_SECONDS + 10 <= asyncio.get_running_loop().time() < WARM_SECONDS + 20:
            raise Unavailable("throttled")
        return await super().control()


def test_an_order_is_followed_through_an_outage_of_the_ledger() -> None:
    world = PlayedWorld(ledger=_Outage(Control(EPOCH, HOME))).play(HOME, AWAY)

    result = _baton(world, "failover", "--to", AWAY)

    assert result.exit_code == 0, result.stderr
    told = _told(result)
    assert told.count("the ledger does not answer") == 1
    assert told.count("the ledger answers again") == 1
    assert told[-1] == "failover t1 completed"


class _Deaf(MemoryJournal):
    """Takes an order and does not say so, `times` times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left = times

    async def submit(self, command: Command) -> None:
        await super().submit(command)
        if self.left > 0:
            self.left -= 1
            raise Unavailable("connection reset")


def test_a_lost_answer_is_asked_for_again() -> None:
    world = PlayedWorld(journal=_Deaf(2))

    result = _baton(world, "ack", "--no-wait")

    assert result.exit_code == 0
    assert [command.id for command in run(world.journal.pending())] == [ID]


def test_an_order_that_may_or_may_not_stand_says_so() -> None:
    result = _baton(PlayedWorld(journal=_Deaf(99)), "ack")

    assert result.exit_code == 1
    assert "did not confirm the order (connection reset)" in result.stderr
    assert f"baton explain {ID}" in result.stderr


def test_ctrl_c_leaves_the_order_and_says_how_to_come_back() -> None:
    class Impatient(MemoryJournal):
        async def command(self, command_id: str) -> Command | None:
            assert command_id == ID
            raise KeyboardInterrupt

    result = _baton(PlayedWorld(journal=Impatient()), "ack")

    assert result.exit_code == 130
    assert f"The order stays in force. See it: baton explain {ID}" in result.stderr


def test_the_default_names_user_and_host() -> None:
    assert re.fullmatch(r"[^@]+@.+", Session(CliWorld()).who())


def test_an_order_is_written_as_it_was_typed() -> None:
    world = PlayedWorld()
    _baton(world, "drill", "--to", AWAY, "--for", "1d", "--reason", "r", "--by", "b", "--no-wait", "--yes")

    command = _written(world)

    until = command.at + timedelta(days=1)
    assert command == Command(ID, CommandKind.DRILL, "b", command.at, reason="r", target=AWAY, until=until)
