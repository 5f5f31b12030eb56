"""The command as typed: what it prints, as text and as JSON, and how it exits."""

import csv
import io
import json
import shlex
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from aio import run
from baton.catalog import Catalog, CatalogError
from baton.memory import MemoryLedger
from baton.model.batch import Batch, Counts, MailClaim, Source
from baton.model.control import Control, SwitchKind, Transition
from baton.model.states import BatchState
from baton.model.takeover import taken_over
from baton.ports import ChunkDone, StoredReject
from baton.testing import virtual_time
from baton_cli.main import app
from baton_cli.reach.connection import Connection
from baton_cli.session import Session
from baton_cli.world.chaos import OutageChoice
from baton_local.stand_ins.arc import Outage
from baton_local.switches.admin import (
    AdminError,
    ArcEndpointStatus,
    ArcStatus,
    ProcessStatus,
    RegionLinks,
    ReplicationStatus,
    SupervisorStatus,
)
from cli_world import AWAY, EPOCH, HOME, PUBLISHED, CliWorld, Silent, Unreachable, completed, failed, virtual_world

ID = "b" * 20
LINK = "http://127.0.0.1/" + "x" * 300


def _baton(world: CliWorld, *args: object, width: int = 80, runner: Any = virtual_time.run) -> Result:
    session = Session(
        world,
        out=Console(highlight=False, width=width),
        err=Console(stderr=True, highlight=False, width=width),
        runner=runner,
    )
    return CliRunner().invoke(app, [str(arg) for arg in args], obj=session)


def _with(*batches: Batch, world: CliWorld | None = None) -> CliWorld:
    world = world or CliWorld()
    for batch in batches:
        run(world.admit(batch))
    return world


@pytest.fixture
def march(tmp_path: Path) -> Path:
    path = tmp_path / "march.csv"
    path.write_bytes(b"a\n1\n")
    return path


def test_ctrl_c_while_reference_data_is_loaded_says_that_the_version_before_stands(march: Path) -> None:
    class Interrupted(CliWorld):
        @asynccontextmanager
        async def connect(self) -> AsyncGenerator[Connection]:
            raise KeyboardInterrupt
            yield self.connection

    result = _baton(Interrupted(), "reference", "load", "prices", march, "--key", "a")

    assert result.exit_code == 130
    assert "not loaded to its end; load it again" in " ".join(result.stderr.split())


def test_ctrl_c_before_an_order_is_placed_says_so() -> None:
    class Interrupted(CliWorld):
        @asynccontextmanager
        async def connect(self) -> AsyncGenerator[Connection]:
            raise KeyboardInterrupt
            yield self.connection

    result = _baton(Interrupted(), "failover", "--to", AWAY, "--yes")

    assert result.exit_code == 130
    assert "nothing was ordered" in result.stderr


# --- submit and watch ------------------------------------------------------------------------------------------------


def test_submit_answers_with_the_batch_id_key_and_version(march: Path) -> None:
    world = CliWorld()

    result = _baton(world, "submit", march, "--job", "sales", "--json")

    answer = json.loads(result.stdout)
    assert result.exit_code == 0
    assert answer == {
        "batch_id": answer["batch_id"],
        "job": "sales",
        "key": "input/sales/march.csv",
        "version_id": f"{HOME}-000001",
        "size_bytes": 4,
        "sent_before_batch_id": None,
    }


def test_submit_tells_people_what_to_type_next(march: Path) -> None:
    result = _baton(CliWorld(), "submit", march, "--job", "sales")

    assert result.exit_code == 0
    assert "input/sales/march.csv (4 bytes)" in result.stdout
    assert "baton watch " in result.stdout


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (("none.csv", "--job", "sales"), "there is no file none.csv"),
        ((__file__, "--job", "sails"), "the jobs are: passthrough, sales"),
        ((__file__, "--job", "sales", "--name", "a//b"), "cannot be the name of an input"),
    ],
)
def test_submit_refuses_before_it_connects(args: tuple[str, ...], reason: str) -> None:
    world = CliWorld()
    world.connection = replace(world.connection, uploader=Silent())  # an upload would never return

    result = _baton(world, "submit", *args)

    assert result.exit_code == 1
    assert reason in result.stderr
    assert result.stdout == ""


def _admitting(outcome: dict[str, Any]) -> CliWorld:
    """Return a world in which a batch that is asked for is there, with this outcome."""
    world = virtual_world()
    ledger = world.ledger
    get = ledger.get

    async def get_or_admit(batch_id: str) -> Batch | None:
        if await get(batch_id) is None:
            await ledger.admit(world.batch(batch_id, **outcome))
        return await get(batch_id)

    ledger.get = get_or_admit
    return world


