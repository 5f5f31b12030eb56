"""Writes the text of a mail. No I/O except its templates, which are part of the package."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from baton.address import Address
from baton.asked import asked_by
from baton.job import Job
from baton.model import paths
from baton.model.batch import Batch
from baton.model.identity import message_id_of
from baton.model.states import BatchState
from baton.model.unreadable import UnreadableRow
from baton.ports import LINK_LIFE, ChunkDone, Link, Mail, RejectCount, StoredReject
from baton.rejects import not_all, of_empty_rows
from baton.shown import shown

_TEMPLATES: Final = Environment(
    loader=PackageLoader("notifier"),
    undefined=StrictUndefined,
    auto_reload=False,  # they are part of the package
    autoescape=select_autoescape(enabled_extensions=("html.j2",)),
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters["shown"] = shown

_SEND_AGAIN: Final = "upload the file again."
_OPERATORS_TURN: Final = (
    "There is nothing for you to correct. Forward this mail to the operators of Baton: once the cause is gone, "
    "`baton retry {batch_id}` resumes where it stopped."
)
_RESULT_STANDS: Final = (
    "Nothing is lost, the result stands. Forward this mail to the operators of Baton: `baton fetch {batch_id}` "
    "downloads it, `baton retry {batch_id}` sends the mail again."
)
ADVICE: Final = {
    "unknown_job": (
        "This mail goes to the operators, since no job says whose file it is. Find out who sent it: it belongs under "
        "input/<job>/, with the name of one of the jobs above. If the job is new, start or deploy the services with "
        "it; `baton retry {batch_id}` processes the file then."
    ),
    "header": f"Correct the file as the reason says, or send it to the job it was made for, and {_SEND_AGAIN}",
    "encoding": f"Save the file in the encoding of the job, and {_SEND_AGAIN}",
    "not_csv": f"Convert it to CSV as the reason says, and {_SEND_AGAIN}",
    "empty_file": f"Check how the file was exported, and {_SEND_AGAIN}",
    "unbalanced_quote": f"Close the quote at the place named above and {_SEND_AGAIN}",
    "record_too_large": f"Correct the file at the place and for the cause named above, and {_SEND_AGAIN}",
    "file_too_large": "Send the file in parts.",
    "too_many_rejects": (
        f"Correct the records below, or whatever wrote them, and {_SEND_AGAIN} If the records are right and the rules "
        "are not, ask the owner of the job."
    ),
    "input_gone": "The file was deleted before it was processed. Upload it again.",
    "part_missing": "A finished part of the result was deleted too early. Upload the file again.",
    "unreadable": f"Baton may not read the file as it was uploaded. Upload it without a key of your own: {_SEND_AGAIN}",
    "mail_refused": _RESULT_STANDS,
    "mail_failed": _RESULT_STANDS,
} | dict.fromkeys(
    (
        "reference_missing",
        "reference_columns",
        "output_too_large",
        "rule_error",
        "rule_hangs",
        "conservation",
        "split_failed",
        "chunk_failed",
        "merge_failed",
        "stalled",
        "deadline",
        "quarantined",
    ),
    _OPERATORS_TURN,
)
"""What the reader can do, by failure code, without any command."""
_ABOUT_FORMAT: Final = frozenset({"header", "encoding", "not_csv"})
"""Failures whose reader wants to know what the job reads."""
_NOTICE_REASON: Final = (
    "Baton's own record of this file cannot be read by the version that runs: a later version wrote it, or a person. "
    "Nothing is done with the file meanwhile: it is neither finished, nor ended, nor taken over by the other Region."
)
_NOTICE_ADVICE: Final = (
    "There is nothing for you to correct. Forward this mail to the operators of Baton: once the later version "
    "is deployed, or the record corrected, the file is processed."
)
_NOTICE_RUN: Final = 0
"""Which run it is about is not known; runs are counted from 1."""
_REASON_CHARACTERS_MAX: Final = 1_000
_REASONS_MAX: Final = 10
_EXAMPLES_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class Downloads:
    """What the mail offers to download."""

    result: Link | None
    rejects: Link | None


@dataclass(frozen=True, slots=True)
class RejectSummary:
    """What is known of a batch's rejects: how many, why, and some of them. Reasons may be known of a part of them."""

    records: int = 0
    reasons: tuple[RejectCount, ...] = ()
    """Most frequent first."""
    of: int = 0
    """How many of the records the reasons are about, from the first."""
    examples: tuple[StoredReject, ...] = ()
    """By record number."""
    cut: bool = False
    """Whether the file behind the link lacks some of them, because it would be too large."""


NOTHING_REJECTED: Final = RejectSummary()


