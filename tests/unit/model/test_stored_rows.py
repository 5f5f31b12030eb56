"""Rows that another version of Baton wrote: read whatever is in them, and written back complete."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from baton.errors import Refused
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
    SwitchBackend,
    SwitchKind,
)
from baton.model.journal import CommandKind, DecisionKind, Overlay, Signal, State, Verdict
from baton.model.rows import COMMAND, CONTROL, DECISION, HEARTBEAT, SWITCH, Form
from baton.model.stored import SCHEMA
from journals_made import EAST, WEST, asked, beaten, decided, left, settled

STEP = StepDone(StepName.ROUTES, StepOutcome.DEGRADED, START, WEST, "slow")
FULL = Control(
    3, WEST, 8, Phase.COOLDOWN, START,
    transition=replace(left("t1", START), steps=(STEP,)),
    freeze=Freeze("ann", "works", START, START + timedelta(hours=1)),
    drill=Drill(EAST, START),
    failovers=(START,),
    commands=("c1",),
)  # fmt: skip
ALL: list[tuple[Form[Any], Any]] = [
    (CONTROL, FULL),
    (SWITCH, left("t1", START)),
    (HEARTBEAT, beaten(EAST, START)),
    (COMMAND, settled(asked("c1", START))),
    (DECISION, decided("d1", START)),
]


def _stored(form: Form[Any], record: Any) -> dict[str, Any]:
    """Return the row as a store gives it back."""
    return json.loads(json.dumps(form.written(record), default=lambda moment: moment.isoformat()))


def _with_fields(value: Any) -> Any:
    """Put a field that nobody knows into every record of a row."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {"novelty": {"since": 3}, **{name: _with_fields(each) for name, each in fields.items()}}
    return [_with_fields(each) for each in cast("list[Any]", value)] if isinstance(value, list) else value


@pytest.mark.parametrize(("form", "record"), ALL, ids=lambda value: getattr(value, "name", ""))
def test_a_row_comes_back_as_it_was_written(form: Form[Any], record: Any) -> None:
    row = _stored(form, record)

    assert row["schema"] == SCHEMA
    assert form.read(row) == record


@pytest.mark.parametrize(("form", "record"), ALL[:2] + ALL[3:4], ids=lambda value: getattr(value, "name", ""))
def test_a_row_of_a_newer_version_is_written_back_whole(form: Form[Any], record: Any) -> None:
    newer = {**_with_fields(_stored(form, record)), "schema": SCHEMA + 1}

    assert _stored(form, form.read(newer)) == newer


@pytest.mark.parametrize(("form", "record"), [ALL[2], ALL[4]], ids=lambda value: getattr(value, "name", ""))
def test_fields_of_a_newer_version_are_ignored_in_rows_that_are_never_written_again(
    form: Form[Any], record: Any
) -> None:
    assert form.read({**_with_fields(_stored(form, record)), "schema": SCHEMA + 1}) == record


def test_a_change_of_the_control_row_loses_nothing_of_a_newer_version() -> None:
    newer = _with_fields(_stored(CONTROL, FULL))

    changed = CONTROL.read(newer).changed(phase=Phase.STEADY)

    assert _stored(CONTROL, changed) == {**newer, "phase": "STEADY", "revision": 9}


def test_words_of_a_newer_version_are_kept_and_are_none_of_ours() -> None:
    row = _stored(CONTROL, FULL)
    row["phase"], row["transition"]["kind"], row["transition"]["steps"][0]["step"] = "RESTING", "evacuation", "mirror"
    read = CONTROL.read({**row, "transition": {**row["transition"], "ended": None}})

    assert read.transition is not None
    assert read.unknown == ("RESTING", "evacuation", "mirror")
    assert not any(read.phase is phase for phase in Phase)
    assert read.phase == Phase("RESTING")
    assert _stored(CONTROL, read)["phase"] == "RESTING"
    assert replace(FULL, transition=replace(left("t1", START), kind=SwitchKind("evacuation"))).unknown == ()


def test_kinds_of_a_newer_version_are_kept() -> None:
    command = COMMAND.read(_stored(COMMAND, asked("c1", START)) | {"kind": "evacuate"})
    decision = DECISION.read(_stored(DECISION, decided("d1", START)) | {"kind": "mirrored", "degraded": ["mirror"]})

    assert (command.kind.is_known, str(command.kind)) == (False, "evacuate")
    assert (decision.kind.is_known, str(decision.kind), decision.degraded) == (False, "mirrored", ("mirror",))


