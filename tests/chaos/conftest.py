"""The composed world for tests that need all of it."""

import asyncio
from collections.abc import Iterator

import pytest

from baton_proof.composed import Composed


@pytest.fixture
def composed() -> Iterator[Composed]:
    """Give the composed world, up; it is healed afterwards, also if the test fails."""
    world = Composed()
    asyncio.run(world.up())
    yield world
    asyncio.run(world.heal_everything())
