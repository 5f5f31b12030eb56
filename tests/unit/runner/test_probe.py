"""The container's health check believes a 200 and nothing else."""

import asyncio

import pytest

from aio import run
from baton.health import health_server
from baton.probe import PORT, is_well
from baton.settings import RunnerSettings


@pytest.mark.parametrize("well", [True, False])
def test_it_says_what_the_health_page_says(well: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async def ask() -> bool:
        async with health_server("127.0.0.1", 0, lambda: (well, {})) as port:
            return await asyncio.to_thread(is_well, port)

    assert run(ask()) is well


def test_nobody_there_is_not_well() -> None:
    async def ask() -> bool:
        async with health_server("127.0.0.1", 0, lambda: (True, {})) as port:
            pass
        return await asyncio.to_thread(is_well, port)

    assert run(ask()) is False


def test_it_knows_where_the_page_is() -> None:
    assert RunnerSettings().health_port == PORT
