"""Pages that say where something is must be right: every path and every module that they name is there."""

import importlib.util
import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
_PATH: Final = re.compile(r"`((?:services|libs|jobs|tools|local|infra|proof|tests|bench|docs)(?:/[\w.-]+)*)/?`")
_MODULE: Final = re.compile(
    r"`((?:baton|handover|trigger|splitter|worker|merger|notifier|failover_controller|baton_\w+)(?:\.[a-z_0-9]+)+)`"
)


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md", "docs/simulation.md", "docs/model.md"])
def test_each_path_that_a_page_names_exists(page: str) -> None:
    named = _PATH.findall((ROOT / page).read_text())

    assert [path for path in named if not (ROOT / path).exists()] == []
    if page == "CONTRIBUTING.md":
        assert len(named) > 10, "the page has its map"


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_each_module_that_a_page_names_exists(page: str) -> None:
    named = _MODULE.findall((ROOT / page).read_text())

    assert named
    assert [name for name in named if not _exists(name)] == []


def _exists(name: str) -> bool:
    """Return whether it is a module, or something in one."""
    parent, _, last = name.rpartition(".")
    try:
        if importlib.util.find_spec(name):
            return True
    except ModuleNotFoundError:
        pass
    return hasattr(importlib.import_module(parent), last)
