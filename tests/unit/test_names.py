"""One meaning per class name: a reader of `Link` need not look up which one it is."""

import ast
from collections import defaultdict
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).parents[2]
PACKAGES: Final = ("libs", "services", "jobs", "tools", "local", "infra", "proof")
SAME_MEANING: Final = {
    "Alarm": "an alarm of CloudWatch: what a controller needs, and how it is declared",
    "Controller": "the small model's picture of the controller",
    "Fault": "what can go wrong: each program that injects faults has its own list",
    "Mailbox": "what takes mails: on one machine, and in the simulation's rival pipelines",
    "Odds": "the chances that a call goes wrong: each program that injects faults has its own",
    "Order": "a switch that somebody wants: as rules see it, and as the simulation draws it",
    "Row": "a row of a ledger, in two models of it",
    "Ports": "the ports that a part of the code is given: all of a Region, or those that it needs",
    "State": "how things stand: of one controller, and of the whole small model",
    "Trouble": "one fault that is injected: each program that injects faults has its own",
    "Version": "one version of a key in a bucket: in memory, and as the replicator's stand-in reads it",
    "Worker": "the small model's picture of the worker",
    "World": "both Regions and all that connects them: on one machine, and simulated",
    "Write": "a conditional write: as rules intend it, and on its way in the small model",
}
"""Names that several classes have, and why that is one meaning."""


def _classes() -> dict[str, set[str]]:
    """Return where each class is defined whose name others may use."""
    found = defaultdict[str, set[str]](set)
    for path in (path for top in PACKAGES for path in (REPOSITORY / top).rglob("src/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].add(str(path.relative_to(REPOSITORY)))
    return found


def test_a_class_name_has_one_meaning() -> None:
    classes = _classes()
    twice = {name: sorted(places) for name, places in classes.items() if len(places) > 1}

    assert {name: places for name, places in twice.items() if name not in SAME_MEANING} == {}
    assert len(classes) > 500


def test_no_name_is_allowed_without_need() -> None:
    classes = _classes()

    assert [name for name in SAME_MEANING if len(classes[name]) < 2] == []
