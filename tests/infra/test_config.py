"""What an environment's file may say, and what is refused, by name."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from baton.topology import SERVICES
from baton_infra import config
from baton_infra.config import EnvironmentConfig
from baton_infra.sizes import LEAN_CONTROLLER, SHARED
from handover import timeline
from handover.settings import ControllerSettings

STAGING = config.load("staging")


def _said(**changes: Any) -> EnvironmentConfig:
    return EnvironmentConfig.model_validate(STAGING.model_dump(exclude_unset=True) | changes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"account_id": "12345"}, "account_id", id="an account of five digits"),
        pytest.param({"name": "Prod"}, "name", id="a name that no bucket may have"),
        pytest.param({"operators": ()}, "operators", id="nobody to alarm"),
        pytest.param({"input_days": 7}, "input_days", id="files that go before their rows"),
        pytest.param({"networks": {}}, r"\[networks\] names ; the Regions are", id="no network"),
        pytest.param({"images": {"wroker": "sha256:" + "0" * 64}}, "no such service: wroker", id="an unknown image"),
        pytest.param({"tasks": {"wroker": {}}}, "no such service: wroker", id="an unknown service"),
        pytest.param({"witness_region": STAGING.home}, "is one of the two Regions", id="a witness that holds data"),
        pytest.param(
            {"tasks": {"notifier": {"tasks_min": 3}}},
            r"\[tasks.notifier\] tasks_min 3 is above tasks_max 2",
            id="more tasks than the most",
        ),
        pytest.param(
            {"size": "lean", "tasks": {"merger": {"cpu": 512}}},
            r"\[tasks\] merger: with size = \"lean\" only the worker",
            id="a size of a task that there is not",
        ),
        pytest.param({"record": {}}, r"\[record\] needs either", id="a record for nobody"),
        pytest.param({"record": {"zone": "example.com"}}, "zone and zone_id belong", id="half a zone"),
        pytest.param(
            {"switch": "ledger", "record": {"zone": "example.com", "zone_id": "Z1"}},
            "no record follows",
            id="a record without a switch",
        ),
        pytest.param({"colour": "blue"}, "colour", id="a setting that there is not"),
    ],
)
def test_what_cannot_be_is_refused_by_name(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        _said(**changes)


def test_what_a_file_says_of_a_service_leaves_the_rest_as_it_was() -> None:
    changed = _said(tasks={"worker": {"tasks_max": 7}})

    assert changed.tasks_of("worker").tasks_max == 7
    assert changed.tasks_of("worker").cpu == STAGING.tasks_of("worker").cpu
    assert changed.tasks_of("worker").spot
    assert {name: changed.tasks_of(name) for name in SERVICES if name != "worker"} == {
        name: STAGING.tasks_of(name) for name in SERVICES if name != "worker"
    }


def test_in_a_lean_environment_only_workers_beside_the_shared_task_stop_running() -> None:
    lean = _said(size="lean", tasks={"worker": {"tasks_max": 7}})

    assert lean.services == {SHARED: SERVICES, "worker": ("worker",)}
    assert lean.always_run == (SHARED,)
    assert (lean.tasks_of("worker").tasks_min, lean.tasks_of("worker").tasks_max) == (0, 7)
    assert STAGING.always_run == tuple(STAGING.services) == SERVICES


LEAN = ControllerSettings.model_validate(LEAN_CONTROLLER)


def test_the_page_says_how_long_a_lean_failover_takes() -> None:
    standard, lean = (timeline.timing(settings)[-1].at_seconds for settings in (ControllerSettings(), LEAN))
    page = (Path(__file__).parents[2] / "docs/deploy.md").read_text()

    assert f"| {standard:.0f} s | {lean:.0f} s (" in page
    assert lean <= 245


def test_calmer_probes_are_as_patient_as_they_are_seldom() -> None:
    """Each wait that is told in looks has as many of them as with the default settings."""
    usual = ControllerSettings()

    assert LEAN.fresh_seconds >= 3 * max(LEAN.probe_seconds, LEAN.vitals_seconds)
    assert LEAN.grey_seconds / LEAN.probe_seconds == usual.grey_seconds / usual.probe_seconds
    assert LEAN.verify_seconds / LEAN.probe_seconds == usual.verify_seconds / usual.probe_seconds
    assert LEAN.together_seconds / LEAN.probe_seconds == usual.together_seconds / usual.probe_seconds
    # Own heartbeats and those of a driver are old only after several were missed.
    for settings in (usual, LEAN):
        assert settings.silence_seconds >= 2 * settings.beat_seconds
        assert settings.written_seconds >= 3 * settings.beat_seconds
        assert settings.driver_seconds >= 6 * settings.beat_seconds
    # A metric of each look is there in two minutes at least, after which the alarm on a silent controller fires.
    assert LEAN.vitals_seconds + LEAN.beat_seconds < 120
