"""What the CLI shows of the controllers: history, its timeline, explanations in every state, status."""

import asyncio
import json
from collections.abc import Sequence
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
from baton.model.control import (
    Control,
    Drill,
    Ending,
    Freeze,
    Phase,
    StepDone,
    StepName,
    StepOutcome,
    SwitchKind,
    Transition,
)
from baton.model.journal import (
    Assessment,
    Command,
    CommandKind,
    Decision,
    DecisionKind,
    Heartbeat,
    Rule,
    State,
    Verdict,
)
from baton.testing import virtual_time
from baton_cli.main import app
from baton_cli.session import Session
from cli_world import AWAY, EPOCH, HOME, CliWorld, virtual_world
from controllers_played import PlayedWorld
from handover.settings import ControllerSettings
from journals_made import asked, beaten, settled

FOREIGN = "it is [bold]bad[/bold] \x1b[31m[/]"
SHOWN = "it is [bold]bad[/bold] \\x1b[31m[/]"
"""As it must be printed: no markup, and nothing that a terminal would act on."""
UNDER_WAY = Transition(
    id="t8",
    kind=SwitchKind.SWITCHOVER,
    source=HOME,
    target=AWAY,
    reason=FOREIGN,
    started_at=START,
    automatic=False,
    command_id="c0ffee01",
    steps=(StepDone(StepName.SWITCH, StepOutcome.DONE, START + timedelta(seconds=2), AWAY, FOREIGN),),
)


def _baton(world: CliWorld, *args: object, width: int = 80) -> Result:
    session = Session(
        world,
        out=Console(highlight=False, width=width),
        err=Console(stderr=True, highlight=False, width=width),
        runner=virtual_time.run,
    )
    return CliRunner().invoke(app, [str(arg) for arg in args], obj=session)


def _decided(number: int, kind: DecisionKind = DecisionKind.STEP, **changes: Any) -> Decision:
    at = START + timedelta(seconds=number)
    ended = {DecisionKind.COMPLETED: Ending.COMPLETED, DecisionKind.ROLLED_BACK: Ending.ROLLED_BACK}.get(kind)
    made = Decision(f"{number:04x}beef-{number}", at, AWAY, kind, EPOCH, f"step {number}", ended=ended)
    return replace(made, **changes)


def _with(*decisions: Decision, world: CliWorld | None = None) -> CliWorld:
    world = world or CliWorld()
    for decision in decisions:
        run(world.journal.record(decision))
    return world


def _under(control: Control, *beats: Heartbeat) -> CliWorld:
    world = CliWorld(ledger=MemoryLedger(control))
    for beat in beats:
        run(world.journal.beat(beat))
    return world


def _words(result: Result) -> str:
    assert result.exit_code == 0, result.stderr
    return " ".join(result.stdout.split())


# --- history ---------------------------------------------------------------------------------------------------------


def test_history_tells_the_newest_first_and_as_many_as_asked() -> None:
    world = _with(*(_decided(number) for number in range(30)))

    numbers = {
        args: [
            line.strip() for line in _baton(world, "history", *args).stdout.splitlines() if "step" in line.split()[0]
        ]
        for args in ((), ("-n", "2"))
    }

    assert numbers[()] == [f"step {number}" for number in range(29, 9, -1)]
    assert numbers["-n", "2"] == ["step 29", "step 28"]


def test_history_as_json() -> None:
    world = _with(_decided(1, transition_id="t8", command_id="c0ffee01"))

    result = _baton(world, "history", "--json")

    assert json.loads(result.stdout) == [
        {
            "decision_id": "0001beef-1",
            "at": "2026-01-01T00:00:01+00:00",
            "region": AWAY,
            "operator": None,
            "kind": "step",
            "epoch": EPOCH,
            "summary": "step 1",
            "transition_id": "t8",
            "command_id": "c0ffee01",
            "ended": None,
            "taken_over": None,
        }
    ]


