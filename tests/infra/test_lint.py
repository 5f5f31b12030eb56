"""cfn-lint on every template."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from cfnlint import ManualArgs, lint_file  # pyright: ignore[reportMissingTypeStubs] - it has none

from baton_infra import config
from synthesized import assembly, templates

IGNORED = {
    "W3005": "CDK writes a dependency that a reference implies already",
    "W3010": "zones are named in the environment's file, see nag.py",
}


def _problems(path: Path, region: str) -> list[str]:
    arguments = ManualArgs(regions=[region], ignore_checks=list(IGNORED))
    return [f"{path.name}: {match.rule.id} {match.message}" for match in lint_file(path, arguments)]


@pytest.mark.parametrize("environment", config.names())
def test_no_template_has_a_problem(environment: str) -> None:
    folder = assembly(environment)
    found = [
        problem
        for stack in templates(environment)
        for problem in _problems(folder / f"{stack}.template.json", "-".join(stack.split("-")[-3:]))
    ]

    assert found == []


def test_a_mistake_is_found(tmp_path: Path) -> None:
    planted: Any = copy.deepcopy(templates("prod")["data-us-east-1"])
    (queue,) = [
        each
        for each in planted["Resources"].values()
        if each.get("Properties", {}).get("QueueName", "").endswith("-split")
    ]
    queue["Properties"]["VisibilityTimeout"] = 43_201
    path = tmp_path / "planted.json"
    path.write_text(json.dumps(planted))

    assert len(_problems(path, "us-east-1")) == 1
