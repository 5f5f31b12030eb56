"""Files as people send them, each through the whole pipeline: how it ends, why, and for how many records.

Every file here came out of a program that somebody uses. None may be delivered as something that it is not.
"""

import asyncio
import csv
import gzip
import io
import unicodedata
import zipfile
from dataclasses import dataclass

import polars as pl
import pytest
from pydantic import Field

from baton.catalog import LoadedJob
from baton.fields import Text
from baton.job import Dialect, Job, Record
from baton.model.batch import Batch, Counts
from baton.model.states import BatchState
from baton_proof.pipeline import Pipeline

RECIPIENTS = ("ops@example.com",)


class Payment(Record):
    account: Text = Field(alias="Konto")
    name: Text = Field(alias="Empfänger")


class Owner(Record):
    account: Text = Field(alias="Konto")
    name: Text = Field(alias="Name")


JOBS = (
    Job(name="any", record=None, recipients=RECIPIENTS),
    Job(name="latin", record=None, recipients=RECIPIENTS, dialect=Dialect(encoding="latin-1")),
    Job(name="bank", record=Payment, recipients=RECIPIENTS, dialect=Dialect(delimiter=";", encoding="cp1252")),
    Job(name="owners", record=Owner, recipients=RECIPIENTS, dialect=Dialect(delimiter=";", encoding="cp1252")),
    Job(name="payments", record=Payment, recipients=RECIPIENTS),
)
CATALOG = {job.name: LoadedJob(job, "v1") for job in JOBS}
MARK = b"\xef\xbb\xbf"
ROWS = "id,name\n1,Apple\n2,Pear\n"


def _parquet() -> bytes:
    out = io.BytesIO()
    pl.DataFrame({"id": [1, 2], "name": ["Apple", "Pear"]}).write_parquet(out)
    return out.getvalue()


def _zip(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, ROWS)
    return out.getvalue()


def _decomposed(text: str) -> str:
    return unicodedata.normalize("NFD", text)


@dataclass(frozen=True, slots=True)
class Fails:
    """A file that nothing is published of."""

    job: str
    body: bytes
    code: str
    words: str


@dataclass(frozen=True, slots=True)
class Passes:
    """A file that is delivered."""

    job: str
    body: bytes
    result: str
    records: int
    rejects: int = 0


