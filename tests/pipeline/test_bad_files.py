"""Every kind of bad file has a named outcome: nothing crashes, hangs, or is retried endlessly.

docs/outcomes.md tells users the same; a test at the end holds the two together.
"""

import asyncio
import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from baton.catalog import load_jobs
from baton.model.batch import Batch
from baton.model.states import BatchState
from baton_proof.pipeline import Pipeline
from baton_proof.sales import COLUMNS, SalesFile, financial, sales_file

GOOD = sales_file(records=20)
HEADER = ",".join(COLUMNS).encode()
ROW = GOOD.body.splitlines()[1]
REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a file ended: the batch, the rules its rejects broke, how often a message was handled, the mail's text."""

    batch: Batch
    rules: list[str]
    result: list[list[str]]
    deliveries: int
    mail: str


async def _process(body: bytes, *, key: str = "input/sales/file.csv", sample: SalesFile = GOOD) -> Outcome:
    pipeline = Pipeline(load_jobs("baton_jobs"))
    await financial(pipeline.region.reference, sample)
    batch_id = await pipeline.upload(key, body)
    await pipeline.drive()
    batch = await pipeline.batch(batch_id)
    rules: list[str] = []
    result: list[list[str]] = []
    if batch.published:
        rejects = (await pipeline.rejects(batch_id)).decode()
        rules = [row["rule"] for row in csv.DictReader(io.StringIO(rejects, newline=""))]
        result = list(csv.reader(io.StringIO((await pipeline.result(batch_id)).decode(), newline="")))
    assert batch.is_announced, "somebody waits for this mail"
    (mail,) = pipeline.region.mailer.outbox
    return Outcome(batch, rules, result, pipeline.deliveries, mail.text)


def process(body: bytes, *, key: str = "input/sales/file.csv") -> Outcome:
    return asyncio.run(_process(body, key=key))


def _file(*records: bytes, header: bytes = HEADER, end: bytes = b"\n") -> bytes:
    return end.join((header, *records)) + end


FAILS = {
    "empty file": (b"", "empty_file", "empty"),
    "only blank lines": (b"\n\r\n\n", "empty_file", "empty"),
    "only a byte order mark": (b"\xef\xbb\xbf", "empty_file", "empty"),
    "wrong delimiter": (_file(header=HEADER.replace(b",", b";")), "header", "separated by semicolons"),
    "missing column": (_file(header=b"uuid,Country"), "header", "missing 'Item Type'"),
    "unknown column": (_file(header=HEADER + b",Colour"), "header", "unknown 'Colour'"),
    "duplicate header names": (_file(header=HEADER + b",uuid"), "header", "names a column twice: 'uuid'"),
    "header in another encoding": (_file(header=HEADER.replace(b"Region", b"R\xe9gion")), "encoding", "0xe9"),
    "UTF-16": (GOOD.body.decode().encode("utf-16"), "encoding", "UTF-16"),
    "quote never closed": (
        _file(ROW, b'1,"Fiji,Snacks,Online,C,1/1/20,Asia,1/2/20', ROW),
        "unbalanced_quote",
        "record 2",
    ),
    "record of 2 MiB": (_file(ROW, b"2," + b"x" * 2**21, ROW), "record_too_large", "record 2"),
    "lines ended by CR alone": (GOOD.body.replace(b"\n", b"\r"), "header", ""),
    "every record rejected": (_file(*[ROW.replace(b",Asia,", b",,")] * 5), "too_many_rejects", "allows 2 of 5"),
    "a million commas": (b"," * 1_000_000 + b"\n1\n", "header", "1,000,001 columns"),
    "text, not CSV": (b"Dear all,\n\nplease find the sales attached.\n", "header", "names none of the columns"),
    "binary": (bytes(range(255, 127, -1)) * 40, "encoding", ""),
}


@pytest.mark.parametrize("name", FAILS)
def test_a_file_that_cannot_be_read_fails_with_its_reason(name: str) -> None:
    body, code, words = FAILS[name]

    outcome = process(body)

    assert outcome.batch.state is BatchState.FAILED
    assert outcome.batch.failure is not None
    assert outcome.batch.failure.code == code, outcome.batch.failure.reason
    assert words in outcome.batch.failure.reason
    assert outcome.deliveries <= 20, "it was tried again and again"


