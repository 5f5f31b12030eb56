"""From measurements to samples: what was not measured yields none."""

from dataclasses import replace
from datetime import timedelta

import pytest

from batches_made import admitted, stepped
from baton.messages import Kind
from baton.model.batch import Batch, Step
from baton.model.journal import Signal, Verdict
from baton.model.states import BatchState
from baton.ports import CallStats, QueueVitals, ReplicationVitals
from controller_made import EAST, SETTINGS, START, WEST, seconds
from handover.facts import Sample
from handover.samples import Measured, dead_letters, last_step_of, samples_of

NOW = START + timedelta(hours=5)
QUIET = Measured(EAST, NOW)
Q = QueueVitals


def _found(measured: Measured) -> dict[Signal, Sample]:
    found = samples_of(measured, SETTINGS)
    assert all((each.region, each.at) == (EAST, NOW) for each in found)
    return {each.signal: each for each in found}


def _said(measured: Measured, signal: Signal) -> tuple[bool, str]:
    sample = _found(measured)[signal]
    return sample.verdict is Verdict.HEALTHY, sample.value


def test_what_did_not_answer_yields_nothing() -> None:
    assert _found(QUIET) == {}


def test_what_has_no_data_yields_nothing() -> None:
    empty = replace(
        QUIET,
        queues={"split": Q(0, 0, None)},
        alarms={"lag": None},
        replication=ReplicationVitals(None, None),
        calls={"s3": CallStats(19, 19)},
        open_batches=[],
    )

    assert _found(empty) == {}


@pytest.mark.parametrize(("age", "good"), [(0, True), (900, True), (901, False)])
def test_the_oldest_message_of_all_queues(age: float, good: bool) -> None:  # noqa: FBT001 - a table of cases
    queues: dict[Kind, QueueVitals] = {"split": Q(1, 0, 3), "chunk": Q(9, 0, age), "merge": Q(0, 0, None)}
    expected = f"{max(3, age):.0f} s in {'split' if age < 3 else 'chunk'}"

    assert _said(replace(QUIET, queues=queues), Signal.OLDEST_MESSAGE) == (good, expected)


@pytest.mark.parametrize(
    ("before", "good", "value"),
    [(30, True, "0 new"), (10, True, "20 new"), (9, False, "21 new"), (40, True, "0 new")],
)
def test_only_new_dead_letters_count(before: int, good: bool, value: str) -> None:  # noqa: FBT001 - a table of cases
    queues: dict[Kind, QueueVitals] = {"split": Q(0, 10, None), "chunk": Q(0, 20, None)}
    assert dead_letters(queues) == 30

    measured = replace(QUIET, queues=queues, dead_letters_before=before)

    assert _said(measured, Signal.DEAD_LETTERS) == (good, value)


def test_without_a_beginning_dead_letters_say_nothing() -> None:
    assert Signal.DEAD_LETTERS not in _found(replace(QUIET, queues={"split": Q(0, 99, None)}))


def _batch(name: str, state: BatchState, *, age: float, still: float) -> Batch:
    batch = admitted(name, NOW - seconds(age))
    return batch if state is batch.state else stepped(batch, state, seconds=age - still)


@pytest.mark.parametrize(
    ("batch", "late", "stands"),
    [
        (_batch("b", BatchState.SPLIT, age=60, still=3), False, False),
        (_batch("b", BatchState.SPLIT, age=3_601, still=3), True, False),
        (_batch("b", BatchState.SPLIT, age=1_000, still=601), False, True),
        (_batch("b", BatchState.ADMITTED, age=700, still=700), False, True),
    ],
)
def test_a_batch_may_be_late_and_may_stand_still(
    batch: Batch,
    late: bool,  # noqa: FBT001 - a table of cases
    stands: bool,  # noqa: FBT001 - a table of cases
) -> None:
    found = _found(replace(QUIET, open_batches=[batch]))

    assert found[Signal.OLDEST_BATCH].verdict is (Verdict.UNHEALTHY if late else Verdict.HEALTHY)
    assert found[Signal.THROUGHPUT].verdict is (Verdict.UNHEALTHY if stands else Verdict.HEALTHY)


def test_one_batch_that_moves_is_throughput() -> None:
    batches = [
        _batch("old", BatchState.SPLIT, age=3_000, still=2_900),
        _batch("new", BatchState.SPLIT, age=100, still=5),
    ]

    said = _said(replace(QUIET, open_batches=batches), Signal.THROUGHPUT)

    assert said == (True, "2 admitted, the last one moved 5 s ago")


@pytest.mark.parametrize(
    "state", [BatchState.PAUSED, BatchState.QUARANTINED, BatchState.WAITING_INPUT, BatchState.COMPLETED]
)
def test_a_batch_that_rests_blames_nobody(state: BatchState) -> None:
    resting = _batch("b", state, age=9_000, still=8_000)

    assert _found(replace(QUIET, open_batches=[resting])) == {}


def test_only_what_a_region_did_itself_is_a_sign_of_its_life() -> None:
    early, late = START + seconds(1), START + seconds(2.5)
    steps = (Step(early, BatchState.ADMITTED, EAST), Step(late, BatchState.ADMITTED, WEST))
    batch = replace(admitted("b1", START), history=steps)

    assert last_step_of(EAST, [batch]) < last_step_of(WEST, [batch])
    assert last_step_of(EAST, [replace(batch, history=steps[1:])]) == ""


def test_the_worst_service_speaks_for_our_calls() -> None:
    calls = {"s3": CallStats(100, 5), "sqs": CallStats(40, 21), "dynamodb": CallStats(10, 10)}

    assert _said(replace(QUIET, calls=calls), Signal.CALLS) == (False, "52 % of 40 calls to sqs failed")
    fewer = {**calls, "sqs": CallStats(40, 20)}
    assert _said(replace(QUIET, calls=fewer), Signal.CALLS) == (True, "50 % of 40 calls to sqs failed")


def test_alarms_are_named() -> None:
    assert _said(replace(QUIET, alarms={"b": True, "a": True, "c": False, "d": None}), Signal.ALARMS) == (False, "a, b")
    assert _said(replace(QUIET, alarms={"c": False, "d": None}), Signal.ALARMS) == (True, "none of 1")


def test_replication_explains() -> None:
    late = replace(QUIET, replication=ReplicationVitals(1_000, 12_345))

    assert _said(late, Signal.REPLICATION) == (False, "1000 s behind, 12,345 pending")
    assert _said(replace(QUIET, replication=ReplicationVitals(900, None)), Signal.REPLICATION)[0]
