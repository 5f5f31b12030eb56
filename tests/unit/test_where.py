"""Pages that say where something is must be right: every path and every module that they name is there."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest

from baton.model.journal import Overlay

ROOT: Final = Path(__file__).parents[2]
_PATH: Final = re.compile(r"`((?:services|libs|jobs|tools|local|infra|proof|tests|bench|docs)(?:/[\w.-]+)*)/?`")
_NAME: Final = re.compile(r"[a-z_]+(?:\.py)?")
"""A short name, of something near what a row of a table has named before."""
_PAGES: Final = sorted(
    f"{path.relative_to(ROOT)}"
    for path in (ROOT / "CONTRIBUTING.md", ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
)
_MADE: Final = {"infra/environments/prod.images.toml"}
"""Paths of files that commands on the pages write."""
_MODULE: Final = re.compile(
    r"`((?:baton|handover|handover_shell|trigger|splitter|worker|merger|notifier|failover_controller|baton_\w+)(?:\.[a-z_0-9]+)+)`"
)


@pytest.mark.parametrize("page", _PAGES)
def test_each_path_that_a_page_names_exists(page: str) -> None:
    named = _PATH.findall((ROOT / page).read_text())

    assert [path for path in named if path not in _MADE and not (ROOT / path).exists()] == []
    if page == "CONTRIBUTING.md":
        assert len(named) > 10, "the page has its map"


def _rows(heading: str) -> list[list[str]]:
    """Return what stands in backticks in each row of the first table below this heading of CONTRIBUTING.md."""
    below = (ROOT / "CONTRIBUTING.md").read_text().partition(f"## {heading}")[2]
    lines = below.partition("| what |" if "| what |" in below[:100] else "| path |")[2].split("\n## ")[0].splitlines()
    return [re.findall(r"`([^`]+)`", line) for line in lines if "`" in line]


def _is_below(folder: Path, name: str) -> bool:
    """Return whether a file, module or folder of this name is somewhere below the folder, or beside it."""
    places = (folder, folder.parent)
    return any(next(place.rglob(each), None) for place in places for each in (name, f"{name}.py") if place != ROOT)


@pytest.mark.parametrize("heading", ["Where things are", "Where do I change"])
def test_each_short_name_in_a_row_of_the_map_is_near_the_path_that_the_row_begins_with(heading: str) -> None:
    lost: list[tuple[str, str]] = []
    for first, *names in _rows(heading):
        path = ROOT / first
        folder = path if path.is_dir() else path.parent
        lost += [
            (first, name) for name in names if _NAME.fullmatch(name) and name != "baton" and not _is_below(folder, name)
        ]
        assert path.exists(), first

    assert lost == []
    assert len(_rows(heading)) > 5


@pytest.mark.parametrize("page", _PAGES)
def test_each_module_that_a_page_names_exists(page: str) -> None:
    named = _MODULE.findall((ROOT / page).read_text())

    assert [name for name in named if not _exists(name)] == []


def test_the_page_on_the_architecture_begins_with_a_picture_and_names_the_modules_on_both_ways() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    _, picture, rest = page.split("```", 2)
    file, decision = rest.partition("\n## ")[0].split("The way of a decision, module by module")

    assert page.index("```") < 100
    assert picture.startswith("mermaid")
    assert "The way of a file, module by module" in file
    assert min(len(_MODULE.findall(way)) for way in (file, decision)) > 10


def _exists(name: str) -> bool:
    """Say whether it is a module of the repository, or something in one. Not by importing: not all is installed."""
    parent, _, last = name.rpartition(".")
    return bool(_sources(name)) or any(re.search(rf"\b{last}\b", path.read_text()) for path in _sources(parent))


def _sources(module: str) -> list[Path]:
    path = module.replace(".", "/")
    endings = (".py", "/__init__.py")
    return [found for top in ("*", "*/*") for end in endings for found in ROOT.glob(f"{top}/src/{path}{end}")]


def test_what_can_be_run_to_prove_something_needs_nothing_of_the_tests() -> None:
    """`make chaos` and its like run where nobody put `tests/support` on the path."""
    tools = {path.stem for path in (ROOT / "tests" / "support").glob("*.py")}
    trees = [ast.parse(path.read_text()) for path in (ROOT / "proof" / "src").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imported = {node.module.partition(".")[0] for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    imported |= {alias.name.partition(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}

    assert imported & tools == set()


def test_each_overlay_is_in_the_glossary() -> None:
    row = next(line for line in (ROOT / "docs/glossary.md").read_text().splitlines() if line.startswith("| overlay |"))

    assert [overlay for overlay in Overlay if overlay.value not in row] == []


def _anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of a page, as the forge makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*_PAGES, "CHANGELOG.md"])
def test_each_link_of_a_page_leads_to_a_page_and_a_heading_that_exist(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)\s#]*)#?([^)\s]*)\)", (ROOT / page).read_text())
    targets = [((ROOT / page).parent / path if path else ROOT / page, anchor) for path, anchor in links]

    assert [path for path, _ in targets if not path.exists()] == []
    assert [anchor for path, anchor in targets if anchor and anchor not in _anchors(path)] == []
