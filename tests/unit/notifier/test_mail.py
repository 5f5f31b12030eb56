"""What the mail says."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from baton.address import Address
from baton.model.batch import Batch, Counts, Failure, Published, Source
from baton.model.states import BatchState
from baton.ports import Link, Mail
from notifier.domain import ADVICE, Links, compose

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
LINK = Link("https://files.example/result.csv?a=1&b=2", datetime(2026, 7, 1, 13, 0, tzinfo=UTC))
DONE = Batch(
    batch_id="4e5f1c2d3b4a59687f6e",
    job="sales",
    source=Source("input/sales/july 2026.csv", "v", 1_000),
    state=BatchState.MERGED,
    owner_epoch=2,
    admitted_at=NOW,
    updated_at=NOW,
    counts=Counts(10_000, 9_800, 200),
    published=Published("r", "j", "m", 1, "0"),
)
FAILED = replace(
    DONE, state=BatchState.FAILED, published=None, failure=Failure("header", "missing 'uuid' <script>alert(1)</script>")
)


def _mail(batch: Batch, *, links: Links | None = None) -> Mail:
    return compose(
        batch,
        sender=Address("", "baton", "example.com"),
        recipients=[Address("", "a", "example.com")],
        links=links or Links(LINK, LINK),
    )


@pytest.mark.parametrize("form", ["text", "html"])
def test_a_mail_of_success_has_counts_links_and_until_when_they_work(form: str) -> None:
    body = getattr(_mail(DONE), form)

    for words in ("july 2026.csv", "10,000", "9,800", "200", "2026-07-01 13:00 UTC", DONE.batch_id):
        assert words in body
    assert ("a=1&amp;b=2" if form == "html" else "a=1&b=2") in body


def test_without_rejects_there_is_no_second_link() -> None:
    mail = _mail(replace(DONE, counts=Counts(5, 5, 0)), links=Links(LINK, None))

    assert mail.text.count("https://") == 1
    assert "rejected" not in mail.subject


@pytest.mark.parametrize("form", ["text", "html"])
def test_a_mail_of_failure_has_the_reason_and_what_to_do(form: str) -> None:
    body = getattr(_mail(FAILED, links=Links(None, None)), form)

    assert "missing" in body
    assert ADVICE["header"] in body
    assert "https://" not in body


def test_what_comes_from_the_file_cannot_write_html() -> None:
    assert "<script>" not in _mail(FAILED, links=Links(None, None)).html


def test_a_file_name_cannot_write_headers() -> None:
    hostile = replace(DONE, source=Source("input/sales/a\r\nBcc: all@example.com\r\n.csv", "v", 1))

    subject = _mail(hostile).subject

    assert "\r" not in subject
    assert "\n" not in subject


def test_a_second_run_is_a_second_mail_and_a_second_send_is_not() -> None:
    assert _mail(DONE).message_id == _mail(DONE).message_id
    assert _mail(DONE).message_id != _mail(replace(DONE, run=2)).message_id
