"""Files sent by mistake end soon with a reason, cost little memory, and do not delay other files."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest

from baton_local.sales import sample
from baton_local.switches.admin import Admin
from embedded import Embedded
from local_worlds import do
from slowed import Since, Slowed

pytestmark = [pytest.mark.xdist_group("world"), pytest.mark.timeout(300)]

_SHEET_ROWS: Final = 1_048_576
"""Of an Excel sheet."""
_PEAK_MIB_MAX: Final = 500
_SHEET_SECONDS_MAX: Final = 10
_BLANK_SECONDS_MAX: Final = 5
"""Of the batch itself, on a machine that does nothing else: what it took, divided by how much longer the services' work
took than on such a one. What was measured stands in docs/performance.md, "Files sent by mistake"."""


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
    running = embedded.start("submit", str(sheet), "--job", "sales", "--watch", "--json")

    meanwhile = embedded.submit(small)
    outcome = json.loads(running.communicate(timeout=120)[0])

    assert meanwhile["state"] == "COMPLETED", (meanwhile, embedded.logs())
    assert (outcome["state"], outcome["failure_code"]) == ("FAILED", "too_many_rejects"), (outcome, embedded.logs())
    _check_soon(outcome, since.now(), seconds_max=_SHEET_SECONDS_MAX)
    assert _peaks_mib(embedded) == {}


def test_blank_lines_before_the_header_cost_nothing(
    embedded: Embedded, good_row: tuple[bytes, bytes], tmp_path: Path
) -> None:
    file = tmp_path / "blank.csv"
    file.write_bytes(b"\n" * (12 * 2**20) + b"".join(good_row))

    since = Since(_services(embedded).values())
    outcome = embedded.submit(file)

    assert (outcome["state"], outcome["records_out"]) == ("COMPLETED", 1), (outcome, embedded.logs())
    _check_soon(outcome, since.now(), seconds_max=_BLANK_SECONDS_MAX)
    assert _peaks_mib(embedded) == {}


def _check_soon(outcome: dict[str, Any], slowed: Slowed, *, seconds_max: float) -> None:
    """Check the time from admission to the last change of a batch, so without its upload."""
    begun, ended = (datetime.fromisoformat(outcome[name]) for name in ("admitted_at", "updated_at"))
    took_seconds = (ended - begun).total_seconds()

    assert took_seconds / slowed.factor <= seconds_max, (took_seconds, slowed)


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
