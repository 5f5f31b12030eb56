"""The advice that `show` gives on what to do next with a batch."""

from typing import Final

from baton.model.batch import Batch
from baton.model.states import BatchState
from baton_cli.hints import baton

_ADVICE: Final = {
    BatchState.ADMITTED: "To be planned in {owner}. Follow it: {baton} watch {me}",
    BatchState.WAITING_INPUT: "The file, or what it was planned with, is not in {owner} yet; it continues once it is.",
    BatchState.SPLIT: "Being processed in {owner}. Follow it: {baton} watch {me}",
    BatchState.PROCESSED: "Being put together in {owner}. Follow it: {baton} watch {me}",
    BatchState.MERGED: "Download the result: {baton} fetch {me}. Its mail is on the way.",
    BatchState.NOTIFIED: "Download the result: {baton} fetch {me}. Its mail is sent.",
    BatchState.COMPLETED: "Download the result: {baton} fetch {me}",
    BatchState.PAUSED: "Resume it: {baton} resume {me}, or end it: {baton} cancel {me}. Finished chunks are kept.",
    BatchState.CANCELLED: "Send the file again if this was a mistake.",
    BatchState.FAILED: "Correct the cause, then: {baton} retry {me}. Finished chunks are kept.",
}
_MAIL_FAILED: Final = (
    "The result stands, only its mail failed. Download: {baton} fetch {me}. Mail again: {baton} retry {me}"
)
_SEND_ANOTHER: Final = "Correct the file and submit it again: this version of it would fail again."
_TOO_MANY_REJECTS: Final = (
    "See why: {baton} rejects {me} (all that were written: {baton} fetch {me} --rejects). "
    "Then correct the file and submit it again."
)
_UNKNOWN_JOB: Final = (
    "Submit it again to one of the jobs that the reason names. "
    "A new job is known once the services were started with it: restart the world "
    "({baton} down, {baton} up) or deploy, then submit the file again."
)
_FAULTS_OF_THE_FILE: Final = frozenset(
    {
        "header",
        "encoding",
        "not_csv",
        "empty_file",
        "unbalanced_quote",
        "record_too_large",
        "file_too_large",
        "input_gone",
    }
)


def advise(batch: Batch, *, owner: str) -> str:
    """Return a sentence or two for the operator of this batch."""
    return _advice(batch).format(me=batch.batch_id, owner=owner, baton=baton())


def _advice(batch: Batch) -> str:
    if batch.state is not BatchState.FAILED or batch.failure is None:
        return _ADVICE[batch.state]
    if batch.published:
        return _MAIL_FAILED
    if batch.failure.code == "too_many_rejects":
        return _TOO_MANY_REJECTS
    if batch.failure.code == "unknown_job":
        return _UNKNOWN_JOB
    return _SEND_ANOTHER if batch.failure.code in _FAULTS_OF_THE_FILE else _ADVICE[batch.state]