def test_an_empty_history_says_so() -> None:
    assert _baton(CliWorld(), "history").stdout == "Nothing was decided yet.\n"
    assert _baton(CliWorld(), "history", "--json").stdout == "[]\n"


@pytest.mark.parametrize(
    "args", [("history",), ("explain",), ("explain", "last"), ("history", "-n", "3", "--timeout", "1", "-f")]
)
def test_what_people_wrote_is_shown_and_never_interpreted(args: tuple[str, ...]) -> None:
    world = _with(_decided(1, summary=FOREIGN), world=virtual_world())

    result = _baton(world, *args)

    assert SHOWN in _words(result)
    assert "\x1b" not in result.stdout


# --- the timeline ----------------------------------------------------------------------------------------------------


class _Scripted(MemoryJournal):
    """Shows decisions from a certain second on, and does not answer in others."""

    def __init__(self, script: dict[float, Decision], *, down: tuple[float, float] = (0, 0)) -> None:
        super().__init__()
        self.script = script
        self.down = down

    async def decisions(self, *, limit: int) -> Sequence[Decision]:
        now = asyncio.get_running_loop().time()
        if self.down[0] <= now < self.down[1]:
            raise Unavailable("throttled")
        shown = [decision for since, decision in self.script.items() if since <= now]
        return sorted(shown, key=lambda decision: decision.at, reverse=True)[:limit]


def _live(*, down: tuple[float, float] = (0, 0)) -> CliWorld:
    world = virtual_world()
    script = {
        0.0: _decided(1, DecisionKind.COMPLETED, summary="of yesterday"),
        3.0: _decided(13, DecisionKind.COMMITTED),
        5.0: _decided(15),
        5.9: _decided(14),
        8.0: _decided(18, DecisionKind.COMPLETED),
        20.0: _decided(30),
    }
    world.journal = _Scripted(script, down=down)
    world.connection = replace(world.connection, journal=world.journal)
    return world


def _timeline(result: Result) -> list[tuple[float, int]]:
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return [(line["seconds"], int(line["decision_id"].rpartition("-")[2])) for line in lines]


def test_the_timeline_ends_with_the_outcome_of_a_switch_that_ends_from_now_on() -> None:
    result = _baton(_live(), "history", "--until-outcome", "--json")

    assert result.exit_code == 0
    # 14 reached the list after 15: it is told late, never lost.
    assert _timeline(result) == [(0, 13), (2, 15), (1, 14), (5, 18)]


def test_what_was_before_is_told_if_asked_and_is_no_outcome() -> None:
    result = _baton(_live(), "history", "--until-outcome", "-n", "5", "--json")

    assert _timeline(result) == [(0, 1), (12, 13), (14, 15), (13, 14), (17, 18)]


def test_the_timeline_for_people_has_the_seconds_since_its_first_line() -> None:
    result = _baton(_live(), "history", "--until-outcome")

    lines = result.stdout.splitlines()
    assert lines[0] == f"+    0.0 s  {AWAY}  committed  epoch 2  step 13  000dbeef-13"
    assert lines[-1] == f"+    5.0 s  {AWAY}  completed  epoch 2  step 18  0012beef-18"


def test_an_outage_of_the_ledger_is_told_once_and_loses_nothing() -> None:
    result = _baton(_live(down=(2, 7)), "history", "--follow", "--json", "--timeout", "30")

    assert result.exit_code == 0
    assert [number for _, number in _timeline(result)] == [13, 14, 15, 18, 30]
    assert result.stderr.splitlines() == ["the ledger does not answer", "the ledger answers again"]


def test_no_outcome_in_time_is_an_error_but_following_for_a_while_is_none() -> None:
    late = _baton(_live(), "history", "--until-outcome", "--timeout", "4")

    assert late.exit_code == 1
    assert "no switch ended within 4 s" in late.stderr
    assert _baton(_live(), "history", "--follow", "--timeout", "4").exit_code == 0


