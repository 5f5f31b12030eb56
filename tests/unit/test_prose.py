"""Facts are types: no text that Baton wrote for people is taken apart, or compared, to learn something from it."""

import ast
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import pytest

REPOSITORY: Final = Path(__file__).parents[2]
SOURCES: Final = ("libs", "services", "tools", "infra", "local", "jobs", "proof")
OLD_ROWS: Final = "libs/baton/src/baton/model/old_rows.py"
"""Reads what the first schema had as text alone."""
PROSE: Final = frozenset(
    {"answer", "conclusion", "note", "outcome", "standing", "summary", "threshold", "value"}
    | {"advice", "cause", "detail", "explanation", "hint", "message", "of", "reason", "what", "why"}
)
"""Fields and properties whose text is for people."""
TAKEN_APART: Final = frozenset(
    {"count", "endswith", "find", "index", "partition", "removeprefix", "removesuffix", "rfind", "rpartition", "rsplit"}
    | {"split", "splitlines", "startswith"}
)
PATTERNS: Final = frozenset({"findall", "finditer", "fullmatch", "match", "search"})
FACTS: Final = frozenset({"Ending", "Overlay", "Phase", "Signal", "State", "Verdict"})
"""What a fact is made of: the row's own word, never a text that shows it."""
COMPARED: Final = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)


class Reader:
    """Reads one function, or a whole module: a name that a text was given to is that text.

    `tellers`: functions whose result is such a text, or a list of them.
    """

    def __init__(self, scope: ast.AST, tellers: Collection[str]) -> None:
        self._tellers = tellers
        self._names: set[str] = set()
        for node in ast.walk(scope):
            match node:
                case ast.Assign(targets=targets, value=value) if self._carries(value):
                    self._names |= {name for target in targets for name in _names_in(target)}
                case ast.comprehension(target=target, iter=source) if self._carries(source):
                    self._names |= _names_in(target)
                case ast.For(target=target, iter=source) | ast.AsyncFor(target=target, iter=source) if self._carries(
                    source
                ):
                    self._names |= _names_in(target)
                case _:
                    pass
        self.found = [node for node in ast.walk(scope) if self._parses(node)]

    def _is_prose(self, node: ast.expr) -> bool:
        match node:
            case ast.BoolOp(values=values):  # (transition.outcome or "")
                return any(map(self._is_prose, values))
            case ast.Name(id=name):
                return name in self._names
            case ast.Attribute(attr=attr):
                return attr in PROSE
            case ast.Await(value=value):
                return self._is_prose(value)
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                return name in self._tellers
            case _:
                return False

    def _names_a_row(self, node: ast.expr) -> bool:
        """Return whether something is looked up by such a text. Some enums are called `outcome` and `value` too."""
        return self._is_prose(node) and getattr(node, "attr", "") not in {"outcome", "value"}

    def _carries(self, node: ast.expr) -> bool:
        match node:
            case ast.IfExp(body=body, orelse=orelse):
                return self._is_prose(body) or self._is_prose(orelse)
            case ast.ListComp(elt=elt) | ast.SetComp(elt=elt) | ast.GeneratorExp(elt=elt):
                return self._is_prose(elt)
            case _:
                return self._is_prose(node)

    def _parses(self, node: ast.AST) -> bool:
        match node:
            case ast.Call(func=ast.Attribute(value=value, attr=attr), args=args):
                taken = attr in TAKEN_APART and self._is_prose(value)
                searched = attr in PATTERNS and any(map(self._is_prose, args))
                return taken or searched or (attr == "get" and any(map(self._names_a_row, args[:1])))
            case ast.Call(func=ast.Name(id=made), args=[ast.Attribute(attr=attr)]):
                return made in FACTS and attr in {*PROSE, "name"} - {"value"}
            case ast.Compare():
                return self._compares(node)
            case ast.Match(subject=subject, cases=cases):
                patterns = [case.pattern for case in cases]
                texts = any(isinstance(each, ast.MatchValue) and _is_text(each.value) for each in patterns)
                return texts and self._is_prose(subject)
            case ast.Subscript(value=value, slice=index):
                return (isinstance(value, ast.Attribute) and self._is_prose(value)) or self._names_a_row(index)
            case _:
                return False

    def _compares(self, node: ast.Compare) -> bool:
        sides = [node.left, *node.comparators]
        pairs = list(zip(node.ops, node.comparators, strict=True))
        within = any(isinstance(op, ast.In | ast.NotIn) and self._is_prose(right) for op, right in pairs)
        same = any(isinstance(op, COMPARED) for op, _ in pairs) and _texts(sides) and any(map(self._is_prose, sides))
        return within or same


def _names_in(node: ast.expr) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _texts(nodes: list[ast.expr]) -> bool:
    """Return whether a text is among these, or in a set, list or tuple among them."""
    parts = (getattr(node, "elts", [node]) for node in nodes)
    return any(_is_text(each) for part in parts for each in part)


def _is_sentence(node: ast.expr | None) -> bool:
    """Return whether this puts a text of several words together: a key or an id has no blank."""
    return isinstance(node, ast.JoinedStr) and any(_is_text(part) and " " in ast.unparse(part) for part in node.values)


def _tells(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether such a text is what it returns or yields, or what it appends to a list."""
    for node in ast.walk(function):
        match node:
            case ast.Return(value=value) | ast.Yield(value=value) if _is_sentence(value):
                return True
            case ast.Call(func=ast.Attribute(attr="append"), args=[value]) if _is_sentence(value):
                return True
            case _:
                pass
    return False


def parsed(source: str) -> set[str]:
    """Return each place where a text for people is taken apart."""
    tree = ast.parse(source)
    scopes = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    tellers = {each.name for each in scopes if _tells(each)}
    found: list[Any] = [node for scope in scopes or [tree] for node in Reader(scope, tellers).found]
    return {f"{node.lineno}: {ast.unparse(node).splitlines()[0]}" for node in found}


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
        "Signal(rule.name)",
        'ended = control.transition.outcome if control.transition else None\nended.startswith("rolled")',
        'kinds.get(item.what, "everything else")',
        "kinds[item.what]",
        'def left():\n    return f"in {phase}"\ndef f():\n    for each in left():\n        each.split(" ", 1)',
        'async def left():\n  to.append(f"in {phase}")\nasync def f():\n  for each in await left():\n    each.split()',
        "values = [rule.value for rule in rules]\nNO_SWITCH in values",
        'values = [rule.value for rule in rules]\nany(" of 2 " in value for value in values)',
        'match command.answer:\n    case "taken":\n        pass',
    ],
)  # fmt: skip
def test_each_way_to_take_a_text_apart_is_noticed(line: str) -> None:
    assert len(parsed(line)) >= 1


@pytest.mark.parametrize(
    "line",
    [
        "outcome is None",
        "row.kind.value",
        'f"{rule.name}: {rule.value}"',
        "step.outcome is StepOutcome.DONE",
        "State(phase.value)",
    ],
)
def test_what_takes_nothing_apart_is_allowed(line: str) -> None:
    assert parsed(line) == set()
