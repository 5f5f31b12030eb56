"""docs/deploy.md speaks of what there is. Its commands are run by .ci/run."""

import re
from pathlib import Path

from baton_infra import config
from baton_infra.stacks.chaos import EXPERIMENTS
from synthesized import templates

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "deploy.md").read_text()
STACKS = ROOT / "infra" / "src" / "baton_infra" / "stacks"


def test_each_stack_has_its_row_and_its_file() -> None:
    rows = dict(re.findall(r"^\| .* \| `([a-z-]+)`, .* \| `([a-z_]+\.py)` \|$", PAGE, re.MULTILINE))

    assert set(rows) == {re.sub(r"-us-(east-1|west-2)$", "", stack) for stack in templates("staging")}
    assert set(rows.values()) | {"__init__.py", "base.py"} == {path.name for path in STACKS.glob("*.py")}


def test_each_experiment_has_its_row() -> None:
    named = set(re.findall(r"`baton-prod-([a-z0-9-]+)`", PAGE.split("## 6.")[1].split("\n## ")[0]))

    assert named == {experiment.name for experiment in EXPERIMENTS}


def test_its_prices_are_those_of_the_page_about_prices() -> None:
    prices = set(re.findall(r"\$([0-9,]{3,})", PAGE))

    assert prices
    assert prices <= set(re.findall(r"[0-9,]{3,}", (ROOT / "docs" / "cost.md").read_text()))


def test_every_command_of_make_is_one() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"^make ([a-z-]+)", PAGE, re.MULTILINE)) <= targets


def test_the_environments_that_it_names_are_there() -> None:
    assert set(re.findall(r"ENV=([a-z]+)", PAGE)) <= set(config.names())
