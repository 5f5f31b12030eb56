"""A large file on containers is work and no illness: no controller suspects a Region. Runs in every CI run."""

import asyncio
import time
from pathlib import Path
from typing import Final

import pytest

from baton.model.identity import batch_id_of
from baton.model.journal import DecisionKind
from baton.model.paths import input_key
from baton_cli.reach import connect
from baton_local.in_containers import layout
from baton_local.sales import sample
from baton_proof.chaos.settling import until_well
from baton_proof.composed import Composed
from baton_proof.handovers import Uploads, decisions_since, until_completed

pytestmark = [pytest.mark.docker, pytest.mark.chaos, pytest.mark.timeout(900)]

_RECORDS: Final = 1_000_000
"""70 MB, in five chunks."""
_COMPLETED_SECONDS: Final = 300
"""LocalStack on two cores."""


def test_a_large_file_on_containers_makes_nobody_suspect(composed: Composed, tmp_path: Path) -> None:
    file, reference = tmp_path / "large.csv", tmp_path / "financial.csv"
    sample.write_sales(file, reference, records=_RECORDS, seed=7, bad_percent=1, keys=100)

    async def play() -> list[str]:
        async with connect.embedded(layout.WORLD) as connection:
            await composed.baton("reference", "load", "financial", str(reference), "--key", "uuid")
            await until_well(connection)
            began = connection.clock.now()
            key = input_key("sales", f"large-{time.time_ns()}.csv")
            version = await connection.uploader.upload(file, key, sent=lambda _: None)
            sent = Uploads({batch_id_of(key, version): file}, [key])
            await until_completed(connection, sent, seconds=_COMPLETED_SECONDS)
            took = (connection.clock.now() - began).total_seconds()
            print(f"{file.stat().st_size / 1e6:.0f} MB through in {took:.0f} s")  # noqa: T201 - shown when the test fails
            made = await decisions_since(connection, began)
            return [each.summary for each in made if each.kind is DecisionKind.SUSPECTED]

    assert asyncio.run(play()) == []