def rejected_of(
    done: Iterable[ChunkDone], rows: Sequence[StoredReject], *, records: int, cut: bool = False
) -> RejectSummary:
    """Sum up finished chunks; `rows` are the first rejects, `records` how many there are as far as is known elsewhere.

    Where no chunk has counted its reasons, or no chunk is known, those of the rows must do.
    """
    sums = Counter[tuple[str, str]]()
    counted = 0
    for chunk in done:
        counted += chunk.counts.rejects
        for each in chunk.reject_counts:
            sums[each.column, each.rule] += each.records
    records = max(records, counted, len(rows))
    of = records
    if not sums:
        sums.update((row.column, row.rule) for row in rows)
        of = len(rows)
    reasons = sorted((RejectCount(*reason, number) for reason, number in sums.items()), key=_most_frequent_first)
    return RejectSummary(records, tuple(reasons), of, _examples(rows), cut)


def _most_frequent_first(count: RejectCount) -> tuple[int, str, str]:
    return -count.records, count.column, count.rule


def _examples(rows: Sequence[StoredReject]) -> tuple[StoredReject, ...]:
    """Pick the first record of as many different reasons as there is room for, then the first of the others."""
    first = {(row.column, row.rule): row for row in reversed(rows)}.values()
    others = (row for row in rows if row not in first)
    picked = [*sorted(first, key=_record_number), *others][:_EXAMPLES_MAX]
    return tuple(sorted(picked, key=_record_number))


def _record_number(reject: StoredReject) -> int:
    return reject.record_number


def compose(
    batch: Batch,
    *,
    sender: Address,
    recipients: Sequence[Address],
    links: Downloads,
    rejected: RejectSummary = NOTHING_REJECTED,
    job: Job | None = None,
) -> Mail:
    """Write the mail for a published or failed batch; its job tells what rules ask for, and how a file is written."""
    failed = batch.state is BatchState.FAILED
    name = paths.parse_input_key(batch.source.key)
    link = links.result or links.rejects
    facts = {
        "batch": batch,
        "file_name": shown(name.name if name else batch.source.key),
        "job": shown(batch.job) or "none",
        "links": links,
        "link_minutes": LINK_LIFE // timedelta(minutes=1),
        "expires_at": link.expires_at.strftime("%Y-%m-%d %H:%M UTC") if link else None,
        "reason": shown(batch.failure.reason, most=_REASON_CHARACTERS_MAX) if batch.failure else "",
        "advice": _advice(batch, job),
        "rejected": rejected,
        "reasons": rejected.reasons[:_REASONS_MAX],
        "asked_for": partial(asked_by, job),
        "other_reasons": sum(each.records for each in rejected.reasons[_REASONS_MAX:]),
        # A chunk that exceeds the limit counts reasons of its first rejects only, any other its most frequent ones.
        "uncounted": rejected.of - sum(each.records for each in rejected.reasons),
        "notes": [note for note in (not_all(batch, job), of_empty_rows(rejected.examples, job)) if note],
        "rejects_cut": rejected.cut or (batch.failure is not None and batch.failure.code == "too_many_rejects"),
    }
    template = "failed" if failed else "completed"
    return Mail(
        message_id=message_id_of(batch.batch_id, batch.run),
        sender=sender,
        recipients=recipients,
        subject=_subject(batch, str(facts["file_name"]), failed=failed),
        text=_TEMPLATES.get_template(f"{template}.txt.j2").render(facts),
        html=_TEMPLATES.get_template(f"{template}.html.j2").render(facts),
    )


def compose_notice(row: UnreadableRow, *, sender: Address, recipients: Sequence[Address]) -> Mail:
    """Write the mail about a batch whose row cannot be read, with what is known of it."""
    name = paths.parse_input_key(row.key) if row.key else None
    facts = {
        "row": row,
        "file_name": shown(name.name if name else row.key or f"A file (batch {row.batch_id})"),
        "job": shown(row.job or "") or "unknown",
        "reason": _NOTICE_REASON,
        "advice": _NOTICE_ADVICE,
    }
    return Mail(
        message_id=message_id_of(row.batch_id, _NOTICE_RUN),
        sender=sender,
        recipients=recipients,
        subject=f"Not processed: {facts['file_name']} ({facts['job']})",
        text=_TEMPLATES.get_template("notice.txt.j2").render(facts),
        html=_TEMPLATES.get_template("notice.html.j2").render(facts),
    )


def _subject(batch: Batch, file_name: str, *, failed: bool) -> str:
    if failed:
        return f"FAILED: {file_name} ({shown(batch.job) or 'no job'})"
    rejected = f", {batch.counts.rejects:,} rejected" if batch.counts.rejects else ""
    return f"Done: {file_name} ({batch.job}): {batch.counts.records_out:,} records{rejected}"


def _advice(batch: Batch, job: Job | None) -> str:
    if batch.failure is None:
        return ""
    advice = ADVICE.get(batch.failure.code, _OPERATORS_TURN).replace("{batch_id}", batch.batch_id)
    if job is None or batch.failure.code not in _ABOUT_FORMAT:
        return advice
    in_excel = f" ({job.dialect.in_excel})" if job.dialect.in_excel else ""
    return f"{advice} The job reads {job.dialect.described}{in_excel}."
