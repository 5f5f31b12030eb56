"""What an environment's file may say, and what is refused, by name."""

from typing import Any

import pytest
from pydantic import ValidationError

from baton.topology import SERVICES
from baton_infra import config
from baton_infra.config import EnvironmentConfig

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