@pytest.mark.parametrize(
    ("kind", "degraded", "status"),
    [
        (DecisionKind.COMPLETED, (), 0),
        (DecisionKind.COMPLETED, (StepName.ROUTES,), 4),
        (DecisionKind.ROLLED_BACK, (), 2),
    ],
)
def test_the_timeline_exits_as_the_switch_ended(
    kind: DecisionKind, degraded: tuple[StepName, ...], status: int
) -> None:
    world = virtual_world()
    world.journal = _Scripted({2.0: _decided(2, kind, degraded=degraded)})
    world.connection = replace(world.connection, journal=world.journal)

    assert _baton(world, "history", "--until-outcome").exit_code == status


def test_ctrl_c_ends_the_timeline() -> None:
    class Impatient(MemoryJournal):
        async def decisions(self, *, limit: int) -> Sequence[Decision]:
            assert limit > 0
            raise KeyboardInterrupt

    world = virtual_world()
    world.connection = replace(world.connection, journal=Impatient())

    assert _baton(world, "history", "--follow").exit_code == 130


# --- explain: now ----------------------------------------------------------------------------------------------------


def test_explain_says_that_no_controller_was_ever_heard() -> None:
    result = _baton(CliWorld(), "explain")

    words = _words(result)
    assert words.startswith(f"{HOME} is active under epoch 2, STEADY. No controller of {HOME} (active) was ever heard.")
    assert f"No controller of {AWAY} (standby) was ever heard. Decided last Nothing was decided yet." in words
    assert f"baton failover --to {AWAY} --without-controllers # no controller runs" in words


def test_explain_fits_a_screen_and_begins_with_what_is_then_what_happened_then_what_to_type() -> None:
    world = PlayedWorld().play(HOME, AWAY)
    _baton(world, "ack", "--reason", "looked at")

    lines = _baton(world, "explain").stdout.splitlines()
    words = " ".join(" ".join(lines).split())

    assert len(lines) <= 24
    assert words.startswith(f"{HOME} is active under epoch 2, STEADY")
    order = [f"{HOME}: ", f"{AWAY}: no failover: {HOME} is not", "Decided last", "looked at", "Next", "explain --all"]
    assert [words.index(each) for each in order] == sorted(words.index(each) for each in order)
    for absent in ("outside canary", "switch endpoints", "free"):
        assert absent not in words


def test_explain_all_names_every_rule() -> None:
    world = PlayedWorld().play(HOME, AWAY)

    words = _words(_baton(world, "explain", "--all"))

    assert f"{AWAY}: no failover: {HOME} is not declared unhealthy" in words
    assert f"Reported by the controller of {AWAY} (standby)" in words
    for name in ("outside canary", "inside canary", "replication", "own canary", "switch endpoints", "daily budget"):
        assert name in words
    assert "silent" not in words


def test_explain_says_why_there_is_no_failover_from_an_unhealthy_region() -> None:
    control = Control(EPOCH, HOME, freeze=Freeze("ann", FOREIGN, START, START + timedelta(days=1)), failovers=(START,))
    world = PlayedWorld(ledger=MemoryLedger(control)).play(HOME, AWAY)
    world.controllers[HOME].canary = Verdict.UNHEALTHY

    words = _words(_baton(world, "explain", width=200))

    assert "inside canary is not enough: two witnesses" in words
    assert f"BLOCKS by ann until 2026-01-02 00:00 UTC: {SHOWN}" in words
    assert "BLOCKS 1 of 1 automatic failovers in 6:00:00" in words


def test_explain_says_that_a_silent_controller_is_silent_and_how_old_its_words_are() -> None:
    beat = replace(beaten(HOME, START - timedelta(minutes=5)), settings="", epoch_seen=EPOCH)
    fresh = replace(beaten(AWAY, START - timedelta(seconds=3)), settings="", epoch_seen=EPOCH - 1)
    world = _under(Control(EPOCH, HOME), beat, fresh)

    words = _words(_baton(world, "explain", width=200))

    assert f"The controller of {HOME} (active) is silent: this is what it reported 5 min ago." in words
    assert words.index(f"Reported by the controller of {AWAY}") < words.index(f"The controller of {HOME}")
    assert "HEALTHY" not in words.partition(f"The controller of {HOME}")[2]
    assert (
        f"Reported by the controller of {AWAY} (standby) 3.0 s ago. It does not follow: it knows epoch 1, not 2."
        in words
    )