@pytest.mark.parametrize(
    ("outcome", "status", "reason"),
    [
        (completed(), 0, None),
        (failed(), 2, "it broke"),
        ({"state": BatchState.CANCELLED}, 3, None),
    ],
)
def test_submit_and_watch_ends_with_one_json_object_and_the_status_of_the_batch(
    march: Path, outcome: dict[str, Any], status: int, reason: str | None
) -> None:
    result = _baton(_admitting(outcome), "submit", march, "--job", "sales", "--watch", "--json")

    answer = json.loads(result.stdout)
    published = outcome.get("published")
    assert result.exit_code == status
    assert answer["state"] == outcome["state"]
    assert answer["reason"] == reason
    assert [answer[name] for name in ("result_key", "rejects_key", "manifest_key")] == (
        [PUBLISHED.result_key, PUBLISHED.rejects_key, PUBLISHED.manifest_key] if published else [None, None, None]
    )
    if published:
        assert [answer[name] for name in ("records_in", "records_out", "rejects")] == [10, 8, 2]
    assert len(answer["batch_id"]) == 20


def test_watch_shows_every_stage_and_ends_with_a_summary() -> None:
    world = _with(CliWorld().batch(**completed()), world=virtual_world())

    result = _baton(world, "watch", ID)

    assert result.exit_code == 0
    assert "COMPLETED  10 of 10 records" in result.stderr
    assert "10 in = 8 out + 2 rejected" in result.stdout
    assert f"baton fetch {ID}" in result.stdout


def test_watching_stops_after_the_timeout_and_says_how_to_come_back() -> None:
    world = _with(CliWorld().batch(), world=virtual_world())

    result = _baton(world, "watch", ID, "--timeout", "30")

    assert result.exit_code == 1
    assert f"not done after 30 s. It continues; follow it again: baton watch {ID}" in " ".join(result.stderr.split())
    assert result.stdout == ""


def test_watching_a_paused_batch_in_vain_says_how_to_resume_it() -> None:
    world = _with(CliWorld().batch(state=BatchState.PAUSED), world=virtual_world())

    result = _baton(world, "watch", ID, "--timeout", "30")

    assert result.exit_code == 1
    assert f"not done after 30 s: it is PAUSED. Resume it: baton resume {ID}" in " ".join(result.stderr.split())


def test_watching_a_batch_that_is_set_aside_in_vain_says_where_to_look() -> None:
    world = _with(CliWorld().batch(state=BatchState.QUARANTINED), world=virtual_world())

    result = _baton(world, "watch", ID, "--timeout", "30")

    assert f"it is QUARANTINED, see why: baton show {ID}" in " ".join(result.stderr.split())


def test_ctrl_c_leaves_the_batch_running_and_says_how_to_come_back() -> None:
    world = _with(CliWorld().batch(), world=virtual_world())
    reads = 0
    get = world.ledger.get

    async def interrupted(batch_id: str) -> Batch | None:
        nonlocal reads
        reads += 1
        if reads > 5:
            raise KeyboardInterrupt
        return await get(batch_id)

    world.ledger.get = interrupted

    result = _baton(world, "watch", ID)

    assert result.exit_code == 130
    assert f"baton watch {ID}" in result.stderr
    assert run(get(ID)).state is BatchState.SPLIT


def test_an_upload_that_no_region_takes_is_an_error(march: Path) -> None:
    world = CliWorld()
    world.connection = replace(world.connection, uploader=Unreachable())

    result = _baton(world, "submit", march, "--job", "sales")

    assert result.exit_code == 1
    assert "error: upload: connection refused" in result.stderr


# --- questions -------------------------------------------------------------------------------------------------------


def test_status_shows_both_regions_in_80_columns() -> None:
    world = _with(CliWorld().batch())
    world.lose(AWAY, Unreachable())

    result = _baton(world, "status")

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert any(line.split() == [HOME, "active", "yes"] for line in lines)
    assert any(line.split()[:3] == [AWAY, "standby", "no:"] for line in lines)
    assert "Open: 1 SPLIT." in result.stdout
    assert max(map(len, lines)) <= 80


def test_status_as_json() -> None:
    world = _with(CliWorld().batch(), CliWorld().batch("c" * 20, **failed()))
    world.lose(AWAY, Unreachable())

    result = _baton(world, "status", "--json")

    answer = json.loads(result.stdout)
    expected = {
        "environment": "test",
        "epoch": EPOCH,
        "active_region": HOME,
        "regions": [
            {"region": HOME, "active": True, "reachable": True, "problem": None},
            {"region": AWAY, "active": False, "reachable": False, "problem": "tally: connection refused"},
        ],
        "open": {"SPLIT": 1},
        "oldest_open_batch_id": ID,
    }
    assert {name: answer[name] for name in expected} == expected


