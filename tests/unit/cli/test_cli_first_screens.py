"""What somebody meets who types the commands for the first time."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from aio import run
from baton.model.batch import Batch, Counts, Source
from baton.model.states import BatchState
from baton.testing import virtual_time
from baton_cli.main import app
from baton_cli.session import Session, console
from baton_local import state
from baton_local.in_containers import layout
from baton_local.on_processes import lifecycle
from baton_local.state import World
from cli_typed import holding, typed
from cli_world import PUBLISHED, CliWorld, completed, failed

ID = "b" * 20


# --- batches ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (failed("header"), "10 - "),
        (failed("too_many_rejects") | {"counts": Counts(8, 2, 6)}, "10 6 "),
        (failed("mail_failed") | {"published": PUBLISHED, "counts": Counts(10, 10, 0)}, "10 0 "),
        ({"state": BatchState.ADMITTED}, "10 0 "),
        (completed(), "10 2 "),
    ],
)
def test_a_list_of_batches_shows_rejects_as_far_as_they_are_known(changes: dict[str, Any], told: str) -> None:
    world = holding(CliWorld().batch(**changes))

    assert f"march.csv {told}" in " ".join(typed(world, "batches").stdout.split())


@pytest.mark.parametrize("command", ["watch", "show"])
def test_a_batch_over_its_limit_shows_how_much_of_it_was_checked(command: str) -> None:
    world = holding(CliWorld().batch(counts=Counts(8, 2, 6), **failed("too_many_rejects")))

    text = typed(world, command, ID).stdout

    assert "8 of 10 were checked, 6 rejected" in text
    assert " out " not in text, "nothing of it is published"


def _lines(command: str, *batches: Batch) -> list[str]:
    session = Session(holding(*batches), out=console(), err=console(stderr=True), runner=virtual_time.run)
    return CliRunner().invoke(app, [command], obj=session).stdout.splitlines()


def test_off_a_terminal_no_line_is_broken_and_none_is_padded() -> None:
    source = Source("input/sales/" + "a long name " * 5 + ".csv", "v", 1)
    batches = [CliWorld().batch(digit * 20, source=source) for digit in "abc"]

    listed, jobs, status = _lines("batches", *batches), _lines("jobs"), _lines("status", *batches)

    assert len(listed) == 4
    assert {line[:20] for line in listed[1:]} == {batch.batch_id for batch in batches}
    assert not any(len(line) > 200 for line in (*listed, *status))
    assert any("columns" in line and len(line) > 80 for line in jobs)


def test_on_a_narrow_terminal_an_id_is_never_broken() -> None:
    source = Source("input/sales/" + "a long name " * 20 + ".csv", "v", 1)
    world = holding(*(CliWorld().batch(digit * 20, source=source) for digit in "abc"))

    text = typed(world, "batches", width=80).stdout

    assert all(digit * 20 in text for digit in "abc")
    assert max(map(len, text.splitlines())) <= 80


# --- jobs ------------------------------------------------------------------------------------------------------------

_JOB = 'from baton.job import Job\njob = Job(name="{name}", record=None, recipients=({to}))\n'


@pytest.fixture
def two_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a package with a job that can be used and one that cannot."""
    package = tmp_path / f"two_jobs_{tmp_path.name}"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "good.py").write_text(_JOB.format(name="good", to=f'"{"someone" * 8}@example.com", "b@example.com"'))
    (package / "payments.py").write_text("from decimal import Decimall\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return package.name


def _baton(directory: Path, *args: object) -> Result:
    return CliRunner().invoke(app, ["--directory", str(directory), *map(str, args)])


def test_a_broken_job_keeps_no_other_from_being_sent_to(two_jobs: str, tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("a\n1\n")

    good = _baton(tmp_path, "--jobs-package", two_jobs, "submit", tmp_path / "f.csv", "--job", "good")
    broken = _baton(tmp_path, "--jobs-package", two_jobs, "submit", tmp_path / "f.csv", "--job", "payments")

    assert "no world runs here" in good.stderr, "it was not stopped by a job that it is not sent to"
    assert "there is no job 'payments'; the jobs are: good" in broken.stderr
    assert f"not loaded: {two_jobs}/payments.py, line 1: ImportError: cannot import name 'Decimall'" in broken.stderr


def test_jobs_lists_those_that_can_be_used_with_whole_addresses_and_names_the_others(
    two_jobs: str, tmp_path: Path
) -> None:
    listed = _baton(tmp_path, "--jobs-package", two_jobs, "jobs")

    assert listed.exit_code == 1
    assert "someone" * 8 + "@example.com\n" in listed.stdout
    assert "CSV in UTF-8 with commas" in listed.stdout
    assert f"{two_jobs}/payments.py, line 1" in listed.stderr


def test_a_job_that_the_running_world_does_not_know_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("a\n1\n")
    world = CliWorld(jobs_there={"passthrough": "1" * 12})

    new = typed(world, "submit", tmp_path / "f.csv", "--job", "sales")
    forced = typed(world, "submit", tmp_path / "f.csv", "--job", "sales", "--force")
    changed = typed(world, "submit", tmp_path / "f.csv", "--job", "passthrough")

    assert (new.exit_code, forced.exit_code, changed.exit_code) == (1, 0, 0)
    assert "the job 'sales' is newer than the world that runs" in " ".join(new.stderr.split())
    assert "was started with another version of the job 'passthrough'" in " ".join(changed.stderr.split())
    assert "another version" not in typed(CliWorld(), "submit", tmp_path / "f.csv", "--job", "passthrough").stderr


# --- up and down -----------------------------------------------------------------------------------------------------


def test_up_says_what_to_try_and_on_a_running_world_which_jobs_it_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = layout.WORLD.model_copy(update={"pid": os.getpid(), "log_directory": str(tmp_path / "logs")})

    def up(directory: Path) -> World:
        state.write(world, directory)
        return world

    monkeypatch.setattr(lifecycle, "up", up)
    first, again = _baton(tmp_path, "up"), _baton(tmp_path, "up")
    (tmp_path / "jobs.json").write_text('{"sales": "0", "old": "1"}')
    other = _baton(tmp_path, "up")

    assert "Both Regions are up: " in first.stdout
    assert f"  baton --directory {tmp_path} submit sales.csv --job sales --watch\n" in first.stdout
    assert "were up already" in again.stdout
    assert again.stderr == ""
    assert "other jobs than are here now (new: passthrough; changed: sales; gone: old)" in other.stderr
    assert "deletes batches, results and reference data" in other.stderr


def test_down_says_what_is_gone_with_the_world(tmp_path: Path) -> None:
    (tmp_path / "world").mkdir()
    (tmp_path / "world" / "lock").touch()

    gone, nothing = _baton(tmp_path / "world", "down"), _baton(tmp_path / "world", "down")

    assert "deleted: batches, results, mails, reference data" in gone.stdout
    assert nothing.stdout == "No world was here: there was nothing to stop.\n"


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        ("submit", "-", "--job", "sales"),
        ("fetch", "last", "-o", "-"),
        ("reference", "load", "financial", "-", "--key", "uuid"),
    ],
)
def test_a_pipe_is_refused_as_one(args: tuple[str, ...]) -> None:
    result = typed(holding(CliWorld().batch(**completed())), *args)

    assert result.exit_code == 1
    assert "a pipe is not accepted: name a file" in " ".join(result.stderr.split())


