"""The sample generator: same seed, same bytes; as many bad records as asked for, of every kind."""

from collections import Counter
from pathlib import Path

import pytest

from baton_local.sales.expected import ExpectedReject
from baton_local.sales.sample import BAD_KINDS, Written, write_sales
from sales_expected import expect


def _write(directory: Path, **figures: float) -> tuple[bytes, bytes]:
    directory.mkdir(exist_ok=True)
    defaults = {"records": 500, "seed": 7, "bad_percent": 4.0}
    write_sales(directory / "sales.csv", directory / "reference.csv", **defaults | figures)  # pyright: ignore[reportArgumentType] - the figures of each test
    return (directory / "sales.csv").read_bytes(), (directory / "reference.csv").read_bytes()


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    first = _write(tmp_path / "first")
    second = _write(tmp_path / "second")

    assert first == second


def test_another_seed_gives_other_bytes(tmp_path: Path) -> None:
    first = _write(tmp_path / "first")
    second = _write(tmp_path / "second", seed=8)

    assert first[0] != second[0]
    assert first[1] != second[1]


@pytest.mark.parametrize(("records", "percent", "bad"), [(0, 5, 0), (1, 100, 1), (1_000, 2, 20), (25_000, 0.5, 125)])
def test_exactly_the_asked_share_of_records_is_rejected(tmp_path: Path, records: int, percent: float, bad: int) -> None:
    written = write_sales(
        tmp_path / "sales.csv", tmp_path / "reference.csv", records=records, seed=3, bad_percent=percent
    )

    expected = expect(tmp_path / "sales.csv", tmp_path / "reference.csv")

    assert written == Written(records=records, bad=bad, keys=records)
    assert expected.records_in == records
    assert len(expected.rejected) == bad


def test_every_kind_of_bad_record_comes_in_turn(tmp_path: Path) -> None:
    write_sales(
        tmp_path / "sales.csv", tmp_path / "reference.csv", records=BAD_KINDS * 50, seed=1, bad_percent=100 / BAD_KINDS
    )

    rejected = expect(tmp_path / "sales.csv", tmp_path / "reference.csv").rejected

    assert Counter((reject.reason, reject.column) for reject in rejected) == {
        ("value", "Ship Date"): 50 // BAD_KINDS + 1,
        ("value", "Item Type"): 50 // BAD_KINDS + 1,
        ("value", "uuid"): 50 // BAD_KINDS,
        ("missing_reference", ""): 50 // BAD_KINDS,
        ("columns", ""): 2 * (50 // BAD_KINDS),
        ("nul_byte", ""): 50 // BAD_KINDS,
        ("encoding", ""): 50 // BAD_KINDS,
    }


def test_every_record_of_a_spoiled_file_is_rejected_whatever_the_seed(tmp_path: Path) -> None:
    for seed in range(20):
        write_sales(tmp_path / "sales.csv", tmp_path / "reference.csv", records=400, seed=seed, bad_percent=100)

        expected = expect(tmp_path / "sales.csv", tmp_path / "reference.csv")

        assert [reject.record_number for reject in expected.rejected] == list(range(1, 401)), f"seed {seed}"


def test_few_keys_are_shared_by_many_records(tmp_path: Path) -> None:
    written = write_sales(tmp_path / "sales.csv", tmp_path / "reference.csv", records=12_000, seed=5, keys=7)

    expected = expect(tmp_path / "sales.csv", tmp_path / "reference.csv")

    assert written.keys == 7
    assert len(expected.rows) == 12_000
    assert len({row[0] for row in expected.rows}) == 7


def test_reference_figures_add_up_to_the_cent(tmp_path: Path) -> None:
    _write(tmp_path, records=200, bad_percent=0)

    rows = expect(tmp_path / "sales.csv", tmp_path / "reference.csv").rows

    for row in rows:
        units, price, cost, revenue, spent, profit = (int(text.replace(".", "")) for text in row[8:])
        assert (revenue, spent, profit) == (units * price, units * cost, units * (price - cost))


@pytest.mark.parametrize("figures", [{"records": -1}, {"bad_percent": 101}, {"bad_percent": -1}, {"keys": 0}])
def test_impossible_figures_are_refused(tmp_path: Path, figures: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        _write(tmp_path, **figures)


def test_quoted_names_and_letters_of_two_bytes_are_in_the_sample(tmp_path: Path) -> None:
    sales, _ = _write(tmp_path, records=2_000, bad_percent=0)

    rejected = expect(tmp_path / "sales.csv", tmp_path / "reference.csv").rejected

    assert b'"Korea, South"' in sales
    assert "São Tomé".encode() in sales
    assert rejected == list[ExpectedReject]()
