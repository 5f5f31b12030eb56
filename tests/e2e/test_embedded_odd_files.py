"""Files sent by mistake end soon with a reason, cost little memory, and do not delay other files."""

import asyncio
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest

from baton.model.batch import Batch
from baton.model.states import BatchState
from baton_cli.batches import queries
from baton_cli.reach import connect
from baton_cli.reach.connection import Connection
from baton_local.sales import sample
from baton_local.switches.admin import Admin
from embedded import Embedded, ended, sent, submission
from local_worlds import do
from slowed import Since

pytestmark = [pytest.mark.xdist_group("world"), pytest.mark.timeout(600)]

_SHEET_ROWS: Final = 1_048_576
"""Of an Excel sheet."""
_PEAK_MIB_MAX: Final = 500
_SHEET_SECONDS_MAX: Final = 10
_BLANK_SECONDS_MAX: Final = 5
_SMALL_SECONDS_MAX: Final = 3
"""From the command's beginning until it tells the end, on a machine that does nothing else: what it took, divided by
how much longer the services' work took than on such a one. What was measured stands in docs/performance.md, "Files sent
by mistake"."""


@pytest.fixture(scope="module")
def good_row(embedded: Embedded, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """Return the header and a record of the job `sales` whose reference row is loaded."""
    folder = tmp_path_factory.mktemp("sales")
    file, reference = folder / "sales.csv", folder / "financial.csv"
    sample.write_sales(file, reference, records=1, seed=3, bad_percent=0, keys=1)
    done = embedded.baton("reference", "load", "financial", str(reference), "--key", "uuid")
    assert done.returncode == 0, done.stderr
    header, row = file.read_bytes().splitlines(keepends=True)
    return header, row


def test_a_sheet_of_empty_rows_fails_soon_and_others_go_through_meanwhile(
    embedded: Embedded, good_row: tuple[bytes, bytes], tmp_path: Path
) -> None:
    header, row = good_row
    sheet, small = tmp_path / "sheet.csv", tmp_path / "small.csv"
    sheet.write_bytes(header + row + (b"," * header.count(b",") + b"\r\n") * (_SHEET_ROWS - 1))
    small.write_bytes(header + row)
    since = Since(_services(embedded).values())

    with ThreadPoolExecutor() as commands:
        sheets = commands.submit(_submitted, embedded, sheet)
        meanwhile, small_seconds = asyncio.run(_sent_while_in_hand(embedded, sheet, small))
        outcome, sheet_seconds = sheets.result()

    slowed = since.now()
    assert (outcome["state"], outcome["failure_code"]) == ("FAILED", "too_many_rejects"), (outcome, embedded.logs())
    assert (meanwhile.state, meanwhile.counts.records_out) == (BatchState.COMPLETED, 1), embedded.logs()
    assert sheet_seconds / slowed.factor <= _SHEET_SECONDS_MAX, (sheet_seconds, slowed)
    went_first = meanwhile.updated_at < datetime.fromisoformat(outcome["updated_at"])
    assert went_first or small_seconds / slowed.factor <= _SMALL_SECONDS_MAX, (small_seconds, slowed)
    assert _peaks_mib(embedded) == {}


def test_blank_lines_before_the_header_cost_nothing(
    embedded: Embedded, good_row: tuple[bytes, bytes], tmp_path: Path
) -> None:
    file = tmp_path / "blank.csv"
    file.write_bytes(b"\n" * (12 * 2**20) + b"".join(good_row))

    since = Since(_services(embedded).values())
    outcome, took_seconds = _submitted(embedded, file)
    slowed = since.now()

    assert (outcome["state"], outcome["records_out"]) == ("COMPLETED", 1), (outcome, embedded.logs())
    assert took_seconds / slowed.factor <= _BLANK_SECONDS_MAX, (took_seconds, slowed)
    assert _peaks_mib(embedded) == {}


def _submitted(embedded: Embedded, file: Path) -> tuple[dict[str, Any], float]:
    """Submit a file; return how it ended, and the seconds from the beginning of the command until it said so."""
    began = time.monotonic()
    outcome = embedded.submit(file)
    return outcome, time.monotonic() - began


async def _sent_while_in_hand(embedded: Embedded, first: Path, second: Path) -> tuple[Batch, float]:
    """Send the second file as soon as the first one is being planned or processed.

    Return the second one's batch as it ended, and how long it took from when it was sent.
    """
    what = submission(second, job="sales")
    async with connect.embedded(embedded.world) as connection, asyncio.timeout(120):
        while not await _is_in_hand(connection, first.name):  # noqa: ASYNC110 - a poll with a deadline
            await asyncio.sleep(0.05)
        began = time.monotonic()
        batch = await ended(connection, await sent(connection, what))
        return batch, time.monotonic() - began


async def _is_in_hand(connection: Connection, name: str) -> bool:
    found = await queries.recent(connection, limit=1)
    (state,) = [batch.state for batch in found if batch.source.key.endswith(f"/{name}")] or [None]
    assert state is not BatchState.FAILED, "it ended before anything could be sent"
    return state in {BatchState.ADMITTED, BatchState.SPLIT}


def _services(embedded: Embedded) -> dict[str, int]:
    """Return the process ids of what handles files."""
    running = do(Admin(embedded.world.admin_endpoint).status()).processes
    names = {"trigger", "splitter", "worker", "merger", "notifier"}
    return {f"{each.region} {each.name}": each.pid for each in running if each.name in names and each.pid}


def _peaks_mib(embedded: Embedded) -> dict[str, int]:
    """Return the services that ever held more memory than they may."""
    peaks: dict[str, int] = {}
    for name, pid in _services(embedded).items():
        status = Path(f"/proc/{pid}/status")
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
        if found:
            peaks[name] = int(found[1]) // 1024
    return {name: mib for name, mib in peaks.items() if mib > _PEAK_MIB_MAX}
