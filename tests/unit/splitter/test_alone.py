"""One thing's trouble is its own; many in a row are an outage."""

import pytest

from baton.errors import Fenced, Refused, Unavailable
from baton_proof.logs import recording_log
from splitter.alone import Alone

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
