"""What a switch would call, and how long it takes at worst."""

from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import botocore.session
import pytest

from baton.model.control import Control, Ending, SwitchBackend, SwitchKind
from baton.topology import REGIONS_DEFAULT, Topology
from controller_made import EAST, SETTINGS, WEST, control_made, under_way
from handover.plan import CONTROL_PLANE_OPERATIONS, CONTROL_PLANE_SERVICES, PlannedCall, plan_steps
from handover.settings import ControllerSettings
from handover.timeline import (
    CANARY_SECONDS_LEAST,
    COMMITTED,
    FIRST_BATCH,
    LISTED,
    OWNED,
    table,
    timing,
)

FAILOVER: Final = Path(__file__).parents[3] / "docs/failover.md"
FIRST_BATCH_SECONDS_MAX, OWNED_SECONDS_MAX = 90, 10
ARC, LEDGER = SwitchBackend.ARC, SwitchBackend.LEDGER


def _plan(
    kind: SwitchKind = SwitchKind.FAILOVER,
    target: str = WEST,
    control: Control | None = None,
    switch: SwitchBackend = ARC,
    **more: Any,
) -> tuple[PlannedCall, ...]:
    return plan_steps(control or control_made(), target, kind, REGIONS_DEFAULT, switch, **more)


def _parts(calls: tuple[PlannedCall, ...]) -> list[str]:
    return list(dict.fromkeys(call.part for call in calls))


def _call(calls: tuple[PlannedCall, ...], operation: str) -> PlannedCall:
    return next(call for call in calls if call.operation == operation)


ALL = [
    _plan(kind, target, control, switch)
    for kind in SwitchKind
    for target, control in ((WEST, control_made()), (EAST, control_made(epoch=3, active_region=WEST)))
    for switch in SwitchBackend
]

# --- calls ------------------------------------------------------------------------------------------------------------


def test_a_failover_commits_first_and_a_planned_switch_drains_before() -> None:
    assert _parts(_plan()) == ["commit", "takeover", "switch", "routes", "record", "verify", "tell"]
    assert _parts(_plan(SwitchKind.SWITCHOVER))[:2] == ["drain", "commit"]
    assert "switch" not in _parts(_plan(switch=LEDGER))


def test_a_plan_of_region_switch_is_executed_in_the_region_that_is_activated() -> None:
    start = _call(_plan(switch=SwitchBackend.REGION_SWITCH), "StartPlanExecution")

    assert start.served_from == WEST
    assert (start.parameters["targetRegion"], start.parameters["action"]) == (WEST, "activate")


@pytest.mark.parametrize(
    ("kind", "mode"),
    [(SwitchKind.FAILOVER, "ungraceful"), *((each, "graceful") for each in SwitchKind if each.is_planned)],
)
def test_an_execution_is_graceful_if_the_switch_is_planned(kind: SwitchKind, mode: str) -> None:
    start = _call(_plan(kind, switch=SwitchBackend.REGION_SWITCH), "StartPlanExecution")

    assert start.parameters["mode"] == mode


def test_the_commit_is_one_compare_and_set_of_the_row() -> None:
    commit = next(call for call in _plan() if call.part == "commit" and call.parameters["Item"]["pk"] == "control")

    assert commit.operation == "PutItem"
    assert commit.parameters["ConditionExpression"] == "revision = :revision"
    assert commit.parameters["ExpressionAttributeValues"] == {":revision": 7}
    row = commit.parameters["Item"]
    assert (row["epoch"], row["active_region"], row["phase"], row["revision"]) == (3, WEST, "SWITCHING", 8)


def test_each_write_of_the_row_follows_the_one_before() -> None:
    rows = [
        call.parameters for call in _plan(SwitchKind.DRILL) if call.parameters.get("Item", {}).get("pk") == "control"
    ]

    assert [row["Item"]["phase"] for row in rows] == ["DRAINING", "SWITCHING", "VERIFYING", "COOLDOWN"]
    for before, after in pairwise(rows):
        assert after["ExpressionAttributeValues"][":revision"] == before["Item"]["revision"]


def test_every_write_of_the_row_is_on_record_and_the_commit_before_it_is_done_as_well() -> None:
    for calls in ALL:
        writes = [call for call in calls if call.operation == "PutItem" and call.part != "takeover"]
        found = [call.parameters["Item"].get("kind", call.parameters["Item"].get("phase")) for call in writes]
        drained = ["DRAINING", "started"] if "DRAINING" in found else []
        done = ["SWITCHING", "committed", "VERIFYING", "step", "COOLDOWN", "completed"]
        assert found == [*drained, "intended", *done]


@pytest.mark.parametrize(("kind", "part"), [(SwitchKind.FAILOVER, "commit"), (SwitchKind.DRILL, "drain")])
@pytest.mark.parametrize(("ended", "says"), [(None, "superseded"), (Ending.ROLLED_BACK, "rolled back")])
def test_the_last_switch_gets_a_row_when_it_leaves_the_control_row(
    kind: SwitchKind, part: str, ended: Ending | None, says: str
) -> None:
    calls = _plan(kind, control=control_made(transition=under_way(ended=ended)))

    (left,) = [call for call in calls if call.parameters.get("Item", {}).get("sk") == "switch"]
    assert left.parameters["Item"]["pk"] == "decision#t1"
    assert (left.part, left.parameters["Item"]["ended"]) == (part, says)


