"""A decision that breaks a rule is our bug: it is raised by the rule's number, and nothing of it is done."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from baton.model.control import Control, Phase, StepName, SwitchKind
from baton.model.journal import Decision, DecisionKind
from controller_made import EAST, START, WEST, Trace, control_made, frozen, under_way
from handover import decide as deciding
from handover.intents import Act, Intent, LookAtDrain, Note, Write
from handover.invariants import InvariantError, check
from handover.look import Look

DECISION = Decision("d1", START, WEST, DecisionKind.COMMITTED, 3, "because")


def _look(control: Control | None = None, *, ready: bool = True, dry_run: bool = False) -> Look:
    trace = Trace().warm() if ready else Trace(inside=None)
    trace.look()
    settings = trace.settings.model_copy(update={"dry_run": dry_run})
    return Look(replace(trace.memory, settings=settings), trace.seen, control or trace.control, trace.looks[-1][0])


def _moved(look: Look, *, automatic: bool = True, **changes: object) -> Write:
    switch = under_way(automatic=automatic, command_id=None if automatic else "c1")
    fields: dict[str, object] = {"epoch": 3, "active_region": WEST, "phase": Phase.SWITCHING, "transition": switch}
    return Write(look.control, look.control.changed(**{**fields, **changes}), DECISION)


def test_a_failover_in_order_passes() -> None:
    look = _look()

    check(look, (_moved(look), Note(DECISION), Act(StepName.SWITCH, look.control)))


BROKEN: list[tuple[str, Look, Callable[[Look], Intent]]] = [
    ("S6", _look(), lambda look: replace(_moved(look), before=control_made(revision=3))),
    ("S6", _look(), lambda look: replace(_moved(look), after=replace(_moved(look).after, revision=99))),
    ("S6", _look(), lambda look: _moved(look, epoch=1)),
    ("S6", _look(), lambda look: _moved(look, epoch=2)),
    ("S6", _look(), lambda look: _moved(look, epoch=4)),
    ("S6", _look(), lambda look: _moved(look, transition=None)),
    ("S7", _look(ready=False), _moved),
    ("S8", _look(control_made(failovers=(START,))), _moved),
    ("S9", _look(control_made(freeze=frozen(START + timedelta(days=1)))), _moved),
    ("S9", _look(control_made(freeze=frozen(START + timedelta(days=1)))),
     lambda look: Act(StepName.SWITCH, look.control)),
    ("S11", _look(dry_run=True), _moved),
    ("S11", _look(dry_run=True), lambda look: LookAtDrain(look.control)),
    ("S12", _look(), lambda _: Act(StepName.ROUTES, control_made(epoch=5))),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "look", "intent"), BROKEN)
def test_what_breaks_a_rule_is_raised(rule: str, look: Look, intent: Callable[[Look], Intent]) -> None:
    with pytest.raises(InvariantError, match=rf"^{rule}: "):
        check(look, (intent(look),))


def test_what_a_human_ordered_is_done_under_a_freeze_and_a_spent_budget() -> None:
    look = _look(control_made(freeze=frozen(START + timedelta(days=1)), failovers=(START,)), ready=False)

    check(look, (_moved(look, automatic=False),))


def test_every_decision_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    def starts_anywhere(look: Look) -> tuple[Look, tuple[Intent, ...]]:
        return look, (_moved(look, epoch=4),)

    trace = Trace().warm()
    monkeypatch.setattr(deciding, "_decided", starts_anywhere)

    with pytest.raises(InvariantError, match=r"^S6"):
        trace.look()
    assert (trace.control.epoch, trace.control.active_region) == (2, EAST)


def test_planned_switches_have_no_budget() -> None:
    look = _look(control_made(failovers=(START,)))
    home = under_way(SwitchKind.FAILBACK, automatic=True)

    check(look, (_moved(look, transition=home),))
