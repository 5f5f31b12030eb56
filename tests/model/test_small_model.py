"""The protocol of control epoch, owner epoch, routing controls and mail claim holds in every interleaving.

docs/model.md says what is modelled and what is not. `pytest -rP tests/model` shows the figures.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from baton_proof.small_model.explore import Exploration, Step, explore
from baton_proof.small_model.protocol import Baton
from baton_proof.small_model.state import SETTLED, Bug, Design, Law, SearchBounds, State

_DOCUMENTED = (Path(__file__).parents[2] / "docs/model.md").read_text()
_HANDOVER = (
    "controller B decides to switch",
    "controller B switches",
    "controller A finds ARC other than its row says",
    "controller A sets ARC",
    "controller A reads the control row again",
    "controller B reads a batch of the other Region",
    "controller B takes the batch over",
    "worker A admits",
    "worker B publishes",
    "worker B claims the mail",
    "worker B sends the mail",
    "worker B marks the mail as sent",
)
_LATE = ("a late write of ARC for A arrives", "a late write of the batch arrives", "a late mail arrives")


@dataclass(frozen=True, slots=True)
class World:
    """One design to explore, and what must have happened in it for the exploration to mean anything."""

    design: Design
    must_happen: tuple[str, ...]


WORLDS = {
    "two switches, crashes, a hanging request": World(
        Design(SearchBounds(decisions=2, crashes=2, delays=1)),
        (*_HANDOVER, *_LATE, "a late takeover arrives", "worker A crashes", "controller A is refused a switch"),
    ),
    "somebody at the console": World(
        Design(SearchBounds(decisions=1, crashes=1, delays=1, hands=1)),
        (*_HANDOVER, *_LATE[1:], "somebody turns A Off by hand"),
    ),
    "a Region is lost permanently": World(
        Design(SearchBounds(decisions=2, delays=1, losses=1)),
        (*_HANDOVER, *_LATE, "Region A is lost", "the lease of the mail claim is over"),
    ),
    "two notifiers in one Region, one of them slow": World(
        Design(SearchBounds(decisions=1, crashes=1, delays=1, slow_marks=1), workers=(0, 0, 1)),
        (*_HANDOVER, *_LATE[1:], "the lease of the mail claim is over before its mark"),
    ),
    "the switch alone, back and forth": World(
        Design(SearchBounds(decisions=3, delays=3, hands=1), row=SETTLED),
        (*_HANDOVER[:5], *_LATE[:1], "controller A is about to repeat a write of ARC that hangs"),
    ),
}


def _explored(design: Design) -> Exploration[State]:
    report = explore(Baton(design))
    sys.stdout.write(f"{design}\n{report}\n")
    return report


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())
def test_every_law_holds_in_every_state(world: World) -> None:
    report = _explored(world.design)

    assert report.found is None, str(report.found)
    assert set(world.must_happen) <= report.taken.keys()
    assert _figures(report) in _DOCUMENTED, f"docs/model.md should say {_figures(report)}"
    assert max(end.sends for end in report.ends) <= 1 + _windows(world.design.bounds)


def _figures(report: Exploration[State]) -> str:
    return f"| {report.states:,} | {report.transitions:,} | {report.depth} |"


def _windows(bounds: SearchBounds) -> int:
    """Return how often something can come between a mail claim and its mark: each time, one more mail."""
    return bounds.decisions + bounds.crashes + bounds.delays + bounds.slow_marks + bounds.losses


def test_what_parts_no_claim_from_its_mark_sends_no_second_mail() -> None:
    report = _explored(Design(SearchBounds(hands=2)))

    assert report.found is None, str(report.found)
    assert {end.sends for end in report.ends} == {1}


def test_a_takeover_between_claim_and_mark_is_the_window_in_which_a_mail_is_sent_again() -> None:
    report = _explored(Design(SearchBounds(decisions=1)))

    assert report.found is None, str(report.found)
    assert {end.sends for end in report.ends} == {1, 2}


@pytest.mark.parametrize(
    "bounds",
    [
        pytest.param(SearchBounds(decisions=2, crashes=1), id="switches and a crash"),
        pytest.param(SearchBounds(decisions=1, delays=1), id="a hanging request"),
        pytest.param(SearchBounds(decisions=1, hands=1, losses=1), id="a lost Region"),
    ],
)
def test_what_is_not_explored_would_show_no_other_end(bounds: SearchBounds) -> None:
    reduced = _explored(Design(bounds))
    full = _explored(Design(bounds, reduced=False))

    assert full.found is None, str(full.found)
    assert _ends(full) == _ends(reduced)
    assert full.states > 2 * reduced.states


def _ends(report: Exploration[State]) -> set[State]:
    """Return the ends, whatever could still have gone wrong."""
    return {end._replace(left=SearchBounds()) for end in report.ends}


@dataclass(frozen=True, slots=True)
class Mistake:
    """What a mistake breaks first, and in which world."""

    law: Law
    world: Design


ONE_SWITCH = Design(SearchBounds(decisions=1))
MISTAKES = {
    Bug.EPOCH_NOT_IN_CONDITION: Mistake(Law.FENCED, ONE_SWITCH),
    Bug.ARC_TOGGLED: Mistake(Law.ABSOLUTE, ONE_SWITCH),
    Bug.TAKEOVER_WITHOUT_CAS: Mistake(Law.ROW_FORWARD, ONE_SWITCH),
    Bug.TAKEOVER_BY_REGION_ALONE: Mistake(Law.OWNER_GROWS, ONE_SWITCH),
    Bug.TAKEOVER_ONCE: Mistake(Law.MAILED, Design(SearchBounds(decisions=1, losses=1))),
    Bug.MAIL_BEFORE_CLAIM: Mistake(Law.SENDS, Design(SearchBounds(crashes=1))),
    Bug.CLAIM_WITHOUT_CAS: Mistake(Law.CLAIM_KEPT, Design(workers=(0, 0))),
    Bug.MARK_FOLLOWS_TAKEOVER: Mistake(Law.FENCED, ONE_SWITCH),
    Bug.LEASE_NOT_KEPT: Mistake(Law.ONE_CLAIM, ONE_SWITCH),
    Bug.ARC_BEFORE_CONTROL: Mistake(Law.INTENT_FIRST, ONE_SWITCH),
    Bug.CONTROL_WITHOUT_CAS: Mistake(Law.EPOCH_GROWS, Design(SearchBounds(decisions=3), row=SETTLED)),
    Bug.EPOCH_PLUS_ONE: Mistake(Law.RESIDUE, Design(SearchBounds(decisions=2))),
    Bug.NO_ARC_RULE: Mistake(Law.BOTH_ON, Design(SearchBounds(hands=1))),
    Bug.NO_RECONCILER: Mistake(Law.ARC_AGREES, Design(SearchBounds(decisions=2, delays=1), row=SETTLED)),
}


def test_every_mistake_is_tried() -> None:
    assert MISTAKES.keys() == set(Bug)


@pytest.mark.parametrize("bug", Bug, ids=lambda bug: bug.name.lower())
def test_a_mistake_is_found_in_a_world_where_the_design_holds(bug: Bug) -> None:
    mistake = MISTAKES[bug]

    assert explore(Baton(mistake.world)).found is None
    found = explore(Baton(replace(mistake.world, bug=bug))).found

    assert found is not None
    sys.stdout.write(f"{bug}\n{found}\n")
    assert found.law == mistake.law, str(found)


def test_toggles_never_come_to_rest() -> None:
    """Were toggling no broken law in itself: two controllers undo each other's work endlessly."""

    class Lenient(Baton):
        def progress(self, state: State) -> Iterator[Step[State]]:
            return ((label, after, None) for label, after, _ in super().progress(state))

    found = explore(Lenient(Design(SearchBounds(decisions=1), row=SETTLED, bug=Bug.ARC_TOGGLED))).found

    assert found is not None
    assert found.law == Law.ENDS
    assert found.loop_from is not None
    assert found.steps[found.loop_from :].count("controller A sets ARC") >= 1
