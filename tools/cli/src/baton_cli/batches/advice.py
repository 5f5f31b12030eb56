"""The advice that `show` gives on what to do next with a batch."""

from typing import Final

from baton.model.batch import Batch
from baton.model.states import BatchState
from baton_cli.hints import baton

_ADVICE: Final = {
    BatchState.ADMITTED: "To be planned in {owner}. Follow it: {baton} watch {me}",
    BatchState.WAITING_INPUT: "The file, or what it was planned with, is not in {owner} yet; it continues once it is.",
    BatchState.SPLIT: "Being processed in {owner}. Follow it: {baton} watch {me}",
    BatchState.PROCESSED: "Being assembled in {owner}. Follow it: {baton} watch {me}",
    BatchState.MERGED: "Download the result: {baton} fetch {me}. Its mail is on the way.",
    BatchState.NOTIFIED: "Download the result: {baton} fetch {me}. Its mail is sent.",
    BatchState.COMPLETED: "Download the result: {baton} fetch {me}",
    BatchState.PAUSED: "Resume it: {baton} resume {me}, or end it: {baton} cancel {me}. Finished chunks are kept.",
    BatchState.QUARANTINED: (
        "It may have made a Region unhealthy, and is not processed until you decide. Check the file and the job: "
        "{baton} retry {me}, or end it: {baton} cancel {me}. Finished chunks are kept."
    ),
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
    "({baton} down, {baton} up) or deploy, then: {baton} retry {me}"
)
_LOAD_REFERENCE: Final = (
    "Load the data set that the reason names, with every column that the job adds: "
    "{baton} reference load DATASET FILE --key COLUMN. Then: {baton} retry {me}"
)
_CORRECT_JOB: Final = (
    "Correct the job, and start the services with it: restart the world ({baton} down, {baton} up) or deploy. "
    "Then: {baton} retry {me}. What was finished under the old version is done again."
)
_UNREADABLE: Final = (
    "Let Baton read the file (the reason says what is missing), then: {baton} retry {me}, or upload it so that it can."
)
_BY_CODE: Final = {
    "too_many_rejects": _TOO_MANY_REJECTS,
    "unknown_job": _UNKNOWN_JOB,
    "reference_missing": _LOAD_REFERENCE,
    "reference_columns": _LOAD_REFERENCE,
    "rule_error": _CORRECT_JOB,
    "rule_hangs": _CORRECT_JOB,
    "unreadable": _UNREADABLE,
}
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
        "part_missing",
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
    code = batch.failure.code
    return _BY_CODE.get(code, _SEND_ANOTHER if code in _FAULTS_OF_THE_FILE else _ADVICE[batch.state])