FAILS = {
    # What is no CSV text
    "gzip": Fails("any", gzip.compress(ROWS.encode()), "not_csv", "but a gzip file: unpack it"),
    "gzip for a job that decodes every byte": Fails("latin", gzip.compress(ROWS.encode()), "not_csv", "a gzip file"),
    "zip": Fails("any", _zip("sales.csv"), "not_csv", "but a zip archive"),
    "xlsx": Fails(
        "latin",
        _zip("xl/workbook.xml"),
        "not_csv",
        "but an Excel workbook (.xlsx): save its sheet as CSV in iso8859-1 with commas (in Excel: “CSV”, not",
    ),
    "Parquet": Fails("latin", _parquet(), "not_csv", "but a Parquet file: export"),
    "PDF": Fails("any", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "not_csv", "but a PDF document"),
    "a page": Fails("any", b"<!doctype html>\n<html><body>Please sign in</body></html>\n", "not_csv", "an HTML page"),
    "a page for a job with rules": Fails("payments", b"<html>\n<head>\n", "not_csv", "an HTML page"),
    "an answer of S3": Fails(
        "any", b'<?xml version="1.0"?>\n<Error><Code>NoSuchKey</Code>\n', "not_csv", "error message"
    ),
    "JSON": Fails("any", b'[{"id": 1, "name": "Apple"}]\n', "not_csv", "but JSON"),
    "JSON lines": Fails("any", b'{"id": 1}\n{"id": 2}\n', "not_csv", "but JSON"),
    "UTF-16 without a mark": Fails("latin", ROWS.encode("utf-16-le"), "not_csv", "UTF-16 text without a byte order"),
    "UTF-32 without a mark": Fails("any", ROWS.encode("utf-32-be"), "not_csv", "UTF-32 text without a byte order"),
    "EBCDIC": Fails("latin", ROWS.replace("\n", "\x85").encode("cp037"), "not_csv", "but EBCDIC text"),
    "NUL bytes": Fails("latin", bytes(10_000), "not_csv", "but binary data"),
    # Encodings
    "UTF-16 with a mark": Fails("latin", ROWS.encode("utf-16"), "encoding", "the file is UTF-16"),
    "UTF-32 with a mark": Fails("any", ROWS.encode("utf-32"), "encoding", "the file is UTF-32"),
    "UTF-8 with its mark, ASCII header, to cp1252": Fails(
        "owners", MARK + "Konto;Name\r\nDE01;Müller\r\n".encode(), "encoding", "mark says that the file is UTF-8"
    ),
    "ASCII with a UTF-8 mark to cp1252": Fails("owners", MARK + b"Konto;Name\nDE01;Meyer\n", "encoding", "mark says"),
    "UTF-8, ASCII header, to cp1252": Fails(
        "owners", "Konto;Name\r\nDE01;Müller\r\n".encode(), "encoding", "UTF-8 throughout, but the job reads cp1252"
    ),
    "UTF-8 to a job of any header": Fails("latin", "id,name\n1,Österreich\n".encode(), "encoding", "UTF-8 throughout"),
    "UTF-8 far below the first block": Fails(
        "latin", ROWS.encode() + b"3,Plum\n" * 5_000 + "4,Äpfel\n".encode(), "encoding", "UTF-8 throughout"
    ),
    "a UTF-8 header to cp1252": Fails("bank", "Konto;Empfänger\r\n1;a\r\n".encode(), "encoding", "is UTF-8"),
    # Delimiters
    "semicolons and decimal commas": Fails("any", b"id;price\n1;2,50\n2;3\n", "header", "with semicolons"),
    "semicolons and quotes": Fails("any", b'"id";"price"\n"1";"2,50"\n', "header", "with semicolons"),
    "tabs": Fails("any", b"id\tnote\n1\tgreen, ripe\n", "header", "with tabs"),
    "bars": Fails("any", b"id|note\n1|a\n", "header", "with vertical bars"),
    "Excel's hint": Fails("any", b"sep=;\r\nid;name\r\n1;a\r\n", "header", "'sep=;', is a hint for Excel"),
    "Excel's hint of a comma": Fails("any", b"sep=,\r\nid,name\r\n1,a\r\n", "header", "'sep=,', is a hint for Excel"),
    "semicolons for a job with rules": Fails(
        "payments", "Konto;Empfänger\n".encode(), "header", "by semicolons, and the job"
    ),
    # Names
    "a space behind a name": Fails("payments", "Konto ,Empfänger\n1,a\n".encode(), "header", "has a space"),
    "columns without a name": Fails("payments", "Konto,Empfänger,,\n1,a,,\n".encode(), "header", "2 columns without"),
    "blanks alone": Fails("any", b"   \n  \n \n", "empty_file", "nothing but blanks"),
    "delimiters alone": Fails("any", b",,,\n,,,\n", "header", "names no column"),
    "ghost rows": Fails("payments", "Konto,Empfänger\n1,a\n".encode() + b",\n" * 20, "too_many_rejects", "20 of"),
}

