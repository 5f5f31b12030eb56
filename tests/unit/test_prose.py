"""Facts are types: no text that Baton wrote for people is taken apart, or compared, to learn something from it."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

REPOSITORY: Final = Path(__file__).parents[2]
SOURCES: Final = ("libs", "services", "tools", "infra", "local", "jobs", "tests/support/chaos")
OLD_ROWS: Final = "libs/baton/src/baton/model/old_rows.py"
"""Reads what the first schema had as text alone."""
PROSE: Final = frozenset({"answer", "conclusion", "note", "outcome", "standing", "summary", "threshold", "value"})
"""Fields and properties of the handover's records whose text is for people."""
TAKEN_APART: Final = frozenset(
    {"count", "endswith", "find", "index", "partition", "removeprefix", "removesuffix", "rfind", "rpartition", "rsplit"}
    | {"split", "splitlines", "startswith"}
)
PATTERNS: Final = frozenset({"findall", "finditer", "fullmatch", "match", "search"})
COMPARED: Final = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)


def _is_prose(node: ast.expr) -> bool:
    if isinstance(node, ast.BoolOp):  # (transition.outcome or "")
        return any(_is_prose(each) for each in node.values)
    return isinstance(node, ast.Attribute) and node.attr in PROSE


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _texts(nodes: list[ast.expr]) -> bool:
    """Say whether a text is among these, or in a set, list or tuple among them."""
    parts = (getattr(node, "elts", [node]) for node in nodes)
    return any(_is_text(each) for part in parts for each in part)


def _parses(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=value, attr=attr), args=args):
            taken = attr in TAKEN_APART and _is_prose(value)
            return taken or (attr in PATTERNS and any(map(_is_prose, args)))
        case ast.Compare(left=left, ops=ops, comparators=rights):
            sides = [left, *rights]
            within = any(
                isinstance(op, ast.In | ast.NotIn) and _is_prose(right) for op, right in zip(ops, rights, strict=True)
            )
            return within or (
                any(isinstance(op, COMPARED) for op in ops) and _texts(sides) and any(map(_is_prose, sides))
            )
        case ast.Match(subject=subject, cases=cases):
            patterns = [case.pattern for case in cases]
            return _is_prose(subject) and any(
                isinstance(each, ast.MatchValue) and _is_text(each.value) for each in patterns
            )
        case ast.Subscript(value=value):
            return _is_prose(value)
        case _:
            return False


def parsed(source: str) -> Iterator[str]:
    """Yield each place where a text for people is taken apart."""
    for node in ast.walk(ast.parse(source)):
        if _parses(node):
            assert isinstance(node, ast.expr | ast.Match)
            yield f"{node.lineno}: {ast.unparse(node).splitlines()[0]}"


def test_no_text_for_people_is_taken_apart() -> None:
    files = [path for name in SOURCES for path in (REPOSITORY / name).rglob("*.py") if "build" not in path.parts]
    found = [
        f"{path.relative_to(REPOSITORY)}:{place}"
        for path in files
        if path != REPOSITORY / OLD_ROWS
        for place in parsed(path.read_text())
    ]

    assert len(files) > 200
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "beat.assessment.standing.split()",
        '"degraded" in (transition.outcome or "")',
        'ended.outcome.startswith("rolled back")',
        'any(" of 2 " in rule.value for rule in rules)',
        'alarm in series.newest.value.split(", ")',
        'rule.value == "there is no switch"',
        "alarm in newest.value",
        "_DEGRADED.search(decision.summary)",
        "command.answer[7:]",
        'match command.answer:\n    case "taken":\n        pass',
    ],
)  # fmt: skip
def test_each_way_to_take_a_text_apart_is_noticed(line: str) -> None:
    assert len(list(parsed(line))) >= 1


@pytest.mark.parametrize(
    "line",
    ["outcome is None", "row.kind.value", 'f"{rule.name}: {rule.value}"', "step.outcome is StepOutcome.DONE"],
)
def test_what_takes_nothing_apart_is_allowed(line: str) -> None:
    assert list(parsed(line)) == []