def test_batches_are_listed_in_80_columns_and_as_json() -> None:
    source = CliWorld().batch().source
    world = _with(CliWorld().batch(**completed()), CliWorld().batch("c" * 20, **failed(), source=source))

    table = _baton(world, "batches").stdout
    rows = json.loads(_baton(world, "batches", "--state", "failed", "--json").stdout)

    assert max(map(len, table.splitlines())) <= 80
    assert ID in table
    assert [row["batch_id"] for row in rows] == ["c" * 20]
    assert rows[0]["reason"] == "it broke"


def test_batches_that_a_switch_moved_are_listed() -> None:
    switch = Transition("t3", SwitchKind.FAILOVER, HOME, AWAY, "", CliWorld().clock.now(), automatic=True)
    world = CliWorld(ledger=MemoryLedger(Control(EPOCH, AWAY, transition=switch)))
    moved = taken_over(world.batch(), epoch=EPOCH + 1, at=world.clock.now(), by=AWAY)
    others = [replace(moved, batch_id=f"{number:020}") for number in range(24)]
    _with(moved, *others, world.batch("c" * 20), world=world)

    for named in ("t3", "last"):
        rows = json.loads(_baton(world, "batches", "--moved-by", named, "--json").stdout)
        assert {row["batch_id"] for row in rows} == {ID, *(each.batch_id for each in others)}
    assert len(json.loads(_baton(world, "batches", "--moved-by", "t3", "-n", "3", "--json").stdout)) == 3
    assert len(json.loads(_baton(world, "batches", "--json").stdout)) == 20
    assert "there is no switch t4" in _baton(world, "batches", "--moved-by", "t4").stderr
    assert "nothing was switched yet" in _baton(CliWorld(), "batches", "--moved-by", "last").stderr


@pytest.mark.parametrize(
    "given",
    [
        ("--directory", "/srv/a rather long directory of a world, somewhere below the home of a user"),
        ("--world", "aws"),
        ("--jobs-package", "my_jobs", "--world", "embedded"),
    ],
    ids=str,
)
def test_hints_can_be_pasted_they_keep_the_options_that_were_given(given: tuple[str, ...], march: Path) -> None:
    world = _with(CliWorld().batch(**completed()), CliWorld().batch("c" * 20, **failed()))
    hint = shlex.join(["baton", *_in_order(given)])

    def told(*args: object) -> str:
        result = _baton(world, *given, *args)
        return result.stdout + result.stderr

    for answer, command in (
        (told("show", ID), f"fetch {ID}"),
        (told("show", "c" * 20), f"retry {'c' * 20}"),
        (told("show", "--json", ID), f"fetch {ID}"),
        (told("submit", march, "--job", "sales"), "watch "),
        (told("reference", "show", "nothing"), "reference load nothing"),
    ):
        assert f"{hint} {command}" in answer


def _in_order(given: Sequence[str]) -> list[str]:
    pairs = dict(zip(given[::2], given[1::2], strict=True))
    return [
        word for name in ("--world", "--directory", "--jobs-package") if name in pairs for word in (name, pairs[name])
    ]


def test_a_hint_without_options_names_the_command_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_WORLD", "embedded")
    world = _with(CliWorld().batch(**completed()))

    assert f"Download the result: baton fetch {ID}" in _baton(world, "show", ID).stdout


def test_batches_whose_rows_cannot_be_read_are_named_beside_the_others() -> None:
    world = _with(CliWorld().batch(), CliWorld().batch("c" * 20))
    world.ledger.spoil("c" * 20)

    listed, status = _baton(world, "batches", width=200), _baton(world, "status", width=200)
    answer = json.loads(_baton(world, "status", "--json").stdout)
    shown = _baton(world, "show", "cccc", width=200)

    assert ID in listed.stdout
    assert "Not readable" not in listed.stdout
    for text in (listed.stderr, status.stdout):
        assert f"Not readable by this version of Baton, so nothing is done with them: {'c' * 20} (input/" in text
    assert answer["unreadable_batch_ids"] == ["c" * 20]
    assert shown.exit_code == 1
    assert "cannot be read by this version" in shown.stderr


def test_show_tells_everything() -> None:
    world = _with(CliWorld().batch(**completed()))

    text = " ".join(_baton(world, "show", "bbbb").stdout.split())
    answer = json.loads(_baton(world, "show", "last", "--json").stdout)

    for word in (ID, "COMPLETED", "input/sales/march.csv", "10 in = 8 out + 2 rejected", *_keys(), HOME, "baton fetch"):
        assert word in text
    assert answer["history"] == [{"at": "2026-01-01T00:00:00+00:00", "state": "COMPLETED", "by": HOME}]
    assert answer["next"] == f"Download the result: baton fetch {ID}"
    assert answer["result_key"] == PUBLISHED.result_key


