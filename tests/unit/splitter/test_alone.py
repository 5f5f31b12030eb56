"""One thing's trouble is its own; many in a row are an outage; many at once, and never more than the bound."""

import asyncio

import pytest

from baton.errors import Fenced, Refused, Unavailable
from baton.testing import virtual_time
from logs import recording_log
from splitter.alone import Alone, at_once

IN_A_ROW = 10


def _meets(alone: Alone, trouble: Exception | None) -> None:
    with alone("a batch"):
        if trouble:
            raise trouble


def _alone() -> Alone:
    return Alone(recording_log([]))


def test_ten_in_a_row_that_do_not_answer_are_an_outage() -> None:
    alone = _alone()
    for _ in range(IN_A_ROW - 1):
        _meets(alone, Unavailable("throttled"))

    with pytest.raises(Unavailable):
        _meets(alone, Unavailable("throttled"))


@pytest.mark.parametrize(
    "between", [None, Fenced("it moved"), Refused("no"), ValueError("a bug")], ids=["well", "fenced", "refused", "bug"]
)
def test_any_answer_between_them_begins_the_row_anew(between: Exception | None) -> None:
    alone = _alone()
    for _ in range(20):
        for _ in range(IN_A_ROW - 1):
            _meets(alone, Unavailable("throttled"))
        _meets(alone, between)


def test_after_an_outage_the_row_begins_anew() -> None:
    alone = _alone()
    for _ in range(2):
        for _ in range(IN_A_ROW - 1):
            _meets(alone, Unavailable("throttled"))
        with pytest.raises(Unavailable):
            _meets(alone, Unavailable("throttled"))


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