PASSES = {
    "UTF-8 with its mark": Passes("any", MARK + "id,name\n1,Äpfel\n".encode(), "id,name\n1,Äpfel\n", 1),
    "a mark and a quoted header": Passes("any", MARK + b'"id","name"\n1,a\n', "id,name\n1,a\n", 1),
    "a second mark is seen": Passes("any", MARK * 2 + b"id,name\n1,a\n", "\ufeffid,name\n1,a\n", 1),
    "a mark inside quotes is seen": Passes("any", b'"' + MARK + b'id",name\n1,a\n', "\ufeffid,name\n1,a\n", 1),
    "cp1252": Passes("bank", "Konto;Empfänger\r\n1;Müller\r\n".encode("cp1252"), "Konto,Empfänger\n1,Müller\n", 1),
    "cp1252 that is valid UTF-8 by chance": Passes("latin", b"id,name\n1,CAF\xc9\xae\n", "id,name\n1,CAFÉ®\n", 1),
    "a byte that cp1252 leaves open": Passes(
        "owners", b"Konto;Name\n1;M\x81ller\n2;M\xfcller\n", "Konto,Name\n2,Müller\n", 2, rejects=1
    ),
    "decomposed names": Passes(
        "payments",
        _decomposed("Konto,Empfänger\n1,Müller\n").encode(),
        f"Konto,Empfänger\n1,{_decomposed('Müller')}\n",
        1,
    ),
    "columns without a name": Passes(
        "any", b"id,name,,\n1,Apple,,\n2,Pear,,x\n", "id,name,,\n1,Apple,,\n2,Pear,,x\n", 2
    ),
    "an index without a name": Passes("any", b",name\n0,Apple\n", ",name\n0,Apple\n", 1),
    "one column": Passes("any", b'name\nApple\n""\n\nPear\n', 'name\nApple\n""\nPear\n', 3),
    "one column with a delimiter in quotes": Passes("any", b'"Price; net"\n2.50\n', "Price; net\n2.50\n", 1),
    "names that begin like markup": Passes("any", b"<id>,{name}\n1,a\n", "<id>,{name}\n1,a\n", 1),
    "ghost rows": Passes("any", b"id,name\n1,a\n,\n,\n", "id,name\n1,a\n,\n,\n", 3),
    "a NUL in a record": Passes("any", b"id,name\n1,a\n2,b\0c\n", "id,name\n1,a\n", 2, rejects=1),
    "formulas": Passes("any", b"id,name\n=1+1,@SUM(A1)\n", "id,name\n=1+1,@SUM(A1)\n", 1),
}


async def _process(job: str, body: bytes) -> tuple[Batch, bytes]:
    pipeline = Pipeline(CATALOG)
    batch_id = await pipeline.upload(f"input/{job}/file.csv", body)
    await pipeline.drive()
    batch = await pipeline.batch(batch_id)
    assert len(pipeline.region.mailer.outbox) == 1
    return batch, await pipeline.result(batch_id) if batch.published else b""


@pytest.mark.parametrize("name", FAILS)
def test_it_fails_with_its_reason_and_nothing_is_published(name: str) -> None:
    case = FAILS[name]

    batch, _ = asyncio.run(_process(case.job, case.body))

    assert batch.state is BatchState.FAILED
    assert batch.failure is not None
    assert (batch.failure.code, batch.published) == (case.code, None), batch.failure.reason
    assert case.words in batch.failure.reason


@pytest.mark.parametrize("name", PASSES)
def test_it_is_delivered_as_what_it_is(name: str) -> None:
    case = PASSES[name]

    batch, result = asyncio.run(_process(case.job, case.body))

    assert batch.state is BatchState.COMPLETED, batch.failure
    assert result.decode() == case.result
    assert batch.counts == Counts(case.records, case.records - case.rejects, case.rejects)


@pytest.mark.parametrize("line", [b"1,one\rtwo", b'2,"a"b', b"=1+1,@SUM(A1),-2", "3,ö\u2028\x85\x0b,".encode()])
def test_the_line_of_a_reject_comes_back_as_it_was_sent(line: bytes) -> None:
    async def story() -> bytes:
        pipeline = Pipeline(CATALOG)
        batch_id = await pipeline.upload("input/any/file.csv", b"id,name\n1,a\n" + line + b"\n")
        await pipeline.drive()
        return await pipeline.rejects(batch_id)

    rows = list(csv.DictReader(io.StringIO(asyncio.run(story()).decode(), newline="")))

    assert [row["line"].encode() for row in rows] == [line]