def test_a_heartbeat_of_a_newer_version_says_what_we_understand_of_it() -> None:
    row = _stored(HEARTBEAT, beaten(EAST, START))
    row["canary"], row["switch"] = "LIMPING", "satellite"
    row["assessment"]["state"], row["assessment"]["overlays"] = "RESTING", ["DRY_RUN", "ASLEEP"]
    row["assessment"]["evidence"][1]["signal"] = "smell"
    read = HEARTBEAT.read(row)

    assert (read.canary, read.switch) == (Verdict.UNKNOWN, None)
    assert read.assessment.standing == "RESTING DRY_RUN ASLEEP"
    assert Overlay.DRY_RUN in read.assessment.overlays
    assert read.assessment.evidence[1].signal not in set(Signal)


@pytest.mark.parametrize("form", [form for form, _ in ALL], ids=lambda form: form.name)
@pytest.mark.parametrize("row", [{}, {"schema": "two"}, {"schema": 2, "epoch": []}, {"assessment": 4, "transition": 7}])
def test_what_cannot_be_read_at_all_is_refused_in_words(form: Form[Any], row: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=f"{form.name} cannot be read by this version of Baton"):
        form.read(row)


# --- schema 1 ---------------------------------------------------------------------------------------------------------


def _first(outcome: str | None) -> dict[str, Any]:
    row = _stored(SWITCH, left("t1", START))
    return {name: value for name, value in row.items() if name not in {"schema", "ended", "note"}} | {
        "outcome": outcome
    }


@pytest.mark.parametrize(
    ("outcome", "ended", "note"),
    [
        (None, None, ""),
        ("completed", Ending.COMPLETED, ""),
        ("completed; degraded: routes, verify", Ending.COMPLETED, ""),
        ("rolled back: not drained: a file: missing", Ending.ROLLED_BACK, "not drained: a file: missing"),
    ],
)  # fmt: skip
def test_how_a_switch_of_the_first_schema_ended(outcome: str | None, ended: Ending | None, note: str) -> None:
    row = {**_stored(CONTROL, FULL), "transition": _first(outcome)}
    del row["schema"]
    read = CONTROL.read(row)

    assert read.transition == replace(left("t1", START), ended=ended, note=note)
    assert read.in_transition is (ended is None)
    assert SWITCH.read(_first(outcome)) == read.transition


@pytest.mark.parametrize(
    ("text", "state", "overlays"),
    [
        ("STEADY", State.STEADY, ()),
        ("SUSPECT FROZEN DRY_RUN", State.SUSPECT, (Overlay.FROZEN, Overlay.DRY_RUN)),
        ("ISOLATED", None, (Overlay.ISOLATED,)),
    ],
)
def test_the_state_of_a_heartbeat_of_the_first_schema(
    text: str, state: State | None, overlays: tuple[Overlay, ...]
) -> None:
    row = _stored(HEARTBEAT, beaten(EAST, START))
    said = row["assessment"]
    del row["schema"], row["switch"], said["overlays"]
    said["state"] = text
    said["evidence"] = [{**said["evidence"][0], "name": name} for name in ("outside canary", "canary")]
    for rule in said["evidence"]:
        del rule["signal"]
    read = HEARTBEAT.read(row)

    assert (read.assessment.state, read.assessment.overlays, read.assessment.standing) == (state, overlays, text)
    assert [rule.signal for rule in read.assessment.evidence] == [Signal.OUTSIDE_CANARY, None]
    assert read.switch is None


@pytest.mark.parametrize(
    ("kind", "summary", "ended", "degraded"),
    [
        (DecisionKind.COMPLETED, "failover to x completed: canary: 3 s", Ending.COMPLETED, ()),
        (DecisionKind.COMPLETED, "failover to x completed; degraded: routes, verify: none", Ending.COMPLETED,
         (StepName.ROUTES, StepName.VERIFY)),
        (DecisionKind.ROLLED_BACK, "not drained", Ending.ROLLED_BACK, ()),
        (DecisionKind.STEP, "completed; degraded: routes", None, ()),
    ],
)  # fmt: skip
def test_how_a_decision_of_the_first_schema_ended_its_switch(
    kind: DecisionKind, summary: str, ended: Ending | None, degraded: tuple[StepName, ...]
) -> None:
    row = _stored(DECISION, decided("d1", START)) | {"kind": kind, "summary": summary, "assessment": None}
    del row["schema"], row["ended"], row["degraded"]
    read = DECISION.read(row)

    assert (read.ended, read.degraded) == (ended, degraded)


def test_a_command_of_the_first_schema_needs_no_translation() -> None:
    row = _stored(COMMAND, asked("c1", START))
    del row["schema"]

    assert COMMAND.read(row) == asked("c1", START)
    assert asked("c1", START).kind is CommandKind.DRILL
    assert SwitchBackend("arc") is SwitchBackend.ARC
