"""No function of the product or its proofs is longer than a screen, and no module than one can keep in mind."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).parents[2]
CHECKED: Final = ("libs", "services", "jobs", "local", "tools", "infra", "proof")
TESTS: Final = ("tests", "bench")
"""Here functions alone are bounded: a module of tests is a list, which nobody reads as a whole."""
FUNCTION_LINES_MAX: Final = 40
MODULE_LINES_MAX: Final = 400
EXCEPTIONS: Final[dict[str, str]] = {}
"""What is longer, and why it may be."""


def modules() -> Iterator[Path]:
    return (path for top in CHECKED for path in sorted((REPOSITORY / top).rglob("src/**/*.py")))


def functions(node: ast.AST, name: str) -> Iterator[tuple[str, int]]:
    """Yield the qualified name of each function below the node, and how many lines it has."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{name}.{child.name}".lstrip(".")
            if not isinstance(child, ast.ClassDef):
                assert child.end_lineno is not None
                yield inner, child.end_lineno - child.lineno + 1
            yield from functions(child, inner)
        else:
            yield from functions(child, name)


def test_no_function_is_longer_than_a_screen_but_those_with_a_reason() -> None:
    found = {
        f"{path.relative_to(REPOSITORY)}: {name}"
        for path in [*modules(), *(path for top in TESTS for path in (REPOSITORY / top).rglob("*.py"))]
        for name, lines in functions(ast.parse(path.read_text()), "")
        if lines > FUNCTION_LINES_MAX
    }

    assert found == set(EXCEPTIONS)


def test_no_module_has_more_lines_than_one_can_keep_in_mind() -> None:
    found = {
        str(path.relative_to(REPOSITORY)): lines
        for path in modules()
        if (lines := len(path.read_text().splitlines())) > MODULE_LINES_MAX
    }

    assert found == {}
