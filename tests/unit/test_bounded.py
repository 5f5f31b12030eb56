"""Many at once, and never more than the bound."""

import asyncio

import pytest

from baton.bounded import at_once
from baton.errors import Unavailable
from baton.testing import virtual_time


def test_as_many_as_the_bound_are_in_work_at_once_and_never_more() -> None:
    in_work = 0
    seen: list[int] = []

    async def work(_: int) -> None:
        nonlocal in_work
        in_work += 1
        seen.append(in_work)
        await asyncio.sleep(1)
        in_work -= 1

    virtual_time.run(at_once(16, range(100), work))

    assert len(seen) == 100
    assert max(seen) == 16


def test_the_first_error_ends_the_rest_and_is_raised_as_it_is() -> None:
    begun: list[int] = []

    async def work(number: int) -> None:
        begun.append(number)
        await asyncio.sleep(1)  # all four end at the same moment
        if number == 0:
            raise Unavailable("an outage")

    with pytest.raises(Unavailable, match="an outage"):
        virtual_time.run(at_once(4, range(100), work))

    assert begun == [0, 1, 2, 3]


def test_nobody_is_waited_for_who_has_nothing_to_do() -> None:
    tasks: list[int] = []

    async def work(_: int) -> None:
        tasks.append(len(asyncio.all_tasks()))

    async def story() -> None:
        alone = len(asyncio.all_tasks())
        await at_once(16, [], work)
        await at_once(16, [1], work)
        assert tasks == [alone + 1]

    virtual_time.run(story())