def test_what_a_silent_controller_measured_is_said_to_have_been_so() -> None:
    world = _under(Control(EPOCH, HOME), beaten(HOME, START - timedelta(minutes=5)), beaten(AWAY, START))

    heard, _, silent = _words(_baton(world, "explain", "--all", width=200)).partition("is silent")

    assert "canary HEALTHY 3 s" in heard
    assert "canary was HEALTHY 3 s" in silent
    assert "canary was BLOCKS no answer for 40 s" in silent
    assert " HEALTHY" not in silent.replace("was HEALTHY", "")


@pytest.mark.parametrize(
    ("settings", "silent"),
    [
        ("", False),
        ("{]", False),
        (ControllerSettings().scaled().model_dump_json(), False),
        ('{"driver_seconds": 5}', True),
    ],
)
def test_a_controller_is_silent_by_its_own_settings(settings: str, silent: bool) -> None:  # noqa: FBT001 - a case
    world = _under(Control(EPOCH, HOME), replace(beaten(AWAY, START - timedelta(seconds=20)), settings=settings))

    answer = json.loads(_baton(world, "explain", "--json").stdout)

    assert [each["silent"] for each in answer["controllers"]] == [silent, True]


SILENT = {
    "region": HOME,
    "silent": True,
    "follows": False,
    "heartbeat_age_seconds": None,
    "instance": None,
    "epoch_seen": None,
    "canary": None,
    "ready": None,
    "assessment": None,
}
"""A controller of which nothing has come yet."""


def test_explain_as_json() -> None:
    world = _with(_decided(1), world=_under(Control(EPOCH, HOME), beaten(AWAY, START)))

    answer = json.loads(_baton(world, "explain", "--json").stdout)

    standby, active = answer.pop("controllers")
    assert answer.pop("last_decision")["decision_id"] == "0001beef-1"
    assert answer == {"epoch": EPOCH, "active_region": HOME, "phase": "STEADY"}
    assert active == SILENT
    assessment = standby.pop("assessment")
    assert standby == {
        "region": AWAY,
        "silent": False,
        "follows": True,
        "heartbeat_age_seconds": 0,
        "instance": f"{AWAY}-7f",
        "epoch_seen": EPOCH,
        "canary": "UNKNOWN",
        "ready": "HEALTHY",
    }
    assert assessment["conclusion"] == "The budget „one a day“ is used up: nothing is done."
    assert assessment["brakes"] == [
        {
            "name": "budget",
            "verdict": "UNHEALTHY",
            "value": "no answer for 40 s",
            "threshold": "30 s",
            "age_seconds": 40.25,
            "blocks": True,
            "witness": None,
            "voice": None,
            "note": "",
        }
    ]


# --- explain: something ----------------------------------------------------------------------------------------------


def _switched() -> CliWorld:
    """Return a world with two switches on record, the second one in the control row, and a command for each."""
    grounds = Assessment(
        START,
        AWAY,
        EPOCH,
        State.SUSPECT,
        f"no failover: {FOREIGN}",
        brakes=(Rule("freeze", Verdict.UNHEALTHY, FOREIGN, "none", blocks=True),),
    )
    ours: dict[str, Any] = {"transition_id": "t8", "command_id": "c0ffee01"}
    world = _with(
        _decided(1, DecisionKind.HELD, summary="a brake is on", assessment=grounds),
        _decided(2, DecisionKind.STARTED, transition_id="t5", command_id="abad1dea"),
        _decided(3, DecisionKind.COMPLETED, transition_id="t5"),
        _decided(4, DecisionKind.STARTED, **ours),
        _decided(5, **ours),
        _decided(6, summary="of nothing"),
        world=_under(Control(EPOCH, HOME, phase=Phase.SWITCHING, transition=UNDER_WAY)),
    )
    command = Command("c0ffee01", CommandKind.SWITCHOVER, "ann", START, FOREIGN, AWAY)
    run(world.journal.submit(command))
    run(world.journal.settle(settled(command)))
    return world


