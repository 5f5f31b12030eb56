"""What a controller does about what a newer version wrote: it takes no action, and says so."""

from dataclasses import replace

import pytest

from baton.model.control import Control, Ending, Phase, StepDone, StepName, StepOutcome, SwitchKind
from baton.model.journal import CommandKind, DecisionKind, State
from controller_made import START, WEST, Trace, control_made, under_way

MIRRORED = StepDone(StepName("mirror"), StepOutcome.DONE, START, WEST)


@pytest.mark.parametrize(
    ("control", "word"),
    [
        (control_made(phase=Phase("RESTING")), "RESTING"),
        (control_made(phase=Phase.SWITCHING, transition=under_way(SwitchKind("evacuation"))), "evacuation"),
        (control_made(phase=Phase.SWITCHING, transition=under_way(steps=(MIRRORED,))), "mirror"),
    ],
)
def test_a_control_row_that_it_does_not_understand_is_left_alone(control: Control, word: str) -> None:
    trace = Trace(control=control)
    trace.run(60)
    trace.fail()
    trace.run(300)
    trace.order(CommandKind.FREEZE, until=START)

    assert [intents for _, intents in trace.looks if intents] == []
    said = trace.assessment
    assert (
        said.conclusion
        == f"a newer version of Baton wrote {word} into the control row: this controller takes no action"
    )


def test_a_switch_that_ended_in_a_way_that_it_does_not_know_is_over() -> None:
    ended = under_way(SwitchKind("evacuation"), ended=Ending("abandoned"), ended_at=START)
    trace = Trace(control=control_made(transition=ended))
    trace.run(60)
    trace.fail()
    trace.run(120)

    assert DecisionKind.COMMITTED in trace.kinds
    assert trace.applied[0].left == ended
    assert ended.outcome == "abandoned"


def test_an_order_that_it_does_not_know_is_refused_in_words() -> None:
    trace = Trace().warm()
    trace.order(CommandKind("evacuate"), target=WEST)

    (answer,) = trace.answers
    assert answer == (
        "REFUSED",
        "this version of Baton knows no order evacuate: order it again once both controllers are newer",
    )
    assert trace.applied == []
    assert trace.assessment.state is State.STEADY


def test_what_a_newer_version_left_in_the_row_survives_a_whole_switch() -> None:
    first = replace(control_made(), more={"novelty": 3})
    trace = Trace(control=first).warm()
    trace.order(CommandKind.FAILOVER, target=WEST)
    trace.run(60)

    assert trace.control.phase is Phase.COOLDOWN
    assert trace.control.more == {"novelty": 3}
