"""Two implementations of the sales rules held against each other: the checker's and the job's own model."""

import csv
from pathlib import Path

from pydantic import ValidationError

from baton_jobs.sales import job
from baton_local.sales.expected import ADDED_COLUMNS, INPUT_COLUMNS, ExpectedReject, outcomes
from baton_local.sales.sample import write_sales

SPOILED = ("", " ", "0", "1/1/15", "1/0/15", "0/1/15", "2/29/00", "2/29/14", "1/1/5", "00/1/15", "1/1/15 ", "c", "Meat")
"""Values put into every column of a good record in turn."""


def _broken_columns(row: list[str]) -> set[str]:
    assert job.record is not None
    try:
        job.record.model_validate(dict(zip(INPUT_COLUMNS, row, strict=True)))
    except ValidationError as error:
        return {str(broken["loc"][0]) for broken in error.errors()}
    return set()


def _spoil(row: list[str]) -> list[list[str]]:
    return [[*row[:at], value, *row[at + 1 :]] for at in range(len(row)) for value in (*SPOILED, "x" * 201, "x" * 200)]


def test_the_job_and_the_checker_judge_every_record_alike(tmp_path: Path) -> None:
    write_sales(tmp_path / "sales.csv", tmp_path / "reference.csv", records=50, seed=11)
    rows = list(csv.reader((tmp_path / "sales.csv").read_text().splitlines()))[1:]
    rows += [spoiled for row in rows[:5] for spoiled in _spoil(row)]
    with (tmp_path / "all.csv").open("w", newline="") as file:
        csv.writer(file).writerows([INPUT_COLUMNS, *rows])

    found = list(outcomes(tmp_path / "all.csv", tmp_path / "reference.csv"))

    assert len(found) == len(rows)
    for row, outcome in zip(rows, found, strict=True):
        broken = _broken_columns(row)
        column = outcome.column if isinstance(outcome, ExpectedReject) else ""
        assert column == min(broken, key=INPUT_COLUMNS.index, default=""), row


def test_the_checker_knows_the_columns_of_the_job() -> None:
    assert job.columns == tuple(INPUT_COLUMNS)
    assert job.output_columns(tuple(INPUT_COLUMNS)) == (*INPUT_COLUMNS, *ADDED_COLUMNS)