@pytest.mark.parametrize(("text", "number"), [("0001beef-1", 1), ("0001b", 1), ("0001BEEF", 1), ("last", 6)])
def test_a_decision_is_found_by_id_by_beginning_and_as_the_last_one(text: str, number: int) -> None:
    answer = json.loads(_baton(_switched(), "explain", text, "--json").stdout)

    assert answer["decision"]["decision_id"] == f"{number:04x}beef-{number}"


def test_a_decision_is_explained_by_what_was_held_for_true_then() -> None:
    words = _words(_baton(_switched(), "explain", "0001beef-1", width=200))

    assert words.startswith("decided a brake is on")
    assert f"no failover: {SHOWN}" in words
    assert f"freeze BLOCKS {SHOWN} none" in words
    assert "What belongs to it" not in words


def test_a_decision_without_grounds_says_so_and_shows_its_switch() -> None:
    words = _words(_baton(_switched(), "explain", "0005beef-5", width=200))

    assert "no rules are kept with it" in words
    assert f"t8: switchover from {HOME} to {AWAY}" in words
    assert "step 4" in words


def test_a_switch_is_explained_from_the_control_row_and_its_decisions() -> None:
    now = _baton(_switched(), "explain", "t8", width=200)
    before = json.loads(_baton(_switched(), "explain", "t5", "--json").stdout)

    assert "outcome under way" in _words(now)
    assert f"done +2.0 s by {AWAY}: {SHOWN}" in _words(now)
    assert before["transition"] is None
    assert before["transition_id"] == "t5"
    assert [each["decision_id"] for each in before["decisions"]] == ["0002beef-2", "0003beef-3"]


@pytest.mark.parametrize("text", ["c0ffee01", "c0ff"])
def test_a_command_is_explained_by_its_answer_and_what_came_of_it(text: str) -> None:
    result = _baton(_switched(), "explain", text, width=200)
    answer = json.loads(_baton(_switched(), "explain", text, "--json").stdout)

    words = _words(result)
    assert f"c0ffee01: switchover to {AWAY}, by ann" in words
    assert f"reason {SHOWN}" in words
    assert f"ACCEPTED by the controller of {HOME}: ACCEPTED by rule 7" in words
    assert answer["command"]["command_id"] == "c0ffee01"
    assert answer["transition"]["steps"][0]["note"] == FOREIGN
    assert [each["decision_id"] for each in answer["decisions"]] == ["0004beef-4", "0005beef-5"]


def test_a_command_that_nobody_took_is_found_and_said_to_be_pending() -> None:
    world = CliWorld()
    run(world.journal.submit(asked("deadbeef", START)))

    words = _words(_baton(world, "explain", "dead"))

    assert "PENDING" in words
    assert "until 2026-01-01 01:00:00 UTC" in words
    assert "ends if baton-prod-rejects fires" in words
    assert "Nothing was decided about it so far." in words


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("00", "'00' is too short: give at least 3 letters"),
        ("000", "6 ids start with 000: 0001beef-1, 0002beef-2"),
        ("fff", "no decision, no command and no switch starts with fff"),
        ("t99", "there is no switch t99"),
        ("abad1dea", "there is no decision and no command abad1dea"),
    ],
)
def test_what_names_nothing_or_too_much_is_refused(text: str, reason: str) -> None:
    result = _baton(_switched(), "explain", text, width=200)

    assert (result.exit_code, result.stdout) == (1, "")
    assert reason in result.stderr


