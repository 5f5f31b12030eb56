"""One world for all tests of this folder; each test leaves it as it was."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from baton_local.on_processes import lifecycle
from baton_local.state import World
from baton_local.switches.admin import Admin
from local_worlds import do, eventually, status, tiny_roster


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep the tests of the one world on one worker; all others may run beside them."""
    if "_world" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.xdist_group("tiny world"))


@pytest.fixture(scope="package")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tiny services leave their environments."""
    return tmp_path_factory.mktemp("environments")


@pytest.fixture(scope="package")
def _world(tmp_path_factory: pytest.TempPathFactory, environments: Path) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("world") / ".baton"
    yield lifecycle.up(directory, roster=tiny_roster(environments))
    lifecycle.down(directory)


@pytest.fixture
def world(_world: World) -> Iterator[World]:
    """Yield a world with nothing cut, no lag and nothing left to copy."""
    yield _world
    admin = Admin(_world.admin_endpoint)
    for region in _world.regions:
        do(admin.heal(region))
    do(admin.replication(lag_seconds=0, cut=False))
    eventually(lambda: not any(status(_world).replication.backlog.values()))


@pytest.fixture
def environments_inside(world: World, environments: Path) -> dict[str, str]:
    """Return each Region's emulator as its own services reach it."""
    return {
        region: json.loads((environments / f"{region}.json").read_text())["AWS_ENDPOINT_URL"]
        for region in world.regions
    }