def _keys() -> tuple[str, ...]:
    return PUBLISHED.result_key, PUBLISHED.rejects_key, PUBLISHED.manifest_key


def test_show_names_the_reason_of_a_failure() -> None:
    result = _baton(_with(CliWorld().batch(**failed())), "show", ID)

    assert "chunk_failed: it broke" in result.stdout
    assert f"baton retry {ID}" in result.stdout


def test_an_unknown_batch_is_an_error_of_one_line() -> None:
    result = _baton(CliWorld(), "show", "ffff")

    assert result.exit_code == 1
    assert result.stderr == "error: no batch of the last 14 days starts with ffff\n"


def test_the_help_of_fetch_says_what_its_file_is_called() -> None:
    assert "BATCH-result.csv" in _baton(CliWorld(), "fetch", "--help", width=200).output


def test_rejects_are_shown_harmless_and_say_when_there_are_more() -> None:
    world = _with(CliWorld().batch(**completed()))
    reject = StoredReject(7, 420, "uuid", "string_pattern_mismatch", "\x1b[31m[red]\0", "line")
    run(world.home.rejects.put(ID, "plan1", [reject]))

    text = _baton(world, "rejects", ID, "--limit", 1).stdout
    answer = json.loads(_baton(world, "rejects", ID, "--json").stdout)

    assert "\\x1b[31m[red]\\x00" in text
    assert "\x1b" not in text
    assert f"1 of 2 rejects. All of them: baton fetch {ID} --rejects" in text
    assert answer["total"] == 2
    assert answer["rejects_key"] == PUBLISHED.rejects_key
    assert answer["rejects"] == [
        {
            "record_number": 7,
            "byte_offset": 420,
            "column": "uuid",
            "rule": "string_pattern_mismatch",
            "value": "\x1b[31m[red]\0",
            "line": "line",
        }
    ]


def test_rejects_say_what_their_rules_ask_for() -> None:
    world = _with(CliWorld().batch(**completed()))
    pattern, day = ("uuid", "string_pattern_mismatch"), ("Order Date", "short_date_format")
    broken = [StoredReject(number, 0, *rule, "x", "x") for number, rule in enumerate((pattern, day, pattern))]
    run(world.home.rejects.put(ID, "plan1", broken))

    text = _baton(world, "rejects", ID).stdout

    assert text.count("uuid, string_pattern_mismatch: must be text like ^[0-9]{9}$\n") == 1
    assert "Order Date, short_date_format: must be a date written M/D/YY, such as 7/31/14\n" in text


def test_rejects_say_which_encoding_the_job_reads_and_that_rows_are_empty() -> None:
    world = _with(CliWorld().batch(**completed()))
    broken = [
        StoredReject(1, 0, "Country", "encoding", "byte 0xd6 at 10", "x"),
        StoredReject(2, 9, "a", "b", "", ",,,"),
    ]
    run(world.home.rejects.put(ID, "plan1", broken))

    text = " ".join(_baton(world, "rejects", ID).stdout.split())

    assert "Country, encoding: must be text in UTF-8 (in Excel: “CSV UTF-8”)" in text
    assert "Some are rows without any value, as a spreadsheet leaves them below a table" in text


def test_rejects_are_listed_even_if_the_jobs_cannot_be_loaded_here() -> None:
    class Jobless(CliWorld):
        def catalog(self, *, left_out: list[CatalogError] | None = None) -> Catalog:
            raise CatalogError(f"there is no package, whatever is left out: {left_out}")

    world = _with(CliWorld().batch(**completed()), world=Jobless())
    run(world.home.rejects.put(ID, "plan1", [StoredReject(1, 1, "uuid", "string_pattern_mismatch", "x", "x")]))

    result = _baton(world, "rejects", ID)

    assert result.exit_code == 0
    assert "string_pattern_mismatch" in result.stdout


@pytest.mark.parametrize("state", [BatchState.ADMITTED, BatchState.WAITING_INPUT, BatchState.CANCELLED])
def test_a_batch_of_which_no_record_was_checked_is_not_said_to_be_without_rejects(state: BatchState) -> None:
    world = _with(CliWorld().batch(state=state, plan_id=None))

    assert _baton(world, "rejects", ID).stdout == f"No record was checked: the batch is {state}.\n"


