"""`baton failover --without-controllers`, as typed: what it says while it does it all, and what is left to do."""

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
from baton.memory import LoopClock
from baton.memory.clock import START
from baton.model.control import Control, Freeze, StepName, SwitchBackend
from baton.model.journal import CommandState
from baton.model.states import BatchState
from baton.testing import virtual_time
from baton_cli.main import app
from baton_cli.session import Session
from canaries_served import serve
from cli_world import AWAY, EPOCH, HOME, CliWorld, Silent
from controller_made import heartbeat
from controllers_played import PlayedWorld

ID = f"{random.Random(7).getrandbits(32):08x}"


def _served(world: CliWorld | None = None) -> CliWorld:
    """Return a world whose services work, and whose controllers do not run."""
    world = world or CliWorld(clock=LoopClock())
    for region in (world.home, world.away):
        serve(region, world.ledger)
    return world


def _baton(world: CliWorld, *args: object) -> Result:
    session = Session(
        world,
        out=Console(highlight=False, width=80),
        err=Console(stderr=True, highlight=False, width=80),
        runner=virtual_time.run,
        who=lambda: "ann@desk",
        confirmed=lambda _: True,
        dice=random.Random(7),
    )
    return CliRunner().invoke(app, [str(arg) for arg in args], obj=session)


def _failover(world: CliWorld, *args: object, to: str = AWAY) -> Result:
    return _baton(world, "failover", "--to", to, "--without-controllers", *args)


def _admit(world: CliWorld) -> None:
    """Have an open batch in the first Region."""

    async def story() -> None:
        await world.admit(world.batch(state=BatchState.SPLIT))

    virtual_time.run(story())


def _told(result: Result) -> list[str]:
    return [re.sub(r"^\+ +[\d.]+ s +", "", line) for line in result.stderr.splitlines()]


def test_it_says_each_step_with_its_result_and_what_is_left_to_do() -> None:
    world = _served()
    _admit(world)

    result = _failover(world, "--reason", "both controllers are gone")

    assert result.exit_code == 0, result.stderr
    told = _told(result)
    assert told[:2] == [f"Order {ID}", f"Whether {AWAY} is ready: canaries go through it"]
    assert all(re.fullmatch(r"a canary: went the whole way in \d\.\d s", line) for line in told[2:5])
    steps = told[7:10]
    assert [*told[5:7], *sorted(steps), *told[10:]] == [
        "accepted by ann@desk: switch t1",
        f"the epoch moved to 3: {AWAY} is active",
        f"routes done: set 100 % to {AWAY}, read back",
        f"switch done: set On for {AWAY}, read back",
        "takeover done: 1 batch taken over, 1 of them to continue apart",
        "verified: canary: went the whole way in 0.5 s",
        "failover t1 completed",
    ]
    shown = " ".join(result.stdout.split())
    assert f"{AWAY} is active under epoch 3" in shown
    assert "Still to do - start the controllers: until one runs there is no automatic failover" in shown
    assert f"- baton failback, once {HOME} is ready again: baton status" in shown
    assert "baton ack" not in shown
    assert run(world.switch.states()) == {HOME: False, AWAY: True}
    assert run(world.routes.dials()) == {HOME: 0, AWAY: 100}


def test_history_and_explain_name_who_did_it() -> None:
    world = _served()
    _failover(world)

    history = _baton(world, "history").stdout
    explained = " ".join(_baton(world, "explain", "t1").stdout.split())
    order = " ".join(_baton(world, "explain", ID).stdout.split())

    assert f"ann@desk for {AWAY}  committed" in history
    assert "by ann@desk: set On for" in explained
    assert "ACCEPTED by ann@desk: switch t1" in order


def test_a_script_gets_one_json_object() -> None:
    result = _failover(_served(), "--json")

    answer = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (answer["outcome"], answer["settled_operator"], answer["active_region"]) == ("completed", "ann@desk", AWAY)
    assert {step["operator"] for step in answer["transition"]["steps"]} == {"ann@desk"}


def test_a_region_that_is_not_ready_is_refused_and_nothing_has_changed() -> None:
    world = CliWorld(clock=LoopClock())  # nobody admits its canaries

    result = _failover(world)

    assert result.exit_code == 1
    assert "a canary failed: it was not admitted after 10 s" in result.stderr
    assert "own canary: it was not admitted after 10 s" in " ".join(result.stdout.split())
    assert run(world.ledger.control()) == Control(EPOCH, HOME)
    command = run(world.journal.command(ID))
    assert command is not None
    assert command.state is CommandState.REFUSED


