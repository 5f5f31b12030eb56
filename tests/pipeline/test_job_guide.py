"""The job in docs/jobs.md is what it says: it loads, and a file goes through it."""

import asyncio
import csv
import io
import re
import sys
from pathlib import Path

import pytest

from baton.catalog import Catalog, load_jobs
from baton.model.batch import Batch
from baton.ports import ReferenceVersion
from baton_proof.pipeline import Pipeline

GUIDE = Path(__file__).parents[2] / "docs/jobs.md"
FILE = """Due;Account;Amount;Currency;Purpose
7/1/26;DE123456;12.50;EUR;Büro
7/2/26;DE123457;0.00;EUR;nothing
7/3/26;XX000000;7.00;USD;unknown account
7/4/26;DE123456;1.00;GBP;wrong currency
""" + "".join(f"7/5/26;DE123456;{n}.00;EUR;rent\n" for n in range(1, 101))


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    found = re.search(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found
    package = tmp_path / "guide_jobs"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "payments.py").write_text(found[1])
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return load_jobs("guide_jobs")


def test_the_job_of_the_guide_processes_a_file(catalog: Catalog) -> None:
    async def story() -> tuple[Batch, bytes, bytes]:
        pipeline = Pipeline(catalog)
        columns: tuple[str, ...] = ("Account", "owner", "bank")
        rows: dict[str, dict[str, str]] = {
            key: dict(zip(columns, (key, "Öner & Co", "KfW"), strict=True)) for key in ("DE123456", "DE123457")
        }
        await pipeline.region.reference.publish(ReferenceVersion("accounts", "1", len(rows), columns), rows)
        batch_id = await pipeline.upload("input/payments/july.csv", FILE.encode("cp1252"))
        await pipeline.drive()
        return await pipeline.batch(batch_id), await pipeline.result(batch_id), await pipeline.rejects(batch_id)

    batch, result, rejects = asyncio.run(story())

    assert (batch.counts.records_in, batch.counts.rejects) == (104, 3)
    rows = list(csv.reader(io.StringIO(result.decode())))
    assert rows[:2] == [
        ["owner", "bank", "Account", "Amount", "Currency", "Due"],
        ["Öner & Co", "KfW", "DE123456", "12.50", "EUR", "7/1/26"],
    ]
    broken = [
        (row["record_number"], row["column"], row["rule"]) for row in csv.DictReader(io.StringIO(rejects.decode()))
    ]
    assert broken == [
        ("2", "Amount", "value_error: must be between 0.01 and 1,000,000"),
        ("3", "Account", "missing_reference"),
        ("4", "Currency", "literal_error"),
    ]
