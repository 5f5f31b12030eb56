"""What every store of reference data does."""

from dataclasses import replace

import pytest

from baton.errors import NotFound
from baton.ports import ReferenceVersion, Row
from worlds import Ports, in_world

COLUMNS = ("sku", "name", "price")


def rows_of(count: int) -> dict[str, Row]:
    return {f"k{n}": {"sku": f"k{n}", "name": f'Käse "{n}"\n', "price": ""} for n in range(count)}


def version_of(rows: dict[str, Row], version: str = "v1") -> ReferenceVersion:
    return ReferenceVersion("products", version, rows=len(rows), columns=COLUMNS)


@in_world
async def test_nothing_is_current_before_the_first_publication(ports: Ports) -> None:
    assert await ports.reference.current("products") is None
    assert await ports.reference.describe("products", "v1") is None


@in_world
async def test_the_last_published_version_is_current_and_older_ones_stay(ports: Ports) -> None:
    old, new = version_of(rows_of(3), "v1"), version_of(rows_of(5), "v2")

    await ports.reference.publish(old, rows_of(3))
    await ports.reference.publish(new, rows_of(5))
    await ports.reference.publish(new, rows_of(5))

    assert await ports.reference.current("products") == new
    assert await ports.reference.describe("products", "v1") == old
    assert await ports.reference.load(old) == rows_of(3)


@in_world
async def test_a_version_is_loaded_whole(ports: Ports) -> None:
    rows = rows_of(260)
    await ports.reference.publish(version_of(rows), rows)

    loaded = await ports.reference.load(version_of(rows))

    assert loaded == rows


@in_world
async def test_a_version_is_complete_once_every_row_is_here(ports: Ports) -> None:
    rows = rows_of(260)
    await ports.reference.publish(version_of(rows), rows)

    assert await ports.reference.is_complete(version_of(rows))
    assert not await ports.reference.is_complete(replace(version_of(rows), rows=261))
    assert not await ports.reference.is_complete(version_of(rows, "v9"))


@in_world
async def test_a_version_with_rows_missing_is_not_loaded(ports: Ports) -> None:
    rows = rows_of(3)
    await ports.reference.publish(version_of(rows), rows)

    with pytest.raises(NotFound, match="3 of 4 rows"):
        await ports.reference.load(replace(version_of(rows), rows=4))
    with pytest.raises(NotFound, match="0 of 3 rows"):
        await ports.reference.load(version_of(rows, "v9"))


@in_world
async def test_an_empty_version_is_a_version(ports: Ports) -> None:
    await ports.reference.publish(version_of({}), {})

    assert await ports.reference.load(version_of({})) == {}
    assert await ports.reference.get_many(version_of({}), ["k1"]) == {}


@in_world
async def test_only_keys_that_exist_are_returned_however_often_asked(ports: Ports) -> None:
    rows = rows_of(150)
    await ports.reference.publish(version_of(rows), rows)

    found = await ports.reference.get_many(version_of(rows), ["k7", "none", *rows, *rows])

    assert found == rows
    assert await ports.reference.get_many(version_of(rows), []) == {}


@in_world
async def test_a_key_that_the_table_cannot_hold_is_not_in_it(ports: Ports) -> None:
    rows = rows_of(1)
    await ports.reference.publish(version_of(rows), rows)

    found = await ports.reference.get_many(version_of(rows), ["", "x" * 1_025, "ä" * 513, "k0"])

    assert found == rows


@in_world
async def test_rows_that_are_not_as_announced_are_not_published(ports: Ports) -> None:
    good = rows_of(2)
    wrong: list[dict[str, Row]] = [
        rows_of(3),
        {**rows_of(1), "": good["k0"]},
        {**rows_of(1), "k1": {"sku": "k1", "name": "no price"}},
    ]

    for rows in wrong:
        with pytest.raises(ValueError, match="products@v1"):
            await ports.reference.publish(version_of(good), rows)

    assert await ports.reference.current("products") is None
