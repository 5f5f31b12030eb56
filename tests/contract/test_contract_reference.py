"""What every store of reference data does."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

import baton.ports.preconditions
from baton.errors import NotFound, Unavailable
from baton.ports import ReferenceVersion, Row
from baton.ports.preconditions import replaced
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
async def test_a_version_tells_the_bytes_of_its_values(ports: Ports) -> None:
    rows: dict[str, Row] = {"k": {"sku": "k", "name": "Käse", "price": ""}}
    await ports.reference.publish(version_of(rows), rows)

    current, described = await ports.reference.current("products"), await ports.reference.describe("products", "v1")

    assert (current and current.size_bytes, described and described.size_bytes) == (6, 6)


@in_world
async def test_a_value_that_no_csv_file_may_hold_is_refused(ports: Ports) -> None:
    rows: dict[str, Row] = {"k": {"sku": "k", "name": "a\0b", "price": ""}}

    with pytest.raises(ValueError, match="row 'k' holds a NUL in 'name'"):
        await ports.reference.publish(version_of(rows), rows)

    assert await ports.reference.current("products") is None


@in_world
async def test_a_row_is_refused_that_is_too_large_as_it_is_stored(ports: Ports) -> None:
    rows: dict[str, Row] = {"k": {"sku": "k", "name": 66_000 * "\1", "price": ""}}
    await ports.reference.publish(version_of(rows), rows)

    rows["k"] = {"sku": "k", "name": 70_000 * "\1", "price": ""}
    with pytest.raises(
        ValueError, match="row 'k' has too many control characters: as it is stored it has 420,011 bytes"
    ):
        await ports.reference.publish(version_of(rows, "v2"), rows)


@in_world
async def test_a_table_of_more_bytes_than_are_taken_is_refused(ports: Ports) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baton.ports.preconditions, "REFERENCE_BYTES_MAX", 50)
        with pytest.raises(ValueError, match="more than 50 bytes, from row 'k4' on"):
            await ports.reference.publish(version_of(rows_of(5)), rows_of(5))

    assert await ports.reference.current("products") is None


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
async def test_rows_of_two_loads_never_mix_under_one_version(ports: Ports) -> None:
    accounts: dict[str, Row] = {key: {"sku": key, "name": "by account", "price": "1"} for key in ("A1", "A2")}
    ibans: dict[str, Row] = {key: {"sku": key, "name": "by IBAN", "price": "1"} for key in ("I1", "I2", "I3")}

    for rows in (ibans, accounts, ibans):
        await ports.reference.publish(version_of(rows), rows)

        assert await ports.reference.is_complete(version_of(rows))
        assert await ports.reference.load(version_of(rows)) == rows
        assert await ports.reference.current("products") == version_of(rows)
    assert await ports.reference.get_many(version_of(ibans), list(accounts)) == {}


@in_world
async def test_as_many_other_rows_or_columns_are_other_rows(ports: Ports) -> None:
    first = rows_of(3)
    second: dict[str, Row] = {key: {**row, "price": "7"} for key, row in first.items()}
    renamed = ReferenceVersion("products", "v1", rows=3, columns=("sku", "title", "price"))

    await ports.reference.publish(version_of(first), first)
    await ports.reference.publish(version_of(second), second)
    assert await ports.reference.load(version_of(second)) == second
    titled: dict[str, Row] = {key: {"sku": key, "title": row["name"], "price": "7"} for key, row in second.items()}
    await ports.reference.publish(renamed, titled)

    assert await ports.reference.load(renamed) == titled


class BreakingOff:
    """Rows that are there when they are checked, and not all when they are written."""

    def __init__(self, rows: dict[str, Row], *, at: int) -> None:
        self._rows = rows
        self._at = at
        self._passes = 0

    def __iter__(self) -> Iterator[tuple[str, Row]]:
        self._passes += 1
        for number, pair in enumerate(self._rows.items()):
            if self._passes > 1 and number == self._at:
                raise ConnectionResetError("the disk went away")
            yield pair


@in_world
async def test_a_load_that_broke_off_leaves_nothing_that_a_later_one_meets(ports: Ports) -> None:
    first, second = rows_of(60), {f"other{n}": row for n, row in enumerate(rows_of(40).values())}

    for number, later in enumerate((second, first)):
        version = version_of(later, f"v{number}")
        with pytest.raises((Unavailable, ConnectionResetError), match="the disk went away"):
            await ports.reference.publish(replace(version, rows=60), BreakingOff(first, at=50))
        assert await ports.reference.describe("products", version.version) is None
        await ports.reference.publish(version, later)

        assert await ports.reference.is_complete(version)
        assert await ports.reference.load(version) == later


@in_world
async def test_more_rows_than_a_version_has_are_as_wrong_as_fewer(ports: Ports) -> None:
    rows = rows_of(3)
    await ports.reference.publish(version_of(rows), rows)

    assert not await ports.reference.is_complete(replace(version_of(rows), rows=2))
    with pytest.raises(NotFound, match="3 of 2 rows"):
        await ports.reference.load(replace(version_of(rows), rows=2))


@in_world
async def test_rows_are_drawn_one_after_the_other(ports: Ports) -> None:
    rows = BreakingOff(rows_of(130), at=1_000)

    await ports.reference.publish(version_of(rows_of(130)), rows)

    assert await ports.reference.load(version_of(rows_of(130))) == rows_of(130)


@in_world
async def test_versions_that_were_replaced_long_enough_ago_are_removed_with_their_rows(ports: Ports) -> None:
    for name in ("v1", "v2", "v3"):
        await ports.reference.publish(version_of(rows_of(30), name), rows_of(30))
    broken = version_of(rows_of(30), "v4")
    with pytest.raises((Unavailable, ConnectionResetError)):
        await ports.reference.publish(broken, BreakingOff(rows_of(30), at=29))
    now = ports.clock.now()

    assert await ports.reference.prune("products", replaced_before=now - timedelta(days=1)) == []
    assert await ports.reference.load(version_of(rows_of(30), "v1")) == rows_of(30)
    removed = await ports.reference.prune("products", replaced_before=now + timedelta(days=1))

    assert list(removed) == ["v1", "v2", "v4"]
    assert await ports.reference.describe("products", "v1") is None
    assert await ports.reference.get_many(version_of(rows_of(30), "v2"), list(rows_of(30))) == {}
    assert await ports.reference.get_many(broken, list(rows_of(30))) == {}
    assert await ports.reference.load(version_of(rows_of(30), "v3")) == rows_of(30)
    assert await ports.reference.prune("nothing", replaced_before=now) == []


@in_world
async def test_a_version_that_is_published_again_follows_the_others(ports: Ports) -> None:
    for name in ("v1", "v2", "v1"):
        await ports.reference.publish(version_of(rows_of(3), name), rows_of(3))

    removed = await ports.reference.prune("products", replaced_before=ports.clock.now() + timedelta(days=1))

    assert list(removed) == ["v2"]
    assert await ports.reference.current("products") == version_of(rows_of(3), "v1")


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
        {**rows_of(1), "k1": {"sku": "k1", "name": "x" * 200_001, "price": ""}},
    ]

    for rows in wrong:
        with pytest.raises(ValueError, match="products@v1"):
            await ports.reference.publish(version_of(good), rows)

    assert await ports.reference.current("products") is None


def test_the_current_version_is_never_replaced_whatever_the_clocks_of_two_loads_said() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    published = {"v1": at, "v2": at + timedelta(hours=1)}

    assert replaced(published, current="v1", before=at + timedelta(days=60)) == []
    assert replaced(published, current="v2", before=at + timedelta(days=60)) == ["v1"]
