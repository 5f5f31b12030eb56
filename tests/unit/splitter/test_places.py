"""A list in parts: together they are the whole list, whatever was written and removed since its places were met."""

import random
from bisect import bisect_right

import pytest

from baton.memory.clock import START
from baton.ports import ListedVersion, ObjectInfo, PageEnd, VersionPage
from splitter.places import ListPart, PageEnds

_PAGE = 5


def _page(entries: list[tuple[str, str]], after: PageEnd | None) -> VersionPage:
    """List as S3 does: by the bytes of a key, then the newest first, from a key and version that may be gone."""
    first = bisect_right(entries, _order((after.key, after.version_id)), key=_order) if after else 0
    ahead = entries[first : first + _PAGE + 1]
    versions = [ListedVersion(ObjectInfo(key, version, 1, START), is_current=True) for key, version in ahead[:_PAGE]]
    return VersionPage(versions, PageEnd(*ahead[_PAGE - 1]) if len(ahead) > _PAGE else None)


def _order(entry: tuple[str, str]) -> tuple[bytes, str]:
    key, version = entry
    return key.encode(), version


def _sorted(entries: set[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted(entries, key=_order)


def _go(places: PageEnds, entries: list[tuple[str, str]], *, pages: int) -> None:
    after: PageEnd | None = None
    for _ in range(pages):
        page = _page(entries, after)
        places.passed(page)
        after = page.end
        if after is None:
            break
    places.begin_anew()


def _seen(entries: list[tuple[str, str]], part: ListPart) -> list[tuple[str, str]]:
    seen: list[tuple[str, str]] = []
    left: ListPart | None = part
    while left:
        page = _page(entries, left.after)
        seen += [(each.info.key, each.info.version_id) for each in page.versions]
        left = left.without(page)
    return seen


@pytest.mark.parametrize("seed", range(30))
def test_no_version_is_left_out_whatever_changed_since_the_places_were_met(seed: int) -> None:
    dice = random.Random(seed)

    def drawn(count: int) -> set[tuple[str, str]]:
        # Few keys of many versions among them, and characters whose order differs in UTF-16.
        return {(f"{dice.choice('ab￿𐀀')}{dice.randrange(40)}", f"{dice.randrange(30):02d}") for _ in range(count)}

    entries, places = drawn(dice.randrange(200)), PageEnds()
    for _ in range(3):
        _go(places, _sorted(entries), pages=dice.choice((3, 1_000)))
        entries = {each for each in entries if dice.random() < 0.7} | drawn(60)
    parts = places.parts(8)

    assert set().union(*(_seen(_sorted(entries), part) for part in parts)) == entries
    assert len(parts) <= 8


def test_parts_of_a_list_that_stays_have_about_one_length_and_do_not_overlap() -> None:
    entries, places = [(f"{number:05d}", "1") for number in range(10_000)], PageEnds()
    _go(places, entries, pages=10_000)

    lengths = [len(_seen(entries, part)) for part in places.parts(16)]

    assert len(lengths) == 16
    assert sum(lengths) == 10_000
    assert max(lengths) <= 1.3 * 10_000 / 16


def test_of_a_list_that_nobody_went_through_there_is_one_part() -> None:
    assert PageEnds().parts(16) == [ListPart()]