def test_rejects_of_a_file_that_failed_as_a_whole_say_why() -> None:
    world = _with(replace(CliWorld().batch(**failed("header")), plan_id=None))

    assert _baton(world, "rejects", ID).stdout == "No record was checked: the batch is FAILED: it broke\n"


def test_a_batch_at_work_says_that_none_of_it_was_rejected_so_far() -> None:
    world = _with(CliWorld().batch())

    assert _baton(world, "rejects", ID).stdout == "No record was rejected so far: the batch is SPLIT.\n"


def test_rejects_of_an_unpublished_batch_name_no_file_that_is_not_there() -> None:
    world = _with(CliWorld().batch(**failed("too_many_rejects")))
    part = b"1,0,,columns,1,x,\n2,9,,columns,1,x,\n"
    run(world.home.objects.put(f"work/{ID}/plan1/rejects/00000-0123456789abcdef.csv", part))
    run(world.home.progress.open(ID, "plan1", chunks=2, now=world.clock.now()))
    done = ChunkDone(ID, "plan1", 0, Counts(4, 2, 2), 1, 0, len(part), 0)
    run(world.home.progress.complete(done, now=world.clock.now()))

    text = _baton(world, "rejects", ID, "-n", 1).stdout

    assert f"The first 1 of at least 2 rejects. More: baton rejects {ID} -n 1000" in text


def test_the_rejects_of_a_failed_batch_are_fetched_from_where_its_mail_links_to(tmp_path: Path) -> None:
    batch = CliWorld().batch(**failed("too_many_rejects"))
    told = replace(batch, mail_claim=MailClaim(batch.run, EPOCH, batch.admitted_at, sent_at=batch.admitted_at))
    world = _with(told)
    run(world.home.objects.put(f"output/sales/{ID}/e{EPOCH}-plan1/failed-1/rejects.csv", b"all of them"))
    run(
        world.home.objects.put(
            f"work/{ID}/plan1/rejects/00000-0123456789abcdef.csv", b"1,0,,columns,1,x,\n2,9,,columns,1,x,\n"
        )
    )
    run(world.home.progress.open(ID, "plan1", chunks=2, now=world.clock.now()))
    done = ChunkDone(ID, "plan1", 0, Counts(4, 2, 2), 1, 0, 1, 0)
    run(world.home.progress.complete(done, now=world.clock.now()))

    listed = _baton(world, "rejects", ID, "-n", 1)
    fetched = _baton(world, "fetch", ID, "--rejects", "-o", tmp_path / "out")

    assert f"The first 1 of at least 2 rejects. All that were written: baton fetch {ID} --rejects" in " ".join(
        listed.stdout.split()
    )
    assert "There may be more: processing stopped when the limit was exceeded, and perhaps not every key looked" in (
        " ".join(listed.stdout.split())
    )
    assert "There may be more: processing stopped" in fetched.stderr
    assert "'financial'" in json.loads(_baton(world, "rejects", ID, "--json").stdout)["not_all"]
    assert fetched.exit_code == 0
    assert (tmp_path / "out").read_text() == "all of them"