def test_there_is_no_last_decision_in_a_new_world() -> None:
    assert "nothing was decided yet" in _baton(CliWorld(), "explain", "last").stderr


# --- status ----------------------------------------------------------------------------------------------------------


def test_status_tells_what_is_under_way_and_what_holds_it_back() -> None:
    control = Control(
        EPOCH,
        HOME,
        phase=Phase.DRAINING,
        phase_since=START - timedelta(seconds=9),
        transition=UNDER_WAY,
        freeze=Freeze("ann", FOREIGN, START, START + timedelta(hours=2)),
        failovers=(START,),
        cooldown_until=START + timedelta(minutes=7),
        drill=Drill(HOME, START + timedelta(minutes=30), "baton-rejects"),
    )
    world = _under(control, beaten(AWAY, START - timedelta(seconds=3)), beaten(HOME, START - timedelta(minutes=4)))

    result = _baton(world, "status")

    words = _words(result)
    for part in (
        "phase DRAINING for 9.0 s: admits nothing",
        f"switch t8: switchover from {HOME} to {AWAY}, under way for 0.0 s: switch done",
        f"frozen by ann until 2026-01-01 02:00:00 UTC: {SHOWN}",
        "cooldown for another 7 min",
        f"drill back to {HOME} at 2026-01-01 00:30:00 UTC, or as soon as baton-rejects fires",
        "budget 1 of 1 automatic failovers in 6:00:00; spent",
        f"{AWAY} 3.0 s ago UNKNOWN HEALTHY yes",
        f"{HOME} 4 min ago: silent stale stale stale",
    ):
        assert part in words
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_status_of_a_quiet_world_names_nothing_that_is_not_there() -> None:
    taken = StepDone(StepName.TAKEOVER, StepOutcome.DONE, START, AWAY, taken_over=2)
    ended = replace(UNDER_WAY, steps=(taken,), ended=Ending.COMPLETED, ended_at=START - timedelta(hours=3))
    world = _under(
        Control(
            EPOCH,
            HOME,
            transition=ended,
            freeze=Freeze("ann", "x", START, START),
            cooldown_until=START,
        ),
        replace(beaten(AWAY, START), epoch_seen=1),
    )

    words = _words(_baton(world, "status"))

    assert f"last switch t8: switchover from {HOME} to {AWAY}, completed 3 h ago, 2 batches taken over" in words
    assert f"{AWAY} 0.0 s ago UNKNOWN HEALTHY no: epoch 1" in words
    assert f"{HOME} never - - -" in words
    for absent in ("frozen", "cooldown for", "drill", "admits nothing", "spent"):
        assert absent not in words


def test_status_as_json_tells_the_same() -> None:
    control = Control(
        EPOCH,
        HOME,
        phase=Phase.VERIFYING,
        phase_since=START,
        transition=UNDER_WAY,
        freeze=Freeze("ann", "x", START, START + timedelta(hours=2), "c9"),
        drill=Drill(HOME, START + timedelta(minutes=30)),
        acknowledged_at=START,
    )

    answer = json.loads(_baton(_under(control, beaten(AWAY, START)), "status", "--json").stdout)

    assert (answer["phase"], answer["admits"], answer["in_transition"]) == ("VERIFYING", True, True)
    assert answer["transition"]["transition_id"] == "t8"
    assert answer["freeze"] == {
        "id": "c9",
        "by": "ann",
        "reason": "x",
        "at": "2026-01-01T00:00:00+00:00",
        "until": "2026-01-01T02:00:00+00:00",
        "in_force": True,
    }
    assert answer["drill"] == {"home": HOME, "ends_at": "2026-01-01T00:30:00+00:00", "blocking_alarm": None}
    assert answer["cooldown_until"] is None
    assert answer["acknowledged_at"] == "2026-01-01T00:00:00+00:00"
    assert [each["blocks"] for each in answer["budgets"]] == [False, False]
    assert [(each["region"], each["silent"]) for each in answer["controllers"]] == [(AWAY, False), (HOME, True)]