def test_both_routing_controls_are_set_in_one_call_to_absolute_states() -> None:
    arns = {EAST: "arn:e", WEST: "arn:w"}

    update = _call(_plan(controls=arns), "UpdateRoutingControlStates")

    assert update.parameters["UpdateRoutingControlStateEntries"] == [
        {"RoutingControlArn": "arn:e", "RoutingControlState": "Off"},
        {"RoutingControlArn": "arn:w", "RoutingControlState": "On"},
    ]
    assert "SafetyRulesToOverride" not in update.parameters


def test_both_dials_are_turned_in_one_call() -> None:
    topology = Topology("prod", "123456789012")

    submit = _call(_plan(topology=topology), "SubmitMultiRegionAccessPointRoutes")

    assert submit.parameters["AccountId"] == "123456789012"
    assert submit.parameters["RouteUpdates"] == [
        {"Bucket": topology.data_bucket(EAST), "Region": EAST, "TrafficDialPercentage": 0},
        {"Bucket": topology.data_bucket(WEST), "Region": WEST, "TrafficDialPercentage": 100},
    ]


def test_each_batch_changes_its_owner_by_compare_and_set() -> None:
    put = next(call for call in _plan() if call.part == "takeover" and call.operation == "PutItem")

    assert put.parameters["Item"]["owner_epoch"] == 3
    assert "#owner_epoch = :owner_epoch" in put.parameters["ConditionExpression"]
    assert put.times == "each batch"


@pytest.mark.parametrize("calls", ALL)
def test_no_call_of_a_switch_is_one_of_a_control_plane(calls: tuple[PlannedCall, ...]) -> None:
    for call in calls:
        assert call.data_plane, call
        assert call.service not in CONTROL_PLANE_SERVICES, call
        assert (call.service, call.operation) not in CONTROL_PLANE_OPERATIONS, call
        assert not call.operation.startswith(("Create", "Delete", "Tag")), call


@pytest.mark.parametrize("calls", ALL)
def test_no_call_goes_to_the_region_that_is_left_alone(calls: tuple[PlannedCall, ...]) -> None:
    """Each is served from the target, or from any of several Regions."""
    target = next(call.served_from for call in calls if call.service == "sqs")
    for call in calls:
        assert call.served_from.startswith((target, "any of")), call


def test_the_words_are_those_of_the_api() -> None:
    session = botocore.session.get_session()
    for service, operation, parameters in {
        (call.service, call.operation, tuple(call.parameters)) for calls in ALL for call in calls
    }:
        shape: Any = session.get_service_model(service).operation_model(operation).input_shape
        assert set(parameters) <= set(shape.members), (service, operation)
        assert set(shape.required_members) - {"ClientToken"} <= set(parameters), (service, operation)


# --- time -------------------------------------------------------------------------------------------------------------


def seconds_to(name: str, settings: ControllerSettings) -> float:
    """Return how long after the fault this step is over at worst."""
    return {step.name: step.at_seconds for step in timing(settings)}[name]


def test_the_first_batch_is_taken_over_within_the_objective() -> None:
    assert seconds_to(FIRST_BATCH, SETTINGS) <= FIRST_BATCH_SECONDS_MAX


def test_from_the_decision_to_the_last_batch_it_takes_seconds() -> None:
    assert seconds_to(OWNED, SETTINGS) - seconds_to(COMMITTED, SETTINGS) <= OWNED_SECONDS_MAX
    assert seconds_to(OWNED, SETTINGS) <= FIRST_BATCH_SECONDS_MAX + OWNED_SECONDS_MAX


def test_the_times_add_up() -> None:
    steps = timing(SETTINGS)

    assert steps[0].at_seconds == 0
    for before, after in pairwise(steps):
        assert after.at_seconds == pytest.approx(before.at_seconds + after.seconds)
        assert after.seconds >= 0
    assert all(step.reason for step in steps)


def test_scaling_divides_what_the_settings_say_and_no_call() -> None:
    scale = 4
    plain, scaled = timing(SETTINGS), timing(ControllerSettings(time_scale=scale))

    for before, after in zip(plain, scaled, strict=True):
        if before.name in {COMMITTED, LISTED, FIRST_BATCH, OWNED}:
            assert after.seconds == before.seconds
        elif before.name == "the next canary is sent":
            assert after.seconds == 15 / scale - CANARY_SECONDS_LEAST
        else:
            assert after.seconds == before.seconds / scale, before.name


def test_it_gets_slower_with_each_setting_that_waits() -> None:
    for setting in ("probe_seconds", "probe_deadline_seconds", "beat_seconds", "hold_seconds"):
        value = getattr(SETTINGS, setting)
        slower = SETTINGS.model_copy(update={setting: value + 1})
        assert seconds_to(FIRST_BATCH, slower) > seconds_to(FIRST_BATCH, SETTINGS), setting


def test_a_slow_second_kind_is_waited_for() -> None:
    slow = ControllerSettings(silence_seconds=100)

    assert seconds_to(FIRST_BATCH, slow) > 100


def test_the_table_in_the_documentation_is_computed() -> None:
    assert table(SETTINGS) in FAILOVER.read_text(), "paste the output of handover.timeline.table()"