def _rejected(world: CliWorld, column: str, rule: str, value: str) -> None:
    """Let a chunk of a batch that is not published have rejected a record."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow((1, 0, column, rule, value, "x", ""))
    run(world.home.objects.put(f"work/{ID}/plan1/rejects/00000-0123456789abcdef.csv", line.getvalue().encode()))


HOSTILE = "a\nb\x1b[2J\u202efdp[bold]x[/bold]"


@pytest.mark.parametrize("command", ["batches", "show", "rejects"])
def test_whatever_a_sender_writes_is_shown_as_it_is_and_acts_on_no_terminal(command: str) -> None:
    source = Source(f"input/{HOSTILE}/{HOSTILE}", "v", 1)
    world = _with(CliWorld().batch(**failed("unknown_job"), job=HOSTILE, source=source))
    _rejected(world, HOSTILE, HOSTILE, HOSTILE)

    text = _baton(world, command, *(() if command == "batches" else (ID,))).stdout

    assert all(line.isprintable() for line in text.splitlines())
    unbroken = "".join(text.split())
    assert "[/bold]" in unbroken


@pytest.mark.parametrize("command", ["batches", "rejects"])
def test_a_name_of_a_thousand_letters_does_not_fill_the_screen(command: str) -> None:
    source = Source(f"input/{'j' * 500}/{'n' * 500}", "v", 1)
    world = _with(CliWorld().batch(**failed("unknown_job"), job="j" * 500, source=source))
    _rejected(world, "c" * 1_000, "too_long", "v")

    text = _baton(world, command, *(() if command == "batches" else (ID,))).stdout

    assert len(text.splitlines()) < 15
    assert "…" in text


@pytest.mark.parametrize(
    ("options", "key"),
    [((), PUBLISHED.result_key), (("--rejects",), PUBLISHED.rejects_key), (("--manifest",), PUBLISHED.manifest_key)],
)
def test_fetch_downloads_the_object_that_was_asked_for(tmp_path: Path, options: tuple[str, ...], key: str) -> None:
    world = _with(CliWorld().batch(**completed()))
    for each in _keys():
        run(world.home.objects.put(each, each.encode()))

    result = _baton(world, "fetch", ID, "-o", tmp_path / "out", *options, "--json")

    assert json.loads(result.stdout) == {
        "key": key,
        "path": str(tmp_path / "out"),
        "size_bytes": len(key),
        "region": HOME,
    }
    assert (tmp_path / "out").read_text() == key


def test_fetch_names_the_file_after_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    world = _with(CliWorld().batch(**completed()))
    run(world.home.objects.put(PUBLISHED.result_key, b"x"))

    _baton(world, "fetch", "last")

    assert [path.name for path in tmp_path.iterdir()] == [f"{ID}-result.csv"]


@pytest.mark.parametrize(
    ("batch", "options", "reason"),
    [
        (CliWorld().batch(), (), "is SPLIT: nothing of it is published"),
        (CliWorld().batch(**failed()), (), "is FAILED: nothing of it is published"),
        (CliWorld().batch(**failed()), ("--manifest",), "is FAILED: nothing of it is published"),
        (CliWorld().batch(**completed()), ("--rejects", "--manifest"), "not both"),
        (CliWorld().batch(**completed()), (), "could not be fetched"),
    ],
)
def test_fetch_says_why_not(tmp_path: Path, batch: Batch, options: tuple[str, ...], reason: str) -> None:
    result = _baton(_with(batch), "fetch", ID, "-o", tmp_path / "out", *options)

    assert result.exit_code == 1
    assert reason in result.stderr
    assert list(tmp_path.iterdir()) == []


# --- changes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "before", "after"),
    [
        ("cancel", {"state": BatchState.SPLIT}, "CANCELLED"),
        ("pause", {"state": BatchState.SPLIT}, "PAUSED"),
        ("resume", {"state": BatchState.PAUSED}, "ADMITTED"),
        ("retry", failed(), "ADMITTED"),
    ],
)
def test_a_change_says_where_the_batch_is_now(command: str, before: dict[str, Any], after: str) -> None:
    text = _baton(_with(CliWorld().batch(**before)), command, ID)
    answer = json.loads(_baton(_with(CliWorld().batch(**before)), command, "bbbb", "--json").stdout)

    assert text.exit_code == 0
    assert f"Batch {ID} is {after}." in text.stdout
    assert answer["state"] == after


def test_a_refused_change_ends_with_1_and_the_reason() -> None:
    result = _baton(_with(CliWorld().batch(**completed())), "cancel", ID)

    assert result.exit_code == 1
    assert "is COMPLETED: only a batch that is" in result.stderr


def test_a_message_that_could_not_be_queued_is_no_failure_and_is_told() -> None:
    world = _with(CliWorld().batch(state=BatchState.PAUSED))
    world.lose(HOME, Unreachable(), "outbox")

    result = _baton(world, "resume", ID)

    assert result.exit_code == 0
    assert "The sweeper will send it." in result.stderr


# --- data ------------------------------------------------------------------------------------------------------------


def test_sample_reference_and_jobs_go_together(tmp_path: Path) -> None:
    world = CliWorld()
    sales, reference = tmp_path / "s.csv", tmp_path / "f.csv"

    written = _baton(world, "sample", "--records", 50, "-o", sales, "--reference-out", reference, width=200)
    loaded = json.loads(_baton(world, "reference", "load", "financial", reference, "--key", "uuid", "--json").stdout)
    shown = json.loads(_baton(world, "reference", "show", "financial", "--json").stdout)
    jobs = json.loads(_baton(world, "jobs", "--json").stdout)

    assert written.exit_code == 0
    assert "50 records, 1 of them bad" in written.stdout
    assert shown == loaded
    assert loaded["rows"] == 50
    assert [(job["job"], job["reference"]) for job in jobs] == [("passthrough", None), ("sales", "financial")]


def test_a_sample_is_written_over_a_sample_and_over_no_other_file(tmp_path: Path) -> None:
    sales, reference = tmp_path / "s.csv", tmp_path / "f.csv"
    command = ("sample", "--records", 5, "-o", sales, "--reference-out", reference)
    _baton(CliWorld(), *command)
    again = _baton(CliWorld(), *command, "--seed", 9)
    first = sales.read_bytes()
    reference.write_text("uuid;unitsSold\n1;2\n")

    refused = _baton(CliWorld(), *command, width=300)

    assert again.exit_code == 0
    assert refused.exit_code == 1
    assert (
        f"error: {reference} is there already and is no sample: remove it, or name other files by --output"
        in refused.stderr
    )
    assert (reference.read_text(), sales.read_bytes()) == ("uuid;unitsSold\n1;2\n", first)


def test_jobs_and_reference_are_shown_to_people(tmp_path: Path) -> None:
    world = CliWorld()
    (tmp_path / "f.csv").write_text("id,n\n1,2\n")
    _baton(world, "reference", "load", "d", tmp_path / "f.csv", "--key", "id")

    assert "id, n" in _baton(world, "reference", "show", "d").stdout
    assert "financial by uuid" in _baton(world, "jobs", width=200).stdout


# --- the world on this machine ---------------------------------------------------------------------------------------


class _Admin:
    """Switches that remember what was done with them."""

    def __init__(self) -> None:
        self.done: list[tuple[Any, ...]] = []

    async def status(self) -> SupervisorStatus:
        return SupervisorStatus(
            processes=(ProcessStatus(region=HOME, name="worker", pid=7, state="RUNNING", restarts=1),),
            regions={HOME: RegionLinks(cut=True, dial=100)},
            replication=ReplicationStatus(lag_seconds=2, cut=False, backlog={HOME: 3}, oldest_seconds=1),
            arc=ArcStatus(
                states={HOME: True},
                gate_open=False,
                endpoints=(
                    ArcEndpointStatus(number=1, region=HOME, state="silent"),
                    ArcEndpointStatus(number=2, region=AWAY, state="up"),
                ),
            ),
        )

    async def inbox(self) -> list[dict[str, Any]]:
        return [
            {
                "sender": "a@b",
                "recipients": ["c@d"],
                "subject": f"Mail {n}",
                "text": f"Text {n}\x07\n{LINK}",
                "received_at": "now",
            }
            for n in range(3)
        ]

    async def cut(self, region: str) -> None:
        self.done.append(("cut", region))

    async def heal(self, region: str) -> None:
        self.done.append(("heal", region))

    async def kill(self, region: str, service: str) -> None:
        if service == "none":
            raise AdminError("there is no service none")
        self.done.append(("kill", region, service))

    async def pause(self, region: str, service: str) -> None:
        self.done.append(("pause", region, service))

    async def resume(self, region: str, service: str) -> None:
        self.done.append(("resume", region, service))

    async def slow(self, region: str, seconds: float, link: str | None) -> None:
        self.done.append(("slow", region, seconds, link))

    async def throttle(self, region: str, share: float) -> None:
        self.done.append(("throttle", region, share))

    async def replication(self, lag_seconds: float | None = None) -> None:
        self.done.append(("lag", lag_seconds))

    async def arc_down(self, number: int, outage: Outage) -> None:
        self.done.append(("down", number, outage))

    async def arc_up(self, number: int) -> None:
        self.done.append(("up", number))

    async def arc_lag(self, number: int, seconds: float) -> None:
        self.done.append(("arc lag", number, seconds))

    async def dials(self, *, turn_seconds: float | None, refused: bool | None) -> None:
        self.done.append(("dials", turn_seconds, refused))

    async def arc_gate(self, *, is_open: bool) -> None:
        self.done.append(("gate", is_open))


@pytest.mark.parametrize(
    ("args", "done"),
    [
        (("cut", HOME), ("cut", HOME)),
        (("heal", HOME), ("heal", HOME)),
        (("kill", HOME, "worker"), ("kill", HOME, "worker")),
        (("pause", HOME, "worker"), ("pause", HOME, "worker")),
        (("resume", HOME, "worker"), ("resume", HOME, "worker")),
        (("slow", HOME, "0.5"), ("slow", HOME, 0.5, None)),
        (("slow", HOME, "0.5", "--link", "s3"), ("slow", HOME, 0.5, "s3")),
        (("throttle", HOME, "0.25"), ("throttle", HOME, 0.25)),
        (("lag", "2.5"), ("lag", 2.5)),
        (("arc", "down", "3"), ("down", 3, Outage.SILENT)),
        (("arc", "down", "5", "--how", "maintenance"), ("down", 5, Outage.MAINTENANCE)),
        (("arc", "up", "3"), ("up", 3)),
        (("arc", "lag", "5", "2"), ("arc lag", 2, 5.0)),
        (("dials", "--seconds", "90"), ("dials", 90.0, None)),
        (("dials", "--refused"), ("dials", None, True)),
        (("dials", "--allowed"), ("dials", None, False)),
        (("arc", "gate", "close"), ("gate", False)),
        (("arc", "gate", "open"), ("gate", True)),
    ],
)
def test_a_disturbance_reaches_the_world(args: tuple[str, ...], done: tuple[Any, ...]) -> None:
    admin = _Admin()

    result = _baton(CliWorld(admin_double=admin), "chaos", *args)

    assert result.exit_code == 0
    assert admin.done == [done]


def test_a_killed_service_is_said_to_come_back_and_an_emulator_is_not() -> None:
    service, emulator = (
        " ".join(_baton(CliWorld(admin_double=_Admin()), "chaos", "kill", HOME, name).stdout.split())
        for name in ("worker", "emulator")
    )

    assert "it is started again: baton chaos status" in service
    assert "its data are gone with it" in emulator
    assert "started again" not in emulator


def test_several_endpoints_go_down_together() -> None:
    admin = _Admin()

    answer = _baton(CliWorld(admin_double=admin), "chaos", "arc", "down", "1", "2", "--json")

    assert json.loads(answer.stdout) == {"endpoints": [1, 2], "down": "silent"}
    assert admin.done == [("down", 1, Outage.SILENT), ("down", 2, Outage.SILENT)]
    assert _baton(CliWorld(admin_double=admin), "chaos", "arc", "down", "6").exit_code == 1


def test_every_way_to_be_down_can_be_asked_for() -> None:
    assert {choice.value for choice in OutageChoice} == {outage.value for outage in Outage}


def test_the_world_is_shown_to_people_and_scripts() -> None:
    world = CliWorld(admin_double=_Admin())

    text = _baton(world, "chaos", "status", width=200).stdout
    answer = json.loads(_baton(world, "chaos", "status", "--json").stdout)

    assert "lag 2 s, waiting: 3 from us-east-1" in text
    assert "1 of 2 endpoints up, gate closed. Endpoint 1 (us-east-1) is silent." in text
    assert answer["regions"] == {HOME: {"cut": True, "dial": 100}}


def test_the_newest_mails_come_last_and_cannot_ring_the_bell() -> None:
    text = _baton(CliWorld(admin_double=_Admin()), "inbox", 2).stdout

    assert "Mail 0" not in text
    assert text.index("Mail 1") < text.index("Mail 2")
    assert "Text 2\\x07" in text
    assert LINK in text.splitlines(), "a link stays in one line"


@pytest.mark.parametrize(
    "args", [("chaos", "status"), ("chaos", "cut", HOME), ("inbox",), ("chaos", "lag", "1"), ("up",)]
)
def test_what_needs_the_world_on_this_machine_is_refused_elsewhere(args: tuple[str, ...]) -> None:
    result = _baton(CliWorld(), *args)

    assert result.exit_code == 1
    assert "on this machine" in result.stderr


def test_what_the_supervisor_refuses_is_told() -> None:
    result = _baton(CliWorld(admin_double=_Admin()), "chaos", "kill", HOME, "none")

    assert result.exit_code == 1
    assert "there is no service none" in result.stderr


# --- the edges -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args", [("nothing",), ("submit",), ("--nothing",), ("batches", "--limit", "0"), ("batches", "--state", "DONE")]
)
def test_wrong_usage_ends_with_1_because_2_means_a_failed_batch(args: tuple[str, ...]) -> None:
    assert _baton(CliWorld(), *args).exit_code == 1


def test_no_answer_in_time_is_an_error_of_one_line() -> None:
    world = CliWorld()

    async def control() -> None:
        raise TimeoutError

    world.ledger.control = control

    result = _baton(world, "status")

    assert (result.exit_code, result.stderr) == (1, "error: no answer in time\n")


def test_help_names_every_command() -> None:
    result = _baton(CliWorld(), "--help")

    commands = "up down world submit watch status batches show rejects fetch retry cancel pause resume inbox jobs "
    commands += "failover switchover failback drill freeze unfreeze ack history explain plan"
    assert result.exit_code == 0
    for command in (*commands.split(), "reference", "sample"):
        assert f" {command} " in result.stdout


def test_shell_completion_can_be_installed() -> None:
    result = _baton(CliWorld(), "--help")

    assert "--install-completion" in result.stdout


def _leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, child in getattr(command, "commands", {}).items():
        yield from _leaves(child, (*path, name))
    if not getattr(command, "commands", None):
        yield " ".join(path), command


@pytest.mark.parametrize(("name", "command"), list(_leaves(typer.main.get_command(app))))
def test_every_command_answers_with_json(name: str, command: Any) -> None:
    options = {option for parameter in command.params for option in parameter.opts}

    assert "--json" in options, name
