"""A switch as it would be: its calls, whether it would be refused and why, its worst case in time."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from aio import run
from baton.memory import MemoryLedger
from baton.memory.clock import START
from baton.model.control import Control, Phase, SwitchBackend, SwitchKind, Transition
from baton.model.journal import Heartbeat, Rule, Verdict
from baton.testing import virtual_time
from baton_cli.main import app
from baton_cli.session import Session
from cli_world import AWAY, EPOCH, HOME, CliWorld
from controllers_played import PlayedWorld
from handover.settings import ControllerSettings
from handover.timeline import timing
from journals_made import beaten


def _baton(world: CliWorld, *args: object, width: int = 80) -> Result:
    session = Session(
        world,
        out=Console(highlight=False, width=width),
        err=Console(stderr=True, highlight=False, width=width),
        runner=virtual_time.run,
    )
    return CliRunner().invoke(app, ["plan", *(str(arg) for arg in args)], obj=session)


def _both(control: Control | None = None) -> PlayedWorld:
    return PlayedWorld(ledger=MemoryLedger(control or Control(EPOCH, HOME))).play(HOME, AWAY)


def _answer(world: CliWorld, *args: object) -> dict[str, Any]:
    return json.loads(_baton(world, *args, "--json").stdout)


def _ready(region: str, **changes: Any) -> Heartbeat:
    """Return a heartbeat whose readiness is proved."""
    beat = beaten(region, START)
    rules = (Rule("own canary", Verdict.HEALTHY, "2 s", "fresh", 1.0),)
    return replace(beat, settings="", assessment=replace(beat.assessment, readiness=rules), **changes)


def _under(control: Control, *beats: Heartbeat) -> CliWorld:
    world = CliWorld(ledger=MemoryLedger(control))
    for beat in beats:
        run(world.journal.beat(beat))
    return world


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("failover", ["commit", "takeover", "switch", "routes", "record", "verify", "tell"]),
        ("switchover", ["drain", "commit", "takeover", "switch", "routes", "record", "verify", "tell"]),
    ],
)
def test_a_plan_names_every_call_and_touches_nothing(kind: str, parts: list[str]) -> None:
    world = _both()

    answer = _answer(world, "--to", AWAY, "--kind", kind)

    assert list(dict.fromkeys(call["part"] for call in answer["calls"])) == parts
    assert answer["carried_out"]
    assert (answer["driver"], answer["refusal"], answer["kind"]) == (AWAY, None, kind)
    assert all(call["data_plane"] for call in answer["calls"])
    assert run(world.ledger.control()) == Control(EPOCH, HOME)
    assert run(world.journal.decisions(limit=10)) == []


def test_a_plan_for_people_says_who_would_take_it_on_what_rules_and_by_which_calls() -> None:
    result = _baton(_both(), "--to", AWAY)

    words = " ".join(result.stdout.split())
    assert result.exit_code == 0
    assert words.startswith(f"failover from {HOME} to {AWAY}, epoch 2: the controller of {AWAY} would take it")
    assert "switch endpoints HEALTHY 5 of 5 answer" in words
    assert "route53-recovery-cluster UpdateRoutingControlStates" in words
    assert "baton-test-ledger" in words
    assert "at worst" not in words
    assert max(map(len, result.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("backend", "service"),
    [
        (SwitchBackend.LEDGER, set[str]()),
        (SwitchBackend.REGION_SWITCH, {"arc-region-switch"}),
        (SwitchBackend.ARC, {"route53-recovery-cluster"}),
        (None, {"route53-recovery-cluster"}),
    ],
)
def test_the_switch_that_the_controllers_turn_is_turned(backend: SwitchBackend | None, service: set[str]) -> None:
    beat = replace(_ready(AWAY), switch=backend)

    answer = _answer(_under(Control(EPOCH, HOME), beat), "--to", AWAY)

    assert {call["service"] for call in answer["calls"]} == {"dynamodb", "sqs", "s3control", "s3", "events", *service}


@pytest.mark.parametrize(
    ("control", "args", "reason"),
    [
        (Control(EPOCH, HOME), ("--to", HOME), f"{HOME} is active already"),
        (Control(EPOCH, HOME), ("--to", AWAY, "--kind", "failback"), f"home is {HOME}; use switchover"),
        (
            Control(
                EPOCH,
                HOME,
                phase=Phase.DRAINING,
                transition=Transition("t4", SwitchKind.SWITCHOVER, HOME, AWAY, "", START, automatic=False),
            ),
            ("--to", AWAY, "--kind", "switchover"),
            "a switch is under way (t4); only a failover may replace it",
        ),
    ],
)
def test_what_a_controller_would_refuse_is_said_in_its_words(
    control: Control, args: tuple[str, ...], reason: str
) -> None:
    world = _under(control, _ready(HOME), _ready(AWAY))

    result = _baton(world, *args)
    answer = _answer(world, *args)

    assert result.exit_code == 1
    assert f"would be refused: {reason}" in " ".join(result.stdout.split())
    assert (answer["refusal"], answer["calls"], answer["carried_out"]) == (reason, [], False)


@pytest.mark.parametrize(("kind", "hint"), [("failover", "; --force overrides this"), ("switchover", "")])
def test_a_region_that_is_not_ready_is_named_with_what_fails_and_the_calls_all_the_same(kind: str, hint: str) -> None:
    world = _both()
    world.controllers[AWAY].canary = Verdict.UNHEALTHY

    answer = _answer(world, "--to", AWAY, "--kind", kind)

    assert answer["refusal"].startswith(f"{AWAY} does not prove that it is ready: own canary: 2.0 s")
    assert answer["refusal"].endswith(")" + hint)
    assert answer["calls"]


def test_a_plan_agrees_with_what_comes_of_the_order() -> None:
    """The words are those of the controller that gets it."""
    world = _both()
    world.controllers[AWAY].canary = Verdict.UNHEALTHY
    planned = _answer(world, "--to", AWAY)["refusal"]

    session = Session(world, runner=virtual_time.run, confirmed=lambda _: True)
    ordered = CliRunner().invoke(app, ["failover", "--to", AWAY, "--json"], obj=session)

    assert json.loads(ordered.stdout)["answer"] == planned


def test_a_controller_that_does_not_follow_proves_nothing() -> None:
    world = _under(Control(EPOCH, HOME), _ready(AWAY, epoch_seen=EPOCH - 1))

    assert _answer(world, "--to", AWAY)["refusal"] == (
        f"{AWAY} does not prove that it is ready: follows: epoch 1; --force overrides this"
    )


def test_the_other_controller_drives_if_that_of_the_target_is_silent() -> None:
    silent = _ready(AWAY, at=START - timedelta(minutes=5))

    assert _answer(_under(Control(EPOCH, HOME), silent, _ready(HOME)), "--to", AWAY)["driver"] == HOME


def test_nobody_would_take_it_if_no_controller_lives() -> None:
    result = _baton(CliWorld(), "--to", AWAY)
    answer = _answer(CliWorld(), "--to", AWAY)

    assert result.exit_code == 1
    assert "no controller would take it: none runs" in " ".join(result.stdout.split())
    assert (answer["driver"], answer["refusal"], answer["carried_out"]) == (None, None, False)


def test_a_drill_can_be_planned() -> None:
    assert _answer(_both(), "--to", AWAY, "--kind", "drill")["carried_out"]


def test_a_region_that_is_none_cannot_be_planned() -> None:
    result = _baton(CliWorld(), "--to", "us-east-9")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "there is no Region us-east-9" in result.stderr


def test_the_timeline_is_that_of_the_settings_in_the_heartbeat() -> None:
    fast = ControllerSettings(time_scale=10).scaled()
    world = _under(Control(EPOCH, HOME), replace(_ready(AWAY), settings=fast.model_dump_json()))

    answer = _answer(world, "--to", AWAY, "--timing")
    shown = " ".join(_baton(world, "--to", AWAY, "--timing", width=200).stdout.split())

    steps = timing(fast)
    assert [(each["step"], each["at_seconds"]) for each in answer["timeline"]] == [
        (step.name, step.at_seconds) for step in steps
    ]
    assert "An automatic failover, at worst" in shown
    assert f"{steps[-1].at_seconds:.1f} s {steps[-1].name}" in shown


def test_the_timeline_is_that_of_the_defaults_if_no_controller_was_ever_heard() -> None:
    answer = _answer(CliWorld(), "--to", AWAY)

    assert answer["timeline"][-1]["at_seconds"] == timing(ControllerSettings())[-1].at_seconds