def test_what_is_there_but_no_file_is_said_to_be_that(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")

    assert "fifo is no regular file" in typed(CliWorld(), "submit", tmp_path / "fifo", "--job", "sales").stderr.replace(
        "\n", " "
    )


def test_the_same_file_sent_again_is_told(tmp_path: Path) -> None:
    (tmp_path / "march.csv").write_bytes(b"x" * 1_000)
    world = holding(CliWorld().batch(**completed()))

    again = typed(world, "submit", tmp_path / "march.csv", "--job", "sales", "--json")
    other = typed(world, "submit", tmp_path / "march.csv", "--job", "sales", "--name", "april.csv")

    assert f"of this name and size was sent at 2026-01-01 00:00:00 UTC: batch {ID}, COMPLETED" in again.stderr
    assert json.loads(again.stdout)["sent_before_batch_id"] == ID
    assert other.stderr == ""


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    world = holding(CliWorld().batch(**completed()))
    run(world.home.objects.put(PUBLISHED.result_key, b"12345"))
    (tmp_path / "mine.csv").write_text("my own")

    refused = typed(world, "fetch", ID, "-o", tmp_path / "mine.csv")
    kept = (tmp_path / "mine.csv").read_text()
    forced = typed(world, "fetch", ID, "-o", tmp_path / "mine.csv", "--force")
    beside = typed(world, "fetch", ID, "-o", tmp_path)

    assert (refused.exit_code, kept) == (1, "my own")
    assert "--force writes over it" in " ".join(refused.stderr.split())
    assert (forced.exit_code, (tmp_path / "mine.csv").read_text()) == (0, "12345")
    assert (beside.exit_code, (tmp_path / f"{ID}-result.csv").read_text()) == (0, "12345")
    assert typed(world, "fetch", ID, "-o", "/dev/null", "--force").exit_code == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (failed("header"), "no record of batch"),
        (completed() | {"counts": Counts(10, 10, 0)}, "was rejected: there is nothing to fetch"),
    ],
)
def test_rejects_of_a_batch_without_any_are_said_to_be_none(changes: dict[str, Any], words: str) -> None:
    result = typed(holding(CliWorld().batch(**changes)), "fetch", ID, "--rejects")

    assert result.exit_code == 1
    assert words in " ".join(result.stderr.split())


def test_reference_data_without_a_column_that_a_job_adds_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("uuid,unitPrice\n1,2\n")

    refused = typed(CliWorld(), "reference", "load", "financial", tmp_path / "f.csv", "--key", "uuid", width=500)
    forced = typed(CliWorld(), "reference", "load", "financial", tmp_path / "f.csv", "--key", "uuid", "--force")
    other = typed(CliWorld(), "reference", "load", "prices", tmp_path / "f.csv", "--key", "uuid")

    assert (refused.exit_code, forced.exit_code, other.exit_code) == (1, 0, 0)
    assert "f.csv lacks what the job 'sales' adds: " in refused.stderr
    assert "it has: uuid, unitPrice (--force loads it anyway)" in refused.stderr


@pytest.mark.parametrize("name", ["a\tb.csv", "a\u202eb.csv", "\udcff.csv"])
def test_a_name_with_what_cannot_be_printed_says_which_character_it_is(name: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("a\n")

    result = typed(CliWorld(), "submit", tmp_path / "x", "--job", "sales", "--name", name, width=300)

    assert result.exit_code == 1
    assert "cannot be printed; give another with --name" in result.stderr
    assert result.stderr.strip().isprintable()


def test_outside_of_a_world_the_environment_is_named_by_its_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BATON_ACCOUNT_ID", "BATON_REGIONS", "BATON_WORLD", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    bare = _baton(tmp_path, "status").stderr
    monkeypatch.setenv("BATON_ACCOUNT_ID", "12")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    wrong = _baton(tmp_path, "status").stderr

    assert bare.endswith("names none on AWS: BATON_ACCOUNT_ID is not set; AWS_REGION is not set\n")
    assert "names none on AWS: BATON_ACCOUNT_ID: String should match pattern" in wrong
