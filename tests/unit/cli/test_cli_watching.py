"""What watching looks like: a bar on a terminal, lines in a log, nothing for a script."""

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.console import Console

from baton.memory.clock import START
from baton.model.batch import Batch, Counts
from baton.model.states import BatchState
from baton.ports import Tally
from baton_cli.batches.queries import Snapshot
from baton_cli.batches.watching import screen
from cli_world import CliWorld


def _snapshot(
    seconds: float, batch: Batch | None, *, records: int | None = None, problem: str | None = None
) -> Snapshot:
    at = START + timedelta(seconds=seconds)
    tally = None if records is None else Tally("b", "plan1", 4, 1, Counts(records, records, 0), at)
    return Snapshot(at, batch, tally, problem)


def _life() -> list[Snapshot]:
    split = CliWorld().batch(records_total=4_000)
    done = replace(split, state=BatchState.COMPLETED, counts=Counts(4_000, 4_000, 0))
    return [
        _snapshot(0, None),
        _snapshot(0.3, None),
        _snapshot(1, split),
        _snapshot(2, split, records=1_000),
        _snapshot(3, split, records=2_000),
        _snapshot(9, split, records=3_000),
        _snapshot(10, split, records=3_000, problem="us-east-1 does not answer"),
        _snapshot(11, done),
    ]


def _shown(*, terminal: bool, quiet: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80, color_system=None)
    with screen(console, quiet=quiet) as shown:
        for snapshot in _life():
            shown.show(snapshot)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_log_gets_a_line_per_change_and_not_per_look() -> None:
    lines = _shown(terminal=False, quiet=False).splitlines()

    assert lines == [
        "00:00:00 UTC  waiting for admission",
        "00:00:01 UTC  SPLIT  0 of 4,000 records",
        "00:00:09 UTC  SPLIT  3,000 of 4,000 records",
        "00:00:10 UTC  us-east-1 does not answer  3,000 of 4,000 records",
        "00:00:11 UTC  COMPLETED  4,000 of 4,000 records",
    ]


def test_a_log_says_once_which_region_has_taken_a_batch_over() -> None:
    console = Console(file=io.StringIO(), width=80, color_system=None)
    at_home = CliWorld().batch(records_total=4_000)
    away = at_home.moved(BatchState.SPLIT, at=START, by="us-west-2", owner_epoch=at_home.owner_epoch + 1)

    with screen(console, quiet=False) as shown:
        for second, batch in enumerate((None, at_home, away, away)):
            shown.show(_snapshot(second, batch))

    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        "00:00:00 UTC  waiting for admission",
        "00:00:01 UTC  SPLIT  0 of 4,000 records",
        "00:00:02 UTC  SPLIT  0 of 4,000 records  taken over by us-west-2",
    ]


def test_a_script_gets_nothing_beside_its_answer() -> None:
    assert _shown(terminal=False, quiet=True) == ""


@pytest.mark.parametrize("quiet", [True, False])
def test_a_terminal_gets_a_bar_that_fits_80_columns(quiet: bool) -> None:  # noqa: FBT001 - a case
    last = _shown(terminal=True, quiet=quiet).rsplit("\x1b[2K", 1)[-1]

    assert "COMPLETED" in last
    assert "4,000 of 4,000 records" in last
    assert max(map(len, last.splitlines())) <= 80