def test_force_does_not_wait_for_canaries() -> None:
    result = _failover(CliWorld(clock=LoopClock()), "--force", "--timeout", "20")

    assert "canaries go through it" not in result.stderr
    assert f"the epoch moved to 3: {AWAY} is active" in result.stderr
    assert "continue it: baton failover" in " ".join(result.stdout.split())


def test_a_region_that_is_active_already_gets_what_it_lacks() -> None:
    world = _served(CliWorld(clock=LoopClock()))
    control = run(world.ledger.control())
    run(world.ledger.set_control(control.changed(epoch=3, active_region=AWAY), before=control))
    _admit(world)

    result = _failover(world)

    shown = " ".join(result.stdout.split())
    assert result.exit_code == 0, result.stdout
    assert f"{AWAY} was active already, under epoch 3" in shown
    assert f"switch set On for {AWAY}, read back" in shown
    assert "takeover 1 batch taken over" in shown
    assert run(world.journal.pending()) == []


def test_what_is_not_in_line_in_time_is_named() -> None:
    world = _served(CliWorld(clock=LoopClock()))
    control = run(world.ledger.control())
    run(world.ledger.set_control(control.changed(epoch=3, active_region=AWAY), before=control))
    world.routes = Silent()

    result = _failover(world, "--timeout", "180")

    assert result.exit_code == 4
    assert "routes is not done, and is tried again: it took longer than 150 s" in result.stderr
    assert "- routes: not done" in " ".join(result.stdout.split())


def test_under_a_freeze_a_region_that_is_active_is_left_as_it_is() -> None:
    world = _served()
    control, until = run(world.ledger.control()), START + timedelta(hours=1)
    frozen = control.changed(epoch=3, active_region=AWAY, freeze=Freeze("bob", "works", START, until))
    run(world.ledger.set_control(frozen, before=control))

    result = _failover(world)

    assert result.exit_code == 1
    assert "frozen by bob" in result.stderr


def _heard(world: CliWorld, switch: SwitchBackend) -> None:
    run(world.journal.beat(heartbeat(HOME, 1, START - timedelta(hours=1), switch=switch)))


def test_a_machine_that_turns_another_switch_than_the_controllers_is_refused() -> None:
    world = _served()
    _heard(world, SwitchBackend.REGION_SWITCH)

    result = _failover(world)

    assert (result.exit_code, result.stdout) == (1, "")
    said = " ".join(result.stderr.split())
    assert "the controllers turn region-switch, and here BATON_SWITCH_KIND is arc" in said
    assert run(world.ledger.control()) == Control(EPOCH, HOME)


def test_a_machine_that_names_the_regions_in_another_order_is_refused() -> None:
    world = _served()
    world.connection = replace(world.connection, regions=(AWAY, HOME))

    result = _failover(world)

    assert result.exit_code == 1
    assert "name the Regions as every other process does" in " ".join(result.stderr.split())
    assert run(world.ledger.control()) == Control(EPOCH, HOME)


@pytest.mark.parametrize("args", [("--no-wait",), ("--no-wait", "--json")])
def test_nobody_else_would_do_what_is_not_waited_for(args: tuple[str, ...]) -> None:
    result = _failover(_served(), *args)

    assert (result.exit_code, result.stdout) == (1, "")


def test_a_controller_that_runs_in_spite_of_all_is_named_and_does_no_harm() -> None:
    world: Any = _served(PlayedWorld().play(HOME, AWAY))

    result = _failover(world)

    assert result.exit_code == 0, result.stderr
    assert f"The controller of {AWAY} was heard" in result.stderr
    assert "start the controller" not in result.stdout, "both run"
    assert f"- baton failback, once {HOME} is ready again" in " ".join(result.stdout.split())
    assert run(world.ledger.control()).epoch == EPOCH + 1


def test_the_controller_that_does_not_run_is_named() -> None:
    world: Any = _served(PlayedWorld().play(AWAY))

    shown = " ".join(_failover(world, "--force").stdout.split())

    assert f"- start the controller of {HOME}: the one of {AWAY} runs" in shown


def test_an_ack_that_is_due_is_named() -> None:
    world = _served()
    control = run(world.ledger.control())
    run(world.ledger.set_control(control.changed(failovers=(START - timedelta(hours=1),)), before=control))

    result = _failover(world)

    assert "baton ack, once the cause is found" in " ".join(result.stdout.split())


def test_a_degraded_switch_names_what_is_missing() -> None:
    world = _served()

    async def close() -> None:
        world.switch.open_gate(is_open=False)

    virtual_time.run(close())

    result = _failover(world)

    assert result.exit_code == 4
    shown = " ".join(result.stdout.split())
    assert f"- {StepName.SWITCH}: not done. The same command once more tries it, and so do controllers" in shown