REJECTED = {
    "short row": (b"7,Fiji,Snacks,Online,C,1/1/20,Asia", "columns"),
    "long row": (ROW + b",more", "columns"),
    "NUL byte": (ROW.replace(b"Asia", b"As\0ia"), "nul_byte"),
    "undecodable byte": (ROW.replace(b"Asia", b"As\xffia"), "encoding"),
    "text after a closing quote": (ROW.replace(b",Asia,", b',"As"ia,'), "quote"),
    "bare carriage return": (ROW.replace(b"Asia", b"As\ria"), "bare_cr"),
    "broken rule": (ROW.replace(b",Asia,", b",,"), "string_too_short"),
    "key that is not in the reference data": (b"999999999" + ROW[9:], "missing_reference"),
}


@pytest.mark.parametrize("name", REJECTED)
def test_a_bad_record_is_rejected_with_its_reason_and_the_others_pass(name: str) -> None:
    record, rule = REJECTED[name]

    outcome = process(_file(ROW, record, *GOOD.body.splitlines()[2:]))

    assert outcome.batch.state is BatchState.COMPLETED, outcome.batch.failure
    assert outcome.rules == [rule]
    assert (outcome.batch.counts.records_out, outcome.batch.counts.rejects) == (20, 1)


PASSES = {
    "CRLF line ends": GOOD.body.replace(b"\n", b"\r\n"),
    "byte order mark": b"\xef\xbb\xbf" + GOOD.body,
    "blank lines at the end": GOOD.body + b"\n\r\n\n",
    "no line end at the end": GOOD.body.rstrip(b"\n"),
}


@pytest.mark.parametrize("name", PASSES)
def test_a_harmless_variant_gives_the_same_result(name: str) -> None:
    plain = process(GOOD.body)

    outcome = process(PASSES[name])

    assert outcome.batch.state is BatchState.COMPLETED, outcome.batch.failure
    assert outcome.result == plain.result
    assert outcome.batch.counts == plain.batch.counts


def test_a_file_of_lines_ended_by_cr_alone_never_passes_as_an_empty_one() -> None:
    outcome = process(b"a,b\r1,2\r3,4\r", key="input/passthrough/mac.csv")

    assert outcome.batch.failure is not None
    assert outcome.batch.failure.code == "header"
    assert "carriage return" in outcome.batch.failure.reason


def test_quotes_inside_unquoted_text_are_text() -> None:
    outcome = process(_file(b'100000000,5" disk,Snacks,Online,C,1/1/20,Asia,1/2/20'))

    assert outcome.batch.state is BatchState.COMPLETED, outcome.batch.failure
    assert outcome.rules == []
    assert outcome.result[1][1] == '5" disk'


def test_columns_may_come_in_any_order() -> None:
    row = b"1/2/20,Asia,1/1/20,C,Online,Snacks,Fiji,100000000"
    header = b",".join(reversed(HEADER.split(b",")))

    outcome = process(_file(row, header=header))

    assert outcome.batch.state is BatchState.COMPLETED, outcome.batch.failure
    assert outcome.result[0][:8] == list(reversed(COLUMNS)), "the result keeps the order of the file"
    assert outcome.result[1][5:8] == ["Snacks", "Fiji", "100000000"]


def test_a_header_alone_is_a_valid_empty_result() -> None:
    outcome = process(HEADER + b"\n")

    assert outcome.batch.state is BatchState.COMPLETED
    assert len(outcome.result) == 1
    assert outcome.batch.counts.records_in == 0


def test_line_breaks_inside_quotes_are_kept_byte_for_byte() -> None:
    body = b'name,text\r\na,"one\r\ntwo\nthree"\r\n'

    outcome = process(body, key="input/passthrough/notes.csv")

    assert outcome.result == [["name", "text"], ["a", "one\r\ntwo\nthree"]]


