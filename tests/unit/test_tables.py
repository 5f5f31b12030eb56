"""What benches print, and the tables of docs/performance.md that they write: a row for all that is measured."""

from datetime import UTC, date, datetime

import pytest

import shapes
from awkward_shapes import LARGE, SHAPES
from containers import steps
from tables import PERFORMANCE, cells, dated, rows_of, with_rows

PAGE = """# Figures

`make bench NAME=one` · 2026-01-02 · here
`make bench NAME=two` · 2026-01-02

| what | CPU |
|---|---:|
| a | 1 ms |
| b | 2 ms |

| what | memory |
|---|---:|
| a | 3 MiB |
"""


def _names(titles: tuple[str, ...]) -> list[str]:
    return [cells(row)[0] for row in rows_of(PERFORMANCE.read_text(), titles)]


def test_every_shape_and_every_batch_of_many_chunks_has_its_row() -> None:
    assert _names(shapes.TITLES) == [*SHAPES, *LARGE]
    assert _names(shapes.MERGE_TITLES) == list(shapes.batches())


def test_rows_are_replaced_and_those_that_were_not_measured_are_kept() -> None:
    page = with_rows(PAGE, ("what", "CPU"), {"c": "| c | 5 ms |", "a": "", "b": "| b | 4 ms |", "d": ""})

    assert rows_of(page, ("what", "CPU")) == ["| c | 5 ms |", "| a | 1 ms |", "| b | 4 ms |"]
    assert rows_of(page, ("what", "memory")) == ["| a | 3 MiB |"]
    assert page.startswith(PAGE[: PAGE.index("| a")])


def test_a_table_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ValueError, match="no table with the titles"):
        with_rows(PAGE, ("what", "wall"), {})


def test_only_the_bench_that_ran_is_dated() -> None:
    page = dated(PAGE, "one", date(2026, 3, 4))

    assert page == PAGE.replace("NAME=one` · 2026-01-02", "NAME=one` · 2026-03-04")


def test_each_step_of_a_batch_is_counted_from_the_one_before() -> None:
    history = [
        {"at": "2026-01-02T00:00:08+00:00", "state": "ADMITTED", "by": "us-east-1"},
        {"at": "2026-01-02T00:00:10.500000+00:00", "state": "SPLIT", "by": "us-east-1"},
    ]

    assert steps(datetime(2026, 1, 2, tzinfo=UTC), history) == "ADMITTED 8.0 s, SPLIT 2.5 s"
