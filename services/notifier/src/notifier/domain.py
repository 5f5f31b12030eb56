"""What a mail says. No I/O but its templates, which are part of the package."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from baton.address import Address
from baton.model import paths
from baton.model.batch import Batch
from baton.model.identity import message_id_of
from baton.model.states import BatchState
from baton.ports import Link, Mail

_TEMPLATES: Final = Environment(
    loader=PackageLoader("notifier"),
    undefined=StrictUndefined,
    auto_reload=False,  # they are part of the package
    autoescape=select_autoescape(enabled_extensions=("html.j2",)),
    trim_blocks=True,
    lstrip_blocks=True,
)

ADVICE: Final = {
    "unknown_job": "Upload the file again under input/<job>/ with the name of one of the jobs above.",
    "header": "Correct the header, or send the file to the job it belongs to, and upload it again.",
    "encoding": "Save the file as UTF-8, or set the job's dialect.encoding, and upload it again.",
    "empty_file": "Check how the file was exported and upload it again.",
    "unbalanced_quote": "Close the quote at the place named above and upload the file again.",
    "record_too_large": "Look for a quote that was never closed near the place named above, and upload the file again.",
    "too_many_rejects": "Look at the rejects, correct the file and upload it again, or raise the job's limits.",
    "reference_missing": "Load the reference data and retry the batch.",
    "input_gone": "Upload the file again.",
}
"""What the sender can do, by failure code. For every other code it is the operators' turn."""
_OPERATORS_TURN: Final = (
    "Nothing is lost: the operators can run `baton retry {batch_id}`, which keeps all finished work."
)


@dataclass(frozen=True, slots=True)
class Links:
    """What the mail offers to download."""

    result: Link | None
    rejects: Link | None


def compose(batch: Batch, *, sender: Address, recipients: Sequence[Address], links: Links) -> Mail:
    """Write the mail for a published or failed batch."""
    failed = batch.state is BatchState.FAILED
    name = paths.parse_input_key(batch.source.key)
    facts = {
        "batch": batch,
        "file_name": name.name if name else batch.source.key,
        "links": links,
        "expires_at": links.result.expires_at.strftime("%Y-%m-%d %H:%M UTC") if links.result else None,
        "advice": _advice(batch),
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


def _subject(batch: Batch, file_name: str, *, failed: bool) -> str:
    # A file name may hold anything but must never end the header line.
    shown = " ".join(file_name.split())[:120]
    if failed:
        return f"FAILED: {shown} ({batch.job or 'no job'})"
    rejected = f", {batch.counts.rejects:,} rejected" if batch.counts.rejects else ""
    return f"Done: {shown} ({batch.job}): {batch.counts.records_out:,} records{rejected}"


def _advice(batch: Batch) -> str:
    if batch.failure is None:
        return ""
    return ADVICE.get(batch.failure.code, _OPERATORS_TURN.format(batch_id=batch.batch_id))
