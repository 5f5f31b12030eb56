"""A ledger that goes back is noticed, and nothing is done until an operator raises the epoch."""

from dataclasses import replace

import pytest

from baton.errors import Refused
from baton.model.control import Control
from baton.model.high_water import HighWater, read, written
from baton.model.journal import CommandKind, DecisionKind, Overlay, WentBack
from controller_made import EAST, WEST, Trace, control_made
from handover.intents import Act, Write
from handover.metrics import metrics_of

COUNTS = {EAST: 500, WEST: 700}


def _after_a_switch() -> tuple[Trace, Control]:
    """Return a controller after a failover to its own Region, and the row as it was before."""
    trace = Trace(counts=dict(COUNTS)).warm()
    before = trace.control
    trace.order(CommandKind.FAILOVER, target=WEST)
    trace.run(60)
    assert trace.control.epoch == 3
    return trace, before


def _acts(trace: Trace, since: int) -> list[object]:
    return [each for _, intents in trace.looks[since:] for each in intents if isinstance(each, Act | Write)]


@pytest.mark.parametrize("region", [EAST, WEST])
def test_both_controllers_notice_a_row_from_before_a_switch_and_act_on_nothing(region: str) -> None:
    trace = Trace(region=region, control=control_made(epoch=3, active_region=WEST, revision=12)).warm()
    trace.control = control_made()
    looks = len(trace.looks)

    trace.run(120)

    assert _acts(trace, looks) == []
    assert [each.kind for each in trace.decisions][-1] is DecisionKind.WENT_BACK
    assert trace.kinds.count(DecisionKind.WENT_BACK) == 1
    assert trace.assessment.conclusion == (
        "the ledger went back from epoch 3 (revision 12) to epoch 2 (revision 7): nothing is done until "
        "`baton epoch --at-least 4`"
    )
    assert Overlay.WENT_BACK in trace.assessment.overlays
    assert metrics_of(trace.assessment, trace.control, waiting=0)["WentBack"] == (1.0, "Count")


def test_a_revision_of_the_same_epoch_that_is_gone_is_noticed() -> None:
    trace = Trace(control=control_made(revision=9)).warm()
    trace.control = control_made(revision=8)

    trace.look()

    assert trace.memory.went_back is not None


def test_a_dead_region_is_not_left_by_a_row_that_went_back() -> None:
    trace = Trace(control=control_made(revision=9)).warm()
    trace.control = control_made(revision=8)
    trace.fail()

    trace.run(300)

    assert trace.applied == []


@pytest.mark.parametrize("region", [EAST, WEST])
def test_heartbeats_that_are_gone_show_a_restore_to_a_moment_of_the_same_revision(region: str) -> None:
    trace = Trace(counts=dict(COUNTS)).warm()
    trace.counts[region] -= 100
    trace.look()
    trace.counts = {EAST: 900, WEST: 900}  # they continue at once: what was lost stays lost

    trace.run(30)

    assert trace.memory.went_back is not None
    assert "heartbeats that were in it are gone" in trace.assessment.conclusion


def test_a_heartbeat_that_does_not_say_its_number_is_no_sign() -> None:
    trace = Trace(counts=dict(COUNTS)).warm()
    trace.counts.pop(WEST)  # an older version writes it

    trace.run(30)

    assert trace.memory.went_back is None


def test_what_a_bucket_kept_shows_it_to_a_controller_that_has_just_started() -> None:
    trace = Trace(kept=HighWater(3, 12))

    trace.run(10)

    assert trace.memory.went_back is not None
    assert trace.memory.went_back.at_least == 4


def test_what_the_other_controller_has_seen_may_be_newer_than_a_row_that_was_being_read() -> None:
    trace = Trace().warm()
    trace.says_high_water = HighWater(3, 8)  # a moment after this look read the row
    trace.look()
    trace.control = control_made(epoch=3, active_region=WEST, revision=8)

    trace.run(30)

    assert trace.memory.went_back is None


def test_what_the_other_controller_has_seen_shows_it_to_one_that_slept_through_the_switch() -> None:
    trace = Trace(says_high_water=HighWater(3, 8))

    trace.run(10)

    assert trace.memory.went_back is not None


def test_until_its_bucket_has_answered_a_controller_acts_on_nothing() -> None:
    trace = Trace(kept_is_known=False)
    trace.order(CommandKind.FAILOVER, target=WEST)
    trace.run(60)

    assert trace.applied == []
    assert "not known yet" in trace.assessment.conclusion

    trace.kept_is_known = True
    trace.run(30)
    assert trace.control.active_region == WEST


def test_what_the_other_controller_says_counts_until_the_epoch_is_raised() -> None:
    trace = Trace(says_went_back=WentBack(HighWater(2, 7, {EAST: 9}), HighWater(2, 7, {EAST: 3})))
    trace.run(30)
    assert trace.memory.went_back is not None

    trace.control = control_made(epoch=4, revision=8)
    trace.look()
    assert trace.memory.went_back is None


def test_every_order_is_refused_once_and_old_ones_that_came_back_as_well() -> None:
    trace, before = _after_a_switch()
    trace.control = before

    trace.order(CommandKind.FREEZE, until=trace.now.replace(year=2027))
    trace.order(CommandKind.FAILOVER, target=WEST)
    trace.run(30)

    assert [state for state, _ in trace.answers[-2:]] == ["REFUSED", "REFUSED"]
    assert "order it again after that" in trace.answers[-1][1]
    assert trace.control == before


def test_an_epoch_that_was_never_in_force_lets_it_act_again() -> None:
    trace, before = _after_a_switch()
    trace.control = before
    trace.run(30)
    trace.control = replace(before, epoch=5, active_region=WEST, revision=before.revision + 1)
    looks = len(trace.looks)

    trace.run(60)

    assert trace.memory.went_back is None
    assert _acts(trace, looks)
    assert Overlay.WENT_BACK not in trace.assessment.overlays


def test_regions_in_another_order_than_the_rows_act_on_nothing() -> None:
    trace = Trace(control=control_made(epoch=3, active_region=EAST))
    trace.fail()

    trace.run(300)

    assert trace.applied == []
    assert "BATON_REGIONS" in trace.assessment.conclusion


def test_the_furthest_of_two_is_what_either_has_seen() -> None:
    joined = HighWater(3, 9, {EAST: 5}).joined(HighWater(2, 12, {EAST: 4, WEST: 8}))

    assert (joined.place, joined.beats) == ((3, 9), {EAST: 5, WEST: 8})
    assert read(written(joined)) == joined
    with pytest.raises(Refused):
        read(b"{}")
