"""`baton epoch`: after a restore the epoch is raised above all that were in force, by one who says so."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from aio import run
from baton.memory import MemoryLedger
from baton.model import high_water
from baton.model.control import Control, Drill, Ending, Phase, SwitchKind, Transition
from baton.model.high_water import HighWater
from baton.model.journal import DecisionKind
from baton.testing import virtual_time
from baton_cli.main import app
from baton_cli.session import Session
from cli_world import AWAY, EPOCH, HOME, CliWorld, Silent, virtual_world
from controllers_played import PlayedWorld


def _baton(world: CliWorld, *args: object, asked: list[str] | None = None, answer: bool = True) -> Result:
    def confirmed(question: str) -> bool:
        (asked if asked is not None else []).append(question)
        return answer

    session = Session(
        world,
        out=Console(highlight=False, width=200),
        err=Console(stderr=True, highlight=False, width=200),
        runner=virtual_time.run,
        who=lambda: "ann@desk",
        confirmed=confirmed,
        dice=random.Random(7),
    )
    return CliRunner().invoke(app, [str(arg) for arg in args], obj=session)


def _restored(make: Callable[[], CliWorld] = virtual_world, **changes: Any) -> CliWorld:
    """Return a world whose ledger was at epoch 3, with AWAY active, and is back at 2."""
    world = make()
    world.ledger._store.control = replace(Control(EPOCH, HOME, revision=8), **changes)
    run(world.away.objects.put(high_water.KEY, high_water.written(HighWater(3, 11))))
    return world


def test_the_region_that_was_active_last_is_active_again_above_every_epoch() -> None:
    world, asked = _restored(), list[str]()

    result = _baton(world, "epoch", "--at-least", 4, "--reason", "table restored", asked=asked)

    assert result.exit_code == 0, result.stderr
    control = run(world.ledger.control())
    assert (control.epoch, control.active_region, control.revision, control.phase) == (5, AWAY, 9, Phase.STEADY)
    assert asked == [
        f"The ledger has epoch 2 ({HOME} is active); the last one known is 3. Raise it to 5, with {AWAY} active?"
    ]
    assert "2 -> 5, above 3" in result.stdout
    assert "both controllers act again" in result.stdout
    (decision,) = run(world.journal.decisions(limit=5))
    assert (decision.kind, decision.epoch) == (DecisionKind.COMMANDED, 5)
    assert decision.summary == (f"ann@desk raised the epoch to 5: {AWAY} is active; known was epoch 3: table restored")


@pytest.mark.parametrize(
    ("at_least", "says"),
    [(2, "epoch 3 was in force already: order at least 4"), (3, "at least 4"), (4_000, "4,000 is far above epoch 3")],
)
def test_nonsense_is_refused_and_nothing_is_changed(at_least: int, says: str) -> None:
    world = _restored()

    result = _baton(world, "epoch", "--at-least", at_least)

    assert result.exit_code == 1
    assert says in result.stderr
    assert run(world.ledger.control()).epoch == EPOCH


def test_a_ledger_that_was_not_restored_keeps_its_epoch() -> None:
    world = virtual_world()

    result = _baton(world, "epoch", "--at-least", 3, "--yes")

    assert result.exit_code == 1
    assert "nothing says that the ledger was restored" in result.stderr
    assert run(world.ledger.control()).epoch == EPOCH


def test_the_way_home_of_a_drill_outlives_an_epoch_that_is_raised_without_need() -> None:
    drill = Drill(HOME, virtual_time.run(_now()), "an-alarm")
    world = virtual_world()
    world.ledger._store.control = Control(3, AWAY, drill=drill)

    assert _baton(world, "epoch", "--at-least", 4, "--force", "--yes").exit_code == 0

    control = run(world.ledger.control())
    assert (control.epoch, control.active_region, control.drill) == (5, AWAY, drill)


def test_a_drill_of_before_a_restore_is_over() -> None:
    world = _restored(drill=Drill(HOME, virtual_time.run(_now())))

    _baton(world, "epoch", "--at-least", 4, "--yes")

    assert run(world.ledger.control()).drill is None


def test_who_does_not_confirm_changes_nothing_and_is_told_if_nothing_was_restored() -> None:
    world, asked = virtual_world(), list[str]()

    result = _baton(world, "epoch", "--at-least", 3, "--force", asked=asked, answer=False)

    assert result.exit_code == 1
    assert "Nothing says that the ledger was restored" in asked[0]
    assert run(world.ledger.control()).epoch == EPOCH


def test_a_switch_that_came_back_half_done_is_over() -> None:
    half = Transition("t8", SwitchKind.SWITCHOVER, HOME, AWAY, "r", virtual_time.run(_now()), automatic=False)
    world = _restored(phase=Phase.DRAINING, transition=half)

    _baton(world, "epoch", "--at-least", 4, "--yes")

    control = run(world.ledger.control())
    assert control.transition is not None
    assert (control.phase, control.transition.ended) == (Phase.STEADY, Ending.SUPERSEDED)


async def _now() -> Any:
    return virtual_world().clock.now()


def test_a_region_that_is_gone_does_not_hold_it_up() -> None:
    world = _restored()
    world.lose(HOME, Silent(), "objects")

    result = _baton(world, "epoch", "--at-least", 4, "--json")

    assert json.loads(result.stdout)["epoch"] == 5


def test_regions_in_another_order_are_refused() -> None:
    world = virtual_world()
    world.ledger._store.control = Control(EPOCH, AWAY)

    result = _baton(world, "epoch", "--at-least", 4)

    assert result.exit_code == 1
    assert "BATON_REGIONS" in result.stderr


def test_status_and_explain_say_what_happened_and_what_to_do() -> None:
    world = PlayedWorld(ledger=MemoryLedger(Control(3, AWAY, revision=12))).play(HOME, AWAY)
    _baton(world, "status")  # a minute passes
    world.ledger._store.control = Control(EPOCH, HOME, revision=8)

    status, explained = _baton(world, "status"), _baton(world, "explain")
    document = json.loads(_baton(world, "status", "--json").stdout)

    assert "baton epoch --at-least 4" in " ".join(status.stdout.split())
    assert "the ledger went back from epoch 3" in " ".join(explained.stdout.split())
    assert document["went_back"]["epoch_at_least"] == 4
    assert _baton(world, "epoch", "--at-least", 4).exit_code == 0
    assert "baton epoch --at-least" not in " ".join(_baton(world, "status").stdout.split())


def test_a_failover_without_controllers_is_refused_until_the_epoch_is_raised() -> None:
    world = _restored()

    result = _baton(world, "failover", "--to", AWAY, "--without-controllers", "--force")

    assert result.exit_code == 1
    assert "baton epoch --at-least 4" in result.stderr
    assert run(world.ledger.control()).epoch == EPOCH