@pytest.mark.parametrize("name", ["my file.csv", "a+b.csv", "Ümläut ☃.csv", "deep/er/file.csv", "100%.csv"])
def test_any_file_name_will_do(name: str) -> None:
    outcome = process(GOOD.body, key=f"input/sales/{name}")

    assert outcome.batch.state is BatchState.COMPLETED, outcome.batch.failure


@pytest.mark.parametrize(("key", "words"), [("input/salse/f.csv", "no job 'salse'"), ("input/f.csv", "names no job")])
def test_an_unknown_job_fails_and_says_which_jobs_exist(key: str, words: str) -> None:
    outcome = process(GOOD.body, key=key)

    assert outcome.batch.failure is not None
    assert outcome.batch.failure.code == "unknown_job"
    assert words in outcome.batch.failure.reason
    assert "passthrough, sales" in outcome.batch.failure.reason


def test_the_jobs_there_are_stand_in_the_mail_however_long_the_name_of_the_one_that_is_not() -> None:
    outcome = process(GOOD.body, key=f"input/{'j' * 1_000}/f.csv")

    assert f"there is no job '{'j' * 100}" in outcome.mail
    assert "Jobs: passthrough, sales" in outcome.mail


def test_reference_data_that_was_never_loaded_fails_with_the_command_that_loads_it() -> None:
    async def story() -> Batch:
        pipeline = Pipeline(load_jobs("baton_jobs"))
        batch_id = await pipeline.upload("input/sales/f.csv", GOOD.body)
        await pipeline.drive()
        return await pipeline.batch(batch_id)

    batch = asyncio.run(story())

    assert batch.failure is not None
    assert batch.failure.code == "reference_missing"
    assert f"then `baton retry {batch.batch_id}`" in batch.failure.reason
    assert "baton reference load financial" in batch.failure.reason


def test_a_file_replaced_while_it_runs_makes_two_batches_each_of_its_own_version() -> None:
    async def story() -> tuple[list[bytes], list[BatchState], int]:
        pipeline = Pipeline(load_jobs("baton_jobs"))
        first = await pipeline.upload("input/passthrough/f.csv", b"a\nfirst\n")
        second = await pipeline.upload("input/passthrough/f.csv", b"a\nsecond\n")
        await pipeline.drive()
        results = [await pipeline.result(batch_id) for batch_id in (first, second)]
        states = [(await pipeline.batch(batch_id)).state for batch_id in (first, second)]
        left = [info async for info in pipeline.region.objects.list("input/")]
        return results, states, len(left)

    results, states, left = asyncio.run(story())

    assert results == [b"a\nfirst\n", b"a\nsecond\n"]
    assert states == [BatchState.COMPLETED] * 2
    assert left == 0, "a completed input was not filed away"


def test_the_same_event_delivered_again_after_the_batch_is_done_starts_nothing() -> None:
    async def story() -> tuple[int, Batch]:
        pipeline = Pipeline(load_jobs("baton_jobs"))
        info = await pipeline.region.objects.put("input/passthrough/f.csv", b"a\n1\n")
        batch_id = await pipeline.upload("input/passthrough/g.csv", b"a\n1\n")
        await pipeline.announce(info.key, info.version_id)
        await pipeline.drive()
        before = len(pipeline.region.mailer.outbox)
        await pipeline.announce(info.key, info.version_id)
        await pipeline.drive()
        return len(pipeline.region.mailer.outbox) - before, await pipeline.batch(batch_id)

    more_mails, batch = asyncio.run(story())

    assert more_mails == 0
    assert batch.state is BatchState.COMPLETED


def test_every_outcome_in_the_code_is_in_the_documentation() -> None:
    source = "\n".join(path.read_text() for path in REPOSITORY.glob("services/*/src/**/*.py"))
    source += "\n".join(path.read_text() for path in REPOSITORY.glob("libs/baton/src/baton/**/*.py"))
    codes = set(re.findall(r'BatchFailed\(\s*"([a-z_]+)"', source)) | {"unbalanced_quote", "record_too_large"}
    documented = set(re.findall(r"^\| `([a-z_]+)` \|", (REPOSITORY / "docs/outcomes.md").read_text(), re.MULTILINE))

    assert codes <= documented, sorted(codes - documented)
