"""A load that the world gets through makes no Region look unhealthy: large files beside the controllers' canaries."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from baton_local.sales import sample
from embedded import Embedded

pytestmark = [pytest.mark.xdist_group("world"), pytest.mark.timeout(600)]

_RECORDS: Final = 300_000
"""21 MB, in 160 chunks of this world: as many messages and calls as a file of 2.5 GB has on AWS."""
_BLANK_BYTES: Final = 12 * 1024**2


def test_a_large_file_and_a_sea_of_blank_lines_make_nobody_suspect(embedded: Embedded, tmp_path: Path) -> None:
    large, reference, blank = (tmp_path / name for name in ("large.csv", "financial.csv", "blank.csv"))
    sample.write_sales(large, reference, records=_RECORDS, seed=7, bad_percent=1, keys=100)
    blank.write_bytes(b"\n" * _BLANK_BYTES + b"a\n1\n")
    loaded = embedded.baton("reference", "load", "financial", str(reference), "--key", "uuid")
    assert loaded.returncode == 0, loaded.stderr
    began = datetime.now(UTC)  # noqa: TID251 - the world's own time

    beside = embedded.start("submit", str(blank), "--job", "passthrough", "--watch", "--json")
    outcome = embedded.submit(large)
    beside.communicate(timeout=300)

    assert outcome["state"] == "COMPLETED", (outcome, embedded.logs())
    assert embedded.suspicions(began) == [], embedded.logs()
