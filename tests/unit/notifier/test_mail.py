"""What the mail says."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

import notifier.domain
from baton.address import Address
from baton.job import Dialect, Job, Record
from baton.model.batch import Batch, Counts, Failure, Source
from baton.model.states import BatchState
from baton.ports import Link, Mail, RejectCount, StoredReject
from ended_batches import DONE, FAILED
from notifier.domain import ADVICE, NOTHING_REJECTED, Downloads, RejectSummary, compose

LINK = Link("https://files.example/result.csv?a=1&b=2", datetime(2026, 7, 1, 13, 0, tzinfo=UTC))
NO_LINKS = Downloads(None, None)
REJECTED = RejectSummary(
    records=200,
    reasons=(RejectCount("Amount", "value_error: must be positive", 150), RejectCount("", "columns", 40)),
    of=200,
    examples=(
        StoredReject(17, 1_700, "Amount", "value_error: must be positive", "-3.00", "x"),
        StoredReject(1_234, 9_000, "", "columns", "7 fields, expected 8", "x"),
        StoredReject(1_235, 9_100, "Currency", "literal_error", "", "x"),
    ),
)
HOSTILE = (
    "q3 is done.\n\nDownload (sign in first):\nhttps://evil.example/\u202efdp\x1b[2J\x07<b>=?utf-8?q?x?=\u2028y\ud800"
)


def _mail(
    batch: Batch,
    *,
    links: Downloads | None = None,
    rejected: RejectSummary = NOTHING_REJECTED,
    job: Job | None = None,
) -> Mail:
    return compose(
        batch,
        sender=Address("", "baton", "example.com"),
        recipients=[Address("", "a", "example.com")],
        links=links or Downloads(LINK, LINK),
        rejected=rejected,
        job=job,
    )


@pytest.mark.parametrize("form", ["text", "html"])
def test_a_mail_of_success_has_counts_links_and_until_when_they_work(form: str) -> None:
    body = getattr(_mail(DONE), form)

    for words in ("july 2026.csv", "10,000", "9,800", "200", "2026-07-01 13:00 UTC", DONE.batch_id):
        assert words in body
    assert ("a=1&amp;b=2" if form == "html" else "a=1&b=2") in body


def test_without_rejects_there_is_no_second_link() -> None:
    mail = _mail(replace(DONE, counts=Counts(5, 5, 0)), links=Downloads(LINK, None))

    assert mail.text.count("https://") == 1
    assert "rejected" not in mail.subject


def test_the_mail_says_for_how_long_links_are_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "The links work for 60 minutes" in _mail(DONE).text

    monkeypatch.setattr(notifier.domain, "LINK_LIFE", timedelta(minutes=7))
    assert "The links work for 7 minutes" in _mail(DONE).text


@pytest.mark.parametrize("form", ["text", "html"])
def test_a_mail_of_failure_has_the_reason_and_what_to_do(form: str) -> None:
    body = getattr(_mail(FAILED, links=NO_LINKS), form)

    assert "missing" in body
    assert ADVICE["header"] in body
    assert "https://" not in body
    assert "Nothing of this file was published" in body


@pytest.mark.parametrize("form", ["text", "html"])
@pytest.mark.parametrize("batch", [DONE, FAILED])
def test_both_mails_say_why_records_were_rejected_with_examples(batch: Batch, form: str) -> None:
    body = getattr(_mail(batch, links=Downloads(LINK if batch.published else None, LINK), rejected=REJECTED), form)

    for words in ("Amount", "value_error: must be positive", "150", "columns", "40", "not counted by reason", "10"):
        assert words in body
    for words in ("17", "-3.00", "1,234", "7 fields, expected 8", "1,235", "literal_error", "empty"):
        assert words in body
    assert "files.example" in body


@pytest.mark.parametrize("form", ["text", "html"])
def test_a_mail_says_what_the_rules_of_the_job_ask_for(form: str) -> None:
    class Entry(Record):
        amount: Annotated[str, Field(pattern="^[0-9]{1,9}$")] = Field(alias="Amount")
        kind: Annotated[str, Field(description="<b>" + "x" * 5_000)] = Field(alias="Kind")

    reasons = (RejectCount("Amount", "string_pattern_mismatch", 3), RejectCount("Kind", "literal_error", 2))
    rejected = replace(REJECTED, records=5, reasons=reasons, of=5)
    mail = _mail(DONE, rejected=rejected, job=Job(name="sales", record=Entry, recipients=("a@example.com",)))

    assert "text like ^[0-9]{1,9}$" in getattr(mail, form)
    assert "<b>" not in mail.html
    assert len(mail.text) + len(mail.html) < 32_000


@pytest.mark.parametrize("form", ["text", "html"])
def test_a_mail_says_in_which_encoding_a_job_wants_its_file(form: str) -> None:
    rejected = replace(REJECTED, reasons=(RejectCount("Amount", "encoding", 3),))
    mail = _mail(DONE, rejected=rejected, job=Job(name="sales", record=None, recipients=("a@example.com",)))

    assert "text in UTF-8 (in Excel: “CSV UTF-8”)" in getattr(mail, form)


@pytest.mark.parametrize("form", ["text", "html"])
@pytest.mark.parametrize(
    ("line", "told"),
    [(";;;", True), ('"";"";', True), ("; ; ", True), (";x;", False), (",,,", False), ("", False), ('""', False)],
)
def test_a_mail_says_what_to_do_about_rows_without_any_value(line: str, told: bool, form: str) -> None:  # noqa: FBT001 - a case
    examples = (*REJECTED.examples, StoredReject(9_999, 90_000, "a", "columns", "1 fields, expected 3", line))
    job = Job(name="sales", record=None, dialect=Dialect(delimiter=";"), recipients=("a@example.com",))

    known = getattr(_mail(DONE, rejected=replace(REJECTED, examples=examples), job=job), form)
    unknown = getattr(_mail(DONE, rejected=replace(REJECTED, examples=examples)), form)

    assert (
        "Some are rows without any value, as a spreadsheet leaves them below a table: delete these" in known
    ) is told
    assert "without any value" not in unknown


@pytest.mark.parametrize("form", ["text", "html"])
def test_rejects_without_a_counted_reason_are_no_other_reasons(form: str) -> None:
    reasons = tuple(RejectCount("Amount", f"rule_{number}", 9) for number in range(12))

    body = re.sub("<[^>]*>", "  ", getattr(_mail(DONE, rejected=replace(REJECTED, reasons=reasons, of=200)), form))

    assert re.search(r"18 +other reasons|other reasons +18", body)
    assert re.search(r"92 +more, not counted by reason|more, not counted by reason +92", body)


@pytest.mark.parametrize("form", ["text", "html"])
def test_reasons_of_a_part_of_the_rejects_say_of_which(form: str) -> None:
    body = getattr(_mail(DONE, rejected=replace(REJECTED, records=5_000, of=190)), form)

    assert "first 190" in body
    assert "5,000" in body
    assert "other reasons" not in body
    assert "not counted by reason" not in body


@pytest.mark.parametrize("form", ["text", "html"])
def test_a_result_whose_mail_failed_is_offered_with_the_failure(form: str) -> None:
    unsent = replace(DONE, state=BatchState.FAILED, failure=Failure("mail_failed", "the mail could not be sent"))

    body = getattr(_mail(unsent, links=Downloads(LINK, None)), form)

    assert "Nothing of this file was published" not in body
    assert "Download the result" in body
    assert DONE.batch_id in body


@pytest.mark.parametrize("form", ["text", "html"])
def test_a_file_of_rejects_that_is_cut_says_so(form: str) -> None:
    links = Downloads(None, LINK)

    assert "The first rejected records" in getattr(
        _mail(FAILED, links=links, rejected=replace(REJECTED, cut=True)), form
    )
    assert "The first rejected records" not in getattr(_mail(FAILED, links=links, rejected=REJECTED), form)
    stopped = replace(FAILED, failure=Failure("too_many_rejects", "too many"))
    assert "The first rejected records" in getattr(_mail(stopped, links=links, rejected=REJECTED), form)


def test_what_comes_from_the_file_cannot_write_html() -> None:
    assert "<script>" not in _mail(FAILED, links=NO_LINKS).html


def _everything_is(text: str, batch: Batch) -> Mail:
    """Return a mail whose every foreign text is this one."""
    key = f"input/{text}/{text}" if batch.failure else f"input/sales/{text}"
    failure = replace(batch.failure, reason=text) if batch.failure else None
    batch = replace(batch, job=text if failure else "sales", source=Source(key, "v", 1), failure=failure)
    rejected = RejectSummary(2, (RejectCount(text, text, 2),), 2, (StoredReject(1, 0, text, text, text, text),))
    return _mail(batch, rejected=rejected)


@pytest.mark.parametrize("batch", [DONE, FAILED])
def test_what_comes_from_others_is_one_printable_line_wherever_it_stands(batch: Batch) -> None:
    plain, hostile = _everything_is("plain", batch), _everything_is(HOSTILE, batch)

    for before, after in ((plain.text, hostile.text), (plain.html, hostile.html), (plain.subject, hostile.subject)):
        assert len(after.splitlines()) == len(before.splitlines())
        assert all(line.isprintable() for line in after.splitlines())
    assert "\\u202e" in hostile.subject
    assert "<b>" not in hostile.html
    assert len(re.findall("<", hostile.html)) == len(re.findall("<", plain.html))


@pytest.mark.parametrize("batch", [DONE, FAILED])
def test_a_mail_is_bounded_whatever_is_in_it(batch: Batch) -> None:
    many = tuple(RejectCount("c" * 5_000, f"r{number}" * 5_000, 1) for number in range(200))
    examples = tuple(StoredReject(number, 0, "c" * 5_000, "r" * 5_000, "v" * 900_000, "") for number in range(5))
    mail = _everything_is("x" * 900_000, batch)
    full = _mail(batch, rejected=RejectSummary(200, many, 200, examples))

    assert len(mail.subject) < 400
    for each in (mail, full):
        assert len(each.text) + len(each.html) < 32_000


def test_a_second_run_is_a_second_mail_and_a_second_send_is_not() -> None:
    assert _mail(DONE).message_id == _mail(DONE).message_id
    assert _mail(DONE).message_id != _mail(replace(DONE, run=2)).message_id


@pytest.mark.parametrize("form", ["text", "html"])
@pytest.mark.parametrize("code", ["header", "encoding", "not_csv"])
@pytest.mark.parametrize(
    ("dialect", "words"),
    [
        (Dialect(), "The job reads CSV in UTF-8 with commas (in Excel: “CSV UTF-8”)."),
        (
            Dialect(encoding="cp1252", delimiter=";"),
            "The job reads CSV in cp1252 with semicolons (in Excel: “CSV”, not “CSV UTF-8”).",
        ),
        (Dialect(encoding="koi8-r", delimiter="\t"), "The job reads CSV in koi8-r with tabs."),
    ],
)
def test_a_file_of_another_form_is_told_the_form_of_its_job(dialect: Dialect, words: str, code: str, form: str) -> None:
    job = Job(name="sales", record=None, dialect=dialect, recipients=("a@example.com",))
    failed = replace(FAILED, failure=Failure(code, "it is another one"))

    body = getattr(_mail(failed, links=NO_LINKS, job=job), form)

    assert words in body
    assert ("UTF-8" in body) == ("UTF-8" in words), "it is no advice for another job"
    assert "Unpack" not in body


def test_the_mail_about_an_unknown_job_is_for_those_who_get_it() -> None:
    failed = replace(FAILED, job="slaes", failure=Failure("unknown_job", "there is no job 'slaes'. Jobs: sales"))

    text = _mail(failed, links=NO_LINKS).text

    assert "goes to the operators" in text
    assert f"baton retry {FAILED.batch_id}" in text


def test_every_documented_failure_has_advice() -> None:
    table = (Path(__file__).parents[3] / "docs/outcomes.md").read_text().partition("## A record is rejected")[0]
    documented = set(re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE))

    assert documented
    assert documented <= ADVICE.keys(), sorted(documented - ADVICE.keys())
