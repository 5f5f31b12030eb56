"""The set of settled batches: nothing is taken for another, and ten million of them fit beside everything else."""

import gc
import sys

from splitter.remembered import Remembered

MANY = 200_000


def _ids(prefix: str, number: int = MANY) -> list[str]:
    return [f"{prefix}{at:019x}" for at in range(number)]


def _of(ids: list[str]) -> Remembered:
    remembered = Remembered()
    for each in ids:
        remembered.add(each)
    return remembered


def test_what_was_added_is_there_and_nothing_else_is() -> None:
    known, others = _ids("a"), _ids("b")

    remembered = _of(known)

    assert len(remembered) == MANY
    assert all(each in remembered for each in known)
    assert not any(each in remembered for each in others)


def test_each_id_takes_about_nine_bytes() -> None:
    empty, one, full = (_held_bytes(_of(_ids("a", number))) for number in (0, 1, MANY))

    assert empty < 1_000, "a splitter that remembers nothing pays for nothing"
    assert one < 1_000_000
    assert 8 * MANY < full - one < 10 * MANY


def _held_bytes(held: object) -> int:
    """Return what an object takes with all that it holds."""
    inside = [each for each in gc.get_referents(held) if not isinstance(each, type)]
    return sys.getsizeof(held) + sum(map(_held_bytes, inside))


def test_adding_twice_counts_once() -> None:
    remembered = _of(["a", "b", "a"])

    remembered.discard(["a"])

    assert len(remembered) == 1
    assert "a" not in remembered


def test_discarding_forgets_these_and_no_other() -> None:
    ids = _ids("x", 1_000)
    remembered = _of(ids[:900])

    remembered.discard(ids[100:])

    assert [each in remembered for each in ids] == [True] * 100 + [False] * 900
    assert len(remembered) == 100


def test_clearing_forgets_all() -> None:
    ids = _ids("x", 1_000)
    remembered = _of(ids)

    remembered.clear()

    assert len(remembered) == 0
    assert not any(each in remembered for each in ids)
    remembered.add(ids[0])
    assert [each in remembered for each in ids[:2]] == [True, False]
